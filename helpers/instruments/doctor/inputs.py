"""The doctor's checks of what goes in and comes out: data, shapes, labels, scores.

Each is a small function that looks at a `Case` and returns a `Finding`, or None.
before: the codes of the checks that have spoken already.
"""

import math

import torch

from helpers.instruments.doctor.examples import (
    class_numbers,
    most,
    rough,
    same_rows,
    told_apart,
)
from helpers.instruments.doctor.findings import finding
from helpers.instruments.doctor.patient import PROBE, mode_layers
from helpers.instruments.doctor.tape import CONVOLUTIONS, PRODUCTS
from helpers.instruments.trace_shapes import trace_shapes
from helpers.instruments.trace_shapes.messages import ALL_FLAT

LARGE = 10  # a typical size of a number, where pictures go from 0 to 255
SMALL = 0.005  # the same, where they were divided by 255 twice


def one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def _infinite(tensor):
    """How many numbers are nan or inf."""
    floats = tensor.is_floating_point() or tensor.is_complex()
    return (~tensor.isfinite()).sum().item() if floats else 0


# --- It does not even run


def raises(case):
    """The forward pass or the loss stops with an error."""
    X, y, out, error = case.X, case.y, case.out, case.error
    if error is not None and not X.is_floating_point() and X.max() > 20:
        facts = {"dtype": X.dtype, "high": X.max().item(), "message": one_line(error)}
        return finding("unscaled_inputs", "type", **facts)
    if error is not None:
        with case.patient.experiment():
            trace = trace_shapes(case.patient.net.train(), X)
        explanation = trace.explanation or one_line(error)
        if trace.cause == ALL_FLAT:
            return finding("flatten_order", "flat", explanation=explanation)
        facts = {"kind": type(error).__name__, "explanation": explanation}
        return finding("raises", **facts)
    if not isinstance(out, torch.Tensor):
        return finding("raises", "output", found=f"a {type(out).__name__}")
    if case.loss_error is not None and not _fault_of_width(case):
        with case.patient.experiment():
            trace = trace_shapes(case.patient.loss, out.detach(), y)
        explanation = trace.explanation or one_line(case.loss_error)
        shapes = {"shape": tuple(out.shape), "labels": tuple(y.shape)}
        return finding("raises", "loss", explanation=explanation, **shapes)
    return None


def _fault_of_width(case):
    out = case.out
    return out.ndim != 2 or len(out) != len(case.X) or out.shape[1] < case.classes


def not_shuffled(case):
    """A DataLoader that gives the classes one after the other."""
    batches = [class_numbers(y) for y in case.patient.data.batches if len(y) >= 8]
    if len(batches) < 4 or case.out.ndim != 2:
        return None
    share = sum(map(most, batches)) / len(batches)
    kinds = len(torch.cat(batches).unique())
    if share < 0.9 or kinds == 1 and case.out.shape[1] < 3:
        return None
    if kinds > 1 and most(torch.cat(batches)) > 0.8:
        return None  # such a class is just frequent
    return finding("not_shuffled", batches=len(batches), share=share)


def wrong_output_width(case):
    """The scores do not have one column for each class."""
    rows, shape, classes = len(case.X), tuple(case.out.shape), case.classes
    if shape[:1] != (rows,):
        return finding("flatten_order", "rows", rows=rows, found=shape[0])
    if len(shape) != 2:
        facts = {"rows": rows, "shape": shape, "classes": classes}
        return finding("wrong_output_width", "shape", **facts)
    # Where only the labels tell the number of classes, some may just not occur.
    data, step = case.patient.data, case.step
    needed, limit = classes, classes if data.sure else 5 * classes
    if not data.sure and step.error is None and step.y is not None:
        needed = int(class_numbers(step.y).max()) + 1  # the step may have changed them
    if needed <= shape[1] <= limit:
        return None
    low = 0 if data.sure else int(data.splits["train"][1].min())
    if low == 1 and shape[1] == classes - 1:
        facts = {"high": classes - 1, "last": classes - 2, "width": shape[1]}
        return finding("wrong_output_width", "from 1", **facts)
    return finding("wrong_output_width", width=shape[1], classes=classes)


# --- The numbers


def not_finite(case, before):
    """nan or inf, in the weights, in the data, or made on the way."""
    for name, p in case.patient.net.named_parameters():
        if count := _infinite(p):
            return finding("not_finite", "parameter", names=name, count=count)
    if found := _infinite_rows(case):
        return found
    if count := _infinite(case.X):
        return finding("not_finite", "data", count=count)
    loss = case.step.loss
    for bad, operations in (
        (_infinite(case.out), case.tape.operations),
        (loss is not None and not math.isfinite(loss), case.step.operations),
    ):
        operation = _first_infinite(operations) if bad else None
        if operation is not None and operation.name in PRODUCTS | CONVOLUTIONS:
            done = [product.operation for product in case.tape.products]
            layer = done.index(operation) + 1 if operation in done else len(done)
            facts = {"operation": operation.name, "layer": layer}
            return finding("exploding", "overflow", **facts)
        if operation is not None:
            return finding("not_finite", "operation", operation=operation.name)
    for key, slope in case.slopes.items():
        if slope is not None and _infinite(slope):
            names = case.named([case.used[key]])
            return finding("not_finite", "gradient", names=names)
    return None


