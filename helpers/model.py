"""The model of the course, written out: parameters W1, b1, W2, b2, ...

    hidden = relu(X @ W1 + b1)
    output = hidden @ W2 + b2

Weights have the shape `(num_inputs, num_outputs)` of their layer, as in the
line that the course explains. (`nn.Linear` stores the transpose.)
"""

import inspect
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import nn

from helpers.given import described, require
from helpers.language import COMMA, tr
from helpers.memory import check_room

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
INITS = ("normal", "xavier", "kaiming", "default", "constant", "zeros")
MAX_LAYERS = 20
Rule = tuple[Callable[[Any], bool], str]  # is a value fine?, and the sentence if not

ONE_OF = tr("{{name}} must be one of {known}.")

# torch.randn in a learner's own function draws from the one global generator.
generator_lock = threading.RLock()


def is_count(value: Any, most: int = 1_000_000, least: int = 1) -> bool:
    """True for a whole number in this range (True and False are not numbers)."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and least <= value <= most


def is_number(value: Any, most: float = sys.float_info.max) -> bool:
    """True for a finite number from 0 up, and no more than `most`."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and 0 <= value <= most


def _is_width(value):
    if isinstance(value, (tuple, list)):
        return 1 <= len(value) <= MAX_LAYERS and all(is_count(v, 65_536) for v in value)
    return is_count(value, 65_536)


def _is_init(value):
    if isinstance(value, str):
        return value in INITS
    return callable(value) and not isinstance(value, nn.Module)


def one_of(names: Collection[str]) -> Rule:
    """The rule for a field that takes one of these names."""
    sentence = ONE_OF.format(known=COMMA.join(map(repr, names)))
    return lambda value: isinstance(value, str) and value in names, sentence


SIZE = (is_count, tr("{name} must be a whole number from 1 to 1,000,000, such as 784."))
SHARE = (
    lambda value: is_number(value, 1) and value < 1,
    tr("{name} must be a number from 0 to below 1, such as 0.5."),
)
SEED = (
    lambda value: is_count(value, 2**63 - 1, least=0),
    tr("seed must be a whole number from 0 to 2**63 - 1, such as 0."),
)
RULES = {
    "num_inputs": SIZE,
    "num_outputs": SIZE,
    "num_hiddens": (
        _is_width,
        tr(
            "num_hiddens must be a whole number from 1 to 65,536, such as 256, or a "
            "tuple of 1 to 20 such numbers, one for each hidden layer."
        ),
    ),
    "num_layers": (
        lambda value: is_count(value, MAX_LAYERS),
        tr(
            "num_layers counts the hidden layers and must be a whole number from 1 "
            "to 20."
        ),
    ),
    "activation": one_of(ACTIVATIONS),
    "init": (
        _is_init,
        tr(
            "init must be 'normal', 'xavier', 'kaiming', 'default', 'constant', "
            "'zeros' or "
            "your own function (num_inputs, num_outputs) -> tensor of that shape."
        ),
    ),
    "sigma": (
        lambda value: is_number(value, 100),
        tr("sigma must be a number from 0 to 100, such as 0.01."),
    ),
    "dropout": SHARE,
}
BROKEN_RULE = tr("{rule} You gave {found}.")
SIZE_OF_NET = "num_hiddens={num_hiddens} num_layers={num_layers}"
NOT_PICTURES = tr(
    "This MLP takes {dtype} tensors of shape [N, {wide}]; you gave {found}."
)

OWN_INIT_CALL = tr("Your init {name} must take (num_inputs, num_outputs); {text}.")
OWN_INIT_TYPE = tr(
    "Your init {name} must return a tensor of floats; it returned {found}."
)
OWN_INIT_SHAPE = tr(
    "Your init {name}({n_in}, {n_out}) returned the shape {found}; it must be "
    "({n_in}, {n_out}), inputs first."
)
WIDTHS_AGAINST_LAYERS = tr(
    "num_hiddens={widths} gives the widths of {found} hidden layers, but num_layers is "
    "{num_layers}; leave num_layers out or make the two agree."
)


def check_values(rules: dict[str, Rule], **values: Any) -> None:
    """Raise ValueError with the field's own sentence for the first bad value."""
    for name, value in values.items():
        is_fine, rule = rules[name]
        require(is_fine(value), BROKEN_RULE, value, rule=rule.format(name=name))


def hidden_widths(
    num_hiddens: int | tuple[int, ...], num_layers: int = 1
) -> tuple[int, ...]:
    """The width of every hidden layer, as a tuple of ints.

    num_hiddens: one width, or the tuple itself; ValueError if it and num_layers clash.
    """
    check_values(RULES, num_hiddens=num_hiddens, num_layers=num_layers)
    if isinstance(num_hiddens, Integral):
        return (int(num_hiddens),) * int(num_layers)
    widths = tuple(int(width) for width in num_hiddens)
    if num_layers not in (1, len(widths)):
        facts = {"widths": widths, "found": len(widths), "num_layers": num_layers}
        raise ValueError(WIDTHS_AGAINST_LAYERS.format(**facts))
    return widths


def layer_sizes(widths: Sequence[int]) -> list[int]:
    """The number of weights and biases in each layer between these widths."""
    return [(n_in + 1) * n_out for n_in, n_out in zip(widths, widths[1:])]


