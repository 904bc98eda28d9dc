"""Sweeps: many trainings, in real processes, and what is kept of them."""

import errno
import gzip
import json
import multiprocessing
import os
import pickle
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import types
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Thread

import filelock
import pytest
import torch
from processes import METHOD, Pickling, little_room, processes

from helpers import (
    Config,
    load_fashion_mnist,
    plot_sweep,
    records,
    search,
    sweep,
    train,
)
from helpers.records import HURRY
from helpers.tuning.cost import cost
from helpers.tuning.groups import train_epochs
from helpers.tuning.kept import RECORDED, SHIPPED, SWEEPS, as_kept, known_results
from helpers.tuning.members import Member, Stack
from helpers.tuning.results import Result, Results
from helpers.tuning.shared_data import GRACE_SECONDS, PREFIX, data_fingerprint, share
from helpers.tuning.under_way import keep, resume
from listening import HERE, listening


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """What is learned stays here; no run of these tests came with the course."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"


@pytest.fixture(scope="module")
def threads():
    """Quicker than processes, where the test is not about those."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def small(**fields):
    return Config(**{"num_hiddens": 8, "num_epochs": 1} | fields)


def alone(config, data):
    """The same run in this process: its accuracies."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    run = list(train(config, data, eval_every=None))
    torch.set_num_threads(threads)
    return [p.full_val_accuracy for p in run if p.epoch_end]


def kept_runs(data):
    """{the text of a Config: what is kept of its run}."""
    return records.read("runs").get(data_fingerprint(data), {})


def test_a_sweep_trains_what_train_would(data):
    configs = [small(num_epochs=2, seed=seed) for seed in (2, 0, 1)]
    results = sweep(configs, data)
    assert [row.config for row in results] == configs
    for row in results:
        accuracies = alone(row.config, data)
        assert list(row.val_accuracy) == pytest.approx(accuracies, abs=0.002)
        assert len(row.train_loss) == len(row.val_loss) == 2
        assert row.ok and row.reason.startswith("done")
        assert row.num_parameters == 784 * 8 + 8 + 8 * 10 + 10


def test_any_executor_will_do(data):
    with ThreadPoolExecutor(2) as threads:
        results = sweep([small(), small(seed=1)], data, threads)
    assert len(results) == 2 and all(row.ok for row in results)


@pytest.mark.slow
def test_processes_share_the_data_of_this_one(data):
    shared = share(data)
    with processes() as pool:
        mapped, _ = pool.submit(_what_it_holds, shared).result()
        assert pool.submit(_what_it_holds, shared).result()[0] == mapped
    assert mapped.endswith("data.pt")


@pytest.mark.slow
def test_nothing_is_left_in_the_temporary_folder(data, tmp_path, monkeypatch):
    """Nor is what another kernel still uses taken away."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    busy = tmp_path / f"{PREFIX}busy"
    busy.mkdir()
    with filelock.FileLock(busy / "lock"), processes() as pool:
        os.utime(busy, (time.time() - 2 * GRACE_SECONDS,) * 2)
        assert sweep([small()], data, pool)[0].ok
        assert list(tmp_path.glob(f"{PREFIX}*")) == [busy]
        search(space, data, 1, executor=pool)
        assert list(tmp_path.glob(f"{PREFIX}*")) == [busy]
        assert listening() <= HERE  # nobody else's machine is let in


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a fork server")
@pytest.mark.parametrize(
    "call, following",
    [("search", "loads"), ("search", "sweeps"), ("sweep", "searches")],
)
def test_what_a_killed_kernel_left_is_removed_by_the_next(
    call, following, data, tmp_path, monkeypatch
):
    server = multiprocessing.get_context(METHOD)
    kernel = server.Process(target=_killed, args=(call, str(tmp_path)))
    kernel.start()
    kernel.join()
    assert kernel.exitcode == -signal.SIGKILL
    (left,) = tmp_path.glob(f"{PREFIX}*")
    assert (left / "data.pt").exists()
    os.utime(left, (time.time() - 2 * GRACE_SECONDS,) * 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if following == "loads":
        command = [sys.executable, "-c", f"from helpers import {call}"]
        env = os.environ | {"TMPDIR": str(tmp_path)}
        subprocess.run(command, env=env, cwd=Path(__file__).parents[2], check=True)
    elif following == "sweeps":
        sweep([small()], data)
    else:
        search(space, data, 1)
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def _killed(call, folder):
    class Deadly(Executor):
        def submit(self, *task):
            pickle.dumps(task)  # what each executor of processes does with it
            os.kill(os.getpid(), signal.SIGKILL)

    tempfile.tempdir = folder
    os.environ["COURSE_HOME"] = folder
    data = load_fashion_mnist("sample")
    if call == "sweep":
        sweep([small()], data, Deadly())
    else:
        search(space, data, 1, executor=Deadly())


def space(trial):
    return small(lr=trial.suggest_float("lr", 0.01, 1, log=True))


def _what_it_holds(shared):
    start = shared.data.train.images.data_ptr()
    for line in open("/proc/self/maps"):
        first, last = (int(end, 16) for end in line.split()[0].split("-"))
        if first <= start < last:
            return line.split()[-1], id(shared)


def test_what_is_known_is_not_trained_again(data, threads):
    first = sweep([small(), small(seed=1)], data, threads)
    before = kept_runs(data)
    again = sweep([small(seed=1), small()], data, executor=_NoExecutor())
    assert [row.accuracy for row in again] == pytest.approx(first.accuracies[::-1])
    assert kept_runs(data) == before and len(before) == 2


class _NoExecutor(Executor):
    def submit(self, *_):
        raise AssertionError("there was nothing to train")


def test_what_an_earlier_version_has_kept_is_still_known(data, home, threads):
    """It kept lines of JSON, of which one may be cut short."""
    rows = sweep([small(seed=seed) for seed in range(3)], data, threads)
    lines = [json.dumps(as_kept(row, data_fingerprint(data))) for row in rows]
    (home / "course.sqlite").unlink()
    earlier = f"\n{lines[0]}\n\n{lines[1]}\n\n{lines[2][:50]}\n[3]\n"
    (home / "sweeps.jsonl").write_text(earlier)
    again = sweep([small(), small(seed=1)], data, executor=_NoExecutor())
    assert again.accuracies == pytest.approx(rows.accuracies[:2])
    assert len(sweep([small(), small(seed=2)], data, threads)) == 2
    assert list(kept_runs(data)) == [str(small(seed=2))]
    assert (home / "sweeps.jsonl").read_text() == earlier


def test_other_data_and_another_version_are_trained_anew(data, threads):
    sweep([small()], data, threads)
    last = data.for_the_test()
    sweep([small()], last, threads)
    assert len(kept_runs(data)) == len(kept_runs(last)) == 1
    ((config, kept),) = kept_runs(data).items()
    old = kept | {"version": kept["version"] - 1, "val_accuracy": [0.5]}
    records.change("runs", data_fingerprint(data), **{config: old})
    assert sweep([small()], data, threads)[0].accuracy != 0.5
    assert kept_runs(data) == {
        config: kept | {"seconds": kept_runs(data)[config]["seconds"]}
    }


def test_where_nothing_can_be_kept_it_still_trains_and_says_so(data, home, threads):
    home.write_text("a file is where the folder should be")
    results = sweep([small(), small(seed=1)], data, threads)
    assert results[0].ok and results[1].ok
    assert results.note.count(f"can't be kept in {home}") == 1
    assert sweep([small()], data, _NoExecutor())[0].ok  # this kernel knows it
    assert "so your answers last only until" in records.notice()
    home.unlink()
    assert sweep([small(seed=2)], data, threads).note == ""
    assert len(kept_runs(data)) == 3  # also what could not be kept before


def test_a_lock_that_is_held_is_waited_for_once_and_said(data, threads, monkeypatch):
    sweep([small()], data, threads)
    patience = Patience(records.location())
    monkeypatch.setattr(records, "read", patience.read)
    monkeypatch.setattr(records, "change", patience.change)
    with closing(sqlite3.connect(records.location(), isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        results = sweep([small(seed=1), small(num_hiddens=4)], data)
    assert "(database is locked)" in results.note and results[0].ok
    first, *later = patience.waits
    assert first == 0.2 and later == [HURRY] * len(later) and len(later) >= 2
    assert sweep([small(seed=2)], data).note == ""
    assert len(kept_runs(data)) == 4


class Patience(records.Records):
    """Notes how long it is ready to wait while the file is locked."""

    def __init__(self, path):
        super().__init__(path, seconds=0.2)
        self.waits = []

    def _connect(self):
        self.waits.append(self._wait)
        return super()._connect()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on files")
@pytest.mark.parametrize("call", ["sweep", "search", "a named search"])
def test_a_full_temporary_folder_is_no_result(call, data):
    """It is said in a sentence, and what could not be trained is trained next time."""

    def train_it():
        with Pickling(2) as pool:
            if call == "sweep":
                return sweep([small(), small(seed=1)], data, pool)
            name = "mine" if call == "a named search" else None
            return search(space, data, 2, name=name, executor=pool)

    with little_room():
        note = train_it().note
    assert "2 of 2 runs have not" in note or "Stopped after 0 of 2 trials" in note
    assert f"folder {tempfile.gettempdir()} has no room" in note and "\n" not in note
    again = train_it()
    assert again.note == "" and "failed" not in str(again).replace("0 failed", "")
    assert len(again if call == "sweep" else again.trials()) == 2


def test_a_fault_of_the_machine_is_no_result(data):
    class NoFileLeft(ThreadPoolExecutor):
        def submit(self, *_):
            raise OSError(errno.EMFILE, "Too many open files")

    with NoFileLeft(1) as pool:
        note = sweep([small()], data, pool).note
        assert "could not do it (Too many open files)." in note
        assert "(Too many open files)" in search(space, data, 1, executor=pool).note
    assert sweep([small()], data)[0].ok


@pytest.mark.parametrize(
    ("source", "method", "runs"),
    [
        ("sweep(configs, data, pool)", "spawn", False),
        ('if __name__ == "__main__":\n    sweep(configs, data, pool)', "spawn", True),
        ("sweep(configs, data, pool)", None, True),
    ],
)
def test_a_script_that_its_processes_would_run_again_is_named(
    source, method, runs, data, tmp_path, monkeypatch
):
    path, main = tmp_path / "script.py", types.ModuleType("__main__")
    path.write_text(source)
    main.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "__main__", main)
    pool = ThreadPoolExecutor(1)
    if method:
        pool._mp_context = multiprocessing.get_context(method)
    with pool:
        if runs:
            assert sweep([small()], data, pool)[0].ok
            return
        for call in (
            lambda: sweep([small()], data, pool),
            lambda: search(space, data, 1, executor=pool),
        ):
            with pytest.raises(
                ValueError, match='script.py.*`if __name__ == "__main'
            ) as e:
                call()
            assert "\n" not in str(e.value)


def test_the_same_config_twice_is_trained_once(data, threads):
    results = sweep([small(), small()], data, threads)
    assert len(results) == 2
    assert len(kept_runs(data)) == 1


def test_a_run_that_diverges_is_a_row_with_its_reason(data, threads):
    results = sweep(
        [small(), small(num_hiddens=256, num_layers=3, sigma=1, lr=1)], data, threads
    )
    assert [row.ok for row in results] == [True, False]
    assert "smaller lr" in results[1].reason
    assert 0 <= results[1].accuracy < 0.3
    assert "smaller lr" in str(results)


def test_the_table_counts_the_parameters_where_the_first_seed_has_failed():
    failed = Result(small(), "full", reason="failed", ok=False)
    other = Result(small(seed=1), "full", num_parameters=12_345, val_accuracy=(0.5,))
    assert re.search(r"0.500 +0.500 +0.500 +2 +12,345 ", str(Results([failed, other])))


def own(num_inputs, num_outputs):
    return torch.randn(num_inputs, num_outputs) * 0.01


def quits(num_inputs, num_outputs):
    sys.exit(2)


def broken(num_inputs, num_outputs):
    raise KeyError("mine")


def test_pictures_changed_in_place_are_other_data(data, threads):
    own = replace(data, train=replace(data.train, images=data.train.images.clone()))
    first = sweep([small()], own, threads)[0].accuracy
    own.train.images.zero_()
    assert sweep([small()], own, threads)[0].accuracy < first


def test_a_learners_own_init_is_trained_here_and_a_broken_one_is_a_row(data, threads):
    inits = [small(init=init) for init in (own, broken, quits)]
    results = sweep([*inits, small()], data, threads)
    assert [row.ok for row in results] == [True, False, False, True]
    assert results[1].reason == "failed with KeyError: 'mine'"
    assert results[2].reason == "failed with SystemExit: 2"
    assert list(kept_runs(data)) == [str(small())]


def test_recorded_results_stand_in_on_the_sample_and_say_so(data, tmp_path, threads):
    row = sweep([small()], data, threads)[0]
    line = as_kept(row, "the full data") | {"data": "full", "val_accuracy": [0.99]}
    packed = gzip.compress(json.dumps(line).encode() + b"\n")
    (tmp_path / "05.jsonl.gz").write_bytes(packed)
    results = sweep([small()], data, threads, recorded=tmp_path)
    assert results[0].accuracy == 0.99 and results[0].data == "full"
    assert "recorded on all of Fashion-MNIST" in results.note
    assert str(results).startswith(results.note)
    assert results.group("lr")[0.1].note == results[:1].note == results.note
    both = sweep([small(), small(seed=7)], data, threads, recorded=tmp_path)
    assert both.note.startswith("1 of the 2 runs were recorded on all")
    assert both.note in plot_sweep(both, "seed").text
    # What was measured on the test pictures is of another data set.
    last = sweep([small()], data.for_the_test(), threads, recorded=tmp_path)
    assert last[0].data == "sample, test"
    # Nor does a record stand in for other pictures that are called full.
    full = replace(data, source="full")
    assert not sweep([small()], full, threads, recorded=tmp_path)[0].recorded


@pytest.mark.slow
def test_the_last_measurement_trains_on_all_and_measures_on_the_test(data):
    last = data.for_the_test()
    with processes() as pool:  # which get it as a file
        result = sweep([small()], last, pool)[0]
    assert len(last.train) == 7000 and last.val is data.test
    assert result.val_accuracy[0] == pytest.approx(alone(small(), last)[0], abs=0.002)
    assert result.data == "sample, test"


def test_a_run_knows_the_two_halves_of_the_validation_pictures(data, threads):
    result = sweep([small()], data, threads)[0]
    first, second = result.val_halves
    assert first != second
    assert (first + second) / 2 == pytest.approx(result.accuracy, abs=1e-4)


def test_an_executor_that_is_shut_down_is_named(data):
    with ThreadPoolExecutor(1) as ended:
        pass
    with pytest.raises(RuntimeError, match="takes no more work") as error:
        sweep([small()], data, ended)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_what_is_shipped_is_small_and_still_true(full_data, tmp_path):
    assert (RECORDED / "05_hyperparameters.jsonl.gz").stat().st_size < 200_000
    assert sum(path.stat().st_size for path in RECORDED.glob("06_*")) < 300_000
    lines = [
        line
        for name in ("05_hyperparameters", "06_search")
        for line in gzip.open(RECORDED / f"{name}.jsonl.gz", "rt")
    ]
    configs = [Config.from_string(json.loads(line)["config"]) for line in lines]
    known = known_results(configs, share(full_data)).values()
    assert all(row.data == "full" and row.recorded for row in known)
    assert len(known) > 800
    quick = sorted(known, key=lambda row: cost(row.config))[:40:20]
    again = sweep([row.config for row in quick], full_data, recorded=tmp_path)
    for row, trained in zip(quick, again):
        expected = pytest.approx(row.val_accuracy, abs=0.005)
        assert trained.val_accuracy == expected, row.config


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b"no gzip", bytes.upper]
)
def test_a_damaged_record_is_named_and_nothing_trained_in_its_place(
    damage, data, tmp_path, threads
):
    line = as_kept(sweep([small()], data, threads)[0], data_fingerprint(data))
    path = tmp_path / "05.jsonl.gz"
    path.write_bytes(damage(gzip.compress(json.dumps(line).encode() * 50)))
    for call in (
        lambda: sweep([small(seed=1)], data, _NoExecutor(), recorded=tmp_path),
        lambda: search(space, data, 1, "05", None, _NoExecutor(), recorded=tmp_path),
    ):
        with pytest.raises(ValueError, match="record that came with the course") as e:
            call()
        assert str(path) in str(e.value) and "\n" not in str(e.value)
        path = path.rename(tmp_path / "05.journal.gz")
    path.unlink()
    assert sweep([small(seed=1)], data, threads, recorded=tmp_path)[0].ok


