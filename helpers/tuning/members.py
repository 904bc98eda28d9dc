"""Runs that are trained side by side, as one stacked network.

Each keeps its own seed, first weights, order of pictures, step size, penalty and
dropout. So it trains as `train` would train it, up to rounding.
"""

import io
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch.nn import functional as F

from helpers.data import FashionMNIST, Split
from helpers.language import NO_MESSAGE, tr
from helpers.tables import one_line
from helpers.training import DIVERGED, DONE, Config, train
from helpers.tuning.captured import Captured
from helpers.tuning.results import Result
from helpers.tuning.stacked import BETA1, BETA2, Network, Tensors

NUM_BUFFERS = {"sgd": 1, "adam": 2, "adamw": 2}  # that an optimizer keeps of a weight
# With fewer, a second thread gains nothing, and where other programs run it costs much.
FEW_WEIGHTS = 80_000
FAILED = tr("failed with {kind}: {text}")


@dataclass(eq=False)
class Member:
    """A run of a stack, after as many epochs as its `result` has.

    weights: its W1, b1, W2, b2, ... as a stack has them; empty before it begins and
    after it ends; on the CPU until it has been in a stack. buffers: what its optimizer
    remembers, a list for each of these. order, chance: the states of the generators
    that draw the order of the pictures, and the units that dropout sets to zero.
    """

    result: Result
    weights: Tensors = field(default_factory=list)
    buffers: list[Tensors] = field(default_factory=list)
    order: torch.Tensor | None = None
    chance: torch.Tensor | None = None

    @property
    def config(self) -> Config:
        return self.result.config

    @property
    def epoch(self) -> int:
        """How many epochs it has had."""
        return len(self.result.val_accuracy)

    @property
    def ended(self) -> bool:
        return bool(self.result.reason)

    # As bytes: otherwise each tensor would take a file descriptor on its way to another
    # process.
    def __getstate__(self) -> tuple[Result, bytes]:
        file = io.BytesIO()
        torch.save(vars(self) | {"result": None}, file)
        return self.result, file.getvalue()

    def __setstate__(self, state: tuple[Result, bytes]) -> None:
        result, packed = state
        vars(self).update(torch.load(io.BytesIO(packed), weights_only=True))
        self.result = result

    def begin(self, data: FashionMNIST) -> None:
        """Draw the first weights, as `train` does; raises what `train` raises.

        data: on the CPU.
        """
        config = self.config
        net = train(replace(config, device="cpu"), data, eval_every=None).net
        # In the columns of a stack.
        self.weights = [
            W.detach().T.contiguous() if W.dim() == 2 else W.detach()[:, None]
            for W in net.parameters()
        ]
        remembers = config.momentum or config.optimizer != "sgd"
        count = NUM_BUFFERS[config.optimizer] if remembers else 0
        self.buffers = [[torch.zeros_like(W)] * count for W in self.weights]
        num_parameters = sum(map(torch.numel, self.weights))
        self.result = replace(self.result, num_parameters=num_parameters)
        self.order = torch.Generator().manual_seed(config.seed).get_state()
        self.chance = net.chance.get_state()

    def fail(self, error: BaseException) -> None:
        """End it, with the error as its reason."""
        text = one_line(error, NO_MESSAGE)
        reason = FAILED.format(kind=type(error).__name__, text=text)
        self.result = replace(self.result, reason=reason, ok=False)


def shape_of(config: Config) -> tuple:
    """What the runs of one stack have in common."""
    return (
        *(config.num_hiddens, config.num_layers, config.activation, config.device),
        *(config.batch_size, config.optimizer),
        *(config.momentum > 0, config.weight_decay > 0, config.dropout > 0),
    )


