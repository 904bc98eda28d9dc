"""Races of search strategies on a table: trainings that are all known already.

A strategy searches as it would in earnest, and each of its trainings is looked up in
the table instead of run, so that a search of an hour takes a second and can be
repeated often enough to see how much of the outcome is luck. Optuna and Hyperopt do
the searching.
"""

import difflib
import gzip
import hashlib
import json
import logging
import math
import random
import statistics
from collections.abc import Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import optuna

from helpers.model import is_count
from helpers.tuning.kept import RECORDED
from helpers.tuning.processes import Processes
from helpers.tuning.results import Results

# Raise it by one when a change makes the same strategy and seed search elsewhere: the
# races that are recorded no longer hold then.
RACES_VERSION = 1
RECORD = RECORDED / "06_races.jsonl.gz"

NUM_EPOCHS = 300  # what a race may spend: 30 full trainings of the course's table
REPEATS = 30
NEAR = 0.005  # an accuracy this close to the table's best counts as having reached it
STARTUP = 10  # random trials before a model is fitted
AXES = ("lr", "num_layers", "num_hiddens", "num_epochs")

RECORDED_HERE = "{count:,} of the {total:,} races were recorded with the course."
HEAD = "accuracy         epochs to {near:.3f}  trials  strategy"
ABOVE = (
    "{first} ends {gap:.4f} ± {error:.4f} above {second}: on this table it is the "
    "better one."
)
BELOW = (
    "{first} ends {gap:.4f} ± {error:.4f} below {second}: on this table it is the "
    "worse one."
)
ALIKE = (
    "{first} and {second} end {gap:.4f} ± {error:.4f} apart: these races can't tell "
    "which is better."
)
UNKNOWN = (
    "{first} and {second} can't be compared: that takes two races of each or more."
)

NO_STRATEGY = "There is no strategy {name!r}; there are: {known}."
NO_STRATEGY_CLOSE = "There is no strategy {name!r}; did you mean {close!r}?"
NOT_STRATEGIES = (
    "race(strategies, table) needs one or more names of strategies, such as "
    "['random', 'TPE']; you gave {found}."
)
NOT_RACED = "{name!r} did not take part in these races; who did: {known}."
NOT_A_TABLE = (
    "race(strategies, table) needs the Results that sweep(configs, data) returns; "
    "you gave {found}."
)
EMPTY = "race(strategies, table) needs runs to search; this table is empty."
NOT_ONE_LENGTH = (
    "All runs of the table must have the same num_epochs; these have {found}."
)
NOT_NUMBERS = (
    "num_hiddens must be one whole number in each run of the table; there is {found}."
)
TWICE = (
    "The table has more than one run of {setting}, so that more than lr, num_layers, "
    "num_hiddens and seed must differ in it; give a race the runs of one kind."
)
NOT_COMPLETE = (
    "The table needs a run with a validation accuracy for every combination of its lr, "
    "num_layers, num_hiddens and seeds; {missing:,} of {wanted:,} are missing, such as "
    "{setting}."
)
BAD_EPOCHS = (
    "num_epochs, what a race may spend, must be a whole number from 1 to 1,000,000, "
    "such as 300; you gave {found!r}."
)
BAD_REPEATS = (
    "repeats must be a whole number from 1 to 10,000, such as 30; you gave {found!r}."
)


class Step(NamedTuple):
    """The best trial changed.

    spent: epochs trained when it ended. seen: its accuracy as the strategy saw it, one
    seed's. score: its true one, the mean of the table's seeds.
    """

    spent: int
    seen: float
    score: float
    lr: float
    num_layers: int
    num_hiddens: int
    num_epochs: int


@dataclass(frozen=True)
class Race:
    """One race of one strategy.

    strategy: its name. seed: of its random numbers. num_trials: how many settings it
    tried. steps: a `Step` each time that its best trial changed. recorded: whether it
    came with the course.
    """

    strategy: str
    seed: int
    num_trials: int
    steps: tuple
    recorded: bool = False

    @property
    def score(self):
        """True score of the best trial at the end; NaN where no trial ended."""
        return self.steps[-1].score if self.steps else math.nan


