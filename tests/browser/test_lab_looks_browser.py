"""The lab's looks: all in one view, nothing cut off, and what looks like what."""

import pytest
from playwright.sync_api import expect
from test_lab_browser import ENDURING, button, shown, slider, state, until_state

from lab_in_browser import after_frames, box, by_its_clock

# One kind of kernel is enough for looks.

SIZES = {
    "laptop": (1440, 900),
    "projector": (1024, 700),
    "laptop at 150 %": (960, 600),  # what zoom leaves, in CSS pixels
    "projector at 150 %": (683, 467),
}
# Leaves as much as the list of files does of 1024x700.
PROJECTOR = (760, 691)
LONG = (
    "num_hiddens=16 activation=tanh lr=0.1 batch_size=128 num_epochs=1 init=xavier"
    " momentum=0.9 weight_decay=0.0001 dropout=0.1 lr_schedule=cosine seed=3"
)
# What does not lie within the notebook's visible part, of what should.
OUT_OF_VIEW = """() => {
    const room = document.querySelector(".jp-WindowedPanel-outer")
        .getBoundingClientRect();
    const parts = ".course-instrument :is(button, .noUi-handle, canvas, .w1lab-status)";
    return [...document.querySelectorAll(parts)].filter((part) => {
        const box = part.getBoundingClientRect();
        return !box.width || box.left < room.left || box.right > room.right
            || box.top < room.top || box.bottom > room.bottom;
    }).map((part) => part.className || part.textContent);
}"""
# What is larger than its place, and so scrolls or is cut off.
TOO_LARGE = """() => {
    const all = document.querySelectorAll(
        ".course-instrument, .course-instrument :not(.course-unseen, svg *)");
    return [...all].filter((one) =>
        getComputedStyle(one).overflow !== "visible"
        && (one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight)
    ).map((one) => `${one.tagName} ${one.className} ${one.textContent.slice(0, 30)}`);
}"""
# Of the buttons, the sliders and what was opened.
OPENED_OUT_OF_VIEW = """(opened) => {
    const room = document.querySelector(".jp-WindowedPanel-outer")
        .getBoundingClientRect();
    const parts = `.course-buttons button, .noUi-handle, .w1lab-toggle, ${opened}`;
    return [...document.querySelectorAll(parts)].filter((part) => {
        const box = part.getBoundingClientRect();
        return !box.height || box.left < room.left || box.right > room.right
            || box.top < room.top || box.bottom > room.bottom;
    }).map((part) => part.className || part.textContent);
}"""
CONTROLS = ".course-buttons button, .noUi-target"
PICTURES = ".course-instrument canvas, .w1lab button"
PLACES = """(parts) => [...document.querySelectorAll(parts)].map((one) => {
        const { top } = one.closest(".course-instrument").getBoundingClientRect();
        const { x, y, width, height } = one.getBoundingClientRect();
        return [x, y - top, width, height].map(Math.round).join(" ");
    })"""
# How far a pin's cross is above or below its last word, and how high all is.
CROSS_BELOW = """(pinned) => {
    const cross = pinned.querySelector("button").getBoundingClientRect();
    const words = document.createRange();
    words.selectNodeContents(pinned);
    words.setEndBefore(pinned.querySelector("button"));
    const last = [...words.getClientRects()].pop();
    const apart = cross.top + cross.bottom - last.top - last.bottom;
    return [Math.abs(apart) / 2, pinned.getBoundingClientRect().height];
}"""
# Keeps what each canvas has drawn since it was last wiped.
KEEP_DRAWN = """() => {
    window.drawn = {};
    const ink = CanvasRenderingContext2D.prototype;
    for (const name of ["clearRect", "fillText", "drawImage"]) {
        const before = ink[name].kept ?? ink[name];
        ink[name] = function (...given) {
            const kept = (window.drawn[this.canvas.className] ??= []);
            if (name === "clearRect" && !given[0] && !given[1]) kept.length = 0;
            const [what, x, y] = given;
            if (name === "fillText") kept.push({ text: what, x, y });
            if (name === "drawImage") kept.push({ image: given.slice(-4) });
            return before.apply(this, given);
        };
        ink[name].kept = before;
    }
}"""
STYLE = """([selector, ...names]) => {
    const style = getComputedStyle(document.querySelector(selector));
    return names.map((name) => style[name]);
}"""
# JupyterLab stumbles where the next change comes before its splash has gone.
THEME = """async (name) => {
    const theme = `JupyterLab ${name}`;
    await window.jupyterapp.commands.execute("apputils:change-theme", { theme });
    while (document.getElementById("jupyterlab-splash"))
        await new Promise((end) => setTimeout(end, 50));
}"""


