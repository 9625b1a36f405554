"""What a memory holds, and what it may hold at most."""

from __future__ import annotations

from dataclasses import dataclass

from unictoken.core.errors import UserError
from unictoken.data.item import Item
from unictoken.data.kinds import Kind

MIB = 2**20
MOST_CONCEPTS = 1_000_000
MOST_FACTS = 1000  # of one concept, or of the user
MOST_PICTURES = 100  # of one concept
MOST_PNG = 8 * MIB  # bytes of a picture; its short side has 1,024 pixels or little more
MOST_TOKENS = 64 * MIB  # bytes of a concept file, as `tokens/file.py` has it
LONGEST_FACT = 2000  # letters
LONGEST_LABEL = 200  # letters of a source or a label
MOST_FEATURE = 16_384  # numbers of one picture's feature


class StoreError(UserError):
    """A memory that cannot be used, or cannot hold something: where, what was found, what to do."""


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A fact or a user's item with its number, by which it is forgotten."""

    number: int
    item: Item


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a memory says about one concept; its pictures and its tokens are read apart."""

    number: int
    """Of the entry: the order in which entries were added."""
    name: str
    class_noun: str
    kind: Kind | None
    consent: bool
    added: float
    """When, in seconds since 1970."""
    facts: tuple[Remembered, ...]
    """From the oldest to the newest."""
    pictures: int
    """How many reference pictures it has."""
    tokens: int
    """Bytes of its concept file; 0: it was not learned."""

    @property
    def marker(self) -> str:
        """How texts name it: '<bo>'."""
        return f"<{self.name}>"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found: an entry by name, or something that was said."""

    name: str | None
    """The concept's; None: it is about the user."""
    score: float
    """Higher is better; comparable within one search only."""
    remembered: Remembered | None = None
    """What was said; None: the entry was found by its name, its class noun or a picture."""
