"""Training: a Config says what, `train` does it one step at a time.

`train` is a generator, for the notebooks, the live lab, sweeps and tests alike: its
consumer decides the pace, and stops by not asking for another step.
"""

import copy
import difflib
import math
import sys
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import optim
from torch.nn import functional as F

from helpers import model
from helpers.data import FashionMNIST, check_data
from helpers.given import (
    brief,
    check_begun,
    check_classes,
    check_labelled,
    require,
    require_kind,
    scores_of,
)
from helpers.language import COMMA, tr
from helpers.memory import check_room
from helpers.model import (
    MLP,
    SEED,
    SHARE,
    check_values,
    hidden_widths,
    is_count,
    is_number,
    layer_sizes,
    one_of,
)

OPTIMIZERS = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW}
LR_SCHEDULES = ("constant", "cosine")
SUBSET = 500  # pictures of train and of validation behind the curves
AT_ONCE = 2000  # pictures in a forward pass of `evaluate`


def _is_device(value):
    try:
        kind = torch.empty(0, device=value).device.type
        return isinstance(value, str) and kind != "meta"
    except Exception:  # of many kinds, by what this PyTorch was built for
        return False


SHARED_RULES = ("activation", "init", "sigma", "dropout")
RULES = {name: model.RULES[name] for name in SHARED_RULES} | {
    "lr": (
        lambda value: is_number(value, 100) and value > 0,
        tr("lr must be a number above 0 and at most 100, such as 0.1."),
    ),
    "batch_size": (
        lambda value: is_count(value, 65_536),
        tr("batch_size must be a whole number from 1 to 65,536, such as 256."),
    ),
    "num_epochs": (
        lambda value: is_count(value, 1000),
        tr("num_epochs must be a whole number from 1 to 1,000, such as 10."),
    ),
    "optimizer": one_of(OPTIMIZERS),
    "momentum": SHARE,
    "weight_decay": (
        lambda value: is_number(value, 10),
        tr("weight_decay must be a number from 0 to 10, such as 0.0001."),
    ),
    "lr_schedule": one_of(LR_SCHEDULES),
    "seed": SEED,
    "device": (
        _is_device,
        tr("device must be one that this PyTorch can use: 'cpu', or 'cuda' (NVIDIA)."),
    ),
}

MOMENTUM_WITHOUT_SGD = tr(
    "momentum={momentum} has no effect with optimizer={optimizer!r}, which has a "
    "momentum of its own; use optimizer='sgd' or leave momentum at 0."
)
NO_SUCH_FIELD = tr("There is no setting {name}; the settings are: {known}.")
NO_SUCH_FIELD_CLOSE = tr("There is no setting {name}; did you mean {close!r}?")
NOT_A_LINE = tr("Config.from_string needs text, such as 'lr=0.1'; you gave {found}.")
NOT_A_PAIR = tr("{part} isn't of the form name=value, as in 'num_hiddens=256 lr=0.1'.")
NOT_A_VALUE = tr("{name}={value} can't be read; write it like {name}={example}.")
OWN_INIT = tr(
    "init={value} is somebody's own function, and text can't hold a function; define "
    "it here and call Config.from_string(text, init={value})."
)
NOT_CONFIG = tr("train needs a Config first, such as Config(lr=0.1); you gave {found}.")
BAD_EVERY = tr(
    "eval_every must be a whole number from 1 up, or None; you gave {found}."
)
NOT_A_NET = tr("evaluate needs a net, which is an nn.Module; you gave {found}.")
DIVERGED = tr(
    "stopped at step {step:,}: the loss is {loss}, and training cannot recover; "
    "try a smaller lr or smaller initial weights"
)
DONE = tr("done after {step:,} steps, epochs: {epochs}")


