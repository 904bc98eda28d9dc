"""`as_code`: a run as the few lines of plain PyTorch that reproduce it."""

import ast
import contextlib
import inspect
import linecache
import symtable
import sys
import textwrap
from types import FunctionType, ModuleType

from helpers.given import require_kind
from helpers.language import tr
from helpers.model import hidden_widths
from helpers.training import OPTIMIZERS, Config, Run, as_word

SCRIPT = """\
{imports}

{own_code}data = load_fashion_mnist({root}){last}{on}
X, y = data.train.images{view}, data.train.labels
torch.manual_seed({seed})
{masks}{model}optimizer = {optimizer}
order = torch.Generator().manual_seed({seed})
losses = []
{schedule}for epoch in range({num_epochs}):
    for batch in torch.randperm(len(X), generator=order){on}.split({batch_size}):
{set_lr}{step}"""
STEP = """\
        loss = nn.functional.cross_entropy(net(X[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
"""
OWN_STEP = """\
        loss = {step}(net, optimizer, X[batch], y[batch])
        losses.append({loss})
"""
OWN_NET = "net = {net}({arguments}){on}\n"
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
LR_CHANGES = "lr_changes = {lr_changes}  # " + tr("after so many steps: lr") + "\n"
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
IMPORTED = {"torch": "torch", "nn": "torch.nn"}
LIBRARIES = ("torch", "torchvision", "helpers")

NO_SOURCE = tr(
    "The source of {name} can't be found; write it with def in a cell of its own."
)
NAME_TAKEN = tr("Rename {name} in your code: the script needs that name itself.")
NOT_PLAIN = tr(
    "Your code uses {name}, which can't be written into a script; use only "
    "numbers, text, modules and functions that you defined with def."
)
NOT_A_RUN = tr("as_code needs a Config, or what train returned; you gave {found}.")


def as_code(run_or_config: Run | Config) -> str:
    """The script that repeats a run's losses, to the bit.

    run_or_config: a `Config` (for Fashion-MNIST: 784 inputs, 10 outputs), or what
    `train` returned, whose changes of lr the script then repeats. The script imports
    nothing of the course but the data, leaves the loss of every step in `losses`, and
    has at most 35 lines and a learner's own code. Raises TypeError for anything else,
    ValueError for an own init without source or with more than can be written down.
    """
    require_kind(isinstance(run_or_config, (Run, Config)), NOT_A_RUN, run_or_config)
    if isinstance(run_or_config, Run):
        config, run = run_or_config.config, run_or_config
        data, lr_changes = run.data, dict(run.lr_changes[1:])
    else:
        config, run, data, lr_changes = run_or_config, None, None, {}
    on = "" if config.device == "cpu" else f'.to("{config.device}")'
    if config.own:
        parts, own_code = _own_parts(run, on), _own_code(config)
    else:
        own_code = [config.init] if callable(config.init) else []
        parts = _course_parts(config, run, on)
    schedule, set_lr = _schedule(config, lr_changes)
    parts |= {
        "imports": "import math\n" * (config.lr_schedule == "cosine") + IMPORTS,
        "root": '"sample"' if data and data.source == "sample" else "",
        "last": ".for_the_test()" if data and data.tests else "",
        **{"on": on, "seed": config.seed, "schedule": schedule, "set_lr": set_lr},
        **{"num_epochs": config.num_epochs, "batch_size": config.batch_size},
    }
    taken = _bound_names(SCRIPT.format(own_code="", **parts))
    defined = [_definitions(thing, taken) for thing in own_code]
    return SCRIPT.format(own_code="".join(f"{one}\n\n" for one in defined), **parts)


def _course_parts(config, run, on):
    if run:
        widths = run.net.widths
    else:
        widths = 784, *hidden_widths(config.num_hiddens, config.num_layers), 10
    return {
        "view": "",
        "masks": MASKS.format(seed=config.seed) if config.dropout else "",
        "model": _model(config, widths, on),
        "optimizer": _optimizer(config, "params"),
        "step": STEP,
    }


def _own_parts(run, on):
    """Of a run that trains a learner's net, maybe with a learner's step."""
    config, trainee = run.config, run.trainee
    images = run.data.train.images
    values = config.call(images.shape[1], len(run.data.class_names))
    arguments = [
        f"{name}={as_word(value) if callable(value) else repr(value)}"
        for name, value in values.items()
    ]
    as_pictures = trainee.shape != images.shape[1:]
    step = STEP
    if config.own_step:
        step = OWN_STEP.format(
            step=config.own_step.__name__, loss=trainee.loss_code or "float(loss)"
        )
    net, has_optimizer = as_word(config.make), trainee.optimizer is not None
    return {
        "view": f".view{(-1, *trainee.shape)}" if as_pictures else "",
        "masks": trainee.seed_code,
        "model": OWN_NET.format(net=net, arguments=", ".join(arguments), on=on),
        "optimizer": _optimizer(config, "net.parameters()") if has_optimizer else None,
        "step": step,
    }


