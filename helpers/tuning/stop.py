"""Stop (Ctrl-C), heard at any time and obeyed between two steps."""

import signal
import threading
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait

LISTEN = 0.1  # seconds between two checks for a Stop
PATIENCE = 2  # seconds after which a second Stop no longer waits


class DeferredStop:
    """Stop (Ctrl-C) is heard at any time, and obeyed between two steps.

    An exception in the middle of one can leave a process half started, or get lost in
    a callback of a library. When a step hangs, a second Stop is obeyed at once.
    patience: how many seconds after the first that second one has to come.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience

    def __enter__(self) -> "DeferredStop":
        self._heard = None
        main = threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGINT)
        self._ours = main and before is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *error: object) -> None:
        if self._ours:
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
        while True:
            self.obey()
            done, _ = wait(futures, LISTEN, FIRST_COMPLETED)
            if done:
                return done
