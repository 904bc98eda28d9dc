"""The exercises of 05_hyperparameters."""

import functools
import math
import random
import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch

from helpers.exercises.comparing import near
from helpers.exercises.exercise import (
    NotYet,
    ask,
    describe,
    exercise,
    expect,
    is_setting,
    number,
    rule_out,
    saying,
    whole_number,
)
from helpers.language import COMMA, tr, tr_n
from helpers.training import Config
from helpers.tuning.results import Result, Results

# --- 5.1


def log_grid(lo, hi, count):
    ratio = (hi / lo) ** (1 / (count - 1))
    return [lo * ratio**i for i in range(count)]


@exercise(
    "5.1",
    log_grid,
    "Each number is the one before it times the same factor. How many times do "
    "you multiply on the way from the first number to the last?",
    "Multiplied by itself once for each gap, the factor has to give hi / lo. "
    "There is one gap fewer than there are numbers.",
    "The root that undoes n multiplications is a power: x ** (1 / n).",
    notice="Notice that a log grid spends as many tries between 0.001 and 0.01 as "
    "between 0.1 and 1; an even grid would spend nearly all of them above 0.1.",
)
def check_log_grid(answer: Callable) -> None:
    _check_powers_of_ten(_numbers(answer, 0.001, 1.0, 4))
    for lo, hi, count in ((2, 50, 3), (0.0001, 0.02, 6)):
        found, wanted = _numbers(answer, lo, hi, count), log_grid(lo, hi, count)
        why = tr(
            "right for powers of ten, but from {lo} to {hi} with {count} numbers I got "
            "{numbers} instead of {wanted}."
        )
        said = {"numbers": _shown(found), "wanted": _shown(wanted)}
        expect(_close(found, wanted), why, lo=lo, hi=hi, count=count, **said)


def _check_powers_of_ten(found: list) -> None:
    wanted = [0.001, 0.01, 0.1, 1.0]
    exponents = tr("These are the exponents, not the numbers themselves.")
    mistakes = {
        (0.001, 0.334, 0.667, 1.0): tr("They have equal differences, not ratios."),
        (-3, -2, -1, 0): exponents,
        tuple(map(math.log, wanted)): exponents,
    }
    # Translators: {why} is one of the sentences before, or of the next ones.
    got = tr("from 0.001 to 1 with 4 numbers I got {numbers}. {why}")
    with saying(got, numbers=_shown(found)):
        rule_out(found, mistakes, _close)
        why = tr("I asked for {wanted} numbers and got {count}.")
        expect(len(found) == 4, why, wanted=4, count=len(found))
        expect(_close(found[:1], [0.001]), tr("The first one has to be lo."))
        why = tr(
            "The next one would be hi: you cut the range into 4 equal ratios, but "
            "between 4 numbers there are 3."
        )
        ratio = found[1] / found[0]
        expect(not _close([*found[1:], 1.0], [x * ratio for x in found]), why)
        expect(_close(found[-1:], [1.0]), tr("They do not end at hi."))
        expect(_close(found, wanted), tr("The ratios of neighbours are not all equal."))


def _numbers(answer: Callable, *inputs: float) -> list:
    returned = ask(answer, *inputs, kind=None)
    found = returned.tolist() if isinstance(returned, torch.Tensor) else returned
    listed = isinstance(found, Iterable) and not isinstance(found, (str, dict))
    found = list(found) if listed else []
    said = tr("I need a list of numbers; your function returned {found}.")
    expect(found, said, found=describe(returned))
    numbers = [number(value) for value in found]
    for value, each in zip(found, numbers):
        other = tr("I need a list of numbers; yours holds {found}.")
        expect(each is not None, other, found=describe(value))
    return list(map(float, numbers))


def _shown(numbers: list) -> str:
    return COMMA.join(f"{value:.3g}" for value in numbers)


def _close(found: Iterable, wanted: Iterable) -> bool:
    """Also numbers that were rounded to three digits are close."""
    return near(list(found), list(wanted), rtol=1e-3, atol=1e-9)


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
    "Write down the sizes from the pixels to the scores, such as 784, w, w, 10. "
    "Each pair of neighbours has one matrix between them.",
    "Each layer also has one bias for each of its outputs.",
    "You need no formula for the width: count for one width after another until "
    "the next one would be too many.",
    notice="Notice that with 100,000 parameters a second layer costs only 15 of 125 "
    "units: nearly all weights are in W1.",
)
def check_widest(answer: Callable) -> None:
    ones = (101_770, 1), (101_700, 1), (101_765, 1), (900, 1)
    for budget, num_layers in (*ones, (100_000, 2), (300_000, 4), (2_000_000, 1)):
        if budget == 2_000_000:  # Jupyter allows three times as many nested calls
            sys.setrecursionlimit(1000)  # `check` undoes it
        found = whole_number(ask(answer, budget, num_layers, kind=object))
        if found != widest(budget, num_layers):
            _explain_width(found, budget, num_layers)


