"""Why shapes don't fit: the two sizes that clash, the likely cause and the repair.

`explain` reads the shapes that an operation was given, and where they came from. It
falls back on what PyTorch's own message tells, and at last on the message itself.
"""

import math
import re
from itertools import zip_longest

from helpers.instruments.trace_shapes import messages
from helpers.instruments.trace_shapes.messages import (
    ALL_FLAT,
    BIAS,
    FLATTEN,
    ORDER,
    OTHER,
    SWAPPED,
    TRANSPOSED,
    WIDTH,
)
from helpers.instruments.trace_shapes.silent import ROLES, broadcast, pair_facts

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
ORDER_OF_BOOKS = "wrong order, as in books"
SAME_TWICE = "the same tensor twice"
FIXES = {
    FLATTEN: "A flatten is missing: use {a}.{flatten}, for {product} = {rows}.",
    ALL_FLAT: "All examples were flattened into one row of {k} numbers: use "
    "flatten(1), which keeps the first size.",
    TRANSPOSED: "The weight {b} is transposed: use {b}.T.",
    SWAPPED: "Batch and features of {a} are swapped: use {a}.T, with one row of {rows} "
    "numbers for each example.",
    ORDER: "The two stand in the wrong order: use {b} @ {a}, with one example in each "
    "row of {b}.",
    ORDER_OF_BOOKS: "The two stand in the order of books, where an example is a column: "
    "use {b} @ {a}.T, with one example in each row of {b}.",
    SAME_TWICE: "Both are the same tensor, so turn one of them: use {a} @ {a}.T or "
    "{a}.T @ {a}.",
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
STACKS = (
    "{a} {a_shape} @ {b} {b_shape}: each of the two is a stack of matrices, and the "
    "sizes before the last two, {first} and {second}, must be equal, or one of them 1."
)
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
    "one for each column, so make {b} of shape ({columns},). Only where the examples "
    "are columns, as in W @ X, use {b}.unsqueeze(1)."
)
BIAS_COLUMN = (
    "The bias shape is wrong: {b} is a column, and a bias is a row with one number for "
    "each column of {a}. Use {b}.flatten()."
)
PER_ROW = (
    "{b} has one number for each row of {a}: use {b}.unsqueeze(1), so that each meets "
    "all of its row."
)
RESHAPE = (
    "{operation} to {wanted} needs {needed} numbers, but {a} {a_shape} holds {count}. "
    "A reshape keeps every number, so the sizes must multiply to {count}."
)
RESHAPE_TO = (
    "{operation} to {wanted} needs {needed} numbers, but {a} {a_shape} holds {count}. "
    "A reshape keeps every number: {operation}{fitting} would."
)
RESHAPE_REST = (
    "{operation} to {wanted}: {a} {a_shape} holds {count} numbers, which {needed} does "
    "not divide. A reshape keeps every number, so no size in the place of -1 fits."
)
CHANNELS = (
    "{operation}: the channels of {a} {a_shape}, {first}, and those that the filters "
    "{b_shape} take, {second}, must be equal. Pictures have the shape (examples, "
    "channels, height, width)."
)
NO_CHANNELS = (
    "{operation} takes pictures of shape (examples, channels, height, width), so it "
    "read {first}, the first size of {a} {a_shape}, as the channels, and the filters "
    "{b_shape} take {second}. The channel is missing: use {a}.unsqueeze(1)."
)
REFUSED = "{operation} can't take {shapes}. PyTorch says: {message}."
MODULE_REFUSED = "{layer} can't take its input {shapes}. PyTorch says: {message}."
NOT_SHAPES = (
    "The operation {operation} of {shapes} raised {kind}, and the shapes are not the "
    "reason. PyTorch says: {message}."
)
TOO_LARGE = (
    "A number given to {operation}, a label or a position, is larger than allowed; the "
    "shapes are not the reason. PyTorch says: {message}."
)
MODULE_NOT_SHAPES = (
    "{layer} raised {kind} before any operation of its own, and the shape of its input "
    "is not the reason. PyTorch says: {message}."
)
OWN_AT_ONCE = (
    "The code raised {kind} before its first operation, so the reason is not the "
    "shapes of an operation. It says: {message}."
)
OWN_AFTER = (
    "The code raised {kind} after operation {count}, {operation}, and not in an "
    "operation. It says: {message}."
)

