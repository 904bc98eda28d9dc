"""One training as a task for any process: what it needs, and what it brings back."""

import hashlib
import io
import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from helpers.data import FashionMNIST, Split, load_fashion_mnist
from helpers.training import Config, evaluate, train

FAILED = "failed with {kind}: {text}"
OTHER_DATA = (
    "the machine that should train it has other data: {found}, not {wanted}; put the "
    "same Fashion-MNIST there"
)


# Forks of this process and OpenMP can deadlock. On Linux a server that has PyTorch
# loaded and has computed nothing forks at once; elsewhere each process loads it anew.
START_METHOD = "forkserver" if sys.platform == "linux" else "spawn"
LISTEN = 0.1  # seconds from one look for a Stop to the next
PATIENCE = 2  # seconds after which a second Stop no longer waits


@dataclass(frozen=True)
class Result:
    """One run of a sweep.

    config: its Config. data: "full" or "sample", or "full, test" where it is of
    `data.for_the_test()`. seconds: how long it trained.
    num_parameters: weights and biases of its model. train_loss: mean loss (nats) of
    the batches of each epoch. val_loss, val_accuracy: on all validation pictures,
    after each epoch. val_halves: accuracy on the first and on the second half of
    them, at the end. train_accuracy: on all training pictures, at the end; None
    where it failed. reason: why it ended. ok: whether it trained to the end.
    recorded: whether it came with the course.
    """

    config: Config
    data: str
    seconds: float
    num_parameters: int
    train_loss: tuple = ()
    val_loss: tuple = ()
    val_accuracy: tuple = ()
    val_halves: tuple = ()
    train_accuracy: float | None = None
    reason: str = ""
    ok: bool = True
    recorded: bool = False

    @property
    def accuracy(self):
        """Validation accuracy at the end; NaN where there is none."""
        return self.val_accuracy[-1] if self.val_accuracy else math.nan


@dataclass(frozen=True)
class Epoch:
    """One epoch of a run, and what any process needs to go on from there.

    number: from 1. train_loss: mean loss (nats) of its batches. val_loss,
    val_accuracy: on all validation pictures. reason: why the run ended, or None.
    ok: whether nothing went wrong. state: for the next `train_epoch`; bytes.
    """

    number: int
    train_loss: float = math.nan
    val_loss: float = math.nan
    val_accuracy: float = math.nan
    reason: str | None = None
    ok: bool = True
    state: bytes = b""


def num_cores():
    """The cores that this process may use, also where a container has fewer."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):  # no container, or one without a limit
        pass
    return max(1, cores)


def num_workers(executor):
    """How many runs an executor trains at the same time."""
    if hasattr(executor, "_max_workers"):  # those of concurrent.futures
        return executor._max_workers
    if hasattr(executor, "_client"):  # Dask's
        with suppress(Exception):  # one that is closed; a submit will say so
            return max(1, sum(executor._client.nthreads().values()))
    return num_cores()


class DeferredStop:
    """Stop (Ctrl-C) is heard at any time, and obeyed between two steps.

    An exception in the middle of one can leave a process half started, or get lost in
    a callback of a library. Who stops again, for a step hangs, is obeyed at once.
    """

    def __enter__(self):
        self._heard = None
        main = threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGINT)
        self._ours = main and before is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *error):
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _hear(self, *_):
        now = time.monotonic()
        if self._heard is None:
            self._heard = now
        elif now > self._heard + PATIENCE:
            raise KeyboardInterrupt

    def obey(self):
        """Raises KeyboardInterrupt if there was a Stop."""
        if self._heard is not None:
            raise KeyboardInterrupt

    def wait(self, futures):
        """The futures that are done, at least one of them; obeys in between."""
        while True:
            self.obey()
            done, _ = wait(futures, LISTEN, FIRST_COMPLETED)
            if done:
                return done


class Processes:
    """One process for each core, which end when this ends, whatever they do."""

    def __enter__(self):
        context = multiprocessing.get_context(START_METHOD)
        if START_METHOD == "forkserver":
            # The second is what the first optimizer of a process loads.
            context.set_forkserver_preload([__name__, "torch._dynamo"])
        self._stop = context.Event()
        self._pool = ProcessPoolExecutor(
            min(61, num_cores()),  # Windows has no more
            mp_context=context,
            initializer=_begin,
            initargs=(self._stop,),
        )
        return self._pool

    def __exit__(self, *error):
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


_stop = None  # in a process of ours: whether to give up


def _begin(stop):
    global _stop
    _stop = stop
    # Jupyter's Stop reaches all processes; the first one decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """A kernel that is killed must leave no process behind."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def train_one(config, shared):
    """The Result of one run, also where it fails; None where it was told to stop."""
    _leave_cores_to_others(shared)
    began = time.perf_counter()
    train_loss, val_loss, val_accuracy, batches = [], [], [], []
    try:
        data = shared.data
        run = train(config, data, eval_every=None)
        for progress in run:
            if _stop is not None and _stop.is_set():
                return None
            batches.append(progress.loss)
            if progress.epoch_end:
                train_loss.append(statistics.fmean(batches))
                val_loss.append(progress.full_val_loss)
                val_accuracy.append(progress.full_val_accuracy)
                batches.clear()
        if not progress.epoch_end:  # it diverged; what is left says what it can
            loss, accuracy = evaluate(run.net, data.val.images, data.val.labels)
            train_loss.append(progress.loss)
            val_loss.append(loss)
            val_accuracy.append(accuracy)
        half = math.ceil(len(data.val) / 2)
        halves = zip(data.val.images.split(half), data.val.labels.split(half))
        val_halves = tuple(evaluate(run.net, *part)[1] for part in halves)
        _, train_accuracy = evaluate(run.net, data.train.images, data.train.labels)
        return Result(
            config,
            shared.source,
            time.perf_counter() - began,
            sum(parameter.numel() for parameter in run.net.parameters()),
            tuple(train_loss),
            tuple(val_loss),
            tuple(val_accuracy),
            val_halves,
            train_accuracy,
            progress.reason,
            ok=progress.epoch_end,
        )
    except (Exception, SystemExit) as error:  # anything, from the learner's own init
        return failure(config, shared, error)


