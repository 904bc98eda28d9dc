"""What the doctor examines: copies of a net and what trains it, and one step of it.

The learner's own code may reach past its arguments to the originals. So everything it
can reach is noted beforehand, and put back to the bit afterwards.
"""

import contextlib
import copy
import itertools
import math
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

from helpers.instruments.doctor.examples import (
    FEW_ROWS,
    TINY_ROWS,
    Examples,
    class_numbers,
    sample,
)
from helpers.instruments.doctor.recording import BackwardCalls, Operation, Recording
from helpers.instruments.registration.walk import find_tensors
from helpers.instruments.state import (
    Snapshot,
    instructions,
    reachable,
    same_bits,
    seed_all,
)
from helpers.instruments.trace_shapes.tracer import tensors_in
from helpers.own.trainee import as_loss

MAX_CALLS = 64  # of a step that may change the weights in only some of its calls
END_OF_SCHEDULE = "lr_scheduler.py"
CLIPS = "clip_grad", "backward"  # as clip_grad_norm_ and clip_grad_value_ begin
LOGIT, PROBABILITY, NUMBER = "logit", "probability", "number"
MODE_LAYERS = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)


# A learner's net, optimizer, loss and train_step.
Given = tuple[nn.Module, Optimizer | None, Callable | None, Callable | None]
Losses = tuple[float | None, float | None]


@dataclass(frozen=True)
class Limits:
    """How long the doctor looks, in seconds of its own thread."""

    total: float
    slow: float = 0.03  # a net whose pass of a few pictures takes longer gets fewer
    watched: float = 1.5  # for calls of train_step until one of them changes a weight
    waits: float = 0.02  # a net that computes for less of its time is waiting
    silent: float = 2  # of the clock, until it says that it goes on
    enough_steps: int = 512  # a net no better than guessing after them does not learn


class OutOfTime(BaseException):
    """Raised in place of a pass for which there is no time; no check catches it."""


@dataclass
class WatchedStep:
    """What one training step did."""

    X: Tensor | None = None  # what reached the net
    more: tuple[tuple, dict] = ((), {})  # and what else
    y: Tensor | None = None  # what cross_entropy or nll_loss compared it with
    labels: list[Tensor] = field(default_factory=list)  # and what the others had
    loss: float | None = None
    returned: str = ""  # what train_step gave back in place of a loss
    error: Exception | None = None  # what it raised
    backward: bool = False  # whether it was called
    cut: bool = False  # on a loss that has no graph
    with_gradient: set[int] = field(default_factory=set)  # ids of parameters
    slopes: bool = False  # whether one of those gradients is not 0
    moved: dict[int, Tensor] = field(default_factory=dict)  # id -> change
    calls: int = 0  # how many it took until something moved
    forgotten: bool = False  # whether no call can move anything
    # For each optimizer.step(), whether there was a gradient:
    updates: list[bool] = field(default_factory=list)
    # (name, training, with gradients) of the layers in which the mode matters:
    modes: list[tuple[str, bool, bool]] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)  # of the first call


def mode_layers(net: nn.Module) -> dict[str, nn.Module]:
    """By their names, the layers that work differently in training."""
    return {
        name: layer
        for name, layer in net.named_modules()
        if isinstance(layer, MODE_LAYERS) and getattr(layer, "p", 1)
    }


