"""The doctor: why does this model not learn?

`checks.py` is the table of its checks, causes before their side effects. Only where
none of those that look at the model finds anything does the doctor train it for a few
steps, to see whether it learns.
"""

import contextlib
import io
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from helpers.instruments.doctor.checks import FIRST, NEED_STEPS, STATIC, TRIALS
from helpers.instruments.doctor.examination import Examination
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
from helpers.instruments.doctor.training_setup import Limits, TrainingSetup
from helpers.instruments.registration.walk import find_tensors
from helpers.instruments.state import Snapshot, random_numbers_kept, seed_all
from helpers.tables import one_line

NOT_MODULE = (
    "doctor(net, data) needs your model first, an nn.Module such as "
    "MLP(784, 256, 10); you gave {found}."
)
A_CLASS = (
    "doctor(net, data) needs a model, but you gave the class {found}; make a model "
    "from it first: {found}(...)."
)
NO_SUPER = (
    "This {found} is not an nn.Module yet: call super().__init__() first in its "
    "__init__."
)
NO_TENSORS = "This {found} has no parameters, so nothing in it can learn."
NOT_OPTIMIZER = (
    "optimizer must be one of torch.optim, such as "
    "torch.optim.SGD(net.parameters(), lr=0.1); you gave {found}."
)
NOT_CALLABLE = "{name} must be a function, or left out; you gave {found}."


def doctor(
    net: nn.Module,
    data: Any,
    optimizer: torch.optim.Optimizer | None = None,
    loss: Callable | None = None,
    train_step: Callable | None = None,
    *,
    limits: Limits | None = None,
) -> Report:
    """Finds why a model does not learn; returns a `Report`.

    net: any nn.Module. data: what `load_fashion_mnist` returns, a pair (X, y) of
    tensors with a row for each picture, or a DataLoader of such pairs. optimizer: the
    one you train with; without it, plain SGD with lr 0.1 is tried. loss: a function of
    (scores, y); cross-entropy if left out. train_step: your own step, called as
    train_step(net, optimizer, X, y), which returns the loss. limits: of its time; the
    usual ones if left out.

    `report.findings` has a `code`, the `evidence` and a `fix` for each finding, most
    likely first; str(report) begins with the first one, or with "No problem found".
    The model, the optimizer, the gradients and the random numbers stay as they are,
    and so does what train_step and loss reach: counters, lists, schedulers. (What a
    step prints is not shown. Files that it writes and iterators that it moves can't be
    put back.) It takes a few seconds. Raises TypeError or ValueError with one sentence
    for arguments of another kind.
    """
    started = time.thread_time()
    _check_arguments(net, optimizer, loss, train_step)
    is_loader = isinstance(data, torch.utils.data.DataLoader)
    loader = Snapshot(*[data] * is_loader)
    with torch.enable_grad(), random_numbers_kept(), _quiet():
        seed_all()
        try:
            setup = TrainingSetup(net, optimizer, loss, train_step, read_data(data))
            try:
                return _examine(Examination(setup, started, limits or Limits()))
            finally:
                setup.originals.restore()
        finally:
            loader.restore()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hundreds of steps would print and warn as often. They run on one thread, which
    is as fast for small batches, and steadier."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)


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


def _examine(exam: Examination) -> Report:
    """Ask the checks, in their order."""
    returned = exam.step.returned
    notes = [NO_LOSS.format(returned=returned)] if returned else []
    for check in FIRST:
        if found := check(exam):
            return Report([found], "", notes)
    findings, left_out = [], []
    for check in STATIC:
        before = {one.code for one in findings}
        _ask(check, exam, findings, left_out, before)
    if not findings and (error := exam.step.error) is not None:
        facts = {"kind": type(error).__name__, "message": one_line(error)}
        findings.append(finding("raises: step", **facts))
    for check in TRIALS:
        if not findings:
            _ask(check, exam, findings, left_out)
    if not findings and exam.longest_trial is None:
        left_out += NEED_STEPS
    left_out = [check for check in [*STATIC, *TRIALS] if check in left_out]
    if left_out:
        names = ", ".join(check.__name__ for check in left_out)
        notes.append(LEFT_OUT.format(names=names))
    return Report(findings, _nothing_found(exam, len(left_out)), notes)


def _ask(check, exam, findings, left_out, *before):
    """Adds what the check finds, or else the check to those that were left out."""
    if exam.time_left < 0:
        left_out.append(check)
        return
    with contextlib.suppress(Exception):  # the net does not take what the check asks
        if found := check(exam, *before):
            findings.append(found)


def _nothing_found(exam, left_out):
    """The sentence for where nothing has been found."""
    count = len(FIRST) + len(STATIC) + len(TRIALS) - left_out
    trial = exam.longest_trial
    if trial and not trial.learns:
        facts = {"start": trial.start, "end": trial.end, "accuracy": trial.accuracy}
        facts |= {"steps": trial.steps, "chance": exam.chance}
        return NOTHING_YET.format(count=count, **facts)
    return (NOTHING_SHORT if left_out else NOTHING).format(count=count)
