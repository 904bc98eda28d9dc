"""A new version of the course arrives, and a learner's work stays: tools/update.py.

Everything is real: git repositories and folders on this disk, the course's notebooks
as a learner would leave them, and a Jupyter server that saves them.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

import spoken

ROOT = Path(__file__).parents[1]
IN_CHINESE = "zh_CN/"
SHAPES, PARAMETERS, START = "02_shapes", "03_parameters", "00_start_here"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("git"), reason="git is not installed"),
]
GIT = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]


def git(folder, *arguments, check=True):
    done = subprocess.run(
        [*GIT, *arguments], cwd=folder, capture_output=True, text=True
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def update(folder, *arguments, **variables):
    """Run tools/update.py as a learner does; the ended process."""
    command = [sys.executable, "tools/update.py", *map(str, arguments)]
    env = os.environ | dict.fromkeys(spoken.VARIABLES, "") | variables
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, encoding="utf-8"
    )


def path_of(folder, name):
    return folder / "notebooks" / f"{name}.ipynb"


class Edit:
    """A notebook as somebody opens it, changes it and saves it."""

    def __init__(self, folder, name):
        self.path = path_of(folder, name)

    def __enter__(self):
        self.notebook = nbformat.v4.reads(self.path.read_text("utf-8"))
        self.cells = self.notebook.cells
        return self

    def __exit__(self, *_):
        self.path.write_text(nbformat.v4.writes(self.notebook) + "\n", "utf-8")

    def exercises(self):
        """The positions of the stubs."""
        tagged = enumerate(self.cells)
        return [i for i, c in tagged if "exercise" in c.metadata.get("tags", [])]

    def run_all(self, printed):
        for cell in self.cells:
            if cell.cell_type == "code":
                cell.outputs = [new_output("stream", text=printed)]


def read(folder, name):
    """The cells of a valid notebook."""
    notebook = nbformat.read(path_of(folder, name), 4)
    nbformat.validate(notebook)
    return notebook.cells


def texts(cells):
    return [cell.source for cell in cells]


def put_course(folder):
    """The course, or what an update looks at."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "tools").mkdir()
    for name in ("update.py", "spoken.py"):
        shutil.copy(ROOT / "tools" / name, folder / "tools")
    words = Path("locale", "zh_CN", "LC_MESSAGES", "tools.mo")
    (folder / words).parent.mkdir(parents=True)
    shutil.copy(ROOT / words, folder / words)
    shutil.copy(ROOT / ".gitignore", folder)
    shutil.copy(ROOT / "jupyter_server_config.py", folder)
    (folder / "README.md").write_text("The course.\n")
    (folder / "notebooks" / "zh_CN").mkdir()
    for name in (START, SHAPES, PARAMETERS):
        shutil.copy(path_of(ROOT, name), folder / "notebooks")
        shutil.copy(path_of(ROOT, IN_CHINESE + name), folder / "notebooks/zh_CN")
    return folder


def work(folder):
    """What a learner does: solves, notes, adds cells, and runs everything."""
    with Edit(folder, SHAPES) as shapes:
        shapes.run_all("mine\n")
        first, second, third = shapes.exercises()[:3]
        for position in (first, second, third):
            shapes.cells[position].source += f"  # solved {position}"
        shapes.cells[3].source += "\n\nMy note."
        shapes.cells.insert(third + 1, new_code_cell("my_own = 1"))
        shapes.cells.append(new_markdown_cell("What I have learned."))
    with Edit(folder, PARAMETERS) as parameters:
        parameters.cells[parameters.exercises()[0]].source += "  # solved"
    with Edit(folder, IN_CHINESE + SHAPES) as shapes:
        shapes.cells[shapes.exercises()[0]].source += "  # solved in Chinese"
    with Edit(folder, START) as start:
        start.run_all("mine\n")


