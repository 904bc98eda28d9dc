"""Rules for the committed notebooks: what nbval lets pass, and what readers need.

`RULES` holds functions. Each takes a `Notebook` and yields a pair for everything that
is wrong: the number of the cell (counted from 1), and what to do about it.
"""

import ast
import html
import json
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import nbformat

MAX_BYTES = 1_000_000
MAX_CODE_LINES = 10
MAX_LINES = 12
MAX_WORDS = 90
MAX_COLUMNS = 72  # of code and of printed tables: what fits into a window of 1024 x
# 700 beside the list of files, as tests/browser/test_page_browser.py measures
THE_LINE = (  # that all of the course is about stays one
    "W1 = nn.Parameter(torch.randn(num_inputs, num_hiddens, requires_grad=True) * 0.01)"
)
PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
PROJECT = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
ELSEWHERE = {  # what opens a notebook there
    "Colab": REPOSITORY.replace(
        "https://github.com", "https://colab.research.google.com/github"
    ),
    "Kaggle": f"https://kaggle.com/kernels/welcome?src={REPOSITORY}",
}
SET_UP = f"""\
# On Colab or Kaggle, this installs the course. At home it does nothing.
from importlib.util import find_spec
if not find_spec("helpers"):
    %pip install -q git+{REPOSITORY}"""
MAGIC = re.compile(r"^(\s*)%.*", re.MULTILINE)
MANY_PARTS = 5  # that are optional
LONG = 40  # minutes; a longer page lists its way through
SLACK = 1.5  # times in the prose and in print may differ by this factor
WORDS_A_MINUTE = 130
MINUTES_A_CODE_CELL = 0.5  # to read it, run it and look at what it prints
MINUTES_A_QUESTION = 1.0
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
INSTRUMENT = re.compile(r"^\w*lab\(", re.MULTILINE)  # what shows one, such as init_lab
FIGURE = re.compile(r"\d[\d,.]*")
# What the prose calls colours, and what the sentence then speaks of: one thing each.
COLOUR_WORDS = {  # the word, its names in palette.py, and the meaning
    "blue": ("TRAIN", r"training|learns from"),
    "orange": ("VAL", r"validation"),
    "pink": ("POSITIVE PLUS", r"positive|above 0|bright"),
    "green": ("NEGATIVE MINUS", r"negative|below|dark"),
    "teal": ("COMPUTED", r"computed"),
    "purple": ("GIVEN", r"before"),
}
OTHER_COLOURS = r"\b(red|yellow|brown|violet|magenta|cyan|olive|turquoise)\b"
RULES = []


@dataclass(frozen=True)
class Notebook:
    """A notebook as it is in its file; `following` is the name of the next file."""

    name: str
    size: int
    cells: list
    metadata: dict
    following: str | None

    @classmethod
    def load(cls, path):
        """Read it as it is; nbformat.read would repair it, and hide missing ids."""
        path = Path(path)
        text = path.read_text(encoding="utf-8")
        notebook = nbformat.v4.reads(text)
        names = sorted(other.name for other in path.parent.glob("*.ipynb"))
        following = next((name for name in names if name > path.name), None)
        size = len(text.encode())
        return cls(path.name, size, notebook.cells, notebook.metadata, following)

    def numbered(self, cell_type):
        """Yield (number, cell) for the cells of one type."""
        for number, cell in enumerate(self.cells, start=1):
            if cell.cell_type == cell_type:
                yield number, cell

    def outputs(self):
        """Yield (number of the cell, output)."""
        for number, cell in self.numbered("code"):
            for output in cell.outputs:
                yield number, output

    def findings(self, rule):
        """The sentences that `rule` says about this notebook."""
        return [f"{self.name}, cell {number}: {what}" for number, what in rule(self)]


def rule(function):
    """Add a function to `RULES`."""
    RULES.append(function)
    return function


# --- the file


@rule
def the_file_is_small(notebook):
    """GitHub shows small notebooks at once, and large ones late or never."""
    if notebook.size >= MAX_BYTES:
        sizes = [len(json.dumps(cell)) for cell in notebook.cells]
        advice = (
            f"the largest cell of a file of {notebook.size:,} bytes: keep the file "
            f"under {MAX_BYTES:,}, with fewer or smaller pictures."
        )
        yield sizes.index(max(sizes)) + 1, advice


@rule
def the_kernel_is_python3(notebook):
    """With any other name, JupyterLab asks the reader to choose a kernel."""
    name = notebook.metadata.get("kernelspec", {}).get("name")
    if name != "python3":
        yield 1, f"the kernel is {name!r}, not 'python3': run `make notebooks`."


@rule
def no_widget_is_stored(notebook):
    """A stored view reopens as "model not found"."""
    if "widgets" in notebook.metadata:
        yield 1, "the notebook stores widget states: run `make notebooks`."
    for number, output in notebook.outputs():
        if WIDGET_VIEW in output.get("data", {}):
            yield number, "it stores a widget view: run `make notebooks`."


