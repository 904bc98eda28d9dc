"""What one thread prints and warns of is not shown; what others do is."""

import contextlib
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from helpers.own.settings import whose_turn


class _Muted:
    """A stream in place of another, which has all but this thread's text."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._thread = stream, threading.get_ident()

    def write(self, text: str) -> int:
        is_ours = threading.get_ident() == self._thread
        return len(text) if is_ours else self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """The thread that enters it is not heard."""
    out, muted_out = sys.stdout, _Muted(sys.stdout)
    sys.stdout = muted_out
    try:
        with _no_warnings():
            yield
    finally:
        muted_out._thread = 0  # where a cell still has it, it mutes nobody
        if sys.stdout is muted_out:  # else a cell has put another one there
            sys.stdout = out


@contextlib.contextmanager
def _no_warnings():
    if threading.current_thread() is threading.main_thread():
        with warnings.catch_warnings(action="ignore"):
            yield
        return
    # The filters are those of all threads, so here only the showing goes.
    show, thread = warnings.showwarning, threading.get_ident()

    def show_of_others(*given: Any, **named: Any) -> None:
        if threading.get_ident() != thread:
            show(*given, **named)

    with whose_turn:  # else another lab takes this for what its own code has set
        warnings.showwarning = show_of_others
        try:
            yield
        finally:
            if warnings.showwarning is show_of_others:
                warnings.showwarning = show
            with warnings.catch_warnings():  # what was not shown will be, next time
                pass