class Difference(NamedTuple):
    """How far `first` ends above `second`: the mean, and two standard errors."""

    first: str
    second: str
    mean: float
    error: float

    def __str__(self):
        if math.isnan(self.error):
            sentence = UNKNOWN
        elif abs(self.mean) <= self.error:
            sentence = ALIKE
        else:
            sentence = ABOVE if self.mean > 0 else BELOW
        return sentence.format(**self._asdict(), gap=abs(self.mean))


class Races(Sequence):
    """What `race` returns: a sequence of `Race`, strategy by strategy.

    best: the highest true score in the table. num_epochs: what each race could spend.
    note: a sentence on where they come from, or "". `str()` of it is a table, the best
    strategy first: its true score at the end (mean ± standard error over the races),
    the epochs that half of its races needed to come within 0.005 of the table's best
    (`-` where fewer did), and the mean number of trials.
    """

    def __init__(self, rows, best, num_epochs):
        self.rows, self.best, self.num_epochs = list(rows), best, num_epochs
        count = sum(row.recorded for row in self.rows)
        self.note = RECORDED_HERE.format(count=count, total=len(rows)) if count else ""

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]

    @property
    def strategies(self):
        """The names of who took part, the best first."""
        names = dict.fromkeys(row.strategy for row in self.rows)
        return sorted(names, key=lambda name: -np.nan_to_num(self.final(name)[0]))

    def of(self, strategy):
        """The races of one strategy, a list of `Race`."""
        rows = [row for row in self.rows if row.strategy == strategy]
        if not rows:
            known = ", ".join(self.strategies)
            raise ValueError(NOT_RACED.format(name=strategy, known=known))
        return rows

    def curves(self, strategy):
        """True score of the best trial after 1, 2, ... epochs spent.

        float [repeats, num_epochs]; NaN until the first trial has ended.
        """
        rows = self.of(strategy)
        curves = np.full((len(rows), self.num_epochs), np.nan)
        for curve, row in zip(curves, rows):
            for step in row.steps:
                curve[step.spent - 1 :] = step.score
        return curves

    def mean(self, strategy):
        """Mean of its curves, float [num_epochs]; NaN until each race has a trial."""
        return self.curves(strategy).mean(axis=0)

    def error(self, strategy):
        """Standard error of `mean`, float [num_epochs]; NaN for a single race."""
        curves = self.curves(strategy)
        if len(curves) < 2:
            return np.full(self.num_epochs, np.nan)
        return curves.std(axis=0, ddof=1) / math.sqrt(len(curves))

    def band(self, strategy):
        """(10th, 90th percentile) of its curves, each float [num_epochs]."""
        return tuple(np.quantile(self.curves(strategy), (0.1, 0.9), axis=0))

    def final(self, strategy):
        """(mean, standard error) of the true score at the end; NaN where unknown."""
        return float(self.mean(strategy)[-1]), float(self.error(strategy)[-1])

    def epochs_to_near(self, strategy):
        """Epochs after which half of its races had come near the table's best.

        Near is within 0.005. Infinity where fewer than half did.
        """
        near = self.curves(strategy) >= self.best - NEAR
        first = np.where(near.any(axis=1), near.argmax(axis=1) + 1.0, np.inf)
        return float(np.quantile(first, 0.5, method="higher"))

    def difference(self, first, second):
        """How far `first` ends above `second`, a `Difference`; str() says it.

        The races of two strategies have nothing in common, so they are not paired.
        """
        (mean, error), (other, other_error) = self.final(first), self.final(second)
        error = 2 * math.hypot(error, other_error)
        return Difference(first, second, mean - other, error)

    def __str__(self):
        lines = [self.note] if self.note else []
        lines.append(HEAD.format(near=self.best - NEAR))
        for name in self.strategies:
            mean, error = self.final(name)
            spread = "" if math.isnan(error) else f"± {error:.4f}"
            epochs = self.epochs_to_near(name)
            near = "-" if math.isinf(epochs) else f"{epochs:.0f}"
            trials = statistics.fmean(row.num_trials for row in self.of(name))
            lines.append(f"{mean:.4f} {spread:8}  {near:>15}  {trials:6.0f}  {name}")
        return "\n".join(lines)

    __repr__ = __str__


