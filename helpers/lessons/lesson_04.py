"""The exercises of 04_training."""

import copy

import torch
from torch.nn import functional as F

from helpers.exercises import ask, describe, exercise, expect
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
    found = ask(answer, scores, y)
    wanted = F.cross_entropy(scores, y)
    each = F.cross_entropy(scores, y, reduction="none")
    expect(
        found.shape != each.shape,
        "I got a loss for each picture; the loss of the batch is their mean.",
    )
    expect(
        found.dim() == 0,
        f"I got {describe(found)}; the loss of a batch is one number.",
    )
    expect(not torch.allclose(found, each.sum()), "I got the sum; take the mean.")
    expect(
        not torch.allclose(found, -wanted),
        "the sign is wrong: a probability is below 1, so its logarithm is negative, "
        "and the loss is minus that.",
    )
    chosen = scores.softmax(dim=1)[range(7), y].mean()
    expect(
        not torch.allclose(found, -chosen.log()),
        "I got the logarithm of the mean probability; take the mean of the logarithms.",
    )
    over_batch = F.cross_entropy(scores.T, torch.zeros(10, dtype=torch.int64))
    columns = -scores.log_softmax(dim=0)[range(7), y].mean()
    expect(
        not (torch.allclose(found, columns) or torch.allclose(found, over_batch)),
        "your softmax adds up over the pictures of the batch (dim=0); it has to add "
        "up over the ten scores of each picture (dim=1).",
    )
    expect(
        torch.allclose(found, wanted, rtol=1e-4),
        f"for 7 pictures with random scores I got {found:.4f}, and F.cross_entropy "
        f"says {wanted:.4f}.",
    )
    large = torch.tensor([[1000.0, 0.0, -1000.0]]).repeat(2, 4)[:, :10]
    with_large = answer(large.clone(), torch.tensor([0, 1]))
    expect(
        bool(torch.as_tensor(with_large).isfinite()),
        "with scores of 1000 and -1000 the result is not finite: exp(1000) is infinity.",
    )
    expect(
        torch.allclose(with_large, F.cross_entropy(large, torch.tensor([0, 1]))),
        f"right for small scores, but with scores of 1000 and -1000 I got "
        f"{with_large:.1f} instead of 501.4; a small number added before the logarithm "
        "hides the overflow and changes the result.",
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
    parameters, kept, gradients = _with_gradients()
    answer(parameters, 0.5)
    moved = [p.detach() - k for p, k in zip(parameters, kept)]
    expect(
        any(step.any() for step in moved),
        "the parameters have not changed; `p = p - ...` makes a new tensor and leaves "
        "the parameter as it was.",
    )
    last_only = moved[-1].any() and not any(step.any() for step in moved[:-1])
    first_only = moved[0].any() and not any(step.any() for step in moved[1:])
    expect(
        not (last_only or first_only),
        "I gave you three parameters, and only one of them has changed.",
    )
    for step, gradient in zip(moved, gradients):
        expect(
            not torch.allclose(step, 0.5 * gradient, atol=1e-6),
            "the parameters moved along their gradients, uphill; subtract.",
        )
        expect(
            not torch.allclose(step, -gradient, atol=1e-6),
            "the parameters moved by the whole gradient; multiply it by lr.",
        )
        expect(
            torch.allclose(step, -0.5 * gradient, atol=1e-6),
            "the parameters did not move by -lr * grad.",
        )
    expect(
        all(p.requires_grad and p.is_leaf for p in parameters),
        "a parameter no longer asks for a gradient after your step; put the update "
        "under torch.no_grad() and leave requires_grad alone.",
    )
    expect(
        all(p.grad is None or not p.grad.any() for p in parameters),
        "the old gradients are still there after your step, so the next backward() "
        "would add to them.",
    )


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
    ours, theirs = (torch.nn.Parameter(torch.arange(4.0)) for _ in range(2))
    optimizer = torch.optim.SGD([theirs], lr=0.1, momentum=0.9)
    velocity, start = torch.zeros(4), ours.detach().clone()
    torch.manual_seed(3)
    gradients = torch.randn(3, 4)
    for count, gradient in enumerate(gradients, start=1):
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        velocity = answer(ours, velocity, 0.1, 0.9)
        expect(
            isinstance(velocity, torch.Tensor),
            f"your function returned {describe(velocity)}; the next step needs the new "
            "velocity.",
        )
        optimizer.step()
        if count == 1:
            plain = torch.allclose(velocity, gradient)
            expect(
                not torch.allclose(velocity, 0.1 * gradient, atol=1e-6),
                "the first velocity is a tenth of the gradient: you weighted the "
                "gradient by 1 - momentum or by lr. PyTorch's SGD takes it whole, and "
                "lr comes in where the parameter moves.",
            )
            expect(plain, "the first velocity, from rest, should be the gradient.")
            expect(not torch.equal(ours, start), "the parameter itself has not moved.")
            expect(
                torch.allclose(ours, theirs, atol=1e-6),
                "after one step from rest the parameter should stand at "
                "start - lr * gradient, and it doesn't.",
            )
    expect(
        not torch.allclose(velocity, gradients[-1], atol=1e-6),
        "your velocity forgets: after three steps it is just the last gradient.",
    )
    expect(
        not torch.allclose(velocity, gradients.sum(dim=0), atol=1e-6),
        "your velocity never fades: it is the sum of all gradients. Multiply the old "
        "one by momentum.",
    )
    expect(
        torch.allclose(ours, theirs, atol=1e-6),
        "the first step is right, but after three the parameter is not where "
        "torch.optim.SGD puts it. Does it move along the new velocity, not the old?",
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
    curves = {
        "fine": ([2.30, 1.20, 0.80, 0.60, 0.50, 0.45], "that falls from 2.30 to 0.45"),
        "too low": ([2.30, 2.28, 2.25, 2.22, 2.18, 2.15], "that crawls down to 2.15"),
        "too high": ([2.30, 2.90, 4.10, 3.50, 6.00, 5.20], "that climbs to 5.20"),
    }
    for wanted, (losses, shape) in curves.items():
        found = ask(answer, list(losses), kind=None)
        expect(
            isinstance(found, str) and found in curves,
            f"return one of 'too low', 'fine' and 'too high'; I got {describe(found)}.",
        )
        expect(
            found == wanted,
            f"for a loss {shape} you said {found!r}, and lr is "
            + ("just fine." if wanted == "fine" else f"{wanted}."),
        )
    found = answer([2.30, 5.00, 80.0, float("nan")])
    expect(
        found == "too high",
        f"for a loss that ends in NaN you said {found!r}. Every comparison with NaN "
        "is False, so it slips through.",
    )
    found = answer([2.30, 0.80, 0.60, 0.90, 0.70, 1.90])
    expect(
        found == "too high",
        f"for a loss that fell to 0.60 and jumped back to 1.90 you said {found!r}; "
        "look at the lowest loss on the way too.",
    )
    found = answer([2.31, 1.05, 1.10, 0.66, 0.71, 0.52])
    expect(
        found == "fine",
        f"for a loss that wobbles a little and falls to 0.52 you said {found!r}; "
        "batches differ, so small ups are normal.",
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
    found = ask(answer, net, images)
    with torch.no_grad():
        scores = net(images)
    expect(
        found.shape != (50,),
        "I got 50 numbers, one for each picture: that is what each picture is taken "
        "for. The task is one picture for each of the ten kinds.",
    )
    expect(
        not found.is_floating_point(),
        "I got decimal numbers, perhaps the probabilities; return where they stand, "
        "the positions of the pictures.",
    )
    expect(
        found.shape == (10,),
        f"I got {describe(found)}; return ten positions, one for each kind.",
    )
    raw, wanted = scores.argmax(dim=0), scores.softmax(dim=1).argmax(dim=0)
    expect(
        torch.equal(found, wanted) or not torch.equal(found, raw),
        "you compared the raw scores. A picture whose ten scores are all high wins "
        "although the model is not sure of it; compare probabilities.",
    )
    expect(
        not torch.equal(found, scores.softmax(dim=0).argmin(dim=0)),
        "these are the least typical pictures.",
    )
    expect(
        torch.equal(found, wanted),
        "these are not the pictures with the highest probability of each kind.",
    )
    after = net.state_dict()
    same = all(torch.equal(before[name], after[name]) for name in before)
    expect(same, "your function changed the model.")
