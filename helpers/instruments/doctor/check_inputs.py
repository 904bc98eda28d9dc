"""The doctor's checks of what goes in and comes out: data, shapes, labels, scores.

Each looks at an `Examination` and returns a `Finding`, or None. before: the codes of
what other checks have found already.
"""

import math

import torch

from helpers.instruments.doctor.examination import Examination
from helpers.instruments.doctor.examples import (
    class_numbers,
    evenly_spread,
    guessing_accuracy,
    looks_scrambled,
    told_apart,
)
from helpers.instruments.doctor.findings import Finding, finding
from helpers.instruments.doctor.recording import CONVOLUTIONS, PRODUCTS
from helpers.instruments.doctor.training_setup import PASS_ROWS, mode_layers
from helpers.instruments.trace_shapes import trace_shapes
from helpers.instruments.trace_shapes.messages import ALL_FLAT
from helpers.tables import one_line

LARGE = 10  # a typical size of a number, where pictures go from 0 to 255
SMALL = 0.005  # the same, where they were divided by 255 twice


def _not_finite(tensor):
    """How many values are NaN or infinite."""
    floats = tensor.is_floating_point() or tensor.is_complex()
    return (~tensor.isfinite()).sum().item() if floats else 0


# --- It does not even run


def raises(exam: Examination) -> Finding | None:
    """The forward pass or the loss stops with an error."""
    X, y, out, error = exam.X, exam.y, exam.out, exam.error
    if error is not None and not X.is_floating_point() and X.max() > 20:
        facts = {"dtype": X.dtype, "high": X.max().item(), "message": one_line(error)}
        return finding("unscaled_inputs: type", **facts)
    if error is not None:
        with exam.setup.experiment():
            trace = trace_shapes(exam.setup.net.train(), X)
        explanation = trace.explanation or one_line(error)
        if trace.cause == ALL_FLAT:
            return finding("flatten_order: flat", explanation=explanation)
        facts = {"kind": type(error).__name__, "explanation": explanation}
        return finding("raises", **facts)
    if not isinstance(out, torch.Tensor):
        return finding("raises: output", found=type(out).__name__)
    if exam.loss_error is not None and not _wrong_width(exam):
        with exam.setup.experiment():
            trace = trace_shapes(exam.setup.loss, out.detach(), y)
        explanation = trace.explanation or one_line(exam.loss_error)
        shapes = {"shape": tuple(out.shape), "labels": tuple(y.shape)}
        return finding("raises: loss", explanation=explanation, **shapes)
    return None


def _wrong_width(exam):
    out = exam.out
    return out.ndim != 2 or len(out) != len(exam.X) or out.shape[1] < exam.classes


def not_shuffled(exam: Examination) -> Finding | None:
    """A DataLoader gives one class after another."""
    batches = [class_numbers(y) for y in exam.setup.examples.batches if len(y) >= 8]
    if len(batches) < 4 or exam.out.ndim != 2:
        return None
    share = sum(map(guessing_accuracy, batches)) / len(batches)
    kinds = len(torch.cat(batches).unique())
    if share < 0.9 or kinds == 1 and exam.out.shape[1] < 3:
        return None
    if kinds > 1 and guessing_accuracy(torch.cat(batches)) > 0.8:
        return None  # that class is only frequent
    return finding("not_shuffled", batches=len(batches), share=share)


def wrong_output_width(exam: Examination) -> Finding | None:
    """The scores do not have one column for each class."""
    rows, shape, classes = len(exam.X), tuple(exam.out.shape), exam.classes
    if shape[:1] != (rows,):
        return finding("flatten_order: rows", rows=rows, found=shape[0])
    if len(shape) != 2:
        facts = {"rows": rows, "shape": shape, "classes": classes}
        return finding("wrong_output_width: shape", **facts)
    # Where only the labels tell the number of classes, some classes may not occur.
    examples, step = exam.setup.examples, exam.step
    needed, limit = classes, classes if examples.sure else 5 * classes
    if not examples.sure and step.error is None and step.y is not None:
        needed = int(class_numbers(step.y).max()) + 1  # the step may have changed them
    if needed <= shape[1] <= limit:
        return None
    low = 0 if examples.sure else int(examples.splits["train"][1].min())
    if low == 1 and shape[1] == classes - 1:
        facts = {"high": classes - 1, "last": classes - 2, "width": shape[1]}
        return finding("wrong_output_width: from 1", **facts)
    return finding("wrong_output_width", width=shape[1], classes=classes)


# --- The numbers


def not_finite(exam: Examination, before: set[str]) -> Finding | None:
    """NaN or infinite values: in the weights, in the data, or made on the way."""
    for name, p in exam.setup.net.named_parameters():
        if count := _not_finite(p):
            return finding("not_finite: parameter", names=name, count=count)
    if found := _not_finite_rows(exam):
        return found
    if count := _not_finite(exam.X):
        return finding("not_finite: data", count=count)
    loss = exam.step.loss
    for bad, operations in (
        (_not_finite(exam.out), exam.recording.operations),
        (loss is not None and not math.isfinite(loss), exam.step.operations),
    ):
        operation = _first_to_fail(operations) if bad else None
        if operation is not None and operation.name in PRODUCTS | CONVOLUTIONS:
            done = [product.operation for product in exam.recording.products]
            layer = done.index(operation) + 1 if operation in done else len(done)
            facts = {"operation": operation.name, "layer": layer}
            return finding("exploding: overflow", **facts)
        if operation is not None:
            return finding("not_finite", operation=operation.name)
    for key, gradient in exam.gradients.items():
        if gradient is not None and _not_finite(gradient):
            names = exam.named([exam.used[key]])
            return finding("not_finite: gradient", names=names)
    return None


