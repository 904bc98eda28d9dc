"""The page around the instruments: what a learner's own JupyterLab does with them."""

import re

import pytest
from playwright.sync_api import expect
from test_access_browser import INSTRUMENTS
from test_lab_browser import button, shown, until_state

from lab_in_browser import Notebook, by_its_clock

LABS = [
    "lab(data)",
    "init_lab(data)",
    "shapes_lab()",
    "registration_lab(data)",
    "predict('rise', 'Does it rise?', ['yes', 'no', 'maybe'])",
]
# The last: what the list of files leaves of a projector of 1024x700.
SIZES = [(1440, 900), (780, 691)]
ACTIVE = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
PROMPT = """+document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")[1]
    .textContent.match(/\\d+/)"""
DIRTY = "window.jupyterapp.shell.currentWidget.context.model.dirty"
SELECT = """(index) => {
    const content = window.jupyterapp.shell.currentWidget.content;
    content.deselectAll();
    content.activeCellIndex = index;
    content.widgets[index].node.focus();
}"""
SOURCES = """window.jupyterapp.shell.currentWidget.content.widgets
    .map((cell) => cell.model.sharedModel.getSource())"""
SET_SOURCE = """([index, source]) => window.jupyterapp.shell.currentWidget.content
    .widgets[index].model.sharedModel.setSource(source)"""
SAVED = """(index) => JSON.stringify(window.jupyterapp.shell.currentWidget.content
    .widgets[index].model.toJSON().outputs)"""
COUNT = 7  # of INSTRUMENTS
# How many instruments say that their kernel is gone, in grey and without a chain.
GONE = """() => [...document.querySelectorAll(".course-instrument")].map((one) => {
    const parts = [...one.children].map((part) => getComputedStyle(part));
    const chains = [...one.querySelectorAll(".jupyter-widgets-disconnected")];
    return getComputedStyle(one, "::before").content.includes("Its kernel is gone")
        && parts.every((style) => style.opacity < 1 && style.pointerEvents === "none")
        && chains.every((it) => getComputedStyle(it, "::before").content === "none");
}).filter((gone) => gone).length"""
# What a cell's output shows once it is scrolled to: pictures, tables, and its text.
SHOWS = """async (index) => {
    const content = window.jupyterapp.shell.currentWidget.content;
    const output = content.widgets[index].node.querySelector(".jp-OutputArea");
    for (let i = 0; i < 600 && !output.innerText; i++) {
        await content.scrollToItem(index, "start");
        await new Promise((end) => setTimeout(end, 100));
    }
    const seen = (kind) => [...output.querySelectorAll(kind)]
        .filter((one) => one.checkVisibility()).length;
    return [seen("img"), seen("table"), output.innerText];
}"""
RADIOS = "[...document.querySelectorAll('input[type=radio]')].map((r) => r.checked)"
# Whether the controls and pictures of a cell are in the notebook's visible part.
IN_VIEW = """(index) => {
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[index].node;
    const room = cell.closest(".jp-WindowedPanel-outer").getBoundingClientRect();
    const parts = [...cell.querySelectorAll(".course-instrument "
        + ":is(.noUi-handle, button, select, input, canvas, svg, table, .reply)")]
        .map((one) => one.getBoundingClientRect()).filter((box) => box.height);
    return parts.length > 0 && parts.every(
        (box) => box.top >= room.top && box.bottom <= room.bottom);
}"""
LOOK_OF_REPLY = """async (index) => {
    const content = window.jupyterapp.shell.currentWidget.content;
    const cell = content.widgets[index];
    const reply = () => cell.node.isConnected && cell.node.querySelector(".reply");
    for (let i = 0; i < 600 && !reply(); i++) {
        await content.scrollToItem(index, "center");
        await new Promise((end) => setTimeout(end, 100));
    }
    return [cell.model.trusted, getComputedStyle(reply()).borderLeftStyle];
}"""

