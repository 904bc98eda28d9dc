"""The exercises of 03_parameters."""

import copy
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.nn import functional as F

from helpers.exercises.comparing import furthest, near, unchanged
from helpers.exercises.exercise import (
    CHANGED_INPUT,
    NOTHING,
    NotYet,
    ask,
    calling,
    describe,
    exercise,
    expect,
    rule_out,
    saying,
    whole_number,
)
from helpers.instruments.registration import registration
from helpers.language import AND, COMMA, tr
from helpers.model import MLP

# --- 3.1


def count_trainable(net):
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


@exercise(
    "3.1",
    count_trainable,
    "Which of parameters(), buffers() and state_dict() gives you what an optimizer "
    "would get? One of them also counts a shared Parameter only once.",
    "The number of numbers in a tensor is tensor.numel(). How do you recognize a "
    "frozen Parameter?",
    notice="Notice that parameters() looks into all parts of a module and gives a "
    "shared Parameter only once; a sum over state_dict() would count it twice.",
)
def check_count_trainable(answer: Callable) -> None:
    mistakes = {
        4: tr("that is the number of Parameters, not of the numbers in them."),
        62: tr("len() of a tensor counts only its rows."),
        480: tr("the biases are missing."),
    }
    net = MLP(20, 16, 10, seed=0)
    _expect_count(answer, net, 506, tr("for MLP(20, 16, 10)"), mistakes)
    mistakes = {
        0: tr("its Parameters belong to its parts, but you looked only at the whole."),
        1012: tr("you counted each Parameter in the whole, and again in its part."),
    }
    net = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 10))
    case = tr("for an nn.Sequential with two nn.Linear")
    _expect_count(answer, net, 506, case, mistakes)
    net[0].weight.requires_grad_(False)
    mistakes = {506: tr("frozen Parameters are not trained.")}
    case = tr("with one weight frozen, which is 320 of the 506 numbers,")
    _expect_count(answer, net, 186, case, mistakes)
    net = nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 10))
    net[2].weight = net[0].weight
    mistakes = {220: tr("you count it twice, but it is one Parameter with two names.")}
    case = tr("for two layers of 10 units that share a weight of 100 numbers")
    _expect_count(answer, net, 120, case, mistakes)
    mistakes = {41: tr("buffers are not trained by an optimizer.")}
    case = tr(
        "for nn.BatchNorm1d(10), with 20 numbers in Parameters and 21 in buffers,"
    )
    _expect_count(answer, nn.BatchNorm1d(10), 20, case, mistakes)
    net = nn.Sequential(nn.LayerNorm(10), nn.LayerNorm(10))
    mistakes = {20: tr("you count equal numbers once, but they are other Parameters.")}
    case = tr("for two nn.LayerNorm(10), which start with the same 20 numbers each,")
    _expect_count(answer, net, 40, case, mistakes)
    net = nn.Sequential(nn.Sequential(nn.Linear(10, 5, bias=False)))
    case = tr("for a weight of 50 numbers, without a bias, in a part of a part,")
    _expect_count(answer, net, 50, case, {})
    net.requires_grad_(False)
    _expect_count(answer, net, 0, tr("for a model that is frozen in all its parts"), {})


def _expect_count(
    answer: Callable, net: nn.Module, wanted: int, case: str, mistakes: dict
) -> None:
    """Expect this count; each mistake is a wrong count and what it comes from."""
    found = whole_number(ask(answer, net, kind=object))
    # Translators: {case} is the model that was counted, such as "for MLP(20, 16, 10)".
    # {why} is one of the sentences before.
    with saying(tr("{case} you count {count:,}: {why}"), case=case, count=found):
        rule_out(found, mistakes)
    why = tr("{case} you count {count:,} instead of {wanted}.")
    expect(found == wanted, why, case=case, count=found, wanted=wanted)


# --- 3.2

