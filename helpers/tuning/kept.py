"""The runs that are known already: the learner's own, and what came with the course."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from helpers import records
from helpers.language import tr
from helpers.tables import one_line
from helpers.training import Config
from helpers.tuning.results import Result
from helpers.tuning.shared_data import Shared

# Raise it by one when a change makes the same Config train to other numbers: the
# results that are kept no longer hold then.
RESULTS_VERSION = 1
RECORDED = Path(__file__).parent / "recorded"
EARLIER = "sweeps.jsonl"  # written by earlier versions; still read
STAND_INS = {"sample": "full", "sample, test": "full, test"}  # names of data
# In RECORDED: runs of sweeps, and all that there is.
SWEEPS = ("05_hyperparameters.jsonl.gz", "06_search.jsonl.gz")
SHIPPED = (*SWEEPS, "06_races.jsonl.gz", "06_joint.journal.gz")
CURVES = {"train_loss", "val_loss", "val_accuracy", "val_halves"}

DAMAGED = tr(
    "{path}, a record that came with the course, can't be read ({text}). Get it again, "
    "for example with `git checkout {path}`, or delete it to train its runs here."
)

MISSING = tr(
    "{path}, a record that came with the course, is missing, so what it held has to be "
    "trained again. Get it back, for example with `git checkout {path}`."
)


def known_results(
    configs: Iterable[Config], shared: Shared, recorded: Path = RECORDED
) -> dict[Config, Result]:
    """Those that have been trained on this data, by the learner or for the course.

    recorded: the folder of the runs that came with the course. On the sample, runs
    that were recorded on the full data stand in. Raises ValueError where one of the
    records is damaged.
    """
    # Text can't hold a learner's own init.
    wanted = {str(config): config for config in configs if not callable(config.init)}
    own = [*_lines(records.home() / EARLIER), *own_runs(shared.fingerprint)]
    known = _results(own, wanted, shared)
    for path in sorted(recorded.glob("*.jsonl.gz")):
        known |= _results(read_record(path), wanted, shared, recorded=True)
    for name in SWEEPS if len(known) < len(wanted) else ():
        read_record(recorded / name)
    return known


def read_record(path: Path) -> list:
    """The JSON in each line of a record that came with the course; [] without one.

    What took hours is not trained again without a word: it raises ValueError, with one
    sentence, where it is damaged, and says where one is missing that did come.
    """
    return _read(path, path.stat().st_mtime_ns if path.exists() else None)


@cache  # a notebook sweeps many times
def _read(path, changed):
    if changed is None:
        if path.name in SHIPPED:
            print(MISSING.format(path=path))
        return []
    try:
        lines = gzip.decompress(path.read_bytes()).splitlines()
        return [json.loads(line) for line in lines]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        text = getattr(error, "strerror", None) or one_line(error)
        raise ValueError(DAMAGED.format(path=path, text=text)) from None


def own_runs(fingerprint: str) -> list[dict]:
    """The learner's own runs on the data of this fingerprint, as they are kept."""
    runs = records.read("runs").get(fingerprint, {}).values()
    return [run for run in runs if run["version"] == RESULTS_VERSION]


def remember(results: Iterable[Result], fingerprint: str) -> str:
    """Keep results for later sweeps; no failed ones, nor those of an own init.

    Returns why they could not be kept, or "".
    """
    # A failure may be the machine's fault; a run that diverged would do so again.
    kept = [
        as_kept(result, fingerprint)
        for result in results
        if result.train_accuracy is not None and not callable(result.config.init)
    ]
    if not kept:
        return ""
    return records.change("runs", fingerprint, **{run["config"]: run for run in kept})


def as_kept(result: Result, fingerprint: str) -> dict:
    """A Result as JSON can hold it, with five digits for each figure."""
    kept = {"of": fingerprint, "version": RESULTS_VERSION} | vars(result)
    del kept["recorded"], kept["stand_in"]
    kept |= {"config": str(result.config), "seconds": round(result.seconds, 2)}
    return kept | {name: [float(f"{v:.5g}") for v in kept[name]] for name in CURVES}


def _results(
    lines: Iterable[dict],
    wanted: dict[str, Config],
    shared: Shared,
    recorded: bool = False,
) -> dict[Config, Result]:
    """Those of what was kept that are wanted, and of this data and version."""
    found = {}
    for kept in lines:
        # It may be damaged, or of another version.
        with suppress(ValueError, TypeError, LookupError, AttributeError):
            fields = dict(kept)
            here = fields.pop("of") == shared.fingerprint
            there = recorded and fields["data"] == STAND_INS.get(shared.source)
            config = fields["config"] = wanted[fields["config"]]
            if fields.pop("version") == RESULTS_VERSION and (here or there):
                fields |= {name: tuple(fields[name]) for name in CURVES & fields.keys()}
                found[config] = Result(**fields, recorded=recorded, stand_in=not here)
    return found


def _lines(path: Path) -> Iterator:
    """The JSON in each line of a file; a line cut short is left out."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError):
                yield json.loads(line)
