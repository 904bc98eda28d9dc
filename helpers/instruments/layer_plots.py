"""Pictures that compare the layers of several networks, and histograms."""

from itertools import cycle

import torch
from matplotlib.figure import Figure

from helpers.given import are_texts, brief, require_kind
from helpers.instruments.layer_values import COLOURS
from helpers.instruments.measure_layers import Layers
from helpers.language import tr
from helpers.palette import LINES
from helpers.plots import SMALL, WIDE, Picture, tidy

STYLES = list(zip(LINES, ("o-", "s--", "^-.", "D:", "v-", "x--")))
TITLES = {
    "activations": tr("spread of the activations"),
    "gradients": tr("spread of the gradients of W1, W2, ..."),
}
LAYER_AXIS = tr("layer (the last: scores)")
NOT_LAYERS = tr(
    "plot_layers needs a dict of at least one name and its Layers; you gave {found}."
)
NOT_NUMBERS = tr("plot_histograms needs tensors of finite numbers; {title} isn't one.")
NOT_TENSORS = tr(
    "plot_histograms needs a dict of at least one title and tensor; you gave {found}."
)


def plot_layers(measured: dict[str, Layers], text: str) -> Picture:
    """How the spreads change from layer to layer, for several networks at once.

    measured: a dict from a name to what `measure_layers` returned. text: what the
    picture shows, in one line. Raises TypeError for anything else.
    """
    _check_dict(measured, Layers, NOT_LAYERS)
    figure = Figure((WIDE, 3), layout="constrained")
    deepest = max(len(one.layers) for one in measured.values())
    for axes, side in zip(figure.subplots(1, 2), COLOURS):
        for (name, one), (colour, style) in zip(measured.items(), cycle(STYLES)):
            spreads = [getattr(layer, side).spread for layer in one.layers]
            numbers = range(1, len(spreads) + 1)
            axes.plot(numbers, spreads, style, color=colour, ms=4, label=name)
        axes.set_yscale("log")
        axes.set_xticks(range(1, deepest + 1))
        tidy(axes, TITLES[side], LAYER_AXIS)
    figure.axes[0].legend(fontsize=SMALL, frameon=False)
    return Picture(figure, text)


def plot_histograms(named: dict[str, torch.Tensor], text: str) -> Picture:
    """Histograms side by side, each on its own scale.

    named: a dict from a title to a tensor of any shape. text: what the picture
    shows, in one line. Raises TypeError or ValueError for anything else.
    """
    _check_dict(named, torch.Tensor, NOT_TENSORS)
    figure = Figure((WIDE, 2.2), layout="constrained")
    for i, (title, values) in enumerate(named.items(), start=1):
        if values.is_meta or values.is_complex() or not values.isfinite().all():
            raise ValueError(NOT_NUMBERS.format(title=brief(title)))
        axes = figure.add_subplot(1, len(named), i)
        numbers = values.detach().cpu().flatten().float().numpy()
        axes.hist(numbers, bins=60, color=LINES[4])
        tidy(axes, title)
        axes.set_yticks([])
    return Picture(figure, text)


def _check_dict(named: object, kind: type, sentence: str) -> None:
    """Raise TypeError where it is no dict from texts, is empty, or holds others."""
    require_kind(
        isinstance(named, dict) and are_texts([*named]) and named, sentence, named
    )
    for value in named.values():
        require_kind(isinstance(value, kind), sentence, value)
