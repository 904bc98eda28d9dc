"""Sweeps and searches on a real cluster of two workers, on this machine."""

import os
import re
import signal
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from dask import config as dask_config
from distributed import Client, LocalCluster
from distributed.utils import get_mp_context
from processes import PRELOADED

from helpers import Config, search, sweep
from helpers.tuning import shared_data
from helpers.tuning.shared_data import share
from helpers.tuning.study_file import study_location
from listening import HERE, listening

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home")]
DASHBOARD = "127.0.0.1:0"  # any port
METHOD = "distributed.worker.multiprocessing-method"
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "06_search.ipynb"


@pytest.fixture(scope="module")
def cluster():
    """Two workers, forks of a server that has loaded PyTorch: quick, and again."""
    with dask_config.set({METHOD: "forkserver"}):
        get_mp_context().set_forkserver_preload([*PRELOADED, "distributed"])
        with LocalCluster(2, threads_per_worker=1, dashboard_address=DASHBOARD) as two:
            yield two


@pytest.fixture(scope="module")
def client(cluster):
    with Client(cluster) as client:
        yield client


def small(**fields):
    return Config(**{"num_hiddens": 8, "num_epochs": 1} | fields)


def space(trial):
    lr = trial.suggest_float("lr", 0.01, 1, log=True)
    return Config(num_hiddens=8, num_epochs=3, lr=lr)


def test_a_cluster_trains_what_this_machine_would(client, data, tmp_path, monkeypatch):
    configs = [small(seed=seed) for seed in range(4)]
    here = dict(zip(configs, sweep(configs, data)))
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "another"))
    results = sweep(configs, data, executor=client.get_executor())
    assert [row.config for row in results] == configs
    for row in results:
        assert row.accuracy == pytest.approx(here[row.config].accuracy, abs=0.005)


def test_each_worker_loads_the_data_once_for_itself(client, data):
    def what_is_here():
        return id(shared_data._here)

    sweep([small(seed=seed) for seed in range(10, 14)], data, client.get_executor())
    before = client.run(what_is_here)
    sweep([small(seed=seed) for seed in range(4)], data, client.get_executor())
    assert client.run(what_is_here) == before


def test_on_another_machine_a_worker_finds_the_data_itself(client, data, tmp_path):
    shared = share(data)
    _, (_, fingerprint, origin, pid) = shared.__reduce__()
    no_file = str(tmp_path / "no file")

    def arrive(fingerprint):  # in here, so that no worker has to import this file
        shared = shared_data._load(no_file, fingerprint, origin, 0)
        return len(shared.data.train), shared.fingerprint

    assert client.submit(arrive, fingerprint).result() == (6000, fingerprint)
    with pytest.raises(ValueError, match="has different data"):
        client.submit(arrive, "of other data").result()


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(client, data, tmp_path):
    victim = next(iter(client.run(os.getpid).values()))
    finished = []

    def kill_after_two(config, result):
        finished.append(config)
        if len(finished) == 2:
            os.kill(victim, signal.SIGKILL)

    configs = [small(seed=seed, num_epochs=3) for seed in range(6)]
    executor = _Telling(client.get_executor(), kill_after_two)
    results = sweep(configs, data, executor=executor)
    assert [row.config for row in results] == configs
    assert all(row.ok for row in results)
    client.wait_for_workers(2, timeout=60)
    assert victim not in client.run(os.getpid).values()


class _Telling(Executor):
    """An executor that says when a run is done."""

    def __init__(self, executor, tell):
        self._executor, self._tell = executor, tell

    def submit(self, function, config, *values):
        future = self._executor.submit(function, config, *values)
        future.add_done_callback(lambda done: self._tell(config, done))
        return future


def test_a_search_on_a_cluster_survives_a_killed_worker(client, data):
    victim = next(iter(client.run(os.getpid).values()))
    done = []

    def kill_after_three(config, result):
        done.append(config)
        if len(done) == 3:
            os.kill(victim, signal.SIGKILL)

    executor = _Telling(client.get_executor(), kill_after_three)
    found = search(space, data, num_trials=6, name="mine", executor=executor)
    assert len(found.trials()) == 6 and "0 failed" in str(found)
    assert victim not in client.run(os.getpid).values()
    assert len(search(space, data, num_trials=6, name="mine").trials()) == 6


def test_a_client_in_the_place_of_its_executor_is_named(cluster, data):
    with Client(cluster) as client:
        for call in (
            lambda: sweep([small()], data, executor=client),
            lambda: search(space, data, 1, executor=client),
        ):
            with pytest.raises(TypeError, match=r"client\.get_executor.*gave Client"):
                call()


def test_the_executor_of_a_closed_client_is_named(cluster, data):
    with Client(cluster) as gone:
        executor = gone.get_executor()
    for call in (
        lambda: sweep([small()], data, executor=executor),
        lambda: search(space, data, 1, executor=executor),
    ):
        with pytest.raises(RuntimeError, match="takes no more work"):
            call()


def test_what_the_notebook_says_about_a_cluster_runs_there(data):
    cells = nbformat.read(NOTEBOOK, 4).cells
    text = next(c.source for c in cells if "from distributed" in c.source)
    source = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    source = source.replace("num_trials=20", "num_trials=2")

    def heard(*arguments, **options):
        """All that listens is for this machine alone."""
        assert listening() <= HERE
        return sweep(*arguments, **options)

    names = {"Config": Config, "replace": replace, "sweep": heard, "search": search}
    for known in ("space = {", "def first_space("):  # what it takes from the lesson
        exec(next(c.source for c in cells if c.source.startswith(known)), names)
    with dask_config.set({METHOD: "spawn"}):  # as it is for a learner
        exec(source, names | {"data": data}, names)
    assert len(names["runs"]) == 3 and len(names["found"].trials()) == 2
    assert study_location("cluster").exists()
