"""What is kept of a learner: by many kernels, in a damaged file, and in none at all."""

import json
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from helpers import records
from helpers.records import Records


@pytest.fixture
def path(tmp_path):
    """A file of this test's own, which doesn't exist yet."""
    return tmp_path / "own" / "course.sqlite"


def asides(path):
    return sorted(path.parent.glob("course.sqlite.unreadable-*"))


def test_fields_and_sections_are_left_as_they_are(path):
    Records(path).change("predictions", "a", choice="x", votes={"x": 3})
    Records(path).change("predictions", "a", measured="y")
    Records(path).change("exercises", "a", solved=True)
    found = Records(path).read("predictions")
    assert found == {"a": {"choice": "x", "votes": {"x": 3}, "measured": "y"}}
    assert Records(path).read("exercises") == {"a": {"solved": True}}


def test_reading_leaves_no_file(path):
    assert Records(path).read("predictions") == {}
    assert not path.parent.exists()


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "Öwn # 1?"))
    records.change("predictions", "a", choice="x")
    assert records.read("predictions") == {"a": {"choice": "x"}}
    assert records.location() == tmp_path / "Öwn # 1?" / "course.sqlite"
    assert records.location().exists() and records.notice() == ""


def test_a_quoted_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("COURSE_HOME", "~/course")
    assert records.location() == tmp_path / "course" / "course.sqlite"


@pytest.mark.slow
def test_two_kernels_lose_nothing(tmp_path):
    code = (
        "from helpers import records\n"
        "import sys\n"
        "for i in range(40):\n"
        "    records.change('predictions', f'{sys.argv[1]}-{i}', choice='x')\n"
        "assert not records.notice()\n"
    )
    own = os.environ | {"COURSE_HOME": str(tmp_path)}
    kernels = [
        subprocess.Popen([sys.executable, "-c", code, name], env=own)
        for name in ("a", "b")
    ]
    assert [kernel.wait() for kernel in kernels] == [0, 0]
    assert len(Records(tmp_path / "course.sqlite").read("predictions")) == 80
    assert [file.name for file in tmp_path.iterdir()] == ["course.sqlite"]


def test_thirty_kernels_that_begin_at_once_lose_nothing(path):
    def kernel(name):
        own = Records(path, seconds=60)
        for i in range(3):
            own.change("predictions", f"{name}-{i}", choice="x")
        return own.notice()

    with ThreadPoolExecutor(30) as thirty:
        assert set(thirty.map(kernel, range(30))) == {""}
    assert len(Records(path).read("predictions")) == 90


def nonsense(path):
    path.write_bytes(b"\xff{broken")


def of_another_program(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE records (thesis)")


def cut_short(path):
    fill(path)
    os.truncate(path, path.stat().st_size // 2)


def damaged_inside(path):
    fill(path)
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:4096] + b"\xff" * half + content[4096 + half :])


def fill(path):
    one = {f"field {i}": "x" * 100 for i in range(300)}
    Records(path).change("predictions", "a", **one)


DAMAGES = [nonsense, of_another_program, cut_short, damaged_inside]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("first", ["read", "change"])
def test_a_file_that_is_none_of_ours_is_set_aside_with_a_notice(path, damage, first):
    path.parent.mkdir()
    damage(path)
    content = path.read_bytes()
    own = Records(path)
    if first == "read":
        assert own.read("predictions") == {}
    own.change("predictions", "a", choice="x")
    assert own.notice() == (
        f"{path} could not be read. It is now {path}.unreadable-1; a new file was "
        "started."
    )
    assert [aside.read_bytes() for aside in asides(path)] == [content]
    assert Records(path).read("predictions") == {"a": {"choice": "x"}}
    assert own.notice() == ""  # said once


def test_a_second_unreadable_file_replaces_no_first(path):
    path.parent.mkdir()
    for content in (b"one", b"two"):
        path.write_bytes(content)
        Records(path).read("predictions")
    assert [aside.read_bytes() for aside in asides(path)] == [b"one", b"two"]


