"""Whatever trains runs elsewhere: any executor, of processes or of a cluster."""

import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from typing import Any

from helpers.tables import one_line

NOT_EXECUTOR = (
    "executor must be a concurrent.futures.Executor, or None for this machine alone; "
    "you gave {found}."
)
SHUT_DOWN = (
    "The executor takes no more work ({text}). Pass a new one and run this again; what "
    "is done is kept."
)


def num_workers(executor: Executor) -> int:
    """How many runs an executor trains at the same time."""
    if hasattr(executor, "_max_workers"):  # those of concurrent.futures
        return executor._max_workers
    if hasattr(executor, "_client"):  # Dask's
        with suppress(Exception):  # one that is closed; a submit will say so
            return max(1, sum(executor._client.nthreads().values()))
    return os.cpu_count() or 1


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
