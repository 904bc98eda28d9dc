"""Many trainings: over any `concurrent.futures.Executor`, and remembered on disk."""

import gzip
import json
import math
import statistics
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path

import filelock
import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display

from helpers import records
from helpers.data import check_data
from helpers.training import Config
from helpers.tuning import jobs
from helpers.tuning.jobs import Result

# Raise it by one when a change makes the same Config train to other numbers: the
# results that are kept no longer hold then.
RESULTS_VERSION = 1
RECORDED = Path(__file__).parent / "recorded"
CURVES = ("train_loss", "val_loss", "val_accuracy", "val_halves")
ATTEMPTS = 2  # how often a run is started whose process has died

BAR = "A sweep; runs to train: {count:,}."
BEGIN = "Starting: {count:,} runs to train, {known:,} known already."
GOING_ON = (
    "{done:,} of {count:,} runs done, {failed:,} of them failed. About {left} left. "
    "Best validation accuracy so far: {best:.3f}."
)
ENDED = "{done:,} of {count:,} runs done, {failed:,} of them failed, in {spent}."
STOPPED = (
    "Stopped: {missing:,} of {count:,} runs have not been trained. What is done is "
    "kept; run it again to go on."
)
RECORDED_FULL = (
    "These {count:,} runs were recorded on all of Fashion-MNIST, which isn't here; "
    "your bundled sample would give other figures."
)
MIXED = (
    "{count:,} of the {total:,} runs were recorded on all of Fashion-MNIST, which isn't "
    "here; the others were trained on your bundled sample. The two do not compare."
)
RECORDED_HERE = "{count:,} of the {total:,} runs were recorded with the course."
LOST = (
    "the process that trained it died {attempts} times or more, perhaps for want of "
    "memory; try fewer at once or a smaller model"
)
LOST_WITH_EXECUTOR = (
    "not trained: a worker of your executor died, and with it the executor; make a new "
    "one and run it again"
)
NOT_CONFIGS = (
    "sweep(configs, data) needs a list of Configs, such as [Config(lr=0.1), "
    "Config(lr=0.3)]; you gave {found}."
)
NO_CONFIGS = "sweep(configs, data) got an empty list; give it at least one Config."
NOT_EXECUTOR = (
    "executor must be a concurrent.futures.Executor, or None for one process per "
    "core; you gave {found}."
)
SHUT_DOWN = (
    "The executor takes no more work ({text}). Give a new one and run it again; what "
    "is done is kept."
)
NO_FIELD = "Results can be grouped by a field of Config, such as 'lr', not {name!r}."


class Results(Sequence):
    """What `sweep` returns: a sequence of `Result`, in the order of the configs.

    A run that was not trained, after Stop, is left out.
    """

    def __init__(self, rows, here="", stopped=""):
        """here: the data that were asked for. stopped: a sentence after Stop."""
        self.rows, self._here, self._stopped = list(rows), here, stopped

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        rows = self.rows[index]
        return Results(rows, self._here) if isinstance(index, slice) else rows

    @property
    def note(self):
        """Where they come from, if not from here alone, and whether some are missing;
        sentences, or ""."""
        recorded, total = sum(row.recorded for row in self.rows), len(self.rows)
        sentence = RECORDED_HERE if recorded else ""
        if self.stand_in:
            sentence = RECORDED_FULL if recorded == total else MIXED
        origin = sentence.format(count=recorded, total=total)
        return " ".join(filter(None, [self._stopped, origin]))

    @property
    def stand_in(self):
        """Whether there are runs of other data than were asked for among them."""
        recorded = any(row.recorded for row in self.rows)
        return recorded and self._here.startswith("sample")

    def group(self, *names):
        """{value: Results} for the values of a field of Config; tuples for several."""
        for name in names:
            if name not in Config.__dataclass_fields__:
                raise ValueError(NO_FIELD.format(name=name))
        groups = {}
        for row in self.rows:
            values = tuple(getattr(row.config, name) for name in names)
            key = values if len(names) > 1 else values[0]
            groups.setdefault(key, Results([], self._here)).rows.append(row)
        return groups

    @property
    def accuracies(self):
        """The last validation accuracy of every run that has one."""
        return [row.accuracy for row in self.rows if row.val_accuracy]

    @property
    def mean(self):
        """Their mean, NaN if there are none."""
        return statistics.fmean(self.accuracies) if self.accuracies else math.nan

    @property
    def spread(self):
        """(lowest, highest) of them."""
        values = self.accuracies or [math.nan]
        return min(values), max(values)

    def __str__(self):
        lines = [self.note] if self.note else []
        lines.append("val accuracy  lowest  highest  seeds  parameters  setting")
        settings = {}
        for row in self.rows:
            config = replace(row.config, seed=0)
            settings.setdefault(config, Results([])).rows.append(row)
        for config, runs in settings.items():
            low, high = runs.spread
            lines.append(
                f"{runs.mean:12.3f}  {low:6.3f}  {high:7.3f}  {len(runs):5}  "
                f"{runs[0].num_parameters:10,}  {config}"
            )
        lines += [f"{r.config}: {r.reason}" for r in self.rows if not r.ok]
        return "\n".join(lines)

    __repr__ = __str__


