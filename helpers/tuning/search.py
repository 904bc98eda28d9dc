"""Searches for good settings: Optuna proposes, processes train, a file remembers.

Optuna's own study holds every trial. After each epoch of a trial its pruner decides
whether the next one is worth it, so a bad setting costs an epoch or two, not all.
"""

import gzip
import json
import math
import os
import re
import tempfile
import time
import warnings
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import filelock
import ipywidgets as widgets
import optuna
from IPython import get_ipython
from IPython.display import display
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from helpers import records
from helpers.data import check_data
from helpers.model import is_count, is_number
from helpers.training import Config
from helpers.tuning import task
from helpers.tuning.kept import RECORDED
from helpers.tuning.processes import Processes, check_executor, num_workers, submit
from helpers.tuning.progress_bar import duration
from helpers.tuning.shared_data import share
from helpers.tuning.stop import DeferredStop
from helpers.tuning.study_plot import plot_study

# A rung is at 1, 3 and 9 epochs: of the trials that came there, the best third go on.
REDUCTION_FACTOR = 3
REPLAYED = 100  # trials that show whether a space is still the same
PLAIN = re.compile(r"[\w-]{1,60}", re.ASCII)  # a name
ATTEMPTS = 3  # how often an epoch is started whose process has died

BEGIN = "Starting: {wanted:,} trials to run, {done:,} known already."
GOING_ON = (
    "{done:,} of {count:,} trials done: {complete:,} to the end, {pruned:,} given up "
    "early, {failed:,} failed. {epochs:,} epochs trained here in {spent}. {best}"
)
BEST = "Best validation accuracy so far: {accuracy:.4f}, {config}."
NO_BEST = "No trial has come to its end yet."
STOPPED = (
    "Stopped after {done:,} of {count:,} trials. What is done is kept; run it again to "
    "go on."
)
STOPPED_UNNAMED = (
    "Stopped after {done:,} of {count:,} trials. Give the search a name, such as "
    "name='mine', to keep it and go on later."
)
TIME_IS_UP = (
    "The {minutes:g} minutes are over after {done:,} of {count:,} trials. Run it again "
    "to go on."
)
TIME_IS_UP_UNNAMED = (
    "The {minutes:g} minutes are over after {done:,} of {count:,} trials. Give the "
    "search a name, such as name='mine', to keep it and go on later."
)
RECORDED_HERE = (
    "These {count:,} trials were recorded with the course on all of Fashion-MNIST; "
    "under a name of your own the search runs here."
)
SEARCH = "A search with {count:,} trials."
LOST = "the process that trained it died {attempts} times, perhaps for want of memory"

NOT_A_SPACE = (
    "search(space, data) needs a function space(trial) that returns a Config; you gave "
    "{found}."
)
NOT_A_CONFIG = "space(trial) must return a Config; it returned {found}."
NOTHING_TO_SEARCH = (
    "space(trial) asks the trial for nothing, so every trial would be the same; use "
    'for example lr=trial.suggest_float("lr", 0.001, 1, log=True).'
)
BAD_SPACE = "space(trial) cannot be searched: {text}"
OWN_INIT = (
    "space(trial) returned a Config with your own init function, which can't travel to "
    "another process; use the name of a built-in one, such as init='kaiming'."
)
BAD_COUNT = "num_trials must be a whole number from 1 to 100,000; you gave {found!r}."
BAD_MINUTES = "minutes must be a number above 0, or None; you gave {found!r}."
BAD_NAME = (
    "name must be made of at most 60 letters, digits, - and _, such as 'mine', or None; "
    "you gave {found!r}."
)
TEST_PICTURES = (
    "search chooses by the validation pictures, and data.for_the_test() has the test "
    "pictures in their place. Give it the data as they were loaded."
)
NOT_KEPT = (
    "The search can't be kept in {path} ({text}). Set COURSE_HOME to a folder that you "
    "may write to, or leave the name out."
)
UNREADABLE = (
    "The file {path} cannot be read as a search that was kept ({text}). It is left as "
    "it is; give this search another name, or move the file away."
)
OTHER_STUDY = (
    "The file {path} holds another search, named {found!r}. It is left as it is; give "
    "this search another name."
)
OTHER_DATA = (
    "The search named {name!r} was begun on other data ({found}, now {now}), and their "
    "accuracies do not compare. Give this search another name."
)
OTHER_SPACE = (
    "The search named {name!r} was begun with another space ({difference}), and their "
    "trials do not compare. Give this search another name."
)
OTHER_PARAMETER = "{field} was {before} and is {now}"
NOT_ASKED = "not asked for"
OTHER_CONFIG = "what was '{before}' is now '{now}'"
DIED = (
    "A worker of your executor has died ({text}). What is done is kept; make a new "
    "executor and run it again."
)
IN_USE = (
    "The search named {name!r} is being run by another notebook; stop it there, or "
    "give this one another name."
)


