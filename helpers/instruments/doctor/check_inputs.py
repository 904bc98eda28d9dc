"""The doctor's checks of what goes in and comes out: data, shapes, labels, scores."""

import math

import torch
from torch.nn import functional as F

from helpers.instruments.doctor import examples
from helpers.instruments.doctor.examination import (
    A_NUMBER,
    DIFFERENCES,
    NO_LOSS,
    Examination,
)
from helpers.instruments.doctor.examples import (
    FEW_ROWS,
    TINY_ROWS,
    class_numbers,
    guessing_accuracy,
)
from helpers.instruments.doctor.findings import Finding
from helpers.instruments.doctor.recording import CONVOLUTIONS, PRODUCTS
from helpers.instruments.trace_shapes import trace_shapes
from helpers.instruments.trace_shapes.messages import ALL_FLAT
from helpers.language import COMMA, NO_MESSAGE, tr
from helpers.tables import one_line

LARGE = 10  # a typical size of a number, where pictures go from 0 to 255
SMALL = 0.005  # the same, where they were divided by 255 twice
FEATURES = 16  # a picture with fewer numbers can be like another one
ENOUGH_LABELS = 32  # in a row, to see whether they are sorted
LABELS, PICTURES = "labels", "pictures"

NOT_A_CLASSIFIER = tr(
    "doctor examines classifiers, but this net returns pictures of shape {shape}, and "
    "no loss in the step compares scores with labels."
)

REGRESSION = tr(
    "doctor examines classifiers, but this net gives one number for each picture, and "
    "the loss compares it with the label as a number, as in a regression. To tell "
    "{classes} classes apart, give the net a score for each and use F.cross_entropy."
)


# --- It does not even run


def raises(exam: Examination) -> Finding | None:
    """The forward pass, the loss or a step with the last batch stops with an error."""
    return _raises(exam) or _last_batch(exam)


def _raises(exam):
    X, y, out = exam.X, exam.y, exam.out
    if exam.error is not None:
        return _forward_raises(exam, exam.error)
    if not isinstance(out, torch.Tensor) or exam.returned and exam.step.error:
        key = "raises: output" if exam.step.error else "wrong_output_width: output"
        return exam.finding(key, found=exam.returned)
    if exam.loss_kind in (NO_LOSS, A_NUMBER):
        return exam.finding(exam.loss_kind)
    if exam.backward_error is not None:
        made = exam.recording.operations
        places = [one.name for one in made if any(one.output is t for t in one.inputs)]
        key = "raises: in place" if places else "raises: backward"
        facts = {"operation": COMMA.join(dict.fromkeys(places))}
        return exam.finding(key, message=one_line(exam.backward_error), **facts)
    fits = out.ndim == 2 and len(out) == len(X) and out.shape[1] >= exam.classes
    if exam.loss_error is None or not fits:
        return None
    if y.shape == (len(X), 1) and exam.setup.raw_loss is F.cross_entropy:
        return exam.finding("raises: column", labels=tuple(y.shape))
    if y.ndim == 1 and y.is_floating_point() and "dtype" in str(exam.loss_error):
        facts = {"dtype": y.dtype, "message": one_line(exam.loss_error)}
        return exam.finding("raises: label type", **facts)
    with exam.setup.experiment():
        trace = trace_shapes(exam.setup.loss, exam.raw.detach(), y)
    explanation = trace.explanation or one_line(exam.loss_error)
    facts = {"shape": tuple(exam.raw.shape), "labels": tuple(y.shape)}
    return exam.finding("raises: loss", explanation=explanation, **facts)


def _forward_raises(exam, error):
    X, net, message = exam.X, exam.setup.net, one_line(error)
    if not X.is_floating_point() and X.max() > 20:
        facts = {"dtype": X.dtype, "high": X.max().item()}
        return exam.finding("unscaled_inputs: type", message=message, **facts)
    if name := _misnamed(net):
        facts = {"kind": type(net).__name__, "name": name}
        return exam.finding("raises: init", message=message, **facts)
    kinds = {p.dtype for p in exam.parameters.values() if p.is_floating_point()}
    if "dtype" in message and {X.dtype} != kinds:
        facts = {"dtype": X.dtype, "wanted": next(iter(kinds), None)}
        return exam.finding("raises: type", message=message, **facts)
    with exam.setup.experiment():
        trace = trace_shapes(net.train(), X)
    key = "flatten_order: flat" if trace.cause == ALL_FLAT else "raises"
    facts = {"explanation": trace.explanation or one_line(error, NO_MESSAGE)}
    return exam.finding(key, kind=type(error).__name__, **facts)


