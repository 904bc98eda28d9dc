"""What the doctor says: for each finding its code, the evidence and the fix."""

import html
from dataclasses import dataclass

NOTHING = "nothing found: {count} checks, and none has anything to say."
NOTHING_SHORT = (
    "nothing found: {count} checks have nothing to say, but not all could be asked."
)
NOTHING_YET = (
    "nothing found, and yet it has not begun to learn: in {steps} steps the loss goes "
    "from {start:.3g} to {end:.3g} and the accuracy is {accuracy:.0%} (always the same "
    "class gives {chance:.0%}). {count} checks see no cause, and more steps take too "
    "long here."
)
LEFT_OUT = "Left out, since the steps of this net take too long or stop: {names}."
NO_LOSS = (
    "Your train_step returns no loss ({returned}); the doctor took what backward() was "
    "called on, or measured it. End it with: return loss."
)
FIRST = "Fix the first one and call doctor again: the others may follow from it."
FIX = "Fix: {fix}"

# (code, variant) -> the evidence. The variant is "" where there is only one.
EVIDENCE = {
    ("raises", ""): "The forward pass stops with {kind}. {explanation}",
    ("raises", "loss"): "The loss can't be computed from the net's output {shape} and "
    "the labels {labels}. {explanation}",
    ("raises", "step"): "The forward pass works, but your training step stops with "
    "{kind}: {message}",
    ("raises", "output"): "The net returns {found}, and the doctor needs one tensor "
    "with a row of scores for each picture.",
    ("wrong_output_width", ""): "The net gives {width} scores for each picture, but "
    "there are {classes} classes.",
    ("wrong_output_width", "shape"): "For {rows} pictures the net gives the shape "
    "{shape}, and ({rows}, {classes}) is needed: one score for each class.",
    ("wrong_output_width", "from 1"): "The labels go from 1 to {high}, and the net gives "
    "{width} scores for each picture: they stand for the labels 0 to {last}.",
    ("not_shuffled", ""): "The DataLoader gives the classes one after the other: in "
    "{batches} batches, on average {share:.0%} of the labels are the same. What the net "
    "learns of one class, the next one overwrites.",
    ("not_finite", "parameter"): "Numbers that are nan or inf: {count:,} in {names}.",
    ("not_finite", "data"): "Numbers that are nan or inf: {count:,} in the pictures X.",
    ("not_finite", "rows"): "Numbers that are nan or inf: {count:,} in the pictures X, in "
    "{rows:,} of {all:,} rows. One batch with such rows makes the loss or weights nan.",
    ("not_finite", "operation"): "From finite numbers the operation {operation} makes "
    "nan or inf, and with them the loss is useless.",
    ("not_finite", "gradient"): "The loss is finite, but a gradient is nan or inf: "
    "that of {names}.",
    ("unregistered", ""): "The forward pass uses weights that net.parameters() does "
    "not have, so no optimizer gets them from it, and no state_dict(): {names}.",
    ("unregistered", "anew"): "The forward pass makes weights for itself, new ones each "
    "time it runs, so nothing that they learn is kept: {names}.",
    ("no_gradient", ""): "The forward pass uses parameters that get no gradient from the "
    "loss: {names}.",
    ("no_gradient", "cut"): "The operation {operation} cuts the graph, so the loss "
    "gives no gradient to what stands before it: {names}.",
    ("no_gradient", "off"): "The forward pass runs with gradients switched off, so the "
    "loss gives none to these parameters: {names}.",
    ("no_gradient", "step"): "In your training step no gradient reaches any parameter, "
    "though one could: {names}.",
    ("frozen", ""): "No step changes weights with requires_grad=False: {names}.",
    ("not_in_optimizer", ""): "The net uses parameters that the optimizer does not hold, "
    "so no step changes them: {names}.",
    ("not_in_optimizer", "stale"): "The net uses parameters that the optimizer does not "
    "hold: {names}. Instead it holds others that are not in the net ({stale}).",
    ("no_update", ""): "Gradients arrive, but your training step changes no number in "
    "the net: {names}.",
    ("no_update", "by hand"): "Gradients arrive, but your training step changes no "
    "number in the net: {names}.",
    ("no_update", "cleared"): "Gradients arrive, but where your training step calls "
    "optimizer.step() they are gone: {names}.",
    ("no_update", "useless"): "Your training step calls optimizer.step() with gradients, "
    "and yet no number in the net is another one afterwards: {names}.",
    ("uphill", ""): "Your step changes the weights in the direction in which the "
    "cross-entropy of the scores grows, along its gradient and not against it (the "
    "cosine between the two is {cosine:.2f}).",
    ("flatten_order", "net"): "The scores of one picture change when only the other "
    "pictures of its batch change: a reshape mixes the pictures.",
    ("flatten_order", "rows"): "From {rows} pictures the net makes {found} rows: a "
    "reshape mixes the pictures or cuts them up.",
    ("flatten_order", "step"): "What your training step hands to the net has the "
    "batch's numbers, but other rows: a reshape mixes the pictures.",
    ("flatten_order", "flat"): "{explanation}",
    ("flatten_order", "data"): "In the {split} set the classes can't be told apart "
    "({found:.0%} right, and always the same class gives {chance:.0%}); with the "
    "reshape undone they can ({undone:.0%}).",
    ("flatten_order", "rough"): "In the {split} set the classes can't be told apart "
    "({found:.0%} right, and always the same class gives {chance:.0%}), and "
    "neighbouring pixels have nothing in common, as if the pictures were mixed.",
    ("unscaled_inputs", ""): "The first weights meet numbers from {low:.3g} to "
    "{high:.3g}, and nothing normalizes them.",
    ("unscaled_inputs", "small"): "The first weights meet numbers from {low:.3g} to "
    "{high:.3g}, nothing normalizes them, and in {steps} steps the net does not learn.",
    ("unscaled_inputs", "equal"): "All {rows} pictures that reach the first weights are "
    "the same, with numbers from {low:.3g} to {high:.3g}.",
    ("unscaled_inputs", "type"): "The pictures are whole numbers ({dtype}) up to "
    "{high}, and the net needs floats: {message}",
    ("data_mismatch", ""): "In the {split} set the labels do not belong to the "
    "pictures: neither the nearest class mean nor the nearest neighbour tells the "
    "classes apart ({found:.0%} right, and always the same class gives {chance:.0%}).",
    ("data_mismatch", "step"): "Your training step pairs {share:.0%} of the pictures "
    "with another label than the data do: it reorders X or y, but not both.",
    ("softmax_twice", ""): "{operation} gets rows that are already probabilities "
    "(each adds up to 1), and applies a softmax to them once more.",
    ("softmax_twice", "batch"): "{operation} gets columns that add up to 1 over the "
    "{rows} pictures of the batch: a softmax runs along dim 0, from picture to picture.",
    ("softmax_missing", ""): "nll_loss needs logarithms of probabilities, and gets scores "
    "(for the first picture their exp adds up to {total:.3g}, not 1), so the loss can "
    "fall without end.",
    ("softmax_missing", "log"): "nll_loss needs logarithms of probabilities, and gets the "
    "probabilities themselves (each row adds up to 1).",
    ("wrong_mode", "step"): "Your training step runs in eval mode, where these layers "
    "do not do what they should in training: {names}.",
    ("wrong_mode", "eval"): "The net trains in eval mode, where these layers do not do "
    "what they should in training: {names}.",
    ("wrong_mode", "no eval"): "Your training step also runs the net without gradients, "
    "as one does to measure, and leaves these layers in training mode: {names}.",
    ("wrong_mode", "measured"): "After net.eval() these layers are still in training "
    "mode, so the accuracy is measured in it: {names}.",
    ("wrong_mode", "random"): "After net.eval(), the same pictures get other scores "
    "each time: something random, such as dropout, stays switched on.",
    ("gradients_accumulate", ""): "After {count} steps on the same pictures, with the "
    "weights put back each time, the gradient is {factor:.1f} times as large as after "
    "one: each step adds to the gradients of the steps before.",
    ("gradients_accumulate", "left"): "What is in p.grad before a step is still in it "
    "afterwards, in each of {count} steps, so each step goes where the steps before "
    "went, too: {names}.",
    ("identical_units", ""): "All {count} units of a layer give the same number, and "
    "after a few steps they still do. Its weights: {names}.",
    ("identical_units", "biases"): "All {count} units of a layer give the same number but "
    "for their biases, and in {steps} steps the net does not learn. Its weights: "
    "{names}.",
    ("dead_units", ""): "Of {count} units {dead} are 0 for each of {rows} pictures, and "
    "units that are always 0 do not learn. They stand in front of {names}.",
    ("dead_units", "scores"): "Of {count} scores {dead} are exactly 0 for each of {rows} "
    "pictures, and some steps do not change that: an activation behind the last layer "
    "cuts them off.",
    ("dead_units", "dying"): "After {steps} steps all units of a layer ({count}) are 0 "
    "for each of {rows} pictures, and units that are always 0 do not learn. They stand in "
    "front of {names}.",
    ("dead_units", "dropout"): "In training {dead} of {count} units are 0 for each of "
    "{rows} pictures, and after net.eval() they are not: dropout leaves nothing. They "
    "stand in front of {names}.",
    ("exploding", ""): "The first loss is {loss:.3g}, and guessing gives {chance:.3g}: "
    "the scores are far too large (spread {spread:.2g}).",
    ("exploding", "overflow"): "The numbers outgrow what a float can hold, at the "
    "operation {operation} in layer {layer}.",
    ("vanishing", ""): "After {steps} steps the accuracy is still {accuracy:.0%}, and "
    "the spread of the gradient of {names} is only {slope:.1g}: the signal dies out "
    "on its way through {layers} layers.",
    ("no_nonlinearity", ""): "The net multiplies by {layers} weights in a row, and yet "
    "it is one straight-line function of its input: no activation works in between.",
    ("lr_too_high", ""): "With lr={lr:g} the loss goes from {start:.3g} to {end:.3g} in "
    "{steps} steps, and with lr={other:g} to {better:.3g}.",
    ("lr_too_high", "part"): "With your steps the loss goes from {start:.3g} to "
    "{end:.3g} in {steps} steps, and with steps of 1/{factor:,.0f} of their length to "
    "{better:.3g}.",
    ("lr_too_low", ""): "With lr={lr:g} the loss goes from {start:.3g} to {end:.3g} in "
    "{steps} steps, and with lr={other:g} to {better:.3g}.",
    ("lr_too_low", "short"): "With lr={lr:g} the loss goes from {start:.3g} to {end:.3g} "
    "in {steps} steps, and with lr={other:g} to {better:.3g}.",
    ("lr_too_low", "factor"): "With your steps the loss goes from {start:.3g} to "
    "{end:.3g} in {steps} steps, and with steps {factor:,.0f} times as long to "
    "{better:.3g}.",
    ("lr_too_low", "schedule"): "Your training step lowers the lr itself, from {lr:g} to "
    "{last:.1g} in {half} steps; in {steps} steps the loss goes from {start:.3g} to "
    "{end:.3g}.",
    ("unexplained", ""): "It does not learn: in {steps} steps the loss goes from "
    "{start:.3g} to {end:.3g} and the accuracy from {before:.0%} to {accuracy:.0%} "
    "(always the same class gives {chance:.0%}). With SGD, lr=0.1 and cross_entropy it "
    "does not learn either. No check found a cause.",
    ("unexplained", "step"): "It does not learn: in {steps} steps the loss goes from "
    "{start:.3g} to {end:.3g} and the accuracy from {before:.0%} to {accuracy:.0%} "
    "(always the same class gives {chance:.0%}). With SGD, lr=0.1 and cross_entropy the "
    "same net reaches {better:.0%}. No check found a cause.",
}  # fmt: skip

