"""The exercises of 04_training."""

import copy
import math

import numpy as np
import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from helpers.exercises.exercise import ask, describe, exercise, expect, number
from helpers.model import MLP


def near(found, wanted):
    """Whether two numbers, or two tensors of one shape, are equal up to rounding."""
    found, wanted = (torch.as_tensor(value).double() for value in (found, wanted))
    return found.shape == wanted.shape and torch.allclose(
        found, wanted, rtol=1e-4, atol=1e-5
    )


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
    minutes=8,
    difficulty="easy",
    hints=(
        "Softmax divides exp(score) by a sum of such terms. Take the logarithm of "
        "that quotient on paper first: the division becomes a difference.",
        "exp(1000) is infinity in float32. Softmax doesn't change when you take the "
        "same number away from all ten scores. Which number makes exp harmless?",
        "Take away the largest score of each row: scores.max(dim=1, keepdim=True).",
    ),
    notice="Notice that the logarithm and exp never meet a number that is too large: "
    "this is what F.cross_entropy does inside.",
)
def check_cross_entropy(answer):
    torch.manual_seed(1)
    scores, y = 3 * torch.randn(7, 10), torch.tensor([3, 1, 4, 1, 5, 9, 2])
    with _Calls() as called:
        returned = ask(answer, scores, y, kind=object)
    expect(
        not isinstance(returned, torch.Tensor) or returned.shape != (7,),
        "I got a loss for each picture; the loss of the batch is their mean.",
    )
    found = number(returned)
    expect(
        found is not None,
        f"I got {describe(returned)}; the loss of a batch is one number.",
    )
    wanted = float(F.cross_entropy(scores.double(), y))
    if not near(found, wanted):
        _explain_loss(found, wanted, scores.double(), y)
    expect(
        F.cross_entropy not in called.functions,
        "the number is right, but your function calls F.cross_entropy, and the task "
        "asks for one without it.",
    )
    _check_large_scores(answer)


class _Calls(TorchFunctionMode):
    """Notes which functions of PyTorch are called."""

    def __init__(self):
        super().__init__()
        self.functions = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.functions.append(function)
        return function(*args, **(kwargs or {}))


def _explain_loss(found, wanted, scores, y):
    rows, logs = range(len(y)), scores.log_softmax(dim=1)
    chances, right = logs.exp()[rows, y], scores[rows, y]
    by_column = scores - scores.max(dim=0).values
    mistakes = [
        (7 * wanted, "I got the sum over the pictures, and not their mean."),
        (
            -wanted,
            "the sign is wrong: a probability is below 1, so its logarithm is negative, "
            "and the loss is minus that.",
        ),
        (
            -chances.mean().log(),
            "I got the logarithm of the mean probability, and not the mean of the "
            "logarithms.",
        ),
        (
            -chances.mean(),
            "I got minus the mean probability of the right labels: no logarithm of it "
            "was taken.",
        ),
        (
            1 - chances.mean(),
            "I got 1 minus the mean probability of the right labels: no logarithm of "
            "it was taken.",
        ),
        (
            -scores.log_softmax(dim=0)[rows, y].mean(),
            "your softmax adds up over the pictures of the batch (dim=0), and not over "
            "the ten scores of each picture.",
        ),
        (
            -logs[:, y].mean(),
            "I got a mean over 49 numbers: of each of the 7 pictures you took the "
            "probabilities of all 7 labels, and not that of its own alone.",
        ),
        (
            wanted / 10,
            "I got a tenth of the loss: your mean goes over ten numbers for each "
            "picture, of which nine are 0.",
        ),
        (
            -right.mean(),
            "I got minus the mean score of the right labels; the other nine scores of "
            "a picture have no say in it.",
        ),
        (
            scores.logsumexp(dim=1).mean(),
            "I got the logarithm of the sum alone; the score of the right label has no "
            "say in it.",
        ),
        (
            F.cross_entropy(logs.exp(), y),
            "a softmax was applied to probabilities: the softmax was taken twice.",
        ),
        (
            F.cross_entropy(by_column, y),
            "from the ten scores of a picture you took away ten different numbers (the "
            "largest of each column), and that changes its softmax.",
        ),
        (wanted / math.log(2), "your logarithm is the one to the base 2, and not ln."),
        (
            wanted / math.log(10),
            "your logarithm is the one to the base 10, and not ln.",
        ),
    ]
    for value, why in mistakes:
        expect(not near(found, float(value)), why)
    expect(
        False,
        f"for 7 pictures with random scores I got {found:.4f}, and F.cross_entropy "
        f"says {wanted:.4f}.",
    )


