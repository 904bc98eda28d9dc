"""What `registration` returns: a row for each tensor, as objects, text and HTML."""

import weakref
from dataclasses import astuple, dataclass
from html import escape

from torch import nn

from helpers.instruments.registration.verdicts import STALE
from helpers.instruments.registration.walk import PARAMETER
from helpers.language import tr
from helpers.tables import Look, Row, as_html, as_text, page, reply

FOLD_FROM = 60  # rows; more are folded by module in HTML
SIGN = Look.WARNED.value
HEADERS = (  # in the order of the fields of TensorRow
    *(tr("name"), tr("shape"), tr("kind"), tr("registered"), "requires_grad"),
    *(tr("in optimizer"), tr("has .grad"), tr("leaf"), tr("in state_dict")),
    *(tr("moves (.to)"), tr("changed")),
)
ANSWERS = {True: tr("yes"), False: tr("no"), None: "-"}
NO_SHAPE = tr("not yet")

TOTALS = tr(
    "Registered Parameters: {parameters} ({numbers:,} numbers, {trainable:,} of them "
    "require grad). Buffers: {buffers}. Tensors not registered: {hidden}."
)
LOOK = tr("Rows to look at: {surprises}, marked with {sign}.")
FINE = tr("Nothing to look at: every row is as you would expect.")
FOLDED = tr("{name} (tensors: {rows})")
FOLDED_LOOK = tr("{name} (tensors: {rows}; marked with {sign}: {surprises})")
OWN = tr("in the module itself")  # in place of the name of a part

# Where a page takes away style sheets, as GitHub does, a plain table remains.
# On a narrow page the headers of the flags are upright, and all else may wrap.
STYLE = """<style>
.registration, .registration table {font-size: 12px}
.registration th, .registration td {padding: 1px 4px !important; line-height: 16px}
.registration td:nth-child(2), .registration td:nth-child(3) {white-space: nowrap;
  font-family: var(--jp-code-font-family, monospace)}
.registration .marked td:first-child, .registration .marked td:nth-child(2)
  {font-weight: bold}
.registration .said td:nth-child(2) {font-family: inherit; font-weight: 400;
  white-space: normal; padding-bottom: 3px !important}
.registration details {margin-left: 12px}
.registration summary {cursor: pointer}
@container (max-width: 840px) {
  .registration td:nth-child(3) {white-space: normal}
  .registration th:nth-child(n+5) {writing-mode: vertical-rl; white-space: nowrap;
    text-orientation: sideways; transform: rotate(180deg); width: 1px}
}
@container (max-width: 640px) {
  .registration th, .registration td {padding: 1px 2px !important}
  .registration :is(th, td):nth-child(n+5) {padding: 1px 4px !important}
  .registration td:nth-child(2), .registration td:nth-child(3) {font-size: 11px;
    font-family: inherit; white-space: normal}
  .registration details {margin-left: 0}
}
</style>"""


@dataclass(frozen=True, slots=True)
class TensorRow:
    """One tensor.

    name: PyTorch's where it has one, else as in Python. shape: None while it is lazy.
    kind: in words. The flags are None where nobody asked. verdict: whole sentences, ""
    where nothing is surprising. numbers: how many, 0 where an earlier row counts them.
    checksum: of them, None without any.
    """

    name: str
    shape: tuple[int, ...] | None
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

    def cells(self) -> list[str]:
        """The texts of its columns."""
        shape = NO_SHAPE if self.shape is None else str(self.shape)
        flags = astuple(self)[3 : len(HEADERS)]
        return [self.name, shape, self.kind, *(ANSWERS[flag] for flag in flags)]


class Registration:
    """What `registration` returns: a table in a notebook and under `str()`.

    rows: one for each tensor. surprises: those that have a verdict. module: a weak
    reference to what it reports on.
    """

    def __init__(self, rows: list[TensorRow], module: nn.Module) -> None:
        self.rows = rows
        self.surprises = [row for row in rows if row.verdict]
        self.module = weakref.ref(module)

    @property
    def totals(self) -> str:
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

    def _closing(self):
        look = LOOK.format(surprises=len(self.surprises), sign=SIGN)
        return [self.totals, look if self.surprises else FINE]

    def __str__(self):
        cells = (row.cells() for row in self.rows)
        header, *table = as_text(HEADERS, cells).splitlines()
        lines = [f"  {header}"]
        for row, line in zip(self.rows, table):
            lines.append(f"{SIGN if row.verdict else ' '} {line}")
            if row.verdict:
                lines.append(f"     {row.verdict}")
        return "\n".join([*lines, "", *self._closing()])

    __repr__ = __str__

    def _repr_html_(self):
        totals, look = self._closing()
        closing = reply(Look.WARNED if self.surprises else Look.RIGHT, look)
        inside = f"{_body(self.rows)}<p>{escape(totals)}</p>{closing}"
        return page(STYLE, f'<div class="registration">{inside}</div>')


def _table(rows):
    lines = []
    for row in rows:
        sign, classes = (SIGN, "marked") if row.verdict else ("", "")
        lines.append(Row([sign, *row.cells()], classes))
        if row.verdict:
            lines.append(Row(["", row.verdict], "marked said"))
    return as_html(["", *HEADERS], lines)


def _body(rows, depth=0):
    """The table; a long one folded by module, open where there is a surprise.

    depth: how many modules around the rows are named already.
    """
    groups = {}
    for row in rows:
        parts = row.name.split(".")
        name = parts[depth] if len(parts) > depth + 1 else OWN
        groups.setdefault(name, []).append(row)
    if len(rows) <= FOLD_FROM or list(groups) == [OWN]:
        return _table(rows)
    if len(groups) == 1:
        return _body(rows, depth + 1)
    folded = []
    for name, group in groups.items():
        marked = sum(bool(row.verdict) for row in group)
        sentence = FOLDED_LOOK if marked else FOLDED
        title = sentence.format(name=name, rows=len(group), surprises=marked, sign=SIGN)
        folded.append(
            f"<details{' open' if marked else ''}>"
            f"<summary>{escape(title)}</summary>{_body(group, depth + 1)}</details>"
        )
    return "".join(folded)
