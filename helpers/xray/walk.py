"""Finds every tensor that a module reaches, by looking and nothing else.

It reads `__dict__`, slots and containers, and never calls `getattr` on an object of
the learner's: that could run a property, and with it code of the learner's.
"""

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from types import CellType, FunctionType, MemberDescriptorType, MethodType, ModuleType

import torch
from torch import nn

# What a tensor is, as a learner reads it.
PARAMETER, BUFFER, TENSOR = "Parameter", "buffer", "plain tensor"
UNSAVED = "non-persistent buffer"
# What hides a tensor from its module.
NOTHING, OBJECT = "nothing", "a plain object"
HOLDERS = {
    "a list": (list, deque),
    "a tuple": tuple,
    "a dict": dict,
    "a set": (set, frozenset),
    "a function": (FunctionType, MethodType, partial),
}
INTERNAL = frozenset(vars(nn.Module()))  # what each module has: hooks, ...
SEQUENCES = (list, tuple, deque)
KEYS = (str, int, float, bool, bytes, type(None))  # of a dict, shown as they are
INSIDE = {  # what is looked at in Python's own objects
    FunctionType: ("__defaults__", "__kwdefaults__", "__closure__"),
    CellType: ("cell_contents",),
    MethodType: ("__self__",),
    partial: ("func", "args", "keywords"),
}
# Not looked into: nothing is in them, or what is there belongs to somebody else.
ATOMS = (str, bytes, int, float, complex, type(None), torch.dtype, torch.device)
CLOSED = (*ATOMS, type, ModuleType, torch.optim.Optimizer)


@dataclass(frozen=True)
class Place:
    """One of the places where a tensor is stored.

    name: PyTorch's own name where it has one (`layers.0.weight`), else as one would
    write it in Python (`layers[0].weight`). what: PARAMETER, BUFFER, UNSAVED or
    TENSOR. holder: None where the module has registered it, else NOTHING, OBJECT
    or a key of HOLDERS. in_module: whether it belongs to a module in there.
    """

    name: str
    what: str
    holder: str | None = None
    in_module: bool = False


@dataclass
class Found:
    """A tensor and its places; the registered ones come first."""

    tensor: torch.Tensor
    places: list = field(default_factory=list)


def find_tensors(module):
    """A list of `Found`, one for each tensor: the registered ones come first."""
    found = {}

    def add(tensor, name, *rest):
        place = Place(name.removeprefix("."), *rest)
        found.setdefault(id(tensor), Found(tensor)).places.append(place)

    tree = list(_tree(module, "", "", ()))
    for owner, name, _ in tree:
        for key, what, tensor in _own(owner):
            add(tensor, f"{name}{key}", what)
    paths = {}  # the first to each module
    for owner, _, path in tree:
        paths.setdefault(id(owner), (owner, path))
    seen = set(paths)  # ends cycles
    for owner, path in paths.values():
        for suffix, value in _others(owner):
            _walk(value, path + suffix, seen, add)
    return list(found.values())


def _tree(module, name, path, above):
    """(module, PyTorch's prefix, Python's path) for it and all that are registered."""
    yield module, name, path
    above = (*above, module)
    for key, child in vars(module).get("_modules", {}).items():
        if child is not None and not any(child is one for one in above):
            yield from _tree(child, f"{name}{key}.", path + _step(module, key), above)


def _step(module, key):
    if isinstance(module, nn.ModuleDict):
        return f"[{key!r}]"
    return f"[{key}]" if key.isdigit() else f".{key}"


def _own(module):
    """(name, what, tensor) of the Parameters and buffers of one module."""
    state = vars(module)
    for key, tensor in state.get("_parameters", {}).items():
        if tensor is not None:
            yield key, PARAMETER, tensor
    unsaved = state.get("_non_persistent_buffers_set", ())
    for key, tensor in state.get("_buffers", {}).items():
        if tensor is not None:
            yield key, UNSAVED if key in unsaved else BUFFER, tensor


def _others(module):
    """(suffix as in Python, value) of all else that a module and its classes have."""
    for name, value in vars(module).items():
        if name not in INTERNAL:
            yield f".{name}", value
    for cls in type(module).__mro__[: type(module).__mro__.index(nn.Module)]:
        for name, value in vars(cls).items():
            if isinstance(value, (torch.Tensor, nn.Module, dict, *SEQUENCES)):
                yield f".{name}", value


def what_is(tensor):
    """PARAMETER or TENSOR, for a tensor that no module has registered."""
    return PARAMETER if isinstance(tensor, nn.Parameter) else TENSOR


def _holder(value):
    """What hides the tensors in `value`, an attribute, from its module."""
    if isinstance(value, (torch.Tensor, nn.Module)):
        return NOTHING
    kinds = (name for name, kind in HOLDERS.items() if isinstance(value, kind))
    return next(kinds, OBJECT)


def _walk(value, path, seen, add):
    """Calls `add` for each tensor that `value` reaches."""
    holder = _holder(value)
    waiting = [(value, path, False)]
    while waiting:
        value, path, in_module = waiting.pop()
        if isinstance(value, torch.Tensor):
            add(value, path, what_is(value), holder, in_module)
        elif id(value) not in seen and not isinstance(value, CLOSED):
            seen.add(id(value))
            if is_module := isinstance(value, nn.Module):
                for key, what, tensor in _own(value):
                    add(tensor, path + _step(value, key), what, holder, True)
            for suffix, child in reversed(list(_children(value))):
                waiting.append((child, path + suffix, in_module or is_module))


def _children(value):
    """(suffix as in Python, child) for all that an object holds."""
    if isinstance(value, nn.Module):
        for key, child in vars(value).get("_modules", {}).items():
            yield _step(value, key), child
        yield from _others(value)
        return
    # The methods of Python's own classes: a class of the learner's may have others.
    if isinstance(value, dict):
        for key, child in dict.items(value):
            known = type(key) in KEYS
            yield f"[{key!r}]" if known else f"[<{type(key).__name__}>]", child
    for kind in SEQUENCES:
        if isinstance(value, kind):
            fields = getattr(type(value), "_fields", None)  # of a named tuple
            for i, child in enumerate(kind.__iter__(value)):
                yield f".{fields[i]}" if fields else f"[{i}]", child
    if isinstance(value, (set, frozenset)):
        # A set has an order of its own in each process; this one stays.
        for i, child in enumerate(sorted(value, key=_sort_key)):
            yield f"{{{i}}}", child
    for name in INSIDE.get(type(value), ()):
        try:
            yield f".{name}", getattr(value, name)
        except ValueError:  # a cell that is empty yet
            continue
    yield from _attributes(value)


def _sort_key(value):
    return str(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__


def _attributes(value):
    """What stands in the slots and in the `__dict__` of any object."""
    for cls in type(value).__mro__:
        for name, member in vars(cls).items():
            if isinstance(member, MemberDescriptorType) and "__slots__" in vars(cls):
                try:
                    yield f".{name}", member.__get__(value)
                except AttributeError:  # an empty slot
                    continue
    try:
        state = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return
    for name, child in dict.items(state):
        yield f".{name}", child
