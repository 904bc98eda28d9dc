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
    oldest = tuple(map(int, re.search(pattern, PYPROJECT.read_text()).groups()))
    if sys.version_info >= oldest:
        return
    for name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        path = shutil.which(name)
        # A version manager puts stand-ins on PATH, maybe with no Python behind them.
        if path and runs(path, "-c", "pass"):
            os.execv(path, [path] + sys.argv)
    sys.exit(
        f"The course needs Python {dotted(oldest)} or newer, but python3 is"
        f" {dotted(sys.version_info)} here: install a newer one"
        " (https://www.python.org/downloads/) and run the same command again."
    )


def make_venv() -> None:
    """Create .venv from nothing, in place of a broken one."""
    version = dotted(sys.version_info)
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            f"Python {version} lacks a part that virtual environments need: run"
            f" `sudo apt install python{version}-venv`, or install that package the"
            " way your system does it, then run the same command again."
        )
    say(f"Creating the folder .venv with Python {version}.")
    if subprocess.call([sys.executable, "-m", "venv", "--clear", VENV]) != 0:
        sys.exit(
            "Python could not create the folder .venv, and the lines above say why:"
            " fix the cause and run the same command again."
        )


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
        sys.exit(
            "pip failed, and its last lines above say why: check the network and the"
            " free disk space (up to 8 GB), then run the same command again; finished"
            " downloads are kept."
        )


def install_torch(pair: list) -> None:
    """Install torch and torchvision, as small as the machine allows."""
    if sys.platform == "linux" and not runs("nvidia-smi", "-L"):
        say("No NVIDIA GPU: trying PyTorch's CPU index (about 200 MB instead of 5 GB).")
        once = ["--retries", "0", "--timeout", "10"]
        if pip("install", "--index-url", CPU_INDEX, *once, *pair):
            return
        say("PyTorch's CPU index did not work, which does no harm.")
    say("Installing PyTorch from the default index.")
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
    return done.returncode, (printed.strip() or "no message").splitlines()[-1]


def install() -> None:
    """Install everything into .venv, and say what is there, read off the result."""
    import tomllib  # here, since an old Python has to get past the top of this file

    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    pair = [line for line in project["dependencies"] if line.startswith("torch")]
    install_torch(pair)
    say("Installing JupyterLab and all else the course needs (a minute or two).")
    require(pip("install", "--editable", ".[lab,test]", brief=True))
    failed, answer = import_pair()
    if failed:
        say("torch and torchvision do not match: reinstalling both.")
        require(pip("uninstall", "--yes", "torch", "torchvision"))
        require(pip("install", *pair))
        failed, answer = import_pair()
    if failed:
        sys.exit(
            f"torch and torchvision are installed but cannot be imported ({answer}):"
            " delete the folder .venv and run the same command again."
        )
    torch, torchvision, cuda = answer.split()
    if cuda == "None":
        say(f"Ready: PyTorch {torch} without CUDA, and torchvision {torchvision}.")
    else:
        say(f"Ready: PyTorch {torch} with CUDA {cuda}, and torchvision {torchvision}.")


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
        sys.exit("Stopped: run the same command again to continue.")