def _misnamed(net):
    """The method that was meant to be the __init__ of a net that holds nothing."""
    if any(True for _ in net.children()) or any(True for _ in net.parameters()):
        return None
    kind = type(net)
    names = {"_init_", "_init__", "__int__", "_int_", f"_{kind.__name__}__init_"}
    return next(iter(names & vars(kind).keys()), None)


def not_shuffled(exam: Examination) -> Finding | None:
    """A DataLoader gives one class after another."""
    batches = exam.setup.examples.batches
    if len(batches) < 2 or exam.out.ndim != 2:
        return None
    y = class_numbers(torch.cat(batches))
    share = (y[1:] == y[:-1]).double().mean().item()
    kinds = len(y.unique())
    if len(y) < ENOUGH_LABELS or share < 0.9 or kinds == 1 and exam.out.shape[1] < 3:
        return None
    if kinds > 1 and guessing_accuracy(y) > 0.8:
        return None  # that class is only frequent
    return exam.finding("not_shuffled", count=len(y), share=share)


def wrong_output_width(exam: Examination) -> Finding | None:
    """The scores do not have one column for each class."""
    shape, classes = tuple(exam.out.shape), exam.classes
    for loss in exam.step.operations:
        if loss.name in DIFFERENCES and len({t.shape for t in loss.inputs}) > 1:
            shapes = [tuple(t.shape) for t in loss.inputs]
            facts = {"operation": loss.name, "found": shapes[0], "labels": shapes[1]}
            return exam.finding("wrong_output_width: pairs", **facts)
    if shape[:1] != (len(exam.X),):
        return exam.finding("flatten_order: rows", found=shape[0])
    if math.prod(shape) == len(exam.X) and _is_regression(exam):
        raise ValueError(REGRESSION.format(classes=classes))
    if len(shape) != 2:
        return _of_another_form(exam, shape)
    # Where only the labels tell the number of classes, some classes may not occur.
    given, step = exam.setup.examples, exam.step
    needed, limit = classes, classes if given.sure else 5 * classes
    if not given.sure and step.error is None and step.y is not None:
        needed = int(class_numbers(step.y).max()) + 1  # the step may have changed them
    if needed <= shape[1] <= limit:
        return None
    low = 0 if given.sure else int(given.splits["train"][1].min())
    own = exam.setup.train_step and not step.error and not step.labels
    if own and exam.out[0].numel() == exam.X[0].numel():
        raise ValueError(NOT_A_CLASSIFIER.format(shape=shape))
    from_1 = low == 1 and shape[1] == classes - 1
    key = "wrong_output_width: from 1" if from_1 else "wrong_output_width"
    return exam.finding(key, width=shape[1], high=classes - 1, last=classes - 2)


def _of_another_form(exam, shape):
    """The net's output has not two dimensions."""
    last = exam.recording.products[-1:]
    given = tuple(last[0].operation.inputs[0].shape) if last else ()
    facts = {"shape": shape, "numbers": math.prod(given[1:])}
    key = "wrong_output_width: shape"
    if math.prod(shape[1:]) == exam.classes:
        key = "wrong_output_width: ones"
    elif last and last[0].operation.name in CONVOLUTIONS:
        key = "wrong_output_width: maps"
    elif shape[1:-1] == given[1:-1] and len(given) > 2:
        key = "wrong_output_width: each"
    return exam.finding(key, **facts)


def _is_regression(exam):
    """Whether the learner's loss has no use for scores and runs."""
    own = exam.setup.train_step or exam.setup.raw_loss is not F.cross_entropy
    names = [one.name for one in exam.step.operations]
    return own and not exam.step.error and not any("entropy" in name for name in names)


def _last_batch(exam):
    """A step works, but not with the few pictures of an epoch's last batch."""
    given, setup = exam.setup.examples, exam.setup
    count = given.last_batch
    if not count or exam.step.error or not given.batch_size:
        return None
    step = setup.watch_step(setup.X[:count], setup.y[:count], 0)
    if step.error is None:
        return None
    facts = {"rows": count, "size": given.batch_size}
    return exam.finding("raises: last batch", message=one_line(step.error), **facts)


# --- The numbers


def _not_finite(tensor):
    """How many values are NaN or infinite."""
    floats = tensor.is_floating_point() or tensor.is_complex()
    return (~tensor.isfinite()).sum().item() if floats else 0


