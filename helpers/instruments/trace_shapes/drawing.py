"""Draws a trace: each tensor a box whose sides grow with its sizes.

As HTML: the boxes are small pictures, since GitHub and a notebook that is not trusted
take all styles away. And as one static picture, where the live tracer can't run.
"""

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import zip_longest
from string import Template

from matplotlib.figure import Figure

from helpers.instruments.trace_shapes.steps import Block, Part, TraceStep
from helpers.language import tr
from helpers.palette import COMPUTED, FAILED, GIVEN, INK
from helpers.plots import Picture
from helpers.tables import Html, Look, Row, as_html, page, reply

MAX_INSIDE = 100  # rows of a folded part
MAX_BOXES = 12  # tensors of one operation
SIGNS = {"matmul": "@", "add": "+", "sub": "-", "mul": "*", "div": "/"}
WHERE = tr("where")
COLUMNS = ("", WHERE, tr("operation"), tr("inputs"), "", tr("output"))
LEFT, RIGHT, WIDE = 90, 350, 480  # pixels of the picture: inputs, outputs, all
STOPS_HERE = tr("stops here")
STOPS = f"{Look.NOT_YET.value} {STOPS_HERE}"
PART = tr("{name}: {inputs} → {outputs}")
LEFT_OUT = tr("... {count} rows left out; unfold() shows them all.")
STYLE = Template("""<style>
.shapes {line-height: 18px}
.shapes .title {font-weight: 600; padding: 4px 8px; max-width: none}
.course .shapes th, .course .shapes td {padding: 3px 8px !important;
  border-bottom: 1px solid var(--jp-border-color2, #ddd)}
.shapes .tensor {display: inline-flex; flex-direction: column; align-items: center;
  vertical-align: bottom; gap: 3px; margin-top: 1px;
  white-space: nowrap}
.shapes .tensor ~ .tensor {margin-top: 7px}
.shapes .tensor img {display: block; margin: 0; max-width: none}
.shapes .stop {color: var(--jp-error-color1, $failed)}
.shapes summary {cursor: pointer}
@container (max-width: 700px) {
  .course .shapes th, .course .shapes td {padding: 3px 4px !important}
  .shapes .tensor ~ .tensor {margin-top: 3px}
}
</style>""").substitute(failed=FAILED)
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
    '<path fill="{colour}40" stroke="{line}" {more}d="M1 {top}h{across}v{down}H1z'
    '{behind}"/></svg>'
)
BEHIND = "M4 4V1h{across}v{down}h-3"  # the edge of what is more than two sizes
DASHED, THICK = 'stroke-dasharray="4 2" ', 'stroke-width="2" '


def draw(
    title: str, rows: Sequence[Part], left_out: str, notes: Iterable[tuple[Look, str]]
) -> str:
    """The trace as HTML. Folded parts open by a click, also without a kernel.

    left_out: a sentence if these are not all rows. notes: sentences and their looks.
    """
    parts = [f'<p class="title">{escape(title)}</p>', _table(rows)]
    if left_out:
        parts.append(f"<p>{escape(left_out)}</p>")
    parts += [reply(*note) for note in notes]
    return page(STYLE, f'<div class="shapes">{"".join(parts)}</div>')


def _table(rows):
    # A function without modules has nothing in the column "where".
    places = any(row.path for row in rows)
    header = [name for name in COLUMNS if places or name != WHERE]
    return as_html(header, [_row(row, places) for row in rows])


def _row(row, places):
    if isinstance(row, Block):
        return Row([Html(_folded(row))])
    sign = SIGNS.get(row.name.rstrip("_"), ",") if len(row.inputs) == 2 else ","
    stops = f'<b class="stop">{STOPS}</b>'
    cells = [
        f"{Look.WARNED.value} {row.number}" if row.warning else str(row.number),
        *([row.path] if places else []),
        Html(f"<code>{escape(row.name)}</code>"),
        Html(_boxes(row.inputs, row.shown_names(), row.kept, sign, row.failed)),
        "→",
        Html(stops if row.failed else _boxes(row.outputs)),
    ]
    return Row(cells, "failed" * row.failed + "marked" * bool(row.warning))


