"""Exercises that check themselves: `check`, `hint`, `solution`, `progress`.

What an exercise asks, and what its wrong answers mean, stands in `helpers/exercises`,
one module for each notebook. Here is what all exercises share: an answer may raise,
loop, return anything or change its input, and gets one calm line.
"""

import dis
import functools
import html
import inspect
import traceback
import types

from helpers import records
from helpers.exercises.exercise import (
    NotYet,
    all_exercises,
    describe,
    expect,
    parameters,
)
from helpers.exercises.guard import TooLong, limited, quiet, undone
from helpers.exercises.predict import table_row

SECONDS = 10  # an answer may take so long
MAX_TEXT = 200  # characters of an error's message that are shown

NOT_ATTEMPTED = "{id} not attempted yet: replace the ... and run the cell again."
NOT_YET = "{id} not yet: {why}"
RIGHT = "{id} right. {notice}"
NO_EXERCISE = "There is no exercise {id!r}. The course has: {known}."
RAISED = "your code raised {kind} at `{line}`: {text}"
RAISED_INSIDE = "your code raised {kind}: {text}"
NO_USE = "your {name} last returned {found}; comparing it raised {kind}: {text}"
NO_USE_OF_CLASS = "comparing what your {name} computes raised {kind}: {text}"
TOO_LONG = (
    "it had not finished after {seconds} seconds; look for a loop without an end."
)
QUIT = "your code ended Python ({kind}); leave that out."
NOT_A_FUNCTION = (
    "this exercise needs your function {name} itself, and got {found}; write "
    'check("{id}", {name}), without parentheses after the name.'
)
NOT_A_CLASS = (
    "this exercise needs your class {name} itself, and got {found}; write "
    'check("{id}", {name}), without parentheses after the name.'
)
OTHER_ARGUMENTS = (
    "your {name} takes ({found}), and the task gives it ({wanted}); keep the first "
    "line as it was."
)
HINT = "{id}, hint {number} of {count}: {hint}"
NO_MORE_HINTS = '{id}: that were all {count} hints. solution("{id}") shows the answer.'
PROGRESS_COLUMNS = ("lesson", "exercises solved", "still open")
TOTAL = (
    "{solved} of {count} exercises solved. {made} predictions made, {right} of them "
    "as it was then measured."
)
DOES_NOTHING = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}


# --- what a learner calls


class Said:
    """One line or more for a learner, under print() and as a cell's output."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text

    __repr__ = __str__


def check(id, answer):
    """Check an answer to exercise `id`: not attempted, not yet because ..., or right.

    answer: the learner's function or class. Never raises, whatever the answer does.
    """
    known = all_exercises()
    if not isinstance(id, str) or id not in known:
        return Said(NO_EXERCISE.format(id=id, known=", ".join(known)))
    asked = known[id]
    if _is_stub(answer):
        return Said(NOT_ATTEMPTED.format(id=id))
    why = _why_not(asked, answer)
    if why:
        return Said(NOT_YET.format(id=id, why=" ".join(why.split())))
    records.change("exercises", id, solved=True)
    said = RIGHT.format(id=id, notice=asked.notice)
    return Said(" ".join(filter(None, [said, records.notice()])))


def hint(id):
    """The next hint for exercise `id`; never the answer."""
    known = all_exercises()
    if not isinstance(id, str) or id not in known:
        return Said(NO_EXERCISE.format(id=id, known=", ".join(known)))
    hints = known[id].hints
    given = _hints_given.get(id, 0)
    _hints_given[id] = given + 1
    if given >= len(hints):
        return Said(NO_MORE_HINTS.format(id=id, count=len(hints)))
    return Said(
        HINT.format(id=id, number=given + 1, count=len(hints), hint=hints[given])
    )


_hints_given = {}


def solution(id):
    """The solution of exercise `id`, as Python."""
    known = all_exercises()
    if not isinstance(id, str) or id not in known:
        return Said(NO_EXERCISE.format(id=id, known=", ".join(known)))
    return Said(known[id].source)


def progress():
    """What is solved and predicted so far, over all notebooks."""
    return Progress(records.read("exercises"), records.read("predictions"))


class Progress:
    """What `progress` returns: a table, and a sentence that sums it up."""

    def __init__(self, solved, predicted):
        lessons = {}  # "01" -> ([solved ids], [open ids])
        for id in all_exercises():
            ids = lessons.setdefault(f"{int(id.split('.')[0]):02}", ([], []))
            ids[id not in solved].append(id)
        self._rows = [
            (lesson, " ".join(done) or "-", " ".join(left) or "-")
            for lesson, (done, left) in lessons.items()
        ]
        made = [kept for kept in predicted.values() if kept.get("choice")]
        self._total = TOTAL.format(
            solved=sum(len(done) for done, _ in lessons.values()),
            count=len(all_exercises()),
            made=len(made),
            right=sum(kept["choice"] == kept.get("measured") for kept in made),
        )

    def __str__(self):
        rows = [PROGRESS_COLUMNS, *self._rows]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, self._total])

    __repr__ = __str__

    def _repr_html_(self):
        rows = "".join(map(table_row, self._rows))
        head = table_row(PROGRESS_COLUMNS, "th")
        return f"<table>{head}{rows}</table><p>{html.escape(self._total)}</p>"


# --- around an answer


def _why_not(asked, answer):
    """Why the answer is not right yet, or None."""
    mine = ()
    try:
        with undone(), quiet(), limited(SECONDS) as mine:
            return _judged(asked, answer)
    except mine:
        return TOO_LONG.format(seconds=SECONDS)


def _judged(asked, answer):
    """As `_why_not`; also what an error of the answer's own says may take for ever."""
    returned = []
    try:
        _fits(asked, answer)
        asked.checker(answer if inspect.isclass(answer) else _kept(answer, returned))
    except NotYet as why:
        return str(why)
    except (KeyboardInterrupt, TooLong):  # Stop, or a limit
        raise
    except (SystemExit, GeneratorExit) as error:
        return QUIT.format(kind=type(error).__name__)
    except BaseException as error:  # whatever the answer raised
        return _raised(error, asked, answer, returned)
    return None


