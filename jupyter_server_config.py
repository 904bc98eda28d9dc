"""How a Jupyter server that starts in this folder opens and saves the notebooks.

A notebook opens as unchanged, and opens on the next day as it was left: with pictures
and text where instruments were, and how to get them back. On disk its metadata stay as
the course stores them, so that opening a lesson changes no file. Before a notebook is
first saved, a copy is kept of how it came, and tools/update.py compares with that.
Printed text wraps at spaces. A file helpers.py of the learner's beside a notebook does
not hide the course's own. What a kernel sends reaches the page without delay.
"""

import os
import shutil
import sys
from asyncio import Future
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.kernels.connection.channels import (
    ZMQChannelsWebsocketConnection,
)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "tools"))
from spoken import catalogue, marked  # noqa: E402

LOOKS = [str(HERE / "custom")]  # where custom.css is
EXTENSIONS = [f"{LOOKS[0]}/labextensions"]  # what was just run is in view
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
STORED = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
RUNNING = {"course": "running"}  # of a line that says how long a cell has been running
RUN_AGAIN = marked("To use it, run this cell: click into it and press Shift + Enter.")


def store(
    model: dict, path: str, contents_manager: AsyncLargeFileManager, **_: object
) -> None:
    """Before a notebook is saved: no widget that the next kernel doesn't know."""
    if model["type"] != "notebook":
        return
    notebook, file = model["content"], Path(contents_manager.root_dir, path.strip("/"))
    if notebook["metadata"].get("kernelspec", {}).get("name") == KERNELSPEC["name"]:
        notebook["metadata"] |= STORED
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        outputs = cell.get("outputs", [])
        outputs[:] = [one for one in outputs if one.get("metadata") != RUNNING]
        views = [one for one in outputs if one.get("data", {}).pop(WIDGET_VIEW, None)]
        if views:
            place = outputs.index(views[-1]) + 1
            language = os.environ.get("COURSE_LANG") or file.parent.name
            text = f"{catalogue(language).gettext(RUN_AGAIN)}\n"
            outputs.insert(
                place, {"output_type": "stream", "name": "stdout", "text": text}
            )
    keep_as_it_came(file)


def keep_as_it_came(path: Path) -> None:
    """Copy a notebook that is about to be saved for the first time."""
    kept = path.parent / ".ipynb_checkpoints" / f"{path.stem}-as-it-came.ipynb"
    if path.exists() and not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, kept)


class Notebooks(AsyncLargeFileManager):
    """The files of the server; a notebook is told of the kernel that will run it."""

    async def get(
        self, path: str, content=True, type=None, format=None, **options
    ) -> dict:
        model = await super().get(path, content, type, format, **options)
        if model["type"] == "notebook" and model["content"]:
            metadata = model["content"]["metadata"]
            if metadata == STORED:
                metadata |= _of_this_python()
        return model


def _of_this_python():
    """The metadata that a front end would write when the kernel has started."""
    try:
        spec = KernelSpecManager().get_kernel_spec(KERNELSPEC["name"])
        name = spec.display_name
    except NoSuchKernel:
        name = KERNELSPEC["display_name"]
    version = sys.version_info
    return {
        "kernelspec": KERNELSPEC | {"display_name": name},
        "language_info": {
            "codemirror_mode": {"name": "ipython", "version": version.major},
            "file_extension": ".py",
            "mimetype": "text/x-python",
            "name": "python",
            "nbconvert_exporter": "python",
            "pygments_lexer": f"ipython{version.major}",
            "version": ".".join(map(str, version[:3])),
        },
    }


class AtOnce(ZMQChannelsWebsocketConnection):
    """What a kernel sends goes on to the page at once.

    Else TCP holds a small message back until the page has confirmed the one before,
    which may take 40 ms; a lab sends one every 20 ms.
    """

    def connect(self) -> Future | None:
        self.websocket_handler.set_nodelay(True)
        return super().connect()


if (HERE / "helpers").is_dir():  # not where postBuild copies this file to
    # Kernels inherit this, and look there before they look beside the notebook.
    paths = [str(HERE), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))

c.ContentsManager.pre_save_hook = store  # noqa: F821
c.ServerApp.contents_manager_class = Notebooks  # noqa: F821
c.ServerApp.kernel_websocket_connection_class = AtOnce  # noqa: F821
c.ServerApp.tornado_settings.update({"static_custom_path": LOOKS})  # noqa: F821
c.LabApp.custom_css = True  # noqa: F821
c.LabApp.extra_labextensions_path = EXTENSIONS  # noqa: F821
