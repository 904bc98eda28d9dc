"""What many tests need: the full data, and a browser.

Where CI is set in the environment a missing one is a failure, so that no green sign
hides tests that did not run; elsewhere it is a skip that says so.
"""

import os
import shutil
import threading
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

import helpers
from lab_in_browser import (
    Notebook,
    browser,
    find_browser,
    jupyterlab,
    write_notebook,
)

BROWSER = Path(__file__).parent / "browser"
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSONS = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.fixture(scope="session")
def full_data():
    """All of Fashion-MNIST, split."""
    data = helpers.load_fashion_mnist()
    if data.source != "full":
        missing("the full Fashion-MNIST is not here, only the bundled sample")
    return data


@pytest.fixture(scope="session")
def data():
    """The bundled sample, where a test needs no more."""
    return helpers.load_fashion_mnist("sample")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder of the test's own for what the course keeps of a learner."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def closed():
    """A function that hands an instrument on, and closes it after the test."""
    with ExitStack() as stack:
        yield lambda shown: stack.enter_context(closing(shown))


@pytest.fixture
def workers():
    """A function that lists the threads of the instruments that the test began."""
    before = set(threading.enumerate())

    def begun():
        now = set(threading.enumerate()) - before
        return [one for one in now if one.name == "lab worker"]

    return begun


@pytest.fixture
def all_end(workers):
    """A function that says whether those end, each after what it is doing."""

    def end():
        for one in workers():
            one.join(60)
        return not workers()

    return end


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


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """The URL of a JupyterLab on a copy of the notebooks."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(NOTEBOOKS, folder, dirs_exist_ok=True)
    write_lab(folder)
    with jupyterlab(folder) as url:
        yield url


@pytest.fixture(scope="session")
def lessons(course, chromium):
    """A page that shows one lesson after the other."""
    notebook = Notebook(chromium, course, LESSONS[0])
    yield notebook
    notebook.close()


@pytest.fixture(scope="session", params=LESSONS)
def lesson(request, lessons):
    """Each lesson as it is stored, opened once for all tests that look at it."""
    lessons.errors.clear()
    lessons.open(request.param)
    return lessons


def pytest_generate_tests(metafunc):
    """What needs the page gets one with subshells.

    The lab's own tests get one without, too. All other instruments take what a page
    sends in the same way as the lab.
    """
    if "page" in metafunc.fixturenames and metafunc.definition.path.parent == BROWSER:
        kinds = {"subshells": True, "no_subshells": False}
        if metafunc.module.__name__ != "test_lab_browser":
            del kinds["no_subshells"]
        how = {"indirect": True, "ids": kinds, "scope": "session"}
        metafunc.parametrize("page", kinds.values(), **how)


@pytest.fixture(scope="session")
def page(request, tmp_path_factory, chromium, full_data):
    """One notebook with a kernel that has the data, for all tests in the browser."""
    if request.param:
        url = request.getfixturevalue("course")
    else:
        folder = tmp_path_factory.mktemp("lab")
        write_lab(folder)
        without = jupyterlab(folder, subshells=False)
        url = request.getfixturevalue("exit_stack").enter_context(without)
    notebook = Notebook(chromium, url, "lab.ipynb")
    notebook.run(0)
    yield notebook
    notebook.close()


@pytest.fixture(scope="session")
def exit_stack():
    """What ends with the session."""
    with ExitStack() as stack:
        yield stack


def write_lab(folder):
    """A notebook that loads the data, with room for the cells of the tests."""
    load = "from helpers import *\ndata = load_fashion_mnist()"
    write_notebook(folder / "lab.ipynb", load, "", "")


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