class Search:
    """What `search` returns.

    study: the `optuna.Study`, for everything that Optuna can do with one. note: a
    sentence on where the trials come from or why it ended early, or "".
    """

    def __init__(self, study, note=""):
        self.study, self.note = study, note

    def trials(self, *states):
        """Optuna's trials in these states; all that are over without any."""
        over = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        found = self.study.get_trials(deepcopy=False, states=states or over)
        # One without a reason was stopped half-way and waits to be run again.
        failed = TrialState.FAIL
        return [t for t in found if t.state != failed or "reason" in t.user_attrs]

    @property
    def best(self):
        """The Config with the best validation accuracy; None before there is one."""
        trial = self._best_trial()
        return trial and Config.from_string(trial.user_attrs["config"])

    @property
    def accuracy(self):
        """Its validation accuracy after its last epoch; NaN before there is one."""
        trial = self._best_trial()
        return trial.value if trial else math.nan

    @property
    def num_epochs(self):
        """The epochs trained by all trials together."""
        return sum(len(trial.intermediate_values) for trial in self.trials())

    @property
    def minutes(self):
        """How long it has run, all times that it was gone on with together."""
        return self.study.user_attrs.get("seconds", 0) / 60

    def _best_trial(self):
        complete = self.trials(TrialState.COMPLETE)
        return max(complete, key=lambda trial: trial.value, default=None)

    def __str__(self):
        lines = [self.note] if self.note else []
        lines.append("val accuracy  epochs  trial  setting")
        trials = self.trials(TrialState.COMPLETE)
        failed = self.trials(TrialState.FAIL)
        for trial in sorted(trials, key=lambda trial: -trial.value)[:5]:
            epochs = len(trial.intermediate_values)
            config = _short(trial.user_attrs["config"])
            lines.append(f"{trial.value:12.4f}  {epochs:6}  {trial.number:5}  {config}")
        pruned = len(self.trials(TrialState.PRUNED))
        lines.append(
            f"{len(trials)} trials to the end, {pruned} given up early, {len(failed)} "
            f"failed; {self.num_epochs} epochs in all"
        )
        reasons = {trial.user_attrs["reason"]: trial.number for trial in failed}
        lines += [f"trial {number}: {reason}" for reason, number in reasons.items()]
        return "\n".join(lines)

    __repr__ = __str__


def _short(config):
    """The text of a Config, its numbers with three digits."""
    return re.sub(r"\d+\.\d+(e-\d+)?", lambda found: f"{float(found[0]):.3g}", config)


def search(space, data, num_trials=20, name=None, minutes=None, executor=None):
    """Search the settings that `space` describes; returns a `Search`.

    space: a function of an Optuna trial that returns a `Config`, such as
    `lambda trial: Config(lr=trial.suggest_float("lr", 0.001, 1, log=True))`. A
    trial's value is its validation accuracy at the end. Optuna's TPE proposes;
    its successive halving gives a trial up that is not among the best third after 1,
    3, 9, ... epochs.

    num_trials: how many in all, those that are known included. name: under which it is
    kept on disk, in Optuna's own journal; the same name goes on where it was stopped.
    minutes: no epoch begins after so long. executor: any
    `concurrent.futures.Executor`, also a cluster's; None: one process for each core,
    one thread of PyTorch each. An epoch whose process dies is trained again.

    Stop (Ctrl-C) ends it early and keeps what is done. Raises ValueError or TypeError,
    with one sentence, for bad arguments or a file that is not this search's.
    """
    _check(space, data, num_trials, name, minutes, executor)
    shared = share(data)
    with ExitStack() as stack:
        study, recorded = _open(name, shared, num_trials, stack)
        found = Search(study)
        _same_space(study, space, name)
        wanted = num_trials - len(found.trials())
        if wanted <= 0:
            count = len(found.trials())
            found.note = RECORDED_HERE.format(count=count) if recorded else ""
            return found
        stop = stack.enter_context(DeferredStop())
        runner = _Runner(found, space, shared, num_trials, minutes, executor, stop)
        panel = _Panel(found, num_trials, wanted)
        try:
            with closing(runner.run()) as trials:
                for _ in trials:
                    panel.show(runner)
        except KeyboardInterrupt:
            sentence = STOPPED if name else STOPPED_UNNAMED
            found.note = sentence.format(done=len(found.trials()), count=num_trials)
        else:
            done = len(found.trials())
            if done < num_trials:
                sentence = TIME_IS_UP if name else TIME_IS_UP_UNNAMED
                found.note = sentence.format(
                    minutes=minutes, done=done, count=num_trials
                )
        panel.show(runner, last=True)
        return found


