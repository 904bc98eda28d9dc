"""Answers to the exercises of 06_search, right and wrong. Named after the idea."""

import functools
import itertools
import math
import operator
import random
import statistics

import numpy as np
import torch
from answers import right, wrong

# --- 6.1 num_combinations(space)


@right("6.1")
def by_product(space):
    return math.prod(len(values) for values in space.values())


@right("6.1")
def by_numpy_product(space):
    return np.prod([len(space[name]) for name in space])


@right("6.1")
def by_writing_them_down(space):
    return len(list(itertools.product(*space.values())))


@right("6.1")
def by_reduce(space):
    return functools.reduce(operator.mul, map(len, space.values()), 1)


@right("6.1")
def by_torch_product(space):
    return torch.tensor([len(values) for values in space.values()]).prod()


@right("6.1")
def one_name_less(space):
    if not space:
        return 1
    (_, values), *rest = space.items()
    return len(values) * one_name_less(dict(rest))


@wrong("6.1", "That is their sum")
def sum_of_lengths(space):
    return sum(len(values) for values in space.values())


@wrong("6.1", "That is how many hyperparameters there are")
def number_of_names(space):
    return len(space)


@wrong("6.1", "right for three lists of 5")
def a_power(space):
    return max(len(values) for values in space.values()) ** len(space)


@wrong("6.1", "One of the lists has 2 values")
def only_the_last(space):
    for values in space.values():
        count = len(values)
    return count


@wrong("6.1", "That would be right for 6, 5 and 3 values")
def one_more_for_none(space):
    return math.prod(len(values) + 1 for values in space.values())


@wrong("6.1", "there are 40 settings")
def without_the_first_one(space):
    return by_product(space) - 1


@wrong("6.1", "I got a whole list")
def the_grid_itself(space):
    return list(itertools.product(*space.values()))


@wrong("6.1", "right for three lists")
def only_three_names(space):
    a, b, c = [*space.values(), [0], [0]][:3]
    return len(a) * len(b) * len(c)


@wrong("6.1", "there is no setting; you said 2")
def skips_what_is_empty(space):
    return math.prod(len(values) or 1 for values in space.values())


@wrong("6.1", "changed its input space.")
def empties_the_space(space):
    count = 1
    while space:
        count *= len(space.popitem()[1])
    return count


@wrong("6.1", "empties_the_lists changed its input space.")
def empties_the_lists(space):
    count = 1
    for values in space.values():
        length = 0
        while values:
            values.pop()
            length += 1
        count *= length
    return count


@right("6.1")
def counting_them(space):
    return sum(1 for _ in itertools.product(*space.values()))


@wrong("6.1", "return one whole number; I got '40'")
def as_a_text(space):
    return str(by_product(space))


@wrong("6.1", "for 5, 4 and 2 values you said 0")
def from_zero(space):
    count = 0
    for values in space.values():
        count *= len(values)
    return count


@wrong("6.1", "you said 5. One of the lists has 5 values")
def returns_in_the_loop(space):
    for values in space.values():
        return len(values)


@wrong("6.1", "does it end in a return")
def prints_it(space):
    print(by_product(space))


@wrong("6.1", "for 5, 4 and 2 values you said 11. That is their sum")
def different_values(space):
    return len({value for values in space.values() for value in values})


@wrong("6.1", "return one whole number; I got 4.999")
def by_logarithms(space):
    return math.exp(sum(math.log(len(values)) for values in space.values()))


# --- 6.2 sample_lr(rng, low, high)


@right("6.2")
def by_logs_to_base_10(rng, low, high):
    return 10 ** rng.uniform(math.log10(low), math.log10(high))


@right("6.2")
def by_natural_logs(rng, low, high):
    return math.exp(math.log(low) + rng.random() * (math.log(high) - math.log(low)))


@right("6.2")
def from_above(rng, low, high):
    return high / (high / low) ** rng.random()


@right("6.2")
def by_numpy(rng, low, high):
    own = np.random.default_rng(rng.randrange(2**32))
    return np.exp(own.uniform(np.log(low), np.log(high)))


