"""The doctor's checks of what happens in the net: units, activations, modes.

Each is a small function that looks at a `Case` and returns a `Finding`, or None.
before: the codes of the checks that have spoken already.
"""

import contextlib

import torch

from helpers.instruments.doctor.case import MANY
from helpers.instruments.doctor.findings import finding
from helpers.instruments.doctor.patient import mode_layers
from helpers.instruments.doctor.tape import Tape


def softmax_twice(case, before):
    """A softmax of what is already the result of one, or one over the batch."""
    for operation in case.step.operations:
        if operation.name not in ("softmax", "log_softmax", "cross_entropy"):
            continue
        rows = operation.inputs[0].detach()
        if rows.ndim != 2 or min(rows.shape) < 2 or not rows.is_floating_point():
            continue
        if _adds_up(rows, 1):
            return finding("softmax_twice", operation=operation.name)
        if _adds_up(rows, 0):
            facts = {"operation": operation.name, "rows": len(rows)}
            return finding("softmax_twice", "batch", **facts)
    return None


def softmax_missing(case, before):
    """nll_loss of what are no logarithms of probabilities."""
    for operation in case.step.operations:
        rows = operation.inputs[0].detach() if operation.inputs else None
        if operation.name != "nll_loss" or rows.ndim != 2:
            continue
        if _adds_up(rows, 1):
            return finding("softmax_missing", "log")
        total = rows.logsumexp(dim=1).abs().median().item()
        if total > 0.01:
            return finding("softmax_missing", total=rows[0].exp().sum().item())
    return None


def _adds_up(rows, dim):
    """Whether these are probabilities along that dimension."""
    sums = rows.sum(dim=dim)
    return rows.min() >= 0 and torch.allclose(sums, torch.ones_like(sums), 0, 1e-3)


def wrong_mode(case, before):
    """Trained in eval mode, or measured in training mode."""
    patient = case.patient
    layers = dict(mode_layers(patient.net))
    given = {name: layer.training for name, layer in layers.items()}
    modes = case.step.modes if patient.train_step else []
    trained = {name for name, training, _ in modes if training}
    left = list(dict.fromkeys(name for name, *_ in modes if name not in trained))
    if switched := [name for name in left if given[name]]:
        return finding("wrong_mode", "step", names=", ".join(switched[:MANY]))
    idle = left if patient.train_step else [name for name in given if not given[name]]
    if patient.optimizer is None and patient.train_step is None:
        idle = []
    # A model that has just been measured arrives in eval mode, too.
    fresh = any(getattr(layers[n], "num_batches_tracked", None) == 0 for n in idle)
    if idle and (fresh or not case.trained):
        return finding("wrong_mode", "eval", names=", ".join(idle[:MANY]))
    if names := _measured_with_dropout(layers, modes):
        return finding("wrong_mode", "no eval", names=", ".join(names[:MANY]))
    with patient.experiment(), torch.no_grad():
        net = patient.net.eval()
        stuck = [name for name, layer in layers.items() if layer.training]
        first, second = net(case.X), net(case.X)
        if stuck:
            return finding("wrong_mode", "measured", names=", ".join(stuck[:MANY]))
        same = torch.allclose(first, second, 1e-3, 1e-6, equal_nan=True)
        if not same and "unregistered" not in before:  # weights made anew
            return finding("wrong_mode", "random")
    return None


def _measured_with_dropout(layers, modes):
    """Dropout layers that also run without gradients, and never in eval mode then."""
    learns = {name for name, training, slopes in modes if slopes}
    measured = {name for name, training, slopes in modes if training and not slopes}
    right = {name for name, training, _ in modes if not training}
    dropout = [name for name, layer in layers.items() if hasattr(layer, "p")]
    return [name for name in dropout if name in learns & measured - right]


def identical_units(case, before):
    """All units of a hidden layer are equal, and a few steps do not change that."""
    if before & {"no_gradient", "unregistered", "not_finite", "data_mismatch"}:
        return None
    if suspect := _layer_of(case.tape, _equal):
        patient = case.patient
        with patient.experiment():
            patient.set_lr(max(patient.lr or 0, 0.01))
            for _, (X, y) in zip(range(5), patient.batches(64)):
                with contextlib.suppress(Exception):
                    patient.step(X, y)
            with Tape(case.X) as tape, torch.no_grad():
                patient.net(case.X)
        if _layer_of(tape, _equal):
            names, count = case.named([suspect.weight]), suspect.out.shape[-1]
            return finding("identical_units", names=names, count=count)
    suspect = _layer_of(case.tape, _equal_but_for_biases)
    if suspect and case.stands:
        facts = {"names": case.named([suspect.weight]), "count": suspect.out.shape[-1]}
        return finding(
            "identical_units", "biases", steps=case.long_trial.steps, **facts
        )
    return None


def _layer_of(tape, holds):
    """The first product before the last whose outputs are so, or None."""
    last = max((product.depth for product in tape.products), default=0)
    for product in tape.products:
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


def dead_units(case, before):
    """Units that are 0 for every picture, among them the scores themselves."""
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
                dropped = _alive_in_eval(case, product)
                variant = "dropout" if dropped else ""
                return finding("dead_units", variant, names=names, **facts)
    return None if before & {"no_gradient", "not_finite"} else _dead_scores(case)


def _alive_in_eval(case, product):
    """Whether the units in front of a product are only dead in training mode."""
    place = case.tape.products.index(product)
    with case.patient.experiment(), torch.no_grad(), Tape(case.X) as tape:
        case.patient.net.eval()(case.X)
    return bool(tape.products[place].data.any())


def _dead_scores(case):
    """Scores that are 0 for each picture, and stay so in some steps."""
    dead = (case.out == 0).all(dim=0)
    if not dead.any():
        return None
    patient = case.patient
    with patient.experiment():
        for _, (X, y) in zip(range(5), patient.batches(64)):
            patient.step(X, y)
        with torch.no_grad():
            dead &= (patient.net(case.X) == 0).all(dim=0)
    if not dead.any():
        return None
    facts = {"dead": dead.sum().item(), "count": len(dead), "rows": len(case.X)}
    return finding("dead_units", "scores", **facts)


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
