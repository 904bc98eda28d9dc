"""Races of search strategies on a table: trainings that are all known already.

Each training is looked up instead of run. So a search of an hour takes a second, and
can be repeated often enough to see how much of its outcome is luck.
"""

import difflib
import gzip
import json
import math
import statistics
from collections.abc import Iterable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.given import brief, items, require, require_kind
from helpers.language import COMMA, tr
from helpers.model import is_count
from helpers.tables import as_text
from helpers.tuning.kept import RECORDED, read_record
from helpers.tuning.race_table import RaceTable
from helpers.tuning.results import Results
from helpers.tuning.strategies import STRATEGIES, Improvement, Race, run_race

RECORD = RECORDED / "06_races.jsonl.gz"  # packed JSON, a line for each race
RACES_VERSION = 1  # one more when the same strategy and seed would search elsewhere
NUM_EPOCHS = 300  # what a race may spend: 30 full trainings of the course's table
REPEATS = 30
NEAR = 0.005  # this close to the table's best counts as having reached it

RECORDED_HERE = tr("{count:,} of the {total:,} races were recorded with the course.")
HEADER = (
    *(tr("accuracy"), tr("epochs to {near:.3f}"), tr("trials")),
    tr("strategy"),
)
ABOVE = tr("{first} ends {gap} above {second}: better on this table.")
BELOW = tr("{first} ends {gap} below {second}: worse on this table.")
ALIKE = tr("{first} and {second} end {gap} apart: too close to tell.")
UNKNOWN = tr(
    "{first} and {second} can't be compared: that takes at least two races each."
)

NO_STRATEGY = tr("There is no strategy {name}; there are: {known}.")
NO_STRATEGY_CLOSE = tr("There is no strategy {name}; did you mean {close[0]!r}?")
NOT_STRATEGIES = tr(
    "race needs one or more names of strategies, such as ['TPE']; you gave {found}."
)
NOT_RACED = tr("{name} did not take part in these races; these did: {known}.")
BAD_EPOCHS = tr(
    "num_epochs, what a race may spend, must be a whole number from 1 to 1,000,000; "
    "you gave {found}."
)
BAD_RECORDED = tr(
    "recorded must be True, False or the path of a file; you gave {found}."
)
BAD_REPEATS = tr("repeats must be a whole number from 1 to 10,000; you gave {found}.")


class Difference(NamedTuple):
    """How far `first` ends above `second`: the mean, and two standard errors."""

    first: str
    second: str
    mean: float
    error: float

    def __str__(self) -> str:
        if math.isnan(self.error):
            sentence = UNKNOWN
        elif abs(self.mean) <= self.error:
            sentence = ALIKE
        else:
            sentence = ABOVE if self.mean > 0 else BELOW
        gap = f"{abs(self.mean):.4f} ± {self.error:.4f}"
        return sentence.format(first=self.first, second=self.second, gap=gap)


class Races(list[Race]):
    """What `race` returns: a list of `Race`, strategy by strategy.

    best: the highest true score in the table. num_epochs: what each race could spend.
    note: a sentence on where the races come from, or "". `str()` of it is a table, the
    best strategy first: `final`, `epochs_to_near` (`-` for infinity), and the mean
    number of trials.
    """

    def __init__(self, rows: Iterable[Race], best: float, num_epochs: int) -> None:
        super().__init__(rows)
        self.best, self.num_epochs = best, num_epochs
        count = sum(row.recorded for row in self)
        self.note = RECORDED_HERE.format(count=count, total=len(self)) if count else ""

    @property
    def strategies(self) -> list[str]:
        """The names of the strategies that took part, the best first."""
        names = dict.fromkeys(row.strategy for row in self)
        return sorted(names, key=lambda name: -np.nan_to_num(self.final(name)[0]))

    def of(self, strategy: str) -> list[Race]:
        """The races of one strategy."""
        rows = [row for row in self if row.strategy == strategy]
        if not rows:
            known = COMMA.join(self.strategies)
            raise ValueError(NOT_RACED.format(name=brief(strategy), known=known))
        return rows

    def curves(self, strategy: str) -> np.ndarray:
        """True score of the best trial after 1, 2, ... epochs spent.

        float [repeats, num_epochs]; NaN until the first trial has ended.
        """
        rows = self.of(strategy)
        curves = np.full((len(rows), self.num_epochs), np.nan)
        for curve, row in zip(curves, rows):
            for step in row.steps:
                curve[step.spent - 1 :] = step.score
        return curves

    def mean(self, strategy: str) -> np.ndarray:
        """Mean of its curves, float [num_epochs]; NaN until each race has a trial."""
        return self.curves(strategy).mean(axis=0)

    def error(self, strategy: str) -> np.ndarray:
        """Standard error of `mean`, float [num_epochs]; NaN for a single race."""
        curves = self.curves(strategy)
        if len(curves) < 2:
            return np.full(self.num_epochs, np.nan)
        return curves.std(axis=0, ddof=1) / math.sqrt(len(curves))

    def band(self, strategy: str) -> tuple[np.ndarray, np.ndarray]:
        """(10th, 90th percentile) of its curves, each float [num_epochs]."""
        return tuple(np.quantile(self.curves(strategy), (0.1, 0.9), axis=0))

    def final(self, strategy: str) -> tuple[float, float]:
        """(mean, standard error) of the true score at the end; NaN where unknown."""
        return float(self.mean(strategy)[-1]), float(self.error(strategy)[-1])

    def epochs_to_near(self, strategy: str) -> float:
        """Epochs after which half of its races were within 0.005 of `best`, or inf."""
        near = self.curves(strategy) >= self.best - NEAR
        first = np.where(near.any(axis=1), near.argmax(axis=1) + 1.0, np.inf)
        return float(statistics.median_high(first))

    def difference(self, first: str, second: str) -> Difference:
        """How far `first` ends above `second`; their races are not paired."""
        (mean, error), (other, other_error) = self.final(first), self.final(second)
        error = 2 * math.hypot(error, other_error)
        return Difference(first, second, mean - other, error)

    def __str__(self) -> str:
        rows = []
        for name in self.strategies:
            mean, error = self.final(name)
            spread = "" if math.isnan(error) else f"± {error:.4f}"
            epochs = self.epochs_to_near(name)
            near = "-" if math.isinf(epochs) else f"{epochs:.0f}"
            trials = statistics.fmean(row.num_trials for row in self.of(name))
            rows.append((f"{mean:.4f} {spread:8}", near, f"{trials:.0f}", name))
        header = [name.format(near=self.best - NEAR) for name in HEADER]
        return f"{self.note}\n{as_text(header, rows, '<>><')}".lstrip()

    __repr__ = __str__


