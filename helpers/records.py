"""What a learner has predicted and solved, and the runs of their sweeps, in one file.

It is an SQLite file in the learner's own folder, and never leaves the machine.
`COURSE_HOME` names another folder; the tests and `make notebooks` use a throw-away
one, so that no answer is stored with the course.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import platformdirs

from helpers.language import SPACE, tr

APPLICATION_ID = 0x1C0D_E001  # in the file's header: it is the course's
CREATE = "CREATE TABLE records (section, id, field, value, UNIQUE (section, id, field))"
SELECT = "SELECT id, field, value FROM records WHERE section = ?"
REPLACE = "REPLACE INTO records VALUES (?, ?, ?, ?)"
EARLIER = "records.json"  # written by earlier versions; still read

SET_ASIDE = tr("{path} could not be read. It is now {aside}; a new file was started.")
HURRY = 0.1  # seconds to wait for a lock once it could not be had
NOT_OURS = tr("not a file of the course")
NOT_KEPT = tr(
    "The file {path} can't be used ({error}), so your answers last only until this "
    "kernel ends."
)


def home() -> Path:
    """The folder for all that is kept of a learner, which need not exist yet."""
    folder = platformdirs.user_data_path("one-line-of-pytorch", appauthor=False)
    given = os.environ.get("COURSE_HOME", "")
    return Path(os.path.expanduser(given) or folder).absolute()


def location() -> Path:
    """The path of the file, which need not exist yet."""
    return home() / "course.sqlite"


class Records:
    """The records in one file.

    path: of the file; None: `location()`. seconds: how long to wait while another
    kernel writes.
    """

    def __init__(self, path: Path | None = None, seconds: float = 5) -> None:
        self._given, self._seconds = path, seconds
        self._unsaved = {}  # (section, id, field) -> JSON, until it can be written
        self._notices, self._trouble = [], ""
        self._threads = threading.RLock()  # callbacks come on more than one thread

    def read(self, section: str) -> dict[str, dict[str, Any]]:
        """What is known in a section, such as "predictions": {id: {field: value}}."""
        with self._threads:
            found = _earlier(self._path.with_name(EARLIER)).get(section, {})
            for id, field, value in self._use(lambda: self._rows(section)) or []:
                found.setdefault(id, {})[field] = value
            for (of_section, id, field), text in self._unsaved.items():
                if of_section == section:
                    found.setdefault(id, {})[field] = json.loads(text)
            return found

    def change(self, section: str, id: str, /, **values: Any) -> str:
        """Set some fields of one record, and leave all others as they are.

        values: anything that JSON can hold. Where the file can't be written, the record
        lasts as long as this kernel, and `notice` says so; returns why, or "".
        """
        with self._threads:
            for field, value in values.items():
                self._unsaved[section, id, field] = json.dumps(value)
            self._use(self._save)
            return self._trouble

    def notice(self) -> str:
        """What went wrong with the file since the last call, or ""."""
        said = SPACE.join(dict.fromkeys(self._notices))
        self._notices.clear()
        return said

    @property
    def _path(self) -> Path:
        return self._given or location()

    def _use(self, work: Callable) -> Any:
        """What `work()` returns; None, and a notice, where the file can't be used.

        A file that is damaged, or another program's, is moved away first.
        """
        self._wait = min(HURRY, self._seconds) if self._trouble else self._seconds
        self._trouble = ""
        try:
            seen = _inode(self._path)
            try:
                return work()
            except sqlite3.OperationalError:  # locked, full, not allowed
                raise
            except (sqlite3.DatabaseError, ValueError):
                self._set_aside(seen)
                return work()
        except (OSError, sqlite3.Error) as error:
            text = str(getattr(error, "strerror", None) or error)
            self._notices.append(NOT_KEPT.format(path=self._path, error=text))
            self._trouble = text

    def _rows(self, section: str) -> list[tuple]:
        """(id, field, value) of all that the file has in this section."""
        if not self._path.exists():
            return []
        with closing(self._connect()) as db:
            rows = () if _is_new(db) else db.execute(SELECT, (section,))
            return [(*key, json.loads(text)) for *key, text in rows]

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as db:
            db.execute("BEGIN IMMEDIATE")
            if _is_new(db):
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(CREATE)
            db.executemany(REPLACE, [(*k, text) for k, text in self._unsaved.items()])
            db.execute("COMMIT")
        self._unsaved.clear()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=self._wait, isolation_level=None)

    def _set_aside(self, seen: int | None) -> None:
        """Move the file away, unless another kernel did and has started a good one."""
        if _inode(self._path) != seen:
            return
        number = 1
        while (aside := Path(f"{self._path}.unreadable-{number}")).exists():
            number += 1
        for end in ("", "-journal"):  # SQLite would apply a journal to the next file
            with suppress(FileNotFoundError):
                Path(f"{self._path}{end}").replace(f"{aside}{end}")
        self._notices.append(SET_ASIDE.format(path=self._path, aside=aside))


def _inode(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


def _is_new(db: sqlite3.Connection) -> bool:
    """Whether a file is still empty. DatabaseError where it is another program's."""
    if db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,):
        return False
    if db.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise sqlite3.DatabaseError(NOT_OURS)
    return True


def _earlier(path: Path) -> dict:
    """What an earlier version has kept; {} where that can't be read."""
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        records = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(r, dict) for s in records.values() for r in s.values()):
            return records
    return {}


_learner = Records()
read, change, notice = _learner.read, _learner.change, _learner.notice
