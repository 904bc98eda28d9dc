"""Whatever trains runs elsewhere: any executor, of processes or of a cluster."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from pathlib import Path
from types import NoneType
from typing import Any

from helpers.given import require_kind
from helpers.language import tr
from helpers.tables import one_line

NOT_EXECUTOR = tr(
    "executor must be a concurrent.futures.Executor, such as client.get_executor() of "
    "a Dask client, or None for this machine alone; you gave {found}."
)
SHUT_DOWN = tr(
    "The executor takes no more work ({text}). Pass a new one and run this again; what "
    "is done is kept."
)
NO_GUARD = tr(
    "Each process of the executor starts by running {script} again. Put what makes the "
    'executor and trains under `if __name__ == "__main__":`, so that it runs only once.'
)
FAILED = tr("The machine could not do it ({reason}).")


class MachineFailed(Exception):
    """The machine failed, not a run: its disk was full, or it had no file left to open.

    The message is a sentence.
    """


def num_workers(executor: Executor) -> int:
    """How many runs an executor trains at the same time."""
    if hasattr(executor, "_max_workers"):  # those of concurrent.futures
        return executor._max_workers
    if hasattr(executor, "_client"):  # Dask's
        with suppress(Exception):  # one that is closed; a submit will say so
            return max(1, sum(executor._client.nthreads().values()))
    return os.cpu_count() or 1


def check_executor(executor: Any) -> None:
    """Raise TypeError or ValueError, with one sentence, for what can't train runs."""
    require_kind(isinstance(executor, (Executor, NoneType)), NOT_EXECUTOR, executor)
    context = getattr(executor, "_mp_context", None)  # of processes on this machine
    if context and context.get_start_method() != "fork" and (script := _unguarded()):
        raise ValueError(NO_GUARD.format(script=script))


def _unguarded() -> str:
    """The script that runs, if it would also train in each process; else ""."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec and spec.name.endswith("__main__"):  # of a package: not run again
        return ""
    with suppress(AttributeError, OSError):  # a notebook has no file
        path = Path(main.__file__)
        if "__main__" not in path.read_text(encoding="utf-8", errors="replace"):
            return path.name
    return ""


def submit(executor: Executor, function: Callable, *values: Any) -> Future:
    """A Future; RuntimeError, with one sentence, where the executor is shut down."""
    try:
        with _deaf(executor):
            return executor.submit(function, *values)
    except (BrokenExecutor, MachineFailed):
        raise
    except OSError as error:
        raise failed(error) from None
    except Exception as error:  # each kind of executor has its own
        if isinstance(error.__cause__, MachineFailed):
            raise error.__cause__ from None
        raise RuntimeError(SHUT_DOWN.format(text=one_line(error))) from None


@contextmanager
def _deaf(executor: Executor) -> Iterator[None]:
    """A Stop is for this process, and not for those that begin meanwhile.

    They would end in the middle of their imports, with a traceback each.
    """
    if not hasattr(executor, "_mp_context") or sys.platform == "win32":
        yield  # no processes begin, or they get no Stop
        return
    # Not at the top, where Windows has no such module. It hears a Stop once it runs.
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def result_of(future: Future) -> Any:
    """What a task has returned; it raises what the task raised, or MachineFailed."""
    try:
        return future.result()
    except OSError as error:  # a full disk, no file left to open, a lost connection
        raise failed(error) from None


def failed(error: OSError) -> MachineFailed:
    """The error of a machine, as a sentence."""
    reason = error.strerror or one_line(error)
    if isinstance(error.filename, (str, os.PathLike)):
        reason = f"{reason}: {os.fspath(error.filename)}"
    return MachineFailed(FAILED.format(reason=reason))
