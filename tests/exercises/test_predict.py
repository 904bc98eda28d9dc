"""predict and reveal, and the file that keeps what a learner chose."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from helpers import predict, records, reveal
from helpers.exercises.predict import _asked

OPTIONS = ["about 1 point", "about 10 points", "down to chance"]
RANGES = {"about 2": (2, 3), "about 23": (10, 50), "more": (100, math.inf)}


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    """A file of this test's own."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "own"))
    _asked.clear()
    yield tmp_path / "own" / "course.sqlite"
    records.notice()


def ask(id="dropout"):
    return predict(id, "How much lower?", OPTIONS)


def radio(asked):
    return asked.children[1]


def votes(asked):
    return [row.children[0] for row in asked.children[2].children]


def said(asked):
    return asked.children[3].children[1].value


def plain(shown):
    bundle = shown._repr_mimebundle_()
    return (bundle[0] if isinstance(bundle, tuple) else bundle)["text/plain"]


def test_a_choice_is_shown_beside_the_measurement():
    radio(ask()).value = "about 10 points"
    shown = reveal("dropout", "about 1 point")
    assert str(shown) == (
        "How much lower?\nYou predicted: about 10 points\nMeasured: about 1 point"
    )
    assert "<td" in shown._repr_html_() and "<b>≠</b>" in shown._repr_html_()


def test_a_right_prediction_is_called_right():
    radio(ask()).value = "about 1 point"
    shown = reveal("dropout", "about 1 point")
    assert "You predicted: about 1 point. Correct." in str(shown)
    assert "<b>✓</b>" in shown._repr_html_()


def test_a_number_is_found_in_the_range_of_its_option():
    radio(predict("loss", "What is the loss?", RANGES)).value = "more"
    assert "You predicted: more. Correct." in str(reveal("loss", 320.5))
    assert "Measured: about 2" in str(reveal("loss", 2))
    assert "Measured: about 23" in str(reveal("loss", "about 23"))


def test_each_option_can_have_its_own_measurement():
    ask()
    shown = str(reveal("dropout", False, torch.tensor(True), False))
    assert "Measured: about 10 points" in shown


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    ("options", "measured"),
    [
        *((OPTIONS, one) for one in [(1.3,), ("less",), (None,), (True, True, False)]),
        *((OPTIONS, one) for one in [(False,) * 3, (1, 2), (torch.zeros(9),)]),
        *((RANGES, one) for one in [(3,), (-1.0,), (math.nan,), ("",), (True, True)]),
    ],
)
def test_reveal_refuses_what_is_no_option_and_changes_nothing(
    options, measured, restarted
):
    radio(predict("loss", "What is the loss?", options)).value = list(options)[0]
    kept = records.read("predictions")
    if restarted:  # the question is known from the file alone
        _asked.clear()
    with pytest.raises(ValueError) as error:
        reveal("loss", *measured)
    listed = ", ".join(map(repr, options))
    sentence = str(error.value)
    assert sentence.startswith(f"The question 'loss' can be answered by {listed}; ")
    assert sentence.endswith(
        " is none of these. Run the cells since its predict cell again."
    )
    assert "\n" not in sentence and records.read("predictions") == kept


def test_reveal_without_a_measurement_is_refused():
    ask()
    with pytest.raises(ValueError, match=r"; \(\) is none of these"):
        reveal("dropout")


@pytest.mark.parametrize("ranges", [{"a": (0, 1), "b": 3}, {"a": (0, 1)}, {1: 2, 2: 3}])
def test_ranges_that_are_none_are_named(ranges):
    with pytest.raises(ValueError, match="or a range of numbers for each"):
        predict("loss", "What is the loss?", ranges)


def test_the_votes_of_a_class_are_tallied():
    asked = ask()
    for box, count in zip(votes(asked), (3, 12, 5)):
        box.value = count
    shown = reveal("dropout", "about 1 point")
    tally = '"about 1 point" 3, "about 10 points" 12, "down to chance" 5'
    assert f"The class voted: {tally}." in str(shown)
    assert "You predicted" not in str(shown)
    assert "█ 12" in shown._repr_html_()


