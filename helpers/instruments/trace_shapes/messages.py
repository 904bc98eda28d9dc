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
ENDS_OTHERWISE = tr(
    "The {layer} was made for ({want}), but {a} {a.shape} ends with other sizes: make "
    "it for those."
)
WEIGHT_FORM = tr(
    "{operation} takes a weight of shape (channels out, channels in), and then the "
    "sizes of the kernel, but the shape of {b} is {b.shape}."
)
NOT_IN_ORDER = tr(
    "{operation} needs numbers that lie in order in memory, and what swapped the "
    "dimensions of {a} {a.shape} has left them where they were: use .reshape instead."
)
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
ONE_NUMBER = tr(
    "{operation} needs a single number, but {a} has {a.count}: take their mean or sum "
    "first, or pick one."
)
JOINED = tr(
    "{operation} makes a tensor from numbers, not from other tensors: use torch.stack "
    "for those."
)
ONE_TRUTH = tr(
    "Python needs one True or False here, but {a} has {a.count}: use .all() or .any()."
)
ONE_LOSS = tr(
    "{operation} starts from one number, but {a} has {a.count}: call it on their mean "
    "or sum."
)
IN_PLACE = tr(
    "{operation} writes its result into {a} {a.shape}, but the result has the shape "
    "({got}). Use an operation that makes a new tensor, such as + instead of +=."
)
SWAPS_TWO = tr(
    "{operation} swaps the two dimensions of a matrix, but {a} {a.shape} has {count}: "
    "to swap the last two, use {a:.mT}."
)
SQUARE = tr(
    "{operation} needs square matrices, but the last two sizes of {a} {a.shape} differ."
)
AT_MOST_TWO = tr("{operation} takes at most two dimensions, but gets {shapes}.")
USE_AT = tr("For stacks of matrices, use @.")
AT_LEAST = tr(
    "{operation} needs at least {want} dimensions, but {a} {a.shape} has {count}."
)
VECTORS = tr(
    "{operation} takes tensors of one dimension, but gets {shapes}. With .flatten() a "
    "tensor has one."
)
INDEX_VECTOR = tr(
    "{operation} takes an index of one dimension, but the shape of {b} is {b.shape}: "
    "use {b:.flatten()}."
)
INDEX_FORM = tr(
    "{operation} needs an index with as many dimensions as the tensor has, but gets "
    "{shapes}."
)
INDEX_PER_ROW = tr("With one index for each row, use {b:.unsqueeze(1)}.")
INDEX_SIZE = tr(
    "{operation}: the index {b.shape} is too large. Only in the dimension that is "
    "indexed may it be larger than {a} {a.shape}, and nowhere larger than the values."
)
MEET = tr(
    "{operation} combines {shapes}: counted from the right, the sizes {got} and {want} "
    "meet; they must be equal, or one of them must be 1."
)
NOT_EXPANDED = tr(
    "{operation} gets {shapes}, but one of them can't be expanded to ({want})."
)
TOO_FEW = tr(
    "{operation} is asked for more values than {a} {a.shape} has in that dimension."
)
EACH_DIMENSION = tr(
    "{operation} needs a number for each dimension, and {a} {a.shape} has {count}. A 1 "
    "leaves a dimension as it is."
)
AS_MANY_NUMBERS = tr(
    "{operation} keeps every number, so the shape ({wanted}) must hold as many as {a} "
    "{a.shape}, which are {a.count}."
)
LAST_SIZES = tr(
    "{operation}: the last sizes of {a} {a.shape} and {b} {b.shape} must be equal."
)
ROWS = tr("{operation} needs as many rows in {b} {b.shape} as in {a} {a.shape}.")
EINSUM_LETTERS = tr(
    "einsum has {got} letters for the tensor at position {which}, which has {want} "
    "dimensions. The shapes are {shapes}."
)
EINSUM_TENSORS = tr(
    "einsum needs a tensor for each group of letters before the arrow, but gets "
    "{shapes}."
)
EINSUM_RESULT = tr("einsum: the letter {letter} must be before the arrow, too.")
PAD_PAIRS = tr(
    "{operation} takes two numbers for each dimension, from the last one on: (left, "
    "right, top, bottom)."
)
PAD_DIMENSIONS = tr(
    "{operation} takes two numbers for each dimension, from the last one on, and {a} "
    "{a.shape} has only {count}."
)
PAD_SIZE = tr(
    "{operation} repeats what is inside, so the padding must be smaller than that, but "
    "the shape of {a} is {a.shape}."
)
GRID = tr(
    "{operation} takes a grid of shape (examples, height, width, 2), with two "
    "coordinates for each pixel, but gets {shapes}."
)
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
ONE_SHAPE = tr("{operation} takes tensors of the same shape, but gets {shapes}.")
CTC = tr(
    "{operation} takes scores of shape (steps, examples, classes), labels of shape "
    "(examples, most labels), and two lengths for each example, but gets {shapes}."
)
HIDDEN_FORM = tr(
    "{layer} takes a hidden state of shape (layers, examples, units), but this one has "
    "{got} dimensions."
)
LENGTHS = tr(
    "{operation} needs a length for each example: {want} in all, but it gets {got}."
)
LENGTHS_FIRST = tr(
    "If the first size of {a} {a.shape} is the examples, use batch_first=True."
)
POSITION_LISTS = tr(
    "The positions in the brackets are paired one by one, so there must be as many of "
    "each, but their shapes are ({got}) and ({want})."
)
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
    r"^(?:expand|broadcast).*\(<want>\) must match the existing size \(<got>\)": (
        OTHER,
        ONLY_ONES_GROW,
    ),
    "index <got> is out of bounds for dimension <dim> with size <want>": (
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
    r"normalized_shape=\[(?=\d+, )<want>\]": (WIDTH, ENDS_OTHERWISE),
    "to match the convolution dimensions": (OTHER, WEIGHT_FORM),
    r"view size is not compatible": (OTHER, NOT_IN_ORDER),
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
    r"inconsistent target size, expected <want> but got \[<got>\]": (  # 2.6, 2.11
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
    "^tensor .*only one element": (OTHER, JOINED),
    "only one element|cannot be converted to Scalar": (OTHER, ONE_NUMBER),
    "more than one value is ambiguous": (OTHER, ONE_TRUTH),
    "created only for scalar outputs": (OTHER, ONE_LOSS),
    r"output with shape .* broadcast shape \[<got>\]": (OTHER, IN_PLACE),
    "expects a tensor with <= 2 dim": (OTHER, SWAPS_TWO),
    "batches of square matrices": (OTHER, SQUARE),
    "Expected 1-D argument|only supports 1-d|0D or 1D tensor|Expect a 1D": (
        OTHER,
        VECTORS,
    ),
    "be a matrix|expected a matrix|1D or 2D tensors|1 or 2 dim|two or fewer dim": (
        OTHER,
        AT_MOST_TWO,
    ),
    r"(at least|dims >=|Expected|be) (?=\d)<want>D? ?(dim|tensors|, but|or (4D|h))": (
        OTHER,
        AT_LEAST,
    ),
    "Index is supposed to be a vector": (OTHER, INDEX_VECTOR),
    r"ndex tensor .* same number of dim|input and indices should": (OTHER, INDEX_FORM),
    "ndex .* to be no larger than self": (OTHER, INDEX_SIZE),
    r"tensor a \(<got>\) must match the size of tensor b \(<want>\)": (OTHER, MEET),
    r"should be broadcastable to \[<want>\]": (OTHER, NOT_EXPANDED),
    "(index|number) k out of range|n_sample > prob": (OTHER, TOO_FEW),
    "Number of dimensions of repeat": (OTHER, EACH_DIMENSION),
    r"shape '\[<wanted>\]' is invalid": (OTHER, AS_MANY_NUMBERS),
    r"inner\(\) the last|the same number of columns": (OTHER, LAST_SIZES),
    "for the equation AX = B": (OTHER, ROWS),
    r"equation \(<got>\) .* dimensions \(<want>\) for operand <which>": (
        OTHER,
        EINSUM_LETTERS,
    ),
    "Padding length must be divisible": (OTHER, PAD_PAIRS),
    "Padding length should be less": (OTHER, PAD_DIMENSIONS),
    "Padding size should be less": (OTHER, PAD_SIZE),
    "Padding size 4 is not supported|2d: Only 2D, 3D": (OTHER, PICTURES),  # 2.6
    r"grid_sampler\(\)": (OTHER, GRID),
    r"1-dimensional with <want> elements, but got bias of size \[<got>\]": (
        BIAS,
        BIAS_CHANNELS,
    ),
    "<what> should contain <want> elements not <got>": (WIDTH, FEATURE_EACH),
    r"<what> of shape \[<got>\] and normalized_shape = \[<want>\]": (
        WIDTH,
        FEATURE_EACH,
    ),
    "1D target must have size 1, but got target size: <got>": (OTHER, ONE_EXAMPLE),
    r"got input: \[\d+\], target: \[<got>\]": (OTHER, ONE_EXAMPLE),  # in 2.6
    "targets of dimension: 4": (OTHER, PIXEL_LABELS),
    "elements of input should be between 0 and 1": (None, PROBABILITIES),
    "should have same dim|to have the same number of|inconsistent target size": (
        OTHER,
        ONE_SHAPE,
    ),
    "^ctc_loss": (OTHER, CTC),
    "hx should also be .* got <got>-D": (OTHER, HIDDEN_FORM),
    r"equal to batch_size, but got <got> \(batch_size=<want>\)": (OTHER, LENGTHS),
    r"indexing tensors .* with shapes \[<got>\], \[<want>\]": (OTHER, POSITION_LISTS),
}
# The same, where the shapes are not the cause.
TYPES = {
    "same (dtype|datatype)|should be the same|match weight dtype": (None, TWO_TYPES),
    "'indices' to have|as indices must be|index tensor of type": (None, POSITIONS_TYPE),
    "expected target dtype to be Long": (None, LABELS_TYPE),
    "^(cross_entropy|nll_loss|multi_margin_loss) .*expected scalar type Long": (
        None,
        LABELS_TYPE,
    ),
    "(fewer|more) operands were provided": (OTHER, EINSUM_TENSORS),
    "output subscript <letter> does not appear": (OTHER, EINSUM_RESULT),
    "^(cross_entropy|nll_loss) .*not implemented for '(Long|Int)": (None, SCORES_FIRST),
    "not implemented for '(Long|Int|Byte)|infer output dtype|output type (Long|Int)": (
        None,
        FLOATS,
    ),
}
RANGES = {
    "Target <got> is out of bounds": (None, LABEL_RANGE),
    "^embedding .*index out of range": (None, ROW_RANGE),
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
    for pattern, (cause, sentence) in known.items():
        pattern = PART.sub(r"(?P<\1>-?(?:\\d+|\\w+)(?:, \\d+)*)", pattern)
        text = "{operation} in {layer}: {message}".format(**facts)
        if found := re.search(pattern, text):
            # Of a tensor, or a size of it, that isn't there.
            with suppress(KeyError, AttributeError, IndexError):
                return cause, say(
                    sentence, facts | {"layer": layer} | found.groupdict()
                )
    return None if "a" in facts else (OTHER, CHECKED.format(**facts))


def say(sentence: str, facts: Facts) -> str:
    """The sentence about these facts, and the repair if one applies."""
    said = sentence.format(**facts)
    applies, repair = REPAIRS.get(sentence, (None, ""))
    if applies and applies(SimpleNamespace(**facts)):
        said = SPACE.join([said, repair.format(**facts)])
    return said
