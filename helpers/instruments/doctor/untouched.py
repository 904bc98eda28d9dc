"""Notes what an examination may change, and puts it back to the bit.

What a step does outside of the kernel's memory stays done, such as a line in a file,
and so does what Python can't turn back: an iterator that it has advanced.
"""

import contextlib
import random
from collections import deque
from types import CellType, FunctionType, MemberDescriptorType

import numpy as np
import torch
from torch import nn

from helpers.instruments.doctor.reach import (
    attributes,
    contents,
    global_names,
    is_own,
    slots,
    within_reach,
)

DATA_SIZED = 10_000_000  # a plain tensor or array above that is data, and is not noted
MISSING = object()


class Snapshot:
    """Notes all that the roots can reach and change; `restore` puts it back.

    roots: nets, optimizers, functions and whatever else. leave: objects that are not
    noted, nor what only they reach.
    """

    def __init__(self, *roots, leave=()):
        self.tensors, self._undo = [], []
        for value in within_reach(*roots, leave=leave):
            self._keep(value)

    def restore(self):
        for undo in self._undo:
            undo()
        for tensor, data, kept, flag, grad, slope in self.tensors:
            if not same_bits(data, kept):
                data.copy_(kept)
            if tensor.data_ptr() != data.data_ptr():
                tensor.data = data
            if tensor.is_leaf and tensor.requires_grad != flag:
                tensor.requires_grad_(flag)
            if tensor.is_leaf:
                if grad is not None and not same_bits(grad.detach(), slope):
                    grad.detach().copy_(slope)
                if tensor.grad is not grad:
                    tensor.grad = grad

    def changed(self):
        """Whether a number or a gradient of the noted tensors is another one now."""
        return any(
            not same_bits(tensor.detach(), kept)
            or (tensor.is_leaf and tensor.grad is not grad)
            or (grad is not None and not same_bits(grad.detach(), slope))
            for tensor, _, kept, _, grad, slope in self.tensors
        )

    def _keep(self, value):
        if isinstance(value, torch.Tensor):
            self._keep_tensor(value)
        elif isinstance(value, torch.Generator):
            self._keep_state(value.get_state, value.set_state)
        elif isinstance(value, random.Random):
            self._keep_state(value.getstate, value.setstate)
        elif isinstance(value, np.random.RandomState):
            self._keep_state(value.get_state, value.set_state)
        elif isinstance(value, np.random.Generator):
            bits = value.bit_generator
            self._keep_state(lambda: bits.state, lambda s: setattr(bits, "state", s))
        elif isinstance(value, np.ndarray):
            self._keep_array(value)
        elif isinstance(value, dict):
            self._keep_dict(value)
        elif isinstance(value, (list, set, deque, bytearray)):
            self._keep_items(value)
        elif isinstance(value, CellType):
            self._keep_cell(value)
        elif isinstance(value, type) and is_own(value):
            self._keep_class(value)
        if isinstance(value, FunctionType) and is_own(value):
            self._keep_globals(value)
        if not isinstance(value, type):
            self._keep_dict(attributes(value))
            for member, kept in slots(value):
                self._undo.append(lambda m=member, kept=kept: m.__set__(value, kept))

    def _keep_tensor(self, tensor):
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            return  # no numbers yet
        if tensor.layout != torch.strided or tensor.is_meta:
            return
        if tensor.numel() > DATA_SIZED and not tensor.requires_grad:
            return
        grad = tensor.grad if tensor.is_leaf else None
        slope = None if grad is None else grad.detach().clone()
        data = tensor.detach()
        kept = (tensor, data, data.clone(), tensor.requires_grad, grad, slope)
        self.tensors.append(kept)

    def _keep_state(self, get, set_back):
        state = get()
        self._undo.append(lambda: set_back(state))

    def _keep_array(self, array):
        if array.size <= DATA_SIZED and array.flags.writeable:
            kept = array.copy()
            self._undo.append(lambda: np.copyto(array, kept))

    def _keep_dict(self, value):
        kept = dict(value)

        def undo():
            if not _same(value, kept) or not _same(value.values(), kept.values()):
                value.clear()
                value.update(kept)

        self._undo.append(undo)

    def _keep_items(self, value):
        kept = list(value)

        def undo():
            if not _same(value, kept):
                value.clear()
                (value.update if isinstance(value, set) else value.extend)(kept)

        self._undo.append(undo)

    def _keep_cell(self, cell):
        for kept in contents(cell):
            self._undo.append(lambda: setattr(cell, "cell_contents", kept))

    def _keep_globals(self, function):
        namespace = function.__globals__
        kept = {name: namespace.get(name, MISSING) for name in global_names(function)}

        def undo():
            for name, value in kept.items():
                if value is MISSING:
                    namespace.pop(name, None)
                elif namespace.get(name, MISSING) is not value:
                    namespace[name] = value

        self._undo.append(undo)

    def _keep_class(self, cls):
        """Its own attributes, such as a counter that its methods raise."""
        kept = _plain(cls)

        def undo():
            for name, value in kept.items():
                if vars(cls).get(name, MISSING) is not value:
                    setattr(cls, name, value)
            for name in _plain(cls).keys() - kept.keys():
                delattr(cls, name)

        self._undo.append(undo)


def _plain(cls):
    """What is stored in a class, without its methods and Python's own attributes."""
    return {
        name: value
        for name, value in vars(cls).items()
        if not name.startswith("__") and not isinstance(value, MemberDescriptorType)
    }


def _same(ones, others):
    """Whether the two hold the very same objects in the same order."""
    return len(ones) == len(others) and all(a is b for a, b in zip(ones, others))


def same_bits(a, b):
    """Equal to the bit: nan equals nan, and -0 is not 0."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    a, b = (t.flatten().contiguous().view(torch.uint8) for t in (a, b))
    return torch.equal(a, b)


@contextlib.contextmanager
def same_random_numbers():
    """Fixed random numbers inside; outside they go on as if nothing had been."""
    states = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        try:
            seed()
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def seed():
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
