"""What all live instruments share: how they end, and how one waits for them."""

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from contextvars import ContextVar
from types import SimpleNamespace

import pytest
from IPython.core.formatters import DisplayFormatter
from ipywidgets.widgets import widget

from helpers import (
    grid_lab,
    init_lab,
    instrument,
    lab,
    predict,
    registration_lab,
    shapes_lab,
)
from helpers.instrument import Instrument, of_this_cell
from helpers.live.page_watch import UNANSWERED, PageWatch

pytestmark = pytest.mark.usefixtures("home")

MAKERS = {
    "lab": lambda data: lab(data, num_hiddens=8),
    "init_lab": lambda data: init_lab(data, num_hiddens=8),
    "grid_lab": lambda data: grid_lab(data, batch_size=20),
    "shapes_lab": lambda data: shapes_lab(),
    "registration_lab": registration_lab,
    "predict": lambda data: predict("a-question", "Does it rise?", ["yes", "no"]),
}
every_instrument = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@pytest.fixture
def run_cell(monkeypatch):
    """A function that makes something as a run of the cell with this id does.

    has_ids: whether the front end sends the ids of cells; else each has its code.
    """
    runs = iter(range(100))

    def run(cell, make, times=1, has_ids=True):
        parent = {"header": {"msg_id": next(runs)}, "content": {"code": "make()"}}
        if has_ids:
            parent["metadata"] = {"cellId": cell}
        else:
            parent["content"]["code"] = cell
        shell = SimpleNamespace(get_parent=lambda: parent)
        with monkeypatch.context() as patch:
            patch.setattr(instrument, "get_ipython", lambda: shell)
            instrument.close_earlier()  # as IPython does before each cell
            return [make() for _ in range(times)]

    return run


def registered():
    return set(widget._instances)


@every_instrument
def test_a_closed_instrument_leaves_no_widget(make, data):
    before = registered()
    shown = make(data)
    assert registered() > before
    shown.close()
    shown.close()
    assert registered() == before


@every_instrument
@pytest.mark.parametrize("has_ids", [True, False], ids=["ids", "no ids"])
def test_a_cell_that_runs_again_leaves_one_instrument(make, data, run_cell, has_ids):
    before = registered()
    run_cell("a", lambda: make(data), has_ids=has_ids)
    once = len(registered() - before)
    [shown] = run_cell("a", lambda: make(data), has_ids=has_ids)
    assert len(registered() - before) == once
    shown.close()
    assert registered() == before


@every_instrument
def test_a_cell_that_makes_something_else_leaves_no_instrument(make, data, run_cell):
    before = registered()
    run_cell("a", lambda: make(data))
    run_cell("a", lambda: 1)
    assert registered() == before


@pytest.mark.parametrize("opens", [lab, init_lab, grid_lab])
def test_stop_while_the_first_picture_is_made_leaves_no_widget(opens, data):
    def stopped(*shape):
        raise KeyboardInterrupt

    before = registered()
    with pytest.raises(KeyboardInterrupt):
        opens(data, init=stopped)
    assert registered() == before


def test_with_ipywidgets_7_it_shows_its_text_too(monkeypatch, closed):
    """There a widget shows its repr itself, and knows no bundle."""
    monkeypatch.setattr(widget.Widget, "_ipython_display_", print, raising=False)
    monkeypatch.delattr(widget.Widget, "_repr_mimebundle_")
    shown = closed(shapes_lab())
    found, _ = DisplayFormatter().format(shown)
    assert found["text/plain"] == shown._text()
    view = found["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == shown.model_id


def test_a_cell_keeps_all_that_one_run_of_it_made(data, run_cell):
    before = registered()
    first, second = run_cell("a", shapes_lab, times=2)
    [other] = run_cell("b", shapes_lab)
    assert all(one.comm for one in (first, second, other))
    [again] = run_cell("a", shapes_lab)
    assert not first.comm and not second.comm and other.comm
    for one in (other, again):
        one.close()
    assert registered() == before


@pytest.mark.parametrize("begun", [False, True], ids=["untouched", "begun"])
def test_a_closed_lab_that_the_notebook_keeps_has_let_go_of_its_memory(data, begun):
    shown = lab(data, num_hiddens=8, num_epochs=1)
    if begun:
        shown.start()
        shown.wait(60)
        shown._submit(lambda: shown._go_back(5, 0))  # a second run, beside it
        shown.wait(60)
    kept = shown._history.kept[0].state["trainee"]["net"]["W1"]
    large = [shown.run.net.W1, shown._seen.net.W1, kept]
    large = [weakref.ref(one) for one in large]
    del kept
    shown.close()
    assert [one() for one in large] == [None] * 3


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "predict"])
def test_nothing_keeps_a_closed_instrument(name, data):
    shown = MAKERS[name](data)
    if begins := getattr(shown, "start", None):
        begins()
    gone = weakref.ref(shown)
    shown.close()
    del shown, begins
    end = time.monotonic() + 60
    while gone():  # its worker ends a step later
        assert time.monotonic() < end, "something keeps it"
        gc.collect()


def test_a_closed_grid_that_the_notebook_keeps_has_let_go_of_its_memory(data):
    shown = grid_lab(data, batch_size=20)
    large = [weakref.ref(row._stack) for row in shown.rows]
    shown.close()
    assert [one() for one in large] == [None] * len(large)


def test_a_lab_that_trains_in_the_init_lab_ends_with_it(data, all_end):
    before = registered()
    shown = init_lab(data, num_hiddens=8, num_epochs=1000)
    for _ in range(2):  # the second one takes the place of the first
        shown._button.click()
        shown.wait(60)
    end = time.monotonic() + 60
    while not shown.training.run:  # it begins on a thread of its own
        assert time.monotonic() < end, "it did not begin"
        time.sleep(0.005)
    shown.close()
    assert registered() == before
    assert all_end()


