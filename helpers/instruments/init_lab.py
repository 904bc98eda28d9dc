"""The init lab: change how the weights start, and see every layer at once."""

from dataclasses import replace
from typing import Any

import ipywidgets as widgets

from helpers.controls import OPTIONS, button, choice, grid
from helpers.data import FashionMNIST, check_data
from helpers.instrument import Instrument, of_this_cell
from helpers.instruments import layer_values
from helpers.instruments.layer_values import ABOVE, BINS, HIGH, LOW, TICK
from helpers.instruments.measure_layers import DEAD, FIRST_LOSS, Layers, measure_layers
from helpers.language import NO_MESSAGE, SPACE, tr
from helpers.live import Lab
from helpers.plots import Picture
from helpers.tables import Html, Look, Row, as_html, one_line, page, reply
from helpers.training import Config, Run

BATCH = 256  # pictures
HEIGHT = 22  # pixels of a histogram and of a bar

CONTROLS = {
    "init": tr("How the weights start."),
    "sigma": tr("Spread of the first weights (normal), or their value (constant)."),
    "num_layers": tr("Number of hidden layers."),
    "num_hiddens": tr("Units in each hidden layer."),
    "activation": tr("Function after each hidden layer."),
    "seed": tr("Seed of the first weights."),
}
TRAINING_CONTROLS = ("lr", "num_epochs")
# The headers of the table; the share of dead units has its own, DEAD.
LAYER_COLUMN, OUTPUTS_COLUMN = tr("layer"), tr("activations")
GRADIENTS_COLUMN, SPREAD_COLUMN = tr("gradients"), tr("spread")
TRAIN = tr("train it")
TRAIN_TOOLTIP = tr("Train exactly this network, in a lab that opens below.")
OPENING = tr(
    "A lab opens here after the first training steps, which take a while in a large "
    "network."
)

LEGEND = tr(
    "One forward and one backward pass on {count} training pictures, without training. "
    "The gradients are of the loss with respect to the weights W1, W2, ... A histogram "
    "reaches 3 spreads to either side of its mean; a bar shows the spread (standard "
    "deviation) on an axis of powers of ten. An arrow marks a spread that is off it."
)
DEAD_LEGEND = {
    "relu": tr("A dead unit outputs 0 for every picture of the batch."),
    "tanh": tr(
        "An output is saturated within 0.01 of \u22121 or 1, where tanh is flat."
    ),
    "sigmoid": tr(
        "An output is saturated within 0.01 of 0 or 1, where sigmoid is flat."
    ),
}
NO_SIGMA = tr("The init {init} does not use sigma.")
SHOWN = tr("Init lab at {config}. {status} The first loss is {loss:.2f}.")
HOW_TO = tr("In JupyterLab, run this cell, then move a slider.")
FAILED = tr("This network could not be measured. {kind}: {text}")

