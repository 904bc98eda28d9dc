"""The committed notebooks keep the rules, and the tools around them keep their word.

nbval runs the cells themselves: the entries notebooks/*.ipynb in pytest's report.
"""

import colorsys
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import notebook_lint as lint
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbval.plugin import get_sanitize_patterns

import run_notebooks
from helpers import palette

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
VIEW = {lint.WIDGET_VIEW: {"model_id": "0" * 32}}
SVG = "<svg><path d='M0 0'/></svg>"
PNG = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 640x480 with 1 Axes>"}


def by_name(value):
    return getattr(value, "__name__", None) or getattr(value, "stem", None)


@pytest.mark.parametrize("rule", lint.RULES, ids=by_name)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_notebook(path, rule):
    findings = lint.Notebook.load(path).findings(rule)
    assert not findings, "\n" + "\n".join(findings)


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_the_full_data_are_here(full_data):
    assert len(full_data.train) == 50_000


def test_the_readme_says_the_same_minutes():
    rows = re.findall(
        r"\((notebooks/.*?)\) .* \| (\d+) \|", (ROOT / "README.md").read_text()
    )
    assert len(rows) == len(NOTEBOOKS)
    for path, minutes in rows:
        top = lint.Notebook.load(ROOT / path).cells[0].source
        assert f"About {minutes} minutes" in top, path


def test_terms_and_calls_are_explained_where_they_first_appear():
    course = [lint.Notebook.load(path) for path in NOTEBOOKS]
    assert list(lint.terms_without_a_word(course)) == []
    assert list(lint.calls_without_a_word(course)) == []


def test_how_a_page_works_is_said_once_in_the_first():
    first, *others = [
        "".join(cell.source for cell in lint.Notebook.load(path).cells)
        for path in NOTEBOOKS
    ]
    for told in ("shows `[*]`", "button at the top stops it", "add a cell"):
        assert first.count(told) == 1
        assert told not in "".join(others)


# --- the rules, on small notebooks


def text(source, **fields):
    return new_markdown_cell(source, **fields)


def nameless(cell):
    del cell["id"]
    return cell


def code(source, *outputs, tags=(), alt=None, **fields):
    """A code cell; strings among its outputs are what it printed."""
    outputs = [out if isinstance(out, dict) else stdout(out) for out in outputs]
    metadata = {"tags": list(tags)} | ({"alt": alt} if alt else {})
    return new_code_cell(source, outputs=outputs, metadata=metadata, **fields)


def stdout(text):
    return new_output("stream", name="stdout", text=text)


def stderr(text):
    return new_output("stream", name="stderr", text=text)


def shown(data, **metadata):
    return new_output("display_data", data=data, metadata=metadata)


def raised(*traceback):
    return new_output("error", ename="KeyError", evalue="'W2'", traceback=[*traceback])


def write(path, cells, **metadata):
    """Writes a notebook whose code cells seem to have run in order."""
    ran = [cell for cell in cells if cell.cell_type == "code"]
    for count, cell in enumerate(ran, start=1):
        cell.execution_count = cell.execution_count or count
    metadata = {"kernelspec": run_notebooks.KERNELSPEC} | metadata
    version = {"nbformat": 4, "nbformat_minor": 5}
    notebook = {"cells": cells, "metadata": metadata} | version
    path.write_text(json.dumps(notebook), encoding="utf-8")  # as bad as it is
    return path


