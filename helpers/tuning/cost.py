"""How much a run costs, before it is trained."""

from itertools import pairwise

from helpers.model import hidden_widths
from helpers.training import Config


def cost(config: Config) -> float:
    """About how long a run takes, compared with others; no unit."""
    return config.num_epochs * (num_weights(config) + 1_000_000 / config.batch_size)


def num_weights(config: Config) -> int:
    """How many weights its model has, without the biases."""
    widths = (784, *hidden_widths(config.num_hiddens, config.num_layers), 10)
    return sum(n_in * n_out for n_in, n_out in pairwise(widths))
