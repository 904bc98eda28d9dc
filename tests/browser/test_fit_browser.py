"""All outputs fit a projector and a page at 150 %, in a browser with scroll bars."""

from pathlib import Path

import pytest

from lab_in_browser import Notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LESSONS = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
SIZES = [(1440, 900), (1024, 700), (960, 600)]  # the last is the first at 150 %
# As after a run of all cells: nothing hidden, nothing stripped, nothing out of sight.
SHOW_ALL = """async () => {
    const content = window.jupyterapp.shell.currentWidget.content;
    content.notebookConfig = {...content.notebookConfig, windowingMode: "none"};
    content.viewModel.windowingActive = false;
    content.update();
    for (const cell of content.widgets) {
        cell.model.trusted = true;
        if (cell.outputHidden) cell.outputHidden = false;
    }
    while (!content.widgets.every((cell) => cell.node.isConnected))
        await new Promise((end) => setTimeout(end, 50));
}"""
# What an output cuts off or scrolls, and what is wider than the output.
CUT_OFF = """() => {
    const found = [];
    const cells = window.jupyterapp.shell.currentWidget.content.widgets;
    cells.forEach((cell, index) => {
        const outputs = cell.node.querySelectorAll(".jp-OutputArea-output");
        for (const output of outputs) {
            const end = output.getBoundingClientRect().right + 0.5;
            for (const one of [output, ...output.querySelectorAll("*")]) {
                if (one.clientWidth <= 1 || one.closest(".noUi-base")) continue;
                const {overflowX, overflowY} = getComputedStyle(one);
                const name = `cell ${index}: ${one.tagName}.${one.className} `;
                if (overflowX !== "visible" && one.scrollWidth > one.clientWidth)
                    found.push(`${name} ${one.scrollWidth} > ${one.clientWidth}`);
                if (overflowY !== "visible" && one.scrollHeight > one.clientHeight)
                    found.push(`${name} ${one.scrollHeight} > ${one.clientHeight}`);
                if (one.getBoundingClientRect().right > end)
                    found.push(`${name} is wider than its output`);
            }
        }
    });
    return found;
}"""


def cut_off(page):
    """{size: what is cut off} for sizes at which something is."""
    found = {}
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(200)
        if here := page.evaluate(CUT_OFF):
            found[width, height] = here
    return found


@pytest.mark.parametrize("name", LESSONS)
def test_no_output_of_a_lesson_is_cut_off(course, chromium, name):
    notebook = Notebook(chromium, course, name)
    notebook.page.evaluate(SHOW_ALL)
    shown = "document.querySelectorAll('.jp-OutputArea-output').length"
    notebook.page.wait_for_function(f"{shown} > 10")
    assert cut_off(notebook.page) == {}
    notebook.close()
