"""How large the activations and the gradients are, layer by layer.

One forward and one backward pass on one batch tell what the first weights do: a
signal that dies out, one that explodes, or one that gets through.
"""

import math
from dataclasses import dataclass
from itertools import cycle

import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from helpers.model import ACTIVATIONS, MLP
from helpers.plots import Picture

BINS = 24  # of a histogram
REACH = 3  # spreads, from its middle to its ends
NEAR = 0.01  # of an end of tanh or sigmoid: flat, with hardly a gradient
# What the spread of W1's gradient means. Measured with 128 units, lr 0.1, one epoch,
# 1 to 10 layers, all three activations: below the first no such network began to
# learn, below the second it lagged behind, above the third most of them diverged.
NO_START, SLOW_START, TOO_STEEP = 2e-5, 3e-4, 1.0
# One hidden layer always begins, at any sigma above 0, but the smaller the later.
# Measured with 16 to 1,024 units, lr 0.1: where neither its outputs nor W1's gradient
# spread this far, the first epoch ended at an accuracy of 0.1 to 0.2.
LATE_START = {"relu": 5e-11, "tanh": 5e-11, "sigmoid": 5e-4}
TOO_SURE = 2 * math.log(10)
LOW, HIGH, TICK = -12, 4, 4  # powers of ten on the axis of a spread
COLOURS = {"activations": "#3f90da", "gradients": "#e76300"}  # petroff10
LINES = (
    *(("#3f90da", "o-"), ("#bd1f01", "s--"), ("#ffa90e", "^-."), ("#832db6", "D:")),
    *(("#717581", "v-"), ("#a96b59", "x--")),
)

SCORES = "scores"  # the name of the last layer
# The table in text; DEAD's word stands before the last of its headers.
LAYER_HEADER, ACTIVATIONS_HEADER = "layer", "activations"
GRADIENTS_HEADER = "gradients of W"
# The pictures.
TITLES = {"activations": "activations", "gradients": "gradients of W1, W2, ..."}
SPREAD_TITLE = "their spread"
SPREAD_TITLES = {
    "activations": "spread of the activations",
    "gradients": "spread of the gradients of W1, W2, ...",
}
LAYER_AXIS = "layer (the last: scores)"

NO_GRADIENT = (
    "Every weight has the gradient 0, so a training step changes no weight: only "
    "biases can learn."
)
ALL_EQUAL = (
    "All units of a hidden layer are equal, and so are their gradients: they stay "
    "equal, and each layer does no more than a single unit could."
)
OVERFLOW = (
    "The signal explodes: some numbers are too large for float32 (inf or nan), and "
    "nothing can be learned from them."
)
TOO_LARGE = (
    "The signal is too large: the first loss is {loss:.3g}, and the spread of the "
    "gradients reaches {steepest:.2g}. An ordinary step throws the weights far away."
)
DIES = (
    "The signal dies out: the spread of the activations falls from {first:.2g} in the "
    "first hidden layer to {last:.2g} in the last, and that of W1's gradient is "
    "only {gradient:.2g}. Training may never begin."
)
GRADIENT_DIES = (
    "The gradient dies out on its way back: its spread is {end_gradient:.2g} at the "
    "last weights, but only {gradient:.2g} at W1. Training may never begin."
)
LATE = (
    "The signal is next to nothing: the spread of W1's gradient is only "
    "{gradient:.2g}. One hidden layer begins to learn all the same, but hardly in the "
    "first epoch."
)
WEAK = (
    "The signal is weak: the spread of W1's gradient is {gradient:.2g}. Training "
    "begins slowly."
)
SURE = (
    "The signal gets through, but the first loss is {loss:.3g}, far above ln 10: the "
    "network is sure of wrong answers before it has learned anything."
)
HEALTHY = (
    "The signal gets through: the spread of the activations is {first:.2g} in the "
    "first hidden layer and {last:.2g} in the last; that of W1's gradient is "
    "{gradient:.2g}."
)
FIRST_LOSS = "First loss {loss:.4g}; ten equal guesses would give ln 10 = 2.303."
# By activation: what counts as a unit or an output that passes no gradient on.
DEAD = {"relu": "dead units", "tanh": "saturated", "sigmoid": "saturated"}
NOT_MLP = "measure_layers(net, X, y) needs an MLP as its net; you gave {found}."
NOT_BATCH = (
    "measure_layers(net, X, y) needs X of shape (N, {num_inputs}), with one picture at "
    "least; yours has the shape {found}."
)
NOT_FLOATS = (
    "measure_layers(net, X, y) needs an X of type {wanted}, like the weights of net; "
    "you gave {found}."
)
NOT_LABELS = (
    "measure_layers(net, X, y) needs a y of type torch.int64 and shape ({count},), "
    "with one label for each picture; you gave {found}."
)
NO_SUCH_LABEL = (
    "measure_layers(net, X, y) needs labels from 0 to {last} in its y; yours go from "
    "{lowest} to {highest}."
)
NOT_LAYERS = (
    "plot_layers needs a dict of names, one at least, and of what measure_layers "
    "returned for each; you gave {found}."
)
NOT_TENSORS = (
    "plot_histograms needs a dict of titles, one at least, and of a tensor for each; "
    "you gave {found}."
)


