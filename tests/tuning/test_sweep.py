"""Sweeps: many trainings, in real processes, and what is kept of them."""

import gzip
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers import Config, load_fashion_mnist, plot_sweep, sweep, train
from helpers.tuning import kept, task
from helpers.tuning.shared_data import share


@pytest.fixture(scope="module")
def data():
    return load_fashion_mnist("sample")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Nothing is known yet, and what is learned stays here."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(kept, "RECORDED", tmp_path / "recorded")
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


def lines_kept(home):
    return [line for line in (home / "sweeps.jsonl").read_text().splitlines() if line]


def test_processes_train_what_this_one_would(data):
    configs = [small(num_epochs=2, seed=seed) for seed in (2, 0, 1)]
    results = sweep(configs, data)
    assert [row.config for row in results] == configs
    for row in results:
        assert list(row.val_accuracy) == pytest.approx(alone(row.config, data))
        assert len(row.train_loss) == len(row.val_loss) == 2
        assert row.ok and row.reason.startswith("done")
        assert row.num_parameters == 784 * 8 + 8 + 8 * 10 + 10


def test_any_executor_will_do(data):
    with ThreadPoolExecutor(2) as threads:
        results = sweep([small(), small(seed=1)], data, threads)
    assert len(results) == 2 and all(row.ok for row in results)


def test_processes_share_the_data_of_this_one(data):
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as processes:
        shared = share(data)
        mapped, threads = processes.submit(_what_it_holds, shared).result()
        assert processes.submit(_what_it_holds, shared).result()[0] == mapped
    assert mapped.endswith("data.pt")


def _what_it_holds(shared):
    start = shared.data.train.images.data_ptr()
    for line in open("/proc/self/maps"):
        first, last = (int(end, 16) for end in line.split()[0].split("-"))
        if first <= start < last:
            return line.split()[-1], id(shared)


def test_what_is_known_is_not_trained_again(data, home):
    first = sweep([small(), small(seed=1)], data)
    before = (home / "sweeps.jsonl").read_text()
    again = sweep([small(seed=1), small()], data, executor=_NoExecutor())
    assert [row.accuracy for row in again] == pytest.approx(first.accuracies[::-1])
    assert (home / "sweeps.jsonl").read_text() == before


class _NoExecutor:
    def submit(self, *_):
        raise AssertionError("there was nothing to train")


def test_a_line_cut_short_costs_only_itself(data, home, threads):
    sweep([small(), small(seed=1)], data, threads)
    lines = lines_kept(home)
    (home / "sweeps.jsonl").write_text(lines[0] + "\n" + lines[1][:50] + "\n[3]\n")
    assert len(sweep([small(), small(seed=1)], data, threads)) == 2
    assert len(lines_kept(home)) == 4


def test_other_data_and_another_version_are_trained_anew(
    data, home, monkeypatch, threads
):
    sweep([small()], data, threads)
    monkeypatch.setattr(kept, "RESULTS_VERSION", kept.RESULTS_VERSION + 1)
    sweep([small()], data, threads)
    assert len(lines_kept(home)) == 2


def test_where_nothing_can_be_kept_it_still_trains(data, home, threads):
    home.write_text("a file stands where the folder should be")
    assert sweep([small()], data, threads)[0].ok


def test_the_same_config_twice_is_trained_once(data, home, threads):
    results = sweep([small(), small()], data, threads)
    assert len(results) == 2
    assert len(lines_kept(home)) == 1


def test_a_run_that_diverges_is_a_row_with_its_reason(data, threads):
    results = sweep(
        [small(), small(num_hiddens=256, num_layers=3, sigma=1, lr=1)], data
    )
    assert [row.ok for row in results] == [True, False]
    assert "smaller lr" in results[1].reason
    assert 0 <= results[1].accuracy < 0.3
    assert "smaller lr" in str(results)


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


def test_a_run_that_takes_its_process_down_leaves_the_others(data, monkeypatch):
    monkeypatch.setattr(task, "train_one", _dies_when_wide)
    configs = [small(seed=1), small(seed=2), small(num_hiddens=512)]
    results = sweep(configs, data)
    assert [row.ok for row in results] == [True, True, False]
    assert "died 2 times or more" in results[2].reason


def _dies_when_wide(config, shared):
    if config.num_hiddens == 512:
        os.kill(os.getpid(), signal.SIGKILL)
    return task.train_one(config, shared)


def test_a_learners_own_init_is_trained_here_and_a_broken_one_is_a_row(
    data, home, threads
):
    inits = [small(init=init) for init in (own, broken, quits)]
    results = sweep([*inits, small()], data, threads)
    assert [row.ok for row in results] == [True, False, False, True]
    assert results[1].reason == "failed with KeyError: 'mine'"
    assert results[2].reason == "failed with SystemExit: 2"
    assert len(lines_kept(home)) == 1


