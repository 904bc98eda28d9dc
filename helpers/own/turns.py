"""Labs take turns at what there is once for all of them: settings, random numbers.

A turn may never end, as in an endless loop of a learner's code. So others wait in short
pieces, between which they can be stopped, and say what they wait for.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from helpers.language import tr

WAITS = tr(
    "Waiting for another lab, whose own code has not returned yet. To stop it, press "
    "pause twice in that lab."
)
LONG = 1  # second; then it is said
PIECE = 0.05


def _print(sentence: str) -> None:
    if sentence:
        print(sentence)


class _Hearer(threading.local):
    tell: Callable[[str], Any] = staticmethod(_print)


_hearer = _Hearer()


def heard_by(tell: Callable[[str], Any]) -> None:
    """Who hears from now on why this thread waits, and with "" that this is over."""
    # A cell that waits shows no lab yet, so the main thread prints.
    if threading.current_thread() is not threading.main_thread():
        _hearer.tell = tell


def wait_for(turn: Any) -> None:
    """Take a lock, however long that takes."""
    if turn.acquire(timeout=LONG):
        return
    _hearer.tell(WAITS)
    try:
        while not turn.acquire(timeout=PIECE):
            pass
    finally:
        _hearer.tell("")


@contextmanager
def alone(turn: Any) -> Iterator[None]:
    """Hold a lock in this block."""
    wait_for(turn)
    try:
        yield
    finally:
        turn.release()
