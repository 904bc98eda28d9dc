"""The data for many runs, once in each process."""

import hashlib
import os
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

import torch

from helpers.data import FashionMNIST, Split, load_fashion_mnist

OTHER_DATA = (
    "the machine that would train it has different data: {found}, not {wanted}; put "
    "the same Fashion-MNIST there"
)


class Shared:
    """The data, once in each process.

    Pickled, it is the name of a file; the processes on one machine map that file and
    share its memory. On another machine they load Fashion-MNIST themselves.

    data: on the CPU. source: its name, as in `Result.data`. fingerprint: its
    `data_fingerprint`. pid: of the process that shares it.
    """

    def __init__(self, data: FashionMNIST, pid: int | None = None) -> None:
        self.data, self.source = data, data.source + ", test" * data.tests
        self.fingerprint = data_fingerprint(data)
        self.pid = pid or os.getpid()
        self._folder = None

    def __reduce__(self):
        if self._folder is None:
            folder = tempfile.TemporaryDirectory(
                prefix="one-line-of-pytorch-", ignore_cleanup_errors=True
            )
            torch.save(self.data, Path(folder.name, "data.pt"))
            self._folder = folder
        path = str(Path(self._folder.name, "data.pt"))
        origin = self.data.source, self.data.tests
        return _arrived, (path, self.fingerprint, origin, self.pid)


def _arrived(*what):
    with _one_at_a_time:  # a worker of a cluster may have several threads
        return _load(*what)


_one_at_a_time = threading.Lock()


@lru_cache(maxsize=1)
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


_latest = None  # so that many sweeps share one file


def share(data: FashionMNIST) -> Shared:
    """The `Shared` of this data; the same one if asked again."""
    global _latest
    new = Shared(data.to("cpu"))
    known = _latest is not None and _latest.data is new.data
    # The pictures may have been changed in place.
    if not known or _latest.fingerprint != new.fingerprint:
        _latest = new
    return _latest


def data_fingerprint(data: FashionMNIST) -> str:
    """A short name for what a run sees: all labels, and one picture in 50."""
    digest = hashlib.sha256()
    for split in (data.train, data.val):
        digest.update(split.labels.numpy().tobytes())
        digest.update(split.images[::50].numpy().tobytes())
    return digest.hexdigest()[:16]
