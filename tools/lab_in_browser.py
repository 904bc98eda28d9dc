"""A real JupyterLab and a real browser, driven by the tests and the bench."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CONFIG = Path(__file__).parent.parent / "jupyter_server_config.py"
PATIENCE = 240  # seconds for a cell, or for a notebook
PAGE_PATIENCE = 120_000  # milliseconds until a page shows what it must
COMMANDS = (
    *("chromium", "google-chrome", "google-chrome-stable", "chrome"),
    *("microsoft-edge", "msedge", "chromium-browser"),
)
MAC_APPS = ("Chromium", "Google Chrome", "Microsoft Edge")
WINDOWS_ROOTS = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
WINDOWS_APPS = (
    "Google/Chrome/Application/chrome.exe",
    "Microsoft/Edge/Application/msedge.exe",
    "Chromium/Application/chrome.exe",
)
IDLE = """() => {
    const panel = window.jupyterapp?.shell?.currentWidget;
    const kernel = panel?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
COMPLETE = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .every((cell) => cell.node.isConnected)"""
expect.set_options(timeout=PAGE_PATIENCE)


def find_browser() -> str | None:
    """The path of a Chromium, Chrome or Edge that starts, or None.

    One that the machine has, else Playwright's own, which it fetches once.
    """
    return installed_browser() or playwright_browser()


def installed_browser() -> str | None:
    """A browser that the machine has, or None."""
    found = [shutil.which(command) for command in COMMANDS]
    for app in MAC_APPS:
        found.append(f"/Applications/{app}.app/Contents/MacOS/{app}")
    for root in filter(None, map(os.environ.get, WINDOWS_ROOTS)):
        found += [str(Path(root, app)) for app in WINDOWS_APPS]
    return next((path for path in found if path and starts(path)), None)


def starts(path: str) -> bool:
    """Whether the browser is there and is more than a stub."""
    if sys.platform == "win32":  # where --version would open a window
        return Path(path).is_file()
    command = [path, "--version"]
    try:
        # Ubuntu's chromium-browser may only ask for a snap to be installed.
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def playwright_browser() -> str | None:
    """Playwright's own Chromium, fetched if it is not there yet, or None."""
    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    if not path.is_file():
        install = [sys.executable, "-m", "playwright", "install", "chromium"]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(install, capture_output=True, timeout=600)
    return str(path) if path.is_file() else None


@contextmanager
def jupyterlab(folder: str | Path, subshells: bool = True) -> Iterator[str]:
    """The URL of a JupyterLab server on `folder`, with a configuration of its own."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as own:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        settings = Path(own, "settings", "@jupyterlab")
        for extension, values in {
            "apputils-extension/notification": {"fetchNews": "false"},
            # Else a slow test finds itself saved when the page is loaded again.
            "docmanager-extension/plugin": {"autosave": False},
            "apputils-extension/kernels-settings": {
                "commsOverSubshells": "perCommTarget" if subshells else "disabled"
            },
        }.items():
            path = Path(settings, f"{extension}.jupyterlab-settings")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        env = os.environ | {
            "JUPYTER_CONFIG_DIR": f"{own}/config",
            "JUPYTER_DATA_DIR": f"{own}/data",
            "JUPYTER_RUNTIME_DIR": f"{own}/runtime",
            "JUPYTERLAB_SETTINGS_DIR": f"{own}/settings",
            "JUPYTERLAB_WORKSPACES_DIR": f"{own}/workspaces",
            "IPYTHONDIR": f"{own}/ipython",
            "COURSE_HOME": f"{own}/course",
        }
        command = [sys.executable, "-m", "jupyter", "lab", "--no-browser"]
        command += ["--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token="]
        command += ["--allow-root", "--LabApp.expose_app_in_browser=True"]
        command += [f"--config={CONFIG}"]
        log = open(Path(own, "log"), "wb")
        server = subprocess.Popen(
            [*command, f"--ServerApp.root_dir={folder}"],
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(600):
                if server.poll() is not None:
                    break
                try:
                    urllib.request.urlopen(f"{url}/api/status", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                raise RuntimeError("JupyterLab did not start within a minute.")
            if server.poll() is not None:
                raise RuntimeError(Path(own, "log").read_text())
            yield url
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
            log.close()


@contextmanager
def browser(executable: str) -> Iterator[Browser]:
    """A fresh headless Chromium, with the scroll bars that a learner would see."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=executable,
            headless=True,
            args=BROWSER_FLAGS,
            ignore_default_args=["--hide-scrollbars"],
        )
        try:
            yield running
        finally:
            running.close()


def box(locator: Locator) -> dict[str, float]:
    """Where an element is, in pixels; a redraw may take it away for a moment."""
    for _ in range(50):
        locator.wait_for()
        if found := locator.bounding_box():
            return found
    raise AssertionError(f"not visible: {locator}")


