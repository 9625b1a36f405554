"""What tests of the page share."""

from __future__ import annotations

import time


def ended(runs, name, seconds=60.0):
    """The state of a run once it has ended."""
    until = time.monotonic() + seconds
    while runs.state(name).going:
        assert time.monotonic() < until, runs.state(name)
        time.sleep(0.02)
    return runs.state(name)