def test_a_record_that_is_missing_is_named_once(data, tmp_path, threads, capsys):
    assert {path.name for path in RECORDED.iterdir()} == {*SHIPPED}

    def said(call, *arguments):
        call(*arguments, executor=threads, recorded=tmp_path)
        return re.findall(r"(\S+), a record .* missing", capsys.readouterr().out)

    assert said(sweep, [small()], data) == [str(tmp_path / name) for name in SWEEPS]
    assert said(sweep, [small(seed=1)], data) == []
    joint = str(tmp_path / "06_joint.journal.gz")
    assert said(search, space, data, 1, "06_joint") == [joint]
    assert said(search, space, data, 1, "mine") == []


def test_groups_have_mean_and_spread(data, threads):
    configs = [small(lr=lr, seed=seed) for lr in (0.1, 0.3) for seed in range(3)]
    groups = sweep(configs, data, threads).group("lr")
    assert list(groups) == [0.1, 0.3]
    for runs in groups.values():
        low, high = runs.spread
        assert len(runs) == 3 and low <= runs.mean <= high
    assert list(groups[0.1].group("lr", "seed")) == [(0.1, 0), (0.1, 1), (0.1, 2)]
    with pytest.raises(ValueError, match="no setting 'learning_rate'"):
        groups[0.1].group("learning_rate")


