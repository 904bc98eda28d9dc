"""The exercises of 01_initialization."""

import contextlib
import functools
import inspect
import io
import math
import random
import types

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from helpers.data import load_fashion_mnist
from helpers.exercises.exercise import ask, describe, exercise, expect, number
from helpers.instruments.layers import measure_layers
from helpers.model import MLP
from helpers.training import evaluate


def near(found, wanted):
    """Whether a spread or a gain is this one, chance in the draw left aside."""
    return abs(found - wanted) <= 0.03 * wanted


def shape_of_W(W, num_inputs, num_outputs):
    """Expect a matrix of floats with a row for each input."""
    wanted = (num_inputs, num_outputs)
    expect(
        W.shape == wanted or W.shape != wanted[::-1],
        f"asked for {num_inputs} inputs and {num_outputs} units I got the shape "
        f"{tuple(W.shape)}; that is the right matrix on its side, since a row belongs "
        "to an input and a column to a unit.",
    )
    expect(
        W.shape == wanted,
        f"asked for {num_inputs} inputs and {num_outputs} units I got "
        f"{describe(W)}; the sizes have to be the two arguments.",
    )
    expect(
        W.is_floating_point(),
        f"your weights are of type {W.dtype}, and training needs floats.",
    )


def finite(tensor, name):
    expect(tensor.isfinite().all(), f"your {name} holds NaN or infinity.")


def units_differ(W):
    """Expect that no two columns are equal, and not all rows."""
    same, units = bool((W == W[0, 0]).all()), count_units(W)
    expect(
        not same,
        f"all your weights are {W[0, 0]:.3g}: all units are one and the same.",
    )
    expect(
        units == W.shape[1],
        f"your matrix has {W.shape[1]} columns, and the number of different ones is "
        f"{units}; units with equal columns are one and the same.",
    )
    expect(
        count_units(W.T) > 1,
        "all rows of your matrix are equal, so a unit weighs all its inputs the same.",
    )


def count_units(W):
    """How many columns differ by more than a millionth of the largest weight."""
    columns = W.detach().double().T.contiguous()
    apart = 1e-6 * columns.abs().max()
    same = torch.cdist(columns, columns, p=math.inf) <= apart
    return int((~same.tril(-1).any(dim=1)).sum())


def drawn_evenly(W):
    """Whether they look drawn evenly between two bounds around 0."""
    return W.abs().max() < 1.8 * W.std()


# --- 1.1


def first_layer(num_inputs, num_hiddens):
    W1 = nn.Parameter(torch.randn(num_inputs, num_hiddens) * 0.01)
    b1 = nn.Parameter(torch.zeros(num_hiddens))
    return W1, b1


@exercise(
    "1.1",
    first_layer,
    minutes=5,
    difficulty="easy",
    hints=(
        "W1 is the line of this course: a row for each input, a column for each unit.",
        "Each hidden unit has one bias, and biases don't have to be random.",
    ),
    notice="Notice that W1 is random and b1 is not: the weights alone make the units "
    "different.",
)
def check_first_layer(answer):
    found = answer(300, 200)
    pair = isinstance(found, (tuple, list)) and len(found) == 2
    expect(
        pair and all(isinstance(one, torch.Tensor) for one in found),
        f"your function returned {describe(found)}; it should return two tensors, "
        "W1 and b1.",
    )
    W1, b1 = (one.detach() for one in found)
    expect(
        not (W1.dim() == 1 and b1.dim() == 2),
        f"the first of your two tensors has the shape {tuple(W1.shape)}, and W1 is to "
        "be the first, b1 the second.",
    )
    shape_of_W(W1, 300, 200)
    finite(W1, "W1")
    expect(
        b1.shape != (300,),
        "your b1 has 300 numbers, one for each input; a bias belongs to a hidden unit.",
    )
    expect(
        b1.shape == (200,),
        f"your b1 is {describe(b1)}; for 200 hidden units it should have the shape "
        "(200,).",
    )
    units_differ(W1)
    mean, spread = W1.mean(), W1.std()
    seen = f"your W1 has mean {mean:.2g} and spread {spread:.2g}"
    expect(
        W1.min() < 0,
        f"{seen}, and no number in it is negative; torch.rand draws such numbers, "
        "from 0 to 1.",
    )
    expect(abs(mean) < 0.1 * spread, f"{seen}, so it is not centred on 0.")
    expect(
        not near(spread, 1),
        f"the spread of your W1 is {spread:.2f}; it is not multiplied by 0.01 yet.",
    )
    expect(
        not near(spread, 0.1),
        "the spread of your W1 is 0.1, so 0.01 is its variance, the spread squared.",
    )
    expect(
        near(spread, 0.01),
        f"the spread of your W1 is {spread:.2g}, and it should be 0.01.",
    )
    expect(
        not drawn_evenly(W1),
        f"the spread of your W1 is 0.01, but no number in it is further from 0 than "
        f"{W1.abs().max():.2g}: these are not normal numbers, which torch.randn draws.",
    )
    expect(
        b1.is_floating_point(),
        f"your b1 is of type {b1.dtype}, and training needs floats.",
    )
    finite(b1, "b1")
    expect(
        not b1.any(),
        f"your b1 lies between {b1.min():.2g} and {b1.max():.2g}; biases start at "
        "zero here.",
    )


