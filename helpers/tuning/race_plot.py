"""The picture of races."""

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.plots import LINES, Picture
from helpers.tuning.race import STRATEGIES, Races

DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)))
NO_RACES = "plot_races needs what race(strategies, table) returned; you gave {found}."
RACES = (
    "True score of the best trial so far over the epochs spent. At the end: {ends}. "
    "The table's best is {best:.4f}."
)


def plot_races(races):
    """Races of search strategies: the best so far over epochs spent, and the end.

    races: what `race` returned. Left, a line is the mean true score over a strategy's
    races and its band two standard errors; right, at the end, a dot is that mean with
    two standard errors, and the pale bar goes from the 10th to the 90th percentile of
    the races. Raises TypeError for anything else.
    """
    if not isinstance(races, Races):
        raise TypeError(NO_RACES.format(found=type(races).__name__))
    names, best, num_epochs = races.strategies, races.best, races.num_epochs
    looks = list(STRATEGIES)  # the same one in each picture, whoever takes part
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    epochs = np.arange(1, num_epochs + 1)
    early, lows = max(0, num_epochs // 5 - 1), [best]
    for place, name in enumerate(names):
        i = looks.index(name)
        look = {"color": LINES[i % len(LINES)], "ls": DASHES[i % len(DASHES)]}
        mean, (final, error) = races.mean(name), races.final(name)
        spread = 2 * races.error(name)
        left.plot(epochs, mean, **look, lw=1.8, label=name, drawstyle="steps-post")
        left.fill_between(
            *(epochs, mean - spread, mean + spread),
            **{"color": look["color"], "alpha": 0.15, "lw": 0, "step": "post"},
        )
        low, high = (end[-1] for end in races.band(name))
        right.plot([low, high], [place] * 2, color=look["color"], lw=8, alpha=0.25)
        right.errorbar(
            *(final, place),
            xerr=None if math.isnan(error) else 2 * error,
            **{"color": look["color"], "marker": "o", "ms": 5, "lw": 1.8, "capsize": 3},
        )
        lows += [value for value in (mean[early], low) if value == value]
    # From a fifth of the epochs on: what comes before would press the rest together.
    bottom = min(lows) - 0.1 * (best - min(lows)) - 0.001
    left.set_ylim(bottom, best + 0.1 * (best - bottom))
    left.set_xlim(0, num_epochs)
    left.set_xlabel("epochs spent", fontsize=9)
    left.axhline(best, color="black", lw=0.8, ls=":")
    left.set_title("true score of the best so far", fontsize=10, loc="left")
    left.legend(fontsize=8, frameon=False, handlelength=3.2, loc="lower right")
    right.axvline(best, color="black", lw=0.8, ls=":")
    right.set_yticks(range(len(names)), names)
    right.invert_yaxis()
    right.xaxis.set_major_locator(MaxNLocator(4))
    right.set_title(f"after {num_epochs:,} epochs", fontsize=10, loc="left")
    for axes in (left, right):
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    ends = ", ".join(f"{name} {races.final(name)[0]:.4f}" for name in names)
    return Picture(figure, RACES.format(ends=ends, best=best))
