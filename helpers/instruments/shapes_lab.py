"""The live shape tracer: sliders and five mistakes for a two-layer forward pass."""

import inspect
import math
from html import escape

import ipywidgets as widgets
import torch

from helpers import controls
from helpers.instrument import Instrument, of_this_cell
from helpers.instruments.trace_shapes import Trace, messages, trace_shapes
from helpers.instruments.trace_shapes.drawing import picture
from helpers.instruments.trace_shapes.steps import Shape
from helpers.language import SPACE, tr
from helpers.plots import Picture
from helpers.tables import Look

NOTHING = tr("nothing")
WAYS = (NOTHING, *messages.MOST_COMMON)
BATCHES = (1, 4, 16, 64, 256, 784, 1024)
INPUTS = (16, 49, 196, 784)  # squares, as pictures are
HIDDENS = (1, 4, 16, 64, 128, 256, 512, 1024)
BROKEN = tr("broken")
BREAK = tr("break it")
CONTROLS = (  # name, choices, the first value, tooltip
    ("batch_size", BATCHES, 64, tr("Examples in the batch: the rows of X.")),
    ("num_inputs", INPUTS, 784, tr("Numbers in each example: 784 for 28 x 28 pixels.")),
    ("num_hiddens", HIDDENS, 256, tr("Units in the hidden layer: the columns of W1.")),
    (BREAK, WAYS, NOTHING, tr("Give one tensor a wrong shape, in one of five ways.")),
)
SHOWN = tr(
    "A forward pass as boxes: purple what existed before, teal what is computed."
)
WELL = tr("Every operation got the shapes it needs.")
SILENT = tr("Broken, but unnoticed: with these sizes, no operation complains.")
WARNED = tr("Broken, but PyTorch is silent: only the warning shows it.")


def shapes_lab() -> "ShapesLab":
    """Sliders for the sizes of a two-layer forward pass, and a menu that breaks it.

    Returns a widget that redraws the trace at each change. `wait()` returns when it is
    drawn; `close()` removes it.
    """
    return of_this_cell(ShapesLab())


def forward(X, W1, b1, W2, b2):
    hidden = torch.relu(X @ W1 + b1)
    return hidden @ W2 + b2


def shapes_of(
    batch_size: int, num_inputs: int, num_hiddens: int, broken: str = NOTHING
) -> tuple[dict[str, Shape], set[str]]:
    """The shapes of what `forward` takes, by name, and the names of the wrong ones."""
    shapes = {
        "X": (batch_size, num_inputs),
        "W1": (num_inputs, num_hiddens),
        "b1": (num_hiddens,),
        "W2": (num_hiddens, 10),
        "b2": (10,),
    }
    side = math.isqrt(num_inputs)
    wrong = {
        NOTHING: {},
        messages.TRANSPOSED: {"W1": (num_hiddens, num_inputs)},
        messages.FLATTEN: {"X": (batch_size, side, side)},
        messages.SWAPPED: {"X": (num_inputs, batch_size)},
        messages.WIDTH: {"W2": (2 * num_hiddens, 10)},
        messages.BIAS: {"b1": (num_hiddens, 1)},
    }
    return shapes | wrong[broken], set(wrong[broken])


class ShapesLab(Instrument):
    """The widget that `shapes_lab` returns. trace: what it shows; code: its lines."""

    def __init__(self) -> None:
        self._controls = {made[0]: controls.choice(*made) for made in CONTROLS}
        self._drawing = widgets.HTML()
        self._code = widgets.HTML()
        self._work([self._values()])
        # A short name, so that there is room for its words in one of two columns.
        self._controls[BREAK].style.description_width = "54px"
        grid = controls.grid(self._controls.values())
        super().__init__([grid, self._drawing, self._code])
        self.add_class("course-shapes")
        for control in self._controls.values():
            control.observe(lambda _: self._submit(self._values()), "value")

    def _values(self):
        return [control.value for control in self._controls.values()]

    def _work(self, commands: list) -> None:
        """Trace and draw the newest values; on the worker, once it has begun."""
        shapes, wrong = shapes_of(*commands[-1])
        # Zeros, since drawing random numbers would change the learner's own.
        self.trace: Trace = trace_shapes(forward, *map(torch.zeros, shapes.values()))
        self.code: str = _as_code(shapes, wrong)
        said = WELL if not wrong else WARNED if self.trace.warnings else SILENT
        self._said = said if self.trace.ok else ""
        look = Look.WARNED if wrong else Look.RIGHT
        self._drawing.value = self.trace.html(*[(look, said)] * self.trace.ok)
        notes = (sentence for _, sentence in self.trace.notes())
        self._announce(SPACE.join([self.trace.title(), *notes, self._said]).strip())
        made, called = self.code.split("\n\n", 1)
        blocks = "".join(f"<div>{escape(block)}</div>" for block in (made, called))
        self._code.value = f'<div class="course"><pre>{blocks}</pre></div>'

    def _text(self) -> str:
        return f"{self.trace}\n{self._said}\n\n{self.code}"

    def _picture(self) -> Picture:
        return picture(self.trace.steps, SHOWN)


def _as_code(shapes, wrong):
    """The lines that were traced."""
    lines = []
    for name, shape in shapes.items():
        mark = f"  # {BROKEN}" if name in wrong else ""
        lines.append(f"{name} = torch.rand({', '.join(map(str, shape))}){mark}")
    call = f"trace_shapes(forward, {', '.join(shapes)})"
    return "\n".join([*lines, "", inspect.getsource(forward), call])
