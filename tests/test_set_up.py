"""From a fresh clone to a working course: make, tools/set_up.py, environment.yml.

Most tests run tools/set_up.py in a folder whose .venv holds a stand-in for Python: it
logs how it is called, and its "pip" installs a torch and a torchvision of a few lines.
One test does it all with a real .venv, the real pip and tiny wheels.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel
from traitlets.config import Config

import spoken

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
dependencies = ["torch>=2.6,<3", "torchvision>=0.21"]
optional-dependencies.lab = ["jupyterlab>=4.4"]
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
        for name in ("set_up.py", "spoken.py"):
            shutil.copy(ROOT / "tools" / name, self.root / "tools")
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
        code += "sys.argv = ['tools/set_up.py', 'again']\nsys.path[0] = 'tools'\n"
        code += patch + "\nrunpy.run_path('tools/set_up.py', run_name='__main__')"
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.root,
            env={**os.environ, "PATH": path, **outcomes, **environment},
            capture_output=True,
            encoding="utf-8",
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
}
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_environment_yml_has_bounds_of_pyproject_and_pip_brings_the_rest():
    extras = METADATA["optional-dependencies"]
    wanted = {}
    for line in METADATA["dependencies"] + extras["lab"] + extras["test"]:
        name, bound = re.fullmatch(r"([\w-]+)(>=.*)", line).groups()
        wanted[CONDA_NAMES.get(name, name)] = bound
    text = (ROOT / "environment.yml").read_text("utf-8")
    listed = dict(re.findall(r"^  - ([\w-]+)([>=].*)$", text, flags=re.MULTILINE))
    assert listed.pop("python") == "=3.12"
    assert listed.items() <= wanted.items()
    # pip's own would be the large ones with CUDA.
    assert {"pytorch-cpu", "torchvision"} < set(listed)
    assert text.endswith("\n  - pip:\n      - -e .[lab,test]\n")


def test_all_badges_lead_to_the_repository_that_pyproject_names():
    place = METADATA["urls"]["Repository"].removeprefix("https://github.com/")
    top = (ROOT / "README.md").read_text("utf-8").partition("\n\n```")[0]
    links = re.findall(r"\]\((https://[^)]*)\)", top)
    assert len(links) == 8  # four pictures, and where they lead
    named = r"(?:github\.com|colab\.research\.google\.com/github|/gh)/([\w-]+/[\w-]+)"
    found = [one for link in links for one in re.findall(named, link)]
    assert found == [place] * 5
    for path in re.findall(r"(?:main|tree)/(notebooks/[\w.]*)", " ".join(links)):
        assert (ROOT / path).is_file()


@needs_posix
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("python3", [None, "exit 1", "kill -9 $$"])
def test_make_without_a_python_that_can_start_says_what_to_do(python3, tmp_path):
    """None at all, one as old as 2.7, and one that is broken."""
    if python3:
        executable(tmp_path / "python3", python3)
    done = subprocess.run(
        [shutil.which("make"), "--no-print-directory", "lab"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode != 0 and "Traceback" not in done.stderr
    first, chinese, *rest = done.stderr.splitlines()
    assert first.startswith("The course needs Python 3.11 or newer")
    assert first.endswith("and run the same command again.")
    assert "Python 3.11" in chinese and chinese.endswith("再运行一次同样的命令。")
    assert len(rest) <= 1  # make's own line


@needs_posix
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("argument", "variables", "spoken"),
    [
        ("LANG=zh", {"LANGUAGE": "en_US:en", "LC_ALL": "en_US.UTF-8"}, "zh_CN"),
        ("lab", {"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ("lab", {"LANG": "zh_CN.UTF-8", "COURSE_LANG": "en"}, "en"),
        ("lab", {"LANG": "en_US.UTF-8"}, ""),
        ("lab", {"COURSE_LANG": "zh-CN"}, "zh-CN"),
        ("lab", {"COURSE_LANG": "ZH_cn.UTF-8"}, "ZH_cn.UTF-8"),
        ("lab", {"LANG": "zh_TW.UTF-8@x"}, "zh_CN"),
        ("lab", {"COURSE_LANG": "kl", "LANG": "zh_CN"}, "kl"),
        ("lab", {"LANG": "C.UTF-8"}, ""),
    ],
)
def test_make_speaks_the_language_in_which_it_opens_the_course(
    argument, variables, spoken
):
    done = subprocess.run(
        ["make", "--dry-run", "lab", argument],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        encoding="utf-8",
    )
    assert f'COURSE_LANG="{spoken}" python3 tools/set_up.py' in done.stdout
    folder = "zh_CN/" if spoken.lower().startswith("zh") else ""
    assert f"/tree/notebooks/{folder}00_start_here.ipynb" in done.stdout


@needs_posix
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("without_python", [False, True])
def test_make_help_is_in_the_language_of_the_system(without_python, tmp_path):
    """In English where there is no Python."""
    (tmp_path / "awk").symlink_to(shutil.which("awk"))
    if not without_python:
        executable(tmp_path / "python3", f'exec "{sys.executable}" "$@"')
    done = subprocess.run(
        [shutil.which("make"), "--no-print-directory", "help"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "LANG": "zh_CN.UTF-8", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    lines = done.stdout.splitlines()
    assert len(lines) > 9
    for line in lines:
        assert line.isascii() == without_python, line


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_an_sdist_is_the_whole_course(tmp_path):
    pytest.importorskip("setuptools", "77.0.3")
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    for name in listed:
        (tmp_path / "course" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "course" / name)
    code = "from setuptools.build_meta import build_sdist; build_sdist('..')"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path / "course",
        check=True,
        capture_output=True,
    )
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}
    assert set(listed) - inside == set()


@needs_posix
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_alone_lists_every_target_with_a_sentence():
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):(?!=)", makefile, flags=re.MULTILINE))
    wanted = "help lab page update check test lint setup bench soak notebooks recorded"
    assert targets == {*wanted.split(), "translations"}
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
    assert ["install", "--editable", ".[lab,test]"] in project.pip_calls()


@sets_up
@pytest.mark.parametrize("catalogue", ["whole", "damaged", "none"])
def test_it_speaks_the_language_of_the_terminal(project, catalogue):
    file = Path("locale", "zh_CN", "LC_MESSAGES", "tools.mo")
    if catalogue != "none":
        (project.root / file).parent.mkdir(parents=True)
        content = (ROOT / file).read_bytes()
        cut = len(content) if catalogue == "whole" else 300
        (project.root / file).write_bytes(content[:cut])
    others = dict.fromkeys(spoken.VARIABLES, "")
    done = project.set_up(gpu=True, **others | {"LANG": "zh_CN.UTF-8"})
    assert done.returncode == 0, done.stderr
    end = done.stdout.splitlines()[-1]
    assert end.startswith("==> 安装完成" if catalogue == "whole" else "==> Ready: ")
    assert "PyTorch 2.14.1+cu130" in end


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
    for extra, line in (("lab", "jupyterlab>=4.4"), ("test", "pytest>=8.0")):
        metadata += f"Provides-Extra: {{extra}}\\n"
        metadata += f"Requires-Dist: {{line}}; extra == '{{extra}}'\\n"
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


# --- a notebook alone, as on Colab or Kaggle ------------------------------------------


@sets_up
def test_a_notebook_alone_brings_the_course_with_it(tmp_path):
    """Where there is all but the course, and a folder in place of GitHub.

    In Chinese, whose catalogue has to come along.
    """
    pytest.importorskip("setuptools", "77.0.3")
    course, alone, venv = (tmp_path / name for name in ("course", "alone", "venv"))
    for name in ("helpers", "locale"):
        shutil.copytree(ROOT / name, course / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, course)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@localhost"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "All"]):
        subprocess.run([*git, *command], cwd=course, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/*/site-packages")
    # A folder that is named in a .pth file has its own .pth files left out: no course.
    packages = [path for path in sys.path if path.endswith("site-packages")]
    (site / "packages.pth").write_text("\n".join(packages))
    alone.mkdir()
    notebook = shutil.copy(ROOT / "notebooks" / "zh_CN" / "00_start_here.ipynb", alone)
    environment = {name: os.environ[name] for name in ("PATH", "HOME")} | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{course.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": METADATA["urls"]["Repository"],
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # it means: build with what is here
    }
    code = (
        "import json; from IPython.core.interactiveshell import InteractiveShell\n"
        f"cells = json.load(open({str(notebook)!r}))['cells']\n"
        "first = [cell for cell in cells if cell['cell_type'] == 'code'][0]\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_cell(''.join(first['source'])).raise_error()\n"
        "shell.run_cell('import helpers; print(helpers.__file__)').raise_error()\n"
        "shell.run_cell('print(helpers.language.tr(\"no message\"))').raise_error()\n"
    )
    done = subprocess.run(
        [venv / "bin" / "python", "-c", code],
        cwd=alone,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"{site / 'helpers' / '__init__.py'}\n没有说明\n")
    files = [path.relative_to(course) for path in (course / "helpers").rglob("*.*")]
    files = [path for path in files if "__pycache__" not in path.parts]
    assert [path for path in files if not (site / path).exists()] == []


@pytest.mark.slow
def test_a_helpers_py_beside_the_notebook_does_not_hide_the_course(
    tmp_path, monkeypatch
):
    (tmp_path / "helpers.py").write_text("mine = 1\n")
    (tmp_path / "notes.py").write_text("mine = 2\n")
    monkeypatch.setenv("PYTHONPATH", "")  # what the server sets goes with the test
    runpy.run_path(str(ROOT / "jupyter_server_config.py"), {"c": Config()})
    manager, client = start_new_kernel(cwd=str(tmp_path))
    try:
        code = "import helpers, notes; print(helpers.__file__, notes.mine)"
        printed = []
        client.execute_interactive(code, timeout=60, output_hook=printed.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    text = "".join(one["content"].get("text", "") for one in printed)
    assert text == f"{ROOT / 'helpers' / '__init__.py'} 2\n"
