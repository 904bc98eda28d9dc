"""Answers to the exercises of 03_parameters, right and wrong. Named after the idea."""

import numpy as np
import torch
from answers import right, wrong
from torch import nn

from helpers import registration

# --- 3.1


@right("3.1")
def in_a_loop(net):
    count = 0
    for _, p in net.named_parameters():
        if p.requires_grad:
            count += p.shape.numel()
    return count


@right("3.1")
def as_the_xray_counts(net):
    rows = registration(net).rows
    return sum(r.numbers for r in rows if r.requires_grad and r.registered)


@right("3.1")
def as_one_tensor(net):
    return torch.tensor([p.numel() for p in net.parameters() if p.requires_grad]).sum()


@wrong("3.1", "the number of Parameters, not of the numbers")
def counts_tensors(net):
    return len(list(net.parameters()))


@wrong("3.1", "counts only its rows")
def counts_rows(net):
    return sum(len(p) for p in net.parameters())


@wrong("3.1", "the biases are missing")
def weights_only(net):
    return sum(p.numel() for p in net.parameters() if p.dim() == 2)


@wrong("3.1", "belong to its parts")
def the_whole_only(net):
    return sum(p.numel() for p in net._parameters.values() if p.requires_grad)


@wrong("3.1", "and again in its part")
def whole_and_parts(net):
    return sum(p.numel() for module in net.modules() for p in module.parameters())


@wrong("3.1", "frozen Parameters are not trained")
def counts_frozen(net):
    return sum(p.numel() for p in net.parameters())


@wrong("3.1", "one Parameter with two names")
def counts_names(net):
    named = net.named_parameters(remove_duplicate=False)
    return sum(p.numel() for _, p in named if p.requires_grad)


@wrong("3.1", "buffers are not trained")
def counts_buffers(net):
    tensors = [*(p for p in net.parameters() if p.requires_grad), *net.buffers()]
    return sum(t.numel() for t in tensors)


@right("3.1")
def by_modules_and_ids(net):
    seen = {}
    for module in net.modules():
        for p in module._parameters.values():
            if p is not None and p.requires_grad:
                seen[id(p)] = p.nelement()
    return sum(seen.values())


@right("3.1")
def by_numpy(net):
    return np.sum([np.prod(p.shape) for p in net.parameters() if p.requires_grad])


@wrong("3.1", "return one whole number; I got 506.7")
def a_bit_more(net):
    return in_a_loop(net) + 0.7


@wrong("3.1", "return one whole number; I got inf")
def infinite(net):
    return float("inf")


@wrong("3.1", "return one whole number; I got '506'")
def as_a_text(net):
    return str(in_a_loop(net))


@wrong("3.1", "raised AttributeError at `return sum(p.numel() for p in seen.values()")
def no_bias_forgotten(net):
    seen = {id(p): p for m in net.modules() for p in m._parameters.values()}
    return sum(p.numel() for p in seen.values() if p.requires_grad)


@wrong("3.1", "in a part of a part, you count 0")
def one_level_deep(net):
    modules = [net, *net.children()]
    seen = {id(p): p for m in modules for p in m._parameters.values() if p is not None}
    return sum(p.numel() for p in seen.values() if p.requires_grad)


@wrong("3.1", "return one whole number; I got [320")
def a_list_of_sizes(net):
    return [p.numel() for p in net.parameters()]


@wrong("3.1", "raised AttributeError at `return net.numel()`")
def asks_the_module(net):
    return net.numel()


@wrong("3.1", "you count equal numbers once, but they are other Parameters")
def equal_numbers_once(net):
    seen = []
    for p in net.parameters():
        if p.requires_grad and not any(torch.equal(p, q) for q in seen):
            seen.append(p)
    return sum(p.numel() for p in seen)


@wrong("3.1", "changed its input net: W1.requires_grad is False now")
def freezes_what_it_has_counted(net):
    total = in_a_loop(net)
    net.requires_grad_(False)
    return total


