"""The MLP: shapes, initialisers, and what it says to wrong arguments."""

import pytest
import torch
from torch import nn

from helpers import MLP


def weights(init, n_in=784, n_out=256, **options):
    return MLP(n_in, n_out, 10, init=init, seed=0, **options).W1.detach()


def test_parameters_are_named_and_shaped_as_in_the_line():
    net = MLP(784, 256, 10, num_layers=2)
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    assert shapes == {
        "W1": (784, 256),
        "b1": (256,),
        "W2": (256, 256),
        "b2": (256,),
        "W3": (256, 10),
        "b3": (10,),
    }


def test_forward_is_the_formula_of_the_course():
    net = MLP(784, (32, 16), 10, activation="tanh", init="default", seed=0)
    X = torch.rand(5, 784)
    hidden = torch.tanh(torch.tanh(X @ net.W1 + net.b1) @ net.W2 + net.b2)
    assert torch.equal(net(X), hidden @ net.W3 + net.b3)


def test_forward_agrees_with_linear_layers_of_transposed_weights():
    net = MLP(784, 256, 10, init="default", seed=0)
    linear = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    with torch.no_grad():
        for layer, W, b in ((0, net.W1, net.b1), (2, net.W2, net.b2)):
            linear[layer].weight.copy_(W.T)
            linear[layer].bias.copy_(b)
    X = torch.rand(64, 784)
    torch.testing.assert_close(net(X), linear(X))


@pytest.mark.parametrize(
    "init, spread",
    [
        ("normal", 0.01),
        ("xavier", (2 / (784 + 256)) ** 0.5),
        ("kaiming", (2 / 784) ** 0.5),
        ("default", 1 / (3 * 784) ** 0.5),  # uniform up to 1 / sqrt(784)
    ],
)
def test_each_random_init_has_its_spread(init, spread):
    W1 = weights(init)
    assert W1.std().item() == pytest.approx(spread, rel=0.02)
    assert W1.mean().item() == pytest.approx(0, abs=spread / 50)


def test_default_is_what_linear_draws():
    torch.manual_seed(3)
    first, second = nn.Linear(784, 256), nn.Linear(256, 10)
    net = MLP(784, 256, 10, init="default", seed=3)
    assert torch.equal(net.W1, first.weight.T) and torch.equal(net.b1, first.bias)
    assert torch.equal(net.W2, second.weight.T) and torch.equal(net.b2, second.bias)


def test_constant_and_zeros_are_constant_and_zero():
    assert weights("constant", sigma=0.5).unique().tolist() == [0.5]
    assert weights("zeros").unique().tolist() == [0]


def test_seed_repeats_the_weights_and_leaves_the_global_generator_alone():
    def mine(num_inputs, num_outputs):
        return torch.randn(num_inputs, num_outputs)

    for init in ("normal", "default", mine):
        torch.manual_seed(7)
        expected = torch.rand(3)
        torch.manual_seed(7)
        assert torch.equal(weights(init), weights(init))
        assert torch.equal(torch.rand(3), expected)


def test_without_a_seed_the_global_generator_decides():
    torch.manual_seed(1)
    first = MLP(4, 3, 2).W1
    assert not torch.equal(first, MLP(4, 3, 2).W1)
    torch.manual_seed(1)
    assert torch.equal(first, MLP(4, 3, 2).W1)


def test_the_learners_own_line_is_used_as_it_is():
    drawn = []

    def my_line(num_inputs, num_hiddens):
        W = nn.Parameter(torch.randn(num_inputs, num_hiddens, requires_grad=True) * 0.5)
        drawn.append(W)
        return W

    net = MLP(784, 256, 10, init=my_line, seed=0)
    assert [tuple(W.shape) for W in drawn] == [(784, 256), (256, 10)]
    assert torch.equal(net.W1, drawn[0]) and net.W1 is not drawn[0]


@pytest.mark.parametrize(
    "function, complaint",
    [
        (lambda a, b: torch.randn(b, a), r"returned the shape \(256, 784\)"),
        (lambda a, b: torch.ones(a, b, dtype=torch.int64), "returned torch.int64"),
        (lambda a, b: None, "returned NoneType"),
    ],
)
def test_an_own_line_that_cannot_be_used_is_named(function, complaint):
    with pytest.raises(ValueError, match=complaint):
        MLP(784, 256, 10, init=function)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_hiddens": 0},
        {"num_hiddens": 2.5},
        {"num_hiddens": ()},
        {"num_hiddens": True},
        {"num_inputs": -1},
        {"num_outputs": "10"},
        {"num_layers": 99},
        {"activation": "gelu"},
        {"init": "he"},
        {"sigma": -0.1},
        {"sigma": float("nan")},
    ],
)
def test_a_bad_argument_is_named_with_its_value(wrong):
    arguments = {"num_inputs": 784, "num_hiddens": 256, "num_outputs": 10} | wrong
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError) as error:
        MLP(**arguments)
    assert str(error.value).startswith(name) and repr(value) in str(error.value)


def test_widths_that_disagree_with_num_layers_are_refused():
    with pytest.raises(ValueError, match="num_layers is 3"):
        MLP(784, (32, 16), 10, num_layers=3)