def _check(space, data, num_trials, name, minutes, executor):
    if not callable(space):
        raise TypeError(NOT_A_SPACE.format(found=type(space).__name__))
    check_data(data, "search(space, data)")
    if data.tests:
        raise ValueError(TEST_PICTURES)
    if not is_count(num_trials, 100_000):
        raise ValueError(BAD_COUNT.format(found=num_trials))
    if name is not None and not (isinstance(name, str) and PLAIN.fullmatch(name)):
        raise ValueError(BAD_NAME.format(found=name))
    if minutes is not None and not (is_number(minutes, 0, math.inf) and minutes > 0):
        raise ValueError(BAD_MINUTES.format(found=minutes))
    check_executor(executor)


def _setting(space, trial):
    """The Config that `space` makes of a trial."""
    try:
        config = space(trial)
    except (ValueError, TypeError) as error:  # Optuna's, and Config's
        text = " ".join(str(error).split())
        raise ValueError(BAD_SPACE.format(text=text)) from error
    if not isinstance(config, Config):
        raise TypeError(NOT_A_CONFIG.format(found=type(config).__name__))
    if not trial.distributions:
        raise ValueError(NOTHING_TO_SEARCH)
    if callable(config.init):
        raise ValueError(OWN_INIT)
    return config


# --- what is kept on disk


def location(name):
    """The path of the file that keeps the search of this name."""
    return records.location().with_name("searches") / f"{name}.journal"


def _open(name, shared, num_trials, stack):
    """The study of this name, and whether it is the course's own record."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if name is None:
        return _study(optuna.storages.InMemoryStorage(), "search", shared), False
    path, recorded = location(name), RECORDED / f"{name}.journal.gz"
    try:
        if recorded.exists() and not path.exists():
            study = _recorded(recorded, name, shared, num_trials, path, stack)
            if study:
                return study, True
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(f"{path}.running")
        stack.enter_context(lock.acquire(timeout=0))
        _mend(path)
    except filelock.Timeout:
        raise ValueError(IN_USE.format(name=name)) from None
    except OSError as error:
        text = error.strerror or str(error)
        raise ValueError(NOT_KEPT.format(path=path, text=text)) from None
    study = _study(_storage(path, name), name, shared)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        _put_back(study, trial)  # the kernel died, or the machine
    return study, False


def _recorded(recorded, name, shared, num_trials, path, stack):
    """The study that came with the course; None where more trials are asked for.

    Then a copy of it is at `path`, to go on from. Where the record has all that is
    asked, nothing is written.
    """
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    copy = Path(folder, f"{name}.journal")
    copy.write_bytes(gzip.decompress(recorded.read_bytes()))
    storage = _storage(copy, name)
    # On the sample, what was recorded on the full data stands in.
    study = _study(storage, name, shared, any_data=shared.source != "full")
    if len(Search(study).trials()) >= num_trials:
        memory = optuna.storages.InMemoryStorage()
        optuna.copy_study(from_study_name=name, from_storage=storage, to_storage=memory)
        return optuna.load_study(study_name=name, storage=memory)
    _study(storage, name, shared)  # to go on, the data must be the same
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(copy.read_bytes())
    return None


def _mend(path):
    """Take off a last line that was cut short; Optuna reads no file with one.

    ValueError where the file is no journal: then it is not touched.
    """
    if not path.exists():
        return
    try:
        *lines, last = path.read_bytes().split(b"\n")
        entries = [json.loads(line) for line in lines]
        if not all("op_code" in entry for entry in entries):
            raise ValueError("a line is not one of Optuna's")
        if last and not last.startswith(b'{"op_code"'):
            raise ValueError("its last line is not one of Optuna's")
    except (ValueError, TypeError, IsADirectoryError) as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(UNREADABLE.format(path=path, text=text)) from None
    if last:
        os.truncate(path, path.stat().st_size - len(last))


def _storage(path, name):
    """Optuna's storage in this file; ValueError where it is something else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that journals are experimental
            lock = JournalFileOpenLock(str(path))  # also where links are forbidden
            backend = JournalFileBackend(str(path), lock_obj=lock)
            storage = optuna.storages.JournalStorage(backend)
        names = optuna.get_all_study_names(storage)
    except Exception as error:  # whatever is in the file, Optuna trips over it
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(UNREADABLE.format(path=path, text=text)) from None
    if names and name not in names:
        raise ValueError(OTHER_STUDY.format(path=path, found=names[0]))
    return storage


