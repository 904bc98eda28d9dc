"""Predict, then run, then see both side by side: `predict` and `reveal`."""

import html
import reprlib

import ipywidgets as widgets

from helpers import records
from helpers.instrument import Instrument, open_in_cell

MAX_VOTES = 100_000

ASK = "Predict: {question} ({options}) In JupyterLab, run this cell and choose."
CHOOSE = "Choose one, then go on. Your choice stays on this machine."
KEPT = "Kept: {choice}"
REVEALED = "The answer is out. To predict again, run this cell again."
VOTES = "class votes"
VOTES_TOOLTIP = "For teachers: type how many of the class chose each answer."
NO_PREDICTION = "No prediction was made here."
PREDICTED = "You predicted: {choice}"
AS_PREDICTED = "You predicted: {choice}, and so it is."
VOTED = "The class voted: {tally}."
MEASURED = "Measured: {measured}"
COLUMNS = ("answer", "you", "class", "measured")
BAD_ID = "{call} needs a short name as its id, such as 'init-zeros'; you gave {found}."
BAD_QUESTION = (
    "predict(id, question, options) needs the question as text; you gave {found}."
)
BAD_OPTIONS = (
    "predict({id!r}, ...) needs two or more different answers, each a short text, "
    "such as ['rises', 'falls']; you gave {found}."
)
NOT_ASKED = "The question {id!r} has not been asked yet: run its predict cell first."

_asked = {}  # id -> Prediction


def predict(id, question, options):
    """Ask for a prediction, and keep the choice for `reveal`.

    id: a short name, such as "init-zeros". question: one sentence. options: two or
    more different answers. Returns a widget. What is chosen, or typed in as the
    class's votes, is kept in a file of the user's own on this machine. Raises
    ValueError for anything else.
    """
    _check_id(id, "predict(id, question, options)")
    if not _is_text(question):
        raise ValueError(BAD_QUESTION.format(found=_brief(question)))
    if not _are_options(options):
        raise ValueError(BAD_OPTIONS.format(id=id, found=_brief(options)))
    _asked[id] = open_in_cell(lambda: Prediction(id, question, list(options)))
    return _asked[id]


def reveal(id, measured):
    """The prediction, or the class's votes, beside what was measured.

    id: that of an earlier `predict`. measured: a text or number; where it is one of
    the options, that one is marked. Returns something that shows itself. Where this
    kernel has not asked, it shows what was kept before, or says what to run. Raises
    ValueError for an id that no question can have.
    """
    _check_id(id, "reveal(id, measured)")
    if id in _asked:
        return _asked[id].reveal(str(measured))
    question, choice, votes = _kept(id)
    question = question or NOT_ASKED.format(id=id)
    return Revealed(question, choice, votes, str(measured), records.notice())


def _check_id(id, call):
    if not _is_text(id):
        raise ValueError(BAD_ID.format(call=call, found=_brief(id)))


def _is_text(value):
    return isinstance(value, str) and bool(value.strip())


def _are_options(value):
    fine = isinstance(value, (list, tuple)) and all(map(_is_text, value))
    return fine and len(set(value)) == len(value) >= 2


def _brief(value):
    """Any object on one short line, for a sentence."""
    return " ".join(reprlib.repr(value).split())


def _kept(id):
    """What was kept of a question: (its text or None, choice or None, votes).

    votes: {option: count}. People can edit the file. So a record without a question
    and options counts as none, and a choice or a count that can't be as not made.
    """
    kept = records.read("predictions").get(id, {})
    question, options = kept.get("question"), kept.get("options")
    if not (_is_text(question) and _are_options(options)):
        return None, None, {}
    counts = kept.get("votes") if isinstance(kept.get("votes"), dict) else {}
    votes = {option: _count(counts.get(option)) for option in options}
    choice = kept.get("choice")
    return question, choice if choice in options else None, votes


def _count(value):
    return value if type(value) is int and 0 <= value <= MAX_VOTES else 0


