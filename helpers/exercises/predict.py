"""Predict, then run, then see both side by side: `predict` and `reveal`."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from helpers import records
from helpers.given import brief, require
from helpers.instrument import Instrument, of_this_cell
from helpers.language import COMMA, SPACE, from_english, to_english, tr
from helpers.tables import Look, Row, as_html, page, prose, reply

MAX_VOTES = 100_000
# Earlier ids gave the answer away. What was kept under them is still read.
FORMER = {"requires-grad-inside": "redundant", "shapes-epoch": "shapes-last-batch"}

ASK = tr("Predict: {question} ({options}) In JupyterLab, run this cell and choose.")
CHOOSE = tr("Choose one, then go on. Your choice stays on this machine.")
KEPT = tr("Saved: {choice}")
REVEALED = tr("The answer is out. To predict again, run this cell again.")
VOTES = tr("class votes")
VOTES_TOOLTIP = tr("For teachers: enter how many students chose each answer.")
NO_PREDICTION = tr("No prediction was made here.")
PREDICTED = tr("You predicted: {choice}")
AS_PREDICTED = tr("You predicted: {choice}. Correct.")
VOTED = tr("The class voted: {tally}.")
# Translators: an answer and how many chose it, in the {tally} above.
TALLIED = tr('"{option}" {count}')
MEASURED = tr("Measured: {measured}")
COLUMNS = (tr("answer"), tr("you"), tr("class"), tr("measured"))
BAD_ID = tr(
    "{call} needs a short name as its id, such as 'init-zeros'; you gave {found}."
)
BAD_QUESTION = tr(
    "predict(id, question, options) needs the question as text; you gave {found}."
)
BAD_OPTIONS = tr(
    "predict({id!r}, ...) needs two or more different answers, such as ['rises', "
    "'falls'], or a range of numbers for each, such as {{'below 1': (0, 1), ...}}; you "
    "gave {found}."
)
NOT_MEASURED = tr("reveal(id, measured) needs what was measured; you gave {found}.")
NO_OPTION = tr(
    "The question {id!r} can be answered by {options}; {found} is none of these. Run "
    "the cells since its predict cell again."
)
NOT_ASKED = tr(
    "The question {id!r} has not been asked yet: run its predict cell first."
)

_asked: dict[str, "Prediction"] = {}


Ranges = dict[str, tuple[float, float]]  # answer -> from this number to below that


def predict(id: str, question: str, options: list[str] | Ranges) -> "Prediction":
    """Ask for a prediction, and keep the choice for `reveal`.

    id: a short name, such as "init-zeros". question: one sentence. options: two or
    more different answers; as a dict, each with the range of numbers that it stands
    for. Returns a widget. The choice, or the votes of a class, are kept in a file of
    the user's own on this machine. Raises ValueError for any other input.
    """
    require(_is_text(id), BAD_ID, id, call="predict(id, question, options)")
    require(_is_text(question), BAD_QUESTION, question)
    require(_are_options(options), BAD_OPTIONS, options, id=id)
    _asked[id] = of_this_cell(Prediction(id, question, options))
    return _asked[id]


def reveal(id: str, *measured: object) -> "Revealed | widgets.HTML":
    """The prediction, or the class's votes, beside what was measured.

    id: that of an earlier `predict`. measured: one of its options, a number in the
    range of one, or for each option in turn whether it is what was measured. If this
    kernel has not asked the question, it shows what was kept before, or says what to
    run. Raises ValueError for an id that no question can have, and for a measurement
    that is none of the options.
    """
    require(_is_text(id), BAD_ID, id, call="reveal(id, measured)")
    if id in _asked:
        asked = _asked[id]
        # A page of Voila runs all cells when it opens, before its reader has predicted.
        on_a_page = os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
        return asked.follow(*measured) if on_a_page else asked.reveal(*measured)
    require(bool(measured), NOT_MEASURED, measured)
    question, choice, votes = _kept(id)
    answer = _answer(id, list(votes), measured) if question else _in_words(measured[0])
    question = question or NOT_ASKED.format(id=id)
    return Revealed(question, choice, votes, answer, records.notice())


def _answer(id: str, options: list[str] | Ranges, measured: tuple) -> str:
    """The option that was measured."""
    found = measured[0] if len(measured) == 1 else measured
    if len(measured) == len(options):
        fits = [option for option, is_it in zip(options, measured) if _holds(is_it)]
    elif isinstance(options, dict) and isinstance(found, (int, float)):
        fits = [one for one, (low, high) in options.items() if low <= found < high]
    else:
        fits = [option for option in options if option == _in_words(found)]
    listed = COMMA.join(map(repr, options))
    require(len(fits) == 1, NO_OPTION, found, id=id, options=listed)
    return fits[0]


def _holds(value: Any) -> bool:
    try:
        return bool(value)
    except Exception:  # several numbers are neither true nor false
        return False


def _in_words(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # an int of 5,000 digits, or a learner's own class
        return brief(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_options(value: object) -> bool:
    fine = isinstance(value, (list, tuple, dict)) and all(map(_is_text, value))
    if fine and isinstance(value, dict):
        fine = all(
            isinstance(ends, tuple)
            and len(ends) == 2
            and all(isinstance(end, (int, float)) for end in ends)
            for ends in value.values()
        )
    return fine and len(set(value)) == len(value) >= 2


def _kept(
    id: str, say: Callable[[str], str] = from_english
) -> tuple[str | None, str | None, dict[str, int]]:
    """What was kept of a question: its text, the choice, and the votes by option.

    It is kept in English, and `say` puts it into another language. People can edit
    the file. So a record without a question and options counts as none, a choice that
    is no option as not made, and a count that can't be as 0.
    """
    made = records.read("predictions")
    kept = made.get(id) or made.get(FORMER.get(id), {})
    question, options = kept.get("question"), kept.get("options")
    if not (_is_text(question) and _are_options(options)):
        return None, None, {}
    choice, votes = kept.get("choice"), dict.fromkeys(options, 0)
    counts = kept.get("votes")
    for option in options if isinstance(counts, dict) else []:
        count = counts.get(option)
        if type(count) is int and 0 <= count <= MAX_VOTES:
            votes[option] = count
    chosen = say(choice) if choice in options else None
    votes = {say(option): count for option, count in votes.items()}
    return say(question), chosen, votes


class Prediction(Instrument):
    """The widget that `predict` returns."""

    def __init__(self, id: str, question: str, options: list[str] | Ranges) -> None:
        self.id, self.question, self._measurable = id, question, options
        self.options = options = list(options)
        own = {to_english(option): option for option in options}
        _, choice, votes = _kept(id, lambda text: own.get(text, text))
        self._said = widgets.HTML()
        self._radio = widgets.RadioButtons(
            options=options,
            value=choice if choice in options else None,
            layout=widgets.Layout(width="auto"),
        )
        self._boxes = {option: _votes_box(votes.get(option, 0)) for option in options}
        self._by_class = widgets.ToggleButton(
            value=any(self._votes().values()),
            description=VOTES,
            tooltip=VOTES_TOOLTIP,
            icon="users",
            layout=widgets.Layout(width="auto", flex="0 0 auto"),
        )
        counts = [
            widgets.HBox([box, widgets.HTML(prose(option))])
            for option, box in self._boxes.items()
        ]
        self._counts = widgets.VBox(counts)
        self._counts.add_class("course-counts")
        asked = widgets.HTML(f"<b>{prose(question)}</b>")
        bottom = widgets.HBox([self._by_class, self._said])
        super().__init__([asked, self._radio, self._counts, bottom])
        self._page.names = {".widget-radio-box": question} | {
            f".course-counts > :nth-child({i}) input": option
            for i, option in enumerate(options, start=1)
        }
        self._show_votes()
        voted = _tally(self._votes()) if self._by_class.value else None
        if kept := self._radio.value or voted:
            self._say(KEPT.format(choice=kept), saved=True)
        else:
            self._say(CHOOSE)
        self._radio.observe(self._on_choice, "value")
        self._by_class.observe(self._show_votes, "value")
        for box in self._boxes.values():
            box.observe(self._on_votes, "value")

    def _votes(self) -> dict[str, int]:
        return {option: box.value for option, box in self._boxes.items()}

    def _show_votes(self, _: object = None) -> None:
        self._counts.layout.display = None if self._by_class.value else "none"

    def _on_choice(self, change: dict) -> None:
        self._keep(choice=change["new"])
        self._say(KEPT.format(choice=change["new"]), saved=True)

    def _on_votes(self, _: object) -> None:
        votes = self._votes()
        self._keep(votes=votes)
        self._say(KEPT.format(choice=_tally(votes)), saved=True)

    def _keep(self, **values: Any) -> None:
        """Keep it in English, since the next kernel may speak another language."""
        asked = {"question": self.question, "options": self.options}
        english = {name: _in_english(value) for name, value in (asked | values).items()}
        records.change("predictions", self.id, **english)

    def _say(self, sentence: str, saved: bool = False) -> None:
        (self._said.add_class if saved else self._said.remove_class)("course-saved")
        said = SPACE.join(filter(None, [sentence, records.notice()]))
        self._said.value = prose(said)
        self._announce(said)

    def reveal(self, *measured: object) -> "Revealed":
        """What was predicted beside what was measured."""
        answer, votes = _answer(self.id, self._measurable, measured), self._votes()
        if self._radio.value or any(votes.values()):
            self._keep(measured=answer)
        for control in (self._radio, *self._boxes.values()):
            control.disabled = True  # a prediction comes before the answer
        self._say(REVEALED)
        return Revealed(self.question, self._radio.value, votes, answer)

    def follow(self, *measured: object) -> widgets.HTML:
        """The same, where the answer is measured first: it follows what is chosen."""
        answer, shown = _answer(self.id, self._measurable, measured), widgets.HTML()

        def show(_: object = None) -> None:
            choice, votes = self._radio.value, self._votes()
            revealed = Revealed(self.question, choice, votes, answer)
            shown.value = revealed._repr_html_()

        for control in (self._radio, *self._boxes.values()):
            control.observe(show, "value")
        show()
        return shown

    def _text(self) -> str:
        options = " / ".join(self.options)
        return ASK.format(question=self.question, options=options)


def _in_english(value: Any) -> Any:
    if isinstance(value, dict):  # votes by option
        return {to_english(option): count for option, count in value.items()}
    return [*map(to_english, value)] if isinstance(value, list) else to_english(value)


def _votes_box(count: int) -> widgets.BoundedIntText:
    layout = widgets.Layout(width="80px")
    return widgets.BoundedIntText(value=count, max=MAX_VOTES, layout=layout)


@dataclass
class Revealed:
    """What `reveal` returns: a table in a notebook, sentences under str()."""

    question: str
    choice: str | None
    votes: dict[str, int]  # how many of the class chose each option
    measured: str
    notice: str = ""  # what went wrong with the learner's file

    def __str__(self) -> str:
        said = self._sentences()
        if any(self.votes.values()):
            said.insert(-1, VOTED.format(tally=_tally(self.votes)))
        return "\n".join(filter(None, [self.question, *said, self.notice]))

    __repr__ = __str__

    def _sentences(self) -> list[str]:
        said = [MEASURED.format(measured=self.measured)]
        if self.choice:
            right = self.choice == self.measured
            sentence = AS_PREDICTED if right else PREDICTED
            said.insert(0, sentence.format(choice=self.choice))
        elif not any(self.votes.values()):
            said.insert(0, NO_PREDICTION)
        return said

    def _repr_html_(self) -> str:
        """A row for each answer, and one for a measurement without its question.

        There is a column for the class only if it has voted.
        """
        rows = [COLUMNS]
        for answer in dict.fromkeys([*self.votes, self.measured]):
            you = "●" if answer == self.choice else ""
            measured = "◆" if answer == self.measured else ""
            rows.append((answer, you, _bar(self.votes, answer), measured))
        if not any(self.votes.values()):
            rows = [(answer, you, measured) for answer, you, _, measured in rows]
        table = as_html(rows[0], map(Row, rows[1:]))
        look = Look.RIGHT if self.choice == self.measured else Look.ELSEWHERE
        said = reply(look if self.choice else Look.OPEN, *self._sentences())
        notice = f"<p>{prose(self.notice)}</p>" if self.notice else ""
        return page(f"<b>{prose(self.question)}</b>{table}{said}{notice}")


def _bar(votes: dict[str, int], answer: str) -> str:
    """How many of the class chose an answer, as a bar and a number."""
    if answer not in votes:
        return ""
    length = round(20 * votes[answer] / max(*votes.values(), 1))
    return f"{'█' * length} {votes[answer]}"


def _tally(votes: dict[str, int]) -> str:
    each = (TALLIED.format(option=one, count=count) for one, count in votes.items())
    return COMMA.join(each)