@right("6.2")
def as_a_tensor(rng, low, high):
    return torch.tensor(by_natural_logs(rng, low, high), dtype=torch.float64)


@wrong("6.2", "That is uniform, not log-uniform")
def uniform(rng, low, high):
    return rng.uniform(low, high)


@wrong("6.2", "These are logarithms of learning rates")
def the_exponent(rng, low, high):
    return rng.uniform(math.log10(low), math.log10(high))


@wrong("6.2", "got numbers from 0.018 to 0.37. You took the logarithm to one base")
def there_by_10_and_back_by_e(rng, low, high):
    return math.exp(rng.uniform(math.log10(low), math.log10(high)))


@wrong("6.2", "to 0.005. You took the logarithm to one base")
def there_by_e_and_back_by_10(rng, low, high):
    return 10 ** rng.uniform(math.log(low), math.log(high))


@right("6.2")
def around_the_middle(rng, low, high):
    return math.sqrt(low * high) * (high / low) ** (rng.random() - 0.5)


@right("6.2")
def in_single_precision(rng, low, high):
    return np.float32(2 ** rng.uniform(math.log2(low), math.log2(high)))


@wrong("6.2", "were below 0.00316, the middle on a log scale")
def even_within_each_power(rng, low, high):
    first, last = round(math.log10(low)), round(math.log10(high))
    return rng.uniform(1, 10) * 10 ** rng.randint(first, last - 1)


@wrong("6.2", "different numbers. Draw any number")
def four_decimals(rng, low, high):
    return round(by_logs_to_base_10(rng, low, high), 4)


@wrong("6.2", "got numbers from 2.4e-08 to 0.0001. Some are outside the range")
def forgets_the_power(rng, low, high):
    return high * (low / high) * rng.random()


@wrong("6.2", "of 2,000 draws between 0.0001 and 0.1, 1,789 were below")
def one_over_uniform(rng, low, high):
    return 1 / rng.uniform(1 / high, 1 / low)


@wrong("6.2", "got numbers from 5.5e-06 to 4. Some are outside the range")
def log_normal(rng, low, high):
    middle = (math.log(low) + math.log(high)) / 2
    return math.exp(rng.gauss(middle, 2))


@wrong("6.2", "after 2,000 draws rng has not moved")
def from_python_s_own_numbers(rng, low, high):
    return low * (high / low) ** random.random()


@wrong("6.2", "the same number each time: 0.0341")
def seeds_each_time(rng, low, high):
    rng.seed(0)
    return by_logs_to_base_10(rng, low, high)


@wrong("6.2", "the same number each time: 0.00316")
def the_middle(rng, low, high):
    return math.sqrt(low * high)


@wrong("6.2", "gave different numbers the second time")
def a_little_of_both(rng, low, high):
    share = (rng.random() + random.random()) % 1
    return low * (high / low) ** share


@wrong("6.2", "only 4 different numbers: a grid")
def whole_powers(rng, low, high):
    return 10 ** rng.randint(round(math.log10(low)), round(math.log10(high)))


@wrong("6.2", "about as many in each power of ten")
def squared(rng, low, high):
    return low * (high / low) ** (rng.random() ** 2)


@wrong("6.2", "right from 0.0001 to 0.1, but")
def always_the_same_range(rng, low, high):
    return 10 ** rng.uniform(-4, -1)


@wrong("6.2", "return one number; I got")
def many_at_once(rng, low, high):
    return [by_logs_to_base_10(rng, low, high) for _ in range(10)]


# --- 6.3 best_setting(accuracies)


@right("6.3")
def by_statistics(accuracies):
    return max(accuracies, key=lambda setting: statistics.fmean(accuracies[setting]))


@right("6.3")
def best_so_far(accuracies):
    best, best_mean = None, float("-inf")
    for setting, seeds in accuracies.items():
        if sum(seeds) / len(seeds) > best_mean:
            best, best_mean = setting, sum(seeds) / len(seeds)
    return best


@right("6.3")
def by_numpy_argmax(accuracies):
    means = [np.mean(seeds) for seeds in accuracies.values()]
    return list(accuracies)[int(np.argmax(means))]


