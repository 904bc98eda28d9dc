"""What PyTorch's own messages say about a shape error, put as a cause and a repair."""

import re
from contextlib import suppress
from types import SimpleNamespace

from helpers.instruments.trace_shapes.steps import Facts

# The causes, as `trace.cause` names them.
TRANSPOSED = "transposed weight"
FLATTEN = "missing flatten"
SWAPPED = "batch and features swapped"
WIDTH = "wrong width between layers"
BIAS = "bias shape"
MOST_COMMON = (TRANSPOSED, FLATTEN, SWAPPED, WIDTH, BIAS)
ORDER, ALL_FLAT, OTHER = "wrong order", "batch flattened away", "other shapes"

IN_STEPS = (
    "The {layer} expects {want} numbers in each step but gets {got}: make it with "
    "{what}={got}, or give it {want}."
)
FEATURES = (
    "The {layer} was made for {want} features but gets {got}: make it for {got}, or "
    "let the layer before it output {want}."
)
LABEL_COUNT = (
    "{operation} got {got} rows of scores but {want} labels. Each row needs one label."
)
SCORES_TRANSPOSED = "The scores {a.shape} are transposed: use {a:.T}."
LABEL_SHAPE = (
    "{operation} takes labels of one dimension, with one class number for each row of "
    "scores, but the shape of {b} is {b.shape}."
)
FLATTEN_IT = "Use {b:.flatten()}."
SAME_SHAPE = (
    "{operation} compares {a} {a.shape} with {b} {b.shape}, but each output needs one "
    "target, so both need the same shape."
)
RESHAPE_TARGETS = "Use {b:.reshape({a.its_shape})}."
CAT = (
    "cat along dimension {dim}: all other sizes must be equal, but {want} and {got} "
    "are not. Cut one of the two, or join them along another dimension."
)
ONE_TOKEN = "To join one row to each example, repeat it first with .expand."
TOO_SMALL = (
    "{operation}: {a} {a.shape} is too small for its kernel, so nothing would be left. "
    "Use a smaller kernel, padding, or fewer layers that shrink the pictures."
)
FEW_VALUES = (
    "In training mode, {layer} subtracts the mean of the batch, so it needs more than "
    "one example. Give it several, or call net.eval() first."
)
CLASSES_SECOND = (
    "{operation} takes scores of shape (examples, classes, ...), with the classes "
    "second, but gets {a} {a.shape} and {b} {b.shape}."
)
ONE_EACH = (
    "{operation} takes scores of shape (examples, classes) with one label for each "
    "example, but gets {a} {a.shape} and {b} {b.shape}. Check for a missing flatten "
    "before the last layer, or for steps in time of which only one is needed."
)
MAKE_SECOND = "Use {a:.transpose(1, 2)}."
ONE_OUTPUT = (
    "{operation} takes scores of shape (examples, classes) and class numbers, but {a} "
    "and {b} have the same shape, {a.shape}. For one output for each example, use "
    "F.binary_cross_entropy_with_logits and targets of type float."
)
FEATURES_LAST = "Its features must be last: use {a:.permute(0, 2, 3, 1)}."
STACK = (
    "stack needs tensors of one shape but got ({want}) and ({got}). To join tensors of "
    "different lengths, use cat."
)
EINSUM = (
    "einsum: the letter {letter} stands for the sizes {want} and {got}, which must be "
    "equal. Check the order of the letters against the shapes {shapes}."
)
NO_DIMENSION = (
    "{operation}: {a} {a.shape} has no dimension {got}. Its dimensions are numbered 0 "
    "to {last}, or -1 to -{count} from the right."
)
CHECKED = "A check in the code of {layer} failed: {message}."

# What PyTorch says -> the cause, and the sentence that its parts fill in. <got> and
# the like stand for a word, a number, or several numbers.
KNOWN = {
    "inconsistent <what>: got <got>,? expected <want>": (WIDTH, IN_STEPS),
    r"equal to <what>\. Expected <want>, got <got>": (WIDTH, IN_STEPS),
    "embedding dimension of <want>, but got <got>": (WIDTH, FEATURES),
    "running_mean should contain <got> elements not <want>": (WIDTH, FEATURES),
    r"normalized_shape=\[<want>\].*size\s?\[(?:\d+, )*<got>\]": (WIDTH, FEATURES),
    r"dimension <dim>\. Expected size <want> but got size <got>": (OTHER, CAT),
    r"stack expects .* got \[<want>\] at .* and \[<got>\]": (OTHER, STACK),
    "subscript <letter> has size <got> .* seen size <want>": (OTHER, EINSUM),
    "more than 1 value per channel": (OTHER, FEW_VALUES),
    "(Kernel size can't be greater|Output size is too small)": (OTHER, TOO_SMALL),
    r"(targets of dimension: 1|Expected target size .* got \[\w+\]$)": (
        OTHER,
        ONE_EACH,
    ),
    "Expected target size": (OTHER, CLASSES_SECOND),
    "with class probabilities": (OTHER, ONE_OUTPUT),
    "Dimension out of range .* but got <got>": (OTHER, NO_DIMENSION),
    r"batch_size \(<got>\) to match target .* \(<want>\)": (OTHER, LABEL_COUNT),
    "multi-target not supported": (OTHER, LABEL_SHAPE),
    r"(Using a t|T)arget size \(": (OTHER, SAME_SHAPE),
}
PART = re.compile(r"<(\w+)>")
# A sentence -> when a repair follows it, and that repair.
REPAIRS = {
    LABEL_COUNT: (lambda f: f.a.shape[1:] == f.b.shape, SCORES_TRANSPOSED),
    LABEL_SHAPE: (lambda f: f.b.shape == (*f.a.shape[:1], 1), FLATTEN_IT),
    CLASSES_SECOND: (lambda f: f.a.shape[:2] == f.b.shape, MAKE_SECOND),
    FEATURES: (
        lambda f: len(f.a.shape) == 4 and f.want == str(f.a.shape[1]),
        FEATURES_LAST,
    ),
    CAT: (lambda f: "1" in (f.want, f.got), ONE_TOKEN),
    SAME_SHAPE: (lambda f: sorted(f.a.sizes) == sorted(f.b.sizes), RESHAPE_TARGETS),
}

Explained = tuple[str | None, str]  # the cause, and a sentence


def read(facts: Facts) -> Explained | None:
    """The cause and a sentence, if PyTorch's message is known.

    facts: operation, layer, shapes (a text), message; and a and b, its first two
    operands, if they exist.
    """
    if "a" in facts and (count := len(facts["a"].shape)):
        facts = facts | {"last": count - 1, "count": count}
    for pattern, (cause, sentence) in KNOWN.items():
        pattern = PART.sub(r"(?P<\1>-?\\w+(?:, \\d+)*)", pattern)
        if found := re.search(pattern, facts["message"]):
            with suppress(KeyError, AttributeError):  # of a tensor that isn't there
                return cause, say(sentence, facts | found.groupdict())
    return None if "a" in facts else (OTHER, CHECKED.format(**facts))


def say(sentence: str, facts: Facts) -> str:
    """The sentence about these facts, and the repair if one applies."""
    said = sentence.format(**facts)
    applies, repair = REPAIRS.get(sentence, (None, ""))
    if applies and applies(SimpleNamespace(**facts)):
        said = f"{said} {repair.format(**facts)}"
    return said
