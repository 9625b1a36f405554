"""Whose turn it is to use the base: learning takes minutes, and a question is not to wait so long."""

from __future__ import annotations

import threading
from types import TracebackType


class Turn:
    """Held by whoever uses the base; who came first gets it first.

    >>> turn = Turn()
    >>> with turn:
    ...     turn.let_others()  # nobody waits
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # Who takes a number waits until it is called.
        self._given = self._called = 0  # numbers, as at a counter

    def __enter__(self) -> Turn:
        with self._changed:
            number = self._given
            self._given += 1
            self._changed.wait_for(lambda: self._called == number)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        with self._changed:
            self._called += 1
            self._changed.notify_all()

    def let_others(self) -> None:
        """By who holds it: let those who wait go first, and hold it again."""
        with self._changed:
            # Its own number is one of those that were given and not called back.
            others_wait = self._given - self._called > 1
        if others_wait:
            self.__exit__()
            self.__enter__()