def _check_large_scores(answer):
    def loss(rows, y):
        scores = torch.tensor([row + [0.0] * (10 - len(row)) for row in rows])
        returned = answer(scores, torch.tensor(y))
        found = number(returned)
        expect(found is not None, f"with scores of 1000 I got {describe(returned)}.")
        return found, float(F.cross_entropy(scores, torch.tensor(y)))

    large, hopeless = [1000.0, 999.0], [1000.0, 0.0, -1000.0]
    found, wanted = loss([large], [1])
    expect(
        math.isfinite(found),
        "with scores of 1000 and 999 the result is not finite, and exp(1000) is "
        "infinity.",
    )
    expect(
        near(found, wanted),
        f"right for small scores, but with scores of 1000 and 999 I got {found:.2f} "
        f"instead of {wanted:.2f}: the scores are no longer what they were.",
    )
    found, wanted = loss([hopeless], [1])
    expect(
        math.isfinite(found),
        "right for small scores, but where the right label has score 0, and another "
        "1000, the result is not finite: so small a probability comes out as 0, and "
        "the logarithm of 0 is minus infinity.",
    )
    expect(
        near(found, wanted),
        "right for small scores, but where the right label has score 0, and another "
        f"1000, I got {found:.1f} instead of {wanted:.1f}: a larger number stood in "
        "for so small a probability.",
    )
    found, wanted = loss([large, [1.0, 2.0, 3.0]], [1, 0])
    expect(
        near(found, wanted),
        "right for each picture alone, but with scores of 1000 in one row and up to 3 "
        f"in the next I got {found:.2f} instead of {wanted:.2f}: what is done about "
        "the first row spoils the second.",
    )


# --- 4.2


def sgd_update(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            parameter -= lr * parameter.grad
            parameter.grad = None


@exercise(
    "4.2",
    sgd_update,
    minutes=5,
    difficulty="easy",
    hints=(
        "Each parameter moves against its gradient, which is in parameter.grad.",
        "The parameter itself has to change, in place: `parameter -= ...` under "
        "torch.no_grad(), not `parameter = parameter - ...`, which makes a new tensor.",
        "After the update, make parameter.grad None or zero, or the next backward() "
        "adds to it.",
    ),
    notice="Notice that nothing in it knows the model: an optimizer only sees the "
    "parameters that it was given, and their gradients.",
)
def check_sgd_step(answer):
    for lr in (0.5, 0.03):
        given, kept, gradients = _with_gradients()
        parameters = list(given)
        answer(given, lr)
        moved = [p.detach() - k for p, k in zip(parameters, kept)]
        gone = all(p.grad is None or not p.grad.any() for p in parameters)
        changed = sum(bool(step.any()) for step in moved)
        same = len(given) == 3 and all(p is q for p, q in zip(given, parameters))
        expect(
            same or changed,
            "the list holds other tensors after your step; the parameters that a model "
            "has are those from before, and they have not changed.",
        )
        expect(same, "the list does not hold the same parameters after your step.")
        expect(
            changed or not gone,
            "the parameters have not changed, and their gradients are gone.",
        )
        expect(
            changed,
            "the parameters have not changed. (`p = p - ...` makes a new tensor and "
            "leaves the parameter as it was.)",
        )
        expect(
            changed == 3,
            f"I gave you three parameters, and only {changed} of them changed.",
        )
        for step, gradient in zip(moved, gradients):
            _check_step(step, gradient, lr)
        expect(
            all(p.requires_grad and p.is_leaf for p in parameters),
            "a parameter no longer asks for a gradient after your step.",
        )
        expect(
            gone,
            "the old gradients are still there after your step, so the next backward() "
            "would add to them.",
        )


def _check_step(step, gradient, lr):
    if near(step, -lr * gradient):
        return
    share = float(-(step * gradient).sum() / gradient.square().sum())
    along = near(step, -share * gradient)
    expect(
        not along or share > 0,
        "the parameters moved along their gradients, uphill.",
    )
    expect(
        not along or not near(share, 1.0),
        f"with lr {lr} the parameters moved by their whole gradients; lr had no effect.",
    )
    expect(
        not along,
        f"with lr {lr} the parameters moved by {share:.3g} times their gradients.",
    )
    expect(False, "the parameters did not move by -lr * grad.")


def _with_gradients():
    torch.manual_seed(2)
    shapes = [(4, 3), (3,), (3, 2)]
    parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape)
    kept = [parameter.detach().clone() for parameter in parameters]
    return parameters, kept, [parameter.grad.clone() for parameter in parameters]


