"""Launches of train/run.py on the tiny base: one process, two processes, stopped and resumed. Few,
and shared by the tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from unictoken.model.base import load_base
from unictoken.tokens import file as concept_file

pytestmark = [pytest.mark.slow, pytest.mark.real]

ROOT = Path(__file__).parents[2]
STEPS = 30
LIMIT = 120  # seconds that one launch may take
CONFIG = """
concept: {{name: tom, pictures: {pictures}}}
base: {base}
method:
  tokens: {{shared: 4}}
  stages: [{{name: first, steps: {half}, batch: 4}}, {{name: second, steps: {half}, batch: 4, trainable: [shared]}}]
prompts: ["<{{name}}> wearing a hat"]
questions: ["what is <{{name}}>?"]
distractors: {{world: 10}}
judge: null
save_every: 10
"""


class Launches:
    """Runs of one config in one folder, each with a run folder of its own."""

    def __init__(self, folder: Path, config: str):
        self.folder, self.compiled = folder, folder / "compiled"
        (folder / "toy.yaml").write_text(config, encoding="utf-8")
        own = {
            "PYTHONPATH": str(ROOT),
            "DS_ACCELERATOR": "cpu",
            "OMP_NUM_THREADS": "1",
            "TORCH_EXTENSIONS_DIR": str(self.compiled),
        }
        self.environment = {**os.environ, **own}

    def start(self, name: str, *launcher: str, more: tuple[str, ...] = ()) -> subprocess.Popen:
        settings = [f"out={self.folder / name}", f"concepts={self.folder / name}", *more]
        command = [
            sys.executable,
            *launcher,
            str(ROOT / "train" / "run.py"),
            "--config",
            "toy.yaml",
        ]
        command += [word for setting in settings for word in ("--set", setting)]
        return self.call(command)

    def call(self, command: list[str], **more: str) -> subprocess.Popen:
        """Start a command with `more` in its environment."""
        out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment | more, **out)

    def finish(self, running: subprocess.Popen, status: int = 0) -> str:
        """What it printed; a launch that fails, or takes too long, shows it all."""
        try:
            printed, _ = running.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            running.kill()
            printed, _ = running.communicate()
        assert running.returncode == status, printed
        return printed

    def log(self, name: str) -> list[dict]:
        return [
            json.loads(line)
            for line in (self.folder / name / "log.jsonl").read_text(encoding="utf-8").splitlines()
        ]

    def losses(self, name: str) -> list[float]:
        assert [line["step"] for line in self.log(name)] == list(range(1, STEPS + 1))
        return [line["loss"] for line in self.log(name)]

    def concept(self, name: str) -> Path:
        return self.folder / name / "tom.safetensors"


def stop_in_the_middle(
    launches: Launches, name: str, running: subprocess.Popen, number: int = signal.SIGTERM
) -> None:
    """A signal once a few steps are logged."""
    wait_for_steps(launches, name, running)
    running.send_signal(number)


def wait_for_steps(launches: Launches, name: str, running: subprocess.Popen) -> None:
    """Until a few steps are logged."""
    log = launches.folder / name / "log.jsonl"
    until = time.monotonic() + LIMIT
    while not log.is_file() or len(log.read_text(encoding="utf-8").splitlines()) < 3:
        if time.monotonic() > until or running.poll() is not None:
            running.kill()
            pytest.fail(running.communicate()[0])
        time.sleep(0.01)


@pytest.fixture(scope="module")
def launches(base_folder, toy_folder, tmp_path_factory) -> Launches:
    """One process straight on, and beside it one that is stopped in the middle."""
    config = CONFIG.format(pictures=toy_folder, base=base_folder, half=STEPS // 2)
    launches = Launches(tmp_path_factory.mktemp("launches"), config)
    straight, stopped = launches.start("one"), launches.start("stopped")
    stop_in_the_middle(launches, "stopped", stopped)
    launches.printed = {
        "one": launches.finish(straight),
        "stopped": launches.finish(stopped, status=75),
    }
    return launches


def test_a_run_prints_its_config_and_its_answers(launches):
    printed = launches.printed["one"]
    assert "zero_stage: 1" in printed and "what is <tom>?" in printed and "report.md" in printed
    assert "Traceback" not in printed


def test_a_run_leaves_a_concept_that_the_base_takes(launches, base_folder):
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


def test_a_stopped_run_goes_on_to_the_same_file_bit_for_bit(launches):
    assert "the same command goes on from there" in launches.printed["stopped"]
    done = len(launches.log("stopped"))
    assert 3 <= done < STEPS and not launches.concept("stopped").exists()
    launches.finish(launches.start("stopped"))
    assert launches.losses("stopped") == launches.losses("one")
    assert launches.concept("stopped").read_bytes() == launches.concept("one").read_bytes()


IN_TWO = ("-m", "deepspeed.launcher.runner", "--num_accelerators", "2")


@pytest.fixture(scope="module")
def port_taken():
    """What every DeepSpeed launch on this machine is told, held by another."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody holds it already
            other.bind(("", 29500))
            other.listen()
        yield


