"""What a network needs of memory, known before it takes any."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from helpers.language import tr

SMALL = 100e6  # bytes; what needs less is not looked up
SHARE = 0.9  # of what is free: the rest of the notebook needs some too
# Of Linux, version 2 and 1: folder, most, used, and what of it can be given back.
GROUPS = (
    ("", "memory.max", "memory.current", "inactive_file"),
    (
        *("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
        "total_inactive_file",
    ),
)

TOO_LARGE = tr(
    "{what} makes {millions:,.0f} million weights and needs about {needs:,.1f} GB of "
    "memory, but {free:,.1f} GB are free here; choose fewer units or layers."
)


def check_room(what: str, num_weights: int, others: int = 0, freed: int = 0) -> None:
    """Raise ValueError with a sentence if there is no room for these float32 values.

    what: the settings. others: values beside the weights. freed: given back first.
    """
    needs = 4 * (num_weights + others)
    if needs <= SMALL:
        return
    free = SHARE * (free_memory() + 4 * freed)
    if needs > free:
        said = {"millions": num_weights / 1e6, "needs": needs / 1e9, "free": free / 1e9}
        raise ValueError(TOO_LARGE.format(what=what, **said))


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that this process can still take, of the machine and of its container.

    root: of the file system.
    """
    return min([psutil.virtual_memory().available, *_left_in_groups(root)])


def _left_in_groups(root: Path) -> Iterator[int]:
    """What each control group of Linux that this process is in has left."""
    paths = set()
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            path = Path(line.split(":", 2)[-1].strip("/"))
            # Those around it too; in a container the path may be of outside.
            paths |= {path, *path.parents}
    for path in paths:
        for folder, most, used, unused in GROUPS:
            group = root / "sys/fs/cgroup" / folder / path
            with suppress(OSError, ValueError):  # not there; "max"
                stat = dict(map(str.split, (group / "memory.stat").open()))
                left = int((group / most).read_text()) - int((group / used).read_text())
                yield left + int(stat.get(unused, 0))
