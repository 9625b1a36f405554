"""The ends of a program that are no bug: what its user can mend, and what somebody asked for."""

from __future__ import annotations

import signal

from unictoken.core.printing import one_line

REFUSED = 2  # exit status after a mistake of the user's, as argparse has it
STOPPED = 75  # EX_TEMPFAIL: the run can go on, and what stands after it in a script is not begun


class UserError(ValueError):
    """Something that the user gave and that cannot be used.

    The message is one line: where, what was found, what was expected, what to do. Programs print
    that line and end with exit status 2. Every other exception is a bug of ours and keeps its
    traceback. What the message quotes of a file is printable in it, and not long.
    """

    def __init__(self, message: str):
        super().__init__(one_line(message))


class UsageError(UserError):
    """A command line that cannot be read. The message begins with the name of the program
    itself.
    """


class Refused(SystemExit):
    """What a program ends with after it has printed a `UserError`."""

    def __init__(self, line: str):
        self.line = line
        super().__init__(REFUSED)

    def __str__(self) -> str:
        return self.line


class Stopped(Exception):
    """The run was asked to stop, saved itself, and can be resumed."""

    def __init__(self, step: int, total: int):
        super().__init__(f"stopped at step {step} of {total}; the same command goes on from there.")


class Interrupted(KeyboardInterrupt):
    """A signal that ends the program now. `str()` says what is kept of its work
    (`program.keeping`).
    """

    def __init__(self, number: signal.Signals = signal.SIGINT):
        self.number = number
        super().__init__()
