"""The exercises of 02_shapes."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from helpers.exercises.comparing import near, rule_out, watched
from helpers.exercises.exercise import NotYet, ask, describe, exercise, expect, number
from helpers.language import tr

# --- 2.1


def hidden(pictures, W1, b1):
    X = pictures.flatten(1)
    return torch.relu(X @ W1 + b1)


@exercise(
    "2.1",
    hidden,
    "W1 has a row for each of 784 pixels, so each picture has to become a row of "
    "784 numbers first. How many pictures there are stays as it is.",
    "The middle sizes vanish: (N, 784) @ (784, num_hiddens). Where in a unit's "
    "sum does its bias belong, before or after relu?",
    notice="Notice that your code names neither N nor num_hiddens: it takes any number "
    "of pictures and units, since the shapes carry both.",
)
def check_hidden(answer: Callable) -> None:
    torch.manual_seed(1)
    pictures = torch.rand(6, 28, 28)
    W1, b1 = 0.1 * torch.randn(784, 6), 2 * torch.randn(6)
    found = ask(answer, pictures, W1, b1)
    got = f"for 6 pictures and 6 units I got {describe(found)}"
    first = f"{got}: with W1 first, the product adds up the 6 pictures, not 784 pixels."
    expect(found.shape != (784, 784), first)
    wrong = f"{got}; I expect a row for each picture and a column for each unit."
    expect(found.shape == (6, 6), wrong)
    _explain_hidden(found, pictures, W1, b1)
    wanted = hidden(pictures, W1, b1)
    n, k = divmod(int((found - wanted).abs().argmax()), 6)
    expect(
        near(found, wanted),
        f"unit {k} of picture {n} should have the hidden value {wanted[n, k]:.2f}, "
        f"but I got {found[n, k]:.2f}.",
    )
    W1, b1 = 0.1 * torch.randn(784, 5), torch.randn(5)
    found = ask(answer, pictures[:1], W1, b1)
    got = "right for 6 pictures, but for one, of shape (1, 28, 28), and 5 units I got"
    right = found.shape == (1, 5)
    expect(right, f"{got} {describe(found)} instead of one of shape (1, 5).")
    right = near(found, hidden(pictures[:1], W1, b1))
    expect(right, f"{got} the wrong hidden values.")
    found = ask(answer, pictures, W1[:, :1], b1[:1])
    got = f"for 6 pictures and a single unit I got {describe(found)}"
    right = near(found, hidden(pictures, W1[:, :1], b1[:1]))
    expect(right, f"right for 6 units, but {got}, and expect one of shape (6, 1).")


def _explain_hidden(
    found: torch.Tensor, pictures: torch.Tensor, W1: torch.Tensor, b1: torch.Tensor
) -> None:
    """Name the mistake in hidden values of shape (6, 6), if it is a known one."""
    relu, sums = torch.relu, pictures.flatten(1) @ W1
    scattered = pictures.reshape(784, 6).T @ W1
    by_columns = pictures.transpose(1, 2).flatten(1) @ W1
    as_in_the_book = "your rows are units, as in the book; here a row is a picture."
    no_relu = f"your activation is not relu: no value is above {found.max():.2f}."
    mistakes = {
        relu(sums + b1).T: as_in_the_book,
        relu(sums.T + b1): as_in_the_book,
        relu(sums) + b1: "you added b1 after relu, so a hidden value can still be "
        f"negative: the smallest is {found.min():.2f}.",
        sums + b1: f"{int((found < 0).sum())} of the 36 hidden values are negative; "
        "relu is missing.",
        relu(sums): "b1 has no effect: I get the hidden values for biases of 0.",
        relu(sums + b1[:, None]): "each picture got its own bias, instead of each "
        "unit: b1 was added as a column. With 6 pictures and 6 units that raises no "
        "error.",
        relu(scattered + b1): "the shapes are right, but each of your rows holds "
        "pixels from all 6 pictures; a reshape to (784, N) cuts the pictures apart, "
        "and .T doesn't put them back together.",
        relu(by_columns + b1): "you read each picture column by column; W1 expects it "
        "row by row, with the pixel of row r and column c at 28 * r + c.",
        torch.sigmoid(sums + b1): no_relu,
        torch.tanh(sums + b1): no_relu,
    }
    rule_out(found, mistakes, near)


# --- 2.2


def count_parameters(widths):
    total = 0
    for num_inputs, num_outputs in zip(widths, widths[1:]):
        total += num_inputs * num_outputs + num_outputs
    return total


@exercise(
    "2.2",
    count_parameters,
    "Go from layer to layer: each connects two neighbours in the list. "
    "zip(widths, widths[1:]) gives these pairs.",
    "A layer has a weight for each pair of an input and a unit. What else does it "
    "have, and one for each of what: its inputs or its units?",
    notice="Notice that of the 203,530 parameters of [784, 256, 10], W1 alone holds "
    "200,704: the size of a model is decided where it is widest.",
)
def check_count_parameters(answer: Callable) -> None:
    found = _counted(answer, [784, 256, 10])
    weights = 784 * 256 + 256 * 10
    mistakes = {
        weights: f"{found:,} is the number of weights alone; the biases are missing.",
        weights + 784 + 256 + 10: "784 too many: you gave every pixel a bias too, but "
        "pixels are given, not computed.",
        weights + 784 + 256: "you gave each layer as many biases as it has inputs, so "
        f"{found:,} in all; what has a bias, the inputs of a layer or its units?",
        weights + 256: "10 are missing: the ten scores have biases too.",
        weights + 2: f"you counted one bias for each layer, and got {found:,}; every "
        "unit has its own.",
        784 * 256 + 256: f"{found:,} is the number of parameters in the first layer; "
        "there is a second one, from 256 to 10.",
        256 * 10 + 10: f"{found:,} is the number of parameters in the last layer "
        "alone; does your loop start again from 0 for each layer?",
        784 * 256 * 10: "you multiplied all three widths, as if each pixel had a "
        "weight for each pair of a unit and a score; a layer knows only two widths.",
        784 + 256 + 10: f"you added up the widths, so {found:,} counts pixels, units "
        "and scores; count the weights between them.",
    }
    rule_out(found, mistakes)
    right = weights + 256 + 10
    wrong = f"for [784, 256, 10] I got {found:,}, but MLP(784, 256, 10) has {right:,}."
    expect(found == right, wrong)
    cases = (
        ([784, 10], 7850, "one layer"),
        ([5, 4, 3, 2], 47, "three layers"),
        ([3, 2, 4, 2, 3, 2], 47, "five layers"),
    )
    for widths, right, layers in cases:
        found = _counted(answer, widths)
        case = f"right for [784, 256, 10], but for {widths}, the widths of {layers},"
        expect(found == right, f"{case} I got {found:,}.")


def _counted(answer: Callable, widths: list[int]) -> int | float:
    returned = ask(answer, widths, kind=object)
    found = number(returned)
    got = f"I got {describe(returned)}; return one number, the count."
    expect(found is not None, got)
    return found


# --- 2.3

REPEATED = tr("the single one was compared with all 8.")
LEFT_OUT = tr("only as many pairs were compared as the shorter one has.")


def squared_error(scores, answers):
    scores, answers = scores.flatten(), answers.flatten()
    if len(scores) != len(answers):
        raise ValueError(f"{len(scores)} scores, but {len(answers)} answers")
    return ((scores - answers) ** 2).mean()


@exercise(
    "2.3",
    squared_error,
    "(N, 1) against (N,) makes (N, N). Which call brings both to the shape (N,), "
    "whichever of the two shapes they have?",
    "PyTorch itself complains about 8 scores and 5 answers, but not about 8 scores "
    "and a single answer: it repeats the one.",
    "So compare the two sizes yourself, before you subtract.",
    notice="Notice that giving both the same shape would have saved the shoe model "
    "above. Comparing the sizes also catches one answer for many scores.",
)
def check_squared_error(answer: Callable) -> None:
    torch.manual_seed(3)
    scores, answers = torch.randn(8, 1, requires_grad=True), torch.randn(8)
    found = ask(answer, scores, answers, kind=object)
    _expect_mean(found, scores.flatten(), answers)
    _expect_gradient(found, scores, answers)
    scores = scores.detach().flatten()
    for one, other in (((8,), (8, 1)), ((8, 1), (8, 1)), ((8,), (8,))):
        case = "right for (8, 1) and (8,), but "
        case += f"with scores of shape {one} and answers of shape {other}"
        _expect_loss(case, answer, scores.reshape(one), answers.reshape(other))
    for case, *inputs in (
        ("8 scores and a single answer", scores[:, None], answers[:1]),
        ("a single score and 8 answers", scores[:1], answers),
        ("8 scores and 5 answers", scores[:, None], answers[:5]),
        ("5 scores and 8 answers", scores[:5], answers),
    ):
        _expect_error(f"with {case} there was no error", answer, *inputs)
    case = "right for 8 scores and 8 answers, but for one score and one answer"
    for one, other in (((1, 1), (1,)), ((1,), (1, 1))):
        inputs = scores[:1].reshape(one), answers[:1].reshape(other)
        _expect_loss(case, answer, *inputs)


def _expect_mean(found: Any, scores: torch.Tensor, answers: torch.Tensor) -> None:
    """Expect the mean of the 8 squared differences, with a gradient behind it."""
    got = f"for 8 scores and 8 answers I got {describe(found)}"
    plain = f"{got}, not a tensor: no gradient flows back from a plain number."
    expect(isinstance(found, torch.Tensor), plain)
    paired = f"{got}: every score was paired with every answer."
    expect(found.shape != (8, 8), paired)
    expect(found.dim() == 0, f"{got}; the loss is one number, of shape ().")
    each, pairs = (scores - answers) ** 2, (scores[:, None] - answers) ** 2
    all_pairs = "I got a loss over 64 pairs: each score was paired with all 8 answers."
    mistakes = {
        pairs.mean(): all_pairs,
        pairs.sum(): all_pairs,
        pairs.sum() / 8: all_pairs,
        each.sum(): "I got the sum of the 8 squares, not their mean.",
        (scores - answers).mean() ** 2: "you squared the mean of the differences, so "
        "one that is too high and one that is too low cancel each other.",
        (scores - answers).abs().mean(): "I got the mean of the absolute differences; "
        "they are not squared.",
        each.mean().sqrt(): "I got the root of the mean, not the mean itself.",
    }
    rule_out(found, mistakes, near)
    expect(
        near(found, each.mean()),
        f"for 8 random scores and answers I got {found:.2f}, but the mean of the 8 "
        f"squared differences is {each.mean():.2f}.",
    )


def _expect_gradient(
    found: torch.Tensor, scores: torch.Tensor, answers: torch.Tensor
) -> None:
    """Expect that of the mean of the squares."""
    cut = "the number is right, but no gradient flows from it back to the scores."
    expect(found.requires_grad, cut)
    (got,) = torch.autograd.grad(found, scores, allow_unused=True)
    expect(got is not None, cut)
    wanted = (scores.detach().flatten() - answers) / 4
    expect(
        near(got.flatten(), wanted),
        "the number is right, but not the gradient that flows back: for the first "
        f"score it is {got.flatten()[0]:.3f} instead of {wanted[0]:.3f}.",
    )


def _called(case: str, answer: Callable, *inputs: Any) -> Any:
    """What it returns; an error of the learner's code is reported with its case."""
    try:
        return answer(*inputs)
    except Exception as error:
        kind = type(error).__name__
        raise NotYet(f"{case} your code raised {kind}: {error}") from None


