"""What all live widgets share: a thread, an end, and a stand-in without a front end."""

import atexit
import contextvars
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import anywidget
import ipywidgets as widgets
import torch
import traitlets
from IPython import get_ipython

from helpers.language import tr
from helpers.palette import css_variables
from helpers.plots import Picture

HERE = Path(__file__).parent
GONE = tr("Its kernel is gone. To use it, run this cell again.")
STILL_WORKING = tr("Not finished after {seconds:g} s; wait longer, or pause it.")
# Asked here and once: a new thread starts with what the last one has set.
NUM_THREADS = max(1, torch.get_num_threads() - 1)
SWITCH_SECONDS = 0.001  # at most, until one thread of Python lets another one go on
# That training waits when a cell begins or ends, whose answer then comes sooner.
GIVE_WAY_SECONDS = 0.02

T = TypeVar("T", bound="Instrument")
_made = WeakKeyDictionary()  # instrument -> its cell, and the execution of that
_goes_on_at = 0.0


class _Page(anywidget.AnyWidget):
    """What an instrument needs of the page that shows it; see instrument.js.

    names: CSS selector -> the name that screen readers give to what it finds.
    """

    # Not a path, here and in all others: anywidget would keep each widget for good.
    _esm = (HERE / "instrument.js").read_text("utf-8")
    _css = css_variables() + (HERE / "instrument.css").read_text("utf-8")
    gone = traitlets.Unicode(GONE).tag(sync=True)
    names = traitlets.Dict().tag(sync=True)


