"""Which of several processes this one is.

Launchers write it into the environment: deepspeed, torchrun, accelerate, mpirun, srun.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from unictoken.core import last_word
from unictoken.core.config import ConfigError
from unictoken.core.disk import is_file, is_there, quoted, write_aside
from unictoken.core.system import is_private

if TYPE_CHECKING:
    import psutil  # DeepSpeed's; a program without it has one process

HERE = "127.0.0.1"
PORTS, TRIES = range(20_000, 32_000), 100  # below Linux's own range for connections
PORT = "port"  # file into which rank 0 writes the port that it found
LAST_PORT = 65535
PATIENCE = 300.0  # seconds to wait for rank 0, which may import torch from a slow disk
START = "Start the program with `deepspeed` or `torchrun`, which set them all"
UNSET = "or for one process `unset RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT`."


@dataclass(frozen=True, kw_only=True)
class Launcher:
    """The environment variables in which a launcher gives each process its rank."""

    rank: str = "RANK"
    world_size: str = "WORLD_SIZE"
    local_rank: str = "LOCAL_RANK"
    local_size: str = ""
    """Number of processes on this machine."""
    machines: str = ""
    mark: str = ""
    """A variable that its processes have and it does not; '': there may be no common launcher."""


DEEPSPEED = Launcher(local_size="LOCAL_SIZE", machines="CROSS_SIZE", mark="CROSS_SIZE")
TORCHRUN = Launcher(local_size="LOCAL_WORLD_SIZE", mark="TORCHELASTIC_RUN_ID")  # accelerate's too
BY_HAND = Launcher(local_size="LOCAL_WORLD_SIZE")
OPEN_MPI = Launcher(
    rank="OMPI_COMM_WORLD_RANK",
    world_size="OMPI_COMM_WORLD_SIZE",
    local_rank="OMPI_COMM_WORLD_LOCAL_RANK",
    local_size="OMPI_COMM_WORLD_LOCAL_SIZE",
    mark="OMPI_COMM_WORLD_RANK",
)
MPICH = Launcher(
    rank="PMI_RANK",
    world_size="PMI_SIZE",
    local_rank="MPI_LOCALRANKID",
    local_size="MPI_LOCALNRANKS",
    mark="PMI_RANK",
)
SRUN = Launcher(
    rank="SLURM_PROCID",
    world_size="SLURM_STEP_NUM_TASKS",  # srun's; sbatch sets SLURM_NTASKS for its one process too
    local_rank="SLURM_LOCALID",
    machines="SLURM_STEP_NUM_NODES",
    mark="SLURM_STEP_NUM_TASKS",
)
OTHERS = (OPEN_MPI, MPICH, SRUN)


@dataclass(frozen=True)
class Launch:
    """This process among those that were started together.

    Args:
        rank: its number, from 0.
        world_size: how many there are.
        local_rank: its number on this machine, which is the number of its GPU.
        local_size: how many are on this machine; 1 where the launcher does not say it.
        address: host of the first process; None: all are on this machine, and agree on a port.
        port: where they meet on that host.
        mark: `Launcher.mark`.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_size: int = 1
    address: str | None = None
    port: int | None = None
    mark: str = ""

    def join(self) -> dict[str, str]:
        """The variables that torch and DeepSpeed read.

        Where all processes are on this machine, rank 0 finds a free port and writes it into a file
        for the others.
        """
        address, port = (self.address, self.port) if self.port else (HERE, self._find_port())
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.world_size),
            "LOCAL_RANK": str(self.local_rank),
            "MASTER_ADDR": str(address),
            "MASTER_PORT": str(port),
        }

    def _find_port(self) -> int:
        if self.rank == 0:
            port = free_port()
            if self.meeting:
                _make_private(self.meeting)
                write_aside(self.meeting / PORT, str(port).encode())
            return port
        assert self.meeting  # `read_launch` leaves the port open only where processes can meet
        until = time.monotonic() + PATIENCE
        while not (is_there(self.meeting) and _is_told(self.meeting)):
            if time.monotonic() > until:
                raise ConfigError(
                    f"rank {self.rank}: waited {PATIENCE:.0f} s for rank 0 in vain. Look at what it said, and start them together again."
                )
            time.sleep(0.02)
        return int((self.meeting / PORT).read_text(encoding="utf-8"))

    @cached_property
    def meeting(self) -> Path | None:
        """A folder that this launch's processes on this machine share; None: no known launcher.

        Others can guess its name, in the temporary folder of all users, as each process must find
        it: so nothing in it is read or written before it is seen to be this user's alone.
        """
        launcher = _launcher(self.mark) if self.world_size > 1 and self.mark else None
        return Path(tempfile.gettempdir()) / f"unictoken-{launcher}" if launcher else None

    def says(self, line: str) -> bool:
        """Whether this process prints a line. Of those on this machine, the first that asks
        does.
        """
        if not self.meeting:
            return True
        _make_private(self.meeting)
        # By its hash: a line may be longer than a file name, and hold slashes.
        said = self.meeting / hashlib.sha256(line.encode(errors="replace")).hexdigest()[:16]
        try:
            # 'x' makes the file or fails, in one step: exactly one process prints the line.
            said.open("x", encoding="utf-8").close()
        except FileExistsError:
            return False
        return True

    @property
    def somebody_ended(self) -> bool:
        """Whether a process of this launch on this machine has printed why it ends."""
        if not self.meeting or not is_there(self.meeting):
            return False
        _check_private(self.meeting)
        return any(said.name != PORT for said in self.meeting.iterdir())

    def leave(self) -> None:
        """The first process takes away what `meeting` held, when nobody needs it any more."""
        if self.meeting and self.rank == 0:
            shutil.rmtree(self.meeting, ignore_errors=True)


