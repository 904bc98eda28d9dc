"""How large the activations and the gradients are, layer by layer.

One forward and one backward pass on one batch show what the first weights do: a
signal that dies out, one that explodes, or one that gets through.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from helpers.given import require_kind
from helpers.instruments.layer_values import Layer, Values, draw_layers, short
from helpers.instruments.layer_verdicts import layers_verdict
from helpers.language import tr
from helpers.model import ACTIVATIONS, MLP
from helpers.tables import as_text

NEAR = 0.01  # of an end of tanh or sigmoid: flat, with almost no gradient
SCORES = tr("scores")  # the name of the last layer
# By activation: what counts as a unit or an output that passes no gradient on.
DEAD = {"relu": tr("dead units"), "tanh": tr("saturated"), "sigmoid": tr("saturated")}
HEADER = (tr("layer"), tr("activations"), "{dead}", tr("gradients of W"))
FIRST_LOSS = tr("First loss {loss:.4g}; ten equal guesses would give ln 10 = 2.303.")
NOT_MLP = tr("measure_layers(net, X, y) needs an MLP as its net; you gave {found}.")
NOT_BATCH = tr(
    "measure_layers(net, X, y) needs an X of type {wanted}, as net's weights, and "
    "shape (N, {num_inputs}), with at least one picture; you gave {found}."
)
NOT_LABELS = tr(
    "measure_layers(net, X, y) needs a y of type torch.int64 and shape ({count},), "
    "with one label for each picture; you gave {found}."
)
NO_SUCH_LABEL = tr(
    "measure_layers(net, X, y) needs labels from 0 to {last} in its y; yours go from "
    "{lowest} to {highest}."
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
        return layers_verdict(self.activation, self.loss, self.layers, self.equal)

    def __str__(self) -> str:
        rows = [
            (
                layer.name,
                short(layer.activations.spread),
                "" if layer.dead is None else f"{layer.dead:.0%}",
                short(layer.gradients.spread),
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
    require_kind(isinstance(net, MLP), NOT_MLP, net)
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
