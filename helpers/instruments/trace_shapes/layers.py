"""What the dimensions mean that a layer takes, and what turns a tensor into them.

A repair is only named if it works: it is tried on a tensor of that shape without
numbers.
"""

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from helpers.instruments.trace_shapes import messages
from helpers.instruments.trace_shapes.messages import OTHER, WIDTH, Explained
from helpers.instruments.trace_shapes.steps import Facts, Shape, TraceStep
from helpers.language import COMMA, SPACE, tr

LAYOUTS = {  # dimensions in space -> the shape that such a layer takes
    1: tr("(examples, channels, length)"),
    2: tr("(examples, channels, height, width)"),
    3: tr("(examples, channels, depth, height, width)"),
}
STEPS_FIRST = tr("(steps, examples, features), since batch_first is False")
EXAMPLES_FIRST = tr("(examples, steps, features)")

# What a layer takes, and what is wrong with what it gets.
TAKES = tr("{operation} takes {layout} but gets {a} {a.shape}.")
TAKES_AND_GETS = tr(
    "{operation} takes {layout}, and gets {given}. PyTorch says: {message}."
)
TAKES_CHANNELS = tr(
    "{operation} takes {layout}, with channels = {want}, but gets {a} {a.shape}."
)
TAKES_FEATURES = tr(
    "{operation} takes {layout}, with features = {want}, but gets {a} {a.shape}."
)
CHANNELS_LAST = tr("The channels are last: use {repair}.")
EXAMPLES_SECOND = tr("Examples and channels are swapped: use {repair}.")
NO_CHANNELS = tr("The channel dimension is missing: use {repair}.")
NO_BATCH = tr("The batch dimension is missing: use {repair}.")
NEITHER = tr("The batch and channel dimensions are missing: use {repair}.")
FLAT = tr("The pictures are flat: use {repair}.")
FLAT_SEQUENCES = tr("The sequences are flat: use {repair}.")
ONE_FLAT = tr("It is one flat picture, without a batch dimension: use {repair}.")
FRAMES = tr("To treat each frame as an example, use {repair}.")
FRAMES_FIRST = tr("Frames and channels are swapped: use {repair}.")
ROWS = tr("To read each picture row by row, use {repair}.")
FROM_ONE_PIXEL = tr("Each example should begin as one pixel: use {repair}.")
GREY = tr("There is one channel. Create the layer for one, or repeat it: use {repair}.")
COLOUR = tr(
    "There are three channels. Create the layer for three, or make the pictures grey: "
    "use {repair}."
)
FEATURES_FIRST = tr("Steps and features are swapped: use {repair}.")
ROWS_AS_STEPS = tr("To make each row of a picture a step, use {repair}.")
FOR_SO_MANY = tr("Create it for {got}, or let what comes before it output {want}.")
ONE_STEP = tr("It is one step of one example: use {repair}.")
OTHER_FORM = tr("For this shape, use {other}.")
FLATTENED = tr("It has been flattened already: move this layer before the flatten.")
TOOK_ONE = tr(
    "{operation} took {a} {a.shape} for one example without a batch dimension, and so "
    "did the layers after it, until this one failed. Use {a:.unsqueeze(0)}."
)
ALONG_WIDTH = tr(
    "{operation} works along the last dimension of {a} {a.shape}, which is the width "
    "of the pictures. For one row of numbers from each picture, use {a:.flatten(1)}, "
    "and then nn.Linear({numbers}, {outputs})."
)
HIDDEN = tr(
    "{operation} takes {layout}. So {a} {a.shape} has {count} examples, and the hidden "
    "state, of shape (layers, examples, units), must be {want}, but it is {got}."
)
HIDDEN_FIRST = tr("With batch_first=True the first size would be the examples.")
HIDDEN_SWAPPED = tr(
    "Its first two sizes are swapped, since batch_first does not apply to hidden "
    "states: use .transpose(0, 1) on it."
)
MASK_OF_EXAMPLES = tr(
    "The mask would fit if the examples were first: create the layer with "
    "batch_first=True."
)
TWO_STATES = tr(
    "{operation} takes its state as a tuple of two tensors, (hidden, cell), each of "
    "shape (layers, examples, units)."
)
OTHER_WIDTH = tr(
    "{operation} was made for a {name} with {want} features, but gets one with {got}: "
    "make it with {what}={got}."
)
AS_MANY_EXAMPLES = tr(
    "{operation} takes {layout}, with as many examples in the key and the value as in "
    "the query, but gets {given}."
)
EXCHANGED = tr(
    "{layer} took {shape} for {steps} steps of {examples} examples, but {steps} rows "
    "come out at the end, as if those were the examples. Then examples and steps are "
    "exchanged: use batch_first={right}."
)

