"""Finds every tensor that a module reaches, by looking and nothing else.

It reads `__dict__`, slots, containers and functions, and asks no object of the
learner's for an attribute, not even for its `__class__` as isinstance does: that
could run a property, and with it code of the learner's.
"""

import gc
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)

import torch
from torch import nn

# What a tensor is, as a learner reads it.
PARAMETER, BUFFER, TENSOR = "Parameter", "buffer", "plain tensor"
UNSAVED = "non-persistent buffer"
# What hides a tensor from its module.
NOTHING, OBJECT, HOOK = "nothing", "a plain object", "a hook"
INSIDE = {  # what is looked at in Python's own objects
    FunctionType: ("__defaults__", "__kwdefaults__", "__closure__"),
    CellType: ("cell_contents",),
    MethodType: ("__func__", "__self__"),
    BuiltinFunctionType: ("__self__",),  # such as {...}.get
    MethodWrapperType: ("__self__",),
    partial: ("func", "args", "keywords"),
    property: ("fget",),
}
VALUES, ITEMS = type({}.values()), type({}.items())
HOLDERS = {
    "a list": (list, deque),
    "a tuple": tuple,
    "a dict": (dict, MappingProxyType),
    "a view of a dict": (VALUES, ITEMS),
    "a set": (set, frozenset),
    "a function": tuple(INSIDE),
}
# Steps on the way to a tensor, beside these: they decide what registers it.
MODULE, CLASS = "a module", "the class"
HOOKED = "a module with hooks before forward"  # which may set its attributes
ODD_DICT = "a dict with keys that no module takes"
BEHIND = ((HOOK,), (CLASS,))  # looked at last
MODULE_NAMES = frozenset([*dir(nn.ModuleDict()), *dir(nn.ParameterDict())])
INTERNAL = frozenset(vars(nn.Module()))  # what each module has: hooks, ...
HOOKS = sorted(name for name in INTERNAL if name.endswith("_hooks"))
SEQUENCES, SETS = (list, tuple, deque), (set, frozenset)
KEYS = (str, int, float, bool, bytes, type(None))  # of a dict, shown as they are
# Not looked into: nothing is in them, or what is there belongs to somebody else.
ATOMS = (str, bytes, int, float, complex, type(None), torch.dtype, torch.device)
CLOSED = (*ATOMS, type, ModuleType, torch.optim.Optimizer)


@dataclass(frozen=True)
class Place:
    """One of the places where a tensor is stored.

    name: PyTorch's own name where it has one (`layers.0.weight`), else as one would
    write it in Python (`layers[0].weight`). what: PARAMETER, BUFFER, UNSAVED or
    TENSOR. holder: None where the module has registered it, else NOTHING, OBJECT,
    HOOK or a key of HOLDERS. levels: all that stands between the module and the
    tensor, from the outside in, such as ("a list", "a dict"); MODULE, CLASS, HOOKED
    and ODD_DICT may be among them.
    """

    name: str
    what: str
    holder: str | None = None
    levels: tuple = ()


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
    others = [other for owner in paths.values() for other in _others(*owner)]
    # Whatever is an attribute too shall be named as one.
    others.sort(key=lambda other: other[2:] in BEHIND)
    for path, value, *levels in others:
        _walk(value, path, levels, seen, add)
    return list(found.values())


def is_a(value, kinds):
    """Like isinstance, but on the real class of `value` only."""
    return issubclass(type(value), kinds)


def state_of(value):
    """The `__dict__` of any object, or {}."""
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}


def what_is(tensor):
    """PARAMETER or TENSOR, for a tensor that no module has registered."""
    return PARAMETER if isinstance(tensor, nn.Parameter) else TENSOR


def _tree(module, name, path, above):
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
    for key, tensor in state.get("_parameters", {}).items():
        if tensor is not None:
            yield key, PARAMETER, tensor
    unsaved = state.get("_non_persistent_buffers_set", ())
    for key, tensor in state.get("_buffers", {}).items():
        if tensor is not None:
            yield key, UNSAVED if key in unsaved else BUFFER, tensor


def _others(module, path):
    """(path as in Python, value, level if any) of all else that a module has."""
    state = state_of(module)
    levels = (HOOKED,) if state.get("_forward_pre_hooks") else ()
    for suffix, value in _attributes(module):
        if suffix[1:] not in INTERNAL:
            yield path + suffix, value, *levels
    for name in HOOKS:
        for key, hook in (state.get(name) or {}).items():
            yield f"{path}.{name}[{key!r}]", hook, HOOK
    for cls in type(module).__mro__:
        if cls not in (nn.Module, object):
            for name, value in vars(cls).items():
                if is_a(value, (staticmethod, classmethod)):
                    value = value.__func__
                yield f"{path}.{name}", value, CLASS