class MLP(nn.Module):
    """A multilayer perceptron with parameters W1, b1, W2, b2, ... (float32).

    Arguments:
        num_inputs, num_outputs: width of the input and of the output.
        num_hiddens: one width for each of `num_layers` hidden layers, or their tuple.
        activation: "relu", "tanh" or "sigmoid", after every hidden layer.
        init: how each weight matrix W of shape (n_in, n_out) begins.
            "normal": torch.randn(n_in, n_out) * sigma.
            "xavier": spread sqrt(2 / (n_in + n_out)); Glorot and Bengio, 2010.
            "kaiming": spread sqrt(2 / n_in); He et al., 2015.
            "default": what nn.Linear(n_in, n_out) draws, its bias included.
            "constant": every weight is sigma. "zeros": every weight is 0.
            Or a function (n_in, n_out) -> tensor, called once for each layer.
        sigma: the spread of "normal", the value of "constant".
        dropout: the share of hidden units that is set to zero, at random, in each
            forward pass in training mode; Srivastava et al., 2014.
        seed: draws the same weights and zeroes the same units every time; None draws
            from PyTorch's global generator, which is otherwise left as it was found.

    Biases begin at zero, except with "default". A bad argument raises ValueError with
    its name, its value and what is allowed.
    """

    def __init__(
        self,
        num_inputs: int,
        num_hiddens: int | tuple[int, ...],
        num_outputs: int,
        num_layers: int = 1,
        activation: str = "relu",
        init: str | Callable = "normal",
        sigma: float = 0.01,
        seed: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_values(RULES, num_inputs=num_inputs, num_outputs=num_outputs)
        check_values(
            RULES, activation=activation, init=init, sigma=sigma, dropout=dropout
        )
        if seed is not None:
            check_values({"seed": SEED}, seed=seed)
            seed = int(seed)
        sigma = float(sigma)
        self.activation = activation
        self.dropout = float(dropout)
        # What draws the units that are set to zero.
        self.chance = None if seed is None else torch.Generator().manual_seed(seed)
        hiddens = hidden_widths(num_hiddens, num_layers)
        self.widths = (int(num_inputs), *hiddens, int(num_outputs))
        self.num_layers = len(self.widths) - 2
        shapes = list(zip(self.widths, self.widths[1:]))
        sizes = layer_sizes(self.widths)
        said = {"num_hiddens": num_hiddens, "num_layers": self.num_layers}
        # Each layer is drawn before it is scaled.
        check_room(SIZE_OF_NET.format(**said), sum(sizes), max(sizes))
        draw = _draw_own if callable(init) else _draw_named
        for i, (W, b) in enumerate(draw(init, shapes, sigma, seed), start=1):
            setattr(self, f"W{i}", nn.Parameter(W))
            setattr(self, f"b{i}", nn.Parameter(b))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """X: float32 [N, num_inputs] -> logits: float32 [N, num_outputs]."""
        try:
            return self._logits(X)
        except Exception:
            dtype, wide, found = self.W1.dtype, self.widths[0], described(X)
            is_tensor = isinstance(X, torch.Tensor)
            if is_tensor and X.dtype == dtype and X.shape[-1:] == (wide,):
                raise
            said = {"dtype": dtype, "wide": wide, "found": found}
            raise ValueError(NOT_PICTURES.format(**said)) from None

    def _logits(self, X):
        activation = ACTIVATIONS[self.activation]
        for i in range(1, self.num_layers + 1):
            X = activation(X @ getattr(self, f"W{i}") + getattr(self, f"b{i}"))
            if self.training and self.dropout:
                kept = torch.rand(X.shape, generator=self.chance) > self.dropout
                X = X * kept.to(X.device) / (1 - self.dropout)
        last = self.num_layers + 1
        return X @ getattr(self, f"W{last}") + getattr(self, f"b{last}")

    def extra_repr(self) -> str:
        dropout = f", dropout={self.dropout}" if self.dropout else ""
        widths = "-".join(map(str, self.widths))
        return f"{widths}, activation={self.activation}{dropout}"


def _draw_named(init, shapes, sigma, seed):
    generator = torch.default_generator
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
    for n_in, n_out in shapes:
        b = torch.zeros(n_out)
        xavier, kaiming = (2 / (n_in + n_out)) ** 0.5, (2 / n_in) ** 0.5
        spreads = {"normal": sigma, "xavier": xavier, "kaiming": kaiming}
        if init in spreads:
            W = torch.randn(n_in, n_out, generator=generator) * spreads[init]
        elif init == "default":
            # The order and the bounds of nn.Linear.reset_parameters, so that
            # the same seed gives the same numbers.
            W = torch.empty(n_out, n_in)
            nn.init.kaiming_uniform_(W, a=5**0.5, generator=generator)
            W = W.T.contiguous()
            bound = 1 / n_in**0.5
            nn.init.uniform_(b, -bound, bound, generator=generator)
        else:
            W = torch.full((n_in, n_out), float(sigma if init == "constant" else 0))
        yield W, b


def _draw_own(function, shapes, sigma, seed):
    name = getattr(function, "__name__", "function")
    try:
        inspect.signature(function).bind(*shapes[0])
    except TypeError as error:
        raise ValueError(OWN_INIT_CALL.format(name=name, text=error)) from None
    except ValueError:  # a builtin, which has none
        pass
    with generator_lock, torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        drawn = [function(n_in, n_out) for n_in, n_out in shapes]
    for W, (n_in, n_out) in zip(drawn, shapes):
        call = {"name": name, "n_in": n_in, "n_out": n_out}
        if not (isinstance(W, torch.Tensor) and W.is_floating_point()):
            found = getattr(W, "dtype", type(W).__name__)
            raise ValueError(OWN_INIT_TYPE.format(found=found, **call))
        if W.shape != (n_in, n_out):
            raise ValueError(OWN_INIT_SHAPE.format(found=tuple(W.shape), **call))
        # A copy: the learner's tensor stays the learner's.
        W = W.detach().to("cpu", torch.float32, copy=True).contiguous()
        yield W, torch.zeros(n_out)
