"""The live shape tracer and its drawings, in a real JupyterLab in a real browser."""

import pytest

from lab_in_browser import Notebook, box

NET = (
    "import torch\n"
    "body = torch.nn.Sequential(*[torch.nn.Linear(9, 9) for _ in range(40)])\n"
    "trace_shapes(torch.nn.Sequential(body, torch.nn.Linear(9, 2)), torch.rand(2, 9))"
)
DRAWN = ".shapes"


@pytest.fixture
def notebook(open_notebook):
    opened = open_notebook("shapes_lab()")
    opened.page.set_viewport_size({"width": 1400, "height": 1500})
    opened.page.wait_for_selector(f"{DRAWN} table")
    yield opened
    assert opened.errors == []


@pytest.fixture
def shown(notebook):
    return notebook.page


def until_shown(page, text):
    page.wait_for_function(
        "text => [...document.querySelectorAll('.jp-OutputArea')]"
        ".some(area => area.innerText.includes(text))",
        arg=text,
    )


def until_lower(part, height):
    """Once the page is laid out for its new width."""
    part.page.wait_for_function(
        "([part, height]) => part.getBoundingClientRect().height < height",
        arg=[part.element_handle(), height],
    )


def press(page, handle, key):
    """A key on one of the sliders: batch_size, num_inputs, num_hiddens."""
    page.locator(".noUi-handle").nth(handle).focus()
    page.keyboard.press(key)


def choose(page, way):
    page.get_by_label("break it", exact=True).select_option(way)


def test_sliders_redraw_the_boxes(shown):
    def drawn():
        return box(shown.locator(f"{DRAWN} img").first)

    until_shown(shown, "X (64, 784)")
    before = drawn()
    press(shown, 0, "ArrowRight")
    until_shown(shown, "X (256, 784)")
    press(shown, 1, "ArrowLeft")
    until_shown(shown, "X (256, 196)")
    after = drawn()
    assert after["height"] > before["height"] and after["width"] < before["width"]
    press(shown, 2, "ArrowLeft")
    until_shown(shown, "W1 (196, 128)")
    until_shown(shown, "W1 = torch.rand(196, 128)")


def test_five_ways_to_break_it_are_explained_and_nothing_jumps(shown):
    until_shown(shown, "X (64, 784)")
    code = shown.locator("pre", has_text="def forward").first
    top = box(code)["y"]
    for way, said in {
        "transposed weight": "use W1.T",
        "missing flatten": "X.flatten(1)",
        "batch and features swapped": "use X.T",
        "wrong width between layers": "give W2 the shape (256, 10)",
        "bias shape": "Use b1.flatten()",
    }.items():
        choose(shown, way)
        until_shown(shown, said)
        until_shown(shown, "# broken")
        assert box(code)["y"] == top
    press(shown, 0, "ArrowRight")  # 256 pictures, as many as units
    until_shown(shown, "only the warning shows it")
    assert box(code)["y"] == top
    choose(shown, "nothing")
    until_shown(shown, "Every operation got the shapes it needs.")


def test_beside_the_list_of_files_it_fits_a_projector(shown):
    shown.set_viewport_size({"width": 780, "height": 700})  # what the list leaves
    until_shown(shown, "Every operation got the shapes it needs.")
    lab = shown.locator(".course-instrument").first
    code = lab.locator("pre", has_text="def forward").first
    press(shown, 0, "Home")  # one picture, which a wrong bias turns into many
    for way, said in {
        "missing flatten": "X = torch.rand(1, 28, 28)",
        "bias shape": "only the warning shows it",
    }.items():
        choose(shown, way)
        until_shown(shown, said)
        until_lower(lab, 579)
        until_lower(code, 90)  # its two halves side by side


def test_running_the_cell_again_stops_the_old_one(notebook, shown):
    press(shown, 0, "ArrowRight")
    until_shown(shown, "X (256, 784)")
    notebook.run(1)
    until_shown(shown, "X (64, 784)")
    press(shown, 0, "ArrowLeft")
    until_shown(shown, "X (16, 784)")


def test_a_folded_part_opens_by_a_click(notebook, shown):
    notebook.fill([NET])
    notebook.run(1)
    until_shown(shown, "Sequential, operations: 40")
    part = shown.locator(f"{DRAWN} details").first
    assert not part.locator("table").is_visible()
    part.locator("summary").click()
    assert part.locator("table").is_visible()
    assert "linear" in part.locator("table").inner_text()


BOXES = """async () => {
    const content = window.jupyterapp.shell.currentWidget.content;
    const index = content.widgets.findIndex((cell) =>
        cell.model.sharedModel.getSource() === "trace_shapes(net, X)");
    await content.scrollToItem(index);
    const cell = content.widgets[index];
    for (let i = 0; i < 600 && !cell.node.querySelector(".tensor img"); i++)
        await new Promise((end) => setTimeout(end, 100));
    const boxes = [...cell.node.querySelectorAll(".tensor img")];
    await Promise.all(boxes.map((box) => box.decode()));
    return [cell.model.trusted, boxes.length,
        boxes.every((box) => box.naturalWidth > 4 && box.offsetWidth > 4)];
}"""


def test_a_fresh_notebook_has_the_boxes_of_its_traces(course, chromium):
    notebook = Notebook(chromium, course, "02_shapes.ipynb")
    assert notebook.page.evaluate(BOXES) == [False, 14, True]
    assert notebook.errors == []
    notebook.close()
