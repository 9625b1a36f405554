"""What a value of somebody's JSON must be: declared once, checked in one place.

    PREDICTION = Fields({"task": Text(), "score": Maybe(Number()), "picture": Maybe(Text(300))})
    check(value, PREDICTION, "toy.jsonl:3", PredictionsError, advice="Remove the line.")

A refusal names the place inside the value: 'toy.jsonl:3: score: found 'high', expected a number.'
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from unictoken.core.disk import quoted
from unictoken.core.errors import UserError

LONGEST_TEXT = 20_000  # letters; a sequence of 4,096 ids has fewer
LARGEST = 2**53  # of whole numbers: beyond it JSON's readers differ
MOST_ITEMS = 1_000_000


class Unlike(Exception):
    """A value that is not of its shape: where inside, what was found, what was expected."""

    def __init__(self, found: object, expected: str, inside: str = ""):
        self.found, self.expected, self.inside = found, expected, inside
        super().__init__(expected)


class Shape(Protocol):
    """What a value may be. `see` raises `Unlike` for any other."""

    def see(self, value: Any) -> None: ...


def check(
    value: Any, shape: Shape, where: object, refusal: type[UserError], *, advice: str = "Mend it."
) -> Any:
    """The value, if it is of that shape; else a `refusal` of one line.

    Args:
        value: Parsed JSON.
        shape: What it must be.
        where: Its place, which the error begins with.
        refusal: The error's class.
        advice: What to do, in a sentence.
    """
    try:
        shape.see(value)
    except Unlike as error:
        place = f"{where}: {error.inside}" if error.inside else str(where)
        raise refusal(
            f"{place}: found {_said(error.found)}, expected {error.expected}. {advice}"
        ) from None
    return value


def _said(found: object) -> str:
    return "nothing" if found is None else quoted(found)


def _inside(shape: Shape, value: Any, place: str) -> None:
    """See a part of a value, and say which one it was."""
    try:
        shape.see(value)
    except Unlike as error:
        joint = "" if not error.inside or error.inside.startswith("[") else "."
        raise Unlike(error.found, error.expected, f"{place}{joint}{error.inside}") from None


@dataclass(frozen=True)
class Text:
    """A text of at most so many letters."""

    longest: int = LONGEST_TEXT
    least: int = 0
    """Letters, spaces around them not counted."""
    pattern: re.Pattern[str] | None = None
    """What the whole of it must match."""
    said: str = "a text"

    def see(self, value: Any) -> None:
        if not isinstance(value, str):
            raise Unlike(value, self.said)
        if len(value) > self.longest:
            raise Unlike(value, f"{self.said} of at most {self.longest:,} letters")
        if self.least and len(value.strip()) < self.least:
            raise Unlike(value, self.said)
        if self.pattern and not self.pattern.fullmatch(value):
            raise Unlike(value, self.said)


@dataclass(frozen=True)
class Line:
    """A text in one printable line, with something in it."""

    longest: int = LONGEST_TEXT

    def see(self, value: Any) -> None:
        if not isinstance(value, str) or not value.isprintable() or not value.strip():
            raise Unlike(value, "one line of text")
        if len(value) > self.longest:
            raise Unlike(value, f"one line of at most {self.longest:,} letters")


@dataclass(frozen=True)
class Anything:
    """Any JSON: it is kept, and not looked into."""

    def see(self, value: Any) -> None:
        pass


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int = 0
    high: int = LARGEST

    def see(self, value: Any) -> None:
        # `type`: true is an int in Python
        if type(value) is not int or not self.low <= value <= self.high:
            raise Unlike(value, f"a whole number from {self.low} to {self.high}")


@dataclass(frozen=True)
class Number:
    """A finite number from `low` to `high`."""

    low: float = -math.inf
    high: float = math.inf

    def see(self, value: Any) -> None:
        if type(value) not in (int, float) or not self.low <= value <= self.high:
            raise Unlike(value, self._said())
        if abs(value) == math.inf or abs(value) > LARGEST and type(value) is int:
            raise Unlike(value, self._said())

    def _said(self) -> str:
        return "a number" if self.high == math.inf else f"a number from {self.low} to {self.high}"


@dataclass(frozen=True)
class Flag:
    """true or false."""

    def see(self, value: Any) -> None:
        if not isinstance(value, bool):
            raise Unlike(value, "true or false")


@dataclass(frozen=True)
class OneOf:
    """One of these texts."""

    choices: tuple[str, ...]

    def see(self, value: Any) -> None:
        if not isinstance(value, str) or value not in self.choices:
            raise Unlike(value, f"one of {', '.join(self.choices)}")


@dataclass(frozen=True)
class Maybe:
    """null, or what `of` says."""

    of: Shape

    def see(self, value: Any) -> None:
        if value is not None:
            self.of.see(value)


@dataclass(frozen=True)
class ListOf:
    """A list of equals."""

    of: Shape
    most: int = MOST_ITEMS
    said: str = "a list"
    length: int | None = None
    """How many there must be; None: any number from `least` up to `most`."""
    least: int = 0

    def see(self, value: Any) -> None:
        if not isinstance(value, list) or self.length not in (None, len(value)):
            raise Unlike(value, self.said)
        if len(value) < self.least:
            raise Unlike(value, f"{self.said} of {self.least} or more")
        if len(value) > self.most:
            raise Unlike(value, f"{self.said} of at most {self.most:,}")
        for i, item in enumerate(value):
            _inside(self.of, item, f"[{i}]")


@dataclass(frozen=True)
class MapOf:
    """A mapping of any keys to equals."""

    of: Shape
    most: int = MOST_ITEMS
    said: str = "a mapping"
    key: Shape = Text(1000)

    def see(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise Unlike(value, self.said)
        if len(value) > self.most:
            raise Unlike(value, f"{self.said} of at most {self.most:,}")
        for key, item in value.items():
            self.key.see(key)
            _inside(self.of, item, quoted(key))


@dataclass(frozen=True)
class Fields:
    """A mapping of these keys, each of its own shape."""

    needed: Mapping[str, Shape]
    sometimes: Mapping[str, Shape] = field(default_factory=dict)
    """Keys that may be missing."""
    others: bool | Shape = False
    """Whether it may have keys that nobody declared; what they hold is not used, or of this shape."""
    said: str = "a mapping"

    def see(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise Unlike(value, self.said)
        for key in self.needed:
            if key not in value:
                raise Unlike(None, "this key to be there", key)
        known = {**self.needed, **self.sometimes}
        for key, item in value.items():
            if key in known:
                _inside(known[key], item, key)
            elif not self.others:
                raise Unlike(key, f"one of the keys {', '.join(known)}")
            elif self.others is not True:
                _inside(self.others, item, quoted(key))
