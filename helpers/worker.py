"""A thread that works for one live instrument.

Callbacks of widgets come on more than one thread. They only read values and
submit a command; the worker takes the newest, and it alone writes what is drawn.
"""

import atexit
import threading
from collections.abc import Callable
from typing import Any

import torch

# Asked here and once: a new thread starts with what the last one has set.
NUM_THREADS = max(1, torch.get_num_threads() - 1)


class Worker:
    """One background thread, which begins with the first command.

    body(commands): called on the thread with all commands handed in since the
    last call; it catches its own exceptions. more(): whether to call `body`
    again although there is no command.
    """

    def __init__(self, body: Callable[[list], Any], more: Callable[[], bool]) -> None:
        self.closed = False
        self._body, self._more = body, more
        self._condition = threading.Condition()
        self._commands = []
        self._idle = True
        self._thread = None

    def submit(self, command: Any) -> None:
        """Hand in a command, which may be any object; from any thread."""
        with self._condition:
            if self.closed:
                return
            self._commands.append(command)
            self._idle = False
            self._condition.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="lab worker", daemon=True
                )
                self._thread.start()
                # A thread inside PyTorch when Python ends would abort the kernel.
                atexit.register(self.close)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until there is nothing to do: True, or False if it takes longer."""
        with self._condition:
            return self._condition.wait_for(lambda: self.closed or self._idle, seconds)

    def close(self) -> None:
        """End the thread, after what it is doing right now."""
        with self._condition:
            self.closed = True
            self._condition.notify_all()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        atexit.unregister(self.close)

    def _work(self) -> None:
        # One core stays free for the browser and the rest of the notebook.
        torch.set_num_threads(NUM_THREADS)
        while not self.closed:
            with self._condition:
                while not (self._commands or self._more() or self.closed):
                    self._idle = True
                    self._condition.notify_all()
                    self._condition.wait()
                self._idle = False
                commands, self._commands = self._commands, []
            if not self.closed:
                self._body(commands)
