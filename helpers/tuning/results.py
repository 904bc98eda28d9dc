"""What a sweep returns: `Results`, and a `Result` for each run."""

import math
import statistics
from collections import UserList
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import attrgetter

from helpers.language import SPACE, tr
from helpers.tables import as_text
from helpers.training import Config

RECORDED_FULL = tr(
    "These {count:,} runs were recorded on all of Fashion-MNIST, which isn't here; "
    "your bundled sample would give different figures."
)
MIXED = tr(
    "{count:,} of the {total:,} runs were recorded on all of Fashion-MNIST, which "
    "isn't here; the others were trained on your bundled sample. Don't compare the two."
)
RECORDED_HERE = tr("{count:,} of the {total:,} runs were recorded with the course.")
FAILURE = tr("{config}: {reason}")
COLUMNS = (
    *(tr("val accuracy"), tr("lowest"), tr("highest"), tr("seeds"), tr("parameters")),
    tr("setting"),
)


@dataclass(frozen=True)
class Result:
    """One run of a sweep.

    config: its Config. data: "full" or "sample", or "full, test" where it is of
    `data.for_the_test()`. seconds: how long it trained; of a group that was trained
    side by side, its share. num_parameters: weights and biases of its model.
    train_loss: mean loss (nats) of the batches of each epoch. val_loss, val_accuracy:
    on all validation pictures, after each epoch. val_halves: accuracy on the first and
    on the second half of them, at the end. train_accuracy: on all training pictures, at
    the end; None where it failed. reason: why it ended. ok: whether it trained to the
    end. recorded: whether it came with the course. stand_in: whether it was trained on
    other data than were asked for.
    """

    config: Config
    data: str
    seconds: float = 0.0
    num_parameters: int = 0
    train_loss: tuple[float, ...] = ()
    val_loss: tuple[float, ...] = ()
    val_accuracy: tuple[float, ...] = ()
    val_halves: tuple[float, ...] = ()
    train_accuracy: float | None = None
    reason: str = ""
    ok: bool = True
    recorded: bool = False
    stand_in: bool = False

    @property
    def accuracy(self) -> float:
        """Validation accuracy at the end; NaN where there is none."""
        return self.val_accuracy[-1] if self.val_accuracy else math.nan


class Results(UserList[Result]):
    """What `sweep` returns: a list of `Result`, in the order of the configs.

    A run that was not trained, after Stop, is left out. stopped: a sentence after Stop.
    """

    def __init__(self, rows: Iterable[Result] = (), stopped: str = "") -> None:
        super().__init__(rows)
        self._stopped = stopped

    @property
    def note(self) -> str:
        """What to know about them: whether some are missing or recorded; or ""."""
        recorded, total = sum(row.recorded for row in self), len(self)
        sentence = RECORDED_HERE if recorded else ""
        if self.stand_in:
            sentence = RECORDED_FULL if recorded == total else MIXED
        origin = sentence.format(count=recorded, total=total)
        return SPACE.join(filter(None, [self._stopped, origin]))

    @property
    def stand_in(self) -> bool:
        """Whether some were trained on other data than were asked for."""
        return any(row.stand_in for row in self)

    def group(self, *names: str) -> dict:
        """{value: Results} for the values of a field of Config; tuples for several.

        Raises ValueError for a name that is no field.
        """
        Config.check_fields(names)
        groups, value_of = {}, attrgetter(*names)
        for row in self:
            groups.setdefault(value_of(row.config), Results()).append(row)
        return groups

    @property
    def accuracies(self) -> list[float]:
        """The last validation accuracy of every run that has one."""
        return [row.accuracy for row in self if row.val_accuracy]

    @property
    def mean(self) -> float:
        """Their mean, NaN if there are none."""
        return statistics.fmean(self.accuracies) if self.accuracies else math.nan

    @property
    def spread(self) -> tuple[float, float]:
        """(lowest, highest) of them."""
        values = self.accuracies or [math.nan]
        return min(values), max(values)

    def __str__(self) -> str:
        fields = [name for name in Config.__dataclass_fields__ if name != "seed"]
        cells = [
            (
                *(f"{value:.3f}" for value in (runs.mean, *runs.spread)),
                # One that has failed may have none.
                *(f"{len(runs)}", f"{max(run.num_parameters for run in runs):,}"),
                str(replace(runs[0].config, seed=0)),
            )
            for runs in self.group(*fields).values()
        ]
        failed = [
            FAILURE.format(config=row.config, reason=row.reason)
            for row in self
            if not row.ok
        ]
        table = as_text(COLUMNS, cells, ">>>>>")
        return "\n".join(filter(None, [self.note, table, *failed]))

    __repr__ = __str__