@right("6.3")
def by_sorting(accuracies):
    pairs = [(statistics.fmean(seeds), key) for key, seeds in accuracies.items()]
    *_, (_, best) = sorted(pairs)
    return best


@right("6.3")
def by_pairs_of_mean_and_setting(accuracies):
    means = {sum(seeds) / len(seeds): key for key, seeds in accuracies.items()}
    return means[max(means)]


@wrong("6.3", "Halfway between its lowest and its highest seed")
def by_the_middle_of_the_range(accuracies):
    return max(accuracies, key=lambda key: max(accuracies[key]) + min(accuracies[key]))


@wrong("6.3", "No setting has a higher last seed")
def by_the_last_seed(accuracies):
    return max(accuracies, key=lambda key: accuracies[key][-1])


@wrong("6.3", "you chose (0.2, 1) with 0.885, 0.885, 0.78")
def by_the_first_seed(accuracies):
    return max(accuracies, key=lambda key: accuracies[key][0])


@wrong("6.3", "from 2, 1 and 3 seeds; you chose 1")
def one_seed_too_few(accuracies):
    return max(
        accuracies, key=lambda k: sum(accuracies[k]) / max(1, len(accuracies[k]) - 1)
    )


@wrong("6.3", "One seed was lucky")
def the_luckiest_seed(accuracies):
    return max(accuracies, key=lambda setting: max(accuracies[setting]))


@wrong("6.3", "largest sum")
def by_sum(accuracies):
    return max(accuracies, key=lambda setting: sum(accuracies[setting]))


@wrong("6.3", "the highest of all lowest seeds")
def the_most_careful(accuracies):
    return max(accuracies, key=lambda setting: min(accuracies[setting]))


@wrong("6.3", "a mean of 0.850")
def by_median(accuracies):
    return max(accuracies, key=lambda setting: statistics.median(accuracies[setting]))


@wrong("6.3", "That is the worst of all")
def the_lowest(accuracies):
    return min(accuracies, key=lambda setting: statistics.fmean(accuracies[setting]))


@wrong("6.3", "a key of accuracies; I got 0.87")
def the_accuracy_itself(accuracies):
    return max(statistics.fmean(seeds) for seeds in accuracies.values())


@wrong("6.3", "from 2, 1 and 3 seeds; you chose 3")
def always_three_seeds(accuracies):
    return max(accuracies, key=lambda setting: sum(accuracies[setting][:3]) / 3)


@wrong("6.3", "return the setting, a key of accuracies; I got ((0.1, 2), ")
def with_its_accuracies(accuracies):
    return max(accuracies.items(), key=lambda pair: statistics.fmean(pair[1]))


@wrong("6.3", "changed its input accuracies.")
def sorts_in_place(accuracies):
    for seeds in accuracies.values():
        seeds.sort()
    return by_statistics(accuracies)


@wrong("6.3", "with 0.866, 0.872, 0.866. Its lowest seed is the highest")
def rounded_to_percents(accuracies):
    return max(accuracies, key=lambda one: round(statistics.mean(accuracies[one]), 2))


@wrong("6.3", "have the means 0.870001 and 0.870002; you chose 1")
def rounded_to_three_digits(accuracies):
    return max(accuracies, key=lambda one: round(statistics.mean(accuracies[one]), 3))


@wrong("6.3", "with [0.69, 0.69] and [0.5, 0.9] have the means 0.69 and 0.70")
def by_the_geometric_mean(accuracies):
    return max(accuracies, key=lambda one: statistics.geometric_mean(accuracies[one]))


@wrong("6.3", "with [0.5, 0.9] and [0.71, 0.71] have the means 0.70 and 0.71")
def by_the_mean_square(accuracies):
    def mean_square(setting):
        return statistics.mean(a * a for a in accuracies[setting])

    return max(accuracies, key=mean_square)


@wrong("6.3", "[0.9, 0.9, 0.9, 0.1] and [0.71] have the means")
def of_the_first_three(accuracies):
    return max(accuracies, key=lambda setting: statistics.mean(accuracies[setting][:3]))


