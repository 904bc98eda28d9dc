"""The exercises of 05_hyperparameters."""

import math

import torch

from helpers.exercises import ask, describe, exercise, expect
from helpers.jobs import Result
from helpers.sweeps import Results
from helpers.training import Config

# --- 5.1


def log_grid(lo, hi, count):
    ratio = (hi / lo) ** (1 / (count - 1))
    return [lo * ratio**i for i in range(count)]


@exercise(
    "5.1",
    log_grid,
    minutes=5,
    difficulty="easy",
    hints=(
        "Each number is the one before it times the same factor. How many times do "
        "you multiply on the way from the first number to the last?",
        "Multiplied by itself once for each gap, the factor has to give hi / lo. "
        "There is one gap less than there are numbers.",
        "The root that undoes n multiplications is a power: x ** (1 / n).",
    ),
    notice="Notice that a log grid spends as many tries between 0.001 and 0.01 as "
    "between 0.1 and 1; an even grid would spend nearly all of them above 0.1.",
)
def check_log_grid(answer):
    found = _numbers(ask(answer, 0.001, 1.0, 4, kind=None))
    wanted = [0.001, 0.01, 0.1, 1.0]
    said = ", ".join(f"{value:.3g}" for value in found)
    expect(
        not _close(found, torch.linspace(0.001, 1, 4).tolist()),
        f"from 0.001 to 1 with 4 numbers I got {said}: these have equal differences, "
        "and the task asks for equal ratios.",
    )
    expect(
        not _close(found, [-3, -2, -1, 0]) and not _close(found, _logs(wanted)),
        f"from 0.001 to 1 with 4 numbers I got {said}: these are the exponents, not "
        "the numbers themselves.",
    )
    expect(
        len(found) == 4,
        f"I asked for 4 numbers and got {len(found)}.",
    )
    expect(
        math.isclose(found[0], 0.001, rel_tol=1e-3),
        f"from 0.001 to 1 with 4 numbers I got {said}: the first one has to be lo.",
    )
    expect(
        math.isclose(found[-1], 1, rel_tol=1e-3),
        f"from 0.001 to 1 with 4 numbers I got {said}: they do not end at hi. Count "
        "the gaps between 4 numbers.",
    )
    expect(
        _close(found, wanted),
        f"from 0.001 to 1 with 4 numbers I got {said}: the ratios of neighbours are "
        "not all equal.",
    )
    found = _numbers(ask(answer, 2, 50, 3, kind=None))
    said = ", ".join(f"{value:.3g}" for value in found)
    expect(
        _close(found, [2, 10, 50]),
        f"right for powers of ten, but from 2 to 50 with 3 numbers I got {said}, and "
        "the one in the middle should be as many times 2 as 50 is times it.",
    )


def _numbers(found):
    if isinstance(found, torch.Tensor):
        found = found.tolist()
    try:
        return [float(value) for value in found]
    except (TypeError, ValueError):
        pass
    said = f"I need a list of numbers, and your function returned {describe(found)}."
    expect(False, said)


def _close(found, wanted):
    return len(found) == len(wanted) and all(
        math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-9) for a, b in zip(found, wanted)
    )


def _logs(values):
    return [math.log(value) for value in values]


# --- 5.2


def widest(budget, num_layers):
    def count(width):
        sizes = [784] + [width] * num_layers + [10]
        return sum((n_in + 1) * n_out for n_in, n_out in zip(sizes, sizes[1:]))

    width = 1
    while count(width + 1) <= budget:
        width += 1
    return width


