"""What `check` says of an error that an answer raised: one sentence."""

import dis
import re
import traceback
from contextlib import suppress
from types import CodeType, TracebackType

from helpers.exercises.exercise import FOR_CALL, Call, describe
from helpers.language import NO_MESSAGE, tr

MAX_TEXT = 200  # characters of an error's message that are shown

RAISED = tr("your code raised {kind} at `{line}`: {text}")
RAISED_INSIDE = tr("your code raised {kind}: {text}")
NO_USE = tr("your {name} last returned {found}; comparing it raised {kind}: {text}")
NO_USE_OF_CLASS = tr("comparing what your {name} computes raised {kind}: {text}")
# Translators: each of the next 24 is a {text} in place of the error's own.
NOT_IMPORTED = tr(
    "{name} is not imported here. Run `{line}` in a cell of its own, then check again."
)
COMPARED_BY_IN = tr(
    "`in` compares tensors number by number. It doesn't ask whether two names mean the "
    "same tensor."
)
NEITHER = tr(
    "a tensor of several numbers is neither True nor False. A comparison of tensors "
    "gives one answer for each number."
)
OTHER_SIZES = tr(
    "the shapes of two tensors don't fit: in the same dimension, one has size {a} and "
    "the other {b}."
)
NO_PRODUCT = tr(
    "({rows}, {a}) and ({b}, {columns}) are no shapes for a matrix product: the first "
    "has {a} columns, but the second has {b} rows."
)
IN_PLACE = tr(
    "a leaf that requires a gradient, such as a Parameter, can't be changed in place "
    "while PyTorch records."
)
NOT_ASSIGNED = tr(
    "{name} is a Parameter of the module. What isn't one can't take its place."
)
NONE_HAS_NO = tr("something here is None, which has no `.{name}`.")
HAS_NO = tr("something here is of type {kind}, which has no `.{name}`.")
NOT_CALLED = tr("a method is used here without parentheses, so it was not called.")
NO_CALL = tr("something of type {kind} can't be called, as a function can.")
NO_BRACKETS = tr("something of type {kind} can't be followed by `[...]`.")
NO_ITEMS = tr("something of type {kind} can't give items one by one, as a list can.")
NO_POSITION = tr(
    "a {kind} has no item at that position. Positions begin at 0, so the last one is "
    "its length minus 1."
)
BEYOND_SIZE = tr(
    "there is no position {index} in dimension {dim}: its size is {size}, and its "
    "positions begin at 0."
)
OTHER_ARGUMENT = tr(
    "PyTorch's `{name}` was given something of type {kind}, but takes: {wanted}."
)
NO_SUCH_CALL = tr("PyTorch's `{name}` can't be called with these types: {found}.")
NO_RESHAPE = tr("{size} numbers can't have the shape {shape}.")
NO_PLACE = tr("a tensor of shape {found} doesn't fit where the shape is {wanted}.")
FROM_ONE = tr("`backward()` begins at a single number, such as a loss.")
NO_INDEX = tr("positions in a tensor are whole numbers, but these are not.")
NO_WHOLE = tr("a whole number is needed here, not something of type {kind}.")
TOO_MANY = tr("what is split into {count} names has more values than that.")
BETWEEN = tr("`{sign}` doesn't work between the types {a} and {b}.")
SEVERAL = "Boolean value of Tensor with more than one value"
SIZES = r"The size of tensor a \((?P<a>\d+)\) must match .* b \((?P<b>\d+)\)"
# The beginning of a message, of PyTorch or Python -> what is said; the first that fits.
IN_OTHER_WORDS = {
    SEVERAL: NEITHER,
    SIZES: OTHER_SIZES,
    r"mat1 and mat2 shapes cannot be multiplied "
    r"\((?P<rows>\d+)x(?P<a>\d+) and (?P<b>\d+)x(?P<columns>\d+)\)": NO_PRODUCT,
    "a (view of a )?leaf Variable that requires grad is being used in an in-place": (
        IN_PLACE
    ),
    r"cannot assign '.*' as parameter '(?P<name>\w+)'": NOT_ASSIGNED,
    r"'NoneType' object has no attribute '(?P<name>\w+)'": NONE_HAS_NO,
    r"'(?P<kind>.+)' object has no attribute '(?P<name>\w+)'": HAS_NO,
    "'method' object is not": NOT_CALLED,
    "'(?P<kind>.+)' object is not callable": NO_CALL,
    "'(?P<kind>.+)' object is not subscriptable": NO_BRACKETS,
    "'(?P<kind>.+)' object is not iterable": NO_ITEMS,
    "(?P<kind>list|tuple) index out of range": NO_POSITION,
    r"index (?P<index>-?\d+) is out of bounds for dimension (?P<dim>\d+) with size "
    r"(?P<size>\d+)": BEYOND_SIZE,
    r"(?P<name>\w+)\(\): argument .* must be (?P<wanted>.+), not (?P<kind>\w+)": (
        OTHER_ARGUMENT
    ),
    r"(?P<name>\w+)\(\) received an invalid combination of arguments - got "
    r"\((?P<found>.*?)\)": NO_SUCH_CALL,
    r"shape '(?P<shape>.*)' is invalid for input of size (?P<size>\d+)": NO_RESHAPE,
    r"The expanded size of the tensor .* Target sizes: (?P<wanted>\[.*?\])\. *"
    r"Tensor sizes: (?P<found>\[.*?\])": NO_PLACE,
    "grad can be implicitly created only for scalar outputs": FROM_ONE,
    "tensors used as indices must be": NO_INDEX,
    "'(?P<kind>.+)' object cannot be interpreted as an integer": NO_WHOLE,
    r"too many values to unpack \(expected (?P<count>\d+)": TOO_MANY,
    r"unsupported operand type\(s\) for (?P<sign>\S+).*: '(?P<a>.+)' and '(?P<b>.+)'": (
        BETWEEN
    ),
    "'(?P<sign>.+)' not supported between instances of '(?P<a>.+)' and '(?P<b>.+)'": (
        BETWEEN
    ),
}
IMPORTS = {  # what learners are used to, and where it comes from
    "F": "from torch.nn import functional as F",
    "nn": "from torch import nn",
    "np": "import numpy as np",
    "plt": "import matplotlib.pyplot as plt",
    "reduce": "from functools import reduce",
    "deepcopy": "from copy import deepcopy",
} | {
    name: f"import {name}"
    for name in ("copy", "functools", "itertools", "math", "random", "torch")
}


