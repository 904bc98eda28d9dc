"""Fashion-MNIST: what a learner gets, wherever the files are and however they come.

Nothing leaves this computer: a small server on 127.0.0.1 hands out the real files, well
or badly.
"""

import bz2
import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import os
import random
import runpy
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
import types
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch

from helpers import data

ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("FASHION_MNIST_ROOT", data.Sources().debian_folder))
NAMES = tuple(data.FILES)
TEST_LABELS, TRAIN_LABELS, TEST_IMAGES, TRAIN_IMAGES = NAMES
PACKAGE = "dataset-fashion-mnist"


@pytest.fixture(scope="module")
def original():
    """The folder with the four full files, as .gz."""
    missing = [n for n in NAMES if not (REAL / f"{n}.gz").is_file()]
    if missing:
        reason = f"the full Fashion-MNIST is not in {REAL} (apt install {PACKAGE})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return REAL


@pytest.fixture(scope="module")
def full(original):
    return data.load_fashion_mnist(original)


@pytest.fixture(scope="module")
def raw(original):
    """The uncompressed content of the four files, by name."""
    return {n: gzip.decompress((original / f"{n}.gz").read_bytes()) for n in NAMES}


@pytest.fixture(scope="module")
def real(raw, tmp_path_factory):
    """A folder with the same files, packed loosely: they are unpacked seventy times."""
    folder = tmp_path_factory.mktemp("real")
    for name, content in raw.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, 0))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder, and no variable that names another."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("FASHION_MNIST_ROOT", raising=False)
    folder = platformdirs.user_cache_dir("one-line-of-pytorch", appauthor=False)
    if tmp_path not in Path(folder).parents:
        pytest.skip("this system's cache folder cannot be moved for a test")
    return Path(folder)


@pytest.fixture
def load(tmp_path):
    """`load_fashion_mnist` with nothing installed and no mirror, unless told so."""
    none = {
        "mirrors": (dead_mirror(), dead_mirror()),
        "debian_folder": str(tmp_path / "not-installed"),
        "answer_seconds": 60,  # a busy computer may be slow
    }

    def load(root=None, **sources):
        return data.load_fashion_mnist(root, sources=data.Sources(**none | sources))

    return load


@pytest.fixture
def said(capsys):
    """A function that gives the lines printed since it was last called."""
    return lambda: capsys.readouterr().out.splitlines()


def dead_mirror():
    """An address on this computer at which nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}/"


def folder_with(folder, real, **changed):
    """`folder` with the real files, except that `changed` gives other .gz bytes."""
    folder.mkdir(parents=True)
    for name in NAMES:
        new = changed.get(name.replace("-", "_"), real / f"{name}.gz")
        if isinstance(new, bytes):
            (folder / f"{name}.gz").write_bytes(new)
        else:
            (folder / f"{name}.gz").symlink_to(new)
    return folder


def altered(packed):
    """gzip data with one byte of the content changed."""
    content = bytearray(gzip.decompress(packed))
    content[-1] ^= 1
    return gzip.compress(content, 0)


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves the real files; `server.spoil` maps a name to a function on its bytes."""

    def do_GET(self):
        name = self.path.strip("/").removesuffix(".gz")
        body = (self.server.folder / f"{name}.gz").read_bytes()
        spoiled = self.server.spoil.get(name, lambda b: b)(body)
        self.send_response(200)
        # The real length, so that a shorter body is a broken transfer.
        short = body.startswith(spoiled)
        self.send_header("Content-Length", len(body if short else spoiled))
        self.end_headers()
        if self.command == "HEAD":
            self.server.asked[name] += 1
            return
        self.server.sent[name] += 1
        with contextlib.suppress(ConnectionError):  # a client that gave up
            while name in self.server.slow:
                self.wfile.write(bytes(100))
                time.sleep(0.05)
            self.wfile.write(spoiled)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def mirrors(real):
    """A function that starts `n` mirrors."""
    with contextlib.ExitStack() as stack:

        def start(n=1):
            servers = []
            for _ in range(n):
                server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
                server.url = f"http://127.0.0.1:{server.server_port}/"
                server.spoil, server.sent, server.asked = {}, Counter(), Counter()
                server.slow = set()  # names of files that it gives at 2 KB/s
                server.folder = real
                serve = functools.partial(server.serve_forever, poll_interval=0.02)
                threading.Thread(target=serve, daemon=True).start()
                stack.callback(server.server_close)
                stack.callback(server.shutdown)
                servers.append(server)
            return servers

        yield start


