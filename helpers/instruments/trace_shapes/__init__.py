"""The shape tracer: every tensor operation of a function, with its shapes."""

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers.given import check_begun, require_kind
from helpers.instruments.trace_shapes.drawing import LEFT_OUT, STOPS_HERE, draw
from helpers.instruments.trace_shapes.mismatch import listed
from helpers.instruments.trace_shapes.steps import Block, Part, TraceStep
from helpers.instruments.trace_shapes.tracer import Tracer, leaves
from helpers.language import COMMA, tr
from helpers.tables import Look, as_text

MAX_ROWS = 32  # of a table, before it folds
INPUTS = 40  # characters for them in a row of text, so that most rows stay under 100
HEAD = 20  # of these from the start, where too many are left; the others from the end

NOT_CALLABLE = tr(
    "trace_shapes needs a function or module as its net; you gave {found}."
)
A_CLASS = tr(
    "trace_shapes needs a module, not its class: write net = {name}(...) first."
)
NO_TENSOR = tr(
    "trace_shapes needs a tensor to call {name} with: trace_shapes({name}, X)."
)
NUMPY = tr("trace_shapes needs tensors, not NumPy arrays: use torch.from_numpy(array).")
NO_SUCH_PART = tr("The trace has no part {path!r}; it has: {known}.")
TITLE = tr("{name}: {inputs} -> {outputs}, operations: {count}")
NO_OUTPUT = tr("{name}: {inputs} -> no tensor, operations: {count}")
STOPPED = tr("{name}: {inputs} -> stopped, operations: {count}")
HOW_TO_UNFOLD = tr(
    "Folded by module. unfold({path!r}) opens one part, unfold() opens all."
)
RETURNED_NONE = tr("{name} returned None. Is a return missing?")
WARNING = tr("Warning at {number}: {sentence}")
ERROR = tr("Error: {sentence}")


def trace_shapes(fn: Callable, *tensors: Any) -> "Trace":
    """Run fn(*tensors) and list every tensor operation with its shapes.

    fn: any function or module. tensors: its arguments, of any shapes: tensors, or
    tuples, lists and dicts of tensors, and plain numbers. Returns a `Trace`; if fn
    raises, the trace ends at the error. Afterwards the tensors, the weights, buffers
    and gradients of the modules that ran, and the random numbers are as they were.
    (What stays: attributes that fn sets, such as by net.eval(), an optimizer's own
    state, the shape that a lazy layer gets, and what fn does outside PyTorch.)
    Raises TypeError for what can't be traced.
    """
    name = getattr(fn, "__name__", type(fn).__name__)
    _check(fn, name, tensors)
    tracer = Tracer(fn, name)
    error = tracer.run(fn, tensors)
    for number, step in enumerate(tracer.root.steps(), start=1):
        step.number = number
    return Trace(name, error, *tracer.said, tracer.returned_none, tracer.root)


