"""Judges behind one interface: the toy world's truth (`WorldJudge`), or a model behind an endpoint
(`endpoint.EndpointJudge`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from unictoken.measure.metrics import mean
from unictoken.toy.judge import Judge


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a drawn picture is checked for."""

    text: str
    """In words: 'It is the dog of the references, and it wears a red party hat.'"""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """The same as attributes of the toy world: {'accessory': 'party hat'}."""
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
class WorldJudge:
    """The toy world's truth: attributes as the judge network reads them off a picture."""

    judge: Judge
    name: str = "toy world"

    def check(self, pictures: Sequence[Image.Image], claims: Sequence[Claim]) -> list[Verdict]:
        """The share of each claim's attributes that its picture has."""
        return [
            _verdict(reading.values, claim.attributes)
            for reading, claim in zip(self.judge.read(pictures), claims, strict=True)
        ]


def _verdict(seen: Mapping[str, str], sought: Mapping[str, str]) -> Verdict:
    """The share of the sought attributes that are seen; no score where nothing is known to be
    sought.
    """
    own = {name: seen[name] for name in sought}
    return Verdict(
        mean([own[name] == value for name, value in sought.items()]) if sought else None, str(own)
    )
