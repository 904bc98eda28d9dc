"""The picture of a study."""

import math
import warnings

import numpy as np
import optuna
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from helpers.palette import BATCH, DARK_GREY, TRAIN, VAL
from helpers.plots import Picture

NO_STUDY = (
    "plot_study needs an optuna.Study of accuracies, such as "
    "optuna.create_study(direction='maximize'); you gave {found}."
)
MINIMIZES = "one that doesn't maximize"
STUDY = "{:,} completed and {:,} pruned trials; the best accuracy is {:.4f}."
STUDY_EMPTY = "No trial is complete yet; {1:,} were pruned."
TITLES = (
    "trials: dark blue is accurate, grey was pruned",
    "accuracy, best so far",
    "importance, epoch 1",
)
ACCURACY, TRIAL = "accuracy", "trial"
NO_TRIALS = "no trial has ended yet"
FEW_TRIALS = "{count} of the {enough} trials\nthat it needs"
ALL_ALIKE = "the trials don't differ yet"

SHADES = colormaps["Blues"]
PLATE = {"fc": "white", "ec": "none", "pad": 0.3, "alpha": 0.8}  # behind a number
ENOUGH_TRIALS = 10  # PED-ANOVA looks at the best tenth
SHOWN_BELOW = 0.1  # accuracies further below the best one look alike


def plot_study(study: optuna.Study) -> Picture:
    """A study of Optuna's so far: its trials, the best of them, and what mattered.

    study: an `optuna.Study` that maximizes an accuracy. Left, a line is a trial and an
    axis a hyperparameter. Middle, the completed trials and the best so far. Right, the
    importance of each hyperparameter for the accuracy after the first epoch, by
    PED-ANOVA, once ten trials have one. Raises TypeError for anything else.
    """
    if not isinstance(study, optuna.Study):
        raise TypeError(NO_STUDY.format(found=type(study).__name__))
    if study.directions != [optuna.study.StudyDirection.MAXIMIZE]:
        raise TypeError(NO_STUDY.format(found=MINIMIZES))
    pruned = study.get_trials(deepcopy=False, states=[TrialState.PRUNED])
    completed = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    completed = [trial for trial in completed if math.isfinite(trial.value)]
    values = [trial.value for trial in completed] or [math.nan]
    best, lowest = max(values), min(values)
    low = min(max(lowest, best - SHOWN_BELOW), best - 0.01)  # an axis for one trial too
    # Not laid out by "constrained", which takes longer than all the rest.
    figure = Figure(figsize=(10, 3))
    grid = {"left": 0.075, "right": 0.965, "top": 0.88, "bottom": 0.22, "wspace": 0.35}
    parts = figure.subplots(1, 3, width_ratios=(2.6, 1, 0.75), gridspec_kw=grid)
    for axes, title in zip(parts, TITLES):
        axes.set_title(title, fontsize=10, loc="left")
        axes.set(xticks=[], yticks=[])
        axes.tick_params(labelsize=8, length=0)
        axes.spines[["top", "right"]].set_visible(False)
    _draw_trials(parts[0], completed, pruned, low, best)
    _draw_best(parts[1], completed, low, best)
    _draw_importance(parts[2], [*completed, *pruned])
    text = STUDY if completed else STUDY_EMPTY
    return Picture(figure, text.format(len(completed), len(pruned), best))


