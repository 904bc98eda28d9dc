"""The epochs that runs have had when their sweep is stopped, for the next sweep."""

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import suppress

import torch

from helpers import records
from helpers.tables import one_line
from helpers.training import Config
from helpers.tuning.kept import RESULTS_VERSION
from helpers.tuning.members import Member
from helpers.tuning.results import Result
from helpers.tuning.shared_data import Shared

KEPT_SECONDS = 30 * 24 * 3600  # a run that nobody goes on with for so long begins anew


def keep(runs: Iterable[Member], shared: Shared) -> str:
    """Keep these runs as they were after their last epoch; returns why not, or ""."""
    try:
        for run in runs:
            # The text of a Config can't hold a learner's own init.
            if not (run.weights and run.epoch) or callable(run.config.init):
                continue
            path = _path(run.config, shared)
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(f".{os.getpid()}")
            # A failure may be the machine's fault.
            again = {"config": str(run.config), "reason": "", "ok": True}
            result = vars(run.result) | again
            torch.save(vars(run) | {"result": result}, new)
            os.replace(new, path)
        for path in _folder().glob("*"):
            if path.stat().st_mtime < time.time() - KEPT_SECONDS:
                path.unlink()
    except (OSError, RuntimeError) as error:  # a full disk; a folder that we only read
        return getattr(error, "strerror", None) or one_line(error)
    return ""


def resume(config: Config, shared: Shared) -> Member:
    """A run after the epochs that it has had, or before its first."""
    if not callable(config.init):  # a learner's own may have the name of another
        with suppress(Exception):  # it may be damaged, or of another version
            kept = torch.load(_path(config, shared), weights_only=True)
            result = kept.pop("result") | {"config": config}
            return Member(Result(**result), **kept)
    return Member(Result(config, shared.source))


def forget(config: Config, shared: Shared) -> None:
    """Remove what was kept of a run that has ended."""
    with suppress(OSError):
        _path(config, shared).unlink(missing_ok=True)


def _folder():
    return records.home() / "under_way"


def _path(config, shared):
    text = f"{config}, {shared.fingerprint}, {RESULTS_VERSION}"
    return _folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.pt"