def race(strategies, table, num_epochs=NUM_EPOCHS, repeats=REPEATS, recorded=True):
    """Let strategies search a table, each `repeats` times; returns `Races`.

    strategies: one or more of the names in `STRATEGIES`. table: the `Results` of a
    sweep over lr, num_layers, num_hiddens and seed, all combinations; its learning
    curves give every smaller num_epochs. num_epochs: what one race may spend, in
    epochs of training; a race ends with the first training that it can't pay.
    repeats: races of each strategy, with seeds 0, 1, ... recorded: whether a race that
    was recorded with the course is taken from there; others are run.

    What a strategy sees of a setting is the accuracy of one seed, drawn at random for
    each trial. What counts is the mean of all seeds, at the setting that the strategy
    thinks best. Raises ValueError or TypeError for bad arguments.
    """
    names = _checked(strategies, num_epochs, repeats)
    table = _Table(table)
    known = _known(table, num_epochs) if recorded else {}
    wanted = product(names, range(repeats))
    rows = [known.get(key) or _run(*key, table, num_epochs) for key in wanted]
    return Races(rows, table.best, num_epochs)


def record_races(table, num_epochs=NUM_EPOCHS, repeats=REPEATS):
    """Runs all strategies on a table and ships the races; returns `Races`.

    It takes all cores of this machine, for some minutes.
    """
    _checked(STRATEGIES, num_epochs, repeats)
    table = _Table(table)
    with Processes() as pool:
        # The slow ones first, so that no core waits long at the end.
        names = sorted(STRATEGIES, key=lambda name: name != "GP with EI")
        futures = [
            pool.submit(_run, *key, table, num_epochs)
            for key in product(names, range(repeats))
        ]
        for future in as_completed(futures):
            future.result()  # a failure ends it now
    places = list(STRATEGIES)
    rows = [future.result() for future in futures]
    rows.sort(key=lambda row: (places.index(row.strategy), row.seed))
    lines = [_to_line(row, table, num_epochs) for row in rows]
    RECORD.parent.mkdir(exist_ok=True)
    # Without the time, so that the same races are the same file.
    RECORD.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return Races(rows, table.best, num_epochs)


def _checked(strategies, num_epochs, repeats):
    """The names of strategies, each once."""
    if not is_count(num_epochs):
        raise ValueError(BAD_EPOCHS.format(found=num_epochs))
    if not is_count(repeats, 10_000):
        raise ValueError(BAD_REPEATS.format(found=repeats))
    names = [strategies] if isinstance(strategies, str) else strategies
    if not hasattr(names, "__iter__"):
        raise TypeError(NOT_STRATEGIES.format(found=type(names).__name__))
    names = list(names)
    if not names:
        raise ValueError(NOT_STRATEGIES.format(found="none"))
    for name in names:
        if not isinstance(name, str):
            raise TypeError(NOT_STRATEGIES.format(found=type(name).__name__))
        if name not in STRATEGIES:
            raise ValueError(_no_strategy(name))
    return list(dict.fromkeys(names))


def _no_strategy(name):
    lower = {known.lower(): known for known in STRATEGIES}
    close = difflib.get_close_matches(name.lower(), lower, n=1)
    if close:
        return NO_STRATEGY_CLOSE.format(name=name, close=lower[close[0]])
    return NO_STRATEGY.format(name=name, known=", ".join(STRATEGIES))


# --- the table, and what a strategy sees of it