def sweep(configs, data, executor=None, progress=True):
    """Train every Config in `configs` on `data`; returns `Results`.

    executor: any `concurrent.futures.Executor`; None: one process for each core,
    with one thread of PyTorch each. data: what `load_fashion_mnist` returns;
    processes on this machine share it. progress: whether to show a bar.

    A run that fails is a row with its reason. What is trained is kept on disk, by
    Config, data and `RESULTS_VERSION`, and not trained again. Stop (Ctrl-C) ends it
    early and keeps what is done. On the bundled sample, runs that were recorded on
    the full data stand in, and `note` says so. A learner's own init is trained in
    this process and not kept. Raises ValueError or TypeError for bad arguments.
    """
    configs = _checked(configs, data, executor)
    shared = jobs.share(data)
    known = _known(shared)
    found = {config: known[_key(config)] for config in configs if _key(config) in known}
    missing = [config for config in dict.fromkeys(configs) if config not in found]
    note = ""
    if missing:
        bar = _Bar(missing, len(found), progress)
        try:
            with closing(_train_all(missing, shared, executor)) as trained:
                for config, result in trained:
                    found[config] = result
                    _remember(result, shared.fingerprint)
                    bar.add(result)
        except KeyboardInterrupt:
            left = len([config for config in configs if config not in found])
            note = STOPPED.format(missing=left, count=len(configs))
        bar.end(note)
    rows = [found[config] for config in configs if config in found]
    return Results(rows, data.source, note)


def _checked(configs, data, executor):
    if isinstance(configs, Config) or not hasattr(configs, "__iter__"):
        raise TypeError(NOT_CONFIGS.format(found=type(configs).__name__))
    configs = list(configs)
    if not configs:
        raise ValueError(NO_CONFIGS)
    for config in configs:
        if not isinstance(config, Config):
            raise TypeError(NOT_CONFIGS.format(found=type(config).__name__))
    check_data(data, "sweep(configs, data)")
    check_executor(executor)
    return configs


def check_executor(executor):
    """Raise TypeError, with one sentence, for what is neither an executor nor None."""
    if executor is not None and not hasattr(executor, "submit"):
        raise TypeError(NOT_EXECUTOR.format(found=type(executor).__name__))


# --- training, here and elsewhere


def _train_all(configs, shared, executor):
    """Yields (config, Result) as they come."""
    # The longest first, so that no core waits long at the end.
    configs = sorted(configs, key=jobs.cost, reverse=True)
    # A function of the notebook's can't travel to another process.
    own = [config for config in configs if callable(config.init)]
    left = [config for config in configs if not callable(config.init)]
    with jobs.DeferredStop() as stop:
        for _ in range(ATTEMPTS if left else 0):
            with (
                jobs.Processes() if executor is None else nullcontext(executor) as pool
            ):
                yield from _over(pool, left, shared, stop)
        for config in list(left) if executor is None else ():
            # Who takes the processes down, does so alone: the others still train.
            with jobs.Processes() as pool:
                alone = [config]
                for result in _over(pool, alone, shared, stop):
                    left.remove(config)
                    yield result
        if own:  # nobody hears a Stop after the last of the others
            stop.obey()
    reason = LOST_WITH_EXECUTOR if executor else LOST.format(attempts=ATTEMPTS)
    for config in left:
        yield config, Result(config, shared.source, 0, 0, reason=reason, ok=False)
    for config in own:
        yield config, jobs.train_one(config, shared)


def submit(executor, function, *values):
    """A Future; RuntimeError, with one sentence, where the executor is shut down."""
    try:
        return executor.submit(function, *values)
    except BrokenExecutor:
        raise
    except Exception as error:  # each kind of executor has its own
        text = " ".join(str(error).split()) or type(error).__name__
        raise RuntimeError(SHUT_DOWN.format(text=text)) from None