LONG = "\n".join(f"x{n} = {n}" for n in range(11))
SPACED = "\n".join(["# why", ""] * 6 + ["x = 1"])
BAD = [
    (lint.the_file_is_small, [code("1", "x" * 1_000_000)], "1,000,"),
    (lint.no_widget_is_stored, [code("lab()", shown(VIEW))], "stores a widget view"),
    (lint.an_instrument_is_stored_as_a_picture, [code("lab(data)")], "no picture"),
    (lint.every_cell_has_its_own_id, [nameless(text("a"))], "has no id"),
    (lint.every_cell_has_its_own_id, [text("a", id="b"), text("c", id="b")], "'b'"),
    (lint.no_cell_is_empty, [text(" \n")], "empty"),
    (lint.no_cell_is_empty, [code("")], "empty"),
    (lint.cells_ran_in_order, [code("1", execution_count=3)], r"carries \[3\]"),
    (lint.errors_are_announced, [code("d['W2']", raised())], "ended in KeyError"),
    (lint.errors_are_announced, [code("1", tags=["raises-exception"])], "nothing"),
    (lint.every_cell_runs_in_the_tests, [code("1", tags=["nbval-skip"])], "leave it"),
    (lint.every_cell_runs_in_the_tests, [code("# NBVAL_SKIP\n1")], "leave it"),
    (lint.nothing_is_on_stderr, [code("f()", stderr("UserWarning: x\n"))], "UserWarn"),
    (lint.printed_tables_fit_a_projector, [code("f()", "lr  " + "x" * 69)], "73 col"),
    (lint.no_line_ends_in_a_semicolon, [code("plot(x);\n")], "'plot.x.;'"),
    (lint.no_line_ends_in_a_semicolon, [code("plot(x);  # here")], "semicolon"),
    (lint.no_path_of_a_machine, [code("f()", "/home/ann/x.py")], "'/home/ann/x.py'"),
    (lint.no_path_of_a_machine, [code("f()", raised("\x1b[32m/root/x"))], "'/root/x'"),
    (lint.no_path_of_a_machine, [code("f('C:\\\\Users\\\\ann')")], "Users"),
    (lint.no_path_of_a_machine, [text("Look in /tmp/course.")], "/tmp/course"),
    (lint.no_path_of_a_machine, [code("f()", shown({"text/html": "/work/a"}))], "work"),
    (lint.code_cells_are_short, [code(LONG)], "11 lines of code"),
    (lint.code_fits_a_projector, [code("x = 1" + " " * 62 + "# why.")], "72 fit"),
    (lint.code_cells_are_short, [code(SPACED)], "13 with comments"),
    (lint.slow_cells_say_how_long, [code("fit()", tags=["slow"])], "takes about 10 s"),
    (
        lint.the_plan_for_a_class_adds_up,
        [text("About 40 minutes.")] + [text("### More (optional, 2 min)")] * 5,
        "list the way through",
    ),
    (lint.the_plan_for_a_class_adds_up, [text("About 41 minutes.")], "list the way"),
    (lint.details_are_rendered, [text("</summary>\nIt *is*.\n\n</details>")], "blank"),
    (lint.details_are_rendered, [text("</summary>\n\nIt *is*.\n</details>")], "blank"),
    (lint.the_minutes_hold, [text("# Title")], "how long"),
    (lint.the_minutes_hold, [text("About 2 minutes. " + "w " * 300)], "takes 2 min"),
    (lint.the_minutes_hold, [text("About 2 minutes. Try (3 min).")], "takes 3 min"),
    (
        lint.the_minutes_hold,
        [text("About 2 minutes.")] + [code("1")] * 5,
        "takes 3 min",
    ),
    (lint.figures_have_text, [code("plot()", shown(PNG))], "no text"),
    (lint.figures_have_text, [code("f()", shown({"image/svg+xml": SVG}))], "no text"),
    (lint.figures_have_text, [code("f()", shown({"text/html": SVG}))], "no text"),
    (lint.helpers_come_before_torch, [code("import torch\nimport helpers")], "order"),
    (lint.every_answer_has_its_question, [code("reveal('a-b', 1)")], "no predict"),
    (lint.nobodys_prediction_is_stored, [code("1", "You predicted: x\n")], "stores"),
    (
        lint.one_question_stands_once,
        [text("> **Predict.** What is it?")],
        "predict asks",
    ),
    (lint.a_question_is_written_out, [code("predict('a', question, ['b'])")], "write"),
    (lint.a_question_is_written_out, [code("predict('a', 'Q?', answers)")], "write"),
    (lint.nobodys_prediction_is_stored, [code("1", "The class voted: x 1.")], "stores"),
    (lint.the_title_comes_first, [text("## Not the first level")], "title"),
    (lint.the_title_comes_first, [code("1")], "title"),
    (lint.the_last_text_links_forward, [text("# Title")], r"\(09_next.ipynb\)"),
    (lint.it_can_be_opened_elsewhere, [text("# Title")], r"\[Open in Colab\]\(http"),
    (lint.it_can_be_opened_elsewhere, [code("import helpers")], "%pip install"),
    (lint.pictures_in_the_prose_have_alt_text, [text("![](a.png)")], "alt text"),
    (lint.pictures_in_the_prose_have_alt_text, [text("<img src='a'>")], "alt text"),
    (lint.paragraphs_are_short, [text("word " * 91)], "91 words"),
    (
        lint.a_colour_means_what_it_means_everywhere,
        [text("The columns of W1, blue below 0.")],
        "'blue' means training",
    ),
    (
        lint.a_colour_means_what_it_means_everywhere,
        [text("Red where a weight is positive.")],
        "'Red' has no meaning",
    ),
    (lint.paragraphs_are_short, [text("Short.\n\n- " + "word " * 91)], "91 words"),
]

