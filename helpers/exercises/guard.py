"""Runs a learner's answer in this kernel: for a limited time, quietly, and undone."""

import _thread
import builtins
import contextlib
import io
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any, TextIO

import torch

from helpers.instruments.state import Snapshot, is_own_module
from helpers.own.stopping import raise_in, take_back

PRINTED = 2000  # characters that an answer may print, to stdout and to stderr
TICK = 0.05  # s between two looks at what an answer does
WAITS = 0.02  # an answer that computes for a smaller share of its time is waiting,
LOOKS = 3  # if so many looks in a row say so: after one, others had the processor
GRACE = 1.0  # s in which a library's code may come to its end
LOOK = getattr(signal, "SIGUSR1", signal.SIGTERM)


class TooLong(BaseException):
    """Raised inside an answer that does not end."""

    # Python looks at signals again right after it. So a loop that catches it ends too:
    # such a look comes after the `except`, where the loop begins anew.
    __init__ = staticmethod(partial(_thread.interrupt_main, LOOK))


def called(answer: Callable, *inputs: Any) -> Any:
    """Calls it; this line counts as the learner's, also if the answer is no Python."""
    kept = dict(builtins.__dict__)
    try:
        return answer(*inputs)
    finally:
        builtins.__dict__.update(kept)  # without them no error can be described


class Limit(contextlib.AbstractContextManager):
    """Raises an `error` in the block if the learner's code in it takes too long.

    What counts is the processor time of this thread while a line of the learner's runs,
    or what it called; what is imported counts for nothing, up to its own limit. Other
    programs don't count either, unless the code does nothing but wait. `waited` says
    whether it did.

    It strikes between two of the learner's own lines, and in a library's only if that
    goes on for a while, and never while something is imported: what was interrupted
    there would be broken until the kernel is restarted.

    A thread that the learner's code began in the block, and that still runs such code
    at its end, ends soon after it.

    Each has an error of its own, so that a check within an answer is stopped with it.
    """

    def __init__(self, seconds: float, imports: float = 60.0) -> None:
        """Both in seconds of computing; imports: of all of them together."""
        self.error: type[TooLong] = type("TooLong", (TooLong,), {})
        self.waited, self._idle = False, 0  # for how many looks it has waited
        self._seconds, self._tick = seconds, min(TICK, seconds / 4)
        self._imports = imports
        self._ended, self._here = threading.Event(), threading.get_ident()
        self._main = threading.current_thread() is threading.main_thread()
        self._used = self._took = 0.0  # of the learner's code: computing, and in all
        self._imported = 0.0  # of what it imports: computing
        self._over: float | None = None  # since when its time is over
        self._raised = self._passed = 0  # errors, and looks since the last one

    def __enter__(self) -> "Limit":
        self._guarded, self._trace = sys._getframe(1), sys.gettrace()
        self._seen = time.monotonic(), time.thread_time()
        self._threads = {*sys._current_frames()}
        if self._main:
            self._earlier = signal.getsignal(LOOK)  # `_look` may come at once
            signal.signal(LOOK, self._look)
        watch = self._watch if self._main else self._watch_another_thread
        self._watcher = threading.Thread(target=watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._ended.set()
            self._watcher.join()
        finally:
            if self._main:
                signal.signal(LOOK, self._earlier)
            else:
                take_back()
            if self._over:
                sys.settrace(self._trace)
            for thread in threading.enumerate():
                if thread.name == "lab worker":  # a lab may have begun meanwhile
                    self._threads.add(thread.ident)
            for thread, frame in sys._current_frames().items():
                if thread not in self._threads and self._own(frame)[0]:
                    raise_in(thread, SystemExit)  # of which threads end in silence

    def _watch(self) -> None:
        """Has the main thread look, and wakes it if it sleeps in a call."""
        while not self._ended.wait(self._tick):
            _thread.interrupt_main(LOOK)
            asleep = time.monotonic() - self._seen[0] > self._seconds
            if (asleep or self._idle or self._over) and hasattr(signal, "pthread_kill"):
                signal.pthread_kill(self._here, LOOK)

    def _look(self, number: int, frame: FrameType) -> None:
        """In the main thread: what runs now, and is the time over?"""
        if isinstance(getattr(self._earlier, "__self__", None), Limit):
            self._earlier(number, frame)
        now, used = time.monotonic(), time.thread_time()
        took, used = now - self._seen[0], used - self._seen[1]
        self._seen = self._seen[0] + took, self._seen[1] + used
        own, importing = self._own(frame)
        if own is None or self._ended.is_set():
            return
        if importing:
            self._imported += used
            if self._imported > self._imports:  # such as a loop that imports
                self._over = self._over or now
                own.f_trace = self._strike
                sys.settrace(self._strike)
            return
        self._used, self._took = self._used + used, self._took + took
        if self._over is None:
            self._idle = self._idle + 1 if self._used < WAITS * self._took else 0
            self.waited = self._idle >= LOOKS
            if (self._took if self.waited else self._used) < self._seconds:
                return
            self._over = now
        if own is frame or now - self._over > GRACE:
            try:
                raise self.error
            except TooLong:
                # In 3.12 the look after an `except` counts as one within its `try`, so
                # not every look raises, and the others have Python look again.
                self._passed += 1
                if self._passed <= self._raised % 3:
                    return
                self._raised, self._passed = self._raised + 1, 0
                raise
        own.f_trace = self._strike  # as soon as the library's code returns
        sys.settrace(self._strike)

    def _strike(self, frame: FrameType, *_: Any) -> None:
        if _is_own(frame):
            raise self.error

    def _own(self, frame: FrameType | None) -> tuple[FrameType | None, bool]:
        """What runs of the learner's in the block, and whether it imports."""
        importing = False
        while frame is not None and frame is not self._guarded:
            if _is_own(frame):
                return frame, importing
            importing |= frame.f_code.co_filename.startswith("<frozen importlib")
            frame = frame.f_back
        return None, importing

    def _watch_another_thread(self) -> None:
        """Without signals: by the clock, and only where the learner's own line runs."""
        self._ended.wait(self._seconds)
        while not self._ended.wait(self._tick):
            frame = sys._current_frames().get(self._here)
            if frame is not None and self._own(frame)[0] is frame:
                raise_in(self._here, self.error)


def _is_own(frame: FrameType) -> bool:
    """Whether it runs code of the learner's."""
    module = str(frame.f_globals.get("__name__"))
    return frame.f_code is called.__code__ or is_own_module(module)


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Undoes what the block sets for all of Python, NumPy and PyTorch.

    So with random numbers, and with a library's function that was replaced
    (`torch.relu = ...`). Not undone: files.
    """
    with torch.inference_mode(False), torch.enable_grad(), Snapshot():
        torch.manual_seed(0)
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The block prints PRINTED characters at most, and as many to stderr."""
    out, err = _Short(sys.stdout), _Short(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


class _Short(io.TextIOBase):
    def __init__(self, out: TextIO) -> None:
        self._out, self._left = out, PRINTED
        earlier = {thread.ident for thread in threading.enumerate()}
        self._others = earlier - {threading.get_ident()}  # such as a lab's

    def write(self, text: str) -> int:
        if threading.get_ident() in self._others:
            return self._out.write(text)
        self._out.write(text[: self._left])
        self._left = max(0, self._left - len(text))
        return len(text)
