"""What the doctor examines: a copy of the learner's model, and one step of theirs.

The learner's own code may reach past its arguments to the originals. So all that it
can reach is noted beforehand, and put back afterwards to the bit.
"""

import contextlib
import copy
import functools
import math
import numbers
import time
import traceback
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

from helpers.instruments.doctor.reach import within_reach
from helpers.instruments.doctor.tape import Backwards, Tape
from helpers.instruments.doctor.untouched import Snapshot, same_bits, seed
from helpers.instruments.registration.walk import find_tensors

PROBE, FEW = 128, 32  # pictures in one examined pass, and where it is slow
CALLS = 64  # of a step that may change the weights in only some of its calls
PATIENCE = 1.5  # seconds of this thread for them
END_OF_SCHEDULE = "lr_scheduler.py"
MODE_LAYERS = (
    nn.modules.dropout._DropoutNd,
    nn.modules.batchnorm._BatchNorm,
)


@dataclass
class Step:
    """What one training step did. X: what reached the net, y: what cross_entropy or
    nll_loss compared it with; each None where that was not seen. loss: None where it
    had none. returned: what train_step gave back in place of a loss, or "". error:
    what it raised. got: ids of parameters that a gradient reached. moved: id ->
    change, for those whose numbers changed. calls: how many it took until something
    moved. updates: for each optimizer.step(), whether there was a gradient. modes:
    (name, training, with gradients) of the layers in which the mode matters.
    operations: of the first call, as on a `Tape`."""

    X: torch.Tensor | None = None
    y: torch.Tensor | None = None
    loss: float | None = None
    returned: str = ""
    error: Exception | None = None
    got: set = field(default_factory=set)
    moved: dict = field(default_factory=dict)
    calls: int = 0
    updates: list = field(default_factory=list)
    modes: list = field(default_factory=list)
    operations: list = field(default_factory=list)


def mode_layers(net):
    """(name, layer) of those that work differently in training."""
    for name, layer in net.named_modules():
        if isinstance(layer, MODE_LAYERS) and getattr(layer, "p", 1):
            yield name, layer


