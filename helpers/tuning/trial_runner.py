"""The trials of a search, trained epoch by epoch: here, or by any executor.

Here several are under way at once. Each round trains all of them for one epoch, those
of one shape side by side, and then decides which of them are given up. By an executor,
a task is one epoch of one trial, and its result is the run with all that it needs for
the next. So this process alone holds the study, and a worker that dies costs one epoch.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass, field

import optuna
from optuna.trial import TrialState

from helpers.given import check_begun, require_kind
from helpers.language import tr
from helpers.tables import one_line
from helpers.training import Config
from helpers.tuning.executors import MachineFailed, num_workers, result_of, submit
from helpers.tuning.groups import grouped, train_epochs, train_task
from helpers.tuning.members import Member
from helpers.tuning.results import Result
from helpers.tuning.shared_data import Shared
from helpers.tuning.stop import DeferredStop
from helpers.tuning.study_file import ended, put_back

AT_ONCE = 8  # trials under way in this process

NOT_A_CONFIG = tr("space(trial) must return a Config; it returned {found}.")
NOTHING_TO_SEARCH = tr(
    "space(trial) asks the trial for nothing, so every trial would be the same; use "
    'for example lr=trial.suggest_float("lr", 0.001, 1, log=True).'
)
BAD_SPACE = tr("space(trial) can't be searched ({text}).")
OWN_INIT = tr(
    "space(trial) returned a Config with your own init function, which the file of a "
    "search can't hold; use the name of a built-in one, such as init='kaiming'."
)
DIED = tr(
    "A worker of your executor died ({text}). Run the search again with a new executor."
)

Space = Callable[[optuna.Trial], Config]


def config_of(space: Space, trial: optuna.Trial) -> Config:
    """The Config that `space` makes of a trial; ValueError or TypeError for none."""
    check_begun(space)
    try:
        config = space(trial)
    except (ValueError, TypeError, ArithmeticError) as error:  # Optuna's, and Config's
        raise ValueError(BAD_SPACE.format(text=one_line(error).rstrip("."))) from error
    require_kind(isinstance(config, Config), NOT_A_CONFIG, config)
    if not trial.distributions:
        raise ValueError(NOTHING_TO_SEARCH)
    if callable(config.init):
        raise ValueError(OWN_INIT)
    return config


@dataclass(eq=False)
class _Running:
    trial: optuna.Trial
    run: Member


@dataclass
class TrialRunner:
    """Runs trials; fields as in `search`."""

    study: optuna.Study
    space: Space
    shared: Shared
    num_trials: int
    minutes: float | None
    executor: Executor | None
    _began: float = field(default_factory=time.monotonic)
    _running: list[_Running] = field(default_factory=list)

    def run(self, stop: DeferredStop) -> Iterator[None]:
        """Yields after each epoch; RuntimeError where a worker of `executor` dies."""
        try:
            yield from self._run_there(stop) if self.executor else self._run_here(stop)
        finally:
            for running in self._running:
                put_back(self.study, running.trial)
            before, now = self.study.user_attrs.get("seconds", 0), time.monotonic()
            self.study.set_user_attr("seconds", round(before + now - self._began, 3))

    def _in_time(self) -> bool:
        return not self.minutes or time.monotonic() < self._began + 60 * self.minutes

    def _wants_another(self) -> bool:
        begun = len(ended(self.study)) + len(self._running)
        return begun < self.num_trials and self._in_time()

    def _run_here(self, stop: DeferredStop) -> Iterator[None]:
        while self._in_time():
            while self._wants_another() and len(self._running) < AT_ONCE:
                stop.obey()
                self._begin()
            if not self._running:
                return
            of, trained = {running.run: running for running in self._running}, []
            try:
                for group in grouped([*of]):
                    if not self._in_time():
                        break
                    for _ in train_epochs(group, self.shared, num_epochs=1):
                        stop.obey()
                    trained += [of[run] for run in group]
                    self._report(trained[-len(group) :])
                    yield
            finally:
                self._judge(trained)
            yield

    def _run_there(self, stop: DeferredStop) -> Iterator[None]:
        executor, futures = self.executor, {}

        def start(running):
            task = train_task, [running.run], self.shared, 1
            futures[submit(executor, *task)] = running

        try:
            while True:
                while self._wants_another() and len(futures) < num_workers(executor):
                    stop.obey()
                    start(self._begin())
                if not futures:
                    return
                for future in stop.wait(futures):
                    running = futures.pop(future)
                    self._arrived(running, future)
                    if running in self._running and self._in_time():
                        start(running)
                    yield
        except (BrokenExecutor, CancelledError) as error:  # its process died
            raise RuntimeError(DIED.format(text=one_line(error))) from None
        finally:
            for future in futures:
                future.cancel()

    def _begin(self) -> _Running:
        trial = self.study.ask()
        try:
            config = config_of(self.space, trial)
        except Exception:  # also the learner's own
            self.study.tell(trial, state=TrialState.FAIL)
            raise
        trial.set_user_attr("config", str(config))
        run = Member(Result(config, self.shared.source))
        self._running.append(running := _Running(trial, run))
        return running

    def _arrived(self, running: _Running, future: Future) -> None:
        try:
            (running.run,) = result_of(future)
        except (BrokenExecutor, CancelledError, MachineFailed):  # no fault of the run
            raise
        except Exception as error:  # the executor's own
            running.run.fail(error)
        self._report([running])
        self._judge([running])

    def _report(self, trained: Iterable[_Running]) -> None:
        """Tell the study what their epoch came to."""
        for running in trained:
            if not _failed(running.run.result):
                accuracy = running.run.result.accuracy
                running.trial.report(accuracy, running.run.epoch)

    def _judge(self, trained: Iterable[_Running]) -> None:
        """End those that are done, and give up those that look bad.

        The best comes first: each is compared with those before it, and with 8 at once
        that saves a fifth of the epochs.
        """
        failed = [running for running in trained if _failed(running.run.result)]
        others = [running for running in trained if running not in failed]
        others.sort(key=lambda running: running.run.result.accuracy, reverse=True)
        for running in (*others, *failed):
            trial, run, result = running.trial, running.run, running.run.result
            if not result.ok:
                trial.set_user_attr("reason", result.reason)
            if running in failed:
                self._end(running, TrialState.FAIL)
            elif run.epoch == run.config.num_epochs:
                self._end(running, TrialState.COMPLETE, result.accuracy)
            elif not result.ok or trial.should_prune():  # it diverged, or looks bad
                self._end(running, TrialState.PRUNED)

    def _end(self, running, state: TrialState, value: float | None = None) -> None:
        self.study.tell(running.trial, value, state)
        self._running.remove(running)


def _failed(result):
    """Whether it could not be trained, rather than diverged."""
    return not result.ok and result.train_accuracy is None