def _draw_trials(axes, completed, pruned, low, best):
    """One upright axis for each hyperparameter, and one for the accuracy."""
    distributions = {}
    for trial in (*completed, *pruned):
        for name, distribution in trial.distributions.items():
            distributions.setdefault(name, []).append(distribution)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_ylim(-0.05, 1.05)
    if not distributions:
        return _say(axes, NO_TRIALS)
    scales = {name: _scale(several) for name, several in distributions.items()}

    def line(trial, end=math.nan):
        # What a trial doesn't have is a gap.
        heights = [
            place(trial.params[name]) if name in trial.params else math.nan
            for name, (place, _) in scales.items()
        ]
        return list(enumerate([*heights, end]))

    faint = [line(trial) for trial in pruned]
    axes.add_collection(LineCollection(faint, colors=BATCH, lw=0.7, alpha=0.4))
    completed = sorted(completed, key=lambda trial: trial.value)  # the best on top
    ends = [max(0, (trial.value - low) / (best - low)) for trial in completed]
    lines = [line(trial, end) for trial, end in zip(completed, ends)]
    shades = SHADES([0.25 + 0.75 * end for end in ends])  # not white on white
    axes.add_collection(LineCollection(lines, colors=shades, lw=1.3, alpha=0.9))
    ticks = {name: of_axis for name, (_, of_axis) in scales.items()}
    if completed:
        lowest = f"{low:.3f}" if completed[0].value >= low else f"≤ {low:.3f}"
        ticks[ACCURACY] = [(0, lowest), (1, f"{best:.3f}")]
    axes.vlines(range(len(ticks)), 0, 1, color="black", lw=0.8)
    for x, (name, of_axis) in enumerate(ticks.items()):
        for height, label in of_axis:
            axes.text(x + 0.06, height, label, va="center", fontsize=7, bbox=PLATE)
        # Many names take turns on two lines, so that they don't touch.
        floor = -0.18 if len(ticks) > 6 and x % 2 else -0.08
        axes.text(x, floor, name, fontsize=8, va="top", ha="center")
    axes.set_xlim(-0.3, len(ticks) - 0.4)


def _scale(distributions):
    """A function from a value to its height in [0, 1], and ticks (height, label)."""
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
    # Not so near to the ends that the numbers would touch.
    inner = [value for value in between if 0.1 < place(value) < 0.9]
    return place, [(place(value), f"{value:g}") for value in (low, *inner, high)]


def _draw_best(axes, completed, low, best):
    if not completed:
        return _say(axes, NO_TRIALS)
    numbers = [trial.number + 1 for trial in completed]
    values = [trial.value for trial in completed]
    axes.plot(numbers, values, "o", ms=3, color=BATCH)
    axes.step(numbers, np.maximum.accumulate(values), where="post", color=VAL, lw=1.8)
    margin = 0.05 * (best - low)
    axes.set(ylim=(low - margin, best + margin), xlim=(0, numbers[-1] + 1))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter("{x:.3f}")
    axes.grid(axis="y", color=BATCH, lw=0.5, alpha=0.5)
    axes.set_xticks(sorted({1, numbers[-1]}))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(TRIAL, fontsize=8)


def _draw_importance(axes, trials):
    first = []
    for trial in trials:
        # By the first epoch, which every trial has: only a few good ones are completed.
        reported = trial.intermediate_values
        value = reported[min(reported)] if reported else trial.value
        if value is not None and math.isfinite(value):
            fields = {"params": trial.params, "distributions": trial.distributions}
            first.append(optuna.create_trial(**fields, value=value))
    if len(first) < ENOUGH_TRIALS:
        return _say(axes, FEW_TRIALS.format(count=len(first), enough=ENOUGH_TRIALS))
    if len({trial.value for trial in first}) == 1:
        return _say(axes, ALL_ALIKE)
    study = optuna.create_study(direction="maximize")
    study.add_trials(first)
    with warnings.catch_warnings():  # about a hyperparameter that few trials have
        warnings.simplefilter("ignore")
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    names = sorted(shares, key=shares.get)
    bars = axes.barh(names, [shares[name] for name in names], color=TRAIN)
    axes.bar_label(bars, [f"{shares[name]:.0%}" for name in names], padding=3, size=8)
    axes.set(xlim=(0, 1), yticks=range(len(names)), ylim=(-0.6, len(names) - 0.4))


def _say(axes, words):
    centre = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    axes.text(0.5, 0.5, words, **centre, fontsize=8, color=DARK_GREY)
