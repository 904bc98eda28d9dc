"""The trials of a search, trained epoch by epoch over any executor.

A task is one epoch of one trial, and its result carries the state for the next. So
this process alone holds the study, and a worker that dies costs one epoch.
"""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import suppress
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from helpers.tables import one_line
from helpers.training import Config
from helpers.tuning.processes import Processes, num_workers, submit
from helpers.tuning.search_space import Space, config_of
from helpers.tuning.shared_data import Shared
from helpers.tuning.stop import DeferredStop
from helpers.tuning.study_file import ended, put_back
from helpers.tuning.task import Epoch

ATTEMPTS = 3  # how often an epoch is started whose process has died

LOST = (
    "the process that trained it died {attempts} times, possibly because it ran out of "
    "memory"
)
DIED = (
    "A worker of your executor died ({text}). The trials that have ended are kept; "
    "make a new executor and run the search again."
)


@dataclass
class _Running:
    trial: optuna.Trial
    config: Config
    last: Epoch | None = None
    deaths: int = 0  # of its process, since its last epoch


class TrialRunner:
    """Runs trials, as many at a time as there are workers.

    epochs: how many were trained. began: when, by `time.monotonic()`.
    """

    epochs: int = 0
    began: float

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        shared: Shared,
        num_trials: int,
        minutes: float | None,
        executor: Executor | None,
        train: Callable[[Config, Shared, Epoch | None], Epoch],
    ) -> None:
        self.began = time.monotonic()
        self._ends = self.began + (60 * minutes if minutes else math.inf)
        self._study, self._space, self._shared = study, space, shared
        self._num_trials, self._executor, self._train = num_trials, executor, train
        self._running: dict[int, _Running] = {}  # trial number -> the trial

    def run(self, stop: DeferredStop) -> Iterator[None]:
        """Yields after each trial that has ended.

        Raises RuntimeError where a worker of the executor that was given dies.
        """
        try:
            if self._executor:
                yield from self._run_in(self._executor, stop)
            else:
                while self._wants_another() or self._has_more_to_train():
                    with suppress(BrokenExecutor), Processes() as executor:
                        yield from self._run_in(executor, stop)
        except BrokenExecutor as error:
            raise RuntimeError(DIED.format(text=one_line(error))) from None
        finally:
            for running in self._running.values():
                put_back(self._study, running.trial)
            earlier = self._study.user_attrs.get("seconds", 0)
            spent = earlier + time.monotonic() - self.began
            self._study.set_user_attr("seconds", round(spent, 3))

    def _wants_another(self) -> bool:
        begun = len(ended(self._study)) + len(self._running)
        return begun < self._num_trials and time.monotonic() < self._ends

    def _has_more_to_train(self) -> bool:
        return bool(self._running) and time.monotonic() < self._ends

    def _run_in(self, executor: Executor, stop: DeferredStop) -> Iterator[None]:
        futures: dict[Future, _Running] = {}

        def start(running: _Running) -> None:
            task = self._train, running.config, self._shared, running.last
            futures[submit(executor, *task)] = running

        try:
            for running in self._running.values():  # their process has died
                start(running)
            while True:
                while self._wants_another() and len(futures) < num_workers(executor):
                    stop.obey()
                    start(self._begin())
                if not futures:
                    return
                for future in stop.wait(futures):
                    running = futures.pop(future)
                    if self._ends_with(running, _epoch(future)):
                        yield
                    elif self._has_more_to_train():
                        start(running)
        except BrokenExecutor:
            self._count_deaths()
            raise
        finally:
            for future in futures:
                future.cancel()

    def _begin(self) -> _Running:
        trial = self._study.ask()
        try:
            config = config_of(self._space, trial)
        except (ValueError, TypeError):
            self._study.tell(trial, state=TrialState.FAIL)
            raise
        trial.set_user_attr("config", str(config))
        self._running[trial.number] = running = _Running(trial, config)
        return running

    def _ends_with(self, running: _Running, epoch: Epoch) -> bool:
        """Note an epoch; whether the trial has ended with it."""
        trial, accuracy = running.trial, epoch.val_accuracy
        running.last, running.deaths = epoch, 0
        self.epochs += 1
        if not epoch.ok:
            trial.set_user_attr("reason", epoch.reason)
        if not math.isnan(accuracy):
            trial.report(accuracy, epoch.number)
        if not epoch.ok and math.isnan(accuracy):
            self._end(trial, TrialState.FAIL)
        elif epoch.number == running.config.num_epochs:
            self._end(trial, TrialState.COMPLETE, accuracy)
        elif not epoch.ok or trial.should_prune():  # it diverged, or is not worth it
            self._end(trial, TrialState.PRUNED)
        return trial.number not in self._running

    def _end(self, trial: optuna.Trial, state: TrialState, value: float | None = None):
        self._study.tell(trial, value, state)
        del self._running[trial.number]

    def _count_deaths(self) -> None:
        """Count it for each trial that was running, and give up on frequent ones."""
        for running in list(self._running.values()):
            running.deaths += 1
            if running.deaths == ATTEMPTS:
                running.trial.set_user_attr("reason", LOST.format(attempts=ATTEMPTS))
                self._end(running.trial, TrialState.FAIL)


def _epoch(future: Future) -> Epoch:
    """What a task brought back; BrokenExecutor where its process died."""
    try:
        return future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise BrokenExecutor(str(error)) from None
    except Exception as error:  # the executor's own
        return Epoch(0, reason=str(error), ok=False)
