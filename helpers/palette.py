"""The colours of the course: one home for pictures, tables, lab.js and lab.css.

They are those of matplotlib's petroff10, which colour-blind eyes can tell apart.
"""

BLUE = "#3f90da"
ORANGE = "#e76300"
PURPLE = "#832db6"
DARK_GREY = "#717581"
RED = "#bd1f01"
YELLOW = "#ffa90e"
BROWN = "#a96b59"
GREY = "#94a4a2"

TRAIN, VAL, BATCH, PIN = BLUE, ORANGE, GREY, PURPLE
LINES = (BLUE, ORANGE, PURPLE, DARK_GREY, RED, YELLOW, BROWN)
# From a negative weight to a positive one.
NEGATIVE, ZERO, POSITIVE = "#1455a0", "#f7f7f7", "#c85500"

_LIGHT = {
    **{"train": TRAIN, "val": VAL, "batch": BATCH, "pin": PIN},
    **{"negative": NEGATIVE, "zero": ZERO, "positive": POSITIVE},
}
_DARK = {
    **{"pin": "#c792ea"},
    **{"negative": "#5aafff", "zero": "#222222", "positive": "#ffa53c"},
}


def css_variables() -> str:
    """The colours as CSS variables, such as --course-train, in light and in dark."""
    light, dark = (
        "".join(f"--course-{name}: {value}; " for name, value in colours.items())
        for colours in (_LIGHT, _DARK)
    )
    return f':root {{ {light}}}\n[data-jp-theme-light="false"] {{ {dark}}}\n'