@dataclass(eq=False, repr=False)
class Trace:
    """What `trace_shapes` returns; `str()` is a table, and a notebook draws boxes.

    name: of the function or module. error: the exception that ended it (without its
    traceback, which would keep the tensors alive), or None. cause: of the error, in a
    few words, or None. explanation: of the error, in one or two sentences, or "".
    """

    name: str
    error: Exception | None
    cause: str | None
    explanation: str
    returned_none: bool
    root: Block
    unfolded: bool = False

    @property
    def ok(self) -> bool:
        """Whether fn came to its end."""
        return self.error is None

    @property
    def steps(self) -> list[TraceStep]:
        """The operations, in order."""
        return self.root.steps()

    @property
    def warnings(self) -> list[str]:
        """Sentences about what probably nobody wanted, each of them once."""
        return list(dict.fromkeys(step.warning for step in self.steps if step.warning))

    def unfold(self, path: str | None = None) -> "Trace":
        """The inside of the part at `path`, as a Trace; all of it without a path.

        path: as the table names it, such as "layer1.0". Raises ValueError, with the
        names that exist, for any other.
        """
        if path is None:
            return replace(self, unfolded=True)
        parts = [part for part in self.root.inside() if part.path == path]
        # A module of one operation is listed as that operation.
        found = [part for part in parts if isinstance(part, Block)] or [
            Block(path, step.name, step.inputs[:1], step.outputs, [step])
            for step in parts
        ]
        if not found or not path:
            known = {part.path for part in self.root.inside()} - {""}
            known = difflib.get_close_matches(str(path), known, n=5, cutoff=0)
            known = COMMA.join(known) or "-"
            raise ValueError(NO_SUCH_PART.format(path=path, known=known))
        parts = [part for block in found for part in block.parts]
        ends = found[0].inputs, found[-1].outputs
        return replace(self, name=path, root=Block(path, found[0].kind, *ends, parts))

    def rows(self) -> tuple[list[Part], str]:
        """The steps and folded blocks to show, and a sentence if not all fit."""
        if self.unfolded:
            return self.steps, ""
        for depth in range(20, -1, -1):
            rows = list(_rows(self.root, depth))
            if len(rows) <= MAX_ROWS:
                return rows, ""
        left_out = LEFT_OUT.format(count=len(rows) - MAX_ROWS)
        return rows[:HEAD] + rows[HEAD - MAX_ROWS :], left_out

    def title(self) -> str:
        """Its name, what went in and came out, and the number of operations."""
        title = TITLE if self.root.outputs else NO_OUTPUT if self.ok else STOPPED
        facts = {"name": self.name, "count": len(self.steps)}
        inputs, outputs = listed(self.root.inputs), listed(self.root.outputs)
        return title.format(inputs=inputs, outputs=outputs, **facts)

    def notes(self) -> Iterator[tuple[Look, str]]:
        """What is said below the table: warnings, the error, a forgotten return."""
        for sentence in self.warnings:
            first = next(step for step in self.steps if step.warning == sentence)
            said = WARNING.format(number=first.number, sentence=sentence)
            yield Look.WARNED, said
        if not self.ok:
            yield Look.NOT_YET, ERROR.format(sentence=self.explanation)
        if self.returned_none and not self.root.path:
            yield Look.WARNED, RETURNED_NONE.format(name=self.name)

    def __str__(self) -> str:
        rows, left_out = self.rows()
        columns = [column for column in zip(*map(_cells, rows)) if any(column)]
        lines = [f"  {line}" for line in as_text((), zip(*columns)).splitlines()]
        if left_out:
            lines.insert(HEAD, f"  {left_out}")
        lines += [said for _, said in self.notes()]
        folded = [row.path for row in rows if isinstance(row, Block)]
        if folded:
            lines.append(HOW_TO_UNFOLD.format(path=folded[0]))
        return "\n".join([self.title(), *lines])

    __repr__ = __str__

    def html(self, *more: tuple[Look, str]) -> str:
        """The drawing, as HTML. more: sentences to put below it, and their looks."""
        return draw(self.title(), *self.rows(), [*self.notes(), *more])

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": str(self), "text/html": self.html()}


def _cells(row):
    """The five texts of a row: number, path, operation, inputs, outputs."""
    if isinstance(row, Block):
        shapes = listed(row.inputs), f"-> {listed(row.outputs)}"
        return row.numbers(), row.path, row.label(), *shapes
    out = STOPS_HERE if row.failed else listed(row.outputs)
    inputs = listed(row.inputs, row.shown_names(), INPUTS) if row.inputs else ""
    return str(row.number), row.path, row.name, inputs, f"-> {out}"


def _rows(block, depth):
    """Steps and blocks; `depth` levels are opened, and all that needs a look."""
    for part in block.parts:
        if isinstance(part, Block) and (depth > 0 or part.needs_a_look()):
            yield from _rows(part, depth - 1)
        else:
            yield part


def _check(fn, name, tensors):
    if isinstance(fn, type) and issubclass(fn, nn.Module):
        raise TypeError(A_CLASS.format(name=name))
    require_kind(callable(fn), NOT_CALLABLE, fn)
    check_begun(fn)
    found = list(leaves(tensors))
    if any(isinstance(leaf, np.ndarray) for leaf in found):
        raise TypeError(NUMPY)
    if not any(isinstance(leaf, torch.Tensor) for leaf in found):
        raise TypeError(NO_TENSOR.format(name="fn" if name == "<lambda>" else name))
