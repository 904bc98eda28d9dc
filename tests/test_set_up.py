"""From a fresh clone to a working course: make, tools/set_up.py, environment.yml.

Most tests run tools/set_up.py in a folder whose .venv holds a stand-in for Python: it
logs how it is called, and its "pip" installs a torch and a torchvision of a few lines.
One test does it all with a real .venv, the real pip and tiny wheels.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
needs_posix = pytest.mark.skipif(os.name == "nt", reason="Windows uses environment.yml")


def sets_up(test):
    """Marks a test that runs tools/set_up.py."""
    return pytest.mark.slow(needs_posix(test))


PYPROJECT = """\
[project]
name = "tiny-course"
version = "1"
requires-python = ">=3.11"
dependencies = ["torch>=2.6,<3", "torchvision>=0.21", "jupyterlab>=4.4"]
optional-dependencies.test = ["pytest>=8.0"]

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# What torchvision does when torch is not the build that it was made for.
TORCHVISION = """\
import torch
__version__ = {version!r}
if torch.__version__.partition("+")[2] != __version__.partition("+")[2]:
    raise RuntimeError("operator torchvision::nms does not exist")
"""
TORCH = "__version__ = {version!r}\nclass version: cuda = {cuda!r}\n"

STAND_IN = (
    f"TORCH, TORCHVISION = {TORCH!r}, {TORCHVISION!r}"
    + """
import json, os, signal, sys
from pathlib import Path

PAIRS = {
    "cpu": ("2.13.0+cpu", None, "0.28.0+cpu"),
    "mixed": ("2.13.0+cpu", None, "0.28.0+cu130"),
    "cuda": ("2.14.1+cu130", "13.0", "0.29.1+cu130"),
}
folder = Path(__file__).parent
site = folder / "site"
site.mkdir(exist_ok=True)
torch, torchvision = site / "torch.py", site / "torchvision.py"
arguments = sys.argv[1:]

if arguments[0] == "-c":
    (site / "pip.py").touch()
    os.environ["PYTHONPATH"] = str(site)
    # -B: two versions of the same second and size would share their bytecode.
    os.execv(sys.executable, [sys.executable, "-S", "-B", *arguments])

with open(folder / "log", "a") as log:
    print(json.dumps(arguments), file=log)
if "uninstall" in arguments:
    torch.unlink()
    torchvision.unlink()
    sys.exit()
if "--editable" in arguments:
    outcome = os.environ["COURSE"]
else:
    outcome = os.environ["CPU_INDEX" if "--index-url" in arguments else "DEFAULT_INDEX"]
if outcome == "fails":
    sys.exit("ERROR: No matching distribution found")
if outcome == "killed":
    os.kill(os.getppid(), signal.SIGKILL)
elif outcome in PAIRS and not torch.exists():
    version, cuda, vision = PAIRS[outcome]
    torch.write_text(TORCH.format(version=version, cuda=cuda))
    torchvision.write_text(TORCHVISION.format(version=vision))
"""
)


def executable(path, script):
    """Write a shell script to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


class Project:
    """A small copy of the project in a folder whose name has spaces."""

    def __init__(self, folder):
        self.root = folder / "my new course"
        self.bin = folder / "bin"
        self.log = self.root / ".venv" / "log"
        self.stamp = self.root / ".venv" / "installed"
        (self.root / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "set_up.py", self.root / "tools")
        (self.root / "pyproject.toml").write_text(PYPROJECT)

    def put_stand_in(self):
        script = self.root / ".venv" / "stand_in.py"
        # Found by its own place, so that the folder can be moved.
        line = f'exec "{sys.executable}" "$(dirname "$0")/../stand_in.py" "$@"'
        executable(self.root / ".venv" / "bin" / "python", line)
        script.write_text(STAND_IN)

    def change_pyproject(self):
        file = self.root / "pyproject.toml"
        file.write_text(file.read_text() + "# changed\n")

    def set_up(self, patch="", gpu=False, **environment):
        """Run tools/set_up.py after `patch`, and return the ended process."""
        executable(self.bin / "nvidia-smi", f"exit {0 if gpu else 9}")
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        outcomes = {"CPU_INDEX": "cpu", "DEFAULT_INDEX": "cuda", "COURSE": "works"}
        code = "import os, runpy, shutil, subprocess, sys\n"
        code += "sys.argv = ['tools/set_up.py', 'again']\n"
        code += patch + "\nrunpy.run_path('tools/set_up.py', run_name='__main__')"
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.root,
            env={**os.environ, "PATH": path, **outcomes, **environment},
            capture_output=True,
            text=True,
        )

    def pip_calls(self):
        """The calls of pip since this was last asked, without what all share."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [json.loads(line)[3:] for line in lines]


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    project.put_stand_in()
    return project


