"""The language that a kernel speaks: how it is chosen, and what a damaged one does."""

import os
import re
import struct
import subprocess
import sys
from dataclasses import fields
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

import spoken
from helpers import Config, language
from helpers.language import chosen_language, fonts, load

ROOT = Path(__file__).parents[1]
ZH = "zh_CN"


@pytest.mark.parametrize(
    "wanted",
    ["zh_CN", "zh-CN", "zh", "ZH_cn", " zh_CN.UTF-8", "zh_Hans", "zh_TW", "zh@x"],
)
def test_a_language_is_known_in_each_usual_spelling(wanted, tmp_path, capsys):
    assert chosen_language(wanted, tmp_path) == ZH
    assert not capsys.readouterr().err


@pytest.mark.parametrize("wanted", ["", "en", "en_US.UTF-8", "EN"])
def test_english_is_spoken_without_a_word_about_it(wanted, tmp_path, capsys):
    assert chosen_language(wanted, tmp_path) == "en"
    assert not capsys.readouterr().err


def test_a_notebook_in_a_languages_folder_is_answered_in_it(tmp_path):
    assert chosen_language("", tmp_path / ZH) == ZH
    assert chosen_language("en", tmp_path / ZH) == "en"


def test_an_unknown_language_gets_one_sentence_and_english(tmp_path, capsys):
    assert chosen_language("kl\n" * 40, tmp_path) == "en"
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "kl" in said and f"en, {ZH}" in said
    assert len(said) < 120


def compiled(header, version=0):
    """A catalogue with nothing but a header."""
    text = f"Content-Type: text/plain; charset=UTF-8\n{header}\n".encode()
    start = struct.pack("<7I", 0x950412DE, version, 1, 28, 36, 0, 0)
    return start + struct.pack("<4I", 0, 44, len(text), 45) + b"\0" + text + b"\0"


PLURALS = "Plural-Forms: nplurals=2; plural="
DAMAGED = {
    **{"empty": b"", "no catalogue": b"{}", "cut short": compiled("")[:60]},
    "of another version": compiled("", version=5 << 16),
    "with a rule for plurals that can't be read": compiled(f"{PLURALS}n !! 1;"),
    "with one that fails at some counts": compiled(f"{PLURALS}n / (n - 5);"),
    "in letters that nobody knows": compiled("Content-Type: text; charset=kl"),
    "missing": None,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_catalogue_is_survived_in_english(content, tmp_path, capsys):
    path = tmp_path / ZH / "LC_MESSAGES" / "helpers.mo"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_bytes(content)
    assert ZH in language.languages(tmp_path)
    spoken = load(ZH, "helpers", tmp_path)
    assert spoken.gettext("Paused.") == "Paused."
    assert [spoken.ngettext("1", "more", count) for count in (1, 5)] == ["1", "more"]
    said = capsys.readouterr().err
    assert said.count(str(path)) == said.count("\n") == 1


@pytest.mark.parametrize(
    ("variables", "chinese"),
    [
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"COURSE_LANG": "zh-cn", "LC_ALL": "en_US.UTF-8"}, True),
        ({"LANGUAGE": "zh:en", "LANG": "en_US.UTF-8"}, True),
        ({"LANGUAGE": "en:zh", "LANG": "zh_CN.UTF-8"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"COURSE_LANG": "kl", "LANG": "zh_CN.UTF-8"}, False),
        ({}, False),
    ],
)
def test_the_tools_ask_the_usual_variables(variables, chinese, monkeypatch):
    for name in spoken.VARIABLES:
        monkeypatch.setenv(name, variables.get(name, ""))
    said = spoken.tr("no message")
    assert said == ("没有给出原因" if chinese else "no message")


def test_a_terminal_that_cannot_write_chinese_gets_english(monkeypatch):
    monkeypatch.setenv("COURSE_LANG", "zh")
    monkeypatch.setattr("sys.stdout", TextIOWrapper(BytesIO(), encoding="latin-1"))
    assert spoken.tr("no message") == "no message"


def test_what_has_no_translation_appears_in_english_and_is_counted():
    sentence = "A sentence that nobody has translated."
    before = language.untranslated[sentence]
    assert load(ZH, "helpers").gettext(sentence) == sentence
    assert language.untranslated[sentence] == before + 1


