"""The doctor's checks of what learns: weights, gradients, the optimizer, the step."""

import torch
from torch.nn import functional as F

from helpers.instruments.doctor.check_accuracy import as_good_as_linear
from helpers.instruments.doctor.examination import Examination
from helpers.instruments.doctor.examples import TINY_ROWS
from helpers.instruments.doctor.findings import Finding
from helpers.instruments.doctor.recording import record
from helpers.instruments.doctor.training_setup import MAX_CALLS, size_of
from helpers.instruments.state import same_bits

COUNT = 8  # steps, to see whether gradients pile up
CHOICES = {"argmax", "argmin", "argsort", "eq", "ne", "gt", "ge", "lt", "le"}
STAIRS = {"round", "floor", "ceil", "trunc", "sign"}  # no slope anywhere
NO_SLOPE = STAIRS | {"relu", "sigmoid", "tanh", "clamp"}
UNLIKE = 0.3  # the cosine of weights that have nothing in common
PLANTED = 1e4  # what a step finds in p.grad is so many times as large as a gradient


def unregistered(exam: Examination) -> Finding | None:
    """The pass uses a weight that the module has not registered."""
    known = exam.parameters.keys() | exam.in_optimizer.keys() | exam.step.moved.keys()
    hidden = [t for key, t in exam.used.items() if key not in known]
    if hidden:
        return exam.finding("unregistered", hidden)
    if anew := list(exam.made_anew.values()) or _random_weights(exam):
        return exam.finding("unregistered: made anew", anew)
    if exam.trained or not exam.plain_weights or exam.fine_as_it_is:
        return None
    if as_good_as_linear(exam):
        return None
    return exam.finding("unregistered", exam.plain_weights)


def _random_weights(exam):
    """Those that a pass draws for itself, different ones each time."""
    weights = [product.weight for product in exam.recording.products]
    fixed = [w is not None and not w.requires_grad for w in weights]
    if not any(fixed):
        return []
    with exam.setup.experiment():
        net = exam.setup.net.eval()
        passes = [record(net, exam.X).products for _ in range(2)]
    drawn = [(a.weight, b.weight) for a, b, own in zip(*passes, fixed) if own]
    return [a for a, b in drawn if not torch.equal(a, b)]


def no_gradient(exam: Examination) -> Finding | None:
    """Parameters take part in the forward pass, but the loss does not reach them."""
    reached = exam.step.with_gradient if exam.setup.train_step else set()
    cut = [p for key, p in exam.used.items() if exam.gradients[key] is None]
    cut = [p for p in cut if id(p) in exam.parameters.keys() - reached]
    for operation in exam.recording.operations if cut else ():
        flows = any(t.requires_grad for t in operation.inputs)
        floats = operation.output.is_floating_point()
        if flows and floats and not operation.output.requires_grad:
            is_cut = operation.name in ("detach", "data")
            key = "no_gradient: cut" if is_cut else "no_gradient: off"
            return exam.finding(key, cut, operation=operation.name)
    step = exam.step
    if cut or not (step.with_gradient or step.moved):
        if (choice := _choice(exam)) is not None:
            names = cut or exam.used.values()
            return exam.finding("no_gradient: choice", names, operation=choice)
    if cut:
        return exam.finding("no_gradient", cut)
    unfit = step.error is None or "does not require grad" in str(step.error)
    if exam.used and unfit and not (step.with_gradient or step.moved):
        key = "no_gradient: no graph" if step.cut else "no_gradient: step"
        return exam.finding(key, exam.used.values())
    return None


def _choice(exam):
    """The operation that gives whole numbers or yes and no, for which backward() could
    not go on; None where the step does not call it."""
    step = exam.step
    stops = step.error is not None and "does not require grad" in str(step.error)
    if not stops and not step.backward:
        return None
    for one in step.operations:
        flows = any(t.requires_grad for t in one.inputs)
        if one.name in CHOICES and flows and not one.output.requires_grad:
            return one.name
    return None


def frozen(exam: Examination) -> Finding | None:
    """A weight with requires_grad=False, though it would help to train it."""
    fixed = exam.frozen_weights
    if not fixed or exam.fine_as_it_is or as_good_as_linear(exam):
        return None
    return exam.finding("frozen", fixed)


def not_in_optimizer(exam: Examination) -> Finding | None:
    """The optimizer does not hold what the net uses."""
    if exam.setup.optimizer is None or "no_gradient" in exam.codes:
        return None
    left = exam.parameters.keys() - exam.in_optimizer.keys() - exam.step.moved.keys()
    missing = [t for key, t in exam.used.items() if key in left]
    stale = len(exam.in_optimizer.keys() - exam.parameters.keys())
    key = "not_in_optimizer: stale" if stale else "not_in_optimizer"
    return exam.finding(key, missing, stale=stale) if missing else None


def no_update(exam: Examination) -> Finding | None:
    """Gradients arrive, but a step changes nothing."""
    step, cause = exam.step, exam.codes & {"not_in_optimizer", "unregistered"}
    if cause or not exam.setup.train_step or not step.with_gradient:
        return None
    if step.moved and not step.error and _undone(exam):
        names = [exam.used[key] for key in step.moved if key in exam.used]
        return exam.finding("no_update: undone", names)
    if step.error or step.moved or not step.slopes:
        return None
    key = "no_update: by hand" if exam.setup.optimizer is None else "no_update"
    if step.forgotten:
        key = "no_update: forgotten"
    elif step.updates:
        key = "no_update: useless" if any(step.updates) else "no_update: cleared"
    elif step.calls < MAX_CALLS // 4:  # no time to see whether a later one changes it
        return None
    return exam.finding(key, exam.used.values())


