"""The doctor names what is wrong first, and finds nothing wrong with a right model."""

import inspect
import itertools
import sys
import threading
import time
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from doctor_cases import (
    MLP,
    RIGHT,
    SGD,
    UNHURRIED,
    WRONG,
    WRONG_BY_CODE,
    Altered,
    InAList,
    classic,
    doctor,
    examine,
    frozen,
    mlp,
    plain,
    silent,
    with_sgd,
    without_zero_grad,
)
from torch import nn

from helpers import load_fashion_mnist
from helpers.instruments.doctor.checks import FIRST, LAST, STATIC, TRIALS
from helpers.instruments.doctor.findings import SENTENCES
from helpers.instruments.doctor.training_setup import Limits

CODES = {key.partition(":")[0] for key in SENTENCES}

# The first wrong model of each code; below_linear is found after 2,048 steps alone.
QUICK = {next(iter(models)) for models in WRONG_BY_CODE.values()}
QUICK -= {*WRONG_BY_CODE["below_linear"]}


@pytest.fixture(scope="module")
def data():
    """The bundled sample. One thread is as fast for small nets, and is not slowed down
    by other programs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_fashion_mnist("sample")
    torch.set_num_threads(threads)


@pytest.mark.slow  # each is a whole examination
@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_found_in_a_right_model(name, data):
    report = examine(RIGHT[name](data), data)
    assert report.findings == []
    assert str(report).startswith("No problem found")
    assert "<b>✓</b>" in report._repr_html_()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK))
        for name in WRONG
    ],
)
def test_the_first_finding_is_what_is_wrong(name, data):
    code, make = WRONG[name]
    report = examine(make(data), data)
    assert report.findings and report.findings[0].code == code, str(report)
    assert str(report).startswith(f"{code}: {report.findings[0].evidence}")
    assert report.findings[0].fix in str(report)


def test_each_code_has_two_wrong_models():
    codes = [code for code, _ in WRONG.values()]
    assert {code: codes.count(code) for code in CODES if codes.count(code) < 2} == {}


def test_the_table_leads_from_a_finding_to_its_check():
    table = FIRST | STATIC | TRIALS | LAST
    assert set().union(*table.values()) == CODES
    for check, codes in table.items():
        assert codes[0] == check.__name__
        source = inspect.getsource(sys.modules[check.__module__])
        assert all(f'("{code}' in source or f'= "{code}' in source for code in codes)


def test_the_same_model_gets_the_same_report(data):
    torch.manual_seed(1)
    first = str(doctor(**with_sgd(mlp(), 10.0), data=data))
    assert "With lr=10 the loss" in first
    torch.manual_seed(2)
    assert str(doctor(**with_sgd(mlp(), 10.0), data=data)) == first


def test_a_finding_names_what_it_is_about(data):
    report = doctor(InAList(lambda a, b: [a, b]), data)
    for name in ("hidden[0].weight", "hidden[0].bias", "hidden[1].weight"):
        assert name in report.findings[0].evidence
    report = doctor(**with_sgd(frozen(mlp(), "W1")), data=data)
    assert "W1" in report.findings[0].evidence


class Returned(nn.Module):
    def __init__(self, net, change=lambda out: out):
        super().__init__()
        self.net, self.change = net, change

    def forward(self, X):
        return self.change(self.net(X.reshape(-1, 1, 28, 28)))


MAPS = nn.Sequential(nn.Conv2d(1, 10, 7, 7))


@pytest.mark.parametrize(
    "net, advice",
    [
        (Returned(nn.Sequential(*MAPS, nn.Linear(4, 10))), "nn.Linear(160, 10)"),
        (Returned(MAPS), "out.flatten(2).mean(2)"),
        (Returned(MAPS, lambda out: out.mean((2, 3), True)), "out.flatten(1)"),
    ],
)
def test_scores_of_another_form_get_their_repair(net, advice, data):
    report = doctor(net, data)
    assert report.findings[0].code == "wrong_output_width"
    assert advice in report.findings[0].fix


def by_their_mean(net, optimizer, X, y):
    """It makes NaN where all pixels are alike."""
    return plain(net, optimizer, X - X / (X - X), y)


@pytest.mark.parametrize(
    "make, said",
    [
        (
            lambda d: {"net": mlp(), "data": (d.train.images, d.train.labels[:, None])},
            "cross_entropy takes class numbers without the last dimension",
        ),
        (
            lambda d: with_sgd(mlp(), train_step=by_their_mean),
            "The pictures X have NaN or infinite values",
        ),
        (
            lambda d: with_sgd(Altered(lambda H: torch.tensor(H.tolist()))),
            "The loss gives no gradient to these parameters: first.weight, first.bias.",
        ),
        (
            lambda d: with_sgd(
                Altered(after=lambda out: out + out.mean(0) if len(out) > 1 else out)
            ),
            "Look for an operation along the first dimension",
        ),
    ],
)
def test_what_a_code_has_a_sentence_of_its_own_for_is_said(make, said, data):
    assert said in str(examine(make(data), data))


def test_a_narrow_layer_gets_a_remark(data):
    report = examine(RIGHT["one hidden unit"](data), data)
    assert report.findings == []
    assert "narrowest layer has a width of 1," in report.notes[-1]


def test_a_model_that_raises_gets_the_shape_tracers_explanation(data):
    report = doctor(MLP(256, 784, 10, seed=0), data)
    assert "W1 (256, 784)" in report.findings[0].evidence


def test_an_error_that_says_nothing_shows_its_type_once(data):
    def asserts(net, optimizer, X, y):
        raise AssertionError

    report = doctor(**with_sgd(mlp(), 0.1), data=data, train_step=asserts)
    assert report.findings[0].evidence.endswith("AssertionError: no message")


def test_two_mistakes_are_both_named(data):
    net = classic(nn.ReLU()).append(nn.Softmax(dim=1))
    report = doctor(net, data, SGD(net.parameters(), 0.1), train_step=without_zero_grad)
    codes = [finding.code for finding in report.findings]
    assert codes == ["softmax_twice", "gradients_accumulate"]
    page = report._repr_html_()
    assert page.count("<b>✗</b>") == 2
    assert page.index("softmax_twice") < page.index("gradients_accumulate")


@pytest.mark.parametrize(
    "total, begins", [(0, "No problem found"), (1000, "lr_too_high")]
)
def test_a_step_that_returns_nothing_is_told_so(total, begins, data):
    limits = replace(UNHURRIED, total=total)
    case = with_sgd(mlp(), 10, train_step=silent(plain))
    report = doctor(**case, data=data, limits=limits)
    assert str(report).startswith(begins)
    assert "Your train_step returns no loss (NoneType)" in str(report)
    assert "returns no loss (NoneType)" in report._repr_html_()


@pytest.mark.slow  # a whole examination
def test_a_net_no_better_than_guessing_is_never_called_right(data):
    """Here enough steps would take too long, and no check knows why."""
    case = WRONG["scores a million times too small"][1](data)
    limits = replace(UNHURRIED, enough_steps=10**6)
    report = examine(case, data, limits=limits)
    assert [finding.code for finding in report.findings] == ["below_linear"]
    assert "No check found the cause" in str(report)
    assert "✓" not in report._repr_html_()


def test_where_the_time_is_up_the_report_says_what_was_skipped(data):
    limits = replace(UNHURRIED, total=0)
    report = doctor(**with_sgd(mlp(), 10.0), data=data, limits=limits)
    assert report.findings == []
    assert str(report).startswith("No problem found") and "not all" in str(report)
    for name in ("unregistered", "lr_too_high", "unexplained"):
        assert name in report.notes[-1] and name in report._repr_html_()
    assert "✓" not in report._repr_html_()


def test_more_time_is_advised_than_it_had(data):
    report = doctor(**with_sgd(mlp(), 0.1), data=data, limits=Limits(0.01))
    assert "With doctor(..., seconds=0.06) it looks longer" in report.notes[-1]


def test_a_net_that_waits_is_left_by_the_clock(data):
    net = mlp()
    net.register_forward_hook(lambda *_: time.sleep(0.1))
    limits = Limits(0.2, waits=0.9)  # else it had to wait for long
    report = doctor(net, data, limits=limits)
    assert "Skipped" in report.notes[-1] and "vanishing" in report.notes[-1]


def test_without_time_a_net_is_run_four_times_and_what_they_show_is_said(data):
    net, count = classic(nn.ReLU()).append(nn.Softmax(dim=1)), itertools.count()
    net.register_forward_hook(lambda *_: next(count) and None)
    report = doctor(net, data, limits=Limits(0))
    assert next(count) == 4
    assert [finding.code for finding in report.findings] == ["softmax_twice"]


@pytest.mark.parametrize(
    "name", ["the course's MLP, lr 0.1", "with the step of the lessons", "convolutions"]
)
def test_a_slow_net_is_examined_with_fewer_pictures(name, data):
    limits = replace(UNHURRIED, slow=0)
    assert examine(RIGHT[name](data), data, limits=limits).findings == []


@pytest.mark.parametrize("name", ["no zero_grad", "SGD at 10", "W1 frozen"])
def test_what_is_wrong_with_a_slow_net_is_found(name, data):
    code, make = WRONG[name]
    report = examine(make(data), data, limits=replace(UNHURRIED, slow=0))
    assert report.findings[0].code == code


def test_a_long_examination_says_that_it_goes_on(data, capsys):
    net = classic(nn.ReLU()).append(nn.Softmax(dim=1))
    doctor(net, data, limits=replace(UNHURRIED, silent=1000))
    assert capsys.readouterr().out == ""
    doctor(net, data, limits=Limits(30, silent=0))
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and "up to 30 s of the processor's time" in out


def test_what_other_threads_warn_of_is_shown_and_what_the_net_does_is_not(data):
    net = mlp()

    def warn_in_both_threads(*_):
        warnings.warn("of the net", stacklevel=1)
        beside = threading.Thread(target=warnings.warn, args=["of a lab"])
        beside.start()
        beside.join()

    net.register_forward_hook(warn_in_both_threads)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        before = [*warnings.filters]
        doctor(net, data, limits=Limits(0))
        assert warnings.filters == before
    assert {str(one.message) for one in told} == {"of a lab"}


@pytest.mark.filterwarnings("ignore:.torch.jit.script:FutureWarning")
@pytest.mark.parametrize("mode", [True, False])
def test_a_scripted_net_stays_in_its_mode(mode, data):
    net = classic(nn.ReLU(), nn.Dropout(0.5)).append(nn.Softmax(dim=1))
    net = torch.jit.script(net).train(mode)
    report = doctor(**with_sgd(net), data=data)
    assert report.findings[0].code == "softmax_twice"
    assert [module.training for module in net.modules()] == [mode] * 6


LOOKALIKE = SimpleNamespace(train=[1, 2], class_names=["a", "b"])


def as_numbers(scores, y):
    return (scores[:, 0] - y).square().mean()


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ({"net": "net"}, "you gave str"),
        ({"net": nn.Linear}, "the class Linear"),
        ({"net": nn.ReLU()}, "has no parameters"),
        ({"net": mlp(), "data": 3}, "you gave int"),
        ({"net": mlp(), "data": LOOKALIKE}, "you gave SimpleNamespace"),
        ({"net": mlp(), "data": ([1], [2])}, r"you gave \(list, list\)"),
        ({"net": mlp(), "data": (torch.rand(4, 784), torch.rand(4))}, "float32"),
        (
            {"net": mlp(), "data": (torch.rand(4, 784), torch.arange(4) - 1)},
            "from 0 up .* you gave numbers from -1 to 2",
        ),
        (
            {"net": mlp(), "data": (torch.rand(4, 784), torch.zeros(3).long())},
            "4 pictures and 3 labels",
        ),
        ({"net": mlp(), "optimizer": 0.1}, "optimizer must be .* you gave float"),
        ({"net": mlp(), "train_step": 1}, "train_step must be a function"),
        ({"net": mlp(), "loss": "mse"}, "loss must be a function"),
        ({"net": nn.Linear(784, 1), "loss": as_numbers}, "one number for each picture"),
        ({"net": mlp(), "seconds": 0}, "seconds must be .* above 0, .* you gave 0"),
        ({"net": mlp(), "seconds": "60"}, "seconds must be .* you gave '60'"),
    ],
)
def test_an_argument_of_another_kind_gets_one_clear_sentence(
    arguments, complaint, data
):
    with pytest.raises((TypeError, ValueError), match=complaint) as error:
        doctor(**({"data": data} | arguments))
    assert "\n" not in str(error.value)
