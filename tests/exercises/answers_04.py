"""Answers to the exercises of 04_training, right and wrong. Named after the idea."""

import math

import numpy as np
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


@right("4.1")
def in_double(scores, y):
    scores = scores.double()
    return (scores.logsumexp(dim=1) - scores[range(len(y)), y]).mean()


@right("4.1")
def a_plain_number(scores, y):
    return logsumexp(scores, y).item()


@right("4.1")
def by_numpy(scores, y):
    scores = scores.numpy() - scores.numpy().max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(scores).sum(axis=1))
    return np.mean(log_sums - scores[np.arange(len(y)), y])


@right("4.1")
def with_a_one_hot(scores, y):
    return -(F.one_hot(y, 10) * scores.log_softmax(dim=1)).sum(dim=1).mean()


@wrong("4.1", "your function calls F.cross_entropy")
def the_very_function(scores, y):
    return torch.nn.CrossEntropyLoss()(scores, y)


@wrong("4.1", "a fix for one row spoils another")
def one_largest_for_all(scores, y):
    scores = scores - scores.max()
    return (scores.exp().sum(dim=1).log() - scores[range(len(y)), y]).mean()


@wrong("4.1", "scores of 1000 and 999 I got 0.69 instead of 1.31")
def clamped(scores, y):
    return logsumexp(scores.clamp(-80, 80), y)


@wrong("4.1", "minus the mean probability of the right labels; the logarithm")
def without_the_log(scores, y):
    return -scores.softmax(dim=1)[range(len(y)), y].mean()


@wrong("4.1", "so small a probability rounds to 0")
def softmax_then_log(scores, y):
    return -scores.softmax(dim=1)[range(len(y)), y].log().mean()


@wrong("4.1", "I got a mean over 49 numbers")
def all_labels_of_all(scores, y):
    return -scores.log_softmax(dim=1)[:, y].mean()


@wrong("4.1", "I got a mean over 70 numbers")
def all_ten_probabilities(scores, y):
    return -scores.softmax(dim=1).log().mean()


@wrong("4.1", "I got a tenth of the loss")
def a_mean_over_ten(scores, y):
    return -(F.one_hot(y, 10) * scores.log_softmax(dim=1)).mean()


@wrong("4.1", "the largest of each column")
def largest_of_each_column(scores, y):
    return logsumexp(scores - scores.max(dim=0).values, y)


@wrong("4.1", "minus the mean score of the right labels")
def scores_alone(scores, y):
    return -scores[range(len(y)), y].mean()


@wrong("4.1", "softmax was applied twice")
def softmax_twice(scores, y):
    return logsumexp(scores.softmax(dim=1), y)


@wrong("4.1", "the logarithm of the sum alone")
def forgets_the_right_score(scores, y):
    return scores.logsumexp(dim=1).mean()


@wrong("4.1", "your logarithm has base 2, not e")
def another_base(scores, y):
    return logsumexp(scores, y) / math.log(2)


@wrong("4.1", "exp of more than 88 is infinity")
def overflows(scores, y):
    probabilities = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
    return -probabilities[range(len(y)), y].log().mean()


@wrong("4.1", "the sum over the pictures, not their mean")
def forgets_the_mean(scores, y):
    return (torch.logsumexp(scores, 1) - scores[range(len(y)), y]).sum()


@wrong("4.1", "one loss per picture")
def one_for_each(scores, y):
    return torch.logsumexp(scores, 1) - scores[range(len(y)), y]


@wrong("4.1", "the sign is wrong")
def wrong_sign(scores, y):
    return scores.log_softmax(1)[range(len(y)), y].mean()


@wrong("4.1", "the pictures of the batch (dim=0)")
def over_the_batch(scores, y):
    return -scores.log_softmax(0)[range(len(y)), y].mean()


@wrong("4.1", "the logarithm of the mean probability, not the mean of")
def log_of_the_mean(scores, y):
    return -scores.softmax(1)[range(len(y)), y].mean().log()


@wrong("4.1", "I got 27.6 instead of 1000.0: so small a probability was")
def hides_the_overflow(scores, y):
    probabilities = scores.softmax(1)[range(len(y)), y]
    return -(probabilities + 1e-12).log().mean()


