"""The exercises of 04_training."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from helpers.exercises.comparing import near
from helpers.exercises.exercise import (
    ask,
    describe,
    exercise,
    expect,
    number,
    one_number,
    rule_out,
    saying,
)
from helpers.language import COMMA, tr
from helpers.model import MLP

# --- 4.1


def cross_entropy(scores, y):
    largest = scores.max(dim=1, keepdim=True).values
    shifted = scores - largest
    log_sums = shifted.exp().sum(dim=1).log()
    right = shifted[range(len(y)), y]
    return (log_sums - right).mean()


@exercise(
    "4.1",
    cross_entropy,
    "Softmax divides exp(score) by a sum of such terms. Take the logarithm of "
    "that quotient on paper first: the division becomes a difference.",
    "exp(1000) is infinity in float32. Softmax doesn't change if you subtract "
    "the same number from all ten scores. Which number makes exp harmless?",
    "Subtract the largest score of each row: scores.max(dim=1, keepdim=True).",
    notice="Notice that exp and the logarithm never see a number that is too large: "
    "this is what F.cross_entropy does inside.",
)
def check_cross_entropy(answer: Callable) -> None:
    torch.manual_seed(1)
    scores, y = 3 * torch.randn(7, 10), torch.tensor([3, 1, 4, 1, 5, 9, 2])
    with _Calls() as called:
        returned = ask(answer, scores, y, kind=object)
    why = tr("I got one loss per picture; the loss of the batch is their mean.")
    expect(not isinstance(returned, Tensor) or returned.shape != (7,), why)
    found, wanted = one_number(returned), float(F.cross_entropy(scores.double(), y))
    rule_out(found, _wrong_losses(wanted, scores.double(), y), near)
    why = tr(
        "for 7 pictures with random scores I got {found:.4f}; F.cross_entropy gives "
        "{wanted:.4f}."
    )
    expect(near(found, wanted), why, found=found, wanted=wanted)
    _expect_no_help(called)
    _check_large_scores(answer)


def _expect_no_help(called: "_Calls") -> None:
    why = tr(
        "the number is right, but your function calls F.cross_entropy; do without it. "
        "(nn.CrossEntropyLoss calls it too.)"
    )
    expect(not called.names & {"cross_entropy", "cross_entropy_loss"}, why)


class _Calls(TorchFunctionMode):
    """Notes which functions of PyTorch are called."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.names.add(getattr(function, "__name__", ""))
        return function(*args, **(kwargs or {}))


def _wrong_losses(wanted: float, scores: Tensor, y: Tensor) -> dict:
    """What common mistakes give for 7 pictures, and why."""
    rows, logs = range(len(y)), scores.log_softmax(dim=1)
    chances, right = logs.exp()[rows, y], scores[rows, y]
    by_column = scores - scores.max(dim=0).values
    return {
        7 * wanted: tr("I got the sum over the pictures, not their mean."),
        -wanted: tr(
            "the sign is wrong: a probability is below 1, so its logarithm is "
            "negative, and the loss is minus that."
        ),
        -chances.mean().log(): tr(
            "I got the logarithm of the mean probability, not the mean of the "
            "logarithms."
        ),
        -chances.mean(): tr(
            "I got minus the mean probability of the right labels; the logarithm is "
            "missing."
        ),
        1 - chances.mean(): tr(
            "I got 1 minus the mean probability of the right labels; the logarithm is "
            "missing."
        ),
        -scores.log_softmax(dim=0)[rows, y].mean(): tr(
            "your softmax adds up over the pictures of the batch (dim=0), not over the "
            "ten scores of each picture."
        ),
        -logs[:, y].mean(): tr(
            "I got a mean over 49 numbers: for each of the 7 pictures you took the "
            "probabilities of all 7 labels, not only of its own."
        ),
        -logs.mean(): tr(
            "I got a mean over 70 numbers: for each of the 7 pictures you took all ten "
            "probabilities, not only that of its label."
        ),
        wanted / 10: tr(
            "I got a tenth of the loss: your mean includes ten numbers per picture, "
            "and nine of them are 0."
        ),
        -right.mean(): tr(
            "I got minus the mean score of the right labels; the other nine scores of "
            "each picture play no part."
        ),
        scores.logsumexp(dim=1).mean(): tr(
            "I got the logarithm of the sum alone; the score of the right label plays "
            "no part."
        ),
        F.cross_entropy(logs.exp(), y): tr("softmax was applied twice."),
        F.cross_entropy(by_column, y): tr(
            "you subtracted ten different numbers from the ten scores of a picture "
            "(the largest of each column), which changes its softmax."
        ),
        wanted / math.log(2): tr("your logarithm has base 2, not e."),
        wanted / math.log(10): tr("your logarithm has base 10, not e."),
    }