# --- 1.2


def kaiming(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * (2 / num_inputs) ** 0.5


@exercise(
    "1.2",
    kaiming,
    minutes=5,
    difficulty="easy",
    hints=(
        "Start from torch.randn, whose spread is 1. What do you multiply it by?",
        "Read the formula once more: is 2 divided by n the spread, or the spread "
        "squared? And which of the two sizes is the n that a sum runs over?",
    ),
    notice="Notice that num_outputs is in the shape, but not in the factor: what "
    "matters is how many products each unit adds up.",
)
def check_kaiming(answer):
    for num_inputs, num_outputs in ((500, 120), (120, 500)):
        W = ask(answer, num_inputs, num_outputs).detach()
        shape_of_W(W, num_inputs, num_outputs)
        units_differ(W)
        mean, spread = W.mean(), W.std()
        expect(
            abs(mean) < 0.1 * spread,
            f"your weights have mean {mean:.2g} and spread {spread:.2g}; they should "
            "be centred on 0.",
        )
        _explain_spread(W, spread, num_inputs, num_outputs)


def _explain_spread(W, spread, n, m):
    """Expect Kaiming's spread for n inputs and m outputs."""
    wanted = (2 / n) ** 0.5
    asked = f"for {n} inputs and {m} outputs your spread is {spread:.3g}"
    if near(spread, wanted):
        return
    expect(
        not (near(spread, wanted / 3**0.5) and drawn_evenly(W)),
        f"{asked}: the bounds of your even draw are what the spread should be, and an "
        "even draw from -1 to 1 has spread 0.58 and not 1.",
    )
    reasons = {
        (2 / m) ** 0.5: f"which is the square root of 2/{m}: you divided by the "
        "outputs. (So does nn.init here: it takes the rows for outputs.)",
        (2 / (n + m)) ** 0.5: "which is Xavier's: it divides by inputs plus outputs.",
        (1 / n) ** 0.5: f"which is the square root of 1/{n}: it forgets that relu "
        "turns half of the numbers into 0.",
        (6 / n) ** 0.5: f"which is the square root of 6/{n}: that far from 0 would an "
        "even draw reach that has Kaiming's spread.",
        (n / 2) ** 0.5: f"which is the square root of {n}/2, Kaiming's upside down.",
        2 / n: f"which is 2/{n}: that should be the variance, and randn is "
        "multiplied by a spread.",
        2**0.5 / n: "so the root was taken of the 2 alone.",
        (2 / 784) ** 0.5: "which is right for 784 inputs only.",
        0.01: "the same for every size of layer.",
        1.0: "so the factor is missing.",
    }
    for value, reason in reasons.items():
        expect(not near(spread, value), f"{asked}, {reason}")
    expect(False, f"{asked}, and it should be {wanted:.3g}.")


# --- 1.3


def nearly_constant(num_inputs, num_outputs):
    W = torch.full((num_inputs, num_outputs), 0.01)
    W[num_inputs // 2] = torch.linspace(0.01, 0.02, num_outputs)
    return W


@exercise(
    "1.3",
    nearly_constant,
    minutes=8,
    difficulty="medium",
    hints=(
        "Units are equal when their columns are. How many numbers of a column have to "
        "change to make it different from the others?",
        "One weight in each column is enough, if no two columns get the same new "
        "number in the same place.",
        "All weights of one row belong to the same pixel and to all units: W[5] = ... "
        "sets that row.",
    ),
    notice="Notice that one weight for each unit breaks the symmetry, so long as its "
    "pixel is not black in every picture: a black pixel multiplies it by 0.",
)
def check_nearly_constant(answer):
    for num_inputs, num_outputs in ((20, 8), (12, 12)):
        W = ask(answer, num_inputs, num_outputs).detach()
        shape_of_W(W, num_inputs, num_outputs)
        changed = int(((W - 0.01).abs() > 1e-8).sum())
        units = count_units(W)
        size = f"in a matrix of {num_inputs} times {num_outputs}"
        expect(
            changed,
            f"{size} all your weights are 0.01, so all units are one and the same.",
        )
        expect(
            units > 1,
            f"{size} you changed {changed} weights, and still all columns are equal: "
            "every unit got the same change.",
        )
        expect(
            units == num_outputs,
            f"{size} only {units} of the {num_outputs} columns are different; units "
            "that start equal stay equal.",
        )
        expect(
            changed < W.numel() // 2,
            f"all units are different, but {size}, {changed} of the {W.numel()} weights "
            "are not 0.01. That is far more than you need.",
        )
        expect(
            changed <= num_outputs,
            f"all units are different, but {size} you changed {changed} weights, and "
            f"it can be done with {num_outputs}.",
        )


# --- 1.4


def gain(activation):
    z = torch.randn(1_000_000)
    return 1 / activation(z).square().mean() ** 0.5


@exercise(
    "1.4",
    gain,
    minutes=8,
    difficulty="medium",
    hints=(
        "For relu the mean square falls to a half, and the root of 2 repairs it. For "
        "another activation, measure what it falls to.",
        "torch.randn(1_000_000) is a million numbers of mean square 1. Send them "
        "through the activation, and take the mean of their squares.",
        "Which factor would bring that mean square back to 1? Squares grow with the "
        "factor squared.",
    ),
    notice="Notice that tanh needs 1.59, more than relu's 1.41: it makes every number "
    "smaller, not only half of them.",
)
def check_gain(answer):
    for name in ("relu", "tanh", "sigmoid"):
        seen, activation = [], getattr(torch, name)
        found = ask(answer, _watched(activation, seen), kind=None)
        value = number(found)
        expect(
            value is not None,
            f"your function returned {describe(found)}; a gain is one number.",
        )
        z = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
        share = torch.softmax(-z.square() / 2, dim=0)  # of a normal distribution
        outputs = activation(z)
        sizes = outputs, outputs.square(), outputs.abs()
        mean, square, size = (float((share * each).sum()) for each in sizes)
        _explain_gain(name, value, seen, mean, square, size)


def _watched(activation, seen):
    """The activation; of all numbers sent through: (how many, sum, sum of squares)."""

    @functools.wraps(activation)
    def watched(z):
        if isinstance(z, torch.Tensor) and z.numel():
            sent = z.detach().double()
            seen.append((z.numel(), float(sent.sum()), float(sent.square().sum())))
        return activation(z)

    return watched


def _explain_gain(name, measured, seen, mean, square, size):
    """Expect the gain that brings this mean square, left by activation, back to 1."""
    wanted = square**-0.5
    if near(measured, wanted):
        return
    asked = f"for {name} I got a gain of {measured:.2f}"
    expect(
        seen,
        f"{asked}, and your function never calls activation; it has to find out what "
        "this one does.",
    )
    count, total, squares = (sum(column) for column in zip(*seen))
    centre = round(total / count, 2) + 0.0  # and not -0.0
    spread = max(squares / count - (total / count) ** 2, 0) ** 0.5
    expect(
        count > 1 and abs(centre) < 0.3 and 0.7 < spread < 1.3,
        f"{asked}; the numbers that you sent through it have mean {centre:.2f} "
        f"and spread {spread:.2f}, and should have 0 and 1.",
    )
    expect(
        count >= 100_000,
        f"{asked}, from {count:,} numbers. That is too few to trust the second digit.",
    )
    reasons = {
        1 / square: "which would repair the mean square itself; the factor stands "
        "before the numbers, so it is squared with them.",
        square**0.5: "which is what is left after the activation; the gain has to make "
        "up for it.",
        square: "which is the mean square that is left; the gain has to make up for it.",
        (square - mean**2) ** -0.5: "which comes from the spread around the mean; the "
        "next layer sums up squares, so what counts is the mean square.",
        1 / size: "which brings the mean size of the outputs to 1, without their sign, "
        "and not their mean square.",
    }
    for value, reason in reasons.items():
        expect(not near(measured, value), f"{asked}, {reason}")
    expect(False, f"{asked}, and {wanted:.2f} would keep the mean square.")


# --- 1.5

NUM_STEPS = 240
LEARNS = 0.35  # accuracy; Kaiming reaches about 0.7, and equal units 0.2


def without_luck(num_inputs, num_outputs):
    count = torch.arange(num_inputs * num_outputs).double()
    wave = torch.sin(count**2).reshape(num_inputs, num_outputs)
    return wave * (2 / num_inputs) ** 0.5 / wave.std()


@exercise(
    "1.5",
    without_luck,
    minutes=15,
    difficulty="hard",
    hints=(
        "The lesson asked three things of first weights: the units differ, the mean is "
        "0, and the spread is Kaiming's. Random numbers are only one way to get that.",
        "Make num_inputs * num_outputs numbers that jump up and down around 0 by some "
        "rule, reshape them, and divide by their own spread before you scale them.",
        "torch.sin(torch.arange(...)) is too regular: neighbours are almost equal. "
        "What could you put into the sine so that its steps get longer and longer?",
    ),
    notice="Notice that it takes no luck: what the weights need is to differ and to "
    "keep the signal's size, and randn is only the easiest way to get both.",
)
def check_without_luck(answer):
    state = _states()
    W = ask(answer, 784, 64).detach()
    shape_of_W(W, 784, 64)
    for sizes in ((64, 64), (64, 10)):
        shape_of_W(ask(answer, *sizes), *sizes)
    drew = [name for name, now in _states().items() if now != state[name]]
    expect(
        not drew,
        f"your function used random numbers of {' and '.join(drew)}; with a fixed seed "
        "they are luck too, only always the same.",
    )
    expect(
        torch.equal(W, answer(784, 64)),
        "I called your function twice with the same sizes and got different numbers; "
        "there is still luck in it.",
    )
    maker = _maker_of_luck(answer)
    expect(
        maker is None,
        f"your code calls {maker}, which makes random numbers of its own; those of one "
        "seed are luck too, only always the same.",
    )
    net = MLP(784, 64, 10, num_layers=10, init=answer)
    train, val = _sample()
    layers = measure_layers(net, train.images[:256], train.labels[:256]).layers
    accuracy = _train(net, train, val)
    if accuracy >= LEARNS:
        return
    reached = f"after {NUM_STEPS} steps the accuracy is only {accuracy:.2f}"
    units, mean, spread = count_units(W), W.mean(), W.std()
    expect(
        units > 32,
        f"{reached}: the first layer has 64 units, and the number of different ones is "
        f"{units}.",
    )
    expect(
        abs(mean) < 0.1 * spread,
        f"{reached}: in the first layer your weights have mean {mean:.2g} and spread "
        f"{spread:.2g}, so that all units add up much the same; they should be centred "
        "on 0.",
    )
    first, last = (layers[i].activations.spread for i in (0, 9))
    sizes = f"the spread of the activations goes from {first:.2g} in layer 1 to "
    expect(last < 5 * first, f"{reached}: {sizes}{last:.2g} in layer 10, and explodes.")
    expect(
        last > 0.02 * first, f"{reached}: {sizes}{last:.2g} in layer 10, and dies out."
    )
    expect(
        False,
        f"{reached}, although {sizes}{last:.2g} in layer 10. Perhaps your numbers are "
        "too regular: many units see almost the same.",
    )


def _states():
    """Where the random numbers that all code shares stand."""
    _, numbers, position, *_ = np.random.get_state()
    return {
        "PyTorch": torch.get_rng_state().tolist(),
        "numpy": [*numbers, position],
        "Python": random.getstate(),
    }


MAKERS = {"default_rng", "RandomState", "Random", "SystemRandom", "Generator"}


def _maker_of_luck(function):
    """A name in the code of an answer that makes random numbers of its own, or None.

    Functions of the learner's own that it calls by name are read too.
    """
    function = inspect.unwrap(function)
    codes, names = [getattr(function, "__code__", None)], set()
    for code in codes:  # grows while we go
        if not isinstance(code, types.CodeType):
            continue
        codes += code.co_consts  # functions within it
        for name in set(code.co_names) - names:
            names.add(name)
            codes.append(getattr(function.__globals__.get(name), "__code__", None))
    return min(names & MAKERS, default=None)


@functools.cache
def _sample():
    with contextlib.redirect_stdout(io.StringIO()):  # it says that it is the sample
        data = load_fashion_mnist("sample")
    return data.train, data.val


def _train(net, train, val):
    """The best accuracy near the end of a short training: half a second, one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for steps as small as these, more are slower
    try:
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
    finally:
        torch.set_num_threads(threads)