def _study(storage, name, shared, any_data=False):
    if name in optuna.get_all_study_names(storage):
        study = optuna.load_study(storage=storage, study_name=name)
    else:
        study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize"
        )
    # Another seed after each stop, or the first random settings would come again.
    count = len(study.get_trials(deepcopy=False))
    study.sampler = optuna.samplers.TPESampler(seed=count)
    study.pruner = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=1, reduction_factor=REDUCTION_FACTOR
    )
    of = study.user_attrs.get("of")
    if of is None:
        study.set_user_attr("of", shared.fingerprint)
        study.set_user_attr("data", shared.source)
    elif of != shared.fingerprint and not any_data:
        begun = study.user_attrs["data"]
        raise ValueError(OTHER_DATA.format(name=name, found=begun, now=shared.source))
    return study


def _same_space(study, space, name):
    """Raise ValueError where `space` is not what the study was begun with.

    The space is asked again for what it made of the last trials.
    """
    begun = [t for t in study.get_trials(deepcopy=False) if "config" in t.user_attrs]
    for trial in begun[-REPLAYED:]:
        if difference := _difference(space, trial):
            raise ValueError(OTHER_SPACE.format(name=name, difference=difference))


def _difference(space, trial):
    """In which way `space` makes something else of a trial's values, or ""."""
    probe = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    probe.enqueue_trial(trial.params)
    replay, now = probe.ask(), None
    with warnings.catch_warnings(), suppress(ValueError, TypeError):
        warnings.simplefilter("ignore")  # that a value is out of a changed range
        now = space(replay)
    before, asked = trial.distributions, replay.distributions
    for field in before | asked:
        if before.get(field) != asked.get(field):
            texts = [str(found.get(field, NOT_ASKED)) for found in (before, asked)]
            return OTHER_PARAMETER.format(field=field, before=texts[0], now=texts[1])
    config = trial.user_attrs["config"]
    return "" if str(now) == config else OTHER_CONFIG.format(before=config, now=now)


def _put_back(study, trial):
    """End a trial that was stopped half-way, and have its setting tried again."""
    study.tell(trial.number, state=TrialState.FAIL)
    study.enqueue_trial(trial.params)


# --- the trials


