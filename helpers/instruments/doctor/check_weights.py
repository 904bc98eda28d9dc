"""The doctor's checks of what learns: weights, gradients, the optimizer, the step.

Each looks at an `Examination` and returns a `Finding`, or None. before: the codes of
what other checks have found already.
"""

import math

import torch
from torch.nn import functional as F

from helpers.instruments.doctor.examination import Examination
from helpers.instruments.doctor.findings import Finding, finding
from helpers.instruments.doctor.recording import Recording
from helpers.instruments.doctor.training_setup import MAX_CALLS
from helpers.instruments.state import same_bits

COUNT = 8  # steps, to see whether gradients pile up
PLANTED = 1e4  # what a step finds in p.grad is so many times as large as a gradient


def unregistered(exam: Examination, before: set[str]) -> Finding | None:
    """The pass uses a weight that the module has not registered."""
    known = exam.parameters.keys() | exam.in_optimizer.keys() | exam.step.moved.keys()
    hidden = [t for key, t in exam.used.items() if key not in known]
    if hidden:
        return finding("unregistered", names=exam.named(hidden))
    if anew := list(exam.made_anew.values()) or _random_weights(exam):
        return finding("unregistered: made anew", names=exam.named(anew))
    plain = [] if exam.trained else exam.plain_weights
    if plain and not exam.fine_as_it_is:
        return finding("unregistered", names=exam.named(plain))
    return None


def _random_weights(exam):
    """Those that a pass draws for itself, different ones each time."""
    places = [
        place
        for place, product in enumerate(exam.recording.products)
        if product.weight is not None
        and exam.recording.made(product.weight)
        and not product.weight.requires_grad
    ]
    if not places:
        return []
    with exam.setup.experiment(), torch.no_grad():
        passes = [Recording(exam.X) for _ in range(2)]
        for one in passes:
            with one:
                exam.setup.net.eval()(exam.X)
    pairs = zip(*([one.products[place].weight for place in places] for one in passes))
    return [a for a, b in pairs if not torch.equal(a, b)]


def no_gradient(exam: Examination, before: set[str]) -> Finding | None:
    """Parameters take part in the forward pass, but the loss does not reach them."""
    reached = exam.step.with_gradient if exam.setup.train_step else set()
    cut = [p for key, p in exam.used.items() if exam.gradients[key] is None]
    cut = [p for p in cut if id(p) in exam.parameters.keys() - reached]
    if cut:
        names = exam.named(cut)
        for operation in exam.recording.operations:
            flows = any(t.requires_grad for t in operation.inputs)
            floats = operation.output.is_floating_point()
            if flows and floats and not operation.output.requires_grad:
                if operation.name in ("detach", "data"):
                    facts = {"names": names, "operation": operation.name}
                    return finding("no_gradient: cut", **facts)
                return finding("no_gradient: off", names=names)
        return finding("no_gradient", names=names)
    step = exam.step
    unfit = step.error is None or "does not require grad" in str(step.error)
    if exam.used and unfit and not (step.with_gradient or step.moved):
        return finding("no_gradient: step", names=exam.named(exam.used.values()))
    return None


def frozen(exam: Examination, before: set[str]) -> Finding | None:
    """A weight with requires_grad=False, though it would help to train it."""
    weights = [product.weight for product in exam.recording.products]
    fixed = {id(w): w for w in weights if w is not None and not w.requires_grad}
    fixed = [w for key, w in fixed.items() if key in exam.parameters]
    if not fixed or exam.fine_as_it_is:
        return None
    return finding("frozen", names=exam.named(fixed))


def not_in_optimizer(exam: Examination, before: set[str]) -> Finding | None:
    """The optimizer does not hold what the net uses."""
    if exam.setup.optimizer is None or "no_gradient" in before:
        return None
    reached = [key for key in exam.used if key in exam.parameters]
    trained = exam.in_optimizer.keys() | exam.step.moved.keys()
    missing = [key for key in reached if key not in trained]
    if not missing:
        return None
    names = exam.named(exam.used[key] for key in missing)
    stale = len(exam.in_optimizer.keys() - exam.parameters.keys())
    if stale:
        return finding("not_in_optimizer: stale", names=names, stale=stale)
    return finding("not_in_optimizer", names=names)


