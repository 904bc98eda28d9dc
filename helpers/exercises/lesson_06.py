"""The exercises of 06_search."""

import itertools
import math
import random
from copy import deepcopy
from dataclasses import dataclass
from numbers import Real

from helpers.exercises.exercise import (
    NO_RETURN,
    ask,
    describe,
    exercise,
    expect,
    number,
)

CHANGED_INSIDE = "your {name} changed a list inside of what it was given."


def _ask(answer, *inputs):
    """As `ask`, and the lists inside of a dictionary have to stay the same too."""
    dicts = [given for given in inputs if isinstance(given, dict)]
    before = deepcopy(dicts)
    returned = ask(answer, *inputs, kind=None)
    expect(dicts == before, CHANGED_INSIDE.format(name=_name(answer)))
    return returned


def _name(answer):
    return getattr(answer, "__name__", "answer")


def _number(answer, found, wanted):
    """What an answer returned as a float; `wanted` says what the task asks for."""
    expect(found is not None, NO_RETURN.format(name=_name(answer)))
    value = number(found)
    expect(value is not None, f"return {wanted}; I got {describe(found)}.")
    return float(value)


def _equal(found, wanted):
    return math.isclose(found, wanted, rel_tol=1e-6, abs_tol=1e-9)


# --- 6.1


def num_combinations(space):
    count = 1
    for values in space.values():
        count *= len(values)
    return count


@exercise(
    "6.1",
    num_combinations,
    minutes=4,
    difficulty="easy",
    hints=(
        "Take one hyperparameter with four values: four settings. Now a second one "
        "with three values joins. How many settings does each of the four become?",
        "You need how many values each hyperparameter has, not the values themselves; "
        "len tells it. space.values() goes through the lists.",
        "Begin with the one setting that there is while nothing is chosen.",
    ),
    notice="Notice that each further hyperparameter multiplies: ten of them with ten "
    "values each are ten billion settings. No computer walks through such a grid.",
)
def check_num_combinations(answer):
    space = {
        "lr": [0.01, 0.1, 0.3, 1.0],
        "num_layers": [1, 2, 3],
        "init": ["normal", "kaiming"],
    }
    given = "for 4, 3 and 2 values"
    found = _ask(answer, space)
    expect(
        not isinstance(found, (list, tuple, set)),
        f"return how many settings there are, one number; {given} I got a whole "
        f"{type(found).__name__}.",
    )
    found = _number(answer, found, "a number")
    expect(
        found != 9,
        f"{given} you said 9: that is their sum, what you would try if you changed "
        "one hyperparameter at a time.",
    )
    expect(
        found != 3,
        f"{given} you said 3: that is how many hyperparameters there are.",
    )
    expect(
        found not in (4**3, 3**3, 2**3),
        f"{given} you said {found:g}, a power: that would be right if all lists were "
        "equally long.",
    )
    expect(
        found not in (4, 2),
        f"{given} you said {found:g}: that is the length of one list alone.",
    )
    expect(
        found not in (5 * 4 * 3, 3 * 2 * 1),
        f"{given} you said {found:g}: each list was counted one value too long or too "
        "short.",
    )
    expect(
        found == 24,
        f"{given} you said {found:g}. Written down one by one, there are 24 settings.",
    )
    for lengths, wanted in (((5,), 5), ((1, 1, 7), 7), ((3, 3, 2, 2, 5), 180)):
        space = {f"name_{i}": list(range(n)) for i, n in enumerate(lengths)}
        found = _number(answer, _ask(answer, space), "a number")
        said = ", ".join(map(str, lengths))
        expect(
            found == wanted,
            f"right for three lists, but for lists of length {said} you said "
            f"{found:g}, and there are {wanted} settings.",
        )
    found = _number(answer, _ask(answer, {"lr": [0.1, 1.0], "init": []}), "a number")
    expect(
        found == 0,
        f"where one hyperparameter has no value at all you said {found:g}, but no "
        "setting can be made then.",
    )


# --- 6.2


DRAWS = 2000
FAR = 0.06  # 2,000 even draws are so far from even once in a million times
LOW, HIGH = 0.0001, 0.1


def sample_lr(rng, low, high):
    return low * (high / low) ** rng.random()


