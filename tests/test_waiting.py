"""A cell that runs for long says so, whatever it does, and nothing of that stays."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from jupyter_client.manager import start_new_kernel
from nbformat.v4 import new_code_cell, new_output
from traitlets.config import Config

from helpers import waiting

pytestmark = pytest.mark.slow
SERVER = Path(__file__).parents[1] / "jupyter_server_config.py"
PATIENCE = 120  # seconds
SLEEPS = "import time; time.sleep(3.5)"
# Until the test has heard twice for how long they have been running.
WAITS = "import os, time\nwhile not os.path.exists({go!r}): time.sleep(0.1)"
COUNTS = WAITS.replace("time.sleep(0.1)", "pass")
FAILS = f"{WAITS}\nraise ValueError"


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel()
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def shown(client, code, cell="a-cell", go=None):
    """What a page that runs this code is shown: while it runs, and what stays.

    go: a file that is made when two lines have come.
    """
    during, after = [], {}
    for place, source in enumerate([code, "time.sleep(0.5)"]):  # what comes late, too
        content = {"code": source, "silent": False, "store_history": True}
        content |= {"allow_stdin": True, "stop_on_error": False}
        metadata = {"cellId": cell} if cell else {}
        sent = client.session.msg("execute_request", content, metadata=metadata)
        client.shell_channel.send(sent)
        for message in until_idle(client, sent["header"]["msg_id"]):
            if "transient" in message["content"]:
                text = message["content"]["data"]["text/plain"]
                during += [text] * (place == 0)
                if go and len(during) == 2:
                    go.touch()
                after[message["content"]["transient"]["display_id"]] = text
    return during, [text for text in after.values() if text]


def until_idle(client, request):
    """All messages until the kernel has done what was asked."""
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE)
        yield message
        if message["parent_header"].get("msg_id") == request:
            if message["content"].get("execution_state") == "idle":
                return


@pytest.mark.parametrize("code", [f"import helpers; {WAITS}", COUNTS, FAILS])
def test_a_cell_says_for_how_long_it_has_been_running(kernel, code, tmp_path):
    go = tmp_path / "go"
    during, after = shown(kernel, code.format(go=str(go)), go=go)
    first, then = (int(re.search(r"Running for (\d+) s", one)[1]) for one in during[:2])
    assert 2 <= first < then
    assert after == []


@pytest.mark.parametrize(
    ("code", "cell"),
    [
        ("import helpers", "a-cell"),  # quick
        (SLEEPS, None),  # no page
        (f"helpers.waiting.stop_clock(); {SLEEPS}", "a-cell"),  # it says more itself
    ],
)
def test_others_say_nothing(kernel, code, cell):
    assert shown(kernel, code, cell) == ([], [])


@pytest.mark.parametrize(
    ("folder", "how"), [("notebooks", "run this cell"), ("zh_CN", "请运行")]
)
def test_a_lab_is_saved_with_how_to_get_it_back(folder, how, tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_LANG", raising=False)
    view = "application/vnd.jupyter.widget-view+json"
    cell = new_code_cell(
        outputs=[new_output("display_data", {view: {"model_id": "1"}})]
    )
    model = {"type": "notebook", "content": {"cells": [cell], "metadata": {}}}
    store = runpy.run_path(str(SERVER), {"c": Config()})["store"]
    store(model, f"{folder}/a.ipynb", SimpleNamespace(root_dir=str(tmp_path)))
    assert how in cell.outputs[1]["text"]


def test_a_notebook_is_saved_without_that_line(tmp_path):
    line = new_output("display_data", {"text/plain": ""}, metadata=waiting.MARK)
    printed = new_output("stream", name="stdout", text="0.85")
    cell = new_code_cell(outputs=[line, printed])
    model = {"type": "notebook", "content": {"cells": [cell], "metadata": {}}}
    store = runpy.run_path(str(SERVER), {"c": Config()})["store"]
    store(model, "a.ipynb", SimpleNamespace(root_dir=str(tmp_path)))
    assert cell.outputs == [printed]
