"""What is surprising about a tensor, in whole sentences, and what would register it."""

import torch
from torch.nn.parameter import is_lazy

from helpers.instruments.registration import walk
from helpers.instruments.registration.walk import Found, Place
from helpers.language import COMMA, SPACE, tr

OPTIMIZER = tr("an optimizer")  # holds a tensor that the module no longer has
KIND_IN = tr("{kind} in {holder}")
KIND_OF_MODULE_IN = tr("{kind} of a module in {holder}")

CONTAINERS = {  # the kinds of helpers.instruments.objects, as a learner reads them
    "a list": tr("a list"),
    "a tuple": tr("a tuple"),
    "a dict": tr("a dict"),
    "a dict view": tr("a dict view"),
    "a set": tr("a set"),
    "a function": tr("a function"),
}

# Verdicts. {kind} is the row's own, as above.
UNKNOWN = tr("{kind}: the module does not know it. {cure}")
WITH_GRAD = tr(
    "{kind} with requires_grad: it gets gradients, but isn't in parameters() and is "
    "neither saved nor moved. Register it as an nn.Parameter."
)
COMPUTED = tr(
    "{kind}, computed from others (not a leaf): it has no .grad unless you called "
    "retain_grad(), and it is neither saved nor moved. Unless forward or a hook "
    "recomputes it from Parameters each time, register it as an nn.Parameter."
)
CONSTANT = tr(
    "{kind}: it gets no gradient and is neither saved nor moved. To train it, register "
    "it as an nn.Parameter; to save and move it, use register_buffer."
)
WHOLE_NUMBERS = tr(
    "{kind}: it is neither saved nor moved. To save and move it, use register_buffer."
)
MAY_BE_SET = tr(
    "This module has hooks that run before forward. If one of them recomputes it each "
    "time, as pruning does, leave it as it is."
)
BUFFER_WITH_GRAD = tr(
    "A buffer with requires_grad: it isn't in parameters(), so an optimizer has it "
    "only if you pass it in separately. To train it, use nn.Parameter."
)
NOT_HELD = tr(
    "It requires grad, but the optimizer does not hold it: no step changes it."
)
UNUSED = tr(
    "Other Parameters have gradients; this one doesn't. No backward has computed one "
    "since it was created, unfrozen or last cleared. If it still has none after the "
    "next backward, the loss does not depend on it, or detach or no_grad cuts it off."
)
NOT_A_LEAF = tr(
    "Computed from others (not a leaf): an optimizer refuses it, and it gets no .grad. "
    "Register the leaf that it is computed from, and keep this one as an attribute."
)
FROZEN = tr("Frozen: it gets no gradient and stays as it is.")
FROZEN_WITH_GRAD = tr(
    "Frozen, but it still has a gradient, so the next step of an optimizer that holds "
    "it changes it. Set its .grad to None."
)
SHARED = tr("Shared: the same Parameter as {names}, counted once.")
SAME_MEMORY = tr(
    "It has the same memory as {name}, counted once, but is a Parameter of its own: a "
    "step on either changes both, and each has its own .grad. To tie them, store the "
    "same Parameter under both names."
)
PART_OF_MEMORY = tr(
    "It shares memory with {name}: {counted:,} of its {numbers:,} numbers are also in "
    "another Parameter, so a step on either changes both. To separate them, store a "
    "clone(); to tie them, store one Parameter and use parts of it in forward."
)
LAZY = tr("Lazy: it gets its shape from the first batch.")
META = tr("On the meta device: it has a shape, but no numbers.")
STALE = tr(
    "Stale: the optimizer holds it, but it isn't in this module, or no longer is. If "
    "you replaced it, create the optimizer after the last change to the module."
)

# What registers it. {name} is one of NAMES, {names} are several.
PARAMETERS_IN = tr("For Parameters in {holder}, use {name}.")
MODULES_IN = tr("For modules in {holder}, use {name}.")
OBJECT_OUTSIDE = tr("Make that object an nn.Module.")
NESTED = tr("To register it, make every level a module, from the outside in: {names}.")
KEYS = tr(
    "Its keys must then be strings without a dot, and not names that nn.ModuleDict "
    "itself uses, such as 'keys'."
)
ON_SELF = tr("Set it on self in __init__.")
NOT_ON_CLASS = tr("Set it on self in __init__, not on the class.")
IN_LIST = ("nn.ModuleList", "nn.ParameterList")
IN_DICT = ("nn.ModuleDict", "nn.ParameterDict")
NAMES = {  # level -> what takes modules in its place, and what takes Parameters
    **dict.fromkeys(("a list", "a tuple", "a set", "a dict view"), IN_LIST),
    **dict.fromkeys(("a dict", walk.ODD_DICT), IN_DICT),
    walk.OBJECT: ("nn.Module", "nn.Module"),
}
MANY = 4  # names in a sentence
BETWEEN = "..."  # stands for all others


