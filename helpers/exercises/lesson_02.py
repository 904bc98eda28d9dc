"""The exercises of 02_shapes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from helpers.exercises.comparing import furthest, near
from helpers.exercises.exercise import (
    NotYet,
    ask,
    describe,
    exercise,
    expect,
    rule_out,
    saying,
    two_tensors,
    whole_number,
)
from helpers.language import tr, tr_n

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
    first = tr(
        "for 6 pictures and 6 units I got {found}: with W1 first, the product adds up "
        "the 6 pictures, not 784 pixels."
    )
    expect(found.shape != (784, 784), first, found=describe(found))
    wrong = tr(
        "for 6 pictures and 6 units I got {found}; I expect a row for each picture and "
        "a column for each unit."
    )
    expect(found.shape == (6, 6), wrong, found=describe(found))
    _explain_hidden(found, pictures, W1, b1)
    wanted = hidden(pictures, W1, b1)
    n, k = furthest(found, wanted)
    why = tr(
        "unit {unit} of picture {picture} should have the hidden value {wanted:.2f}, "
        "but I got {found:.2f}."
    )
    expect(
        near(found, wanted),
        why,
        unit=k,
        picture=n,
        wanted=wanted[n, k],
        found=found[n, k],
    )
    W1, b1 = torch.rand(784, 5) - 0.4, torch.randn(5)  # the sums are large
    found = ask(answer, pictures[:1], W1, b1)
    why = tr(
        "right for 6 pictures, but for one, of shape (1, 28, 28), and 5 units I got "
        "{found} instead of one of shape (1, 5)."
    )
    expect(found.shape == (1, 5), why, found=describe(found))
    why = tr(
        "right for 6 pictures, but for one, of shape (1, 28, 28), and 5 units I got "
        "the wrong hidden values."
    )
    expect(near(found, hidden(pictures[:1], W1, b1)), why)
    one_unit = pictures, W1[:, :1], b1[:1]
    found = ask(answer, *one_unit)
    why = tr(
        "right for 6 units, but for 6 pictures and a single unit I got {found}, and "
        "expect one of shape (6, 1)."
    )
    expect(near(found, hidden(*one_unit)), why, found=describe(found))


def _explain_hidden(
    found: torch.Tensor, pictures: torch.Tensor, W1: torch.Tensor, b1: torch.Tensor
) -> None:
    """Name the mistake in hidden values of shape (6, 6), if it is a known one."""
    relu, sums = torch.relu, pictures.flatten(1) @ W1
    scattered = pictures.reshape(784, 6).T @ W1
    by_columns = pictures.transpose(1, 2).flatten(1) @ W1
    as_in_the_book = tr("your rows are units, as in the book; here a row is a picture.")
    no_relu = tr("your activation is not relu: no value is above {highest:.2f}.")
    mistakes = {
        relu(sums + b1).T: as_in_the_book,
        relu(sums.T + b1): as_in_the_book,
        relu(sums) + b1: tr(
            "you added b1 after relu, so a hidden value can still be negative: the "
            "smallest is {lowest:.2f}."
        ),
        sums + b1: tr(
            "{negative} of the 36 hidden values are negative: they have not gone "
            "through relu."
        ),
        relu(sums): tr("b1 has no effect: I get the hidden values for biases of 0."),
        relu(sums + b1[:, None]): tr(
            "each picture got its own bias, instead of each unit: b1 was added as a "
            "column. With 6 pictures and 6 units that raises no error."
        ),
        relu(scattered + b1): tr(
            "the shapes are right, but each of your rows holds pixels from all 6 "
            "pictures; a reshape to (784, N) cuts the pictures apart, and .T doesn't "
            "put them back together."
        ),
        relu(by_columns + b1): tr(
            "you read each picture column by column; W1 expects it row by row, with "
            "the pixel of row r and column c at 28 * r + c."
        ),
        torch.sigmoid(sums + b1): no_relu,
        torch.tanh(sums + b1): no_relu,
    }
    rule_out(
        found,
        mistakes,
        near,
        lowest=found.min(),
        negative=int((found < 0).sum()),
        highest=found.max(),
    )


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
    found = whole_number(ask(answer, [784, 256, 10], kind=object))
    weights = 784 * 256 + 256 * 10
    mistakes = {
        weights: tr(
            "{found:,} is the number of weights alone; the biases are missing."
        ),
        weights + 784 + 256 + 10: tr(
            "784 too many: you gave every pixel a bias too, but pixels are given, not "
            "computed."
        ),
        weights + 784 + 256: tr(
            "you gave each layer as many biases as it has inputs, so {found:,} in all; "
            "what has a bias, the inputs of a layer or its units?"
        ),
        weights + 256: tr("10 are missing: the ten scores have biases too."),
        weights + 2: tr(
            "you counted one bias for each layer, and got {found:,}; every unit has "
            "its own."
        ),
        784 * 256 + 256: tr(
            "{found:,} is the number of parameters in the first layer; there is a "
            "second one, from 256 to 10."
        ),
        256 * 10 + 10: tr(
            "{found:,} is the number of parameters in the last layer alone; does your "
            "loop start again from 0 for each layer?"
        ),
        784 * 256 * 10: tr(
            "you multiplied all three widths, as if each pixel had a weight for each "
            "pair of a unit and a score; a layer knows only two widths."
        ),
        784 + 256 + 10: tr(
            "you added up the widths, so {found:,} counts pixels, units and scores; "
            "count the weights between them."
        ),
    }
    rule_out(found, mistakes, found=found)
    right = weights + 256 + 10
    wrong = tr(
        "for [784, 256, 10] I got {found:,}, but MLP(784, 256, 10) has {right:,}."
    )
    expect(found == right, wrong, found=found, right=right)
    for widths, right in (
        ([784, 10], 7850),
        ([5, 4, 3, 2], 47),
        ([2, 4, 2, 4, 2, 3], 53),
    ):
        found = whole_number(ask(answer, widths, kind=object))
        layers = len(widths) - 1
        why = tr_n(
            "right for [784, 256, 10], but for {widths}, the widths of one layer, I "
            "got {found:,}.",
            "right for [784, 256, 10], but for {widths}, the widths of {layers} "
            "layers, I got {found:,}.",
            layers,
        )
        expect(found == right, why, widths=widths, layers=layers, found=found)


# --- 2.3

# Translators: {case} is what the answer was given, such as "8 scores and 5 answers".
REPEATED = tr("with {case} there was no error: the single one was compared with all 8.")
LEFT_OUT = tr(
    "with {case} there was no error: only as many pairs were compared as the shorter "
    "one has."
)
NO_ERROR = tr("with {case} there was no error; your function returned {found}.")
A_NUMBER = tr("the number {number:.2f}")


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
    for one, other in (
        ((8,), (8, 1)),
        ((8, 1), (8, 1)),
        ((8,), (8,)),
        ((1, 1), (1,)),
        ((1,), (1, 1)),
    ):
        with saying(
            tr(
                "right for (8, 1) and (8,), but with scores of shape {one} and answers "
                "of shape {other} {why}"
            ),
            one=one,
            other=other,
        ):
            inputs = scores[: one[0]].reshape(one), answers[: one[0]].reshape(other)
            _expect_loss(answer, *inputs)
    for case, *inputs in (
        (tr("8 scores and a single answer"), scores[:, None], answers[:1]),
        (tr("a single score and 8 answers"), scores[:1], answers),
        (tr("8 scores and 5 answers"), scores[:, None], answers[:5]),
        (tr("5 scores and 8 answers"), scores[:5], answers),
    ):
        _expect_error(case, answer, *inputs)


def _expect_mean(found: Any, scores: torch.Tensor, answers: torch.Tensor) -> None:
    """Expect the mean of the 8 squared differences, with a gradient behind it."""
    plain = tr(
        "for 8 scores and 8 answers I got {found}, not a tensor: no gradient flows "
        "back from a plain number."
    )
    expect(isinstance(found, torch.Tensor), plain, found=describe(found))
    paired = tr(
        "for 8 scores and 8 answers I got {found}: every score was paired with every "
        "answer."
    )
    expect(found.shape != (8, 8), paired, found=describe(found))
    why = tr(
        "for 8 scores and 8 answers I got {found}; the loss is one number, of shape ()."
    )
    expect(found.dim() == 0, why, found=describe(found))
    each, pairs = (scores - answers) ** 2, (scores[:, None] - answers) ** 2
    all_pairs = tr(
        "I got a loss over 64 pairs: each score was paired with all 8 answers."
    )
    mistakes = {
        pairs.mean(): all_pairs,
        pairs.sum(): all_pairs,
        pairs.sum() / 8: all_pairs,
        each.sum(): tr("I got the sum of the 8 squares, not their mean."),
        (scores - answers).mean() ** 2: tr(
            "you squared the mean of the differences, so one that is too high and one "
            "that is too low cancel each other."
        ),
        (scores - answers).abs().mean(): tr(
            "I got the mean of the absolute differences; they are not squared."
        ),
        each.mean().sqrt(): tr("I got the root of the mean, not the mean itself."),
    }
    rule_out(found, mistakes, near)
    why = tr(
        "for 8 random scores and answers I got {found:.2f}, but the mean of the 8 "
        "squared differences is {wanted:.2f}."
    )
    expect(near(found, each.mean()), why, found=found, wanted=each.mean())


def _expect_gradient(
    found: torch.Tensor, scores: torch.Tensor, answers: torch.Tensor
) -> None:
    """Expect that of the mean of the squares."""
    cut = tr("the number is right, but no gradient flows from it back to the scores.")
    expect(found.requires_grad, cut)
    (got,) = torch.autograd.grad(found, scores, allow_unused=True)
    expect(got is not None, cut)
    wanted = (scores.detach().flatten() - answers) / 4
    why = tr(
        "the number is right, but not the gradient that flows back: for the first "
        "score it is {found:.3f} instead of {wanted:.3f}."
    )
    expect(near(got.flatten(), wanted), why, found=got.flatten()[0], wanted=wanted[0])


def _expect_loss(answer: Callable, scores: torch.Tensor, answers: torch.Tensor) -> None:
    """Expect the mean of the squared differences, whatever the shapes."""
    found = ask(answer, scores, answers, kind=object)
    wanted = F.mse_loss(scores.flatten(), answers.flatten())
    fine = isinstance(found, torch.Tensor)
    seen = f"{found:.2f}" if fine and found.dim() == 0 else describe(found)
    right = fine and near(found, wanted)
    expect(right, tr("I got {seen} instead of {wanted:.2f}."), seen=seen, wanted=wanted)


def _expect_error(case: str, answer: Callable, *inputs: torch.Tensor) -> None:
    """Expect an error, of any kind; else say how a loss came out."""
    try:
        found = answer(*inputs)
    except Exception:
        return
    scores, answers = (one.flatten() for one in inputs)
    shorter = min(len(scores), len(answers))
    fine = isinstance(found, torch.Tensor) and found.dim() == 0
    if fine and shorter == 1 and near(found, ((scores - answers) ** 2).mean()):
        raise NotYet(REPEATED, case=case)
    if fine and near(found, F.mse_loss(scores[:shorter], answers[:shorter])):
        raise NotYet(LEFT_OUT, case=case)
    seen = A_NUMBER.format(number=found) if fine else describe(found)
    raise NotYet(NO_ERROR, case=case, found=seen)


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
    W1, b1 = two_tensors(ask(answer, layer, kind=object))
    _expect_W1(W1, layer.weight.detach())
    _expect_rest(W1, b1, layer)
    for case, layer in (
        ("nn.Linear(5, 5)", nn.Linear(5, 5)),
        ("nn.Linear(1, 4)", nn.Linear(1, 4)),  # whose transpose is contiguous
        ("nn.Linear(6, 4, bias=False)", nn.Linear(6, 4, bias=False)),
        ("nn.Linear(6, 4).double()", nn.Linear(6, 4).double()),
        (
            "nn.Linear(6, 4, bias=False).double()",
            nn.Linear(6, 4, bias=False).double(),
        ),
    ):
        # Translators: {why} is a sentence about W1 or b1.
        with saying(tr("right for nn.Linear(6, 4), but for {case} {why}"), case=case):
            W1, b1 = two_tensors(ask(answer, layer, kind=object))
            why = tr(
                "W1 is as the layer stores it; a square matrix has to be transposed "
                "too, although its shape doesn't show it."
            )
            expect(layer.in_features != 5 or not near(W1, layer.weight), why)
            why = tr("I got {found} as W1, and X @ W1 is not the layer's product.")
            expect(near(W1, layer.weight.T), why, found=describe(W1))
            _expect_rest(W1, b1, layer)


def _expect_W1(W1: torch.Tensor, weight: torch.Tensor) -> None:
    """Expect the transpose of an nn.Linear(6, 4)'s weight."""
    stored = tr(
        "for nn.Linear(6, 4) I got {found} as W1, as the layer stores it, (out, in); "
        "ours reads from 6 to 4."
    )
    expect(W1.shape != (4, 6), stored, found=describe(W1))
    why = tr("for nn.Linear(6, 4) I got {found} as W1.")
    expect(W1.shape == (6, 4), why, found=describe(W1))
    why = tr(
        "your W1 has the right shape but the wrong numbers: the weights were cut anew, "
        "row by row, instead of being turned."
    )
    expect(not near(W1, weight.reshape(6, 4)), why)
    why = tr(
        "X @ W1 and the layer's own product differ: the weight from input {i} to unit "
        "{k} is {wanted:.4f} in the layer, but {found:.4f} in your W1."
    )
    i, k = furthest(W1, weight.T)
    facts = {"i": i, "k": k, "wanted": weight[k, i], "found": W1[i, k]}
    expect(near(W1, weight.T), why, **facts)