class Trainee:
    """What a run of `config` trains: a net, its optimizer, and what a step does.

    shape: of one picture, as the net takes it. says: that in a sentence, if it is worth
    one. images: [N, num_inputs].
    """

    says = ""

    def __init__(
        self, config: "Config", images: torch.Tensor, num_outputs: int
    ) -> None:
        self.shape = images.shape[1:]
        self.net = self.make_net(config, images, num_outputs).to(config.device)
        self.optimizer = self.make_optimizer(config)

    @staticmethod
    def size(config: "Config", num_inputs: int, num_outputs: int) -> tuple[int, int]:
        """How many weights there will be, and how many values while one is computed."""
        hiddens = hidden_widths(config.num_hiddens, config.num_layers)
        sizes = layer_sizes((num_inputs, *hiddens, num_outputs))
        # Of a layer: its product, with the bias, and what the activation makes of it.
        forward = 3 * max(config.batch_size * sum(hiddens), AT_ONCE * max(hiddens))
        return sum(sizes), forward + 2 * max(sizes)

    def make_net(
        self, config: "Config", images: torch.Tensor, num_outputs: int
    ) -> torch.nn.Module:
        names = ("num_hiddens", "num_layers", "seed", *SHARED_RULES)
        options = {name: getattr(config, name) for name in names}
        return MLP(images.shape[1], num_outputs=num_outputs, **options)

    def make_optimizer(self, config: "Config") -> optim.Optimizer | None:
        options = {"lr": config.lr, "weight_decay": config.weight_decay}
        if config.optimizer == "sgd":
            options["momentum"] = config.momentum
        return OPTIMIZERS[config.optimizer](self.net.parameters(), **options)

    def step(self, X: torch.Tensor, y: torch.Tensor) -> float:
        """One step on a batch; returns its loss before the update."""
        loss = F.cross_entropy(self.net(X), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def state(self) -> dict[str, Any]:
        """A copy of what its next steps depend on: weights, momentum, chance."""
        net = {name: one.clone() for name, one in self.net.state_dict().items()}
        memory = copy.deepcopy(self.optimizer.state_dict())
        return {"net": net, "optimizer": memory, "chance": self.net.chance.get_state()}

    def load(self, state: dict[str, Any]) -> None:
        """Be as the trainee of the same Config was that had this state."""
        self.net.load_state_dict(state["net"])
        # It keeps what it is given.
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        self.net.chance.set_state(state["chance"])


@dataclass(frozen=True)
class Config:
    """One setting of the model and its training.

    num_hiddens, num_layers, activation, init, sigma and dropout are those of
    `MLP`. lr: step size. batch_size: pictures a step. num_epochs: passes over the
    training pictures. optimizer: "sgd", "adam" or "adamw". momentum: of sgd.
    weight_decay: L2 penalty. lr_schedule: "constant", or "cosine": from lr to 0 along
    half a cosine. seed: of the first weights, the pictures' order and the dropout.

    A bad value raises ValueError with the field's name, the value and what is allowed.
    `str(config)` is one short line, and `Config.from_string` reads it.
    """

    num_hiddens: int | tuple[int, ...] = 256
    num_layers: int = 1
    activation: str = "relu"
    lr: float = 0.1
    batch_size: int = 256
    num_epochs: int = 10
    init: str | Callable = "normal"
    sigma: float = 0.01
    optimizer: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    dropout: float = 0.0
    lr_schedule: str = "constant"
    seed: int = 0
    device: str = "cpu"

    # What a learner's own net has others of; no fields.
    trainee, rules, own = Trainee, RULES, False
    arguments, options = (), {}  # of a learner's net, and what their controls offer
    shown = ("num_hiddens", "lr")  # in its line, also where they have their default
    controls = ("num_hiddens", "lr")  # in a lab, where nothing else is asked for

    def __new__(cls, *_: Any, **named: Any) -> "Config":
        # Where Python would name no field that is close.
        cls.check_fields(named.keys() - cls.__dataclass_fields__.keys())
        return super().__new__(cls)

    def __post_init__(self) -> None:
        widths = hidden_widths(self.num_hiddens, self.num_layers)
        check_values(self.rules, **{name: getattr(self, name) for name in self.rules})
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(MOMENTUM_WITHOUT_SGD.format(**vars(self)))
        # One spelling for one setting: ints and floats, and a tuple only where
        # the widths differ.
        set_field = object.__setattr__
        set_field(self, "num_layers", len(widths))
        set_field(self, "num_hiddens", widths if len(set(widths)) > 1 else widths[0])
        for field in fields(self):
            if field.type in (int, float):
                set_field(self, field.name, field.type(getattr(self, field.name)))

    def __str__(self) -> str:
        """num_hiddens, lr and whatever is not the default, as name=value."""
        values = vars(self)
        defaults = {field.name: field.default for field in fields(self)}
        names = [n for n in values if n in self.shown or values[n] != defaults[n]]
        if isinstance(self.num_hiddens, tuple) and "num_layers" in names:
            names.remove("num_layers")  # as many as there are widths
        return " ".join(f"{name}={as_word(getattr(self, name))}" for name in names)

    @classmethod
    def from_string(cls, text: str, init: Callable | None = None) -> "Config":
        """The Config that `text` describes, such as "num_hiddens=256 lr=0.1".

        What the text leaves out has its default. init: the function, if the text names
        a learner's own. Raises ValueError with one sentence.
        """
        require_kind(isinstance(text, str), NOT_A_LINE, text)
        values = {}
        for part in text.replace(",", " ").split():
            name, equals, value = part.partition("=")
            if not (equals and name and value):
                raise ValueError(NOT_A_PAIR.format(part=brief(part)))
            cls.check_fields([name])
            values[name] = cls._read(name, value, init)
        return cls(**values)

    @classmethod
    def names(cls) -> list[str]:
        """Those of the fields that can be set."""
        return [field.name for field in fields(cls)]

    @classmethod
    def check_fields(cls, names: Iterable[str]) -> None:
        """Raise ValueError for the first name that is no field of this class."""
        known = cls.names()
        for name in names:
            if not isinstance(name, str) or name not in known:
                said = {"name": brief(name), "known": COMMA.join(known)}
                # 0.7: 'epochs' is close to a field, 'scheme' is not close to 'seed'.
                word = name if isinstance(name, str) else ""
                for close in difflib.get_close_matches(word, known, n=1, cutoff=0.7):
                    raise ValueError(NO_SUCH_FIELD_CLOSE.format(close=close, **said))
                raise ValueError(NO_SUCH_FIELD.format(**said))

    @classmethod
    def _read(cls, name, value, init):
        """The value that a word in a line stands for."""
        if name == "init" and init is not None and value == as_word(init):
            return init  # also where it is called as a built-in one is
        if name == "init" and value not in model.INITS:
            raise ValueError(OWN_INIT.format(value=value))
        default = getattr(cls, name)
        try:
            if name == "num_hiddens" and "-" in value.strip("-"):
                return tuple(int(width) for width in value.split("-"))
            return type(default)(value)
        except ValueError:
            value = value if len(value) < 40 else brief(value)
            sentence = NOT_A_VALUE.format(name=name, value=value, example=default)
            raise ValueError(sentence) from None


def check_fits(
    config: Config, data: FashionMNIST, instead_of: Config | None = None
) -> None:
    """Raise ValueError with a sentence if training takes more memory than is free here.

    instead_of: of a run whose memory is given back first.
    """
    if config.device != "cpu":
        return  # its PyTorch says so itself, and goes on
    sizes = []
    for one in filter(None, (config, instead_of)):
        shape = data.train.images.shape[1], len(data.class_names)
        num_weights, others = one.trainee.size(one, *shape)
        # The gradients, and what the optimizer remembers.
        buffers = 2 if one.optimizer != "sgd" else bool(one.momentum)
        sizes.append((num_weights, others + (1 + buffers) * num_weights))
    freed = sum(sizes[1]) if instead_of else 0
    check_room(str(config), *sizes[0], freed)


def as_word(value: Any) -> str:
    """A setting's value as in `str(config)`: a function by its name, widths as 8-4."""
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    if not callable(value):
        return str(value)
    name = getattr(value, "__name__", "own")
    return f"own_{name}" if name in model.INITS else name  # not read as the built-in


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known after one step.

    step: steps taken so far. epoch: from 1. loss: mean cross-entropy (nats) of this
    step's batch, before its update. lr: the step size used. net: the net itself, as it
    is now. train_loss, train_accuracy, val_loss, val_accuracy: on 500 pictures of
    each, after the update; None in the steps between. full_val_loss, full_val_accuracy:
    on the whole validation set, at the end of each epoch; else None. reason: why this
    is the last step (done, or diverged); None before.
    """

    step: int
    epoch: int
    loss: float
    lr: float
    net: torch.nn.Module
    train_loss: float | None = None
    train_accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    full_val_loss: float | None = None
    full_val_accuracy: float | None = None
    reason: str | None = None

    @property
    def epoch_end(self) -> bool:
        return self.full_val_accuracy is not None


@torch.no_grad()
def evaluate(
    net: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy (0 to 1) of `net`, as two floats.

    images: float32 [N, num_inputs]; labels: int64 [N]; any N from 1 up. The net
    is measured in eval mode; its parts then get their modes back. Raises TypeError or
    ValueError, with one sentence, for anything else.
    """
    if not isinstance(net, torch.nn.Module):
        raise TypeError(NOT_A_NET.format(found=brief(net)))
    check_begun(net)
    check_labelled(images, labels, "evaluate")
    modes = {part: part.training for part in net.modules()}
    net.eval()
    loss = correct = 0
    try:
        for X, y in zip(images.split(AT_ONCE), labels.long().split(AT_ONCE)):
            logits = scores_of(net, X, "evaluate")
            check_classes(y, logits.shape[1], "evaluate")
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(dim=1) == y).sum().item()
    finally:
        for part, mode in modes.items():
            part.training = mode
    return loss / len(labels), correct / len(labels)


