"""What the doctor says: for each finding its code, the evidence and the fix."""

import html
from dataclasses import dataclass
from typing import Any

NOTHING = "No problem found in {count} checks."
NOTHING_SHORT = "No problem found in {count} checks, but not all checks could run."
NOTHING_YET = (
    "No problem found, but the model has not started to learn: in {steps} steps the "
    "loss goes from {start:.3g} to {end:.3g}, and the accuracy is {accuracy:.0%} "
    "(guessing one class always gives {chance:.0%}). {count} checks see no cause, and "
    "more steps would take too long here."
)
LEFT_OUT = "Skipped, since this model's training steps are too slow or fail: {names}."
NO_LOSS = (
    "Your train_step returns no loss ({returned}); the doctor used the number that "
    "backward() was called on, or measured the loss. End the step with: return loss."
)
FIRST_ONE = (
    "Fix the first one and call doctor again: the others may be side effects of it."
)
FIX = "Fix: {fix}"

# "code" or "code: variant" -> the evidence and, on a line of its own, the fix. A
# variant without a fix takes that of its code.
SENTENCES = {
    "raises": "The forward pass stops with {kind}. {explanation}\n"
    "Make this step work on one batch first; trace_shapes(net, X) shows every shape "
    "on the way.",
    "raises: loss": "The loss can't be computed from the net's output {shape} and the "
    "labels {labels}. {explanation}",
    "raises: step": "The forward pass works, but your training step stops with "
    "{kind}: {message}",
    "raises: output": "The net returns an object of type {found}, but the doctor "
    "needs one tensor with a row of scores for each picture.",
    "wrong_output_width": "The net gives {width} scores for each picture, but there "
    "are {classes} classes.\n"
    "Give the last layer one output for each class, such as nn.Linear(num_hiddens, "
    "{classes}).",
    "wrong_output_width: shape": "For {rows} pictures the net returns the shape "
    "{shape}, but ({rows}, {classes}) is needed: one score for each class.",
    "wrong_output_width: from 1": "The labels go from 1 to {high}, but the net gives "
    "{width} scores for each picture, and those belong to the labels 0 to {last}.\n"
    "Count the labels from 0: y = y - 1.",
    "not_shuffled": "The DataLoader gives one class after another: in {batches} "
    "batches, on average {share:.0%} of the labels are the same. What the net learns "
    "from one class, the next one overwrites.\n"
    "Let it draw the pictures in a new order each time: DataLoader(..., shuffle=True).",
    "not_finite": "From finite numbers the operation {operation} makes NaN or infinite "
    "values, which make the loss useless.\n"
    "Find where they come from: data that were divided by 0, a log or a square root "
    "of 0, or weights from a training run that diverged. Then start from fresh "
    "weights.",
    "not_finite: parameter": "{names} has NaN or infinite values ({count:,}).",
    "not_finite: data": "The pictures X have NaN or infinite values ({count:,}).",
    "not_finite: rows": "The pictures X have NaN or infinite values ({count:,}), in "
    "{rows:,} of {all:,} rows. One batch with such a row makes the loss or the "
    "weights NaN.",
    "not_finite: gradient": "The loss is finite, but the gradient of {names} has NaN "
    "or infinite values.",
    "unregistered": "The forward pass uses weights that are not in net.parameters(), "
    "so they are missing from an optimizer made from it, and from state_dict(): "
    "{names}.\n"
    "Set each as an nn.Parameter on self in __init__; use nn.ParameterList or "
    "nn.ModuleList instead of a list, and nn.ModuleDict instead of a dict. Make the "
    "optimizer afterwards.",
    "unregistered: made anew": "The forward pass makes new weights each time it runs, "
    "so nothing that they learn is kept: {names}.\n"
    "Make the layer or the weight once, in __init__, as in self.hidden = "
    "nn.Linear(...), and only use it in forward.",
    "no_gradient": "The forward pass uses parameters that get no gradient from the "
    "loss: {names}.\n"
    "Between the parameters and the loss, use no detach(), .data, .item(), numpy or "
    "torch.no_grad(), and call loss.backward().",
    "no_gradient: cut": "The operation {operation} cuts the graph, so the loss gives "
    "no gradient to the parameters before it: {names}.",
    "no_gradient: off": "The forward pass runs with gradients switched off, so the "
    "loss gives these parameters none: {names}.",
    "no_gradient: step": "In your training step no parameter gets a gradient, though "
    "these could: {names}.",
    "frozen": "These weights have requires_grad=False, so no step changes them: "
    "{names}.\n"
    "Call net.requires_grad_(True), unless you froze them on purpose.",
    "not_in_optimizer": "The net uses parameters that the optimizer does not hold, so "
    "no step changes them: {names}.\n"
    "Make the optimizer from net.parameters(), after the last change to the net's "
    "layers.",
    "not_in_optimizer: stale": "The net uses parameters that the optimizer does not "
    "hold: {names}. It holds others instead, which are not in the net ({stale}).",
    "no_update": "Gradients arrive, but your training step changes no weight: "
    "{names}.\n"
    "Call optimizer.step() after loss.backward(), on the optimizer that holds this "
    "net's parameters.",
    "no_update: by hand": "Gradients arrive, but your training step changes no weight: "
    "{names}.\n"
    "Change the weights themselves: with torch.no_grad(): p -= lr * p.grad. (p = p - "
    "lr * p.grad makes a new tensor.)",
    "no_update: cleared": "Gradients arrive, but they are gone when your training step "
    "calls optimizer.step(): {names}.\n"
    "Call optimizer.zero_grad() before loss.backward() or after optimizer.step(), not "
    "between the two.",
    "no_update: useless": "Your training step calls optimizer.step() with gradients, "
    "but no weight changes: {names}.\n"
    "Look for what undoes the change: an lr of 0, or weights that are saved before "
    "the step and restored after it.",
    "uphill": "Your step moves the weights in the direction in which the cross-entropy "
    "of the scores grows: along its gradient instead of against it (the cosine between "
    "the two is {cosine:.2f}).\n"
    "Go against the gradient. By hand that is p -= lr * p.grad; otherwise call "
    "backward() on the loss and not on its negative, and make the optimizer without "
    "maximize=True.",
    "flatten_order": "The scores of a picture change when only the other pictures in "
    "its batch change: a reshape mixes the pictures.\n"
    "Flatten each picture on its own: X.flatten(1), or X.reshape(len(X), -1), with "
    "the pictures in the first dimension.",
    "flatten_order: rows": "From {rows} pictures the net makes {found} rows: a "
    "reshape mixes the pictures or cuts them up.",
    "flatten_order: step": "Your training step gives the net the numbers of the "
    "batch, but in other rows: a reshape mixes the pictures.",
    "flatten_order: flat": "{explanation}",
    "flatten_order: data": "In the {split} set the classes can't be told apart "
    "({found:.0%} right; guessing one class always gives {chance:.0%}), but with the "
    "reshape undone they can ({undone:.0%}).",
    "flatten_order: scrambled": "In the {split} set the classes can't be told apart "
    "({found:.0%} right; guessing one class always gives {chance:.0%}), and "
    "neighbouring pixels have nothing in common, as if the pictures were mixed.",
    "unscaled_inputs": "The first weights get numbers from {low:.3g} to {high:.3g}, "
    "and nothing normalizes them.\n"
    "Bring the pixels to 0 to 1 first: X = X.float() / 255.",
    "unscaled_inputs: small": "The first weights get numbers from {low:.3g} to "
    "{high:.3g}, nothing normalizes them, and in {steps} steps the net does not "
    "learn.\n"
    "Divide by 255 only once: pixels should go from 0 to 1.",
    "unscaled_inputs: equal": "All {rows} pictures that reach the first weights are "
    "the same, with numbers from {low:.3g} to {high:.3g}.\n"
    "Look at some of the pictures. A whole-number division (X // 255), or .byte() or "
    ".long() after X / 255, makes nearly all pixels 0.",
    "unscaled_inputs: type": "The pictures are whole numbers ({dtype}) up to {high}, "
    "but the net needs floats: {message}",
    "data_mismatch": "In the {split} set the labels do not belong to the pictures: "
    "neither the nearest class mean nor the nearest neighbour tells the classes apart "
    "({found:.0%} right; guessing one class always gives {chance:.0%}).\n"
    "Shuffle and select pictures and labels with the same order: X[order], y[order].",
    "data_mismatch: step": "Your training step gives {share:.0%} of the pictures a "
    "different label than the data do: it reorders X or y, but not both.",
    "softmax_twice": "{operation} gets rows that are already probabilities (each adds "
    "up to 1), and applies a softmax to them once more.\n"
    "Return the scores (logits) from the net, without softmax: cross_entropy applies "
    "it itself.",
    "softmax_twice: batch": "{operation} gets columns that add up to 1 over the "
    "{rows} pictures of the batch: a softmax runs along dim 0, from picture to "
    "picture.",
    "softmax_missing": "nll_loss needs logarithms of probabilities, but gets scores "
    "(their exp adds up to {total:.3g} for the first picture, not to 1), so the loss "
    "can fall forever.\n"
    "Use F.cross_entropy (nn.CrossEntropyLoss) on the scores, or end the net with "
    "nn.LogSoftmax(dim=1).",
    "softmax_missing: log": "nll_loss needs logarithms of probabilities, but gets the "
    "probabilities themselves (each row adds up to 1).",
    "wrong_mode": "The net trains in eval mode, where these layers do not do what they "
    "should in training: {names}.\n"
    "Call net.train() before training and net.eval() before measuring; in forward, "
    "use nn.Dropout or F.dropout(X, p, self.training).",
    "wrong_mode: step": "Your training step runs in eval mode, where these layers do "
    "not do what they should in training: {names}.",
    "wrong_mode: no eval": "Your training step also runs the net without gradients, "
    "as you would to measure it, but leaves these layers in training mode: {names}.",
    "wrong_mode: measured": "After net.eval() these layers are still in training "
    "mode, so the accuracy is measured in that mode: {names}.",
    "wrong_mode: random": "After net.eval() the same pictures get different scores "
    "each time: something random, such as dropout, stays switched on.",
    "gradients_accumulate": "After {count} steps on the same pictures, with the "
    "weights put back each time, the gradient is {factor:.1f} times as large as after "
    "one: each step adds to the gradients of the steps before.\n"
    "Call optimizer.zero_grad() before loss.backward() in every step.",
    "gradients_accumulate: left": "In each of {count} steps, what is in p.grad before "
    "the step is still in it afterwards, so each step also repeats the steps before: "
    "{names}.",
    "identical_units": "All {count} units of a layer give the same number, and still "
    "do after a few steps. The layer's weights: {names}.\n"
    "Draw the weights at random, such as torch.randn(num_inputs, num_hiddens) * 0.01: "
    "equal units get equal gradients and never become different.",
    "identical_units: biases": "Apart from their biases, all {count} units of a layer "
    "give the same number, and in {steps} steps the net does not learn. The layer's "
    "weights: {names}.",
    "dead_units": "Of {count} units {dead} are 0 for each of {rows} pictures, and "
    "units that are always 0 do not learn. They feed into {names}.\n"
    "Start from fresh weights with biases of 0, and use a smaller lr; or use an "
    "activation with a slope on both sides, such as nn.LeakyReLU().",
    "dead_units: scores": "Of {count} scores {dead} are exactly 0 for each of {rows} "
    "pictures, and some steps do not change that: an activation after the last layer "
    "cuts them off.\n"
    "Return the scores as the last layer gives them, without relu.",
    "dead_units: dying": "After {steps} steps all units of a layer ({count}) are 0 "
    "for each of {rows} pictures, and units that are always 0 do not learn. They feed "
    "into {names}.",
    "dead_units: dropout": "In training {dead} of {count} units are 0 for each of "
    "{rows} pictures, but after net.eval() they are not: dropout leaves nothing. They "
    "feed into {names}.\n"
    "Drop less, such as nn.Dropout(0.5): p is the share that is set to 0.",
    "exploding": "The first loss is {loss:.3g}, while guessing gives {chance:.3g}: the "
    "scores are far too large (spread {spread:.2g}).\n"
    "Start with smaller weights: a spread of sqrt(2 / num_inputs) of each layer "
    "(Kaiming) for relu, sqrt(1 / num_inputs) for tanh.",
    "exploding: overflow": "The numbers become larger than a float can hold, at the "
    "operation {operation} in layer {layer}.",
    "vanishing": "After {steps} steps the accuracy is still {accuracy:.0%}, and the "
    "spread of the gradient of {names} is only {slope:.1g}: the signal dies out on its "
    "way through {layers} layers.\n"
    "Start with weights that keep the spread: sqrt(2 / num_inputs) of each layer "
    "(Kaiming) for relu, Xavier for tanh. With many layers use relu and not sigmoid.",
    "no_nonlinearity": "The net multiplies by {layers} weights in a row, and yet it is "
    "one straight-line function of its input: no activation works in between.\n"
    "Put an activation such as nn.ReLU() between the layers; without one they amount "
    "to a single layer.",
    "lr_too_high": "With lr={lr:g} the loss goes from {start:.3g} to {end:.3g} in "
    "{steps} steps, and with lr={other:g} to {better:.3g}.\n"
    "Use a smaller lr, such as {other:g}.",
    "lr_too_high: part": "With your steps the loss goes from {start:.3g} to {end:.3g} "
    "in {steps} steps, and with steps of 1/{factor:,.0f} of their length to "
    "{better:.3g}.\n"
    "Use a smaller lr, such as 1/{factor:,.0f} of it.",
    "lr_too_low": "With lr={lr:g} the loss goes from {start:.3g} to {end:.3g} in "
    "{steps} steps, and with lr={other:g} to {better:.3g}.\n"
    "Use a larger lr, such as {other:g}.",
    "lr_too_low: short": "With lr={lr:g} the loss goes from {start:.3g} to {end:.3g} "
    "in {steps} steps, and with lr={other:g} to {better:.3g}.\n"
    "Look for what makes the steps so short, such as clipped gradients or a loss that "
    "is divided; or use a larger lr, such as {other:g}.",
    "lr_too_low: factor": "With your steps the loss goes from {start:.3g} to {end:.3g} "
    "in {steps} steps, and with steps {factor:,.0f} times as long to {better:.3g}.\n"
    "Use a larger lr, such as {factor:,.0f} times as much.",
    "lr_too_low: schedule": "Your training step lowers the lr itself, from {lr:g} to "
    "{last:.1g} in {half} steps; in {steps} steps the loss goes from {start:.3g} to "
    "{end:.3g}.\n"
    "Call scheduler.step() once per epoch and not in each step, or give it a slower "
    "schedule.",
    "unexplained": "The net does not learn: in {steps} steps the loss goes from "
    "{start:.3g} to {end:.3g} and the accuracy from {before:.0%} to {accuracy:.0%} "
    "(guessing one class always gives {chance:.0%}). With SGD, lr=0.1 and "
    "cross_entropy it does not learn either. No check found a cause.\n"
    "Look at the net and at the data. Put MLP(784, 128, 10) in its place, and if that "
    "learns, turn it into yours part by part.",
    "unexplained: step": "The net does not learn: in {steps} steps the loss goes from "
    "{start:.3g} to {end:.3g} and the accuracy from {before:.0%} to {accuracy:.0%} "
    "(guessing one class always gives {chance:.0%}). With SGD, lr=0.1 and "
    "cross_entropy the same net reaches {better:.0%}. No check found a cause.\n"
    "The cause is in the step, the loss or the optimizer. Put optimizer.zero_grad(), "
    "F.cross_entropy(net(X), y).backward(), optimizer.step() in their place with SGD "
    "at 0.1, and turn these into yours part by part.",
}