class Patient:
    """Copies of a learner's net, optimizer, loss and step, and some of their data.

    Where they can't be copied, or the step works on the originals whatever it is
    given, these are the originals themselves, and every experiment is undone.
    """

    def __init__(self, net, optimizer, loss, train_step, data):
        self.data = data
        self.given = net, optimizer, loss, train_step
        self._pictures = [part for pair in data.splits.values() for part in pair]
        self._originals = Snapshot(*self.given, leave=self._pictures)
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
        except Exception:  # noqa: BLE001  whatever a learner's class says to being copied
            return False
        own = {id(found.tensor) for found in find_tensors(net)}
        own |= {id(net), id(optimizer)} - {id(None)}
        if any(
            id(value) in own for value in within_reach(*copies, leave=self._pictures)
        ):
            return False
        self._examine(*copies)
        return True

    def use_originals(self):
        self._originals.restore()
        self._examine(*self.given)

    def _examine(self, net, optimizer, loss, train_step):
        self.net, self.optimizer, self.train_step = net, optimizer, train_step
        self.loss = loss or F.cross_entropy
        first = next((found.tensor for found in find_tensors(net)), None)
        device = "cpu" if first is None else first.device
        X, y = self.data.rows("train")
        self.X, self.y = X.to(device), y.to(device)
        if any(map(nn.parameter.is_lazy, net.parameters())):
            with contextlib.suppress(Exception), torch.no_grad():
                net(self.X[:2])  # gives them their shapes; a failure shows later
        own = net, optimizer, loss, train_step
        self._snapshot = Snapshot(*own, leave=self._pictures)
        tensors = [found.tensor for found in find_tensors(net)]
        ready = [t for t in tensors if not nn.parameter.is_lazy(t)]
        self._numbers = [(t, t.detach(), t.detach().clone()) for t in ready]

    def restore_originals(self):
        self._originals.restore()

    def touched_originals(self):
        return self._originals.changed()

    @contextlib.contextmanager
    def experiment(self):
        """Whatever is done inside is undone at the end, and drawn from one seed."""
        seed()
        try:
            yield
        finally:
            self._snapshot.restore()

    def again(self):
        """Inside an experiment: the net's numbers and the seed as in the beginning."""
        seed()
        for tensor, data, kept in self._numbers:
            data.copy_(kept)
            if tensor.data_ptr() != data.data_ptr():
                tensor.data = data

    def batches(self, size):
        """(X, y) of `size` pictures, round and round."""
        rows = len(self.X)
        for start in range(0, 10**9, size):
            which = torch.arange(start, start + min(size, rows)) % rows
            yield self.X[which], self.y[which]

    @property
    def leaves(self):
        """The tensors in the net that can learn."""
        tensors = (found.tensor for found in find_tensors(self.net))
        return [t for t in tensors if t.is_leaf and t.requires_grad]

    # --- A step

    def step(self, X, y):
        """One step of the learner's, or a plain one. Returns what it says its loss is,
        and what backward() was called on: two floats, each None where there is none."""
        if self.train_step is None:
            loss = self._own_step(self.optimizer or self.plain(), X, y)
            return loss, loss
        with Backwards() as noted:
            value = self._call(X.clone(), y.clone())
        number, losses = as_number(value), noted.losses
        self._returned = "" if number is not None else type(value).__name__
        return number, sum(losses) / len(losses) if losses else None

    def _call(self, X, y):
        try:
            return self.train_step(self.net, self.optimizer, X, y)
        except ValueError as error:
            frames = traceback.extract_tb(error.__traceback__)
            if not frames[-1].filename.endswith(END_OF_SCHEDULE):
                raise
            return None  # all but the end of its schedule has been done

    def _own_step(self, optimizer, X, y, loss=None):
        def closure():
            optimizer.zero_grad()
            value = (loss or self.loss)(self.net(X), y)
            value.backward()
            return value

        return optimizer.step(closure).item()

    def plain_step(self, optimizer, X, y):
        """The step of the lessons."""
        return self._own_step(optimizer, X, y, F.cross_entropy)

    def plain(self, more=()):
        return torch.optim.SGD([*self.net.parameters(), *more], lr=0.1)

    def watch_step(self, X, y):
        """A `Step` on these pictures, with a rate that moves what can be moved."""
        step, tape, leaves = Step(), Tape(), self.leaves
        before = [t.detach().clone() for t in leaves]
        until = time.thread_time() + PATIENCE
        self.set_lr(max(self.lr or 0, 0.1))
        with self._hooks(step, leaves):
            try:
                while step.calls < CALLS and not step.moved:
                    step.calls += 1
                    with tape if step.calls == 1 else contextlib.nullcontext():
                        value = self.step(X, y)
                    if step.calls == 1:
                        step.loss = next((v for v in value if v is not None), None)
                        step.returned = self.train_step and self._returned or ""
                    for t, old in zip(leaves, before):
                        if not same_bits(t.detach(), old):
                            step.moved[id(t)] = t.detach() - old
                    if not step.got or time.thread_time() > until:
                        break
            except Exception as error:  # noqa: BLE001  the learner's own code
                step.error = error
        step.operations = tape.operations
        losses = (o for o in tape.operations if o.name in ("cross_entropy", "nll_loss"))
        step.y = next((o.inputs[1] for o in losses), None)  # the first, as step.X
        return step

    @contextlib.contextmanager
    def _hooks(self, step, leaves):
        """They write into `step` what happens on the way."""

        def note(module, args):
            if step.X is None and args and isinstance(args[0], torch.Tensor):
                step.X = args[0].detach().clone()

        def noting(name):
            def note_mode(module, args):
                step.modes.append((name, module.training, torch.is_grad_enabled()))

            return note_mode

        def updating(optimizer, args, kwargs):
            params = [p for group in optimizer.param_groups for p in group["params"]]
            slopes = [p.grad for p in params if p.grad is not None]
            step.updates.append(any(slope.any() for slope in slopes))

        hooks = []
        if not isinstance(self.net, torch.jit.ScriptModule):  # it takes no hooks
            hooks.append(self.net.register_forward_pre_hook(note))
        for name, layer in mode_layers(self.net):  # no scripted ones
            hooks.append(layer.register_forward_pre_hook(noting(name)))
        for t in leaves:
            hooks.append(t.register_hook(lambda _, t=t: step.got.add(id(t))))
        with contextlib.suppress(AttributeError):  # None, or one of the learner's own
            hooks.append(self.optimizer.register_step_pre_hook(updating))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    # --- The learning rate

    @property
    def lr(self):
        """Of the optimizer's first group; None where there is none."""
        if self.optimizer is None:
            return None
        lr = self.optimizer.param_groups[0].get("lr")
        return None if lr is None else float(lr)

    def set_lr(self, lr):
        """The first group gets this lr, the others theirs in proportion."""
        first = self.lr
        for group in self.optimizer.param_groups if first is not None else ():
            group["lr"] = group["lr"] * lr / first if first else lr

    @functools.cached_property
    def obeys_lr(self):
        """Whether the optimizer's lr decides how far a step goes: not so by hand, nor
        where a scheduler in the step sets it."""
        if self.train_step is None or self.lr is None:
            return self.lr is not None
        return 1.5 < self._way(0.2) / max(self._way(0.1), 1e-30) < 2.7

    def _way(self, lr):
        """How far the second of two steps goes."""
        X, y = self.X[:FEW], self.y[:FEW]
        with self.experiment():
            self.set_lr(lr)
            self.step(X, y)
            self.again()
            self.step(X, y)
            floats = [(t, old) for t, _, old in self._numbers if t.is_floating_point()]
            return math.hypot(*((t.detach() - old).norm().item() for t, old in floats))

    @staticmethod
    @contextlib.contextmanager
    def stretched(leaves, factor):
        """A step inside goes `factor` times as far as it would: as with another lr."""
        before = [t.detach().clone() for t in leaves]
        yield
        for t, old in zip(leaves, before):
            t.detach().copy_(torch.lerp(old, t.detach(), factor))


def as_number(value):
    """A step's loss as a float, or None where it is no number."""
    if isinstance(value, (tuple, list)) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("loss")
    if isinstance(value, torch.Tensor):
        value = value.item() if value.numel() == 1 else None
    return float(value) if isinstance(value, numbers.Real) else None
