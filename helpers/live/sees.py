"""What a net sees, as a panel of the lab: its probabilities for ten pictures, where it
goes wrong, and one unit of its first layer.

Closed, it computes nothing and sends nothing. Open, each part takes at most a thirtieth
of the time: 0.7 ms of a frame's 20. What costs more is measured less often.
"""

import math
import time
from collections.abc import Callable, Hashable
from typing import Any

import torch
import traitlets
from torch import nn

from helpers.language import COMMA, SPACE, tr
from helpers.live.looks import Looks, answers, confusion, in_turn, unit_of
from helpers.live.weights import Shown, on_one_scale
from helpers.own.learner_line import describe_error
from helpers.training import Run

TEN = 10
APART = 30  # a part that costs 1 ms is measured once in 30 ms
FRESH_SECONDS = 0.1  # a new run paints first, and is counted then
TEXT_SECONDS = 5  # for screen readers: not more often than one can hear

WORDS = {  # the page puts in what stands in braces
    "open": tr("what it sees"),
    "panel": tr("What the net sees"),
    "pictures": tr("Which pictures"),
    "each": tr("one of each class"),
    "wrong": tr("most wrong now"),
    "next": tr("next ten"),
    "back": tr("back to the pictures"),
    "matrix": tr("Confusion matrix"),
    "matrix_of": tr("% of each row, {count} pictures"),
    "matrix_tip": tr(
        "Rows are true classes and columns the net's answers, for the first "
        "{count} validation pictures. Choose a cell to see its pictures."
    ),
    "true": tr("true \u2193"),
    "answer": tr("answer \u2192"),
    "cell": tr("{true}, answer {said}: {share} %"),
    "unit": tr("Show {unit} large, with what excites it most"),
    "excite": tr("excite it most"),
    "leads": tr("weights to the classes"),
}
EACH = tr("no. {page} of each class")
WRONG = tr("at step {step:,}: no. {which}")
CELL = tr("{true} as {said}, {which} of {count}")
NO_CELL = tr("No {true} as {said} now.")
IS_CLASS = tr("It is the score of a class itself: {name}.")
NOT_DIRECT = tr("More layers lie between it and the classes.")
NO_WEIGHTS = tr("This net has no weights yet; its first step makes them.")
FAILED = tr("This run has failed, so there is no net to look at.")
NOT_NUMBERS = tr("The scores are NaN or infinite, so there are no probabilities.")
FAILS = tr("The net fails on these pictures. {error}")
OTHER = tr("score {answer}")
PICTURE = tr("{true}: {said} {share:.0%}")
PICTURES = tr("Step {step:,}: it gets {right} of these {count} pictures right.")
MATRIX = tr("It gets {right:,} of {count:,} validation pictures right.")
MISTAKE = tr("The most frequent mistake: {share:.0%} of {true} get the answer {said}.")
UNIT = tr("{unit} is excited most by: {names}.")
LEADS = tr("Its largest weight leads to {most}, its smallest to {least}.")


class SeesTraits(traitlets.HasTraits):
    """What the page gets of the panel; written by the worker alone."""

    sees = traitlets.Dict({"open": False, "words": WORDS}).tag(sync=True)
    sees_scores = traitlets.Dict().tag(sync=True)
    sees_matrix = traitlets.Dict().tag(sync=True)
    sees_unit = traitlets.Dict().tag(sync=True)
    sees_told = traitlets.Dict().tag(sync=True)  # to screen readers


