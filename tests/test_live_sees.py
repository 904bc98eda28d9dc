"""What the lab's panel shows of a net, and that it leaves no trace in the run."""

import numpy as np
import pytest
import torch
from torch import nn

from helpers import lab
from test_live import canvas, control, press, until
from test_own import (
    RNN,
    AutoEncoder,
    LeNet,
    resnet,
    softmax_regression,
    step_of_the_first,
)


@pytest.fixture
def make_lab(data, closed):
    return lambda *arguments, **options: closed(lab(data, *arguments, **options))


def ask(shown, **asked):
    """What the page sends, and then the end of it."""
    canvas(shown)._handle_custom_msg({"sees": asked}, [])
    shown.wait(60)


def shares(shown):
    return torch.tensor(
        np.frombuffer(canvas(shown).sees_scores["shares"], np.float32).reshape(-1, 10)
    )


def pictures(part):
    """Those of a message, as the net gets them."""
    return torch.from_numpy(
        np.frombuffer(part["images"], np.uint8).reshape(-1, 784) / np.float32(255)
    )


def pool(data):
    some = data.val.some(1000)
    return some.images, some.labels


def softmax_of(net, X):
    with torch.no_grad():
        return torch.softmax(net(X), dim=1)


def test_ten_pictures_one_of_each_class_and_their_probabilities(make_lab):
    shown = make_lab(num_hiddens=16)
    ask(shown, open=True)
    sees = canvas(shown).sees
    assert sees["labels"] == list(range(10))
    X = pictures(sees)
    assert torch.allclose(shares(shown), softmax_of(shown.run.net, X), atol=1e-6)
    ask(shown, show="next")
    after = pictures(canvas(shown).sees)
    assert canvas(shown).sees["labels"] == list(range(10))
    assert not any(torch.equal(a, b) for a, b in zip(X, after))
    assert torch.allclose(shares(shown), softmax_of(shown.run.net, after), atol=1e-6)


def test_the_most_wrong_have_the_least_probability_of_their_class(make_lab, data):
    shown = make_lab(num_hiddens=16)
    ask(shown, open=True)
    X, y = pool(data)
    right = softmax_of(shown.run.net, X)[range(len(y)), y]
    worst = right.argsort()[:20]
    for ten, show in ((worst[:10], "wrong"), (worst[10:], "next")):
        ask(shown, show=show)
        sees = canvas(shown).sees
        assert sees["labels"] == y[ten].tolist()
        assert torch.equal(pictures(sees), X[ten])


def test_the_matrix_counts_and_a_cell_shows_its_pictures(make_lab, data):
    shown = make_lab(num_hiddens=16)
    ask(shown, open=True)
    X, y = pool(data)
    said = softmax_of(shown.run.net, X).argmax(dim=1)
    counts = [[0] * 10 for _ in range(10)]
    for true, answer in zip(y.tolist(), said.tolist()):
        counts[true][answer] += 1
    matrix = canvas(shown).sees_matrix
    assert matrix["counts"] == sum(counts, [])
    assert matrix["totals"] == [sum(row) for row in counts]
    true, answer = max(
        ((i, j) for i in range(10) for j in range(10) if i != j),
        key=lambda cell: counts[cell[0]][cell[1]],
    )
    ask(shown, show=[true, answer])
    assert canvas(shown).sees["labels"] == [true] * 10
    assert shares(shown).argmax(dim=1).tolist() == [answer] * 10
    empty = next((i, j) for i in range(10) for j in range(10) if not counts[i][j])
    ask(shown, show=list(empty))
    assert canvas(shown).sees["labels"] == []
    assert canvas(shown).sees["title"].startswith("No ")


def test_a_column_with_what_excites_it_and_where_it_leads(make_lab, data):
    shown = make_lab(num_hiddens=16)
    ask(shown, open=True, unit=5)
    unit, net = canvas(shown).sees_unit, shown.run.net
    assert unit["name"] == "W1[:, 5]"
    assert unit["leads"] == net.W2[5].tolist()
    X, y = pool(data)
    with torch.no_grad():
        best = (X @ net.W1[:, 5]).argsort(descending=True)[:9]
    assert unit["labels"] == y[best].tolist()
    assert torch.equal(pictures(unit), X[best])
    large = np.frombuffer(unit["data"], np.int8) * float(unit["top"]) / 127
    assert np.corrcoef(large, net.W1[:, 5].detach())[0, 1] > 0.99
    control(shown, "num_hiddens").value = 4  # which has no column 5
    until(lambda: canvas(shown).sees_unit["name"] == "W1[:, 3]")
    ask(shown, unit=None)
    assert canvas(shown).sees_unit == {}
    ask(shown, unit=1)
    ask(shown, unit=None)
    ask(shown, unit=1)  # again, at the same step
    assert canvas(shown).sees_unit["name"] == "W1[:, 1]"


@pytest.mark.parametrize(
    "net, unit, says",
    [
        (softmax_regression, "1.weight[3]", "It is the score of a class itself: Dress"),
        (AutoEncoder, "encoder.0.weight[3]", "More layers lie between it and"),
        (LeNet, None, ""),
        (RNN, None, ""),
        pytest.param(resnet, None, "", marks=pytest.mark.slow),
    ],
)
def test_networks_from_elsewhere_are_seen(make_lab, data, net, unit, says):
    step = step_of_the_first if net is AutoEncoder else None
    shown = make_lab(net=net, step=step, batch_size=32)
    ask(shown, open=True, unit=3)
    sees = canvas(shown)
    assert shares(shown).sum(dim=1) == pytest.approx(torch.ones(10), abs=1e-5)
    count = int(sees.sees_matrix["count"].replace(",", ""))
    assert sum(sees.sees_matrix["counts"]) == count >= 100
    assert sees.sees_unit.get("name") == unit
    assert sees.sees_unit.get("says", "").startswith(says)


