"""Exercises: right answers are accepted, and every wrong one is told what is wrong."""

import builtins
import contextlib
import dataclasses
import decimal
import functools
import gc
import importlib
import inspect
import itertools
import locale
import logging
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import types
import warnings
from html import escape
from pathlib import Path

import answers
import matplotlib
import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from solved_notebook import what_solutions_reach
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from helpers import (
    check,
    doctor,
    hint,
    lab,
    load_fashion_mnist,
    progress,
    records,
    solution,
    trace_shapes,
)
from helpers.exercises.check import _hints_given
from helpers.exercises.exercise import _exercises, all_exercises, ask, exercise, expect
from helpers.exercises.guard import PRINTED, Limit, called, quiet

ROOT = Path(__file__).parents[2]
for path in sorted(Path(__file__).parent.glob("answers_*.py")):
    importlib.import_module(path.stem)
EXERCISES = all_exercises()


def named(value):
    return getattr(value, "__name__", None)


def said_of(id, answer, seconds=100):  # a busy machine may take its time
    return str(check(id, answer, seconds))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A file of this test's own for what is solved."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    _hints_given.clear()
    yield tmp_path
    records.notice()


# --- the course's own exercises


def each(rows):
    """As parameters. Those of 1.5 take long, since its check trains a network."""
    marks = {"1.5": pytest.mark.slow}
    return [pytest.param(*row, marks=marks.get(row[0], ())) for row in rows]


@pytest.mark.parametrize("id", EXERCISES)
def test_the_solution_is_right(id):
    assert said_of(id, EXERCISES[id].reference).startswith(f"{id} right. Notice ")
    assert records.read("exercises") == {id: {"solved": True}}


@pytest.mark.parametrize("id, answer", each(answers.RIGHT), ids=named)
def test_a_right_answer_written_another_way_is_accepted(id, answer):
    assert said_of(id, answer).startswith(f"{id} right. ")


@pytest.mark.parametrize("id, answer, told", each(answers.WRONG), ids=named)
def test_a_wrong_answer_gets_its_own_diagnosis(id, answer, told):
    said = said_of(id, answer)
    assert said.startswith(f"{id} not yet: ")
    assert told in said
    assert "\n" not in said and "Traceback" not in said
    assert records.read("exercises") == {}


@pytest.mark.parametrize("id", EXERCISES)
def test_there_are_enough_answers_and_their_diagnoses_differ(id):
    told = [told for wrong_id, _, told in answers.WRONG if wrong_id == id]
    assert len(told) >= 3 and len(set(told)) == len(told)
    assert any(right_id == id for right_id, _ in answers.RIGHT)


@pytest.mark.parametrize("id", EXERCISES)
def test_hints_never_give_the_answer(id):
    lines = EXERCISES[id].source.splitlines()
    code = [line.strip() for line in lines[1:] if len(line.strip()) > 12]
    for text in EXERCISES[id].hints:
        assert text.count(".") + text.count("?") >= 1
    for number in range(len(EXERCISES[id].hints)):
        said = str(hint(id))
        assert said.startswith(f"{id}, hint {number + 1} of ")
        assert not all(line in said for line in code)
    assert "were all" in str(hint(id))


@pytest.mark.parametrize("id", EXERCISES)
def test_the_solution_is_shown_as_python(id):
    source = str(solution(id))
    assert EXERCISES[id].name in source.splitlines()[0]
    compile(source, id, "exec")


# --- what any answer may do


def double(X, factor):
    return X * factor


@pytest.fixture
def told():
    """What an answer to an exercise of this test's own is told."""

    @exercise("0.1", double, "Multiply.", "Use *.", notice="Notice nothing.")
    def check_double(answer):
        given = torch.ones(2, 2)
        expect(torch.equal(ask(answer, given, 2.0), 2 * given), "it is not doubled.")

    yield functools.partial(said_of, "0.1")
    del _exercises["0.1"]


def test_what_is_not_attempted_is_not_wrong(told):
    def stub(X, factor): ...

    def with_text(X, factor):
        """Double it."""
        ...

    for answer in (stub, with_text, ...):
        assert told(answer).startswith("0.1 not attempted yet: replace the ...")


