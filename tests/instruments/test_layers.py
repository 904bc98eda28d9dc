"""The init lab and what it measures, without a browser."""

import base64
import math
import threading

import pytest
import torch
from torch.nn import functional as F

from helpers import (
    MLP,
    Config,
    init_lab,
    load_fashion_mnist,
    measure_layers,
    plot_histograms,
    plot_layers,
)
from helpers.instruments.layers import place

SCHEMES = ("normal", "xavier", "kaiming", "default", "constant", "zeros")


@pytest.fixture(scope="module")
def data():
    return load_fashion_mnist("sample")


@pytest.fixture(scope="module")
def batch(data):
    return data.train.images[:256], data.train.labels[:256]


@pytest.fixture
def make_lab(data):
    made = []

    def make(**defaults):
        made.append(init_lab(data, **defaults))
        return made[-1]

    yield make
    for one in made:
        one.close()


def control(shown, name):
    return next(c for c in shown.children[0].children if c.description == name)


def page(shown):
    return shown.children[1].value


def press(shown):
    shown.children[2].click()


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
    assert max(relu.activations.shape) == 1
    assert relu.activations.shape.index(1) < 12  # the zeros, below the mean
    saturated = deep(num_layers=1, activation="tanh", sigma=5.0)
    shape = measure_layers(saturated, X, y).layers[0].activations.shape
    assert sorted(shape)[-2] > 0.5 and sum(shape) < 2.5  # one spike at each end


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
        ({"num_layers": 1, "sigma": 1e-30}, "The signal is next to nothing: "),
        ({"num_layers": 1}, "The signal gets through: "),
        ({"init": "kaiming"}, "The signal gets through: "),
        ({"num_layers": 1, "sigma": 0.5}, "The signal gets through, but the first "),
        ({"sigma": 1.0}, "The signal is too large: "),
        ({"sigma": 100.0, "num_layers": 20}, "The signal explodes: "),
        ({"init": "zeros"}, "Every weight has the gradient 0, "),
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


def test_the_axis_has_room_for_any_spread():
    places = [place(spread) for spread in (0, 1e-45, 1e-8, 1e-4, 1, 1e4, 1e9)]
    assert places == sorted(places)
    assert (places[0], places[4], places[5]) == (0, 0.75, 1)
    assert places[1] > 0  # tiny is still something
    assert place(math.inf) == place(math.nan) == 1


@pytest.mark.parametrize("init", SCHEMES)
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("num_layers", [1, 10])
def test_every_scheme_can_be_shown(make_lab, init, activation, num_layers):
    shown = make_lab(
        init=init, activation=activation, num_layers=num_layers, num_hiddens=16
    )
    assert page(shown).count("<tr>") == 1 + num_layers + 1
    assert ("does not use sigma" in page(shown)) == (init not in ("normal", "constant"))


def test_what_explodes_is_shown_too(make_lab):
    shown = make_lab(sigma=1.0, num_layers=10)
    assert "The signal is too large" in page(shown)
    shown.update(sigma=100.0, num_layers=20)
    assert "The signal explodes" in page(shown) and ">nan<" in page(shown)
    bundle, _ = shown._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")


def test_no_thread_before_the_first_touch(make_lab):
    before = threading.active_count()
    shown = make_lab()
    assert threading.active_count() == before
    shown.wait(0)


def test_a_slider_is_followed(make_lab, batch):
    shown = make_lab(num_hiddens=64, num_layers=5)
    assert "The signal dies out" in page(shown)
    control(shown, "num_layers").value = 3
    control(shown, "init").value = "kaiming"
    shown.wait(60)
    expected = measure_layers(deep(num_layers=3, init="kaiming"), *batch)
    assert shown.layers.loss == pytest.approx(expected.loss, rel=1e-5)
    for layer, other in zip(shown.layers.layers, expected.layers, strict=True):
        spread = other.gradients.spread
        assert layer.gradients.spread == pytest.approx(spread, rel=1e-4)
    assert expected.status in page(shown)
    assert page(shown).count("<tr>") == 1 + 3 + 1


def test_the_latest_value_wins(make_lab):
    shown = make_lab()
    for sigma in (0.0001, 0.1, 1.0, 0.001, 0.5):
        control(shown, "sigma").value = sigma
    shown.wait(60)
    assert shown.config.sigma == 0.5
    assert shown.layers.status in page(shown)


def test_a_button_trains_the_shown_network(make_lab):
    shown = make_lab(num_hiddens=16, num_layers=5, num_epochs=1, lr=0.3)
    control(shown, "init").value = "xavier"
    press(shown)
    shown.wait(60)
    shown.training.wait(60)
    text = "num_hiddens=16 num_layers=5 lr=0.3 num_epochs=1 init=xavier"
    assert str(shown.training.run.config) == text
    assert shown.training.run.net.W1.shape == (784, 16)
    assert shown.children[3].children == (shown.training,)
    first = shown.training
    control(shown, "num_layers").value = 2
    press(shown)
    shown.wait(60)
    shown.training.wait(60)
    assert shown.training is not first
    assert shown.training.run.config.num_layers == 2
    assert shown.children[3].children == (shown.training,)


