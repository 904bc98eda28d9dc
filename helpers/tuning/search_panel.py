"""What a search shows while it runs: its progress, and the picture of its study."""

import time

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display

from helpers.instrument import Instrument, open_in_cell
from helpers.tuning.progress_bar import duration
from helpers.tuning.search_result import Search, short
from helpers.tuning.study_plot import plot_study

BEGIN = "Starting: {wanted:,} trials to run, {done:,} already known."
GOING_ON = "{done:,} of {count:,} trials done, {spent} after the start."
BEST = "Best validation accuracy so far: {accuracy:.4f}, {config}."
NO_BEST = "No trial is complete yet."
SEARCH = "A search with {count:,} trials."


class SearchPanel(Instrument):
    """How far a search is, and its picture; a line of text where no front end is."""

    def __init__(self, found: Search, count: int) -> None:
        self._found, self._count, self._began = found, count, time.monotonic()
        done = len(found.trials())
        self._bar = widgets.IntProgress(
            max=count, value=done, layout=widgets.Layout(width="100%")
        )
        self._said = widgets.HTML(BEGIN.format(wanted=count - done, done=done))
        self._drawn = widgets.Image(layout=widgets.Layout(max_width="100%"))
        super().__init__([self._bar, self._said, self._drawn])

    def show(self) -> None:
        """Show how far the search is by now."""
        found, best = self._found, NO_BEST
        if found.best:
            best = BEST.format(accuracy=found.accuracy, config=short(str(found.best)))
        done = self._bar.value = len(found.trials())
        spent = duration(time.monotonic() - self._began)
        so_far = GOING_ON.format(done=done, count=self._count, spent=spent)
        self._said.value = " ".join([so_far, found.counts(), best, found.note]).strip()
        self._drawn.value = plot_study(found.study).png()

    def _text(self) -> str:
        return SEARCH.format(count=self._count)


def open_panel(found: Search, count: int) -> SearchPanel | None:
    """Display a panel in the cell that runs; None outside of IPython."""
    if not get_ipython():
        return None
    panel = open_in_cell(lambda: SearchPanel(found, count))
    display(panel)
    return panel