GOOD = [
    (lint.the_file_is_small, [code("1", "x" * 990_000)]),
    (lint.no_widget_is_stored, [code("lab()", shown(PNG))]),
    (lint.errors_are_announced, [code("f()", raised(), tags=["raises-exception"])]),
    (lint.printed_tables_fit_a_projector, [code("f()", "It wraps. " * 12)]),
    (lint.printed_tables_fit_a_projector, [code("f()", "lr  " + "x" * 68)]),
    (lint.code_fits_a_projector, [code("x" * 72), code(lint.THE_LINE)]),
    (lint.no_line_ends_in_a_semicolon, [code("a = 'x; y;'\n# so;\nf('x; # y')")]),
    (lint.no_path_of_a_machine, [text("See https://example.org/home/ or data/tmp/.")]),
    (
        lint.slow_cells_say_how_long,
        [text("It takes about 9 s."), code("1"), code("fit()", tags=["slow"])],
    ),
    (
        lint.details_are_rendered,
        [text("<details>\n<summary>Why</summary>\n\nIt *is*.\n\n</details>")],
    ),
    (
        lint.the_minutes_hold,
        [
            text("About 2 minutes. " + "word " * 200),
            text("## More (optional, 4 min)\n\n" + "word " * 500),
            text("## Your turn\n\n> 1.1 (5 min, easy)"),
        ],
    ),
    (lint.code_cells_are_short, [code("# why\n\n" + LONG.replace("x0 = 0\n", ""))]),
    (lint.figures_have_text, [code("plot()", shown(PNG), "W1 grows.\n")]),
    (lint.figures_have_text, [code("plot()", shown(PNG), alt="W1 grows.")]),
    (lint.figures_have_text, [code("f()", shown(PNG | {"text/plain": "W1 grows."}))]),
    (lint.figures_have_text, [code("f()", shown(PNG, **{"image/png": {"alt": "W1"}}))]),
    (lint.figures_have_text, [code("f()", shown({"text/html": "<img alt='W1'>"}))]),
    (lint.helpers_come_before_torch, [code("from helpers import lab\nimport torch")]),
    (
        lint.every_answer_has_its_question,
        [code("predict('a', 'Q?', [])\nreveal('a', 1)")],
    ),
    (lint.nobodys_prediction_is_stored, [code("1", "No prediction was made here.")]),
    (lint.a_question_is_written_out, [code("predict('a', 'Q?', ['b', 'c'])")]),
    (
        lint.a_question_is_written_out,
        [code("predict('a', 'Q?', {'b': (0, math.inf)})")],
    ),
    (lint.the_title_comes_first, [text("# Title")]),
    (lint.the_last_text_links_forward, [text("[Go on](09_next.ipynb)"), code("1")]),
    (lint.pictures_in_the_prose_have_alt_text, [text("![W1](a.png) `![](b.png)`")]),
    (
        lint.a_colour_means_what_it_means_everywhere,
        [text("Blue is training. It has 3 *channels*: red, green and blue. `red`")],
    ),
    (lint.paragraphs_are_short, [text("\n\n".join(["word " * 90] * 2))]),
    (lint.paragraphs_are_short, [text("\n".join(["- " + "word " * 60] * 3))]),
    (lint.paragraphs_are_short, [text("```\n" + "word " * 200 + "\n```")]),
]


QUESTION = (
    "predict('loss', 'What is the loss at lr 3?', {'low': (0, 1), 'high': (1, 9)})"
)


def after_a_question(source, printed, hidden=True):
    """What the lint says of a cell between a question and its answer."""
    cell = code(source, printed)
    if hidden:
        cell.metadata.jupyter = {"outputs_hidden": True}
    answer = code("reveal('loss', loss)")
    cells = [code(QUESTION), cell, answer, code("print(0.5)", "0.5\n")]
    notebook = lint.Notebook("08_lesson.ipynb", 0, cells, {}, None)
    return notebook.findings(lint.no_answer_is_seen_before_its_cell_is_run)


@pytest.mark.parametrize(
    ("source", "printed", "hidden", "phrase"),
    [
        ("f()", "the loss\n  0.5\n", False, "outputs_hidden"),
        ("f()", "the loss is 0.5\n", True, "first printed line"),
        ("f()", "it is high\n", True, "first printed line"),
        ("x = 'high' if f() > 1 else 'low'", "the loss\n", True, "has the answer"),
    ],
)
def test_what_gives_an_answer_away_is_named(source, printed, hidden, phrase):
    findings = after_a_question(source, printed, hidden)
    assert findings[0].startswith("08_lesson.ipynb, cell 2: ")
    assert phrase in findings[0]


@pytest.mark.parametrize("printed", ["the loss at lr 3\n  0.5\n", "seed 0 of 2\n0.5\n"])
def test_what_gives_nothing_away_passes(printed):
    assert after_a_question("f(seeds=(0, 2))", printed) == []


@pytest.mark.parametrize(
    ("above", "hidden", "findings"),
    [
        ("**Try this** (3 min). Does it learn?", False, 1),
        ("**Try this** (3 min). Does it learn?", True, 0),
        ("**Try this**: stop it, and run it again.", False, 0),
        ("Two things to try. Does it learn?", False, 1),
    ],
)
def test_what_answers_a_try_this_is_hidden(above, hidden, findings):
    measured = code("f()", "it does\n")
    measured.metadata.jupyter = {"outputs_hidden": hidden}
    cells = [text(above), text("Here it is."), measured, text("## Next"), measured]
    notebook = lint.Notebook("08_lesson.ipynb", 0, cells, {}, None)
    rule = lint.nothing_answers_what_a_try_this_asks
    assert len(notebook.findings(rule)) == findings


