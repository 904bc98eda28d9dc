"""Why a matrix product a @ b does not fit: the sizes that clash, the cause, the repair.

The same two shapes have another cause with a hidden layer than with a batch, so the
table of causes also asks where the numbers of a and b come from.
"""

import math

from helpers.instruments.trace_shapes.messages import (
    ALL_FLAT,
    FLATTEN,
    ORDER,
    OTHER,
    SWAPPED,
    TRANSPOSED,
    WIDTH,
    Explained,
)
from helpers.instruments.trace_shapes.steps import Operand
from helpers.language import SPACE, tr

# How the product is written, and what clashes in it.
PLAIN = tr(
    "{a} {a.shape} @ {b} {b.shape}: the last size of {a} is {k} but {b} has {rows} "
    "rows; the two must match."
)
IN_LINEAR = tr(
    "F.linear takes a weight of shape (outputs, inputs): the last sizes of {a} "
    "{a.shape} and {b} {b.shape}, {k} and {rows}, must match."
)
IN_LAYER = tr(
    "nn.Linear({rows}, {columns}) takes {rows} numbers for each example, but the last "
    "size of {a} {a.shape} is {k}."
)

# The causes and repairs.
FLATTEN_EXAMPLES = tr(
    "A flatten is missing: use {a:.flatten(1)}, since {example} = {rows}."
)
FLATTEN_AND_WIDTH = tr(
    "A flatten is missing: use {a:.flatten(1)}, or nn.Flatten() before the layer, and "
    "then nn.Linear({numbers}, {columns}), since {example} = {numbers}."
)
FLATTEN_AND_SHAPE = tr(
    "A flatten is missing: use {a:.flatten(1)}, since {example} = {numbers}, and give "
    "{b} the shape {wanted}."
)
FLATTEN_ONE = tr("A flatten is missing: use {a:.flatten()}, since {sizes} = {rows}.")
ONE_EXAMPLE = tr(
    "This is one example without a batch dimension: use {a:.reshape(1, -1)}, since "
    "{sizes} = {rows}."
)
KEEP_THE_BATCH = tr(
    "The batch became one row: use flatten(1), which keeps the first size."
)
SAME_TWICE = tr("Both are the same tensor: use {a} @ {a}.T or {a}.T @ {a}.")
SAME_STACK = tr("Both are the same tensor: use {a} @ {a}.mT or {a}.mT @ {a}.")
REVERSED = tr(
    "The sizes of {b} are those of {a} in reverse, as .T makes them. To swap only the "
    "last two, use .mT."
)
INPUT_FIRST = tr(
    "The two are in the wrong order: use {b} @ {a}, with one example in each row of "
    "{b}."
)
SWAP_THEM = tr(
    "The two are in the wrong order: swap them, so that the examples come first, one "
    "in each row."
)
AS_IN_BOOKS = tr(
    "This is the order in books, where each example is a column: use {b} @ {a}.T, with "
    "one example in each row of {b}."
)
WEIGHT_LIKELY = tr(
    "The weight is probably transposed: use {b:.T}. If instead batch and features of "
    "{a} are swapped, use {a:.T}."
)
BATCH_LIKELY = tr(
    "Batch and features of {a} are probably swapped: use {a:.T}. If instead the "
    "weight is transposed, use {b:.T}."
)
LAYER_SIZES = tr(
    "Its two sizes are swapped: use nn.Linear({columns}, {rows}), inputs first; the "
    "layer itself stores its weight transposed."
)
WEIGHT_STACK = tr("Each matrix in {b} is transposed: use {b:.mT}.")
WEIGHT = tr("The weight is transposed: use {b:.T}.")
BATCH = tr(
    "Batch and features of {a} are swapped: use {a:.T}, with {rows} numbers in each "
    "row."
)
LAYER_WIDTH = tr(
    "The widths of two layers don't match: use nn.Linear({k}, {columns}), or let the "
    "layer before it output {rows}."
)
WEIGHT_WIDTH = tr(
    "The widths of two layers don't match: give {b} the shape {wanted}, or let the "
    "layer before it output {rows} columns."
)