def urls(*servers):
    return tuple(server.url for server in servers)


def python(code, *args, **options):
    """What a fresh Python prints for `code`."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    options = {"cwd": ROOT, "capture_output": True, "text": True} | options
    done = subprocess.run(command, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def hash_of_labels(split):
    return hashlib.sha256(split.labels.to(torch.uint8).numpy().tobytes()).hexdigest()


# ---------------------------------------------------------------- what a learner gets


def splits_of(dataset):
    return dataset.train, dataset.val, dataset.test


def check_tensors(dataset, sizes):
    for split, size in zip(splits_of(dataset), sizes, strict=True):
        assert split.images.shape == (size, 784) and len(split) == size
        assert split.images.dtype == torch.float32 and split.images.is_contiguous()
        assert split.images.min() == 0 and split.images.max() == 1
        assert split.labels.shape == (size,)
        assert split.labels.dtype == torch.int64 and split.labels.is_contiguous()
        assert torch.bincount(split.labels).tolist() == [size // 10] * 10


def test_the_full_set_has_50_000_and_twice_10_000_pictures_of_evenly_many_classes(full):
    check_tensors(full, (50_000, 10_000, 10_000))
    assert full.source == "full" and full.location == str(REAL)


def test_the_validation_set_is_the_last_1_000_of_each_class_and_no_picture_is_twice(
    full, raw
):
    labels = list(raw[TRAIN_LABELS][8:])
    images = np.frombuffer(raw[TRAIN_IMAGES], np.uint8, offset=16).reshape(-1, 784)
    left, val = Counter(), []
    for position in reversed(range(60_000)):
        left[labels[position]] += 1
        if left[labels[position]] <= 1_000:
            val.append(position)
    val.reverse()
    train = sorted(set(range(60_000)) - set(val))
    for split, positions in ((full.train, train), (full.val, val)):
        assert split.labels.tolist() == [labels[p] for p in positions]
        seen = (split.images * 255).round().to(torch.uint8).numpy()
        assert np.array_equal(seen, images[positions])
    assert full.test.labels.tolist() == list(raw[TEST_LABELS][8:])


def test_some_of_the_pictures_are_of_all_classes_alike(full):
    for split, most in product((full.train, full.val), (500, 1000)):
        counts = torch.bincount(split.some(most).labels)
        assert counts.sum() == most and counts.min() > 0.7 * most / 10


def test_a_picture_is_its_bytes_divided_by_255(full, raw):
    first = torch.tensor(list(raw[TEST_IMAGES][16 : 16 + 784]), dtype=torch.float32)
    assert torch.equal(full.test.images[0], first / 255)


def test_the_splits_never_change(full, said):
    sample = data.load_fashion_mnist("sample")
    assert [hash_of_labels(s)[:16] for s in splits_of(full) + splits_of(sample)] == [
        "733162e6bd506915",
        "766bde439f0a2779",
        "3d0e6c6ea990b53b",
        "f16e201ddc15b401",
        "4534ab1131a73c26",
        "6b25654537ff83dd",
    ]


def test_the_class_names_are_the_official_ones(full):
    from torchvision.datasets import FashionMNIST

    assert list(full.class_names) == FashionMNIST.classes


def test_the_dataset_prints_as_one_short_line(full):
    assert repr(full) == "FashionMNIST(full: train=50000, val=10000, test=10000)"
    assert repr(full.val) == "Split(images=[10000, 784], labels=[10000])"


def test_moving_the_data_to_where_they_are_is_free(full):
    assert full.to("cpu") is full and full.val.to(torch.device("cpu")) is full.val
    moved = full.to("meta")
    for split in splits_of(moved):
        assert split.images.device.type == split.labels.device.type == "meta"
    assert moved.to("meta") is moved and moved.source == "full"
    assert full.train.images.device.type == "cpu"


def test_the_data_cannot_be_exchanged_by_accident(full):
    with pytest.raises(AttributeError):
        full.test = full.train
    with pytest.raises(AttributeError):
        full.train.labels = full.val.labels


def test_what_is_no_data_is_named_with_the_call(said):
    sample = data.load_fashion_mnist("sample")
    data.check_data(sample, "lab(data)")
    data.check_data(sample.to("meta"), "lab(data)")
    lookalike = types.SimpleNamespace(train=sample.train, val=sample.val)
    wrong = {
        "Split": sample.train,
        "function": data.load_fashion_mnist,
        "SimpleNamespace": lookalike,
    }
    for name, given in wrong.items():
        with pytest.raises(TypeError) as error:
            data.check_data(given, "lab(data)")
        assert str(error.value) == (
            "lab(data) needs the data that load_fashion_mnist() returns; "
            f"you gave {name}."
        )


def test_loading_draws_no_random_number(said):
    np_state = np.random.get_state()[1].tolist()
    before = random.getstate(), torch.get_rng_state().tolist(), np_state
    data.load_fashion_mnist("sample")
    np_state = np.random.get_state()[1].tolist()
    assert before == (random.getstate(), torch.get_rng_state().tolist(), np_state)


@pytest.mark.slow
def test_importing_is_cheap_and_loading_takes_a_second_and_less_than_400_mb(original):
    code = """
        import sys, time
        from helpers import data
        assert not {"torchvision", "matplotlib"} & set(sys.modules)

        def megabytes(field):
            lines = open("/proc/self/status").read().splitlines()
            return int([l for l in lines if l.startswith(field)][0].split()[1]) / 1024

        before = megabytes("VmRSS")
        start = time.process_time()
        loaded = data.load_fashion_mnist(sys.argv[1])
        print(time.process_time() - start, megabytes("VmHWM") - before)
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of memory is read from /proc, which only Linux has")
    seconds, growth = map(float, python(code, original).split())
    assert seconds < 2  # of processor time, 0.5 on an idle computer
    assert growth < 400


