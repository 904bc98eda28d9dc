"""The course's own tools. Notebooks import from here and nothing deeper."""

import os
from importlib import import_module

# PyTorch's two threads wait for each other by spinning. Where another program
# wants the core, that can make an epoch 20 times as long; a short spin costs
# 15 % at most. It is read when torch is first imported, so import helpers first.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Each name is loaded when it is first used, so that `import helpers` is quick
# and a lesson pays only for what it shows.
_HOME = {
    "load_fashion_mnist": "data",
    "MLP": "model",
    "Config": "training",
    "evaluate": "training",
    "train": "training",
    "as_code": "script",
    "plot_columns": "plots",
    "plot_confusion": "plots",
    "plot_curves": "plots",
    "plot_grid": "plots",
    "plot_losses": "plots",
    "plot_pictures": "plots",
    "plot_sweep": "plots",
    "plot_races": "plots",
    "plot_study": "plots",
    "lab": "live",
    "init_lab": "initlab",
    "measure_layers": "layers",
    "plot_histograms": "layers",
    "plot_layers": "layers",
    "check_machine": "machine",
    "sweep": "sweeps",
    "search": "studies",
    "race": "races",
    "trace_shapes": "shapes",
    "shapes_lab": "shapes.live",
    "doctor": "diagnosis",
    "predict": "predictions",
    "check": "exercises",
    "hint": "exercises",
    "progress": "exercises",
    "solution": "exercises",
    "reveal": "predictions",
    "registration": "xray",
    "registration_lab": "xray.live",
}

__all__ = list(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"helpers has no {name!r}; it has: {', '.join(__all__)}")
    value = getattr(import_module(f"helpers.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
