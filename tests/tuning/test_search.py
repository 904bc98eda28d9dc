"""Searches: real trainings, given up early or not, stopped, and gone on with."""

import gzip
import math
import multiprocessing
import os
import re
import signal
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

import filelock
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from processes import PRELOADED

from helpers import Config, load_fashion_mnist, plot_study, search, train
from helpers.tuning.kept import RECORDED
from helpers.tuning.members import Member, Stack
from helpers.tuning.search_result import Search, SearchPanel
from helpers.tuning.shared_data import share
from helpers.tuning.study_file import open_study, study_location
from helpers.tuning.trial_runner import AT_ONCE

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(scope="module")
def threads():
    """One at a time and in order, where the test is not about processes."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def space(trial):
    lr = trial.suggest_float("lr", 0.001, 1, log=True)
    return Config(num_hiddens=8, num_epochs=3, lr=lr)


def settings(found):
    return [trial.params["lr"] for trial in found.trials()]


def test_a_search_finds_a_setting_that_trains_to_what_it_says(data):
    found = search(space, data, num_trials=6)
    *_, last = train(found.best, data)
    assert last.full_val_accuracy == pytest.approx(found.accuracy, abs=0.005)
    assert len(found.trials()) == 6 and found.note == ""
    values = [trial.value for trial in found.trials(TrialState.COMPLETE)]
    assert found.accuracy == max(values)


@pytest.mark.parametrize("where", ["here", "by an executor"])
def test_the_bad_ones_are_given_up_after_an_epoch(data, threads, where):
    executor = None if where == "here" else threads
    found = search(space, data, num_trials=9, executor=executor)
    pruned = found.trials(TrialState.PRUNED)
    assert pruned and all(len(t.intermediate_values) < 3 for t in pruned)
    assert found.num_epochs < 9 * 3
    best = max(t.intermediate_values[1] for t in found.trials(TrialState.COMPLETE))
    assert all(t.intermediate_values[1] < best for t in pruned)
    assert f"{len(pruned)} given up early, 0 failed" in str(found)


def test_the_same_name_goes_on(data, threads):
    first = settings(search(space, data, num_trials=3, name="mine", executor=threads))
    again = search(space, data, num_trials=3, name="mine", executor=_NoExecutor())
    assert settings(again) == first
    more = settings(search(space, data, num_trials=5, name="mine", executor=threads))
    assert more[:3] == first and len(set(more)) == 5


class _NoExecutor(Executor):
    def submit(self, *_):
        raise AssertionError("there was nothing to train")


def test_stop_keeps_what_is_done_and_what_was_begun_is_tried_again(data, threads):
    asked = []

    def stopped(trial):
        config = space(trial)
        asked.append(trial.params["lr"])
        return config

    class Executor(ThreadPoolExecutor):
        def submit(self, function, *values):
            if len(asked) == 3:
                raise KeyboardInterrupt
            return super().submit(function, *values)

    with Executor(1) as executor:
        found = search(stopped, data, num_trials=4, name="mine", executor=executor)
    assert found.note.startswith("Stopped after 2 of 4 trials")
    assert settings(found) == asked[:2]
    again = search(space, data, num_trials=4, name="mine", executor=threads)
    assert settings(again)[:3] == asked and len(settings(again)) == 4


def test_a_stop_that_a_library_swallows_is_not_lost(data, threads):
    def swallowing(trial):
        if trial.number == 2:
            with suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        return space(trial)

    found = search(swallowing, data, num_trials=400, executor=threads)
    assert found.note.startswith("Stopped after")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_stop_before_the_first_epoch_stops_it_too(data, threads):
    """While a search is opened, its space is run on what is known."""

    def stopped(trial):
        signal.raise_signal(signal.SIGINT)
        return space(trial)

    search(space, data, 2, name="mine", executor=threads)
    found = search(stopped, data, 4, name="mine", executor=threads)
    assert found.note.startswith("Stopped after 2 of 4 trials.")
    assert len(search(space, data, 4, name="mine", executor=threads).trials()) == 4


@pytest.mark.slow
def test_a_second_stop_ends_a_space_that_hangs(data, threads):
    def hanging(trial):
        while trial.number == 1:
            time.sleep(0.05)
            signal.raise_signal(signal.SIGINT)
        return space(trial)

    found = search(hanging, data, num_trials=4, executor=threads)
    assert found.note.startswith("Stopped after")


def test_what_a_kernel_that_died_had_begun_is_tried_again(data, home, threads):
    search(space, data, num_trials=1, name="mine", executor=threads)
    path = study_location("mine")
    with ExitStack() as stack:
        study, _ = open_study("mine", share(data), 2, home, stack)
        lost = study.ask()
        space(lost)
    path.write_bytes(path.read_bytes() + b'{"op_code": 8, "wor')  # cut short
    found = search(space, data, num_trials=2, name="mine", executor=threads)
    assert settings(found)[1] == lost.params["lr"]


def test_the_trials_under_way_are_compared_before_they_get_another_epoch(data):
    """The worst of eight isn't kept because it was the first to be measured."""
    found = search(space, data, num_trials=AT_ONCE)
    first = {t.number: t.intermediate_values[1] for t in found.trials()}
    gone_on = [t.number for t in found.trials() if len(t.intermediate_values) > 1]
    best = sorted(first, key=first.get, reverse=True)
    assert sorted(gone_on) == sorted(best[: len(gone_on)])
    assert 1 <= len(gone_on) <= AT_ONCE // 3