def kind(place: Place) -> str:
    """What the tensor there is and what hides it, in words."""
    if place.holder in (None, walk.NOTHING, OPTIMIZER):
        return place.what
    template = KIND_OF_MODULE_IN if walk.MODULE in place.levels else KIND_IN
    holder = CONTAINERS.get(place.holder, place.holder)
    return template.format(kind=place.what, holder=holder)


def has_gradient(tensor: torch.Tensor) -> bool:
    """Whether .grad holds something; asking other tensors than these would warn."""
    return (tensor.is_leaf or tensor.retains_grad) and tensor.grad is not None


def tensor_verdict(
    found: Found,
    in_optimizer: bool | None,
    after_backward: bool,
    same: str | None,
    counted: int,
) -> str:
    """Whole sentences on what would surprise a learner, or "".

    in_optimizer: None if no optimizer was given. after_backward: whether any
    registered Parameter has a gradient. same: the name of an earlier Parameter with
    some of the same memory, or None. counted: how many numbers are in earlier ones.
    """
    tensor, place = found.tensor, found.places[0]
    said = [LAZY] if is_lazy(tensor) else [META] if tensor.is_meta else []
    if place.holder == OPTIMIZER:
        said.append(STALE)
    elif place.holder is None:
        said += _on_registered(found, in_optimizer, after_backward)
    else:
        said += _on_hidden(tensor, place)
    if same:
        sentence = SAME_MEMORY if counted == tensor.numel() else PART_OF_MEMORY
        facts = {"name": same, "counted": counted, "numbers": tensor.numel()}
        said.append(sentence.format(**facts))
    return SPACE.join(said)


def _on_registered(found, in_optimizer, after_backward):
    tensor, has_grad = found.tensor, has_gradient(found.tensor)
    if found.places[0].what != walk.PARAMETER:
        if tensor.requires_grad:
            yield BUFFER_WITH_GRAD
        return
    if not tensor.is_leaf:
        yield NOT_A_LEAF
    elif not tensor.requires_grad:
        may_step = has_grad and in_optimizer is not False
        yield FROZEN_WITH_GRAD if may_step else FROZEN
    elif in_optimizer is False:
        yield NOT_HELD
    elif after_backward and not has_grad:
        yield UNUSED
    names = [other.name for other in found.places[1:] if other.holder is None]
    if names:
        yield SHARED.format(names=COMMA.join(names))


def _on_hidden(tensor, place):
    if place.what != walk.TENSOR:
        sentence = UNKNOWN
    elif not tensor.is_leaf:
        sentence = COMPUTED
    elif tensor.requires_grad:
        sentence = WITH_GRAD
    else:
        can_train = tensor.is_floating_point() or tensor.is_complex()
        sentence = CONSTANT if can_train else WHOLE_NUMBERS
    what = kind(place)
    yield sentence.format(kind=what[0].upper() + what[1:], cure=_cure(place))
    if sentence == CONSTANT and place.levels[-1:] == (walk.HOOKED,):
        yield MAY_BE_SET


def _cure(place):
    """What registers a Parameter, or the module it belongs to, that is hidden there."""
    if walk.CLASS in place.levels:
        return NOT_ON_CLASS
    way = [level for level in place.levels if level not in (walk.MODULE, walk.HOOKED)]
    if not way or not all(level in NAMES for level in way):
        return ON_SELF
    if way == [walk.OBJECT]:
        return OBJECT_OUTSIDE
    of_module = place.levels[-1] == walk.MODULE
    names = [NAMES[level][0] for level in way]
    names[-1] = NAMES[way[-1]][0 if of_module else 1]
    if len(names) > MANY:
        names[1:-1] = [BETWEEN]
    one = MODULES_IN if of_module else PARAMETERS_IN
    cure = NESTED if len(way) > 1 else one
    holder = CONTAINERS.get(place.holder, place.holder)
    cure = cure.format(holder=holder, name=names[0], names=COMMA.join(names))
    return f"{cure}{SPACE}{KEYS}" if walk.ODD_DICT in way else cure
