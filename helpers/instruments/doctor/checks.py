"""All checks of the doctor, in the order in which it asks them."""

from helpers.instruments.doctor import gradients, inputs, trials, units

# Where one of these speaks, nothing else can be asked.
FIRST = [inputs.raises, inputs.not_shuffled, inputs.wrong_output_width]
STATIC = [  # causes before their consequences
    inputs.not_finite,
    gradients.unregistered,
    gradients.no_gradient,
    gradients.frozen,
    gradients.not_in_optimizer,
    gradients.no_update,
    units.softmax_twice,
    units.softmax_missing,
    gradients.uphill,
    inputs.flatten_order,
    inputs.unscaled_inputs,
    inputs.data_mismatch,
    units.wrong_mode,
    gradients.gradients_accumulate,
    units.identical_units,
    units.dead_units,
    units.no_nonlinearity,
]
NEED_STEPS = [
    trials.vanishing,
    trials.lr_too_low,
    trials.lr_too_high,
    trials.unexplained,
]
TRIALS = [trials.exploding, *NEED_STEPS]  # each only where nothing has been found
