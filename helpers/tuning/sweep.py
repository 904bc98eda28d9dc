"""Many trainings over any `concurrent.futures.Executor`: the call `sweep`."""

from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import closing, nullcontext, suppress

from helpers.data import check_data
from helpers.training import Config
from helpers.tuning import task
from helpers.tuning.kept import key, known_results, remember
from helpers.tuning.processes import Processes, check_executor, submit
from helpers.tuning.progress_bar import ProgressBar
from helpers.tuning.results import Result, Results
from helpers.tuning.shared_data import share
from helpers.tuning.stop import DeferredStop

ATTEMPTS = 2  # how often a run is started whose process has died

STOPPED = (
    "Stopped: {missing:,} of {count:,} runs have not been trained. What is done is "
    "kept; run it again to go on."
)
LOST = (
    "the process that trained it died {attempts} times or more, perhaps for want of "
    "memory; try fewer at once or a smaller model"
)
LOST_WITH_EXECUTOR = (
    "not trained: a worker of your executor died, and with it the executor; make a new "
    "one and run it again"
)
NOT_CONFIGS = (
    "sweep(configs, data) needs a list of Configs, such as [Config(lr=0.1), "
    "Config(lr=0.3)]; you gave {found}."
)
NO_CONFIGS = "sweep(configs, data) got an empty list; give it at least one Config."


def sweep(configs, data, executor=None):
    """Train every Config in `configs` on `data`; returns `Results`.

    executor: any `concurrent.futures.Executor`; None: one process for each core,
    with one thread of PyTorch each. data: what `load_fashion_mnist` returns;
    processes on this machine share it.

    A run that fails is a row with its reason. What is trained is kept on disk, by
    Config, data and `RESULTS_VERSION`, and not trained again. Stop (Ctrl-C) ends it
    early and keeps what is done. On the bundled sample, runs that were recorded on
    the full data stand in, and `note` says so. A learner's own init is trained in
    this process and not kept. Raises ValueError or TypeError for bad arguments.
    """
    configs = _checked(configs, data, executor)
    shared = share(data)
    known = known_results(shared)
    found = {config: known[key(config)] for config in configs if key(config) in known}
    missing = [config for config in dict.fromkeys(configs) if config not in found]
    note = ""
    if missing:
        bar = ProgressBar(missing, len(found))
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


def _checked(configs, data, executor):
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


# --- training, here and elsewhere


def _train_all(configs, shared, executor):
    """Yields (config, Result) as they come."""
    # The longest first, so that no core waits long at the end.
    configs = sorted(configs, key=task.cost, reverse=True)
    # A function of the notebook's can't travel to another process.
    own = [config for config in configs if callable(config.init)]
    left = [config for config in configs if not callable(config.init)]
    with DeferredStop() as stop:
        for _ in range(ATTEMPTS if left else 0):
            with Processes() if executor is None else nullcontext(executor) as pool:
                yield from _over(pool, left, shared, stop)
        for config in list(left) if executor is None else ():
            # Who takes the processes down, does so alone: the others still train.
            with Processes() as pool:
                alone = [config]
                for result in _over(pool, alone, shared, stop):
                    left.remove(config)
                    yield result
        if own:  # nobody hears a Stop after the last of the others
            stop.obey()
    reason = LOST_WITH_EXECUTOR if executor else LOST.format(attempts=ATTEMPTS)
    for config in left:
        yield config, Result(config, shared.source, 0, 0, reason=reason, ok=False)
    for config in own:
        yield config, task.train_one(config, shared)


def _over(executor, left, shared, stop):
    """Yields as `_train_all`, and takes what is done out of `left`."""
    futures = {}
    try:
        with suppress(BrokenExecutor):
            for config in left:
                stop.obey()
                futures[submit(executor, task.train_one, config, shared)] = config
        while futures:
            for future in stop.wait(futures):
                config = futures.pop(future)
                try:
                    result = future.result()
                except (BrokenExecutor, CancelledError):
                    continue
                except Exception as error:  # of the executor's own
                    result = task.failure(config, shared, error)
                if result is not None:
                    left.remove(config)
                    yield config, result
    finally:
        for future in futures:
            future.cancel()