def _infinite_rows(case):
    """nan or inf in a few of all pictures, which ruin the first batch they are in."""
    patient = case.patient
    X, which = patient.data.infinite()
    if not len(which):
        return None
    bad = X[which[:PROBE]].to(patient.X.device)
    y = patient.y.repeat(*[1 + len(bad) // len(patient.y)] + [1] * (patient.y.ndim - 1))
    with patient.experiment():
        losses = patient.step(bad, y[: len(bad)])
        spoiled = [p for p in patient.net.parameters() if _infinite(p)]
        known = [loss for loss in losses if loss is not None]
        if not spoiled and all(map(math.isfinite, known)):
            return None  # the step or the net knows what to do with them
    facts = {"rows": len(which), "all": len(X), "count": _infinite(X[which])}
    return finding("not_finite", "rows", **facts)


def _first_infinite(operations):
    for operation in operations:
        if _infinite(operation.output) and not any(map(_infinite, operation.inputs)):
            return operation
    return None


def unscaled_inputs(case, before):
    """The first weights meet numbers as large as 255, hardly any, or always the same."""
    first = next((p for p in case.tape.products if p.depth == 1), None)
    if first is None or "not_finite" in before or case.trained:
        return None
    data = first.data.double()
    facts = {"low": data.min().item(), "high": data.max().item(), "rows": len(case.X)}
    if len(data) == len(case.X) and (data == data[:1]).all():
        return finding("unscaled_inputs", "equal", **facts)
    normalized = any("norm" in o.name for o in case.tape.operations)
    size = data.square().mean().sqrt().item()
    if size > LARGE and not normalized:
        return finding("unscaled_inputs", **facts)
    if size < SMALL and not normalized and case.stands:
        steps = case.long_trial.steps
        return finding("unscaled_inputs", "small", steps=steps, **facts)
    return None


# --- Do pictures and labels belong together?


def flatten_order(case, before):
    """Numbers of different pictures are mixed, in the net or before it."""
    patient, rows = case.patient, len(case.X) // 2
    batch_norms = [m for _, m in mode_layers(patient.net) if hasattr(m, "running_mean")]
    mixes_rightly = any(m.running_mean is None for m in batch_norms)
    if rows > 1 and not mixes_rightly and "softmax_twice" not in before:
        half = rows // 2
        other = torch.cat([case.X[:half], case.X[rows : 2 * rows - half]])
        with patient.experiment(), torch.no_grad():
            one = patient.net.eval()(case.X[:rows])
            patient.again()
            two = patient.net.eval()(other)
        typical = (one - one.roll(1, 0)).norm(dim=1).mean()
        if (one - two)[:half].norm(dim=1).mean() > 0.2 * typical > 0:
            return finding("flatten_order", "net")
    return finding("flatten_order", "step") if _mixed(case) else None


def _mixed(case):
    """Whether a step of the learner's makes other rows of a batch's numbers."""
    given, handed = case.given[0], case.X
    if case.patient.train_step is None or case.origin is not None:
        return False
    if handed.numel() != given.numel() or len(handed) != len(given):
        return False
    given, handed = given.flatten(1).double(), handed.flatten(1).double()
    if not torch.allclose(given.flatten().sort()[0], handed.flatten().sort()[0]):
        return False  # scaled, noisy, ...
    sums = given.sum(dim=1).sort()[0], handed.sum(dim=1).sort()[0]
    return not torch.allclose(*sums, rtol=1e-9)


def data_mismatch(case, before):
    """The labels belong to other pictures, or the pictures are mixed."""
    if "unscaled_inputs" in before and not case.X.flatten(1).std(dim=0).any():
        return None
    for split, (X, y) in case.patient.data.splits.items():
        rows, labels = case.patient.data.rows(split)
        found, told = told_apart(rows, labels)
        if found is None or told:
            continue
        facts = {"split": split, "found": found, "chance": most(class_numbers(labels))}
        flat = X.flatten(1)
        for other in (flat.T.reshape(flat.shape), flat.reshape(flat.shape[::-1]).T):
            undone, told = told_apart(*same_rows(other, y))
            if told and undone > found + 0.1:
                return finding("flatten_order", "data", undone=undone, **facts)
        if rough(rows):
            return finding("flatten_order", "rough", **facts)
        return finding("data_mismatch", **facts)
    return _mismatch_in_step(case)


def _mismatch_in_step(case):
    """The loss compares pictures with labels that are not theirs in the data."""
    seen = case.step.y
    if case.origin is None or seen is None or len(seen) != len(case.origin):
        return None
    own, seen = (
        class_numbers(case.patient.data.labels(case.origin)),
        class_numbers(seen),
    )
    own = own.to(seen.device)
    pairs = len(torch.stack([own, seen]).unique(dim=1).T)
    share = (own != seen).float().mean().item()
    if share < 0.05 or pairs == len(
        own.unique()
    ):  # the classes only have other numbers
        return None
    return finding("data_mismatch", "step", share=share)
