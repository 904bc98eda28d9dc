"""Answers to the exercises of 05_hyperparameters, right and wrong.

Named after the idea.
"""

import itertools
import math

import torch
from answers import right, wrong

from helpers import MLP

# --- 5.1 log_grid(lo, hi, count)


@right("5.1")
def by_exponents(lo, hi, count):
    a, b = math.log10(lo), math.log10(hi)
    return [10 ** (a + (b - a) * i / (count - 1)) for i in range(count)]


@right("5.1")
def by_torch(lo, hi, count):
    return torch.logspace(math.log10(lo), math.log10(hi), count)


@right("5.1")
def factor_by_factor(lo, hi, count):
    grid = [lo]
    while len(grid) < count:
        grid.append(grid[-1] * (hi / lo) ** (1 / (count - 1)))
    return grid


@wrong("5.1", "equal differences")
def an_even_grid(lo, hi, count):
    return [lo + (hi - lo) * i / (count - 1) for i in range(count)]


@wrong("5.1", "Count the gaps")
def as_many_gaps_as_numbers(lo, hi, count):
    return [lo * (hi / lo) ** (i / count) for i in range(count)]


@wrong("5.1", "the first one has to be lo")
def starts_one_late(lo, hi, count):
    return [lo * (hi / lo) ** ((i + 1) / count) for i in range(count)]


@wrong("5.1", "these are the exponents")
def forgets_to_come_back(lo, hi, count):
    return torch.linspace(math.log10(lo), math.log10(hi), count).tolist()


@wrong("5.1", "right for powers of ten")
def only_powers_of_ten(lo, hi, count):
    return [lo * 10**i for i in range(count - 1)] + [hi]


@wrong("5.1", "got 5")
def one_too_many(lo, hi, count):
    return [lo * (hi / lo) ** (i / count) for i in range(count + 1)]


@wrong("5.1", "I need a list of numbers")
def only_the_ratio(lo, hi, count):
    return (hi / lo) ** (1 / (count - 1))


# --- 5.2 widest(budget, num_layers)


def count(width, num_layers, biases=True):
    sizes = [784] + [width] * num_layers + [10]
    return sum((a + biases) * b for a, b in itertools.pairwise(sizes))


@right("5.2")
def by_formula(budget, num_layers):
    a, b, c = num_layers - 1, 784 + num_layers + 10, 10 - budget
    if a == 0:
        return -c // b
    return math.floor((-b + math.sqrt(b * b - 4 * a * c)) / (2 * a))


@right("5.2")
def by_models(budget, num_layers):
    width = 1
    while True:
        net = MLP(784, width + 1, 10, num_layers=num_layers, init="zeros")
        if sum(p.numel() for p in net.parameters()) > budget:
            return width
        width += 1


@right("5.2")
def from_above(budget, num_layers):
    return next(w for w in range(1000, 0, -1) if count(w, num_layers) <= budget)


@wrong("5.2", "Without its biases it would fit")
def forgets_biases(budget, num_layers):
    fits = (w for w in range(1000, 0, -1) if count(w, num_layers, False) <= budget)
    return next(fits)


@wrong("5.2", "the same as for one layer")
def forgets_the_layers(budget, num_layers):
    return (budget - 10) // 795


@wrong("5.2", "one unit too many")
def the_first_that_does_not_fit(budget, num_layers):
    return next(w for w in itertools.count(1) if count(w, num_layers) > budget)


@wrong("5.2", "a model of exactly the budget fits")
def strictly_below(budget, num_layers):
    return next(w for w in range(1000, 0, -1) if count(w, num_layers) < budget)


@wrong("5.2", "have 3 matrices between them")
def one_matrix_short(budget, num_layers):
    layers = max(1, num_layers - 1) if num_layers > 2 else num_layers
    return next(w for w in range(1000, 0, -1) if count(w, layers) <= budget)


@wrong("5.2", "a whole number of units")
def a_fraction(budget, num_layers):
    return budget / 795


# --- 5.3 best_and_rivals(groups)


