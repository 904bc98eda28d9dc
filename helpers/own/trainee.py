"""What a run with a learner's own net, and maybe own step, trains."""

import contextlib
import copy
import numbers
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from helpers.language import tr
from helpers.model import MLP, global_generator, is_count
from helpers.own.picture_shape import picture_shape
from helpers.training import Config, Trainee, as_word

NOT_A_NET = tr("{net} must return a model, an nn.Module; it returned {found}.")
NO_PARAMETERS = tr("{net} has no parameters, so there is nothing to train in it.")
NO_LOSS = tr("{step} must return the loss of its batch; it returned {found}.")
TAKES = tr("{net} takes pictures of shape (N, {shape}).")

LARGE = 2000  # of a net's argument: more than the controls of Config offer


class OwnTrainee(Trainee):
    """A learner's net, trained by the learner's step or by the usual one.

    Both may draw from PyTorch's global random numbers. Each run has its own course of
    them, from its seed, as a script would; the rest of the notebook keeps its own.
    """

    def __init__(self, config: Config, images: torch.Tensor, num_outputs: int) -> None:
        self._generators, self._course = [torch.default_generator], None
        if torch.device(config.device).type == "cuda":
            self._generators += torch.cuda.default_generators
        self.loss_code = ""  # once a step is done
        self._draws = True  # whether a step draws at all; seen in the first
        self._own_step, self._seed = config.own_step, config.seed
        with self._own_numbers():
            torch.manual_seed(config.seed)
            super().__init__(config, images, num_outputs)
            self.shape = picture_shape(
                self.net, as_word(config.make), images, num_outputs
            )
        shape = ", ".join(map(str, self.shape))
        self._name = as_word(config.make)
        self.says = TAKES.format(net=self._name, shape=shape)

    @staticmethod
    def size(config: Config, num_inputs: int, num_outputs: int) -> tuple[int, int]:
        if config.make is MLP:
            return Trainee.size(config, num_inputs, num_outputs)
        call = config.call(num_inputs, num_outputs)
        if not any(is_count(number, least=LARGE) for number in _flat(call.values())):
            return 0, 0  # a net is made twice only if it may be too large
        try:
            with torch.device("meta"):  # it takes no memory there
                net = config.make(**call)
            return sum(map(torch.numel, net.parameters())), 0
        except Exception:  # noqa: BLE001  not every net can be made there
            return 0, 0

    def make_net(
        self, config: Config, images: torch.Tensor, num_outputs: int
    ) -> nn.Module:
        net = config.make(**config.call(images.shape[1], num_outputs))
        if not isinstance(net, nn.Module):
            said = {"net": as_word(config.make), "found": type(net).__name__}
            raise TypeError(NOT_A_NET.format(**said))
        return net

    def make_optimizer(self, config: Config) -> torch.optim.Optimizer | None:
        if next(self.net.parameters(), None) is None:
            return None  # a step by hand may do without
        return super().make_optimizer(config)

    def state(self) -> dict[str, Any]:
        # Whole copies: a net may hold more than its parameters, such as a list.
        parts = [value for part in self.net.modules() for value in vars(part).values()]
        kept = {id(one): one.detach().clone() for one in filter(_is_result, parts)}
        trained = copy.deepcopy((self.net, self.optimizer), kept)
        state = {"trained": trained, "course": self._course, "draws": self._draws}
        if self._own_step:  # it may use the gradients of the step before
            gradients = [one.grad for one in self.net.parameters()]
            state["gradients"] = [g if g is None else g.clone() for g in gradients]
        return state

    def load(self, state: dict[str, Any]) -> None:
        self.net, self.optimizer = copy.deepcopy(state["trained"])
        self._course, self._draws = state["course"], state["draws"]
        for one, gradient in zip(self.net.parameters(), state.get("gradients", ())):
            one.grad = gradient if gradient is None else gradient.clone()

    def step(self, X: torch.Tensor, y: torch.Tensor) -> float:
        if not self._draws:
            return self._step(X, y)
        before = self._course
        with self._own_numbers():
            loss = self._step(X, y)
        self._draws = not all(map(torch.equal, before, self._course))
        return loss

    def _step(self, X, y):
        if self._own_step is None:
            if self.optimizer is None:
                raise ValueError(NO_PARAMETERS.format(net=self._name))
            return super().step(X, y)
        value = self._own_step(self.net, self.optimizer, X, y)
        loss = as_loss(value)
        if loss is None:
            said = {"step": as_word(self._own_step), "found": type(value).__name__}
            raise TypeError(NO_LOSS.format(**said))
        self.loss_code = self.loss_code or _loss_code(value)
        return loss

    @contextlib.contextmanager
    def _own_numbers(self) -> Iterator[None]:
        """The global random numbers are this run's."""
        with global_generator:
            notebook = [one.get_state() for one in self._generators]
            for generator, state in zip(self._generators, self._course or ()):
                generator.set_state(state)
            try:
                yield
            finally:
                self._course = [one.get_state() for one in self._generators]
                # A cell that has set a seed meanwhile keeps it.
                if torch.initial_seed() == self._seed:
                    for generator, state in zip(self._generators, notebook):
                        generator.set_state(state)


def _flat(values):
    return [one for v in values for one in (v if isinstance(v, tuple) else (v,))]


def _is_result(value):
    """Whether it is what a net has kept of its last forward pass, say."""
    return isinstance(value, torch.Tensor) and not value.is_leaf


def _loss_code(value):
    """What takes the loss out of what a step returned, in a script."""
    part, loss = "loss", value
    if isinstance(value, dict):
        part, loss = 'loss["loss"]', value["loss"]
    elif isinstance(value, (tuple, list)):
        part, loss = "loss[0]", value[0]
    is_tensor = isinstance(loss, torch.Tensor)
    return f"{part}.item()" if is_tensor else f"float({part})"


def as_loss(value: Any) -> float | None:
    """What a step returned as a number, or None: it, or the first, or its "loss"."""
    if isinstance(value, (tuple, list)) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("loss")
    if isinstance(value, torch.Tensor):
        value = value.item() if value.numel() == 1 else None
    return float(value) if isinstance(value, numbers.Real) else None
