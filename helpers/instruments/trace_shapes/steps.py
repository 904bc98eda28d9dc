"""What a trace is made of: operations, and the calls of modules that hold them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, NamedTuple

from helpers.language import tr

Shape = tuple[int, ...]
Facts = dict[str, Any]  # what sentences are filled with
FOLDED = tr("{kind}, operations: {count}")

# What the tensors of an operation are called if they have no names.
ROLES = {"addmm": ("bias", "left", "right"), "cross_entropy": ("scores", "labels")}
ROLES["scaled_dot_product_attention"] = "query", "key", "value", "mask"
LAYERS = ("linear", "conv", "layer_norm", "group_norm", "batch_norm", "embedding")
ROLES |= dict.fromkeys(LAYERS, ("input", "weight", "bias"))
ALONE_AND_SAID = {  # such a tensor beside its shape, and in a sentence
    "input": (tr("input"), tr("the input")),
    "weight": (tr("weight"), tr("the weight")),
    "bias": (tr("bias"), tr("the bias")),
    "left": (tr("left"), tr("the left tensor")),
    "right": (tr("right"), tr("the right tensor")),
    "scores": (tr("scores"), tr("the scores")),
    "labels": (tr("labels"), tr("the labels")),
    "query": (tr("query"), tr("the query")),
    "key": (tr("key"), tr("the key")),
    "value": (tr("value"), tr("the value")),
    "mask": (tr("mask"), tr("the mask")),
    "output": (tr("output"), tr("the output")),
    "target": (tr("target"), tr("the target")),
    "product": (tr("product"), tr("the product")),
}
LOSS = ("_loss", "cross_entropy", "cross_entropy_with_logits")
ON = tr("{code} on {tensor}")  # a repair of what has no name, as in ".T on the input"


class Operand(NamedTuple):
    """A tensor that an operation was given; origin: as in `TraceStep`.

    In a sentence, {a} is its name or what it is there, and {a:.T} is a repair of it.
    """

    name: str
    shape: Shape
    origin: str
    role: str = "input"

    def __str__(self) -> str:
        return self.name or self.part(1)

    def __format__(self, code: str) -> str:
        if self.name or not code:
            return str(self) + code
        return ON.format(code=code, tensor=self)

    def part(self, which: int) -> str:
        """What it is in the operation, alone (0) or in a sentence (1)."""
        return ALONE_AND_SAID.get(self.role, (self.role, self.role))[which]

    @property
    def its_shape(self) -> str:
        """Its shape, in code, for a batch of any size."""
        sizes = map(str, (-1, *self.shape[1:]))
        return f"{self.name}.shape" if self.name else ", ".join(sizes)

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
        return tuple(operand.name or operand.part(0) for operand in self.operands())

    def is_loss(self) -> bool:
        """Whether it compares outputs with targets."""
        return self.name.endswith(LOSS) and len(self.inputs) > 1

    def operands(self) -> list[Operand]:
        """Its inputs, with their roles."""
        kind = "conv" if self.name.startswith("conv") else self.name
        usual = ("output", "target") if kind.endswith(LOSS) else ("left", "right")
        roles = ROLES.get(kind, usual) if len(self.inputs) > 1 else ("input",)
        roles = chain(roles, repeat(""))
        parts = zip(self.names, self.inputs, self.origins, roles)
        return [Operand(*part) for part in parts]


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