def test_right_not_yet_and_not_attempted_have_marks_of_their_own():
    right, wrong = check("1.1", EXERCISES["1.1"].reference), check("1.1", lambda *_: 3)
    shown = [one._repr_html_() for one in (right, wrong, check("1.1", ...))]
    marks = [re.search("<b>(.)</b> <span>1.1 ", page)[1] for page in shown]
    assert marks == ["✓", "✗", "○"]
    assert all(escape(said) in page for said, page in zip((right, wrong), shown))


def test_code_in_a_reply_is_shown_as_code():
    shown = check("4.2", lambda parameters, lr: [*parameters])._repr_html_()
    assert "(<code>p = p - ...</code> makes a new tensor" in shown
    assert "`" not in shown and "`" not in hint("3.4")._repr_html_()


def test_an_answer_that_raises_names_its_line(told):
    def raises(X, factor):
        return X @ torch.ones(5)

    said = told(raises)
    assert "raised RuntimeError at `return X @ torch.ones(5)`" in said


def test_an_error_that_says_little_to_a_beginner_is_put_in_other_words(told):
    held = [torch.ones(2, 3), torch.ones(4)]

    def unknown(X, factor):
        return F.relu(X)  # noqa: F821

    def inside(X, factor):
        return [p for p in (torch.ones(4), torch.ones(3)) if p not in held]

    def several(X, factor):
        return X if X == factor else factor

    def indexed(X, factor):
        return held.index(torch.ones(2, 3) + torch.eye(2, 3))

    line = "Run `from torch.nn import functional as F` in a cell of its own"
    assert line in told(unknown)
    assert "`in` compares tensors number by number." in told(inside)
    assert "neither True nor False" in told(several)
    assert "neither True nor False" in told(indexed)
    sizes = "in the same dimension, one has size 4 and the other 5."
    assert sizes in told(lambda X, factor: torch.ones(4) + torch.ones(5))
    product = "the first has 3 columns, but the second has 4 rows."
    assert product in told(lambda X, factor: torch.ones(2, 3) @ torch.ones(4, 5))


RIGHT_KAIMING = EXERCISES["1.2"].source
# What a learner runs -> the beginning of what check says then.
EDITED = {
    "def kaiming(num_inputs, num_outputs):\n    ...": "1.2 not attempted yet",
    "def kaiming(num_inputs, num_outputs):\n    return (": (
        "1.2 not checked: your last cell that defines kaiming stopped with SyntaxError"
    ),
    "1 / 0  # elsewhere": "1.2 not checked",
    f"{RIGHT_KAIMING}\n1 / 0": "1.2 right",
    f"1 / 0\n{RIGHT_KAIMING}": "1.2 not checked: your last cell that defines kaiming "
    "stopped with ZeroDivisionError",
    f"@unknown\n{RIGHT_KAIMING}": "1.2 not checked",
    "kaiming(3, 4, 5)": "1.2 not checked",
    "old, kaiming = kaiming, lambda num_inputs, num_outputs: 3": "1.2 not yet",
    RIGHT_KAIMING: "1.2 right",
    "class kaiming(": "1.2 not checked",
}


@pytest.mark.slow  # a kernel
def test_what_a_failed_cell_left_as_it_was_is_not_judged(home):
    """That cell stopped before its definition, so check is handed the old one."""
    notebook = nbformat.v4.new_notebook()
    sources = ["import helpers, torch, math\nfrom helpers import check"]
    for source in EDITED:
        sources += [source, 'check("1.2", kaiming)']
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    NotebookClient(notebook, timeout=300, allow_errors=True).execute()
    said = [cell.outputs[0].data["text/plain"] for cell in notebook.cells[2::2]]
    for (source, expected), found in zip(EDITED.items(), said, strict=True):
        assert found.startswith(expected), source