@pytest.mark.slow
@pytest.mark.parametrize("where", ["here", "in processes"])
def test_stop_keeps_what_is_done_and_the_next_goes_on(data, where):
    short = [small(seed=seed) for seed in (0, 1)]
    long = [small(num_epochs=900, seed=seed, dropout=0.1) for seed in (0, 1)]
    assert len(sweep(short, data)) == 2
    shared = share(data)

    def stop_soon():
        while not all(resume(config, shared).epoch for config in long):
            time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)

    with nullcontext() if where == "here" else processes() as executor:
        Thread(target=stop_soon).start()
        results = sweep(short + long, data, executor, keep_every=0)
        assert len(results) == 2
        assert results.note.startswith("Stopped: 2 of 4 runs have not been trained.")
        runs = [resume(config, shared) for config in long]
        for run in runs:
            assert 0 < run.epoch < 900
            # As if it had been stopped shortly before its end.
            before = {name: (0.5,) * 898 for name in ("train_loss", "val_accuracy")}
            run.result = replace(run.result, **before)
        keep(runs, shared)
        for run in sweep(long, data, executor):
            assert run.ok and len(run.val_accuracy) == 900
            assert run.val_accuracy[:898] == before["val_accuracy"]
    assert not any(resume(config, shared).epoch for config in long)  # nothing is left


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a fork server")
def test_a_kernel_that_is_killed_loses_no_more_than_a_minute(data, home):
    server = multiprocessing.get_context("forkserver")
    kernel = server.Process(target=_endless_sweep, args=(home,))
    kernel.start()
    config, shared = small(num_hiddens=64, num_epochs=900), share(data)
    while not (epoch := resume(config, shared).epoch):
        assert kernel.is_alive()
        time.sleep(0.05)
    kernel.kill()
    kernel.join()
    assert resume(config, shared).epoch >= epoch