def _explain_width(found: int, budget: int, num_layers: int) -> None:
    wanted = widest(budget, num_layers)
    count, next_one = (_count(width, num_layers) for width in (found, found + 1))
    fits_without = wanted
    while _count(fits_without + 1, num_layers, biases=False) <= budget:
        fits_without += 1
    # Where two mistakes give one width, the later line is told.
    mistakes = {
        wanted + 1: tr("That is one unit too many."),
        fits_without: tr("It would fit without biases."),
    }
    if num_layers > 1:
        mistakes |= {
            widest(budget, num_layers - 1): tr_n(
                "{num_layers} hidden layers have one matrix between them.",
                "{num_layers} hidden layers have {matrices} matrices between them.",
                num_layers - 1,
            ),
            widest(budget, 1): tr(
                "It is the width for a single hidden layer; the matrices between the "
                "hidden layers count too."
            ),
        }
    said = {"budget": budget, "num_layers": num_layers, "found": found}
    why = tr(
        "for {budget:,} parameters and num_layers={num_layers} you said {found}, but "
        "there is room for at least one unit."
    )
    expect(found > 0, why, **said)
    # Translators: {why} is one of the sentences before, or of the next ones.
    case = tr(
        "for {budget:,} parameters and num_layers={num_layers} you said {found}, and "
        "that model has {count:,} parameters. {why}"
    )
    with saying(case, **said, count=count):
        rule_out(found, mistakes, num_layers=num_layers, matrices=num_layers - 1)
        expect(found < wanted, tr("That is too many."))
        why = tr(
            "{more} units would fit too, with {next_one:,}. A model of exactly the "
            "budget fits."
        )
        more = {"more": found + 1, "next_one": next_one}
        expect(next_one != budget, why, **more)
        raise NotYet(tr("{more} units would fit too, with {next_one:,}."), **more)


def _count(width: int, num_layers: int, biases: bool = True) -> int:
    sizes = [784] + [width] * num_layers + [10]
    return sum((n_in + biases) * n_out for n_in, n_out in zip(sizes, sizes[1:]))


# --- 5.3


def best_and_rivals(groups):
    best = max(groups, key=lambda value: groups[value].mean)
    low = groups[best].spread[0]
    rivals = [value for value, runs in groups.items() if runs.spread[1] >= low]
    return best, sorted(rivals)


@exercise(
    "5.3",
    best_and_rivals,
    "groups is a dictionary. max(groups, key=...) looks for the key for which "
    "something is largest; what should that something be?",
    "A value is a rival if its luckiest seed reaches the unluckiest seed of the "
    "best. Which two ends of the two ranges do you compare?",
    notice="Notice that there can be many rivals: three seeds often can't tell "
    "neighbours apart, and then the cheaper or more robust one is as good a choice.",
)
def check_best_and_rivals(answer: Callable) -> None:
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
    why = tr(
        "you said 1.0 is the best. Its seeds got 0.20, 0.91 and 0.885: a mean of only "
        "0.665. (It is also the largest of the values.)"
    )
    expect(best != 1.0, why)
    why = tr(
        "you said {best} is the best; the highest mean belongs to 0.3, with {mean:.2f}."
    )
    expect(best == 0.3, why, best=best, mean=groups[0.3].mean)
    mistakes = {
        frozenset({0.1, 1.0}): tr("you left the best itself out of the rivals."),
        frozenset({0.3}): tr(
            "you found no rival of 0.3 (0.84 to 0.89), but 0.1 reaches from 0.84 to "
            "0.86, and 1.0 from 0.20 to 0.91."
        ),
    }
    rule_out(rivals, mistakes)
    why = tr(
        "0.5 is among your rivals, but its best seed, 0.838, is below 0.84, the worst "
        "seed of 0.3: the ranges do not overlap."
    )
    expect(0.5 not in rivals, why)
    why = tr(
        "1.0 is missing from your rivals. It reaches from 0.20 to 0.91, so its range "
        "overlaps with that of 0.3, although its mean is far below."
    )
    expect(1.0 in rivals, why)
    why = tr("0.1 and 1.0 overlap with the best, 0.3; you said {rivals}.")
    expect(rivals == {0.1, 0.3, 1.0}, why, rivals=sorted(rivals))
    best, touching = _best_and_list(answer, _groups({2: (0.7, 0.8), 1: (0.8, 0.9)}))
    said = tr(
        "for seeds with 0.7 and 0.8 (2) and 0.8 and 0.9 (1) you said {best} is best."
    )
    expect(best == 1, said, best=best)
    why = tr(
        "ranges that share only one number, 0.7 to 0.8 and 0.8 to 0.9, overlap too."
    )
    expect(touching == {1, 2}, why)


