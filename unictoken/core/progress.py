"""Bars for work that takes longer than a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
A_MOMENT = 1.0  # seconds; what is done sooner shows no bar

_hidden = False  # by this process
# By the block that runs; a thread has its own, so that two that learn disturb each other nowhere.
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def hide_bars(hidden: bool = True) -> None:
    """Show none from here on: in every process of a launch but the first."""
    global _hidden
    _hidden = hidden


@contextmanager
def bars(shown: bool) -> Iterator[None]:
    """In this block bars are shown as before, or not at all."""
    before = _quiet.set(_quiet.get() or not shown)
    try:
        yield
    finally:
        _quiet.reset(before)


def bars_are_hidden() -> bool:
    return _hidden or _quiet.get()


@contextmanager
def bar(what: str, total: int, unit: str = "") -> Iterator[Callable[[int], object]]:
    """Gives what is called with how many more are done; a bar as `progress` shows it.

    Args:
        what: shown before the bar.
        total: how many there are.
        unit: what is counted.
    """
    with tqdm(total=total, **_look(what, unit)) as shown:
        yield shown.update


def progress(
    items: Iterable[Item],
    what: str,
    *,
    total: int | None = None,
    unit: str = "",
) -> Iterator[Item]:
    """The items, with a progress bar on stderr where that is a terminal; it is removed at the end.

    Args:
        items: what is worked through.
        what: shown before the bar, such as 'encoding pictures'.
        total: how many items there are; None: `len(items)`, where they have one.
        unit: what is counted, such as 'picture'.
    """
    yield from tqdm(items, total=total, **_look(what, unit))


def _look(what: str, unit: str) -> dict[str, Any]:
    return {
        "desc": what,
        # tqdm writes the unit right after the number: '3.2 pictures/s' needs the space.
        "unit": f" {unit}" if unit else "it",
        "disable": True
        if bars_are_hidden()
        else None,  # None: tqdm hides it where stderr is no terminal
        "delay": A_MOMENT,
        "leave": False,
    }