def test_a_good_file_that_another_kernel_has_just_begun_stays(path):
    class Slow(Records):
        """Another kernel is quicker to move the file away."""

        def _set_aside(self, seen):
            Records(path).change("predictions", "a", choice="x")
            super()._set_aside(seen)

    path.parent.mkdir()
    path.write_bytes(b"broken")
    slow = Slow(path)
    assert slow.read("predictions") == {"a": {"choice": "x"}}
    assert slow.notice() == "" and len(asides(path)) == 1


def test_while_another_kernel_writes_for_long_nothing_is_lost(path):
    other, own = Records(path), Records(path, seconds=0)
    other.change("predictions", "a", choice="x")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        own.change("predictions", "b", choice="y")
        assert own.read("predictions") == {"b": {"choice": "y"}}
        assert "is locked), so your answers last only until" in own.notice()
    own.change("predictions", "c", choice="z")
    assert set(other.read("predictions")) == {"a", "b", "c"} and not asides(path)


@pytest.mark.slow
def test_a_kernel_that_dies_while_it_writes_leaves_what_was_there(path):
    Records(path).change("predictions", "a", choice="x")
    code = (
        "import os, sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('PRAGMA cache_size = 1')\n"  # so that it writes before its end
        "db.execute('BEGIN IMMEDIATE')\n"
        "for i in range(200):\n"
        "    row = ('predictions', str(i), 'choice', '\"' + 'y' * 999 + '\"')\n"
        "    db.execute('INSERT INTO records VALUES (?, ?, ?, ?)', row)\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True)
    assert Path(f"{path}-journal").exists()
    assert Records(path).read("predictions") == {"a": {"choice": "x"}}


def test_what_cant_be_written_lasts_as_long_as_the_kernel(path):
    path.parent.write_text("a file is where the folder should be")
    own = Records(path)
    own.change("predictions", "a", choice="x")
    assert "so your answers last only until this kernel ends" in own.notice()
    assert own.read("predictions") == {"a": {"choice": "x"}}
    path.parent.unlink()
    own.change("predictions", "b", choice="y")
    assert set(Records(path).read("predictions")) == {"a", "b"}


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="this user may write anywhere"
)
def test_in_a_folder_that_is_read_only_it_still_reads(path):
    Records(path).change("predictions", "a", choice="x")
    path.parent.chmod(0o500)
    own = Records(path)
    own.change("predictions", "b", choice="y")
    assert set(own.read("predictions")) == {"a", "b"} and own.notice()
    path.parent.chmod(0o700)


EARLIER = {"predictions": {"a": {"choice": "x"}, "b": {}}, "exercises": {"1.1": {}}}


def test_what_an_earlier_version_has_kept_is_still_known(path):
    path.parent.mkdir()
    earlier = path.with_name("records.json")
    earlier.write_text(json.dumps(EARLIER, indent=1) + "\n")
    own = Records(path)
    assert own.read("predictions") == EARLIER["predictions"] and not path.exists()
    own.change("predictions", "a", measured="y")
    own.change("predictions", "c", choice="z")
    assert own.read("predictions") == {
        **{"a": {"choice": "x", "measured": "y"}, "b": {}, "c": {"choice": "z"}}
    }
    assert own.read("exercises") == {"1.1": {}}
    assert json.loads(earlier.read_text()) == EARLIER


@pytest.mark.parametrize("content", ["{broken", "[1]", '{"predictions": 3}', "\xff"])
def test_an_unreadable_file_of_an_earlier_version_is_left_as_it_is(path, content):
    path.parent.mkdir()
    earlier = path.with_name("records.json")
    earlier.write_text(content, encoding="latin-1")
    own = Records(path)
    own.change("predictions", "a", choice="x")
    assert own.read("predictions") == {"a": {"choice": "x"}} and own.notice() == ""
    assert earlier.read_text("latin-1") == content