# --------------------------------------------------------------- a folder of one's own


def test_plain_files_in_torchvisions_layout_are_found(tmp_path, raw, full, load, said):
    folder = tmp_path / "mine" / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(raw[name])
    loaded = load(tmp_path / "mine")
    assert torch.equal(loaded.train.images, full.train.images)
    assert loaded.location == str(tmp_path / "mine") and said() == []


def test_the_variable_names_a_folder_and_an_argument_comes_first(
    real, tmp_path, monkeypatch, load, said
):
    monkeypatch.setenv("FASHION_MNIST_ROOT", str(real))
    assert load().location == str(real)
    assert load("sample").source == "sample"


def test_a_tilde_stands_for_the_home_folder(real, tmp_path, load, said):
    folder_with(tmp_path / "clothes", real)
    assert load("~/clothes").source == "full"


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_the_files_is_named_and_the_search_goes_on(
    exists, tmp_path, real, load, said
):
    folder = tmp_path / "empty"
    if exists:
        folder.mkdir()
    assert load(folder, debian_folder=str(real)).location == str(real)
    (line,) = said()
    assert all(part in line for part in (str(folder), *NAMES))


def test_a_folder_that_cannot_be_read_is_not_called_absent(tmp_path, real, load, said):
    folder = tmp_path / "mine"
    folder.symlink_to(folder)  # which leads nowhere, also for an administrator
    assert load(folder, debian_folder=str(real)).source == "full"
    (line,) = said()
    assert line.startswith(f"{str(folder)!r} cannot be read (")
    assert "looking elsewhere" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="this user may read anything")
def test_a_folder_that_may_not_be_read_is_not_called_absent(tmp_path, real, load, said):
    folder = folder_with(tmp_path / "mine", real)
    folder.chmod(0)
    assert load(folder, debian_folder=str(real)).source == "full"
    (line,) = said()
    assert "cannot be read (Permission denied)" in line
    folder.chmod(0o700)


def test_a_folder_that_lacks_one_file_is_an_error_that_names_it(tmp_path, real, load):
    folder = folder_with(tmp_path / "mine", real)
    (folder / f"{TEST_IMAGES}.gz").unlink()
    with pytest.raises(ValueError, match=f"{TEST_IMAGES} .*is missing in {folder}"):
        load(folder)


def shuffled_labels(raw):
    labels = np.frombuffer(raw[TRAIN_LABELS], np.uint8, offset=8)
    return raw[TRAIN_LABELS][:8] + labels[::-1].tobytes()


def as_dark_as_digits(raw):
    """Stands in for MNIST: 10,000 pictures with the mean brightness of its digits."""
    body = np.frombuffer(raw[TEST_IMAGES], np.uint8, offset=16)
    return raw[TEST_IMAGES][:16] + (body * 0.462).astype(np.uint8).tobytes()


