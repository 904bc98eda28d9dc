"""Models for the doctor: right ones in which it must find nothing, and wrong ones.

RIGHT: name -> a function that makes one. WRONG: name -> (the code of the finding that
must come first, a function that makes one). Each takes the data and returns the
arguments of `doctor`.
"""

import copy
import functools
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import helpers
from helpers import MLP
from helpers.instruments.doctor.training_setup import Limits

SGD, ADAM = torch.optim.SGD, torch.optim.Adam
schedulers = torch.optim.lr_scheduler
# No report depends on how busy the machine is.
UNHURRIED = Limits(total=1000, slow=1000, watched=1000)
doctor = functools.partial(helpers.doctor, limits=UNHURRIED)


def examine(case, data, **options):
    """The doctor's report on one of the models below."""
    return doctor(case.pop("net"), case.pop("data", data), **case, **options)


def plain(net, optimizer, X, y):
    """The step of the lessons."""
    loss = F.cross_entropy(net(X), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def mlp(**options):
    return MLP(784, 64, 10, **({"seed": 0} | options))


def quick():
    """One that is good after few steps, where those are not what a case is about."""
    return mlp(init="kaiming")


def linear(*layers):
    torch.manual_seed(0)
    return nn.Sequential(*layers)


def classic(*between, width=64):
    """784-64-10 of nn.Linear, with `between` its two layers."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(784, width), *between, nn.Linear(width, 10))


def three_of_tanh():
    hidden = linear(
        nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()
    )
    return classic(*hidden)


def with_sgd(net, lr=0.1, momentum=0, weight_decay=0, maximize=False, **others):
    optimizer = SGD(net.parameters(), lr, momentum, 0, weight_decay, maximize=maximize)
    return {"net": net, "optimizer": optimizer} | others


HIGH = torch.tensor(0.02)  # of scores that are cut off


def clips_early(net, optimizer, X, y):
    """It clips gradients that are not there yet."""
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    loss.backward()
    optimizer.step()
    return loss


def with_adam(net, lr=1e-3, **others):
    return {"net": net, "optimizer": ADAM(net.parameters(), lr)} | others


def fit(case, data, steps=300):
    """Trains for some steps, so that the doctor meets a trained model."""
    net, optimizer = case["net"], case["optimizer"]
    X, y = data.train.images, data.train.labels
    for step in range(steps):
        which = torch.arange(step * 64, step * 64 + 64) % len(X)
        plain(net, optimizer, X[which], y[which])
    return case


class Residual(nn.Module):
    """A skip around two layers, the second of which begins at zero."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(784, 64), nn.Linear(64, 10)
        self.inner, self.outer = nn.Linear(64, 64), nn.Linear(64, 64)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, X):
        H = torch.relu(self.first(X))
        return self.last(H + self.outer(torch.relu(self.inner(H))))


class Altered(nn.Module):
    """An MLP with a function between its hidden layer and its scores."""

    def __init__(self, between=lambda H: H, before=lambda X: X, after=lambda out: out):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(784, 64), nn.Linear(64, 10)
        self.between, self.before, self.after = between, before, after

    def forward(self, X):
        H = torch.relu(self.first(self.before(X)))
        return self.after(self.last(self.between(H)))


class OneBatchSize(Altered):
    def forward(self, X):
        return super().forward(X.reshape(128, 784))


def conv(*first):
    torch.manual_seed(0)
    return nn.Sequential(
        *first,
        *(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 25, 10)),
    )


def pair(data):
    return data.train.images, data.train.labels


class Standardized(Altered):
    """Each pixel by its own mean and spread: a rare one reaches 75."""

    def __init__(self, X):
        super().__init__(before=lambda X: (X - self.mean) / self.std)
        self.register_buffer("mean", X.mean(dim=0))
        self.register_buffer("std", X.std(dim=0) + 1e-6)


class Projected(nn.Module):
    """A fixed projection on the first 50 principal axes, then an MLP."""

    def __init__(self, X):
        super().__init__()
        axes = torch.linalg.svd(X - X.mean(dim=0), full_matrices=False)[2]
        self.axes = axes[:50].T.contiguous()
        self.rest = linear(nn.Linear(50, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, X):
        return self.rest(X @ self.axes)


class Attention(nn.Module):
    """Each part of four rows looks at the others of its picture."""

    def __init__(self, dim=-1):
        super().__init__()
        torch.manual_seed(0)
        self.dim = dim
        self.enter, self.ask, self.key = (nn.Linear(n, 32) for n in (112, 32, 32))
        self.out = nn.Linear(32, 10)

    def forward(self, X):
        H = self.enter(X.reshape(-1, 7, 112))
        weights = (self.ask(H) @ self.key(H).mT / 32**0.5).softmax(dim=self.dim)
        return self.out(torch.relu(H + weights @ H).mean(dim=1))


class InRows(nn.Module):
    """Reads the rows of a picture one after the other."""

    def __init__(self, kind, batch_first=False):
        super().__init__()
        torch.manual_seed(0)
        self.read = kind(28, 48, batch_first=batch_first)
        self.out = nn.Linear(48, 10)

    def forward(self, X):
        return self.out(self.read(X)[0][:, -1])


class TimeFirst(InRows):
    """The same, with the time in the first dimension."""

    def forward(self, X):
        return self.out(self.read(X.transpose(0, 1))[0][-1])


class Transformer(nn.Module):
    def __init__(self, batch_first=False):
        super().__init__()
        torch.manual_seed(0)
        self.enter = nn.Linear(112, 16)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=batch_first)
        self.out = nn.Linear(16, 10)

    def forward(self, X):
        parts = self.enter(X.reshape(-1, 7, 112))  # of four rows
        return self.out(self.layer(parts).mean(dim=1))


def in_rows(data):
    return data.train.images.reshape(-1, 28, 28), data.train.labels


class Clamped(Altered):
    """Changes its own weights in forward, out of autograd's sight."""

    def forward(self, X):
        with torch.no_grad():
            self.first.weight.clamp_(-0.5, 0.5)
        return super().forward(X)


class DropConnect(Altered):
    def forward(self, X):
        W = F.dropout(self.first.weight, 0.3, self.training)
        return self.last(torch.relu(F.linear(X, W, self.first.bias)))


RIGHT = {}

for lr in (0.02, 0.1, 0.5):
    RIGHT[f"the course's MLP, lr {lr}"] = lambda d, lr=lr: with_sgd(mlp(), lr)
for lr in (0.02, 0.5):
    RIGHT[f"softmax regression, lr {lr}"] = lambda d, lr=lr: with_sgd(
        linear(nn.Linear(784, 10)), lr
    )
for lr in (1e-4, 1e-3, 1e-2):
    RIGHT[f"Adam {lr}"] = lambda d, lr=lr: with_adam(mlp(), lr)
