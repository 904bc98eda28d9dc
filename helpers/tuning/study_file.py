"""The file that keeps a search: Optuna's own journal, opened, mended and locked.

It is continued with the same data and the same space only.
"""

import json
import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import filelock
import optuna
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.storages import InMemoryStorage, JournalStorage, journal
from optuna.trial import FrozenTrial, TrialState

from helpers import records
from helpers.language import tr
from helpers.tables import one_line
from helpers.tuning.kept import read_record
from helpers.tuning.shared_data import Shared

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
AGAIN = "failures before this trial were tried again"  # a study's attribute

NOT_KEPT = tr(
    "The search can't be kept in {path} ({text}). Set COURSE_HOME to a folder that you "
    "can write to, or leave the name out."
)
UNREADABLE = tr(
    "The file {path} can't be read as a search ({text}). Move it away, or give this "
    "search another name."
)
CHANGED = tr("another program has changed it")
NOT_A_JOURNAL = tr("not every line is one of Optuna's")
OTHER_STUDY = tr("{path} holds a search named {found!r}. Give this one another name.")
OTHER_DATA = tr(
    "The search named {name!r} began with other data ({found}, now {now}), so their "
    "accuracies can't be compared. Give this search another name."
)
OTHER_SPACE = tr(
    "The search named {name!r} began with another space ({difference}), so the trials "
    "of the two can't be compared. Give this search another name."
)
OTHER_PARAMETER = tr("{field} was {before} and is {now}")
NOT_ASKED = tr("not asked for")
OTHER_CONFIG = tr("what was '{before}' is now '{now}'")
IN_USE = tr(
    "The search named {name!r} is being run by another notebook; stop it there, or "
    "give this one another name."
)


class Lost(Exception):
    """The file of a search can't be used any more; the message says why."""


class _Record(journal.BaseJournalBackend):
    """A journal that came with the course; what is added stays in memory."""

    def __init__(self, logs: list[dict]) -> None:
        self._logs = [*logs]

    def read_logs(self, log_number_from: int) -> list[dict]:
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict]) -> None:
        self._logs += logs


class _Journal(journal.JournalFileBackend):
    """Optuna's file, which nobody else may write to while a search runs.

    Once it is lost, nothing is written, and what was read before is still there.
    """

    _seen, _lost = None, ""  # (inode, size) after the last look; why it is lost

    def read_logs(self, log_number_from: int) -> list[dict]:
        return [] if self._lost else self._use(super().read_logs, log_number_from)

    def append_logs(self, logs: list[dict]) -> None:
        self._use(super().append_logs, logs)

    def _use(self, call, argument):
        try:
            if self._lost or self._seen not in (None, self._look()):
                raise Lost(self._lost or CHANGED)
            done = call(argument)
            done = done if done is None else list(done)
            self._seen = self._look()
            return done
        except Lost as error:
            self._lost = str(error)
            raise
        except OSError as error:
            self._lost = error.strerror or one_line(error)
            raise Lost(self._lost) from None

    def _look(self):
        stat = os.stat(self._file_path)
        return stat.st_ino, stat.st_size


def study_location(name: str) -> Path:
    """The path of the file that keeps the search of this name."""
    return records.home() / "searches" / f"{name}.journal"


def ended(study: optuna.Study, *states: TrialState) -> list[FrozenTrial]:
    """The trials that have ended: in these states, or in any where none is given."""
    found = study.get_trials(deepcopy=False, states=states or ENDED)
    # A failure without a reason was interrupted, and one before this run of the search
    # may have been the machine's fault: their settings wait to be tried again.
    again = study.user_attrs.get(AGAIN, 0)
    return [
        t
        for t in found
        if t.state != TrialState.FAIL or "reason" in t.user_attrs and t.number >= again
    ]


def put_back(study: optuna.Study, trial: FrozenTrial | optuna.Trial) -> None:
    """End a trial that was interrupted, and have its setting tried again."""
    study.tell(trial.number, state=TrialState.FAIL)
    study.enqueue_trial(trial.params)


