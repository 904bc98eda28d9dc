"""The picture of a study."""

import itertools
import math
import warnings

import optuna
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from helpers.plots import BATCH, TRAIN, VAL, Picture

PLATE = {"fc": "white", "ec": "none", "pad": 0.3, "alpha": 0.8}  # behind a number
SHADES = colormaps["Blues"]
NO_STUDY = (
    "plot_study needs an optuna.Study of accuracies, such as "
    "optuna.create_study(direction='maximize'); you gave {found}."
)
MINIMIZES = "one that doesn't maximize"
STUDY = (
    "{completed:,} completed and {pruned:,} pruned trials; the best accuracy is "
    "{best:.4f}."
)
STUDY_EMPTY = "No trial is complete yet; {pruned:,} were pruned."
STUDY_PANELS = (
    "trials: dark blue is accurate, grey was pruned",
    "accuracy, best so far",
    "importance, epoch 1",
)
ACCURACY = "accuracy"
NO_TRIALS = "no trial has ended yet"
FEW_TRIALS = "{count} of the {enough} trials\nthat it needs"
ALL_ALIKE = "the trials don't differ yet"
ENOUGH_TRIALS = 10  # so that there is a best tenth, at which PED-ANOVA looks
SHOWN_BELOW = 0.1  # accuracies further below the best one look alike


