"""Where runs are trained: in processes of our own, or by any executor."""

import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from helpers.tables import one_line

# Forks of this process and OpenMP can deadlock. On Linux a server that has PyTorch
# loaded and has computed nothing forks at once; elsewhere each process loads it anew.
START_METHOD = "forkserver" if sys.platform == "linux" else "spawn"
# The second is loaded by the first optimizer of a process.
PRELOADED = ["helpers.tuning.groups", "torch._dynamo"]

NOT_EXECUTOR = (
    "executor must be a concurrent.futures.Executor, or None for this machine alone; "
    "you gave {found}."
)
SHUT_DOWN = (
    "The executor takes no more work ({text}). Pass a new one and run this again; what "
    "is done is kept."
)


def num_cores() -> int:
    """The cores that this process may use, also where a container has fewer."""
    affinity = getattr(os, "sched_getaffinity", None)  # only on Linux
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no container, or one without a limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return cores


def num_workers(executor: Executor) -> int:
    """How many runs an executor trains at the same time."""
    if hasattr(executor, "_max_workers"):  # those of concurrent.futures
        return executor._max_workers
    if hasattr(executor, "_client"):  # Dask's
        with suppress(Exception):  # one that is closed; a submit will say so
            return max(1, sum(executor._client.nthreads().values()))
    return num_cores()


def check_executor(executor: Any) -> None:
    """Raise TypeError, with one sentence, for what is neither an executor nor None."""
    if executor is not None and not hasattr(executor, "submit"):
        raise TypeError(NOT_EXECUTOR.format(found=type(executor).__name__))


def submit(executor: Executor, function: Callable, *values: Any) -> Future:
    """A Future; RuntimeError, with one sentence, where the executor is shut down."""
    try:
        return executor.submit(function, *values)
    except BrokenExecutor:
        raise
    except Exception as error:  # each kind of executor has its own
        raise RuntimeError(SHUT_DOWN.format(text=one_line(error))) from None


class Processes(ProcessPoolExecutor):
    """One process for each core; they end when this ends, or is killed."""

    def __init__(self) -> None:
        context = multiprocessing.get_context(START_METHOD)
        if START_METHOD == "forkserver":
            context.set_forkserver_preload(PRELOADED)
        workers = min(61, num_cores())  # Windows has no more
        super().__init__(workers, context, _begin)

    def __exit__(self, *error: object) -> None:
        self.shutdown(cancel_futures=True)


def _begin():
    # Jupyter's Stop reaches all processes; the first one decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """A kernel that is killed must leave no process behind."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
