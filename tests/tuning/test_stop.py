"""Stop: heard at any time, obeyed between two steps."""

import multiprocessing
import signal
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from helpers.tuning.executors import submit
from helpers.tuning.stop import DeferredStop


def press():
    signal.raise_signal(signal.SIGINT)


def test_stop_waits_for_the_end_of_a_step():
    with DeferredStop() as stop:
        stop.obey()
        press()
        press()  # at once, by mistake
        with pytest.raises(KeyboardInterrupt):
            stop.obey()


def test_a_later_second_stop_is_obeyed_at_once():
    with pytest.raises(KeyboardInterrupt), DeferredStop(patience=0):
        press()
        press()
        pytest.fail("the second came to nothing")


def test_stop_is_heard_while_it_waits():
    with DeferredStop() as stop:
        threading.Timer(0.2, press).start()
        with pytest.raises(KeyboardInterrupt):
            stop.wait({Future()})


def test_what_is_done_is_handed_on():
    done = Future()
    done.set_result(1)
    with DeferredStop() as stop:
        assert stop.wait({done, Future()}) == {done}


@pytest.mark.skipif(sys.platform == "win32", reason="it sends processes no Stop")
def test_a_stop_while_processes_begin_is_not_for_them():
    """They are deaf to it, and it is heard once they have begun."""
    begun = []

    class Beginning(ThreadPoolExecutor):
        _mp_context = multiprocessing.get_context("spawn")

        def submit(self, *task):
            press()
            begun.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
            return super().submit(*task)

    with Beginning(1) as pool, DeferredStop() as stop:
        submit(pool, len, ())
        assert signal.SIGINT in begun[0]
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        with pytest.raises(KeyboardInterrupt):
            stop.obey()


def test_afterwards_all_is_as_before():
    with DeferredStop():
        press()
    with pytest.raises(KeyboardInterrupt):
        press()


def test_a_handler_of_somebody_elses_is_left_alone():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        with DeferredStop() as stop:
            press()
            stop.obey()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1]
