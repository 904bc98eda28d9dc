"""Exercises that check themselves: `check`, `hint`, `solution`, `progress`.

What an exercise asks, and what its wrong answers mean, is in `lesson_01`, `lesson_02`,
..., one module for each notebook. This module is what all exercises share: an answer
may raise, loop, return anything or change its input, and gets one calm line.
"""

import dis
import functools
import inspect
import types
from collections.abc import Callable
from html import escape

from helpers import records
from helpers.exercises import exercise
from helpers.exercises.exercise import Exercise, NotYet, calling, describe, expect
from helpers.exercises.failed_cell import outdated
from helpers.exercises.guard import Limit, TooLong, called, quiet, undone
from helpers.exercises.raised import what_raised
from helpers.given import brief, require
from helpers.language import COMMA, SPACE, tr
from helpers.model import is_number
from helpers.tables import Look, Row, as_html, as_text, one_line, page, prose, reply

NOT_ATTEMPTED = tr("{id} not attempted yet: replace the ... and run the cell again.")
# Translators: {kind} is an error's, such as SyntaxError.
NOT_CHECKED = tr(
    "{id} not checked: your last cell that defines {name} stopped with {kind}, so "
    "{name} is still the one from before. Mend that cell, run it, and check again."
)
NOT_YET = tr("{id} not yet: {why}")
# Translators: {notice} and {why} are whole sentences.
RIGHT = tr("{id} right. {notice}")
NO_EXERCISE = tr("There is no exercise {id}. The course has: {known}.")
NOT_SECONDS = tr("seconds must be a number above 0, such as 10; you gave {found}.")
TOO_LONG = tr(
    "it was still running after {seconds:g} seconds of computing; look for an endless "
    "loop. If it is only slow, give it longer: check(..., seconds={more:g})."
)
WAITED = tr(
    "after {seconds:g} seconds it was still waiting; look for what it waits for."
)
QUIT = tr("your code tried to quit Python ({kind}); leave that out.")
NOT_A_FUNCTION = tr(
    "this exercise needs your function {name} itself, but got {found}; write "
    'check("{id}", {name}), without parentheses after the name.'
)
NOT_A_CLASS = tr(
    "this exercise needs your class {name} itself, but got {found}; write "
    'check("{id}", {name}), without parentheses after the name.'
)
OTHER_ARGUMENTS = tr(
    "your {name} takes ({found}), but the exercise calls it with ({wanted}); leave the "
    "first line as it was."
)
HINT = tr("{id}, hint {number} of {count}: {hint}")
NO_MORE_HINTS = tr(
    '{id}: those were all {count} hints. solution("{id}") shows the answer.'
)
PROGRESS_COLUMNS = (tr("lesson"), tr("exercises solved"), tr("still open"))
SOLVED = tr("{solved} of {count} exercises solved.")
MATCHED = tr("{right} of {made} predictions matched the measurement.")
DOES_NOTHING = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}

_hints_given: dict[str, int] = {}


# --- what a learner calls


class Said(str):
    """One line or more for a learner, under print() and as a cell's output.

    right: whether it says that an answer is right.
    """

    right = False
    __repr__ = str.__str__


class Sentence(Said):
    """One line, which a notebook wraps between words. look: of a reply, or None."""

    def __new__(cls, text: str, look: Look | None = None) -> "Sentence":
        made = super().__new__(cls, text)
        made._look, made.right = look, look is Look.RIGHT
        return made

    def _repr_html_(self) -> str:
        return page(reply(self._look, self) if self._look else f"<p>{prose(self)}</p>")


def check(id: str, answer: object, seconds: float = 10) -> Said:
    """Check an answer to exercise `id`: not attempted, not yet because ..., or right.

    answer: the learner's function or class. seconds: how long it may compute, or wait.
    Never raises, whatever the answer does; ValueError for bad seconds.
    """
    require(is_number(seconds) and seconds > 0, NOT_SECONDS, seconds)
    asked = _find(id)
    if isinstance(asked, Said):
        return asked
    id = asked.id
    if old := outdated(answer):
        said = NOT_CHECKED.format(id=id, name=old[0], kind=old[1])
        return Sentence(said, Look.OPEN)
    if _is_stub(answer):
        return Sentence(NOT_ATTEMPTED.format(id=id), Look.OPEN)
    why = _why_not(asked, answer, seconds)
    if why:
        return Sentence(NOT_YET.format(id=id, why=one_line(why)), Look.NOT_YET)
    records.change("exercises", id, solved=True)
    said = RIGHT.format(id=id, notice=asked.notice)
    said = SPACE.join(filter(None, [said, records.notice()]))
    return Sentence(said, Look.RIGHT)


def hint(id: str) -> Said:
    """The next hint for exercise `id`; never the answer."""
    asked = _find(id)
    if isinstance(asked, Said):
        return asked
    id = asked.id
    count = len(asked.hints)
    number = _hints_given[id] = _hints_given.get(id, 0) + 1
    if number > count:
        return Sentence(NO_MORE_HINTS.format(id=id, count=count))
    text = asked.hints[number - 1]
    return Sentence(HINT.format(id=id, number=number, count=count, hint=text))