STILL_MOVED = tr(
    "the next optimizer.step() still moved the frozen {name}, by up to {moved:.4f}: "
    "{why}"
)
OLD_GRADIENT = tr("the gradient of the last backward() was still there.")
ZERO_GRADIENT = tr("with a gradient of zeros, momentum and weight decay go on.")
SHARED = tr(
    "it is another tensor than before, but shares its memory with the old one, which "
    "the optimizer still holds."
)
SET_ON_THE_LAYER = tr(
    "you set requires_grad on the layer itself. That is a new attribute, which nothing "
    "reads; its Parameters don't change."
)
EVAL_MODE = tr(
    "your function put the layer into eval mode. That changes what dropout and batch "
    "norm compute, but its Parameters learn as before."
)
BOTH_LEARN = tr("after your function both weight and bias still require a gradient.")
ONE_LEARNS = tr(
    "after your function {name} still requires a gradient; a layer has more than one "
    "Parameter."
)
SWITCHED_OFF = tr(
    "after your function gradients are switched off everywhere, so the rest of the "
    "model can't learn either."
)
NOT_SAVED = tr(
    "after your function the layer's state_dict() holds {found} instead of weight and "
    "bias, so a saved model would lack what you froze."
)


def freeze(layer):
    for parameter in layer.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None


@exercise(
    "3.2",
    freeze,
    "There are two things to do for each Parameter of the layer. One is about the "
    "gradients to come.",
    "The other is about the gradient that is already there from the last "
    "backward(): the next step() would still use it.",
    "Look again at the two ways of zero_grad: which one makes an optimizer with "
    "weight decay skip a Parameter?",
    notice="Notice that an optimizer skips a Parameter whose .grad is None, whatever "
    "its momentum and its weight decay; a gradient of zeros would not do.",
)
def check_freeze(answer: Callable) -> None:
    torch.manual_seed(1)
    sizes = (6, 7), (7, 5), (5, 3)
    first, layer, last = [nn.Linear(*pair) for pair in sizes]
    net = nn.Sequential(first, nn.ReLU(), layer, nn.ReLU(), last)
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}
    optimizer = torch.optim.SGD(net.parameters(), **settings)
    X, y = torch.randn(30, 6), torch.arange(30) % 3
    F.cross_entropy(net(X), y).backward()
    optimizer.step()
    old, kept, H = [*layer.parameters()], copy.deepcopy(layer), torch.randn(30, 7)
    answer(layer)
    expect(torch.is_grad_enabled(), SWITCHED_OFF)
    found = layer.state_dict()
    names = AND.join(found) or NOTHING
    expect(set(found) == {"weight", "bias"}, NOT_SAVED, found=names)
    computes = tr("after your function the layer computes something else than before.")
    expect(near(layer(H), kept(H)), computes)
    gradients = {name: getattr(layer, name).grad for name in found}
    left = {name for name, g in gradients.items() if g is not None and g.any()}
    optimizer.step()
    _expect_still(layer, kept, old, left)
    begun = [other.weight.detach().clone() for other in (first, last)]
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(net(X), y).backward()
        optimizer.step()
        _expect_still(layer, kept, old, set())
    fine = not torch.equal(first.weight, begun[0])
    expect(fine, tr("the layer before the frozen one no longer learns."))
    fine = not torch.equal(last.weight, begun[1])
    expect(fine, tr("the layer after the frozen one no longer learns."))


def _expect_still(layer: nn.Linear, kept: nn.Linear, old: list, left: set) -> None:
    """Expect the numbers of `kept`; old: its Parameters at first; left: old gradients.

    What a step has moved is explained by what can be seen of the layer.
    """
    found, wanted = layer.state_dict(), kept.state_dict()
    moved = {name: float((found[name] - wanted[name]).abs().max()) for name in wanted}
    name = max(moved, key=moved.__getitem__)
    if not moved[name]:
        return
    now = getattr(layer, name)
    learns = [name for name in wanted if getattr(layer, name).requires_grad]
    zero = now.grad is not None and not now.grad.any()
    if learns and not zero:
        expect(len(learns) == 2, ONE_LEARNS, name=learns[0])
        expect("requires_grad" not in vars(layer), SET_ON_THE_LAYER)
        expect(layer.training, EVAL_MODE)
        raise NotYet(BOTH_LEARN)
    why = OLD_GRADIENT if name in left else ZERO_GRADIENT
    why = why if any(now is p for p in old) else SHARED
    raise NotYet(STILL_MOVED, name=name, moved=moved[name], why=why)


