"""The picture of a study."""

import warnings

import optuna
import pytest

from helpers.tuning.study_plot import plot_study
from pictures import shown

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


def dots(axes):
    """{"completed" or "given up": [(x, y), ...]}"""
    given_up, completed, *_ = axes.lines
    return {
        "completed": [*zip(*completed.get_data())],
        "given up": [*zip(*given_up.get_data())],
    }


def test_a_study_without_a_trial_says_so():
    picture = plot_study(study_of())
    shown(picture)
    assert picture.text == "Trials: 0 completed, 0 given up early, 0 failed."
    trials, first, importance = picture.figure.axes
    assert words(trials) == words(first) == ["no trial has ended yet"]
    assert words(importance) == ["0 of the\n10 trials\nthat it needs"]


@pytest.mark.parametrize("accuracies", [[0.8], [None], [0.8, None], [0.1, 0.8]])
def test_the_first_trials_of_a_study_are_drawn(accuracies):
    fields = {"lr": (0.1, LR), "num_epochs": (10, EPOCHS)}
    picture = plot_study(study_of(*((accuracy, fields) for accuracy in accuracies)))
    shown(picture)
    completed = [accuracy for accuracy in accuracies if accuracy is not None]
    assert (
        f"{len(completed)} completed, {accuracies.count(None)} given up" in picture.text
    )
    assert ("The best accuracy is 0.8000" in picture.text) == bool(completed)
    if completed:
        assert len(dots(picture.figure.axes[0])["completed"]) == len(completed)


def test_the_picture_counts_trials_as_the_table_does():
    study = study_of((0.8, {"lr": (0.01, LR)}), (0.9, {"lr": (0.1, LR)}))
    lost = study.ask()  # interrupted, and put back to be tried again
    study.tell(lost, state=optuna.trial.TrialState.FAIL)
    for trial in study_of((0.85, {"lr": (0.3, LR)})).trials:
        study.add_trial(trial)
    picture = plot_study(study)
    assert [x for x, _ in dots(picture.figure.axes[0])["completed"]] == [1, 2, 3]
    assert picture.text.endswith("The best accuracy is 0.9000, in trial 2.")


def test_a_dot_stands_at_its_last_accuracy_and_its_first_over_what_mattered():
    study = optuna.create_study(direction="maximize")
    for lr, accuracies, state in (
        (0.001, (0.80,), PRUNED),
        (0.1, (0.82, 0.88), COMPLETE),
        (1.0, (0.81, 0.1), PRUNED),
    ):
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=accuracies[-1],
                params={"lr": lr},
                distributions={"lr": LR},
                intermediate_values=dict(enumerate(accuracies, 1)),
            )
        )
    picture = plot_study(study)
    shown(picture)
    trials, first, _ = picture.figure.axes
    assert dots(trials)["completed"] == [(2, 0.88)]
    # One far below the others is at the lower end, which says so.
    assert dots(trials)["given up"] == [(1, 0.80), (3, pytest.approx(0.78))]
    assert trials.get_yticklabels()[0].get_text() == "≤ 0.780"
    assert dots(first)["completed"] == [(pytest.approx(2 / 3), 0.82)]
    assert dots(first)["given up"] == [(0, 0.80), (1, 0.81)]
    assert first.get_xlabel() == "lr"
    ticks = [tick.get_text() for tick in first.get_xticklabels()]
    assert ticks == ["0.001", "0.01", "0.1", "1"]


def test_a_study_says_its_best_so_far_and_what_mattered():
    trials = []
    for i in range(40):
        lr, layers = 10 ** (-3 + i % 10 / 3), 1 + i % 4
        fields = {"lr": (lr, LR), "num_layers": (layers, LAYERS)}
        fields |= {"num_epochs": (10, EPOCHS), "optimizer": ("adamw", OPTIMIZER)}
        if i == 6:
            fields |= {"momentum": (0.5, MOMENTUM)}
        trials.append((0.9 - 0.03 * abs(i % 10 - 6), fields))
    trials[20:20] = [(None, fields)] * 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = plot_study(study_of(*trials))
    shown(picture)
    assert picture.text.startswith("Trials: 40 completed, 5 given up early, 0 failed.")
    best, first, importance = picture.figure.axes
    assert list(best.lines[2].get_ydata()[[0, 3, 6, 30]]) == pytest.approx(
        [0.72, 0.81, 0.9, 0.9]
    )
    assert list(best.lines[2].get_xdata()[[0, 19, 20]]) == [1, 20, 26]
    shares = {
        name.get_text(): bar.get_width()
        for name, bar in zip(importance.get_yticklabels(), importance.patches)
    }
    names = {"lr", "num_layers", "num_epochs", "momentum", "optimizer"}
    assert {*shares} == names and shares["num_epochs"] == 0
    assert max(shares, key=shares.get) == "lr" == first.get_xlabel()


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