def _not_finite_rows(exam):
    """NaN or infinite values in a few pictures, which ruin the batch they are in."""
    setup = exam.setup
    X, which = setup.examples.not_finite()
    if not len(which):
        return None
    bad = X[which[:PASS_ROWS]].to(setup.X.device)
    y = setup.y.repeat(*[1 + len(bad) // len(setup.y)] + [1] * (setup.y.ndim - 1))
    with setup.experiment():
        losses = setup.step(bad, y[: len(bad)])
        spoiled = [p for p in setup.net.parameters() if _not_finite(p)]
        known = [loss for loss in losses if loss is not None]
        if not spoiled and all(map(math.isfinite, known)):
            return None  # the step or the net knows what to do with them
    facts = {"rows": len(which), "all": len(X), "count": _not_finite(X[which])}
    return finding("not_finite: rows", **facts)


def _first_to_fail(operations):
    """The first that makes NaN or infinite values from finite ones, or None."""
    for operation in operations:
        fails = _not_finite(operation.output)
        if fails and not any(map(_not_finite, operation.inputs)):
            return operation
    return None


def unscaled_inputs(exam: Examination, before: set[str]) -> Finding | None:
    """The first weights get numbers as large as 255, next to 0, or always the same."""
    first = next((p for p in exam.recording.products if p.depth == 1), None)
    if first is None or "not_finite" in before or exam.trained:
        return None
    data = first.data.double()
    facts = {"low": data.min().item(), "high": data.max().item(), "rows": len(exam.X)}
    if len(data) == len(exam.X) and (data == data[:1]).all():
        return finding("unscaled_inputs: equal", **facts)
    normalized = any("norm" in o.name for o in exam.recording.operations)
    size = data.square().mean().sqrt().item()
    if size > LARGE and not normalized:
        return finding("unscaled_inputs", **facts)
    if size < SMALL and not normalized and exam.stuck_trial:
        steps = exam.stuck_trial.steps
        return finding("unscaled_inputs: small", steps=steps, **facts)
    return None


# --- Do pictures and labels belong together?


def flatten_order(exam: Examination, before: set[str]) -> Finding | None:
    """The numbers of different pictures are mixed, in the net or before it."""
    setup, rows = exam.setup, len(exam.X) // 2
    batch_norms = [m for _, m in mode_layers(setup.net) if hasattr(m, "running_mean")]
    mixes_rightly = any(m.running_mean is None for m in batch_norms)
    if rows > 1 and not mixes_rightly and "softmax_twice" not in before:
        half = rows // 2
        other = torch.cat([exam.X[:half], exam.X[rows : 2 * rows - half]])
        with setup.experiment(), torch.no_grad():
            one = setup.net.eval()(exam.X[:rows])
            setup.rewind()
            two = setup.net.eval()(other)
        typical = (one - one.roll(1, 0)).norm(dim=1).mean()
        if (one - two)[:half].norm(dim=1).mean() > 0.2 * typical > 0:
            return finding("flatten_order")
    return finding("flatten_order: step") if _mixed(exam) else None


def _mixed(exam):
    """Whether the learner's step makes other rows of a batch's numbers."""
    given, handed = exam.given[0], exam.X
    if exam.setup.train_step is None or exam.origin is not None:
        return False
    if handed.numel() != given.numel() or len(handed) != len(given):
        return False
    given, handed = given.flatten(1).double(), handed.flatten(1).double()
    if not torch.allclose(given.flatten().sort()[0], handed.flatten().sort()[0]):
        return False  # scaled, noisy, ...
    sums = given.sum(dim=1).sort()[0], handed.sum(dim=1).sort()[0]
    return not torch.allclose(*sums, rtol=1e-9)


def data_mismatch(exam: Examination, before: set[str]) -> Finding | None:
    """The labels belong to other pictures, or the pictures are mixed up."""
    if "unscaled_inputs" in before and not exam.X.flatten(1).std(dim=0).any():
        return None
    for split, (X, y) in exam.setup.examples.splits.items():
        rows, labels = exam.setup.examples.rows(split)
        found, told = told_apart(rows, labels)
        if found is None or told:
            continue
        chance = guessing_accuracy(class_numbers(labels))
        facts = {"split": split, "found": found, "chance": chance}
        flat = X.flatten(1)
        for other in (flat.T.reshape(flat.shape), flat.reshape(flat.shape[::-1]).T):
            undone, told = told_apart(*evenly_spread(other, y))
            if told and undone > found + 0.1:
                return finding("flatten_order: data", undone=undone, **facts)
        if looks_scrambled(rows):
            return finding("flatten_order: scrambled", **facts)
        return finding("data_mismatch", **facts)
    return _mismatch_in_step(exam)


def _mismatch_in_step(exam):
    """The loss compares pictures with labels other than those in the data."""
    seen = exam.step.y
    if exam.origin is None or seen is None or len(seen) != len(exam.origin):
        return None
    seen = class_numbers(seen)
    own = class_numbers(exam.setup.examples.labels(exam.origin)).to(seen.device)
    pairs = len(torch.stack([own, seen]).unique(dim=1).T)
    share = (own != seen).float().mean().item()
    if share < 0.05 or pairs == len(own.unique()):  # the classes are only renumbered
        return None
    return finding("data_mismatch: step", share=share)
