"""The colours of the course: one home for pictures, tables, lab.js and lab.css.

They are those of matplotlib's petroff10, which colour-blind eyes can tell apart.
"""

BLUE = "#3f90da"
ORANGE = "#e76300"
PURPLE = "#832db6"
RED = "#bd1f01"
YELLOW = "#ffa90e"
BROWN = "#a96b59"
GREY = "#94a4a2"

TRAIN, VAL, BATCH = BLUE, ORANGE, "#7d8987"
# Pinned runs: unlike training and validation, and unlike each other.
PINS = (PURPLE, "#0b7a75", BROWN, "#333333")
PINS_ON_DARK = ("#c792ea", "#3fc7bd", "#d9a08c", "#e0e0e0")
# What was right, what needs a look, and what failed: the same on every page, and each
# readable on white and on black.
RIGHT, LOOK, FAILED = "#2e8533", YELLOW, RED
ACTIVATIONS, GRADIENTS = "#0f8f86", BROWN  # not TRAIN and VAL, which share their page
# From a negative weight to a positive one, green to pink: neither is training's or
# validation's colour, nor a pin's, and colour-blind eyes tell them apart.
NEGATIVE, ZERO, POSITIVE = "#5d8a00", "#f7f7f7", "#c2187d"
COMPUTED, GIVEN = "#0f8f86", "#a259d9"  # a trace's boxes

# Stored pictures have no ground of their own: all of this can be read on a light page
# and on a dark one. LINES leave out the colours of training and validation.
INK = "#767a82"  # text and axes
LINES = ("#a259d9", "#0f8f86", "#b5860d", "#cf3a2a", "#6f7f99", "#d45a9e", BROWN)
MINUS, PLUS = "#6f9400", "#d6278f"  # weights; the nearer to 0, the more transparent
PAPER, PRINT = "#dfe1e5", "#16171a"  # clothes, on a ground that doesn't dazzle
# Cells of a table of numbers: little is dark, much is bright, on their own ground,
# since on the page's own little would be bright on a dark page.
HEAT = "cividis"

_LIGHT = {
    **{"train": TRAIN, "val": VAL, "batch": BATCH},
    **{f"pin{place}": colour for place, colour in enumerate(PINS)},
    **{"negative": NEGATIVE, "zero": ZERO, "positive": POSITIVE},
    **{"activations": ACTIVATIONS, "gradients": GRADIENTS},
    **{"right": RIGHT, "look": LOOK, "failed": FAILED, "accent": "#2a6fb0"},
}
_DARK = {
    **{f"pin{place}": colour for place, colour in enumerate(PINS_ON_DARK)},
    **{"activations": "#5cc8cc", "gradients": "#dda591"},
    **{"right": "#6cc070", "failed": "#ff8f7a", "accent": "#5aafff"},
    **{"negative": "#a6d03a", "zero": "#222222", "positive": "#ff6fc0"},
}


def ink_on_heat(heat: float) -> str:
    """The colour of a number in a cell of so much heat, from 0 to 1."""
    return PRINT if heat > 0.56 else "white"


def css_variables() -> str:
    """The colours as CSS variables, such as --course-train, in light and in dark."""
    light, dark = (
        "".join(f"--course-{name}: {value}; " for name, value in colours.items())
        for colours in (_LIGHT, _DARK)
    )
    return f':root {{ {light}}}\n[data-jp-theme-light="false"] {{ {dark}}}\n'
