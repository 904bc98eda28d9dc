"""In a real JupyterLab with Chinese: no sentence of ours is left in English."""

import re
from pathlib import Path

import pytest

from lab_in_browser import Notebook, write_notebook

ZH = Path(__file__).parents[2] / "notebooks" / "zh_CN"
LESSONS = sorted(path.name for path in ZH.glob("*.ipynb"))
# Three English words in a row that are not code, a name or what PyTorch says.
ENGLISH = re.compile(
    r"(?<![\w.`/='\"(-])[A-Za-z][a-z]+,?(?: [a-z]{2,}[,.:]?){2,}(?![\w=(])"
)
CELLS = [
    "from helpers import *\nimport torch\nfrom torch import nn\n"
    "data = load_fashion_mnist('sample')\ncheck_machine()",
    "small = lab(data, ['num_hiddens', 'init', 'momentum'], num_epochs=1)\nsmall",
    "def my_net(num_hiddens, bias=True):\n    return nn.Sequential(nn.Flatten(),"
    " nn.Linear(784, num_hiddens, bias=bias), nn.ReLU(), nn.Linear(num_hiddens, 10))\n"
    "def my_step(net, optimizer, X, y):\n    raise ValueError\n"
    "lab(data, net=my_net, step=my_step)",
    "init_lab(data)",
    "shapes_lab()",
    "registration_lab(data)",
    "grid_lab(data)",
    "predict('which', '哪个？', ['这个', '那个'])",
    "reveal('which', '这个')",
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
SAID = """() => window.jupyterapp.shell.currentWidget.content.widgets.map((cell) => {
    const shown = [...cell.node.querySelectorAll(".jp-OutputArea")];
    const named = shown.flatMap((area) => [...area.querySelectorAll("*")]);
    return [
        ...shown.map((area) => area.innerText),
        ...named.flatMap((node) => ["title", "aria-label", "aria-valuetext", "alt"]
            .map((name) => node.getAttribute(name) || "")),
    ].join("\\n");
})"""


@pytest.fixture(scope="module")
def chinese(course, chromium, full_data):
    notebook = Notebook(chromium, course, f"zh_CN/{LESSONS[0]}")
    yield notebook
    notebook.close()


def english(text):
    """What is said in English, without tracebacks and what is quoted from PyTorch."""
    text = re.sub(
        r"Traceback.*?(?=\n\w*Error)|^\s*\d+ .*$", "", text, flags=re.S | re.M
    )
    return sorted({found[0] for found in ENGLISH.finditer(text)})


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_opens_and_what_it_has_stored_is_chinese(chinese, name):
    chinese.open(f"zh_CN/{name}")
    said = chinese.page.evaluate(SAID)
    assert any(re.search("[\\u4e00-\\u9fff]", one) for one in said)
    assert [found for one in said for found in english(one)] == []


def test_instruments_say_nothing_in_english(course, chromium, tmp_path_factory):
    folder = next(tmp_path_factory.getbasetemp().glob("course*")) / "zh_CN"
    write_notebook(folder / "speaks.ipynb", *CELLS)
    notebook = Notebook(chromium, course, "zh_CN/speaks.ipynb")
    for index in range(len(CELLS)):
        notebook.run(index)
    left = {
        index: found
        for index, one in enumerate(notebook.page.evaluate(SAID))
        if (found := english(one))
    }
    notebook.close()
    (folder / "speaks.ipynb").unlink()
    assert left == {}
