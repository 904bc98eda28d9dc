"""The doctor's checks by short trainings: does it learn, and at which lr?

They are asked only where no other check has found anything.
"""

import functools
import math

import torch
from torch.nn import functional as F

from helpers.instruments.doctor.examination import Examination
from helpers.instruments.doctor.examples import FEW_ROWS, by_means
from helpers.instruments.doctor.findings import Finding
from helpers.instruments.doctor.recording import record
from helpers.instruments.doctor.training_setup import OutOfTime
from helpers.instruments.doctor.trial import LONG, SHORT, Trial, measure
from helpers.instruments.layer_verdicts import NO_START, SLOW_START

CLEARLY = 0.1  # between two accuracies
LOST = 0.6  # of the accuracy of the nearest class mean: much is gone
ROWS = 512  # pictures for that
SHRUNK = 0.5  # of their size: weights that are pulled towards 0
STILL = 1e-5  # of their size: weights that change by less are where they were


def exploding(exam: Examination) -> Finding | None:
    """The scores are so large that the first loss is far above guessing."""
    loss = F.cross_entropy(exam.out.detach(), exam.labels).item()
    chance = math.log(exam.classes)
    if loss <= 5 * chance or exam.trained:
        return None
    spread = exam.out.std().item()
    return exam.finding("exploding", loss=loss, chance=chance, spread=spread)