def _best_and_list(answer: Callable, groups: dict) -> tuple[Any, set]:
    """The best and the set of rivals that an answer returned, all of them values."""
    found = ask(answer, groups, kind=None)
    why = tr("return two things, the best value and its rivals; I got {found}.")
    pair = isinstance(found, (tuple, list)) and len(found) == 2
    expect(pair, why, found=describe(found))
    best, rivals = found
    means = [runs.mean for runs in groups.values()]
    why = tr("you returned the accuracy {found} as the best, not a key of groups.")
    expect(
        not isinstance(best, float) or best in groups or best not in means,
        why,
        found=describe(best),
    )
    _expect_key(best, groups)
    why = tr("the rivals should be a list of values; I got {found}.")
    expect(isinstance(rivals, (list, tuple, set, dict)), why, found=describe(rivals))
    for rival in rivals:
        why = tr("the rivals should be keys of groups; yours include {found}.")
        expect(rival in list(groups), why, found=describe(rival))
        why = tr("{found} is among your rivals more than once.")
        expect(list(rivals).count(rival) == 1, why, found=describe(rival))
    return best, set(rivals)


def _expect_key(found: Any, groups: dict) -> None:
    why = tr("I need a key of groups, and you returned its runs.")
    expect(not isinstance(found, Results), why)
    why = tr("I need a key of groups, and you returned {found}.")
    expect(found in list(groups), why, found=describe(found))


def _groups(accuracies: dict, num_parameters: dict | None = None) -> dict:
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


TRAININGS = {  # losses and patience: wrong epochs, and what is wrong with them
    ((0.9, 0.6, 0.5, 0.55, 0.6, 0.7), 2): {
        2: tr(
            "That is where the lowest loss is, counted from 0, and epochs count from 1."
        ),
        5: tr("That is where training stops, and the lowest loss was earlier."),
        6: tr("That is the last epoch, and the lowest loss was earlier."),
    },
    ((0.9, 0.6, 0.65, 0.5, 0.55, 0.56), 2): {
        2: tr(
            "Training does not stop in epoch 3, after one epoch without a new lowest "
            "loss, and epoch 4 brings one."
        ),
    },
    ((0.9, 0.5, 0.6, 0.7, 0.8, 0.3), 2): {
        6: tr(
            "With patience 2 training stops in epoch 4, before the 0.3; early stopping "
            "can't look into the future."
        ),
    },
    ((0.9, 0.5, 0.6, 0.7, 0.3), 2): {
        5: tr("Training stops one epoch before: epochs 3 and 4 brought no lower loss."),
    },
    ((0.9, 0.5, 0.7, 0.6, 0.55, 0.3), 2): {
        6: tr(
            "After epoch 3 the loss falls from 0.7 to 0.6, but that is not a new "
            "lowest loss; what counts is the best so far, not the epoch before."
        ),
    },
    ((0.9, 0.6, 0.65, 0.5, 0.55, 0.4, 0.45, 0.5), 2): {
        4: tr(
            "Epochs 3 and 5 brought no new lowest loss, but they are not in a row: "
            "epoch 4 did bring one."
        ),
    },
    ((0.9, 0.5, 0.5, 0.6, 0.4), 2): {
        3: tr("The 0.5 of epoch 3 equals the lowest loss; it is not a new lowest."),
        5: tr(
            "The 0.5 of epoch 3 is not a new lowest loss, so by epoch 4 two epochs in "
            "a row have brought none."
        ),
    },
    ((0.9, 0.5, 0.6, 0.7, 0.4, 0.45), 3): {
        2: tr(
            "Epochs 3 and 4 brought no new lowest loss, but epoch 5 does, before there "
            "are three in a row."
        ),
    },
    ((0.9, 0.5, 0.6, 0.4), 1): {
        1: tr(
            "Training does not stop in epoch 1: its loss is the lowest so far, since "
            "there is none before it."
        ),
        4: tr(
            "With patience 1, one epoch without a new lowest loss is enough: epoch 3."
        ),
    },
    ((0.5, 0.6, 0.7), 2): {
        0: tr("There is no epoch 0. The lowest loss is the first one.")
    },
    ((0.9, 0.8, 0.7), 2): {},
}


