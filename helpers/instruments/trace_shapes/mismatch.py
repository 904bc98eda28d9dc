"""Why shapes don't fit: the two sizes that clash, the likely cause and the repair.

`explain` reads the shapes that an operation was given, and where their numbers came
from. If they don't tell, it reads PyTorch's own message, or repeats it. `warn` is for
shapes that fit by broadcasting alone, although nobody wanted it.
"""

import math
import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch

from helpers.instruments.trace_shapes import layers, messages, products
from helpers.instruments.trace_shapes.messages import BIAS, OTHER, Explained
from helpers.instruments.trace_shapes.steps import Block, Operand, Shape, TraceStep
from helpers.language import COMMA, NO_MESSAGE, SPACE, tr
from helpers.tables import one_line

STACKS = tr(
    "{a} {a.shape} @ {b} {b.shape}: both are stacks of matrices, so the sizes before "
    "the last two, {first} and {second}, must be equal, or one of them must be 1."
)
PAIRED = tr(
    "{operation} of {a} {a.shape} and {b} {b.shape}: counted from the right, the sizes "
    "{first} and {second} meet; they must be equal, or one of them must be 1."
)
BIAS_LENGTH = tr(
    "The bias shape is wrong: a bias has one number for each column of {a}, so give "
    "{b} the shape ({columns},)."
)
BIAS_PER_ROW = tr(
    "There is one number for each row. Only if each column is an example, as in "
    "W @ X, use {b:.unsqueeze(1)}."
)
PER_FIRST = tr("The sizes of {b} are the first ones of {a}: use {b:[..., {nones}]}.")
FIRST_AND_LAST = tr(
    "The sizes of {b} are the first and the last one of {a}: use {b:[:, {nones}, :]}."
)
PER_ROW = tr("For each row of {a}, {b} has one number: use {b:.unsqueeze(1)}.")
RESHAPE = tr(
    "{operation} to {wanted} needs {needed} numbers, but {a} {a.shape} holds "
    "{a.count}. A reshape keeps every number, so the sizes must multiply to {a.count}."
)
RESHAPE_TO = tr("For example, {operation}{fitting} would work.")
RESHAPE_REST = tr(
    "{operation} to {wanted}: {a} {a.shape} holds {a.count} numbers, which {needed} "
    "does not divide, so no size fits in place of -1."
)
NOT_COMPARED = tr(
    "{operation} compares each row of {a} {a.shape} with each row of {b} {b.shape}, so "
    "their last sizes, {first} and {second}, must be equal."
)
WRONG_MASK = tr(
    "The mask {c.shape} must fit ({rows}, {columns}), with a row for each step that "
    "asks and a column for each step that is looked at."
)
REFUSED = tr("{operation} can't take {shapes}. PyTorch says: {message}.")
NOT_SHAPES = tr(
    "{operation} on {shapes} raised {kind}, but the shapes are not the cause. PyTorch "
    "says: {message}."
)
A_TUPLE = tr(
    "{operation} needs a tensor but gets a tuple. A layer such as LSTM returns its "
    "outputs and its state: take them apart, as in outputs, state = lstm(X)."
)
ROWS_MADE = tr(
    "{operation} made {rows} rows of {a} {a.shape}: use {a:.flatten(1)}, which keeps "
    "the first size and gives {numbers} numbers for each."
)
TOO_LARGE = tr(
    "A number for {operation} is larger than allowed. PyTorch says: {message}."
)
OWN_AT_ONCE = tr("The code raised {kind} before its first operation: {message}.")
OWN_AFTER = tr(
    "The code raised {kind} after operation {count}, {operation}: {message}."
)
ALL_PAIRS = tr(
    "{operation} expanded {a} {a.shape} and {b} {b.shape} to {out}: every element was "
    "paired with every other. To pair them one by one, give both the same shape, as in "
    "{b:.reshape({a.its_shape})}."
)
COLUMN_BIAS = tr(
    "{operation} used one number of {b} {b.shape} for each row of {a} {a.shape}. A "
    "bias has one number for each column: if {b} is a bias, give it the shape "
    "({a.shape[1]},)."
)
EXPANDED = tr("PyTorch expanded them to {out} instead.")

MAX_TEXT = 66  # characters of a list of shapes
MAX_MESSAGE = 240  # characters of PyTorch's own message
ATTENTION = "scaled_dot_product_attention"
SUMS = {"add", "sub", "subtract"}
COMPARISONS = {"eq", "ne", "lt", "le", "gt", "ge"}
LOSSES = {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}
PAIRWISE = SUMS | COMPARISONS | {"pow", "maximum", "minimum"}
PAIRWISE |= {"mul", "multiply", "div", "divide", "true_divide"}
PRODUCTS = {"matmul", "mm", "bmm", "mv", "dot", "addmm", "linear"}
ABOUT_SHAPES = re.compile(
    r"\b(\w*sizes?|shapes?|dims?|dimensions?|dimensional|elements?|broadcast|channels|"
    r"matrix|matrices|vectors?|height|width|more than one value|multi-target|"
    r"class probabilities|number|out of range|length|1D|2D|3D|4D|\d-D|"
    r"scalar outputs|normalized_shape|\w+_size)\b",
    re.IGNORECASE,
)
ABOUT_NUMBERS = re.compile(
    r"^(Target -?\d+ is out of|index out of range in self|Class values must)"
)
LOOKUPS = {"gather", "scatter", "scatter_", "take_along_dim", "one_hot"}


