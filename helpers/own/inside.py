"""A learner's code in a lab's thread: it can be stopped, and what it sets for all of
Python, NumPy and PyTorch holds inside of it alone."""

import time
from collections.abc import Callable
from typing import Any

from IPython import get_ipython

from helpers.own.settings import kinds, whose_turn
from helpers.own.stopping import Stoppable
from helpers.own.turns import heard_by, wait_for

APART = 100  # times what a look at all settings takes: so it costs one percent
WAIT = 1  # second for another lab's code, where it can't be waited for any longer


class _Cells:
    """What the notebook's cells do; of the one that runs now, more is not known."""

    begun, running, is_watched = 0, False, False

    def watch(self, shell: Any) -> None:
        if shell and not self.is_watched:
            self.is_watched = self.running = True
            shell.events.register("pre_execute", self._begin)
            shell.events.register("post_execute", self._end)

    def _begin(self):
        self.begun += 1
        self.running = True

    def _end(self):
        self.running = False


_cells = _Cells()


class Inside(Stoppable):
    """A block, `with inside:`, that is stopped as a `Stoppable`.

    What a run's code sets holds whenever it runs, as in a script, and is put back after
    each block: kinds that it was seen to set at once, others within a tenth of a second
    or when it rests (`settle`). What changes while a cell runs is the cell's, unless it
    is what the run had set before.

    watches: whether the code is the learner's. tell: called with why it waits for
    another lab's code, and with "" once that is over.
    """

    def __init__(self, tell: Callable[[str], Any]) -> None:
        super().__init__()
        self._tell = tell
        _cells.watch(get_ipython())
        self.watches = False
        self._kinds = kinds(for_all=True)
        self._notebook: dict = {}  # what reads a kind -> as it is outside
        self._inside: dict = {}  # the same, of what was set: as it is inside
        self._cells_read: int | None = None  # how many had begun when they were read
        self._due = 0.0  # when all are looked at next
        self._is_unseen = self._has_turn = False

    def begin(self) -> None:
        """A new run has set nothing yet."""
        self._inside = {}

    def settle(self) -> None:
        """Put back all that was set; nothing runs for now."""
        self._due = 0.0
        if self._is_unseen and self._take_turn():
            self._leave()
            whose_turn.release()

    def __enter__(self) -> None:
        heard_by(self._tell)
        if self._inside:
            self._wait_for_turn()
        self._has_turn = bool(self._inside) or self.watches and self._take_turn()
        if self._has_turn:
            self._arrive()
            if not self._inside:  # so others need not wait
                self._has_turn = False
                whose_turn.release()
        super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._is_unseen = self.watches
        if error[0]:
            self._due = 0.0
        if self.watches and (self._has_turn or self._take_turn()):
            self._leave()
            self._has_turn = False
            whose_turn.release()

    def _wait_for_turn(self):
        """For as long as another lab's code runs; this can be stopped."""
        super().__enter__()
        try:
            wait_for(whose_turn)
        finally:
            super().__exit__()

    def _take_turn(self):
        """Whether no other lab's code runs with settings of its own."""
        return whose_turn.acquire(timeout=WAIT if self._inside else 0)

    def _arrive(self):
        new_cell = self._cells_read != _cells.begun and not _cells.running
        if new_cell:
            self._cells_read = _cells.begun
        for read in self._kinds if new_cell else self._inside:
            self._notebook[read] = read()
        for read, value in self._inside.items():
            self._put(read, value)

    def _leave(self):
        begin = time.thread_time()
        is_ours = self._cells_read == _cells.begun and not _cells.running
        looks = is_ours and time.monotonic() >= self._due
        for read, put in self._kinds.items():
            if not looks and read not in self._inside:
                continue
            now, before = read(), self._notebook[read]
            if now != before:
                # Not ==, which would compare what names stand for: see _Names.
                if is_ours or not now != self._inside[read]:
                    self._inside[read] = now
                    put(before)
            elif read in self._inside:
                self._inside[read] = now
        if looks:
            self._is_unseen = False
            self._due = time.monotonic() + APART * (time.thread_time() - begin)

    def _put(self, read, value):
        if read() != value:
            self._kinds[read](value)
