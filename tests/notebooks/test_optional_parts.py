"""What a page marks as optional can be left out: no later cell needs it."""

from pathlib import Path

import notebook_lint as lint
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from exercises.solved_notebook import names_of

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def needed_elsewhere(notebook):
    """(name, heading) of what an optional part defines and another part reads."""
    home = {}  # name -> the number and heading of the part that defined it last
    for number, heading, cells in lint.sections(notebook):
        for cell in cells:
            if cell.cell_type != "code":
                continue
            reads, writes = names_of(cell.source)
            for name in sorted(reads & home.keys()):
                defined, where = home[name]
                if defined != number and "(optional" in where:
                    yield name, where
            home |= dict.fromkeys(writes, (number, heading))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_optional_can_be_left_out(path):
    assert list(needed_elsewhere(lint.Notebook.load(path))) == []


def test_a_name_that_a_later_part_needs_is_found():
    cells = [
        new_markdown_cell("## More (optional, 3 min)"),
        new_code_cell("x = 1\nprint(x)"),
        new_markdown_cell("## Next"),
        new_code_cell("def f():\n    return x"),
    ]
    notebook = lint.Notebook("08_lesson.ipynb", 0, cells, {}, None)
    assert list(needed_elsewhere(notebook)) == [("x", "## More (optional, 3 min)")]