def test_without_a_front_end_both_are_stable_lines():
    assert plain(ask()) == (
        "Predict: How much lower? (about 1 point / about 10 points / down to chance) "
        "In JupyterLab, run this cell and choose."
    )
    assert str(reveal("dropout", "about 1 point")) == (
        "How much lower?\nNo prediction was made here.\nMeasured: about 1 point"
    )
    assert "<b>○</b>" in reveal("dropout", "about 1 point")._repr_html_()


def test_a_choice_is_there_again_in_the_next_kernel():
    radio(ask()).value = "down to chance"
    assert radio(ask()).value == "down to chance"
    _asked.clear()
    assert "You predicted: down to chance" in str(reveal("dropout", "about 1 point"))


def test_a_first_choice_says_only_what_is_kept():
    asked = ask()
    assert said(asked).startswith("Choose one") and "written" not in said(asked)
    radio(asked).value = "about 1 point"
    assert said(asked) == "Saved: about 1 point"


def test_revealing_first_leaves_no_record(path):
    ask()
    reveal("dropout", "about 1 point")
    assert not path.exists()


def test_a_choice_under_an_earlier_id_is_still_there():
    kept = {"question": "Q?", "options": OPTIONS, "choice": OPTIONS[0]}
    records.change("predictions", "redundant", **kept)
    asked = predict("requires-grad-inside", "Q?", OPTIONS)
    assert radio(asked).value == OPTIONS[0]


def test_a_prediction_cant_be_changed_after_the_answer():
    asked = ask()
    reveal("dropout", "about 1 point")
    assert radio(asked).disabled
    assert "run this cell again" in said(asked)
    assert not radio(ask()).disabled


def test_on_a_page_where_all_has_run_the_answer_follows_the_choice(monkeypatch):
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    asked = ask()
    shown = reveal("dropout", "about 1 point")
    assert "No prediction was made here." in shown.value
    assert not radio(asked).disabled
    radio(asked).value = "about 1 point"
    assert "You predicted: about 1 point. Correct." in shown.value


def test_an_answer_without_its_question_says_what_to_run():
    shown = str(reveal("nobody-asked", 3))
    assert "'nobody-asked' has not been asked yet: run its predict cell" in shown
    assert "Measured: 3" in shown


def test_another_question_under_the_same_id_starts_afresh():
    radio(ask()).value = "down to chance"
    asked = predict("dropout", "Does it rise?", ["yes", "no"])
    assert radio(asked).value is None


def test_what_a_learner_typed_is_no_markup():
    radio(predict("tags", "Is <b> bold?", ["<i>yes</i>", "no"])).value = "<i>yes</i>"
    drawn = reveal("tags", "<i>yes</i>")._repr_html_()
    assert "<i>" not in drawn and "&lt;i&gt;yes" in drawn


@pytest.mark.parametrize(
    "arguments, named",
    [
        (("", "Q?", OPTIONS), "needs a short name"),
        ((3, "Q?", OPTIONS), "you gave 3"),
        (([], "Q?", OPTIONS), r"you gave \[\]"),
        (("a", None, OPTIONS), "the question as text; you gave None"),
        (("a", "Q?", ["one"]), r"you gave \['one'\]"),
        (("a", "Q?", ["one", "one"]), "different answers"),
        (("a", "Q?", ["one", 2]), "two or more different answers"),
        (("a", "Q?", "yes"), "you gave 'yes'"),
        (("a", "Q?", None), "you gave None"),
    ],
)
def test_bad_input_is_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        predict(*arguments)


@pytest.mark.parametrize(
    "id, found",
    [
        ([], "[]"),
        ({"a": 1}, "{'a': 1}"),
        (None, "None"),
        (3, "3"),
        (" ", "' '"),
        (b"dropout", "b'dropout'"),
    ],
)
def test_an_odd_id_is_named(id, found):
    with pytest.raises(ValueError) as error:
        reveal(id, 1)
    assert str(error.value) == (
        "reveal(id, measured) needs a short name as its id, such as 'init-zeros'; "
        f"you gave {found}."
    )


