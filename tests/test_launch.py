"""What launchers say in the environment, and how processes of one launch find each other. Without
torch.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from unictoken.core.config import ConfigError
from unictoken.core.launch import Launch, asked_of_accelerate, free_port, read_launch

ROOT = Path(__file__).parents[1]
BY_HAND = {
    "RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "10.0.0.7",
    "MASTER_PORT": "29501",
}
DEEPSPEED = BY_HAND | {
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
    "CROSS_SIZE": "1",
    "LOCAL_SIZE": "2",
}
OPEN_MPI = {
    f"OMPI_COMM_WORLD_{name}": value
    for name, value in (("RANK", "1"), ("SIZE", "2"), ("LOCAL_RANK", "1"), ("LOCAL_SIZE", "2"))
}
SRUN = {
    "SLURM_PROCID": "1",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NUM_NODES": "1",
}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"RANK": "0"},
        {"RANK": ""},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"WORLD_SIZE": "1"},
        {"RANK": "0", "MASTER_ADDR": "somewhere"},
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0"},  # sbatch's own process
        {"ACCELERATE_USE_CPU": "True"},
    ],
)
def test_one_process_is_a_world_of_one_whatever_is_left_out(told):
    assert read_launch(told) == Launch()
    joined = read_launch(told).join()
    assert (joined["RANK"], joined["WORLD_SIZE"], joined["MASTER_ADDR"]) == ("0", "1", "127.0.0.1")


@pytest.mark.parametrize(
    ("told", "local_size"),
    [
        (DEEPSPEED, 2),
        (BY_HAND | {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2"}, 2),
        (BY_HAND, 1),
        (OPEN_MPI, 2),
        ({"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}, 2),
        (SRUN, 2),
    ],
)
def test_every_launcher_is_understood(told, local_size):
    found = read_launch(told)
    assert (found.rank, found.world_size, found.local_rank, found.local_size) == (
        1,
        2,
        1,
        local_size,
    )


def test_a_launch_over_machines_or_by_torchrun_meets_where_it_is_told():
    torchrun = BY_HAND | {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2"}
    alone = torchrun | {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    for told in (
        torchrun,
        alone,
        BY_HAND,
        DEEPSPEED | {"CROSS_SIZE": "2", "LOCAL_SIZE": "1"},
        SRUN | {"SLURM_STEP_NUM_NODES": "2", **BY_HAND},
    ):
        joined = read_launch(told).join()
        assert (joined["MASTER_ADDR"], joined["MASTER_PORT"]) == (
            told["MASTER_ADDR"],
            told["MASTER_PORT"],
        )


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            {"RANK": "1"},
            "says RANK=1 and no WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT. .*unset RANK",
        ),
        ({"RANK": "1", "WORLD_SIZE": "2"}, "and no LOCAL_RANK"),
        ({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "and no MASTER_ADDR, MASTER_PORT"),
        ({"WORLD_SIZE": "2"}, "says WORLD_SIZE=2 and no RANK"),
        (BY_HAND | {"RANK": "x"}, "RANK='x' in the environment: expected a whole number from 0"),
        (BY_HAND | {"RANK": "-1"}, "RANK='-1'"),
        (BY_HAND | {"WORLD_SIZE": "2.0"}, r"WORLD_SIZE='2\.0'"),
        (BY_HAND | {"WORLD_SIZE": "0"}, "RANK=1, WORLD_SIZE=0: expected"),
        (BY_HAND | {"RANK": "2"}, "RANK=2, WORLD_SIZE=2: expected a rank from 0 to 1"),
        (BY_HAND | {"LOCAL_RANK": "one"}, "LOCAL_RANK='one'"),
        (BY_HAND | {"MASTER_PORT": "99999"}, "MASTER_PORT='99999'"),
        (BY_HAND | {"MASTER_PORT": "0"}, "MASTER_PORT='0'"),
        (SRUN | {"SLURM_STEP_NUM_NODES": "2"}, "and no MASTER_ADDR, MASTER_PORT"),
        ({"SLURM_PROCID": "1"}, "says SLURM_PROCID=1 and no SLURM_STEP_NUM_TASKS"),
        (
            {"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "127.0.0.1"},
            "starts one process on a CPU.*--num_processes N",
        ),
    ],
)
def test_what_is_not_whole_is_said_in_one_line(told, said):
    with pytest.raises(ConfigError, match=said) as refused:
        read_launch(told)
    assert "\n" not in str(refused.value)


def processes(script: str, *told: dict[str, str]) -> list[subprocess.Popen]:
    """The script, started by this process once for each environment, as a launcher does."""
    lines = f"from unictoken.core.launch import read_launch\nlaunch = read_launch()\n{script}"
    talking = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
    return [
        subprocess.Popen([sys.executable, "-c", lines], cwd=ROOT, env=os.environ | own, **talking)
        for own in told
    ]


@pytest.mark.parametrize("told", [DEEPSPEED, OPEN_MPI], ids=["deepspeed", "mpirun"])
def test_processes_on_one_machine_agree_on_a_port_that_is_free(told):
    ranks = [
        {name: str(rank) if name.endswith("RANK") else value for name, value in told.items()}
        for rank in (1, 0)
    ]
    script = (
        "print(launch.join()['MASTER_PORT'],"
        " flush=True)\ninput()\nlaunch.leave()\nprint(launch.meeting.exists())"
    )
    started = processes(script, *ranks)
    ports = {running.stdout.readline() for running in started}
    assert len(ports) == 1 and ports != {"29500\n"}
    gone = [running.communicate("\n", timeout=60)[0] for running in started]
    assert gone[1] == "False\n" and not any(running.returncode for running in started)


def test_a_line_is_said_by_one_process_and_another_line_too():
    ranks = [DEEPSPEED | {"RANK": str(rank)} for rank in (0, 1)]
    script = (
        "mine = launch.rank == 1 and launch.says('only rank 1')\nprint(launch.says('all ranks'),"
        " mine, flush=True)\ninput()\nlaunch.leave()"
    )
    started = processes(script, *ranks)
    said = [running.stdout.readline().split() for running in started]
    for running in reversed(started):
        running.communicate("\n", timeout=60)
    assert sorted(both for both, _ in said) == ["False", "True"] and [mine for _, mine in said] == [
        "False",
        "True",
    ]


def laid(kind: str, place: Path) -> None:
    """What another user could lay at the name of a meeting folder, with a port in it."""
    other = place.with_name("other")
    other.mkdir(mode=0o700)
    (other / "port").write_text("1", encoding="utf-8")
    if kind == "link":
        place.symlink_to(other)
        return
    other.rename(place)
    if kind == "open to all":
        place.chmod(0o777)
    elif kind == "another user's":
        if os.geteuid():
            pytest.skip("only root may give a folder away")
        os.chown(place, 65534, 65534)


@pytest.mark.parametrize("kind", ["link", "open to all", "another user's"])
def test_where_processes_meet_nothing_of_another_user_is_read_or_written(kind, tmp_path):
    place = tmp_path / "meeting"
    laid(kind, place)
    ranks = [Launch(rank=rank, world_size=2, local_size=2, mark="CROSS_SIZE") for rank in (0, 1)]
    for rank in ranks:
        vars(rank)["meeting"] = place
        for use in (
            rank.join,
            lambda rank=rank: rank.says("a line"),
            lambda r=rank: r.somebody_ended,
        ):
            with pytest.raises(ConfigError, match="meeting: found what others can write into"):
                use()
    assert [file.name for file in place.iterdir()] == ["port"]
    assert (place / "port").read_text(encoding="utf-8") == "1"


def test_where_processes_meet_is_made_for_its_user_alone(tmp_path):
    first, other = (
        Launch(rank=rank, world_size=2, local_size=2, mark="CROSS_SIZE") for rank in (0, 1)
    )
    for rank in (first, other):
        vars(rank)["meeting"] = tmp_path / "meeting"
    assert first.join()["MASTER_PORT"] == other.join()["MASTER_PORT"]
    assert (tmp_path / "meeting").stat().st_mode & 0o777 == 0o700
    first.leave()
    assert not (tmp_path / "meeting").exists()


def test_a_free_port_is_one_that_can_be_listened_on():
    ports = {free_port() for _ in range(20)}
    assert len(ports) > 1
    for port in ports:
        with socket.socket() as other:
            other.bind(("", port))


def test_who_is_alone_says_everything():
    assert all(Launch().says("a line") for _ in range(2)) and not Launch().somebody_ended


def test_what_accelerate_was_asked_for_is_read_from_its_command_line():
    told = {"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    launcher = (
        "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', sys.argv[1]]))"
    )
    script = "from unictoken.core.launch import asked_of_accelerate; print(asked_of_accelerate())"
    for asked in (["--num_processes", "3"], ["--num-processes=3"]):
        command = [sys.executable, "-c", launcher, script, *asked]
        assert (
            subprocess.check_output(command, cwd=ROOT, env=os.environ | told, encoding="utf-8")
            == "3\n"
        )
    assert asked_of_accelerate({}) is None and asked_of_accelerate(told | {"RANK": "0"}) is None


# DeepSpeed's two processes, and below them one that learns. The variables are the last one's alone.
BELOW = {
    "deepspeed": """