# Cells of fixed widths, so that nothing jumps while a slider moves.
STYLE = f"""<style>
.layers {{font-size: 13px; line-height: 1.4}}
.course .layers th, .course .layers td {{padding: 0 4px !important; height: 22px}}
.course .layers th:nth-child(5) {{padding-left: 12px !important}}
.course .layers td:nth-child(6) {{padding-left: 20px !important; min-width: 2.5em}}
.layers .number {{display: inline-block; width: 5.5em; text-align: right;
  white-space: nowrap}}
.layers svg {{display: block; overflow: visible; height: {HEIGHT}px; max-width: none}}
.layers .histogram {{width: 96px}}
.layers .bar, .layers .axis {{width: 128px}}
.layers .axis {{height: 14px}}
.layers td:nth-child(3), .layers td:nth-child(8) {{padding-right: 12px !important}}
.layers line {{stroke: var(--jp-border-color2, #ccc)}}
.layers text {{fill: var(--jp-ui-font-color2, #666); font-size: 9px;
  font-weight: normal; text-anchor: middle}}
.layers .axis text:last-child {{text-anchor: end}}
.layers .beyond {{fill: var(--jp-ui-font-color1, #222); font-size: 12px}}
.layers .status {{min-height: 2.8em; font-size: 14px; font-weight: 600}}
.layers .note {{color: var(--jp-ui-font-color2, #666); font-size: 12px}}
@container (max-width: 880px) {{
  .layers .histogram {{width: 64px}}
  .layers .bar, .layers .axis {{width: 104px}}
  .layers .axis text:first-child {{text-anchor: start}}
  .layers .axis text:nth-child(2n) {{display: none}}
}}
@container (max-width: 720px) {{
  .layers .number {{width: 4.5em}}
  .layers .histogram {{width: 40px}}
  .layers .bar, .layers .axis {{width: 72px}}
  .layers .axis text:nth-child(3) {{display: none}}
  .course .layers th, .course .layers td {{padding: 0 2px !important; font-size: 12px}}
  .layers td:nth-child(3), .layers td:nth-child(8) {{padding-right: 8px !important}}
  .course .layers td:nth-child(6) {{padding-left: 6px !important; min-width: 2em}}
}}
</style>"""
STATUS = '<p class="status">{text}</p>'
SVG = '<svg aria-hidden="true" class="{kind}" {more}>{inside}</svg>'
GRID = LABELS = ""
for power in range(LOW, HIGH + 1, TICK):
    x = f"{100 * (power - LOW) / (HIGH - LOW):g}%"
    GRID += f'<line x1="{x}" x2="{x}" y2="{HEIGHT}"/>'
    LABELS += f'<text x="{x}" y="10">{f"1e{power}" if power else 1}</text>'
AXIS = Html(SVG.format(kind="axis", more="", inside=LABELS))
# Beside the end of the axis, where a spread is off it.
BEYOND = '<text class="beyond" x="{x}%" dx="{dx}" y="16">{arrow}</text>'


def init_lab(data: FashionMNIST, **defaults: Any) -> "InitLab":
    """A live view of what the first weights do to each layer, before any training.

    data: what `load_fashion_mnist` returns. defaults: the first setting, as fields
    of `Config`; those without a control here, such as lr, apply when the button trains
    the network.

    Returns a widget. `layers` is what it shows, a `Layers`; `update(sigma=0.1)` shows
    another setting at once; `wait()` returns when it shows what the controls say, and
    raises what went wrong; `training` is the lab that the button has opened, or None;
    `close()` removes it. Raises TypeError or ValueError with one sentence for what it
    can't use.
    """
    check_data(data, "init_lab(data)")
    Config.check_fields(defaults)
    return of_this_cell(InitLab(data, Config(**defaults)))


class InitLab(Instrument):
    """The widget that `init_lab` returns."""

    def __init__(self, data: FashionMNIST, config: Config) -> None:
        self.config = config
        self.training: Lab | None = None
        self._data = data
        # Before any widget is made: a learner's own init may raise.
        self.layers: Layers = _measure(data, config)
        self._controls = [
            choice(name, OPTIONS[name], getattr(config, name), tooltip)
            for name, tooltip in CONTROLS.items()
        ]
        self._report = widgets.HTML(_page(_shown(self.layers, config)))
        self._button = button(TRAIN, "play", TRAIN_TOOLTIP, lambda: self._submit(TRAIN))
        self._button.layout.align_self = "flex-start"
        self._opening = widgets.HTML(OPENING)
        self._opening.layout.display = "none"
        self._below = widgets.VBox([self._button, self._opening])
        self._below.add_class("course-opens")
        controls = grid(self._controls)
        super().__init__([controls, self._report, self._below])
        for one in self._controls:
            one.observe(self._on_control, "value")

    def update(self, **changes: Any) -> None:
        """Measure and show the setting with these changes, on this thread.

        changes: fields of `Config`. Raises ValueError with one sentence.
        """
        Config.check_fields(changes)
        config = replace(self.config, **changes)
        self.layers = _measure(self._data, config)
        self.config = config
        self.error = None
        self._report.value = _page(_shown(self.layers, config))
        self._announce(self._summary())

    def _summary(self) -> str:
        status, loss = self.layers.status, self.layers.loss
        return SHOWN.format(config=self.config, status=status, loss=loss)

    def _text(self) -> str:
        return f"{self._summary()}{SPACE}{HOW_TO}"

    def _picture(self) -> Picture:
        return layer_values.draw_layers(self.layers.layers, self._summary())

    def _on_control(self, _):
        self._submit({one.description: one.value for one in self._controls})

    def _work(self, commands: list) -> None:
        """Measure the newest setting, and train it if the button was pressed."""
        changes = [command for command in commands if command != TRAIN]
        if changes:
            self.update(**changes[-1])
        if TRAIN in commands:
            if self.training:
                self.training.close()
            self._below.children = [self._button, self._opening]
            self._opening.layout.display = "block"
            self._announce(OPENING)
            self.training = Lab(self._data, TRAINING_CONTROLS, self.config)
            self._opening.layout.display = "none"
            self._below.children = [self._button, self._opening, self.training]
            self.training.start()

    def _show_error(self, error: BaseException) -> None:
        text = one_line(error, NO_MESSAGE)
        if not isinstance(error, ValueError):
            text = FAILED.format(kind=type(error).__name__, text=text)
        self._report.value = page(reply(Look.NOT_YET, text))
        self._announce(text)


