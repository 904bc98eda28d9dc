"""The shape in which a learner's net takes pictures: the lab tries three."""

import copy
import math

import torch
from torch import nn

from helpers.language import tr

NO_SCORES = tr(
    "{net} must return a row of at least {wanted} scores for each picture; for "
    "{count} pictures of shape {shape} it returned {found}."
)


def picture_shape(
    net: nn.Module, name: str, images: torch.Tensor, num_outputs: int
) -> tuple[int, ...]:
    """Of one picture, as `net` takes it: the first of three that works.

    name: what the net is called. images: [N, num_inputs]. Raises what the net raises,
    or ValueError if it does not return scores.
    """
    size, count = images.shape[1], min(3, len(images))
    side, failures = math.isqrt(size), {}
    shapes = [(size,)]
    if side * side == size:
        shapes += [(1, side, side), (side, side)]
    for shape in shapes:
        try:
            with torch.no_grad():
                out = _copy(net).eval()(images[:count].view(count, *shape))
        except Exception as error:  # the learner's own code
            failures[shape] = error
            continue
        scores = out[0] if isinstance(out, tuple) else out
        found = tuple(getattr(scores, "shape", ())) or type(scores).__name__
        if len(found) == 2 and found[0] == count and found[1] >= num_outputs:
            return shape
        said = {"net": name, "wanted": num_outputs, "count": count}
        failures[shape] = ValueError(NO_SCORES.format(found=found, shape=shape, **said))
    raise _likeliest(net, failures, shapes)


def _copy(net):
    """A try may change a net: one that is lazy, or counts."""
    try:
        return copy.deepcopy(net)
    except Exception:  # whatever a learner's class raises
        return net


def _likeliest(net, failures, shapes):
    """The failure with the shape that the net was probably made for."""
    for kind, place in ((nn.RNNBase, 2), (nn.modules.conv._ConvNd, 1)):
        if len(shapes) > 1 and any(isinstance(part, kind) for part in net.modules()):
            return failures[shapes[place]]
    return failures[shapes[0]]
