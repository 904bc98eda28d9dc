"""The exercises of 01_initialization."""

import contextlib
import dis
import functools
import inspect
import io
import math
import random
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from helpers.data import FashionMNIST, Split, load_fashion_mnist
from helpers.exercises.exercise import (
    NotYet,
    ask,
    describe,
    exercise,
    expect,
    one_number,
    rule_out,
    saying,
    two_tensors,
)
from helpers.instruments.measure_layers import measure_layers
from helpers.instruments.state import is_own_module
from helpers.language import AND, tr
from helpers.model import MLP
from helpers.training import evaluate


def about(found: float, wanted: float) -> bool:
    """Whether a spread or a gain is this one, up to the chance in a draw."""
    return abs(found - wanted) <= 0.03 * wanted


def expect_shape(W: torch.Tensor, num_inputs: int, num_outputs: int) -> None:
    """Expect a matrix of floats with a row for each input."""
    wanted = num_inputs, num_outputs
    said = {"inputs": num_inputs, "outputs": num_outputs, "found": describe(W)}
    turned = tr(
        "for {inputs} inputs and {outputs} units I got {found}. Your matrix is "
        "transposed: it needs a row for each input."
    )
    expect(W.shape == wanted or W.shape != wanted[::-1], turned, **said)
    why = tr(
        "for {inputs} inputs and {outputs} units I got {found}; the two arguments must "
        "be its sizes."
    )
    expect(W.shape == wanted, why, **said)
    expect_floats(W, tr("weights"))


def expect_floats(tensor: torch.Tensor, name: str) -> None:
    """Expect numbers that can be trained."""
    wrong = tr("the type of your {name} is {dtype}, but training needs floats.")
    expect(tensor.is_floating_point(), wrong, name=name, dtype=tensor.dtype)


def expect_centred(W: torch.Tensor) -> None:
    """Expect a mean near 0, measured by the spread."""
    mean, spread = W.mean(), W.std()
    why = tr(
        "your weights have mean {mean:.2g} and spread {spread:.2g}; they should be "
        "centred on 0."
    )
    expect(abs(mean) < 0.1 * spread, why, mean=mean, spread=spread)


