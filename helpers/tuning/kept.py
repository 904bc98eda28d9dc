"""The runs that are known already: the learner's own, and what came with the course."""

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from helpers import records
from helpers.training import Config
from helpers.tuning.results import Result
from helpers.tuning.shared_data import Shared

# Raise it by one when a change makes the same Config train to other numbers: the
# results that are kept no longer hold then.
RESULTS_VERSION = 1
RECORDED = Path(__file__).parent / "recorded"
EARLIER = "sweeps.jsonl"  # written by earlier versions; still read
CURVES = ("train_loss", "val_loss", "val_accuracy", "val_halves")


def known_results(shared: Shared, recorded: Path = RECORDED) -> dict[Config, Result]:
    """What has been trained on this data, by the learner or for the course.

    recorded: the folder of the runs that came with the course. On the sample, runs
    that were recorded on the full data stand in.
    """
    known = {}
    for kept in [*_lines(records.home() / EARLIER), *own_runs(shared.fingerprint)]:
        if result := _result(kept, shared.fingerprint):
            known[result.config] = result
    stand_in = shared.source.replace("sample", "full")
    for path in sorted(recorded.glob("*.jsonl.gz")):
        for kept in _lines(path):
            if result := _result(kept, shared.fingerprint, stand_in):
                known[result.config] = replace(result, recorded=True)
    return known


def own_runs(fingerprint: str) -> list[dict]:
    """The learner's own runs on the data of this fingerprint, as they are kept."""
    runs = records.read("runs").get(fingerprint, {}).values()
    return [run for run in runs if run["version"] == RESULTS_VERSION]


def remember(result: Result, fingerprint: str) -> None:
    """Keep a result for later sweeps; not a failed one, nor one of an own init."""
    # A failure may be the machine's fault; a run that diverged would do so again.
    if result.val_accuracy and not callable(result.config.init):
        kept = as_kept(result, fingerprint)
        records.change("runs", fingerprint, **{kept["config"]: kept})


def as_kept(result: Result, fingerprint: str) -> dict:
    """A Result as JSON can hold it, with five digits for each figure."""
    kept = {"of": fingerprint, "version": RESULTS_VERSION} | asdict(result)
    kept.pop("recorded")
    kept["config"] = str(result.config)
    for name in CURVES:
        kept[name] = [float(f"{value:.5g}") for value in kept[name]]
    kept["seconds"] = round(kept["seconds"], 2)
    return kept


def _result(kept: dict, fingerprint: str, stand_in: str = "") -> Result | None:
    """The Result that was kept; None if it is of other data or another version.

    stand_in: the name of data, as in `Result.data`, whose results will do as well.
    """
    try:
        fields = dict(kept)
        fits = fields.pop("of") == fingerprint or fields["data"] == stand_in
        if fields.pop("version") != RESULTS_VERSION or not fits:
            return None
        fields["config"] = Config.from_string(fields["config"])
        curves = {name: tuple(fields[name]) for name in CURVES if name in fields}
        return Result(**fields | curves)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None  # another version's, or damaged


def _lines(path: Path) -> Iterator:
    """The JSON in each line of a file; a line cut short is left out."""
    read = gzip.open if path.suffix == ".gz" else open
    with (
        suppress(OSError, EOFError, zlib.error),
        read(path, "rt", encoding="utf-8", errors="replace") as file,
    ):
        for line in file:
            with suppress(ValueError):
                yield json.loads(line)
