"""Which weights of a net the lab shows, and as what pictures."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from helpers.language import tr
from helpers.plots import SIDE

NUM_TILES = 16
MOST = 64  # rows and columns of a matrix that is shown as one picture

COLUMNS = (
    tr("{count} of {total:,} columns, {high}\u00d7{wide} each"),
    tr("{count} of {total:,} columns"),
)
ALL_COLUMNS = (
    tr("all {total} columns, {high}\u00d7{wide} each"),
    tr("all {total} columns"),
)
ONE_COLUMN = (tr("its one column, {high}\u00d7{wide}"), tr("its one column"))
ROWS = (
    tr("{count} of {total:,} rows, {high}\u00d7{wide} each"),
    tr("{count} of {total:,} rows"),
)
ALL_ROWS = (tr("all {total} rows, {high}\u00d7{wide} each"), tr("all {total} rows"))
ONE_ROW = (tr("its one row, {high}\u00d7{wide}"), tr("its one row"))
FILTERS = (
    tr("{count} of {total:,} filters, {high}\u00d7{wide} each"),
    tr("{count} of {total:,} filters"),
)
ALL_FILTERS = (
    tr("all {total} filters, {high}\u00d7{wide} each"),
    tr("all {total} filters"),
)
ONE_FILTER = (tr("its one filter, {high}\u00d7{wide}"), tr("its one filter"))
VECTORS = (
    tr("{high} of {rows:,} vectors, a row each"),
    tr("{high} of {rows:,} vectors"),
)
MATRIX = (
    tr("{high} of {rows:,} rows, {wide} of {columns:,} columns"),
    "{rows:,}\u00d7{columns:,}",
)
TITLE = tr("{name}: {caption}")


class Shown(NamedTuple):
    """A parameter, and how it becomes pictures.

    tiles: makes [count, high, wide] of it. captions: what they are, the longest first.
    rank: those that say most come first; 0 where each picture is a unit's weights.
    """

    name: str
    parameter: torch.Tensor
    tiles: Callable[[torch.Tensor], torch.Tensor]
    captions: list[str]
    rank: int

    @property
    def title(self) -> str:
        """For a narrow picture."""
        title = TITLE.format(name=self.name, caption=self.captions[-1])
        return title if len(title) <= 30 else self.name

    def unit(self, index: int) -> str:
        """What picks one of the pictures out, as in code."""
        return f"{self.name}[{':, ' if self.tiles is _columns else ''}{index}]"


def shown_weights(net: nn.Module) -> list[Shown]:
    """The parameters that can be shown, those whose inputs are pixels first."""
    found = []
    for prefix, part in net.named_modules():
        for name, parameter in part.named_parameters(prefix, recurse=False):
            if nn.parameter.is_lazy(parameter) or not parameter.numel():
                continue
            kind = _kind(part, parameter)
            if kind:
                rank, tiles, captions = kind
                shape = tiles(parameter.detach()).shape
                captions = [_caption(one, parameter, *shape) for one in captions]
                found.append(Shown(name, parameter, tiles, captions, rank))
    return sorted(found, key=lambda one: one.rank)  # in their order otherwise


def _caption(sentence, parameter, count, high, wide):
    return sentence.format(
        count=count,
        high=high,
        wide=wide,
        rows=len(parameter),
        columns=parameter[0].numel(),
        total=parameter.numel() // (high * wide),
    )


def _kind(part, parameter):
    """(rank, tiles, captions) of a parameter, or None where it makes no picture."""
    shape, pixels = parameter.shape, SIDE * SIDE
    if parameter.ndim == 2 and pixels in shape:
        by_rows = shape[1] == pixels and (
            shape[0] != pixels or isinstance(part, nn.Linear)
        )
        if by_rows:
            return 0, _rows, _choose(shape[0], ROWS, ALL_ROWS, ONE_ROW)
        return 0, _columns, _choose(shape[1], COLUMNS, ALL_COLUMNS, ONE_COLUMN)
    if parameter.ndim == 4 and shape[2] * shape[3] > 1:
        count = shape[0] * shape[1]
        return 1, _filters, _choose(count, FILTERS, ALL_FILTERS, ONE_FILTER)
    if isinstance(part, nn.Embedding):
        return 2, _matrix, VECTORS
    if parameter.ndim > 1:
        return 3, _matrix, MATRIX
    return None


def _choose(total, some, everything, one):
    return some if total > NUM_TILES else everything if total > 1 else one


def _columns(weight):
    return weight[:, :NUM_TILES].T.unflatten(1, (SIDE, SIDE))


def _rows(weight):
    return weight[:NUM_TILES].unflatten(1, (SIDE, SIDE))


def _filters(weight):
    return weight.flatten(0, 1)[:NUM_TILES]


def _matrix(weight):
    return weight.flatten(1)[None, :MOST, :MOST]


@torch.no_grad()
def packed(shown: Shown) -> dict:
    """Its pictures as int8 on one scale, for the browser."""
    tiles = shown.tiles(shown.parameter)
    count, high, wide = tiles.shape
    return {
        "name": shown.name,
        "count": count,
        "high": high,
        "wide": wide,
        "captions": shown.captions,
        "units": [] if shown.rank else [shown.unit(index) for index in range(count)],
        **on_one_scale(tiles),
    }


def on_one_scale(tiles: torch.Tensor) -> dict:
    """Weights as int8, "data", and how large 127 is, "top"."""
    # NumPy's calls cost less than PyTorch's: all at once 0.27 ms in place of 0.38.
    values = tiles.detach().cpu().float().contiguous().numpy()
    finite = np.isfinite(values)
    if not finite.all():
        values = np.where(finite, values, np.float32(0))
    # As in plot_columns: a few extreme weights would leave the rest pale.
    sizes = np.abs(values)
    at = math.ceil(0.99 * sizes.size) - 1
    top = float(np.partition(sizes, at, axis=None)[at] or sizes.max())
    scaled = (values * (127 / top if top else 0)).clip(-127, 127)
    return {"data": np.rint(scaled).astype(np.int8).tobytes(), "top": f"{top:.2g}"}
