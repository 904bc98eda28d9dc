"""What went wrong in a learner's own code, and in which line."""

import linecache
import traceback
from types import FrameType

from helpers.language import NO_MESSAGE, tr
from helpers.tables import one_line
from helpers.training import Config

RAISED_AT = tr("{kind} at line {number}, `{line}`: {text}")
RAISED = tr("{kind}: {text}")


def describe_error(error: BaseException, config: Config) -> str:
    """An error as one line, with the line of the learner's own code if there is one."""
    said = {"kind": type(error).__name__, "text": one_line(error, NO_MESSAGE)}
    frames = traceback.walk_tb(error.__traceback__)
    where = own_line([(frame, number) for frame, number in frames], config)
    if where is None:
        return RAISED.format(**said)
    return RAISED_AT.format(number=where[0], line=where[1], **said)


def own_line(
    frames: list[tuple[FrameType, int]], config: Config
) -> tuple[int, str] | None:
    """The number and the text of the innermost line that is the learner's, or None."""
    functions = getattr(config, "make", None), getattr(config, "own_step", None)
    modules = {one.__module__ for one in functions if hasattr(one, "__module__")}
    named = [(frame.f_globals.get("__name__", ""), frame, at) for frame, at in frames]
    # Not the cell that called the course.
    ours = [name.startswith("helpers.") for name, _, _ in named]
    named = named[ours.index(True) :] if True in ours else named
    for name, frame, number in reversed(named):
        if name in modules and not name.startswith("helpers."):
            line = linecache.getline(frame.f_code.co_filename, number, frame.f_globals)
            if line.strip():
                return number, line.strip()
    return None
