"""What a course that runs in a teacher's network must not do."""

import ast
import json
import os
import pickle
import re
import signal
import stat
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.request import Request, urlopen

import ipywidgets as widgets
import pytest
import torch
from jupyter_client import BlockingKernelClient
from torch import nn

import helpers
from helpers import (
    Config,
    check,
    doctor,
    grid_lab,
    hint,
    init_lab,
    lab,
    machine,
    predict,
    records,
    registration,
    registration_lab,
    reveal,
    search,
    sweep,
    trace_shapes,
)
from helpers.machine import MachineRow
from helpers.tuning import under_way
from helpers.tuning.progress_bar import SweepBar
from helpers.tuning.results import Result
from helpers.tuning.search_result import Search, SearchPanel
from helpers.tuning.shared_data import share
from listening import HERE, listening

pytestmark = pytest.mark.usefixtures("home")

COURSE = Path(helpers.__file__).parent
EVIL = "<img src=x onerror=alert(1)>"
EVIL_NAME = "<img onerror=1>"  # where a dot or an equals sign has a meaning


def small(**fields):
    return Config(**{"num_hiddens": 4, "num_epochs": 1} | fields)


def space(trial):
    return small(lr=trial.suggest_float("lr", 0.01, 1))


# --- what is read can't run code


class Attack:
    """Pickled, it makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_that_is_kept_can_run_code(data, home):
    """It is read as JSON, or as tensors alone."""
    hit = home / "hit"
    attack = pickle.dumps(Attack(hit))
    pickle.loads(attack)
    assert hit.exists()  # it would
    hit.unlink()
    shared = share(data)
    kept = under_way._path(small(), shared)
    journal = home / "searches" / "mine.journal"
    for path in (kept, journal, home / "course.sqlite", home / "sweeps.jsonl"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(attack)
    torch.save({"result": Attack(hit), "weights": [Attack(hit)]}, kept)
    assert sweep([small()], data)[0].ok
    with pytest.raises(ValueError, match="can't be read"):
        search(space, data, 1, name="mine")
    records.read("predictions")
    assert not hit.exists()


@pytest.mark.parametrize(
    "line",
    [
        "lr=__import__('os').getpid()",
        "num_hiddens=exec('1')",
        "init=lambda:0",
        "num_hiddens=2-print(1)",
        "{}.__class__=1",
    ],
)
def test_a_settings_line_is_no_code(line):
    with pytest.raises(ValueError) as raised:
        Config.from_string(line)
    assert "\n" not in str(raised.value)


RUNS_CODE = {"eval", "exec", "compile", "__import__"}
LOADS = {"load", "loads", "read_pickle", "Unpickler"}
# What is run there is the course's own text, and it can be read on the page.
ALLOWED = {
    ("registration_lab.py", "exec"): 2,
    ("layers.py", "eval"): 1,
}


def test_no_module_reads_pickles_or_runs_text():
    found = {}
    for path in COURSE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            if name not in RUNS_CODE | LOADS:
                continue
            source = ast.unparse(call)
            safe = "weights_only=True" in source or source.startswith("json.")
            is_method = isinstance(call.func, ast.Attribute)
            of_module = ast.unparse(call.func).split(".")[0]
            loads = name in LOADS and of_module in {"torch", "pickle", "np", "yaml"}
            if name in RUNS_CODE and not is_method or loads and not safe:
                found[path.name, name] = found.get((path.name, name), 0) + 1
    assert found == ALLOWED


# --- what is shown holds no markup of others


class Marked(nn.Module):
    """A module with names that a page would run."""

    def __init__(self):
        super().__init__()
        self.add_module(EVIL_NAME, nn.Linear(784, 10))
        self.register_parameter(f"w{EVIL_NAME}", nn.Parameter(torch.ones(3)))

    def forward(self, X):
        return getattr(self, EVIL_NAME)(X)


Marked.__name__ = Marked.__qualname__ = EVIL


class Failing(Marked):
    def forward(self, X):
        raise RuntimeError(EVIL)


Failing.__name__ = EVIL


def failing_init(num_inputs, num_outputs):
    raise RuntimeError(EVIL)


def answer(*_):
    raise KeyError(EVIL)


answer.__name__ = EVIL


def refused(make):
    """The widget, or the sentence, of an instrument that can't do what it is asked."""
    try:
        return make()
    except Exception as error:
        return error


def a_bar(data):
    bar = SweepBar([Result(small(), "sample")], 0)
    bar.end(f"It can't be kept in /home/{EVIL}.")
    return bar


def a_panel(data):
    found = search(space, data, 1)
    found.note = EVIL
    panel = SearchPanel(Search(found.study), 2)
    panel._found.note = EVIL
    panel.show()
    return panel


def a_step(net, optimizer, X, y):
    raise RuntimeError(EVIL)


def a_net(num_hiddens=4):
    return nn.Linear(784, 10)


