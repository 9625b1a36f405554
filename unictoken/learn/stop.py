"""Stopping a run from outside: it finishes its step, saves itself, and leaves."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from unictoken.learn import checkpoint
from unictoken.learn.settings import RunConfig
from unictoken.tokens import file as concept_file


class StopSignal:
    """Notes SIGTERM and SIGINT, and lets a second SIGINT (Ctrl-C) through.

    Calling it says whether one came.

    SIGTERM is only ever noted: a launcher sends it to its processes, maybe twice, when it gets a
    Ctrl-C that they got already. In another thread than the main one it notes nothing: no signals
    come there.
    """

    def __init__(self):
        self.seen = False
        main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGTERM, signal.SIGINT) if main else ()
        self.before = {number: signal.signal(number, self._note) for number in numbers}

    def _note(self, number: int, _: FrameType | None) -> None:
        self.seen = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, self.before[signal.SIGINT])

    def restore(self) -> None:
        """From here on signals do what they did before."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __enter__(self) -> StopSignal:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def __call__(self) -> bool:
        return self.seen


def kept_of_learning(settings: RunConfig) -> str:
    """What is there of a run that is interrupted while it learns (`core.program.keeping`)."""
    newest = checkpoint.newest(settings.folder / "checkpoints")
    if newest is None or settings.resume == "never":
        return "nothing is kept: no checkpoint was saved."
    return f"the same command goes on from {newest}."


def kept_of_measuring(settings: RunConfig) -> str:
    """What is there of a run that has learned, and is interrupted before its report is written."""
    path = concept_file.path_of(settings.concept.name, settings.concepts)
    goes_on = "the same command goes on with the report"
    if settings.resume == "never":
        goes_on = "its report is not written"
    return f"the concept is kept in {path}, and {goes_on}."
