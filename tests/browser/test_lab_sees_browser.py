"""What the net sees: the lab's panel in a real browser, by mouse and by keyboard."""

import time

import pytest
from playwright.sync_api import expect
from test_lab_browser import ENDURING, button, shown, until_state
from test_lab_looks_browser import OUT_OF_VIEW, PROJECTOR, THEME, TOO_LARGE, type_line

from lab_in_browser import after_frames, box, by_its_clock

# One kind of kernel is enough: the other tests of the lab use both.

SIZES = {"laptop, light": (1440, 900, "Light"), "projector, dark": (1024, 700, "Dark")}
PICTURE = "canvas => canvas.toDataURL()"
# Whether the panel itself, and not only what is in it, is within the page.
PANEL_IN_VIEW = """() => {
    const room = document.querySelector(".jp-WindowedPanel-outer")
        .getBoundingClientRect();
    const box = document.querySelector(".w1lab-sees").getBoundingClientRect();
    return box.top >= room.top && box.bottom <= room.bottom
        && box.left >= room.left && box.right <= room.right;
}"""
PLACE = "one => JSON.stringify(one.getBoundingClientRect())"


def toggle(notebook):
    return shown(notebook).get_by_role("button", name="what it sees")


def panel(notebook):
    return shown(notebook).get_by_role("region", name="What the net sees")


def picture(notebook):
    """What is drawn on the left."""
    canvas = panel(notebook).locator("canvas")
    return canvas.evaluate(PICTURE)


