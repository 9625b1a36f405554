"""An album of the toy world, and what is looked for in it by a concept's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from unictoken.data.concept import Concept
from unictoken.measure.searches import Search
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


def searches_in(album: Sequence[Shown], name: str) -> list[Search]:
    """A search for the concept at each place: '<bo> on the beach'. Two pictures are right; of the
    first one it is asked whether it shows the concept, and whether it shows the place.

    Args:
        album: What is looked through.
        name: The concept's.
    """
    return [
        Search(
            prompt=f"<{name}> {where}",
            right=[one.is_own and one.place == place for one in album],
            first={
                "first is it": [one.is_own for one in album],
                "first is there": [one.place == place for one in album],
            },
        )
        for place, where in WHERE.items()
    ]