def _make_private(folder: Path) -> None:
    """A folder of this user's alone; what another one laid at its name is refused."""
    with contextlib.suppress(FileExistsError):  # another process of this launch was faster
        folder.mkdir(mode=0o700)
    _check_private(folder)


def _check_private(folder: Path) -> None:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or not is_private(found):
        raise ConfigError(
            f"{folder}: found what others can write into, expected a folder of this user's alone,"
            " where the processes of a launch meet. Remove it, or set TMPDIR to a folder of your"
            " own."
        )


def _is_told(meeting: Path) -> bool:
    """Whether the first process has written its port there."""
    _check_private(meeting)
    return is_file(meeting / PORT)


@cache
def launch() -> Launch:
    """This process among those that were started with it. Read once: joining them writes into the
    environment.
    """
    return read_launch()


def says(line: str) -> bool:
    """Whether this process prints what ends it. Only who really is one of several leaves it to
    another.
    """
    try:
        return launch().says(line)
    except ConfigError:
        return True


def say_last(line: str) -> None:
    """Say a line again when the launcher of this process has ended, if it is one of several.

    It is said at once too: where a launcher's end is a machine's, nothing is left to say it.
    """
    launcher = _told_by(os.environ)
    if launcher is None or not launcher.mark or os.environ.get(launcher.world_size) == "1":
        return
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        above = [str(process.pid) for process in _launchers(launcher.mark)]
        command = [sys.executable, last_word.__file__, line, *above]
        if above:
            nothing = subprocess.DEVNULL
            subprocess.run(command, timeout=10, check=False, stdin=nothing, stdout=nothing)


def free_port() -> int:
    """A port that nobody listens on.

    It lies below those that systems give to connections, which could take it before it is used.
    """
    for _ in range(TRIES):
        port = PORTS[secrets.randbelow(len(PORTS))]
        with socket.socket() as found, contextlib.suppress(OSError):
            found.bind(("", port))
            return port
    held = f"no free port between {PORTS[0]} and {PORTS[-1]} in {TRIES} tries"
    raise ConfigError(f"{held}. End what holds them.")