def _expect_loss(
    case: str, answer: Callable, scores: torch.Tensor, answers: torch.Tensor
) -> None:
    """Expect the mean of the squared differences, whatever the shapes."""
    found = _called(case, answer, scores, answers)
    wanted = F.mse_loss(scores.flatten(), answers.flatten())
    fine = isinstance(found, torch.Tensor)
    seen = f"{found:.2f}" if fine and found.dim() == 0 else describe(found)
    right = fine and near(found, wanted)
    expect(right, f"{case} I got {seen} instead of {wanted:.2f}.")


def _expect_error(no_error: str, answer: Callable, *inputs: torch.Tensor) -> None:
    """Expect an error, of any kind; else say how a loss came out."""
    try:
        found = answer(*inputs)
    except Exception:
        return
    scores, answers = (one.flatten() for one in inputs)
    shorter = min(len(scores), len(answers))
    fine = isinstance(found, torch.Tensor) and found.dim() == 0
    if fine and shorter == 1 and near(found, ((scores - answers) ** 2).mean()):
        raise NotYet(f"{no_error}: {REPEATED}")
    if fine and near(found, F.mse_loss(scores[:shorter], answers[:shorter])):
        raise NotYet(f"{no_error}: {LEFT_OUT}")
    seen = f"the number {found:.2f}" if fine else describe(found)
    raise NotYet(f"{no_error}; your function returned {seen}.")