def _holder(value):
    """What hides the tensors in `value`, an attribute, from its module."""
    if is_a(value, (torch.Tensor, nn.Module)):
        return NOTHING
    return next((name for name, kind in HOLDERS.items() if is_a(value, kind)), OBJECT)


def _level(value):
    """What `value` is as a step on the way to a tensor."""
    is_dict = is_a(value, (dict, MappingProxyType))
    odd = is_dict and not all(map(_is_name, dict.keys(_real_dict(value))))
    return ODD_DICT if odd else _holder(value)


def _is_name(key):
    """Whether `nn.ModuleDict` and `nn.ParameterDict` take it as a key."""
    fine = type(key) is str and key != "" and "." not in key
    return fine and key not in MODULE_NAMES


def _real_dict(value):
    """The dict behind a view or a proxy, whose methods could run the learner's."""
    while is_a(value, (MappingProxyType, VALUES, ITEMS)):
        value = gc.get_referents(value)[0]
    return value if is_a(value, dict) else {}


def _walk(value, path, levels, seen, add):
    """Calls `add` for each tensor that `value` reaches."""
    holder = HOOK if HOOK in levels else _holder(value)
    waiting = [(value, path, _further((), levels))]
    while waiting:
        value, path, way = waiting.pop()
        if is_a(value, torch.Tensor):
            add(value, path, what_is(value), holder, _levels(way))
        elif id(value) not in seen and not is_a(value, CLOSED):
            seen.add(id(value))
            is_module = is_a(value, nn.Module)
            way = _further(way, [MODULE if is_module else _level(value)])
            for key, what, tensor in _own(value) if is_module else ():
                add(tensor, path + _step(value, key), what, holder, _levels(way))
            for child_path, child, *levels in reversed(list(_children(value, path))):
                waiting.append((child, child_path, _further(way, levels)))


# A way is a pair, of the way before and a level: a chain may be 100,000 levels long.


def _further(way, levels):
    for level in levels:
        way = (way, level)
    return way


def _levels(way):
    levels = []
    while way:
        way, level = way
        levels.append(level)
    return tuple(reversed(levels))


def _children(value, path):
    """(path as in Python, child, level if any) for all that an object holds."""
    if is_a(value, nn.Module):
        for key, child in state_of(value).get("_modules", {}).items():
            yield path + _step(value, key), child
        yield from _others(value, path)
        return
    # The methods of Python's own classes: a class of the learner's may have others.
    if is_a(value, (dict, MappingProxyType, VALUES, ITEMS)):
        name = path.removeprefix(".")
        for i, (key, child) in enumerate(dict.items(_real_dict(value))):
            if is_a(value, (VALUES, ITEMS)):
                item = f"list({name})[{i}]"
                yield f"{item}[1]" if is_a(value, ITEMS) else item, child
            elif type(key) in KEYS:
                yield f"{path}[{key!r}]", child
            else:
                yield f"list({name}.values())[{i}]", child
    for kind in SEQUENCES:
        if is_a(value, kind):
            fields = _fields(value)
            for i, child in enumerate(kind.__iter__(value)):
                yield f"{path}.{fields[i]}" if fields else f"{path}[{i}]", child
    for kind in SETS:
        if is_a(value, kind):
            # A set has an order of its own in each process; this one stays.
            for i, child in enumerate(sorted(kind.__iter__(value), key=_sort_key)):
                yield f"{path}{{{i}}}", child
    for kind, names in INSIDE.items():
        for name in names if is_a(value, kind) else ():
            try:
                yield f"{path}.{name}", vars(kind)[name].__get__(value)
            except ValueError:  # a cell that is empty yet
                continue
    for suffix, child in _attributes(value):
        yield path + suffix, child


def _fields(value):
    """The names of what is in a named tuple, or None."""
    fields = next(
        (vars(cls)["_fields"] for cls in type(value).__mro__ if "_fields" in vars(cls)),
        None,
    )
    named = is_a(value, tuple) and is_a(fields, tuple)
    return fields if named and len(fields) == tuple.__len__(value) else None


def _sort_key(value):
    return str(value.shape) if is_a(value, torch.Tensor) else type(value).__name__


def _attributes(value):
    """(suffix, what stands there) for the slots and the `__dict__` of any object."""
    for cls in type(value).__mro__:
        for name, member in vars(cls).items():
            if is_a(member, MemberDescriptorType) and "__slots__" in vars(cls):
                try:
                    yield f".{name}", member.__get__(value)
                except AttributeError:  # an empty slot
                    continue
    for name, child in dict.items(state_of(value)):
        yield f".{name}", child