def _folded(block):
    name = f"{block.numbers()} <b>{escape(block.path)}</b> {escape(block.label())}"
    ends = {"inputs": _boxes(block.inputs), "outputs": _boxes(block.outputs)}
    summary = PART.format(name=name, **ends)
    inside = _table(block.parts[:MAX_INSIDE])
    if (count := len(block.parts) - MAX_INSIDE) > 0:
        inside += f"<p>{LEFT_OUT.format(count=count)}</p>"
    return f"<details><summary>{summary}</summary>{inside}</details>"


def _boxes(shapes, names=(), kept=(), sign=",", failed=False):
    tensors = [*zip_longest(shapes, names, kept, fillvalue="")]
    boxes = [_box(*tensor, failed) for tensor in tensors[:MAX_BOXES]]
    if len(tensors) > MAX_BOXES:
        boxes.append("...")
    return (", " if sign == "," else f" {sign} ").join(boxes)


def _box(shape, name, kept, failed):
    """A rectangle for the last two sizes, with the whole shape beneath."""
    width, height = _sides(shape)
    deep = 3 * (len(shape) > 2)
    sides = {"across": width - 2, "down": height - 2}
    colour = GIVEN if kept else COMPUTED
    svg = SVG.format(
        width=width + deep,
        height=height + deep,
        colour=colour,
        line=FAILED if failed else colour,
        more=DASHED * bool(kept) + THICK * failed,
        top=1 + deep,
        behind=BEHIND.format(**sides) if deep else "",
        **sides,
    )
    source = base64.b64encode(svg.encode()).decode()
    size = f'width="{width + deep}" height="{height + deep}"'
    text = escape(f"{name} {shape}".strip())
    drawn = f'<img alt="" {size} src="data:image/svg+xml;base64,{source}">'
    return f'<span class="tensor">{drawn}{text}</span>'


def _sides(shape):
    """The width and the height of a box, in pixels."""
    height, width = ((1, 1) + shape)[-2:]
    return [round(5 + 5 * math.log2(max(size, 1))) for size in (width, height)]


def picture(steps: Sequence[TraceStep], text: str) -> Picture:
    """The steps of a short trace as a `Picture`; text: what it shows, in one line."""
    rows = []  # of each step: its tensors as (shape, kept, name)
    for step in steps:
        outputs = [(shape, False, "") for shape in step.outputs]
        rows.append([*zip(step.inputs, step.kept, step.shown_names()), *outputs])
    heights = [max(_sides(shape)[1] for shape, _, _ in row) + 34 for row in rows]
    figure = Figure((WIDE / 100, sum(heights) / 100))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDE), ylim=(sum(heights), 0))
    axes.axis("off")
    bottom = 0
    for step, row, height in zip(steps, rows, heights):
        bottom += height
        floor = bottom - 24
        axes.text(6, floor, f"{step.number}  {step.name}", family="monospace", size=9)
        axes.text(RIGHT - 30, floor, "→", size=11)
        count, x = len(step.inputs), LEFT
        for place, (shape, kept, name) in enumerate(row):
            x = RIGHT if place == count else x
            width, box = _sides(shape)
            label = f"{name} {shape}".strip()
            taken = max(width, 7 * len(label))
            middle = x + taken / 2
            colour, line = (GIVEN, "--") if kept else (COMPUTED, "-")
            axes.bar(middle, -box, width, floor, ec=colour, fc=f"{colour}40", ls=line)
            axes.text(middle, floor + 14, label, ha="center", size=9)
            x += taken + 24
            if place == 0 and count == 2:
                axes.text(x - 16, floor, SIGNS.get(step.name, ","), size=10)
        if step.failed:
            axes.text(RIGHT, floor, STOPS, size=9, color=FAILED)
        axes.axhline(bottom, color=INK, lw=0.8, alpha=0.4)
    return Picture(figure, text)