@rule
def an_instrument_is_stored_as_a_picture(notebook):
    """Or as HTML: what GitHub shows, and JupyterLab until the cell is run."""
    for number, cell in notebook.numbered("code"):
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        if INSTRUMENT.search(cell.source) and not kinds & {"image/png", "text/html"}:
            yield number, "it stores no picture: run `make notebooks`."


@rule
def every_cell_has_its_own_id(notebook):
    """Without ids, every program that saves the notebook makes up new ones."""
    seen = Counter(cell.get("id") for cell in notebook.cells)
    for number, cell in enumerate(notebook.cells, start=1):
        if not cell.get("id"):
            yield number, "it has no id: run `make notebooks`."
        elif seen[cell["id"]] > 1:
            yield number, f"it shares its id {cell['id']!r}: run `make notebooks`."


@rule
def no_cell_is_empty(notebook):
    for number, cell in enumerate(notebook.cells, start=1):
        if not cell.source.strip():
            yield number, "it is empty: delete it."


@rule
def it_can_be_opened_elsewhere(notebook):
    """With a link in its first lines, and a first code cell that sets it up there."""
    for number, cell in list(notebook.numbered("code"))[:1]:
        if cell.source != SET_UP:
            yield number, f"the first code must be this:\n{SET_UP}"
    for name, place in ELSEWHERE.items():
        link = f"[Open in {name}]({place}/blob/main/notebooks/{notebook.name})"
        if link not in notebook.cells[0].source:
            yield 1, f"below the title, it must have {link}."


# --- code cells and their outputs


@rule
def cells_ran_in_order(notebook):
    """nbval lets a cell without a number pass, whatever it does."""
    for expected, (number, cell) in enumerate(notebook.numbered("code"), start=1):
        if cell.execution_count != expected:
            advice = (
                f"it carries [{cell.execution_count or ' '}] and should carry "
                f"[{expected}]: run `make notebooks`."
            )
            yield number, advice
            return  # the cells below are wrong because of this one


@rule
def errors_are_announced(notebook):
    """nbval lets a cell tagged raises-exception pass that raises nothing."""
    for number, cell in notebook.numbered("code"):
        errors = [output for output in cell.outputs if output.output_type == "error"]
        tagged = "raises-exception" in tags(cell)
        if errors and not tagged:
            advice = (
                f"it ended in {errors[0].ename}: fix it, or tag it "
                "raises-exception if the error is the lesson."
            )
            yield number, advice
        if tagged and not errors:
            yield number, "it raised nothing: remove the tag raises-exception."


@rule
def every_cell_runs_in_the_tests(notebook):
    for number, cell in notebook.numbered("code"):
        if "nbval-skip" in tags(cell) or re.search(r"#\s*NBVAL_SKIP", cell.source):
            yield number, "nbval would leave it out: remove nbval-skip."


@rule
def nothing_is_on_stderr(notebook):
    """Warnings and progress bars distract, and contain paths of one machine."""
    for number, output in notebook.outputs():
        if output.get("name") == "stderr":
            start = output.text.strip()[:60]
            yield number, f"it wrote to stderr: remove the cause of {start!r}."


@rule
def printed_tables_fit_a_projector(notebook):
    """Prose wraps; the columns of a table would come apart."""
    for number, output in notebook.outputs():
        data = output.get("data", {})
        ignored = "nbval-ignore-output" in tags(notebook.cells[number - 1])
        if is_figure(output) or "text/html" in data or ignored:  # it wraps, or varies
            continue
        printed = output.get("text", "") + data.get("text/plain", "")
        for line in printed.splitlines():
            if len(line) > MAX_COLUMNS and re.search(r"\S {2,}\S", line):
                advice = (
                    f"a row of its printed table has {len(line)} columns (at most "
                    f"{MAX_COLUMNS}): {line.strip()[:40]!r}..."
                )
                yield number, advice
                break


@rule
def no_line_ends_in_a_semicolon(notebook):
    """nbval runs the cell without it, and gets another output."""
    for number, cell in notebook.numbered("code"):
        for line in map(str.strip, cell.source.splitlines()):
            if re.search(r";\s*(#[^'\"]*)?$", line) and not line.startswith("#"):
                yield number, f"{line!r} ends in a semicolon: write `_ = ...` instead."


@rule
def no_path_of_a_machine(notebook):
    path = r"(?<![\w.-])/(?:home|root|Users|tmp|work)/|\b[A-Za-z]:\\{1,2}Users\b"
    for number, cell in enumerate(notebook.cells, start=1):
        text = "\n".join([cell.source, *map(all_text, cell.get("outputs", []))])
        if found := re.search(rf"(?:{path})[^\s'\"]*", text):
            advice = (
                f"{found[0]!r} is a path of one machine: show a name, or a path inside "
                "the course's folder."
            )
            yield number, advice


@rule
def helpers_come_before_torch(notebook):
    """helpers/__init__.py sets what PyTorch reads once, while it is imported."""
    for number, cell in notebook.numbered("code"):
        for line in cell.source.splitlines():
            if re.match(r"\s*(from|import) helpers\b", line):
                return
            if re.match(r"\s*(from|import) torch", line):
                yield number, "torch is imported before helpers: swap the order."
                return