def test_closed_it_computes_and_sends_nothing(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=1)
    asked = []
    shown._sees.update = lambda *_: asked.append(1)
    press(shown, "Start")
    shown.wait(60)
    ask(shown, open=True)
    assert len(asked) == 1
    ask(shown, open=False)
    press(shown, "Back to step 0")
    press(shown, "Start")
    shown.wait(60)
    assert len(asked) == 1
    seen = canvas(shown)
    assert "images" not in seen.sees and not (seen.sees_scores or seen.sees_matrix)


class Counts(nn.Module):
    """Its parts, modes and random numbers are all touched by a pass."""

    def __init__(self, num_hiddens=16):
        super().__init__()
        self.norm = nn.BatchNorm1d(784, track_running_stats=True)
        self.layers = nn.Sequential(
            nn.Linear(784, num_hiddens), nn.Dropout(0.2), nn.Linear(num_hiddens, 10)
        )
        self.register_buffer("seen", torch.zeros(()))
        self.layers[1].eval()

    def forward(self, X):
        self.seen += 1
        return self.layers(self.norm(X)) + 0 * torch.rand(())


@pytest.mark.slow
@pytest.mark.parametrize("net", [None, Counts])
def test_a_run_is_the_same_to_the_bit_with_the_panel_open(make_lab, data, net):
    options = {"dropout": 0.2} if net is None else {"net": net}
    runs = []
    for is_open in (False, True):
        shown = make_lab(num_epochs=2, seed=3, **options)
        if is_open:
            ask(shown, open=True, unit=1)
        state = torch.get_rng_state()
        press(shown, "Start")
        shown.wait(60)
        if is_open and net is None:
            assert torch.equal(state, torch.get_rng_state())
        assert shown.run.net.training or net
        runs.append((canvas(shown).frame, shown.run.net.state_dict()))
    (frame, weights), (other, others) = runs
    assert frame["curves"] == other["curves"]
    for name in weights.keys() - {"seen"}:
        assert torch.equal(weights[name], others[name]), name


def test_a_look_leaves_modes_buffers_and_random_numbers(make_lab):
    shown = make_lab(net=Counts)
    net = shown.run.net
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [part.training for part in net.modules()]
    state = torch.get_rng_state()
    ask(shown, open=True)
    assert shares(shown).isfinite().all()
    assert torch.equal(state, torch.get_rng_state())
    assert modes == [part.training for part in net.modules()]
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_it_follows_a_run_and_a_new_one_and_says_what_is_not_a_number(make_lab):
    shown = make_lab(("num_hiddens", "sigma"), num_hiddens=16, num_epochs=9)
    ask(shown, open=True)
    first = shares(shown)
    press(shown, "Start")
    shown.wait(60)
    X = pictures(canvas(shown).sees)
    assert not torch.equal(first, shares(shown))
    assert torch.allclose(shares(shown), softmax_of(shown.run.net, X), atol=1e-6)
    press(shown, "Back to step 0")
    shown.wait(60)
    assert shares(shown).max() < 0.2
    line = "num_hiddens=256 num_layers=3 lr=1 sigma=1"
    canvas(shown)._handle_custom_msg({"settings": line}, [])
    shown.wait(60)
    assert canvas(shown).frame["state"] == "diverged"
    assert canvas(shown).sees_scores["said"] == [-1] * 10
    assert "NaN or infinite" in canvas(shown).sees_scores["problem"]
    assert sum(canvas(shown).sees_matrix["counts"]) == 0
    ask(shown, open=False)
    ask(shown, open=True)
    assert "NaN or infinite" in canvas(shown).sees_scores["problem"]


def test_a_lazy_net_is_as_it_was_until_its_first_step(make_lab):
    shown = make_lab(net=softmax_regression, seed=3)
    weights = {}
    for is_open in (False, True):
        ask(shown, open=is_open)
        press(shown, "Back to step 0")
        shown.wait(60)
        assert nn.parameter.is_lazy(shown.run.net[1].weight)
        press(shown, "one training step")
        shown.wait(60)
        weights[is_open] = shown.run.net[1].weight.detach().clone()
    assert torch.equal(weights[False], weights[True])
    assert shares(shown).isfinite().all()


class Picky(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(784, 10)

    def forward(self, X):
        if len(X) == 10:
            raise ValueError("not ten")
        return self.layer(X)


def test_a_net_that_fails_on_the_pictures_is_named_and_trains_on(make_lab):
    shown = make_lab(net=Picky, num_epochs=1)
    ask(shown, open=True)
    problem = canvas(shown).sees_scores["problem"]
    assert problem.startswith("The net fails on these pictures. ValueError at line ")
    press(shown, "Start")
    shown.wait(60)
    assert canvas(shown).frame["state"] == "done"


def test_screen_readers_hear_what_it_shows(make_lab):
    shown = make_lab(num_hiddens=16)
    ask(shown, open=True)
    told = canvas(shown).sees_told
    said = shares(shown).argmax(dim=1)
    right = (said == torch.arange(10)).sum()
    assert f"it gets {right} of these 10 pictures right." in told["say"]
    assert "of 1,000 validation pictures right." in told["say"]
    assert told["pictures"].count("%") == 10
    ask(shown, unit=2)
    assert "W1[:, 2] is excited most by: " in canvas(shown).sees_told["pictures"]