def test_the_same_search_finds_the_same(data):
    once, again = (search(space, data, num_trials=10) for _ in range(2))
    assert settings(once) == settings(again) and str(once) == str(again)


def test_stop_in_an_epoch_has_the_trials_under_way_tried_again(data, monkeypatch):
    asked, epoch = [], Stack.epoch

    def asking(trial):
        config = space(trial)
        asked.append(config.lr)
        return config

    def stopped(self):
        if self.members[0].epoch == 1:
            signal.raise_signal(signal.SIGINT)
        return epoch(self)

    with monkeypatch.context() as patched:
        patched.setattr(Stack, "epoch", stopped)
        found = search(asking, data, num_trials=12, name="mine")
    begun = list(asked)
    assert found.note.startswith("Stopped after ") and len(begun) >= AT_ONCE
    assert len(found.trials()) < len(begun)
    more = search(space, data, num_trials=12, name="mine")
    assert set(begun) <= set(settings(more)) and len(more.trials()) == 12


def test_a_trial_that_cannot_be_trained_is_a_failure_and_tried_again_next_time(
    data, monkeypatch
):
    begin = Member.begin

    def too_large(self, data):
        if self.config.num_layers == 2:
            raise MemoryError("too large")
        begin(self, data)

    with monkeypatch.context() as machine:
        machine.setattr(Member, "begin", too_large)
        found = search(wider, data, num_trials=8, name="mine")
    failed = found.trials(TrialState.FAIL)
    assert failed and all(trial.params["num_layers"] == 2 for trial in failed)
    reasons = {trial.user_attrs["reason"] for trial in failed}
    assert reasons == {"failed with MemoryError: too large"}
    assert found.best.num_layers == 1
    more = search(wider, data, num_trials=8, name="mine")
    assert len(more.trials()) == 8 and not more.trials(TrialState.FAIL)
    assert more.note == ""
    again = [trial.params for trial in more.trials()[-len(failed) :]]
    assert again == [trial.params for trial in failed]


@pytest.mark.slow
def test_an_executor_whose_worker_has_died_is_named(data):
    class Deadly(ProcessPoolExecutor):
        def submit(self, *_):
            return super().submit(os._exit, 1)

    with Deadly(1) as own, pytest.raises(RuntimeError) as raised:
        search(space, data, 1, name="mine", executor=own)
    assert "A worker of your executor died" in str(raised.value)


def test_a_run_that_diverges_is_given_up_with_its_reason(data, threads):
    def wild(trial):
        lr = trial.suggest_float("lr", 90, 100)
        return Config(num_hiddens=256, num_layers=3, sigma=1, lr=lr, num_epochs=2)

    found = search(wild, data, num_trials=1, executor=threads)
    assert "smaller lr" in found.trials()[0].user_attrs["reason"]
    assert found.best is None


def test_when_the_time_is_up_it_says_so(data, threads):
    found = search(space, data, 5, name="mine", minutes=1e-9, executor=threads)
    assert found.note.startswith("The 1e-09 minutes were over after 0 of 5 trials")
    nameless = search(space, data, 5, minutes=1e-9, executor=threads)
    assert nameless.note.endswith("to keep it and continue later.")
    assert len(search(space, data, 1, name="mine", executor=threads).trials()) == 1


