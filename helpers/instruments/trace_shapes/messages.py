"""What PyTorch's own messages say about a shape error, put as a cause and a repair."""

import re
from collections.abc import Sequence
from typing import Any

from helpers.instruments.trace_shapes.steps import Shape

# The causes, as `trace.cause` names them. The first five are the most common.
TRANSPOSED = "transposed weight"
FLATTEN = "missing flatten"
SWAPPED = "batch and features swapped"
WIDTH = "wrong width between layers"
BIAS = "bias shape"
ORDER, ALL_FLAT, OTHER = "wrong order", "batch flattened away", "other shapes"

IN_STEPS = (
    "The {layer} expects {want} numbers in each step but gets {got}: make it with "
    "{what}={got}, or give it {want}."
)
EMBEDDING = (
    "The {layer} expects {want} numbers for each position but gets {got}: make it with "
    "embed_dim={got}, or let the layer before it output {want}."
)
FEATURES = (
    "The {layer} was made for {want} features but gets {got}: make it for {got}, or "
    "let the layer before it output {want}."
)
LABEL_COUNT = "{operation}: there are {first} rows of scores but {second} labels."
ONE_LABEL_EACH = "Each row needs one label."
SCORES_TRANSPOSED = (
    "The scores {a_shape} are transposed: use {a}.T, with one row for each label."
)
LABEL_SHAPE = (
    "{operation} takes labels of shape ({first},), one class number for each row of "
    "scores, but {b} has the shape {b_shape}."
)
FLATTEN_LABELS = "Use {b}.flatten()."
SAME_SHAPE = (
    "{operation} compares {a} {a_shape} with {b} {b_shape}, but both need the same "
    "shape."
)
RESHAPE_TARGETS = "Use {b}.reshape({a}.shape)."
ONE_TARGET_EACH = "Each output needs one target."
CAT = (
    "cat along dimension {dim}: the sizes in all other dimensions must be equal, but "
    "{want} and {got} are not. Cut one of the two, or join them along another "
    "dimension."
)
STACK = (
    "stack needs tensors of one shape but got ({want}) and ({got}). To join tensors of "
    "different lengths, use cat."
)
EINSUM = (
    "einsum: the letter {letter} stands for the sizes {want} and {got}, which must be "
    "equal. Check the order of the letters against the shapes {shapes}."
)
NO_DIMENSION = (
    "{operation}: {a} {a_shape} has no dimension {got}. Its dimensions are numbered 0 "
    "to {last}, or -1 to -{count} from the right."
)
CHECKED = "A check in the code of {layer} failed: {message}."

# What PyTorch says -> the cause, and the sentence that its parts fill in. <got> and
# the like stand for a word, a number, or several numbers.
KNOWN = {
    "inconsistent <what>: got <got>,? expected <want>": (WIDTH, IN_STEPS),
    r"equal to <what>\. Expected <want>, got <got>": (WIDTH, IN_STEPS),
    "embedding dimension of <want>, but got <got>": (WIDTH, EMBEDDING),
    "running_mean should contain <got> elements not <want>": (WIDTH, FEATURES),
    r"normalized_shape=\[<want>\].*size\s?\[(?:\d+, )*<got>\]": (WIDTH, FEATURES),
    r"dimension <dim>\. Expected size <want> but got size <got>": (OTHER, CAT),
    r"stack expects .* got \[<want>\] at .* and \[<got>\]": (OTHER, STACK),
    "subscript <letter> has size <got> .* seen size <want>": (OTHER, EINSUM),
}
PARTS = {re.sub(r"<(\w+)>", r"(?P<\1>\\w+(?:, \\d+)*)", said): said for said in KNOWN}
COUNTS = re.compile(r"batch_size \((\d+)\) to match target batch_size \((\d+)\)")
DIMENSION = re.compile(r"Dimension out of range .* but got (-?\d+)")

Facts = dict[str, Any]  # what sentences are filled with
Explained = tuple[str | None, str]  # the cause, and a sentence


def read(message: str, facts: Facts, shapes: Sequence[Shape]) -> Explained | None:
    """The cause and a sentence, if the message is known.

    facts: operation, layer, shapes (a text), message; and of the first two tensors
    a, b (names), a_shape, b_shape, if they exist. shapes: those of all tensors.
    """
    for pattern, said in PARTS.items():
        if found := re.search(pattern, message):
            cause, sentence = KNOWN[said]
            return cause, sentence.format(**facts, **found.groupdict())
    if (found := DIMENSION.search(message)) and shapes:
        count = len(shapes[0])
        facts = facts | {"got": found[1], "last": count - 1, "count": count}
        return (OTHER, NO_DIMENSION.format(**facts)) if count else None
    if len(shapes) > 1 and (sentence := _of_a_loss(message, *shapes[:2], facts)):
        return OTHER, sentence
    return None if shapes else (OTHER, CHECKED.format(**facts))


def _of_a_loss(message, a, b, facts):
    facts = facts | {"first": a[0] if a else 1}
    if found := COUNTS.search(message):
        swapped = len(a) == 2 and a[1] == int(found[2])
        repair = SCORES_TRANSPOSED if swapped else ONE_LABEL_EACH
        facts |= {"first": found[1], "second": found[2]}
        return f"{LABEL_COUNT} {repair}".format(**facts)
    if "multi-target not supported" in message:
        repair = FLATTEN_LABELS if b == (*a[:1], 1) else ""
        return f"{LABEL_SHAPE} {repair}".strip().format(**facts)
    if re.match(r"(Using a t|T)arget size", message):
        return same_shape(a, b, facts)
    return ""


def same_shape(a: Shape, b: Shape, facts: Facts) -> str:
    """The sentence about a loss that compares two different shapes."""
    alike = sorted(n for n in a if n != 1) == sorted(n for n in b if n != 1)
    repair = RESHAPE_TARGETS if alike else ONE_TARGET_EACH
    return f"{SAME_SHAPE} {repair}".format(**facts)