def read_launch(environment: Mapping[str, str] = os.environ) -> Launch:
    """This process's place; one process alone where no launcher set any.

    Raises `ConfigError` where a part is missing or no number.
    """
    # A variable that is set but empty counts as not set.
    told = {name: value.strip() for name, value in environment.items() if value.strip()}
    launcher = _told_by(told)
    if launcher is None:
        return _alone(told)
    rank, size = (_number(told, name) for name in (launcher.rank, launcher.world_size))
    if rank >= size:
        found = f"{launcher.rank}={rank}, {launcher.world_size}={size}"
        raise ConfigError(f"{found}: expected a rank from 0 to {size - 1}. {START}, {UNSET}")
    local_rank = _number(told, launcher.local_rank) if launcher.local_rank in told else 0
    if size == 1 and launcher is not TORCHRUN:  # torchrun listens itself on the port that it says
        return Launch(local_rank=local_rank)
    _need(told, launcher, launcher.local_rank)
    local_size = _number(told, launcher.local_size) if launcher.local_size in told else 1
    one_machine = local_size == size or told.get(launcher.machines) == "1"
    local_size = size if one_machine else local_size
    place = Launch(rank, size, local_rank, local_size, mark=launcher.mark)
    # mpirun and srun give no port; DeepSpeed's is the same for every launch on a machine.
    says_no_port = launcher is DEEPSPEED or (launcher in OTHERS and "MASTER_PORT" not in told)
    if one_machine and says_no_port and place.meeting:  # DeepSpeed says 29500 to every launch
        return place
    _need(told, launcher, "MASTER_ADDR", "MASTER_PORT")
    port = _number(told, "MASTER_PORT", 1, LAST_PORT)
    return replace(place, address=told["MASTER_ADDR"], port=port)


def _told_by(told: Mapping[str, str]) -> Launcher | None:
    """The launcher that set this process's rank and the number of processes; None: none set
    both.
    """
    if "RANK" in told and "WORLD_SIZE" in told:
        # All three set RANK and WORLD_SIZE: the mark tells them apart.
        return next((found for found in (DEEPSPEED, TORCHRUN) if found.mark in told), BY_HAND)
    whole = (found for found in OTHERS if found.rank in told and found.world_size in told)
    return next(whole, None)


