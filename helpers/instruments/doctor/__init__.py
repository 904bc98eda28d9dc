"""The doctor: why does this model not learn?

The checks stand in `checks.py`, causes before their consequences. Only where all those
that look find nothing does the doctor train, for a few steps, to see whether it learns.
"""

import contextlib
import io
import time
import warnings

import torch
from torch import nn

from helpers.instruments.doctor.case import Case
from helpers.instruments.doctor.checks import FIRST, NEED_STEPS, STATIC, TRIALS
from helpers.instruments.doctor.examples import read_data
from helpers.instruments.doctor.findings import (
    LEFT_OUT,
    NO_LOSS,
    NOTHING,
    NOTHING_SHORT,
    NOTHING_YET,
    Report,
    finding,
)
from helpers.instruments.doctor.inputs import one_line
from helpers.instruments.doctor.patient import Patient
from helpers.instruments.doctor.untouched import Snapshot, same_random_numbers
from helpers.instruments.registration.walk import find_tensors

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
    model, the optimizer, the gradients and the random numbers stay as they are, and so
    does what train_step and loss reach: counters, lists, schedulers. (What a step
    prints is not shown; files and iterators that it moves can't be put back.) It
    takes a few seconds. Raises TypeError or ValueError with one sentence for
    arguments of another kind.
    """
    started = time.thread_time()
    _check_arguments(net, optimizer, loss, train_step)
    is_loader = isinstance(data, torch.utils.data.DataLoader)
    loader = Snapshot(*[data] * is_loader)
    with torch.enable_grad(), same_random_numbers(), _one_thread(), _quiet():
        try:
            patient = Patient(net, optimizer, loss, train_step, read_data(data))
            try:
                return _examine(patient, started)
            finally:
                patient.restore_originals()
        finally:
            loader.restore()


@contextlib.contextmanager
def _one_thread():
    """As fast for small batches, and more even."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _quiet():
    """Hundreds of steps print and warn as often."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


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


def _examine(patient, started):
    case = Case(patient, started)
    count = len(FIRST) + len(STATIC) + len(TRIALS)
    notes = [NO_LOSS.format(returned=case.step.returned)] if case.step.returned else []
    for check in FIRST:
        if found := check(case):
            return Report([found], "", notes)
    findings, left_out = [], []
    for check in STATIC:
        _ask(check, case, findings, left_out)
    if not findings and case.step.error is not None:
        error = case.step.error
        facts = {"kind": type(error).__name__, "message": one_line(error)}
        findings.append(finding("raises", "step", **facts))
    for check in TRIALS:
        if not findings:
            _ask(check, case, findings, left_out)
    if not findings and case.longest is None:
        left_out += [one.__name__ for one in NEED_STEPS]
    names = [one.__name__ for one in [*STATIC, *TRIALS]]
    left_out = [name for name in names if name in left_out]
    if left_out:
        notes.append(LEFT_OUT.format(names=", ".join(left_out)))
    return Report(findings, _nothing(case, count, left_out), notes)


def _ask(check, case, findings, left_out):
    """Adds what it finds: nothing where the net does not take what it asks."""
    if case.time_left < 0:
        left_out.append(check.__name__)
        return
    before = [{one.code for one in findings}] if check in STATIC else []
    with contextlib.suppress(Exception):
        found = check(case, *before)
        findings += [found] if found else []


def _nothing(case, count, left_out):
    """The sentence for where nothing has been found."""
    trial = case.longest
    if trial and not trial.learns:
        facts = {"start": trial.start, "end": trial.end, "accuracy": trial.accuracy}
        facts |= {"steps": trial.steps, "chance": case.chance}
        return NOTHING_YET.format(count=count - len(left_out), **facts)
    if left_out:
        return NOTHING_SHORT.format(count=count - len(left_out))
    return NOTHING.format(count=count)
