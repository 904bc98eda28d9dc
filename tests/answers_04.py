"""Answers to the exercises of 04_training, right and wrong. Named after the idea."""

import math

import torch
from answers import right, wrong
from torch.nn import functional as F


@right("4.1")
def logsumexp(scores, y):
    return (torch.logsumexp(scores, dim=1) - scores.gather(1, y[:, None])[:, 0]).mean()


@right("4.1")
def a_loop(scores, y):
    losses = []
    for row, label in zip(scores, y):
        row = row - row.max()
        losses.append(row.exp().sum().log() - row[label])
    return sum(losses) / len(losses)


@right("4.1")
def the_library(scores, y):
    return F.nll_loss(F.log_softmax(scores, dim=1), y)


@wrong("4.1", "exp(1000) is infinity")
def overflows(scores, y):
    probabilities = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
    return -probabilities[range(len(y)), y].log().mean()


@wrong("4.1", "take the mean")
def forgets_the_mean(scores, y):
    return (torch.logsumexp(scores, 1) - scores[range(len(y)), y]).sum()


@wrong("4.1", "a loss for each picture")
def one_for_each(scores, y):
    return torch.logsumexp(scores, 1) - scores[range(len(y)), y]


@wrong("4.1", "the sign is wrong")
def wrong_sign(scores, y):
    return scores.log_softmax(1)[range(len(y)), y].mean()


@wrong("4.1", "dim=1")
def over_the_batch(scores, y):
    return -scores.log_softmax(0)[range(len(y)), y].mean()


@wrong("4.1", "mean of the logarithms")
def log_of_the_mean(scores, y):
    return -scores.softmax(1)[range(len(y)), y].mean().log()


@wrong("4.1", "hides the overflow")
def hides_the_overflow(scores, y):
    probabilities = scores.softmax(1)[range(len(y)), y]
    return -(probabilities + 1e-12).log().mean()


@right("4.2")
def with_alpha(parameters, lr):
    for parameter in parameters:
        parameter.data.add_(parameter.grad, alpha=-lr)
        parameter.grad.zero_()


@right("4.2")
def by_the_optimizer(parameters, lr):
    optimizer = torch.optim.SGD(parameters, lr=lr)
    optimizer.step()
    optimizer.zero_grad()


@wrong("4.2", "makes a new tensor")
def a_new_tensor(parameters, lr):
    for parameter in parameters:
        parameter = parameter - lr * parameter.grad  # noqa: PLW2901


@wrong("4.2", "uphill")
def uphill(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            parameter += lr * parameter.grad


@wrong("4.2", "multiply it by lr")
def without_lr(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            parameter -= parameter.grad


@wrong("4.2", "would add to them")
def leaves_gradients(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            parameter -= lr * parameter.grad


@wrong("4.2", "only one of them")
def returns_too_early(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            parameter -= lr * parameter.grad
            return


@wrong("4.2", "raised RuntimeError at `parameter -= lr * parameter.grad`")
def without_no_grad(parameters, lr):
    for parameter in parameters:
        parameter -= lr * parameter.grad


@wrong("4.2", "no longer asks for a gradient")
def switches_gradients_off(parameters, lr):
    for parameter in parameters:
        parameter.requires_grad_(False)
        parameter -= lr * parameter.grad
        parameter.grad = None


@right("4.3")
def in_place(parameter, velocity, lr, momentum):
    velocity.mul_(momentum).add_(parameter.grad)
    parameter.data.sub_(lr * velocity)
    return velocity


@wrong("4.3", "needs the new velocity")
def returns_nothing(parameter, velocity, lr, momentum):
    velocity = momentum * velocity + parameter.grad
    parameter.data -= lr * velocity


@wrong("4.3", "1 - momentum")
def weighted(parameter, velocity, lr, momentum):
    velocity = momentum * velocity + (1 - momentum) * parameter.grad
    parameter.data -= lr * velocity
    return velocity


@wrong("4.3", "forgets")
def forgets(parameter, velocity, lr, momentum):
    velocity = parameter.grad.clone()
    parameter.data -= lr * velocity
    return velocity


@wrong("4.3", "never fades")
def never_fades(parameter, velocity, lr, momentum):
    velocity = velocity + parameter.grad
    parameter.data -= lr * velocity
    return velocity


@wrong("4.3", "has not moved")
def moves_a_copy(parameter, velocity, lr, momentum):
    velocity = momentum * velocity + parameter.grad
    parameter = parameter - lr * velocity
    return velocity


@right("4.4")
def other_bounds(losses):
    if math.isnan(losses[-1]) or losses[-1] > 1.5 * min(losses):
        return "too high"
    return "too low" if losses[0] - losses[-1] < 0.5 else "fine"


@wrong("4.4", "ends in NaN")
def nan_slips_through(losses):
    if losses[-1] > losses[0] or losses[-1] > 2 * min(losses):
        return "too high"
    return "too low" if losses[-1] > 0.8 * losses[0] else "fine"


@wrong("4.4", "that crawls down to 2.15")
def any_fall_is_fine(losses):
    return "fine" if losses[-1] < losses[0] else "too high"


@wrong("4.4", "small ups are normal")
def no_up_is_allowed(losses):
    if any(not later < earlier for earlier, later in zip(losses, losses[1:])):
        return "too high"
    return "too low" if losses[-1] > 0.8 * losses[0] else "fine"


@wrong("4.4", "the lowest loss on the way")
def only_the_ends(losses):
    if not losses[-1] < losses[0]:
        return "too high"
    return "too low" if losses[-1] > 0.9 * losses[0] else "fine"


@wrong("4.4", "return one of")
def another_word(losses):
    return "good"


@right("4.5")
def with_exp(net, images):
    scores = net(images)
    return (scores - scores.logsumexp(1, keepdim=True)).max(dim=0).indices


@wrong("4.5", "one for each picture")
def what_each_is(net, images):
    return net(images).argmax(dim=1)


@wrong("4.5", "raw scores")
def raw_scores(net, images):
    return net(images).argmax(dim=0)


@wrong("4.5", "where they stand")
def the_values(net, images):
    return net(images).softmax(dim=1).max(dim=0).values


@wrong("4.5", "returned None")
def prints_them(net, images):
    net(images).softmax(dim=1).argmax(dim=0)
