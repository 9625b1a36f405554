"""Toy concepts: pets, things and people that the base never saw, what they are learned from, and
what they are tested on.

Both are drawn from different streams of the seed: the test's pictures, negatives and prompts are
never seen while learning.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast

import numpy as np
from PIL import Image

from unictoken.core.disk import make_folder
from unictoken.core.pictures import read_image
from unictoken.core.text import unmark
from unictoken.data.concept import Concept
from unictoken.toy.world import descriptions, language
from unictoken.toy.world.attributes import BRIGHT_COLOURS, PLACES, POSITIONS
from unictoken.toy.world.drawing import draw, draw_group
from unictoken.toy.world.groups import alone
from unictoken.toy.world.subjects import (
    KINDS,
    Subject,
    Thing,
    easy_negative,
    hard_negative,
    kind_of,
    near_duplicate,
    sample_subject,
)
from unictoken.toy.world.things import Pet, Scene, sample_scene

REFERENCES = 5
DISTINCT = 60  # pictures of a thing; more than 72 there are not
TRAINING_NEGATIVES = 24  # of each grade
TEST_PICTURES = 12  # positives, and negatives of each grade
DRAWINGS = 8
NEGATIVES = {"easy": easy_negative, "hard": hard_negative, "near_duplicate": near_duplicate}
ToyKind = Literal["animal", "object", "person"]


@dataclass(frozen=True, kw_only=True)
class ToyTruth:
    """What is exactly true of a pet, a thing or a person of this world: the `truth` of its
    `Concept`.
    """

    subject: Subject
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
    seed: int,
    index: int,
    name: str | None = None,
    *,
    kind: ToyKind | None = None,
    references: int = REFERENCES,
) -> Concept:
    """The index-th concept of a seed; its combination of attributes was held out of the base's
    training.

    With more or fewer references it is the same concept, and those that both have are the same
    pictures.

    Args:
        seed: Of the benchmark.
        index: Which of its concepts, from 0.
        name: What it is called; None: `name_of(index)`.
        kind: What it is; None: a pet.
        references: How many pictures it is learned from.
    """
    rng = np.random.default_rng([seed, index, 1])
    subject = sample_subject(rng, kind=kind or KINDS[0], unseen=True)
    facts = language.sample_facts(rng)
    return _concept(subject, facts, name or name_of(index), rng, references=references)


def _concept(
    subject: Subject,
    facts: language.Facts,
    name: str,
    rng: np.random.Generator,
    *,
    references: int,
) -> Concept:
    """Pictures (of every five, two wear something, where it can), facts with their questions, and
    negatives of every grade.

    Args:
        subject: Whom or what the pictures show.
        facts: What no picture shows.
        name: The concept's name, without its marker.
        rng: What scenes and negatives are drawn from.
        references: How many pictures.
    """
    # The usual number first, the negatives, then the others: so another number of references
    # changes neither the first scenes nor the negatives.
    scenes: list[Scene] = []
    for i in range(REFERENCES):
        scenes.append(_another_scene(subject, scenes, rng, accessory=i >= 3))
    negatives = {
        grade: tuple(
            draw(other(subject, rng), sample_scene(rng)) for _ in range(TRAINING_NEGATIVES)
        )
        for grade, other in NEGATIVES.items()
    }
    kind, told = cast(ToyKind, kind_of(subject)), language.facts_of(subject)
    for i in range(REFERENCES, references):
        scenes.append(_another_scene(subject, scenes, rng, accessory=i % 5 >= 3))
    return Concept(
        name=name,
        class_noun=descriptions.noun(subject),
        kind=kind,
        pictures=tuple(draw(subject, scene) for scene in scenes[:references]),
        facts=tuple(language.fact_sentence(key, facts).format(name=f"<{name}>") for key in told),
        questions=tuple(
            (unmark(language.FACT_QUESTIONS[key], name), language.fact_answer(key, facts))
            for key in told
        ),
        negatives=negatives,
        # Nobody has to be asked: there is no such person.
        consent=kind == "person",
        truth=ToyTruth(subject=subject, facts=facts if "hat" in told else None),
    )


def _another_scene(
    subject: Subject, scenes: Sequence[Scene], rng: np.random.Generator, *, accessory: bool
) -> Scene:
    """A scene that shows a thing in another way than the others do. Of pets and people two pictures
    are hardly ever the same, and none is drawn anew.

    Args:
        subject: Whom or what it shows.
        scenes: The others.
        rng: What it is drawn from.
        accessory: Whether something is worn.
    """
    shown = [alone(subject, scene) for scene in scenes]
    while True:
        scene = sample_scene(rng, accessory=accessory)
        free = len(shown) < DISTINCT and isinstance(subject, Thing)
        if not free or alone(subject, scene) not in shown:
            return scene


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
        "world": said_of(truth_of(concept).subject),
    }
    (folder / "info.json").write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")


def said_of(subject: Subject) -> dict[str, object]:
    """A subject as an info.json says it: every attribute, and for all but pets its kind."""
    # Pets came first: a file that says no kind is of one.
    kind = {} if isinstance(subject, Pet) else {"subject": kind_of(subject)}
    return kind | asdict(subject)


@dataclass(frozen=True)
class HeldOut:
    """What a concept is tested on: pictures of it and of others, with the truth, and what drawings
    are asked for.
    """

    scenes: list[Scene]
    positives: list[Image.Image]
    negatives: dict[str, list[Image.Image]]
    wishes: Sequence[Mapping[str, str]]
    """What each drawing is to show, by attribute of a scene: a hat, its colour and a place; of a
    thing a side and a place."""


def held_out_of(concept: Concept, seed: Sequence[int]) -> HeldOut:
    """Drawn from a stream of the seed that learning never touches; no picture is one that is
    learned from.
    """
    rng, own = np.random.default_rng([*seed, 2]), truth_of(concept).subject
    learned = {
        read_image(picture).tobytes()
        for part in (concept.pictures, *concept.negatives.values())
        for picture in part
    }

    def anew(subject_of: Callable[[], Subject]) -> tuple[Scene, Image.Image]:
        while True:
            group = alone(subject_of(), sample_scene(rng))
            if (picture := draw_group(group)).tobytes() not in learned:
                # As it is shown: the scene of a thing has no hat.
                return group.scene_of(group.members[0]), picture

    positives = [anew(lambda: own) for _ in range(TEST_PICTURES)]
    negatives = {
        grade: [anew(partial(other, own, rng))[1] for _ in range(TEST_PICTURES)]
        for grade, other in NEGATIVES.items()
    }
    wishes = [_wish(own, i, rng) for i in range(DRAWINGS)]
    return HeldOut(
        [scene for scene, _ in positives], [picture for _, picture in positives], negatives, wishes
    )


def _wish(subject: Subject, number: int, rng: np.random.Generator) -> dict[str, str]:
    """What a drawing is to show beside the subject, by attribute of a scene."""
    if isinstance(subject, Thing):
        side = POSITIONS[number % len(POSITIONS)]
        return {"position": side, "place": str(rng.choice(PLACES))}
    return {
        "accessory": language.HATS[number % len(language.HATS)],
        "accessory_colour": str(rng.choice(list(BRIGHT_COLOURS))),
        "place": str(rng.choice(PLACES)),
    }