class _Table:
    """A sweep's learning curves.

    axes: {name of a hyper-parameter: its values, ascending}. curves: {(lr, num_layers,
    num_hiddens): for each seed the accuracies after each epoch}.
    """

    def __init__(self, results):
        if not isinstance(results, Results):
            raise TypeError(NOT_A_TABLE.format(found=type(results).__name__))
        if not results:
            raise ValueError(EMPTY)
        configs = [row.config for row in results]
        lengths = sorted({config.num_epochs for config in configs})
        if len(lengths) > 1:
            raise ValueError(NOT_ONE_LENGTH.format(found=lengths))
        for config in configs:
            if not isinstance(config.num_hiddens, int):
                raise ValueError(NOT_NUMBERS.format(found=config.num_hiddens))
        curves = {}
        for row in results:
            key = tuple(getattr(row.config, name) for name in (*AXES[:3], "seed"))
            if key in curves:
                raise ValueError(TWICE.format(setting=_named(key)))
            # As a record keeps them, so that a table read from there is the same one.
            curves[key] = [float(f"{value:.5g}") for value in row.val_accuracy]
            curves[key] += curves[key][-1:] * (lengths[0] - len(curves[key]))
        values = [sorted(set(of_axis)) for of_axis in zip(*curves)]
        wanted = list(product(*values))
        missing = [key for key in wanted if not curves.get(key)]
        if missing:
            named = _named(missing[0])
            counts = {"missing": len(missing), "wanted": len(wanted)}
            raise ValueError(NOT_COMPLETE.format(**counts, setting=named))
        *settings, seeds = values
        self.axes = dict(zip(AXES, (*settings, list(range(1, lengths[0] + 1)))))
        self.curves = {
            key: [curves[*key, seed] for seed in seeds] for key in product(*settings)
        }
        text = json.dumps([self.axes, list(self.curves.values())])
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.best = max(self.score(*key) for key in product(*self.axes.values()))

    def score(self, lr, num_layers, num_hiddens, num_epochs):
        """The true one: the mean of all seeds after that many epochs."""
        curves = self.curves[lr, num_layers, num_hiddens]
        return statistics.fmean(curve[num_epochs - 1] for curve in curves)


def _named(key):
    lr, num_layers, num_hiddens, seed = key
    return f"{lr=} {num_layers=} {num_hiddens=} {seed=}"


class _Search:
    """One race as its strategy sees it: trainings on a table, and what they cost."""

    def __init__(self, table, num_epochs, seed):
        self.table, self.seed, self.left = table, seed, num_epochs
        self.num_trials, self.steps = 0, []
        self._num_epochs = num_epochs
        # Not the numbers of the strategy, which has the same seed.
        self._rng = random.Random(f"which run a trial sees, {seed}")

    def curve(self, lr, num_layers, num_hiddens):
        """A training begins: its accuracies, epoch by epoch, as far as can be paid."""
        curves = self.table.curves[lr, num_layers, num_hiddens]
        return self._rng.choice(curves)[: self.left]

    def end(self, seen, **setting):
        """A training has ended, after setting["num_epochs"] epochs."""
        self.left -= setting["num_epochs"]
        self.num_trials += 1
        if not self.steps or seen > self.steps[-1].seen:
            spent, score = self._num_epochs - self.left, self.table.score(**setting)
            self.steps.append(Step(spent, seen, score, **setting))

    def train(self, num_epochs, **setting):
        """Accuracy after a training of so many epochs; None if it can't be paid."""
        if num_epochs > self.left:
            return None
        seen = self.curve(**setting)[num_epochs - 1]
        self.end(seen, **setting, num_epochs=num_epochs)
        return seen


# --- the strategies


def _run(strategy, seed, table, num_epochs):
    search = _Search(table, num_epochs, seed)
    with _quiet():
        STRATEGIES[strategy](search)
    return Race(strategy, seed, search.num_trials, tuple(search.steps))


@contextmanager
def _quiet():
    loggers = [logging.getLogger(name) for name in ("optuna", "hyperopt")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def _suggest(trial, search, names):
    """Values from the table, as Optuna suggests them.

    It is asked for the place of a value in the table, a whole number from 0 up: so the
    models know that values are ordered, and the same step anywhere is the same factor,
    since lr and num_hiddens stand in the table on a log scale.
    """
    axes = {name: search.table.axes[name] for name in names}
    return {
        name: values[trial.suggest_int(name, 0, len(values) - 1)]
        for name, values in axes.items()
    }


def _whole(sampler):
    """A strategy that trains each setting to its end."""

    def strategy(search):
        def objective(trial):
            seen = search.train(**_suggest(trial, search, AXES))
            if seen is None:
                trial.study.stop()
                raise optuna.TrialPruned
            return seen

        study = optuna.create_study(direction="maximize", sampler=sampler(search))
        study.optimize(objective)

    return strategy


def _pruned(pruner):
    """A strategy that draws at random, and gives up early what looks bad."""

    def strategy(search):
        longest = search.table.axes["num_epochs"][-1]

        def objective(trial):
            setting = _suggest(trial, search, AXES[:3])
            for epoch, seen in enumerate(search.curve(**setting), 1):
                trial.report(seen, epoch)
                if trial.should_prune():
                    break
            search.end(seen, **setting, num_epochs=epoch)
            if not search.left:
                trial.study.stop()
            if epoch < longest:
                raise optuna.TrialPruned
            return seen

        study = optuna.create_study(
            study_name=f"race {search.seed}",  # Hyperband deals its brackets by it
            direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=search.seed),
            pruner=pruner(longest),
        )
        study.optimize(objective)

    return strategy


