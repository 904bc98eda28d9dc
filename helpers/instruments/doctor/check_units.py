"""The doctor's checks of what happens in the net: units, activations, modes."""

import contextlib
import random

import numpy as np
import torch

from helpers.instruments.doctor.examination import Examination
from helpers.instruments.doctor.examples import TINY_ROWS
from helpers.instruments.doctor.findings import Finding
from helpers.instruments.doctor.recording import record
from helpers.instruments.doctor.training_setup import mode_layers
from helpers.language import tr

# The operations that limit what they are given, and to which numbers.
LIMITS = {
    "relu": ("0", tr("any number")),
    "relu6": ("0", "6"),
    **dict.fromkeys(("sigmoid", "hardsigmoid"), ("0", "1")),
    "softmax": ("0", "1"),
    **dict.fromkeys(("tanh", "softsign"), ("-1", "1")),
    # Of nn.ReLU6, too:
    **dict.fromkeys(
        ("hardtanh", "clamp", "clip"), (tr("its lower"), tr("its upper limit"))
    ),
    **dict.fromkeys(("softplus", "gelu", "silu"), (tr("about 0"), tr("any number"))),
}
LOG_LOSSES = {"nll_loss", "kl_div"}
OF_SCORES = {"cross_entropy", "log_softmax", "binary_cross_entropy_with_logits"}
MUCH_DROPOUT = 0.06  # of the units, or fewer, are left
ENDS = {  # of operations that are flat there
    **dict.fromkeys(("tanh", "hardtanh"), (-1, 1)),
    **dict.fromkeys(("sigmoid", "hardsigmoid"), (0, 1)),
}
FLAT, MOST = 0.05, 0.7  # of the steepest slope; of the numbers of a layer


def softmax_twice(exam: Examination) -> Finding | None:
    """A softmax of what is already the result of one, or one over the batch."""
    for operation in exam.step.operations:
        if operation.name not in ("softmax", "log_softmax", "cross_entropy"):
            continue
        rows = operation.inputs[0].detach()
        if rows.ndim != 2 or min(rows.shape) < 2 or not rows.is_floating_point():
            continue
        if _adds_up(rows, 1):
            return exam.finding("softmax_twice", operation=operation.name)
        if _adds_up(rows, 0):
            return exam.finding("softmax_twice: batch", operation=operation.name)
    return None


def softmax_missing(exam: Examination) -> Finding | None:
    """nll_loss gets something other than logarithms of probabilities."""
    for operation in exam.step.operations:
        if operation.name not in LOG_LOSSES or operation.inputs[0].ndim != 2:
            continue
        rows = operation.inputs[0].detach()
        if _adds_up(rows, 1):
            return exam.finding("softmax_missing: log", operation=operation.name)
        if operation.name != "nll_loss" or _adds_up(rows.exp(), 0):
            continue  # along the batch, which `mixed_pictures` says
        total = rows.logsumexp(dim=1).abs().median().item()
        if total > 0.01:
            return exam.finding("softmax_missing", total=rows[0].exp().sum().item())
    return None


def activated_scores(exam: Examination) -> Finding | None:
    """An activation behind the last layer limits the scores."""
    if "softmax_twice" in exam.codes:
        return None
    operations = exam.step.operations
    for loss in operations:
        if loss.name in OF_SCORES and loss.inputs:
            for made in operations:
                if made.output is loss.inputs[0] and _limits(made):
                    facts = {"low": LIMITS[made.name][0], "high": LIMITS[made.name][1]}
                    facts |= {"operation": made.name, "loss": loss.name}
                    return exam.finding("activated_scores", **facts)
    return None


def _limits(made):
    """Whether it is an activation; a clamp may be there for rare cases only."""
    if made.name not in ("clamp", "clip", "hardtanh"):
        return made.name in LIMITS
    return (made.output != made.inputs[0]).float().mean() > 0.1


def _adds_up(rows, dim):
    """Whether these are probabilities along that dimension."""
    sums = rows.sum(dim=dim)
    return rows.min() >= 0 and torch.allclose(sums, torch.ones_like(sums), 0, 1e-3)


