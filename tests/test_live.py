"""The lab without a browser: commands, the worker, and what is drawn."""

import base64
import ctypes
import random
import re
import threading
import time
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from helpers import MLP, Config, lab, train
from helpers.instruments.state import Snapshot
from helpers.live.history import History
from helpers.live.weights import packed, shown_weights
from helpers.own import own_config
from helpers.own.inside import _cells


@pytest.fixture
def make_lab(data, closed):
    return lambda *arguments, **options: closed(lab(data, *arguments, **options))


def canvas(shown):
    return shown.children[2]


def control(shown, name):
    return next(c for c in shown.children[1].children if c.description == name)


def press(shown, name):
    next(b for b in shown.children[0].children if name in b.tooltip).click()


def settings(shown):
    return canvas(shown).settings


def send(shown, **message):
    """What the page sends, such as a settings line."""
    canvas(shown)._handle_custom_msg(message, [])


def until(condition, seconds=60):
    """Wait for what the worker does on its own thread."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def assert_the_code_repeats_the_run(shown):
    press(shown, "Start")
    shown.wait(60)
    press(shown, "plain PyTorch")
    shown.wait(60)
    names = {}
    exec(canvas(shown).code, names)
    assert curve(shown, "batch") == pytest.approx(names["losses"], rel=1e-6)


def is_running(shown):
    frame = canvas(shown).frame
    return frame["state"] == "running" and frame["step"] > 3


def curve(shown, name):
    return drawn_curve(canvas(shown).frame, name)


def drawn_curve(frame, name):
    """The y of a curve, as the page reads it."""
    lengths, at = frame["curves"]["lengths"], 0
    values = np.frombuffer(frame["curves"]["values"], np.float32)
    for one, length in lengths.items():
        if one == name:
            return values[at + length : at + 2 * length]
        at += 2 * length


def test_no_thread_before_the_first_touch(make_lab, workers):
    shown = make_lab()
    assert workers() == []
    assert canvas(shown).frame["status"].startswith("Preview, the first 100 steps.")
    shown.wait()


def test_a_slider_trains_what_it_says(make_lab, data):
    shown = make_lab(("num_hiddens", "num_epochs"), num_epochs=1)
    control(shown, "num_hiddens").value = 16
    shown.wait(60)
    *_, last = train(Config(num_hiddens=16, num_epochs=1), data)
    assert f"{last.full_val_accuracy:.4f}" in canvas(shown).frame["status"]
    assert canvas(shown).frame["state"] == "done"
    assert settings(shown) == "num_hiddens=16 lr=0.1 num_epochs=1"


def test_the_curves_are_the_runs_own(make_lab, data):
    shown = make_lab(("num_hiddens", "num_epochs"), num_epochs=2)
    control(shown, "num_hiddens").value = 8
    shown.wait(60)
    history = list(train(Config(num_hiddens=8, num_epochs=2), data))
    measured = [p.val_accuracy for p in history if p.val_accuracy is not None]
    assert curve(shown, "val_accuracy") == pytest.approx(measured)
    assert curve(shown, "batch") == pytest.approx([p.loss for p in history])


@pytest.mark.slow
def test_a_long_run_has_curves_of_bounded_length(make_lab):
    shown = make_lab(num_hiddens=2, num_epochs=30)
    press(shown, "Start")
    shown.wait(120)
    batch = curve(shown, "batch")
    assert 150 <= len(batch) <= 300
    assert batch[0] > batch[-1]


def test_the_latest_value_wins(make_lab):
    shown = make_lab(("num_hiddens", "seed"), num_epochs=1000)
    for value in (1, 2, 4, 8, 32):
        control(shown, "num_hiddens").value = value
    until(lambda: shown.run and shown.run.config.num_hiddens == 32)
    assert shown.run.net.W1.shape == (784, 32)


def test_a_new_value_abandons_the_run_within_one_step(make_lab):
    shown = make_lab(("num_hiddens",), num_epochs=1000)
    press(shown, "Start")
    until(lambda: is_running(shown))
    old, steps = shown.run, []
    advance = shown._advance
    shown._advance = lambda: (steps.append(shown.run), advance())
    control(shown, "num_hiddens").value = 8
    submitted = len(steps)
    until(lambda: shown.run is not old and len(steps) > submitted + 3)
    assert steps[submitted:].count(old) <= 1
    assert old not in steps[submitted + 1 :]


def test_lr_acts_on_the_running_model(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=1000)
    press(shown, "Start")
    until(lambda: is_running(shown))
    run = shown.run
    control(shown, "lr").value = 0.5
    until(lambda: len(run.lr_changes) == 2)
    assert shown.run is run and run.lr_changes[1][1] == 0.5
    assert settings(shown) == "num_hiddens=8 lr=0.5 num_epochs=1000"


def test_pause_step_and_go_on(make_lab, data):
    shown = make_lab(num_hiddens=8, num_epochs=1)
    press(shown, "one training step")
    shown.wait(60)
    assert canvas(shown).frame["step"] == 1
    press(shown, "one training step")
    press(shown, "one training step")
    shown.wait(60)
    assert canvas(shown).frame["step"] == 3
    assert canvas(shown).frame["state"] == "paused"
    press(shown, "Start")
    shown.wait(60)
    *_, last = train(Config(num_hiddens=8, num_epochs=1), data)
    assert f"{last.full_val_accuracy:.4f}" in canvas(shown).frame["status"]


def test_pause_holds_a_run(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=1000)
    press(shown, "Start")
    until(lambda: is_running(shown))
    press(shown, "Start")
    shown.wait(60)
    assert canvas(shown).frame["state"] == "paused"
    assert canvas(shown).frame["status"].startswith("Paused.")
    step = canvas(shown).frame["step"]
    time.sleep(0.2)
    assert canvas(shown).frame["step"] == shown._state.newest.step == step


def test_a_lab_that_no_page_shows_pauses_until_one_does(make_lab):
    shown = make_lab(num_hiddens=512, num_epochs=1000)
    press(shown, "Start")
    until(lambda: is_running(shown) and len(shown._history.kept) > 5)
    shown._watch.is_gone = lambda: True
    shown.wait(60)
    assert shown._history.num_bytes <= 5e6  # and no longer 50 MB
    run, frame = shown.run, canvas(shown).frame
    assert frame["state"] == "away"
    assert frame["status"].startswith("Paused, because no page shows this lab. Step ")
    del shown._watch.is_gone
    canvas(shown)._handle_custom_msg("shown", [])
    until(lambda: is_running(shown) and canvas(shown).frame["step"] > frame["step"])
    assert shown.run is run
    press(shown, "Start")
    shown.wait(60)
    canvas(shown)._handle_custom_msg("shown", [])
    shown.wait(60)
    assert canvas(shown).frame["state"] == "paused"  # a page does not start it
    go_back(shown, 3, "look")  # as before, by more steps
    assert canvas(shown).frame["status"].startswith("Step 3 of ")


def test_reset_shows_the_first_weights(make_lab):
    shown = make_lab(num_hiddens=8)
    press(shown, "Back to step 0")
    shown.wait(60)
    assert canvas(shown).frame["step"] == 0
    assert len(curve(shown, "batch")) == 0
    drawn = np.frombuffer(canvas(shown).tiles["data"], np.int8).reshape(8, 784)
    expected = MLP(784, 8, 10, seed=0).W1.detach().T
    scaled = (expected / expected.abs().quantile(0.99)).clamp(-1, 1)
    assert np.abs(drawn / 127 - scaled.numpy()).max() < 0.01


def test_new_seed_starts_another_run(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=1)
    press(shown, "next seed")
    shown.wait(60)
    assert shown.run.config.seed == 1
    with shown._condition:  # so that both meet in one round of the worker
        press(shown, "next seed")
        press(shown, "next seed")
    shown.wait(60)
    assert shown.run.config.seed == 3
    with_slider = make_lab(("seed",), num_hiddens=8, num_epochs=1, seed=9)
    press(with_slider, "next seed")
    with_slider.wait(60)
    assert with_slider.run.config.seed == control(with_slider, "seed").value == 10


def test_pinned_runs_stay_and_the_oldest_makes_room(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=1)
    for _ in range(5):
        press(shown, "Keep this run")
    shown.wait(60)
    assert [pin["name"] for pin in canvas(shown).pins] == ["B", "C", "D", "E"]
    assert canvas(shown).pins[0]["label"] == "num_hiddens=8 lr=0.1 num_epochs=1"
    assert "oldest was removed" in canvas(shown).note


def test_a_removed_pin_makes_room_for_one_that_looks_like_no_other(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=1)
    for _ in range(3):
        press(shown, "Keep this run")
    send(shown, unpin="B")
    press(shown, "Keep this run")
    press(shown, "Keep this run")
    shown.wait(60)
    pins = canvas(shown).pins
    assert [pin["name"] for pin in pins] == ["A", "C", "D", "E"]
    assert sorted(pin["place"] for pin in pins) == [0, 1, 2, 3]
    assert pins[0]["remove"] == "Remove pin A"


def test_a_pin_says_that_lr_was_changed(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=1)
    press(shown, "Back to step 0")
    for step in range(3):
        if step:
            control(shown, "lr").value = (None, 0.2, 0.5)[step]
        press(shown, "one training step")
        shown.wait(60)
        press(shown, "Keep this run")
    shown.wait(60)
    line = "num_hiddens=8 lr=0.1 num_epochs=1"
    assert [pin["label"] for pin in canvas(shown).pins] == [
        line,
        f"{line}, lr changed to 0.2 at step 1",
        f"{line}, lr changed 2 times, to 0.5 at step 2",
    ]


def test_a_pasted_line_moves_the_sliders_and_trains(make_lab):
    shown = make_lab(("num_hiddens", "lr"), num_epochs=1)
    send(shown, settings="num_hiddens=100 lr = 0.25 num_epochs=1,activation=tanh\n")
    shown.wait(60)
    assert control(shown, "num_hiddens").value == 100
    assert control(shown, "lr").value == 0.25
    assert shown.run.config == Config(100, lr=0.25, num_epochs=1, activation="tanh")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("lr=fast", "lr=fast can't be read"),
        ("width=3", "There is no setting 'width'"),
        ("num_hiddens 8", "'num_hiddens' isn't of the form name=value"),
        ("num_hiddens=8 lr=1000", "lr must be a number above 0 and at most 100"),
        ("lr=0.1 num_hiddens=8 lr=0.2", "lr is given twice, as 0.1 and 0.2"),
        ("num_hiddens=8 init=foo", "no init 'foo'; it has: normal, "),
        ("  ", "An empty line holds no settings, so nothing has changed."),
    ],
)
def test_a_line_that_cannot_be_read_changes_nothing(make_lab, text, complaint):
    shown = make_lab(num_epochs=1)
    run = shown.run
    send(shown, settings=text)
    until(lambda: complaint in canvas(shown).note)
    assert canvas(shown).refused and "\n" not in canvas(shown).note
    assert shown.run is run and control(shown, "num_hiddens").value == 256
    press(shown, "one training step")
    until(lambda: not canvas(shown).refused)


def test_a_refused_init_names_also_the_learners_own(make_lab):
    def my_line(num_inputs, num_hiddens):
        return torch.full((num_inputs, num_hiddens), 0.02)

    shown = make_lab(init=my_line, num_epochs=1)
    send(shown, settings="init=foo")
    until(lambda: canvas(shown).note.endswith(", my_line."))
    send(shown, settings="num_hiddens=4 init=my_line num_epochs=1")
    shown.wait(60)
    assert shown.run.config.init is my_line


def test_the_code_button_shows_code_that_repeats_the_run(make_lab, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")
    shown = make_lab(num_hiddens=8, num_epochs=1)
    assert_the_code_repeats_the_run(shown)
    press(shown, "plain PyTorch")
    shown.wait(60)
    assert canvas(shown).code == ""


def test_the_learners_own_line_trains(make_lab):
    def my_line(num_inputs, num_hiddens):
        return torch.full((num_inputs, num_hiddens), 0.02)

    shown = make_lab(("num_hiddens", "init"), init=my_line, num_epochs=1)
    assert ("my_line", my_line) in control(shown, "init").options
    control(shown, "num_hiddens").value = 4
    shown.wait(60)
    assert shown.run.config.init is my_line


def test_an_error_in_training_is_one_line_and_raises_from_wait(make_lab):
    def broken(num_inputs, num_hiddens):
        if num_hiddens == 16:
            raise RuntimeError("I meant\nwell")
        return torch.randn(num_inputs, num_hiddens)

    shown = make_lab(("num_hiddens",), init=broken, num_epochs=1)
    control(shown, "num_hiddens").value = 16
    with pytest.raises(RuntimeError, match="I meant"):
        shown.wait(60)
    assert canvas(shown).frame["status"] == (
        "Training failed. RuntimeError: I meant well"
    )
    control(shown, "num_hiddens").value = 8
    shown.wait(60)
    assert canvas(shown).frame["state"] == "done"


def test_an_own_line_that_exits_does_not_end_the_worker(make_lab):
    def leaves(num_inputs, num_hiddens):
        if num_hiddens == 16:
            raise SystemExit("gone")
        return torch.randn(num_inputs, num_hiddens)

    shown = make_lab(("num_hiddens",), init=leaves, num_epochs=1)
    control(shown, "num_hiddens").value = 16
    with pytest.raises(SystemExit):
        shown.wait(60)
    assert shown._repr_mimebundle_()[0]["text/plain"].endswith("SystemExit: gone")
    control(shown, "num_hiddens").value = 8
    shown.wait(60)
    assert canvas(shown).frame["state"] == "done"


def test_a_large_net_has_a_short_preview(make_lab):
    shown = make_lab(num_hiddens=1024, num_layers=8, batch_size=20)
    status = canvas(shown).frame["status"]
    assert status.startswith("Preview, the first 12 steps.")


def test_a_preview_that_is_the_whole_run_is_done(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=2)  # 48 steps on the sample
    assert canvas(shown).frame["state"] == "done"
    assert canvas(shown).frame["status"].startswith("Done after 48 steps")


def test_reset_and_start_in_one_go_begin_anew(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=1000)
    press(shown, "Start")
    until(lambda: is_running(shown))
    press(shown, "Start")
    shown.wait(60)
    old = shown.run
    with shown._condition:  # so that both meet in one round of the worker
        press(shown, "Back to step 0")
        press(shown, "Start")
    until(lambda: is_running(shown))
    assert shown.run is not old


def test_a_pin_carries_the_setting_it_was_trained_with(make_lab):
    shown = make_lab(("num_hiddens",), num_hiddens=8, num_epochs=1000)
    press(shown, "Start")
    until(lambda: is_running(shown))
    with shown._condition:
        control(shown, "num_hiddens").value = 64
        press(shown, "Keep this run")
    until(lambda: canvas(shown).pins)
    assert canvas(shown).pins[0]["label"] == "num_hiddens=8 lr=0.1 num_epochs=1000"
    assert canvas(shown).note == "Pinned as A."


def test_divergence_is_said(make_lab):
    shown = make_lab(num_layers=3, sigma=1, lr=1)
    assert canvas(shown).frame["state"] == "diverged"
    assert "try a smaller lr" in canvas(shown).frame["status"]
    shown.wait()


def test_waiting_too_short_is_said(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=1000)
    press(shown, "Start")
    with pytest.raises(TimeoutError, match="after 0.05 s"):
        shown.wait(0.05)


@pytest.mark.parametrize(
    "arguments, options, complaint",
    [
        (("width",), {}, "no control 'width'"),
        ((("width",),), {}, "no control 'width'; it has: num_hiddens,"),
        ((), {"num_hidden": 3}, "did you mean 'num_hiddens'"),
        ((), {"lr": 0}, "lr must be a number above 0"),
    ],
)
def test_a_wrong_argument_is_named(data, arguments, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        lab(data, *arguments, **options)


def test_what_is_no_data_is_named():
    with pytest.raises(TypeError, match=r"^lab\(data\) needs .* you gave NoneType"):
        lab(None)


def test_without_a_front_end_there_is_a_picture_and_a_stable_line(make_lab):
    bundle, metadata = make_lab(num_hiddens=8)._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"].startswith(
        "Live lab with num_hiddens, lr, at num_hiddens=8 lr=0.1."
    )
    assert "num_hiddens=8" in metadata["image/png"]["alt"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_curves_stand_still_while_a_picture_of_them_is_drawn(make_lab, monkeypatch):
    def slow(curves, *_):  # a cell that shows a lab which trains
        batch = curves.by_name["batch"]
        with memoryview(batch.x), memoryview(batch.y):
            length = len(batch.x)
            time.sleep(0.1)
            return length == len(batch.x) == len(batch.y)

    shown = make_lab(num_hiddens=2, num_epochs=1000)
    press(shown, "Start")
    until(lambda: is_running(shown))
    monkeypatch.setattr("helpers.live.plot_lab", slow)
    assert all(shown._picture() for _ in range(5))
    assert is_running(shown)


def test_a_lab_that_failed_says_so_also_without_a_front_end(make_lab):
    shown = make_lab(init=lambda num_inputs, num_hiddens: None)
    bundle, _ = shown._repr_mimebundle_()
    assert "returned NoneType" in bundle["text/plain"]
    with pytest.raises(ValueError, match="NoneType"):
        shown.wait()


def test_every_control_has_a_description_and_a_sentence(make_lab):
    names = ("num_hiddens", "num_layers", "activation", "lr", "batch_size", "init")
    names += ("num_epochs", "sigma", "optimizer", "momentum", "weight_decay", "seed")
    names += ("dropout", "lr_schedule")
    shown = make_lab(names)
    assert tuple(c.description for c in shown.children[1].children) == names
    for one in (*shown.children[0].children, *shown.children[1].children):
        assert one.description and one.tooltip.endswith(".")


def memory():
    """Bytes of this process, without what C keeps for later."""
    with suppress(AttributeError, TypeError):  # Linux alone has it
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


@pytest.mark.slow
def test_three_hundred_moves_leave_one_worker_and_little_memory(make_lab, workers):
    shown = make_lab(num_epochs=1000)
    slider = control(shown, "num_hiddens")

    def move(times):
        for i in range(times):
            slider.value = (64, 128, 256)[i % 3]
            time.sleep(0.01)
        until(lambda: is_running(shown))

    move(99)  # what is kept of a first run of each width is no growth
    before = memory()
    move(300)
    assert len(workers()) == 1
    assert memory() - before < 20e6


def test_closing_ends_the_worker(make_lab, workers, all_end):
    shown = make_lab(num_hiddens=8, num_epochs=1000)
    press(shown, "Start")
    until(lambda: is_running(shown))
    assert len(workers()) == 1
    shown.close()
    assert all_end()


def test_a_single_step_says_what_it_measured(make_lab):
    shown = make_lab(num_hiddens=8)
    press(shown, "Back to step 0")
    said = set()
    for step in range(1, 13):
        press(shown, "one training step")
        shown.wait(60)
        status = canvas(shown).frame["status"]
        assert status.startswith(f"Paused. Step {step} of")
        said.add(status.partition("Train:")[2])
    assert len(said) == 12
    batches = shown._curves.by_name["batch"]
    assert len(batches.y) == len(shown._curves.by_name["val_loss"].y) == 12


HUGE = "num_hiddens=65536 num_layers=20"
TOO_LARGE = (
    r"num_hiddens=65536 num_layers=20.* makes 81,\d\d\d million weights and needs "
    r"about [\d,.]+ GB of memory, but [\d,.]+ GB are free here"
)


def test_a_line_that_needs_too_much_memory_changes_nothing(make_lab, data):
    shown = make_lab(num_hiddens=8, num_epochs=1)
    run = shown.run
    send(shown, settings=HUGE)
    until(lambda: canvas(shown).refused)
    assert re.match(TOO_LARGE, canvas(shown).note)
    assert shown.run is run and control(shown, "num_hiddens").value == 8
    assert canvas(shown).frame["state"] == "done"
    with pytest.raises(ValueError, match=TOO_LARGE):
        lab(data, num_hiddens=65536, num_layers=20)


# --- A learner's own net and step


def small_net(num_hiddens, drop=0.2, norm=False):
    layers = [nn.Linear(784, num_hiddens), nn.ReLU(), nn.Dropout(drop)]
    norms = [nn.BatchNorm1d(num_hiddens)] if norm else []
    return nn.Sequential(*layers, *norms, nn.Linear(num_hiddens, 10))


def small_step(net, optimizer, X, y):
    loss = F.cross_entropy(net(X), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def filters(size=3):
    convolution = nn.Conv2d(1, 20, size)
    return nn.Sequential(convolution, nn.Flatten(), nn.LazyLinear(10))


def test_an_own_net_that_needs_too_much_memory_is_never_made(make_lab):
    made = []

    def wide(num_hiddens=8):
        layers = [nn.Linear(784, num_hiddens)]
        layers += [nn.Linear(num_hiddens, num_hiddens) for _ in range(20)]
        made.append(layers[0].weight.device.type)
        return nn.Sequential(*layers, nn.Linear(num_hiddens, 10))

    shown = make_lab(net=wide)
    send(shown, settings="num_hiddens=65536")
    until(lambda: canvas(shown).refused)
    assert "makes 85,953 million weights and needs about" in canvas(shown).note
    assert made == ["cpu", "meta"]


ENDLESS = threading.Event()


def endless_step(net, optimizer, X, y):
    while ENDLESS.is_set():
        pass
    return small_step(net, optimizer, X, y)


@pytest.fixture
def endless():
    yield ENDLESS
    ENDLESS.clear()


def test_a_nets_arguments_have_controls_that_train_what_they_say(make_lab, data):
    shown = make_lab(net=small_net, num_epochs=1)
    names = [c.description for c in shown.children[1].children]
    assert names == ["num_hiddens", "drop", "norm", "lr"]
    for one in shown.children[1].children:
        assert one.tooltip.endswith(".")
    control(shown, "norm").value = True
    control(shown, "num_hiddens").value = 16
    shown.wait(60)
    line = "num_hiddens=16 lr=0.1 num_epochs=1 drop=0.2 norm=True"
    assert settings(shown) == line
    *_, last = train(shown.config, data)
    assert f"{last.full_val_accuracy:.4f}" in canvas(shown).frame["status"]
    send(shown, settings=line.replace("0.2", "0.3").replace("True", "False"))
    shown.wait(60)
    assert control(shown, "norm").value is False
    assert control(shown, "drop").value == 0.3
    assert shown.run.net[2].p == 0.3


def test_a_net_may_have_the_argument_device_beside_controls_that_are_asked_for(
    make_lab,
):
    def placed(num_hiddens, device="cpu"):
        return small_net(num_hiddens).to(device)

    for controls, more in ((None, ["lr"]), ("seed", ["seed"])):
        shown = make_lab(controls=controls, net=placed, num_epochs=1)
        names = [c.description for c in shown.children[1].children]
        assert names == ["num_hiddens", *more]


def test_the_lab_says_in_which_shape_a_net_takes_pictures(make_lab):
    for net, shape in ((filters, "(N, 1, 28, 28)"), (small_net, "(N, 784)")):
        shown = make_lab(net=net, batch_size=20)
        press(shown, "Back to step 0")
        shown.wait(60)
        said = f"{net.__name__} takes pictures of shape {shape}."
        assert canvas(shown).frame["status"].endswith(said)


def test_what_there_is_is_shown_and_a_menu_picks(make_lab):
    shown = make_lab(net=small_net, num_hiddens=8, num_epochs=1)
    assert canvas(shown).weights == ["0.weight", "3.weight"]
    tiles = canvas(shown).tiles
    assert (tiles["name"], tiles["count"], tiles["high"]) == ("0.weight", 8, 28)
    drawn = np.frombuffer(tiles["data"], np.int8).reshape(8, 784)
    weight = shown.run.net[0].weight.detach()
    scaled = (weight / weight.abs().quantile(0.99)).clamp(-1, 1)
    assert np.abs(drawn / 127 - scaled.numpy()).max() < 0.01
    send(shown, weights="3.weight")
    shown.wait(60)
    tiles = canvas(shown).tiles
    assert (tiles["name"], tiles["high"], tiles["wide"]) == ("3.weight", 10, 8)
    shown = make_lab(net=filters, batch_size=20)
    tiles = canvas(shown).tiles
    assert (tiles["count"], tiles["high"], tiles["wide"]) == (16, 3, 3)
    assert tiles["captions"][0] == "16 of 20 filters, 3\u00d73 each"


def test_lr_pin_pause_and_step_work_with_an_own_step(make_lab):
    shown = make_lab(net=small_net, step=small_step, num_hiddens=8, num_epochs=1000)
    press(shown, "Start")
    until(lambda: is_running(shown))
    run = shown.run
    control(shown, "lr").value = 0.5
    until(lambda: len(run.lr_changes) == 2)
    press(shown, "Keep this run")
    press(shown, "Start")
    shown.wait(60)
    assert shown.run is run and canvas(shown).frame["state"] == "paused"
    assert ", lr changed to 0.5 at step" in canvas(shown).pins[0]["label"]
    step = canvas(shown).frame["step"]
    press(shown, "one training step")
    shown.wait(60)
    assert canvas(shown).frame["step"] == step + 1
    old, steps = shown.run, []
    press(shown, "Start")
    until(lambda: canvas(shown).frame["state"] == "running")
    advance = shown._advance
    shown._advance = lambda: (steps.append(shown.run), advance())
    press(shown, "next seed")
    submitted = len(steps)
    until(lambda: shown.run is not old and len(steps) > submitted + 3)
    assert steps[submitted:].count(old) <= 1 and shown.run.config.seed == 1


def test_the_code_of_an_own_net_repeats_its_curve(make_lab, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")
    shown = make_lab(net=small_net, step=small_step, num_hiddens=8, num_epochs=1)
    assert_the_code_repeats_the_run(shown)


class Doubled(nn.Module):
    """Its numbers are double ones, which it sets for all, as its step does later on."""

    def __init__(self, num_hiddens=8):
        super().__init__()
        torch.set_default_dtype(torch.float64)
        self.net, self.calls = small_net(num_hiddens), 0

    def forward(self, X):
        self.calls += 1
        if self.calls == 200:  # beyond the preview
            np.seterr(all="raise")
            torch.set_printoptions(precision=9)
            torch.backends.mha.set_fastpath_enabled(False)
        return self.net(X.double()) + torch.zeros(10)


@pytest.mark.slow
def test_what_an_own_net_sets_for_all_holds_in_its_run_alone(make_lab, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")
    shown = make_lab(net=Doubled, num_epochs=8)
    press(shown, "Start")
    shown.wait(60)
    assert shown.run.net.calls > 200
    assert torch.ones(1).dtype == torch.float32
    assert repr(torch.tensor(1 / 3)) == "tensor(0.3333)"
    assert torch.backends.mha.get_fastpath_enabled()
    go_back(shown, 5)
    send(shown, repeat="look")
    shown.wait(60)
    assert shown._seen.step == 5 and torch.ones(1).dtype == torch.float32
    _cells._begin()  # as IPython tells of a cell, later on
    torch.set_printoptions(precision=3)
    _cells._end()
    press(shown, "one training step")
    shown.wait(60)
    assert repr(torch.tensor(1 / 3)) == "tensor(0.333)"
    torch.set_printoptions(profile="default")
    with Snapshot():  # what the script sets
        assert_the_code_repeats_the_run(shown)


def test_an_own_net_that_diverges_says_why(make_lab):
    def explodes(net, optimizer, X, y):
        return small_step(net, optimizer, X, y) / 0

    shown = make_lab(net=small_net, step=explodes)
    assert canvas(shown).frame["state"] == "diverged"
    assert "try a smaller lr" in canvas(shown).frame["status"]


def test_what_an_own_step_raises_names_its_line(make_lab):
    def broken(net, optimizer, X, y):
        return F.cross_entropy(net(X), y[:-1])

    shown = make_lab(net=small_net, step=broken)
    status = canvas(shown).frame["status"]
    line = broken.__code__.co_firstlineno + 1
    assert f"at line {line}, `return F.cross_entropy(net(X), y[:-1])`" in status
    assert status.startswith("Training failed. ValueError")


def test_the_newest_line_that_an_own_step_prints_is_shown(make_lab, capsys):
    steps = []

    def talks(net, optimizer, X, y):
        steps.append(len(steps) + 1)
        print("x" * 500)
        print("first\nstep", steps[-1], end="")
        print(": fine")
        return small_step(net, optimizer, X, y)

    shown = make_lab(net=small_net, step=talks, num_hiddens=8, num_epochs=1)
    assert "first\nstep 1: fine\n" in capsys.readouterr().out  # in its cell
    press(shown, "Start")
    shown.wait(60)
    assert canvas(shown).printed == f"step {len(steps)}: fine"
    print("a cell's own")
    assert capsys.readouterr().out == "a cell's own\n"
    press(shown, "Back to step 0")
    shown.wait(60)
    assert canvas(shown).printed == ""


def test_a_new_run_is_shown_before_its_first_step_is_done(make_lab, endless):
    shown = make_lab(net=small_net, step=endless_step, num_hiddens=8)
    before = canvas(shown).frame["run"]
    endless.set()
    control(shown, "num_hiddens").value = 16
    until(lambda: canvas(shown).frame["run"] > before)
    frame = canvas(shown).frame
    assert (frame["state"], frame["step"]) == ("running", 0)
    assert frame["status"].startswith("Step 0 of ")
    until(lambda: canvas(shown).tiles["count"] == 16)
    endless.clear()
    until(lambda: is_running(shown))


def test_an_endless_loop_gives_way_to_a_new_run(make_lab, endless):
    shown = make_lab(net=small_net, step=endless_step, num_hiddens=8, num_epochs=1)
    endless.set()
    press(shown, "Back to step 0")
    press(shown, "one training step")
    until(lambda: shown._inside.seconds > 0.1)
    control(shown, "num_hiddens").value = 16
    until(lambda: shown.run and shown.run.config.num_hiddens == 16)
    endless.clear()
    shown.wait(60)
    assert canvas(shown).frame["state"] == "done"


def test_an_endless_loop_is_stopped_by_a_second_press(make_lab, endless):
    shown = make_lab(net=small_net, step=endless_step, num_hiddens=8)
    endless.set()
    press(shown, "Start")
    until(lambda: shown._inside.seconds > 1)
    press(shown, "Start")
    assert "press the button again to stop it now" in canvas(shown).note
    press(shown, "Start")
    until(lambda: canvas(shown).frame["state"] == "failed")
    line = endless_step.__code__.co_firstlineno
    where = [f"at line {line + 1}, `while", f"at line {line + 2}, `pass`"]
    assert any(one in canvas(shown).frame["status"] for one in where)
    endless.clear()
    press(shown, "one training step")
    shown.wait(60)
    assert canvas(shown).frame["state"] == "paused"


def drawing_endless_step(net, optimizer, X, y):
    return endless_step(net, optimizer, X + torch.rand(1), y)


@pytest.mark.slow
@pytest.mark.parametrize("net", [small_net, Doubled])
def test_a_lab_waits_for_anothers_endless_loop_and_says_so(make_lab, endless, net):
    """For the random numbers, or for the settings."""
    stuck = make_lab(net=net, step=drawing_endless_step, num_hiddens=8)
    shown = make_lab(net=net, num_hiddens=8)
    endless.set()
    press(stuck, "Start")
    until(lambda: stuck._inside.seconds > 0.1)
    press(shown, "Start")
    until(lambda: canvas(shown).note.startswith("Waiting for another lab"))
    press(shown, "Start")
    assert "press the button again to stop it now" in canvas(shown).note
    press(shown, "Start")
    until(lambda: canvas(shown).frame["state"] == "failed")
    control(shown, "num_hiddens").value = 16
    until(lambda: canvas(shown).note.startswith("Waiting for another lab"))
    endless.clear()
    until(lambda: is_running(shown))
    assert canvas(shown).note == ""
    assert shown.run.config.num_hiddens == 16


def test_the_doctor_says_why_an_own_net_does_not_learn(make_lab):
    def no_gradient(num_hiddens):
        net = small_net(num_hiddens)
        return net.requires_grad_(False)

    def blind(net, optimizer, X, y):
        return F.cross_entropy(net(X), y)

    shown = make_lab(net=no_gradient, step=blind, num_hiddens=8, num_epochs=1)
    run = shown.run
    press(shown, "Ask why this net")
    shown.wait(60)
    assert "Fix:" in canvas(shown).finding
    assert shown.run is run and canvas(shown).note == ""
    press(shown, "Back to step 0")
    shown.wait(60)
    assert canvas(shown).finding == ""


def test_the_doctor_can_be_stopped_and_leaves_the_run(make_lab, endless):
    shown = make_lab(net=small_net, step=endless_step, num_hiddens=8, num_epochs=1)
    frame = canvas(shown).frame
    endless.set()
    press(shown, "Ask why this net")
    until(lambda: shown._inside.seconds > 1)
    press(shown, "Start")
    assert canvas(shown).note.startswith("The doctor has been at work for ")
    press(shown, "Start")
    until(lambda: canvas(shown).note == "The doctor was stopped.")
    shown.wait(60)
    assert canvas(shown).frame == frame


def test_a_net_without_parameters_has_a_picture_and_a_finding(make_lab):
    class InAList(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(784, 10)]

        def forward(self, X):
            return self.layers[0](X)

    shown = make_lab(net=InAList, step=lambda net, optimizer, X, y: 2.3)
    assert canvas(shown).tiles == {"name": "no weights that can be shown"}
    assert "image/png" in shown._repr_mimebundle_()[0]
    shown = make_lab(net=InAList)
    assert "InAList has no parameters" in canvas(shown).frame["status"]
    press(shown, "Ask why this net")
    shown.wait(60)
    assert "Fix: " in canvas(shown).finding


def test_a_net_that_is_no_function_is_named(data):
    with pytest.raises(TypeError, match="net=MyNet without parentheses"):
        lab(data, net=small_net(8))
    with pytest.raises(ValueError, match="no control 'sigma'; it has: num_hiddens"):
        lab(data, "sigma", net=small_net)


# --- Back through time


def go_back(shown, step, why=None):
    send(shown, back=step)
    if why:
        send(shown, repeat=why)
    shown.wait(60)


def tiles(shown):
    return canvas(shown).tiles["data"]


def tiles_after(config, data, steps):
    """W1 as the lab packs it, of a run that nobody goes back in."""
    run = train(config, data)
    for _ in range(steps):
        next(run)
    return packed(shown_weights(run.net)[0])["data"]


def test_a_finished_run_shows_any_of_its_steps(make_lab, data):
    config = Config(num_hiddens=8, num_epochs=3, optimizer="adam", lr=0.01)
    shown = make_lab(**vars(config))
    press(shown, "Start")
    shown.wait(60)
    done, newest = canvas(shown).frame["status"], tiles(shown)
    go_back(shown, 40)
    frame = canvas(shown).frame
    assert (frame["state"], frame["step"], frame["newest"]) == ("done", 40, 72)
    assert "Step 40 of 72, epoch 2, with the weights of step 36." in frame["status"]
    assert tiles(shown) == tiles_after(config, data, 36)
    go_back(shown, 40, "look")
    assert "Step 40 of 72, epoch 2. Train: loss" in canvas(shown).frame["status"]
    assert tiles(shown) == tiles_after(config, data, 40)
    nearest = [p for p in train(config, data) if p.val_accuracy and p.step == 41][0]
    assert f"accuracy {nearest.val_accuracy:.3f}." in canvas(shown).frame["status"]
    go_back(shown, 0)
    assert "nothing is trained yet" in canvas(shown).frame["status"]
    assert tiles(shown) == tiles_after(config, data, 0)
    go_back(shown, 72)
    assert (canvas(shown).frame["status"], tiles(shown)) == (done, newest)


def test_the_weights_of_pins_are_scrubbed_with_the_run(make_lab, data):
    config = Config(num_hiddens=8, num_epochs=2, lr=0.5)
    shown = make_lab(**vars(config))
    press(shown, "Start")
    shown.wait(60)
    press(shown, "Keep this run")
    control(shown, "lr").value = 0.1
    shown.wait(60)
    assert canvas(shown).weights == ["W1", "W2", "A: W1"]
    own = tiles(shown)
    send(shown, weights="A: W1")
    shown.wait(60)
    assert tiles(shown) == tiles_after(config, data, 48) != own
    go_back(shown, 40)
    assert tiles(shown) == tiles_after(config, data, 36)
    assert canvas(shown).tiles["captions"][0] == "as it was at step 36"
    assert canvas(shown).tiles["units"] == []  # what it sees is of the run
    go_back(shown, 48)
    send(shown, unpin="A")
    shown.wait(60)
    assert canvas(shown).weights == ["W1", "W2"] and tiles(shown) == own


def test_a_paused_run_goes_on_from_its_newest_step(make_lab, data):
    config = Config(num_hiddens=8, num_epochs=2)
    shown = make_lab(num_hiddens=8, num_epochs=2)
    press(shown, "Back to step 0")
    for _ in range(30):
        press(shown, "one training step")
    shown.wait(60)
    go_back(shown, 7, "look")
    assert canvas(shown).frame["step"] == 7
    press(shown, "Start")
    shown.wait(60)
    assert canvas(shown).pins == []
    assert curve(shown, "batch") == pytest.approx([p.loss for p in train(config, data)])


def test_a_run_that_trains_cannot_be_moved(make_lab):
    shown = make_lab(num_hiddens=8, num_epochs=1000)
    press(shown, "Start")
    until(lambda: is_running(shown))
    send(shown, back=2, asked=7)
    step = canvas(shown).frame["newest"]
    until(lambda: canvas(shown).frame["newest"] > step + 50)
    assert canvas(shown).frame["back"] is None
    assert canvas(shown).frame["heard"] == 7  # the page waits for no other answer


@pytest.mark.parametrize(
    "options",
    [{"momentum": 0.9, "dropout": 0.2}, {"lr_schedule": "cosine", "optimizer": "adam"}],
    ids=str,
)
def test_a_branch_with_another_lr_is_repeated_by_its_code(
    make_lab, data, monkeypatch, options
):
    monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")
    config = Config(num_hiddens=8, num_epochs=2, **options)
    shown = make_lab(num_hiddens=8, num_epochs=2, **options)
    press(shown, "Start")
    shown.wait(60)
    before = curve(shown, "batch")
    go_back(shown, 29)
    control(shown, "lr").value = 0.5
    shown.wait(60)
    assert canvas(shown).frame["state"] == "done"  # nothing begins yet
    assert canvas(shown).note == "lr=0.5 holds once you go on from here."
    assert curve(shown, "batch").tolist() == before.tolist()
    send(shown, repeat="go on")
    shown.wait(60)
    assert "Goes on from step 29 with lr=0.5." in canvas(shown).note
    assert canvas(shown).frame["branches"] == [29 / 24]
    run = train(config, data)  # one that never was anywhere else
    losses = []
    for progress in run:
        losses.append(progress.loss)
        if progress.step == 29:
            run.lr = 0.5
    assert curve(shown, "batch").tolist() == np.float32(losses).tolist()
    measured = curve(shown, "val_loss")
    assert len(measured) == len(set(measured)) == 5  # at 1, 21, 24, 41 and 48
    pin = canvas(shown).pins[0]
    assert pin["label"] == str(config)
    assert drawn_curve(pin, "batch").tolist() == before.tolist()
    press(shown, "plain PyTorch")
    shown.wait(60)
    names = {}
    exec(canvas(shown).code, names)
    assert names["losses"] == losses
    go_back(shown, 40, "look")  # also in the branch
    assert "Step 40 of 48, epoch 2. Train" in canvas(shown).frame["status"]


# One is lazy.
@pytest.mark.parametrize(
    "net", [small_net, pytest.param(filters, marks=pytest.mark.slow)]
)
def test_a_branch_of_an_own_net_with_an_own_step(make_lab, monkeypatch, net):
    monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")
    shown = make_lab(net=net, step=small_step, num_epochs=2)
    press(shown, "Start")
    shown.wait(60)
    go_back(shown, 29)
    control(shown, "lr").value = 0.01
    send(shown, repeat="go on")
    shown.wait(60)
    assert shown.run.lr_changes == [(0, 0.1), (29, 0.01)]
    press(shown, "plain PyTorch")
    shown.wait(60)
    names = {}
    exec(canvas(shown).code, names)
    assert curve(shown, "batch").tolist() == np.float32(names["losses"]).tolist()


def test_a_new_value_abandons_the_way_back(make_lab):
    shown = make_lab(("num_hiddens", "lr"), num_hiddens=8, num_epochs=1)
    press(shown, "Start")
    shown.wait(60)
    send(shown, back=23)
    send(shown, repeat="go on")
    control(shown, "num_hiddens").value = 16
    shown.wait(60)
    assert canvas(shown).frame["back"] is None and canvas(shown).pins == []
    assert "Done after 24 steps" in canvas(shown).frame["status"]
    assert shown.run.net.W1.shape == (784, 16)


def test_a_step_that_differs_the_second_time_says_so(make_lab):
    calls = []

    def counts_outside(net, optimizer, X, y):
        calls.append(y)
        return small_step(net, optimizer, X, y) * (1 + 0.001 * len(calls))

    shown = make_lab(net=small_net, step=counts_outside, num_hiddens=8, num_epochs=1)
    press(shown, "Start")
    shown.wait(60)
    go_back(shown, 20, "look")
    frame = canvas(shown).frame
    assert (frame["state"], frame["step"]) == ("done", 20)
    assert "with the weights of step 16" in frame["status"] and not canvas(shown).note
    go_back(shown, 20, "go on")
    assert canvas(shown).note.startswith("Step 20 can't be repeated to go on from it.")
    assert "something outside the net and its optimizer" in canvas(shown).note
    assert canvas(shown).frame["state"] == "done" and canvas(shown).pins == []


def test_a_net_that_cannot_be_copied_trains_but_has_no_way_back(make_lab):
    class Locked(nn.Linear):
        def __init__(self):
            super().__init__(784, 10)
            self.lock = threading.Lock()

    shown = make_lab(net=Locked, num_epochs=1)
    press(shown, "Start")
    shown.wait(60)
    assert not canvas(shown).frame["kept"]
    assert "Done after 24 steps" in canvas(shown).frame["status"]
    go_back(shown, 3)
    assert canvas(shown).frame["step"] == 24


@pytest.mark.parametrize("kind", [Config, own_config(MLP)], ids=["course", "own"])
@pytest.mark.parametrize("optimizer, weights", [("sgd", 1), ("adam", 3)])
def test_thirty_epochs_keep_at_most_50_mb(data, kind, optimizer, weights):
    run = train(kind(num_hiddens=256, optimizer=optimizer), data)
    history, progress = History(run), next(run)
    for step in range(1, 30 * 215 + 1):
        run.step = step  # its state is as large as if it were trained
        history.add(replace(progress, step=step))
    size = 4 * weights * sum(p.numel() for p in run.net.parameters())
    assert 15e6 < size * len(history.kept) <= 50e6
    steps = [kept.step for kept in history.kept]
    assert steps[0] == 0 and max(np.diff([*steps, 30 * 215])) < 30 * 215 / 8


class Holds(MLP):
    """It keeps what is no tensor, or in no module."""

    def __init__(self, size=1_000_000, in_an_object=False):
        super().__init__(784, 8, 10)
        self.held = np.zeros(size)
        if in_an_object:
            self.held = SimpleNamespace(mean=torch.zeros(size, dtype=torch.double))


@pytest.mark.parametrize("in_an_object", [False, True])
def test_what_else_a_net_holds_counts(data, in_an_object):
    kind = own_config(Holds)
    history = History(train(kind(in_an_object=in_an_object), data))
    progress = next(history.run)
    for root in range(1, 30):
        history.run.step = root * root
        history.add(replace(progress, step=root * root))
    assert 1 < len(history.kept) < 6  # of 8 MB each
    large = kind(size=8_000_000, in_an_object=in_an_object)
    assert "too large" in History(train(large, data)).refused


# --- Anything, in any order


def random_action(shown, dice):
    """One that a learner may do now: what it calls, and on what."""
    newest = shown._state.newest
    last = newest.step if newest else 0
    lines = "num_hiddens=4 lr=0.2 num_epochs=2", "num_epochs=3", "lr=999", "what"
    panel = [{"open": True}, {"open": False}, {"show": "wrong"}, {"show": "next"}]
    panel += [{"show": [6, 0]}, {"unit": 1}, {"unit": 7}, {"unit": None}]
    pressed = "Start", "one training step", "Back to step 0", "next seed"
    said = [
        {"settings": dice.choice(lines)},
        {"back": dice.randint(-1, last + 2)},
        {"back": dice.randint(0, last)},
        {"repeat": "look"},
        {"repeat": "go on"},
        {"weights": dice.choice(canvas(shown).weights)},
        {"unpin": dice.choice("ABCDEFGH")},
        {"sees": dice.choice(panel)},
    ]
    moves = ("num_hiddens", (2, 4, 8)), ("lr", (0.05, 0.1, 0.2))
    return dice.choice(
        [
            *((press, (shown, name)) for name in pressed),
            *((press, (shown, name)) for name in ("Keep this run", "plain PyTorch")),
            *((send_all, (shown, one)) for one in said),
            *((move, (shown, name, dice.choice(values))) for name, values in moves),
            *((branch, (shown, dice.randint(0, last))) for _ in range(3)),
        ]
    )


def send_all(shown, message):
    send(shown, **message)


def branch(shown, step):
    send(shown, back=step)
    send(shown, repeat="go on")


def move(shown, name, value):
    control(shown, name).value = value


def assert_all_of_it_agrees(shown, data):
    """The run that is shown is one that somebody who only trained it would get."""
    run, frame, history = shown.run, canvas(shown).frame, shown._history
    assert shown.error is None and frame["state"] != "failed"
    assert settings(shown) == str(shown.config)
    for name in ("num_hiddens", "lr"):
        assert control(shown, name).value == getattr(shown.config, name)
    assert frame["newest"] == run.step and history.run is run
    pins = canvas(shown).pins
    for name in ("name", "place"):
        assert len({pin[name] for pin in pins}) == len(pins) <= 4
    known, back = shown._seen.step, frame["back"]
    assert known == run.step if back is None else known <= back < run.step
    again, losses, lr_at = train(run.config, data), [], dict(run.lr_changes)
    drawn = packed(shown_weights(again.net)[0])["data"]
    while again.step < run.step:
        again.lr = lr_at.get(again.step, again.lr)
        losses.append(next(again).loss)
        if again.step == known:
            drawn = packed(shown_weights(again.net)[0])["data"]
    assert list(history._losses) == losses
    if canvas(shown).tiles["name"] == shown._weights[0].name:
        assert canvas(shown).tiles["data"] == drawn


@pytest.mark.slow
@pytest.mark.parametrize(
    "own", [{}, {"net": small_net, "step": small_step}], ids=["course", "own"]
)
def test_two_hundred_random_actions_leave_a_run_that_can_be_repeated(
    make_lab, data, own
):
    dice = random.Random(14)
    shown = make_lab(num_hiddens=8, num_epochs=2, **own)
    for i in range(1, 201):
        action, arguments = random_action(shown, dice)
        action(*arguments)
        time.sleep(dice.choice((0, 0, 0.001, 0.01)))
        if i % 10 == 0:
            shown.wait(60)
            assert_all_of_it_agrees(shown, data)