MAX_TEXT = 66  # characters of a list of shapes
LAYER_ROLES = ("input", "weight", "bias")
PRODUCTS = {"matmul", "mm", "bmm", "mv", "dot"}
ABOUT_SHAPES = re.compile(
    r"\b(\w*sizes?|shapes?|dims?|dimensions?|dimensional|elements?|broadcast|channels|"
    r"matrix|matrices|vectors?|height|width|more than one value|multi-target|1D|2D|3D|"
    r"4D|\d-D|scalar outputs|normalized_shape|\w+_size)\b",
    re.IGNORECASE,
)
ABOUT_NUMBERS = re.compile(r"^(Target -?\d+ is out of|index out of range in self)")
LOOKUPS = {"gather", "scatter", "scatter_", "take_along_dim", "one_hot"}


def explain(step, error, layer):
    """(cause, sentence) for an operation that raised.

    step: the Step that failed. layer: the class name of the module around it, or what
    was traced. The cause is None where the shapes are not the reason.
    """
    message = one_line(error)
    facts = {"operation": step.name, "shapes": listed(step.inputs), "message": message}
    facts |= {"kind": type(error).__name__, "layer": layer}
    if ABOUT_NUMBERS.match(message) or step.name in LOOKUPS and "out of" in message:
        return None, TOO_LARGE.format(**facts)
    other = "dtype" in message or "device" in message
    if other or not ABOUT_SHAPES.search(message):
        return None, NOT_SHAPES.format(**facts)
    is_layer = step.name == "linear" or step.name.startswith("conv")
    roles = LAYER_ROLES if is_layer else ROLES
    names = [name or role for name, role in zip_longest(step.names, roles)]
    found = None
    if len(step.inputs) > 1:
        facts |= pair_facts(names, *step.inputs[:2])
        found = _clash(step, names, layer, message)
    elif step.inputs:
        facts |= {"a": names[0], "a_shape": step.inputs[0]}
        if step.name in ("reshape", "view"):
            found = _reshape(step.name, step.inputs[0], names[0], message)
    found = found or messages.read(message, facts, step.inputs)
    return found or (OTHER, REFUSED.format(**facts))


def explain_module(layer, shapes, error):
    """(cause, sentence) where a module of PyTorch's refused inputs of these shapes."""
    message = one_line(error)
    facts = {"layer": layer, "operation": layer, "message": message}
    facts |= {"shapes": listed(shapes), "kind": type(error).__name__}
    if not shapes or not ABOUT_SHAPES.search(message):
        return None, MODULE_NOT_SHAPES.format(**facts)
    facts |= {"a": "input", "a_shape": shapes[0]}
    found = messages.read(message, facts, shapes[:1])
    return found or (OTHER, MODULE_REFUSED.format(**facts))


def explain_own(steps, error):
    """(None, sentence) where the learner's own code raised, after these steps."""
    facts = {"kind": type(error).__name__, "message": one_line(error)}
    if not steps:
        return None, OWN_AT_ONCE.format(**facts)
    facts |= {"count": len(steps), "operation": steps[-1].name}
    return None, OWN_AFTER.format(**facts)


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
    return text[:240].rstrip(".!")


def _clash(step, names, layer, message):
    """(cause, sentence) where two of its shapes clash, else None."""
    name, shapes, origins = step.name, step.inputs, step.origins
    a, b = shapes[:2]
    facts = pair_facts(names, a, b)
    if name in PRODUCTS:
        return _product(a, b, facts, origins, CLASH, FIXES) or _stacks(a, b, facts)
    if name == "addmm" and len(shapes) == 3:  # bias + a @ b
        bias, a, b = shapes
        facts = pair_facts(names[1:], a, b)
        found = _product(a, b, facts, origins[1:], CLASH, FIXES)
        return found or _bias((*a[:-1], b[-1]), bias, names[0])
    if name == "linear":
        clash, fixes = CLASH_IN_LINEAR, FIXES
        if layer == "Linear":
            clash, fixes = CLASH_IN_LAYER, FIXES | FIXES_IN_LAYER
        found = _product(a, b[::-1], facts, origins, clash, fixes)
        if found or len(shapes) < 3:
            return found
        return _bias((*a[:-1], b[0]), shapes[2], names[2])
    if found := re.search(r"to have (\d+) channels, but got (\d+)", message):
        facts |= {"operation": name, "first": found[2], "second": found[1]}
        one_missing = len(a) == len(b) - 1 and found[1] == "1"
        return OTHER, (NO_CHANNELS if one_missing else CHANNELS).format(**facts)
    if "must match the size of tensor" in message:
        return _pair(name, a, b, names, origins)
    return None


