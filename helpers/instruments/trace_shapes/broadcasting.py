"""What broadcasting does in silence although nobody wants it: the tracer's warnings."""

import math
from itertools import zip_longest

from helpers.instruments.trace_shapes.messages import Facts, same_shape
from helpers.instruments.trace_shapes.steps import Names, Shape, TraceStep

ALL_PAIRS = (
    "{operation} expanded {a} {a_shape} and {b} {b_shape} to {out}: every element was "
    "paired with every other. To pair them one by one, give both the same shape, as in "
    "{b}.reshape({a}.shape)."
)
COLUMN_BIAS = (
    "{operation} used one number of {b} {b_shape} for each row of {a} {a_shape}. A "
    "bias has one number for each column: if {b} is a bias, give it the shape "
    "({columns},)."
)
EXPANDED = "PyTorch expanded them to {out} instead."

ROLES = ("left", "right")  # names for tensors that have none
SUMS = {"add", "sub", "subtract"}
COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge"}
LOSSES = {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}
PAIRWISE = SUMS | COMPARISONS | {"pow", "maximum", "minimum"}
PAIRWISE |= {"mul", "multiply", "div", "divide", "true_divide"}


def warn(step: TraceStep, meant: bool) -> str:
    """A sentence where broadcasting probably did what nobody wanted, or "".

    step: an operation that succeeded. meant: whether a size of 1 was put into one of
    its inputs on purpose, as by x[:, None].
    """
    name = step.name.rstrip("_")
    if len(step.inputs) != 2 or (out := broadcast(*step.inputs)) is None:
        return ""
    a, b = step.inputs
    names = [name or role for name, role in zip(step.names, ROLES)]
    facts = pair_facts(names, a, b) | {"operation": step.name, "out": out}
    if name in LOSSES and a != b:
        return f"{same_shape(a, b, facts)} {EXPANDED.format(out=out)}"
    if name not in PAIRWISE or meant:
        return ""
    if _pairs_all(step, out):
        return ALL_PAIRS.format(**facts)
    return _column_bias(step, names) if name in SUMS else ""


def _pairs_all(step, out):
    """Whether two lists of the same numbers were probably meant to be paired."""
    a, b = step.inputs
    both_grew = math.prod(out) > max(math.prod(a), math.prod(b))
    same_numbers = [n for n in a if n != 1] == [n for n in b if n != 1]
    return both_grew and same_numbers and (len(a) != len(b) or any(step.kept))


def _column_bias(step, names):
    """The warning where a column was used as a bias, or ""."""
    a, b = step.inputs
    for matrix, column, called, origin in (
        (a, b, names, step.origins[1]),
        (b, a, names[::-1], step.origins[0]),
    ):
        is_column = len(matrix) == 2 and min(matrix) > 1 and column == (matrix[0], 1)
        # One computed on the way, such as a mean over the columns, is no bias.
        if is_column and origin == "kept":
            facts = pair_facts(called, matrix, column) | {"operation": step.name}
            return COLUMN_BIAS.format(**facts, columns=matrix[1])
    return ""


def broadcast(a: Shape, b: Shape) -> Shape | None:
    """The shape that a and b are expanded to, or None where they clash."""
    pairs = [*zip_longest(a[::-1], b[::-1], fillvalue=1)][::-1]
    if any(m != n and 1 not in (m, n) for m, n in pairs):
        return None
    return tuple(n if m == 1 else m for m, n in pairs)


def pair_facts(names: Names, a: Shape, b: Shape) -> Facts:
    """What sentences say of two tensors."""
    return {"a": names[0], "b": names[1], "a_shape": a, "b_shape": b}