def publish(folder):
    """A new version: what changes beside, under and around what `work` changed."""
    with Edit(folder, SHAPES) as shapes:
        shapes.run_all("new\n")
        first, second, third = shapes.exercises()[:3]
        shapes.cells[first - 1].source += "\n\nNew prose beside an answer."
        shapes.cells[second].source = "def renamed_by_the_course():\n    ..."
        shapes.cells[3:3] = [new_markdown_cell("A new cell.")]
        del shapes.cells[third + 1]  # solved by the learner
        del shapes.cells[7]
    with Edit(folder, IN_CHINESE + SHAPES) as shapes:
        shapes.cells[0].source += "\n\nNew in Chinese."
        shapes.cells[shapes.exercises()[0]].source += "  # new"
    with Edit(folder, PARAMETERS) as parameters:
        parameters.cells[1].source += "\n# new"
    path_of(folder, PARAMETERS).rename(path_of(folder, "03_modules"))
    with Edit(folder, START) as start:
        start.run_all("new\n")
    (folder / "README.md").write_text("The new course.\n")


def expect_chinese(folder):
    """That it is in the notebook of the other language, and only there."""
    for name, kept in ((IN_CHINESE + SHAPES, 1), (SHAPES, 0)):
        found = texts(read(folder, name))
        assert sum("# solved in Chinese" in text for text in found) == kept
    assert "New in Chinese." in texts(read(folder, IN_CHINESE + SHAPES))[0]


def expect_both(folder, before, news):
    """That the learner's work is in the new version."""
    expect_chinese(folder)
    chinese = texts(read(folder, IN_CHINESE + SHAPES))
    assert sum(text.startswith("**在你写过之后") for text in chinese) == 1
    cells = read(folder, SHAPES)
    mine, new, found = texts(before), texts(news), texts(cells)
    solved = [text for text in mine if "# solved" in text]
    written = {text for text in mine if "My note." in text}
    written |= {*solved, "my_own = 1", "What I have learned."}
    assert len(solved) == 3 and len(written) == 6 and written < set(found)
    # Everything else is the new version, in its order.
    (note,) = [text for text in found if "The course changed the cell below" in text]
    others = [text for text in found if text not in written | {note}]
    assert others == [text for text in new if text in others]
    assert "A new cell." in others and len(new) - len(others) == 3
    assert [text for text in others if "New prose beside an answer." in text]
    # Where both wrote, the learner's stays, and a note has the course's.
    assert "def renamed_by_the_course():" in note
    assert found[found.index(note) + 1] == solved[1]
    assert found[found.index(solved[2]) + 1] == "my_own = 1"
    for cell in cells:
        if cell.cell_type == "code" and cell.source != "my_own = 1":
            whose = "mine\n" if cell.source in written else "new\n"
            assert [output.text for output in cell.outputs] == [whose]
    assert not [text for text in found if "<<<<" in text]
    renamed = texts(read(folder, "03_modules"))
    assert renamed[1].endswith("# new")
    assert [text for text in renamed if text.endswith("# solved")]


@pytest.fixture
def clones(tmp_path):
    """The course, and a learner's clone of it."""
    course = put_course(tmp_path / "course")
    git(course, "init", "--quiet")
    git(course, "add", ".")
    git(course, "commit", "--quiet", "-m", "one")
    git(tmp_path, "clone", "--quiet", str(course), "my course")
    return course, tmp_path / "my course"


def release(course):
    publish(course)
    git(course, "add", "--all")
    git(course, "commit", "--quiet", "-m", "two")


