"""What the doctor's checks look at: a step, a pass and short trainings of the model."""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from helpers.instruments.doctor import examples
from helpers.instruments.doctor.examples import FEW_ROWS, PASS_ROWS
from helpers.instruments.doctor.findings import SENTENCES, Finding
from helpers.instruments.doctor.recording import Recording
from helpers.instruments.doctor.training_setup import (
    LOGIT,
    NUMBER,
    PROBABILITY,
    Limits,
    OutOfTime,
    TrainingSetup,
)
from helpers.instruments.doctor.trial import LONG, SHORT, Trial, TrialOptions, run_trial
from helpers.instruments.registration.walk import TENSOR, find_tensors
from helpers.language import COMMA, tr
from helpers.tables import plain_numbers

MAX_NAMES = 3  # in a sentence
UNSEEN = 512  # pictures, to see how good a training was,
ENOUGH = 64  # or of a slow net; with fewer that says little
LEAST_ROWS, SHARE = 8, 1 / 40  # of a pass of a very slow net; of the time, for a pass
AND_MORE = tr("{names} and {count} more")
UNNAMED = tr("a tensor of shape {shape}")

DIFFERENCES = {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"}
NO_LOSS, A_NUMBER = "raises: no loss", "raises: number"  # what is found then
ONE_EACH, A_SUM = "each", "sum"

Tensors = dict[int, torch.Tensor]  # by their id


class Examination:
    """What the checks look at: `setup`, the model and what trains it, and what was
    seen of it."""

    def __init__(
        self,
        setup: TrainingSetup,
        started: float,
        limits: Limits,
        say: Callable[[], None],
    ) -> None:
        """say: shows a sentence, once it has become a long wait."""
        self.setup, self.limits = setup, limits
        self._begun, self._say = time.monotonic(), say
        self._started = started
        self.few, took = self._few_rows()
        self.slow = self.few < FEW_ROWS or took > limits.slow
        self._row = took / self.few  # s
        # What the step is called with:
        self.given = X, y = self._first_rows(self.few if self.slow else PASS_ROWS)
        self.step = setup.watch_step(X, y, limits.watched)
        if setup.reaches_originals():  # past its arguments, and out of sight
            setup.use_originals()
            self.step = setup.watch_step(X, y, limits.watched)
        if self.step.error:
            X, y = self._try_another_size()
        setup.hand_on(self.step.more, len(X))
        self.X, self.y = X, y  # what reaches the net in it
        self.origin: torch.Tensor | None = None  # which pictures of the training set
        if setup.train_step and self.step.X is not None:
            self.X = self.step.X
            self.origin = setup.examples.find(self.X, X)
            self._choose_labels()
            self.y = self._labels_in_step()
        self.classes = setup.examples.classes
        self._see_what_the_scores_are()
        self.codes: set[str] = set()  # the codes of what was found so far
        self.asked: list[str] = []  # the checks so far
        self.below_linear: dict[str, float] = {}  # both accuracies, while it is worse
        self.narrow: dict[str, float] = {}  # the same, and its fewest units
        self._trials: dict[TrialOptions, Trial | None] = {}
        tensors = find_tensors(setup.net)
        self._names = {id(found.tensor): found.places[0].name for found in tensors}
        groups = setup.optimizer.param_groups if setup.optimizer else ()
        self.parameters: Tensors = {id(p): p for p in setup.net.parameters()}
        self.in_optimizer: Tensors = {id(p): p for g in groups for p in g["params"]}
        # A pass and its loss: the net's scores, in training mode, and the errors.
        self.out: torch.Tensor | None = None
        self.raw: torch.Tensor | None = None  # the same as the net returns it,
        self.whole: Any = None  # and what it returns it in
        self.returned = ""  # what the net gives back in place of a tensor
        self.error: Exception | None = None
        self.loss_error: Exception | None = None
        self.backward_error: Exception | None = None
        # What a later step raised, and which one:
        self.late_error: tuple[int, Exception] | None = None
        self.loss_kind = ""  # where it is not the mean over the batch
        self.used: Tensors = {}  # what it found ready and can have a gradient
        self.made_anew: Tensors = {}  # the parameters that it made for itself
        self.gradients: dict[int, torch.Tensor | None] = {}  # of those in `used`
        with setup.experiment():
            self._record_a_pass()
        # Of a net that is slower still, what was seen in these passes is looked at.
        setup.ask_for_time = self._ask_for_time

    def _few_rows(self):
        """(how many pictures a pass gets where it is slow: fewer where it is very slow;
        the seconds that it takes)."""
        rows, most = LEAST_ROWS, self.limits.total * SHARE
        took = min(self._seconds_of_a_pass(rows) for _ in range(2))  # one warms up
        while rows < FEW_ROWS and 2 * took < most:
            rows *= 2
            took = self._seconds_of_a_pass(rows)
        return rows, took

    def _seconds_of_a_pass(self, rows):
        with self.setup.experiment(), torch.no_grad():
            start = time.thread_time()
            with contextlib.suppress(Exception):  # a failure shows later
                self.setup.net(self.setup.X[:rows])
            return time.thread_time() - start

    def _ask_for_time(self):
        self.note_time()
        if self.time_left < 0:
            raise OutOfTime

    def _first_rows(self, count):
        return self.setup.X[:count], self.setup.y[:count]

    def _try_another_size(self):
        """A step that stops with an error may take batches of a DataLoader's size."""
        size = self.setup.examples.batch_size
        if size and len(self.setup.X) >= size != len(self.given[0]):
            X, y = self._first_rows(size)
            step = self.setup.watch_step(X, y, self.limits.watched)
            if not step.error:
                self.setup.only = size
                self.given, self.step = (X, y), step
        return self.given

    def _see_what_the_scores_are(self):
        """Whether the step takes one number for each picture for one of two classes."""
        names = {one.name for one in self.step.operations}
        if self.classes == 2 and not names & {"cross_entropy", "nll_loss"}:
            self.setup.binary = NUMBER if names & DIFFERENCES else LOGIT
            if "binary_cross_entropy" in names:
                self.setup.binary = PROBABILITY

    def _choose_labels(self):
        """Of several with which the step compares the same pictures, as mixup does,
        those that belong to the pictures."""
        fit = [y for y in self.step.labels if y.ndim and len(y) == len(self.X)]
        if self.origin is not None and len(fit) > 1:
            own = examples.class_numbers(self.setup.examples.labels(self.origin))

            def agree(y):
                return (examples.class_numbers(y) == own.to(y.device)).sum().item()

            self.step.y = max(fit, key=agree)

    def _labels_in_step(self):
        """Those of the pictures that reached the net: as its loss had them, or else as
        the data have them."""
        y, seen, rows = self.setup.y, self.step.y, len(self.X)
        if seen is not None and seen.ndim and len(seen) == rows:
            return seen
        if self.origin is not None:
            return self.setup.examples.labels(self.origin).to(y.device)
        return y[:rows]

    def _record_a_pass(self):
        net = self.setup.net.train()
        self.recording = Recording(self.X)
        try:
            with self.recording:
                out = net(self.X)
        except Exception as error:  # noqa: BLE001  the learner's own code
            self.error = error
            return
        self.whole, self.out = out, self.setup.read(out, len(self.X))
        self.raw = out if isinstance(out, torch.Tensor) else self.out
        if not isinstance(out, torch.Tensor):
            self.returned = type(out).__name__
        weights = {id(product.weight) for product in self.recording.products}
        inputs = (t for one in self.recording.operations for t in one.inputs)
        for t in inputs:
            if not t.requires_grad or t is self.X:
                continue
            if id(t) in self._names or not self.recording.made(t):
                self.used[id(t)] = t
            elif t.is_leaf and (isinstance(t, nn.Parameter) or id(t) in weights):
                self.made_anew[id(t)] = t
        try:
            loss = self.setup.raw_loss(out, self.y)
            self.loss_kind = self._kind_of(loss, out)
            if self.loss_kind in (NO_LOSS, A_NUMBER):
                return
            loss = loss.mean()
        except Exception as error:  # noqa: BLE001
            self.loss_error = error
            return
        self.gradients = dict.fromkeys(self.used)
        if loss.requires_grad and self.used:
            used = list(self.used.values())
            try:
                gradients = torch.autograd.grad(loss, used, allow_unused=True)
            except RuntimeError as error:  # such as what was changed in place
                self.backward_error = error
                return
            self.gradients = dict(zip(self.used, gradients))

    def _kind_of(self, loss, out):
        """NO_LOSS, A_NUMBER, ONE_EACH or A_SUM; "" for the usual mean."""
        if not isinstance(loss, torch.Tensor):
            return NO_LOSS if loss is None else A_NUMBER
        if loss.numel() > 1:
            return ONE_EACH
        with contextlib.suppress(Exception):  # a loss for one batch size
            out, y = out.detach(), self.y
            twice = self.setup.raw_loss(torch.cat([out, out]), torch.cat([y, y]))
            if abs(twice.item() - 2 * loss.item()) < 1e-3 * abs(loss.item()):
                return A_SUM
        return ""

    # --- What the checks say

    def finding(
        self, key: str, about: Iterable[torch.Tensor | str] = (), **facts: Any
    ) -> Finding:
        """The Finding of a key of SENTENCES: filled with the names of what it is about
        (of many only the first), with what is true of each, and with the facts."""
        text = self.names(about)
        usual = {"rows": len(self.X), "classes": self.classes, "lr": self.setup.lr}
        facts = usual | {"layers": self.recording.depth, "names": text} | facts
        code = key.partition(":")[0]
        evidence, _, fix = SENTENCES[key].partition("\n")
        fix = fix or SENTENCES[code].partition("\n")[2]
        said = [plain_numbers(one.format(**facts)) for one in (evidence, fix)]
        return Finding(code, *said)

    def names(self, about: Iterable[torch.Tensor | str]) -> str:
        """Of these, or of many only the first."""
        names = [one if isinstance(one, str) else self._name(one) for one in about]
        text = COMMA.join(names[:MAX_NAMES])
        if len(names) > MAX_NAMES:
            text = AND_MORE.format(names=text, count=len(names) - MAX_NAMES)
        return text

    def _name(self, tensor):
        return self._names.get(id(tensor), UNNAMED.format(shape=tuple(tensor.shape)))

    # --- What they ask

    @property
    def batch(self) -> int:
        """How many pictures a step of a short training gets."""
        most = self.few if self.slow else examples.BATCH
        return self.setup.only or min(self.setup.examples.batch_size or most, most)

    @property
    def labels(self) -> torch.Tensor:
        return examples.class_numbers(self.y)

    @property
    def chance(self) -> float:
        """The accuracy of always guessing the most frequent class."""
        return examples.guessing_accuracy(self.labels)

    @functools.cached_property
    def unseen(self) -> list[examples.Pair]:
        """Pictures that no short training uses, if the data have enough, and their
        labels; where the learner's step changes its pictures, also those."""
        count = UNSEEN
        if self.slow:
            quick = self._row * ENOUGH < 2 * SHARE * self.limits.total
            count = ENOUGH if quick else FEW_ROWS
        if self.setup.only:
            count = max(count // self.setup.only, 1) * self.setup.only
        X, y = examples.unseen(*self.setup.examples.splits["train"], count)
        pairs = [(X.to(self.X.device), y.to(self.X.device))]
        return pairs if self.as_given else [*pairs, (self.X, self.y)]

    @property
    def as_given(self) -> bool:
        """Whether the pictures reach the net as they are in the data."""
        given = self.given[0]
        return self.X.shape == given.shape and self.X.equal(given)

    @functools.cached_property
    def trained(self) -> bool:
        """Whether the net is far better than guessing."""
        with self.setup.experiment(), torch.no_grad():
            self.setup.net.eval()
            out = self.setup.scores(self.X)
        return examples.accuracy(out, self.labels) > self.chance + 0.2

    @functools.cached_property
    def plain_weights(self) -> list[torch.Tensor]:
        """Plain tensors, stored in the net, that are used as weights."""
        found = [f for f in find_tensors(self.setup.net) if f.places[0].what == TENSOR]
        plain = {id(f.tensor) for f in found if f.tensor.is_floating_point()}
        plain -= self.step.moved.keys() | self.in_optimizer.keys()
        weights = {id(p.weight): p.weight for p in self.recording.products}
        return [w for key, w in weights.items() if key in plain and w.is_leaf]

    @property
    def frozen_weights(self) -> list[torch.Tensor]:
        """Parameters that are used as weights, with requires_grad=False."""
        used = {id(product.weight) for product in self.recording.products}
        fixed = [p for key, p in self.parameters.items() if key in used]
        return [p for p in fixed if not p.requires_grad]

    # --- Short trainings

    def note_time(self) -> None:
        """To be called between two steps: nothing runs for long in silence."""
        if self._say and time.monotonic() - self._begun > self.limits.silent:
            self._say()
            self._say = None

    @property
    def time_left(self) -> float:
        """In seconds of this thread."""
        return self.limits.total - self._used()

    def _used(self):
        """In seconds of this thread; of the clock where it does nothing but wait."""
        used, took = time.thread_time() - self._started, time.monotonic() - self._begun
        return took if used < self.limits.waits * took else used

    @property
    def short(self) -> int:
        """The steps of a short training; more where the batches are small."""
        return SHORT if self.batch >= FEW_ROWS else 4 * SHORT

    def trial(self, **options: Any) -> Trial | None:
        """A short training with these `TrialOptions`; None where there is none."""
        options = TrialOptions(**({"steps": self.short} | options))
        if (whole := replace(options, enough=math.inf)) in self._trials:
            options = whole
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
        own = self.trial(plain=True) if self.as_given else None
        if own is None or not own.learns:
            return self.learns
        with_all = self.trial(plain=True, all_weights=True)
        return with_all is None or with_all.end > 0.75 * own.end

    @property
    def stuck_trial(self) -> Trial | None:
        """A longer training that gets no further than guessing; None where the net
        learns, or where there was no time for that."""
        for steps in (self.short, LONG):
            trial = self.trial(steps=steps)
            if trial is None or trial.learns:
                return None
        return trial

    @property
    def longest_trial(self) -> Trial | None:
        """The longest training so far with the learner's own steps."""
        steps = self.short, LONG
        own = [self._trials.get(TrialOptions(steps=count)) for count in steps]
        return max(filter(None, own), key=lambda trial: trial.steps, default=None)
