"""How far a sweep is."""

import math
import time

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display

from helpers.tuning.task import cost

BAR = "A sweep; runs to train: {count:,}."
BEGIN = "Starting: {count:,} runs to train, {known:,} known already."
GOING_ON = (
    "{done:,} of {count:,} runs done, {failed:,} of them failed. About {left} left. "
    "Best validation accuracy so far: {best:.3f}."
)
ENDED = "{done:,} of {count:,} runs done, {failed:,} of them failed, in {spent}."


class ProgressBar(widgets.VBox):
    """How far a sweep is; a line of text where no front end is."""

    def __init__(self, configs, known):
        self._count = count = len(configs)
        self._cost_left, self._cost_done = sum(map(cost, configs)), 0.0
        self._done, self._began = [], time.monotonic()
        self._said = widgets.HTML(BEGIN.format(count=count, known=known))
        self._bar = widgets.IntProgress(max=count, layout=widgets.Layout(width="100%"))
        super().__init__([self._bar, self._said])
        if get_ipython():
            display(self)

    def add(self, result):
        self._done.append(result)
        spent = time.monotonic() - self._began
        self._cost_done += cost(result.config)
        self._cost_left -= cost(result.config)
        left = spent / self._cost_done * self._cost_left
        self._bar.value = len(self._done)
        best = max((r.accuracy for r in self._done if r.val_accuracy), default=math.nan)
        self._said.value = GOING_ON.format(
            done=len(self._done),
            count=self._count,
            failed=sum(not r.ok for r in self._done),
            left=duration(left),
            best=best,
        )

    def end(self, note):
        failed = sum(not result.ok for result in self._done)
        spent = duration(time.monotonic() - self._began)
        self._said.value = note or ENDED.format(
            done=len(self._done), count=self._count, failed=failed, spent=spent
        )

    def _repr_mimebundle_(self, **kwargs):
        bundle = dict(super()._repr_mimebundle_(**kwargs))
        bundle["text/plain"] = BAR.format(count=self._count)
        return bundle


def duration(seconds):
    """Seconds as a text, such as "2 min 5 s"."""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
