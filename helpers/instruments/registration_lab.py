"""`registration`, live: store a weight in another way, train a step, and look."""

from functools import partial
from html import escape
from types import SimpleNamespace

import ipywidgets as widgets
import torch
from torch import nn
from torch.nn import functional as F

from helpers.controls import button, choice, grid, row
from helpers.data import FashionMNIST, check_data
from helpers.instrument import Instrument, of_this_cell
from helpers.instruments.registration import Registration, registration
from helpers.language import COMMA, NO_MESSAGE, tr
from helpers.tables import Look, one_line, page, reply

BATCH_SIZE = 256
NAMES = {"torch": torch, "nn": nn, "F": F, "SimpleNamespace": SimpleNamespace}

DRAWN = "torch.randn(784, 256) * 0.01"
PARAMETER = f"nn.Parameter({DRAWN})"
W1_CHOICES = {  # choice -> the line that stores W1
    "nn.Parameter": f"self.W1 = {PARAMETER}",
    tr("plain tensor"): f"self.W1 = {DRAWN}",
    tr("plain tensor, requires_grad=True"): f"self.W1 = ({DRAWN}).requires_grad_()",
    tr("requires_grad=True inside randn"): (
        "self.W1 = torch.randn(784, 256, requires_grad=True) * 0.01"
    ),
    tr("Parameter in a list"): f"self.Ws = [{PARAMETER}]",
    tr("Parameter in a dict"): f"self.Ws = {{'first': {PARAMETER}}}",
    tr("Parameter in a plain object"): f"self.store = SimpleNamespace(W1={PARAMETER})",
    "nn.ParameterList": f"self.Ws = nn.ParameterList([{PARAMETER}])",
    tr("buffer"): f"self.register_buffer('W1', {DRAWN})",
}
READ = {  # choice -> how forward reads W1, where it is not self.W1
    tr("Parameter in a list"): "self.Ws[0]",
    tr("Parameter in a dict"): "self.Ws['first']",
    tr("Parameter in a plain object"): "self.store.W1",
    "nn.ParameterList": "self.Ws[0]",
}
B1_CHOICES = {
    "nn.Parameter": "self.b1 = nn.Parameter(torch.zeros(256))",
    tr("frozen"): "self.b1 = nn.Parameter(torch.zeros(256), requires_grad=False)",
    tr("with a second name"): "self.b1 = self.shift = nn.Parameter(torch.zeros(256))",
}
REPLACED = "\nnet.W2 = nn.Parameter(torch.randn(256, 10) * 0.01)"
OPTIMIZER_CHOICES = {tr("made last"): "", tr("made before W2 is replaced"): REPLACED}
MODEL = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        {W1}
        {b1}
        self.W2 = nn.Parameter(torch.randn(256, 10) * 0.01)
        self.b2 = nn.Parameter(torch.zeros(10))

    def forward(self, X):
        hidden = torch.relu(X @ {read} + self.b1)
        return hidden @ self.W2 + self.b2