@exercise(
    "5.2",
    widest,
    minutes=10,
    difficulty="medium",
    hints=(
        "Write down the sizes from the pixels to the scores, such as 784, w, w, 10. "
        "Each pair of neighbours has one matrix between them.",
        "Each layer also has a bias for each number that it puts out.",
        "You need no formula for the width: count for one width after the other until "
        "the next one would be too many.",
    ),
    notice="Notice that with 100,000 parameters a second layer costs only 15 of 125 "
    "units: nearly all weights stand in W1.",
)
def check_widest(answer):
    for budget, num_layers in ((101_770, 1), (101_700, 1), (100_000, 2), (300_000, 4)):
        found = ask(answer, budget, num_layers, kind=None)
        wanted = widest(budget, num_layers)
        expect(found is not None, "your widest returned None; does it end in a return?")
        expect(
            isinstance(found, (int, float, torch.Tensor)) and float(found) % 1 == 0,
            f"a width is a whole number of units; I got {describe(found)}.",
        )
        found, layers = int(found), f"{num_layers} hidden layer(s)"
        count, next_one = (_count(w, num_layers) for w in (found, found + 1))
        case = f"for {budget:,} parameters and {layers} you said {found}"
        expect(
            found != _widest_by(budget, num_layers, biases=False) or found == wanted,
            f"{case}, and that model has {count:,}. Without its biases it would fit.",
        )
        expect(
            found != wanted + 1,
            f"{case}, and that model has {count:,}: one unit too many. Return the last "
            "width that still fits.",
        )
        expect(
            num_layers == 1 or found != widest(budget, 1),
            f"{case}, the same as for one layer; the matrices between the hidden "
            "layers count too.",
        )
        expect(
            found != _widest_by(budget, num_layers - 1),
            f"{case}, and that model has {count:,}: {num_layers} hidden layers have "
            f"{num_layers - 1} matrices between them.",
        )
        expect(found <= wanted, f"{case}, and that model has {count:,}: too many.")
        exact = "; a model of exactly the budget fits." if next_one == budget else "."
        expect(
            found == wanted,
            f"{case}, but {found + 1} units would fit too, with {next_one:,}{exact}",
        )


def _count(width, num_layers, biases=True):
    sizes = [784] + [width] * num_layers + [10]
    return sum((n_in + biases) * n_out for n_in, n_out in zip(sizes, sizes[1:]))


def _widest_by(budget, num_layers, biases=True):
    """The widest by another way to count; no matrix at all fits any width."""
    if num_layers < 1:
        return None
    width = 1
    while _count(width + 1, num_layers, biases) <= budget:
        width += 1
    return width


# --- 5.3


def best_and_rivals(groups):
    best = max(groups, key=lambda value: groups[value].mean)
    low = groups[best].spread[0]
    rivals = [value for value, runs in groups.items() if runs.spread[1] >= low]
    return best, sorted(rivals)


@exercise(
    "5.3",
    best_and_rivals,
    minutes=8,
    difficulty="medium",
    hints=(
        "groups is a dictionary. max(groups, key=...) looks for the key for which "
        "something is largest; what should that something be?",
        "A value is a rival if its luckiest seed reaches the unluckiest seed of the "
        "best. Which two ends of the two ranges do you compare?",
    ),
    notice="Notice that the rivals can be many: three seeds often can't tell "
    "neighbours apart, and then the cheaper or more robust one is as good a choice.",
)
def check_best_and_rivals(answer):
    groups = _groups(
        {
            0.01: (0.70, 0.71, 0.72),
            1.0: (0.20, 0.91, 0.60),  # the luckiest seed, and the largest value
            0.1: (0.84, 0.86, 0.85),
            0.3: (0.84, 0.88, 0.89),  # the best mean
            0.5: (0.83, 0.835, 0.838),  # below all of the best's
        }
    )
    found = ask(answer, groups, kind=None)
    expect(
        isinstance(found, (tuple, list)) and len(found) == 2,
        f"return two things, the best value and the list of rivals; I got "
        f"{describe(found)}.",
    )
    best, rivals = found
    expect(
        best != 1.0,
        "you said 1.0 is the best, whose seeds got 0.20, 0.91 and 0.60: one lucky "
        "seed, and a poor mean. (It is also simply the largest of the values.)",
    )
    expect(
        not isinstance(best, Results),
        "the best should be the value, a key of groups; you returned its runs.",
    )
    expect(
        not (isinstance(best, float) and math.isclose(best, groups[0.3].mean)),
        f"you returned the accuracy {groups[0.3].mean:.2f} as the best; return the "
        "value that reached it.",
    )
    expect(
        best == 0.3,
        f"you said {describe(best)} is the best; the highest mean belongs to 0.3, "
        f"with {groups[0.3].mean:.2f}.",
    )
    expect(
        isinstance(rivals, (list, tuple, set, dict)),
        f"the rivals should be a list of values; I got {describe(rivals)}.",
    )
    rivals = set(rivals)
    expect(
        rivals != {0.1, 1.0},
        "you left the best itself out of the rivals; its range overlaps with itself.",
    )
    expect(
        0.5 not in rivals,
        "0.5 is among your rivals, but its best seed, 0.838, is below 0.84, the worst "
        "seed of 0.3: the ranges do not overlap.",
    )
    expect(
        rivals != {0.3},
        "you found no rival of 0.3 (0.84 to 0.89), but 0.1 reaches from 0.84 to 0.86: "
        "compare whole ranges, not means.",
    )
    expect(
        1.0 in rivals,
        "1.0 is missing from your rivals. It reaches from 0.20 to 0.91, so its range "
        "overlaps with that of 0.3, far as its mean is.",
    )
    expect(
        rivals == {0.1, 0.3, 1.0},
        f"the ranges of 0.1, 0.3 and 1.0 overlap with the best's; you said "
        f"{sorted(rivals, key=str)}.",
    )
    touching = ask(answer, _groups({1: (0.8, 0.9), 2: (0.7, 0.8)}), kind=None)
    expect(
        set(touching[1]) == {1, 2},
        "two ranges that share just one number, 0.7 to 0.8 and 0.8 to 0.9, overlap "
        "as well.",
    )


