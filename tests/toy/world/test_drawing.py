import hashlib

import numpy as np
import pytest

from unictoken.toy.world.attributes import FUR_SHADES, PLACES, POSES, POSITIONS, SPECIES, shade
from unictoken.toy.world.drawing import SIDE, draw
from unictoken.toy.world.things import Pet, Scene, sample_pet, sample_scene

PET = Pet(
    species="dog",
    fur="brown",
    second="none",
    pattern="plain",
    ears="floppy",
    eyes="green",
    collar="red",
    fur_shade=0.5,
    markings=0,
    ear_length=0,
    girth=0,
)
SCENE = Scene(
    place="beach",
    time="day",
    pose="standing",
    position="middle",
    accessory="none",
    accessory_colour="none",
    detail=0,
)


def pixels(pet: Pet, scene: Scene) -> np.ndarray:
    return np.asarray(draw(pet, scene))


def of(kind: type, like, **changes):
    return kind(**{**vars(like), **changes})


def test_the_same_seed_draws_the_same_pixels():
    first, second = (np.random.default_rng(7) for _ in range(2))
    for _ in range(20):
        assert np.array_equal(
            pixels(sample_pet(first), sample_scene(first)),
            pixels(sample_pet(second), sample_scene(second)),
        )


@pytest.mark.parametrize(
    ("seed", "digest"),
    [
        (0, "780bbf08bb48296b7fb054495c597d406daf3835d936002ce3fc2b5c757d458d"),
        (1, "8743dd16cb461994e192be8cc110ea799a92aaae60f9a294617b89e444296fc1"),
        (2, "a7e2af3fa6cf07c4f2b3ed62092751954c47ba8cbb8beeaf6b0275dded5af594"),
    ],
)
def test_pictures_of_pets_are_those_that_the_shipped_base_was_trained_on(seed, digest):
    rng, drawn = np.random.default_rng(seed), hashlib.sha256()
    for _ in range(200):
        drawn.update(draw(sample_pet(rng), sample_scene(rng)).tobytes())
    assert drawn.hexdigest() == digest


def test_a_picture_is_rgb_and_32_by_32():
    picture = draw(PET, SCENE)
    assert (picture.mode, picture.size) == ("RGB", (SIDE, SIDE)) == ("RGB", (32, 32))


@pytest.mark.parametrize("species", SPECIES)
def test_the_exact_shade_of_the_fur_stands_in_the_picture(species):
    pet = of(Pet, PET, species=species)
    assert pet.fur_rgb == (120, 72, 41)
    assert (pixels(pet, SCENE) == pet.fur_rgb).all(-1).sum() > 50


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("species", "cat"),
        ("ears", "pricked"),
        ("eyes", "blue"),
        ("collar", "none"),
        ("fur_shade", 1.0),
        ("ear_length", 1),
        ("girth", 1),
    ],
)
def test_every_attribute_of_a_pet_can_be_seen(attribute, value):
    assert not np.array_equal(pixels(PET, SCENE), pixels(of(Pet, PET, **{attribute: value}), SCENE))


@pytest.mark.parametrize("pattern", ["spotted", "striped", "patched", "bellied", "socked"])
def test_a_pattern_shows_the_second_colour(pattern):
    pet = of(Pet, PET, pattern=pattern, second="white")
    assert (pixels(pet, SCENE) == pet.second_rgb).all(-1).sum() >= 4


def test_every_scene_looks_different():
    scenes = [
        of(Scene, SCENE, place=place, time=time, pose=pose, position=position)
        for place in PLACES
        for time in ("day", "night")
        for pose in POSES
        for position in POSITIONS
    ]
    assert len({draw(PET, scene).tobytes() for scene in scenes}) == len(scenes) == 108


def test_a_shade_lies_on_the_segment_of_its_name():
    assert [shade("black", amount) for amount in (0.0, 0.5, 1.0)] == [
        (20, 20, 28),
        (42, 39, 47),
        (64, 58, 66),
    ]
    assert all(
        shade(name, 0.0) == low and shade(name, 1.0) == high
        for name, (low, high) in FUR_SHADES.items()
    )
