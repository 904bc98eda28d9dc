"""Why shapes don't fit: the sentences of the shape tracer, and what leads to each.

`explain` reads the shapes that an operation was given. It falls back on PyTorch's
own message where those don't tell.
"""

import math
import re
from itertools import zip_longest

# The five causes that a learner meets most, as `trace.cause` names them.
TRANSPOSED = "transposed weight"
FLATTEN = "missing flatten"
SWAPPED = "batch and features swapped"
WIDTH = "wrong width between layers"
BIAS = "bias shape"
ORDER, OTHER = "wrong order", "other shapes"

CLASH = (
    "{a} {a_shape} @ {b} {b_shape}: the last size of {a}, {k}, and the rows of {b}, "
    "{rows}, must be equal."
)
CLASH_IN_LAYER = (
    "nn.Linear({rows}, {columns}) takes {rows} numbers for each example, but the last "
    "size of {a} {a_shape} is {k}."
)
CLASH_IN_LINEAR = (
    "F.linear({a}, {b}) takes a weight of shape (outputs, inputs): the last size of "
    "{a} {a_shape}, {k}, and the last size of {b} {b_shape}, {rows}, must be equal."
)
FIXES = {
    FLATTEN: "A flatten is missing: use {a}.{flatten}, for {product} = {rows}.",
    TRANSPOSED: "The weight {b} is transposed: use {b}.T.",
    SWAPPED: "Batch and features of {a} are swapped: use {a}.T, with one row of {rows} "
    "numbers for each example.",
    ORDER: "The two stand in the wrong order: use {b} @ {a}, with one example in each "
    "row of {b}.",
    WIDTH: "The widths of two layers don't fit: make {b} of shape {wanted}, or let the "
    "layer before give {rows} columns.",
}
EITHER_WAY = {
    TRANSPOSED: "The weight {b} is probably transposed: use {b}.T. If instead batch "
    "and features of {a} are swapped, use {a}.T.",
    SWAPPED: "Batch and features of {a} are probably swapped: use {a}.T. If instead "
    "the weight {b} is transposed, use {b}.T.",
}
FIXES_IN_BATCH = {
    TRANSPOSED: "Each of the matrices in {b} is transposed: use {b}.mT.",
}
FIXES_IN_LAYER = {
    TRANSPOSED: "Its two sizes are swapped: use nn.Linear({columns}, {rows}), inputs "
    "first; it stores its weight transposed.",
    WIDTH: "The widths of two layers don't fit: use nn.Linear({k}, {columns}), or let "
    "the layer before give {rows}.",
}
PAIRED = (
    "{operation} of {a} {a_shape} and {b} {b_shape}: counted from the right, the sizes "
    "{first} and {second} meet, and they must be equal, or one of them 1."
)
BIAS_LENGTH = (
    "The bias shape is wrong: a bias has one number for each column of {a}, so make "
    "{b} of shape ({columns},)."
)
BIAS_PER_ROW = (
    "The bias shape is wrong: {b} has one number for each row of {a}, and a bias has "
    "one for each column, so make {b} of shape ({columns},)."
)
BIAS_COLUMN = (
    "The bias shape is wrong: {b} is a column, and a bias is a row with one number for "
    "each column of {a}. Use {b}.flatten()."
)
RESHAPE = (
    "{operation} to {wanted} needs {needed} numbers, but {a} {a_shape} holds {count}. "
    "A reshape keeps every number: write -1 for one size, and PyTorch works it out."
)
CHANNELS = (
    "{operation}: the channels of {a} {a_shape}, {first}, and those that the filters "
    "{b_shape} take, {second}, must be equal. Pictures have the shape (examples, "
    "channels, height, width)."
)
REFUSED = "{operation} can't take {shapes}. PyTorch says: {message}."
MODULE_REFUSED = "{module} can't take its input {shapes}. PyTorch says: {message}."
NOT_SHAPES = (
    "The operation {operation} of {shapes} raised {kind}, and the shapes are not the "
    "reason. PyTorch says: {message}."
)
OWN_AT_ONCE = (
    "The code raised {kind} before its first operation, so the reason is not the "
    "shapes of an operation. It says: {message}."
)
OWN_AFTER = (
    "The code raised {kind} after operation {count}, {operation}, and not in an "
    "operation. It says: {message}."
)
ALL_PAIRS = (
    "{operation} spread {a} {a_shape} and {b} {b_shape} to {out}: each number met every "
    "other. To pair them one by one, give both the same shape, as in "
    "{b}.reshape({a}.shape)."
)
COLUMN_BIAS = (
    "{operation} gave each row of {a} {a_shape} one number of {b} {b_shape}. A bias has "
    "one number for each column: if {b} is one, make it of shape ({columns},)."
)

