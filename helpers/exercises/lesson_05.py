"""The exercises of 05_hyperparameters."""

import math
from collections.abc import Iterable

import torch

from helpers.exercises.exercise import (
    NO_RETURN,
    ask,
    describe,
    exercise,
    expect,
    number,
)
from helpers.training import Config
from helpers.tuning.results import Result, Results

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
        not _close([*found[1:], 1.0], [value * found[1] / found[0] for value in found]),
        f"from 0.001 to 1 with 4 numbers I got {said}: the next one would be hi, so the "
        "way was cut into 4 equal ratios, and between 4 numbers there are 3.",
    )
    expect(
        math.isclose(found[-1], 1, rel_tol=1e-3),
        f"from 0.001 to 1 with 4 numbers I got {said}: they do not end at hi.",
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
    found = _numbers(ask(answer, 0.0001, 0.02, 6, kind=None))
    said = ", ".join(f"{value:.3g}" for value in found)
    wanted = [0.0001 * 200 ** (i / 5) for i in range(6)]
    expect(
        _close(found, wanted),
        f"right from 2 to 50, but from 0.0001 to 0.02 with 6 numbers I got {said}, and "
        f"the second one should be {wanted[1]:.3g}.",
    )


def _numbers(found):
    if isinstance(found, torch.Tensor):
        found = found.tolist()
    listed = isinstance(found, Iterable) and not isinstance(found, (str, dict))
    said = f"I need a list of numbers, and your function returned {describe(found)}."
    expect(listed, said)
    found = list(found)
    expect(found, said)
    for value in found:
        other = f"I need a list of numbers, and yours holds {describe(value)}."
        expect(number(value) is not None, other)
    return [number(value) for value in found]


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
    ones = (101_770, 1), (101_700, 1), (101_765, 1), (900, 1)
    for budget, num_layers in (*ones, (100_000, 2), (300_000, 4)):
        returned = ask(answer, budget, num_layers, kind=None)
        wanted, found = widest(budget, num_layers), number(returned)
        expect(returned is not None, NO_RETURN.format(name="widest"))
        expect(
            found is not None and math.isfinite(found) and found % 1 == 0,
            f"a width is a whole number of units; I got {describe(returned)}.",
        )
        found, layers = int(found), f"{num_layers} hidden layer(s)"
        count, next_one = (_count(w, num_layers) for w in (found, found + 1))
        case = f"for {budget:,} parameters and {layers} you said {found}"
        expect(found > 0, f"{case}, and there would be room for one unit at least.")
        expect(
            found != _widest_by(budget, num_layers, biases=False) or found == wanted,
            f"{case}, and that model has {count:,}. Without its biases it would fit.",
        )
        expect(
            found != wanted + 1,
            f"{case}, and that model has {count:,}: one unit too many.",
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
            f"{case}, but {found + 1} would fit too, with {next_one:,}{exact}",
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
            1.0: (0.20, 0.91, 0.885),  # the luckiest seed, the best median
            0.1: (0.84, 0.86, 0.85),
            0.3: (0.88, 0.84, 0.89),  # the best mean
            0.5: (0.83, 0.835, 0.838),  # below all of the best's
        }
    )
    best, rivals = _best_and_list(answer, groups)
    expect(
        best != 1.0,
        "you said 1.0 is the best, whose seeds got 0.20, 0.91 and 0.885: a mean of 0.665 "
        "only. (It is also simply the largest of the values.)",
    )
    expect(
        best == 0.3,
        f"you said {best} is the best; the highest mean belongs to 0.3, with "
        f"{groups[0.3].mean:.2f}.",
    )
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
        "you found no rival of 0.3 (0.84 to 0.89), but 0.1 reaches from 0.84 to 0.86, "
        "and 1.0 from 0.20 to 0.91.",
    )
    expect(
        1.0 in rivals,
        "1.0 is missing from your rivals. It reaches from 0.20 to 0.91, so its range "
        "overlaps with that of 0.3, far as its mean is.",
    )
    expect(
        rivals == {0.1, 0.3, 1.0},
        f"the ranges of 0.1, 0.3 and 1.0 overlap with the best's; you said "
        f"{sorted(rivals)}.",
    )
    _, touching = _best_and_list(answer, _groups({1: (0.8, 0.9), 2: (0.7, 0.8)}))
    expect(
        touching == {1, 2},
        "two ranges that share just one number, 0.7 to 0.8 and 0.8 to 0.9, overlap "
        "as well.",
    )