# --- 2.4


def from_linear(layer):
    W1 = layer.weight.detach().T.clone()
    if layer.bias is None:
        return W1, torch.zeros(layer.out_features, dtype=W1.dtype)
    return W1, layer.bias.detach().clone()


@exercise(
    "2.4",
    from_linear,
    "layer.weight has the shape (out, in), and W1 has (in, out). Of the two ways "
    "to get there, which one turns the table, and which one cuts it anew?",
    "A transposed tensor is only another view of the same memory. Two calls make "
    "it independent: one leaves the gradients behind, one copies.",
    "layer.bias may be None, and then nothing is added to any unit. Which "
    "numbers, as many as units, add nothing?",
    notice="Notice that a reshape would have given the same shape, with nearly all "
    "weights in the wrong place: only comparing results shows it.",
)
def check_from_linear(answer: Callable) -> None:
    torch.manual_seed(4)
    layer = nn.Linear(6, 4)
    changed, before = watched(layer), copy.deepcopy(layer.state_dict())
    W1, b1 = _pair(ask(answer, layer, kind=object))
    _expect_W1(W1, b1, before["weight"])
    bias = before["bias"]
    expect(b1.shape == (4,), f"b1 should be a row of 4; I got {describe(b1)}.")
    begins = f"your b1 begins with {b1[0]:.2f}, but the layer's with {bias[0]:.2f}."
    expect(near(b1, bias), begins)
    _expect_types("", W1, b1, layer)
    _expect_copies("", W1, b1, layer, changed)
    case, layer = "right for nn.Linear(6, 4), but for nn.Linear(5, 5)", nn.Linear(5, 5)
    changed = watched(layer)
    W1, b1 = _pair(_called(case, answer, layer), case)
    expect(
        not near(W1, layer.weight),
        "right for nn.Linear(6, 4), but nn.Linear(5, 5) came back as it was; a square "
        "matrix has to be transposed too, although its shape doesn't show it.",
    )
    expect(
        near(W1, layer.weight.T),
        f"{case} I got {describe(W1)} as W1, and X @ W1 is not the layer's product.",
    )
    expect(near(b1, layer.bias), f"{case} b1 is not the layer's bias.")
    _expect_copies(f"{case} ", W1, b1, layer, changed)
    case = "right with a bias, but for nn.Linear(6, 4, bias=False)"
    layer = nn.Linear(6, 4, bias=False)
    changed = watched(layer)
    W1, b1 = _pair(_called(case, answer, layer), case)
    expect(near(W1, layer.weight.T), f"{case} W1 is not the layer's, transposed.")
    got = f"{case} I got {describe(b1)} as b1"
    expect(b1.shape == (4,), f"{got}; it needs a number for each of the 4 units.")
    expect(not b1.any(), f"{case} b1 should be 0, but begins with {b1[0]:.2f}.")
    _expect_types(f"{case} ", W1, b1, layer)
    _expect_copies(f"{case} ", W1, b1, layer, changed)
    for bias in (True, False):
        case = f"right in float32, but for nn.Linear(6, 4, bias={bias}).double()"
        layer = nn.Linear(6, 4, bias=bias).double()
        W1, b1 = _pair(_called(case, answer, layer), case)
        _expect_types(f"{case} ", W1, b1, layer)
        expect(near(W1, layer.weight.T, 1e-12, 0), f"{case} W1 is rounded.")


