"""What a learner's code can reach is put back to the bit, also by the doctor."""

import inspect
import random
import sys
import threading
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from doctor_cases import (
    ADAM,
    SGD,
    Altered,
    InAList,
    classic,
    doctor,
    fit,
    pair,
    plain,
    quick,
    scheduled,
    schedulers,
    with_sgd,
    without_zero_grad,
)
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from helpers import load_fashion_mnist
from helpers.instruments.state import Snapshot, reachable, same_bits, seed_all


@pytest.fixture(scope="module")
def data():
    """The bundled sample. One thread is as fast for small nets, and is not slowed down
    by other programs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_fashion_mnist("sample")
    torch.set_num_threads(threads)


# --- By hand


def test_a_variable_of_a_closure_is_put_back():
    def outer():
        def step():
            nonlocal first, second, empty
            first, second, empty = first + 1, second + 1, 1

        first, second = 0, 10
        if first:
            empty = 0
        return step, lambda: (first, second), lambda: empty

    step, numbers, late = outer()
    kept = Snapshot(step)
    step()
    assert numbers() == (1, 11) and late() == 1
    for _ in range(2):
        kept.restore()
        assert numbers() == (0, 10)
        with pytest.raises(NameError):  # it had no value yet
            late()
        step()


def test_what_functions_hold_is_put_back():
    counts, losses = {"steps": 0}, []
    add = losses.append

    def step(*, seen=counts):
        seen["steps"] += 1
        add(1.0)

    kept = Snapshot(step)
    step()
    kept.restore()
    assert losses == [] and counts == {"steps": 0}


def test_what_slots_and_classes_hold_is_put_back():
    class Count:
        __slots__ = ("steps",)

    count = Count()
    count.steps = 0
    kept = Snapshot(count)
    count.steps, Count.last = 1, "added"
    kept.restore()
    assert count.steps == 0 and not hasattr(Count, "last")


def test_objects_containers_and_arrays_are_put_back():
    inner = {"best": 1.0}
    holder = SimpleNamespace(losses=[1], seen={1}, inner=inner, array=np.zeros(3))
    holder.weight = torch.ones(2, requires_grad=True)
    holder.draws = np.random.default_rng(0), random.Random(0), torch.Generator()
    before = repr(holder), holder.draws[1].random()
    kept = Snapshot(holder)
    holder.losses.append(2)
    holder.seen.clear()
    inner["best"] = 0.5
    holder.array += 1
    holder.weight.data.add_(1)
    holder.weight.grad = torch.ones(2)
    holder.new = True
    following = holder.draws[1].random()
    assert kept.changed()
    kept.restore()
    assert not kept.changed()
    assert repr(holder) == before[0] and holder.inner is inner
    assert holder.draws[1].random() == following


def test_numbers_that_several_tensors_share_are_put_back():
    mean = torch.zeros(3)
    holder = SimpleNamespace(wide=mean.expand(4, 3), mean=mean, part=mean[1:])
    with Snapshot(holder):
        holder.part.add_(1)
        holder.mean.resize_(100, 100).add_(1)
    assert mean.shape == (3,) and mean.eq(0).all() and holder.wide.eq(0).all()


def test_what_is_set_for_all_of_pytorch_is_put_back():
    threads = torch.get_num_threads()
    with Snapshot():
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.set_num_threads(threads + 1)
    assert torch.zeros(1).dtype == torch.float32 and not torch.zeros(1).is_meta
    assert torch.is_grad_enabled() and torch.get_num_threads() == threads


def test_what_is_left_out_is_not_noted():
    data, net = torch.zeros(3), SimpleNamespace()
    net.data, net.mean = data, torch.zeros(1)
    found = reachable(net, leave=[data])
    assert any(one is net.mean for one in found)
    assert not any(one is data for one in found)


def test_bits_are_the_same_also_of_nan_and_not_of_minus_zero():
    nan, zero = torch.tensor([float("nan")]), torch.zeros(1)
    assert same_bits(nan, nan.clone())
    assert not same_bits(zero, -zero)
    assert not same_bits(zero, zero.double())


def test_random_numbers_go_on_as_if_nothing_had_been_drawn():
    def draw():
        return torch.rand(1).item(), np.random.rand(), random.random()

    seed_all()
    with Snapshot():
        first = draw()
        draw()
    assert draw() == first


# --- By the doctor


def picture_of(net, optimizer):
    """All that can be seen of a net and its optimizer, in bytes."""
    tensors = [*net.parameters(), *net.buffers()]
    seen = [t.detach().numpy().tobytes() for t in tensors]
    seen += [None if t.grad is None else t.grad.numpy().tobytes() for t in tensors]
    seen += [(id(t), id(t.grad), t.data_ptr(), t.requires_grad) for t in tensors]
    seen += [module.training for module in net.modules()]
    for group in optimizer.param_groups:
        seen.append({key: id(v) if key == "params" else v for key, v in group.items()})
        seen.append([id(p) for p in group["params"]])
    for p, state in optimizer.state.items():
        state = {k: v.clone() if torch.is_tensor(v) else v for k, v in state.items()}
        seen.append((id(p), repr(state)))
    random_states = (
        torch.get_rng_state().tolist(),
        np.random.get_state()[1].tolist(),
        random.getstate(),
    )
    return [*seen, *random_states]


def stuck_and_random(net, optimizer, X, y):
    """Draws from each generator, switches the mode, and changes the optimizer."""
    random.random()
    np.random.rand()
    X = X + 0.01 * torch.randn(X.shape)
    net.train(not net.training)
    optimizer.param_groups[0]["weight_decay"] += 0.01
    return plain(net, optimizer, X, y)


@pytest.mark.parametrize("step", [None, plain, without_zero_grad, stuck_and_random])
@pytest.mark.parametrize("optimizer", [SGD, ADAM])
def test_model_optimizer_and_random_numbers_stay_as_they_were(step, optimizer, data):
    net = classic(nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3))
    options = {"momentum": 0.9} if optimizer is SGD else {}
    case = {"net": net, "optimizer": optimizer(net.parameters(), 0.01, **options)}
    fit(case, data, 3)
    net[1].eval()
    before = picture_of(**case)
    doctor(data=data, train_step=step, **case)
    assert picture_of(**case) == before


def test_a_step_that_works_on_the_originals_leaves_them_untouched_and_is_judged(data):
    net = classic(nn.BatchNorm1d(64), nn.ReLU())
    optimizer = SGD(net.parameters(), 0.1, momentum=0.9)
    losses = [1.0]

    def my_step(*ignored):
        net.train()
        batch = slice(64 * len(losses), 64 * len(losses) + 64)
        X, y = data.train.images[batch], data.train.labels[batch]
        loss = F.cross_entropy(net(X), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        return loss

    net.eval()
    before = picture_of(net, optimizer)
    report = doctor(net, data, optimizer, train_step=my_step)
    assert picture_of(net, optimizer) == before and losses == [1.0]
    assert report.findings[0].code == "gradients_accumulate"


def test_tensors_out_of_pytorchs_sight_are_left_as_they_were(data):
    case = with_sgd(InAList(lambda a, b: [a, b])) | {"train_step": plain}
    weights = [p for layer in case["net"].hidden for p in layer.parameters()]
    before = [p.detach().clone() for p in weights]
    doctor(data=data, **case)
    assert all(map(torch.equal, weights, before))
    assert all(p.grad is None for p in weights)


def test_a_model_that_cannot_be_copied_is_examined_and_left_as_they_were(data):
    class Uncopied(Altered):
        def __deepcopy__(self, memo):
            raise RuntimeError("no copies")

    net = Uncopied()
    optimizer = ADAM(net.parameters(), 1e-3)
    fit({"net": net, "optimizer": optimizer}, data, 2)
    before = picture_of(net, optimizer)
    assert doctor(net, data, optimizer).findings == []
    assert picture_of(net, optimizer) == before


def test_a_model_that_stores_its_last_activation_is_examined(data):
    class Remembers(Altered):
        def forward(self, X):
            self.last_scores = super().forward(X)
            return self.last_scores

    net = Remembers()
    kept = net(data.train.images[:4])
    assert doctor(net, data, SGD(net.parameters(), 0.1)).findings == []
    assert net.last_scores is kept


def test_a_loader_goes_on_with_the_same_order(data):
    generator = torch.Generator().manual_seed(5)
    pairs = TensorDataset(*pair(data))
    loader = DataLoader(pairs, 32, shuffle=True, generator=generator)
    state = generator.get_state()
    assert doctor(quick(), loader).findings == []
    assert torch.equal(generator.get_state(), state)


def test_pictures_and_labels_are_left_as_they_were(data):
    def greedy(net, optimizer, X, y):
        X.mul_(2)
        y.zero_()
        return plain(net, optimizer, X, y)

    X, y = (part.clone() for part in pair(data))
    doctor(quick(), (X, y), train_step=greedy)
    assert torch.equal(X, data.train.images) and torch.equal(y, data.train.labels)


def counting_by_hand(done):
    """A step that counts and keeps in each of the ways that learners use."""

    def step(net, optimizer, X, y):
        nonlocal count
        global steps_done
        order = torch.from_numpy(draws.permutation(len(X)))
        loss = plain(net, optimizer, X[order], y[order])
        count += 1
        steps_done += 1
        step.calls += 1
        done["losses"].append(loss.item())
        done["best"] = min(done["best"], loss.item())
        torch.rand(1, generator=generator)
        mean.mul_(0.9)
        return loss

    count, step.calls = 0, 0
    draws, generator = np.random.default_rng(3), torch.Generator().manual_seed(3)
    mean = torch.ones(2)

    def all_of_it():
        seen = count, steps_done, step.calls, repr(done), mean.tolist()
        return seen, str(draws.bit_generator.state), generator.get_state().tolist()

    return step, all_of_it


steps_done = 0


def test_what_a_step_counts_and_keeps_is_left_as_they_were(data):
    step, all_of_it = counting_by_hand({"losses": [], "best": 9.0})
    case = with_sgd(quick())
    step(case["net"], case["optimizer"], *(part[:64] for part in pair(data)))
    before = all_of_it()
    assert before[0][:3] == (1, 1, 1)
    assert doctor(data=data, train_step=step, **case).findings == []
    assert all_of_it() == before


class Trainer:
    """Holds all that it trains with."""

    made = 0

    def __init__(self, net):
        self.net, self.losses, self.count = net, [], 0
        self.optimizer = SGD(net.parameters(), 0.1, momentum=0.9)
        self.scheduler = schedulers.StepLR(self.optimizer, 100, 0.1)
        self.scaler = torch.amp.GradScaler("cpu")
        self.average = torch.optim.swa_utils.AveragedModel(net)

    def step(self, net, optimizer, X, y):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.net(X), y)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.scheduler.step()
        self.average.update_parameters(self.net)
        self.losses.append(loss.item())
        self.count += 1
        type(self).made += 1
        return loss

    def seen(self):
        parts = self.optimizer, self.scheduler, self.scaler, self.average
        return repr([one.state_dict() for one in parts]), vars(self).copy(), self.made


@pytest.mark.parametrize("by", ["a method", "a function"])
def test_a_trainer_and_all_that_it_holds_is_left_as_they_were(by, data):
    trainer = Trainer(quick())
    trainer.step(None, None, *(part[:64] for part in pair(data)))

    def step(*given):
        return trainer.step(*given)

    before, losses = trainer.seen(), list(trainer.losses)
    way = trainer.step if by == "a method" else step
    report = doctor(trainer.net, data, trainer.optimizer, train_step=way)
    assert report.findings == []
    assert trainer.seen() == before and trainer.losses == losses


@pytest.mark.parametrize(
    "kind, arguments",
    [
        (schedulers.StepLR, (100, 0.1)),
        (schedulers.OneCycleLR, (0.1, 400)),
        (schedulers.CosineAnnealingLR, (100,)),
        (schedulers.LambdaLR, (lambda n: 0.999**n,)),
    ],
)
def test_a_scheduler_goes_on_where_it_was_and_nothing_is_warned_of(
    kind, arguments, data
):
    case = scheduled(0.1, kind, *arguments)
    scheduler = inspect.getclosurevars(case["train_step"]).nonlocals["scheduler"]
    before = repr(scheduler.state_dict()), case["optimizer"].param_groups[0]["lr"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert doctor(data=data, **case).findings == []
    after = repr(scheduler.state_dict()), case["optimizer"].param_groups[0]["lr"]
    assert after == before


def test_the_counter_of_a_hook_is_left_as_they_were(data):
    net, seen = classic(nn.ReLU()), []
    net[0].register_forward_hook(lambda module, args, out: seen.append(out.mean()))
    assert doctor(net, data).findings == []
    assert seen == []


@pytest.mark.parametrize("in_a_lab", [False, True])
def test_what_a_step_prints_is_not_shown_and_what_others_print_is(
    in_a_lab, data, capsys, monkeypatch
):
    def talkative(net, optimizer, X, y):
        say("a step")
        elsewhere(partial(say, "a cell"))
        return plain(net, optimizer, X, y)

    def say(what):
        print(f"printed by {what}")
        warnings.warn(f"warned by {what}", stacklevel=2)

    def elsewhere(call):
        other = threading.Thread(target=call)
        other.start()
        other.join()

    def ask():
        found.append(doctor(**with_sgd(quick()), data=data, train_step=talkative))

    found, warned, out = [], [], sys.stdout
    monkeypatch.setattr(warnings, "showwarning", lambda *a, **_: warned.append(str(a)))
    warnings.simplefilter("always")
    (elsewhere if in_a_lab else lambda call: call())(ask)
    assert [one.findings for one in found] == [[]]
    said = capsys.readouterr().out
    assert "printed by a cell" in said and "printed by a step" not in said
    assert sys.stdout is out
    if in_a_lab:
        assert "warned by a cell" in str(warned)
    assert "warned by a step" not in str(warned)
    say("a step")
    assert "printed by a step" in capsys.readouterr().out
    assert "warned by a step" in str(warned)


def test_inside_no_grad_it_works_as_well(data):
    with torch.no_grad():
        assert doctor(**with_sgd(quick()), data=data).findings == []
        assert not torch.is_grad_enabled()
