"""What one thread prints and warns of is not shown; what others do is."""

import contextlib
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from helpers.own.printed import Stream
from helpers.own.settings import whose_turn


class _Muted(Stream):
    """The stream that it replaces gets all but this thread's text."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        is_ours = threading.get_ident() == self._thread
        return len(text) if is_ours else self._stream.write(text)


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


class _Ours:
    """In a filter, in place of a regular expression: the warnings of this thread."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def match(self, text: str) -> bool:
        return threading.get_ident() == self.thread


@contextlib.contextmanager
def _no_warnings():
    if threading.current_thread() is threading.main_thread():
        ours = _Ours()
        ignored = "ignore", ours, Warning, None, 0
        warnings.filters.insert(0, ignored)
        try:
            yield
        finally:
            ours.thread = 0  # where another thread still has it, it matches nothing
            if ignored in warnings.filters:
                warnings.filters.remove(ignored)
        return
    # What is set for all belongs to the cell, so here only the showing goes.
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
