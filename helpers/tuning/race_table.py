"""The table that races search: what every setting's trainings came to."""

import hashlib
import json
import math
import statistics
from itertools import product

from helpers.given import require_kind
from helpers.language import tr
from helpers.tuning.results import Results

AXES = ("lr", "num_layers", "num_hiddens", "num_epochs")

NOT_A_TABLE = tr(
    "race needs the Results that sweep(configs, data) returns; you gave {found}."
)
EMPTY = tr("race needs runs to search; this table is empty.")
NOT_ONE_LENGTH = tr(
    "The table's runs must have the same num_epochs; these have {found}."
)
NOT_NUMBERS = tr("num_hiddens must be one whole number in each run; one has {found}.")
TWICE = tr(
    "The table has more than one run of {setting}, so its runs differ in more than lr, "
    "num_layers, num_hiddens and seed; give a race the runs of one kind."
)
NOT_COMPLETE = tr(
    "The table needs a run with an accuracy for every combination of lr, num_layers, "
    "num_hiddens and seed; {missing:,} of {wanted:,} are missing, such as {setting}."
)


class RaceTable:
    """The learning curves of a sweep; TypeError or ValueError for no complete grid.

    axes: {name of a hyperparameter: its values, ascending}. curves: {(lr, num_layers,
    num_hiddens): for each seed the accuracies after each epoch}. best: the highest
    score. fingerprint: a short name for all of it.
    """

    def __init__(self, results: Results) -> None:
        length, runs = _length_and_runs(results)
        *settings, seeds = values = [sorted(set(of_axis)) for of_axis in zip(*runs)]
        if missing := [key for key in product(*values) if not runs.get(key)]:
            counts = {"missing": len(missing), "wanted": math.prod(map(len, values))}
            raise ValueError(NOT_COMPLETE.format(**counts, setting=_named(missing[0])))
        epochs = list(range(1, length + 1))
        self.axes: dict[str, list] = dict(zip(AXES, (*settings, epochs)))
        self.curves: dict[tuple, list[list[float]]] = {
            key: [runs[*key, seed] for seed in seeds] for key in product(*settings)
        }
        text = json.dumps([self.axes, list(self.curves.values())])
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.best = max(self.score(*key) for key in product(*self.axes.values()))

    def score(
        self, lr: float, num_layers: int, num_hiddens: int, num_epochs: int
    ) -> float:
        """The true score: the mean accuracy of all seeds after that many epochs."""
        curves = self.curves[lr, num_layers, num_hiddens]
        return statistics.fmean(curve[num_epochs - 1] for curve in curves)


def _length_and_runs(results):
    """num_epochs, and {(lr, num_layers, num_hiddens, seed): accuracies by epoch}."""
    require_kind(isinstance(results, Results), NOT_A_TABLE, results)
    if not results:
        raise ValueError(EMPTY)
    length, *others = sorted({row.config.num_epochs for row in results})
    if others:
        raise ValueError(NOT_ONE_LENGTH.format(found=[length, *others]))
    runs = {}
    for row in results:
        if not isinstance(row.config.num_hiddens, int):
            raise ValueError(NOT_NUMBERS.format(found=row.config.num_hiddens))
        key = tuple(getattr(row.config, name) for name in (*AXES[:3], "seed"))
        if key in runs:
            raise ValueError(TWICE.format(setting=_named(key)))
        # Five digits, as in a record, so that a table read from there is the same.
        curve = [float(f"{value:.5g}") for value in row.val_accuracy]
        # A run that broke down keeps its last accuracy.
        runs[key] = curve + curve[-1:] * (length - len(curve))
    return length, runs


def _named(key):
    lr, num_layers, num_hiddens, seed = key
    return f"{lr=} {num_layers=} {num_hiddens=} {seed=}"
