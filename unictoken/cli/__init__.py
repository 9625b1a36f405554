"""The `unictoken` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from unictoken.cli import files, learning, memory, speaking, world
from unictoken.core import config
from unictoken.core.program import run_program


def parser() -> argparse.ArgumentParser:
    top = config.Parser(prog="unictoken", description="Teach a frozen early-fusion model your concept; then talk about it and draw it.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for part in (learning, speaking, files, memory, world):
        part.add(commands)
    return top


def main(arguments: list[str] | None = None) -> None:
    run_program("unictoken", run, arguments)


def run(arguments: Sequence[str]) -> None:
    options = parser().parse_args(arguments)
    options.action(options)