def labels_of_mnist(raw):
    """As many of each digit as MNIST's test set has."""
    sizes = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    return raw[TEST_LABELS][:8] + np.arange(10, dtype=np.uint8).repeat(sizes).tobytes()


DAMAGE = {
    "a transfer that broke off": (
        *(TEST_IMAGES, lambda raw: gzip.compress(raw[TEST_IMAGES], 0)[:-1000]),
        "is truncated: its gzip data end too early",
    ),
    "an empty file": (TEST_LABELS, lambda raw: b"", "is truncated"),
    "a web page": (TEST_LABELS, lambda raw: b"<!DOCTYPE html>", "is not a gzip file"),
    "a damaged disk": (
        *(TRAIN_LABELS, lambda raw: b"\x1f\x8b\x08" + b"\xff" * 4000),
        "cannot be read",
    ),
    "the test pictures as training pictures": (
        *(TRAIN_IMAGES, lambda raw: gzip.compress(raw[TEST_IMAGES], 0)),
        "has 10,000 items; 60,000 are expected",
    ),
    "labels as pictures": (
        *(TEST_IMAGES, lambda raw: gzip.compress(raw[TEST_LABELS], 0)),
        "does not begin with the header",
    ),
    "fewer bytes than the header says": (
        *(TEST_IMAGES, lambda raw: gzip.compress(raw[TEST_IMAGES][:-784], 0)),
        "has 7,839,232 bytes unpacked; 7,840,016 are expected",
    ),
    "MNIST's digits": (
        *(TEST_IMAGES, lambda raw: gzip.compress(as_dark_as_digits(raw), 0)),
        "looks like MNIST's digits: its mean brightness is 0.13, where Fashion-MNIST "
        "has 0.29",
    ),
    "MNIST's labels": (
        *(TEST_LABELS, lambda raw: gzip.compress(labels_of_mnist(raw))),
        "looks like MNIST's labels: 1,135 of them are class 1",
    ),
    "labels in another order": (
        *(TRAIN_LABELS, lambda raw: gzip.compress(shuffled_labels(raw))),
        "has 6,000 labels of each class in another order",
    ),
    "one pixel changed": (
        *(TEST_IMAGES, lambda raw: altered(gzip.compress(raw[TEST_IMAGES], 0))),
        "differs from the file of that name in Fashion-MNIST",
    ),
    "one label changed": (
        *(TEST_LABELS, lambda raw: altered(gzip.compress(raw[TEST_LABELS], 0))),
        "differs from the file of that name in Fashion-MNIST",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_wrong_file_is_one_line_on_which_what_and_what_to_do(
    damage, tmp_path, real, raw, load
):
    name, make, expected = DAMAGE[damage]
    folder = folder_with(tmp_path / "mine", real, **{name.replace("-", "_"): make(raw)})
    with pytest.raises(ValueError) as caught:
        load(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / name}.gz {expected}")
    assert "\n" not in message and "Put the original from https://" in message
    assert (folder / f"{name}.gz").exists()  # a user's own file is left alone


def test_a_plain_file_that_was_cut_short_is_said_to_be(tmp_path, real, raw, load):
    folder = folder_with(tmp_path / "mine", real)
    (folder / f"{TEST_LABELS}.gz").unlink()
    (folder / TEST_LABELS).write_bytes(raw[TEST_LABELS][:5_000])
    with pytest.raises(ValueError, match="has 5,000 bytes unpacked; 10,008 are"):
        load(folder)


# ------------------------------------------------------------------------- the sample


def test_offline_the_course_opens_with_the_sample_and_one_line_that_says_so(load, said):
    loaded = load()
    assert loaded.source == "sample" and Path(loaded.location).name == "sample"
    check_tensors(loaded, data.SAMPLE_SIZES)
    (line,) = said()
    for part in ("sample", "6,000", "10 points lower", "FASHION_MNIST_ROOT", "refused"):
        assert part in line


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_the_sample_can_be_had_on_purpose_and_says_so(
    how, monkeypatch, real, load, said
):
    if how == "variable":
        monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")
    loaded = load("sample" if how == "argument" else None, debian_folder=str(real))
    assert loaded.source == "sample"
    (line,) = said()
    assert "As asked" in line and "10 points lower" in line


def test_the_sample_is_the_first_of_each_class_of_the_full_sets_own_splits(
    full, load, said
):
    sample = load("sample")
    for part, whole in zip(splits_of(sample), splits_of(full), strict=True):
        room, positions = Counter(), []
        for position, label in enumerate(whole.labels.tolist()):
            room[label] += 1
            if room[label] <= len(part) // 10:
                positions.append(position)
        assert torch.equal(part.images, whole.images[positions])
        assert torch.equal(part.labels, whole.labels[positions])


def test_make_sample_rebuilds_the_committed_files_bit_for_bit(full, tmp_path):
    make_sample = runpy.run_path(str(ROOT / "tools" / "make_sample.py"))["make_sample"]
    make_sample(full, tmp_path)
    for name in data.SAMPLE_FILES:
        assert (tmp_path / name).read_bytes() == committed(name).read_bytes()


def committed(name):
    return Path(data.Sources().sample_folder, name)


def test_the_sample_is_small_and_comes_with_its_licence():
    assert 2e6 < sum(committed(n).stat().st_size for n in data.SAMPLE_FILES) < 4e6
    notice = committed("NOTICE").read_text(encoding="utf-8")
    assert "The MIT License" in notice and "Zalando SE" in notice


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: altered_bz2(b), None])
def test_a_damaged_sample_says_how_to_restore_it(damage, tmp_path, load, said):
    folder = shutil.copytree(data.Sources().sample_folder, tmp_path / "sample")
    file = folder / "labels-idx1-ubyte.bz2"
    if damage:
        file.write_bytes(damage(file.read_bytes()))
    else:
        file.unlink()
    with pytest.raises(ValueError, match="git checkout helpers/data/sample"):
        load("sample", sample_folder=str(folder))


