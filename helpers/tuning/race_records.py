"""The races that were recorded with the course: a line of JSON each, packed."""

import gzip
import json
from collections.abc import Iterable
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
    races = filter(None, (_from_line(line, table, num_epochs) for line in lines))
    return {(race.strategy, race.seed): race for race in races}


def write_races(
    path: Path, races: Iterable[Race], table: RaceTable, num_epochs: int
) -> None:
    """Write the races to a file; the same races make the same file."""
    lines = [_to_line(race, table, num_epochs) for race in races]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def _to_line(race, table, num_epochs):
    steps = [[*step[:2], *step[3:]] for step in race.steps]  # the table has the scores
    kept = _stamp(table, num_epochs) | {
        "strategy": race.strategy,
        "seed": race.seed,
        "trials": race.num_trials,
        "steps": steps,
    }
    return json.dumps(kept)


def _from_line(line, table, num_epochs):
    """The Race in a line; None if it is of another table, budget or version."""
    try:
        kept = json.loads(line)
        if _stamp(table, num_epochs).items() <= kept.items():
            steps = tuple(
                Improvement(spent, seen, table.score(*setting), *setting)
                for spent, seen, *setting in kept["steps"]
            )
            return Race(kept["strategy"], kept["seed"], kept["trials"], steps, True)
    except (ValueError, TypeError, LookupError, AttributeError):
        pass  # a damaged line, or one of another version of the course
    return None


def _stamp(table, num_epochs):
    return {"of": table.fingerprint, "version": RACES_VERSION, "epochs": num_epochs}
