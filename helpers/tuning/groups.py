"""Groups of runs, each trained as one stack: here, or as tasks of an executor."""

import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import replace
from typing import TypeVar

import torch

from helpers.language import tr
from helpers.tuning.cost import cost, num_weights
from helpers.tuning.executors import MachineFailed, num_workers, result_of, submit
from helpers.tuning.members import Member, Stack, pictures_of, shape_of
from helpers.tuning.shared_data import Shared
from helpers.tuning.stop import DeferredStop

T = TypeVar("T")
Group = list[Member]
# Runs that are trained side by side, and how much they have had of an epoch; 1: they
# are as they are after it, or have failed.
Trained = tuple[Group, float]

# Runs in one group, their weights, and the pictures in all their batches. With more the
# caches of a processor are too small, and eight runs would be faster than thirty. On an
# H100, 60 runs of four layers of 128 took 1.4 times as long as 21.
MOST = {"cpu": (32, 3_200_000, 25_000), "gpu": (128, 25_000_000, 100_000)}
# Groups that take turns. On an H100, 600 runs took 10.8 s with one and 7.0 with four.
AT_ONCE = {"cpu": 1, "gpu": 4}
ENOUGH_RUNS = 8  # in one group: from here on, more gain little
EPOCHS_A_TASK = 2  # what a worker that dies costs its group

LOST_WITH_EXECUTOR = tr(
    "not trained: a worker of your executor died and took the executor with it; make a "
    "new one and run it again"
)


def train_here(runs: Group, shared: Shared, stop: DeferredStop) -> Iterator[Trained]:
    """Train all of them in this process; yields what is `Trained` after each step."""
    waiting, under_way = grouped(runs), []
    while waiting or under_way:
        while waiting and len(under_way) < AT_ONCE[_kind(waiting[0][0].config)]:
            under_way.append(_in_own_stream(waiting.pop(0), shared))
        for group in list(under_way):
            stop.obey()
            trained = next(group, None)
            if trained is None:
                under_way.remove(group)
            else:
                yield trained


def _kind(config):
    return "cpu" if torch.device(config.device).type == "cpu" else "gpu"


def _in_own_stream(group, shared):
    """As `train_epochs`; what is in several streams, a GPU does side by side."""
    trained, device = train_epochs(group, shared), torch.device(group[0].config.device)
    if device.type != "cuda":
        yield from trained
        return
    stream = torch.cuda.Stream(device)
    while True:
        with torch.cuda.stream(stream):
            step = next(trained, None)
        if step is None:
            return
        if step[1] == 1:
            stream.synchronize()  # the runs will be read elsewhere
        yield step


def train_with(
    executor: Executor, runs: Group, shared: Shared, stop: DeferredStop
) -> Iterator[Trained]:
    """Train all of them as tasks of an executor, two epochs of a group at a time.

    Yields what is `Trained` after each task.
    """
    workers = num_workers(executor)
    # The longest first, so that no worker waits long at the end.
    waiting = sorted(grouped(runs, workers), key=_cost, reverse=True)
    futures, lost = {}, []
    try:
        while waiting or futures:
            try:
                while waiting and len(futures) < workers:
                    stop.obey()
                    future = submit(executor, train_task, waiting[0], shared)
                    futures[future] = waiting.pop(0)
            except BrokenExecutor:
                lost, waiting = [*lost, *waiting], []
            for future in stop.wait(futures) if futures else ():
                group = futures.pop(future)
                try:
                    group = result_of(future)
                except BrokenExecutor:
                    lost.append(group)
                    continue
                except MachineFailed:
                    raise
                except Exception as error:  # one of them may be why
                    if len(group) > 1:
                        waiting[:0] = _halves(group)
                        continue
                    group[0].fail(error)
                yield group, 1
                if group := _going_on(group):
                    waiting.insert(0, group)
    finally:
        for future in futures:
            future.cancel()
    for run in (run for group in lost for run in group):
        run.result = replace(run.result, reason=LOST_WITH_EXECUTOR, ok=False)
        yield [run], 1


def train_task(group: Group, shared: Shared, num_epochs: int = EPOCHS_A_TASK) -> Group:
    """The same runs after some more epochs, or as many as they still need."""
    if os.getpid() != shared.pid:
        torch.set_num_threads(1)  # the other cores have groups of their own
    for _ in train_epochs(group, shared, num_epochs):
        pass
    return group


def train_epochs(
    group: Group, shared: Shared, num_epochs: int | None = None
) -> Iterator[Trained]:
    """Train runs of one shape side by side, even if some fail.

    num_epochs: None: to their end. Yields what is `Trained` after each step.
    """
    data = shared.on(group[0].config.device)
    for run in group:
        try:
            if not run.weights:
                run.begin(shared.data)
        except (Exception, SystemExit) as error:  # anything, from the learner's init
            if isinstance(error, SystemExit) and not callable(run.config.init):
                raise  # a signal's
            run.fail(error)
    yield [run for run in group if run.ended], 1
    stack, halves = None, []
    try:
        while (group := _going_on(group)) and num_epochs != 0:
            if stack is None or len(stack.members) > len(group):
                stack = Stack(group, data)
            for step, _ in enumerate(stack.epoch()):
                yield group, min(step / stack.num_steps, 0.99)
            num_epochs = num_epochs and num_epochs - 1
            yield group, 1
    except Exception as error:  # they may be too many for the memory
        if len(group) == 1:
            group[0].fail(error)
            yield group, 1
        else:
            halves = _halves(group)
    stack = None
    for half in halves:
        yield from train_epochs(half, shared, num_epochs)


def _going_on(group):
    return [run for run in group if not run.ended]


def _halves(group):
    return list(_cut(group, -(-len(group) // 2)))


def _cost(group):
    return sum(cost(run.config) for run in group)


def grouped(runs: Group, workers: int = 1) -> list[Group]:
    """Runs of one shape together, cut into groups that keep all workers busy.

    In a group each seed has the same number of runs, so that those that see the same
    pictures can share a product.
    """
    groups, share = [], _cost(runs) / workers
    for alike in _by(lambda run: shape_of(run.config), runs):
        config = alike[0].config
        most, weights, pictures = MOST[_kind(config)]
        most = min(weights // num_weights(config), pictures // config.batch_size, most)
        if workers > 1:  # several groups for each, but no needlessly small ones
            fair = share / cost(config)
            most = min(most, int(max(fair / 8, min(fair, ENOUGH_RUNS))))
        most = max(most, 1)
        blocks = [
            block for same in _by(pictures_of, alike) for block in _cut(same, most)
        ]
        for equal in _by(len, blocks):
            for some in _cut(equal, max(1, most // len(equal[0]))):
                groups.append([run for block in some for run in block])
    return groups


def _by(key: Callable[[T], Hashable], items: Iterable[T]) -> Iterable[list[T]]:
    """The items in lists, each of those with one key."""
    lists = {}
    for item in items:
        lists.setdefault(key(item), []).append(item)
    return lists.values()


def _cut(items: list[T], most: int) -> Iterator[list[T]]:
    """The items in as few lists as possible, of about the same length."""
    count = -(-len(items) // most)
    for i in range(count):
        yield items[i * len(items) // count : (i + 1) * len(items) // count]
