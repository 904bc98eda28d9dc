"""`as_code`: a run as the few lines of plain PyTorch that reproduce it."""

import ast
import inspect
import symtable
import textwrap
from types import FunctionType, ModuleType

from helpers.training import Config, Run

WEIGHT = {
    "normal": "torch.randn({n_in}, {n_out}) * {sigma}",
    "xavier": "torch.randn({n_in}, {n_out}) * (2 / ({n_in} + {n_out})) ** 0.5",
    "kaiming": "torch.randn({n_in}, {n_out}) * (2 / {n_in}) ** 0.5",
    "constant": "torch.full(({n_in}, {n_out}), {sigma})",
    "zeros": "torch.zeros({n_in}, {n_out})",
}
OPTIMIZER = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}
TAKEN = {
    *("load_fashion_mnist", "data", "X", "y", "W1", "b1", "W2", "b2", "params", "net"),
    *("widths", "linear", "linear1", "linear2", "optimizer", "order", "losses"),
    *("lr", "masks", "lr_changes", "num_steps", "done", "epoch", "batch", "loss"),
    *("n_in", "n_out", "W", "b", "hidden"),
}  # what the script itself gives a value
IMPORTED = {"torch": "torch", "nn": "torch.nn"}

NO_SOURCE = (
    "The source of your init function {name} can't be found; write it with def in a "
    "cell of its own, run the cell, and ask again."
)
NAME_TAKEN = (
    "Your init function or something it uses is called {name}, a name that the script "
    "needs itself; call it something else."
)
NOT_PLAIN = (
    "Your init function uses {name}, which can't be written into a script; use only "
    "numbers, text, modules and functions that you defined with def."
)
NOT_A_RUN = (
    "as_code needs a Config or what train(config, data) returned; you gave {found}."
)


def as_code(run_or_config):
    """The script (str) that repeats a run's losses, to the bit.

    run_or_config: a `Config` (for Fashion-MNIST: 784 inputs, 10 outputs), or
    what `train` returned, whose changes of lr the script then repeats. The
    script imports nothing of the course but the data, leaves the loss of every
    step in `losses`, and has at most 35 lines; a learner's own init function
    adds its own.

    Raises TypeError for anything else, ValueError where the source of a
    learner's own init can't be found or uses more than can be written down.
    """
    if isinstance(run_or_config, Run):
        config, lr_changes = run_or_config.config, dict(run_or_config.lr_changes[1:])
        num_inputs, *widths, num_outputs = run_or_config.net.widths
    elif isinstance(run_or_config, Config):
        config, lr_changes, num_inputs, num_outputs = run_or_config, {}, 784, 10
        widths = config.num_hiddens
        if isinstance(widths, int):
            widths = [widths] * config.num_layers
    else:
        raise TypeError(NOT_A_RUN.format(found=type(run_or_config).__name__))
    data = getattr(run_or_config, "data", None)
    root = '"sample"' if getattr(data, "source", None) == "sample" else ""
    last = ".for_the_test()" if getattr(data, "tests", False) else ""
    on = "" if config.device == "cpu" else f'.to("{config.device}")'
    falls = config.lr_schedule == "cosine"
    lines = ["import math"] if falls else []
    lines += ["import torch", "from torch import nn"]
    lines += ["from helpers import load_fashion_mnist", ""]
    if callable(config.init):
        lines += [*_definitions(config.init), ""]
    lines += [f"data = load_fashion_mnist({root}){last}{on}"]
    lines += ["X, y = data.train.images, data.train.labels"]
    lines += [f"torch.manual_seed({config.seed})"]
    if config.dropout:
        lines += [f"masks = torch.Generator().manual_seed({config.seed})"]
    if len(widths) == 1:
        lines += _one_hidden_layer(config, num_inputs, *widths, num_outputs, on)
    else:
        lines += _many_layers(config, [num_inputs, *widths, num_outputs], on)
    lines += [f"optimizer = torch.optim.{_optimizer(config)}"]
    lines += [f"order = torch.Generator().manual_seed({config.seed})", "losses = []"]
    if lr_changes:
        lines += [f"lr_changes = {lr_changes}  # after so many steps: lr"]
    if falls:
        steps = f"{config.num_epochs} * math.ceil(len(X) / {config.batch_size})"
        lines += [f"lr, num_steps = {config.lr}, {steps}"]
    lines += [f"for epoch in range({config.num_epochs}):"]
    shuffled = f"torch.randperm(len(X), generator=order){on}"
    lines += [f"    for batch in {shuffled}.split({config.batch_size}):"]
    if falls:
        if lr_changes:
            lines += ["        lr = lr_changes.get(len(losses), lr)"]
        lines += ["        done = math.pi * len(losses) / num_steps"]
        falling = 'optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(done)) / 2'
        lines += [f"        {falling}"]
    elif lr_changes:
        lines += ["        if len(losses) in lr_changes:"]
        change = 'optimizer.param_groups[0]["lr"] = lr_changes[len(losses)]'
        lines += [f"            {change}"]
    lines += ["        loss = nn.functional.cross_entropy(net(X[batch]), y[batch])"]
    lines += ["        optimizer.zero_grad()", "        loss.backward()"]
    lines += ["        optimizer.step()", "        losses.append(loss.item())"]
    return "\n".join(lines) + "\n"


