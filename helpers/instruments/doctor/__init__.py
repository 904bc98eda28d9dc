"""The doctor: why does this model not learn?

`checks.py` is the table of its checks, causes before their side effects. Only where
none of those that look at the model finds anything does the doctor train it for a few
steps, to see whether it learns.
"""

import io
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import NoneType
from typing import Any

import torch
from IPython import get_ipython
from torch import nn
from torch.utils.data import DataLoader

from helpers.given import check_begun, require, require_kind
from helpers.instruments.doctor.checks import FIRST, LAST, NEED_STEPS, STATIC, TRIALS
from helpers.instruments.doctor.examination import A_SUM, ONE_EACH, Examination
from helpers.instruments.doctor.examples import read_data
from helpers.instruments.doctor.findings import Report
from helpers.instruments.doctor.training_setup import Limits, OutOfTime, TrainingSetup
from helpers.instruments.registration.walk import find_tensors
from helpers.instruments.state import Snapshot, seed_all
from helpers.language import COMMA, NO_MESSAGE, tr
from helpers.model import is_number
from helpers.own.muted import muted
from helpers.tables import one_line

NOT_MODULE = tr(
    "doctor(net, data) needs your model first, an nn.Module such as "
    "MLP(784, 256, 10); you gave {found}."
)
A_CLASS = tr(
    "doctor(net, data) needs a model, but you gave the class {found}; make a model "
    "from it first: {found}(...)."
)
NO_TENSORS = tr("This {found} has no parameters, so nothing in it can learn.")
NOT_OPTIMIZER = tr(
    "optimizer must be one of torch.optim, such as "
    "torch.optim.SGD(net.parameters(), lr=0.1); you gave {found}."
)
NOT_SECONDS = tr("seconds must be a number above 0, such as 60; you gave {found}.")
NOT_CALLABLE = tr("{name} must be a function, or left out; you gave {found}.")

NOTHING = tr("No problem found in {count} checks.")
NOTHING_SHORT = tr("No problem found in {count} checks, but not all checks could run.")
NOTHING_YET = tr(
    "No problem found, but the model has not started to learn: in {steps} steps the "
    "loss goes from {start:.3g} to {end:.3g}, and the accuracy is {accuracy:.0%} "
    "(guessing one class always gives {chance:.0%}). {count} checks see no cause, and "
    "more steps would take too long here."
)
NOTHING_AS_GOOD = tr(
    "No problem found in {count} checks, but the model is not yet as good as a linear "
    "model: after {steps:,} steps it is right for {reached:.0%} of new pictures, and a "
    "linear model for {linear:.0%}. More steps would take too long here."
)
STILL_RISING = tr(
    "No problem found in {count} checks, and the model is still getting better: after "
    "{steps:,} steps it is right for {reached:.0%} of new pictures, and a linear model "
    "for {linear:.0%}."
)
WITHOUT_TENSORS = {"raises", "unregistered"}  # what explains that it has none
FIRST_ONE = tr(
    "Fix the first one and call doctor again: the others may be side effects of it."
)
LEFT_OUT = tr(
    "Skipped, since this model's training steps are too slow or fail: {names}. With "
    "doctor(..., seconds={more:g}) it looks longer."
)
WORKING = tr(
    "The doctor trains copies of this model. It takes up to {total:g} s of the "
    "processor's time."
)
LOSS_KINDS = {
    ONE_EACH: tr(
        "Your loss has one number for each picture; the doctor used their mean. "
        "In your loop, call backward() on their mean, too."
    ),
    A_SUM: tr(
        "Your loss is the sum over the batch and not the mean, so the gradient, and "
        "with it each step of SGD, grows with the batch size. With the mean "
        '(reduction="mean") the usual lr fits any batch size.'
    ),
}
NARROW = tr(
    "The model's narrowest layer has a width of {width}, less than the number of "
    "classes. After {steps:,} steps the model is right for {reached:.0%} of new "
    "pictures, and a linear model without such a layer for {linear:.0%}."
)
FIXED = tr(
    "These weights never change, since they are frozen or plain tensors: {names}. If "
    "they are to learn, make each an nn.Parameter with requires_grad=True."
)
RETURNS_NO_LOSS = tr(
    "Your train_step returns no loss ({returned}); the doctor used the number that "
    "backward() was called on, or measured the loss. End the step with: return loss."
)


