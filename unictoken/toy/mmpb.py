"""A small MMPB of the toy world, written in the published layout (data/readers/mmpb.py)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from unictoken.core.disk import make_folder
from unictoken.core.text import a
from unictoken.data import templates
from unictoken.data.readers.mmpb import LENGTHS, LETTERS, TABLE, TURNS, YES_NO
from unictoken.toy.concepts import toy_concept, truth_of
from unictoken.toy.world import descriptions, language
from unictoken.toy.world.attributes import SPECIES
from unictoken.toy.world.drawing import draw
from unictoken.toy.world.things import (
    Pet,
    Scene,
    choice,
    easy_negative,
    hard_negative,
    sample_scene,
)

PICTURES = 4  # of a concept, and as many of others
TALK = 8  # turns about somebody else
LENGTHS_OF = tuple(f"description_{length}" for length in LENGTHS)
COLUMNS = (
    *("index", "question", *LETTERS, "image_path", "answer", "attribute", "category"),
    *("l2-category", "concept", "target", "name", "preference", *LENGTHS_OF, "prompt"),
)
SKS = "<sks>"


def write_mmpb(folder: Path, *, seed: int, num_concepts: int) -> Path:
    """Write the benchmark of a seed: of each pet four pictures where it is, four where a look-alike
    or another is, and questions with options about what it wears, where it is and what it eats.

    Args:
        folder: Where it goes.
        seed: Decides everything.
        num_concepts: How many pets.
    """
    rows: list[dict[str, str]] = []
    for index in range(num_concepts):
        rows += _concept(folder, seed, index)
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({"index": str(i), **row} for i, row in enumerate(rows))
    (folder / TABLE).write_text(table.getvalue(), encoding="utf-8")
    place = folder / "multi_turn" / "generic_text"
    make_folder(place)
    talk = {"conversation": _talk(np.random.default_rng([seed, 21]))}
    (place / TURNS).write_text(json.dumps(talk, indent=1), encoding="utf-8")
    return folder


def _concept(folder: Path, seed: int, index: int) -> Iterator[dict[str, str]]:
    """The rows of one pet, whose pictures are written."""
    concept, rng = toy_concept(seed, index), np.random.default_rng([seed, index, 22])
    truth = truth_of(concept)
    pet, facts = truth.subject, truth.facts
    assert isinstance(pet, Pet) and facts is not None
    train, test = (Path("animal", part, concept.name) for part in ("train", "test"))
    for i, picture in enumerate(concept.pictures):
        assert isinstance(picture, Image.Image)
        _save(picture, folder / train / f"{i}.png")
    common = {"attribute": "animal", "name": concept.name, **_descriptions(pet, facts)}
    # Drawn from a stream of its own: those that it is learned from are others.
    own = [sample_scene(rng) for _ in range(PICTURES)]
    for i in range(PICTURES):
        shown, absent = (test / "recognition" / f"{name}{i}.png" for name in ("", "negative"))
        _save(draw(pet, own[i]), folder / shown)
        # Every second one is a look-alike.
        other = hard_negative(pet, rng) if i % 2 else easy_negative(pet, rng)
        _save(draw(other, sample_scene(rng)), folder / absent)
        asked = templates.RECOGNISE[0].format(name=SKS)
        for path, answer, kind in ((shown, 0, "awareness"), (absent, 1, "overconcept")):
            row = {"question": asked, "image_path": str(path), "answer": YES_NO[answer]}
            yield {**common, **row, "category": "recognition", "l2-category": kind}
        for question, right, wrong, category in _choices(own[i], facts, rng):
            options = [right, *wrong[: len(LETTERS) - 1]]
            # Else the right one would always be A.
            options = [options[int(k)] for k in rng.permutation(len(options))]
            row = dict(zip(LETTERS, options, strict=False))
            row |= {"question": question, "answer": LETTERS[options.index(right)]}
            row |= {"image_path": str(shown), "category": category}
            yield {**common, **row, "l2-category": "inconsistency"}


def _save(picture: Image.Image, file: Path) -> None:
    make_folder(file.parent)
    picture.save(file)


def _descriptions(pet: Pet, facts: language.Facts) -> dict[str, str]:
    """The pet in four lengths, and what it likes."""
    told = {key: language.fact_sentence(key, facts).format(name=SKS) for key in ("hat", "toy")}
    whole = f"{SKS} is {descriptions.describe(pet)}."
    return {
        "preference": language.fact_sentence("food", facts).format(name=SKS),
        "description_simple": f"{SKS} is {a(pet.species)}.",
        "description_moderate": f"{SKS} is {a(f'{language.colours_of(pet)} {pet.species}')}.",
        "description_detailed": whole,
        "description_super_detailed": " ".join([whole, *told.values()]),
    }


def _choices(
    scene: Scene, facts: language.Facts, rng: np.random.Generator
) -> Iterator[tuple[str, str, list[str], str]]:
    """Questions with the right answer, wrong ones, and the category."""
    it = SKS
    worn = {language.worn(sample_scene(rng, accessory=True)): None for _ in range(9)}
    where = list(language.WHERE.values())
    for question, right, values, category in (
        (language.SCENE_QUESTIONS["accessory"][0], language.worn(scene), list(worn), "recognition"),
        (language.SCENE_QUESTIONS["place"][0], language.WHERE[scene.place], where, "recognition"),
        ("what does {it} like to eat?", facts.food, list(language.FOODS), "preference"),
    ):
        wrong = [value for value in values if value != right]
        order = [wrong[int(i)] for i in rng.permutation(len(wrong))]
        yield question.format(it=it), right, order, category


def _talk(rng: np.random.Generator) -> list[list[dict[str, str]]]:
    """Conversations of one turn about somebody else, who is told in it."""
    talks = []
    for _ in range(TALK):
        name, species = choice(rng, language.NAMES), choice(rng, SPECIES)
        # Told and asked in one: the base can answer it, as a person would.
        said = f"{name} is {a(species)}. what animal is {name}?"
        talks.append(
            [{"role": "user", "content": said}, {"role": "assistant", "content": a(species)}]
        )
    return talks
