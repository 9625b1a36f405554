"""Users whose truth is known: what they said, what they like, and what is asked about both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

from unictoken.data.item import Item
from unictoken.data.records import Dataset


@dataclass(frozen=True, kw_only=True)
class Taste:
    """Pictures that a user likes, and others to rank by that."""

    name: str
    """What the user is called in words."""
    liked: tuple[Image.Image, ...]
    candidates: tuple[Image.Image, ...]
    gains: tuple[float, ...]
    """Of each candidate: 1 where the user likes it, else 0."""
    says: str
    """What the liked ones have in common, in words."""
    judged: tuple[tuple[Image.Image, bool], ...] = ()
    """Pictures that the user said of whether they like them, to learn from."""


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """What a user said, and the facts about them that can be read off it."""

    said: tuple[str, ...]
    facts: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True)
class Users:
    """A test of profiles."""

    dataset: Dataset
    """Questions with the items that their answers use."""
    tastes: tuple[Taste, ...] = ()
    spoken: tuple[Spoken, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)
    """By question about the user, the sentence that holds its answer: '{}' stands for it."""
