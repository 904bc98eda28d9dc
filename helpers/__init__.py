"""The course's own tools. Notebooks import from here and nothing deeper."""

import os
import sys
from importlib import import_module
from typing import Any

from helpers import waiting
from helpers.language import COMMA, tr

# PyTorch's threads wait for each other by spinning. If another program wants the
# core, that can make an epoch 20 times as long; a short spin costs 15 % at most.
# PyTorch reads this when it is first imported, so import helpers first.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Before anything that takes long to load.
if "IPython" in sys.modules:
    waiting.watch_cells(sys.modules["IPython"].get_ipython())

# The map: what each module gives. It is loaded when it is first used, so that
# `import helpers` is quick and a lesson pays only for what it shows.
_NAMES = {
    # The core: data, model, training, and a run as code, picture and lab.
    "data": ("load_fashion_mnist",),
    "model": ("MLP",),
    "training": ("Config", "evaluate", "train"),
    "script": ("as_code",),
    "plots": ("plot_columns", "plot_confusion", "plot_curves", "plot_pictures"),
    "live": ("lab",),
    "machine": ("check_machine",),
    # Instruments: what looks into a model.
    "instruments.measure_layers": ("measure_layers",),
    "instruments.layer_plots": ("plot_histograms", "plot_layers"),
    "instruments.init_lab": ("init_lab",),
    "instruments.trace_shapes": ("trace_shapes",),
    "instruments.shapes_lab": ("shapes_lab",),
    "instruments.registration": ("registration",),
    "instruments.registration_lab": ("registration_lab",),
    "instruments.doctor": ("doctor",),
    # Tuning: many trainings.
    "tuning.sweep": ("sweep",),
    "tuning.grid_lab": ("grid_lab",),
    "tuning.sweep_plots": ("plot_grid", "plot_losses", "plot_sweep"),
    "tuning.search": ("search",),
    "tuning.study_plot": ("plot_study",),
    "tuning.race": ("race",),
    "tuning.race_plot": ("plot_races",),
    # Exercises: what the course asks of a learner.
    "exercises.predict": ("predict", "reveal"),
    "exercises.check": ("check", "hint", "progress", "solution"),
}
NOT_THERE = tr("helpers has no {name!r}; it has: {known}")
# What the core calls of a wing is handed to it: module -> name.
_HANDED = {"live": "doctor"}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(NOT_THERE.format(name=name, known=COMMA.join(__all__)))
    module = import_module(f"helpers.{_MODULE_OF[name]}")
    if handed := _HANDED.get(_MODULE_OF[name]):
        # It is loaded when it is called.
        setattr(
            module, handed, lambda *given, **named: __getattr__(handed)(*given, **named)
        )
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
