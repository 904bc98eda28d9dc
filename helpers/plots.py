"""Static pictures: curves, columns of W1, clothes, a confusion matrix.

Every function returns a `Picture`: a figure with one line of text that says
what it shows, for GitHub, screen readers and the tests. No pyplot, whose state
all threads would share.
"""

import base64
import io
import itertools
import math
import warnings

import numpy as np
import torch
from IPython.display import display
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from PIL import Image

from helpers.curves import Curves

TRAIN, VAL, BATCH = "#3f90da", "#e76300", "#94a4a2"  # matplotlib's petroff10
LINES = (TRAIN, VAL, "#832db6", "#717581", "#bd1f01", "#ffa90e", "#a96b59")
# The lab's own blue and orange. Few levels, so that pictures of noise stay small.
BLUE_ORANGE = LinearSegmentedColormap.from_list(
    "blue_orange", ["#1455a0", "#f7f7f7", "#c85500"], N=41
)
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)))
PLATE = {"fc": "white", "ec": "none", "pad": 0.3, "alpha": 0.8}  # behind a number
SHADES = colormaps["Blues"]
SIDE = 28  # pixels of a Fashion-MNIST picture

NO_CURVES = (
    "plot_curves needs what train(config, data) yielded, such as "
    "list(train(config, data)); you gave {found}."
)


NO_COLUMNS = (
    "plot_columns needs weights of shape (784, num_hiddens), one column a picture; "
    "you gave the shape {shape}."
)
NO_RACES = (
    "plot_races needs what race(strategies, table) returned; you gave {found}."
)
RACES = (
    "True score of the best trial so far over the epochs spent. At the end: {ends}. "
    "The table's best is {best:.4f}."
)
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


class Picture:
    """A matplotlib figure that shows itself, with `text` for who can't see it."""

    def __init__(self, figure, text):
        self.figure, self.text = figure, text

    def __repr__(self):
        return self.text

    def _ipython_display_(self):
        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)
        # JupyterLab's pictures have no alt text, so the line stands beneath.
        print(self.text)

    def png(self):
        """The picture as the bytes of a PNG file."""
        drawn, small = io.BytesIO(), io.BytesIO()
        self.figure.savefig(drawn, format="png", dpi=100)
        # A palette tells everything here, in a third of the bytes.
        picture = Image.open(drawn).convert("RGB")
        picture.quantize(256, Image.Quantize.FASTOCTREE).save(small, format="png")
        return small.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        png = base64.b64encode(self.png()).decode()
        return (
            {"text/plain": self.text, "image/png": png},
            {"image/png": {"alt": self.text}},
        )


def plot_curves(history, text="Loss and accuracy over the epochs."):
    """Loss and accuracy of a run over its epochs.

    history: the list of `Progress` that `train` yielded. text: what the
    picture shows, in one line. Raises TypeError for anything else.
    """
    try:
        last = history[-1]
        ends = (p.step / p.epoch for p in history if p.epoch_end)
        curves = Curves(next(ends, last.step))
        for progress in history:
            curves.add(progress)
    except (AttributeError, LookupError, TypeError):
        raise TypeError(NO_CURVES.format(found=type(history).__name__)) from None
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    _draw_curves(figure.subplots(1, 2), curves)
    return Picture(figure, text)


def plot_lab(curves, net, text):
    """What the live lab shows: the curves so far and W1's first columns."""
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.2, 1.2, 0.9))
    _draw_curves((left, middle), curves)
    _draw_columns(right, net.W1, 4)
    return Picture(figure, text)


def plot_columns(W1, text, num_columns=20):
    """The first columns of W1, each as a 28x28 picture, all on one scale.

    W1: [784, num_hiddens]. text: what the picture shows, in one line. Raises
    ValueError for weights of another shape.
    """
    if W1.dim() != 2 or len(W1) != SIDE * SIDE:
        raise ValueError(NO_COLUMNS.format(shape=tuple(W1.shape)))
    across = 10
    num_columns = min(num_columns, W1.shape[1])
    rows = math.ceil(num_columns / across)
    figure = Figure(figsize=(9, 0.95 * rows + 0.3), layout="constrained")
    _draw_columns(figure.subplots(), W1[:, :num_columns], across)
    return Picture(figure, text)


def plot_pictures(images, titles, text):
    """Clothes in a row of at most ten each with its title.

    images: float [N, 784] in [0, 1]. titles: N short texts. text: what the
    picture shows, in one line.
    """
    across = min(10, len(images))
    rows = math.ceil(len(images) / across)
    figure = Figure(figsize=(1.05 * across, 1.35 * rows), layout="constrained")
    for i, (image, title) in enumerate(zip(images, titles, strict=True)):
        axes = figure.add_subplot(rows, across, i + 1)
        axes.imshow(image.reshape(SIDE, SIDE).cpu().numpy(), cmap="gray_r")
        axes.set_title(title, fontsize=7)
        axes.axis("off")
    return Picture(figure, text)


