"""How large the activations and the gradients are, layer by layer.

One forward and one backward pass on one batch show what the first weights do: a
signal that dies out, one that explodes, or one that gets through. The plots compare
several networks.
"""

import math
from dataclasses import dataclass
from itertools import cycle

import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from helpers.instruments.layer_values import COLOURS, Layer, Values, draw_layers, tidy
from helpers.model import ACTIVATIONS, MLP
from helpers.palette import BLUE, BROWN, DARK_GREY, PURPLE, RED, YELLOW
from helpers.plots import Picture
from helpers.tables import as_text

NEAR = 0.01  # of an end of tanh or sigmoid: flat, with almost no gradient
# Of the spread of W1's gradient. Measured with 128 units, lr 0.1, one epoch, 1 to 10
# layers, all three activations: below the first no such network started to learn,
# below the second it lagged behind, above the third most of them diverged.
NO_START, SLOW_START, TOO_STEEP = 2e-5, 3e-4, 1.0
# One hidden layer always starts, at any sigma above 0, but the smaller the later.
# Measured with 16 to 1,024 units, lr 0.1: if neither its outputs nor W1's gradient
# spread this far, the first epoch ended at an accuracy of 0.1 to 0.2.
LATE_START = {"relu": 5e-11, "tanh": 5e-11, "sigmoid": 5e-4}
TOO_SURE = 2 * math.log(10)

SCORES = "scores"  # the name of the last layer
# By activation: what counts as a unit or an output that passes no gradient on.
DEAD = {"relu": "dead units", "tanh": "saturated", "sigmoid": "saturated"}
HEADER = ("layer", "activations", "{dead}", "gradients of W")
FIRST_LOSS = "First loss {loss:.4g}; ten equal guesses would give ln 10 = 2.303."
NOT_MLP = "measure_layers(net, X, y) needs an MLP as its net; you gave {found}."
NOT_BATCH = (
    "measure_layers(net, X, y) needs an X of type {wanted}, as net's weights, and "
    "shape (N, {num_inputs}), with at least one picture; you gave {found}."
)
NOT_LABELS = (
    "measure_layers(net, X, y) needs a y of type torch.int64 and shape ({count},), "
    "with one label for each picture; you gave {found}."
)
NO_SUCH_LABEL = (
    "measure_layers(net, X, y) needs labels from 0 to {last} in its y; yours go from "
    "{lowest} to {highest}."
)
NO_GRADIENT = "Every weight has a gradient of 0, so only biases can learn."
ALL_EQUAL = (
    "All units of a hidden layer are equal, and so are their gradients. They stay "
    "equal, so each layer can do no more than a single unit."
)
OVERFLOW = "The signal explodes: it reaches inf or nan, so nothing can be learned."
TOO_LARGE = (
    "The signal is too large: the first loss is {loss:.3g}, and the gradients' spread "
    "reaches {steepest:.2g}. A training step moves the weights much too far."
)
DIES = (
    "The signal dies out: the spread of the activations falls from {first:.2g} in the "
    "first hidden layer to {last:.2g} in the last, and the spread of W1's gradient is "
    "only {gradient:.2g}. Training may never start."
)
GRADIENT_DIES = (
    "The gradient dies out on its way back: its spread is {end_gradient:.2g} at the "
    "last weights but only {gradient:.2g} at W1. Training may never start."
)
LATE = (
    "The signal is nearly 0: the spread of W1's gradient is only {gradient:.2g}. One "
    "hidden layer still learns, but barely in the first epoch."
)
WEAK = (
    "The signal is weak: the spread of W1's gradient is {gradient:.2g}. Training "
    "starts slowly."
)
SURE = (
    "The signal gets through, but the first loss is {loss:.3g}, far above ln 10: the "
    "network is sure of wrong answers before it has learned anything."
)
HEALTHY = (
    "The signal gets through: the activations have a spread of {first:.2g} in the "
    "first hidden layer and {last:.2g} in the last, and W1's gradient {gradient:.2g}."
)

LINES = (BLUE, RED, YELLOW, PURPLE, DARK_GREY, BROWN)
STYLES = list(zip(LINES, ("o-", "s--", "^-.", "D:", "v-", "x--")))
TITLES = {
    "activations": "spread of the activations",
    "gradients": "spread of the gradients of W1, W2, ...",
}
LAYER_AXIS = "layer (the last: scores)"
NOT_LAYERS = (
    "plot_layers needs a dict of at least one name and its Layers; you gave {found}."
)
NOT_TENSORS = (
    "plot_histograms needs a dict of at least one title and tensor; you gave {found}."
)


