"""A learner's own net and own step: what a run makes of them."""

import math
import random
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from helpers import MLP, Config, as_code, train
from helpers.own import own_config, stopping
from helpers.own.learner_line import describe_error

CHANCE = 0.1


@pytest.fixture(autouse=True)
def on_the_sample(monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")


# --- Networks that nobody here wrote


def resnet(width=64):
    net = torchvision.models.resnet18(num_classes=10)
    net.conv1 = nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False)
    return net


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, 16 * 5 * 5)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def softmax_regression():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))


class RNN(nn.Module):
    def __init__(self, hidden_size=64):
        super().__init__()
        self.rnn = nn.LSTM(28, hidden_size, num_layers=1, batch_first=True)
        self.out = nn.Linear(hidden_size, 10)

    def forward(self, x):
        r_out, (h_n, h_c) = self.rnn(x, None)
        return self.out(r_out[:, -1, :])


class AutoEncoder(nn.Module):
    def __init__(self, code=16):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(28 * 28, 128), nn.Tanh(), nn.Linear(128, code)
        )
        self.head = nn.Linear(code, 10)

    def forward(self, x):
        encoded = self.encoder(x.view(-1, 28 * 28))
        return self.head(encoded), encoded


def step_of_the_first(net, optimizer, X, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(X)[0], y)
    loss.backward()
    optimizer.step()
    return loss


NETS = {
    "resnet18": (resnet, None, (1, 28, 28), 8),
    "LeNet": (LeNet, None, (1, 28, 28), 94),
    "softmax regression": (softmax_regression, None, (784,), 94),
    "LSTM over rows": (RNN, None, (28, 28), 94),
    "encoder with a head": (AutoEncoder, step_of_the_first, (784,), 94),
}


LONG = {"resnet18", "LeNet", "LSTM over rows"}


@pytest.mark.parametrize(
    "net, step, shape, steps",
    [
        pytest.param(*values, id=name, marks=[pytest.mark.slow] * (name in LONG))
        for name, values in NETS.items()
    ],
)
def test_a_net_from_elsewhere_trains_and_its_code_repeats_it(
    data, net, step, shape, steps
):
    few = {"lr": 0.01, "batch_size": 64} if steps < 10 else {"batch_size": 128}
    config = own_config(net, step)(num_epochs=2, **few)
    run, losses = train(config, data, eval_every=None), []
    for progress in run:
        losses.append(progress.loss)
        if progress.step == steps:
            break
    assert run.trainee.shape == shape
    assert all(map(math.isfinite, losses)) and losses[-1] < losses[0]
    if steps > 10:
        assert run.measure(progress).val_accuracy > 1.5 * CHANCE
        names = {}
        exec(compile(as_code(run), "script", "exec"), names)
        assert names["losses"][: len(losses)] == losses


# --- Arguments


def arguments_of(net):
    return own_config(net).arguments, own_config(net).options


def test_each_argument_gets_what_fits_its_default():
    def my_net(
        num_inputs,
        num_hiddens,
        num_outputs,
        depth=3,
        drop=0.5,
        scale=1.0,
        kind=(nn.ReLU, nn.Tanh),
        norm=True,
        width=512,
        name=None,
        act=abs,
    ):
        return None

    names, options = arguments_of(my_net)
    assert names == ("num_hiddens", "depth", "drop", "scale", "kind", "norm", "width")
    assert options["depth"] == tuple(range(1, 11))
    assert max(options["drop"]) == 1 and max(options["scale"]) == 10
    assert options["kind"] == (nn.ReLU, nn.Tanh)
    assert options["norm"] == (False, True)
    assert options["width"] == (64, 128, 256, 512, 1024, 2048, 4096)
    config = own_config(my_net)(lr=0.3)
    assert str(config) == (
        "num_hiddens=256 lr=0.3 depth=3 drop=0.5 scale=1.0 kind=ReLU norm=True "
        "width=512"
    )
    other = type(config).from_string("kind=Tanh norm=False depth=12 drop=0.25")
    assert (other.kind, other.norm, other.depth, other.drop) == (
        nn.Tanh,
        False,
        12,
        0.25,
    )
    assert type(config).from_string(str(other)) == other