class Stack:
    """Runs of one shape under way, as one network."""

    def __init__(self, members: list[Member], data: FashionMNIST) -> None:
        """members: of one `shape_of`. data: on the device of their Config."""
        self.members = members = sorted(members, key=pictures_of)
        self._data, self._config = data, members[0].config
        device = self._config.device
        self._on_cpu = torch.device(device).type == "cpu"
        self.num_steps = math.ceil(len(data.train) / self._config.batch_size)
        # Runs that see the same pictures stand side by side, in blocks of one size.
        sizes = set(Counter(map(pictures_of, members)).values())
        self._block = sizes.pop() if len(sizes) == 1 else 1
        weights = zip(*(member.weights for member in members))
        buffers = zip(*(member.buffers for member in members))
        self._network = Network(
            [_stacked(of_all, device) for of_all in weights],
            [[_stacked(of_all, device) for of_all in zip(*of_W)] for of_W in buffers],
            *(self._config.activation, self._config.optimizer),
            *(self._each("momentum"), self._each("weight_decay")),
        )
        self._dropout = self._each("dropout")
        step = partial(_step, self._network, data.train, self._block)
        self._step = Captured(step, device)

    def _each(self, name):
        """A field of all Configs: float32 [K, 1, 1]; None where it is always 0."""
        values = [getattr(member.config, name) for member in self.members]
        if not any(values):
            return None
        return torch.tensor(values, device=self._config.device).view(-1, 1, 1)

    def epoch(self) -> Iterator[torch.Tensor | None]:
        """Train every run for an epoch, and measure it.

        Yields the losses of each step, float32 [K], and then None while it measures.
        The members are as they were until all of it is done.
        """
        threads = torch.get_num_threads()
        if self._on_cpu and sum(map(torch.numel, self._network.weights)) < FEW_WEIGHTS:
            torch.set_num_threads(1)
        try:
            yield from self._epoch()
        finally:
            torch.set_num_threads(threads)

    def _epoch(self):
        began, split, block = time.perf_counter(), self._data.train, self._block
        orders = [_generator(member.order) for member in self.members[::block]]
        chances = [_generator(member.chance) for member in self.members]
        order = torch.stack(
            [torch.randperm(len(split), generator=one) for one in orders]
        )
        batches = order.to(split.labels.device).split(self._config.batch_size, dim=1)
        rates, table = self._rates(), []
        for step, batch in enumerate(batches):
            losses = self._step(batch, rates[step], *self._kept(chances, len(batch[0])))
            table.append(losses)
            yield losses
            if self._on_cpu and losses.isnan().all():
                break  # on a GPU it would have to wait for them
        table = torch.stack(table, dim=1).cpu()
        results = yield from self._results(table)
        seconds = (time.perf_counter() - began) / len(self.members)
        for k, member in enumerate(self.members):
            result = replace(results[k], seconds=member.result.seconds + seconds)
            weights = buffers = []
            if not result.reason:
                weights = [W[k].clone() for W in self._network.weights]
                buffers = [
                    [of_all[k].clone() for of_all in of_W]
                    for of_W in self._network.buffers
                ]
            states = orders[k // block].get_state(), chances[k].get_state()
            # All at once, since a Stop may come at any time.
            vars(member).update(vars(Member(result, weights, buffers, *states)))

    def _results(self, table):
        """The Results of all runs after an epoch; yields while it measures them.

        table: the losses of each run, float32 [K, steps].
        """
        val_losses, hits = yield from self._measure(self._data.val)
        half, results, ended = math.ceil(hits.shape[1] / 2), [], []
        parts = hits, hits[:, :half], hits[:, half:]
        accuracies, first, second = map(_shares, parts)
        # A run ends where its loss breaks down. It was trained on beside the others,
        # but its weights were NaN by then, and so they still are.
        for k, (member, losses) in enumerate(zip(self.members, table)):
            wrong = (~losses.isfinite()).nonzero()
            steps = int(wrong[0]) + 1 if len(wrong) else len(losses)
            losses = losses[:steps].tolist()
            before, config = member.result, member.config
            result = replace(
                before,
                train_loss=(*before.train_loss, statistics.fmean(losses)),
                val_loss=(*before.val_loss, val_losses[k]),
                val_accuracy=(*before.val_accuracy, accuracies[k]),
            )
            step = member.epoch * self.num_steps + steps
            if len(wrong):
                reason = DIVERGED.format(step=step, loss=losses[-1])
                result = replace(result, reason=reason, ok=False)
            elif member.epoch + 1 == config.num_epochs:
                reason = DONE.format(step=step, epochs=config.num_epochs)
                result = replace(result, reason=reason)
            if result.reason:
                result = replace(result, val_halves=(first[k], second[k]))
                ended.append(k)
            results.append(result)
        if ended:
            _, hits = yield from self._measure(self._data.train, ended)
            for k, accuracy in zip(ended, _shares(hits)):
                results[k] = replace(results[k], train_accuracy=accuracy)
        return results

    def _measure(self, split, which=None):
        """(mean loss of each run, which pictures it has right: bool [K, N]).

        which: the positions of the runs; None: all. Yields after each part of split.
        """
        network = self._network
        if which:
            network = replace(network, weights=[W[which] for W in network.weights])
        losses, hits = [], []
        for X, y in zip(split.images.split(2000), split.labels.split(2000)):
            of_part, hit = _look(network, X, y)
            losses.append(of_part.sum(dim=1))
            hits.append(hit)
            yield
        losses = torch.stack(losses).cpu().double().sum(dim=0) / len(split)
        return losses.tolist(), torch.cat(hits, dim=1).cpu()

    def measure(self, split: Split) -> tuple[list[float], list[float]]:
        """(mean losses, accuracies) of all runs on these pictures, as they are now."""
        losses, hits = _look(self._network, split.images, split.labels)
        return losses.mean(dim=1).tolist(), _shares(hits)

    def _rates(self):
        """What an optimizer goes by at each step: float32 [steps, 1 or 3, K, 1, 1]."""
        rates, num_steps = [], self.num_steps
        for member in self.members:
            config, done = member.config, member.epoch * num_steps
            step = torch.arange(done, done + num_steps, dtype=torch.float64)
            lr = torch.full_like(step, config.lr)
            if config.lr_schedule == "cosine":
                share = step / (num_steps * config.num_epochs)
                lr = lr * (1 + torch.cos(math.pi * share)) / 2
            rates.append([lr])
            if config.optimizer != "sgd":
                bias1, bias2 = 1 - BETA1 ** (step + 1), 1 - BETA2 ** (step + 1)
                shrink = 1 - lr * config.weight_decay
                rates[-1] = [lr / bias1, bias2.sqrt(), shrink]
        rates = torch.stack([torch.stack(of_run) for of_run in rates], dim=-1)
        rates = rates.transpose(0, 1).float().to(self._config.device)
        return rates[..., None, None]

    def _kept(self, chances, count):
        """For each hidden layer what dropout leaves of it; [] without dropout."""
        if not self._config.dropout:
            return []
        kept = []
        for W in self._network.weights[:-2:2]:
            drawn = [torch.rand(count, W.shape[1], generator=one) for one in chances]
            drawn = torch.stack(drawn).mT.to(W.device)
            kept.append((drawn > self._dropout) / (1 - self._dropout))
        return kept


def _step(network, split, block, batch, rates, *kept):
    """`Network.step` on a batch: [S, N] places in split, each for a block of runs."""
    # index_select: twice as fast as images[batch], same numbers.
    X = split.images.index_select(0, batch.flatten()).view(*batch.shape, -1).mT
    y = split.labels[batch][:, None].expand(-1, block, -1).flatten(0, 1)
    return network.step(X, y, rates, *kept)


def _stacked(tensors, device):
    return torch.stack([one.to(device) for one in tensors])


def _look(network, X, y):
    """(losses, which pictures it has right), each [K, N]."""
    logits = network.logits(X.mT[None])
    y = y.expand(len(logits), -1)
    return F.cross_entropy(logits, y, reduction="none"), logits.argmax(dim=1) == y


def _shares(hits):
    """The share of True in each row."""
    return hits.double().mean(dim=1).tolist()


def pictures_of(member: Member) -> tuple[int, int]:
    """Members that agree in this see the same pictures next, in the same order."""
    return member.config.seed, member.epoch


def _generator(state):
    generator = torch.Generator()
    generator.set_state(state)
    return generator