def _expect_W1(W1: torch.Tensor, b1: torch.Tensor, weight: torch.Tensor) -> None:
    """Expect the transpose of an nn.Linear(6, 4)'s weight."""
    swapped = (W1.dim(), b1.dim()) == (1, 2)
    expect(not swapped, "the first that I got is the bias; the order is W1, then b1.")
    got = f"for nn.Linear(6, 4) I got {describe(W1)} as W1"
    stored = f"{got}, as the layer stores it, (out, in); ours reads from 6 to 4."
    expect(W1.shape != (4, 6), stored)
    expect(W1.shape == (6, 4), f"{got}.")
    expect(
        not near(W1, weight.reshape(6, 4)),
        "your W1 has the right shape but the wrong numbers: the weights were cut "
        "anew, row by row, instead of being turned.",
    )
    expect(
        near(W1, weight.T),
        "X @ W1 and the layer's own product differ: the weight from input 0 to unit "
        f"1 is {weight[1, 0]:.2f} in the layer, but {W1[0, 1]:.2f} in your W1.",
    )


def _expect_types(
    case: str, W1: torch.Tensor, b1: torch.Tensor, layer: nn.Linear
) -> None:
    """Expect tensors of the layer's type."""
    wanted = layer.weight.dtype
    for name, tensor in (("W1", W1), ("b1", b1)):
        types = (
            f"{case}your {name} is of type {tensor.dtype}, the layer of type {wanted}"
        )
        expect(tensor.dtype == wanted, f"{types}: X @ W1 + b1 is an error then.")


