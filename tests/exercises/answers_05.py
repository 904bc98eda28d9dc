"""Answers to the exercises of 05_hyperparameters, right and wrong.

Named after the idea.
"""

import itertools
import math
import statistics

import numpy as np
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


@wrong("5.1", "They have equal differences")
def an_even_grid(lo, hi, count):
    return [lo + (hi - lo) * i / (count - 1) for i in range(count)]


@wrong("5.1", "The next one would be hi")
def as_many_gaps_as_numbers(lo, hi, count):
    return [lo * (hi / lo) ** (i / count) for i in range(count)]


@wrong("5.1", "The first one has to be lo")
def starts_one_late(lo, hi, count):
    return [lo * (hi / lo) ** ((i + 1) / count) for i in range(count)]


@wrong("5.1", "These are the exponents")
def forgets_to_come_back(lo, hi, count):
    return torch.linspace(math.log10(lo), math.log10(hi), count).tolist()


@wrong("5.1", "right for powers of ten")
def only_powers_of_ten(lo, hi, count):
    return [lo * 10**i for i in range(count - 1)] + [hi]


@wrong("5.1", "got 5")
def one_too_many(lo, hi, count):
    return [lo * (hi / lo) ** (i / count) for i in range(count + 1)]


@right("5.1")
def by_numpy(lo, hi, count):
    return np.geomspace(lo, hi, count)


@right("5.1")
def with_ln(lo, hi, count):
    return [math.exp(x) for x in np.linspace(math.log(lo), math.log(hi), count)]


@wrong("5.1", "yours holds '0.001'.")
def texts(lo, hi, count):
    return [f"{value:.3g}" for value in by_exponents(lo, hi, count)]


@wrong("5.1", "from 0.0001 to 0.02 with 6 numbers I got 0, 0, 0.001")
def three_decimals(lo, hi, count):
    return [round(value, 3) for value in by_exponents(lo, hi, count)]


@wrong("5.1", "I got 0.001, 0.002, 0.004, 0.008. They do not end at hi")
def doubles(lo, hi, count):
    return [lo * 2**i for i in range(count)]


@wrong("5.1", "I need a list of numbers")
def only_the_ratio(lo, hi, count):
    return (hi / lo) ** (1 / (count - 1))