# --- 3.3


ONE_MAP = tr("your layers together are one linear map: there is no relu between them.")


class Deep(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for num_inputs, num_outputs in zip(widths, widths[1:]):
            W = torch.randn(num_inputs, num_outputs) * 0.01
            self.weights.append(nn.Parameter(W))
            self.biases.append(nn.Parameter(torch.zeros(num_outputs)))

    def forward(self, X):
        for W, b in zip(self.weights[:-1], self.biases[:-1]):
            X = torch.relu(X @ W + b)
        return X @ self.weights[-1] + self.biases[-1]


@exercise(
    "3.3",
    Deep,
    "Layer i leads from widths[i] to widths[i + 1]. zip(widths, widths[1:]) gives "
    "you these pairs.",
    "You need a list that is a module itself, so that PyTorch looks into it. The "
    "lesson counted what such lists register.",
    "In forward, treat the last layer on its own: it gives the scores, so no relu "
    "comes after it.",
    notice="Notice that forward looks the same for both kinds of list; which one you "
    "chose shows only in what is trained, moved and saved.",
)
def check_deep(answer: Callable) -> None:
    torch.manual_seed(3)
    widths = [7, 30, 20, 4]
    X, net = torch.randn(64, 7), _made(answer, widths)
    scores = _scores(net, X, widths)
    why = tr(
        "two calls with the same batch gave different scores: forward draws random "
        "numbers, and nothing can learn those."
    )
    expect(torch.equal(net(X), net(X)), why)
    _expect_all_registered(net)
    cut = tr(
        "no gradient flows from the scores back to the Parameters: nothing can learn."
    )
    expect(scores.requires_grad, cut)
    net(X).square().sum().backward()
    unused = [name for name, p in net.named_parameters() if p.grad is None]
    why = tr(
        "after backward() these Parameters have no gradient: {names}; forward doesn't "
        "use them, or it cuts the way back to them."
    )
    expect(not unused, why, names=COMMA.join(unused))
    _expect_relu_between(net, X, widths)
    for widths in ([7, 4], [7, 9, 8, 6, 5]):
        net = _made(answer, widths)
        with saying(
            tr("right for [7, 30, 20, 4], but with widths {widths}: {why}"),
            widths=widths,
        ):
            _scores(net, X, widths)
            _expect_relu_between(net, X, widths)
    widths = [7, 6, 6, 6, 5]
    net = _made(answer, widths)
    with saying(tr("right where all widths differ, but {why}")):
        _expect_size(net, widths, 167)
        _expect_no_way_around(net, X)


def _expect_no_way_around(net: nn.Module, X: torch.Tensor) -> None:
    """Expect that all goes through the square layers: with zeros there, none does."""
    square = [p for p in net.parameters() if p.shape == (6, 6)]
    if len(square) < 2:  # the layout is the learner's own
        return
    with torch.no_grad():
        for p in net.parameters():
            p.normal_()
        for p in square:
            p.zero_()
        scores = net(X)
    why = tr(
        "with zeros as the weights between equal widths, the scores still depend on "
        "the pictures: something goes around those layers."
    )
    expect(near(scores, scores[:1].expand_as(scores)), why)


def _made(answer: type, widths: list[int]) -> nn.Module:
    given = list(widths)
    with calling("Deep", widths):
        net = answer(given)
    emptied = tr(
        "your __init__ was given the widths {widths}, and left {given} of them."
    )
    expect(given == widths, emptied, widths=widths, given=given)
    expect(isinstance(net, nn.Module), tr("your class is no longer an nn.Module."))
    return net


def _scores(net: nn.Module, X: torch.Tensor, widths: list[int]) -> torch.Tensor:
    """Expect scores of the right shape, and return them."""
    scores, wanted = ask(net.forward, X), (len(X), widths[-1])
    why = tr(
        "a batch of shape {shape} and widths {widths} should give scores of shape "
        "{wanted}, but I got {found}."
    )
    expect(
        scores.shape == wanted,
        why,
        shape=tuple(X.shape),
        widths=widths,
        wanted=wanted,
        found=describe(scores),
    )
    return scores


def _expect_all_registered(net: nn.Module) -> None:
    """Expect 944 numbers that differ and can learn, for widths [7, 30, 20, 4]."""
    parameters = dict(net.named_parameters())
    found = sum(p.numel() for p in parameters.values())
    for row in registration(net).rows if found < 944 else []:
        # Translators: {kind} is in the words of the X-ray, such as "plain tensor".
        why = tr(
            "net.parameters() finds {found} of the 944 numbers: {name} is a {kind}, "
            "and the module does not know it."
        )
        expect(row.registered, why, found=found, name=row.name, kind=row.kind)
    why = tr(
        "net.parameters() finds {found} numbers, all of them weights; the biases are "
        "missing."
    )
    expect(found != 890, why, found=found)
    _expect_size(net, [7, 30, 20, 4], 944)
    for name, p in parameters.items():
        why = tr("{name} does not require a gradient: it can't learn.")
        expect(p.requires_grad, why, name=name)
        if p.dim() == 2 and 1 not in p.shape:
            why = tr(
                "all numbers of {name} are equal, so its units stay equal for ever."
            )
            expect(p.std() > 0, why, name=name)
            why = tr("{name} holds one row or one column again and again.")
            expect(min(p.std(dim=i).max() for i in (0, 1)) > 0, why, name=name)


def _expect_size(net: nn.Module, widths: list[int], wanted: int) -> None:
    found = sum(p.numel() for p in net.parameters())
    why = tr(
        "net.parameters() finds {found} numbers, but widths {widths} make {wanted}."
    )
    expect(found == wanted, why, found=found, widths=widths, wanted=wanted)


def _expect_relu_between(net: nn.Module, X: torch.Tensor, widths: list[int]) -> None:
    """Expect relu after each layer but the last, for random weights and biases."""
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape) / 2)
        scores, other = net(X), net(X.flip(0))
        both, none = net(X + X.flip(0)), net(torch.zeros_like(X))
        layers = _layers(net, widths)
    if layers is None:  # the layout is the learner's own
        wrong = tr("none of {count} scores is negative.")
        expect(scores.min() < 0, wrong, count=scores.numel())
        linear = near(both + none, scores + other, rtol=1e-3, atol=1e-3)
        expect(linear == (len(widths) == 2), ONE_MAP)
        return
    relu, as_it_is = torch.relu, nn.Identity()
    wanted = _computed(layers, X, relu, as_it_is)
    if near(scores, wanted, rtol=1e-3, atol=1e-3):
        return
    for why, between, after in (
        (tr("your last layer has a relu too."), relu, relu),
        (ONE_MAP, as_it_is, as_it_is),
        (
            tr("there is a sigmoid between your layers, not relu."),
            torch.sigmoid,
            as_it_is,
        ),
        (tr("there is a tanh between your layers, not relu."), torch.tanh, as_it_is),
        (tr("the scores went through a softmax."), relu, nn.Softmax(dim=1)),
        (tr("the scores went through a log_softmax."), relu, nn.LogSoftmax(dim=1)),
        (tr("the scores went through a sigmoid."), relu, torch.sigmoid),
    ):
        wrong = _computed(layers, X, between, after)
        expect(not near(scores, wrong, rtol=1e-3, atol=1e-4), why)
    there = furthest(scores, wanted)
    why = tr(
        "with a relu after each layer but the last, one of the scores is {wanted:.2f}, "
        "but yours is {found:.2f}."
    )
    raise NotYet(why, wanted=wanted[there], found=scores[there])