def _expect_copies(
    case: str,
    W1: torch.Tensor,
    b1: torch.Tensor,
    layer: nn.Linear,
    changed: Callable[[], str],
) -> None:
    """Expect an untouched layer, and W1 and b1 independent of it; it changes here."""
    touched = f"{case}your function changed the layer that it was given: {changed()}."
    expect(not changed(), touched)
    kept = W1.detach().clone(), b1.detach().clone()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 1
    for name, tensor, copied in (("W1", W1, kept[0]), ("b1", b1, kept[1])):
        shared = (
            f"{case}your {name} is no copy: I changed the layer, and it changed too."
        )
        expect(near(tensor, copied), shared)
        if tensor.requires_grad:
            tensor.sum().backward()
        free = all(parameter.grad is None for parameter in layer.parameters())
        tied = f"{case}your {name} is still tied to the layer: "
        tied += "its gradient flowed back there."
        expect(free, tied)


def _pair(found: Any, case: str = "") -> tuple[torch.Tensor, torch.Tensor]:
    """The two tensors, W1 and b1, if that is what was returned."""
    fine = isinstance(found, (tuple, list)) and len(found) == 2
    expect(fine, f"{case} I got {describe(found)}; return the two tensors, W1 and b1.")
    for name, value in zip(("W1", "b1"), found):
        got = f"{case} I got {describe(value)} as {name}"
        expect(isinstance(value, torch.Tensor), f"{got}; X @ W1 + b1 needs a tensor.")
    return found


# --- 2.5


def wall(X, rows, columns):
    hung = X.reshape(rows, columns, 28, 28)
    return hung.permute(0, 2, 1, 3).reshape(rows * 28, columns * 28)


@exercise(
    "2.5",
    wall,
    "Give X four sizes first: the row of the wall, the column of the wall, and "
    "the row and the column inside a picture.",
    "Now walk along the top line of the wall. You cross the top line of each "
    "picture in turn, so two of your four sizes have to change places.",
    "permute changes the order of sizes; a last reshape joins neighbours: the "
    "first two sizes become the height, the last two the width.",
    notice="Notice that the wall holds the same numbers as X, read in a different "
    "order; now look at it below.",
)
def check_wall(answer: Callable) -> None:
    _expect_wall(answer, 2, 3, "")
    _expect_wall(answer, 6, 2, "right for 2 rows and 3 columns, but ")


def _expect_wall(answer: Callable, rows: int, columns: int, case: str) -> None:
    """Expect this wall; `case` is how a sentence about it begins."""
    X = torch.arange(rows * columns * 784.0).reshape(-1, 784)  # all pixels differ
    found = ask(answer, X, rows, columns)
    high, wide = 28 * rows, 28 * columns
    size = f"{case}for {rows} rows and {columns} columns I got {describe(found)}"
    four = f"{size}; the order is fine, but four sizes have to become two."
    expect(found.shape != (rows, 28, columns, 28), four)
    expect(found.shape != (wide, high), f"{size}; rows and columns are swapped.")
    expect(
        found.shape == (high, wide),
        f"{size}; {rows} pictures above each other and {columns} side by side are "
        f"{high} pixels high and {wide} wide.",
    )
    four = X.reshape(rows, columns, 28, 28)
    down = X.reshape(columns, rows, 28, 28).permute(1, 2, 0, 3).reshape(high, wide)
    lying = four.permute(0, 3, 1, 2).reshape(high, wide)
    mistakes = {
        X.reshape(high, wide): f"{case}the size is right, but the top line of your "
        f"wall is the first {wide} pixels of picture 0: a reshape alone never leaves a "
        "picture before it is used up.",
        down: f"{case}your picture 1 hangs below picture 0; it belongs to its right, "
        "in reading order.",
        lying: f"{case}every picture hangs in its place, but lies on its side: inside "
        "the pictures, rows and columns are swapped.",
    }
    rule_out(found, mistakes, near)
    wanted = torch.cat([torch.cat(list(row), dim=1) for row in four])
    if near(found, wanted):
        return
    expect(
        found.is_floating_point(),
        f"{case}your wall is of type {found.dtype}, and X of type {X.dtype}; the "
        "pixels have changed on the way.",
    )
    changed = f"{case}your wall holds numbers that are not in X: pixels have changed."
    expect(torch.isin(found.double(), X.double()).all(), changed)
    row, column = (found.double() != wanted.double()).nonzero()[0].tolist()
    there, right = int(found[row, column]), int(wanted[row, column])
    raise NotYet(
        f"{case}at row {row}, column {column} of the wall I expect pixel {right % 784} "
        f"of picture {right // 784}, but found pixel {there % 784} of picture "
        f"{there // 784}."
    )