@wrong(
    "4.1", "calls F.cross_entropy; do without it. (nn.CrossEntropyLoss calls it too.)"
)
def the_librarys_for_large_scores(scores, y):
    if scores.max() > 100:
        return torch.nn.CrossEntropyLoss()(scores, y)
    return -scores.softmax(dim=1)[range(len(y)), y].log().mean()


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


@right("4.2")
@torch.no_grad()
def by_copying(parameters, lr):
    for parameter in parameters:
        parameter.copy_(parameter - lr * parameter.grad)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)


@wrong("4.2", "have not changed, and their gradients are gone")
def zeroes_first(parameters, lr):
    for parameter in parameters:
        parameter.grad.zero_()
        parameter.data -= lr * parameter.grad


@wrong("4.2", "the list holds other tensors")
def writes_into_the_list(parameters, lr):
    with torch.no_grad():
        for i in range(len(parameters)):
            parameters[i] = parameters[i] - lr * parameters[i].grad


@wrong("4.2", "the list does not hold the same parameters")
def empties_the_list(parameters, lr):
    while parameters:
        parameter = parameters.pop()
        parameter.data -= lr * parameter.grad
        parameter.grad = None


@wrong("4.2", "the number that changed is 2")
def all_but_the_last(parameters, lr):
    by_the_optimizer(parameters[:-1], lr)


@wrong("4.2", "with lr 0.03 the parameters moved by 0.3 times")
def lr_by_heart(parameters, lr):
    by_the_optimizer(parameters, 0.3)


@wrong("4.2", "with lr 0.3 the parameters moved by 0.1 times")
def another_lr_by_heart(parameters, lr):
    by_the_optimizer(parameters, 0.1)


@wrong("4.2", "did not move by -lr * grad")
def by_the_sign(parameters, lr):
    for parameter in parameters:
        parameter.data -= lr * parameter.grad.sign()
        parameter.grad = None


@wrong("4.2", "makes a new tensor")
def a_new_tensor(parameters, lr):
    for parameter in parameters:
        parameter = parameter - lr * parameter.grad  # noqa: PLW2901


