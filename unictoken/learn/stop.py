"""Stopping a run from outside: it finishes its step, saves itself, and leaves."""

from __future__ import annotations

import signal

STOPPED = 75  # exit status of a run that was stopped and can go on (EX_TEMPFAIL), so that what stands after it is not begun


class Stopped(Exception):
    """The run was asked to stop, saved itself, and can be resumed."""

    def __init__(self, step: int, total: int):
        super().__init__(f"stopped at step {step} of {total}; the same command goes on from there.")


class StopSignal:
    """Notes SIGTERM and SIGINT, and lets a second SIGINT (Ctrl-C) through; calling it says whether one came.

    SIGTERM is only ever noted: a launcher sends it to its processes, maybe twice, when it gets a Ctrl-C that they got already.
    """

    def __init__(self):
        self.seen = False
        self.before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}

    def _note(self, number: int, _) -> None:
        self.seen = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, self.before[signal.SIGINT])

    def over(self) -> None:
        """From here on a signal ends the process at once, as it does without this class."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.seen
