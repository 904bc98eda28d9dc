"""Execute the notebooks and store their outputs, ready to commit: `make notebooks`.

All of them run, in order, or only those that are named. A notebook is written back
only when all of its cells have run. Cells that took long are named, if they lack the
tag that makes the lint ask for a line that says so.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import nbformat
from ipykernel.kernelspec import write_kernel_spec
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
SLOW = 2.0  # seconds that a cell may run in silence
METADATA = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
PREFIX = re.compile(r"[^\s\x1b\"]*[/\\](site-packages|helpers|python3[.\d]*)(?=[/\\])")


def private_jupyter(home: str | Path) -> dict[str, str]:
    """Environment variables that put `home` in place of the user's settings."""
    write_kernel_spec(Path(home, "kernels", "python3"))  # this interpreter
    folders = ["IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_PATH"]
    return {
        **dict.fromkeys(folders, str(home)),
        **dict.fromkeys(["JUPYTER_CONFIG_PATH", "PYTHONSTARTUP"], ""),
        "PYTHONPATH": str(ROOT),  # kernels import the helpers of this checkout
        "COURSE_HOME": str(home),  # without anybody's own answers
        "PYTHONHASHSEED": "0",  # sets of strings print in the same order every time
        "ATEN_CPU_CAPABILITY": "avx2",  # AVX-512 adds in another order, and in long
        "MKL_CBWR": "AVX2",  # trainings the last digits grow into whole points
    }


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook, and give an id to each cell that has none of its own."""
    # nbformat.read would draw random ids, and the file would change in every run.
    notebook = nbformat.v4.reads(path.read_text(encoding="utf-8"))
    notebook["nbformat_minor"] = 5
    used = {None}
    for cell in notebook.cells:
        seed = cell.source
        while cell.get("id") in used:
            cell["id"] = hashlib.sha256(seed.encode()).hexdigest()[:8]
            seed += "\n"
        used.add(cell["id"])
    return notebook


def clean(outputs: list) -> Iterator[nbformat.NotebookNode]:
    """Yield outputs as a reader sees them, and the same from every machine."""
    last = {}
    for output in outputs:
        # A stored view reopens as "model not found"; its picture and text stay.
        view = output.get("data", {}).pop(WIDGET_VIEW, None)
        if output.output_type == "error":
            output["traceback"] = [PREFIX.sub(r"\1", line) for line in output.traceback]
        if "name" in last and last.name == output.get("name"):
            last["text"] += output.text  # one stream that came in pieces
        elif not view or output.data:
            last = output
            yield output


def seconds(stamps: dict[str, str]) -> float:
    """How long a cell ran, from the time stamps of its execution."""
    began, ended = (
        datetime.fromisoformat(stamps[f"iopub.status.{state}"])
        for state in ("busy", "idle")
    )
    return (ended - began).total_seconds()


def run(path: Path, slow: float = SLOW) -> None:
    """Execute one notebook and replace its file; an error ends the program.

    slow: seconds from which on a cell without the tag is named.
    """
    notebook, reached = read(path), [-1]
    notebook["metadata"] = METADATA
    client = NotebookClient(notebook, resources={"metadata": {"path": path.parent}})
    client.timeout = 120  # seconds a cell, as in pyproject.toml
    client.on_cell_start = lambda cell, cell_index: reached.append(cell_index)
    try:
        client.execute(stderr=subprocess.DEVNULL)  # the kernel's log, not the cells'
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        why = str(error).splitlines()[0]
        for output in notebook.cells[reached[-1]].get("outputs", []):
            if output.output_type == "error":
                why = f"{output.ename}: {output.evalue}"
        cell = reached[-1] + 1
        sys.exit(f"{path.name}, cell {cell}: {why}\nThe file was not changed.")
    notebook["metadata"] = METADATA  # without a version and widget states
    for number, cell in enumerate(notebook.cells, start=1):
        stamps = cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell["outputs"] = list(clean(cell.outputs))
            took = seconds(stamps)
            if took > slow and "slow" not in cell.metadata.get("tags", []):
                print(f"{path.name}, cell {number}: it took {took:.0f} s: tag it slow")
    nbformat.validate(notebook)
    complete = path.with_suffix(".partial")
    complete.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    complete.replace(path)


def main(
    names: list[str], folder: Path = NOTEBOOKS, run: Callable[[Path], None] = run
) -> None:
    """Run the named notebooks of a folder, or all of them, in each language.

    names: such as "02_shapes" or "notebooks/zh_CN/02_shapes.ipynb".
    """
    notebooks = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob("*.ipynb"))
        if not path.parent.name.startswith(".")  # Jupyter's copies
    }
    names = [name.removesuffix(".ipynb").removeprefix("notebooks/") for name in names]
    names = names or list(notebooks)
    if unknown := set(names) - set(notebooks):
        there = ", ".join(notebooks)
        sys.exit(f"There is no notebook {min(unknown)}. There are: {there}.")
    sys.path.insert(0, str(ROOT))
    from helpers import load_fashion_mnist  # found only now

    if load_fashion_mnist().source != "full":
        sys.exit(
            "Outputs to commit come from the full Fashion-MNIST, but only the bundled "
            "sample is here: connect to the network and run the same command again."
        )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ.update(private_jupyter(home))
        for name in sorted(names):
            print(name, flush=True)
            run(notebooks[name])


if __name__ == "__main__":
    main(sys.argv[1:])
