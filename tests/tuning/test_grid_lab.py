"""The grid lab, without a browser."""

import base64
import re
import threading
import time

import pytest
import torch

from helpers import evaluate, grid_lab, load_fashion_mnist, train
from helpers.data import Split
from helpers.tuning.grid_lab import LRS, PREVIEW_STEPS, WIDTHS
from pictures import shown as shown_picture


@pytest.fixture(scope="module")
def data():
    full = load_fashion_mnist("sample")
    few = Split(full.train.images[:1000], full.train.labels[:1000])
    return type(full)(few, *(getattr(full, name) for name in _others(full)))


def _others(full):
    return [name for name in vars(full) if name != "train"]


@pytest.fixture
def make(data, closed):
    """A grid of quick steps, unless told otherwise."""
    return lambda **defaults: closed(grid_lab(data, **{"batch_size": 20} | defaults))


def cells(grid):
    return {
        (cell.config.num_hiddens, cell.config.lr): cell
        for row in grid.rows
        for cell in row.cells
    }


def frame(grid):
    return grid.children[2].frame


def control(grid, name):
    return next(one for one in grid.children[1].children if one.description == name)


def until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within a minute")


def finish(grid):
    grid.start()
    grid.wait(120)
    return cells(grid)


@pytest.mark.slow
def test_each_cell_is_the_run_that_train_trains(make, data):
    grid = make(num_layers=2, init="kaiming", batch_size=100, num_epochs=2)
    known = finish(grid)
    assert frame(grid)["state"] == "done" and len(known) == 64
    for width, lr in ((2, 0.002), (16, 0.1), (256, 0.3), (64, 2.0)):
        cell = known[width, lr]
        assert (cell.config.num_hiddens, cell.config.lr) == (width, lr)
        *_, last = train(cell.config, data)
        some = data.val.some(500)
        val_loss, accuracy = evaluate(last.net, some.images, some.labels)
        assert cell.step == cell.measured == last.step == 20
        assert cell.loss == pytest.approx(last.loss, rel=1e-3)
        assert cell.val_loss == pytest.approx(val_loss, rel=1e-3)
        assert cell.accuracy == pytest.approx(accuracy, abs=0.005)


def test_it_is_there_at_once_and_the_same_each_time(make):
    first, second = make(), make()
    assert all(cell.step == PREVIEW_STEPS for cell in cells(first).values())
    assert frame(first) == frame(second) and frame(first)["state"] == "preview"
    bundles = [one._repr_mimebundle_()[0] for one in (first, second)]
    assert bundles[0]["text/plain"] == bundles[1]["text/plain"]
    assert "num_layers=1 batch_size=20 init=normal" in bundles[0]["text/plain"]
    assert len(base64.b64decode(bundles[0]["image/png"])) > 5000
    shown_picture(first._picture())


def test_a_cell_shows_its_accuracy_its_setting_and_where_it_stands(make):
    grid = make(init="kaiming", batch_size=256)
    for cell, shown in zip(cells(grid).values(), frame(grid)["cells"]):
        assert shown["settings"] == str(cell.config)
        accuracy = f"{cell.accuracy:.2f}"
        assert shown["text"] == accuracy.removeprefix("0")
        assert shown["label"].endswith(f"accuracy {accuracy}")
        assert re.match(r"Step 10\. Train: loss \d\.\d{3} on", shown["details"])
    best = frame(grid)["cells"][frame(grid)["best"]]["text"]
    assert best == max(shown["text"] for shown in frame(grid)["cells"])


@pytest.mark.slow
def test_networks_that_diverge_leave_their_neighbours_as_they_were(make, data):
    settings = {"num_layers": 3, "sigma": 0.5, "init": "normal", "batch_size": 200}
    known = finish(make(num_epochs=2, **settings))
    broken = [cell for cell in known.values() if cell.diverged]
    sound = [cell for cell in known.values() if not cell.diverged]
    assert broken and sound
    beside = {cell.config.num_hiddens for cell in broken}
    for cell in [one for one in sound if one.config.num_hiddens in beside][:3]:
        *_, last = train(cell.config, data)
        assert cell.step == last.step == 10
        assert cell.loss == pytest.approx(last.loss, rel=2e-3)
    for cell in broken[:3]:
        *_, last = train(cell.config, data)
        assert cell.diverged == last.step and "stopped at" in last.reason
        shown = cell.frame()
        assert shown["text"] == "×"
        assert shown["label"].endswith(f"diverged at step {last.step}")
        assert "ground" not in shown


def test_where_all_diverge_it_says_so_and_ends(make):
    grid = make(init=lambda n_in, n_out: torch.full((n_in, n_out), 1e30))
    finish(grid)
    assert "All networks have diverged." in frame(grid)["status"]
    assert frame(grid)["best"] is None and grid._picture() is None


def test_a_change_abandons_all_runs_within_a_step_of_one_row(make):
    grid = make(num_epochs=1000)
    taken = []
    begin, old = grid._begin, grid.rows

    def count():
        taken.append([row.step for row in old])
        begin()

    grid._begin = count
    advance, entered, go_on = grid._advance, threading.Event(), threading.Event()

    def advance_when_told():
        entered.set()
        go_on.wait(60)
        advance()

    grid._advance = advance_when_told
    grid.start()
    assert entered.wait(60)
    control(grid, "num_layers").value = 2
    before = sum(line.step for line in old)
    go_on.set()
    until(lambda: frame(grid)["run"] == 2)
    grid.start()
    grid.wait(60)
    assert sum(taken[0]) - before <= 1
    assert {cell.config.num_layers for cell in cells(grid).values()} == {2}


def test_all_rows_are_within_a_step_of_each_other(make):
    grid = make(num_epochs=1000)
    grid.start()
    until(lambda: frame(grid)["step"] >= PREVIEW_STEPS + 5)
    grid.start()
    grid.wait(60)
    steps = [row.step for row in grid.rows]
    assert max(steps) - min(steps) <= 1
    assert frame(grid)["status"].startswith("Paused. Step ")


def test_reset_goes_back_to_the_first_weights(make):
    grid = make()
    grid.children[0].children[1].click()
    grid.wait(60)
    assert frame(grid)["state"] == "fresh"
    assert {shown["text"] for shown in frame(grid)["cells"]} == {""}
    assert frame(grid)["status"] == "Nothing is trained yet."


def test_a_learners_own_init_trains_or_says_what_is_wrong(make):
    def small(num_inputs, num_outputs):
        return torch.rand(num_inputs, num_outputs) * 0.02

    def wrong(num_inputs, num_outputs):
        return 1 / 0

    assert "init=small" in frame(make(init=small))["cells"][0]["settings"]
    grid = make(init=wrong)
    assert (
        "ZeroDivisionError: division by zero"
        in grid._repr_mimebundle_()[0]["text/plain"]
    )
    with pytest.raises(ZeroDivisionError):
        grid.wait(10)


def test_what_can_not_be_is_refused_in_one_sentence(make, data):
    with pytest.raises(ValueError, match="its own values of lr; leave lr out"):
        make(lr=0.1)
    with pytest.raises(ValueError, match="did you mean 'num_layers'"):
        make(num_layer=2)
    grid = make(momentum=0.9)
    control(grid, "optimizer").value = "adam"
    with pytest.raises(ValueError, match="momentum"):
        grid.wait(60)
    assert "momentum=0.9 has no effect" in grid.children[2].note
    control(grid, "optimizer").value = "sgd"
    grid.start()
    assert len(cells(grid)) == len(LRS) * len(WIDTHS)