def plot_study(study):
    """A study of Optuna's so far: its trials, the best of them, and what mattered.

    study: an `optuna.Study` that maximizes an accuracy. Left, a line is a trial and an
    axis a hyper-parameter; dark lines are accurate, pale grey ones were pruned. Middle,
    the completed trials and the best so far. Right, the importance of each
    hyper-parameter for the accuracy after the first epoch, by PED-ANOVA, once ten
    trials have one. Raises TypeError for anything else.
    """
    try:
        trials = study.get_trials(deepcopy=False)
        several = len(study.directions) > 1
        found = "" if not several and study.direction.name == "MAXIMIZE" else MINIMIZES
    except AttributeError:
        found = type(study).__name__
    if found:
        raise TypeError(NO_STUDY.format(found=found))
    completed = [trial for trial in trials if trial.state.name == "COMPLETE"]
    completed = [trial for trial in completed if math.isfinite(trial.value)]
    pruned = [trial for trial in trials if trial.state.name == "PRUNED"]
    # Not laid out by "constrained", which takes longer than all the rest.
    figure = Figure(figsize=(10, 3))
    grid = {"left": 0.075, "right": 0.985, "top": 0.88, "bottom": 0.22, "wspace": 0.35}
    parts = figure.subplots(1, 3, width_ratios=(2.4, 1, 0.8), gridspec_kw=grid)
    for axes in parts:
        axes.set(xticks=[], yticks=[])
    best = max((trial.value for trial in completed), default=math.nan)
    lowest = min((trial.value for trial in completed), default=0)
    # One trial alone needs an axis, too.
    low = min(max(lowest, best - SHOWN_BELOW), best - 0.01)
    _draw_parallel(parts[0], completed, pruned, low, best)
    _draw_best(parts[1], completed, low, best)
    _draw_importance(parts[2], [*completed, *pruned])
    for axes, title in zip(parts, STUDY_PANELS):
        axes.set_title(title, fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    text = STUDY if completed else STUDY_EMPTY
    counts = {"completed": len(completed), "pruned": len(pruned)}
    return Picture(figure, text.format(**counts, best=best))


def _draw_parallel(axes, completed, pruned, low, best):
    """One upright axis for each hyper-parameter, and one for the accuracy."""
    distributions = {}
    for trial in (*completed, *pruned):
        for name, distribution in trial.distributions.items():
            distributions.setdefault(name, []).append(distribution)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_ylim(-0.05, 1.05)
    if not distributions:
        _say(axes, NO_TRIALS)
        return
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
    # The best last, on top.
    completed = sorted(completed, key=lambda trial: trial.value)
    ends = [max(0, (trial.value - low) / (best - low)) for trial in completed]
    lines = [line(trial, end) for trial, end in zip(completed, ends)]
    shades = SHADES([0.25 + 0.75 * end for end in ends])  # not white on white
    axes.add_collection(LineCollection(lines, colors=shades, lw=1.3, alpha=0.9))
    ticks = {name: of_axis for name, (_, of_axis) in scales.items()}
    if completed:
        lowest = f"{low:.3f}" if completed[0].value >= low else f"≤ {low:.3f}"
        ticks[ACCURACY] = [(0, lowest), (1, f"{best:.3f}")]
    axes.vlines(range(len(ticks)), 0, 1, color="black", lw=0.8)
    small = {"va": "center", "fontsize": 7}
    for x, (name, of_axis) in enumerate(ticks.items()):
        for height, label in of_axis:
            axes.text(x + 0.06, height, label, **small, bbox=PLATE)
        # Many names stand on two lines in turn, so that they don't meet.
        floor = -0.18 if len(ticks) > 6 and x % 2 else -0.08
        axes.text(x, floor, name, fontsize=8, va="top", ha="center")
    axes.set_xlim(-0.3, len(ticks) - 0.4)


def _scale(distributions):
    """A function from a value to its height in [0, 1], and ticks (height, label)."""
    latest = distributions[-1]
    if hasattr(latest, "choices"):
        heights = [(i + 0.5) / len(latest.choices) for i in range(len(latest.choices))]
        at = dict(zip(map(str, latest.choices), heights))
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
        _say(axes, NO_TRIALS)
        return
    completed = sorted(completed, key=lambda trial: trial.number)
    numbers = [trial.number + 1 for trial in completed]
    values = [trial.value for trial in completed]
    so_far = list(itertools.accumulate(values, max))
    axes.plot(numbers, values, "o", ms=3, color=BATCH)
    axes.plot(numbers, so_far, color=VAL, lw=1.8, drawstyle="steps-post")
    margin = 0.05 * (best - low)
    axes.set(ylim=(low - margin, best + margin), xlim=(0, numbers[-1] + 1))
    heights = MaxNLocator(4).tick_values(low, best)
    heights = [height for height in heights if low <= height <= best]
    axes.hlines(heights, 0, numbers[-1] + 1, color=BATCH, lw=0.5, alpha=0.5)
    for height in heights:
        label = f"{height:.3f}"
        _write(axes, -0.02, height, label, axes.get_yaxis_transform(), ha="right")
    for number in {1, numbers[-1]}:
        below = axes.get_xaxis_transform()
        _write(axes, number, -0.02, f"{number:,}", below, ha="center", va="top")
    _write(axes, 0.5, -0.1, "trial", axes.transAxes, ha="center", va="top")


def _draw_importance(axes, trials):
    # By the first epoch, which each trial has: those that came to their end are few,
    # and are good ones all.
    first = [(trial, _first_accuracy(trial)) for trial in trials]
    first = [(trial, value) for trial, value in first if math.isfinite(value)]
    differ = len({value for _, value in first}) > 1
    if len(first) < ENOUGH_TRIALS or not differ:
        few = FEW_TRIALS.format(count=len(first), enough=ENOUGH_TRIALS)
        _say(axes, ALL_ALIKE if len(first) >= ENOUGH_TRIALS else few)
        return
    study = optuna.create_study(direction="maximize")
    for trial, value in first:
        study.add_trial(
            optuna.create_trial(
                params=trial.params, distributions=trial.distributions, value=value
            )
        )
    with warnings.catch_warnings():  # of a hyper-parameter that few trials have
        warnings.simplefilter("ignore")
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    names = sorted(shares, key=shares.get)
    axes.barh(range(len(names)), [shares[name] for name in names], color=TRAIN)
    axes.set(xlim=(0, 1), ylim=(-0.6, len(names) - 0.4))
    for place, name in enumerate(names):
        share, names_at = shares[name], axes.get_yaxis_transform()
        _write(axes, -0.03, place, name, names_at, ha="right")
        _write(axes, share + 0.03, place, f"{share:.0%}", axes.transData)


def _first_accuracy(trial):
    """After its first epoch; at its end where it has reported none before."""
    if trial.intermediate_values:
        return trial.intermediate_values[min(trial.intermediate_values)]
    return math.nan if trial.value is None else trial.value


def _write(axes, x, y, words, transform, ha="left", va="center"):
    # Ticks of matplotlib's own would take twice the time of all the rest.
    axes.text(x, y, words, transform=transform, ha=ha, va=va, fontsize=8)


def _say(axes, words):
    axes.text(
        *(0.5, 0.5, words),
        **{"transform": axes.transAxes, "ha": "center", "va": "center"},
        **{"fontsize": 8, "color": "#717581"},
    )
