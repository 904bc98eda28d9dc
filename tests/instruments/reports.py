"""Reports of people whose model does not learn, rebuilt, and healthy models.

They are unlike the cases in `doctor_cases`, and measure the doctor as a stranger would.
REPORTS: what the person says -> (the code that names the cause, codes that help as
well, a function of the data that makes the arguments of `doctor`). HEALTHY: name ->
such a function, for models in which nothing must be found.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

optim = torch.optim


def sequential(*layers):
    torch.manual_seed(11)
    return nn.Sequential(*layers)


def dense(*sizes, act=nn.ReLU, end=()):
    """Linear layers of these sizes with an activation between each two."""
    torch.manual_seed(11)
    layers = [nn.Flatten()]
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1], *end)


def lenet(act=nn.Sigmoid, norm=False, last=84):
    torch.manual_seed(11)

    def block(a, b, **options):
        return [
            nn.Conv2d(a, b, 5, **options),
            *([nn.BatchNorm2d(b)] if norm else []),
            *(act(), nn.AvgPool2d(2)),
        ]

    return nn.Sequential(
        *block(1, 6, padding=2),
        *block(6, 16),
        nn.Flatten(),
        *(nn.Linear(400, 120), act(), nn.Linear(120, 84), act(), nn.Linear(last, 10)),
    )


def vgg(*widths, norm=False):
    """3x3 convolutions and a pooling after each; no normalization unless asked for."""
    torch.manual_seed(11)
    layers, before = [], 1
    for width in widths:
        layers.append(nn.Conv2d(before, width, 3, padding=1))
        layers += [nn.BatchNorm2d(width)] if norm else []
        layers += [nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
        before = width
    side = 28
    for _ in widths:
        side = -(-side // 2)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * side**2, 10))


def flat(d, count=4000):
    return d.train.images[:count], d.train.labels[:count]


def square(d, count=4000):
    X, y = flat(d, count)
    return X.reshape(-1, 1, 28, 28), y


def rows(d, count=4000):
    X, y = flat(d, count)
    return X.reshape(-1, 28, 28), y


def loader(pair, size=64, shuffle=True, **options):
    return DataLoader(TensorDataset(*pair), size, shuffle=shuffle, **options)


def by_class(d, shape=flat):
    X, y = shape(d)
    order = y.argsort(stable=True)
    return X[order], y[order]


def two_classes(d):
    """Pullovers (1) and coats (0), which are hard to tell apart."""
    X, y = flat(d, 6000)
    some = (y == 2) | (y == 4)
    return X[some], (y[some] == 2).long()


def train(net, optimizer, data, **options):
    return {"net": net, "optimizer": optimizer, "data": data} | options


def sgd(net, data, lr=0.1, step=None, loss=None, **options):
    optimizer = optim.SGD(net.parameters(), lr, **options)
    return train(net, optimizer, data, train_step=step, loss=loss)


def adam(net, data, lr=1e-3, step=None, loss=None):
    optimizer = optim.Adam(net.parameters(), lr)
    return train(net, optimizer, data, train_step=step, loss=loss)


def with_(kind, net, data, lr, step=None, **options):
    optimizer = kind(net.parameters(), lr=lr, **options)
    return train(net, optimizer, data, train_step=step)


def usual(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def with_loss(loss):
    """The usual step with another loss."""

    def step(net, optimizer, X, y):
        optimizer.zero_grad()
        value = loss(net(X), y)
        value.backward()
        optimizer.step()
        return value

    return step


# --- Models of the reports


class WrongName(nn.Module):
    def _init_(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 64), nn.Linear(64, 10)

    def forward(self, X):
        return self.fc2(F.relu(self.fc1(X)))


class LayersInMethods(nn.Module):
    def encoder(self, X):
        return F.relu(nn.Linear(784, 64)(X))

    def classifier(self, H):
        return nn.Linear(64, 10)(H)

    def forward(self, X):
        return self.classifier(self.encoder(X))


class MadeByHelper(nn.Module):
    """Only a part of it is made anew with each call."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.out = nn.Linear(64, 10)

    def block(self, X, a, b):
        return nn.Sequential(nn.Linear(a, b), nn.ReLU())(X)

    def forward(self, X):
        return self.out(self.block(X, 784, 64))