"""
BUILD = """\
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1){replaced}
"""
TRAIN = """\
optimizer.zero_grad()
loss = F.cross_entropy(net(X), y)
loss.backward()
optimizer.step()
"""

MENUS = {
    tr("W1 is"): (
        W1_CHOICES,
        tr("How the module stores its first weights. A change builds a new module."),
    ),
    tr("b1 is"): (
        B1_CHOICES,
        tr("What the first bias is. A change builds a new module."),
    ),
    tr("optimizer is"): (
        OPTIMIZER_CHOICES,
        tr("When the optimizer is made. A change builds a new module."),
    ),
}
STEP_BUTTON, BUILD_BUTTON = tr("train one step"), tr("rebuild")
STEP_TOOLTIP = tr("One training step on the next 256 pictures, with the code below.")
BUILD_TOOLTIP = tr("A new module and a new optimizer, from the code below.")
# The model, and beside it, where there is room, how it is built and trained.
CODE_HTML = """\
<pre style="display: flex; flex-wrap: wrap; column-gap: 24px; font-size: 11.5px; \
line-height: 1.4">\
<code style="flex: 6 1 430px; min-width: 0; font-size: inherit">{model}</code>
<code style="flex: 5 1 368px; min-width: 0; font-size: inherit">{rest}</code></pre>"""
STATUS_HTML = '<div style="line-height: 18px">{said}</div>'
BUILT = tr("Built, not trained yet. Press train one step.")
STEPPED = tr(
    "Step {step}: the loss before it was {loss:.3f}. Changed: {changed}. "
    "Unchanged: {same}."
)
NONE = tr("none")
FAILED = tr("It failed. {kind}: {text}.")
PLAIN_TEXT = tr(
    "Live X-ray: W1 is {w1}, b1 is {b1}, the optimizer is {optimizer}. In JupyterLab, "
    "run this cell, make your choices, and press train one step."
)


def registration_lab(data: FashionMNIST) -> "RegistrationLab":
    """A live X-ray of a 784-256-10 model that you build and train step by step.

    data: what `load_fashion_mnist` returns. Menus choose how W1 is stored, what b1
    is, and when the optimizer is made; a button trains one step. Returns a widget.
    Raises TypeError for other data.
    """
    check_data(data, "registration_lab(data)")
    return of_this_cell(RegistrationLab(data))


class RegistrationLab(Instrument):
    """The widget that `registration_lab` returns; `report` is the table shown."""

    report: Registration

    def __init__(self, data: FashionMNIST) -> None:
        self._train = data.train
        self._menus = [
            choice(name, list(choices), next(iter(choices)), tooltip)
            for name, (choices, tooltip) in MENUS.items()
        ]
        train = partial(self._submit, TRAIN)
        buttons = [
            button(STEP_BUTTON, "step-forward", STEP_TOOLTIP, train),
            button(BUILD_BUTTON, "undo", BUILD_TOOLTIP, self._on_choice),
        ]
        # Tall enough for the longest text, so that nothing below it moves.
        self._status = widgets.HTML(layout=widgets.Layout(min_height="48px"))
        self._table = widgets.HTML(layout=widgets.Layout(min_height="266px"))
        self._code = widgets.HTML()
        self._build(self._chosen())
        controls = grid([*self._menus, row(buttons)])
        super().__init__([controls, self._status, self._table, self._code])
        for menu in self._menus:
            menu.observe(self._on_choice, "value")

    def _chosen(self):
        return tuple(menu.value for menu in self._menus)

    def _on_choice(self, _=None):
        self._submit(self._chosen())

    def _work(self, commands):
        """On the worker's thread: what came before a new module no longer counts."""
        builds = [i for i, command in enumerate(commands) if command != TRAIN]
        for command in commands[builds[-1] if builds else 0 :]:
            self._step() if command == TRAIN else self._build(command)

    def _show_error(self, error: BaseException) -> None:
        text = one_line(error, NO_MESSAGE).split(". ")[0].rstrip(".")
        failed = FAILED.format(kind=type(error).__name__, text=text)
        self._status.value = page(reply(Look.NOT_YET, failed))
        self._announce(failed)

    def _build(self, chosen):
        w1, b1, optimizer = chosen
        model = MODEL.format(
            W1=W1_CHOICES[w1], b1=B1_CHOICES[b1], read=READ.get(w1, "self.W1")
        )
        build = BUILD.format(replaced=OPTIMIZER_CHOICES[optimizer])
        self._names = dict(NAMES)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            exec(model + build, self._names)  # what is shown is what runs
        self._steps = 0
        rest = f"{build}\n# {STEP_BUTTON}\n{TRAIN}"
        self._code.value = CODE_HTML.format(model=escape(model), rest=escape(rest))
        self._show(None)
        self._say(BUILT)

    def _step(self):
        first = self._steps * BATCH_SIZE % len(self._train)
        batch = slice(first, first + BATCH_SIZE)
        self._names |= {"X": self._train.images[batch], "y": self._train.labels[batch]}
        exec(TRAIN, self._names)
        self._steps += 1
        self._show(self.report)
        rows = self.report.rows
        self._say(
            STEPPED.format(
                step=self._steps,
                loss=self._names["loss"].item(),
                changed=COMMA.join(row.name for row in rows if row.changed) or NONE,
                same=COMMA.join(row.name for row in rows if not row.changed) or NONE,
            )
        )

    def _show(self, before):
        self.report = registration(self._names["net"], self._names["optimizer"], before)
        self._table.value = self.report._repr_html_()

    def _say(self, sentence):
        self._status.value = STATUS_HTML.format(said=escape(sentence))
        self._announce(sentence)

    def _text(self):
        w1, b1, optimizer = self._chosen()
        text = PLAIN_TEXT.format(w1=w1, b1=b1, optimizer=optimizer)
        return f"{text}\n\n{self.report}"

    def _html(self):
        return self.report._repr_html_() + self._code.value
