"""What a learner has predicted and solved, in one small file of their own.

The file never leaves the machine. `COURSE_HOME` names another folder for it; the
tests and `make notebooks` use a throw-away one, so that no answer is stored with the
course.
"""

import contextlib
import json
import os
import threading
from pathlib import Path

import filelock
import platformdirs

LOCK_SECONDS = 5

SET_ASIDE = (
    "{path} could not be read. It is now {aside}, and a new file has been started."
)
NOT_KEPT = (
    "Your answers can't be written to {path} ({error}), so they last until this "
    "kernel ends."
)

_here = {}  # what this kernel knows beyond the file, where that can't be written
_notices = []
_threads = threading.RLock()  # callbacks come on more than one thread


def location():
    """The path of the file, which need not exist yet."""
    folder = platformdirs.user_data_path("one-line-of-pytorch", appauthor=False)
    return Path(os.environ.get("COURSE_HOME") or folder) / "records.json"


def read(section):
    """What is known in a section, such as "predictions": {id: {field: value}}."""
    with _threads:
        path = location()
        try:
            records = _load_mended(path)
        except OSError as error:
            _notice(NOT_KEPT.format(path=path, error=error.strerror or error))
            records = {}
        return records.get(section, {}) | _here.get(section, {})


def change(section, id, **values):
    """Set some fields of one record, and leave all others as they are.

    Several kernels may do so at once. Where the file can't be written, the record
    lasts as long as this kernel, and `notice` says so.
    """
    with _threads:
        path = location()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _lock(path):
                records = _load_or_set_aside(path)
                for name, of_section in (*_here.items(), (section, {})):
                    records.setdefault(name, {}).update(of_section)
                records[section].setdefault(id, {}).update(values)
                _write(path, records)
                _here.clear()
        except OSError as error:  # a lock that others keep among them
            unsaved = read(section).get(id, {}) | values
            _here.setdefault(section, {})[id] = unsaved
            _notice(NOT_KEPT.format(path=path, error=error.strerror or error))


def notice():
    """What went wrong with the file since the last call, or ""."""
    said = " ".join(_notices)
    _notices.clear()
    return said


def _notice(sentence):
    if sentence not in _notices:
        _notices.append(sentence)


def _lock(path):
    return filelock.FileLock(f"{path}.lock", timeout=LOCK_SECONDS)


def _load(path):
    """All records; raises OSError, or ValueError where the file is none of ours."""
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(r, dict) for s in records.values() for r in s.values()):
            return records
    except FileNotFoundError:
        return {}
    except (AttributeError, RecursionError) as error:
        raise ValueError from error
    raise ValueError


def _load_mended(path):
    """As `_load`, but a file that is none of ours is moved away. Raises OSError."""
    try:
        return _load(path)
    except ValueError:
        with _lock(path):  # another kernel may have put a good one there meanwhile
            return _load_or_set_aside(path)


def _load_or_set_aside(path):
    """All records, or {} after a bad file was moved away. The caller has the lock."""
    try:
        return _load(path)
    except ValueError:
        _set_aside(path)
        return {}


def _set_aside(path):
    number = 1
    while (aside := path.with_name(f"{path.name}.unreadable-{number}")).exists():
        number += 1
    with contextlib.suppress(OSError):
        path.replace(aside)
        _notice(SET_ASIDE.format(path=path, aside=aside))


def _write(path, records):
    """Whole or not at all, whatever happens meanwhile."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        text = json.dumps(records, indent=1)
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
