"""What a trace is made of: operations, and the calls of modules that hold them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple

Shape = tuple[int, ...]
Facts = dict[str, Any]  # what sentences are filled with
FOLDED = "{kind}, operations: {count}"

# By operation: what its tensors are called if they have no names.
ROLES = dict.fromkeys(("linear", "conv"), ("input", "weight", "bias"))
ROLES["addmm"] = ("bias", "left", "right")


class Operand(NamedTuple):
    """A tensor that an operation was given; origin: as in `TraceStep`."""

    name: str
    shape: Shape
    origin: str

    def __str__(self) -> str:
        return self.name

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def sizes(self) -> list[int]:
        """Its sizes other than 1."""
        return [size for size in self.shape if size != 1]


@dataclass
class TraceStep:
    """One operation. Shapes are tuples of ints; no tensor is kept.

    name: the operation, such as "matmul". path: the module that it ran in, such
    as "layer1.0.conv1", or "". inputs, outputs: the shapes of its tensors. names:
    for each input the variable or parameter that held it, or "". kept: for each
    input, whether it existed before the trace. origins: where the numbers of each
    input come from: "data" (the first tensor that fn was given), "kept" (any other
    that existed before) or "computed"; a view or a reshape keeps the origin. warning:
    a sentence, or "". failed: whether it raised. number: its place, from 1.
    """

    name: str
    path: str
    inputs: tuple[Shape, ...]
    names: tuple[str, ...]
    kept: tuple[bool, ...]
    origins: tuple[str, ...]
    outputs: tuple[Shape, ...] = ()
    warning: str = ""
    failed: bool = False
    number: int = 0

    def shown_names(self) -> tuple[str, ...]:
        """Its names as drawn: by role where a sentence about it speaks of them."""
        if len(self.inputs) < 2 or not (self.failed or self.warning):
            return self.names
        return tuple(operand.name for operand in self.operands())

    def operands(self) -> list[Operand]:
        """Its inputs, called by their roles where they have no names."""
        kind = "conv" if self.name.startswith("conv") else self.name
        roles = ROLES.get(kind, ("left", "right"))
        names = [a or b for a, b in zip_longest(self.names, roles, fillvalue="")]
        return list(map(Operand, names, self.inputs, self.origins))


@dataclass
class Block:
    """One call of a module: its own operations, and the calls of modules inside."""

    path: str
    kind: str
    inputs: tuple[Shape, ...] = ()
    outputs: tuple[Shape, ...] = ()
    parts: list["TraceStep | Block"] = field(default_factory=list)

    def inside(self) -> Iterator["TraceStep | Block"]:
        """All that is inside, in order and at any depth."""
        for part in self.parts:
            yield part
            if isinstance(part, Block):
                yield from part.inside()

    def steps(self) -> list[TraceStep]:
        """Its operations in order, those of the blocks inside included."""
        return [part for part in self.inside() if isinstance(part, TraceStep)]

    def numbers(self) -> str:
        """The first and the last number of its operations, such as "5-11"."""
        steps = self.steps()
        return f"{steps[0].number}-{steps[-1].number}"

    def label(self) -> str:
        """Its class, and how many operations it holds."""
        return FOLDED.format(kind=self.kind, count=len(self.steps()))

    def needs_a_look(self) -> bool:
        """Whether an operation inside failed or got a warning."""
        return any(step.failed or step.warning for step in self.steps())


Part = TraceStep | Block
