"""What the doctor's checks look at: a step, a pass and short trainings of a patient."""

import contextlib
import functools
import math
import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from helpers.diagnosis.examples import BATCH, class_numbers, entropy, most
from helpers.diagnosis.patient import PROBE
from helpers.diagnosis.tape import Tape
from helpers.xray.walk import TENSOR, find_tensors

SECONDS = 4.5  # of this thread's work; other programs do not count
FEW = 32  # pictures in a pass of a slow net,
SLOW = 0.03  # of which they take more seconds than this
TRIAL = 128  # steps of a short training
LONG = 1024  # steps after which a net that learns is not at chance any more,
SMALL = 32  # with so many pictures in each;
LOOK = 256  # after so many it is looked whether it learns by now
LAST = 16  # of these, whose mean loss counts
SHARE_OF_FIRST, SHARE = 0.7, 0.5  # of the time left that one training may take
MANY = 3  # names in a sentence
AND_MORE = "{names} and {count} more"
UNNAMED = "a tensor of shape {shape}"


@dataclass
class Trial:
    """A short training. start: the first loss; end: the mean of the last ones.
    accuracy, learns: whether it is better than guessing. steps: how many there were.
    lrs: those of the optimizer's first group in the middle and at the end. way: how far the weights went, of
    their own size. dead: a `Product` in front of
    which all units have become 0 for each picture, or None."""

    start: float
    end: float
    accuracy: float
    learns: bool
    steps: int
    lrs: tuple
    way: float
    dead: object = None


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
        with self.patient.experiment(), torch.no_grad():
            before = time.thread_time()
            with contextlib.suppress(Exception):  # a failure shows later
                self.patient.net(self.patient.X[:FEW])
            return time.thread_time() - before

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
        weights = [w for key, w in weights.items() if key in plain - self.step.moved.keys()]
        return [w for w in weights if w.is_leaf and id(w) not in self.held]

    # --- Short trainings

    @property
    def time_left(self):
        """In seconds of this thread."""
        return self.deadline - time.thread_time()

    def trial(self, lr=None, factor=1, steps=TRIAL, plain=False, thawed=False):
        """A `Trial` of the learner's own step, with another lr, or with steps that go
        `factor` times as far. plain: of the step of the lessons; thawed: with all
        weights, also those that do not learn. None where there is no time for it, or where it stops at once."""
        key = lr, factor, steps, plain, thawed
        if key not in self._trials:
            with self.patient.experiment():
                self._trials[key] = self._train(*key)
        return self._trials[key]

    @property
    def learns(self):
        """Whether a short training comes further than guessing."""
        trial = self.trial()
        return trial is not None and trial.learns

    @property
    def right_as_it_is(self):
        """Whether the net learns, and would hardly learn better if the weights that do
        not learn did: such as a body that has been trained elsewhere."""
        own = self.trial(plain=True) if self.used else None
        if own is None or not own.learns:
            return bool(self.used) and self.learns
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
        keys = [(None, 1, steps, False, False) for steps in (LONG, TRIAL)]
        return next((self._trials[k] for k in keys if self._trials.get(k)), None)

    def _train(self, lr, factor, steps, plain, thawed):
        patient, returned, reached = self.patient, [], []
        more = self.constants if thawed else []
        for t in [*patient.net.parameters(), *more] if thawed else ():
            t.requires_grad_(True)
        optimizer = patient.plain(more) if plain else None
        patient.net.train()
        if lr is not None:
            patient.set_lr(lr)
        first, leaves = self._cross_entropy(), patient.leaves
        middle = patient.lr
        begun = [t.detach().clone() for t in leaves]
        begin = time.thread_time()
        is_first = (lr, factor, steps, plain) == (None, 1, TRIAL, False)
        until = begin + (SHARE_OF_FIRST if is_first else SHARE) * self.time_left
        few = steps == LONG or len(self.given[0]) < PROBE
        size = min(patient.data.batch_size, SMALL if few else BATCH)
        for step, (X, y) in zip(range(steps), patient.batches(size)):
            early = step and step % LOOK == 0 and self._learns_by_now()
            now = time.thread_time()
            ahead = (now - begin) / step * max(LAST - step, 0) if step else 0
            if early or now + ahead > until:
                break
            try:
                if plain:
                    losses = [patient.plain_step(optimizer, X, y)] * 2
                else:
                    with patient.stretched(leaves if factor != 1 else [], factor):
                        losses = patient.step(X, y)
            except Exception:  # noqa: BLE001  the learner's own code
                break
            middle = patient.lr if step <= steps // 2 else middle
            returned.append(losses[0])
            reached.append(losses[1])
            if any(v is not None and not math.isfinite(v) for v in losses):
                break
        if len(returned) < min(LAST, steps) and all(map(_is_finite, returned + reached)):
            return None
        losses = _series(returned, reached) or [first, *[self._cross_entropy()] * LAST]
        lrs = middle, patient.lr
        if not math.isfinite(losses[-1]):
            end = math.inf if math.isnan(losses[-1]) else losses[-1]
            facts = end, 0.0, False, steps  # it stays so
        else:
            end = sum(losses[-LAST:]) / len(losses[-LAST:])
            facts = end, *self.measure(), len(returned)
        ways = [(t.detach() - old).norm().item() for t, old in zip(leaves, begun)]
        way = math.hypot(*ways) / max(math.hypot(*(t.norm() for t in begun)), 1e-30)
        dead = self._dead() if steps == LONG else None
        return Trial(losses[0], *facts, lrs, way, dead)

    def _learns_by_now(self):
        modes = [(module, module.training) for module in self.patient.net.modules()]
        learns = self.measure()[1]
        for module, training in modes:
            module.training = training
        return learns

    def _dead(self):
        with contextlib.suppress(Exception), torch.no_grad(), Tape(self.X) as tape:
            self.patient.net.eval()(self.X)
        weighted = (p for p in tape.products if p.depth > 1 and p.weight is not None)
        return next((p for p in weighted if not p.data.any()), None)

    def _cross_entropy(self):
        try:
            with torch.no_grad():
                return F.cross_entropy(self.patient.net(self.X), self.y).item()
        except Exception:  # noqa: BLE001  such as a net that returns something else
            return math.nan

    def measure(self):
        """(accuracy, whether that or the loss is better than guessing), as the net is
        now: in training mode or after eval(), whichever is the better."""
        best, learns, net = 0.0, False, self.patient.net
        pairs = [(self.X, self.y)]
        if self.patient.train_step and self.origin is None and self.step.y is None:
            pairs.append((self.patient.X[:PROBE], self.patient.y[:PROBE]))  # to be sure
        for mode in (net.training, False):
            for X, y in pairs:
                labels = class_numbers(y)
                try:
                    with torch.no_grad():
                        out = net.train(mode)(X)
                    loss = F.cross_entropy(out, labels).item()
                except Exception:  # noqa: BLE001  the step prepares them for the net
                    continue
                found = accuracy(out, labels)
                best = max(best, found)
                learns |= found > most(labels) + 0.05 or loss < 0.9 * entropy(labels)
        return best, learns


def accuracy(out, labels):
    return (out.argmax(dim=1) == labels).float().mean().item()


def _is_finite(value):
    return value is None or math.isfinite(value)


def _series(returned, reached):
    """The losses of a training: what the step returned, or where that is no loss, what
    backward() was called on. Empty where there is neither."""
    if None in returned:
        return [] if None in reached else reached
    ratios = [a / b for a, b in zip(returned, reached) if b]
    if None not in reached and ratios and min(ratios) * max(ratios) >= 0:
        low, high = sorted((abs(min(ratios)), abs(max(ratios))))
        if high > 1.2 * low:
            return reached
    return returned