# --- 4.3


def momentum_step(parameter, velocity, lr, momentum):
    velocity = momentum * velocity + parameter.grad
    with torch.no_grad():
        parameter -= lr * velocity
    return velocity


@exercise(
    "4.3",
    momentum_step,
    minutes=8,
    difficulty="medium",
    hints=(
        "The velocity remembers the steps before: it keeps `momentum` of itself and "
        "takes the new gradient on top.",
        "The parameter then moves along the new velocity, by lr, against its sign.",
        "Return the new velocity, so that the next call can use it.",
    ),
    notice="Notice that with momentum 0.9 a steady gradient ends up ten times as large "
    "in the velocity: momentum also raises the step size.",
)
def check_momentum_step(answer):
    for lr, momentum in ((0.2, 0.9), (0.1, 0.5)):
        _check_momentum(answer, lr, momentum)


def _check_momentum(answer, lr, momentum):
    torch.manual_seed(3)
    gradients = torch.randn(3, 4)
    ours, theirs = (torch.nn.Parameter(torch.arange(4.0)) for _ in range(2))
    optimizer = torch.optim.SGD([theirs], lr=lr, momentum=momentum)
    velocity, velocities, steps = torch.zeros(4), [], []
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        before = ours.detach().clone()
        velocity = answer(ours, velocity, lr, momentum)
        expect(
            isinstance(velocity, torch.Tensor) and velocity.shape == (4,),
            f"your function returned {describe(velocity)}; the next step needs the new "
            "velocity.",
        )
        expect(
            velocity is not ours,
            "your function returned the parameter; the next step needs the new "
            "velocity.",
        )
        velocities.append(velocity.detach().clone())
        steps.append(ours.detach() - before)
        optimizer.step()
    _check_velocities(velocities, gradients, lr, momentum)
    _check_steps(steps, velocities, gradients, lr, momentum)
    expect(
        near(ours.detach(), theirs.detach()),
        f"with lr {lr} and momentum {momentum} the velocities are right, but after "
        "three steps the parameter is not where torch.optim.SGD puts it.",
    )
    expect(
        ours.requires_grad,
        "the parameter no longer asks for a gradient after your step.",
    )


def _check_velocities(velocities, gradients, lr, momentum):
    case = f"with lr {lr} and momentum {momentum}"
    first, second, last = velocities
    for factor, what in (
        (-1.0, "minus the gradient"),
        (-lr, "minus lr times the gradient"),
        (lr, "lr times the gradient"),
        (1 - momentum, "the gradient times 1 - momentum"),
        (momentum, "the gradient times momentum"),
        (0.0, "still zero"),
    ):
        expect(
            not near(first, factor * gradients[0]),
            f"{case} the first velocity, from rest, is {what}. PyTorch's SGD takes the "
            "gradient whole and with its sign.",
        )
    expect(
        near(first, gradients[0]),
        "the first velocity, from rest, should be the gradient.",
    )
    kept = second - gradients[1]
    share = float((kept * first).sum() / first.square().sum())
    expect(
        near(second, momentum * first + gradients[1]) or not near(kept, share * first),
        f"{case} the second velocity holds {share:.2g} times the first one: "
        + (
            "your velocity forgets."
            if near(share, 0.0)
            else "your velocity never fades."
            if near(share, 1.0)
            else f"it should keep {momentum} of itself."
        ),
    )
    expect(
        near(last, momentum * second + gradients[2]),
        "the first velocity is right, but a later one is not `momentum` times the one "
        "before plus the gradient.",
    )


