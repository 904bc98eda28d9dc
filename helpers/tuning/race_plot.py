"""The picture of races."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.given import require_kind
from helpers.language import COMMA, tr
from helpers.palette import INK, LINES
from helpers.plots import SMALL, WIDE, Picture, tidy
from helpers.tuning.race import Races
from helpers.tuning.strategies import STRATEGIES

RIVAL = "random"  # what a strategy has to beat
MOST_LINES = 4  # more can't be told apart
NEAR = 0.065  # of the height, between the names of two lines
# One colour for each strategy, the same in every picture.
COLOURS = dict(zip(STRATEGIES, LINES))
NO_RACES = tr(
    "plot_races needs what race(strategies, table) returned; you gave {found}."
)
RACES = tr(
    "True score of the best trial so far over the epochs spent. At the end: {ends}. "
    "The table's best is {best:.4f}."
)
SCORE, SPENT = tr("true score of the best so far"), tr("epochs spent")
AFTER = tr("after {epochs:,} epochs")
BEST = tr("the best in the table")


def plot_races(races: Races) -> Picture:
    """Races of search strategies: the best so far over epochs spent, and the end.

    races: what `race` returned. Left, a strategy's mean true score over its races; of
    many strategies only some are drawn. Right, the same at the end for all, with a bar
    from the 10th to the 90th percentile. Raises TypeError for anything else.
    """
    require_kind(isinstance(races, Races), NO_RACES, races)
    figure = Figure(figsize=(WIDE, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    tidy(left, SCORE, SPENT)
    tidy(right, AFTER.format(epochs=races.num_epochs))
    colours = {name: COLOURS[name] for name in _drawn(races.strategies)}
    _draw_means(left, races, colours)
    _draw_ends(right, races, colours)
    for draw_best in (left.axhline, right.axvline):
        draw_best(races.best, color=INK, lw=1, ls=":")
    left.annotate(
        BEST, (0, races.best), (4, 3), textcoords="offset points", fontsize=SMALL
    )
    ends = COMMA.join(f"{name} {races.final(name)[0]:.4f}" for name in races.strategies)
    return Picture(figure, RACES.format(ends=ends, best=races.best))


def _drawn(strategies):
    """Of many strategies the two best, the last, and the one to beat."""
    if len(strategies) <= MOST_LINES:
        return strategies
    rival = RIVAL if RIVAL in strategies else strategies[2]
    return list(dict.fromkeys([*strategies[:2], rival, strategies[-1]]))


def _draw_means(axes, races, colours):
    epochs = np.arange(1, races.num_epochs + 1)
    # From a fifth of the epochs on: what comes before would squeeze the rest.
    early, lows = max(0, races.num_epochs // 5 - 1), [races.best]
    for name, colour in colours.items():
        mean = races.mean(name)
        axes.step(epochs, mean, where="post", color=colour, lw=2)
        lows.append(mean[early])
    low = np.nanmin(lows)
    bottom = low - 0.1 * (races.best - low) - 0.001
    axes.set_ylim(bottom, races.best + 0.1 * (races.best - bottom))
    axes.set_xlim(0, races.num_epochs)
    _name_lines(axes, races, colours)


def _name_lines(axes, races, colours):
    """The name of each line at its end, moved where two would touch."""
    bottom, top = axes.get_ylim()
    place = np.inf
    for name, colour in colours.items():  # from top to bottom, as they end
        end = races.final(name)[0]
        if np.isnan(end):  # no trial has ended in one of its races
            continue
        place = min(end, place - NEAR * (top - bottom))
        where = {"xy": (1, place), "xycoords": ("axes fraction", "data")}
        beside = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(name, **where, **beside, color=colour, fontsize=SMALL)


def _draw_ends(axes, races, colours):
    for place, name in enumerate(races.strategies):
        colour = colours.get(name, INK)
        low, high = (end[-1] for end in races.band(name))
        axes.plot([low, high], [place] * 2, color=colour, lw=8, alpha=0.35)
        axes.plot(races.final(name)[0], place, color=colour, marker="o", ms=7)
    count = len(races.strategies)
    axes.set_yticks(range(count), races.strategies)
    axes.set_ylim(count - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(4))
