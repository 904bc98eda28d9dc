"""How far a sweep is."""

import math
import time

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display

from helpers.instrument import Instrument, open_in_cell
from helpers.training import Config
from helpers.tuning.results import Result, Results
from helpers.tuning.task import cost

BAR = "A sweep; runs to train: {count:,}."
BEGIN = "Runs to train: {count:,}; already known: {known:,}."
GOING_ON = (
    "Runs done: {done:,} of {count:,}; failed: {failed:,}. About {left} left. Best "
    "validation accuracy so far: {best:.3f}."
)
ENDED = "Runs done: {done:,} of {count:,}; failed: {failed:,}. It took {spent}."


def open_progress_bar(configs: list[Config], known: int) -> "ProgressBar":
    """A bar for these runs, shown where there is a notebook."""
    bar = open_in_cell(lambda: ProgressBar(configs, known))
    if get_ipython():
        display(bar)
    return bar


class ProgressBar(Instrument):
    """How far a sweep is; a line of text where no front end is."""

    def __init__(self, configs: list[Config], known: int) -> None:
        """configs: what is to be trained. known: how many runs were known already."""
        self._count, self._done = len(configs), Results()
        self._cost_left, self._cost_done = sum(map(cost, configs)), 0.0
        self._began = time.monotonic()
        self._said = widgets.HTML(BEGIN.format(count=self._count, known=known))
        wide = widgets.Layout(width="100%")
        self._bar = widgets.IntProgress(max=self._count, layout=wide)
        super().__init__([self._bar, self._said])

    def add(self, result: Result) -> None:
        """Show that one more run is over."""
        self._done.append(result)
        self._bar.value = len(self._done)
        self._cost_done += cost(result.config)
        self._cost_left -= cost(result.config)
        spent = time.monotonic() - self._began
        left = duration(spent / self._cost_done * self._cost_left)
        _, best = self._done.spread
        self._say(GOING_ON, left=left, best=best)

    def end(self, note: str = "") -> None:
        """Show that the sweep is over. note: why it stopped early, or ""."""
        self._say(note or ENDED, spent=duration(time.monotonic() - self._began))

    def _say(self, sentence, **values):
        done, failed = len(self._done), sum(not run.ok for run in self._done)
        values |= {"done": done, "failed": failed, "count": self._count}
        self._said.value = sentence.format(**values)

    def _text(self):
        return BAR.format(count=self._count)


def duration(seconds: float) -> str:
    """Seconds as a text, such as "2 min 5 s"."""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
