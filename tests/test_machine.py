"""check_machine and the package's front door."""

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

import helpers
from helpers import check_machine, machine


def run_python(code, **variables):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | variables,
    )


def test_a_working_machine_gets_ok_in_every_row():
    report = check_machine()
    lines = str(report).splitlines()
    assert report.ok == all(line.startswith("ok ") for line in lines)
    for word in ("Python 3.", "torch 2.", "torchvision 0.", "cores", "s an epoch"):
        assert any(word in line for line in lines), word


def test_the_sample_is_said_with_its_fix(monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")
    report = check_machine()
    row = next(row for row in report.rows if row.text.startswith("Fashion-MNIST"))
    assert not row.ok and not report.ok
    assert "only the bundled sample" in row.text and "load_fashion_mnist()" in row.text


def test_damaged_data_are_a_row_and_not_a_traceback(monkeypatch, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"nothing")
    monkeypatch.setenv("FASHION_MNIST_ROOT", str(tmp_path))
    report = check_machine()
    assert not report.ok and str(tmp_path) in str(report)


@pytest.mark.slow
def test_a_torchvision_that_does_not_fit_is_a_row(tmp_path):
    folder = tmp_path / "torchvision"
    folder.mkdir()
    folder.joinpath("__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    done = run_python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from helpers import check_machine\nprint(check_machine())",
        FASHION_MNIST_ROOT="sample",
    )
    assert (
        "FIX  torchvision can't be imported (operator torchvision::nms does not exist);"
        " run make setup" in done.stdout
    )


@pytest.mark.slow
def test_a_torch_that_does_not_work_is_a_row(tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('libtorch is damaged')")
    done = run_python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from helpers import check_machine\nprint(check_machine())"
    )
    assert "FIX  torch can't be imported (libtorch is damaged)" in done.stdout


@pytest.mark.parametrize(
    "missing, row",
    [
        ([], "ok   widgets: JupyterLab "),
        # As in VS Code or on Colab, where the page comes from elsewhere.
        (["jupyterlab", "jupyterlab_widgets"], "ok   widgets: ipywidgets "),
        (["jupyterlab_widgets"], "FIX  jupyterlab_widgets is missing"),
        (["jupyterlab", "anywidget"], "FIX  anywidget is missing"),
    ],
)
def test_widgets_are_judged_by_what_is_there(missing, row, monkeypatch):
    def version(name):
        if name in missing:
            raise PackageNotFoundError
        return "1.0"

    monkeypatch.setattr(machine, "version", version)
    monkeypatch.setattr(machine, "_data_and_speed", lambda: [])
    lines = str(check_machine()).splitlines()
    assert any(line.startswith(row) for line in lines), lines
    assert "jupyterlab is missing" not in str(lines)


def test_the_report_has_text_where_no_widgets_are():
    bundle, _ = check_machine()._repr_mimebundle_()
    assert bundle["text/plain"].startswith("ok ")


def test_every_public_name_can_be_imported_and_is_no_module():
    assert set(helpers.__all__) <= set(dir(helpers))
    for name in helpers.__all__:
        assert callable(getattr(helpers, name)), name


def test_a_wrong_name_gets_the_right_ones():
    with pytest.raises(ImportError):
        from helpers import labb  # noqa: F401
    with pytest.raises(AttributeError, match="it has: load_fashion_mnist"):
        helpers.labb  # noqa: B018


@pytest.mark.slow
def test_importing_the_package_alone_loads_no_torch():
    done = run_python("import sys, helpers; print('torch' in sys.modules)")
    assert done.stdout.strip() == "False"
