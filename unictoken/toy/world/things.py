"""Pets and scenes: frozen, drawn from a seed, exactly known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from unictoken.toy.world.attributes import (
    ACCESSORIES,
    BRIGHT_COLOURS,
    EARS,
    EYE_COLOURS,
    FUR_SHADES,
    NONE,
    PATTERNS,
    PET_ATTRIBUTES,
    PLACES,
    POSES,
    POSITIONS,
    SPECIES,
    TIMES,
    shade,
)

SHADE_STEPS = 3  # exact shades of fur within one colour name
MARKINGS = 4  # layouts of spots, stripes and patches
MIN_SHADE_GAP = 0.5  # of the fur's segment: near-duplicates differ by at least this much
EXACT_SHADES = tuple(
    shade(name, i / (SHADE_STEPS - 1)) for name in FUR_SHADES for i in range(SHADE_STEPS)
)


def nearest_shade(rgb: Sequence[float]) -> tuple[int, int, int]:
    """Of every exact shade of fur in the world, the one that a colour is nearest to."""
    return min(EXACT_SHADES, key=lambda exact: math.dist(exact, rgb))


@dataclass(frozen=True, kw_only=True)
class Pet:
    """A pet. The first seven fields can be named in words; the rest cannot."""

    species: str
    fur: str
    second: str
    pattern: str
    ears: str
    eyes: str
    collar: str
    fur_shade: float
    markings: int
    ear_length: int
    girth: int

    @property
    def fur_rgb(self) -> tuple[int, int, int]:
        return shade(self.fur, self.fur_shade)

    @property
    def second_rgb(self) -> tuple[int, int, int] | None:
        """Second colour, the middle one of its name (its exact shade would be lost in the codes of
        so small markings); None for a plain pet.
        """
        return None if self.second == NONE else shade(self.second, 0.5)

    @property
    def nameable(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in PET_ATTRIBUTES}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where and how a pet is shown, all but `detail` nameable."""

    place: str
    time: str
    pose: str
    position: str
    accessory: str
    accessory_colour: str
    detail: int


def held_out(pet: Pet) -> bool:
    """True for the combinations of species, fur and pattern that the base never sees (about 1 in
    8).
    """
    # A rule about three attributes together: no value of any of them is always or never held out.
    return (
        SPECIES.index(pet.species)
        + 3 * tuple(FUR_SHADES).index(pet.fur)
        + 5 * PATTERNS.index(pet.pattern)
    ) % 8 == 0


def choice(rng: np.random.Generator, values: Sequence[str]) -> str:
    """One of the values, each as likely."""
    return values[int(rng.integers(len(values)))]


def _unnameable(rng: np.random.Generator) -> dict:
    return {
        "fur_shade": float(rng.integers(SHADE_STEPS) / (SHADE_STEPS - 1)),
        "markings": int(rng.integers(MARKINGS)),
        "ear_length": int(rng.integers(2)),
        "girth": int(rng.integers(2)),
    }


def sample_pet(rng: np.random.Generator) -> Pet:
    """A pet with every attribute drawn at random."""
    pattern, fur = choice(rng, PATTERNS), choice(rng, tuple(FUR_SHADES))
    second = NONE if pattern == "plain" else choice(rng, [c for c in FUR_SHADES if c != fur])
    return Pet(
        species=choice(rng, SPECIES),
        fur=fur,
        second=second,
        pattern=pattern,
        ears=choice(rng, EARS),
        eyes=choice(rng, tuple(EYE_COLOURS)),
        collar=NONE if rng.random() < 0.2 else choice(rng, tuple(BRIGHT_COLOURS)),
        **_unnameable(rng),
    )


def sample_pet_where(rng: np.random.Generator, *, unseen: bool) -> Pet:
    """A pet of a combination that the base never sees (`unseen`), or of one that it may see."""
    while held_out(pet := sample_pet(rng)) != unseen:
        pass
    return pet


def near_duplicate(pet: Pet, rng: np.random.Generator) -> Pet:
    """A look-alike with every nameable attribute the same; shade, markings and proportions
    differ.
    """
    # Markings and proportions alone may be drawn the same as the pet's: only the shade is made sure.
    while (
        abs((other := replace(pet, **_unnameable(rng))).fur_shade - pet.fur_shade) < MIN_SHADE_GAP
    ):
        pass
    return other


def hard_negative(pet: Pet, rng: np.random.Generator) -> Pet:
    """A look-alike of the same species that differs in exactly one nameable attribute.

    Exact shades and proportions are drawn anew: a hard negative is another animal.
    """
    # A plain pet has no second colour; a pattern without one would be a second change.
    changeable = ["fur", "ears", "eyes", "collar"] + (
        ["second", "pattern"] if pet.pattern != "plain" else []
    )
    name = choice(rng, changeable)
    # Not its own value; nor 'none' or 'plain', each of which would change second colour and pattern
    # together.
    taken = {getattr(pet, name), NONE if name == "second" else "plain"}
    # Two equal colours would be a plain pet.
    if name in ("fur", "second"):
        taken |= {pet.fur, pet.second}
    value = choice(rng, [v for v in PET_ATTRIBUTES[name] if v not in taken])
    return replace(pet, **_unnameable(rng), **{name: value})


def easy_negative(pet: Pet, rng: np.random.Generator) -> Pet:
    """A pet of another species, everything else at random."""
    while (other := sample_pet(rng)).species == pet.species:
        pass
    return other


def sample_scene(rng: np.random.Generator, *, accessory: bool | None = None) -> Scene:
    """A scene; `accessory` forces one on or off (None: two in three wear one)."""
    worn = rng.random() < 2 / 3 if accessory is None else accessory
    return Scene(
        place=choice(rng, PLACES),
        time=TIMES[int(rng.random() < 0.3)],
        pose=choice(rng, POSES),
        position=choice(rng, POSITIONS),
        accessory=choice(rng, ACCESSORIES) if worn else NONE,
        accessory_colour=choice(rng, tuple(BRIGHT_COLOURS)) if worn else NONE,
        detail=int(rng.integers(2)),
    )
