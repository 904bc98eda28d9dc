"""Static pictures: curves, columns of W1, clothes, a confusion matrix.

Every function returns a `Picture`: a figure with one line of text that says
what it shows, for GitHub, screen readers and the tests. No pyplot, whose state
all threads would share.
"""

import base64
import io
import math
import textwrap
from collections.abc import Sequence
from typing import Any

import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, same_color
from matplotlib.figure import Figure
from matplotlib.spines import Spine
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from PIL import Image

from helpers.curves import Curves
from helpers.given import are_texts, is_matrix, require_kind
from helpers.language import tr
from helpers.language.fonts import families
from helpers.palette import (
    BATCH,
    HEAT,
    INK,
    MINUS,
    PAPER,
    PLUS,
    PRINT,
    TRAIN,
    VAL,
    ink_on_heat,
)
from helpers.training import Progress

# Few levels, so that pictures of noise stay small.
WEIGHTS = LinearSegmentedColormap.from_list(
    "weights", [(0, MINUS), (0.5, f"{MINUS}00"), (0.5, f"{PLUS}00"), (1, PLUS)], N=42
)
CLOTHES = LinearSegmentedColormap.from_list("clothes", [PAPER, PRINT])
SIDE = 28  # pixels of a Fashion-MNIST picture
MOST_COLUMNS, ACROSS = 20, 10  # that plot_columns shows
WIDE = 8.2  # inches, at 100 dots each: what fits beside the prompts at 1024 x 700
LINE = 72  # characters: what fits there beside the list of files
TITLE, SMALL = 10, 9  # points
EASTERN = "\u2e80"  # letters from here on are in no font of matplotlib's own

LOSS_AND_ACCURACY = tr("Loss and accuracy over the epochs.")
LOSS, ACCURACY, EPOCH = tr("loss (log scale)"), tr("accuracy"), tr("epoch")
LEGEND = {"batch": tr("batch"), "train": tr("train"), "val": tr("validation")}
PREDICTED, TRUE = tr("predicted"), tr("true")
COLUMNS = tr("W1: {count} columns")
WITH_TOP = tr("{title}, ±{top:.2g}")
NO_TEXT = tr("text must be what the picture shows, in words; you gave {found}.")
NO_CURVES = tr(
    "plot_curves needs list(train(config, data)) or a part of it, not {found}."
)
NO_COLUMNS = tr(
    "plot_columns needs weights of shape (784, num_hiddens), as floats; you gave "
    "{found}."
)
NO_PICTURES = tr(
    "plot_pictures needs images of shape (N, 784), at least one; you gave {found}."
)
NO_TITLES = tr(
    "plot_pictures needs a text for each of the {count} images as its titles."
)
NO_CONFUSION = tr(
    "plot_confusion needs a square tensor of counts, a row for each class; you gave "
    "{found}."
)
NO_NAMES = tr(
    "plot_confusion needs a text for each of the {count} classes as class_names."
)


class Picture:
    """A matplotlib figure that shows itself, with `text` for those who can't see it."""

    def __init__(self, figure: Figure, text: str) -> None:
        require_kind(isinstance(text, str), NO_TEXT, text)
        self.figure, self.text = figure, text
        _suit_light_and_dark(figure)

    def __repr__(self) -> str:
        return self.text

    def _ipython_display_(self) -> None:
        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)
        # JupyterLab's pictures have no alt text, so it is printed beneath, in lines
        # that fit, since JupyterLab would break a longer one within a word.
        print(textwrap.fill(self.text, LINE))

    def png(self) -> bytes:
        """The picture as the bytes of a PNG file."""
        drawn, small = io.BytesIO(), io.BytesIO()
        self.figure.savefig(drawn, format="png", dpi=100)
        # 256 colours are enough here, and take a third of the bytes.
        picture = Image.open(drawn).convert("RGBA")
        picture.quantize(256, Image.Quantize.FASTOCTREE).save(small, format="png")
        return small.getvalue()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        png = base64.b64encode(self.png()).decode()
        data = {"text/plain": self.text, "image/png": png}
        return data, {"image/png": {"alt": self.text}}