def test_a_recorded_search_is_there_at_once_and_can_be_gone_on_with(
    data, home, threads
):
    first = settings(search(space, data, num_trials=2, name="mine", executor=threads))
    path = study_location("mine")
    record(path, home)
    again = partial(search, space, data, name="mine", recorded=home)
    found = again(num_trials=2, executor=_NoExecutor())
    assert settings(found) == first and "recorded with the course" in found.note
    assert not path.exists()
    more = again(num_trials=3, executor=threads)
    assert settings(more)[:2] == first and len(settings(more)) == 3
    assert path.exists()


def record(path, folder):
    """Pack a search as the course's records are, and remove it."""
    packed = gzip.compress(path.read_bytes())
    (folder / f"{path.name}.gz").write_bytes(packed)
    path.unlink()


def complaint(error, *arguments, **options):
    with pytest.raises(error) as raised:
        search(*arguments, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_space_that_cannot_be_searched_is_named(data):
    def through_zero(trial):
        return Config(lr=trial.suggest_float("lr", 0, 1, log=True))

    assert "`low > 0` must hold" in complaint(ValueError, through_zero, data)
    assert "asks the trial for nothing" in complaint(
        ValueError, lambda trial: Config(), data
    )
    assert "returned dict" in complaint(TypeError, lambda trial: {"lr": 0.1}, data)

    def too_high(trial):
        return Config(lr=trial.suggest_float("lr", 200, 300))

    assert "lr must be a number above 0" in complaint(ValueError, too_high, data)

    def own(trial):
        trial.suggest_float("lr", 0.1, 1)
        return Config(init=lambda num_inputs, num_outputs: None)

    assert "can't hold" in complaint(ValueError, own, data)
    assert "you gave dict" in complaint(TypeError, {"lr": [0.1]}, data)


def test_a_range_without_an_end_is_named(data):
    endless = lambda trial: Config(lr=trial.suggest_float("lr", 0, math.inf))  # noqa: E731
    assert "Range exceeds" in complaint(ValueError, endless, data, 1)


def test_bad_arguments_are_named(data):
    assert "returns; you gave list" in complaint(TypeError, space, [])
    assert "num_trials must be" in complaint(ValueError, space, data, 0)
    assert "minutes must be" in complaint(ValueError, space, data, minutes=-1)
    assert "minutes must be" in complaint(ValueError, space, data, minutes=True)
    assert "name must be" in complaint(ValueError, space, data, name="../mine")
    assert "name must be" in complaint(ValueError, space, data, name="m" * 300)
    last = data.for_the_test()
    assert "the test pictures take their place" in complaint(ValueError, space, last)
    assert "executor must be" in complaint(TypeError, space, data, executor=2)
    with ThreadPoolExecutor(1) as ended:
        pass
    assert "takes no more work" in complaint(RuntimeError, space, data, executor=ended)


def test_a_file_that_is_not_this_search_is_named_and_left_alone(data, threads):
    path = study_location("mine")
    path.parent.mkdir(parents=True)
    other = study_location("other")
    search(space, data, num_trials=1, name="other", executor=threads)
    kept = other.read_bytes()
    foreign = (b"my thesis\nmy only copy\n", b"my thesis", b"my thesis\ncut", b"\0\xff")
    for content in (*foreign, b"[1, 2]\n", kept + b"####\n", kept + b"####"):
        path.write_bytes(content)
        assert "can't be read" in complaint(ValueError, space, data, name="mine")
        assert path.read_bytes() == content

    path.write_bytes(kept)
    assert "named 'other'" in complaint(ValueError, space, data, name="mine")
    assert path.read_bytes() == kept

    less = replace(data, train=replace(data.train, labels=data.train.labels.flip(0)))
    assert "other data" in complaint(ValueError, space, less, name="other")
    assert other.read_bytes() == kept


def longer(trial):
    lr = trial.suggest_float("lr", 0.001, 1, log=True)
    return Config(num_hiddens=8, num_epochs=4, lr=lr)


def narrower(trial):
    return Config(lr=trial.suggest_float("lr", 0.01, 0.02, log=True))


def wider(trial):
    config = space(trial)
    return replace(config, num_layers=trial.suggest_int("num_layers", 1, 2))


def nothing_of_it(trial):
    return Config(batch_size=trial.suggest_int("batch_size", 1, 2))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (longer, "what was 'num_hiddens=8 .* is now '.* num_epochs=4'"),
        (narrower, r"lr was FloatDistribution\(.* and is "),
        (wider, "num_layers was not asked for and is IntDistribution"),
        (nothing_of_it, "lr was FloatDistribution.* and is not asked for"),
    ],
)
def test_another_space_under_the_same_name_is_refused(data, threads, other, said):
    search(space, data, num_trials=2, name="mine", executor=threads)
    kept = study_location("mine").read_bytes()
    for count in (2, 3):
        complained = complaint(ValueError, other, data, count, name="mine")
        assert re.search(said, complained), complained
    assert study_location("mine").read_bytes() == kept
    assert len(search(space, data, 3, name="mine", executor=threads).trials()) == 3