RIGHT |= {
    "without an optimizer": lambda d: {"net": mlp()},
    "with the step of the lessons": lambda d: with_sgd(mlp(), train_step=plain),
    "nn.Linear and dropout": lambda d: with_sgd(classic(nn.ReLU(), nn.Dropout(0.5))),
    "much dropout": lambda d: with_sgd(
        linear(nn.Dropout(0.2), *classic(nn.ReLU(), nn.Dropout(0.8))), 0.1
    ),
    "batch norm": lambda d: with_sgd(classic(nn.BatchNorm1d(64), nn.ReLU())),
    "layer norm": lambda d: with_sgd(classic(nn.LayerNorm(64), nn.ReLU())),
    "tanh": lambda d: with_sgd(mlp(activation="tanh", init="xavier"), 0.05),
    "three layers of tanh": lambda d: with_sgd(
        mlp(activation="tanh", init="xavier", num_layers=3), 0.05
    ),
    "sigmoid": lambda d: with_sgd(mlp(activation="sigmoid", init="xavier"), 0.5),
    "GELU": lambda d: with_adam(classic(nn.GELU())),
    "ten layers of Kaiming": lambda d: with_sgd(
        mlp(init="kaiming", num_layers=10), 0.05
    ),
    "five layers at 0.01 with Adam": lambda d: with_adam(mlp(num_layers=5), 3e-3),
    "momentum and weight decay": lambda d: with_sgd(
        quick(), 0.02, momentum=0.9, weight_decay=1e-3
    ),
    "AdamW, lr 3e-4": lambda d: {
        "net": (net := quick()),
        "optimizer": torch.optim.AdamW(net.parameters(), 3e-4),
    },
    "four hidden units": lambda d: with_sgd(MLP(784, 4, 10, init="xavier", seed=0)),
    "one hidden unit": lambda d: with_sgd(MLP(784, 1, 10, init="xavier", seed=1)),
    "a large width": lambda d: with_sgd(MLP(784, 1024, 10, init="kaiming", seed=0)),
    "a sigma of 0.1": lambda d: with_sgd(mlp(sigma=0.1), 0.05),
    "log_softmax and NLLLoss": lambda d: with_sgd(
        classic(nn.ReLU(), nn.Identity()).append(nn.LogSoftmax(dim=1)),
        loss=nn.NLLLoss(),
    ),
    "weights that make up for a rare class": lambda d: with_sgd(
        quick(), data=rare(d), loss=nn.CrossEntropyLoss(weight=heavy(60, 1))
    ),
    "pictures and labels that come one batch late": lambda d: with_sgd(
        quick(), train_step=late(1, late_pictures=True)
    ),
    "label smoothing": lambda d: with_sgd(
        quick(), loss=nn.CrossEntropyLoss(label_smoothing=0.1)
    ),
    "a residual net that begins at zero": lambda d: with_sgd(Residual()),
    "convolutions": lambda d: with_sgd(conv(nn.Unflatten(1, (1, 28, 28))), 0.2),
    "convolutions on [N, 1, 28, 28]": lambda d: with_adam(
        conv(), 3e-3, data=(d.train.images.reshape(-1, 1, 28, 28), d.train.labels)
    ),
    "a Flatten on [N, 28, 28]": lambda d: with_sgd(
        linear(nn.Flatten(), *classic(nn.ReLU())),
        data=(d.train.images.reshape(-1, 28, 28), d.train.labels),
    ),
    "a pair of [N, 784]": lambda d: with_sgd(quick(), data=pair(d)),
    "one-hot labels": lambda d: with_sgd(
        quick(), data=(d.train.images, F.one_hot(d.train.labels, 10).float())
    ),
    "a DataLoader": lambda d: with_sgd(
        quick(), data=DataLoader(TensorDataset(*pair(d)), 64, shuffle=True)
    ),
    "dead pixels and constant inputs": lambda d: with_sgd(
        quick(),
        data=(
            torch.cat([d.train.images[:, 50:], torch.ones(len(d.train), 50)], 1),
            d.train.labels,
        ),
    ),
    "float64": lambda d: with_sgd(
        quick().double(), data=(d.train.images.double(), d.train.labels)
    ),
    "three classes of the ten": lambda d: with_sgd(
        quick(),
        data=(d.train.images[d.train.labels < 3], d.train.labels[d.train.labels < 3]),
    ),
    "shuffled pixels, the same for all": lambda d: with_sgd(
        quick(), data=(d.train.images[:, torch.randperm(784)], d.train.labels)
    ),
    "pictures divided by 255 in the step": lambda d: with_sgd(
        quick(),
        data=(d.train.images * 255, d.train.labels),
        train_step=lambda net, o, X, y: plain(net, o, X / 255, y),
    ),
    "batch norm on 0 to 255": lambda d: with_sgd(
        linear(nn.BatchNorm1d(784), *classic(nn.ReLU())),
        data=(d.train.images * 255, d.train.labels),
    ),
    "sigmoid scores and squared differences": lambda d: with_adam(
        classic(nn.ReLU()).append(nn.Sigmoid()), 1e-2, train_step=squared
    ),
    "a step that clips gradients": lambda d: with_sgd(quick(), train_step=clipping),
    "the batch's mean subtracted in forward": lambda d: with_sgd(
        Altered(before=lambda X: X - X.mean(dim=0))
    ),
    "a step in small batches": lambda d: with_sgd(quick(), train_step=in_small_batches),
    "a step that also measures": lambda d: with_sgd(
        classic(nn.ReLU(), nn.Dropout(0.5)), train_step=and_measured
    ),
    "a step that flips pictures": lambda d: with_sgd(quick(), train_step=augmented),
    "a loss for each picture": lambda d: with_sgd(
        quick(), loss=nn.CrossEntropyLoss(reduction="none")
    ),
    "one picture at a time": lambda d: with_sgd(
        classic(nn.ReLU()),
        0.3,
        train_step=one_at_a_time,
        data=DataLoader(TensorDataset(*pair(d)), 16, shuffle=True),
    ),
    "mixup": lambda d: with_sgd(quick(), train_step=mixup(1.0)),
    "mixup that mixes little": lambda d: with_sgd(
        classic(nn.ReLU()), train_step=mixup(0.2)
    ),
    "cutmix": lambda d: with_sgd(classic(nn.ReLU()), train_step=cutmix),
    "an LSTM with batch_first": lambda d: with_adam(
        InRows(nn.LSTM, True), 1e-2, data=in_rows(d)
    ),
    "a GRU with the time in the first dimension": lambda d: with_adam(
        TimeFirst(nn.GRU), 1e-2, data=in_rows(d)
    ),
    "a Transformer layer with batch_first": lambda d: with_adam(
        Transformer(True), 5e-3, data=in_rows(d)
    ),
    "a step by hand": lambda d: {"net": quick(), "train_step": by_hand},
    "a net for one batch size only": lambda d: with_sgd(OneBatchSize()),
    "a trained MLP": lambda d: fit(with_sgd(quick(), 0.5), d),
    "a trained net with Adam": lambda d: fit(with_adam(quick()), d, 500),
    "a trained net with dropout, just measured": lambda d: measured(
        fit(with_sgd(classic(nn.ReLU(), nn.Dropout(0.5)), 0.1), d)
    ),
    "a trained net with batch norm, just measured": lambda d: measured(
        fit(with_sgd(classic(nn.BatchNorm1d(64), nn.ReLU())), d)
    ),
    "a trained softmax regression": lambda d: fit(
        with_sgd(linear(nn.Linear(784, 10)), 0.1), d
    ),
    "a trained net with momentum": lambda d: fit(
        with_sgd(quick(), 0.02, momentum=0.9), d
    ),
    "each pixel standardized in the net": lambda d: with_sgd(
        Standardized(d.train.images)
    ),
    "each pixel standardized in the data": lambda d: with_adam(
        classic(nn.ReLU()),
        data=(
            (d.train.images - d.train.images.mean(0)) / (d.train.images.std(0) + 1e-6),
            d.train.labels,
        ),
    ),
    "a fixed projection in a plain tensor": lambda d: with_sgd(
        Projected(d.train.images)
    ),
    "a trained body, frozen, and a new head": lambda d: with_head(d, SGD, 0.1),
    "the same, all handed to the optimizer": lambda d: with_sgd(
        with_head(d, SGD, 0.1)["net"]
    ),
    "the same, with a step that divides by 255": lambda d: (
        with_head(d, ADAM, 1e-3)
        | {
            "data": (d.train.images * 255, d.train.labels),
            "train_step": lambda net, o, X, y: plain(net, o, X / 255, y),
        }
    ),
    "labels from 1, counted from 0 in the step": lambda d: with_sgd(
        quick(),
        data=(d.train.images, d.train.labels + 1),
        train_step=lambda net, o, X, y: plain(net, o, X, y - 1),
    ),
    "nan in the data, replaced in the step": lambda d: with_sgd(
        quick(),
        data=with_nan(d),
        train_step=lambda net, o, X, y: plain(net, o, X.nan_to_num(), y),
    ),
    "gradients of four calls": lambda d: with_sgd(quick(), 0.3, train_step=in_turns(4)),
    "gradients of eight calls, in the middle of them": lambda d: with_sgd(
        quick(), 0.5, train_step=in_turns(8, first=5)
    ),
    "the last of eight calls": lambda d: with_sgd(
        quick(), 0.5, train_step=in_turns(8, first=7)
    ),
    "batches drawn in the step from all pictures": lambda d: with_sgd(
        quick(), train_step=drawing_from(*pair(d))
    ),
    "a loss by hand, of pictures in another order": lambda d: with_sgd(
        quick(), 0.2, train_step=focal
    ),
    "a loss for each class": lambda d: with_adam(
        quick(),
        loss=lambda out, y: F.binary_cross_entropy_with_logits(
            out, F.one_hot(y, 10).float()
        ),
    ),
    "probabilities and their logarithm": lambda d: with_sgd(
        classic(nn.ReLU()).append(nn.Softmax(dim=1)),
        loss=lambda out, y: F.nll_loss(out.log(), y),
    ),
    "a step that returns nothing": lambda d: with_adam(
        quick(), train_step=silent(plain)
    ),
    "a step that returns the loss and the accuracy": lambda d: with_sgd(
        quick(), train_step=lambda net, o, X, y: (plain(net, o, X, y), 0.5)
    ),
    "a step that returns the accuracy only": lambda d: with_sgd(
        quick(), train_step=and_its_accuracy
    ),
    "gradients that never reach p.grad": lambda d: {
        "net": quick(),
        "train_step": with_autograd_grad,
    },
    "momentum by hand": lambda d: {
        "net": quick(),
        "train_step": by_hand_with_speed({}),
    },
    "two passes for one step": lambda d: with_sgd(quick(), train_step=sharpness_aware),
    "L-BFGS": lambda d: {
        "net": (net := MLP(784, 16, 10, init="kaiming", seed=0)),
        "optimizer": torch.optim.LBFGS(net.parameters(), 0.02, max_iter=4),
    },
    "Rprop, whose loss grows while it is right": lambda d: {
        "net": (net := classic(nn.ReLU())),
        "optimizer": torch.optim.Rprop(net.parameters(), 1e-3),
    },
    "a scaler of gradients": lambda d: with_sgd(
        quick(), train_step=scaled(torch.amp.GradScaler("cpu"))
    ),
    "a warm-up from 0": lambda d: scheduled(
        0.2, schedulers.LambdaLR, lambda n: min(1, n / 300)
    ),
    "a cycle that is at its end": lambda d: ended(
        scheduled(0.1, schedulers.OneCycleLR, 0.1, total_steps=12)
    ),
    "rare classes": lambda d: with_sgd(
        quick(),
        data=[
            torch.cat([part[d.train.labels == 0], part[d.train.labels == 1][:60]])
            for part in pair(d)
        ],
    ),
    "a third of the labels wrong": lambda d: with_sgd(
        quick(),
        data=(
            d.train.images,
            torch.where(
                torch.rand(len(d.train)) < 0.3,
                torch.randint(10, (len(d.train),)),
                d.train.labels,
            ),
        ),
    ),
    "sorted pictures, drawn by a DataLoader": lambda d: with_sgd(
        quick(), data=DataLoader(sorted_by_class(d), 64, shuffle=True)
    ),
    "weights of one number, and biases that differ": lambda d: with_sgd(
        changed(classic(nn.ReLU()), **{"0.weight": 0.01, "2.weight": 0.01})
    ),
    "a last layer of zeros": lambda d: with_sgd(
        changed(classic(nn.ReLU()), **{"2.weight": 0, "2.bias": 0})
    ),
    "a clamp of the scores": lambda d: with_sgd(
        classic(nn.ReLU()).append(nn.Hardtanh(-5, 5))
    ),
    "attention within a picture": lambda d: with_adam(Attention(), 1e-2),
    "weights clamped in forward": lambda d: with_sgd(Clamped(), train_step=plain),
    "weights dropped in training": lambda d: with_sgd(DropConnect()),
    "a matrix of constants made in forward": lambda d: with_sgd(
        Altered(before=lambda X: X @ (2 * torch.eye(784))), 0.05
    ),
    "group norm and momentum": lambda d: with_sgd(
        linear(
            nn.Unflatten(1, (1, 28, 28)),
            nn.Conv2d(1, 8, 5, 2),
            nn.GroupNorm(2, 8),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(8 * 144, 10),
        ),
        0.05,
        momentum=0.9,
    ),
    "batch norm, measured in training mode in the step": lambda d: with_sgd(
        classic(nn.BatchNorm1d(64), nn.ReLU()), train_step=measured_without_eval
    ),
    "trained until it knows all by heart": lambda d: (
        fit(with_sgd(mlp(init="kaiming"), 0.2), d, 1500) | {"train_step": plain}
    ),
}


