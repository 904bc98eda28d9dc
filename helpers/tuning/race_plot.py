"""The picture of races."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.palette import LINES
from helpers.plots import Picture
from helpers.tuning.race import Races
from helpers.tuning.strategies import STRATEGIES

DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)))
# One colour and dash for each strategy, the same in every picture.
LOOKS = dict(zip(STRATEGIES, zip(LINES, DASHES)))
NO_RACES = "plot_races needs what race(strategies, table) returned; you gave {found}."
RACES = (
    "True score of the best trial so far over the epochs spent. At the end: {ends}. "
    "The table's best is {best:.4f}."
)


def plot_races(races: Races) -> Picture:
    """Races of search strategies: the best so far over epochs spent, and the end.

    races: what `race` returned. Left, a strategy's mean true score over its races;
    right, the same at the end, with a pale bar from the 10th to the 90th percentile.
    Both with two standard errors. Raises TypeError for anything else.
    """
    if not isinstance(races, Races):
        raise TypeError(NO_RACES.format(found=type(races).__name__))
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_means(left, races)
    _draw_ends(right, races)
    for axes, draw_best in ((left, left.axhline), (right, right.axvline)):
        draw_best(races.best, color="black", lw=0.8, ls=":")
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    ends = ", ".join(f"{name} {races.final(name)[0]:.4f}" for name in races.strategies)
    return Picture(figure, RACES.format(ends=ends, best=races.best))


def _draw_means(axes, races):
    epochs = np.arange(1, races.num_epochs + 1)
    # From a fifth of the epochs on: what comes before would squeeze the rest.
    early, lows = max(0, races.num_epochs // 5 - 1), [races.best]
    for name in races.strategies:
        colour, dash = LOOKS[name]
        mean, spread = races.mean(name), 2 * races.error(name)
        look = {"color": colour, "ls": dash, "lw": 1.8, "label": name}
        axes.step(epochs, mean, where="post", **look)
        band = {"color": colour, "alpha": 0.15, "lw": 0, "step": "post"}
        axes.fill_between(epochs, mean - spread, mean + spread, **band)
        lows += [mean[early], races.band(name)[0][-1]]
    low = np.nanmin(lows)
    bottom = low - 0.1 * (races.best - low) - 0.001
    axes.set_ylim(bottom, races.best + 0.1 * (races.best - bottom))
    axes.set_xlim(0, races.num_epochs)
    axes.set_xlabel("epochs spent", fontsize=9)
    axes.set_title("true score of the best so far", fontsize=10, loc="left")
    axes.legend(fontsize=8, frameon=False, handlelength=3.2, loc="lower right")


def _draw_ends(axes, races):
    for place, name in enumerate(races.strategies):
        colour, _ = LOOKS[name]
        low, high = (end[-1] for end in races.band(name))
        axes.plot([low, high], [place] * 2, color=colour, lw=8, alpha=0.25)
        mean, error = races.final(name)
        look = {"color": colour, "marker": "o", "ms": 5, "lw": 1.8, "capsize": 3}
        axes.errorbar(mean, place, xerr=2 * error, **look)
    axes.set_yticks(range(len(races.strategies)), races.strategies)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_title(f"after {races.num_epochs:,} epochs", fontsize=10, loc="left")
