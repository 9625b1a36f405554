import signal

import pytest

from unictoken.learn.stop import StopSignal


@pytest.fixture
def stop():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background ignore it
    made = StopSignal()
    yield made
    made.restore()
    signal.signal(signal.SIGINT, before)


def test_a_signal_is_noted_and_the_run_goes_on_to_the_end_of_its_step(stop):
    assert not stop()
    signal.raise_signal(signal.SIGTERM)
    assert stop()


def test_what_a_launcher_sends_after_a_ctrl_c_does_not_cut_the_step(stop):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
        signal.raise_signal(number)
    assert stop()


def test_the_first_ctrl_c_is_noted_whatever_came_before(stop):
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert stop()


def test_a_second_ctrl_c_ends_the_process_at_once(stop):
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_when_it_is_restored_signals_are_what_they_were():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    made = StopSignal()
    signal.raise_signal(signal.SIGINT)
    made.restore()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
