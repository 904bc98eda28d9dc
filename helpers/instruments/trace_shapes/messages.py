"""What PyTorch's own messages say about a shape error, put as a cause and a repair."""

import re
from collections.abc import Mapping
from contextlib import suppress
from types import SimpleNamespace

from helpers.instruments.trace_shapes.steps import Facts
from helpers.language import tr

# The causes, as `trace.cause` names them.
TRANSPOSED = tr("transposed weight")
FLATTEN = tr("missing flatten")
SWAPPED = tr("batch and features swapped")
WIDTH = tr("wrong width between layers")
BIAS = tr("bias shape")
MOST_COMMON = (TRANSPOSED, FLATTEN, SWAPPED, WIDTH, BIAS)
ORDER, ALL_FLAT = tr("wrong order"), tr("batch flattened away")
OTHER = tr("other shapes")

IN_STEPS = tr(
    "The {layer} expects {want} numbers in each step but gets {got}: make it with "
    "{what}={got}, or give it {want}."
)
FEATURES = tr(
    "The {layer} was made for {want} features but gets {got}: make it for {got}, or "
    "let the layer before it output {want}."
)
LABEL_COUNT = tr(
    "{operation} got {got} rows of scores but {want} labels. Each row needs one label."
)
ONE_LABEL_EACH = tr(
    "{operation} got {want} rows of scores but {got} labels. Each row needs one label."
)
SCORES_TRANSPOSED = tr("The scores {a.shape} are transposed: use {a:.T}.")
LABEL_SHAPE = tr(
    "{operation} takes labels of one dimension, with one class number for each row of "
    "scores, but the shape of {b} is {b.shape}."
)
FLATTEN_IT = tr("Use {b:.flatten()}.")
SAME_SHAPE = tr(
    "{operation} compares {a} {a.shape} with {b} {b.shape}, but each output needs one "
    "target, so both need the same shape."
)
RESHAPE_TARGETS = tr("Use {b:.reshape({a.its_shape})}.")
CAT = tr(
    "cat along dimension {dim}: all other sizes must be equal, but {want} and {got} "
    "are not. Cut one of the two, or join them along another dimension."
)
ONE_TOKEN = tr("To join one row to each example, repeat it first with .expand.")
TOO_SMALL = tr(
    "{operation}: {a} {a.shape} is too small for its kernel, so nothing would be left. "
    "Use a smaller kernel, padding, or fewer layers that shrink the pictures."
)
FEW_VALUES = tr(
    "In training mode, {layer} subtracts the mean of the batch, so it needs more than "
    "one example. Give it several, or call net.eval() first."
)
CLASSES_SECOND = tr(
    "{operation} takes scores of shape (examples, classes, ...), with the classes "
    "second, but gets {a} {a.shape} and {b} {b.shape}."
)
ONE_EACH = tr(
    "{operation} takes scores of shape (examples, classes) with one label for each "
    "example, but gets {a} {a.shape} and {b} {b.shape}. Check for a missing flatten "
    "before the last layer, or for steps in time of which only one is needed."
)
MAKE_SECOND = tr("Use {a:.transpose(1, 2)}.")
ONE_OUTPUT = tr(
    "{operation} takes scores of shape (examples, classes) and class numbers, but {a} "
    "and {b} have the same shape, {a.shape}. For one output for each example, use "
    "F.binary_cross_entropy_with_logits and targets of type float."
)
FEATURES_LAST = tr("Its features must be last: use {a:.movedim(1, -1)}.")
STACK = tr(
    "stack needs tensors of one shape but got ({want}) and ({got}). To join tensors of "
    "different lengths, use cat."
)
EINSUM = tr(
    "einsum: the letter {letter} stands for the sizes {want} and {got}, which must be "
    "equal. Check the order of the letters against the shapes {shapes}."
)
NO_DIMENSION = tr(
    "{operation}: {a} {a.shape} has no dimension {got}. Its dimensions are numbered 0 "
    "to {last}, or -1 to -{count} from the right."
)
GROUPS = tr(
    "{operation} divides the channels into {want} groups of equal size, but {a} "
    "{a.shape} has {a.shape[1]} channels, and {want} does not divide {a.shape[1]}."
)
CHANNELS = tr(
    "{operation} was made for {want} channels, but {a} {a.shape} has {a.shape[1]}: "
    "make it for {a.shape[1]}, or let the layer before it output {want}."
)
CHANNELS_LAST = tr("If the channels are last, use {a:.permute(0, 3, 1, 2)}.")
ONE_AT_A_TIME = tr(
    "{layer} takes a single step, of shape (examples, features), but gets {a} "
    "{a.shape}. Call it once for each step, as in: for step in X.unbind(1)."
)
STATE_WIDTH = tr(
    "The state that {layer} gets has {got} numbers for each example, but the layer has "
    "{want} units: make the state with shape (examples, {want})."
)
STATE_COUNT = tr(
    "{layer} gets {got} examples, but a state for {want}: make the state with a row "
    "for each example."
)
STATE_FORM = tr(
    "The state that {layer} gets has {got} dimensions; it takes one of shape "
    "(examples, units)."
)
MASK = tr(
    "The attention mask has the shape ({got}), but must have ({want}): a row for each "
    "step that asks, and a column for each step that is looked at."
)
MASK_PER_HEAD = tr(
    "The attention mask has the shape ({got}), but must have ({want}), which is "
    "(examples * heads, steps that ask, steps that are looked at)."
)
MASK_FORM = tr(
    "An attention mask has 2 dimensions, (steps that ask, steps that are looked at), "
    "or 3 with one for each example and head, but this one has {got}."
)
PADDING = tr(
    "key_padding_mask has the shape (examples, steps), and True where a step is only "
    "padding. Its size in dimension {dim} must be {want}, but it is {got}."
)
SWAP_PADDING = tr("It looks transposed: use .T on it.")
PADDING_FORM = tr(
    "key_padding_mask has 2 dimensions, (examples, steps), but this one has {got}."
)
PER_CHANNEL = tr(
    "{layer} has {want} slopes, one for each channel, but {a} {a.shape} has {got} "
    "channels: make it with {got}, or with 1 for all."
)
INTO_PIXELS = tr(
    "{layer} makes one channel of {want}, so {want} must divide the number of "
    "channels, but {a} {a.shape} has {got}."
)
HALVES = tr(
    "{operation} cuts dimension {dim} into halves, but the size of {a} {a.shape} is "
    "odd there, {got}."
)
TWO_WIDTHS = tr(
    "{layer} was made for {want} numbers in input {which}, but gets {got}: make it for "
    "{got}, or let what comes before it output {want}."
)
PARTS = tr(
    "{operation} cuts dimension {dim} of {a} {a.shape} into parts, so their sizes must "
    "add up to {want}, but they are {got}."
)
UNFLATTENED = tr(
    "{operation} to ({wanted}) needs sizes that multiply to {got}, the size of "
    "dimension {dim} of {a} {a.shape}."
)
ALL_DIMENSIONS = tr(
    "{operation} needs the place of each dimension: {a} {a.shape} has {got}, but "
    "{want} are given."
)
ONLY_ONES_GROW = tr(
    "{operation}: only a size of 1 can be expanded, but {a} {a.shape} has {got} where "
    "{want} is asked for."
)
POSITIONS = tr(
    "{a} {a.shape} has only {want} positions in dimension {dim}, counted from 0, so "
    "there is no position {got}."
)
TOO_MANY = tr(
    "Too many indices: {a} {a.shape} has {got} dimensions, and each index takes one."
)
CHOICE = tr(
    "The mask in the brackets has the shape ({got}), but what it chooses from has "
    "({want}); each size of the mask must be equal to the one it meets."
)
NOT_A_PLACE = tr(
    "What is assigned has the shape ({got}), and its place has ({want}); the two must "
    "be equal, or the first one must expand to the second."
)
STACKS_OF = tr(
    "{operation} multiplies two stacks of matrices, each of shape (examples, rows, "
    "columns), but gets {shapes}. For other shapes, use @."
)
MODEL_WIDTH = tr(
    "{layer} takes src and tgt whose last size is its d_model, but gets {given}."
)
AS_MANY = tr(
    "{layer} takes as many examples in src as in tgt, but gets {given}. They come "
    "second, unless it has batch_first=True."
)
CLASS_WEIGHTS = tr(
    "{operation}: weight needs one number for each of the {want} classes."
)
CAT_DIMENSIONS = tr(
    "{operation} joins tensors with the same number of dimensions, but gets {shapes}. "
    "unsqueeze adds one."
)
PICTURES = tr(
    "{operation} takes (examples, channels, height, width), or one example without the "
    "first of these, but gets {a} {a.shape}."
)
INTO_BLOCKS = tr(
    "{operation} cuts pictures into squares of {want} by {want}, so {want} must divide "
    "their height and width, but {a} {a.shape} has {got}."
)
FOLD_ROWS = tr(
    "{operation} takes (examples, channels * kernel, places), so the {got} rows of {a} "
    "{a.shape} must be a multiple of the numbers in a kernel of ({want})."
)
FOLD_PLACES = tr(
    "{operation} finds {want} places for the kernel in its output, so {a} {a.shape} "
    "needs as many columns, but has {got}."
)
TWO_TYPES = tr(
    "{operation} gets numbers of two types, but needs one: use .float() on what is not "
    "float32. PyTorch says: {message}."
)
POSITIONS_TYPE = tr(
    "{operation} needs whole numbers as positions: use .long() on them."
)
LABELS_TYPE = tr("{operation} needs whole numbers as class numbers: use {b:.long()}.")
FLOATS = tr("{operation} needs floats, but gets whole numbers: use .float() on them.")
CHECKED = tr("A check in the code of {layer} failed: {message}.")