@pytest.mark.parametrize("state", ["saved", "committed", "a pull that stopped"])
def test_a_clone_gets_the_new_version_and_keeps_the_work(clones, state):
    course, mine = clones
    work(mine)
    (mine / "notebooks" / "own.py").write_text("x = 1\n")
    before, whole = read(mine, SHAPES), path_of(mine, SHAPES).read_bytes()
    if state != "saved":
        git(mine, "commit", "--quiet", "--all", "-m", "my work")
    release(course)
    if state == "a pull that stopped":
        git(mine, "pull", "--no-rebase", "--quiet", check=False)
        with pytest.raises(nbformat.reader.NotJSONError):
            read(mine, SHAPES)
    done = update(mine)
    assert done.returncode == 0, done.stdout + done.stderr
    expect_both(mine, before, read(course, SHAPES))
    # What nobody has written in is the new version, and what is the learner's stays.
    assert path_of(mine, START).read_bytes() == path_of(course, START).read_bytes()
    assert (mine / "README.md").read_text() == "The new course.\n"
    assert (mine / "notebooks" / "own.py").read_text() == "x = 1\n"
    assert not path_of(mine, PARAMETERS).exists()
    assert "02_shapes.ipynb: 6 cells that you changed or added, kept." in done.stdout
    if state != "a pull that stopped":
        folder = Path(re.search("before this update: (.*)", done.stdout)[1])
        assert path_of(folder, SHAPES).read_bytes() == whole
    # Once more, nothing happens; and the next version finds it all in its place.
    files = {path: path.read_bytes() for path in mine.glob("notebooks/**/*.ipynb")}
    assert update(mine).stdout == "This is already the newest version.\n"
    with Edit(course, START) as start:
        start.cells.append(new_markdown_cell("The third version."))
    git(course, "commit", "--quiet", "--all", "-m", "three")
    assert update(mine).returncode == 0
    assert texts(read(mine, START))[-1] == "The third version."
    del files[path_of(mine, START)]
    assert files == {path: path.read_bytes() for path in files}


def test_a_clone_without_changes_becomes_the_new_version(clones):
    course, mine = clones
    release(course)
    done = update(mine)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
    assert git(mine, "status", "--short") == ""
    assert git(mine, "rev-parse", "HEAD") == git(course, "rev-parse", "HEAD")


def test_files_that_are_no_notebooks_are_replaced_and_a_copy_is_named(clones):
    course, mine = clones
    (mine / "README.md").write_text("Mine.\n")
    (mine / "notebooks" / "new.py").write_text("mine = 1\n")
    (course / "notebooks" / "new.py").write_text("theirs = 1\n")
    release(course)
    done = update(mine)
    assert done.returncode == 0, done.stderr
    assert (mine / "README.md").read_text() == "The new course.\n"
    assert "README.md: now the course's version" in done.stdout
    folder = Path(re.search("before this update: (.*)", done.stdout)[1])
    assert (folder / "README.md").read_text() == "Mine.\n"
    assert (folder / "notebooks" / "new.py").read_text() == "mine = 1\n"


def test_without_a_network_one_sentence_says_so_and_nothing_changes(clones):
    course, mine = clones
    work(mine)
    release(course)
    before = {path: path.read_bytes() for path in mine.glob("*/*.ipynb")}
    course.rename(course.with_name("gone"))
    done = update(mine)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("The new version could not be fetched, and nothing")
    assert done.stderr.count("\n") == 1
    assert before == {path: path.read_bytes() for path in mine.glob("*/*.ipynb")}


def test_a_folder_that_is_no_clone_is_told_what_to_do(tmp_path):
    folder = put_course(tmp_path / "old course")
    done = update(folder)
    assert done.returncode == 1
    assert "make update FROM=../old course" in done.stderr.replace("'", "")
    assert done.stderr.count("\n") == 1


