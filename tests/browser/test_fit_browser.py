"""All outputs fit a projector and a page at 150 %, in a browser with scroll bars."""

import operator
import re

import pytest

from lab_in_browser import after_frames

SIZES = [(1440, 900), (1024, 700), (960, 600)]  # the last is the first at 150 %
WITH_FILES = (780, 700)  # about what the list of files leaves of a projector
INSTRUMENTS = [
    "init_lab(data, num_layers=10, sigma=1.0)",
    "shapes_lab()",
    "registration_lab(data)",
    "grid_lab(data)",
    "registration(resnet18())",
    "trace_shapes(resnet18(), torch.rand(2, 3, 64, 64)).unfold('layer2')",
    "predict('long', 'How often is it right? ' * 9, ['quite often ' * 20, 'no'])",
    "check('1.1', lambda *_: 1 / 0)",
    "progress()",
]
REPLIES = """from helpers.exercises.exercise import all_exercises
solved = all_exercises()["1.1"].reference
display(check("1.1", solved), check("1.1", lambda *_: 3), check("1.1", ...))"""
LOOKS = """() => [...document.querySelectorAll(".reply")].map((one) => {
    const mark = one.querySelector("b"), style = getComputedStyle(one);
    const page = getComputedStyle(one.closest(".jp-Notebook")).backgroundColor;
    const {backgroundColor, color} = getComputedStyle(mark);
    return {
        mark: mark.innerText, bar: style.borderLeftStyle, tint: style.borderLeftColor,
        inks: [[style.color, page],
            [color, backgroundColor === "rgba(0, 0, 0, 0)" ? page : backgroundColor]],
    };
})"""
# JupyterLab stumbles where the next change comes before its splash has gone.
THEME = """async (theme) => {
    await window.jupyterapp.commands.execute("apputils:change-theme", { theme });
    while (document.getElementById("jupyterlab-splash"))
        await new Promise((end) => setTimeout(end, 50));
}"""
# What an output, a text or code cuts off or scrolls, and what is wider than it.
CUT_OFF = """() => {
    const found = [];
    const cells = window.jupyterapp.shell.currentWidget.content.widgets;
    cells.forEach((cell, index) => {
        const parts = cell.node.querySelectorAll(
            ".jp-OutputArea-output, .jp-RenderedMarkdown, .cm-scroller");
        for (const part of parts) {
            const end = part.getBoundingClientRect().right + 0.5;
            for (const one of [part, ...part.querySelectorAll("*")]) {
                const foreign = one.closest(".noUi-base, mjx-container");
                if (foreign || one.clientWidth <= 1) continue;
                const {overflowX, overflowY} = getComputedStyle(one);
                const name = `cell ${index}: ${one.tagName}.${one.className} `;
                if (overflowX !== "visible" && one.scrollWidth > one.clientWidth)
                    found.push(`${name} ${one.scrollWidth} > ${one.clientWidth}`);
                if (overflowY !== "visible" && one.scrollHeight > one.clientHeight)
                    found.push(`${name} ${one.scrollHeight} > ${one.clientHeight}`);
                if (one.getBoundingClientRect().right > end)
                    found.push(`${name} is wider than its place`);
            }
        }
    });
    return found;
}"""

# Words and numbers of outputs and texts that a line breaks within.
BROKEN = """() => {
    const found = [], range = document.createRange();
    const parts = ".jp-OutputArea-output, .jp-RenderedMarkdown";
    for (const part of document.querySelectorAll(parts)) {
        const texts = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            const {data} = texts.currentNode;
            for (const {0: word, index} of data.matchAll(/[\\p{L}\\p{N}_.]+/gu)) {
                if (word.length > 30) continue;
                range.setStart(texts.currentNode, index);
                range.setEnd(texts.currentNode, index + word.length);
                if (new Set([...range.getClientRects()].map((box) => box.top)).size > 1)
                    found.push(`${word} is broken`);
            }
        }
    }
    return found;
}"""


def cut_off(page, *more):
    """{size: what is cut off or broken} for sizes at which something is."""
    found = {}
    for width, height in (*SIZES, *more):
        page.set_viewport_size({"width": width, "height": height})
        after_frames(page, 12)
        if here := page.evaluate(CUT_OFF) + page.evaluate(BROKEN):
            found[width, height] = here
    return found


def brightness(colour):
    """The relative luminance of a colour such as rgb(0, 0, 0), as WCAG defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(map(operator.mul, (0.2126, 0.7152, 0.0722), linear))


def contrast(one, other):
    low, high = sorted([brightness(one), brightness(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("source", INSTRUMENTS, ids=lambda source: source[:20])
def test_no_instrument_is_cut_off(open_notebook, source):
    lab = open_notebook(
        f"import torch\nfrom torchvision.models import resnet18\n{source}"
    )
    lab.page.evaluate(
        "() => document.querySelectorAll('details').forEach("
        "(part) => (part.open = true))"
    )
    assert cut_off(lab.page, WITH_FILES) == {}


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_right_not_yet_and_not_attempted_look_different(open_notebook, theme):
    lab = open_notebook(REPLIES)
    lab.page.evaluate(THEME, f"JupyterLab {theme}")
    lab.page.wait_for_function(
        "(light) => document.body.dataset.jpThemeLight === light",
        arg=str(theme == "Light").lower(),
    )
    looks = lab.page.evaluate(LOOKS)
    assert [look["mark"] for look in looks] == ["✓", "✗", "○"]
    for kind in ("bar", "tint"):
        assert len({look[kind] for look in looks}) == 3
    for text, ground in (pair for look in looks for pair in look["inks"]):
        assert contrast(text, ground) >= 4.5
    lab.page.evaluate(THEME, "JupyterLab Light")
