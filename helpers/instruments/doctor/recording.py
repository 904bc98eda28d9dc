"""Records the operations of a pass, and which of them multiply by weights."""

import contextlib
from dataclasses import dataclass

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from helpers.instruments.trace_shapes.tracer import tensors_in

PRODUCTS = {"linear", "matmul", "mm", "addmm", "rmatmul", "bilinear", "einsum"}
CONVOLUTIONS = {"conv1d", "conv2d", "conv3d"}


@dataclass(eq=False)
class Operation:
    name: str  # PyTorch's
    inputs: list[torch.Tensor]
    output: torch.Tensor  # one of its results


@dataclass(eq=False)
class Product:
    """Data times weight. In data and out the features are in the last dimension."""

    operation: Operation
    data: torch.Tensor  # this and out as they were at that time
    weight: torch.Tensor | None  # None where it is no tensor of two or more dimensions
    out: torch.Tensor
    depth: int  # how many products in a row lead up to this one, itself included


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
        inputs = tensors_in(args, kwargs or {})
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
                weights = (t for t in inputs if id(t) not in self._depth and t.ndim > 1)
                out = _features_last(name, output).detach().clone()
                found = Product(operation, data, next(weights, None), out, depth + 1)
                self.products.append(found)
        return value

    @property
    def depth(self) -> int:
        """How many products follow one another."""
        return max((product.depth for product in self.products), default=0)

    @property
    def inner_products(self) -> list[Product]:
        """Those with a weight whose data were made by another product."""
        return [p for p in self.products if p.depth > 1 and p.weight is not None]

    def made(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor came up during the pass, or is X."""
        return tensor is self._X or id(tensor) in self._made


def _features_last(name, tensor):
    return tensor.movedim(1, -1) if name in CONVOLUTIONS and tensor.ndim > 2 else tensor


def record(net: nn.Module, X: torch.Tensor) -> Recording:
    """Of a pass without gradients."""
    with Recording(X) as recording, torch.no_grad():
        net(X)
    return recording


class BackwardCalls(TorchFunctionMode):
    """Records each number that backward() is called on: the loss, whatever its name."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []
        self.cut = False  # whether one of them was computed from nothing

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") == "backward":
            with contextlib.suppress(Exception):
                loss = tensors_in(args, kwargs or {})[0]
                self.cut |= loss.grad_fn is None and loss.requires_grad
                self.losses.append(loss.item())
        return func(*args, **(kwargs or {}))