def open_study(
    name: str | None, shared: Shared, num_trials: int, recorded: Path, stack: ExitStack
) -> tuple[optuna.Study, bool]:
    """The study of this name, and whether it is the one recorded with the course.

    recorded: the folder of what came with the course. stack: keeps the file locked
    until it is closed. Raises ValueError where the file can't be used.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if name is None:
        return _study(InMemoryStorage(), "search", shared), False
    path, record = study_location(name), recorded / f"{name}.journal.gz"
    logs = [] if path.exists() else read_record(record)
    if logs:
        storage = JournalStorage(_Record(logs))
        # On the sample, a record of the full data will do, but not to continue.
        study = _study(storage, name, shared, any_data=shared.source != "full")
        if len(ended(study)) >= num_trials:
            return study, True
        _study(storage, name, shared)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stack.enter_context(filelock.FileLock(f"{path}.running").acquire(timeout=0))
        if logs:  # all of them, or none
            new = path.with_suffix(".new")
            new.write_text("".join(f"{json.dumps(log)}\n" for log in logs))
            new.replace(path)
    except filelock.Timeout:
        raise ValueError(IN_USE.format(name=name)) from None
    except OSError as error:
        text = error.strerror or error
        raise ValueError(NOT_KEPT.format(path=path, text=text)) from None
    storage = _storage(path)
    try:
        study = _study(storage, name, shared)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            put_back(study, trial)  # the kernel or the machine died
        if failures := ended(study, TrialState.FAIL):
            for trial in failures:
                study.enqueue_trial(trial.params)
            study.set_user_attr(AGAIN, failures[-1].number + 1)
    except Lost as error:
        raise ValueError(NOT_KEPT.format(path=path, text=error)) from None
    return study, False


def check_same_space(study: optuna.Study, space: Callable, name: str | None) -> None:
    """Raise ValueError where `space` makes something else of the latest trials."""
    begun = [t for t in study.get_trials(deepcopy=False) if "config" in t.user_attrs]
    for trial in begun[-100:]:
        if difference := _difference(space, trial):
            raise ValueError(OTHER_SPACE.format(name=name, difference=difference))


def _difference(space, trial):
    """How what `space` now makes of a trial's values differs, or ""."""
    probe = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    probe.enqueue_trial(trial.params)
    replay, now = probe.ask(), None
    with warnings.catch_warnings(), suppress(ValueError, TypeError):
        warnings.simplefilter("ignore")  # a value may be outside a changed range
        now = space(replay)
    for field in trial.distributions | replay.distributions:
        before, asked = (t.distributions.get(field, NOT_ASKED) for t in (trial, replay))
        if before != asked:
            return OTHER_PARAMETER.format(field=field, before=before, now=asked)
    config = trial.user_attrs["config"]
    return "" if str(now) == config else OTHER_CONFIG.format(before=config, now=now)


def _storage(path):
    """Optuna's storage in this file; ValueError, and no change, for any other file."""
    try:
        *lines, last = path.read_bytes().split(b"\n") if path.exists() else [b""]
        whole = all("op_code" in json.loads(line) for line in lines)
        if not whole or last and not last.startswith(b'{"op_code"'):
            raise ValueError(NOT_A_JOURNAL)
        if last:  # it was cut short, and Optuna would read none of it
            os.truncate(path, path.stat().st_size - len(last))
        lock = journal.JournalFileOpenLock(str(path))  # works where links are forbidden
        storage = JournalStorage(_Journal(str(path), lock_obj=lock))
        names = optuna.get_all_study_names(storage)
    except Exception as error:  # Optuna raises anything, depending on the content
        text = one_line(f"{type(error).__name__}: {error}")
        raise ValueError(UNREADABLE.format(path=path, text=text)) from None
    if names and path.stem not in names:
        raise ValueError(OTHER_STUDY.format(path=path, found=names[0]))
    return storage


def _study(storage, name, shared, any_data=False):
    """The study in a storage, a new one if need be; ValueError for other data."""
    if name not in optuna.get_all_study_names(storage):
        optuna.create_study(storage=storage, study_name=name, direction="maximize")
    # The best third of the trials continue after 1, 3, 9, ... epochs.
    pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    study = optuna.load_study(storage=storage, study_name=name, pruner=pruner)
    # A new seed after each stop, or the first random settings would be drawn again.
    study.sampler = TPESampler(seed=len(study.get_trials(deepcopy=False)))
    if "of" not in study.user_attrs:
        study.set_user_attr("of", shared.fingerprint)
        study.set_user_attr("data", shared.source)
    elif study.user_attrs["of"] != shared.fingerprint and not any_data:
        begun = study.user_attrs["data"]
        raise ValueError(OTHER_DATA.format(name=name, found=begun, now=shared.source))
    return study
