"""What a network needs of memory is known before it takes any."""

import pytest

from helpers import MLP, Config, sweep, train
from helpers.memory import free_memory
from helpers.training import check_fits

TOO_LARGE = r"num_hiddens=65536 num_layers=20.* million weights and needs about \d"


@pytest.fixture
def huge():
    return Config(65_536, num_layers=20)


def test_what_is_too_large_is_named_before_it_takes_memory(data, huge):
    with pytest.raises(ValueError, match=TOO_LARGE):
        train(huge, data)
    with pytest.raises(ValueError, match=TOO_LARGE):
        MLP(784, 65_536, 10, num_layers=20)


def test_a_sweep_trains_the_others(data, huge, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    failed, trained = sweep([huge, Config(2, num_epochs=1)], data)
    assert not failed.ok and "million weights and needs about" in failed.reason
    assert trained.ok


def test_what_a_run_gives_back_first_counts_as_free(data):
    wide = min(65_000, int((free_memory() / 8 / 5) ** 0.5))  # a fifth, in each layer
    fits, larger = Config(wide, num_layers=4), Config(wide, num_layers=7)
    check_fits(fits, data)
    with pytest.raises(ValueError, match="choose fewer units or layers"):
        check_fits(larger, data)
    check_fits(larger, data, instead_of=fits)


@pytest.mark.parametrize(
    "line, folder, most, used, unused",
    [
        (
            *("0::/user/kernel", "user/kernel"),
            *("memory.max", "memory.current", "inactive_file"),
        ),
        ("0::/user/kernel", "user", "memory.max", "memory.current", "inactive_file"),
        (
            *("4:memory:/of/outside", "memory"),
            *("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ],
    ids=["version 2", "around it", "version 1"],
)
def test_a_containers_limit_counts(tmp_path, line, folder, most, used, unused):
    group = tmp_path / "sys/fs/cgroup" / folder
    group.mkdir(parents=True)
    process = tmp_path / "proc/self"
    process.mkdir(parents=True)
    (process / "cgroup").write_text(f"1:cpu:/\n{line}\n")
    (group / most).write_text("500000\n")
    (group / used).write_text("300000\n")
    (group / "memory.stat").write_text(f"anon 7\n{unused} 50000\n")
    assert free_memory(tmp_path) == 250_000
    (group / most).write_text("max\n")
    assert free_memory(tmp_path) > 1e6
