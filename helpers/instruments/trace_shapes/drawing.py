"""Draws a trace: each tensor a box whose sides grow with its sizes.

In HTML, of which GitHub strips the styles and leaves a table that reads like the
text; and as a static picture, for where the live tracer can't run.
"""

import math
from html import escape
from itertools import zip_longest

from matplotlib.figure import Figure

from helpers.instruments.trace_shapes.tracer import Block
from helpers.plots import Picture

MAX_INSIDE = 100  # rows of a folded part
MAX_BOXES = 12  # tensors of one operation
SIGNS = {"matmul": "@", "add": "+", "sub": "-", "mul": "*", "div": "/"}
COLUMNS = ("", "where", "operation", "inputs", "", "output")
COMPUTED, KEPT = "#3f90da", "#e76300"  # of matplotlib's petroff10
LEFT, RIGHT, WIDE = 90, 350, 480  # pixels of the picture: inputs, outputs, all
SUMMARY = "{numbers} {path} {label}: {inputs} → {outputs}"
STOPS = "✗ stops here"
LEFT_OUT = "... {count} rows left out; unfold() shows them all."
STYLE = """<style>
.w1shapes { color: var(--jp-ui-font-color1, #222); overflow-x: auto; }
.w1shapes table { border-collapse: collapse; margin: 4px 0; }
.w1shapes tr, .w1shapes tr:hover { background: none !important; }
.w1shapes th, .w1shapes td {
  text-align: left !important; vertical-align: bottom; padding: 3px 10px !important;
  border-bottom: 1px solid var(--jp-border-color2, #ddd); white-space: nowrap;
}
.w1shapes caption, .w1shapes .said { text-align: left; max-width: 60em; }
.w1shapes caption { font-weight: 600; padding: 4px 10px; white-space: nowrap; }
.w1shapes .said { margin: 4px 10px; white-space: normal; line-height: 1.4; }
.w1shapes .t { display: inline-flex; flex-direction: column; align-items: center; }
.w1shapes .t { vertical-align: bottom; gap: 3px; line-height: 18px; }
.w1shapes i {
  display: block; box-sizing: border-box;
  border: 1.5px solid #3f90da; background: #3f90da40;
}
.w1shapes .kept i { border: 1.5px dashed #e76300; background: #ffa90e40; }
.w1shapes .deep i { box-shadow: 3px -3px 0 -1px #3f90da80; }
.w1shapes .failed i { border: 2.5px solid #bd1f01; }
.w1shapes .stop { color: var(--jp-error-color1, #bd1f01); }
.w1shapes summary { cursor: pointer; }
</style>"""


def draw(trace):
    """The trace as HTML. Folded parts open by a click, also without a kernel."""
    rows, left_out = trace.rows()
    said = [left_out, *trace.notes()]
    said = "".join(f'<p class="said">{escape(note)}</p>' for note in said if note)
    table = _table(rows, f"<caption>{escape(trace.title())}</caption>")
    return f'{STYLE}<div class="w1shapes">{table}{said}</div>'


def _table(rows, caption=""):
    # A function without modules has nothing in the column "where".
    places = any(row.path for row in rows)
    head = "".join(f"<th>{text}</th>" for text in COLUMNS if places or text != "where")
    body = "".join(_row(row, places) for row in rows)
    return f"<table>{caption}<tr>{head}</tr>{body}</table>"


def _row(row, places):
    if isinstance(row, Block):
        return f'<tr><td colspan="{5 + places}">{_folded(row)}</td></tr>'
    sign = SIGNS.get(row.name, ",") if len(row.inputs) == 2 else ","
    failed = ' class="failed"' if row.failed else ""
    stops = f'<b class="stop">{STOPS}</b>'
    cells = [
        str(row.number),
        *([escape(row.path)] if places else []),
        f"<code>{escape(row.name)}</code>",
        _boxes(row.inputs, row.names, row.kept, sign),
        "→",
        stops if row.failed else _boxes(row.outputs),
    ]
    return f"<tr{failed}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _folded(block):
    summary = SUMMARY.format(
        numbers=block.numbers(),
        path=f"<b>{escape(block.path)}</b>",
        label=escape(block.label()),
        inputs=_boxes(block.inputs),
        outputs=_boxes(block.outputs),
    )
    inside = _table(block.parts[:MAX_INSIDE])
    if (count := len(block.parts) - MAX_INSIDE) > 0:
        inside += f'<p class="said">{LEFT_OUT.format(count=count)}</p>'
    return f"<details><summary>{summary}</summary>{inside}</details>"


def _boxes(shapes, names=(), kept=(), sign=","):
    tensors = [*zip_longest(shapes, names, kept, fillvalue="")]
    boxes = [_box(*tensor) for tensor in tensors[:MAX_BOXES]]
    if len(tensors) > MAX_BOXES:
        boxes.append("...")
    return f" {sign} ".join(boxes)


def _box(shape, name, kept):
    """A rectangle for the last two sizes, with the whole shape beneath."""
    size = "width:{}px;height:{}px".format(*_sides(shape))
    kinds = "t" + " kept" * bool(kept) + " deep" * (len(shape) > 2)
    text = escape(f"{name} {shape}".strip())
    return f'<span class="{kinds}"><i style="{size}"></i>{text}</span>'


def _side(size):
    return round(5 + 5 * math.log2(max(size, 1)))


def picture(trace, text):
    """The steps of a short trace as a `Picture`; text: what it shows, in one line."""
    rows = []  # of each step: its tensors as (shape, kept, name)
    for step in trace.steps:
        outputs = [(shape, False, "") for shape in step.outputs]
        rows.append([*zip(step.inputs, step.kept, step.names), *outputs])
    heights = [max(_sides(shape)[1] for shape, _, _ in row) + 34 for row in rows]
    figure = Figure((WIDE / 100, sum(heights) / 100))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDE), ylim=(sum(heights), 0))
    axes.axis("off")
    bottom = 0
    for step, row, height in zip(trace.steps, rows, heights):
        bottom += height
        floor = bottom - 24
        axes.text(6, floor, f"{step.number}  {step.name}", family="monospace", size=9)
        axes.text(RIGHT - 30, floor, "→", size=11)
        count, x = len(step.inputs), LEFT
        for place, (shape, kept, name) in enumerate(row):
            x = RIGHT if place == count else x
            width, box = _sides(shape)
            label = f"{name} {shape}".strip()
            taken = max(width, 6 * len(label))
            middle = x + taken / 2
            colour, line = (KEPT, "--") if kept else (COMPUTED, "-")
            axes.bar(middle, -box, width, floor, ec=colour, fc=f"{colour}40", ls=line)
            axes.text(middle, floor + 14, label, ha="center", size=8)
            x += taken + 24
            if place == 0 and count == 2:
                axes.text(x - 16, floor, SIGNS.get(step.name, ","), size=10)
        if step.failed:
            axes.text(RIGHT, floor, STOPS, size=9, color="#bd1f01")
        axes.axhline(bottom, color="#dddddd", lw=0.8)
    return Picture(figure, text)


def _sides(shape):
    height, width = ((1, 1) + shape)[-2:]
    return _side(width), _side(height)