def test_a_record_of_other_data_leaves_no_file_behind(data, home, threads):
    search(space, data, num_trials=2, name="mine", executor=threads)
    path = study_location("mine")
    record(path, home)
    less = replace(data, train=replace(data.train, labels=data.train.labels.flip(0)))
    named = {"name": "mine", "recorded": home}
    assert len(search(space, less, 2, **named).trials()) == 2  # stands in
    assert "other data" in complaint(ValueError, space, less, 3, **named)
    assert not path.exists()
    assert len(search(space, less, 2, **named).trials()) == 2


def test_where_nothing_can_be_kept_it_says_so(data, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "file"))
    assert "Set COURSE_HOME" in complaint(ValueError, space, data, 1, name="mine")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    study_location("mine").mkdir(parents=True)
    assert "can't be read" in complaint(ValueError, space, data, 1, name="mine")


def _cut_short(path):
    os.truncate(path, path.stat().st_size - 20)


def _replaced(path):
    path.unlink()
    path.touch()


def _forbidden(path):
    path.unlink()
    path.mkdir()


def harming(harm, path):
    """A space that does something to the file of its search on the way."""
    asked = []

    def space_of(trial):
        asked.append(trial.number)
        if len(asked) == 2 * AT_ONCE + 2:
            harm(path)
        return space(trial)

    return space_of


@pytest.mark.parametrize("harm", [os.unlink, _cut_short, _replaced, _forbidden])
def test_a_file_that_is_lost_on_the_way_ends_the_search_in_a_sentence(harm, data):
    path = study_location("mine")
    search(space, data, 2, name="mine")
    found = search(harming(harm, path), data, 60, name="mine")
    done = len(found.trials())
    assert 2 < done < 60 and f"Stopped after {done} of 60 trials." in found.note
    assert f"can't go on in {path} (" in found.note and "\n" not in found.note
    assert 0 < found.accuracy < 1 and f"{found.accuracy:.3f}" in str(found)


def test_what_is_in_a_file_that_was_cut_short_is_not_written_over(data):
    search(harming(_cut_short, study_location("mine")), data, 60, name="mine")
    count = len(search(space, data, 1, name="mine").trials())
    assert count > 1
    assert len(search(space, data, count + 1, name="mine").trials()) == count + 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a fork server")
def test_what_a_kernel_that_was_killed_had_begun_is_tried_again(data, home):
    server, path = multiprocessing.get_context("forkserver"), study_location("mine")
    server.set_forkserver_preload([*PRELOADED, "optuna"])  # quick, if none runs yet
    kernel = server.Process(target=_endless_search, args=(home,))
    kernel.start()
    wait_until(lambda: path.exists() and b"intermediate_value" in path.read_bytes())
    kernel.kill()
    kernel.join()
    storage = JournalStorage(JournalFileBackend(str(path)))
    begun = optuna.load_study(study_name="mine", storage=storage).get_trials()
    over = [trial for trial in begun if trial.state.is_finished()]
    lost = {t.params["lr"] for t in begun if not t.state.is_finished() and t.params}
    count = len(over) + len(lost)
    found = search(space, data, num_trials=count, name="mine")
    assert lost and set(settings(found)[-len(lost) :]) == lost


def _endless_search(home):
    os.environ["COURSE_HOME"] = str(home)
    search(space, load_fashion_mnist("sample"), 100_000, name="mine")


def wait_until(true):
    for _ in range(600):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about in a minute")


def test_how_long_it_ran_is_kept(data, threads):
    first = search(space, data, 1, name="mine", executor=threads).minutes
    assert first > 0
    more = search(space, data, 3, name="mine", executor=threads).minutes
    assert more > first
    again = search(space, data, 3, name="mine", executor=_NoExecutor())
    assert again.minutes == more


