"""The doctor's checks of what learns: weights, gradients, the optimizer, the step.

Each is a small function that looks at a `Case` and returns a `Finding`, or None.
before: the codes of the checks that have spoken already.
"""

import math

import torch
from torch.nn import functional as F

from helpers.instruments.doctor.findings import finding
from helpers.instruments.doctor.patient import CALLS
from helpers.instruments.doctor.tape import Tape
from helpers.instruments.doctor.untouched import same_bits

COUNT = 8  # steps, to see whether gradients pile up
OLD = 1e4  # times as large as a gradient is what a step finds in p.grad


def unregistered(case, before):
    """The pass works with a weight that the module does not know."""
    known = case.parameters.keys() | case.held.keys() | case.step.moved.keys()
    hidden = [t for key, t in case.used.items() if key not in known]
    if hidden:
        return finding("unregistered", names=case.named(hidden))
    if anew := list(case.anew.values()) or _random_weights(case):
        return finding("unregistered", "anew", names=case.named(anew))
    constants = [] if case.trained else case.constants
    if constants and not case.right_as_it_is:
        return finding("unregistered", names=case.named(constants))
    return None


def _random_weights(case):
    """Those that a pass draws for itself, each time others."""
    places = [
        place
        for place, product in enumerate(case.tape.products)
        if product.weight is not None
        and case.tape.made(product.weight)
        and not product.weight.requires_grad
    ]
    if not places:
        return []
    with case.patient.experiment(), torch.no_grad():
        tapes = [Tape(case.X) for _ in range(2)]
        for tape in tapes:
            with tape:
                case.patient.net.eval()(case.X)
    one, two = ([tape.products[place].weight for place in places] for tape in tapes)
    return [a for a, b in zip(one, two) if not torch.equal(a, b)]


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
    """A weight with requires_grad=False, though it would help to train it."""
    weights = [product.weight for product in case.tape.products]
    still = {id(w): w for w in weights if w is not None and not w.requires_grad}
    still = [w for key, w in still.items() if key in case.parameters]
    if not still or case.right_as_it_is:
        return None
    return finding("frozen", names=case.named(still))


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
    if not step.got:
        return None
    facts = {"names": case.named(case.used.values()), "calls": step.calls}
    if step.updates:
        variant = "useless" if any(step.updates) else "cleared"
        return finding("no_update", variant, **facts)
    if step.calls < CALLS // 4:  # no time for more, and one of them may have done it
        return None
    return finding("no_update", "" if case.patient.optimizer else "by hand", **facts)


def uphill(case, before):
    """A step moves the weights the way in which the loss grows."""
    causes = {
        "not_finite",
        "unregistered",
        "no_gradient",
        "no_update",
        "softmax_missing",
    }
    if before & causes or case.step.error:
        return None
    slopes = case.slopes if case.patient.given[2] is None else _own_slopes(case)
    ways = case.step.moved
    both = [key for key in ways if slopes.get(key) is not None]
    along = sum((ways[key] * slopes[key]).sum().item() for key in both)
    lengths = [
        math.hypot(*(t[key].norm().item() for key in both)) for t in (ways, slopes)
    ]
    cosine = along / max(math.prod(lengths), 1e-30)
    if not cosine > 0.3 or case.learns:
        return None
    return finding("uphill", cosine=cosine)


def _own_slopes(case):
    """Those of cross-entropy, whatever the learner's loss is: id -> gradient."""
    with case.patient.experiment():
        leaves = case.patient.leaves
        loss = F.cross_entropy(case.patient.net.train()(case.X), case.labels)
        slopes = torch.autograd.grad(loss, leaves, allow_unused=True)
    return {id(t): slope for t, slope in zip(leaves, slopes)}


def gradients_accumulate(case, before):
    """A step adds to the gradients of the last one."""
    consequence = before & {"unregistered", "not_in_optimizer", "no_update"}
    if not case.patient.train_step or case.step.error or not case.step.got:
        return None
    if consequence or case.step.calls > 1:
        return None
    factor = _growth(case)
    if factor >= 0.9 * COUNT:
        return finding("gradients_accumulate", count=COUNT, factor=factor)
    if left := _left_in_place(case):
        names = case.named(left)
        return finding("gradients_accumulate", "left", names=names, count=COUNT)
    return None


def _growth(case):
    """How many times as large as after one step the gradient is after some."""
    sizes, net = [], case.patient.net
    with case.patient.experiment():
        net.zero_grad()
        while len(sizes) < COUNT and _moves(case):
            slopes = [p.grad for p in net.parameters() if p.grad is not None]
            sizes.append(math.hypot(*(slope.norm().item() for slope in slopes)))
            if len(sizes) == 2 and sizes[1] < 1.5 * sizes[0]:
                return 0
    return sizes[-1] / sizes[0] if len(sizes) == COUNT and sizes[0] else 0


def _left_in_place(case):
    """Parameters in whose p.grad each of some steps leaves what it finds there, be it
    shortened, as by clipping."""
    patient = case.patient
    left = [p for p in case.parameters.values() if id(p) in case.step.got]
    generator = torch.Generator().manual_seed(8191)  # as nobody draws weights with
    with patient.experiment():
        for _ in range(COUNT):
            found = {}
            for p in left:
                slope = case.slopes.get(id(p))
                way = torch.randn(p.shape, generator=generator)
                size = 1 if slope is None else slope.norm().item() or 1
                found[id(p)] = way.to(p) * (OLD * size / way.norm().item())
                p.grad = found[id(p)].clone()
            if not left or not _moves(case):
                return []
            left = [p for p in left if _remains(found[id(p)], p.grad)]
    return left


def _moves(case):
    """Whether a step moves a weight, from where the weights were in the beginning:
    one that collects gradients on purpose does so in only some of its calls."""
    patient, (X, y) = case.patient, case.given
    half = max(len(X) // 2, 2)
    patient.again()
    before = [t.detach().clone() for t in patient.leaves]
    patient.step(X[:half], y[:half])
    leaves = zip(patient.leaves, before)
    return not all(same_bits(t.detach(), old) for t, old in leaves)


def _remains(old, grad):
    """Whether a gradient has been added to the old one, and no more."""
    if grad is None or torch.equal(grad, old):  # backward() does not come here
        return False
    return (old * grad).sum() > 0.5 * old.norm() * grad.norm().clamp_min(1e-30)
