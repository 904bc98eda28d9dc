"""What a search has found: its trials, the best of them, a table, and a live panel."""

import math
import re
import textwrap

import ipywidgets as widgets
import optuna
from optuna.trial import FrozenTrial, TrialState

from helpers.language import SPACE, tr
from helpers.plots import LINE
from helpers.tables import as_text, screen_width
from helpers.training import Config
from helpers.tuning.progress_bar import LEFT, ProgressBar, duration
from helpers.tuning.study_file import ENDED, ended
from helpers.tuning.study_plot import plot_study

HEADER = (tr("val accuracy"), tr("epochs"), tr("trial"), tr("setting"))
# Characters for a setting, in a table no wider than other lines.
ROOM = LINE - sum(screen_width(name) + 2 for name in HEADER[:-1])
WHOLE = {"break_long_words": False, "break_on_hyphens": False}
COUNTS = tr(
    "Trials: {:,} completed, {:,} given up early, {:,} failed; epochs in all: {:,}."
)
FAILURE = tr("trial {number}: {reason}")
BEGIN = tr(
    "Trials to run: {wanted:,}; already known: {done:,}. The first epoch has begun."
)
GOING_ON = tr("Trials done: {done:,} of {count:,}; epochs: {epochs:,}.")
BEST = tr("Best validation accuracy so far: {accuracy:.4f}, {config}.")
SEARCH = tr("A search with {count:,} trials.")


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
        numbers = {trial.number: n for n, trial in enumerate(self.trials(), 1)}
        rows = []
        for trial in self._ranked()[:5]:
            cells = f"{trial.value:.4f}", str(len(trial.intermediate_values))
            # The epochs have a column of their own.
            setting = re.sub(r" ?num_epochs=\d+", "", trial.user_attrs["config"])
            first, *rest = textwrap.wrap(_short(setting), ROOM, **WHOLE) or [""]
            rows.append((*cells, str(numbers[trial.number]), first))
            rows += [("", "", "", line) for line in rest]
        failed = self.trials(TrialState.FAIL)
        reasons = {t.user_attrs["reason"]: numbers[t.number] for t in failed}
        failures = [FAILURE.format(number=n, reason=r) for r, n in reasons.items()]
        note, *sentences = (
            textwrap.fill(text, LINE) for text in (self.note, self.counts(), *failures)
        )
        lines = [note, as_text(HEADER, rows, ">>>"), *sentences]
        return "\n".join(filter(None, lines))

    __repr__ = __str__


class SearchPanel(ProgressBar):
    """How far a search is, and its picture; a line of text where no front end is."""

    def __init__(self, found: Search, count: int, minutes: float | None = None) -> None:
        """count, minutes: how many trials in all, and for how long at most."""
        self._found, self._count = found, count
        self._limit = 60 * minutes if minutes else math.inf
        self._known = self._shown = done = len(found.trials())
        as_large_as_it_is = {"max_width": "100%", "align_self": "flex-start"}
        self._drawn = widgets.Image(layout=as_large_as_it_is)
        begin = BEGIN.format(wanted=max(0, count - done), done=done)
        super().__init__(max(count, done), done, begin, self._drawn)
        # From the start, so that it has its room and is in view when trials come.
        self._draw()

    def show(self) -> None:
        """Show how far the search is by now."""
        found, done = self._found, len(self._found.trials())
        running = found.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        self._bar.value = done + sum(map(_share, running))
        lines = [found.note, found.counts()]
        over = done >= self._count or bool(found.note)
        if not over:
            epochs = found.num_epochs + sum(len(t.intermediate_values) for t in running)
            counts = {"done": done, "count": self._count, "epochs": epochs}
            lines = [GOING_ON.format(**counts)]
            if done > self._known:
                left = max(0, min(self._left(), self._limit - self._spent()))
                lines[0] += SPACE + LEFT.format(left=duration(left))
        if found.best:
            config = _short(str(found.best))
            lines.append(BEST.format(accuracy=found.accuracy, config=config))
        self._say(*filter(None, lines), now=over)
        if done != self._shown:
            self._draw()
            self._shown = done

    def _draw(self):
        picture = plot_study(self._found.study)
        self._drawn.value, self._page.names = picture.png(), {"img": picture.text}

    def _text(self) -> str:
        return SEARCH.format(count=self._count)


def _share(trial):
    """How much of a trial that is under way has been trained, if it is not given up."""
    config = Config.from_string(trial.user_attrs["config"])
    return len(trial.intermediate_values) / config.num_epochs


def _short(config: str) -> str:
    """The text of a Config, its numbers with three digits."""
    return re.sub(r"\d+\.\d+(e-\d+)?", lambda found: f"{float(found[0]):.3g}", config)