@pytest.mark.parametrize(
    "answer, why",
    [
        (lambda X, f: X.shape[2], "a tuple has no item at that position."),
        (lambda X, f: torch.optim.SGD([X]).params, "is of type SGD, which has no `.pa"),
        (lambda X, f: X.grad.sum(), "something here is None, which has no `.sum`."),
        (lambda X, f: f(X), "something of type float can't be called"),
        (lambda X, f: X.sum[0], "type builtin_function_or_method can't be followed"),
        (lambda X, f: [*nn.Linear(1, 1).parameters], "without parentheses"),
        (lambda X, f: [*f], "something of type float can't give items one by one"),
        (lambda X, f: X[5], "no position 5 in dimension 0: its size is 2, and its"),
        (lambda X, f: torch.sqrt(f), "PyTorch's `sqrt` was given something of type fl"),
        (
            lambda X, f: torch.randn([2], f),
            "can't be called with these types: list, fl",
        ),
        (lambda X, f: X.view(3), "4 numbers can't have the shape [3]."),
        (lambda X, f: X.copy_(torch.ones(3, 2)), "shape [3, 2] doesn't fit where the"),
        (lambda X, f: X.requires_grad_().backward(), "begins at a single number"),
        (lambda X, f: X[X], "positions in a tensor are whole numbers"),
        (
            lambda X, f: range(f),
            "a whole number is needed here, not something of type f",
        ),
        (
            lambda X, f: [a for a, b in [(1, 2, 3)]],
            "split into 2 names has more values",
        ),
        (lambda X, f: [f] ** f, "`**` doesn't work between the types list and float."),
        (lambda X, f: [f] > f, "`>` doesn't work between the types list and float."),
    ],
)
def test_what_python_or_pytorch_refuses_is_said_in_plain_words(told, answer, why):
    assert why in told(answer)


@pytest.mark.parametrize("notes", [["mine"], "mine", 5, None])
def test_a_note_of_the_learner_s_own_is_not_taken_for_the_call(notes):
    def noted(layer):  # which is too long to be named
        error = ValueError("no")
        error.__notes__ = notes
        raise error

    said = said_of("2.4", noted)
    assert "your code raised ValueError" in said and "mine" not in said


def test_a_parameter_that_cannot_be_changed_so_is_spoken_of_in_plain_words(told):
    layer = torch.nn.Linear(2, 2)

    def whole(X, factor):
        layer.weight *= 2

    def part(X, factor):
        layer.weight[0] = 2

    def replaced(X, factor):
        layer.weight = layer.weight * 2

    in_place = "a leaf that requires a gradient, such as a Parameter, can't be changed"
    assert in_place in told(whole) and in_place in told(part)
    assert "weight is a Parameter of the module. What isn't one" in told(replaced)


@pytest.fixture
def told_of_six():
    """As `told`; its checker can fail by itself."""

    @exercise("0.3", double, "Multiply.", "Use *.", notice="Notice nothing.")
    def check_six(answer):
        expect(int(answer(3.0, 2.0)) == 6, "it is not doubled.")

    yield functools.partial(said_of, "0.3")
    del _exercises["0.3"]


def test_an_error_of_the_checkers_own_names_what_was_returned(told_of_six):
    infinite, listed = float("inf"), ["a", "list"]
    said = told_of_six(lambda X, factor: infinite)
    assert "your double last returned inf; comparing it raised OverflowError" in said
    said = told_of_six(lambda X, factor: listed)
    assert "your double last returned ['a', 'list']; comparing it raised" in said
    assert "your code" not in said


def test_an_error_of_the_learners_own_stays_one(told_of_six):
    class Stubborn:
        def __int__(self):
            raise ValueError("never")

        def __repr__(self):
            raise KeyError

    def divides(X, factor):
        return X / 0

    def later(X, factor):
        yield divides(X, factor)

    assert "your code raised ZeroDivisionError at `return X / 0`" in told_of_six(
        divides
    )
    said = told_of_six(lambda X, factor: Stubborn())
    assert "your code raised ValueError at `raise ValueError" in said
    assert "returned an object of type generator" in told_of_six(later)
    assert "your code raised TypeError: " in told_of_six(math.comb)  # it is no Python


def test_a_decorated_answer_is_seen_through(told):
    @torch.no_grad()
    def raises(X, factor):
        return X @ torch.ones(5)

    @torch.no_grad()
    def stub(X, factor): ...

    assert "at `return X @ torch.ones(5)`" in told(raises)
    assert "not attempted" in told(stub)


def test_an_answer_that_loops_is_stopped(told):
    def loops(X, factor):
        while True:
            pass

    said = told(loops, 0.2)
    assert "after 0.2 seconds of computing; look for an endless loop" in said
    assert "If it is only slow, give it longer: check(..., seconds=1.2)." in said
    assert told(double) == "0.1 right. Notice nothing."  # nothing arrives late


def sleep():
    time.sleep(100)


def wait():
    threading.Event().wait()


def compute():
    while True:
        pass


