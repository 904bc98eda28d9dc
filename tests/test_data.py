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
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch

from helpers import data

ROOT = Path(data.__file__).parent.parent
REAL = Path(os.environ.get("FASHION_MNIST_ROOT", data.DEBIAN_FOLDER))
NAMES = tuple(data.FILES)
TEST_LABELS, TRAIN_LABELS, TEST_IMAGES, TRAIN_IMAGES = NAMES
PACKAGE = "dataset-fashion-mnist"


@pytest.fixture(scope="module")
def real():
    """The folder with the four full files, as .gz."""
    missing = [n for n in NAMES if not (REAL / f"{n}.gz").is_file()]
    if missing:
        reason = f"the full Fashion-MNIST is not in {REAL} (apt install {PACKAGE})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return REAL


@pytest.fixture(scope="module")
def full(real):
    return data.load_fashion_mnist(real)


@pytest.fixture(scope="module")
def raw(real):
    """The uncompressed content of the four files, by name."""
    return {n: gzip.decompress((real / f"{n}.gz").read_bytes()) for n in NAMES}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder, nothing installed, and no mirror that answers."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("FASHION_MNIST_ROOT", raising=False)
    monkeypatch.setattr(data, "DEBIAN_FOLDER", str(tmp_path / "not-installed"))
    monkeypatch.setattr(data, "MIRRORS", (dead_mirror(), dead_mirror()))
    folder = platformdirs.user_cache_dir("one-line-of-pytorch", appauthor=False)
    if tmp_path not in Path(folder).parents:
        pytest.skip("this system's cache folder cannot be moved for a test")
    return Path(folder)


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
    return gzip.compress(content, 1)


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves the real files; `server.spoil` maps a name to a function on its bytes."""

    def do_GET(self):
        name = self.path.strip("/").removesuffix(".gz")
        body = (REAL / f"{name}.gz").read_bytes()
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
        self.wfile.write(spoiled)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def mirrors(real, monkeypatch):
    """A function that starts `n` mirrors, which become the only ones."""
    with contextlib.ExitStack() as stack:

        def start(n=1):
            servers = []
            for _ in range(n):
                server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
                server.url = f"http://127.0.0.1:{server.server_port}/"
                server.spoil, server.sent, server.asked = {}, Counter(), Counter()
                serve = functools.partial(server.serve_forever, poll_interval=0.02)
                threading.Thread(target=serve, daemon=True).start()
                stack.callback(server.server_close)
                stack.callback(server.shutdown)
                servers.append(server)
            monkeypatch.setattr(data, "MIRRORS", tuple(s.url for s in servers))
            return servers

        yield start


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


def test_importing_is_cheap_and_loading_takes_a_second_and_less_than_400_mb(real):
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
    seconds, growth = map(float, python(code, real).split())
    assert seconds < 2  # of processor time, 0.5 on an idle computer
    assert growth < 400


# --------------------------------------------------------------- a folder of one's own


def test_plain_files_in_torchvisions_layout_are_found(tmp_path, raw, full, said):
    folder = tmp_path / "mine" / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(raw[name])
    loaded = data.load_fashion_mnist(tmp_path / "mine")
    assert torch.equal(loaded.train.images, full.train.images)
    assert loaded.location == str(tmp_path / "mine") and said() == []


def test_the_variable_names_a_folder_and_an_argument_comes_first(
    real, tmp_path, monkeypatch, said
):
    monkeypatch.setenv("FASHION_MNIST_ROOT", str(real))
    assert data.load_fashion_mnist().location == str(real)
    assert data.load_fashion_mnist("sample").source == "sample"


def test_a_tilde_stands_for_the_home_folder(real, tmp_path, said):
    folder_with(tmp_path / "clothes", real)
    assert data.load_fashion_mnist("~/clothes").source == "full"


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_the_files_is_named_and_the_search_goes_on(
    exists, tmp_path, monkeypatch, real, said
):
    folder = tmp_path / "empty"
    if exists:
        folder.mkdir()
    monkeypatch.setattr(data, "DEBIAN_FOLDER", str(real))
    assert data.load_fashion_mnist(folder).location == str(real)
    (line,) = said()
    assert all(part in line for part in (str(folder), *NAMES))


def test_a_folder_that_lacks_one_file_is_an_error_that_names_it(tmp_path, real):
    folder = folder_with(tmp_path / "mine", real)
    (folder / f"{TEST_IMAGES}.gz").unlink()
    with pytest.raises(ValueError, match=f"{TEST_IMAGES} .*is missing in {folder}"):
        data.load_fashion_mnist(folder)


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
        *(TEST_IMAGES, lambda raw: gzip.compress(raw[TEST_IMAGES], 1)[:-1000]),
        "is truncated: its gzip data end too early",
    ),
    "an empty file": (TEST_LABELS, lambda raw: b"", "is truncated"),
    "a web page": (TEST_LABELS, lambda raw: b"<!DOCTYPE html>", "is not a gzip file"),
    "a damaged disk": (
        *(TRAIN_LABELS, lambda raw: b"\x1f\x8b\x08" + b"\xff" * 4000),
        "cannot be read",
    ),
    "the test pictures as training pictures": (
        *(TRAIN_IMAGES, lambda raw: gzip.compress(raw[TEST_IMAGES], 1)),
        "has 10,000 items; 60,000 are expected",
    ),
    "labels as pictures": (
        *(TEST_IMAGES, lambda raw: gzip.compress(raw[TEST_LABELS], 1)),
        "does not begin with the header",
    ),
    "fewer bytes than the header says": (
        *(TEST_IMAGES, lambda raw: gzip.compress(raw[TEST_IMAGES][:-784], 1)),
        "has 7,839,232 bytes unpacked; 7,840,016 are expected",
    ),
    "MNIST's digits": (
        *(TEST_IMAGES, lambda raw: gzip.compress(as_dark_as_digits(raw), 1)),
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
        *(TEST_IMAGES, lambda raw: altered(gzip.compress(raw[TEST_IMAGES], 1))),
        "differs from the file of that name in Fashion-MNIST",
    ),
    "one label changed": (
        *(TEST_LABELS, lambda raw: altered(gzip.compress(raw[TEST_LABELS], 1))),
        "differs from the file of that name in Fashion-MNIST",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_wrong_file_is_one_line_on_which_what_and_what_to_do(
    damage, tmp_path, real, raw
):
    name, make, expected = DAMAGE[damage]
    folder = folder_with(tmp_path / "mine", real, **{name.replace("-", "_"): make(raw)})
    with pytest.raises(ValueError) as caught:
        data.load_fashion_mnist(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / name}.gz {expected}")
    assert "\n" not in message and "Put the original from https://" in message
    assert (folder / f"{name}.gz").exists()  # a user's own file is left alone


def test_a_plain_file_that_was_cut_short_is_said_to_be(tmp_path, real, raw):
    folder = folder_with(tmp_path / "mine", real)
    (folder / f"{TEST_LABELS}.gz").unlink()
    (folder / TEST_LABELS).write_bytes(raw[TEST_LABELS][:5_000])
    with pytest.raises(ValueError, match="has 5,000 bytes unpacked; 10,008 are"):
        data.load_fashion_mnist(folder)


# ------------------------------------------------------------------------- the sample


def test_offline_the_course_opens_with_the_sample_and_one_line_that_says_so(said):
    loaded = data.load_fashion_mnist()
    assert loaded.source == "sample" and Path(loaded.location).name == "sample"
    check_tensors(loaded, data.SAMPLE_SIZES)
    (line,) = said()
    for part in ("sample", "6,000", "10 points lower", "FASHION_MNIST_ROOT", "refused"):
        assert part in line


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_the_sample_can_be_had_on_purpose_and_says_so(how, monkeypatch, real, said):
    monkeypatch.setattr(data, "DEBIAN_FOLDER", str(real))
    if how == "variable":
        monkeypatch.setenv("FASHION_MNIST_ROOT", "sample")
    loaded = data.load_fashion_mnist("sample" if how == "argument" else None)
    assert loaded.source == "sample"
    (line,) = said()
    assert "As asked" in line and "10 points lower" in line


def test_the_sample_is_the_first_of_each_class_of_the_full_sets_own_splits(full, said):
    sample = data.load_fashion_mnist("sample")
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
    return Path(data.SAMPLE_FOLDER, name)


def test_the_sample_is_small_and_comes_with_its_licence():
    assert 2e6 < sum(committed(n).stat().st_size for n in data.SAMPLE_FILES) < 4e6
    notice = committed("NOTICE").read_text(encoding="utf-8")
    assert "The MIT License" in notice and "Zalando SE" in notice


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: altered_bz2(b), None])
def test_a_damaged_sample_says_how_to_restore_it(damage, tmp_path, monkeypatch, said):
    folder = shutil.copytree(data.SAMPLE_FOLDER, tmp_path / "sample")
    file = folder / "labels-idx1-ubyte.bz2"
    if damage:
        file.write_bytes(damage(file.read_bytes()))
    else:
        file.unlink()
    monkeypatch.setattr(data, "SAMPLE_FOLDER", str(folder))
    with pytest.raises(ValueError, match="git checkout helpers/sample"):
        data.load_fashion_mnist("sample")


def altered_bz2(packed):
    content = bytearray(bz2.decompress(packed))
    content[-1] ^= 1
    return bz2.compress(content)


# ----------------------------------------------------------------------- Debian's copy


def test_the_debian_package_is_found(real, monkeypatch, said):
    monkeypatch.setattr(data, "DEBIAN_FOLDER", str(real))
    assert data.load_fashion_mnist().location == str(real)
    assert said() == []


def test_a_damaged_debian_package_is_said_and_the_search_goes_on(
    real, tmp_path, monkeypatch, said
):
    folder = folder_with(tmp_path / "debian", real, t10k_labels_idx1_ubyte=b"broken")
    monkeypatch.setattr(data, "DEBIAN_FOLDER", str(folder))
    assert data.load_fashion_mnist().source == "sample"
    first, second = said()
    assert f"{folder}" in first and PACKAGE in first and "sample" in second


# ------------------------------------------------------------------------ the download


def files_in(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def test_a_download_is_kept_and_not_repeated(mirrors, cache, full, said):
    (mirror,) = mirrors()
    loaded = data.load_fashion_mnist()
    assert loaded.source == "full" and loaded.location == str(cache)
    assert torch.equal(loaded.val.images, full.val.images)
    assert files_in(cache) == sorted(f"{n}.gz" for n in NAMES)
    assert mirror.sent == dict.fromkeys(NAMES, 1)
    (line,) = said()
    assert line.startswith("Downloading Fashion-MNIST (30 MB")
    again = data.load_fashion_mnist()
    assert again.location == str(cache) and said() == []
    assert mirror.sent == dict.fromkeys(NAMES, 1)


def test_a_dead_mirror_is_passed_over_after_its_first_file(mirrors, cache, said):
    dead, alive = mirrors(2)
    dead.shutdown()
    dead.server_close()
    assert data.load_fashion_mnist().location == str(cache)
    (line,) = said()
    assert alive.url in line and alive.sent == dict.fromkeys(NAMES, 1)


@pytest.mark.parametrize(
    "spoil",
    [lambda b: b[:-10_000], altered, lambda b: b"<html>Please log in</html>"],
    ids=["truncated", "altered", "captive portal"],
)
def test_what_one_mirror_spoils_comes_from_the_other(spoil, mirrors, cache, said):
    bad, good = mirrors(2)
    bad.spoil[TRAIN_LABELS] = spoil
    assert data.load_fashion_mnist().location == str(cache)
    assert bad.sent == {TEST_LABELS: 1, TRAIN_LABELS: 1}
    assert good.sent == dict.fromkeys(NAMES[1:], 1)  # what was good is not repeated


def test_when_every_mirror_spoils_a_file_nothing_lands_in_the_cache(
    mirrors, cache, said
):
    for mirror in mirrors(2):
        mirror.spoil[TRAIN_LABELS] = lambda packed: packed[:-10_000]
    assert data.load_fashion_mnist().source == "sample"
    assert files_in(cache) == []
    assert "truncated" in said()[-1]


def test_a_network_that_swallows_everything_is_given_up_in_seconds(monkeypatch, said):
    monkeypatch.setattr(data, "ANSWER_SECONDS", 0.5)
    socket.setdefaulttimeout(77)
    try:
        with silent_mirror([]) as one, silent_mirror([]) as two:
            monkeypatch.setattr(data, "MIRRORS", (one, two))
            start = time.perf_counter()
            assert data.load_fashion_mnist().source == "sample"
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


def test_a_transfer_that_stands_still_is_given_up(mirrors, monkeypatch, said):
    monkeypatch.setattr(data, "STALL_SECONDS", 2)
    stalling, good = mirrors(2)
    stalling.spoil[TEST_IMAGES] = lambda packed: time.sleep(4) or packed
    assert data.load_fashion_mnist().source == "full"
    assert good.sent == dict.fromkeys(NAMES[2:], 1)
    assert socket.getdefaulttimeout() is None


def test_a_file_in_place_of_the_cache_folder_is_said_and_survived(
    mirrors, cache, full, said
):
    (mirror,) = mirrors()
    cache.parent.mkdir()
    cache.write_text("not a folder")
    loaded = data.load_fashion_mnist()
    assert torch.equal(loaded.test.images, full.test.images)
    assert loaded.source == "full" and loaded.location == mirror.url
    downloading, kept = said()
    assert str(cache) in kept and "for this session only" in kept
    assert cache.read_text() == "not a folder"


def test_a_read_only_home_is_said_and_survived(mirrors, monkeypatch, said):
    mirrors()
    if sys.platform != "linux":
        pytest.skip("needs a folder in which nobody may write, as /proc on Linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    assert data.load_fashion_mnist().source == "full"
    downloading, kept = said()
    assert "/proc/one-line-of-pytorch cannot be used" in kept


def test_a_user_without_a_home_is_told_so_and_gets_the_data(mirrors, monkeypatch, said):
    mirrors()
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os, "getuid", lambda: 54_321)  # unknown to the system
    assert data.load_fashion_mnist().source == "full"
    downloading, kept = said()
    assert "there is no home folder" in kept
    assert not Path("~").exists()  # nothing was made where the notebook stands


def test_a_folder_that_cannot_be_locked_is_used_all_the_same(mirrors, cache, said):
    mirrors()
    (cache / ".lock").mkdir(parents=True)
    assert data.load_fashion_mnist().location == str(cache)
    assert files_in(cache) == sorted(f"{n}.gz" for n in NAMES)


def test_a_damaged_cache_is_set_aside_and_healed(mirrors, real, cache, full, said):
    (mirror,) = mirrors()
    folder_with(cache, real, t10k_images_idx3_ubyte=b"\x1f\x8b damaged")
    loaded = data.load_fashion_mnist()
    assert loaded.location == str(cache)
    assert torch.equal(loaded.test.images, full.test.images)
    assert mirror.sent == {TEST_IMAGES: 1}
    line = said()[0]
    assert f"{TEST_IMAGES}.gz" in line and f"{TEST_IMAGES}.gz.damaged" in line
    assert data.load_fashion_mnist().location == str(cache) and said() == []


# --------------------------------------------------------------------- a class at once

AT_ONCE = """
    import hashlib, os, sys
    from helpers import data

    def fingerprint(content, location):
        return location, [hashlib.sha256(content[n]).hexdigest()[:8] for n in content]

    # Labels alone, and no floats: thirty times 220 MB is too much here.
    data._load_full = fingerprint
    data.FILES = {n: data.FILES[n] for n in data.FILES if "labels" in n}
    n, data.DEBIAN_FOLDER, data.MIRRORS = int(sys.argv[1]), "/nowhere", sys.argv[2:]
    children = []
    for _ in range(n):  # forked before torch has a thread, so all start at once
        if not (pid := os.fork()):
            try:
                os.write(1, f"RESULT {data.load_fashion_mnist()}{chr(10)}".encode())
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * n
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to start all at once")
def test_thirty_notebooks_at_once_download_each_file_once(mirrors, cache):
    (mirror,) = mirrors()
    out = python(AT_ONCE, 30, mirror.url).splitlines()
    results = [line for line in out if line.startswith("RESULT")]
    assert len(results) == 30 and len(set(results)) == 1
    assert str(cache) in results[0] and "sample" not in results[0]
    assert mirror.sent == {TEST_LABELS: 1, TRAIN_LABELS: 1}
    assert files_in(cache) == [f"{TEST_LABELS}.gz", f"{TRAIN_LABELS}.gz"]


def all_at_once(n):
    """What `n` threads get that load at the same time."""
    loaded = []
    threads = [
        threading.Thread(target=lambda: loaded.append(data.load_fashion_mnist()))
        for _ in range(n)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return loaded


def test_several_notebooks_at_once_heal_a_damaged_cache_once(
    mirrors, real, cache, said
):
    (mirror,) = mirrors()
    folder_with(cache, real, t10k_labels_idx1_ubyte=b"damaged")
    assert [d.location for d in all_at_once(3)] == [str(cache)] * 3
    assert mirror.sent == {TEST_LABELS: 1}
    assert (cache / f"{TEST_LABELS}.gz.damaged").read_bytes() == b"damaged"
    assert "".join(said()).count("It was renamed to") == 1


def test_notebooks_that_wait_for_one_that_fails_need_not_fail_in_turn(
    monkeypatch, said
):
    monkeypatch.setattr(data, "ANSWER_SECONDS", 2)
    calls = []
    with silent_mirror(calls) as silent:
        monkeypatch.setattr(data, "MIRRORS", (silent,))
        assert [d.source for d in all_at_once(3)] == ["sample"] * 3
    assert len(calls) == 1
    assert "".join(said()).count("another notebook has just tried") == 2
