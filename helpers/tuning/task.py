"""One run as a task for any process: what it needs, and what it brings back."""

import io
import math
import os
import statistics
import time
from dataclasses import dataclass

import torch

from helpers.training import evaluate, train
from helpers.tuning.processes import told_to_stop
from helpers.tuning.results import Result

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


def train_one(config, shared):
    """The Result of one run, also where it fails; None where it was told to stop."""
    _leave_cores_to_others(shared)
    began = time.perf_counter()
    train_loss, val_loss, val_accuracy, batches = [], [], [], []
    try:
        data = shared.data
        run = train(config, data, eval_every=None)
        for progress in run:
            if told_to_stop():
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
            if told_to_stop():
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
