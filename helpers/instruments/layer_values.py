"""The activations and the gradients of one layer, each summed up as `Values`."""

import math
from dataclasses import dataclass

import torch

BINS = 24  # of a histogram
REACH = 3  # spreads, from its middle to its ends
ENOUGH = 8192  # values for a histogram


@dataclass(frozen=True)
class Values:
    """Many numbers, summed up.

    spread: their standard deviation (possibly inf or nan). heights: of a histogram,
    0 to 1, from 3 spreads below their mean to 3 spreads above.
    """

    spread: float
    heights: tuple[float, ...]

    @classmethod
    def of(cls, tensor: torch.Tensor) -> "Values":
        """Those of a tensor of any shape."""
        # In double, since the square of 1e-30 is 0 in single precision.
        values = tensor.detach().flatten().double()
        mean, spread = values.mean().item(), values.std(correction=0).item()
        if not math.isfinite(spread):
            return cls(spread, (0.0,) * BINS)
        # An odd stride, so that every unit is among them.
        some = values[:: len(values) // ENOUGH | 1] - mean
        some = (some / (spread or 1.0)).clamp(-REACH, REACH)
        counts = torch.histc(some, BINS, -REACH, REACH)
        return cls(spread, tuple((counts / counts.max()).tolist()))


@dataclass(frozen=True)
class Layer:
    """One layer.

    name: "1", "2", ... or "scores". activations: its outputs. gradients: of the loss
    with respect to its weights. dead: the share of dead units (relu: 0 for every
    picture) or of saturated outputs (tanh, sigmoid: within 0.01 of an end), 0 to 1;
    None for the scores.
    """

    name: str
    activations: Values
    gradients: Values
    dead: float | None