@exercise(
    "5.4",
    early_stopping,
    "Go through the epochs as they happen, and keep two things: the lowest loss "
    "so far, and its epoch.",
    "At each epoch that brings no new lowest loss, ask how long ago the last one was.",
    "Stopped or not, the answer is the epoch that you kept, not the one that you "
    "are in. enumerate(val_loss, start=1) counts from 1.",
    notice="Notice what patience costs: with too little, a wobble ends the training; "
    "with too much, you pay for epochs that you throw away.",
)
def check_early_stopping(answer: Callable) -> None:
    luck = random.Random(5)
    others = {}
    for patience in (1, 2, 2, 3, 3) * 8:
        fine = luck.choice((1, 100))  # some losses are nearly equal
        size = luck.randint(4, 8)
        losses = (0.5 + luck.randint(-20, 20) / 100 / fine for _ in range(size))
        others[tuple(round(loss, 4) for loss in losses), patience] = {}
    for (losses, patience), mistakes in (TRAININGS | others).items():
        run = COMMA.join(map(str, losses))
        returned = ask(answer, list(losses), patience, kind=None)
        epoch = number(returned)
        wrong = tr(
            "for {run} with patience {patience} your function returned {found}; every "
            "training has a best epoch, even one that never stops, and it is a whole "
            "number."
        )
        expect(
            epoch is not None and math.isfinite(epoch),
            wrong,
            run=run,
            patience=patience,
            found=describe(returned),
        )
        # Translators: {why} is one of the sentences before, or one of the next two.
        case = tr("for {run} with patience {patience} you said {epoch:g}. {why}")
        with saying(case, run=run, patience=patience, epoch=epoch):
            wrong = tr("That is a loss, not its epoch.")
            expect(epoch == int(epoch) or epoch not in losses, wrong)
            rule_out(epoch, mistakes)
            wanted = early_stopping(losses, patience)
            wrong = tr("The lowest loss up to the stop is that of epoch {wanted}.")
            expect(epoch == wanted, wrong, wanted=wanted)


# --- 5.5


def cheapest(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.mean >= best - margin]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


SETTINGS = {
    (400, 2): (0.8902, 0.8902),  # the lowest mean within the margin
    (512, 2): (0.902, 0.898),
    (256, 2): (0.897, 0.895),  # as close to the best, and larger than the next
    (300, 1): (0.892, 0.889),  # the answer: fewer than (256, 2) and (280, 2)
    (280, 2): (0.894, 0.892),  # the answer to a margin of a hundredth part, 0.891
    (128, 2): (0.884, 0.884),  # within twice the margin
    (64, 3): (0.80, 0.899),  # a lucky seed
    (8, 1): (0.70, 0.71),
}
NOT_THE_CHEAPEST = {
    (512, 2): tr("you returned the best of all; others within the margin are cheaper."),
    (8, 1): tr(
        "you returned the cheapest of all. Its mean is 0.705; the best has 0.900."
    ),
    (64, 3): tr("you returned a setting with one lucky seed; its mean is only 0.850."),
    (128, 2): tr(
        "you returned a setting with 0.884, and the best has 0.900. The margin of 0.01 "
        "is subtracted from the best: anything from 0.890 up is good enough."
    ),
    (256, 2): tr(
        "you returned (256, 2), 0.896 with 260,000 parameters. Another setting within "
        "the margin has fewer parameters, although its layer has more units."
    ),
    (280, 2): tr(
        "you returned (280, 2), 0.893 with 250,000 parameters. (300, 1) has fewer, and "
        "its mean, 0.8905, is less than 0.01 below the best mean, 0.900. (One percent "
        "of 0.900 would be less than 0.01.)"
    ),
}


