"""Ctrl-C before a program has begun: its imports take seconds.

Nothing is imported here that Python has not read itself: this is the first thing that programs do.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

SIGNALLED = 128  # a shell adds the number of the signal: 130 after Ctrl-C


def interruptible(name: str) -> None:
    """Until `run_program` begins, Ctrl-C ends this process with one line."""

    def leave(number: int, _: FrameType | None) -> None:
        # Not print and sys.exit: the interrupted import may hold the stream's lock, or catch
        # SystemExit.
        os.write(2, f"{name}: interrupted.\n".encode())
        os._exit(SIGNALLED + number)

    in_foreground = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if in_foreground:  # else it is ignored, and stays so
        signal.signal(signal.SIGINT, leave)
