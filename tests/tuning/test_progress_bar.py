"""The bar that says how far a sweep is."""

import pytest

from helpers import Config
from helpers.tuning.progress_bar import ProgressBar, duration
from helpers.tuning.results import Result

CONFIGS = [Config(seed=0), Config(seed=1)]


def said(bar):
    return bar.children[1].value


def test_the_bar_counts_what_is_done_and_what_failed():
    bar = ProgressBar(CONFIGS, known=3)
    assert said(bar) == "Runs to train: 2; already known: 3."
    bar.add(Result(CONFIGS[0], "sample", 1.0, 1, val_accuracy=(0.25, 0.5)))
    assert said(bar).startswith("Runs done: 1 of 2; failed: 0. About ")
    assert said(bar).endswith(" left. Best validation accuracy so far: 0.500.")
    bar.add(Result(CONFIGS[1], "sample", 1.0, 1, ok=False))
    bar.end()
    assert said(bar).startswith("Runs done: 2 of 2; failed: 1. It took ")
    assert bar.children[0].value == 2
    bar.end("Stopped: why.")
    assert said(bar) == "Stopped: why."


def test_without_a_front_end_the_bar_is_a_line_that_stays_the_same():
    bundle, _ = ProgressBar(CONFIGS, known=0)._repr_mimebundle_()
    assert bundle["text/plain"] == "A sweep; runs to train: 2."


@pytest.mark.parametrize(
    "seconds, text", [(0.2, "1 s"), (59.5, "1 min 0 s"), (125, "2 min 5 s")]
)
def test_a_duration_is_short(seconds, text):
    assert duration(seconds) == text
