"""What a run with a learner's own net, and maybe own step, trains."""

import contextlib
import copy
import numbers
import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers.language import tr
from helpers.model import MLP, generator_lock, is_count
from helpers.own.picture_shape import picture_shape
from helpers.own.turns import alone
from helpers.training import Config, Trainee, as_word

NOT_A_NET = tr("{net} must return a model, an nn.Module; it returned {found}.")
NO_PARAMETERS = tr("{net} has no parameters, so there is nothing to train in it.")
NO_LOSS = tr("{step} must return the loss of its batch; it returned {found}.")
TAKES = tr("{net} takes pictures of shape (N, {shape}).")

LARGE = 2000  # of a net's argument: more than the controls of Config offer
SEED_NUMPY = """\
from numpy.random import seed as seed_numpy
seed_numpy({seed} % 2**32)
"""
SEED_PYTHON = """\
from random import seed as seed_python
seed_python({seed})
"""
STREAMS = [  # of random numbers: what reads the state, what sets it, a script's seed
    (torch.get_rng_state, torch.set_rng_state, ""),
    (np.random.get_state, np.random.set_state, SEED_NUMPY),
    (random.getstate, random.setstate, SEED_PYTHON),
]
ON_GPU = torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all, ""
OF_TORCH = STREAMS[0], ON_GPU
own_seeds: set[int] = set()  # that nets and steps set, as seen where no cell can run


class OwnTrainee(Trainee):
    """A learner's net, trained by the learner's step or by the usual one.

    Both may draw from the global random numbers of PyTorch, NumPy and Python. Each run
    has its own course of them, from its seed, as a script would; the rest of the
    notebook keeps its own.
    """

    def __init__(self, config: Config, images: torch.Tensor, num_outputs: int) -> None:
        on_gpu = torch.device(config.device).type == "cuda"
        self._streams = STREAMS + [ON_GPU] * on_gpu  # later those that a step uses
        self._course, self._begun = {}, False
        self.seed_code = self.loss_code = ""  # once a step is done
        self._own_step, self._seed = config.own_step, config.seed
        with self._own_numbers():
            torch.manual_seed(config.seed)
            np.random.seed(config.seed % 2**32)
            random.seed(config.seed)
            before = self._states()
            super().__init__(config, images, num_outputs)
            made = self._states()
            self._drawn(before, made)
            self.shape = picture_shape(
                self.net, as_word(config.make), images, num_outputs
            )
            self._put(made)
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
        except Exception:  # not every net can be made there
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
        chance = self._streams, self._course, self._begun
        state = {"trained": trained, "chance": chance}
        if self._own_step:  # it may use the gradients of the step before
            gradients = [one.grad for one in self.net.parameters()]
            state["gradients"] = [g if g is None else g.clone() for g in gradients]
        return state

    def load(self, state: dict[str, Any]) -> None:
        self.net, self.optimizer = copy.deepcopy(state["trained"])
        self._streams, self._course, self._begun = state["chance"]
        for one, gradient in zip(self.net.parameters(), state.get("gradients", ())):
            one.grad = gradient if gradient is None else gradient.clone()

    def step(self, X: torch.Tensor, y: torch.Tensor) -> float:
        if not self._streams:
            return self._step(X, y)
        before = self._course
        with self._own_numbers():
            loss = self._step(X, y)
        if not self._begun:  # in one that draws in no step, each costs less
            self._begun = True
            self._streams = self._drawn(before, self._course)
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
        self.loss_code = self.loss_code or _loss_in(value)[1]
        return loss

    @contextlib.contextmanager
    def _own_numbers(self) -> Iterator[None]:
        """The global random numbers are this run's."""
        with alone(generator_lock):
            notebook = self._states()
            self._put(self._course)
            try:
                yield
            finally:
                self._course, seed = self._states(), torch.initial_seed()
                on_main = threading.current_thread() is threading.main_thread()
                if on_main and seed != self._seed:
                    own_seeds.add(seed)
                # A cell that has set a seed meanwhile keeps it.
                ours = seed == self._seed or seed in own_seeds
                self._put(notebook, but=() if ours else OF_TORCH)

    def _states(self):
        return {one: one[0]() for one in self._streams}

    def _put(self, states, but=()):
        for stream in states.keys() & self._streams:
            if stream not in but:
                stream[1](states[stream])

    def _drawn(self, before, after):
        """The streams that were drawn from: a script has to seed them, too."""
        drawn = [one for one in self._streams if not _same(before[one], after[one])]
        for *_, code in drawn:
            code = code.format(seed=self._seed)
            self.seed_code += code if code not in self.seed_code else ""
        return drawn


def _same(one, other):
    """Whether two states of random numbers are equal."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return all(map(np.array_equal, one, other))


def _flat(values):
    return [one for v in values for one in (v if isinstance(v, tuple) else (v,))]


def _is_result(value):
    """Whether it is what a net has kept of its last forward pass, say."""
    return isinstance(value, torch.Tensor) and not value.is_leaf


def _loss_in(value):
    """The loss in what a step returned: it, or the first, or its "loss"; and the code
    that takes it out, in a script."""
    part = "loss"
    if isinstance(value, (tuple, list)) and value:
        value, part = value[0], f"{part}[0]"
    if isinstance(value, dict):
        value, part = value.get("loss"), f'{part}["loss"]'
    is_tensor = isinstance(value, torch.Tensor)
    return value, f"{part}.item()" if is_tensor else f"float({part})"


def as_loss(value: Any) -> float | None:
    """What a step returned as a number, or None where there is none."""
    value, _ = _loss_in(value)
    if isinstance(value, torch.Tensor):
        value = value.item() if value.numel() == 1 else None
    return float(value) if isinstance(value, numbers.Real) else None