def test_two_processes_that_share_the_base_have_the_losses_of_one(
    launches, base_folder, port_taken
):
    printed = launches.finish(
        launches.start("two", *IN_TWO, more=("zero_stage=3", "gradient_checkpointing=true"))
    )
    assert launches.losses("two") == pytest.approx(launches.losses("one"), abs=1e-4)
    assert (
        "report.md" in printed
        and concept_file.load(launches.concept("two"), load_base(base_folder, device="cpu")).name
        == "tom"
    )


@pytest.fixture(scope="module")
def engines(launches, base_folder) -> dict[str, dict]:
    """A few steps in two processes with each way of spreading the base, and without DeepSpeed, in
    one launch (engines.py).
    """
    out = launches.folder / "ways.json"
    command = [
        sys.executable,
        *IN_TWO,
        str(Path(__file__).with_name("engines.py")),
        str(base_folder),
        str(out),
    ]
    launches.finish(launches.call(command))
    return json.loads(out.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ways(engines) -> dict[str, dict]:
    return engines["ways"]


@pytest.mark.parametrize("part", ["losses", "second stage"])
def test_every_way_of_spreading_the_base_has_the_losses_of_plain_torch(part, engines, ways):
    expected = engines["without"][part]
    assert expected[-1] < expected[0]
    for name, found in ways.items():
        assert found[part] == pytest.approx(expected, abs=5e-3 if "bf16" in name else 1e-5), name


def test_every_way_goes_on_exactly_where_it_was_left(ways):
    assert len(ways) == 9
    for name, found in ways.items():
        assert found["resumed"] == found["losses"][2:], name


def test_at_stage_3_a_process_holds_its_share_of_the_base(ways):
    whole = ways["zero 0"]["frozen"]
    for name, found in ways.items():
        assert found["frozen"] < 0.51 * whole if "zero 3" in name else found["frozen"] == whole, (
            name
        )
        assert found["held after dropping"] == 0, name


def test_no_way_rounds_or_shards_the_image_tokenizer(ways):
    assert all(found["image tokenizer is whole"] for found in ways.values())


def test_a_mistake_is_said_in_one_line_without_a_traceback(launches):
    printed = launches.finish(
        launches.start("wrong", more=("method.stages=[{steps: -1}]",)), status=2
    )
    assert "Traceback" not in printed
    assert (
        "train/run.py: stage 'joint': steps: found -1, expected 0 to 10000000"
        in printed.splitlines()[-1]
    )


def test_no_operator_is_compiled(launches, ways):
    # a compiler that is killed leaves a lock for which every later launch would wait
    assert not launches.compiled.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_launcher_alone_stops_its_processes_too(number, launches, port_taken):
    name = f"orphaned-{number}"
    running = launches.start(name, *IN_TWO, more=("method.stages.1.steps=100000", "prompts=[]"))
    stop_in_the_middle(launches, name, running, number)
    printed = launches.finish(running, -number)
    assert "its launcher has ended, so this process stops" in printed
    assert len(said_by_us(printed)) and "the same command goes on from there" in printed
    steps = len(launches.log(name))
    assert (launches.folder / name / "checkpoints" / f"step-{steps:06d}.safetensors").is_file()
    assert not (launches.folder / name / ".lock").exists()


def said_by_us(printed: str) -> list[str]:
    """What the program says, without its launcher's words."""
    return [line for line in printed.splitlines() if line.startswith("train/run.py: ")]


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


def test_torch_s_own_launcher_starts_what_was_asked(launches):
    """It writes --local-rank with a dash."""
    launches.finish(
        launches.start(
            "torch", "-m", "torch.distributed.launch", "--nproc_per_node", "2", "--standalone"
        )
    )
    assert launches.losses("torch") == pytest.approx(launches.losses("one"), abs=1e-4)


@pytest.mark.parametrize(
    "left_over", [{"RANK": "1"}, {"RANK": "first", "WORLD_SIZE": "2"}, {"WORLD_SIZE": "2"}]
)
def test_a_rank_without_its_world_is_said_in_one_line(launches, left_over):
    command = [sys.executable, str(ROOT / "train" / "run.py"), "--config", "toy.yaml"]
    printed = launches.finish(launches.call(command, **left_over), status=2)
    assert len(said_by_us(printed)) == 1 and "unset RANK" in printed and "Traceback" not in printed


def test_rank_0_alone_is_one_process_and_ctrl_c_while_it_measures_is_one_line(launches):
    settings = [
        f"out={launches.folder / 'halted'}",
        f"concepts={launches.folder / 'halted'}",
        "prompts=[]",
    ]
    command = [
        sys.executable,
        "-c",
        HEARS_CTRL_C,
        "--config",
        "toy.yaml",
        *(word for s in settings for word in ("--set", s)),
    ]
    printed = launches.finish(launches.call(command, RANK="0"), status=130)
    kept = (
        f"the concept is kept in {launches.concept('halted')}, and the same command goes on with"
        " the report."
    )
    assert (
        said_by_us(printed) == [f"train/run.py: interrupted; {kept}"] and "Traceback" not in printed
    )
    assert (
        launches.concept("halted").is_file()
        and not (launches.folder / "halted" / "report.md").exists()
    )


HEARS_CTRL_C = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background ignore it
sys.path.insert(0, {str(ROOT / "train")!r})
import run
from unictoken.measure import report
report._answers = lambda *_: signal.raise_signal(signal.SIGINT)
run.main()
"""
