"""`check_machine`: does everything work here, and if not, what to do."""

import importlib
import os
import platform
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any

from helpers.language import tr
from helpers.tables import Row, as_html, page

WARM_UP, MEASURED = 20, 100  # steps

PYTHON_OK = tr("Python {version} on {system}")
PYTHON_OLD = tr(
    "Python {version} is too old; install 3.11 or newer, then run make setup"
)
PACKAGE_OK = tr("{name} {version}")
PACKAGE_BROKEN = tr(
    "{name} can't be imported ({error}); run make setup, then restart the kernel"
)
WIDGETS_OK = tr("widgets: ipywidgets {ipywidgets}, anywidget {anywidget}")
WIDGETS_OK_LAB = tr(
    "widgets: JupyterLab {jupyterlab}, ipywidgets {ipywidgets}, anywidget {anywidget}"
)
WIDGETS_MISSING = tr(
    "{name} is missing, so no slider works; run %pip install {name}, then restart the "
    "kernel"
)
DATA_OK = tr("Fashion-MNIST: all 70,000 pictures, from {location}")
DATA_SAMPLE = tr(
    "Fashion-MNIST: only the bundled sample of 8,000 pictures, so figures differ; "
    "with a network, run load_fashion_mnist() again to fetch the rest"
)
DATA_BROKEN = tr("Fashion-MNIST: {error}")
CORES_OK = tr("{cores} cores, {threads} of them for PyTorch")
EPOCH_OK = tr("{seconds:.1f} s an epoch of {pictures:,} pictures (256 hidden units)")
EPOCH_SLOW = tr(
    "{seconds:.1f} s an epoch of {pictures:,} pictures (256 hidden units): slow; close "
    "other programs, or set FASHION_MNIST_ROOT=sample to learn on fewer pictures"
)
SLOW_SECONDS = 15
PAGE = tr("waiting for the kernel to answer this page")
PAGE_OK = tr("this page draws widgets, and the kernel responds")
PAGE_DEAF = tr(
    "this page draws widgets, but the kernel doesn't respond yet; if no cell is "
    "running, choose Kernel, then Restart Kernel, and run this cell again"
)
STYLE = """<style>
.machine td {white-space: normal}
.machine td:first-child {font-weight: bold}
.machine.ok td:first-child {color: color-mix(in srgb,
  var(--jp-success-color1) 80%, var(--jp-ui-font-color1))}
.machine.FIX td:first-child {color: var(--jp-error-color1)}
</style>"""


@dataclass(frozen=True)
class MachineRow:
    """One thing that was checked: fine or not, and a sentence with the fix."""

    ok: bool
    text: str

    @property
    def mark(self) -> str:
        return "ok" if self.ok else "FIX"


class MachineReport:
    """What `check_machine` found: `rows`, `ok` (are all fine?), and a table."""

    def __init__(self, rows: list[MachineRow]) -> None:
        self.rows = rows
        self.ok = all(row.ok for row in rows)

    def __str__(self) -> str:
        return "\n".join(f"{row.mark:3}  {row.text}" for row in self.rows)

    __repr__ = __str__

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict] | dict:
        bundle = {"text/plain": str(self)}
        try:
            # The page's own answer is the last row; without one, it stays text.
            drawn, metadata = _page_widget(self.rows)._repr_mimebundle_()
        except ImportError:  # a row says so already
            return bundle
        return drawn | bundle, metadata


def check_machine() -> MachineReport:
    """Check Python, PyTorch, widgets, data, cores and speed of this machine.

    Returns a report that a notebook shows as a table: each row is fine, or says what to
    do. The seconds an epoch are extrapolated from 120 training steps, about a second.
    """
    rows = [_python(), *_packages(), _widgets()]
    if all(row.ok for row in rows):
        rows += _data_and_speed()
    return MachineReport(rows)


def _python():
    fine, version = sys.version_info >= (3, 11), platform.python_version()
    sentence = PYTHON_OK if fine else PYTHON_OLD
    return MachineRow(fine, sentence.format(version=version, system=platform.system()))


def _packages():
    for name in ("torch", "torchvision"):
        try:
            found = importlib.import_module(name).__version__
            yield MachineRow(True, PACKAGE_OK.format(name=name, version=found))
        except Exception as error:  # a mixed pair raises RuntimeError
            yield MachineRow(False, PACKAGE_BROKEN.format(name=name, error=error))


def _widgets():
    # The page may come from elsewhere, as in VS Code. Only JupyterLab, if it is here,
    # needs a part of its own beside it.
    lab = _version("jupyterlab")
    names = ["ipywidgets", "anywidget"] + ["jupyterlab_widgets"] * bool(lab)
    versions = {name: _version(name) for name in names}
    for name in names:
        if not versions[name]:
            return MachineRow(False, WIDGETS_MISSING.format(name=name))
    sentence = WIDGETS_OK_LAB if lab else WIDGETS_OK
    return MachineRow(True, sentence.format(jupyterlab=lab, **versions))


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _data_and_speed():
    # Not at the top: where torch can't be imported, a row has to say so.
    import torch

    from helpers.data import load_fashion_mnist
    from helpers.training import Config, train

    try:
        data = load_fashion_mnist()
    except ValueError as error:
        yield MachineRow(False, DATA_BROKEN.format(error=error))
        return
    if data.source == "full":
        # A stored notebook should not show anybody's home directory.
        location = str(data.location).replace(str(Path.home()), "~")
        yield MachineRow(True, DATA_OK.format(location=location))
    else:
        yield MachineRow(False, DATA_SAMPLE)
    cores, threads = os.cpu_count(), torch.get_num_threads()
    yield MachineRow(True, CORES_OK.format(cores=cores, threads=threads))
    run = train(Config(num_epochs=1000), data, eval_every=None)
    for _ in islice(run, WARM_UP):
        pass
    began = time.perf_counter()
    for _ in islice(run, MEASURED):
        pass
    seconds = (time.perf_counter() - began) / MEASURED * run.steps_per_epoch
    fine = seconds < SLOW_SECONDS
    sentence = EPOCH_OK if fine else EPOCH_SLOW
    yield MachineRow(fine, sentence.format(seconds=seconds, pictures=len(data.train)))


def _page_widget(rows):
    # Not at the top: where they are missing, a row has to say so.
    import anywidget
    import traitlets

    class Page(anywidget.AnyWidget):
        _esm = (Path(__file__).parent / "machine.js").read_text("utf-8")
        html = traitlets.Unicode().tag(sync=True)
        answers = traitlets.Dict().tag(sync=True)

    cells = [Row((row.mark, row.text), f"machine {row.mark}") for row in rows]
    table = as_html((), [*cells, Row(("...", PAGE), "machine")])
    shown = Page(html=page(STYLE, table), answers={"ok": PAGE_OK, "FIX": PAGE_DEAF})
    shown.on_msg(lambda widget, *_: widget.send("heard"))
    return shown
