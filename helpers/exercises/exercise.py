"""What an exercise is, and what the modules `lesson_01`, ... need to write one.

An exercise is a solution, which is real Python, and a function that checks answers with
`ask` and `expect`.
"""

import importlib
import inspect
import math
import operator
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy, deepcopy
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers import exercises
from helpers.exercises.comparing import watched
from helpers.language import AND, tr

NO_RETURN = tr("your {name} returned None; does it end in a return?")
OTHER_TYPE = tr("your {name} returned {found}, but the exercise asks for {wanted}.")
NOT_FINITE = tr("your {name} returned NaN or infinite values.")
CHANGED_INPUT = tr("your {name} changed its input {argument}.")
# Translators: {change} is a sentence without its full stop.
CHANGED_MODULE = tr("your {name} changed its input {argument}: {change}.")
ONE_NUMBER = tr("return one number; I got {found}.")
WHOLE_NUMBER = tr("return one whole number; I got {found}.")
TWO_TENSORS = tr(
    "your function returned {found}; it should return two tensors, W1 and b1."
)
SWAPPED = tr("your first tensor is {found}; the order is W1, then b1.")
# Translators: stands for the name of an argument that has none.
NUMBER = tr("number {position}")
# Translators: what a function should return, in the middle of a sentence.
A_TENSOR = tr("a tensor")
# Translators: a {found}, what a function did return, in the middle of a sentence.
SHAPED = tr("a tensor of shape {shape}")
# Translators: a {found}, what a function did return, in the middle of a sentence.
OF_A_TYPE = tr("an object of type {kind}")
# Translators: in place of a list of names that is empty, in the middle of a sentence.
NOTHING = tr("nothing")
# Translators: {why} says what the code raised. {call}: such as "wall(X, 2, 3)".
FOR_CALL = tr("for {call} {why}")
# Translators: between the things of a list, with its spaces.
OR = tr(" or ")


class NotYet(Exception):
    """Why an answer is not right yet: one sentence to the learner, with its fields."""

    def __init__(self, why: str, /, **fields: Any) -> None:
        super().__init__(why.format(**fields) if fields else why)


Checker = Callable[[Any], None]


@dataclass(frozen=True)
class Exercise:
    """One exercise: its solution is `reference`, a function or a class."""

    id: str
    reference: Callable
    hints: tuple[str, ...]
    notice: str
    checker: Checker

    @property
    def name(self) -> str:
        return self.reference.__name__

    @property
    def source(self) -> str:
        """The solution as Python."""
        return inspect.getsource(self.reference)


_exercises: dict[str, Exercise] = {}  # by id, filled by the modules lesson_*


def exercise(
    id: str, reference: Callable, *hints: str, notice: str
) -> Callable[[Checker], Checker]:
    """Decorates the function that checks answers to an exercise.

    The function takes the answer, and returns, or raises NotYet (by `expect` and
    `ask`). hints: two or three, one after another. notice: what a right answer shows.
    Both are marked for translation by standing here.
    """
    assert 2 <= len(hints) <= 3, id
    said = tuple(map(tr, hints)), tr(notice)

    def register(checker: Checker) -> Checker:
        _exercises[id] = Exercise(id, reference, *said, checker)
        return checker

    return register


def all_exercises() -> dict[str, Exercise]:
    """All exercises of the course by id, in the order of the lessons."""
    for module in pkgutil.iter_modules(exercises.__path__):
        if module.name.startswith("lesson_"):
            importlib.import_module(f"{exercises.__name__}.{module.name}")
    return dict(sorted(_exercises.items()))


def expect(fine: object, why: str, /, **fields: Any) -> None:
    """Go on if `fine`; else raise NotYet with `why`, a sentence with these fields."""
    if not fine:
        raise NotYet(why, **fields)


def rule_out(
    found: Any,
    mistakes: Mapping[Any, str],
    same: Callable[[Any, Any], bool] = operator.eq,
    /,
    **fields: Any,
) -> None:
    """Raise NotYet if what was found is one of the mistakes: what it is -> why.

    fields: those of the sentences.
    """
    for mistake, why in mistakes.items():
        expect(not same(found, mistake), why, **fields)


@contextmanager
def saying(sentence: str, /, **fields: Any) -> Iterator[None]:
    """What is not right yet in this block is the {why} of a sentence."""
    try:
        yield
    except NotYet as why:
        raise NotYet(sentence, why=why, **fields) from None


class Call(str):
    """A call as a learner would write it, noted in an error."""


