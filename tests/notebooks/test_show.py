"""The notebooks as HTML, as slides, in print and as pages."""

import re
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter, SlidesExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from traitlets.config import PyFileConfigLoader

import show

ROOT = Path(__file__).parents[2]
LESSONS = [path.relative_to(show.NOTEBOOKS).as_posix() for path in show.notebooks()]


@pytest.fixture(scope="module")
def config():
    """What nbconvert is given with --config."""
    return PyFileConfigLoader("jupyter_nbconvert_config.py", str(ROOT)).load_config()


def read(name):
    text = (show.NOTEBOOKS / name).read_text(encoding="utf-8")
    return nbformat.v4.reads(text)


def kind(part):
    return part.metadata.slideshow.slide_type


@pytest.mark.parametrize("name", LESSONS)
def test_every_cell_has_its_slide_and_none_is_too_tall(name):
    nb = read(name)
    unmarked = [cell.id for cell in nb.cells if "slideshow" not in cell.metadata]
    assert unmarked == [], "run tools/show.py"
    assert show.too_tall(nb) == [], "run tools/show.py"


@pytest.mark.parametrize("name", LESSONS)
def test_no_slide_shows_an_answer_before_it_is_asked_for(name):
    nb = read(name)
    hidden = {cell.id for cell in nb.cells if show.is_hidden(cell) and cell.outputs}
    shown = {
        part.id.removesuffix("-1"): kind(part)
        for part, _ in show.slides(nb)
        if show.is_hidden(part) and part.outputs
    }
    assert shown.keys() == hidden
    assert set(shown.values()) <= {"fragment", "subslide"}


def test_what_is_too_tall_for_a_slide_is_cut_or_named():
    long = "\n\n".join(["A line of text that is a paragraph of its own."] * 30)
    printed = new_output("stream", name="stdout", text="line\n" * 20)
    wide = new_output("stream", name="stdout", text="line\n" * 60)
    cells = [
        new_markdown_cell("# Title"),
        new_markdown_cell(long),
        new_code_cell("x = 1\n" * 12, outputs=[printed]),
    ]
    nb = new_notebook(cells=cells)
    show.mark(nb)
    assert show.too_tall(nb) == []
    kinds = [kind(part) for part, _ in show.slides(nb)]
    assert kinds[0] == "slide" and kinds.count("subslide") >= 3
    nb.cells.append(new_code_cell("f()", outputs=[wide]))
    show.mark(nb)
    assert len(show.too_tall(nb)) == 1 and nb.cells[-1].id in show.too_tall(nb)[0]


def test_slides_and_html_keep_what_a_picture_says(config):
    nb = read("00_start_here.ipynb")
    alts = [
        output.metadata["image/png"].alt
        for cell in nb.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    for exporter in (HTMLExporter, SlidesExporter):
        made, _ = exporter(config=config).from_notebook_node(nb)
        assert re.findall(r'<img alt="([^"]+)"', made) == alts
        assert "<img src" not in made
    assert made.count("<section") > 20  # the last one is slides


def test_paper_needs_no_click():
    text = "<details>\n<summary>What we saw</summary>\n\nNothing.\n\n</details>"
    printed, _ = show.for_print(new_notebook(cells=[new_markdown_cell(text)]), {})
    assert "<details open>" in printed.cells[0].source


BEYOND = """() => [...document.querySelectorAll("pre, table, img")].filter((one) => {
    const style = getComputedStyle(one.closest(".jp-InputArea-editor") ?? one);
    return one.getBoundingClientRect().right > innerWidth + 1
        || style.overflowX !== "visible" && one.scrollWidth > one.clientWidth + 3;
}).map((one) => one.outerHTML.slice(0, 200))"""


BREAKS = """() => [...new Set([...document.querySelectorAll(
    ".jp-OutputArea-output pre")].map((one) => getComputedStyle(one).wordBreak))]"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["02_shapes.ipynb", "03_parameters.ipynb"])
def test_nothing_runs_off_the_paper(name, config, chromium, tmp_path):
    settings = {"config_dir": str(tmp_path)}  # else custom/custom.css would be there
    made, _ = HTMLExporter(config=config).from_notebook_node(read(name), settings)
    page = chromium.new_page(viewport={"width": 698, "height": 900})  # Letter
    page.route("https://**", lambda route: route.abort())
    page.emulate_media(media="print")
    page.set_content(made)
    assert page.locator(".shapes, .registration").count() > 2
    assert page.evaluate(BEYOND) == []
    assert page.evaluate(BREAKS) == ["normal"]  # within no word
    page.close()


@pytest.mark.parametrize("name", LESSONS)
def test_a_page_has_no_exercises_and_hides_its_answers(name):
    page, _ = show.for_page(read(name), {})
    code = [cell.source for cell in page.cells if cell.cell_type == "code"]
    assert code and not re.search(r"^check\(", "\n".join(code), re.MULTILINE)
    before = dict(zip((cell.id for cell in page.cells[1:]), page.cells))
    for cell in page.cells:
        if show.is_hidden(cell):
            assert f'<details title="{cell.id}">' in before[cell.id].source
            assert f'[id="cell-id={cell.id}"]' in page.cells[0].source
    said = "\n".join(cell.source for cell in page.cells)
    recap, asked = ("小结", "显示") if "/" in name else ("Recap.", "Show what")
    assert f"\n**{recap}**" in said
    assert said.count("<details title=") == said.count(f"<summary>{asked}")


@pytest.mark.parametrize("prepare", [show.for_page, show.for_slides])
@pytest.mark.parametrize("texts", [[], ["# Mine"]])
def test_a_learners_own_notebook_runs_as_it_is(prepare, texts):
    """Also where it begins with code, or has nothing else."""
    cells = [new_code_cell("x = 1"), *map(new_markdown_cell, texts)]
    shown, _ = prepare(new_notebook(cells=cells), {})
    styled = [cell for cell in shown.cells if "<style>" in cell.source]
    assert [cell.cell_type for cell in styled] == ["markdown"]
    assert "x = 1" in [cell.source for cell in shown.cells]


def test_a_page_asks_for_no_file_that_is_not_served():
    exporter = HTMLExporter(preprocessors=[show.for_page])
    course = {"config_dir": str(ROOT)}  # with the styles in custom, as Voila has them
    nb = new_notebook(cells=[new_markdown_cell("# Title")])
    page, _ = exporter.from_notebook_node(nb, course)
    assert "break at spaces" in page and "outputs.css" not in page