def _weight(config, n_in, n_out, on):
    if callable(config.init):
        drawn = f"{config.init.__name__}({n_in}, {n_out}).float().contiguous()"
    else:
        drawn = WEIGHT[config.init].format(n_in=n_in, n_out=n_out, sigma=config.sigma)
    return f"nn.Parameter(({drawn}){on})" if on else f"nn.Parameter({drawn})"


def _one_hidden_layer(config, num_inputs, num_hiddens, num_outputs, on):
    lines = []
    sizes = [(num_inputs, num_hiddens), (num_hiddens, num_outputs)]
    if config.init == "default":
        linears = ", ".join(f"nn.Linear({n_in}, {n_out})" for n_in, n_out in sizes)
        lines += [f"linear1, linear2 = {linears}"]
    for i, (n_in, n_out) in enumerate(sizes, start=1):
        if config.init == "default":
            weight, bias = f"linear{i}.weight.T.contiguous()", f"linear{i}.bias"
            lines += [f"W{i} = nn.Parameter({weight}{on})"]
            lines += [f"b{i} = nn.Parameter({bias}{on})"]
        else:
            lines += [f"W{i} = {_weight(config, n_in, n_out, on)}"]
            lines += [f"b{i} = nn.Parameter(torch.zeros({n_out}){on})"]
    lines += ["params = [W1, b1, W2, b2]", "def net(X):"]
    lines += [f"    hidden = torch.{config.activation}(X @ W1 + b1)"]
    if config.dropout:
        lines += [f"    hidden = {_dropped('hidden', config.dropout, on)}"]
    return lines + ["    return hidden @ W2 + b2"]


def _many_layers(config, widths, on):
    lines = [f"widths = {widths}", "params = []"]
    lines += ["for n_in, n_out in zip(widths, widths[1:]):"]
    if config.init == "default":
        lines += ["    linear = nn.Linear(n_in, n_out)"]
        lines += [f"    params += [nn.Parameter(linear.weight.T.contiguous(){on})]"]
        lines += [f"    params += [nn.Parameter(linear.bias{on})]"]
    else:
        lines += [f"    params += [{_weight(config, 'n_in', 'n_out', on)}]"]
        lines += [f"    params += [nn.Parameter(torch.zeros(n_out){on})]"]
    lines += ["def net(X):"]
    lines += ["    for W, b in zip(params[:-2:2], params[1:-2:2]):"]
    lines += [f"        X = torch.{config.activation}(X @ W + b)"]
    if config.dropout:
        lines += [f"        X = {_dropped('X', config.dropout, on)}"]
    return lines + ["    return X @ params[-2] + params[-1]"]


def _dropped(name, dropout, on):
    kept = f"(torch.rand({name}.shape, generator=masks) > {dropout}){on}"
    return f"{name} * {kept} / (1 - {dropout})"


def _optimizer(config):
    options = [f"lr={config.lr}"]
    if config.momentum:
        options += [f"momentum={config.momentum}"]
    # AdamW's own default is 0.01, so it is always written out.
    if config.weight_decay or config.optimizer == "adamw":
        options += [f"weight_decay={config.weight_decay}"]
    return f"{OPTIMIZER[config.optimizer]}(params, {', '.join(options)})"


def _definitions(function, known=()):
    """The lines that define `function` and every name of the learner's it uses."""
    function = inspect.unwrap(function)  # under a decorator such as no_grad
    name = getattr(function, "__name__", repr(function))
    if not isinstance(function, FunctionType) or name == "<lambda>":
        raise ValueError(NO_SOURCE.format(name=name))
    try:
        source = textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError):
        raise ValueError(NO_SOURCE.format(name=name)) from None
    scope = function.__globals__ | inspect.getclosurevars(function).nonlocals
    used = _global_names(source) & scope.keys() - {name, *known}
    for other in {name, *used} & TAKEN:
        raise ValueError(NAME_TAKEN.format(name=other))
    lines = []
    for other in sorted(used):
        value = scope[other]
        if isinstance(value, ModuleType):
            if IMPORTED.get(other) != value.__name__:
                lines += [f"import {value.__name__} as {other}"]
        elif _is_literal(value := float(value) if isinstance(value, float) else value):
            lines += [f"{other} = {value!r}"]
        elif getattr(value, "__module__", None) == function.__module__:
            lines += _definitions(value, {name, *known})
        elif getattr(value, "__module__", None) and hasattr(value, "__qualname__"):
            lines += [f"from {value.__module__} import {value.__qualname__} as {other}"]
        else:
            raise ValueError(NOT_PLAIN.format(name=other))
    return lines + source.splitlines()


def _global_names(source):
    """The names that `source` takes from outside, not its own local ones."""
    tables, names = [symtable.symtable(source, "init", "exec")], set()
    for table in tables:
        tables += table.get_children()
        names |= {s.get_name() for s in table.get_symbols() if s.is_global()}
    return names


def _is_literal(value):
    try:
        return ast.literal_eval(repr(value)) == value
    except (ValueError, SyntaxError):
        return False
