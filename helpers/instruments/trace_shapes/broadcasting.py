"""What broadcasting does in silence although nobody wants it: the tracer's warnings."""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from helpers.instruments.trace_shapes.messages import same_shape
from helpers.instruments.trace_shapes.steps import Shape, TraceStep

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
    both_grew = math.prod(out) > max(math.prod(a), math.prod(b))
    same_numbers = [n for n in a if n != 1] == [n for n in b if n != 1]
    if both_grew and same_numbers and (len(a) != len(b) or any(step.kept)):
        return ALL_PAIRS.format(**facts)
    # One computed on the way, such as a mean over the columns, is no bias.
    may_be_bias = [origin == "kept" for origin in step.origins]
    ways = (a, b, names, may_be_bias[1]), (b, a, names[::-1], may_be_bias[0])
    for matrix, column, names, may_be in ways:
        is_column = len(matrix) == 2 and min(matrix) > 1 and column == (matrix[0], 1)
        if name in SUMS and may_be and is_column:
            facts = pair_facts(names, matrix, column) | {"operation": step.name}
            return COLUMN_BIAS.format(**facts, columns=matrix[1])
    return ""


def broadcast(a: Shape, b: Shape) -> Shape | None:
    """The shape that a and b are expanded to, or None where they clash."""
    pairs = [*zip_longest(a[::-1], b[::-1], fillvalue=1)][::-1]
    if any(m != n and 1 not in (m, n) for m, n in pairs):
        return None
    return tuple(n if m == 1 else m for m, n in pairs)


def pair_facts(names: Sequence[str], a: Shape, b: Shape) -> dict[str, Any]:
    """What sentences say of two tensors."""
    return {"a": names[0], "b": names[1], "a_shape": a, "b_shape": b}
