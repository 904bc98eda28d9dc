"""What a learner's code prints in a lab's thread: the lab shows its newest line.

Such a print belongs to no cell, so the page would show it nowhere, or below any other.
"""

import sys
import threading
from collections.abc import Iterable
from typing import Any

MOST = 200  # characters


class Printed:
    """The newest line that one thread has printed, as far as it is written."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Nothing was printed yet."""
        self.line = self._end = ""

    def listen(self) -> None:
        """From now on to the thread that calls this."""
        _thread.printed = self

    def write(self, text: str) -> None:
        """What was printed, maybe only a part of a line."""
        lines = (self._end + text).splitlines(keepends=True)
        if found := [line.strip() for line in lines if line.strip()]:
            self.line = found[-1][:MOST]
        end = lines[-1] if lines else ""
        self._end = end[:MOST] if end.splitlines() == [end] else ""


class _Thread(threading.local):
    printed: Printed | None = None  # who listens


_thread = _Thread()


class Stream:
    """Stands in for another stream; a subclass decides who gets what is written."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _ByThread(Stream):
    """The stream that it replaces gets what nobody listens to."""

    def write(self, text: str) -> int:
        if _thread.printed is None:
            return self._stream.write(text)
        _thread.printed.write(text)
        return len(text)


def hear_prints() -> None:
    """Make that those who listen are given what their threads print."""
    if not isinstance(sys.stdout, _ByThread):
        sys.stdout = _ByThread(sys.stdout)