@pytest.mark.parametrize(
    "go_on", [sleep, pytest.param(wait, marks=pytest.mark.slow), compute]
)
def test_an_answer_that_catches_everything_is_stopped(told, go_on):
    def catches(X, factor):
        while True:
            try:
                go_on()
            except:  # noqa: E722
                pass

    def catches_twice(X, factor):
        while True:
            with contextlib.suppress(BaseException):
                catches(X, factor)

    def goes_on_in_the_end(X, factor):
        try:
            go_on()
        finally:
            catches(X, factor)

    for answer in (catches, catches_twice, goes_on_in_the_end):
        said = told(answer, 0.1)
        assert ("an endless loop" if go_on is compute else "still waiting") in said


def test_only_the_learners_own_code_is_timed(told, tmp_path, monkeypatch):
    """Not the checker's, nor what is imported, which is not interrupted either."""

    def check_slowly(answer):
        library_code()
        check_double(answer)  # noqa: F821

    def imports(X, factor):
        import slow_to_import

        return X * slow_to_import.FACTOR

    installed = tmp_path / "site-packages"
    installed.mkdir()
    lines = inspect.getsource(library_code), "library_code()", "FACTOR = 2"
    (installed / "slow_to_import.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(installed)
    space = {"__name__": "helpers.lesson", "check_double": _exercises["0.1"].checker}
    exec("\n".join([lines[0], textwrap.dedent(inspect.getsource(check_slowly))]), space)
    slow = dataclasses.replace(_exercises["0.1"], checker=space["check_slowly"])
    monkeypatch.setitem(_exercises, "0.1", slow)
    assert "right" in told(double, 0.2)
    assert "right" in told(imports, 0.2)
    monkeypatch.undo()
    del sys.modules["slow_to_import"]


def library_code():
    import time

    until = time.thread_time() + 0.4
    while time.thread_time() < until:
        pass


def test_a_library_is_stopped_where_it_calls_the_learners_code_or_goes_on(told):
    def calls_back(X, factor):
        return max(itertools.count(), key=lambda value: value)

    library = types.FunctionType(forever.__code__, {"__name__": "torch.busy"})
    assert "an endless loop" in told(calls_back, 0.2)
    assert "an endless loop" in told(lambda X, factor: library(), 0.2)


def forever():
    while True:
        pass


def test_wrong_types_nan_and_changed_inputs_have_their_lines(told):
    def in_place(X, factor):
        return X.mul_(factor)

    assert "returned None" in told(lambda X, factor: print(end=""))
    assert "returned 'x', but the exercise asks for a tensor" in told(lambda X, f: "x")
    assert "returned NaN or infinite values" in told(lambda X, factor: X * float("nan"))
    assert "changed its input X." in told(in_place)


def test_calling_the_function_first_and_other_arguments_have_their_lines(told):
    assert "without parentheses" in told(torch.ones(2))
    assert "takes (X), but the exercise calls it with (X, factor)" in told(lambda X: X)
    assert "function double itself, but got 5" in told(5)


def test_an_answer_that_takes_a_builtin_away_is_described(told):
    def greedy(X, factor):
        builtins.len = None
        raise ValueError("no len")

    assert "your code raised ValueError at `raise ValueError" in told(greedy)
    assert len("two words") == 9


def test_an_answer_that_quits_python_does_not(told):
    def quits(X, factor):
        raise SystemExit

    assert "tried to quit Python" in told(quits)


def test_an_answer_leaves_random_numbers_as_they_were(told):
    def careless(X, factor):
        for seed in (torch.manual_seed, random.seed, np.random.seed):
            seed(5)
        return X * factor

    def drawn():
        return torch.rand(1).item(), random.random(), np.random.random()

    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    wanted = drawn()
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])
    assert "right" in told(careless)
    assert drawn() == wanted


