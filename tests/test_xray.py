"""The registration X-ray: what it finds, what it says, and that it only looks."""

import copy
import functools
import warnings
from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from helpers import MLP, load_fashion_mnist, registration, registration_lab

Pair = namedtuple("Pair", "left right")


class Slotted:
    __slots__ = ("W",)


@dataclass
class Store:
    W: torch.Tensor


def weight(*shape):
    return nn.Parameter(torch.ones(*shape or (2, 3)))


class Empty(nn.Module):
    """A module to which a test gives what it needs."""

    def __init__(self, **attributes):
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)


def rows(module, *rest):
    return {row.name: row for row in registration(module, *rest).rows}


def slotted(tensor):
    made = Slotted()
    made.W = tensor
    return made


def in_closure(tensor):
    return lambda X: X @ tensor


# --- what it finds


@pytest.mark.parametrize(
    ("value", "name", "kind", "fix"),
    [
        ([weight()], "x[0]", "Parameter in a list", "nn.ParameterList"),
        ((1, weight()), "x[1]", "Parameter in a tuple", "nn.ParameterList"),
        ({weight()}, "x{0}", "Parameter in a set", "nn.ParameterList"),
        ({"cls": weight()}, "x['cls']", "Parameter in a dict", "nn.ParameterDict"),
        ({3: [weight()]}, "x[3][0]", "Parameter in a dict", "nn.ParameterDict"),
        (Pair(1, weight()), "x.right", "Parameter in a tuple", "nn.ParameterList"),
        (SimpleNamespace(W=weight()), "x.W", "Parameter in a plain object", "Module"),
        (Store(weight()), "x.W", "Parameter in a plain object", "Module"),
        (slotted(weight()), "x.W", "Parameter in a plain object", "Module"),
        (
            functools.partial(torch.matmul, other=weight()),
            "x.keywords['other']",
            "Parameter in a function",
            "self",
        ),
        (
            in_closure(weight()),
            "x.__closure__[0].cell_contents",
            "Parameter in a function",
            "self",
        ),
    ],
)
def test_a_parameter_that_is_hidden_is_found_and_named(value, name, kind, fix):
    module = Empty(fine=weight(), x=value)
    row = rows(module, torch.optim.SGD(module.parameters(), lr=0.1))[name]
    assert row.kind == kind and row.shape == (2, 3)
    flags = (row.registered, row.in_optimizer, row.in_state_dict, row.moves)
    assert flags == (False, False, False, False)
    assert row.requires_grad and row.leaf
    assert fix in row.verdict


@pytest.mark.parametrize(
    ("value", "name", "fix"),
    [
        ([nn.Linear(3, 2)], "x[0].weight", "nn.ModuleList"),
        ({"a": nn.Linear(3, 2)}, "x['a'].weight", "nn.ModuleDict"),
        (SimpleNamespace(deep=[nn.Linear(3, 2)]), "x.deep[0].weight", "nn.Module."),
        ([nn.Sequential(nn.ReLU(), nn.Linear(3, 2))], "x[0][1].weight", "ModuleList"),
    ],
)
def test_modules_in_containers_are_opened(value, name, fix):
    row = rows(Empty(fine=weight(), x=value))[name]
    assert not row.registered and row.kind.startswith("Parameter of a module in a")
    assert fix in row.verdict


def test_what_is_registered_has_pytorchs_own_name():
    module = Empty(
        layers=nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)),
        heads=nn.ModuleDict({"cls": nn.Linear(3, 4)}),
        Ws=nn.ParameterList([weight()]),
        by_name=nn.ParameterDict({"a": weight()}),
    )
    module.register_parameter("late", weight())
    module.register_buffer("mean", torch.zeros(3))
    module.register_buffer("cache", torch.zeros(3), persistent=False)
    report = registration(module)
    found = {row.name: row for row in report.rows}
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    assert set(found) == set(own)
    assert report.surprises == []
    saved = {name for name, row in found.items() if row.in_state_dict}
    assert saved == set(module.state_dict())
    assert found["cache"].kind == "non-persistent buffer"
    assert all(row.moves and row.registered for row in report.rows)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torchvision.models.resnet18(),
        lambda: torchvision.models.vit_b_16(),
        lambda: torchvision.models.swin_t(),
        lambda: nn.LSTM(4, 5, num_layers=2, bidirectional=True),
        lambda: Empty(cell=nn.RNNCell(4, 5), out=nn.Linear(5, 2)),
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)),
        lambda: nn.TransformerDecoderLayer(8, 2, 16),
        lambda: MLP(784, 256, 10),
    ],
    ids=["resnet18", "vit", "swin", "lstm", "rnn", "weight_norm", "transformer", "mlp"],
)
def test_no_false_surprise_in_networks_of_others(make):
    net = make()
    report = registration(net, torch.optim.SGD(net.parameters(), lr=0.1))
    assert report.surprises == []
    text, page = str(report), report._repr_html_()
    for name in net.state_dict():
        assert name in text and f"<td>{name}</td>" in page
    numbers = sum(parameter.numel() for parameter in net.parameters())
    assert f"({numbers:,} numbers, {numbers:,} of them" in report.totals


