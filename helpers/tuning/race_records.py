"""The races that were recorded with the course: a line of JSON each, packed."""

import gzip
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from helpers.tuning.kept import RECORDED
from helpers.tuning.race_table import RaceTable
from helpers.tuning.strategies import Improvement, Race

# Raise it by one when a change makes the same strategy and seed search elsewhere: the
# races that are recorded no longer hold then.
RACES_VERSION = 1
RECORD = RECORDED / "06_races.jsonl.gz"


def read_races(
    path: Path, table: RaceTable, num_epochs: int
) -> dict[tuple[str, int], Race]:
    """The races in a file on this table: {(strategy, seed): Race}; {} without one."""
    try:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    except (OSError, EOFError, ValueError):
        return {}
    known, stamp = {}, _stamp(table, num_epochs)
    for line in lines:
        # A line may be damaged, or of another version of the course.
        with suppress(ValueError, TypeError, LookupError, AttributeError):
            kept = json.loads(line)
            if stamp.items() <= kept.items():
                steps = tuple(
                    Improvement(spent, seen, table.score(*setting), *setting)
                    for spent, seen, *setting in kept["steps"]
                )
                key = kept["strategy"], kept["seed"]
                known[key] = Race(*key, kept["trials"], steps, recorded=True)
    return known


def write_races(
    path: Path, races: Iterable[Race], table: RaceTable, num_epochs: int
) -> None:
    """Write the races to a file; the same races make the same file."""
    stamp, lines = _stamp(table, num_epochs), []
    for race in races:
        steps = [[*step[:2], *step[3:]] for step in race.steps]  # scores: in the table
        kept = {"strategy": race.strategy, "seed": race.seed, "trials": race.num_trials}
        lines.append(json.dumps(stamp | kept | {"steps": steps}))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def _stamp(table, num_epochs):
    return {"of": table.fingerprint, "version": RACES_VERSION, "epochs": num_epochs}
