"""Bring in a new version of the course, and keep what a learner wrote: `make update`.

    python tools/update.py              in a git clone: fetch the newest version
    python tools/update.py ../old       in a new folder: take over the work from an old

Notebooks are merged cell by cell. A cell that the learner has changed or added stays,
with its output; everything else is the new version. Where both have changed one cell, a
note above it shows the course's new text. Standard library only, so that any Python
runs it that runs the course. What it replaces is copied first.
"""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from spoken import catalogue, marked, tr, tr_n

ROOT = Path(__file__).resolve().parent.parent
COPIES = "my_work_before_updates"

UP_TO_DATE = tr("This is already the newest version.")
UPDATED = tr("The course is now at its newest version. Your progress is kept.")
COPIES_ARE = tr("Your files as they were before this update: {folder}")
OLD_IS_KEPT = tr("{old} has not been changed; delete it when you no longer need it.")
CLASHED = tr("{name}: the course changed {count} of these too; a note shows its text.")
NOT_MERGED = tr("{name}: now the course's version; your changes are in your copy only.")
HAS_WORK = tr(
    "{name}: this folder already has work of yours in it, so it stays as it is."
)
COPIED = tr("{name}: copied.")
NOTE = marked(
    "**The course changed the cell below after you wrote in it.** It now says:"
)

NO_GIT = tr("git could not be started: install it (https://git-scm.com) and try again.")
NO_CLONE = tr(
    "This folder is not a git clone. Unpack the new version of the course beside it and"
    " open a terminal in the new folder: there, `make update FROM=../{name}` or"
    " `python tools/update.py ../{name}` takes over your work."
)
NO_UPSTREAM = tr("git does not know where this clone gets its updates from: {error}")
NO_NETWORK = tr(
    "The new version could not be fetched, and nothing was changed: check the network"
    " and run the same command again. git says: {error}"
)
NO_COURSE = tr("There is no course in {old}: name the folder that you have worked in.")
RUNNING = tr(
    "Nothing was changed, since these notebooks are running: {names}. Save them, choose"
    " Kernel > Shut Down All Kernels in JupyterLab, and run the same command again."
)
NO_MESSAGE = tr("no message")
FAILED = tr("The update stopped: {error}")


# --- one notebook ---------------------------------------------------------------------


class Merged(NamedTuple):
    """A notebook, how many of its cells the learner wrote, and how many of those the
    course has changed too."""

    data: bytes
    kept: int = 0
    clashed: int = 0


def merge(
    base: bytes | None, mine: bytes, new: bytes, note: str = NOTE
) -> Merged | None:
    """The new version of a notebook, with the cells that the learner wrote.

    base: the version that the learner began with; None: unknown, and only exercises
    and added cells count as the learner's. note: what is said above a cell that both
    have changed. Returns None where the learner's file can't
    be merged: it is no notebook, or its cells have no ids of their own.
    """
    ours, theirs = _cells(mine), _cells(new)
    before = _cells(base) if base else _course_cells(ours, theirs)
    if None in (before, ours, theirs):
        return None
    cells, order = dict(theirs), list(theirs)
    place = kept = clashed = 0
    for id, cell in ours.items():
        if id in theirs:
            place = order.index(id) + 1
        if _same(cell, before.get(id)) or _same(cell, theirs.get(id)):
            continue
        cells[id] = cell
        kept += not id.startswith("note-")
        if id not in theirs:
            order.insert(place, id)
            place += 1
        elif base and not _same(theirs[id], before.get(id)):
            clashed += 1
            above = f"note-{id}"[:64]
            cells[above] = _note(above, theirs[id], note)
            if above not in order:
                order.insert(place - 1, above)
                place += 1
    if not kept:
        return Merged(new)
    notebook = json.loads(new) | {"cells": [cells[id] for id in order]}
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
    return Merged(f"{text}\n".encode(), kept, clashed)


def _cells(data: bytes) -> dict[str, dict] | None:
    """The cells of a notebook by their ids."""
    try:
        cells = json.loads(data)["cells"]
        found = {cell["id"]: cell for cell in cells if _text(cell) is not None}
    except (ValueError, KeyError, TypeError):
        return None
    return found if len(found) == len(cells) else None


def _course_cells(ours: dict | None, theirs: dict | None) -> dict[str, dict]:
    """The learner's cells that are taken for the course's own, without a base."""
    return {
        id: cell
        for id, cell in (ours or {}).items()
        if id in (theirs or {}) and "exercise" not in cell["metadata"].get("tags", [])
    }


def _text(cell: dict) -> str:
    return "".join(cell["source"])


def _same(one: dict, other: dict | None) -> bool:
    """Whether two cells say the same, whatever their outputs."""
    return other is not None and (
        (one["cell_type"], _text(one)) == (other["cell_type"], _text(other))
    )


def _note(id: str, cell: dict, note: str) -> dict:
    """A cell that shows the course's version of the cell below it."""
    if cell["cell_type"] == "code":
        text = f"```python\n{_text(cell)}\n```"
    else:
        text = "\n".join(f"> {line}" for line in _text(cell).splitlines())
    source = f"{note}\n\n{text}"
    return {"cell_type": "markdown", "id": id, "metadata": {}, "source": source}


