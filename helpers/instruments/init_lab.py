"""The init lab: drag how the weights begin, and see every layer at once."""

from dataclasses import replace
from html import escape

import ipywidgets as widgets

from helpers.controls import button, control, grid
from helpers.data import check_data
from helpers.instrument import Instrument, open_in_cell
from helpers.instruments.layers import (
    BINS,
    COLOURS,
    DEAD,
    FIRST_LOSS,
    HIGH,
    LOW,
    TICK,
    measure_layers,
    place,
)
from helpers.live import Lab
from helpers.training import Config, Run, no_such_field

BATCH = 256  # pictures
SHAPE_WIDTH, BAR_WIDTH, HEIGHT = 96, 128, 22  # pixels

CONTROLS = {
    "init": "How the weights begin.",
    "sigma": "Spread of the first weights (normal), or their value (constant).",
    "num_layers": "Number of hidden layers.",
    "num_hiddens": "Units in each hidden layer.",
    "activation": "Function after each hidden layer.",
    "seed": "Seed of the first weights.",
}
TRAINING_CONTROLS = ("lr", "num_epochs")
# The headers of the table; the share of dead units has its own, DEAD.
LAYER, ACTIVATIONS, GRADIENTS, SPREAD = "layer", "activations", "gradients", "spread"
TRAIN = "train it"
TRAIN_TOOLTIP = "Train exactly this network, in a lab that opens below."

LEGEND = (
    "One forward and one backward pass on {count} training pictures, no training. "
    "The gradients are those of the loss with respect to the weights W1, W2, ... "
    "A histogram reaches 3 spreads to both sides of its mean; a bar shows the spread "
    "(standard deviation) itself, on an axis of powers of ten."
)
DEAD_LEGEND = {
    "relu": "A dead unit outputs 0 for every picture of the batch.",
    "tanh": "An output is saturated within 0.01 of \u22121 or 1, where tanh is flat.",
    "sigmoid": "An output is saturated within 0.01 of 0 or 1, where sigmoid is flat.",
}
NO_SIGMA = "The init {init} does not use sigma."
SHOWN = "Init lab at {config}. {status} The first loss is {loss:.2f}."
HOW_TO = "In JupyterLab, run this cell, then move a slider."
FAILED = "This network could not be measured. {kind}: {text}"

STYLE = """<style>
.w1layers {overflow-x: auto; width: 0; min-width: 100%;
  color: var(--jp-ui-font-color1, #222);
  font-size: 13px; line-height: 1.4}
.w1layers table {border-collapse: collapse; table-layout: fixed; width: 806px;
  margin: 6px 0; font-variant-numeric: tabular-nums}
.w1layers th, .w1layers td {padding: 0 4px; text-align: right; height: 22px;
  white-space: nowrap; font-weight: normal}
.w1layers thead th {text-align: left; vertical-align: bottom; font-weight: 600}
.w1layers thead th.right {text-align: right}
.w1layers svg {display: block; overflow: visible}
.w1layers line {stroke: var(--jp-border-color2, #ccc)}
.w1layers text {fill: var(--jp-ui-font-color2, #666); font-size: 9px;
  text-anchor: middle}
.w1layers p {margin: 2px 0; max-width: min(806px, 100%)}
.w1layers .status {min-height: 2.8em; font-size: 14px; font-weight: 600}
.w1layers .note {color: var(--jp-ui-font-color2, #666); font-size: 12px}
</style>"""
PAGE = """{style}<div class="w1layers"><p class="status" role="status">{status}</p>
<p>{loss}</p><table><colgroup><col style="width:52px"><col style="width:104px">
<col style="width:136px"><col style="width:70px"><col style="width:88px">
<col style="width:46px"><col style="width:104px"><col style="width:136px">
<col style="width:70px"></colgroup><thead><tr><th>{layer}</th><th>{activations}</th>
<th>{axis}</th><th class="right">{spread}</th><th class="right">{dead}</th><th></th>
<th>{gradients}</th><th>{axis}</th><th class="right">{spread}</th></tr></thead>
<tbody>{rows}</tbody></table><p class="note">{legend}</p></div>"""
SENTENCE = '{style}<div class="w1layers"><p class="status">{text}</p></div>'
SVG = '<svg aria-hidden="true" width="{width}" height="{height}">{inside}</svg>'
TICKS = {
    power: BAR_WIDTH * (power - LOW) / (HIGH - LOW)
    for power in range(LOW, HIGH + 1, TICK)
}
GRID = "".join(f'<line x1="{x:g}" x2="{x:g}" y2="{HEIGHT}"/>' for x in TICKS.values())
LABELS = "".join(
    f'<text x="{x:g}" y="10">{f"1e{power}" if power else 1}</text>'
    for power, x in TICKS.items()
)
AXIS = SVG.format(width=BAR_WIDTH, height=14, inside=LABELS)