# --- environment.yml and make ---------------------------------------------------------

CONDA_NAMES = {
    "torch": "pytorch-cpu",
    "matplotlib": "matplotlib-base",  # without Qt
    "playwright": "playwright-python",
}


def test_environment_yml_has_the_same_packages_and_lower_bounds_as_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = set()
    for line in project["dependencies"] + project["optional-dependencies"]["test"]:
        name, bound = re.fullmatch(r"([\w-]+)(>=[\d.]+)", line).groups()
        wanted.add(CONDA_NAMES.get(name, name) + bound)
    text = (ROOT / "environment.yml").read_text("utf-8")
    listed = re.findall(r"^  - ([\w-]+[>=].*)$", text, flags=re.MULTILINE)
    assert set(listed) - {"python=3.12"} == wanted
    assert len(listed) == len(wanted) + 1


def test_environment_yml_ends_with_the_course_itself_and_leaves_pip_nothing_else():
    text = (ROOT / "environment.yml").read_text("utf-8")
    assert text.endswith("\n  - pip:\n      - -e .\n")


@needs_posix
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_alone_lists_every_target_with_a_sentence():
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):(?!=)", makefile, flags=re.MULTILINE))
    wanted = "help lab update check test lint setup bench notebooks recorded"
    assert targets == set(wanted.split())
    sentences = dict(re.findall(r"^make (\S+) +([A-Z].*\.)$", listed, re.MULTILINE))
    assert set(sentences) == targets


def test_jupyterlab_knows_the_settings_that_keep_its_news_away():
    schemas = Path(sys.prefix, "share", "jupyter", "lab", "schemas", "@jupyterlab")
    schema = json.loads((schemas / "apputils-extension/notification.json").read_text())
    properties = schema["properties"]
    choices = [choice["const"] for choice in properties["fetchNews"]["oneOf"]]
    assert "false" in choices
    assert properties["checkForUpdates"]["type"] == "boolean"


# --- the stamp ------------------------------------------------------------------------


@sets_up
def test_a_second_run_installs_nothing_and_says_nothing(project):
    first = project.set_up()
    assert first.returncode == 0, first.stderr
    assert project.pip_calls()
    second = project.set_up()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert project.pip_calls() == []


@sets_up
def test_a_changed_pyproject_is_installed_again(project):
    project.set_up()
    project.pip_calls()
    project.change_pyproject()
    assert project.set_up().returncode == 0
    assert project.pip_calls()
    assert project.set_up().returncode == 0
    assert project.pip_calls() == []


@sets_up
def test_a_moved_folder_is_installed_again(project):
    project.set_up()
    moved = project.root.with_name("elsewhere")
    project.root.rename(moved)
    project.root, project.log = moved, moved / ".venv" / "log"
    project.pip_calls()
    assert project.set_up().returncode == 0
    assert project.pip_calls()