import subprocess, sys
subprocess.run([sys.executable, "launch.py"])
""",
    "launch.py": """
import os, subprocess, sys
told = {"CROSS_SIZE": "1", "RANK": "0", "WORLD_SIZE": "1"}
below = subprocess.Popen([sys.executable, "learns.py"], env=os.environ | told)
print(os.getpid(), below.pid, flush=True)
below.wait()
""",
    "learns.py": """
import signal, time
from unictoken.core.launch import leave_with_launcher
def save(*_):
    time.sleep(0.5)
    raise SystemExit
signal.signal(signal.SIGTERM, save)
leave_with_launcher("learns")
print("learning", flush=True)
time.sleep(60)
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("who", ["runner", "launcher"])
def test_a_process_ends_when_either_of_its_launchers_does(who, number, tmp_path):
    for name, script in BELOW.items():
        (tmp_path / name).write_text(script, encoding="utf-8")
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    told = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "deepspeed"], cwd=tmp_path, env=told, **out) as runner:
        launcher, learns = map(psutil.Process, map(int, runner.stdout.readline().split()))
        assert runner.stdout.readline() == "learning\n"
        os.kill(runner.pid if who == "runner" else launcher.pid, number)
        assert psutil.wait_procs([learns], timeout=20)[0]
        assert runner.stdout.readline().startswith("learns: its launcher has ended, so this")


