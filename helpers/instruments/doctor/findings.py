"""What the doctor says: for each finding its code, the evidence and the fix."""

from dataclasses import dataclass
from html import escape

from helpers.language import tr
from helpers.tables import Html, Look, page, prose, reply

FIX = tr("Fix: {fix}")

WITH_LR = tr(
    "With lr={lr:g} the loss goes from {start:.3g} to {end:.3g} in {steps:,} steps; "
    "with lr={other:g} it comes to {better:.3g} in {taken:,}.\n"
)
WITH_FACTOR = tr(
    "The loss goes from {start:.3g} to {end:.3g} in {steps:,} steps; with steps "
    "{other:,g} times as long it comes to {better:.3g} in {taken:,}.\n"
)
UNEXPLAINED = tr(
    "No check found a cause. In {steps} steps the loss goes from {start:.3g} to "
    "{end:.3g} and the accuracy from {before:.0%} to {accuracy:.0%} (guessing one "
    "class always gives {chance:.0%}). "
)

IN_BOTH_MODES = tr(
    "After {steps} steps the net is right for {training:.0%} of new pictures in "
    "training mode, but for {evaluated:.0%} in eval mode. "
)

OTHER_SHAPE = tr(
    "For {rows} pictures the net returns the shape {shape}, but ({rows}, {classes}) is "
    "needed: one score for each class."
)