def _check_large_scores(answer: Callable) -> None:
    _check_loss(
        answer,
        [[1000.0, 999.0]],
        tr(
            "right for small scores, but with scores of 1000 and 999 I got {found:.2f} "
            "instead of {wanted:.2f}: the scores were changed on the way."
        ),
        tr(
            "with scores of 1000 and 999 the result is not finite: exp of more than 88 "
            "is infinity."
        ),
    )
    _check_loss(
        answer,
        [[1000.0, 0.0, -1000.0]],
        tr(
            "right for small scores, but if the right label has score 0 and another "
            "has 1000, I got {found:.1f} instead of {wanted:.1f}: so small a "
            "probability was replaced by a larger number."
        ),
        tr(
            "right for small scores, but if the right label has score 0 and another "
            "has 1000, the result is not finite: so small a probability rounds to 0, "
            "and the logarithm of 0 is minus infinity."
        ),
    )
    _check_loss(
        answer,
        [[1000.0, 999.0], [2.0, 1.0, 3.0]],
        tr(
            "right for each picture alone, but with scores of 1000 in one row and up "
            "to 3 below, I got {found:.2f}, not {wanted:.2f}: a fix for one row spoils "
            "another."
        ),
    )


def _check_loss(
    answer: Callable, rows: list, wrong: str, infinite: str | None = None
) -> None:
    """Expect the loss of rows, filled up with zeros, whose right label is 1."""
    scores = torch.tensor([row + [0.0] * (10 - len(row)) for row in rows])
    y = torch.ones(len(rows), dtype=torch.long)
    with _Calls() as called:
        returned = answer(scores, y)
    found, wanted = one_number(returned), float(F.cross_entropy(scores, y))
    why = wrong if math.isfinite(found) else infinite or wrong
    expect(near(found, wanted), why, found=found, wanted=wanted)
    _expect_no_help(called)


# --- 4.2


