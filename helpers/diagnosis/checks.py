"""The doctor's checks that need no training.

Each is a small function that looks at a `Case` and returns a `Finding`, or None.
before: the codes of the checks that have spoken already.
"""

import contextlib
import math

import torch

from helpers.diagnosis.case import MANY
from helpers.diagnosis.examples import class_numbers, most, rough, same_rows, told_apart
from helpers.diagnosis.findings import finding
from helpers.diagnosis.patient import mode_layers
from helpers.diagnosis.tape import CONVOLUTIONS, PRODUCTS, Tape
from helpers.shapes import trace_shapes
from helpers.xray.walk import TENSOR, find_tensors


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


def wrong_output_width(case):
    """The scores do not have one column for each class."""
    rows, shape, classes = len(case.X), tuple(case.out.shape), case.classes
    if shape[:1] != (rows,):
        return finding("flatten_order", "rows", rows=rows, found=shape[0])
    if len(shape) != 2:
        facts = {"rows": rows, "shape": shape, "classes": classes}
        return finding("wrong_output_width", "shape", **facts)
    # Where only the labels tell the number of classes, some may just not occur.
    limit = classes if case.patient.data.sure else 5 * classes
    if not classes <= shape[1] <= limit:
        return finding("wrong_output_width", width=shape[1], classes=classes)
    return None


# --- What can be seen without training