def vanishing(exam: Examination) -> Finding | None:
    """The gradient of the first weights is next to nothing, and the net is stuck."""
    return _vanishing(exam, NO_START, exam.trial(), SHORT // 2)


def _vanishing(exam, limit, trial, enough):
    weights = [product.weight for product in exam.recording.products]
    slopes = [exam.gradients.get(id(weight)) for weight in weights]
    slope = slopes[0].std().item() if slopes and slopes[0] is not None else math.inf
    if exam.recording.depth < 3 or slope > limit or exam.trained:
        return None
    if trial is None or trial.learns or trial.steps < enough:
        return None
    return exam.finding("vanishing", weights[:1], slope=slope, **vars(trial))


# --- With another lr


def lr_too_low(exam: Examination) -> Finding | None:
    """The loss stays where it is, and falls with a usual lr, 20 times as large."""
    trial, lr = exam.trial(), exam.setup.lr
    if trial is None or lr is None or exam.trained:
        return None
    if (
        trial.steps == exam.short
        and max(trial.lrs) < lr / 1000
        and not _falls(trial, trial)
    ):
        facts = {"last": trial.lrs[0], "half": exam.short // 2}
        return exam.finding("lr_too_low: schedule", **facts, **vars(trial))
    if not _stays(trial) or trial.lrs[1] > 1.05 * lr:  # it is still rising
        return None
    usual = _usual(exam) if exam.setup.obeys_lr else ()
    changes = [{"lr": other} for other in usual if other >= 20 * lr]
    return _compared("lr_too_low", exam, trial, changes, lambda o: _falls(o, trial))


def _usual(exam):
    if isinstance(exam.setup.optimizer, torch.optim.Adadelta):
        return (1.0,)
    plain = isinstance(exam.setup.optimizer, (torch.optim.SGD, torch.optim.ASGD))
    return (0.1, 0.01) if plain else (0.001, 0.01)


def _stays(trial):
    return 0.97 * trial.start < trial.end < 1.05 * trial.start


def _falls(other, trial):
    return other.end < 0.6 * trial.start


def _times(exam, *factors):
    """Changes for `_compared`: of the lr, or where the optimizer's lr does not count,
    of how far each step goes."""
    if exam.setup.obeys_lr:
        return [{"lr": exam.setup.lr * factor} for factor in factors]
    return [{"factor": factor} for factor in factors]


def _compared(key, exam, trial, changes, is_better):
    """The finding that as many steps get further with one of the changes, or None."""
    for change in changes:
        steps = exam.short if trial.astray else trial.steps
        other = exam.trial(**change, steps=steps)
        if other is not None and is_better(other):
            if "factor" in change:
                key = key.partition(":")[0] + ": factor"
            if key.startswith("lr_too_high") and exam.setup.clips_too_early:
                key = "clips_nothing"
            (value,) = change.values()
            facts = {"other": value, "better": other.end, "taken": other.steps}
            return exam.finding(key, **facts, **vars(trial))
    return None


def lr_too_high(exam: Examination) -> Finding | None:
    """A much smaller lr gets much further in the same number of steps."""
    setup, trial = exam.setup, exam.trial()
    if trial is None or (setup.lr is None and setup.train_step is None):
        return None
    start, end = trial.start, trial.end
    if end <= 0.4 * start or (exam.trained and trial.accuracy > exam.chance + 0.2):
        return None
    if trial.moved < 0.01 or isinstance(setup.optimizer, torch.optim.Rprop):
        return None  # Rprop's lr is only the length of its first step
    falls = end <= 0.9 * start
    if falls and end > 1.15 * trial.low and (found := _turns_up(exam, start)):
        return found
    if not trial.learns and (found := _with_usual(exam, trial)):
        return found
    good = min(0.5 * end, 1.5 * start if exam.trained else 0.6 * start)

    def is_better(other):
        return other.end < good and (not falls or _still_high(exam, start))

    factors = [0.1] if falls else [0.1, 0.01, 1e-3, 1e-4, 1e-5]
    return _compared("lr_too_high", exam, trial, _times(exam, *factors), is_better)


def _with_usual(exam, trial):
    """The steps lead nowhere, or to where the loss is far above the first one; with a
    usual lr, or a much smaller one, the net learns."""
    usual = _usual(exam) if exam.setup.obeys_lr else ()
    changes = [{"lr": lr} for lr in usual if lr < exam.setup.lr / 10]
    if trial.astray:
        changes += _times(exam, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6)
    compare = functools.partial(_compared, "lr_too_high", exam, trial, changes)
    try:
        found = compare(lambda other: other.learns and other.end < 0.85 * trial.start)
        if found or not trial.astray:
            return found
        found = compare(lambda other: other.end < 1.05 * trial.start)
        others = [other for one in changes if (other := exam.trial(**one))]
        if found or others and all(other.astray for other in others):
            return found
    except OutOfTime:
        if not trial.astray:
            raise
    return exam.finding("lr_too_high: astray", **vars(trial))  # no time to compare


def _turns_up(exam, start):
    """The loss fell for a while, and more steps undo that again."""
    own = exam.trial(steps=4 * SHORT)
    if own is None or own.steps < 4 * SHORT or own.end < 0.6 * start:
        return None
    good, changes = 0.5 * own.end, _times(exam, 0.1, 0.01)
    return _compared("lr_too_high", exam, own, changes, lambda o: o.end < good)


def _still_high(exam, start):
    """Whether more steps do not help: some nets only need time to settle."""
    own = exam.trial(steps=4 * SHORT)
    if own is None or own.steps < 4 * SHORT:  # no time to see that
        return False
    if own.end > 0.4 * start:
        return True
    other = exam.trial(**_times(exam, 0.1)[0], steps=own.steps)
    return other is not None and own.end > 4 * other.end


# --- Without what pulls the weights towards 0


def weight_decay(exam: Examination) -> Finding | None:
    """Without weight decay it gets much further in the same number of steps."""
    trial, decay = exam.trial(), exam.setup.decay
    if trial is None or not decay or trial.end <= 0.4 * trial.start:
        return None
    other = exam.trial(decay=False, steps=trial.steps)
    if other is None or not other.learns or other.end > 0.6 * trial.end:
        return None
    facts = {"decay": decay, "better": other.end, "taken": other.steps}
    return exam.finding("weight_decay", **facts, **vars(trial))


def cause_of_poor(exam: Examination, trial: Trial) -> Finding | None:
    """What a net that does poorly after this training may suffer from."""
    if exam.frozen_weights:
        return exam.finding("frozen", exam.frozen_weights)
    if exam.plain_weights:
        return exam.finding("unregistered", exam.plain_weights)
    return _pulled_to_zero(exam, trial) or _loses(exam)


def _loses(exam):
    """An operation, or the learner's step, takes away what tells classes apart."""
    setup, size = exam.setup, exam.setup.only or FEW_ROWS
    count = ROWS // size
    X, y = setup.X[: count * size], setup.y[: count * size]
    if not exam.as_given:
        pairs = [(step.X, labels) for step, labels in setup.handed(size, count)]
        if any(seen is None or len(seen) != len(y) for seen, y in pairs):
            return None
        seen, y = (torch.cat(parts) for parts in zip(*pairs))
        facts = {"before": by_means(X, y), "after": by_means(seen, y)}
        if facts["after"] < LOST * facts["before"]:
            return exam.finding("lost_information: step", **facts)
        X = seen
    with setup.experiment():
        recording = record(setup.net.train(), X)
    products = [product.operation for product in recording.products]
    known, worst = {id(X): by_means(X, y)}, {}
    for one in recording.operations:
        if one in products[-1:]:  # its weights have still to learn the classes
            break
        made = one.output
        before = max((known.get(id(t), 0) for t in one.inputs), default=0)
        # It can have the time first, or -inf where something is masked.
        if made.shape[:1] != X.shape[:1] or not made.isfinite().all():
            known[id(made)] = before
            continue
        after = known[id(made)] = by_means(made, y)
        if before and after < LOST * before and after < 0.9 * worst.get("after", 1):
            given = next(t for t in one.inputs if known.get(id(t)) == before)
            worst = {"operation": one.name, "before": before, "after": after}
            worst |= {"given": tuple(given.shape[1:]), "made": tuple(made.shape[1:])}
    return exam.finding("lost_information: net", **worst) if worst else None


def _pulled_to_zero(exam, trial):
    accuracy = trial.by_mode[1] if trial.by_mode else trial.accuracy
    facts = {"reached": accuracy, "steps": trial.steps, "size": trial.size}
    if decay := exam.setup.decay:
        other = exam.trial(decay=False, steps=trial.steps)
        better = other.by_mode[1] if other and other.by_mode else 0
        if better > accuracy + CLEARLY:
            facts |= {"decay": decay, "better": better}
            return exam.finding("weight_decay: accuracy", **facts)
    shrunk = trial.size < SHRUNK and not trial.astray
    return exam.finding("weight_decay: shrinks", **facts) if shrunk else None


# --- What a longer training shows


def unexplained(exam: Examination) -> Finding | None:
    """The net stays no better than guessing, whether a cause shows or not."""
    trial, enough = exam.stuck_trial, exam.limits.enough_steps
    if trial is None:
        return None
    halves = [p for p in exam.parameters.values() if p.dtype == torch.float16]
    if halves and not math.isfinite(trial.end):
        names = [exam.used.get(id(p), p) for p in halves]
        return exam.finding("not_finite: half", names, steps=trial.steps)
    found = _vanishing(exam, SLOW_START, trial, enough) or _steps_too_short(exam)
    if found := found or _pulled_to_zero(exam, trial):
        return found
    if trial.dead is not None:
        facts = {"steps": trial.steps, "count": trial.dead.data.shape[-1]}
        return exam.finding("dead_units: dying", [trial.dead.weight], **facts)
    if trial.steps < enough and not trial.astray:
        return None
    if found := cause_of_poor(exam, trial):
        return found
    with exam.setup.experiment():
        before, _ = measure(exam)
    facts = vars(trial) | {"before": before, "chance": exam.chance}
    plain = exam.trial(plain=True, steps=LONG)
    if plain and plain.learns and trial.moved < STILL:
        return exam.finding("lr_too_low: still", better=plain.accuracy, **facts)
    if plain and plain.learns:
        return exam.finding("unexplained: step", better=plain.accuracy, **facts)
    return exam.finding("unexplained", **facts)


def _steps_too_short(exam):
    """The loss stays where it is, and with much longer steps it falls."""
    trial, lr = exam.trial(), exam.setup.lr
    if exam.trained or not _stays(trial) or lr and trial.lrs[1] > 1.05 * lr:
        return None
    if exam.setup.obeys_lr and lr < min(_usual(exam)):
        return None

    def is_better(other):
        return _falls(other, trial) and other.learns

    changes = _times(exam, 10, 100, 1_000, 1e4, 1e5, 1e6, 1e7)
    return _compared("lr_too_low: short", exam, trial, changes, is_better)
