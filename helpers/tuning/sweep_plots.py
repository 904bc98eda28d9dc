"""Pictures of a sweep's results."""

import math
from numbers import Real

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.given import are_texts, require_kind
from helpers.language import SPACE, tr
from helpers.palette import HEAT, LINES, TRAIN, VAL, ink_on_heat
from helpers.plots import SMALL, TITLE, WIDE, Picture, tidy
from helpers.tuning.results import Results

NO_RESULTS = tr("A picture of a sweep needs what sweep(configs, data) returned.")
NOTHING_TRAINED = tr("There is nothing to draw: no run of this sweep has been trained.")
NO_NUMBERS = tr("A picture needs a field of numbers here, such as 'lr'; not {name}.")
NO_GROUPS = tr(
    "plot_losses needs a dict of at least one name and what sweep returned; you gave "
    "{found}."
)
NOT_ALIKE = tr("plot_losses needs runs of the same num_epochs in each group.")
# As in the lab.
LOSSES = (
    ("train_loss", tr("train"), TRAIN, "-"),
    ("val_loss", tr("validation"), VAL, "--"),
)
LETTER = 0.014  # of the axis: the width of a digit, with a legend at its side
A_SWEEP, ACCURACY = tr("Validation accuracy of a sweep."), tr("validation accuracy")
LOSS_OF, EPOCH = tr("loss, {name}"), tr("epoch")


def plot_sweep(
    results: Results,
    x: str,
    by: str | None = None,
    text: str = A_SWEEP,
) -> Picture:
    """Validation accuracy over one field of Config: the mean, and a band from the
    lowest to the highest seed.

    results: what `sweep` returned. x: the field on the axis, such as "lr". by: a field
    that gets a line for each of its values, or None. text: what the picture shows, in
    one line. Raises TypeError or ValueError for anything else.
    """
    _check(results, x)
    figure = Figure(figsize=(WIDE, 3.2), layout="constrained")
    axes = figure.subplots()
    tidy(axes, ACCURACY, x)
    lines = results.group(by) if by is not None else {"": results}
    for i, (name, of_line) in enumerate(lines.items()):
        places, runs = zip(*sorted(of_line.group(x).items()))
        low, high = zip(*(of_place.spread for of_place in runs))
        look = {"color": LINES[i % len(LINES)], "marker": "Ds^ovPX"[i % 7]}
        if by is None:
            look = {"color": VAL, "marker": "o"}
        means = [of_place.mean for of_place in runs]
        axes.plot(places, means, **look, lw=1.8, ms=5, label=name)
        axes.fill_between(places, low, high, color=look["color"], alpha=0.18, lw=0)
    values = sorted(results.group(x))
    if values[-1] > 20 * values[0] > 0:
        axes.set_xscale("log")
    axes.set_xticks(values, _labels(values, axes.get_xscale() == "log"))
    axes.minorticks_off()
    if by is not None:
        # Beside the lines, since it would cover some of them elsewhere.
        look = {"fontsize": SMALL, "title_fontsize": SMALL, "frameon": False}
        figure.legend(loc="outside right upper", title=by, alignment="left", **look)
    return Picture(figure, _with_note(text, results))


def plot_losses(groups: dict[str, Results], text: str) -> Picture:
    """Mean loss over the epochs, of training and of validation: a panel a group.

    groups: {name: what `sweep` returned}. text: what the picture shows, in one line.
    Raises TypeError or ValueError for anything else.
    """
    require_kind(
        isinstance(groups, dict) and are_texts([*groups]) and groups, NO_GROUPS, groups
    )
    for runs in groups.values():
        _check(runs)
        if len({len(run.train_loss) for run in runs}) > 1:
            raise ValueError(NOT_ALIKE)
    figure = Figure(figsize=(WIDE, 3), layout="constrained")
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, (name, runs) in zip(panels, groups.items()):
        for field, label, colour, dash in LOSSES:
            losses = torch.tensor([getattr(run, field) for run in runs]).mean(dim=0)
            look = {"color": colour, "ls": dash, "lw": 1.8, "label": label}
            axes.plot(range(1, len(losses) + 1), losses.numpy(), **look)
        tidy(axes, LOSS_OF.format(name=name), EPOCH)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panels[0].set_ylim(bottom=0)
    panels[-1].legend(fontsize=SMALL, frameon=False)
    return Picture(figure, _with_note(text, *groups.values()))


def plot_grid(results: Results, x: str, y: str, panels: str, text: str) -> Picture:
    """Validation accuracy over two fields of Config, a panel for each value of a third.

    results: what `sweep` returned. x, y, panels: fields of Config. text: what the
    picture shows, in one line. The best of each panel has a frame. Raises TypeError or
    ValueError for anything else.
    """
    _check(results, x, y)
    groups = results.group(panels)
    across, down = (sorted(results.group(field)) for field in (x, y))
    size = (0.65 * len(across) * len(groups) + 1.2, 0.45 * len(down) + 1)
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, (name, of_panel) in zip(all_axes, groups.items()):
        cells = of_panel.group(y, x).items()
        means = {key: runs.mean for key, runs in cells if runs.accuracies}
        best = max(means, key=means.get, default=None)
        colours = [[means.get((a, b), math.nan) for b in across] for a in down]
        axes.imshow(colours, cmap=HEAT, vmin=0.1, vmax=0.9, aspect="auto")
        for (a, b), mean in sorted(means.items()):
            colour = ink_on_heat((mean - 0.1) / 0.8)
            axes.text(
                *(across.index(b), down.index(a), f"{mean:.2f}".lstrip("0")),
                **{"ha": "center", "va": "center", "fontsize": SMALL},
                color=colour,
                weight="bold" if (a, b) == best else "normal",
                bbox={"fill": False, "ec": colour} if (a, b) == best else None,
            )
        axes.set_xticks(range(len(across)), [f"{v:g}" for v in across])
        axes.set_yticks(range(len(down)), [f"{v:g}" for v in down])
        axes.tick_params(labelsize=SMALL)
        axes.set_xlabel(x, fontsize=SMALL)
        axes.set_title(f"{panels}: {name}", fontsize=TITLE, loc="left")
    all_axes[0].set_ylabel(y, fontsize=SMALL)
    return Picture(figure, _with_note(text, results))


def _labels(values, log):
    """What the ticks say: nothing where it would touch the label before."""
    places = [math.log(value) if log else value for value in values]
    letter = LETTER * (places[-1] - places[0])
    labels, free = [], -math.inf
    for value, place in zip(values, places):
        half = letter * (len(f"{value:g}") + 1) / 2
        labels.append(f"{value:g}" if place - half >= free else "")
        free = place + half if labels[-1] else free
    return labels


def _check(results, *axes):
    """axes: the fields that have to be numbers."""
    require_kind(isinstance(results, Results), NO_RESULTS, results)
    if not any(run.val_accuracy for run in results):
        raise ValueError(NOTHING_TRAINED)
    for name in axes:
        if not all(isinstance(value, Real) for value in results.group(name)):
            raise ValueError(NO_NUMBERS.format(name=name))


def _with_note(text, *results):
    """On the sample, a picture of what was recorded on the full data says so."""
    notes = [one.note for one in results if one.stand_in]
    return f"{text}{SPACE}{notes[0]}" if notes else text
