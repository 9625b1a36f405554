"""The one kind of error that is the user's to mend."""

from __future__ import annotations

import os
import sys


class UserError(ValueError):
    """Something that the user gave and that cannot be used.

    The message is one line: where, what was found, what was expected, what to do. Programs print that
    line and end with exit status 2. Every other exception is a bug of ours and keeps its traceback.
    """


class Refused(SystemExit):
    """What a program ends with when its user made a mistake: one line on stderr, exit status 2."""

    def __init__(self, line: str):
        self.line = " ".join(line.split())
        if os.environ.get("RANK", "0") == "0":  # of many processes that all refuse, one says so
            print(self.line, file=sys.stderr)
        super().__init__(2)

    def __str__(self) -> str:
        return self.line