def _product(a, b, facts, origins, clash, fixes):
    """Of a @ b, or None where the two fit."""
    if not a or not b or a[-1] == b[-2:][0]:
        return None
    k, rows, columns = a[-1], b[-2:][0], b[-1]
    matrices = len(a) == len(b) == 2
    computed = origins[0] == "computed"  # a hidden layer, which keeps its rows
    weight_first = origins[0] == "kept" and origins[1] != "kept" and clash is CLASH
    weight_first = weight_first and facts["b"][:1] not in "Ww"
    transposed = columns == k
    swapped = matrices and a[0] == rows and not computed
    wanted = (*b[:-2], k, columns) if len(b) > 1 else (k,)
    if len(b) > 2:
        fixes = fixes | FIXES_IN_BATCH
    if len(a) > 2 and math.prod(a[1:]) == rows:
        cause = FLATTEN
    elif len(a) == 1 and k > rows and k % rows == 0:
        cause = ALL_FLAT
    elif a == b and facts["a"] == facts["b"] and clash is CLASH:
        cause = SAME_TWICE
    elif weight_first and matrices and columns == a[0] and columns != k:
        cause = ORDER
    elif weight_first and matrices and transposed:
        cause = ORDER_OF_BOOKS
    elif transposed and swapped:
        # Usually an example has more numbers than a batch has examples.
        cause = TRANSPOSED if a[1] >= a[0] else SWAPPED
        fixes = fixes | EITHER_WAY
    elif transposed:
        cause = TRANSPOSED
    elif swapped:
        cause = SWAPPED
    elif clash is CLASH and matrices and columns == a[0] and not computed:
        cause = ORDER
    elif len(a) == 2 and a[0] * a[1] == rows and not computed:  # a single picture
        cause = FLATTEN
    else:
        cause = WIDTH
    facts = facts | {"k": k, "rows": rows, "columns": columns}
    # A weight of F.linear has its outputs first.
    facts["wanted"] = wanted if clash is CLASH else wanted[::-1]
    facts["flatten"] = "flatten(1)" if len(a) > 2 else "flatten()"
    facts["product"] = " * ".join(map(str, a[1:] if len(a) > 2 else a))
    sentence = f"{clash} {fixes[cause]}".format(**facts)
    return {ORDER_OF_BOOKS: ORDER, SAME_TWICE: OTHER}.get(cause, cause), sentence


def _stacks(a, b, facts):
    """Of a @ b with stacks of matrices that fit, but are not as many."""
    if len(a) < 3 or len(b) < 3 or broadcast(a[:-2], b[:-2]) is not None:
        return None
    first, second = _meeting(a[:-2], b[:-2])
    return OTHER, STACKS.format(**facts, first=first, second=second)


def _meeting(a, b):
    """The first two sizes, from the right, that can't be broadcast."""
    pairs = zip(a[::-1], b[::-1])
    return next((m, n) for m, n in pairs if m != n and 1 not in (m, n))


def _bias(product, bias, name):
    """Of a layer's bias and the product that it is added to."""
    names, origins = ("the product", name), ("computed", "kept")
    return _pair("add", product, bias, names, origins)


def _pair(name, a, b, names, origins):
    """Of two shapes that can't be broadcast, or None where they can."""
    if broadcast(a, b) is not None:
        return None
    if math.prod(a) < math.prod(b):
        a, b, names, origins = b, a, names[1::-1], origins[1::-1]
    first, second = _meeting(a, b)
    facts = pair_facts(names, a, b) | {"operation": name, "columns": a[-1]}
    facts |= {"first": first, "second": second}
    flat = [n for n in b if n != 1]
    may_be_bias = len(a) > 1 and len(b) <= 2 and len(flat) == 1
    if name.rstrip("_") == "add" and may_be_bias and origins[1] == "kept":
        fix = BIAS_LENGTH
        if b == (a[-2],):
            fix = BIAS_PER_ROW
        elif b == (a[-1], 1):
            fix = BIAS_COLUMN
        return BIAS, f"{PAIRED} {fix}".format(**facts)
    if len(a) > 1 and b == (a[-2],):
        return OTHER, f"{PAIRED} {PER_ROW}".format(**facts)
    return OTHER, PAIRED.format(**facts)


def _reshape(operation, shape, name, message):
    """Of reshape and view, whose target stands in PyTorch's message."""
    found = re.search(r"shape '\[([-\d, ]+)\]' is invalid", message)
    if not found:
        return None
    wanted = tuple(map(int, found[1].split(",")))
    count, needed = math.prod(shape), math.prod(n for n in wanted if n != -1)
    facts = {"operation": operation, "a": name, "a_shape": shape, "wanted": wanted}
    facts |= {"needed": needed, "count": count}
    if -1 in wanted:
        return OTHER, RESHAPE_REST.format(**facts)
    for fitting in ((*shape[:1], *wanted), (-1, *wanted[1:]), (*wanted[:-1], -1)):
        rest = math.prod(n for n in fitting if n != -1)
        if rest == count or -1 in fitting and rest and count % rest == 0:
            return OTHER, RESHAPE_TO.format(**facts, fitting=fitting)
    return OTHER, RESHAPE.format(**facts)