@exercise(
    "6.2",
    sample_lr,
    minutes=8,
    difficulty="easy",
    hints=(
        "Log-uniform: the logarithm of the number is as likely to lie in one place as "
        "in another. So what do you draw evenly, and between which two ends?",
        "rng.uniform(a, b) draws evenly between a and b. After that you have to come "
        "back from the logarithm, with the same base: 10 ** x undoes math.log10, and "
        "math.exp undoes math.log.",
    ),
    notice="Notice that a third of your draws between 0.0001 and 0.1 lies below 0.001. "
    "Drawn evenly, less than one in a hundred would, however good those lrs are.",
)
def check_sample_lr(answer):
    _number(answer, ask(answer, random.Random(0), LOW, HIGH, kind=None), "one number")
    rng = random.Random(0)
    before = rng.getstate()
    found = _draws(answer, rng, LOW, HIGH)
    lowest, highest = min(found), max(found)
    reach = (
        f"between {LOW} and {HIGH} I drew 2,000 times and got numbers from "
        f"{lowest:.2g} to {highest:.2g}"
    )
    expect(
        lowest < highest,
        f"I drew 2,000 times with one rng, and got the same number, {lowest:.3g}, each "
        "time.",
    )
    expect(
        rng.getstate() != before,
        "after 2,000 draws rng is where it was before: your numbers come from "
        "somewhere else, and the same seed will not bring them back.",
    )
    expect(
        not _within(found, math.log10(LOW), math.log10(HIGH))
        and not _within(found, math.log(LOW), math.log(HIGH)),
        f"{reach}: these are logarithms of learning rates, not learning rates.",
    )
    mixed = _fills(found, math.exp(math.log10(LOW)), math.exp(math.log10(HIGH)))
    mixed = mixed or _fills(found, 10 ** math.log(LOW), 10 ** math.log(HIGH))
    expect(
        not mixed,
        f"{reach}: the way back had another base than the way there (one of them 10, "
        "the other e).",
    )
    expect(_within(found, LOW, HIGH), f"{reach}: that leaves the range.")
    expect(
        len(set(found)) > DRAWS / 20,
        f"2,000 draws gave only {len(set(found))} different numbers: a grid. The task "
        "asks for any number between low and high.",
    )
    smallest = [lr for lr in found if lr < 0.001]
    expect(
        len(set(smallest)) > len(smallest) / 4 or not smallest,
        f"of 2,000 draws {len(smallest):,} lay below 0.001, and these are only "
        f"{len(set(smallest))} different numbers. The task asks for any number between "
        "low and high.",
    )
    decades = [sum(a <= lr < 10 * a for lr in found) for a in (0.0001, 0.001, 0.01)]
    said = (
        f"of 2,000 draws between {LOW} and {HIGH}, {decades[0]:,} lay below 0.001, "
        f"{decades[1]:,} between 0.001 and 0.01, and {decades[2]:,} above 0.01"
    )
    expect(
        _unevenness((lr - LOW) / (HIGH - LOW) for lr in found) > FAR,
        f"{said}: that is uniform, and not log-uniform.",
    )
    even = max(decades) - min(decades) < FAR * DRAWS
    low_half = sum(0.001 <= lr < 0.00316 for lr in found)
    expect(
        not even or abs(low_half - decades[1] / 2) < FAR * DRAWS / 2,
        f"{said}, which is even. But of those between 0.001 and 0.01, {low_half:,} lay "
        "below 0.00316, the middle on a log scale.",
    )
    expect(
        _unevenness(_log_shares(found, LOW, HIGH)) < FAR,
        f"{said}; log-uniform means about as many in each power of ten.",
    )
    expect(
        found == _draws(answer, random.Random(0), LOW, HIGH),
        "twice the same seed, random.Random(0), gave two different rows of numbers: "
        "something in your function is not drawn from rng.",
    )
    expect(
        found != _draws(answer, random.Random(1), LOW, HIGH),
        "random.Random(0) and random.Random(1) gave the very same numbers.",
    )
    found = _draws(answer, random.Random(2), 0.02, 3.0)
    expect(
        _within(found, 0.02, 3.0) and _unevenness(_log_shares(found, 0.02, 3.0)) < FAR,
        f"right from {LOW} to {HIGH}, but from 0.02 to 3 I got numbers from "
        f"{min(found):.2g} to {max(found):.2g} that are not log-uniform there.",
    )