MAX_TEXT = 66  # characters of a list of shapes
ROLES = ("left", "right")  # what stands for a tensor that has no name
LAYER_ROLES = ("input", "weight", "bias")
PRODUCTS = {"matmul", "mm", "bmm", "mv"}
SUMS = {"add", "sub"}
COMPARISONS = {"eq", "ne"}
PAIRWISE = SUMS | COMPARISONS | {"mul", "div", "pow", "maximum", "minimum"}
PAIRWISE |= {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}
ABOUT_SHAPES = re.compile(
    r"\b(sizes?|batch_size|shapes?|dims?|dimensions?|dimensional|elements?|broadcast|"
    r"channels|more than one value|out of (range|bounds)|1D|2D|3D|4D|scalar outputs|"
    r"\d-D|normalized_shape)\b"
)


def explain(step, error, layer):
    """(cause, sentence) for an operation that raised.

    step: the Step that failed, with its name, inputs (shapes) and names.
    layer: the class name of the module around it. The cause is None where the
    shapes are not the reason.
    """
    message = one_line(error)
    facts = {"operation": step.name, "shapes": listed(step.inputs), "message": message}
    other = "dtype" in message or "device" in message
    if other or not ABOUT_SHAPES.search(message):
        return None, NOT_SHAPES.format(kind=type(error).__name__, **facts)
    is_layer = step.name == "linear" or step.name.startswith("conv")
    roles = LAYER_ROLES if is_layer else ROLES
    names = [name or role for name, role in zip(step.names, roles)]
    found = None
    if len(step.inputs) > 1:
        found = _clash(step.name, step.inputs, names, layer, message)
    elif step.name in ("reshape", "view"):
        found = _reshape(step.name, step.inputs[0], names[0], message)
    return found or (OTHER, REFUSED.format(**facts))


def explain_module(module, shapes, error):
    """(cause, sentence) where a module of PyTorch's refused inputs of these shapes."""
    message = one_line(error)
    facts = {"module": module, "shapes": listed(shapes), "message": message}
    cause = WIDTH if "input_size" in message else OTHER
    return cause, MODULE_REFUSED.format(**facts)


def explain_own(steps, error):
    """(None, sentence) where the learner's own code raised, after these steps."""
    facts = {"kind": type(error).__name__, "message": one_line(error)}
    if not steps:
        return None, OWN_AT_ONCE.format(**facts)
    facts |= {"count": len(steps), "operation": steps[-1].name}
    return None, OWN_AFTER.format(**facts)


def warn(step):
    """A sentence where broadcasting probably did what nobody wanted, or ""."""
    name = step.name.rstrip("_")
    if len(step.inputs) != 2 or name not in PAIRWISE:
        return ""
    a, b = step.inputs
    names = [name or role for name, role in zip(step.names, ROLES)]
    if (out := _broadcast(a, b)) is None:
        return ""
    both_grew = math.prod(out) > max(math.prod(a), math.prod(b))
    same_numbers = [n for n in a if n != 1] == [n for n in b if n != 1]
    if both_grew and same_numbers and (len(a) != len(b) or any(step.kept)):
        return ALL_PAIRS.format(operation=step.name, out=out, **_facts(names, a, b))
    # One computed on the way, such as a mean over the columns, is no bias.
    for matrix, column, is_kept in ((a, b, step.kept[1]), (b, a, step.kept[0])):
        is_column = len(matrix) == 2 and min(matrix) > 1 and column == (matrix[0], 1)
        if name in SUMS and is_kept and is_column:
            facts = _facts(names if matrix is a else names[::-1], matrix, column)
            return COLUMN_BIAS.format(operation=step.name, columns=matrix[1], **facts)
    return ""


def listed(shapes, names=()):
    """Shapes as a text, each behind its tensor's name, as many as there is room for."""
    text = ""
    for shape, name in zip_longest(shapes, names, fillvalue=""):
        one = f"{name} {shape}".strip()
        if text and len(text) + len(one) + 2 > MAX_TEXT:
            return f"{text}, ..."
        text = f"{text}, {one}" if text else one
    return text or "()"


