"""The doctor's checks of what happens in the net: units, activations, modes.

Each looks at an `Examination` and returns a `Finding`, or None. before: the codes of
what other checks have found already.
"""

import contextlib

import torch

from helpers.instruments.doctor.examination import MAX_NAMES, Examination
from helpers.instruments.doctor.findings import Finding, finding
from helpers.instruments.doctor.recording import Recording
from helpers.instruments.doctor.training_setup import mode_layers


def softmax_twice(exam: Examination, before: set[str]) -> Finding | None:
    """A softmax of what is already the result of one, or one over the batch."""
    for operation in exam.step.operations:
        if operation.name not in ("softmax", "log_softmax", "cross_entropy"):
            continue
        rows = operation.inputs[0].detach()
        if rows.ndim != 2 or min(rows.shape) < 2 or not rows.is_floating_point():
            continue
        if _adds_up(rows, 1):
            return finding("softmax_twice", operation=operation.name)
        if _adds_up(rows, 0):
            facts = {"operation": operation.name, "rows": len(rows)}
            return finding("softmax_twice: batch", **facts)
    return None


def softmax_missing(exam: Examination, before: set[str]) -> Finding | None:
    """nll_loss gets something other than logarithms of probabilities."""
    for operation in exam.step.operations:
        rows = operation.inputs[0].detach() if operation.inputs else None
        if operation.name != "nll_loss" or rows.ndim != 2:
            continue
        if _adds_up(rows, 1):
            return finding("softmax_missing: log")
        total = rows.logsumexp(dim=1).abs().median().item()
        if total > 0.01:
            return finding("softmax_missing", total=rows[0].exp().sum().item())
    return None


def _adds_up(rows, dim):
    """Whether these are probabilities along that dimension."""
    sums = rows.sum(dim=dim)
    return rows.min() >= 0 and torch.allclose(sums, torch.ones_like(sums), 0, 1e-3)


def wrong_mode(exam: Examination, before: set[str]) -> Finding | None:
    """Trained in eval mode, or measured in training mode."""
    setup = exam.setup
    layers = dict(mode_layers(setup.net))
    training = {name: layer.training for name, layer in layers.items()}
    modes = exam.step.modes if setup.train_step else []
    trained = {name for name, on, _ in modes if on}
    left = list(dict.fromkeys(name for name, *_ in modes if name not in trained))
    if switched := [name for name in left if training[name]]:
        return finding("wrong_mode: step", names=", ".join(switched[:MAX_NAMES]))
    idle = left
    if setup.train_step is None:
        idle = [name for name in training if setup.optimizer and not training[name]]
    # A model that has just been measured arrives in eval mode as well.
    fresh = any(getattr(layers[n], "num_batches_tracked", None) == 0 for n in idle)
    if idle and (fresh or not exam.trained):
        return finding("wrong_mode", names=", ".join(idle[:MAX_NAMES]))
    if names := _measured_with_dropout(layers, modes):
        return finding("wrong_mode: no eval", names=", ".join(names[:MAX_NAMES]))
    with setup.experiment(), torch.no_grad():
        net = setup.net.eval()
        stuck = [name for name, layer in layers.items() if layer.training]
        first, second = net(exam.X), net(exam.X)
        if stuck:
            return finding("wrong_mode: measured", names=", ".join(stuck[:MAX_NAMES]))
        same = torch.allclose(first, second, 1e-3, 1e-6, equal_nan=True)
        if not same and "unregistered" not in before:  # weights made anew
            return finding("wrong_mode: random")
    return None


def _measured_with_dropout(layers, modes):
    """Dropout layers that also run without gradients, and never in eval mode then."""
    learns = {name for name, training, slopes in modes if slopes}
    measured = {name for name, training, slopes in modes if training and not slopes}
    right = {name for name, training, _ in modes if not training}
    dropout = [name for name, layer in layers.items() if hasattr(layer, "p")]
    return [name for name in dropout if name in learns & measured - right]


