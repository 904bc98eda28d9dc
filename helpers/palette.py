"""The colours of the course: one home for pictures, tables, lab.js and lab.css.

They are those of matplotlib's petroff10, which colour-blind eyes tell apart.
"""

BLUE = "#3f90da"
ORANGE = "#e76300"
PURPLE = "#832db6"
DARK_GREY = "#717581"
RED = "#bd1f01"
YELLOW = "#ffa90e"
BROWN = "#a96b59"
GREY = "#94a4a2"

TRAIN, VAL, BATCH = BLUE, ORANGE, GREY
PIN, PIN_ON_DARK = PURPLE, "#c792ea"
LINES = (BLUE, ORANGE, PURPLE, DARK_GREY, RED, YELLOW, BROWN)
# From a negative weight to a positive one.
NEGATIVE, ZERO, POSITIVE = "#1455a0", "#f7f7f7", "#c85500"


def css_variables() -> str:
    """The colours as CSS variables, such as --course-train, in light and in dark."""
    colours = {"train": TRAIN, "val": VAL, "batch": BATCH, "pin": PIN}
    lines = "".join(f"--course-{name}: {value}; " for name, value in colours.items())
    dark = f'[data-jp-theme-light="false"] {{ --course-pin: {PIN_ON_DARK}; }}'
    return f":root {{ {lines}}}\n{dark}\n"
