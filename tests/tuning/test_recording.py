"""`make recorded`: stopped half-way, it loses nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.usefixtures("full_data")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_stopped_half_way_it_keeps_what_is_trained_and_what_was_shipped(tmp_path):
    for name in ("helpers", "tools", "notebooks"):
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skip)
    shipped = contents(tmp_path / "helpers" / "tuning" / "recorded")
    kept = tmp_path / "build" / "recording" / "06_search" / "sweeps.jsonl"
    recording = subprocess.Popen(
        [sys.executable, "tools/record_sweeps.py", "06_search"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ""},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (kept.exists() and kept.read_text().strip()):
        assert recording.poll() is None, recording.stderr.read()
        time.sleep(0.2)
    recording.send_signal(signal.SIGINT)
    _, said = recording.communicate(timeout=60)
    assert recording.returncode == 1 and said.strip().endswith("run it again to go on.")
    assert contents(tmp_path / "helpers" / "tuning" / "recorded") == shipped
    assert kept.read_text().strip()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