def altered_bz2(packed):
    content = bytearray(bz2.decompress(packed))
    content[-1] ^= 1
    return bz2.compress(content)


# ----------------------------------------------------------------------- Debian's copy


def test_the_debian_package_is_found(real, load, said):
    assert load(debian_folder=str(real)).location == str(real)
    assert said() == []


def test_a_damaged_debian_package_is_said_and_the_search_goes_on(
    real, tmp_path, load, said
):
    folder = folder_with(tmp_path / "debian", real, t10k_labels_idx1_ubyte=b"broken")
    assert load(debian_folder=str(folder)).source == "sample"
    first, second = said()
    assert f"{folder}" in first and PACKAGE in first and "sample" in second


# ------------------------------------------------------------------------ the download


def files_in(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def test_a_download_is_kept_and_not_repeated(mirrors, cache, full, load, said):
    (mirror,) = mirrors()
    loaded = load(mirrors=urls(mirror))
    assert loaded.source == "full" and loaded.location == str(cache)
    assert torch.equal(loaded.val.images, full.val.images)
    assert files_in(cache) == sorted(f"{n}.gz" for n in NAMES)
    assert mirror.sent == dict.fromkeys(NAMES, 1)
    (line,) = said()
    assert line.startswith("Downloading Fashion-MNIST (30 MB")
    again = load(mirrors=urls(mirror))
    assert again.location == str(cache) and said() == []
    assert mirror.sent == dict.fromkeys(NAMES, 1)


def test_a_dead_mirror_is_passed_over_after_its_first_file(mirrors, cache, load, said):
    dead, alive = mirrors(2)
    dead.shutdown()
    dead.server_close()
    assert load(mirrors=urls(dead, alive)).location == str(cache)
    (line,) = said()
    assert alive.url in line and alive.sent == dict.fromkeys(NAMES, 1)


@pytest.mark.parametrize(
    "spoil",
    [lambda b: b[:-10_000], altered, lambda b: b"<html>Please log in</html>"],
    ids=["truncated", "altered", "captive portal"],
)
def test_what_one_mirror_spoils_comes_from_the_other(spoil, mirrors, cache, load, said):
    bad, good = mirrors(2)
    bad.spoil[TRAIN_LABELS] = spoil
    assert load(mirrors=urls(bad, good)).location == str(cache)
    assert bad.sent == {TEST_LABELS: 1, TRAIN_LABELS: 1}
    assert good.sent == dict.fromkeys(NAMES[1:], 1)  # what was good is not repeated


def test_when_every_mirror_spoils_a_file_nothing_lands_in_the_cache(
    mirrors, cache, load, said
):
    both = mirrors(2)
    for mirror in both:
        mirror.spoil[TRAIN_LABELS] = lambda packed: packed[:-10_000]
    assert load(mirrors=urls(*both)).source == "sample"
    assert files_in(cache) == []
    assert "truncated" in said()[-1]


def test_a_network_that_swallows_everything_is_given_up_in_seconds(load, said):
    socket.setdefaulttimeout(77)
    try:
        with silent_mirror([]) as one, silent_mirror([]) as two:
            start = time.perf_counter()
            loaded = load(mirrors=(one, two), answer_seconds=0.5)
            assert loaded.source == "sample"
            assert time.perf_counter() - start < 60
        assert socket.getdefaulttimeout() == 77
    finally:
        socket.setdefaulttimeout(None)
    (line,) = said()
    assert line.count("no answer within 0.5 seconds") == 2


@contextlib.contextmanager
def silent_mirror(calls):
    """A mirror that takes connections, notes them in `calls`, and says not a word."""

    def listen():
        with contextlib.suppress(OSError):
            while True:
                calls.append(server.accept())

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
def test_a_transfer_that_stands_still_is_given_up(mirrors, load, said):
    stalling, good = mirrors(2)
    given_up = threading.Event()

    def stall(packed):
        given_up.wait(10)  # longer than a transfer may stand still
        return packed

    stalling.spoil[TEST_IMAGES] = stall
    loaded = load(mirrors=urls(stalling, good), stall_seconds=2)
    given_up.set()
    assert loaded.source == "full"
    assert good.sent == dict.fromkeys(NAMES[2:], 1)
    assert socket.getdefaulttimeout() is None


@pytest.mark.slow
def test_a_mirror_that_is_far_too_slow_is_left_for_the_other(mirrors, load, said):
    slow, good = mirrors(2)
    slow.slow.add(TEST_IMAGES)
    assert load(mirrors=urls(slow, good), stall_seconds=2).source == "full"
    assert good.sent == dict.fromkeys(NAMES[2:], 1)


@pytest.mark.slow
def test_a_download_that_is_killed_leaves_nothing(mirrors, cache):
    (mirror,) = mirrors()
    mirror.slow.add(TEST_IMAGES)
    code = "import sys; from helpers import data; "
    code += "data.load_fashion_mnist(sources=data.Sources((sys.argv[1],), '/nowhere'))"
    kernel = subprocess.Popen([sys.executable, "-c", code, mirror.url], cwd=ROOT)
    while not mirror.sent[TEST_IMAGES]:
        assert kernel.poll() is None
        time.sleep(0.02)
    kernel.kill()
    kernel.wait()
    assert files_in(cache) == [] and not any(one.is_dir() for one in cache.iterdir())


def test_a_file_in_place_of_the_cache_folder_is_said_and_survived(
    mirrors, cache, full, load, said
):
    (mirror,) = mirrors()
    cache.parent.mkdir()
    cache.write_text("not a folder")
    loaded = load(mirrors=urls(mirror))
    assert torch.equal(loaded.test.images, full.test.images)
    assert loaded.source == "full" and loaded.location == mirror.url
    downloading, kept = said()
    assert str(cache) in kept and "for this session only" in kept
    assert cache.read_text() == "not a folder"


def test_a_read_only_home_is_said_and_survived(mirrors, monkeypatch, load, said):
    (mirror,) = mirrors()
    if sys.platform != "linux":
        pytest.skip("needs a folder in which nobody may write, as /proc on Linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    assert load(mirrors=urls(mirror)).source == "full"
    downloading, kept = said()
    assert "/proc/one-line-of-pytorch cannot be used" in kept


def test_a_user_without_a_home_is_told_so_and_gets_the_data(
    mirrors, monkeypatch, load, said
):
    (mirror,) = mirrors()
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54_321)  # unknown to the system
    assert load(mirrors=urls(mirror)).source == "full"
    downloading, kept = said()
    assert "there is no home folder" in kept
    assert not Path("~").exists()  # nothing was made where the notebook stands


def test_a_folder_that_cannot_be_locked_is_used_all_the_same(
    mirrors, cache, load, said
):
    (mirror,) = mirrors()
    (cache / ".lock").mkdir(parents=True)
    assert load(mirrors=urls(mirror)).location == str(cache)
    assert files_in(cache) == sorted(f"{n}.gz" for n in NAMES)


def test_a_damaged_cache_is_set_aside_and_healed(
    mirrors, real, cache, full, load, said
):
    (mirror,) = mirrors()
    folder_with(cache, real, t10k_images_idx3_ubyte=b"\x1f\x8b damaged")
    loaded = load(mirrors=urls(mirror))
    assert loaded.location == str(cache)
    assert torch.equal(loaded.test.images, full.test.images)
    assert mirror.sent == {TEST_IMAGES: 1}
    line = said()[0]
    assert f"{TEST_IMAGES}.gz" in line and f"{TEST_IMAGES}.gz.damaged" in line
    assert load(mirrors=urls(mirror)).location == str(cache) and said() == []


OUT_OF_DESCRIPTORS = """
    import os, resource, sys
    from helpers import data

    def load():
        loaded = data.load_fashion_mnist(sources=sources)
        print("GOT", loaded.source, loaded.location)

    sources = data.Sources(mirrors=(), debian_folder="/nowhere")
    load()
    used = len(os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 3, 4096))
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, 0))
    except OSError:
        pass
    try:
        load()
    except data.DataError as error:
        print("ERROR", error)
    for one in held:
        os.close(one)
    load()
"""


@pytest.mark.slow
def test_an_error_that_passes_sets_no_good_file_aside(real, cache):
    pytest.importorskip("resource", reason="needs a limit on open files")
    folder_with(cache, real)
    first, *while_out, last = python(OUT_OF_DESCRIPTORS).splitlines()
    assert first == last == f"GOT full {cache}"
    unread, *_, error = while_out
    assert unread.startswith(f"{cache / TEST_LABELS}.gz cannot be read (Too many open")
    assert error.startswith("ERROR") and error.endswith(data.SAMPLE_UNREAD[10:])
    assert files_in(cache) == sorted(f"{n}.gz" for n in NAMES)


# --------------------------------------------------------------------- a class at once

AT_ONCE = """
    import hashlib, os, sys
    from helpers import data

    def fingerprint(content, location):
        return location, [hashlib.sha256(content[n]).hexdigest()[:8] for n in content]

    data._load_full = fingerprint  # no floats: ten times 220 MB is too much here
    n, mirrors = int(sys.argv[1]), tuple(sys.argv[2:])
    sources = data.Sources(mirrors, debian_folder="/nowhere", answer_seconds=60)
    children = []
    for _ in range(n):  # forked before torch has a thread, so all start at once
        if not (pid := os.fork()):
            try:
                loaded = data.load_fashion_mnist(sources=sources)
                os.write(1, f"RESULT {loaded}{chr(10)}".encode())
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * n
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to start all at once")
def test_ten_notebooks_at_once_download_each_file_once(mirrors, cache):
    (mirror,) = mirrors()
    out = python(AT_ONCE, 10, mirror.url).splitlines()
    results = [line for line in out if line.startswith("RESULT")]
    assert len(results) == 10 and len(set(results)) == 1
    assert str(cache) in results[0] and "sample" not in results[0]
    assert mirror.sent == dict.fromkeys(NAMES, 1)
    assert files_in(cache) == sorted(f"{n}.gz" for n in NAMES)


@pytest.mark.slow
def test_several_notebooks_at_once_heal_a_damaged_cache_once(
    mirrors, real, cache, load, said
):
    (mirror,) = mirrors()
    folder_with(cache, real, t10k_labels_idx1_ubyte=b"damaged")
    with ThreadPoolExecutor(3) as pool:
        loads = [pool.submit(load, mirrors=urls(mirror)) for _ in range(3)]
    assert [each.result().location for each in loads] == [str(cache)] * 3
    assert mirror.sent == {TEST_LABELS: 1}
    assert (cache / f"{TEST_LABELS}.gz.damaged").read_bytes() == b"damaged"
    assert "".join(said()).count("It was renamed to") == 1


def test_notebooks_that_wait_for_one_that_fails_need_not_fail_in_turn(load):
    calls = []
    with (
        contextlib.redirect_stdout(io.StringIO()) as printed,
        silent_mirror(calls) as silent,
        ThreadPoolExecutor(3) as pool,
    ):
        loads = [pool.submit(load, mirrors=(silent,)) for _ in range(3)]
        while printed.getvalue().count(data.WAITING) < 2 or not calls:
            assert not any(each.done() for each in loads)
            time.sleep(0.02)
        for connection, _ in calls:
            connection.close()  # the one that is first fails while two wait
    assert [each.result().source for each in loads] == ["sample"] * 3
    assert len(calls) == 1
    assert printed.getvalue().count("another notebook has just tried") == 2