@contextmanager
def calling(name: str, *inputs: Any) -> Iterator[None]:
    """Has an error of the block note the call, for `what_raised`."""
    kept = [copy(given) if type(given) in (list, dict) else given for given in inputs]
    try:
        yield
    except Exception as error:
        said = [describe(given, "...") for given in kept]
        if {*said} != {"..."}:
            with suppress(Exception):  # the error is of the learner's own
                error.add_note(Call(f"{name}({', '.join(said)})"))
        raise


def ask(answer: Callable, *inputs: Any, kind: type | None = torch.Tensor) -> Any:
    """Call an answer as a learner would; returns what it returned.

    Raises NotYet if it changes a tensor, model, list or dict of its inputs, returns
    another type than `kind` (None: anything goes) or a tensor with NaN or infinity.
    """
    name = getattr(answer, "__name__", "answer")
    before, items = deepcopy(inputs), [_items(given) for given in inputs]
    changes = [isinstance(given, nn.Module) and watched(given) for given in inputs]
    returned = answer(*inputs)
    names = parameters(answer)
    for i, (given, kept, change) in enumerate(zip(inputs, before, changes)):
        argument = names[i] if i < len(names) else NUMBER.format(position=i + 1)
        said = {"name": name, "argument": argument}
        fine = _same(given, kept) and _items(given) == items[i]
        expect(fine, CHANGED_INPUT, **said)
        if change:
            expect(not change(), CHANGED_MODULE, **said, change=change())
    if kind is not None:
        expect(returned is not None, NO_RETURN, name=name)
        found = describe(returned)
        wanted = getattr(kind, "__name__", str(kind)).replace("Tensor", A_TENSOR)
        fits = isinstance(returned, kind)
        expect(fits, OTHER_TYPE, name=name, found=found, wanted=wanted)
    for one in returned if isinstance(returned, (tuple, list)) else [returned]:
        finite = not isinstance(one, torch.Tensor) or one.isfinite().all()
        expect(finite, NOT_FINITE, name=name)
    return returned


def describe(value: object, long: str = "") -> str:
    """A value in a few words, for a sentence: "a tensor of shape (3, 4)", "5".

    long: what to say if that takes more than a few, instead of its type or parts.
    """
    if isinstance(value, torch.Tensor):
        return SHAPED.format(shape=tuple(value.shape))
    try:
        text = repr(value)
    except Exception:  # an object of the learner's own
        text = ""
    if 0 < len(text) <= 50 and " at 0x" not in text:
        return text
    if isinstance(value, (tuple, list)) and len(value) == 2 and not long:
        if not any(isinstance(part, (tuple, list)) for part in value):
            return AND.join(map(describe, value))
    return long or OF_A_TYPE.format(kind=type(value).__name__)


def number(value: object) -> int | float | None:
    """A number, or the only one in a tensor or an array, as Python's; else None."""
    if isinstance(value, (torch.Tensor, np.ndarray)) and math.prod(value.shape) == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    return value.item() if isinstance(value, np.generic) else value


def one_number(returned: object) -> int | float:
    """The number that an answer returned; NotYet if it returned anything else."""
    found = number(returned)
    expect(found is not None, ONE_NUMBER, found=describe(returned))
    return found


def whole_number(returned: object) -> int:
    """The same for a count, which may also be a float such as 506.0."""
    found = number(returned)
    seen = describe(returned if found is None else found)
    expect(found is not None and found % 1 == 0, WHOLE_NUMBER, found=seen)
    return int(found)


def two_tensors(returned: object) -> tuple[torch.Tensor, torch.Tensor]:
    """W1 and b1, if that is what an answer returned."""
    each = returned if isinstance(returned, (tuple, list)) else [returned]
    fine = len(each) == 2 and all(isinstance(one, torch.Tensor) for one in each)
    expect(fine, TWO_TENSORS, found=AND.join(map(describe, each)) or NOTHING)
    W1, b1 = each
    expect((W1.dim(), b1.dim()) != (1, 2), SWAPPED, found=describe(W1))
    return W1, b1


def is_setting(value: object, names: Iterable[str]) -> bool:
    """Whether it is a dictionary with a value for each of these names."""
    return isinstance(value, dict) and set(value) == set(names)


def _same(one: Any, other: Any) -> bool:
    """Whether a tensor is still what it was; True for anything else."""
    if not isinstance(one, torch.Tensor):
        return True
    return one.dtype == other.dtype and torch.equal(one, other)


def _items(given: object) -> object:
    """The objects in a list or a dict, and in lists and dicts inside; else its id."""
    if isinstance(given, dict):
        return [*given, *map(_items, given.values())]
    return [*map(_items, given)] if isinstance(given, list) else id(given)


def parameters(function: Callable) -> list[str]:
    """The names of its arguments; [] if it has no signature."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []
