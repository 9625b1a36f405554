"""An album of the toy world, and how early a search by a concept's name finds its pictures there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from unictoken.data.concept import Concept
from unictoken.model.protocol import Base
from unictoken.personalize.query import Personalization
from unictoken.personalize.session import Session
from unictoken.scoring.ranking import ranked, recall_at, reciprocal_rank
from unictoken.toy.concepts import truth_of
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.language import WHERE
from unictoken.toy.world.subjects import easy_negative, hard_negative, near_duplicate
from unictoken.toy.world.things import sample_scene

OWN, ALIKE, OTHERS = 2, 6, 20  # pictures in each place; ALIKE: half of them near-duplicates


@dataclass(frozen=True)
class Shown:
    """A picture of an album."""

    picture: Image.Image
    place: str
    is_own: bool
    """Whether it shows the concept."""


def album_of(concept: Concept, seed: int) -> list[Shown]:
    """Pictures in every place of the world: of the concept, of those who look like it or differ in
    one attribute, and of others.
    """
    rng = np.random.default_rng([seed, len(concept.name), *concept.name.encode()])
    own = truth_of(concept).subject
    shown = []
    for place in WHERE:
        alike = [(near_duplicate, hard_negative)[i % 2](own, rng) for i in range(ALIKE)]
        others = [easy_negative(own, rng) for _ in range(OTHERS)]
        for subject in (*[own] * OWN, *alike, *others):
            scene = replace(sample_scene(rng), place=place)
            shown.append(Shown(draw(subject, scene), place, subject is own))
    return shown


def score_search(
    base: Base, way: Personalization, name: str, album: Sequence[Shown]
) -> dict[str, float]:
    """MRR, and the share of the right pictures among the first 2 and 10, over the places.

    A picture is right if it shows the concept at the place: '<bo> on the beach'.

    Args:
        base: What looks.
        way: What puts the concept on the base.
        name: The concept's.
        album: What is looked through.
    """
    pictures = [one.picture for one in album]
    chat = Session(base, way)
    rows = []
    for place, where in WHERE.items():
        scores = [score for _, score in sorted(chat.find(f"<{name}> {where}", pictures))]
        rows.append(_scores(scores, album, place))
    return _means(rows)


def score_chance(album: Sequence[Shown], seed: int) -> dict[str, float]:
    """The same of orders by lot."""
    rng = np.random.default_rng(seed)
    lots = [rng.random(len(album)).tolist() for _ in range(100)]
    return _means([_scores(lot, album, place) for lot in lots for place in WHERE])


def _scores(scores: Sequence[float], album: Sequence[Shown], place: str) -> dict[str, float]:
    right = [float(one.is_own and one.place == place) for one in album]
    gains = ranked(scores, right)
    return {
        "MRR": reciprocal_rank(gains),
        "R@2": recall_at(gains, 2),
        "R@10": recall_at(gains, 10),
        "first is it": _of_first(scores, [one.is_own for one in album]),
        "first is there": _of_first(scores, [one.place == place for one in album]),
    }


def _of_first(scores: Sequence[float], holds: Sequence[bool]) -> float:
    """1 where it holds of the picture with the highest score; of equal ones the worst counts."""
    return ranked(scores, [float(each) for each in holds])[0]


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
