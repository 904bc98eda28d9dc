"""The notebooks as slides, in print and as pages, for jupyter_nbconvert_config.py.

`python tools/show.py` writes into the metadata of every cell which slide it is on. Run
it after a notebook was changed. `python tools/show.py --check` changes nothing and
names the slides that are too tall.
"""

import base64
import copy
import html
import math
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

import spoken
from helpers.tables import screen_width

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
CUSTOM = Path(__file__).parent.parent / "custom" / "custom.css"
TALL = 720  # pixels of a slide, which is 1280 wide
MARGIN = 40  # of its pixels, above and below in all
SHOW = spoken.marked("Show what this cell printed")
# Translators: this and the next two as they are in the notebooks.
EXERCISES = spoken.marked("## Your turn")
RECAP = spoken.marked("**Recap.**")
TEACHERS = spoken.marked("## For teachers")

# Sizes in `height` follow these; a browser measured both (CONTRIBUTING.md).
SLIDES = """
body.jp-Notebook {--jp-content-font-size1: 22px; --jp-code-font-size: 19px;
  --jp-content-line-height: 1.4; --jp-code-line-height: 1.3}
.reveal .slides > section > section {padding: 0; font-size: 22px; line-height: 1.4}
.reveal .jp-Notebook-cell {padding: 4px 0; margin: 0}
.reveal .jp-RenderedHTMLCommon h1 {font-size: 40px; margin: 0 0 16px}
.reveal .jp-RenderedHTMLCommon h2 {font-size: 34px; margin: 0 0 14px}
.reveal .jp-RenderedHTMLCommon h3 {font-size: 28px; margin: 0 0 12px}
.reveal .jp-RenderedHTMLCommon :is(h1, h2, h3) {text-transform: none}
.reveal .jp-RenderedMarkdown :is(p, li, blockquote) {font-size: 22px; margin-top: 0}
.reveal .jp-RenderedMarkdown :is(p, ul, ol, table, pre) {margin: 0 0 12px}
.reveal .jp-RenderedMarkdown :is(ul, ol) {padding-left: 1.5em}
.reveal .jp-RenderedHTMLCommon table {font-size: 20px}
.reveal .jp-OutputArea-output {padding: 2px 12px; overflow: visible}
.reveal pre, .reveal div.jp-OutputArea-output > pre {width: auto; padding: 2px;
  font-size: 19px; line-height: 1.3; white-space: pre-wrap; box-shadow: none}
.reveal blockquote {width: auto; margin: 0 0 12px; padding: 0 0 0 14px;
  font-style: normal; box-shadow: none}
.reveal section img {margin: 0; max-width: none}
.reveal .shapes .tensor img {zoom: 0.7}
.reveal .shapes summary {margin: 0; font-weight: 400}
.reveal summary {font-weight: 600; margin: 0 0 12px}
"""
PRINT = """
@media print {
  .jp-Cell-inputArea, .jp-OutputArea-child {display: flex; break-inside: avoid}
  .highlight pre, .jp-OutputArea-output pre {white-space: pre-wrap !important;
    word-break: normal; overflow-wrap: anywhere}
  .jp-InputArea-prompt, .jp-OutputArea-prompt {display: none}
  .jp-InputArea-editor, .jp-OutputArea-output {max-width: 100%; flex: 1 1 auto}
  .jp-OutputArea-output img {max-width: 100%; height: auto}
  .shapes .tensor img {max-width: none}
  table {break-inside: auto}
  tr, img, summary {break-inside: avoid}
  :is(h1, h2, h3) {break-after: avoid}
}
"""
# Voila puts scripts between cells, so each answer is named and not just the next one.
SHUT = """
body:has(details[title="{id}"]:not([open])) [id="cell-id={id}"] .jp-Cell-outputWrapper
  {{display: none}}
"""


# --- what all three have in common


