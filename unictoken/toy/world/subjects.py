"""Whom and what a picture can show: pets, things and people; frozen, drawn from a seed, exactly
known.

Pets are those of `things.py`, whose functions have the same names as the ones here that take any
subject.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from unictoken.toy.world import things as pets
from unictoken.toy.world.attributes import (
    BRIGHT_COLOURS,
    HAIR_COLOURS,
    HAIR_STYLES,
    MARKS,
    NONE,
    PAINT_SHADES,
    PERSON_ATTRIBUTES,
    PET_ATTRIBUTES,
    SKINS,
    THING_ATTRIBUTES,
    THINGS,
    shade,
)
from unictoken.toy.world.attributes import IDENTITY as PET_IDENTITY
from unictoken.toy.world.things import MIN_SHADE_GAP, SHADE_STEPS, Pet, choice

LAYOUTS = 2  # of a thing's mark
KINDS = ("animal", "object", "person")
EXACT_PAINT = tuple(
    shade(name, i / (SHADE_STEPS - 1)) for name in PAINT_SHADES for i in range(SHADE_STEPS)
)


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A thing. The first five fields can be named in words; the rest cannot."""

    kind: str
    colour: str
    second: str
    mark: str
    trim: str
    main_shade: float
    layout: int

    @property
    def main_rgb(self) -> tuple[int, int, int]:
        """The exact shade of its paint."""
        return shade(self.colour, self.main_shade)

    @property
    def second_rgb(self) -> tuple[int, int, int] | None:
        """The colour of its mark, the middle one of its name; None for a plain thing."""
        return None if self.second == NONE else shade(self.second, 0.5)

    @property
    def nameable(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in THING_ATTRIBUTES}


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person. The first five fields can be named in words; the rest cannot."""

    hair: str
    style: str
    shirt: str
    trousers: str
    glasses: str
    main_shade: float
    skin: int

    @property
    def main_rgb(self) -> tuple[int, int, int]:
        """The exact shade of the shirt."""
        return shade(self.shirt, self.main_shade)

    @property
    def second_rgb(self) -> tuple[int, int, int]:
        """The colour of the hair, the middle one of its name."""
        return shade(self.hair, 0.5)

    @property
    def nameable(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in PERSON_ATTRIBUTES}


Subject = Pet | Thing | Person
NAMEABLE = {Pet: PET_ATTRIBUTES, Thing: THING_ATTRIBUTES, Person: PERSON_ATTRIBUTES}
# What a drawing must show to be of a subject.
IDENTITY = {Pet: PET_IDENTITY, Thing: tuple(THING_ATTRIBUTES), Person: tuple(PERSON_ATTRIBUTES)}
HELD_OUT_BY = {  # what the rule of `held_out` is about
    Pet: ("species", "fur", "pattern"),
    Thing: ("kind", "colour", "mark"),
    Person: ("style", "hair", "shirt"),
}


def _exact(rng: np.random.Generator) -> float:
    # In steps: shades between them would need image codes of their own.
    return float(rng.integers(SHADE_STEPS) / (SHADE_STEPS - 1))


def sample_thing(rng: np.random.Generator) -> Thing:
    """A thing with every attribute drawn at random."""
    mark, colour = choice(rng, MARKS), choice(rng, tuple(PAINT_SHADES))
    # A plain thing has no second colour that anybody could see.
    second = NONE if mark == "plain" else choice(rng, [c for c in PAINT_SHADES if c != colour])
    return Thing(
        kind=choice(rng, THINGS),
        colour=colour,
        second=second,
        mark=mark,
        trim=choice(rng, tuple(BRIGHT_COLOURS)),
        main_shade=_exact(rng),
        layout=int(rng.integers(LAYOUTS)),
    )


def sample_person(rng: np.random.Generator) -> Person:
    """A person with every attribute drawn at random; two in five wear glasses."""
    return Person(
        hair=choice(rng, HAIR_COLOURS),
        style=choice(rng, HAIR_STYLES),
        shirt=choice(rng, tuple(PAINT_SHADES)),
        trousers=choice(rng, tuple(BRIGHT_COLOURS)),
        glasses=choice(rng, tuple(BRIGHT_COLOURS)) if rng.random() < 0.4 else NONE,
        main_shade=_exact(rng),
        skin=int(rng.integers(len(SKINS))),
    )


SAMPLERS = {"animal": pets.sample_pet, "object": sample_thing, "person": sample_person}


def kind_of(subject: Subject) -> str:
    """'animal', 'object' or 'person'."""
    return KINDS[(Pet, Thing, Person).index(type(subject))]


def identity(subject: Subject) -> dict[str, str]:
    """The attributes that a drawing of the subject must have."""
    return {name: getattr(subject, name) for name in IDENTITY[type(subject)]}


def main_rgb(subject: Subject) -> tuple[int, int, int]:
    """The exact shade of most of a subject: fur, paint, shirt."""
    return subject.fur_rgb if isinstance(subject, Pet) else subject.main_rgb


def nearest_shade(subject: Subject, rgb: Sequence[float]) -> tuple[int, int, int]:
    """Of every exact shade that the subject's fur, paint or shirt could have, the nearest one."""
    if isinstance(subject, Pet):
        return pets.nearest_shade(rgb)
    # By distance in RGB, as the judge's colours are compared.
    return min(EXACT_PAINT, key=lambda exact: math.dist(exact, rgb))