@wrong("3.1", "your code raised ValueError at `return nn.utils.parameters_to_vector")
def one_long_vector(net):
    learning = [p for p in net.parameters() if p.requires_grad]
    return nn.utils.parameters_to_vector(learning).numel()


# --- 3.2


@right("3.2")
def with_the_modules_own(layer):
    layer.requires_grad_(False)
    layer.zero_grad()


@right("3.2")
def by_detach(layer):
    for p in layer.parameters():
        p.grad = None
        p.detach_()


@wrong("3.2", "requires_grad on the layer itself")
def on_the_layer(layer):
    layer.requires_grad = False


@wrong("3.2", "eval mode")
def in_eval_mode(layer):
    layer.eval()


@right("3.2")
def on_the_layer_and_its_parameters(layer):
    layer.requires_grad = False
    layer.eval()
    for p in (layer.weight, layer.bias):
        p.requires_grad, p.grad = False, None


@wrong("3.2", "still moved the frozen bias, by up to")
def clears_the_weight_only(layer):
    layer.requires_grad_(False)
    layer.weight.grad = None


@wrong("3.2", "bias, by up to 0.0081: with a gradient of zeros")
def zeros_the_bias(layer):
    layer.requires_grad_(False)
    layer.weight.grad = None
    layer.bias.grad.zero_()


@wrong("3.2", "after your function bias still requires a gradient; a layer has")
def the_weight_and_eval_mode(layer):
    the_weight_only(layer)
    layer.eval()


@wrong("3.2", "both weight and bias still require a gradient")
def clears_the_gradient_only(layer):
    layer.zero_grad()


@wrong("3.2", "bias still requires a gradient")
def the_weight_only(layer):
    layer.weight.requires_grad_(False)
    layer.weight.grad = None


@wrong("3.2", "the gradient of the last backward() was still there")
def keeps_the_old_gradient(layer):
    for p in layer.parameters():
        p.requires_grad = False


@wrong("3.2", "with a gradient of zeros")
def zeros_the_gradient(layer):
    layer.requires_grad_(False)
    layer.zero_grad(set_to_none=False)


@wrong("3.2", "state_dict() holds bias instead of weight and bias")
def no_longer_a_parameter(layer):
    weight = layer.weight.detach()
    del layer.weight
    layer.weight = weight


@wrong("3.2", "shares its memory with the old one")
def new_ones(layer):
    for name, p in list(layer.named_parameters()):
        setattr(layer, name, nn.Parameter(p.detach(), requires_grad=False))


@wrong("3.2", "raised TypeError at `layer.weight = layer.weight.detach()`")
def puts_a_tensor_there(layer):
    layer.weight = layer.weight.detach()


@right("3.2")
def frozen_replacements(layer):
    for name, p in list(layer.named_parameters()):
        new = nn.Parameter(p.detach().clone(), requires_grad=False)
        setattr(layer, name, new)


@right("3.2")
def buffers_instead(layer):
    for name, p in list(layer.named_parameters()):
        delattr(layer, name)
        layer.register_buffer(name, p.detach().clone())


def drop_gradient(parameter):
    parameter.grad = None


@right("3.2")
def drops_every_gradient(layer):
    for p in layer.parameters():
        drop_gradient(p)
        p.register_post_accumulate_grad_hook(drop_gradient)


@wrong("3.2", "weight, by up to 0.0091: with a gradient of zeros")
def every_gradient_times_zero(layer):
    for p in layer.parameters():
        drop_gradient(p)
        p.register_hook(torch.zeros_like)


@wrong("3.2", "the layer computes something else than before")
def another_forward(layer):
    layer.requires_grad_(False).zero_grad()
    layer.forward = lambda X: X.new_zeros(len(X), layer.out_features)


@wrong("3.2", "the layer before the frozen one no longer learns")
def without_gradients_behind_it(layer):
    layer.forward = torch.no_grad()(layer.forward)
    layer.zero_grad()


@wrong("3.2", "gradients are switched off everywhere")
def switches_gradients_off(layer):
    torch.set_grad_enabled(False)


# --- 3.3