def type_line(notebook, text):
    field = notebook.page.get_by_label("settings")
    field.fill(text)
    field.press("Enter")


def drawn(notebook, panel):
    after_frames(notebook.page)  # what was asked for is painted
    return notebook.page.evaluate(f"window.drawn['w1lab-{panel}'] ?? []")


def texts(notebook, panel):
    return {
        one["text"]: (one["x"], one["y"])
        for one in drawn(notebook, panel)
        if "text" in one
    }


def styles(notebook, selector, *names):
    return notebook.page.evaluate(STYLE, [selector, *names])


@pytest.fixture(params=["Light", "Dark"])
def theme(request, page):
    page.page.evaluate(THEME, request.param)
    yield request.param
    page.page.evaluate(THEME, "Light")


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_controls_and_pictures_are_in_one_view(open_notebook, size):
    notebook = open_notebook("# a line\n" * 20)
    notebook.page.set_viewport_size(dict(zip(("width", "height"), size)))
    notebook.fill(["# a line\n" * 20, ENDURING])
    notebook.page.evaluate(
        """() => {
            const content = window.jupyterapp.shell.currentWidget.content;
            content.deselectAll();
            content.activeCellIndex = 2;
            content.widgets[2].node.focus();
        }"""
    )
    notebook.page.keyboard.press("Shift+Enter")
    notebook.page.wait_for_function(f"({OUT_OF_VIEW})().length === 0")
    button(notebook, "start").click()
    until_state(notebook, "running", beyond=30)
    by_its_clock(notebook.page, 1000)
    assert notebook.page.evaluate(OUT_OF_VIEW) == []  # and stays there
    assert notebook.page.evaluate(TOO_LARGE) == []
    assert notebook.errors == []


@pytest.mark.parametrize("width, height", [(1440, 900), (1024, 700), PROJECTOR])
def test_what_is_opened_is_in_one_view_with_the_controls(open_notebook, width, height):
    notebook = open_notebook("# a line\n" * 20)
    page = notebook.page
    page.set_viewport_size({"width": width, "height": height})
    notebook.fill(["lab(data)", "# a line\n" * 20])
    notebook.run(1)
    until_state(notebook, "preview")
    by_its_clock(page, 1000)  # so long JupyterLab scrolls to the cell
    code, panel = ".w1lab-code", ".w1lab-sees"
    toggle = shown(notebook).get_by_role("button", name="what it sees")
    opens = [(button(notebook, "code"), code), (toggle, panel)]
    for opener, opened in [*opens, opens[0]]:  # from one to the other and back
        opener.click()
        page.locator(f"{opened}:not(:empty)").wait_for()
        page.wait_for_function(f"!({OPENED_OUT_OF_VIEW})('{opened}').length")
        by_its_clock(page, 500)  # and stays there
        assert page.evaluate(OPENED_OUT_OF_VIEW, opened) == []
        assert page.evaluate(TOO_LARGE) == []
        # One at a time.
        assert page.locator(f"{code}:not(:empty), {panel}").count() == 1
        # Where the plots have room, they are there: low, but in view.
        plots = page.locator(".w1lab-plots")
        if width > 1000 and height > 800 or (width < 1000 and opened == panel):
            assert plots.is_visible() and page.evaluate(OUT_OF_VIEW) == []
    button(notebook, "code").click()
    expect(page.locator(code)).to_be_empty()
    expect(plots).to_be_visible()
    assert notebook.errors == []


def test_code_that_does_not_fit_begins_in_view_below_the_buttons(open_notebook):
    notebook = open_notebook("lab(data)")
    notebook.page.set_viewport_size({"width": 683, "height": 467})
    shown(notebook).evaluate("(lab) => lab.scrollIntoView({ block: 'start' })")
    button(notebook, "code").click()
    code = shown(notebook).locator("pre")
    expect(code).to_contain_text("import torch")
    expect(code).to_be_in_viewport(ratio=0.5)
    expect(button(notebook, "code")).to_be_in_viewport(ratio=1)


def test_a_pin_keeps_its_cross_beside_its_last_word(open_notebook):
    notebook = open_notebook("lab(data, optimizer='adam', num_epochs=30)")
    button(notebook, "pin").click()
    pinned = shown(notebook).locator(".w1lab-key").last
    expect(pinned.locator(".w1lab-remove")).to_be_visible()
    heights = set()
    for width in range(400, 1000, 10):  # until the words take one line
        notebook.page.set_viewport_size({"width": width, "height": 1000})
        apart, height = pinned.evaluate(CROSS_BELOW)
        assert apart < 9, width
        heights.add(round(height))
    assert len(heights) > 1


