"""How the checkers compare: equal up to rounding, and a model with what it was."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from helpers.language import tr

# Translators: what changed of a model, at the end of "your function changed ...: ".
OTHER_PARAMETERS = tr("it has other Parameters now")
OTHER_NUMBERS = tr("its numbers are different now")
OTHER_FLAG = tr("{name}.requires_grad is {found} now")
OTHER_GRADIENT = tr("{name}.grad has changed")
OTHER_TYPE = tr("{name} is of type {found} now")


def near(found: Any, wanted: Any, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Whether two numbers, lists or tensors of one shape are equal up to rounding."""
    found, wanted = (torch.as_tensor(value).double() for value in (found, wanted))
    if found.shape != wanted.shape:
        return False
    return torch.allclose(found, wanted, rtol=rtol, atol=atol)


def furthest(found: torch.Tensor, wanted: torch.Tensor) -> tuple[int, ...]:
    """Where two tensors of one shape differ most."""
    there = torch.unravel_index((found - wanted).abs().argmax(), found.shape)
    return tuple(map(int, there))


def unchanged(net: nn.Module, kept: Mapping[str, torch.Tensor]) -> bool:
    """Whether a model has the numbers of an earlier state_dict."""
    return all(map(torch.equal, net.state_dict().values(), kept.values()))


def watched(net: nn.Module) -> Callable[[], str]:
    """Notes a model; call what is returned to hear what has changed of it, or ""."""
    parameters, kept = dict(net.named_parameters()), deepcopy(net.state_dict())
    flags = [(p.requires_grad, p.grad is None, p.dtype) for p in parameters.values()]

    def changed() -> str:
        now = dict(net.named_parameters())
        if [*now] != [*parameters] or any(
            p is not parameters[n] for n, p in now.items()
        ):
            return OTHER_PARAMETERS
        if not unchanged(net, kept):
            return OTHER_NUMBERS
        for (name, p), (requires_grad, empty, dtype) in zip(now.items(), flags):
            if p.dtype != dtype:
                return OTHER_TYPE.format(name=name, found=p.dtype)
            if p.requires_grad != requires_grad:
                return OTHER_FLAG.format(name=name, found=p.requires_grad)
            if (p.grad is None) != empty:
                return OTHER_GRADIENT.format(name=name)
        return ""

    return changed
