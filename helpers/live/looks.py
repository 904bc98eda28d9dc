"""What a run's net makes of validation pictures, without a trace in the net."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn

from helpers.given import scores_of
from helpers.language import tr
from helpers.live.weights import SIDE, Shown
from helpers.model import generator_lock
from helpers.own.turns import alone
from helpers.training import Run

THE_PANEL = tr("the panel")
POOL = 1000  # validation pictures that are counted and ranked
SLICE = 100  # of them at a time
MOST_SECONDS = 0.25  # of processor time for all of them; then the rest is left out
MOST_EXCITING = 9


class Looks:
    """Looks at validation pictures with the nets of one run.

    images, labels: of those pictures, as the data has them.
    """

    def __init__(self, run: Run) -> None:
        pool = run.data.val.some(POOL)
        self.images, self.labels = pool.images, pool.labels.cpu()
        self._shape, self._count = run.trainee.shape, len(self.labels)
        self._draws: bool | None = None  # whether the net draws random numbers here

    def probabilities(self, net: nn.Module, positions: Sequence[int]) -> torch.Tensor:
        """[N, scores] for these pictures."""
        return self._look(net, self.images[list(positions)])

    def all_probabilities(self, net: nn.Module) -> torch.Tensor:
        """[N, scores] for the first N pictures: all, or as many as time allows.

        Where a net is slow, it stays at the same pictures.
        """
        end, found = time.thread_time() + MOST_SECONDS, []
        for X in self.images[: self._count].split(SLICE):
            found.append(self._look(net, X))
            if time.thread_time() > end:
                break
        self._count = sum(map(len, found))
        return torch.cat(found)

    @torch.no_grad()
    def _look(self, net, images):
        with _as_before(net):
            net.eval()
            with self._random_numbers_as_before():
                scores = scores_of(net, images.view(-1, *self._shape), THE_PANEL)
        return scores.softmax(dim=1).cpu()

    @contextmanager
    def _random_numbers_as_before(self) -> Iterator[None]:
        """Not at each look, only with nets that draw: a cell that runs meanwhile may
        draw as well, and would get the same numbers again."""
        if self._draws is False:
            yield
            return
        with alone(generator_lock):
            before = torch.get_rng_state()
            try:
                yield
            finally:
                self._draws = not torch.equal(before, torch.get_rng_state())
                if self._draws:
                    torch.set_rng_state(before)


@contextmanager
def _as_before(net: nn.Module) -> Iterator[None]:
    """After the block, modes and buffers are as they were."""
    parts = [(part, part.training, dict(part._buffers)) for part in net.modules()]
    values = [(one, one.clone()) for one in net.buffers()]
    try:
        yield
    finally:
        for part, mode, buffers in parts:
            part.training = mode
            part._buffers.update(buffers)
        for one, value in values:
            one.copy_(value)


def answers(probabilities: torch.Tensor) -> torch.Tensor:
    """[N]: the position of the largest in each row; -1 where it isn't all numbers."""
    found = probabilities.argmax(dim=1)
    return found.where(probabilities.isfinite().all(dim=1), torch.tensor(-1))


def confusion(labels: torch.Tensor, said: torch.Tensor, classes: int) -> torch.Tensor:
    """[classes, classes] counts: true classes in rows, answers in columns.

    An answer that is no class is left out.
    """
    known = (said >= 0) & (said < classes)
    cells = labels[known] * classes + said[known]
    return cells.bincount(minlength=classes**2).view(classes, classes)


def in_turn(labels: torch.Tensor, classes: int) -> list[int]:
    """Positions: the first picture of each class, then the second of each, ..."""
    of_class = [(labels == one).nonzero().flatten().tolist() for one in range(classes)]
    return [one for ten in zip(*of_class) for one in ten]


class Unit(NamedTuple):
    """A column or row of the first layer.

    weights: [784]. exciting: positions of the pictures that excite it most, the most
    first. leads: its weights to the classes, [classes]; None where there are none.
    is_class: whether it is the score of a class itself.
    """

    name: str
    weights: torch.Tensor
    exciting: list[int]
    leads: torch.Tensor | None
    is_class: bool


@torch.no_grad()
def unit_of(
    net: nn.Module, shown: Shown, index: int, images: torch.Tensor, classes: int
) -> Unit:
    """What is known of one unit; images: [N, 784], to choose the exciting ones from."""
    weights = shown.tiles(shown.parameter)[index].flatten()
    excited = images @ weights
    exciting = excited.topk(min(MOST_EXCITING, len(images))).indices.tolist()
    count = shown.parameter.numel() // SIDE**2
    others = [
        (part, one)
        for part in net.modules()
        for one in part.parameters(recurse=False)
        if one.ndim > 1 and one is not shown.parameter
    ]
    leads, is_class = None, not others and count == classes
    if len(others) == 1:  # else more layers lie between
        part, last = others[0]
        if isinstance(part, nn.Linear) or last.shape != (count, classes):
            last = last.T
        if last.shape == (count, classes):
            leads = last[index].cpu()
    return Unit(shown.unit(index), weights.cpu(), exciting, leads, is_class)
