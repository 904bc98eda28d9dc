"""Trains what the notebooks show from records, and ships it: `make recorded`.

It runs a notebook as it stands, with nothing known before. What its sweeps trained
becomes helpers/recorded/NAME.jsonl.gz, the searches named after the lesson become
NAME.journal.gz, and lesson 06 has its races. Stopped half-way, it goes on from there;
what was shipped before stays until all of it is done.
"""

import gzip
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from run_notebooks import NOTEBOOKS, ROOT, private_jupyter

sys.path.insert(0, str(ROOT))
from helpers import jobs, load_fashion_mnist, races, sweeps  # noqa: E402

RECORDED = ROOT / "helpers" / "recorded"
NAMES = ("05_hyperparameters", "06_search")


def record(name):
    """Records what one notebook shows."""
    data = load_fashion_mnist()
    if data.source != "full":
        sys.exit("Records come from the full Fashion-MNIST, and here is only the "
                 "bundled sample: connect to the network and run this again.")
    course = ROOT / "build" / "recording" / name
    course.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        set_aside(name[:3]),  # else it would be taken for known
    ):
        os.environ.update(private_jupyter(home) | {"COURSE_HOME": str(course)})
        if table := the_table(notebook):
            races.record_races(table)
        NotebookClient(notebook, timeout=None).execute()
        pack(f"{name}.jsonl", "\n".join(lines(course, data)).encode() + b"\n")
        for journal in sorted((course / "searches").glob(f"{name[:3]}*.journal")):
            pack(journal.name, journal.read_bytes())
    shutil.rmtree(course)


@contextmanager
def set_aside(lesson):
    """Without a lesson's records, which come back unless new ones take their place."""
    with tempfile.TemporaryDirectory() as folder:
        for path in RECORDED.glob(f"{lesson}*"):
            shutil.move(path, folder)
        try:
            yield
        except BaseException:
            for path in Path(folder).iterdir():
                shutil.copy(path, RECORDED)
            raise


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


def lines(course, data):
    """What the notebook's sweeps have kept, each run once."""
    known = {}
    kept = (course / "sweeps.jsonl").read_text().splitlines()
    for split in (data, data.for_the_test()):
        fingerprint = jobs.data_fingerprint(split)
        for line in kept:
            if result := sweeps.from_line(line, fingerprint):
                known[fingerprint, result.config] = line
    return sorted(known.values())


def pack(name, content):
    """Ships it, without the time, so that the same records are the same file."""
    RECORDED.mkdir(exist_ok=True)
    packed = gzip.compress(content, mtime=0)
    (RECORDED / f"{name}.gz").write_bytes(packed)
    print(f"{name}.gz: {len(packed):,} bytes")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or NAMES:
        record(Path(chosen).stem)
