"""Notes what a learner's code can change, and puts it back: the one device for it.

What is looked into: Python's containers, what PyTorch trains with, and what the learner
has written: objects, classes, closures, and the globals that a function names. What
belongs to other packages stays closed, and so do large containers, which hold data.

Some things can't be put back: a line written to a file, an iterator that has moved on.
"""

import dis
import random
import sys
from collections import deque
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import chain
from types import CellType, CodeType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers.instruments import objects
from helpers.instruments.objects import attributes, contents, is_a, slots, state_of
from helpers.own.settings import keep_settings

OPEN = (nn.Module, torch.optim.Optimizer, SimpleNamespace, torch.Tensor, FunctionType)
OPEN_MODULES = ("torch.optim", "torch.amp", "torch.cuda.amp", "torch.utils.data")
GLOBALS = ("LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "STORE_NAME")
INSTALLED = ("site-packages", "dist-packages")
MAX_ITEMS = 2_000  # a container with more of them holds data, and stays closed
MAX_OBJECTS = 20_000
MAX_NUMBERS = 10_000_000  # a plain tensor or array with more of them is data as well


class Snapshot(AbstractContextManager):
    """Notes all that the roots can reach and change; `restore` puts it back.

    roots: nets, optimizers, functions, anything. leave: objects that are not noted,
    nor what is reached only through them. settings: also note what is set for all of
    PyTorch, and all random numbers. What comes up later is noted by `watch` and `save`.
    At the end of a `with` everything is put back.
    """

    def __init__(
        self, *roots: Any, leave: Collection = (), settings: bool = True
    ) -> None:
        self._undo: list[Callable[[], None]] = [*keep_settings()] if settings else []
        # id -> the tensor, its numbers in their place, requires_grad, leaf, gradient
        self._watched: dict[int, tuple] = {}
        self._storages: set[int] = set()  # their addresses
        self._saved: dict[tuple, tuple] = {}  # place -> the numbers there, a copy
        for value in reachable(*roots, leave=leave):
            for kind, keep in KEEPERS.items():
                if is_a(value, kind):
                    self._undo += keep(value)
            if is_a(value, torch.Tensor) and _address(value) is not None:
                if value.numel() <= MAX_NUMBERS or value.requires_grad:
                    self.watch(value)
                    self.save(value)

    def watch(self, tensor: torch.Tensor) -> None:
        """Note the shape and the gradient of a tensor, and where its numbers are."""
        address = _address(tensor)
        if address is None or id(tensor) in self._watched:
            return
        leaf, requires_grad = tensor.is_leaf, tensor.requires_grad
        grad = tensor.grad if leaf else None
        self._watched[id(tensor)] = tensor, tensor.data, requires_grad, leaf, grad
        self._storages.add(address)
        if grad is not None:  # autograd changes it unseen
            self.watch(grad)
            self.save(grad)

    def hold(self, names: dict) -> None:
        """Note what a dict maps its names to, such as the buffers of a module."""
        self._undo += _keep_dict(names)

    def save(self, *tensors: torch.Tensor) -> None:
        """Copy the numbers that may change next, of all that is watched or shares its
        numbers with one that is."""
        for tensor in tensors:
            address = _address(tensor)
            if address and address in self._storages:
                if (place := _place(tensor)) not in self._saved:
                    # Each number once, also where `expand` repeats it.
                    once = (slice(None if step else 1) for step in tensor.stride())
                    numbers = tensor.data[tuple(once)]
                    self._saved[place] = numbers, numbers.clone()

    def restore(self) -> None:
        """Put everything back, to the bit. May be called any number of times."""
        for undo in self._undo:
            undo()
        # What was noted first is put back last, since two can share their numbers.
        for numbers, kept in reversed(self._saved.values()):
            if not same_bits(numbers, kept):
                numbers.copy_(kept)
        for tensor, data, requires_grad, leaf, grad in reversed(self._watched.values()):
            if leaf and not tensor.is_leaf:
                with suppress(RuntimeError):  # a view stays computed
                    tensor.detach_()
            if _place(tensor) != _place(data):
                tensor.data = data
            if tensor.is_leaf:
                if tensor.requires_grad != requires_grad:
                    tensor.requires_grad_(requires_grad)
                if tensor.grad is not grad:
                    tensor.grad = grad

    def changed(self) -> bool:
        """Whether a number or a gradient of the noted tensors has changed."""
        return any(
            _place(tensor) != _place(data) or tensor.is_leaf and tensor.grad is not grad
            for tensor, data, _, _, grad in self._watched.values()
        ) or not all(same_bits(*pair) for pair in self._saved.values())

    def __exit__(self, *_: object) -> None:
        self.restore()


def _address(tensor):
    """Of its storage; 0 where that is empty, None where there is none."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError, ValueError):  # sparse, lazy, ...
        return None


def _place(tensor):
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


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
    names = _global_names(function) if _is_own(function) else ()

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


def _keep_modes(scripted):
    """Their modes are no attributes that Python can see."""
    for module in scripted.modules():
        yield partial(setattr, module, "training", module.training)


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
    torch.jit.ScriptModule: _keep_modes,
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
    left = set(map(id, leave))
    start = [("", root) for root in roots]
    order = {"limit": MAX_OBJECTS, "nearest_first": True}
    met = objects.walk(start, _parts, set(left), **order)
    return list({id(one): one for _, one in met if id(one) not in left}.values())


def _parts(_, value):
    """What is looked into, without the path that led here."""
    others = []
    if not is_a(value, tuple(objects.CONTAINERS)) or len(value) <= MAX_ITEMS:
        yield from contents(value)
        if is_a(value, dict):  # an optimizer's state has tensors as its keys
            others += dict.keys(value)
    if _is_open(value):
        yield from attributes(value)
    if is_a(value, FunctionType) and _is_own(value):
        others += map(value.__globals__.get, _global_names(value))
    if is_a(value, type) and _is_own(value):
        others += *value.__bases__, *vars(value).values()
    if is_a(value, torch.jit.ScriptModule):  # its tensors are out of sight
        others += *value.parameters(), *value.buffers()
    if _is_own(type(value)):
        others.append(type(value))
    yield from (("", one) for one in others)


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
    return is_own_module(str(name))


def is_own_module(name: str) -> bool:
    """Whether a module is the learner's, by its name."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top in ("helpers", "torch"):
        return False
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return not any(part in file for part in INSTALLED)


def instructions(function: FunctionType) -> list[list[dis.Instruction]]:
    """Of a function, and of each one inside it."""
    codes = [function.__code__]
    for code in codes:  # it grows
        codes += [const for const in code.co_consts if isinstance(const, CodeType)]
    return [[*dis.get_instructions(code)] for code in codes]


def _global_names(function):
    every = chain(*instructions(function))
    return sorted({one.argval for one in every if one.opname in GLOBALS})


def seed_all() -> None:
    """The same random numbers from here on, each time: of all three."""
    # Without a GPU, PyTorch's own function takes its time to note who asked for one's.
    gpu = torch.accelerator.is_available()
    (torch if gpu else torch.default_generator).manual_seed(0)
    np.random.seed(0)
    random.seed(0)