def _draws(answer, rng, low, high):
    return [_number(answer, answer(rng, low, high), "one number") for _ in range(DRAWS)]


def _within(found, low, high):
    room = 1e-6 * abs(high - low)
    return low - room <= min(found) and max(found) <= high + room


def _fills(found, low, high):
    """Whether they lie between low and high, and come near to both, on a log scale."""
    if not _within(found, low, high):
        return False
    shares = _log_shares([max(lr, low) for lr in found], low, high)
    return min(shares) < 0.05 and max(shares) > 0.95


def _log_shares(found, low, high):
    """Where each number stands between low and high, 0 to 1, on a log scale."""
    return [math.log(lr / low) / math.log(high / low) for lr in found]


def _unevenness(shares):
    """How far numbers are from evenly spread over 0 to 1 (Kolmogorov and Smirnov)."""
    shares = sorted(shares)
    n = len(shares)
    return max(max((i + 1) / n - s, s - i / n) for i, s in enumerate(shares))


# --- 6.3


def best_setting(accuracies):
    def mean(setting):
        return sum(accuracies[setting]) / len(accuracies[setting])

    return max(accuracies, key=mean)


@exercise(
    "6.3",
    best_setting,
    minutes=6,
    difficulty="medium",
    hints=(
        "Write a small function first: the mean of the accuracies of one setting.",
        "max(accuracies, key=...) goes through the settings and returns the one for "
        "which the function that you name as key says most.",
    ),
    notice="Notice that the luckiest run belonged to a poor setting. The more settings "
    "a search tries once each, the likelier its winner is merely lucky.",
)
def check_best_setting(answer):
    accuracies = {
        (0.01, 1): [0.72, 0.70, 0.71, 0.70, 0.72],  # the largest sum
        (0.2, 1): [0.885, 0.885, 0.78],  # the best median and the best first seed
        (0.1, 2): [0.88, 0.86, 0.87],  # the best mean
        (0.1, 1): [0.866, 0.872, 0.866],  # the best of the worst seeds
        (0.05, 2): [0.80, 0.84, 0.90],  # the best last seed
        (0.3, 2): [0.84, 0.91, 0.84, 0.84],  # the best middle of worst and best
        (0.5, 1): [0.60, 0.92, 0.61],  # the luckiest seed
        (1.0, 4): [0.10, 0.10, 0.11],  # the worst
    }
    found = _ask(answer, accuracies)
    expect(found is not None, NO_RETURN.format(name=_name(answer)))
    expect(
        not isinstance(found, Real),
        f"you returned a number, {describe(found)}; the task asks for the setting, a "
        "key of accuracies.",
    )
    expect(
        isinstance(found, tuple) and found in list(accuracies),
        f"return the setting, a key of accuracies; I got {describe(found)}.",
    )
    seeds = ", ".join(map(str, accuracies[found]))
    mean = sum(accuracies[found]) / len(accuracies[found])
    said = f"you chose {found} with {seeds}"
    expect(
        found != (0.5, 1),
        f"{said}: one lucky seed, and a mean of {mean:.2f}.",
    )
    expect(
        found != (0.01, 1),
        f"{said}: five seeds have the largest sum, but their mean is only {mean:.2f}.",
    )
    expect(found != (1.0, 4), f"{said}: that is the worst of all.")
    expect(
        found != (0.05, 2),
        f"{said}: no last seed is higher, but their mean is only {mean:.3f}.",
    )
    expect(
        found != (0.3, 2),
        f"{said}: halfway between its lowest and its highest seed stands the highest "
        f"number, 0.875, but the mean of all four is only {mean:.3f}.",
    )
    expect(
        found != (0.1, 1),
        f"{said}: the highest of the lowest seeds, but another setting has a mean "
        f"above its {mean:.3f}.",
    )
    expect(
        found == (0.1, 2),
        f"{said}, a mean of {mean:.3f}. There is one with a mean of 0.870.",
    )
    found = _ask(answer, {1: [0.5, 0.7], 2: [0.9], 3: [0.2, 0.8, 0.85]})
    expect(
        found == 2,
        "of settings 1, 2 and 3 with the means 0.600, 0.900 and 0.617, and with 2, 1 "
        f"and 3 seeds, you chose {describe(found)}.",
    )


# --- 6.4


