"""In a real JupyterLab with Chinese: no sentence of ours is left in English."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

import translations
from lab_in_browser import write_notebook

ZH = Path(__file__).parents[2] / "notebooks" / "zh_CN"
LESSONS = sorted(path.name for path in ZH.glob("*.ipynb"))
# Three English words in a row that are not code, a name or what PyTorch says.
ENGLISH = re.compile(
    r"(?<![\w.`/='\"(-])[A-Za-z][a-z]+,?(?: [a-z]{2,}[,.:]?){2,}(?![\w=(])"
)
# One that is not code, in what instruments show; and those that stay.
WORD = re.compile(r"(?<![\w./'\"(-])[a-z]{3,}(?![\w.(=\"'-])")
NAMES = set(
    "activation adam adamw batch boot constant cosine dropout forward init kaiming "
    "layers leakyrelu matmul momentum normal optimizer raise raises randn relu seed "
    "sgd sigma sigmoid tanh weight xavier zeros".split()
)
CELLS = [
    "from helpers import *\nimport torch\nfrom torch import nn\n"
    "data, opened = load_fashion_mnist('sample'), []\ncheck_machine()",
    "def use(one):\n    opened.append(one)\n    display(one)",
    "def my_step(net, optimizer, X, y):\n    raise ValueError\n"
    "lab(data, net=lambda: nn.Linear(784, 10), step=my_step)",
    "predict('which', '哪个？', ['这个', '那个'])",
    "display(reveal('which', '这个'), predict('other', '哪个？', ['这个', '那个']))",
    "said = check('1.2', ...), check('1.2', lambda: 1), hint('1.2'), progress()\n"
    "for one in said:\n    display(one)",
    "net = nn.Sequential(nn.Linear(784, 10), nn.ReLU())\n"
    "doctor(net, data, torch.optim.SGD(net.parameters(), lr=1e-9))",
    "trace_shapes(lambda X, W: X @ W, torch.ones(5, 784), torch.ones(10, 784))",
    "results = sweep([Config(num_epochs=1, lr=lr) for lr in (0.1, 1)], data)\nresults",
    "plot_sweep(results, 'lr')",
    "def space(trial):\n    lr = trial.suggest_float('lr', 0.01, 1, log=True)\n"
    "    return Config(lr=lr, num_epochs=1)\nsearch(space, data, num_trials=3)",
    "Config(lr=-1)",
]
LIVE = {"lab", "init_lab", "shapes_lab", "registration_lab", "grid_lab", "predict"}
DEFINED = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
SAID = """() => window.jupyterapp.shell.currentWidget.content.widgets.map((cell) => {
    const shown = [...cell.node.querySelectorAll(".jp-OutputArea")];
    const named = shown.flatMap((area) => [...area.querySelectorAll("*")]);
    return [
        ...shown.map((area) => area.innerText),
        ...named.flatMap((node) => ["title", "aria-label", "aria-valuetext", "alt"]
            .map((name) => node.getAttribute(name) || "")),
    ].join("\\n");
})"""
# From now on, what is written on a canvas, and what a screen reader is told.
LISTEN = """() => {
    window.drawn = new Set();
    window.heard = new Set();
    const pen = CanvasRenderingContext2D.prototype, { fillText } = pen;
    pen.fillText = function (text, ...place) {
        window.drawn.add(text);
        return fillText.call(this, text, ...place);
    };
    const listen = () => document.querySelectorAll(".course-unseen").forEach(
        ({ textContent }) => textContent && window.heard.add(textContent));
    new MutationObserver(listen).observe(
        document.body, { childList: true, subtree: true });
}"""
# Most instruments have said something, and one of them several sentences.
SEVERAL = """() => window.heard.size > 6 &&
    [...window.heard].some((said) => said.split("。").length > 3)"""
# All that a learner can press, in one of each kind: the first answer of a question, and
# the buttons of an instrument, which is paused at the end.
PRESS = """async () => {
    const soon = () => new Promise((end) => setTimeout(end, 300));
    const kinds = new Set();
    for (const one of document.querySelectorAll(".course-instrument")) {
        const buttons = [...one.querySelectorAll("button")].slice(0, 12);
        const answer = one.querySelector("input[type=radio]:enabled");
        const kind = [!answer, ...buttons.map((one) => one.textContent)].join();
        if (kinds.has(kind)) continue;
        kinds.add(kind);
        answer?.click();
        for (const button of buttons) {
            if (button.disabled || button.querySelector(".fa-play")) continue;
            button.click();
            await soon();
        }
        one.querySelector(".fa-pause")?.closest("button").click();
    }
}"""
# The words of all instruments, without the code that they show.
WORDS = """() => [...document.querySelectorAll(".course-instrument")].map((one) => {
    const copy = one.cloneNode(true);
    copy.querySelectorAll("pre, code, textarea, style").forEach((it) => it.remove());
    return copy.innerText;
}).join("\\n")"""


def live(name):
    """What a lesson opens and asks, and all that it defines and imports, as code."""
    cells = nbformat.read(ZH / name, 4).cells
    for cell in (one for one in cells if one.cell_type == "code"):
        *before, last = ast.parse(translations.plain(cell.source)).body
        called = getattr(getattr(last, "value", None), "func", None)
        if getattr(called, "id", "") in LIVE:
            yield from map(ast.unparse, before)
            yield f"use({ast.unparse(last)})"
        else:
            kept = (one for one in (*before, last) if isinstance(one, DEFINED))
            yield from map(ast.unparse, kept)


@pytest.fixture(scope="module")
def spoken(lessons, full_data, tmp_path_factory):
    """All instruments and questions of the lessons, and more, each of which is used."""
    folder = next(tmp_path_factory.getbasetemp().glob("course*")) / "zh_CN"
    write_notebook(folder / "speaks.ipynb", *CELLS, *map("\n".join, map(live, LESSONS)))
    lessons.open("zh_CN/speaks.ipynb")
    lessons.page.evaluate(LISTEN)
    for index in range(len(CELLS) + len(LESSONS)):
        lessons.run(index)
    lessons.page.evaluate(PRESS)
    lessons.execute("for one in opened: one.wait(240)")
    lessons.page.wait_for_function(SEVERAL)
    return lessons


def english(text):
    """What is said in English, without code, tracebacks and what PyTorch says."""
    text = re.sub(
        r"Traceback.*?(?=\n\w*Error)|^\s*(\d+|for|from) .*$",
        "",
        text,
        flags=re.S | re.M,
    )
    return sorted({found[0] for found in ENGLISH.finditer(text)})


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_opens_and_what_it_has_stored_is_chinese(lessons, name):
    lessons.open(f"zh_CN/{name}")
    said = lessons.page.evaluate(SAID)
    assert any(re.search("[\\u4e00-\\u9fff]", one) for one in said)
    assert [found for one in said for found in english(one)] == []


def test_nothing_that_a_lesson_opens_says_a_sentence_in_english(spoken):
    said = enumerate(spoken.page.evaluate(SAID))
    assert {index: found for index, one in said if (found := english(one))} == {}


def test_no_word_of_an_instrument_or_its_curves_is_english(spoken):
    shown = [spoken.page.evaluate(WORDS), *spoken.page.evaluate("[...window.drawn]")]
    assert "损失（对数刻度）" in shown
    assert {word for one in shown for word in WORD.findall(one)} - NAMES == set()


def test_sentences_that_are_read_out_together_have_no_blank_between(spoken):
    heard = spoken.page.evaluate("[...window.heard]")
    assert [one for one in heard if re.search("[，。：；？！] ", one)] == []
