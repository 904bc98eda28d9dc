"""Stop (Ctrl-C), heard at any time and obeyed between two steps."""

import signal
import threading
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait

LISTEN = 0.1  # seconds between two checks for a Stop
PATIENCE = 2  # seconds after which a second Stop is obeyed at once


class DeferredStop:
    """Notes a Stop (Ctrl-C) at any time, and obeys it between two steps.

    An exception in the middle of a step can leave a process half started, or get lost
    in a callback of a library. If a step hangs, a second Stop is obeyed at once.
    patience: seconds between the two; a second Stop that comes earlier is ignored.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience, self._heard = patience, None

    def __enter__(self) -> "DeferredStop":
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *error: object) -> None:
        if signal.getsignal(signal.SIGINT) == self._hear:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _hear(self, *_):
        now = time.monotonic()
        if self._heard is None:
            self._heard = now
        elif now > self._heard + self._patience:
            raise KeyboardInterrupt

    def obey(self) -> None:
        """Raises KeyboardInterrupt if there was a Stop."""
        if self._heard is not None:
            raise KeyboardInterrupt

    def wait(self, futures: Iterable[Future]) -> set[Future]:
        """The futures that are done, at least one of them; obeys in between."""
        done = set()
        while not done:
            self.obey()
            done, _ = wait(futures, LISTEN, FIRST_COMPLETED)
        return done
