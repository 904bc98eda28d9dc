"""The picture of races."""

from itertools import pairwise

import pytest

from helpers.tuning.race import Races
from helpers.tuning.race_plot import plot_races
from helpers.tuning.results import Results
from helpers.tuning.strategies import STRATEGIES, Improvement, Race
from pictures import shown


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
    assert names(left) == ["TPE", "random", "grid"]
    one, two, three, _ = left.lines
    assert one.get_ydata()[[49, 99]] == pytest.approx([0.88, 0.88])
    assert two.get_ydata()[38:40] == pytest.approx([0.77, 0.85])
    colours = [line.get_color() for line in (one, two, three)]
    assert len(set(colours)) == 3
    ticks = right.get_yticklabels()
    assert [tick.get_text() for tick in ticks] == ["TPE", "random", "grid"]
    # One strategy alone looks as it does among others.
    alone = plot_races(Races(rows[:2], 0.89, 100)).figure.axes[0].lines[0]
    assert alone.get_color() == two.get_color()


def names(axes):
    """Names of lines, from the top; each has the colour of a line and touches none."""
    drawn = [text for text in axes.texts if text.get_position() == (4, 0)]
    colours = {line.get_color() for line in axes.lines}
    assert {text.get_color() for text in drawn} <= colours
    axes.figure.draw_without_rendering()
    for above, below in pairwise(text.get_window_extent() for text in drawn):
        assert above.y0 >= below.y1 - 3  # room above the letters
    return [text.get_text() for text in drawn]


def test_of_many_strategies_few_have_a_line():
    ends = {name: 0.9 - place / 1000 for place, name in enumerate([*STRATEGIES][::-1])}
    rows = [race(name, 0, (5, end)) for name, end in ends.items()]
    picture = plot_races(Races(rows, 0.91, 100))
    shown(picture)
    left, right = picture.figure.axes
    first, second, *_, last = ends
    assert names(left) == [first, second, "random", last]
    assert len(left.lines) == 5  # no others, and the table's best
    assert [tick.get_text() for tick in right.get_yticklabels()] == [*ends]


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
