"""Many trainings over any `concurrent.futures.Executor`: the call `sweep`."""

from collections.abc import Generator, Iterable, Iterator
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
from helpers.tuning.task import cost, reason_of, train_one

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
EMPTY = "an empty list"


def sweep(
    configs: Iterable[Config],
    data: FashionMNIST,
    executor: Executor | None = None,
    *,
    recorded: Path = RECORDED,
) -> Results:
    """Train every Config in `configs` on `data`; returns `Results`.

    data: what `load_fashion_mnist` returns. executor: any
    `concurrent.futures.Executor`; None: a process for each core, each with one thread
    of PyTorch. recorded: the folder of the runs that came with the course.

    A run that fails is a row with its reason. What is trained is kept on disk, by
    Config, data and `RESULTS_VERSION`, and not trained again. Stop (Ctrl-C) ends it
    early and keeps what is done. On the bundled sample, runs that were recorded on
    the full data stand in, and `note` says so. A learner's own init is trained in
    this process and not kept. Raises ValueError or TypeError for bad arguments.
    """
    configs = _checked(configs, data, executor)
    shared = share(data)
    known = known_results(shared, recorded)
    missing = [config for config in dict.fromkeys(configs) if config not in known]
    note = ""
    if missing:
        bar = open_progress_bar(missing, len(set(configs)) - len(missing))
        try:
            with closing(_train_all(missing, shared, executor)) as trained:
                for result in trained:
                    known[result.config] = result
                    remember(result, shared.fingerprint)
                    bar.add(result)
        except KeyboardInterrupt:
            left = sum(config not in known for config in configs)
            note = STOPPED.format(missing=left, count=len(configs))
        bar.end(note)
    return Results([known[config] for config in configs if config in known], note)


def _checked(configs, data, executor) -> list[Config]:
    if not isinstance(configs, Iterable):
        raise TypeError(NOT_CONFIGS.format(found=type(configs).__name__))
    configs = list(configs)
    if not configs:
        raise ValueError(NOT_CONFIGS.format(found=EMPTY))
    for config in configs:
        if not isinstance(config, Config):
            raise TypeError(NOT_CONFIGS.format(found=type(config).__name__))
    check_data(data, "sweep(configs, data)")
    check_executor(executor)
    return configs


def _train_all(
    configs: list[Config], shared: Shared, executor: Executor | None
) -> Iterator[Result]:
    """Yields each Result as it comes."""
    # A function defined in the notebook can't be sent to another process.
    own = [config for config in configs if callable(config.init)]
    # The longest first, so that no core waits long at the end.
    left = sorted((c for c in configs if not callable(c.init)), key=cost, reverse=True)
    with DeferredStop() as stop:
        for attempt in range(ATTEMPTS if executor else ATTEMPTS + 1):
            # A run that kills its process takes the others in its pool along, so at
            # last each of those that are left gets a pool of its own.
            groups = [[config] for config in left] if attempt == ATTEMPTS else [left]
            left = []
            for group in filter(None, groups):
                left += yield from _train_together(group, shared, executor, stop)
        if own:  # nothing hears a Stop after the last of the others
            stop.obey()
    reason = LOST_WITH_EXECUTOR if executor else LOST.format(attempts=ATTEMPTS)
    for config in left:
        yield Result(config, shared.source, reason=reason, ok=False)
    for config in own:
        yield train_one(config, shared)


def _train_together(
    configs: list[Config], shared: Shared, executor: Executor | None, stop: DeferredStop
) -> Generator[Result, None, list[Config]]:
    """Yields each Result as it comes; returns those whose process died."""
    futures, left = {}, list(configs)
    with nullcontext(executor) if executor else Processes() as workers:
        try:
            with suppress(BrokenExecutor):
                for config in configs:
                    stop.obey()
                    futures[submit(workers, train_one, config, shared)] = config
            while futures:
                for future in stop.wait(futures):
                    config = futures.pop(future)
                    try:
                        result = future.result()
                    except (BrokenExecutor, CancelledError):
                        continue
                    except Exception as error:  # of the executor's own
                        reason = reason_of(error)
                        result = Result(config, shared.source, reason=reason, ok=False)
                    left.remove(config)
                    yield result
        finally:
            for future in futures:
                future.cancel()
    return left