# The words of menus, in a cell's output, that their menu is too narrow for.
CUT = """(index) => {
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[index].node;
    const pen = document.createElement("canvas").getContext("2d");
    return [...cell.querySelectorAll(".course-instrument select")].flatMap((menu) => {
        const look = getComputedStyle(menu);
        pen.font = look.font;
        const room = menu.clientWidth
            - parseFloat(look.paddingLeft) - parseFloat(look.paddingRight);
        return [...menu.options].map((option) => option.text)
            .filter((text) => pen.measureText(text).width > room);
    });
}"""

# The largest rectangle of a cell's instrument with nothing in it, as a share of it all.
LARGEST_GAP = """(index) => {
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[index].node;
    const lab = cell.querySelector(".course-instrument");
    const side = 10, all = lab.getBoundingClientRect(), range = document.createRange();
    const [across, down] = [all.width, all.height].map((one) => Math.floor(one / side));
    const free = Array.from({ length: down }, () => new Array(across).fill(1));
    const take = (box) => {
        const [left, right] = [box.left, box.right].map((x) => (x - all.left) / side);
        const [top, bottom] = [box.top, box.bottom].map((y) => (y - all.top) / side);
        for (const row of free.slice(Math.max(0, Math.floor(top)), Math.ceil(bottom)))
            row.fill(0, Math.max(0, Math.floor(left)), Math.ceil(right));
    };
    const parts = document.createTreeWalker(lab);
    while (parts.nextNode()) {
        const part = parts.currentNode;
        const box = "canvas, img, svg, input, select, button, td, .noUi-target";
        range.selectNodeContents(part);
        if (part.nodeType === Node.TEXT_NODE && part.data.trim())
            [...range.getClientRects()].forEach(take);
        else if (part.matches?.(box)) take(part.getBoundingClientRect());
    }
    const high = new Array(across).fill(0); // how many rows are free above
    let largest = 0;
    for (const row of free) {
        row.forEach((one, x) => { high[x] = one && high[x] + 1; });
        for (let x = 0; x < across; x++)
            for (let end = x, low = Infinity; end < across && high[end]; end++) {
                low = Math.min(low, high[end]);
                largest = Math.max(largest, low * (end - x + 1));
            }
    }
    return largest / across / down;
}"""


def run_and_go_on(notebook, index):
    """Shift + Enter on a cell, as a learner presses it."""
    notebook.page.evaluate(SELECT, index)
    notebook.page.keyboard.press("Shift+Enter")


def cell_counts(notebook):
    return notebook.page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.widgets"
        ".map((cell) => cell.model.executionCount)"
    )


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("source", LABS)
def test_what_was_run_is_in_view(open_notebook, source, size):
    notebook = open_notebook("# a line\n" * 20)
    width, height = size
    notebook.page.set_viewport_size({"width": width, "height": height})
    notebook.fill(["# a line\n" * 20, source])
    run_and_go_on(notebook, 2)
    notebook.page.wait_for_function(f"({IN_VIEW})(2)")
    by_its_clock(notebook.page, 1000)  # and stays there
    assert notebook.page.evaluate(IN_VIEW, 2)
    assert notebook.page.evaluate(CUT, 2) == []
    if width > 1000 and "predict" not in source:  # a question is text
        assert notebook.page.evaluate(LARGEST_GAP, 2) < 0.4
    assert notebook.errors == []


# Once a cell is in view it is moved away, within the page: so no slow test comes later.
MOVE_ON = """(index) => {
    const room = document.querySelector(".jp-WindowedPanel-outer");
    const isInView = %s;
    const look = () => {
        if (!isInView(index)) return requestAnimationFrame(look);
        setTimeout(() => {
            room.scrollTop += 2000;
            window.movedOn = !isInView(index);
        }, 1000);
    };
    look();
}"""


def test_where_jupyterlab_moves_on_late_it_is_in_view(open_notebook):
    notebook = open_notebook()
    page = notebook.page
    page.set_viewport_size({"width": 1024, "height": 700})
    notebook.fill(["lab(data)", "# a line\n" * 90])
    page.evaluate(MOVE_ON % IN_VIEW, 1)
    run_and_go_on(notebook, 1)
    page.wait_for_function("window.movedOn")
    page.wait_for_function(f"({IN_VIEW})(1)")
    page.mouse.move(500, 400)
    page.mouse.wheel(0, 2000)  # now it is the learner's own
    page.wait_for_function(f"!({IN_VIEW})(1)")
    by_its_clock(page, 4500)
    assert not page.evaluate(IN_VIEW, 1)