def until(notebook, true):
    """Wait for what is drawn after the state is known."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        notebook.page.wait_for_timeout(50)


def labelled(notebook, text):
    """Wait until the drawn part says this to a screen reader."""
    return notebook.page.wait_for_function(
        """(text) => {
            const label = document.querySelector(".w1lab-sees canvas")?.ariaLabel;
            return label?.match(text) && label;
        }""",
        arg=text,
    ).json_value()


def numbers(notebook):
    cells = panel(notebook).get_by_role("gridcell")
    return [int(text or 0) for text in cells.all_inner_texts()]


@pytest.mark.parametrize("width, height, theme", SIZES.values(), ids=SIZES)
def test_it_opens_with_the_curves_in_view_and_moves(
    open_notebook, width, height, theme
):
    notebook = open_notebook("# a line\n" * 20)
    page = notebook.page
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(THEME, theme)
    by_its_clock(page, 1000)  # until the theme is there
    notebook.fill(["# a line\n" * 20, ENDURING])
    notebook.run(2)
    expect(toggle(notebook)).to_have_attribute("aria-expanded", "false")
    assert panel(notebook).count() == 0
    toggle(notebook).click()
    labelled(notebook, "Ankle boot: ")
    # JupyterLab may still be scrolling to the cell.
    page.wait_for_function(f"!({OUT_OF_VIEW})().length && ({PANEL_IN_VIEW})()")
    before, counted = picture(notebook), numbers(notebook)
    places = shown(notebook).locator("canvas, table").all()
    places = [(one, one.evaluate(PLACE)) for one in places]
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=60)
    until(notebook, lambda: picture(notebook) != before)
    until(notebook, lambda: numbers(notebook) != counted)
    assert [one.evaluate(PLACE) for one, _ in places] == [at for _, at in places]
    button(notebook, "pause").click()
    until_state(notebook, "paused")
    assert page.evaluate(OUT_OF_VIEW) == [] and page.evaluate(TOO_LARGE) == []
    rows = [sum(numbers(notebook)[i : i + 10]) for i in range(0, 100, 10)]
    assert all(90 <= row <= 110 for row in rows)  # percent, rounded
    toggle(notebook).click()
    assert panel(notebook).count() == 0
    page.evaluate(THEME, "Light")
    assert notebook.errors == []


def test_which_pictures_and_which_column_by_mouse(open_notebook):
    notebook = open_notebook("lab(data)")
    page = notebook.page
    toggle(notebook).click()
    first = labelled(notebook, "^T-shirt/top: ")
    drawn = picture(notebook)
    panel(notebook).get_by_role("button", name="next ten").click()
    page.wait_for_function("() => document.body.innerText.includes('no. 2 of each')")
    assert labelled(notebook, "^T-shirt/top: ") != first
    until(notebook, lambda: picture(notebook) != drawn)
    panel(notebook).get_by_role("button", name="most wrong now").click()
    panel(notebook).get_by_text("at step 100: no. 1–10").wait_for()
    for one in labelled(notebook, ": ").split(", "):
        true, said = one.split(": ")
        assert not said.startswith(true)
    cell = panel(notebook).get_by_role("gridcell", name="Shirt, answer T-shirt/top")
    cell.click()
    panel(notebook).get_by_text("Shirt as T-shirt/top, 1–10 of ").wait_for()
    assert labelled(notebook, "^Shirt: T-").count("Shirt: T-shirt/top") == 10
    shown(notebook).get_by_role("button", name="Show W1[:, 3] large").click()
    labelled(notebook, r"^W1\[:, 3\] is excited most by: ")
    panel(notebook).get_by_role("button", name="back to the pictures").click()
    labelled(notebook, "^Shirt: T-shirt/top")
    type_line(notebook, "num_hiddens=256 num_layers=3 lr=1 sigma=1")
    until_state(notebook, "diverged")
    labelled(notebook, "NaN or infinite")
    type_line(notebook, "num_hiddens=4 num_epochs=1")  # a new run goes on with it
    until_state(notebook, "done")
    labelled(notebook, "^Shirt: ")
    assert notebook.errors == []


def test_a_projector_shows_the_pictures_or_the_matrix(open_notebook):
    notebook = open_notebook("lab(data)")
    page = notebook.page
    width, height = PROJECTOR
    page.set_viewport_size({"width": width, "height": height})
    toggle(notebook).click()
    labelled(notebook, "^T-shirt/top: ")
    cell = panel(notebook).get_by_role("gridcell", name="Shirt, answer T-shirt/top")
    expect(cell).to_be_hidden()
    panel(notebook).get_by_role("button", name="confusion matrix").click()
    expect(cell).to_be_visible()
    expect(panel(notebook).locator("canvas")).to_be_hidden()
    assert page.evaluate(PANEL_IN_VIEW) and page.evaluate(TOO_LARGE) == []
    cell.focus()
    page.keyboard.press("Enter")  # chooses pictures, so they come back
    panel(notebook).get_by_text("Shirt as T-shirt/top, 1–10 of ").wait_for()
    labelled(notebook, "^Shirt: T-")
    expect(panel(notebook).locator("canvas")).to_be_visible()
    turn = panel(notebook).get_by_role("button", name="confusion matrix")
    expect(turn).to_be_focused()
    first, title = [box(one) for one in (turn, panel(notebook).get_by_text("1–10 of"))]
    assert title["x"] + title["width"] <= first["x"]
    after_frames(page)
    assert page.evaluate(OUT_OF_VIEW) == [] and page.evaluate(TOO_LARGE) == []
    shown(notebook).get_by_role("button", name="Show W1[:, 3] large").click()
    labelled(notebook, r"^W1\[:, 3\] is excited most by: ")
    assert notebook.errors == []


def test_all_of_it_by_keyboard(open_notebook):
    notebook = open_notebook("lab(data)")
    page = notebook.page
    press = page.keyboard.press
    focused = "document.activeElement.ariaLabel || document.activeElement.innerText"
    toggle(notebook).focus()
    press("Enter")
    labelled(notebook, "^T-shirt/top: ")
    press("Tab")
    assert page.evaluate(focused) == "one of each class"
    press("ArrowRight")
    press("Space")
    panel(notebook).get_by_text("at step 100: no. 1–10").wait_for()
    press("ArrowRight")
    press("Enter")
    panel(notebook).get_by_text("at step 100: no. 11–20").wait_for()
    press("Tab")  # the matrix is one stop
    for key in ("ArrowDown",) * 6 + ("ArrowLeft",):
        press(key)
    assert page.evaluate(focused).startswith("Shirt, answer T-shirt/top: ")
    press("Enter")
    labelled(notebook, "^Shirt: T-shirt/top")
    press("Home"), press("End")
    assert page.evaluate(focused).startswith("Shirt, answer Ankle boot: ")
    shown(notebook).get_by_role("button", name="Show W1[:, 0] large").focus()
    press("ArrowRight")
    press("Enter")
    labelled(notebook, r"^W1\[:, 1\] is excited")
    press("Enter")  # again: back
    labelled(notebook, "^Shirt: T-shirt/top")
    press("Space")
    labelled(notebook, r"^W1\[:, 1\] is excited")
    panel(notebook).get_by_role("button", name="back to the pictures").focus()
    press("Escape")  # first the column is left, with the focus where it was chosen
    labelled(notebook, "^Shirt: T-shirt/top")
    assert page.evaluate(focused).startswith("Show W1[:, 1] large")
    panel(notebook).get_by_role("gridcell", name="Shirt, answer T-shirt/top").focus()
    press("Escape")
    expect(toggle(notebook)).to_be_focused()
    assert panel(notebook).count() == 0
    assert notebook.errors == []
