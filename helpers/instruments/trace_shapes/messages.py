"""What PyTorch's own messages tell about a shape error, said with cause and repair."""

import re

# The causes, as `trace.cause` names them. A learner meets the first five most.
TRANSPOSED = "transposed weight"
FLATTEN = "missing flatten"
SWAPPED = "batch and features swapped"
WIDTH = "wrong width between layers"
BIAS = "bias shape"
ORDER, ALL_FLAT, OTHER = "wrong order", "batch flattened away", "other shapes"

IN_STEPS = (
    "The {layer} takes {want} numbers in each step, and {got} arrive: make it with "
    "{what}={got}, or give it {want}."
)
EMBEDDING = (
    "The {layer} takes {want} numbers for each position, and {got} arrive: make it "
    "with embed_dim={got}, or let the layer before give {want}."
)
FEATURES = (
    "The {layer} was made for {want} features, and {got} arrive: make it with {got}, "
    "or let the layer before give {want}."
)
LABEL_COUNT = (
    "{operation}: there are {first} rows of scores and {second} labels, and they must "
    "be equal: one label for each row."
)
SCORES_TRANSPOSED = (
    "{operation}: there are {first} rows of scores and {second} labels. The scores "
    "{a_shape} stand the wrong way round: use {a}.T, with one row for each label."
)
LABEL_SHAPE = (
    "{operation} takes labels of shape ({first},), one class number for each row of "
    "scores; {b} has the shape {b_shape}. Use {b}.flatten()."
)
LABEL_DIMENSIONS = (
    "{operation} takes labels of shape ({first},), one class number for each row of "
    "scores; {b} has the shape {b_shape}."
)
SAME_SHAPE = (
    "{operation} compares {a} {a_shape} with {b} {b_shape}, and needs one shape for "
    "both. Use {b}.reshape({a}.shape)."
)
SAME_SHAPE_NEEDED = (
    "{operation} compares {a} {a_shape} with {b} {b_shape}, and needs one shape for "
    "both: as many targets as outputs."
)
CAT = (
    "cat along dimension {dim}: all other sizes must be equal, and {want} and {got} are "
    "not. Cut one of the two, or join them along another dimension."
)
STACK = (
    "stack needs tensors of one shape, and got ({want}) and ({got}). To join tensors "
    "of different lengths, use cat."
)
EINSUM = (
    "einsum: the letter {letter} stands for the sizes {want} and {got}, which must be "
    "equal. Check the order of the letters against the shapes {shapes}."
)
NO_DIMENSION = (
    "{operation} of {a} {a_shape}: there is no dimension {got}. Its dimensions are "
    "numbered 0 to {last}, or -1 to -{count} from the right."
)
CHECKED = "A check in the code of {layer} failed: {message}."

# (what PyTorch says, cause, sentence, further facts)
KNOWN = (
    (
        r"inconsistent (?P<what>\w+_size): got (?P<got>\d+),? expected (?P<want>\d+)",
        *(WIDTH, IN_STEPS),
    ),
    (r"equal to (?P<what>\w+_size)\. Expected (?P<want>\d+), got (?P<got>\d+)",)
    + (WIDTH, IN_STEPS),
    (r"embedding dimension of (?P<want>\d+), but got (?P<got>\d+)", WIDTH, EMBEDDING),
    (
        r"running_mean should contain (?P<got>\d+) elements not (?P<want>\d+)",
        *(WIDTH, FEATURES),
    ),
    (
        r"normalized_shape=\[(?P<want>\d+)\].*size\s?\[(?:\d+, )*(?P<got>\d+)\]",
        *(WIDTH, FEATURES),
    ),
    (
        r"except in dimension (?P<dim>\d+)\. Expected size (?P<want>\d+) but got size "
        r"(?P<got>\d+)",
        *(OTHER, CAT),
    ),
    (
        r"stack expects .* got \[(?P<want>[\d, ]+)\] at .* and \[(?P<got>[\d, ]+)\]",
        *(OTHER, STACK),
    ),
    (
        r"subscript (?P<letter>\w) has size (?P<got>\d+) .* seen size (?P<want>\d+)",
        *(OTHER, EINSUM),
    ),
)
COUNTS = re.compile(r"batch_size \((\d+)\) to match target batch_size \((\d+)\)")
DIMENSION = re.compile(r"Dimension out of range .* but got (-?\d+)")


def read(message, facts, shapes):
    """(cause, sentence) of a message that is known, else None.

    facts: operation, layer, shapes (a text), message; and of the first two tensors
    a, b (names), a_shape, b_shape, as far as there are any. shapes: all of them.
    """
    for pattern, cause, sentence in KNOWN:
        if found := re.search(pattern, message):
            return cause, sentence.format(**facts, **found.groupdict())
    if (found := DIMENSION.search(message)) and shapes:
        count = len(shapes[0])
        facts = facts | {"got": found[1], "last": count - 1, "count": count}
        return OTHER, NO_DIMENSION.format(**facts) if count else None
    if len(shapes) > 1 and (sentence := _of_a_loss(message, *shapes[:2], facts)):
        return OTHER, sentence
    if not shapes:
        return OTHER, CHECKED.format(**facts)
    return None


def _of_a_loss(message, a, b, facts):
    facts = facts | {"first": a[0] if a else 1}
    if found := COUNTS.search(message):
        swapped = len(a) == 2 and a[1] == int(found[2])
        sentence = SCORES_TRANSPOSED if swapped else LABEL_COUNT
        return sentence.format(**facts | {"first": found[1], "second": found[2]})
    if "multi-target not supported" in message:
        column = b == (*a[:1], 1)
        return (LABEL_SHAPE if column else LABEL_DIMENSIONS).format(**facts)
    if re.match(r"(Using a t|T)arget size", message):
        return same_shape(a, b, facts)
    return None


def same_shape(a, b, facts):
    """That a loss compares two shapes which should be one."""
    alike = sorted(n for n in a if n != 1) == sorted(n for n in b if n != 1)
    return (SAME_SHAPE if alike else SAME_SHAPE_NEEDED).format(**facts)