@rule
def code_cells_are_short(notebook):
    for number, cell in notebook.numbered("code"):
        lines = cell.source.strip("\n").splitlines()
        code = [line for line in lines if not re.match(r"\s*(#|$)", line)]
        if len(code) > MAX_CODE_LINES or len(lines) > MAX_LINES:
            advice = (
                f"it has {len(code)} lines of code, {len(lines)} with comments and "
                "blanks: split it, or move details to helpers (at most "
                f"{MAX_CODE_LINES} and {MAX_LINES})."
            )
            yield number, advice


@rule
def code_fits_a_projector(notebook):
    """A longer line scrolls sideways, or wraps."""
    for number, cell in notebook.numbered("code"):
        for line in cell.source.splitlines():
            if len(line) > MAX_COLUMNS and line != THE_LINE:
                advice = (
                    f"{line.strip()[:40]!r}... has {len(line)} columns: at most "
                    f"{MAX_COLUMNS} fit."
                )
                yield number, advice


@rule
def slow_cells_say_how_long(notebook):
    """A cell with the tag slow takes over 2 s; tools/run_notebooks.py finds them."""
    above = ""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            above = cell.source
        elif "slow" in tags(cell):
            if not WAIT.search(above):
                yield number, "it is slow: say above that it 'takes about 10 s'."
            above = ""  # the next slow cell needs a line of its own


@rule
def figures_have_text(notebook):
    """For readers who can't see the picture."""
    for number, cell in notebook.numbered("code"):
        said = cell.metadata.get("alt") or any(
            output.get("name") == "stdout" and output.text.strip()
            for output in cell.outputs
        )
        for output in cell.outputs:
            if is_figure(output) and not said and not describes_itself(output):
                advice = (
                    "its figure has no text: print one line that sums it up, or give "
                    'the output\'s metadata["image/png"]["alt"].'
                )
                yield number, advice


@rule
def every_answer_has_its_question(notebook):
    """Without its predict, reveal has nothing to show."""
    asked = set()
    for number, cell in notebook.numbered("code"):
        asked |= set(re.findall(r"\bpredict\(\s*(['\"].+?['\"])", cell.source))
        for id in re.findall(r"\breveal\(\s*(['\"].+?['\"])", cell.source):
            if id not in asked:
                yield number, f"reveal({id}, ...) has no predict({id}, ...) before it."


@rule
def nobodys_prediction_is_stored(notebook):
    for number, output in notebook.outputs():
        if re.search(r"You predicted:|The class voted:", all_text(output)):
            yield number, "it stores somebody's prediction: run `make notebooks`."


@rule
def no_answer_is_seen_before_its_cell_is_run(notebook):
    """Nor in the code, from a question to its answer.

    JupyterLab shows the first line of a hidden output in its place.
    """
    for question, between in questions(notebook):
        for number, cell in between:
            if told := [one for one in question["options"] if repr(one) in cell.source]:
                yield (
                    number,
                    f"its code has the answer {told[0]!r}; reveal a measurement.",
                )
            if not cell.outputs:
                continue
            if not cell.metadata.get("jupyter", {}).get("outputs_hidden"):
                yield (
                    number,
                    "it answers a question: hide its outputs (outputs_hidden).",
                )
            text = all_text(cell.outputs[0]).strip()
            first = text.splitlines()[0] if text else ""
            known = cell.source + question["text"]
            if first.startswith(("Live lab with", "实时的实验台")):  # its settings
                continue
            figures = [one for one in FIGURE.findall(first) if one not in known]
            if figures or any(one in first for one in question["options"]):
                yield (
                    number,
                    f"its first printed line gives the answer away: {first!r}.",
                )


@rule
def no_answer_is_read_before_its_cell_is_run(notebook):
    """Text can't be hidden until a cell runs, so what answers is under <details>."""
    for question, asked, answered in answers(notebook):
        cells = list(enumerate(notebook.cells, start=1))
        below = cells[answered : answered + 1]
        for number, cell in below:
            if cell.cell_type == "markdown" and not cell.source.startswith("<details>"):
                yield number, "it follows an answer: begin with <details>."
        before = cells[: asked - 1]
        known = [one for _, cell in before for one in numbers(all_of(cell))]
        known += numbers(question["text"])
        said = " ".join(cell.source for _, cell in before)
        options = [one for one in question["options"] if not mentions(said, one)]
        hidden = [cell for _, cell in cells[asked:answered] if is_hidden(cell)]
        secret = [one for cell in hidden for one in numbers(printed_text(cell))]
        secret = [one for one in secret if one.is_measured()]
        for number, cell in cells[asked : answered + 2]:
            seen = in_view(cell)
            told = [one for one in options if mentions(seen, one)]
            for one in numbers(without_code(seen)):
                if one.is_measured() and not one.is_backed(known, []):
                    told += [one.text] * one.is_backed(secret, [])
            if told:
                yield (
                    number,
                    f"it tells {told[0]!r}, an answer: put it under <details>.",
                )


