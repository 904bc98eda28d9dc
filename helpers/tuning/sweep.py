"""Many trainings over any `concurrent.futures.Executor`: the call `sweep`."""

from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from contextlib import closing, nullcontext, suppress
from pathlib import Path

from helpers.data import FashionMNIST, check_data
from helpers.training import Config
from helpers.tuning.kept import RECORDED, known_results, remember
from helpers.tuning.processes import Processes, check_executor, submit
from helpers.tuning.progress_bar import open_progress_bar
from helpers.tuning.results import Result, Results
from helpers.tuning.shared_data import Shared, share
from helpers.tuning.stop import DeferredStop
from helpers.tuning.task import cost, failure, train_one

ATTEMPTS = 2  # how often a run whose process died is started together with others

STOPPED = (
    "Stopped: {missing:,} of {count:,} runs have not been trained. What is done is "
    "kept; run it again to go on."
)
LOST = (
    "the process that trained it died {attempts} times or more, possibly because it "
    "ran out of memory; try fewer runs at once or a smaller model"
)
LOST_WITH_EXECUTOR = (
    "not trained: a worker of your executor died and took the executor with it; make a "
    "new one and run it again"
)
NOT_CONFIGS = (
    "sweep(configs, data) needs a list of Configs, such as [Config(lr=0.1), "
    "Config(lr=0.3)]; you gave {found}."
)
NO_CONFIGS = "sweep(configs, data) got an empty list; give it at least one Config."


def sweep(
    configs: Iterable[Config],
    data: FashionMNIST,
    executor: Executor | None = None,
    *,
    recorded: Path = RECORDED,
) -> Results:
    """Train every Config in `configs` on `data`; returns `Results`.

    data: what `load_fashion_mnist` returns; processes on this machine share it.
    executor: any `concurrent.futures.Executor`; None: one process for each core, with
    one thread of PyTorch each. recorded: the folder of the runs that came with the
    course.

    A run that fails is a row with its reason. What is trained is kept on disk, by
    Config, data and `RESULTS_VERSION`, and not trained again. Stop (Ctrl-C) ends it
    early and keeps what is done. On the bundled sample, runs that were recorded on
    the full data stand in, and `note` says so. A learner's own init is trained in
    this process and not kept. Raises ValueError or TypeError for bad arguments.
    """
    configs = _checked(configs, data, executor)
    shared = share(data)
    known = known_results(shared, recorded)
    found = {config: known[config] for config in configs if config in known}
    missing = [config for config in dict.fromkeys(configs) if config not in found]
    note = ""
    if missing:
        bar = open_progress_bar(missing, len(found))
        try:
            with closing(_train_all(missing, shared, executor)) as trained:
                for config, result in trained:
                    found[config] = result
                    remember(result, shared.fingerprint)
                    bar.add(result)
        except KeyboardInterrupt:
            left = len([config for config in configs if config not in found])
            note = STOPPED.format(missing=left, count=len(configs))
        bar.end(note)
    rows = [found[config] for config in configs if config in found]
    return Results(rows, data.source, note)


def _checked(configs, data, executor) -> list[Config]:
    if isinstance(configs, Config) or not hasattr(configs, "__iter__"):
        raise TypeError(NOT_CONFIGS.format(found=type(configs).__name__))
    configs = list(configs)
    if not configs:
        raise ValueError(NO_CONFIGS)
    for config in configs:
        if not isinstance(config, Config):
            raise TypeError(NOT_CONFIGS.format(found=type(config).__name__))
    check_data(data, "sweep(configs, data)")
    check_executor(executor)
    return configs


def _train_all(
    configs: list[Config], shared: Shared, executor: Executor | None
) -> Iterator[tuple[Config, Result]]:
    """Yields each Config and its Result as they come."""
    # A function defined in the notebook can't be sent to another process.
    own = [config for config in configs if callable(config.init)]
    # The longest first, so that no core waits long at the end.
    left = sorted((c for c in configs if not callable(c.init)), key=cost, reverse=True)
    with DeferredStop() as stop:
        for together in _rounds(left, executor):
            # A run that kills its process ends the other runs in this pool too.
            pool = nullcontext(executor) if executor else Processes()
            with pool as workers:
                for config, result in _over(workers, together, shared, stop):
                    left.remove(config)
                    yield config, result
        if own:  # nothing hears a Stop after the last of the others
            stop.obey()
    reason = LOST_WITH_EXECUTOR if executor else LOST.format(attempts=ATTEMPTS)
    for config in left:
        yield config, Result(config, shared.source, 0, 0, reason=reason, ok=False)
    for config in own:
        yield config, train_one(config, shared)


def _rounds(left: list[Config], executor: Executor | None) -> Iterator[list[Config]]:
    """Groups of runs to train in one pool; the caller removes what is done from `left`.

    First all of them, then those whose process died, and at last each on its own.
    """
    for _ in range(ATTEMPTS):
        if left:
            yield list(left)
    if executor is None:
        yield from [[config] for config in left]


def _over(
    executor: Executor, configs: list[Config], shared: Shared, stop: DeferredStop
) -> Iterator[tuple[Config, Result]]:
    """Yields as `_train_all`, but not what a process that died has left undone."""
    futures = {}
    try:
        with suppress(BrokenExecutor):
            for config in configs:
                stop.obey()
                futures[submit(executor, train_one, config, shared)] = config
        while futures:
            for future in stop.wait(futures):
                config = futures.pop(future)
                try:
                    result = future.result()
                except (BrokenExecutor, CancelledError):
                    continue
                except Exception as error:  # of the executor's own
                    result = failure(config, shared, error)
                if result is not None:
                    yield config, result
    finally:
        for future in futures:
            future.cancel()