def honest_score(first_half, second_half):
    chosen = first_half.index(max(first_half))
    return second_half[chosen]


@exercise(
    "6.4",
    honest_score,
    minutes=6,
    difficulty="medium",
    hints=(
        "Two steps, and each may look at one of the lists only. Which list may the "
        "choice see?",
        "The choice is a position, and the score stands at the same position in the "
        "other list. A list tells the position of a value with .index(value).",
    ),
    notice="Notice that the winner's score fell from 0.92 to 0.84 on pictures that had "
    "no say in the choice. Of many noisy scores, the highest one is too high.",
)
def check_honest_score(answer):
    first = [0.81, 0.92, 0.89, 0.82, 0.83]
    second = [0.86, 0.84, 0.875, 0.91, 0.825]
    found = _number(answer, _ask(answer, first, second), "one accuracy")
    expect(
        not _equal(found, 1),
        "you returned 1, which is the position of the chosen setting; the task asks "
        "for its accuracy.",
    )
    expect(
        not _equal(found, 0.91),
        "you returned 0.91, the highest of the second half: so the second half has "
        "chosen as well, and no pictures are left that had no say.",
    )
    expect(
        not _equal(found, 0.92),
        "you returned 0.92, the highest of the first half: the very number by which "
        "the setting was chosen.",
    )
    expect(
        not _equal(found, 0.88),
        "you returned 0.88, the mean of the winner's two halves, 0.92 and 0.84: and "
        "0.92 is the very number by which it was chosen.",
    )
    expect(
        not _equal(found, 0.875),
        "you returned 0.875, the score of the setting that is best on both halves "
        "together; the second half had a say in that choice.",
    )
    expect(
        not _equal(found, 0.82),
        "you returned 0.82: chosen on the second half, and scored on the first.",
    )
    expect(
        not _equal(found, 0.08),
        "you returned 0.08, by how much the winner fell; the task asks what it fell "
        "to.",
    )
    expect(
        not _equal(found, 0.86),
        "you returned 0.86, the score of the setting that is worst on the first half.",
    )
    expect(
        not _equal(found, 0.825),
        "you returned 0.825, the lowest of the second half; that of the chosen setting "
        "is another one.",
    )
    said = "first half 0.81, 0.92, 0.89, 0.82, 0.83, second 0.86, 0.84, 0.875, 0.91, "
    expect(
        _equal(found, 0.84),
        f"{said}0.825: you returned {found:g}, and the setting chosen on the first "
        "half scores 0.84 on the second.",
    )
    again = _number(
        answer, _ask(answer, [0.5, 0.6, 0.7], [0.8, 0.6, 0.65]), "one accuracy"
    )
    expect(
        _equal(again, 0.65),
        "right for five settings, but with 0.5, 0.6, 0.7 on the first half and 0.8, "
        f"0.6, 0.65 on the second you returned {again:g}.",
    )


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
    minutes=12,
    difficulty="hard",
    hints=(
        "Keep three numbers: how many settings are left, how many epochs each of them "
        "has had, and how many epochs were trained in all.",
        "In each round half of the settings go on, at least one, and each of them "
        "trains from the epochs that it has had to twice as many: how many are new?",
        "The last round may be shorter: nobody trains beyond num_epochs. One setting "
        "that goes on alone needs no case of its own, if half of 1 stays 1.",
    ),
    notice="Notice the bargain: 64 settings with up to 64 epochs cost 256 epochs, and "
    "to train all of them to the end costs 4,096. The price: whoever starts slowly is "
    "thrown out early.",
)
def check_halving_cost(answer):
    for settings, epochs in ((20, 16), (4, 16), (7, 7), (20, 4), (5, 1), (1, 6)):
        returned = _ask(answer, settings, epochs)
        found = _number(answer, returned, "a number of epochs")
        rounds = _rounds(settings, epochs)
        if found == sum(rounds):
            continue
        case = f"for {settings} settings and {epochs} epochs you said {found:g}"
        expect(
            found != settings * epochs,
            f"{case}: that is every setting trained to the end, as if nobody had to "
            "stop.",
        )
        expect(
            found != sum(_rounds(settings, epochs, again=True)),
            f"{case}: in each round the survivors pay again for the epochs that they "
            "have had already.",
        )
        for i in range(1, len(rounds)):
            expect(
                found != sum(rounds[:i]),
                f"{case}: that is what the first {i} of {len(rounds)} rounds cost; "
                f"whoever is left trains up to {epochs} epochs.",
            )
        expect(
            found != sum(rounds[1:]),
            f"{case}: the first epoch, which all settings train, is missing.",
        )
        expect(
            found != sum(_survivors(settings, epochs)),
            f"{case}: that is one epoch for each setting in each round, but the later "
            "rounds are longer.",
        )
        expect(
            found != sum(_rounds(settings, epochs, half=lambda n: n / 2)),
            f"{case}: that counts halves of settings, such as 2.5; a setting goes on "
            "or it does not.",
        )
        expect(
            found != sum(_rounds(settings, epochs, half=lambda n: (n + 1) // 2)),
            f"{case}: of an odd number of settings the larger half went on.",
        )
        expect(
            found != sum(_rounds(settings, epochs, beyond=True)),
            f"{case}: the last round went beyond {epochs} epochs.",
        )
        said = " + ".join(map(str, rounds))
        expect(False, f"{case}. Round by round it is {said}, together {sum(rounds)}.")


def _rounds(num_settings, num_epochs, half=lambda n: n // 2, again=False, beyond=False):
    """What each round costs, right or with a mistake."""
    trained, costs = 1, [num_settings]
    while trained < num_epochs:
        num_settings = max(1, half(num_settings))
        until = 2 * trained if beyond else min(2 * trained, num_epochs)
        costs.append(num_settings * (until if again else until - trained))
        trained = until
    return costs


def _survivors(num_settings, num_epochs):
    """How many settings each round trains."""
    left, trained = [num_settings], 1
    while trained < num_epochs:
        left.append(max(1, left[-1] // 2))
        trained *= 2
    return left


# --- 6.6


SPACE = {
    "lr": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
    "num_layers": [1, 2, 3, 4],
    "num_hiddens": [16, 32, 64, 128, 256],
}
GRID = [dict(zip(SPACE, values)) for values in itertools.product(*SPACE.values())]
TRIALS = 100  # of 120 settings: about 68 different ones if each name is drawn alone


def random_search(score, space, num_trials, rng):
    def draw():
        return {name: rng.choice(values) for name, values in space.items()}

    return max((draw() for _ in range(num_trials)), key=score)


@exercise(
    "6.6",
    random_search,
    minutes=12,
    difficulty="hard",
    hints=(
        "First one random setting: a new dictionary with the names of space, and for "
        "each name one value of its list. rng.choice(values) draws one.",
        "Then num_trials of them. Each is scored as soon as it is drawn, and its score "
        "is remembered, since asking again may give another number.",
        "max(settings, key=score) asks score once for each of the settings, and "
        "returns the setting. A loop that keeps the best so far does as well.",
    ),
    notice="Notice how little it needs to know: no gradient, no model of the scores, "
    "not even an order of the values. Any cleverer search has to beat these lines.",
)
def check_random_search(answer):
    first = _search(answer, TRIALS, seed=0)
    _check_calls(first)
    _check_draws(first)
    expect(first.found is not None, NO_RETURN.format(name=_name(answer)))
    _check_best(first)
    again = _search(answer, TRIALS, seed=0)
    expect(
        again.asked == first.asked,
        "twice the same seed, random.Random(0), gave two different rows of settings: "
        "something in your function is not drawn from rng.",
    )
    losses = _search(answer, 20, seed=1, below=5.0)
    expect(
        losses.asked != first.asked[: len(losses.asked)],
        "random.Random(0) and random.Random(1) drew the very same settings.",
    )
    _check_calls(losses)
    expect(
        losses.found is not None and losses.found != {},
        "when all scores were below 0 (minus a loss, say) you returned "
        f"{describe(losses.found)}, although one of them was the highest.",
    )
    _check_best(losses)


@dataclass
class _Search:
    """What an answer did: what it asked score for and heard, and what it found."""

    num_trials: int
    asked: list  # a copy of each setting, at the time
    objects: list  # the dictionaries themselves
    heard: list
    found: object = None
    used_rng: bool = True


def _search(answer, num_trials, seed, below=0.0):
    """Run an answer with a score that is luck alone, less `below`."""
    luck, rng = random.Random(1), random.Random(seed)
    search, before = _Search(num_trials, [], [], []), rng.getstate()

    def score(setting):
        expect(
            isinstance(setting, dict) and set(setting) == set(SPACE),
            "score takes one whole setting, a dictionary with a value for every name "
            f"in space ({', '.join(SPACE)}); you gave it {_said(setting)}.",
        )
        for name, value in setting.items():
            expect(
                value in SPACE[name],
                f"you asked for the score of {name} = {_said(value)}, which is not "
                f"one of the values of {name} in space.",
            )
        search.asked.append(dict(setting))
        search.objects.append(setting)
        search.heard.append(0.5 + 0.4 * luck.random() - below)
        return search.heard[-1]

    search.found = _ask(answer, score, deepcopy(SPACE), num_trials, rng)
    search.used_rng = rng.getstate() != before
    return search


def _check_calls(search):
    calls, wanted = len(search.asked), search.num_trials
    expect(calls > 0, "your function never asked score for anything.")
    expect(
        search.asked not in (GRID, GRID[:wanted]),
        f"your {calls} settings came in the order of the grid, one value after the "
        "other; nothing was drawn.",
    )
    expect(
        not wanted < calls <= 2 * wanted
        or len({id(setting) for setting in search.objects}) > wanted,
        f"with {wanted} trials score was called {calls} times, for some settings more "
        "than once. Each call may be a training, and may say something else.",
    )
    expect(
        calls == wanted,
        f"I asked for {wanted} trials, and score was called {calls} times.",
    )


def _check_draws(search):
    asked, trials = search.asked, search.num_trials
    expect(
        search.used_rng,
        f"after {trials} trials rng is where it was before: your settings come from "
        "somewhere else, and the same seed will not bring them back.",
    )
    different = len({tuple(sorted(setting.items())) for setting in asked})
    expect(
        different > 1,
        f"all {trials} trials tried the same setting, {_said(asked[0])}.",
    )
    for name, values in SPACE.items():
        tried = {setting[name] for setting in asked}
        expect(
            len(tried) > 1,
            f"in all {trials} trials {name} was {tried.copy().pop()}: it was not "
            "drawn.",
        )
        never = [value for value in values if value not in tried]
        expect(
            not never,
            f"in {trials} trials {name} was never {' or '.join(map(str, never))}.",
        )
    expect(
        any(
            sum(one[name] != other[name] for name in SPACE) > 1
            for one, other in itertools.pairwise(asked)
        ),
        "from one trial to the next only one of the names ever changed; a random "
        "setting draws all of them.",
    )
    expect(
        different > TRIALS / 2,
        f"{trials} trials tried only {different} different settings of {len(GRID)}; "
        "drawn name by name there would be more.",
    )


def _check_best(search):
    found, asked = search.found, search.asked
    expect(
        not isinstance(found, Real) or found not in search.heard,
        "you returned the score; the task asks for the setting that reached it.",
    )
    expect(
        isinstance(found, dict) and set(found) == set(SPACE),
        "return the setting alone, a dictionary with the names of space; I got "
        f"{_said(found)}.",
    )
    trial = max(range(len(asked)), key=search.heard.__getitem__)
    if found == asked[trial]:
        return
    best = f"the best of {search.num_trials} trials was number {trial + 1}"
    expect(
        len({id(setting) for setting in search.objects}) > 1,
        f"{best}, but every trial wrote into the same dictionary, so what you kept as "
        "the best became the last.",
    )
    expect(found != asked[-1], f"{best}, and you returned the setting of the last.")
    worst = min(range(len(asked)), key=search.heard.__getitem__)
    expect(found != asked[worst], f"{best}, and you returned the setting of the worst.")
    expect(found != asked[0], f"{best}, and you returned the setting of the first.")
    expect(
        False,
        f"{best} with a score of {search.heard[trial]:.3f} for {_said(asked[trial])}; "
        f"you returned {_said(found)}.",
    )


def _said(value):
    """A setting in full, a number in four digits, anything else in a few words."""
    if isinstance(value, dict) and len(value) <= len(SPACE):
        return repr(value)
    if isinstance(value, tuple) and len(value) == 2:
        return f"two things, {_said(value[0])} and {_said(value[1])}"
    if isinstance(value, Real):
        return f"{value:.4g}"
    return describe(value)