def _groups(accuracies, num_parameters=None):
    """What Results.group() returns, for made-up accuracies of some seeds."""
    counts = num_parameters or dict.fromkeys(accuracies, 1000)
    return {
        value: Results(
            Result(Config(seed=i), "full", 1, counts[value], val_accuracy=(accuracy,))
            for i, accuracy in enumerate(of_seeds)
        )
        for value, of_seeds in accuracies.items()
    }


# --- 5.4


def early_stopping(val_loss, patience):
    best_epoch, best = 0, float("inf")
    for epoch, loss in enumerate(val_loss, start=1):
        if loss < best:
            best_epoch, best = epoch, loss
        elif epoch - best_epoch == patience:
            break
    return best_epoch


@exercise(
    "5.4",
    early_stopping,
    minutes=10,
    difficulty="medium",
    hints=(
        "Go through the epochs as they happen, and keep two things: the lowest loss "
        "so far, and its epoch.",
        "At each epoch that brings no new lowest loss, ask how long ago the last one "
        "was.",
        "Stopped or not, the answer is the epoch that you kept, not the one that you "
        "are in. enumerate(val_loss, start=1) counts from 1.",
    ),
    notice="Notice what patience costs: too little and a wobble ends the training, "
    "too much and you pay for epochs that you throw away.",
)
def check_early_stopping(answer):
    steady = [0.9, 0.6, 0.5, 0.55, 0.6, 0.7]
    found = _epoch(answer, steady, 2)
    expect(
        found != 2,
        "for a loss that is lowest in the third epoch you said 2: epochs count from 1.",
    )
    expect(
        not 0.4 < found < 0.6,
        f"you returned a loss, {found}; return its epoch.",
    )
    expect(
        found != 5,
        "for 0.9, 0.6, 0.5, 0.55, 0.6, 0.7 with patience 2 you said 5. There the "
        "training stops, but the epoch to go back to is that of the lowest loss.",
    )
    expect(
        found == 3,
        f"for 0.9, 0.6, 0.5, 0.55, 0.6, 0.7 with patience 2 you said {found}; the "
        "lowest loss stands in epoch 3.",
    )
    found = _epoch(answer, [0.9, 0.6, 0.65, 0.5, 0.55, 0.56], 2)
    expect(
        found != 2,
        "0.9, 0.6, 0.65, 0.5 rises once and then falls again; with patience 2 one "
        "epoch without progress is not the end, and you stopped there.",
    )
    expect(
        found == 4,
        f"for 0.9, 0.6, 0.65, 0.5, 0.55, 0.56 with patience 2 you said {found}; "
        "the lowest loss stands in epoch 4.",
    )
    found = _epoch(answer, [0.9, 0.5, 0.6, 0.7, 0.8, 0.3], 2)
    expect(
        found != 6,
        "you waited for the 0.3 of epoch 6, but with patience 2 the training stops in "
        "epoch 4; early stopping can't look into the future.",
    )
    expect(
        found == 2,
        f"for 0.9, 0.5, 0.6, 0.7, 0.8, 0.3 with patience 2 you said {found}; the "
        "training stops in epoch 4 and goes back to epoch 2.",
    )
    found = _epoch(answer, [0.9, 0.5, 0.7, 0.6, 0.55, 0.3], 2)
    expect(
        found == 2,
        f"for 0.9, 0.5, 0.7, 0.6, 0.55, 0.3 with patience 2 you said {found}. After "
        "epoch 2 the loss falls from 0.7 to 0.6, but that is no new lowest: compare "
        "with the best so far, not with the epoch before.",
    )
    found = _epoch(answer, [0.9, 0.8, 0.7], 2)
    expect(
        found == 3,
        f"for a loss that falls to the end, 0.9, 0.8, 0.7, you said {describe(found)}; "
        "nothing stops it, and the last of the three epochs is the best.",
    )


