"""A learner's code can be stopped from another thread, also within an endless loop."""

import ctypes
import sys
import threading
import time
from types import FrameType
from typing import Any

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc


class Stopped(BaseException):
    """Raised inside code that was stopped."""


class _InItsPlace(BaseException):
    """What was sent to a thread and has not arrived yet is replaced by this."""


def raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise `error` in a thread, by its ident."""
    _raise_in(ctypes.c_ulong(thread), ctypes.py_object(error))


def take_back() -> None:
    """Take back what was sent to this thread and has not arrived yet.

    Another one arrives here in its place: were nothing to arrive, Python 3.11 would go
    on looking for it, and the next call that a debugger or `check` traces never begins.
    """
    try:
        raise_in(threading.get_ident(), _InItsPlace)
        while True:
            pass
    except _InItsPlace:
        pass


class Stoppable:
    """A block, `with stoppable:`, of one thread at a time, that others can `stop`.

    What does not return from a single call into C can't be stopped from inside.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread, self._visit, self._since = 0, 0, 0.0
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        self._visit += 1
        self._since, self._thread = time.monotonic(), threading.get_ident()

    def __exit__(self, *_: Any) -> None:
        with self._lock:  # so that nothing arrives after the block
            self._thread = 0
            take_back()
            timer, self._timer = self._timer, None
        if timer:
            timer.cancel()

    @property
    def visit(self) -> int:
        """Which time the block is run now; 0: it isn't."""
        return self._visit if self._thread else 0

    @property
    def seconds(self) -> float:
        """How long the block has been running."""
        return time.monotonic() - self._since if self._thread else 0.0

    @property
    def frame(self) -> FrameType | None:
        """Where the block is now."""
        return sys._current_frames().get(self._thread)

    def stop(self, visit: int) -> None:
        """Raise Stopped in the block, if it is still that visit."""
        with self._lock:
            if visit and visit == self.visit:
                raise_in(self._thread, Stopped)

    def stop_after(self, seconds: float) -> None:
        """Stop what runs now, unless it ends by itself before."""
        with self._lock:
            if not self.visit or self._timer is not None:
                return
            timer = self._timer = threading.Timer(seconds, self.stop, [self.visit])
        timer.daemon = True
        timer.start()  # the block may have ended, and has canceled it then
