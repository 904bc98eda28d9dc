"""Every tensor that a module reaches, and what lies between the two."""

from dataclasses import dataclass, field

import torch
from torch import nn

from helpers.instruments import objects
from helpers.instruments.objects import is_a, real_dict, state_of
from helpers.language import tr

# What a tensor is, as a learner reads it.
PARAMETER, BUFFER, TENSOR = "Parameter", tr("buffer"), tr("plain tensor")
UNSAVED = tr("non-persistent buffer")
# What hides a tensor from its module, beside the containers.
NOTHING, OBJECT, HOOK = "nothing", tr("a plain object"), tr("a hook")
# Levels on the way to a tensor, beside these: they decide what registers it.
MODULE, CLASS = "a module", "the class"
HOOKED = "a module with hooks before forward"  # which may set its attributes
ODD_DICT = "a dict with keys that no module takes"
LAST = ((HOOK, None), (CLASS, None))  # ways that are taken when all else is seen
NO_KEYS = frozenset(["", *dir(nn.ModuleDict()), *dir(nn.ParameterDict())])
INTERNAL = frozenset(vars(nn.Module()))  # what each module has: hooks, ...
HOOKS = sorted(name for name in INTERNAL if name.endswith("_hooks"))
CLOSED = (*objects.CLOSED, type, torch.optim.Optimizer)  # not looked into


@dataclass(frozen=True)
class Place:
    """One of the places where a tensor is stored.

    name: PyTorch's own where it has one (`layers.0.weight`), else as in Python
    (`layers[0].weight`). what: PARAMETER, BUFFER, UNSAVED or TENSOR. holder: None where
    the module has registered it, else NOTHING, OBJECT, HOOK or a kind of container.
    levels: what lies between the two, from the outside in, such as ("a list", "a dict")
    or MODULE, CLASS, HOOKED and ODD_DICT.
    """

    name: str
    what: str
    holder: str | None = None
    levels: tuple[str, ...] = ()


@dataclass
class Found:
    """A tensor and its places, the registered ones first."""

    tensor: torch.Tensor
    places: list[Place] = field(default_factory=list)


def find_tensors(module: nn.Module) -> list[Found]:
    """Each tensor that a module reaches, once: the registered ones come first."""
    found = {}
    seen, others = set(), []  # the ids of what was seen end cycles

    def add(tensor, name, what, holder=None, way=None):
        place = Place(name.removeprefix("."), what, holder, _levels(way))
        found.setdefault(id(tensor), Found(tensor)).places.append(place)

    for owner, name, path in _tree(module):
        for key, what, tensor in _own(owner):
            add(tensor, f"{name}{key}", what)
        if id(owner) not in seen:
            seen.add(id(owner))
            others += _parts(path, owner, None)
    # What is also an attribute is named as one.
    for start in sorted(others, key=lambda part: part[2] in LAST):
        holder = HOOK if start[2] == (HOOK, None) else _holder(start[1])
        for path, value, way in objects.walk([start], _inside, seen, closed=CLOSED):
            if is_a(value, torch.Tensor):
                add(value, path, what_is(value), holder, way)
            elif is_a(value, nn.Module) and id(value) not in seen:
                for key, what, tensor in _own(value):
                    name = path + _step(value, key)
                    add(tensor, name, what, holder, (MODULE, way))
    return list(found.values())


def what_is(tensor: torch.Tensor) -> str:
    """PARAMETER or TENSOR, for a tensor that no module has registered."""
    return PARAMETER if isinstance(tensor, nn.Parameter) else TENSOR


def _tree(module, name="", path="", above=()):
    """(module, PyTorch's prefix, Python's path) for it and all that are registered."""
    yield module, name, path
    above = (*above, module)
    for key, child in state_of(module).get("_modules", {}).items():
        if child is not None and not any(child is one for one in above):
            yield from _tree(child, f"{name}{key}.", path + _step(module, key), above)


def _step(module, key):
    if is_a(module, nn.ModuleDict):
        return f"[{key!r}]"
    return f"[{key}]" if key.isdigit() else f".{key}"


def _own(module):
    """(name, what, tensor) of the Parameters and buffers of one module."""
    state = state_of(module)
    unsaved = state.get("_non_persistent_buffers_set", ())
    for store, what in (("_parameters", PARAMETER), ("_buffers", BUFFER)):
        for key, tensor in state.get(store, {}).items():
            if tensor is not None:
                yield key, UNSAVED if key in unsaved else what, tensor


def _parts(path, value, way):
    """(path, object, way) of all that an object holds; way: the one to the object.

    A way is a pair, of a level and the way before: it may be 100,000 levels long.
    Of a module: the modules, attributes, hooks and classes, without its own tensors.
    """
    if not is_a(value, nn.Module):
        for one in (*objects.contents(value, path), *objects.attributes(value, path)):
            yield *one, way
        return
    state = state_of(value)
    for key, child in state.get("_modules", {}).items():
        yield path + _step(value, key), child, way
    hooked = (HOOKED, way) if state.get("_forward_pre_hooks") else way
    for name, child in objects.attributes(value):
        flat = name == "._flat_weights" and is_a(value, nn.RNNBase)  # PyTorch's own
        if name[1:] not in INTERNAL and not flat:
            yield path + name, child, hooked
    for name in HOOKS:
        for key, hook in (state.get(name) or {}).items():
            yield f"{path}.{name}[{key!r}]", hook, (HOOK, way)
    for cls in type(value).__mro__:
        for name, child in vars(cls).items() if cls not in (nn.Module, object) else ():
            if is_a(child, (staticmethod, classmethod)):
                child = child.__func__
            yield f"{path}.{name}", child, (CLASS, way)


def _inside(path, value, way):
    """As `_parts`, of an object that is itself a level on the way."""
    if is_a(value, torch.Tensor):
        return ()
    return _parts(path, value, (_level(value), way))


def _holder(value):
    """What hides the tensors in `value`, an attribute, from its module."""
    if is_a(value, (torch.Tensor, nn.Module)):
        return NOTHING
    return objects.container(value) or OBJECT


def _level(value):
    """What `value` is as a level on the way to a tensor."""
    if is_a(value, nn.Module):
        return MODULE
    holder = _holder(value)
    keys = dict.keys(real_dict(value)) if holder == "a dict" else ()
    odd = (type(key) is not str or "." in key or key in NO_KEYS for key in keys)
    return ODD_DICT if any(odd) else holder


def _levels(way):
    """The levels of a way, from the outside in."""
    levels = []
    while way:
        level, way = way
        levels.append(level)
    return tuple(reversed(levels))