def _epoch(answer, losses, patience):
    given = list(losses)
    found = answer(given, patience)
    expect(given == losses, "your early_stopping changed the list that it was given.")
    expect(
        found is not None,
        f"for {', '.join(map(str, losses))} with patience {patience} your function "
        "returned None; every training has a best epoch, also one that never stops.",
    )
    expect(
        isinstance(found, (int, float)) and not isinstance(found, bool),
        f"return the number of an epoch; I got {describe(found)}.",
    )
    return found


# --- 5.5


def one_at_a_time(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        found[name] = max(values, key=lambda value: score(found | {name: value}))
    return found


@exercise(
    "5.5",
    one_at_a_time,
    minutes=15,
    difficulty="hard",
    hints=(
        "Begin with a copy of start. Go through choices, one name after the other.",
        "For one name, ask score for each of its values, with all other names as "
        "found so far, and keep the best value before you go on to the next name.",
        "A copy of a dictionary with one value changed: {**found, name: value}.",
    ),
    notice="Notice how few runs it took: the sum of the choices, where the grid takes "
    "their product. What you save in runs you pay for in what you never see.",
)
def check_one_at_a_time(answer):
    # Two ridges: along the one that tuning finds, and a higher one beyond a valley.
    table = {
        (lr, depth): value
        for depth, row in {
            1: (0.70, 0.80, 0.85),
            2: (0.60, 0.70, 0.88),
            3: (0.90, 0.50, 0.10),
        }.items()
        for lr, value in zip((0.01, 0.1, 1.0), row)
    }
    choices = {"lr": [0.01, 0.1, 1.0], "depth": [1, 2, 3]}
    found, asked, start = _tuned(answer, table, choices, {"lr": 0.1, "depth": 1})
    expect(
        isinstance(found, dict) and set(found) == {"lr", "depth"},
        "return the whole setting as a dictionary with the names of start; I got "
        f"{describe(found)}.",
    )
    expect(
        start == {"lr": 0.1, "depth": 1},
        "your function changed the dictionary start that it was given; copy it first.",
    )
    expect(
        len(set(asked)) < 9,
        f"you asked for all {len(set(asked))} settings, the whole grid: this is a grid "
        "search. Tune one name, keep the best, go on.",
    )
    tried = [setting for setting in asked if setting != (0.1, 1)]
    expect(tried, "your function never asked score for anything but the start.")
    expect(
        tried[0][1] == 1,
        "the first setting that you changed was not lr, the first name in choices; "
        "take the names in that order.",
    )
    expect(
        found["lr"] == 1.0,
        f"with depth 1 the lrs 0.01, 0.1 and 1.0 score 0.70, 0.80 and 0.85; you kept "
        f"{describe(found['lr'])}.",
    )
    expect(
        (0.1, 2) not in asked,
        "while you tuned depth, lr stood at its start, 0.1, and not at the 1.0 that "
        "you had just found.",
    )
    expect(
        found != {"lr": 1.0, "depth": 1},
        "you tuned lr and stopped: depth is still what it was at the start.",
    )
    expect(
        found == {"lr": 1.0, "depth": 2},
        f"with lr 1.0 the depths 1, 2 and 3 score 0.85, 0.88 and 0.10; you kept "
        f"{describe(found['depth'])}.",
    )
    other_way = {"depth": choices["depth"], "lr": choices["lr"]}
    found, _, _ = _tuned(answer, table, other_way, {"lr": 0.01, "depth": 1})
    expect(
        found == {"lr": 0.01, "depth": 3},
        f"with the names in the other order, depth before lr, and lr 0.01 at the start "
        f"I got {describe(found)}; take the names as choices has them.",
    )


def _tuned(answer, table, choices, start):
    """(what it found, the (lr, depth) it asked for, its start afterwards)."""
    asked = []

    def score(setting):
        fine = isinstance(setting, dict) and set(setting) == {"lr", "depth"}
        expect(
            fine,
            "score takes one whole setting, a dictionary with a value for every name "
            f"of start; you gave it {describe(setting)}.",
        )
        asked.append((setting["lr"], setting["depth"]))
        return table[setting["lr"], setting["depth"]]

    start = dict(start)
    found = answer(score, {name: list(of) for name, of in choices.items()}, start)
    expect(found is not None, "your one_at_a_time returned None; return the setting.")
    return found, asked, start


# --- 5.6


def cheapest(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.mean >= best - margin]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


@exercise(
    "5.6",
    cheapest,
    minutes=8,
    difficulty="medium",
    hints=(
        "Find the best mean first. Which settings come within the margin of it?",
        "Of those, min(..., key=...) finds the one with the fewest parameters. All "
        "runs of a group have the same number: groups[key][0].num_parameters.",
    ),
    notice="Notice the trade: a fraction of the parameters for a difference that is "
    "hardly larger than the luck of a seed. Now run the cell below.",
)
def check_cheapest(answer):
    accuracies = {
        (512, 2): (0.90, 0.90),
        (256, 2): (0.897, 0.895),  # as close to the best, and larger than the next
        (300, 1): (0.893, 0.891),  # the answer: fewer than (256, 2)
        (128, 2): (0.884, 0.884),  # within a hundredth part, not within a hundredth
        (64, 3): (0.80, 0.899),  # a lucky seed
        (8, 1): (0.70, 0.71),
    }
    counts = {key: _count(*key) for key in accuracies}
    counts[256, 2] = 260_000
    groups = _groups(accuracies, counts)
    found = ask(answer, groups, 0.01, kind=None)
    expect(
        not isinstance(found, Results),
        "return the setting, a key of groups; you returned its runs.",
    )
    expect(
        found in list(groups),
        f"return the setting, a key of groups; I got {describe(found)}.",
    )
    reached = f"{groups[found].mean:.3f} with {groups[found][0].num_parameters:,}"
    expect(
        found != (512, 2),
        "you returned the best of all; some are within the margin, and cheaper.",
    )
    expect(
        found != (8, 1),
        "you returned the cheapest of all, which is right only 0.705 of the time; the "
        "best reaches 0.900.",
    )
    expect(
        found != (64, 3),
        "you returned a setting with one lucky seed, 0.899; its mean is 0.850, and "
        "the means decide.",
    )
    expect(
        found != (128, 2),
        "you returned a setting with 0.884, and the best has 0.900. A margin of 0.01 "
        "is taken away from the best: 0.890 is the least that is fine.",
    )
    expect(
        found != (256, 2),
        f"you returned {found}, {reached} parameters. There is one within the margin "
        "with fewer parameters, although it has more units in its layer.",
    )
    expect(found == (300, 1), f"you returned {found}, {reached} parameters.")
    expect(
        answer(groups, 0.0) == (512, 2),
        "with a margin of 0 only the best itself is left, and you returned "
        f"{describe(answer(groups, 0.0))}; does your function use its margin?",
    )