@dataclass(frozen=True)
class Finding:
    """code: one word for what is wrong. evidence: what was seen. fix: what to do.
    Both are whole sentences."""

    code: str
    evidence: str
    fix: str

    def __str__(self) -> str:
        return f"{self.code}: {self.evidence}\n    {FIX.format(fix=self.fix)}"


def finding(key: str, **facts: Any) -> Finding:
    """The Finding of a key of SENTENCES, which are filled with the facts."""
    code = key.partition(":")[0]
    evidence, _, fix = SENTENCES[key].partition("\n")
    fix = fix or SENTENCES[code].partition("\n")[2]
    return Finding(code, evidence.format(**facts), fix.format(**facts))


class Report:
    """What `doctor` returns.

    findings: a list of `Finding`, most likely first. notes: further sentences.
    nothing: the sentence for where there are no findings.
    """

    def __init__(
        self, findings: list[Finding], nothing: str, notes: list[str] | None = None
    ) -> None:
        self.findings, self.notes, self._nothing = findings, notes or [], nothing

    def __str__(self) -> str:
        items = list(map(str, self.findings)) or [self._nothing]
        return "\n".join([*items, *self._last_lines()])

    __repr__ = __str__

    def _last_lines(self):
        return [FIRST_ONE, *self.notes] if len(self.findings) > 1 else self.notes

    def _repr_html_(self) -> str:
        items = "".join(
            f"<li><b><code>{one.code}</code></b> {html.escape(one.evidence)}<br>"
            f"<i>{html.escape(FIX.format(fix=one.fix))}</i></li>"
            for one in self.findings
        )
        first = f"<ol>{items}</ol>" if items else f"<p>{html.escape(self._nothing)}</p>"
        return first + "".join(f"<p>{html.escape(s)}</p>" for s in self._last_lines())