def test_two_notebooks_do_not_run_one_search_at_once(data, threads):
    search(space, data, num_trials=1, name="mine", executor=threads)
    with filelock.FileLock(f"{study_location('mine')}.running"):
        assert "run by another notebook" in complaint(
            ValueError, space, data, 2, name="mine"
        )


def test_optuna_itself_reads_what_is_kept(data, threads):
    found = search(space, data, num_trials=2, name="mine", executor=threads)
    backend = optuna.storages.journal.JournalFileBackend(str(study_location("mine")))
    storage = optuna.storages.JournalStorage(backend)
    study = optuna.load_study(study_name="mine", storage=storage)
    assert study.best_value == found.accuracy


def lines(panel):
    return panel.children[1].value.split("<br>")


def test_a_panel_counts_epochs_before_the_first_trial_is_over(data, home):
    with ExitStack() as stack:
        study, _ = open_study(None, share(data), 5, home, stack)
    panel = SearchPanel(Search(study), 5)
    bar, said, picture, _ = panel.children
    assert said.value.startswith("Trials to run: 5; already known: 0.")
    assert bytes(picture.value[:4]) == b"\x89PNG"  # not a broken one
    empty = picture.value
    trial = study.ask()
    trial.set_user_attr("config", str(space(trial)))
    for epoch in (1, 2):
        trial.report(0.5, epoch)
        panel.show()
        assert lines(panel)[0].startswith(f"Trials done: 0 of 5; epochs: {epoch}.")
        assert bar.value == pytest.approx(epoch / 3) and picture.value == empty
    study.tell(trial, 0.625)
    panel.show()
    assert lines(panel)[0].startswith("Trials done: 1 of 5; epochs: 2.")
    assert "About" in lines(panel)[0] and lines(panel)[0].endswith(" left.")
    assert lines(panel)[1].startswith(
        "Best validation accuracy so far: 0.6250, num_hid"
    )
    assert picture.value != empty
    panel.close()


def test_a_complete_search_shows_its_result_and_says_how_to_go_on(data, threads):
    search(space, data, num_trials=3, name="mine", executor=threads)
    found = search(space, data, num_trials=3, name="mine", executor=_NoExecutor())
    assert found.note.startswith("This search is complete: 3 trials. To search anew, ")
    assert "another name" in found.note and "raise num_trials" in found.note
    panel = SearchPanel(found, 3)
    bar, _, picture, _ = panel.children
    panel.show()
    assert bar.value == bar.max == 3 and bytes(picture.value[:4]) == b"\x89PNG"
    assert lines(panel)[:2] == [found.note, found.counts()]
    assert lines(panel)[2].startswith(
        f"Best validation accuracy so far: {found.accuracy:.4f}"
    )
    bundle, _ = panel._repr_mimebundle_()
    assert bundle["text/plain"] == "A search with 3 trials."
    panel.close()


def test_the_table_fits_and_breaks_no_word():
    joint = open_recorded("06_joint")
    table = str(joint)
    assert max(map(len, table.splitlines())) <= 88
    for trial in sorted(joint.trials(TrialState.COMPLETE), key=lambda t: -t.value):
        for word in trial.user_attrs["config"].split():
            name, value = word.split("=")
            assert name == "num_epochs" or f" {name}=" in table
    assert "optimizer=adamw" in table.split() and "lr_schedule=cosine" in table.split()


def test_trials_are_counted_alike_in_the_table_and_in_the_picture():
    joint = open_recorded("06_joint")
    picture = plot_study(joint.study)
    given_up, completed = picture.figure.axes[0].lines[:2]
    drawn = dict(zip(*completed.get_data()))
    rows = [line.split() for line in str(joint).splitlines()[1:]]
    listed = {int(row[2]): float(row[0]) for row in rows if row[0].startswith("0.")}
    assert listed == {number: pytest.approx(value) for number, value in drawn.items()}
    counts = (
        f"Trials: {len(drawn)} completed, {len(given_up.get_xdata())} given up early"
    )
    assert counts in str(joint) and max(given_up.get_xdata()) == len(joint.trials())
    assert picture.text.startswith(counts)


def open_recorded(name):
    """A search that came with the course."""
    with ExitStack() as stack:
        shared = share(load_fashion_mnist("sample"))
        study, _ = open_study(name, shared, 1, RECORDED, stack)
    return Search(study)
