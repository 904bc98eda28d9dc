"""Config and train: one setting, one generator, the same numbers every time."""

import math
from dataclasses import fields, replace

import pytest
import torch

from helpers import MLP, Config, evaluate, train


def losses(run, steps=None):
    found = []
    for progress in run:
        found.append(progress.loss)
        if progress.step == steps:
            break
    return found


def test_the_same_config_gives_the_same_numbers_to_the_bit(data):
    config = Config(num_hiddens=64, num_epochs=2, seed=5)
    first, second = losses(train(config, data)), losses(train(config, data))
    assert first == second and len(first) == 2 * math.ceil(6000 / 256)
    assert first != losses(train(replace(config, seed=6), data))


def test_how_often_it_is_measured_does_not_change_the_numbers(data):
    config = Config(num_hiddens=32, num_epochs=1)
    assert losses(train(config, data)) == losses(train(config, data, eval_every=None))
    assert losses(train(config, data)) == losses(train(config, data, eval_every=1))


def test_training_learns(data):
    *_, last = train(Config(num_epochs=5), data)
    assert last.full_val_accuracy > 0.6  # chance is 0.1
    assert last.reason == "done after 120 steps, epochs: 5"


def test_progress_says_when_and_what(data):
    history = list(train(Config(num_hiddens=16, num_epochs=2), data, eval_every=10))
    steps = [p.step for p in history]
    assert steps == list(range(1, 49))
    assert [p.step for p in history if p.epoch_end] == [24, 48]
    measured = [p.step for p in history if p.val_accuracy is not None]
    assert measured == [1, 11, 21, 24, 31, 41, 48]
    assert history[0].loss == pytest.approx(math.log(10), abs=0.02)
    assert all(p.reason is None for p in history[:-1]) and history[-1].reason


def test_the_epochs_figure_is_of_all_validation_pictures(data):
    *_, last = train(Config(num_hiddens=16, num_epochs=1), data)
    loss, accuracy = evaluate(last.net, data.val.images, data.val.labels)
    assert (last.full_val_loss, last.full_val_accuracy) == (loss, accuracy)
    right = (last.net(data.val.images).argmax(1) == data.val.labels).float().mean()
    assert accuracy == pytest.approx(right.item())


def test_the_curves_figure_is_near_that_of_all_validation_pictures(full_data):
    val = full_data.val
    for p in train(Config(num_hiddens=4, num_epochs=1), full_data, eval_every=50):
        if p.val_accuracy is not None:
            loss, accuracy = evaluate(p.net, val.images, val.labels)
            assert p.val_accuracy == pytest.approx(accuracy, abs=0.05)
            assert p.val_loss == pytest.approx(loss, abs=0.05)


def test_a_falling_lr_ends_near_zero(data):
    config = Config(num_hiddens=16, num_epochs=2, lr=0.4, lr_schedule="cosine")
    lrs = [progress.lr for progress in train(config, data)]
    assert lrs[0] == 0.4 and lrs[24] == pytest.approx(0.2) and lrs[-1] < 0.002
    assert lrs == sorted(lrs, reverse=True)


def test_dropout_zeroes_its_share_in_training_and_none_in_measuring(data):
    net = MLP(784, 1000, 10, init="kaiming", seed=0, dropout=0.3)
    X = data.val.images[:50]
    net.W2 = torch.nn.Parameter(torch.eye(1000))  # shows the hidden units
    net.b2 = torch.nn.Parameter(torch.zeros(1000))
    dropped, whole = net(X), net.eval()(X)
    share = ((dropped == 0) & (whole > 0)).sum() / (whole > 0).sum()
    assert share.item() == pytest.approx(0.3, abs=0.02)
    assert torch.allclose(dropped[dropped > 0], (whole / 0.7)[dropped > 0])


def test_evaluate_measures_without_dropout_and_leaves_the_mode(data):
    net = MLP(784, 64, 10, init="kaiming", seed=0, dropout=0.5)
    twice = [evaluate(net, data.val.images, data.val.labels) for _ in range(2)]
    assert twice[0] == twice[1] and net.training
    net.eval()
    evaluate(net, data.val.images, data.val.labels)
    assert not net.training


def test_divergence_ends_the_run_with_a_reason(data):
    history = list(train(Config(num_layers=3, sigma=1, lr=1), data))
    assert not math.isfinite(history[-1].loss)
    assert "smaller lr" in history[-1].reason
    assert len(history) < 24


def test_lr_changes_take_effect_at_the_next_step_and_are_kept(data):
    config = Config(num_hiddens=16, num_epochs=1)
    run = train(config, data)
    found = []
    for progress in run:
        found.append((progress.loss, progress.lr))
        if progress.step == 5:
            run.lr = 0.5
    assert run.lr_changes == [(0, 0.1), (5, 0.5)]
    assert [lr for _, lr in found][4:6] == [0.1, 0.5]
    plain = losses(train(config, data))
    assert [loss for loss, _ in found][:6] == plain[:6]
    assert [loss for loss, _ in found][6] != plain[6]
    with pytest.raises(ValueError, match="lr must be"):
        run.lr = -1


@pytest.mark.parametrize(
    "config",
    [
        Config(num_hiddens=8, num_epochs=2, momentum=0.9),
        Config(8, lr=0.01, num_epochs=2, optimizer="adam", lr_schedule="cosine"),
        Config(num_hiddens=8, num_epochs=2, dropout=0.3),
    ],
    ids=str,
)
def test_a_run_goes_on_from_any_earlier_state_to_the_bit(data, config):
    run, states, found = train(config, data), [], []
    for _ in range(2 * 24):
        states.append(run.state())
        found.append(next(run).loss)
        if len(found) == 10:
            run.lr = 0.02
    again = train(config, data)
    for step in (30, 3, 24, 0, 10):  # 24: between two epochs
        again.load(states[step], run.lr_changes)
        repeated = []
        for i in range(step, step + 15):
            if i == 10:
                again.lr = 0.02
            repeated.append(next(again).loss)
        assert repeated == found[step : step + 15]