def wrong_mode(exam: Examination) -> Finding | None:
    """Trained in eval mode, or measured in training mode."""
    setup = exam.setup
    layers = mode_layers(setup.net)
    modes = exam.step.modes if setup.train_step else []
    trained = {name for name, on, _ in modes if on}
    left = list(dict.fromkeys(name for name, *_ in modes if name not in trained))
    if switched := [name for name in left if layers[name].training]:
        return exam.finding("wrong_mode: step", switched)
    # A model that has just been measured arrives in eval mode as well.
    fresh = any(getattr(layers[n], "num_batches_tracked", None) == 0 for n in left)
    if left and (fresh or not exam.trained):
        return exam.finding("wrong_mode", left)
    if setup.train_step and not exam.step.error and layers:
        modes = setup.handed(setup.only or TINY_ROWS, count=2)[1][0].modes
        on = {name for name, on, grad in modes if on and grad}
        off = {name: 1 for name, on, grad in modes if grad and not on}
        if later := [name for name in off if name not in on | set(left)]:
            return exam.finding("wrong_mode: later", later)
    # Dropout that also runs without gradients, and never in eval mode then.
    learns = {name for name, _, grad in modes if grad}
    measured = {name for name, on, grad in modes if on and not grad}
    both = learns & measured - {name for name, on, _ in modes if not on}
    if dropout := [n for n in layers if n in both and hasattr(layers[n], "p")]:
        return exam.finding("wrong_mode: no eval", dropout)
    with setup.experiment(), torch.no_grad():
        setup.net.eval()
        stuck = [name for name, layer in layers.items() if layer.training]
        first, second = setup.scores(exam.X), setup.scores(exam.X)
        if stuck:
            return exam.finding("wrong_mode: measured", stuck)
        same = torch.allclose(first, second, 1e-3, 1e-6, equal_nan=True)
    # Else weights are made anew, or a state goes on from pass to pass.
    if not same and "unregistered" not in exam.codes and _draws(exam):
        return exam.finding("wrong_mode: random")
    return None


def _draws(exam):
    """Whether the scores in eval mode depend on random numbers."""
    found = []
    for drawn in (0, 1):  # so many random numbers earlier
        with exam.setup.experiment(), torch.no_grad():
            for draw in (torch.rand, np.random.rand, random.getrandbits):
                draw(32 * drawn)
            exam.setup.net.eval()
            found.append(exam.setup.scores(exam.X))
    return not torch.allclose(*found, 1e-3, 1e-6, equal_nan=True)


def left_in_eval_mode(exam: Examination) -> Finding | None:
    """Nobody knows whether the learner's loop switches to training mode."""
    layers = mode_layers(exam.setup.net)
    if exam.setup.train_step or exam.setup.optimizer is None or exam.trained:
        return None
    idle = [name for name in layers if not layers[name].training]
    return exam.finding("left_in_eval_mode", idle) if idle else None


def identical_units(exam: Examination) -> Finding | None:
    """All units of a hidden layer are equal, and a few steps do not change that."""
    if exam.codes & {"no_gradient", "unregistered", "not_finite", "data_mismatch"}:
        return None
    if suspect := _layer_of(exam.recording, _equal):
        setup = exam.setup
        with setup.experiment():
            setup.set_lr(max(setup.lr or 0, 0.01))
            with contextlib.suppress(Exception):
                setup.five_steps()
            recording = record(setup.net, exam.X)
        if _layer_of(recording, _equal):
            count = suspect.out.shape[-1]
            return exam.finding("identical_units", [suspect.weight], count=count)
    suspect = _layer_of(exam.recording, _equal_but_for_biases)
    if suspect and (trial := exam.stuck_trial):
        facts = {"count": suspect.out.shape[-1], "steps": trial.steps}
        return exam.finding("identical_units: biases", [suspect.weight], **facts)
    return None


def _layer_of(recording, holds):
    """The first product before the last whose outputs `holds` is true of, or None."""
    for product in recording.products:
        if product.weight is None or product.depth == recording.depth:
            continue
        if product.out.shape[-1] > 1 and product.data.any() and holds(product.out):
            return product
    return None


