"""The init lab in a real JupyterLab in a real browser."""

from itertools import pairwise

import pytest
from test_lab_looks_browser import PROJECTOR

from lab_in_browser import by_its_clock

SHOWN = "init_lab(data, num_layers=5, num_hiddens=64)"
STATUS = ".layers .status"
LABELS = """() => [...document.querySelectorAll(".layers .axis")].map((axis) =>
    [...axis.querySelectorAll("text")].map((text) => text.getBoundingClientRect())
        .filter(({width}) => width).map(({left, right}) => [left, right]))"""
IN_VIEW = """() => {
    const room = document.querySelector(".jp-WindowedPanel-outer");
    const {top, bottom} = room.getBoundingClientRect();
    const lab = document.querySelector(".w1lab")?.getBoundingClientRect();
    const button = document.activeElement.getBoundingClientRect();
    return lab?.height > 100 && button.top >= top && lab.bottom <= bottom;
}"""


@pytest.fixture
def shown(open_notebook):
    """The page with one init lab on it."""
    notebook = open_notebook(SHOWN)
    yield notebook.page
    assert notebook.errors == []


def until_status(page, start):
    page.wait_for_function(
        "([selector, start]) =>"
        " document.querySelector(selector)?.innerText.startsWith(start)",
        arg=[STATUS, start],
    )


def press(page, handle, key):
    """A key on one of the sliders: sigma, num_layers, num_hiddens, seed."""
    page.locator(".noUi-handle").nth(handle).focus()
    page.keyboard.press(key)


def choose(page, name, value):
    page.get_by_label(name, exact=True).select_option(value)


def test_sliders_and_menus_are_followed(shown):
    until_status(shown, "The signal dies out")
    choose(shown, "init", "kaiming")
    until_status(shown, "The signal gets through")
    choose(shown, "init", "zeros")
    until_status(shown, "Every weight has a gradient of 0")
    choose(shown, "init", "normal")
    until_status(shown, "The signal dies out")
    for _ in range(6):
        press(shown, 0, "ArrowRight")
    until_status(shown, "The signal is too large")
    press(shown, 1, "ArrowLeft")
    rows = "document.querySelectorAll('.layers tr')"
    shown.wait_for_function(f"{rows}.length == 6")  # a header, 4 layers, the scores


def test_nothing_jumps_while_a_slider_is_dragged(shown):
    def places():
        return shown.evaluate(
            """() => [...document.querySelectorAll(
                    '.layers th, .layers td, .layers .status')]
                .map((cell) => cell.getBoundingClientRect())
                .map(({x, width, height}) => [x, width, height])"""
        )

    until_status(shown, "The signal dies out")
    first = places()
    for _ in range(6):
        press(shown, 0, "ArrowRight")
    until_status(shown, "The signal is too large")
    assert places() == first


@pytest.mark.parametrize("width", [1440, 1024, 960])
def test_the_labels_of_an_axis_are_apart(shown, width):
    shown.set_viewport_size({"width": width, "height": 700})
    until_status(shown, "The signal dies out")
    activations, gradients = shown.evaluate(LABELS)
    for labels in (activations, gradients):
        assert len(labels) >= 3
        for (_, end), (start, _) in pairwise(labels):
            assert start - end >= 2


@pytest.mark.parametrize("width, height", [(1440, 900), PROJECTOR])
def test_one_press_trains_what_is_shown_below_the_button(shown, width, height):
    shown.set_viewport_size({"width": width, "height": height})
    until_status(shown, "The signal dies out")
    choose(shown, "init", "kaiming")
    until_status(shown, "The signal gets through")
    shown.locator("button", has_text="train it").click()
    shown.wait_for_function(
        """() => {
            const data = document.querySelector(".w1lab")?.dataset;
            return data?.state === "running" && Number(data.step) > 20;
        }"""
    )
    shown.wait_for_function(IN_VIEW)
    by_its_clock(shown, 1000)  # and stays there
    assert shown.evaluate(IN_VIEW)
    assert shown.evaluate("document.activeElement.innerText").strip() == "train it"
    settings = shown.get_by_label("settings").input_value()
    assert settings == "num_hiddens=64 num_layers=5 lr=0.1 init=kaiming"


def test_running_the_cell_again_leaves_one_lab(open_notebook):
    notebook = open_notebook(SHOWN)
    page = notebook.page
    page.locator("button", has_text="train it").click()
    page.wait_for_selector(".w1lab")
    notebook.run(1)
    until_status(page, "The signal dies out")
    assert page.locator(".layers").count() == 1
    assert page.locator(".w1lab").count() == 0
    assert notebook.errors == []
