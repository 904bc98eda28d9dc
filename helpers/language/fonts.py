"""Fonts that can write the kernel's language in pictures."""

from functools import cache
from pathlib import Path

from helpers.language import LANGUAGE

OWN = Path(__file__).with_name("NotoSansSC-subset.otf")
# Of the systems that learners have; matplotlib's own font has no Chinese letters.
# A page or an answer can be in Chinese where the kernel speaks another language.
FONTS = {
    "zh_CN": (
        *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC"),
        *("Microsoft YaHei", "Hiragino Sans GB", "WenQuanYi Zen Hei", "SimHei"),
        *("WenQuanYi Micro Hei", "Noto Sans CJK JP"),
    )
}


@cache
def families(language: str = LANGUAGE, system: bool = True) -> tuple[str, ...]:
    """The families of font for matplotlib: letters that one lacks come from the next.

    system: whether a font of the system will do. Else, and where it has none, it is the
    course's own, which has the letters of the course alone.
    """
    # Some tenths of a second, which most pictures can do without.
    from matplotlib.font_manager import fontManager

    usual = ("DejaVu Sans",)
    here = {font.name for font in fontManager.ttflist} if system else set()
    names = FONTS.get(language, FONTS["zh_CN"])
    if found := [name for name in names if name in here]:
        return (*usual, found[0])
    fontManager.addfont(OWN)
    return (*usual, fontManager.ttflist[-1].name)
