"""The trials of a search, trained epoch by epoch over any executor.

A task is one epoch of one trial, and its result carries the state for the next. So
this process alone holds the study, and a worker that dies costs one epoch.
"""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass, field

import optuna
from optuna.trial import TrialState

from helpers.tables import one_line
from helpers.training import Config
from helpers.tuning.processes import Processes, num_workers, submit
from helpers.tuning.shared_data import Shared
from helpers.tuning.stop import DeferredStop
from helpers.tuning.study_file import ended, put_back
from helpers.tuning.task import Epoch

ATTEMPTS = 3  # how often an epoch is started whose process has died

NOT_A_CONFIG = "space(trial) must return a Config; it returned {found}."
NOTHING_TO_SEARCH = (
    "space(trial) asks the trial for nothing, so every trial would be the same; use "
    'for example lr=trial.suggest_float("lr", 0.001, 1, log=True).'
)
BAD_SPACE = "space(trial) can't be searched: {text}"
OWN_INIT = (
    "space(trial) returned a Config with your own init function, which can't travel to "
    "another process; use the name of a built-in one, such as init='kaiming'."
)
LOST = "its process died {attempts} times, possibly because it ran out of memory"
DIED = (
    "A worker of your executor died ({text}). Run the search again with a new executor."
)

Space = Callable[[optuna.Trial], Config]
# Trains the next epoch of a run, in any process, as `train_epoch` does.
Train = Callable[[Config, Shared, Epoch | None], Epoch]


def config_of(space: Space, trial: optuna.Trial) -> Config:
    """The Config that `space` makes of a trial; ValueError or TypeError for none."""
    try:
        config = space(trial)
    except (ValueError, TypeError) as error:  # Optuna's, and Config's
        raise ValueError(BAD_SPACE.format(text=one_line(error))) from error
    if not isinstance(config, Config):
        raise TypeError(NOT_A_CONFIG.format(found=type(config).__name__))
    if not trial.distributions:
        raise ValueError(NOTHING_TO_SEARCH)
    if callable(config.init):
        raise ValueError(OWN_INIT)
    return config


@dataclass(eq=False)
class _Running:
    trial: optuna.Trial
    config: Config
    last: Epoch | None = None
    deaths: int = 0  # of its process, since its last epoch


@dataclass
class TrialRunner:
    """Runs trials, as many at a time as there are workers; fields as in `search`."""

    study: optuna.Study
    space: Space
    shared: Shared
    num_trials: int
    minutes: float | None
    executor: Executor | None
    train: Train
    _began: float = field(default_factory=time.monotonic)
    _running: list[_Running] = field(default_factory=list)

    def run(self, stop: DeferredStop) -> Iterator[None]:
        """Yields after each epoch; RuntimeError where a worker of `executor` dies."""
        try:
            while self._wants_another() or self._running and self._in_time():
                given = self.executor and nullcontext(self.executor)
                with given or Processes() as executor:
                    yield from self._run_in(executor, stop)
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

    def _run_in(self, executor: Executor, stop: DeferredStop) -> Iterator[None]:
        futures: dict[Future, _Running] = {}

        def start(running):
            task = self.train, running.config, self.shared, running.last
            futures[submit(executor, *task)] = running

        try:
            for running in self._running:  # their process has died
                start(running)
            while True:
                while self._wants_another() and len(futures) < num_workers(executor):
                    stop.obey()
                    start(self._begin())
                if not futures:
                    return
                for future in stop.wait(futures):
                    running = futures.pop(future)
                    self._note(running, future)
                    if running in self._running and self._in_time():
                        start(running)
                    yield
        except BrokenExecutor as error:
            if self.executor:
                raise RuntimeError(DIED.format(text=one_line(error))) from None
            for running in list(self._running):
                running.deaths += 1
                if running.deaths == ATTEMPTS:
                    reason = LOST.format(attempts=ATTEMPTS)
                    running.trial.set_user_attr("reason", reason)
                    self._end(running, TrialState.FAIL)
        finally:
            for future in futures:
                future.cancel()

    def _begin(self) -> _Running:
        trial = self.study.ask()
        try:
            config = config_of(self.space, trial)
        except (ValueError, TypeError):
            self.study.tell(trial, state=TrialState.FAIL)
            raise
        trial.set_user_attr("config", str(config))
        self._running.append(running := _Running(trial, config))
        return running

    def _note(self, running: _Running, future: Future) -> None:
        """Note an epoch, and end a trial for which it was the last."""
        try:
            epoch = future.result()
        except (BrokenExecutor, CancelledError) as error:  # its process died
            raise BrokenExecutor(str(error)) from None
        except Exception as error:  # the executor's own
            epoch = Epoch(0, reason=str(error), ok=False)
        trial, accuracy = running.trial, epoch.val_accuracy
        running.last, running.deaths = epoch, 0
        if not epoch.ok:
            trial.set_user_attr("reason", epoch.reason)
        if math.isnan(accuracy):
            return self._end(running, TrialState.FAIL)
        trial.report(accuracy, epoch.number)
        if epoch.number == running.config.num_epochs:
            self._end(running, TrialState.COMPLETE, accuracy)
        elif not epoch.ok or trial.should_prune():  # it diverged, or looks bad
            self._end(running, TrialState.PRUNED)

    def _end(self, running, state: TrialState, value: float | None = None) -> None:
        self.study.tell(running.trial, value, state)
        self._running.remove(running)