def _undone(exam):
    """Whether a step begins with other weights than the last one left: with the first
    ones again, or with some that have nothing in common with them."""
    setup, leaves, at_pass = exam.setup, exam.setup.learnable, []
    X, y = (part[: setup.only or TINY_ROWS] for part in exam.given)

    def flat():
        return torch.cat([t.detach().double().flatten() for t in leaves])

    with setup.experiment():
        begun = flat()
        setup.step(X, y)
        left = flat()
        hook = setup.net.register_forward_pre_hook(lambda *_: at_pass.append(flat()))
        with hook:
            setup.step(X, y)
    if not at_pass or torch.equal(left, begun):  # one of several calls for a step
        return False
    alike = F.cosine_similarity(at_pass[0], left, dim=0, eps=1e-30).item()
    return torch.equal(at_pass[0], begun) or alike < UNLIKE


def zero_gradients(exam: Examination) -> Finding | None:
    """Every gradient is exactly 0, or those in front of an operation without slope."""
    step = exam.step
    steep = [g for g in exam.gradients.values() if g is not None and g.any()]
    flat = [one.name for one in exam.recording.operations if one.name in STAIRS]
    if flat and steep and not exam.codes:
        still = [k for k, g in exam.gradients.items() if g is not None and not g.any()]
        if still:
            about = [exam.used[key] for key in still]
            return exam.finding("zero_gradients: some", about, operation=flat[-1])
    if exam.codes or not step.with_gradient or step.slopes or step.error:
        return None
    flat = [one.name for one in step.operations if one.name in NO_SLOPE]
    if not flat:
        return exam.finding("zero_gradients")
    return exam.finding("zero_gradients: operation", operation=flat[-1])


def uphill(exam: Examination) -> Finding | None:
    """A step moves the weights in the direction in which the loss grows."""
    causes = {"not_finite", "unregistered", "no_gradient", "no_update"}
    if exam.codes & (causes | {"softmax_missing"}) or exam.step.error:
        return None
    setup, slopes = exam.setup, exam.gradients
    if setup.given[2] is not None:  # a loss of the learner's
        with setup.experiment():
            leaves = setup.learnable
            setup.net.train()
            loss = F.cross_entropy(setup.scores(exam.X), exam.labels)
            found = torch.autograd.grad(loss, leaves, allow_unused=True)
            slopes = {id(t): slope for t, slope in zip(leaves, found)}
    moved = exam.step.moved
    both = [key for key in moved if slopes.get(key) is not None]
    if not both:
        return None
    move = torch.cat([moved[key].double().flatten() for key in both])
    slope = torch.cat([slopes[key].double().flatten() for key in both])
    cosine = F.cosine_similarity(move, slope, dim=0, eps=1e-30).item()
    if not cosine > 0.3 or exam.learns:
        return None
    return exam.finding("uphill", cosine=cosine)


def gradients_accumulate(exam: Examination) -> Finding | None:
    """A step adds to the gradients of the last one."""
    step, cause = exam.step, {"unregistered", "not_in_optimizer", "no_update"}
    if not exam.setup.train_step or exam.codes & cause:
        return None
    if step.error or step.calls > 1 or not step.with_gradient:
        return None
    factor = _growth(exam)
    if factor >= 0.9 * COUNT:
        return exam.finding("gradients_accumulate", count=COUNT, factor=factor)
    if left := _left_in_place(exam):
        return exam.finding("gradients_accumulate: left", left, count=COUNT)
    return None


def _growth(exam):
    """How many times as large the gradient is after COUNT steps as after one."""
    sizes, net = [], exam.setup.net
    with exam.setup.experiment():
        net.zero_grad()
        while len(sizes) < COUNT and _moves(exam):
            slopes = [p.grad for p in net.parameters() if p.grad is not None]
            sizes.append(size_of(slopes))
            if len(sizes) == 2 and sizes[1] < 1.5 * sizes[0]:
                return 0
    return sizes[-1] / sizes[0] if len(sizes) == COUNT and sizes[0] else 0


def _left_in_place(exam):
    """Parameters in whose p.grad each of COUNT steps leaves what it finds there, even
    if shortened, as by clipping."""
    setup = exam.setup
    left = [p for p in exam.parameters.values() if id(p) in exam.step.with_gradient]
    generator = torch.Generator().manual_seed(8191)  # a seed that nobody uses
    with setup.experiment():
        for _ in range(COUNT):
            planted = []
            for p in left:
                slope = exam.gradients.get(id(p))
                way = torch.randn(p.shape, generator=generator)
                size = 1 if slope is None else slope.norm().item() or 1
                planted.append(way.to(p) * (PLANTED * size / way.norm().item()))
                p.grad = planted[-1].clone()
            if not left or not _moves(exam):
                return []
            left = [p for p, old in zip(left, planted) if _remains(old, p.grad)]
    return left


def _moves(exam):
    """Whether a step moves a weight from where it was at first: one that collects
    gradients on purpose does so in only some of its calls."""
    setup, (X, y) = exam.setup, exam.given
    half = setup.only or (TINY_ROWS if exam.slow else max(len(X) // 2, 2))
    setup.rewind()
    before = [t.detach().clone() for t in setup.learnable]
    setup.step(X[:half], y[:half])
    return any(
        not same_bits(t.detach(), old) for t, old in zip(setup.learnable, before)
    )


def _remains(old, grad):
    """Whether a gradient has been added to the old one, and no more."""
    if grad is None or torch.equal(grad, old):  # backward() does not reach it
        return False
    return (old * grad).sum() > 0.5 * old.norm() * grad.norm().clamp_min(1e-30)
