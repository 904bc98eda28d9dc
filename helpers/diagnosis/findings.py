"""What the doctor says: for each finding its code, the evidence and the fix."""

import html
from dataclasses import dataclass

NOTHING = "nothing found: {count} checks, and none has anything to say."
NOTHING_SHORT = (
    "nothing found: {count} checks, and none has anything to say. The learning rate "
    "could not be tried, since the steps of this net take too long."
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
    ("not_finite", "parameter"): "Numbers that are nan or inf: {count:,} in {names}.",
    ("not_finite", "data"): "Numbers that are nan or inf: {count:,} in the pictures X.",
    ("not_finite", "operation"): "From finite numbers the operation {operation} makes "
    "nan or inf, and with them the loss is useless.",
    ("not_finite", "gradient"): "The loss is finite, but a gradient is nan or inf: "
    "that of {names}.",
    ("unregistered", ""): "The forward pass uses weights that net.parameters() does "
    "not have, so no optimizer gets them from it, and no state_dict(): {names}.",
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
    ("flatten_order", "net"): "The scores of one picture change when only the other "
    "pictures of its batch change: a reshape mixes the pictures.",
    ("flatten_order", "rows"): "From {rows} pictures the net makes {found} rows: a "
    "reshape mixes the pictures or cuts them up.",
    ("flatten_order", "step"): "What your training step hands to the net has the "
    "batch's numbers, but other rows: a reshape mixes the pictures.",
    ("flatten_order", "data"): "In the {split} set the classes can't be told apart "
    "({found:.0%} right, and always the same class gives {chance:.0%}); with the "
    "reshape undone they can ({undone:.0%}).",
    ("flatten_order", "rough"): "In the {split} set the classes can't be told apart "
    "({found:.0%} right, and always the same class gives {chance:.0%}), and "
    "neighbouring pixels have nothing in common, as if the pictures were mixed.",
    ("unscaled_inputs", ""): "The first weights meet numbers from {low:.3g} to "
    "{high:.3g}, and nothing normalizes them.",
    ("unscaled_inputs", "type"): "The pictures are whole numbers ({dtype}) up to "
    "{high}, and the net needs floats: {message}",
    ("data_mismatch", ""): "In the {split} set the labels do not belong to the "
    "pictures: neither the nearest class mean nor the nearest neighbour tells the "
    "classes apart ({found:.0%} right, and always the same class gives {chance:.0%}).",
    ("data_mismatch", "step"): "Your training step pairs {share:.0%} of the pictures "
    "with another label than the data do: it reorders X or y, but not both.",
    ("softmax_twice", ""): "{operation} gets rows that are already probabilities "
    "(each adds up to 1), and applies a softmax to them once more.",
    ("wrong_mode", "step"): "Your training step runs in eval mode, where these layers "
    "do not do what they should in training: {names}.",
    ("wrong_mode", "eval"): "The net trains in eval mode, where these layers do not do "
    "what they should in training: {names}.",
    ("wrong_mode", "measured"): "After net.eval() these layers are still in training "
    "mode, so the accuracy is measured in it: {names}.",
    ("wrong_mode", "random"): "After net.eval(), the same pictures get other scores "
    "each time: something random, such as dropout, stays switched on.",
    ("gradients_accumulate", ""): "After {count} steps on the same pictures, with the "
    "weights put back each time, the gradient is {factor:.1f} times as large as after "
    "one: each step adds to the gradients of the steps before.",
    ("identical_units", ""): "All {count} units of a layer give the same number, and "
    "after a few steps they still do. Its weights: {names}.",
    ("dead_units", ""): "Of {count} units {dead} are 0 for each of {rows} pictures, and "
    "units that are always 0 do not learn. They stand in front of {names}.",
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
    ("lr_too_low", ""): "With lr={lr:g} the loss goes from {start:.3g} to {end:.3g} in "
    "{steps} steps, and with lr={other:g} to {better:.3g}.",
}  # fmt: skip