def _kept(answer, returned):
    """The answer; what it returned last stands in `returned` then."""
    return functools.wraps(answer)(functools.partial(_call, answer, returned))


def _call(answer, returned, *inputs):
    returned[:] = [answer(*inputs)]
    return returned[0]


def _fits(asked, answer):
    """Whether it is a function or class of the right arguments at all."""
    wants_class = inspect.isclass(asked.reference)
    fine = inspect.isclass(answer) if wants_class else callable(answer)
    sentence = NOT_A_CLASS if wants_class else NOT_A_FUNCTION
    expect(fine, sentence.format(name=asked.name, id=asked.id, found=describe(answer)))
    if wants_class:
        return
    wanted = parameters(asked.reference)
    try:
        inspect.signature(answer).bind(*wanted)
    except TypeError:
        arguments = {"found": ", ".join(parameters(answer)), "name": asked.name}
        wanted = ", ".join(wanted)
        raise NotYet(OTHER_ARGUMENTS.format(wanted=wanted, **arguments)) from None
    except ValueError:  # a builtin has no signature
        pass


def _raised(error, asked, answer, returned):
    """One sentence, with the line of the learner's own code where there is one.

    Where none of the learner's code was running, the checker could not use what the
    answer had returned, and the sentence says that.
    """
    said = {"kind": type(error).__name__, "text": "no message"}
    try:
        said["text"] = str(error)[:MAX_TEXT] or "no message"
    except Exception:  # an exception of the learner's own
        pass
    trace = error.__traceback__
    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    lines = [summary.line for summary in traceback.extract_tb(trace)]
    codes, checker = [frame.f_code for frame in frames], asked.checker.__code__
    start = codes.index(checker) + 1 if checker in codes else 0
    own = getattr(answer, "__module__", None)
    for frame, line in reversed(list(zip(frames, lines))[start:]):
        if frame.f_globals.get("__name__") == own:
            sentence = RAISED if line else RAISED_INSIDE
            return sentence.format(line=line, **said)
    if start == 0 or _call.__code__ in codes:
        return RAISED_INSIDE.format(**said)
    if returned:
        return NO_USE.format(name=asked.name, found=describe(returned[0]), **said)
    return NO_USE_OF_CLASS.format(name=asked.name, **said)


def _code(answer):
    """The code of a function, seen through its decorators, or None."""
    try:
        code = inspect.unwrap(answer).__code__
    except Exception:  # an object with ideas of its own
        return None
    return code if isinstance(code, types.CodeType) else None


def _is_stub(answer):
    """Whether nothing has been written yet: ..., or a body of it alone."""
    if answer is ...:
        return True
    if inspect.isclass(answer):
        own = [value for value in vars(answer).values() if inspect.isfunction(value)]
        # A class of the learner's below it has what this one doesn't.
        below = any(base.__module__ == answer.__module__ for base in answer.__bases__)
        untouched = not below and bool(own or answer.__doc__ is None)
        return untouched and all(map(_is_stub, own))
    code = _code(answer)
    if code is None or not set(code.co_consts) <= {None, ..., answer.__doc__}:
        return False
    return {step.opname for step in dis.get_instructions(code)} <= DOES_NOTHING
