"""A search in a real browser: it draws while it runs, and Stop keeps what is done."""

SPACE = """
def space(trial):
    lr = trial.suggest_float("lr", 0.01, 1, log=True)
    return Config(num_hiddens=8, num_epochs=9, lr=lr)
"""
BEGIN = """() => {
    const content = window.jupyterapp.shell.currentWidget.content;
    content.deselectAll();
    content.activeCellIndex = 2;
    window.jupyterapp.commands.execute("notebook:run-cell");
}"""
STOP = """() => window.jupyterapp.shell.currentWidget
    .sessionContext.session.kernel.interrupt()"""


def test_a_search_draws_while_it_runs_and_stop_keeps_what_is_done(open_notebook):
    notebook = open_notebook(SPACE)
    notebook.fill([SPACE, "found = search(space, data, 500)"])
    notebook.page.evaluate(BEGIN)
    picture = notebook.page.locator("img.widget-image")
    picture.wait_for()
    said = notebook.page.locator(".widget-html", has_text="of 500 trials done")
    said.wait_for()
    first = picture.get_attribute("src")
    notebook.page.wait_for_function(
        "src => document.querySelector('img.widget-image').src !== src", arg=first
    )
    notebook.page.evaluate(STOP)
    notebook.page.get_by_text("Stopped after").first.wait_for()
    notebook.wait_idle()
    notebook.fill([SPACE, "print(found)"])
    notebook.run(2)
    printed = notebook.output(2)
    assert printed.startswith("Stopped after") and "given up early" in printed
    assert notebook.errors == []
