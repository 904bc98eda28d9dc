"""Notes what an examination may change, and puts it back to the bit."""

import contextlib
import copy
import inspect
import random

import numpy as np
import torch
from torch import nn

from helpers.xray.walk import find_tensors

DATA_SIZED = 10_000_000  # a plain tensor above that is data, and is not noted


class Snapshot:
    """Notes tensors, gradients, attributes and random numbers; `restore` puts back.

    reach: modules, optimizers, tensors, generators and whatever holds tensors.
    """

    def __init__(self, *reach):
        self.tensors = []
        self._undo = []
        holder = nn.Module()
        vars(holder)["reach"] = list(reach)
        tensors = [found.tensor for found in find_tensors(holder)]
        for value in reach:
            if isinstance(value, nn.Module):
                for module in value.modules():
                    self._keep_attributes(vars(module))
            elif isinstance(value, torch.optim.Optimizer):
                tensors += self._keep_optimizer(value)
            elif isinstance(value, (list, dict)):
                self._keep_attributes({"value": value})
            elif isinstance(value, torch.Generator):
                state = value.get_state()
                self._undo.append(lambda g=value, state=state: g.set_state(state))
        for tensor in {id(tensor): tensor for tensor in tensors}.values():
            self._keep_tensor(tensor)

    def restore(self, gradients=True):
        for undo in self._undo:
            undo()
        for tensor, data, kept, flag, grad, slope in self.tensors:
            if not same_bits(data, kept):
                data.copy_(kept)
            if tensor.data_ptr() != data.data_ptr():
                tensor.data = data
            if tensor.is_leaf and tensor.requires_grad != flag:
                tensor.requires_grad_(flag)
            if gradients and tensor.is_leaf:
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

    def _keep_tensor(self, tensor):
        if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
            return  # no numbers yet
        if tensor.numel() > DATA_SIZED and not tensor.requires_grad:
            return
        grad = tensor.grad if tensor.is_leaf else None
        slope = None if grad is None else grad.detach().clone()
        data = tensor.detach()
        kept = (tensor, data, data.clone(), tensor.requires_grad, grad, slope)
        self.tensors.append(kept)

    def _keep_attributes(self, attributes):
        inner = {
            id(value): (value, copy.copy(value))
            for value in attributes.values()
            if isinstance(value, (dict, list))
        }
        outer = dict(attributes)

        def undo():
            attributes.clear()
            attributes.update(outer)
            for value, kept in inner.values():
                value.clear()
                value.update(kept) if isinstance(value, dict) else value.extend(kept)

        self._undo.append(undo)

    def _keep_optimizer(self, optimizer):
        """Notes its settings and its state; returns the tensors in them."""
        groups = [(group, dict(group)) for group in optimizer.param_groups]
        states = {key: dict(value) for key, value in optimizer.state.items()}

        def undo():
            for group, kept in groups:
                group.clear()
                group.update(kept)
            optimizer.state.clear()
            for key, kept in states.items():
                optimizer.state[key] = dict(kept)

        self._undo.append(undo)
        values = [v for state in states.values() for v in state.values()]
        values += [p for group, _ in groups for p in group["params"]]
        values += [v for group, _ in groups for v in group.values()]
        return [value for value in values if isinstance(value, torch.Tensor)]


def same_bits(a, b):
    """Equal to the bit: nan equals nan, and -0 is not 0."""
    if a.shape != b.shape:
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


def within_reach(function):
    """What a learner's own function can reach beyond its arguments."""
    if isinstance(function, nn.Module):
        return [function]
    found = [getattr(function, "__self__", None)]
    with contextlib.suppress(TypeError):
        reached = inspect.getclosurevars(getattr(function, "__func__", function))
        found += [*reached.nonlocals.values(), *reached.globals.values()]
    for value in list(found):  # a trainer's model and optimizer
        if not isinstance(value, (nn.Module, type)) and not inspect.ismodule(value):
            found += getattr(value, "__dict__", {}).values()
    return [v for v in found if v is not None and not inspect.ismodule(v)]