@wrong("6.3", "[0.89, 0.89, 0.89, 0.89] and [0.9] have the means")
def drawn_to_a_usual_one(accuracies):
    def mean(setting):
        return (sum(accuracies[setting]) + 0.8) / (len(accuracies[setting]) + 1)

    return max(accuracies, key=mean)


# --- 6.4 honest_score(first_half, second_half)


@right("6.4")
def by_pairs(first_half, second_half):
    return max(zip(first_half, second_half))[1]


@right("6.4")
def by_argmax(first_half, second_half):
    return second_half[np.argmax(first_half)]


@right("6.4")
def by_tensors(first_half, second_half):
    return torch.tensor(second_half)[torch.tensor(first_half).argmax()]


@right("6.4")
def with_a_loop(first_half, second_half):
    best = 0
    for i in range(len(first_half)):
        if first_half[i] > first_half[best]:
            best = i
    return second_half[best]


@right("6.4")
def by_a_dictionary(first_half, second_half):
    return dict(zip(first_half, second_half))[max(first_half)]


@wrong("6.4", "the lowest of the second half")
def the_lowest_of_the_second(first_half, second_half):
    return min(second_half)


@wrong("6.4", "you returned 0.863333; the setting chosen on the first half")
def the_mean_of_the_second(first_half, second_half):
    return statistics.fmean(second_half)


@wrong("6.4", "which then has chosen too")
def the_best_of_the_second(first_half, second_half):
    return max(second_half)


@wrong("6.4", "the number by which the setting is chosen")
def the_best_of_the_first(first_half, second_half):
    return max(first_half)


@wrong("6.4", "the mean of the winner's two halves")
def the_winner_s_mean(first_half, second_half):
    best = first_half.index(max(first_half))
    return (first_half[best] + second_half[best]) / 2


@wrong("6.4", "best on both halves together")
def chosen_on_both(first_half, second_half):
    return max(zip(first_half, second_half), key=sum)[1]


@wrong("6.4", "the position of the chosen setting")
def the_index(first_half, second_half):
    return first_half.index(max(first_half))


@wrong("6.4", "what the setting that is best on the second half has on the first")
def the_wrong_way_round(first_half, second_half):
    return with_a_loop(second_half, first_half)


@wrong("6.4", "by how much the winner falls")
def the_difference(first_half, second_half):
    return max(first_half) - with_a_loop(first_half, second_half)


@wrong("6.4", "worst on the first half")
def by_the_lowest(first_half, second_half):
    return min(zip(first_half, second_half))[1]


@wrong("6.4", "0.65 on the second you returned 0.6;")
def always_the_second_one(first_half, second_half):
    return second_half[1]


@wrong("6.4", "return one number; I got (1, 0.84)")
def position_and_score(first_half, second_half):
    best = first_half.index(max(first_half))
    return best, second_half[best]


@wrong("6.4", "changed its input first_half.")
def sorts_the_first_half(first_half, second_half):
    pairs = dict(zip(first_half, second_half))
    first_half.sort()
    return pairs[first_half[-1]]


@wrong("6.4", "you returned 0.6; the setting chosen on the first half scores 0.7")
def the_smaller_of_two_halves(first_half, second_half):
    chosen = first_half.index(max(first_half))
    return min(first_half[chosen], second_half[chosen])


@wrong("6.4", "you returned 0.9; the setting chosen on the first half scores 0.3")
def the_second_lowest(first_half, second_half):
    return sorted(second_half)[1]


@wrong("6.4", "second best on the first half")
def the_second_best_of_the_first(first_half, second_half):
    if len(first_half) == 1:
        return second_half[0]
    return second_half[first_half.index(sorted(first_half)[-2])]


# --- 6.5 halving_cost(num_settings, num_epochs)


@right("6.5")
def round_by_round(num_settings, num_epochs):
    epochs = [0] * num_settings  # of each setting
    until = 1
    while True:
        for i in range(num_settings):
            epochs[i] = min(until, num_epochs)
        if until >= num_epochs:
            return sum(epochs)
        num_settings = num_settings // 2 or 1
        until *= 2