# code, or (code, variant) where a variant needs another one -> what to do.
FIXES = {
    "raises": "Make the step named above work on one batch first; "
    "trace_shapes(net, X) shows every shape on the way.",
    "wrong_output_width": "Give the last layer one output for each class, such as "
    "nn.Linear(num_hiddens, {classes}).",
    ("wrong_output_width", "from 1"): "Count the labels from 0: y = y - 1.",
    "not_shuffled": "Let it draw the pictures in another order each time: "
    "DataLoader(..., shuffle=True).",
    "not_finite": "Find where it comes from: data that were divided by 0, a log or a "
    "square root of 0, or weights from a training that had diverged. Then start from "
    "fresh weights.",
    "unregistered": "Set each as an nn.Parameter on self in __init__; use "
    "nn.ParameterList or nn.ModuleList instead of a list, nn.ModuleDict instead of a "
    "dict. Make the optimizer afterwards.",
    ("unregistered", "anew"): "Make the layer or the weight once, in __init__, as in "
    "self.hidden = nn.Linear(...), and only use it in forward.",
    "no_gradient": "Between the parameters and the loss use no detach(), .data, "
    ".item(), numpy or torch.no_grad(), and call loss.backward().",
    "frozen": "Call net.requires_grad_(True), unless you froze it on purpose.",
    "not_in_optimizer": "Make the optimizer from net.parameters(), after the last "
    "change of the net's layers.",
    "no_update": "Call optimizer.step() after loss.backward(), on the optimizer that "
    "holds this net's parameters.",
    ("no_update", "by hand"): "Change the weights themselves: with torch.no_grad(): "
    "p -= lr * p.grad. (p = p - lr * p.grad makes a new tensor.)",
    (
        "no_update",
        "cleared",
    ): "Call optimizer.zero_grad() before loss.backward() or after "
    "optimizer.step(), not between the two.",
    (
        "no_update",
        "useless",
    ): "Look for what takes the change back: an lr of 0, or weights "
    "that are stored before the step and put back after it.",
    "uphill": "Go against the gradient: p -= lr * p.grad by hand; else call backward() on "
    "the loss and not on its negative, and make the optimizer without maximize=True.",
    "flatten_order": "Flatten each picture on its own: X.flatten(1), or "
    "X.reshape(len(X), -1), with the pictures in the first dimension.",
    "unscaled_inputs": "Bring the pixels to 0 to 1 first: X = X.float() / 255.",
    (
        "unscaled_inputs",
        "small",
    ): "Divide by 255 only once: pixels should go from 0 to 1.",
    ("unscaled_inputs", "equal"): "Look at some of the pictures. A division of whole "
    "numbers (X // 255), or .byte() or .long() after X / 255, makes nearly all of them 0.",
    "data_mismatch": "Shuffle and select pictures and labels with one and the same "
    "order: X[order], y[order].",
    "softmax_twice": "Return the scores (logits) from the net, without softmax: "
    "cross_entropy applies it itself.",
    "softmax_missing": "Use F.cross_entropy (nn.CrossEntropyLoss) on the scores; or end "
    "the net with nn.LogSoftmax(dim=1).",
    "wrong_mode": "Call net.train() before training and net.eval() before measuring; "
    "in forward use nn.Dropout, or F.dropout(X, p, self.training).",
    "gradients_accumulate": "Call optimizer.zero_grad() before loss.backward() in "
    "every step.",
    "identical_units": "Draw the weights at random, such as "
    "torch.randn(num_inputs, num_hiddens) * 0.01: equal units get equal gradients, "
    "and never become different.",
    "dead_units": "Start from fresh weights with biases of 0, and use a smaller lr; or "
    "use an activation with a slope on both sides, such as nn.LeakyReLU().",
    ("dead_units", "scores"): "Return the scores as the last layer gives them, without "
    "relu.",
    (
        "dead_units",
        "dropout",
    ): "Drop less, such as nn.Dropout(0.5): p is the share that is set to 0.",
    "exploding": "Start with smaller weights: a spread of sqrt(2 / num_inputs) of each "
    "layer (Kaiming) for relu, sqrt(1 / num_inputs) for tanh.",
    "vanishing": "Start with weights that keep the spread: sqrt(2 / num_inputs) of "
    "each layer (Kaiming) for relu, Xavier for tanh; with many layers relu and not "
    "sigmoid.",
    "no_nonlinearity": "Put an activation such as nn.ReLU() between the layers; "
    "without one they amount to a single layer.",
    "lr_too_high": "Use a smaller lr, such as {other:g}.",
    ("lr_too_high", "part"): "Use a smaller lr, such as 1/{factor:,.0f} of it.",
    "lr_too_low": "Use a larger lr, such as {other:g}.",
    ("lr_too_low", "short"): "Look for what makes the steps so short, such as a clip "
    "of the gradients or a division of the loss; or use a larger lr, such as "
    "{other:g}.",
    ("lr_too_low", "factor"): "Use a larger lr, such as {factor:,.0f} times as much.",
    (
        "lr_too_low",
        "schedule",
    ): "Call scheduler.step() once in an epoch and not in each "
    "step, or give it a slower schedule.",
    "unexplained": "Look at the net and at the data. Put MLP(784, 128, 10) in its place, "
    "and if that learns, turn it into yours part by part.",
    ("unexplained", "step"): "The cause is in the step, the loss or the optimizer. Put "
    "optimizer.zero_grad(), F.cross_entropy(net(X), y).backward(), optimizer.step() in "
    "their place with SGD at 0.1, and turn these into yours part by part.",
}