@right("3.3")
class Linears(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.layers = nn.ModuleList(map(nn.Linear, widths, widths[1:]))

    def forward(self, X):
        *hidden, last = self.layers
        for layer in hidden:
            X = layer(X).relu()
        return last(X)


@right("3.3")
class ByName(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.count = len(widths) - 1
        for i in range(self.count):
            W = torch.empty(widths[i], widths[i + 1])
            self.register_parameter(f"W{i}", nn.Parameter(nn.init.normal_(W)))
            setattr(self, f"b{i}", nn.Parameter(torch.zeros(widths[i + 1])))

    def forward(self, X):
        for i in range(self.count):
            X = X @ getattr(self, f"W{i}") + getattr(self, f"b{i}")
            if i < self.count - 1:
                X = X.clamp(min=0)
        return X


@right("3.3")
class Sequential(nn.Module):
    def __init__(self, widths):
        super().__init__()
        layers = []
        for pair in zip(widths, widths[1:]):
            layers += [nn.Linear(*pair), nn.ReLU()]
        self.net = nn.Sequential(*layers[:-1])

    def forward(self, X):
        return self.net(X)


@right("3.3")
class TensorsInParameterList(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.W = nn.ParameterList(map(torch.randn, widths, widths[1:]))
        self.b = nn.ParameterList(map(torch.zeros, widths[1:]))

    def forward(self, X):
        for i, (W, b) in enumerate(zip(self.W, self.b)):
            X = X.mm(W) + b
            X = torch.relu(X) if i + 1 < len(self.W) else X
        return X


@wrong("3.3", "finds 0 of the 944 numbers: layers[0][0] is a Parameter in")
class InAList(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.layers = list(map(self.layer, widths, widths[1:]))

    def layer(self, num_inputs, num_outputs):
        W = torch.randn(num_inputs, num_outputs) * 0.01
        return nn.Parameter(W), nn.Parameter(torch.zeros(num_outputs))

    def forward(self, X):
        for W, b in self.layers[:-1]:
            X = torch.relu(X @ W + b)
        W, b = self.layers[-1]
        return X @ W + b


@wrong("3.3", "is a plain tensor in")
class RequiresGradInAList(InAList):
    def layer(self, num_inputs, num_outputs):
        W = torch.randn(num_inputs, num_outputs, requires_grad=True)
        return W, torch.zeros(num_outputs, requires_grad=True)


@wrong("3.3", "is a Parameter in a dict")
class InADict(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.W, self.b = {}, {}
        for i, (num_inputs, num_outputs) in enumerate(zip(widths, widths[1:])):
            self.W[i] = nn.Parameter(torch.randn(num_inputs, num_outputs) * 0.01)
            self.b[i] = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, X):
        for i in range(len(self.W) - 1):
            X = torch.relu(X @ self.W[i] + self.b[i])
        return X @ self.W[i + 1] + self.b[i + 1]


@wrong("3.3", "is a Parameter of a module in a list")
class LinearsInAList(Linears):
    def __init__(self, widths):
        super().__init__(widths)
        self.layers = list(self._modules.pop("layers"))


@wrong("3.3", "forward draws random numbers")
class DrawsInForward(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.shapes = list(zip(widths, widths[1:]))

    def forward(self, X):
        for shape in self.shapes:
            X = torch.relu(X @ nn.Parameter(torch.randn(shape)))
        return X


@wrong("3.3", "the biases are missing")
class WithoutBiases(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.W = nn.ParameterList(map(torch.randn, widths, widths[1:]))

    def forward(self, X):
        for W in self.W[:-1]:
            X = torch.relu(X @ W)
        return X @ self.W[-1]


@right("3.3")
class BiasesAsRows(TensorsInParameterList):
    def __init__(self, widths):
        super().__init__(widths)
        rows = [torch.zeros(1, width) for width in widths[1:]]
        self.b = nn.ParameterList(map(nn.Parameter, rows))


@right("3.3")
class Appended(nn.Sequential):
    def __init__(self, widths):
        super().__init__()
        for i, (num_inputs, num_outputs) in enumerate(zip(widths, widths[1:])):
            if i > 0:
                self.append(nn.ReLU())
            self.append(nn.Linear(num_inputs, num_outputs))


@right("3.3")
class BiasesInTheWeights(nn.Module):
    def __init__(self, widths):
        super().__init__()
        shapes = [(n_in + 1, n_out) for n_in, n_out in zip(widths, widths[1:])]
        self.W = nn.ParameterList(torch.randn(shape) * 0.1 for shape in shapes)

    def forward(self, X):
        for i, W in enumerate(self.W):
            X = torch.relu(X) if i > 0 else X
            X = torch.cat([X, torch.ones(len(X), 1)], dim=1) @ W
        return X


@wrong("3.3", "none of 256 scores is negative")
class BiasesInTheWeightsAndASoftmax(BiasesInTheWeights):
    def forward(self, X):
        return super().forward(X).softmax(dim=1)


@wrong("3.3", "a sigmoid between your layers, not relu")
class SigmoidBetween(Linears):
    def forward(self, X):
        *hidden, last = self.layers
        for layer in hidden:
            X = layer(X).sigmoid()
        return last(X)


@wrong("3.3", "the scores went through a softmax")
class SoftmaxAtTheEnd(Linears):
    def forward(self, X):
        return super().forward(X).softmax(dim=1)


@wrong("3.3", "with a relu after each layer but the last, one of the scores is")
class ReluAfterTheFirstOnly(Linears):
    def forward(self, X):
        first, *others = self.layers
        X = first(X).relu()
        for layer in others:
            X = layer(X)
        return X


@wrong("3.3", "no gradient flows from the scores")
class WithoutGradients(Linears):
    @torch.no_grad()
    def forward(self, X):
        return super().forward(X)


@wrong("3.3", "layers.0.weight does not require a gradient")
class TheFirstIsFrozen(Linears):
    def __init__(self, widths):
        super().__init__(widths)
        self.layers[0].requires_grad_(False)


@wrong("3.3", "raised IndexError at `three = [nn.Linear(widths[i], widths[i + 1])")
class AlwaysThree(Linears):
    def __init__(self, widths):
        super().__init__(widths[:2])
        three = [nn.Linear(widths[i], widths[i + 1]) for i in range(3)]
        self.layers = nn.ModuleList(three)


@wrong("3.3", "your last layer has a relu too")
class ReluEverywhere(TensorsInParameterList):
    def forward(self, X):
        for W, b in zip(self.W, self.b):
            X = torch.relu(X @ W + b)
        return X


@wrong("3.3", "one linear map")
class WithoutRelu(TensorsInParameterList):
    def forward(self, X):
        for W, b in zip(self.W, self.b):
            X = X @ W + b
        return X


@wrong("3.3", "forward doesn't use them, or it cuts the way back")
class ForgetsABias(TensorsInParameterList):
    def forward(self, X):
        for W, b in zip(self.W[:-1], self.b[:-1]):
            X = torch.relu(X @ W + b)
        return X @ self.W[-1]


@wrong("3.3", "stay equal for ever")
class FromOnes(TensorsInParameterList):
    def __init__(self, widths):
        super().__init__(widths)
        self.W = nn.ParameterList(map(torch.ones, widths, widths[1:]))


@wrong("3.3", "comparing what your Deep computes raised NotImplementedError")
class WithoutForward(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.layers = nn.ModuleList(map(nn.Linear, widths, widths[1:]))


@wrong("3.3", "before Module.__init__() call")
class WithoutSuper(nn.Module):
    def __init__(self, widths):
        self.W = nn.ParameterList(map(torch.randn, widths, widths[1:]))

    def forward(self, X):
        return X @ self.W[0]


@right("3.3")
class OneVector(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.sizes = [*zip(widths, widths[1:])]
        self.theta = nn.Parameter(torch.randn(sum((n + 1) * m for n, m in self.sizes)))

    def forward(self, X):
        parts = self.theta.split([k for n, m in self.sizes for k in (n * m, m)])
        for i, (n, m) in enumerate(self.sizes):
            X = (X.relu() if i else X) @ parts[2 * i].view(n, m) + parts[2 * i + 1]
        return X


@wrong("3.3", "was given the widths [7, 30, 20, 4], and left [4] of them")
class EmptiesTheWidths(Linears):
    def __init__(self, widths):
        super().__init__(widths)
        while len(widths) > 1:
            widths.pop(0)


@wrong("3.3", "one of the scores is 2.12, but yours is 32.88")
class ReluOnce(Linears):
    def forward(self, X):
        first, *others = self.layers
        X = first(X).relu() if others else first(X)
        for layer in others:
            X = layer(X)
        return X


@wrong("3.3", "holds one row or one column again and again")
class OneRow(Linears):
    def __init__(self, widths):
        super().__init__(widths)
        for layer in self.layers:
            layer.weight.data[:] = layer.weight.data[0]


@wrong("3.3", "something goes around those layers")
class AroundEqualWidths(Linears):
    def forward(self, X):
        *hidden, last = self.layers
        for layer in hidden:
            H = layer(X).relu()
            X = H + X if H.shape == X.shape else H
        return last(X)


@wrong("3.3", "[7, 6, 6, 6, 5] make 167")
class ByWidths(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.names = [f"{n}x{m}" for n, m in zip(widths, widths[1:])]
        layers = map(nn.Linear, widths, widths[1:])
        self.layers = nn.ModuleDict(dict(zip(self.names, layers)))

    def forward(self, X):
        *hidden, last = self.names
        for name in hidden:
            X = self.layers[name](X).relu()
        return self.layers[last](X)


@wrong("3.3", "for Deep([7, 4]) your code raised IndexError")
class ThreeWhateverIsGiven(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.first = nn.Linear(widths[0], widths[1])
        self.second = nn.Linear(widths[1], widths[2])
        self.third = nn.Linear(widths[2], widths[3])

    def forward(self, X):
        hidden = torch.relu(self.first(X))
        return self.third(torch.relu(self.second(hidden)))


# --- 3.4


def held_by(optimizer):
    return [p for group in optimizer.param_groups for p in group["params"]]


@right("3.4")
def with_is(net, optimizer):
    tensors = list(net.named_parameters())
    for name in vars(net):
        value = getattr(net, name)
        if type(value) is list:
            tensors += [(f"{name}[{i}]", tensor) for i, tensor in enumerate(value)]
    held = [p for p in held_by(optimizer) if p.requires_grad]
    return {name for name, p in tensors if not any(p is other for other in held)}


@right("3.4")
def by_the_xray(net, optimizer):
    rows = [r for r in registration(net, optimizer).rows if "Parameter" in r.kind]
    return tuple(r.name for r in rows if not (r.in_optimizer and r.requires_grad))


@wrong("3.4", "you named W1, W2, b1, b2. The optimizer holds W1")
def without_gradient(net, optimizer):
    return [name for name, p in net.named_parameters() if p.grad is None]


@wrong("3.4", "so it holds the old W2; you named nothing")
def frozen_only(net, optimizer):
    return [name for name, p in net.named_parameters() if not p.requires_grad]


@wrong(
    "3.4", "with the same numbers, so the optimizer holds the old W2; you named nothing"
)
def equal_numbers(net, optimizer):
    held = held_by(optimizer)
    return [
        name
        for name, p in net.named_parameters()
        if not any(torch.equal(p, other) for other in held)
    ]


@wrong("3.4", "`in` compares tensors number by number")
def looked_up_in_a_list(net, optimizer):
    held = [*held_by(optimizer)]
    return [name for name, p in net.named_parameters() if p not in held]


@wrong("3.4", "you named nothing. The optimizer does not hold hidden[0]")
def registered_only(net, optimizer):
    held = set(held_by(optimizer))
    return [name for name, p in net.named_parameters() if p not in held]


@wrong("3.4", "are called hidden[0] and hidden[1]")
def other_names(net, optimizer):
    lists = {k: v for k, v in vars(net).items() if isinstance(v, list)}
    return registered_only(net, optimizer) + list(lists)


@wrong("3.4", "The optimizer holds hidden[0], and hidden[0] requires a gradient")
def all_in_lists(net, optimizer):
    in_lists = [f"hidden[{i}]" for i in range(len(getattr(net, "hidden", [])))]
    return registered_only(net, optimizer) + in_lists


@wrong(
    "3.4", "two groups of the optimizer together hold all Parameters; you named W2, b2"
)
def first_group(net, optimizer):
    held = set(optimizer.param_groups[0]["params"])
    tensors = dict(net.named_parameters())
    tensors |= {f"hidden[{i}]": p for i, p in enumerate(getattr(net, "hidden", []))}
    return [name for name, p in tensors.items() if p not in held]


@wrong("3.4", "W1 requires no gradient, so it stays")
def forgets_frozen(net, optimizer):
    held = set(held_by(optimizer))
    tensors = dict(net.named_parameters())
    tensors |= {f"hidden[{i}]": p for i, p in enumerate(getattr(net, "hidden", []))}
    return [name for name, p in tensors.items() if p not in held]


@wrong("3.4", "you named nothing. The optimizer does not hold 0.bias")
def its_own_only(net, optimizer):
    held = {id(p) for p in held_by(optimizer) if p.requires_grad}
    tensors = {n: p for n, p in net._parameters.items() if p is not None}
    tensors |= {f"hidden[{i}]": p for i, p in enumerate(getattr(net, "hidden", []))}
    return [name for name, p in tensors.items() if id(p) not in held]


@wrong("3.4", "you named W1 more than once")
def two_lists(net, optimizer):
    frozen = [name for name, p in net.named_parameters() if not p.requires_grad]
    return forgets_frozen(net, optimizer) + frozen


@wrong("3.4", "the other three; you named nothing")
def frozen_or_not_held_but_not_both(net, optimizer):
    held = set(held_by(optimizer))
    tensors = dict(net.named_parameters())
    tensors |= {f"hidden[{i}]": p for i, p in enumerate(getattr(net, "hidden", []))}
    return [n for n, p in tensors.items() if (p in held) != p.requires_grad]


@wrong("3.4", "return a list of names")
def the_tensors(net, optimizer):
    held = set(held_by(optimizer))
    return [p for p in net.parameters() if p in held]


@wrong("3.4", "changed its input net: its numbers")
def by_a_step(net, optimizer):
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    return [name for name, p in net.named_parameters() if torch.equal(p, before[name])]


@wrong("3.4", "raised RuntimeError at `return [n for n, p in net.named_parameters() if")
def compares_with_in(net, optimizer):
    held = held_by(optimizer)
    return [n for n, p in net.named_parameters() if p not in held]


@wrong("3.4", "and I froze one; you named nothing. hidden[1] requires no gradient")
def frozen_in_a_list(net, optimizer):
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    named = {n: p for n, p in net.named_parameters() if p.requires_grad}
    frozen = [n for n, p in net.named_parameters() if not p.requires_grad]
    for name, value in vars(net).items():
        if isinstance(value, list):
            named |= {f"{name}[{i}]": p for i, p in enumerate(value)}
    return frozen + [n for n, p in named.items() if id(p) not in held]


@wrong("3.4", "you named num_batches_tracked, which is a buffer and no Parameter")
def buffers_too(net, optimizer):
    buffers = [name for name, _ in net.named_buffers()]
    return [*with_is(net, optimizer), *buffers]


@wrong("3.4", "The optimizer does not hold rest[0]")
def only_net_hidden(net, optimizer):
    named = dict(net.named_parameters())
    named |= {f"hidden[{i}]": p for i, p in enumerate(getattr(net, "hidden", []))}
    learn = {id(p) for p in held_by(optimizer) if p.requires_grad}
    return [name for name, p in named.items() if id(p) not in learn]


@wrong("3.4", "your function changed the optimizer")
def stops_the_optimizer(net, optimizer):
    optimizer.param_groups[0]["lr"] = 0.0
    return by_the_xray(net, optimizer)


# --- 3.5


def biases(means):
    return -means.square().sum(1) / 2


@right("3.5")
def through_data(net, means):
    net.W1.data = means.T.clone()
    net.b1.data = biases(means)
    net.W2.data = torch.eye(10)
    net.b2.data = torch.zeros(10)


@right("3.5")
def by_load_state_dict(net, means):
    W2, b2 = torch.eye(10), torch.zeros(10)
    net.load_state_dict({"W1": means.T, "b1": biases(means), "W2": W2, "b2": b2})


@right("3.5")
@torch.no_grad()
def column_by_column(net, means):
    nn.init.zeros_(net.W2)
    nn.init.zeros_(net.b2)
    for k, mean in enumerate(means):
        net.W1[:, k] = mean
        net.b1[k] = -0.5 * mean @ mean
        net.W2[k, k] = 1


@wrong("3.5", "net.W1 is another tensor after your function")
def new_parameters(net, means):
    net.W1 = nn.Parameter(means.T.clone())
    net.b1 = nn.Parameter(biases(means))
    net.W2 = nn.Parameter(torch.eye(10))
    net.b2 = nn.Parameter(torch.zeros(10))


@wrong("3.5", "raised RuntimeError at `net.W1.copy_(means.T)`: a leaf that")
def without_no_grad(net, means):
    net.W1.copy_(means.T)


@wrong("3.5", "raised TypeError at `net.W1 = means.T`")
def a_plain_tensor(net, means):
    net.W1 = means.T


@wrong("3.5", "raised RuntimeError at `net.W1.copy_(means)`")
def without_transposing(net, means):
    with torch.no_grad():
        net.W1.copy_(means)


@wrong("3.5", "no longer requires a gradient")
def freezes_them(net, means):
    net.requires_grad_(False)
    column_by_column(net, means)


@wrong("3.5", "no number of net.W1 has changed")
def leaves_W1(net, means):
    net.b1.data.copy_(biases(means))


@wrong("3.5", "net.b1 was of type torch.float32, and after your function")
def b1_in_double(net, means):
    through_data(net, means)
    net.b1.data = biases(means.double())


@wrong("3.5", "only gives a name")
def a_local_name(net, means):
    W1, b1 = net.W1, net.b1
    W1, b1 = means.T, biases(means)  # noqa: F841


@wrong("3.5", "plus what was there before")
def adds(net, means):
    through_data(net, means + torch.zeros(1))
    net.W1.data += type(net)(12, 10, 10, seed=5).W1.data


@wrong("3.5", "had the shape (12, 10), and after your function it has (10, 12)")
def another_shape(net, means):
    net.W1.data = means.clone()


@wrong("3.5", "of W1 should be mean")
def upside_down(net, means):
    net.W1.data = means.flip(0).T.clone()


@wrong("3.5", "they do not turn rows into columns")
def reshapes(net, means):
    net.W1.data.copy_(means.reshape(len(net.W1), 10))


@wrong("3.5", "b1 is still zero")
def leaves_b1(net, means):
    net.W1.data.copy_(means.T)
    net.W2.data.copy_(torch.eye(10))


@wrong("3.5", "the sign of b1 is wrong")
def a_bonus(net, means):
    through_data(net, means)
    net.b1.data.neg_()


@wrong("3.5", "b1 is too low by a factor of two")
def without_half(net, means):
    through_data(net, means)
    net.b1.data *= 2


@wrong("3.5", "should be minus half of the sum of the squares in mean")
def the_length(net, means):
    through_data(net, means)
    net.b1.data = -means.norm(dim=1)


@wrong("3.5", "W2 should be the identity matrix")
def leaves_W2(net, means):
    net.W1.data.copy_(means.T)
    net.b1.data.copy_(biases(means))


@wrong("3.5", "b2[0] is 0.30, as it was")
def leaves_b2(net, means):
    leaves_W2(net, means)
    net.W2.data.copy_(torch.eye(10))


@wrong("3.5", "shares its memory with means")
def shares_memory(net, means):
    through_data(net, means)
    net.W1.data = means.T


@wrong("3.5", "b2 should be zero, but b2[3] is -2.95.")
def b2_is_b1(net, means):
    through_data(net, means)
    net.b2.data = net.b1.data
