"""Static pictures and the curves behind them."""

import pytest
import torch
from PIL import Image

from helpers import (
    Config,
    plot_columns,
    plot_confusion,
    plot_curves,
    plot_pictures,
    train,
)
from helpers.curves import LIMIT, Curve, Curves
from helpers.plots import plot_lab
from pictures import PAGES, luminance, shown


def test_a_run_is_drawn_and_says_what_it_shows(data):
    history = list(train(Config(num_hiddens=8, num_epochs=2), data))
    picture = plot_curves(history, "Two epochs.")
    assert (
        shown(picture).size == pytest.approx((820, 280), abs=1)
        and picture.text == "Two epochs."
    )
    validation = picture.figure.axes[1].lines[1].get_ydata()
    assert validation[-1] == pytest.approx(history[-1].val_accuracy)
    assert picture.figure.axes[0].lines[0].get_xdata()[-1] == 2  # epochs


@pytest.mark.parametrize("name", ["W1", "encoder.layers.0.linear.weight"])
def test_the_title_of_the_weights_in_a_lab_s_picture_is_whole(data, name):
    curves = Curves(20)
    for progress in train(Config(num_hiddens=16, num_epochs=1), data):
        curves.add(progress)
    tiles, title = torch.full((16, 28, 28), 0.029), f"{name}: 16 of 256 columns"
    shown(plot_lab(curves, tiles, title, "A lab."))


@pytest.mark.parametrize("wrong", [[], [1, 2], None])
def test_what_is_no_history_is_named(wrong):
    with pytest.raises(TypeError, match=r"list\(train\(config, data\)\)"):
        plot_curves(wrong)


def test_columns_of_a_narrow_and_of_a_wide_matrix_are_drawn():
    for num_hiddens in (1, 16, 300):
        picture = plot_columns(torch.randn(784, num_hiddens), "Columns.")
        title = picture.figure.axes[0].get_title(loc="left")
        assert title.startswith(f"W1: {min(num_hiddens, 20)} columns")
        assert shown(picture).width == pytest.approx(820, abs=1)


@pytest.mark.parametrize("shape", [(256, 784), (784,), (256, 10)])
def test_weights_that_are_no_pictures_are_named(shape):
    with pytest.raises(TypeError, match="needs weights of shape"):
        plot_columns(torch.randn(shape), "Columns.")


def test_pictures_have_their_titles(data):
    picture = plot_pictures(data.train.images[:12], list("abcdefghijkl"), "Twelve.")
    assert [axes.get_title() for axes in picture.figure.axes] == list("abcdefghijkl")
    shown(picture)


def test_every_count_of_a_confusion_matrix_is_written_in(data):
    confusion = torch.arange(100).reshape(10, 10)
    picture = plot_confusion(confusion, data.class_names, "Counts.")
    written = [int(text.get_text()) for text in picture.figure.axes[0].texts]
    assert written == list(range(100))
    shown(picture)


def test_more_is_brighter_in_a_confusion_matrix_on_any_page(data):
    counts = [0, 5, 20, 60, 110, 145, 160, 170, 200, 130]
    confusion = torch.stack([torch.tensor(counts).roll(i) for i in range(10)])
    picture = plot_confusion(confusion, data.class_names, "Counts.")
    image, axes = shown(picture), picture.figure.axes[0]
    for page in PAGES.values():
        on_page = Image.new("RGBA", image.size, page)
        on_page.alpha_composite(image)
        light, brightness = luminance(on_page), {}
        for row, column in ((2, 3), (4, 9), (8, 1), (0, 8), (5, 5)):
            # Above the number.
            x, y = axes.transData.transform((column, row - 0.4)).round().astype(int)
            brightness[confusion[row, column].item()] = light[len(light) - y, x]
        values = [brightness[count] for count in sorted(brightness)]
        assert len(values) == 5 and values == sorted(set(values)), (page, brightness)


def test_a_long_curve_keeps_its_shape_in_few_points():
    curve = Curve()
    for step in range(10_000):
        curve.append(step / 100, step / 10_000)
    assert LIMIT / 2 <= len(curve.x) < LIMIT
    assert list(curve.x) == sorted(curve.x)
    for x, y in zip(curve.x, curve.y):
        assert y == pytest.approx(x / 100, abs=1e-4)


def test_the_ticks_of_the_loss_say_their_value(data):
    picture = plot_curves(list(train(Config(num_hiddens=32, num_epochs=5), data)))
    loss = picture.figure.axes[0]
    shown(picture)
    for tick in loss.yaxis.get_major_ticks():
        assert float(tick.label1.get_text()) == pytest.approx(tick.get_loc())


def test_a_loss_that_hardly_moves_has_numbers_at_its_axis(data):
    history = list(train(Config(num_hiddens=8, num_epochs=1, lr=1e-6), data))
    figure = plot_curves(history).figure
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_ylim()
    ticks = figure.axes[0].get_yticks()
    assert sum(low < tick < high for tick in ticks) >= 2


def test_both_ends_of_the_weights_keep_their_colour():
    W1 = torch.zeros(784, 20)
    W1[:392], W1[392:] = 1, -1
    W1[0] = 0
    pixels = shown(plot_columns(W1, "Ends.")).convert("RGB")
    found = pixels.getcolors(pixels.width * pixels.height)
    often = sorted(colour for count, colour in found if count > 5000)
    assert any(r > 180 and g < 60 and b > 120 for r, g, b in often), often  # pink
    assert any(g > 130 and r < 130 and b < 20 for r, g, b in often), often  # green