def init_lab(data, **defaults):
    """A live view of what the first weights do to each layer, before any training.

    data: what `load_fashion_mnist` returns. defaults: the first setting, as fields
    of `Config`; those without a control here, such as lr, hold for the button that
    trains the network. Each layer's activations, the gradients of its weights, its
    dead units and the first loss come from one pass forward and one back over 256
    training pictures.

    Returns a widget. `layers` is what it shows, a `Layers`; `update(sigma=0.1)` shows
    another setting at once; `wait()` returns when it shows what the controls say;
    `training` is the lab that the button has opened, or None; `close()` removes it.
    Raises TypeError or ValueError with one sentence for what it can't use.
    """
    check_data(data, "init_lab(data)")
    _check_fields(defaults)
    return open_in_cell(lambda: InitLab(data, Config(**defaults)))


class InitLab(Instrument):
    """The widget that `init_lab` returns."""

    def __init__(self, data, config):
        self.config = config
        self.training = None
        self._data = data
        self._controls = [
            control(name, getattr(config, name), tooltip)
            for name, tooltip in CONTROLS.items()
        ]
        self._report = widgets.HTML()
        self._button = button(TRAIN, "play", TRAIN_TOOLTIP, lambda: self._submit(TRAIN))
        self._button.layout.align_self = "flex-start"
        self._below = widgets.VBox()
        self.update()
        super().__init__(
            [grid(self._controls), self._report, self._button, self._below]
        )
        for one in self._controls:
            one.observe(self._on_control, "value")

    def update(self, **changes):
        """Measure and show the setting with these changes, on this thread.

        changes: fields of `Config`. Raises ValueError with one sentence.
        """
        _check_fields(changes)
        config = replace(self.config, **changes)
        run = Run(config, self._data)  # not begun: the network that TRAIN would train
        train = run.data.train
        self.layers = measure_layers(
            run.net, train.images[:BATCH], train.labels[:BATCH]
        )
        self.config = config
        self._report.value = _page(self.layers, config)

    def _shown(self):
        return SHOWN.format(
            config=self.config, status=self.layers.status, loss=self.layers.loss
        )

    def _text(self):
        return f"{self._shown()} {HOW_TO}"

    def _picture(self):
        return self.layers.picture(self._shown())

    def _on_control(self, change):
        self._submit({one.description: one.value for one in self._controls})

    # On the worker's thread.

    def _work(self, commands):
        try:
            changes = [command for command in commands if command != TRAIN]
            if changes:
                self.update(**changes[-1])
            if TRAIN in commands:
                self._train()
        except Exception as error:  # anything, from the learner's own init
            text = " ".join(str(error).split())
            if not isinstance(error, ValueError):
                text = FAILED.format(kind=type(error).__name__, text=text)
            self._report.value = SENTENCE.format(style=STYLE, text=escape(text))

    def _train(self):
        if self.training:
            self.training.close()
        self.training = Lab(self._data, TRAINING_CONTROLS, self.config)
        self._below.children = [self.training]
        self.training.start()


def _check_fields(names):
    for name in names:
        if name not in Config.__dataclass_fields__:
            raise ValueError(no_such_field(name))


def _page(layers, config):
    rows = []
    for number, layer in enumerate(layers.layers, start=1):
        cells = [
            *_cells(layer.activations, COLOURS["activations"]),
            "" if layer.dead is None else f"{layer.dead:.0%}",
            f"W{number}",
            *_cells(layer.gradients, COLOURS["gradients"]),
        ]
        cells = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{layer.name}</th>{cells}</tr>')
    legend = [LEGEND.format(count=BATCH), DEAD_LEGEND[layers.activation]]
    if config.init not in ("normal", "constant") and not callable(config.init):
        legend.append(NO_SIGMA.format(init=config.init))
    return PAGE.format(
        style=STYLE,
        status=layers.status,
        loss=FIRST_LOSS.format(loss=layers.loss),
        axis=AXIS,
        layer=LAYER,
        activations=ACTIVATIONS,
        gradients=GRADIENTS,
        spread=SPREAD,
        dead=DEAD[layers.activation],
        rows="".join(rows),
        legend=" ".join(legend),
    )


def _cells(values, colour):
    """The histogram, the bar and the spread as HTML."""
    step, floor = SHAPE_WIDTH / BINS, HEIGHT - 2
    path = "".join(f"V{floor - 17 * high:.1f}h{step:g}" for high in values.shape)
    shape = f'<path fill="{colour}" d="M0 {floor}{path}V{floor}z"/>'
    shape += f'<line x1="0" x2="{SHAPE_WIDTH}" y1="{floor}" y2="{floor}"/>'
    length = BAR_WIDTH * place(values.spread)
    bar = f'<rect y="6" width="{length:.1f}" height="11" fill="{colour}"/>'
    return (
        SVG.format(width=SHAPE_WIDTH, height=HEIGHT, inside=shape),
        SVG.format(width=BAR_WIDTH, height=HEIGHT, inside=GRID + bar),
        f"{values.spread:.2g}",
    )