def _expect_rest(W1: torch.Tensor, b1: torch.Tensor, layer: nn.Linear) -> None:
    """Expect the layer's bias, its type, and copies; the layer changes here."""
    units, wanted = layer.out_features, layer.weight.dtype
    why = tr("I got {found} as b1, and expect a row of {units}, one for each unit.")
    expect(b1.shape == (units,), why, found=describe(b1), units=units)
    bias = torch.zeros(units) if layer.bias is None else layer.bias
    (k,) = furthest(b1, bias)
    why = tr("b1[{k}] should be {wanted:.3g}, but is {found:.3g}.")
    expect(near(b1, bias), why, k=k, wanted=bias[k], found=b1[k])
    for name, tensor in (("W1", W1), ("b1", b1)):
        why = tr(
            "your {name} is of type {dtype}, the layer of type {wanted}: X @ W1 + b1 "
            "is an error then."
        )
        fine = tensor.dtype == wanted
        expect(fine, why, name=name, dtype=tensor.dtype, wanted=wanted)
    kept = W1.detach().clone(), b1.detach().clone()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.data += 1  # which views notice, however they were made
    for name, tensor, copied in (("W1", W1, kept[0]), ("b1", b1, kept[1])):
        shared = tr("your {name} is no copy: I changed the layer, and it changed too.")
        expect(near(tensor, copied), shared, name=name)
        if tensor.requires_grad:
            tensor.sum().backward()
        free = all(parameter.grad is None for parameter in layer.parameters())
        tied = tr(
            "your {name} is still tied to the layer: its gradient flowed back there."
        )
        expect(free, tied, name=name)


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
    _expect_wall(answer, 2, 3)
    with saying(tr("right for 2 rows and 3 columns, but {why}")):
        _expect_wall(answer, 6, 2)


