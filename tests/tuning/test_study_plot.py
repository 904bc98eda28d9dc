"""The picture of a study."""

import warnings

import optuna
import pytest
from pictures import shown

from helpers.tuning.study_plot import plot_study

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
        name.get_text(): bar.get_width()
        for name, bar in zip(importance.get_yticklabels(), importance.patches)
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
