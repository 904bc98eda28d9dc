"""The course in other languages, from its English and a catalogue each.

`make translations` collects every sentence into locale/*/LC_MESSAGES/*.po, compiles
these, and makes from them the notebooks and the README of each language. Notebooks
whose text has changed are run, so that their outputs are stored. A new language starts
with an empty folder, such as locale/fr/LC_MESSAGES, and takes translations only.

What a learner reads is translated: prose, comments, and the words that code prints, by
`is_prose`. Names and numbers are not, and all other code stays as it is.
"""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from markdown_it import MarkdownIt
from nbformat import NotebookNode

import run_notebooks
import show
import spoken
from helpers.tables import screen_width

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
NOTEBOOKS = ROOT / "notebooks"
DOMAINS = ("helpers", "notebooks", "readme", "tools")
KEYWORDS = {"tr": None, "tr_n": (1, 2), "marked": None}
COMMENTS = ["Translators:"]
SPOKEN = ["tools/set_up.py", "tools/update.py", "tools/show.py"]
SPOKEN += ["jupyter_server_config.py"]
# An exercise's hints and what to notice; of a call Babel takes one text at a time.
HINTS = [{"exercise": (place,)} for place in range(3, 7)]
SAYING = {"print", "predict", "reveal", "plot_pictures"}  # one word counts here, too
WIDE = 78  # columns of a line of code
LITERAL = re.compile(r'([rRbBfF]*)("""|"|\'\'\'|\')((?:\\.|(?!\2).)*)\2', re.DOTALL)
FIELD = re.compile(r"\{\{|\}\}|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
NO_PROSE = re.compile(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|<[^>]*>|https?:\S+")
HEADER = "# One line of PyTorch. `make translations` writes this file; translate in it."
UNSAID = tuple(  # headers of a .po file
    f'"{name}'
    for name in ("POT-", "PO-", "Project-", "Report-", "Last-", "Language-T", "Gen")
)
SET_UP = "set-up"  # the cell that installs the course where it is not yet

Translate = Callable[[str], str]
Edit = tuple[int, int, str]  # from and to in a text, and what comes there


# --- what is said in a text


def translated(source: str, translate: Translate) -> str:
    """Markdown, with each paragraph, heading, item and table cell translated."""
    return _edited(source, _of_markdown(source, translate))


def translated_code(source: str, translate: Translate) -> str:
    """Code, with its comments and the words that it prints translated."""
    return _edited(
        source, [*_of_strings(source, translate), *_of_comments(source, translate)]
    )


def is_prose(text: str, said: bool = False) -> bool:
    """Whether a learner reads it as words: two of them, or one where it is said.

    One will do beside a number or a {field}, too, as in "16 units".
    """
    plain = FIELD.sub("0", text)
    words = re.findall(r"[^\W\d_]{2,}", FIELD.sub(" 0 ", text))
    parts = re.findall(r"\S*\w\S*", plain)
    return bool(words) and (said or len(parts) > 1)


def _edited(source: str, edits: list[Edit]) -> str:
    for start, end, text in sorted(edits, reverse=True):
        source = source[:start] + text + source[end:]
    return source


def _of_markdown(source: str, translate: Translate) -> Iterator[Edit]:
    starts = _starts_of_lines(source)
    at, end = 0, len(source)
    for token in MarkdownIt("commonmark").enable("table").parse(source):
        if token.map:  # a row of a table has one, its cells have none
            at, end = (starts[line] for line in token.map)
        if token.type == "inline" and _is_said(token.content):
            lines = token.content.split("\n")
            start = source.index(lines[0], at, end)
            at = source.index(lines[-1], start, end) + len(lines[-1])
            yield start, at, translate(" ".join(lines))
        elif token.type == "html_block":
            for text in re.finditer(r"(?<=>)[^<>]+(?=<)", source[at:end]):
                if _is_said(text[0]):
                    yield at + text.start(), at + text.end(), translate(text[0])
        elif token.type == "fence" and token.info == "python":
            start = source.index("\n", at) + 1
            code = source[start:end]
            yield start, end, _edited(code, list(_of_comments(code, translate)))


def _starts_of_lines(source):
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return [*starts, len(source)]


def _is_said(text):
    return bool(re.search(r"[^\W\d_]{2,}", NO_PROSE.sub(" ", text)))


def _of_comments(source: str, translate: Translate) -> Iterator[Edit]:
    """Neighbouring lines that are comments alone are one message."""
    starts, lines = _starts_of_lines(source), source.splitlines()
    block: list[tuple[int, int, str]] = []  # line, column, text

    def done() -> Iterator[Edit]:
        text = " ".join(text for _, _, text in block)
        if block and is_prose(text, said=True) and (new := translate(text)) != text:
            (first, column, _), (last, *_) = block[0], block[-1]
            said = _cut(new, WIDE - column - 2)
            said = f"\n{' ' * column}".join(f"# {line.rstrip()}" for line in said)
            end = starts[last] + len(lines[last])
            yield starts[first] + column, end, said

    for token in tokenize.generate_tokens(io.StringIO(plain(source)).readline):
        if token.type != tokenize.COMMENT:
            continue
        (line, column), text = token.start, token.string.lstrip("# ")
        alone = not lines[line - 1][:column].strip()
        if not (block and alone and block[-1][:2] == (line - 2, column)):
            yield from done()
            block.clear()
        block.append((line - 1, column, text))
    yield from done()


def _of_strings(source: str, translate: Translate) -> Iterator[Edit]:
    """Pieces of a string that follow one another are one message."""
    starts = _starts_of_lines(source)
    for node, said in _strings(ast.parse(plain(source))):
        start, end = (
            starts[line - 1]
            + len(source.splitlines()[line - 1].encode()[:column].decode())
            for line, column in (
                (node.lineno, node.col_offset),
                (node.end_lineno, node.end_col_offset),
            )
        )
        pieces = LITERAL.findall(source[start:end])
        f = "f" if any("f" in prefix.lower() for prefix, *_ in pieces) else ""
        text = "".join(
            body
            if not f or "f" in prefix.lower()
            else re.sub(r"[{}]", r"\g<0>\g<0>", body)
            for prefix, _, body in pieces
        )
        said_here = is_prose(text if f else re.sub(r"[{}]", "", text), said)
        if said_here and (new := translate(text)) != text:
            column = start - source.rfind("\n", 0, start) - 1
            cut = _cut(new, WIDE - column - 4) if len(pieces) > 1 else [new]
            quote = pieces[0][1]
            lines = (f"{f}{quote}{line}{quote}" for line in cut)
            yield start, end, f"\n{' ' * column}".join(lines)


def _strings(tree: ast.AST, said: bool = False) -> Iterator[tuple[ast.expr, bool]]:
    """The strings of some code, and whether what they are in says them."""
    if isinstance(tree, ast.JoinedStr):
        yield tree, said
    elif isinstance(tree, ast.Constant):
        if isinstance(tree.value, str):
            yield tree, said
    elif isinstance(tree, ast.Call):
        name = tree.func.id if isinstance(tree.func, ast.Name) else ""
        ids = name in SAYING and name != "print"
        for argument in [tree.func, *tree.args[ids:], *tree.keywords]:
            own = said or name in SAYING and not isinstance(argument, ast.keyword)
            yield from _strings(argument, own)
    else:
        of = tree.targets[0] if isinstance(tree, ast.Assign) else None
        said = said or isinstance(of, ast.Name) and of.id == "titles"
        for child in ast.iter_child_nodes(tree):
            index = isinstance(tree, ast.Subscript) and child is tree.slice
            yield from _strings(child, said and not index)


def plain(source):
    """The code without magics, which Python can't read, at the same places."""
    return re.sub(
        r"(?m)^(\s*)([%!].*)$",
        lambda found: found[1] + "0".ljust(len(found[2])),
        source,
    )


def _cut(text: str, wide: int) -> list[str]:
    """The text in pieces of so many columns; Chinese letters take two each."""
    pieces, line, taken = [], "", 0
    for atom in re.findall(FIELD.pattern + r"|\\.|[!-z|~]+ ?|.", text, re.DOTALL):
        needed = screen_width(atom)
        if (
            line
            and taken + needed > max(wide, 20)
            and atom[0] not in "，。；：、？！）”"
        ):
            pieces.append(line)
            line, taken = "", 0
        line, taken = line + atom, taken + needed
    return [*pieces, line]


# --- notebooks and README


def relinked(text: str, language: str) -> str:
    """With links that lead to the same place from the language's own folder."""
    text = re.sub(r"\]\(\.\./(?!\d\d_)", "](../../", text)
    text = text.replace("README.md", f"README.{language}.md")
    return re.sub(r"(?<=/notebooks/)(?=\d\d_)", f"{language}/", text)


def notebook_in(
    language: str,
    english: NotebookNode,
    before: NotebookNode | None,
    translate: Translate,
) -> NotebookNode:
    """The notebook in a language; outputs stay where the cell says what it said."""
    stored = {cell.id: cell for cell in before.cells} if before else {}
    notebook = nbformat.from_dict(english)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = relinked(translated(cell.source, translate), language)
            continue
        cell.source = translated_code(cell.source, translate)
        if cell.id == SET_UP:  # elsewhere no folder tells the kernel its language
            cell.source += f"\n    %env COURSE_LANG={language}"
        own = stored.get(cell.id)
        same = own is not None and own.source == cell.source
        cell.outputs = own.outputs if same else []
        cell.execution_count = own.execution_count if same else None
    show.mark(notebook)
    return notebook


def write_notebooks(language: str, translate: Translate) -> list[str]:
    """Write the notebooks of a language, and name those that must run."""
    folder, to_run = NOTEBOOKS / language, []
    folder.mkdir(exist_ok=True)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        here, english = folder / path.name, nbformat.read(path, 4)
        before = nbformat.read(here, 4) if here.exists() else None
        notebook = notebook_in(language, english, before, translate)
        here.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        cells = zip(english.cells, notebook.cells)
        if any(its.get("outputs") and not own.outputs for its, own in cells):
            to_run.append(f"{language}/{path.stem}")
    return to_run


def readme_in(language: str, english: str, translate: Translate) -> str:
    """The README in a language."""
    text = translated(english, translate)
    return re.sub(r"(?<=notebooks/)(?=\d\d_)", f"{language}/", text)


# --- catalogues


def templates() -> dict[str, Catalog]:
    """Every sentence of the course, by domain."""
    made = {domain: Catalog(domain=domain) for domain in DOMAINS}
    lessons = ((hint, "exercises/lesson_*.py") for hint in HINTS)
    extracted = [
        found
        for keywords, files in ((KEYWORDS, "**.py"), *lessons)
        for found in extract_from_dir(
            ROOT / "helpers",
            [(files, "python")],
            keywords=keywords,
            comment_tags=COMMENTS,
        )
    ]
    for name, _, message, comments, _ in sorted(extracted, key=lambda one: one[:2]):
        where = [(f"helpers/{name}", 0)]
        made["helpers"].add(message, locations=where, auto_comments=comments)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for cell in nbformat.read(path, 4).cells:
            in_cell = {
                "locations": [(path.name, 0)],
                "auto_comments": [f"cell {cell.id}"],
            }
            heard = _hearing(made["notebooks"], **in_cell)
            (translated if cell.cell_type == "markdown" else translated_code)(
                cell.source, heard
            )
    translated((ROOT / "README.md").read_text("utf-8"), _hearing(made["readme"]))
    for _, does in spoken.targets((ROOT / "Makefile").read_text(encoding="utf-8")):
        made["tools"].add(does, locations=[("Makefile", 0)])
    for name in SPOKEN:
        found = extract_from_file("python", ROOT / name, KEYWORDS, COMMENTS)
        for _, message, comments, _ in found:
            where = [(name, 0)]
            made["tools"].add(message, locations=where, auto_comments=comments)
    return made


def _hearing(catalogue: Catalog, **where: list) -> Translate:
    def heard(text: str) -> str:
        catalogue.add(text, **where)
        return text

    return heard


def read(language: str, domain: str) -> Catalog:
    """The catalogue as it stands, or an empty one."""
    path = LOCALE / language / "LC_MESSAGES" / f"{domain}.po"
    if not path.exists():
        return Catalog(locale=language, domain=domain)
    with open(path, "rb") as file:
        return read_po(file, locale=language, domain=domain)


def as_po(catalogue: Catalog) -> str:
    """The text of a catalogue, without what would change in every run."""
    catalogue.header_comment = HEADER
    catalogue.fuzzy = False
    file = io.BytesIO()
    write_po(file, catalogue, width=88, ignore_obsolete=True, include_lineno=False)
    lines = file.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(UNSAID))


def as_mo(catalogue: Catalog) -> bytes:
    """The same for the standard library's gettext, and the same from every run."""
    file = io.BytesIO()
    same = read_po(io.StringIO(as_po(catalogue)), locale=catalogue.locale)
    same.creation_date = same.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    write_mo(file, same)
    return file.getvalue()


def translator(catalogue: Catalog) -> Translate:
    """Looks a text up; what is not translated yet, or not for sure, stays English."""

    def translate(text: str) -> str:
        message = catalogue.get(text)
        return (
            message.string if message and message.string and not message.fuzzy else text
        )

    return translate


def left(catalogue: Catalog) -> list[str]:
    """The messages that are not translated, or not for sure."""
    return [
        str(message.id)
        for message in catalogue
        if message.id and (message.fuzzy or not all(forms(message.string)))
    ]


def doubt(catalogue: Catalog) -> None:
    """Mark what has other {fields} than its English: it would fail where it is said."""
    for message in catalogue:
        english = Counter(FIELD.findall(forms(message.id)[-1]))
        made = [Counter(FIELD.findall(form)) for form in forms(message.string) if form]
        if message.id and any(fields != english for fields in made):
            message.flags.add("fuzzy")


def forms(string: str | tuple[str, ...]) -> tuple[str, ...]:
    """The translation, or its plural forms."""
    return tuple(string) if isinstance(string, (list, tuple)) else (string,)


# --- the command


def main() -> None:
    """Bring every language up to date."""
    made = templates()
    for folder in sorted(LOCALE.glob("*/LC_MESSAGES")):
        language = folder.parent.name
        catalogues = {domain: read(language, domain) for domain in made}
        for domain, catalogue in catalogues.items():
            catalogue.update(made[domain])
            doubt(catalogue)
            (folder / f"{domain}.po").write_text(as_po(catalogue), encoding="utf-8")
            (folder / f"{domain}.mo").write_bytes(as_mo(catalogue))
            missing = left(catalogue)
            print(
                f"{language}, {domain}: {len(catalogue)} messages, {len(missing)} to do"
            )
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        text = readme_in(language, text, translator(catalogues["readme"]))
        (ROOT / f"README.{language}.md").write_text(text, encoding="utf-8")
        if to_run := write_notebooks(language, translator(catalogues["notebooks"])):
            run_notebooks.main(to_run)
            # Where a slide ends depends on what was printed.
            write_notebooks(language, translator(catalogues["notebooks"]))


if __name__ == "__main__":
    main()
