"""No cell runs in silence: after two seconds a line says how long it has been running.

The line is gone when the cell has ended. It comes in JupyterLab alone, so no output
that is stored or tested contains it.
"""

import threading
import time
from typing import Any

from helpers.language import tr

QUIET = 2.0  # seconds that a cell may run before it says something
RUNNING = tr("Running for {seconds:,.0f} s so far.")
MARK = {"course": "running"}  # jupyter_server_config.py removes what has it
LINE = '<div style="padding-left: 6px; color: var(--jp-ui-font-color2)">{said}</div>'

_clock: "_Clock | None" = None  # of the cell that runs


class _Clock(threading.Thread):
    """Shows how long one execution of a cell takes, until it is `over`."""

    def __init__(self, shell: Any) -> None:
        super().__init__(name="clock", daemon=True)
        self._pub, self._parent = shell.display_pub, shell.get_parent()
        self.over = threading.Event()

    def run(self) -> None:
        began, shown = time.monotonic(), False
        while not self.over.wait(1 if shown else QUIET):
            self._show(RUNNING.format(seconds=time.monotonic() - began), shown)
            shown = True
        if shown:
            self._show("", shown)

    def _show(self, said, again):
        # Not by display(), which needs the thread that runs the cell.
        markup = LINE.format(said=said) if said else ""
        content = {
            "data": {"text/plain": said, "text/html": markup},
            "metadata": MARK,
            "transient": {"display_id": f"running-{id(self)}"},
        }
        self._pub.session.send(
            self._pub.pub_socket,
            "update_display_data" if again else "display_data",
            content,
            parent=self._parent,
            ident=self._pub.topic,
        )


def watch_cells(shell: Any) -> None:
    """From the cell that runs now on, each says how long it takes.

    shell: IPython's, or None outside of it.
    """
    if hasattr(shell, "get_parent"):  # a kernel's
        shell.events.register("pre_run_cell", lambda _: _begin(shell))
        shell.events.register("post_run_cell", lambda _: stop_clock())
        _begin(shell)


def _begin(shell):
    global _clock
    stop_clock()
    if shell.get_parent().get("metadata", {}).get("cellId"):  # from a page
        _clock = _Clock(shell)
        _clock.start()


def stop_clock() -> None:
    """The cell that runs has ended, or shows itself how far it is."""
    if _clock:
        _clock.over.set()
