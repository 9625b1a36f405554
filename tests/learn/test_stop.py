import signal
import threading

import pytest

from unictoken.learn import checkpoint
from unictoken.learn.settings import ConceptConfig, RunConfig
from unictoken.learn.stop import StopSignal, kept_of_learning, kept_of_measuring


@pytest.fixture
def stop():
    # tests that run in the background ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
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


def test_as_a_context_it_restores_them_whatever_happens():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyError), StopSignal():
        assert signal.getsignal(signal.SIGTERM) != before
        raise KeyError
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_thread_of_another_program_gets_no_signals_and_needs_none():
    asked = []

    def learn() -> None:
        with StopSignal() as stop:
            asked.append(stop())

    thread = threading.Thread(target=learn)
    thread.start()
    thread.join()
    assert asked == [False]


def test_what_is_kept_of_a_run_is_said(tmp_path, monkeypatch):
    settings = RunConfig(
        concept=ConceptConfig(name="bo", pictures=("photos",)),
        out=str(tmp_path / "run"),
        concepts=str(tmp_path),
    )
    assert kept_of_learning(settings) == "nothing is kept: no checkpoint was saved."
    assert (
        kept_of_measuring(settings)
        == f"the concept is kept in {tmp_path / 'bo.safetensors'}, and the same command goes on"
        " with the report."
    )
    monkeypatch.setattr(checkpoint, "newest", lambda folder: folder / "step-50")
    assert (
        kept_of_learning(settings)
        == f"the same command goes on from {tmp_path / 'run' / 'checkpoints' / 'step-50'}."
    )
