"""How long a whole command takes, from the shell's prompt to the next one, beside bare imports.

    python benchmarks/startup.py                        (about two minutes)
    python benchmarks/startup.py --runs 1 --only help   (one command, once)

Seconds depend on the machine and on what else it does, so each command is divided by `python -c
pass` and by imports that were timed in the same minutes. A program that imports torch cannot be
faster than `import torch`; one that answers without it can.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from unictoken.core.config import Parser, within
from unictoken.core.errors import UserError
from unictoken.core.program import run_program

ROOT = Path(__file__).resolve().parents[1]
OK, REFUSED = 0, 2


@dataclass(frozen=True)
class Command:
    """A command line after `python`, and the exit status that it ends with."""

    arguments: tuple[str, ...]
    status: int = OK

    @property
    def shown(self) -> str:
        """As it is typed."""
        is_ours = self.arguments[:2] == ("-m", "unictoken")
        words = self.arguments[1:] if is_ours else ("python", *self.arguments)
        return " ".join(f'"{word}"' if set(word) & set(" <>?") else word for word in words)


def _python(code: str) -> Command:
    return Command(("-c", code))


def _unictoken(*arguments: str, status: int = OK) -> Command:
    return Command(("-m", "unictoken", *arguments), status)


REFERENCES = {
    "pass": _python("pass"),
    "numpy": _python("import numpy"),
    "torch": _python("import torch"),
    "transformers": _python("import transformers"),
}
COMMANDS = {
    "help": _unictoken("--help"),
    "version": _unictoken("--version"),
    "show": _unictoken("show", "mia"),
    "no-such-picture": _unictoken("learn", "nowhere.jpg", "--name", "rex", status=REFUSED),
    "no-such-file": _unictoken("show", "nowhere.safetensors", status=REFUSED),
    "no-such-concept": _unictoken(
        "ask", "--concept", "mia", "what colour is <rex>?", status=REFUSED
    ),
    "ask": _unictoken("ask", "--concept", "mia", "what colour is <mia>?"),
    "draw": _unictoken("draw", "--concept", "mia", "<mia> in the snow", "--num-images", "1"),
}


class StartupError(UserError):
    """A command that did not end as it should: its time would mean nothing."""


def seconds(command: Command, folder: Path) -> float:
    """Wall time of the whole process, started in `folder`. Raises `StartupError` for another exit
    status.
    """
    # The checkout's own code, though the command runs in another folder.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, *command.arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    taken = time.perf_counter() - began
    # a command that failed early would look fast
    if ended.returncode != command.status:
        last = (ended.stderr.strip().splitlines() or ["nothing"])[-1]
        raise StartupError(
            f"{command.shown}: found exit status {ended.returncode} (it said: {last}), "
            f"expected {command.status}. Run it by itself."
        )
    return taken


def measure(commands: Mapping[str, Command], runs: int) -> dict[str, list[float]]:
    """Seconds of every run, by name. One run of each command follows another, so that a busy minute
    slows them all.
    """
    taken: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory(prefix="unictoken-startup-") as folder:
        # in an empty folder: the checkout's own files must not be found by accident
        for _ in range(runs):
            for name, command in commands.items():
                taken[name].append(seconds(command, Path(folder)))
    return taken


def table(commands: Mapping[str, Command], taken: Mapping[str, Sequence[float]]) -> str:
    """A Markdown table: least and median seconds, then the least divided by each reference's
    least.
    """
    references = [name for name in REFERENCES if name in taken]
    heads = ["command", "min s", "median s", *(f"/ {name}" for name in references)]
    lines = [heads, ["---"] * len(heads)]
    for name, command in commands.items():
        # Minimum over minimum: other processes can only add to a time.
        ratios = [_ratio(min(taken[name]) / min(taken[other])) for other in references]
        times = [f"{min(taken[name]):.2f}", f"{median(taken[name]):.2f}"]
        lines.append([f"`{command.shown}`", *times, *ratios])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}"


def main(arguments: list[str] | None = None) -> None:
    run_program("benchmarks/startup.py", _main, arguments)


def _main(arguments: Sequence[str]) -> None:
    parser = Parser(
        prog="benchmarks/startup.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--runs", type=int, default=5, metavar="N", help="runs of each; 5 by default"
    )
    parser.add_argument("--only", choices=COMMANDS, help="this command and the bare imports")
    parser.add_argument(
        "--debug", action="store_true", help="show where in the code an error arose"
    )
    options = parser.parse_args(arguments)
    within("--runs", options.runs, 1)
    chosen = {options.only: COMMANDS[options.only]} if options.only else COMMANDS
    commands = {**REFERENCES, **chosen}
    taken = measure(commands, options.runs)
    print(table(commands, taken))
    print(
        f"\nRuns of each: {options.runs}; cores: {os.cpu_count()}. The ratios are of the least"
        " times."
    )


if __name__ == "__main__":
    main()