def renamed(old: bytes | None, candidates: dict[str, bytes]) -> str | None:
    """Which of these notebooks shares most cells with an old one, if any has half."""
    ids = set(_cells(old or b"") or ())
    shared = {
        name: len(ids & set(_cells(candidates[name]) or ())) for name in candidates
    }
    best = max(shared, key=shared.get, default=None)
    return best if best and 2 * shared[best] > len(ids) else None


def report(name: str, merged: Merged | None) -> None:
    """Say what became of a learner's notebook."""
    if merged is None:
        print(NOT_MERGED.format(name=name))
        return
    if merged.kept:
        kept = tr_n(
            "{name}: 1 cell that you changed or added, kept.",
            "{name}: {count} cells that you changed or added, kept.",
            merged.kept,
        )
        print(kept.format(name=name, count=merged.kept))
    if merged.clashed:
        print(CLASHED.format(name=name, count=merged.clashed))


# --- a git clone ----------------------------------------------------------------------


class GitError(Exception):
    """What git said last when it failed."""


def git(*arguments: str, folder: Path = ROOT) -> str:
    """What git prints, without the end of its last line."""
    return _git(arguments, folder).decode().removesuffix("\n")


def _git(arguments: Iterable[str], folder: Path) -> bytes:
    who = ("-c", "user.name=course", "-c", "user.email=course@localhost")
    try:
        done = subprocess.run(
            ["git", *who, *arguments], cwd=folder, capture_output=True
        )
    except OSError:
        sys.exit(NO_GIT)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitError((said or [NO_MESSAGE])[-1])
    return done.stdout


def stored(commit: str, path: str, folder: Path = ROOT) -> bytes | None:
    """A file as a commit has it."""
    with contextlib.suppress(GitError):
        return _git(("show", f"{commit}:{path}"), folder)


def is_clone(folder: Path) -> bool:
    """Whether the folder is itself a clone, and not merely inside one."""
    with contextlib.suppress(GitError):
        return git("rev-parse", "--show-prefix", folder=folder) == ""
    return False


def start(folder: Path) -> str:
    """The version of the course that a learner's clone began with, as a commit."""
    try:
        return git("merge-base", "HEAD", "@{upstream}", folder=folder)
    except GitError:
        return git("rev-parse", "HEAD", folder=folder)


def update_clone() -> None:
    """Fetch the newest version, and put what the learner changed on top of it."""
    if not is_clone(ROOT):
        sys.exit(NO_CLONE.format(name=ROOT.name))
    try:
        git("rev-parse", "@{upstream}")
    except GitError as error:
        sys.exit(NO_UPSTREAM.format(error=error))
    try:
        git("fetch")
    except GitError as error:
        sys.exit(NO_NETWORK.format(error=error))
    head, target, base = (
        git("rev-parse", "HEAD"),
        git("rev-parse", "@{upstream}"),
        start(ROOT),
    )
    if base == target:
        print(UP_TO_DATE)
        return
    changed = changed_files(base, target)
    if changed:
        folder = copy_aside(changed)
        print(COPIES_ARE.format(folder=folder))
    results = dict(merged_files(changed, base, target))
    if head != base:  # the learner has commits, which stay in the history
        tree = f"{target}^{{tree}}"
        parents = ("-p", head, "-p", target)
        target = git("commit-tree", tree, *parents, "-m", "Update the course")
    git("reset", "--hard", target)
    for path, data in results.items():
        write(ROOT / path, data)
    print(UPDATED)


def changed_files(base: str, target: str) -> dict[str, bytes]:
    """What the learner has changed since `base`, in commits or not, and the learner's
    own files where the course now has some of the same name."""
    names = git("diff", "--name-only", "-z", base).split("\0")
    own = set(git("ls-files", "--others", "--exclude-standard", "-z").split("\0"))
    names += own & set(git("ls-tree", "-r", "--name-only", "-z", target).split("\0"))
    files = {name: ROOT / name for name in names if name}
    return {name: file.read_bytes() for name, file in files.items() if file.is_file()}


def merged_files(
    changed: dict[str, bytes], base: str, target: str
) -> Iterator[tuple[str, bytes]]:
    """What to write over the new version: paths and contents."""
    for path, mine in changed.items():
        old, new = stored(base, path), stored(target, path)
        if path.endswith(".ipynb") and new is None and old is not None:
            path = renamed(old, new_notebooks(base, target, path)) or path
            new = stored(target, path)
        if new is None or new == old:
            yield path, mine
        elif path.endswith(".ipynb"):
            note = catalogue(PurePosixPath(path).parent.name).gettext(NOTE)
            merged = merge(old, mine, new, note)
            merged = merged or merge_committed(path, base, old, new, note)
            report(path.removeprefix("notebooks/"), merged)
            if merged:
                yield path, merged.data
        elif mine != new:
            report(path, None)


