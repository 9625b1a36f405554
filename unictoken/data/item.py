"""What is remembered in words: one sentence, when it was said and by whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Item:
    """A fact about a concept, or something about the user."""

    text: str
    time: float = 0.0
    """When it was said, in seconds since 1970; 0: unknown. Of two that contradict each other the
    newer one holds."""
    source: str = ""
    """Where it comes from: 'user', a file, a conversation's name."""
    label: str = ""
    """Another part, where a data set has one: the rating of a review, the title of a paper."""