def test_recorded_results_stand_in_on_the_sample_and_say_so(data, tmp_path, threads):
    row = sweep([small()], data, threads)[0]
    (tmp_path / "recorded").mkdir()
    line = json.loads(kept.to_line(row, "the full data"))
    line |= {"data": "full", "val_accuracy": [0.99]}
    packed = gzip.compress(json.dumps(line).encode() + b"\n")
    (tmp_path / "recorded" / "05.jsonl.gz").write_bytes(packed)
    results = sweep([small()], data, threads)
    assert results[0].accuracy == 0.99 and results[0].data == "full"
    assert "recorded on all of Fashion-MNIST" in results.note
    assert str(results).startswith(results.note)
    assert results.group("lr")[0.1].note == results[:1].note == results.note
    both = sweep([small(), small(seed=7)], data, threads)
    assert both.note.startswith("1 of the 2 runs were recorded on all")
    assert both.note in plot_sweep(both, "seed").text
    # What was measured on the test pictures is of another data set.
    assert sweep([small()], data.for_the_test(), threads)[0].data == "sample, test"


def test_the_last_measurement_trains_on_all_and_measures_on_the_test(data):
    last = data.for_the_test()
    result = sweep([small()], last)[0]  # in a process, which gets it as a file
    assert len(last.train) == 7000 and last.val is data.test
    assert result.val_accuracy[0] == pytest.approx(alone(small(), last)[0])
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


def test_what_is_shipped_is_small_and_still_true(full_data, monkeypatch):
    folder = Path(kept.__file__).parent / "recorded"
    monkeypatch.setattr(kept, "RECORDED", folder)
    assert (folder / "05_hyperparameters.jsonl.gz").stat().st_size < 200_000
    assert sum(path.stat().st_size for path in folder.glob("06_*")) < 300_000
    known = kept.known_results(share(full_data)).values()
    assert all(row.data == "full" and row.recorded for row in known)
    assert len(known) > 800
    quick = sorted(known, key=lambda row: task.cost(row.config))[:40:20]
    for row in quick:
        again = alone(row.config, full_data)
        assert list(row.val_accuracy) == pytest.approx(again, abs=0.005), row.config


def test_groups_have_mean_and_spread(data, threads):
    configs = [small(lr=lr, seed=seed) for lr in (0.1, 0.3) for seed in range(3)]
    groups = sweep(configs, data, threads).group("lr")
    assert list(groups) == [0.1, 0.3]
    for runs in groups.values():
        low, high = runs.spread
        assert len(runs) == 3 and low <= runs.mean <= high
    assert list(groups[0.1].group("lr", "seed")) == [(0.1, 0), (0.1, 1), (0.1, 2)]
    with pytest.raises(ValueError, match="not 'learning_rate'"):
        groups[0.1].group("learning_rate")


@pytest.mark.parametrize("whom", ["the kernel alone", "its workers too"])
def test_stop_keeps_what_is_done_and_the_next_goes_on(data, home, whom):
    code = (
        "from helpers import Config, load_fashion_mnist, sweep\n"
        "if __name__ == '__main__':\n"
        "    data = load_fashion_mnist('sample')\n"
        "    short = [Config(num_hiddens=4, num_epochs=1, seed=s) for s in (0, 1)]\n"
        "    long = [Config(num_hiddens=512, num_epochs=900, seed=s) for s in (0, 1)]\n"
        "    fast = sweep(short, data)\n"
        "    print(len(fast), flush=True)\n"
        "    results = sweep(short + long, data)\n"
        "    print(len(results), results.note)\n"
    )
    path = home.with_name("run.py")
    path.write_text(code)
    running = subprocess.Popen(
        [sys.executable, path],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    for line in running.stdout:
        if line == "2\n":
            break
    time.sleep(1)  # into the second sweep; earlier or later tests the same
    if whom == "the kernel alone":
        running.send_signal(signal.SIGINT)
    else:
        os.killpg(running.pid, signal.SIGINT)
    said = running.communicate(timeout=60)[0]
    assert said.startswith("2 Stopped: 2 of 4 runs have not been trained.")
    assert running.returncode == 0


def test_a_process_that_dies_costs_no_other_run(data):
    class Killer(ProcessPoolExecutor):
        """Kills its processes once, after the second run was handed in."""

        killed = False

        def submit(self, *arguments):
            future = super().submit(*arguments)
            if not self.killed and len(self._processes) == 2:
                self.killed = True
                for process in self._processes.values():
                    process.kill()
            return future

    spawn = multiprocessing.get_context("spawn")
    with Killer(2, mp_context=spawn) as processes:
        results = sweep([small(seed=seed) for seed in range(4)], data, processes)
    assert len(results) == 4
    assert all("worker of your exec" in row.reason for row in results if not row.ok)
    assert not all(row.ok for row in results)
    again = sweep([small(seed=seed) for seed in range(4)], data)
    assert all(row.ok for row in again)


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
    with pytest.raises(TypeError, match="load_fashion_mnist.*you gave Tensor"):
        sweep([small()], data.train.images)
    with pytest.raises(TypeError, match="executor must be.*you gave int"):
        sweep([small()], data, executor=4)
