"""Groups of runs: how they are cut, and what becomes of a group that fails."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from helpers import Config
from helpers.tuning import groups
from helpers.tuning.groups import grouped, train_epochs, train_with
from helpers.tuning.members import Member, Stack
from helpers.tuning.results import Result
from helpers.tuning.shared_data import share
from helpers.tuning.stop import DeferredStop


def fresh(*configs):
    return [Member(Result(config, "sample")) for config in configs]


def configs_of(group):
    return {run.config for run in group}


def test_runs_of_one_shape_are_together_and_no_run_is_lost():
    table = [
        Config(num_layers=layers, lr=lr, seed=seed, num_hiddens=8)
        for layers, lr, seed in product((1, 2), (0.1, 0.2, 0.3), range(3))
    ]
    others = [Config(num_hiddens=8, optimizer="adam"), Config(batch_size=32)]
    cut = grouped(fresh(*table, *others))
    assert sorted(map(len, cut)) == [1, 1, 9, 9]
    assert set().union(*map(configs_of, cut)) == {*table, *others}


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_groups_are_cut_so_that_all_workers_are_busy(workers):
    cut = grouped(fresh(*(Config(seed=seed) for seed in range(24))), workers)
    assert len(cut) >= workers
    assert max(map(len, cut)) <= 24 / workers


@pytest.mark.parametrize("large", [{"num_hiddens": 4096}, {"batch_size": 50_000}])
def test_what_takes_much_memory_comes_in_small_groups(large):
    cut = grouped(fresh(*(Config(**large, seed=seed) for seed in range(6))))
    assert len(cut) == 6


def test_in_a_group_each_seed_has_as_many_runs():
    """So those that see the same pictures can share a product."""
    many = [Config(lr=lr, seed=0) for lr in (0.1, 0.2, 0.3, 0.4)]
    few = [Config(lr=lr, seed=seed) for lr in (0.1, 0.2) for seed in (1, 2)]
    cut = grouped(fresh(*many, *few))
    assert [configs_of(group) for group in cut] == [set(many), set(few)]


def test_a_group_that_fails_is_halved_until_it_is_known_who_fails(data, monkeypatch):
    def too_many(members, data):
        seeds = {member.config.seed for member in members}
        if len(members) > 2 or 5 in seeds:
            raise RuntimeError("out of memory")
        return Stack(members, data)

    monkeypatch.setattr(groups, "Stack", too_many)
    runs = fresh(*(Config(num_hiddens=8, num_epochs=1, seed=s) for s in range(6)))
    for _ in train_epochs(runs, share(data)):
        pass
    assert [run.result.ok for run in runs] == [True] * 5 + [False]
    assert runs[5].result.reason == "failed with RuntimeError: out of memory"


class _Fails:
    """An executor whose tasks fail if seed 1 is among their runs."""

    _max_workers = 1

    def __init__(self, executor):
        self._executor = executor

    def submit(self, function, group, *values):
        if any(run.config.seed == 1 for run in group):
            function = _fail
        return self._executor.submit(function, group, *values)


def _fail(*_):
    raise MemoryError("on the worker")


def test_what_fails_on_a_worker_costs_no_other_run(data):
    runs = fresh(*(Config(num_hiddens=8, num_epochs=3, seed=s) for s in range(4)))
    with ThreadPoolExecutor(1) as pool, DeferredStop() as stop:
        ended = {
            run.config.seed: run.result
            for group, _ in train_with(_Fails(pool), runs, share(data), stop)
            for run in group
            if run.ended
        }
    assert [ended[seed].ok for seed in range(4)] == [True, False, True, True]
    assert ended[1].reason == "failed with MemoryError: on the worker"
    assert len(ended[0].val_accuracy) == 3