def test_an_rnn_cell_after_backward_has_no_surprise():
    net = Empty(cell=nn.RNNCell(4, 5), out=nn.Linear(5, 2))
    h = torch.zeros(3, 5)
    for x in torch.ones(6, 3, 4):
        h = net.cell(x, h)
    net.out(h).sum().backward()
    report = registration(net, torch.optim.SGD(net.parameters(), lr=0.1))
    assert report.surprises == [] and all(row.has_gradient for row in report.rows)


def test_long_reports_fold_by_module_and_short_ones_do_not():
    assert (
        registration(torchvision.models.resnet18())._repr_html_().count("<details") > 4
    )
    assert "<details" not in registration(MLP(784, 8, 10))._repr_html_()


def test_a_group_with_a_surprise_stands_open():
    net = torchvision.models.resnet18()
    net.layer3[0].conv1.weight.requires_grad_(False)
    page = registration(net)._repr_html_()
    assert page.count("<details open") == 1
    assert "layer3 (tensors: 30; marked with !: 1)" in page


def test_shared_parameters_are_one_row():
    encoder, decoder = nn.Linear(3, 3), nn.Linear(3, 3)
    decoder.weight = encoder.weight
    net = Empty(encoder=encoder, decoder=decoder)
    report = registration(net)
    found = {row.name: row for row in report.rows}
    assert set(found) == {"encoder.weight", "encoder.bias", "decoder.bias"}
    assert "decoder.weight, counted once" in found["encoder.weight"].verdict
    assert "Registered Parameters: 3 (15 numbers" in report.totals


def test_a_module_used_twice_is_shared_too():
    linear = nn.Linear(2, 2)
    found = rows(Empty(a=linear, b=linear))
    assert "b.weight, counted once" in found["a.weight"].verdict


def test_a_list_of_registered_tensors_is_no_surprise():
    linear = nn.Linear(2, 2)
    report = registration(Empty(linear=linear, all=[linear], Ws=[linear.weight]))
    assert report.surprises == [] and len(report.rows) == 2


def test_a_container_with_its_own_methods_is_looked_into_and_not_run():
    class Ensemble(list):
        def __iter__(self):
            raise AssertionError("__iter__ was run")

    class Named(str):
        def __repr__(self):
            raise AssertionError("__repr__ was run")

    net = Empty(x=Ensemble([weight()]), y={Named("a"): weight()})
    assert set(rows(net)) == {"x[0]", "y[<Named>]"}


def test_cycles_end():
    net = Empty(W=weight(), x=[weight()])
    net.x.append(net.x)
    net.me = [net, {"again": net}]
    net.again = net  # registers the module in itself
    assert set(rows(net)) == {"W", "x[0]"}


def test_a_chain_longer_than_pythons_stack_is_followed():
    deep = weight()
    for _ in range(3000):
        deep = [deep]
    assert len(registration(Empty(x=deep)).rows) == 1


def test_nothing_of_the_learners_is_run():
    class Strict(nn.Module):
        def __init__(self):
            super().__init__()
            self.W = weight()
            self.odd = Odd()

        @property
        def hidden(self):
            raise AssertionError("a property was run")

        def __getattr__(self, name):
            assert not watched, f"{name} was asked for"
            return super().__getattr__(name)

        def forward(self, X):
            raise AssertionError("forward was run")

    class Odd:
        def __init__(self):
            self.b = weight()

        @property
        def hidden(self):
            raise AssertionError("a property was run")

        def __getattr__(self, name):
            raise AssertionError(f"{name} was asked for")

    watched = False
    net = Strict()
    watched = True
    assert set(rows(net)) == {"W", "odd.b"}


