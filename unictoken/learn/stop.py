"""Stopping a run from outside: it finishes its step, saves itself, and leaves."""

from __future__ import annotations

import signal


class StopSignal:
    """Notes SIGTERM and SIGINT; calling it says whether one came."""

    def __init__(self):
        self.seen = False
        self.before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}

    def _note(self, *_) -> None:
        self.seen = True

    def over(self) -> None:
        """From here on a signal ends the process at once, as it does without this class."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.seen
