"""Races of search strategies on a table that is known already."""

import gzip
import json
import math
import random
import statistics
from dataclasses import replace
from unittest import TestCase

import numpy as np
import optuna
import pytest
import torch

from helpers import Config
from helpers.tuning.race import RACES_VERSION, RECORD, Races, race, record_races
from helpers.tuning.race_table import AXES, RaceTable
from helpers.tuning.results import Result, Results
from helpers.tuning.strategies import STRATEGIES, Improvement, Race, Trainings

EPOCHS = 60  # what a race may spend here
LRS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


def results(lrs=LRS, depths=(1, 2), widths=(8, 32, 128), length=4, noise=0.002):
    """A table whose best lr is 0.1, the wider and longer the better."""
    rng, rows = random.Random(0), []
    for lr in lrs:
        for depth in depths:
            for width in widths:
                for seed in range(3):
                    top = 0.9 - 0.05 * math.log10(lr / 0.1) ** 2 - 0.01 * depth
                    top += 0.01 * math.log2(width / 128)
                    curve = [
                        top - 0.1 / epoch + rng.gauss(0, noise)
                        for epoch in range(1, length + 1)
                    ]
                    fields = {"lr": lr, "num_layers": depth, "num_hiddens": width}
                    config = Config(**fields, num_epochs=length, seed=seed)
                    row = Result(config, "full", 1.0, 1, val_accuracy=tuple(curve))
                    rows.append(row)
    return Results(rows)


@pytest.fixture(scope="module")
def table():
    return results()


@pytest.fixture
def record(tmp_path):
    """A file in which no race is recorded yet."""
    return tmp_path / "recorded" / "races.jsonl.gz"


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_race_keeps_its_budget_and_leaves_random_numbers_alone(name, table):
    before = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    threads, level = torch.get_num_threads(), optuna.logging.get_verbosity()
    (first,) = race(name, table, num_epochs=40, repeats=1)
    (again,) = race(name, table, num_epochs=40, repeats=1)
    assert first == again and first.strategy == name and not first.recorded
    spent = [step.spent for step in first.steps]
    assert spent == sorted(spent) and 1 <= spent[0] and spent[-1] <= 40
    seen = [step.seen for step in first.steps]
    assert seen == sorted(seen)
    assert 5 <= first.num_trials <= 40
    assert (torch.get_rng_state() == before[0]).all()
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]
    assert torch.get_num_threads() == threads
    assert optuna.logging.get_verbosity() == level


def test_a_race_says_nothing_by_itself(table, capfd):
    with TestCase().assertNoLogs(level="INFO"):
        race(["TPE", "Hyperband", "Hyperopt TPE"], table, num_epochs=50, repeats=1)
    assert capfd.readouterr() == ("", "")


def test_another_seed_is_another_race(table):
    rows = race("random", table, num_epochs=EPOCHS, repeats=4)
    assert [row.seed for row in rows] == [0, 1, 2, 3]
    assert len({row.steps for row in rows}) == 4
    # Also where there is nothing to choose: which run a trial sees is drawn anew.
    alone = results(lrs=(0.1,), depths=(1,), widths=(8,), length=1, noise=0.01)
    rows = race("random", alone, num_epochs=1, repeats=20)
    assert len({row.steps[0].seen for row in rows}) == 3


def trials_of(name, table, num_epochs=EPOCHS, seed=0):
    """What each trial of a race was: (setting, seen), in the order of trials."""
    trainings = Trainings(RaceTable(table), num_epochs, seed)
    STRATEGIES[name](trainings)
    return [(setting, seen) for seen, setting in trainings.trials]


@pytest.mark.parametrize("name", ["random", "Hyperopt TPE", "Hyperband"])
def test_a_trial_sees_one_seed_and_its_score_is_the_mean(name):
    table = results(noise=0.05)
    trials = [trial for seed in range(3) for trial in trials_of(name, table, seed=seed)]
    rows = race(name, table, num_epochs=EPOCHS, repeats=3)
    groups = table.group("lr", "num_layers", "num_hiddens")
    drawn = set()
    for setting, seen in trials:
        *place, epoch = (setting[axis] for axis in AXES)
        runs = [run.val_accuracy[epoch - 1] for run in groups[tuple(place)]]
        drawn.add(np.argmin([abs(value - seen) for value in runs]))
        assert any(value == pytest.approx(seen, rel=1e-4) for value in runs)
    assert drawn == {0, 1, 2}
    for row in rows:
        for step in row.steps:
            runs = groups[step.lr, step.num_layers, step.num_hiddens]
            values = [run.val_accuracy[step.num_epochs - 1] for run in runs]
            assert step.score == pytest.approx(statistics.fmean(values), abs=1e-5)