def _over(executor, left, shared, stop):
    """Yields as `_train_all`, and takes what is done out of `left`."""
    futures = {}
    try:
        with suppress(BrokenExecutor):
            for config in left:
                stop.obey()
                futures[submit(executor, jobs.train_one, config, shared)] = config
        while futures:
            for future in stop.wait(futures):
                config = futures.pop(future)
                try:
                    result = future.result()
                except (BrokenExecutor, CancelledError):
                    continue
                except Exception as error:  # of the executor's own
                    result = jobs.failure(config, shared, error)
                if result is not None:
                    left.remove(config)
                    yield config, result
    finally:
        for future in futures:
            future.cancel()


# --- what is kept on disk


def _key(config):
    return None if callable(config.init) else str(config)


def _known(shared):
    """What has been trained on this data: {key: Result}."""
    known = {}
    for path in [_own_file(), *sorted(RECORDED.glob("*.jsonl.gz"))]:
        shipped = path.parent == RECORDED
        # On the sample, what was recorded on the full data stands in.
        stand_in = shipped and shared.source.replace("sample", "full")
        for line in _lines(path):
            if result := from_line(line, shared.fingerprint, stand_in):
                known[_key(result.config)] = replace(result, recorded=shipped)
    return known


def _lines(path):
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return []
    return content.decode(errors="replace").splitlines()


def from_line(line, fingerprint, stand_in=None):
    """The Result in a line; None if it is of other data or another version.

    stand_in: the name of data, as in `Result.data`, whose results will do as well.
    """
    try:
        kept = json.loads(line)
        fits = kept.pop("of") == fingerprint or kept["data"] == stand_in
        if kept.pop("version") != RESULTS_VERSION or not fits:
            return None
        kept["config"] = Config.from_string(kept["config"])
        for name in set(CURVES) & set(kept):
            kept[name] = tuple(kept[name])
        return Result(**kept)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None  # a line cut short, or of another course


def to_line(result, fingerprint):
    """A Result as one line of JSON, five digits a figure."""
    kept = {"of": fingerprint, "version": RESULTS_VERSION} | asdict(result)
    kept.pop("recorded")
    kept["config"] = str(result.config)
    for name in CURVES:
        kept[name] = [float(f"{value:.5g}") for value in kept[name]]
    kept["seconds"] = round(kept["seconds"], 2)
    return json.dumps(kept)


def _own_file():
    return records.location().with_name("sweeps.jsonl")


def _remember(result, fingerprint):
    # A failure may have been the machine's; what diverged does so again.
    if callable(result.config.init) or not result.val_accuracy:
        return
    path = _own_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock", timeout=5), path.open("a") as file:
            # The first newline, in case the last line was cut short.
            file.write("\n" + to_line(result, fingerprint) + "\n")
    except (OSError, filelock.Timeout):
        pass  # it is trained again next time


# --- the bar


class _Bar(widgets.VBox):
    """How far a sweep is; a line of text where no front end is."""

    def __init__(self, configs, known, shown):
        self._count = count = len(configs)
        self._cost_left, self._cost_done = sum(map(jobs.cost, configs)), 0.0
        self._done, self._began = [], time.monotonic()
        self._said = widgets.HTML(BEGIN.format(count=count, known=known))
        self._bar = widgets.IntProgress(max=count, layout=widgets.Layout(width="100%"))
        super().__init__([self._bar, self._said])
        if shown and get_ipython():
            display(self)

    def add(self, result):
        self._done.append(result)
        spent = time.monotonic() - self._began
        self._cost_done += jobs.cost(result.config)
        self._cost_left -= jobs.cost(result.config)
        left = spent / self._cost_done * self._cost_left
        self._bar.value = len(self._done)
        best = max((r.accuracy for r in self._done if r.val_accuracy), default=math.nan)
        self._said.value = GOING_ON.format(
            done=len(self._done),
            count=self._count,
            failed=sum(not r.ok for r in self._done),
            left=duration(left),
            best=best,
        )

    def end(self, note):
        failed = sum(not result.ok for result in self._done)
        spent = duration(time.monotonic() - self._began)
        self._said.value = note or ENDED.format(
            done=len(self._done), count=self._count, failed=failed, spent=spent
        )

    def _repr_mimebundle_(self, **kwargs):
        bundle = dict(super()._repr_mimebundle_(**kwargs))
        bundle["text/plain"] = BAR.format(count=self._count)
        return bundle


def duration(seconds):
    """Seconds as a text, such as "2 min 5 s"."""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
