"""The doctor's check that the pictures of a batch do not influence each other.

In eval mode a picture's scores are its own: one picture alone against the same picture
in a batch shows whether they are.
"""

import contextlib
from collections import defaultdict
from functools import partial

import torch
from torch import nn

from helpers.instruments.doctor.examination import Examination
from helpers.instruments.doctor.findings import Finding
from helpers.instruments.doctor.recording import Operation, Recording
from helpers.instruments.doctor.training_setup import mode_layers
from helpers.instruments.trace_shapes.tracer import tensors_in

COUNT = 16  # pictures in the batch
NOISE = 1e-3  # of the scores: pictures that differ by less are all alike
TINY = 1e-4  # of the scores: smaller changes can be those of floats
SAME = 0.02  # of a typical difference between two pictures: no influence
TRANSFORMERS = nn.TransformerEncoderLayer, nn.TransformerDecoderLayer
SOFTMAX = {"softmax", "log_softmax", "softmin", "gumbel_softmax"}
STATISTICS = {"mean", "var", "std", "var_mean", "std_mean", "sum", "amax", "amin"}
STATISTICS |= {"batch_norm", "instance_norm", "norm", "vector_norm", "max", "min"}


def mixed_pictures(exam: Examination) -> Finding | None:
    """The scores of a picture depend on the others in its batch."""
    if exam.codes & {"softmax_twice", "unregistered"} or exam.made_anew:
        return None
    if exam.setup.only:  # no picture can be looked at alone
        return None
    layers = mode_layers(exam.setup.net).values()
    if any(getattr(layer, "running_mean", layer) is None for layer in layers):
        return None  # normalized with each batch, as it was asked to
    with exam.setup.experiment(), torch.no_grad():
        batch = exam.X[:COUNT]
        together, out = _pass(exam, batch)
        _, again = _pass(exam, batch, anew=False)
        singles = [_pass(exam, one) for one in (batch[:1], batch[-1:])]
        layer = _batch_second(exam)
    typical, size = (out - out.roll(1, 0)).norm(dim=1).mean(), out.norm(dim=1).mean()
    if not torch.allclose(out, again, 1e-3, 1e-6) or not typical > NOISE * size:
        return None  # something random in it, or all scores are alike
    pairs = zip((out[:1], out[-1:]), singles)
    changes = [((own - one).norm() / typical).item() for own, (_, one) in pairs]
    change = max(changes)
    if not (change > SAME and change * typical > TINY * size):
        return None
    facts = {"change": change}
    if layer is not None:
        return exam.finding(
            "mixed_pictures: batch_first", layer[:1], kind=layer[1], **facts
        )
    last = changes[1] == change
    operation = _mixing(together, singles[last][0], last)
    if operation is None:
        return exam.finding("mixed_pictures: somewhere", **facts)
    if operation.name in STATISTICS:
        return None  # such as the batch's mean, on purpose
    facts["operation"] = operation.name
    if operation.name in SOFTMAX:
        return exam.finding("mixed_pictures: softmax", **facts)
    key = "flatten_order" if _only_reorders(operation) else "mixed_pictures"
    return exam.finding(key, **facts)


def _pass(exam, X, anew=True):
    """(the operations, the scores) of these pictures in eval mode. anew: with the
    random numbers as at the beginning."""
    if anew:
        exam.setup.rewind()
    with Recording(X) as recording:
        out = exam.setup.read(exam.setup.net.eval()(X), len(X))
    return recording.operations, out


def _batch_second(exam):
    """(name, class) of a layer that takes its first dimension for the time, though it
    is the pictures: one that grows with their number."""
    seen: dict[str, list[torch.Size]] = defaultdict(list)
    hooks, net = contextlib.ExitStack(), exam.setup.net

    def note(name, module, args, kwargs):
        seen[name] += [t.shape for t in tensors_in(args, kwargs)[:1]]

    for name, module in net.named_modules():
        if name and getattr(module, "batch_first", None) is False:
            add = module.register_forward_pre_hook
            hooks.enter_context(add(partial(note, name), with_kwargs=True))
    with hooks:
        for count in (COUNT, COUNT // 2):
            _pass(exam, exam.X[:count])
    for name, shapes in seen.items():
        many, half = shapes[0], shapes[len(shapes) // 2]
        if len(many) == len(half) == 3 and many[:2] == (2 * half[0], half[1]):
            holder = name.rpartition(".")[0]
            if isinstance(net.get_submodule(holder), TRANSFORMERS):
                name = holder  # which hands the argument on
            return name, type(net.get_submodule(name)).__name__
    return None


def _mixing(together, alone, last):
    """The first operation that gives a picture other numbers in a batch than
    alone, though it gets the same for it; None where the passes can't be compared."""
    if [one.name for one in together] != [one.name for one in alone]:
        return None
    for many, one in zip(together, alone):
        same = all(_same(a, b, last) for a, b in zip(many.inputs, one.inputs))
        if same and not _same(many.output, one.output, last):
            return many
    return None


def _same(many, one, last):
    """Whether the first picture's numbers are the same, or the last one's: those at an
    end of the dimension that grows with the batch."""
    if not one.is_floating_point():
        return True
    if many.ndim != one.ndim:
        return False
    for dim, (more, few) in enumerate(zip(many.shape, one.shape)):
        if few > more:
            return False
        many = many.narrow(dim, (more - few) if last else 0, few)
    return torch.allclose(many, one, 1e-3, 1e-5, equal_nan=True)


def _only_reorders(operation: Operation):
    """Whether the result has the numbers of its first input, in other places."""
    given = operation.inputs[0] if operation.inputs else None
    if given is None or given.numel() != operation.output.numel():
        return False
    return torch.equal(given.flatten().sort()[0], operation.output.flatten().sort()[0])
