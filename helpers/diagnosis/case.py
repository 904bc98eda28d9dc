"""What the doctor's checks look at: a step, a pass and short trainings of a patient."""

import functools
import math
import time

import torch

from helpers.diagnosis.examples import class_numbers
from helpers.diagnosis.patient import PROBE
from helpers.diagnosis.tape import Tape
from helpers.xray.walk import find_tensors

SECONDS = 5  # of this thread's work; other programs do not count
TRIAL = 128  # steps of a short training
LAST = 16  # of these, whose mean loss counts
MANY = 3  # names in a sentence
AND_MORE = "{names} and {count} more"
UNNAMED = "a tensor of shape {shape}"


class Case:
    """What the checks look at.

    patient: the copies. step: what one training step did. X, y: what reached the net
    in it. out: the net's scores in training mode; tape: the operations on the way;
    slopes: id of a leaf -> gradient, None where none arrives. error: of the pass.
    used: id -> tensor, for each one that the pass found ready and that has a gradient.
    trained: whether the net is far better than guessing.
    """

    def __init__(self, patient):
        self.patient = patient
        self.deadline = time.thread_time() + SECONDS
        self.out_of_time = False
        X, y = patient.X[:PROBE], patient.y[:PROBE]
        with patient.experiment():
            self.step = patient.watch_step(X, y)
            past_its_arguments = patient.touched_originals()
        if past_its_arguments:
            patient.use_originals()
            with patient.experiment():
                self.step = patient.watch_step(X, y)
        self.X, self.y = X, y
        if patient.train_step and self.step.X is not None:
            self.X = self.step.X
            self.y = self.step.y if len(self.step.y) == len(self.X) else y
        self.classes = patient.data.classes
        self.out = self.loss = self.error = self.loss_error = None
        self.used, self.slopes, self._trials = {}, {}, {}
        with patient.experiment():
            self._pass()
        self.names = {}
        for found in find_tensors(patient.net):
            self.names[id(found.tensor)] = found.places[0].name
        self.parameters = {id(p): p for p in patient.net.parameters()}
        groups = patient.optimizer.param_groups if patient.optimizer else ()
        self.held = {id(p): p for group in groups for p in group["params"]}

    def _pass(self):
        net = self.patient.net.train()
        self.tape = Tape(self.X)
        try:
            with self.tape:
                self.out = net(self.X)
        except Exception as error:  # noqa: BLE001  the learner's own code
            self.error = error
            return
        for operation in self.tape.operations:
            for t in operation.inputs:
                if t.requires_grad and not self.tape.made(t):
                    self.used[id(t)] = t
        try:
            self.loss = self.patient.loss(self.out, self.y)
        except Exception as error:  # noqa: BLE001
            self.loss_error = error
            return
        slopes = [None] * len(self.used)
        if self.loss.requires_grad and self.used:
            used = list(self.used.values())
            slopes = torch.autograd.grad(self.loss, used, allow_unused=True)
        self.slopes = dict(zip(self.used, slopes))

    @property
    def labels(self):
        return class_numbers(self.y)

    @property
    def chance(self):
        """The accuracy of always guessing the most frequent class."""
        return self.labels.bincount().max().item() / len(self.labels)

    @functools.cached_property
    def trained(self):
        with self.patient.experiment(), torch.no_grad():
            out = self.patient.net.eval()(self.X)
        return self.accuracy(out) > self.chance + 0.2

    def accuracy(self, out):
        return (out.argmax(dim=1) == self.labels).float().mean().item()

    def named(self, tensors):
        """Their names in one text; of many only the first."""
        names = []
        for t in tensors:
            unnamed = UNNAMED.format(shape=tuple(t.shape))
            names.append(self.names.get(id(t), unnamed))
        text = ", ".join(names[:MANY])
        if len(names) > MANY:
            text = AND_MORE.format(names=text, count=len(names) - MANY)
        return text

    @property
    def layers(self):
        """How many products stand in a row."""
        return max((product.depth for product in self.tape.products), default=0)

    def trial(self, lr=None, steps=TRIAL):
        """(first loss, mean of the last losses, accuracy) of a short training, with
        the learner's lr or another one; None where the time is up."""
        if (lr, steps) not in self._trials:
            with self.patient.experiment():
                self._trials[lr, steps] = self._train(lr, steps)
        return self._trials[lr, steps]

    def _train(self, lr, steps):
        patient, losses = self.patient, []
        patient.net.train()
        if lr is not None:
            patient.set_lr(lr)
        batches = patient.batches(patient.data.batch_size)
        for _, (X, y) in zip(range(steps), batches):
            if time.thread_time() > self.deadline:
                self.out_of_time = True
                return None
            losses.append(patient.step(X, y))
            if not math.isfinite(losses[-1]):
                return losses[0], math.inf, 0.0
        with torch.no_grad():
            accuracy = self.accuracy(patient.net(self.X))
        return losses[0], sum(losses[-LAST:]) / LAST, accuracy
