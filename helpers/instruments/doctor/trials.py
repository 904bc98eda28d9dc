"""The doctor's checks by short trainings; each is asked where all others found nothing.

Each is a small function that looks at a `Case` and returns a `Finding`, or None.
"""

import math

import torch
from torch.nn import functional as F

from helpers.instruments.doctor.findings import finding
from helpers.instruments.doctor.training import LONG, TRIAL, measure
from helpers.instruments.layer_verdicts import NO_START, SLOW_START

ENOUGH = 512  # steps after which a net that is at chance does not learn


def exploding(case):
    """Scores so large that the first loss is far above guessing."""
    loss = F.cross_entropy(case.out.detach(), case.labels).item()
    chance = math.log(case.classes)
    if loss <= 5 * chance or case.trained:
        return None
    spread = case.out.std().item()
    return finding("exploding", loss=loss, chance=chance, spread=spread)


def vanishing(case):
    """The gradient of the first weights is next to nothing, and training stands."""
    return _vanishing(case, NO_START, case.trial(), TRIAL // 2)


def _vanishing(case, limit, trial, enough):
    weights = [product.weight for product in case.tape.products]
    slopes = [case.slopes.get(id(weight)) for weight in weights]
    slope = slopes[0].std().item() if slopes and slopes[0] is not None else math.inf
    if case.layers < 3 or slope > limit or case.trained:
        return None
    if trial is None or trial.learns or trial.steps < enough:
        return None
    facts = {"steps": trial.steps, "accuracy": trial.accuracy, "layers": case.layers}
    names = case.named(weights[:1])
    return finding("vanishing", slope=slope, names=names, **facts)


def lr_too_low(case):
    """The loss stands still, and with a usual lr, 20 times as large, it falls."""
    trial, lr = case.trial(), case.patient.lr
    if trial is None or lr is None or case.trained:
        return None
    if trial.steps == TRIAL and max(trial.lrs) < lr / 1000 and not _falls(trial, trial):
        facts = {"lr": lr, "last": trial.lrs[0], "start": trial.start, "end": trial.end}
        steps = {"half": TRIAL // 2, "steps": TRIAL}
        return finding("lr_too_low", "schedule", **steps, **facts)
    if not _stands(trial) or trial.lrs[1] > 1.05 * lr:  # it is still rising
        return None
    for other in _usual(case) if case.patient.obeys_lr else ():
        found = case.trial(lr=other, steps=trial.steps) if other >= 20 * lr else None
        if _falls(found, trial):
            return _lr("lr_too_low", trial, found, case, other=other)
    return None


def _usual(case):
    is_sgd = isinstance(case.patient.optimizer, torch.optim.SGD)
    return (0.1, 0.01) if is_sgd else (0.001, 0.01)


def _stands(trial):
    return 0.97 * trial.start < trial.end < 1.05 * trial.start


def _falls(other, trial):
    return other is not None and other.end < 0.6 * trial.start


def _other(case, factor, steps):
    """A trial with another lr, or where the optimizer's does not count, with steps
    that go `factor` times as far."""
    if case.patient.obeys_lr:
        return case.trial(lr=case.patient.lr * factor, steps=steps)
    return case.trial(factor=factor, steps=steps)


def _lr(code, trial, better, case, variant="", **facts):
    facts |= {"start": trial.start, "end": trial.end, "steps": trial.steps}
    return finding(code, variant, lr=case.patient.lr, better=better.end, **facts)


def lr_too_high(case):
    """A much smaller lr comes much further in the same number of steps."""
    patient, trial = case.patient, case.trial()
    if trial is None or (patient.lr is None and patient.train_step is None):
        return None
    start, end = trial.start, trial.end
    if end <= 0.4 * start or (case.trained and trial.accuracy > case.chance + 0.2):
        return None
    if trial.moved < 0.01 or isinstance(patient.optimizer, torch.optim.Rprop):
        return None  # Rprop's lr is only the length of its first step
    if 1.15 * trial.low < end <= 0.9 * start and (found := _turns_up(case, start)):
        return found
    good = min(0.5 * end, 1.5 * start if case.trained else 0.6 * start)
    for factor in (10, 100, 1e3, 1e4, 1e5) if end > 0.9 * start else (10,):
        other = _other(case, 1 / factor, trial.steps)
        if other and other.end < good:
            if end <= 0.9 * start and not _still_high(case, start, 1 / factor):
                return None
            return _too_high(case, trial, other, factor)
    return None


def _too_high(case, trial, better, factor):
    if case.patient.obeys_lr:
        lower = case.patient.lr / factor
        return _lr("lr_too_high", trial, better, case, other=lower)
    return _lr("lr_too_high", trial, better, case, "part", factor=factor)


def _turns_up(case, start):
    """The loss fell for a while, and in more steps it is lost again."""
    own = case.trial(steps=4 * TRIAL)
    if own is None or own.steps < 4 * TRIAL or own.end < 0.6 * start:
        return None
    for factor in (10, 100):
        other = _other(case, 1 / factor, own.steps)
        if other and other.end < 0.5 * own.end:
            return _too_high(case, own, other, factor)
    return None


def _still_high(case, start, factor):
    """Whether more steps do not help: some nets only take a while to settle."""
    own = case.trial(steps=4 * TRIAL)
    if own is None or own.steps < 4 * TRIAL:  # no time to see that
        return False
    if own.end > 0.4 * start:
        return True
    other = _other(case, factor, own.steps)
    return other is not None and own.end > 4 * other.end


# --- What a longer training shows


def unexplained(case):
    """It stays at chance for long: for a reason that shows only then, or for none."""
    if case.long_trial is None:
        return None
    found = _vanishing(case, SLOW_START, case.long_trial, ENOUGH)
    return found or _steps_too_short(case) or _dying(case) or _no_cause(case)


def _steps_too_short(case):
    """The loss stands still, and with much longer steps it falls."""
    trial, lr = case.trial(), case.patient.lr
    if case.trained or not _stands(trial):
        return None
    obeys = case.patient.obeys_lr
    if lr and trial.lrs[1] > 1.05 * lr or obeys and lr < min(_usual(case)):
        return None
    for factor in (10, 100, 1_000, 1e4, 1e5):
        found = _other(case, factor, trial.steps)
        if _falls(found, trial) and found.learns:
            if obeys:
                return _lr("lr_too_low", trial, found, case, "short", other=lr * factor)
            return _lr("lr_too_low", trial, found, case, "factor", factor=factor)
    return None


def _dying(case):
    """All units of a layer become 0 for each picture while it trains."""
    trial = case.long_trial
    if trial.dead is None:
        return None
    facts = {
        "steps": trial.steps,
        "rows": len(case.X),
        "count": trial.dead.data.shape[-1],
    }
    return finding(
        "dead_units", "dying", names=case.named([trial.dead.weight]), **facts
    )


def _no_cause(case):
    trial = case.long_trial
    if trial.steps < ENOUGH and math.isfinite(trial.end):
        return None
    with case.patient.experiment():
        before, _ = measure(case)
    facts = {"start": trial.start, "end": trial.end, "steps": trial.steps}
    facts |= {"before": before, "accuracy": trial.accuracy, "chance": case.chance}
    plain = case.trial(plain=True, steps=LONG)
    if plain and plain.learns:
        return finding("unexplained", "step", better=plain.accuracy, **facts)
    return finding("unexplained", **facts)