FIXES = {
    "raises": "Make the step named above work on one batch first; "
    "trace_shapes(net, X) shows every shape on the way.",
    "wrong_output_width": "Give the last layer one output for each class, such as "
    "nn.Linear(num_hiddens, {classes}).",
    "not_finite": "Find where it comes from: data that were divided by 0, a log or a "
    "square root of 0, or weights from a training that had diverged. Then start from "
    "fresh weights.",
    "unregistered": "Set each as an nn.Parameter on self in __init__; use "
    "nn.ParameterList or nn.ModuleList instead of a list, nn.ModuleDict instead of a "
    "dict. Make the optimizer afterwards.",
    "no_gradient": "Between the parameters and the loss use no detach(), .data, "
    ".item(), numpy or torch.no_grad(), and call loss.backward().",
    "frozen": "Call net.requires_grad_(True), unless you froze it on purpose.",
    "not_in_optimizer": "Make the optimizer from net.parameters(), after the last "
    "change of the net's layers.",
    "no_update": "Call optimizer.step() after loss.backward(), on the optimizer that "
    "holds this net's parameters.",
    "flatten_order": "Flatten each picture on its own: X.flatten(1), or "
    "X.reshape(len(X), -1), with the pictures in the first dimension.",
    "unscaled_inputs": "Bring the pixels to 0 to 1 first: X = X.float() / 255.",
    "data_mismatch": "Shuffle and select pictures and labels with one and the same "
    "order: X[order], y[order].",
    "softmax_twice": "Return the scores (logits) from the net, without softmax: "
    "cross_entropy applies it itself.",
    "wrong_mode": "Call net.train() before training and net.eval() before measuring; "
    "in forward use nn.Dropout, or F.dropout(X, p, self.training).",
    "gradients_accumulate": "Call optimizer.zero_grad() before loss.backward() in "
    "every step.",
    "identical_units": "Draw the weights at random, such as "
    "torch.randn(num_inputs, num_hiddens) * 0.01: equal units get equal gradients, "
    "and never become different.",
    "dead_units": "Start from fresh weights with biases of 0, and use a smaller lr; or "
    "use an activation with a slope on both sides, such as nn.LeakyReLU().",
    "exploding": "Start with smaller weights: a spread of sqrt(2 / num_inputs) of each "
    "layer (Kaiming) for relu, sqrt(1 / num_inputs) for tanh.",
    "vanishing": "Start with weights that keep the spread: sqrt(2 / num_inputs) of "
    "each layer (Kaiming) for relu, Xavier for tanh; with many layers relu and not "
    "sigmoid.",
    "no_nonlinearity": "Put an activation such as nn.ReLU() between the layers; "
    "without one they amount to a single layer.",
    "lr_too_high": "Use a smaller lr, such as {other:g}.",
    "lr_too_low": "Use a larger lr, such as {other:g}.",
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
    return Finding(code, evidence, FIXES[code].format(**facts))


class Report:
    """What `doctor` returns. findings: a list of `Finding`, most likely first."""

    def __init__(self, findings, count, tried_lr=True):
        self.findings = findings
        self._nothing = (NOTHING if tried_lr else NOTHING_SHORT).format(count=count)

    def __str__(self):
        if not self.findings:
            return self._nothing
        last = [FIRST] if len(self.findings) > 1 else []
        return "\n".join([*map(str, self.findings), *last])

    __repr__ = __str__

    def _repr_html_(self):
        if not self.findings:
            return f"<p>{html.escape(self._nothing)}</p>"
        items = "".join(
            f"<li><b><code>{one.code}</code></b> {html.escape(one.evidence)}<br>"
            f"<i>{html.escape(FIX.format(fix=one.fix))}</i></li>"
            for one in self.findings
        )
        last = f"<p>{FIRST}</p>" if len(self.findings) > 1 else ""
        return f"<ol>{items}</ol>{last}"
