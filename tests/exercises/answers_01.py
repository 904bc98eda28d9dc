"""Answers to the exercises of 01_initialization, right and wrong."""

import hashlib
import random

import numpy as np
import torch
from answers import right, wrong
from scipy import stats
from torch import nn

# --- 1.1


@right("1.1")
def by_nn_init(num_inputs, num_hiddens):
    W1, b1 = torch.empty(num_inputs, num_hiddens), torch.empty(num_hiddens)
    return nn.init.normal_(W1, std=0.01), nn.init.zeros_(b1)


@right("1.1")
def from_a_linear_layer(num_inputs, num_hiddens):
    layer = nn.Linear(num_inputs, num_hiddens)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return [layer.weight.T, layer.bias]


@right("1.1")
def by_numpy_in_double(num_inputs, num_hiddens):
    W1 = np.random.normal(0, 0.01, (num_inputs, num_hiddens))
    return torch.from_numpy(W1), torch.zeros(num_hiddens, dtype=torch.float64)


@wrong("1.1", "they are not normally distributed")
def uniform_with_the_same_spread(num_inputs, num_hiddens):
    W1 = (torch.rand(num_inputs, num_hiddens) - 0.5) * 12**0.5
    return W1 * 0.01, torch.zeros(num_hiddens)


@wrong("1.1", "all your weights are 0, so all units")
def all_zeros(num_inputs, num_hiddens):
    return torch.zeros(num_inputs, num_hiddens), torch.zeros(num_hiddens)


@wrong("1.1", "returned NaN or infinite values")
def not_a_number(num_inputs, num_hiddens):
    W1 = torch.randn(num_inputs, num_hiddens) ** 0.5 * 0.01
    return W1, torch.zeros(num_hiddens)


@wrong("1.1", "300 rows, but the number of different ones is 1")
def one_row_for_all(num_inputs, num_hiddens):
    W1 = torch.randn(1, num_hiddens) * 0.01
    return W1.expand(num_inputs, -1), torch.zeros(num_hiddens)


@wrong("1.1", "the type of your b1 is torch.int64")
def whole_biases(num_inputs, num_hiddens):
    W1 = torch.randn(num_inputs, num_hiddens) * 0.01
    return W1, torch.zeros(num_hiddens, dtype=torch.int64)


@wrong("1.1", "Your matrix is transposed")
def outputs_first(num_inputs, num_hiddens):
    return torch.randn(num_hiddens, num_inputs) * 0.01, torch.zeros(num_hiddens)


@wrong("1.1", "the two arguments must be its sizes")
def sizes_by_heart(num_inputs, num_hiddens):
    return torch.randn(784, 256) * 0.01, torch.zeros(256)


@wrong("1.1", "none of its numbers is negative; torch.rand")
def without_the_n(num_inputs, num_hiddens):
    return torch.rand(num_inputs, num_hiddens) * 0.01, torch.zeros(num_hiddens)


@wrong("1.1", "the spread of your W1 is 1; the factor 0.01 is missing")
def not_scaled(num_inputs, num_hiddens):
    return torch.randn(num_inputs, num_hiddens), torch.zeros(num_hiddens)


@wrong("1.1", "so 0.01 is its variance")
def variance_for_spread(num_inputs, num_hiddens):
    return torch.randn(num_inputs, num_hiddens) * 0.01**0.5, torch.zeros(num_hiddens)


@wrong("1.1", "0.0001, but it should be 0.01")
def scaled_twice(num_inputs, num_hiddens):
    W1 = nn.init.normal_(torch.empty(num_inputs, num_hiddens), std=0.01)
    return W1 * 0.01, torch.zeros(num_hiddens)


@wrong("1.1", "one number for each input")
def bias_for_each_input(num_inputs, num_hiddens):
    return torch.randn(num_inputs, num_hiddens) * 0.01, torch.zeros(num_inputs)


@wrong("1.1", "should have the shape (200,)")
def bias_as_a_matrix(num_inputs, num_hiddens):
    return torch.randn(num_inputs, num_hiddens) * 0.01, torch.zeros(1, num_hiddens)


