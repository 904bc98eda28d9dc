"""A search in a real browser: it draws while it runs, and Stop keeps what is done."""

import re

# It goes on once the page shows how it begins.
SPACE = """
import os, time
import torch
def held_up():
    while not os.path.exists(GO):
        time.sleep(0.05)
def held_init(num_inputs, num_hiddens):
    held_up()
    return torch.randn(num_inputs, num_hiddens) * 0.01
def space(trial):
    held_up()
    lr = trial.suggest_float("lr", 0.01, 1, log=True)
    return Config(num_hiddens=8, num_epochs=9, lr=lr)
"""
SELECT = """() => {
    const content = window.jupyterapp.shell.currentWidget.content;
    content.deselectAll();
    content.activeCellIndex = 1;
    content.widgets[1].node.focus();
}"""
# Whether the bar and the picture lie within the notebook's visible part.
IN_VIEW = """() => {
    const room = document.querySelector(".jp-WindowedPanel-outer");
    const {top, bottom} = room.getBoundingClientRect();
    const shown = [...document.querySelectorAll(".progress, img.widget-image")]
        .map((one) => one.getBoundingClientRect());
    return shown.length === 2 &&
        shown.every((one) => one.top >= top && one.bottom <= bottom);
}"""
# Whether each picture is at most as wide as its pixels, since a stretched one is soft.
SHARP = """() => [...document.querySelectorAll("img.widget-image")]
    .every((one) => one.naturalWidth && one.clientWidth <= one.naturalWidth)"""
STOP = """() => window.jupyterapp.shell.currentWidget
    .sessionContext.session.kernel.interrupt()"""


# What the page shows, in the order in which it comes, and whether a picture is broken.
WATCH = """() => {
    window.seen = [];
    const look = () => {
        for (const one of document.querySelectorAll(".widget-html"))
            if (window.seen.at(-1) !== one.innerText) window.seen.push(one.innerText);
        for (const one of document.querySelectorAll("img.widget-image"))
            if (one.checkVisibility() && one.complete && !one.naturalWidth)
                window.seen.push("a broken picture");
    };
    const changes = { childList: true, subtree: true, attributes: true };
    window.watcher = new MutationObserver(look);
    window.watcher.observe(document.body, { ...changes, characterData: true });
}"""
SEEN = "() => { window.watcher.disconnect(); return window.seen; }"
DONE = re.compile(r"Trials done: (\d+) of 500; epochs: (\d+)")


def space(go):
    """The code of it, which waits for the file `go`."""
    return f"GO = {str(go)!r}{SPACE}"


def press_shift_enter(notebook):
    notebook.page.evaluate(WATCH)
    notebook.page.evaluate(SELECT)
    notebook.page.keyboard.press("Shift+Enter")


def until_said(notebook, sentence):
    notebook.page.locator(".widget-html", has_text=sentence).wait_for()


def test_a_search_draws_while_it_runs_and_stop_keeps_what_is_done(
    open_notebook, tmp_path
):
    go = tmp_path / "go"
    notebook = open_notebook(space(go))
    notebook.page.set_viewport_size({"width": 1024, "height": 700})
    notebook.fill(
        ["# a line\n" * 20 + "found = search(space, data, 500)", "# a line\n" * 40]
    )
    press_shift_enter(notebook)
    picture = notebook.page.locator("img.widget-image")
    picture.wait_for()
    until_said(notebook, "Trials to run: 500; already known: 0.")
    first = picture.get_attribute("src")
    go.touch()
    notebook.page.wait_for_function(
        "src => document.querySelector('img.widget-image').src !== src", arg=first
    )
    notebook.page.wait_for_function(IN_VIEW)
    seen = notebook.page.evaluate(SEEN)
    assert seen[0].startswith("Trials to run: 500; already known: 0.")
    assert "a broken picture" not in seen
    counts = [
        tuple(map(int, found.groups())) for found in map(DONE.search, seen) if found
    ]
    trials, epochs = counts[0]  # before the first trial is over
    assert trials == 0 < epochs, counts
    notebook.page.evaluate(STOP)
    notebook.page.get_by_text("Stopped after").first.wait_for()
    notebook.wait_idle()
    notebook.fill(["", "print(found)"])
    notebook.run(2)
    printed = notebook.output(2)
    assert printed.startswith("Stopped after") and "given up early" in printed
    assert notebook.errors == []


def test_a_search_that_is_complete_says_so_and_shows_its_result(
    open_notebook, tmp_path
):
    run = "found = search(space, data, 2, name='again')"
    notebook = open_notebook(space(tmp_path) + run, run)
    assert "given up early" in notebook.output(1)
    again = notebook.output(2)
    assert again.startswith("This search is complete: 2 trials. To search anew, ")
    assert "Best validation accuracy so far: 0." in again
    picture = notebook.page.locator(".jp-Cell").nth(2).locator("img.widget-image")
    picture.wait_for()
    notebook.page.wait_for_function(SHARP)
    assert notebook.errors == []


def test_a_sweep_says_what_it_does_before_its_first_run_is_over(
    open_notebook, tmp_path
):
    go = tmp_path / "go"
    settings = "num_hiddens=n, num_epochs=2, init=held_init"
    configs = f"[Config({settings}) for n in (8, 9)]"
    notebook = open_notebook()
    notebook.fill([f"{space(go)}runs = sweep({configs}, data)"])
    press_shift_enter(notebook)
    until_said(notebook, "Runs to train: 2; already known: 0.")
    go.touch()
    until_said(notebook, "It took")
    first, *then = notebook.page.evaluate(SEEN)
    assert first.startswith("Runs to train: 2; already known: 0.")
    assert any(line.startswith("Runs done: 1 of 2; failed: 0; ") for line in then), then
    assert notebook.errors == []
