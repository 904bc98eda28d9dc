"""Whatever a public call is given: a sentence of the course, or a sound result.

"Sound" includes that it can be shown. What a learner's own function raises is theirs.
"""

import inspect
import traceback
from fractions import Fraction
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from torch import nn

import helpers
from helpers import (
    MLP,
    Config,
    evaluate,
    lab,
    measure_layers,
    race,
    train,
)
from helpers.data import FashionMNIST, Sources, Split
from helpers.instrument import Instrument
from helpers.plots import Picture
from helpers.tuning.results import Result, Results

HELPERS = str(Path(helpers.__file__).parent)
MOST = 220  # characters of a sentence: two lines of a screen


class Rude:
    def __repr__(self):
        raise RuntimeError("no repr")


class OwnError(Exception):
    pass


def raises(*_):
    raise OwnError


class NoSuper(nn.Module):
    """It fails when it is asked for anything of a module, also for its repr."""

    def __init__(self):
        self.W = torch.randn(4, 2)

    def forward(self, X):
        return X @ self.W


NAN = float("nan")
VALUES = {
    **{repr(v): v for v in (None, True, -1, 1.5, 3, "abc", "", b"x", [], [1], (), {})},
    **{"nan": NAN, "inf": float("inf"), "fraction": Fraction(1, 3)},
    **{"beyond a float": 10**400, "beyond print": 10**5000, "2**63": 2**63},
    **{"long": "x" * 100_000, "lines": "a\nb", "rude": Rude(), "numpy": np.ones(3)},
    **{"int64": np.int64(3), "floats": torch.zeros(3), "ints": torch.arange(2)},
    **{"one": torch.tensor(1), "pictures": np.ones((4, 4), np.float32)},
    **{"double": torch.ones(4, 4).double(), "narrow": torch.ones(4, 3)},
    **{"deep": torch.ones(4, 2, 2), "bytes": torch.ones(4, 4, dtype=torch.uint8)},
    **{"a net": nn.Linear(4, 2), "a class": MLP, "a word": "num_hiddens=" + "9" * 5000},
    **{"raises": raises, "named": {"a": 1}, "two": ["a", "a"], "rude ones": [Rude()]},
    **{"no rows": torch.zeros(0, 784), "no columns": torch.zeros(784, 0)},
    **{"nans": torch.full((784, 2), NAN), "meta": torch.zeros(784, 2, device="meta")},
    **{"complex": torch.zeros(4, 4, dtype=torch.complex64), "no runs": Results()},
    **{"of tensors": {"a": torch.full((3,), NAN)}, "of none": {"a": torch.zeros(0)}},
    **{"of runs": {"a": Results()}, "rude key": {Rude(): torch.ones(2)}},
    **{"no super": NoSuper()},
}
NET = MLP(4, 3, 2, seed=0)
X, y = torch.rand(4, 4), torch.tensor([0, 1, 1, 0])
SMALL = Split(torch.rand(8, 784), torch.arange(8))
DATA = FashionMNIST(SMALL, SMALL, SMALL, "sample", "here")
SHORT = Config(num_hiddens=2, num_epochs=1)
ALONE = Sources(mirrors=(), debian_folder="/nowhere")
RUNS = Results(
    Result(
        Config(lr=lr, num_layers=layers, num_epochs=1),
        **{"data": "sample", "train_loss": (1.0,), "val_loss": (1.0,)},
        val_accuracy=(lr,),
    )
    for lr in (0.1, 0.2)
    for layers in (1, 2)
)
TEXT = {"text": "What it shows."}


def silent(net, optimizer, X, y):
    """A step that learns nothing."""


