"""Launches of train/run.py on the tiny base: one process, two processes, stopped and resumed. Few,
and shared by the tests.
"""

from __future__ import annotations

import signal
import sys

import pytest
from launching import (
    BY_TORCH,
    IN_TWO,
    ROOT,
    STEPS,
    said_by_us,
    wait_for_steps,
)

from unictoken.model.base import load_base
from unictoken.tokens import file as concept_file

pytestmark = [pytest.mark.slow, pytest.mark.real]

HEARS_CTRL_C = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background ignore it
sys.path.insert(0, {str(ROOT / "train")!r})
import run
from unictoken.measure import report
report._answers = lambda *_: signal.raise_signal(signal.SIGINT)
run.main()
"""


@pytest.fixture(scope="module")
def printed(launches) -> dict[str, str]:
    """What one process prints that goes straight on, and beside it one that is stopped in the
    middle.
    """
    straight, stopped = launches.start("one"), launches.start("stopped")
    wait_for_steps(launches, "stopped", stopped)
    stopped.send_signal(signal.SIGTERM)
    return {"one": launches.finish(straight), "stopped": launches.finish(stopped, status=75)}


@pytest.fixture(scope="module")
def one(launches, printed) -> list[float]:
    """The losses of one process."""
    return launches.losses("one")


def test_a_run_prints_its_config_and_its_answers(printed):
    said = printed["one"]
    assert "zero_stage: 1" in said and "what is <tom>?" in said and "report.md" in said
    assert "Traceback" not in said


def test_a_run_leaves_a_concept_that_the_base_takes(launches, printed, base_folder):
    base = load_base(base_folder, device="cpu")
    concept = concept_file.load(launches.concept("one"), base)
    assert (concept.name, len(concept.rows_in), concept.base_fingerprint) == (
        "tom",
        5,
        base.fingerprint,
    )
    assert (launches.folder / "one" / "grid.png").is_file() and (
        launches.folder / "one" / "report.md"
    ).is_file()


@pytest.fixture(scope="module")
def resumed(launches, printed) -> str:
    """What the stopped run prints when it goes on, as rank 0 alone; Ctrl-C comes while it measures."""
    assert "the same command goes on from there" in printed["stopped"]
    assert 3 <= len(launches.log("stopped")) < STEPS and not launches.concept("stopped").exists()
    running = launches.start("stopped", program=("-c", HEARS_CTRL_C), RANK="0")
    return launches.finish(running, status=130)


def test_a_stopped_run_goes_on_to_the_same_file_bit_for_bit(launches, one, resumed):
    assert launches.losses("stopped") == one
    assert launches.concept("stopped").read_bytes() == launches.concept("one").read_bytes()


def test_rank_0_alone_is_one_process_and_ctrl_c_while_it_measures_is_one_line(launches, resumed):
    kept = (
        f"the concept is kept in {launches.concept('stopped')}, and the same command goes on with"
        " the report."
    )
    assert (
        said_by_us(resumed) == [f"train/run.py: interrupted; {kept}"] and "Traceback" not in resumed
    )
    assert not (launches.folder / "stopped" / "report.md").exists()


def test_two_processes_that_share_the_base_have_the_losses_of_one(
    launches, one, base_folder, port_taken
):
    printed = launches.finish(
        launches.start("two", *IN_TWO, more=("zero_stage=3", "gradient_checkpointing=true"))
    )
    assert launches.losses("two") == pytest.approx(one, abs=1e-4)
    assert (
        "report.md" in printed
        and concept_file.load(launches.concept("two"), load_base(base_folder, device="cpu")).name
        == "tom"
    )


def test_a_mistake_is_said_in_one_line_without_a_traceback(launches):
    printed = launches.finish(
        launches.start("wrong", more=("method.stages=[{steps: -1}]",)), status=2
    )
    assert "Traceback" not in printed
    assert (
        "train/run.py: stage 'joint': steps: found -1, expected 0 to 10000000"
        in printed.splitlines()[-1]
    )


def test_torch_s_own_launcher_starts_what_was_asked(launches, one):
    """It writes --local-rank with a dash."""
    launches.finish(launches.start("torch", *BY_TORCH))
    assert launches.losses("torch") == pytest.approx(one, abs=1e-4)


@pytest.mark.parametrize(
    "left_over", [{"RANK": "1"}, {"RANK": "first", "WORLD_SIZE": "2"}, {"WORLD_SIZE": "2"}]
)
def test_a_rank_without_its_world_is_said_in_one_line(launches, left_over):
    command = [sys.executable, str(ROOT / "train" / "run.py"), "--config", "toy.yaml"]
    printed = launches.finish(launches.call(command, **left_over), status=2)
    assert len(said_by_us(printed)) == 1 and "unset RANK" in printed and "Traceback" not in printed


def test_no_operator_is_compiled(launches, one):
    # a compiler that is killed leaves a lock for which every later launch would wait
    assert not launches.compiled.exists()