@dataclass(frozen=True)
class Finding:
    """code: one word for what is wrong. evidence: what was seen. fix: what to do.
    Both are whole sentences."""

    code: str
    evidence: str
    fix: str

    def __str__(self):
        return f"{self.code}: {self.evidence}\n    {FIX.format(fix=self.fix)}"


def finding(code, variant="", **facts):
    """The Finding with this code, its sentences filled with the facts."""
    evidence = EVIDENCE[code, variant].format(**facts)
    fix = FIXES.get((code, variant)) or FIXES[code]
    return Finding(code, evidence, fix.format(**facts))


class Report:
    """What `doctor` returns. findings: a list of `Finding`, most likely first.

    nothing: the sentence for where there are none. notes: further sentences.
    """

    def __init__(self, findings, nothing, notes=()):
        self.findings, self.notes, self._nothing = findings, list(notes), nothing

    def __str__(self):
        items = list(map(str, self.findings)) or [self._nothing]
        return "\n".join([*items, *self._last(), *self.notes])

    __repr__ = __str__

    def _last(self):
        return [FIRST] if len(self.findings) > 1 else []

    def _repr_html_(self):
        items = "".join(
            f"<li><b><code>{one.code}</code></b> {html.escape(one.evidence)}<br>"
            f"<i>{html.escape(FIX.format(fix=one.fix))}</i></li>"
            for one in self.findings
        )
        first = f"<ol>{items}</ol>" if items else f"<p>{html.escape(self._nothing)}</p>"
        rest = [*self._last(), *self.notes]
        return first + "".join(f"<p>{html.escape(text)}</p>" for text in rest)
