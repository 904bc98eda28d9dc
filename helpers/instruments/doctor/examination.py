"""What the doctor's checks look at: a step, a pass and short trainings of the model."""

import contextlib
import functools
import time
from collections.abc import Iterable

import torch
from torch import nn

from helpers.instruments.doctor.examples import class_numbers, guessing_accuracy
from helpers.instruments.doctor.recording import Recording
from helpers.instruments.doctor.training_setup import (
    FEW_ROWS,
    PASS_ROWS,
    Limits,
    TrainingSetup,
    WatchedStep,
)
from helpers.instruments.doctor.trial import (
    LONG,
    SHORT,
    Trial,
    TrialOptions,
    accuracy,
    run_trial,
)
from helpers.instruments.registration.walk import TENSOR, find_tensors

MAX_NAMES = 3  # in a sentence
AND_MORE = "{names} and {count} more"
UNNAMED = "a tensor of shape {shape}"


class Examination:
    """What the checks look at.

    setup: the model and what trains it. step: what one training step did. X, y: what
    reached the net in it. given: the batch that the step was called with. origin:
    which pictures of the training set X holds, or None. out: the net's scores in
    training mode; recording: the operations on the way. error, loss_error: of the
    pass, and of the loss after it. Tensors are kept by their id: parameters, those of
    the net; in_optimizer, those that the optimizer holds; used, those that the pass
    found ready and that can have a gradient; gradients, of the tensors in `used`, None
    where none arrives; made_anew, the parameters that the pass made for itself.
    """

    def __init__(self, setup: TrainingSetup, started: float, limits: Limits) -> None:
        self.setup, self.limits = setup, limits
        self._deadline = started + limits.total
        rows = FEW_ROWS if self._seconds_of_a_pass() > limits.slow else PASS_ROWS
        self.given = X, y = setup.X[:rows], setup.y[:rows]
        self.step = self._watch_step(X, y)
        if setup.originals.changed():  # past its arguments, and out of sight
            setup.use_originals()
            self.step = self._watch_step(X, y)
        self.X, self.y, self.origin = X, y, None
        if setup.train_step and self.step.X is not None:
            self.X = self.step.X
            self.origin = setup.examples.find(self.X, X)
            self.y = self._labels_in_step()
        self.classes = setup.examples.classes
        self.out: torch.Tensor | None = None
        self.error: Exception | None = None
        self.loss_error: Exception | None = None
        self.used: dict[int, torch.Tensor] = {}
        self.made_anew: dict[int, torch.Tensor] = {}
        self.gradients: dict[int, torch.Tensor | None] = {}
        self._trials: dict[TrialOptions, Trial | None] = {}
        self._names = {}
        for found in find_tensors(setup.net):
            self._names[id(found.tensor)] = found.places[0].name
        self.parameters = {id(p): p for p in setup.net.parameters()}
        groups = setup.optimizer.param_groups if setup.optimizer else ()
        self.in_optimizer = {id(p): p for group in groups for p in group["params"]}
        with setup.experiment():
            self._record_a_pass()

    def _seconds_of_a_pass(self) -> float:
        """Of a few pictures."""
        times = [time.thread_time()]
        with self.setup.experiment(), torch.no_grad():
            for _ in range(2):
                with contextlib.suppress(Exception):  # a failure shows later
                    self.setup.net(self.setup.X[:FEW_ROWS])
                times.append(time.thread_time())
        return min(b - a for a, b in zip(times, times[1:]))  # the first warms up

    def _watch_step(self, X, y) -> WatchedStep:
        with self.setup.experiment():
            return self.setup.watch_step(X, y, self.limits.watched)

    def _labels_in_step(self):
        """Those of the pictures that reached the net: as its loss had them, or else as
        the data have them."""
        y, seen, rows = self.given[1], self.step.y, len(self.X)
        if seen is not None and len(seen) == rows:
            return seen
        if self.origin is not None:
            return self.setup.examples.labels(self.origin).to(y.device)
        return y[:rows] if len(y) >= rows else self.setup.y[:rows]

    def _record_a_pass(self):
        net = self.setup.net.train()
        self.recording = Recording(self.X)
        try:
            with self.recording:
                self.out = net(self.X)
        except Exception as error:  # noqa: BLE001  the learner's own code
            self.error = error
            return
        self._sort_inputs()
        try:
            loss = self.setup.loss(self.out, self.y)
        except Exception as error:  # noqa: BLE001
            self.loss_error = error
            return
        gradients = [None] * len(self.used)
        if loss.requires_grad and self.used:
            used = list(self.used.values())
            gradients = torch.autograd.grad(loss, used, allow_unused=True)
        self.gradients = dict(zip(self.used, gradients))

    def _sort_inputs(self):
        """Which tensors the pass found ready, and which it made for itself."""
        weights = {id(product.weight) for product in self.recording.products}
        for operation in self.recording.operations:
            for t in operation.inputs:
                if not t.requires_grad or t is self.X:
                    continue
                if id(t) in self._names or not self.recording.made(t):
                    self.used[id(t)] = t
                elif t.is_leaf and (isinstance(t, nn.Parameter) or id(t) in weights):
                    self.made_anew[id(t)] = t

    @property
    def labels(self) -> torch.Tensor:
        return class_numbers(self.y)

    @property
    def chance(self) -> float:
        """The accuracy of always guessing the most frequent class."""
        return guessing_accuracy(self.labels)

    @functools.cached_property
    def trained(self) -> bool:
        """Whether the net is far better than guessing."""
        with self.setup.experiment(), torch.no_grad():
            out = self.setup.net.eval()(self.X)
        return accuracy(out, self.labels) > self.chance + 0.2

    def named(self, tensors: Iterable[torch.Tensor]) -> str:
        """Their names in one text; of many only the first."""
        names = []
        for t in tensors:
            unnamed = UNNAMED.format(shape=tuple(t.shape))
            names.append(self._names.get(id(t), unnamed))
        text = ", ".join(names[:MAX_NAMES])
        if len(names) > MAX_NAMES:
            text = AND_MORE.format(names=text, count=len(names) - MAX_NAMES)
        return text

    @property
    def num_layers(self) -> int:
        """How many products follow one another."""
        return max((product.depth for product in self.recording.products), default=0)

    @functools.cached_property
    def plain_weights(self) -> list[torch.Tensor]:
        """Plain tensors, stored in the net, that are used as weights."""
        plain = {
            id(found.tensor)
            for found in find_tensors(self.setup.net)
            if found.places[0].what == TENSOR and found.tensor.is_floating_point()
        }
        plain -= self.step.moved.keys() | self.in_optimizer.keys()
        weights = {id(p.weight): p.weight for p in self.recording.products}
        return [w for key, w in weights.items() if key in plain and w.is_leaf]

    # --- Short trainings

    @property
    def time_left(self) -> float:
        """In seconds of this thread."""
        return self._deadline - time.thread_time()

    def trial(self, **options) -> Trial | None:
        """A short training with these `TrialOptions`; None where there is none."""
        options = TrialOptions(**options)
        if options not in self._trials:
            with self.setup.experiment():
                self._trials[options] = run_trial(self, options)
        return self._trials[options]

    @property
    def learns(self) -> bool:
        """Whether a short training gets further than guessing."""
        trial = self.trial()
        return trial is not None and trial.learns

    @property
    def fine_as_it_is(self) -> bool:
        """Whether the net learns, and would not learn much better if all its weights
        did: such as a frozen body that has been trained elsewhere."""
        if not self.used:
            return False
        as_given = self.X.shape == self.given[0].shape and self.X.equal(self.given[0])
        own = self.trial(plain=True) if as_given else None
        if own is None or not own.learns:
            return self.learns
        with_all = self.trial(plain=True, all_weights=True)
        return with_all is None or with_all.end > 0.75 * own.end

    @property
    def stuck_trial(self) -> Trial | None:
        """A longer training that gets no further than guessing; None where the net
        learns, or where there was no time for that."""
        trial = self.trial()
        if trial is None or trial.learns:
            return None
        trial = self.trial(steps=LONG)
        return None if trial is None or trial.learns else trial

    @property
    def longest_trial(self) -> Trial | None:
        """The longest training so far with the learner's own steps."""
        own = [self._trials.get(TrialOptions(steps=steps)) for steps in (SHORT, LONG)]
        return max(filter(None, own), key=lambda trial: trial.steps, default=None)