def solution(id: str) -> Said:
    """The solution of exercise `id`, as Python."""
    asked = _find(id)
    return asked if isinstance(asked, Said) else Said(asked.source)


def progress() -> "ProgressTable":
    """What is solved and predicted so far, over all notebooks."""
    return ProgressTable(records.read("exercises"), records.read("predictions"))


class ProgressTable:
    """What `progress` returns: a table, and a sentence that sums it up.

    solved: the records of exercises. predicted: those of predictions.
    """

    def __init__(self, solved: dict, predicted: dict) -> None:
        lessons = {}  # "01" -> ([solved ids], [open ids])
        for id in exercise.all_exercises():
            ids = lessons.setdefault(f"{int(id.split('.')[0]):02}", ([], []))
            ids[id not in solved].append(id)
        self._rows = [
            (lesson, " ".join(done) or "-", " ".join(left) or "-")
            for lesson, (done, left) in lessons.items()
        ]
        made = [kept for kept in predicted.values() if kept.get("choice")]
        self._total = SOLVED.format(
            solved=sum(len(done) for done, _ in lessons.values()),
            count=len(exercise.all_exercises()),
        )
        if made:
            right = sum(kept["choice"] == kept.get("measured") for kept in made)
            self._total += SPACE + MATCHED.format(right=right, made=len(made))

    def __str__(self) -> str:
        return f"{as_text(PROGRESS_COLUMNS, self._rows)}\n{self._total}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table = as_html(PROGRESS_COLUMNS, map(Row, self._rows))
        return page(table, f"<p>{escape(self._total)}</p>")


def _find(id: str) -> Exercise | Said:
    """The exercise, or a sentence that there is none."""
    known = exercise.all_exercises()
    meant = str(id) if isinstance(id, float) else id  # 1.2 is meant as "1.2"
    if isinstance(meant, str) and meant in known:
        return known[meant]
    return Sentence(NO_EXERCISE.format(id=brief(id), known=COMMA.join(known)))


# --- around an answer


def _why_not(asked: Exercise, answer: object, seconds: float) -> str | None:
    """Why the answer is not right yet, or None."""
    limit = Limit(seconds)
    try:
        with undone(), quiet(), limit:
            return _judged(asked, answer)
    except limit.error:
        said = WAITED if limit.waited else TOO_LONG
        return said.format(seconds=seconds, more=6 * seconds)


def _judged(asked: Exercise, answer: object) -> str | None:
    """As `_why_not`, without a limit: even an error's message may never end."""
    returned = []
    try:
        _fits(asked, answer)
        whole = inspect.isclass(answer)
        asked.checker(answer if whole else _kept(answer, asked.name, returned))
    except NotYet as why:
        return str(why)
    except (KeyboardInterrupt, TooLong):  # Stop, or a limit
        raise
    except (SystemExit, GeneratorExit) as error:
        return QUIT.format(kind=type(error).__name__)
    except BaseException as error:  # whatever the answer raised
        start = asked.checker.__code__, _call.__code__
        return what_raised(error, answer, start, asked.name, returned)
    return None


def _kept(answer: Callable, name: str, returned: list) -> Callable:
    """The answer; after each call `returned` holds what it returned last."""
    return functools.wraps(answer)(functools.partial(_call, answer, name, returned))


def _call(answer: Callable, name: str, returned: list, *inputs: object) -> object:
    with calling(name, *inputs):
        returned[:] = [called(answer, *inputs)]
    return returned[0]


def _fits(asked: Exercise, answer: object) -> None:
    """Expect a function or class that takes the right arguments."""
    wants_class = inspect.isclass(asked.reference)
    fine = inspect.isclass(answer) if wants_class else callable(answer)
    sentence = NOT_A_CLASS if wants_class else NOT_A_FUNCTION
    expect(fine, sentence.format(name=asked.name, id=asked.id, found=describe(answer)))
    if wants_class:
        return
    wanted = exercise.parameters(asked.reference)
    try:
        inspect.signature(answer).bind(*wanted)
    except TypeError:
        found, wanted = ", ".join(exercise.parameters(answer)), ", ".join(wanted)
        why = OTHER_ARGUMENTS.format(name=asked.name, found=found, wanted=wanted)
        raise NotYet(why) from None
    except ValueError:  # a builtin has no signature
        pass


def _code(answer: object) -> types.CodeType | None:
    """The code of a function, seen through its decorators, or None."""
    try:
        code = inspect.unwrap(answer).__code__
    except Exception:  # an object with odd attributes
        return None
    return code if isinstance(code, types.CodeType) else None


def _is_stub(answer: object) -> bool:
    """Whether nothing has been written yet: ..., or a body of it alone."""
    if answer is ...:
        return True
    if inspect.isclass(answer):
        own = [value for value in vars(answer).values() if inspect.isfunction(value)]
        # Its base may be the learner's own class, and hold what this one doesn't.
        below = any(base.__module__ == answer.__module__ for base in answer.__bases__)
        may_be_stub = not below and bool(own or answer.__doc__ is None)
        return may_be_stub and all(map(_is_stub, own))
    code = _code(answer)
    if code is None or not set(code.co_consts) <= {None, ..., answer.__doc__}:
        return False
    return {step.opname for step in dis.get_instructions(code)} <= DOES_NOTHING
