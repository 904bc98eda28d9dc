"""The bar that says how far a sweep is."""

import pytest

from helpers import Config
from helpers.tuning.progress_bar import SweepBar, duration
from helpers.tuning.results import Result

CONFIGS = [Config(seed=0), Config(seed=1)]
RUNS = [Result(config, "sample") for config in CONFIGS]


def said(bar):
    return bar.children[1].value


def run(config, *accuracies, **fields):
    """What a run has come to after these accuracies."""
    return Result(config, "sample", 1.0, 1, val_accuracy=accuracies, **fields)


def test_the_bar_counts_what_is_done_and_what_failed():
    bar = SweepBar(RUNS, known=3)
    assert said(bar).startswith("Runs to train: 2; already known: 3.")
    bar.add(run(CONFIGS[0], 0.25, 0.5, reason="done"))
    assert said(bar).startswith("Runs done: 1 of 2; failed: 0; epochs: 2. About ")
    assert said(bar).endswith(" left. Best validation accuracy so far: 0.500.")
    bar.add(run(CONFIGS[1], reason="failed", ok=False))
    bar.end()
    assert said(bar).startswith("Runs done: 2 of 2; failed: 1. It took ")
    assert bar.children[0].value == pytest.approx(bar.children[0].max)
    bar.end("Stopped: why.")
    assert said(bar) == "Stopped: why."


def test_the_bar_moves_with_each_epoch_before_the_first_run_is_over():
    bar = SweepBar(RUNS, known=0)
    filled = [bar.children[0].value]
    for epoch in range(1, 3):
        for config in CONFIGS:
            bar.add(run(config, *[0.1 * epoch] * epoch))
            filled.append(bar.children[0].value)
    assert filled == sorted(set(filled)) and filled[-1] < bar.children[0].max
    assert said(bar).startswith("Runs done: 0 of 2; failed: 0; epochs: 4. About ")
    assert said(bar).endswith(" so far: 0.200.")
    bar.add(run(CONFIGS[0], *[0.3] * 3, reason="done"))
    assert said(bar).startswith("Runs done: 1 of 2; failed: 0; epochs: 5. About ")


def test_the_bar_moves_within_an_epoch_and_says_how_long_it_takes():
    bar = SweepBar(RUNS, known=0)
    bar.move(CONFIGS, 0.5)
    half = bar.children[0].value
    assert said(bar).startswith("Runs done: 0 of 2; failed: 0; epochs: 0. About ")
    for config in CONFIGS:
        bar.add(run(config, 0.1))
    assert half == pytest.approx(bar.children[0].value / 2)


def test_the_best_so_far_never_falls():
    bar = SweepBar([run(CONFIGS[0], 0.1, 0.4, 0.2)], known=0)
    bar.add(run(CONFIGS[0], 0.1, 0.4, 0.2, 0.3))
    assert said(bar).endswith(" so far: 0.400.")
    bar.add(run(CONFIGS[0], 0.1, 0.4, 0.2, 0.3, 0.8))
    bar.add(run(CONFIGS[0], 0.1, 0.4, 0.2, 0.3, 0.8, 0.7))
    assert said(bar).endswith(" so far: 0.800.")


def test_the_time_left_goes_by_what_was_trained_since_it_began():
    class AfterTenSeconds(SweepBar):
        def _spent(self):
            return 10

    bar = AfterTenSeconds([run(CONFIGS[0], *[0.1] * 8)], known=0)
    assert bar.children[0].value == pytest.approx(0.8 * bar.children[0].max)
    bar.add(run(CONFIGS[0], *[0.1] * 9))
    assert "epochs: 9. About 10 s left." in said(bar)


def test_without_a_front_end_the_bar_is_a_line_that_stays_the_same():
    bundle, _ = SweepBar(RUNS, known=0)._repr_mimebundle_()
    assert bundle["text/plain"] == "A sweep; runs to train: 2."


@pytest.mark.parametrize(
    "seconds, text", [(0.2, "1 s"), (59.5, "1 min 0 s"), (125, "2 min 5 s")]
)
def test_a_duration_is_short(seconds, text):
    assert duration(seconds) == text
