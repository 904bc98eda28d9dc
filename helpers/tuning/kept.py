"""What is kept of sweeps on disk, and what of them came with the course."""

import gzip
import json
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import filelock

from helpers import records
from helpers.training import Config
from helpers.tuning.results import Result

# Raise it by one when a change makes the same Config train to other numbers: the
# results that are kept no longer hold then.
RESULTS_VERSION = 1
RECORDED = Path(__file__).parent / "recorded"
CURVES = ("train_loss", "val_loss", "val_accuracy", "val_halves")


def key(config):
    return None if callable(config.init) else str(config)


def known_results(shared):
    """What has been trained on this data: {key: Result}."""
    known = {}
    for path in [_own_file(), *sorted(RECORDED.glob("*.jsonl.gz"))]:
        shipped = path.parent == RECORDED
        # On the sample, what was recorded on the full data stands in.
        stand_in = shipped and shared.source.replace("sample", "full")
        for line in _lines(path):
            if result := from_line(line, shared.fingerprint, stand_in):
                known[key(result.config)] = replace(result, recorded=shipped)
    return known


def _lines(path):
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return []
    return content.decode(errors="replace").splitlines()


def from_line(line, fingerprint, stand_in=None):
    """The Result in a line; None if it is of other data or another version.

    stand_in: the name of data, as in `Result.data`, whose results will do as well.
    """
    try:
        kept = json.loads(line)
        fits = kept.pop("of") == fingerprint or kept["data"] == stand_in
        if kept.pop("version") != RESULTS_VERSION or not fits:
            return None
        kept["config"] = Config.from_string(kept["config"])
        for name in set(CURVES) & set(kept):
            kept[name] = tuple(kept[name])
        return Result(**kept)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None  # a line cut short, or of another course


def to_line(result, fingerprint):
    """A Result as one line of JSON, five digits a figure."""
    kept = {"of": fingerprint, "version": RESULTS_VERSION} | asdict(result)
    kept.pop("recorded")
    kept["config"] = str(result.config)
    for name in CURVES:
        kept[name] = [float(f"{value:.5g}") for value in kept[name]]
    kept["seconds"] = round(kept["seconds"], 2)
    return json.dumps(kept)


def _own_file():
    return records.location().with_name("sweeps.jsonl")


def remember(result, fingerprint):
    # A failure may have been the machine's; what diverged does so again.
    if callable(result.config.init) or not result.val_accuracy:
        return
    path = _own_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock", timeout=5), path.open("a") as file:
            # The first newline, in case the last line was cut short.
            file.write("\n" + to_line(result, fingerprint) + "\n")
    except (OSError, filelock.Timeout):
        pass  # it is trained again next time