def not_finite(exam: Examination) -> Finding | None:
    """NaN or infinite values: in the weights, in the data, or made on the way."""
    for name, p in exam.setup.net.named_parameters():
        if count := _not_finite(p):
            return exam.finding("not_finite: parameter", [name], count=count)
    if found := _not_finite_rows(exam):
        return found
    if count := _not_finite(exam.X):
        return exam.finding("not_finite: data", count=count)
    operations, loss = [], exam.step.loss
    if _not_finite(exam.out):
        operations += exam.recording.operations
    if loss is not None and not math.isfinite(loss):
        operations += exam.step.operations
    for operation in operations:
        if not _not_finite(operation.output) or any(map(_not_finite, operation.inputs)):
            continue
        if masked := next(filter(_all_masked, operations), None):
            return exam.finding("not_finite: masked", operation=masked.name)
        if operation.name not in PRODUCTS | CONVOLUTIONS:
            return exam.finding("not_finite", operation=operation.name)
        done = [product.operation for product in exam.recording.products]
        layer = done.index(operation) + 1 if operation in done else len(done)
        facts = {"operation": operation.name, "layer": layer}
        return exam.finding("exploding: overflow", **facts)
    for key, gradient in exam.gradients.items():
        if gradient is not None and _not_finite(gradient):
            about = [exam.used[key]]
            made = (one for one in exam.recording.operations if _steep_at_0(one))
            if steep := next(made, None):
                return exam.finding("not_finite: slope", about, operation=steep.name)
            return exam.finding("not_finite: gradient", about)
    return None


def _all_masked(operation):
    """Whether a softmax gets a row that is -inf everywhere."""
    if "softmax" not in operation.name or not operation.output.isnan().any():
        return False
    return bool((operation.inputs[0] == -math.inf).all(dim=-1).any())


def _steep_at_0(operation):
    """Whether it has an infinite slope at 0 and gets a 0."""
    if operation.name not in ("sqrt", "pow", "rsqrt", "norm", "vector_norm"):
        return False
    return operation.output.requires_grad and bool((operation.output == 0).any())


def _not_finite_rows(exam):
    """NaN or infinite values in a few pictures, which ruin the batch they are in."""
    setup = exam.setup
    X, which = setup.examples.not_finite()
    if not len(which):
        return None
    bad = X[which[:FEW_ROWS]].to(setup.X.device)
    batch, y = exam.given[0].clone(), exam.given[1]  # as BatchNorm needs several
    batch[: len(bad)] = bad[: len(batch)]
    with setup.experiment():
        losses = setup.step(batch, y)
        spoiled = any(map(_not_finite, setup.net.parameters()))
    if not spoiled and all(loss is None or math.isfinite(loss) for loss in losses):
        return None  # the step or the net knows what to do with them
    facts = {"rows": len(which), "all": len(X), "count": _not_finite(X[which])}
    return exam.finding("not_finite: rows", **facts)


def unscaled_inputs(exam: Examination) -> Finding | None:
    """The first weights get numbers as large as 255, next to 0, or always the same."""
    first = next((p for p in exam.recording.products if p.depth == 1), None)
    if first is None or "not_finite" in exam.codes or exam.trained:
        return None
    data = first.data.double()
    facts = {"low": data.min().item(), "high": data.max().item()}
    if len(data) == len(exam.X) and (data == data[:1]).all():
        return exam.finding("unscaled_inputs: equal", **facts)
    if any("norm" in operation.name for operation in exam.recording.operations):
        return None
    size = data.square().mean().sqrt().item()
    if size > LARGE:
        return exam.finding("unscaled_inputs", **facts)
    if size < SMALL and (trial := exam.stuck_trial):
        return exam.finding("unscaled_inputs: small", steps=trial.steps, **facts)
    return None


def lost_information(exam: Examination) -> Finding | None:
    """Many pictures are equal to one of another class."""
    X, y = exam.X, exam.labels
    if exam.as_given:  # then more of them
        X, y = exam.setup.X, exam.setup.y
    elif exam.origin is not None:
        y = exam.setup.examples.labels(exam.origin)
    X, labels = X.flatten(1).double(), class_numbers(y).to(X.device)
    if X.shape[1] < FEATURES or "unscaled_inputs" in exam.codes:
        return None
    generator = torch.Generator().manual_seed(4)
    mark = X @ torch.rand(X.shape[1], generator=generator).double().to(X.device)
    _, which = mark.unique(return_inverse=True)
    pairs = torch.stack([which, labels]).unique(dim=1)[0]
    share = (pairs.bincount()[which] > 1).double().mean().item()
    if share < 0.05:
        return None
    typical = (X != X.flatten().mode()[0]).sum(dim=1).median().item()
    facts = {"typical": typical, "size": X.shape[1], "pictures": len(X)}
    return exam.finding("lost_information", share=share, **facts)


# --- Do pictures and labels belong together?


