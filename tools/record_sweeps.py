"""Trains what the notebooks show from records, and ships it: `make recorded`.

It runs a notebook as it stands, with a copy of the course in which nothing of that
lesson is known. What its sweeps trained becomes
helpers/tuning/recorded/NAME.jsonl.gz, the searches named after the lesson become
NAME.journal.gz, and lesson 06 has its races. Stopped half-way, it goes on from there;
what was shipped before stays as it is until all of it is done.
"""

import gzip
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from run_notebooks import NOTEBOOKS, ROOT, private_jupyter

NAMES = ("05_hyperparameters", "06_search")
RECORDED = ROOT / "helpers" / "tuning" / "recorded"


def main():
    """Records one of the notebooks, in a process of its own, or each in turn."""
    names = [Path(name).stem for name in sys.argv[1:]] or NAMES
    if len(names) == 1:
        record(*names)
        return
    for name in names:
        if status := os.spawnv(
            os.P_WAIT, sys.executable, [sys.executable, __file__, name]
        ):
            sys.exit(status)


def record(name):
    """Records what one notebook shows."""
    # A sweep keeps what is done when it is stopped, and would go on without the rest.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: sys.exit("Stopped; run it again to go on."))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(folder, "helpers")
        ignored = shutil.ignore_patterns(f"{name[:3]}*", "__pycache__")
        shutil.copytree(ROOT / "helpers", copy, ignore=ignored)
        sys.path.insert(0, folder)
        _record(name, copy)


def _record(name, copy):
    from helpers import load_fashion_mnist
    from helpers.tuning import kept as on_disk
    from helpers.tuning import race as races
    from helpers.tuning.shared_data import data_fingerprint

    data = load_fashion_mnist()
    if data.source != "full":
        sys.exit(
            "Records come from the full Fashion-MNIST, and here is only the "
            "bundled sample: connect to the network and run this again."
        )
    course = ROOT / "build" / "recording" / name
    course.mkdir(parents=True, exist_ok=True)
    os.environ.update(private_jupyter(copy.parent / "jupyter"))
    os.environ.update(COURSE_HOME=str(course), PYTHONPATH=str(copy.parent))
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)
    if table := the_table(notebook):
        races.record_races(table)
    NotebookClient(notebook, timeout=None).execute()
    kept = (course / "sweeps.jsonl").read_text().splitlines()
    known = {}
    for split in (data, data.for_the_test()):
        fingerprint = data_fingerprint(split)
        for line in kept:
            if result := on_disk.from_line(line, fingerprint):
                known[fingerprint, result.config] = line
    pack(f"{name}.jsonl", "\n".join(sorted(known.values())).encode() + b"\n")
    for journal in sorted((course / "searches").glob(f"{name[:3]}*.journal")):
        pack(journal.name, journal.read_bytes())
    for path in (copy / "tuning" / "recorded").glob(f"{name[:3]}*races*"):
        shutil.copy(path, RECORDED)
    shutil.rmtree(course)


def the_table(notebook):
    """The sweep that a notebook calls `table`, trained now; None if it has none."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    if not any(source.startswith("table = ") for source in cells):
        return None
    names = {}
    for source in cells:
        exec(source, names)
        if "table" in names:
            return names["table"]


def pack(name, content):
    """Ships it, without the time, so that the same records are the same file."""
    RECORDED.mkdir(exist_ok=True)
    packed = gzip.compress(content, mtime=0)
    (RECORDED / f"{name}.gz").write_bytes(packed)
    print(f"{name}.gz: {len(packed):,} bytes")


if __name__ == "__main__":
    main()
