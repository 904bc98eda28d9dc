"""Pictures as a notebook gets them, on a light page and on a dark one."""

import base64
import io

import numpy as np
from matplotlib.text import Text
from PIL import Image

PAGES = {"light": "#ffffff", "dark": "#111111"}  # JupyterLab's
FITS = 830  # pixels beside the prompts, in a window of 1024
READABLE, CONTRAST = 8.5, 3  # points; against what is around the thin letters


def shown(picture):
    """The picture as a notebook gets it, after checks that hold for all."""
    bundle, metadata = picture._repr_mimebundle_()
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == picture.text
    image = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    image = image.convert("RGBA")
    assert image.width <= FITS
    corners = {0, image.width - 1}, {0, image.height - 1}
    assert {image.getpixel((x, y))[3] for x in corners[0] for y in corners[1]} == {0}
    for page in PAGES.values():
        on_page = Image.new("RGBA", image.size, page)
        on_page.alpha_composite(image)
        light = luminance(on_page)
        for text in texts(picture.figure):
            assert text.get_fontsize() >= READABLE, text
            x0, y0, x1, y1 = text.get_window_extent().extents.round().astype(int)
            assert 0 <= x0 and x1 <= image.width, text  # none is cut off
            # From the bottom up, as matplotlib counts.
            place = light[max(0, len(light) - y1) : len(light) - y0, max(0, x0) : x1]
            contrast = (place.max() + 0.05) / (place.min() + 0.05)
            assert contrast > CONTRAST, (text, page, contrast)
    return image


def texts(figure):
    """The words and numbers that one sees in it."""
    figure.draw_without_rendering()
    unseen = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.majorTicks, *axis.minorTicks):
            if not (axis.axes.axison and low <= tick.get_loc() <= high):
                unseen |= {tick.label1, tick.label2}
        if not axis.axes.axison:
            unseen.add(axis.label)
    found = [text for text in figure.findobj(Text) if text.get_text().strip()]
    return [text for text in found if text.get_visible() and text not in unseen]


def luminance(image):
    """Of each pixel, from 0 to 1, as in WCAG 2."""
    parts = np.asarray(image.convert("RGB")) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]
