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
from types import CellType, CodeType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from helpers.instruments import objects
from helpers.instruments.objects import contents, is_a, slots, state_of

OPEN = (nn.Module, torch.optim.Optimizer, SimpleNamespace, torch.Tensor, FunctionType)
OPEN_MODULES = ("torch.optim", "torch.amp", "torch.cuda.amp", "torch.utils.data")
GLOBALS = ("LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "STORE_NAME")
INSTALLED = ("site-packages", "dist-packages")
MAX_ITEMS = 2_000  # a container with more of them holds data, and stays closed
MAX_OBJECTS = 20_000
MAX_NUMBERS = 10_000_000  # a plain tensor or array with more of them is data as well


class Snapshot:
    """Notes all that the roots can reach and change; `restore` puts it back.

    roots: nets, optimizers, functions, anything. leave: objects that are not noted,
    nor what is reached only through them.
    """

    def __init__(self, *roots: Any, leave: Collection = ()) -> None:
        self._tensors: list[_Kept] = []
        self._undo: list[Callable[[], None]] = []
        for value in reachable(*roots, leave=leave):
            for kind, keep in KEEPERS.items():
                if is_a(value, kind):
                    self._undo += keep(value)
            if is_a(value, torch.Tensor) and _has_numbers(value):
                self._tensors.append(_Kept(value))

    def restore(self) -> None:
        """Put everything back, to the bit. May be called any number of times."""
        for undo in self._undo:
            undo()
        for kept in self._tensors:
            kept.restore()

    def changed(self) -> bool:
        """Whether a number or a gradient of the noted tensors has changed."""
        return any(kept.changed() for kept in self._tensors)


class _Kept:
    """A tensor: where its numbers are, a copy of them, and its gradient, kept alike."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor, self.requires_grad = tensor, tensor.requires_grad
        self.data = tensor.detach()
        self.numbers = self.data.clone()
        self.grad = tensor.grad if tensor.is_leaf else None
        self.slope = None if self.grad is None else _Kept(self.grad)

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
        if self.slope:
            self.slope.restore()
        if tensor.grad is not self.grad:
            tensor.grad = self.grad

    def changed(self) -> bool:
        return (
            not same_bits(self.tensor.detach(), self.numbers)
            or (self.tensor.is_leaf and self.tensor.grad is not self.grad)
            or (self.slope is not None and self.slope.changed())
        )


def _has_numbers(tensor):
    """Whether it has numbers that can be copied, and that are not data."""
    if is_lazy(tensor) or tensor.layout != torch.strided or tensor.is_meta:
        return False
    return tensor.numel() <= MAX_NUMBERS or tensor.requires_grad


# Each notes an object, and yields what puts it back.


def _keep_bits(generator):
    """Of NumPy's new generators."""
    bits = generator.bit_generator
    yield partial(setattr, bits, "state", bits.state)


def _keep_array(array):
    if array.size <= MAX_NUMBERS and array.flags.writeable:
        yield partial(np.copyto, array, array.copy())


def _keep_dict(value):
    kept = dict(value)

    def undo():
        if not _same(value, kept) or not _same(value.values(), kept.values()):
            value.clear()
            value.update(kept)

    yield undo


def _keep_items(value):
    kept = list(value)

    def undo():
        if not _same(value, kept):
            value.clear()
            (value.update if is_a(value, set) else value.extend)(kept)

    yield undo


def _keep_cell(cell):
    """The variable of a closure, which may have no value yet."""
    try:
        yield partial(setattr, cell, "cell_contents", cell.cell_contents)
    except ValueError:
        yield partial(delattr, cell, "cell_contents")


def _keep_globals(function):
    space = function.__globals__
    names = _global_names(function.__code__) if _is_own(function) else ()

    def read():
        return {name: space[name] for name in names if name in space}

    return _keep_names(read, space.__setitem__, space.__delitem__)


def _keep_class(cls):
    """Its own attributes, such as a counter that its methods raise."""

    def read():
        return {k: v for k, v in vars(cls).items() if not k.startswith("__")}

    if _is_own(cls):
        yield from _keep_names(read, partial(setattr, cls), partial(delattr, cls))


def _keep_names(read, put, remove):
    """What `read()` gives: names and their values."""
    kept = read()

    def undo():
        now = read()
        for name, value in kept.items():
            if name not in now or now[name] is not value:
                put(name, value)
        for name in now.keys() - kept.keys():
            remove(name)

    yield undo


def _keep_attributes(value):
    if _is_open(value):
        yield from _keep_dict(state_of(value))
        for member, child in slots(value):
            yield partial(member.__set__, value, child)


KEEPERS = {
    torch.Generator: lambda one: [partial(one.set_state, one.get_state())],
    random.Random: lambda one: [partial(one.setstate, one.getstate())],
    np.random.RandomState: lambda one: [partial(one.set_state, one.get_state())],
    np.random.Generator: _keep_bits,
    np.ndarray: _keep_array,
    dict: _keep_dict,
    **dict.fromkeys((list, set, deque, bytearray), _keep_items),
    CellType: _keep_cell,
    FunctionType: _keep_globals,
    type: _keep_class,
    object: _keep_attributes,
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
        if id(value) not in seen and not is_a(value, objects.CLOSED):
            seen.add(id(value))
            found.append(value)
            waiting.extend(_children(value))
    return found


def _children(value):
    if not is_a(value, tuple(objects.CONTAINERS)) or len(value) <= MAX_ITEMS:
        if is_a(value, dict):  # an optimizer's state has tensors as its keys
            yield from dict.keys(value)
        yield from (child for _, child in contents(value))
    if is_a(value, FunctionType) and _is_own(value):
        yield from map(value.__globals__.get, _global_names(value.__code__))
    if is_a(value, type) and _is_own(value):
        yield from value.__bases__
        yield from vars(value).values()
    if is_a(value, torch.jit.ScriptModule):  # its tensors are out of sight
        yield from value.parameters()
        yield from value.buffers()
    if _is_open(value):
        yield from (child for _, child in objects.attributes(value))
    if _is_own(type(value)):
        yield type(value)


def _is_open(value):
    """Whether the attributes of an object may be looked into."""
    if is_a(value, (type, *OPEN)):
        return not is_a(value, type)
    module = str(type(value).__module__)
    return module.startswith(OPEN_MODULES) or _is_own(type(value))


def _is_own(thing):
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


def _global_names(code):
    """The globals that a function's code names, inner functions included."""
    names = {one.argval for one in dis.get_instructions(code) if one.opname in GLOBALS}
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return sorted(names.union(*map(_global_names, inner)))


# --- Random numbers


@contextlib.contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Afterwards PyTorch, NumPy and Python draw as if nothing had been drawn inside."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices), contextlib.ExitStack() as afterwards:
        afterwards.callback(random.setstate, random.getstate())
        afterwards.callback(np.random.set_state, np.random.get_state())
        yield


def seed_all() -> None:
    """The same random numbers from here on, each time: of all three."""
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