def explain_product(
    a: Operand, b: Operand, written: str, maps: bool
) -> Explained | None:
    """The cause and a sentence for a @ b, or None where the two fit.

    b: with the shape (..., inputs, outputs). written: PLAIN, IN_LINEAR or IN_LAYER.
    maps: whether a is what a convolution made.
    """
    if not a.shape or not b.shape or a.shape[-1] == b.shape[-2:][0]:
        return None
    k, rows, columns = a.shape[-1], b.shape[-2:][0], b.shape[-1]
    matrices = len(a.shape) == len(b.shape) == 2
    hidden = a.origin == "computed"  # a hidden layer, whose rows are right
    one_matrix = len(a.shape) == 2 and a.count == rows and not hidden
    transposed = columns == k
    swapped = matrices and a.shape[0] == rows and not hidden
    both, one_row = transposed and swapped, len(a.shape) == 1 and k > rows > 0
    plain, in_layer = written == PLAIN, written == IN_LAYER
    same = plain and a.name and a[:2] == b[:2]
    reversed_fits = plain and matrices and columns == a.shape[0]
    kept_first = plain and matrices and a.origin == "kept" and b.origin != "kept"
    pictures = len(a.shape) == 4 and a.shape[2] == k and len(b.shape) == 2
    weight_first = kept_first and not b.name.startswith(("W", "w"))
    causes = (  # when, the cause, the repair; the first row that applies
        (a.shape[1:] and math.prod(a.shape[1:]) == rows, FLATTEN, FLATTEN_EXAMPLES),
        (one_row and k % rows == 0, ALL_FLAT, KEEP_THE_BATCH),
        (same and len(a.shape) > 2, OTHER, SAME_STACK),
        (same, OTHER, SAME_TWICE),
        (plain and len(a.shape) > 2 and a.shape == b.shape[::-1], OTHER, REVERSED),
        (weight_first and transposed, ORDER, AS_IN_BOOKS),
        (weight_first and reversed_fits, ORDER, INPUT_FIRST),
        # Usually an example has more numbers than a batch has examples.
        (both and k >= a.shape[0], TRANSPOSED, WEIGHT_LIKELY),
        (both, SWAPPED, BATCH_LIKELY),
        (transposed and in_layer, TRANSPOSED, LAYER_SIZES),
        (transposed and len(b.shape) > 2, TRANSPOSED, WEIGHT_STACK),
        (transposed, TRANSPOSED, WEIGHT),
        (swapped, SWAPPED, BATCH),
        (reversed_fits and not hidden, ORDER, INPUT_FIRST),
        (in_layer and one_matrix, FLATTEN, ONE_EXAMPLE),
        (one_matrix, FLATTEN, FLATTEN_ONE),
        (in_layer and (maps or len(a.shape) > 3), FLATTEN, FLATTEN_AND_WIDTH),
        (in_layer, WIDTH, LAYER_WIDTH),
        (pictures, FLATTEN, FLATTEN_AND_SHAPE),
        (True, WIDTH, WEIGHT_WIDTH),
    )
    cause, repair = next(row for applies, *row in causes if applies)
    if cause == ORDER and not (a.name and b.name):
        repair = SWAP_THEM
    numbers = math.prod(a.shape[1:])
    inputs = numbers if cause == FLATTEN else k
    wanted = (*b.shape[:-2], inputs, columns) if len(b.shape) > 1 else (inputs,)
    if not plain:  # a weight of F.linear has its outputs first
        wanted, b = wanted[::-1], b._replace(shape=b.shape[::-1])
    facts = {"a": a, "b": b, "k": k, "rows": rows, "columns": columns, "wanted": wanted}
    sizes = [" * ".join(map(str, shape)) for shape in (a.shape, a.shape[1:])]
    facts |= {"sizes": sizes[0], "example": sizes[1]}
    facts["numbers"] = numbers
    return cause, f"{written}{SPACE}{repair}".format(**facts)