# "code" or "code: variant" -> the evidence and, on a line of its own, the fix. A
# variant without a fix takes that of its code.
SENTENCES = {
    "raises": tr(
        "The forward pass stops with {kind}. {explanation}\n"
        "Make it work on one batch first; trace_shapes(net, X) shows every shape."
    ),
    "raises: loss": tr(
        "The loss can't be computed from the output {shape} and the labels {labels}. "
        "{explanation}"
    ),
    "raises: step": tr(
        "The forward pass works; your step stops with {kind}: {message}"
    ),
    "raises: not a leaf": tr(
        "An optimizer refuses what was computed from other tensors, but stored as a "
        "parameter: {names}. The training step stops with {kind}: {message}\n"
        "Register the parameter that it is computed from, and keep the result as an "
        "attribute: del layer._parameters[name] first, then setattr(layer, name, W)."
    ),
    "raises: backward": tr(
        "The forward pass works, but backward() stops: {message}\n"
        "Look for what PyTorch can't differentiate, or has no more numbers for."
    ),
    "raises: in place": tr(
        "The forward pass works, but backward() stops, since a number that it needs "
        "was changed in place; these operations work in place: {operation}. PyTorch "
        "says: {message}\n"
        "Make a new tensor instead: h = h * gate, not h *= gate; relu(), not relu_()."
    ),
    "raises: later": tr(
        "Step {number} stops with {kind}, though the first works: {message}\n"
        "Look for what one step leaves for the next. Keep numbers of a loss "
        "(loss.item()) and the numbers of a state (state.detach()), and not the graph "
        "behind them."
    ),
    "raises: last batch": tr(
        "The last batch of each epoch has only {rows} of {size} pictures, and a step "
        "with so few stops: {message}\n"
        "Leave it out: DataLoader(..., drop_last=True)."
    ),
    "raises: no loss": tr(
        "Your loss function returns nothing.\n"
        "End it with return, such as: return F.cross_entropy(scores, y)."
    ),
    "raises: number": tr(
        "Your loss function returns a plain number, through which no gradient flows "
        "back to the weights.\n"
        "Return the tensor: use .item() only on what you print or store, and never on "
        "the loss that backward() is called on."
    ),
    "raises: type": tr(
        "The pictures are {dtype}, but the weights {wanted}: {message}\n"
        "Make the pictures floats as the weights are: X = X.float()."
    ),
    "raises: label type": tr(
        "The labels are {dtype}, but cross_entropy takes class numbers as whole "
        "numbers: {message}\n"
        "Convert them: y = y.long()."
    ),
    "raises: column": tr(
        "The labels have the shape {labels}, and cross_entropy takes class numbers "
        "without the last dimension.\n"
        "Leave it out: y.squeeze(1)."
    ),
    "raises: output": tr(
        "The net returns a {found}, but must return a tensor with a row of scores for "
        "each picture."
    ),
    "raises: init": tr(
        "The class {kind} has a method {name}, which Python never calls, so its layers "
        "are never made. The forward pass stops: {message}\n"
        "Name it __init__, with two underscores on each side."
    ),
    "wrong_output_width": tr(
        "The net gives {width} scores for each picture, but there are {classes} "
        "classes.\n"
        "Give the last layer one output for each class: nn.Linear(num_hiddens, "
        "{classes})."
    ),
    "wrong_output_width: shape": OTHER_SHAPE,
    "wrong_output_width: ones": OTHER_SHAPE
    + tr("\nLeave out the sizes of 1 at the end of forward: out.flatten(1)."),
    "wrong_output_width: maps": OTHER_SHAPE
    + tr("\nTake the mean of each map at the end of forward: out.flatten(2).mean(2)."),
    "wrong_output_width: each": OTHER_SHAPE
    + tr(
        "\n"
        "The last layer works on each row of a picture. Flatten each picture before "
        "it: nn.Flatten(), and then nn.Linear({numbers}, {classes}). Or, if its rows "
        "are steps in time, take the last one, out[:, -1], or the mean, out.mean(1)."
    ),
    "wrong_output_width: pairs": tr(
        "{operation} gets the shapes {found} and {labels}. They differ, so it compares "
        "numbers of different pictures as well.\n"
        "Give both the same shape, such as net(X).squeeze(1) and y."
    ),
    "wrong_output_width: output": tr(
        "The net returns a {found}, and in it there is no tensor with a row of "
        "{classes} scores for each picture."
    ),
    "wrong_output_width: from 1": tr(
        "The labels go from 1 to {high}, but the {width} scores of each picture belong "
        "to the labels 0 to {last}.\n"
        "Count the labels from 0: y = y - 1."
    ),
    "not_shuffled": tr(
        "The DataLoader gives one class after another: of the first {count:,} "
        "pictures, {share:.0%} have the same label as the one before. Each class "
        "overwrites what the net has learned from the last.\n"
        "Let it draw the pictures in a new order each time: DataLoader(..., "
        "shuffle=True)."
    ),
    "not_finite": tr(
        "{operation} makes NaN or infinite values from finite numbers.\n"
        "Look for a division by 0, a log or a square root of 0, or weights from a "
        "training run that diverged. Then start from fresh weights."
    ),
    "not_finite: masked": tr(
        "{operation} gets rows that are -inf everywhere, and makes NaN of them: a "
        "mask, or two together, leaves nothing to choose from.\n"
        "Leave each row at least one number that is not masked, such as its own "
        "position."
    ),
    "not_finite: slope": tr(
        "The gradient of {names} has NaN or infinite values. {operation} gives 0 in "
        "places, and a root has an infinite slope there.\n"
        "Add a small number under the root: torch.sqrt(x + 1e-8)."
    ),
    "not_finite: parameter": tr("{names} has NaN or infinite values ({count:,})."),
    "not_finite: data": tr("The pictures X have NaN or infinite values ({count:,})."),
    "not_finite: rows": tr(
        "{rows:,} of {all:,} rows of X have NaN or infinite values ({count:,}). A "
        "batch with such a row makes the loss or the weights NaN."
    ),
    "not_finite: half": tr(
        "After {steps} steps the loss is NaN or infinite, and the weights are float16: "
        "{names}. In float16 numbers below 6e-8 are 0, such as Adam's eps, 1e-8, and "
        "those above 65,504 are infinite.\n"
        "Keep the weights in float32, net.float(), and run the pass under "
        "torch.autocast."
    ),
    "not_finite: gradient": tr("The gradient of {names} has NaN or infinite values."),
    "unregistered": tr(
        "The forward pass uses weights that are not in net.parameters(), so an "
        "optimizer and state_dict() miss them: {names}.\n"
        "Set each as an nn.Parameter on self in __init__; for a list or a dict of them "
        "use nn.ParameterList, nn.ModuleList or nn.ModuleDict. Then make the optimizer."
    ),
    "unregistered: made anew": tr(
        "The forward pass makes new weights each time, so nothing that they learn is "
        "kept: {names}.\n"
        "Make it once, in __init__ (self.hidden = nn.Linear(...)); forward only uses "
        "it."
    ),
    "no_gradient": tr(
        "The loss gives no gradient to these parameters: {names}.\n"
        "Between the parameters and the loss, use no detach(), .data, .item(), numpy "
        "or torch.no_grad(), and call loss.backward()."
    ),
    "no_gradient: cut": tr(
        "The operation {operation} cuts the graph, so the parameters before it get no "
        "gradient: {names}."
    ),
    "no_gradient: choice": tr(
        "{operation} chooses or compares, and no gradient flows back through that: "
        "{names}.\n"
        "Compute the loss from the scores themselves, such as F.cross_entropy(net(X), "
        "y); use {operation} only to measure. (requires_grad_() afterwards hides the "
        "error and changes nothing.)"
    ),
    "no_gradient: off": tr(
        "The forward pass runs with gradients switched off, so these parameters get "
        "none: {names}."
    ),
    "no_gradient: no graph": tr(
        "backward() is called on a loss that was not computed from the net: detach(), "
        ".item() or torch.tensor(...) has cut it off, and requires_grad only hides the "
        "error. So no parameter gets a gradient: {names}."
    ),
    "no_gradient: step": tr(
        "In your training step no parameter gets a gradient: {names}."
    ),
    "frozen": tr(
        "With requires_grad=False no step changes these weights: {names}.\n"
        "Call net.requires_grad_(True), unless you froze them on purpose."
    ),
    "not_in_optimizer": tr(
        "The net uses parameters that are not in the optimizer, so no step changes "
        "them: {names}.\n"
        "Make the optimizer from net.parameters(), after the last change to net's "
        "layers."
    ),
    "not_in_optimizer: stale": tr(
        "The net uses parameters that are not in the optimizer: {names}. It holds "
        "{stale} others instead, which are not in the net."
    ),
    "no_update": tr(
        "Gradients arrive, but your step moves no weight: {names}.\n"
        "Call optimizer.step() after loss.backward(), on the optimizer of these "
        "weights."
    ),
    "no_update: by hand": tr(
        "Gradients arrive, but your step moves no weight: {names}.\n"
        "Under torch.no_grad() use p -= lr * p.grad, since p = p - ... makes a new "
        "tensor."
    ),
    "no_update: cleared": tr(
        "Gradients arrive, but your training step clears them before optimizer.step(): "
        "{names}.\n"
        "Call optimizer.zero_grad() before loss.backward() or after optimizer.step()."
    ),
    "no_update: forgotten": tr(
        "Gradients arrive and are cleared in each call, and nothing in your training "
        "step calls step(), so no weight moves: {names}.\n"
        "Call optimizer.step() after loss.backward()."
    ),
    "no_update: useless": tr(
        "Your training step calls optimizer.step() with gradients, but no weight "
        "changes: {names}.\n"
        "Look for an lr of 0, or for weights that are saved and restored around the "
        "step."
    ),
    "no_update: undone": tr(
        "Your training step moves the weights, but the next one begins with other "
        "weights than this one left: {names}.\n"
        "Draw, load or copy the weights once, before the loop, and not in the step."
    ),
    "uphill": tr(
        "Your step moves the weights along the gradient of the cross-entropy, so it "
        "grows (the cosine between step and gradient is {cosine:.2f}).\n"
        "Go against the gradient: p -= lr * p.grad by hand; otherwise call backward() "
        "on the loss and not on its negative, and make the optimizer without "
        "maximize=True."
    ),
    "flatten_order": tr(
        "The scores of a picture change with the other pictures in its batch: a "
        "reshape mixes the pictures.\n"
        "Flatten each picture on its own: X.flatten(1), or X.reshape(len(X), -1)."
    ),
    "flatten_order: rows": tr("A reshape makes {found} rows from {rows} pictures."),
    "flatten_order: step": tr(
        "Your training step gives the net the batch's numbers in other rows: a reshape "
        "mixes the pictures."
    ),
    "flatten_order: flat": "{explanation}",
    "flatten_order: data": tr(
        "In the {split} set the classes can't be told apart ({found:.0%} right; "
        "guessing one class always gives {chance:.0%}), but with the reshape undone "
        "they can ({undone:.0%})."
    ),
    "flatten_order: scrambled": tr(
        "In the {split} set the classes can't be told apart ({found:.0%} right; "
        "guessing one class always gives {chance:.0%}), and neighbouring pixels have "
        "nothing in common, as if the pictures were mixed."
    ),
    "mixed_pictures": tr(
        "In eval mode the scores of a picture alone differ from those of the same "
        "picture in a batch ({change:.2g} times as much as two pictures differ): the "
        "operation {operation} mixes the pictures of a batch.\n"
        "Let it work along another dimension: the first one holds the pictures."
    ),
    "mixed_pictures: somewhere": tr(
        "In eval mode the scores of a picture alone differ from those of the same "
        "picture in a batch ({change:.2g} times as much as two pictures differ).\n"
        "Look for an operation along the first dimension, which holds the pictures."
    ),
    "mixed_pictures: softmax": tr(
        "In eval mode the scores of a picture alone differ from those of the same "
        "picture in a batch ({change:.2g} times as much as two pictures differ): "
        "{operation} runs along the pictures of the batch.\n"
        "Let it run along the scores or the positions of one picture, such as dim=-1."
    ),
    "mixed_pictures: batch_first": tr(
        "In eval mode the scores of a picture alone differ from those of the same "
        "picture in a batch ({change:.2g} times as much as two pictures differ): "
        "{names} ({kind}) gets the pictures in its first dimension, but without "
        "batch_first=True it reads that dimension as time.\n"
        "Make {names} with batch_first=True; where forward makes a hidden state, its "
        "second dimension is the number of pictures."
    ),
    "unscaled_inputs": tr(
        "The first weights get numbers from {low:.3g} to {high:.3g} that nothing "
        "normalizes.\n"
        "Bring the pixels to 0 to 1 first: X = X.float() / 255."
    ),
    "unscaled_inputs: small": tr(
        "The first weights get numbers from {low:.3g} to {high:.3g} that nothing "
        "normalizes, and in {steps} steps the net does not learn.\n"
        "Divide by 255 only once: pixels should go from 0 to 1."
    ),
    "unscaled_inputs: equal": tr(
        "All {rows} pictures that reach the first weights are the same ({low:.3g} to "
        "{high:.3g}).\n"
        "Look at some of them. A whole-number division (X // 255), or .byte() or "
        ".long() after X / 255, makes nearly all pixels 0."
    ),
    "unscaled_inputs: type": tr(
        "The pictures are whole numbers ({dtype}) up to {high}, but the net needs "
        "floats: {message}"
    ),
    "lost_information": tr(
        "{share:.0%} of {pictures:,} pictures are equal to a picture of another class, "
        "so no model can tell these apart. In a typical one {typical:,.0f} of {size:,} "
        "numbers differ from the most common number.\n"
        "Look at how the pictures were made: a whole-number division (X // 255), a "
        "rounding or a threshold loses most of what they show. Use X.float() / 255."
    ),
    "lost_information: step": tr(
        "Of the pictures as your training step gives them to the net, the nearest "
        "class mean tells {after:.0%} right; of the same pictures in the data, "
        "{before:.0%}.\n"
        "Look at what the step does to X: noise, masks and random changes must leave "
        "the picture recognizable."
    ),
    "lost_information: net": tr(
        "The operation {operation} loses what tells the classes apart: of what goes "
        "in, of shape {given} for each picture, the nearest class mean tells "
        "{before:.0%} right; of what comes out, of shape {made}, {after:.0%}.\n"
        "Let this place keep more: a larger output, a smaller kernel or stride, less "
        "noise or dropout."
    ),
    "data_mismatch": tr(
        "In the {split} set the labels do not belong to the pictures: neither the "
        "nearest class mean nor the nearest neighbour tells the classes apart "
        "({found:.0%} right; guessing one class always gives {chance:.0%}).\n"
        "Shuffle and select pictures and labels in the same order: X[order], y[order]."
    ),
    "data_mismatch: same": tr(
        "Your training step gives the net the same {rows} pictures each time, whatever "
        "batch it is called with.\n"
        "Use the X and y that the step is given, and draw a new batch in each pass of "
        "the loop."
    ),
    "data_mismatch: step": tr(
        "Your training step gives {share:.0%} of the pictures a different label than "
        "the data do: it reorders X or y, but not both."
    ),
    "late_labels": tr(
        "Your training step compares the pictures of a batch with the labels of an "
        "earlier one: if only the labels of the newest batch change, the step stays "
        "the same.\n"
        "Compare net(X) with the y that the same call of the step is given."
    ),
    "late_labels: pictures": tr(
        "Your training step compares the labels of a batch with the pictures of an "
        "earlier one: if only the pictures of the newest batch change, the step stays "
        "the same."
    ),
    "smoothed_labels": tr(
        "The loss asks for a probability of {right:.3g} for the right class of a "
        "picture and of {other:.3g} for each other class, so it barely says which one "
        "is right.\n"
        "Smooth the labels much less, such as label_smoothing=0.1, or not at all."
    ),
    "class_weights": tr(
        "In the loss a picture of class {high} counts {ratio:,.0f} times as much as "
        "one of class {low}, and class {low} is not that much more frequent. So the "
        "net barely learns the classes that count less.\n"
        "Leave the weights out, or divide 1 by how often each class occurs: then all "
        "classes count the same."
    ),
    "class_weights: zero": tr(
        "Pictures of class {low} count for nothing in the loss, so the net never "
        "learns that class."
    ),
    "softmax_twice": tr(
        "{operation} gets rows that are already probabilities (each adds up to 1), and "
        "applies a softmax to them once more.\n"
        "Return the scores (logits) from the net, without softmax: cross_entropy "
        "applies it itself."
    ),
    "softmax_twice: batch": tr(
        "{operation} gets columns that add up to 1 over the {rows} pictures of the "
        "batch: a softmax runs along dim 0, from picture to picture."
    ),
    "softmax_missing": tr(
        "nll_loss needs log-probabilities, but gets scores (for the first picture "
        "their exp adds up to {total:.3g}), so the loss can fall forever.\n"
        "Use F.cross_entropy on the scores, or end the net with nn.LogSoftmax(dim=1)."
    ),
    "softmax_missing: log": tr(
        "{operation} needs log-probabilities, but gets the probabilities themselves "
        "(each row adds up to 1)."
    ),
    "wrong_mode": tr(
        "The net trains with these layers in eval mode: {names}.\n"
        "Call net.train() before training and net.eval() before measuring; in forward, "
        "use nn.Dropout or F.dropout(X, p, self.training)."
    ),
    "left_in_eval_mode": tr(
        "The net is in eval mode now, in which these layers work differently: {names}. "
        "The doctor's own steps ran in training mode.\n"
        "If your loop does not do it, call net.train() before training."
    ),
    "wrong_mode: step": tr(
        "Your training step runs these layers in eval mode: {names}."
    ),
    "wrong_mode: later": tr(
        "Your first training step runs these layers in training mode, the second one "
        "in eval mode: {names}. Something in the step calls net.eval(), and nothing "
        "calls net.train() afterwards.\n"
        "Call net.train() at the start of each step."
    ),
    "wrong_mode: no eval": tr(
        "Your training step also runs the net without gradients, as you would to "
        "measure it, but leaves these layers in training mode: {names}."
    ),
    "wrong_mode: measured": tr(
        "After net.eval() these layers are still in training mode, so the accuracy is "
        "measured in that mode: {names}."
    ),
    "wrong_mode: random": tr(
        "After net.eval() the same pictures get different scores each time: something "
        "random, such as dropout, stays switched on."
    ),
    "activated_scores": tr(
        "The scores that {loss} gets come from {operation}, which limits them: from "
        "{low} to {high}.\n"
        "Return the scores as the last layer gives them, with no activation after it."
    ),
    "zero_gradients": tr(
        "Gradients arrive in your step, but each of them is exactly 0, so no weight "
        "moves.\n"
        "Look for units that are all cut off or saturated, and for operations without "
        "a slope, such as round. Start from smaller weights and biases of 0."
    ),
    "zero_gradients: some": tr(
        "The gradient of these weights is exactly 0: {names}. Behind them is "
        "{operation}, whose slope is 0 everywhere.\n"
        "Leave {operation} out in training, or replace it by something with a slope."
    ),
    "zero_gradients: operation": tr(
        "Gradients arrive in your step, but each of them is exactly 0, so no weight "
        "moves. The last operation that can have a slope of 0 is {operation}."
    ),
    "gradients_accumulate": tr(
        "After {count} steps on the same pictures, with the weights put back each "
        "time, the gradient is {factor:.1f} times as large as after one: each step "
        "adds to the gradients of the steps before.\n"
        "Call optimizer.zero_grad() before loss.backward() in every step."
    ),
    "gradients_accumulate: left": tr(
        "In each of {count} steps, what is in p.grad beforehand is still there "
        "afterwards, so the steps add up: {names}."
    ),
    "identical_units": tr(
        "All {count} units that {names} feeds give the same number, also after a few "
        "steps.\n"
        "Draw the weights at random, such as torch.randn(num_inputs, num_hiddens) * "
        "0.01: equal units get equal gradients and stay equal."
    ),
    "identical_units: biases": tr(
        "But for their biases, all {count} units that {names} feeds give the same "
        "number, and in {steps} steps the net does not learn."
    ),
    "dead_units": tr(
        "{dead} of the {count} units that feed into {names} are 0 for each of {rows} "
        "pictures, and units that are always 0 do not learn.\n"
        "Start afresh with biases of 0 and a smaller lr; or use an activation with a "
        "slope on both sides, such as nn.LeakyReLU()."
    ),
    "dead_units: much dropout": tr(
        "Dropout sets {share:.0%} of the units to 0 in each pass, and what is left "
        "says little about the picture.\n"
        "Drop less, such as nn.Dropout(0.5): p is the share that is set to 0."
    ),
    "dead_units: scores": tr(
        "{dead} of {count} scores are 0 for each of {rows} pictures, even after some "
        "steps: an activation after the last layer cuts them off.\n"
        "Return the scores as the last layer gives them, without relu."
    ),
    "dead_units: dying": tr(
        "After {steps} steps all {count} units that feed into {names} are 0 for each "
        "of {rows} pictures, and units that are always 0 do not learn."
    ),
    "dead_units: dropout": tr(
        "Dropout sets {dead} of the {count} units that feed into {names} to 0 for each "
        "of {rows} pictures.\n"
        "Drop less, such as nn.Dropout(0.5): p is the share that is set to 0."
    ),
    "saturated_units": tr(
        "{share:.0%} of the numbers that {operation} makes behind {names} are almost "
        "{low} or {high}. There it is flat, so next to no gradient reaches the weights "
        "before it.\n"
        "Start afresh with smaller weights, such as a spread of sqrt(1 / num_inputs) "
        "(Xavier), and with pictures from 0 to 1."
    ),
    "exploding": tr(
        "The first loss is {loss:.3g}, while guessing gives {chance:.3g}: the scores "
        "are far too large (spread {spread:.2g}).\n"
        "Start with smaller weights, such as a spread of sqrt(2 / num_inputs) in each "
        "layer (Kaiming) for relu, sqrt(1 / num_inputs) for tanh."
    ),
    "exploding: overflow": tr(
        "In layer {layer}, {operation} makes numbers larger than a float can hold."
    ),
    "vanishing": tr(
        "After {steps} steps the accuracy is still {accuracy:.0%}, and the gradient of "
        "{names} spreads only {slope:.1g}: it dies out in {layers} layers.\n"
        "Start with weights that keep the spread: sqrt(2 / num_inputs) of each layer "
        "(Kaiming) for relu, Xavier for tanh. With many layers use relu and not "
        "sigmoid."
    ),
    "no_nonlinearity": tr(
        "The net multiplies by {layers} weights in a row, but no activation works in "
        "between, so they amount to a single layer.\n"
        "Put an activation such as nn.ReLU() between the layers."
    ),
    "weight_decay": tr(
        "With weight_decay={decay:g} the loss goes from {start:.3g} to {end:.3g} in "
        "{steps:,} steps; with weight_decay=0 it comes to {better:.3g} in {taken:,}.\n"
        "Use much less weight decay, such as 0.0001, or none to begin with."
    ),
    "weight_decay: accuracy": tr(
        "With weight_decay={decay:g} the net is right for {reached:.0%} of new "
        "pictures after {steps:,} steps; with weight_decay=0 it is for {better:.0%}."
    ),
    "weight_decay: shrinks": tr(
        "In {steps:,} steps the weights shrink to {size:.0%} of their size, and the "
        "net is right for only {reached:.0%} of the pictures.\n"
        "Something pulls the weights towards 0, such as a penalty in the loss: make it "
        "much smaller, or leave it out to begin with."
    ),
    "lr_too_high": WITH_LR + tr("Use a smaller lr, such as {other:g}."),
    "lr_too_high: astray": tr(
        "In {steps:,} steps the loss goes from {start:.3g} to {end:.3g}, and no check "
        "before this one sees why.\n"
        "Try an lr that is ten or a hundred times smaller, and call doctor again."
    ),
    "lr_too_high: factor": WITH_FACTOR + tr("Use a smaller lr: {other:g} times yours."),
    "clips_nothing": tr(
        "Your training step clips the gradients before backward() has computed them, "
        "so nothing is clipped. In {steps:,} steps the loss goes from {start:.3g} to "
        "{end:.3g}; with shorter steps it comes to {better:.3g}.\n"
        "Clip between loss.backward() and optimizer.step(), and use a smaller lr if "
        "the loss still jumps."
    ),
    "lr_too_low": WITH_LR + tr("Use a larger lr, such as {other:g}."),
    "lr_too_low: short": WITH_LR
    + tr(
        "Look for what makes the steps so short, such as clipped gradients or a "
        "divided loss; or use a larger lr, such as {other:g}."
    ),
    "lr_too_low: still": tr(
        "In {steps:,} steps the weights change by only {moved:.1g} of their size, and "
        "the loss stays at {end:.3g}; with SGD at lr=0.1 and cross_entropy the same "
        "net gets to an accuracy of {better:.0%}.\n"
        "Look for what makes the steps so short, such as a tiny lr, clipped gradients "
        "or a divided loss."
    ),
    "lr_too_low: factor": WITH_FACTOR + tr("Use an lr {other:,g} times as large."),
    "lr_too_low: schedule": tr(
        "Your step lowers the lr from {lr:g} to {last:.1g} in {half} steps; in {steps} "
        "steps the loss goes from {start:.3g} to {end:.3g}.\n"
        "Call scheduler.step() once per epoch, not in each step, or use a slower "
        "schedule."
    ),
    "unexplained": UNEXPLAINED
    + tr(
        "With SGD, lr=0.1 and cross_entropy it does not learn either.\n"
        "Look at the net and at the data. Put MLP(784, 128, 10) in its place, and if "
        "that learns, turn it into yours part by part."
    ),
    "worse_in_eval": IN_BOTH_MODES
    + tr("\nLook in forward for what depends on self.training."),
    "worse_in_eval: shared": IN_BOTH_MODES
    + tr(
        "One layer has the running statistics of several places: {names} is used more "
        "than once in a pass.\n"
        "Give each place a layer of its own, such as self.bn1 and self.bn2."
    ),
    "worse_in_eval: statistics": IN_BOTH_MODES
    + tr(
        "Eval mode uses running statistics, and those do not fit the pictures: "
        "{names}.\n"
        "Give them time to settle: more steps, larger batches, or a larger momentum, "
        "such as the usual 0.1 in nn.BatchNorm2d(..., momentum=0.1)."
    ),
    "below_linear": tr(
        "The net is less accurate than a linear model: after {steps:,} steps it is "
        "right for {reached:.0%} of new pictures ({before:.0%} after {earlier:,} "
        "steps), and a linear model for {linear:.0%}. No check found the cause; ruled "
        "out: {ruled_out}.\n"
        "Look for what loses or mixes information on the way to the scores. Put "
        "nn.Linear(num_inputs, {classes}) in the net's place, and turn it into your "
        "net part by part until the accuracy falls."
    ),
    "unexplained: step": UNEXPLAINED
    + tr(
        "With SGD, lr=0.1 and cross_entropy the same net reaches {better:.0%}.\n"
        "The cause is in the step, the loss or the optimizer. Put "
        "optimizer.zero_grad(), F.cross_entropy(net(X), y).backward(), "
        "optimizer.step() in their place with SGD at 0.1, and turn these into yours "
        "part by part."
    ),
}


