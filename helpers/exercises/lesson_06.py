"""The exercises of 06_search."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from numbers import Real
from typing import Any

from helpers.exercises.comparing import near
from helpers.exercises.exercise import (
    OR,
    NotYet,
    ask,
    describe,
    exercise,
    expect,
    is_setting,
    one_number,
    rule_out,
    saying,
    whole_number,
)
from helpers.language import COMMA, tr, tr_n


def _ask(answer: Callable, *inputs: Any) -> float:
    return float(one_number(ask(answer, *inputs, kind=object)))


# --- 6.1


def num_combinations(space):
    count = 1
    for values in space.values():
        count *= len(values)
    return count


@exercise(
    "6.1",
    num_combinations,
    "Take one hyperparameter with four values: four settings. Now a second one "
    "with three values joins. How many settings does each of the four become?",
    "You need how many values each hyperparameter has, not the values themselves; "
    "len gives that. space.values() goes through the lists.",
    "Begin with 1: with nothing left to choose, there is one setting.",
    notice="Notice that each further hyperparameter multiplies: ten of them with ten "
    "values each are ten billion settings. No computer walks through such a grid.",
)
def check_num_combinations(answer: Callable) -> None:
    returned = ask(answer, _space(5, 4, 2), kind=object)
    why = tr(
        "return how many settings there are, one number; for 5, 4 and 2 values I got a "
        "whole {kind}."
    )
    expect(
        not isinstance(returned, (list, tuple, set)), why, kind=type(returned).__name__
    )
    found = whole_number(returned)
    mistakes = {
        5 + 4 + 2: tr(
            "That is their sum: what you would try if you changed one hyperparameter "
            "at a time."
        ),
        3: tr("That is how many hyperparameters there are."),
        5**3: tr("That would be right for three lists of 5."),
        4**3: tr("That would be right for three lists of 4."),
        5: tr("One of the lists has 5 values, but not the others."),
        4: tr("One of the lists has 4 values, but not the others."),
        2: tr("One of the lists has 2 values, but not the others."),
        6 * 5 * 3: tr("That would be right for 6, 5 and 3 values."),
        4 * 3 * 1: tr("That would be right for 4, 3 and 1 values."),
    }
    # Translators: {why} is one of the sentences before, or the next one.
    with saying(tr("for 5, 4 and 2 values you said {found:g}. {why}"), found=found):
        rule_out(found, mistakes)
        expect(found == 40, tr("Written down one by one, there are 40 settings."))
    for lengths in ((5,), (1, 1, 7), (3, 3, 2, 2, 5)):
        found = whole_number(ask(answer, _space(*lengths), kind=object))
        listed, wanted = COMMA.join(map(str, lengths)), math.prod(lengths)
        why = tr(
            "right for three lists, but for lists of length {listed} you said "
            "{found:g}, and there are {wanted} settings."
        )
        expect(found == wanted, why, listed=listed, found=found, wanted=wanted)
    found = _ask(answer, _space(2, 0))
    why = tr(
        "if a hyperparameter has no value, there is no setting; you said {found:g}."
    )
    expect(found == 0, why, found=found)


def _space(*lengths: int) -> dict:
    # All values are different, and so their number is the sum.
    return {f"name_{i}": [i + k / 100 for k in range(n)] for i, n in enumerate(lengths)}


# --- 6.2


DRAWS = 2000
FAR = 0.06  # 2,000 even draws are so far from even once in a million times
LOW, HIGH = 0.0001, 0.1


def sample_lr(rng, low, high):
    return low * (high / low) ** rng.random()


@exercise(
    "6.2",
    sample_lr,
    "Log-uniform: the logarithm of the number is as likely to lie in one place as "
    "in another. So what do you draw evenly, and between which two ends?",
    "rng.uniform(a, b) draws evenly between a and b. Then undo the logarithm, with the "
    "same base: 10 ** x undoes math.log10, and math.exp undoes math.log.",
    notice="Notice that a third of your draws between 0.0001 and 0.1 are below 0.001. "
    "Drawn evenly, less than one in a hundred would be, however good those lrs are.",
)
def check_sample_lr(answer: Callable) -> None:
    _ask(answer, random.Random(0), LOW, HIGH)
    rng = random.Random(0)
    before = rng.getstate()
    found = _draws(answer, rng, LOW, HIGH)
    why = tr("2,000 draws with one rng gave the same number each time: {found:.3g}.")
    expect(min(found) < max(found), why, found=found[0])
    why = tr(
        "after 2,000 draws rng has not moved: your numbers come from somewhere else, "
        "and the same seed won't bring them back."
    )
    expect(rng.getstate() != before, why)
    _check_range(found)
    _check_values(found)
    _check_evenness(found)
    why = tr(
        "the same seed, random.Random(0), gave different numbers the second time: "
        "something in your function is not drawn from rng."
    )
    expect(found == _draws(answer, random.Random(0), LOW, HIGH), why)
    why = tr("random.Random(0) and random.Random(1) gave the very same numbers.")
    expect(found != _draws(answer, random.Random(1), LOW, HIGH), why)
    found = _draws(answer, random.Random(2), 0.02, 3.0)
    why = tr(
        "right from 0.0001 to 0.1, but from 0.02 to 3 I got numbers from {lowest:.2g} "
        "to {highest:.2g} that are not log-uniform there."
    )
    fine = _within(found, 0.02, 3.0)
    fine = fine and _unevenness(_log_shares(found, 0.02, 3.0)) < FAR
    expect(fine, why, lowest=min(found), highest=max(found))


def _check_range(found: list) -> None:
    # Translators: {why} is one of the next three.
    drawn = tr(
        "between 0.0001 and 0.1 I drew 2,000 times and got numbers from {lowest:.2g} "
        "to {highest:.2g}. {why}"
    )
    with saying(drawn, lowest=min(found), highest=max(found)):
        base_10 = math.log10(LOW), math.log10(HIGH)
        base_e = math.log(LOW), math.log(HIGH)
        why = tr("These are logarithms of learning rates, not learning rates.")
        expect(not _within(found, *base_10) and not _within(found, *base_e), why)
        why = tr(
            "You took the logarithm to one base and undid it with another (one is 10, "
            "the other e)."
        )
        expect(not _fills(found, *map(math.exp, base_10)), why)
        expect(not _fills(found, *(10**end for end in base_e)), why)
        why = tr("Some are outside the range.")
        expect(_within(found, LOW, HIGH), why)


def _check_values(found: list) -> None:
    why = tr(
        "2,000 draws gave only {count} different numbers: a grid. Draw any number from "
        "low to high."
    )
    expect(len(set(found)) > DRAWS / 20, why, count=len(set(found)))
    smallest = [lr for lr in found if lr < 0.001]
    why = tr(
        "of 2,000 draws {below:,} were below 0.001, with only {different} different "
        "numbers. Draw any number from low to high."
    )
    expect(
        len(set(smallest)) > len(smallest) / 4 or not smallest,
        why,
        below=len(smallest),
        different=len(set(smallest)),
    )


def _check_evenness(found: list) -> None:
    decades = [sum(a <= lr < 10 * a for lr in found) for a in (0.0001, 0.001, 0.01)]
    below, between, above = decades
    # Translators: {why} is one of the next three.
    counted = tr(
        "of 2,000 draws between 0.0001 and 0.1, {below:,} were below 0.001, "
        "{between:,} between 0.001 and 0.01, and {above:,} above 0.01. {why}"
    )
    with saying(counted, below=below, between=between, above=above):
        why = tr("That is uniform, not log-uniform.")
        expect(_unevenness((lr - LOW) / (HIGH - LOW) for lr in found) > FAR, why)
        even = max(decades) - min(decades) < FAR * DRAWS
        low_half = sum(0.001 <= lr < 0.00316 for lr in found)
        why = tr(
            "That is even. But of those between 0.001 and 0.01, {low_half:,} were "
            "below 0.00316, the middle on a log scale."
        )
        lopsided = abs(low_half - between / 2) >= FAR * DRAWS / 2
        expect(not (even and lopsided), why, low_half=low_half)
        why = tr("Log-uniform means about as many in each power of ten.")
        expect(_unevenness(_log_shares(found, LOW, HIGH)) < FAR, why)


def _draws(answer: Callable, rng: random.Random, low: float, high: float) -> list:
    return [float(one_number(answer(rng, low, high))) for _ in range(DRAWS)]


def _within(found: list, low: float, high: float) -> bool:
    room = 1e-6 * abs(high - low)
    return low - room <= min(found) and max(found) <= high + room


def _fills(found: list, low: float, high: float) -> bool:
    """Whether they are between low and high, and come near both, on a log scale."""
    if not _within(found, low, high):
        return False
    shares = _log_shares([max(lr, low) for lr in found], low, high)
    return min(shares) < 0.05 and max(shares) > 0.95


def _log_shares(found: list, low: float, high: float) -> list:
    """Where each number is between low and high, 0 to 1, on a log scale."""
    return [math.log(lr / low) / math.log(high / low) for lr in found]


def _unevenness(shares: Iterable) -> float:
    """How far numbers are from evenly spread over 0 to 1 (Kolmogorov and Smirnov)."""
    shares = sorted(shares)
    n = len(shares)
    return max(max((i + 1) / n - s, s - i / n) for i, s in enumerate(shares))


# --- 6.3


def best_setting(accuracies):
    def mean(setting):
        return sum(accuracies[setting]) / len(accuracies[setting])

    return max(accuracies, key=mean)


ACCURACIES = {
    (0.01, 1): [0.72, 0.70, 0.71, 0.70, 0.72],
    (0.2, 1): [0.885, 0.885, 0.78],
    (0.1, 1): [0.866, 0.872, 0.866],
    (0.1, 2): [0.88, 0.86, 0.87],  # the best mean
    (0.05, 2): [0.80, 0.84, 0.90],
    (0.3, 2): [0.84, 0.91, 0.84, 0.84],
    (0.5, 1): [0.60, 0.92, 0.61],
    (1.0, 4): [0.10, 0.10, 0.11],
}
NOT_THE_BEST = {
    (0.5, 1): tr("One seed was lucky; the mean is 0.71."),
    (0.01, 1): tr("Five seeds have the largest sum, but their mean is only 0.71."),
    (1.0, 4): tr("That is the worst of all."),
    (0.05, 2): tr("No setting has a higher last seed, but the mean is only 0.847."),
    (0.3, 2): tr(
        "Halfway between its lowest and its highest seed is the highest number, 0.875, "
        "but the mean of all four is only 0.858."
    ),
    (0.1, 1): tr(
        "Its lowest seed is the highest of all lowest seeds, but another setting has a "
        "mean above its 0.868."
    ),
    (0.2, 1): tr(
        "It has the best median and the best first seed, but a mean of 0.850; another "
        "setting has 0.870."
    ),
}


@exercise(
    "6.3",
    best_setting,
    "Write a small function first: the mean of the accuracies of one setting.",
    "max(accuracies, key=...) goes through the settings and returns the one for "
    "which the function you name as key returns the most.",
    notice="Notice that the luckiest run belonged to a poor setting. The more settings "
    "a search tries once each, the likelier its winner is merely lucky.",
)
def check_best_setting(answer: Callable) -> None:
    found = ask(answer, deepcopy(ACCURACIES), kind=object)
    wrong = tr("return the setting, a key of accuracies; I got {found}.")
    expect(
        isinstance(found, tuple) and found in list(ACCURACIES),
        wrong,
        found=describe(found),
    )
    seeds = COMMA.join(map(str, ACCURACIES[found]))
    # Translators: {why} is one of the sentences before.
    chosen = tr("you chose {found} with {accuracies}. {why}")
    with saying(chosen, found=found, accuracies=seeds):
        rule_out(found, NOT_THE_BEST)
    found = ask(answer, {1: [0.5, 0.7], 2: [0.9], 3: [0.2, 0.8, 0.85]}, kind=object)
    wrong = tr(
        "settings 1, 2 and 3 have the means 0.600, 0.900 and 0.617, from 2, 1 and 3 "
        "seeds; you chose {found}."
    )
    expect(found == 2, wrong, found=describe(found))
    for one, other, means in (
        ([0.87, 0.870002], [0.870004, 0.87], ("0.870001", "0.870002")),
        ([0.69, 0.69], [0.5, 0.9], ("0.69", "0.70")),
        ([0.5, 0.9], [0.71, 0.71], ("0.70", "0.71")),
        ([0.9, 0.9, 0.9, 0.1], [0.71], ("0.70", "0.71")),
        ([0.89, 0.89, 0.89, 0.89], [0.9], ("0.89", "0.90")),
    ):
        found = ask(answer, {1: list(one), 2: list(other)}, kind=object)
        wrong = tr(
            "settings 1 and 2 with {one} and {other} have the means {means[0]} and "
            "{means[1]}; you chose {found}."
        )
        expect(
            found == 2, wrong, one=one, other=other, means=means, found=describe(found)
        )


# --- 6.4


def honest_score(first_half, second_half):
    chosen = first_half.index(max(first_half))
    return second_half[chosen]


NOT_HONEST = {
    1: tr("That is the position of the chosen setting, not its accuracy."),
    0.91: tr(
        "That is the highest of the second half, which then has chosen too, and no "
        "pictures are left that played no part."
    ),
    0.92: tr(
        "That is the highest of the first half: the number by which the setting is "
        "chosen."
    ),
    0.88: tr(
        "That is the mean of the winner's two halves, 0.92 and 0.84, and 0.92 is the "
        "number by which it is chosen."
    ),
    0.895: tr(
        "That belongs to the setting that is best on both halves together, but the "
        "second half should have no say in the choice."
    ),
    0.85: tr("That belongs to the setting that is second best on the first half."),
    0.82: tr(
        "That is what the setting that is best on the second half has on the first."
    ),
    0.08: tr("That is by how much the winner falls, not what it falls to."),
    0.86: tr("That belongs to the setting that is worst on the first half."),
    0.825: tr("That is the lowest of the second half."),
}


@exercise(
    "6.4",
    honest_score,
    "Two steps, and each may see only one of the lists. Which one is for choosing?",
    "The choice is a position, and the score is at the same position in the other "
    "list. A list tells the position of a value with .index(value).",
    notice="Notice that the winner's score fell from 0.92 to 0.84 on pictures that had "
    "no say in the choice. Of many noisy scores, the highest one is too high.",
)
def check_honest_score(answer: Callable) -> None:
    halves = (
        [0.81, 0.92, 0.89, 0.82, 0.87, 0.83],
        [0.86, 0.84, 0.85, 0.91, 0.895, 0.825],
    )
    found = _ask(answer, *halves)
    # Translators: {why} is one of the sentences before.
    with saying(tr("you returned {found:g}. {why}"), found=found):
        rule_out(found, NOT_HONEST, near)
    for first, second in (
        halves,
        ([0.5, 0.6, 0.7], [0.8, 0.6, 0.65]),
        ([0.5, 0.6, 0.55], [0.4, 0.7, 0.8]),
        ([0.7, 0.6], [0.3, 0.9]),
        ([0.6], [0.5]),
    ):
        found, wanted = _ask(answer, first, second), honest_score(first, second)
        wrong = tr(
            "with {ones} on the first half and {others} on the second you returned "
            "{found:g}; the setting chosen on the first half scores {wanted:g} on the "
            "second."
        )
        ones, others = (COMMA.join(map(str, half)) for half in (first, second))
        said = {"ones": ones, "others": others, "found": found, "wanted": wanted}
        expect(near(found, wanted), wrong, **said)


# --- 6.5


def halving_cost(num_settings, num_epochs):
    trained, cost = 1, num_settings
    while trained < num_epochs:
        num_settings = max(1, num_settings // 2)
        until = min(2 * trained, num_epochs)
        cost += num_settings * (until - trained)
        trained = until
    return cost


@exercise(
    "6.5",
    halving_cost,
    "Keep three numbers: how many settings are left, how many epochs each of them "
    "has had, and how many epochs were trained in all.",
    "In each round half of the settings go on, at least one, and each of them "
    "trains from the epochs it has had to twice as many: how many are new?",
    "The last round may be shorter: no setting trains beyond num_epochs. A single "
    "setting that goes on needs no case of its own, if half of 1 stays 1.",
    notice="Notice the bargain: 64 settings with up to 64 epochs cost 256 epochs, "
    "instead of 4,096. The price: a setting that starts slowly is thrown out early.",
)
def check_halving_cost(answer: Callable) -> None:
    for settings, epochs in (
        (20, 16),
        (4, 16),
        (7, 7),
        (20, 4),
        (5, 1),
        (1, 6),
        (100, 50),
    ):
        found = _ask(answer, settings, epochs)
        if found != halving_cost(settings, epochs):
            _explain_cost(found, settings, epochs)


def _explain_cost(found: float, settings: int, epochs: int) -> None:
    rounds, costs = _rounds(settings, epochs), _costs(settings, epochs)
    # Where two mistakes give one cost, the later line is told.
    mistakes = {
        sum(n * max(since, 1) for n, since, _ in rounds): tr(
            "That is the cost if the last round goes beyond {epochs} epochs."
        ),
        sum(_costs(settings, epochs, half=lambda n: (n + 1) // 2)): tr(
            "That is the cost if the larger half of an odd number of settings goes on."
        ),
        sum(_costs(settings, epochs, half=lambda n: n / 2)): tr(
            "That is what halves of settings cost, such as 2.5; a setting goes on or "
            "it does not."
        ),
        sum(n for n, _, _ in rounds): tr(
            "That is one epoch for each setting in each round, but later rounds are "
            "longer."
        ),
        sum(costs[1:]): tr("The first epoch of all settings is missing."),
        **{
            sum(costs[:i]): tr_n(
                "That is what the first of {rounds} rounds costs; what is left trains "
                "up to {epochs} epochs.",
                "That is what the first {first} of {rounds} rounds cost; what "
                "is left trains up to {epochs} epochs.",
                i,
            ).format(first=i, rounds=len(costs), epochs=epochs)
            for i in range(len(costs) - 1, 0, -1)
        },
        sum(n * until for n, _, until in rounds): tr(
            "In each round the survivors pay again for the epochs that they have "
            "already had."
        ),
        settings * epochs: tr(
            "That is every setting trained to the end, as if none were stopped."
        ),
    }
    # Translators: {why} is one of the sentences before, or the next one.
    with saying(
        tr("for {settings} and {epochs} you said {found:g}. {why}"),
        settings=tr_n("{count} setting", "{count} settings", settings).format(
            count=settings
        ),
        epochs=tr_n("{count} epoch", "{count} epochs", epochs).format(count=epochs),
        found=found,
    ):
        rule_out(found, mistakes, epochs=epochs)
        why = tr("Round by round it is {each}, together {total}.")
        raise NotYet(why, each=" + ".join(map(str, costs)), total=sum(costs))


def _costs(settings: int, epochs: int, half: Callable = lambda n: n // 2) -> list:
    return [n * (until - since) for n, since, until in _rounds(settings, epochs, half)]


def _rounds(settings: int, epochs: int, half: Callable = lambda n: n // 2) -> list:
    """Of each round how many settings train, after how many epochs, and up to what."""
    rounds, trained = [(settings, 0, 1)], 1
    while trained < epochs:
        settings, until = max(1, half(settings)), min(2 * trained, epochs)
        rounds.append((settings, trained, until))
        trained = until
    return rounds


# --- 6.6


SPACE = {
    "lr": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
    "num_layers": [1, 2, 3, 4],
    "num_hiddens": [16, 32, 64, 128, 256],
}
GRID = [dict(zip(SPACE, values)) for values in itertools.product(*SPACE.values())]
# So many settings that few are drawn twice; MANY trials of them.
LARGE_SPACE = {name: [i + k / 10 for k in range(8)] for i, name in enumerate("abcd")}
MANY = 2000
UNEVEN = 150  # by chance once in 200 million times (chi-squared, 63 degrees of freedom)
TRIALS = 100  # of 120 settings: about 68 different ones if each name is drawn alone


def random_search(score, space, num_trials, rng):
    def draw():
        return {name: rng.choice(values) for name, values in space.items()}

    return max((draw() for _ in range(num_trials)), key=score)


@exercise(
    "6.6",
    random_search,
    "First one random setting: a new dictionary with the names of space, and for "
    "each name one value of its list. rng.choice(values) draws one.",
    "Then num_trials of them. Score each one as soon as it is drawn, and remember "
    "its score, since asking again may give another number.",
    "max(settings, key=score) asks score once for each of the settings, and "
    "returns the setting. A loop that keeps the best so far does as well.",
    notice="Notice how little it needs to know: no gradient, no model of the scores, "
    "not even an order of the values. Any cleverer search has to beat these lines.",
)
def check_random_search(answer: Callable) -> None:
    first = _search(answer, TRIALS, seed=0)
    _check_calls(first)
    _check_draws(first)
    _check_best(first)
    again = _search(answer, TRIALS, seed=0)
    why = tr(
        "the same seed, random.Random(0), gave other settings the second time: "
        "something in your function is not drawn from rng."
    )
    expect(again.asked == first.asked, why)
    losses = _search(answer, 20, seed=1, below=5.0)
    why = tr("random.Random(0) and random.Random(1) drew the very same settings.")
    expect(losses.asked != first.asked[: len(losses.asked)], why)
    _check_calls(losses)
    with saying(tr("when all scores were below 0 (minus a loss, say) {why}")):
        _check_best(losses)
    ties = _search(answer, TRIALS, seed=2, digits=1)
    _check_best(ties)
    why = tr("with three seeds the first trial was always {setting}: it was not drawn.")
    drawn = not first.asked[0] == losses.asked[0] == ties.asked[0]
    expect(drawn, why, setting=_said(first.asked[0]))
    _check_independence(_search(answer, MANY, seed=3, space=LARGE_SPACE).asked)


@dataclass
class _Search:
    """What an answer did: what it asked score for and heard, and what it found."""

    num_trials: int
    asked: list  # a copy of each setting, at the time
    objects: list  # the dictionaries themselves
    heard: list
    found: object
    used_rng: bool


def _search(
    answer: Callable,
    num_trials: int,
    seed: int,
    below: float = 0.0,
    digits: int = 9,
    space: dict[str, list] = SPACE,
) -> _Search:
    """Run an answer with a score that is luck alone, less `below`.

    With few digits many scores are equal.
    """
    luck, rng = random.Random(1), random.Random(seed)
    asked, objects, heard, before = [], [], [], rng.getstate()

    def score(setting: dict) -> float:
        why = tr(
            "score takes one whole setting, a dictionary with a value for every name "
            "in space ({names}); you gave it {found}."
        )
        names, found = COMMA.join(space), _said(setting)
        expect(is_setting(setting, space), why, names=names, found=found)
        for name, value in setting.items():
            why = tr(
                "you asked for the score of {name} = {value}, which is not one of the "
                "values of {name} in space."
            )
            expect(value in space[name], why, name=name, value=_said(value))
        asked.append(dict(setting))
        objects.append(setting)
        heard.append(round(0.5 + 0.4 * luck.random(), digits) - below)
        return heard[-1]

    found = ask(answer, score, deepcopy(space), num_trials, rng, kind=None)
    return _Search(num_trials, asked, objects, heard, found, rng.getstate() != before)


def _check_calls(search: _Search) -> None:
    calls, wanted = len(search.asked), search.num_trials
    expect(calls > 0, tr("your function never asked score for anything."))
    why = tr(
        "your {calls} settings came in the order of the grid, one value after another; "
        "nothing was drawn."
    )
    expect(search.asked not in (GRID, GRID[:wanted]), why, calls=calls)
    why = tr(
        "with {wanted} trials score was called {calls} times, for some settings more "
        "than once. Each call may be a training, and may return another number."
    )
    expect(
        not wanted < calls <= 2 * wanted
        or len({id(setting) for setting in search.objects}) > wanted,
        why,
        wanted=wanted,
        calls=calls,
    )
    why = tr_n(
        "I asked for {wanted} trials, and score was called once.",
        "I asked for {wanted} trials, and score was called {calls} times.",
        calls,
    )
    expect(calls == wanted, why, wanted=wanted, calls=calls)


def _check_draws(search: _Search) -> None:
    asked, trials = search.asked, search.num_trials
    why = tr(
        "after {trials} trials rng has not moved: your settings come from somewhere "
        "else, and the same seed won't bring them back."
    )
    expect(search.used_rng, why, trials=trials)
    different = len({tuple(sorted(setting.items())) for setting in asked})
    why = tr("all {trials} trials tried the same setting, {setting}.")
    expect(different > 1, why, trials=trials, setting=_said(asked[0]))
    for name, values in SPACE.items():
        tried = {setting[name] for setting in asked}
        why = tr("in all {trials} trials {name} was {value}: it was not drawn.")
        expect(len(tried) > 1, why, trials=trials, name=name, value=asked[0][name])
        never = [str(value) for value in values if value not in tried]
        why = tr("in {trials} trials {name} was never {values}.")
        expect(not never, why, trials=trials, name=name, values=OR.join(never))
    why = tr("from one trial to the next mostly one name changed; draw all of them.")
    changes = [
        sum(one[name] != other[name] for name in SPACE) > 1
        for one, other in itertools.pairwise(asked)
    ]
    expect(sum(changes) > TRIALS / 2, why)
    why = tr(
        "{trials} trials tried only {different} different settings of {all}; drawn "
        "name by name there would be more."
    )
    expect(
        different > TRIALS / 2, why, trials=trials, different=different, all=len(GRID)
    )


def _check_independence(asked: list) -> None:
    """Expect each value as often as others, whatever was drawn or heard before."""
    wanted = len(asked) / 64
    for name, values in LARGE_SPACE.items():
        drawn = [setting[name] for setting in asked]
        pairs = Counter(itertools.pairwise(drawn))
        apart = {
            pair: (pairs[pair] - wanted) ** 2 / wanted
            for pair in itertools.product(values, values)
        }
        before, value = max(apart, key=apart.get)
        why = tr(
            "over {trials:,} trials, with 8 values for each name, I counted how often "
            "{name} was {value} right after {before}: {count}. If each value is as "
            "likely as the others, whatever came before, it is about {wanted:.0f}."
        )
        expect(
            sum(apart.values()) < UNEVEN,
            why,
            trials=len(asked),
            name=name,
            value=value,
            before=before,
            count=pairs[before, value],
            wanted=wanted,
        )


def _check_best(search: _Search) -> None:
    found, asked, heard = search.found, search.asked, search.heard
    why = tr("you returned the score; the task asks for the setting that reached it.")
    expect(not isinstance(found, Real) or found not in heard, why)
    why = tr("you returned {found}, not a dictionary with the names of space.")
    expect(is_setting(found, SPACE), why, found=_said(found))
    trial, worst = heard.index(max(heard)), heard.index(min(heard))
    if found in [one for one, score in zip(asked, heard) if score == max(heard)]:
        return
    # Translators: {why} is one of the next sentences.
    best = tr("the best of {trials} trials was number {number}. {why}")
    with saying(best, trials=search.num_trials, number=trial + 1):
        why = tr(
            "But every trial wrote into the same dictionary, so what you kept as the "
            "best became the last."
        )
        expect(len({id(setting) for setting in search.objects}) > 1, why)
        expect(found != asked[-1], tr("You returned the setting of the last."))
        expect(found != asked[worst], tr("You returned the setting of the worst."))
        expect(found != asked[0], tr("You returned the setting of the first."))
        why = tr("It scored {score:.3f} with {setting}; you returned {found}.")
        said = {"setting": _said(asked[trial]), "found": _said(found)}
        raise NotYet(why, score=heard[trial], **said)


def _said(value: Any) -> str:
    """A setting in full, a number in four digits, anything else in a few words."""
    if isinstance(value, dict) and len(value) <= 2 * len(SPACE):
        return repr(value)
    return f"{value:.4g}" if isinstance(value, Real) else describe(value)