@pytest.mark.parametrize("size", [(1440, 900), (683, 467)])
def test_everything_keeps_its_place(open_notebook, size):
    notebook = open_notebook("lab(data, ('num_hiddens', 'lr', 'init'))")
    notebook.page.set_viewport_size(dict(zip(("width", "height"), size)))
    until_state(notebook, "preview")
    by_its_clock(notebook.page, 500)
    parts = (CONTROLS, PICTURES)
    before = [notebook.page.evaluate(PLACES, part) for part in parts]
    type_line(notebook, LONG)
    until_state(notebook, "done")
    assert [notebook.page.evaluate(PLACES, part) for part in parts] == before
    button(notebook, "code").click()
    shown(notebook).get_by_text("import torch").wait_for()
    assert notebook.page.evaluate(PLACES, CONTROLS) == before[0]
    assert notebook.page.evaluate(TOO_LARGE) == []
    button(notebook, "code").click()
    shown(notebook).get_by_text("import torch").wait_for(state="detached")
    assert [notebook.page.evaluate(PLACES, part) for part in parts] == before
    field = notebook.page.get_by_label("settings")
    assert field.input_value().count("=") == LONG.count("=")


def test_three_pins_differ_and_each_can_be_taken_away(open_notebook):
    notebook = open_notebook("lab(data, num_hiddens=2, num_epochs=1)")
    notebook.page.evaluate(KEEP_DRAWN)
    run = state(notebook)[1]
    for i, (name, lr) in enumerate(
        zip("ABC", (0.11, 0.105, 0.1))
    ):  # three that end close together
        type_line(notebook, f"num_hiddens=2 num_epochs=1 lr={lr}")
        until_state(notebook, "done", after=run + i)
        button(notebook, "pin").click()
        shown(notebook).get_by_text(f"{name}: num_hiddens=2").wait_for()
    lines = notebook.page.evaluate(
        """() => [...document.querySelectorAll(".w1lab-key line")].map((line) =>
            [getComputedStyle(line).stroke, line.getAttribute("stroke-dasharray")])"""
    )
    for looks in zip(*lines[3:]):
        assert len(set(looks)) == 3
    assert not {colour for colour, _ in lines[:3]} & {colour for colour, _ in lines[3:]}
    for panel in ("loss", "accuracy"):
        places = [texts(notebook, panel)[name] for name in "ABC"]
        for i, (x, y) in enumerate(places):
            for left, top in places[:i]:
                assert abs(x - left) >= 10 or abs(y - top) >= 12
    heights = [texts(notebook, "loss")[name][1] for name in "CBA"]
    assert heights == sorted(heights)  # in the order of their curves
    place = box(shown(notebook).locator(".w1lab-loss"))
    for share in (0.2, 0.27, 0.35, 0.42, 0.47):  # also between two measurements
        before = state(notebook)[3]
        x, y = place["x"] + share * place["width"], place["y"] + 60
        notebook.page.mouse.move(x, y)
        notebook.page.wait_for_function(
            "(before) => document.querySelector('.w1lab').dataset.painted > before",
            arg=before,
        )
        assert any(", A " in text for text in texts(notebook, "loss")), share
    legend = shown(notebook).locator(".w1lab-legend")
    legend.get_by_label("Remove pin B").click()
    shown(notebook).get_by_text("Pin B is removed.").wait_for()
    legend.get_by_label("Remove pin C").focus()
    notebook.page.keyboard.press("Enter")
    shown(notebook).get_by_text("Pin C is removed.").wait_for()
    assert "A: " in legend.inner_text()
    assert "B: " not in legend.inner_text() and "C: " not in legend.inner_text()
    # Who goes on with the keyboard takes the next one.
    assert notebook.page.evaluate("document.activeElement.title") == "Remove pin A"
    notebook.page.keyboard.press("Enter")
    shown(notebook).get_by_text("Pin A is removed.").wait_for()
    focused = "document.activeElement.textContent"
    assert notebook.page.evaluate(focused) == "what it sees"


