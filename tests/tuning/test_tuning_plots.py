"""Pictures of sweeps, races and studies."""

import base64
import io
import warnings

import optuna
import pytest
from PIL import Image

from helpers import (
    Config,
    plot_grid,
    plot_losses,
    plot_sweep,
)
from helpers.tuning.race import Race, Races, Step
from helpers.tuning.race_plot import plot_races
from helpers.tuning.study_plot import plot_study
from helpers.tuning.sweep import Result, Results


def shown(picture):
    """The picture as a notebook gets it, after checks that hold for all."""
    bundle, metadata = picture._repr_mimebundle_()
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == picture.text
    return Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))


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
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["num_layers 1", "num_layers 2"]


def test_a_grid_has_every_mean_and_frames_the_best(results):
    picture = plot_grid(results, "lr", "num_layers", "init", "One panel.")
    shown(picture)
    (axes,) = picture.figure.axes
    written = {text.get_text(): text.get_bbox_patch() for text in axes.texts}
    assert list(written) == [".46", ".55", ".75", ".36", ".45", ".65"]
    assert [text for text, frame in written.items() if frame] == [".75"]


def test_losses_are_drawn_for_both_kinds_of_pictures(results):
    picture = plot_losses({"all": results}, "Train falls below validation.")
    shown(picture)
    train_line, val_line = picture.figure.axes[0].lines
    assert train_line.get_ydata()[-1] < val_line.get_ydata()[-1] == 1.5
    assert list(train_line.get_xdata()) == [1, 2]


def race(strategy, seed, *steps):
    """A race whose best so far changes at (epochs spent, true score)."""
    steps = [Step(spent, score, score, 0.1, 1, 8, 4) for spent, score in steps]
    return Race(strategy, seed, 5, tuple(steps))


def test_races_are_drawn_best_first_each_with_its_own_look():
    rows = [
        race("random", 0, (5, 0.7), (40, 0.86)),
        race("random", 1, (9, 0.84)),
        race("TPE", 0, (4, 0.8), (50, 0.88)),
        race("TPE", 1, (6, 0.88)),
        race("grid", 0, (7, 0.8)),
    ]
    picture = plot_races(Races(rows, 0.89, 100))
    shown(picture)
    assert "TPE 0.8800, random 0.8500, grid 0.8000. The table's best" in picture.text
    left, right = picture.figure.axes
    lines = {line.get_label(): line for line in left.lines}
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        *("TPE", "random", "grid")
    ]
    assert lines["TPE"].get_ydata()[[49, 99]] == pytest.approx([0.88, 0.88])
    assert lines["random"].get_ydata()[38:40] == pytest.approx([0.77, 0.85])
    drawn = [lines[name] for name in ("TPE", "random", "grid")]
    assert len({line.get_color() for line in drawn}) == 3
    assert len({line.get_linestyle() for line in drawn}) == 3
    assert [tick.get_text() for tick in right.get_yticklabels()] == [
        *("TPE", "random", "grid")
    ]
    # One strategy alone looks as it does among others.
    alone = plot_races(Races(rows[:2], 0.89, 100)).figure.axes[0].lines[0]
    assert alone.get_color() == lines["random"].get_color()


def test_a_difference_of_a_hundredth_fills_the_height():
    rows = [race("TPE", 0, (2, 0.1), (15, 0.89))]
    rows += [race("random", 0, (2, 0.1), (9, 0.88))]
    axes = plot_races(Races(rows, 0.892, 100)).figure.axes[0]
    low, high = axes.get_ylim()
    assert 0.892 < high and 0.01 / (high - low) > 0.3


def test_races_in_which_no_trial_ended_are_drawn():
    shown(plot_races(Races([race("TPE", 0), race("TPE", 1)], 0.9, 1)))


@pytest.mark.parametrize("wrong", [[], None, Results([])])
def test_what_is_no_races_is_named(wrong):
    with pytest.raises(TypeError, match=r"what race\(strategies, table\) returned"):
        plot_races(wrong)


LR = optuna.distributions.FloatDistribution(0.001, 1, log=True)
LAYERS = optuna.distributions.IntDistribution(1, 4)
OPTIMIZER = optuna.distributions.CategoricalDistribution(("sgd", "adamw"))
MOMENTUM = optuna.distributions.FloatDistribution(0, 0.9)
EPOCHS = optuna.distributions.IntDistribution(10, 10)
PRUNED, COMPLETE = optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.COMPLETE


