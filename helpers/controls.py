"""The sliders, menus and buttons of the live instruments: one look for all."""

import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

import ipywidgets as widgets

from helpers.language import tr
from helpers.model import ACTIVATIONS, INITS
from helpers.training import LR_SCHEDULES, OPTIMIZERS, as_word

# What a control offers for each field of Config: a slider for numbers, else a menu.
OPTIONS = {
    "num_hiddens": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
    "num_layers": tuple(range(1, 11)),
    "lr": (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5)
    + (1.0, 2.0, 3.0),
    "batch_size": (16, 32, 64, 128, 256, 512, 1024),
    "num_epochs": (1, 2, 3, 5, 10, 15, 20, 30),
    "sigma": (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
    + (0.1, 0.2, 0.5, 1.0),
    "momentum": (0.0, 0.5, 0.8, 0.9, 0.95, 0.99),
    "weight_decay": (0.0, 0.00001, 0.0001, 0.001, 0.01, 0.1),
    "dropout": (0.0, 0.1, 0.2, 0.3, 0.5, 0.8),
    "seed": tuple(range(10)),
    "activation": tuple(ACTIVATIONS),
    "init": INITS,
    "optimizer": tuple(OPTIMIZERS),
    "lr_schedule": LR_SCHEDULES,
}
START, PAUSE = tr("start"), tr("pause")  # the same button
NAME, ARROW, LETTER = 100, 40, 7  # pixels of a control: its name, a menu's arrow, text


def choice(
    name: str, options: Sequence[Any], value: Any, tooltip: str = ""
) -> widgets.Widget:
    """A slider for numbers in order, a switch for True and False, else a menu."""
    if isinstance(options[0], bool):
        return _switch(name, value, tooltip)
    numbers = all(isinstance(option, Real) for option in options)
    kind = widgets.SelectionSlider if numbers else widgets.Dropdown
    made = kind(
        options=_labelled(options, value),
        value=value,
        description=name,
        tooltip=tooltip,
        style={"description_width": f"{NAME}px"},
        layout=widgets.Layout(width="auto"),
    )
    made.offered = tuple(options)
    return made


def _switch(name, value, tooltip):
    layout = widgets.Layout(width="auto", margin=f"2px 2px 2px {NAME + 8}px")
    named = {"description": name, "tooltip": tooltip, "indent": False}
    return widgets.Checkbox(value, layout=layout, **named)


def choose(control: widgets.Widget, value: Any) -> None:
    """Set a field's control to `value`, also where it had no such option before."""
    menu = not isinstance(control, widgets.Checkbox)
    if menu and value not in [option for _, option in control.options]:
        control.options = _labelled(control.offered, value)
    control.value = value


def button(
    name: str, icon: str, tooltip: str, action: Callable[[], Any]
) -> widgets.Button:
    """A button that calls `action()`, on any thread, when it is pressed."""
    wide = widgets.Layout(width="auto", min_width="84px", margin="0")
    made = widgets.Button(description=name, icon=icon, tooltip=tooltip, layout=wide)
    made.on_click(lambda _: action())
    return made


def grid(controls: Iterable[widgets.Widget]) -> widgets.Box:
    """The controls in as many columns as fit, with room for a menu's longest word."""
    controls = list(controls)
    menus = [one for one in controls if isinstance(one, widgets.Dropdown)]
    names = [int(menu.style.description_width.removesuffix("px")) for menu in menus]
    words = [max(len(label) for label, _ in menu.options) for menu in menus]
    widths = (name + ARROW + LETTER * word for name, word in zip(names, words))
    wide = max([262, *widths])
    columns = f"repeat(auto-fit, minmax({wide}px, 1fr))"
    layout = {"display": "grid", "grid_template_columns": columns, "grid_gap": "0 16px"}
    made = widgets.Box(controls, layout=layout)
    made.add_class("course-controls")
    return made


def row(buttons: Iterable[widgets.Button]) -> widgets.Box:
    """Buttons side by side, on a second line where there is no room."""
    layout = {"flex_flow": "row wrap", "grid_gap": "4px"}
    made = widgets.Box(list(buttons), layout=layout)
    made.add_class("course-buttons")
    return made


def _labelled(options: Sequence[Any], value: Any) -> list[tuple[str, Any]]:
    """(label, option) pairs, with `value` among them: in its place, or at the end."""
    options = list(options)
    if value not in options:
        options.append(value)
        if isinstance(options[0], Real):
            options.sort(key=lambda one: one if isinstance(one, Real) else math.inf)
    labels = (f"{one:g}" if isinstance(one, float) else as_word(one) for one in options)
    return list(zip(labels, options))
