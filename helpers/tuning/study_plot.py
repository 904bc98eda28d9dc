"""The picture of a study."""

import math
import warnings
from typing import NamedTuple

import numpy as np
import optuna
from matplotlib.figure import Figure
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from helpers.given import require_kind
from helpers.language import tr
from helpers.palette import INK, LINES, VAL
from helpers.plots import SMALL, WIDE, Picture, tidy
from helpers.tuning.study_file import ENDED, ended

NO_STUDY = tr(
    "plot_study needs an optuna.Study of accuracies, such as "
    "optuna.create_study(direction='maximize'); you gave {found}."
)
MINIMIZES = tr("one that doesn't maximize")
STUDY = tr("Trials: {:,} completed, {:,} given up early, {:,} failed.")
STUDY_BEST = tr("{} The best accuracy is {:.4f}, in trial {:,}.")
TITLES = (
    tr("accuracy of each trial"),
    tr("accuracy, epoch 1"),
    tr("importance, epoch 1"),
)
TRIAL = tr("trial (grey: given up early)")
BEST = tr("best so far")
BELOW = "≤ {:.3f}"
NO_TRIALS = tr("no trial has ended yet")
FEW_TRIALS = tr("{count} of the\n{enough} trials\nthat it needs")
ALL_ALIKE = tr("the trials don't differ yet")

# Where the three parts are: left, bottom, width and height. Not laid out by
# "constrained", which takes longer than all the rest.
PLACES = ((0.085, 0.2, 0.28, 0.67), (0.465, 0.2, 0.205, 0.67), (0.81, 0.2, 0.13, 0.67))
ENOUGH_TRIALS = 10  # PED-ANOVA looks at the best tenth
MOST_BARS = 6
APART = 0.32  # of an axis, between two numbers
COMPLETED = {"marker": "o", "ms": 6, "ls": "", "color": VAL}
GIVEN_UP = {"marker": "x", "ms": 5, "ls": "", "color": INK}
SHOWN_BELOW = 0.1  # accuracies further below the best one look alike


class _Dot(NamedTuple):
    """A trial in the picture. first, last: accuracies after its epochs, or NaN."""

    number: int
    completed: bool
    first: float
    last: float
    trial: FrozenTrial


def plot_study(study: optuna.Study) -> Picture:
    """A study of Optuna's so far: its trials, the best of them, and what mattered.

    study: an `optuna.Study` that maximizes an accuracy. Left, a dot is a trial, at its
    last accuracy, and the line is the best completed one so far. Middle, the accuracy
    of each trial after its first epoch, over the hyperparameter that mattered most.
    Right, how much each mattered for it, by PED-ANOVA, once ten trials have one.
    Raises TypeError for anything else.
    """
    require_kind(isinstance(study, optuna.Study), NO_STUDY, study)
    if study.directions != [optuna.study.StudyDirection.MAXIMIZE]:
        raise TypeError(NO_STUDY.format(found=MINIMIZES))
    figure = Figure(figsize=(WIDE, 3))
    trials, first, importance = (figure.add_axes(place) for place in PLACES)
    for axes, title in zip(figure.axes, TITLES):
        tidy(axes, title)
        axes.set(xticks=[], yticks=[])
    dots = [_dot(trial, number) for number, trial in enumerate(ended(study), 1)]
    dots = [dot for dot in dots if math.isfinite(dot.first + dot.last)]
    _draw_trials(trials, dots)
    names = _draw_importance(importance, dots)
    _draw_first(first, dots, next(iter(names), None))
    text = STUDY.format(*(len(ended(study, state)) for state in ENDED))
    if completed := [dot for dot in dots if dot.completed]:
        best = max(completed, key=lambda dot: dot.last)
        text = STUDY_BEST.format(text, best.last, best.number)
    return Picture(figure, text)


def _dot(trial, number):
    seen = [
        trial.intermediate_values[epoch] for epoch in sorted(trial.intermediate_values)
    ]
    value = math.nan if trial.value is None else trial.value
    completed = trial.state == TrialState.COMPLETE
    first, last = (seen or [value])[0], value if completed else (seen or [value])[-1]
    return _Dot(number, completed, first, last, trial)


