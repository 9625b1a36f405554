"""The toy world as generic code asks it: `data/worlds.py: World`,
`scoring/verdict.py: JudgedWorld`.

What needs torch is imported where it is used: a folder of a concept is read without it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unictoken.core.config import MANY
from unictoken.core.disk import quoted
from unictoken.data.concept import Concept
from unictoken.data.kinds import is_person
from unictoken.data.source import SourceError, check_keys
from unictoken.toy.concepts import ToyTruth, toy_concept
from unictoken.toy.dataset import read_truth, write_concept, write_dataset
from unictoken.toy.interview import toy_interview as interview
from unictoken.toy.mmpb import write_mmpb
from unictoken.toy.world import subjects
from unictoken.toy.world.attributes import SKINS, THINGS
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.subjects import EXACT_PAINT, KINDS, NAMEABLE, sample_subject
from unictoken.toy.world.things import EXACT_SHADES, sample_scene
from unictoken.toy.world.things import nearest_shade as nearest_fur

if TYPE_CHECKING:
    from unictoken.data.users import Users
    from unictoken.toy.judge import WorldJudge

__all__ = [
    "distractors",
    "draw_others",
    "example",
    "identity",
    "interview",
    "judge_accuracy",
    "load_judge",
    "nearest_shade",
    "read_truth",
    "read_truth_of",
    "users",
    "write_dataset",
    "write_mmpb",
    "write_test",
]

CLASSES = dict(zip(KINDS, NAMEABLE, strict=True))
NOUNS = {"animal": "pet", "object": "thing", "person": "person"}  # in messages
distractors = 400  # pictures of others for a concept without any; HARD_SHARE makes 60 of them hard


def draw_others(count: int, seed: int, class_noun: str = "") -> list[Image.Image]:
    """Random pictures of the combinations that the tiny base knows: of pets for a pet; for a thing
    or a person every second one of their kind, the others of pets.
    """
    # The count is part of the seed: 500 distractors do not begin with those of 400.
    rng = np.random.default_rng([seed, count])
    kinds = itertools.cycle(dict.fromkeys((_kind_of(class_noun), "animal")))
    return [
        draw(sample_subject(rng, kind=kind, unseen=False), sample_scene(rng))
        for _, kind in zip(range(count), kinds, strict=False)
    ]


def example(name: str, seed: int) -> Concept:
    """A pet that no base has seen."""
    return toy_concept(seed, 0, name=name)


def _kind_of(class_noun: str) -> str:
    noun = class_noun.strip().lower()
    return "object" if noun in THINGS else "person" if is_person(noun) else "animal"


def read_truth_of(said: object, where: str) -> ToyTruth:
    """The pet, thing or person that the key `world` of an info.json describes; one that nobody
    could draw is refused.

    `subject` says which kind it is; without it, it is a pet.
    """
    said, kind = _subject_and_kind(said, where)
    made = CLASSES[kind]
    attributes = [f.name for f in fields(made)]
    if isinstance(said, dict):
        check_keys(said, attributes, f"{where}: 'world'")
    if not isinstance(said, dict) or len(said) < len(attributes):
        raise SourceError(
            f"{where}: 'world' is {quoted(said)}, expected every attribute of a toy {NOUNS[kind]}."
        )
    # type(), since True is an int to isinstance; `not ... <`, since NaN is below nothing
    for name, value in said.items():
        known = NAMEABLE[made].get(name)
        if (known and value not in known) or (
            not known and (type(value) not in (int, float) or not abs(value) < MANY)
        ):
            expected = f"one of {', '.join(known)}" if known else "a number"
            raise SourceError(
                f"{where}: '{name}' of 'world' is {quoted(value)}, expected {expected}."
            )
    # An index: 1.0 is none.
    if type(skin := said.get("skin", 0)) is not int or not 0 <= skin < len(SKINS):
        raise SourceError(f"{where}: 'skin' of 'world' is {skin}, expected 0 to {len(SKINS) - 1}.")
    return ToyTruth(subject=made(**said))


def _subject_and_kind(said: object, where: str) -> tuple[object, str]:
    """What is said of a subject without the kind that it is said to be, and this."""
    if not isinstance(said, dict) or "subject" not in said:
        return said, KINDS[0]
    kind = said["subject"]
    if kind not in KINDS:
        raise SourceError(
            f"{where}: 'subject' of 'world' is {quoted(kind)}, expected one of {', '.join(KINDS)}."
        )
    return {name: value for name, value in said.items() if name != "subject"}, kind


def identity(truth: ToyTruth) -> dict[str, str]:
    """The attributes that a drawing of the concept must have."""
    return subjects.identity(truth.subject)


def nearest_shade(rgb: Sequence[float], exact: Sequence[int]) -> tuple[int, int, int]:
    """Of every exact shade that what has the `exact` one could have, the nearest one: of fur; where
    no fur has that shade, of paint.
    """
    if tuple(exact) in EXACT_SHADES:
        return nearest_fur(rgb)
    return min(EXACT_PAINT, key=lambda paint: math.dist(paint, rgb))


def write_test(concept: Concept, root: Path, seed: Sequence[int]) -> None:
    """A test of the concept, drawn anew, as a dataset of UnifyBench's layout at `root`."""
    write_concept(concept, root, np.random.default_rng(seed), seed=seed)


def load_judge(path: str | Path) -> WorldJudge:
    """The judge of this name or in this file, as `measure` asks it."""
    from unictoken.toy.judge import WorldJudge
    from unictoken.toy.judge import load_judge as load

    return WorldJudge(load(path))


def judge_accuracy(path: str | Path) -> list[str]:
    """How often that judge is right itself, as sentences to print beside its scores."""
    from unictoken.toy.judge import own_accuracy

    return own_accuracy(path)


def users(count: int, seed: int) -> Users:
    """So many users of this world (`toy/users.py`)."""
    from unictoken.toy.users import users as made

    return made(count, seed)
