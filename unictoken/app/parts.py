"""What all tabs share: what they work with, and how a part of the page calls a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from unictoken.app import card
from unictoken.app.runs import Runs
from unictoken.app.talk import Talk
from unictoken.serve.refusal import told

Shown = dict[Any, Any]
"""New values, by the part of the page that gets them."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What the tabs work with."""

    runs: Runs
    talk: Talk
    may_share: bool
    """Whether concepts can be published from here: by this machine's own user alone."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the concepts on the shelf, the newest first; those that ship last."""
        # What was learned last is what is wanted first.
        entries = sorted(self.talk.shelf.entries(), key=lambda e: (e.ships, -e.created, e.name))
        return tuple(entry.name for entry in entries)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A list of concepts on a tab."""

    parts: Sequence[Any]
    """The list itself, and what else changes with it."""
    refreshed: Callable[[Any, Sequence[str], Sequence[str]], Shown]
    """Gives the new values, from what is chosen, all names, and those that are new."""
    after: Callable[[Any], Any] | None = None
    """What is done after that, which takes longer: it is given the event's `then`."""


def guarded(line: Any) -> Callable[[Callable[..., Shown]], Callable[..., Shown]]:
    """What goes wrong in a function is a line on the page; what its user cannot mend is also a
    traceback in the log.

    Args:
        line: The part of the page that shows it.
    """

    def guard(action: Callable[..., Shown]) -> Callable[..., Shown]:
        @wraps(action)
        def act(*given: Any) -> Shown:
            try:
                # An earlier line goes: it would be taken for this one's.
                return {line: "", **action(*given)}
            except Exception as error:
                return {line: card.line(str(told(error)), bad=True)}

        return act

    return guard


def guarded_pieces(
    line: Any,
) -> Callable[[Callable[..., Iterator[Shown]]], Callable[..., Iterator[Shown]]]:
    """The same for a function whose result grows on the page.

    Args:
        line: The part of the page that shows what goes wrong.
    """

    def guard(action: Callable[..., Iterator[Shown]]) -> Callable[..., Iterator[Shown]]:
        @wraps(action)
        def act(*given: Any) -> Iterator[Shown]:
            # At once, and not with the first piece, which may take long.
            yield {line: ""}
            try:
                yield from action(*given)
            except Exception as error:
                yield {line: card.line(str(told(error)), bad=True)}

        return act

    return guard


def on(
    event: Callable[..., Any],
    action: Callable[..., Any],
    inputs: Sequence[Any] | None,
    outputs: Sequence[Any],
) -> Any:
    """Have an event of the page call a function.

    Args:
        event: Of a part of the page, such as `button.click`.
        action: What is called.
        inputs: The parts whose values it gets.
        outputs: The parts that it may change.
    """
    return event(
        action,
        list(inputs or ()),
        list(outputs),
        # The worker has a queue of its own, and batches what comes together.
        concurrency_limit=None,
        # The page has a bar and a line of its own.
        show_progress="hidden",
        # `unictoken serve` is for programs.
        api_visibility="private",
    )


def one_of(chosen: str | None, names: Sequence[str], new: Sequence[str]) -> str | None:
    """What is chosen of a list that has changed: a concept that has come since, else the same.

    >>> one_of("mia", ["bo", "mia"], ["bo"]), one_of("bo", ["mia"], []), one_of(None, [], [])
    ('bo', 'mia', None)
    """
    if new:
        return new[0]
    return chosen if chosen in names else next(iter(names), None)


def choices_of(names: Sequence[str]) -> list[tuple[str, str]]:
    """Concepts as a list to choose from."""
    return [(f"<{name}>", name) for name in names]