@dataclass(frozen=True)
class Finding:
    code: str  # one word for what is wrong
    evidence: str  # what was seen, in whole sentences
    fix: str  # what to do, also in whole sentences

    def __str__(self) -> str:
        return f"{self.code}: {self.evidence}\n    {FIX.format(fix=self.fix)}"


@dataclass(repr=False, eq=False)
class Report:
    """What `doctor` returns."""

    findings: list[Finding]  # most likely first
    nothing: str  # the sentence for where there are no findings
    notes: list[str]  # further sentences
    well: bool = False  # whether all checks ran, and found nothing

    @property
    def codes(self) -> set[str]:
        return {finding.code for finding in self.findings}

    def __str__(self) -> str:
        items = list(map(str, self.findings)) or [self.nothing]
        return "\n".join(items + self.notes)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        shown = "".join(map(_shown, self.findings))
        shown = shown or reply(Look.RIGHT if self.well else Look.WARNED, self.nothing)
        return page(shown, *(f"<p>{prose(note)}</p>" for note in self.notes))


def _shown(finding):
    code = f"<code>{escape(finding.code)}</code>"
    fix = f"<i>{prose(FIX.format(fix=finding.fix))}</i>"
    return reply(Look.NOT_YET, Html(f"{code} {prose(finding.evidence)}"), Html(fix))
