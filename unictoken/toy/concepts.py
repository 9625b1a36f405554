"""Toy concepts: pets that the base never saw, what they are learned from, and what they are tested
on.

Both are drawn from different streams of the seed: the test's pictures, negatives and prompts are
never seen while learning.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from unictoken.core.disk import make_folder
from unictoken.core.pictures import read_image
from unictoken.core.text import unmark
from unictoken.data.concept import Concept
from unictoken.toy.world import language
from unictoken.toy.world.attributes import BRIGHT_COLOURS, PLACES
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.things import (
    Pet,
    Scene,
    easy_negative,
    hard_negative,
    near_duplicate,
    sample_pet_where,
    sample_scene,
)

REFERENCES = 5
TRAINING_NEGATIVES = 24  # of each grade
TEST_PICTURES = 12  # positives, and negatives of each grade
DRAWINGS = 8
PROMPTED = ("accessory", "accessory_colour", "place")
NEGATIVES = {"easy": easy_negative, "hard": hard_negative, "near_duplicate": near_duplicate}


@dataclass(frozen=True, kw_only=True)
class ToyTruth:
    """What is exactly true of a pet of this world: the `truth` of its `Concept`."""

    pet: Pet
    """How it looks."""
    facts: language.Facts | None = None
    """What no picture shows; None: only the concept's sentences are known."""


def truth_of(concept: Concept) -> ToyTruth:
    """The truth of a concept of this world."""
    assert isinstance(concept.truth, ToyTruth)
    return concept.truth


def name_of(index: int) -> str:
    """A name that the tiny base knows as one word, for the first sixteen: words about 'tom' are
    then what words can do.
    """
    again, first = divmod(index, len(language.NAMES))
    return language.NAMES[first] + (str(again + 1) if again else "")


def toy_concept(
    seed: int, index: int, name: str | None = None, *, references: int = REFERENCES
) -> Concept:
    """The index-th concept of a seed; its combination of attributes was held out of the base's
    training.

    With more or fewer references it is the same concept, and those that both have are the same
    pictures.

    Args:
        seed: Of the benchmark.
        index: Which of its concepts, from 0.
        name: What it is called; None: `name_of(index)`.
        references: How many pictures it is learned from.
    """
    rng = np.random.default_rng([seed, index, 1])
    pet, facts = sample_pet_where(rng, unseen=True), language.sample_facts(rng)
    return _concept(pet, facts, name or name_of(index), rng, references=references)


def _concept(
    pet: Pet, facts: language.Facts, name: str, rng: np.random.Generator, *, references: int
) -> Concept:
    """Pictures (of every five, two wear something), facts with their questions, and negatives of
    every grade.

    Args:
        pet: Whom the pictures show.
        facts: What no picture shows.
        name: The concept's name, without its marker.
        rng: What scenes and negatives are drawn from.
        references: How many pictures.
    """
    # The usual number first, the negatives, then the others: so another number of references
    # changes neither the first scenes nor the negatives.
    scenes = [sample_scene(rng, accessory=i >= 3) for i in range(REFERENCES)]
    negatives = {
        grade: tuple(draw(other(pet, rng), sample_scene(rng)) for _ in range(TRAINING_NEGATIVES))
        for grade, other in NEGATIVES.items()
    }
    scenes += [sample_scene(rng, accessory=i % 5 >= 3) for i in range(REFERENCES, references)]
    return Concept(
        name=name,
        class_noun=pet.species,
        kind="animal",
        pictures=tuple(draw(pet, scene) for scene in scenes[:references]),
        facts=tuple(
            language.fact_sentence(key, facts).format(name=f"<{name}>")
            for key in language.FACT_SENTENCES
        ),
        questions=tuple(
            (unmark(language.FACT_QUESTIONS[key], name), language.fact_answer(key, facts))
            for key in language.FACT_SENTENCES
        ),
        negatives=negatives,
        truth=ToyTruth(pet=pet, facts=facts),
    )


def write_toy_folder(concept: Concept, folder: Path) -> None:
    """The concept as a user's folder, as `data/source.py` reads it."""
    make_folder(folder / "negative_example" if concept.negatives else folder)
    for i, picture in enumerate(map(read_image, concept.pictures)):
        picture.save(folder / f"{i}.png")
    for grade, pictures in concept.negatives.items():
        for i, picture in enumerate(map(read_image, pictures)):
            picture.save(folder / "negative_example" / f"{grade}_{i:02d}.png")

    info = {
        "class": concept.class_noun,
        "extra_info": list(concept.facts),
        "questions": [{"question": q, "answer": a} for q, a in concept.questions],
        "world": asdict(truth_of(concept).pet),
    }
    (folder / "info.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class HeldOut:
    """What a concept is tested on: pictures of it and of others, with the truth, and what drawings
    are asked for.
    """

    scenes: list[Scene]
    positives: list[Image.Image]
    negatives: dict[str, list[Image.Image]]
    wishes: list[tuple[str, str, str]]
    """(hat, its colour, place) of each drawing."""


def held_out_of(concept: Concept, seed: Sequence[int]) -> HeldOut:
    """Drawn from a stream of the seed that learning never touches; no picture is one that is
    learned from.
    """
    rng, own = np.random.default_rng([*seed, 2]), truth_of(concept).pet
    learned = {
        read_image(picture).tobytes()
        for part in (concept.pictures, *concept.negatives.values())
        for picture in part
    }

    def anew(pet_of: Callable[[], Pet]) -> tuple[Scene, Image.Image]:
        while True:
            pet, scene = pet_of(), sample_scene(rng)
            if (picture := draw(pet, scene)).tobytes() not in learned:
                return scene, picture

    positives = [anew(lambda: own) for _ in range(TEST_PICTURES)]
    negatives = {
        grade: [anew(partial(other, own, rng))[1] for _ in range(TEST_PICTURES)]
        for grade, other in NEGATIVES.items()
    }
    wishes = [
        (
            language.HATS[i % len(language.HATS)],
            str(rng.choice(list(BRIGHT_COLOURS))),
            str(rng.choice(PLACES)),
        )
        for i in range(DRAWINGS)
    ]
    return HeldOut(
        [scene for scene, _ in positives], [picture for _, picture in positives], negatives, wishes
    )
