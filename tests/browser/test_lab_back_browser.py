"""The lab's slider under the curves: back to any step, and on from there."""

import re

import pytest
from playwright.sync_api import expect
from test_lab_browser import button, shown, slider, state, until_state
from test_lab_looks_browser import KEEP_DRAWN, OUT_OF_VIEW, THEME, TOO_LARGE, texts
from test_lab_sees_browser import labelled, toggle

from lab_in_browser import box

W1 = "document.querySelector('.w1lab-columns').toDataURL()"


def back(notebook):
    return notebook.page.get_by_label("earlier steps")


def press(notebook, *keys):
    for key in keys:
        notebook.page.keyboard.press(key)


def until_said(notebook, sentence):
    pattern = re.compile(sentence)
    expect(shown(notebook).locator(".w1lab-status")).to_have_text(pattern)


def until_painted(notebook):
    """Wait for the step that the slider is at now; returns it."""
    state(notebook)  # it is there
    step = int(back(notebook).input_value())
    notebook.page.wait_for_function(
        "(step) => Number(document.querySelector('.w1lab').dataset.step) === step",
        arg=step,
    )
    return step


@pytest.mark.parametrize(
    "theme, size", [("Light", (1440, 900)), ("Dark", (1024, 700))], ids=str
)
def test_keys_go_back_to_any_step_and_a_branch_goes_on(open_notebook, theme, size):
    notebook = open_notebook("# a line")
    page = notebook.page
    page.evaluate(THEME, theme)
    page.set_viewport_size(dict(zip(("width", "height"), size)))
    notebook.fill(["lab(data, num_hiddens=16, num_epochs=1)"])
    notebook.run(1)  # at this size, so that it comes into view
    until_state(notebook, "preview")
    page.evaluate(KEEP_DRAWN)
    button(notebook, "start").click()
    until_state(notebook, "done")
    last, newest = state(notebook)[2], page.evaluate(W1)
    expect(back(notebook)).to_have_attribute("aria-valuetext", f"step {last:,}")
    back(notebook).focus()
    press(notebook, "ArrowLeft", "ArrowLeft")
    until_said(notebook, rf"^Step {last - 2:,} of {last:,}, epoch 1\. Train: loss")
    text = f"step {last - 2:,} of {last:,}"
    expect(back(notebook)).to_have_attribute("aria-valuetext", text)
    press(notebook, "PageDown")
    assert until_painted(notebook) < 0.95 * last and state(notebook)[0] == "done"
    page.wait_for_function(f"({W1}) !== {newest!r}")
    for panel in ("loss", "accuracy"):
        assert any(one.startswith("epoch 0.") for one in texts(notebook, panel))
    press(notebook, "Home")
    until_said(notebook, "^Step 0 of .*: nothing is trained yet")
    press(notebook, "End")
    until_said(notebook, f"^Done after {last:,} steps")
    page.wait_for_function(f"({W1}) === {newest!r}")
    assert not any("val" in one for one in texts(notebook, "loss"))
    press(notebook, *["PageDown"] * 5)
    step = until_painted(notebook)
    until_said(
        notebook, rf"^Step {step:,} of .*, epoch 1\. Train: loss"
    )  # just its weights
    slider(notebook, 1).focus()
    press(notebook, "ArrowRight")
    note = shown(notebook).locator(".w1lab-note")
    expect(note).to_have_text("lr=0.2 holds once you go on from here.")
    back(notebook).focus()
    press(notebook, "Tab", "Enter")
    expect(note).to_have_text(re.compile(f"^Goes on from step {step:,} with lr=0.2"))
    until_state(notebook, "done", beyond=last - 1)
    legend = shown(notebook).locator(".w1lab-legend")
    expect(legend).to_contain_text("A: num_hiddens=16 lr=0.1 num_epochs=1")
    back(notebook).focus()
    press(notebook, "ArrowLeft")
    assert until_painted(notebook) == last - 1
    assert any(", A 0." in one for one in texts(notebook, "accuracy"))
    assert page.evaluate(OUT_OF_VIEW) == [] and page.evaluate(TOO_LARGE) == []
    assert notebook.errors == []
    page.evaluate(THEME, "Light")


