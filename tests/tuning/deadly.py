"""Trainings whose process dies; apart, so that a process loads no more than this."""

import os
import signal

from helpers import Config
from helpers.tuning.task import train_epoch


class Deadly(Config):
    """A Config that takes down any process that it is sent to."""

    def __reduce__(self):
        return _die_elsewhere, (os.getpid(),)


def _die_elsewhere(sender):
    if os.getpid() != sender:
        always_dies()


def dies_once(died, config, shared, last):
    if last is not None and not died.exists():
        died.touch()
        always_dies()
    return train_epoch(config, shared, last)


def always_dies(*_):
    os.kill(os.getpid(), signal.SIGKILL)