def sgd_update(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            parameter -= lr * parameter.grad
            parameter.grad = None


@exercise(
    "4.2",
    sgd_update,
    "Each parameter moves against its gradient, which is in parameter.grad.",
    "The parameter itself has to change, in place: `parameter -= ...` under "
    "torch.no_grad(), not `parameter = parameter - ...`, which makes a new tensor.",
    "After the update, set parameter.grad to None or zero; otherwise the next "
    "backward() adds to it.",
    notice="Notice that nothing in it knows the model: an optimizer only sees the "
    "parameters it was given, and their gradients.",
)
def check_sgd_update(answer: Callable) -> None:
    for lr in (0.3, 0.03):
        torch.manual_seed(2)
        kept = [torch.randn(shape) for shape in ((4, 3), (3,), (3, 2))]
        gradients = [torch.randn(tensor.shape) for tensor in kept]
        parameters = [torch.nn.Parameter(tensor.clone()) for tensor in kept]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient.clone()
        given = list(parameters)
        returned = answer(given, lr)
        same = len(given) == 3 and all(p is q for p, q in zip(given, parameters))
        moved = [p.detach() - k for p, k in zip(parameters, kept)]
        gone = all(p.grad is None or not p.grad.any() for p in parameters)
        _check_changes(moved, same, gone)
        for step, gradient in zip(moved, gradients):
            _check_step(step, gradient, lr)
        why = tr("after your step a parameter no longer requires a gradient.")
        expect(all(p.requires_grad and p.is_leaf for p in parameters), why)
        why = tr(
            "the old gradients are still there, and the next backward() adds to them."
        )
        expect(gone, why)
        why = tr("your function returned {found}; it should return nothing.")
        expect(returned is None, why, found=describe(returned))


def _check_changes(moved: list, same: bool, gone: bool) -> None:
    """moved: how far each of three parameters went; same: if the list holds them."""
    changed = sum(bool(step.any()) for step in moved)
    why = tr(
        "after your step the list holds other tensors; the model still has the old "
        "ones, and they have not changed."
    )
    expect(same or changed, why)
    expect(same, tr("after your step the list does not hold the same parameters."))
    why = tr("the parameters have not changed, and their gradients are gone.")
    expect(changed or not gone, why)
    why = tr(
        "the parameters have not changed. (`p = p - ...` makes a new tensor and leaves "
        "the parameter as it was.)"
    )
    expect(changed, why)
    why = tr("I gave you three parameters, and the number that changed is {changed}.")
    expect(changed == 3, why, changed=changed)


def _check_step(step: Tensor, gradient: Tensor, lr: float) -> None:
    times = -_times(step, gradient)
    expect(not math.isnan(times), tr("the parameters did not move by -lr * grad."))
    expect(times > 0, tr("the parameters moved along their gradients: uphill."))
    why = tr("with lr {lr} the parameters moved by their full gradients, as with lr 1.")
    expect(not near(times, 1.0), why, lr=lr)
    why = tr("with lr {lr} the parameters moved by {times:.3g} times their gradients.")
    expect(near(times, lr), why, lr=lr, times=times)


def _times(one: Tensor, other: Tensor) -> float:
    """How many times the other it is; nan if it isn't a multiple of the other."""
    times = float((one * other).sum() / other.square().sum())
    return times if near(one, times * other) else math.nan


# --- 4.3


# Translators: {why} is a sentence about the velocities or the steps of a run.
SECOND_RUN = tr(
    "right in a first run, but in a second one, which again began with a velocity of "
    "zeros: {why}"
)


def momentum_step(parameter, velocity, lr, momentum):
    velocity = momentum * velocity + parameter.grad
    with torch.no_grad():
        parameter -= lr * velocity
    return velocity


@exercise(
    "4.3",
    momentum_step,
    "The velocity remembers earlier steps: it keeps `momentum` times itself and "
    "adds the new gradient.",
    "The parameter then moves against the new velocity, by lr times it.",
    "Return the new velocity, so that the next call can use it.",
    notice="Notice that with momentum 0.9 a steady gradient ends up ten times as large "
    "in the velocity: momentum also raises the step size.",
)
def check_momentum_step(answer: Callable) -> None:
    for run, (lr, momentum) in enumerate(((0.2, 0.9), (0.1, 0.5))):
        torch.manual_seed(3)
        gradients = 5 * torch.randn(3, 4)
        parameter = torch.nn.Parameter(torch.arange(4.0))
        velocities, steps = [torch.zeros(4)], []
        for gradient in gradients:
            parameter.grad, before = gradient.clone(), parameter.detach().clone()
            velocity = answer(parameter, velocities[-1].clone(), lr, momentum)
            why = tr("return the velocity for the next step; I got {found}.")
            fine = isinstance(velocity, Tensor) and velocity.shape == (4,)
            expect(fine, why, found=describe(velocity))
            why = tr("your function returned the parameter, not the new velocity.")
            expect(velocity is not parameter, why)
            why = tr(
                "the velocity that you returned is parameter.grad itself, so the next "
                "backward() will change it."
            )
            left = parameter.grad
            expect(left is None or velocity.data_ptr() != left.data_ptr(), why)
            velocities.append(velocity.detach().clone())
            steps.append(parameter.detach() - before)
        with saying(SECOND_RUN if run else "{why}"):
            _check_velocities(velocities[1:], gradients, lr, momentum)
            _check_steps(
                torch.stack(steps), torch.stack(velocities), gradients, lr, momentum
            )
        why = tr("after your step the parameter no longer requires a gradient.")
        expect(parameter.requires_grad, why)


def _check_velocities(
    velocities: list, gradients: Tensor, lr: float, momentum: float
) -> None:
    first, said = velocities[0], {"lr": lr, "momentum": momentum}
    # Translators: {whole} in the next four.
    whole = tr("PyTorch's SGD takes the whole gradient, with its sign.")
    mistakes = {
        -1.0: tr(
            "starting from zero, the first velocity is minus the gradient. {whole}"
        ),
        -lr: tr(
            "with lr {lr} the first velocity, starting from zero, is minus lr times "
            "the gradient. {whole}"
        ),
        lr: tr(
            "with lr {lr} the first velocity, starting from zero, is lr times the "
            "gradient. {whole}"
        ),
        1 - momentum: tr(
            "with momentum {momentum} the first velocity, starting from zero, is the "
            "gradient times 1 - momentum. {whole}"
        ),
        momentum: tr(
            "with momentum {momentum} the first velocity, starting from zero, is the "
            "gradient times momentum. {whole}"
        ),
        0.0: tr("after the first step the velocity is still zero."),
    }
    rule_out(_times(first, gradients[0]), mistakes, near, whole=whole, **said)
    why = tr("starting from zero, the first velocity should be the gradient.")
    expect(near(first, gradients[0]), why)
    _check_memory(velocities, gradients, momentum, said)


def _check_memory(
    velocities: list, gradients: Tensor, momentum: float, said: dict
) -> None:
    """Expect that the second and third velocity keep enough of the one before."""
    first, second, last = velocities
    kept = _times(second - gradients[1], first)
    mistakes = {
        0.0: tr(
            "the second velocity holds nothing of the first: your velocity forgets "
            "earlier steps."
        ),
        1.0: tr(
            "the second velocity holds all of the first: in your velocity earlier "
            "steps never fade."
        ),
    }
    rule_out(kept, mistakes, near)
    why = tr(
        "with lr {lr} and momentum {momentum} the second velocity holds {kept:.2g} "
        "times the first one; it should keep {momentum} of it."
    )
    expect(math.isnan(kept) or near(kept, momentum), why, **said, kept=kept)
    why = tr(
        "the first velocity is right, but a later one is not `momentum` times the one "
        "before plus the gradient."
    )
    expect(near(kept, momentum) and near(last, momentum * second + gradients[2]), why)


def _check_steps(
    steps: Tensor, velocities: Tensor, gradients: Tensor, lr: float, momentum: float
) -> None:
    """steps: three, of four numbers; velocities: before the first, and after each."""
    before, after = velocities[:-1], velocities[1:]
    mistakes = {
        0 * steps: tr("the parameter itself has not moved."),
        -lr * before: tr(
            "the parameter stays put in the first step and then moves by the velocity "
            "of the step before."
        ),
        lr * after: tr("the parameter moved along the velocity: uphill."),
        -lr * (momentum * after + gradients): tr(
            "the parameter moved by lr times (momentum * velocity + gradient), one "
            "step ahead of the velocity: that is Nesterov's momentum."
        ),
        -lr * gradients: tr(
            "the parameter moved by lr * gradient, not by lr * velocity."
        ),
    }
    rule_out(steps, mistakes, near)
    times = 0.0 - _times(steps[0], after[0])  # and not -0.0
    why = tr(
        "with lr {lr} and momentum {momentum} the parameter moved by {times:.3g} times "
        "the velocity."
    )
    said = {"lr": lr, "momentum": momentum}
    expect(math.isnan(times) or near(times, lr), why, **said, times=times)
    why = tr(
        "with lr {lr} and momentum {momentum} the velocities are right, but after "
        "three steps the parameter is not where torch.optim.SGD puts it."
    )
    expect(near(steps, -lr * after), why, **said)


# --- 4.4


def read_curve(losses):
    first, last = losses[0], losses[-1]
    if last != last or last > first or last > 2 * min(losses):
        return "too high"
    if last > 0.8 * first:
        return "too low"
    return "fine"


CURVES = {  # what a training is, and its losses: what they show
    ("fine", 2.30, 1.20, 0.80, 0.60, 0.50, 0.45): tr(
        "They fall to a fifth of the first, and never rise."
    ),
    ("too low", 2.30, 2.28, 2.25, 2.22, 2.18, 2.15): tr(
        "They crawl: by the end not even a tenth of the loss is gone."
    ),
    ("too high", 2.30, 2.90, 4.10, 3.50, 6.00, 5.20): tr(
        "They climb, and end above their start."
    ),
    ("too high", 2.30, 5.00, 80.0, math.nan): tr(
        "Every comparison with NaN is False, so NaN slips through."
    ),
    ("too high", 2.30, 0.80, 0.60, 0.90, 0.70, 1.70): tr(
        "The loss was down to 0.60, and the last one is more than twice that."
    ),
    ("fine", 2.31, 1.05, 1.10, 0.66, 0.71, 0.52): tr(
        "They wobble a little, and fall; batches differ, so small rises are normal."
    ),
    ("too low", 2.30, 2.24, 2.15, 2.06, 1.95): tr(
        "By the end 15 % of the loss is gone, which is less than a fifth."
    ),
    ("fine", 2.30, 2.15, 2.00, 1.85, 1.70): tr(
        "By the end 26 % of the loss is gone, which is more than a fifth."
    ),
    ("fine", 2.30, 0.90, 0.50, 0.70, 0.85): tr(
        "The last loss is 1.7 times the lowest one, which is not more than twice."
    ),
    ("too high", 2.30, 0.90, 0.50, 0.80, 1.20): tr(
        "The last loss is 2.4 times the lowest one, which is more than twice."
    ),
    ("fine", 0.60, 0.50, 0.44, 0.40): tr(
        "By the end a third of the loss is gone, even though all of them are small."
    ),
    ("too low", 0.60, 0.58, 0.57, 0.55, 0.54): tr(
        "By the end only a tenth of the loss is gone, although all losses are small."
    ),
    ("too high", 2.30, 0.90, 0.60, 1.10, 1.95): tr(
        "Less than a fifth is gone by the end, but the last loss is more than three "
        'times the lowest one, and "too high" is decided first.'
    ),
    ("fine", 2.30, 3.10, 1.40, 0.80, 0.60): tr(
        "They rise above the start on the way, but what counts is the end."
    ),
    ("fine", 2.30, 0.50, 1.20, 0.60, 0.55): tr(
        "On the way one loss is more than twice the lowest one, but what counts is the "
        "last."
    ),
    ("too low", 2.30, 1.60, 1.90, 2.10): tr(
        "The lowest loss is 1.60, but by the end less than a fifth is gone."
    ),
    ("too high", 2.30, 2.20, 2.25, 2.60): tr(
        "They end above their start, although not at twice the lowest one."
    ),
    ("fine", 2.00, 0.75, 1.50): tr(
        "The last loss is exactly twice the lowest one, which is not more than twice."
    ),
    ("too low", 2.30, 2.00, 2.30): tr(
        "They end at their start, which is not above it, and nothing is gone."
    ),
    ("too low", 2.00, 1.80, 1.62): tr(
        "By the end 19 % of the loss is gone, which is less than a fifth."
    ),
    ("fine", 2.00, 1.80, 1.58): tr(
        "By the end 21 % of the loss is gone, which is more than a fifth."
    ),
    ("too high", 2.00, 0.50, 1.02): tr(
        "The last loss is 2.04 times the lowest one, which is more than twice."
    ),
    ("fine", 2.00, 0.50, 0.98): tr(
        "The last loss is 1.96 times the lowest one, which is not more than twice."
    ),
    ("fine", 2.30, math.nan, 1.00, 0.50): tr(
        "One loss on the way is NaN, but what counts is the last one."
    ),
    ("too high", 2.30, 2.10, math.inf): tr(
        "They end in infinity, which is above their start."
    ),
}


@exercise(
    "4.4",
    read_curve,
    "Compare the last loss with the first. A run that ends above its start, or "
    "in NaN, took steps that were too large.",
    "A loss that crawls from 2.30 to 2.10 is still falling, but it would take all day.",
    "NaN is not equal to itself, and every other comparison with it is False. So "
    "test for it first: math.isnan(last).",
    notice="Notice that NaN needs a test of its own: last > first is False for it.",
)
def check_read_curve(answer: Callable) -> None:
    for (wanted, *losses), seen in CURVES.items():
        _expect_reading(answer, losses, wanted, seen)
    luck = random.Random(4)
    for _ in range(60):
        losses = [round(luck.uniform(0.5, 2.5), 2) for _ in range(luck.randint(2, 5))]
        first, lowest, last = losses[0], min(losses), losses[-1]
        edges = last / first - 0.8, last - first, last / lowest - 2
        if min(map(abs, edges)) > 0.02:  # others are decided by rounding
            # Translators: {seen} in the sentences about losses that were misread.
            seen = tr("The first is {first}, the lowest {lowest}, and the last {last}.")
            seen = seen.format(first=first, lowest=lowest, last=last)
            _expect_reading(answer, losses, read_curve(losses), seen)


def _expect_reading(answer: Callable, losses: list, wanted: str, seen: str) -> None:
    found = ask(answer, list(losses), kind=None)
    why = tr("return one of 'too low', 'fine' and 'too high'; I got {found}.")
    known = isinstance(found, str) and found in ("too low", "fine", "too high")
    expect(known, why, found=describe(found))
    run = COMMA.join(f"{loss:.2f}" for loss in losses)
    why = tr("for the losses {run} you said {found!r}. {seen}")
    expect(found == wanted, why, run=run, found=found, seen=seen)


# --- 4.5

NUM_IMAGES = 300


def most_typical(net, images):
    with torch.no_grad():
        probabilities = net(images).softmax(dim=1)
    return probabilities.argmax(dim=0)


@exercise(
    "4.5",
    most_typical,
    "net(images) gives a row of ten scores for each picture. Turn each row into "
    "probabilities first, so that pictures can be compared.",
    "You want a picture for each kind, not a kind for each picture: along which "
    "dim do you look for the largest?",
    notice="Notice that argmax(dim=1) asks what each picture is, and argmax(dim=0) "
    "which picture is the best example of each kind. Now look at the ten below.",
)
def check_most_typical(answer: Callable) -> None:
    net = MLP(20, 16, 10, sigma=0.5, seed=4)
    torch.manual_seed(4)
    images = 1.5 * torch.rand(NUM_IMAGES, 20)
    with torch.no_grad():
        scores = net(images)
    found = _positions(ask(answer, net, images, kind=object))
    _check_typical(found, scores, scores.softmax(dim=1))


def _check_typical(found: Tensor, scores: Tensor, chances: Tensor) -> None:
    """found: ten positions; chances: the probability of each kind, for each picture."""
    wanted, surest = chances.argmax(dim=0), chances.max(dim=1).values
    mistakes = {
        scores.argmax(dim=0): tr(
            "these are the pictures with the highest raw score of each kind. (A "
            "softmax over the pictures, dim=0, finds the same ones.) A picture with "
            "ten high scores wins, although the model is not sure of it."
        ),
        chances.argmin(dim=0): tr("these are the least typical pictures."),
    }
    rule_out(found, mistakes, torch.equal)
    why = tr(
        "these are the ten pictures that the model is surest of, whatever their kind."
    )
    expect({*found.tolist()} != {*surest.topk(10).indices.tolist()}, why)
    for kind, (picture, right) in enumerate(zip(found.tolist(), wanted.tolist())):
        none = tr("there is no picture {picture}; I gave you {count}.")
        expect(0 <= picture < NUM_IMAGES, none, picture=picture, count=NUM_IMAGES)
        why = tr(
            "of kind {kind}, picture {best} has the highest probability, "
            "{highest:.3f}; your picture {picture} has {found:.3f}."
        )
        expect(
            chances[right, kind] - chances[picture, kind] < 1e-6,
            why,
            kind=kind,
            best=right,
            highest=chances[right, kind],
            picture=picture,
            found=chances[picture, kind],
        )


def _positions(returned: Any) -> Tensor:
    """Ten positions out of what an answer returned: a list or an array will do."""
    found = returned
    if isinstance(returned, (list, tuple)):
        numbers = [number(value) for value in returned]
        if numbers and None not in numbers:
            found = torch.tensor(numbers)
    elif isinstance(returned, np.ndarray) and returned.dtype.kind in "iuf":
        found = torch.from_numpy(returned)
    shape = found.shape if isinstance(found, Tensor) else None
    mistakes = {
        (NUM_IMAGES,): tr(
            "I got {count} numbers, one for each picture: they say what each picture "
            "is taken for. The task asks for one picture for each of the ten kinds."
        ),
        (10, 20): tr("I got ten rows of pixels, not the positions of ten pictures."),
    }
    rule_out(shape, mistakes, count=NUM_IMAGES)
    why = tr(
        "I got decimal numbers, perhaps the probabilities, not positions of pictures."
    )
    expect(shape is None or not found.is_floating_point(), why)
    why = tr("I got {found}; return ten positions, one for each kind.")
    expect(shape == (10,), why, found=describe(returned))
    return found.long()