def _grid(search):
    """The sampler of the finest even grid whose whole price the race can pay.

    A grid of all that stands in the table would cost 36 times what a race has, and its
    beginning, in shuffled order, is a random search. Who has a budget takes fewer
    values of each. Since nobody knows beforehand where a grid should begin, each race
    draws that for each axis.
    """
    axes, counts = search.table.axes, dict.fromkeys(AXES, 1)
    rng = random.Random(f"where the grid begins, {search.seed}")
    begins = {name: rng.random() for name in AXES}

    def grid(counts):
        return {
            name: [
                int((i + begins[name]) * len(values) / counts[name])
                for i in range(counts[name])
            ]
            for name, values in axes.items()
        }

    def price(counts):
        epochs = sum(axes["num_epochs"][i] for i in grid(counts)["num_epochs"])
        return epochs * math.prod(counts[name] for name in AXES[:3])

    # One value more on each axis in turn, lr first.
    last = None
    while counts != last:
        last = dict(counts)
        for name, values in axes.items():
            finer = counts | {name: min(counts[name] + 1, len(values))}
            if price(finer) <= search.left:
                counts = finer
    return optuna.samplers.GridSampler(grid(counts), seed=search.seed)


def _hyperopt(search):
    # Here, since it takes seconds to import.
    from hyperopt import Trials, fmin, hp, tpe

    axes = search.table.axes
    over = []

    def objective(places):
        setting = {name: axes[name][round(place)] for name, place in places.items()}
        seen = search.train(**setting)
        if seen is None:
            over.append(True)
        return math.inf if seen is None else 1 - seen

    fmin(
        objective,
        # Ordered places, as with Optuna; rounded, they are all equally likely.
        {name: hp.quniform(name, -0.5, len(axes[name]) - 0.5, 1) for name in AXES},
        # As many random trials as Optuna's models have, so that the models race.
        lambda *arguments: tpe.suggest(*arguments, n_startup_jobs=STARTUP),
        trials=Trials(),
        rstate=np.random.default_rng(search.seed),
        early_stop_fn=lambda trials: (bool(over), []),
        show_progressbar=False,
        verbose=False,
    )


def _of(sampler, **options):
    return _whole(lambda search: sampler(seed=search.seed, **options))


STRATEGIES = {
    "grid": _whole(_grid),
    "random": _of(optuna.samplers.RandomSampler),
    "TPE": _of(optuna.samplers.TPESampler, n_startup_trials=STARTUP),
    "GP with EI": _of(optuna.samplers.GPSampler, n_startup_trials=STARTUP),
    "Hyperopt TPE": _hyperopt,
    "successive halving": _pruned(
        lambda longest: optuna.pruners.SuccessiveHalvingPruner(
            min_resource=1, reduction_factor=2
        )
    ),
    "Hyperband": _pruned(
        lambda longest: optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=longest, reduction_factor=3
        )
    ),
}


# --- what is recorded


def _known(table, num_epochs):
    """The recorded races on this table: {(strategy, seed): Race}."""
    try:
        lines = gzip.decompress(RECORD.read_bytes()).decode().splitlines()
    except (OSError, EOFError, ValueError):
        return {}
    races = filter(None, (_from_line(line, table, num_epochs) for line in lines))
    return {(race.strategy, race.seed): race for race in races}


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
                Step(spent, seen, table.score(*setting), *setting)
                for spent, seen, *setting in kept["steps"]
            )
            return Race(kept["strategy"], kept["seed"], kept["trials"], steps, True)
    except (ValueError, TypeError, LookupError, AttributeError):
        pass  # a line of another course
    return None


def _stamp(table, num_epochs):
    return {"of": table.fingerprint, "version": RACES_VERSION, "epochs": num_epochs}