def test_the_mouse_goes_back_in_a_paused_run(open_notebook):
    lab = "shown = lab(data, num_hiddens=16, num_epochs=1000)\nshown"
    notebook = open_notebook(lab, HELD_UP)
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=200)
    expect(back(notebook)).to_be_disabled()
    button(notebook, "pause").click()
    until_state(notebook, "paused")
    newest = state(notebook)[2]
    place = box(back(notebook))
    mouse, middle = notebook.page.mouse, place["y"] + place["height"] / 2
    mouse.move(place["x"] + place["width"] - 8, middle)
    mouse.down()
    for share in (0.8, 0.6, 0.5):
        mouse.move(place["x"] + share * place["width"], middle)
    mouse.up()
    until_said(notebook, rf"^Step .* of {newest:,}, epoch \d+\. Train: loss")
    assert 0.4 * newest < until_painted(notebook) < 0.6 * newest
    notebook.execute("held.clear(); asks.clear()")  # a kernel that is slow to answer
    mouse.down()
    for share in range(20, 40):
        mouse.move(place["x"] + share / 50 * place["width"], middle)
    mouse.up()
    notebook.execute("held.set()")
    step = until_painted(notebook)
    assert step > 0.6 * newest
    notebook.run(2)
    assert int(notebook.output(2)) < 10  # it was asked no more than it answered
    button(notebook, "start").click()  # from where it was paused
    until_state(notebook, "running", beyond=newest)
    assert "A: " not in shown(notebook).locator(".w1lab-legend").inner_text()
    button(notebook, "reset").click()
    until_state(notebook, "fresh")
    expect(back(notebook)).to_be_hidden()  # there is nothing to go back to
    assert notebook.errors == []


HELD_UP = """
if "held" not in vars(shown):
    import threading
    asks, held, go_back = [], threading.Event(), shown._go_back
    def hold_up(*asked):
        held.wait(60)
        asks.append(asked)
        go_back(*asked)
    shown._go_back, shown.held = hold_up, held
    held.set()
print(len(asks))
"""
PAINTS = """() => {
    const { painted } = document.querySelector(".w1lab").dataset;
    return [Number(painted), performance.now() / 1000];
}"""


def test_with_less_motion_it_is_painted_once_a_second_and_follows_at_once(
    open_notebook,
):
    notebook = open_notebook("lab(data, num_hiddens=16, num_epochs=1000)")
    page = notebook.page
    page.emulate_media(reduced_motion="reduce")
    toggle(notebook).click()
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=200)
    painted, began = page.evaluate(PAINTS)
    until_state(notebook, "running", beyond=1000)
    later, ended = page.evaluate(PAINTS)
    assert later - painted <= ended - began + 3
    button(notebook, "pause").click()
    until_state(notebook, "paused")
    newest = state(notebook)[2]
    back(notebook).focus()
    press(notebook, "PageDown", "ArrowLeft")
    assert until_painted(notebook) < newest  # also while its steps are repeated
    page.emulate_media(reduced_motion="no-preference")
    assert notebook.errors == []


def test_a_page_that_is_loaded_again_has_nothing_broken(open_notebook):
    notebook = open_notebook("shown = lab(data, num_hiddens=16, num_epochs=1)\nshown")
    toggle(notebook).click()
    button(notebook, "start").click()
    until_state(notebook, "done")
    back(notebook).focus()
    press(notebook, "PageDown")
    step = until_painted(notebook)
    labelled(notebook, ": ")
    notebook.page.reload()
    notebook.wait_idle()
    assert notebook.unexpected_errors() == []
    notebook.fill(["", "shown"])  # what the kernel still has
    notebook.run(2)
    assert until_painted(notebook) == step
    text = f"step {step:,} of "
    expect(back(notebook)).to_have_attribute("aria-valuetext", re.compile(text))
    labelled(notebook, ": ")
    press(notebook, "Home")
    assert notebook.errors == []