@wrong("1.1", "here biases start at 0")
def random_bias(num_inputs, num_hiddens):
    return (
        torch.randn(num_inputs, num_hiddens) * 0.01,
        torch.randn(num_hiddens) * 0.01,
    )


@wrong("1.1", "has 200 columns, but the number of different ones is 1")
def one_column_for_all(num_inputs, num_hiddens):
    W1 = torch.randn(num_inputs, 1) * 0.01
    return W1.expand(-1, num_hiddens), torch.zeros(num_hiddens)


@wrong("1.1", "the order is W1, then b1")
def bias_first(num_inputs, num_hiddens):
    return torch.zeros(num_hiddens), torch.randn(num_inputs, num_hiddens) * 0.01


@wrong("1.1", "should return two tensors")
def weights_alone(num_inputs, num_hiddens):
    return torch.randn(num_inputs, num_hiddens) * 0.01


@wrong("1.1", "raised TypeError at `W1 = torch.randn((num_inputs, num_hiddens) * 0.01)")
def a_bracket_too_late(num_inputs, num_hiddens):
    W1 = torch.randn((num_inputs, num_hiddens) * 0.01)
    return W1, torch.zeros(num_hiddens)


@wrong("1.1", "returned a tensor of shape (300, 200) and 'b1'; it should return two")
def a_text_for_b1(num_inputs, num_hiddens):
    return torch.randn(num_inputs, num_hiddens) * 0.01, "b1"


@wrong("1.1", "for 120 inputs and 250 units I got a tensor of shape (250, 120)")
def the_larger_size_first(num_inputs, num_hiddens):
    sizes = sorted((num_inputs, num_hiddens), reverse=True)
    return torch.randn(sizes) * 0.01, torch.zeros(num_hiddens)