@exercise(
    "5.5",
    cheapest,
    "Find the best mean first. Which settings come within the margin of it?",
    "Of those, min(..., key=...) finds the one with the fewest parameters. All "
    "runs of a group have the same number: groups[key][0].num_parameters.",
    notice="Notice the trade: a fraction of the parameters for a difference that is "
    "barely larger than the luck of a seed. Now run the cell below.",
)
def check_cheapest(answer: Callable) -> None:
    counts = {key: _count(*key) for key in SETTINGS}
    counts[256, 2], counts[280, 2] = 260_000, 250_000
    groups = _groups(SETTINGS, counts)
    found = _setting(answer, groups, 0.01)
    rule_out(found, NOT_THE_CHEAPEST)
    why = tr(
        "you returned {found}, {mean:.3f} with {count:,} parameters. (300, 1) has "
        "fewer, and its mean is 0.8905."
    )
    expect(
        found == (300, 1),
        why,
        found=found,
        mean=groups[found].mean,
        count=counts[found],
    )
    found = _setting(answer, groups, 0.0)
    why = tr(
        "right for a margin of 0.01, but with 0.0, where only the best itself is good "
        "enough, you returned {found}."
    )
    expect(found == (512, 2), why, found=found)
    found = _setting(answer, groups, 0.5)
    why = tr(
        "right for a margin of 0.01, but with 0.5, where every setting is good enough, "
        "you returned {found}."
    )
    expect(found == (8, 1), why, found=found)
    _check_other_groups(answer)


def _check_other_groups(answer: Callable) -> None:
    """Groups in which nothing depends on anything, with one seed lower than two."""
    luck = random.Random(5)
    for _ in range(10):
        keys = [(luck.choice([8, 64, 512]), depth) for depth in range(1, 6)]
        means = dict(zip(keys, luck.sample(range(800, 900), 5)))
        counts = dict(zip(keys, luck.sample(range(1000, 9000), 5)))
        apart = {key: luck.choice((0, 10, 30)) for key in keys}
        runs = {
            key: [(mean + d) / 1000, (mean + d) / 1000, (mean - 2 * d) / 1000]
            * (1 + key[1] % 2)  # some were tried with more seeds
            for (key, mean), d in zip(means.items(), apart.values())
        }
        groups = _groups(runs, counts)
        found = _setting(answer, groups, 0.0505)  # no mean is at the edge
        wanted = cheapest(groups, 0.0505)
        best = max(means.values()) / 1000
        said = tr(
            "with a margin of 0.0505 and a best mean of {best} you returned {found}, "
            "with a mean of {mean} and {count:,} parameters; {wanted} has "
            "{wanted_mean} and {wanted_count:,}."
        )
        expect(
            found == wanted,
            said,
            best=best,
            found=found,
            mean=means[found] / 1000,
            count=counts[found],
            wanted=wanted,
            wanted_mean=means[wanted] / 1000,
            wanted_count=counts[wanted],
        )


def _setting(answer: Callable, groups: dict, margin: float) -> tuple:
    found = ask(answer, groups, margin, kind=None)
    _expect_key(found, groups)
    return found


# --- 5.6


