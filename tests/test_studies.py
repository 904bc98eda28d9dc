"""Searches: real trainings, given up early or not, stopped, and gone on with."""

import gzip
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import filelock
import optuna
import pytest
from optuna.trial import TrialState

from helpers import Config, load_fashion_mnist, search, studies, train


@pytest.fixture(scope="module")
def data():
    return load_fashion_mnist("sample")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Nothing is known yet, and what is found stays here."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setattr(studies, "RECORDED", tmp_path / "recorded")
    return tmp_path


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
    assert last.full_val_accuracy == pytest.approx(found.accuracy)
    assert len(found.trials()) == 6 and found.note == ""
    values = [trial.value for trial in found.trials(TrialState.COMPLETE)]
    assert found.accuracy == max(values)


def test_the_bad_ones_are_given_up_after_an_epoch(data, threads):
    found = search(space, data, num_trials=9, executor=threads)
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


class _NoExecutor:
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


def test_what_a_kernel_that_died_had_begun_is_tried_again(data, threads):
    search(space, data, num_trials=1, name="mine", executor=threads)
    path = studies.location("mine")
    with studies.ExitStack() as stack:
        study, _ = studies._open("mine", studies.jobs.share(data), 2, stack)
        lost = study.ask()
        space(lost)
    path.write_bytes(path.read_bytes() + b'{"op_code": 8, "wor')  # cut short
    found = search(space, data, num_trials=2, name="mine", executor=threads)
    assert settings(found)[1] == lost.params["lr"]


def test_an_epoch_whose_process_dies_is_trained_again(data, tmp_path, monkeypatch):
    dies = partial(_dies_once, tmp_path / "died")
    monkeypatch.setattr(studies.jobs, "train_epoch", dies)
    found = search(space, data, num_trials=3)
    assert (tmp_path / "died").exists()
    assert len(found.trials(TrialState.COMPLETE, TrialState.PRUNED)) == 3
    *_, last = train(found.best, data)
    assert last.full_val_accuracy == pytest.approx(found.accuracy)


def _dies_once(died, config, shared, last):
    if last is not None and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return studies.jobs.train_epoch(config, shared, last)


def test_a_setting_that_always_kills_its_process_is_given_up(data, monkeypatch):
    monkeypatch.setattr(studies.jobs, "train_epoch", _always_dies)
    found = search(space, data, num_trials=1)
    assert found.best is None and "1 failed" in str(found)
    assert "died 3 times" in found.trials()[0].user_attrs["reason"]


def _always_dies(config, shared, last):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_run_that_diverges_is_given_up_with_its_reason(data, threads):
    def wild(trial):
        lr = trial.suggest_float("lr", 90, 100)
        return Config(num_hiddens=256, num_layers=3, sigma=1, lr=lr, num_epochs=2)

    found = search(wild, data, num_trials=1, executor=threads)
    assert "smaller lr" in found.trials()[0].user_attrs["reason"]
    assert found.best is None


def test_when_the_time_is_up_it_says_so(data, threads):
    found = search(space, data, 5, name="mine", minutes=1e-9, executor=threads)
    assert found.note.startswith("The 1e-09 minutes are over after 0 of 5 trials")
    assert len(search(space, data, 1, name="mine", executor=threads).trials()) == 1


def test_a_recorded_search_is_there_at_once_and_can_be_gone_on_with(
    data, home, threads
):
    first = settings(search(space, data, num_trials=2, name="mine", executor=threads))
    path = studies.location("mine")
    (home / "recorded").mkdir()
    packed = gzip.compress(path.read_bytes())
    (home / "recorded" / "mine.journal.gz").write_bytes(packed)
    path.unlink()
    found = search(space, data, num_trials=2, name="mine", executor=_NoExecutor())
    assert settings(found) == first and "recorded with the course" in found.note
    assert not path.exists()
    more = search(space, data, num_trials=3, name="mine", executor=threads)
    assert settings(more)[:2] == first and len(settings(more)) == 3
    assert path.exists()


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

    assert "can't travel" in complaint(ValueError, own, data)
    assert "you gave dict" in complaint(TypeError, {"lr": [0.1]}, data)


def test_bad_arguments_are_named(data):
    assert "returns; you gave list" in complaint(TypeError, space, [])
    assert "num_trials must be" in complaint(ValueError, space, data, 0)
    assert "minutes must be" in complaint(ValueError, space, data, minutes=-1)
    assert "name must be" in complaint(ValueError, space, data, name="../mine")
    assert "executor must be" in complaint(TypeError, space, data, executor=2)
    with ThreadPoolExecutor(1) as ended:
        pass
    assert "takes no more work" in complaint(RuntimeError, space, data, executor=ended)


def test_a_file_that_is_not_this_search_is_named_and_left_alone(data, threads):
    path = studies.location("mine")
    path.parent.mkdir(parents=True)
    path.write_text("my thesis\nmy only copy\n")
    assert "cannot be read" in complaint(ValueError, space, data, name="mine")
    assert path.read_text() == "my thesis\nmy only copy\n"

    other = studies.location("other")
    search(space, data, num_trials=1, name="other", executor=threads)
    path.write_bytes(kept := other.read_bytes())
    assert "named 'other'" in complaint(ValueError, space, data, name="mine")
    assert path.read_bytes() == kept

    last = data.for_the_test()
    assert "other data" in complaint(ValueError, space, last, name="other")

    def narrower(trial):
        return Config(lr=trial.suggest_float("lr", 0.01, 1, log=True))

    assert "lr was Float" in complaint(ValueError, narrower, data, name="other")
    assert other.read_bytes() == kept


def test_two_notebooks_do_not_run_one_search_at_once(data, threads):
    search(space, data, num_trials=1, name="mine", executor=threads)
    with filelock.FileLock(f"{studies.location('mine')}.running"):
        assert "run by another notebook" in complaint(
            ValueError, space, data, 2, name="mine"
        )


def test_optuna_itself_reads_what_is_kept(data, threads):
    found = search(space, data, num_trials=2, name="mine", executor=threads)
    backend = optuna.storages.journal.JournalFileBackend(str(studies.location("mine")))
    storage = optuna.storages.JournalStorage(backend)
    study = optuna.load_study(study_name="mine", storage=storage)
    assert study.best_value == found.accuracy
