"""A table of rows, as text and as HTML, and any text on one line."""

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from html import escape
from typing import NamedTuple
from unicodedata import east_asian_width

from helpers.palette import GREY, LOOK, RIGHT

# Text wraps at spaces, so that no table is wider than the page; narrow ones add rules.
STYLE = f"""<style>
.course {{color: var(--jp-ui-font-color1, #222); container-type: inline-size}}
.course table {{border-collapse: collapse; margin: 4px 0;
  font-variant-numeric: tabular-nums}}
.course tr, .course tr:hover {{background: none !important}}
.course th, .course td {{text-align: left !important; vertical-align: bottom;
  padding: 2px 8px !important; white-space: normal; overflow-wrap: normal}}
.course th {{font-weight: 600}}
.course .marked td {{background: {LOOK}2e}}
.course p {{margin: 2px 0; line-height: 1.4; max-width: 60em}}
.course .reply {{display: flex; gap: 0.6em; align-items: baseline;
  padding: 3px 8px; border-left: 6px double {LOOK}}}
.course .reply b {{flex: none; width: 1.4em; border-radius: 3px; text-align: center;
  background: {LOOK}; color: black}}
.course .right {{border-left: 6px solid {RIGHT}}}
.course .right b {{background: {RIGHT}; color: white}}
.course .open {{border-left: 3px dotted {GREY}; padding-left: 11px}}
.course .open b {{background: none; color: inherit}}
</style>"""


class Look(Enum):
    """How a reply looks, in form and in colour, and its mark."""

    RIGHT = "✓"
    NOT_YET = "✗"
    ELSEWHERE = "≠"
    WARNED = "!"
    OPEN = "○"


class Html(str):
    """A cell that is HTML already; any other text is escaped."""


class Row(NamedTuple):
    """Cells, of which the last spans what is left, and the row's CSS classes.

    named: whether the first cell is the row's name, which screen readers repeat.
    """

    cells: Sequence[str]
    classes: str = ""
    named: bool = False


def as_text(
    header: Sequence[str], rows: Iterable[Sequence[str]], align: str = ""
) -> str:
    """The table as lines of text, two spaces between columns.

    header: a name for each column; () for none. align: for each column "<" (the
    default) or ">".
    """
    lines = [*([header] if header else []), *rows]
    widths = [max(map(screen_width, column)) for column in zip(*lines, strict=True)]
    align = align.ljust(len(widths), "<")
    padded = (
        [
            f"{cell:{side}{width - screen_width(cell) + len(cell)}}"
            for cell, side, width in zip(line, align, widths)
        ]
        for line in lines
    )
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def screen_width(text: str) -> int:
    """How many columns a text takes on a screen: a Chinese letter takes two."""
    return len(text) + sum(east_asian_width(letter) in "WF" for letter in text)


def as_html(header: Sequence[str], rows: Iterable[Row]) -> str:
    """The table as a <table>, for an element of the class `course`."""
    head = _row(Row(header), "th", len(header)) if header else ""
    body = "".join(_row(row, "td", len(header)) for row in rows)
    return f"<table>{head}{body}</table>"


def _row(row: Row, tag: str, columns: int) -> str:
    *first, last = row.cells
    spans = columns - len(first)
    span = f' colspan="{spans}"' if spans > 1 else ""
    cells = [_cell(cell, tag) for cell in first] + [_cell(last, tag, span)]
    if row.named:
        cells[0] = f'<th scope="row">{_inside(first[0])}</th>'
    classes = f' class="{row.classes}"' if row.classes else ""
    return f"<tr{classes}>{''.join(cells)}</tr>"


def _cell(text: str, tag: str, span: str = "") -> str:
    inside = _inside(text)
    if not re.sub("<svg.*?</svg>|<.*?>", "", inside):
        tag = "td"  # a header without words would be announced as one
    return f"<{tag}{span}>{inside}</{tag}>"


def _inside(text: str) -> str:
    return text if isinstance(text, Html) else escape(text)


def reply(look: Look, *sentences: str) -> str:
    """Sentences as HTML, with a bar and a mark that say how it went."""
    said = "<br>".join(map(prose, sentences))
    classes = f"reply {look.name.lower()}"
    return f'<p class="{classes}"><b>{look.value}</b> <span>{said}</span></p>'


def prose(text: str) -> str:
    """Text as HTML; what is between two backticks is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", _inside(text))


def page(*parts: str) -> str:
    """Parts of HTML as one output: with the style, and an element around them."""
    return f'{STYLE}<div class="course">{"".join(parts)}</div>'


def plain_numbers(text: str) -> str:
    """The text with 1,200 in place of 1.2e+03."""
    large = r"\b\d(\.\d+)?e\+0[3-6]\b"
    return re.sub(large, lambda found: f"{float(found[0]):,.0f}", text)


def one_line(value: object, otherwise: str = "") -> str:
    """A text on one line; of an exception what it says, or `otherwise`, or its type."""
    return " ".join(str(value).split()) or otherwise or type(value).__name__
