"""Create the folder .venv and install the course into it; `make` runs this first.

Standard library only. Whatever `python3` is starts it, so this file has to parse in
old versions too. A second run does nothing unless pyproject.toml has changed.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from spoken import tr

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"

# JupyterLab asks every new user about its news; in our own .venv it does not.
SETTINGS = VENV / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
NO_NEWS = """{"@jupyterlab/apputils-extension:notification":
{"fetchNews": "false", "checkForUpdates": false}}"""

TOO_OLD = tr(
    "The course needs Python {oldest} or newer, but python3 is {this} here: install a"
    " newer one (https://www.python.org/downloads/) and run the same command again."
)
NO_ENSUREPIP = tr(
    "Python {this} lacks a part that virtual environments need: run"
    " `sudo apt install python{this}-venv`, or install that package the way your system"
    " does it, then run the same command again."
)
CREATING = tr("Creating the folder .venv with Python {this}.")
NO_VENV = tr(
    "Python could not create the folder .venv, and the lines above say why: fix the"
    " cause and run the same command again."
)
PIP_FAILED = tr(
    "pip failed, and its last lines above say why: check the network and the free disk"
    " space (up to 8 GB), then run the same command again; finished downloads are kept."
)
NO_GPU = tr("No NVIDIA GPU: trying PyTorch's CPU index (about 200 MB instead of 5 GB).")
NO_CPU_INDEX = tr("PyTorch's CPU index did not work, which does no harm.")
DEFAULT_INDEX = tr("Installing PyTorch from the default index.")
THE_REST = tr("Installing JupyterLab and all else the course needs (a minute or two).")
NO_PAIR = tr("torch and torchvision do not match: reinstalling both.")
NO_IMPORT = tr(
    "torch and torchvision are installed but cannot be imported ({error}): delete the"
    " folder .venv and run the same command again."
)
NO_MESSAGE = tr("no message")
READY = tr("Ready: PyTorch {torch} without CUDA, and torchvision {torchvision}.")
READY_CUDA = tr(
    "Ready: PyTorch {torch} with CUDA {cuda}, and torchvision {torchvision}."
)
STOPPED = tr("Stopped: run the same command again to continue.")


def say(sentence: str) -> None:
    """Print at once: pip writes to the same terminal, and the order must hold."""
    print("==> " + sentence, flush=True)


def runs(*command: object) -> bool:
    """Whether the command starts and succeeds; what it prints is dropped."""
    null = subprocess.DEVNULL
    try:
        return subprocess.call(command, stdout=null, stderr=null) == 0
    except OSError:
        return False


def dotted(version: tuple) -> str:
    """The first two parts of a version, such as 3.12."""
    return ".".join(map(str, version[:2]))


def require_new_python() -> None:
    """Start this file again with a Python that is new enough, or say what to do."""
    pattern = r'requires-python = ">=(\d+)\.(\d+)"'
    oldest = tuple(map(int, re.search(pattern, PYPROJECT.read_text("utf-8")).groups()))
    if sys.version_info >= oldest:
        return
    for name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        path = shutil.which(name)
        # A version manager puts stand-ins on PATH, maybe with no Python behind them.
        if path and runs(path, "-c", "pass"):
            os.execv(path, [path] + sys.argv)
    sys.exit(TOO_OLD.format(oldest=dotted(oldest), this=dotted(sys.version_info)))


def make_venv() -> None:
    """Create .venv from nothing, in place of a broken one."""
    version = dotted(sys.version_info)
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(NO_ENSUREPIP.format(this=version))
    say(CREATING.format(this=version))
    if subprocess.call([sys.executable, "-m", "venv", "--clear", VENV]) != 0:
        sys.exit(NO_VENV)


def pip(*arguments: str, brief: bool = False) -> bool:
    """Run pip and return whether it succeeded.

    brief: name only the large ones of its packages, in place of its progress bars.
    """
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments]
    pipe = subprocess.PIPE if brief else None
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe) as process:
        for line in process.stdout or ():
            if b" MB)" in line or line.startswith(b"Installing collected packages"):
                # Without the names of all packages, which follow a colon.
                print(line.decode().rstrip().partition(":")[0], flush=True)
    return process.returncode == 0


def require(succeeded: bool) -> None:
    """If pip failed, exit with what to do."""
    if not succeeded:
        sys.exit(PIP_FAILED)


def install_torch(pair: list) -> None:
    """Install torch and torchvision, as small as the machine allows."""
    if sys.platform == "linux" and not runs("nvidia-smi", "-L"):
        say(NO_GPU)
        once = ["--retries", "0", "--timeout", "10"]
        if pip("install", "--index-url", CPU_INDEX, *once, *pair):
            return
        say(NO_CPU_INDEX)
    say(DEFAULT_INDEX)
    require(pip("install", *pair))


def import_pair() -> tuple:
    """Import torch and torchvision together in a new interpreter.

    Two builds that do not match install without complaint and fail only here. Returns
    the exit status and the last line printed: the versions, or the error.
    """
    code = (
        "import torch, torchvision; print(torch.__version__,"
        " torchvision.__version__, torch.version.cuda)"
    )
    command = [PYTHON, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    printed = done.stderr if done.returncode else done.stdout
    return done.returncode, (printed.strip() or NO_MESSAGE).splitlines()[-1]


def install() -> None:
    """Install everything into .venv, and say what is there, read off the result."""
    import tomllib  # here, since an old Python has to get past the top of this file

    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    pair = [line for line in project["dependencies"] if line.startswith("torch")]
    install_torch(pair)
    say(THE_REST)
    require(pip("install", "--editable", ".[lab,test]", brief=True))
    failed, answer = import_pair()
    if failed:
        say(NO_PAIR)
        require(pip("uninstall", "--yes", "torch", "torchvision"))
        require(pip("install", *pair))
        failed, answer = import_pair()
    if failed:
        sys.exit(NO_IMPORT.format(error=answer))
    torch, torchvision, cuda = answer.split()
    ready = READY if cuda == "None" else READY_CUDA
    say(ready.format(torch=torch, torchvision=torchvision, cuda=cuda))


def main() -> None:
    """Bring .venv up to date; the stamp is written last, when everything is there."""
    require_new_python()
    # The folder counts too: the installed course points at it, and it may be moved.
    state = hashlib.sha256(PYPROJECT.read_bytes() + bytes(ROOT)).hexdigest()
    usable = runs(PYTHON, "-c", "import pip, tomllib")  # tomllib: 3.11 or newer
    if usable and STAMP.is_file() and STAMP.read_text() == state:
        return
    STAMP.unlink(missing_ok=True)
    if not usable:
        make_venv()
    install()
    SETTINGS.parent.mkdir(parents=True, exist_ok=True)
    SETTINGS.write_text(NO_NEWS)
    STAMP.write_text(state)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(STOPPED)