def plot_confusion(confusion, class_names, text):
    """A confusion matrix with its counts.

    confusion: int [num_classes, num_classes], rows are the true classes.
    class_names: their names. text: what the picture shows, in one line.
    """
    figure = Figure(figsize=(6, 4.6), layout="constrained")
    axes = figure.subplots()
    confusion = confusion.cpu()
    shares = confusion / confusion.sum(dim=1, keepdim=True).clamp(min=1)
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    for row, counts in enumerate(confusion.tolist()):
        for column, count in enumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(
                *(column, row, count),
                **{"ha": "center", "va": "center", "fontsize": 7, "color": colour},
            )
    places = range(len(class_names))
    axes.set_xticks(places, class_names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(places, class_names, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return Picture(figure, text)


def plot_sweep(results, x, by=None, text="Validation accuracy of a sweep."):
    """Validation accuracy over one field of Config: the mean, and a band from the
    lowest to the highest seed.

    results: what `sweep` returned. x: the field on the axis, such as "lr". by: a field
    that gets a line for each of its values, or None. text: what the picture shows, in
    one line.
    """
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    axes = figure.subplots()
    lines = results.group(by) if by else {"": results}
    for i, (name, of_line) in enumerate(lines.items()):
        groups = sorted(of_line.group(x).items())
        places = [value for value, _ in groups]
        low, high = zip(*(runs.spread for _, runs in groups))
        means = [runs.mean for _, runs in groups]
        look = {"color": LINES[i % len(LINES)], "marker": "osD^vPX"[i % 7]}
        axes.plot(places, means, **look, lw=1.6, ms=5, label=f"{by} {name}")
        axes.fill_between(places, low, high, color=look["color"], alpha=0.2, lw=0)
    values = sorted(results.group(x))
    if values[-1] > 20 * values[0] > 0:
        axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.minorticks_off()
    axes.set_xlabel(x, fontsize=9)
    axes.set_title("validation accuracy", fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if by:
        axes.legend(fontsize=8, frameon=False)
    return Picture(figure, _with_note(text, results))


def _with_note(text, *results):
    """On the sample, a picture of what was recorded on the full data says so."""
    return " ".join([text, *(one.note for one in results if one.stand_in)][:2])


def plot_losses(groups, text):
    """Mean loss over the epochs: of training a line, of validation a dashed one.

    groups: {name: what `sweep` returned}. text: what the picture shows, in one line.
    """
    figure = Figure(figsize=(7.5, 3), layout="constrained")
    axes = figure.subplots()
    for colour, (name, runs) in zip(LINES, groups.items()):
        for field, label, style in (
            ("train_loss", "train", "-"),
            ("val_loss", "validation", "--"),
        ):
            losses = torch.tensor([getattr(run, field) for run in runs]).mean(dim=0)
            epochs = range(1, len(losses) + 1)
            look = {"color": colour, "ls": style, "lw": 1.8}
            axes.plot(epochs, losses.numpy(), **look, label=f"{name}, {label}")
    axes.set_title("loss", fontsize=10, loc="left")
    axes.set_xlabel("epoch", fontsize=9)
    axes.set_ylim(bottom=0)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    return Picture(figure, _with_note(text, *groups.values()))


def plot_grid(results, x, y, panels, text):
    """Validation accuracy over two fields of Config, a panel for each value of a third.

    results: what `sweep` returned. x, y, panels: fields of Config. text: what the
    picture shows, in one line. The best of each panel has a frame.
    """
    groups = results.group(panels)
    across, down = (sorted(results.group(field)) for field in (x, y))
    size = (0.55 * len(across) * len(groups) + 1.2, 0.45 * len(down) + 1)
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, (name, of_panel) in zip(all_axes, groups.items()):
        cells = of_panel.group(y, x)
        means = [
            [cells[a, b].mean if (a, b) in cells else math.nan for b in across]
            for a in down
        ]
        axes.imshow(means, cmap="cividis", vmin=0.1, vmax=0.9, aspect="auto")
        best = max(cells, key=lambda key: cells[key].mean)
        for row, a in enumerate(down):
            for column, b in enumerate(across):
                value = means[row][column]
                axes.text(
                    *(column, row, f"{value:.2f}".lstrip("0")),
                    **{"ha": "center", "va": "center", "fontsize": 7},
                    color="black" if value > 0.55 else "white",
                    weight="bold" if (a, b) == best else "normal",
                    bbox={"fill": False, "ec": "black"} if (a, b) == best else None,
                )
        axes.set_xticks(range(len(across)), [f"{v:g}" for v in across], fontsize=8)
        axes.set_yticks(range(len(down)), [f"{v:g}" for v in down], fontsize=8)
        axes.set_xlabel(x, fontsize=9)
        axes.set_title(f"{panels}: {name}", fontsize=9, loc="left")
    all_axes[0].set_ylabel(y, fontsize=9)
    return Picture(figure, _with_note(text, results))


def plot_races(races):
    """Races of search strategies: the best so far over epochs spent, and the end.

    races: what `race` returned. Left, a line is the mean true score over a strategy's
    races and its band two standard errors; right, at the end, a dot is that mean with
    two standard errors, and the pale bar goes from the 10th to the 90th percentile of
    the races. Raises TypeError for anything else.
    """
    # Here, since pictures of everything else need no Optuna.
    from helpers.races import STRATEGIES, Races

    if not isinstance(races, Races):
        raise TypeError(NO_RACES.format(found=type(races).__name__))
    names, best, num_epochs = races.strategies, races.best, races.num_epochs
    looks = list(STRATEGIES)  # the same one in each picture, whoever takes part
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    epochs = np.arange(1, num_epochs + 1)
    early, lows = max(0, num_epochs // 5 - 1), [best]
    for place, name in enumerate(names):
        i = looks.index(name)
        look = {"color": LINES[i % len(LINES)], "ls": DASHES[i % len(DASHES)]}
        mean, (final, error) = races.mean(name), races.final(name)
        spread = 2 * races.error(name)
        left.plot(epochs, mean, **look, lw=1.8, label=name, drawstyle="steps-post")
        left.fill_between(
            *(epochs, mean - spread, mean + spread),
            **{"color": look["color"], "alpha": 0.15, "lw": 0, "step": "post"},
        )
        low, high = (end[-1] for end in races.band(name))
        right.plot([low, high], [place] * 2, color=look["color"], lw=8, alpha=0.25)
        right.errorbar(
            *(final, place),
            xerr=None if math.isnan(error) else 2 * error,
            **{"color": look["color"], "marker": "o", "ms": 5, "lw": 1.8, "capsize": 3},
        )
        lows += [value for value in (mean[early], low) if value == value]
    # From a fifth of the epochs on: what comes before would press the rest together.
    bottom = min(lows) - 0.1 * (best - min(lows)) - 0.001
    left.set_ylim(bottom, best + 0.1 * (best - bottom))
    left.set_xlim(0, num_epochs)
    left.set_xlabel("epochs spent", fontsize=9)
    left.axhline(best, color="black", lw=0.8, ls=":")
    left.set_title("true score of the best so far", fontsize=10, loc="left")
    left.legend(fontsize=8, frameon=False, handlelength=3.2, loc="lower right")
    right.axvline(best, color="black", lw=0.8, ls=":")
    right.set_yticks(range(len(names)), names)
    right.invert_yaxis()
    right.xaxis.set_major_locator(MaxNLocator(4))
    right.set_title(f"after {num_epochs:,} epochs", fontsize=10, loc="left")
    for axes in (left, right):
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    ends = ", ".join(f"{name} {races.final(name)[0]:.4f}" for name in names)
    return Picture(figure, RACES.format(ends=ends, best=best))


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


def _draw_curves(both, curves):
    loss, accuracy = both
    names = [("train", TRAIN, "-"), ("val", VAL, "--")]
    batch = curves.by_name["batch"]
    loss.plot(batch.x, batch.y, color=BATCH, lw=0.8, label="batch")
    for name, colour, style in names:
        label = "validation" if name == "val" else name
        for axes, kind in ((loss, "loss"), (accuracy, "accuracy")):
            curve = curves.by_name[f"{name}_{kind}"]
            axes.plot(curve.x, curve.y, style, color=colour, lw=1.8, label=label)
    loss.set_yscale("log")
    low, high = (math.floor(math.log10(end)) for end in loss.get_ylim())
    every = 1 + (high - low) // 8  # a diverged loss spans many powers of ten
    powers = range(low, high + 1, every)
    ticks = [m * 10.0**e for e in powers for m in ((1, 2, 5) if every == 1 else (1,))]
    bottom, top = loss.get_ylim()
    few = sum(bottom < tick < top for tick in ticks) < 2
    loss.yaxis.set_major_locator(MaxNLocator(4) if few else FixedLocator(ticks))
    loss.yaxis.set_minor_locator(NullLocator())
    loss.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    accuracy.set_ylim(0, 1)
    for axes, title in ((loss, "loss (log scale)"), (accuracy, "accuracy")):
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xlabel("epoch", fontsize=9)
        axes.set_xlim(0, max(curve.x[-1] for curve in curves.by_name.values()))
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    loss.legend(fontsize=8, frameon=False)


def _draw_columns(axes, W1, across):
    W1 = W1.detach().cpu()[:, : across * across]
    rows = math.ceil(W1.shape[1] / across)
    wall = torch.full((rows * (SIDE + 1), across * (SIDE + 1)), float("nan"))
    for i, column in enumerate(W1.T):
        top, left = i // across * (SIDE + 1), i % across * (SIDE + 1)
        wall[top : top + SIDE, left : left + SIDE] = column.reshape(SIDE, SIDE)
    # The 99th percentile: a few extreme weights would leave the rest pale.
    most = W1.abs().flatten().quantile(0.99).item() or 1.0
    axes.imshow(
        *(wall.numpy(), BLUE_ORANGE),
        **{"vmin": -most, "vmax": most, "interpolation": "nearest"},
    )
    title = f"W1: {W1.shape[1]} columns, ±{most:.2g}"
    axes.set_title(title, fontsize=9, loc="left")
    axes.axis("off")


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
    # Here, since pictures of everything else need no Optuna.
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

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