@pytest.mark.parametrize(
    "net, line, complaint",
    [
        (lambda size: None, "", "argument size needs a default, such as size=3"),
        (nn.Linear(2, 2), "", "without parentheses; you gave Linear"),
        (3, "", "you gave int"),
        (lambda kinds=[]: None, "", "needs at least one choice"),
        (lambda kinds=["a b"]: None, "", "must be one word, not 'a b'"),
        (lambda on=True: None, "on=1", "on can't be 1; it can be: False, True"),
        (
            lambda on=True: None,
            "num_hiddens=3",
            "no setting 'num_hiddens'; the settings are: on, lr",
        ),
        (lambda lr=0: None, "lr=0", "lr must be a number above 0"),
    ],
)
def test_what_cannot_be_set_is_named(net, line, complaint):
    with pytest.raises((TypeError, ValueError), match=complaint):
        own_config(net).from_string(line)


def test_a_step_that_is_no_function_is_named():
    with pytest.raises(TypeError, match="you gave float"):
        own_config(MLP, 0.1)


# --- Steps


def by_hand(net, optimizer, X, y):
    loss = F.cross_entropy(net(X), y)
    net.zero_grad()
    loss.backward()
    with torch.no_grad():
        for p in net.parameters():
            p -= optimizer.param_groups[0]["lr"] * p.grad
    return {"loss": loss}


def losses_of(config, data):
    return [progress.loss for progress in train(config, data)]


def test_a_step_by_hand_is_sgd_to_the_bit(data):
    config = own_config(MLP, by_hand)(num_hiddens=16, num_epochs=1)
    usual = Config(num_hiddens=16, num_epochs=1)
    assert losses_of(config, data) == losses_of(usual, data)
    run = train(config, data)
    next(run)
    run.lr = 0.5
    losses = [progress.loss for progress in run]
    names = {}
    exec(as_code(run), names)
    assert names["losses"][1:] == losses


def returns_a_float(*batch):
    return by_hand(*batch)["loss"].item()


def returns_a_pair(*batch):
    return by_hand(*batch)["loss"], "and more"


def returns_a_dict_first(*batch):
    return by_hand(*batch), "and more"


@pytest.mark.parametrize(
    "step", [returns_a_float, returns_a_pair, returns_a_dict_first]
)
def test_the_code_finds_the_loss_in_what_a_step_returns(data, step):
    config, names = own_config(MLP, step)(num_hiddens=8, num_epochs=1), {}
    run = train(config, data)
    losses = [progress.loss for progress in run]
    exec(as_code(run), names)
    assert names["losses"] == losses


class InAList(nn.Module):
    def __init__(self, num_hiddens=16):
        super().__init__()
        self.layers = [nn.Linear(784, num_hiddens), nn.Linear(num_hiddens, 10)]

    def forward(self, X):
        return self.layers[1](torch.relu(self.layers[0](X)))


def without_an_optimizer(net, optimizer, X, y):
    assert optimizer is None
    weights = [p for layer in net.layers for p in layer.parameters()]
    loss = F.cross_entropy(net(X), y)
    for p, slope in zip(weights, torch.autograd.grad(loss, weights)):
        p.data -= 0.1 * slope
    return loss


def test_a_net_without_parameters_trains_by_hand_alone(data):
    config = own_config(InAList, without_an_optimizer)(num_epochs=1)
    losses = losses_of(config, data)
    assert losses[-1] < losses[0]
    with pytest.raises(ValueError, match="InAList has no parameters, so there is "):
        next(train(own_config(InAList)(), data))


# --- Random numbers


def with_dropout(num_hiddens, p=0.2):
    return nn.Sequential(
        nn.Linear(784, num_hiddens),
        nn.ReLU(),
        nn.Dropout(p),
        nn.Linear(num_hiddens, 10),
    )


def with_seeds(num_hiddens):
    torch.manual_seed(42)
    np.random.seed(42)
    random.seed(42)
    return with_dropout(num_hiddens)


def mixup(net, optimizer, X, y):
    share, shift = np.random.beta(0.2, 0.2), random.randrange(len(X))
    optimizer.zero_grad()
    mixed = share * X + (1 - share) * X.roll(shift, 0)
    loss = nn.functional.cross_entropy(net(mixed), y)
    loss.backward()
    optimizer.step()
    return loss


@pytest.mark.parametrize(
    "net, step", [(with_dropout, None), (with_dropout, mixup), (with_seeds, mixup)]
)
def test_a_run_repeats_itself_and_leaves_the_notebooks_numbers_alone(data, net, step):
    def seed():
        for one in (torch.manual_seed, np.random.seed, random.seed):
            one(5)

    def drawn():
        return torch.rand(1).item(), np.random.rand(), random.random()

    config = own_config(net, step)(num_hiddens=8, num_epochs=1, seed=3)
    seed()
    wanted, losses = drawn(), []
    run = train(config, data)
    for progress in run:
        losses.append(progress.loss)
        drawn()  # a cell that draws meanwhile
    seed()
    assert losses_of(config, data) == losses
    assert drawn() == wanted
    names = {}
    exec(as_code(run), names)
    assert names["losses"] == losses
    if net is with_dropout:
        other = own_config(net, step)(num_hiddens=8, num_epochs=1)
        assert losses_of(other, data) != losses