def what_raised(
    error: BaseException,
    answer: object,
    start: tuple[CodeType, CodeType],
    name: str,
    returned: list,
) -> str:
    """One sentence, with the line of the learner's own code if there is one.

    If none of the learner's code was running, the checker could not use what the
    answer had returned, and the sentence says that. start: the code of the checker, and
    of what calls the answer. name: of what the exercise asks for.
    """
    said = {"kind": type(error).__name__, "text": NO_MESSAGE}
    try:
        said["text"] = str(error)[:MAX_TEXT] or NO_MESSAGE
    except Exception:  # an exception of the learner's own
        pass
    steps = [*_steps(error.__traceback__)]
    lines = [summary.line for summary in traceback.extract_tb(error.__traceback__)]
    codes, (checker, caller) = [step.tb_frame.f_code for step in steps], start
    first = codes.index(checker) + 1 if checker in codes else 0
    own = getattr(answer, "__module__", None)
    for step, line in reversed(list(zip(steps, lines))[first:]):
        if step.tb_frame.f_globals.get("__name__") == own:
            said["text"] = _in_other_words(error, said["text"], step)
            sentence = RAISED if line else RAISED_INSIDE
            return _for_call(error, sentence.format(line=line, **said))
    if first == 0 or caller in codes:
        return _for_call(error, RAISED_INSIDE.format(**said))
    if returned:
        return NO_USE.format(name=name, found=describe(returned[0]), **said)
    return NO_USE_OF_CLASS.format(name=name, **said)


def _for_call(error: BaseException, why: str) -> str:
    """The sentence, with the call if `calling` noted it."""
    calls = []
    with suppress(Exception):  # it has no notes, or is of the learner's own
        calls = [note for note in error.__notes__ if isinstance(note, Call)]
    return FOR_CALL.format(call=calls[-1], why=why) if calls else why


def _steps(trace):
    """From the outermost call to the innermost."""
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _in_other_words(error: BaseException, text: str, step: TracebackType) -> str:
    """What is said of the error, where its own text doesn't help a beginner."""
    if type(error) is NameError and error.name in IMPORTS:
        return NOT_IMPORTED.format(name=error.name, line=IMPORTS[error.name])
    if re.match(f"{SEVERAL}|{SIZES}", text):
        done = dis.get_instructions(step.tb_frame.f_code)
        if any(o.opname == "CONTAINS_OP" and o.offset == step.tb_lasti for o in done):
            return COMPARED_BY_IN
    for message, words in IN_OTHER_WORDS.items():
        if found := re.match(message, text, re.DOTALL):
            return words.format(**found.groupdict())
    return text
