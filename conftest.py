"""Decides, before anything is collected, how the notebooks are tested.

This file stands in the root and not in tests/, so that it also holds for
`pytest notebooks/03_parameters.ipynb`.
"""

import os
import sys
import tempfile

import pytest

from helpers import load_fashion_mnist
from run_notebooks import private_jupyter

MODE = pytest.StashKey[str]()


def pytest_configure(config):
    """Sets up nbval, and keeps the user's own Jupyter and IPython settings out."""
    home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    os.environ.update(private_jupyter(home.name))
    try:
        source = load_fashion_mnist().source
    except ValueError as error:  # files that are damaged or incomplete
        raise pytest.UsageError(str(error)) from None
    config.stash[MODE] = choose_mode(config.option, source, sys.platform)
    # Given relative to the root in pyproject.toml; pytest may start elsewhere.
    config.option.nbval_sanitize_with = str(
        config.rootpath / config.option.nbval_sanitize_with
    )


def pytest_collection_modifyitems(items):
    """Says which tests one worker runs: those of a file, or of one JupyterLab."""
    for item in items:
        folder = item.path.parent.name
        if folder in ("browser", "notebooks"):
            item.add_marker(pytest.mark.slow)
        group = item.path.name
        if folder == "browser":
            parameters = getattr(item, "callspec", None)
            subshells = not parameters or parameters.params.get("page", True)
            group = f"browser, {subshells=}"
        item.add_marker(pytest.mark.xdist_group(group))


def choose_mode(option, source, platform):
    """Sets nbval's options; returns a sentence that says which and why.

    The committed outputs come from the full data on Linux. Elsewhere the last digits
    differ, and on the sample everything does, so there every cell is only run.
    """
    if option.nbval or option.nbval_lax:
        return "as the command line says"
    option.nbval = source == "full" and platform == "linux"
    option.nbval_lax = not option.nbval
    if option.nbval:
        return "outputs are compared: full Fashion-MNIST, on Linux"
    if source == "full":
        return "cells run, outputs are not compared: they come from Linux"
    return "cells run, outputs are not compared: only the bundled sample is here"


def pytest_report_header(config):
    """One line at the top of pytest's report."""
    return f"notebooks: {config.stash[MODE]}"