def test_the_epochs_of_the_trials_are_what_is_spent(table):
    trials = trials_of("random", table)
    (row,) = race("random", table, num_epochs=EPOCHS, repeats=1)
    spent = np.cumsum([setting["num_epochs"] for setting, _ in trials])
    assert EPOCHS - 4 < spent[-1] <= EPOCHS and row.num_trials == len(trials)
    best = max(trials, key=lambda trial: trial[1])
    assert row.steps[-1].spent == spent[trials.index(best)]


def test_who_gives_up_early_tries_more(table):
    for name in ("successive halving", "Hyperband"):
        epochs = [setting["num_epochs"] for setting, _ in trials_of(name, table)]
        assert sum(epochs) == EPOCHS
        assert statistics.fmean(epochs) < 2.5 == statistics.fmean((1, 2, 3, 4))
        assert {1, 4} <= set(epochs)


def test_a_grid_is_even_tried_once_and_whole_within_the_budget(table):
    trials = trials_of("grid", table)
    tried = [tuple(setting.values()) for setting, _ in trials]
    values = [set(of_axis) for of_axis in zip(*tried)]
    assert len(set(tried)) == len(tried) == math.prod(map(len, values))
    assert all(len(of_axis) >= 2 for of_axis in values)
    places = [LRS.index(lr) for lr in sorted({setting["lr"] for setting, _ in trials})]
    steps = np.diff(places)
    assert len(steps) >= 1 and max(steps) - min(steps) <= 1
    assert tried != sorted(tried)  # in no order that the first ones would gain from


def test_a_grid_that_the_budget_can_pay_is_the_whole_table():
    table = results(lrs=LRS[:2], depths=(1,), widths=(8, 32), length=2)
    trials = trials_of("grid", table, num_epochs=1000)
    assert len({tuple(setting.values()) for setting, _ in trials}) == 2 * 2 * 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["TPE", "Hyperopt TPE"])
def test_a_model_beats_chance_on_an_easy_table(name):
    lrs = [0.1 * 1.5**i for i in range(-8, 9)]
    table = results(lrs, widths=(8, 16, 32, 64, 128))
    rows = race([name, "random"], table, num_epochs=150, repeats=8)
    assert rows.strategies == [name, "random"]
    assert rows.difference(name, "random").mean > 0.002


def test_one_value_on_an_axis_is_no_obstacle():
    table = results(lrs=(0.1,), depths=(1,), length=2)
    for row in race(STRATEGIES, table, num_epochs=24, repeats=1):
        assert row.num_trials >= 3 and row.steps[-1].lr == 0.1


def test_a_run_that_diverged_keeps_its_last_accuracy(table):
    rows = [
        replace(row, val_accuracy=(0.3, 0.1)) if row.config.lr == 3 else row
        for row in table
    ]
    known = RaceTable(Results(rows))
    assert known.score(3.0, 2, 8, 4) == pytest.approx(0.1)
    assert known.score(3.0, 2, 8, 1) == pytest.approx(0.3)


def made(strategy, *scores, spent=10):
    """Races of one strategy that end with these scores."""
    steps = [(Improvement(spent, score, score, 0.1, 1, 8, 4),) for score in scores]
    return [Race(strategy, i, 5, step) for i, step in enumerate(steps)]