def one_line(error):
    """The error's own text in one line, without its full stop."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:240].rstrip(".")


def _clash(name, shapes, names, layer, message):
    """(cause, sentence) where the first two shapes clash, else None."""
    a, b = shapes[:2]
    facts = _facts(names, a, b)
    if name in PRODUCTS:
        return _product(a, b, facts, CLASH, FIXES)
    if name == "linear":
        clash, fixes = CLASH_IN_LINEAR, FIXES
        if layer == "Linear":
            clash, fixes = CLASH_IN_LAYER, FIXES | FIXES_IN_LAYER
        found = _product(a, b[::-1], facts, clash, fixes)
        if found or len(shapes) < 3:
            return found
        return _pair("add", (*a[:-1], b[0]), shapes[2], ("the product", names[2]))
    if found := re.search(r"to have (\d+) channels, but got (\d+)", message):
        facts |= {"operation": name, "first": found[2], "second": found[1]}
        return OTHER, CHANNELS.format(**facts)
    if "must match the size of tensor" in message:
        return _pair(name, a, b, names)
    return None


def _product(a, b, facts, clash, fixes):
    """Of a @ b, or None where the two fit."""
    if not a or not b or a[-1] == b[-2:][0]:
        return None
    k, rows, columns = a[-1], b[-2:][0], b[-1]
    fits_transposed = columns == k
    fits_swapped = len(a) == len(b) == 2 and a[0] == rows
    wanted = (*b[:-2], k, columns) if len(b) > 1 else (k,)
    if len(b) > 2:
        fixes = fixes | FIXES_IN_BATCH
    if len(a) > 2 and math.prod(a[1:]) == rows:
        cause = FLATTEN
    elif fits_transposed and fits_swapped:
        # Usually an example has more numbers than a batch has examples.
        cause = TRANSPOSED if a[1] >= a[0] else SWAPPED
        fixes = fixes | EITHER_WAY
    elif fits_transposed:
        cause = TRANSPOSED
    elif fits_swapped:
        cause = SWAPPED
    elif clash is CLASH and len(a) == len(b) == 2 and columns == a[0]:
        cause = ORDER
    elif len(a) == 2 and a[0] * a[1] == rows:  # a single picture
        cause = FLATTEN
    else:
        cause = WIDTH
    facts = facts | {"k": k, "rows": rows, "columns": columns}
    # A weight of F.linear has its outputs first.
    facts["wanted"] = wanted if clash is CLASH else wanted[::-1]
    facts["flatten"] = "flatten(1)" if len(a) > 2 else "flatten()"
    facts["product"] = " * ".join(map(str, a[1:] if len(a) > 2 else a))
    return cause, f"{clash} {fixes[cause]}".format(**facts)


def _pair(name, a, b, names):
    """Of two shapes that can't be broadcast, or None where they can."""
    if _broadcast(a, b) is not None:
        return None
    if math.prod(a) < math.prod(b):
        a, b, names = b, a, names[1::-1]
    pairs = zip(a[::-1], b[::-1])
    first, second = next((m, n) for m, n in pairs if m != n and 1 not in (m, n))
    facts = _facts(names, a, b) | {"operation": name, "columns": a[-1]}
    facts |= {"first": first, "second": second}
    is_bias = len(a) > 1 and (len(b) == 1 or b[1:] == (1,))
    if name.rstrip("_") not in SUMS or not is_bias:
        return OTHER, PAIRED.format(**facts)
    fix = BIAS_LENGTH
    if b == (a[-2],):
        fix = BIAS_PER_ROW
    elif b == (a[-1], 1):
        fix = BIAS_COLUMN
    return BIAS, f"{PAIRED} {fix}".format(**facts)


def _reshape(operation, shape, name, message):
    """Of reshape and view, whose target stands in PyTorch's message."""
    found = re.search(r"shape '\[([\d, ]+)\]' is invalid", message)
    if not found:
        return None
    wanted = tuple(map(int, found[1].split(",")))
    facts = {"operation": operation, "a": name, "a_shape": shape, "wanted": wanted}
    facts |= {"needed": math.prod(wanted), "count": math.prod(shape)}
    return OTHER, RESHAPE.format(**facts)


def _broadcast(a, b):
    """The shape that a and b are spread to, or None where they clash."""
    pairs = [*zip_longest(a[::-1], b[::-1], fillvalue=1)][::-1]
    if any(m != n and 1 not in (m, n) for m, n in pairs):
        return None
    return tuple(n if m == 1 else m for m, n in pairs)


def _facts(names, a, b):
    return {"a": names[0], "b": names[1], "a_shape": a, "b_shape": b}
