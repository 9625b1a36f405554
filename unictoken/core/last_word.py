"""Says a line once the launcher has ended: `python last_word.py LINE PROCESS ...`

A launcher prints much when one of its processes ends, after that process's own last line. This
program is left behind by it, outlives the launcher, and says the line again. It is run as a file:
the libraries of the process that ends take seconds to import.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Sequence

PATIENCE = 30.0  # seconds; a launcher that still lives then says nothing more, or waits for others


def _lives(number: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(number).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def wait_and_say(line: str, above: Sequence[int]) -> None:
    """Write the line to stderr when none of these processes lives any more."""
    until = time.monotonic() + PATIENCE
    while any(map(_lives, above)) and time.monotonic() < until:
        time.sleep(0.05)
    with contextlib.suppress(OSError):  # nobody may read any more
        os.write(2, f"{line}\n".encode(errors="backslashreplace"))


if __name__ == "__main__":
    # Forked, so that the process that ends is not its parent: launchers end whole trees.
    if not hasattr(os, "fork"):
        wait_and_say(sys.argv[1], [int(number) for number in sys.argv[2:]])
    elif os.fork() == 0:
        os.setsid()  # a Ctrl-C is not for it
        wait_and_say(sys.argv[1], [int(number) for number in sys.argv[2:]])
    os._exit(0)