class Mode(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


INVARIANTS = torch.sparse.check_sparse_tensor_invariants
SAVED = torch.autograd.graph


def mask():
    before = os.umask(0)
    os.umask(before)
    return before


def slope():
    x = torch.ones(1, requires_grad=True)
    return torch.autograd.grad(x.exp(), x)[0].item()


LEFT_SET = [  # what an answer sets for all, and what reads it
    (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    (lambda: torch.set_default_device("meta"), torch.get_default_device),
    (lambda: torch.set_num_threads(3), torch.get_num_threads),
    (
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        torch.are_deterministic_algorithms_enabled,
    ),
    (lambda: torch.autograd.set_detect_anomaly(True), torch.is_anomaly_enabled),
    (
        lambda: torch.set_printoptions(precision=9),
        lambda: repr(torch.rand(2) * 0 + 1 / 3),
    ),
    (
        lambda: torch.autocast("cpu").__enter__(),
        lambda: (torch.ones(1, 1) @ torch.ones(1, 1)).dtype,
    ),
    (lambda: torch.inference_mode().__enter__(), torch.is_inference_mode_enabled),
    (lambda: Mode().__enter__(), torch._C._len_torch_function_stack),
    (
        lambda: setattr(torch, "relu", torch.tanh),
        lambda: torch.relu(torch.tensor(-1.0)),
    ),
    (
        lambda: nn.modules.module.register_module_forward_hook(lambda *_: 1 / 0),
        lambda: nn.Identity()(3),
    ),
    (
        lambda: setattr(torch.backends.cudnn, "deterministic", True),
        lambda: torch.backends.cudnn.deterministic,
    ),
    (lambda: np.seterr(all="raise"), np.geterr),
    (lambda: np.set_printoptions(precision=2), lambda: repr(np.ones(1) / 3)),
    (lambda: warnings.simplefilter("error"), lambda: [*warnings.filters]),
    (lambda: sys.setrecursionlimit(900), sys.getrecursionlimit),
    (
        lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        lambda: signal.getsignal(signal.SIGINT),
    ),
    (lambda: os.chdir("/"), os.getcwd),
    (lambda: setattr(builtins, "round", None), lambda: builtins.round),
    (lambda: os.environ.clear(), lambda: dict(os.environ)),
    (gc.disable, gc.isenabled),
    (lambda: gc.set_threshold(1), gc.get_threshold),
    (
        lambda: setattr(decimal.getcontext(), "prec", 3),
        lambda: decimal.Decimal(1) / 3,
    ),
    (lambda: logging.disable(), lambda: logging.root.isEnabledFor(logging.ERROR)),
    (
        lambda: logging.root.addHandler(logging.NullHandler()),
        lambda: [*logging.root.handlers],
    ),
    (
        lambda: logging.getLogger("torch").setLevel(1),
        logging.getLogger("torch").__repr__,
    ),
    (lambda: sys.setprofile(lambda *_: None), sys.getprofile),
    (lambda: sys.settrace(lambda *_: None), sys.gettrace),
    (lambda: threading.settrace(lambda *_: None), threading.gettrace),
    (lambda: setattr(time, "sleep", None), lambda: time.sleep),
    (lambda: setattr(sys, "excepthook", print), lambda: sys.excepthook),
    (lambda: setattr(sys, "displayhook", print), lambda: sys.displayhook),
    (lambda: setattr(warnings, "showwarning", print), lambda: warnings.showwarning),
    (lambda: sys.path.append("/"), lambda: [*sys.path]),
    (lambda: sys.set_int_max_str_digits(0), sys.get_int_max_str_digits),
    (lambda: socket.setdefaulttimeout(1), socket.getdefaulttimeout),
    (
        lambda: locale.setlocale(locale.LC_ALL, "C"),
        lambda: locale.setlocale(locale.LC_ALL),
    ),
    (INVARIANTS.enable, INVARIANTS.is_enabled),
    (lambda: torch.device("meta").__enter__(), lambda: torch.ones(1).device),
    (
        lambda: FlopCounterMode(display=False).__enter__(),
        torch._C._len_torch_dispatch_stack,
    ),
    (
        lambda: setattr(nn.Linear, "forward", lambda self, X: X),
        lambda: nn.Linear(2, 3)(torch.ones(1, 2)).shape,
    ),
    (lambda: os.umask(0o77), mask),
    (
        lambda: matplotlib.rcParams.update({"lines.linewidth": 9}),
        lambda: matplotlib.rcParams["lines.linewidth"],
    ),
    (lambda: matplotlib.use("svg"), matplotlib.get_backend),
    (lambda: torch.set_flush_denormal(True), lambda: sys.float_info.min / 2),
    (
        lambda: torch.backends.mha.set_fastpath_enabled(False),
        torch.backends.mha.get_fastpath_enabled,
    ),
    (
        lambda: torch._C._set_mkldnn_enabled(False),
        torch._C._get_mkldnn_enabled,
    ),
]
if hasattr(torch._C._autograd, "_top_saved_tensors_default_hooks"):  # not in 2.6
    hooks = SAVED.saved_tensors_hooks(torch.zeros_like, torch.relu)
    LEFT_SET += [(hooks.__enter__, slope)]
if sys.platform != "win32":
    import resource

    FILES = resource.RLIMIT_NOFILE
    LEFT_SET += [
        (lambda: resource.setrlimit(FILES, (99, limits()[1])), lambda: limits())
    ]


def limits():
    return resource.getrlimit(FILES)


def by_check(change):
    check("0.1", lambda X, factor: change() or X * factor)


def by_trace(change):
    trace_shapes(lambda X: change() or X * 2, torch.ones(1))


def by_doctor(change):
    data = load_fashion_mnist("sample").train
    step = functools.partial(a_step, change)
    doctor(nn.Linear(784, 10), (data.images, data.labels), train_step=step, seconds=0.5)


def by_lab(change):
    step = functools.partial(a_step, change)
    lab(load_fashion_mnist("sample"), net=lambda: nn.Linear(784, 10), step=step).close()


def by_lab_later(change):
    """On its own thread, while no cell runs."""

    def step(net, optimizer, X, y):
        if threading.current_thread() is not threading.main_thread():
            change()
        return cross_entropy(net(X), y)

    data = load_fashion_mnist("sample")
    shown = lab(data, net=lambda: nn.Linear(784, 10), step=step)
    shown.start()
    with contextlib.suppress(Exception):  # of what it has set
        shown.wait(60)
    shown.close()


def a_step(change, net, optimizer, X, y):
    change()
    return cross_entropy(net(X), y)


@pytest.mark.parametrize("by", [by_check, by_trace, by_doctor, by_lab, by_lab_later])
def test_what_is_set_for_all_is_put_back(by, told):
    def careless():
        for change, _ in LEFT_SET:
            with contextlib.suppress(ValueError):  # signals are the main thread's
                change()
        next(calls)

    calls, before = itertools.count(), [read() for _, read in LEFT_SET]
    by(careless)
    assert next(calls) > 0
    assert [read() for _, read in LEFT_SET] == before


def test_a_check_within_a_check_is_stopped(told):
    def checks(X, factor):
        while True:
            check("0.1", double)

    assert "an endless loop" in told(checks, 0.2)


STOPPER = """
import os, signal, time
print(flush=True)
input()
os.kill(os.getppid(), signal.SIGSTOP)
time.sleep(0.5)
os.kill(os.getppid(), signal.SIGCONT)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_loop_that_gets_no_processor_for_a_while_does_not_wait(told):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    stopper = subprocess.Popen([sys.executable, "-c", STOPPER], **pipes)
    stopper.stdout.readline()  # it has begun

    def loops(X, factor):
        stopper.stdin.write(b"\n")
        while True:
            pass

    assert "an endless loop" in told(loops, 0.2)
    stopper.communicate()


def test_an_answer_that_waits_for_ever_is_stopped(told):
    closed = threading.Lock()
    closed.acquire()
    for wait in (lambda X, factor: closed.acquire(), lambda *_: time.sleep(100)):
        said = told(wait, 0.2)
        assert "after 0.2 seconds it was still waiting; look for what it waits" in said


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_an_answer_leaves_at_work_ends(told):
    begun = []

    def busy():
        while True:
            sum(range(100))

    def leaves_one(X, factor):
        begun.append(threading.Thread(target=busy, daemon=True))
        begun[-1].start()
        return X * factor

    assert told(leaves_one).startswith("0.1 right")
    begun[0].join(timeout=120)
    assert not begun[0].is_alive()


def test_a_lab_that_begins_during_a_check_goes_on(told):
    trains = threading.Event()

    class Slow(nn.Linear):
        def forward(self, X):
            if threading.current_thread() is not threading.main_thread():
                trains.set()
                for _ in range(20):  # the check ends meanwhile
                    time.sleep(0.01)
            return super().forward(X)

    shown = lab(load_fashion_mnist("sample"), net=lambda: Slow(784, 10), num_epochs=1)

    def starts(X, factor):
        if not trains.is_set():
            shown.start()
        trains.wait()
        return X * factor

    assert told(starts).startswith("0.1 right")
    time.sleep(0.5)  # until that step is over
    trains.clear()
    assert trains.wait(60) and shown.error is None
    shown.close()


def test_an_answer_is_stopped_in_another_thread_too(told):
    said = []
    check_there = threading.Thread(
        target=lambda: said.append(
            told(lambda X, factor: [0 for _ in iter(int, 1)], 0.2)
        )
    )
    check_there.start()
    check_there.join(60)
    assert "an endless loop" in said[0]


def test_long_messages_and_endless_prints_are_cut(told, capsys):
    def shouts(X, factor):
        raise ValueError("x" * 100_000)

    def prints(X, factor):
        while True:
            print("x")
            print("x", file=sys.stderr)

    assert len(told(shouts)) < 400
    assert "an endless loop" in told(prints, 0.2)
    printed = capsys.readouterr()
    assert len(printed.out) <= 2000 and len(printed.err) <= 2000


def test_an_error_that_never_says_what_it_is_is_stopped(told):
    class Endless(Exception):
        def __str__(self):
            while True:
                pass

    def raises(X, factor):
        raise Endless

    assert "an endless loop" in told(raises, 0.2)


def test_objects_with_ideas_of_their_own_get_a_line(told):
    class Odd:
        def __getattr__(self, name):
            raise KeyError(name)

        def __call__(self, X, factor):
            return X

    class Unspeakable(Exception):
        def __str__(self):
            raise RuntimeError

    def raises(X, factor):
        raise Unspeakable

    assert told(Odd()).startswith("0.1 not yet")
    assert "raised Unspeakable" in told(raises) and "no message" in told(raises)


def test_a_class_is_asked_for_as_a_class():
    class Net(nn.Module):
        def forward(self, X):
            return X

    @exercise("0.2", Net, "One.", "Two.", notice="Notice nothing.")
    def check_net(answer):
        expect(isinstance(answer(), nn.Module), "it is no module.")

    class Stub(nn.Module):
        def __init__(self): ...

        def forward(self, X): ...

    class Below(Net):
        pass

    try:
        assert "your class Net itself" in said_of("0.2", Net())
        assert "not attempted" in said_of("0.2", Stub)
        assert "right" in said_of("0.2", Net)
        assert "right" in said_of("0.2", Below)
    finally:
        del _exercises["0.2"]


@pytest.mark.parametrize("ask_for", [check, hint, solution])
@pytest.mark.parametrize("id", ["9.9", None, 9.9, 4, []])
def test_an_unknown_exercise_is_one_line(ask_for, id):
    arguments = (id, double) if ask_for is check else (id,)
    said = str(ask_for(*arguments))
    assert f"There is no exercise {id!r}" in said and "4.1" in said


def test_an_exercise_is_found_without_quotes():
    assert hint(4.1).startswith("4.1, hint 1 of")
    assert hint("4.1").startswith("4.1, hint 2 of")
    assert solution(4.1) == solution("4.1")


def test_progress_counts_what_is_solved_and_predicted():
    said = str(progress())  # and nothing of predictions, of which there are none
    assert said.endswith(f"\n0 of {len(EXERCISES)} exercises solved.")
    check("4.1", EXERCISES["4.1"].reference)
    check("4.1", double)  # later mistakes take nothing away
    records.change("predictions", "a", choice="x", measured="x")
    records.change("predictions", "b", choice="x", measured="y")
    said = str(progress())
    assert "1 of" in said and "1 of 2 predictions matched the measurement." in said
    row = next(line for line in said.splitlines() if line.startswith("04"))
    assert row.split()[1] == "4.1" and "4.2" in row
    assert "4.1" in progress()._repr_html_()


# --- the notebooks

NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
STUBS = [
    (name, cell.source)
    for name in NOTEBOOKS
    for cell in nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4).cells
    if "exercise" in cell.metadata.get("tags", [])
]


@pytest.mark.parametrize("notebook, source", STUBS)
def test_a_stub_has_the_first_line_of_its_solution(notebook, source):
    heads = {
        exercise.source.splitlines()[0]
        for id, exercise in EXERCISES.items()
        if notebook.startswith(f"{int(id.split('.')[0]):02}")
    }
    lines = source.splitlines()
    assert lines[0] in heads and lines[-1].strip() == "..."


def test_every_exercise_is_in_its_notebook():
    found = {source.splitlines()[0] for _, source in STUBS}
    assert found == {e.source.splitlines()[0] for e in EXERCISES.values()}


CHOOSE = """
from helpers.exercises.predict import _asked
asked = _asked["{id}"]
asked._radio.value = {choice}  # as by a click
"""
WRONG = {
    "def": "    raise NotImplementedError",
    "class": "    def forward(self, X): raise NotImplementedError",
}


class Solved:
    """A lesson whose exercises are solved, in a kernel of its own."""

    def __init__(self, name):
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
        solutions = {e.source.splitlines()[0]: (id, e) for id, e in EXERCISES.items()}
        self.stubs, self.solved = {}, []
        for cell in notebook.cells:
            if "exercise" in cell.metadata.get("tags", []):
                id, found = solutions[cell.source.splitlines()[0]]
                self.stubs[found.source] = cell.source
                cell.source = found.source
                self.solved.append(id)
        notebook.cells = what_solutions_reach(notebook.cells)
        self.sources = [cell.source for cell in notebook.cells]
        self.client = NotebookClient(notebook, timeout=300)

    def run(self, index, source=None):
        """Run a cell, maybe with other code; returns what it printed."""
        cell = nbformat.v4.new_code_cell(source or self.sources[index])
        return str(self.client.execute_cell(cell, index)["outputs"])

    def predict(self, index, choice):
        """Run a cell and, if it asks a question, choose."""
        printed = self.run(index)
        asks = r"\bpredict\(\s*['\"](.+?)['\"]"
        for id in re.findall(asks, self.sources[index]):
            self.run(index, CHOOSE.format(id=id, choice=choice))
        return printed

    def calls(self, index, *names):
        found = re.findall(r"\b(\w+)\(", self.sources[index])
        return not {*names}.isdisjoint(found)

    def __iter__(self):
        return iter(range(len(self.sources)))


def kept():
    """What is kept of a learner's answers."""
    return {name: records.read(name) for name in ("exercises", "predictions")}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_is_solved_and_right_stays_so(name, home, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")  # quicker
    lesson = Solved(name)
    with lesson.client.setup_kernel():
        printed = "".join(lesson.predict(i, "asked.options[-1]") for i in lesson)
        for id in lesson.solved:
            assert f"{id} right. Notice" in printed
        assert "not yet:" not in printed and "not attempted" not in printed
        assert set(kept()["exercises"]) == set(lesson.solved)

        # Everything is predicted as it was measured.
        measured = {id: one["measured"] for id, one in kept()["predictions"].items()}
        for i in lesson:
            if lesson.calls(i, "predict", "reveal"):
                lesson.predict(i, f"{measured}[asked.id]")
        right = kept()
        assert len(right["predictions"]) == len(measured) > 0
        for one in right["predictions"].values():
            assert one["choice"] == one["measured"]

        # Each cell that keeps something, run again, alone.
        for i in reversed([*lesson]):
            if lesson.calls(i, "predict", "reveal", "check"):
                lesson.run(i)
                assert kept() == right, lesson.sources[i]
        # And after each exercise has been begun anew, or got wrong.
        for i in lesson:
            stub = lesson.stubs.get(lesson.sources[i])
            if stub:
                *head, _ = stub.splitlines()
                wrong = "\n".join([*head, WRONG[stub.split()[0]]])
                for source, said in ((stub, "not attempted"), (wrong, "not yet:")):
                    lesson.run(i, source)
                    assert said in lesson.run(i + 1)
                    assert kept() == right


def test_a_loop_that_imports_is_stopped():
    def reloads():
        while True:
            importlib.reload(textwrap)

    limit = Limit(0.2, imports=0.1)
    with pytest.raises(limit.error), limit:
        called(reloads)
    assert sys.gettrace() is None


def test_what_another_thread_prints_meanwhile_is_shown_whole(capsys):
    go, done = threading.Event(), threading.Event()

    def lab():
        go.wait()
        print("lab" * PRINTED)
        done.set()

    threading.Thread(target=lab, daemon=True).start()
    with quiet():
        print("x" * 2 * PRINTED)
        go.set()
        assert done.wait(60)
    out = capsys.readouterr().out
    assert out.count("lab") == out.count("x") == PRINTED