class Sees:
    """The panel of one lab. All of it runs on the lab's worker."""

    def __init__(self, canvas: SeesTraits) -> None:
        self.is_open = False
        self._canvas = canvas
        self._kind: Any = "each"  # or "wrong", or a cell of the matrix
        self._ranked: list[int] | None = None  # the pictures of this kind
        self._page = 0
        self._unit: int | None = None
        self._forget()

    def hear(self, message: dict) -> None:
        """What the page asks for: open, show (a kind, or "next"), or a unit."""
        if "open" in message:
            self.is_open = bool(message["open"])
            self._forget()
            self._clear()
        if "unit" in message:
            self._unit = message["unit"]
        if message.get("show") == "next":
            self._page += 1
        elif "show" in message:
            self._kind, self._ranked, self._page = message["show"], None, 0

    def update(self, run: Run | None, shown: Shown | None, running: bool) -> None:
        """Measure and send what is due.

        run: as it is after its step; None: it has failed. shown: those of its weights
        that the lab shows. running: whether more frames come; else all is measured now.
        """
        if problem := self._look(run, shown, running):
            self._canvas.sees_scores = {"problem": problem}
            self._texts, self._each = {"scores": lambda: problem}, lambda: problem
        now = time.monotonic()
        if not running or now >= self._text_due:
            self._text_due = now + TEXT_SECONDS
            said = [text() for text in self._texts.values()]
            self._canvas.sees_told = {
                "say": SPACE.join(filter(None, said)),
                "pictures": self._texts.get("unit", self._each)(),
            }

    def _look(self, run, shown, running):
        """Do it; returns what is in the way, in a sentence, or None."""
        if run is None:
            return FAILED
        if run is not self._run:
            self._begin(run)
        self._net, self._step, self._running = run.net, run.step, running
        if any(map(nn.parameter.is_lazy, run.net.parameters())):
            self._clear()
            return NO_WEIGHTS  # a look would draw them
        try:
            self._update(shown)
        except Exception as error:  # the learner's own code
            return FAILS.format(error=describe_error(error, run.config))
        return None

    def _forget(self):
        self._run: Run | None = None
        # Made when they are due.
        self._texts: dict[str, Callable[[], str]] = {}
        self._each: Callable[[], str] = str  # the ten pictures
        self._text_due = 0.0

    def _clear(self):
        canvas, self._sent = self._canvas, None
        canvas.sees = {"open": self.is_open, "words": WORDS}
        canvas.sees_scores, canvas.sees_matrix, canvas.sees_unit = {}, {}, {}
        canvas.sees_told = {}

    def _begin(self, run):
        self._run, self._looks, self._names = run, Looks(run), run.data.class_names
        self._measured: dict[str, Hashable] = {}
        self._due = {"matrix": time.monotonic() + FRESH_SECONDS}

    def _update(self, shown):
        if self._ranked is None:
            self._rank()
        self._measure("matrix", None, self._count)
        self._measure("scores", self._send_pictures(), self._score)
        if self._unit is not None and shown and not shown.rank:
            asked = shown.name, self._unit
            self._measure("unit", asked, lambda: self._look_at_unit(shown))
        elif self._canvas.sees_unit:
            self._canvas.sees_unit = {}
            for kept in (self._texts, self._measured):
                kept.pop("unit", None)

    def _measure(self, part: str, asked: Hashable, measure: Callable[[], None]) -> None:
        """Measure a part of the panel, if it is due or something else is asked for."""
        before = self._measured.get(part, (asked, None))
        if before == (asked, self._step):
            return
        due = time.monotonic() >= self._due.get(part, 0)
        if self._running and before[0] == asked and not due:
            return
        begin = time.thread_time()
        try:
            measure()
        finally:
            cost = time.thread_time() - begin
            self._due[part] = time.monotonic() + cost * APART
        self._measured[part] = asked, self._step

    def _send_pictures(self) -> tuple[int, ...]:
        """Send the ten of this page, if they are others than before."""
        pages = max(1, math.ceil(len(self._ranked) / TEN))
        page = self._page % pages
        ten = tuple(self._ranked[page * TEN :][:TEN])
        if self._sent != (self._kind, page, ten):
            self._sent = self._kind, page, ten
            self._canvas.sees = {
                "open": True,
                "words": WORDS,
                "classes": self._names,
                "kind": self._kind,
                "title": self._title(page, len(ten)),
                **self._pictures(ten),
            }
        return ten

    def _title(self, page, count):
        first, last = page * TEN + 1, page * TEN + count
        which = f"{first}\u2013{last}" if first < last else str(first)
        said = {"which": which, "page": page + 1}
        if self._kind == "each":
            return EACH.format(**said)
        if self._kind == "wrong":
            return WRONG.format(step=self._ranked_at, **said)
        true, answer = self._kind
        said |= {"true": self._names[true], "said": self._names[answer]}
        return (CELL if count else NO_CELL).format(count=len(self._ranked), **said)

    def _pictures(self, positions):
        """As uint8, with their classes."""
        images = self._looks.images[list(positions)] * 255
        return {
            "images": images.round().to(torch.uint8).cpu().numpy().tobytes(),
            "labels": self._looks.labels[list(positions)].tolist(),
        }

    def _rank(self):
        """Put the pictures that are asked for in their order."""
        kind, looks = self._kind, self._looks
        if kind == "each":
            self._ranked = in_turn(looks.labels, len(self._names))
            return
        self._due["matrix"] = 0
        self._measure("matrix", None, self._count)
        found = self._pool
        labels = looks.labels[: len(found)]
        if kind == "wrong":
            order = found.gather(1, labels[:, None])[:, 0].argsort()
        else:
            true, said = kind
            order = found[:, said].argsort(descending=True)
            order = order[(labels == true)[order] & (answers(found) == said)[order]]
        self._ranked = order.tolist()
        self._ranked_at = self._step

    def _count(self):
        """What the net says to all pictures of the pool."""
        self._pool = self._looks.all_probabilities(self._net)
        labels, classes = self._looks.labels[: len(self._pool)], len(self._names)
        counts = confusion(labels, answers(self._pool), classes)
        totals = labels.bincount(minlength=classes).tolist()
        self._canvas.sees_matrix = {
            "counts": counts.flatten().tolist(),
            "totals": totals,
            "count": f"{len(labels):,}",
        }
        self._texts["matrix"] = lambda: self._tell_matrix(counts, totals)

    def _tell_matrix(self, counts, totals):
        said = MATRIX.format(count=sum(totals), right=counts.trace().item())
        mistakes = counts.clone().fill_diagonal_(0)
        if most := mistakes.max().item():
            true, answer = divmod(mistakes.argmax().item(), len(self._names))
            names = {"true": self._names[true], "said": self._names[answer]}
            said += SPACE + MISTAKE.format(share=most / totals[true], **names)
        return said

    def _score(self):
        """What the net says to the ten pictures."""
        _, _, ten = self._sent
        if not ten:
            self._canvas.sees_scores = {}
            self._texts["scores"] = self._each = str
            return
        found = self._looks.probabilities(self._net, ten)
        said, step = answers(found).tolist(), self._step
        self._canvas.sees_scores = {
            "shares": found[:, : len(self._names)].float().numpy().tobytes(),
            "said": said,
            "problem": NOT_NUMBERS if -1 in said else "",
        }
        if -1 in said:
            self._texts["scores"] = self._each = lambda: NOT_NUMBERS
            return
        labels = self._looks.labels[list(ten)].tolist()
        right = sum(map(int.__eq__, labels, said))
        said_of = {"step": step, "count": len(ten), "right": right}
        self._texts["scores"] = lambda: PICTURES.format(**said_of)
        self._each = lambda: COMMA.join(
            PICTURE.format(true=self._name(a), said=self._name(b), share=row[b])
            for a, b, row in zip(labels, said, found.tolist())
        )

    def _name(self, answer):
        """Of a class; a learner's net may have more scores than there are classes."""
        names = self._names
        return names[answer] if answer < len(names) else OTHER.format(answer=answer)

    def _look_at_unit(self, shown):
        count, names = len(shown.tiles(shown.parameter)), self._names
        index = min(self._unit, count - 1)  # the last, where a net has fewer
        unit = unit_of(self._net, shown, index, self._looks.images, len(names))
        says = IS_CLASS.format(name=names[index]) if unit.is_class else NOT_DIRECT
        self._texts["unit"] = lambda: self._tell_unit(unit)
        self._canvas.sees_unit = {
            "index": index,
            "name": unit.name,
            "says": "" if unit.leads is not None else says,
            "leads": None if unit.leads is None else unit.leads.tolist(),
            **on_one_scale(unit.weights[None]),
            **self._pictures(unit.exciting),
        }

    def _tell_unit(self, unit):
        names = self._names
        exciting = [names[label] for label in self._looks.labels[unit.exciting]]
        told = UNIT.format(unit=unit.name, names=COMMA.join(exciting))
        if unit.leads is not None:
            most, least = names[unit.leads.argmax()], names[unit.leads.argmin()]
            told += SPACE + LEADS.format(most=most, least=least)
        return told
