"""Records the operations of a pass, and which of them multiply by weights."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

PRODUCTS = {"linear", "matmul", "mm", "addmm", "rmatmul", "bilinear", "einsum"}
CONVOLUTIONS = {"conv1d", "conv2d", "conv3d"}


@dataclass(eq=False)
class Operation:
    """name: PyTorch's. inputs: its tensors. output: one of its results."""

    name: str
    inputs: list[torch.Tensor]
    output: torch.Tensor


@dataclass(eq=False)
class Product:
    """Data times weight.

    data, out: as they were at that time, with the features in the last dimension.
    weight: None where it is no tensor of two or more dimensions. depth: how many
    products in a row lead up to this one, itself included.
    """

    operation: Operation
    data: torch.Tensor
    weight: torch.Tensor | None
    out: torch.Tensor
    depth: int


class Recording(TorchFunctionMode):
    """Records every operation inside a `with`, and the products that come from `X`."""

    def __init__(self, X: torch.Tensor | None = None) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.products: list[Product] = []
        self._made: set[int] = set()
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

    def made(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor came up during the pass, or is X."""
        return tensor is self._X or id(tensor) in self._made


class BackwardCalls(TorchFunctionMode):
    """Records each number that backward() is called on: the loss, whatever its name."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") == "backward":
            with contextlib.suppress(Exception):
                self.losses.append(next(tensors_in((args, kwargs or {}))).item())
        return func(*args, **(kwargs or {}))


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in nested tuples, lists and dicts."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for child in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(child)


def _features_last(name: str, tensor: torch.Tensor) -> torch.Tensor:
    return tensor.movedim(1, -1) if name in CONVOLUTIONS and tensor.ndim > 2 else tensor