SHOWN = {
    "trace_shapes": lambda data: trace_shapes(Marked(), data.train.images[:2]),
    "an error in it": lambda data: trace_shapes(Failing(), data.train.images[:2]),
    "registration": lambda data: registration(Marked()),
    "doctor": lambda data: doctor(Marked(), data, train_step=a_step),
    "its error": lambda data: doctor(Failing(), data),
    "check": lambda data: check("1.1", answer),
    "no exercise": lambda data: hint(EVIL),
    "predict": lambda data: predict(EVIL, EVIL, [EVIL, f"`{EVIL}`"]),
    "reveal": lambda data: (
        predict(EVIL, EVIL, [EVIL, "b"]).close() or reveal(EVIL, EVIL)
    ),
    "what was kept": lambda data: (
        (
            records.change(
                "predictions", "kept", question=EVIL, options=[EVIL, "b"], choice=EVIL
            )
            and None
        )
        or reveal("kept", EVIL)
    ),
    "a sweep": a_bar,
    "a search": a_panel,
    "check_machine": lambda data: machine._page_widget([MachineRow(False, EVIL)]),
    "lab": lambda data: lab(data, num_hiddens=4, net=a_net, step=a_step),
    "grid_lab": lambda data: refused(lambda: grid_lab(data, init=failing_init)),
    "init_lab": lambda data: failing_init_lab(data),
    "registration_lab": lambda data: failing_registration_lab(data),
}


DRAWN_BY_JAVASCRIPT = {"lab", "grid_lab"}  # as text; see below


def failing_init_lab(data):
    shown = init_lab(data, num_hiddens=4)
    shown._show_error(RuntimeError(EVIL))
    return shown


def failing_registration_lab(data):
    shown = registration_lab(data)
    shown._show_error(RuntimeError(EVIL))
    return shown


class Tags(HTMLParser):
    """Notes the attributes that a page would make of a text."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attributes):
        self.found |= {name for name, _ in attributes}


def markup_of(shown):
    """All HTML of an output: of its bundle, and of each widget in it."""
    if hasattr(shown, "_repr_mimebundle_"):
        bundle = shown._repr_mimebundle_()
        bundle = bundle[0] if isinstance(bundle, tuple) else bundle
        yield bundle.get("text/html", "")
    if hasattr(shown, "_repr_html_"):
        yield shown._repr_html_()
    if isinstance(shown, widgets.Widget):
        for name in shown.keys:
            held = getattr(shown, name)
            for one in held if isinstance(held, (list, tuple)) else [held]:
                if isinstance(one, widgets.Widget):
                    yield from markup_of(one)
        if isinstance(shown, widgets.HTML):
            yield shown.value
        yield getattr(shown, "html", "")
        assert not getattr(shown, "description_allow_html", False)


@pytest.mark.parametrize("name", SHOWN)
def test_no_name_and_no_error_becomes_markup(name, data):
    shown = SHOWN[name](data)
    found = list(markup_of(shown))
    tags = Tags()
    for text in found:
        tags.feed(text)
    assert "onerror" not in tags.found
    assert "onerror" in "".join(found) or name in DRAWN_BY_JAVASCRIPT
    if isinstance(shown, widgets.Widget):
        shown.close()


def test_only_two_places_of_the_javascript_write_markup():
    """The course's own line, and a table that Python has escaped."""
    found = [
        (path.name, line.strip()[:40])
        for path in COURSE.rglob("*.js")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", line)
    ]
    assert sorted(found) == [
        ("lab.js", 'item.innerHTML = `<svg width="26" height'),
        ("machine.js", 'el.innerHTML = model.get("html");'),
    ]


# --- servers, and files


def a_kernel_of(address, runtime):
    """A client of a kernel that the server begins, as it does for a notebook."""
    server, token = address.split("/lab?")
    asked = Request(f"{server}/api/kernels?{token}", data=b"{}")
    with urlopen(asked) as answer:
        name = f"kernel-{json.load(answer)['id']}.json"
    client = BlockingKernelClient(connection_file=str(runtime / name))
    client.load_connection_file()
    client.start_channels(hb=False)  # a kernel that begins may skip a heartbeat
    client.wait_for_ready(timeout=60)
    return client


@pytest.mark.slow
def test_make_lab_listens_on_this_machine_alone(tmp_path):
    """Its command is taken from the Makefile; only the browser and the port differ."""
    makefile = (COURSE.parent / "Makefile").read_text()
    line = re.search(r"-m jupyterlab .*?(?=\n\n)", makefile, re.DOTALL)[0]
    assert "--ip" not in line
    command = [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser"]
    command += ["--config=jupyter_server_config.py", "--ServerApp.port=0"]
    folders = {
        f"JUPYTER_{kind}_DIR": str(tmp_path / kind)
        for kind in ("DATA", "RUNTIME", "CONFIG")
    }
    server = subprocess.Popen(
        command, env=os.environ | folders, cwd=COURSE.parent, stderr=subprocess.PIPE
    )
    try:
        for written in server.stderr:
            if b"/lab?token=" in written:
                break
        while not listening():  # it writes that line before
            time.sleep(0.1)
        client = a_kernel_of(written.decode().split()[-1], tmp_path / "RUNTIME")
        found = listening()
        assert found and found <= HERE
        client.stop_channels()
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate()


def test_what_is_written_for_other_processes_is_for_this_user_alone(data):
    shared = share(data)
    pickle.dumps(shared)
    try:
        assert stat.S_IMODE(shared._folder.stat().st_mode) == 0o700
    finally:
        shared.close()
