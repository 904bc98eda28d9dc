"""Tensors as they were before a trace: their numbers, shapes and gradients."""

from collections.abc import Iterable

import torch


class SavedTensors:
    """Restores the tensors that it watches, and copies only those that may change.

    `state.Snapshot` copies all that it reaches before a call; this one learns of each
    tensor when an operation uses it, so a large network costs nothing, and it restores
    shapes too.
    """

    def __init__(self) -> None:
        self._storages = {}  # address -> the numbers there, not changed so far
        self._copies, self._tensors, self._gradients = [], [], []
        self._watched = set()  # ids of tensors, addresses of storages

    def watch(self, tensor: torch.Tensor) -> None:
        """Note the shape and the gradient of a tensor, and where its numbers are."""
        address = _address(tensor)
        if address is None or id(tensor) in self._watched:
            return
        if address not in self._watched:
            self._storages[address] = tensor.untyped_storage()
        self._watched |= {id(tensor), address}
        self._tensors.append((tensor, tensor.detach()))
        if tensor.is_leaf:
            self._gradients.append((tensor, tensor.grad))
            if tensor.grad is not None:  # autograd changes it unseen
                self.watch(tensor.grad)
                self.about_to_change([tensor.grad])

    def about_to_change(self, tensors: Iterable[torch.Tensor]) -> None:
        """Copy the numbers of those tensors that are watched."""
        for tensor in tensors:
            storage = self._storages.pop(_address(tensor), None)
            if storage is not None:
                self._copies.append((storage, storage.clone()))

    def restore(self) -> None:
        """Make every watched tensor what it was when `watch` was first called on it."""
        for storage, copied in self._copies:
            if storage.nbytes() != copied.nbytes():
                storage.resize_(copied.nbytes())
            storage.copy_(copied)
        # What was noted first is restored last.
        for tensor, data in reversed(self._tensors):
            if (tensor.shape, _address(tensor)) != (data.shape, _address(data)):
                tensor.data = data
        for tensor, grad in reversed(self._gradients):
            tensor.grad = grad


def _address(tensor: torch.Tensor) -> int | None:
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (RuntimeError, NotImplementedError, ValueError):  # sparse, lazy, ...
        return None