def _draw_trials(axes, dots):
    """The last accuracy of each trial, and a line for the best completed one so far."""
    if not dots:
        return _say(axes, NO_TRIALS)
    completed = [dot for dot in dots if dot.completed]
    _scatter(axes, dots, [dot.number for dot in dots], [dot.last for dot in dots])
    if completed:
        best = np.maximum.accumulate([dot.last for dot in completed])
        numbers = [dot.number for dot in completed]
        end = dots[-1].number
        axes.step([*numbers, end], [*best, best[-1]], where="post", color=VAL, lw=1.8)
        look = {"fontsize": SMALL, "color": VAL, "ha": "right"}
        beside = {"xytext": (0, 5), "textcoords": "offset points"}
        axes.annotate(BEST, (end, best[-1]), **beside, **look)
    axes.set_xlim(0, dots[-1].number + 1)
    axes.set_xticks(sorted({1, dots[-1].number}))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(TRIAL, fontsize=SMALL)


def _draw_first(axes, dots, name):
    """The accuracy of each trial after its first epoch, over one hyperparameter."""
    dots = [dot for dot in dots if name in dot.trial.params]
    if not dots:
        return _say(axes, NO_TRIALS)
    place, ticks = _scale([dot.trial.distributions[name] for dot in dots])
    places = [place(dot.trial.params[name]) for dot in dots]
    _scatter(axes, dots, places, [dot.first for dot in dots])
    axes.set_xlim(-0.08, 1.08)
    axes.set_xticks(*zip(*ticks))
    axes.set_xlabel(name, fontsize=SMALL)


def _scatter(axes, dots, places, accuracies):
    """Dots, those far below the best one at the lower end."""
    lowest, best = min(accuracies), max(accuracies)
    low = min(max(lowest, best - SHOWN_BELOW), best - 0.01)  # an axis for one trial too
    for completed, look in ((False, GIVEN_UP), (True, COMPLETED)):
        some = [i for i, dot in enumerate(dots) if dot.completed == completed]
        heights = [max(accuracies[i], low) for i in some]
        axes.plot([places[i] for i in some], heights, **look)
    margin = 0.08 * (best - low)
    axes.set_ylim(low - margin, best + 2 * margin)
    ticks = [low, (low + best) / 2, best]
    lowest = (BELOW if lowest < low else "{:.3f}").format(low)
    axes.set_yticks(ticks, [lowest, *(f"{tick:.3f}" for tick in ticks[1:])])


def _scale(distributions):
    """A function from a value to its place in [0, 1], and ticks (place, label)."""
    latest = distributions[-1]
    if hasattr(latest, "choices"):
        count = len(latest.choices)
        at = {str(one): (i + 0.5) / count for i, one in enumerate(latest.choices)}
        return lambda value: at[str(value)], [(at[label], label) for label in at]
    low, high = min(d.low for d in distributions), max(d.high for d in distributions)
    bend = math.log10 if latest.log else float
    if low == high:
        return lambda value: 0.5, [(0.5, f"{low:g}")]

    def place(value):
        return (bend(value) - bend(low)) / (bend(high) - bend(low))

    between = []
    if latest.log:
        between = [10.0**p for p in range(math.ceil(bend(low)), math.ceil(bend(high)))]
    elif isinstance(low, int) and high - low < 6:
        between = range(low + 1, high)
    shown = [low]  # not so near to each other that the numbers would touch
    for value in between:
        if place(value) - place(shown[-1]) > APART and place(value) < 1 - APART:
            shown.append(value)
    return place, [(place(value), f"{value:g}") for value in (*shown, high)]


def _draw_importance(axes, dots):
    """Bars, the longest on top; returns the names of the hyperparameters, best first.

    By the first epoch, which every trial has: only a few good ones are completed.
    """
    names = list(dict.fromkeys(name for dot in dots for name in dot.trial.params))
    if len(dots) < ENOUGH_TRIALS:
        _say(axes, FEW_TRIALS.format(count=len(dots), enough=ENOUGH_TRIALS))
        return names
    if len({dot.first for dot in dots}) == 1:
        _say(axes, ALL_ALIKE)
        return names
    study = optuna.create_study(direction="maximize")
    for _, _, first, _, trial in dots:
        fields = {"params": trial.params, "distributions": trial.distributions}
        study.add_trial(optuna.create_trial(**fields, value=first))
    with warnings.catch_warnings():  # about a hyperparameter that few trials have
        warnings.simplefilter("ignore")
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    names = sorted(shares, key=shares.get, reverse=True)[:MOST_BARS]
    bars = axes.barh(names, [shares[name] for name in names], color=LINES[4])
    axes.bar_label(
        bars, [f"{shares[name]:.0%}" for name in names], padding=3, size=SMALL
    )
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6))
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False)
    return names


def _say(axes, words):
    centre = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, words, **centre, fontsize=SMALL)
