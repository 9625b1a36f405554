"""Photos among which a toy concept is looked for: which of them shows it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from unictoken.data.concept import Concept
from unictoken.model.protocol import Base
from unictoken.personalize.query import Personalization
from unictoken.personalize.session import Session
from unictoken.personalize.which import told
from unictoken.scoring.metrics import mean
from unictoken.toy.concepts import truth_of
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.subjects import easy_negative, hard_negative, near_duplicate
from unictoken.toy.world.things import sample_scene

ABSENT = 5  # in one of so many line-ups nobody is the concept
PHOTOS = (2, 3, 4)  # of a line-up


@dataclass(frozen=True, kw_only=True)
class LineUp:
    """Photos, one or none of which shows the concept."""

    photos: tuple[Image.Image, ...]
    shows: tuple[bool, ...]

    @property
    def answer(self) -> str:
        return told([float(shows) for shows in self.shows])


def line_ups_of(concept: Concept, seed: int, count: int) -> list[LineUp]:
    """Line-ups in which the others are near-duplicates, differ in one attribute, or in most.

    Args:
        concept: A pet of the toy world.
        seed: Decides everything.
        count: How many.
    """
    rng = np.random.default_rng([seed, 1, len(concept.name), *concept.name.encode()])
    own = truth_of(concept).subject
    made = []
    for number in range(count):
        others = (near_duplicate, hard_negative, easy_negative)
        length = PHOTOS[number % len(PHOTOS)]
        subjects = [others[int(rng.integers(len(others)))](own, rng) for _ in range(length)]
        if number % ABSENT:
            subjects[int(rng.integers(length))] = own
        photos = tuple(draw(subject, sample_scene(rng)) for subject in subjects)
        made.append(LineUp(photos=photos, shows=tuple(subject is own for subject in subjects)))
    return made


def score_line_ups(
    base: Base, way: Personalization, line_ups: Sequence[LineUp], name: str
) -> dict[str, float]:
    """The share of line-ups whose photo is named, or of which it is said that none shows the concept:
    photo by photo, as a session asks, and all photos in one question.

    Args:
        base: What looks.
        way: What puts one concept on the base.
        line_ups: What is looked at.
        name: The concept's.
    """
    chat, question = Session(base, way), f"which photo shows <{name}>?"
    right: dict[str, list[bool]] = {"which": [], "which_at_once": []}
    for one in line_ups:
        said = chat.watch(question, one.photos)
        # One row of ids: all photos stand in one turn.
        (at_once,) = chat.ask(question, base.encode(one.photos).reshape(1, -1))
        right["which"].append(said == one.answer)
        right["which_at_once"].append(at_once == one.answer)
    return {how: mean(flags) for how, flags in right.items()}