def test_curves_means_bands_and_the_end():
    setting = (0.1, 1, 8, 4)
    steps = Improvement(3, 0.5, 0.6, *setting), Improvement(7, 0.8, 0.55, *setting)
    rows = [Race("TPE", 0, 2, steps), *made("TPE", 0.85)]
    of = Races(rows, 0.9, 12)
    curve, other = of.curves("TPE")
    assert np.isnan(curve[:2]).all() and np.isnan(other[:9]).all()
    assert (curve[2:6] == 0.6).all() and (curve[6:] == 0.55).all()
    assert np.isnan(of.mean("TPE")[8]) and of.mean("TPE")[9:] == pytest.approx(0.7)
    assert [end[-1] for end in of.band("TPE")] == pytest.approx([0.58, 0.82])
    assert of.final("TPE") == pytest.approx((0.7, 0.15))
    with pytest.raises(ValueError, match="'random' did not take part.*TPE"):
        of.mean("random")


def test_half_of_the_races_must_come_near():
    near = made("grid", 0.896, spent=4) + made("grid", 0.897, spent=9)
    far = made("grid", 0.894, 0.8)
    assert Races(near + far[:1], 0.9, 20).epochs_to_near("grid") == 9
    assert math.isinf(Races(near + far, 0.9, 20).epochs_to_near("grid"))


def test_the_table_of_strategies_has_the_best_first_and_its_uncertainty():
    rows = made("random", 0.88, 0.86) + made("TPE", 0.896, 0.898)
    said = str(Races(rows, 0.9, 300)).splitlines()
    assert said[1].split() == ["0.8970", "±", "0.0010", "10", "5", "TPE"]
    assert said[2].split() == ["0.8700", "±", "0.0100", "-", "5", "random"]
    assert "±" not in str(Races(made("TPE", 0.9), 0.9, 300))


def test_a_difference_is_stated_with_its_uncertainty():
    rows = made("TPE", 0.9, 0.902, 0.904) + made("random", 0.88, 0.882, 0.884)
    rows += made("grid", 0.87, 0.91) + made("Hyperband", 0.9)
    of = Races(rows, 0.9, 300)
    mean, error = of.difference("TPE", "random")[2:]
    assert (mean, error) == pytest.approx((0.02, 2 * math.sqrt(2 / 3) * 0.002))
    said = str(of.difference("TPE", "random"))
    assert "0.0200 ± 0.0033 above random" in said and "better" in said
    said = str(of.difference("random", "TPE"))
    assert "0.0200 ± 0.0033 below TPE" in said and "worse" in said
    assert "too close to tell" in str(of.difference("TPE", "grid"))
    assert "two races each" in str(of.difference("TPE", "Hyperband"))


# --- what is recorded


def record_two(table, record, repeats):
    """Races of two strategies, recorded; the others would only take longer."""
    names = ("random", "Hyperband")
    races = race(names, table, EPOCHS, repeats, recorded=False)
    record_races(races, table, path=record)
    return races


def test_what_is_recorded_is_not_run_again(table, record):
    first = record_two(table, record, repeats=2)
    kept = record.read_bytes()
    assert [(row.strategy, row.seed) for row in first] == [
        *(("random", 0), ("random", 1), ("Hyperband", 0), ("Hyperband", 1))
    ]
    record_two(table, record, repeats=2)
    assert record.read_bytes() == kept
    live = race("random", table, num_epochs=EPOCHS, repeats=2, recorded=False)
    assert list(live) == first[:2] and live.note == ""
    rows = race(["random", "Hyperband"], table, EPOCHS, repeats=2, recorded=record)
    assert all(row.recorded for row in rows)
    assert [replace(row, recorded=False) for row in rows] == list(first)
    assert rows.note.startswith("4 of the 4 races were recorded")
    assert str(rows).startswith(rows.note)


def test_only_what_is_missing_is_run(table, record):
    record_two(table, record, repeats=1)
    rows = race("random", table, EPOCHS, repeats=3, recorded=record)
    assert [row.recorded for row in rows] == [True, False, False]


def test_another_table_budget_or_version_is_not_the_recorded_one(table, record):
    record_two(table, record, repeats=1)
    rows = list(table)
    rows[7] = replace(rows[7], val_accuracy=(*rows[7].val_accuracy[:-1], 0.123))
    for of_table, num_epochs in ((Results(rows), EPOCHS), (table, EPOCHS + 1)):
        (one,) = race("random", of_table, num_epochs, repeats=1, recorded=record)
        assert not one.recorded
    shuffled = Results(reversed(list(table)))
    assert race("random", shuffled, EPOCHS, repeats=1, recorded=record)[0].recorded
    lines = gzip.decompress(record.read_bytes()).decode()
    older = lines.replace(f'"version": {RACES_VERSION}', '"version": 0')
    record.write_bytes(gzip.compress(older.encode()))
    assert not race("random", table, EPOCHS, repeats=1, recorded=record)[0].recorded