def test_a_seed_that_is_set_during_a_step_holds(data):
    def step(net, optimizer, X, y):
        torch.manual_seed(77)  # as a cell would, on another thread
        return step_of_the_first((lambda X: (net(X),)), optimizer, X, y)

    train(own_config(with_dropout)(num_hiddens=8, seed=77), data)  # of an earlier run
    run = train(own_config(with_dropout, step)(num_hiddens=8), data)
    worker = threading.Thread(target=next, args=[run])
    worker.start()
    worker.join()
    assert torch.initial_seed() == 77


# --- What is wrong


def wrong_sizes(num_hiddens):
    return nn.Sequential(nn.Linear(784, num_hiddens), nn.Linear(100, 10))


def raises_in_its_line(net, optimizer, X, y):
    return net(X)[0] / "two"


def says_nothing(net, optimizer, X, y):
    raise ValueError


def no_loss(net, optimizer, X, y):
    pass


def no_net():
    return "a net"


def one_score():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 1))


def small_kernel():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(10))


@pytest.mark.parametrize(
    "net, step, complaint",
    [
        (wrong_sizes, None, "mat1 and mat2 shapes cannot be multiplied (3x256 "),
        (
            MLP,
            raises_in_its_line,
            'TypeError at line {line}, `return net(X)[0] / "two"`',
        ),
        (MLP, says_nothing, "at line {bare}, `raise ValueError`: no message"),
        (
            MLP,
            no_loss,
            "no_loss must return the loss of its batch; it returned NoneType",
        ),
        (no_net, None, "no_net must return a model, an nn.Module; it returned str"),
        (one_score, None, "a row of at least 10 scores for each picture; for 3 "),
        (small_kernel, None, "expected input[3, 1, 28, 28] to have 3 channels"),
    ],
)
def test_what_is_wrong_is_one_line(data, net, step, complaint):
    config = own_config(net, step)()
    with pytest.raises(Exception) as caught:  # noqa: B017
        next(train(config, data))
    said = describe_error(caught.value, config)
    line = raises_in_its_line.__code__.co_firstlineno + 1
    bare = says_nothing.__code__.co_firstlineno + 1
    assert complaint.format(line=line, bare=bare) in said
    assert "\n" not in said


class KeepsALot(nn.Module):
    """More than parameters: a list, a count, its last scores, modes of its parts."""

    def __init__(self, num_hiddens=8):
        super().__init__()
        self.listed = [nn.Linear(784, num_hiddens)]
        self.layers = nn.Sequential(
            *(nn.BatchNorm1d(num_hiddens), nn.Dropout(0.3), nn.Linear(num_hiddens, 10)),
        )
        self.same, self.calls = [self.layers[2].weight], 0

    def forward(self, X):
        self.calls += 1
        self.scores = self.layers(self.listed[0](X)) + 0.01 * self.calls
        return self.scores


def forgets_to_clear(net, optimizer, X, y):
    loss = F.cross_entropy(net(X), y) + 0.01 * (net.same[0] ** 2).sum()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        net.listed[0].weight -= 0.01 * net.listed[0].weight.grad
    net.listed[0].zero_grad()
    net.layers[1].eval()
    return loss


@pytest.mark.parametrize(
    "net, step, lr",
    [(KeepsALot, forgets_to_clear, 0.01), (with_dropout, None, 0.1)],
)
def test_a_run_goes_on_from_any_earlier_state_to_the_bit(data, net, step, lr):
    config = own_config(net, step)(num_hiddens=8, lr=lr, num_epochs=2)
    run, states, found = train(config, data), [], []
    for _ in range(40):
        states.append(run.state())
        found.append(next(run).loss)
    again = train(config, data)
    for at in (29, 0, 24, 7):
        for _ in range(2):  # the second time from what the first has left alone
            again.load(states[at], run.lr_changes)
            assert [next(again).loss for _ in range(10)] == found[at : at + 10]


TRACED = """
import runpy, sys
with runpy.run_path(sys.argv[1])["Stoppable"]():
    pass
sys.settrace(lambda *_: None)
(lambda: print("called"))()
"""


@pytest.mark.slow
def test_after_a_step_that_could_be_stopped_a_debugger_can_trace():
    command = [sys.executable, "-c", TRACED, stopping.__file__]
    assert subprocess.run(command, timeout=300, capture_output=True).stdout
