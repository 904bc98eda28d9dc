"""All that a net, an optimizer and a learner's own functions can reach and change.

Looked into are Python's containers, what PyTorch trains with, and whatever the learner
has written: objects, classes, closures, and the globals that a function names. What
belongs to other packages stays closed, and so do large containers, which are data.
"""

import dis
import sys
from collections import deque
from functools import partial
from types import (
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)

import torch
from torch import nn

ATOMS = (str, bytes, int, float, complex, bool, type(None), ModuleType)
CONTAINERS = (dict, list, tuple, set, frozenset, deque)
OPEN = (nn.Module, torch.optim.Optimizer, SimpleNamespace)
OPEN_MODULES = ("torch.optim", "torch.amp", "torch.cuda.amp", "torch.utils.data")
WRAPPERS = {  # what is looked at in Python's own objects
    MethodType: ("__self__", "__func__"),
    partial: ("func", "args", "keywords"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset"),
}
GLOBALS = ("LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "STORE_NAME")
LARGE = 2_000  # items of a container
MOST = 20_000  # objects
INSTALLED = ("site-packages", "dist-packages")


def within_reach(*roots, leave=()):
    """A list of each object that the roots reach, except for those in `leave`."""
    found, seen = [], set(map(id, leave))
    waiting = deque(roots)
    while waiting and len(found) < MOST:
        value = waiting.popleft()
        if not isinstance(value, ATOMS) and id(value) not in seen:
            seen.add(id(value))
            found.append(value)
            waiting.extend(_children(value))
    return found


def is_own(thing):
    """Whether a class or a function is the learner's, and of no package."""
    if isinstance(thing, FunctionType):  # a decorator may copy another's __module__
        name = thing.__globals__.get("__name__")
    else:
        name = getattr(thing, "__module__", None)
    top = str(name).partition(".")[0]
    if top in sys.stdlib_module_names or top in ("helpers", "torch"):
        return False
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return not any(part in file for part in INSTALLED)


def global_names(function):
    """The globals that a function's code names, inner functions included."""
    names, waiting = set(), [function.__code__]
    while waiting:
        code = waiting.pop()
        steps = dis.get_instructions(code)
        names |= {one.argval for one in steps if one.opname in GLOBALS}
        waiting += [const for const in code.co_consts if isinstance(const, CodeType)]
    return sorted(names)


def slots(value):
    """(descriptor, value) for each slot that a class of the learner's has filled."""
    for cls in type(value).__mro__ if is_own(type(value)) else ():
        for member in vars(cls).values() if "__slots__" in vars(cls) else ():
            if isinstance(member, MemberDescriptorType):
                try:
                    yield member, member.__get__(value)
                except AttributeError:  # an empty one
                    continue


def attributes(value):
    """The `__dict__` of an object that may be looked into, else {}."""
    if not (isinstance(value, (*OPEN, torch.Tensor, FunctionType)) or _is_open(value)):
        return {}
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}


def _is_open(value):
    cls = type(value)
    if isinstance(value, type):
        return False
    return is_own(cls) or str(cls.__module__).startswith(OPEN_MODULES)


def _children(value):
    if isinstance(value, CONTAINERS):
        if len(value) <= LARGE:
            yield from value  # an optimizer's state has tensors as its keys
            yield from value.values() if isinstance(value, dict) else ()
    elif isinstance(value, CellType):
        yield from contents(value)
    elif isinstance(value, type):
        if is_own(value):
            yield from value.__bases__
            yield from vars(value).values()
    for name in WRAPPERS.get(type(value), ()):
        yield getattr(value, name)
    if isinstance(value, FunctionType):
        yield from value.__closure__ or ()
        yield from value.__defaults__ or ()
        yield from (value.__kwdefaults__ or {}).values()
        if is_own(value):
            for name in global_names(value):
                yield value.__globals__.get(name)
    if isinstance(value, torch.jit.ScriptModule):  # its tensors are out of sight
        yield from value.parameters()
        yield from value.buffers()
    yield from attributes(value).values()
    yield from (child for _, child in slots(value))
    if is_own(type(value)):
        yield type(value)


def contents(cell):
    """What is in a cell, in a tuple; () where it is empty yet."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()
