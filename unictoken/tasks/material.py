"""What a concept is taught from: its pictures, what was said of them, and pictures of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Observations:
    """The base's answers about the concept and about each picture; {name} stands for the concept.

    `concept`: question -> answer; `description`: those answers as one phrase; `scenes`: for each
    picture, question -> answer; `phrases`: each scene as the end of a prompt; `captions`: as a
    caption.
    """

    concept: dict[str, str]
    description: str
    scenes: list[dict[str, str]]
    phrases: list[str]
    captions: list[str]


@dataclass(frozen=True, kw_only=True)
class Material:
    """What examples of one concept are made of: its pictures as ids, its owner's questions, and the
    base's own answers (a `Concept` has no base).
    """

    class_noun: str = ""
    """What the base calls the concept."""
    pictures_NK: torch.Tensor
    negatives: Mapping[str, torch.Tensor]
    """Image ids [M, K] of others by grade; only grades that have some."""
    observations: Observations
    questions: tuple[tuple[str, str], ...] = ()
    """(question, answer) of the owner's, about what no picture shows."""
    about_pictures: tuple[tuple[int, str, str], ...] = ()
    """(number of the picture, question, answer) of the owner's."""
    captions_of_others: tuple[tuple[str, torch.Tensor], ...] = ()
    """What the base says of some of the negatives, and their image ids [K]."""
    told_drawings: tuple[tuple[str, torch.Tensor], ...] = ()
    """Prompts about {name} that point at a fact, and image ids [K] that show it."""
    drawn_positives: tuple[tuple[str, torch.Tensor], ...] = ()
    """Captions of pictures of it that the base drew itself, and their image ids [K]."""
    crops_NK: torch.Tensor | None = None
    look_alikes_MK: torch.Tensor | None = None
    """Soft positives, the most alike first."""
