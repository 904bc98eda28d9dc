"""A learner's own net and own step in the lab, in a real browser."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from test_lab_browser import button, shown, slider, state, until_state
from test_lab_looks_browser import OUT_OF_VIEW, THEME, TOO_LARGE, type_line
from test_lab_sees_browser import labelled, numbers, picture, toggle, until

from lab_in_browser import after_frames, by_its_clock

# One kind of kernel is enough: the other tests of the lab use both.

NET = """import torch, torchvision
from torch import nn
from torch.nn import functional as F

def my_net(num_hiddens, drop=0.2, norm=False):
    norms = [nn.BatchNorm1d(num_hiddens)] if norm else []
    return nn.Sequential(
        nn.Linear(784, num_hiddens), *norms, nn.ReLU(), nn.Dropout(drop),
        nn.Linear(num_hiddens, 10))

def my_step(net, optimizer, X, y):
    loss = F.cross_entropy(net(X), y)
    net.zero_grad()
    loss.backward()
    with torch.no_grad():
        for p in net.parameters():
            p -= optimizer.param_groups[0]["lr"] * p.grad
    return loss
"""
UPHILL = NET.replace("p -=", "p +=")
BROKEN = NET.replace("cross_entropy(net(X), y)", "cross_entropy(net(X), y[:-1])")
MINE = "net=my_net, step=my_step, num_epochs=1000"
ENDLESS = "drop_in, there = False, set()\n" + NET.replace(
    "    net.zero", "    while drop_in: there.add(1)\n    net.zero"
)
DROP_IN = """
import time
there.clear()
drop_in = True
while not there or shown._inside.seconds < 1.1:  # a second is taken for too long
    time.sleep(0.1)
"""
OTHERS = """
class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 10)
    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))

class RNN(nn.Module):
    def __init__(self, hidden_size=32):
        super().__init__()
        self.rnn = nn.LSTM(28, hidden_size, batch_first=True)
        self.out = nn.Linear(hidden_size, 10)
    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])

def resnet():
    net = torchvision.models.resnet18(num_classes=10)
    net.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    return net

def softmax():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

def encoder(code=16):
    encoder = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, code))
    return nn.Sequential(encoder, nn.Linear(code, 10))
