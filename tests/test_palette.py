"""One colour means one thing: no two meanings look alike, also to colour-blind eyes."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from helpers import palette
from pictures import CONTRAST, PAGES, luminance

WEIGHTS = {
    "light": (palette.NEGATIVE, palette.POSITIVE),
    "dark": (palette._DARK["negative"], palette._DARK["positive"]),
    "stored": (palette.MINUS, palette.PLUS),
}
CURVES = (palette.TRAIN, palette.VAL)
OTHERS = {
    "light": (*CURVES, *palette.PINS, *map(palette._LIGHT.get, ("right", "failed"))),
    "dark": (
        *CURVES,
        *palette.PINS_ON_DARK,
        *map(palette._DARK.get, ("right", "failed")),
    ),
    "stored": (*CURVES, palette.ACTIVATIONS, palette.GRADIENTS, palette.FAILED),
}
# What is drawn as a line, a bar, a box or a marker, and the pages that it is seen on.
LINES = {
    "light": (palette._LIGHT, ["light"]),
    "dark": (palette._LIGHT | palette._DARK, ["dark"]),
    "stored": (
        {
            **{"train": palette.TRAIN, "val": palette.VAL, "batch": palette.BATCH},
            **{"minus": palette.MINUS, "plus": palette.PLUS, "ink": palette.INK},
            **{"computed": palette.COMPUTED, "given": palette.GIVEN},
            **{"activations": palette.ACTIVATIONS, "gradients": palette.GRADIENTS},
            **{"failed": palette.FAILED, "right": palette.RIGHT},
            **dict(zip("0123456", palette.LINES)),
        },
        ["light", "dark"],
    ),
}
# No line: the middle of a scale, and the bar beside a mark that says the same.
NO_LINE = {"zero", "look"}
# How eyes without one kind of cones see linear RGB (Machado and others, 2009).
EYES = {
    "all cones": np.eye(3),
    "no red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "no blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_XYZ = [[0.434, 0.376, 0.190], [0.213, 0.715, 0.072], [0.018, 0.109, 0.873]]
DIFFERENT = 20  # in CIE 1976 units; 2 can just be seen


def rgb(colour):
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255


def difference(one, other, eyes="all cones"):
    """How unlike two colours look."""
    places = []
    for colour in map(rgb, (one, other)):
        linear = np.where(
            colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4
        )
        x, y, z = np.cbrt(TO_XYZ @ np.clip(EYES[eyes] @ linear, 0, 1))
        places.append((116 * y, 500 * (x - y), 200 * (y - z)))
    return np.linalg.norm(np.subtract(*places))


@pytest.mark.parametrize("page", WEIGHTS)
def test_the_colours_of_weights_mean_nothing_else(page):
    for weight in WEIGHTS[page]:
        for other in OTHERS[page]:
            assert difference(weight, other) > DIFFERENT, (weight, other)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize(
    "pair",
    [*WEIGHTS.values(), CURVES, (palette.COMPUTED, palette.GIVEN)],
    ids=" ".join,
)
def test_all_eyes_tell_two_colours_of_one_picture_apart(pair, eyes):
    assert difference(*pair, eyes) > DIFFERENT


def test_no_two_pins_look_alike():
    for pins in (palette.PINS, palette.PINS_ON_DARK):
        for one, other in combinations(pins, 2):
            assert difference(one, other) > DIFFERENT


@pytest.mark.parametrize("page", LINES)
def test_each_line_is_seen_on_its_page(page):
    colours, pages = LINES[page]
    for name in colours.keys() - NO_LINE:
        for ground in map(PAGES.get, pages):
            both = [Image.new("RGB", (1, 1), one) for one in (colours[name], ground)]
            low, high = sorted(luminance(one).item() for one in both)
            assert (high + 0.05) / (low + 0.05) >= CONTRAST, (name, ground)