def test_a_damaged_or_a_missing_record_is_named(table, record, capsys):
    race("random", table, EPOCHS, repeats=1, recorded=record)
    assert capsys.readouterr().out == ""
    shipped = record.with_name(RECORD.name)
    assert not race("random", table, EPOCHS, repeats=1, recorded=shipped)[0].recorded
    assert capsys.readouterr().out.startswith(f"{shipped}, a record that came with")
    record_two(table, record, repeats=2)
    lines = gzip.decompress(record.read_bytes()).decode().splitlines()
    of_another_version = json.loads(lines[1]) | {"steps": [[1, 0.9]]}
    odd = ["[3]", json.dumps(of_another_version), lines[0]]
    record.write_bytes(gzip.compress("\n".join(odd).encode()))
    rows = race("random", table, EPOCHS, repeats=2, recorded=record)
    assert [row.recorded for row in rows] == [True, False]
    packed = record.read_bytes()
    for damaged in (b"no gzip at all", packed[:-9], gzip.compress(b"{")):
        record.write_bytes(damaged)
        with pytest.raises(ValueError, match="came with the course, can't be read"):
            race("random", table, EPOCHS, repeats=1, recorded=record)


# --- bad input


@pytest.mark.parametrize(
    "strategies, error, named",
    [
        ("tpe", ValueError, "no strategy 'tpe'; did you mean 'TPE'"),
        (["random", "hyperbnd"], ValueError, "did you mean 'Hyperband'"),
        ("annealing by hand", ValueError, "there are: grid, random, TPE"),
        ([], ValueError, "one or more names.*you gave none"),
        (3, TypeError, "one or more names.*you gave int"),
        (["TPE", None], TypeError, "you gave NoneType"),
    ],
)
def test_unknown_strategies_are_named(strategies, error, named, table):
    with pytest.raises(error, match=named):
        race(strategies, table)


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "300"])
def test_budgets_and_repeats_that_are_no_counts_are_named(wrong, table):
    with pytest.raises(ValueError, match="num_epochs, what a race may spend.*you gave"):
        race("random", table, num_epochs=wrong)
    with pytest.raises(ValueError, match="repeats must be a whole number.*you gave"):
        race("random", table, repeats=wrong)


def without_some(rows):
    return rows[:5] + rows[6:]


def without_accuracy(rows):
    return [replace(rows[0], val_accuracy=()), *rows[1:]]


def of_two_kinds(rows):
    changed = [replace(row, config=replace(row.config, momentum=0.9)) for row in rows]
    return rows + changed


def of_two_lengths(rows):
    return [replace(rows[0], config=replace(rows[0].config, num_epochs=9)), *rows[1:]]


def of_widths(rows):
    return [replace(rows[0], config=Config((64, 32), num_epochs=4)), *rows[1:]]


@pytest.mark.parametrize(
    "spoil, named",
    [
        (without_some, "1 of 108 are missing, such as lr=0.01 num_layers=1 .* seed=2"),
        (without_accuracy, "1 of 108 are missing, such as lr=0.01 .* seed=0"),
        (of_two_kinds, "more than one run of lr=0.01 num_layers=1 num_hiddens=8"),
        (of_two_lengths, r"the same num_epochs; these have \[4, 9\]"),
        (of_widths, r"one whole number in each run.*\(64, 32\)"),
        (lambda rows: [], "needs runs to search; this table is empty"),
    ],
)
def test_a_table_that_is_no_grid_is_named(spoil, named, table):
    with pytest.raises(ValueError, match=named):
        race("random", Results(spoil(list(table))))


@pytest.mark.parametrize("wrong", [[1, 2], None, {"lr": 0.1}])
def test_what_is_no_table_is_named(wrong):
    with pytest.raises(TypeError, match=r"the Results that sweep\(configs, data\)"):
        race("random", wrong)