@wrong("5.1", "0.0001, 0.000376, 0.00141, 0.00532, 0.02 instead of")
def at_most_five(lo, hi, count):
    count = min(count, 5)
    return [lo * (hi / lo) ** (i / (count - 1)) for i in range(count)]


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
    return next(
        w for w in range(budget // 784, 0, -1) if count(w, num_layers) <= budget
    )


@right("5.2")
def as_numpys_number(budget, num_layers):
    return np.int64(from_above(budget, num_layers))


@right("5.2")
def by_halves(budget, num_layers):
    low, high = 1, budget
    while high - low > 1:
        middle = (low + high) // 2
        if count(middle, num_layers) <= budget:
            low = middle
        else:
            high = middle
    return torch.tensor(low)


@wrong("5.2", "for 101,765 parameters and num_layers=1 you said 128")
def no_biases_of_the_scores(budget, num_layers):
    return from_above(budget + 10, num_layers)


@wrong("5.2", "for 900 parameters and num_layers=1 you said 2")
def at_least_two(budget, num_layers):
    return max(2, from_above(budget, num_layers))


@wrong("5.2", "you said 0, but there is room for at least one unit")
def none_at_all(budget, num_layers):
    return budget // 10**6


@wrong("5.2", "return one whole number; I got a tensor of shape (2,)")
def width_and_layers(budget, num_layers):
    return torch.tensor([from_above(budget, num_layers), num_layers])


@wrong("5.2", "65 units would fit too")
def a_power_of_two(budget, num_layers):
    return 2 ** int(math.log2(from_above(budget, num_layers)))


@wrong("5.2", "It would fit without biases")
def forgets_biases(budget, num_layers):
    fits = (w for w in range(1000, 0, -1) if count(w, num_layers, False) <= budget)
    return next(fits)


@wrong("5.2", "It is the width for a single hidden layer")
def forgets_the_layers(budget, num_layers):
    return (budget - 10) // 795


@wrong("5.2", "one unit too many")
def the_first_that_does_not_fit(budget, num_layers):
    return next(w for w in itertools.count(1) if count(w, num_layers) > budget)


@wrong("5.2", "A model of exactly the budget fits")
def strictly_below(budget, num_layers):
    return next(w for w in range(1000, 0, -1) if count(w, num_layers) < budget)


@wrong("5.2", "have 3 matrices between them")
def one_matrix_short(budget, num_layers):
    layers = max(1, num_layers - 1) if num_layers > 2 else num_layers
    return next(w for w in range(1000, 0, -1) if count(w, layers) <= budget)


@wrong("5.2", "return one whole number; I got 128")
def a_fraction(budget, num_layers):
    return budget / 795


@wrong("5.2", "for 2,000,000 parameters and num_layers=1 you said 1999")
def up_to_two_thousand(budget, num_layers):
    return max(w for w in range(1, 2000) if count(w, num_layers) <= budget)


def one_more(width, budget, num_layers):
    if count(width + 1, num_layers) > budget:
        return width
    return one_more(width + 1, budget, num_layers)


@wrong("5.2", "raised RecursionError")
def one_call_a_unit(budget, num_layers):
    return one_more(1, budget, num_layers)


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


@wrong("5.3", "a mean of only 0.665")
def the_luckiest_seed(groups):
    best = max(groups, key=lambda value: groups[value].spread[1])
    return best, [best]


@wrong("5.3", "the highest mean belongs to 0.3")
def the_steadiest(groups):
    best = min(groups, key=lambda v: groups[v].spread[1] - groups[v].spread[0])
    return best, [best]


@wrong("5.3", "you found no rival of 0.3")
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


@wrong("5.3", "share only one number")
def strictly_above(groups):
    best = max(groups, key=lambda value: groups[value].mean)
    least = groups[best].spread[0]
    return best, [v for v, r in groups.items() if v == best or r.spread[1] > least]


@wrong("5.3", "you returned the accuracy 0.87 as the best")
def the_accuracy_itself(groups):
    return max(runs.mean for runs in groups.values()), []


@right("5.3")
def by_what_does_not_overlap(groups):
    best = sorted(groups, key=lambda value: groups[value].mean)[-1]
    low, high = groups[best].spread
    apart = {v for v, r in groups.items() if r.spread[1] < low or r.spread[0] > high}
    return [best, tuple(v for v in groups if v not in apart)]


@wrong("5.3", "1.0 is the best. Its seeds got 0.20, 0.91 and 0.885")
def by_the_median(groups):
    best = max(groups, key=lambda v: statistics.median(groups[v].accuracies))
    return best, a_loop(groups)[1]


@wrong("5.3", "yours include [1.0]")
def lists_as_rivals(groups):
    best, rivals = a_loop(groups)
    return best, [[value] for value in rivals]


@wrong("5.3", "yours include an object of type Results")
def the_runs_of_the_rivals(groups):
    best, rivals = a_loop(groups)
    return best, [groups[value] for value in rivals]


@wrong("5.3", "I need a key of groups, and you returned [1.0")
def the_other_way_round(groups):
    best, rivals = a_loop(groups)
    return rivals, best


@wrong("5.3", "the rivals should be a list of values; I got 3")
def how_many_rivals(groups):
    best, rivals = a_loop(groups)
    return best, len(rivals)


@wrong("5.3", "return two things")
def only_the_best(groups):
    return max(groups, key=lambda value: groups[value].mean)


@wrong("5.3", "0.3 is among your rivals more than once")
def the_best_twice(groups):
    best, rivals = best_and_overlapping(groups)
    return best, [*rivals, best]


def best_and_overlapping(groups):
    best = max(groups, key=lambda value: groups[value].mean)
    low = groups[best].spread[0]
    return best, [value for value in groups if groups[value].spread[1] >= low]


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


@right("5.4")
def as_a_number_of_numpy(val_loss, patience):
    return np.int64(with_a_counter(val_loss, patience))


@right("5.4")
def the_lowest_up_to_the_stop(val_loss, patience):
    best, waited = float("inf"), 0
    for stop, loss in enumerate(val_loss, start=1):  # noqa: B007
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited >= patience:
            break
    return val_loss.index(min(val_loss[:stop])) + 1


def counted(val_loss, patience, ties=False, begin_anew=True):
    best_epoch, best, waited = 0, float("inf"), 0
    for epoch, loss in enumerate(val_loss, start=1):
        if loss < best or (ties and loss == best):
            best_epoch, best, waited = epoch, loss, 0 if begin_anew else waited
        else:
            waited += 1
            if waited >= patience:
                break
    return best_epoch


@wrong("5.4", "Training stops one epoch before")
def more_than_patience(val_loss, patience):
    return counted(val_loss, patience + 1)


@wrong("5.4", "with patience 3 you said 2. Epochs 3 and 4 brought no new lowest loss")
def always_two(val_loss, patience):
    return counted(val_loss, 2)


@wrong("5.4", "With patience 1, one epoch without a new lowest loss is enough: epoch 3")
def patience_of_two_at_least(val_loss, patience):
    return counted(val_loss, max(2, patience))


@wrong("5.4", "Training does not stop in epoch 1: its loss is the lowest so far")
def the_first_is_not_new(val_loss, patience):
    best, waited = val_loss[0], 0
    for loss in val_loss:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited == patience:
            break
    return val_loss.index(best) + 1


@wrong("5.4", "they are not in a row")
def never_begins_anew(val_loss, patience):
    return counted(val_loss, patience, begin_anew=False)


@wrong("5.4", "The 0.5 of epoch 3 is not a new lowest loss")
def takes_ties(val_loss, patience):
    return counted(val_loss, patience, ties=True)


@wrong("5.4", "There is no epoch 0")
def epoch_0_at_first(val_loss, patience):
    best = counted(val_loss, patience)
    return 0 if best == 1 else best


@wrong("5.4", "with patience 3 you said 3. The lowest loss up to the stop")
def patience_before_the_end(val_loss, patience):
    best = counted(val_loss, patience)
    return min(best, len(val_loss) - patience)


@wrong("5.4", "can't look into the future")
def the_lowest_of_all(val_loss, patience):
    return val_loss.index(min(val_loss)) + 1


@wrong("5.4", "epochs count from 1")
def counts_from_zero(val_loss, patience):
    return with_a_counter(val_loss, patience) - 1


@wrong("5.4", "you said 5. That is where training stops")
def where_it_stops(val_loss, patience):
    return with_a_counter(val_loss, patience) + patience


@wrong("5.4", "Training does not stop in epoch 3, after one epoch")
def without_patience(val_loss, patience):
    return with_a_counter(val_loss, 1)


@wrong("5.4", "what counts is the best so far, not the epoch before")
def rises_in_a_row(val_loss, patience):
    rises, best = 0, 0
    for i in range(1, len(val_loss)):
        rises = rises + 1 if val_loss[i] > val_loss[i - 1] else 0
        if rises == patience:
            break
        if val_loss[i] < val_loss[best]:
            best = i
    return best + 1


@wrong("5.4", "even one that never stops")
def none_if_it_never_stops(val_loss, patience):
    best = 0
    for i, loss in enumerate(val_loss):
        if loss < val_loss[best]:
            best = i
        elif i - best >= patience:
            return best + 1


@wrong("5.4", "That is a loss, not its epoch")
def the_loss_itself(val_loss, patience):
    return val_loss[with_a_counter(val_loss, patience) - 1]


@right("5.4")
def the_last_ones_against_the_one_before(val_loss, patience):
    for end in range(patience + 1, len(val_loss) + 1):
        before, *last = val_loss[end - patience - 1 : end]
        if min(last) >= before:
            return val_loss.index(min(val_loss[:end])) + 1
    return val_loss.index(min(val_loss)) + 1


@wrong("5.4", "with patience 2 you said 2. The lowest loss up to the stop is that of")
def against_the_loss_patience_epochs_ago(val_loss, patience):
    for i in range(patience, len(val_loss)):
        if val_loss[i] >= val_loss[i - patience]:
            return val_loss.index(min(val_loss[: i + 1])) + 1
    return val_loss.index(min(val_loss)) + 1


@wrong("5.4", "with patience 1 you said 1. The lowest loss up to the stop is that of")
def a_hundredth_lower_at_least(val_loss, patience):
    best = 0
    for i, loss in enumerate(val_loss):
        if loss < val_loss[best] - 0.01:
            best = i
        elif i - best >= patience:
            break
    return best + 1


# --- 5.5 cheapest(groups, margin)


@right("5.5")
def by_sorting(groups, margin):
    best = max(runs.mean for runs in groups.values())
    for key in sorted(groups, key=lambda key: groups[key][0].num_parameters):
        if groups[key].mean >= best - margin:
            return key


@right("5.5")
def counts_from_the_setting(groups, margin):
    chosen = max(groups, key=lambda key: groups[key].mean)
    limit = groups[chosen].mean - margin
    for key, runs in groups.items():
        cheaper = runs[0].num_parameters < groups[chosen][0].num_parameters
        if runs.mean >= limit and cheaper:
            chosen = key
    return chosen


@wrong("5.5", "the best of all; others within the margin")
def the_best(groups, margin):
    return max(groups, key=lambda key: groups[key].mean)


@wrong("5.5", "the cheapest of all")
def the_cheapest(groups, margin):
    return min(groups, key=lambda key: groups[key][0].num_parameters)


@right("5.5")
def from_pairs(groups, margin):
    best = max(statistics.mean(runs.accuracies) for runs in groups.values())
    fine = [
        (runs[0].num_parameters, key)
        for key, runs in groups.items()
        if best - statistics.mean(runs.accuracies) <= margin
    ]
    return sorted(fine)[0][1]


def fewest_parameters(groups, least):
    fine = [key for key, runs in groups.items() if runs.mean >= least]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


@wrong("5.5", "(One percent of 0.900 would be less than 0.01.)")
def a_share_of_the_best(groups, margin):
    best = max(runs.mean for runs in groups.values())
    return fewest_parameters(groups, best * (1 - margin))


@wrong("5.5", "0.8905, is less than 0.01 below the best mean")
def below_the_luckiest_seed(groups, margin):
    luckiest = max(runs.spread[1] for runs in groups.values())
    return fewest_parameters(groups, luckiest - margin)


@wrong("5.5", "you returned (400, 2), 0.890 with")
def the_lowest_within(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.mean >= best - margin]
    return min(fine, key=lambda key: groups[key].mean)


@wrong("5.5", "I need a key of groups, and you returned 238510")
def how_many_parameters(groups, margin):
    return groups[by_sorting(groups, margin)][0].num_parameters


@wrong("5.5", "but with 0.5, where every setting is good enough")
def a_small_margin_at_most(groups, margin):
    return by_sorting(groups, min(margin, 0.02))


@wrong("5.5", "raised ValueError at `return min(fine, key=lambda key: groups[key][0]")
def strictly_within(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.mean > best - margin]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


@wrong("5.5", "one lucky seed")
def by_the_luckiest_seed(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.spread[1] >= best - margin]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


@wrong("5.5", "anything from 0.890 up is good enough")
def margin_doubled(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.mean >= best - 2 * margin]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


@wrong("5.5", "although its layer has more units")
def fewest_units(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.mean >= best - margin]
    return min(fine)


@wrong("5.5", "but with 0.0, where only the best itself is good enough")
def its_own_margin(groups, margin):
    return by_sorting(groups, 0.01)


@wrong("5.5", "you returned its runs")
def its_runs(groups, margin):
    return groups[by_sorting(groups, margin)]


@wrong("5.5", "you returned a setting with 0.884, and the best has 0.900")
def as_good_as_the_first(groups, margin):
    enough = next(iter(groups.values())).mean - margin
    fine = [key for key in groups if groups[key].mean >= enough]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


@wrong("5.5", "you returned (64, 2), with a mean of 0.883 and 8,727 parameters")
def the_fewest_units(groups, margin):
    enough = max(runs.mean for runs in groups.values()) - margin
    return min((k for k in groups if groups[k].mean >= enough), key=math.prod)


@wrong("5.5", "with a margin of 0.0505")
def below_the_best_lowest_seed(groups, margin):
    best = max(runs.spread[0] for runs in groups.values())
    fine = [key for key, runs in groups.items() if runs.mean >= best - margin]
    return min(fine, key=lambda key: groups[key][0].num_parameters)


@wrong("5.5", "with a margin of 0.0505 and a best mean of")
def the_size_of_all_runs(groups, margin):
    best = max(runs.mean for runs in groups.values())
    fine = [key for key, runs in groups.items() if best - runs.mean <= margin]
    return min(fine, key=lambda key: sum(run.num_parameters for run in groups[key]))


# --- 5.6 one_at_a_time(score, choices, start)


@right("5.6")
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


@right("5.6")
def pairs(score, choices, start):
    for name, values in choices.items():
        start = max(({**start, name: value} for value in values), key=score)
    return start


@right("5.6")
def step_by_step(score, choices, start):
    found, best = dict(start), score(start)
    for name, values in choices.items():
        for value in values:
            trial = found | {name: value}
            reached = score(trial)
            if reached > best:
                found, best = trial, reached
    return found


@wrong("5.6", "you asked for other depths with other lrs than 1.0")
def round_after_round(score, choices, start):
    found = dict(start)
    for _ in range(3):
        found = with_loops(score, choices, found)
    return found


@wrong("5.6", "when all scores were below 0 (minus a loss, say) you asked")
def begins_at_zero(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        best, chosen = 0, None
        for value in values:
            if score(found | {name: value}) > best:
                best, chosen = score(found | {name: value}), value
        found[name] = chosen
    return found


@wrong("5.6", "'depth': 1}, which has a value that is not in choices")
def between_the_values(score, choices, start):
    wider = {name: [1.5 * v for v in values] for name, values in choices.items()}
    return with_loops(score, wider, start)


@wrong("5.6", "changed its input choices.")
def sorts_the_choices(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        values.sort(key=lambda value: -score({**found, name: value}))
        found[name] = values[0]
    return found


@wrong("5.6", "you returned {'depth': 2}, not a dictionary with the names")
def without_what_is_not_tuned(score, choices, start):
    found = {}
    for name, values in choices.items():
        found[name] = max(values, key=lambda v: score(start | found | {name: v}))
    return found


@wrong("5.6", "I got {'lr': 1.0, 'depth': 1}.")
def the_first_that_is_better(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        for value in values:
            if score({**found, name: value}) > score(found):
                found[name] = value
                break
    return found


@wrong("5.6", "all 9 settings of the grid")
def the_whole_grid(score, choices, start):
    settings = (
        dict(zip(choices, values)) for values in itertools.product(*choices.values())
    )
    return max(settings, key=score)


@wrong("5.6", "lr was at its start")
def forgets_what_it_found(score, choices, start):
    return {
        name: max(values, key=lambda value: score({**start, name: value}))
        for name, values in choices.items()
    }


@wrong("5.6", "changed its input start.")
def writes_into_start(score, choices, start):
    for name, values in choices.items():
        start[name] = max(values, key=lambda value: score({**start, name: value}))
    return start


@wrong("5.6", "you never asked for another depth than 1")
def returns_too_early(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        found[name] = max(values, key=lambda value: score({**found, name: value}))
        return found


@wrong("5.6", "score 0.70, 0.80 and 0.85; you kept 0.01")
def looks_for_the_lowest(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        found[name] = min(values, key=lambda value: score({**found, name: value}))
    return found


@wrong("5.6", "never asked score")
def never_tries(score, choices, start):
    return dict(start)


@wrong("5.6", "has depth 2, but the first name in choices is lr")
def in_alphabetical_order(score, choices, start):
    return with_loops(score, {name: choices[name] for name in sorted(choices)}, start)


@wrong("5.6", "score takes one whole setting")
def scores_the_value_alone(score, choices, start):
    return {name: max(values, key=score) for name, values in choices.items()}


@wrong("5.6", "you returned 0.88, not a dictionary with the names of start")
def returns_the_score(score, choices, start):
    return score(with_loops(score, choices, start))


@wrong("5.6", "with the names in the other order")
def in_the_order_of_start(score, choices, start):
    return with_loops(score, {name: choices[name] for name in start}, start)


@wrong("5.6", "raised KeyError at `found[name] = best[name]`")
def raises(score, choices, start):
    found, best = {}, {}
    for name in choices:
        found[name] = best[name]
    return found


@wrong("5.6", "with three names and random scores you returned")
def the_last_that_beats_the_start(score, choices, start):
    found = dict(start)
    for name, values in choices.items():
        for value in values:
            if score(found | {name: value}) > score(start):
                found[name] = value
    return found


@wrong("5.6", "you returned start itself, not a new dictionary")
def keeps_start_where_it_is_best(score, choices, start):
    found = start
    for name, values in choices.items():
        for value in values:
            other = found | {name: value}
            found = other if score(other) > score(found) else found
    return found
