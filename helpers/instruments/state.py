"""Notes everything that a learner's code can reach and change, and puts it back.

What is looked into: Python's containers, what PyTorch trains with, and what the learner
has written: objects, classes, closures, and the globals that a function names. What
belongs to other packages stays closed, and so do large containers, which hold data.

Some things can't be put back: a line written to a file, an iterator that has moved on.
"""

import contextlib
import dis
import random
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import partial
from types import (
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from helpers.instruments.registration.objects import FUNCTIONS, state_of

ATOMS = (str, bytes, int, float, complex, bool, type(None), ModuleType)
CONTAINERS = (dict, list, tuple, set, frozenset, deque)
OPEN = (nn.Module, torch.optim.Optimizer, SimpleNamespace, torch.Tensor, FunctionType)
OPEN_MODULES = ("torch.optim", "torch.amp", "torch.cuda.amp", "torch.utils.data")
GLOBALS = ("LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "STORE_NAME")
INSTALLED = ("site-packages", "dist-packages")
MAX_ITEMS = 2_000  # a container with more of them holds data, and stays closed
MAX_OBJECTS = 20_000
MAX_NUMBERS = 10_000_000  # a plain tensor or array with more of them is data as well
MISSING = object()


class Snapshot:
    """Notes all that the roots can reach and change; `restore` puts it back.

    roots: nets, optimizers, functions, anything. leave: objects that are not noted,
    nor what is reached only through them.
    """

    def __init__(self, *roots: Any, leave: Collection = ()) -> None:
        self._tensors: list[_Kept] = []
        self._undo: list[Callable[[], None]] = []
        for value in reachable(*roots, leave=leave):
            self._keep(value)

    def restore(self) -> None:
        """Put everything back, to the bit. May be called any number of times."""
        for undo in self._undo:
            undo()
        for kept in self._tensors:
            kept.restore()

    def changed(self) -> bool:
        """Whether a number or a gradient of the noted tensors has changed."""
        return any(kept.changed() for kept in self._tensors)

    def _keep(self, value: Any) -> None:
        for kind, keep in KEEPERS:
            if isinstance(value, kind):
                if undo := keep(value):
                    self._undo.append(undo)
                break
        if isinstance(value, torch.Tensor) and _has_numbers(value):
            self._tensors.append(_Kept.of(value))
        if isinstance(value, FunctionType) and _is_own(value):
            self._undo.append(_keep_globals(value))
        if not isinstance(value, type):
            self._undo.append(_keep_dict(_attributes(value)))
            self._undo += [partial(slot.__set__, value, v) for slot, v in _slots(value)]


class _Kept(NamedTuple):
    """A tensor; a view of where its numbers are, and a copy of them; whether it can
    learn; its gradient, and a copy of that."""

    tensor: torch.Tensor
    data: torch.Tensor
    numbers: torch.Tensor
    requires_grad: bool
    grad: torch.Tensor | None
    slope: torch.Tensor | None

    @classmethod
    def of(cls, tensor: torch.Tensor) -> "_Kept":
        grad = tensor.grad if tensor.is_leaf else None
        slope = None if grad is None else grad.detach().clone()
        data = tensor.detach()
        return cls(tensor, data, data.clone(), tensor.requires_grad, grad, slope)

    def restore(self) -> None:
        tensor, data = self.tensor, self.data
        if not same_bits(data, self.numbers):
            data.copy_(self.numbers)
        if tensor.data_ptr() != data.data_ptr():
            tensor.data = data
        if not tensor.is_leaf:
            return
        if tensor.requires_grad != self.requires_grad:
            tensor.requires_grad_(self.requires_grad)
        if self._other_slope():
            self.grad.detach().copy_(self.slope)
        if tensor.grad is not self.grad:
            tensor.grad = self.grad

    def changed(self) -> bool:
        other_grad = self.tensor.is_leaf and self.tensor.grad is not self.grad
        other_numbers = not same_bits(self.tensor.detach(), self.numbers)
        return other_grad or other_numbers or self._other_slope()

    def _other_slope(self) -> bool:
        return self.grad is not None and not same_bits(self.grad.detach(), self.slope)


def _has_numbers(tensor: torch.Tensor) -> bool:
    """Whether it has numbers that can be copied, and that are not data."""
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
        return False
    if tensor.layout != torch.strided or tensor.is_meta:
        return False
    return tensor.numel() <= MAX_NUMBERS or tensor.requires_grad


# Each notes an object, and returns a function that puts it back, or None.


def _keep_generator(generator):
    """Of PyTorch, or an old one of NumPy."""
    return partial(generator.set_state, generator.get_state())


def _keep_bits(generator):
    """Of NumPy's new generators."""
    bits = generator.bit_generator
    return partial(setattr, bits, "state", bits.state)


def _keep_array(array):
    if array.size <= MAX_NUMBERS and array.flags.writeable:
        return partial(np.copyto, array, array.copy())
    return None


def _keep_dict(value):
    kept = dict(value)

    def undo():
        if not _same(value, kept) or not _same(value.values(), kept.values()):
            value.clear()
            value.update(kept)

    return undo


def _keep_items(value):
    kept = list(value)

    def undo():
        if not _same(value, kept):
            value.clear()
            (value.update if isinstance(value, set) else value.extend)(kept)

    return undo


def _keep_cell(cell):
    """The variable of a closure, which may have no value yet."""
    try:
        return partial(setattr, cell, "cell_contents", cell.cell_contents)
    except ValueError:
        return partial(delattr, cell, "cell_contents")


def _keep_globals(function):
    namespace = function.__globals__
    kept = {name: namespace.get(name, MISSING) for name in _global_names(function)}

    def undo():
        for name, value in kept.items():
            if value is MISSING:
                namespace.pop(name, None)
            elif namespace.get(name, MISSING) is not value:
                namespace[name] = value

    return undo


def _keep_class(cls):
    """Its own attributes, such as a counter that its methods raise."""
    if not _is_own(cls):
        return None
    kept = _plain_attributes(cls)

    def undo():
        for name, value in kept.items():
            if vars(cls).get(name, MISSING) is not value:
                setattr(cls, name, value)
        for name in _plain_attributes(cls).keys() - kept.keys():
            delattr(cls, name)

    return undo


KEEPERS = (
    ((torch.Generator, np.random.RandomState), _keep_generator),
    (random.Random, lambda one: partial(one.setstate, one.getstate())),
    (np.random.Generator, _keep_bits),
    (np.ndarray, _keep_array),
    (dict, _keep_dict),
    ((list, set, deque, bytearray), _keep_items),
    (CellType, _keep_cell),
    (type, _keep_class),
)


def _plain_attributes(cls):
    """What is stored in a class, except for Python's own attributes and slots."""
    return {
        name: value
        for name, value in vars(cls).items()
        if not name.startswith("__") and not isinstance(value, MemberDescriptorType)
    }


def _same(ones, others):
    """Whether the two hold the very same objects in the same order."""
    return len(ones) == len(others) and all(a is b for a, b in zip(ones, others))


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether they are equal to the bit: nan equals nan, and -0 is not 0."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    a, b = (t.flatten().contiguous().view(torch.uint8) for t in (a, b))
    return torch.equal(a, b)


# --- What can be reached


def reachable(*roots: Any, leave: Collection = ()) -> list:
    """Every object that the roots reach, themselves included, but none in `leave`."""
    found, seen = [], set(map(id, leave))
    waiting = deque(roots)
    while waiting and len(found) < MAX_OBJECTS:
        value = waiting.popleft()
        if not isinstance(value, ATOMS) and id(value) not in seen:
            seen.add(id(value))
            found.append(value)
            waiting.extend(_children(value))
    return found


def _children(value: Any) -> Iterator:
    if isinstance(value, CONTAINERS):
        if len(value) <= MAX_ITEMS:
            yield from value  # an optimizer's state has tensors as its keys
            yield from value.values() if isinstance(value, dict) else ()
    elif isinstance(value, type) and _is_own(value):
        yield from value.__bases__
        yield from vars(value).values()
    for name in FUNCTIONS.get(type(value), ()):
        with contextlib.suppress(ValueError):  # a cell without a value
            yield getattr(value, name)
    if isinstance(value, FunctionType) and _is_own(value):
        yield from map(value.__globals__.get, _global_names(value))
    if isinstance(value, torch.jit.ScriptModule):  # its tensors are out of sight
        yield from value.parameters()
        yield from value.buffers()
    yield from _attributes(value).values()
    yield from (child for _, child in _slots(value))
    if _is_own(type(value)):
        yield type(value)


def _is_own(thing: Any) -> bool:
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


def _global_names(function: FunctionType) -> list[str]:
    """The globals that a function's code names, inner functions included."""
    names, waiting = set(), [function.__code__]
    while waiting:
        code = waiting.pop()
        steps = dis.get_instructions(code)
        names |= {one.argval for one in steps if one.opname in GLOBALS}
        waiting += [const for const in code.co_consts if isinstance(const, CodeType)]
    return sorted(names)


def _slots(value: Any) -> Iterator[tuple[MemberDescriptorType, Any]]:
    """(descriptor, value) for each slot that a class of the learner's has filled."""
    for cls in type(value).__mro__ if _is_own(type(value)) else ():
        for member in vars(cls).values() if "__slots__" in vars(cls) else ():
            if isinstance(member, MemberDescriptorType):
                with contextlib.suppress(AttributeError):  # an empty one
                    yield member, member.__get__(value)


def _attributes(value: Any) -> dict:
    """The `__dict__` of an object that may be looked into, else {}."""
    cls = type(value)
    is_open = isinstance(value, OPEN) or (
        not isinstance(value, type)
        and (_is_own(cls) or str(cls.__module__).startswith(OPEN_MODULES))
    )
    return state_of(value) if is_open else {}


# --- Random numbers


@contextlib.contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Afterwards PyTorch, NumPy and Python draw as if nothing had been drawn inside."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def seed_all() -> None:
    """The same random numbers from here on, each time: of all three."""
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
