"""What a trace is made of: operations, and the calls of modules that hold them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Shape = tuple[int, ...]
Names = Sequence[str]
FOLDED = "{kind}, operations: {count}"


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


@dataclass
class Block:
    """One call of a module: its own operations, and the calls of modules inside."""

    path: str
    kind: str
    inputs: tuple[Shape, ...] = ()
    outputs: tuple[Shape, ...] = ()
    parts: list["TraceStep | Block"] = field(default_factory=list)

    def steps(self) -> Iterator[TraceStep]:
        """Its operations in order, those of the blocks inside included."""
        for part in self.parts:
            yield from part.steps() if isinstance(part, Block) else (part,)

    def blocks(self) -> Iterator["Block"]:
        """The blocks inside, at any depth."""
        for part in self.parts:
            if isinstance(part, Block):
                yield part
                yield from part.blocks()

    def numbers(self) -> str:
        """The first and the last number of its operations, such as "5-11"."""
        steps = list(self.steps())
        return f"{steps[0].number}-{steps[-1].number}"

    def label(self) -> str:
        """Its class, and how many operations it holds."""
        return FOLDED.format(kind=self.kind, count=sum(1 for _ in self.steps()))

    def needs_a_look(self) -> bool:
        """Whether an operation inside failed or got a warning."""
        return any(step.failed or step.warning for step in self.steps())


Part = TraceStep | Block