ENDS = """
import os, signal, time
from unictoken.core.errors import UserError
from unictoken.core.launch import say_last
from unictoken.core.program import run_program
def action(_):
    raise UserError("prog: it cannot be.")
run_program("prog", action, [], say_last=say_last)
"""


@pytest.mark.slow
def test_the_last_line_is_ours_whatever_a_launcher_prints_after_its_process(tmp_path):
    """It prints for a second, and ends what is below the process that ended."""
    launcher = BELOW["launch.py"].replace('"WORLD_SIZE": "1"', '"WORLD_SIZE": "2"') + (
        "import psutil, time\n"
        "for left in psutil.Process().children(recursive=True): left.kill()\n"
        "time.sleep(1); print('launcher: exits with 2', flush=True)\n"
    )
    scripts = {"deepspeed": BELOW["deepspeed"], "launch.py": launcher, "learns.py": ENDS}
    for name, script in scripts.items():
        (tmp_path / name).write_text(script, encoding="utf-8")
    told = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        [sys.executable, "deepspeed"],
        cwd=tmp_path,
        env=told,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ).stdout.splitlines()
    line = "prog: prog: it cannot be."
    assert said[1:] == [line, "launcher: exits with 2", line]


def test_a_process_that_no_launcher_started_watches_nobody():
    for told in ({}, {"RANK": "0", "WORLD_SIZE": "1"}):
        script = "import threading; print(threading.active_count())"
        lines = (
            f"from unictoken.core.launch import leave_with_launcher as leave\nleave('x')\n{script}"
        )
        command = [sys.executable, "-c", lines]
        said = subprocess.check_output(command, cwd=ROOT, env=os.environ | told, encoding="utf-8")
        assert said == "1\n"