# For each public call arguments that are fine, and quick: each in turn becomes each of
# the values.
GOOD = {
    "load_fashion_mnist": {"root": None, "sources": ALONE},
    "MLP": {"num_inputs": 4, "num_hiddens": 3, "num_outputs": 2},
    "Config": {},
    "evaluate": {"net": NET, "images": X, "labels": y},
    "train": {"config": SHORT, "data": DATA},
    "as_code": {},
    "plot_columns": {"W1": torch.rand(784, 2), **TEXT},
    "plot_confusion": {"confusion": torch.eye(2), "class_names": ("a", "b"), **TEXT},
    "plot_curves": {"history": list(train(SHORT, DATA))},
    "plot_pictures": {"images": SMALL.images[:2], "titles": ("a", "b"), **TEXT},
    "lab": {"data": DATA, "num_hiddens": 2, "num_epochs": 1},
    "check_machine": {},
    "measure_layers": {"net": NET, "X": X, "y": y},
    "plot_histograms": {"named": {"a": X}, **TEXT},
    "plot_layers": {"measured": {"a": measure_layers(NET, X, y)}, **TEXT},
    "init_lab": {"data": DATA, "num_hiddens": 2},
    "trace_shapes": {"fn": NET},
    "shapes_lab": {},
    "registration": {"module": NET},
    "registration_lab": {"data": DATA},
    "doctor": {"net": NET, "data": (X, y), "train_step": silent},
    "sweep": {"configs": [SHORT], "data": DATA},
    "grid_lab": {"data": DATA, "num_epochs": 1},
    "plot_grid": {
        **{"results": RUNS, "x": "lr", "y": "num_layers", "panels": "num_hiddens"},
        **TEXT,
    },
    "plot_losses": {"groups": {"a": RUNS}, **TEXT},
    "plot_sweep": {"results": RUNS, "x": "lr"},
    "search": {
        "space": lambda trial: Config(
            lr=trial.suggest_float("lr", 0.1, 1), num_hiddens=2, num_epochs=1
        ),
        **{"data": DATA, "num_trials": 1},
    },
    "plot_study": {"study": optuna.create_study(direction="maximize")},
    "race": {"strategies": "random", "table": RUNS, "num_epochs": 2, "repeats": 1},
    "plot_races": {"races": race("random", RUNS, 2, 1, recorded=False)},
    "predict": {"id": "a", "question": "Which?", "options": ["b", "c"]},
    "reveal": {"id": "a", "measured": "b"},
    "check": {"id": "1.1", "answer": raises},
    "hint": {"id": "1.1"},
    "solution": {"id": "1.1"},
    "progress": {},
}
# What tests alone set, and what becomes of the fields of a Config.
LEFT_OUT = {
    *("load_fashion_mnist(sources)", "doctor(limits)", "sweep(recorded)"),
    *("sweep(keep_every)", "search(recorded)"),
}
DEFAULTS = {"lab": "batch_size", "init_lab": "init", "grid_lab": "momentum"}


def parameters(name):
    """Those of a public call, by name."""
    public = getattr(helpers, name)
    found = inspect.signature(public.__init__ if inspect.isclass(public) else public)
    return {
        one: parameter
        for one, parameter in found.parameters.items()
        if one != "self" and f"{name}({one})" not in LEFT_OUT
    }


def with_one(name, parameter):
    """The call with good arguments and a value for one of them."""
    public, kind = getattr(helpers, name), parameter.kind

    def call(value):
        if kind is parameter.VAR_POSITIONAL and name != "reveal":
            return public(*GOOD[name].values(), value)
        replaced = DEFAULTS[name] if kind is parameter.VAR_KEYWORD else parameter.name
        given = GOOD[name] | {replaced: value}
        # What was measured or is traced can't be given by name.
        more = {"reveal": (), "trace_shapes": (X,)}.get(name)
        return public(**given) if more is None else public(*given.values(), *more)

    return call


CALLS = {
    f"{name}({one})": with_one(name, parameter)
    for name in GOOD
    for one, parameter in parameters(name).items()
}
CALLS |= {
    **{"net(X)": NET, "from_string": Config.from_string},
    **{"Config(a field)": lambda value: Config(**{"x" * 3000: value})},
}


def test_every_public_call_is_tried():
    assert set(GOOD) == set(helpers.__all__)


def said_badly(call, value):
    """What is wrong with how the call takes the value, or None."""
    try:
        show(call(value))
    except OwnError:
        pass
    except (ValueError, TypeError) as error:
        sentence = str(error)
        (*_, last) = traceback.extract_tb(error.__traceback__)
        whole = sentence.endswith((".", "?")) and "\n" not in sentence
        if not (whole and len(sentence) < MOST and last.filename.startswith(HELPERS)):
            return f"{type(error).__name__}: {sentence[:300]}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:300]}"


def show(result):
    """Do with what a call returns what a notebook does."""
    if isinstance(result, helpers.training.Run):
        list(result)
    if isinstance(result, (Picture, Instrument)):
        result._repr_mimebundle_()
    if isinstance(result, Instrument):
        result.close()
    assert isinstance(repr(result), str)


@pytest.fixture(autouse=True)
def nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.delenv("FASHION_MNIST_ROOT", raising=False)


@pytest.mark.parametrize("call", CALLS)
def test_any_value_gets_a_sentence_or_a_sound_result(call):
    values = VALUES
    if "(text)" in call:  # looked at in one place, and after all has been drawn
        values = {name: VALUES[name] for name in ("None", "b'x'", "rude", "pictures")}
    found = {name: said_badly(CALLS[call], value) for name, value in values.items()}
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
