"""One epoch of a run as a task for any process.

It takes a Config and the data as `Shared`, and returns plain values.
"""

import io
import math
import os
import statistics
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from helpers.model import hidden_widths
from helpers.tables import one_line
from helpers.training import Config, Run, evaluate, train
from helpers.tuning.processes import told_to_stop
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


def train_epoch(config: Config, shared: Shared, last: Epoch | None = None) -> Epoch:
    """The next `Epoch` of a run, even if it fails: the one after `last`, or the first.

    After each epoch the caller decides whether the run is worth another.
    """
    try:
        state = torch.load(io.BytesIO(last.state), weights_only=True) if last else None
        run = _run(config, shared, state)
        epoch, then = _next_epoch(run), io.BytesIO()
        torch.save(run.state(), then)
        return replace(epoch, state=then.getvalue())
    except Exception as error:  # anything, from the data to the memory
        number = last.number + 1 if last else 1
        return Epoch(number, reason=reason_of(error), ok=False)


def _run(config: Config, shared: Shared, state: dict | None = None) -> Run:
    if os.getpid() != shared.pid:
        torch.set_num_threads(1)  # the other cores have runs of their own
    return train(config, shared.data, eval_every=None, state=state)


def _next_epoch(run: Run) -> Epoch:
    """Train a run for one more epoch; KeyboardInterrupt if nobody waits for it."""
    losses = []
    for progress in run:
        if told_to_stop():
            raise KeyboardInterrupt
        losses.append(progress.loss)
        if progress.epoch_end or progress.reason:
            break
    measured = progress.full_val_loss, progress.full_val_accuracy
    if not progress.epoch_end:  # it diverged; what is left says what it can
        measured = evaluate(run.net, run.data.val.images, run.data.val.labels)
    mean = statistics.fmean(losses)
    reason, ok = progress.reason, progress.epoch_end
    return Epoch(progress.epoch, mean, *measured, reason, ok)


def reason_of(error: BaseException) -> str:
    """Why a run failed that ended in this exception, on one line."""
    return FAILED.format(kind=type(error).__name__, text=one_line(error))


def cost(config: Config) -> float:
    """About how long a run takes, compared with others; no unit."""
    return config.num_epochs * (num_weights(config) + 1_000_000 / config.batch_size)


def num_weights(config: Config) -> int:
    """How many weights its model has, without the biases."""
    widths = (784, *hidden_widths(config.num_hiddens, config.num_layers), 10)
    return sum(n_in * n_out for n_in, n_out in pairwise(widths))