@dataclass(frozen=True)
class Layers:
    """What `measure_layers` returns. A table under str(), a picture in a notebook.

    loss: on the batch. layers: one `Layer` for each hidden layer and one for the
    scores. equal: whether the units of every hidden layer are all the same.
    """

    activation: str
    loss: float
    layers: tuple[Layer, ...]
    equal: bool

    @property
    def status(self) -> str:
        """What the spreads mean for training, in a sentence or two."""
        outputs = [layer.activations.spread for layer in self.layers]
        slopes = [layer.gradients.spread for layer in self.layers]
        first, last, gradient, steepest = (
            outputs[0],
            outputs[-2],
            slopes[0],
            max(slopes),
        )
        deep = len(self.layers) > 2  # more than one hidden layer
        small = max(first, gradient) < LATE_START[self.activation]
        no_start = deep and gradient < NO_START
        sentences = (
            (not all(map(math.isfinite, (self.loss, *outputs, *slopes))), OVERFLOW),
            (steepest == 0, NO_GRADIENT),
            (self.equal, ALL_EQUAL),
            (steepest > TOO_STEEP, TOO_LARGE),
            (no_start and last < 0.1 * first, DIES),
            (no_start, GRADIENT_DIES),
            (small and not deep, LATE),
            (gradient < SLOW_START, WEAK),
            (self.loss > TOO_SURE, SURE),
            (True, HEALTHY),
        )
        facts = {"loss": self.loss, "first": first, "last": last, "gradient": gradient}
        facts |= {"end_gradient": slopes[-1], "steepest": steepest}
        return next(said for applies, said in sentences if applies).format(**facts)

    def __str__(self) -> str:
        rows = [
            (
                layer.name,
                f"{layer.activations.spread:.2g}",
                "" if layer.dead is None else f"{layer.dead:.0%}",
                f"{layer.gradients.spread:.2g}",
            )
            for layer in self.layers
        ]
        header = [name.format(dead=DEAD[self.activation]) for name in HEADER]
        table = as_text(header, rows, "<>>>")
        return f"{table}\n{FIRST_LOSS.format(loss=self.loss)}"

    def _ipython_display_(self) -> None:
        draw_layers(self.layers, self.status)._ipython_display_()


@torch.enable_grad()
def measure_layers(net: MLP, X: torch.Tensor, y: torch.Tensor) -> Layers:
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
    names = [*map(str, numbers[:-1]), SCORES]
    outputs = map(Values.of, [*hidden, scores])
    gradients = map(Values.of, torch.autograd.grad(loss, weights))
    dead = [*(_dead(out, net.activation) for out in hidden), None]
    layers = tuple(map(Layer, names, outputs, gradients, dead))
    equal = all(bool((out == out[:, :1]).all()) for out in hidden)
    wide = any(out.shape[1] > 1 for out in hidden)
    return Layers(net.activation, loss.item(), layers, equal and wide)


def _check_batch(net, X, y):
    needed = {"wanted": net.W1.dtype, "num_inputs": net.W1.shape[0]}
    num_outputs = getattr(net, f"W{net.num_layers + 1}").shape[1]
    if not isinstance(X, torch.Tensor) or X.dtype != net.W1.dtype:
        raise TypeError(NOT_BATCH.format(**needed, found=_kind(X)))
    if X.ndim != 2 or X.shape[1] != net.W1.shape[0] or len(X) == 0:
        raise ValueError(NOT_BATCH.format(**needed, found=tuple(X.shape)))
    if not isinstance(y, torch.Tensor) or y.dtype != torch.int64:
        raise TypeError(NOT_LABELS.format(count=len(X), found=_kind(y)))
    if y.shape != (len(X),):
        raise ValueError(NOT_LABELS.format(count=len(X), found=tuple(y.shape)))
    lowest, highest = y.min().item(), y.max().item()
    if lowest < 0 or highest >= num_outputs:
        facts = {"last": num_outputs - 1, "lowest": lowest, "highest": highest}
        raise ValueError(NO_SUCH_LABEL.format(**facts))


def _kind(value):
    return value.dtype if isinstance(value, torch.Tensor) else type(value).__name__


def _dead(output, activation):
    """The share of dead units, or of saturated outputs, 0 to 1."""
    if activation == "relu":
        passed_on = (output != 0).any(dim=0)  # nan is not dead
        return 1 - passed_on.float().mean().item()
    low, high = {"tanh": (-1, 1), "sigmoid": (0, 1)}[activation]
    flat = (output < low + NEAR) | (output > high - NEAR)
    return flat.float().mean().item()


def plot_layers(measured: dict[str, Layers], text: str) -> Picture:
    """How the spreads change from layer to layer, for several networks at once.

    measured: a dict from a name to what `measure_layers` returned. text: what the
    picture shows, in one line. Raises TypeError for anything else.
    """
    _check_dict(measured, Layers, NOT_LAYERS)
    figure = Figure((9, 3), layout="constrained")
    deepest = max(len(one.layers) for one in measured.values())
    for axes, side in zip(figure.subplots(1, 2), COLOURS):
        for (name, one), (colour, style) in zip(measured.items(), cycle(STYLES)):
            spreads = [getattr(layer, side).spread for layer in one.layers]
            numbers = range(1, len(spreads) + 1)
            axes.plot(numbers, spreads, style, color=colour, ms=4, label=name)
        axes.set_yscale("log")
        axes.set_xticks(range(1, deepest + 1))
        axes.set_xlabel(LAYER_AXIS, fontsize=9)
        axes.grid(alpha=0.3)
        tidy(axes, TITLES[side])
    figure.axes[0].legend(fontsize=8, frameon=False)
    return Picture(figure, text)


def plot_histograms(named: dict[str, torch.Tensor], text: str) -> Picture:
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
        tidy(axes, title)
        axes.set_yticks([])
    return Picture(figure, text)


def _check_dict(named: object, kind: type, sentence: str) -> None:
    """Raise TypeError where `named` is no dict, is empty, or holds anything else."""
    values = list(named.values()) if isinstance(named, dict) else []
    for value in values or [named]:
        if not isinstance(value, kind):
            raise TypeError(sentence.format(found=type(value).__name__))