def held_out(subject: Subject) -> bool:
    """True for the combinations of three attributes that the base never sees (about 1 in 8)."""
    if isinstance(subject, Pet):
        return pets.held_out(subject)
    # The places of the values, not their names: a rule that any list of words can follow.
    values = NAMEABLE[type(subject)]
    first, second, third = (
        values[name].index(getattr(subject, name)) for name in HELD_OUT_BY[type(subject)]
    )
    # No value of any of the three is always or never held out.
    return (first + 3 * second + 5 * third) % 8 == 0


def sample_subject(rng: np.random.Generator, *, kind: str, unseen: bool) -> Subject:
    """A subject of a combination that the base never sees (`unseen`), or of one that it may see."""
    # By trial: about one in eight is held out, so that this ends soon.
    while held_out(subject := SAMPLERS[kind](rng)) != unseen:
        pass
    return subject


def near_duplicate(subject: Subject, rng: np.random.Generator) -> Subject:
    """A look-alike with every nameable attribute the same; the exact shade differs, and the rest
    that has no name is drawn anew.
    """
    if isinstance(subject, Pet):
        return pets.near_duplicate(subject, rng)
    # Nearer shades could not be told apart after the image tokenizer.
    while abs((other := _redrawn(subject, rng)).main_shade - subject.main_shade) < MIN_SHADE_GAP:
        pass
    return other


def _redrawn(subject: Subject, rng: np.random.Generator) -> Subject:
    """The subject with everything that has no name drawn anew."""
    drawn = SAMPLERS[kind_of(subject)](rng)
    # What has no name: exact shade, layout, skin.
    names = {f.name for f in fields(subject)} - set(NAMEABLE[type(subject)])
    return replace(subject, **{name: getattr(drawn, name) for name in names})


def hard_negative(subject: Subject, rng: np.random.Generator) -> Subject:
    """A look-alike of the same kind that differs in exactly one nameable attribute; what has no
    name is drawn anew.
    """
    if isinstance(subject, Pet):
        return pets.hard_negative(subject, rng)
    values, own = NAMEABLE[type(subject)], subject.nameable
    # Another kind is an easy negative; a mark without a colour, or a colour without a mark, would
    # be two changes.
    fixed = {"kind"} | ({"second", "mark"} if own.get("mark") == "plain" else set())
    name = choice(rng, [name for name in values if name not in fixed])
    taken = {own[name]}
    if name in ("colour", "second", "mark"):
        taken |= {own["colour"], own["second"], NONE, "plain"}
    value = choice(rng, [v for v in values[name] if v not in taken])
    return replace(_redrawn(subject, rng), **{name: value})


def easy_negative(subject: Subject, rng: np.random.Generator) -> Subject:
    """Another species, another kind of thing, or a person with other hair in another shirt;
    everything else is drawn at random.
    """
    if isinstance(subject, Pet):
        return pets.easy_negative(subject, rng)
    unlike = ("hair", "style", "shirt") if isinstance(subject, Person) else ("kind",)
    while True:
        other = SAMPLERS[kind_of(subject)](rng)
        if all(getattr(other, name) != getattr(subject, name) for name in unlike):
            return other
