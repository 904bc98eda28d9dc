"""`as_code`: a run as the few lines of plain PyTorch that reproduce it."""

import ast
import inspect
import symtable
import textwrap
from types import FunctionType, ModuleType

from helpers.model import hidden_widths
from helpers.training import OPTIMIZERS, Config, Run

SCRIPT = """\
{imports}

{own_init}data = load_fashion_mnist({root}){last}{on}
X, y = data.train.images, data.train.labels
torch.manual_seed({seed})
{masks}{model}optimizer = torch.optim.{optimizer}
order = torch.Generator().manual_seed({seed})
losses = []
{schedule}for epoch in range({num_epochs}):
    for batch in torch.randperm(len(X), generator=order){on}.split({batch_size}):
{set_lr}        loss = nn.functional.cross_entropy(net(X[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
"""
IMPORTS = "import torch\nfrom torch import nn\nfrom helpers import load_fashion_mnist"
MASKS = "masks = torch.Generator().manual_seed({seed})\n"
LINEARS = (
    "linear1, linear2 = nn.Linear({n_in}, {n_hidden}), nn.Linear({n_hidden}, {n_out})\n"
)
ONE_HIDDEN_LAYER = """\
{linears}W1 = nn.Parameter({W1})
b1 = nn.Parameter({b1})
W2 = nn.Parameter({W2})
b2 = nn.Parameter({b2})
params = [W1, b1, W2, b2]
def net(X):
    hidden = torch.{activation}(X @ W1 + b1)
{dropout}    return hidden @ W2 + b2
"""
MORE_HIDDEN_LAYERS = """\
widths = {widths}
params = []
for n_in, n_out in zip(widths, widths[1:]):
{linear}    params += [nn.Parameter({W})]
    params += [nn.Parameter({b})]
def net(X):
    for W, b in zip(params[:-2:2], params[1:-2:2]):
        X = torch.{activation}(X @ W + b)
{dropout}    return X @ params[-2] + params[-1]
"""
LR_CHANGES = "lr_changes = {lr_changes}  # after so many steps: lr\n"
NUM_STEPS = "lr, num_steps = {lr}, {num_epochs} * math.ceil(len(X) / {batch_size})\n"
CHANGE_LR = """\
        if len(losses) in lr_changes:
            optimizer.param_groups[0]["lr"] = lr_changes[len(losses)]
"""
CHANGE_FALLING_LR = "        lr = lr_changes.get(len(losses), lr)\n"
LET_LR_FALL = """\
        done = math.pi * len(losses) / num_steps
        optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(done)) / 2
"""
WEIGHT = {
    "normal": "torch.randn({n_in}, {n_out}) * {sigma}",
    "xavier": "torch.randn({n_in}, {n_out}) * (2 / ({n_in} + {n_out})) ** 0.5",
    "kaiming": "torch.randn({n_in}, {n_out}) * (2 / {n_in}) ** 0.5",
    "constant": "torch.full(({n_in}, {n_out}), {sigma})",
    "zeros": "torch.zeros({n_in}, {n_out})",
}
TAKEN = {  # what the script itself gives a value
    *"load_fashion_mnist data X y W1 b1 W2 b2 W b params net widths hidden".split(),
    *"linear linear1 linear2 n_in n_out optimizer order losses loss masks".split(),
    *"lr lr_changes num_steps done epoch batch".split(),
}
IMPORTED = {"torch": "torch", "nn": "torch.nn"}

NO_SOURCE = (
    "The source of {name} can't be found; write it with def in a cell of its own."
)
NAME_TAKEN = "Rename {name} in your init function: the script needs that name itself."
NOT_PLAIN = (
    "Your init function uses {name}, which can't be written into a script; use only "
    "numbers, text, modules and functions that you defined with def."
)
NOT_A_RUN = "as_code needs a Config, or what train returned; you gave {found}."


