"""What a search has found: its trials, the best of them, and a table."""

import math
import re

import optuna
from optuna.trial import FrozenTrial, TrialState

from helpers.tables import as_text
from helpers.training import Config
from helpers.tuning.study_file import ENDED, ended

SHOWN = 5  # settings in the table
HEADER = ("val accuracy", "epochs", "trial", "setting")
COUNTS = (
    "{complete:,} trials completed, {pruned:,} given up early, {failed:,} failed; "
    "{epochs:,} epochs in all."
)
FAILURE = "trial {number}: {reason}"


class Search:
    """What `search` returns.

    study: the `optuna.Study`, for everything that Optuna can do with one. note: a
    sentence on where the trials come from or why the search ended early, or "".
    """

    study: optuna.Study
    note: str = ""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study

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
        names = ("complete", "pruned", "failed")
        counts = {name: len(self.trials(state)) for name, state in zip(names, ENDED)}
        return COUNTS.format(**counts, epochs=self.num_epochs)

    def _ranked(self) -> list[FrozenTrial]:
        complete = self.trials(TrialState.COMPLETE)
        return sorted(complete, key=lambda trial: trial.value, reverse=True)

    def __str__(self) -> str:
        rows = [
            (
                f"{trial.value:.4f}",
                str(len(trial.intermediate_values)),
                str(trial.number),
                short(trial.user_attrs["config"]),
            )
            for trial in self._ranked()[:SHOWN]
        ]
        table = as_text(HEADER, rows, ">>>")
        failed = self.trials(TrialState.FAIL)
        reasons = {trial.user_attrs["reason"]: trial.number for trial in failed}
        lines = [FAILURE.format(number=n, reason=r) for r, n in reasons.items()]
        return "\n".join(filter(None, [self.note, table, self.counts(), *lines]))

    __repr__ = __str__


def short(config: str) -> str:
    """The text of a Config, its numbers with three digits."""
    return re.sub(r"\d+\.\d+(e-\d+)?", lambda found: f"{float(found[0]):.3g}", config)
