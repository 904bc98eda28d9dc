"""The doctor's checks by short trainings: does it learn, and at which lr?

Each looks at an `Examination` and returns a `Finding`, or None. They are asked only
where no other check has found anything.
"""

import math

import torch
from torch.nn import functional as F

from helpers.instruments.doctor.examination import Examination
from helpers.instruments.doctor.findings import Finding, finding
from helpers.instruments.doctor.trial import LONG, SHORT, measure
from helpers.instruments.measure_layers import NO_START, SLOW_START


def exploding(exam: Examination) -> Finding | None:
    """The scores are so large that the first loss is far above guessing."""
    loss = F.cross_entropy(exam.out.detach(), exam.labels).item()
    chance = math.log(exam.classes)
    if loss <= 5 * chance or exam.trained:
        return None
    spread = exam.out.std().item()
    return finding("exploding", loss=loss, chance=chance, spread=spread)


def vanishing(exam: Examination) -> Finding | None:
    """The gradient of the first weights is next to nothing, and the net is stuck."""
    return _vanishing(exam, NO_START, exam.trial(), SHORT // 2)


def _vanishing(exam, limit, trial, enough):
    weights = [product.weight for product in exam.recording.products]
    slopes = [exam.gradients.get(id(weight)) for weight in weights]
    slope = slopes[0].std().item() if slopes and slopes[0] is not None else math.inf
    if exam.num_layers < 3 or slope > limit or exam.trained:
        return None
    if trial is None or trial.learns or trial.steps < enough:
        return None
    facts = {"steps": trial.steps, "accuracy": trial.accuracy, "slope": slope}
    names = exam.named(weights[:1])
    return finding("vanishing", names=names, layers=exam.num_layers, **facts)


def lr_too_low(exam: Examination) -> Finding | None:
    """The loss stays where it is, and falls with a usual lr, 20 times as large."""
    trial, lr = exam.trial(), exam.setup.lr
    if trial is None or lr is None or exam.trained:
        return None
    if trial.steps == SHORT and max(trial.lrs) < lr / 1000 and not _falls(trial, trial):
        facts = {"lr": lr, "last": trial.lrs[0], "start": trial.start, "end": trial.end}
        steps = {"half": SHORT // 2, "steps": SHORT}
        return finding("lr_too_low: schedule", **steps, **facts)
    if not _stays(trial) or trial.lrs[1] > 1.05 * lr:  # it is still rising
        return None
    for other in _usual(exam) if exam.setup.obeys_lr else ():
        found = exam.trial(lr=other, steps=trial.steps) if other >= 20 * lr else None
        if _falls(found, trial):
            return _lr("lr_too_low", trial, found, exam, other=other)
    return None


def _usual(exam):
    is_sgd = isinstance(exam.setup.optimizer, torch.optim.SGD)
    return (0.1, 0.01) if is_sgd else (0.001, 0.01)


def _stays(trial):
    return 0.97 * trial.start < trial.end < 1.05 * trial.start


def _falls(other, trial):
    return other is not None and other.end < 0.6 * trial.start


def _other(exam, factor, steps):
    """A trial with `factor` times the lr, or where the optimizer's lr does not count,
    with steps that go `factor` times as far."""
    if exam.setup.obeys_lr:
        return exam.trial(lr=exam.setup.lr * factor, steps=steps)
    return exam.trial(factor=factor, steps=steps)


def _lr(key, trial, better, exam, **facts):
    facts |= {"start": trial.start, "end": trial.end, "steps": trial.steps}
    return finding(key, lr=exam.setup.lr, better=better.end, **facts)


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
    if 1.15 * trial.low < end <= 0.9 * start and (found := _turns_up(exam, start)):
        return found
    good = min(0.5 * end, 1.5 * start if exam.trained else 0.6 * start)
    for factor in (10, 100, 1e3, 1e4, 1e5) if end > 0.9 * start else (10,):
        other = _other(exam, 1 / factor, trial.steps)
        if other and other.end < good:
            if end <= 0.9 * start and not _still_high(exam, start, 1 / factor):
                return None
            return _too_high(exam, trial, other, factor)
    return None


def _too_high(exam, trial, better, factor):
    if exam.setup.obeys_lr:
        lower = exam.setup.lr / factor
        return _lr("lr_too_high", trial, better, exam, other=lower)
    return _lr("lr_too_high: part", trial, better, exam, factor=factor)


def _turns_up(exam, start):
    """The loss fell for a while, and more steps undo that again."""
    own = exam.trial(steps=4 * SHORT)
    if own is None or own.steps < 4 * SHORT or own.end < 0.6 * start:
        return None
    for factor in (10, 100):
        other = _other(exam, 1 / factor, own.steps)
        if other and other.end < 0.5 * own.end:
            return _too_high(exam, own, other, factor)
    return None


def _still_high(exam, start, factor):
    """Whether more steps do not help: some nets only need time to settle."""
    own = exam.trial(steps=4 * SHORT)
    if own is None or own.steps < 4 * SHORT:  # no time to see that
        return False
    if own.end > 0.4 * start:
        return True
    other = _other(exam, factor, own.steps)
    return other is not None and own.end > 4 * other.end


# --- What a longer training shows


def unexplained(exam: Examination) -> Finding | None:
    """The net stays no better than guessing, whether a cause shows or not."""
    if exam.stuck_trial is None:
        return None
    found = _vanishing(exam, SLOW_START, exam.stuck_trial, exam.limits.enough_steps)
    return found or _steps_too_short(exam) or _dying(exam) or _no_cause(exam)


def _steps_too_short(exam):
    """The loss stays where it is, and with much longer steps it falls."""
    trial, lr = exam.trial(), exam.setup.lr
    if exam.trained or not _stays(trial):
        return None
    obeys = exam.setup.obeys_lr
    if lr and trial.lrs[1] > 1.05 * lr or obeys and lr < min(_usual(exam)):
        return None
    for factor in (10, 100, 1_000, 1e4, 1e5):
        found = _other(exam, factor, trial.steps)
        if _falls(found, trial) and found.learns:
            if obeys:
                return _lr("lr_too_low: short", trial, found, exam, other=lr * factor)
            return _lr("lr_too_low: factor", trial, found, exam, factor=factor)
    return None


def _dying(exam):
    """All units of a layer become 0 for each picture while it trains."""
    trial = exam.stuck_trial
    if trial.dead is None:
        return None
    facts = {"steps": trial.steps, "rows": len(exam.X)}
    facts |= {"count": trial.dead.data.shape[-1]}
    return finding("dead_units: dying", names=exam.named([trial.dead.weight]), **facts)


def _no_cause(exam):
    trial = exam.stuck_trial
    if trial.steps < exam.limits.enough_steps and math.isfinite(trial.end):
        return None
    with exam.setup.experiment():
        before, _ = measure(exam)
    facts = {"start": trial.start, "end": trial.end, "steps": trial.steps}
    facts |= {"before": before, "accuracy": trial.accuracy, "chance": exam.chance}
    plain = exam.trial(plain=True, steps=LONG)
    if plain and plain.learns:
        return finding("unexplained: step", better=plain.accuracy, **facts)
    return finding("unexplained", **facts)
