"""One command of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def command(commands, name: str, action: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
    """Add a command; what it takes is added to what is given back."""
    made = commands.add_parser(name, help=text, description=text)
    made.set_defaults(action=action)
    return made