@right("5.3")
def a_loop(groups):
    best = None
    for value, runs in groups.items():
        if best is None or runs.mean > groups[best].mean:
            best = value
    rivals = []
    for value, runs in groups.items():
        (low, high), (best_low, best_high) = runs.spread, groups[best].spread
        if low <= best_high and best_low <= high:
            rivals.append(value)
    return best, rivals


@right("5.3")
def from_accuracies(groups):
    mean = {v: sum(runs.accuracies) / len(runs) for v, runs in groups.items()}
    best = max(mean, key=mean.get)
    least = min(groups[best].accuracies)
    return best, {v for v, runs in groups.items() if max(runs.accuracies) >= least}


@wrong("5.3", "one lucky seed")
def the_luckiest_seed(groups):
    best = max(groups, key=lambda value: groups[value].spread[1])
    return best, [best]


@wrong("5.3", "the highest mean belongs to 0.3")
def the_steadiest(groups):
    best = min(groups, key=lambda v: groups[v].spread[1] - groups[v].spread[0])
    return best, [best]


@wrong("5.3", "compare whole ranges, not means")
def means_decide(groups):
    best = max(groups, key=lambda value: groups[value].mean)
    least = groups[best].mean
    return best, [v for v, runs in groups.items() if runs.mean >= least]


@wrong("5.3", "1.0 is missing from your rivals")
def means_within_the_range(groups):
    best = max(groups, key=lambda value: groups[value].mean)
    least = groups[best].spread[0]
    return best, [v for v, runs in groups.items() if runs.mean >= least]


@wrong("5.3", "you left the best itself out")
def without_the_best(groups):
    best, rivals = a_loop(groups)
    return best, [value for value in rivals if value != best]


@wrong("5.3", "0.5 is among your rivals")
def within_one_point_of_the_range(groups):
    best = max(groups, key=lambda value: groups[value].mean)
    least = groups[best].spread[0] - 0.01
    return best, [v for v, runs in groups.items() if runs.spread[1] >= least]


@wrong("5.3", "share just one number")
def strictly_above(groups):
    best = max(groups, key=lambda value: groups[value].mean)
    least = groups[best].spread[0]
    return best, [v for v, r in groups.items() if v == best or r.spread[1] > least]


@wrong("5.3", "return the value that reached it")
def the_accuracy_itself(groups):
    return max(runs.mean for runs in groups.values()), []


@wrong("5.3", "return two things")
def only_the_best(groups):
    return max(groups, key=lambda value: groups[value].mean)


# --- 5.4 early_stopping(val_loss, patience)


@right("5.4")
def by_slices(val_loss, patience):
    for epoch in range(1, len(val_loss) + 1):
        so_far = val_loss[:epoch]
        best = so_far.index(min(so_far)) + 1
        if epoch - best >= patience:
            break
    return best


@right("5.4")
def with_a_counter(val_loss, patience):
    best, waited = 0, 0
    for i in range(1, len(val_loss)):
        if val_loss[i] < val_loss[best]:
            best, waited = i, 0
        else:
            waited += 1
            if waited == patience:
                return best + 1
    return best + 1


@wrong("5.4", "can't look into the future")
def the_lowest_of_all(val_loss, patience):
    return val_loss.index(min(val_loss)) + 1


@wrong("5.4", "epochs count from 1")
def counts_from_zero(val_loss, patience):
    return with_a_counter(val_loss, patience) - 1


@wrong("5.4", "There the training stops")
def where_it_stops(val_loss, patience):
    return with_a_counter(val_loss, patience) + patience


@wrong("5.4", "one epoch without progress is not the end")
def without_patience(val_loss, patience):
    return with_a_counter(val_loss, 1)


@wrong("5.4", "not with the epoch before")
def rises_in_a_row(val_loss, patience):
    rises, best = 0, 0
    for i in range(1, len(val_loss)):
        rises = rises + 1 if val_loss[i] > val_loss[i - 1] else 0
        if rises == patience:
            break
        if val_loss[i] < val_loss[best]:
            best = i
    return best + 1


@wrong("5.4", "also one that never stops")
def none_if_it_never_stops(val_loss, patience):
    best = 0
    for i, loss in enumerate(val_loss):
        if loss < val_loss[best]:
            best = i
        elif i - best >= patience:
            return best + 1


