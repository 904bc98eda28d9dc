"""The activations and the gradients of one layer: summed up as `Values`, and drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure

from helpers.language import tr
from helpers.palette import ACTIVATIONS, GRADIENTS, INK
from helpers.plots import WIDE, Picture, tidy

BINS = 24  # of a histogram
HALF_WIDTH = 3  # of a histogram, in spreads
ENOUGH = 8192  # values for a histogram
LOW, HIGH, TICK = -12, 4, 4  # powers of ten on the axis of a spread
ABOVE, BELOW = "▶", "◀"  # mark a spread that is off that axis
COLOURS = {"activations": ACTIVATIONS, "gradients": GRADIENTS}
TITLES = {"activations": tr("activations"), "gradients": tr("gradients of W1, W2, ...")}
SPREAD_TITLE = tr("their spread")


@dataclass(frozen=True)
class Values:
    """Many numbers, summed up.

    spread: their standard deviation (possibly inf or nan). heights: of a histogram,
    0 to 1, from 3 spreads below their mean to 3 spreads above.
    """

    spread: float
    heights: tuple[float, ...]

    @classmethod
    def of(cls, tensor: torch.Tensor) -> "Values":
        """Those of a tensor of any shape."""
        # In double, since the square of 1e-30 is 0 in single precision.
        values = tensor.detach().flatten().double()
        mean, spread = values.mean().item(), values.std(correction=0).item()
        if not math.isfinite(spread):
            return cls(spread, (0.0,) * BINS)
        # An odd stride, so that every unit is among them.
        some = values[:: len(values) // ENOUGH | 1] - mean
        some = (some / (spread or 1.0)).clamp(-HALF_WIDTH, HALF_WIDTH)
        counts = torch.histc(some, BINS, -HALF_WIDTH, HALF_WIDTH)
        return cls(spread, tuple((counts / counts.max()).tolist()))


@dataclass(frozen=True)
class Layer:
    """One layer.

    name: "1", "2", ... or "scores". activations: its outputs. gradients: of the loss
    with respect to its weights. dead: the share of dead units (relu: 0 for every
    picture) or of saturated outputs (tanh, sigmoid: within 0.01 of an end), 0 to 1;
    None for the scores.
    """

    name: str
    activations: Values
    gradients: Values
    dead: float | None


def short(value: float, digits: int = 2) -> str:
    """The number as text: 1.5e-08, 0.0014, 180 and 1,100, not 1.1e+03."""
    rounded = float(f"{value:.{digits}g}")
    plain = 10**digits <= rounded < 1e5
    return f"{rounded:,.0f}" if plain else f"{rounded:.{digits}g}"


def place(spread: float) -> float:
    """Where a spread is on the axis: 0 (the lowest, or none) to 1 (or beyond)."""
    if not math.isfinite(spread):
        return 1.0
    if spread == 0:
        return 0.0
    return min(max((math.log10(spread) - LOW) / (HIGH - LOW), 0.01), 1.0)


def beyond(spread: float) -> str:
    """The mark of a spread that is off the axis, or ""; inf and nan are ABOVE it."""
    if not spread <= 10.0**HIGH:
        return ABOVE
    return BELOW if 0 < spread < 10.0**LOW else ""


def draw_layers(layers: Sequence[Layer], text: str) -> Picture:
    """The histograms and spreads of all layers of one network; text: what it shows."""
    figure = Figure((WIDE, 0.28 * len(layers) + 0.8), layout="constrained")
    axes = figure.subplots(1, 4, sharey=True, width_ratios=(1, 1.1, 1, 1.1))
    for i, (side, colour) in enumerate(COLOURS.items()):
        histograms, bars = axes[2 * i : 2 * i + 2]
        for row, layer in enumerate(layers):
            values = getattr(layer, side)
            tops = [row + 0.4 - 0.8 * height for height in values.heights]
            histograms.stairs(tops, baseline=row + 0.4, fill=True, color=colour)
            end = 10.0 ** (LOW + (HIGH - LOW) * place(values.spread))
            bars.barh(row, end - 10.0**LOW, 0.6, left=10.0**LOW, color=colour)
            if off := beyond(values.spread):
                x, text_at = (1.01, "left") if off == ABOVE else (-0.01, "right")
                at = {"transform": bars.get_yaxis_transform(), "ha": text_at}
                said = f"{off} {values.spread:.1g}"
                bars.text(x, row, said, **at, va="center", color=INK, fontsize=8)
        for one, title in ((histograms, TITLES[side]), (bars, SPREAD_TITLE)):
            tidy(one, title)
            one.grid(visible=False)
            one.tick_params(left=False)
            one.spines["left"].set_visible(False)
        histograms.set_xticks([])
        bars.set_xscale("log")
        bars.set_xlim(10.0**LOW, 10.0**HIGH)
        bars.set_xticks([10.0**power for power in range(LOW, HIGH + 1, TICK)])
        bars.grid(axis="x", color=INK, alpha=0.2)
    axes[0].set_yticks(range(len(layers)), [layer.name for layer in layers])
    axes[0].invert_yaxis()
    return Picture(figure, text)