@pytest.mark.parametrize("make", [lab, init_lab])
def test_an_instrument_that_cannot_begin_leaves_no_widget(make, data):
    before = registered()
    try:
        make(data, init=lambda num_inputs, num_hiddens: None).close()
    except ValueError as error:
        assert "returned NoneType" in str(error)
    assert registered() == before


def test_what_goes_wrong_in_an_instrument_is_shown_and_raised(data):
    shown = registration_lab(data)
    shown._names["optimizer"] = None
    train, rebuild = shown.children[0].children[-1].children
    train.click()
    with pytest.raises(AttributeError, match="zero_grad"):
        shown.wait(60)
    assert "AttributeError" in shown._status.value
    rebuild.click()
    shown.wait(60)
    assert "Step" not in shown._status.value
    shown.close()


class Echo(Instrument):
    """Does what it is told."""

    def __init__(self):
        self.shown = []
        super().__init__([])

    def _work(self, commands):
        for command in commands:
            self.shown.append(command())

    def _show_error(self, error):
        self.shown.append(f"failed: {error}")

    def _text(self):
        return "an echo"


@pytest.fixture
def echo():
    made = of_this_cell(Echo())
    yield made
    made.close()


def test_waiting_returns_when_all_is_done(echo):
    echo.wait(0)
    echo._submit(lambda: 1)
    echo._submit(lambda: 2)
    assert echo.wait(60) is None
    assert echo.shown == [1, 2]


def test_waiting_too_short_is_said(echo):
    go_on = threading.Event()
    echo._submit(go_on.wait)
    with pytest.raises(TimeoutError, match="Not finished after 0.05 s; wait longer"):
        echo.wait(0.05)
    go_on.set()
    echo.wait(60)


def test_waiting_raises_what_went_wrong_until_something_else_is_done(echo):
    echo._submit(lambda: 1 / 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            echo.wait(60)
    assert echo.shown == ["failed: division by zero"]
    echo._submit(lambda: 3)
    echo.wait(60)
    assert echo.error is None and echo.shown[-1] == 3


PARENT = ContextVar("the message that is answered")


class Answering(Echo):
    """Can show something only where a message is answered, as with ipykernel 7.0."""

    def _show_error(self, error):
        PARENT.get()
        super()._show_error(error)


def test_what_the_thread_itself_cannot_show_is_shown_nevertheless(closed):
    shown = closed(Answering())
    PARENT.set("a message")
    for _ in range(2):
        shown._submit(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            shown.wait(60)
    assert shown.shown == ["failed: division by zero"] * 2
    shown._submit(lambda: 3)
    shown.wait(60)
    assert shown.shown[-1] == 3


# --- whether a page shows it


class Page:
    """A widget, and a kernel whose main thread is free when `turn` is called."""

    def __init__(self):
        self.asked = self.came = self.gone = 0
        self.turns = []
        self.io_loop = SimpleNamespace(
            add_callback=self.turns.append,
            call_later=lambda seconds, callback: self.turns.append(callback),
        )
        self.shell = SimpleNamespace(kernel=self, execution_count=1)
        self.watch = PageWatch(self, self._on_message, 0, self.shell, self._on_gone)

    def on_msg(self, heard):
        self.answer = lambda: heard(self, "shown", [])
        self.take_away = lambda: heard(self, "hidden", [])

    def send(self, question):
        self.asked += 1

    def _on_message(self):
        self.came += 1

    def _on_gone(self):
        self.gone += 1

    def turn(self):
        gone = self.watch.is_gone()
        while self.turns:
            self.turns.pop(0)()
        return gone


@pytest.fixture
def page():
    return Page()


def test_where_no_page_has_shown_it_nothing_is_asked(page):
    assert not any(page.turn() for _ in range(50))
    assert page.asked == 0


def test_a_page_that_answers_is_there_and_one_that_does_not_is_gone(page):
    page.answer()
    for _ in range(50):
        assert not page.turn()
        page.answer()
    assert page.came == 51
    assert [page.turn() for _ in range(UNANSWERED + 2)].index(True) > UNANSWERED
    page.answer()
    assert not page.turn()


def test_while_the_main_thread_is_busy_nothing_counts(page):
    page.answer()
    assert not any(page.watch.is_gone() for _ in range(50))
    assert len(page.turns) == 1  # one question waits, and no more
    for _ in range(50):  # cells run one after the other, and answers wait behind them
        page.shell.execution_count += 1
        assert not page.turn()


@pytest.mark.parametrize("other_view", [True, False])
def test_a_view_that_is_taken_away_counts_where_no_other_answers(page, other_view):
    page.answer()
    page.take_away()
    for _ in range(3 * UNANSWERED):
        asked = page.asked
        if page.turns:
            page.turns.pop(0)()
        if other_view and page.asked > asked:
            page.answer()
    assert (page.asked, page.gone) == ((1, 0) if other_view else (UNANSWERED + 1, 1))
    assert not page.turns


@pytest.mark.slow
def test_instruments_open_where_text_is_not_utf_8_by_default():
    """As on Windows, where a Chinese system reads files as GBK."""
    code = (
        "from helpers import *\n"
        "data = load_fashion_mnist('sample')\n"
        "lab(data), init_lab(data), grid_lab(data)\n"
        "shapes_lab(), registration_lab(data), check_machine()"
    )
    ended = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", code],
        env=os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
