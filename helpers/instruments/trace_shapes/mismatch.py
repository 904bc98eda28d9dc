"""Why shapes don't fit: the two sizes that clash, the likely cause and the repair.

`explain` reads the shapes that an operation was given, and where their numbers came
from. If they don't tell, it reads PyTorch's own message, or repeats it.
"""

import math
import re
from collections.abc import Sequence
from itertools import zip_longest

from helpers.instruments.trace_shapes import messages
from helpers.instruments.trace_shapes.broadcasting import ROLES, broadcast, pair_facts
from helpers.instruments.trace_shapes.messages import BIAS, OTHER, Explained
from helpers.instruments.trace_shapes.products import (
    IN_LAYER,
    IN_LINEAR,
    explain_product,
)
from helpers.instruments.trace_shapes.steps import Shape, TraceStep
from helpers.tables import one_line

STACKS = (
    "{a} {a_shape} @ {b} {b_shape}: both are stacks of matrices, so the sizes before "
    "the last two, {first} and {second}, must be equal, or one of them must be 1."
)
PAIRED = (
    "{operation} of {a} {a_shape} and {b} {b_shape}: counted from the right, the sizes "
    "{first} and {second} meet; they must be equal, or one of them must be 1."
)
BIAS_LENGTH = (
    "The bias shape is wrong: a bias has one number for each column of {a}, so give "
    "{b} the shape ({columns},)."
)
BIAS_PER_ROW = (
    "The bias shape is wrong: {b} has one number for each row of {a}, but a bias has "
    "one for each column, so give {b} the shape ({columns},). Only if each column is "
    "an example, as in W @ X, use {b}.unsqueeze(1)."
)
BIAS_COLUMN = (
    "The bias shape is wrong: {b} is a column, but a bias is a row with one number for "
    "each column of {a}. Use {b}.flatten()."
)
PER_ROW = (
    "{b} has one number for each row of {a}: use {b}.unsqueeze(1), so that each is "
    "used for its whole row."
)
RESHAPE = (
    "{operation} to {wanted} needs {needed} numbers, but {a} {a_shape} holds {count}. "
    "A reshape keeps every number, so the sizes must multiply to {count}."
)
RESHAPE_TO = "For example, {operation}{fitting} would work."
RESHAPE_REST = (
    "{operation} to {wanted}: {a} {a_shape} holds {count} numbers, which {needed} does "
    "not divide. A reshape keeps every number, so no size fits in place of -1."
)
CHANNELS = (
    "{operation}: the number of channels of {a} {a_shape}, {first}, and the number "
    "that the filters {b_shape} take, {second}, must match. Pictures have the shape "
    "(examples, channels, height, width)."
)
NO_CHANNELS = (
    "{operation} takes pictures of shape (examples, channels, height, width), so it "
    "read the first size of {a} {a_shape}, {first}, as the number of channels, but the "
    "filters {b_shape} take {second}. The channel dimension is missing: use "
    "{a}.unsqueeze(1)."
)
REFUSED = "{operation} can't take {shapes}. PyTorch says: {message}."
MODULE_REFUSED = "{layer} can't take its input {shapes}. PyTorch says: {message}."
NOT_SHAPES = (
    "The operation {operation} on {shapes} raised {kind}, but the shapes are not the "
    "cause. PyTorch says: {message}."
)
TOO_LARGE = (
    "A number given to {operation}, a label or a position, is larger than allowed; the "
    "shapes are not the cause. PyTorch says: {message}."
)
MODULE_NOT_SHAPES = (
    "{layer} raised {kind} before any operation of its own, but the shape of its input "
    "is not the cause. PyTorch says: {message}."
)
OWN_AT_ONCE = (
    "The code raised {kind} before its first operation, so the shapes of an operation "
    "are not the cause. It says: {message}."
)
OWN_AFTER = (
    "The code raised {kind} after operation {count}, {operation}, but not inside an "
    "operation. It says: {message}."
)

MAX_TEXT = 66  # characters of a list of shapes
MAX_MESSAGE = 240  # characters of PyTorch's own message
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


def explain(step: TraceStep, error: Exception, layer: str) -> Explained:
    """The cause and a sentence for an operation that raised.

    step: the operation. layer: the class name of the module around it, or what was
    traced. The cause is None where the shapes are not the cause.
    """
    message = _message(error)
    facts = {"operation": step.name, "shapes": listed(step.inputs), "message": message}
    facts |= {"kind": type(error).__name__, "layer": layer}
    if ABOUT_NUMBERS.match(message) or step.name in LOOKUPS and "out of" in message:
        return None, TOO_LARGE.format(**facts)
    other = "dtype" in message or "device" in message
    if other or not ABOUT_SHAPES.search(message):
        return None, NOT_SHAPES.format(**facts)
    names, found = _names(step), None
    if len(step.inputs) > 1:
        facts |= pair_facts(names, *step.inputs[:2])
        found = _clash(step, names, layer, message)
    elif step.inputs:
        facts |= {"a": names[0], "a_shape": step.inputs[0]}
        if step.name in ("reshape", "view"):
            found = _reshape(step.name, step.inputs[0], names[0], message)
    found = found or messages.read(message, facts, step.inputs)
    return found or (OTHER, REFUSED.format(**facts))