def test_the_menu_names_the_weights_that_are_shown(open_notebook):
    notebook = open_notebook(
        "lab(data, 'num_layers', num_hiddens=8, num_layers=3, num_epochs=1)"
    )
    assert box(notebook.page.locator(".noUi-target"))["width"] > 200
    notebook.page.evaluate(KEEP_DRAWN)
    menu = notebook.page.get_by_label("weights to show")
    menu.select_option("W3")
    slider(notebook).focus()
    for key, count in (("Home", 2), ("End", 11)):  # one layer has no W3
        notebook.page.keyboard.press(key)
        expect(menu.locator("option")).to_have_count(count)
    expect(menu).to_have_value("W3")
    notebook.page.wait_for_function(
        """() => (window.drawn["w1lab-columns"] ?? [])
            .some(({ text }) => text === "8 of 8 rows, 8 of 8 columns")"""
    )


def test_the_epoch_axis_ends_where_the_run_ends(open_notebook):
    notebook = open_notebook("lab(data, num_hiddens=2, num_epochs=3)")
    notebook.page.evaluate(KEEP_DRAWN)
    button(notebook, "start").click()
    until_state(notebook, "done")
    for panel in ("loss", "accuracy"):
        all_texts = texts(notebook, panel)
        bottom = max(
            y
            for text, (_, y) in all_texts.items()
            if text != "epoch" and y < all_texts["epoch"][1]
        )
        axis = [float(text) for text, (_, y) in all_texts.items() if y == bottom]
        assert max(axis) == 3


def test_the_fewer_the_units_the_larger_their_pictures(open_notebook):
    notebook = open_notebook("lab(data, num_hiddens=16)")
    notebook.page.evaluate(KEEP_DRAWN)
    sizes = {}
    for width in (16, 4, 1):
        run = state(notebook)[1]
        type_line(notebook, f"num_hiddens={width} lr=0.1 num_epochs=1")
        until_state(notebook, "done", after=run)
        tiles = [one["image"] for one in drawn(notebook, "columns") if "image" in one]
        assert len(tiles) == width
        sizes[width] = tiles[0][2]
    assert sizes[16] > 56 and sizes[4] > 1.4 * sizes[16] and sizes[1] > 1.4 * sizes[4]


def test_zero_is_as_the_page_behind_it(open_notebook, theme):
    notebook = open_notebook("lab(data, num_hiddens=1, init='zeros')")
    until_state(notebook, "preview")
    by_its_clock(notebook.page, 1000)  # until the theme is there
    grey = (
        shown(notebook)
        .locator("canvas")
        .nth(2)
        .evaluate(
            """(canvas) => [...canvas.getContext("2d").getImageData(
            canvas.width * 0.2, canvas.height * 0.3, 1, 1).data].slice(0, 3)"""
        )
    )
    assert max(grey) < 60 if theme == "Dark" else min(grey) > 230


def test_a_failed_run_looks_like_no_other_line(open_notebook, theme):
    notebook = open_notebook("lab(data, num_hiddens=8)")
    until_state(notebook, "preview")
    looks = [".w1lab-status", "color", "borderLeftColor", "backgroundColor"]
    usual = styles(notebook, *looks)
    type_line(notebook, "num_hiddens=256 num_layers=3 lr=1 sigma=1")
    until_state(notebook, "diverged")
    for before, now in zip(usual, styles(notebook, *looks)):
        assert before != now
    mark = "getComputedStyle(document.querySelector('.w1lab-status'), '::before')"
    assert "\u2717" in notebook.page.evaluate(f"{mark}.content")
    type_line(notebook, "num_hiddens=8 num_epochs=1")
    until_state(notebook, "done")
    assert styles(notebook, *looks) == usual


@pytest.mark.parametrize(
    "typed, why",
    [
        ("num_hiddens=16 init=foo", "The lab has no init 'foo'; it has: normal, "),
        ("num_hiddens=8 lr=0.1 lr=0.2", "lr is given twice, as 0.1 and 0.2"),
        ("", "An empty line holds no settings, so nothing has changed."),
    ],
)
def test_a_refused_line_says_why_and_goes_back(open_notebook, typed, why):
    notebook = open_notebook("lab(data, num_hiddens=8, num_epochs=1000)")
    run, field = state(notebook)[1], notebook.page.get_by_label("settings")
    usual = styles(notebook, ".w1lab-note", "color")
    type_line(notebook, typed)
    shown(notebook).locator(".w1lab-note").get_by_text(why).wait_for()
    expect(field).to_have_value("num_hiddens=8 lr=0.1 num_epochs=1000")
    assert state(notebook)[1] == run
    assert styles(notebook, ".w1lab-note", "color") != usual
    slider(notebook).focus()
    notebook.page.keyboard.press("ArrowRight")
    until_state(notebook, "running", beyond=10)
    assert styles(notebook, ".w1lab-note", "color") == usual