TOP = """(index) => {
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[index].node;
    const room = cell.closest(".jp-WindowedPanel-outer").getBoundingClientRect();
    const outputs = [...cell.querySelectorAll(".jp-OutputArea-output")];
    const output = outputs.find((one) => one.offsetParent)?.getBoundingClientRect();
    return output ? (output.top - room.top) / room.height : -1;
}"""


@pytest.mark.parametrize(
    "source",
    [
        "plot_columns(data.train.images[:20].T, 'Clothes.')",
        "trace_shapes(MLP(784, 256, 10), data.train.images[:64])",
    ],
)
def test_a_picture_is_in_view_also_before_a_long_cell(open_notebook, source):
    notebook = open_notebook(source)
    notebook.page.set_viewport_size({"width": 1024, "height": 700})
    notebook.fill([source, "# a line\n" * 30])
    for _ in range(2):  # the second time, its output is there from the start
        run_and_go_on(notebook, 1)
        notebook.page.wait_for_function(f"{ACTIVE} === 2")
        notebook.page.wait_for_function(f"({TOP})(1) >= 0")
        by_its_clock(notebook.page, 1000)  # and stays there
        assert 0 <= notebook.page.evaluate(TOP, 1) < 0.5


def test_after_a_choice_shift_enter_goes_on(open_notebook):
    notebook = open_notebook(LABS[-1])
    notebook.fill([LABS[-1], "'went on'"])
    notebook.run(1)
    asked = cell_counts(notebook)[1]
    notebook.page.locator("label", has_text="no").first.click()
    notebook.page.wait_for_function(f"{ACTIVE} === 2")
    notebook.page.keyboard.press("Shift+Enter")
    notebook.page.get_by_text("'went on'").nth(1).wait_for()
    assert cell_counts(notebook)[1] == asked  # the question was not asked again


# A button, a slider's handle, and a picture, which takes no focus.
@pytest.mark.parametrize("used", ["button", ".noUi-handle", "canvas"])
def test_after_work_in_a_lab_shift_enter_goes_on(open_notebook, used):
    notebook = open_notebook("lab(data)")
    notebook.fill(["lab(data)", "'went on'"])
    notebook.run(1)
    opened = cell_counts(notebook)[1]
    notebook.page.locator(f".course-instrument {used}:visible").first.click()
    assert notebook.page.evaluate(ACTIVE) == 1
    notebook.page.keyboard.press("Shift+Enter")
    notebook.page.get_by_text("'went on'").nth(1).wait_for()
    assert cell_counts(notebook)[1] == opened
    run_and_go_on(notebook, 1)  # where its code was chosen, it begins anew
    notebook.page.wait_for_function(f"{PROMPT} > {opened}")


def test_keys_belong_to_the_control_in_focus(open_notebook):
    notebook = open_notebook(LABS[-1])
    notebook.page.locator("input[type=radio]").first.focus()
    for key, chosen in (("ArrowDown", 1), ("ArrowDown", 2), ("x", 2)):
        notebook.page.keyboard.press(key)
        notebook.page.wait_for_function(f"{RADIOS}.indexOf(true) === {chosen}")
        assert notebook.page.evaluate(ACTIVE) == 1
    notebook.page.keyboard.press("Enter")
    notebook.page.wait_for_function(f"{ACTIVE} === 2")


def test_without_its_kernel_an_instrument_says_so_and_no_cell_runs(open_notebook):
    notebook = open_notebook()
    notebook.fill([INSTRUMENTS, "import time\ntime.sleep(600)"])
    notebook.run(1)
    run_and_go_on(notebook, 2)
    running = notebook.page.get_by_text("Running for")
    running.wait_for()
    notebook.restart()
    expect(running).to_have_count(0)
    notebook.page.wait_for_function(f"({GONE})() === {COUNT}")
    assert notebook.errors == []
    notebook.run(0)