class Run(Generator):
    """A training under way, as `train` describes it.

    step: steps taken so far. lr_changes: (steps taken, the lr from there on) so far;
    first (0, config.lr).
    """

    def __init__(
        self, config: Config, data: FashionMNIST, eval_every: int | None = 20
    ) -> None:
        require_kind(isinstance(config, Config), NOT_CONFIG, config)
        check_data(data, "train(config, data)")
        fine = eval_every is None or is_count(eval_every, sys.maxsize)
        require(fine, BAD_EVERY, eval_every)
        check_fits(config, data)
        self.config = config
        self.data = data.to(config.device)
        self.steps_per_epoch = math.ceil(len(data.train.labels) / config.batch_size)
        self.num_steps = self.steps_per_epoch * config.num_epochs
        self.trainee = config.trainee(
            config, self.data.train.images, len(data.class_names)
        )
        self.net = self.trainee.net
        self.lr_changes = [(0, config.lr)]
        self.step = 0
        self._lr = config.lr
        self._eval_every = eval_every
        self._orders = torch.Generator().manual_seed(config.seed)
        self._steps = self._train()

    @property
    def lr(self) -> float:
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        check_values(RULES, lr=value)
        self._lr = float(value)

    def send(self, value: None) -> Progress:
        return self._steps.send(value)

    def throw(self, *error: Any) -> Progress:
        return self._steps.throw(*error)

    def state(self) -> dict[str, Any]:
        """A copy of what its next steps depend on, for `load`."""
        between = self.step % self.steps_per_epoch == 0
        orders = self._orders.get_state() if between else self._before_order
        return {"step": self.step, "orders": orders, "trainee": self.trainee.state()}

    def load(self, state: dict[str, Any], lr_changes: list[tuple[int, float]]) -> None:
        """Be as a run of the same Config and data was that had this state.

        lr_changes: of that run, also the later ones.
        """
        self.trainee.load(state["trainee"])
        self.net = self.trainee.net
        self._orders.set_state(state["orders"])
        self.step = state["step"]
        first, *later = lr_changes
        self.lr_changes = [first, *(one for one in later if one[0] < self.step)]
        self._lr = self.lr_changes[-1][1]
        self._steps = self._train()

    def _train(self):
        config, trainee = self.config, self.trainee
        images, labels = self._pictures(self.data.train), self.data.train.labels
        eval_every = self._eval_every
        epochs, taken = divmod(self.step, self.steps_per_epoch)
        for epoch in range(epochs + 1, config.num_epochs + 1):
            self._before_order = self._orders.get_state()
            order = torch.randperm(len(labels), generator=self._orders)
            batches = order.to(config.device).split(config.batch_size)
            for batch in batches[taken:]:
                step = self.step
                if self._lr != self.lr_changes[-1][1]:
                    self.lr_changes.append((step, self._lr))
                lr = self._lr
                if config.lr_schedule == "cosine":
                    done = math.pi * step / self.num_steps
                    lr = lr * (1 + math.cos(done)) / 2
                if trainee.optimizer:
                    trainee.optimizer.param_groups[0]["lr"] = lr
                # index_select: twice as fast as images[batch], same numbers.
                X, y = images.index_select(0, batch), labels.index_select(0, batch)
                loss = trainee.step(X, y)
                self.step = step = step + 1
                progress = Progress(step, epoch, loss, lr, self.net)
                if not math.isfinite(progress.loss):
                    reason = DIVERGED.format(step=step, loss=progress.loss)
                    yield replace(progress, reason=reason)
                    return
                epoch_end = step % self.steps_per_epoch == 0
                if epoch_end or (eval_every and step % eval_every == 1 % eval_every):
                    progress = self.measure(progress, epoch_end)
                yield progress
            taken = 0

    @cached_property  # a run that is only begun needs none
    def _measured_on(self):
        return {
            "train": self.data.train.some(SUBSET),
            "val": self.data.val.some(SUBSET),
        }

    def _pictures(self, split):
        """As the net takes them."""
        return split.images.view(-1, *self.trainee.shape)

    def measure(self, progress: Progress, epoch_end: bool = False) -> Progress:
        """The same step with what is measured now; epoch_end: on all of val too."""
        measured = {}
        for name, split in self._measured_on.items():
            loss, accuracy = evaluate(self.net, self._pictures(split), split.labels)
            measured |= {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
        if epoch_end:
            val = self.data.val
            loss, accuracy = evaluate(self.net, self._pictures(val), val.labels)
            measured |= {"full_val_loss": loss, "full_val_accuracy": accuracy}
            if progress.step == self.num_steps:
                reason = DONE.format(epochs=progress.epoch, step=progress.step)
                measured["reason"] = reason
        return replace(progress, **measured)


def train(config: Config, data: FashionMNIST, eval_every: int | None = 20) -> Run:
    """Train the model that `config` describes: a generator of `Progress`.

        for progress in train(Config(lr=0.1), data):
            if progress.epoch_end:
                print(progress.epoch, progress.full_val_accuracy)

    data: what `load_fashion_mnist` returns. eval_every: the curves' figures are
    measured at the first step, every so many steps and at each epoch's end; None:
    at each epoch's end only. The generator also has `.net`, `.lr_changes` and `.lr`,
    which may be set at any time and holds from the next step on; a schedule lets it
    fall.

    The same Config gives the same numbers, to the bit, on the same machine with the
    same number of threads. A loss that is no longer finite ends the run with a
    `reason`. Raises TypeError for a wrong config or data, ValueError for an unusable
    own init, or a net that needs more memory than is free.
    """
    return Run(config, data, eval_every)