"""
LESSON = Path(__file__).parents[2] / "notebooks" / "04_training.ipynb"
OF_LESSON = ("e5829761", "switched-net", "usual-step", "switched-step")
TAKES = {
    "LeNet": "(N, 1, 28, 28)",
    "RNN": "(N, 28, 28)",
    "softmax": "(N, 784)",
    "encoder": "(N, 784)",
    "resnet": "(N, 1, 28, 28)",
}


def test_an_own_net_and_step_train_by_keyboard_alone(open_notebook):
    notebook = open_notebook(NET, f"lab(data, {MINE})")
    status = shown(notebook).locator(".w1lab-status")
    expect(status).to_contain_text("my_net takes pictures of shape (N, 784).")
    run = state(notebook)[1]
    slider(notebook).focus()
    notebook.page.keyboard.press("ArrowLeft")
    until_state(notebook, "running", beyond=5, after=run)
    slider(notebook, 2).focus()  # lr, on the running model
    run = state(notebook)[1]
    notebook.page.keyboard.press("ArrowRight")
    field = notebook.page.get_by_label("settings")
    expect(field).to_have_value(
        "num_hiddens=128 lr=0.2 num_epochs=1000 drop=0.2 norm=False"
    )
    assert state(notebook)[1] == run
    notebook.page.get_by_label("norm").focus()
    notebook.page.keyboard.press("Space")
    expect(field).to_have_value(
        "num_hiddens=128 lr=0.2 num_epochs=1000 drop=0.2 norm=True"
    )
    until_state(notebook, "running", beyond=5, after=run)
    menu = notebook.page.get_by_label("weights to show")
    expect(menu.locator("option")).to_have_text(["0.weight", "4.weight"])
    menu.focus()
    notebook.page.keyboard.press("ArrowDown")
    expect(menu).to_have_value("4.weight")
    button(notebook, "pause").focus()
    notebook.page.keyboard.press("Enter")
    until_state(notebook, "paused")
    button(notebook, "code").focus()
    notebook.page.keyboard.press("Enter")
    code = shown(notebook).locator("pre")
    expect(code).to_contain_text("loss = my_step(net, optimizer, X[batch], y[batch])")
    assert notebook.errors == []


def test_what_an_own_step_raises_and_what_the_doctor_says(open_notebook):
    notebook = open_notebook(BROKEN, "lab(data, net=my_net, step=my_step)")
    assert state(notebook)[0] == "failed"
    status = shown(notebook).locator(".w1lab-status")
    line = 1 + BROKEN[: BROKEN.index("y[:-1]")].count("\n")
    expect(status).to_contain_text(f"ValueError at line {line}, loss = F.cross_")
    expect(status.locator("code")).to_have_text(
        "loss = F.cross_entropy(net(X), y[:-1])"
    )
    notebook.page.set_viewport_size({"width": 1024, "height": 700})
    notebook.fill([UPHILL, "lab(data, net=my_net, step=my_step)"])
    notebook.run(1)
    notebook.run(2)
    expect(button(notebook, "doctor")).to_be_visible()
    by_its_clock(notebook.page, 1000)  # so long JupyterLab scrolls to the cell
    button(notebook, "doctor").click()
    finding = shown(notebook).locator(".w1lab-finding")
    expect(finding).to_contain_text("uphill: Your step moves the weights along")
    expect(finding).to_contain_text("Fix: ")
    expect(finding).to_be_in_viewport(ratio=1)
    assert notebook.errors == []


def test_what_an_own_step_prints_shows_in_its_lab_alone(open_notebook):
    talks = NET.replace(
        "    return loss", "    print('loss', loss.item())\n    return loss"
    )
    call = f"lab(data, {MINE})"
    notebook = open_notebook(f"{talks}\n{call}", "1 + 1")  # the last cell that ran
    expect(shown(notebook).locator(".w1lab-printed")).to_be_hidden()
    button(notebook, "start").click()
    printed = shown(notebook).locator(".w1lab-printed")
    expect(printed).to_have_text(re.compile(r"Your code printed: loss \d\.\d+$"))
    first = printed.inner_text()
    expect(printed).not_to_have_text(first)
    button(notebook, "pause").click()
    until_state(notebook, "paused")
    assert notebook.output(2).split()[1:] == ["2"]
    assert notebook.errors == []


def test_an_endless_loop_is_stopped_from_the_page(open_notebook):
    call = f"shown = lab(data, {MINE})\nshown"
    notebook = open_notebook(ENDLESS, call)
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=5)
    notebook.execute(DROP_IN)
    after_frames(notebook.page)
    step = state(notebook)[2]
    button(notebook, "pause").click()
    note = shown(notebook).locator(".w1lab-note")
    expect(note).to_contain_text("while drop_in: there.add(1)")
    assert state(notebook)[2] == step
    button(notebook, "pause").click()
    until_state(notebook, "failed")
    status = shown(notebook).locator(".w1lab-status")
    expect(status).to_contain_text("Stopped inside a step, at line ")
    notebook.execute("drop_in = False")
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=5)
    notebook.execute(DROP_IN)
    run = state(notebook)[1]
    slider(notebook).focus()  # a new value needs no second press
    notebook.page.keyboard.press("ArrowLeft")
    until_state(notebook, "running", after=run)
    notebook.execute("drop_in = False")
    until_state(notebook, "running", beyond=5, after=run)
    assert notebook.errors == []


def test_networks_from_elsewhere_train_and_are_seen(open_notebook):
    notebook = open_notebook(NET + OTHERS)
    for name, shape in TAKES.items():
        call = f"lab(data, net={name}, batch_size=32, lr=0.02, num_epochs=1000)"
        notebook.fill([NET + OTHERS, call])
        notebook.run(2)
        status = shown(notebook).locator(".w1lab-status")
        expect(status).to_contain_text(f"{name} takes pictures of shape {shape}.")
        step = state(notebook)[2]
        toggle(notebook).click()
        labelled(notebook, "^T-shirt/top: ")
        drawn = picture(notebook)
        button(notebook, "start").click()
        # At the same step the same would be drawn.
        until_state(notebook, "running", beyond=step)
        assert step > 0
        button(notebook, "pause").click()
        until_state(notebook, "paused")
        until(notebook, lambda drawn=drawn: picture(notebook) != drawn)
        # Percent, of ten classes.
        until(notebook, lambda: sum(numbers(notebook)) > 900)
        units = shown(notebook).locator(".w1lab-unit")
        assert units.count() == {"softmax": 10, "encoder": 16}.get(name, 0)
        if units.count():
            units.nth(2).click()
            labelled(notebook, r"weight\[2\] is excited most by")
    assert notebook.errors == []


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_all_of_it_fits_a_projector(open_notebook, theme):
    notebook = open_notebook(NET)
    notebook.page.set_viewport_size({"width": 1024, "height": 700})
    notebook.page.evaluate(THEME, theme)
    by_its_clock(notebook.page, 1000)  # until the theme is there
    notebook.fill([NET, "lab(data, net=my_net)"])
    notebook.run(2)
    notebook.page.get_by_label("weights to show").wait_for()
    notebook.page.wait_for_function(f"({OUT_OF_VIEW})().length === 0")
    type_line(notebook, "num_hiddens=16 num_epochs=1")
    until_state(notebook, "done")
    assert notebook.page.evaluate(OUT_OF_VIEW) == []
    large = notebook.page.evaluate(TOO_LARGE)
    assert [one for one in large if "w1lab-weights" not in one] == []
    notebook.page.evaluate(THEME, "Light")
    assert notebook.errors == []


def test_the_step_of_lesson_04_and_sgd_give_one_curve(open_notebook):
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    source = {cell["id"]: "".join(cell["source"]) for cell in cells}
    steps = "\n".join(source[id] for id in OF_LESSON)
    first = f"import torch\nfrom torch.nn import functional as F\n{steps}"
    notebook = open_notebook(first, source["own-step-lab"])
    type_line(notebook, "num_hiddens=16 num_epochs=1")
    until_state(notebook, "done")
    status = shown(notebook).locator(".w1lab-status")
    by_hand = status.inner_text()
    button(notebook, "pin").click()
    run = state(notebook)[1]
    notebook.page.get_by_label("by_hand").uncheck()
    until_state(notebook, "done", after=run)
    assert status.inner_text() == by_hand
    line = "num_hiddens=16 lr=0.1 num_epochs=1 by_hand="
    expect(shown(notebook).get_by_text(f"A: {line}True")).to_be_visible()
    expect(notebook.page.get_by_label("settings")).to_have_value(f"{line}False")
    assert notebook.errors == []