def merge_committed(
    path: str, base: str, old: bytes, new: bytes, note: str
) -> Merged | None:
    """Merge what the learner has committed, where a `git pull` left no notebook."""
    head = git("rev-parse", "HEAD")
    return None if head == base else merge(old, stored(head, path) or b"", new, note)


def new_notebooks(base: str, target: str, path: str) -> dict[str, bytes]:
    """The notebooks beside `path` that the new version has and the old one had not."""
    added = git(
        "diff", "--name-only", "--no-renames", "--diff-filter=A", "-z", base, target
    )
    beside = PurePosixPath(path).parent
    names = [
        name
        for name in added.split("\0")
        if name.endswith(".ipynb") and PurePosixPath(name).parent == beside
    ]
    return {name: stored(target, name) for name in names}


def copy_aside(files: dict[str, bytes]) -> Path:
    """Copy files into a new folder, whose path it returns."""
    first = folder = ROOT / COPIES / time.strftime("%Y-%m-%d_%H-%M-%S")
    number = 1
    while folder.exists():
        number += 1
        folder = first.with_name(f"{first.name}_{number}")
    for name, data in files.items():
        write(folder / name, data)
    return folder


def write(path: Path, data: bytes) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    if path.exists():
        partial.chmod(path.stat().st_mode)
    partial.replace(path)


# --- a new folder beside an old one ---------------------------------------------------


def snapshot(path: Path) -> Path:
    """Where jupyter_server_config.py keeps a notebook as it was before it was saved."""
    return path.parent / ".ipynb_checkpoints" / f"{path.stem}-as-it-came.ipynb"


def as_it_came(folder: Path, path: Path) -> bytes | None:
    """A notebook of a course's folder before the learner changed it, if known."""
    if is_clone(folder):
        return stored(start(folder), path.relative_to(folder).as_posix(), folder)
    kept = snapshot(path)
    return kept.read_bytes() if kept.exists() else None


def take_over(old: Path) -> None:
    """Put what the learner wrote in an old folder of the course into this new one."""
    old = old.expanduser().resolve()
    if not (old / "notebooks").is_dir() or old == ROOT:
        sys.exit(NO_COURSE.format(old=old))
    theirs, mine = ROOT / "notebooks", old / "notebooks"
    translated = sorted(path.parent for path in mine.glob("[!.]*/00_*.ipynb"))
    for folder in (mine, *translated):
        take_over_folder(old, folder, theirs / folder.relative_to(mine))
    print(OLD_IS_KEPT.format(old=old))


def take_over_folder(old: Path, folder: Path, target: Path) -> None:
    """The same for the notebooks of one language."""
    here = {path.name: path for path in sorted(target.glob("*.ipynb"))}
    new = {name: path.read_bytes() for name, path in here.items()}
    for path in sorted(folder.iterdir()):
        if path.is_file():
            name = path.name if path.name in here else None
            mine = path.read_bytes()
            if path.suffix == ".ipynb" and not name:
                there = {name for name in new if not (path.parent / name).exists()}
                name = renamed(mine, {name: new[name] for name in there})
            if name:
                take_over_notebook(old, path, here[name])
            elif not (target / path.name).exists():
                write(target / path.name, mine)
                print(COPIED.format(name=path.name))


def take_over_notebook(old: Path, path: Path, target: Path) -> None:
    """Merge one notebook of an old folder into the same one of this folder."""
    here, name = target.read_bytes(), target.relative_to(ROOT / "notebooks").as_posix()
    new = as_it_came(ROOT, target) or here
    if merge(new, here, new) != Merged(new):
        print(HAS_WORK.format(name=name))
        return
    note = catalogue(target.parent.name).gettext(NOTE)
    merged = merge(as_it_came(old, path), path.read_bytes(), new, note)
    report(name, merged)
    if merged and merged.kept:
        write(snapshot(target), new)
        write(target, merged.data)


# --- the command ----------------------------------------------------------------------


def running_notebooks(folders: list[Path]) -> Iterator[str]:
    """The notebooks in these folders that have a kernel, as far as Jupyter tells."""
    try:
        # Not at the top: a Python without Jupyter can update the course too.
        from jupyter_core.paths import jupyter_runtime_dir
    except ImportError:
        return
    for file in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError):  # gone, or not ours
            server = json.loads(file.read_bytes())
            url = f"{server['url']}api/sessions?token={server['token']}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                for session in json.load(answer):
                    path = Path(server["root_dir"], session["path"]).resolve()
                    if any(folder in path.parents for folder in folders):
                        yield path.name


def main(arguments: list[str]) -> None:
    """Update this folder, from the network or from an old folder."""
    folders = [ROOT, *(Path(one).expanduser().resolve() for one in arguments)]
    if names := sorted(set(running_notebooks(folders))):
        sys.exit(RUNNING.format(names=", ".join(names)))
    try:
        if arguments:
            take_over(Path(arguments[0]))
        else:
            update_clone()
    except (OSError, GitError) as error:
        sys.exit(FAILED.format(error=error))


if __name__ == "__main__":
    main(sys.argv[1:])
