"""The doctor: why does this model not learn?

The checks in `STATIC` come first, causes before their consequences. Only where they
find nothing does the doctor train, for a few steps, to judge the learning rate.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from helpers.diagnosis.case import TRIAL, Case
from helpers.diagnosis.checks import STATIC, one_line, raises, wrong_output_width
from helpers.diagnosis.examples import read_data
from helpers.diagnosis.findings import Report, finding
from helpers.diagnosis.patient import Patient
from helpers.diagnosis.untouched import Snapshot, same_random_numbers
from helpers.layers import NO_START
from helpers.xray.walk import find_tensors

NOT_MODULE = (
    "doctor(net, data) needs your model, an nn.Module such as MLP(784, 256, 10), "
    "first; you gave {found}."
)
A_CLASS = (
    "doctor(net, data) needs a model, and you gave the class {found}; make one of it "
    "first: {found}(...)."
)
NO_SUPER = (
    "This {found} is not an nn.Module yet: call super().__init__() first in its "
    "__init__."
)
NO_TENSORS = (
    "This {found} has no parameters at all, so there is nothing in it that could learn."
)
NOT_OPTIMIZER = (
    "optimizer must be one of torch.optim, such as "
    "torch.optim.SGD(net.parameters(), lr=0.1); you gave {found}."
)
NOT_CALLABLE = "{name} must be a function, or left out; you gave {found}."


def doctor(net, data, optimizer=None, loss=None, train_step=None):
    """Finds why a model does not learn; returns a `Report`.

    net: any nn.Module. data: what `load_fashion_mnist` returns, a pair (X, y) of
    tensors with a row for each picture, or a DataLoader of such pairs. optimizer: the
    one you train with; without it whatever needs one is tried with plain SGD, lr 0.1.
    loss: a function of (scores, y); cross-entropy if left out. train_step: your own
    step, called as train_step(net, optimizer, X, y), which returns the loss.

    `report.findings` has a `code`, the `evidence` and a `fix` for each finding, most
    likely first; str(report) begins with the first one or says "nothing found". The
    model, the optimizer, the gradients and the random numbers stay as they are. It
    takes a few seconds. Raises TypeError or ValueError with one sentence for
    arguments of another kind.
    """
    _check_arguments(net, optimizer, loss, train_step)
    draws = (getattr(data, "generator", None), getattr(data, "sampler", None))
    draws += (getattr(draws[1], "generator", None),)
    threads = torch.get_num_threads()
    loader = Snapshot(*(d for d in draws if isinstance(d, torch.Generator)))
    with torch.enable_grad(), same_random_numbers():
        try:
            torch.set_num_threads(1)  # as fast for small batches, and more even
            pictures = read_data(data)
            patient = Patient(net, optimizer, loss, train_step, pictures)
            try:
                return _examine(patient)
            finally:
                patient.restore_originals()
        finally:
            torch.set_num_threads(threads)
            loader.restore()


def _check_arguments(net, optimizer, loss, train_step):
    if isinstance(net, type) and issubclass(net, nn.Module):
        raise TypeError(A_CLASS.format(found=net.__name__))
    if not isinstance(net, nn.Module):
        raise TypeError(NOT_MODULE.format(found=type(net).__name__))
    if "_parameters" not in vars(net):
        raise ValueError(NO_SUPER.format(found=type(net).__name__))
    if not (optimizer is None or isinstance(optimizer, torch.optim.Optimizer)):
        raise TypeError(NOT_OPTIMIZER.format(found=type(optimizer).__name__))
    for name, value in (("loss", loss), ("train_step", train_step)):
        if not (value is None or callable(value)):
            found = type(value).__name__
            raise TypeError(NOT_CALLABLE.format(name=name, found=found))
    if not find_tensors(net):
        raise ValueError(NO_TENSORS.format(found=type(net).__name__))


def _examine(patient):
    case = Case(patient)
    count = 1 + len(STATIC) + len(TRIALS)
    stopped = raises(case) or wrong_output_width(case)
    if stopped:
        return Report([stopped], count)
    findings = []
    for check in STATIC:
        before = {one.code for one in findings}
        findings += _ask(check, case, before)
    if not findings and case.step.error is not None:
        error = case.step.error
        facts = {"kind": type(error).__name__, "message": one_line(error)}
        findings.append(finding("raises", "step", **facts))
    for check in TRIALS:
        findings += _ask(check, case) if not findings else []
    return Report(findings, count, tried_lr=not case.out_of_time)


def _ask(check, *arguments):
    """Its finding in a list, or none where the net does not take what it asks."""
    try:
        found = check(*arguments)
    except Exception:  # noqa: BLE001  such as a net made for one batch size only
        found = None
    return [found] if found else []


# --- What a short training shows


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
    weights = [product.weight for product in case.tape.products]
    slopes = [case.slopes.get(id(weight)) for weight in weights]
    slope = slopes[0].std().item() if slopes and slopes[0] is not None else math.inf
    if case.layers < 3 or slope > NO_START or case.trained:
        return None
    trial = case.trial()
    if trial is None or trial[2] > case.chance + 0.05:
        return None
    facts = {"steps": TRIAL, "accuracy": trial[2], "layers": case.layers}
    names = case.named(weights[:1])
    return finding("vanishing", slope=slope, names=names, **facts)


def lr_too_low(case):
    """The loss stands still, and with a usual lr, 20 times as large, it falls."""
    lr, trial = case.patient.lr, case.trial()
    if lr is None or trial is None or case.trained:
        return None
    start, end, _ = trial
    if not 0.97 * start < end < 1.05 * start:
        return None
    is_sgd = isinstance(case.patient.optimizer, torch.optim.SGD)
    for usual in (0.1, 0.01) if is_sgd else (0.001, 0.01):
        other = case.trial(usual) if usual >= 20 * lr else None
        if other and other[1] < 0.6 * start:
            facts = {"lr": lr, "other": usual, "better": other[1]}
            return finding("lr_too_low", start=start, end=end, steps=TRIAL, **facts)
    return None


def lr_too_high(case):
    """A much smaller lr comes much further in the same number of steps."""
    lr, trial = case.patient.lr, case.trial()
    if lr is None or trial is None:
        return None
    start, end, accuracy = trial
    if end <= 0.4 * start or (case.trained and accuracy > case.chance + 0.2):
        return None
    good = min(0.5 * end, 1.5 * start if case.trained else 0.6 * start)
    for factor in (10, 100, 1e3, 1e4, 1e5) if end > 0.9 * start else (10,):
        other = case.trial(lr / factor)
        if other and other[1] < good:
            if end <= 0.9 * start and not _still_high(case, start, lr / factor):
                return None
            facts = {"lr": lr, "other": lr / factor, "better": other[1]}
            return finding("lr_too_high", start=start, end=end, steps=TRIAL, **facts)
    return None


def _still_high(case, start, lower):
    """Whether more steps do not help: some nets only take a while to settle."""
    own = case.trial(steps=4 * TRIAL)
    if own is None or own[1] > 0.4 * start:
        return own is not None
    other = case.trial(lower, 4 * TRIAL)
    return other is not None and own[1] > 4 * other[1]


TRIALS = [exploding, vanishing, lr_too_low, lr_too_high]
