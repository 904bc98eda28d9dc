"""The picture of races."""

import pytest
from pictures import shown

from helpers.tuning.race import Races
from helpers.tuning.race_plot import plot_races
from helpers.tuning.results import Results
from helpers.tuning.strategies import Improvement, Race


def race(strategy, seed, *steps):
    """A race whose best so far changes at (epochs spent, true score)."""
    steps = [Improvement(spent, score, score, 0.1, 1, 8, 4) for spent, score in steps]
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