class Instrument(widgets.VBox):
    """A live widget with a thread of its own, which begins with the first command.

    Callbacks of widgets come on more than one thread. They only read values and
    `_submit` a command, which may be any object. The thread alone writes what is drawn:
    on it a subclass's `_work` gets all commands since its last call, and `_show_error`
    what goes wrong there. Once closed, it lets go of its memory (`_free`), since the
    notebook may keep it for long. Without a front end its `_text` and `_picture` are
    shown.

    error: what went wrong in the last call of `_work`, or None.
    """

    # ipywidgets 7, as on Colab, shows a widget by this alone, as its repr.
    _ipython_display_ = None
    error: BaseException | None = None
    _condition: threading.Condition | None = None
    _page: _Page | None = None

    def __init__(self, children: list[widgets.Widget]) -> None:
        self._condition = threading.Condition()
        self._commands: list = []
        self._thread: threading.Thread | None = None
        self._idle, self._ended = True, False
        self._page = _Page()
        super().__init__([*children, self._page])

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the thread has nothing left to do; raise what went wrong in it.

        seconds: how long at most, before a TimeoutError; None: as long as it takes.
        """
        with self._condition:
            if not self._condition.wait_for(lambda: self._ended or self._idle, seconds):
                raise TimeoutError(STILL_WORKING.format(seconds=seconds))
        if self.error:
            raise self.error

    def close(self) -> None:
        """End the thread after what it is doing; remove this widget and all in it."""
        if self._condition is None:  # its own __init__ has failed before ours
            return
        self._end()
        for widget in [*_inside(self)]:
            widget.close()
        super().close()
        if self._thread is None:
            self._free()

    def _end(self):
        with self._condition:
            self._ended, thread = True, self._thread
            self._condition.notify_all()
        if thread and thread is not threading.current_thread():
            thread.join(timeout=5)
        atexit.unregister(self._end)

    def _submit(self, command: Any) -> None:
        with self._condition:
            if self._ended:
                return
            self._commands.append(command)
            self._idle = False
            self._condition.notify_all()
            if self._thread is None:
                self._context = contextvars.copy_context()
                self._thread = threading.Thread(
                    target=self._run, name="lab worker", daemon=True
                )
                self._thread.start()
                # A thread inside PyTorch when Python ends would abort the kernel.
                atexit.register(self._end)

    def _run(self):
        # One core stays free for the browser and the rest of the notebook.
        torch.set_num_threads(NUM_THREADS)
        # So that those who answer the page need not wait 5 ms each for their turn.
        sys.setswitchinterval(min(SWITCH_SECONDS, sys.getswitchinterval()))
        try:
            self._rounds()
        finally:
            with self._condition:
                self._idle, self._thread = True, None
                self._condition.notify_all()
            if self._ended:
                self._free()

    def _rounds(self):
        while not self._ended:
            with self._condition:
                while not (self._commands or self._more() or self._ended):
                    self._idle = True
                    self._condition.notify_all()
                    self._condition.wait()
                self._idle = False
                rest = _goes_on_at - time.monotonic()
                self._condition.wait_for(lambda: self._commands or self._ended, rest)
                commands, self._commands = self._commands, []
            if not self._ended:
                self._round(commands)

    def _round(self, commands):
        if commands:
            self.error = None
        try:
            self._work(commands)
        except BaseException as error:  # anything, from the learner's own code
            self.error = error
            try:
                self._show_error(error)
            except Exception:
                self._context.run(self._tell, error)

    def _tell(self, error):
        """Show it in the context of a callback: what can't be sent in the thread's own,
        as with ipykernel 7.0, can be sent there."""
        with suppress(Exception):
            self._show_error(error)
        for widget in [*_inside(self)]:
            widget.send_state()

    def _work(self, commands: list) -> None:
        """Do what was handed in since the last call."""

    def _show_error(self, error: BaseException) -> None:
        """Show what `_work` has raised."""

    def _free(self) -> None:
        """Let go of what takes memory; it is closed."""

    def _announce(self, sentence: str) -> None:
        """Let screen readers say it, once nothing has changed for a moment."""
        if self._page:
            self._page.send({"text": sentence})

    def _more(self) -> bool:
        """Whether `_work` should be called again without a command."""
        return False

    def _text(self) -> str:
        """What the widget shows, in text."""
        raise NotImplementedError

    def _picture(self) -> Picture | None:
        """What the widget shows, as a picture, or None."""

    def _html(self) -> str | None:
        """What the widget shows, as HTML, or None."""

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        bundle, metadata = {"text/plain": self._text()}, {}
        if self.comm:
            view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
            bundle["application/vnd.jupyter.widget-view+json"] = view
        if picture := self._picture():
            drawn, metadata = picture._repr_mimebundle_()
            bundle["image/png"] = drawn["image/png"]
        if html := self._html():
            bundle["text/html"] = html
        return bundle, metadata


def give_way(*_: Any) -> None:
    """Let all training wait for a moment, so that what is sent meanwhile comes soon."""
    global _goes_on_at
    _goes_on_at = time.monotonic() + GIVE_WAY_SECONDS


def of_this_cell(instrument: T) -> T:
    """The same instrument, which the next run of the cell that runs closes."""
    _made[instrument] = _this_cell()
    return instrument


def close_earlier(*_: Any) -> None:
    """Close what an earlier run of the cell that begins has made."""
    cell, execution = _this_cell()
    for instrument, (of_cell, made_in) in [*_made.items()]:
        if cell and of_cell == cell and made_in != execution:
            instrument.close()


def _this_cell() -> tuple[str | None, str | None]:
    """The cell that runs, by its id or, as in nbclassic, its code; its execution."""
    shell = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = parent.get("metadata", {}).get("cellId")
    code = parent.get("content", {}).get("code")
    return cell or code, parent.get("header", {}).get("msg_id")


def _inside(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """All widgets that a widget holds, its layout and styles too, at any depth."""
    for name in widget.keys:
        held = getattr(widget, name)
        for one in held if isinstance(held, (list, tuple)) else [held]:
            if isinstance(one, widgets.Widget):
                yield from _inside(one)
                yield one


if shell := get_ipython():
    shell.events.register("pre_run_cell", close_earlier)
    for event in ("pre_run_cell", "post_run_cell"):
        shell.events.register(event, give_way)