def test_stopping_is_not_asking_for_more(data):
    run = train(Config(), data)
    assert next(run).step == 1
    run.close()
    assert list(run) == []


def test_one_training_does_not_disturb_another(data):
    config = Config(num_hiddens=16, num_epochs=1)
    alone = losses(train(config, data), steps=10)
    first, second = train(config, data), train(replace(config, seed=1), data)
    both = [(next(first).loss, next(second).loss) for _ in range(10)]
    assert [loss for loss, _ in both] == alone


def test_training_leaves_the_global_generator_alone(data):
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    losses(train(Config(num_hiddens=8), data), steps=3)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_each_optimizer_is_pytorchs_own(data, optimizer):
    config = Config(num_hiddens=16, optimizer=optimizer, lr=0.01, weight_decay=0.1)
    kind = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}[optimizer]
    net = MLP(784, 16, 10, seed=0)
    plain = getattr(torch.optim, kind)(net.parameters(), lr=0.01, weight_decay=0.1)
    order = torch.randperm(6000, generator=torch.Generator().manual_seed(0))
    expected = []
    for batch in order.split(256)[:5]:
        images, labels = data.train.images[batch], data.train.labels[batch]
        loss = torch.nn.functional.cross_entropy(net(images), labels)
        plain.zero_grad()
        loss.backward()
        plain.step()
        expected.append(loss.item())
    assert losses(train(config, data), steps=5) == expected


BAD = {
    "num_hiddens": -1,
    "num_layers": 0,
    "activation": "swish",
    "lr": 0,
    "batch_size": 0.5,
    "num_epochs": -3,
    "init": "random",
    "sigma": math.inf,
    "optimizer": "rmsprop",
    "momentum": 1,
    "weight_decay": -1e-4,
    "dropout": 1,
    "lr_schedule": "linear",
    "seed": -1,
    "device": "abacus",
}


@pytest.mark.parametrize("name", [field.name for field in fields(Config)])
def test_a_bad_value_is_refused_with_field_value_and_range(name):
    with pytest.raises(ValueError) as error:
        Config(**{name: BAD[name]})
    sentence = str(error.value)
    assert sentence.startswith(name) and repr(BAD[name]) in sentence
    assert "must be" in sentence and "\n" not in sentence


def test_momentum_without_sgd_is_refused():
    with pytest.raises(ValueError, match="momentum=0.9 has no effect"):
        Config(optimizer="adam", momentum=0.9)


@pytest.mark.parametrize(
    "config, text",
    [
        (Config(), "num_hiddens=256 lr=0.1"),
        (Config(num_hiddens=(512, 256), lr=0.5), "num_hiddens=512-256 lr=0.5"),
        (Config(num_layers=3), "num_hiddens=256 num_layers=3 lr=0.1"),
        (
            Config(4, activation="tanh", lr=1e-5, optimizer="adamw", weight_decay=0.01),
            "num_hiddens=4 activation=tanh lr=1e-05 optimizer=adamw weight_decay=0.01",
        ),
    ],
)
def test_a_setting_travels_as_one_short_line(config, text):
    assert str(config) == text
    assert Config.from_string(text) == config


def test_one_setting_has_one_spelling():
    assert Config(num_hiddens=(64, 64)) == Config(num_hiddens=64, num_layers=2)
    assert Config(lr=1) == Config(lr=1.0) and str(Config(lr=1)).endswith("lr=1.0")


def test_an_own_line_travels_by_name_only():
    def my_line(num_inputs, num_hiddens):
        return torch.zeros(num_inputs, num_hiddens)

    config = Config(init=my_line)
    assert str(config) == "num_hiddens=256 lr=0.1 init=my_line"
    assert Config.from_string(str(config), init=my_line) == config
    with pytest.raises(ValueError, match="define it here"):
        Config.from_string(str(config))


def test_an_own_line_does_not_travel_as_the_built_in_of_its_name():
    def xavier(num_inputs, num_hiddens):
        return torch.zeros(num_inputs, num_hiddens)

    config = Config(init=xavier)
    assert str(config) != str(Config(init="xavier"))
    assert Config.from_string(str(config), init=xavier) == config
    with pytest.raises(ValueError, match="define it here"):
        Config.from_string(str(config))


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("lr", "'lr' isn't of the form name=value"),
        ("lr=fast", "lr=fast can't be read"),
        ("num_hidden=3", "did you mean 'num_hiddens'"),
        ("epochs=3", "did you mean 'num_epochs'"),
        ("colour=red", "the settings are: num_hiddens,"),
        ("scheme=xavier", "no setting 'scheme'; the settings are: num_hiddens,"),
        ("lr=-1", "You gave -1.0"),
        ("num_hiddens=3-x", "num_hiddens=3-x can't be read"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        Config.from_string(text)


@pytest.mark.parametrize("wrong", ["num_hiddens=3", {"lr": 0.1}, None])
def test_train_names_what_is_not_a_config(data, wrong):
    with pytest.raises(TypeError, match="needs a Config"):
        train(wrong, data)


def test_train_names_what_is_not_data():
    with pytest.raises(TypeError, match="load_fashion_mnist"):
        train(Config(), torch.rand(5, 784))


def test_a_misspelt_field_is_named_with_the_one_that_is_meant():
    with pytest.raises(ValueError, match="'num_epoch'; did you mean 'num_epochs'"):
        Config(num_epoch=2)