# What PyTorch says -> the cause, and the sentence that its parts fill in. <got> and
# the like stand for a word, a number, or several numbers.
KNOWN = {
    r"hidden\d? has inconsistent hidden_size: got <got>,? expected <want>": (
        WIDTH,
        STATE_WIDTH,
    ),
    r"batch size <got> doesn't match hidden\d? batch size <want>": (OTHER, STATE_COUNT),
    r"Expected input to be 1D or 2D": (OTHER, ONE_AT_A_TIME),
    r"Expected h\S+ to be 1D or 2D, got <got>D": (OTHER, STATE_FORM),
    r"groups, but .* and num_groups\s?=\s?<want>": (OTHER, GROUPS),
    r"equal to the number of channels in input, but .* shape \[<want>\] and": (
        WIDTH,
        CHANNELS,
    ),
    r"2D attn_mask is torch\.Size\(\[<got>\]\), .* \(<want>\)": (OTHER, MASK),
    r"3D attn_mask is torch\.Size\(\[<got>\]\), .* \(<want>\)": (
        OTHER,
        MASK_PER_HEAD,
    ),
    "expected `attn_mask` to be .* but found <got>-D": (OTHER, MASK_FORM),
    r"Expected key_padded_mask\.shape\[<dim>\] to be <want>, but got <got>": (
        OTHER,
        PADDING,
    ),
    "expected `key_padding_mask` to be .* but found <got>-D": (OTHER, PADDING_FORM),
    "parameter numbers = <want> and channel size = <got>": (WIDTH, PER_CHANNEL),
    r"input.size\(-3\)=<got> is not divisible by <want>": (OTHER, INTO_PIXELS),
    r"input.size\(-\d\)=<got> is not divisible by <want>": (OTHER, INTO_BLOCKS),
    "divisible by groups. Got <got> channels and <want>": (OTHER, GROUPS),
    "^unfold .*Unfold:.*range": (OTHER, PICTURES),
    "^unfold .*Expected 3D": (OTHER, PICTURES),
    "expects input (to have at least 3|with > 2) dim": (OTHER, PICTURES),
    r"product of kernel_size, .*=<got> and kernel_size=\(<want>\)": (OTHER, FOLD_ROWS),
    r"sliding blocks [\d* ]+ = <want>, .*=<got>$": (OTHER, FOLD_PLACES),
    "must be even, but dimension <dim> is size <got>": (OTHER, HALVES),
    "input<which> size does not match .* got <got> but expected <want>": (
        WIDTH,
        TWO_WIDTHS,
    ),
    r"exactly to <want> .* dimension <dim>\), .*split_sizes=\[<got>\]": (OTHER, PARTS),
    r"sizes \[<wanted>\] don't multiply .* dim <dim> \(<got>\)": (OTHER, UNFLATTENED),
    r"input\.dim\(\) = <got> is not equal to len\(dims\) = <want>": (
        OTHER,
        ALL_DIMENSIONS,
    ),
    r"^setitem .*Target sizes: \[<want>\]\.\s+Tensor sizes: \[<got>\]": (
        OTHER,
        NOT_A_PLACE,
    ),
    r"^expand.*\(<want>\) must match the existing size \(<got>\)": (
        OTHER,
        ONLY_ONES_GROW,
    ),
    "^[gs]etitem .*index <got> is out of bounds for dimension <dim> with size <want>": (
        OTHER,
        POSITIONS,
    ),
    "too many indices for tensor of dimension <got>": (OTHER, TOO_MANY),
    r"shape of the mask \[<got>\] .* indexed tensor \[<want>\]": (OTHER, CHOICE),
    r"value tensor of shape \[<got>\] .* result of shape \[<want>\]": (
        OTHER,
        NOT_A_PLACE,
    ),
    "batch[12] must be a 3D tensor": (OTHER, STACKS_OF),
    "inconsistent <what>: got <got>,? expected <want>": (WIDTH, IN_STEPS),
    r"equal to <what>\. Expected <want>, got <got>": (WIDTH, IN_STEPS),
    "embedding dimension of <want>, but got <got>": (WIDTH, FEATURES),
    "running_mean should contain <got> elements not <want>": (WIDTH, FEATURES),
    r"normalized_shape=\[<want>\].*size\s?\[(?:\d+, )*<got>\]": (WIDTH, FEATURES),
    r"dimension <dim>\. Expected size <want> but got size <got>": (OTHER, CAT),
    r"stack expects .* got \[<want>\] at .* and \[<got>\]": (OTHER, STACK),
    "subscript <letter> has size <got> .* seen size <want>": (OTHER, EINSUM),
    "more than 1 value per channel": (OTHER, FEW_VALUES),
    "(Kernel size can't be greater|Output size is too small|sliding blocks as)": (
        OTHER,
        TOO_SMALL,
    ),
    r"(targets of dimension: 1|Expected target size .* got \[\w+\]$)": (
        OTHER,
        ONE_EACH,
    ),
    r"number of input samples .* size \[<want>\], but got \[<got>\]": (
        OTHER,
        ONE_LABEL_EACH,
    ),
    "Expected target size": (OTHER, CLASSES_SECOND),
    "with class probabilities": (OTHER, ONE_OUTPUT),
    "feature number of src and tgt": (WIDTH, MODEL_WIDTH),
    "batch number of src and tgt": (OTHER, AS_MANY),
    r"match num_features \(<want>\), but got: <got>": (WIDTH, FEATURES),
    "defined either for all <want> classes": (OTHER, CLASS_WEIGHTS),
    "same number of dimensions: got <want> and <got>": (OTHER, CAT_DIMENSIONS),
    "Dimension out of range .* but got <got>": (OTHER, NO_DIMENSION),
    r"batch_size \(<got>\) to match target .* \(<want>\)": (OTHER, LABEL_COUNT),
    "multi-target not supported": (OTHER, LABEL_SHAPE),
    r"(Using a t|T)arget size \(": (OTHER, SAME_SHAPE),
}
# The same, where the shapes are not the cause.
TYPES = {
    "same (dtype|datatype)|should be the same|match weight dtype": (None, TWO_TYPES),
    "'indices' to have|as indices must be|index tensor of type": (None, POSITIONS_TYPE),
    "expected target dtype to be Long": (None, LABELS_TYPE),
    "not implemented for '(Long|Int|Byte)|infer output dtype|output type (Long|Int)": (
        None,
        FLOATS,
    ),
}
PART = re.compile(r"<(\w+)>")
# A sentence -> when a repair follows it, and that repair.
REPAIRS = {
    LABEL_COUNT: (lambda f: f.a.shape[1:] == f.b.shape, SCORES_TRANSPOSED),
    LABEL_SHAPE: (lambda f: f.b.shape == (*f.a.shape[:1], 1), FLATTEN_IT),
    CLASSES_SECOND: (lambda f: f.a.shape[:2] == f.b.shape, MAKE_SECOND),
    FEATURES: (
        lambda f: len(f.a.shape) > 2 and f.want == str(f.a.shape[1]),
        FEATURES_LAST,
    ),
    PADDING: (lambda f: int(f.got) in f.a.shape[:2], SWAP_PADDING),
    CHANNELS: (
        lambda f: len(f.a.shape) == 4 and f.want == str(f.a.shape[3]),
        CHANNELS_LAST,
    ),
    CAT: (lambda f: "1" in (f.want, f.got), ONE_TOKEN),
    SAME_SHAPE: (lambda f: sorted(f.a.sizes) == sorted(f.b.sizes), RESHAPE_TARGETS),
}

Explained = tuple[str | None, str]  # the cause, and a sentence


def read(facts: Facts, known: Mapping = KNOWN) -> Explained | None:
    """The cause and a sentence, if PyTorch's message is known.

    facts: operation, layer, shapes (a text), message; and a and b, its first two
    operands, if they exist.
    """
    if "a" in facts and (count := len(facts["a"].shape)):
        facts = facts | {"last": count - 1, "count": count}
    for pattern, (cause, sentence) in known.items():
        pattern = PART.sub(r"(?P<\1>-?\\w+(?:, \\d+)*)", pattern)
        text = "{operation} in {layer}: {message}".format(**facts)
        if found := re.search(pattern, text):
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
