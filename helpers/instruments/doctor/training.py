"""A short training of a patient, and what it shows."""

import contextlib
import math
import time
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from helpers.instruments.doctor.examples import BATCH, class_numbers, entropy, most
from helpers.instruments.doctor.patient import FEW, PROBE
from helpers.instruments.doctor.tape import Product, Tape

TRIAL = 128  # steps of a short training
LONG = 1024  # steps, of few pictures, after which a net that learns is above chance;
LOOK = 256  # after so many it is looked whether it learns by now
LAST = 16  # steps at the end, whose mean loss counts
LEAST = 6  # steps that say anything
SHARE = {TRIAL: 0.5, LONG: 0.5, 4 * TRIAL: 0.9}  # of the time left
SHARE_OF_FIRST = 0.7


@dataclass(frozen=True)
class Way:
    """How to train. lr: another one than the learner's, or None; factor: how many times
    as far each step goes; steps: how many; plain: with the step of the lessons;
    thawed: with all weights, also those that do not learn."""

    lr: float | None = None
    factor: float = 1
    steps: int = TRIAL
    plain: bool = False
    thawed: bool = False


@dataclass
class Trial:
    """What came of it. start: the first loss; end: the mean of the last ones; low: the
    lowest such mean on the way. accuracy, learns: whether it is better than guessing.
    steps: how many there were. lrs: those of the optimizer's first group in the middle
    and at the end. moved: how far the weights went, of their own size. dead: a
    `Product` in front of which all units have become 0 for each picture, or None."""

    start: float
    end: float
    low: float
    accuracy: float
    learns: bool
    steps: int
    lrs: tuple
    moved: float
    dead: Product | None = None


def train(case, way):
    """A `Trial`, inside an experiment; None where there is no time for a few steps, or
    where they stop with an error."""
    patient = case.patient
    patient.net.train()
    if way.lr is not None:
        patient.set_lr(way.lr)
    constants = case.constants if way.thawed else []
    for t in [*patient.net.parameters(), *constants] if way.thawed else ():
        t.requires_grad_(True)
    leaves, first = patient.leaves, _cross_entropy(case)
    begun = [t.detach().clone() for t in leaves]
    returned, reached, lrs = _steps(case, way, leaves, constants)
    finite = all(v is None or math.isfinite(v) for v in returned + reached)
    if finite and len(returned) < min(LEAST, way.steps):
        return None
    losses = _series(returned, reached) or [first, *[_cross_entropy(case)] * LAST]
    moved = math.hypot(*((t.detach() - b).norm().item() for t, b in zip(leaves, begun)))
    size = math.hypot(*(t.norm().item() for t in begun))
    rest = lrs, moved / max(size, 1e-30)
    if not math.isfinite(losses[-1]):  # and so it stays
        end = math.inf if math.isnan(losses[-1]) else losses[-1]
        return Trial(losses[0], end, end, measure(case)[0], False, way.steps, *rest)
    size = min(LAST, max(len(losses) // 2, 1))
    means = [sum(losses[i - size : i]) / size for i in range(len(losses), 0, -size)]
    found = means[0], min(means[: len(losses) // size]), *measure(case), len(returned)
    dead = _dead(case) if way.steps == LONG else None
    return Trial(losses[0], *found, *rest, dead)


def _steps(case, way, leaves, constants):
    """What the steps returned, what backward() was called on in them, and the lr in
    the middle and at the end."""
    patient, returned, reached = case.patient, [], []
    optimizer = patient.plain(constants) if way.plain else None
    middle = patient.lr
    begin = time.thread_time()
    share = SHARE_OF_FIRST if way == Way() else SHARE.get(way.steps, SHARE[TRIAL])
    until = begin + share * case.time_left
    few = way.steps == LONG or len(case.given[0]) < PROBE
    size = min(patient.data.batch_size, FEW if few else BATCH)
    for step, (X, y) in zip(range(way.steps), patient.batches(size)):
        now = time.thread_time()
        ahead = (now - begin) / step * max(LEAST - step, 0) if step else 0
        look = way.steps == LONG and step and step % LOOK == 0
        if now + ahead > until or look and _learns_by_now(case):
            break
        try:
            if way.plain:
                losses = [patient.plain_step(optimizer, X, y)] * 2
            else:
                with patient.stretched(leaves if way.factor != 1 else [], way.factor):
                    losses = patient.step(X, y)
        except Exception:  # noqa: BLE001  the learner's own code
            break
        middle = patient.lr if step <= way.steps // 2 else middle
        returned.append(losses[0])
        reached.append(losses[1])
        if any(v is not None and not math.isfinite(v) for v in losses):
            break
    return returned, reached, (middle, patient.lr)


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


def measure(case):
    """(accuracy, whether that or the loss is better than guessing), as the net is now:
    in training mode or after eval(), whichever is the better."""
    best, learns, net = 0.0, False, case.patient.net
    pairs = [(case.X, case.y)]
    if case.patient.train_step and case.origin is None and case.step.y is None:
        pairs.append((case.patient.X[:PROBE], case.patient.y[:PROBE]))  # to be sure
    for mode in (net.training, False):
        for X, y in pairs:
            labels = class_numbers(y)
            try:
                with torch.no_grad():
                    out = net.train(mode)(X)
                loss = F.cross_entropy(out, labels).item()
            except Exception:  # noqa: BLE001  the step prepares them for the net
                continue
            found = accuracy(out, labels)
            best = max(best, found)
            learns |= found > most(labels) + 0.05 or loss < 0.9 * entropy(labels)
    return best, learns


def accuracy(out, labels):
    return (out.argmax(dim=1) == labels).float().mean().item()


def _learns_by_now(case):
    modes = [(module, module.training) for module in case.patient.net.modules()]
    _, learns = measure(case)
    for module, training in modes:
        module.training = training
    return learns


def _dead(case):
    """The first product whose data are all 0, and were made by another one."""
    with contextlib.suppress(Exception), torch.no_grad(), Tape(case.X) as tape:
        case.patient.net.eval()(case.X)
    weighted = (p for p in tape.products if p.depth > 1 and p.weight is not None)
    return next((p for p in weighted if not p.data.any()), None)


def _cross_entropy(case):
    try:
        with torch.no_grad():
            return F.cross_entropy(case.patient.net(case.X), case.y).item()
    except Exception:  # noqa: BLE001  such as a net that returns something else
        return math.nan
