"""The language in which the course speaks: English, or one that has a catalogue.

`COURSE_LANG=zh_CN` chooses it, and so does the folder of the notebook that runs, such
as notebooks/zh_CN. It is the same as long as a kernel lives. The sentences stand in
the code in English, and `tr` gives each in the language of the kernel. CONTRIBUTING.md
says how a translation is made.
"""

import gettext
import os
import re
import sys
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path

_HELPERS = Path(__file__).resolve().parents[1]
# Beside helpers/, and where the course is installed, as on Colab, inside it.
_FOLDERS = [folder / "locale" for folder in (_HELPERS, _HELPERS.parent)]
CATALOGUES = next(filter(Path.is_dir, _FOLDERS), _FOLDERS[-1])
ENGLISH = "en"
UNKNOWN = "COURSE_LANG names no language of the course: {found}. It speaks {known}."
UNREADABLE = (
    "The course speaks English, since {path} can't be used ({why}); get that file "
    "again, or set COURSE_LANG=en."
)

untranslated: Counter[str] = Counter()  # what was said in English for want of better


def languages(folder: Path = CATALOGUES) -> list[str]:
    """The languages that the course speaks, English first."""
    return [ENGLISH, *sorted(path.parts[-2] for path in folder.glob("*/LC_MESSAGES"))]


def chosen_language(wanted: str, folder: Path) -> str:
    """The language that is wanted, in any usual spelling, or else that of a folder.

    wanted: such as "zh_CN", "zh-cn", "zh" or "zh_CN.UTF-8"; "" leaves it to the folder
    and its name. An unknown language is answered on stderr, and counts as English.
    """
    known = languages()
    spelled = re.split("[.@]", wanted.strip())[0].replace("-", "_").lower()
    if not spelled:
        return folder.name if folder.name in known else ENGLISH
    tongue = spelled.partition("_")[0]
    for language in sorted(known, key=lambda one: one.lower() != spelled):
        if tongue == language.partition("_")[0]:  # the same spelling comes first
            return language
    found = " ".join(wanted.split())[:30]
    print(UNKNOWN.format(found=found, known=", ".join(known)), file=sys.stderr)
    return ENGLISH


class _Counted(gettext.NullTranslations):
    """English in place of what a catalogue lacks, and counted."""

    def gettext(self, message: str) -> str:
        untranslated[message] += 1
        return message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(super().ngettext(msgid1, msgid2, n))


def load(
    language: str, domain: str, folder: Path = CATALOGUES
) -> gettext.NullTranslations:
    """A catalogue; English, and one sentence on stderr, where it can't be used.

    domain: "helpers" or "notebooks". folder: where the languages are.
    """
    if language == ENGLISH:
        return gettext.NullTranslations()
    path = folder / language / "LC_MESSAGES" / f"{domain}.mo"
    try:
        found = _read(path)
    except Exception as error:  # gettext raises whatever a damaged file leads to
        why = getattr(error, "strerror", None) or error
        print(UNREADABLE.format(path=path, why=why), file=sys.stderr)
        return gettext.NullTranslations()
    found.add_fallback(_Counted())
    return found


def _read(path: Path) -> gettext.GNUTranslations:
    with open(path, "rb") as file:
        found = gettext.GNUTranslations(file)
    for count in range(101):  # a rule for plurals may fail at some counts only
        found.plural(count)
    return found


@cache
def _catalogue(domain: str) -> gettext.NullTranslations:
    return load(LANGUAGE, domain)


def tr(sentence: str) -> str:
    """A sentence of the helpers in the kernel's language, with the same {fields}."""
    return _catalogue("helpers").gettext(sentence)


def tr_n(one: str, several: str, count: int) -> str:
    """The form of a sentence that goes with a count."""
    return _catalogue("helpers").ngettext(one, several, count)


def from_english(text: str) -> str:
    """A text of the notebooks, such as an answer that was kept, in this language."""
    return _catalogue("notebooks").gettext(text) if text else text


def to_english(text: str) -> str:
    """The English of a text of the notebooks: what is kept suits every language.

    The text may be in any, since a kernel may speak another one than its notebook.
    """
    return _english().get(text, text)


@cache
def _english() -> dict[str, str]:
    texts = {}
    for path in CATALOGUES.glob("*/LC_MESSAGES/notebooks.mo"):
        with suppress(Exception):  # `load` says so where it is needed
            catalogue = _read(path)._catalog
            texts |= {text: english for english, text in catalogue.items() if text}
    return texts


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it was deleted
        return CATALOGUES


LANGUAGE = chosen_language(os.environ.get("COURSE_LANG", ""), _here())
# Translators: {} stands for a whole sentence.
SPACE = tr("{} {}").replace("{}", "")  # what is between two
COMMA = tr(", ")  # between the things in a list
NO_MESSAGE = tr("no message")  # what an exception says that says nothing
AND = tr(" and ")  # between those of a short one
