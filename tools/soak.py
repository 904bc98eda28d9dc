"""Use the course hard for ten minutes, and see what is left of it: `make soak`.

First a kernel with a lab that trains gets 1,000 moves of its sliders, in bursts from
several threads, and Stop in between; then 20 labs open and close in it. Afterwards
kernels sweep and search under one name, and are killed at random. No thread, process,
file or temporary folder may be left, the kernel may hold 20 MB more at most, and
nothing that was kept may be lost.

What a kernel holds is what it has asked of the C library (glibc) and not given back.
What it occupies is more, by what glibc keeps free in pieces; this comes and goes.

    python tools/soak.py [minutes]
"""

import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[1]
MOVES, THREADS, EACH, NUM_LABS = 1000, 4, 25, 20  # EACH: moves of a thread in a burst
MORE = {"threads": 0, "processes": 0, "files": 5, "memory": 20}  # MB
PATIENCE = 120  # s until a cell has to be over
STOP = "KeyboardInterrupt"
PREFIX = "one-line-of-pytorch-"  # of the course's temporary folders
OTHER = "{what}: {before:.0f} at first, {after:.0f} in the end"
LOST = "lost: {lost}"
LEFT = "left behind: {what}"
GROWN = (
    "After {moves:,} moves and {labs} labs the kernel holds {memory:.1f} MB more, and "
    "occupies {resident:.1f} MB more."
)
KILLED = "Killed {kills} kernels; {runs} runs and {trials} trials are kept."
WELL = "Nothing is left behind, and nothing is lost."

OPEN = """
import ctypes, gc, json, random, threading, time
import psutil
from helpers import *
data, this = load_fashion_mnist("sample"), psutil.Process()
glibc = ctypes.CDLL(None)
fields = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
glibc.mallinfo2.restype = type("mallinfo2", (ctypes.Structure,), {{
    "_fields_": [(name, ctypes.c_size_t) for name in fields.split()]}})

def counted():
    gc.collect()
    glibc.malloc_trim(0)
    held = glibc.mallinfo2()
    return {{"threads": threading.active_count(),
             "files": this.num_fds(),
             "processes": len(this.children(recursive=True)),
             "memory": (held.uordblks + held.hblkhd) / 1e6,
             "resident": this.memory_info().rss / 1e6}}

def burst(shown, moves):
    def move():
        for _ in range(moves):
            control = random.choice([*shown._controls.values()])
            control.value = random.choice(control.options)[1]
            time.sleep(random.choice((0, 0, 0.05)))
    movers = [threading.Thread(target=move) for _ in range({threads})]
    for one in movers: one.start()
    for one in movers: one.join()

def labs(count):
    for _ in range(count):
        shown = lab(data, ("num_hiddens", "num_layers", "lr"), num_epochs=1)
        shown.start()
        burst(shown, 2)
        shown.close()
"""
LAB = """
shown = lab(data, ("num_hiddens", "num_layers", "lr", "batch_size"), num_epochs=3)
shown.start()
"""
BURST = "burst(shown, {moves})"
STOPPED = "while True: time.sleep(0.01)"
STOPPED_SWEEP = """
configs = [Config(num_hiddens=8, num_epochs=100, seed=seed) for seed in range(200)]
assert sweep(configs, data).note.startswith("Stopped")
"""
LABS = "labs({count})"
# Every 10 seconds ipykernel closes the sockets of threads that have ended.
COUNT = """
shown.close()
del shown
time.sleep(12)
print(json.dumps(counted()))
"""
SPACE = """
import json
from helpers import *
from helpers.tuning.kept import own_runs
from helpers.tuning.shared_data import data_fingerprint
data = load_fashion_mnist("sample")

def space(trial):
    lr = trial.suggest_float("lr", 0.01, 1, log=True)
    return Config(lr=lr, num_hiddens=8, num_epochs=9)
"""
KEPT = """
found = search(space, data, 1, name="soak")
runs = {run["config"]: run["val_accuracy"] for run in own_runs(data_fingerprint(data))}
trials = {trial.number: trial.value for trial in found.trials()}
print(json.dumps(runs | trials))
"""
SWEEP = """
sweep([Config(num_hiddens=width, num_epochs=9, seed=seed)
       for seed in range({number}) for width in (8, 16, 32)], data)
"""
SEARCH = """
search(space, data, 5 * {number}, name="soak")
"""


def main() -> None:
    """Both parts; the exit status is 1 where anything is left behind or lost."""
    minutes = float(sys.argv[1]) if sys.argv[1:] else 10
    end = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as home:
        folders = {"COURSE_HOME": home, "TMPDIR": home, "PYTHONPATH": str(ROOT)}
        os.environ.update(folders, FASHION_MNIST_ROOT="sample")
        wrong = [*one_kernel(), *many_kernels(end)]
        left = [path.name for path in Path(home).glob(f"{PREFIX}*")]
    left += map(str, psutil.Process().children(recursive=True))
    wrong += [LEFT.format(what=one) for one in left]
    print("\n".join(wrong) or WELL)
    sys.exit(bool(wrong))


def one_kernel() -> list[str]:
    """What is wrong with a kernel after many moves, Stops and labs."""
    with kernel() as (manager, _, run):

        def stop(source):
            press = threading.Timer(1, manager.interrupt_kernel)
            press.start()
            run(source)
            press.join()

        def used(bursts, labs):
            run(LAB)
            for _ in range(bursts):
                run(BURST.format(moves=EACH))
                stop(STOPPED)
            stop(STOPPED_SWEEP)
            run(LABS.format(count=labs))
            return json.loads(run(COUNT))

        run(OPEN.format(threads=THREADS))
        first = used(2, 5)  # it has loaded what it needs, and has its memory
        after = used(MOVES // THREADS // EACH, NUM_LABS)
    more = {what: after[what] - first[what] for what in after}
    print(GROWN.format(moves=MOVES, labs=NUM_LABS, **more))
    return [
        OTHER.format(what=what, before=first[what], after=after[what])
        for what, most in MORE.items()
        if after[what] > first[what] + most
    ]


def many_kernels(end: float) -> list[str]:
    """What is lost of sweeps and searches whose kernels are killed, up to this time."""
    known, kills, wrong = {}, 0, []
    while True:
        with kernel() as (manager, client, run):
            run(SPACE)
            kept = json.loads(run(KEPT).splitlines()[-1])
            lost = [one for one in known if kept.get(one) != known[one]]
            wrong += [LOST.format(lost=lost)] * bool(lost)
            known = kept
            if kills and time.monotonic() > end:
                break
            kills += 1
            client.execute((SWEEP, SEARCH)[kills % 2].format(number=3 * kills))
            time.sleep(random.uniform(1, 20))
            os.kill(manager.provisioner.pid, signal.SIGKILL)
    trials = sum(key.isdigit() for key in known)
    runs = len(known) - trials
    print(KILLED.format(kills=kills, runs=runs, trials=trials))
    return wrong


@contextmanager
def kernel():
    """A kernel: (its manager, a function that runs a cell and gives what it prints)."""
    manager = KernelManager()
    manager.start_kernel(env=os.environ.copy())
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)

    def run(source):
        said = []

        def hear(message):
            content = message["content"]
            if content.get("name") == "stdout":
                said.append(content["text"])
            if content.get("ename", STOP) != STOP:
                sys.exit("\n".join(content["traceback"]))

        client.execute_interactive(source, output_hook=hear, timeout=PATIENCE)
        return "".join(said)

    try:
        yield manager, client, run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
