"""What a search has found: its trials, the best of them, a table, and a live panel."""

import math
import re
import time

import ipywidgets as widgets
import optuna
from optuna.trial import FrozenTrial, TrialState

from helpers.instrument import Instrument
from helpers.tables import as_text
from helpers.training import Config
from helpers.tuning.progress_bar import duration
from helpers.tuning.study_file import ENDED, ended
from helpers.tuning.study_plot import plot_study

HEADER = ("val accuracy", "epochs", "trial", "setting")
COUNTS = "{:,} trials completed, {:,} given up early, {:,} failed; {:,} epochs in all."
FAILURE = "trial {number}: {reason}"
BEGIN = "Starting: {wanted:,} trials to run, {done:,} already known."
GOING_ON = "{done:,} of {count:,} trials done, {spent} after the start."
BEST = "Best validation accuracy so far: {accuracy:.4f}, {config}."
NO_BEST = "No trial is complete yet."
SEARCH = "A search with {count:,} trials."


class Search:
    """What `search` returns.

    study: the `optuna.Study`, for everything that Optuna can do with one. note: a
    sentence on where the trials come from or why the search ended early, or "".
    """

    def __init__(self, study: optuna.Study) -> None:
        self.study, self.note = study, ""

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Optuna's trials in these states; without any, all that have ended."""
        return ended(self.study, *states)

    @property
    def best(self) -> Config | None:
        """The Config with the best validation accuracy; None before there is one."""
        best = self._ranked()[:1]
        return Config.from_string(best[0].user_attrs["config"]) if best else None

    @property
    def accuracy(self) -> float:
        """Its validation accuracy after its last epoch; NaN before there is one."""
        return max((trial.value for trial in self._ranked()), default=math.nan)

    @property
    def num_epochs(self) -> int:
        """The epochs that all trials together have trained."""
        return sum(len(trial.intermediate_values) for trial in self.trials())

    @property
    def minutes(self) -> float:
        """How long it has run, including earlier calls with the same name."""
        return self.study.user_attrs.get("seconds", 0) / 60

    def counts(self) -> str:
        """A sentence: how many trials were completed, given up early and failed."""
        counts = [len(self.trials(state)) for state in ENDED]
        return COUNTS.format(*counts, self.num_epochs)

    def _ranked(self) -> list[FrozenTrial]:
        return sorted(self.trials(TrialState.COMPLETE), key=lambda trial: -trial.value)

    def __str__(self) -> str:
        rows = []
        for trial in self._ranked()[:5]:
            counts = str(len(trial.intermediate_values)), str(trial.number)
            config = _short(trial.user_attrs["config"])
            rows.append((f"{trial.value:.4f}", *counts, config))
        failed = self.trials(TrialState.FAIL)
        reasons = {trial.user_attrs["reason"]: trial.number for trial in failed}
        failures = [FAILURE.format(number=n, reason=r) for r, n in reasons.items()]
        lines = [self.note, as_text(HEADER, rows, ">>>"), self.counts(), *failures]
        return "\n".join(filter(None, lines))

    __repr__ = __str__


class SearchPanel(Instrument):
    """How far a search is, and its picture; a line of text where no front end is."""

    def __init__(self, found: Search, count: int) -> None:
        self._found, self._count, self._began = found, count, time.monotonic()
        done, wide = len(found.trials()), {"width": "100%"}
        self._bar = widgets.IntProgress(max=count, value=done, layout=wide)
        self._said = widgets.HTML(BEGIN.format(wanted=count - done, done=done))
        self._drawn = widgets.Image(layout={"max_width": "100%"})
        super().__init__([self._bar, self._said, self._drawn])

    def show(self) -> None:
        """Show how far the search is by now."""
        found, best = self._found, NO_BEST
        if found.best:
            best = BEST.format(accuracy=found.accuracy, config=_short(str(found.best)))
        done = self._bar.value = len(found.trials())
        spent = duration(time.monotonic() - self._began)
        so_far = GOING_ON.format(done=done, count=self._count, spent=spent)
        self._said.value = " ".join([so_far, found.counts(), best, found.note]).strip()
        self._drawn.value = plot_study(found.study).png()

    def _text(self) -> str:
        return SEARCH.format(count=self._count)


def _short(config: str) -> str:
    """The text of a Config, its numbers with three digits."""
    return re.sub(r"\d+\.\d+(e-\d+)?", lambda found: f"{float(found[0]):.3g}", config)
