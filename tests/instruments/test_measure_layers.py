"""measure_layers, and the verdict on what it measures."""

import pytest
import torch
from torch.nn import functional as F

from helpers import MLP, load_fashion_mnist, measure_layers


@pytest.fixture(scope="module")
def batch():
    train = load_fashion_mnist("sample").train
    return train.images[:256], train.labels[:256]


def deep(**options):
    return MLP(784, 64, 10, **({"num_layers": 5, "seed": 0} | options))


def test_figures_are_those_of_backward(batch):
    X, y = batch
    net = deep(num_layers=2, sigma=0.1)
    layers = measure_layers(net, X, y)
    assert all(parameter.grad is None for parameter in net.parameters())
    hidden1 = torch.relu(X @ net.W1 + net.b1)
    hidden2 = torch.relu(hidden1 @ net.W2 + net.b2)
    scores = hidden2 @ net.W3 + net.b3
    loss = F.cross_entropy(scores, y)
    loss.backward()
    assert layers.loss == pytest.approx(loss.item())
    for layer, output, W in zip(
        layers.layers, (hidden1, hidden2, scores), (net.W1, net.W2, net.W3), strict=True
    ):
        spread = output.std(correction=0).item()
        assert layer.activations.spread == pytest.approx(spread, rel=1e-4)
        spread = W.grad.std(correction=0).item()
        assert layer.gradients.spread == pytest.approx(spread, rel=1e-4)
    assert [layer.name for layer in layers.layers] == ["1", "2", "scores"]
    dead = (hidden2 == 0).all(dim=0).float().mean().item()
    assert layers.layers[1].dead == pytest.approx(dead)
    assert layers.layers[2].dead is None


def test_histogram_is_the_shape_of_the_values(batch):
    X, y = batch
    relu, _ = measure_layers(deep(num_layers=1, sigma=1.0), X, y).layers
    assert max(relu.activations.heights) == 1
    assert relu.activations.heights.index(1) < 12  # the zeros, below the mean
    saturated = deep(num_layers=1, activation="tanh", sigma=5.0)
    heights = measure_layers(saturated, X, y).layers[0].activations.heights
    assert sorted(heights)[-2] > 0.5 and sum(heights) < 2.5  # one spike at each end


def test_dead_and_saturated_units_are_counted(batch):
    X, y = batch
    net = deep(num_layers=1)
    net.W1.data[:, :16] = -1.0  # of 64 units: pixels are never negative
    assert measure_layers(net, X, y).layers[0].dead == 0.25
    for activation in ("tanh", "sigmoid"):
        small = deep(num_layers=1, activation=activation, sigma=0.0001)
        large = deep(num_layers=1, activation=activation, sigma=100.0)
        assert measure_layers(small, X, y).layers[0].dead == 0
        assert measure_layers(large, X, y).layers[0].dead > 0.9


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "The signal dies out: "),
        ({"activation": "sigmoid", "init": "xavier"}, "The gradient dies out on its"),
        ({"num_layers": 1, "sigma": 0.001}, "The signal is weak: "),
        ({"num_layers": 1, "sigma": 1e-4}, "The signal is weak: "),
        ({"num_layers": 1, "sigma": 1e-30}, "The signal is nearly 0: "),
        ({"num_layers": 1}, "The signal gets through: "),
        ({"init": "kaiming"}, "The signal gets through: "),
        ({"num_layers": 1, "sigma": 0.5}, "The signal gets through, but the first "),
        ({"sigma": 1.0}, "The signal is too large: "),
        ({"sigma": 100.0, "num_layers": 20}, "The signal explodes: "),
        ({"init": "zeros"}, "Every weight has a gradient of 0, "),
        ({"init": "constant"}, "All units of a hidden layer are equal, "),
        ({"init": "zeros", "activation": "sigmoid"}, "All units of a hidden layer are"),
        ({"num_hiddens": 1, "num_layers": 1, "init": "constant"}, "The signal "),
    ],
)
def test_a_sentence_says_what_becomes_of_the_signal(batch, options, sentence):
    options = {"num_hiddens": 64, "num_layers": 5, "seed": 0} | options
    net = MLP(784, num_outputs=10, **options)
    assert measure_layers(net, *batch).status.startswith(sentence)


def test_a_late_start_is_for_a_network_that_is_small_all_through(batch):
    def small_first(num_inputs, num_outputs):
        size = 1e-30 if num_inputs == 784 else 0.1
        return torch.randn(num_inputs, num_outputs) * size

    net = deep(num_layers=1, init=small_first)  # learns at once: W2 passes much back
    assert measure_layers(net, *batch).status.startswith("The signal gets through: ")


def test_a_signal_of_1e30_has_not_become_0(batch):
    faint = measure_layers(deep(num_layers=10, sigma=0.0001), *batch)
    assert 0 < faint.layers[9].activations.spread < 1e-25
    assert 0 < faint.layers[0].gradients.spread < 1e-25


def test_wrong_things_get_one_sentence(batch):
    with pytest.raises(TypeError, match="needs an MLP .* you gave Linear"):
        measure_layers(torch.nn.Linear(784, 10), *batch)
    for odd in (batch[0].view(-1, 28, 28), batch[0][:0]):
        with pytest.raises(ValueError, match=r"and shape \(N, 784\)"):
            measure_layers(deep(), odd, batch[1][: len(odd)])
    for odd in ([1], batch[0].double(), None):
        with pytest.raises(TypeError, match="needs an X of type torch.float32"):
            measure_layers(deep(), odd, batch[1])
    for odd in (3, batch[1].tolist(), batch[1].float(), batch[1].int()):
        with pytest.raises(TypeError, match="needs a y of type torch.int64 and shape"):
            measure_layers(deep(), batch[0], odd)
    for odd in (batch[1][:9], batch[1][:, None]):
        with pytest.raises(ValueError, match=r"shape \(256,\), with one label for"):
            measure_layers(deep(), batch[0], odd)
    for odd, range_ in ((batch[1] + 1, "1 to 10"), (batch[1] - 1, "-1 to 8")):
        with pytest.raises(ValueError, match=f"labels from 0 to 9 .* from {range_}"):
            measure_layers(deep(), batch[0], odd)


def test_the_table_in_text_has_a_line_for_each_layer(batch):
    lines = str(measure_layers(deep(num_layers=2, init="kaiming"), *batch)).splitlines()
    starts = [line.split()[0] for line in lines]
    assert starts == ["layer", "1", "2", "scores", "First"]


def test_layers_are_measured_under_no_grad_too(batch):
    with torch.no_grad():
        layers = measure_layers(deep(), *batch)
    assert layers == measure_layers(deep(), *batch)