def as_code(run_or_config: Run | Config) -> str:
    """The script that repeats a run's losses, to the bit.

    run_or_config: a `Config` (for Fashion-MNIST: 784 inputs, 10 outputs), or what
    `train` returned, whose changes of lr the script then repeats. The script imports
    nothing of the course but the data, leaves the loss of every step in `losses`, and
    has at most 35 lines and a learner's own init. Raises TypeError for anything else,
    ValueError for an own init without source or with more than can be written down.
    """
    if isinstance(run_or_config, Run):
        config, widths = run_or_config.config, run_or_config.net.widths
        data, lr_changes = run_or_config.data, dict(run_or_config.lr_changes[1:])
    elif isinstance(run_or_config, Config):
        config, data, lr_changes = run_or_config, None, {}
        widths = 784, *hidden_widths(config.num_hiddens, config.num_layers), 10
    else:
        raise TypeError(NOT_A_RUN.format(found=type(run_or_config).__name__))
    on = "" if config.device == "cpu" else f'.to("{config.device}")'
    own_init = _definitions(config.init) + "\n\n" if callable(config.init) else ""
    schedule, set_lr = _schedule(config, lr_changes)
    return SCRIPT.format(
        imports="import math\n" * (config.lr_schedule == "cosine") + IMPORTS,
        own_init=own_init,
        root='"sample"' if data and data.source == "sample" else "",
        last=".for_the_test()" if data and data.tests else "",
        on=on,
        seed=config.seed,
        masks=MASKS.format(seed=config.seed) if config.dropout else "",
        model=_model(config, widths, on),
        optimizer=_optimizer(config),
        schedule=schedule,
        num_epochs=config.num_epochs,
        batch_size=config.batch_size,
        set_lr=set_lr,
    )


def _model(config, widths, on):
    """The lines that make the parameters and define `net`."""
    linear = config.init == "default"
    if len(widths) > 3:
        W, b = _first_values(config, "n_in", "n_out", "linear", on)
        return MORE_HIDDEN_LAYERS.format(
            **{"widths": list(widths), "activation": config.activation, "W": W, "b": b},
            linear="    linear = nn.Linear(n_in, n_out)\n" if linear else "",
            dropout=_dropout("X", config.dropout, "        ", on),
        )
    n_in, n_hidden, n_out = widths
    W1, b1 = _first_values(config, n_in, n_hidden, "linear1", on)
    W2, b2 = _first_values(config, n_hidden, n_out, "linear2", on)
    linears = LINEARS.format(n_in=n_in, n_hidden=n_hidden, n_out=n_out)
    return ONE_HIDDEN_LAYER.format(
        **{"W1": W1, "b1": b1, "W2": W2, "b2": b2, "activation": config.activation},
        linears=linears if linear else "",
        dropout=_dropout("hidden", config.dropout, "    ", on),
    )


def _first_values(config, n_in, n_out, linear, on):
    """The expressions for a layer's first weights and biases."""
    if config.init == "default":
        return f"{linear}.weight.T.contiguous(){on}", f"{linear}.bias{on}"
    if callable(config.init):
        drawn = f"{config.init.__name__}({n_in}, {n_out}).float().contiguous()"
    else:
        drawn = WEIGHT[config.init].format(n_in=n_in, n_out=n_out, sigma=config.sigma)
    return f"({drawn}){on}" if on else drawn, f"torch.zeros({n_out}){on}"


def _dropout(name, share, indent, on):
    """The line that sets some hidden units to zero, if any."""
    if not share:
        return ""
    kept = f"(torch.rand({name}.shape, generator=masks) > {share}){on}"
    return f"{indent}{name} = {name} * {kept} / (1 - {share})\n"


def _schedule(config, lr_changes):
    """The lines that change the step size: those before the loop, those in it."""
    before = LR_CHANGES.format(lr_changes=lr_changes) if lr_changes else ""
    if config.lr_schedule == "constant":
        return before, CHANGE_LR if lr_changes else ""
    before += NUM_STEPS.format(**vars(config))
    return before, (CHANGE_FALLING_LR if lr_changes else "") + LET_LR_FALL


def _optimizer(config):
    options = [f"lr={config.lr}"]
    if config.momentum:
        options += [f"momentum={config.momentum}"]
    # AdamW's own default is 0.01, so it is always written out.
    if config.weight_decay or config.optimizer == "adamw":
        options += [f"weight_decay={config.weight_decay}"]
    return f"{OPTIMIZERS[config.optimizer].__name__}(params, {', '.join(options)})"


def _definitions(function, known=()):
    """The source that define `function` and every name of the learner's it uses."""
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
            lines += [_definitions(value, {name, *known})]
        elif getattr(value, "__module__", None) and hasattr(value, "__qualname__"):
            lines += [f"from {value.__module__} import {value.__qualname__} as {other}"]
        else:
            raise ValueError(NOT_PLAIN.format(name=other))
    return "\n".join([*lines, source])


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