class Prediction(Instrument):
    """The widget that `predict` returns."""

    def __init__(self, id, question, options):
        self.id, self.question, self.options = id, question, options
        _, choice, votes = _kept(id)
        self._said = widgets.HTML()
        self._radio = widgets.RadioButtons(
            options=options,
            value=choice if choice in options else None,
            layout=widgets.Layout(width="auto"),
        )
        self._votes = {option: _votes_box(votes.get(option, 0)) for option in options}
        self._by_class = widgets.ToggleButton(
            value=any(box.value for box in self._votes.values()),
            description=VOTES,
            tooltip=VOTES_TOOLTIP,
            icon="users",
            layout=widgets.Layout(width="auto", flex="0 0 auto"),
        )
        counts = [
            widgets.HBox([box, widgets.HTML(html.escape(option))])
            for option, box in self._votes.items()
        ]
        self._counts = widgets.VBox(counts)
        asked = widgets.HTML(f"<b>{html.escape(question)}</b>")
        bottom = widgets.HBox([self._by_class, self._said])
        super().__init__([asked, self._radio, self._counts, bottom])
        self._show_votes()
        self._say(KEPT.format(choice=choice) if self._radio.value else CHOOSE)
        self._radio.observe(self._on_choice, "value")
        self._by_class.observe(lambda _: self._show_votes(), "value")
        for box in self._votes.values():
            box.observe(self._on_votes, "value")

    def _show_votes(self):
        self._counts.layout.display = None if self._by_class.value else "none"

    def _on_choice(self, change):
        self._keep(choice=change["new"])
        self._say(KEPT.format(choice=change["new"]))

    def _on_votes(self, _):
        votes = {option: box.value for option, box in self._votes.items()}
        self._keep(votes=votes)
        self._say(KEPT.format(choice=_tally(votes)))

    def _keep(self, **values):
        asked = {"question": self.question, "options": self.options}
        records.change("predictions", self.id, **asked, **values)

    def _say(self, sentence):
        said = " ".join(filter(None, [sentence, records.notice()]))
        self._said.value = html.escape(said)

    def reveal(self, measured):
        """What was predicted beside `measured`, a text."""
        votes = {option: box.value for option, box in self._votes.items()}
        if self._radio.value or any(votes.values()):
            self._keep(measured=measured)
        for control in (self._radio, *self._votes.values()):
            control.disabled = True  # a prediction comes before the answer
        self._say(REVEALED)
        return Revealed(self.question, self._radio.value, votes, measured)

    def _text(self):
        options = " / ".join(self.options)
        return ASK.format(question=self.question, options=options)


def _votes_box(count):
    layout = widgets.Layout(width="80px")
    return widgets.BoundedIntText(value=count, max=MAX_VOTES, layout=layout)


class Revealed:
    """What `reveal` returns: a table in a notebook, sentences under str().

    notice: what went wrong with the learner's file, or "".
    """

    def __init__(self, question, choice, votes, measured, notice=""):
        self.question, self.choice = question, choice
        self.votes, self.measured = votes, measured
        self.notice = notice

    def __str__(self):
        said = self._sentences()
        if any(self.votes.values()):
            said.insert(-1, VOTED.format(tally=_tally(self.votes)))
        return "\n".join(filter(None, [self.question, *said, self.notice]))

    __repr__ = __str__

    def _sentences(self):
        said = []
        if self.choice:
            right = self.choice == self.measured
            said.append(
                (AS_PREDICTED if right else PREDICTED).format(choice=self.choice)
            )
        elif not any(self.votes.values()):
            said.append(NO_PREDICTION)
        return [*said, MEASURED.format(measured=self.measured)]

    def _repr_html_(self):
        """A row for each answer; what was measured has one of its own, if need be."""
        by_class = any(self.votes.values())
        answers = list(self.votes)
        if self.measured not in answers:
            answers.append(self.measured)
        rows = [table_row(self._shown(COLUMNS, by_class), "th")]
        for answer in answers:
            cells = (
                answer,
                "●" if answer == self.choice else "",
                _bar(self.votes, answer) if by_class else "",
                "◆" if answer == self.measured else "",
            )
            rows.append(table_row(self._shown(cells, by_class)))
        sentences = filter(None, [*self._sentences(), self.notice])
        said = "<br>".join(map(html.escape, sentences))
        table = f"<table>{''.join(rows)}</table>"
        return f"<b>{html.escape(self.question)}</b>{table}<p>{said}</p>"

    def _shown(self, cells, by_class):
        return [cell for i, cell in enumerate(cells) if i != 2 or by_class]


def table_row(cells, tag="td"):
    """A row of an HTML table; the cells are texts."""
    inner = "".join(
        f'<{tag} style="text-align:left">{html.escape(cell)}</{tag}>' for cell in cells
    )
    return f"<tr>{inner}</tr>"


def _bar(votes, answer):
    if answer not in votes:
        return ""
    length = round(20 * votes[answer] / max(votes.values()))
    return f"{'█' * length} {votes[answer]}"


def _tally(votes):
    return ", ".join(f'"{option}" {count}' for option, count in votes.items())