def doctor(
    net: nn.Module,
    data: Any,
    optimizer: torch.optim.Optimizer | None = None,
    loss: Callable | None = None,
    train_step: Callable | None = None,
    *,
    seconds: float = 10,
    limits: Limits | None = None,
) -> Report:
    """Finds why a model does not learn; returns a `Report`.

    net: any nn.Module. data: what `load_fashion_mnist` returns, a pair (X, y) of
    tensors with a row for each picture, or a DataLoader of such pairs. optimizer: the
    one you train with; without it, plain SGD with lr 0.1 is tried. loss: a function of
    (scores, y); cross-entropy if left out. train_step: your own step, called as
    train_step(net, optimizer, X, y), which returns the loss. seconds: how much of the
    processor's time it takes at most; a slow model may need more. limits: of this and
    of its parts, in place of seconds.

    `report.findings` has a `code`, the `evidence` and a `fix` for each finding, most
    likely first; str(report) begins with the first one, or with "No problem found".
    The model, the optimizer, the gradients and the random numbers stay as they are,
    and so does what train_step and loss reach: counters, lists, schedulers. (What a
    step prints is not shown. Files that it writes and iterators that it moves can't be
    put back.) It takes a few seconds. Raises TypeError or ValueError with one sentence
    for arguments of another kind.
    """
    started = time.thread_time()
    _check_arguments(net, optimizer, loss, train_step, seconds)
    limits = limits or Limits(float(seconds))
    loaders = [data] if isinstance(data, DataLoader) else []
    # In a notebook a line says it already (helpers/waiting.py), in a lab another.
    is_main = threading.current_thread() is threading.main_thread()
    is_alone = is_main and not hasattr(get_ipython(), "kernel")
    out = sys.stdout if is_alone else io.StringIO()
    say = partial(print, WORKING.format(total=limits.total), file=out, flush=True)
    # Hundreds of steps would print and warn as often.
    with Snapshot(*loaders), torch.enable_grad(), muted():
        torch.set_num_threads(1)  # as fast for small batches, and steadier
        seed_all()
        setup = TrainingSetup((net, optimizer, loss, train_step), read_data(data))
        with setup.originals:
            report = _examine(Examination(setup, started, limits, say))
    if not find_tensors(net) and not report.codes & WITHOUT_TENSORS:
        raise ValueError(NO_TENSORS.format(found=type(net).__name__))
    return report


def _check_arguments(net, optimizer, loss, train_step, seconds):
    if isinstance(net, type) and issubclass(net, nn.Module):
        raise TypeError(A_CLASS.format(found=net.__name__))
    require_kind(isinstance(net, nn.Module), NOT_MODULE, net)
    check_begun(net)
    fine = isinstance(optimizer, (torch.optim.Optimizer, NoneType))
    require_kind(fine, NOT_OPTIMIZER, optimizer)
    for name, value in (("loss", loss), ("train_step", train_step)):
        check_begun(value)
        fine = value is None or callable(value)
        require_kind(fine, NOT_CALLABLE, value, name=name)
    require(is_number(seconds) and seconds > 0, NOT_SECONDS, seconds)


def _examine(exam: Examination) -> Report:
    """Ask the checks, in their order."""
    returned = exam.step.returned
    notes = [RETURNS_NO_LOSS.format(returned=returned)] if returned else []
    if exam.loss_kind in LOSS_KINDS and exam.setup.train_step is None:
        notes.append(LOSS_KINDS[exam.loss_kind])
    for check in FIRST:
        exam.asked.append(check.__name__)
        if found := check(exam):
            return Report([found], "", notes)
    findings, left_out = _ask_the_others(exam)
    if len(findings) > 1:
        notes.insert(0, FIRST_ONE)
    if left_out:
        names = [one.__name__ for one in STATIC | TRIALS | LAST if one in left_out]
        more = 6 * exam.limits.total
        notes.append(LEFT_OUT.format(names=COMMA.join(names), more=more))
    if not findings and (fixed := exam.frozen_weights + exam.plain_weights):
        notes.append(FIXED.format(names=exam.names(fixed)))
    if exam.narrow and not findings:
        notes.append(NARROW.format(**exam.narrow))
    nothing, well = _nothing(exam, left_out)
    return Report(findings, nothing, notes, well)


def _ask_the_others(exam):
    """What they find, and those for which there was no time."""
    findings, left_out = [], set()

    def ask(check):
        exam.codes = {one.code for one in findings}
        exam.asked.append(check.__name__)
        try:
            if found := check(exam):
                findings.append(found)
        except OutOfTime:
            left_out.add(check)
        except Exception:  # noqa: BLE001  the net does not take what is asked
            pass

    for check in STATIC:
        ask(check)
    if not findings and (error := exam.step.error) is not None:
        facts = _said(error)
        made = [p for p in exam.parameters.values() if not p.is_leaf]
        key = "raises: not a leaf" if made else "raises: step"
        findings.append(exam.finding(key, made, **facts))
    for check in TRIALS:
        if not findings:
            ask(check)
    if not findings and exam.late_error is not None:
        number, error = exam.late_error
        facts = _said(error)
        findings.append(exam.finding("raises: later", number=number, **facts))
    if not findings and exam.longest_trial is None:
        left_out.update(NEED_STEPS)
    for check in LAST:
        ask(check)
    return findings, left_out


def _said(error):
    return {"kind": type(error).__name__, "message": one_line(error, NO_MESSAGE)}


def _nothing(exam, left_out):
    """What is said where there are no findings, and whether all is well."""
    count = len(FIRST | STATIC | TRIALS | LAST) - len(left_out)
    trial = exam.longest_trial
    if trial and not trial.learns:
        facts = vars(trial) | {"count": count, "chance": exam.chance}
        return NOTHING_YET.format(**facts), False
    if exam.below_linear:
        said = STILL_RISING if exam.below_linear["rises"] else NOTHING_AS_GOOD
        return said.format(**exam.below_linear, count=count), False
    nothing = NOTHING_SHORT if left_out else NOTHING
    return nothing.format(count=count), not left_out