def test_looking_changes_nothing_and_warns_of_nothing():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    net.view = net[0].weight * 2
    net(torch.ones(5, 3)).sum().backward()
    state = copy.deepcopy(net.state_dict())
    attributes, rng = set(vars(net)), torch.get_rng_state()
    grads = [parameter.grad.clone() for parameter in net.parameters()]
    versions = [parameter._version for parameter in net.parameters()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        str(registration(net, torch.optim.SGD(net.parameters(), lr=0.1)))
    assert set(vars(net)) == attributes and torch.equal(torch.get_rng_state(), rng)
    assert all(torch.equal(net.state_dict()[name], state[name]) for name in state)
    assert all(map(torch.equal, grads, (p.grad for p in net.parameters())))
    assert versions == [parameter._version for parameter in net.parameters()]


# --- what it says


def test_plain_tensors_say_what_becomes_of_them():
    found = rows(
        Empty(
            constant=torch.ones(2),
            with_grad=torch.ones(2, requires_grad=True),
            computed=torch.ones(2, requires_grad=True) * 0.01,
            positions=torch.arange(2),
        )
    )
    assert "nn.Parameter" not in found["positions"].verdict  # it refuses whole numbers
    assert "gets no gradient" in found["constant"].verdict
    assert "it gets gradients, but isn't in parameters()" in found["with_grad"].verdict
    assert "its .grad stays None" in found["computed"].verdict
    assert not found["computed"].leaf and found["computed"].requires_grad


def test_a_buffer_with_requires_grad_is_a_surprise():
    net = Empty(W=weight())
    net.register_buffer("b", torch.zeros(2, requires_grad=True))
    assert "isn't in parameters()" in rows(net)["b"].verdict


def test_a_parameter_of_the_class_is_found():
    class Net(nn.Module):
        W = nn.Parameter(torch.ones(2))

    row = rows(Net())["W"]
    assert not row.registered and "Set it on self" in row.verdict


def test_frozen_and_frozen_with_a_gradient_left():
    net = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.ones(1, 2)).sum().backward()
    net.weight.requires_grad_(False)
    verdict = rows(net, optimizer)["weight"].verdict
    assert "the next step of an optimizer that holds it changes it" in verdict
    assert rows(net)["weight"].verdict == verdict  # also if it wasn't asked for
    before = net.weight.clone()
    optimizer.step()
    assert not torch.equal(net.weight, before)  # so the sentence is true
    net.zero_grad()
    assert rows(net, optimizer)["weight"].verdict.startswith("Frozen: ")


def test_a_replaced_layer_and_what_the_optimizer_still_holds():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net[1] = nn.Linear(3, 5)
    report = registration(net, optimizer)
    found = {row.name: row for row in report.rows}
    assert "the optimizer does not hold it" in found["1.weight"].verdict
    stale = report.rows[-2:]
    assert [row.name for row in stale] == [
        "(only in the optimizer: 2)",
        "(only in the optimizer: 3)",
    ]
    assert all(row.verdict.startswith("Stale") for row in stale)
    assert "Tensors not registered: 0" in report.totals


def test_all_param_groups_count():
    net = nn.Linear(2, 2)
    groups = [{"params": [net.weight]}, {"params": [net.bias], "lr": 0.01}]
    assert registration(net, torch.optim.SGD(groups, lr=0.1)).surprises == []


def test_a_parameter_that_the_loss_does_not_use():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[0](torch.ones(1, 2)).sum().backward()
    found = rows(net)
    assert "did not depend on it" in found["1.weight"].verdict
    assert found["0.weight"].verdict == ""


def test_lazy_and_meta_parameters():
    lazy = registration(nn.Sequential(nn.LazyLinear(3)))
    assert lazy.rows[0].shape is None and "first batch" in lazy.rows[0].verdict
    assert "not yet" in str(lazy)
    meta = registration(nn.Linear(2, 3, device="meta"))
    assert meta.rows[0].shape == (3, 2) and "no numbers" in meta.rows[0].verdict


def test_changed_says_what_one_step_did():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    net[0].bias.requires_grad_(False)
    net.hidden = [weight(4)]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    before = registration(net, optimizer)
    assert {row.changed for row in before.rows} == {None}
    (net(torch.randn(8, 3)) * net.hidden[0]).pow(2).sum().backward()
    optimizer.step()
    after = registration(net, optimizer, before)
    assert {row.name: row.changed for row in after.rows} == {
        **dict.fromkeys(["0.weight", "1.weight", "1.bias"], True),
        "0.bias": False,
        **dict.fromkeys(["1.running_mean", "1.running_var"], True),
        "1.num_batches_tracked": True,
        "hidden[0]": False,
    }


def test_changed_sees_one_number_also_through_data():
    net = MLP(784, 256, 10)
    before = registration(net)
    net.W1.data[3, 5] += 1e-6
    changed = [row.name for row in registration(net, before=before).rows if row.changed]
    assert changed == ["W1"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.complex64, torch.bool])
def test_changed_works_for_other_types(dtype):
    net = Empty(W=weight())
    net.register_buffer("other", torch.zeros(3, dtype=dtype))
    before = registration(net)
    net.other[1] = True
    assert rows(net, None, before)["other"].changed is True


