"""Makes the folder .venv and installs the course into it; `make` runs this first.

Standard library only. It is started by whatever `python3` is, so this file has to
parse in old versions too. A second run does nothing unless pyproject.toml changed.
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


def say(sentence):
    """Prints at once, so that the order holds while pip prints beside us."""
    print("==> " + sentence, flush=True)


def runs(*command):
    """Whether the command can be started and ends well; what it prints is dropped."""
    null = subprocess.DEVNULL
    try:
        return subprocess.call(command, stdout=null, stderr=null) == 0
    except OSError:
        return False


def require_new_python():
    """Starts this file again with a Python that is new enough, or says what to do."""
    pattern = r'requires-python = ">=(\d+)\.(\d+)"'
    oldest = tuple(map(int, re.search(pattern, PYPROJECT.read_text()).groups()))
    if sys.version_info >= oldest:
        return
    for name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        path = shutil.which(name)
        # A version manager puts stand-ins on PATH that may have no Python behind them.
        if path and runs(path, "-c", "pass"):
            os.execv(path, [path] + sys.argv)
    sys.exit(
        "The course needs Python %d.%d or newer, and python3 is %d.%d here:"
        " install a newer one (https://www.python.org/downloads/) and run the same"
        " command again." % (oldest + sys.version_info[:2])
    )


def make_venv():
    """Makes .venv from nothing, in place of a broken one."""
    version = "%d.%d" % sys.version_info[:2]
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            f"Python {version} lacks a part that a virtual environment needs: run"
            f" `sudo apt install python{version}-venv`, or install that package in"
            " your system's own way, and run the same command again."
        )
    say(f"Making the folder .venv with Python {version}.")
    if subprocess.call([sys.executable, "-m", "venv", "--clear", VENV]) != 0:
        sys.exit(
            "Python could not make the folder .venv, and the lines above say why:"
            " remove the cause and run the same command again."
        )


def pip(*arguments, brief=False):
    """Runs pip and returns whether it succeeded.

    With its own progress bars, or `brief`: of a hundred packages, only the large ones.
    """
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments]
    pipe = subprocess.PIPE if brief else None
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe) as process:
        for line in process.stdout or ():
            if b" MB)" in line or line.startswith(b"Installing collected packages"):
                # Without the names of all packages, which follow a colon.
                print(line.decode().rstrip().partition(":")[0], flush=True)
    return process.returncode == 0


def require(succeeded):
    """Ends with what to do if pip failed."""
    if not succeeded:
        sys.exit(
            "pip did not succeed, and its last lines above say why: check the"
            " network and the free disk space (up to 8 GB), then run the same"
            " command again; finished downloads are kept."
        )


def install_torch(pair):
    """Installs torch and torchvision, as small as the machine allows."""
    if sys.platform == "linux" and not runs("nvidia-smi", "-L"):
        say("No NVIDIA GPU: asking PyTorch's CPU index (about 200 MB instead of 5 GB).")
        once = ["--retries", "0", "--timeout", "10"]
        if pip("install", "--index-url", CPU_INDEX, *once, *pair):
            return
        say("PyTorch's CPU index did not deliver, which does no harm.")
    say("Installing PyTorch from the default index.")
    require(pip("install", *pair))


def import_pair():
    """Imports torch and torchvision together in a new interpreter.

    Two builds that do not belong together install well and fail only here. Returns
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


def install():
    """Installs everything into .venv and says what is there, read off the result."""
    import tomllib  # here, since an old Python has to get past the top of this file

    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    pair = [line for line in project["dependencies"] if line.startswith("torch")]
    install_torch(pair)
    say("Installing JupyterLab and what else the course needs (a minute or two).")
    require(pip("install", "--editable", ".[test]", brief=True))
    failed, answer = import_pair()
    if failed:
        say("torch and torchvision do not fit together: reinstalling both.")
        require(pip("uninstall", "--yes", "torch", "torchvision"))
        require(pip("install", *pair))
        failed, answer = import_pair()
    if failed:
        sys.exit(
            f"torch and torchvision are installed but do not import ({answer}):"
            " delete the folder .venv and run the same command again."
        )
    torch, torchvision, cuda = answer.split()
    if cuda == "None":
        say(f"Ready: PyTorch {torch} without CUDA, and torchvision {torchvision}.")
    else:
        say(f"Ready: PyTorch {torch} with CUDA {cuda}, and torchvision {torchvision}.")


def main():
    """Brings .venv up to date; the stamp is written last, when everything is there."""
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
        sys.exit("Stopped: run the same command again to go on.")
