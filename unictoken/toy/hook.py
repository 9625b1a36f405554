"""The toy world as generic code asks it: `data/worlds.py: World`,
`scoring/verdict.py: JudgedWorld`.

What needs torch is imported where it is used: a folder of a concept is read without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from unictoken.core.config import MANY
from unictoken.core.disk import quoted
from unictoken.data.concept import Concept
from unictoken.data.source import SourceError, check_keys
from unictoken.toy.concepts import ToyTruth
from unictoken.toy.dataset import read_truth, write_concept, write_dataset
from unictoken.toy.interview import TOY as interview
from unictoken.toy.world.attributes import IDENTITY, PET_ATTRIBUTES
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.things import Pet, nearest_shade, sample_pet_where, sample_scene

if TYPE_CHECKING:
    from unictoken.toy.judge import WorldJudge

__all__ = [
    "distractors",
    "draw_others",
    "identity",
    "interview",
    "judge_accuracy",
    "load_judge",
    "nearest_shade",
    "read_truth",
    "read_truth_of",
    "write_dataset",
    "write_test",
]

distractors = 400  # pictures of others for a concept without any; HARD_SHARE makes 60 of them hard


def draw_others(count: int, seed: int) -> list[Image.Image]:
    """Pictures of random pets of the combinations that the tiny base knows."""
    # The count is part of the seed: 500 distractors do not begin with those of 400.
    rng = np.random.default_rng([seed, count])
    return [draw(sample_pet_where(rng, unseen=False), sample_scene(rng)) for _ in range(count)]


def read_truth_of(said: object, where: str) -> ToyTruth:
    """The pet that the key `world` of an info.json describes; one that nobody could draw is
    refused.
    """
    attributes = [f.name for f in fields(Pet)]
    if isinstance(said, dict):
        check_keys(said, attributes, f"{where}: 'world'")
    if not isinstance(said, dict) or len(said) < len(attributes):
        raise SourceError(
            f"{where}: 'world' is {quoted(said)}, expected every attribute of a toy pet."
        )
    # type(), since True is an int to isinstance; `not ... <`, since NaN is below nothing
    for name, value in said.items():
        known = PET_ATTRIBUTES.get(name)
        if (known and value not in known) or (
            not known and (type(value) not in (int, float) or not abs(value) < MANY)
        ):
            expected = f"one of {', '.join(known)}" if known else "a number"
            raise SourceError(
                f"{where}: '{name}' of 'world' is {quoted(value)}, expected {expected}."
            )
    return ToyTruth(pet=Pet(**said))


def identity(truth: ToyTruth) -> dict[str, str]:
    """The attributes that a drawing of the pet must have."""
    return {name: getattr(truth.pet, name) for name in IDENTITY}


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