# By dimensions in space and of the tensor: repairs, and what is wrong. The first one
# that gives the shape that the layer takes is named. {c}: channels. {h}, {g}: sides of
# a square picture, with its channels in the same row or in their own.
REPAIRS = {
    (1, 1): ((".reshape(1, 1, -1)", NEITHER),),
    (1, 2): (
        (".T.unsqueeze(0)", CHANNELS_LAST),
        (".unsqueeze(1)", NO_CHANNELS),
        (".reshape(-1, {c}, {rest})", FLAT_SEQUENCES),
    ),
    (1, 3): (
        (".transpose(1, 2)", CHANNELS_LAST),
        (".transpose(0, 1)", EXAMPLES_SECOND),
    ),
    (1, 4): ((".squeeze(1)", ROWS),),
    (2, 1): ((".reshape(1, {c}, {h}, {h})", ONE_FLAT),),
    (2, 2): (
        (".reshape(1, 1, {square}, {square})", NEITHER),
        (".reshape(-1, {c}, {h}, {h})", FLAT),
        (".reshape(-1, {rows}, {g}, {g})", ONE_FLAT),
    ),
    (2, 3): (
        (".permute(2, 0, 1).unsqueeze(0)", CHANNELS_LAST),
        (".unsqueeze(0)", NO_BATCH),
        (".reshape(-1, {c}, {g}, {g})", FLAT),
        (".unsqueeze(1)", NO_CHANNELS),
    ),
    (2, 4): (
        (".permute(0, 3, 1, 2)", CHANNELS_LAST),
        (".transpose(0, 1)", EXAMPLES_SECOND),
    ),
    (2, 5): ((".flatten(0, 1)", FRAMES),),
    (3, 3): ((".unsqueeze(0).unsqueeze(0)", NEITHER),),
    (3, 4): ((".unsqueeze(0)", NO_BATCH), (".unsqueeze(1)", NO_CHANNELS)),
    (3, 5): (
        (".transpose(1, 2)", FRAMES_FIRST),
        (".permute(0, 4, 1, 2, 3)", CHANNELS_LAST),
        (".transpose(0, 1)", EXAMPLES_SECOND),
    ),
    (0, 1): ((".reshape(1, 1, -1)", ONE_STEP),),
    (0, 2): ((".reshape(-1, {rest}, {c})", ROWS_AS_STEPS),),
    (0, 3): ((".transpose(1, 2)", FEATURES_FIRST),),
    (0, 4): ((".squeeze(1)", ROWS_AS_STEPS),),
}
CONVOLUTION = ((".expand(-1, 3, -1, -1)", GREY), (".mean(1, keepdim=True)", COLOUR))
WANTS = ("in_channels", "num_features", "embed_dim", "input_size")
MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
INTERPOLATES = re.compile("interpolate|upsampl", re.IGNORECASE)
IN_SPACE = re.compile(r"(?:conv\w*|pool|norm)([123])d", re.IGNORECASE)
MANY_VALUES = "more than 1 value per channel"  # of batch normalisation
STATES = re.compile("index 1 is out of|hx and cx should")
SEQUENCES = (nn.RNNBase, nn.MultiheadAttention)
HIDDEN_SIZES = re.compile(r"hidden\S* size \(([\d, ]+)\), got \[([\d, ]+)\]")


def explain_layer(
    facts: Facts, module: Any, given: Sequence[Shape]
) -> Explained | None:
    """The cause and a sentence, if a layer got other dimensions than it takes.

    facts: operation, layer, message; a and b, if they exist. module: the one that
    the operation ran in. given: the shapes that the module was given.
    """
    if "a" not in facts:
        return None
    if isinstance(module, SEQUENCES):
        return _about_sequences(facts, module, *given)
    space = _in_space(facts)
    if not space or MANY_VALUES in facts["message"]:
        return None
    a, want = facts["a"]._replace(role="input"), _wanted(facts, module)
    full, norm = space + 2, "Norm" in facts["layer"]
    facts = facts | {"a": a, "want": want, "layout": LAYOUTS[space]}
    facts["got"] = a.shape[1] if len(a.shape) > 1 else None

    interpolates = INTERPOLATES.search(facts["operation"])
    some = want
    if interpolates and len(a.shape) == full - 1:  # grey, unless it looks coloured
        some = next((n for n in (a.shape[-1], a.shape[0]) if n in (1, 3)), 1)

    def fits(shape):
        return len(shape) == full and some in (None, shape[1])

    alone = (
        not (norm or interpolates)
        and len(a.shape) == full - 1
        and want in (None, a.shape[0])
    )
    if fits(a.shape) or alone or norm and space == 1 and len(a.shape) == 2:
        return None
    said = _other_form(facts, space) or _repaired(facts, space, fits)
    if not said and len(a.shape) == full:
        if norm:
            return None
        said = FOR_SO_MANY
    takes = TAKES_CHANNELS if want else TAKES
    return OTHER, SPACE.join([takes, said] if said else [takes]).format(**facts)


