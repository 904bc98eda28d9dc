"""What the doctor's checks look at: a step, a pass and short trainings of a patient."""

import contextlib
import functools
import time

import torch
from torch import nn

from helpers.instruments.doctor.examples import class_numbers, most
from helpers.instruments.doctor.patient import FEW, PROBE
from helpers.instruments.doctor.tape import Tape
from helpers.instruments.doctor.training import LONG, TRIAL, Way, accuracy, train
from helpers.instruments.registration.walk import TENSOR, find_tensors

SECONDS = 5  # of this thread's work; other programs do not count
SLOW = 0.03  # seconds that a pass of few pictures takes in a slow net
MANY = 3  # names in a sentence
AND_MORE = "{names} and {count} more"
UNNAMED = "a tensor of shape {shape}"


class Case:
    """What the checks look at.

    patient: the copies. step: what one training step did. X, y: what reached the net
    in it. out: the net's scores in training mode; tape: the operations on the way;
    slopes: id of a leaf -> gradient, None where none arrives. error: of the pass.
    used: id -> tensor, for each one that the pass found ready and that has a gradient.
    anew: the parameters that the pass made for itself. trained: whether the net is far
    better than guessing.
    """

    def __init__(self, patient, started):
        self.patient, self.deadline = patient, started + SECONDS
        rows = FEW if self._seconds() > SLOW else PROBE
        X, y = patient.X[:rows], patient.y[:rows]
        self._watch(X, y)
        if patient.touched_originals():  # past its arguments, and out of sight
            patient.use_originals()
            self._watch(X, y)
        self.given = X, y
        self.X, self.y, self.origin = X, y, None
        if patient.train_step and self.step.X is not None:
            self.X = self.step.X
            self.origin = patient.data.find(self.X, X)
            self.y = self._labels_in_step()
        self.classes = patient.data.classes
        self.out = self.loss = self.error = self.loss_error = None
        self.used, self.anew, self.slopes, self._trials = {}, {}, {}, {}
        self.names = {}
        for found in find_tensors(patient.net):
            self.names[id(found.tensor)] = found.places[0].name
        self.parameters = {id(p): p for p in patient.net.parameters()}
        groups = patient.optimizer.param_groups if patient.optimizer else ()
        self.held = {id(p): p for group in groups for p in group["params"]}
        with patient.experiment():
            self._pass()

    def _seconds(self):
        """How long a pass of a few pictures takes."""
        times = [time.thread_time()]
        with self.patient.experiment(), torch.no_grad():
            for _ in range(2):
                with contextlib.suppress(Exception):  # a failure shows later
                    self.patient.net(self.patient.X[:FEW])
                times.append(time.thread_time())
        return min(b - a for a, b in zip(times, times[1:]))  # the first warms up

    def _watch(self, X, y):
        with self.patient.experiment():
            self.step = self.patient.watch_step(X, y)

    def _labels_in_step(self):
        """Those of the pictures that reached the net: as its loss had them, or else as
        the data have them."""
        y, seen, rows = self.given[1], self.step.y, len(self.X)
        if seen is not None and len(seen) == rows:
            return seen
        if self.origin is not None:
            return self.patient.data.labels(self.origin).to(y.device)
        return y[:rows] if len(y) >= rows else self.patient.y[:rows]

    def _pass(self):
        net = self.patient.net.train()
        self.tape = Tape(self.X)
        try:
            with self.tape:
                self.out = net(self.X)
        except Exception as error:  # noqa: BLE001  the learner's own code
            self.error = error
            return
        weights = {id(product.weight) for product in self.tape.products}
        for operation in self.tape.operations:
            for t in operation.inputs:
                if not t.requires_grad or t is self.X:
                    continue
                if id(t) in self.names or not self.tape.made(t):
                    self.used[id(t)] = t
                elif t.is_leaf and (isinstance(t, nn.Parameter) or id(t) in weights):
                    self.anew[id(t)] = t
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
        return most(self.labels)

    @functools.cached_property
    def trained(self):
        with self.patient.experiment(), torch.no_grad():
            out = self.patient.net.eval()(self.X)
        return accuracy(out, self.labels) > self.chance + 0.2

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

    @functools.cached_property
    def constants(self):
        """Plain tensors, stored in the net, that stand where a weight stands."""
        plain = {
            id(found.tensor)
            for found in find_tensors(self.patient.net)
            if found.places[0].what == TENSOR and found.tensor.is_floating_point()
        }
        weights = {id(p.weight): p.weight for p in self.tape.products}
        weights = [
            w for key, w in weights.items() if key in plain - self.step.moved.keys()
        ]
        return [w for w in weights if w.is_leaf and id(w) not in self.held]

    # --- Short trainings

    @property
    def time_left(self):
        """In seconds of this thread."""
        return self.deadline - time.thread_time()

    def trial(self, **how):
        """The `Trial` of such a `Way` to train; None where there is none."""
        way = Way(**how)
        if way not in self._trials:
            with self.patient.experiment():
                self._trials[way] = train(self, way)
        return self._trials[way]

    @property
    def learns(self):
        """Whether a short training comes further than guessing."""
        trial = self.trial()
        return trial is not None and trial.learns

    @property
    def right_as_it_is(self):
        """Whether the net learns, and would hardly learn better if the weights that do
        not learn did: such as a body that has been trained elsewhere."""
        if not self.used:
            return False
        as_given = self.X.shape == self.given[0].shape and self.X.equal(self.given[0])
        own = self.trial(plain=True) if as_given else None
        if own is None or not own.learns:
            return self.learns
        thawed = self.trial(plain=True, thawed=True)
        return thawed is None or thawed.end > 0.75 * own.end

    @property
    def stands(self):
        """Whether it does not, not even in a longer one, as far as there was time."""
        return self.long_trial is not None

    @property
    def long_trial(self):
        """A longer training, where that does not come further than guessing either;
        else None."""
        trial = self.trial()
        if trial is None or trial.learns:
            return None
        trial = self.trial(steps=LONG)
        return None if trial is None or trial.learns else trial

    @property
    def longest(self):
        """The longest training with the learner's own steps, or None."""
        own = [self._trials.get(Way(steps=steps)) for steps in (TRIAL, LONG)]
        return max(filter(None, own), key=lambda trial: trial.steps, default=None)
