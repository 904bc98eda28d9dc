"""Train what the notebooks show from records, and store it: `make recorded`.

It runs a notebook, without its cells with the tag `live`, with a copy of the course
that knows no results of that lesson. What its sweeps trained becomes
helpers/tuning/recorded/NAME.jsonl.gz, the searches named after the lesson become
NAME.journal.gz, and lesson 06 has its races. If stopped, it continues from there when
run again; the stored records are replaced only when all of it is done.

DEVICE in the environment, such as "cuda", is where all of it is trained.
"""

import gzip
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient

from run_notebooks import NOTEBOOKS, ROOT, private_jupyter

NAMES = ("05_hyperparameters", "06_search")
RECORDED = ROOT / "helpers" / "tuning" / "recorded"
STOPPED = "Stopped: run the same command again to continue."
ONLY_SAMPLE = (
    "Records come from the full Fashion-MNIST, but only the bundled sample is here: "
    "connect to the network and run the same command again."
)


def main() -> None:
    """Record one of the notebooks, or each in turn in a process of its own."""
    names = [Path(name).stem for name in sys.argv[1:]] or NAMES
    if len(names) == 1:
        record(*names)
        return
    for name in names:
        command = [sys.executable, __file__, name]
        if status := os.spawnv(os.P_WAIT, sys.executable, command):
            sys.exit(status)


def record(name: str) -> None:
    """Record what one notebook shows."""
    # A stopped sweep returns what is done, and the cells after it would run without
    # the rest.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: sys.exit(STOPPED))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(folder, "helpers")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "helpers", copy, ignore=ignored)
        for path in (copy / "tuning" / "recorded").glob(f"{name[:3]}*"):
            path.write_bytes(gzip.compress(b""))
        train_on(os.environ.get("DEVICE", "cpu"), copy)
        sys.path.insert(0, folder)
        _record(name, copy)


def train_on(device: str, course: Path) -> None:
    """Make it the default, which no record names, in a copy of the course."""
    path, default = course / "training.py", '    device: str = "{}"\n'
    before, after = path.read_text().split(default.format("cpu"))
    path.write_text(before + default.format(device) + after)


def _record(name, copy):
    # Here, since they have to come from the copy.
    from helpers import load_fashion_mnist
    from helpers.tuning.kept import own_runs
    from helpers.tuning.race import STRATEGIES, race, record_races
    from helpers.tuning.shared_data import data_fingerprint

    data = load_fashion_mnist()
    if data.source != "full":
        sys.exit(ONLY_SAMPLE)
    course = ROOT / "build" / "recording" / name
    course.mkdir(parents=True, exist_ok=True)
    os.environ.update(private_jupyter(copy.parent / "jupyter"))
    os.environ.update(COURSE_HOME=str(course), PYTHONPATH=str(copy.parent))
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)
    notebook.cells = [
        c for c in notebook.cells if "live" not in c.metadata.get("tags", [])
    ]
    if table := the_table(notebook):
        record_races(race(STRATEGIES, table, recorded=False), table)
    NotebookClient(notebook, timeout=None).execute()
    fingerprints = map(data_fingerprint, (data, data.for_the_test()))
    lines = [json.dumps(run) for of in fingerprints for run in own_runs(of)]
    pack(f"{name}.jsonl", "\n".join(sorted(lines)).encode() + b"\n")
    for journal in sorted((course / "searches").glob(f"{name[:3]}*.journal")):
        pack(journal.name, journal.read_bytes())
    for path in (copy / "tuning" / "recorded").glob(f"{name[:3]}*races*"):
        shutil.copy(path, RECORDED)
    shutil.rmtree(course)


def the_table(notebook: nbformat.NotebookNode) -> object:
    """The sweep that a notebook calls `table`, trained now; None if it has none."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    if not any(source.startswith("table = ") for source in cells):
        return None
    names, as_python = {}, TransformerManager().transform_cell
    for source in cells:
        exec(as_python(source), names)  # the first has a magic, for Colab
        if "table" in names:
            return names["table"]


def pack(name: str, content: bytes) -> None:
    """Store it, without the time, so that the same records give the same file."""
    RECORDED.mkdir(exist_ok=True)
    packed = gzip.compress(content, mtime=0)
    (RECORDED / f"{name}.gz").write_bytes(packed)
    print(f"{name}.gz: {len(packed):,} bytes")


if __name__ == "__main__":
    main()