def _check_steps(steps, velocities, gradients, lr, momentum):
    first = velocities[0]
    expect(any(step.any() for step in steps), "the parameter itself has not moved.")
    expect(
        steps[0].any()
        or not near(torch.stack(steps[1:]), -lr * torch.stack(velocities[:2])),
        "in the first step the parameter stays, and then it moves along the velocity "
        "of the step before.",
    )
    expect(
        not near(steps[0], lr * first),
        "the parameter moved along the velocity, uphill.",
    )
    ahead = [momentum * v + g for v, g in zip(velocities, gradients)]
    expect(
        not near(torch.stack(steps), -lr * torch.stack(ahead)),
        "the parameter moved by lr times (momentum * velocity + gradient), one step "
        "ahead of the velocity: that is Nesterov's momentum.",
    )
    expect(
        not near(torch.stack(steps), -lr * gradients),
        "the parameter moved by lr times the gradient: the velocity has no say in it.",
    )
    share = float(-(steps[0] * first).sum() / first.square().sum())
    expect(
        near(share, lr) or not near(steps[0], -share * first),
        f"with lr {lr} and momentum {momentum} the parameter moved by {share:.3g} times "
        "the velocity.",
    )


# --- 4.4


def read_curve(losses):
    first, last = losses[0], losses[-1]
    if last != last or last > first or last > 2 * min(losses):
        return "too high"
    if last > 0.8 * first:
        return "too low"
    return "fine"


@exercise(
    "4.4",
    read_curve,
    minutes=8,
    difficulty="medium",
    hints=(
        "Compare the last loss with the first. A run that ends above its start, or "
        "in NaN, was pushed too far at every step.",
        "A loss that crawls from 2.30 to 2.10 is still falling, but it would take all "
        "day.",
        "NaN is not equal to itself, and every comparison with it is False. So test "
        "for it first: math.isnan(last).",
    ),
    notice="Notice that NaN needs a test of its own: last > first is False for it.",
)
def check_read_curve(answer):
    for wanted, losses, seen in CURVES:
        found = ask(answer, list(losses), kind=None)
        expect(
            isinstance(found, str) and found in ("too low", "fine", "too high"),
            f"return one of 'too low', 'fine' and 'too high'; I got {describe(found)}.",
        )
        run = ", ".join(f"{loss:.2f}" for loss in losses)
        expect(found == wanted, f"for the losses {run} you said {found!r}. {seen}")


CURVES = (
    (
        "fine",
        [2.30, 1.20, 0.80, 0.60, 0.50, 0.45],
        "They fall to a fifth of the first, and never rise.",
    ),
    (
        "too low",
        [2.30, 2.28, 2.25, 2.22, 2.18, 2.15],
        "They crawl: at the end not even a tenth of the loss is gone.",
    ),
    (
        "too high",
        [2.30, 2.90, 4.10, 3.50, 6.00, 5.20],
        "They climb, and end above their start.",
    ),
    (
        "too high",
        [2.30, 5.00, 80.0, math.nan],
        "Every comparison with NaN is False, so it slips through.",
    ),
    (
        "too high",
        [2.30, 0.80, 0.60, 0.90, 0.70, 1.70],
        "On the way the loss was 0.60, and the last one is more than twice as high.",
    ),
    (
        "fine",
        [2.31, 1.05, 1.10, 0.66, 0.71, 0.52],
        "They wobble a little, and fall; batches differ, so small ups are normal.",
    ),
    (
        "too low",
        [2.30, 2.24, 2.15, 2.06, 1.95],
        "At the end 15 % of the loss is gone, which is less than a fifth.",
    ),
    (
        "fine",
        [2.30, 2.15, 2.00, 1.85, 1.70],
        "At the end 26 % of the loss is gone, which is more than a fifth.",
    ),
    (
        "fine",
        [2.30, 0.90, 0.50, 0.70, 0.85],
        "The last loss is 1.7 times the lowest one, which is not more than twice.",
    ),
    (
        "too high",
        [2.30, 0.90, 0.50, 0.80, 1.20],
        "The last loss is 2.4 times the lowest one, which is more than twice.",
    ),
    (
        "fine",
        [0.60, 0.50, 0.44, 0.40],
        "A third of the loss is gone at the end, though all of them are small.",
    ),
    (
        "too low",
        [0.60, 0.58, 0.57, 0.55, 0.54],
        "A tenth of the loss is gone at the end, small as all of them are.",
    ),
    (
        "too high",
        [2.30, 0.90, 0.60, 1.10, 1.95],
        "Less than a fifth is gone at the end, but the last loss is more than three "
        "times the lowest one, and what is too high comes first.",
    ),
)