def _in_space(facts):
    """How many dimensions in space the operation works on, or None."""
    if found := IN_SPACE.search(f"{facts['operation']} {facts['layer']}"):
        return int(found[1])
    if not INTERPOLATES.search(facts["operation"]):
        return None
    if found := re.search(r"needs (\d)D input", facts["message"]):
        return int(found[1]) - 2
    found = re.search(r"(?:size of|shape) \(([\d., ]+)\)", facts["message"])
    return len(found[1].split(",")) if found else 2


def _about_sequences(facts, module, given=(), *others):
    """Of a layer that reads sequences, or looks from one to another."""
    inside = facts["a"].shape  # where attention has swapped dimensions
    if not given and module.batch_first and isinstance(module, nn.MultiheadAttention):
        inside = (*inside[1::-1], *inside[2:]) if len(inside) == 3 else inside
    given = given or inside
    a = facts["a"]._replace(shape=given, role="input")
    layout = EXAMPLES_FIRST if module.batch_first else STEPS_FIRST
    facts = facts | {"a": a, "want": _wanted(facts, module), "layout": layout}
    if not facts["operation"].startswith(facts["layer"]):
        facts["operation"] = facts["layer"]

    def fits(shape):
        return len(shape) == 3 and shape[-1] == facts["want"]

    if (found := HIDDEN_SIZES.search(facts["message"])) and len(given) == 3:
        return OTHER, _about_hidden(facts, module, *found.groups())
    if isinstance(module, nn.LSTM) and STATES.search(facts["message"]):
        return OTHER, TWO_STATES.format(**facts)
    if isinstance(module, nn.MultiheadAttention) and len(others) > 1 and fits(given):
        if said := _about_keys(facts, module, given, *others[:2]):
            return said
    if fits(given):
        facts["given"] = COMMA.join(map(str, (given, *others)))
        said = messages.read(facts) or (OTHER, TAKES_AND_GETS.format(**facts))
        if not module.batch_first and _fits_examples(facts, given):
            return OTHER, SPACE.join([said[1], MASK_OF_EXAMPLES])
        return said
    facts["got"] = given[-1] if given else None
    said = _repaired(facts, 0, fits)
    width = not said and given and given[-1] != facts["want"]
    also = FOR_SO_MANY if width else said
    said = SPACE.join(filter(None, [TAKES_FEATURES, also]))
    return WIDTH if width else OTHER, said.format(**facts)


def _fits_examples(facts, given):
    """Whether the mask would fit if the second dimension were the steps."""
    return f"mask is torch.Size([{given[1]}, {given[1]}])" in facts["message"]


def _about_keys(facts, module, query, key, value):
    """Of attention whose keys or values don't belong to the queries, or None."""
    for name, shape, what in (("key", key, "kdim"), ("value", value, "vdim")):
        want = getattr(module, what)
        facts = facts | {"name": name, "what": what, "got": shape[-1], "want": want}
        if shape[-1] != want:
            return WIDTH, OTHER_WIDTH.format(**facts)
    examples = 0 if module.batch_first else 1
    counts = {shape[examples] for shape in (query, key, value) if len(shape) == 3}
    facts["given"] = COMMA.join(map(str, (query, key, value)))
    return (OTHER, AS_MANY_EXAMPLES.format(**facts)) if len(counts) > 1 else None


def _wanted(facts, module):
    """How many channels or features the layer takes, or None."""
    if type(module).__module__.startswith("torch.nn"):
        wants = (vars(module).get(name) for name in WANTS)
        return next((want for want in wants if want), None)
    weight = facts["b"].shape if "b" in facts else ()
    if facts["operation"].startswith("conv") and len(weight) == _in_space(facts) + 2:
        grouped = re.search(r"to have (\d+) channels", facts["message"])
        place = 0 if "transpose" in facts["operation"] else 1
        return int(grouped[1]) if grouped else weight[place]
    return None


