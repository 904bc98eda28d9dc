"""Stacked training: each run is the one that `train` would train."""

from dataclasses import fields, replace

import pytest
import torch

from helpers import Config, train
from helpers.data import Split
from helpers.tuning.groups import train_epochs
from helpers.tuning.members import Member, Stack
from helpers.tuning.results import Result
from helpers.tuning.shared_data import share

BASE = Config(num_hiddens=8, lr=0.05, num_epochs=3, batch_size=60, init="kaiming")
CUDA = pytest.param(
    "cuda",
    marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"),
)


def own(num_inputs, num_outputs):
    return torch.rand(num_inputs, num_outputs) * 0.1 - 0.05


# A value or two for each field of Config, and what else it takes to see its effect.
VARIED = {
    "num_hiddens": [{"num_hiddens": 1}, {"num_hiddens": (16, 8)}],
    "num_layers": [{"num_layers": 3}],
    "activation": [{"activation": "tanh"}, {"activation": "sigmoid"}],
    "lr": [{"lr": 0.2}],
    "batch_size": [{"batch_size": 100}, {"batch_size": 1024}],
    "num_epochs": [{"num_epochs": 4}],
    "init": [{"init": init} for init in ("normal", "xavier", "default", "zeros", own)],
    "sigma": [{"sigma": 0.05, "init": "normal"}, {"sigma": 0.02, "init": "constant"}],
    "optimizer": [
        {"optimizer": name, "lr": 0.003} for name in ("sgd", "adam", "adamw")
    ],
    "momentum": [{"momentum": 0.9, "lr": 0.02}],
    "weight_decay": [
        {"weight_decay": 0.1, "lr": 0.003, "optimizer": optimizer}
        for optimizer in ("sgd", "adam", "adamw")
    ],
    "dropout": [{"dropout": 0.3, "num_layers": 2}],
    "lr_schedule": [
        {"lr_schedule": "cosine"},
        {"lr_schedule": "cosine", "optimizer": "adamw", "lr": 0.003},
    ],
    "seed": [{"seed": 5}],
    "device": [],
}


@pytest.fixture(scope="module")
def few(data):
    """A quarter of them, so that the first 75 losses are of three epochs."""
    train = Split(data.train.images[::4], data.train.labels[::4])
    return replace(data, train=train)


def fresh(config):
    return Member(Result(config, "sample"))


def trained(configs, data):
    """(the first 100 losses of each run, their Results), trained side by side."""
    shared = share(data)
    members = [fresh(config) for config in configs]
    for member in members:
        member.begin(shared.data)
    table = []
    while going_on := [member for member in members if not member.ended]:
        stack = Stack(going_on, shared.on(going_on[0].config.device))
        places = [stack.members.index(member) for member in going_on]
        losses = [step[places] for step in stack.epoch() if step is not None]
        if len(going_on) == len(members):
            table += losses
    return torch.stack(table[:100]).T, [member.result for member in members]


def alone(config, data):
    """(losses, accuracies) of `train`."""
    steps = list(train(config, data, eval_every=None))
    accuracies = [step.full_val_accuracy for step in steps if step.epoch_end]
    return torch.tensor([step.loss for step in steps[:100]]), accuracies


@pytest.mark.parametrize(
    "varied",
    [varied for values in VARIED.values() for varied in values],
    ids=lambda varied: " ".join(
        str(getattr(v, "__name__", v)) for v in varied.values()
    ),
)
def test_side_by_side_each_run_is_the_one_that_train_trains(varied, few):
    config = replace(BASE, **varied)
    other = replace(config, lr=config.lr / 3)  # sees the same pictures
    # None of its numbers is the same.
    stranger = replace(
        *(config,),
        **{"seed": 1, "sigma": 0.03, "lr_schedule": "cosine", "num_epochs": 2},
        **{"momentum": config.momentum / 2, "dropout": config.dropout / 2},
        **{"weight_decay": config.weight_decay / 2, "init": "xavier"},
    )
    losses, results = trained([other, config, stranger], few)
    for of_run, result in zip(losses, results):
        wanted, accuracies = alone(result.config, few)
        wanted = wanted[: len(of_run)]
        torch.testing.assert_close(of_run, wanted, rtol=1e-4, atol=0)
        assert list(result.val_accuracy) == pytest.approx(accuracies, abs=0.005)
        assert result.ok and result.reason.startswith("done after")


def test_every_field_is_compared():
    assert list(VARIED) == [field.name for field in fields(Config)]
    for name, values in VARIED.items():
        assert all(name in varied for varied in values)


def test_a_run_that_breaks_down_ends_as_in_train_and_its_neighbours_go_on(data):
    good = replace(BASE, num_hiddens=64, num_layers=4, batch_size=256)
    bad = replace(good, lr=1.0, sigma=1.0, init="normal", seed=1)
    with_it, without = (trained(some, data)[1] for some in ([good, bad], [good]))
    assert with_it[0].ok and with_it[0].val_accuracy == pytest.approx(
        without[0].val_accuracy, abs=0.005
    )
    *_, last = train(bad, data, eval_every=None)
    for result in (with_it[1], trained([bad], data)[1][0]):
        assert not result.ok and result.reason == last.reason
        assert len(result.val_accuracy) == last.epoch == 1
        assert 0 <= result.accuracy <= 1 and 0 <= result.train_accuracy <= 1


def test_after_any_epoch_a_run_can_go_on_in_another_company(data):
    """Its weights, its optimizer and its random numbers come along."""
    config = replace(BASE, num_epochs=4, dropout=0.2, momentum=0.9, lr=0.01)
    others = [replace(config, seed=seed, lr=0.03) for seed in (1, 2, 3)]
    _, (wanted, *_) = trained([config], data)
    run, shared = fresh(config), share(data)
    for company in others:
        for _ in train_epochs([fresh(company), run], shared, num_epochs=1):
            pass
    assert run.epoch == 3 and not run.ended
    for _ in train_epochs([run], shared):
        pass
    assert run.ended and run.result.val_accuracy == pytest.approx(
        wanted.val_accuracy, abs=0.005
    )
    assert run.result.train_loss == pytest.approx(wanted.train_loss, rel=1e-4)


def test_what_is_stopped_in_an_epoch_is_as_it_was_before_it(data):
    run, shared = fresh(BASE), share(data)
    for _ in train_epochs([run], shared, num_epochs=1):
        pass
    before = [W.clone() for W in run.weights]
    steps = Stack([run], data).epoch()
    for _ in range(3):
        next(steps)
    steps.close()
    assert run.epoch == 1
    for W, then in zip(run.weights, before):
        assert torch.equal(W, then)


@pytest.mark.parametrize("device", [CUDA])
def test_on_a_gpu_it_trains_what_the_cpu_would(device, data):
    configs = [
        replace(BASE, lr=lr, seed=seed) for lr in (0.02, 0.05) for seed in (0, 1)
    ]
    there = [replace(config, device=device) for config in configs]
    losses, results = trained(there, data)
    wanted, expected = trained(configs, data)
    torch.testing.assert_close(losses.cpu(), wanted, rtol=1e-3, atol=0)
    for result, other in zip(results, expected):
        assert result.val_accuracy == pytest.approx(other.val_accuracy, abs=0.01)
        assert result.train_accuracy == pytest.approx(other.train_accuracy, abs=0.01)