def _best_and_list(answer, groups):
    """The best and the set of rivals that an answer returned, all of them values."""
    found = ask(answer, groups, kind=None)
    expect(
        isinstance(found, (tuple, list)) and len(found) == 2,
        f"return two things, the best value and the list of rivals; I got "
        f"{describe(found)}.",
    )
    best, rivals = found
    expect(
        not isinstance(best, Results),
        "the best should be the value, a key of groups; you returned its runs.",
    )
    means = [runs.mean for runs in groups.values()]
    expect(
        not isinstance(best, float) or best in groups or best not in means,
        f"you returned the accuracy {describe(best)} as the best, and not the value that "
        "reached it.",
    )
    expect(
        best in list(groups),
        f"the best should be a key of groups; I got {describe(best)}.",
    )
    expect(
        isinstance(rivals, (list, tuple, set, dict)),
        f"the rivals should be a list of values; I got {describe(rivals)}.",
    )
    others = [rival for rival in rivals if rival not in list(groups)]
    expect(
        not others,
        "the rivals should be values, keys of groups; among yours I found "
        f"{', '.join(map(describe, others[:1]))}.",
    )
    return best, set(rivals)


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
    for losses, patience, wanted, mistakes in TRAININGS:
        found = _epoch(answer, losses, patience)
        said = ", ".join(map(str, losses))
        case = f"for {said} with patience {patience} you said {found:g}"
        expect(
            found == int(found) or found not in losses,
            f"{case}: that is a loss, and not its epoch.",
        )
        expect(found not in mistakes, f"{case}: {mistakes.get(found)}")
        expect(
            found == wanted,
            f"{case}; the lowest loss up to the stop stands in epoch {wanted}.",
        )


# Losses, patience, the right epoch, and what others say about an answer.
TRAININGS = (
    (
        [0.9, 0.6, 0.5, 0.55, 0.6, 0.7],
        2,
        3,
        {
            2: "its place counted from 0, and epochs count from 1.",
            5: "there the training stops, and the lowest loss was earlier.",
            6: "that is the last epoch, and the lowest loss was earlier.",
        },
    ),
    (
        [0.9, 0.6, 0.65, 0.5, 0.55, 0.56],
        2,
        4,
        {2: "you stopped in epoch 3, after one epoch without a new lowest loss."},
    ),
    (
        [0.9, 0.5, 0.6, 0.7, 0.8, 0.3],
        2,
        2,
        {
            6: "you waited for the 0.3, but with patience 2 the training stops in epoch "
            "4; early stopping can't look into the future."
        },
    ),
    (
        [0.9, 0.5, 0.6, 0.7, 0.3],
        2,
        2,
        {
            5: "you stopped one epoch late. Epochs 3 and 4 have brought no new lowest "
            "loss, and that makes two."
        },
    ),
    (
        [0.9, 0.5, 0.7, 0.6, 0.55, 0.3],
        2,
        2,
        {
            6: "after epoch 2 the loss falls from 0.7 to 0.6, but that is no new lowest. "
            "You compared with the epoch before, and not with the best so far."
        },
    ),
    (
        [0.9, 0.6, 0.65, 0.5, 0.55, 0.4, 0.45, 0.5],
        2,
        6,
        {
            4: "epochs 3 and 5 brought no new lowest loss, but they are not in a row: "
            "epoch 4 did, and your count went on over it."
        },
    ),
    (
        [0.9, 0.5, 0.5, 0.6, 0.4],
        2,
        2,
        {
            3: "the 0.5 of epoch 3 only equals the lowest loss, and is no new lowest.",
            5: "the 0.5 of epoch 3 is no new lowest loss, so by epoch 4 two in a row "
            "have brought none.",
        },
    ),
    (
        [0.9, 0.5, 0.6, 0.7, 0.4, 0.45],
        3,
        5,
        {2: "you stopped after fewer than three epochs without a new lowest loss."},
    ),
    (
        [0.9, 0.5, 0.6, 0.4],
        1,
        2,
        {4: "with patience 1 one epoch without a new lowest loss, epoch 3, ends it."},
    ),
    (
        [0.5, 0.6, 0.7],
        2,
        1,
        {0: "there is no epoch 0. The lowest loss is the first one."},
    ),
    ([0.9, 0.8, 0.7], 2, 3, {}),
)