def test_a_large_object_is_named_in_short():
    with pytest.raises(ValueError, match="you gave torch.float32") as error:
        reveal(torch.zeros(100, 784), "about 1 point")
    with pytest.raises(ValueError, match="different answers") as of_options:
        predict("a", "Q?", list(range(10_000)))
    for said in (str(error.value), str(of_options.value)):
        assert "\n" not in said and len(said) < 200


# --- the file


def test_an_unreadable_file_is_set_aside_with_a_notice(path):
    path.parent.mkdir()
    path.write_text("{broken")
    asked = ask()
    assert f"It is now {path}.unreadable-1" in said(asked)
    radio(asked).value = "about 1 point"
    assert records.read("predictions")["dropout"]["choice"] == "about 1 point"


def test_an_answer_without_its_question_tells_of_an_unreadable_file(path):
    path.parent.mkdir()
    path.write_text("{broken")
    shown = reveal("dropout", "about 1 point")
    aside = f"{path}.unreadable-1"
    assert str(shown).splitlines()[-2:] == [
        "Measured: about 1 point",
        f"{path} could not be read. It is now {aside}; a new file was started.",
    ]
    assert aside in shown._repr_html_()
    assert aside not in str(reveal("dropout", "about 1 point"))  # said once


GOOD = {
    "question": "How much lower?",
    "options": OPTIONS,
    "choice": "about 1 point",
    "votes": {"about 1 point": 3, "about 10 points": 12, "down to chance": 5},
}


def keep_by_hand(**changes):
    records.change("predictions", "dropout", **GOOD | changes)


@pytest.mark.parametrize(
    "kept", [None, [1], 3, "many", {}, {"elsewhere": 7}, dict.fromkeys(OPTIONS, "3")]
)
def test_votes_that_are_no_counts_are_none(kept):
    keep_by_hand(votes=kept)
    assert [box.value for box in votes(ask())] == [0, 0, 0]
    _asked.clear()
    shown = reveal("dropout", "about 10 points")
    assert "You predicted: about 1 point" in str(shown)
    assert "class" not in str(shown) and ">class<" not in shown._repr_html_()
    assert "about 10 points" in shown._repr_html_()


@pytest.mark.parametrize("odd", [-4, 1.5, True, None, [], "12", 10**6])
def test_a_count_that_cant_be_is_zero_and_the_others_stay(odd):
    keep_by_hand(votes=GOOD["votes"] | {"about 10 points": odd})
    assert [box.value for box in votes(ask())] == [3, 0, 5]
    _asked.clear()
    shown = reveal("dropout", "about 1 point")
    assert '"about 1 point" 3, "about 10 points" 0, "down to chance" 5' in str(shown)
    assert "█ 5" in shown._repr_html_()


@pytest.mark.parametrize("odd", [[1], {"a": 1}, 3, True, "", "another answer", None])
def test_a_choice_that_is_no_option_is_not_made(odd):
    keep_by_hand(choice=odd)
    asked = ask()
    assert radio(asked).value is None
    assert "12" in said(asked)  # only the votes are saved
    _asked.clear()
    shown = reveal("dropout", "about 1 point")
    assert "You predicted" not in str(shown) + shown._repr_html_()
    assert "The class voted" in str(shown)


@pytest.mark.parametrize(
    "odd",
    [{"options": o} for o in (3, None, [], ["one"], [1, 2], ["a", "a"], {"a": 1})]
    + [{"question": q} for q in (None, 3, [], " ")],
)
def test_a_record_without_its_question_counts_as_none(odd):
    keep_by_hand(**odd)
    assert radio(ask()).value is None
    _asked.clear()
    shown = reveal("dropout", "about 1 point")
    assert "has not been asked yet: run its predict cell" in str(shown)
    assert "Measured: about 1 point" in shown._repr_html_()


def test_an_odd_record_is_mended_by_the_next_choice():
    keep_by_hand(question=3, options=None, choice=[], votes=[1])
    radio(ask()).value = "about 1 point"
    _asked.clear()
    assert "You predicted: about 1 point" in str(reveal("dropout", "down to chance"))