class _Runner:
    """Runs trials, as many at a time as there are workers, epoch by epoch."""

    def __init__(self, found, space, shared, num_trials, minutes, executor, stop):
        self.epochs = 0
        self.began = time.monotonic()
        self._ends = self.began + (60 * minutes if minutes else math.inf)
        self._found, self._study, self._space = found, found.study, space
        self._shared, self._num_trials, self._executor = shared, num_trials, executor
        self._stop = stop
        self._running = {}  # trial number -> (trial, config, the last Epoch)
        self._attempts = {}

    def run(self):
        """Yields after each trial that is over."""
        try:
            if self._executor:
                try:
                    yield from self._run_in(self._executor)
                except BrokenExecutor as error:
                    text = " ".join(str(error).split()) or type(error).__name__
                    raise RuntimeError(DIED.format(text=text)) from None
                return
            while self._more() or self._unfinished():
                with suppress(BrokenExecutor), Processes() as executor:
                    yield from self._run_in(executor)
        finally:
            for trial, _, _ in self._running.values():
                _put_back(self._study, trial)
            earlier = self._study.user_attrs.get("seconds", 0)
            spent = earlier + time.monotonic() - self.began
            self._study.set_user_attr("seconds", round(spent, 3))

    def _more(self):
        begun = len(self._found.trials()) + len(self._running)
        return begun < self._num_trials and time.monotonic() < self._ends

    def _unfinished(self):
        return self._running and time.monotonic() < self._ends

    def _run_in(self, executor):
        futures = {}
        try:
            for number in self._running:  # their process has died
                futures[self._submit(executor, number)] = number
            while True:
                while self._more() and len(futures) < num_workers(executor):
                    self._stop.obey()
                    trial = self._study.ask()
                    config = self._begin(trial)
                    self._running[trial.number] = trial, config, None
                    futures[self._submit(executor, trial.number)] = trial.number
                if not futures:
                    return
                for future in self._stop.wait(futures):
                    number = futures.pop(future)
                    if self._after(number, self._result(future)):
                        yield
                    elif self._unfinished():
                        futures[self._submit(executor, number)] = number
        except BrokenExecutor:
            self._after_a_death()
            raise
        finally:
            for future in futures:
                future.cancel()

    def _begin(self, trial):
        try:
            config = _setting(self._space, trial)
        except (ValueError, TypeError):
            self._study.tell(trial, state=TrialState.FAIL)
            raise
        trial.set_user_attr("config", str(config))
        return config

    def _submit(self, executor, number):
        _, config, last = self._running[number]
        return submit(executor, task.train_epoch, config, self._shared, last)

    def _result(self, future):
        try:
            return future.result()
        except (BrokenExecutor, CancelledError) as error:
            raise BrokenExecutor(str(error)) from None
        except Exception as error:  # of the executor's own
            return task.Epoch(0, reason=str(error), ok=False)

    def _after(self, number, epoch):
        """Whether the trial is over after this epoch."""
        trial, config, _ = self._running[number]
        self._attempts.pop(number, None)
        self.epochs += 1
        self._running[number] = trial, config, epoch
        if not epoch.ok:
            trial.set_user_attr("reason", epoch.reason)
        if not math.isnan(epoch.val_accuracy):
            trial.report(epoch.val_accuracy, epoch.number)
        if not epoch.ok and math.isnan(epoch.val_accuracy):
            self._study.tell(trial, state=TrialState.FAIL)
        elif epoch.number == config.num_epochs:
            self._study.tell(trial, epoch.val_accuracy)
        elif not epoch.ok or trial.should_prune():  # it diverged, or is not worth it
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            return False
        del self._running[number]
        return True

    def _after_a_death(self):
        """Count it for each trial that was running; who kills often is given up."""
        for number, (trial, _, _) in list(self._running.items()):
            self._attempts[number] = self._attempts.get(number, 0) + 1
            if self._attempts[number] == ATTEMPTS:
                trial.set_user_attr("reason", LOST.format(attempts=ATTEMPTS))
                self._study.tell(trial, state=TrialState.FAIL)
                del self._running[number]


class _Panel(widgets.VBox):
    """How far a search is, and its picture; a line of text where no front end is."""

    def __init__(self, found, count, wanted):
        self._found, self._count = found, count
        sentence = BEGIN.format(wanted=wanted, done=count - wanted)
        self._said = widgets.HTML(sentence)
        wide = widgets.Layout(width="100%")
        self._bar = widgets.IntProgress(max=count, value=count - wanted, layout=wide)
        self._picture = widgets.Image(layout=widgets.Layout(max_width="100%"))
        super().__init__([self._bar, self._said, self._picture])
        if get_ipython():
            display(self)

    def show(self, runner, last=False):
        found = self._found
        best = NO_BEST
        if found.best:
            best = BEST.format(accuracy=found.accuracy, config=_short(str(found.best)))
        counts = {
            name.lower(): len(found.trials(getattr(TrialState, state)))
            for name, state in (
                ("complete", "COMPLETE"),
                ("pruned", "PRUNED"),
                ("failed", "FAIL"),
            )
        }
        done = self._bar.value = sum(counts.values())
        sentence = GOING_ON.format(
            done=done,
            count=self._count,
            epochs=runner.epochs,
            spent=duration(time.monotonic() - runner.began),
            best=best,
            **counts,
        )
        self._said.value = " ".join(filter(None, [sentence, last and found.note]))
        self._picture.value = plot_study(found.study).png()

    def _repr_mimebundle_(self, **kwargs):
        bundle = dict(super()._repr_mimebundle_(**kwargs))
        bundle["text/plain"] = SEARCH.format(count=self._count)
        return bundle
