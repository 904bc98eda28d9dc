"""The sliders, menus and buttons of the live instruments: one look for all."""

import math

import ipywidgets as widgets

from helpers.model import ACTIVATIONS, INITS
from helpers.training import LR_SCHEDULES, OPTIMIZERS

SLIDERS = {
    "num_hiddens": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
    "num_layers": tuple(range(1, 11)),
    "lr": (
        *(0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05),
        *(0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0),
    ),
    "batch_size": (16, 32, 64, 128, 256, 512, 1024),
    "num_epochs": (1, 2, 3, 5, 10, 15, 20, 30),
    "sigma": (
        *(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02),
        *(0.05, 0.1, 0.2, 0.5, 1.0),
    ),
    "momentum": (0.0, 0.5, 0.8, 0.9, 0.95, 0.99),
    "weight_decay": (0.0, 0.00001, 0.0001, 0.001, 0.01, 0.1),
    "dropout": (0.0, 0.1, 0.2, 0.3, 0.5, 0.8),
    "seed": tuple(range(10)),
}
MENUS = {
    "activation": tuple(ACTIVATIONS),
    "init": INITS,
    "optimizer": tuple(OPTIMIZERS),
    "lr_schedule": LR_SCHEDULES,
}


def control(name, value, tooltip=""):
    """A slider or a menu for one field of Config, set to `value`."""
    kind = widgets.SelectionSlider if name in SLIDERS else widgets.Dropdown
    return kind(
        options=_options(name, value),
        value=value,
        description=name,
        tooltip=tooltip,
        style={"description_width": "100px"},
        layout=widgets.Layout(width="auto"),
    )


def choose(control, value):
    """Set a control to `value`, also where it had no such choice before."""
    if value not in [choice for _, choice in control.options]:
        control.options = _options(control.description, value)
    control.value = value


def button(name, icon, tooltip, action):
    """A button that calls `action()`, on any thread, when it is pressed."""
    made = widgets.Button(
        description=name,
        icon=icon,
        tooltip=tooltip,
        layout=widgets.Layout(width="auto", min_width="106px"),
    )
    made.on_click(lambda _: action())
    return made


def grid(controls):
    """The controls in as many columns as fit."""
    return widgets.Box(
        list(controls),
        layout=widgets.Layout(
            display="grid",
            grid_template_columns="repeat(auto-fill, minmax(350px, 1fr))",
            grid_gap="0 16px",
        ),
    )


def _options(name, value):
    """(label, value) pairs for a slider or a menu, with `value` among them."""
    choices = list(SLIDERS.get(name) or MENUS[name])
    if value not in choices:
        choices.append(value)
        if name in SLIDERS:
            choices.sort(key=lambda choice: choice if _is_plain(choice) else math.inf)
    return [(_label(choice), choice) for choice in choices]


def _is_plain(choice):
    return not isinstance(choice, tuple)


def _label(choice):
    if callable(choice):
        return getattr(choice, "__name__", "your own")
    if isinstance(choice, tuple):
        return "-".join(map(str, choice))
    return f"{choice:g}" if isinstance(choice, float) else str(choice)
