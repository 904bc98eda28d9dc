"""What any Python object holds, found by looking and nothing else.

No object is asked for an attribute, not even for its `__class__` as isinstance does:
that could run a property, and with it the learner's code. For the same reason methods
are those of Python's own classes: a subclass may have others.

What an object holds comes as pairs (path, object): how one would reach it in Python,
which starts with the `path` of its holder, and what it is. `walk` goes on from there.
"""

import gc
import math
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from inspect import getattr_static
from typing import Any

import torch

VALUES, ITEMS = type({}.values()), type({}.items())
# Nothing is in them, or what is there belongs to somebody else.
CLOSED = (str, bytes, int, float, complex, type(None), types.ModuleType)
CLOSED += (torch.dtype, torch.device)
SIMPLE_KEYS = (str, int, float, bool, bytes, type(None))  # shown as they are
CONTAINERS = {  # class -> its kind, as `registration` calls it
    **dict.fromkeys((list, deque), "a list"),
    tuple: "a tuple",
    **dict.fromkeys((dict, types.MappingProxyType), "a dict"),
    **dict.fromkeys((VALUES, ITEMS), "a dict view"),
    **dict.fromkeys((set, frozenset), "a set"),
}
FUNCTIONS = {  # class -> where it holds other objects
    types.FunctionType: ("__defaults__", "__kwdefaults__", "__closure__"),
    types.CellType: ("cell_contents",),
    types.MethodType: ("__func__", "__self__"),
    types.BuiltinFunctionType: ("__self__",),  # such as {...}.get
    types.MethodWrapperType: ("__self__",),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    partial: ("func", "args", "keywords"),
    property: ("fget", "fset"),
}
KINDS = CONTAINERS | dict.fromkeys(FUNCTIONS, "a function")


def walk(
    start: Iterable[tuple],
    parts: Callable[..., Iterable[tuple]],
    seen: set[int],
    *,
    closed: tuple[type, ...] = CLOSED,
    limit: float = math.inf,
    nearest_first: bool = False,
) -> Iterator[tuple]:
    """All that `start` leads to, as (path, object) or with more about the way to it.

    parts(path, object, ...) says what the object holds, in the same form. Each object
    is opened once, and comes unopened on each other way to it. seen: ids of those that
    are not opened, to which the opened ones are added. closed: classes that do not
    come. limit: how many are opened. nearest_first: those beside before those inside.
    """
    waiting = deque(start if nearest_first else reversed([*start]))
    take = waiting.popleft if nearest_first else waiting.pop
    while waiting and limit > 0:
        one = take()
        if is_a(one[1], closed):
            continue
        yield one
        if id(one[1]) not in seen:
            seen.add(id(one[1]))
            limit -= 1
            held = parts(*one)
            waiting.extend(held if nearest_first else reversed([*held]))


def is_a(value: object, kinds: type | tuple[type, ...]) -> bool:
    """Like isinstance, but asks only the real class of `value`."""
    return issubclass(type(value), kinds)


def state_of(value: object) -> dict:
    """The `__dict__` of any object, or {}."""
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}


def slots(value: object) -> Iterator[tuple[types.MemberDescriptorType, Any]]:
    """(descriptor, object) for each slot that is filled."""
    for cls in type(value).__mro__:
        for member in vars(cls).values() if "__slots__" in vars(cls) else ():
            if is_a(member, types.MemberDescriptorType):
                with suppress(AttributeError):  # an empty slot
                    yield member, member.__get__(value)


def attributes(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """What is in the slots and the `__dict__` of any object."""
    for member, child in slots(value):
        yield f"{path}.{member.__name__}", child
    for name, child in dict.items(state_of(value)):
        yield f"{path}.{name}", child


def container(value: object) -> str | None:
    """The name of the kind of container that `value` is, or None."""
    return KINDS.get(_base(value))


def contents(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """What a container holds, beside its attributes; nothing for any other object."""
    base, bare = _base(value), path.removeprefix(".")
    match KINDS.get(base):
        case "a list" | "a tuple":
            names = _field_names(value)
            for i, child in enumerate(base.__iter__(value)):
                yield f"{path}.{names[i]}" if names else f"{path}[{i}]", child
        case "a dict":
            for i, (key, child) in enumerate(dict.items(real_dict(value))):
                step = f"{path}[{key!r}]" if type(key) in SIMPLE_KEYS else None
                yield step or f"list({bare}.values())[{i}]", child
        case "a dict view":
            end = "[1]" if base is ITEMS else ""
            for i, child in enumerate(dict.values(real_dict(value))):
                yield f"list({bare})[{i}]{end}", child
        case "a set":  # it has its own order in each process; this one stays
            for i, child in enumerate(sorted(base.__iter__(value), key=_sort_key)):
                yield f"{path}{{{i}}}", child
        case "a function":
            for name in FUNCTIONS[base]:
                with suppress(ValueError):  # a cell that is still empty
                    yield f"{path}.{name}", vars(base)[name].__get__(value)


def real_dict(value: object) -> dict:
    """The dict behind a view or a proxy, whose methods could run the learner's."""
    while is_a(value, (types.MappingProxyType, VALUES, ITEMS)):
        value = gc.get_referents(value)[0]
    return value if is_a(value, dict) else {}


def _base(value):
    """The class among KINDS that `value` is an instance of, or None."""
    return next((cls for cls in type(value).__mro__ if cls in KINDS), None)


def _field_names(value):
    """The names of what is in a named tuple, or None."""
    names = getattr_static(type(value), "_fields", None)
    named = is_a(value, tuple) and is_a(names, tuple)
    return names if named and len(names) == tuple.__len__(value) else None


def _sort_key(value):
    return str(value.shape) if is_a(value, torch.Tensor) else type(value).__name__
