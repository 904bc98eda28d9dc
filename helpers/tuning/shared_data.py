"""The data for many runs, once in each process."""

import hashlib
import os
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import filelock
import torch

from helpers.data import FashionMNIST, Split, load_fashion_mnist
from helpers.language import tr
from helpers.tuning.executors import MachineFailed

PREFIX = "one-line-of-pytorch-"  # of the folder for the file
GRACE_SECONDS = 5  # until a folder without a lock counts as left behind

NO_ROOM = tr(
    "The temporary folder {folder} has no room for the data that other processes need. "
    "Make room there, or set TMPDIR to another folder."
)
OTHER_DATA = tr(
    "the machine that would train it has different data: {found}, not {wanted}; put "
    "the same Fashion-MNIST there"
)


class Shared:
    """The data, once in each process.

    Pickled, it is the name of a file; the processes on one machine map that file and
    share its memory. On another machine they load Fashion-MNIST themselves. `close`
    removes the file.

    data: on the CPU. source: its name, as in `Result.data`. fingerprint: its
    `data_fingerprint`. pid: of the process that shares it.
    """

    def __init__(self, data: FashionMNIST, pid: int | None = None) -> None:
        self.data, self.source = data, data.source + ", test" * data.tests
        self.fingerprint = data_fingerprint(data)
        self.pid = pid or os.getpid()
        self._folder = self._lock = None
        self._there = {"cpu": data}

    def on(self, device: str) -> FashionMNIST:
        """The data on a device, brought there once."""
        if device not in self._there:
            self._there[device] = self.data.to(device)
        return self._there[device]

    def __reduce__(self):
        with _one_at_a_time:
            if self._folder is None:
                self._write()
        path = str(self._folder / "data.pt")
        origin = self.data.source, self.data.tests
        return _arrived, (path, self.fingerprint, origin, self.pid)

    def _write(self):
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))
            self._lock = filelock.FileLock(self._folder / "lock")
            self._lock.acquire()
            torch.save(self.data, self._folder / "data.pt")
        except (OSError, RuntimeError):  # PyTorch's, which names no cause
            self.close()
            folder = tempfile.tempdir or os.environ.get("TMPDIR", "")
            raise MachineFailed(NO_ROOM.format(folder=folder)) from None

    def close(self) -> None:
        """Remove the file; a process that has mapped it keeps what it has."""
        if self._folder is not None:
            self._lock.release()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def share(data: FashionMNIST) -> Shared:
    """The `Shared` of this data."""
    remove_left_behind()
    return Shared(data.to("cpu"))


def remove_left_behind() -> None:
    """Remove the files of processes that were killed: nobody holds their locks."""
    folders = []
    with suppress(OSError):  # where all are full, Python finds no temporary folder
        folders = Path(tempfile.gettempdir()).glob(f"{PREFIX}*")
    for folder in folders:
        with suppress(OSError):  # a Timeout too; another user's; one that has just gone
            if folder.stat().st_mtime < time.time() - GRACE_SECONDS:
                with filelock.FileLock(folder / "lock", timeout=0):
                    pass
                shutil.rmtree(folder)


_here = None  # in another process: the latest that has arrived
_one_at_a_time = threading.Lock()  # a worker of a cluster may have several threads


def _arrived(path, fingerprint, origin, pid):
    global _here
    with _one_at_a_time:
        if _here is None or _here.fingerprint != fingerprint:
            _here = _load(path, fingerprint, origin, pid)
        return _here


def _load(path, fingerprint, origin, pid):
    source, tests = origin
    if Path(path).exists():
        with torch.serialization.safe_globals([FashionMNIST, Split]):
            data = torch.load(path, mmap=True, weights_only=True)
    else:
        data = load_fashion_mnist("sample" if source == "sample" else None)
        data = data.for_the_test() if tests else data
        if data_fingerprint(data) != fingerprint:
            raise ValueError(OTHER_DATA.format(found=data, wanted=source))
    return Shared(data, pid)


def data_fingerprint(data: FashionMNIST) -> str:
    """A short name for what a run sees: all labels, and one picture in 50."""
    digest = hashlib.sha256()
    for split in (data.train, data.val):
        digest.update(split.labels.numpy().tobytes())
        digest.update(split.images[::50].numpy().tobytes())
    return digest.hexdigest()[:16]


# So that a kernel that was killed leaves nothing behind once the next can sweep.
remove_left_behind()
