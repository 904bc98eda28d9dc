"""What is read of a training is what was trained, and nothing else is read."""

from dataclasses import replace

import pytest
import torch

import trained_once
from helpers import Config, sweep
from helpers.training import Run
from helpers.tuning import groups
from helpers.tuning.stacked import Network

CONFIG = Config(num_hiddens=8, num_epochs=2, momentum=0.5, dropout=0.2)


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """English kernels keep what they train, and the next ones read it."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRAINED_HERE", str(tmp_path))
    monkeypatch.setattr(groups, "Stack", trained_once.Stack)

    def read():
        monkeypatch.setenv("TRAINED_BEFORE", str(tmp_path))

    return read


def trained(config, data, lr_later=None, kind=trained_once.Run):
    """What is reported of a run, its weights at the end, and whether it was read."""
    run, seen, was_read = kind(config, data), [], False
    for report in run:
        seen.append(replace(report, net=None))
        was_read |= bool(run.net.W1.isnan().any())
        run.lr = lr_later or run.lr
    return seen, [W.tolist() for W in run.net.parameters()], was_read


def test_a_known_run_is_read_and_gives_the_same(data, folders):
    *really, _ = trained(CONFIG, data, kind=Run)
    assert trained(CONFIG, data) == (*really, False)
    assert trained(CONFIG, data) == (*really, False)  # it trains until it may read
    folders()
    assert trained(CONFIG, data) == (*really, True)


SIGMA = {"of both": 0.1}


def own_init(num_inputs, num_hiddens):
    return torch.randn(num_inputs, num_hiddens) * SIGMA["of both"]


def test_what_starts_otherwise_is_trained(data, folders, monkeypatch):
    config = replace(CONFIG, init=own_init)
    trained(config, data)
    folders()
    with pytest.raises(AssertionError):  # the lr was moved in one and not in the other
        trained(config, data, lr_later=0.2)
    monkeypatch.setitem(SIGMA, "of both", 0.2)
    for other in (config, replace(config, seed=1), replace(config, lr=0.2)):
        *really, _ = trained(other, data, kind=Run)
        assert trained(other, data) == (*really, False)


def test_a_known_sweep_is_read_and_gives_the_same(data, folders, tmp_path, monkeypatch):
    configs = [replace(CONFIG, lr=lr) for lr in (0.1, 0.2)]
    found = []
    for home in ("one", "other"):
        monkeypatch.setenv("COURSE_HOME", str(tmp_path / home))
        results = sweep(configs, data)
        found.append([replace(one, seconds=0) for one in results])
        folders()
        monkeypatch.setattr(Network, "step", None)  # nothing is computed any more
    assert found[0] == found[1]
