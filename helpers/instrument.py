"""What all live widgets share: a worker, an end, and a stand-in without a front end."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import ipywidgets as widgets
from IPython import get_ipython

from helpers.plots import Picture
from helpers.worker import Worker

STILL_WORKING = "Not finished after {seconds:g} s; wait longer, or pause it."

T = TypeVar("T", bound="Instrument")
_kept: dict = {}  # cell -> (its execution, the instruments that it made)


class Instrument(widgets.VBox):
    """A live widget with a worker thread of its own.

    A subclass defines `_work`, which runs on that thread for what `_submit` was given,
    and `_show_error`, for what goes wrong there. `_text`, and `_picture` or `_html`
    where it has one, are what is shown without a front end.

    error: what went wrong in the worker's last round, or None.
    """

    error: BaseException | None = None
    _worker: Worker | None = None

    def __init__(self, children: list[widgets.Widget]) -> None:
        self._worker = Worker(self._round, self._more)
        super().__init__(children)

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the worker has nothing left to do; raise what went wrong in it.

        seconds: how long at most (None: as long as it takes). Raises TimeoutError when
        they are over.
        """
        if not self._worker.wait(seconds):
            raise TimeoutError(STILL_WORKING.format(seconds=seconds))
        if self.error:
            raise self.error

    def close(self) -> None:
        """Stop the worker, and remove this widget and all that are in it."""
        if self._worker is None:  # its own __init__ has failed before ours
            return
        self._worker.close()
        for widget in [*_inside(self)]:
            widget.close()
        super().close()

    def _submit(self, command: Any) -> None:
        """Hand a command, any object, to the worker; from any thread."""
        self._worker.submit(command)

    def _round(self, commands: list) -> None:
        """On the worker's thread: work, and keep what goes wrong."""
        if commands:
            self.error = None
        try:
            self._work(commands)
        except BaseException as error:  # anything, from the learner's own code
            self.error = error
            self._show_error(error)

    def _work(self, commands: list) -> None:
        """On the worker's thread: do what was handed in since the last call."""

    def _show_error(self, error: BaseException) -> None:
        """On the worker's thread: show what `_work` has raised."""

    def _more(self) -> bool:
        """Whether the worker should call `_work` again without a command."""
        return False

    def _text(self) -> str:
        """What the widget shows, in text."""
        raise NotImplementedError

    def _picture(self) -> Picture | None:
        """What the widget shows, as a picture, or None."""
        return None

    def _html(self) -> str | None:
        """What the widget shows, as HTML, or None."""
        return None

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        bundle, metadata = dict(super()._repr_mimebundle_(**kwargs)), {}
        bundle["text/plain"] = self._text()
        if picture := self._picture():
            drawn, metadata = picture._repr_mimebundle_()
            bundle["image/png"] = drawn["image/png"]
        if html := self._html():
            bundle["text/html"] = html
        return bundle, metadata


def open_in_cell(make: Callable[[], T]) -> T:
    """Make an instrument, in place of those that an earlier run of this cell made."""
    cell, execution = _this_cell()
    before, instruments = _kept.get(cell, (execution, []))
    if before != execution:
        for earlier in instruments:
            earlier.close()
        instruments = []
    _kept[cell] = execution, instruments
    instrument = make()
    if cell is not None:
        instruments.append(instrument)
    return instrument


def _this_cell() -> tuple[str | None, str | None]:
    """The id of the cell that runs, and of its execution; None outside JupyterLab."""
    shell = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = parent.get("metadata", {}).get("cellId")
    return cell, parent.get("header", {}).get("msg_id")


def _inside(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """All widgets that a widget holds, its layout and styles too, at any depth."""
    for name in widget.keys:
        held = getattr(widget, name)
        for one in held if isinstance(held, (list, tuple)) else [held]:
            if isinstance(one, widgets.Widget):
                yield from _inside(one)
                yield one