def after_frames(page: Page, count: int = 2) -> None:
    """Wait until the page has drawn so often: then it shows what it has been told."""
    page.evaluate(
        """(count) => new Promise((end) => {
            const next = () => (count-- ? requestAnimationFrame(next) : end());
            next();
        })""",
        count,
    )


def by_its_clock(page: Page, milliseconds: int) -> None:
    """Wait in the page, after whose timers this ends also where it is slow."""
    wait = "(milliseconds) => new Promise((end) => setTimeout(end, milliseconds))"
    page.evaluate(wait, milliseconds)


def write_notebook(path: str | Path, *cells: str) -> None:
    """A notebook with these code cells."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)


class Notebook:
    """One notebook, open in the browser.

    view: "doc", or "lab" for JupyterLab with its list of files.
    """

    def __init__(
        self, browser: Browser, url: str, name: str, view: str = "doc"
    ) -> None:
        self.page = browser.new_page(viewport={"width": 1400, "height": 1000})
        self.errors = []  # what the browser's console complains about
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._on_console)
        self.page.set_default_timeout(PAGE_PATIENCE)
        self.page.goto(f"{url}/{view}/tree/{name}")
        self.wait_idle()

    def _on_console(self, message):
        if message.type == "error":
            self.errors.append(message.text)

    def wait_idle(self) -> None:
        """Wait until the kernel is connected and idle, and all cells are there.

        JupyterLab adds them between frames, and a page at rest draws one in ten
        seconds; this asks before each frame, so it draws them.
        """
        self.page.wait_for_function(IDLE)
        self.page.wait_for_function(COMPLETE)

    def run(self, index: int) -> None:
        """Run one cell to its end."""
        self._execute("notebook:run-cell", index)

    def run_all(self) -> None:
        """Run all cells to their end."""
        self._execute("notebook:run-all-cells", 0)

    def open(self, name: str) -> None:
        """Open another one in its place, in the same page."""
        self.page.evaluate(
            """async (path) => {
                const { commands, serviceManager, shell } = window.jupyterapp;
                const { currentWidget: before } = shell;
                if (before.context.path === path) return;
                const { id } = before.sessionContext.session;
                const opened = await commands.execute("docmanager:open", { path });
                await opened.revealed;
                shell.activateById(opened.id);
                before.dispose();
                await serviceManager.sessions.shutdown(id);
            }""",
            name,
        )
        self.wait_idle()

    def _execute(self, command, index):
        ended = self.page.evaluate(
            """([command, index, seconds]) => {
                const content = window.jupyterapp.shell.currentWidget.content;
                content.deselectAll();
                content.activeCellIndex = index;
                return Promise.race([
                    window.jupyterapp.commands.execute(command).then(() => true),
                    new Promise((end) => setTimeout(end, 1000 * seconds, false)),
                ]);
            }""",
            [command, index, PATIENCE],
        )
        assert ended, f"{command} did not end within {PATIENCE} s"

    def fill(self, sources: Iterable[str]) -> None:
        """Give the cells after the first new sources, and clear all outputs."""
        self.page.evaluate(
            """async (sources) => {
                const app = window.jupyterapp;
                const cells = app.shell.currentWidget.content.widgets.slice(1);
                await app.commands.execute("notebook:clear-all-cell-outputs");
                cells.forEach((cell, i) =>
                    cell.model.sharedModel.setSource(sources[i] ?? ""));
            }""",
            list(sources),
        )

    def execute(self, code: str) -> None:
        """Run code in the kernel, in no cell."""
        self.page.evaluate(
            """(code) => window.jupyterapp.shell.currentWidget
                .sessionContext.session.kernel.requestExecute({ code }).done.then()""",
            code,
        )

    def output(self, index: int) -> str:
        """The text that a cell has printed."""
        return self.page.evaluate(
            """(index) => {
                const cells = window.jupyterapp.shell.currentWidget.content.widgets;
                const area = cells[index].node.querySelector(".jp-OutputArea");
                return area?.innerText ?? "";
            }""",
            index,
        )

    def unexpected_errors(self) -> list[str]:
        """The errors in the outputs of all cells, also of those out of sight.

        A cell tagged raises-exception shows one on purpose.
        """
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .map((cell) => cell.model.toJSON())
                .filter((cell) => !cell.metadata.tags?.includes("raises-exception"))
                .flatMap((cell) => cell.outputs ?? [])
                .filter((output) => output.output_type === "error")
                .map((output) => `${output.ename}: ${output.evalue}`)"""
        )

    def restart(self) -> None:
        """Restart the kernel and wait until it is there again."""
        self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget
                .sessionContext.session.kernel.restart()"""
        )
        self.wait_idle()

    def all_text(self) -> str:
        """The text of all cells and outputs, also of those out of sight."""
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .map((cell) => cell.node.textContent).join("\\n")"""
        )

    def close(self) -> None:
        """Shut the kernel down and close the page."""
        self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"""
        )
        self.page.close()
