"""What many tests need: the full data, and a browser.

Where CI is set in the environment a missing one is a failure, so that no green sign
hides tests that did not run; elsewhere it is a skip that says so.
"""

import os

import pytest

from helpers import load_fashion_mnist
from lab_in_browser import (
    Notebook,
    browser,
    find_browser,
    jupyterlab,
    write_notebook,
)


@pytest.fixture(scope="session")
def full_data():
    """All of Fashion-MNIST, split."""
    data = load_fashion_mnist()
    if data.source != "full":
        missing("the full Fashion-MNIST is not here, only the bundled sample")
    return data


@pytest.fixture(scope="session")
def chromium_path():
    """The path of a Chromium, Chrome or Edge that starts, as a string."""
    return find_browser() or missing(
        "no Chromium, Chrome or Edge here, and Playwright could not fetch one"
    )


@pytest.fixture(scope="session")
def chromium(chromium_path):
    """A browser that runs."""
    with browser(chromium_path) as running:
        yield running


@pytest.fixture(
    scope="session", params=[True, False], ids=["subshells", "no_subshells"]
)
def page(request, tmp_path_factory, chromium, full_data):
    """One notebook with a kernel that has the data, for all tests in the browser."""
    folder = tmp_path_factory.mktemp("lab")
    load = "from helpers import *\ndata = load_fashion_mnist()"
    write_notebook(folder / "lab.ipynb", load, "", "")
    with jupyterlab(folder, subshells=request.param) as url:
        notebook = Notebook(chromium, url, "lab.ipynb")
        notebook.run(0)
        yield notebook
        notebook.close()


@pytest.fixture
def open_notebook(page):
    """A function that runs code cells in that notebook, one after the other."""

    def open_with(*cells):
        page.errors.clear()
        page.page.set_viewport_size({"width": 1400, "height": 1000})
        page.fill(cells)
        for index in range(1, 1 + len(cells)):
            page.run(index)
        return page

    yield open_with
    page.execute("import ipywidgets; ipywidgets.Widget.close_all()")


def missing(what):
    """Fails the test in CI and skips it elsewhere."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)