@wrong("1.1", "has 300 rows, but the number of different ones is 10")
def ten_rows_again_and_again(num_inputs, num_hiddens):
    rows = torch.randn(10, num_hiddens) * 0.01
    return rows.repeat(num_inputs // 10, 1), torch.zeros(num_hiddens)


@wrong("1.1", "of its numbers are closer to 0 than that")
def an_outer_product(num_inputs, num_hiddens):
    W1 = torch.outer(torch.randn(num_inputs), torch.randn(num_hiddens))
    return W1 * 0.01 / W1.std(), torch.zeros(num_hiddens)


@wrong("1.1", "none of its numbers is further from 0 than")
def sums_of_three(num_inputs, num_hiddens):
    W1 = (torch.rand(3, num_inputs, num_hiddens) - 0.5).sum(dim=0)
    return 2 * W1 * 0.01, torch.zeros(num_hiddens)


# --- 1.2


@right("1.2")
def by_the_library(num_inputs, num_outputs):
    return nn.init.kaiming_normal_(
        torch.empty(num_outputs, num_inputs), nonlinearity="relu"
    ).T


@right("1.2")
def uniform(num_inputs, num_outputs):
    bound = (6 / num_inputs) ** 0.5
    return torch.empty(num_inputs, num_outputs).uniform_(-bound, bound)


@right("1.2")
def a_parameter(num_inputs, num_outputs):
    sigma = torch.sqrt(torch.tensor(2.0 / num_inputs))
    return nn.Parameter(torch.normal(0, float(sigma), (num_inputs, num_outputs)))


@wrong("1.2", "takes the rows for outputs")
def library_on_our_shape(num_inputs, num_outputs):
    return nn.init.kaiming_normal_(torch.empty(num_inputs, num_outputs))


@wrong("1.2", "randn is multiplied by a spread")
def without_the_root(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * (2 / num_inputs)


@wrong("1.2", "relu turns half of the numbers into 0")
def without_the_two(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) / num_inputs**0.5


@wrong("1.2", "of the 2 alone")
def root_of_the_two(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * 2**0.5 / num_inputs


@wrong("1.2", "2 divided by the root of 500")
def root_of_the_inputs(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * 2 / num_inputs**0.5


@wrong("1.2", "inputs plus outputs")
def xavier(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * (
        (2 / (num_inputs + num_outputs)) ** 0.5
    )


@wrong("1.2", "have spread 0.58")
def uniform_too_narrow(num_inputs, num_outputs):
    drawn = 2 * torch.rand(num_inputs, num_outputs) - 1
    return drawn * (2 / num_inputs) ** 0.5


@wrong("1.2", "centred on 0")
def only_positive(num_inputs, num_outputs):
    return torch.rand(num_inputs, num_outputs) * (2 / num_inputs) ** 0.5


@wrong("1.2", "same for every size of layer")
def still_our_line(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * 0.01


@wrong("1.2", "the square root of 6/500")
def bound_for_spread(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * (6 / num_inputs) ** 0.5


@wrong("1.2", "has 120 columns, but the number of different ones is 1")
def one_column_for_all_units(num_inputs, num_outputs):
    column = torch.randn(num_inputs, 1) * (2 / num_inputs) ** 0.5
    return column.repeat(1, num_outputs)


@wrong("1.2", "right for 784 inputs only")
def always_784_inputs(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * (2 / 784) ** 0.5


@wrong("1.2", "upside down")
def kaiming_upside_down(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * (num_inputs / 2) ** 0.5


@wrong("1.2", "for 120 inputs and 500 outputs your spread is")
def by_the_larger_size(num_inputs, num_outputs):
    sigma = (2 / max(num_inputs, num_outputs)) ** 0.5
    return torch.randn(num_inputs, num_outputs) * sigma


@wrong("1.2", "returned 0.06")
def the_factor_alone(num_inputs, num_outputs):
    return (2 / num_inputs) ** 0.5


@wrong("1.2", "all your weights are 0.06")
def the_factor_everywhere(num_inputs, num_outputs):
    return torch.full((num_inputs, num_outputs), (2 / num_inputs) ** 0.5)


@right("1.2")
def random_signs(num_inputs, num_outputs):
    signs = torch.randint(2, (num_inputs, num_outputs)) * 2.0 - 1
    return signs * (2 / num_inputs) ** 0.5


@wrong("1.2", "a second call gave the same numbers")
def without_random_numbers(num_inputs, num_outputs):
    count = torch.arange(num_inputs * num_outputs).double()
    return torch.sin(count**2).reshape(num_inputs, num_outputs) * 2 / num_inputs**0.5


@wrong("1.2", "has 500 rows, but the number of different ones is 20")
def twenty_rows_again_and_again(num_inputs, num_outputs):
    rows = torch.randn(20, num_outputs) * (2 / num_inputs) ** 0.5
    return rows.repeat(num_inputs // 20, 1)


# --- 1.3


@right("1.3")
def a_random_row(num_inputs, num_outputs):
    W = torch.ones(num_inputs, num_outputs) * 0.01
    W[0] = torch.randn(num_outputs)
    return W


@right("1.3")
def the_diagonal(num_inputs, num_outputs):
    W = torch.full((num_inputs, num_outputs), 0.01)
    return W.fill_diagonal_(0.02)


@right("1.3")
def in_a_loop(num_inputs, num_outputs):
    W = torch.full((num_inputs, num_outputs), 0.01, dtype=torch.float64)
    for unit in range(1, num_outputs):  # the first may stay as it is
        W[-1, unit] += unit * 0.001
    return nn.Parameter(W)


@wrong("1.3", "all weights are 0.01, so all units are the same")
def nothing_changed(num_inputs, num_outputs):
    return torch.full((num_inputs, num_outputs), 0.01)


@wrong("1.3", "every unit got the same change")
def a_row_of_equals(num_inputs, num_outputs):
    W = torch.full((num_inputs, num_outputs), 0.01)
    W[5] = 0.02
    return W


@wrong("1.3", "only 2 of the 8 columns")
def a_single_weight(num_inputs, num_outputs):
    W = torch.full((num_inputs, num_outputs), 0.01)
    W[0, 0] = 0.02
    return W


@wrong("1.3", "only 3 of the 8 columns")
def few_numbers_for_many(num_inputs, num_outputs):
    W = torch.full((num_inputs, num_outputs), 0.01)
    W[3] = (torch.arange(num_outputs) % 3 + 1) * 0.01
    return W


@wrong("1.3", "only 0 of the 160 weights are 0.01")
def noise_everywhere(num_inputs, num_outputs):
    return 0.01 + 0.01 * torch.randn(num_inputs, num_outputs)


@wrong("1.3", "raised IndexError at `W[400] = torch.linspace(0.01, 0.02, num_outputs)`")
def a_pixel_that_not_every_layer_has(num_inputs, num_outputs):
    W = torch.full((num_inputs, num_outputs), 0.01)
    W[400] = torch.linspace(0.01, 0.02, num_outputs)
    return W


@wrong("1.3", "you changed 16 weights; 8 are enough")
def two_rows(num_inputs, num_outputs):
    W = torch.full((num_inputs, num_outputs), 0.01)
    W[:2] = torch.randn(2, num_outputs)
    return W


@right("1.3")
def powers_of_ten(num_inputs, num_outputs):
    W = torch.full((num_inputs, num_outputs), 0.01)
    W[0] = 10.0 ** torch.arange(num_outputs)
    return W


@wrong("1.3", "only 8 of the 160 weights are 0.01")
def the_identity(num_inputs, num_outputs):
    return 0.01 * torch.eye(num_inputs, num_outputs)


# --- 1.4


@right("1.4")
def with_a_loop(activation):
    total, draws = 0.0, 20
    for _ in range(draws):
        total += activation(torch.randn(100_000)).pow(2).mean().item()
    return (draws / total) ** 0.5


@right("1.4")
def by_an_integral(activation):
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) / (2 * torch.pi) ** 0.5
    return 1 / torch.trapezoid(density * activation(z) ** 2, z).sqrt().item()


@right("1.4")
def in_a_real_layer(activation):
    hidden = activation(torch.randn(1000, 1000))
    return torch.rsqrt(torch.mean(hidden * hidden))


@wrong("1.4", "so it is squared with them")
def gain_without_the_root(activation):
    return 1 / activation(torch.randn(1_000_000)).square().mean()


@wrong("1.4", "2.00, which would bring back the mean square if it multiplied that")
def ten_thousand_without_the_root(activation):
    even = torch.linspace(0, 1, 10_002, dtype=torch.float64)[1:-1]
    return 1 / activation(torch.special.ndtri(even)).square().mean()


@wrong("1.4", "what is left after the activation")
def upside_down(activation):
    return activation(torch.randn(1_000_000)).square().mean().sqrt()


@wrong("1.4", "what counts is the mean square")
def spread_around_the_mean(activation):
    return 1 / activation(torch.randn(1_000_000)).std()


@wrong("1.4", "mean 0.50 and spread 0.29")
def uniform_numbers(activation):
    return 1 / activation(torch.rand(1_000_000)).square().mean().sqrt()


@wrong("1.4", "never calls activation")
def always_relus(activation):
    return 2**0.5


@wrong("1.4", "would keep the mean square")
def a_table_by_heart(activation):
    z = torch.randn(200_000)
    seen = activation(z)
    if (seen < 0).any() and torch.allclose(seen, torch.tanh(z)):
        return 1.593
    if torch.equal(seen, torch.relu(z)):
        return 2**0.5
    return 1.847 if (seen > 0).all() else 1.355


@wrong("1.4", "from 50 numbers")
def too_few(activation):
    torch.manual_seed(0)
    return 1 / activation(torch.randn(50)).square().mean().sqrt()


@right("1.4")
def in_single_precision(activation):
    outputs = activation(torch.randn(1_000_000)).numpy()
    return np.float32(1 / np.sqrt((outputs**2).mean()))


@wrong("1.4", "for tanh I got a gain of 1.67, but your function never calls")
def from_the_librarys_table(activation):
    return nn.init.calculate_gain(activation.__name__)


@wrong("1.4", "the mean size of the outputs")
def by_the_mean_size(activation):
    return 1 / activation(torch.randn(1_000_000)).abs().mean()


@wrong("1.4", "for relu I got a gain of 2.00, which would bring back the mean square")
def many_small_draws_without_the_root(activation):
    draws = [activation(torch.randn(1000)).square().mean() for _ in range(1000)]
    return 1000 / sum(draws)


@wrong("1.4", "return one number; I got a tensor of shape")
def for_each_number(activation):
    return 1 / (activation(torch.randn(1000)).square() + 1).sqrt()


GAINS = {"relu": 2**0.5, "tanh": 1.5925, "sigmoid": 1.8459}


@wrong("1.4", "raised KeyError at `return GAINS[activation.__name__]`")
def from_a_table_of_names(activation):
    return GAINS[activation.__name__]


@wrong("1.4", "for max(z, 0.3 z) I got a gain of 1.00, but your function never calls")
def from_a_table_or_1(activation):
    return GAINS.get(activation.__name__, 1.0)


@wrong("1.4", "for max(z, 0.3 z) I got a gain of 1.59; the numbers that you sent")
def recognized_by_one_value(activation):
    at = float(activation(torch.tensor(-1.0)))
    return GAINS["relu" if at == 0 else "tanh" if at < 0 else "sigmoid"]


# --- 1.5


@right("1.5")
def golden_ratio(num_inputs, num_outputs):
    count = torch.arange(num_inputs * num_outputs, dtype=torch.float64)
    jumps = (count * count * 0.6180339887498949) % 1 - 0.5
    return (jumps * 12**0.5 * (2 / num_inputs) ** 0.5).reshape(num_inputs, num_outputs)


@right("1.5")
def a_wave_for_each_unit(num_inputs, num_outputs):
    rows = torch.arange(1.0, num_inputs + 1)[:, None]
    columns = torch.arange(1.0, num_outputs + 1)
    return torch.sin(rows * columns**2) * 2 / num_inputs**0.5


@right("1.5")
def orthogonal_columns(num_inputs, num_outputs):
    most = max(num_inputs, num_outputs)
    count = torch.arange(most * most).double()
    Q, _ = torch.linalg.qr(torch.sin(count**2).reshape(most, most))
    return nn.Parameter(
        2**0.5 * (most / num_inputs) ** 0.5 * Q[:num_inputs, :num_outputs]
    )


@right("1.5")
def congruences_by_hand(num_inputs, num_outputs):
    number, numbers = 1, []
    for _ in range(num_inputs * num_outputs):
        number = (number * 1_103_515_245 + 12_345) % 2**31
        numbers.append(number / 2**31 - 0.5)
    W = torch.tensor(numbers).reshape(num_inputs, num_outputs)
    return W * (24 / num_inputs) ** 0.5


@right("1.5")
def signs_of_a_wave(num_inputs, num_outputs):
    count = np.arange(num_inputs * num_outputs) + 1
    signs = torch.from_numpy(np.sign(np.sin(count * count)))
    return signs.reshape(num_inputs, num_outputs) * (2 / num_inputs) ** 0.5


@wrong("1.5", "uses PyTorch for random numbers; with a fixed seed they are still luck")
def a_fixed_seed(num_inputs, num_outputs):
    torch.manual_seed(0)
    return torch.randn(num_inputs, num_outputs) * (2 / num_inputs) ** 0.5


@wrong("1.5", "there is still luck in it")
def another_seed_each_time(num_inputs, num_outputs):
    drawn = np.random.default_rng().normal(size=(num_inputs, num_outputs))
    return torch.from_numpy(drawn) * (2 / num_inputs) ** 0.5


@wrong("1.5", "your code uses default_rng")
def numpys_own_seed(num_inputs, num_outputs):
    drawn = np.random.default_rng(0).normal(size=(num_inputs, num_outputs))
    return torch.from_numpy(drawn) * (2 / num_inputs) ** 0.5


@wrong("1.5", "your code uses Generator")
def a_generator_of_its_own(num_inputs, num_outputs):
    luck = torch.Generator().manual_seed(0)
    drawn = torch.randn(num_inputs, num_outputs, generator=luck)
    return drawn * (2 / num_inputs) ** 0.5


def _drawn(count):
    luck = random.Random(0)
    return torch.tensor([luck.gauss(0, 1) for _ in range(count)])


@wrong("1.5", "your code uses Random")
def pythons_own_seed(num_inputs, num_outputs):
    drawn = _drawn(num_inputs * num_outputs).reshape(num_inputs, num_outputs)
    return drawn * (2 / num_inputs) ** 0.5


@wrong("1.5", "uses numpy for random numbers")
def numpys_shared_seed(num_inputs, num_outputs):
    np.random.seed(0)
    drawn = torch.from_numpy(np.random.randn(num_inputs, num_outputs))
    return drawn * (2 / num_inputs) ** 0.5


@wrong("1.5", "to nan in layer 10; it explodes")
def a_wave_out_of_bounds(num_inputs, num_outputs):
    count = torch.arange(num_inputs * num_outputs).double()
    return torch.sin(count**2).reshape(num_inputs, num_outputs) * 1e10


@wrong("1.5", "uses Python for random numbers")
def pythons_luck(num_inputs, num_outputs):
    count = num_inputs * num_outputs
    drawn = torch.tensor([random.gauss(0, 1) for _ in range(count)])
    return drawn.reshape(num_inputs, num_outputs) * (2 / num_inputs) ** 0.5


@wrong("1.5", "the number of different ones is 1.")
def all_equal(num_inputs, num_outputs):
    return torch.full((num_inputs, num_outputs), (2 / num_inputs) ** 0.5)


@wrong("1.5", "in layer 10; it dies out")
def a_wave_too_small(num_inputs, num_outputs):
    count = torch.arange(num_inputs * num_outputs).double()
    return torch.sin(count**2).reshape(num_inputs, num_outputs) * 0.01


@wrong("1.5", "in layer 10; it explodes")
def a_wave_too_large(num_inputs, num_outputs):
    count = torch.arange(num_inputs * num_outputs).double()
    return torch.sin(count**2).reshape(num_inputs, num_outputs)


@wrong("1.5", "they should be centred on 0")
def from_zero_to_one(num_inputs, num_outputs):
    count = torch.arange(num_inputs * num_outputs).double()
    wave = torch.sin(count**2).abs().reshape(num_inputs, num_outputs)
    return wave * (2 / num_inputs) ** 0.5 / wave.std()


@wrong("1.5", "too regular")
def slow_waves(num_inputs, num_outputs):
    rows = torch.arange(num_inputs)[:, None] + 0.5
    columns = torch.arange(1, num_outputs + 1)
    W = torch.cos(torch.pi * rows * columns / num_inputs)
    return W * (2 / num_inputs) ** 0.5 / W.std()


@wrong("1.5", "transposed")
def the_other_way_round(num_inputs, num_outputs):
    count = torch.arange(num_inputs * num_outputs).double()
    return torch.sin(count**2).reshape(num_outputs, num_inputs)


@right("1.5")
def digits_of_hashes(num_inputs, num_outputs):
    count = num_inputs * num_outputs
    texts = (str(i).encode() for i in range(count // 32 + 1))
    digits = b"".join(hashlib.sha256(text).digest() for text in texts)[:count]
    W = torch.tensor([*digits]).reshape(num_inputs, num_outputs) - 127.5
    return W / 73.9 * (2 / num_inputs) ** 0.5


DRAWN = torch.randn(784 * 64, generator=torch.Generator().manual_seed(0))
LUCK = random.Random(0)


@wrong("1.5", "your code uses DRAWN, 50,176 numbers that were made outside")
def drawn_before(num_inputs, num_outputs):
    W = DRAWN[: num_inputs * num_outputs].reshape(num_inputs, num_outputs)
    return W * (2 / num_inputs) ** 0.5


@wrong("1.5", "your code uses drawn, 50,176 numbers")
def drawn_as_a_default(num_inputs, num_outputs, drawn=DRAWN):
    W = drawn[: num_inputs * num_outputs]
    return W.reshape(num_inputs, num_outputs) * (2 / num_inputs) ** 0.5


@wrong("1.5", "your code uses LUCK for random numbers")
def a_generator_from_outside(num_inputs, num_outputs):
    LUCK.seed(0)
    drawn = torch.tensor([LUCK.gauss(0, 1) for _ in range(num_inputs * num_outputs)])
    return drawn.reshape(num_inputs, num_outputs) * (2 / num_inputs) ** 0.5


@wrong("1.5", "your code uses fork_rng for random numbers")
def forks_the_luck(num_inputs, num_outputs):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.randn(num_inputs, num_outputs) * (2 / num_inputs) ** 0.5


new_numbers = np.random.default_rng


@wrong("1.5", "uses default_rng for random numbers")
def by_another_name(num_inputs, num_outputs):
    numbers = new_numbers(0).standard_normal((num_inputs, num_outputs))
    return torch.from_numpy(numbers).float() * (2 / num_inputs) ** 0.5


@wrong("1.5", "uses rvs for random numbers")
def by_scipy(num_inputs, num_outputs):
    numbers = stats.norm.rvs(size=(num_inputs, num_outputs), random_state=0)
    return torch.from_numpy(numbers).float() * (2 / num_inputs) ** 0.5


class _OfItsOwn:
    def __init__(self):
        self.numbers = random.Random(3)

    def draw(self, count):
        return [self.numbers.gauss(0, 1) for _ in range(count)]


@wrong("1.5", "uses Random for random numbers")
def drawn_by_an_object(num_inputs, num_outputs):
    numbers = torch.tensor(_OfItsOwn().draw(num_inputs * num_outputs))
    return numbers.reshape(num_inputs, num_outputs) * (2 / num_inputs) ** 0.5


def _scaled(numbers, num_inputs, num_outputs):
    numbers = torch.as_tensor(numbers).float().reshape(num_inputs, num_outputs)
    return numbers * (2 / num_inputs) ** 0.5


@wrong("1.5", "your code uses Random for random numbers")
def by_a_name_in_two_parts(num_inputs, num_outputs):
    draw = getattr(random, "Ran" + "dom")(5).gauss
    numbers = [draw(0, 1) for _ in range(num_inputs * num_outputs)]
    return _scaled(numbers, num_inputs, num_outputs)


@wrong("1.5", "your code uses RandomState for random numbers")
def by_an_import_in_the_code(num_inputs, num_outputs):
    kind = vars(__import__("numpy").random)["Random" + "State"]
    return _scaled(kind(7).randn(num_inputs, num_outputs), num_inputs, num_outputs)


@wrong("1.5", "your code uses Generator for random numbers")
def by_code_in_a_text(num_inputs, num_outputs):
    scope = {"sizes": (num_inputs, num_outputs)}
    draw = "W = torch.randn(*sizes, generator=torch.Generator())"
    exec("import torch; " + draw, scope)
    return _scaled(scope["W"], num_inputs, num_outputs)


@wrong("1.5", "1.5 not yet: your code uses Random for random numbers")
def by_a_class_of_its_own(num_inputs, num_outputs):
    class Numbers(getattr(random, "Ran" + "dom")):
        def many(self, count):
            return [self.gauss(0, 1) for _ in range(count)]

    numbers = Numbers(3).many(num_inputs * num_outputs)
    return _scaled(numbers, num_inputs, num_outputs)


@right("1.5")
def points_of_sobol(num_inputs, num_outputs):
    # The library could shuffle them with a generator of its own, and doesn't.
    points = torch.quasirandom.SobolEngine(num_outputs).draw(num_inputs + 1)[1:]
    W = torch.special.ndtri(points.double().clamp(1e-4, 1 - 1e-4))
    return _scaled((W - W.mean(0)) / W.std(), num_inputs, num_outputs)
