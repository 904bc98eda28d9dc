"""What the doctor examines: copies of a net and what trains it, and one step of it.

The learner's own code may reach past its arguments to the originals. So everything it
can reach is noted beforehand, and put back to the bit afterwards.
"""

import contextlib
import copy
import math
import numbers
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from helpers.instruments.doctor.examples import Examples
from helpers.instruments.doctor.recording import BackwardCalls, Operation, Recording
from helpers.instruments.registration.walk import find_tensors
from helpers.instruments.state import Snapshot, reachable, same_bits, seed_all

PASS_ROWS, FEW_ROWS = 128, 32  # pictures in an examined pass, and where that is slow
MAX_CALLS = 64  # of a step that may change the weights in only some of its calls
END_OF_SCHEDULE = "lr_scheduler.py"
MODE_LAYERS = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)

Losses = tuple[float | None, float | None]


@dataclass(frozen=True)
class Limits:
    """How long the doctor looks, in seconds of its own thread: other programs do not
    count.

    total: the whole examination. slow: a net whose pass of a few pictures takes longer
    is examined with fewer of them. watched: the calls of train_step until one of them
    changes a weight. enough_steps: after so many, a net no better than guessing does
    not learn.
    """

    total: float = 5
    slow: float = 0.03
    watched: float = 1.5
    enough_steps: int = 512


@dataclass
class WatchedStep:
    """What one training step did.

    X: what reached the net, y: what cross_entropy or nll_loss compared it with; None
    where that was not seen. loss: None where there was none. returned: what train_step
    gave back in place of a loss, or "". error: what it raised. with_gradient: ids of
    the parameters that a gradient reached. moved: id -> change, for those that
    changed. calls: how many it took until something moved. updates: for each
    optimizer.step(), whether there was a gradient. modes: (name, training, with
    gradients) of the layers in which the mode matters. operations: of the first call.
    """

    X: torch.Tensor | None = None
    y: torch.Tensor | None = None
    loss: float | None = None
    returned: str = ""
    error: Exception | None = None
    with_gradient: set[int] = field(default_factory=set)
    moved: dict[int, torch.Tensor] = field(default_factory=dict)
    calls: int = 0
    updates: list[bool] = field(default_factory=list)
    modes: list[tuple[str, bool, bool]] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)


