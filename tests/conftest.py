"""What many tests need: the full data, and a browser.

Where CI is set in the environment a missing one is a failure, so that no green sign
hides tests that did not run; elsewhere it is a skip that says so.
"""

import os

import pytest
from lab_in_browser import find_browser

from helpers import load_fashion_mnist


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


def missing(what):
    """Fails the test in CI and skips it elsewhere."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)
