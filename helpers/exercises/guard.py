"""Runs a learner's answer in this kernel: for a limited time, quietly, and undone."""

import contextlib
import io
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

import torch

from helpers.instruments.state import Snapshot
from helpers.stopping import raise_in

PRINTED = 2000  # characters that an answer may print, to stdout and to stderr


class TooLong(BaseException):
    """Raised inside an answer that does not end."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[type[TooLong]]:
    """Raises a TooLong in this thread if the block takes longer.

    Yields the class that is raised; each call has its own, so that an inner block
    does not catch the outer one's. Where the system has signals, it also wakes an
    answer that sleeps or waits.
    """
    here, guarded, over = threading.get_ident(), sys._getframe(2), threading.Event()
    own = type("TooLong", (TooLong,), {})
    main = threading.current_thread() is threading.main_thread()
    wakes = main and hasattr(signal, "pthread_kill")

    def inside() -> bool:
        """Whether the block still runs: a later cell must not be hit."""
        frame = sys._current_frames().get(here)
        while frame is not None and frame is not guarded:
            frame = frame.f_back
        return frame is not None

    def watch() -> None:
        wait = seconds
        while not over.wait(wait) and inside():
            wait = 0.5  # again, in case the answer caught it
            raise_in(here, own)
            if wakes:
                signal.pthread_kill(here, signal.SIGUSR1)

    earlier = signal.signal(signal.SIGUSR1, lambda *_: None) if wakes else None
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield own
    finally:
        over.set()
        watcher.join()
        # Take back one that was sent but has not arrived yet.
        raise_in(here, None)
        if wakes:
            signal.signal(signal.SIGUSR1, earlier)


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Undoes what the block sets for all of PyTorch, and to its random numbers.

    So with Python's and numpy's random numbers. Not undone: os.environ, the working
    directory, files, and a library's function that was replaced (torch.relu = ...).
    """
    with Snapshot(), torch.enable_grad():
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

    def write(self, text: str) -> int:
        self._out.write(text[: self._left])
        self._left = max(0, self._left - len(text))
        return len(text)