@sets_up
@pytest.mark.parametrize("outcome", ["killed", "fails"])
@pytest.mark.parametrize("step", ["DEFAULT_INDEX", "COURSE"])
def test_an_install_that_was_cut_off_is_repeated(project, step, outcome):
    original = (project.root / "pyproject.toml").read_text()
    assert project.set_up().returncode == 0
    project.change_pyproject()
    cut_off = project.set_up(CPU_INDEX="fails", **{step: outcome})
    assert cut_off.returncode != 0
    assert not project.stamp.exists()
    if outcome == "fails":
        assert "run the same command again" in cut_off.stderr
    # The first stamp must not count any more either: pip may have changed .venv.
    (project.root / "pyproject.toml").write_text(original)
    project.pip_calls()
    assert project.set_up().returncode == 0
    assert ["install", "--editable", ".[test]"] in project.pip_calls()


# --- torch and torchvision ------------------------------------------------------------


@sets_up
@pytest.mark.parametrize(
    "platform, gpu", [("linux", False), ("linux", True), ("darwin", False)]
)
def test_only_linux_without_an_nvidia_gpu_asks_the_cpu_index(project, platform, gpu):
    done = project.set_up(f"sys.platform = {platform!r}", gpu=gpu)
    assert done.returncode == 0, done.stderr
    pair = ["torch>=2.6,<3", "torchvision>=0.21"]  # the ranges of pyproject.toml
    first = project.pip_calls()[0]
    if platform == "linux" and not gpu:
        url = "https://download.pytorch.org/whl/cpu"
        options = ["--index-url", url, "--retries", "0", "--timeout", "10"]
        assert first == ["install", *options, *pair]
        ready = "Ready: PyTorch 2.13.0+cpu without CUDA, and torchvision 0.28.0+cpu."
    else:
        assert first == ["install", *pair]
        ready = "PyTorch 2.14.1+cu130 with CUDA 13.0, and torchvision 0.29.1+cu130."
    assert ready in done.stdout


@sets_up
def test_a_cpu_index_out_of_reach_is_passed_over_at_once(project):
    done = project.set_up("sys.platform = 'linux'", CPU_INDEX="fails")
    assert done.returncode == 0, done.stderr
    assert [call[0] for call in project.pip_calls()] == ["install"] * 3
    assert "PyTorch 2.14.1+cu130 with CUDA 13.0" in done.stdout


@sets_up
def test_a_pair_that_does_not_import_is_replaced(project):
    done = project.set_up("sys.platform = 'linux'", CPU_INDEX="mixed")
    assert done.returncode == 0, done.stderr
    calls = project.pip_calls()
    assert calls[-2] == ["uninstall", "--yes", "torch", "torchvision"]
    assert calls[-1] == ["install", "torch>=2.6,<3", "torchvision>=0.21"]
    ready = [line for line in done.stdout.splitlines() if "Ready" in line]
    assert ready == [
        "==> Ready: PyTorch 2.14.1+cu130 with CUDA 13.0, and torchvision 0.29.1+cu130."
    ]


@sets_up
def test_a_pair_that_cannot_be_repaired_ends_with_what_to_do(project):
    done = project.set_up(CPU_INDEX="mixed", DEFAULT_INDEX="mixed")
    assert done.returncode != 0
    assert "operator torchvision::nms does not exist" in done.stderr
    assert "delete the folder .venv and run the same command again" in done.stderr
    assert "Ready" not in done.stdout
    assert not project.stamp.exists()


# --- Python itself --------------------------------------------------------------------


@sets_up
def test_an_old_python_hands_over_to_a_newer_one(project):
    executable(project.bin / "python3.14", "exit 127")  # as some version managers do
    executable(project.bin / "python3.13", '[ "$1" = -c ] || echo "3.13 runs $@"')
    done = project.set_up("sys.version_info = (3, 9, 6)")
    assert done.stdout == "3.13 runs tools/set_up.py again\n"
    assert project.pip_calls() == []


@sets_up
def test_an_old_python_alone_ends_with_one_sentence(project):
    shutil.copy(ROOT / "pyproject.toml", project.root)
    done = project.set_up("sys.version_info = (3, 9, 6); os.environ['PATH'] = ''")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer, but python3 is 3.9 here" in done.stderr
    assert done.stderr.count("\n") == 1
    assert project.pip_calls() == []


