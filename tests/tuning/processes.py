"""Processes for the tests that train in some."""

import multiprocessing
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager

# On Linux a server that has PyTorch loaded and has computed nothing forks at once; the
# last is loaded by the first optimizer of a process. Elsewhere each loads it anew.
METHOD = "forkserver" if sys.platform == "linux" else "spawn"
PRELOADED = ["helpers.tuning.groups", "torch._dynamo"]


def processes():
    """An executor of two."""
    context = multiprocessing.get_context(METHOD)
    if METHOD == "forkserver":
        context.set_forkserver_preload(PRELOADED)
    return ProcessPoolExecutor(2, context)


class Pickling(ThreadPoolExecutor):
    """Its tasks travel as those of processes do, and nothing has to be started."""

    def submit(self, function, *values):
        def work():
            return function(*pickle.loads(pickle.dumps(values)))

        return super().submit(work)


@contextmanager
def little_room():
    """No file may have more than a megabyte, as where a disk is full."""
    import resource  # where it is: not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
