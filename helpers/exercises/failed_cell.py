"""Which definitions are older than they look: the cell that makes them anew failed."""

import re

from IPython import get_ipython
from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult

DEFINES = re.compile(r"^(?:def|class)\s+(\w+)", re.MULTILINE)

_before: dict[str, object] = {}  # what the cell that runs defines: as it was before
_outdated: dict[str, tuple[object, str]] = {}  # name -> its value, and the error


def outdated(answer: object) -> tuple[str, str] | None:
    """Its name, and the kind of error that kept the learner's cell from redefining it.

    None if there was no such error: if that cell failed further down, for example.
    """
    for name, (value, kind) in _outdated.items():
        if value is answer:
            return name, kind
    return None


def _begin(cell: ExecutionInfo) -> None:
    _before.clear()
    for name in DEFINES.findall(cell.raw_cell):
        _before[name] = get_ipython().user_ns.get(name)


def _end(result: ExecutionResult) -> None:
    error = result.error_before_exec or result.error_in_exec
    for name, value in _before.items():
        _outdated.pop(name, None)
        if error and get_ipython().user_ns.get(name) is value:
            _outdated[name] = value, type(error).__name__


if shell := get_ipython():
    shell.events.register("pre_run_cell", _begin)
    shell.events.register("post_run_cell", _end)