@dataclass(frozen=True)
class Values:
    """Many numbers in short.

    spread: their standard deviation (maybe inf or nan). shape: the heights of a
    histogram, 0 to 1, from 3 spreads below their mean to 3 spreads above.
    """

    spread: float
    shape: tuple[float, ...]

    @classmethod
    def of(cls, tensor):
        # In double, since the square of 1e-30 is 0 in single precision.
        values = tensor.detach().flatten().double()
        mean, spread = values.mean().item(), values.std(correction=0).item()
        if not math.isfinite(spread):
            return cls(spread, (0.0,) * BINS)
        # 8,000 are enough to see; an odd stride, so that all units are among them.
        some = values[:: len(values) // 8192 | 1] - mean
        some = (some / (spread or 1.0)).clamp(-REACH, REACH)
        counts = torch.histc(some, BINS, -REACH, REACH)
        return cls(spread, tuple((counts / counts.max()).tolist()))


@dataclass(frozen=True)
class Layer:
    """One layer. name: "1", "2", ... or "scores". activations: its outputs.
    gradients: of the loss with respect to its weights. dead: the share of dead units
    (relu: 0 for every picture) or of saturated outputs (tanh, sigmoid: within 0.01
    of an end), 0 to 1; None for the scores."""

    name: str
    activations: Values
    gradients: Values
    dead: float | None


@dataclass(frozen=True)
class Layers:
    """What `measure_layers` returns. loss: on the batch. layers: one `Layer` for each
    hidden layer and one for the scores. equal: whether the units of every hidden
    layer are all the same. A table under str(), a picture in a notebook."""

    activation: str
    loss: float
    layers: tuple[Layer, ...]
    equal: bool

    @property
    def status(self):
        """What the spreads mean for training, in a sentence."""
        outputs = [layer.activations.spread for layer in self.layers]
        slopes = [layer.gradients.spread for layer in self.layers]
        first, last = outputs[0], outputs[-2]
        deep = len(self.layers) > 2  # more than one hidden layer
        if not all(map(math.isfinite, (self.loss, *outputs, *slopes))):
            sentence = OVERFLOW
        elif max(slopes) == 0:
            sentence = NO_GRADIENT
        elif self.equal:
            sentence = ALL_EQUAL
        elif max(slopes) > TOO_STEEP:
            sentence = TOO_LARGE
        elif deep and slopes[0] < NO_START:
            sentence = DIES if last < 0.1 * first else GRADIENT_DIES
        elif not deep and max(first, slopes[0]) < LATE_START[self.activation]:
            sentence = LATE
        elif slopes[0] < SLOW_START:
            sentence = WEAK
        else:
            sentence = SURE if self.loss > TOO_SURE else HEALTHY
        return sentence.format(
            loss=self.loss,
            first=first,
            last=last,
            gradient=slopes[0],
            end_gradient=slopes[-1],
            steepest=max(slopes),
        )

    def __str__(self):
        names = [layer.name for layer in self.layers]
        headers = (
            LAYER_HEADER.ljust(max(map(len, names))),
            ACTIVATIONS_HEADER,
            DEAD[self.activation],
            GRADIENTS_HEADER,
        )
        name, activations, dead, gradients = map(len, headers)
        lines = ["  ".join(headers)]
        for layer in self.layers:
            share = "" if layer.dead is None else f"{layer.dead:.0%}"
            lines.append(
                f"{layer.name:{name}}  {layer.activations.spread:{activations}.2g}  "
                f"{share:>{dead}}  {layer.gradients.spread:{gradients}.2g}"
            )
        return "\n".join([*lines, FIRST_LOSS.format(loss=self.loss)])

    def _ipython_display_(self):
        self.picture(self.status)._ipython_display_()

    def picture(self, text):
        """The histograms and spreads of all layers as a `Picture` that says `text`."""
        figure = Figure((9, 0.28 * len(self.layers) + 0.8), layout="constrained")
        axes = figure.subplots(1, 4, sharey=True, width_ratios=(1, 1.5, 1, 1.5))
        for i, (side, colour) in enumerate(COLOURS.items()):
            shapes, bars = axes[2 * i : 2 * i + 2]
            for row, layer in enumerate(self.layers):
                values = getattr(layer, side)
                tops = [row + 0.4 - 0.8 * height for height in values.shape]
                shapes.stairs(tops, baseline=row + 0.4, fill=True, color=colour)
                end = 10.0 ** (LOW + (HIGH - LOW) * place(values.spread))
                bars.barh(row, end - 10.0**LOW, 0.6, left=10.0**LOW, color=colour)
            _tidy(shapes, TITLES[side])
            _tidy(bars, SPREAD_TITLE)
            shapes.set_xticks([])
            bars.set_xscale("log")
            bars.set_xlim(10.0**LOW, 10.0**HIGH)
            bars.set_xticks([10.0**power for power in range(LOW, HIGH + 1, TICK)])
            bars.grid(axis="x", alpha=0.4)
        names = [layer.name for layer in self.layers]
        axes[0].set_yticks(range(len(names)), names)
        axes[0].invert_yaxis()
        for one in axes:
            one.tick_params(left=False)
            one.spines["left"].set_visible(False)
        return Picture(figure, text)


def place(spread):
    """Where a spread stands on the axis: 0 (the lowest, or none) to 1 (or beyond)."""
    if not math.isfinite(spread):
        return 1.0
    if spread == 0:
        return 0.0
    return min(max((math.log10(spread) - LOW) / (HIGH - LOW), 0.01), 1.0)


@torch.enable_grad()
def measure_layers(net, X, y):
    """Activations and gradients of every layer of `net` on one batch, as `Layers`.

    net: an `MLP`; it is left as it is, its .grad included. X: [N, num_inputs], of the
    type of its weights (float32). y: int64 [N]. Raises TypeError or ValueError with
    one sentence for anything else.
    """
    if not isinstance(net, MLP):
        raise TypeError(NOT_MLP.format(found=type(net).__name__))
    _check_batch(net, X, y)
    numbers = range(1, net.num_layers + 2)
    weights = [getattr(net, f"W{i}").detach().requires_grad_() for i in numbers]
    biases = [getattr(net, f"b{i}").detach() for i in numbers]
    hidden, out = [], X
    for W, b in zip(weights[:-1], biases):
        out = ACTIVATIONS[net.activation](out @ W + b)
        hidden.append(out)
    scores = out @ weights[-1] + biases[-1]
    loss = F.cross_entropy(scores, y)
    gradients = [Values.of(one) for one in torch.autograd.grad(loss, weights)]
    layers = [
        Layer(str(i), Values.of(out), gradient, _dead(out, net.activation))
        for i, (out, gradient) in enumerate(zip(hidden, gradients), start=1)
    ]
    layers.append(Layer(SCORES, Values.of(scores), gradients[-1], None))
    equal = all(bool((out == out[:, :1]).all()) for out in hidden)
    wide = any(out.shape[1] > 1 for out in hidden)
    return Layers(net.activation, loss.item(), tuple(layers), equal and wide)


def _check_batch(net, X, y):
    num_inputs = net.W1.shape[0]
    num_outputs = getattr(net, f"W{net.num_layers + 1}").shape[1]
    if not isinstance(X, torch.Tensor) or X.dtype != net.W1.dtype:
        raise TypeError(NOT_FLOATS.format(wanted=net.W1.dtype, found=_kind(X)))
    if X.ndim != 2 or X.shape[1] != num_inputs or len(X) == 0:
        found = tuple(X.shape)
        raise ValueError(NOT_BATCH.format(num_inputs=num_inputs, found=found))
    if not isinstance(y, torch.Tensor) or y.dtype != torch.int64:
        raise TypeError(NOT_LABELS.format(count=len(X), found=_kind(y)))
    if y.shape != (len(X),):
        found = tuple(y.shape)
        raise ValueError(NOT_LABELS.format(count=len(X), found=found))
    lowest, highest = y.min().item(), y.max().item()
    if lowest < 0 or highest >= num_outputs:
        last = num_outputs - 1
        raise ValueError(
            NO_SUCH_LABEL.format(last=last, lowest=lowest, highest=highest)
        )


def _kind(value):
    return value.dtype if isinstance(value, torch.Tensor) else type(value).__name__


def _dead(output, activation):
    if activation == "relu":
        passed_on = (output != 0).any(dim=0)  # nan is not dead
        return 1 - passed_on.float().mean().item()
    low, high = {"tanh": (-1, 1), "sigmoid": (0, 1)}[activation]
    flat = (output < low + NEAR) | (output > high - NEAR)
    return flat.float().mean().item()


def plot_layers(measured, text):
    """How the spreads change from layer to layer, for several networks at once.

    measured: a dict from a name to what `measure_layers` returned. text: what the
    picture shows, in one line. Raises TypeError for anything else.
    """
    _check_dict(measured, Layers, NOT_LAYERS)
    figure = Figure((9, 3), layout="constrained")
    deepest = max(len(one.layers) for one in measured.values())
    for axes, side in zip(figure.subplots(1, 2), COLOURS):
        for (name, one), (colour, style) in zip(measured.items(), cycle(LINES)):
            spreads = [getattr(layer, side).spread for layer in one.layers]
            numbers = range(1, len(spreads) + 1)
            axes.plot(numbers, spreads, style, color=colour, ms=4, label=name)
        axes.set_yscale("log")
        axes.set_xticks(range(1, deepest + 1))
        axes.set_xlabel(LAYER_AXIS, fontsize=9)
        axes.grid(alpha=0.3)
        _tidy(axes, SPREAD_TITLES[side])
    figure.axes[0].legend(fontsize=8, frameon=False)
    return Picture(figure, text)


def plot_histograms(named, text):
    """Histograms side by side, each on its own scale.

    named: a dict from a title to a tensor of any shape. text: what the picture
    shows, in one line. Raises TypeError for anything else.
    """
    _check_dict(named, torch.Tensor, NOT_TENSORS)
    figure = Figure((4.5 * len(named), 2.2), layout="constrained")
    for i, (title, values) in enumerate(named.items(), start=1):
        axes = figure.add_subplot(1, len(named), i)
        numbers = values.detach().flatten().float().numpy()
        axes.hist(numbers, bins=60, color=COLOURS["activations"])
        _tidy(axes, title)
        axes.set_yticks([])
    return Picture(figure, text)


def _check_dict(named, kind, sentence):
    values = list(named.values()) if isinstance(named, dict) else []
    for value in values or [named]:
        if not isinstance(value, kind):
            raise TypeError(sentence.format(found=type(value).__name__))


def _tidy(axes, title):
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