def with_loss(loss):
    """The step of the lessons with another loss."""

    def step(net, optimizer, X, y):
        value = loss(net(X), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step


def heavy(weight, which=3):
    """Weights of the ten classes: one counts so much, the others 1."""
    return torch.ones(10).scatter(0, torch.tensor(which), weight)


def rare(data):
    """Classes 0 and 1, of which the second has only 12 pictures."""
    zeros, ones = ((data.train.labels == which).nonzero()[:, 0] for which in (0, 1))
    which = torch.cat([zeros, ones[:12]])
    return data.train.images[which], data.train.labels[which]


def squares(scores, y):
    return F.mse_loss(scores, F.one_hot(y, 10).float())


def smoothed_by_hand(net, optimizer, X, y):
    log = F.log_softmax(net(X), dim=1)
    loss = 0.05 * F.nll_loss(log, y) - 0.95 * log.mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def late(count, late_pictures=False, late_labels=True, loss=F.cross_entropy):
    """A step that keeps so many batches back: their pictures, their labels or both."""
    kept, which = [], (late_pictures, late_labels)

    def step(net, optimizer, X, y):
        kept.append((X, y))
        del kept[: -count - 1]
        X, y = (kept[0 if late else -1][part] for part, late in enumerate(which))
        return with_loss(loss)(net, optimizer, X, y)

    return step


def with_a_computed_weight():
    net = classic(nn.ReLU())
    net[0]._parameters["weight"] = net[0].weight * 1.0
    return net


def scaled_up(net, factor):
    with torch.no_grad():
        for p in net[0].parameters():
            p.mul_(factor)
    return net


def one_at_a_time(net, optimizer, X, y):
    """Hands the net flat pictures, without a batch."""
    optimizer.zero_grad()
    for picture, label in zip(X, y):
        (F.cross_entropy(net(picture), label) / len(X)).backward()
    optimizer.step()
    return F.cross_entropy(net(X), y)


def mixed_step(optimizer, out, y, other, share):
    """One step by the losses for two labels of each picture."""
    loss = share * F.cross_entropy(out, y)
    loss = loss + (1 - share) * F.cross_entropy(out, other)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def mixup(alpha):
    def step(net, optimizer, X, y):
        share = float(torch.distributions.Beta(alpha, alpha).sample())
        order = torch.randperm(len(X))
        out = net(share * X + (1 - share) * X[order])
        return mixed_step(optimizer, out, y, y[order], share)

    return step


def cutmix(net, optimizer, X, y):
    order, X = torch.randperm(len(X)), X.clone()
    X[:, :200] = X[order, :200]
    return mixed_step(optimizer, net(X), y, y[order], share=584 / 784)


def clipping(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def in_small_batches(net, optimizer, X, y):
    """Adds up the gradients of four parts before one step."""
    optimizer.zero_grad()
    for part, labels in zip(X.split(32), y.split(32)):
        loss = F.cross_entropy(net(part), labels) / 4
        loss.backward()
    optimizer.step()
    return loss


def and_measured(net, optimizer, X, y):
    """Trains in training mode, then measures in eval mode."""
    net.train()
    loss = plain(net, optimizer, X, y)
    net.eval()
    with torch.no_grad():
        net(X).softmax(dim=1).max()
    return loss


def augmented(net, optimizer, X, y):
    """Other pictures than those of the data, and in another order."""
    order = torch.randperm(len(X))
    return plain(
        net, optimizer, X[order].reshape(-1, 28, 28).flip(2).flatten(1), y[order]
    )


def by_hand(net, optimizer, X, y):
    """No optimizer at all."""
    loss = F.cross_entropy(net(X), y)
    net.zero_grad()
    loss.backward()
    with torch.no_grad():
        for p in net.parameters():
            p -= 0.1 * p.grad
    return loss.item()


def with_head(data, optimizer, lr):
    """A net trained before, whose hidden layer is frozen, and a fresh last layer."""
    net = fit(with_sgd(classic(nn.ReLU())), data)["net"]
    net[0].requires_grad_(False)
    net[2] = nn.Linear(64, 10)
    trained = [p for p in net.parameters() if p.requires_grad]
    return {"net": net, "optimizer": optimizer(trained, lr)}


def with_nan(data):
    """nan in one of 500 rows."""
    X = data.train.images.clone()
    X[7::500, 3] = NAN
    return X, data.train.labels


def sorted_by_class(data):
    order = data.train.labels.argsort(stable=True)
    return TensorDataset(data.train.images[order], data.train.labels[order])


def in_turns(count, first=0):
    """Adds up the gradients of `count` calls before one step."""
    done = [first]

    def step(net, optimizer, X, y):
        loss = F.cross_entropy(net(X), y) / count
        loss.backward()
        done[0] += 1
        if done[0] % count == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss * count

    return step


def drawing_from(images, labels, apart=False):
    """A step that looks at no batch that it is handed; apart: two draws, not one."""

    def step(net, optimizer, X, y):
        i = torch.randint(len(images), (64,))
        j = torch.randint(len(images), (64,)) if apart else i
        return plain(net, optimizer, images[i], labels[j])

    return step


def drawing_apart(net, optimizer, X, y):
    i, j = torch.randint(len(X), (64,)), torch.randint(len(X), (64,))
    return plain(net, optimizer, X[i], y[j])


def focal(net, optimizer, X, y):
    order = torch.randperm(len(X))
    chances = net(X[order] + 0.01 * torch.randn(X.shape)).softmax(dim=1)
    right = chances[torch.arange(len(X)), y[order]]
    loss = (-((1 - right) ** 2) * right.log()).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def silent(step):
    """The step without its last line."""

    def without_return(net, optimizer, X, y):
        step(net, optimizer, X, y)

    return without_return


def and_its_accuracy(net, optimizer, X, y):
    plain(net, optimizer, X, y)
    return (net(X).argmax(dim=1) == y).float().mean().item()


def with_autograd_grad(net, optimizer, X, y):
    loss, weights = F.cross_entropy(net(X), y), list(net.parameters())
    for p, slope in zip(weights, torch.autograd.grad(loss, weights)):
        p.data.sub_(0.1 * slope)
    return loss.item()


def by_hand_with_speed(speed):
    def step(net, optimizer, X, y):
        loss = F.cross_entropy(net(X), y)
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in net.parameters():
                speed[p] = 0.9 * speed.get(p, 0) + p.grad
                p -= 0.02 * speed[p]
        return loss

    return step


def sharpness_aware(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    size = math.hypot(*(p.grad.norm() for p in net.parameters()))
    way = [0.05 * p.grad / size for p in net.parameters()]
    with torch.no_grad():
        for p, there in zip(net.parameters(), way):
            p += there
    optimizer.zero_grad()
    F.cross_entropy(net(X), y).backward()
    with torch.no_grad():
        for p, there in zip(net.parameters(), way):
            p -= there
    optimizer.step()
    return loss


def scaled(scaler):
    def step(net, optimizer, X, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(X), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return step


def scheduled(lr, kind, *arguments, **options):
    """An MLP whose step moves a scheduler, too."""
    found = with_sgd(classic(nn.ReLU()), lr)
    scheduler = kind(found["optimizer"], *arguments, **options)

    def step(net, optimizer, X, y):
        loss = plain(net, optimizer, X, y)
        scheduler.step()
        return loss

    return found | {"train_step": step}


def ended(found):
    """As it is after the last step of its schedule."""
    X, y = torch.rand(64, 784), torch.randint(10, (64,))
    try:
        while True:
            found["train_step"](found["net"], found["optimizer"], X, y)
    except ValueError as error:
        assert "Tried to step" in str(error)
    return found


def measured_without_eval(net, optimizer, X, y):
    loss = plain(net, optimizer, X, y)
    with torch.no_grad():
        net(X).argmax(dim=1)
    return loss


def measured(case):
    case["net"].eval()
    return case


# --- Wrong models


class InAList(nn.Module):
    """Its hidden layers are in a list, a dict or an object: not registered."""

    def __init__(self, hold):
        super().__init__()
        torch.manual_seed(0)
        self.hidden = hold(nn.Linear(784, 64), nn.Linear(64, 64))
        self.out = nn.Linear(64, 10)

    def forward(self, X):
        layers = self.hidden
        if not isinstance(layers, list):
            layers = (layers if isinstance(layers, dict) else vars(layers)).values()
        for layer in layers:
            X = torch.relu(layer(X))
        return self.out(X)


class TwicePlaced(nn.Module):
    """One BatchNorm behind two layers, whose results are unlike each other."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(784, 64), nn.Linear(64, 64)
        self.norm, self.out = nn.BatchNorm1d(64), nn.Linear(64, 10)

    def forward(self, X):
        H = torch.relu(self.norm(20 * self.first(X) + 5))
        return self.out(torch.relu(self.norm(self.second(H))))


class Holder:
    def __init__(self, first, second):
        self.first, self.second = first, second


class PlainW1(nn.Module):
    """W1 is a tensor and not a Parameter; `requires_grad` as in the line, or not."""

    def __init__(self, requires_grad):
        super().__init__()
        torch.manual_seed(0)
        self.W1 = torch.randn(784, 64, requires_grad=requires_grad) * 0.01
        self.W2 = nn.Parameter(torch.randn(64, 10) * 0.01)

    def forward(self, X):
        return torch.relu(X @ self.W1) @ self.W2


class NoGrad(Altered):
    def forward(self, X):
        with torch.no_grad():
            X = torch.relu(self.first(X))
        return self.last(X)


class AlwaysDropout(Altered):
    def forward(self, X):
        return self.last(F.dropout(torch.relu(self.first(X)), 0.5))


class StuckDropout(nn.Dropout):
    def train(self, mode=True):
        return super().train(True)


class MadeInForward(Altered):
    def forward(self, X):
        return self.last(torch.relu(nn.Linear(784, 64)(X)))


class DrawnInForward(Altered):
    def forward(self, X):
        return self.last(torch.relu(X @ (torch.randn(784, 64) * 0.01)))


class CutInEval(Altered):
    def forward(self, X):
        out = super().forward(X)
        return out if self.training else out.clamp(max=-9)


class EvalInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = classic(nn.BatchNorm1d(64), nn.ReLU())

    def forward(self, X):
        return self.net.eval()(X)


class ConvsInAList(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convs = [nn.Conv2d(n, 8, 3, padding=1) for n in (1, 8)]
        self.out = nn.Linear(8 * 49, 10)

    def forward(self, X):
        X = X.reshape(-1, 1, 28, 28)
        for layer in self.convs:
            X = F.max_pool2d(torch.relu(layer(X)), 2)
        return self.out(X.flatten(1))


def changed(net, **numbers):
    """The net, with all numbers of some of its parameters set to others."""
    with torch.no_grad():
        for name, value in numbers.items():
            net.get_parameter(name).fill_(value)
    return net


def squared(net, optimizer, X, y):
    loss = F.mse_loss(net(X), F.one_hot(y, 10).float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def of_the_guesses(net, optimizer, X, y):
    guesses = net(X).argmax(dim=1).float().requires_grad_()
    loss = F.mse_loss(guesses, y.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def quarters(X):
    parts = X.reshape(-1, 2, 14, 2, 14)
    return parts.mean(dim=(2, 4), keepdim=True).expand_as(parts).flatten(1)


def returns_nothing(out, y):
    F.cross_entropy(out, y)


def without_zero_grad(net, optimizer, X, y):
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    optimizer.step()
    return loss


def wrong_zero_grad(net, optimizer, X, y):
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    optimizer.step()
    X.grad = None  # not the weights' gradients
    return loss.item()


def no_backward(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    optimizer.step()
    return loss


def no_grad_step(net, optimizer, X, y):
    with torch.no_grad():
        out = net(X)
    loss = F.cross_entropy(out, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def no_step(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    return loss


def eval_step(net, optimizer, X, y):
    net.eval()
    return plain(net, optimizer, X, y)


def shuffled_step(net, optimizer, X, y):
    return plain(net, optimizer, X[torch.randperm(len(X))], y)


def scrambled_step(net, optimizer, X, y):
    return plain(net, optimizer, X.T.reshape(len(X), -1), y)


def scores_times_nan(net, optimizer, X, y):
    scores = net(X)
    loss = -(scores.softmax(1) - scores.softmax(1)).log()[:, 0].mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def step_not_called(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    optimizer.step  # noqa: B018  the mistake
    return loss


def backward_not_called(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss.backward  # noqa: B018  the mistake
    optimizer.step()
    return loss


def zero_grad_too_late(net, optimizer, X, y):
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss


def new_weights_by_hand(net, optimizer, X, y):
    loss = F.cross_entropy(net(X), y)
    net.zero_grad()
    loss.backward()
    with torch.no_grad():
        for p in net.parameters():
            p = p - 0.1 * p.grad
    return loss


def drawn_anew(net, optimizer, X, y):
    for layer in (net[0], net[2]):
        layer.reset_parameters()
    return plain(net, optimizer, X, y)


def back_to(state):
    def step(net, optimizer, X, y):
        net.load_state_dict(state)
        return plain(net, optimizer, X, y)

    return step


def with_noise(net, optimizer, X, y):
    return plain(net, optimizer, X + 8 * torch.randn(X.shape), y)


def lr_by_hand(lr, store=False):
    """store: makes new tensors and puts them into .data."""

    def step(net, optimizer, X, y):
        loss = F.cross_entropy(net(X), y)
        net.zero_grad()
        loss.backward()
        for p in net.parameters():
            if store:
                p.data = p.data - lr * p.grad
            else:
                p.data -= lr * p.grad
        return loss.item()

    return step


def clipped_without_zero_grad(clip, limit):
    def step(net, optimizer, X, y):
        loss = F.cross_entropy(net(X), y)
        loss.backward()
        clip(net.parameters(), limit)
        optimizer.step()
        return loss

    return step


def half_zero_grad(net, optimizer, X, y):
    net[0].zero_grad()
    return without_zero_grad(net, optimizer, X, y)


def clipped_to_nothing(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1e-5)
    optimizer.step()
    return loss


def up_the_hill(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = -F.cross_entropy(net(X), y)
    loss.backward()
    optimizer.step()
    return loss


def nll_of_scores(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.nll_loss(net(X), y)
    loss.backward()
    optimizer.step()
    return loss


def minus_the_right_score(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = -net(X)[torch.arange(len(y)), y].mean()
    loss.backward()
    optimizer.step()
    return loss


def with_a_penalty(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss = loss + 3 * sum((p**2).sum() for p in net.parameters())
    loss.backward()
    optimizer.step()
    return loss


def optimizer_of_its_own(net, optimizer, X, y):
    return plain(net, SGD(net.parameters(), 20.0), X, y)


def paired_wrongly(net, optimizer, X, y):
    """Two orders, and only a part of each."""
    return plain(
        net, optimizer, X[torch.randperm(len(X))][:32], y[torch.randperm(len(y))][:32]
    )


def without_gradients(net):
    net.forward = torch.no_grad()(net.forward)
    return net


def replaced(net):
    """The layer that the optimizer has been handed is replaced afterwards."""
    case = with_sgd(net)
    torch.manual_seed(1)
    net[0] = nn.Linear(784, 64)
    return case


def frozen(net, *names):
    for name in names:
        net.get_parameter(name).requires_grad_(False)
    return net


def scrambled(data, how):
    return how(data.train.images), data.train.labels


def mode(net, training):
    return net.train(training)


def shifted(data):
    """As `data`, with the labels of the training set one place too far."""
    split = copy.copy(data.train)
    object.__setattr__(split, "labels", split.labels.roll(1))
    return type(data)(split, data.val, data.test, data.source, data.location)


NAN = float("nan")
ALL_EQUAL = {"0.weight": 0.01, "0.bias": 0.0, "2.weight": 0.1, "2.bias": 0.0}
WRONG_BY_CODE = {
    "unregistered": {
        "hidden layers in a list": lambda d: with_sgd(InAList(lambda a, b: [a, b])),
        "hidden layers in a dict, with a step": lambda d: with_adam(
            InAList(lambda a, b: {"a": a, "b": b}), train_step=plain
        ),
        "hidden layers in an object, no optimizer": lambda d: {"net": InAList(Holder)},
        "W1 is a non-leaf tensor": lambda d: with_sgd(PlainW1(True)),
        "W1 is a plain tensor": lambda d: with_sgd(PlainW1(False)),
        "convolutions in a list, in a DataLoader": lambda d: with_adam(
            ConvsInAList(),
            train_step=plain,
            data=DataLoader(TensorDataset(*pair(d)), 64),
        ),
        "a layer made in forward": lambda d: with_sgd(MadeInForward()),
        "weights drawn in forward": lambda d: with_adam(
            DrawnInForward(), train_step=plain
        ),
    },
    "not_in_optimizer": {
        "a layer replaced afterwards": lambda d: replaced(classic(nn.ReLU())),
        "the optimizer of another net": lambda d: {
            "net": mlp(),
            "optimizer": SGD(mlp(seed=1).parameters(), 0.1),
        },
        "the optimizer holds the last layer": lambda d: {
            "net": (net := mlp()),
            "optimizer": SGD([net.W2, net.b2], 0.1),
            "train_step": plain,
        },
    },
    "frozen": {
        "W1 frozen": lambda d: with_sgd(frozen(mlp(), "W1", "b1")),
        "a random body frozen, the rest handed to the optimizer": lambda d: {
            "net": (net := frozen(classic(nn.ReLU()), "0.weight", "0.bias")),
            "optimizer": SGD(net[2].parameters(), 0.1),
            "train_step": plain,
        },
        "everything frozen": lambda d: with_sgd(
            frozen(
                classic(nn.ReLU()), *("0.weight", "2.weight"), *("0.bias", "2.bias")
            ),
            train_step=plain,
        ),
    },
    "no_gradient": {
        "detach behind the hidden layer": lambda d: with_sgd(
            Altered(lambda H: H.detach())
        ),
        ".data behind the hidden layer": lambda d: with_sgd(
            Altered(lambda H: H.data), train_step=plain
        ),
        "no_grad in forward": lambda d: with_sgd(NoGrad()),
        "argmax before the loss": lambda d: with_sgd(
            mlp(), loss=lambda out, y: F.mse_loss(out.argmax(1).float(), y.float())
        ),
        "argmax and requires_grad_, in the step": lambda d: with_sgd(
            mlp(), train_step=of_the_guesses
        ),
        "numpy in forward": lambda d: with_sgd(
            Altered(lambda H: torch.from_numpy(H.detach().numpy().copy()))
        ),
        "scores detached": lambda d: with_sgd(Altered(after=lambda out: out.detach())),
        "no backward in the step": lambda d: with_sgd(mlp(), train_step=no_backward),
        "no_grad in the step": lambda d: with_sgd(mlp(), train_step=no_grad_step),
        "backward without brackets": lambda d: with_adam(
            mlp(), train_step=backward_not_called
        ),
        "no_grad around forward": lambda d: with_sgd(
            without_gradients(classic(nn.ReLU()))
        ),
        "no_grad around forward, with a step": lambda d: with_adam(
            without_gradients(classic(nn.ReLU())), train_step=plain
        ),
    },
    "no_update": {
        "no optimizer.step in the step": lambda d: with_sgd(mlp(), train_step=no_step),
        "step without brackets": lambda d: with_adam(mlp(), train_step=step_not_called),
        "zero_grad between backward and step": lambda d: with_sgd(
            mlp(), momentum=0.9, weight_decay=1e-4, train_step=zero_grad_too_late
        ),
        "p = p - lr * p.grad": lambda d: {
            "net": mlp(),
            "train_step": new_weights_by_hand,
        },
        "weights drawn anew in each step": lambda d: with_sgd(
            classic(nn.ReLU()), train_step=drawn_anew
        ),
        "the first weights loaded in each step": lambda d: with_adam(
            net := quick(), train_step=back_to(copy.deepcopy(net.state_dict()))
        ),
    },
    "uphill": {
        "uphill by hand": lambda d: {"net": mlp(), "train_step": lr_by_hand(-0.1)},
        "the loss with a minus": lambda d: with_sgd(
            classic(nn.ReLU()), train_step=up_the_hill
        ),
        "the loss with a minus, with Adam": lambda d: with_adam(
            mlp(), loss=lambda out, y: -F.cross_entropy(out, y)
        ),
        "an optimizer that maximizes": lambda d: with_sgd(mlp(), maximize=True),
    },
    "gradients_accumulate": {
        "no zero_grad": lambda d: with_sgd(mlp(), train_step=without_zero_grad),
        "zero_grad of the pictures, with Adam and dropout": lambda d: with_adam(
            classic(nn.ReLU(), nn.Dropout(0.2)), train_step=wrong_zero_grad
        ),
        "no zero_grad, and clipping": lambda d: with_sgd(
            classic(nn.ReLU()),
            0.5,
            train_step=clipped_without_zero_grad(nn.utils.clip_grad_norm_, 1.0),
        ),
        "no zero_grad, and values clipped": lambda d: with_adam(
            mlp(), train_step=clipped_without_zero_grad(nn.utils.clip_grad_value_, 0.01)
        ),
        "zero_grad for the first layer only": lambda d: with_sgd(
            classic(nn.ReLU()), train_step=half_zero_grad
        ),
    },
    "identical_units": {
        "weights of zero": lambda d: with_sgd(mlp(init="zeros")),
        "equal weights": lambda d: with_sgd(mlp(init="constant", num_layers=2)),
        "nn.Linear filled with one number, with Adam and a step": lambda d: with_adam(
            changed(classic(nn.Tanh()), **ALL_EQUAL), train_step=plain
        ),
        "weights of one, and biases that differ": lambda d: with_sgd(
            changed(classic(nn.ReLU()), **{"0.weight": 1, "2.weight": 1})
        ),
        "weights of a half, and biases that differ, with a step": lambda d: with_sgd(
            changed(classic(nn.ReLU()), **{"0.weight": 0.5, "2.weight": 0.5}),
            train_step=plain,
        ),
        "zeros, and relu in place": lambda d: with_sgd(
            changed(
                classic(nn.ReLU(inplace=True)),
                **{"0.weight": 0, "0.bias": 0, "2.weight": 0},
            )
        ),
    },
    "dead_units": {
        "biases of -10": lambda d: with_sgd(changed(mlp(), b1=-10.0)),
        "a bias of -100, relu in place": lambda d: with_adam(
            changed(classic(nn.ReLU(inplace=True)), **{"0.bias": -100.0})
        ),
        "convolutions that are dead": lambda d: with_sgd(
            changed(conv(nn.Unflatten(1, (1, 28, 28))), **{"1.bias": -10.0})
        ),
        "dropout of everything": lambda d: with_adam(
            classic(nn.ReLU(), nn.Dropout(1.0))
        ),
        "dropout of nearly everything": lambda d: with_adam(
            classic(nn.ReLU(), nn.Dropout(0.99))
        ),
        "one hidden unit, which dies": lambda d: with_sgd(
            MLP(784, 1, 10, init="xavier", seed=0)
        ),
    },
    "activated_scores": {
        "relu on the scores, all of them dead": lambda d: with_sgd(
            changed(classic(nn.ReLU()).append(nn.ReLU()), **{"2.bias": -3.0})
        ),
        "relu on the scores": lambda d: with_sgd(
            classic(nn.ReLU(), width=128).append(nn.ReLU()), train_step=plain
        ),
        "sigmoid on the scores": lambda d: with_adam(
            classic(nn.ReLU()).append(nn.Sigmoid()), 1e-2
        ),
        "relu before log_softmax": lambda d: with_sgd(
            classic(nn.ReLU()).append(nn.ReLU()).append(nn.LogSoftmax(dim=1)),
            loss=nn.NLLLoss(),
        ),
    },
    "zero_gradients": {
        "a saturated sigmoid": lambda d: with_sgd(
            changed(classic(nn.ReLU()).append(nn.Sigmoid()), **{"2.bias": -200.0}),
            train_step=squared,
        ),
        "scores that are rounded": lambda d: with_sgd(
            Altered(after=lambda out: out.round()), train_step=squared
        ),
    },
    "vanishing": {
        "three layers at 0.01": lambda d: with_sgd(mlp(num_layers=3)),
        "five layers at 0.01": lambda d: with_sgd(mlp(num_layers=5)),
        "eight layers of sigmoid": lambda d: with_sgd(
            mlp(num_layers=8, activation="sigmoid", init="xavier")
        ),
        "sixteen default layers": lambda d: with_sgd(
            mlp(num_layers=16, init="default"), 0.05
        ),
    },
    "exploding": {
        "a sigma of 1": lambda d: with_sgd(mlp(sigma=1.0)),
        "ten layers at 0.3": lambda d: with_adam(mlp(sigma=0.3, num_layers=10)),
        "numbers beyond float32": lambda d: with_sgd(mlp(sigma=100, num_layers=20)),
    },
    "not_finite": {
        "nan in one of 500 pictures": lambda d: with_sgd(mlp(), data=with_nan(d)),
        "nan in one of 500 pictures, in a DataLoader, with a step": lambda d: with_adam(
            mlp(),
            train_step=plain,
            data=DataLoader(TensorDataset(*with_nan(d)), 64, shuffle=True),
        ),
        "nan in one of 500 pictures, and batch norm": lambda d: with_sgd(
            classic(nn.BatchNorm1d(64), nn.ReLU()), data=with_nan(d)
        ),
        "nan in a weight": lambda d: with_sgd(changed(mlp(), b2=NAN)),
        "nan in the pictures": lambda d: with_sgd(
            mlp(), data=(d.train.images / d.train.images.clamp(max=0), d.train.labels)
        ),
        "log of 0 in forward": lambda d: with_sgd(
            Altered(after=lambda out: (out - out).log())
        ),
        "log of 0 in the step": lambda d: with_sgd(mlp(), train_step=scores_times_nan),
        "sqrt of 0 in forward": lambda d: with_sgd(
            Altered(lambda H: H + (H - H).sqrt())
        ),
    },
    "clips_nothing": {
        "SGD at 10, and clipped in vain": lambda d: with_sgd(
            mlp(), 10.0, train_step=clips_early
        ),
        "Adam at 1, and clipped in vain": lambda d: with_adam(
            mlp(), 1.0, train_step=clips_early
        ),
    },
    "lr_too_high": {
        "SGD at 10": lambda d: with_sgd(mlp(), 10.0),
        "SGD at 2, with a step": lambda d: with_sgd(
            classic(nn.ReLU()), 2.0, train_step=plain
        ),
        "Adam at 1": lambda d: with_adam(mlp(), 1.0),
        "Adam at 0.05, three layers of tanh": lambda d: with_adam(
            three_of_tanh(), 0.05
        ),
        "SGD at 1000": lambda d: with_sgd(mlp(init="kaiming"), 1e3),
        "SGD at 10, and a step that returns nothing": lambda d: with_sgd(
            mlp(), 10.0, train_step=silent(plain)
        ),
        "20 by hand": lambda d: {
            "net": classic(nn.ReLU()),
            "train_step": lr_by_hand(20),
        },
        "an optimizer made in the step": lambda d: with_sgd(
            classic(nn.ReLU()), train_step=optimizer_of_its_own
        ),
        "a momentum of 0.999": lambda d: with_sgd(classic(nn.ReLU()), momentum=0.999),
        "the sum of the losses": lambda d: with_sgd(
            mlp(), loss=nn.CrossEntropyLoss(reduction="sum")
        ),
        "SGD at 20, and a step that returns two numbers": lambda d: with_sgd(
            mlp(),
            20.0,
            train_step=lambda net, o, X, y: (plain(net, o, X, y).item(), 0.1),
        ),
        "a trained net, then SGD at 20": lambda d: with_sgd(
            fit(with_sgd(mlp()), d)["net"], 20.0
        ),
    },
    "lr_too_low": {
        "SGD at 1e-5": lambda d: with_sgd(mlp(), 1e-5),
        "SGD at 1e-3, with a step": lambda d: with_sgd(mlp(), 1e-3, train_step=plain),
        "nn.Linear and SGD at 1e-6": lambda d: with_sgd(classic(nn.ReLU()), 1e-6),
        "Adam at 1e-7": lambda d: with_adam(classic(nn.ReLU()), 1e-7),
        "SGD at 1e-5, and a step that returns nothing": lambda d: with_sgd(
            mlp(), 1e-5, train_step=silent(plain)
        ),
        "SGD at 1e-5, and a step that returns the accuracy": lambda d: with_sgd(
            mlp(), 1e-5, train_step=and_its_accuracy
        ),
        "1e-5 by hand": lambda d: {"net": mlp(), "train_step": lr_by_hand(1e-5)},
        "1e-4 by hand, into .data, and an optimizer that nobody uses": lambda d: (
            with_sgd(mlp(), train_step=lr_by_hand(1e-4, store=True))
        ),
        "gradients clipped to nothing": lambda d: with_sgd(
            mlp(), train_step=clipped_to_nothing
        ),
        "a loss divided too often": lambda d: with_sgd(
            mlp(), loss=lambda out, y: F.cross_entropy(out, y) / 12800
        ),
        "a schedule that falls in each step": lambda d: scheduled(
            0.1, schedulers.ExponentialLR, 0.5
        ),
        "an lr of 0": lambda d: with_sgd(mlp(), 0.0),
    },
    "softmax_twice": {
        "softmax in the net": lambda d: with_sgd(
            classic(nn.ReLU()).append(nn.Softmax(dim=1))
        ),
        "softmax in the step": lambda d: with_adam(
            mlp(),
            train_step=lambda net, o, X, y: plain(
                lambda X: net(X).softmax(dim=1), o, X, y
            ),
        ),
        "softmax and nn.CrossEntropyLoss": lambda d: with_sgd(
            Altered(after=lambda out: F.softmax(out, dim=-1)),
            loss=nn.CrossEntropyLoss(),
        ),
        "softmax over the batch": lambda d: with_sgd(
            classic(nn.ReLU()).append(nn.Softmax(dim=0))
        ),
    },
    "softmax_missing": {
        "nll_loss of scores, in the step": lambda d: with_sgd(
            mlp(), train_step=nll_of_scores
        ),
        "NLLLoss of scores": lambda d: with_adam(mlp(), loss=nn.NLLLoss()),
        "NLLLoss of probabilities": lambda d: with_sgd(
            classic(nn.ReLU()).append(nn.Softmax(dim=1)), loss=nn.NLLLoss()
        ),
    },
    "no_nonlinearity": {
        "two layers without activation": lambda d: with_sgd(classic()),
        "three layers with dropout only": lambda d: with_adam(
            classic(nn.Dropout(0.3), nn.Linear(64, 64))
        ),
        "linear, then log_softmax": lambda d: with_sgd(
            classic(nn.BatchNorm1d(64)).append(nn.LogSoftmax(dim=1)), loss=F.nll_loss
        ),
    },
    "data_mismatch": {
        "labels one place too far": lambda d: with_sgd(mlp(), data=shifted(d)),
        "pictures shuffled without labels": lambda d: with_sgd(
            mlp(), data=(d.train.images[torch.randperm(len(d.train))], d.train.labels)
        ),
        "labels sorted, in a DataLoader": lambda d: with_adam(
            mlp(),
            data=DataLoader(
                TensorDataset(d.train.images, d.train.labels.sort()[0]),
                64,
                shuffle=True,
            ),
        ),
        "the first batch in each step": lambda d: with_sgd(
            mlp(),
            train_step=lambda net, o, X, y: plain(net, o, *(t[:32] for t in pair(d))),
        ),
        "pictures shuffled in the step": lambda d: with_sgd(
            mlp(), train_step=shuffled_step
        ),
        "pictures and labels drawn apart in the step": lambda d: with_sgd(
            mlp(), train_step=drawing_apart
        ),
        "drawn apart from all pictures": lambda d: with_adam(
            mlp(), train_step=drawing_from(*pair(d), apart=True)
        ),
        "scaled and drawn apart": lambda d: with_sgd(
            mlp(), train_step=lambda net, o, X, y: drawing_apart(net, o, 2 * X - 1, y)
        ),
        "two orders in the step": lambda d: with_adam(mlp(), train_step=paired_wrongly),
    },
    "not_shuffled": {
        "sorted pictures in a DataLoader": lambda d: with_sgd(
            mlp(), data=DataLoader(sorted_by_class(d), 64)
        ),
        "only one class in the first batches": lambda d: with_adam(
            mlp(),
            train_step=plain,
            data=DataLoader(
                TensorDataset(
                    d.train.images,
                    (torch.arange(len(d.train)) >= len(d.train) // 2).long(),
                ),
                64,
            ),
        ),
    },
    "unscaled_inputs": {
        "divided by 255 twice": lambda d: with_sgd(
            mlp(), data=(d.train.images / 255, d.train.labels)
        ),
        "divided by 255 once more in the step": lambda d: with_sgd(
            mlp(), train_step=lambda net, o, X, y: plain(net, o, X / 255, y)
        ),
        "whole numbers after the division": lambda d: with_adam(
            mlp(), data=((d.train.images / 2).int().float(), d.train.labels)
        ),
        "pictures from 0 to 255": lambda d: with_sgd(
            mlp(), data=(d.train.images * 255, d.train.labels)
        ),
        "pictures from 0 to 255, with Adam": lambda d: with_adam(
            classic(nn.ReLU()), data=(d.train.images * 255, d.train.labels)
        ),
        "pictures of bytes": lambda d: with_sgd(
            mlp(), data=((d.train.images * 255).byte(), d.train.labels)
        ),
    },
    "flatten_order": {
        "transposed and reshaped in the net": lambda d: with_sgd(
            Altered(before=lambda X: X.T.reshape(len(X), -1))
        ),
        "permuted pictures in the net": lambda d: with_sgd(
            Altered(before=lambda X: X.permute(1, 2, 0).reshape(len(X), -1)),
            data=(d.train.images.reshape(-1, 28, 28), d.train.labels),
        ),
        "all pictures flattened into one row": lambda d: with_sgd(
            linear(nn.Flatten(0), *classic(nn.ReLU()))
        ),
        "reshape to more rows": lambda d: with_sgd(
            linear(nn.Unflatten(1, (2, 392)), nn.Flatten(0, 1), nn.Linear(392, 10))
        ),
        "scrambled in the step": lambda d: with_sgd(mlp(), train_step=scrambled_step),
        "data scrambled by a reshape": lambda d: with_sgd(
            mlp(), data=scrambled(d, lambda X: X.reshape(784, -1).T.contiguous())
        ),
        "data scrambled by permute and reshape": lambda d: with_sgd(
            mlp(),
            data=scrambled(
                d, lambda X: X.reshape(-1, 28, 28).permute(1, 2, 0).reshape(-1, 784)
            ),
        ),
    },
    "wrong_output_width": {
        "five scores": lambda d: with_sgd(MLP(784, 32, 5, seed=0)),
        "one score": lambda d: with_adam(MLP(784, 32, 1, seed=0)),
        "128 scores of a pair": lambda d: with_sgd(
            linear(nn.Linear(784, 128), nn.ReLU()), data=pair(d)
        ),
        "labels from 1 to 10": lambda d: with_sgd(
            mlp(), data=(d.train.images, d.train.labels + 1)
        ),
        "no flatten": lambda d: with_sgd(
            linear(nn.Linear(28, 10)),
            data=(d.train.images.reshape(-1, 28, 28), d.train.labels),
        ),
    },
    "left_in_eval_mode": {
        "fresh dropout in eval mode": lambda d: with_sgd(
            mode(classic(nn.ReLU(), nn.Dropout(0.5)), False)
        ),
        "fresh batch norm in eval mode": lambda d: with_adam(
            mode(classic(nn.BatchNorm1d(64), nn.ReLU()), False)
        ),
    },
    "worse_in_eval": {
        "one batch norm in two places": lambda d: with_sgd(TwicePlaced()),
        "statistics that never settle": lambda d: with_sgd(
            classic(nn.BatchNorm1d(64, momentum=1e-5), nn.ReLU()),
            data=(10 * d.train.images + 3, d.train.labels),
        ),
        "an output that is cut off in eval mode": lambda d: with_sgd(CutInEval()),
    },
    "mixed_pictures": {
        f"{kind.__name__} without batch_first": lambda d, kind=kind: with_adam(
            InRows(kind), data=in_rows(d)
        )
        for kind in (nn.RNN, nn.LSTM, nn.GRU)
    }
    | {
        "a Transformer layer without batch_first": lambda d: with_adam(
            Transformer(), data=in_rows(d), train_step=plain
        ),
        "attention over the batch": lambda d: with_adam(Attention(0), data=in_rows(d)),
        "log_softmax over the batch": lambda d: with_sgd(
            classic(nn.ReLU()).append(nn.LogSoftmax(dim=0))
        ),
    },
    "lost_information": {
        "divided by 255 without a rest": lambda d: with_sgd(
            classic(nn.ReLU()), data=((d.train.images * 255) // 255, d.train.labels)
        ),
        "the same in the step": lambda d: with_sgd(
            mlp(), train_step=lambda net, o, X, y: plain(net, o, X // 1, y)
        ),
        "noise in the step": lambda d: with_sgd(
            MLP(784, 16, 10, seed=0), train_step=with_noise
        ),
    },
    "below_linear": {
        "only the brightness of four quarters": lambda d: with_adam(
            Altered(before=quarters), 1e-2
        ),
        "a log, and 0 where it is -inf": lambda d: with_sgd(
            Altered(lambda H: torch.where(H > 0, H.log(), 0.0)),
            data=DataLoader(TensorDataset(*pair(d)), 32, shuffle=True),
        ),
        "scores that are cut off, with a step": lambda d: with_sgd(
            Altered(after=lambda out: out.minimum(HIGH).maximum(-HIGH)),
            train_step=plain,
        ),
    },
    "wrong_mode": {
        "a step that switches to eval mode": lambda d: with_sgd(
            classic(nn.BatchNorm1d(64), nn.ReLU()), train_step=eval_step
        ),
        "eval() in forward": lambda d: with_sgd(EvalInForward(), train_step=plain),
        "measured in the step without eval()": lambda d: with_sgd(
            classic(nn.ReLU(), nn.Dropout(0.5)), train_step=measured_without_eval
        ),
        "dropout that is always on": lambda d: with_sgd(AlwaysDropout()),
        "dropout stuck in training mode": lambda d: with_adam(
            classic(nn.ReLU(), StuckDropout(0.5))
        ),
    },
    "weight_decay": {
        "too much weight decay": lambda d: with_sgd(
            classic(nn.ReLU()), weight_decay=1.0
        ),
        "a penalty that is too large": lambda d: with_sgd(
            mlp(), 0.05, train_step=with_a_penalty
        ),
    },
    "smoothed_labels": {
        "labels smoothed away": lambda d: with_sgd(
            mlp(), loss=nn.CrossEntropyLoss(label_smoothing=0.99)
        ),
        "labels smoothed away by hand, in a step": lambda d: with_adam(
            mlp(), train_step=smoothed_by_hand
        ),
    },
    "class_weights": {
        "one class a thousand times as heavy": lambda d: with_sgd(
            mlp(), loss=nn.CrossEntropyLoss(weight=heavy(1000))
        ),
        "one class of log-probabilities that counts nothing": lambda d: with_sgd(
            classic(nn.ReLU()).append(nn.LogSoftmax(dim=1)),
            train_step=with_loss(nn.NLLLoss(weight=heavy(0))),
        ),
    },
    "late_labels": {
        "labels one batch late": lambda d: with_sgd(mlp(), train_step=late(1)),
        "labels two batches late, in squares": lambda d: with_adam(
            mlp(), train_step=late(2, loss=squares)
        ),
        "pictures one batch late": lambda d: with_sgd(
            mlp(), train_step=late(1, late_pictures=True, late_labels=False)
        ),
    },
    "saturated_units": {
        "tanh at its ends": lambda d: with_sgd(
            changed(classic(nn.Tanh()), **{"0.bias": 20.0})
        ),
        "weights that are far too large for sigmoid": lambda d: with_adam(
            scaled_up(classic(nn.Sigmoid()), 400)
        ),
    },
    "unexplained": {
        "minus the right score": lambda d: with_sgd(
            mlp(), train_step=minus_the_right_score
        ),
        "scores a million times too small": lambda d: with_sgd(
            Altered(after=lambda out: out / 1e6)
        ),
    },
    "raises": {
        "a loss without return": lambda d: with_sgd(mlp(), loss=returns_nothing),
        "a loss that is a number": lambda d: with_sgd(
            mlp(), loss=lambda out, y: F.cross_entropy(out, y).item()
        ),
        "transposed weight": lambda d: with_sgd(MLP(256, 784, 10, seed=0)),
        "a parameter that was computed": lambda d: {"net": with_a_computed_weight()},
        "a step that raises": lambda d: with_sgd(
            mlp(), train_step=lambda net, o, X, y: plain(net, o, X, y[0])
        ),
    },
}
WRONG = {
    name: (code, make)
    for code, models in WRONG_BY_CODE.items()
    for name, make in models.items()
}