def _layers(net: nn.Module, widths: list[int]) -> list[tuple] | None:
    """The (W, b) of each layer, found by their shapes; None if these are ambiguous."""
    left, layers = list(net.parameters()), []
    for num_inputs, num_outputs in zip(widths, widths[1:]):
        weights = [p for p in left if set(p.shape) == {num_inputs, num_outputs}]
        biases = [p for p in left if p.numel() == num_outputs]
        if len(weights) != 1 or len(biases) != 1:
            return None
        W, b = weights[0].detach(), biases[0].detach().flatten()
        layers.append((W if W.shape == (num_inputs, num_outputs) else W.T, b))
    return layers


def _computed(
    layers: list[tuple], X: torch.Tensor, between: Callable, after: Callable
) -> torch.Tensor:
    """The scores of these layers, with other activations between and after them."""
    *hidden, (W, b) = layers
    for W_i, b_i in hidden:
        X = between(X @ W_i + b_i)
    return after(X @ W + b)


# --- 3.4

ALL_HELD = tr("for an MLP whose optimizer holds all four Parameters")
REPLACED = tr("I replaced W2 after the optimizer was made, so it holds the old W2;")
REPLACED_BY_EQUAL_NUMBERS = tr(
    "I replaced W2 by a new Parameter with the same numbers, so the optimizer holds "
    "the old W2;"
)
SEVERAL_LISTS = tr(
    "the optimizer holds b2, which I froze, and first[0]; three more Parameters are in "
    "the list net.rest;"
)
IN_A_LIST = tr(
    "two Parameters are in the list net.hidden, and no optimizer holds them;"
)
FROZEN_IN_A_LIST = tr(
    "the optimizer holds the two Parameters in the list net.hidden, and I froze one;"
)
LIST_IS_HELD = tr("I gave the optimizer the Parameters in the list net.hidden too;")
TWO_GROUPS = tr("two groups of the optimizer together hold all Parameters;")
FROZEN = tr("I froze W1 and made an optimizer that holds all four Parameters;")
FROZEN_NOT_HELD = tr("W1 is frozen, and I gave the optimizer only the other three;")
BATCH_NORM = tr("the optimizer holds all Parameters of an nn.BatchNorm1d;")
PARTS = tr("I gave the optimizer the last of two nn.Linear in an nn.Sequential;")
OTHER_NAMES = tr(
    "{case} you named {name}, and no Parameter has that name. (Those in the list "
    "net.hidden are called hidden[0] and hidden[1].)"
)
A_BUFFER = tr("{case} you named {name}, which is a buffer and no Parameter.")
CHANGES = tr(
    "{case} you named {named}. The optimizer holds {name}, and {name} requires a "
    "gradient, so a step changes it."
)
NOT_HELD = tr("{case} you named {named}. The optimizer does not hold {name}.")
IS_FROZEN = tr("{case} you named {named}. {name} requires no gradient, so it stays.")