def _expect_wall(answer: Callable, rows: int, columns: int) -> None:
    X = 0.5 + torch.arange(rows * columns * 784.0).reshape(-1, 784)  # all differ
    found = ask(answer, X, rows, columns)
    high, wide = 28 * rows, 28 * columns
    said = {"rows": rows, "columns": columns, "found": describe(found)}
    four = tr(
        "for {rows} rows and {columns} columns I got {found}; the order is fine, but "
        "four sizes have to become two."
    )
    expect(found.shape != (rows, 28, columns, 28), four, **said)
    why = tr(
        "for {rows} rows and {columns} columns I got {found}; rows and columns are "
        "swapped."
    )
    expect(found.shape != (wide, high), why, **said)
    why = tr(
        "for {rows} rows and {columns} columns I got {found}; {rows} pictures above "
        "each other and {columns} side by side are {high} pixels high and {wide} wide."
    )
    expect(found.shape == (high, wide), why, **said, high=high, wide=wide)
    _expect_pixels(found, X, rows, columns)


def _expect_pixels(
    found: torch.Tensor, X: torch.Tensor, rows: int, columns: int
) -> None:
    """Expect each pixel in its place on a wall of the right size."""
    high, wide = found.shape
    four = X.reshape(rows, columns, 28, 28)
    down = X.reshape(columns, rows, 28, 28).permute(1, 2, 0, 3).reshape(high, wide)
    lying = four.permute(0, 3, 1, 2).reshape(high, wide)
    mistakes = {
        X.reshape(high, wide): tr(
            "the size is right, but the top line of your wall is the first {wide} "
            "pixels of picture 0: a reshape alone never leaves a picture before it is "
            "used up."
        ),
        down: tr(
            "your picture 1 hangs below picture 0; it belongs to its right, in reading "
            "order."
        ),
        lying: tr(
            "every picture hangs in its place, but lies on its side: inside the "
            "pictures, rows and columns are swapped."
        ),
    }
    rule_out(found, mistakes, near, wide=wide)
    wanted = torch.cat([torch.cat(list(row), dim=1) for row in four])
    if near(found, wanted):
        return
    why = tr(
        "your wall is of type {found_type}, and X of type {dtype}; the pixels have "
        "changed on the way."
    )
    expect(found.is_floating_point(), why, found_type=found.dtype, dtype=X.dtype)
    changed = tr("your wall holds numbers that are not in X: pixels have changed.")
    expect(torch.isin(found.double(), X.double()).all(), changed)
    row, column = (found.double() != wanted.double()).nonzero()[0].tolist()
    there, right = int(found[row, column]), int(wanted[row, column])
    why = tr(
        "at row {row}, column {column} of the wall I expect pixel {pixel} of picture "
        "{picture}, but found pixel {found_pixel} of picture {found_picture}."
    )
    raise NotYet(
        why,
        row=row,
        column=column,
        pixel=right % 784,
        picture=right // 784,
        found_pixel=there % 784,
        found_picture=there // 784,
    )