class TrainingSetup:
    """Copies of a learner's net, optimizer, loss and step, and some of their data.

    Where they can't be copied, or the step works on the originals whatever it is
    given, these are the originals, and every experiment is undone.
    """

    def __init__(self, given: Given, examples: Examples) -> None:
        self.examples, self.given = examples, given
        self._returned = ""  # by the last step, in place of a loss
        self._cut = False  # whether its backward() began at what has no graph
        # Called before each pass; it may raise OutOfTime:
        self.ask_for_time: Callable[[], None] = lambda: None
        self.only = 0  # the one number of pictures that a step can take, if so
        self.binary = ""  # what the one number for each picture is
        self._pictures = [part for pair in examples.splits.values() for part in pair]
        self.originals = Snapshot(*self.given, leave=self._pictures)
        self._modes = [module.training for module in self.given[0].modules()]
        if not self._use_copies():
            self.use_originals()

    def _use_copies(self):
        """Whether they could be copied, with nothing in them tied to the originals."""
        net, optimizer = self.given[:2]
        if isinstance(optimizer, torch.optim.LBFGS):  # its copies do not work
            return False
        memo = {id(part): part for part in self._pictures}  # too large to be copied
        try:
            copies = copy.deepcopy(self.given, memo)
        except Exception:  # noqa: BLE001  whatever a learner's class raises
            return False
        own = {id(found.tensor) for found in find_tensors(net)}
        own |= {id(net), id(optimizer)} - {id(None)}
        if any(id(one) in own for one in reachable(*copies, leave=self._pictures)):
            return False
        self._use(copies)
        return True

    def reaches_originals(self) -> bool:
        """Whether a step has changed the originals, though it was given copies."""
        modes = [module.training for module in self.given[0].modules()]
        return modes != self._modes or self.originals.changed()

    def use_originals(self) -> None:
        self.originals.restore()
        self._use(self.given)

    def _use(self, given: Given):
        self.net, self.optimizer, loss, self.train_step = given
        self.loss = partial(_mean_of, loss) if loss else F.cross_entropy
        usual = self.cross_entropy if self.train_step else F.cross_entropy
        self.raw_loss = loss or usual
        X, y = sample(*self.examples.splits["train"])
        tensors = find_tensors(self.net)
        device = tensors[0].tensor.device if tensors else X.device
        self.X, self.y = X.to(device), y.to(device)
        if any(map(nn.parameter.is_lazy, self.net.parameters())):
            with contextlib.suppress(Exception), torch.no_grad():
                self.net(self.X[:2])  # gives them their shapes; a failure shows later
        self._used = given
        self._snapshot = Snapshot(*given, leave=self._pictures)
        tensors = [found.tensor for found in find_tensors(self.net)]
        self._tensors = {t: t.data for t in tensors if not nn.parameter.is_lazy(t)}
        self._numbers = Snapshot(settings=False)
        for data in self._tensors.values():
            self._numbers.watch(data)
            self._numbers.save(data)

    @contextlib.contextmanager
    def experiment(self) -> Iterator[None]:
        """Undo whatever is done inside; its random numbers are fixed."""
        self.ask_for_time()
        seed_all()
        try:
            yield
        finally:
            self._snapshot.restore()

    def rewind(self) -> None:
        """Inside an experiment: the net's numbers and the seed as at its beginning."""
        self.ask_for_time()
        seed_all()
        self._numbers.restore()
        for tensor, data in self._tensors.items():
            tensor.data = data

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(X, y) of `size` pictures, without end: after the last the first again."""
        rows, count = len(self.X), min(size, len(self.X))
        X, y = (torch.cat([part, part[:count]]) for part in (self.X, self.y))
        for start in itertools.count(0, size):
            which = slice(start % rows, start % rows + count)
            yield X[which].clone(), y[which].clone()

    @property
    def learnable(self) -> list[Tensor]:
        """The tensors in the net that can learn."""
        tensors = (found.tensor for found in find_tensors(self.net))
        return [t for t in tensors if t.is_leaf and t.requires_grad]

    # --- Its scores

    def scores(self, X: Tensor) -> Tensor:
        """The net's scores of these pictures, a row for each."""
        self.ask_for_time()
        parts = X.split(self.only) if self.only else [X]
        return torch.cat([self.read(self.net(part), len(part)) for part in parts])

    def read(self, out: Any, rows: int) -> Any:
        """The scores in what the net returns. Of several tensors they are the first
        with a column for each class. A number for each picture, as binary cross-entropy
        takes it, becomes the two scores of which the softmax is the same."""
        held = tensors_in(out, getattr(out, "__dict__", {}))
        tensors = [t for t in held if t.ndim == 2 and len(t) == rows]
        fit = [t for t in tensors if t.shape[1] == self.examples.classes]
        if not isinstance(out, Tensor):
            out = next(iter(fit or tensors), out)
        if self.binary and isinstance(out, Tensor) and out.numel() == rows:
            first = out.reshape(-1, 1)
            if self.binary == PROBABILITY:
                first = first.clamp(1e-7, 1 - 1e-7).logit()
            if self.binary == NUMBER:
                first = first - 0.5
            return torch.cat([torch.zeros_like(first), first], dim=1)
        return out

    def cross_entropy(self, out: Any, y: Tensor) -> Tensor:
        """Of whatever the net returns, with labels of any form."""
        y = y if y.ndim == 2 and y.shape[1] > 1 else class_numbers(y)
        return F.cross_entropy(self.read(out, len(y)), y)

    # --- A step

    def step(self, X: Tensor, y: Tensor) -> Losses:
        """One step: the learner's own, or the usual one. Returns what it says its loss
        is, and what backward() was called on, each None where there is none."""
        self.ask_for_time()
        if self.train_step is None:
            optimizer = self.optimizer or self.plain_sgd()
            return (self.usual_step(optimizer, X, y, self.loss),) * 2
        value = None
        with BackwardCalls() as backward:
            try:
                value = self.train_step(self.net, self.optimizer, X.clone(), y.clone())
            except ValueError as error:
                frames = traceback.extract_tb(error.__traceback__)
                if not frames[-1].filename.endswith(END_OF_SCHEDULE):
                    raise  # else everything but the end of its schedule has been done
        number, losses = as_loss(value), backward.losses
        self._returned = "" if number is not None else type(value).__name__
        self._cut = backward.cut
        return number, sum(losses) / len(losses) if losses else None

    def five_steps(self) -> None:
        """Inside an experiment."""
        for X, y in itertools.islice(self.batches(self.only or 64), 5):
            self.step(X, y)

    def usual_step(
        self, optimizer: Optimizer, X: Tensor, y: Tensor, loss: Callable
    ) -> float:
        """The step of the lessons; returns the loss."""

        def closure():
            optimizer.zero_grad()
            value = loss(self.net(X), y)
            value.backward()
            return value

        return optimizer.step(closure).item()

    def plain_sgd(self, more: Iterable[Tensor] = ()) -> torch.optim.SGD:
        """The optimizer of the lessons, for the net's parameters and `more`."""
        return torch.optim.SGD([*self.net.parameters(), *more], lr=0.1)

    def watch_step(self, X: Tensor, y: Tensor, seconds: float) -> WatchedStep:
        """A step on these pictures, at a rate that moves what can be moved. It is
        called again until something moves, for `seconds` at most."""
        watched, recording, leaves = WatchedStep(), Recording(), self.learnable
        before = [t.detach().clone() for t in leaves]
        until, rows, earlier = time.thread_time() + seconds, len(X), None
        with self.experiment(), self._hooks(watched, leaves):
            self.set_lr(max(self.lr or 0, 0.1))
            try:
                while watched.calls < MAX_CALLS and not watched.moved:
                    watched.calls += 1
                    if watched.with_gradient:
                        self.step(X[:rows], y[:rows])
                    else:  # a step may gather several batches, or begin later
                        with (recording := Recording()):
                            losses = self.step(X, y)
                        known = (loss for loss in losses if loss is not None)
                        watched.loss = next(known, None)
                        watched.returned = self._returned
                        watched.backward = losses[1] is not None
                        watched.cut = self._cut
                    for t, old in zip(leaves, before):
                        if not same_bits(t.detach(), old):
                            watched.moved[id(t)] = t.detach() - old
                    if time.thread_time() > until:
                        break
                    if not watched.with_gradient:
                        if watched.calls < MAX_CALLS // 4:
                            continue
                        break
                    slopes = [t.grad for t in leaves if t.grad is not None]
                    kept = {id(slope) for slope in slopes} & {*map(id, earlier or ())}
                    if earlier is not None and not kept and not self.names_step:
                        watched.forgotten = True
                        break
                    earlier = slopes
                    if until - time.thread_time() < 0.9 * seconds:
                        rows = self.only or TINY_ROWS  # a slow step
            except Exception as error:  # noqa: BLE001  the learner's own code
                watched.error = error
        watched.operations = recording.operations
        compare = ("cross_entropy", "nll_loss")
        losses = [o for o in recording.operations if o.name in compare]
        labels = [o.inputs[1] for o in losses if len(o.inputs) > 1]
        if labels and not labels[0].ndim or len(labels) > 1 and len(labels[0]) == 1:
            labels = [_one_batch(labels, 1)]
        watched.labels, watched.y = labels, next(iter(labels), None)  # as of X
        return watched

    def handed(self, size: int, count: int) -> list[tuple[WatchedStep, Tensor]]:
        """What is seen in so many steps with other batches each, such as the X that
        reaches the net, and the labels that the step was given."""
        found = []
        with self.experiment():
            self.net.train()
            for X, y in itertools.islice(self.batches(size), count):
                watched = WatchedStep()
                with self._hooks(watched, []):
                    self.step(X, y)
                found.append((watched, y))
        return found

    @cached_property
    def _named(self) -> list[list]:
        """Of each function that train_step reaches, the names in it, in their order,
        and more."""
        functions = (f for f in reachable(self.train_step) if type(f) is FunctionType)
        code = itertools.chain(*map(instructions, functions))
        return [[op.argval for op in one] for one in code]

    @property
    def names_step(self) -> bool:
        """Whether anything that train_step reaches names a step(), as of an optimizer,
        or is not written in Python."""
        return not self._named or any("step" in names for names in self._named)

    @property
    def clips_too_early(self) -> bool:
        """Whether train_step clips the gradients before backward() computes them."""
        for names in self._named:
            calls = [str(name)[:9] for name in names]
            calls = [one for one in calls if one in ("clip_grad", "backward", "step")]
            pairs = [*itertools.pairwise(calls)]
            if CLIPS in pairs and CLIPS[::-1] not in pairs:
                return True
        return False

    def hand_on(self, more: tuple[tuple, dict], rows: int) -> None:
        """From here on the net gets these arguments, too, where it is called with
        pictures only. rows: for how many pictures they are."""

        def add(module, args, kwargs):
            if len(args) == 1 and not kwargs:
                return args + more[0], more[1]
            return None

        if any(more):
            self.net.register_forward_pre_hook(add, with_kwargs=True)
            self._snapshot = Snapshot(*self._used, leave=self._pictures)
            self.only = rows

    def _hooks(self, watched, leaves):
        """They write into `watched` what happens on the way, until they are closed."""

        def note_input(module, args, kwargs):
            if watched.calls < 2 and args and isinstance(args[0], Tensor):
                if torch.is_grad_enabled() or not inputs:
                    if not inputs:
                        watched.more = tree_map(_detached, (args[1:], kwargs))
                    inputs.append(args[0].detach().clone())
                    watched.X = _one_batch(inputs, self.X.ndim)

        def note_mode(name, module, args):
            watched.modes.append((name, module.training, torch.is_grad_enabled()))

        def note_gradient(key, gradient):
            watched.with_gradient.add(key)
            watched.slopes |= bool(gradient.any())

        def note_update(optimizer, args, kwargs):
            params = [p for group in optimizer.param_groups for p in group["params"]]
            slopes = [p.grad for p in params if p.grad is not None]
            watched.updates.append(any(slope.any() for slope in slopes))

        inputs: list[Tensor] = []
        hooks = contextlib.ExitStack()
        add = hooks.enter_context
        if not isinstance(self.net, torch.jit.ScriptModule):  # it takes no hooks
            add(self.net.register_forward_pre_hook(note_input, with_kwargs=True))
        for name, layer in mode_layers(self.net).items():  # no scripted ones
            add(layer.register_forward_pre_hook(partial(note_mode, name)))
        for t in leaves:
            add(t.register_hook(partial(note_gradient, id(t))))
        with contextlib.suppress(AttributeError):  # None, or one of the learner's own
            add(self.optimizer.register_step_pre_hook(note_update))
        return hooks

    # --- The learning rate

    @property
    def lr(self) -> float | None:
        """Of the optimizer's first group; None where there is none."""
        if self.optimizer is None:
            return None
        lr = self.optimizer.param_groups[0].get("lr")
        return None if lr is None else float(lr)

    def set_lr(self, lr: float) -> None:
        """The first group gets this lr, the others theirs in proportion."""
        first = self.lr
        for group in self.optimizer.param_groups if first is not None else ():
            group["lr"] = group["lr"] * lr / first if first else lr

    @property
    def decay(self) -> float:
        """The largest weight decay of the optimizer's groups."""
        groups = self.optimizer.param_groups if self.optimizer else ()
        return max((group.get("weight_decay") or 0 for group in groups), default=0)

    def leave_out_decay(self) -> None:
        for group in self.optimizer.param_groups:
            group["weight_decay"] = 0

    @cached_property
    def obeys_lr(self) -> bool:
        """Whether the optimizer's lr decides how far a step goes. It doesn't in a step
        by hand, nor where a scheduler in the step sets it."""
        if self.train_step is None or self.lr is None:
            return self.lr is not None
        return 1.5 < self._distance(0.2) / max(self._distance(0.1), 1e-30) < 2.7

    def _distance(self, lr):
        """How far the second of two steps goes."""
        rows = self.only or FEW_ROWS
        X, y = self.X[:rows], self.y[:rows]
        tensors = [t for t in self._tensors if t.is_floating_point()]
        with self.experiment():
            begun = [t.detach().clone() for t in tensors]
            self.set_lr(lr)
            self.step(X, y)
            self.rewind()
            self.step(X, y)
            return size_of(t.detach() - old for t, old in zip(tensors, begun))


def size_of(tensors: Iterable[Tensor]) -> float:
    """The root of the sum of all their squares."""
    return math.hypot(*(t.detach().norm().item() for t in tensors))


def _detached(value):
    return value.detach().clone() if isinstance(value, Tensor) else value


def _one_batch(parts, ndim):
    """The first of what a step hands over; where that is one picture at a time, all."""
    first = parts[0]
    alike = [part for part in parts if part.shape == first.shape]
    if first.ndim == ndim - 1:
        return torch.stack(alike)
    return torch.cat(alike) if first.ndim == ndim and len(first) == 1 else first


def _mean_of(loss, out, y):
    """A learner's loss; where it gives a number for each picture, their mean."""
    value = loss(out, y)
    several = isinstance(value, Tensor) and value.numel() > 1
    return value.mean() if several else value
