"""A short training of the model under examination, and what it shows."""

import contextlib
import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.nn import functional as F

from helpers.instruments.doctor import examples
from helpers.instruments.doctor.recording import Product, record
from helpers.instruments.doctor.training_setup import size_of

SHORT = 128  # steps of a short training
LONG = 1024  # steps, of few pictures, after which a net that learns is above chance
LOOK_EVERY = 256  # steps of a long one, to see whether it learns by now
LOOK_OFTEN = 64  # steps, to see whether it is good enough by now
# So many losses in a row, how many times the first one:
ASTRAY = (2, 10_000), (5, 100), (16, 3)
LAST = 16  # steps at the end, whose mean loss counts
LEAST = 6  # fewer steps show nothing
SHARE, MOST_SHARE = 0.5, 0.9  # of the time left; the second for the LEAST steps of any


@dataclass(frozen=True)
class TrialOptions:
    """How to train."""

    lr: float | None = None  # in place of the learner's
    factor: float = 1  # how many times as far each step goes
    steps: int = SHORT
    plain: bool = False  # with the step of the lessons
    all_weights: bool = False  # also those that do not learn
    decay: bool = True  # with the optimizer's own weight decay
    enough: float = math.inf  # the accuracy on new pictures at which it may stop

    @property
    def measured(self) -> bool:
        """Whether the learner's steps are as they are, but for the weight decay."""
        usual = TrialOptions(steps=self.steps)
        return replace(self, enough=math.inf, decay=True) == usual


@dataclass
class Trial:
    """What came of a short training."""

    start: float  # the first loss
    end: float  # the mean of the last losses
    low: float  # the lowest such mean on the way
    accuracy: float
    learns: bool  # whether it is better than guessing
    steps: int
    lrs: tuple[float | None, float | None]  # of the first group, midway and at the end
    moved: float  # how far the weights went, relative to their size
    size: float  # of the weights, relative to that at the start
    astray: bool = False  # whether it was stopped since the loss became far too large
    # The accuracy on pictures that it was not trained with, in training mode and in
    # eval mode, of the learner's own steps; None where that can't be measured:
    by_mode: tuple[float, float] | None = None
    # The same after so many steps, where it may stop:
    looks: dict[int, tuple[float, float]] = field(default_factory=dict)
    dead: Product | None = None  # all units in front of it are now 0 for each picture


