"""The grid lab in a real JupyterLab in a real browser."""

import pytest
from playwright.sync_api import expect
from test_page_browser import LARGEST_GAP

TEXTS = '() => [...document.querySelectorAll(".gridlab-cell")].map((c) => c.innerText)'
UNTIL = """([state, run, step]) => {
    const data = document.querySelector(".gridlab").dataset;
    return data.state === state && data.run === run && Number(data.step) > step;
}"""
# What is too wide, cut off or out of view.
AMISS = """() => {
    const room = document.querySelector(".jp-WindowedPanel-outer");
    const lab = document.querySelector(".gridlab").parentElement.parentElement;
    const [outer, inner] = [room, lab].map((node) => node.getBoundingClientRect());
    const output = lab.closest(".jp-OutputArea-output");
    return [
        inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1,
        output.scrollHeight > output.clientHeight,
        output.scrollWidth > output.clientWidth,
        ...[...lab.querySelectorAll(".gridlab-row > div")].map(
            (cell) => cell.scrollWidth > cell.clientWidth + 1),
        // and the frame of a chosen cell, 2 pixels wide
        document.querySelector(".gridlab-cell:last-child").getBoundingClientRect().right
            + 2 > output.getBoundingClientRect().right,
    ].flatMap((bad, i) => bad ? [i] : []);
}"""


@pytest.fixture
def shown(open_notebook):
    """The page with one grid lab on it."""
    notebook = open_notebook('grid_lab(data, init="kaiming")')
    notebook.page.wait_for_selector(".gridlab-cell")
    yield notebook.page
    assert notebook.errors == []


def until(page, state, run, step):
    page.wait_for_function(UNTIL, arg=[state, run, step])


def focused(page):
    return page.evaluate("() => document.activeElement.getAttribute('aria-label')")


@pytest.mark.parametrize("size", [(1024, 700), (1440, 900)], ids=str)
def test_a_grid_trains_is_read_by_keys_and_abandoned_by_a_change(shown, size):
    shown.set_viewport_size(dict(zip(("width", "height"), size)))
    until(shown, "preview", "1", 9)
    first = shown.evaluate(TEXTS)
    assert len(first) == 64 and all(first)
    shown.locator("button", has_text="start").click()
    until(shown, "running", "1", 15)
    assert shown.evaluate(TEXTS) != first
    assert shown.evaluate(AMISS) == []
    assert shown.evaluate(LARGEST_GAP, 1) < 0.2

    cells = shown.locator(".jp-Notebook .jp-CodeCell").count()
    shown.locator(".gridlab-cell").first.focus()
    for key in (
        "ArrowDown",
        "ArrowDown",
        "ArrowRight",
        "ArrowUp",
        "ArrowUp",
        "ArrowUp",
    ):
        shown.keyboard.press(key)
    assert focused(shown).startswith("num_hiddens=2 lr=0.005: accuracy 0.")
    shown.keyboard.press("End")
    shown.keyboard.press("ArrowDown")
    settings = "num_hiddens=4 lr=2.0 init=kaiming"
    assert shown.locator(".gridlab-settings").inner_text() == settings
    shown.keyboard.press("Enter")
    assert shown.evaluate("() => getSelection().toString()") == settings
    copy = shown.locator(".gridlab-copy")
    expect(copy).to_have_text("copied")
    # JupyterLab has not taken the keys for commands.
    assert shown.locator(".jp-Notebook .jp-CodeCell").count() == cells

    shown.locator(".gridlab-cell").nth(9).hover()
    assert "lr=0.005" in shown.locator(".gridlab-settings").inner_text()
    expect(copy).to_have_text("copy settings")
    copy.hover()
    assert shown.locator(".gridlab-settings").inner_text() == settings

    shown.locator(".noUi-handle").first.focus()
    shown.keyboard.press("ArrowRight")
    until(shown, "running", "2", 0)
    shown.locator("button", has_text="pause").click()
    until(shown, "paused", "2", 0)
    assert "num_layers=2" in shown.locator(".gridlab-settings").inner_text()
    expect(copy).to_have_text("copy settings")