def study_of(*trials, direction="maximize"):
    """A study of (accuracy or None where it was pruned, {name: (value, kind)})."""
    study = optuna.create_study(direction=direction)
    for accuracy, fields in trials:
        study.add_trial(
            optuna.trial.create_trial(
                state=PRUNED if accuracy is None else COMPLETE,
                value=accuracy,
                params={name: value for name, (value, _) in fields.items()},
                distributions={name: kind for name, (_, kind) in fields.items()},
            )
        )
    return study


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_a_study_without_a_trial_says_so():
    picture = plot_study(study_of())
    shown(picture)
    assert picture.text == "No trial is complete yet; 0 were pruned."
    trials, best, importance = picture.figure.axes
    assert words(trials) == words(best) == ["no trial has ended yet"]
    assert words(importance) == ["0 of the 10 trials\nthat it needs"]


@pytest.mark.parametrize("accuracies", [[0.8], [None], [0.8, None], [0.1, 0.8]])
def test_the_first_trials_of_a_study_are_drawn(accuracies):
    fields = {"lr": (0.1, LR), "num_epochs": (10, EPOCHS)}
    picture = plot_study(study_of(*((accuracy, fields) for accuracy in accuracies)))
    shown(picture)
    trials, best, _ = picture.figure.axes
    ended = [accuracy for accuracy in accuracies if accuracy is not None]
    assert f"{len(accuracies) - len(ended)} " in picture.text
    assert ("the best accuracy is 0.8000" in picture.text) == bool(ended)
    assert {"lr", "0.001", "0.01", "0.1", "1", "num_epochs", "10"} <= {*words(trials)}
    faint, bright = trials.collections[:2]
    assert len(bright.get_segments()) == len(ended)
    assert len(faint.get_segments()) == len(accuracies) - len(ended)
    if not ended:
        assert words(best) == ["no trial has ended yet"]


def test_a_line_of_a_study_stands_at_its_values():
    first = {"lr": (0.001, LR), "optimizer": ("adamw", OPTIMIZER)}
    second = {"lr": (0.1, LR), "optimizer": ("sgd", OPTIMIZER)}
    second |= {"num_layers": (2, LAYERS), "momentum": (0.9, MOMENTUM)}
    trials = plot_study(study_of((0.85, second), (0.8, first))).figure.axes[0]
    lower, upper = trials.collections[1].get_segments()  # the best on top
    assert upper[:, 1] == pytest.approx([2 / 3, 0.25, 1 / 3, 1, 1])
    # What a trial doesn't have is a gap.
    assert lower[:2, 1] == pytest.approx([0, 0.75]) and lower[-1, 1] == 0
    assert len(lower) == 3 or all(lower[2:4, 1] != lower[2:4, 1])
    names = ["lr", "optimizer", "num_layers", "momentum", "accuracy"]
    assert [word for word in words(trials) if word in names] == names
    assert {"sgd", "adamw", "1", "2", "3", "4", "0.9", "0.850"} <= {*words(trials)}


def test_a_study_says_its_best_so_far_and_what_mattered():
    trials = []
    for i in range(40):
        lr, layers = 10 ** (-3 + i % 10 / 3), 1 + i % 4
        fields = {"lr": (lr, LR), "num_layers": (layers, LAYERS)}
        fields |= {"num_epochs": (10, EPOCHS)}
        if i == 6:
            fields |= {"momentum": (0.5, MOMENTUM)}
        trials.append((0.9 - 0.03 * abs(i % 10 - 6), fields))
    trials[20:20] = [(None, fields)] * 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = plot_study(study_of(*trials))
    shown(picture)
    assert picture.text.startswith("40 completed and 5 pruned trials")
    _, best, importance = picture.figure.axes
    assert list(best.lines[1].get_ydata()[[0, 3, 6, 30]]) == pytest.approx(
        [0.72, 0.81, 0.9, 0.9]
    )
    assert list(best.lines[1].get_xdata()[[0, 19, 20]]) == [1, 20, 26]
    shares = {
        name: bar.get_width()
        for name, bar in zip(words(importance)[::2], importance.patches)
    }
    assert {*shares} == {"lr", "num_layers", "num_epochs", "momentum"}
    assert max(shares, key=shares.get) == "lr" and shares["num_epochs"] == 0


def test_trials_that_are_all_alike_have_no_importance():
    trials = [(0.5, {"lr": (0.1, LR)})] * 12
    importance = plot_study(study_of(*trials)).figure.axes[2]
    assert words(importance) == ["the trials don't differ yet"]


@pytest.mark.parametrize(
    "wrong, found",
    [
        ([], "list"),
        (None, "NoneType"),
        (study_of(direction="minimize"), "one that doesn't maximize"),
        (optuna.create_study(directions=["maximize"] * 2), "doesn't maximize"),
    ],
)
def test_what_is_no_study_of_accuracies_is_named(wrong, found):
    with pytest.raises(TypeError, match=f"an optuna.Study of accuracies.*{found}"):
        plot_study(wrong)
