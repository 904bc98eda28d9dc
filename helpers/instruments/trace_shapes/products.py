"""Why a matrix product a @ b does not fit: the sizes that clash, the cause, the repair.

The same two shapes have another cause with a hidden layer than with a batch, so the
table of causes also asks where the numbers of a and b come from.
"""

import math
from types import SimpleNamespace

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

# How the product is written, and what clashes in it.
PLAIN = (
    "{a} {a.shape} @ {b} {b.shape}: the last size of {a} is {k} but {b} has {rows} "
    "rows; the two must match."
)
IN_LINEAR = (
    "F.linear({a}, {b}) takes a weight of shape (outputs, inputs): the last sizes of "
    "{a} {a.shape} and {b} {b.shape}, {k} and {rows}, must match."
)
IN_LAYER = (
    "nn.Linear({rows}, {columns}) takes {rows} numbers for each example, but the last "
    "size of {a} {a.shape} is {k}."
)

# The causes and repairs.
FLATTEN_EXAMPLES = "A flatten is missing: use {a}.flatten(1), since {example} = {rows}."
FLATTEN_ONE = "A flatten is missing: use {a}.flatten(), since {sizes} = {rows}."
KEEP_THE_BATCH = (
    "The batch was flattened into one row: use flatten(1), which keeps the first size."
)
SAME_TWICE = (
    "Both are the same tensor: transpose one, as in {a} @ {a}.T or {a}.T @ {a}."
)
INPUT_FIRST = (
    "The two are in the wrong order: use {b} @ {a}, with one example in each row of "
    "{b}."
)
AS_IN_BOOKS = (
    "This is the order in books, where each example is a column: use {b} @ {a}.T, with "
    "one example in each row of {b}."
)
WEIGHT_LIKELY = (
    "The weight {b} is probably transposed: use {b}.T. If instead batch and features "
    "of {a} are swapped, use {a}.T."
)
BATCH_LIKELY = (
    "Batch and features of {a} are probably swapped: use {a}.T. If instead the weight "
    "{b} is transposed, use {b}.T."
)
LAYER_SIZES = (
    "Its two sizes are swapped: use nn.Linear({columns}, {rows}), inputs first; the "
    "layer itself stores its weight transposed."
)
WEIGHT_STACK = "Each matrix in {b} is transposed: use {b}.mT."
WEIGHT = "The weight {b} is transposed: use {b}.T."
BATCH = (
    "Batch and features of {a} are swapped: use {a}.T, with one row of {rows} numbers "
    "for each example."
)
LAYER_WIDTH = (
    "The widths of two layers don't match: use nn.Linear({k}, {columns}), or let the "
    "layer before it output {rows}."
)
WEIGHT_WIDTH = (
    "The widths of two layers don't match: give {b} the shape {wanted}, or let the "
    "layer before it output {rows} columns."
)

# When (p: what `_seen` returns), the cause, the repair. The first row that applies.
CAUSES = (
    (lambda p: p.examples_fit, FLATTEN, FLATTEN_EXAMPLES),
    (lambda p: p.one_row and p.k % p.rows == 0, ALL_FLAT, KEEP_THE_BATCH),
    (lambda p: p.same_twice, OTHER, SAME_TWICE),
    (lambda p: p.weight_first and p.transposed, ORDER, AS_IN_BOOKS),
    (lambda p: p.weight_first and p.fits_reversed, ORDER, INPUT_FIRST),
    (lambda p: p.transposed and p.swapped and p.wide, TRANSPOSED, WEIGHT_LIKELY),
    (lambda p: p.transposed and p.swapped, SWAPPED, BATCH_LIKELY),
    (lambda p: p.transposed and p.in_layer, TRANSPOSED, LAYER_SIZES),
    (lambda p: p.transposed and p.in_stack, TRANSPOSED, WEIGHT_STACK),
    (lambda p: p.transposed, TRANSPOSED, WEIGHT),
    (lambda p: p.swapped, SWAPPED, BATCH),
    (lambda p: p.fits_reversed and not p.hidden, ORDER, INPUT_FIRST),
    (lambda p: p.one_example_fits and not p.hidden, FLATTEN, FLATTEN_ONE),
    (lambda p: p.in_layer, WIDTH, LAYER_WIDTH),
    (lambda p: True, WIDTH, WEIGHT_WIDTH),
)


def explain_product(a: Operand, b: Operand, written: str = PLAIN) -> Explained | None:
    """The cause and a sentence for a @ b, or None where the two fit.

    b: with the shape (..., inputs, outputs). written: PLAIN, IN_LINEAR or IN_LAYER.
    """
    if not a.shape or not b.shape or a.shape[-1] == b.shape[-2:][0]:
        return None
    seen = _seen(a, b, written)
    cause, repair = next(row for applies, *row in CAUSES if applies(seen))
    if written != PLAIN:  # a weight of F.linear has its outputs first
        seen.wanted, b = seen.wanted[::-1], b._replace(shape=b.shape[::-1])
    return cause, f"{written} {repair}".format(a=a, b=b, **vars(seen))


def _seen(a, b, written):
    """What the conditions of CAUSES ask about, and what the sentences say."""
    k, rows, columns = a.shape[-1], b.shape[-2:][0], b.shape[-1]
    plain, matrices = written == PLAIN, len(a.shape) == len(b.shape) == 2
    hidden = a.origin == "computed"  # a hidden layer, whose rows are right
    weight_first = a.origin == "kept" and b.origin != "kept" and b.name[0] not in "Ww"
    return SimpleNamespace(
        k=k,
        rows=rows,
        columns=columns,
        wanted=(*b.shape[:-2], k, columns) if len(b.shape) > 1 else (k,),
        sizes=" * ".join(map(str, a.shape)),
        example=" * ".join(map(str, a.shape[1:])),
        hidden=hidden,
        in_layer=written == IN_LAYER,
        in_stack=len(b.shape) > 2,
        examples_fit=len(a.shape) > 2 and math.prod(a.shape[1:]) == rows,
        one_example_fits=len(a.shape) == 2 and math.prod(a.shape) == rows,
        one_row=len(a.shape) == 1 and k > rows > 0,
        same_twice=plain and (a.name, a.shape) == (b.name, b.shape),
        weight_first=plain and matrices and weight_first,
        fits_reversed=plain and matrices and columns == a.shape[0],
        transposed=columns == k,
        swapped=matrices and a.shape[0] == rows and not hidden,
        # Usually an example has more numbers than a batch has examples.
        wide=k >= a.shape[0],
    )
