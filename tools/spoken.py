"""The language in which the tools speak: the learner's, where it has a catalogue.

tools/set_up.py needs this before anything is installed. So it makes do with the
standard library, and has to parse in old versions of Python.
"""

import gettext
import os
import re
import sys
from functools import lru_cache
from pathlib import Path

LOCALE = Path(__file__).resolve().parent.parent / "locale"
VARIABLES = ("COURSE_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


@lru_cache(maxsize=None)  # noqa: UP033, since cache is new in 3.9
def catalogue(language: str) -> gettext.NullTranslations:
    """The sentences of a language in any usual spelling; English where it has none."""
    tongue = _tongue(language)
    for path in sorted(LOCALE.glob("*/LC_MESSAGES/tools.mo")):
        if tongue == _tongue(path.parent.parent.name):
            try:
                with open(str(path), "rb") as file:
                    found = gettext.GNUTranslations(file)
                for count in range(101):  # its rule may fail at some counts only
                    found.plural(count)
                return found
            except Exception:  # gettext raises whatever a damaged file leads to
                break
    return gettext.NullTranslations()


def _tongue(language):
    return re.split("[_.@-]", language.strip().lower())[0]


def in_terminal() -> gettext.NullTranslations:
    """The sentences of the first language that the first variable asks for."""
    asked = [os.environ[name] for name in VARIABLES if os.environ.get(name)]
    return catalogue(asked[0].partition(":")[0] if asked else "")


def marked(sentence: str) -> str:
    """A sentence for a catalogue that is chosen later."""
    return sentence


def tr(sentence: str) -> str:
    """A sentence in the language of the terminal, if that can show it."""
    return _shown(in_terminal().gettext(sentence), sentence)


def tr_n(one: str, several: str, count: int) -> str:
    """The same for the form that goes with a count."""
    said = in_terminal().ngettext(one, several, count)
    return _shown(said, one if count == 1 else several)


def targets(makefile: str) -> "list[tuple[str, str]]":
    """The targets of a Makefile that say in English what they do."""
    return re.findall(r"(?m)^([a-z]+):.*## (.*)$", makefile)


def _shown(said, english):
    try:
        said.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeError:
        return english
    return said


if __name__ == "__main__":  # `make help`
    with open(sys.argv[1], encoding="utf-8") as file:
        for name, does in targets(file.read()):
            print(f"make {name:12} {tr(does)}")