def _endless_sweep(home):
    os.environ["COURSE_HOME"] = str(home)
    config = small(num_hiddens=64, num_epochs=900)
    sweep([config], load_fashion_mnist("sample"), keep_every=0)


def test_a_run_that_fails_under_way_is_tried_again(data, monkeypatch):
    """It may have been the machine's fault."""
    epoch = Stack.epoch

    def fails(self):
        if self.members[0].epoch == 1:
            raise MemoryError("for now")
        return epoch(self)

    config = small(num_epochs=2)
    with monkeypatch.context() as patched:
        patched.setattr(Stack, "epoch", fails)
        failed = sweep([config], data)[0]
    assert not failed.ok and failed.reason == "failed with MemoryError: for now"
    again = sweep([config], data)[0]
    assert again.ok and again.val_accuracy[:1] == failed.val_accuracy


def test_a_learners_own_init_does_not_go_on_with_what_has_its_name(data):
    def kaiming(num_inputs, num_outputs):
        return torch.zeros(num_inputs, num_outputs)

    named, shared = Member(Result(small(init="kaiming", num_epochs=3), "")), share(data)
    for _ in train_epochs([named], shared, 1):
        pass
    keep([named], shared)
    assert resume(named.config, shared).epoch == 1
    assert resume(replace(named.config, init=kaiming), shared).epoch == 0


