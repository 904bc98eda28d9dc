"""The course on an NVIDIA card: `.venv/bin/python tools/on_gpu.py`.

Each tool does its work there, and its figures are printed, one a line, with what is
wanted on an H100. Nothing of the learner's own is read or changed.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import nbformat
import torch

from helpers import (
    MLP,
    Config,
    as_code,
    doctor,
    lab,
    load_fashion_mnist,
    search,
    sweep,
    train,
)
from helpers.data import FashionMNIST
from helpers.tuning.kept import known_results
from helpers.tuning.shared_data import share

ROOT = Path(__file__).resolve().parent.parent
NO_CARD = "There is no NVIDIA card here that PyTorch can use, so nothing was measured."
DEVICE = "cuda"
MOST = {"table_seconds": 10, "search_seconds": 60}
VERDICT = "at most {most}: {verdict}"
Figures = Iterator[tuple[str, Any]]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds until the card has done it, what it returns)"""
    torch.cuda.synchronize()
    began = time.perf_counter()
    returned = work()
    torch.cuda.synchronize()
    return time.perf_counter() - began, returned


def trained(data: FashionMNIST) -> Figures:
    """A run, the same again, the same here, and as the lines that repeat it."""
    there = Config(device=DEVICE)
    losses = {}
    for name, config in (("first", there), ("again", there), ("cpu", Config())):
        took, steps = timed(lambda c=config: list(train(c, data, eval_every=None)))
        losses[name] = torch.tensor([step.loss for step in steps])
        yield f"train_seconds_{name}", round(took, 2)
    yield "train_repeats_itself", torch.equal(losses["first"], losses["again"])
    apart = (losses["first"] / losses["cpu"] - 1).abs()[:50].max().item()
    yield "train_first_50_losses_apart", f"{apart:.1e}"
    names = {}
    took, _ = timed(lambda: exec(as_code(there), names))
    yield "as_code_seconds", round(took, 2)
    same = torch.allclose(torch.tensor(names["losses"]), losses["first"], rtol=1e-3)
    yield "as_code_repeats_train", same


def swept(data: FashionMNIST) -> Figures:
    """The table of lesson 06, against the one that was recorded."""
    rates = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
    axes = product((8, 16, 32, 64, 128), (1, 2, 3, 4), rates, range(3))
    configs = [
        Config(num_hiddens=units, num_layers=layers, lr=lr, seed=seed, init="kaiming")
        for units, layers, lr, seed in axes
    ]
    there = [replace(config, device=DEVICE) for config in configs]
    took, runs = timed(lambda: sweep(there, data))
    yield "table_runs", len(runs)
    yield "table_seconds", round(took, 1)
    yield "table_failed", sum(run.reason.startswith("failed") for run in runs)
    known = known_results(configs, share(data))
    apart = [
        abs(run.accuracy - known[config].accuracy)
        for config, run in zip(configs, runs)
        if config in known and not known[config].stand_in and config.lr <= 0.2
    ]
    if apart:
        yield "table_apart_up_to_lr_0.2", f"{statistics.fmean(apart):.4f}"


def searched(data: FashionMNIST) -> Figures:
    """The joint search of lesson 06."""
    cells = nbformat.read(ROOT / "notebooks" / "06_search.ipynb", 4).cells
    names = {"Config": Config}
    for wanted in ("def shape(", "def optimizer(", "def joint_space("):
        exec(next(c.source for c in cells if wanted in c.source), names)

    def space(trial):
        return replace(names["joint_space"](trial), device=DEVICE)

    took, found = timed(lambda: search(space, data, 30))
    yield "search_seconds", round(took, 1)
    yield "search_epochs", found.num_epochs
    yield "search_accuracy", f"{found.accuracy:.3f}"


def looked_at(data: FashionMNIST) -> Figures:
    """The lab and the doctor."""
    shown = lab(data, "lr", device=DEVICE, num_epochs=1)

    def to_the_end():
        shown.start()
        shown.wait()

    took, _ = timed(to_the_end)
    yield "lab_seconds_an_epoch", round(took, 2)
    shown.close()
    net = MLP(784, 256, 10, seed=0).to(DEVICE)
    took, report = timed(lambda: doctor(net, data.to(DEVICE)))
    yield "doctor_seconds", round(took, 1)
    yield "doctor_says", str(report).splitlines()[0]


def wanted(name: str, figure: Any) -> str:
    """What is wanted of a figure, and whether it is met; "" for most of them."""
    if name not in MOST:
        return ""
    verdict = "met" if figure <= MOST[name] else "MISSED"
    return VERDICT.format(most=MOST[name], verdict=verdict)


def main() -> None:
    """Print all figures."""
    if not torch.cuda.is_available():
        sys.exit(NO_CARD)
    data = load_fashion_mnist()
    print("card", torch.cuda.get_device_name(), data.source)
    with tempfile.TemporaryDirectory() as home:
        os.environ["COURSE_HOME"] = home
        for part in (trained, swept, searched, looked_at):
            for name, figure in part(data):
                print(name, figure, wanted(name, figure), flush=True)


if __name__ == "__main__":
    main()
