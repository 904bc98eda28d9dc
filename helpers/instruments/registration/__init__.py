"""The registration X-ray: what becomes of every tensor that a module reaches."""

import html
import weakref
import zlib
from dataclasses import dataclass

import torch
from torch import nn

from helpers.instruments.registration.walk import (
    CLASS,
    HOOKED,
    MODULE,
    NOTHING,
    OBJECT,
    ODD_DICT,
    PARAMETER,
    TENSOR,
    UNSAVED,
    Found,
    Place,
    find_tensors,
    is_a,
    state_of,
    what_is,
)

FOLD_FROM = 60  # rows; more are folded by module in HTML
SIGN = "!"
HEADERS = {  # column -> what stands above it
    "name": "name",
    "shape": "shape",
    "kind": "kind",
    "registered": "registered",
    "requires_grad": "requires_grad",
    "in_optimizer": "in optimizer",
    "has_gradient": "has .grad",
    "leaf": "leaf",
    "in_state_dict": "in state_dict",
    "moves": "moves (.to)",
    "changed": "changed",
}
ANSWERS = {True: "yes", False: "no", None: "-"}

KIND_IN = "{kind} in {holder}"
KIND_OF_MODULE_IN = "{kind} of a module in {holder}"
OPTIMIZER = "an optimizer"  # holds a tensor that the module no longer has
ONLY_IN_OPTIMIZER = "(only in the optimizer: {number})"  # in place of its name

# Verdicts. {kind} is the row's own, as above.
UNKNOWN = "{kind}: the module does not know it. {cure}"
# What registers it. {name} is one of NAMES, {names} are several.
PARAMETERS_IN = "For Parameters in {holder}, use {name}."
MODULES_IN = "For modules in {holder}, use {name}."
OBJECT_OUTSIDE = "Make that object an nn.Module."
NESTED = (
    "To register it, make every level on the way a module; from the outside in: "
    "{names}."
)
KEYS = (
    "Its keys must then be texts without a dot, and no names that nn.ModuleDict has "
    "itself, such as 'keys'."
)
ON_SELF = "Set it on self in __init__."
NOT_ON_CLASS = "Set it on self in __init__, not on the class."
IN_LIST = ("nn.ModuleList", "nn.ParameterList")
IN_DICT = ("nn.ModuleDict", "nn.ParameterDict")
NAMES = {  # level -> what takes modules in its place, and what takes Parameters
    "a list": IN_LIST,
    "a tuple": IN_LIST,
    "a set": IN_LIST,
    "a view of a dict": IN_LIST,
    "a dict": IN_DICT,
    ODD_DICT: IN_DICT,
    OBJECT: ("nn.Module", "nn.Module"),
}
MANY = 4  # names in a sentence
BETWEEN = "..."  # stands for all others
WITH_GRAD = (
    "{kind} with requires_grad: it gets gradients, but isn't in parameters() and is "
    "neither saved nor moved. Register it as an nn.Parameter."
)
COMPUTED = (
    "{kind}, computed from others (non-leaf): it has no .grad, unless you called "
    "retain_grad(), and it is neither saved nor moved. Unless forward or a hook "
    "computes it anew from Parameters each time, register it as an nn.Parameter."
)
CONSTANT = (
    "{kind}: it gets no gradient and is neither saved nor moved. To train it, register "
    "it as an nn.Parameter; to save and move it, use register_buffer."
)
WHOLE_NUMBERS = (
    "{kind}: it is neither saved nor moved. To save and move it, use register_buffer."
)
MAY_BE_SET = (
    "This module has hooks that run before forward: if one of them computes it anew "
    "each time, as in pruning, leave it as it is."
)
BUFFER_WITH_GRAD = (
    "A buffer with requires_grad: it isn't in parameters(), so an optimizer gets it "
    "only if you hand it over by itself. To train it, use nn.Parameter."
)
NOT_HELD = "It requires grad, but the optimizer does not hold it: no step changes it."
UNUSED = (
    "Others have a gradient and this one has none: no backward has left one in it "
    "since it was made, unfrozen or last cleared. If that stays so after the next "
    "backward, the loss does not depend on it, or is cut off from it by detach or "
    "no_grad."
)
FROZEN = "Frozen: it gets no gradient and stays as it is."
FROZEN_WITH_GRAD = (
    "Frozen, but it still has a gradient, so the next step of an optimizer that holds "
    "it changes it. Set its .grad to None."
)
SHARED = "Shared: the same Parameter as {names}, counted once."
LAZY = "Lazy: it gets its shape from the first batch."
META = "On the meta device: it has a shape, but no numbers."
STALE = (
    "Stale: the optimizer holds it, but this module does not have it, or no longer. If "
    "it was replaced, make the optimizer after the last change of the module."
)

