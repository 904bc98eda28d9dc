"""Whether a page still shows a live widget: the kernel asks, and the page answers."""

import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
from IPython import get_ipython

QUESTION = "shown?"
TAKEN_AWAY = "hidden"  # what a page says when it takes a view away, as with its cell
UNANSWERED = 4  # questions in a row: then no page shows the widget


class PageWatch:
    """Watches whether a page shows `widget`, from its first message on.

    The page sends a message when it shows the widget, and one for each question. While
    a cell runs, the kernel may hear none. So a question waits until the main thread is
    free, and one that a cell ran after does not count. Without a kernel, or before a
    page has shown the widget, nothing is asked.

    on_message: called after each message, on any thread. seconds: between questions.
    shell: IPython's. on_gone: called on the main thread once a view was taken away and
    no other one answers.
    """

    def __init__(
        self,
        widget: widgets.DOMWidget,
        on_message: Callable[[], Any],
        seconds: float = 1.0,
        shell: Any = None,
        on_gone: Callable[[], Any] = lambda: None,
    ) -> None:
        self.seconds = seconds
        self._widget, self._on_message, self._on_gone = widget, on_message, on_gone
        self._shell = shell or get_ipython()
        self._loop = getattr(getattr(self._shell, "kernel", None), "io_loop", None)
        self._seen = self._waiting = self._taken_away = False
        self._cells = None  # how many had run at the last question
        self._unanswered, self._due = 0, 0.0
        widget.on_msg(self._heard)

    def is_gone(self) -> bool:
        """Whether no page shows the widget any more; to be asked at every step."""
        now = time.monotonic()
        if self._seen and self._loop and not self._waiting and now >= self._due:
            self._due = now + self.seconds
            self._waiting = True
            self._loop.add_callback(self._ask)
        return self._unanswered > UNANSWERED

    def reset(self) -> None:
        """Begin to count again: somebody is there."""
        self._unanswered = 0

    def _ask(self) -> None:
        """On the main thread, between cells."""
        cells = self._shell.execution_count
        self._unanswered = self._unanswered + 1 if cells == self._cells else 1
        self._cells = cells
        self._widget.send(QUESTION)
        self._waiting = False

    def _heard(self, _: Any, content: Any, *__: Any) -> None:
        self._seen, self._taken_away = True, content == TAKEN_AWAY
        self.reset()
        if self._taken_away and self._loop:
            self._loop.add_callback(self._ask_the_others)
        elif not self._taken_away:
            self._on_message()

    def _ask_the_others(self) -> None:
        """On the main thread: until one answers, or none does."""
        if self._unanswered > UNANSWERED:
            self._on_gone()
        elif self._taken_away:
            self._ask()
            self._loop.call_later(self.seconds, self._ask_the_others)
