"""What any Python object holds, found by looking and nothing else.

No object is asked for an attribute, not even for its `__class__` as isinstance does:
that could run a property, and with it the learner's code. For the same reason methods
are those of Python's own classes: a subclass may have others.

What an object holds comes as pairs (path, object): how one would reach it in Python,
which starts with the `path` of its holder, and what it is.
"""

import gc
import types
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

Held = Iterator[tuple[str, Any]]

VALUES, ITEMS = type({}.values()), type({}.items())
SIMPLE_KEYS = (str, int, float, bool, bytes, type(None))  # shown as they are
FUNCTIONS = {  # where they, and what is around them, hold other objects
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


def is_a(value: object, kinds: type | tuple[type, ...]) -> bool:
    """Like isinstance, but asks only the real class of `value`."""
    return issubclass(type(value), kinds)


def state_of(value: object) -> dict:
    """The `__dict__` of any object, or {}."""
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}


def attributes(value: object, path: str = "") -> Held:
    """What is in the slots and the `__dict__` of any object."""
    for cls in type(value).__mro__:
        for name, member in vars(cls).items():
            if is_a(member, types.MemberDescriptorType) and "__slots__" in vars(cls):
                try:
                    yield f"{path}.{name}", member.__get__(value)
                except AttributeError:  # an empty slot
                    continue
    for name, child in dict.items(state_of(value)):
        yield f"{path}.{name}", child


def container(value: object) -> str | None:
    """The name of the kind of container that `value` is, or None."""
    return next((name for cls, (name, _) in KINDS.items() if is_a(value, cls)), None)


def contents(value: object, path: str = "") -> Held:
    """What a container holds, beside its attributes; nothing for any other object."""
    for cls, (_, look) in KINDS.items():
        if is_a(value, cls):
            yield from look(cls, value, path)


def real_dict(value: object) -> dict:
    """The dict behind a view or a proxy, whose methods could run the learner's."""
    while is_a(value, (types.MappingProxyType, VALUES, ITEMS)):
        value = gc.get_referents(value)[0]
    return value if is_a(value, dict) else {}


def _in_sequence(cls, value, path):
    names = _field_names(value)
    for i, child in enumerate(cls.__iter__(value)):
        yield f"{path}.{names[i]}" if names else f"{path}[{i}]", child


def _field_names(value):
    """The names of what is in a named tuple, or None."""
    classes = type(value).__mro__
    names = next((vars(c)["_fields"] for c in classes if "_fields" in vars(c)), None)
    named = is_a(value, tuple) and is_a(names, tuple)
    return names if named and len(names) == tuple.__len__(value) else None


def _in_dict(cls, value, path):
    for i, (key, child) in enumerate(dict.items(real_dict(value))):
        if type(key) in SIMPLE_KEYS:
            yield f"{path}[{key!r}]", child
        else:
            yield f"list({path.removeprefix('.')}.values())[{i}]", child


def _in_view(cls, value, path):
    for i, child in enumerate(dict.values(real_dict(value))):
        item = f"list({path.removeprefix('.')})[{i}]"
        yield f"{item}[1]" if cls is ITEMS else item, child


def _in_set(cls, value, path):
    # A set has its own order in each process; this one stays.
    for i, child in enumerate(sorted(cls.__iter__(value), key=_sort_key)):
        yield f"{path}{{{i}}}", child


def _sort_key(value):
    return str(value.shape) if is_a(value, torch.Tensor) else type(value).__name__


def _in_function(cls, value, path):
    for name in FUNCTIONS[cls]:
        try:
            yield f"{path}.{name}", vars(cls)[name].__get__(value)
        except ValueError:  # a cell that is still empty
            continue


KINDS = {  # class -> its kind as a learner reads it, and what lists its contents
    **dict.fromkeys((list, deque), ("a list", _in_sequence)),
    tuple: ("a tuple", _in_sequence),
    **dict.fromkeys((dict, types.MappingProxyType), ("a dict", _in_dict)),
    **dict.fromkeys((VALUES, ITEMS), ("a dict view", _in_view)),
    **dict.fromkeys((set, frozenset), ("a set", _in_set)),
    **dict.fromkeys(FUNCTIONS, ("a function", _in_function)),
}