def explain(
    step: TraceStep,
    error: Exception,
    block: Block,
    module: Any,
    before: Sequence[TraceStep],
) -> Explained:
    """The cause and a sentence for an operation, or a module of PyTorch's, that raised.

    step: the operation. block, module: the call of the one around it, or of what was
    traced. before: the operations before it. The cause is None where the shapes are
    not the cause.
    """
    layer, given = block.kind, block.inputs
    facts = {"operation": step.name, "shapes": listed(step.inputs), "layer": layer}
    facts |= _said(error) | dict(zip("ab", step.operands())) | {"given": listed(given)}
    message = facts["message"]
    if ABOUT_NUMBERS.match(message) or step.name in LOOKUPS and "out of" in message:
        known = messages.read(facts, messages.RANGES) if "b" in facts else None
        return known or (None, TOO_LARGE.format(**facts))
    if "must be Tensor, not tuple" in message:
        return None, A_TUPLE.format(**facts)
    if "dtype" in message or "device" in message or not ABOUT_SHAPES.search(message):
        known = messages.read(facts, messages.TYPES) if "a" in facts else None
        return known or (None, NOT_SHAPES.format(**facts))
    found = layers.explain_layer(facts, module, given) or _clash(
        step, layer, message, before
    )
    if step.name == "linear" and found and (said := layers.unbatched(before)):
        return OTHER, said
    found = found or messages.read(facts) or (OTHER, REFUSED.format(**facts))
    if step.is_loss() and step.inputs[0][:1] != step.inputs[1][:1]:
        cause, sentence = found
        rows = _rows_made(before, step.inputs[0][0])
        return cause, SPACE.join(filter(None, [sentence, rows]))
    return found


def _rows_made(before, rows):
    """A sentence if a view or a reshape made as many rows out of others, or ""."""
    for one in before:
        given, made = one.operands()[:1], one.outputs[:1]
        if one.name in ("view", "reshape") and given and made[0][:1] == (rows,):
            (a,) = given
            if a.shape[0] != rows:
                numbers = math.prod(a.shape[1:])
                facts = {"operation": one.name, "rows": rows, "numbers": numbers}
                return ROWS_MADE.format(**facts, a=a)
    return ""


def explain_own(steps: Sequence[TraceStep], error: Exception) -> Explained:
    """None and a sentence where the learner's own code raised, after these steps."""
    if not steps:
        return None, OWN_AT_ONCE.format(**_said(error))
    facts = _said(error) | {"count": len(steps), "operation": steps[-1].name}
    return None, OWN_AFTER.format(**facts)


def _said(error):
    """The error's type, and what it says, without its full stop."""
    message = one_line(error, NO_MESSAGE)[:MAX_MESSAGE].rstrip(".!")
    return {"kind": type(error).__name__, "message": message}


def warn(step: TraceStep, meant: bool) -> str:
    """A sentence where broadcasting probably did what nobody wanted, or "".

    step: an operation that succeeded. meant: whether a size of 1 was put into one of
    its inputs on purpose, as by x[:, None].
    """
    name = step.name.rstrip("_")
    if name not in PAIRWISE | LOSSES or len(step.inputs) != 2 or clash(*step.inputs):
        return ""
    a, b = step.operands()
    out = tuple(torch.broadcast_shapes(a.shape, b.shape))
    facts = {"a": a, "b": b, "operation": step.name, "out": out}
    if name in LOSSES:
        said = messages.say(messages.SAME_SHAPE, facts), EXPANDED.format(out=out)
        same = SPACE.join(said)
        return "" if a.shape == b.shape else same
    if meant:
        return ""
    both_grew = math.prod(out) > max(a.count, b.count)
    may_pair = len(a.shape) != len(b.shape) or any(step.kept)
    if both_grew and a.sizes == b.sizes and may_pair:
        return ALL_PAIRS.format(**facts)
    for matrix, column in ((a, b), (b, a)) if name in SUMS else ():
        is_column = column.shape == (*matrix.shape[:1], 1)
        fits = is_column and len(matrix.shape) == 2 and min(matrix.shape) > 1
        if fits and column.origin == "kept":  # a computed one, as a mean, is no bias
            return COLUMN_BIAS.format(a=matrix, b=column, operation=step.name)
    return ""


def clash(a: Shape, b: Shape) -> tuple[int, int] | None:
    """The first two sizes, from the right, that can't be broadcast, or None."""
    pairs = zip(a[::-1], b[::-1])
    return next(((m, n) for m, n in pairs if m != n and 1 not in (m, n)), None)


