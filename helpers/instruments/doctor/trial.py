"""A short training of the model under examination, and what it shows."""

import contextlib
import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from helpers.instruments.doctor.examples import (
    BATCH,
    class_numbers,
    guessing_accuracy,
    guessing_loss,
)
from helpers.instruments.doctor.recording import Product, Recording
from helpers.instruments.doctor.training_setup import FEW_ROWS, PASS_ROWS

SHORT = 128  # steps of a short training
LONG = 1024  # steps, of few pictures, after which a net that learns is above chance
LOOK_EVERY = 256  # steps of a long one, to see whether it learns by now
LAST = 16  # steps at the end, whose mean loss counts
LEAST = 6  # fewer steps show nothing
SHARE = {SHORT: 0.5, LONG: 0.5, 4 * SHORT: 0.9}  # of the time left
SHARE_OF_FIRST = 0.7


@dataclass(frozen=True)
class TrialOptions:
    """How to train. lr: in place of the learner's, or None; factor: how many times as
    far each step goes; steps: how many; plain: with the step of the lessons;
    all_weights: also those that do not learn."""

    lr: float | None = None
    factor: float = 1
    steps: int = SHORT
    plain: bool = False
    all_weights: bool = False


@dataclass
class Trial:
    """What came of a short training.

    start: the first loss; end: the mean of the last ones; low: the lowest such mean on
    the options. accuracy, learns: whether it is better than guessing. steps: how many
    there were. lrs: those of the optimizer's first group in the middle and at the end.
    moved: how far the weights went, relative to their size. dead: a `Product` in front
    of which all units have become 0 for each picture, or None.
    """

    start: float
    end: float
    low: float
    accuracy: float
    learns: bool
    steps: int
    lrs: tuple[float | None, float | None]
    moved: float
    dead: Product | None = None


def run_trial(exam: Any, options: TrialOptions) -> Trial | None:
    """A `Trial`, inside an experiment; None where there is no time for a few steps, or
    where they stop with an error. exam: the `Examination`."""
    setup = exam.setup
    setup.net.train()
    if options.lr is not None:
        setup.set_lr(options.lr)
    more = exam.plain_weights if options.all_weights else []
    for t in [*setup.net.parameters(), *more] if options.all_weights else ():
        t.requires_grad_(True)
    leaves, first = setup.learnable, _measured_loss(exam)
    begun = [t.detach().clone() for t in leaves]
    returned, reached, lrs = _steps(exam, options, leaves, more)
    finite = all(v is None or math.isfinite(v) for v in returned + reached)
    if finite and len(returned) < min(LEAST, options.steps):
        return None
    losses = _series(returned, reached) or [first, *[_measured_loss(exam)] * LAST]
    moved = math.hypot(*((t.detach() - b).norm().item() for t, b in zip(leaves, begun)))
    size = math.hypot(*(t.norm().item() for t in begun))
    rest = lrs, moved / max(size, 1e-30)
    if not math.isfinite(losses[-1]):  # and so it stays
        end = math.inf if math.isnan(losses[-1]) else losses[-1]
        return Trial(losses[0], end, end, measure(exam)[0], False, options.steps, *rest)
    size = min(LAST, max(len(losses) // 2, 1))
    means = [sum(losses[i - size : i]) / size for i in range(len(losses), 0, -size)]
    found = means[0], min(means[: len(losses) // size]), *measure(exam), len(returned)
    dead = _dead(exam) if options.steps == LONG else None
    return Trial(losses[0], *found, *rest, dead)


def _steps(exam, options, leaves, more):
    """What the steps returned, what backward() was called on in them, and the lr in
    the middle and at the end."""
    setup, returned, reached = exam.setup, [], []
    optimizer = setup.plain_sgd(more) if options.plain else None
    stretched = leaves if options.factor != 1 else []
    middle = setup.lr
    begin = time.thread_time()
    share = SHARE.get(options.steps, SHARE[SHORT])
    if options == TrialOptions():
        share = SHARE_OF_FIRST
    until = begin + share * exam.time_left
    few = options.steps == LONG or len(exam.given[0]) < PASS_ROWS
    size = min(setup.examples.batch_size, FEW_ROWS if few else BATCH)
    for step, (X, y) in zip(range(options.steps), setup.batches(size)):
        now = time.thread_time()
        ahead = (now - begin) / step * max(LEAST - step, 0) if step else 0
        look = options.steps == LONG and step and step % LOOK_EVERY == 0
        if now + ahead > until or look and _learns_by_now(exam):
            break
        try:
            if options.plain:
                losses = [setup.usual_step(optimizer, X, y)] * 2
            else:
                with setup.stretched(stretched, options.factor):
                    losses = setup.step(X, y)
        except Exception:  # noqa: BLE001  the learner's own code
            break
        middle = setup.lr if step <= options.steps // 2 else middle
        returned.append(losses[0])
        reached.append(losses[1])
        if any(v is not None and not math.isfinite(v) for v in losses):
            break
    return returned, reached, (middle, setup.lr)


def _series(returned, reached):
    """The losses of a training: what the step returned, or where that is no loss, what
    backward() was called on. Empty where there is neither."""
    if None in returned:
        return [] if None in reached else reached
    ratios = [a / b for a, b in zip(returned, reached) if b]
    if None not in reached and ratios and min(ratios) * max(ratios) >= 0:
        low, high = sorted((abs(min(ratios)), abs(max(ratios))))
        if high > 1.2 * low:
            return reached
    return returned


def measure(exam: Any) -> tuple[float, bool]:
    """(accuracy, whether that or the loss is better than guessing), as the net is now:
    in training mode or after eval(), whichever is the better."""
    best, learns, net = 0.0, False, exam.setup.net
    pairs = [(exam.X, exam.y)]
    if exam.setup.train_step and exam.origin is None and exam.step.y is None:
        pairs.append((exam.setup.X[:PASS_ROWS], exam.setup.y[:PASS_ROWS]))  # to be sure
    for mode in (net.training, False):
        for X, y in pairs:
            labels = class_numbers(y)
            try:
                with torch.no_grad():
                    out = net.train(mode)(X)
                loss = F.cross_entropy(out, labels).item()
            except Exception:  # noqa: BLE001  the step adapts them to the net
                continue
            found = accuracy(out, labels)
            best = max(best, found)
            learns |= found > guessing_accuracy(labels) + 0.05
            learns |= loss < 0.9 * guessing_loss(labels)
    return best, learns


def accuracy(out: torch.Tensor, labels: torch.Tensor) -> float:
    return (out.argmax(dim=1) == labels).float().mean().item()


def _learns_by_now(exam):
    modes = [(module, module.training) for module in exam.setup.net.modules()]
    _, learns = measure(exam)
    for module, training in modes:
        module.training = training
    return learns


def _dead(exam):
    """The first product whose data are all 0, and were made by another one."""
    recording = Recording(exam.X)
    with contextlib.suppress(Exception), torch.no_grad(), recording:
        exam.setup.net.eval()(exam.X)
    weighted = (p for p in recording.products if p.depth > 1 and p.weight is not None)
    return next((p for p in weighted if not p.data.any()), None)


def _measured_loss(exam):
    try:
        with torch.no_grad():
            return F.cross_entropy(exam.setup.net(exam.X), exam.y).item()
    except Exception:  # noqa: BLE001  such as a net that returns something else
        return math.nan
