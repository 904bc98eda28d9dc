"""What the spreads of activations and gradients mean for training."""

import math
from collections.abc import Sequence

from helpers.instruments.layer_values import Layer, short
from helpers.language import tr

# Of the spread of W1's gradient. Measured with 128 units, lr 0.1, one epoch, 1 to 10
# layers, all three activations: below the first no such network started to learn,
# below the second it lagged behind, above the third most of them diverged.
NO_START, SLOW_START, TOO_STEEP = 2e-5, 3e-4, 1.0
# One hidden layer always starts, at any sigma above 0, but the smaller the later.
# Measured with 16 to 1,024 units, lr 0.1: if neither its outputs nor W1's gradient
# spread this far, the first epoch ended at an accuracy of 0.1 to 0.2.
LATE_START = {"relu": 5e-11, "tanh": 5e-11, "sigmoid": 5e-4}
TOO_SURE = 2 * math.log(10)

NO_GRADIENT = tr("Every weight has a gradient of 0, so only biases can learn.")
ALL_EQUAL = tr(
    "All units of a hidden layer are equal, and so are their gradients. They stay "
    "equal, so each layer can do no more than a single unit."
)
OVERFLOW = tr("The signal explodes: it reaches inf or nan, so nothing can be learned.")
TOO_LARGE = tr(
    "The signal is too large: the first loss is {loss}, and the gradients' spread "
    "reaches {steepest}. A training step moves the weights much too far."
)
DIES = tr(
    "The signal dies out: the spread of the activations falls from {first} in the "
    "first hidden layer to {last} in the last, and the spread of W1's gradient is "
    "only {gradient}. Training may never start."
)
GRADIENT_DIES = tr(
    "The gradient dies out on its way back: its spread is {end_gradient} at the "
    "last weights but only {gradient} at W1. Training may never start."
)
LATE = tr(
    "The signal is nearly 0: the spread of W1's gradient is only {gradient}. One "
    "hidden layer still learns, but barely in the first epoch."
)
WEAK = tr(
    "The signal is weak: the spread of W1's gradient is {gradient}. Training "
    "starts slowly."
)
SURE = tr(
    "The signal gets through, but the first loss is {loss}, far above ln 10: the "
    "network is sure of wrong answers before it has learned anything."
)
HEALTHY = tr(
    "The signal gets through: the activations have a spread of {first} in the "
    "first hidden layer and {last} in the last, and W1's gradient {gradient}."
)


def layers_verdict(
    activation: str, loss: float, layers: Sequence[Layer], equal: bool
) -> str:
    """What the fields of a `Layers` mean for training, in a sentence or two."""
    outputs = [layer.activations.spread for layer in layers]
    slopes = [layer.gradients.spread for layer in layers]
    first, last = outputs[0], outputs[-2]
    gradient, steepest = slopes[0], max(slopes)
    deep = len(layers) > 2  # more than one hidden layer
    small = max(first, gradient) < LATE_START[activation]
    no_start = deep and gradient < NO_START
    sentences = (
        (not all(map(math.isfinite, (loss, *outputs, *slopes))), OVERFLOW),
        (steepest == 0, NO_GRADIENT),
        (equal, ALL_EQUAL),
        (steepest > TOO_STEEP, TOO_LARGE),
        (no_start and last < 0.1 * first, DIES),
        (no_start, GRADIENT_DIES),
        (small and not deep, LATE),
        (gradient < SLOW_START, WEAK),
        (loss > TOO_SURE, SURE),
        (True, HEALTHY),
    )
    spreads = {"first": first, "last": last, "gradient": gradient}
    spreads |= {"end_gradient": slopes[-1], "steepest": steepest}
    facts = {name: short(spread) for name, spread in spreads.items()}
    facts["loss"] = short(loss, digits=3)
    return next(said for applies, said in sentences if applies).format(**facts)