def mode_layers(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(name, layer) of those that work differently in training."""
    for name, layer in net.named_modules():
        if isinstance(layer, MODE_LAYERS) and getattr(layer, "p", 1):
            yield name, layer


class TrainingSetup:
    """Copies of a learner's net, optimizer, loss and step, and some of their data.

    Where they can't be copied, or the step works on the originals whatever it is
    given, these are the originals, and every experiment is undone.
    """

    net: nn.Module
    optimizer: torch.optim.Optimizer | None
    loss: Callable
    train_step: Callable | None
    X: torch.Tensor
    y: torch.Tensor

    def __init__(
        self,
        net: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        loss: Callable | None,
        train_step: Callable | None,
        examples: Examples,
    ) -> None:
        self.examples = examples
        self.given = net, optimizer, loss, train_step
        self._pictures = [part for pair in examples.splits.values() for part in pair]
        self.originals = Snapshot(*self.given, leave=self._pictures)
        if not self._use_copies():
            self.use_originals()

    def _use_copies(self) -> bool:
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
        self._use(*copies)
        return True

    def use_originals(self) -> None:
        self.originals.restore()
        self._use(*self.given)

    def _use(self, net, optimizer, loss, train_step):
        self.net, self.optimizer, self.train_step = net, optimizer, train_step
        self.loss = loss or F.cross_entropy
        first = next((found.tensor for found in find_tensors(net)), None)
        device = "cpu" if first is None else first.device
        X, y = self.examples.rows("train")
        self.X, self.y = X.to(device), y.to(device)
        if any(map(nn.parameter.is_lazy, net.parameters())):
            with contextlib.suppress(Exception), torch.no_grad():
                net(self.X[:2])  # gives them their shapes; a failure shows later
        own = net, optimizer, loss, train_step
        self._snapshot = Snapshot(*own, leave=self._pictures)
        tensors = [found.tensor for found in find_tensors(net)]
        ready = [t for t in tensors if not nn.parameter.is_lazy(t)]
        self._numbers = [(t, t.detach(), t.detach().clone()) for t in ready]

    @contextlib.contextmanager
    def experiment(self) -> Iterator[None]:
        """Undo whatever is done inside; its random numbers are fixed."""
        seed_all()
        try:
            yield
        finally:
            self._snapshot.restore()

    def rewind(self) -> None:
        """Inside an experiment: the net's numbers and the seed as at its beginning."""
        seed_all()
        for tensor, data, kept in self._numbers:
            data.copy_(kept)
            if tensor.data_ptr() != data.data_ptr():
                tensor.data = data

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(X, y) of `size` pictures, without end: after the last the first again."""
        rows = len(self.X)
        for start in range(0, 10**9, size):
            which = torch.arange(start, start + min(size, rows)) % rows
            yield self.X[which], self.y[which]

    @property
    def learnable(self) -> list[torch.Tensor]:
        """The tensors in the net that can learn."""
        tensors = (found.tensor for found in find_tensors(self.net))
        return [t for t in tensors if t.is_leaf and t.requires_grad]

    # --- A step

    def step(self, X: torch.Tensor, y: torch.Tensor) -> Losses:
        """One step: the learner's own, or the usual one. Returns what it says its loss
        is, and what backward() was called on, each None where there is none."""
        if self.train_step is None:
            optimizer = self.optimizer or self.plain_sgd()
            return (self.usual_step(optimizer, X, y, self.loss),) * 2
        with BackwardCalls() as backward:
            value = self._own_step(X.clone(), y.clone())
        number, losses = _as_number(value), backward.losses
        self._returned = "" if number is not None else type(value).__name__
        return number, sum(losses) / len(losses) if losses else None

    def _own_step(self, X, y):
        try:
            return self.train_step(self.net, self.optimizer, X, y)
        except ValueError as error:
            frames = traceback.extract_tb(error.__traceback__)
            if not frames[-1].filename.endswith(END_OF_SCHEDULE):
                raise
            return None  # everything but the end of its schedule has been done

    def usual_step(
        self,
        optimizer: torch.optim.Optimizer,
        X: torch.Tensor,
        y: torch.Tensor,
        loss: Callable = F.cross_entropy,
    ) -> float:
        """The step of the lessons; returns the loss."""

        def closure():
            optimizer.zero_grad()
            value = loss(self.net(X), y)
            value.backward()
            return value

        return optimizer.step(closure).item()

    def plain_sgd(self, more: Iterable[torch.Tensor] = ()) -> torch.optim.SGD:
        """The optimizer of the lessons, for the net's parameters and `more`."""
        return torch.optim.SGD([*self.net.parameters(), *more], lr=0.1)

    def watch_step(
        self, X: torch.Tensor, y: torch.Tensor, seconds: float
    ) -> WatchedStep:
        """A step on these pictures, at a rate that moves what can be moved. It is
        called again until something moves, for `seconds` at most."""
        watched, recording, leaves = WatchedStep(), Recording(), self.learnable
        before = [t.detach().clone() for t in leaves]
        until = time.thread_time() + seconds
        self.set_lr(max(self.lr or 0, 0.1))
        with self._hooks(watched, leaves):
            try:
                while watched.calls < MAX_CALLS and not watched.moved:
                    watched.calls += 1
                    first = watched.calls == 1
                    with recording if first else contextlib.nullcontext():
                        losses = self.step(X, y)
                    if first:
                        known = [loss for loss in losses if loss is not None]
                        watched.loss = known[0] if known else None
                        watched.returned = self.train_step and self._returned or ""
                    for t, old in zip(leaves, before):
                        if not same_bits(t.detach(), old):
                            watched.moved[id(t)] = t.detach() - old
                    if not watched.with_gradient or time.thread_time() > until:
                        break
            except Exception as error:  # noqa: BLE001  the learner's own code
                watched.error = error
        watched.operations = recording.operations
        compare = ("cross_entropy", "nll_loss")
        losses = (o for o in recording.operations if o.name in compare)
        watched.y = next((o.inputs[1] for o in losses), None)  # the first, as of X
        return watched

    @contextlib.contextmanager
    def _hooks(self, watched: WatchedStep, leaves: list[torch.Tensor]):
        """They write into `watched` what happens on the way."""

        def note_input(module, args):
            if watched.X is None and args and isinstance(args[0], torch.Tensor):
                watched.X = args[0].detach().clone()

        def note_mode(name, module, args):
            watched.modes.append((name, module.training, torch.is_grad_enabled()))

        def note_gradient(key, gradient):
            watched.with_gradient.add(key)

        def note_update(optimizer, args, kwargs):
            params = [p for group in optimizer.param_groups for p in group["params"]]
            slopes = [p.grad for p in params if p.grad is not None]
            watched.updates.append(any(slope.any() for slope in slopes))

        hooks = []
        if not isinstance(self.net, torch.jit.ScriptModule):  # it takes no hooks
            hooks.append(self.net.register_forward_pre_hook(note_input))
        for name, layer in mode_layers(self.net):  # no scripted ones
            hooks.append(layer.register_forward_pre_hook(partial(note_mode, name)))
        for t in leaves:
            hooks.append(t.register_hook(partial(note_gradient, id(t))))
        with contextlib.suppress(AttributeError):  # None, or one of the learner's own
            hooks.append(self.optimizer.register_step_pre_hook(note_update))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

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

    @cached_property
    def obeys_lr(self) -> bool:
        """Whether the optimizer's lr decides how far a step goes. It doesn't in a step
        by hand, nor where a scheduler in the step sets it."""
        if self.train_step is None or self.lr is None:
            return self.lr is not None
        return 1.5 < self._distance(0.2) / max(self._distance(0.1), 1e-30) < 2.7

    def _distance(self, lr):
        """How far the second of two steps goes."""
        X, y = self.X[:FEW_ROWS], self.y[:FEW_ROWS]
        with self.experiment():
            self.set_lr(lr)
            self.step(X, y)
            self.rewind()
            self.step(X, y)
            floats = [(t, old) for t, _, old in self._numbers if t.is_floating_point()]
            return math.hypot(*((t.detach() - old).norm().item() for t, old in floats))

    @staticmethod
    @contextlib.contextmanager
    def stretched(leaves: list[torch.Tensor], factor: float) -> Iterator[None]:
        """A step inside goes `factor` times as far, as it would with another lr."""
        before = [t.detach().clone() for t in leaves]
        yield
        for t, old in zip(leaves, before):
            t.detach().copy_(torch.lerp(old, t.detach(), factor))


def _as_number(value: Any) -> float | None:
    """A step's loss as a float, or None where it is no number."""
    if isinstance(value, (tuple, list)) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("loss")
    if isinstance(value, torch.Tensor):
        value = value.item() if value.numel() == 1 else None
    return float(value) if isinstance(value, numbers.Real) else None
