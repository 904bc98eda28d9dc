"""Processes for the tests that train in some."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

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
