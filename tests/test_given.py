"""Whatever the core's calls are given: a sentence of the course, or a sound result."""

import traceback
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import helpers
from helpers import MLP, as_code, evaluate, lab, load_fashion_mnist, plot_curves, train
from helpers.data import FashionMNIST, Sources, Split
from helpers.training import Config

HELPERS = str(Path(helpers.__file__).parent)


class Rude:
    def __repr__(self):
        raise RuntimeError("no repr")


VALUES = {
    **{repr(v): v for v in (None, True, -1, 1.5, 3, "abc", "", b"x", [], [1], (), {})},
    **{"nan": float("nan"), "inf": float("inf"), "fraction": Fraction(1, 3)},
    **{"beyond a float": 10**400, "beyond print": 10**5000, "2**63": 2**63},
    **{"long": "x" * 100_000, "lines": "a\nb", "rude": Rude(), "numpy": np.ones(3)},
    **{"int64": np.int64(3), "floats": torch.zeros(3), "ints": torch.arange(2)},
    **{"one": torch.tensor(1), "pictures": np.ones((4, 4), np.float32)},
    **{"double": torch.ones(4, 4).double(), "narrow": torch.ones(4, 3)},
    **{"deep": torch.ones(4, 2, 2), "bytes": torch.ones(4, 4, dtype=torch.uint8)},
    **{"a net": nn.Linear(4, 2), "a class": MLP, "a word": "num_hiddens=" + "9" * 5000},
}
NET = MLP(4, 3, 2, seed=0)
X, y = torch.rand(4, 4), torch.tensor([0, 1, 1, 0])
SMALL = Split(torch.rand(8, 784), torch.arange(8))
DATA = FashionMNIST(SMALL, SMALL, SMALL, "sample", "here")
SHORT = Config(num_hiddens=2, num_epochs=1)
ALONE = Sources(mirrors=(), debian_folder="/nowhere")


def one_with(call, name):
    return lambda value: call(**{name: value})


CALLS = {
    "evaluate(net)": lambda value: evaluate(value, X, y),
    "evaluate(images)": lambda value: evaluate(NET, value, y),
    "evaluate(labels)": lambda value: evaluate(NET, X, value),
    "net(X)": NET,
    "train(config)": lambda value: train(value, DATA),
    "train(data)": lambda value: train(SHORT, value),
    "train(eval_every)": lambda value: list(train(SHORT, DATA, eval_every=value)),
    "from_string": Config.from_string,
    "as_code": as_code,
    "plot_curves": plot_curves,
    "lab(data)": lab,
    "load_fashion_mnist": lambda value: load_fashion_mnist(value, sources=ALONE),
}
for name in Config.__dataclass_fields__:
    CALLS[f"Config({name})"] = one_with(Config, name)
for name in ("num_inputs", "num_hiddens", "num_outputs", "num_layers", "activation"):
    CALLS[f"MLP({name})"] = one_with(
        lambda **one: MLP(
            **{"num_inputs": 4, "num_hiddens": 3, "num_outputs": 2} | one
        ),
        name,
    )
for name in ("sigma", "seed", "dropout"):
    CALLS[f"MLP({name})"] = one_with(lambda **one: MLP(4, 3, 2, **one), name)


def said_badly(call, value):
    """What is wrong with how the call takes the value, or None."""
    try:
        call(value)
    except (ValueError, TypeError) as error:
        sentence = str(error)
        (*_, last) = traceback.extract_tb(error.__traceback__)
        whole = sentence.endswith((".", "?")) and "\n" not in sentence
        if not (whole and len(sentence) < 300 and last.filename.startswith(HELPERS)):
            return f"{type(error).__name__}: {sentence[:300]}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"


@pytest.mark.parametrize("call", CALLS)
def test_any_value_gets_a_sentence_or_a_sound_result(call, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("FASHION_MNIST_ROOT", raising=False)
    found = {name: said_badly(CALLS[call], value) for name, value in VALUES.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("controls", [3, 1.5, "abc", [None], Rude(), torch.ones(2)])
def test_controls_that_are_none_are_named(controls):
    assert said_badly(lambda value: lab(DATA, value), controls) is None


@pytest.mark.parametrize(
    "images, labels, said",
    [
        (X, y[:3], "one label for each image"),
        (X[:0], y[:0], "at least one image"),
        (X, y + 1, "whole numbers from 0 to 1; you gave numbers from 1 to 2"),
        (X, y - 1, "you gave numbers from -1 to 0"),
        (X, y.float(), "torch.float32"),
        (X.double(), y, "takes torch.float32"),
        (X.numpy(), y, "ndarray"),
        (X[:, :3], y, r"of shape \[N, 4\]"),
    ],
)
def test_evaluate_measures_no_images_with_labels_that_are_not_theirs(
    images, labels, said
):
    with pytest.raises((ValueError, TypeError), match=said):
        evaluate(NET, images, labels)
    assert NET.training


def test_pictures_of_another_dtype_than_the_nets_are_named():
    with pytest.raises(ValueError, match="own torch.float32; you gave torch.float64"):
        evaluate(nn.Linear(4, 2), X.double(), y)
    double = nn.Linear(4, 2).double()
    assert evaluate(double, X.double(), y)[0] > 0


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_labels_of_any_whole_numbers_will_do(dtype):
    assert evaluate(NET, X, y.to(dtype)) == evaluate(NET, X, y)


@pytest.mark.parametrize(
    "split, said",
    [
        (Split(SMALL.images.double(), SMALL.labels), "torch.float64"),
        (Split(SMALL.images.numpy(), SMALL.labels), "ndarray"),
        (Split(SMALL.images, SMALL.labels.float()), "torch.float32"),
        (Split(SMALL.images, SMALL.labels + 5), "numbers from 5 to 12"),
        (Split(SMALL.images, SMALL.labels[:5]), "one label for each image"),
    ],
)
@pytest.mark.parametrize("call", [lambda data: train(SHORT, data), lab])
def test_data_of_a_learner_that_cannot_be_trained_on_are_named(split, said, call):
    with pytest.raises((ValueError, TypeError), match=said):
        call(FashionMNIST(SMALL, split, SMALL, "sample", "here"))
