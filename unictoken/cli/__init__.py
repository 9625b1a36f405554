"""The `unictoken` command.

What a command line may hold is declared without torch, so that help and refusals come at once; each
command imports what it works with when it runs.
"""

# argcomplete looks for the next line in the first 1,024 bytes of a program.
# PYTHON_ARGCOMPLETE_OK

from __future__ import annotations

import argparse
import importlib.util
import logging
from collections.abc import Sequence

from unictoken import __version__
from unictoken.cli import (
    app,
    comparing,
    files,
    keeping,
    learning,
    looking,
    memory,
    serving,
    speaking,
    telling,
    world,
)
from unictoken.core import config
from unictoken.core.own import import_files
from unictoken.core.program import run_program
from unictoken.core.progress import bars


def parser() -> argparse.ArgumentParser:
    top = config.Parser(
        prog="unictoken",
        description=(
            "Teach a frozen early-fusion model your concept; then ask about it and draw it."
        ),
    )
    top.add_argument("--local_rank", "--local-rank", help=argparse.SUPPRESS)  # of launchers
    top.add_argument("--version", action="version", version=f"unictoken {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for part in (
        learning,
        telling,
        speaking,
        looking,
        comparing,
        files,
        keeping,
        memory,
        serving,
        app,
        world,
    ):
        part.add(commands)
    return top


def main(arguments: list[str] | None = None) -> None:
    run_program("unictoken", run, arguments, says=_says)


def _says(line: str) -> bool:
    from unictoken.core.launch import says  # takes a moment, which only ends need

    return says(line)


def run(arguments: Sequence[str]) -> None:
    made = parser()
    # `pip install argcomplete`: completion in the shell
    if importlib.util.find_spec("argcomplete"):
        import argcomplete

        # Before anything is parsed: asked by the shell, it prints completions and ends the process.
        argcomplete.autocomplete(made)
    options = made.parse_args(arguments)
    logging.getLogger("unictoken").setLevel(_log_level(options))
    import_files(options.own_files)
    with bars(shown=not options.quiet):
        options.action(options)


def _log_level(options: argparse.Namespace) -> int:
    if options.verbose:
        return logging.INFO
    return logging.ERROR if options.quiet else logging.WARNING
