"""How far a sweep or a search is."""

import math
import time
from html import escape

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display

from helpers.instrument import Instrument, T, of_this_cell
from helpers.language import SPACE, tr
from helpers.training import Config
from helpers.tuning.cost import cost
from helpers.tuning.results import Result, Results

SWEEP = tr("A sweep; runs to train: {count:,}.")
BEGIN = tr(
    "Runs to train: {count:,}; already known: {known:,}. The first epoch has begun."
)
GOING_ON = tr(
    "Runs done: {done:,} of {count:,}; failed: {failed:,}; epochs: {epochs:,}."
)
MINUTES, SECONDS = tr("{minutes} min {seconds} s"), tr("{seconds} s")
LEFT = tr("About {left} left.")
BEST = tr("Best validation accuracy so far: {best:.3f}.")
SPOKEN_SECONDS = 15  # screen readers say how far it is, and not more often
ALL_DONE = tr("Runs done: {done:,} of {count:,}; failed: {failed:,}. It took {spent}.")


def show_bar(bar: T) -> T:
    """The same bar, displayed in the cell that runs, where there is one."""
    if get_ipython():
        display(of_this_cell(bar))
    return bar


class ProgressBar(Instrument):
    """A bar with a sentence below it, and what a subclass adds."""

    def __init__(
        self, total: float, done: float, sentence: str, *below: widgets.Widget
    ) -> None:
        """total: where the bar ends. done: where it begins, in the same unit."""
        self._began, self._before = time.monotonic(), done
        wide = widgets.Layout(width="auto")  # 100% and its margins would be too wide
        self._bar = widgets.FloatProgress(max=total, value=done, layout=wide)
        self._said = widgets.HTML(sentence)
        self._spoken_due = 0.0
        super().__init__([self._bar, self._said, *below])

    def _say(self, *sentences: str, now: bool = False) -> None:
        """Show them below the bar; they may name a learner's files.

        now: whether a screen reader says them in any case.
        """
        self._said.value = "<br>".join(escape(one, quote=False) for one in sentences)
        if now or self._spent() >= self._spoken_due:
            self._spoken_due = self._spent() + SPOKEN_SECONDS
            self._announce(SPACE.join(sentences))

    def _spent(self) -> float:
        """Seconds since it was opened."""
        return time.monotonic() - self._began

    def _left(self) -> float:
        """About how many seconds are left, by what has been done since then."""
        done, left = self._bar.value - self._before, self._bar.max - self._bar.value
        return self._spent() / done * left


class SweepBar(ProgressBar):
    """How far a sweep is; a line of text where no front end is."""

    def __init__(self, runs: list[Result], known: int) -> None:
        """runs: to train, or go on with. known: how many runs were known already."""
        self._runs = {run.config: run for run in runs}
        self._over, self._count = Results(), len(runs)
        # Kept beside them, since a show must not go through hundreds of runs.
        self._epochs = sum(len(run.val_accuracy) for run in runs)
        self._best = max([0.0, *(one for run in runs for one in run.val_accuracy)])
        self._whole = sum(map(_cost_so_far, runs))  # of whole epochs
        self._due = 0.0  # when to move again
        begin = BEGIN.format(count=self._count, known=known)
        super().__init__(sum(cost(run.config) for run in runs), self._whole, begin)

    def add(self, *runs: Result) -> None:
        """Show what some runs have come to; one with a reason gets no other epoch."""
        for run in runs:
            before, self._runs[run.config] = self._runs[run.config], run
            so_far = cost(run.config) if run.reason else _cost_so_far(run)
            self._whole += so_far - _cost_so_far(before)
            self._epochs += len(run.val_accuracy) - len(before.val_accuracy)
            self._best = max([self._best, *run.val_accuracy])
        self._over.extend(run for run in runs if run.reason)
        self._bar.value = self._whole
        self._show()

    def move(self, configs: list[Config], share: float) -> None:
        """Show, once a second, that these runs have had a share of an epoch."""
        if self._spent() >= self._due:
            self._due = self._spent() + 1
            epoch = sum(cost(config) / config.num_epochs for config in configs)
            self._bar.value = self._whole + share * epoch
            self._show()

    def end(self, note: str = "") -> None:
        """Show that the sweep is over. note: why it stopped early, or ""."""
        said = note or self._counts(ALL_DONE, spent=duration(self._spent()))
        self._say(said, now=True)

    def _show(self):
        said = [self._counts(GOING_ON, epochs=self._epochs)]
        if self._bar.value > self._before:
            said.append(LEFT.format(left=duration(self._left())))
        if self._best:
            said.append(BEST.format(best=self._best))
        self._say(SPACE.join(said))

    def _counts(self, sentence, **values):
        done, failed = len(self._over), sum(not run.ok for run in self._over)
        return sentence.format(done=done, failed=failed, count=self._count, **values)

    def _text(self):
        return SWEEP.format(count=self._count)


def _cost_so_far(run):
    return cost(run.config) * len(run.val_accuracy) / run.config.num_epochs


def duration(seconds: float) -> str:
    """Seconds as a text, such as "2 min 5 s"."""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    return (MINUTES if minutes else SECONDS).format(minutes=minutes, seconds=seconds)