TOTALS = (
    "Registered Parameters: {parameters} ({numbers:,} numbers, {trainable:,} of them "
    "require grad). Buffers: {buffers}. Tensors not registered: {hidden}."
)
LOOK = "Rows to look at: {surprises}, marked with {sign}."
FINE = "Nothing to look at: every row is as one would expect."
FOLDED = "{name} (tensors: {rows})"
FOLDED_LOOK = "{name} (tensors: {rows}; marked with {sign}: {surprises})"
OWN = "its own"

NOT_MODULE = (
    "registration(module, optimizer) needs an nn.Module first, such as MLP(784, 256, "
    "10); you gave {found}."
)
A_CLASS = (
    "registration(module, optimizer) needs a module, and you gave the class {found}; "
    "make one of it first: {found}(...)."
)
NO_SUPER = (
    "This {found} has nowhere to register anything: call super().__init__() first in "
    "its __init__."
)
NO_TENSORS = (
    "This {found} has no tensors at all: no Parameter, no buffer, no plain tensor, "
    "wherever one may be stored."
)
NOT_OPTIMIZER = (
    "registration(module, optimizer) needs an optimizer second, such as "
    "torch.optim.SGD(module.parameters(), lr=0.1); you gave {found}."
)
NOT_BEFORE = (
    "before= needs what an earlier registration(module) returned; you gave {found}."
)
NOT_SAME = (
    "before= needs an earlier report on this very {found}; you gave one on another "
    "module, or on one that it was copied from."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One tensor.

    name: as in `named_parameters()` where PyTorch has a name for it, else as in
    Python. shape: a tuple, or None while it is lazy. kind: in words. The columns
    are True, False or None (not asked). verdict: whole sentences, "" where there is
    nothing to be surprised by. numbers: how many it holds. checksum: of these
    numbers, or None where there are none to read.
    """

    name: str
    shape: tuple | None
    kind: str
    registered: bool
    requires_grad: bool
    in_optimizer: bool | None
    has_gradient: bool
    leaf: bool
    in_state_dict: bool
    moves: bool
    changed: bool | None
    verdict: str
    numbers: int
    checksum: int | None

    def cells(self):
        """The texts of its columns."""
        shape = "not yet" if self.shape is None else str(self.shape)
        flags = [ANSWERS[getattr(self, name)] for name in list(HEADERS)[3:]]
        return [self.name, shape, self.kind, *flags]


class Registration:
    """What `registration` returns: `rows`, `surprises`, `totals`, and a table."""

    def __init__(self, rows, module):
        self.rows = rows
        self._module = weakref.ref(module)
        self.surprises = [row for row in rows if row.verdict]

    @property
    def totals(self):
        """One line that counts."""
        own = [row for row in self.rows if row.registered]
        parameters = [row for row in own if row.kind == PARAMETER]
        return TOTALS.format(
            parameters=len(parameters),
            numbers=sum(row.numbers for row in parameters),
            trainable=sum(row.numbers for row in parameters if row.requires_grad),
            buffers=len(own) - len(parameters),
            hidden=sum(STALE not in row.verdict for row in self.rows) - len(own),
        )

    @property
    def _closing(self):
        look = LOOK.format(surprises=len(self.surprises), sign=SIGN)
        return [self.totals, look if self.surprises else FINE]

    def __str__(self):
        table = [list(HEADERS.values()), *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table)]
        lines = []
        for row, cells in zip([None, *self.rows], table):
            sign = SIGN if row and row.verdict else " "
            texts = [text.ljust(width) for text, width in zip(cells, widths)]
            lines.append(f"{sign} {'  '.join(texts)}".rstrip())
            if row and row.verdict:
                lines.append(f"     {row.verdict}")
        return "\n".join([*lines, "", *self._closing])

    __repr__ = __str__

    def _repr_html_(self):
        fold = len(self.rows) > FOLD_FROM
        body = _folded(self.rows, 0) if fold else _table(self.rows)
        closing = "".join(f"<div>{html.escape(line)}</div>" for line in self._closing)
        return f'{STYLE}<div class="xray">{body}{closing}</div>'


def registration(module, optimizer=None, before=None):
    """Lists every tensor that `module` reaches, however it is stored.

    module: any nn.Module. optimizer: one of torch.optim, to see what it holds.
    before: an earlier report on the same module; the column "changed" then says
    whose numbers have changed since. Returns a `Registration`: a table in a
    notebook and under `str()`, with `rows`, `surprises` and `totals`. It only
    looks: no property is run, and nothing is changed. Raises TypeError or
    ValueError with one sentence for anything else, and for a module without
    tensors.
    """
    found = type(module).__name__
    if is_a(module, type) and issubclass(module, nn.Module):
        raise TypeError(A_CLASS.format(found=module.__name__))
    if not is_a(module, nn.Module):
        raise TypeError(NOT_MODULE.format(found=found))
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(NOT_OPTIMIZER.format(found=type(optimizer).__name__))
    if before is not None and not isinstance(before, Registration):
        raise TypeError(NOT_BEFORE.format(found=type(before).__name__))
    if before is not None and before._module() is not module:
        raise ValueError(NOT_SAME.format(found=found))
    if "_parameters" not in state_of(module):
        raise ValueError(NO_SUPER.format(found=found))
    tensors = find_tensors(module)
    if not tensors:
        raise ValueError(NO_TENSORS.format(found=found))
    after_backward = any(
        one.places[0].what == PARAMETER
        and one.places[0].holder is None
        and _has_gradient(one.tensor)
        for one in tensors
    )
    groups = optimizer.param_groups if optimizer else ()
    held = [tensor for group in groups for tensor in group["params"]]
    ids = None if optimizer is None else set(map(id, held))
    reached = {id(one.tensor) for one in tensors}
    for number, tensor in enumerate(held):
        if id(tensor) not in reached:
            name = ONLY_IN_OPTIMIZER.format(number=number)
            place = Place(name, what_is(tensor), OPTIMIZER)
            tensors.append(Found(tensor, [place]))
    then = {row.name: row.checksum for row in before.rows} if before else {}
    rows = [_row(one, ids, after_backward, then) for one in tensors]
    return Registration(rows, module)


def _has_gradient(tensor):
    # Asking others than these for .grad would warn.
    return (tensor.is_leaf or tensor.retains_grad) and tensor.grad is not None


def _row(one, held, after_backward, then):
    """held: ids of what the optimizer holds, or None. then: name -> checksum."""
    tensor, place = one.tensor, one.places[0]
    lazy = isinstance(tensor, nn.parameter.UninitializedTensorMixin)
    registered = place.holder is None
    checksums = (_checksum(tensor), then.get(place.name))
    in_optimizer = None if held is None else id(tensor) in held
    return Row(
        name=place.name,
        shape=None if lazy else tuple(tensor.shape),
        kind=_kind(place),
        registered=registered,
        requires_grad=tensor.requires_grad,
        in_optimizer=in_optimizer,
        has_gradient=_has_gradient(tensor),
        leaf=tensor.is_leaf,
        in_state_dict=registered and place.what != UNSAVED,
        moves=registered,
        changed=None if None in checksums else checksums[0] != checksums[1],
        verdict=" ".join(_verdict(one, in_optimizer, after_backward)),
        numbers=0 if lazy else tensor.numel(),
        checksum=checksums[0],
    )


def _checksum(tensor):
    try:
        numbers = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        return zlib.crc32(numbers.numpy())
    except (RuntimeError, TypeError, ValueError):  # meta, lazy, sparse, ...
        return None


def _kind(place):
    if place.holder in (None, NOTHING, OPTIMIZER):
        return place.what
    template = KIND_OF_MODULE_IN if MODULE in place.levels else KIND_IN
    return template.format(kind=place.what, holder=place.holder)


def _cure(place):
    """What registers a Parameter, or the module it belongs to, that is hidden there."""
    if CLASS in place.levels:
        return NOT_ON_CLASS
    way = [level for level in place.levels if level not in (MODULE, HOOKED)]
    if not way or not all(level in NAMES for level in way):
        return ON_SELF
    of_module = place.levels[-1] == MODULE
    names = [NAMES[level][0] for level in way]
    if not of_module:
        names[-1] = NAMES[way[-1]][1]
    if len(names) > MANY:
        names[1:-1] = [BETWEEN]
    if way == [OBJECT]:
        cure = OBJECT_OUTSIDE
    elif len(way) > 1:
        cure = NESTED.format(names=", ".join(names))
    else:
        cure = MODULES_IN if of_module else PARAMETERS_IN
        cure = cure.format(holder=place.holder, name=names[0])
    return f"{cure} {KEYS}" if ODD_DICT in way else cure


def _verdict(one, in_optimizer, after_backward):
    """Yields a sentence for all that would surprise a learner."""
    tensor, place = one.tensor, one.places[0]
    kind = _kind(place)
    kind = kind[0].upper() + kind[1:]
    if isinstance(tensor, nn.parameter.UninitializedTensorMixin):
        yield LAZY
    elif tensor.is_meta:
        yield META
    if place.holder == OPTIMIZER:
        yield STALE
    elif place.holder is None:
        yield from _verdict_registered(one, in_optimizer, after_backward)
    elif place.what != TENSOR:
        yield UNKNOWN.format(kind=kind, cure=_cure(place))
    elif not tensor.is_leaf:
        yield COMPUTED.format(kind=kind)
    elif tensor.requires_grad:
        yield WITH_GRAD.format(kind=kind)
    else:
        can_train = tensor.is_floating_point() or tensor.is_complex()
        yield (CONSTANT if can_train else WHOLE_NUMBERS).format(kind=kind)
        if can_train and place.levels[-1:] == (HOOKED,):
            yield MAY_BE_SET


def _verdict_registered(one, in_optimizer, after_backward):
    tensor, has_gradient = one.tensor, _has_gradient(one.tensor)
    if one.places[0].what != PARAMETER:
        if tensor.requires_grad:
            yield BUFFER_WITH_GRAD
        return
    if not tensor.requires_grad:
        may_step = has_gradient and in_optimizer is not False
        yield FROZEN_WITH_GRAD if may_step else FROZEN
    elif in_optimizer is False:
        yield NOT_HELD
    elif after_backward and not has_gradient:
        yield UNUSED
    names = [other.name for other in one.places[1:] if other.holder is None]
    if names:
        yield SHARED.format(names=", ".join(names))


# --- HTML

# Where a page takes away style sheets, as GitHub does, a plain table remains.
STYLE = """<style>
.xray { overflow-x: auto; font-size: 12px; line-height: 1.5; }
.xray table { margin: 4px 0; font-size: 12px; border-collapse: collapse; }
.xray th, .xray td { padding: 1px 6px; line-height: 16px; white-space: nowrap; }
.xray table th, .xray table td { text-align: left !important; }
.xray table th { vertical-align: bottom; white-space: normal; }
.xray td:nth-child(2) { font-family: var(--jp-code-font-family, monospace); }
.xray tr.mark td { background: rgba(231, 99, 0, 0.12); }
.xray tr.mark td:first-child { font-weight: bold; }
.xray tr.said td { padding-bottom: 3px; font-family: inherit; white-space: normal; }
.xray details { margin-left: 12px; }
</style>"""


def _table(rows):
    head = "".join(f"<th>{name}</th>" for name in ["", *HEADERS.values()])
    return f"<table><tr>{head}</tr>{''.join(map(_lines, rows))}</table>"


def _lines(row):
    cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row.cells())
    if not row.verdict:
        return f"<tr><td></td>{cells}</tr>"
    said = f'<td></td><td colspan="{len(HEADERS)}">{html.escape(row.verdict)}</td>'
    return (
        f'<tr class="mark"><td>{SIGN}</td>{cells}</tr><tr class="mark said">{said}</tr>'
    )


def _folded(rows, depth):
    """Rows under the names of their modules; one with a surprise stands open."""
    groups = {}
    for row in rows:
        parts = row.name.split(".")
        name = parts[depth] if len(parts) > depth + 1 else OWN
        groups.setdefault(name, []).append(row)
    if len(groups) == 1:
        return _table(rows) if OWN in groups else _folded(rows, depth + 1)
    folded = []
    for name, group in groups.items():
        marked = sum(bool(row.verdict) for row in group)
        sentence = FOLDED_LOOK if marked else FOLDED
        title = sentence.format(name=name, rows=len(group), surprises=marked, sign=SIGN)
        long = len(group) > FOLD_FROM and name != OWN
        inner = _folded(group, depth + 1) if long else _table(group)
        folded.append(
            f"<details{' open' if marked else ''}>"
            f"<summary>{html.escape(title)}</summary>{inner}</details>"
        )
    return "".join(folded)
