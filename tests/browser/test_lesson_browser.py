"""Each lesson as it is stored, in a real JupyterLab; the tests follow each other."""

import re

from test_fit_browser import WITH_FILES, cut_off
from test_page_browser import DIRTY

HIDDEN = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .map((cell, i) => cell.model.getMetadata("jupyter")?.outputs_hidden &&
        cell.model.outputs.length ? i : -1)
    .filter((i) => i >= 0)"""
# How many outputs of a cell are to be seen.
SHOWN = """async (index) => {
    const content = window.jupyterapp.shell.currentWidget.content;
    await content.scrollToItem(index);
    return [...content.widgets[index].node.querySelectorAll(".jp-OutputArea-output")]
        .filter((one) => one.offsetParent).length;
}"""
SET_SOURCE = """(index) => {
    const {model} = window.jupyterapp.shell.currentWidget.content.widgets[index];
    window.stored = [model.sharedModel.getSource(), model.outputs.toJSON()];
    model.sharedModel.setSource("'shown'");
}"""
PUT_BACK = """(index) => {
    const {model} = window.jupyterapp.shell.currentWidget.content.widgets[index];
    model.sharedModel.setSource(window.stored[0]);
    model.outputs.fromJSON(window.stored[1]);
}"""
WIDER = """() => {
    const room = document.querySelector(".jp-WindowedPanel-outer");
    return room.scrollWidth > room.clientWidth;
}"""
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


def test_a_notebook_opens_unexecuted_without_an_error(lesson):
    text = lesson.page.locator(".jp-Notebook:visible").inner_text()
    assert re.search(r"\w+", text)
    for complaint in ("Error displaying widget", "model not found"):
        assert complaint not in lesson.all_text()
    assert lesson.unexpected_errors() == []
    assert lesson.errors == []


def test_an_answer_is_hidden_until_its_cell_is_run(lesson):
    # A projector, beside the list of files: the line in its place is cut to fit.
    lesson.page.set_viewport_size({"width": 780, "height": 700})
    hidden = lesson.page.evaluate(HIDDEN)
    assert hidden
    assert not lesson.page.evaluate(DIRTY)
    for index in hidden:
        assert lesson.page.evaluate(SHOWN, index) == 0
        assert not lesson.page.evaluate(WIDER)
    lesson.page.evaluate(SET_SOURCE, hidden[0])  # it needs no other cell now
    lesson.run(hidden[0])
    assert lesson.page.evaluate(SHOWN, hidden[0]) > 0
    lesson.page.evaluate(PUT_BACK, hidden[0])


def test_no_output_of_a_lesson_is_cut_off(lesson):
    lesson.page.evaluate(SHOW_ALL)
    shown = "document.querySelectorAll('.jp-OutputArea-output').length"
    lesson.page.wait_for_function(f"{shown} > 10")
    assert cut_off(lesson.page, WITH_FILES) == {}