def _alone(told: Mapping[str, str]) -> Launch:
    """One process, if no variable points to others: notebooks and clusters set RANK=0 alone."""
    if told.get("RANK", "0") != "0":
        _need(told, BY_HAND, "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if told.get("WORLD_SIZE", "1") != "1":
        _need(told, BY_HAND, "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    # A rank above 0 without the number of processes: it would run beside the others as if alone.
    for launcher in OTHERS:
        if told.get(launcher.rank, "0") != "0":
            _need(told, launcher, launcher.world_size)
    if _of_accelerate(told):
        raise ConfigError(
            "`accelerate launch` starts one process on a CPU, whatever its configuration asks for. "
            "Give it --num_processes N, or use `torchrun --nproc_per_node N train/run.py ...`."
        )
    return Launch()


def _of_accelerate(told: Mapping[str, str]) -> bool:
    """Whether `accelerate launch` was asked for several processes on a CPU.

    It starts one then, and gives it an address.
    """
    return "ACCELERATE_USE_CPU" in told and "MASTER_ADDR" in told and "RANK" not in told


def asked_of_accelerate(environment: Mapping[str, str] = os.environ) -> int | None:
    """How many processes `accelerate launch` was asked for, if it started this one alone; else
    None.

    accelerate (1.15, `simple_launcher`) passes that number to nobody, so it is read from its
    command line.
    """
    import psutil

    parent = psutil.Process().parent() if _of_accelerate(environment) else None
    words = " ".join(parent.cmdline()) if parent else ""
    asked = re.search(r"--num[_-]processes[ =](\d{1,4})\b", words)
    return int(asked[1]) if asked else None


def _need(told: Mapping[str, str], launcher: Launcher, *names: str) -> None:
    missing = [name for name in names if name not in told]
    if missing:
        names = (launcher.rank, launcher.world_size)
        found = ", ".join(f"{name}={told[name]}" for name in names if name in told)
        without = ", ".join(missing)
        raise ConfigError(f"the environment says {found} and no {without}. {START}, {UNSET}")


def _number(told: Mapping[str, str], name: str, low: int = 0, high: int = 2**31) -> int:
    text = told[name]
    # The length before the number: Python refuses to convert thousands of digits.
    if not (text.isascii() and text.isdigit() and len(text) < 11 and low <= int(text) <= high):
        found = f"{name}={quoted(text)} in the environment"
        raise ConfigError(f"{found}: expected a whole number from {low}. {START}, {UNSET}")
    return int(text)


def heed_launcher(program: str, arguments: Sequence[str], local_rank: str | None) -> None:
    """Do what launchers leave to the program.

    Args:
        program: Its file.
        arguments: Its command line.
        local_rank: What `--local_rank` says, where the launcher gave it.
    """
    if count := asked_of_accelerate():
        _start_again(program, count, arguments)
    leave_with_launcher(Path(program).name)
    if local_rank:
        os.environ.setdefault("LOCAL_RANK", local_rank)


def _start_again(program: str, count: int, arguments: Sequence[str]) -> NoReturn:
    """Become torchrun, which starts this program so many times."""
    # torchrun finds a free port by itself; with these two it would take the old one.
    own = ("MASTER_ADDR", "MASTER_PORT")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    runner = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*runner, f"--nproc_per_node={count}", program, *arguments]
    os.execve(sys.executable, command, environment)


def leave_with_launcher(program: str) -> None:
    """From here on this process ends when the launcher that started it does, however that ended:
    as after a SIGTERM, and after PATIENCE at the latest.

    DeepSpeed (0.19) has two processes above this one. A SIGTERM to the first, or a SIGKILL to
    either, reaches nobody below: the others would learn to the end.

    Args:
        program: What the line that says so begins with.
    """
    launcher = _told_by(os.environ)
    if launcher is not None and launcher.mark and (above := _launchers(launcher.mark)):
        threading.Thread(target=_watch, args=(above, program), daemon=True).start()


def _watch(above: Sequence[psutil.Process], program: str) -> None:
    import psutil

    def lives(process: psutil.Process) -> bool:
        try:
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    while all(map(lives, above)):
        time.sleep(0.5)
    # First: the line may have no reader any more.
    os.kill(os.getpid(), signal.SIGTERM)
    with contextlib.suppress(OSError):
        line = f"{program}: its launcher has ended, so this process stops after its step.\n"
        os.write(2, line.encode())
    time.sleep(PATIENCE)  # a step may take long, or wait for a process that is gone
    os._exit(128 + signal.SIGTERM)


def _launchers(mark: str) -> list[psutil.Process]:
    """The process that started this launch, and DeepSpeed's other one above it."""
    import psutil

    if (starter := _starter(mark)) is None:
        return []
    above = starter.parents()[:1]
    with contextlib.suppress(psutil.Error, OSError):
        if above and _DEEPSPEED.search(" ".join(above[0].cmdline()[:3])):
            return [starter, above[0]]
    return [starter]


# `deepspeed`, or `python -m deepspeed.launcher.runner`
_DEEPSPEED = re.compile(r"(^|[/ ])(deepspeed|ds)( |$)|deepspeed[./]launcher[./]runner")


def _launcher(mark: str) -> str | None:
    """What names the process that started this launch."""
    starter = _starter(mark)
    return f"{starter.pid}-{_start_of(starter)}" if starter else None


def _starter(mark: str) -> psutil.Process | None:
    """The nearest process above this one without the variable `mark`: not simply the parent, as a
    shell script or numactl may stand between them.
    """
    import psutil  # DeepSpeed's; a program without it has one process

    for above in psutil.Process().parents():
        try:
            ours = mark in above.environ()
        except (psutil.Error, OSError):  # another user's, such as Slurm's
            ours = False
        if not ours:
            return above
    return None


def _start_of(process: psutil.Process) -> str:
    """When a process began, as process numbers are used again.

    In ticks since the machine began: seconds move when its clock is set.
    """
    try:
        status = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"{process.create_time():.0f}"
    # Field 22 of proc_pid_stat, the 20th after the program's name in brackets. The name may hold
    # spaces and brackets itself, so the last bracket counts.
    return status.rpartition(")")[2].split()[19]
