"""The strategies that race, and one race of one of them.

A strategy searches as it would in earnest, but each training is looked up in a table.
Optuna and Hyperopt do the searching.
"""

import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna import pruners, samplers

from helpers.tuning.race_table import AXES, RaceTable

STARTUP = 10  # random trials before a model is fitted


class Improvement(NamedTuple):
    """A trial that was better than all before it, as its strategy saw it.

    spent: epochs trained when it ended. seen: its accuracy as the strategy saw it, one
    seed's. score: its true score, the mean of the table's seeds.
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
    tried. steps: an `Improvement` each time that its best trial changed. recorded:
    whether it came with the course.
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

    left: epochs that it may still spend. trials: (accuracy as seen, setting) of each
    training that has ended.
    """

    def __init__(self, table: RaceTable, num_epochs: int, seed: int) -> None:
        self.table, self.seed, self.left = table, seed, num_epochs
        self.trials: list[tuple[float, dict]] = []
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

    def train(self, num_epochs: int, **setting: Any) -> float | None:
        """Accuracy after a training of so many epochs; None if it costs too much."""
        if num_epochs > self.left:
            return None
        seen = self.curve(**setting)[num_epochs - 1]
        self.end(seen, **setting, num_epochs=num_epochs)
        return seen

    def improvements(self) -> tuple[Improvement, ...]:
        """The trials that were better than all before them."""
        spent, found = 0, []
        for seen, setting in self.trials:
            spent += setting["num_epochs"]
            if not found or seen > found[-1].seen:
                score = self.table.score(**setting)
                found.append(Improvement(spent, seen, score, **setting))
        return tuple(found)


def run_race(strategy: str, seed: int, table: RaceTable, num_epochs: int) -> Race:
    """One race, in which the strategy may spend `num_epochs` epochs."""
    trainings = Trainings(table, num_epochs, seed)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # a line for each trial
    try:
        STRATEGIES[strategy](trainings)
    finally:
        logging.disable(before)
    return Race(strategy, seed, len(trainings.trials), trainings.improvements())


Strategy = Callable[[Trainings], None]


def _suggest(trial, axes, names=AXES):
    """Values from the table, as Optuna suggests them.

    It is asked for the place of a value in the table, a whole number from 0 up. So its
    models know that values are ordered, and one step is the same factor everywhere,
    since the table has lr and num_hiddens on a log scale.
    """
    return {
        name: axes[name][trial.suggest_int(name, 0, len(axes[name]) - 1)]
        for name in names
    }


def _whole(sampler: Callable[[Trainings], samplers.BaseSampler]) -> Strategy:
    """A strategy that trains each setting to its end."""

    def strategy(trainings):
        def objective(trial):
            seen = trainings.train(**_suggest(trial, trainings.table.axes))
            if seen is None:
                trial.study.stop()
                raise optuna.TrialPruned
            return seen

        study = optuna.create_study(direction="maximize", sampler=sampler(trainings))
        study.optimize(objective)

    return strategy


def _seeded(sampler: type[samplers.BaseSampler], **options: Any) -> Strategy:
    return _whole(lambda trainings: sampler(seed=trainings.seed, **options))


def _pruned(pruner: Callable[[int], pruners.BasePruner]) -> Strategy:
    """A strategy that draws at random, and gives up early what looks bad."""

    def strategy(trainings):
        axes = trainings.table.axes
        longest = axes["num_epochs"][-1]

        def objective(trial):
            setting = _suggest(trial, axes, AXES[:3])
            for epoch, seen in enumerate(trainings.curve(**setting), 1):
                trial.report(seen, epoch)
                if trial.should_prune():
                    break
            trainings.end(seen, **setting, num_epochs=epoch)
            if not trainings.left:
                trial.study.stop()
            if epoch < longest:
                raise optuna.TrialPruned
            return seen

        study = optuna.create_study(
            study_name=f"race {trainings.seed}",  # Hyperband chooses brackets by it
            direction="maximize",
            sampler=samplers.RandomSampler(seed=trainings.seed),
            pruner=pruner(longest),
        )
        study.optimize(objective)

    return strategy


def _grid(trainings: Trainings) -> samplers.GridSampler:
    """The finest even grid that the race can afford in full.

    A grid of the whole table would cost 36 times what a race has, and its beginning,
    in shuffled order, is a random search. With a budget you take fewer values of each.
    Nobody knows beforehand where a grid should begin, so each race draws that for each
    axis.
    """
    axes, counts = trainings.table.axes, dict.fromkeys(AXES, 1)
    rng = random.Random(f"where the grid begins, {trainings.seed}")
    begins = {name: rng.random() for name in AXES}

    def places(name, count):
        of_axis = len(axes[name])
        return [int((i + begins[name]) * of_axis / count) for i in range(count)]

    def price(counts):
        epochs = (axes[AXES[3]][i] for i in places(AXES[3], counts[AXES[3]]))
        return sum(epochs) * math.prod(counts[name] for name in AXES[:3])

    # One more value on each axis in turn, lr first.
    last = None
    while counts != last:
        last = dict(counts)
        for name, values in axes.items():
            finer = counts | {name: min(counts[name] + 1, len(values))}
            if price(finer) <= trainings.left:
                counts = finer
    grid = {name: places(name, count) for name, count in counts.items()}
    return samplers.GridSampler(grid, seed=trainings.seed)


def _hyperopt(trainings: Trainings) -> None:
    # Imported here, since it takes seconds.
    from hyperopt import Trials, fmin, hp, tpe

    axes = trainings.table.axes
    over = []

    def objective(places):
        setting = {name: axes[name][round(place)] for name, place in places.items()}
        seen = trainings.train(**setting)
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
        rstate=np.random.default_rng(trainings.seed),
        early_stop_fn=lambda trials: (bool(over), []),
        show_progressbar=False,
        verbose=False,
    )


STRATEGIES: dict[str, Strategy] = {
    "grid": _whole(_grid),
    "random": _seeded(samplers.RandomSampler),
    "TPE": _seeded(samplers.TPESampler, n_startup_trials=STARTUP),
    "GP with EI": _seeded(samplers.GPSampler, n_startup_trials=STARTUP),
    "Hyperopt TPE": _hyperopt,
    "successive halving": _pruned(
        lambda longest: pruners.SuccessiveHalvingPruner(1, reduction_factor=2)
    ),
    "Hyperband": _pruned(
        lambda longest: pruners.HyperbandPruner(1, longest, reduction_factor=3)
    ),
}
