"""`registration` lists what becomes of every tensor that a module reaches."""

import zlib
from types import NoneType

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from helpers.given import require_kind
from helpers.instruments.objects import is_a, state_of
from helpers.instruments.registration import verdicts, walk
from helpers.instruments.registration.report import Registration, TensorRow
from helpers.instruments.registration.verdicts import has_gradient
from helpers.language import tr

TRACED = "_actual_script_module"  # where torch.jit.trace puts what it traced
ONLY_IN_OPTIMIZER = tr("(only in the optimizer: {number})")  # in place of its name
NOT_MODULE = tr(
    "registration(module, optimizer) needs an nn.Module as its first argument, such as "
    "MLP(784, 256, 10); you gave {found}."
)
A_CLASS = tr(
    "registration needs a module, not a class; create one first: {found}(...)."
)
NO_SUPER = tr(
    "{found} can't register anything: call super().__init__() first in __init__."
)
NO_TENSORS = tr(
    "This {found} has no tensors at all: no Parameter, buffer or plain tensor."
)
NOT_OPTIMIZER = tr(
    "registration(module, optimizer) needs an optimizer as its second argument, such "
    "as torch.optim.SGD(module.parameters(), lr=0.1); you gave {found}."
)
NOT_BEFORE = tr(
    "before= needs the report of an earlier registration(); you gave {found}."
)
NOT_SAME = tr(
    "before= needs a report on this very {found}, not on another one or a copy."
)


def registration(
    module: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    before: Registration | None = None,
) -> Registration:
    """List every tensor that `module` reaches, however it is stored.

    optimizer: one of torch.optim, to see what it holds. before: an earlier report on
    the same module; the column "changed" then says whose numbers have changed since.
    Returns a table for a notebook and `str()`, with `rows`, `surprises` and `totals`.
    It only looks: no property is run, and nothing is changed. Raises TypeError or
    ValueError with one sentence for anything else, and for a module without tensors.
    """
    _check(module, optimizer, before)
    traced = TRACED in state_of(module)  # and so is each of its parts
    inner = torch.jit._recursive.wrap_cpp_module(module._c) if traced else module
    tensors = walk.find_tensors(inner)
    if not tensors:
        raise ValueError(NO_TENSORS.format(found=type(module).__name__))
    groups = optimizer.param_groups if optimizer else ()
    held = [tensor for group in groups for tensor in group["params"]]
    ids = None if optimizer is None else set(map(id, held))
    reached = {id(found.tensor) for found in tensors}
    for number, tensor in enumerate(held):
        if id(tensor) not in reached:
            name = ONLY_IN_OPTIMIZER.format(number=number)
            place = walk.Place(name, walk.what_is(tensor), verdicts.OPTIMIZER)
            tensors.append(walk.Found(tensor, [place]))
    then = {row.name: row.checksum for row in before.rows} if before else {}
    after_backward = any(
        has_gradient(found.tensor)
        for found in tensors
        if found.places[0].what == walk.PARAMETER and found.places[0].holder is None
    )
    seen = {}  # storage -> the (name, Parameter) of the rows so far
    rows = [_row(found, ids, after_backward, then, seen) for found in tensors]
    return Registration(rows, module)


def _check(module, optimizer, before):
    if is_a(module, type) and issubclass(module, nn.Module):
        raise TypeError(A_CLASS.format(found=module.__name__))
    if not is_a(module, nn.Module):
        raise TypeError(NOT_MODULE.format(found=type(module).__name__))
    fine = isinstance(optimizer, (torch.optim.Optimizer, NoneType))
    require_kind(fine, NOT_OPTIMIZER, optimizer)
    require_kind(isinstance(before, (Registration, NoneType)), NOT_BEFORE, before)
    if before and before.module() is not module:
        raise ValueError(NOT_SAME.format(found=type(module).__name__))
    if not {"_parameters", TRACED} & {*state_of(module)}:
        raise ValueError(NO_SUPER.format(found=type(module).__name__))


def _row(found, held, after_backward, then, seen):
    """held: ids of what the optimizer holds, or None. then: name -> checksum. seen:
    storage -> (name, Parameter) pairs; this one is added."""
    tensor, place = found.tensor, found.places[0]
    registered = place.holder is None
    checksums = (_checksum(tensor), then.get(place.name))
    in_optimizer = None if held is None else id(tensor) in held
    own = registered and place.what == walk.PARAMETER and not is_lazy(tensor)
    same, counted = _in_common(place.name, tensor, seen) if own else (None, 0)
    return TensorRow(
        name=place.name,
        shape=None if is_lazy(tensor) else tuple(tensor.shape),
        kind=verdicts.kind(place),
        registered=registered,
        requires_grad=tensor.requires_grad,
        in_optimizer=in_optimizer,
        has_gradient=has_gradient(tensor),
        leaf=tensor.is_leaf,
        in_state_dict=registered and place.what != walk.UNSAVED,
        moves=registered,
        changed=None if None in checksums else checksums[0] != checksums[1],
        verdict=verdicts.tensor_verdict(
            found, in_optimizer, after_backward, same, counted
        ),
        numbers=0 if is_lazy(tensor) else tensor.numel() - counted,
        checksum=checksums[0],
    )


def _in_common(name, tensor, seen):
    """(The first Parameter that shares numbers with this one, or None; how many of its
    numbers are also in those seen.)"""
    try:
        place = tensor.device, tensor.untyped_storage().data_ptr()
        others = seen.setdefault(place, []) if place[1] else []
        first = next((one for one, t in others if _shared(tensor, [t])), None)
        counted = _shared(tensor, [t for _, t in others]) if first else 0
        others.append((name, tensor))
        return first, counted
    except (RuntimeError, NotImplementedError):  # sparse, of another type, ...
        return None, 0


def _shared(tensor, others):
    """How many of its numbers the others, over the same storage, have too."""
    held = tensor.untyped_storage().nbytes() // tensor.itemsize
    marks = torch.zeros(held, dtype=torch.bool)

    def over(t):
        return marks.as_strided(t.shape, t.stride(), t.storage_offset())

    for other in others:  # each number once, also where `expand` repeats it
        over(other)[tuple(slice(None if n else 1) for n in other.stride())] = True
    return over(tensor).sum().item()


def _checksum(tensor):
    try:
        numbers = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        return zlib.crc32(numbers.clone().numpy())  # numpy() alone pins the storage
    except (RuntimeError, TypeError, ValueError):  # meta, lazy, sparse, ...
        return None