# --- 4.5


def most_typical(net, images):
    with torch.no_grad():
        probabilities = net(images).softmax(dim=1)
    return probabilities.argmax(dim=0)


@exercise(
    "4.5",
    most_typical,
    minutes=10,
    difficulty="hard",
    hints=(
        "net(images) gives a row of ten scores for each picture. Turn each row into "
        "probabilities first, so that pictures can be compared.",
        "You want a picture for each kind, not a kind for each picture: along which "
        "dim do you look for the largest?",
    ),
    notice="Notice that argmax(dim=1) asks what each picture is, and argmax(dim=0) "
    "which picture is the best example of each kind. Now look at the ten below.",
)
def check_most_typical(answer):
    net = MLP(20, 16, 10, sigma=0.5, seed=4)
    torch.manual_seed(4)
    images = 3 * torch.rand(50, 20)
    before = copy.deepcopy(net.state_dict())
    returned = ask(answer, net, images, kind=object)
    found = _positions(returned)
    expect(
        found.shape != (50,),
        "I got 50 numbers, one for each picture: that is what each picture is taken "
        "for. The task is one picture for each of the ten kinds.",
    )
    expect(
        found.shape != (10, 20),
        "I got ten rows of pixels, perhaps the pictures themselves, and not where they "
        "stand.",
    )
    expect(
        not found.is_floating_point(),
        "I got decimal numbers, perhaps the probabilities, and not where the pictures "
        "stand.",
    )
    expect(
        found.shape == (10,),
        f"I got {describe(returned)}; return ten positions, one for each kind.",
    )
    with torch.no_grad():
        scores = net(images)
    chances, found = scores.softmax(dim=1), found.long()
    wanted, surest = chances.argmax(dim=0), chances.max(dim=1).values
    if not torch.equal(found, wanted):
        expect(
            not torch.equal(found, scores.argmax(dim=0)),
            "these are the pictures with the highest raw score of each kind. (A softmax "
            "over the pictures, dim=0, finds the same ones.) A picture whose ten scores "
            "are all high wins there, although the model is not sure of it.",
        )
        expect(
            not torch.equal(found, chances.argmin(dim=0)),
            "these are the least typical pictures.",
        )
        expect(
            not torch.equal(found.sort().values, surest.topk(10).indices.sort().values),
            "these are the ten pictures that the model is surest of, whatever kind it "
            "takes them for.",
        )
        k = int((found != wanted).nonzero()[0])
        fits = 0 <= int(found[k]) < 50
        other = f"has {chances[found[k], k]:.3f}" if fits else "does not exist"
        expect(
            False,
            f"of kind {k}, picture {int(wanted[k])} has the highest probability, "
            f"{chances[wanted[k], k]:.3f}; your picture {int(found[k])} {other}.",
        )
    after = net.state_dict()
    same = all(torch.equal(before[name], after[name]) for name in before)
    expect(same, "your function changed the model.")


def _positions(returned):
    """What an answer returned as a tensor: a list or an array will do as well."""
    if isinstance(returned, (list, tuple)):
        numbers = [number(value) for value in returned]
        if numbers and None not in numbers:
            return torch.tensor(numbers)
    if isinstance(returned, np.ndarray) and returned.dtype.kind in "iuf":
        return torch.from_numpy(returned)
    fine = isinstance(returned, torch.Tensor)
    expect(
        fine, f"I got {describe(returned)}; return ten positions, one for each kind."
    )
    return returned