def one_at_a_time(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        found[name] = max(values, key=lambda value: score(found | {name: value}))
    return found


@exercise(
    "5.6",
    one_at_a_time,
    "Begin with a copy of start. Go through choices, one name after another.",
    "For one name, ask score for each of its values, with all other names as "
    "found so far, and keep the best value before you go on to the next name.",
    "A copy of a dictionary with one value changed: {**found, name: value}.",
    notice="Notice how few runs it took: the sum of the choices, where the grid takes "
    "their product. What you save in runs you pay for in what you never see.",
)
def check_one_at_a_time(answer: Callable) -> None:
    choices, start = {"lr": [0.01, 0.1, 1.0], "depth": [1, 2, 3]}, (0.1, 1)
    found, asked = _tuned(answer, choices, start)
    _check_way(found, asked, start)
    other_way = {"depth": choices["depth"], "lr": choices["lr"]}
    found, _ = _tuned(answer, other_way, (0.01, 1))
    why = tr(
        "with the names in the other order, depth before lr, and lr 0.01 at the start, "
        "the depths 1, 2 and 3 score 0.70, 0.60 and 0.90, and then 0.01 stays the best "
        "lr; I got {found}."
    )
    expect(found == {"lr": 0.01, "depth": 3}, why, found=describe(found))
    with saying(tr("when all scores were below 0 (minus a loss, say) {why}")):
        found, _ = _tuned(answer, choices, start, below=5.0)
        why = tr(
            "you returned {found}, and with scores above 0 {{'lr': 1.0, 'depth': 2}}."
        )
        expect(found == {"lr": 1.0, "depth": 2}, why, found=describe(found))
    _tuned(answer, choices, (1.0, 2))  # where start is the best
    found, _ = _tuned(answer, {"depth": choices["depth"]}, (1.0, 3))
    why = tr(
        "with only depth in choices, and lr 1.0 and depth 3 at the start, the depths "
        "1, 2 and 3 score 0.85, 0.88 and 0.10; I got {found}."
    )
    expect(found == {"lr": 1.0, "depth": 2}, why, found=describe(found))
    _check_by_luck(answer)


def _check_by_luck(answer: Callable) -> None:
    """Three names, and scores that are luck alone."""
    luck, names = random.Random(6), ("a", "b", "c")
    choices = {name: [1, 2, 3, 4] for name in names}
    for _ in range(10):
        luck_of = functools.cache(lambda *_: luck.random())
        start = {name: luck.randint(1, 4) for name in names}

        def score(setting: dict, luck_of: Callable = luck_of) -> float:
            return luck_of(*map(setting.get, names))

        found = ask(answer, score, choices, start, kind=dict)
        wanted = one_at_a_time(score, choices, start)
        why = tr(
            "with three names and random scores you returned {found} from {start}, but "
            "one name at a time leads to {wanted}."
        )
        expect(found == wanted, why, found=found, start=start, wanted=wanted)


def _check_way(found: dict, asked: list, start: tuple) -> None:
    """found: what was tuned from `start`; asked: the (lr, depth) on the way."""
    why = tr("you asked for all 9 settings of the grid; one name at a time takes 6.")
    expect(len(set(asked)) < 9, why)
    tried = [setting for setting in asked if setting != start]
    expect(tried, tr("your function never asked score for anything but the start."))
    why = tr(
        "the first setting that you asked for, besides start, has depth {depth}, but "
        "the first name in choices is lr."
    )
    expect(tried[0][1] == 1, why, depth=tried[0][1])
    why = tr(
        "with depth 1 the lrs 0.01, 0.1 and 1.0 score 0.70, 0.80 and 0.85; you kept "
        "{found}."
    )
    expect(found["lr"] == 1.0, why, found=describe(found["lr"]))
    deeper = [lr for lr, depth in asked if depth != 1]
    expect(deeper, tr("you never asked for another depth than 1, that of start."))
    why = tr(
        "at the first other depth that you asked for, lr was at its start, 0.1, not at "
        "the 1.0 that is best with depth 1."
    )
    expect(deeper[0] != 0.1, why)
    why = tr(
        "with lr 1.0 the depths 1, 2 and 3 score 0.85, 0.88 and 0.10; you kept {found}."
    )
    expect(found == {"lr": 1.0, "depth": 2}, why, found=describe(found["depth"]))
    why = tr(
        "you asked for other depths with other lrs than 1.0, the best with depth 1; "
        "each name is tuned once, with the others as found so far."
    )
    expect(set(deeper) == {1.0}, why)


# By depth and lr. Two ridges: along the one that tuning finds, and a higher one beyond
# a valley.
RIDGES = {
    1: {0.01: 0.70, 0.1: 0.80, 1.0: 0.85},
    2: {0.01: 0.60, 0.1: 0.70, 1.0: 0.88},
    3: {0.01: 0.90, 0.1: 0.50, 1.0: 0.10},
}


def _tuned(
    answer: Callable, choices: dict, start: tuple, below: float = 0.0
) -> tuple[dict, list]:
    """(what it found, the (lr, depth) that it asked for); `below` is taken off."""
    asked, began = [], dict(zip(("lr", "depth"), start))

    def score(setting: dict) -> float:
        why = tr(
            "score takes one whole setting, a dictionary with a value for every name "
            "of start; you gave it {found}."
        )
        expect(is_setting(setting, began), why, found=describe(setting))
        lr, depth = setting["lr"], setting["depth"]
        asked.append((lr, depth))
        known = depth in list(RIDGES) and lr in list(RIDGES[depth])
        why = tr(
            "you asked for the score of {found}, which has a value that is not in "
            "choices."
        )
        expect(known, why, found=describe(setting))
        return RIDGES[depth][lr] - below

    found = ask(answer, score, choices, began, kind=None)
    why = tr("you returned {found}, not a dictionary with the names of start.")
    expect(is_setting(found, ("lr", "depth")), why, found=describe(found))
    expect(found is not began, tr("you returned start itself, not a new dictionary."))
    return found, asked
