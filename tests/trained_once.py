"""What an English notebook has trained is not trained again by its other passes.

nbval's kernels load this before their first cell. Those of the English notebooks train,
and keep each epoch in the folder TRAINED_HERE. When their cells are run again, and in
another language, what was trained is in the folder TRAINED_BEFORE. There an epoch is
read that starts from the same settings, weights, chance and data; if there is none, it
is trained. All else runs, so outputs are compared.

It holds for a cell's own `train`, for sweeps and for searches. While an epoch is read
its weights are NaN, so a cell that looks at them before its end shows that.
"""

import hashlib
import io
import math
import os
from functools import wraps
from pathlib import Path

import torch

import helpers
from helpers import training
from helpers.tuning import groups, members
from helpers.tuning.shared_data import data_fingerprint


class Epoch:
    """What is computed in an epoch that starts from `start`: read, or to be kept.

    weights: of the net, which are NaN while it is read.
    """

    def __init__(self, start, weights):
        file = io.BytesIO()
        torch.save([*start, torch.get_num_threads()], file)
        self._name = hashlib.sha256(file.getvalue()).hexdigest()
        path = Path(os.environ.get("TRAINED_BEFORE", ""), self._name)
        self.is_read, self._computed = path.is_file(), []
        if self.is_read:
            computed, self.end = torch.load(path)
            self._computed = iter(computed)
            with torch.no_grad():
                for W in weights:
                    W.fill_(math.nan)

    def value(self, function, *inputs):
        """What the function returns, now or when the epoch was trained."""
        if self.is_read:
            return next(self._computed)
        self._computed.append(function(*inputs))
        return self._computed[-1]

    def keep(self, end):
        """end: what the next epoch starts from."""
        folder = os.environ.get("TRAINED_HERE")
        if folder and not self.is_read:
            torch.save((self._computed, end), Path(folder, self._name))


class Run(training.Run):
    """A run that reads the epochs that are known."""

    def _train(self):
        self.trainee.step = self._take_step
        return super()._train()

    def _take_step(self, X, y):
        config, trainee, each_epoch = self.config, self.trainee, self.steps_per_epoch
        if self.step % each_epoch == 0:
            start = [str(config), self._eval_every, data_fingerprint(self.data)]
            start += [self._before_order, trainee.state()]
            self._epoch = Epoch(start, self.net.parameters())
        lr = trainee.optimizer.param_groups[0]["lr"]
        step = type(trainee).step
        lr_then, loss = self._epoch.value(lambda: (lr, step(trainee, X, y)))
        assert lr == lr_then
        if self._epoch.is_read and (self.step + 1) % each_epoch == 0:
            trainee.load(self._epoch.end)
        return loss

    def measure(self, progress, epoch_end=False):
        evaluate = training.evaluate
        training.evaluate = lambda *given: self._epoch.value(evaluate, *given)
        try:
            return super().measure(progress, epoch_end)
        finally:
            training.evaluate = evaluate
            if epoch_end:
                self._epoch.keep(self.trainee.state())


class Stack(members.Stack):
    """Runs side by side that read the epochs that are known."""

    def _epoch(self):
        start = [vars(one) | {"result": str(one.config)} for one in self.members]
        self._tensors = [*self._network.weights, *sum(self._network.buffers, [])]
        start += [[one.epoch for one in self.members], data_fingerprint(self._data)]
        self._known, step = Epoch(start, self._network.weights), self._step
        self._step = lambda *given: self._known.value(step, *given)
        yield from super()._epoch()
        self._step = step
        self._known.keep(self._tensors)

    def _measure(self, split, which=None):
        if self._known.is_read:
            for now, end in zip(self._tensors, self._known.end):
                now.copy_(end)
            return self._known.value(None)
        found = yield from super()._measure(split, which)
        return self._known.value(lambda: found)


@wraps(training.train)
def train(config, data, eval_every=20):
    kind = Run if type(config) is training.Config else training.Run
    return kind(config, data, eval_every)


def share():
    """From now on, in this kernel."""
    helpers.train, groups.Stack = train, Stack
