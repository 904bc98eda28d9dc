"""plot_layers, plot_histograms, and the axis of a spread."""

import math

import pytest
import torch

from helpers import (
    MLP,
    load_fashion_mnist,
    measure_layers,
    plot_histograms,
    plot_layers,
)
from helpers.instruments.layer_values import place


@pytest.fixture(scope="module")
def batch():
    train = load_fashion_mnist("sample").train
    return train.images[:256], train.labels[:256]


def deep(**options):
    return MLP(784, 64, 10, **({"num_layers": 5, "seed": 0} | options))


def test_the_axis_has_room_for_any_spread():
    places = [place(spread) for spread in (0, 1e-45, 1e-8, 1e-4, 1, 1e4, 1e9)]
    assert places == sorted(places)
    assert (places[0], places[4], places[5]) == (0, 0.75, 1)
    assert places[1] > 0  # tiny is still something
    assert place(math.inf) == place(math.nan) == 1


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


@pytest.mark.parametrize("plot", [plot_layers, plot_histograms])
def test_wrong_things_get_one_sentence(plot):
    with pytest.raises(TypeError, match="needs a dict .* you gave list"):
        plot([deep()], "")
    with pytest.raises(TypeError, match="at least one"):
        plot({}, "")
    with pytest.raises(TypeError, match="you gave MLP"):
        plot({"a net": deep()}, "")