def explain_module(layer: str, shapes: Sequence[Shape], error: Exception) -> Explained:
    """The cause and a sentence where a module of PyTorch's refused these inputs."""
    message = _message(error)
    facts = {"layer": layer, "operation": layer, "message": message}
    facts |= {"shapes": listed(shapes), "kind": type(error).__name__}
    if not shapes or not ABOUT_SHAPES.search(message):
        return None, MODULE_NOT_SHAPES.format(**facts)
    facts |= {"a": "input", "a_shape": shapes[0]}
    found = messages.read(message, facts, shapes[:1])
    return found or (OTHER, MODULE_REFUSED.format(**facts))


def explain_own(steps: Sequence[TraceStep], error: Exception) -> Explained:
    """None and a sentence where the learner's own code raised, after these steps."""
    facts = {"kind": type(error).__name__, "message": _message(error)}
    if not steps:
        return None, OWN_AT_ONCE.format(**facts)
    facts |= {"count": len(steps), "operation": steps[-1].name}
    return None, OWN_AFTER.format(**facts)


def listed(shapes: Sequence[Shape], names: Sequence[str] = ()) -> str:
    """Shapes as a text, each after its tensor's name, as many as there is room for."""
    text = ""
    for shape, name in zip_longest(shapes, names, fillvalue=""):
        one = f"{name} {shape}".strip()
        if text and len(text) + len(one) + 2 > MAX_TEXT:
            return f"{text}, ..."
        text = f"{text}, {one}" if text else one
    return text or "()"


def _names(step):
    """What its tensors are called; by their roles where they have no names."""
    is_layer = step.name == "linear" or step.name.startswith("conv")
    roles = LAYER_ROLES if is_layer else ROLES
    return [name or role for name, role in zip_longest(step.names, roles)]


def _message(error):
    """What the error says, without its full stop."""
    return one_line(error)[:MAX_MESSAGE].rstrip(".!")


def _clash(step, names, layer, message):
    """The cause and a sentence, of two of its shapes that clash, or None."""
    name, shapes, origins = step.name, step.inputs, step.origins
    a, b = shapes[:2]
    if name in PRODUCTS:
        return explain_product(a, b, names, origins) or _stacks(a, b, names)
    if name == "addmm" and len(shapes) == 3:  # bias + a @ b
        bias, a, b = shapes
        found = explain_product(a, b, names[1:], origins[1:])
        return found or _bias((*a[:-1], b[-1]), bias, names[0])
    if name == "linear":
        written = IN_LAYER if layer == "Linear" else IN_LINEAR
        found = explain_product(a, b[::-1], names, origins, written)
        if found or len(shapes) < 3:
            return found
        return _bias((*a[:-1], b[0]), shapes[2], names[2])
    if found := re.search(r"to have (\d+) channels, but got (\d+)", message):
        facts = pair_facts(names, a, b) | {"operation": name}
        facts |= {"first": found[2], "second": found[1]}
        one_missing = len(a) == len(b) - 1 and found[1] == "1"
        return OTHER, (NO_CHANNELS if one_missing else CHANNELS).format(**facts)
    if "must match the size of tensor" in message:
        return _pair(name, a, b, names, origins)
    return None


def _stacks(a, b, names):
    """Of a @ b, stacks whose matrices fit but whose numbers of matrices differ."""
    if len(a) < 3 or len(b) < 3 or broadcast(a[:-2], b[:-2]) is not None:
        return None
    first, second = _meeting(a[:-2], b[:-2])
    facts = pair_facts(names, a, b) | {"first": first, "second": second}
    return OTHER, STACKS.format(**facts)


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
    per_row = len(a) > 1 and b == (a[-2],)
    flat = [n for n in b if n != 1]
    may_be_bias = len(a) > 1 and len(b) <= 2 and len(flat) == 1
    if name.rstrip("_") == "add" and may_be_bias and origins[1] == "kept":
        column = BIAS_COLUMN if b == (a[-1], 1) else BIAS_LENGTH
        cause, repair = BIAS, BIAS_PER_ROW if per_row else column
    else:
        cause, repair = OTHER, PER_ROW if per_row else ""
    return cause, f"{PAIRED} {repair}".strip().format(**facts)


def _reshape(operation, shape, name, message):
    """Of reshape and view, whose target is in PyTorch's message."""
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
            return OTHER, f"{RESHAPE} {RESHAPE_TO}".format(**facts, fitting=fitting)
    return OTHER, RESHAPE.format(**facts)