def listed(
    shapes: Sequence[Shape], names: Sequence[str] = (), room: int = MAX_TEXT
) -> str:
    """Shapes as a text, each after its tensor's name, as many as there is room for."""
    text = ""
    for shape, name in zip_longest(shapes, names, fillvalue=""):
        one = f"{name} {shape}".strip()
        if text and len(text) + len(one) + 2 > room:
            return f"{text}, ..."
        text = f"{text}, {one}" if text else one
    return text or "()"


def _clash(step, layer, message, before):
    """The cause and a sentence, of two of its shapes that clash, or None."""
    operands, written = step.operands(), products.PLAIN
    if len(operands) == 1 and step.name in ("reshape", "view"):
        return _reshape(step.name, operands[0], message)
    if len(operands) < 2:
        return None
    a, b, *bias = operands
    if step.name == ATTENTION and bias:
        return _attention(step.name, *operands)
    if step.name not in PRODUCTS:
        pair = "must match the size of tensor" in message
        return _pair(step.name, a, b) if pair else None
    if step.name == "addmm":  # bias + a @ b
        *bias, a, b = operands
    elif step.name == "linear":
        written = products.IN_LAYER if layer == "Linear" else products.IN_LINEAR
        b = b._replace(shape=b.shape[::-1])
    maps = layers.made_maps(a.shape, before)
    if found := products.explain_product(a, b, written, maps):
        return found
    if sizes := clash(a.shape[:-2], b.shape[:-2]):
        return OTHER, STACKS.format(a=a, b=b, first=sizes[0], second=sizes[1])
    product = Operand("", (*a.shape[:-1], *b.shape[-1:]), "computed", "product")
    return _pair("add", product, bias[0]._replace(origin="kept")) if bias else None


def _attention(operation, a, b, _, *masks):
    """Of queries, keys, values and perhaps a mask."""
    facts = {"a": a, "b": b, "operation": operation}
    if a.shape[-1:] != b.shape[-1:]:
        facts |= {"first": a.shape[-1], "second": b.shape[-1]}
        return OTHER, NOT_COMPARED.format(**facts)
    asked = (*a.shape[-2:-1], *b.shape[-2:-1])
    if len(asked) < 2 or not masks or not clash(masks[0].shape, asked):
        return None
    facts |= {"c": masks[0], "rows": asked[0], "columns": asked[1]}
    return OTHER, WRONG_MASK.format(**facts)


def _pair(operation, a, b):
    """Of two tensors that can't be broadcast, or None where they can."""
    if not (sizes := clash(a.shape, b.shape)):
        return None
    if a.count < b.count:
        a, b, sizes = b, a, sizes[::-1]
    facts = {"a": a, "b": b, "operation": operation, "columns": a.shape[-1]}
    facts |= {"first": sizes[0], "second": sizes[1]}
    if operation in LOSSES:
        return OTHER, messages.say(messages.SAME_SHAPE, facts)
    per_row = len(a.shape) > 1 and b.shape == (a.shape[-2],)
    may_be_bias = len(a.shape) > 1 and len(b.shape) <= 2 and len(b.sizes) == 1
    if operation.rstrip("_") == "add" and may_be_bias and b.origin == "kept":
        column = messages.FLATTEN_IT if b.shape == (a.shape[-1], 1) else ""
        more = BIAS_PER_ROW if per_row else column
        cause, repair = BIAS, SPACE.join(filter(None, [BIAS_LENGTH, more]))
    else:
        first = b.shape and b.shape == a.shape[: len(b.shape)]
        nones = ["None"] * (len(a.shape) - len(b.shape))
        facts["nones"] = COMMA.join(nones)
        repair = PER_ROW if per_row else PER_FIRST if first and nones else ""
        if nones and b.shape == (a.shape[0], a.shape[-1]):
            repair = FIRST_AND_LAST
        cause = OTHER
    return cause, SPACE.join(filter(None, [PAIRED, repair])).format(**facts)


def _reshape(operation, given, message):
    """Of reshape and view, whose target is in PyTorch's message."""
    if not (found := re.search(r"shape '\[([-\d, ]+)\]' is invalid", message)):
        return None
    wanted = tuple(map(int, found[1].split(",")))
    needed, shape = math.prod(n for n in wanted if n != -1), given.shape
    facts = {"a": given, "operation": operation, "wanted": wanted, "needed": needed}
    if -1 in wanted:
        return OTHER, RESHAPE_REST.format(**facts)
    for fitting in ((*shape[:1], *wanted), (-1, *wanted[1:]), (*wanted[:-1], -1)):
        rest = math.prod(n for n in fitting if n != -1)
        if rest == given.count or -1 in fitting and rest and given.count % rest == 0:
            return OTHER, f"{RESHAPE}{SPACE}{RESHAPE_TO}".format(
                **facts, fitting=fitting
            )
    return OTHER, RESHAPE.format(**facts)
