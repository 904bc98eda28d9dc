"""Make the course's own font for Chinese in pictures: the letters of its catalogues.

    python tools/make_font.py NotoSansCJK-Regular.ttc

It is a subset of Noto Sans CJK SC (helpers/language/OFL.txt). Run it again when the
catalogues have letters that it lacks; a test names them.
"""

import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

import translations
from helpers.language.fonts import OWN

SIMPLIFIED = "Noto Sans CJK SC"


def letters(language: str) -> set[str]:
    """All that its catalogues write, except what matplotlib's own font has."""
    texts = (
        form
        for domain in ("helpers", "notebooks")
        for message in translations.read(language, domain)
        for form in translations.forms(message.string)
    )
    return {letter for text in texts for letter in text if ord(letter) >= 0x2E80}


def main(path: Path) -> None:
    """Write the subset."""
    number = 0
    while SIMPLIFIED not in str(
        (font := TTFont(path, fontNumber=number))["name"].getBestFullName()
    ):
        number += 1
    options = Options()
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]  # who made it, and the licence
    options.layout_features = []
    subsetter = Subsetter(options)
    subsetter.populate(text="".join(letters("zh_CN")))
    subsetter.subset(font)
    font.save(OWN)
    print(f"{OWN.name}: {OWN.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
