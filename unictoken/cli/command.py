"""One command of the command line."""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from unictoken.core.errors import UserError
from unictoken.core.own import add_import
from unictoken.core.reading import read_text
from unictoken.data.kinds import SAID_KINDS

MOST_SECRET = 4096  # bytes


class Commands(Protocol):
    """What `add_subparsers` gives. `argparse` has no public name for its class."""

    def add_parser(self, name: str, **settings: Any) -> argparse.ArgumentParser: ...


def command(
    commands: Commands, name: str, action: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    """Add a command with the flags that every command has.

    Args:
        commands: what `add_subparsers` gave.
        name: the word that is typed.
        action: what it does, given the parsed command line.
        text: one line for `--help`.

    Returns:
        The command's own parser, to add its arguments to.
    """
    made = commands.add_parser(name, help=text, description=text)
    made.set_defaults(action=action)
    loudness = made.add_mutually_exclusive_group()
    loudness.add_argument(
        "-q", "--quiet", action="store_true", help="print results and errors only"
    )
    loudness.add_argument(
        "-v", "--verbose", action="store_true", help="also print what is being done"
    )
    made.add_argument("--debug", action="store_true", help="show where in the code an error arose")
    add_import(made)
    return made


def need_extra(name: str, modules: Sequence[str]) -> None:
    """Refuse a command whose extra, which is called as the command is, is not installed."""
    if missing := [module for module in modules if importlib.util.find_spec(module) is None]:
        raise UserError(
            f"unictoken {name}: {', '.join(missing)} not found. Expected the extra:"
            f" pip install 'unictoken[{name}]'"
        )


def add_kind(
    made: argparse.ArgumentParser, kinds: tuple[str, ...] = SAID_KINDS, more: str = ""
) -> None:
    """The flag of commands that must know whether a concept is a person.

    Args:
        made: The command.
        kinds: What may be said.
        more: A further sentence of its help.
    """
    said = "what it is, where its class noun is no word that is known here"
    made.add_argument("--kind", choices=kinds, help=f"{said}{more}")


def add_json(made: argparse.ArgumentParser) -> None:
    """The flag of commands whose answers other programs read."""
    made.add_argument("--json", action="store_true", help="print JSON, one object a line")


def add_vq_decoder(made: argparse.ArgumentParser) -> None:
    """The flag that says where the decoder of a base is, if not with it."""
    made.add_argument(
        "--vq-decoder",
        metavar="FROM",
        help="what completes a base that cannot draw: a Hub name, a folder, or vqgan.ckpt",
    )


def read_secret(file: str | None, variable: str, what: str) -> tuple[str, str]:
    """A secret, and where it stood: in a file, or in a variable of the environment. No flag takes
    it: every user of a machine can read its command lines.

    Args:
        file: As the command line says; None: the variable is read, '' where it is not set.
        variable: Its name.
        what: Such as 'a file with a token'.
    """
    if file:
        return read_text(Path(file), UserError, what, most=MOST_SECRET), file
    return os.environ.get(variable, ""), f"${variable}"


def add_device(made: argparse.ArgumentParser) -> None:
    """The flag that says where a base goes."""
    made.add_argument(
        "--device",
        metavar="NAME",
        help="of torch: cpu, cuda:1, mps; by default the GPU, where there is one",
    )