def race(
    strategies: str | Iterable[str],
    table: Results,
    num_epochs: int = NUM_EPOCHS,
    repeats: int = REPEATS,
    recorded: bool | Path = True,
) -> Races:
    """Let strategies search a table, each `repeats` times; returns `Races`.

    strategies: names in `STRATEGIES`. table: the `Results` of a sweep over all
    combinations of lr, num_layers, num_hiddens and seed; its curves give every smaller
    num_epochs. num_epochs: what one race may spend; it ends at the first training that
    costs too much. repeats: races of each strategy, with seeds 0, 1, ... recorded:
    whether to take those recorded with the course (or in this file); others are run.

    A strategy sees the accuracy of one seed, drawn at random for each trial. What
    counts is the mean of all seeds, at the setting that the strategy thinks best.
    Raises ValueError or TypeError for bad arguments.
    """
    names, table = _checked(strategies, num_epochs, repeats), RaceTable(table)
    if not isinstance(recorded, (bool, Path)):
        raise TypeError(BAD_RECORDED.format(found=brief(recorded)))
    path = RECORD if recorded is True else recorded
    known = _read(path, table, num_epochs) if path else {}
    keys = product(names, range(repeats))
    rows = [known.get(key) or run_race(*key, table, num_epochs) for key in keys]
    return Races(rows, table.best, num_epochs)


def record_races(races: Races, table: Results, path: Path = RECORD) -> None:
    """Write races on a table to a file, for `race` to read."""
    stamp, lines = _stamp(RaceTable(table), races.num_epochs), []
    for row in races:
        steps = [[*step[:2], *step[3:]] for step in row.steps]  # scores: in the table
        kept = {"strategy": row.strategy, "seed": row.seed, "trials": row.num_trials}
        lines.append(json.dumps(stamp | kept | {"steps": steps}))
    path.parent.mkdir(exist_ok=True)
    # Without the time, so that the same races make the same file.
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def _read(path, table, num_epochs):
    """The races in a file on this table: {(strategy, seed): Race}; {} without one."""
    known, stamp = {}, _stamp(table, num_epochs)
    for kept in read_record(path):
        # It may be of another version of the course.
        with suppress(ValueError, TypeError, LookupError, AttributeError):
            if stamp.items() <= kept.items():
                steps = tuple(
                    Improvement(spent, seen, table.score(*setting), *setting)
                    for spent, seen, *setting in kept["steps"]
                )
                key = kept["strategy"], kept["seed"]
                known[key] = Race(*key, kept["trials"], steps, recorded=True)
    return known


def _stamp(table, num_epochs):
    return {"of": table.fingerprint, "version": RACES_VERSION, "epochs": num_epochs}


def _checked(strategies, num_epochs, repeats):
    """The names of strategies, each once."""
    require(is_count(num_epochs), BAD_EPOCHS, num_epochs)
    require(is_count(repeats, 10_000), BAD_REPEATS, repeats)
    names = [strategies] if isinstance(strategies, str) else items(strategies)
    require_kind(names is not None, NOT_STRATEGIES, strategies)
    if not names:
        raise ValueError(NOT_STRATEGIES.format(found="none"))
    lower = {known.lower(): known for known in STRATEGIES}
    for name in names:
        require_kind(isinstance(name, str), NOT_STRATEGIES, name)
        if name not in STRATEGIES:
            found = difflib.get_close_matches(name.lower(), lower, n=1)
            close, known = [lower[one] for one in found], COMMA.join(STRATEGIES)
            sentence = NO_STRATEGY_CLOSE if close else NO_STRATEGY
            raise ValueError(
                sentence.format(name=brief(name), close=close, known=known)
            )
    return list(dict.fromkeys(names))