def for_html(nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
    """Each picture with the text that it carries, which nbconvert leaves out.

    And with a style for paper, on which no line or column runs off.
    """
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            if alt and "text/html" not in data:
                source = f"data:image/png;base64,{data.pop('image/png').strip()}"
                data["text/html"] = f'<img alt="{html.escape(alt)}" src="{source}">'
    _styled(nb, PRINT)
    return nb, resources


def _styled(nb, style):
    # In the first text, since nbconvert's own styles replace those in `resources`.
    texts = [cell for cell in nb.cells if cell.cell_type == "markdown"]
    if not texts:  # a learner's own notebook
        texts = [nbformat.v4.new_markdown_cell()]
        nb.cells[:0] = texts
    texts[0].source = f"<style>{style}</style>\n\n{texts[0].source}"


def _in_language_of(nb, sentence):
    """A sentence in the language that the notebook asks for where it begins."""
    chosen = (re.search(r"%env COURSE_LANG=(\w+)", cell.source) for cell in nb.cells)
    language = next((found[1] for found in chosen if found), "")
    return spoken.catalogue(language).gettext(sentence)


def is_hidden(cell: NotebookNode) -> bool:
    """Whether its outputs answer a question."""
    return bool(cell.metadata.get("jupyter", {}).get("outputs_hidden"))


# --- print


def for_print(nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
    """Open what nobody can click on paper."""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("<details>", "<details open>")
    return nb, resources


# --- pages


def for_page(nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
    """Without exercises, which need an editor, and with the answers behind a click.

    A page runs all cells when it opens, before its reader has predicted anything.
    """
    cells, style = [], ""
    show = _in_language_of(nb, SHOW)
    for cell, exercise in _with_part(nb):
        if exercise or "%pip" in cell.source:  # what installs the course elsewhere
            continue
        if is_hidden(cell):
            style += SHUT.format(id=cell.id)
            asked = f'<details title="{cell.id}"><summary>{show}</summary></details>'
            cells.append(nbformat.v4.new_markdown_cell(asked))
        cells.append(cell)
    nb.cells = cells
    # Else Voila takes them in as they are, and serves nothing that they import.
    resources["config_dir"] = str(Path(__file__).parent)
    looks = CUSTOM.read_text("utf-8").replace('@import url("outputs.css");', "")
    _styled(nb, looks + style)
    return nb, resources


def _with_part(nb) -> Iterator[tuple[NotebookNode, bool]]:
    """Each cell, and whether it belongs to the exercises."""
    exercise = False
    exercises, recap = (_in_language_of(nb, one) for one in (EXERCISES, RECAP))
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            if cell.source.startswith("## "):
                exercise = cell.source.startswith(exercises)
            elif cell.source.startswith(recap):
                exercise = False
        yield cell, exercise


# --- slides


def for_slides(nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
    """Cells cut where a slide ends: an output, an answer, or text under <details>."""
    nb.cells = [part for part, _ in slides(nb)]
    _styled(nb, SLIDES)
    return nb, resources


def slides(nb: NotebookNode) -> list[tuple[NotebookNode, int]]:
    """What each slide is made of, in order: parts of cells, and their heights.

    Each part has its type in its metadata. A cell begins where its own metadata say,
    or, without any, where it fits.
    """
    made, full = [], 0
    whole = list(_with_part(nb))
    teachers = _in_language_of(nb, TEACHERS)
    for place, (cell, exercise) in enumerate(whole):
        kind = cell.metadata.get("slideshow", {}).get("slide_type") or _aside(
            cell, exercise, teachers
        )
        found = parts(cell)
        if kind is None:
            following = whole[place + 1][0] if place + 1 < len(whole) else None
            kind = _begins(cell, found, following, full)
        for number, part in enumerate(found):
            part.id += f"-{number}" * (number > 0)
            tall = height(part)
            if number and kind not in ("skip", "notes"):
                shown = is_hidden(cell) and full + tall <= TALL - MARGIN
                kind = "fragment" if shown else "subslide"
                if full + tall <= TALL - MARGIN and not is_hidden(cell):
                    kind = "-"
            if kind not in ("skip", "notes"):
                full = tall + full * (kind in ("-", "fragment"))
            part.metadata["slideshow"] = {"slide_type": kind}
            made.append((part, full))
    return made


def _aside(cell, exercise, teachers):
    """The type of a cell that is on no slide: notes, skip, or None."""
    if cell.cell_type == "markdown":
        return "notes" if cell.source.startswith(teachers) else None
    lines = [line for line in cell.source.splitlines() if line.strip()]
    set_up = r"#|from |import |if not find_spec |\s+%(pip|env)|data = load_fashion_"
    if exercise and re.search(r"\bcheck\(", cell.source):
        return "skip"
    return "skip" if all(re.match(set_up, line) for line in lines) else None


def _begins(cell, found, following, full):
    """Where a cell without a type begins: slide, subslide, or - for the same slide."""
    first = cell.source.partition("\n")[0]
    if cell.cell_type == "markdown" and re.match("##? ", first):
        return "slide"
    needed = height(found[0])
    if cell.cell_type == "markdown" and following is not None:
        if following.cell_type == "code":  # text stays with its code
            needed += height(parts(following)[0])
    needed = min(needed, TALL - MARGIN) if not full else needed
    return "-" if full + needed <= TALL - MARGIN else "subslide"


def parts(cell: NotebookNode) -> list[NotebookNode]:
    """The cell, cut where a slide may end, in copies of their own."""
    if cell.cell_type == "markdown":
        return _parts_of_text(cell)
    whole = _copy(cell)
    if "predict(" in cell.source and cell.outputs and "reveal(" not in cell.source:
        whole.metadata.transient = {
            "remove_source": True
        }  # its output says all that it says
        return [whole]
    if not cell.outputs or not (is_hidden(cell) or height(whole) > TALL - MARGIN):
        return [whole]
    code, printed = _copy(cell), _copy(cell)
    code.outputs = []
    printed.metadata.transient = {"remove_source": True}
    if (tall := height(printed)) > TALL - MARGIN:
        _shrink(printed, (TALL - MARGIN) / tall)
    return [code, printed]


def _shrink(part, zoom):
    """Make tables smaller; of text the lint says that it is too tall."""
    for output in part.outputs:
        data = output.get("data", {})
        if page := data.get("text/html"):
            data["text/html"] = f'<div style="zoom: {zoom:.2f}">{page}</div>'


def _parts_of_text(cell):
    """Text up to <details>, what it holds, and anything too tall cut at paragraphs."""
    pieces = re.split(r"(?<=</details>)|(?=<details>)", cell.source)
    texts = []
    for piece in pieces:
        piece = piece.replace("<details>", "<details open>").strip("\n")
        blocks = _blocks(piece)
        text = ""
        for block in blocks:
            longer = f"{text}\n\n{block}" if text else block
            if text and height_of_text(longer) > TALL - MARGIN:
                texts.append(text)
                longer = block
            text = longer
        if text.strip():
            texts.append(text)
    return [_copy(cell, source=text) for text in texts]


def _blocks(text):
    """Paragraphs, lists, tables and blocks of code; <details> stays whole."""
    if text.startswith("<details"):
        return [text]
    return re.split(r"\n[ \t]*\n(?!(?:(?!```).)*```[^`]*\Z)", text)


def _copy(cell, **changed):
    part = copy.deepcopy(cell)
    part.update(changed)
    return part


# --- heights, in pixels on a slide

LINE, CODE = 31, 25  # of a line of text, of code
ROW, SMALL = 38, 26  # of a row of a table, of one in small letters
FOLDED_ROW = 60  # of a part of a trace
ACROSS, CODE_ACROSS = 108, 100  # letters in a line of text, and of code
FOLDED, FOLD = r"<details>((?!<details>).)*?</details>", "\0"


def height(part: NotebookNode) -> int:
    """About how tall a part of a cell is: rather too tall than too low."""
    if part.cell_type == "markdown":
        return height_of_text(part.source)
    source = "transient" not in part.metadata
    lines = _lines(part.source, CODE_ACROSS)
    tall = source * (lines * CODE + 24)
    return tall + sum(map(_height_of_output, part.outputs)) + 8


def _lines(text, across):
    return sum(
        max(1, math.ceil(screen_width(line) / across)) for line in text.splitlines()
    )


def _height_of_output(output):
    data = output.get("data", {})
    if png := data.get("image/png"):
        return _high(png) + 8
    if page := data.get("text/html"):
        return _height_of_page(page)
    text = output.get("text") or data.get("text/plain")
    if text is None:
        text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output.get("traceback", [])))
    return _lines(text, CODE_ACROSS) * CODE + 8


def _height_of_page(page):
    """Of HTML: its rows and lines, its boxes, and the first lines of what is folded."""
    zoom = re.match(r'<div style="zoom: ([\d.]+)">', page)
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    found = 1
    while found:  # from the innermost to those that are in no other
        page, found = re.subn(FOLDED, FOLD, page, flags=re.DOTALL)
    line = SMALL if 'class="registration"' in page else ROW
    tall = FOLDED_ROW * page.count(FOLD) + 8
    for row in re.split(r"<(?:tr|p|br|pre|b)\b|\n", page):
        boxes = map(int, re.findall(r'<img [^>]*height="(\d+)"', row))
        letters = screen_width(re.sub(r"<[^>]*>|^[^<]*>", "", row).strip(FOLD))
        tall += round(0.7 * max(boxes, default=0)) + line * math.ceil(letters / ACROSS)
    return math.ceil(tall * float(zoom[1])) if zoom else tall


def _high(png):
    """The height in the header of a PNG."""
    return struct.unpack(">I", base64.b64decode(png[:44])[20:24])[0]


def height_of_text(text: str) -> int:
    """About how tall a text is in Markdown."""
    tall = 8
    for block in _blocks(text):
        lines = [re.sub(r"\]\([^)]*\)|[*_`]", "", line) for line in block.splitlines()]
        if block.startswith("```"):
            tall += CODE * (len(lines) - 2) + 30
        elif block.startswith("$$"):
            tall += 90
        else:
            tall += sum(map(_height_of_line, lines)) + 16
    return tall


def _height_of_line(line):
    if heading := re.match("#+ ", line):
        return {2: 62, 3: 54}.get(len(heading[0]), 44)
    if re.match(r"\|[-| ]+\|$", line) or not line.strip():
        return 0
    if line.startswith("|"):
        return ROW * math.ceil(screen_width(line) / (ACROSS + 10))
    if "$$" in line:
        return 60
    return LINE * math.ceil(screen_width(line) / ACROSS)


# --- the command


def notebooks() -> list[Path]:
    """The paths of the English notebooks, and of those in other languages."""
    return sorted(NOTEBOOKS.glob("*.ipynb")) + sorted(NOTEBOOKS.glob("[!.]*/*.ipynb"))


def too_tall(nb: NotebookNode) -> list[str]:
    """A sentence about each slide that a class would see cut off."""
    return [
        f"cell {part.get('id')}: its slide is about {full} pixels tall, not {TALL}."
        for part, full in slides(nb)
        if full > TALL
    ]


def main(arguments: list[str]) -> None:
    """Mark all notebooks, or check how they are marked."""
    tall = []
    for path in notebooks():
        nb = nbformat.v4.reads(path.read_text(encoding="utf-8"))
        if "--check" not in arguments:
            mark(nb)
            path.write_text(nbformat.v4.writes(nb) + "\n", encoding="utf-8")
        tall += [f"{path.relative_to(NOTEBOOKS)}, {found}" for found in too_tall(nb)]
    sys.exit("\n".join(tall))


def mark(nb: NotebookNode) -> None:
    """Write into each cell's metadata where it begins: the type of its first part."""
    for cell in nb.cells:
        cell.metadata.pop("slideshow", None)
    first = {}
    for part, _ in slides(nb):
        first.setdefault(part.id, part.metadata.slideshow)
    for cell in nb.cells:
        cell.metadata["slideshow"] = first[cell.id]


if __name__ == "__main__":
    main(sys.argv[1:])