@right("6.5")
def by_epochs(num_settings, num_epochs):
    total = 0
    for epoch in range(1, num_epochs + 1):  # the epoch that is trained now
        rounds = (epoch - 1).bit_length()
        total += max(1, num_settings >> rounds)
    return total


@right("6.5")
def by_recursion(num_settings, num_epochs, had=0):
    until = min(2 * had or 1, num_epochs)
    if until == had:
        return 0
    later = by_recursion(max(1, num_settings // 2), num_epochs, until)
    return num_settings * (until - had) + later


@right("6.5")
def the_last_one_by_itself(num_settings, num_epochs):
    cost, had, left = num_settings, 1, num_settings
    while left > 1 and had < num_epochs:
        left //= 2
        more = min(had, num_epochs - had)
        cost, had = cost + left * more, had + more
    return cost + left * (num_epochs - had)


@wrong("6.5", "every setting trained to the end")
def never_halves(num_settings, num_epochs):
    return num_settings * num_epochs


@wrong("6.5", "pay again")
def pays_again(num_settings, num_epochs):
    cost, had = num_settings, 1
    while had < num_epochs:
        num_settings, had = max(1, num_settings // 2), min(2 * had, num_epochs)
        cost += num_settings * had
    return cost


@wrong("6.5", "what the first 4 of 5 rounds cost")
def stops_when_one_is_left(num_settings, num_epochs):
    cost, had = num_settings, 1
    while num_settings // 2 > 1 and had < num_epochs:
        num_settings //= 2
        cost += num_settings * had
        had *= 2
    return cost


@wrong("6.5", "for 4 settings and 16 epochs you said 8. That is what the first 3 of 5")
def until_nobody_is_left(num_settings, num_epochs):
    cost, had = num_settings, 1
    while had < num_epochs:
        num_settings //= 2
        more = min(had, num_epochs - had)
        cost, had = cost + num_settings * more, had + more
    return cost


@wrong("6.5", "The first epoch of all settings is missing")
def forgets_the_first_epoch(num_settings, num_epochs):
    return by_epochs(num_settings, num_epochs) - num_settings


@wrong("6.5", "one epoch for each setting in each round")
def one_epoch_a_round(num_settings, num_epochs):
    cost, had = num_settings, 1
    while had < num_epochs:
        num_settings, had = max(1, num_settings // 2), 2 * had
        cost += num_settings
    return cost


@wrong("6.5", "the cost if the last round goes beyond 7 epochs")
def beyond_the_end(num_settings, num_epochs):
    cost, had = num_settings, 1
    while had < num_epochs:
        num_settings = max(1, num_settings // 2)
        cost, had = cost + num_settings * had, 2 * had
    return cost


@wrong("6.5", "the larger half of an odd number")
def rounds_up(num_settings, num_epochs):
    cost, had = num_settings, 1
    while had < num_epochs:
        num_settings = math.ceil(num_settings / 2)
        more = min(had, num_epochs - had)
        cost, had = cost + num_settings * more, had + more
    return cost


@wrong("6.5", "a setting goes on or it does not")
def halves_of_settings(num_settings, num_epochs):
    cost, had = num_settings, 1
    while had < num_epochs:
        num_settings = max(1, num_settings / 2)
        more = min(had, num_epochs - had)
        cost, had = cost + num_settings * more, had + more
    return cost


@wrong("6.5", "you said 51. Round by round it is 20 + 10 + 10 + 8 + 8")
def counts_a_setting_too_few(num_settings, num_epochs):
    return by_epochs(num_settings - 1, num_epochs) - 1


@wrong("6.5", "for 7 settings and 7 epochs you said 12. That is what the first 3 of 4")
def leaves_a_short_round_out(num_settings, num_epochs):
    cost, had = num_settings, 1
    while 2 * had <= num_epochs:
        num_settings = max(1, num_settings // 2)
        cost, had = cost + num_settings * had, 2 * had
    return cost


@wrong("6.5", "for 20 settings and 16 epochs you said 49. Round by round")
def half_in_each_epoch(num_settings, num_epochs):
    cost = 0
    for _ in range(num_epochs):
        cost, num_settings = cost + num_settings, max(1, num_settings // 2)
    return cost


@wrong("6.5", "return one number; I got")
def cost_of_each_round(num_settings, num_epochs):
    return [by_epochs(num_settings, epochs + 1) for epochs in range(num_epochs)]


# --- 6.6 random_search(score, space, num_trials, rng)


def a_setting(space, rng):
    return {name: rng.choice(values) for name, values in space.items()}


@right("6.6")
def the_best_so_far(score, space, num_trials, rng):
    best, best_score = None, float("-inf")
    for _ in range(num_trials):
        setting = a_setting(space, rng)
        found = score(setting)
        if found > best_score:
            best, best_score = setting, found
    return best


@right("6.6")
def by_a_list_of_scores(score, space, num_trials, rng):
    settings = [
        {name: values[rng.randrange(len(values))] for name, values in space.items()}
        for _ in range(num_trials)
    ]
    scores = [score(setting) for setting in settings]
    return settings[scores.index(max(scores))]


@right("6.6")
def from_the_grid_without_return(score, space, num_trials, rng):
    grid = list(itertools.product(*space.values()))
    drawn = rng.sample(grid, num_trials)
    return max((dict(zip(space, values)) for values in drawn), key=score)


@right("6.6")
def by_numpy_generator(score, space, num_trials, rng):
    own = np.random.default_rng(rng.randrange(2**32))
    settings = [
        {name: own.choice(values) for name, values in space.items()}
        for _ in range(num_trials)
    ]
    return settings[np.argmax([score(setting) for setting in settings])]


@right("6.6")
def by_sorted_scores(score, space, num_trials, rng):
    settings = [a_setting(space, rng) for _ in range(num_trials)]
    *_, best = sorted(settings, key=score)
    return best


@right("6.6")
def all_of_them_different(score, space, num_trials, rng):
    settings = {}
    while len(settings) < num_trials:
        setting = a_setting(space, rng)
        settings[tuple(setting.values())] = setting
    return max(settings.values(), key=score)


@wrong("6.6", "when all scores were below 0 (minus a loss, say) you returned None")
def begins_at_minus_one(score, space, num_trials, rng):
    best, best_score = None, -1
    for _ in range(num_trials):
        setting = a_setting(space, rng)
        found = score(setting)
        if found > best_score:
            best, best_score = setting, found
    return best


@wrong("6.6", "I asked for 100 trials, and score was called 65 times")
def remembers_what_it_asked(score, space, num_trials, rng):
    known = {}
    for _ in range(num_trials):
        setting = a_setting(space, rng)
        key = tuple(setting.items())
        if key not in known:
            known[key] = score(setting)
    return dict(max(known, key=known.get))


@wrong("6.6", "you gave it [")
def lists_for_settings(score, space, num_trials, rng):
    draws = ([rng.choice(v) for v in space.values()] for _ in range(num_trials))
    return max(draws, key=score)


@wrong("6.6", "I asked for 100 trials, and score was called 99 times")
def one_trial_too_few(score, space, num_trials, rng):
    return the_best_so_far(score, space, num_trials - 1, rng)


@wrong("6.6", "You returned the setting of the last")
def the_last(score, space, num_trials, rng):
    for _ in range(num_trials):
        setting = a_setting(space, rng)
        score(setting)
    return setting


@wrong("6.6", "You returned the setting of the first")
def the_first(score, space, num_trials, rng):
    settings = [a_setting(space, rng) for _ in range(num_trials)]
    [score(setting) for setting in settings]
    return settings[0]


@wrong("6.6", "You returned the setting of the worst")
def the_worst(score, space, num_trials, rng):
    return min((a_setting(space, rng) for _ in range(num_trials)), key=score)


@wrong("6.6", "you returned the score")
def the_score(score, space, num_trials, rng):
    return max(score(a_setting(space, rng)) for _ in range(num_trials))


@wrong("6.6", "you returned 0.897017365 and {")
def score_and_setting(score, space, num_trials, rng):
    settings = (a_setting(space, rng) for _ in range(num_trials))
    return max(((score(s), s) for s in settings), key=lambda pair: pair[0])


@wrong("6.6", "you gave it {'lr': ")
def one_name_only(score, space, num_trials, rng):
    name = next(iter(space))
    return max(({name: rng.choice(space[name])} for _ in range(num_trials)), key=score)


@wrong("6.6", "num_layers was 1: it was not drawn")
def the_rest_stays(score, space, num_trials, rng):
    first = {name: values[0] for name, values in space.items()}
    trials = [{**first, "lr": rng.choice(space["lr"])} for _ in range(num_trials)]
    return max(trials, key=score)


@wrong("6.6", "mostly one name changed")
def one_name_at_a_time(score, space, num_trials, rng):
    setting, settings = a_setting(space, rng), []
    for _ in range(num_trials):
        name = rng.choice(list(space))
        setting = {**setting, name: rng.choice(space[name])}
        settings.append(setting)
    return max(settings, key=score)


@wrong("6.6", "drawn name by name there would be more")
def one_draw_for_all_names(score, space, num_trials, rng):
    settings = []
    for _ in range(num_trials):
        i = rng.randrange(30)
        settings.append(
            {name: values[i % len(values)] for name, values in space.items()}
        )
    return max(settings, key=score)


@wrong("6.6", "score was called 200 times, for some settings more than once")
def scores_twice(score, space, num_trials, rng):
    settings = [a_setting(space, rng) for _ in range(num_trials)]
    best = max(score(setting) for setting in settings)
    return next((s for s in settings if score(s) == best), settings[-1])


@wrong("6.6", "score was called 101 times, for some")
def scores_the_best_again(score, space, num_trials, rng):
    best = the_best_so_far(score, space, num_trials, rng)
    print(score(best))
    return best


@wrong("6.6", "times, for some settings more than once. Each call may be a training")
def compares_by_scoring(score, space, num_trials, rng):
    best = a_setting(space, rng)
    for _ in range(num_trials - 1):
        setting = a_setting(space, rng)
        if score(setting) > score(best):
            best = setting
    return best


@wrong("6.6", "I asked for 100 trials, and score was called 30 times")
def its_own_number_of_trials(score, space, num_trials, rng):
    return the_best_so_far(score, space, 30, rng)


@wrong("6.6", "I asked for 20 trials, and score was called 100 times")
def always_a_hundred(score, space, num_trials, rng):
    return the_best_so_far(score, space, 100, rng)


@wrong("6.6", "your 100 settings came in the order of the grid")
def walks_the_grid(score, space, num_trials, rng):
    grid = (dict(zip(space, values)) for values in itertools.product(*space.values()))
    return max(itertools.islice(grid, num_trials), key=score)


@wrong("6.6", "your 120 settings came in the order of the grid")
def the_whole_grid(score, space, num_trials, rng):
    grid = (dict(zip(space, values)) for values in itertools.product(*space.values()))
    return max(grid, key=score)


@wrong("6.6", "rng has not moved: your settings come from")
def python_s_own_numbers(score, space, num_trials, rng):
    return the_best_so_far(score, space, num_trials, random)


@wrong("6.6", "gave other settings the second time")
def half_of_them_from_rng(score, space, num_trials, rng):
    def draw():
        first, *rest = space.items()
        return {first[0]: rng.choice(first[1]), **a_setting(dict(rest), random)}

    return max((draw() for _ in range(num_trials)), key=score)


@wrong("6.6", "drew the very same settings")
def seeds_once(score, space, num_trials, rng):
    rng.seed(42)
    return the_best_so_far(score, space, num_trials, rng)


@wrong("6.6", "all 100 trials tried the same setting")
def draws_once(score, space, num_trials, rng):
    setting = a_setting(space, rng)
    return max((dict(setting) for _ in range(num_trials)), key=score)


@wrong("6.6", "lr was never 3.0")
def never_the_last_value(score, space, num_trials, rng):
    settings = [
        {name: values[rng.randrange(len(values) - 1)] for name, values in space.items()}
        for _ in range(num_trials)
    ]
    return max(settings, key=score)


@wrong("6.6", "lr = 2.535, which is not one of the values of lr")
def between_the_values(score, space, num_trials, rng):
    settings = [
        {name: rng.uniform(min(v), max(v)) for name, v in space.items()}
        for _ in range(num_trials)
    ]
    return max(settings, key=score)


@wrong("6.6", "every trial wrote into the same dictionary")
def one_dictionary_for_all(score, space, num_trials, rng):
    setting, best, best_score = {}, None, float("-inf")
    for _ in range(num_trials):
        for name, values in space.items():
            setting[name] = rng.choice(values)
        found = score(setting)
        if found > best_score:
            best, best_score = setting, found
    return best


@wrong("6.6", "when all scores were below 0 (minus a loss, say) you returned {}")
def begins_at_zero(score, space, num_trials, rng):
    best, best_score = {}, 0
    for _ in range(num_trials):
        setting = a_setting(space, rng)
        found = score(setting)
        if found > best_score:
            best, best_score = setting, found
    return best


@wrong("6.6", "never asked score for anything")
def only_draws(score, space, num_trials, rng):
    return [a_setting(space, rng) for _ in range(num_trials)][-1]


@wrong("6.6", "changed its input space.")
def shuffles_the_lists(score, space, num_trials, rng):
    def draw():
        for values in space.values():
            rng.shuffle(values)
        return {name: values[0] for name, values in space.items()}

    return max((draw() for _ in range(num_trials)), key=score)


@wrong("6.6", "It scored 0.897 with {'lr': ")
def the_one_after_the_best(score, space, num_trials, rng):
    settings = [a_setting(space, rng) for _ in range(num_trials)]
    scores = [score(setting) for setting in settings]
    return settings[scores.index(max(scores)) + 1]


@right("6.6")
def the_last_of_equals(score, space, num_trials, rng):
    tried = {}
    for _ in range(num_trials):
        setting = {name: rng.choice(values) for name, values in space.items()}
        tried[score(setting)] = setting
    return tried[max(tried)]


@wrong("6.6", "raised TypeError at `return max(")
def compares_settings_where_scores_are_equal(score, space, num_trials, rng):
    drawn = [{n: rng.choice(v) for n, v in space.items()} for _ in range(num_trials)]
    return max((score(setting), setting) for setting in drawn)[1]


@wrong("6.6", "with three seeds the first trial was always {'lr': 0.01")
def begins_with_the_first_values(score, space, num_trials, rng):
    best = {name: values[0] for name, values in space.items()}
    highest = score(best)
    for _ in range(num_trials - 1):
        setting = {name: rng.choice(values) for name, values in space.items()}
        if (found := score(setting)) > highest:
            best, highest = setting, found
    return best


@wrong("6.6", "how often a was 0.7 right after 0.7: 1")
def changes_the_best_so_far(score, space, num_trials, rng):
    best, highest = None, float("-inf")
    for trial in range(num_trials):
        setting = a_setting(space, rng)
        if trial > num_trials / 2:
            for name in space:
                setting[name] = best[name] if rng.random() < 0.5 else setting[name]
        if (found := score(setting)) > highest:
            best, highest = setting, found
    return best


@wrong("6.6", "how often a was 0.6 right after 0.6: ")
def deals_each_list_like_cards(score, space, num_trials, rng):
    settings, cards = [], {name: [] for name in space}
    for _ in range(num_trials):
        for name, left in cards.items():
            left += [] if left else rng.sample(space[name], len(space[name]))
        settings.append({name: left.pop() for name, left in cards.items()})
    return max(settings, key=score)


@wrong("6.6", "how often a was 0.6 right after 0.1: 1")
def the_opposite_each_second_time(score, space, num_trials, rng):
    settings = []
    for trial in range(num_trials):
        if trial % 2 == 0:
            setting = a_setting(space, rng)
        else:
            setting = {n: v[-1 - v.index(setting[n])] for n, v in space.items()}
        settings.append(setting)
    return max(settings, key=score)


@wrong("6.6", "how often a was 0.0 right after 0.0: 1")
def small_values_more_often(score, space, num_trials, rng):
    def draw(values):
        return values[int(rng.random() ** 1.5 * len(values))]

    draws = [{n: draw(v) for n, v in space.items()} for _ in range(num_trials)]
    return max(draws, key=score)