class NoReturn(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = dense(784, 64, 10)

    def forward(self, X):
        self.net(X)


class Blocks(nn.Module):
    """Residual blocks, held in `hold`."""

    def __init__(self, hold, width=64, count=3):
        super().__init__()
        torch.manual_seed(11)
        self.stem = nn.Linear(784, width)
        self.blocks = hold([nn.Linear(width, width) for _ in range(count)])
        self.head = nn.Linear(width, 10)

    def forward(self, X):
        X = F.relu(self.stem(X))
        for block in self.blocks:
            X = X + F.relu(block(X))
        return self.head(X)


class WideBlocks(nn.Module):
    """Convolutions that take a while, held in `hold`."""

    def __init__(self, hold=nn.ModuleList, width=96, count=4):
        super().__init__()
        torch.manual_seed(11)
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.blocks = hold(
            [nn.Conv2d(width, width, 3, padding=1) for _ in range(count)]
        )
        self.head = nn.Linear(width, 10)

    def forward(self, X):
        X = F.relu(self.stem(X))
        for block in self.blocks:
            X = X + F.relu(block(X)) / 2
        return self.head(X.mean(dim=(2, 3)))


class Rows(nn.Module):
    """A recurrent net over the rows of a picture."""

    def __init__(self, kind, pick=lambda out: out[:, -1], **options):
        super().__init__()
        torch.manual_seed(11)
        self.recurrent, self.pick = kind(28, 48, **options), pick
        self.head = nn.Linear(48 * (2 if options.get("bidirectional") else 1), 10)

    def forward(self, X):
        return self.head(self.pick(self.recurrent(X)[0]))


class Around(nn.Module):
    """A dense net with functions around its layers."""

    def __init__(self, before=None, middle=None, after=None):
        super().__init__()
        torch.manual_seed(11)
        self.fc1, self.fc2 = nn.Linear(784, 96), nn.Linear(96, 10)
        self.before, self.middle, self.after = before, middle, after

    def forward(self, X):
        X = self.before(X) if self.before else X
        H = F.relu(self.fc1(X))
        H = self.middle(H) if self.middle else H
        out = self.fc2(H)
        return self.after(out) if self.after else out


class SharedNorm(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)
        self.norm, self.pool = nn.BatchNorm2d(16), nn.MaxPool2d(2)
        self.fc = nn.Linear(16 * 49, 10)
        with torch.no_grad():
            self.conv2.weight.mul_(12)

    def forward(self, X):
        X = self.pool(F.relu(self.norm(self.conv1(X))))
        X = self.pool(F.relu(self.norm(self.conv2(X))))
        return self.fc(X.flatten(1))


class FrozenFeatures(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.features = nn.Sequential(nn.Linear(784, 8), nn.Tanh(), nn.Linear(8, 8))
        self.head = nn.Linear(8, 10)

    def forward(self, X):
        with torch.no_grad():
            features = self.features(X)
        return self.head(features)


class ByHand(nn.Module):
    """The weights as one writes them down first."""

    def __init__(self, scale=1.0, make=torch.randn):
        super().__init__()
        torch.manual_seed(11)
        sizes = ((784, 128), (128, 128), (128, 10))
        self.W = nn.ParameterList([nn.Parameter(make(*s) * scale) for s in sizes])
        self.b = nn.ParameterList([nn.Parameter(torch.zeros(s[1])) for s in sizes])

    def forward(self, X):
        for i, (W, b) in enumerate(zip(self.W, self.b)):
            X = X @ W + b
            X = F.relu(X) if i < 2 else X
        return X


# --- Their steps


def forgot_step(net, optimizer, X, y):
    net.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    return loss.item()


def forgot_zero_grad(net, optimizer, X, y):
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def zeroed_in_between(net, optimizer, X, y):
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


def rewrapped(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss = torch.tensor(loss.item(), requires_grad=True)
    loss.backward()
    optimizer.step()
    return loss.item()


def in_eval_mode(net, optimizer, X, y):
    net.eval()
    return usual(net, optimizer, X, y)


def of_the_class_numbers(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.mse_loss(net(X).max(1)[1].float(), y.float())
    loss.backward()
    optimizer.step()
    return loss


def new_tensors(net, optimizer, X, y):
    net.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    for p in net.parameters():
        p = p - 0.1 * p.grad
    return loss


def clipped_away(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    loss.backward()
    nn.utils.clip_grad_value_(net.parameters(), 1e-7)
    optimizer.step()
    return loss


def clipped_too_early(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X), y)
    nn.utils.clip_grad_norm_(net.parameters(), 0.1)
    loss.backward()
    optimizer.step()
    return loss


def halves_the_weights(net, optimizer, X, y):
    loss = usual(net, optimizer, X, y)
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(0.5)
    return loss


def likelihood(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.log_softmax(net(X), dim=1)[torch.arange(len(y)), y].mean()
    loss.backward()
    optimizer.step()
    return loss


def permuted(net, optimizer, X, y):
    X = X[torch.randperm(len(X))]
    return usual(net, optimizer, X, y)


def scheduled_per_batch(net, data):
    optimizer = optim.SGD(net.parameters(), 0.1)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 5, 0.1)

    def step(net, optimizer, X, y):
        loss = usual(net, optimizer, X, y)
        scheduler.step()
        return loss

    return train(net, optimizer, data, train_step=step)


def stale(make, data, lr=0.1):
    """The optimizer holds the parameters of the first of two nets."""
    first, second = make(), make()
    return train(second, optim.SGD(first.parameters(), lr), data, train_step=usual)


def filled(net, value):
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(value)
    return net


def no_slopes(net):
    for p in net.parameters():
        p.requires_grad = False
    net[-1].bias.requires_grad = True
    return net


def bn_settles_never(d):
    X, y = square(d)
    net = lenet(nn.ReLU, norm=True)
    for layer in net:
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1e-4
    return adam(net, (X * 4 + 2, y), 3e-3)


def with_nan(d):
    X, y = flat(d)
    X = X.clone()
    X[37:4000:800, 300:310] = float("nan")
    return X, y


def first_picture_only(d):
    X, y = flat(d)
    return X[:1].repeat(len(X), 1), y


def divergence(out, y):
    goal = F.one_hot(y, 10).float()
    return F.kl_div(out.softmax(1), goal, reduction="batchmean")


def one_by_one(out, y):
    return F.binary_cross_entropy_with_logits(out, F.one_hot(y, 10).float())


def running_total():
    losses = []

    def step(net, optimizer, X, y):
        losses.append(F.cross_entropy(net(X), y))
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
        return losses[-1]

    return step


def validated(net, optimizer, X, y):
    loss = usual(net, optimizer, X, y)
    net.eval()
    return loss


def of_a_number(net, optimizer, X, y):
    loss = torch.tensor(F.cross_entropy(net(X), y).item(), requires_grad=True)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


class Altered(nn.Module):
    """With `between` its two layers."""

    def __init__(self, between):
        super().__init__()
        torch.manual_seed(11)
        self.hidden, self.out = nn.Linear(784, 64), nn.Linear(64, 10)
        self.between = between

    def forward(self, X):
        return self.out(self.between(self.hidden(X)))


class Remembers(Altered):
    """It adds what it has seen in the batches before."""

    def __init__(self):
        super().__init__(self.with_state)
        self.state = 0

    def with_state(self, H):
        self.state = H.mean(dim=0) + 0.5 * self.state
        return torch.relu(H + 0.1 * self.state)


REPORTS = {
    # It does not run.
    "mat1 and mat2 shapes cannot be multiplied": (
        "raises",
        "",
        lambda d: sgd(lenet(last=120), square(d)),
    ),
    "expected 4D input, my pictures are flat": (
        "raises",
        "",
        lambda d: adam(vgg(8, 16), flat(d), step=usual),
    ),
    "target 9 is out of bounds": (
        "wrong_output_width",
        "",
        lambda d: sgd(dense(784, 64, 9), flat(d)),
    ),
    "binary cross-entropy on ten classes": (
        "wrong_output_width",
        "raises",
        lambda d: adam(dense(784, 64, 1), flat(d)),
    ),
    "target size must be the same as input size": (
        "raises",
        "",
        lambda d: adam(
            dense(784, 30, 1),
            (two_classes(d)[0], two_classes(d)[1].float()),
            loss=nn.BCEWithLogitsLoss(),
        ),
    ),
    "it predicts the mean of all": (
        "wrong_output_width",
        "",
        lambda d: adam(
            dense(784, 30, 1),
            two_classes(d),
            step=with_loss(lambda out, y: F.mse_loss(out, y.float())),
        ),
    ),
    "expected Long but found Float": (
        "raises",
        "",
        lambda d: sgd(
            dense(784, 64, 10),
            flat(d),
            loss=lambda out, y: F.cross_entropy(out, y.float()),
        ),
    ),
    "forward returns None": ("raises", "", lambda d: sgd(NoReturn(), flat(d))),
    "the model has no parameters (one underscore)": (
        "raises",
        "unregistered",
        lambda d: {"net": WrongName(), "data": flat(d)},
    ),
    "optimizer got an empty parameter list": (
        "unregistered",
        "",
        lambda d: {"net": LayersInMethods(), "data": flat(d)},
    ),
    "a helper method that makes the block": (
        "unregistered",
        "",
        lambda d: sgd(MadeByHelper(), flat(d)),
    ),
    "float object has no attribute backward": (
        "raises",
        "",
        lambda d: sgd(
            dense(784, 64, 10),
            flat(d),
            loss=lambda out, y: float(F.cross_entropy(out, y)),
        ),
    ),
    # Losses and scores.
    "softmax at the end, as in Keras": (
        "softmax_twice",
        "",
        lambda d: adam(dense(784, 128, 10, end=[nn.Softmax(dim=1)]), flat(d)),
    ),
    "softmax with dim=0": (
        "softmax_twice",
        "mixed_pictures",
        lambda d: sgd(Around(after=lambda out: out.softmax(dim=0)), flat(d)),
    ),
    "my NLL loss is negative and falls for ever": (
        "softmax_missing",
        "",
        lambda d: adam(lenet(nn.ReLU), square(d), loss=nn.NLLLoss()),
    ),
    "a relu after the last layer too": (
        "activated_scores",
        "",
        lambda d: sgd(
            dense(784, 128, 64, 10, end=[nn.ReLU()]), flat(d), 0.05, step=usual
        ),
    ),
    "tanh on the scores, 60 percent": (
        "activated_scores",
        "",
        lambda d: adam(Around(after=torch.tanh), flat(d), 1e-3),
    ),
    "the loss of the predicted class numbers": (
        "no_gradient",
        "",
        lambda d: sgd(dense(784, 64, 10), flat(d), step=of_the_class_numbers),
    ),
    "hard decisions in the hidden layer": (
        "no_gradient",
        "zero_gradients",
        lambda d: sgd(Around(middle=lambda H: (H > 0.1).float()), flat(d)),
    ),
    "I maximize the likelihood and it gets worse": (
        "uphill",
        "",
        lambda d: sgd(dense(784, 64, 10), flat(d), step=likelihood),
    ),
    # Steps.
    "loss printed, nothing changes": (
        "no_update",
        "",
        lambda d: adam(lenet(nn.ReLU), square(d), step=forgot_step),
    ),
    "loss printed, nothing changes, a big net": (
        "no_update",
        "",
        lambda d: sgd(WideBlocks(), square(d), step=forgot_step),
    ),
    "the loss jumps up and down, later nan": (
        "gradients_accumulate",
        "lr_too_high",
        lambda d: sgd(vgg(8, 16), square(d), 0.05, step=forgot_zero_grad),
    ),
    "zero_grad after backward": (
        "no_update",
        "",
        lambda d: adam(dense(784, 64, 10), flat(d), step=zeroed_in_between),
    ),
    "I wrapped the loss to get rid of an error": (
        "no_gradient",
        "",
        lambda d: adam(dense(784, 64, 10), flat(d), step=rewrapped),
    ),
    "p = p - lr * grad in a loop": (
        "no_update",
        "",
        lambda d: {
            "net": dense(784, 64, 10),
            "data": flat(d),
            "train_step": new_tensors,
        },
    ),
    "clipping against explosions, now nothing happens": (
        "lr_too_low",
        "",
        lambda d: sgd(dense(784, 64, 10), flat(d), step=clipped_away),
    ),
    "I clip the gradients, and it still jumps": (
        "clips_nothing",
        "lr_too_high",
        lambda d: adam(dense(784, 64, 10), flat(d), 1.0, clipped_too_early),
    ),
    "max-norm by hand, in each step": (
        "weight_decay",
        "",
        lambda d: sgd(dense(784, 64, 10), flat(d), step=halves_the_weights),
    ),
    "my loss is tiny, and stays so": (
        "lr_too_low",
        "",
        lambda d: sgd(
            dense(784, 64, 10), flat(d), loss=lambda s, y: F.cross_entropy(s, y) / 1e6
        ),
    ),
    "ReLU6 in place of a relu, also at the end": (
        "activated_scores",
        "",
        lambda d: sgd(dense(784, 64, 10, act=nn.ReLU6, end=[nn.ReLU6()]), flat(d)),
    ),
    "scores clamped to probabilities": (
        "activated_scores",
        "",
        lambda d: sgd(Around(after=lambda s: s.clamp(0, 1)), flat(d)),
    ),
    "train() forgotten after the first evaluation": (
        "wrong_mode",
        "",
        lambda d: adam(lenet(nn.ReLU, norm=True), square(d), step=in_eval_mode),
    ),
    "the scheduler moves with each batch": (
        "lr_too_low",
        "",
        lambda d: scheduled_per_batch(dense(784, 64, 10), flat(d)),
    ),
    # What learns.
    "a Python list of blocks": (
        "unregistered",
        "",
        lambda d: adam(Blocks(list), flat(d), step=usual),
    ),
    "a Python list of blocks, a big net": (
        "unregistered",
        "",
        lambda d: sgd(WideBlocks(list), square(d)),
    ),
    "I made the net again, in the next cell": (
        "not_in_optimizer",
        "",
        lambda d: stale(lambda: lenet(nn.ReLU), square(d)),
    ),
    "I made the net again, a big one": (
        "not_in_optimizer",
        "",
        lambda d: stale(WideBlocks, square(d)),
    ),
    "only the classifier in the optimizer": (
        "not_in_optimizer",
        "",
        lambda d: train(
            net := Blocks(nn.ModuleList),
            optim.Adam(net.head.parameters()),
            flat(d),
        ),
    ),
    "fine-tuning code on a fresh net": (
        "frozen",
        "",
        lambda d: sgd(no_slopes(dense(784, 64, 10)), flat(d)),
    ),
    "binary features by rounding": (
        "zero_gradients",
        "no_gradient",
        lambda d: sgd(
            Around(middle=lambda H: torch.round(torch.sigmoid(H))), flat(d), step=usual
        ),
    ),
    "no_grad around the feature extractor": (
        "no_gradient",
        "",
        lambda d: adam(FrozenFeatures(), flat(d)),
    ),
    "detached to save memory": (
        "no_gradient",
        "",
        lambda d: adam(
            Around(middle=lambda H: H.clone().detach()), flat(d), step=usual
        ),
    ),
    # Beginnings.
    "all zeros to begin with": (
        "identical_units",
        "zero_gradients dead_units",
        lambda d: adam(filled(dense(784, 64, 32, 10), 0.0), flat(d)),
    ),
    "torch.randn weights, the first loss is thousands": (
        "exploding",
        "lr_too_high",
        lambda d: sgd(ByHand(), flat(d), 0.01),
    ),
    "torch.rand weights of the same sign": (
        "exploding",
        "lr_too_high",
        lambda d: sgd(ByHand(make=torch.rand), flat(d), 0.01),
    ),
    "twelve sigmoid layers": (
        "vanishing",
        "",
        lambda d: sgd(dense(784, *[64] * 12, 10, act=nn.Sigmoid), flat(d), 0.1),
    ),
    "the classic LeNet with sigmoids does not start": (
        "vanishing",
        "lr_too_low",
        lambda d: sgd(lenet(), square(d), 0.01),
    ),
    "dropout: I thought p is what is kept": (
        "dead_units",
        "",
        lambda d: adam(
            sequential(
                nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.97), nn.Linear(128, 10)
            ),
            flat(d),
        ),
    ),
    # Rates.
    "SGD with the lr of Adam's tutorial": (
        "lr_too_low",
        "",
        lambda d: sgd(dense(784, 64, 10), flat(d), 1e-5),
    ),
    "a rate of 1e-8": (
        "lr_too_low",
        "",
        lambda d: adam(lenet(nn.ReLU), square(d), 1e-8, step=usual),
    ),
    "Adam with the lr of SGD": (
        "lr_too_high",
        "",
        lambda d: adam(lenet(nn.ReLU), square(d), 0.1),
    ),
    "lr 100": (
        "lr_too_high",
        "",
        lambda d: sgd(lenet(nn.ReLU), loader(square(d), 4), 100),
    ),
    "batches of 4 and lr 1e-7": (
        "lr_too_low",
        "",
        lambda d: sgd(lenet(nn.ReLU), loader(square(d), 4), 1e-7, momentum=0.9),
    ),
    "batches of 4, lr 0.3 and momentum": (
        "lr_too_high",
        "",
        lambda d: sgd(dense(784, 64, 10), loader(flat(d), 4), 0.3, momentum=0.9),
    ),
    "Adadelta at 1e4": (
        "lr_too_high",
        "",
        lambda d: with_(optim.Adadelta, dense(784, 64, 10), flat(d), 1e4),
    ),
    "Adadelta at 1e-4, as in Keras": (
        "lr_too_low",
        "",
        lambda d: with_(optim.Adadelta, dense(784, 64, 10), flat(d), 1e-4),
    ),
    "Adagrad at 10": (
        "lr_too_high",
        "",
        lambda d: with_(optim.Adagrad, dense(784, 64, 64, 10), flat(d), 10.0, usual),
    ),
    "RMSprop at 0.5": (
        "lr_too_high",
        "",
        lambda d: with_(optim.RMSprop, vgg(8, 16), square(d), 0.5),
    ),
    "AdamW, a momentum-free SGD's lr, deep convolutions": (
        "lr_too_high",
        "",
        lambda d: with_(optim.AdamW, vgg(8, 16, 32), square(d), 0.1),
    ),
    "a big net that diverges": (
        "lr_too_high",
        "",
        lambda d: sgd(WideBlocks(), loader(square(d), 32), 50.0),
    ),
    "weight decay of 5, misread from a paper": (
        "weight_decay",
        "",
        lambda d: sgd(dense(784, 64, 10), flat(d), 0.05, weight_decay=5.0),
    ),
    # Data.
    "0 to 255, as read from the files": (
        "unscaled_inputs",
        "",
        lambda d: sgd(lenet(nn.ReLU), (square(d)[0] * 255, square(d)[1]), 0.01),
    ),
    "divided by 255 after ToTensor": (
        "unscaled_inputs",
        "",
        lambda d: sgd(dense(784, 64, 64, 10), (flat(d)[0] / 255, flat(d)[1]), 0.05),
    ),
    "an integer division": (
        "lost_information",
        "unscaled_inputs",
        lambda d: adam(
            dense(784, 64, 10), ((flat(d)[0] * 255).byte() // 255 * 1.0, flat(d)[1])
        ),
    ),
    "my Dataset always returns the first picture": (
        "unscaled_inputs",
        "lost_information data_mismatch",
        lambda d: adam(dense(784, 64, 10), loader(first_picture_only(d))),
    ),
    "nan after some epochs, five broken pictures": (
        "not_finite",
        "",
        lambda d: adam(dense(784, 64, 10), loader(with_nan(d))),
    ),
    "a log of zero in my own layer": (
        "not_finite",
        "",
        lambda d: adam(Around(before=torch.log), flat(d)),
    ),
    "pictures shuffled, labels not": (
        "data_mismatch",
        "",
        lambda d: adam(lenet(nn.ReLU), square(d), step=permuted),
    ),
    "labels of the other file": (
        "data_mismatch",
        "",
        lambda d: sgd(dense(784, 64, 10), (d.train.images[:1000], d.val.labels)),
    ),
    "sorted folders, no shuffle": (
        "not_shuffled",
        "",
        lambda d: adam(
            lenet(nn.ReLU), loader(by_class(d, square), 32, False), step=usual
        ),
    ),
    "sorted folders, no shuffle, batches of 4": (
        "not_shuffled",
        "",
        lambda d: sgd(dense(784, 64, 10), loader(by_class(d), 4, False), 0.02),
    ),
    "sorted folders, no shuffle, batches of 1,024": (
        "not_shuffled",
        "",
        lambda d: sgd(dense(784, 64, 10), loader(by_class(d), 1024, False)),
    ),
    "reshape in place of permute": (
        "flatten_order",
        "",
        lambda d: adam(Around(before=lambda X: X.reshape(784, -1).T), flat(d)),
    ),
    "view(-1, 392) halves my pictures": (
        "flatten_order",
        "raises wrong_output_width",
        lambda d: sgd(
            sequential(
                nn.Unflatten(1, (2, 392)),
                nn.Flatten(0, 1),
                nn.Linear(392, 32),
                nn.ReLU(),
                nn.Linear(32, 10),
            ),
            flat(d),
        ),
    ),
    # Layers.
    "LogSoftmax(dim=0), 70 percent": (
        "mixed_pictures",
        "",
        lambda d: sgd(
            vgg(4, 8).append(nn.LogSoftmax(dim=0)), square(d), 0.01, momentum=0.9
        ),
    ),
    "a GRU that reaches 30 percent": (
        "mixed_pictures",
        "",
        lambda d: adam(Rows(nn.GRU), rows(d), 3e-3),
    ),
    "97 in training, 20 in evaluation": (
        "worse_in_eval",
        "",
        lambda d: adam(SharedNorm(), square(d), 3e-3),
    ),
    "batch norm's momentum as in TensorFlow": ("worse_in_eval", "", bn_settles_never),
    "two layers are no better than one": (
        "no_nonlinearity",
        "",
        lambda d: sgd(dense(784, 128, 64, 10, act=nn.Identity), flat(d)),
    ),
    # Kinds that a collection by somebody else showed.
    "KLDivLoss, but the accuracy is odd": (
        "softmax_missing",
        "",
        lambda d: adam(dense(784, 64, 10), flat(d), loss=divergence),
    ),
    "sigmoid in the net, BCEWithLogitsLoss outside": (
        "activated_scores",
        "",
        lambda d: adam(
            dense(784, 64, 10, end=[nn.Sigmoid()]), flat(d), loss=one_by_one
        ),
    ),
    "trying to backward a second time, a running loss": (
        "raises",
        "",
        lambda d: sgd(dense(784, 64, 10), flat(d), step=running_total()),
    ),
    "trying to backward a second time, a state": (
        "raises",
        "",
        lambda d: sgd(Remembers(), flat(d)),
    ),
    "validation in the loop, and it gets worse": (
        "wrong_mode",
        "",
        lambda d: sgd(
            dense(784, 64, 10, end=[nn.BatchNorm1d(10)]), flat(d), step=validated
        ),
    ),
    "half precision and Adam": (
        "not_finite",
        "",
        lambda d: adam(dense(784, 64, 10).half(), (flat(d)[0].half(), flat(d)[1])),
    ),
    "modified by an inplace operation": (
        "raises",
        "",
        lambda d: sgd(Altered(lambda H: torch.tanh(H).mul_(torch.sigmoid(H))), flat(d)),
    ),
    "the error comes at the end of the epoch": (
        "raises",
        "",
        lambda d: sgd(dense(784, 10, end=[nn.BatchNorm1d(10)]), loader(flat(d, 2049))),
    ),
    "my masks and nan": (
        "not_finite",
        "",
        lambda d: sgd(Altered(lambda H: (H - torch.inf).softmax(1)), flat(d)),
    ),
    "a square root, and nan in the second step": (
        "not_finite",
        "",
        lambda d: sgd(Altered(lambda H: (H * (H > 0)).square().sqrt()), flat(d)),
    ),
    "the loss as a new tensor": (
        "no_gradient",
        "",
        lambda d: sgd(dense(784, 64, 10), flat(d), step=of_a_number),
    ),
    "mat1 and mat2 must have the same dtype": (
        "raises",
        "",
        lambda d: sgd(dense(784, 64, 10), (flat(d)[0].double(), flat(d)[1])),
    ),
    "expected target dtype to be Long": (
        "raises",
        "",
        lambda d: sgd(dense(784, 64, 10), (flat(d)[0], flat(d)[1].float())),
    ),
    "I average the picture away": (
        "lost_information",
        "below_linear unexplained",
        lambda d: adam(
            sequential(
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(1, 32),
                nn.ReLU(),
                nn.Linear(32, 10),
            ),
            square(d),
            1e-2,
        ),
    ),
    "only a corner of the picture, by mistake": (
        "lost_information",
        "below_linear",
        lambda d: adam(
            sequential(
                nn.ZeroPad2d((-21, 0, -21, 0)),
                nn.Flatten(),
                nn.Linear(49, 64),
                nn.ReLU(),
                nn.Linear(64, 10),
            ),
            square(d),
            3e-3,
        ),
    ),
}


# --- Healthy models


class Together(nn.Module):
    """Returns what `pack` makes of the scores and the hidden layer."""

    def __init__(self, pack):
        super().__init__()
        torch.manual_seed(11)
        self.hidden, self.out, self.pack = nn.Linear(784, 64), nn.Linear(64, 10), pack

    def forward(self, X):
        H = torch.relu(self.hidden(X))
        return self.pack(self.out(H), H)


class KeepsState(nn.Module):
    """Its hidden state is made for one batch size, and goes on from batch to batch."""

    def __init__(self, size=32):
        super().__init__()
        torch.manual_seed(11)
        self.cell, self.out = nn.GRU(28, 48, batch_first=True), nn.Linear(48, 10)
        self.state = torch.zeros(1, size, 48)

    def forward(self, X):
        H, state = self.cell(X, self.state)
        self.state = state.detach()
        return self.out(H[:, -1])


class GivenState(nn.Module):
    """Its step hands it the hidden state."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.cell, self.out = nn.LSTM(28, 48, batch_first=True), nn.Linear(48, 10)

    def forward(self, X, state):
        H, state = self.cell(X, state)
        return self.out(H[:, -1]), state


def with_state(net, optimizer, X, y):
    state = torch.zeros(1, len(X), 48), torch.zeros(1, len(X), 48)
    scores, _ = net(X, state)
    loss = F.cross_entropy(scores, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


class FixedBatch(nn.Module):
    def __init__(self, size=32):
        super().__init__()
        torch.manual_seed(11)
        self.size, self.net = size, dense(784, 64, 10)

    def forward(self, X):
        return self.net(X.view(self.size, 784))


class TinyViT(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.patch = nn.Conv2d(1, 32, 7, 7)
        self.place = nn.Parameter(torch.zeros(1, 17, 32))
        self.cls = nn.Parameter(torch.zeros(1, 1, 32))
        self.layer = nn.TransformerEncoderLayer(
            *(32, 4, 64), dropout=0.0, batch_first=True, norm_first=True
        )
        self.head = nn.Linear(32, 10)

    def forward(self, X):
        X = self.patch(X).flatten(2).mT
        X = torch.cat([self.cls.expand(len(X), -1, -1), X], dim=1) + self.place
        return self.head(self.layer(X)[:, 0])


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.gate = nn.Linear(784, 4)
        self.experts = nn.ModuleList([dense(784, 24, 10) for _ in range(4)])

    def forward(self, X):
        weights = self.gate(X).softmax(dim=1)
        scores = torch.stack([expert(X) for expert in self.experts], dim=1)
        return (weights[..., None] * scores).sum(dim=1)


class Highway(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.enter, self.out = nn.Linear(784, 48), nn.Linear(48, 10)
        self.ways = nn.ModuleList([nn.Linear(48, 96) for _ in range(5)])

    def forward(self, X):
        H = torch.tanh(self.enter(X))
        for way in self.ways:
            new, gate = way(H).chunk(2, dim=1)
            gate = torch.sigmoid(gate - 1)
            H = gate * torch.tanh(new) + (1 - gate) * H
        return self.out(H)


class Prototypes(nn.Module):
    """The nearer a class's point, the higher its score."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.embed = dense(784, 64, 16)
        self.points = nn.Parameter(torch.randn(10, 16))

    def forward(self, X):
        return -torch.cdist(self.embed(X), self.points)


class WithDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.encode, self.decode = dense(784, 64, 24), dense(24, 64, 784)
        self.head = nn.Linear(24, 10)

    def forward(self, X):
        code = torch.relu(self.encode(X))
        return self.head(code), self.decode(code)


class Separable(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        layers, before = [], 1
        for width in (8, 16, 32):
            layers += [
                nn.Conv2d(before, before, 3, 2, 1, groups=before, bias=False),
                nn.Conv2d(before, width, 1, bias=False),
                *(nn.BatchNorm2d(width), nn.Hardswish()),
            ]
            before = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(32, 10)

    def forward(self, X):
        return self.head(self.body(X).mean(dim=(2, 3)))


def mixed_by(draw):
    def step(net, optimizer, X, y):
        share, order = draw(), torch.randperm(len(X))
        out = net(share * X + (1 - share) * X[order])
        optimizer.zero_grad()
        one, other = F.cross_entropy(out, y), F.cross_entropy(out, y[order])
        loss = share * one + (1 - share) * other
        loss.backward()
        optimizer.step()
        return loss

    return step


def mixed_labels(net, optimizer, X, y):
    """Mixup with labels of ten numbers."""
    share, order = float(np.random.beta(0.4, 0.4)), torch.randperm(len(X))
    hot = F.one_hot(y, 10).float()
    X, hot = torch.lerp(X[order], X, share), torch.lerp(hot[order], hot, share)
    loss = F.cross_entropy(net(X), hot)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def box_of_another(net, optimizer, X, y):
    order, top, side = torch.randperm(len(X)), np.random.randint(20), 12
    X = X.clone()
    X[..., top : top + side, 8 : 8 + side] = X[order][
        ..., top : top + side, 8 : 8 + side
    ]
    share = 1 - min(side, 28 - top) * side / 784
    out = net(X)
    one, other = F.cross_entropy(out, y), F.cross_entropy(out, y[order])
    loss = share * one + (1 - share) * other
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def in_rows_of_one(net, optimizer, X, y):
    optimizer.zero_grad()
    total = 0
    for i in range(len(X)):
        loss = F.cross_entropy(net(X[i : i + 1]), y[i : i + 1]) / len(X)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


def step_for_each_picture(net, optimizer, X, y):
    losses = []
    for picture, label in zip(X, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(picture[None]), label[None])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def every_third(net, data, lr):
    calls = iter(range(10**9))

    def step(net, optimizer, X, y):
        loss = F.cross_entropy(net(X), y)
        (loss / 3).backward()
        if next(calls) % 3 == 2:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return adam(net, data, lr, step)


def gathers_four(net, data, lr):
    batches = []

    def step(net, optimizer, X, y):
        batches.append((X, y))
        if len(batches) < 4:
            return None
        X, y = map(torch.cat, zip(*batches))
        batches.clear()
        loss = F.cross_entropy(net(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return sgd(net, data, lr, step)


def noisy_labels(net, optimizer, X, y):
    noisy = torch.rand(len(y)) < 0.2
    loss = F.cross_entropy(net(X), torch.where(noisy, torch.randint(0, 10, y.shape), y))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def of_the_first(net, optimizer, X, y):
    loss = F.cross_entropy(net(X)[0], y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def of_the_dict(net, optimizer, X, y):
    out = net(X)
    loss = F.cross_entropy(out["logits"], y) + 1e-4 * out["hidden"].square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {"loss": loss}


def with_the_decoder(net, optimizer, X, y):
    scores, again = net(X)
    loss = F.cross_entropy(scores, y) + F.mse_loss(again, X)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def one_logit(net, optimizer, X, y):
    loss = F.binary_cross_entropy_with_logits(net(X).squeeze(1), y.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def taught(d):
    """A large net teaches a small one."""
    teacher = dense(784, 128, 10)
    X, y = flat(d)
    optimizer = optim.Adam(teacher.parameters(), 2e-3)
    for start in range(0, 4000, 50):
        usual(teacher, optimizer, X[start : start + 50], y[start : start + 50])
    teacher.requires_grad_(False).eval()

    def step(net, optimizer, X, y):
        own, goal = net(X), teacher(X) / 2
        loss = F.kl_div(
            (own / 2).log_softmax(1), goal.softmax(1), reduction="batchmean"
        )
        loss = loss + F.cross_entropy(own, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return adam(dense(784, 32, 10), (X, y), 2e-3, step)


def cosine(d):
    net = vgg(8, 16, norm=True)
    optimizer = optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, 2000)

    def step(net, optimizer, X, y):
        loss = usual(net, optimizer, X, y)
        scheduler.step()
        return loss

    return train(net, optimizer, square(d), train_step=step)


HEALTHY = {
    "LeNet with tanh and momentum": lambda d: sgd(
        lenet(nn.Tanh), square(d), 0.02, momentum=0.9
    ),
    "log_softmax, then cross_entropy, which changes nothing": lambda d: sgd(
        dense(784, 64, 10, end=[nn.LogSoftmax(dim=1)]), flat(d)
    ),
    "a bidirectional LSTM over rows": lambda d: adam(
        Rows(nn.LSTM, lambda out: out.mean(1), batch_first=True, bidirectional=True),
        *(rows(d), 5e-3),
    ),
    "a small vision transformer": lambda d: adam(TinyViT(), square(d), 3e-3),
    "one logit in the step": lambda d: sgd(
        dense(784, 30, 1), two_classes(d), step=one_logit
    ),
    "one logit and labels (N, 1)": lambda d: adam(
        dense(784, 30, 1),
        (two_classes(d)[0], two_classes(d)[1].reshape(-1, 1).float()),
        loss=nn.BCEWithLogitsLoss(),
    ),
    "labels (N, 1), squeezed in the step": lambda d: sgd(
        dense(784, 64, 10),
        (flat(d)[0], flat(d)[1].reshape(-1, 1)),
        step=lambda net, o, X, y: usual(net, o, X, y.squeeze(1)),
    ),
    "a net that returns a tuple": lambda d: sgd(
        Together(lambda out, H: (out, H)), flat(d), step=of_the_first
    ),
    "a net that returns a dict": lambda d: adam(
        Together(lambda out, H: {"logits": out, "hidden": H}),
        flat(d),
        step=of_the_dict,
    ),
    "an autoencoder with a classifier": lambda d: adam(
        WithDecoder(), flat(d), 2e-3, with_the_decoder
    ),
    "a hidden state that goes on from batch to batch": lambda d: adam(
        KeepsState(), loader(rows(d), 32, drop_last=True), 3e-3, usual
    ),
    "a hidden state that the step makes": lambda d: adam(
        GivenState(), loader(rows(d), 64), 5e-3, with_state
    ),
    "sigmoid and binary cross-entropy, labels as floats": lambda d: adam(
        dense(784, 30, 1, end=[nn.Sigmoid(), nn.Flatten(0)]),
        (two_classes(d)[0], two_classes(d)[1].float()),
        loss=nn.BCELoss(),
    ),
    "squared differences of one score": lambda d: adam(
        dense(784, 30, 1),
        two_classes(d),
        step=with_loss(lambda out, y: F.mse_loss(out.squeeze(1), y.float())),
    ),
    "a view for one batch size": lambda d: sgd(
        FixedBatch(), loader(flat(d), 32, drop_last=True), step=usual
    ),
    "a view for one batch size, without a step": lambda d: sgd(
        FixedBatch(64), loader(flat(d), 64, drop_last=True)
    ),
    "gradients of three calls, Adam": lambda d: every_third(
        dense(784, 64, 10), loader(flat(d), 32), 1e-3
    ),
    "a step for four batches together": lambda d: gathers_four(
        dense(784, 64, 10), flat(d), 0.1
    ),
    "labels with noise": lambda d: sgd(dense(784, 64, 10), flat(d), step=noisy_labels),
    "mixup of Beta(0.2, 0.2) from numpy": lambda d: adam(
        lenet(nn.ReLU), square(d), step=mixed_by(lambda: np.random.beta(0.2, 0.2))
    ),
    "mixup of a uniform share": lambda d: sgd(
        dense(784, 96, 10), flat(d), step=mixed_by(np.random.rand)
    ),
    "mixup of pictures and of one-hot labels": lambda d: sgd(
        dense(784, 96, 10), flat(d), step=mixed_labels
    ),
    "a box of another picture": lambda d: adam(
        vgg(8, 16), square(d), 3e-3, box_of_another
    ),
    "rows of one picture": lambda d: sgd(
        dense(784, 32, 10), loader(flat(d), 16), 0.2, in_rows_of_one
    ),
    "a step for each picture": lambda d: sgd(
        dense(784, 32, 10), loader(flat(d), 8), 0.01, step_for_each_picture
    ),
    "a mixture of experts": lambda d: adam(Experts(), flat(d), 2e-3),
    "a highway net": lambda d: adam(Highway(), flat(d), 2e-3),
    "distances to prototypes": lambda d: adam(Prototypes(), flat(d), 2e-3),
    "separable convolutions": lambda d: adam(Separable(), square(d), 1e-2),
    "a teacher and a student": taught,
    "AdamW and a cosine": cosine,
    "Adadelta at its usual lr": lambda d: with_(
        optim.Adadelta, dense(784, 64, 10), flat(d), 1.0
    ),
    "Adagrad at 0.01": lambda d: with_(
        optim.Adagrad, dense(784, 64, 10), flat(d), 0.01
    ),
    "a weight-normed net": lambda d: sgd(
        sequential(
            nn.utils.parametrizations.weight_norm(nn.Linear(784, 64)),
            nn.ELU(),
            nn.Linear(64, 10),
        ),
        flat(d),
    ),
    "a scripted net": lambda d: sgd(
        torch.jit.script(dense(784, 64, 10, end=[nn.Dropout(0.1)])), flat(d)
    ),
    "a hinge loss": lambda d: adam(
        dense(784, 64, 10), flat(d), loss=nn.MultiMarginLoss()
    ),
    "small batches and a small lr": lambda d: sgd(
        lenet(nn.ReLU), loader(square(d), 4), 0.01, usual, momentum=0.9
    ),
    "a big net with a step": lambda d: sgd(
        WideBlocks(), loader(square(d), 32), 0.05, usual
    ),
    "slow and steady: SGD at 0.01": lambda d: sgd(dense(784, 64, 10), flat(d), 0.01),
}