def identical_units(exam: Examination, before: set[str]) -> Finding | None:
    """All units of a hidden layer are equal, and a few steps do not change that."""
    if before & {"no_gradient", "unregistered", "not_finite", "data_mismatch"}:
        return None
    if suspect := _layer_of(exam.recording, _equal):
        setup = exam.setup
        with setup.experiment():
            setup.set_lr(max(setup.lr or 0, 0.01))
            for _, (X, y) in zip(range(5), setup.batches(64)):
                with contextlib.suppress(Exception):
                    setup.step(X, y)
            with Recording(exam.X) as recording, torch.no_grad():
                setup.net(exam.X)
        if _layer_of(recording, _equal):
            names, count = exam.named([suspect.weight]), suspect.out.shape[-1]
            return finding("identical_units", names=names, count=count)
    suspect = _layer_of(exam.recording, _equal_but_for_biases)
    if suspect and exam.stuck_trial:
        facts = {"names": exam.named([suspect.weight]), "count": suspect.out.shape[-1]}
        return finding("identical_units: biases", steps=exam.stuck_trial.steps, **facts)
    return None


def _layer_of(recording, holds):
    """The first product before the last whose outputs `holds` is true of, or None."""
    last = max((product.depth for product in recording.products), default=0)
    for product in recording.products:
        if product.depth == last or product.weight is None or product.out.shape[-1] < 2:
            continue
        if product.data.any() and holds(product.out):
            return product
    return None


def _equal(out):
    """Whether all units give the same."""
    return (out - out[..., :1]).abs().max() <= 1e-4 * out.abs().max()


def _equal_but_for_biases(out):
    rows = out.flatten(0, -2)
    rows = rows - rows.mean(dim=0)
    return rows.any() and _equal(rows)


def dead_units(exam: Examination, before: set[str]) -> Finding | None:
    """Units, or the scores themselves, are 0 for every picture."""
    if "identical_units" in before:
        return None
    for product in exam.recording.products:
        if product.depth > 1 and product.weight is not None:
            units = product.data.flatten(0, -2)
            dead = (units == 0).all(dim=0).sum().item()
            count = units.shape[1]
            if dead >= 0.9 * count:
                names = exam.named([product.weight])
                facts = {"dead": dead, "count": count, "rows": len(exam.X)}
                dropped = _alive_in_eval(exam, product)
                key = "dead_units: dropout" if dropped else "dead_units"
                return finding(key, names=names, **facts)
    return None if before & {"no_gradient", "not_finite"} else _dead_scores(exam)


def _alive_in_eval(exam, product):
    """Whether the units that feed into a product are only dead in training mode."""
    place = exam.recording.products.index(product)
    with exam.setup.experiment(), torch.no_grad(), Recording(exam.X) as recording:
        exam.setup.net.eval()(exam.X)
    return bool(recording.products[place].data.any())


def _dead_scores(exam):
    """Scores that are 0 for each picture, and stay 0 for some steps."""
    dead = (exam.out == 0).all(dim=0)
    if not dead.any():
        return None
    setup = exam.setup
    with setup.experiment():
        for _, (X, y) in zip(range(5), setup.batches(64)):
            setup.step(X, y)
        with torch.no_grad():
            dead &= (setup.net(exam.X) == 0).all(dim=0)
    if not dead.any():
        return None
    facts = {"dead": dead.sum().item(), "count": len(dead), "rows": len(exam.X)}
    return finding("dead_units: scores", **facts)


def no_nonlinearity(exam: Examination, before: set[str]) -> Finding | None:
    """Several layers amount to a single one."""
    if exam.num_layers < 2 or not exam.X.is_floating_point() or "dead_units" in before:
        return None
    half = len(exam.X) // 2
    far = torch.randn(exam.X.shape, generator=torch.Generator().manual_seed(3))
    probes = exam.X, 100 * far.to(exam.X)
    with exam.setup.experiment(), torch.no_grad():
        net = exam.setup.net.eval()
        for X in probes:
            a, b = X[:half], X[half : 2 * half]
            f_a, f_b, f_middle = (_last_product(net, Z) for Z in (a, b, (a + b) / 2))
            varies, size = (f_a - f_b).abs().max(), f_a.abs().max()
            bent = (f_middle - (f_a + f_b) / 2).abs().max()
            if not (varies > 1e-3 * size and bent <= 1e-4 * varies + 1e-6 * size):
                return None
    return finding("no_nonlinearity", layers=exam.num_layers)


def _last_product(net, X):
    with Recording(X) as recording:
        net(X)
    return recording.products[-1].out
