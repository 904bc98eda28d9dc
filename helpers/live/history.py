"""Back through time: the earlier steps of a run, to look at and to go on from."""

import math
import sys
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple

import torch

from helpers.curves import MEASURED, Curves
from helpers.language import tr
from helpers.training import Progress, Run, train

MOST_BYTES = 47e6  # for the kept states; the run that goes back takes some more
MOST_PARTS = 100_000  # of a net that are counted
NEVER_COPIED = (type, FunctionType, BuiltinFunctionType, ModuleType, str, int, float)

CANT_KEEP = tr("This run can't be scrubbed, since its state can't be copied. {error}")
TOO_LARGE = tr(
    "This run can't be scrubbed, since its net is too large to be copied often."
)
ANOTHER_LOSS = tr(
    "Its loss was {before:.4g} the first time and {loss:.4g} the second, so it depends "
    "on something outside the net and its optimizer."
)


class _Kept(NamedTuple):
    step: int
    num_bytes: int
    state: dict[str, Any]


class History:
    """The earlier steps of a run, in bounded memory.

    Kept are its states after 0, 1, 4, 9, 16, ... steps, since weights change fastest
    at first. Where they take too much, the one goes whose neighbours are nearest. The
    steps after one of them are repeated from there.

    run: the one that trains. kept: its states. refused: why there are none, in a
    sentence. step: where we are back; None: at the newest step. past: a second run, at
    `step` or before it. wanted: why steps are to be repeated, to "look" or to "go on".
    settled: whether that is over.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.past: Run | None = None
        self.step: int | None = None
        self.wanted, self.settled = "", False
        self.refused = ""
        self._losses = array("d")  # of all steps
        self.kept: list[_Kept] = []
        self._keep()

    def add(self, progress: Progress) -> None:
        """The run has taken a step."""
        self._losses.append(progress.loss)
        root = math.isqrt(progress.step)
        if root * root == progress.step and self.kept:
            self._keep()

    def _keep(self):
        trainee = self.run.trainee
        if _num_bytes(trainee.net, trainee.optimizer) > MOST_BYTES:
            self.kept, self.refused = [], TOO_LARGE
            return
        try:
            state = self.run.state()
        except Exception as error:  # anything, from a learner's own net
            self.kept, self.refused = [], CANT_KEEP.format(error=error)
            return
        self.kept.append(_Kept(self.run.step, _num_bytes(state), state))
        self.thin(MOST_BYTES)

    def thin(self, most: float) -> None:
        """Keep no more than so many bytes, but always the first state."""
        while self.num_bytes > most and len(self.kept) > 1:
            roots = [math.isqrt(one.step) for one in self.kept]
            gaps = [after - before for before, after in zip(roots, roots[2:])]
            # The one that leaves the smallest gap; not the first, nor else the last.
            del self.kept[1 + gaps.index(min(gaps)) if gaps else 1]

    @property
    def num_bytes(self) -> int:
        """What the kept states take."""
        return sum(kept.num_bytes for kept in self.kept)

    def go_to(self, step: int) -> Run:
        """Go back to a step; returns `past`, at the nearest known step before it."""
        self.step, self.wanted, self.settled = step, "", False
        kept = [one for one in self.kept if one.step <= step][-1]
        past = self.past or train(self.run.config, self.run.data)
        if not (self.past and kept.step <= past.step <= step):
            self.past = None  # should it fail
            past.load(kept.state, self.run.lr_changes)
        self.past = past
        return past

    def look_at_all(self, look: Callable[[Run], Any]) -> list[tuple[int, Any]]:
        """What `look` makes of the run at each step whose state is kept."""
        found = []
        with suppress(Exception):  # anything, from a learner's own net
            past = self.kept and train(self.run.config, self.run.data)
            for kept in self.kept:
                past.load(kept.state, self.run.lr_changes)
                found.append((kept.step, look(past)))
        return found

    def repeat(self) -> bool:
        """One more step of `past` towards `step`; returns whether it is there."""
        past, self.past = self.past, None  # should it fail
        if past.step < self.step:
            past.lr = dict(self.run.lr_changes).get(past.step, past.lr)
            loss, before = next(past).loss, self._losses[past.step - 1]
            if loss != before:
                raise ValueError(ANOTHER_LOSS.format(loss=loss, before=before))
        self.past = past
        return past.step == self.step

    def leave(self) -> None:
        """Back to the newest step."""
        self.step, self.wanted = None, ""

    def go_on(self, lr: float) -> Progress:
        """`past` is the run from here on; returns its step, measured."""
        step, run = self.step, self.past
        self.run.close()
        self.run, self.past = run, None
        self.kept = [one for one in self.kept if one.step <= step]
        del self._losses[step:]
        self.leave()
        run.lr = lr
        loss = self._losses[-1] if step else math.nan
        epoch = epoch_of(step, run)
        return run.measure(Progress(step, epoch, loss, lr, run.net))


def epoch_of(step: int, run: Run) -> int:
    """The epoch that a step belongs to, from 1."""
    return 1 + max(0, step - 1) // run.steps_per_epoch


def values_near(curves: Curves, step: int) -> dict[str, float]:
    """What was measured nearest to a step."""
    epochs, wanted = curves.by_name[MEASURED[0]].x, step / curves.steps_per_epoch
    at = min(range(len(epochs)), key=lambda i: abs(epochs[i] - wanted))
    return {name: curves.by_name[name].y[at] for name in MEASURED}


def cut(curves: Curves, progress: Progress) -> None:
    """Forget what came after this step, which was measured."""
    epoch = (progress.step + 0.5) / curves.steps_per_epoch
    for one in curves.by_name.values():
        averages = one.per_point > 1 and len(one.x) > 1
        # An average reaches halfway to its neighbours.
        reach = (one.x[-1] - one.x[-2]) / 2 if averages else 0
        end = bisect_right(one.x, epoch - reach)
        del one.x[end:], one.y[end:]
        one.waiting.clear()
    curves.last = progress


def _num_bytes(*values: Any) -> int:
    """What a copy of them takes, each part counted once: a learner's net may hold more
    than tensors."""
    counted, waiting, total = set(), [*values], 0
    while waiting and len(counted) < MOST_PARTS:
        value = waiting.pop()
        if id(value) in counted or isinstance(value, NEVER_COPIED):
            continue
        counted.add(id(value))
        if isinstance(value, torch.Tensor):
            total += value.nbytes
            continue
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            waiting += value
        total += sys.getsizeof(value)
        waiting += getattr(value, "__dict__", {}).values()
    return total
