"""`registration`: what it finds, what it says, and that it only looks."""

import copy
import functools
import gc
import warnings
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from types import MappingProxyType, MethodType, SimpleNamespace

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

from helpers import MLP, registration, registration_lab

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
    return lambda X, *rest: X @ tensor


def in_default(tensor):
    return lambda module, inputs, mask=tensor: None


class Scaling:
    """A hook that is an object."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, module, inputs, output=None):
        return None


CLOSURE = "__closure__[0].cell_contents"


# --- what it finds


@pytest.mark.parametrize(
    ("value", "name", "kind", "fix"),
    [
        ([weight()], "x[0]", "Parameter in a list", "nn.ParameterList"),
        ((1, weight()), "x[1]", "Parameter in a tuple", "nn.ParameterList"),
        ({weight()}, "x{0}", "Parameter in a set", "nn.ParameterList"),
        ({"cls": weight()}, "x['cls']", "Parameter in a dict", "nn.ParameterDict"),
        ({3: [weight()]}, "x[3][0]", "Parameter in a dict", "nn.ParameterList"),
        (
            MappingProxyType({"a": weight()}),
            "x['a']",
            "Parameter in a dict",
            "nn.ParameterDict",
        ),
        (
            OrderedDict(a=1, b=weight()).values(),
            "list(x)[1]",
            "Parameter in a dict view",
            "nn.ParameterList",
        ),
        (
            {"a": weight()}.items(),
            "list(x)[0][1]",
            "Parameter in a dict view",
            "nn.ParameterList",
        ),
        (
            {"W": weight()}.get,
            "x.__self__['W']",
            "Parameter in a function",
            "self",
        ),
        (
            MethodType(in_closure(weight()), 1),
            f"x.__func__.{CLOSURE}",
            "Parameter in a function",
            "self",
        ),
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
            f"x.{CLOSURE}",
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
        (SimpleNamespace(deep=[nn.Linear(3, 2)]), "x.deep[0].weight", "nn.Module, "),
        ([nn.Sequential(nn.ReLU(), nn.Linear(3, 2))], "x[0][1].weight", "ModuleList"),
    ],
)
def test_modules_in_containers_are_opened(value, name, fix):
    row = rows(Empty(fine=weight(), x=value))[name]
    assert not row.registered and row.kind.startswith("Parameter of a module in a")
    assert fix in row.verdict


@pytest.mark.parametrize(
    ("method", "hooks"),
    [
        ("register_forward_hook", "_forward_hooks"),
        ("register_forward_pre_hook", "_forward_pre_hooks"),
        ("register_full_backward_hook", "_backward_hooks"),
        ("register_full_backward_pre_hook", "_backward_pre_hooks"),
    ],
)
@pytest.mark.parametrize(
    ("make", "inside"),
    [
        (in_closure, CLOSURE),
        (in_default, "__defaults__[0]"),
        (Scaling, "scale"),
    ],
)
def test_a_tensor_in_a_hook_is_found(method, hooks, make, inside):
    net = Empty(layer=nn.Linear(2, 2))
    handle = getattr(net.layer, method)(make(weight()))
    row = rows(net)[f"layer.{hooks}[{handle.id}].{inside}"]
    assert row.kind == "Parameter in a hook" and not row.registered
    assert "Set it on self" in row.verdict


def test_a_tensor_in_a_hook_that_is_an_attribute_too_is_named_as_one():
    mask = torch.ones(2)
    net = nn.Sequential(nn.Linear(2, 2), Empty(mask=mask))
    net[0].register_forward_hook(in_closure(mask))
    assert set(rows(net)) == {"0.weight", "0.bias", "[1].mask"}


def test_what_a_method_holds_is_found():
    scale, shift, W = torch.ones(1), torch.ones(2), weight(3)

    class Net(nn.Module):
        def forward(self, X, scale=scale, *, shift=shift):
            return X * scale + shift

        @property
        def odd(self, W=W):
            raise AssertionError("a property was run")

        @staticmethod
        def helper(X):
            return X @ W4

    W4 = weight(4)
    assert {name: row.shape for name, row in rows(Net()).items()} == {
        "forward.__defaults__[0]": (1,),
        "forward.__kwdefaults__['shift']": (2,),
        "odd.fget.__defaults__[0]": (3,),
        f"helper.{CLOSURE}": (4,),
    }
    assert eval("net.forward.__kwdefaults__['shift']", {"net": Net()}) is shift


def test_what_stands_in_the_class_is_found():
    class Mixin:
        late = (weight(4),)

    class Net(nn.Module, Mixin):
        __slots__ = ("slot",)
        store = SimpleNamespace(W=weight())
        lookup = MappingProxyType({"a": [weight(3)]})

    net = Net()
    net.slot = torch.ones(5)
    found = rows(net)
    assert set(found) == {"store.W", "lookup['a'][0]", "late[0]", "slot"}
    assert found["store.W"].kind == "Parameter in a plain object"
    assert "Set it on self in __init__, not on the class." in found["store.W"].verdict


def test_two_keys_without_a_short_name_are_two_rows():
    net = Empty(x={(0, 1): weight(), (1, 0): weight()})
    before = registration(net)
    net.x[0, 1].data += 1
    changed = {row.name: row.changed for row in registration(net, before=before).rows}
    assert changed == {"list(x.values())[0]": True, "list(x.values())[1]": False}


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
        lambda: torchvision.models.VisionTransformer(32, 16, 2, 2, 8, 16),
        lambda: torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [1, 2], [2, 2]),
        lambda: nn.LSTM(4, 5, num_layers=2, bidirectional=True),
        lambda: Empty(cell=nn.RNNCell(4, 5), out=nn.Linear(5, 2)),
        lambda: parametrizations.weight_norm(nn.Linear(3, 2)),
        lambda: parametrizations.spectral_norm(nn.Linear(3, 2)),
        lambda: parametrizations.orthogonal(nn.Linear(3, 2)),
        lambda: nn.TransformerDecoderLayer(8, 2, 16),
        lambda: MLP(784, 256, 10),
    ],
    ids=[
        *["resnet18", "vit", "swin", "lstm", "rnn", "weight_norm", "spectral_norm"],
        *["orthogonal", "transformer", "mlp"],
    ],
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

    class Group(set):
        def __iter__(self):
            raise AssertionError("__iter__ was run")

    class Lookup(dict):
        def __iter__(self):
            raise AssertionError("__iter__ was run")

        items = keys = values = __iter__

    net = Empty(
        w=MappingProxyType(Lookup(a=weight())),
        x=Ensemble([weight()]),
        y={Named("a"): weight()},
        z=Group([weight()]),
    )
    assert set(rows(net)) == {"w['a']", "x[0]", "list(y.values())[0]", "z{0}"}


def test_a_named_tuple_with_odd_fields_is_numbered():
    class Odd(list):
        _fields = ("a",)

    assert set(rows(Empty(x=Odd([weight(), weight()])))) == {"x[0]", "x[1]"}


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

        def __getattribute__(self, name):
            assert not watched, f"{name} was asked for"
            return super().__getattribute__(name)

        def forward(self, X):
            raise AssertionError("forward was run")

    class Odd:
        def __init__(self):
            self.b = weight()

        @property
        def hidden(self):
            raise AssertionError("a property was run")

        def __getattribute__(self, name):
            assert not watched, f"{name} was asked for"
            return super().__getattribute__(name)

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
    assert "it has no .grad unless" in found["computed"].verdict
    assert not found["computed"].leaf and found["computed"].requires_grad


def test_a_computed_tensor_that_keeps_its_gradient_is_not_said_to_have_none():
    W = torch.ones(2, requires_grad=True) * 0.01
    W.retain_grad()
    W.sum().backward()
    row = rows(Empty(W=W))["W"]
    assert row.has_gradient and "unless you called retain_grad()" in row.verdict


@pytest.mark.parametrize("looked_at", ["new", "after an evaluation"])
@pytest.mark.parametrize(
    "hook",
    [
        lambda layer: nn.utils.spectral_norm(layer),
        lambda layer: nn.utils.weight_norm(layer),
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
    ],
    ids=["spectral_norm", "weight_norm", "prune"],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_what_a_hook_computes_anew_may_stay_as_it_is(hook, looked_at):
    net = Empty(layer=nn.Linear(2, 2))
    hook(net.layer)
    if looked_at != "new":
        with torch.no_grad():
            net.layer(torch.ones(1, 2))
    verdict = rows(net)["layer.weight"].verdict
    assert "a hook recomputes it" in verdict or "one of them recomputes it" in verdict


def test_a_constant_without_hooks_hears_nothing_of_hooks():
    assert "hook" not in rows(Empty(constant=torch.ones(2)))["constant"].verdict


def test_a_buffer_with_requires_grad_is_a_surprise():
    net = Empty(W=weight())
    net.register_buffer("b", torch.zeros(2, requires_grad=True))
    assert "isn't in parameters()" in rows(net)["b"].verdict
    handed_over = torch.optim.SGD([net.W, net.b], lr=0.1)
    row = rows(net, handed_over)["b"]
    assert row.in_optimizer and "no optimizer" not in row.verdict
    assert "an optimizer has it only if you pass it in separately" in row.verdict


# Each cure, applied: what hides it, what the verdict says, what that makes of it.
CURED = [
    (
        lambda p: [p],
        "For Parameters in a list, use nn.ParameterList.",
        lambda p: nn.ParameterList([p]),
    ),
    (
        lambda p: (1, p),
        "For Parameters in a tuple, use nn.ParameterList.",
        lambda p: nn.ParameterList([p]),
    ),
    (
        lambda p: {"W": p, "lr": 0.1},
        "For Parameters in a dict, use nn.ParameterDict.",
        lambda p: nn.ParameterDict({"W": p}),
    ),
    (
        lambda p: MappingProxyType({"W": p}),
        "For Parameters in a dict, use nn.ParameterDict.",
        lambda p: nn.ParameterDict(MappingProxyType({"W": p})),
    ),
    (
        lambda p: {"W": p}.values(),
        "For Parameters in a dict view, use nn.ParameterList.",
        lambda p: nn.ParameterList({"W": p}.values()),
    ),
    (
        lambda p: [holding(p), torch.relu],
        "For modules in a list, use nn.ModuleList.",
        lambda p: nn.ModuleList([holding(p)]),
    ),
    (
        lambda p: {"enc": holding(p)},
        "For modules in a dict, use nn.ModuleDict.",
        lambda p: nn.ModuleDict({"enc": holding(p)}),
    ),
    (
        lambda p: {"enc": [holding(p)]},
        "from the outside in: nn.ModuleDict, nn.ModuleList.",
        lambda p: nn.ModuleDict({"enc": nn.ModuleList([holding(p)])}),
    ),
    (
        lambda p: [{"w": p}],
        "from the outside in: nn.ModuleList, nn.ParameterDict.",
        lambda p: nn.ModuleList([nn.ParameterDict({"w": p})]),
    ),
    (
        lambda p: [({"w": deque([p])}, 1)],
        "from the outside in: nn.ModuleList, nn.ModuleList, nn.ModuleDict, "
        "nn.ParameterList.",
        lambda p: nn.ModuleList(
            [nn.ModuleList([nn.ModuleDict({"w": nn.ParameterList([p])})])]
        ),
    ),
    (
        lambda p: [holding([p])],  # the module in between is one already
        "from the outside in: nn.ModuleList, nn.ParameterList.",
        lambda p: nn.ModuleList([holding(nn.ParameterList([p]))]),
    ),
    (
        lambda p: SimpleNamespace(W=p),
        "Make that object an nn.Module.",
        lambda p: holding(p),
    ),
    (
        lambda p: SimpleNamespace(Ws=[p]),
        "from the outside in: nn.Module, nn.ParameterList.",
        lambda p: holding(nn.ParameterList([p])),
    ),
    (
        lambda p: [SimpleNamespace(W=p)],
        "from the outside in: nn.ModuleList, nn.Module.",
        lambda p: nn.ModuleList([holding(p)]),
    ),
    (
        lambda p: {3: p},
        "use nn.ParameterDict. Its keys must then be strings without a dot",
        lambda p: nn.ParameterDict({"3": p}),
    ),
    (
        lambda p: {"a.b": holding(p)},
        "use nn.ModuleDict. Its keys must then be strings without a dot",
        lambda p: nn.ModuleDict({"a_b": holding(p)}),
    ),
    (
        lambda p: {"keys": p},
        "not names that nn.ModuleDict itself uses, such as 'keys'.",
        lambda p: nn.ParameterDict({"my_keys": p}),
    ),
    (
        lambda p: [{(0, 1): p}],
        "nn.ModuleList, nn.ParameterDict. Its keys must then be strings",
        lambda p: nn.ModuleList([nn.ParameterDict({"0-1": p})]),
    ),
    (
        lambda p: [in_closure(p)],
        "Set it on self in __init__.",
        lambda p: p,
    ),
    (
        lambda p: functools.partial(torch.matmul, other=p),
        "Set it on self in __init__.",
        lambda p: p,
    ),
    (
        lambda p: [torch.ones(2, requires_grad=True)],
        "Register it as an nn.Parameter.",
        lambda p: p,
    ),
]


def holding(value):
    return Empty(value=value)


@pytest.mark.parametrize(("hide", "words", "mend"), CURED)
def test_each_cure_cures(hide, words, mend):
    net = Empty(x=hide(weight()))
    (row,) = registration(net).surprises
    assert words in row.verdict and not list(net.parameters())
    assert ("keys must" in row.verdict) == ("keys" in words)
    net.x = mend(weight())
    assert len(list(net.parameters())) == 1 and not registration(net).surprises


def test_a_chain_of_many_levels_gets_a_short_verdict():
    deep = weight()
    for _ in range(50):
        deep = [deep]
    (row,) = registration(Empty(x=deep)).surprises
    assert "in: nn.ModuleList, ..., nn.ParameterList." in row.verdict


@pytest.mark.parametrize("name", ["W", "Ws[0]", "layer.weight"])
def test_what_belongs_to_the_class_moves_to_self(name):
    class Net(nn.Module):
        W = weight()
        Ws = [weight()]
        layer = nn.Linear(3, 2)

    row = rows(Net())[name]
    assert not row.registered
    assert "Set it on self in __init__, not on the class." in row.verdict
    # "not on the class": with both, PyTorch refuses.
    with pytest.raises(KeyError, match="already exists"):
        Net().W = weight()


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
    assert "the loss does not depend on it" in found["1.weight"].verdict
    assert found["0.weight"].verdict == ""


def test_cleared_gradients_are_no_surprise():
    net = Empty(W2=weight(3, 2), hidden=[weight(3, 3)])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    (torch.ones(4, 3) @ net.hidden[0] @ net.W2).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    assert net.hidden[0].grad is not None  # nobody cleared this one
    assert rows(net, optimizer)["W2"].verdict == ""


@pytest.mark.parametrize("change", ["replaced", "unfrozen", "cleared"])
def test_a_parameter_whose_backward_is_still_to_come_is_not_called_unused(change):
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].requires_grad_(change != "unfrozen")
    net(torch.ones(1, 2)).sum().backward()
    net[1].requires_grad_(True)
    net[1].zero_grad()
    if change == "replaced":
        net[1] = nn.Linear(2, 2)
    verdict = rows(net)["1.weight"].verdict
    assert "since it was created, unfrozen or last cleared" in verdict
    assert "If it still has none after the next backward" in verdict
    net(torch.ones(1, 2)).sum().backward()
    assert rows(net)["1.weight"].verdict == ""


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
    assert "use nn.ParameterList." in report._repr_html_()


def test_names_are_escaped():
    assert "<u>" not in registration(Empty(x={"<u>": weight()}))._repr_html_()


# --- bad input, in one sentence each


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([1],), TypeError, "needs an nn.Module as its first argument"),
        ((nn.Linear,), TypeError, "create one first: Linear(...)"),
        ((nn.ReLU(),), ValueError, "This ReLU has no tensors at all"),
        (
            (nn.Linear(2, 2), "sgd"),
            TypeError,
            "needs an optimizer as its second argument",
        ),
        ((nn.Linear(2, 2), None, "yes"), TypeError, "before= needs"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, error, words):
    with pytest.raises(error) as caught:
        registration(*arguments)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("earlier", ["another", "a copy", "gone"])
def test_a_report_on_another_module_is_refused(earlier):
    net = nn.Linear(2, 2)
    other = copy.deepcopy(net) if earlier == "a copy" else nn.Linear(2, 2)
    before = registration(other)
    if earlier == "gone":
        del other
        gc.collect()
    with pytest.raises(ValueError, match="report on this very Linear") as caught:
        registration(net, before=before)
    assert "\n" not in str(caught.value)


def test_a_forgotten_super_init_is_named():
    class Net(nn.Module):
        def __init__(self):
            self.W = torch.ones(2)

    with pytest.raises(ValueError, match="call super"):
        registration(Net())


# --- the live version


@pytest.fixture
def shown(data):
    made = registration_lab(data)
    yield made
    made.close()


def menu(shown, name):
    return next(m for m in shown.children[0].children if m.description == name)


def press(shown, name):
    *_, buttons = shown.children[0].children
    next(b for b in buttons.children if b.description == name).click()
    shown.wait(60)


def choose(shown, name, value):
    menu(shown, name).value = value
    shown.wait(60)


def changed(shown):
    return {row.name for row in shown.report.rows if row.changed}


def status(shown):
    return shown.children[1].value


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
    assert choice in [value for _, value in menu(shown, "W1 is").options]
    choose(shown, "W1 is", choice)
    press(shown, "train one step")
    assert changed(shown) == {"b1", "W2", "b2"} | trained
    assert "Step 1: the loss before it was 2.30" in status(shown)


def test_a_frozen_bias_and_a_replaced_layer(shown):
    choose(shown, "b1 is", "frozen")
    choose(shown, "optimizer is", "made before W2 is replaced")
    press(shown, "train one step")
    press(shown, "train one step")
    assert changed(shown) == {"W1", "b2"}
    assert "Step 2" in status(shown)
    press(shown, "rebuild")
    assert {row.changed for row in shown.report.rows} == {None}


def test_the_step_is_the_one_in_the_code(shown, data):
    torch.manual_seed(0)
    W1, W2 = torch.randn(784, 256) * 0.01, torch.randn(256, 10) * 0.01
    X, y = data.train.images[:256], data.train.labels[:256]
    loss = F.cross_entropy(torch.relu(X @ W1) @ W2, y)
    press(shown, "train one step")
    assert f"the loss before it was {loss.item():.3f}" in status(shown)
    code = shown.children[3].value
    assert "self.W1 = nn.Parameter(torch.randn(784, 256) * 0.01)" in code


def test_a_second_backward_through_the_same_graph_fails_in_words(shown):
    choose(shown, "W1 is", "requires_grad=True inside randn")
    press(shown, "train one step")
    with pytest.raises(RuntimeError, match="Trying to backward"):
        press(shown, "train one step")
    assert "It failed. RuntimeError: Trying to backward" in status(shown)
    choose(shown, "W1 is", "nn.Parameter")
    press(shown, "train one step")
    assert "Step 1" in status(shown)


def test_it_says_the_same_without_a_front_end(shown):
    bundle, _ = shown._repr_mimebundle_()
    assert "Live X-ray: W1 is nn.Parameter" in bundle["text/plain"]
    assert "class Net(nn.Module)" in bundle["text/html"]


def test_the_lab_leaves_the_global_generator_alone(data):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    registration_lab(data).close()
    assert torch.equal(torch.rand(3), expected)


def test_the_lab_wants_the_data():
    with pytest.raises(TypeError, match=r"^registration_lab\(data\) .* gave list\.$"):
        registration_lab([1, 2])


def test_a_report_leaves_every_storage_as_it_was():
    net = nn.Module()
    net.w = nn.Parameter(torch.ones(2))
    registration(net)
    net.w.data.resize_(3)  # refused where numpy holds the storage
    assert net.w.untyped_storage().nbytes() == 12


def test_a_computed_tensor_among_the_parameters_is_marked():
    net = nn.RNN(4, 5)
    net._parameters["weight_hh_l0"] = net.weight_hh_l0 * 1.0
    rows = {row.name: row for row in registration(net).rows}
    assert "an optimizer refuses it" in rows["weight_hh_l0"].verdict
    assert not any("_flat_weights" in name for name in rows)


def test_two_parameters_over_one_memory_are_marked_and_counted_once():
    out = nn.Linear(24, 16, bias=False)
    tied = Empty(out=out, words=nn.Embedding(16, 24, _weight=out.weight))
    report = registration(tied)
    assert [row.name for row in report.surprises] == ["words.weight"]
    assert "the same memory as out.weight, counted once" in report.surprises[0].verdict
    assert "Parameters: 2 (384 numbers, 384 of them" in report.totals
    tied.words.weight = nn.Parameter(out.weight.detach().T)  # another view of it
    assert "counted once" in str(registration(tied))
    tied.words.weight = nn.Parameter(out.weight.detach().clone())
    assert not registration(tied).surprises


def test_parameters_that_overlap_in_one_memory_are_marked():
    memory = torch.zeros(60)
    parts = {"a": memory[:40].reshape(4, 10), "b": memory[30:50], "c": memory[50:]}
    parts |= {"even": memory[1:11:2], "odd": memory[12:22:2]}
    net = Empty(**{name: nn.Parameter(part) for name, part in parts.items()})
    report = registration(net)
    assert [row.name for row in report.surprises] == ["b", "even", "odd"]
    assert "shares memory with a: 10 of its 20 numbers" in report.surprises[0].verdict
    assert "Parameters: 5 (60 numbers, 60 of them" in report.totals
    apart = {"even": memory[::2], "odd": memory[1::2]}
    net = Empty(**{name: nn.Parameter(part) for name, part in apart.items()})
    assert not registration(net).surprises


def test_an_rnns_own_list_of_weights_is_no_surprise():
    net = nn.LSTM(4, 5, 2, bidirectional=True)
    net.flatten_parameters()
    assert not registration(net).surprises