def test_text_is_the_same_every_time_and_names_are_whole():
    net = Empty(**{"a_rather_long_name_for_a_weight" * 3: weight(), "x": [weight()]})
    report = registration(net)
    assert str(report) == str(registration(net)) == repr(report)
    assert "a_rather_long_name_for_a_weight" * 3 in str(report)
    assert "Use nn.ParameterList." in report._repr_html_()


def test_names_are_escaped():
    assert "<b>" not in registration(Empty(x={"<b>": weight()}))._repr_html_()


# --- bad input, in one sentence each


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([1],), TypeError, "needs an nn.Module first"),
        ((nn.Linear,), TypeError, "make one of it first: Linear(...)"),
        ((nn.ReLU(),), ValueError, "This ReLU has no tensors at all"),
        ((nn.Linear(2, 2), "sgd"), TypeError, "needs an optimizer second"),
        ((nn.Linear(2, 2), None, "yes"), TypeError, "before= needs"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, error, words):
    with pytest.raises(error) as caught:
        registration(*arguments)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_forgotten_super_init_is_named():
    class Net(nn.Module):
        def __init__(self):
            self.W = torch.ones(2)

    with pytest.raises(ValueError, match="call super"):
        registration(Net())


# --- the live version


@pytest.fixture(scope="module")
def data():
    return load_fashion_mnist("sample")


@pytest.fixture
def shown(data):
    made = registration_lab(data)
    yield made
    made.close()


def menu(shown, name):
    return next(m for m in shown.children[0].children if m.description == name)


def press(shown, name):
    next(b for b in shown.children[1].children if b.description == name).click()
    assert shown.wait(60)


def choose(shown, name, value):
    menu(shown, name).value = value
    assert shown.wait(60)


def changed(shown):
    return {row.name for row in shown.report.rows if row.changed}


def status(shown):
    return shown.children[2].value


@pytest.mark.parametrize(
    ("choice", "trained"),
    [
        ("nn.Parameter", {"W1"}),
        ("plain tensor", set()),
        ("plain tensor, requires_grad=True", set()),
        ("requires_grad=True inside randn", set()),
        ("Parameter in a list", set()),
        ("Parameter in a dict", set()),
        ("Parameter in a plain object", set()),
        ("nn.ParameterList", {"Ws.0"}),
        ("buffer", set()),
    ],
)
def test_each_way_to_store_w1(shown, choice, trained):
    assert choice in [option for option in menu(shown, "W1 is").options]
    choose(shown, "W1 is", choice)
    press(shown, "train one step")
    assert changed(shown) == {"b1", "W2", "b2"} | trained
    assert "Step 1, loss 2.30" in status(shown)


def test_a_frozen_bias_and_a_replaced_layer(shown):
    choose(shown, "b1 is", "frozen")
    choose(shown, "optimizer is", "made before W2 is replaced")
    press(shown, "train one step")
    press(shown, "train one step")
    assert changed(shown) == {"W1", "b2"}
    assert "Step 2" in status(shown)
    press(shown, "build anew")
    assert {row.changed for row in shown.report.rows} == {None}


def test_the_step_is_the_one_in_the_code(shown, data):
    torch.manual_seed(0)
    W1, W2 = torch.randn(784, 256) * 0.01, torch.randn(256, 10) * 0.01
    X, y = data.train.images[:256], data.train.labels[:256]
    loss = F.cross_entropy(torch.relu(X @ W1) @ W2, y)
    press(shown, "train one step")
    assert f"loss {loss.item():.3f}" in status(shown)
    code = shown.children[4].value
    assert "self.W1 = nn.Parameter(torch.randn(784, 256) * 0.01)" in code


def test_a_second_backward_through_the_same_graph_fails_in_words(shown):
    choose(shown, "W1 is", "requires_grad=True inside randn")
    press(shown, "train one step")
    press(shown, "train one step")
    assert "It failed. RuntimeError: Trying to backward" in status(shown)
    choose(shown, "W1 is", "nn.Parameter")
    press(shown, "train one step")
    assert "Step 1" in status(shown)


def test_it_says_the_same_without_a_front_end(shown):
    bundle = shown._repr_mimebundle_()
    assert "Live X-ray: W1 is nn.Parameter" in bundle["text/plain"]
    assert "class Net(nn.Module)" in bundle["text/html"]


def test_the_live_xray_leaves_the_global_generator_alone(data):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    registration_lab(data).close()
    assert torch.equal(torch.rand(3), expected)


def test_the_live_xray_wants_the_data():
    with pytest.raises(TypeError, match=r"^registration_lab\(data\) .* gave list\.$"):
        registration_lab([1, 2])