@rule
def nothing_answers_what_a_try_this_asks(notebook):
    """Before the learner has tried: what was measured is hidden, up to a heading."""
    asked = False
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            asked = asked and not cell.source.startswith("#")
            tries = re.search(r"Try (this|it)\b|things to try", cell.source)
            asked = asked or bool(tries and "?" in in_view(cell))
        elif asked and printed_text(cell).strip() and not is_hidden(cell):
            yield number, "it answers a 'try this': hide its outputs (outputs_hidden)."


@rule
def no_error_is_seen_where_an_error_was_asked_for(notebook):
    """If one of the options is an error, any error up to the next heading is hidden."""
    for question, _, answered in answers(notebook):
        if not any("error" in option for option in question["options"]):
            continue
        for number, cell in list(enumerate(notebook.cells, start=1))[answered:]:
            if cell.cell_type == "markdown":
                if cell.source.startswith("#"):
                    break
            elif not is_hidden(cell) and stops(cell):
                yield number, "it shows an error: hide its outputs (outputs_hidden)."


def stops(cell):
    """Whether an error is stored, or told."""
    kinds = [output.output_type for output in cell.outputs]
    return "error" in kinds or re.search(r"\berror\b", printed_text(cell), re.I)


@rule
def details_are_rendered(notebook):
    """Markdown under <details> is markdown only between blank lines."""
    for number, cell in notebook.numbered("markdown"):
        if re.search(r"</summary>(?!\n\n)|(?<!\n\n)</details>", cell.source):
            yield number, "put a blank line after </summary> and before </details>."


@rule
def one_question_stands_once(notebook):
    """In its predict, and not in the prose above it as well."""
    for number, cell in notebook.numbered("markdown"):
        if "**Predict.**" in cell.source:
            yield number, "it asks what predict asks: keep what leads to the question."


@rule
def a_question_is_written_out(notebook):
    """A name for a question or its options would be that of another one later."""
    for number, cell in notebook.numbered("code"):
        for call in predictions(cell.source):
            id, question, options = call.args
            listed = options.keys if isinstance(options, ast.Dict) else options
            listed = getattr(listed, "elts", listed)
            texts = [id, question, *(listed if isinstance(listed, list) else [listed])]
            if not all(isinstance(one, ast.Constant) for one in texts):
                yield number, "write the question and its options into predict(...)."