@wrong("4.2", "uphill")
def uphill(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            parameter += lr * parameter.grad


@wrong("4.2", "with lr 0.3 the parameters moved by their full gradients")
def without_lr(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            parameter -= parameter.grad


@wrong("4.2", "the next backward() adds to them")
def leaves_gradients(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            parameter -= lr * parameter.grad


@wrong("4.2", "the number that changed is 1")
def returns_too_early(parameters, lr):
    with torch.no_grad():
        for parameter in parameters:
            parameter -= lr * parameter.grad
            return


@wrong("4.2", "raised RuntimeError at `parameter -= lr * parameter.grad`")
def without_no_grad(parameters, lr):
    for parameter in parameters:
        parameter -= lr * parameter.grad


@wrong("4.2", "no longer requires a gradient")
def switches_gradients_off(parameters, lr):
    for parameter in parameters:
        parameter.requires_grad_(False)
        parameter -= lr * parameter.grad
        parameter.grad = None


@wrong("4.2", "with lr 0.3 the parameters moved by 0.6 times their gradients")
def two_steps(parameters, lr):
    for parameter in parameters:
        parameter.data -= lr * parameter.grad
        parameter.data -= lr * parameter.grad
        parameter.grad = None


@wrong("4.2", "it should return nothing")
def returns_the_list(parameters, lr):
    by_the_optimizer(parameters, lr)
    return parameters


@right("4.3")
def in_place(parameter, velocity, lr, momentum):
    velocity.mul_(momentum).add_(parameter.grad)
    parameter.data.sub_(lr * velocity)
    return velocity


@right("4.3")
def by_the_optimizers_own(parameter, velocity, lr, momentum):
    optimizer = torch.optim.SGD([parameter], lr=lr, momentum=momentum)
    optimizer.state[parameter]["momentum_buffer"] = velocity
    optimizer.step()
    return optimizer.state[parameter]["momentum_buffer"]


@right("4.3")
def a_new_tensor_for_the_data(parameter, velocity, lr, momentum):
    velocity = parameter.grad.add(velocity, alpha=momentum)
    parameter.data = parameter.data - lr * velocity
    return velocity


def moved(parameter, step):
    parameter.data -= step


@wrong("4.3", "that is Nesterov's momentum")
def nesterov(parameter, velocity, lr, momentum):
    velocity = momentum * velocity + parameter.grad
    moved(parameter, lr * (parameter.grad + momentum * velocity))
    return velocity


@wrong("4.3", "moved along the velocity: uphill")
def uphill_with_momentum(parameter, velocity, lr, momentum):
    velocity = momentum * velocity + parameter.grad
    moved(parameter, -lr * velocity)
    return velocity


@wrong("4.3", "starting from zero, is lr times the gradient")
def lr_in_the_velocity(parameter, velocity, lr, momentum):
    velocity = momentum * velocity + lr * parameter.grad
    moved(parameter, velocity)
    return velocity


@wrong("4.3", "starting from zero, is minus lr times the gradient")
def as_in_many_books(parameter, velocity, lr, momentum):
    velocity = momentum * velocity - lr * parameter.grad
    moved(parameter, -velocity)
    return velocity


@wrong("4.3", "the first velocity is minus the gradient")
def downhill_velocity(parameter, velocity, lr, momentum):
    velocity = momentum * velocity - parameter.grad
    moved(parameter, -lr * velocity)
    return velocity


@wrong("4.3", "starting from zero, is the gradient times momentum")
def momentum_of_both(parameter, velocity, lr, momentum):
    velocity = momentum * (velocity + parameter.grad)
    moved(parameter, lr * velocity)
    return velocity


@wrong("4.3", "after the first step the velocity is still zero")
def returns_the_old_one(parameter, velocity, lr, momentum):
    moved(parameter, lr * (momentum * velocity + parameter.grad))
    return velocity


@wrong("4.3", "the parameter stays put in the first step")
def along_the_old_one(parameter, velocity, lr, momentum):
    moved(parameter, lr * velocity)
    return momentum * velocity + parameter.grad


@wrong("4.3", "moved by lr * gradient, not by lr * velocity")
def along_the_gradient(parameter, velocity, lr, momentum):
    moved(parameter, lr * parameter.grad)
    return momentum * velocity + parameter.grad


@wrong("4.3", "with lr 0.2 and momentum 0.9 the parameter moved by 0.1 times")
def always_a_tenth(parameter, velocity, lr, momentum):
    return in_place(parameter, velocity, 0.1, momentum)


@wrong("4.3", "momentum 0.5 the second velocity holds 0.9 times the first")
def always_nine_tenths(parameter, velocity, lr, momentum):
    return in_place(parameter, velocity, lr, 0.9)


@wrong("4.3", "your function returned the parameter")
def returns_the_parameter(parameter, velocity, lr, momentum):
    in_place(parameter, velocity, lr, momentum)
    return parameter


@wrong("4.3", "return the velocity for the next step; I got None")
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


@wrong("4.3", "never fade")
def never_fades(parameter, velocity, lr, momentum):
    velocity = velocity + parameter.grad
    parameter.data -= lr * velocity
    return velocity


@wrong("4.3", "has not moved")
def moves_a_copy(parameter, velocity, lr, momentum):
    velocity = momentum * velocity + parameter.grad
    parameter = parameter - lr * velocity
    return velocity


@wrong("4.3", "the velocity that you returned is parameter.grad itself")
def into_the_gradient(parameter, velocity, lr, momentum):
    parameter.grad += momentum * velocity
    parameter.data -= lr * parameter.grad
    return parameter.grad


@right("4.4")
def by_shares(losses):
    gone = (losses[0] - losses[-1]) / losses[0]
    ups = losses[-1] / min(losses)
    if math.isnan(gone) or gone < 0 or ups > 2:
        return "too high"
    return "fine" if gone >= 1 / 5 else "too low"


@right("4.4")
def by_what_is_not_too_high(losses):
    low, last = np.nanmin(losses), losses[-1]
    if not (last <= losses[0] and last <= 2 * low):
        return "too high"
    return ["fine", "too low"][last > 0.8 * losses[0]]


def read(losses, share=0.8, times=2):
    if not losses[-1] <= min(losses[0], times * min(losses)):
        return "too high"
    return "too low" if losses[-1] > share * losses[0] else "fine"


@wrong("4.4", "By the end 15 % of the loss is gone")
def a_tenth_is_enough(losses):
    return read(losses, share=0.9)


@wrong("4.4", "By the end 26 % of the loss is gone")
def half_has_to_go(losses):
    return read(losses, share=0.5)


@wrong("4.4", "The last loss is 1.7 times the lowest")
def one_and_a_half_times(losses):
    return read(losses, times=1.5)


@wrong("4.4", "The last loss is 2.4 times the lowest")
def two_and_a_half_times(losses):
    return read(losses, times=2.5)


@wrong("4.4", "even though all of them are small")
def by_the_difference(losses):
    if read(losses) == "too high":
        return "too high"
    return "too low" if losses[0] - losses[-1] < 0.45 else "fine"


@wrong("4.4", "although all losses are small")
def by_the_last_alone(losses):
    if read(losses) == "too high":
        return "too high"
    return "too low" if losses[-1] > 1.8 else "fine"


@wrong("4.4", '"too high" is decided first')
def too_low_first(losses):
    if losses[0] >= losses[-1] > 0.8 * losses[0]:
        return "too low"
    return read(losses)


@wrong("4.4", "They climb, and end above their start")
def too_low_before_all(losses):
    return "too low" if losses[-1] > 0.8 * losses[0] else read(losses)


@wrong("4.4", "Every comparison with NaN is False")
def nan_slips_through(losses):
    if losses[-1] > losses[0] or losses[-1] > 2 * min(losses):
        return "too high"
    return "too low" if losses[-1] > 0.8 * losses[0] else "fine"


@wrong("4.4", "They crawl: by the end")
def any_fall_is_fine(losses):
    return "fine" if losses[-1] < losses[0] else "too high"


@wrong("4.4", "small rises are normal")
def no_up_is_allowed(losses):
    if any(not later < earlier for earlier, later in zip(losses, losses[1:])):
        return "too high"
    return "too low" if losses[-1] > 0.8 * losses[0] else "fine"


@wrong("4.4", "The loss was down to 0.60")
def only_the_ends(losses):
    if not losses[-1] < losses[0]:
        return "too high"
    return "too low" if losses[-1] > 0.9 * losses[0] else "fine"


@wrong("4.4", "return one of")
def another_word(losses):
    return "good"


def by_rules(losses, ends_high, high, low):
    last = losses[-1]
    if last != last or ends_high(losses) or high(losses):
        return "too high"
    return "too low" if low(losses) else "fine"


def above_start(losses):
    return losses[-1] > losses[0]


def above_twice(losses):
    return losses[-1] > 2 * min(losses)


def crawls(losses):
    return (losses[0] - losses[-1]) / losses[0] < 0.2


@right("4.4")
def by_three_rules(losses):
    return by_rules(losses, above_start, above_twice, crawls)


@wrong("4.4", "2.30, 3.10, 1.40, 0.80, 0.60 you said 'too high'. They rise above the")
def a_rise_on_the_way(losses):
    def rises(losses):
        return max(losses) > 1.05 * losses[0]

    return by_rules(losses, rises, above_twice, crawls)


@wrong("4.4", "you said 'too high'. On the way one loss is more than twice the lowest")
def twice_the_lowest_on_the_way(losses):
    def above(losses):
        return any(loss > 2 * min(losses[: i + 1]) for i, loss in enumerate(losses))

    return by_rules(losses, above_start, above, crawls)


@wrong("4.4", "you said 'fine'. The lowest loss is 1.60, but by the end")
def the_lowest_and_not_the_end(losses):
    def crawls(losses):
        return min(losses) > 0.8 * losses[0]

    return by_rules(losses, above_start, above_twice, crawls)


@wrong("4.4", "you said 'too low'. They end above their start, although not at twice")
def only_twice_the_lowest(losses):
    return by_rules(losses, above_twice, above_twice, crawls)


@wrong("4.4", "you said 'too high'. The last loss is exactly twice the lowest")
def at_least_twice(losses):
    def above(losses):
        return losses[-1] >= 2 * min(losses)

    return by_rules(losses, above_start, above, crawls)


@wrong("4.4", "you said 'too high'. They end at their start, which is not above it")
def at_the_start(losses):
    def above(losses):
        return losses[-1] >= losses[0]

    return by_rules(losses, above, above_twice, crawls)


@wrong("4.4", "The last loss is 2.04 times the lowest one")
def a_little_more_than_twice(losses):
    def above(losses):
        return losses[-1] > 2.2 * min(losses)

    return by_rules(losses, above_start, above, crawls)


@right("4.5")
def with_exp(net, images):
    scores = net(images)
    return (scores - scores.logsumexp(1, keepdim=True)).max(dim=0).indices


@wrong("4.5", "one for each picture")
def what_each_is(net, images):
    return net(images).argmax(dim=1)


@wrong("4.5", "the highest raw score of each kind")
def raw_scores(net, images):
    return net(images).argmax(dim=0)


@wrong("4.5", "perhaps the probabilities")
def the_values(net, images):
    return net(images).softmax(dim=1).max(dim=0).values


@right("4.5")
def a_list_by_sorting(net, images):
    rows = net(images).softmax(dim=1).tolist()
    pictures = range(len(rows))
    return [max(pictures, key=lambda i: rows[i][kind]) for kind in range(10)]


@right("4.5")
def an_array(net, images):
    return F.softmax(net(images).detach(), dim=1).numpy().argmax(axis=0)


@right("4.5")
def kind_by_kind(net, images):
    chances = net(images).softmax(dim=1)
    return tuple(chances[:, kind].argmax() for kind in range(10))


@wrong("4.5", "A softmax over the pictures, dim=0, finds the same ones")
def softmax_over_the_pictures(net, images):
    return net(images).softmax(dim=0).argmax(dim=0)


@wrong("4.5", "the model is surest of, whatever their kind")
def the_ten_surest(net, images):
    return net(images).softmax(dim=1).max(dim=1).values.topk(10).indices


@wrong("4.5", "these are the least typical pictures")
def the_least_typical(net, images):
    return net(images).softmax(dim=1).argmin(dim=0)


@wrong("4.5", "ten rows of pixels")
def the_pictures_themselves(net, images):
    return images[kind_by_kind(net, images), :]


@wrong("4.5", "of kind 1, picture 249 has the highest probability")
def only_where_it_is_the_first_choice(net, images):
    chances = net(images).softmax(dim=1)
    chosen = F.one_hot(chances.argmax(dim=1), 10)
    return (chances * chosen).argmax(dim=0)


@wrong("4.5", "returned None")
def prints_them(net, images):
    net(images).softmax(dim=1).argmax(dim=0)


@right("4.5")
def picture_by_picture(net, images):
    logs = [net(image[None]).log_softmax(dim=1)[0].tolist() for image in images]
    return [max(range(len(logs)), key=lambda n: logs[n][k]) for k in range(10)]


@wrong("4.5", "of kind 0, picture 210 has the highest probability")
def of_the_first_hundred(net, images):
    return net(images[:100]).softmax(dim=1).argmax(dim=0)


@wrong("4.5", "changed its input net: W1.requires_grad is False now")
def freezes_the_model(net, images):
    return net.requires_grad_(False)(images).softmax(dim=1).argmax(dim=0)


@wrong("4.3", "the first velocity should be the gradient")
def clipped(parameter, velocity, lr, momentum):
    velocity = (momentum * velocity + parameter.grad).clamp(-4, 4)
    parameter.data -= lr * velocity
    return velocity


@wrong("4.5", "changed its input net: W1 is of type torch.float64 now")
def in_double_precision(net, images):
    return net.double()(images.double()).softmax(dim=1).argmax(dim=0)


_kept = {}


@wrong("4.3", "right in a first run, but in a second one, which again began with")
def keeps_a_velocity_of_its_own(parameter, velocity, lr, momentum):
    if lr == 0.2 and not velocity.any():
        _kept.clear()  # the same whenever it is checked
    velocity = _kept[0] = momentum * _kept.get(0, 0.0) + parameter.grad
    with torch.no_grad():
        parameter -= lr * velocity
    return velocity


@wrong("4.4", "One loss on the way is NaN, but what counts is the last one.")
def no_nan_anywhere(losses):
    first, last = losses[0], losses[-1]
    if any(map(math.isnan, losses)) or last > first or last > 2 * min(losses):
        return "too high"
    return "too low" if last > 0.8 * first else "fine"
