"""The init lab, without a browser."""

import base64
import math

import pytest
import torch
from matplotlib.text import Text

from helpers import MLP, Config, init_lab, measure_layers
from helpers.instruments.layer_values import short

SCHEMES = ("normal", "xavier", "kaiming", "default", "constant", "zeros")


@pytest.fixture
def make_lab(data, closed):
    return lambda **defaults: closed(init_lab(data, **defaults))


def control(shown, name):
    return next(c for c in shown.children[0].children if c.description == name)


def page(shown):
    return shown.children[1].value


def press(shown):
    shown.children[2].children[0].click()


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


def test_a_spread_off_the_axis_is_marked_and_named(make_lab):
    shown = make_lab(sigma=1.0, num_layers=10)
    spreads = [layer.activations.spread for layer in shown.layers.layers]
    assert 1e4 < spreads[-1] and page(shown).count("▶") >= 1
    drawn = {text.get_text() for text in shown._picture().figure.findobj(Text)}
    assert f"▶ {spreads[-1]:.1g}" in drawn
    shown.update(sigma=0.0001)
    assert "◀" in page(shown) and "▶" not in page(shown)
    shown.update(sigma=0.05, num_layers=2)
    assert "◀" not in page(shown) and "▶" not in page(shown)


def test_no_thread_before_the_first_touch(make_lab, workers):
    shown = make_lab()
    assert workers() == []
    shown.wait(0)


def test_a_slider_is_followed(make_lab, data):
    shown = make_lab(num_hiddens=64, num_layers=5)
    assert "The signal dies out" in page(shown)
    control(shown, "num_layers").value = 3
    control(shown, "init").value = "kaiming"
    shown.wait(60)
    net = MLP(784, 64, 10, num_layers=3, init="kaiming", seed=0)
    train = data.train
    expected = measure_layers(net, train.images[:256], train.labels[:256])
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
    below, said = shown.children[2], []
    below.observe(lambda _: said.append(getattr(below.children[1], "value", "")))
    press(shown)
    shown.wait(60)
    assert said[0].startswith("A lab opens here")  # a large network takes a while
    shown.training.wait(60)
    text = "num_hiddens=16 num_layers=5 lr=0.3 num_epochs=1 init=xavier"
    assert str(shown.training.run.config) == text
    assert shown.training.run.net.W1.shape == (784, 16)
    _, opening, *opened = shown.children[2].children
    assert opening.layout.display == "none" and opened == [shown.training]
    first = shown.training
    control(shown, "num_layers").value = 2
    press(shown)
    shown.wait(60)
    shown.training.wait(60)
    assert shown.training is not first
    assert shown.training.run.config.num_layers == 2
    _, opening, *opened = shown.children[2].children
    assert opening.layout.display == "none" and opened == [shown.training]


def test_ones_own_init_is_measured_and_its_mistake_is_said(make_lab):
    def tiny(num_inputs, num_hiddens):
        if num_hiddens == 32:
            raise RuntimeError("not <32>")
        return torch.randn(num_inputs, num_hiddens) * 1e-5

    shown = make_lab(init=tiny, num_layers=2, num_hiddens=16)
    assert "The signal dies out" in page(shown)
    control(shown, "num_hiddens").value = 32
    with pytest.raises(RuntimeError, match="not <32>"):
        shown.wait(60)
    assert "could not be measured. RuntimeError: not &lt;32&gt;" in page(shown)
    control(shown, "num_hiddens").value = 64
    shown.wait(60)
    assert "The signal dies out" in page(shown)


def test_widths_that_disagree_with_the_slider_get_a_sentence(make_lab):
    shown = make_lab(num_hiddens=(32, 16))
    control(shown, "num_layers").value = 5
    with pytest.raises(ValueError, match="num_layers is 5"):
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
        ({"scheme": "xavier"}, "no setting 'scheme'; the settings are: "),
    ],
)
def test_bad_settings_get_one_sentence(make_lab, options, said):
    shown = make_lab()
    for use in (shown.update, make_lab):
        with pytest.raises(ValueError, match=said.replace("?", r"\?")) as error:
            use(**options)
        assert "\n" not in str(error.value)
    assert shown.config == Config()


def test_without_a_front_end_there_is_a_sentence_and_a_picture(make_lab):
    shown = make_lab(num_layers=5)
    bundle, metadata = shown._repr_mimebundle_()
    text = bundle["text/plain"]
    assert text.startswith("Init lab at num_hiddens=256 num_layers=5 lr=0.1. The ")
    assert "The first loss is 2.30." in text
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert shown.layers.status in metadata["image/png"]["alt"]
    assert bundle == shown._repr_mimebundle_()[0]


def test_closing_ends_the_thread_and_both_labs(make_lab, all_end):
    shown = make_lab(num_hiddens=16, num_epochs=1000)
    press(shown)
    shown.wait(60)
    shown.close()
    assert all_end()
    assert shown.comm is None and shown.training.comm is None


def test_what_is_no_data_gets_one_sentence():
    with pytest.raises(TypeError, match=r"init_lab\(data\) needs .* you gave list"):
        init_lab([1, 2])


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *((1.5e-8, "1.5e-08"), (0.0014, "0.0014"), (0, "0"), (7.4, "7.4"), (64, "64")),
        *((99.7, "100"), (182, "180"), (1140, "1,100"), (35_000, "35,000")),
        *((3.1e5, "3.1e+05"), (math.inf, "inf"), (math.nan, "nan")),
    ],
)
def test_a_number_is_written_with_an_exponent_only_if_it_has_to_be(number, text):
    assert short(number) == text