def no_update(exam: Examination, before: set[str]) -> Finding | None:
    """Gradients arrive, but a step changes nothing."""
    step, fine = exam.step, not before & {"not_in_optimizer", "unregistered"}
    if not (fine and exam.setup.train_step) or step.error or step.moved:
        return None
    if not step.with_gradient:
        return None
    names = exam.named(exam.used.values())
    if step.updates:
        key = "no_update: useless" if any(step.updates) else "no_update: cleared"
        return finding(key, names=names)
    if step.calls < MAX_CALLS // 4:  # there was no time to see whether a later one does
        return None
    by_hand = exam.setup.optimizer is None
    return finding("no_update: by hand" if by_hand else "no_update", names=names)


def uphill(exam: Examination, before: set[str]) -> Finding | None:
    """A step moves the weights in the direction in which the loss grows."""
    causes = {"not_finite", "unregistered", "no_gradient", "no_update"}
    if before & (causes | {"softmax_missing"}) or exam.step.error:
        return None
    gradients = exam.gradients
    if exam.setup.given[2] is not None:  # a loss of the learner's
        gradients = _cross_entropy_gradients(exam)
    moved = exam.step.moved
    both = [key for key in moved if gradients.get(key) is not None]
    along = sum((moved[key] * gradients[key]).sum().item() for key in both)
    lengths = [
        math.hypot(*(t[key].norm().item() for key in both)) for t in (moved, gradients)
    ]
    cosine = along / max(math.prod(lengths), 1e-30)
    if not cosine > 0.3 or exam.learns:
        return None
    return finding("uphill", cosine=cosine)


def _cross_entropy_gradients(exam):
    """Whatever the learner's loss is: id -> gradient of the cross-entropy."""
    with exam.setup.experiment():
        leaves = exam.setup.learnable
        loss = F.cross_entropy(exam.setup.net.train()(exam.X), exam.labels)
        slopes = torch.autograd.grad(loss, leaves, allow_unused=True)
    return {id(t): slope for t, slope in zip(leaves, slopes)}


def gradients_accumulate(exam: Examination, before: set[str]) -> Finding | None:
    """A step adds to the gradients of the last one."""
    consequence = before & {"unregistered", "not_in_optimizer", "no_update"}
    if not exam.setup.train_step or exam.step.error or not exam.step.with_gradient:
        return None
    if consequence or exam.step.calls > 1:
        return None
    factor = _growth(exam)
    if factor >= 0.9 * COUNT:
        return finding("gradients_accumulate", count=COUNT, factor=factor)
    if left := _left_in_place(exam):
        names = exam.named(left)
        return finding("gradients_accumulate: left", names=names, count=COUNT)
    return None


def _growth(exam):
    """How many times as large the gradient is after COUNT steps as after one."""
    sizes, net = [], exam.setup.net
    with exam.setup.experiment():
        net.zero_grad()
        while len(sizes) < COUNT and _moves(exam):
            slopes = [p.grad for p in net.parameters() if p.grad is not None]
            sizes.append(math.hypot(*(slope.norm().item() for slope in slopes)))
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
            found = {}
            for p in left:
                slope = exam.gradients.get(id(p))
                way = torch.randn(p.shape, generator=generator)
                size = 1 if slope is None else slope.norm().item() or 1
                found[id(p)] = way.to(p) * (PLANTED * size / way.norm().item())
                p.grad = found[id(p)].clone()
            if not left or not _moves(exam):
                return []
            left = [p for p in left if _remains(found[id(p)], p.grad)]
    return left


def _moves(exam):
    """Whether a step moves a weight from where it was at first: one that collects
    gradients on purpose does so in only some of its calls."""
    setup, (X, y) = exam.setup, exam.given
    half = max(len(X) // 2, 2)
    setup.rewind()
    before = [t.detach().clone() for t in setup.learnable]
    setup.step(X[:half], y[:half])
    leaves = zip(setup.learnable, before)
    return not all(same_bits(t.detach(), old) for t, old in leaves)


def _remains(old, grad):
    """Whether a gradient has been added to the old one, and no more."""
    if grad is None or torch.equal(grad, old):  # backward() does not reach it
        return False
    return (old * grad).sum() > 0.5 * old.norm() * grad.norm().clamp_min(1e-30)
