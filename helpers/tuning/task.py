"""One run as a task for any process: all of it, or one epoch at a time.

A task takes a Config and the data as `Shared`, and returns plain values.
"""

import io
import math
import os
import statistics
import time
from dataclasses import dataclass, replace

import torch

from helpers.model import hidden_widths
from helpers.tables import one_line
from helpers.training import Config, Run, evaluate, train
from helpers.tuning.processes import told_to_stop
from helpers.tuning.results import Result
from helpers.tuning.shared_data import Shared

FAILED = "failed with {kind}: {text}"


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


def train_one(config: Config, shared: Shared) -> Result | None:
    """The Result of one run, even if it fails; None if it was told to stop."""
    _leave_cores_to_others(shared)
    began = time.perf_counter()
    try:
        run = train(config, shared.data, eval_every=None)
        epochs = []
        while not (epochs and epochs[-1].reason):
            epochs.append(_next_epoch(run))
            if epochs[-1] is None:
                return None
        val, half = run.data.val, math.ceil(len(run.data.val) / 2)
        halves = zip(val.images.split(half), val.labels.split(half))
        return Result(
            config,
            shared.source,
            time.perf_counter() - began,
            sum(parameter.numel() for parameter in run.net.parameters()),
            tuple(epoch.train_loss for epoch in epochs),
            tuple(epoch.val_loss for epoch in epochs),
            tuple(epoch.val_accuracy for epoch in epochs),
            tuple(evaluate(run.net, *part)[1] for part in halves),
            evaluate(run.net, run.data.train.images, run.data.train.labels)[1],
            epochs[-1].reason,
            epochs[-1].ok,
        )
    except (Exception, SystemExit) as error:  # anything, from the learner's own init
        return failure(config, shared, error)


def train_epoch(
    config: Config, shared: Shared, last: Epoch | None = None
) -> Epoch | None:
    """The next `Epoch` of a run: the one after `last`, or the first.

    It is returned even if the run fails; None if it was told to stop. After each epoch
    the caller decides whether the run is worth another.
    """
    _leave_cores_to_others(shared)
    try:
        state = torch.load(io.BytesIO(last.state), weights_only=True) if last else None
        run = train(config, shared.data, eval_every=None, state=state)
        epoch = _next_epoch(run)
        return epoch and replace(epoch, state=_as_bytes(run.state()))
    except Exception as error:  # anything, from the data to the memory
        number = last.number + 1 if last else 1
        return Epoch(number, reason=_reason(error), ok=False)


def _next_epoch(run: Run) -> Epoch | None:
    """Train a run for one more epoch; None if this process was told to stop."""
    losses = []
    for progress in run:
        if told_to_stop():
            return None
        losses.append(progress.loss)
        if progress.epoch_end or progress.reason:
            break
    measured = progress.full_val_loss, progress.full_val_accuracy
    if not progress.epoch_end:  # it diverged; what is left says what it can
        measured = evaluate(run.net, run.data.val.images, run.data.val.labels)
    mean = statistics.fmean(losses)
    reason, ok = progress.reason, progress.epoch_end
    return Epoch(progress.epoch, mean, *measured, reason, ok)


def _as_bytes(state: dict) -> bytes:
    kept = io.BytesIO()
    torch.save(state, kept)
    return kept.getvalue()


def _leave_cores_to_others(shared: Shared) -> None:
    if os.getpid() != shared.pid:
        torch.set_num_threads(1)  # the other cores have runs of their own


def failure(config: Config, shared: Shared, error: BaseException) -> Result:
    """The Result of a run that ended in an exception."""
    return Result(config, shared.source, 0, 0, reason=_reason(error), ok=False)


def _reason(error):
    return FAILED.format(kind=type(error).__name__, text=one_line(error))


def cost(config: Config) -> float:
    """About how long a run takes, compared with others; no unit."""
    widths = (784, *hidden_widths(config.num_hiddens, config.num_layers), 10)
    weights = sum(n_in * n_out for n_in, n_out in zip(widths, widths[1:]))
    return config.num_epochs * (weights + 10_000_000 / config.batch_size)