@pytest.mark.parametrize(
    ("options", "hidden", "findings"),
    [
        ('["it raises an error", "(2, 2)"]', False, 1),
        ('["it raises an error", "(2, 2)"]', True, 0),
        ('["(3, 3)", "(2, 2)"]', False, 0),
    ],
)
def test_an_error_below_a_question_about_one_is_hidden(options, hidden, findings):
    asks = code(f'predict("fits", "Does it fit?", {options})')
    stops = code("f()", "Error: it stops\n")
    stops.metadata.jupyter = {"outputs_hidden": hidden}
    cells = [asks, code('reveal("fits", True)'), stops, text("## Next"), stops]
    notebook = lint.Notebook("08_lesson.ipynb", 0, cells, {}, None)
    rule = lint.no_error_is_seen_where_an_error_was_asked_for
    assert len(notebook.findings(rule)) == findings


def below_an_answer(*texts, printed="the loss\n  0.5\n"):
    """What the lint says of text between a question and two cells after its answer."""
    hidden = code("f()", printed)
    hidden.metadata.jupyter = {"outputs_hidden": True}
    between, *below = map(text, texts)
    cells = [code(QUESTION), between, hidden, code("reveal('loss', loss)"), *below]
    notebook = lint.Notebook("08_lesson.ipynb", 0, cells, {}, None)
    return notebook.findings(lint.no_answer_is_read_before_its_cell_is_run)


EPOCH = "An *epoch* is one pass over all pictures."
LEFT_OUT = f"### More (optional, 1 min)\n\n{EPOCH}"


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([EPOCH, "Three epochs."], 0),
        (["Three epochs.", EPOCH], 2),
        ([f"## Epochs\n\n{EPOCH}"], 0),
        (["An epoch is one pass over all pictures, and *not* two."], 2),
        (["An *epoch* is long."], 2),
        ([LEFT_OUT, "Epochs."], 0),
        ([LEFT_OUT, "## Next\n\nThree epochs."], 1),
        (["**By the end of this page you know epochs.**", EPOCH], 0),
        (["There is no such word."], 1),
    ],
)
def test_a_term_that_is_used_before_it_is_explained_is_named(texts, told):
    notebook = lint.Notebook("08_lesson.ipynb", 0, list(map(text, texts)), {}, None)
    named = lint.terms_without_a_word([notebook], {"epochs?": "one pass over"})
    assert len(list(named)) == told


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([text("`tril` keeps a triangle."), code("x.tril()")], 0),
        ([code("x.tril()  # the triangle"), text("`tril` is what?")], 0),
        ([code("x.tril()"), text("`tril` is what?"), code("y.tril()")], 1),
    ],
)
def test_a_call_that_no_text_explains_is_named(cells, told):
    notebook = lint.Notebook("08_lesson.ipynb", 0, cells, {}, None)
    assert len(list(lint.calls_without_a_word([notebook]))) == told


@pytest.mark.parametrize(
    ("texts", "phrase"),
    [
        (["", "The rest follows."], "cell 5: it follows an answer"),
        (["It is high, you see."], "cell 2: it tells 'high'"),
        (["The loss is 0.5."], "cell 2: it tells '0.5'"),
        (["", "<details>\n\n0.5\n\n</details>\n\nSo 0.5."], "cell 5: it tells '0.5'"),
        (["", "<details>\n\nA.\n\n</details>", "It stays High."], "cell 6: it tells"),
    ],
)
def test_text_that_gives_an_answer_away_is_named(texts, phrase):
    (finding,) = below_an_answer(*texts)
    assert phrase in finding


def test_what_was_measured_may_be_read_under_details():
    why = "<details>\n<summary>What we saw</summary>\n\nA high loss: 0.5.\n\n</details>"
    assert below_an_answer("Now lr 3.", why + "\n\nNow to lr 4.", "Next.") == []


def test_a_line_that_says_how_long_needs_no_proof(tmp_path):
    assert unproved("It takes about 70 s.", "", "", tmp_path) == []


def test_each_slow_cell_has_its_own_line(tmp_path):
    cells = [text("It takes about 9 s.")] + [code("fit()", tags=["slow"])] * 2
    notebook = lint.Notebook("08_lesson.ipynb", 0, cells, {}, None)
    assert len(notebook.findings(lint.slow_cells_say_how_long)) == 1


@pytest.mark.parametrize(
    "said, findings", [("as long again", 0), ("an hour", 1), ("37", 0), ("20", 1)]
)
def test_the_exercises_take_what_the_page_says(said, findings):
    top = text(f"About 40 minutes, and {said} for the exercises.")
    tasks = [text("> **Your turn 1.1** (20 min, easy). Write `f`.")] * 2
    notebook = lint.Notebook("08_lesson.ipynb", 0, [top, *tasks], {}, None)
    rule = lint.the_exercises_take_what_the_page_says
    assert len(notebook.findings(rule)) == findings