def test_a_lesson_opens_unchanged_and_comes_back_on_the_second_day(course, chromium):
    name = "02_shapes.ipynb"
    notebook = Notebook(chromium, course, name)
    assert not notebook.page.evaluate(DIRTY)
    cells = notebook.page.evaluate(SOURCES)
    question = next(i for i, one in enumerate(cells) if "predict(" in one[:9])
    first = next(i for i, one in enumerate(cells) if "from helpers import" in one[:20])
    labs = next(i for i, one in enumerate(cells) if one == "shapes_lab()")
    checked = next(i for i, one in enumerate(cells) if "check(" in one[:6])
    notebook.page.evaluate(SET_SOURCE, [labs, f"from helpers import *\n{INSTRUMENTS}"])
    for index in (first, question, labs, checked - 1, checked):
        notebook.run(index)
    notebook.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    notebook.page.wait_for_function(f"!({DIRTY})")
    notebook.close()

    notebook = Notebook(chromium, course, name)
    pictures, tables, text = notebook.page.evaluate(SHOWS, labs)
    assert (pictures, tables) == (5, 1)  # the X-ray is a table, and a question is text
    assert "Predict: Does it rise?" in text
    assert text.count("To use it, run this cell: click into it and press") == 1
    for index in (question, labs):
        saved = notebook.page.evaluate(SAVED, index)
        assert "run this cell" in saved and "widget-view" not in saved
    assert "model not found" not in notebook.all_text()
    assert not notebook.page.evaluate(DIRTY)
    # JupyterLab doesn't trust a notebook that was run in part: no output has its style.
    assert notebook.page.evaluate(LOOK_OF_REPLY, checked) == [False, "dotted"]
    notebook.close()


# The height of a line of code, in lines, of so many columns.
LINES = """async ([index, columns]) => {
    const cell = window.jupyterapp.shell.currentWidget.content.widgets[index];
    await window.jupyterapp.shell.currentWidget.content.scrollToItem(index);
    cell.model.sharedModel.setSource("#".repeat(columns) + "\\n#");
    await new Promise((end) => setTimeout(end, 500));
    const [line, short] = cell.node.querySelectorAll(".cm-line");
    return line.offsetHeight / short.offsetHeight;
}"""


def test_the_list_stays_where_it_began_and_its_cure_learns(course, chromium):
    notebook = Notebook(chromium, course, "03_parameters.ipynb", view="lab")
    notebook.page.set_viewport_size({"width": 1024, "height": 700})
    cells = notebook.page.evaluate(SOURCES)
    starts = (
        "from helpers import MLP",
        "class Layers",
        "def own_step",
        "from helpers import lab\n",
    )
    for start in starts:
        (index,) = (i for i, one in enumerate(cells) if one.startswith(start))
        notebook.run(index)

    def accuracies(beyond):
        """On training and validation pictures, after some steps."""
        button(notebook, "start").click()
        until_state(notebook, "running", beyond=beyond)
        button(notebook, "pause").click()
        until_state(notebook, "paused")
        said = shown(notebook).locator(".w1lab-status").inner_text()
        return [float(found) for found in re.findall(r"accuracy ([\d.]+\d)", said)]

    first = accuracies(5)
    assert accuracies(120) == first and len(first) == 2
    button(notebook, "pin").click()
    cure = notebook.page.get_by_label("module_list")
    cure.check()
    until_state(notebook, "running", beyond=120)
    button(notebook, "pause").click()
    until_state(notebook, "paused")
    assert min(accuracies(150)) > max(first) + 0.2
    cure.uncheck()
    button(notebook, "doctor").click()
    finding = shown(notebook).locator(".w1lab-finding")
    expect(finding).to_contain_text("unregistered: ")
    expect(finding).to_contain_text("layers[0].weight")
    for part in (button(notebook, "start"), finding):
        expect(part).to_be_in_viewport(ratio=0.98)
    assert notebook.errors == []
    # The columns that the lint allows fit beside the list of files.
    for columns, lines in ((90, 2), (72, 1)):
        wraps = f"async (asked) => (await ({LINES})(asked)) === {lines}"
        notebook.page.wait_for_function(wraps, arg=[index, columns])
    notebook.close()