@sets_up
def test_a_python_without_ensurepip_ends_with_the_package_to_install(project):
    shutil.rmtree(project.root / ".venv")
    done = project.set_up("sys.modules['ensurepip'] = None")
    assert done.returncode != 0
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"sudo apt install python{version}-venv" in done.stderr
    assert done.stderr.count("\n") == 1


# --- all of it, for real --------------------------------------------------------------

BACKEND = """\
import zipfile
from pathlib import Path

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "tiny_course-1-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\\nName: tiny-course\\nVersion: 1\\n"
    for line in {dependencies!r}:
        metadata += f"Requires-Dist: {{line}}\\n"
    metadata += "Provides-Extra: test\\nRequires-Dist: pytest>=8.0; extra == 'test'\\n"
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        wheel.writestr("tiny_course.pth", str(Path.cwd()))
        wheel.writestr("tiny_course-1.dist-info/METADATA", metadata)
        wheel.writestr("tiny_course-1.dist-info/WHEEL", "Wheel-Version: 1.0\\n")
        wheel.writestr("tiny_course-1.dist-info/RECORD", "")
    return name
"""


def build_wheel(folder, name, version, code=""):
    """Write a wheel with one module."""
    info = f"{name}-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", code)
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        wheel.writestr(f"{info}/RECORD", "")


@sets_up
def test_from_a_broken_venv_and_a_mixed_pair_to_a_working_course(tmp_path):
    project = Project(tmp_path)
    needed = tomllib.loads(PYPROJECT)["project"]["dependencies"]
    (project.root / "backend.py").write_text(BACKEND.format(dependencies=needed))
    venv = project.root / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(tmp_path / "an uninstalled python")
    (venv / "leftover").touch()

    # pip looks here beside any index, as with a find-links in somebody's settings...
    near = tmp_path / "near"
    build_wheel(near, "jupyterlab", "4.4")
    build_wheel(near, "pytest", "8.0")
    torch = TORCH.format(version="2.13.0+cpu", cuda=None)
    build_wheel(near, "torch", "2.13.0+cpu", torch)
    vision = TORCHVISION.format(version="0.28.0+cu130")
    build_wheel(near, "torchvision", "0.28.0", vision)
    # ...and only the default index has a pair that works.
    pages = tmp_path / "simple"
    torch = TORCH.format(version="2.14.1+cu130", cuda="13.0")
    build_wheel(pages / "torch", "torch", "2.14.1", torch)
    vision = TORCHVISION.format(version="0.29.1+cu130")
    build_wheel(pages / "torchvision", "torchvision", "0.29.1", vision)
    for page in pages.iterdir():
        wheel = next(page.iterdir()).name
        (page / "index.html").write_text(f'<a href="{wheel}">{wheel}</a>')

    nobody = "http://127.0.0.1:9"  # no test asks the network
    done = project.set_up(
        "sys.platform = 'linux'",
        PIP_CONFIG_FILE=os.devnull,
        PIP_FIND_LINKS=near.as_uri(),
        PIP_INDEX_URL=pages.as_uri(),
        HTTPS_PROXY=nobody,
        HTTP_PROXY=nobody,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "do not match: reinstalling both." in done.stdout
    assert "Ready: PyTorch 2.14.1+cu130 with CUDA 13.0" in done.stdout
    assert not (venv / "leftover").exists()
    code = "import torch, torchvision, jupyterlab, pytest; print(torch.__file__)"
    python = venv / "bin" / "python"
    where = subprocess.check_output([python, "-c", code], text=True)
    assert where.startswith(str(venv))
    overrides = venv / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    settings = json.loads(overrides.read_text())
    assert settings == {
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": False,
        }
    }
    assert (project.set_up().returncode, project.set_up().stdout) == (0, "")