@pytest.mark.parametrize("minutes, findings", [(30, 0), (25, 1)])
def test_the_plan_for_a_class_takes_the_minutes_of_the_page(minutes, findings):
    plan = f"## For teachers\n\n| 10 | a | b |\n| {minutes} | c | d |\n"
    cells = [text("About 40 minutes."), text(plan + "| 9 | your turn | e |")]
    notebook = lint.Notebook("08_lesson.ipynb", 0, cells, {}, None)
    assert len(notebook.findings(lint.the_plan_for_a_class_adds_up)) == findings


@pytest.mark.parametrize(("minutes", "findings"), [(30, 0), (20, 1)])
def test_a_way_through_takes_the_minutes_of_the_page(minutes, findings):
    top = f"About 40 minutes:\n\n1. a race: 10 minutes\n2. a search: {minutes} minutes"
    notebook = lint.Notebook("08_lesson.ipynb", 0, [text(top)], {}, None)
    assert len(notebook.findings(lint.the_plan_for_a_class_adds_up)) == findings


@pytest.mark.parametrize("rule, cells, phrase", BAD)
def test_a_rule_names_the_cell_and_what_is_wrong(rule, cells, phrase, tmp_path):
    write(tmp_path / "09_next.ipynb", [text("# Next")])
    path = write(tmp_path / "08_lesson.ipynb", cells)
    findings = lint.Notebook.load(path).findings(rule)
    assert findings and findings[0].startswith("08_lesson.ipynb, cell 1: ")
    assert re.search(phrase, findings[0])


@pytest.mark.parametrize("rule, cells", GOOD)
def test_a_rule_lets_good_cells_pass(rule, cells, tmp_path):
    write(tmp_path / "09_next.ipynb", [text("# Next")])
    path = write(tmp_path / "08_lesson.ipynb", cells)
    assert lint.Notebook.load(path).findings(rule) == []


HUES = {  # degrees
    **{"orange": (15, 40), "green": (60, 150), "teal": (165, 185), "blue": (200, 230)},
    **{"purple": (260, 295), "pink": (310, 345)},
}


@pytest.mark.parametrize("word", lint.COLOUR_WORDS)
def test_a_colour_is_what_the_prose_calls_it(word):
    names, _ = lint.COLOUR_WORDS[word]
    low, high = HUES[word]
    for name in names.split():
        digits = getattr(palette, name)
        rgb = (int(digits[at : at + 2], 16) / 255 for at in (1, 3, 5))
        assert low <= 360 * colorsys.rgb_to_hsv(*rgb)[0] <= high, name


@pytest.mark.parametrize(
    "rule, metadata",
    [
        (lint.the_kernel_is_python3, {"kernelspec": {"name": "my-env"}}),
        (lint.no_widget_is_stored, {"widgets": {}}),
    ],
)
def test_a_rule_looks_at_the_notebook_itself(rule, metadata, tmp_path):
    path = write(tmp_path / "08_lesson.ipynb", [text("# Title")], **metadata)
    assert len(lint.Notebook.load(path).findings(rule)) == 1


def test_the_last_notebook_has_nothing_to_link_to(tmp_path):
    path = write(tmp_path / "09_last.ipynb", [text("# Title")])
    assert not lint.Notebook.load(path).findings(lint.the_last_text_links_forward)


def test_a_good_notebook_keeps_all_rules(tmp_path):
    ways = [
        f"[Open in {name}]({place}/blob/main/notebooks/00_width.ipynb)"
        for name, place in lint.ELSEWHERE.items()
    ]
    cells = [
        text(f"# Does width help?\n\n{' '.join(ways)}\n\nAbout 6 minutes."),
        code(lint.SET_UP),
        code("lr = 0.1\nprint(train(lr))", "validation accuracy 0.852 in 3.4 s\n"),
        text("With lr 0.1 it reaches 85 %, in about 3 s."),
        code("net.W9", raised("KeyError"), tags=["raises-exception"]),
        code("plot()", shown(PNG), "The loss falls.\n"),
        text("**Recap.** It does."),
    ]
    notebook = lint.Notebook.load(write(tmp_path / "00_width.ipynb", cells))
    assert not [found for rule in lint.RULES for found in notebook.findings(rule)]


# --- numbers in the prose

FALSE_CLAIMS = [
    ("It reaches 0.91.", "accuracy 0.852"),
    ("It reaches .91.", "accuracy 0.852"),
    ("It reaches **0.86**.", "accuracy 0.852"),
    ("It reaches _0.8521_.", "accuracy 0.85"),
    ("From 0.77 to 0.85.", "0.852"),
    ("From 0.77-0.85.", "0.852"),
    ("| width | 0.91 |\n| --- | --- |", "0.852"),
    ("It reaches 91 %.", "0.852 and 85.2 %"),
    ("It reaches 91% or 91 per cent.", "0.852"),
    ("It gains 1.4 points.", "0.852 0.848"),
    ("A loss of 2.31.", "2.303 231"),
    ("A step of 1.2e-05.", "1.3e-05"),
    ("![The curve ends at 0.91.](a.png)", "0.852"),
    ("> **Note.** It reaches 0.91.", "0.852"),
    ("> **Predict.** 0.1 or 0.5?\n\nIt was 0.91.", "0.852"),
    ("A run takes 12 s.", "took 3.4 s"),
    ("A run takes 12 seconds.", "took 12 ms, epoch 12"),
    ("A run takes 2-12 s.", "took 2.0 s"),
    ("A step takes 12 ms.", "took 0.71 s, 0.012"),
    ("It is 18 times faster.", "18 epochs, seed 18"),
    ("It is 18x faster.", "5.0x faster"),
    ("It runs 310 steps a second.", "310 epochs/s, 95 steps/s"),
    ("W1 is 4x larger.", "3"),
    ("The norm is 4 times as large.", "3.2"),
]