def _about_hidden(facts, module, want, got):
    """Of a hidden state that has another shape than the layer takes."""
    shape, sizes = facts["a"].shape, [text.split(", ") for text in (want, got)]
    second = "" if module.batch_first else HIDDEN_FIRST
    if sizes[0] != sizes[1] and sorted(sizes[0]) == sorted(sizes[1]):
        second = HIDDEN_SWAPPED
    elif sizes[1][1:2] != [str(shape[0])]:
        second = ""
    count = shape[0 if module.batch_first else 1]
    facts = facts | {"want": f"({want})", "got": f"({got})", "count": count}
    return SPACE.join([HIDDEN, second] if second else [HIDDEN]).format(**facts)


def _other_form(facts, space):
    """The same layer for another number of dimensions, or ""."""
    shape, name = facts["a"].shape, facts["operation"].split()[0]
    other, norm = max(len(shape) - 2, 1), "norm" in name.lower()
    more = len(shape) > space + 2 or space == 3 and len(shape) > 2
    if not (more or norm) or other in (0, space) or other > 3:
        return ""
    if len(shape) < 2 or facts["want"] not in (None, shape[1]):
        return ""
    if INTERPOLATES.search(name):
        return OTHER_FORM.format(other=f'mode="{MODES[other]}"')
    return OTHER_FORM.format(other=name.replace(f"{space}d", f"{other}d"))


def _repaired(facts, space, fits):
    """What is wrong and the repair, in a sentence, or ""."""
    a, want, operation = facts["a"], facts["want"], facts["operation"]
    if space and not want and len(a.shape) == 2 and a.origin == "computed":
        return FLATTENED
    rows = REPAIRS.get((space, len(a.shape)), ())
    if operation.startswith("conv_transpose") and len(a.shape) == 2:
        rows = ((".reshape(-1, {pixel}, 1, 1)", FROM_ONE_PIXEL), *rows)
    if operation == "conv2d" and {want, *a.shape[1:2]} == {1, 3}:
        rows = (*rows, *CONVOLUTION)
    for code, sentence in rows:
        code = _filled(code, a.shape, want or 1)
        if facts["layout"] == STEPS_FIRST and code.startswith((".reshape", ".squeeze")):
            code += ".transpose(0, 1)"
        with suppress(RuntimeError, IndexError, TypeError):
            empty = torch.empty(a.shape, device="meta")
            if fits(eval(f"empty{code}", {"empty": empty}).shape):  # as it is said
                return sentence.format(repair=format(a, code))
    return ""


def _filled(code, shape, channels):
    """The code with its sizes; None in place of one that doesn't come out whole."""
    last = shape[-1]
    return code.format(
        c=channels,
        h=_root(last / channels),
        g=_root(last),
        square=last if shape[0] == last else None,
        pixel=channels if last == channels else None,
        rows=channels if shape[0] == channels else None,
        rest=None if last % channels or last == channels else last // channels,
    )


def _root(number):
    """The side of a square with so many pixels, more than one, or None."""
    side = math.isqrt(int(number))
    return side if side * side == number > 1 else None


def unbatched(steps: Sequence[TraceStep]) -> str:
    """A sentence if an earlier layer took its input for one example, or ""."""
    for step in steps:
        found = IN_SPACE.search(step.name)
        if found and step.name.startswith("conv"):
            if len(step.inputs[0]) == int(found[1]) + 1:
                return TOOK_ONE.format(operation=step.name, a=step.operands()[0])
    return ""


def along_width(step: TraceStep, before: Sequence[TraceStep]) -> str:
    """A sentence if a linear layer gets the maps of a convolution, or ""."""
    a, weight = step.operands()[:2]
    numbers, outputs = math.prod(a.shape[1:]), weight.shape[0]
    facts = {"a": a, "operation": step.name, "numbers": numbers, "outputs": outputs}
    return ALONG_WIDTH.format(**facts) if made_maps(a.shape, before) else ""


def made_maps(shape: Shape, before: Sequence[TraceStep]) -> bool:
    """Whether a tensor of this shape comes from a convolution or a pooling."""
    for one in reversed(before):
        if IN_SPACE.search(one.name) and one.outputs == (shape,):
            return True
        if (shape, shape) != (*one.inputs[:1], *one.outputs[:1]):
            return False  # such as a permute, where an activation keeps the shape
    return False


def exchanged(module: nn.Module, given: Shape, end: Shape) -> str:
    """A sentence if examples and steps look exchanged, or "".

    given: the shape that went into the layer. end: of what came out of it all.
    """
    if len(given) != 3 or not end or given[0] == given[1]:
        return ""
    right = not module.batch_first
    steps, examples = given[:2] if right else given[1::-1]
    if end[0] != steps or examples == 1 or end[1:2] == (examples,):
        return ""
    facts = {"layer": type(module).__name__, "shape": given, "right": right}
    return EXCHANGED.format(**facts, steps=steps, examples=examples)
