"""What a learner reads comes from a catalogue: no sentence of helpers is unmarked."""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

HELPERS = Path(__file__).resolve().parents[1] / "helpers"
MARKED = {"tr", "tr_n", "exercise"}  # whose texts `make translations` collects
WORDS = re.compile(r"[^\W\d_]{2,}['’]?[^\W\d_]*,? +[^\W\d_]{2,}")  # two in a row
CODE = re.compile(
    r"</?\w|[;{]\s*[\w-]+:|\(\?|\.\*|\\[sdwbn]"  # HTML, CSS, patterns
    r"|^[\w.]+\(.*\)$|^(SELECT|CREATE|REPLACE) ",
    re.DOTALL,
)
# Texts that are in no catalogue, by their file and how they begin, and why.
EXCEPTIONS = (
    ("exercises/raised.py", "(from|import) ", "code"),
    ("exercises/raised.py", "(Boolean value|The size) of", "PyTorch's words"),
    ("exercises/raised.py", r"mat1 and|a \(view of|cannot assign", "the same"),
    ("exercises/raised.py", "'method' object|grad can be|tensors used", "the same"),
    ("exercises/lesson_02.py", "0 scores, but 0", "a solution, shown as it is"),
    ("exercises/lesson_04.py", "too (high|low)$", "values that an answer returns"),
    ("data/__init__.py", "Ankle boot$", "the name of a class"),
    ("tuning/strategies.py", "GP with|Hyperopt TPE|successive h", "names, as values"),
    ("language/__init__.py", "COURSE_LANG|The course speaks", "no language is known"),
    ("language/fonts.py", "[A-Z]", "the names of fonts"),
    (
        "script.py",
        r"\{?\w*\}?\n|(import|widths|lr\w*)\b|\{linears| {8}|\(torch",
        "code",
    ),
    ("instruments/registration_lab.py", "class Net", "code"),
    ("own/trainee.py", r"from (numpy\.)?random", "code"),
    ("instruments/doctor/*.py", "[a-z_]+: [a-z ]+$", "the names of findings"),
    ("instruments/doctor/check_weights.py", "does not require grad", "PyTorch's words"),
    ("instruments/trace_shapes/messages.py", "[^.]+$|.*1D or 2D", "PyTorch's words"),
    ("instruments/trace_shapes/mismatch.py", "out of|must (be|match)", "the same"),
    ("instruments/trace_shapes/layers.py", "more than|index 1|mask is", "the same"),
    ("instruments/trace_shapes/tracer.py", "Using a target size", "the same"),
    ("instruments/*.py", "(a dict view|the class|a (module|dict) with )", "kinds"),
    ("instruments/registration/report.py", "marked said$", "CSS classes"),
    ("own/trainee.py", "from (numpy.)?random import", "code"),
    ("controls.py", "row wrap$", "CSS"),
    ("records.py", "BEGIN|PRAGMA", "SQL"),
    ("instrument.py", "lab worker$", "the name of a thread"),
    ("exercises/guard.py", "lab worker$", "the name of a thread"),
    ("live/__init__.py", "go on$", "a command"),
    ("tuning/kept.py", "(sample|full), test$", "names of data, as they are kept"),
    ("tuning/study_file.py", "failures before this", "an attribute, as it is kept"),
    ("tuning/*.py", "(offset points|axes fraction|outside right)", "for matplotlib"),
    ("tuning/strategies.py", "which run a trial|where the grid", "seeds"),
)


def texts(tree):
    """(line, text) of each string that is not marked and no docstring; fields are 0."""
    if isinstance(tree, (ast.Module, ast.ClassDef, ast.FunctionDef)):
        tree.body = [node for node in tree.body if not is_docstring(node)]
    if isinstance(tree, ast.Call) and getattr(tree.func, "id", "") in MARKED:
        return
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        yield tree.lineno, tree.value
    elif isinstance(tree, ast.JoinedStr):
        parts = (getattr(part, "value", 0) for part in tree.values)
        said = (part if isinstance(part, str) else "0" for part in parts)
        yield tree.lineno, "".join(said)
        fields = (part for part in tree.values if isinstance(part, ast.FormattedValue))
        for field in fields:
            yield from texts(field.value)
    else:
        for node in ast.iter_child_nodes(tree):
            yield from texts(node)


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_prose(text):
    """Whether two words follow one another, outside of code, HTML, CSS and SQL."""
    return bool(WORDS.search(text)) and not CODE.search(text)


def unmarked(path):
    name = str(path.relative_to(HELPERS).as_posix())
    for line, text in texts(ast.parse(path.read_text(encoding="utf-8"))):
        known = any(fnmatch(name, f) and re.match(it, text) for f, it, _ in EXCEPTIONS)
        if is_prose(text) and not known:
            yield f"helpers/{name}:{line}: {text[:60]}"


def test_no_sentence_of_helpers_is_unmarked():
    files = sorted(HELPERS.rglob("*.py"))
    assert [line for path in files for line in unmarked(path)] == []