def never_changed(net, optimizer):
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    named = dict(net.named_parameters())
    for name, value in vars(net).items():
        if isinstance(value, list):
            named |= {f"{name}[{i}]": p for i, p in enumerate(value)}
    return [n for n, p in named.items() if id(p) not in held or not p.requires_grad]


@exercise(
    "3.4",
    never_changed,
    "What an optimizer holds is in optimizer.param_groups, a list of dicts. "
    'Each has its Parameters under "params".',
    "`p in held` compares numbers, which fails for tensors. Python's id(p) "
    "identifies the object; looking it up in a set of ids is fast.",
    "vars(net) is a dict of the attributes that aren't registered. Which of its "
    "values are lists?",
    notice="Notice that it takes no training to know this: it is enough to know which "
    "objects the optimizer holds. This is the core of the X-ray.",
)
def check_never_changed(answer: Callable) -> None:
    net = MLP(6, 5, 4, seed=0)
    _expect_named(answer, net, net.parameters(), "", ALL_HELD)
    for W2, why in (
        (torch.ones(5, 4), REPLACED),
        (net.W2.detach().clone(), REPLACED_BY_EQUAL_NUMBERS),
    ):
        net = MLP(6, 5, 4, seed=0)
        held = [*net.parameters()]
        net.W2 = nn.Parameter(W2)
        _expect_named(answer, net, held, "W2", why)
    net = _InList()
    _expect_named(answer, net, net.parameters(), "hidden[0] hidden[1]", IN_A_LIST)
    held = [*net.parameters(), *net.hidden]
    _expect_named(answer, net, held, "", LIST_IS_HELD)
    net = MLP(6, 5, 4, seed=0)
    groups = [{"params": [net.W1, net.b1]}, {"params": [net.W2, net.b2], "lr": 0.01}]
    _expect_named(answer, net, groups, "", TWO_GROUPS)
    net.W1.requires_grad_(False)
    _expect_named(answer, net, net.parameters(), "W1", FROZEN)
    _expect_named(answer, net, [net.b1, net.W2, net.b2], "W1", FROZEN_NOT_HELD)
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    _expect_named(answer, net, net[2].parameters(), "0.weight 0.bias", PARTS)
    net = nn.BatchNorm1d(5)
    _expect_named(answer, net, net.parameters(), "", BATCH_NORM)
    net = _InList()
    net.hidden[1].requires_grad_(False)
    held = [*net.parameters(), *net.hidden]
    _expect_named(answer, net, held, "hidden[1]", FROZEN_IN_A_LIST)
    net = _InLists()
    wanted = "b2 rest[0] rest[1] rest[2]"
    _expect_named(answer, net, [net.b2, *net.first], wanted, SEVERAL_LISTS)