def _own_code(config):
    """What the script has to define: the net, the step, and what was chosen."""
    chosen = [getattr(config, name) for name in config.arguments]
    return [one for one in (config.make, config.own_step, *chosen) if callable(one)]


def _bound_names(script):
    """The names that a script gives a value."""
    try:
        names = symtable.symtable(script, "script", "exec").get_symbols()
    except SyntaxError:  # it calls a <lambda>, which is refused in any case
        return set()
    return {one.get_name() for one in names if one.is_assigned() or one.is_imported()}


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


def _optimizer(config, params):
    options = [f"lr={config.lr}"]
    if config.momentum:
        options += [f"momentum={config.momentum}"]
    # AdamW's own default is 0.01, so it is always written out.
    if config.weight_decay or config.optimizer == "adamw":
        options += [f"weight_decay={config.weight_decay}"]
    name = OPTIMIZERS[config.optimizer].__name__
    return f"torch.optim.{name}({params}, {', '.join(options)})"


def _definitions(thing, taken, known=()):
    """The source that defines a function or class, and every name of the learner's
    that it uses."""
    thing = inspect.unwrap(thing)  # under a decorator such as no_grad
    name = getattr(thing, "__name__", repr(thing))
    if not isinstance(thing, (FunctionType, type)) or name == "<lambda>":
        raise ValueError(NO_SOURCE.format(name=name))
    if (thing.__module__ or "").partition(".")[0] in LIBRARIES:
        return f"from {thing.__module__} import {name}"
    source = _source(thing)
    scope = _scope(thing)
    used = _global_names(source) & scope.keys() - {name, *known}
    for other in {name, *used} & taken:
        # What the script imports itself may be used, such as torch.
        if IMPORTED.get(other) != getattr(scope.get(other), "__name__", ""):
            raise ValueError(NAME_TAKEN.format(name=other))
    lines = []
    for other in sorted(used):
        value = scope[other]
        if isinstance(value, float):  # NumPy's own is written as np.float64(0.1)
            value = float(value)
        if isinstance(value, ModuleType):
            if IMPORTED.get(other) != value.__name__:
                lines += [f"import {value.__name__} as {other}"]
        elif _is_literal(value):
            lines += [f"{other} = {value!r}"]
        elif getattr(value, "__module__", None) == thing.__module__:
            lines += [_definitions(value, taken, {name, *known})]
        elif getattr(value, "__module__", None) and hasattr(value, "__qualname__"):
            lines += [f"from {value.__module__} import {value.__qualname__} as {other}"]
        else:
            raise ValueError(NOT_PLAIN.format(name=other))
    return "\n".join([*lines, source])


def _source(thing):
    """Of a function or class; of a class in a notebook's cell, through its methods."""
    with contextlib.suppress(OSError, TypeError):
        return textwrap.dedent(inspect.getsource(thing)).rstrip()
    for method in vars(thing).values() if isinstance(thing, type) else ():
        if not isinstance(method, FunctionType):
            continue
        text = "".join(linecache.getlines(method.__code__.co_filename))
        with contextlib.suppress(SyntaxError):
            for node in ast.walk(ast.parse(text)):
                first = method.__code__.co_firstlineno
                if isinstance(node, ast.ClassDef) and node.name == thing.__name__:
                    if node.lineno <= first <= node.end_lineno:
                        return textwrap.dedent(_lines(text, node))
    raise ValueError(NO_SOURCE.format(name=thing.__name__))


def _lines(text, node):
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def _scope(thing):
    """What the names in a function or class stand for."""
    functions = [thing] if isinstance(thing, FunctionType) else vars(thing).values()
    scope = vars(sys.modules[thing.__module__]).copy()
    for function in functions:
        if isinstance(function, FunctionType):
            scope |= function.__globals__ | inspect.getclosurevars(function).nonlocals
    return scope


def _global_names(source):
    """The names that `source` takes from outside, not its own local ones."""
    tables, names = [symtable.symtable(source, "source", "exec")], set()
    for table in tables:
        tables += table.get_children()
        names |= {s.get_name() for s in table.get_symbols() if s.is_global()}
    return names


def _is_literal(value):
    try:
        return ast.literal_eval(repr(value)) == value
    except (ValueError, SyntaxError):
        return False
