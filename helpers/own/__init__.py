"""A learner's own net, and own step, in place of the course's: as a kind of `Config`.

The arguments of the function or class that makes the net are fields of that Config.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import fields, make_dataclass
from typing import Any

from torch import nn

from helpers import model
from helpers.given import require_kind
from helpers.language import COMMA, tr
from helpers.own.trainee import OwnTrainee
from helpers.training import RULES, Config, as_word

FACTORS = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10)  # what a float's slider offers of its default
GIVEN = ("num_inputs", "num_outputs")  # arguments that the data decide
# Fields of Config that no net has to take: they say how it is trained.
OF_TRAINING = tuple(name for name in RULES if name not in model.RULES)

NOT_A_MAKER = tr(
    "net must make a new model for each run, so give a function or a class, such as "
    "net=MyNet without parentheses; you gave {found}."
)
NOT_A_STEP = tr("step must be a function of (net, optimizer, X, y); you gave {found}.")
NO_SIGNATURE = tr(
    "The arguments of {net} can't be read; write a function that calls it."
)
NO_DEFAULT = tr(
    "{net}'s argument {name} needs a default, such as {name}=3 for a slider, "
    "{name}=[1, 2] for a choice or {name}=True for a switch."
)
NO_CHOICE = tr("{net}'s {name} needs at least one choice in its list.")
NOT_A_WORD = tr("A choice of {net}'s {name} must be one word, not {value!r}.")
NOT_AN_OPTION = tr("{name} can't be {value}; it can be: {known}.")


def own_config(net: Callable | None, step: Callable | None = None) -> type[Config]:
    """The kind of `Config` that trains what `net` makes, by `step` if there is one.

    net: a function or class that makes an nn.Module; None: the course's MLP. An
    argument that Config knows is set as there; else its default decides: a number, a
    list to choose from, or True or False. step: (net, optimizer, X, y) -> loss. Raises
    TypeError or ValueError with one sentence for others.
    """
    if net is None and step is None:
        return Config
    net = model.MLP if net is None else net
    require_kind(callable(net) and not isinstance(net, nn.Module), NOT_A_MAKER, net)
    require_kind(step is None or callable(step), NOT_A_STEP, step)
    found, options, given = _read_arguments(net)
    return make_dataclass(
        "OwnConfig",
        [(name, _kind(value), value) for name, value in found.items()],
        bases=(_OwnConfig,),
        frozen=True,
        namespace={
            **{"make": staticmethod(net), "own_step": step and staticmethod(step)},
            **{"arguments": tuple(found), "given": tuple(given), "options": options},
            "shown": (*found, "lr"),
            "controls": (*(name for name in found if name != "device"), "lr"),
            "settable": tuple(dict.fromkeys((*found, *OF_TRAINING))),
            "rules": {n: rule for n, rule in RULES.items() if n not in options},
            "__str__": Config.__str__,
        },
        repr=False,
    )


def _read_arguments(net):
    """{name: default} of those that are set; what the controls of some of them offer;
    and the names of those that the data decide."""
    try:
        signature = inspect.signature(net)
    except (TypeError, ValueError):
        raise ValueError(NO_SIGNATURE.format(net=as_word(net))) from None
    found, options, given = {}, {}, []
    for name, argument in signature.parameters.items():
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            continue
        if name in GIVEN:
            given.append(name)
            continue
        default = argument.default
        if _is_known(name, default):
            found[name] = (
                getattr(Config, name) if default is argument.empty else default
            )
        elif default is argument.empty:
            raise ValueError(NO_DEFAULT.format(net=as_word(net), name=name))
        elif isinstance(default, (bool, int, float, list, tuple)):
            if name in OF_TRAINING:  # the run needs it too
                model.check_values(RULES, **{name: default})
            options[name] = _options(as_word(net), name, default)
            is_list = isinstance(default, (list, tuple))
            found[name] = default[0] if is_list else default
        # else it keeps its default, such as None
    return found, options, given


def _is_known(name, default):
    """Whether Config has this argument, and allows its default."""
    rules = model.RULES | RULES
    if name not in {field.name for field in fields(Config)}:
        return False
    return default is inspect.Parameter.empty or rules[name][0](default)


def _options(net, name, default):
    """What the control of an argument offers."""
    if isinstance(default, (list, tuple)):
        if not default:
            raise ValueError(NO_CHOICE.format(net=net, name=name))
        for value in default:
            if len(as_word(value).replace(",", " ").split()) != 1:
                raise ValueError(NOT_A_WORD.format(net=net, name=name, value=value))
        return tuple(default)
    if isinstance(default, bool):
        return False, True
    if isinstance(default, float):
        most = 1 if 0 <= default < 1 else math.inf  # a share stays one
        values = {float(f"{(default or 1) * factor:.3g}") for factor in FACTORS}
        return tuple(sorted(value for value in values if value <= most))
    if 0 <= default <= 10:
        return tuple(range(min(default, 1), 11))
    steps = {int(default * 2.0**power) for power in range(-3, 4)}
    return tuple(sorted(steps))


def _kind(value):
    return type(value) if type(value) in (int, float) else object


class _OwnConfig(Config):
    """What the kinds of Config that `own_config` makes share."""

    trainee, own = OwnTrainee, True

    @classmethod
    def names(cls) -> list[str]:
        return list(cls.settable)

    def call(self, num_inputs: int, num_outputs: int) -> dict[str, Any]:
        """The arguments that the net is made with."""
        data = {"num_inputs": num_inputs, "num_outputs": num_outputs}
        values = {name: getattr(self, name) for name in self.arguments}
        return {name: data[name] for name in self.given} | values

    @classmethod
    def _read(cls, name, value, init):
        for option in cls.options.get(name, ()):
            if as_word(option) == value:
                return option
        if name in cls.options and _kind(getattr(cls, name)) is object:
            known = COMMA.join(map(as_word, cls.options[name]))
            raise ValueError(NOT_AN_OPTION.format(name=name, value=value, known=known))
        return super()._read(name, value, init)