def test_votes_are_still_said_to_be_saved_when_the_cell_runs_again():
    for box, count in zip(votes(ask()), (3, 12, 5)):
        box.value = count
    assert said(ask()).startswith("Saved: ") and "12" in said(ask())


def test_votes_on_an_earlier_question_are_not_shown_with_the_next(path):
    for box, count in zip(votes(ask()), (3, 12, 5)):
        box.value = count
    radio(predict("dropout", "Does it rise?", ["yes", "no"])).value = "yes"
    _asked.clear()
    shown = reveal("dropout", "no")
    assert "Does it rise?" in str(shown) and "point" not in shown._repr_html_()


def test_what_cant_be_written_lasts_as_long_as_the_kernel(path):
    path.parent.write_text("a file stands where the folder should be")
    asked = ask()
    radio(asked).value = "about 1 point"
    assert "last only until this kernel ends" in said(asked)
    assert "You predicted: about 1 point" in str(reveal("dropout", "about 1 point"))
    assert radio(ask()).value == "about 1 point"
    path.parent.unlink()
    records.change("predictions", "other", choice="y")
    assert set(records.read("predictions")) == {"dropout", "other"}
    assert records.notice() == "" and path.exists()


# --- in two languages

ROOT = Path(__file__).parents[2]
TEXTS = {"How much lower?": "低多少？"} | dict(
    zip(OPTIONS, ("约 1 个百分点", "约 10 个百分点", "只剩瞎猜"))
)
PREDICTS = """
import json, sys
from helpers import predict, reveal
question, *options = json.loads(sys.argv[1])
asked = predict("dropout", question, options)
radio, votes = asked.children[1:3]
print(radio.value, votes.children[1].children[0].value)
radio.value = options[int(sys.argv[2])]
votes.children[1].children[0].value += 3
print(reveal("dropout", options[1]))
"""
REVEALS = """
import sys
from helpers import progress, reveal
print(reveal("dropout", sys.argv[1]))
print(progress())
"""


@pytest.fixture
def says(tmp_path):
    """What some code says in a language, with the course's own records of this test."""
    files = shutil.ignore_patterns("sample", "recorded")
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers", ignore=files)
    catalogue = Catalog("zh_CN")
    for english, chinese in TEXTS.items():
        catalogue.add(english, chinese)
    folder = tmp_path / "locale" / "zh_CN" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    for domain in ("helpers", "notebooks"):
        with open(folder / f"{domain}.mo", "wb") as file:
            write_mo(file, catalogue)

    def in_language(language, code, *inputs):
        ended = subprocess.run(
            [sys.executable, "-c", code, *inputs],
            cwd=tmp_path,
            env=os.environ | {"COURSE_LANG": language, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.splitlines()

    return in_language


@pytest.mark.slow
def test_a_prediction_that_was_made_in_one_language_is_read_in_another(says):
    english, chinese = list(TEXTS), list(TEXTS.values())
    said = says("zh_CN", PREDICTS, json.dumps(chinese), "0")
    assert said[:3] == ["None 0", chinese[0], f"You predicted: {chinese[1]}"]
    kept = records.read("predictions")["dropout"]
    assert [kept["question"], *kept["options"]] == english
    said = says("en", PREDICTS, json.dumps(english), "1")
    assert said[:2] == [f"{english[1]} 3", english[0]]
    assert said[2] == f"You predicted: {english[2]}. Correct."
    assert f'"{english[2]}" 6' in said[3]
    said = says("en", PREDICTS, json.dumps(chinese), "1")  # a Chinese page, in English
    assert said[0] == f"{chinese[2]} 6"
    assert records.read("predictions")["dropout"]["options"] == english[1:]
    said = says("zh_CN", REVEALS, chinese[2])
    assert said[:2] == [chinese[0], f"You predicted: {chinese[2]}. Correct."]
    assert f'"{chinese[2]}" 9' in said[2] and said[3] == f"Measured: {chinese[2]}"
    assert "1 of 1 predictions matched" in said[-1]