def train_epoch(config, shared, last=None):
    """The next `Epoch` of a run, after `last` or the first one.

    Also where it fails; None where it was told to stop. Whoever asks decides after
    each epoch whether the run is worth another one.
    """
    _leave_cores_to_others(shared)
    number = last.number + 1 if last else 1
    try:
        state = torch.load(io.BytesIO(last.state), weights_only=True) if last else None
        run = train(config, shared.data, eval_every=None, state=state)
        losses = []
        for progress in run:
            if _stop is not None and _stop.is_set():
                return None
            losses.append(progress.loss)
            if progress.epoch_end or progress.reason:
                break
        kept = io.BytesIO()
        torch.save(run.state(), kept)
        measured = progress.full_val_loss, progress.full_val_accuracy
        if not progress.epoch_end:  # it diverged
            measured = evaluate(run.net, shared.data.val.images, shared.data.val.labels)
        return Epoch(
            number,
            statistics.fmean(losses),
            *measured,
            progress.reason,
            ok=progress.epoch_end,
            state=kept.getvalue(),
        )
    except Exception as error:  # anything, from the data to the memory
        return Epoch(number, reason=_reason(error), ok=False)


def _leave_cores_to_others(shared):
    if os.getpid() != shared.pid:
        torch.set_num_threads(1)  # the other cores have runs of their own


def failure(config, shared, error):
    """The Result of a run that ended in an exception."""
    return Result(config, shared.source, 0, 0, reason=_reason(error), ok=False)


def _reason(error):
    text = " ".join(str(error).split())
    return FAILED.format(kind=type(error).__name__, text=text)


def cost(config):
    """About how long a run takes, beside others."""
    widths = config.num_hiddens
    if isinstance(widths, int):
        widths = (widths,) * config.num_layers
    widths = (784, *widths, 10)
    weights = sum(n_in * n_out for n_in, n_out in zip(widths, widths[1:]))
    return config.num_epochs * (weights + 10_000_000 / config.batch_size)


class Shared:
    """The data, for each process once.

    Pickled, it is the name of a file; the processes of one machine map that file and
    share its memory. On another machine they load Fashion-MNIST for themselves.
    """

    def __init__(self, data):
        self.data, self.source = data, data.source + ", test" * data.tests
        self.fingerprint = data_fingerprint(data)
        self.pid = os.getpid()
        self._folder = None

    def __reduce__(self):
        if self._folder is None:
            folder = tempfile.TemporaryDirectory(
                prefix="one-line-of-pytorch-", ignore_cleanup_errors=True
            )
            splits = [getattr(self.data, name) for name in ("train", "val", "test")]
            tensors = [(split.images, split.labels) for split in splits]
            torch.save(tensors, Path(folder.name, "data.pt"))
            self._folder = folder
        path = Path(self._folder.name, "data.pt")
        origin = self.data.source, self.data.location, self.data.tests
        return _arrived, (str(path), self.fingerprint, origin, self.pid)


def _arrived(*what):
    with _one_at_a_time:  # a worker of a cluster may have several threads
        return _load(*what)


_one_at_a_time = threading.Lock()


@lru_cache(maxsize=1)
def _load(path, fingerprint, origin, pid):
    source, location, tests = origin
    if Path(path).exists():
        tensors = torch.load(path, mmap=True, weights_only=True)
        splits = [Split(images, labels) for images, labels in tensors]
        data = FashionMNIST(*splits, source=source, location=location, tests=tests)
    else:
        data = load_fashion_mnist("sample" if source == "sample" else None)
        data = data.for_the_test() if tests else data
        if data_fingerprint(data) != fingerprint:
            raise ValueError(OTHER_DATA.format(found=data, wanted=source))
    shared = Shared(data)
    shared.pid = pid
    return shared


_latest = None  # so that the file is made once for many sweeps


def share(data):
    """The `Shared` of this data; the same one if asked again."""
    global _latest
    data = data.to("cpu")
    known = _latest is not None and _latest.data is data
    # Somebody may have changed the pictures in place.
    if not known or _latest.fingerprint != data_fingerprint(data):
        _latest = Shared(data)
    return _latest


def data_fingerprint(data):
    """A short name for what a run sees: all labels, and one picture in 50."""
    digest = hashlib.sha256()
    for split in (data.train, data.val):
        digest.update(split.labels.numpy().tobytes())
        digest.update(split.images[::50].numpy().tobytes())
    return digest.hexdigest()[:16]
