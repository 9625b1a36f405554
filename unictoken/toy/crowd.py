"""Many concepts of the toy world for one memory, and photos of some of them, of near-duplicates and
of strangers, with their truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from unictoken.core.text import unmark
from unictoken.data.concept import Concept
from unictoken.toy.concepts import REFERENCES, ToyTruth, name_of, toy_concept, truth_of
from unictoken.toy.world import descriptions, group_language, language
from unictoken.toy.world.drawing import draw, draw_group
from unictoken.toy.world.groups import sample_group
from unictoken.toy.world.subjects import (
    KINDS,
    Subject,
    kind_of,
    near_duplicate,
    sample_subject,
)
from unictoken.toy.world.things import sample_scene

PETS = 10  # the first concepts are those of the toy benchmark, which are learned there
EVERY = 4  # of the others every so-manieth is a near-duplicate of one of these
SITUATIONS = ("one", "two", "near_duplicate", "stranger")
_SHOWN = ("pose", "accessory")  # what is asked about a picture, beside looks
_STREAM = 91  # of the seed, apart from those of the benchmark


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A picture, who of a memory is in it, and what is asked about it."""

    picture: Image.Image
    situation: str
    """One of SITUATIONS: one or two of the memory; a near-duplicate of one; nobody of it."""
    names: tuple[str, ...]
    """Of those of the memory who are there, from left to right."""
    question: str = ""
    """About one of them by name; '': nobody of the memory is there."""
    answer: str = ""


def crowd(seed: int, size: int) -> list[Concept]:
    """So many concepts; a smaller crowd of the seed is the beginning of a larger one."""
    made = [toy_concept(seed, i) for i in range(min(size, PETS))]
    for i in range(PETS, size):
        made.append(_another(seed, i, [truth_of(one).subject for one in made[:PETS]]))
    return [_described(one) for one in made]


def _another(seed: int, index: int, pets: Sequence[Subject]) -> Concept:
    rng = np.random.default_rng([seed, index, _STREAM])
    if index % EVERY == 0:
        subject = near_duplicate(pets[index // EVERY % len(pets)], rng)
    else:
        subject = sample_subject(rng, kind=KINDS[index % len(KINDS)], unseen=True)
    facts = language.sample_facts(rng)
    name = name_of(index)
    return Concept(
        name=name,
        class_noun=descriptions.noun(subject),
        kind=kind_of(subject),  # type: ignore[arg-type]
        pictures=tuple(draw(subject, sample_scene(rng)) for _ in range(REFERENCES)),
        facts=tuple(
            unmark(language.fact_sentence(key, facts), name) for key in language.facts_of(subject)
        ),
        consent=True,
        truth=ToyTruth(subject=subject, facts=facts),
    )


def _described(concept: Concept) -> Concept:
    """The same with its looks in words as the first fact, as RAP's databases have them."""
    looks = f"{concept.marker} is {descriptions.describe(truth_of(concept).subject)}."
    return replace(concept, facts=(looks, *concept.facts))


def photos(concepts: Sequence[Concept], *, seed: int, count: int) -> list[Photo]:
    """So many photos, the situations in turn; of every second one those are sought who are learned.

    Args:
        concepts: The memory's.
        seed: Another one gives other photos.
        count: How many.
    """
    rng = np.random.default_rng([seed, len(concepts), _STREAM])
    return [_photo(concepts, SITUATIONS[i % len(SITUATIONS)], i, rng) for i in range(count)]


def _photo(
    concepts: Sequence[Concept], situation: str, number: int, rng: np.random.Generator
) -> Photo:
    # Half of them of those with tokens: of 256 these would hardly be seen.
    few = concepts[:PETS] if number // len(SITUATIONS) % 2 == 0 else concepts
    one = truth_of(few[int(rng.integers(len(few)))]).subject
    # By truth: two of a crowd that look the same would be one for anybody.
    known = {truth_of(concept).subject: concept for concept in concepts}
    match situation:
        case "one":
            subjects = [one]
        case "two":
            other = truth_of(concepts[int(rng.integers(len(concepts)))]).subject
            # Of a memory of one, somebody else stands beside it.
            subjects = [one, other if other != one else _stranger(known, rng)]
        case "near_duplicate":
            subjects = [near_duplicate(one, rng)]
        case _:
            subjects = [_stranger(known, rng)]
    group = sample_group(subjects, rng)
    names = {m.subject: known[m.subject].marker for m in group.members if m.subject in known}
    # What only the picture shows; of a thing, which wears nothing, where it is.
    asked = [
        asked
        for asked in group_language.questions(group, rng, names)
        if asked.about in _SHOWN and any(marker in asked.question for marker in names.values())
    ] or [
        asked
        for asked in group_language.questions(group, rng, names)
        if asked.about == "place" and any(marker in asked.question for marker in names.values())
    ]
    chosen = asked[int(rng.integers(len(asked)))] if asked else None
    return Photo(
        picture=draw_group(group),
        situation=situation,
        names=tuple(known[m.subject].name for m in group.members if m.subject in known),
        question=chosen.question if chosen else "",
        answer=chosen.answer if chosen else "",
    )


def _stranger(known: dict[Subject, Concept], rng: np.random.Generator) -> Subject:
    """Somebody who is nobody of the memory."""
    while (subject := sample_subject(rng, kind=str(rng.choice(KINDS)), unseen=True)) in known:
        pass
    return subject


def fact_question(concept: Concept, rng: np.random.Generator) -> tuple[str, str]:
    """A question about what no picture of a concept shows, and its answer."""
    truth = truth_of(concept)
    assert truth.facts is not None or concept.questions
    if truth.facts is None:
        return concept.questions[int(rng.integers(len(concept.questions)))]
    keys = language.facts_of(truth.subject)
    key = keys[int(rng.integers(len(keys)))]
    question = unmark(language.FACT_QUESTIONS[key], concept.name)
    return question, language.fact_answer(key, truth.facts)