def flatten_order(exam: Examination) -> Finding | None:
    """The learner's step makes other rows of a batch's numbers."""
    setup = exam.setup
    given, handed = exam.given[0].flatten(1).double(), exam.X.flatten(1).double()
    if setup.train_step is None or exam.origin is not None:
        return None
    if handed.shape != given.shape:
        return None
    if not torch.allclose(given.flatten().sort()[0], handed.flatten().sort()[0]):
        return None  # scaled, noisy, ...
    if torch.equal(given.sort(dim=0)[0], handed.sort(dim=0)[0]):
        return None  # each number is in its old place: parts of pictures are exchanged
    sums = given.sum(dim=1).sort()[0], handed.sum(dim=1).sort()[0]
    same_rows = torch.allclose(*sums, rtol=1e-9)
    return None if same_rows else exam.finding("flatten_order: step")


def _same_each_time(exam):
    """Whether the step gives the net the same few pictures for any batch."""
    if len(exam.X) > len(exam.setup.examples.splits["train"][0]) / 4:
        return False  # as in gradient descent with all pictures at once
    size = exam.setup.only or FEW_ROWS
    first, *others = [step.X for step, _ in exam.setup.handed(size, count=3)]
    return first is not None and all(
        X is not None and X.shape == first.shape and X.equal(first) for X in others
    )


def data_mismatch(exam: Examination) -> Finding | None:
    """The labels belong to other pictures, or the pictures are mixed up."""
    if "unscaled_inputs" in exam.codes and not exam.X.flatten(1).std(dim=0).any():
        return None
    for split, (X, y) in exam.setup.examples.splits.items():
        rows, labels = examples.sample(X, y)
        found = examples.not_told_apart(rows, labels)
        if found is None:
            continue
        chance = guessing_accuracy(class_numbers(labels))
        facts = {"split": split, "found": found, "chance": chance}
        flat = X.flatten(1)
        for other in (flat.T.reshape(flat.shape), flat.reshape(flat.shape[::-1]).T):
            undone = examples.told_apart(*examples.sample(other, y))
            if undone is not None and undone > found + 0.1:
                return exam.finding("flatten_order: data", undone=undone, **facts)
        scrambled = examples.looks_scrambled(rows)
        key = "flatten_order: scrambled" if scrambled else "data_mismatch"
        return exam.finding(key, **facts)
    if exam.setup.train_step and not exam.as_given and _same_each_time(exam):
        return exam.finding("data_mismatch: same")
    # Or does the loss compare pictures with labels other than those in the data?
    seen = exam.step.y
    if exam.origin is None or seen is None or len(seen) != len(exam.origin):
        return None
    seen = class_numbers(seen)
    own = class_numbers(exam.setup.examples.labels(exam.origin)).to(seen.device)
    pairs = len(torch.stack([own, seen]).unique(dim=1).T)
    share = (own != seen).float().mean().item()
    if share < 0.05 or pairs == len(own.unique()):  # the classes are only renumbered
        return None
    if share < 0.3 and exam.learns:  # such as labels with noise, on purpose
        return None
    return exam.finding("data_mismatch: step", share=share)


def late_labels(exam: Examination) -> Finding | None:
    """The step has the labels, or the pictures, of an earlier batch."""
    trial = exam.trial() if exam.setup.train_step and not exam.step.error else None
    if (
        trial is None
        or trial.astray
        or trial.by_mode
        and trial.by_mode[1] > exam.chance + 0.2
    ):
        return None
    late = _late(exam, 3)
    if late is None or late != _late(exam, 4):  # a step may do each by turns
        return None
    key = "late_labels" if late == LABELS else "late_labels: pictures"
    return exam.finding(key)


def _late(exam, count):
    """LABELS or PICTURES: what doesn't count in the last of so many calls, though the
    other does, and what earlier calls got does. None where it is neither."""
    setup = exam.setup
    size = setup.only or (TINY_ROWS if exam.slow else FEW_ROWS)

    def left(what, calls):
        """By these calls, of which some get the labels or pictures in another order."""
        with setup.experiment():
            setup.net.train()
            for number, (X, y) in zip(range(count), setup.batches(size)):
                if number in calls:
                    X, y = (X.roll(1, 0), y) if what == PICTURES else (X, y.roll(1, 0))
                setup.step(X, y)
            leaves = setup.learnable
            slopes = [t.grad for t in leaves if t.grad is not None]
            return torch.cat([t.detach().clone().flatten() for t in leaves + slopes])

    usual, last = left(LABELS, []), [count - 1]
    idle = [w for w in (LABELS, PICTURES) if left(w, last).equal(usual)]
    if len(idle) == 1 and not left(idle[0], range(count - 1)).equal(usual):
        return idle[0]
    return None