def plot_curves(history: Sequence[Progress], text: str = LOSS_AND_ACCURACY) -> Picture:
    """Loss and accuracy of a run over its epochs.

    history: a list of what `train` yielded, else TypeError. text: the picture in words.
    """
    try:
        last = history[-1]
        ends = (p.step / p.epoch for p in history if p.epoch_end)
        curves = Curves(next(ends, last.step))
        for progress in history:
            curves.add(progress)
    except (AttributeError, LookupError, TypeError):
        raise TypeError(NO_CURVES.format(found=type(history).__name__)) from None
    figure = Figure(figsize=(WIDE, 2.8), layout="constrained")
    _draw_curves(figure.subplots(1, 2), curves)
    return Picture(figure, text)


def plot_lab(
    curves: Curves, tiles: torch.Tensor | None, title: str, text: str
) -> Picture:
    """What the live lab shows: the curves, and weights [count, high, wide] or None."""
    figure = Figure(figsize=(WIDE, 2.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.2, 1.2, 1.1))
    _draw_curves((left, middle), curves)
    right.axis("off")
    if tiles is None:
        right.set_title(title, fontsize=TITLE, loc="left", wrap=True)
    else:
        _draw_tiles(right, tiles, 4, title)
    return Picture(figure, text)


def plot_columns(W1: torch.Tensor, text: str) -> Picture:
    """The first columns of W1, each as a 28x28 picture, all on one scale.

    W1: float [784, num_hiddens]; TypeError for anything else.
    """
    fine = is_matrix(W1, rows=SIDE * SIDE) and W1.is_floating_point()
    require_kind(fine, NO_COLUMNS, W1)
    W1 = W1[:, :MOST_COLUMNS]
    rows = math.ceil(W1.shape[1] / ACROSS)
    figure = Figure(figsize=(WIDE, 0.86 * rows + 0.3), layout="constrained")
    columns = W1.T.unflatten(1, (SIDE, SIDE))
    title = COLUMNS.format(count=len(columns))
    _draw_tiles(figure.subplots(), columns, ACROSS, title)
    return Picture(figure, text)


def plot_pictures(images: torch.Tensor, titles: Sequence[str], text: str) -> Picture:
    """Clothes in rows, each with its title: ten in a row, or five with long titles.

    images: float [N, 784] in [0, 1]. titles: N short texts. Raises TypeError for
    anything else.
    """
    require_kind(is_matrix(images, columns=SIDE * SIDE), NO_PICTURES, images)
    if not are_texts(titles, len(images)):
        raise TypeError(NO_TITLES.format(count=len(images)))
    lines = [line for title in titles for line in title.split("\n")]
    across = ACROSS if max(map(len, lines)) < 12 else ACROSS // 2
    rows = math.ceil(len(images) / across)
    picture = 0.85 if across == ACROSS else 1.1
    high = picture + 0.17 * max(title.count("\n") + 1 for title in titles)
    size = (WIDE / ACROSS * across if len(images) < across else WIDE, high * rows)
    figure = Figure(figsize=size, layout="constrained")
    for i, (image, title) in enumerate(zip(images, titles)):
        axes = figure.add_subplot(rows, across, i + 1)
        axes.imshow(image.reshape(SIDE, SIDE).cpu().numpy(), CLOTHES, vmin=0, vmax=1)
        axes.set_title(title, fontsize=SMALL)
        axes.axis("off")
    return Picture(figure, text)


def plot_confusion(
    confusion: torch.Tensor, class_names: Sequence[str], text: str
) -> Picture:
    """A confusion matrix with its counts.

    confusion: int [num_classes, num_classes], rows are the true classes. Raises
    TypeError for anything else.
    """
    square = is_matrix(confusion) and len(confusion) == confusion.shape[1]
    require_kind(square, NO_CONFUSION, confusion)
    if not are_texts(class_names, len(confusion)):
        raise TypeError(NO_NAMES.format(count=len(confusion)))
    figure = Figure(figsize=(6.4, 4.9), layout="constrained")
    axes = figure.subplots()
    confusion = confusion.cpu()
    shares = confusion / confusion.sum(dim=1, keepdim=True).clamp(min=1)
    heat = shares.sqrt()  # what few of a class are taken for is seen, too
    axes.imshow(heat.numpy(), HEAT, vmin=0, vmax=1)
    for row, counts in enumerate(confusion.tolist()):
        for column, count in enumerate(counts):
            where = {"ha": "center", "va": "center", "fontsize": SMALL}
            colour = ink_on_heat(heat[row, column])
            axes.text(column, row, count, color=colour, **where)
    places = range(len(class_names))
    axes.set_xticks(
        places, class_names, rotation=45, ha="right", rotation_mode="anchor"
    )
    axes.set_yticks(places, class_names)
    axes.tick_params(labelsize=SMALL)
    axes.set_xlabel(PREDICTED, fontsize=TITLE)
    axes.set_ylabel(TRUE, fontsize=TITLE)
    return Picture(figure, text)


