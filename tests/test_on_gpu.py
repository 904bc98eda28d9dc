"""On an NVIDIA card each tool does what it does without one."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from helpers import (
    MLP,
    Config,
    as_code,
    doctor,
    lab,
    load_fashion_mnist,
    search,
    sweep,
    train,
)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
DEVICE = "cuda"
SMALL = Config(num_hiddens=8, lr=0.05, num_epochs=2, init="kaiming")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """The sample, also for a script; what is learned stays here."""
    monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return load_fashion_mnist("sample")


def there(**fields):
    return replace(SMALL, device=DEVICE, **fields)


def losses(config, data):
    return [step.loss for step in train(config, data)]


def test_a_run_repeats_itself_and_is_that_of_the_cpu(data):
    first = losses(there(), data)
    assert losses(there(), data) == first
    assert first == pytest.approx(losses(SMALL, data), rel=1e-3)


def test_its_code_repeats_it(data):
    names = {}
    exec(as_code(there()), names)
    assert names["losses"] == pytest.approx(losses(there(), data), rel=1e-4)


def test_a_lab_trains_there(data):
    shown = lab(data, "lr", num_hiddens=8, num_epochs=1, device=DEVICE)
    shown.start()
    shown.wait(60)
    *_, last = train(there(num_epochs=1, lr=0.1, init="normal"), data)
    assert f"{last.full_val_accuracy:.4f}" in shown.children[2].frame["status"]
    shown.close()


@pytest.mark.parametrize("lr", [0.1, 1e-6])
def test_the_doctor_says_what_it_says_here(lr, data):
    def first_line(device):
        net = MLP(784, 8, 10, seed=0).to(device)
        optimizer = torch.optim.SGD(net.parameters(), lr)
        return str(doctor(net, data.to(device), optimizer)).splitlines()[0]

    assert first_line(DEVICE) == first_line("cpu")


def test_a_sweep_trains_the_same(data):
    pairs = product((8, 12), (0.05, 0.1, 0.2))  # two groups, at the same time
    configs = [replace(SMALL, num_hiddens=units, lr=lr) for units, lr in pairs]
    rows = sweep([replace(config, device=DEVICE) for config in configs], data)
    for row, here in zip(rows, sweep(configs, data)):
        assert row.ok and row.accuracy == pytest.approx(here.accuracy, abs=0.01)
        assert row.train_accuracy == pytest.approx(here.train_accuracy, abs=0.01)


def test_a_search_trains_there(data):
    def space(trial):
        return there(lr=trial.suggest_float("lr", 0.01, 1, log=True))

    found = search(space, data, num_trials=10)
    assert found.best.device == DEVICE and "0 failed" in str(found)
    *_, last = train(found.best, data, eval_every=None)
    assert found.accuracy == pytest.approx(last.full_val_accuracy, abs=0.01)