TRUE_CLAIMS = [
    ("It reaches 0.85, or .852.", "accuracy 0.852"),
    ("From 0.77 to 0.85.", "0.771 0.852"),
    ("It reaches 85 % or 85.2%.", "accuracy 0.852"),
    ("It reaches 85 %.", "85.2 %"),
    ("It reaches 0.85.", "85.2%"),
    ("It gains 1.4 points.", "gain 0.014"),
    ("It loses 0.3.", "change -0.312"),
    ("A loss of 2.30.", "tensor(2.3026)"),
    ("A step of 1.2e-5 or 0.000012.", "1.21e-05"),
    ("There are 60,000 pictures of 28x28 in 10 classes, about 1 point.", ""),
    ("`W1 * 0.01` is\n```\n0.5\n```", ""),
    ("$784 x 128$, 28 x 28", ""),
    ("## What 0.77 means", ""),
    ("See [section 2.3](a.html#0.5) and <https://example.org/1.5>.", ""),
    ("PyTorch 2.6, Python 3.11 or 3.12, version 4.6.1, CC-BY-4.0.", ""),
    ("> **Your turn 7.1** (3 min, easy), then exercises 7.2 and 7.3.", ""),
    ("About 6 minutes, 30-45 min in all, 1.5 hours.", ""),
    ("> **Predict.** About 0.1,\n> 0.5 or 99 %?\n>\n> Or 0.9?", ""),
    ("A run takes 3 s.", "took 3.4 s"),
    ("A run takes about 5 seconds.", "took 3.4 s"),
    ("A run takes 0.7 s.", "took 712 ms"),
    ("A run takes 3-4 s.", "took 3.4 s"),
    ("It is about 20 times faster.", "18x faster"),
    ("It makes 300 steps a second.", "1,234 epochs/s, 310 steps/s"),
    ("The norm is 3 times as large.", "3.2"),
]


def unproved(prose, printed, before="", tmp_path=None):
    """What the rule says about prose between two cells, the second of which prints."""
    cells = [code(before or "pass"), text(prose), code("f()", printed)]
    notebook = lint.Notebook.load(write(tmp_path / "08_lesson.ipynb", cells))
    return notebook.findings(lint.measured_numbers_were_printed)


@pytest.mark.parametrize("prose, printed", FALSE_CLAIMS)
def test_a_number_that_no_cell_printed_is_found(prose, printed, tmp_path):
    findings = unproved(prose, printed, tmp_path=tmp_path)
    assert findings and findings[0].startswith("08_lesson.ipynb, cell 2: '")


@pytest.mark.parametrize("prose, printed", TRUE_CLAIMS)
def test_a_number_that_was_printed_or_measures_nothing_passes(prose, printed, tmp_path):
    assert unproved(prose, printed, tmp_path=tmp_path) == []


@pytest.mark.parametrize(
    "before, passes",
    [
        ("lr = 0.05", True),
        ("x = 50_000", False),
        ("pass  # not 0.05", False),
        ("predict('id', 'How much?', ['0.05', '0.5'])", False),
    ],
)
def test_a_setting_counts_if_the_code_above_sets_it(before, passes, tmp_path):
    findings = unproved("With 0.05 it learns.", "", before, tmp_path)
    assert (findings == []) == passes


def test_a_setting_does_not_count_before_it_is_set(tmp_path):
    cells = [text("With 0.05 it learns."), code("lr = 0.05")]
    notebook = lint.Notebook.load(write(tmp_path / "08_lesson.ipynb", cells))
    assert len(notebook.findings(lint.measured_numbers_were_printed)) == 1


def test_the_options_of_a_guess_do_not_count_as_printed(tmp_path):
    cells = [code("predict('id', 'How much?', [])", "0.1 or 0.9?"), text("It is 0.9.")]
    notebook = lint.Notebook.load(write(tmp_path / "08_lesson.ipynb", cells))
    assert len(notebook.findings(lint.measured_numbers_were_printed)) == 1


def test_a_time_has_to_be_printed_even_if_the_code_has_the_number(tmp_path):
    assert unproved("It takes 5 s.", "", "for seed in range(5): f()", tmp_path)


@pytest.mark.parametrize("mime", ["text/plain", "text/html"])
def test_values_and_tables_count_as_printed(mime, tmp_path):
    cells = [code("f()", shown({mime: "<b>0.852</b>"})), text("It reaches 0.85.")]
    notebook = lint.Notebook.load(write(tmp_path / "08_lesson.ipynb", cells))
    assert notebook.findings(lint.measured_numbers_were_printed) == []


