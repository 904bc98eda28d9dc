"""Writes down the operations of a pass, and which of them multiply by weights."""

import contextlib
from dataclasses import dataclass

import torch
from torch.overrides import TorchFunctionMode

PRODUCTS = {"linear", "matmul", "mm", "addmm", "rmatmul", "bilinear", "einsum"}
CONVOLUTIONS = {"conv1d", "conv2d", "conv3d"}


def tensors_in(value):
    """Every tensor in nested tuples, lists and dicts."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for child in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(child)


class Backwards(TorchFunctionMode):
    """Notes each number that backward() is called on: the loss, whatever its name."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") == "backward":
            with contextlib.suppress(Exception):
                self.losses.append(next(tensors_in((args, kwargs or {}))).item())
        return func(*args, **(kwargs or {}))


@dataclass(eq=False)
class Operation:
    """name: as PyTorch's. inputs: its tensors. output: one of its results."""

    name: str
    inputs: list
    output: torch.Tensor


@dataclass(eq=False)
class Product:
    """Data times weight. data, out: as they were then, features in the last place.
    depth: how many products stand in a row up to this one."""

    operation: Operation
    data: torch.Tensor
    weight: torch.Tensor | None
    out: torch.Tensor
    depth: int


class Tape(TorchFunctionMode):
    """Writes down every operation, and the products that come from `X`."""

    def __init__(self, X=None):
        super().__init__()
        self.operations, self.products = [], []
        self._made = set()
        self._depth = {id(X): 0}  # of each tensor that was computed from X
        self._X = X  # kept, as the outputs are, so that no id is used twice

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name == "__get__":  # such as X.T
            name = getattr(func.__self__, "__name__", name)
        name = name.strip("_")
        inputs = list(tensors_in((args, kwargs or {})))
        sources = [t for t in inputs if id(t) in self._depth]
        depth = max((self._depth[id(t)] for t in sources), default=None)
        product = sources and name in PRODUCTS | CONVOLUTIONS
        if product:  # a copy, since what follows may work in place
            data = _features_last(name, sources[0]).detach().clone()
        value = func(*args, **(kwargs or {}))
        for output in tensors_in(value):
            operation = Operation(name, inputs, output)
            self.operations.append(operation)
            self._made.add(id(output))
            if sources:
                before = self._depth.get(id(output), 0)
                self._depth[id(output)] = max(depth + bool(product), before)
            if product:
                weights = [t for t in inputs if id(t) not in self._depth and t.ndim > 1]
                out = _features_last(name, output).detach().clone()
                weight = weights[0] if weights else None
                self.products.append(Product(operation, data, weight, out, depth + 1))
        return value

    def made(self, tensor):
        """Whether the tensor came up during the pass, or is X."""
        return tensor is self._X or id(tensor) in self._made

    def computed(self, tensor):
        """Whether it was made from X, such as an activation."""
        return id(tensor) in self._depth


def _features_last(name, tensor):
    return tensor.movedim(1, -1) if name in CONVOLUTIONS and tensor.ndim > 2 else tensor
