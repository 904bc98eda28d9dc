"""The house: a small core, three wings, and arrows that never point upwards."""

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import helpers

HELPERS = Path(helpers.__file__).parent
CORE = sorted(HELPERS.glob("*.py"))  # the lab has a folder of its own
MODULES = sorted(HELPERS.rglob("*.py"))


@cache
def nodes(path):
    """All that a module consists of."""
    return [*ast.walk(ast.parse(path.read_text()))]


def definitions(kind):
    """(name, node) of every function or class in helpers."""
    for path in MODULES:
        for node in nodes(path):
            if isinstance(node, kind):
                yield f"{path.relative_to(HELPERS)}: {node.name}", node


def test_the_core_can_be_read_in_an_hour():
    assert sum(len(path.read_text().splitlines()) for path in CORE) <= 2800


def test_every_folder_of_the_house_is_installed():
    config = tomllib.loads((HELPERS.parent / "pyproject.toml").read_text())
    folders = {path.parent.relative_to(HELPERS.parent) for path in MODULES}
    names = [".".join(folder.parts) for folder in folders]
    names.append("helpers.locale")  # which stands beside them
    assert config["tool"]["setuptools"]["packages"] == sorted(names)


def test_no_arrow_points_upwards_and_there_is_no_circle():
    config = HELPERS.parent / "pyproject.toml"
    assert lint_imports(config_filename=str(config), no_cache=True) == 0


def test_every_function_fits_on_a_screen():
    found = definitions(ast.FunctionDef)
    long = [name for name, node in found if node.end_lineno - node.lineno >= 60]
    assert long == []


def test_no_two_modules_have_one_name():
    names = [path.stem for path in MODULES if path.stem != "__init__"]
    assert sorted(names) == sorted(set(names))


def test_no_two_public_classes_or_functions_have_one_name():
    names = [node.name for _, node in definitions(ast.ClassDef)]
    for path in MODULES:
        outer = ast.parse(path.read_text()).body
        names += [node.name for node in outer if isinstance(node, ast.FunctionDef)]
    names = [name for name in names if not name.startswith("_")]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_import_inside_a_function_says_what_it_saves(path):
    lines = path.read_text().splitlines()
    for function in nodes(path):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    near = lines[max(0, node.lineno - 6) : node.lineno]
                    assert any("#" in line for line in near), node.lineno
