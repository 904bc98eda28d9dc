"""Pictures of sweeps."""

import itertools

import pytest

from helpers import Config, plot_grid, plot_losses, plot_sweep
from helpers.palette import TRAIN, VAL
from helpers.tuning.results import Result, Results
from pictures import shown


@pytest.fixture
def results():
    """Two depths and three rates, two seeds each; the seeds lie 0.1 apart."""
    return Results(
        Result(
            Config(lr=lr, num_layers=depth, seed=seed),
            *("full", 1.0, 1),
            train_loss=(2.0, 1.0 - lr),
            val_loss=(2.0, 1.5),
            val_accuracy=(0.1, 0.5 + lr - 0.1 * depth + 0.1 * seed),
        )
        for lr in (0.01, 0.1, 0.3)
        for depth in (1, 2)
        for seed in (0, 1)
    )


def test_a_sweep_has_a_line_of_means_for_each_value_and_a_band(results):
    picture = plot_sweep(results, "lr", by="num_layers", text="Two depths.")
    shown(picture)
    (axes,) = picture.figure.axes
    assert axes.get_xscale() == "log"
    one, two = (line.get_ydata() for line in axes.lines)
    assert one == pytest.approx([0.46, 0.55, 0.75]) and two == pytest.approx(one - 0.1)
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (min(band), max(band)) == pytest.approx((0.41, 0.8))
    (legend,) = picture.figure.legends
    assert legend.get_title().get_text() == "num_layers"
    assert [text.get_text() for text in legend.get_texts()] == ["1", "2"]


def test_labels_of_near_values_do_not_touch():
    widths = (1, 2, 8, 10, 12, 16, 20, 24, 128, 200, 256, 300, 1024)
    runs = [
        Result(Config(num_hiddens=width), "full", 1.0, 1, val_accuracy=(0.5,))
        for width in widths
    ]
    axis = plot_sweep(Results(runs), "num_hiddens").figure.axes[0].xaxis
    axis.figure.draw_without_rendering()
    labels = [one for one in axis.get_ticklabels() if one.get_text()]
    assert [one.get_text() for one in labels][:4] == ["1", "2", "8", "12"]
    places = [one.get_window_extent() for one in labels]
    for left, right in itertools.pairwise(places):
        assert left.x1 + 3 < right.x0


def test_blue_is_training_and_orange_is_validation(results):
    groups = results.group("num_layers")
    picture = plot_losses({f"{depth} layers": groups[depth] for depth in groups}, "")
    for axes, depth in zip(picture.figure.axes, groups, strict=True):
        assert axes.get_title(loc="left") == f"loss, {depth} layers"
        assert [line.get_color() for line in axes.lines] == [TRAIN, VAL]
    (line,) = plot_sweep(groups[1], "lr").figure.axes[0].lines
    assert line.get_color() == VAL
    lines = plot_sweep(results, "lr", by="num_layers").figure.axes[0].lines
    assert not {TRAIN, VAL} & {line.get_color() for line in lines}


def test_a_grid_has_every_mean_and_frames_the_best(results):
    picture = plot_grid(results, "lr", "num_layers", "init", "One panel.")
    shown(picture)
    (axes,) = picture.figure.axes
    written = {text.get_text(): text.get_bbox_patch() for text in axes.texts}
    assert list(written) == [".46", ".55", ".75", ".36", ".45", ".65"]
    assert [text for text, frame in written.items() if frame] == [".75"]


def test_a_cell_whose_runs_failed_is_empty_and_never_the_best(results):
    settings = Config(lr=0.03), Config(num_layers=3), Config(init="zeros")
    failed = [Result(config, "full", reason="failed", ok=False) for config in settings]
    picture = plot_grid(
        Results([*failed, *results]), "lr", "num_layers", "init", "One panel."
    )
    shown(picture)
    axes, other = picture.figure.axes
    framed = [text.get_text() for text in axes.texts if text.get_bbox_patch()]
    assert len(axes.texts) == 6 and framed == [".75"] and not other.texts


def test_losses_are_drawn_for_both_kinds_of_pictures(results):
    picture = plot_losses({"all": results}, "Train falls below validation.")
    shown(picture)
    train_line, val_line = picture.figure.axes[0].lines
    assert train_line.get_ydata()[-1] < val_line.get_ydata()[-1] == 1.5
    assert list(train_line.get_xdata()) == [1, 2]
