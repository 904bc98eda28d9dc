"""From a finding to the check that makes it: all checks, in the order they are asked.

A check is a function of an `Examination` that returns a `Finding` or None. Beside it
are the codes that it may find.
"""

from helpers.instruments.doctor import (
    check_accuracy,
    check_batch,
    check_inputs,
    check_loss,
    check_training,
    check_units,
    check_weights,
)

FIRST = {  # where one of these finds something, the others can't be asked
    check_inputs.raises: ("raises", "unscaled_inputs", "flatten_order"),
    check_inputs.not_shuffled: ("not_shuffled",),
    check_inputs.wrong_output_width: ("wrong_output_width", "flatten_order"),
}
STATIC = {  # causes before their side effects
    check_inputs.not_finite: ("not_finite", "exploding"),
    check_weights.unregistered: ("unregistered",),
    check_weights.no_gradient: ("no_gradient",),
    check_weights.frozen: ("frozen",),
    check_weights.not_in_optimizer: ("not_in_optimizer",),
    check_weights.no_update: ("no_update",),
    check_units.softmax_twice: ("softmax_twice",),
    check_units.softmax_missing: ("softmax_missing",),
    check_units.activated_scores: ("activated_scores",),
    check_loss.smoothed_labels: ("smoothed_labels", "class_weights"),
    check_weights.uphill: ("uphill",),
    check_batch.mixed_pictures: ("mixed_pictures", "flatten_order"),
    check_inputs.flatten_order: ("flatten_order",),
    check_inputs.unscaled_inputs: ("unscaled_inputs",),
    check_inputs.lost_information: ("lost_information",),
    check_inputs.data_mismatch: ("data_mismatch", "flatten_order"),
    check_units.wrong_mode: ("wrong_mode",),
    check_weights.gradients_accumulate: ("gradients_accumulate",),
    check_weights.zero_gradients: ("zero_gradients",),
    check_units.identical_units: ("identical_units",),
    check_units.dead_units: ("dead_units",),
    check_units.saturated_units: ("saturated_units",),
    check_units.no_nonlinearity: ("no_nonlinearity",),
}
TRIALS = {  # each is asked only where nothing has been found so far
    check_training.exploding: ("exploding",),
    check_inputs.late_labels: ("late_labels",),
    check_training.vanishing: ("vanishing",),
    check_training.weight_decay: ("weight_decay",),
    check_training.lr_too_low: ("lr_too_low",),
    check_training.lr_too_high: ("lr_too_high", "clips_nothing"),
    check_training.unexplained: (
        *("unexplained", "vanishing", "lr_too_low", "dead_units", "not_finite"),
    ),
    check_accuracy.worse_in_eval: ("worse_in_eval",),
    check_accuracy.below_linear: ("below_linear",),
}
LAST = {  # asked in any case, since what they find hides nothing
    check_units.left_in_eval_mode: ("left_in_eval_mode",),
}
NEED_STEPS = [check for check in TRIALS if check is not check_training.exploding]
