"""The grid lab: 64 networks train side by side, one in each cell of lr x width.

A row of the grid is one `Stack`: eight networks of one width that see the same
pictures. Its thread lets the rows step in turn and takes the newest commands between
two steps, so a new value abandons all 64 within one step of one row.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets
from matplotlib import colormaps
from matplotlib.colors import to_hex

from helpers.controls import OPTIONS, PAUSE, START, button, choice, grid, row
from helpers.data import FashionMNIST, check_data
from helpers.instrument import NUM_THREADS, Instrument, of_this_cell
from helpers.language import NO_MESSAGE, SPACE, tr
from helpers.live.page_watch import PageWatch
from helpers.palette import HEAT, ink_on_heat
from helpers.plots import Picture
from helpers.tables import one_line
from helpers.training import SUBSET, Config, as_word
from helpers.tuning.members import Member, Stack
from helpers.tuning.results import Result, Results
from helpers.tuning.shared_data import Shared
from helpers.tuning.sweep_plots import plot_grid

HERE = Path(__file__).parent
LRS = (0.002, 0.005, 0.02, 0.05, 0.1, 0.3, 0.7, 2.0)
WIDTHS = (2, 4, 8, 16, 32, 64, 128, 256)
DEPTHS = (1, 2, 3, 4)
PREVIEW_STEPS = 10  # at once, so that a picture is there without a front end
EARLY, EVERY = (1, 3, 5), 10  # steps after which a row is measured
FRAME_SECONDS, SUMMARY_SECONDS = 0.1, 5

TOOLTIPS = {
    "num_layers": tr(
        "Hidden layers of every network. A change starts all of them anew."
    ),
    "batch_size": tr("Pictures in each step. A change starts all networks anew."),
    "init": tr("How the weights begin. A change starts all networks anew."),
    "optimizer": tr("How gradients become updates. A change starts all networks anew."),
}
BUTTONS = (  # name, icon, tooltip
    (START, "play", tr("Start, pause or continue.")),
    (tr("reset"), "undo", tr("Back to step 0, with the first weights.")),
)
LEGEND = tr(
    "Each cell is a network in training. All of them see the same {train:,} training "
    "pictures in the same order. A cell shows the accuracy on {val} validation "
    "pictures; × marks a run that diverged, and the frame the best so far."
)
GRID = tr("Accuracy of 64 networks. Columns: lr. Rows: num_hiddens. Arrow keys move.")
HINT = tr("Click a cell or use the arrow keys, and paste its settings into a lab.")
COPY, COPIED = tr("copy settings"), tr("copied")
FRESH = tr("Nothing is trained yet.")
RUNNING = tr("Step {step:,} of {num_steps:,}, epoch {epoch} of {num_epochs}. {best}")
STATUS = {  # state -> what is said of it
    "fresh": FRESH,
    "preview": tr(
        "Preview, the first {step} steps. Press start, or choose another value."
    ),
    "running": RUNNING,
    "paused": tr("Paused. {running}").replace("{running}", RUNNING),
    "away": tr("Paused, because no page shows this grid. {running}").replace(
        "{running}", RUNNING
    ),
    "done": tr("Done after {step:,} steps, epochs: {num_epochs}. {best}"),
}
BEST = tr("Best so far: {accuracy:.2f}, {width} units, lr {lr:g}.")
ALL_DIVERGED = tr("All networks have diverged.")
CELL = tr("num_hiddens={width} lr={lr:g}: accuracy {accuracy:.2f}")
CELL_DIVERGED = tr("num_hiddens={width} lr={lr:g}: diverged at step {diverged:,}")
CELL_FRESH = tr("num_hiddens={width} lr={lr:g}: not trained yet")
DETAILS = tr(
    "Step {step:,}. Train: loss {loss:.3f} on the last batch. Validation: loss "
    "{val_loss:.3f}, accuracy {accuracy:.3f}, measured at step {measured:,}."
)
DETAILS_DIVERGED = tr(
    "Diverged at step {diverged:,}: its loss is {loss}, and training cannot recover."
)
FAILED = tr("Training failed. {kind}: {text}")
OWN_AXIS = tr("grid_lab tries its own values of {name}; leave {name} out.")
PLAIN_TEXT = tr(
    "Grid lab: 64 networks, lr from {low:g} to {high:g} against {narrow} to {wide} "
    "hidden units, with {settings}. In JupyterLab, run this cell, then press start."
)
ALT = tr(
    "Validation accuracy of 64 networks over lr and num_hiddens, after {step} steps."
)


class _GridCanvas(anywidget.AnyWidget):
    """What the browser draws; written by the worker alone."""

    _esm = (HERE / "grid_lab.js").read_text("utf-8")
    _css = (HERE / "grid_lab.css").read_text("utf-8")
    words = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    summary = traitlets.Unicode().tag(sync=True)


@dataclass(eq=False)
class Cell:
    """One network: its setting, and what is known of it.

    step: steps taken. loss: of its last batch. measured: the step at which val_loss and
    accuracy were measured. diverged: the step at which its loss was no longer finite.
    """

    config: Config
    step: int = 0
    loss: float = math.nan
    measured: int = 0
    val_loss: float = math.nan
    accuracy: float | None = None
    diverged: int | None = None

    def say(self, measured: str, diverged: str, fresh: str) -> str:
        """The sentence that fits, with what is known."""
        sentence = measured if self.measured else fresh
        sentence = diverged if self.diverged else sentence
        config = self.config
        return sentence.format(width=config.num_hiddens, lr=config.lr, **vars(self))

    def frame(self) -> dict[str, str]:
        """What the page shows of it."""
        shown = {
            "label": self.say(CELL, CELL_DIVERGED, CELL_FRESH),
            "details": self.say(DETAILS, DETAILS_DIVERGED, FRESH),
            "settings": str(self.config),
        }
        if self.diverged:
            return shown | {"text": "\u00d7"}
        if not self.measured:
            return shown | {"text": ""}
        text = f"{self.accuracy:.2f}".removeprefix("0")
        # The colours of plot_grid.
        heat = (self.accuracy - 0.1) / 0.8
        ground = to_hex(colormaps[HEAT](heat))
        return shown | {"text": text, "ground": ground, "ink": ink_on_heat(heat)}


class GridRow:
    """Networks of one shape side by side, which differ in lr."""

    def __init__(self, configs: list[Config], shared: Shared) -> None:
        self.cells = [Cell(config) for config in configs]
        data = shared.on(configs[0].device)
        self._members = [Member(Result(config, data.source)) for config in configs]
        for member in self._members:
            member.begin(shared.data)
        self._cell_of = dict(zip(self._members, self.cells))
        self._data = data
        self._seen = data.val.some(SUBSET)
        per_epoch = math.ceil(len(data.train) / configs[0].batch_size)
        self.num_steps = per_epoch * configs[0].num_epochs
        self.step, self._threads = 0, 1
        self._epoch: Iterator | None = None

    @property
    def ended(self) -> bool:
        broken = all(cell.diverged for cell in self.cells)
        return broken or self.step == self.num_steps

    def advance(self, measure: bool) -> None:
        """Take the next step of all, or a part of what comes between two epochs.

        measure: whether to measure what this step leaves.
        """
        if self._epoch is None:
            going_on = [member for member in self._members if not member.ended]
            self._stack = Stack(going_on, self._data)
            self._epoch, self._threads = self._stack.epoch(), NUM_THREADS
        # A stack chooses the number of threads for itself, and here several take turns.
        torch.set_num_threads(self._threads)
        try:
            losses = next(self._epoch)
        except StopIteration:
            self._epoch = None
            return
        self._threads = torch.get_num_threads()
        if losses is None:
            return
        self.step += 1
        for cell, loss in zip(self._shown(), losses.tolist()):
            if not cell.diverged:
                cell.step, cell.loss = self.step, loss
                cell.diverged = None if math.isfinite(loss) else self.step
        if measure or self.ended:
            self._measure()

    def _shown(self):
        return [self._cell_of[member] for member in self._stack.members]

    def _measure(self):
        found = zip(*self._stack.measure(self._seen))
        for cell, (val_loss, accuracy) in zip(self._shown(), found):
            if not cell.diverged:
                cell.val_loss, cell.accuracy = val_loss, accuracy
                cell.measured = self.step


def grid_lab(data: FashionMNIST, **defaults: Any) -> "GridLab":
    """64 networks that train at once: eight learning rates against eight widths.

    data: what `load_fashion_mnist` returns. defaults: the other settings of all of
    them, as fields of `Config`.

    Returns a widget. `rows` holds its cells, `start()` does what the button does,
    `wait()` returns when all runs have ended or are paused, and raises what went wrong;
    `close()` removes it. While no page shows it, it pauses. Raises TypeError or
    ValueError with one sentence for what it can't use.
    """
    check_data(data, "grid_lab(data)")
    Config.check_fields(defaults)
    for name in ("num_hiddens", "lr"):
        if name in defaults:
            raise ValueError(OWN_AXIS.format(name=name))
    config = Config(**defaults)
    return of_this_cell(GridLab(data, config))


class GridLab(Instrument):
    """The widget that `grid_lab` returns.

    config: what all networks share. rows: a `GridRow` for each width.
    """

    def __init__(self, data: FashionMNIST, config: Config) -> None:
        self.config, self.rows = config, []
        self._shared = Shared(data.to("cpu"))
        self._state, self._runs = "fresh", 0
        self._frame_due = self._summary_due = 0.0
        legend = LEGEND.format(train=len(data.train), val=min(SUBSET, len(data.val)))
        said = {"grid": GRID, "copy": COPY, "copied": COPIED}
        axes = {"lrs": [f"{lr:g}" for lr in LRS], "widths": [*map(str, WIDTHS)]}
        self._canvas = _GridCanvas(
            words=said | axes | {"legend": SPACE.join([legend, HINT])}
        )
        self._watch = PageWatch(self._canvas, self._on_page)
        options = OPTIONS | {"num_layers": DEPTHS}
        self._controls = {
            name: choice(name, options[name], getattr(config, name), tooltip)
            for name, tooltip in TOOLTIPS.items()
        }
        actions = (self.start, lambda: self._submit(self._reset))
        buttons = [button(*said, action) for said, action in zip(BUTTONS, actions)]
        self._start_button = buttons[0]
        self._start_button.button_style = "primary"
        controls = grid(self._controls.values())
        controls.layout.max_width = "720px"  # two columns
        super().__init__([row(buttons), controls, self._canvas])
        self._preview()
        for control in self._controls.values():
            control.observe(self._on_control, "value")

    def _preview(self):
        """The first steps, at once: a picture also where no front end is."""
        threads = torch.get_num_threads()
        try:
            self._begin()
            while not self._all_ended() and self._step() < PREVIEW_STEPS:
                self._advance()
            self._state = "done" if self._all_ended() else "preview"
            self._show(now=True)
        except Exception as error:  # anything, from the learner's own init
            self.error = error
            self._show_error(error)
        except KeyboardInterrupt:
            self.close()
            raise
        finally:
            torch.set_num_threads(threads)

    def _text(self) -> str:
        if self.error:
            return self._canvas.note
        # Those that are 1 and the like too, as in the controls.
        names = self._controls
        shared = (f"{name}={as_word(getattr(self.config, name))}" for name in names)
        axes = {"low": LRS[0], "high": LRS[-1], "narrow": WIDTHS[0], "wide": WIDTHS[-1]}
        return PLAIN_TEXT.format(settings=" ".join(shared), **axes)

    def _picture(self) -> Picture | None:
        known = [
            Result(cell.config, self._shared.source, val_accuracy=(cell.accuracy,))
            for cell in self._cells()
            if cell.measured and not cell.diverged
        ]
        if not known:
            return None
        alt = ALT.format(step=self._step())
        return plot_grid(Results(known), "lr", "num_hiddens", "num_layers", alt)

    def _free(self) -> None:
        self.rows, self._shared = [], None

    # Callbacks, on any thread: they read values and submit, no more.

    def _on_control(self, _):
        values = {name: control.value for name, control in self._controls.items()}
        self._submit(lambda: self._change(values))

    def _on_page(self):
        if self._state == "away":
            self._submit(self._toggle)

    def start(self) -> None:
        """Start, pause or continue, as the button does."""
        self._submit(self._toggle)

    # The worker: all below runs on its thread alone, once it has begun.

    def _more(self) -> bool:
        return self._state == "running"

    def _work(self, commands: list) -> None:
        if commands:
            self._watch.reset()
            self._canvas.note = ""
        for command in commands:
            command()
        if self._state == "new":
            self._begin()
            self._state = "running"
        if self._state == "running":
            if self._watch.is_gone():
                self._state = "away"
            else:
                self._advance()
                if self._all_ended():
                    self._state = "done"
        self._show(now=bool(commands))

    def _show_error(self, error: BaseException) -> None:
        text = one_line(error, NO_MESSAGE)
        if not isinstance(error, ValueError):
            text = FAILED.format(kind=type(error).__name__, text=text)
        self._state = "failed"
        self._canvas.note = text
        self._show(now=True)

    def _begin(self):
        self.rows, self._runs = [], self._runs + 1
        for width in WIDTHS:
            config = replace(self.config, num_hiddens=width)
            configs = [replace(config, lr=lr) for lr in LRS]
            self.rows.append(GridRow(configs, self._shared))

    def _advance(self):
        """One step of the row that has had the fewest."""
        going_on = [one for one in self.rows if not one.ended]
        behind = min(going_on, key=lambda one: one.step)
        # Each row in a round of its own, so that the picture never stands still.
        turn, step = self.rows.index(behind), behind.step + 1
        behind.advance(step in EARLY or step % EVERY == turn)

    def _change(self, values):
        self.config = replace(self.config, **values)
        self._state = "new"

    def _toggle(self):
        if self._state == "running":
            self._state = "paused"
        elif self._state in ("done", "failed"):
            self._state = "new"
        else:
            self._state = "running"

    def _reset(self):
        self._begin()
        self._state = "fresh"

    def _cells(self):
        return [cell for one in self.rows for cell in one.cells]

    def _all_ended(self):
        return all(one.ended for one in self.rows)

    def _step(self):
        """The steps that all have had, but for those that have diverged."""
        under_way = [one.step for one in self.rows if not one.ended]
        return min(under_way, default=max(one.step for one in self.rows))

    def _best(self):
        known = [c for c in self._cells() if c.measured and not c.diverged]
        return max(known, key=lambda cell: cell.accuracy, default=None)

    def _show(self, now=False):
        """Send a frame, if one is due."""
        time_now = time.monotonic()
        running = self._state == "running"
        if running and not now and time_now < self._frame_due:
            return
        self._frame_due = time_now + FRAME_SECONDS
        cells, best = self._cells(), self._best()
        status = self._status(best)
        with self._canvas.hold_sync():
            self._canvas.frame = {
                "run": self._runs,
                "step": self._step() if cells else 0,
                "state": self._state,
                "status": status,
                "best": cells.index(best) if best else None,
                "cells": [cell.frame() for cell in cells],
            }
            # For screen readers: not more often than one can hear.
            if not running or time_now >= self._summary_due:
                self._summary_due = time_now + SUMMARY_SECONDS
                self._canvas.summary = status
        self._start_button.description = PAUSE if running else START
        self._start_button.icon = "pause" if running else "play"

    def _status(self, best):
        if self._state not in STATUS:
            return ""
        step, num_steps = self._step(), self.rows[0].num_steps
        num_epochs = self.config.num_epochs
        said = ALL_DIVERGED if all(cell.diverged for cell in self._cells()) else ""
        if best:
            axes = {"width": best.config.num_hiddens, "lr": best.config.lr}
            said = BEST.format(accuracy=best.accuracy, **axes)
        epoch = max(1, math.ceil(step * num_epochs / num_steps))
        facts = {"step": step, "num_steps": num_steps, "epoch": epoch, "best": said}
        return STATUS[self._state].format(num_epochs=num_epochs, **facts).strip()
