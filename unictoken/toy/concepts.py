"""Toy concepts: pets that the base never saw, what they are learned from, and what they are tested
on.

Both are drawn from different streams of the seed: the test's pictures, negatives and prompts are
never seen while learning.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from unictoken.core.disk import make_folder
from unictoken.core.text import unmark
from unictoken.data.source import Source
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
class ToyConcept:
    """A pet of the world as a concept: its truth, its facts (None: only sentences are known), and
    what it is learned from.
    """

    pet: Pet
    facts: language.Facts | None
    source: Source
    seed: tuple[int, ...]


def toy_source(
    pet: Pet,
    facts: language.Facts,
    name: str,
    rng: np.random.Generator,
    *,
    references: int = REFERENCES,
) -> Source:
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
    return Source(
        name=name,
        class_noun=pet.species,
        pictures=tuple(draw(pet, scene) for scene in scenes[:references]),
        facts=tuple(
            language.fact_sentence(key, facts).format(name="{name}")
            for key in language.FACT_SENTENCES
        ),
        questions=tuple(
            (language.FACT_QUESTIONS[key], language.fact_answer(key, facts))
            for key in language.FACT_SENTENCES
        ),
        negatives=negatives,
        truth=pet,
    )


def name_of(index: int) -> str:
    """A name that the tiny base knows as one word, for the first sixteen: words about 'tom' are
    then what words can do.
    """
    again, first = divmod(index, len(language.NAMES))
    return language.NAMES[first] + (str(again + 1) if again else "")


def toy_concept(
    seed: int, index: int, name: str | None = None, *, references: int = REFERENCES
) -> ToyConcept:
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
    return ToyConcept(
        pet=pet,
        facts=facts,
        source=toy_source(pet, facts, name or name_of(index), rng, references=references),
        seed=(seed, index),
    )


def write_toy_folder(concept: ToyConcept, folder: Path) -> None:
    """The concept as a user's folder, as `data/source.py` reads it."""
    source = concept.source
    make_folder(folder / "negative_example" if source.negatives else folder)
    for i, picture in enumerate(source.pictures):
        picture.save(folder / f"{i}.png")
    for grade, pictures in source.negatives.items():
        for i, picture in enumerate(pictures):
            picture.save(folder / "negative_example" / f"{grade}_{i:02d}.png")

    info = {
        "class": source.class_noun,
        "extra_info": [unmark(fact, source.name) for fact in source.facts],
        "questions": [
            {"question": unmark(q, source.name), "answer": unmark(a, source.name)}
            for q, a in source.questions
        ],
        "world": asdict(concept.pet),
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


def held_out_of(concept: ToyConcept) -> HeldOut:
    """Drawn from a stream of the seed that learning never touches; no picture is one that is
    learned from.
    """
    rng, source = np.random.default_rng([*concept.seed, 2]), concept.source
    learned = {
        picture.tobytes()
        for part in (source.pictures, *source.negatives.values())
        for picture in part
    }

    def anew(pet_of: Callable[[], Pet]) -> tuple[Scene, Image.Image]:
        while True:
            pet, scene = pet_of(), sample_scene(rng)
            if (picture := draw(pet, scene)).tobytes() not in learned:
                return scene, picture

    positives = [anew(lambda: concept.pet) for _ in range(TEST_PICTURES)]
    negatives = {
        grade: [anew(lambda other=other: other(concept.pet, rng))[1] for _ in range(TEST_PICTURES)]
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