def _measure(data, config):
    run = Run(config, data)  # not started: the network that TRAIN would train
    train = run.data.train
    return measure_layers(run.net, train.images[:BATCH], train.labels[:BATCH])


def _page(inside):
    return page(STYLE, f'<div class="layers">{inside}</div>')


def _shown(layers, config):
    spread, dead = _number(SPREAD_COLUMN), _number(DEAD[layers.activation])
    header = (LAYER_COLUMN, OUTPUTS_COLUMN, AXIS, spread, dead)
    header += ("", GRADIENTS_COLUMN, AXIS, spread)
    rows = []
    for number, layer in enumerate(layers.layers, start=1):
        activations = _cells(layer.activations, "activations")
        gradients = _cells(layer.gradients, "gradients")
        share = _number("" if layer.dead is None else f"{layer.dead:.0%}")
        cells = [layer.name, *activations, share, f"W{number}", *gradients]
        rows.append(Row(cells, named=True))
    legend = [LEGEND.format(count=BATCH), DEAD_LEGEND[layers.activation]]
    if config.init not in ("normal", "constant") and not callable(config.init):
        legend.append(NO_SIGMA.format(init=config.init))
    status = STATUS.format(text=layers.status)
    loss = FIRST_LOSS.format(loss=layers.loss)
    note = f'<p class="note">{SPACE.join(legend)}</p>'
    return f"{status}<p>{loss}</p>{as_html(header, rows)}{note}"


def _cells(values, side):
    """The histogram, the bar and the spread as HTML."""
    floor = HEIGHT - 2
    path = "".join(f"V{floor - 17 * high:.1f}h1" for high in values.heights)
    fill = f'fill="var(--course-{side})"'
    shape = f'<path {fill} d="M0 {floor}{path}V{floor}z"/>'
    shape += f'<line x1="0" x2="{BINS}" y1="{floor}" y2="{floor}"/>'
    box = f'viewBox="0 0 {BINS} {HEIGHT}" preserveAspectRatio="none"'
    length = 100 * layer_values.place(values.spread)
    bar = f'<rect y="6" width="{length:.1f}%" height="11" {fill}/>'
    if off := layer_values.beyond(values.spread):
        x, dx = (100, 7) if off == ABOVE else (0, -5)
        bar += BEYOND.format(x=x, dx=dx, arrow=off)
    return (
        Html(SVG.format(kind="histogram", more=box, inside=shape)),
        Html(SVG.format(kind="bar", more="", inside=GRID + bar)),
        _number(layer_values.short(values.spread)),
    )


def _number(text):
    return Html(f'<span class="number">{text}</span>')
