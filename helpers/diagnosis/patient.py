"""What the doctor examines: a copy of the learner's model, and one step of theirs.

The learner's own code may reach past its arguments to the originals. So all that it
can reach is noted beforehand, and put back afterwards to the bit.
"""

import contextlib
import copy
import math
import numbers
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

from helpers.diagnosis.tape import Tape
from helpers.diagnosis.untouched import Snapshot, same_bits, seed, within_reach
from helpers.xray.walk import find_tensors

PROBE = 128  # pictures in one examined pass
MODE_LAYERS = (
    nn.modules.dropout._DropoutNd,
    nn.modules.batchnorm._BatchNorm,
)


@dataclass
class Step:
    """What one training step did. X: what reached the net, or None. y: what it was
    compared with. error: what it raised. got: ids of parameters that a gradient
    reached. moved: ids of those whose numbers changed. modes: (name, training) of
    the layers in which the mode matters. operations: as on a `Tape`."""

    X: torch.Tensor | None = None
    y: torch.Tensor | None = None
    loss: float = math.nan
    error: Exception | None = None
    got: set = field(default_factory=set)
    moved: set = field(default_factory=set)
    modes: list = field(default_factory=list)
    operations: list = field(default_factory=list)


def mode_layers(net):
    """(name, module) of those that do another thing in training than in eval mode."""
    for name, module in net.named_modules():
        idle = getattr(module, "p", 1) == 0
        if isinstance(module, MODE_LAYERS) and not idle:
            yield name, module


class Patient:
    """Copies of a learner's net, optimizer, loss and step, and some of their data.

    Where they can't be copied, or the step works on the originals whatever it is
    given, these are the originals themselves, and every experiment is undone.
    """

    def __init__(self, net, optimizer, loss, train_step, data):
        self.data = data
        self.given = net, optimizer, loss, train_step
        self._originals = Snapshot(net, optimizer, *self._reached())
        self.use_copies()

    def _reached(self):
        """All else that the learner's functions can reach, apart from the data."""
        _, _, loss, train_step = self.given
        reached = [loss, train_step, *within_reach(loss), *within_reach(train_step)]
        data = {id(part) for pair in self.data.splits.values() for part in pair}
        return [value for value in reached if id(value) not in data]

    def use_copies(self):
        if isinstance(self.given[1], torch.optim.LBFGS):  # its copies do not work
            return self.use_originals()
        parts = [part for pair in self.data.splits.values() for part in pair]
        memo = {id(part): part for part in parts}  # too large to be copied
        try:
            self._examine(*copy.deepcopy(self.given, memo))
        except Exception:  # noqa: BLE001  whatever a learner's class says to being copied
            self.use_originals()

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
        self._snapshot = Snapshot(net, optimizer, loss, train_step)

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
        """Inside an experiment: all as in the beginning, but for the gradients."""
        seed()
        self._snapshot.restore(gradients=False)

    def batches(self, size):
        """(X, y) of `size` pictures, round and round."""
        rows = len(self.X)
        for start in range(0, 10**9, size):
            which = torch.arange(start, start + min(size, rows)) % rows
            yield self.X[which], self.y[which]

    def step(self, X, y):
        """One step of the learner's, or a plain one; returns its loss as a float."""
        if self.train_step:
            value = self.train_step(self.net, self.optimizer, X.clone(), y.clone())
            if isinstance(value, torch.Tensor) and value.numel() == 1:
                value = value.item()
            return float(value) if isinstance(value, numbers.Real) else math.nan
        optimizer = self.optimizer or self._plain()

        def closure():
            optimizer.zero_grad()
            loss = self.loss(self.net(X), y)
            loss.backward()
            return loss

        return optimizer.step(closure).item()

    def _plain(self):
        return torch.optim.SGD([p for p in self.net.parameters()], lr=0.1)

    def watch_step(self, X, y):
        """A `Step` on these pictures, with a rate that moves what can be moved."""
        step = Step(y=y)
        leaves = [f.tensor for f in find_tensors(self.net)]
        leaves = [t for t in leaves if t.is_leaf and t.requires_grad]
        before = [t.detach().clone() for t in leaves]
        tape = Tape()

        def note(module, args):
            if step.X is None and args and isinstance(args[0], torch.Tensor):
                step.X = args[0].detach().clone()

        def noting(name):
            return lambda module, args: step.modes.append((name, module.training))

        hooks = []
        if not isinstance(self.net, torch.jit.ScriptModule):  # it takes no hooks
            hooks.append(self.net.register_forward_pre_hook(note))
        for name, layer in mode_layers(self.net):  # no scripted ones
            hooks.append(layer.register_forward_pre_hook(noting(name)))
        for t in leaves:
            hooks.append(t.register_hook(lambda _, t=t: step.got.add(id(t))))
        self.set_lr(max(self.lr or 0, 0.1))
        try:
            with tape:
                step.loss = self.step(X, y)
        except Exception as error:  # noqa: BLE001  the learner's own code
            step.error = error
        for hook in hooks:
            hook.remove()
        step.moved = {
            id(t) for t, old in zip(leaves, before) if not same_bits(t.detach(), old)
        }
        step.operations = tape.operations
        losses = (o for o in tape.operations if o.name in ("cross_entropy", "nll_loss"))
        step.y = next((o.inputs[1] for o in losses), y)  # the first, as step.X
        return step

    @property
    def lr(self):
        """Of the optimizer's first group; None where there is none."""
        return self.optimizer.param_groups[0].get("lr") if self.optimizer else None

    def set_lr(self, lr):
        """The first group gets this lr, the others theirs in proportion."""
        first = self.lr
        for group in self.optimizer.param_groups if first is not None else ():
            group["lr"] = group["lr"] * lr / first if first else lr