def in_chinese(code, home):
    """What Python prints, and what it ends with, where the course speaks Chinese."""
    variables = {"COURSE_LANG": "zh", "COURSE_HOME": str(home), "PYTHONUTF8": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **variables,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests"))),
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return ended.stdout, ended.stderr


@pytest.mark.slow
def test_a_kernel_that_is_asked_to_speaks_chinese(tmp_path):
    _, errors = in_chinese("from helpers import Config; Config(lr=-1)", tmp_path)
    said = errors.splitlines()[-1]
    assert said.startswith("ValueError: lr") and "。" in said and "-1" in said


SOLVED = """
from helpers import check, hint, language
from helpers.exercises.exercise import all_exercises
for id, exercise in all_exercises().items():
    said = check(id, exercise.reference)
    assert said.right, said
    print(said)
    print(check(id, lambda *given, **named: None))
    for _ in exercise.hints:
        print(hint(id))
assert not language.untranslated, language.untranslated
"""


@pytest.mark.slow
def test_every_exercise_is_solved_in_chinese(tmp_path):
    said, errors = in_chinese(SOLVED, tmp_path)
    assert not errors
    for line in said.splitlines():
        assert re.search("[\u4e00-\u9fff]", line), line


RAISED = """
from helpers import check
print(check("5.1", lambda lo, hi, count: 1 / 0))
"""


@pytest.mark.slow
def test_a_call_in_a_chinese_sentence_is_python(tmp_path):
    said, errors = in_chinese(RAISED, tmp_path)
    assert "(0.001, 1.0, 4)" in said and "5.1" in said and not errors


DRAWN = """
import optuna
import torch
from helpers import *
from pictures import texts

data = load_fashion_mnist("sample")
images, labels = data.val.images, data.val.labels
net = MLP(784, 16, 10)
runs = sweep([Config(num_epochs=1, num_hiddens=2, lr=lr) for lr in (0.1, 1)], data)
optuna.logging.disable_default_handler()
study = optuna.create_study(direction="maximize")
study.optimize(lambda trial: trial.suggest_float("lr", 0.1, 1), 12)
drawn = [
    plot_columns(net.W1, "1"),
    plot_confusion(torch.eye(10), list("0123456789"), "1"),
    plot_curves(list(train(Config(num_epochs=1), data))),
    plot_pictures(images[:1], ["1"], "1"),
    plot_histograms({"1": images}, "1"),
    plot_layers({"1": measure_layers(net, images, labels)}, "1"),
    plot_grid(runs, "lr", "num_hiddens", "num_layers", text="1"),
    plot_losses({"1": runs}, "1"),
    plot_sweep(runs, "lr"),
    plot_study(study),
    plot_races(race("random", runs, 2, 1, recorded=False)),
    *(make(data)._picture() for make in (lab, init_lab, grid_lab)),
    shapes_lab()._picture(),
]
for picture in drawn:
    print("PICTURE", *(text.get_text() for text in texts(picture.figure)))
"""
# What code calls the same: settings, a strategy, and the lines that shapes_lab shows.
NAMES = {one.name for one in fields(Config)} | {"random", "hidden"}
NAMES |= {"matmul", "add", "relu", "mathdefault", "times"}


@pytest.mark.slow
def test_pictures_have_no_english_word_but_names(tmp_path):
    said, errors = in_chinese(DRAWN, tmp_path)
    _, *pictures = said.split("PICTURE")
    assert len(pictures) == 15, errors
    for picture in pictures:
        assert set(re.findall("[A-Za-z_]{2,}", picture)) <= NAMES, picture
    assert "准确率" in said


def test_pictures_have_a_font_that_can_write_the_language():
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    for family in (fonts.families(ZH, system=False), fonts.families(ZH)):
        assert family[0] == "DejaVu Sans"
        font = FT2Font(
            findfont(FontProperties(family=family[1]), fallback_to_default=False)
        )
        assert all(font.get_char_index(ord(letter)) for letter in "准确率随机")
    assert fonts.families("en") == fonts.families(ZH)  # a Chinese page in English
