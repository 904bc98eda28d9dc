"""Searches for good settings: Optuna proposes, we train, a file remembers.

Optuna's own study holds every trial. After each epoch of a trial its pruner decides
whether the next one is worth it, so a bad setting costs an epoch or two, not all.
"""

import re
from concurrent.futures import Executor
from contextlib import ExitStack, closing
from pathlib import Path

from IPython import get_ipython

from helpers.data import FashionMNIST, check_data
from helpers.given import require, require_kind
from helpers.language import SPACE, tr
from helpers.model import is_count, is_number
from helpers.tuning.executors import MachineFailed, check_executor
from helpers.tuning.kept import RECORDED
from helpers.tuning.progress_bar import show_bar
from helpers.tuning.search_result import Search, SearchPanel
from helpers.tuning.shared_data import share
from helpers.tuning.stop import DeferredStop
from helpers.tuning.study_file import Lost, check_same_space, open_study, study_location
from helpers.tuning.trial_runner import Space, TrialRunner

NAME = re.compile(r"[\w-]{1,60}", re.ASCII)

STOPPED = tr("Stopped after {done:,} of {count:,} trials.")
TIME_IS_UP = tr("The {minutes:g} minutes were over after {done:,} of {count:,} trials.")
KEPT = tr("What is done is kept; run the search again to continue.")
LOST = tr(
    "The search can't go on in {path} ({reason}). What was found is in what `search` "
    "returned, until this kernel ends."
)
COMPLETE = tr(
    "This search is complete: {count:,} trials. To search anew, give it another name; "
    "to go on, raise num_trials."
)
NOT_KEPT = tr(
    "Give the search a name, such as name='mine', to keep it and continue later."
)
RECORDED_HERE = tr(
    "These {count:,} trials were recorded with the course on the full Fashion-MNIST; "
    "give the search a name of your own to run it here."
)
NOT_A_SPACE = tr(
    "search needs a function space(trial) that returns a Config; you gave {found}."
)
BAD_COUNT = tr("num_trials must be a whole number from 1 to 100,000; you gave {found}.")
BAD_MINUTES = tr("minutes must be a number above 0, or None; you gave {found}.")
BAD_NAME = tr(
    "name must be 1 to 60 letters, digits, - or _, or None; you gave {found}."
)
TEST_PICTURES = tr(
    "search chooses by the validation pictures, and in data.for_the_test() the test "
    "pictures take their place. Give it the data as they were loaded."
)


def search(
    space: Space,
    data: FashionMNIST,
    num_trials: int = 20,
    name: str | None = None,
    minutes: float | None = None,
    executor: Executor | None = None,
    *,
    recorded: Path = RECORDED,
) -> Search:
    """Search the settings that `space` describes; returns a `Search`.

    space: a function of an Optuna trial that returns a `Config`, such as
    `lambda trial: Config(lr=trial.suggest_float("lr", 0.001, 1, log=True))`. Optuna's
    TPE proposes, by the validation accuracy at the end; its successive halving gives up
    a trial that is not among the best third after 1, 3, 9, ... epochs.

    num_trials: how many in all, including those that are known. name: under which the
    search is kept on disk, as Optuna's journal, and continued. minutes: no epoch starts
    after so long. executor: any `concurrent.futures.Executor`, also a cluster's; None:
    this process, in which some trials are under way at once. recorded: the folder of
    the searches that came with the course.

    Stop (Ctrl-C) ends it early and keeps what is done. Raises ValueError or TypeError,
    with one sentence, for bad arguments or a file that is not this search's.
    """
    _check(space, data, num_trials, name, minutes, executor)
    shared = share(data)
    with ExitStack() as stack:
        stop, lost = stack.enter_context(DeferredStop()), ""
        stack.callback(shared.close)
        study, is_recorded = open_study(name, shared, num_trials, recorded, stack)
        found = Search(study)
        check_same_space(study, space, name)
        if (done := len(found.trials())) >= num_trials:
            note = RECORDED_HERE if is_recorded else COMPLETE
            found.note = note.format(count=done)
            if not is_recorded:
                _open_panel(found, num_trials)()
            return found
        runner = TrialRunner(study, space, shared, num_trials, minutes, executor)
        show, early = _open_panel(found, num_trials, minutes), TIME_IS_UP
        try:
            with closing(runner.run(stop)) as trials:
                for _ in trials:
                    show()
        except KeyboardInterrupt:
            early = STOPPED
        except MachineFailed as error:
            lost = SPACE.join([str(error), KEPT if name else NOT_KEPT])
        except Lost as error:
            lost = LOST.format(path=study_location(name), reason=error)
        done = len(found.trials())
        if lost:
            found.note = STOPPED.format(done=done, count=num_trials) + SPACE + lost
        elif done < num_trials:
            early = early.format(minutes=minutes, done=done, count=num_trials)
            found.note = SPACE.join([early, KEPT if name else NOT_KEPT])
        show()
        return found


def _open_panel(found, count, minutes=None):
    """Show a panel in the cell that runs; returns what brings it up to date."""
    if not get_ipython():
        return lambda: None
    return show_bar(SearchPanel(found, count, minutes)).show


def _check(space, data, num_trials, name, minutes, executor):
    require_kind(callable(space), NOT_A_SPACE, space)
    check_data(data, "search(space, data)")
    if data.tests:
        raise ValueError(TEST_PICTURES)
    require(is_count(num_trials, 100_000), BAD_COUNT, num_trials)
    fine = name is None or (isinstance(name, str) and NAME.fullmatch(name))
    require(fine, BAD_NAME, name)
    fine = minutes is None or (is_number(minutes) and minutes > 0)
    require(fine, BAD_MINUTES, minutes)
    check_executor(executor)