def tidy(axes: Axes, title: str, xlabel: str = "") -> None:
    """The look of all pictures with axes: a title at the left, a faint grid, no box."""
    axes.set_title(title, fontsize=TITLE, loc="left")
    axes.set_xlabel(xlabel, fontsize=SMALL)
    axes.tick_params(labelsize=SMALL)
    axes.grid(color=INK, alpha=0.2)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _suit_light_and_dark(figure):
    """No ground of its own, and a grey in place of black, for pages of any colour."""
    figure.set_facecolor("none")
    for axes in figure.axes:
        axes.set_facecolor("none")
        axes.tick_params(which="both", colors=INK)
    for spine in figure.findobj(Spine):
        spine.set_color(INK)
    for text in figure.findobj(Text):
        if max(text.get_text(), default="") >= EASTERN:
            text.set_fontfamily(families())
        if same_color(text.get_color(), "black"):
            text.set_color(INK)


def _draw_curves(both, curves):
    loss, accuracy = both
    batch = curves.by_name["batch"]
    loss.plot(batch.x, batch.y, color=BATCH, lw=0.8, label=LEGEND["batch"])
    for name, colour, style in (("train", TRAIN, "-"), ("val", VAL, "--")):
        for axes, kind in ((loss, "loss"), (accuracy, "accuracy")):
            curve = curves.by_name[f"{name}_{kind}"]
            axes.plot(curve.x, curve.y, style, color=colour, lw=1.8, label=LEGEND[name])
    loss.set_yscale("log")
    bottom, top = loss.get_ylim()
    low, high = (math.floor(math.log10(end)) for end in (bottom, top))
    every = 1 + (high - low) // 8  # a diverged loss spans many powers of ten
    powers = range(low, high + 1, every)
    ticks = [m * 10.0**e for e in powers for m in ((1, 2, 5) if every == 1 else (1,))]
    few = sum(bottom < tick < top for tick in ticks) < 2
    loss.yaxis.set_major_locator(MaxNLocator(4) if few else FixedLocator(ticks))
    loss.yaxis.set_minor_locator(NullLocator())
    loss.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    accuracy.set_ylim(0, 1)
    for axes, title in ((loss, LOSS), (accuracy, ACCURACY)):
        tidy(axes, title, EPOCH)
        axes.set_xlim(0, max(curve.x[-1] for curve in curves.by_name.values()))
    loss.legend(fontsize=SMALL, frameon=False)


def _draw_tiles(axes, tiles, across, title):
    tiles = tiles.detach().cpu()
    count, high, wide = tiles.shape
    rows = math.ceil(count / across)
    across = min(across, count) if high != SIDE else across
    wall = torch.full((rows * (high + 1), across * (wide + 1)), float("nan"))
    for i, tile in enumerate(tiles):
        top, left = i // across * (high + 1), i % across * (wide + 1)
        wall[top : top + high, left : left + wide] = tile
    # The 99th percentile: a few extreme weights would leave the rest pale.
    most = tiles.abs().flatten().quantile(0.99).item() or 1.0
    limits = {"vmin": -most, "vmax": most}
    axes.imshow(wall.numpy(), WEIGHTS, interpolation="nearest", **limits)
    title = WITH_TOP.format(title=title, top=most)
    axes.set_title(title, fontsize=TITLE, loc="left", wrap=True)
    axes.axis("off")
    axes.set_anchor("W")  # the title has the room at the right, too