class _InList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        W1, b1, self.W2, self.b2 = MLP(6, 5, 4, seed=0).parameters()
        self.hidden = [W1, b1]


class _InLists(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        W1, b1, W2, b2 = MLP(6, 5, 4, seed=0).parameters()
        self.b2 = b2.requires_grad_(False)
        self.first, self.rest = [W1], [b1, W2, nn.Parameter(torch.ones(3))]


def _expect_named(
    answer: Callable, net: nn.Module, held: Iterable, wanted: str, case: str
) -> None:
    """Expect a list of these names, if the optimizer holds `held`; and no changes."""
    lists = {name: each for name, each in vars(net).items() if isinstance(each, list)}
    listed = {f"{name}[{i}]": p for name in lists for i, p in enumerate(lists[name])}
    parameters = dict(net.named_parameters()) | listed
    optimizer = torch.optim.SGD(held, lr=0.1)
    settings = copy.deepcopy(optimizer.param_groups)
    found = ask(answer, net, optimizer, kind=object)
    fine = isinstance(found, (list, tuple, set))
    fine = fine and all(isinstance(name, str) for name in found)
    got = tr("return a list of names, such as ['W1', 'b1']; I got {found}.")
    expect(fine, got, found=describe(found))
    same = str(optimizer.param_groups) == str(settings)
    expect(same, tr("your function changed the optimizer; it should only look."))
    twice = [name for name in found if list(found).count(name) > 1]
    expect(not twice, tr("you named {name} more than once."), name=" ".join(twice[:1]))
    named, found = COMMA.join(sorted(found)) or NOTHING, set(found)
    said = {"case": case, "named": named}
    for name in sorted(found - set(wanted.split())):
        expect(name not in dict(net.named_buffers()), A_BUFFER, **said, name=name)
        expect(name in parameters, OTHER_NAMES, **said, name=name)
        raise NotYet(CHANGES, **said, name=name)
    for name in sorted(set(wanted.split()) - found):
        why = NOT_HELD if parameters[name].requires_grad else IS_FROZEN
        raise NotYet(why, **said, name=name)


# --- 3.5


def write_means(net, means):
    with torch.no_grad():
        net.W1.copy_(means.T)
        net.b1.copy_(-(means**2).sum(dim=1) / 2)
        net.W2.copy_(torch.eye(len(means)))
        net.b2.zero_()


@exercise(
    "3.5",
    write_means,
    "All four Parameters of net stay; only their numbers change. The lesson did "
    "that in place, under torch.no_grad().",
    "means has a row for each kind, and W1 a column for each hidden unit. What "
    "turns rows into columns?",
    "tensor.copy_(other) overwrites the numbers of a tensor with those of another "
    "of the same shape. torch.eye makes an identity matrix.",
    notice="Notice that you have built a classifier without a single training step. "
    "Run the next cell: W1 now shows ten kinds of clothes.",
)
def check_write_means(answer: Callable) -> None:
    net = MLP(12, 10, 10, seed=5)
    torch.manual_seed(5)
    means = torch.rand(10, 12)
    net.b2.data.fill_(0.3)  # as in a model that has been trained
    kept, old = dict(net.named_parameters()), copy.deepcopy(net.state_dict())
    given = means.clone()
    answer(net, given)
    changed = {"name": "write_means", "argument": "means"}
    expect(torch.equal(given, means), CHANGED_INPUT, **changed)
    for name, parameter in kept.items():
        _expect_same_parameter(net, name, parameter, old[name])
    W1, b1, W2, b2 = (parameter.detach() for parameter in kept.values())
    why = tr(
        "no number of the four Parameters has changed. (`W1 = ...` only gives a name "
        "to another tensor.)"
    )
    expect(not unchanged(net, old), why)
    _expect_means(W1, old["W1"], means)
    _expect_half_squares(b1, means)
    why = tr(
        "W2 should be the identity matrix, so that unit k votes for kind k alone; your "
        "W2 sums to {total:.2f}, its diagonal to {diagonal:.2f}."
    )
    expect(
        torch.equal(W2, torch.eye(10)),
        why,
        total=W2.sum(),
        diagonal=W2.diagonal().sum(),
    )
    (k,) = furthest(b2, torch.zeros(10))
    why = tr("b2 should be zero, but b2[{k}] is {found:.2f}, as it was in my model.")
    expect(not near(b2, old["b2"]), why, k=k, found=b2[k])
    why = tr("b2 should be zero, but b2[{k}] is {found:.2f}.")
    expect(not b2.any(), why, k=k, found=b2[k])
    given.zero_()
    shared = tr("net.W1 now shares its memory with means: if one changes, both do.")
    expect(W1.any(), shared)


def _expect_same_parameter(
    net: MLP, name: str, parameter: nn.Parameter, old: torch.Tensor
) -> None:
    """Expect the Parameter that was there before, of the same shape and type."""
    now = getattr(net, name, None)
    why = tr(
        "net.{name} is another tensor after your function; an optimizer made before "
        "would go on with the old one."
    )
    expect(now is parameter, why, name=name)
    fixed = tr("net.{name} no longer requires a gradient, so it could not be trained.")
    expect(now.requires_grad, fixed, name=name)
    has = tr(
        "net.{name} had the shape {old_shape}, and after your function it has {shape}."
    )
    expect(
        now.shape == old.shape,
        has,
        name=name,
        old_shape=tuple(old.shape),
        shape=tuple(now.shape),
    )
    why = tr(
        "net.{name} was of type {old_type}, and after your function it is of type "
        "{dtype}; the other Parameters can't be multiplied by that."
    )
    expect(now.dtype == old.dtype, why, name=name, old_type=old.dtype, dtype=now.dtype)


def _expect_means(W1: torch.Tensor, old: torch.Tensor, means: torch.Tensor) -> None:
    """Expect mean k in column k."""
    mistakes = {
        old: tr("no number of net.W1 has changed."),
        old + means.T: tr("column k of W1 is mean k plus what was there before."),
        means.reshape(12, 10): tr(
            "W1 has the numbers of means, but a column of W1 is not a mean picture: "
            "reshape and view keep the order of the numbers; they do not turn rows "
            "into columns."
        ),
    }
    rule_out(W1, mistakes, near)
    _, k = furthest(W1, means.T)
    why = tr(
        "column {k} of W1 should be mean {k}, which begins with {first:.2f}, "
        "{second:.2f}, but yours begins with {found_first:.2f}, {found_second:.2f}."
    )
    expect(
        near(W1, means.T),
        why,
        k=k,
        first=means[k, 0],
        second=means[k, 1],
        found_first=W1[0, k],
        found_second=W1[1, k],
    )


def _expect_half_squares(b1: torch.Tensor, means: torch.Tensor) -> None:
    """Expect minus half of the sum of the squares in mean k as b1[k]."""
    half = (means**2).sum(dim=1) / 2
    mistakes = {
        0 * half: tr(
            "b1 is still zero: a kind with a bright mean wins for most pictures."
        ),
        half: tr(
            "the sign of b1 is wrong: bright kinds get a bonus instead of a cost."
        ),
        -2 * half: tr("b1 is too low by a factor of two: it misses the half."),
    }
    rule_out(b1, mistakes, near)
    (k,) = furthest(b1, -half)
    why = tr(
        "b1[{k}] should be minus half of the sum of the squares in mean {k}, which is "
        "{wanted:.2f}, but yours is {found:.2f}."
    )
    expect(near(b1, -half), why, k=k, wanted=-half[k], found=b1[k])