@contextmanager
def server(folder, *python, **environment):
    """A Jupyter server that starts in a folder: a function that asks its API."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*python, "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=abc"]
    log = open(folder / "log", "wb")
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdout=log, stderr=log
    )

    def ask(what, method="GET", **values):
        data = json.dumps(values).encode() if values else None
        url = f"http://127.0.0.1:{port}/api/{what}"
        headers = {"Authorization": "token abc"}
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    try:
        for _ in range(600):
            try:
                ask("status")
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield ask
    finally:
        process.terminate()
        process.wait(30)
        log.close()
        (folder / "log").unlink()


def conda_variables():
    """What `conda activate` sets."""
    text = (ROOT / "environment.yml").read_text("utf-8")
    block = re.search(r"^variables:\n((?:  .*\n)+)", text, re.MULTILINE)[1]
    return dict(re.findall(r"  (\w+): \"(.*)\"", block))


def test_a_new_folder_takes_over_what_was_saved_in_an_old_one(tmp_path, monkeypatch):
    old, new = put_course(tmp_path / "old"), put_course(tmp_path / "new")
    publish(new)
    news = shutil.copytree(new, tmp_path / "news")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    copy = shutil.copytree(old, tmp_path / "copy")
    work(copy)
    with server(old, sys.executable, "-m", "jupyterlab", **conda_variables()) as ask:
        for name in (START, SHAPES, PARAMETERS, IN_CHINESE + SHAPES):
            # As JupyterLab saves, twice: the first version must stay known.
            saved = ask(f"contents/notebooks/{name}.ipynb")
            assert len(saved["content"]["metadata"]["language_info"]) > 1
            content = json.loads(nbformat.writes(nbformat.read(path_of(copy, name), 4)))
            for _ in range(2):
                ask(
                    f"contents/notebooks/{name}.ipynb",
                    "PUT",
                    **{"type": "notebook", "format": "json", "content": content},
                )
        where = {"path": f"notebooks/{SHAPES}.ipynb", "name": "", "type": "notebook"}
        session = ask("sessions", "POST", **where, kernel={"name": "python3"})
        refused = update(new, old)
        ask(f"sessions/{session['id']}", "DELETE")
        (old / "notebooks" / "own.ipynb").write_bytes(path_of(old, START).read_bytes())
        before = read(old, SHAPES)
        done = update(new, old)
    assert refused.returncode == 1
    assert "notebooks are running: 02_shapes.ipynb. Save" in refused.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    expect_both(new, before, read(news, SHAPES))
    assert "as-it-came" not in done.stdout
    assert path_of(new, START).read_bytes() == path_of(news, START).read_bytes()
    assert (new / "notebooks" / "own.ipynb").exists()
    assert not path_of(new, PARAMETERS).exists()
    files = {path: path.read_bytes() for path in new.glob("notebooks/*.ipynb")}
    again = update(new, old)
    assert "02_shapes.ipynb: this folder already has work of yours" in again.stdout
    assert files == {path: path.read_bytes() for path in new.glob("notebooks/*.ipynb")}
    nobody = update(new, tmp_path / "elsewhere")
    assert nobody.returncode == 1 and "There is no course in" in nobody.stderr


def test_a_new_folder_takes_over_from_an_old_clone(clones, tmp_path):
    course, old = clones
    work(old)
    git(old, "commit", "--quiet", "--all", "-m", "my work")
    publish(course)
    new = shutil.copytree(
        course, tmp_path / "new", ignore=shutil.ignore_patterns(".git")
    )
    before, news = read(old, SHAPES), read(course, SHAPES)
    done = update(new, old, COURSE_LANG="zh")
    assert done.returncode == 0, done.stderr
    assert "02_shapes.ipynb：你改过或添加的 6 个单元格都保留了下来。" in done.stdout
    expect_both(new, before, news)


def test_an_old_folder_without_a_known_beginning_still_hands_over_answers(tmp_path):
    old, new = put_course(tmp_path / "old"), put_course(tmp_path / "new")
    work(old)
    publish(new)
    done = update(new, old)
    assert done.returncode == 0, done.stderr
    expect_chinese(new)
    found = texts(read(new, SHAPES))
    assert {"my_own = 1", "What I have learned.", "A new cell."} < set(found)
    assert sum("# solved" in text for text in found) == 3
    assert [text for text in texts(read(new, "03_modules")) if "# solved" in text]


@pytest.mark.skipif(os.name == "nt", reason="repo2docker builds on Linux")
def test_a_binder_reads_the_settings_wherever_it_starts(tmp_path):
    """postBuild in an environment of its own, and then a server in another folder."""
    environment = tmp_path / "environment"
    make = [sys.executable, "-m", "venv", "--without-pip", environment]
    subprocess.run(make, check=True)
    python = environment / "bin" / "python"
    (site,) = environment.glob("lib/*/site-packages")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    (site / "packages.pth").write_text("\n".join(packages))
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path}
    subprocess.run([ROOT / "postBuild"], cwd=ROOT, env=env, check=True)
    shutil.copy(path_of(ROOT, START), tmp_path)
    with server(tmp_path, python, "-m", "jupyter_server") as ask:
        metadata = ask(f"contents/{START}.ipynb")["content"]["metadata"]
    assert metadata["language_info"]["file_extension"] == ".py"