# --- what nbval takes for equal


def sanitized(output):
    patterns = get_sanitize_patterns((ROOT / "tests/nbval_sanitize.cfg").read_text())
    for pattern, replacement in patterns:
        output = re.sub(pattern, replacement, output)
    return output


@pytest.mark.parametrize(
    "one, other",
    [
        ("took 0.71 s", "took 12.3 s"),
        ("took 999 ms an epoch", "took 1.02 s an epoch"),
        ("epoch 1:   9.9 s | 0.85", "epoch 1: 1,010.0 s  | 0.85"),
        ("0.70 to 0.75 s", "0.8 to 1 s"),
        ("0.71 +- 0.02 s", "0.73 +- 0.1 s"),
        ("18x faster", "17.3x faster"),
        ("1,234 steps/s", "987 steps/s"),
        ("<Lab object at 0x7f6ff2a1c110>", "<Lab object at 0x7f6ff2a1c9d0>"),
        ("IPY_MODEL_" + "0a" * 16, "IPY_MODEL_" + "1b" * 16),
        ("<style>\np {color: red}</style><p>3", "<style>p {}\ni {}</style><p>3"),
    ],
)
def test_nbval_overlooks_what_differs_between_two_runs(one, other):
    assert sanitized(one) == sanitized(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("accuracy 0.852", "accuracy 0.853"),
        ("0.71 s, accuracy 0.852", "0.71 s, accuracy 0.853"),
        ("0.852 0.71 s", "0.853 0.71 s"),
        ("18x faster", "18x slower"),
        ("28x28", "28x29"),
        ("128 steps", "127 steps"),
        ("85.2 %", "85.3 %"),
        ("3 seeds", "4 seeds"),
    ],
)
def test_nbval_sees_every_other_difference(one, other):
    assert sanitized(one) != sanitized(other)


# --- whole runs of the tools, in a small copy of the project


class Project:
    """A copy of what the tools need, whose notebooks are the test's own."""

    def __init__(self, root):
        self.root = root
        self.notebooks = root / "notebooks"
        self.notebooks.mkdir()
        for name in (
            "pyproject.toml",
            "conftest.py",
            "tests/conftest.py",
            "tests/nbval_sanitize.cfg",
            "tools/run_notebooks.py",
            "tools/lab_in_browser.py",
        ):
            (root / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, root / name)
        shutil.copytree(ROOT / "helpers", root / "helpers")

    def python(self, *arguments, **environment):
        command = [sys.executable, *arguments]
        environment = os.environ | environment
        return subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True
        )

    def pytest(self, *arguments, **environment):
        return self.python("-m", "pytest", "--color=no", *arguments, **environment)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


COUNT = "n = globals().get('n', 0) + 1\nprint(n)"
# A time, a wrong number, a look at the user's settings, and what is right only once.
CELLS = [
    code("import time, helpers\nprint(f'{time.time():.2f} s')", "0.71 s\n"),
    code("print(0.852)", "0.853\n"),
    code("print('mine' in globals())", "False\n"),
    code("values, name = [1], 'a'"),
    code("print(values)", "[1]\n"),  # changed in place by the next
    code("values.append(2)\nprint(len(values))", "2\n"),  # changes what it counts
    code("print(name)", "a\n"),  # soon the name of another thing
    code("name = 'b'\nprint(name)", "b\n"),
    code("print(1)\ndisplay(2)\nprint(3)", "1\n", shown({"text/plain": "2"}), "3\n"),
    code(COUNT, "1\n", tags=["changes-when-run-again"]),
]


def check_outputs(project, why="It counts.", **environment):
    """Runs nbval on these cells; why: what the last one says of its tag."""
    startup = project.root / "mine" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "00_mine.py").write_text("mine = 'a setting of the user'")
    CELLS[-1].metadata.why = why
    path = write(project.notebooks / "08_lesson.ipynb", CELLS)
    # Named on the command line, the notebook is tested as it is in a bare `pytest`.
    mine = str(project.root / "mine")
    return project.pytest("-rA", str(path), IPYTHONDIR=mine, **environment)


@pytest.mark.skipif(sys.platform != "linux", reason="outputs are compared on Linux")
def test_what_is_wrong_or_right_only_once_fails_with_the_full_data(project, full_data):
    done = check_outputs(project)
    assert "notebooks: outputs are compared: full Fashion-MNIST" in done.stdout
    failed = re.findall(r"^FAILED \S+::(.*?) - ", done.stdout, re.MULTILINE)
    again = [f"Cell {number}, run again" for number in (6, 5, 4, 1)]
    assert failed == ["Cell 1", *again]
    assert "5 failed, 15 passed" in done.stdout  # each cell runs twice


def test_the_sample_runs_every_cell_and_compares_nothing(project):
    done = check_outputs(project, FASHION_MNIST_ROOT="sample")
    assert "outputs are not compared: only the bundled sample" in done.stdout
    assert "20 passed" in done.stdout