def not_finite(case, before):
    """nan or inf, in the weights, in the data, or made on the way."""
    for name, p in case.patient.net.named_parameters():
        if count := _infinite(p):
            return finding("not_finite", "parameter", names=name, count=count)
    if count := _infinite(case.X):
        return finding("not_finite", "data", count=count)
    for bad, operations in (
        (_infinite(case.out), case.tape.operations),
        (not math.isfinite(case.step.loss), case.step.operations),
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


def _first_infinite(operations):
    for operation in operations:
        if _infinite(operation.output) and not any(map(_infinite, operation.inputs)):
            return operation
    return None


def unregistered(case, before):
    """The pass works with a weight that the module does not know."""
    known = case.parameters.keys() | case.held.keys() | case.step.moved
    hidden = [t for key, t in case.used.items() if key not in known]
    if not hidden and not case.trained:
        hidden = _constant_weights(case)
    return finding("unregistered", names=case.named(hidden)) if hidden else None


def _constant_weights(case):
    """Plain tensors, stored in the net, that stand where a weight stands."""
    plain = {
        id(found.tensor)
        for found in find_tensors(case.patient.net)
        if found.places[0].what == TENSOR and found.tensor.is_floating_point()
    }
    weights = [product.weight for product in case.tape.products]
    weights = [w for w in weights if id(w) in plain - case.step.moved]
    return weights if not case.held.keys() & set(map(id, weights)) else []


def no_gradient(case, before):
    """Parameters take part in the forward pass, but the loss does not reach them."""
    asked = case.step.got if case.patient.train_step else set()
    cut = [p for key, p in case.used.items() if case.slopes[key] is None]
    cut = [p for p in cut if id(p) in case.parameters.keys() - asked]
    if cut:
        names = case.named(cut)
        for operation in case.tape.operations:
            flows = any(t.requires_grad for t in operation.inputs)
            floats = operation.output.is_floating_point()
            if flows and floats and not operation.output.requires_grad:
                if operation.name in ("detach", "data"):
                    facts = {"names": names, "operation": operation.name}
                    return finding("no_gradient", "cut", **facts)
                return finding("no_gradient", "off", names=names)
        return finding("no_gradient", names=names)
    step = case.step
    unfit = step.error is None or "does not require grad" in str(step.error)
    if case.used and unfit and not (step.got or step.moved):
        return finding("no_gradient", "step", names=case.named(case.used.values()))
    return None


def frozen(case, before):
    """A weight with requires_grad=False."""
    weights = [product.weight for product in case.tape.products]
    still = {id(w): w for w in weights if w is not None and not w.requires_grad}
    still = [w for key, w in still.items() if key in case.parameters]
    return finding("frozen", names=case.named(still)) if still else None


def not_in_optimizer(case, before):
    """The optimizer was not handed what the net uses."""
    if case.patient.optimizer is None or "no_gradient" in before:
        return None
    reached = [key for key in case.used if key in case.parameters]
    missing = [k for k in reached if k not in case.held and k not in case.step.moved]
    if not missing:
        return None
    names = case.named(case.used[key] for key in missing)
    stale = len(case.held.keys() - case.parameters.keys())
    if stale:
        return finding("not_in_optimizer", "stale", names=names, stale=stale)
    return finding("not_in_optimizer", names=names)


def no_update(case, before):
    """Gradients arrive, and yet a step changes nothing."""
    step, fine = case.step, not before & {"not_in_optimizer", "unregistered"}
    if not (fine and case.patient.train_step) or step.error or step.moved:
        return None
    names = case.named(case.used.values())
    return finding("no_update", names=names) if step.got else None


def flatten_order(case, before):
    """Numbers of different pictures are mixed, in the net or before it."""
    patient, rows = case.patient, len(case.X) // 2
    batch_norms = [m for _, m in mode_layers(patient.net) if hasattr(m, "running_mean")]
    mixes_rightly = any(m.running_mean is None for m in batch_norms)
    if rows > 1 and not mixes_rightly:
        half = rows // 2
        other = torch.cat([case.X[:half], case.X[rows : 2 * rows - half]])
        with patient.experiment(), torch.no_grad():
            one = patient.net.eval()(case.X[:rows])
            patient.again()
            two = patient.net.eval()(other)
        typical = (one - one.roll(1, 0)).norm(dim=1).mean()
        if (one - two)[:half].norm(dim=1).mean() > 0.2 * typical > 0:
            return finding("flatten_order", "net")
    if _row_order(case) == "mixed":
        return finding("flatten_order", "step")
    return None


def _row_order(case):
    """What a step of the learner's does to the rows of a batch: "mixed", or where
    each row comes from; None where that can't be told."""
    given, handed = case.patient.X[: len(case.X)], case.X
    if case.patient.train_step is None or handed.numel() != given.numel():
        return None
    given, handed = given.flatten(1).double(), handed.flatten(1).double()
    if given.shape != handed.shape:
        return None
    if not torch.allclose(given.flatten().sort()[0], handed.flatten().sort()[0]):
        return None  # scaled, noisy, ...
    weight = torch.linspace(1, 2, given.shape[1], dtype=torch.float64)
    keys, keys_handed = (X @ weight.to(X.device) for X in (given, handed))
    keys, order = keys.sort()
    keys_handed, order_handed = keys_handed.sort()
    if torch.allclose(keys, keys_handed, rtol=1e-9):
        if (keys.diff() < 1e-6).any():
            return None  # equal pictures
        return order[order_handed.argsort()]
    sums = given.sum(dim=1).sort()[0], handed.sum(dim=1).sort()[0]
    return None if torch.allclose(*sums, rtol=1e-9) else "mixed"


def unscaled_inputs(case, before):
    """The first weights meet numbers as large as 255."""
    first = next((p for p in case.tape.products if p.depth == 1), None)
    if first is None or "not_finite" in before or case.trained:
        return None
    normalized = any("norm" in o.name for o in case.tape.operations)
    low, high = first.data.min().item(), first.data.max().item()
    if normalized or max(-low, high) <= 20:
        return None
    return finding("unscaled_inputs", low=low, high=high)


def data_mismatch(case, before):
    """The labels belong to other pictures, or the pictures are mixed."""
    for split, (X, y) in case.patient.data.splits.items():
        rows, labels = case.patient.data.rows(split)
        found, chance = told_apart(rows, labels)
        if found is None or found > chance:
            continue
        facts = {"split": split, "found": found, "chance": most(class_numbers(labels))}
        flat = X.flatten(1)
        for other in (flat.T.reshape(flat.shape), flat.reshape(flat.shape[::-1]).T):
            undone, _ = told_apart(*same_rows(other, y))
            if undone > chance + 0.1:
                return finding("flatten_order", "data", undone=undone, **facts)
        if rough(rows):
            return finding("flatten_order", "rough", **facts)
        return finding("data_mismatch", **facts)
    order = _row_order(case)
    if isinstance(order, torch.Tensor):
        labels = class_numbers(case.patient.y[: len(case.X)])[order]
        share = (labels != case.labels).float().mean().item()
        if share > 0:
            return finding("data_mismatch", "step", share=share)
    return None


def softmax_twice(case, before):
    """A softmax of what is already the result of one."""
    for operation in case.step.operations:
        if operation.name not in ("softmax", "log_softmax", "cross_entropy"):
            continue
        rows = operation.inputs[0].detach()
        if rows.ndim == 2 and rows.shape[1] > 1 and rows.is_floating_point():
            sums = rows.sum(dim=1)
            if rows.min() >= 0 and torch.allclose(sums, torch.ones_like(sums), 0, 1e-3):
                return finding("softmax_twice", operation=operation.name)
    return None


def wrong_mode(case, before):
    """Trained in eval mode, or measured in training mode."""
    patient = case.patient
    layers = dict(mode_layers(patient.net))
    given = {name: layer.training for name, layer in layers.items()}
    modes = case.step.modes if patient.train_step else []
    trained = {name for name, training in modes if training}
    left = list(dict.fromkeys(name for name, _ in modes if name not in trained))
    if switched := [name for name in left if given[name]]:
        return finding("wrong_mode", "step", names=", ".join(switched[:MANY]))
    idle = left if patient.train_step else [name for name in given if not given[name]]
    if patient.optimizer is None and patient.train_step is None:
        idle = []
    # A model that has just been measured arrives in eval mode, too.
    fresh = any(getattr(layers[n], "num_batches_tracked", None) == 0 for n in idle)
    if idle and (fresh or not case.trained):
        return finding("wrong_mode", "eval", names=", ".join(idle[:MANY]))
    with patient.experiment(), torch.no_grad():
        net = patient.net.eval()
        stuck = [name for name, layer in layers.items() if layer.training]
        first, second = net(case.X), net(case.X)
        if stuck:
            return finding("wrong_mode", "measured", names=", ".join(stuck[:MANY]))
        if not torch.allclose(first, second, 1e-3, 1e-6, equal_nan=True):
            return finding("wrong_mode", "random")
    return None


def gradients_accumulate(case, before):
    """A step adds to the gradients of the last one."""
    patient, count = case.patient, 8
    consequence = before & {"unregistered", "not_in_optimizer"}
    if not patient.train_step or case.step.error or not case.step.got or consequence:
        return None
    X, y = patient.X[:64], patient.y[:64]
    sizes = []
    with patient.experiment():
        patient.net.zero_grad()
        for _ in range(count):
            patient.again()
            patient.step(X, y)
            slopes = [p.grad for p in patient.net.parameters() if p.grad is not None]
            sizes.append(math.hypot(*(slope.norm().item() for slope in slopes)))
    factor = sizes[-1] / sizes[0] if sizes[0] else 0
    if factor >= 0.9 * count:
        return finding("gradients_accumulate", count=count, factor=factor)
    return None


def identical_units(case, before):
    """All units of a hidden layer are equal, and a few steps do not change that."""
    if before & {"no_gradient", "unregistered", "not_finite", "data_mismatch"}:
        return None
    if not (suspect := _equal_layer(case.tape)):
        return None
    patient = case.patient
    with patient.experiment():
        patient.set_lr(max(patient.lr or 0, 0.01))
        for _, (X, y) in zip(range(5), patient.batches(64)):
            with contextlib.suppress(Exception):
                patient.step(X, y)
        with Tape(case.X) as tape, torch.no_grad():
            patient.net(case.X)
    if not _equal_layer(tape):
        return None
    names = case.named([suspect.weight])
    return finding("identical_units", names=names, count=suspect.out.shape[-1])


def _equal_layer(tape):
    """The first product before the last whose units all give the same, or None."""
    last = max((product.depth for product in tape.products), default=0)
    for product in tape.products:
        out, data = product.out, product.data
        if product.depth == last or product.weight is None or out.shape[-1] < 2:
            continue
        far = (out - out[..., :1]).abs().max()
        if data.any() and far <= 1e-4 * out.abs().max():
            return product
    return None


def dead_units(case, before):
    """Units that are 0 for every picture."""
    if "identical_units" in before:
        return None
    for product in case.tape.products:
        if product.depth > 1 and product.weight is not None:
            units = product.data.flatten(0, -2)
            dead = (units == 0).all(dim=0).sum().item()
            count = units.shape[1]
            if dead >= 0.9 * count:
                names = case.named([product.weight])
                facts = {"dead": dead, "count": count, "rows": len(case.X)}
                return finding("dead_units", names=names, **facts)
    return None


def no_nonlinearity(case, before):
    """Layers in a row that amount to a single one."""
    if case.layers < 2 or not case.X.is_floating_point() or "dead_units" in before:
        return None
    half = len(case.X) // 2
    far = torch.randn(case.X.shape, generator=torch.Generator().manual_seed(3))
    probes = case.X, 100 * far.to(case.X)
    with case.patient.experiment(), torch.no_grad():
        net = case.patient.net.eval()
        for X in probes:
            a, b = X[:half], X[half : 2 * half]
            f_a, f_b, f_middle = (_last_product(net, Z) for Z in (a, b, (a + b) / 2))
            varies, size = (f_a - f_b).abs().max(), f_a.abs().max()
            bent = (f_middle - (f_a + f_b) / 2).abs().max()
            if not (varies > 1e-3 * size and bent <= 1e-4 * varies + 1e-6 * size):
                return None
    return finding("no_nonlinearity", layers=case.layers)


def _last_product(net, X):
    with Tape(X) as tape:
        net(X)
    return tape.products[-1].out


STATIC = [  # causes before their consequences
    not_finite,
    unregistered,
    no_gradient,
    frozen,
    not_in_optimizer,
    no_update,
    flatten_order,
    unscaled_inputs,
    data_mismatch,
    softmax_twice,
    wrong_mode,
    gradients_accumulate,
    identical_units,
    dead_units,
    no_nonlinearity,
]
