"""Judges behind one interface: a drawn world's own (`JudgedWorld.load_judge`), or a model behind an
endpoint (`endpoint.EndpointJudge`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from PIL import Image

from unictoken.data.concept import Concept
from unictoken.data.users import Users
from unictoken.data.worlds import World, world


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a drawn picture is checked for."""

    text: str
    """In words: 'It is the dog of the references, and it wears a red party hat.'"""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """The same as attributes of a drawn world: {'accessory': 'party hat'}."""
    who: Mapping[str, str] = field(default_factory=dict)
    """Attributes of whoever it is about, where others may be in the picture. Not checked."""
    references: tuple[Image.Image, ...] = ()
    """Pictures of the concept, where the claim is about who it is."""


@dataclass(frozen=True)
class Verdict:
    """A score from 0 to 1, and all that the judge said. None: what it said holds no score; that is
    never taken for one.
    """

    score: float | None
    said: str


class AnyJudge(Protocol):
    """What judges drawn pictures."""

    name: str

    def check(self, pictures: Sequence[Image.Image], claims: Sequence[Claim]) -> list[Verdict]:
        """How far each claim is true of its picture."""


@dataclass(frozen=True)
class ColourReading:
    """The colour of a drawn concept (RGB, 0 to 255), and the exact one that it should have."""

    seen: tuple[float, float, float]
    exact: tuple[int, int, int]


@runtime_checkable
class ColourJudge(AnyJudge, Protocol):
    """A judge that can also measure the colour of a concept whose truth is known."""

    def read_colour(self, picture: Image.Image, truth: object) -> ColourReading:
        """The colour of the concept in a picture."""


@runtime_checkable
class AnswerJudge(AnyJudge, Protocol):
    """A judge that can also compare answers in words."""

    def compare(self, question: str, expected: str, given: str) -> Verdict:
        """How far a given answer says what was expected."""


class Truth(Protocol):
    """The truth about one concept's test in a drawn world."""

    prompts: Mapping[str, Mapping[str, str]]
    """What each prompt asks to see beside the concept, as attributes."""

    def said_in(self, picture: str) -> dict[str, str]:
        """What a caption of a test picture can say of its scene, by attribute."""

    @property
    def hat(self) -> dict[str, str]:
        """What only the facts state and a drawing can show, as attributes."""


class JudgedWorld(World, Protocol):
    """A drawn world's module, as the code that measures uses it."""

    def load_judge(self, path: str | Path) -> ColourJudge:
        """The judge that ships under this name, or in this file."""

    def judge_accuracy(self, path: str | Path) -> list[str]:
        """How often that judge is right itself, as sentences to print beside its scores."""

    def read_truth(self, root: Path, name: str) -> Truth | None:
        """The truth of a concept's test in a dataset; None for other people's datasets."""

    def nearest_shade(self, rgb: Sequence[float], exact: Sequence[int]) -> tuple[int, int, int]:
        """Of every exact colour that a concept of the `exact` one could have, the one that a colour
        is nearest to.
        """

    def write_dataset(
        self,
        folder: Path,
        *,
        seed: int,
        num_concepts: int,
        references: int | None,
        kinds: Sequence[str],
    ) -> None:
        """Write the benchmark of a seed.

        Args:
            folder: Where it goes; not there yet.
            seed: Decides every concept and picture.
            num_concepts: How many concepts, one or more.
            references: Pictures of each concept to learn from; None: as many as usual.
            kinds: Of the concepts, in turn; none: the world's usual one.
        """

    def write_test(self, concept: Concept, root: Path, seed: Sequence[int]) -> None:
        """Write a test of one concept whose truth is known, as a dataset."""

    def users(self, count: int, seed: int) -> Users:
        """So many users with what is known of them, what they said and what they like."""

    def write_mmpb(self, folder: Path, *, seed: int, num_concepts: int) -> Path:
        """Write a benchmark in MMPB's layout; gives the folder."""


def judged_world() -> JudgedWorld:
    """The world whose truth is measured against."""
    return cast(JudgedWorld, world())
