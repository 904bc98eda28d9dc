"""The space of a search: which Config it makes of a trial, and whether it changed."""

import warnings
from collections.abc import Callable
from contextlib import suppress

import optuna
from optuna.trial import FrozenTrial, Trial

from helpers.tables import one_line
from helpers.training import Config

Space = Callable[[Trial], Config]
REPLAYED = 100  # trials that show whether a space is still the same

NOT_A_CONFIG = "space(trial) must return a Config; it returned {found}."
NOTHING_TO_SEARCH = (
    "space(trial) asks the trial for nothing, so every trial would be the same; use "
    'for example lr=trial.suggest_float("lr", 0.001, 1, log=True).'
)
BAD_SPACE = "space(trial) can't be searched: {text}"
OWN_INIT = (
    "space(trial) returned a Config with your own init function, which can't travel to "
    "another process; use the name of a built-in one, such as init='kaiming'."
)
OTHER_SPACE = (
    "The search named {name!r} began with another space ({difference}), so the trials "
    "of the two can't be compared. Give this search another name."
)
OTHER_PARAMETER = "{field} was {before} and is {now}"
NOT_ASKED = "not asked for"
OTHER_CONFIG = "what was '{before}' is now '{now}'"


def config_of(space: Space, trial: Trial) -> Config:
    """The Config that `space` makes of a trial; ValueError or TypeError for none."""
    try:
        config = space(trial)
    except (ValueError, TypeError) as error:  # Optuna's, and Config's
        raise ValueError(BAD_SPACE.format(text=one_line(error))) from error
    if not isinstance(config, Config):
        raise TypeError(NOT_A_CONFIG.format(found=type(config).__name__))
    if not trial.distributions:
        raise ValueError(NOTHING_TO_SEARCH)
    if callable(config.init):
        raise ValueError(OWN_INIT)
    return config


def check_same_space(study: optuna.Study, space: Space, name: str | None) -> None:
    """Raise ValueError where `space` is not the one that the study began with.

    It is asked again about the latest trials, and must make the same of them.
    """
    begun = [t for t in study.get_trials(deepcopy=False) if "config" in t.user_attrs]
    for trial in begun[-REPLAYED:]:
        if difference := _difference(space, trial):
            raise ValueError(OTHER_SPACE.format(name=name, difference=difference))


def _difference(space: Space, trial: FrozenTrial) -> str:
    """How what `space` now makes of a trial's values differs, or ""."""
    probe = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    probe.enqueue_trial(trial.params)
    replay, now = probe.ask(), None
    with warnings.catch_warnings(), suppress(ValueError, TypeError):
        warnings.simplefilter("ignore")  # a value may be outside a changed range
        now = space(replay)
    for field in trial.distributions | replay.distributions:
        before, asked = (t.distributions.get(field, NOT_ASKED) for t in (trial, replay))
        if before != asked:
            return OTHER_PARAMETER.format(field=field, before=before, now=asked)
    config = trial.user_attrs["config"]
    return "" if str(now) == config else OTHER_CONFIG.format(before=config, now=now)