def test_ones_own_init_is_measured_and_its_mistake_is_said(make_lab):
    def tiny(num_inputs, num_hiddens):
        if num_hiddens == 32:
            raise RuntimeError("not <32>")
        return torch.randn(num_inputs, num_hiddens) * 1e-5

    shown = make_lab(init=tiny, num_layers=2, num_hiddens=16)
    assert "The signal dies out" in page(shown)
    control(shown, "num_hiddens").value = 32
    shown.wait(60)
    assert "could not be measured. RuntimeError: not &lt;32&gt;" in page(shown)
    control(shown, "num_hiddens").value = 64
    shown.wait(60)
    assert "The signal dies out" in page(shown)


def test_widths_that_disagree_with_the_slider_get_a_sentence(make_lab):
    shown = make_lab(num_hiddens=(32, 16))
    control(shown, "num_layers").value = 5
    shown.wait(60)
    assert "num_layers is 5" in page(shown)
    assert shown.config.num_layers == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sigma": -1}, "sigma must be a number from 0 to 100"),
        ({"init": "he"}, "init must be 'normal', 'xavier'"),
        ({"num_layers": 0}, "num_layers counts the hidden layers and must be"),
        ({"activation": "gelu"}, "activation must be"),
        ({"sigmas": 1}, "did you mean 'sigma'?"),
        ({"scheme": "xavier"}, "no 'scheme'; its fields are: "),
    ],
)
def test_bad_settings_get_one_sentence(make_lab, options, said):
    shown = make_lab()
    for use in (shown.update, make_lab):
        with pytest.raises(ValueError, match=said.replace("?", r"\?")) as error:
            use(**options)
        assert "\n" not in str(error.value)
    assert shown.config == Config()


def test_wrong_things_get_one_sentence(data, batch):
    with pytest.raises(TypeError, match=r"init_lab\(data\) needs .* you gave list"):
        init_lab([1, 2])
    with pytest.raises(TypeError, match="needs an MLP .* you gave Linear"):
        measure_layers(torch.nn.Linear(784, 10), *batch)
    for odd in (batch[0].view(-1, 28, 28), batch[0][:0]):
        with pytest.raises(ValueError, match="needs X of shape .N, 784."):
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
    for plot in (plot_layers, plot_histograms):
        with pytest.raises(TypeError, match="needs a dict .* you gave list"):
            plot([deep()], "")
        with pytest.raises(TypeError, match="one at least"):
            plot({}, "")


def test_without_a_front_end_there_is_a_sentence_and_a_picture(make_lab):
    shown = make_lab(num_layers=5)
    bundle, metadata = shown._repr_mimebundle_()
    text = bundle["text/plain"]
    assert text.startswith("Init lab at num_hiddens=256 num_layers=5 lr=0.1. The ")
    assert "The first loss is 2.30." in text
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert shown.layers.status in metadata["image/png"]["alt"]
    assert bundle == shown._repr_mimebundle_()[0]


def test_the_table_in_text_has_a_line_for_each_layer(batch):
    lines = str(measure_layers(deep(num_layers=2, init="kaiming"), *batch)).splitlines()
    starts = [line.split()[0] for line in lines]
    assert starts == ["layer", "1", "2", "scores", "First"]


def test_networks_are_compared_in_one_picture(batch):
    nets = {"0.01": deep(), "Kaiming": deep(init="kaiming")}
    measured = {name: measure_layers(net, *batch) for name, net in nets.items()}
    picture = plot_layers(measured, "One falls, one stays.")
    assert repr(picture) == "One falls, one stays."
    left, right = picture.figure.axes
    for axes, side in ((left, "activations"), (right, "gradients")):
        for line, layers in zip(axes.lines, measured.values(), strict=True):
            spreads = [getattr(layer, side).spread for layer in layers.layers]
            assert list(line.get_ydata()) == spreads


def test_no_network_is_left_out_of_the_picture(batch):
    nets = [deep(num_layers=depth) for depth in (4, *[1] * 6)]
    measured = {str(i): measure_layers(net, *batch) for i, net in enumerate(nets)}
    for axes in plot_layers(measured, "").figure.axes:
        assert len(axes.lines) == 7
        assert [label.get_text() for label in axes.get_xticklabels()] == list("12345")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_a_single_histogram_of_any_numbers(dtype):
    (axes,) = plot_histograms({"one": torch.ones(2, 3, dtype=dtype)}, "").figure.axes
    assert axes.get_title(loc="left") == "one"
    assert sum(bar.get_height() for bar in axes.patches) == 6


def test_layers_are_measured_under_no_grad_too(batch):
    with torch.no_grad():
        layers = measure_layers(deep(), *batch)
    assert layers == measure_layers(deep(), *batch)


def test_closing_ends_the_thread_and_both_labs(make_lab):
    before = threading.active_count()
    shown = make_lab(num_hiddens=16, num_epochs=1000)
    press(shown)
    shown.wait(60)
    shown.close()
    assert threading.active_count() == before
    assert shown.comm is None and shown.training.comm is None