def test_a_signal_is_not_taken_for_a_failure(data, monkeypatch):
    """`make recorded` answers a Stop with SystemExit."""

    def leaves(*_):
        raise SystemExit

    number = signal.SIGINT
    monkeypatch.setattr(Member, "begin", lambda *_: signal.raise_signal(number))
    before = signal.signal(number, leaves)
    try:
        with pytest.raises(SystemExit):
            sweep([small()], data)
    finally:
        signal.signal(number, before)


@pytest.mark.slow
def test_a_process_that_dies_costs_no_other_run(data):
    class Killer(Executor):
        """Kills its processes once, after the second run was handed in."""

        submitted = 0

        def submit(self, *arguments):
            future = pool.submit(*arguments)
            self.submitted += 1
            if self.submitted == 2:
                for process in list(pool._processes.values()):
                    process.kill()
            return future

    configs = [small(seed=seed) for seed in range(4)]
    with processes() as pool:
        results = sweep(configs, data, Killer())
    assert len(results) == 4
    assert all("worker of your exec" in row.reason for row in results if not row.ok)
    assert not all(row.ok for row in results)
    assert all(row.ok for row in sweep(configs, data))


@pytest.mark.parametrize(
    "arguments, error, named",
    [
        ((Config(),), TypeError, "needs a list of Configs.*you gave Config"),
        ((3,), TypeError, "you gave int"),
        (([Config(), "lr=0.1"],), TypeError, "you gave str"),
        (([],), ValueError, "empty list"),
    ],
)
def test_bad_configs_are_named(arguments, error, named, data):
    with pytest.raises(error, match=named):
        sweep(*arguments, data)


def test_bad_data_and_executors_are_named(data):
    with pytest.raises(TypeError, match="load_fashion_mnist.*you gave torch.float32"):
        sweep([small()], data.train.images)
    for other, found in ((4, "int"), (ThreadPoolExecutor, "type")):
        with pytest.raises(TypeError, match=f"executor must be.*you gave {found}"):
            sweep([small()], data, executor=other)
