"""Trainings whose process dies; apart, so that a process loads no more than this."""

import os
import signal

from helpers.tuning.task import train_epoch


def dies_once(died, config, shared, last):
    if last is not None and not died.exists():
        died.touch()
        always_dies()
    return train_epoch(config, shared, last)


def always_dies(*_):
    os.kill(os.getpid(), signal.SIGKILL)
