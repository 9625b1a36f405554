"""Users and dialogues of datasets in words: each is a concept of kind 'user' without pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from unictoken.data.concept import Concept
from unictoken.data.item import Item
from unictoken.data.records import DataError

_OTHER = re.compile(r"[^a-z0-9_-]+")
LONGEST_NAME = 60  # letters of a name that is made of an id


def user_of(name: str) -> Concept:
    """A user of this name."""
    return Concept(name=name, class_noun="user", kind="user")


def name_of(said: object, where: str, *, prefix: str = "u") -> str:
    """A concept's name made of an id of any form: '12' -> 'u12', 'Dialog 7' -> 'udialog-7'.

    Args:
        said: The id.
        where: Its place, for the error where it has no letters or digits.
        prefix: What stands before it: a name begins with a letter.
    """
    # Names become folders and files: nothing else may be in them.
    name = _OTHER.sub("-", str(said).lower()).strip("-")[:LONGEST_NAME]
    if not name:
        raise DataError(f"{where}: found the id {said!r}, expected letters or digits. Mend it.")
    return prefix + name


def time_of(date: object) -> float:
    """A date as seconds since 1970, in UTC: '2014-05-03', '2014', 2014; 0 for anything else.

    >>> time_of("1970-01-02"), time_of(1971), time_of("some day")
    (86400.0, 31536000.0, 0.0)
    """
    # Only the beginning: a date is short, and this may be anybody's text.
    numbers = re.findall(r"\d+", str(date)[:40])[:3]
    try:
        year, month, day = (int(n) for n in [*numbers, "1", "1"][: max(3, len(numbers))])
        return datetime(year, month, day, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def lines(texts: Iterable[str], *, source: str) -> tuple[Item, ...]:
    """Sentences as the items of a profile, in their order."""
    return tuple(Item(text=text.strip(), source=source) for text in texts if text.strip())
