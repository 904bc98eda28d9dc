"""`make recorded`: stopped half-way, it loses nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from helpers.records import Records

ROOT = Path(__file__).parents[2]
NAME = "06_search.ipynb"
LIVE = {"tags": ["live"]}
# One run that is done soon, and then the table, which isn't.
CELLS = [
    nbformat.read(ROOT / "notebooks" / NAME, 4).cells[1],  # for Colab, with a magic
    v4.new_code_cell("from helpers import Config, load_fashion_mnist, sweep"),
    v4.new_code_cell("data = load_fashion_mnist()"),
    v4.new_code_cell("sweep([Config(num_hiddens=9)], data)", metadata=LIVE),
    v4.new_code_cell("assert Config().device == 'cpu:0'"),
    v4.new_code_cell("sweep([Config(num_hiddens=8, num_epochs=1)], data)"),
    v4.new_code_cell("table = sweep([Config(num_epochs=900)], data)"),
]


@pytest.mark.slow
@pytest.mark.usefixtures("full_data")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_stopped_half_way_it_keeps_what_is_trained_and_what_was_shipped(tmp_path):
    skip = shutil.ignore_patterns("__pycache__")
    for name in ("helpers", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skip)
    (tmp_path / "notebooks").mkdir()
    nbformat.write(v4.new_notebook(cells=CELLS), tmp_path / "notebooks" / NAME)
    shipped = contents(tmp_path / "helpers" / "tuning" / "recorded")
    kept = Records(tmp_path / "build" / "recording" / "06_search" / "course.sqlite")
    recording = subprocess.Popen(
        [sys.executable, "tools/record_sweeps.py", "06_search"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "", "DEVICE": "cpu:0"},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not kept.read("runs"):
        assert recording.poll() is None, recording.stderr.read()
        time.sleep(0.2)
    recording.send_signal(signal.SIGINT)
    _, said = recording.communicate(timeout=60)
    assert recording.returncode == 1 and said.strip().endswith(
        "run the same command again to continue."
    )
    assert contents(tmp_path / "helpers" / "tuning" / "recorded") == shipped
    (runs,) = kept.read("runs").values()
    assert list(runs) == ["num_hiddens=8 lr=0.1 num_epochs=1"]  # wherever it ran


@pytest.mark.parametrize("name", ["05_hyperparameters.ipynb", NAME])
def test_only_lesson_06_has_a_table_for_its_races(name):
    cells = nbformat.read(ROOT / "notebooks" / name, 4).cells
    tables = [cell for cell in cells if cell.source.startswith("table = sweep(")]
    assert len(tables) == (name == NAME)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