def run_trial(exam: Any, options: TrialOptions) -> Trial | None:
    """A `Trial`, inside an experiment; None where there is no time for a few steps, or
    where they stop with an error. exam: the `Examination`."""
    setup = exam.setup
    setup.net.train()
    if options.lr is not None:
        setup.set_lr(options.lr)
    if not options.decay:
        setup.leave_out_decay()
    more = exam.plain_weights if options.all_weights else []
    for t in [*setup.net.parameters(), *more] if options.all_weights else ():
        t.requires_grad_(True)
    leaves, first = setup.learnable, _measured_loss(exam)
    begun = [t.detach().clone() for t in leaves]
    steps, lrs, looks = _steps(exam, options, leaves, more)
    finite = all(v is None or math.isfinite(v) for pair in steps for v in pair)
    astray = _astray(exam, steps)
    if finite and not astray and len(steps) < min(LEAST, options.steps):
        return None
    losses = _series(steps) or [first, *[_measured_loss(exam)] * LAST]
    moved = size_of(t.detach() - b for t, b in zip(leaves, begun))
    at_first = max(size_of(begun), 1e-30)
    moved, size = moved / at_first, size_of(leaves) / at_first
    start, end, (accuracy, learns) = losses[0], losses[-1], measure(exam)
    if not math.isfinite(end):  # and so it stays
        end = math.inf if math.isnan(end) else end
        counts = len(steps), lrs, moved, size
        return Trial(start, end, end, accuracy, False, *counts, astray=True)
    few = min(LAST, max(len(losses) // 2, 1))
    means = [sum(losses[i - few : i]) / few for i in range(len(losses), 0, -few)]
    end, low = means[0], min(means[: len(losses) // few])
    dead = _dead(exam) if options.steps == LONG else None
    by_mode = looks.get(len(steps))
    if by_mode is None and options.measured and options.steps != LONG:
        by_mode = _by_mode(exam)
    counts = len(steps), lrs, moved, size, astray
    return Trial(start, end, low, accuracy, learns, *counts, by_mode, looks, dead)


def _steps(exam, options, leaves, more):
    """The losses of the steps (returned, and what backward() was called on), and the lr
    in the middle and at the end, and `Trial.looks`."""
    setup, steps, looks = exam.setup, [], {}
    optimizer = setup.plain_sgd(more) if options.plain else None
    stretched = leaves if options.factor != 1 else []
    middle = setup.lr
    begin = time.thread_time()
    is_long = options.steps == LONG
    share = MOST_SHARE if options.steps > exam.short and not is_long else SHARE
    left, often = exam.time_left, LOOK_OFTEN * exam.short // SHORT
    size = min(exam.batch, examples.FEW_ROWS) if is_long else exam.batch
    for step, (X, y) in zip(range(options.steps), setup.batches(size)):
        now = time.thread_time()
        of_a_step = (now - begin) / step if step else 0
        exam.note_time()
        ahead = of_a_step * max(LEAST - step, 0) if step > ASTRAY[0][0] else 0
        look = is_long and step and step % LOOK_EVERY == 0
        until = begin + left * (share if step >= LEAST else MOST_SHARE)
        spent = now + ahead > until or exam.time_left < 0
        if spent or look and measure(exam)[1]:
            break
        if step > SHORT and step % often == 0 and options.enough < math.inf:
            looks[step] = _by_mode(exam)
            if looks[step] and looks[step][1] >= options.enough:
                break
        try:
            if options.plain:
                losses = [setup.usual_step(optimizer, X, y, setup.cross_entropy)] * 2
            else:
                before = [t.detach().clone() for t in stretched]
                losses = setup.step(X, y)
                for t, old in zip(stretched, before):
                    t.detach().copy_(torch.lerp(old, t.detach(), options.factor))
        except Exception as error:  # noqa: BLE001  the learner's own code
            if step and options.measured:
                exam.late_error = step + 1, error
            break
        middle = setup.lr if step <= options.steps // 2 else middle
        steps.append(losses)
        if any(v is not None and not math.isfinite(v) for v in losses):
            break
        if _astray(exam, steps):
            break
    return steps, (middle, setup.lr), looks


def _astray(exam, steps):
    """Whether each of the last steps found a loss far above the first one."""
    for last, far in ASTRAY if len(steps) > 1 else ():
        pairs = steps[0], *steps[1:][-last:]
        first, *losses = [pair[1] if pair[0] is None else pair[0] for pair in pairs]
        if None in (first, *losses) or len(losses) < last:
            return False
        if min(losses) > far * max(first, math.log(exam.classes)):
            return True
    return False


def _series(steps):
    """The losses of a training: what the step returned, or where that is no loss, what
    backward() was called on. Empty where there is neither."""
    returned, backward = [a for a, _ in steps], [b for _, b in steps]
    if None in returned:
        return [] if None in backward else backward
    ratios = [a / b for a, b in zip(returned, backward) if b]
    if None not in backward and ratios and min(ratios) * max(ratios) >= 0:
        low, high = sorted((abs(min(ratios)), abs(max(ratios))))
        if high > 1.2 * low:
            return backward
    return returned


def measure(exam: Any) -> tuple[float, bool]:
    """(accuracy, whether that or the loss is better than guessing), as the net is now:
    in training mode or after eval(), whichever is the better."""
    best, learns, net = 0.0, False, exam.setup.net
    pairs = [(exam.X, exam.y)]
    if exam.setup.train_step and exam.origin is None:
        rows = exam.setup.only or examples.PASS_ROWS
        pairs.append(next(exam.setup.batches(rows)))  # to be sure
    for mode in (net.training, False):
        for X, y in pairs:
            labels = examples.class_numbers(y)
            try:
                with _modes_kept(net), torch.no_grad():
                    net.train(mode)
                    out = exam.setup.scores(X)
                loss = F.cross_entropy(out, labels).item()
            except Exception:  # noqa: BLE001  the step adapts them to the net
                continue
            accuracy = examples.accuracy(out, labels)
            best = max(best, accuracy)
            learns |= accuracy > examples.guessing_accuracy(labels) + 0.05
            learns |= loss < 0.9 * examples.guessing_loss(labels)
    return best, learns


@contextlib.contextmanager
def _modes_kept(net):
    """After the block, each of its modules is in the mode in which it was."""
    modes = [(module, module.training) for module in net.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _by_mode(exam):
    """The accuracies on pictures that were not trained with, in either mode; where the
    step changes its pictures, the better of those as they are and as it does. None if
    it trains for other labels, such as y - 1, whose classes aren't the data's."""
    if exam.origin is not None:
        own = examples.class_numbers(exam.setup.examples.labels(exam.origin))
        asked = examples.class_numbers(exam.y).to(own.device)
        if len(own) == len(asked) and (own != asked).sum() > len(own) / 2:
            return None
    best, net = None, exam.setup.net
    for X, y in exam.unseen:
        labels, found = examples.class_numbers(y), []
        with contextlib.suppress(Exception), _modes_kept(net), torch.no_grad():
            for mode in (True, False):
                net.train(mode)
                found.append(examples.accuracy(exam.setup.scores(X), labels))
        if len(found) == 2 and (best is None or found[1] > best[1]):
            best = tuple(found)
    return best


def _dead(exam):
    """The first product whose data are all 0, and were made by another one."""
    with contextlib.suppress(Exception):
        products = record(exam.setup.net.eval(), exam.X).inner_products
        return next((p for p in products if not p.data.any()), None)


def _measured_loss(exam):
    try:
        with torch.no_grad():
            return F.cross_entropy(exam.setup.scores(exam.X), exam.labels).item()
    except Exception:  # noqa: BLE001  such as a net that returns something else
        return math.nan
