"""What PyTorch's own messages say about a shape error, put as a cause and a repair."""

import re
from collections.abc import Mapping
from contextlib import suppress
from types import SimpleNamespace

from torch import nn

from helpers.instruments.trace_shapes.steps import Facts
from helpers.language import SPACE, tr

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
CLASSES_SECOND = tr(
    "{operation} takes scores of shape (examples, classes, ...), with the classes "
    "second, but gets {a} {a.shape} and {b} {b.shape}."
)
MAKE_SECOND = tr("Use {a:.transpose(1, 2)}.")
FEATURES_LAST = tr("Its features must be last: use {a:.movedim(1, -1)}.")
ENDS_OTHERWISE = tr(
    "The {layer} was made for ({want}), but {a} {a.shape} ends with other sizes: make "
    "it for those."
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
STATE_WIDTH = tr(
    "The state that {layer} gets has {got} numbers for each example, but the layer has "
    "{want} units: make the state with shape (examples, {want})."
)
PADDING = tr(
    "key_padding_mask has the shape (examples, steps), and True where a step is only "
    "padding. Its size in dimension {dim} must be {want}, but it is {got}."
)
SWAP_PADDING = tr("It looks transposed: use .T on it.")
PER_CHANNEL = tr(
    "{layer} has {want} slopes, one for each channel, but {a} {a.shape} has {got} "
    "channels: make it with {got}, or with 1 for all."
)
TWO_WIDTHS = tr(
    "{layer} was made for {want} numbers in input {which}, but gets {got}: make it for "
    "{got}, or let what comes before it output {want}."
)
NOT_A_PLACE = tr(
    "What is assigned has the shape ({got}), and its place has ({want}); the two must "
    "be equal, or the first one must expand to the second."
)
MODEL_WIDTH = tr(
    "{layer} takes src and tgt whose last size is its d_model, but gets {given}."
)
PICTURES = tr(
    "{operation} takes (examples, channels, height, width), or one example without the "
    "first of these, but gets {a} {a.shape}."
)
TWO_TYPES = tr(
    "{operation} gets numbers of two types, but needs one: use .float() on what is not "
    "float32. PyTorch says: {message}."
)
POSITIONS_TYPE = tr(
    "{operation} needs whole numbers as positions: use .long() on them."
)
SCORES_FIRST = tr(
    "{operation} takes the scores first, which are floats, and then the labels, but "
    "{a} {a.shape} holds whole numbers."
)
LABEL_RANGE = tr(
    "{operation} gets the label {got}. The number of classes that {a} {a.shape} has "
    "scores for is {a.shape[1]}, and their labels begin at 0."
)
ROW_RANGE = tr(
    "{operation} has {b.shape[0]} rows, counted from 0, and {a} asks for another one."
)
LABELS_TYPE = tr("{operation} needs whole numbers as class numbers: use {b:.long()}.")
FLOATS = tr("{operation} needs floats, but gets whole numbers: use .float() on them.")
AT_MOST_TWO = tr("{operation} takes at most two dimensions, but gets {shapes}.")
USE_AT = tr("For stacks of matrices, use @.")
INDEX_FORM = tr(
    "{operation} needs an index with as many dimensions as the tensor has, but gets "
    "{shapes}."
)
INDEX_PER_ROW = tr("With one index for each row, use {b:.unsqueeze(1)}.")
BIAS_CHANNELS = tr(
    "{operation} needs a bias with {want} numbers, one for each channel that comes "
    "out, but its shape is ({got})."
)
FEATURE_EACH = tr(
    "{operation}: the {what} needs {want} numbers, one for each feature, but has {got}."
)
ONE_EXAMPLE = tr(
    "The scores {a.shape} are those of one example, but there are {got} labels. Give "
    "scores of shape (examples, classes)."
)
PIXEL_LABELS = tr(
    "{operation} takes a class number for each pixel, of shape (examples, height, "
    "width), but the shape of {b} is {b.shape}."
)
SQUEEZE_IT = tr("Use {b:.squeeze(1)}.")
PROBABILITIES = tr(
    "{operation} takes probabilities, which are between 0 and 1. For scores, use "
    "F.binary_cross_entropy_with_logits."
)
LENGTHS = tr(
    "{operation} needs a length for each example: {want} in all, but it gets {got}."
)
LENGTHS_FIRST = tr(
    "If the first size of {a} {a.shape} is the examples, use batch_first=True."
)
CHECKED = tr("A check in the code of {layer} failed: {message}.")

# What PyTorch says -> the sentence that its parts fill in. <got> and the like stand for
# a word, a number, or several numbers.
KNOWN = {
    r"hidden\d? has inconsistent hidden_size: got <got>,? expected <want>": STATE_WIDTH,
    r"batch size <got> doesn't match hidden\d? batch size <want>": tr(
        "{layer} gets {got} examples, but a state for {want}: make the state with a "
        "row for each example."
    ),
    r"Expected input to be 1D or 2D": tr(
        "{layer} takes a single step, of shape (examples, features), but gets {a} "
        "{a.shape}. Call it once for each step, as in: for step in X.unbind(1)."
    ),
    r"Expected h\S+ to be 1D or 2D, got <got>D": tr(
        "The state that {layer} gets has {got} dimensions; it takes one of shape "
        "(examples, units)."
    ),
    r"groups, but .* and num_groups\s?=\s?<want>": GROUPS,
    r"equal to the number of channels in input, but .* shape \[<want>\] and": CHANNELS,
    r"2D attn_mask is torch\.Size\(\[<got>\]\), .* \(<want>\)": tr(
        "The attention mask has the shape ({got}), but must have ({want}): a row for "
        "each step that asks, and a column for each step that is looked at."
    ),
    r"3D attn_mask is torch\.Size\(\[<got>\]\), .* \(<want>\)": tr(
        "The attention mask has the shape ({got}), but must have ({want}), which is "
        "(examples * heads, steps that ask, steps that are looked at)."
    ),
    "expected `attn_mask` to be .* but found <got>-D": tr(
        "An attention mask has 2 dimensions, (steps that ask, steps that are looked "
        "at), or 3 with one for each example and head, but this one has {got}."
    ),
    r"Expected key_padded_mask\.shape\[<dim>\] to be <want>, but got <got>": PADDING,
    "expected `key_padding_mask` to be .* but found <got>-D": tr(
        "key_padding_mask has 2 dimensions, (examples, steps), but this one has {got}."
    ),
    "parameter numbers = <want> and channel size = <got>": PER_CHANNEL,
    r"input.size\(-3\)=<got> is not divisible by <want>": tr(
        "{layer} makes one channel of {want}, so {want} must divide the number of "
        "channels, but {a} {a.shape} has {got}."
    ),
    r"input.size\(-\d\)=<got> is not divisible by <want>": tr(
        "{operation} cuts pictures into squares of {want} by {want}, so {want} must "
        "divide their height and width, but {a} {a.shape} has {got}."
    ),
    "divisible by groups. Got <got> channels and <want>": GROUPS,
    "^unfold .*Unfold:.*range": PICTURES,
    "^unfold .*Expected 3D": PICTURES,
    "expects input (to have at least 3|with > 2) dim": PICTURES,
    r"product of kernel_size, .*=<got> and kernel_size=\(<want>\)": tr(
        "{operation} takes (examples, channels * kernel, places), so the {got} rows of "
        "{a} {a.shape} must be a multiple of the numbers in a kernel of ({want})."
    ),
    r"sliding blocks [\d* ]+ = <want>, .*=<got>$": tr(
        "{operation} finds {want} places for the kernel in its output, so {a} "
        "{a.shape} needs as many columns, but has {got}."
    ),
    "must be even, but dimension <dim> is size <got>": tr(
        "{operation} cuts dimension {dim} into halves, but the size of {a} {a.shape} "
        "is odd there, {got}."
    ),
    "input<which> size does not match .* got <got> but expected <want>": TWO_WIDTHS,
    r"exactly to <want> .* dimension <dim>\), .*split_sizes=\[<got>\]": tr(
        "{operation} cuts dimension {dim} of {a} {a.shape} into parts, so their sizes "
        "must add up to {want}, but they are {got}."
    ),
    r"sizes \[<wanted>\] don't multiply .* dim <dim> \(<got>\)": tr(
        "{operation} to ({wanted}) needs sizes that multiply to {got}, the size of "
        "dimension {dim} of {a} {a.shape}."
    ),
    r"input\.dim\(\) = <got> is not equal to len\(dims\) = <want>": tr(
        "{operation} needs the place of each dimension: {a} {a.shape} has {got}, but "
        "{want} are given."
    ),
    r"^setitem .*Target sizes: \[<want>\]\.\s+Tensor sizes: \[<got>\]": NOT_A_PLACE,
    r"^(?:expand|broadcast).*\(<want>\) must match the existing size \(<got>\)": tr(
        "{operation}: only a size of 1 can be expanded, but {a} {a.shape} has {got} "
        "where {want} is asked for."
    ),
    "index <got> is out of bounds for dimension <dim> with size <want>": tr(
        "{a} {a.shape} has only {want} positions in dimension {dim}, counted from 0, "
        "so there is no position {got}."
    ),
    "too many indices for tensor of dimension <got>": tr(
        "Too many indices: {a} {a.shape} has {got} dimensions, and each index takes "
        "one."
    ),
    r"shape of the mask \[<got>\] .* indexed tensor \[<want>\]": tr(
        "The mask in the brackets has the shape ({got}), but what it chooses from has "
        "({want}); each size of the mask must be equal to the one it meets."
    ),
    r"value tensor of shape \[<got>\] .* result of shape \[<want>\]": NOT_A_PLACE,
    "batch[12] must be a 3D tensor": tr(
        "{operation} multiplies two stacks of matrices, each of shape (examples, rows, "
        "columns), but gets {shapes}. For other shapes, use @."
    ),
    "inconsistent <what>: got <got>,? expected <want>": IN_STEPS,
    r"equal to <what>\. Expected <want>, got <got>": IN_STEPS,
    "embedding dimension of <want>, but got <got>": FEATURES,
    "running_mean should contain <got> elements not <want>": FEATURES,
    r"normalized_shape=\[(?=\d+, )<want>\]": ENDS_OTHERWISE,
    "to match the convolution dimensions": tr(
        "{operation} takes a weight of shape (channels out, channels in), and then the "
        "sizes of the kernel, but the shape of {b} is {b.shape}."
    ),
    r"view size is not compatible": tr(
        "{operation} needs numbers that lie in order in memory, and what swapped the "
        "dimensions of {a} {a.shape} has left them where they were: use .reshape "
        "instead."
    ),
    r"normalized_shape=\[<want>\].*size\s?\[(?:\d+, )*<got>\]": FEATURES,
    r"dimension <dim>\. Expected size <want> but got size <got>": CAT,
    r"stack expects .* got \[<want>\] at .* and \[<got>\]": tr(
        "stack needs tensors of one shape but got ({want}) and ({got}). To join "
        "tensors of different lengths, use cat."
    ),
    "subscript <letter> has size <got> .* seen size <want>": tr(
        "einsum: the letter {letter} stands for the sizes {want} and {got}, which must "
        "be equal. Check the order of the letters against the shapes {shapes}."
    ),
    "more than 1 value per channel": tr(
        "In training mode, {layer} subtracts the mean of the batch, so it needs more "
        "than one example. Give it several, or call net.eval() first."
    ),
    "(Kernel size can't be greater|Output size is too small|sliding blocks as)": tr(
        "{operation}: {a} {a.shape} is too small for its kernel, so nothing would be "
        "left. Use a smaller kernel, padding, or fewer layers that shrink the pictures."
    ),
    r"(targets of dimension: 1|Expected target size .* got \[\w+\]$)": tr(
        "{operation} takes scores of shape (examples, classes) with one label for each "
        "example, but gets {a} {a.shape} and {b} {b.shape}. Check for a missing "
        "flatten before the last layer, or for steps in time of which only one is "
        "needed."
    ),
    r"number of input samples .* size \[<got>\], but got \[<want>\]": LABEL_COUNT,
    # 2.6 and 2.11:
    r"inconsistent target size, expected <got> but got \[<want>\]": LABEL_COUNT,
    "Expected target size": CLASSES_SECOND,
    "with class probabilities": tr(
        "{operation} takes scores of shape (examples, classes) and class numbers, but "
        "{a} and {b} have the same shape, {a.shape}. For one output for each example, "
        "use F.binary_cross_entropy_with_logits and targets of type float."
    ),
    "feature number of src and tgt": MODEL_WIDTH,
    "batch number of src and tgt": tr(
        "{layer} takes as many examples in src as in tgt, but gets {given}. They come "
        "second, unless it has batch_first=True."
    ),
    r"match num_features \(<want>\), but got: <got>": FEATURES,
    "defined either for all <want> classes": tr(
        "{operation}: weight needs one number for each of the {want} classes."
    ),
    "same number of dimensions: got <want> and <got>": tr(
        "{operation} joins tensors with the same number of dimensions, but gets "
        "{shapes}. unsqueeze adds one."
    ),
    "Dimension out of range .* but got <got>": tr(
        "{operation}: {a} {a.shape} has no dimension {got}. Its dimensions are "
        "numbered 0 to {last}, or -1 to -{count} from the right."
    ),
    r"batch_size \(<got>\) to match target .* \(<want>\)": LABEL_COUNT,
    "multi-target not supported": LABEL_SHAPE,
    r"(Using a t|T)arget size \(": SAME_SHAPE,
    "^tensor .*only one element": tr(
        "{operation} makes a tensor from numbers, not from other tensors: use "
        "torch.stack for those."
    ),
    "only one element|cannot be converted to Scalar": tr(
        "{operation} needs a single number, but {a} has {a.count}: take their mean or "
        "sum first, or pick one."
    ),
    "more than one value is ambiguous": tr(
        "Python needs one True or False here, but {a} has {a.count}: use .all() or "
        ".any()."
    ),
    "created only for scalar outputs": tr(
        "{operation} starts from one number, but {a} has {a.count}: call it on their "
        "mean or sum."
    ),
    r"output with shape .* broadcast shape \[<got>\]": tr(
        "{operation} writes its result into {a} {a.shape}, but the result has the "
        "shape ({got}). Use an operation that makes a new tensor, such as + instead of "
        "+=."
    ),
    "expects a tensor with <= 2 dim": tr(
        "{operation} swaps the two dimensions of a matrix, but {a} {a.shape} has "
        "{count}: to swap the last two, use {a:.mT}."
    ),
    "batches of square matrices": tr(
        "{operation} needs square matrices, but the last two sizes of {a} {a.shape} "
        "differ."
    ),
    "Expected 1-D argument|only supports 1-d|0D or 1D tensor|Expect a 1D": tr(
        "{operation} takes tensors of one dimension, but gets {shapes}. With "
        ".flatten() a tensor has one."
    ),
    "be a matrix|expected a matrix|1D or 2D tensors|1 or 2 dim|"
    "two or fewer dim": AT_MOST_TWO,
    r"(at least|dims >=|Expected|be) (?=\d)<want>D? ?(dim|tensors|, but|or (4D|h))": tr(
        "{operation} needs at least {want} dimensions, but {a} {a.shape} has {count}."
    ),
    "Index is supposed to be a vector": tr(
        "{operation} takes an index of one dimension, but the shape of {b} is "
        "{b.shape}: use {b:.flatten()}."
    ),
    r"ndex tensor .* same number of dim|input and indices should": INDEX_FORM,
    "ndex .* to be no larger than self": tr(
        "{operation}: the index {b.shape} is too large. Only in the dimension that is "
        "indexed may it be larger than {a} {a.shape}, and nowhere larger than the "
        "values."
    ),
    r"tensor a \(<got>\) must match the size of tensor b \(<want>\)": tr(
        "{operation} combines {shapes}: counted from the right, the sizes {got} and "
        "{want} meet; they must be equal, or one of them must be 1."
    ),
    r"should be broadcastable to \[<want>\]": tr(
        "{operation} gets {shapes}, but one of them can't be expanded to ({want})."
    ),
    "(index|number) k out of range|n_sample > prob": tr(
        "{operation} is asked for more values than {a} {a.shape} has in that dimension."
    ),
    "Number of dimensions of repeat": tr(
        "{operation} needs a number for each dimension, and {a} {a.shape} has {count}. "
        "A 1 leaves a dimension as it is."
    ),
    r"shape '\[<wanted>\]' is invalid": tr(
        "{operation} keeps every number, so the shape ({wanted}) must hold as many as "
        "{a} {a.shape}, which are {a.count}."
    ),
    r"inner\(\) the last|the same number of columns": tr(
        "{operation}: the last sizes of {a} {a.shape} and {b} {b.shape} must be equal."
    ),
    "for the equation AX = B": tr(
        "{operation} needs as many rows in {b} {b.shape} as in {a} {a.shape}."
    ),
    r"equation \(<got>\) .* dimensions \(<want>\) for operand <which>": tr(
        "einsum has {got} letters for the tensor at position {which}, which has {want} "
        "dimensions. The shapes are {shapes}."
    ),
    "Padding length must be divisible": tr(
        "{operation} takes two numbers for each dimension, from the last one on: "
        "(left, right, top, bottom)."
    ),
    "Padding length should be less": tr(
        "{operation} takes two numbers for each dimension, from the last one on, and "
        "{a} {a.shape} has only {count}."
    ),
    "Padding size should be less": tr(
        "{operation} repeats what is inside, so the padding must be smaller than that, "
        "but the shape of {a} is {a.shape}."
    ),
    "Padding size 4 is not supported|2d: Only 2D, 3D": PICTURES,  # 2.6
    r"grid_sampler\(\)": tr(
        "{operation} takes a grid of shape (examples, height, width, 2), with two "
        "coordinates for each pixel, but gets {shapes}."
    ),
    r"1-dimensional with <want> elements, "
    r"but got bias of size \[<got>\]": BIAS_CHANNELS,
    "<what> should contain <want> elements not <got>": FEATURE_EACH,
    r"<what> of shape \[<got>\] and normalized_shape = \[<want>\]": FEATURE_EACH,
    "1D target must have size 1, but got target size: <got>": ONE_EXAMPLE,
    r"got input: \[\d+\], target: \[<got>\]": ONE_EXAMPLE,  # 2.6
    "targets of dimension: 4": PIXEL_LABELS,
    "elements of input should be between 0 and 1": PROBABILITIES,
    "should have same dim|to have the same number of|inconsistent target size": tr(
        "{operation} takes tensors of the same shape, but gets {shapes}."
    ),
    "^ctc_loss": tr(
        "{operation} takes scores of shape (steps, examples, classes), labels of shape "
        "(examples, most labels), and two lengths for each example, but gets {shapes}."
    ),
    "hx should also be .* got <got>-D": tr(
        "{layer} takes a hidden state of shape (layers, examples, units), but this one "
        "has {got} dimensions."
    ),
    r"equal to batch_size, but got <got> \(batch_size=<want>\)": LENGTHS,
    r"indexing tensors .* with shapes \[<got>\], \[<want>\]": tr(
        "The positions in the brackets are paired one by one, so there must be as many "
        "of each, but their shapes are ({got}) and ({want})."
    ),
}
# The same, where the shapes are not the cause.
TYPES = {
    "same (dtype|datatype)|should be the same|match weight dtype": TWO_TYPES,
    "'indices' to have|as indices must be|index tensor of type": POSITIONS_TYPE,
    "expected target dtype to be Long": LABELS_TYPE,
    "^(cross_entropy|nll_loss|multi_margin_loss) "
    ".*expected scalar type Long": LABELS_TYPE,
    "(fewer|more) operands were provided": tr(
        "einsum needs a tensor for each group of letters before the arrow, but gets "
        "{shapes}."
    ),
    "output subscript <letter> does not appear": tr(
        "einsum: the letter {letter} must be before the arrow, too."
    ),
    "^(cross_entropy|nll_loss) .*not implemented for '(Long|Int)": SCORES_FIRST,
    "not implemented for '(Long|Int|Byte)|infer output dtype|"
    "output type (Long|Int)": FLOATS,
}
RANGES = {
    "Target <got> is out of bounds": LABEL_RANGE,
    "^embedding .*index out of range": ROW_RANGE,
}
PART = re.compile(r"<(\w+)>")
CAUSES = {  # of a sentence, where it is not OTHER
    BIAS_CHANNELS: BIAS,
    **dict.fromkeys((CHANNELS, ENDS_OTHERWISE, FEATURES, FEATURE_EACH), WIDTH),
    **dict.fromkeys((IN_STEPS, MODEL_WIDTH, PER_CHANNEL), WIDTH),
    **dict.fromkeys((STATE_WIDTH, TWO_WIDTHS), WIDTH),
    **dict.fromkeys((FLOATS, LABELS_TYPE, POSITIONS_TYPE, TWO_TYPES), None),
    **dict.fromkeys((LABEL_RANGE, PROBABILITIES, ROW_RANGE, SCORES_FIRST), None),
}
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
    AT_MOST_TWO: (lambda f: f.operation == "mm", USE_AT),
    INDEX_FORM: (lambda f: f.b.shape == f.a.shape[:1], INDEX_PER_ROW),
    PIXEL_LABELS: (lambda f: f.b.shape[1] == 1, SQUEEZE_IT),
    LENGTHS: (lambda f: f.got == str(f.a.shape[0]), LENGTHS_FIRST),
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
    # Else it is a function, or a module of the learner's.
    layer = facts["layer"] if hasattr(nn, facts["layer"]) else facts["operation"]
    for pattern, sentence in known.items():
        pattern = PART.sub(r"(?P<\1>-?(?:\\d+|\\w+)(?:, \\d+)*)", pattern)
        text = "{operation} in {layer}: {message}".format(**facts)
        if found := re.search(pattern, text):
            # Of a tensor, or a size of it, that isn't there.
            with suppress(KeyError, AttributeError, IndexError):
                said = say(sentence, facts | {"layer": layer} | found.groupdict())
                return CAUSES.get(sentence, OTHER), said
    return None if "a" in facts else (OTHER, CHECKED.format(**facts))


def say(sentence: str, facts: Facts) -> str:
    """The sentence about these facts, and the repair if one applies."""
    said = sentence.format(**facts)
    applies, repair = REPAIRS.get(sentence, (None, ""))
    if applies and applies(SimpleNamespace(**facts)):
        said = SPACE.join([said, repair.format(**facts)])
    return said
