"""Many trainings, those of one shape side by side: the call `sweep`."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from pathlib import Path

from helpers import records, waiting
from helpers.data import FashionMNIST, check_data
from helpers.given import items, require_kind
from helpers.language import SPACE, tr
from helpers.training import Config
from helpers.tuning.executors import MachineFailed, check_executor
from helpers.tuning.groups import Trained, train_here, train_with
from helpers.tuning.kept import RECORDED, known_results, remember
from helpers.tuning.members import Member
from helpers.tuning.progress_bar import SweepBar, show_bar
from helpers.tuning.results import Results
from helpers.tuning.shared_data import Shared, share
from helpers.tuning.stop import DeferredStop
from helpers.tuning.under_way import forget, keep, resume

KEEP_EVERY = 60  # seconds of training that a kernel loses when it is killed

STOPPED = tr("Stopped: {missing:,} of {count:,} runs have not been trained.")
KEPT = tr("What is done is kept, down to the last whole epoch; run it again to go on.")
NOT_KEPT = tr(
    "What was trained can't be kept in {path} ({reason}), so it lasts only until this "
    "kernel ends. Set COURSE_HOME to a folder that you can write to."
)
NOT_CONFIGS = tr(
    "sweep(configs, data) needs a list of Configs, such as [Config(lr=0.1), "
    "Config(lr=0.3)]; you gave {found}."
)
EMPTY = tr("an empty list")


def sweep(
    configs: Iterable[Config],
    data: FashionMNIST,
    executor: Executor | None = None,
    *,
    recorded: Path = RECORDED,
    keep_every: float = KEEP_EVERY,
) -> Results:
    """Train every Config in `configs` on `data`; returns `Results`.

    data: what `load_fashion_mnist` returns. executor: any
    `concurrent.futures.Executor`; None: this process. recorded: the folder of the runs
    that came with the course. keep_every: seconds after which the runs under way are
    kept.

    Runs of one shape are trained side by side, as one network. Their numbers are those
    of `train`, up to rounding. A run that fails is a row with its reason. What is
    trained is kept on disk, by Config, data and `RESULTS_VERSION`, and not trained
    again. Stop (Ctrl-C) ends it early and keeps the runs that are done, and the epochs
    of the others. On the bundled sample, runs that were recorded on the full data stand
    in, and `note` says so. A learner's own init is trained in this process and not
    kept. Raises ValueError or TypeError for bad arguments.
    """
    configs = _checked(configs, data, executor)
    note, notes, unkept = "", [], []
    with DeferredStop() as stop, closing(share(data)) as shared:
        known = known_results(configs, shared, recorded)
        missing = [config for config in dict.fromkeys(configs) if config not in known]
        if missing:
            runs = [resume(config, shared) for config in missing]
            before = len(set(configs)) - len(missing)
            waiting.stop_clock()  # the bar moves every second
            bar = show_bar(SweepBar([run.result for run in runs], before))
            try:
                trained = _trained(runs, shared, executor, stop)
                _train_all(trained, shared, keep_every, bar, known, unkept)
            except (KeyboardInterrupt, MachineFailed) as error:
                left = sum(config not in known for config in configs)
                notes = [STOPPED.format(missing=left, count=len(configs)), str(error)]
            if unkept:
                notes.append(NOT_KEPT.format(path=records.home(), reason=unkept[0]))
            elif notes:
                notes.append(KEPT)
            note = SPACE.join(filter(None, notes))  # a Stop says nothing of its own
            bar.end(note)
    return Results([known[config] for config in configs if config in known], note)


def _checked(configs, data, executor) -> list[Config]:
    given, configs = configs, items(configs)
    require_kind(configs is not None, NOT_CONFIGS, given)
    if not configs:
        raise ValueError(NOT_CONFIGS.format(found=EMPTY))
    for config in configs:
        require_kind(isinstance(config, Config), NOT_CONFIGS, config)
    check_data(data, "sweep(configs, data)")
    check_executor(executor)
    return configs


def _train_all(trained, shared, keep_every, bar, known, unkept) -> None:
    """Go through what is trained, show how far it is, and keep what is done.

    unkept: a list that gets the reasons why something could not be kept.
    """
    under_way, due = {}, time.monotonic() + keep_every
    try:
        with closing(trained):
            for group, share_of_epoch in trained:
                if share_of_epoch < 1:
                    bar.move([run.config for run in group], share_of_epoch)
                    continue
                under_way |= {run.config: run for run in group}
                over = [run.result for run in group if run.ended]
                known |= {result.config: result for result in over}
                unkept += filter(None, [remember(over, shared.fingerprint)])
                for result in over:
                    forget(result.config, shared)
                bar.add(*(run.result for run in group))
                if time.monotonic() > due:
                    unkept += filter(None, [keep(under_way.values(), shared)])
                    due = time.monotonic() + keep_every
    finally:
        unkept += filter(None, [keep(under_way.values(), shared)])


def _trained(
    runs: list[Member], shared: Shared, executor: Executor | None, stop: DeferredStop
) -> Iterator[Trained]:
    here = runs
    if executor:
        # A function defined in the notebook can't be sent to another process.
        here = [run for run in runs if callable(run.config.init)]
        others = [run for run in runs if not callable(run.config.init)]
        yield from train_with(executor, others, shared, stop)
    yield from train_here(here, shared, stop)