def test_a_cell_that_changes_when_run_again_says_why(project):
    done = check_outputs(project, why="", FASHION_MNIST_ROOT="sample")
    assert done.returncode != 0
    assert "Cell 9: changes-when-run-again needs a `why`" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere browsers need no PATH")
@pytest.mark.parametrize("ci, outcome", [("true", "2 errors"), ("", "2 skipped")])
def test_what_is_missing_fails_in_ci_and_is_skipped_elsewhere(project, ci, outcome):
    tests = "def test_a(full_data): pass\ndef test_b(chromium_path): pass\n"
    (project.root / "tests" / "test_it.py").write_text(tests)
    done = project.pytest(
        CI=ci,
        FASHION_MNIST_ROOT="sample",
        PATH="",
        PLAYWRIGHT_BROWSERS_PATH=str(project.root),
        PLAYWRIGHT_DOWNLOAD_HOST="http://127.0.0.1:9",  # where nobody answers
    )
    assert outcome in done.stdout.splitlines()[-1]
    assert "the full Fashion-MNIST is not here" in done.stdout
    assert "no Chromium, Chrome or Edge" in done.stdout


# --- storing outputs


def two_notebooks(folder):
    """Writes a notebook that runs, with ids missing, and one that fails."""
    cells = [
        text("# Title"),
        code("import time, ipywidgets, torch", tags=["slow"]),
        code("print('a', flush=True); time.sleep(0.1); print('b')"),
        code("ipywidgets.IntSlider()"),
        code("torch.nn.Linear(2, 3)(torch.ones(3))", tags=["raises-exception"]),
    ]
    cells[2].metadata.execution = {"iopub.execute_input": "2024-01-01T00:00:00Z"}
    good = write(folder / "00_good.ipynb", list(map(nameless, cells)), widgets={})
    cells = [text("# Title"), code("1"), code("d = {}\nd['W2']"), code("2")]
    return good, write(folder / "01_bad.ipynb", cells)


def test_stored_outputs_are_what_a_reader_sees(tmp_path, capsys):
    good, _ = two_notebooks(tmp_path)
    run_notebooks.run(good, slow=0)
    notebook = nbformat.reads(good.read_text(), as_version=4)
    printed, slider, error = (cell.outputs for cell in notebook.cells[2:])
    assert [output.text for output in printed] == ["a\nb\n"]
    assert slider[0].data["text/plain"].startswith("IntSlider(")
    traceback = "".join(error[0].traceback)
    assert "site-packages/torch" in traceback
    assert not re.search(r"[/\\]site-packages", traceback)
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    said = capsys.readouterr().out
    assert re.search(r"00_good.ipynb, cell 3: it took \d+ s: tag it slow", said)
    assert "cell 2" not in said  # it has the tag
    assert notebook.metadata.language_info == {"name": "python"}
    assert notebook.metadata.kernelspec.display_name == "Python 3"
    followed = (
        lint.the_kernel_is_python3,
        lint.cells_ran_in_order,
        lint.errors_are_announced,
        lint.every_cell_has_its_own_id,
        lint.no_widget_is_stored,
        lint.no_path_of_a_machine,
    )
    checked = lint.Notebook.load(good)
    assert not [found for rule in followed for found in checked.findings(rule)]


def test_new_ids_are_the_same_every_time(tmp_path):
    path = write(tmp_path / "08_lesson.ipynb", [nameless(code("x")) for _ in range(3)])
    ids = [cell.id for cell in run_notebooks.read(path).cells]
    assert ids == [cell.id for cell in run_notebooks.read(path).cells]
    assert len(set(ids)) == 3


def test_a_notebook_that_fails_is_named_and_left_as_it_was(project, full_data):
    good, bad = two_notebooks(project.notebooks)
    before = good.read_bytes(), bad.read_bytes()
    done = project.python("tools/run_notebooks.py")
    assert done.returncode == 1
    assert "01_bad.ipynb, cell 3: KeyError: 'W2'" in done.stderr
    assert good.read_bytes() != before[0]
    assert bad.read_bytes() == before[1]
    assert sorted(os.listdir(project.notebooks)) == [good.name, bad.name]


@pytest.mark.parametrize(
    "name, source, sentence",
    [("00_good", "sample", "full Fashion-MNIST"), ("07_more", "", "notebook 07_more")],
)
def test_it_says_why_it_runs_nothing(name, source, sentence, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHION_MNIST_ROOT", source)
    good, _ = two_notebooks(tmp_path)
    before = good.read_bytes()
    with pytest.raises(SystemExit, match=sentence):
        run_notebooks.main([name], tmp_path)
    assert good.read_bytes() == before


def test_only_the_notebooks_that_are_named_run(full_data, tmp_path, monkeypatch):
    ran = []
    two_notebooks(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # main adds to it
    run_notebooks.main(["notebooks/01_bad.ipynb"], tmp_path, run=ran.append)
    assert ran == [tmp_path / "01_bad.ipynb"]