def expect_different_units(W: torch.Tensor) -> None:
    """Expect that no two columns are equal, and not all rows."""
    constant, units = bool((W == W[0, 0]).all()), count_units(W)
    why = tr("all your weights are {value:.3g}, so all units are the same.")
    expect(not constant, why, value=W[0, 0])
    why = tr(
        "your matrix has {columns} columns, but the number of different ones is "
        "{units}; units with equal columns are the same unit."
    )
    expect(units == W.shape[1], why, columns=W.shape[1], units=units)
    inputs = count_units(W.T)
    why = tr(
        "your matrix has {rows} rows, but the number of different ones is {inputs}; to "
        "your units, inputs with equal rows are the same input."
    )
    expect(inputs > W.shape[0] // 2, why, rows=W.shape[0], inputs=inputs)


def count_units(W: torch.Tensor, apart: float | None = None) -> int:
    """How many columns differ by more than `apart`, or a millionth of the largest."""
    columns = W.detach().double().T.contiguous()
    apart = 1e-6 * columns.abs().max() if apart is None else apart
    same = torch.cdist(columns, columns, p=math.inf) <= apart
    return int((~same.tril(-1).any(dim=1)).sum())


# --- 1.1


def first_layer(num_inputs, num_hiddens):
    W1 = nn.Parameter(torch.randn(num_inputs, num_hiddens) * 0.01)
    b1 = nn.Parameter(torch.zeros(num_hiddens))
    return W1, b1


@exercise(
    "1.1",
    first_layer,
    "W1 is the line of this course: a row for each input, a column for each unit.",
    "Each hidden unit has one bias, and biases don't have to be random.",
    notice="Notice that W1 is random and b1 is not: the weights alone make the units "
    "different.",
)
def check_first_layer(answer: Callable) -> None:
    for num_inputs, num_hiddens in ((300, 200), (120, 250)):
        found = two_tensors(ask(answer, num_inputs, num_hiddens, kind=object))
        W1, b1 = (each.detach() for each in found)
        expect_shape(W1, num_inputs, num_hiddens)
        why = tr(
            "your b1 has one number for each input; a bias belongs to a hidden unit."
        )
        expect(b1.shape != (num_inputs,), why)
        why = tr(
            "your b1 is {found}; for {units} units it should have the shape ({units},)."
        )
        expect(b1.shape == (num_hiddens,), why, found=describe(b1), units=num_hiddens)
        expect_different_units(W1)
        _expect_our_line(W1)
        expect_floats(b1, "b1")
        why = tr(
            "your b1 goes from {lowest:.2g} to {highest:.2g}; here biases start at 0."
        )
        expect(not b1.any(), why, lowest=b1.min(), highest=b1.max())


def _expect_our_line(W1: torch.Tensor) -> None:
    """Expect normal numbers of mean 0 and spread 0.01."""
    spread = W1.std()
    why = tr(
        "your W1 has mean {mean:.2g} and spread {spread:.2g}, and none of its numbers "
        "is negative; torch.rand draws such numbers, from 0 to 1."
    )
    expect(W1.min() < 0, why, mean=W1.mean(), spread=spread)
    expect_centred(W1)
    mistakes = {
        1.0: tr("the spread of your W1 is {spread:.2g}; the factor 0.01 is missing."),
        0.1: tr(
            "the spread of your W1 is {spread:.2g}, so 0.01 is its variance, the "
            "square of the spread."
        ),
    }
    rule_out(spread, mistakes, about, spread=spread)
    wrong = tr("the spread of your W1 is {spread:.4f}, but it should be 0.01.")
    expect(about(spread, 0.01), wrong, spread=spread)
    why = tr(
        "the spread of your W1 is {spread:.2g}, but none of its numbers is further "
        "from 0 than {furthest:.2g}: they are not normally distributed, as torch.randn "
        "draws them."
    )
    far = W1.abs().max() > 3.2 * spread  # as of 30,000 normal numbers some are
    expect(far, why, spread=spread, furthest=W1.abs().max())
    near = float((W1.abs() < spread).double().mean())
    why = tr(
        "the spread of your W1 is {spread:.2g}, but {near:.0%} of its numbers are "
        "closer to 0 than that. Of normally distributed numbers, as torch.randn draws "
        "them, 68% are."
    )
    expect(abs(near - 0.683) < 0.02, why, spread=spread, near=near)


# --- 1.2


def kaiming(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * (2 / num_inputs) ** 0.5


@exercise(
    "1.2",
    kaiming,
    "Start from torch.randn, whose spread is 1. What do you multiply it by?",
    "Read the formula once more: is 2 divided by n the spread, or the spread "
    "squared? And which of the two sizes is the n that a sum runs over?",
    notice="Notice that num_outputs is in the shape, but not in the factor: what "
    "matters is how many products each unit adds up.",
)
def check_kaiming(answer: Callable) -> None:
    for num_inputs, num_outputs in ((500, 120), (120, 500)):
        states = _states()
        W = ask(answer, num_inputs, num_outputs).detach()
        drew = _states() != states
        expect_shape(W, num_inputs, num_outputs)
        expect_different_units(W)
        expect_centred(W)
        _expect_kaiming(W, num_inputs, num_outputs)
        same = tr("a second call gave the same numbers; the task asks for random ones.")
        expect(drew or not torch.equal(W, answer(num_inputs, num_outputs)), same)


def _expect_kaiming(W: torch.Tensor, n: int, m: int) -> None:
    """Expect Kaiming's spread for n inputs and m outputs."""
    spread, wanted = W.std(), (2 / n) ** 0.5
    if about(spread, wanted):
        return
    # Translators: {asked} in the next sentences, which explain this spread.
    asked = tr(
        "for {inputs} inputs and {outputs} outputs your spread is {spread:.3g}"
    ).format(inputs=n, outputs=m, spread=spread)
    why = tr(
        "{asked}. Your bounds are what the spread should be, but uniform numbers from "
        "-1 to 1 have spread 0.58, not 1."
    )
    uniform = W.abs().max() < 1.8 * spread  # or not far from it
    expect(not (uniform and about(spread, wanted / 3**0.5)), why, asked=asked)
    mistakes = {
        (2 / m) ** 0.5: tr(
            "{asked}, the square root of 2/{outputs}: you divided by the outputs. (So "
            "does nn.init here: it takes the rows for outputs.)"
        ),
        (2 / (n + m)) ** 0.5: tr(
            "{asked}, Xavier's: it divides by inputs plus outputs."
        ),
        (1 / n) ** 0.5: tr(
            "{asked}, the square root of 1/{inputs}: it forgets that relu turns half "
            "of the numbers into 0."
        ),
        (6 / n) ** 0.5: tr(
            "{asked}, the square root of 6/{inputs}: that is the bound of uniform "
            "numbers with Kaiming's spread."
        ),
        (n / 2) ** 0.5: tr(
            "{asked}, the root of {inputs}/2: that is Kaiming's upside down."
        ),
        2 / n: tr(
            "{asked}, which is 2/{inputs}: that should be the variance, and randn is "
            "multiplied by a spread."
        ),
        2**0.5 / n: tr("{asked}: you took the root of the 2 alone."),
        2 / n**0.5: tr("{asked}, 2 divided by the root of {inputs}."),
        (2 / 784) ** 0.5: tr("{asked}, which is right for 784 inputs only."),
        0.01: tr("{asked}, the same for every size of layer."),
        1.0: tr("{asked}: the factor is missing."),
    }
    rule_out(spread, mistakes, about, asked=asked, outputs=m, inputs=n)
    why = tr("{asked}, but it should be {wanted:.3g}.")
    raise NotYet(why, asked=asked, wanted=wanted)


# --- 1.3


def nearly_constant(num_inputs, num_outputs):
    W = torch.full((num_inputs, num_outputs), 0.01)
    W[num_inputs // 2] = torch.linspace(0.01, 0.02, num_outputs)
    return W


@exercise(
    "1.3",
    nearly_constant,
    "Units are equal when their columns are. How many numbers of a column have to "
    "change to make it different from the others?",
    "One weight in each column is enough, if no two columns get the same new "
    "number in the same place.",
    "All weights of one row belong to the same pixel, one for each unit: "
    "W[5] = ... sets that row.",
    notice="Notice that one weight for each unit breaks the symmetry, so long as its "
    "pixel is not blank in every picture: a blank pixel multiplies it by 0.",
)
def check_nearly_constant(answer: Callable) -> None:
    for num_inputs, num_outputs in ((20, 8), (12, 12)):
        W = ask(answer, num_inputs, num_outputs).detach()
        expect_shape(W, num_inputs, num_outputs)
        changed = int(((W - 0.01).abs() > 1e-8).sum())
        units = count_units(W, apart=1e-8)
        said = {"inputs": num_inputs, "outputs": num_outputs, "changed": changed}
        why = tr(
            "in a matrix of {inputs} by {outputs} all weights are 0.01, so all units "
            "are the same."
        )
        expect(changed, why, **said)
        why = tr(
            "in a matrix of {inputs} by {outputs} you changed {changed} weights, but "
            "all columns are equal: every unit got the same change."
        )
        expect(units > 1, why, **said)
        why = tr(
            "in a matrix of {inputs} by {outputs} only {units} of the {outputs} "
            "columns are different; units that start equal stay equal."
        )
        expect(units == num_outputs, why, **said, units=units)
        why = tr(
            "all units are different, but in a matrix of {inputs} by {outputs} only "
            "{same} of the {weights} weights are 0.01. You need far fewer changes."
        )
        weights, same = W.numel(), W.numel() - changed
        expect(changed < weights // 2, why, **said, weights=weights, same=same)
        why = tr(
            "all units are different, but in a matrix of {inputs} by {outputs} you "
            "changed {changed} weights; {outputs} are enough."
        )
        expect(changed <= num_outputs, why, **said)


# --- 1.4


def gain(activation):
    z = torch.randn(1_000_000)
    return 1 / activation(z).square().mean() ** 0.5


@exercise(
    "1.4",
    gain,
    "For relu the mean square falls to a half, and the root of 2 makes up for it. "
    "For another activation, measure what it falls to.",
    "torch.randn(1_000_000) is a million numbers of mean square 1. Send them "
    "through the activation, and take the mean of their squares.",
    "Which factor would bring that mean square back to 1? Squares grow with the "
    "factor squared.",
    notice="Notice that tanh needs 1.59, more than relu's 1.41: it makes every number "
    "smaller, not only half of them.",
)
def check_gain(answer: Callable) -> None:
    known = ((one.__name__, one) for one in (torch.relu, torch.tanh, torch.sigmoid))
    slope = random.SystemRandom().uniform(0.5, 0.9)  # another one each time
    steeper = f"max(z, {slope:.3f} z)", functools.partial(bent, slope=slope)
    for name, activation in (*known, ("max(z, 0.3 z)", bent), steeper):
        seen = []
        value = one_number(ask(answer, _watched(activation, seen), kind=object))
        z = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
        share = torch.softmax(-z.square() / 2, dim=0)  # of a normal distribution
        outputs = activation(z)
        sizes = outputs, outputs.square(), outputs.abs()
        mean, square, size = (float((share * each).sum()) for each in sizes)
        if not about(value, square**-0.5):
            # Translators: {asked} in the next sentences, which explain this gain.
            asked = tr("for {name} I got a gain of {value:.2f}").format(
                name=name, value=value
            )
            count = _expect_normal_numbers(asked, seen)
            if count >= 10_000 and activation is not steeper[1]:
                # Otherwise a value can be that of a mistake by chance.
                _explain_gain(asked, value, mean, square, size)
            few = tr(
                "{asked}, from {count:,} numbers, too few to trust the second digit."
            )
            expect(count >= 100_000, few, asked=asked, count=count)
            why = tr("{asked}, but {wanted:.2f} would keep the mean square.")
            raise NotYet(why, asked=asked, wanted=square**-0.5)


def bent(z: torch.Tensor, slope: float = 0.3) -> torch.Tensor:
    """An activation that no table knows."""
    return torch.maximum(z, slope * z)


def _watched(activation: Callable, seen: list) -> Callable:
    """The activation; of all numbers sent through: (how many, sum, sum of squares)."""

    @functools.wraps(activation)
    def watched(z):
        if isinstance(z, torch.Tensor) and z.numel():
            sent = z.detach().double()
            seen.append((z.numel(), float(sent.sum()), float(sent.square().sum())))
        return activation(z)

    return watched


def _expect_normal_numbers(asked: str, seen: list) -> int:
    """Expect that numbers of mean 0 and spread 1 went through; how many there were."""
    never = tr("{asked}, but your function never calls activation to see what it does.")
    expect(seen, never, asked=asked)
    count, total, squares = (sum(column) for column in zip(*seen))
    centre = round(total / count, 2) + 0.0  # and not -0.0
    spread = max(squares / count - (total / count) ** 2, 0) ** 0.5
    why = tr(
        "{asked}; the numbers that you sent through it have mean {centre:.2f} and "
        "spread {spread:.2f}, but should have 0 and 1."
    )
    expect(
        count > 1 and abs(centre) < 0.3 and 0.7 < spread < 1.3,
        why,
        asked=asked,
        centre=centre,
        spread=spread,
    )
    return count


def _explain_gain(
    asked: str, found: float, mean: float, square: float, size: float
) -> None:
    """Say why it is no gain for outputs of this mean, mean square and mean size."""
    mistakes = {
        1 / square: tr(
            "{asked}, which would bring back the mean square if it multiplied that; "
            "but it multiplies the numbers, so it is squared with them."
        ),
        square**0.5: tr(
            "{asked}, which is what is left after the activation; the gain has to make "
            "up for it."
        ),
        square: tr(
            "{asked}, which is the mean square that is left; the gain has to make up "
            "for it."
        ),
        (square - mean**2) ** -0.5: tr(
            "{asked}, which comes from the spread around the mean; the next layer sums "
            "squares, so what counts is the mean square."
        ),
        1 / size: tr(
            "{asked}, which brings the mean size of the outputs (without their sign) "
            "to 1, not their mean square."
        ),
    }
    rule_out(found, mistakes, about, asked=asked)


# --- 1.5

# Translators: {source} is such as "PyTorch", or a name in the learner's code.
LUCK = tr(
    "your code uses {source} for random numbers; with a fixed seed they are still "
    "luck, only the same luck every time."
)
NUM_STEPS = 240
LEARNS = 0.35  # accuracy; Kaiming reaches about 0.7, and equal units 0.2


def without_luck(num_inputs, num_outputs):
    count = torch.arange(num_inputs * num_outputs).double()
    wave = torch.sin(count**2).reshape(num_inputs, num_outputs)
    return wave * (2 / num_inputs) ** 0.5 / wave.std()


@exercise(
    "1.5",
    without_luck,
    "The lesson asked three things of initial weights: the units differ, the mean is "
    "0, and the spread is Kaiming's. Random numbers are only one way to get that.",
    "Make num_inputs * num_outputs numbers that jump up and down around 0 by some "
    "rule, reshape them, and divide by their own spread before you scale them.",
    "torch.sin(torch.arange(...)) is too regular: neighbours are almost equal. "
    "What could you put into the sine so that its steps get longer and longer?",
    notice="Notice that it takes no luck: what the weights need is to differ and to "
    "keep the signal's size, and randn is only the easiest way to get both.",
)
def check_without_luck(answer: Callable) -> None:
    W = _drawn_without_luck(answer)
    net = MLP(784, 64, 10, num_layers=10, init=answer)
    data = _sample()
    images, labels = data.train.images[:256], data.train.labels[:256]
    layers = measure_layers(net, images, labels).layers
    accuracy = _train(net, data.train, data.val)
    if accuracy >= LEARNS:
        return
    units = count_units(W)
    first, last = (layers[i].activations.spread for i in (0, 9))
    with saying(
        tr("after {steps} steps the accuracy is only {accuracy:.2f}: {why}"),
        steps=NUM_STEPS,
        accuracy=accuracy,
    ):
        why = tr("layer 1 has 64 units, but the number of different ones is {units}.")
        expect(units > 32, why, units=units)
        expect_centred(W)
        why = tr(
            "the spread of the activations goes from {first:.2g} in layer 1 to "
            "{last:.2g} in layer 10; it explodes."
        )
        expect(last < 5 * first, why, first=first, last=last)
        why = tr(
            "the spread of the activations goes from {first:.2g} in layer 1 to "
            "{last:.2g} in layer 10; it dies out."
        )
        expect(last > 0.02 * first, why, first=first, last=last)
        why = tr(
            "the spread of the activations goes from {first:.2g} in layer 1 to "
            "{last:.2g} in layer 10, which is fine. Perhaps your numbers are too "
            "regular: many units see nearly the same."
        )
        raise NotYet(why, first=first, last=last)


def _drawn_without_luck(answer: Callable) -> torch.Tensor:
    """Weights for 784 inputs and 64 units, if no random numbers are in them."""
    state = _states()
    with _makers_called() as called:
        W = ask(answer, 784, 64).detach()
        expect_shape(W, 784, 64)
        for sizes in ((64, 64), (64, 10)):
            expect_shape(ask(answer, *sizes), *sizes)
    drew = AND.join(name for name, now in _states().items() if now != state[name])
    expect(not drew, LUCK, source=drew)
    why = tr("a second call gave different numbers; there is still luck in it.")
    expect(torch.equal(W, answer(784, 64)), why)
    _expect_made_inside(answer, called)
    return W


def _states() -> dict[str, list]:
    """The states of the random number generators that all code shares."""
    _, numbers, position, *_ = np.random.get_state()
    return {
        "PyTorch": torch.get_rng_state().tolist(),
        "numpy": [*numbers, position],
        "Python": random.getstate(),
    }


MAKERS = {
    *("default_rng", "RandomState", "Random", "SystemRandom", "Generator", "rvs"),
    *("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64", "SeedSequence"),
    *("manual_seed", "fork_rng", "set_rng_state", "setstate", "set_state"),
}
GENERATORS = random.Random, np.random.Generator, np.random.RandomState, torch.Generator
MANY = 1000  # numbers from outside; fewer are part of a rule


@contextlib.contextmanager
def _makers_called() -> Iterator[set[str]]:
    """Yields which MAKERS the learner's code calls in the block, however it does."""
    called, kept = set(), []

    def note(name: str) -> None:
        if is_own_module(str(sys._getframe(2).f_globals.get("__name__"))):
            called.add(name)

    def noting(name: str, made: Callable) -> Callable:
        def call(*inputs: Any, **more: Any) -> Any:
            note(name)
            return made(*inputs, **more)

        if not isinstance(made, type):
            return call

        class Noting(type(made)):
            def __call__(cls, *inputs: Any, **more: Any) -> Any:
                note(name)
                made_of = made if cls is noted else cls  # or a class of the learner's
                return type(made).__call__(made_of, *inputs, **more)

            def __instancecheck__(cls, value: object) -> bool:
                return isinstance(value, made)

        noted = Noting(name, (made,), {})
        return noted

    try:
        for module in (random, np.random, torch, torch.random):
            for name in MAKERS & vars(module).keys():
                kept.append((module, name, getattr(module, name)))
                setattr(module, name, noting(name, kept[-1][2]))
        yield called
    finally:
        for one in kept:
            setattr(*one)


def _expect_made_inside(answer: Callable, called: set[str]) -> None:
    """Expect no random numbers with a seed of their own, and none made before.

    The learner's functions that it calls by name are read too. called: what it called
    in another way, such as by getattr.
    """
    names, values = _used(answer)
    names |= called
    names |= {str(getattr(value, "__name__", "")) for value in values.values()}
    maker = min(names & MAKERS, default=None)
    expect(maker is None, LUCK, source=maker)
    for name, value in values.items():
        expect(not isinstance(value, GENERATORS), LUCK, source=name)
        count = 0
        if isinstance(value, (torch.Tensor, np.ndarray)):
            count = math.prod(value.shape)
        elif isinstance(value, (list, tuple)):
            count = len(value)
        why = tr(
            "your code uses {name}, {count:,} numbers that were made outside of the "
            "function; make all of them inside, so that I can see by what rule."
        )
        expect(count < MANY, why, name=name, count=count)


def _used(answer: Callable) -> tuple[set[str], dict]:
    """The names in an answer's code, and what it uses from outside: name -> value."""
    names, values, functions = set(), {}, [inspect.unwrap(answer)]
    for function in functions:  # grows while we go
        if not isinstance(function, types.FunctionType):
            kind = function if isinstance(function, type) else type(function)
            if is_own_module(kind.__module__):
                parts = dict(vars(kind)) | getattr(function, "__dict__", {})
                functions += filter(inspect.isfunction, parts.values())
                values |= {name: parts[name] for name in parts.keys() - values.keys()}
            continue
        found, codes = {}, [function.__code__]
        for code in codes:
            codes += (one for one in code.co_consts if isinstance(one, types.CodeType))
            names.update(code.co_names)
            for step in dis.get_instructions(code):
                if step.opname == "LOAD_GLOBAL":
                    found[step.argval] = function.__globals__.get(step.argval)
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or ()
        ):
            with contextlib.suppress(ValueError):  # it has no value yet
                found[name] = cell.cell_contents
        arguments = inspect.signature(function).parameters.values()
        found |= {one.name: one.default for one in arguments}
        for name, one in found.items():
            if name not in values and is_own_module(
                str(getattr(one, "__module__", ""))
            ):
                functions.append(one)
        values |= found
    return names, values


@functools.cache
def _sample() -> FashionMNIST:
    with contextlib.redirect_stdout(io.StringIO()):  # it says that it is the sample
        return load_fashion_mnist("sample")


def _train(net: MLP, train: Split, val: Split) -> float:
    """The best accuracy near the end of a short training (half a second, one core)."""
    torch.set_num_threads(1)  # for such small steps more are slower; `check` undoes it
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    order = torch.Generator().manual_seed(0)
    accuracies = []
    for step in range(1, NUM_STEPS + 1):
        batch = torch.randint(len(train), (64,), generator=order)
        net.zero_grad()
        F.cross_entropy(net(train.images[batch]), train.labels[batch]).backward()
        optimizer.step()
        if step > NUM_STEPS - 100 and step % 40 == 0:  # it jumps from step to step
            accuracies.append(evaluate(net, val.images, val.labels)[1])
    return max(accuracies)
