"""Launches of train/run.py in two processes that do not reach their end: a mistake, a launcher that
is ended, a process that is killed.
"""

from __future__ import annotations

import signal

import psutil
import pytest
from launching import IN_TWO, LIMIT, said_by_us, wait_for_steps

pytestmark = [pytest.mark.slow, pytest.mark.real]


def test_a_signal_to_the_launcher_alone_stops_its_processes_too(launches, port_taken):
    """SIGTERM, which a launcher could hear; tests/test_launch.py asserts it of SIGKILL too."""
    name = "orphaned"
    running = launches.start(name, *IN_TWO, more=("method.stages.1.steps=100000", "prompts=[]"))
    wait_for_steps(launches, name, running)
    running.terminate()
    printed = launches.finish(running, -signal.SIGTERM)
    assert "its launcher has ended, so this process stops" in printed
    assert len(said_by_us(printed)) and "the same command goes on from there" in printed
    steps = len(launches.log(name))
    assert (launches.folder / name / "checkpoints" / f"step-{steps:06d}.safetensors").is_file()
    assert not (launches.folder / name / ".lock").exists()


def test_a_mistake_that_every_process_meets_is_said_once(launches, port_taken):
    printed = launches.finish(launches.start("wrong-two", *IN_TWO, more=("sede=1",)), status=2)
    at_once, last = said_by_us(printed)
    assert at_once == last == printed.splitlines()[-1]
    assert "did you mean 'seed'" in last and "Traceback" not in printed


@pytest.mark.parametrize("rank", ["0", "1"])
def test_of_a_dead_process_the_last_line_is_ours_and_says_where_the_log_is(
    rank, launches, port_taken
):
    name = f"dead-{rank}"
    running = launches.start(name, *IN_TWO, more=("method.stages.1.steps=100000", "prompts=[]"))
    wait_for_steps(launches, name, running)
    (dead,) = (
        process
        for process in psutil.Process(running.pid).children(recursive=True)
        if process.environ().get("RANK") == rank
    )
    dead.kill()
    printed, _ = running.communicate(timeout=LIMIT)
    assert running.returncode and "Traceback" not in printed
    last = printed.splitlines()[-1]
    assert last.startswith("train/run.py: rank ") and "lost another process" in last
    assert f"the log of the run is {launches.folder / name / 'log.jsonl'}" in last
    assert set(said_by_us(printed)) == {last}