def _equal(out):
    """Whether all units give the same."""
    return (out - out[..., :1]).abs().max() <= 1e-4 * out.abs().max()


def _equal_but_for_biases(out):
    rows = out.flatten(0, -2)
    rows = rows - rows.mean(dim=0)
    return rows.any() and _equal(rows)


def dead_units(exam: Examination) -> Finding | None:
    """Units, or the scores themselves, are 0 for every picture."""
    if exam.codes & {"identical_units", "activated_scores", "zero_gradients"}:
        return None
    setup = exam.setup
    for product in exam.recording.inner_products:
        dead = (product.data.flatten(0, -2) == 0).all(dim=0)
        facts = {"dead": dead.sum().item(), "count": len(dead)}
        if facts["dead"] >= 0.9 * len(dead):
            place = exam.recording.products.index(product)
            with setup.experiment():
                measured = record(setup.net.eval(), exam.X).products[place]
            dead = (measured.data.flatten(0, -2) == 0).all(dim=0)
            if dead.sum() < 0.9 * len(dead):
                return exam.finding("dead_units: dropout", [product.weight], **facts)
            facts["dead"] = dead.sum().item()
            return exam.finding("dead_units", [product.weight], **facts)
    for operation in exam.recording.operations:
        if "dropout" in operation.name and operation.inputs:
            given = operation.inputs[0].count_nonzero().item()
            left = operation.output.count_nonzero().item() / max(given, 1)
            if given and left < MUCH_DROPOUT:
                return exam.finding("dead_units: much dropout", share=1 - left)
    dead = (exam.out == 0).all(dim=0)
    if setup.binary and exam.out.shape[1] == 2:
        dead[:] = dead[1]  # the first is 0 in any case
    if exam.codes & {"no_gradient", "not_finite"} or not dead.any():
        return None
    with setup.experiment():
        setup.five_steps()  # do they stay 0?
        dead &= (setup.scores(exam.X) == 0).all(dim=0)
    facts = {"dead": dead.sum().item(), "count": len(dead)}
    return exam.finding("dead_units: scores", **facts) if dead.any() else None


def saturated_units(exam: Examination) -> Finding | None:
    """Nearly all numbers of a hidden layer are where tanh or sigmoid is flat."""
    causes = {"unscaled_inputs", "not_finite", "zero_gradients", "activated_scores"}
    if exam.codes & causes or exam.trained:
        return None
    weight = None
    for one in exam.recording.operations:
        products = [p for p in exam.recording.products if p.operation is one]
        if products:
            weight = products[0].weight
            if products[0].depth == exam.recording.depth:
                return None
        if one.name not in ENDS or weight is None:
            continue
        low, high = ENDS[one.name]
        slope = 4 * (one.output - low) * (high - one.output) / (high - low) ** 2
        if (share := ((slope < FLAT) & (slope >= 0)).float().mean().item()) > MOST:
            facts = {"operation": one.name, "low": low, "high": high, "share": share}
            return exam.finding("saturated_units", [weight], **facts)
    return None


def no_nonlinearity(exam: Examination) -> Finding | None:
    """Several layers amount to a single one."""
    if exam.recording.depth < 2 or "dead_units" in exam.codes:
        return None
    if not exam.X.is_floating_point():
        return None
    half = len(exam.X) // 2
    far = torch.randn(exam.X.shape, generator=torch.Generator().manual_seed(3))
    probes = exam.X, 100 * far.to(exam.X)
    with exam.setup.experiment(), torch.no_grad():
        net = exam.setup.net.eval()
        for X in probes:
            a, b = X[:half], X[half : 2 * half]
            passes = [record(net, inputs) for inputs in (a, b, (a + b) / 2)]
            f_a, f_b, f_middle = (one.products[-1].out for one in passes)
            varies, size = (f_a - f_b).abs().max(), f_a.abs().max()
            bent = (f_middle - (f_a + f_b) / 2).abs().max()
            if not (varies > 1e-3 * size and bent <= 1e-4 * varies + 1e-6 * size):
                return None
    return exam.finding("no_nonlinearity")
