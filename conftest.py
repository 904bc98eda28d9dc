"""Decides, before anything is collected, how the notebooks are tested.

This file stands in the root and not in tests/, so that it also holds for
`pytest notebooks/03_parameters.ipynb`.
"""

import gc
import os
import sys
import tempfile
from copy import deepcopy
from itertools import groupby
from pathlib import Path

import pytest

# nbformat's jsonschema would work out a grammar of addresses that no notebook needs,
# which takes 1.8 s in each process. So pyproject.toml leaves nbval to this file.
sys.modules.setdefault("rfc3987_syntax", None)

from nbval.plugin import IPyNbCell, IPyNbFile  # noqa: E402

import helpers  # noqa: E402
from run_notebooks import NOTEBOOKS, ROOT, private_jupyter  # noqa: E402

pytest_plugins = ["nbval.plugin"]

MODE, HOME = pytest.StashKey[str](), pytest.StashKey[str]()
AGAIN = "changes-when-run-again"
RUN_AGAIN = ", run again"
ONE_BY_ONE = ("/test_doctor", "::test_what_is_solved_")


def pytest_configure(config):
    """Sets up nbval, and keeps the user's own Jupyter and IPython settings out."""
    home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    os.environ.update(private_jupyter(home.name))
    config.stash[HOME] = home.name
    if any(NOTEBOOKS.glob("*/*.ipynb")):
        start = "__import__('trained_once').share()"  # leaves no name behind
        Path(home.name, "start.py").write_text(start, encoding="utf-8")
    # Chosen on the command line, or by the process that started this one. Where all
    # that is asked for is in tests/, no data is loaded and no PyTorch for it: 3 s.
    chosen = config.option.nbval or config.option.nbval_lax
    if not chosen and all(in_tests(config, one) for one in config.args):
        config.stash[MODE] = "none was asked for"
        return
    try:
        source = "" if chosen else helpers.load_fashion_mnist().source
    except ValueError as error:  # files that are damaged or incomplete
        raise pytest.UsageError(str(error)) from None
    config.stash[MODE] = choose_mode(config.option, source, sys.platform)
    # Given relative to the root in pyproject.toml; pytest may start elsewhere.
    config.option.nbval_sanitize_with = str(
        config.rootpath / config.option.nbval_sanitize_with
    )


def in_tests(config, argument):
    """Whether what the command line names is tests/ or in it."""
    path = config.invocation_params.dir / argument.partition("::")[0]
    return path.resolve().is_relative_to(config.rootpath / "tests")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is loaded by its end stays to the end.

    So the garbage collector needn't look through it, now or again during the tests,
    which saves two seconds here and half of one in each test that collects garbage.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """What one language's notebooks keep is not known to those of another.

    But what an English notebook has trained, its second pass and the other languages
    need not train again.
    """
    home, tests = item.config.stash[HOME], item.config.rootpath / "tests"
    for name in ("PYTHONSTARTUP", "TRAINED_HERE", "TRAINED_BEFORE"):
        os.environ.pop(name, None)
    os.environ |= {"COURSE_HOME": home, "PYTHONPATH": str(ROOT)}
    if not isinstance(item, IPyNbCell):
        return
    # For the kernel, which nbval starts before the first cell.
    trained = Path(home, "trained", item.path.stem)
    new = trained / "new"
    new.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONSTARTUP"] = os.path.join(home, "start.py")
    os.environ["PYTHONPATH"] += os.pathsep + str(tests)
    os.environ["TRAINED_BEFORE"] = str(trained)
    if item.path.parent == NOTEBOOKS:
        os.environ["TRAINED_HERE"] = str(new)
    else:
        os.environ["COURSE_HOME"] = os.path.join(home, item.path.parent.name)
    if item.path.parent != NOTEBOOKS or item.name.endswith(RUN_AGAIN):
        for path in new.iterdir():
            path.rename(trained / path.name)


def pytest_collection_modifyitems(items):
    """Marks what needs a notebook or a browser, and runs each notebook back upwards."""
    items[:] = run_again(items)
    for item in items:
        if item.path.parent.name in ("browser", "notebooks"):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """What one process runs together: the tests of a file, or of one JupyterLab.

    Some share nothing that takes long. They go one by one, and last, so that all
    processes end at the same time.
    """
    from xdist.scheduler import LoadScopeScheduling  # an option of the tests

    class ByFileOrLab(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.partition("::")[0]
            if path.endswith(".ipynb"):  # in all languages
                return path.rpartition("/")[2]
            if "/browser/" in path:
                if "no_subshells" in nodeid:
                    return "a lab without subshells"
                return "a lab" if "/test_lab_" in path else "a page"
            alone = any(part in nodeid for part in ONE_BY_ONE)
            return nodeid if alone else path

        def schedule(self):
            super().schedule()
            for scope in [scope for scope in self.workqueue if "::" in scope]:
                self.workqueue.move_to_end(scope)

    return ByFileOrLab(config, log)


def run_again(items):
    """The items, and after the last cell of a notebook each of its cells once more.

    From the last to the first, in the same kernel: a cell that changes what it starts
    from prints something else then, and so does one that starts from a name that a
    later cell uses for another thing. A cell that has to has the tag AGAIN, and says
    `why` in its metadata. In another language the code is the same, and runs once.
    """
    for notebook, group in groupby(items, key=lambda item: item.parent):
        cells = list(group)
        yield from cells
        english = isinstance(notebook, IPyNbFile) and notebook.path.parent == NOTEBOOKS
        for item in reversed(cells) if english else ():
            again = IPyNbCell.from_parent(
                notebook,
                name=item.name + RUN_AGAIN,
                cell_num=item.cell_num,
                cell=deepcopy(item.cell),  # nbval joins its outputs in place
                options=item.options.copy(),
            )
            if AGAIN in item.cell.metadata.get("tags", []):
                if not item.cell.metadata.get("why"):
                    raise pytest.UsageError(f"{item.nodeid}: {AGAIN} needs a `why`")
                again.options["check"] = False
            yield again


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