@wrong("5.4", "return its epoch")
def the_loss_itself(val_loss, patience):
    return val_loss[with_a_counter(val_loss, patience) - 1]


# --- 5.5 one_at_a_time(score, choices, start)


@right("5.5")
def with_loops(score, choices, start):
    found = start.copy()
    for name in choices:
        scores = []
        for value in choices[name]:
            trial = found.copy()
            trial[name] = value
            scores.append(score(trial))
        found[name] = choices[name][scores.index(max(scores))]
    return found


@right("5.5")
def pairs(score, choices, start):
    for name, values in choices.items():
        start = max(({**start, name: value} for value in values), key=score)
    return start


@wrong("5.5", "this is a grid search")
def the_whole_grid(score, choices, start):
    settings = (
        dict(zip(choices, values)) for values in itertools.product(*choices.values())
    )
    return max(settings, key=score)


@wrong("5.5", "lr stood at its start")
def forgets_what_it_found(score, choices, start):
    return {
        name: max(values, key=lambda value: score({**start, name: value}))
        for name, values in choices.items()
    }


@wrong("5.5", "changed the dictionary start")
def writes_into_start(score, choices, start):
    for name, values in choices.items():
        start[name] = max(values, key=lambda value: score({**start, name: value}))
    return start


@wrong("5.5", "you tuned lr and stopped")
def returns_too_early(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        found[name] = max(values, key=lambda value: score({**found, name: value}))
        return found


@wrong("5.5", "score 0.70, 0.80 and 0.85; you kept 0.01")
def looks_for_the_lowest(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        found[name] = min(values, key=lambda value: score({**found, name: value}))
    return found


@wrong("5.5", "never asked score")
def never_tries(score, choices, start):
    return dict(start)


@wrong("5.5", "not lr, the first name")
def in_alphabetical_order(score, choices, start):
    return with_loops(score, {name: choices[name] for name in sorted(choices)}, start)


@wrong("5.5", "score takes one whole setting")
def scores_the_value_alone(score, choices, start):
    return {name: max(values, key=score) for name, values in choices.items()}


@wrong("5.5", "return the whole setting as a dictionary")
def returns_the_score(score, choices, start):
    return score(with_loops(score, choices, start))


@wrong("5.5", "take the names as choices has them")
def in_the_order_of_start(score, choices, start):
    return with_loops(score, {name: choices[name] for name in start}, start)


@wrong("5.5", "raised KeyError at `found[name] = best[name]`")
def raises(score, choices, start):
    found, best = {}, {}
    for name in choices:
        found[name] = best[name]
    return found


# --- 5.6 cheapest(groups, margin)


@right("5.6")
def by_sorting(groups, margin):
    best = max(runs.mean for runs in groups.values())
    for key in sorted(groups, key=lambda key: groups[key][0].num_parameters):
        if groups[key].mean >= best - margin:
            return key


@right("5.6")
def counts_from_the_setting(groups, margin):
    chosen = max(groups, key=lambda key: groups[key].mean)
    limit = groups[chosen].mean - margin
    for key, runs in groups.items():
        cheaper = runs[0].num_parameters < groups[chosen][0].num_parameters
        if runs.mean >= limit and cheaper:
            chosen = key
    return chosen


@wrong("5.6", "the best of all; some are within the margin")
def the_best(groups, margin):
    return max(groups, key=lambda key: groups[key].mean)


@wrong("5.6", "the cheapest of all")
def the_cheapest(groups, margin):
    return min(groups, key=lambda key: groups[key][0].num_parameters)


@wrong("5.6", "one lucky seed")
def by_the_luckiest_seed(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.spread[1] >= best - margin]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


@wrong("5.6", "0.890 is the least that is fine")
def margin_doubled(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.mean >= best - 2 * margin]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


@wrong("5.6", "although it has more units")
def fewest_units(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.mean >= best - margin]
    return min(fine)


@wrong("5.6", "does your function use its margin")
def its_own_margin(groups, margin):
    return by_sorting(groups, 0.01)


@wrong("5.6", "you returned its runs")
def its_runs(groups, margin):
    return groups[by_sorting(groups, margin)]