def predictions(source):
    """The calls of predict in a cell."""
    for node in ast.walk(ast.parse(MAGIC.sub(r"\1pass", source))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "predict":
            yield node


def questions(notebook):
    """(its text and options, [(number, cell)] from after it to its answer) for each."""
    code = list(notebook.numbered("code"))
    for place, (_, cell) in enumerate(code):
        for call in predictions(cell.source):
            options = call.args[2]
            listed = options.keys if isinstance(options, ast.Dict) else options
            listed = getattr(listed, "elts", listed)
            texts = [one.value for one in listed] if isinstance(listed, list) else []
            id, between = call.args[0].value, []
            for number, later in code[place + 1 :]:
                between.append((number, later))
                if re.search(rf"\breveal\(\s*['\"]{re.escape(id)}['\"]", later.source):
                    break
            yield {"text": ast.unparse(call), "options": texts}, between


def answers(notebook):
    """(text and options, number of the cell that asks, of the one that answers)."""
    asked = [
        number
        for number, cell in notebook.numbered("code")
        for _ in predictions(cell.source)
    ]
    for number, (question, between) in zip(asked, questions(notebook)):
        yield question, number, between[-1][0] if between else number


def mentions(text, option):
    """Whether an option is in a text, as a word or words of its own."""
    return re.search(rf"(?<![\w.]){re.escape(option)}(?![\w])", text, re.IGNORECASE)


def is_hidden(cell):
    return cell.metadata.get("jupyter", {}).get("outputs_hidden", False)


def in_view(cell):
    """What a learner reads of a cell in JupyterLab before running it."""
    if cell.cell_type == "code":
        return "" if is_hidden(cell) else printed_text(cell)
    shut = r"<details>.*?</details>"
    return without_tags(re.sub(shut, "", cell.source, flags=re.DOTALL))


def all_of(cell):
    return cell.source + "\n" + printed_text(cell)


# --- time


@rule
def the_minutes_hold(notebook):
    """The way through, without what is optional, takes no longer than it says.

    It counts the words, the code cells, the questions, and what the text gives minutes
    to, as in "Try this (4 min)". A heading with "(optional, 3 min)" is left out, up to
    the next heading, and has to hold its own minutes.
    """
    stated = re.search(r"About (\d+) minutes", notebook.cells[0].source)
    if not stated:
        yield 1, "say how long the page takes: 'About 40 minutes'."
        return
    needed = 0.0
    for number, heading, cells in sections(notebook):
        if heading in ("## Your turn", "## For teachers"):
            continue
        minutes = sum(map(minutes_of, cells))
        optional = re.search(r"\(optional, (\d+) min\)", heading)
        needed += 0 if optional else minutes
        if optional and minutes > int(optional[1]) + 0.5:
            yield number, f"{heading!r} takes {minutes:.1f} minutes."
    if needed > int(stated[1]):
        yield 1, f"the way through takes {needed:.0f} minutes: mark what is optional."


@rule
def the_exercises_take_what_the_page_says(notebook):
    """Up to five minutes more or less: 'and as long again for the exercises'."""
    top = notebook.cells[0].source
    page = re.search(r"About (\d+) minutes", top)
    said = re.search(r"\b(as long again|an hour|\d+)(?: more)? for the exercises", top)
    tasks = r"\*\*Your turn [\d.]+\*\* \((\d+) min"
    text = "\n".join(cell.source for _, cell in notebook.numbered("markdown"))
    total = sum(map(int, re.findall(tasks, text)))
    if said and page:
        words = {"as long again": int(page[1]), "an hour": 60}
        stated = words.get(said[1]) or int(said[1])
        if abs(total - stated) > 5:
            yield 1, f"the exercises take {total} minutes, not {stated}."
    elif total:
        yield 1, f"say that it takes '{total} for the exercises'."


@rule
def the_plan_for_a_class_adds_up(notebook):
    """Its parts take the minutes of the page, as do those of a way through at the top;
    the exercises come on top."""
    top = notebook.cells[0].source
    stated = re.search(r"About (\d+) minutes", top)
    way = re.findall(r"^\d+\. .*: (\d+) minutes$", top, re.MULTILINE)
    left_out = [one for _, one, _ in sections(notebook) if "(optional" in one]
    if not stated:
        return
    if (len(left_out) >= MANY_PARTS or int(stated[1]) > LONG) and not way:
        parts = f"{stated[1]} minutes without {len(left_out)} parts"
        yield 1, f"it takes {parts}: list the way through."
    if way and sum(map(int, way)) != int(stated[1]):
        yield 1, f"the way through takes {sum(map(int, way))} minutes, not {stated[1]}."
    for number, cell in notebook.numbered("markdown"):
        rows = re.findall(r"^\| (\d+) \| (.*?) \|", cell.source, re.MULTILINE)
        if "## For teachers" in cell.source and rows:
            total = sum(int(n) for n, part in rows if "your turn" not in part.lower())
            if total != int(stated[1]):
                yield number, f"its parts take {total} minutes, the page {stated[1]}."


def sections(notebook):
    """(number of its first cell, heading, cells) for each ## or ### heading."""
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        first = cell.source.partition("\n")[0]
        if not found or cell.cell_type == "markdown" and first.startswith("##"):
            found.append((number, first, []))
        found[-1][2].append(cell)
    return found


def minutes_of(cell):
    """How long a learner takes for a cell."""
    if cell.source == SET_UP:  # nothing to read
        return 0
    if cell.cell_type == "code":
        return MINUTES_A_QUESTION if asks_for_a_guess(cell) else MINUTES_A_CODE_CELL
    left_out = r"^#.*|^\|[ |:-]+$|^\[Open in .*"
    text = re.sub(left_out, "", cell.source, flags=re.MULTILINE)
    tasks = sum(map(int, re.findall(r"\((\d+) min\b", text)))
    waits = sum(map(int, WAIT.findall(text))) / 60
    text = re.sub(r"\$+[^$]+\$+", "formula", without_tags(without_code(text)))
    words = re.findall(r"\S*\w\S*", text)
    return len(words) / WORDS_A_MINUTE + tasks + waits


# --- terms, over all notebooks

# What the course calls things, and words of the sentence that says what it means.
# What an optional part explains is explained again where the others first need it.
TERMS = {
    "hidden units?": "multiplies each of the 784 pixels",
    "scores?": "for each kind of clothes",
    "weights?": "multiplies each of the 784 pixels",
    "relu": "and 0 if not",
    "layers?": "All hidden units together",
    "tensors?": "what PyTorch calls an array",
    "spread": "standard deviation",
    "training": "changes them, a little at a time",
    "epochs?": "one pass over",
    "steps?": "every weight moves a little",
    "batch(es)?": "256 of the pictures",
    "learning rate": "says how far",
    "loss": "how wrong the model is",
    "accuracy": "how often it is right",
    "seeds?": "random starts",
    "normal distribution": "bell curve",
    "bias(es)?": "one number of its own",
    "parameters": "Weights and biases together",
    "activations": "the numbers that it outputs",
    "softmax": "turns (ten )?scores into",
    "gradients?": "how fast the loss rises",
    "double precision": "16 digits",
    "breaking the symmetry": "Making the units different",
    "vanishing gradients?": "tiny",
    "explodes?": "too large",
    "variance": "squared",
    "Kaiming": "the factor must be 1",
    "Xavier": "takes the middle|choose the spread",
    "sigmoid": "S-shaped curve",
    "saturated": "flat ends",
    "activation functions?": "such as sigmoid or relu",
    "broadcasting": "repeated until they fit",
    "optimizer": "moves",
    "convolutional": "neighbouring pixels",
    "channels": "red, green and blue",
    "modules?": "a model, or a part of one",
    "leaf": "made yourself",
    "graph": "has recorded",
    "registered": "goes on the module's list",
    "buffers": "aren't trained",
    "weight decay": "towards zero",
    "momentum": "in the direction of the steps before",
    "forward pass": "from pixels to scores",
    "cross-entropy": "minus the logarithm",
    "stochastic gradient descent": "random batch",
    "overfit(s|ting)?": "this gap grows",
    "dead": "outputs 0 for every picture",
    "confusion matrix": "what was taken for what",
    "hyperparameters?": "before training begins",
    "underfits?": "accuracy is low on training and on test",
    "Adam": "a step size of its own",
    "early stopping": "no new lowest",
    "space": "all settings that may be tried",
    "regularization": "holds its weights back",
    "trials": "settings that it has tried",
    "grid search": "every combination",
    "random search": "at random",
    "Bayesian optimization": "expects a high score",
    "Gaussian process|GP": "how uncertain it is",
    "tree-structured Parzen estimator|TPE": "where good trials are",
    "successive halving": "only the better half goes on",
    "Hyperband": "several times",
    "expected improvement|EI": "how far a trial",
    "standard errors?": "how far such a mean is usually off",
    "pruned": "given up",
    "study": "keeps all trials",
    "importance": "how much of the difference",
    "AdamW": "Adam with weight decay",
    "dropout": "switched off",
    "cosine": "falls to zero",
    "executors?": "runs functions elsewhere",
}
# Calls that do more than their names tell
CALLS = (
    *("backward", "zero_grad", "no_grad", "cross_entropy", "softmax", "manual_seed"),
    *("detach", "norm", "contiguous", "state_dict", "register_buffer", "einsum"),
    *("cdist", "tril"),
)
EMPHASIS = re.compile(r"(?<![\w*])(\*{1,2})(?=\S)([^*]+?)(?<=\S)\1(?![\w*])")


def terms_without_a_word(notebooks, terms=TERMS):
    """A sentence for each term that is used without an explanation.

    The paragraph in which the course first uses a term has to emphasise and explain it,
    also where what is optional is left out.
    """
    for left_out in (False, True):
        read = list(prose(notebooks, left_out))
        for term, words in terms.items():
            term = re.compile(rf"\b(?:{term})\b", re.IGNORECASE)
            for name, number, text in read:
                promised = text.startswith("**By the end of this page")
                emphasised = any(
                    term.search(part) and not (promised and mark == "**")
                    for mark, part in EMPHASIS.findall(text)
                )
                if not term.search(text) or promised and not emphasised:
                    continue
                if not (emphasised and re.search(words, text)):
                    word = term.search(text)[0]
                    yield f"{name}, cell {number}: *emphasise* and explain {word}."
                break
            else:
                if not left_out:
                    yield f"{term.pattern} is in no text: take it off the list."


def prose(notebooks, left_out):
    """(name, number, paragraph) of texts and questions, without what is optional."""
    for notebook in notebooks:
        for start, heading, cells in sections(notebook):
            extra = r"\(optional|^## (Your turn|For teachers)"
            if left_out and re.search(extra, heading):
                continue
            for number, cell in enumerate(cells, start):
                text = cell.source
                if cell.cell_type == "code":
                    text = text if asks_for_a_guess(cell) else ""
                for part in re.split(r"\n\s*\n", without_code(text)):
                    if not part.startswith(("#", "[Open in")):
                        yield notebook.name, number, part


def calls_without_a_word(notebooks, calls=CALLS):
    """The same for each call that no text above its first cell names, nor a comment."""
    said, left = "", set(calls)
    for notebook in notebooks:
        for number, cell in enumerate(notebook.cells, start=1):
            if cell.cell_type == "markdown":
                said += cell.source
                continue
            for line in cell.source.splitlines():
                for call in sorted(left & set(re.findall(r"\w+", line))):
                    left.remove(call)
                    if not re.search(rf"\b{call}\b", said) and "#" not in line:
                        where = f"{notebook.name}, cell {number}"
                        yield f"{where}: say above it what {call} does."


# --- prose


@rule
def the_title_comes_first(notebook):
    for first in notebook.cells[:1]:
        if first.cell_type != "markdown" or not first.source.startswith("# "):
            yield 1, "it must be text that starts with the title: '# ...'."


@rule
def the_last_text_links_forward(notebook):
    target = notebook.following
    for number, last in list(notebook.numbered("markdown"))[-1:]:
        if target and not re.search(rf"\]\((\./)?{re.escape(target)}\)", last.source):
            yield (
                number,
                f"the last text must link to the next notebook: [...]({target}).",
            )


@rule
def pictures_in_the_prose_have_alt_text(notebook):
    for number, cell in notebook.numbered("markdown"):
        text = without_code(cell.source)
        bare = re.findall(r"!\[\s*\](?:\([^)]*\)|\[[^\]]*\])", text)
        for tag in re.findall(r"<img\b[^>]*>", text):
            if not re.search(r"\balt=(['\"])\s*[^'\"\s]", tag):
                bare.append(tag)
        for picture in bare:
            yield number, f"{picture} has no alt text: say what it shows."


@rule
def paragraphs_are_short(notebook):
    for number, cell in notebook.numbered("markdown"):
        for paragraph in paragraphs(cell.source):
            words = re.findall(r"\S*\w\S*", paragraph)
            if len(words) > MAX_WORDS:
                advice = (
                    f"the paragraph '{' '.join(words[:5])} ...' has {len(words)} "
                    f"words: shorten or split it (at most {MAX_WORDS})."
                )
                yield number, advice


@rule
def a_colour_means_what_it_means_everywhere(notebook):
    """Blue is training on every page, and nothing else is blue."""
    for number, cell in notebook.numbered("markdown"):
        for sentence in re.split(r"(?<=[.?!])\s", without_code(cell.source)):
            if re.search(r"\bchannels?\b", sentence):  # those of a photograph
                continue
            for word, (_, meaning) in COLOUR_WORDS.items():
                named = re.search(rf"\b{word}\b", sentence, re.IGNORECASE)
                if named and not re.search(meaning, sentence):
                    yield number, f"{named[0]!r} means {meaning} on all pages."
            if found := re.search(OTHER_COLOURS, sentence, re.IGNORECASE):
                yield number, f"{found[0]!r} has no meaning on any page."


@rule
def measured_numbers_were_printed(notebook):
    """The prose says only what the cells of this notebook have shown."""
    printed = [
        number for cell in notebook.cells for number in numbers(printed_text(cell))
    ]
    settings = []  # in the code so far
    for position, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            settings += numbers(code_text(cell))
            continue
        for number in numbers(claims(cell.source)):
            if number.is_measured() and not number.is_backed(printed, settings):
                yield position, number.advice()


# --- numbers, in prose and in print

DIGITS = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?"
# Not a part of a name (W1, CC-BY-4.0) or of a version (4.6.1)
NUMBER = rf"(?<![A-Za-z0-9.])(?<![A-Za-z]-)({DIGITS})(?!\.?\d)"
RANGE = re.compile(rf"{NUMBER}(?:\s?(?:-|–|to|±|\+-)\s?{NUMBER})?")
UNITS = {
    "rate": re.compile(r"\s([a-z]+)(?:/s\b|\s(?:a|per)\ssecond\b)"),
    "time": re.compile(r"\s?(ns|[uµμ]s|ms|milliseconds?|s|seconds?)\b"),
    "speed-up": re.compile(r"(?:\s?[x×]|\stimes)\s(?:faster|slower|as fast|as long)\b"),
    "times": re.compile(r"[x×](?!\w|\s?\.?\d)|\stimes\b"),
    "percent": re.compile(r"\s?\\?%|\sper\s?cent\b"),
    "points": re.compile(r"\s(?:(?:percentage\s)?points?\b|个百分点)"),
}
IN_SECONDS = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Number:
    """A number with what it counts.

    text: as written, with its unit. value: without its unit. half: half a unit in the
    last digit, the most that rounding can change. kind: a key of `UNITS`, or "".
    unit: of a time or a rate, else "".
    """

    text: str
    value: float
    half: float
    kind: str
    unit: str

    def is_measured(self):
        """Whether the prose may contain it only if a cell printed it."""
        return self.kind not in ("", "points") or self.half < 0.5

    def is_backed(self, printed, settings):
        """Whether it was printed, up to rounding, or set in code."""
        if self.depends_on_the_machine():
            return any(self.is_close_to(other) for other in printed)
        return any(self.rounds(other) for other in [*printed, *settings])

    def depends_on_the_machine(self):
        return self.kind in ("time", "rate", "speed-up")

    def is_close_to(self, other):
        """Whether both can be the same time, rate or speed-up on two machines."""
        if self.kind != other.kind or self.kind == "rate" and self.unit != other.unit:
            return False
        low, high = sorted([self.in_base_unit(), other.in_base_unit()])
        return high <= SLACK * low

    def in_base_unit(self):
        return self.value * (IN_SECONDS[self.unit[0]] if self.kind == "time" else 1)

    def rounds(self, other):
        """Whether this is `other`, or its percentage or fraction, rounded."""
        values = [other.value]
        if self.kind in ("percent", "points"):
            values.append(100 * other.value)
        elif other.kind == "percent":
            values.append(other.value / 100)
        # A little more than half a unit: 0.855 may be rounded up or down.
        return any(abs(self.value - value) <= 1.000001 * self.half for value in values)

    def advice(self):
        if self.depends_on_the_machine():
            return (
                f"'{self.text}' is in the prose, but no {self.kind} within a factor of "
                f"{SLACK} was printed: print one with its unit, or correct it."
            )
        return (
            f"'{self.text}' is in the prose, but no cell printed it: print or correct "
            "it. Put a setting in `backticks`, or below the code that sets it."
        )


def numbers(text):
    """The numbers in a text; both ends of a range have the unit of the last."""
    found = []
    for match in RANGE.finditer(text):
        kind, written, unit = what_follows(text, match.end())
        for digits in filter(None, match.groups()):
            mantissa, _, exponent = digits.replace(",", "").partition("e")
            power = int(exponent or 0)
            half = 0.5 * 10.0 ** (power - len(mantissa.partition(".")[2]))
            value = float(mantissa) * 10.0**power
            found.append(Number(digits + written, value, half, kind, unit))
    return found


def what_follows(text, position):
    """The kind, text and unit of what a number counts."""
    for kind, pattern in UNITS.items():
        if match := pattern.match(text, position):
            return kind, match[0], match[1] if pattern.groups else ""
    return "", "", ""


# --- the parts of a cell

# What a cell costs a reader who runs it, on some machine
WAIT = re.compile(r"\btakes? about (\d+) (?:s|seconds)\b")
# Decimals that measure nothing: exercises, versions, decades, the reader's own time
NAMES = re.compile(
    r"(?:[Yy]our turn|[Ee]xercises?|[Ss]ections?|[Vv]ersions?|Python|PyTorch|torch|"
    r"JupyterLab|ipykernel)\s\d[\d.]*(?:(?:,|\sand|\sto|\sor)\s\d[\d.]*)*"
    r"|\b\d{3}0s\b"
    r"|\b[\d.]+(?:\s?(?:-|–|to)\s?[\d.]+)?\s(?:min|minutes?|hours?)\b"
)


def claims(markdown):
    """The part of a markdown cell whose numbers must agree with the outputs."""
    guess = r"^>\s*\*\*Predict(?:.|\n(?!\s*\n))*"
    text = without_code(re.sub(guess, "", markdown, flags=re.MULTILINE))
    text = re.sub(r"^[> \t]*#+ .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"\1", text)  # alt text is prose
    text = re.sub(r"\[[^\]]*\]\([^)]*\)|https?://\S+", "", without_tags(text))
    text = re.sub(r"[*_]", "", html.unescape(text))
    return NAMES.sub("", WAIT.sub("", text))


def paragraphs(markdown):
    """Split markdown into what is read in one go, without code blocks and tables."""
    text = re.sub(r"^[> \t]*>[ \t]?", "", without_blocks(markdown), flags=re.MULTILINE)
    text = re.sub(r"^[ \t]*\|.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.split(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+]|\d+[.)])[ \t])|\n(?=#)", text)


def without_blocks(markdown):
    """Drop fenced code blocks, in block quotes too."""
    block = r"^[> \t]*(```+|~~~+).*?(?:^[> \t]*\1[^\n]*$|\Z)"
    return re.sub(block, "", markdown, flags=re.MULTILINE | re.DOTALL)


def without_code(markdown):
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", without_blocks(markdown))


def without_tags(markup):
    hidden = r"<!--.*?-->|<(style|script)\b.*?</\1>"
    markup = re.sub(hidden, " ", markup, flags=re.DOTALL)
    return re.sub(r"</?[A-Za-z][^>]*>", " ", markup)


def tags(cell):
    return cell.metadata.get("tags", [])


def asks_for_a_guess(cell):
    """Whether its numbers are the options of a question, which prove nothing."""
    return re.search(r"\bpredict\(\s*['\"]", cell.source) is not None


def code_text(cell):
    """The code of a cell without comments, 10_000 as 10000."""
    code = "" if asks_for_a_guess(cell) else cell.source
    return re.sub(r"#.*|(?<=\d)_(?=\d)", "", code)


def printed_text(cell):
    """What a reader finds printed below a cell."""
    texts = []
    for output in [] if asks_for_a_guess(cell) else cell.get("outputs", []):
        data = output.get("data", {})
        texts.append(output.text if output.get("name") == "stdout" else "")
        texts.append(data.get("text/plain", ""))
        texts.append(html.unescape(without_tags(data.get("text/html", ""))))
    return "\n".join(texts)


def all_text(output):
    """Everything in an output that is text, without a terminal's colours."""
    texts = [output.get("text", ""), output.get("evalue", "")]
    texts += output.get("traceback", [])
    for mime, content in output.get("data", {}).items():
        if not mime.startswith("image/") or mime == "image/svg+xml":
            texts.append(str(content))
    return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(texts))


def is_figure(output):
    data = output.get("data", {})
    drawn = re.search(r"<(svg|img)\b", data.get("text/html", ""))
    return bool(drawn) or any(mime.startswith("image/") for mime in data)


def describes_itself(output):
    """Whether the output of a figure holds alt text, or text that sums it up."""
    data = output.data
    plain = data.get("text/plain", "").strip()
    if plain and not re.fullmatch(r"<.*>", plain, re.DOTALL):  # as in <Figure size ...>
        return True
    if any(output.metadata.get(mime, {}).get("alt") for mime in data):
        return True
    markup = data.get("text/html", "") + data.get("image/svg+xml", "")
    return re.search(r"\b(alt|aria-label)=['\"]\w|<title>\w", markup) is not None
