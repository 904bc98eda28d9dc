"""as_code: the script repeats the run's losses, to the bit."""

import math
import subprocess
import sys

import pytest
import torch

from helpers import Config, as_code, load_fashion_mnist, train

SCALE = 0.02


def own_line(num_inputs, num_hiddens):
    return torch.randn(num_inputs, num_hiddens) * SCALE / math.sqrt(2)


def calls_another(num_inputs, num_hiddens):
    return own_line(num_inputs, num_hiddens).abs()


def data(num_inputs, num_hiddens):
    return torch.ones(num_inputs, num_hiddens)


def transposed(num_inputs, num_hiddens):
    W1 = torch.randn(num_hiddens, num_inputs)  # a local name, like the script's own
    return (W1 * 0.01).T


@torch.no_grad()
def decorated(num_inputs, num_hiddens):
    return torch.nn.init.normal_(torch.empty(num_inputs, num_hiddens), std=SCALE)


def uses_the_unwritable(num_inputs, num_hiddens):
    return torch.ones(num_inputs, num_hiddens) * TENSOR


TENSOR = torch.tensor(0.5)

CONFIGS = [
    Config(),
    Config(num_hiddens=(32, 16), init="xavier", activation="tanh"),
    Config(num_hiddens=16, num_layers=4, init="default", momentum=0.9),
    Config(num_hiddens=16, init="default", optimizer="adamw", lr=0.001),
    Config(num_hiddens=16, init="constant", optimizer="adam", weight_decay=0.01),
    Config(num_hiddens=16, init="zeros", activation="sigmoid", seed=9),
    Config(num_hiddens=16, init="kaiming", batch_size=100, weight_decay=1e-4),
    Config(num_hiddens=16, dropout=0.2, seed=3),
    Config(num_hiddens=(32, 16), dropout=0.5, lr_schedule="cosine", init="default"),
    Config(num_hiddens=16, lr_schedule="cosine", optimizer="adamw", lr=0.001),
    Config(num_hiddens=16, init=own_line),
    Config(num_hiddens=16, num_layers=2, init=calls_another),
    Config(num_hiddens=100, init=transposed),
    Config(num_hiddens=16, init=decorated),
]


@pytest.fixture(autouse=True)
def on_the_sample(monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")


def run_script(script):
    names = {}
    exec(compile(script, "script", "exec"), names)
    return names["losses"]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("change_lr", [False, True])
def test_the_script_repeats_every_loss(config, change_lr):
    config = Config(**{**vars(config), "num_epochs": 2})
    run = train(config, load_fashion_mnist())
    losses = []
    for progress in run:
        losses.append(progress.loss)
        if change_lr and progress.step in (7, 30):
            run.lr = run.lr * 2
    script = as_code(run)
    assert run_script(script) == losses
    own = callable(config.init)
    assert len(script.splitlines()) <= 35 or own
    assert "helpers" not in script.replace("from helpers import load_fashion_mnist", "")


@pytest.mark.slow
def test_the_script_runs_by_itself():
    config = Config(num_hiddens=8, num_epochs=1, init=own_line)
    script = as_code(config) + "print(repr(losses))\n"
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    expected = [p.loss for p in train(config, load_fashion_mnist())]
    assert printed.splitlines()[-1] == repr(expected)


def test_a_run_on_the_sample_says_so(monkeypatch):
    monkeypatch.delenv("FASHION_MNIST_ROOT")
    run = train(Config(num_hiddens=8, num_epochs=1), load_fashion_mnist("sample"))
    losses = [progress.loss for progress in run]
    assert run_script(as_code(run)) == losses


def test_a_run_for_the_test_says_so():
    data = load_fashion_mnist().for_the_test()
    run = train(Config(num_hiddens=8, num_epochs=1, lr_schedule="cosine"), data)
    losses = [progress.loss for progress in run]
    assert run_script(as_code(run)) == losses


def test_a_falling_rate_falls_to_the_end_of_the_data_that_are_here():
    config = Config(num_hiddens=8, num_epochs=2, lr_schedule="cosine")
    losses = [progress.loss for progress in train(config, load_fashion_mnist())]
    assert run_script(as_code(config)) == losses


def test_the_line_of_the_course_stands_in_the_script():
    assert "W1 = nn.Parameter(torch.randn(784, 256) * 0.01)" in as_code(Config())


@pytest.mark.parametrize(
    "function, complaint",
    [
        (lambda a, b: torch.zeros(a, b), "write it with def"),
        (uses_the_unwritable, "uses TENSOR"),
        (data, "Rename data in your code"),
    ],
)
def test_an_own_line_that_cannot_be_written_down_is_named(function, complaint):
    with pytest.raises(ValueError, match=complaint):
        as_code(Config(init=function))


def test_only_runs_and_configs_have_code():
    with pytest.raises(TypeError, match="you gave str"):
        as_code("num_hiddens=256")
