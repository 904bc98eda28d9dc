"""The strategies that race, and one race of one of them.

A strategy searches as it would in earnest, but each training is looked up in a table.
Optuna and Hyperopt do the searching.
"""

import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna import samplers
from optuna.pruners import HyperbandPruner, SuccessiveHalvingPruner

from helpers.tuning.race_table import AXES, RaceTable

STARTUP = 10  # random trials before a model is fitted


class Improvement(NamedTuple):
    """A trial that was better than all before it, as its strategy saw it.

    spent: epochs trained when it ended. seen: one seed's accuracy, which the strategy
    saw. score: its true score, the mean of the table's seeds.
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
    """One race of one strategy, whose random numbers have this seed.

    num_trials: how many settings it tried. steps: an `Improvement` each time that its
    best trial changed. recorded: whether it came with the course.
    """

    strategy: str
    seed: int
    num_trials: int
    steps: tuple[Improvement, ...]
    recorded: bool = False

    @property
    def score(self) -> float:
        """True score of the best trial at the end; NaN where no trial ended."""
        return self.steps[-1].score if self.steps else math.nan


class Trainings:
    """What a strategy can do in one race: train, until its epochs are spent.

    left: epochs that it may still spend. longest: epochs of a whole training. trials:
    (accuracy as seen, setting) of each. steps: those better than all before them.
    """

    def __init__(self, table: RaceTable, num_epochs: int, seed: int) -> None:
        self.table, self.seed = table, seed
        self.num_epochs = self.left = num_epochs
        self.longest: int = table.axes["num_epochs"][-1]
        self.trials: list[tuple[float, dict]] = []
        self.steps: list[Improvement] = []
        # Not the numbers of the strategy, which has the same seed.
        self._rng = random.Random(f"which run a trial sees, {seed}")

    def curve(self, lr: float, num_layers: int, num_hiddens: int) -> list[float]:
        """Start a training: its accuracies, epoch by epoch, as far as it can pay."""
        curves = self.table.curves[lr, num_layers, num_hiddens]
        return self._rng.choice(curves)[: self.left]

    def end(self, seen: float, **setting: Any) -> None:
        """End a training after setting["num_epochs"] epochs."""
        self.left -= setting["num_epochs"]
        self.trials.append((seen, setting))
        if not self.steps or seen > self.steps[-1].seen:
            spent, score = self.num_epochs - self.left, self.table.score(**setting)
            self.steps.append(Improvement(spent, seen, score, **setting))

    def train(self, num_epochs: int, **setting: Any) -> float | None:
        """Accuracy after a training of so many epochs; None if it costs too much."""
        if num_epochs > self.left:
            return None
        seen = self.curve(**setting)[num_epochs - 1]
        self.end(seen, **setting, num_epochs=num_epochs)
        return seen


def run_race(strategy: str, seed: int, table: RaceTable, num_epochs: int) -> Race:
    """One race, in which the strategy may spend `num_epochs` epochs."""
    trainings = Trainings(table, num_epochs, seed)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # a line for each trial
    try:
        STRATEGIES[strategy](trainings)
    finally:
        logging.disable(before)
    return Race(strategy, seed, len(trainings.trials), tuple(trainings.steps))


def _optuna(objective, sampler, pruner=None):
    """A strategy of Optuna's; sampler and pruner are functions of `Trainings`."""

    def strategy(trainings):
        study = optuna.create_study(
            study_name=f"race {trainings.seed}",  # Hyperband chooses brackets by it
            direction="maximize",
            sampler=sampler(trainings),
            pruner=pruner and pruner(trainings),
        )
        study.optimize(partial(objective, trainings))

    return strategy


def _suggest(trainings, trial, names=AXES):
    """Values from the table, as Optuna suggests them."""
    # It chooses the place of a value in the table, a whole number. So its models know
    # that values are ordered, and see lr and num_hiddens on the table's log scale.
    axes = trainings.table.axes
    return {n: axes[n][trial.suggest_int(n, 0, len(axes[n]) - 1)] for n in names}


def _whole(trainings, trial):
    """Train a setting to its end."""
    seen = trainings.train(**_suggest(trainings, trial))
    if seen is None:
        trial.study.stop()
        raise optuna.TrialPruned
    return seen


def _by_epochs(trainings, trial):
    """Train a setting as long as it looks good."""
    setting = _suggest(trainings, trial, AXES[:3])
    for epoch, seen in enumerate(trainings.curve(**setting), 1):
        trial.report(seen, epoch)
        if trial.should_prune():
            break
    trainings.end(seen, **setting, num_epochs=epoch)
    if not trainings.left:
        trial.study.stop()
    if epoch < trainings.longest:
        raise optuna.TrialPruned
    return seen


def _random(trainings):
    return samplers.RandomSampler(seed=trainings.seed)


def _model(sampler):
    return lambda trainings: sampler(seed=trainings.seed, n_startup_trials=STARTUP)


def _grid(trainings):
    """The finest even grid that the race can afford in full.

    The whole table would cost 36 times what a race has. Nobody knows beforehand where
    a grid should begin, so each race draws that for each axis.
    """
    sizes = {name: len(of_axis) for name, of_axis in trainings.table.axes.items()}
    rng = random.Random(f"where the grid begins, {trainings.seed}")
    begins = {name: rng.random() for name in AXES}

    def places(name, count):
        return [int((i + begins[name]) * sizes[name] / count) for i in range(count)]

    def price(grid):
        *settings, lengths = grid.values()
        epochs = sum(trainings.table.axes["num_epochs"][place] for place in lengths)
        return epochs * math.prod(map(len, settings))

    grid, coarser = {name: places(name, 1) for name in AXES}, None
    while grid != coarser:
        coarser = grid
        for name in AXES:  # one more value on each axis in turn
            count = min(len(grid[name]) + 1, sizes[name])
            finer = grid | {name: places(name, count)}
            if price(finer) <= trainings.left:
                grid = finer
    return samplers.GridSampler(grid, seed=trainings.seed)


def _hyperopt(trainings):
    # Imported here, since it takes seconds.
    from hyperopt import fmin, hp, tpe

    axes = trainings.table.axes

    def loss(places):
        setting = {name: axes[name][round(place)] for name, place in places.items()}
        seen = trainings.train(**setting)
        return math.inf if seen is None else 1 - seen

    fmin(
        loss,
        # Ordered places, as with Optuna; rounded, they are all equally likely.
        {name: hp.quniform(name, -0.5, len(axes[name]) - 0.5, 1) for name in AXES},
        # As many random trials as Optuna's models have, so that the models race.
        partial(tpe.suggest, n_startup_jobs=STARTUP),
        rstate=np.random.default_rng(trainings.seed),
        early_stop_fn=lambda trials: (math.isinf(trials.losses()[-1]), []),
        show_progressbar=False,
        verbose=False,
    )


STRATEGIES: dict[str, Callable[[Trainings], None]] = {
    "grid": _optuna(_whole, _grid),
    "random": _optuna(_whole, _random),
    "TPE": _optuna(_whole, _model(samplers.TPESampler)),
    "GP with EI": _optuna(_whole, _model(samplers.GPSampler)),
    "Hyperopt TPE": _hyperopt,
    "successive halving": _optuna(
        _by_epochs, _random, lambda _: SuccessiveHalvingPruner(1, reduction_factor=2)
    ),
    "Hyperband": _optuna(_by_epochs, _random, lambda t: HyperbandPruner(1, t.longest)),
}