def _epoch(answer, losses, patience):
    found = ask(answer, list(losses), patience, kind=None)
    case = f"for {', '.join(map(str, losses))} with patience {patience} your function"
    expect(
        found is not None,
        f"{case} returned None; every training has a best epoch, also one that never "
        "stops.",
    )
    epoch = number(found)
    expect(
        epoch is not None and math.isfinite(epoch),
        f"{case} returned {describe(found)}, and an epoch is a whole number.",
    )
    return epoch


# --- 5.5


def cheapest(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.mean >= best - margin]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


@exercise(
    "5.5",
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
        (512, 2): (0.902, 0.898),
        (400, 2): (0.8902, 0.8902),  # the lowest mean within the margin
        (256, 2): (0.897, 0.895),  # as close to the best, and larger than the next
        (300, 1): (0.892, 0.889),  # the answer: fewer than (256, 2) and (280, 2)
        (280, 2): (0.894, 0.892),  # the answer to a margin of a hundredth part, 0.891
        (128, 2): (0.884, 0.884),  # within twice the margin
        (64, 3): (0.80, 0.899),  # a lucky seed
        (8, 1): (0.70, 0.71),
    }
    counts = {key: _count(*key) for key in accuracies}
    counts[256, 2], counts[280, 2] = 260_000, 250_000
    groups = _groups(accuracies, counts)
    found = ask(answer, groups, 0.01, kind=None)
    _is_setting(found, groups)
    reached = f"{groups[found].mean:.3f} with {groups[found][0].num_parameters:,}"
    expect(
        found != (512, 2),
        "you returned the best of all; others are within the margin, and cheaper.",
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
    expect(
        found != (280, 2),
        f"you returned {found}, {reached} parameters. (300, 1) has fewer, and its mean, "
        "0.8905, is less than 0.01 below the best mean, 0.900. (A hundredth part of "
        "0.900 would be less than that.)",
    )
    expect(
        found == (300, 1),
        f"you returned {found}, {reached} parameters. (300, 1) has fewer, and its mean "
        "is 0.8905.",
    )
    cases = (0.0, (512, 2), "only the best itself"), (0.5, (8, 1), "every one of them")
    for margin, wanted, fine in cases:
        found = ask(answer, groups, margin, kind=None)
        _is_setting(found, groups)
        expect(
            found == wanted,
            f"right for a margin of 0.01, but with {margin}, where {fine} is good "
            f"enough, you returned {found}.",
        )


def _is_setting(found, groups):
    expect(
        not isinstance(found, Results),
        "return the setting, a key of groups; you returned its runs.",
    )
    expect(
        found in list(groups),
        f"return the setting, a key of groups; I got {describe(found)}.",
    )


# --- 5.6


def one_at_a_time(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        found[name] = max(values, key=lambda value: score(found | {name: value}))
    return found


@exercise(
    "5.6",
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
    choices, start = {"lr": [0.01, 0.1, 1.0], "depth": [1, 2, 3]}, (0.1, 1)
    found, asked = _tuned(answer, choices, start)
    expect(
        len(set(asked)) < 9,
        f"you asked for all {len(set(asked))} settings, the whole grid: this is a grid "
        "search.",
    )
    tried = [setting for setting in asked if setting != start]
    expect(tried, "your function never asked score for anything but the start.")
    expect(
        tried[0][1] == 1,
        "the first setting that you changed was not lr, the first name in choices; "
        "the names come in that order.",
    )
    expect(
        found["lr"] == 1.0,
        f"with depth 1 the lrs 0.01, 0.1 and 1.0 score 0.70, 0.80 and 0.85; you kept "
        f"{describe(found['lr'])}.",
    )
    deeper = [lr for lr, depth in asked if depth != 1]
    expect(
        deeper,
        "you tuned lr and stopped: depth is still what it was at the start.",
    )
    expect(
        deeper[0] != 0.1,
        "while you tuned depth, lr stood at its start, 0.1, and not at the 1.0 that "
        "you had just found.",
    )
    expect(
        found == {"lr": 1.0, "depth": 2},
        f"with lr 1.0 the depths 1, 2 and 3 score 0.85, 0.88 and 0.10; you kept "
        f"{describe(found['depth'])}.",
    )
    expect(
        set(deeper) == {1.0},
        "after depth you tuned lr a second time; each name is tuned once.",
    )
    other_way = {"depth": choices["depth"], "lr": choices["lr"]}
    found, _ = _tuned(answer, other_way, (0.01, 1))
    expect(
        found == {"lr": 0.01, "depth": 3},
        "with the names in the other order, depth before lr, and lr 0.01 at the start "
        f"I got {describe(found)}; the order is that of choices.",
    )
    below = "when all scores were below 0 (minus a loss, say) "
    found, _ = _tuned(answer, choices, start, below=5.0, case=below)
    expect(
        found == {"lr": 1.0, "depth": 2},
        f"{below}you returned {describe(found)}, and with scores above 0 "
        "{'lr': 1.0, 'depth': 2}.",
    )
    found, _ = _tuned(answer, {"depth": choices["depth"]}, (1.0, 3))
    expect(
        found == {"lr": 1.0, "depth": 2},
        "with depth alone in choices, and lr 1.0 and depth 3 at the start, the depths "
        f"1, 2 and 3 score 0.85, 0.88 and 0.10; I got {describe(found)}.",
    )


# Two ridges: along the one that tuning finds, and a higher one beyond a valley.
RIDGES = {
    (lr, depth): value
    for depth, row in {
        1: (0.70, 0.80, 0.85),
        2: (0.60, 0.70, 0.88),
        3: (0.90, 0.50, 0.10),
    }.items()
    for lr, value in zip((0.01, 0.1, 1.0), row)
}


def _tuned(answer, choices, start, below=0.0, case=""):
    """(what it found, the (lr, depth) that it asked for); `below` is taken off."""
    asked = []

    def score(setting):
        fine = isinstance(setting, dict) and set(setting) == {"lr", "depth"}
        expect(
            fine,
            "score takes one whole setting, a dictionary with a value for every name "
            f"of start; you gave it {describe(setting)}.",
        )
        asked.append((setting["lr"], setting["depth"]))
        expect(
            asked[-1] in list(RIDGES),
            f"{case}you asked for the score of {describe(setting)}, which has a value "
            "that is not in choices.",
        )
        return RIDGES[asked[-1]] - below

    began = dict(zip(("lr", "depth"), start))
    given, kept = dict(began), {name: list(values) for name, values in choices.items()}
    found = answer(score, kept, given)
    expect(found is not None, NO_RETURN.format(name="one_at_a_time"))
    expect(
        given == began,
        "your function changed the dictionary start that it was given.",
    )
    same = list(kept.items()) == list(choices.items())
    expect(same, "your function changed the choices that it was given.")
    expect(
        isinstance(found, dict) and set(found) == {"lr", "depth"},
        "return the whole setting as a dictionary with the names of start; I got "
        f"{describe(found)}.",
    )
    expect(found is not given, "you returned start itself, and not a new dictionary.")
    return found, asked
