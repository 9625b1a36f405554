import numpy as np
import pytest

from unictoken.toy.world.attributes import PET_ATTRIBUTES, SCENE_ATTRIBUTES
from unictoken.toy.world.things import (
    MIN_SHADE_GAP,
    easy_negative,
    hard_negative,
    held_out,
    near_duplicate,
    sample_pet,
    sample_pet_where,
    sample_scene,
)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def pets(rng):
    return [sample_pet(rng) for _ in range(300)]


def test_the_same_seed_gives_the_same_pets_and_scenes():
    first, second = (np.random.default_rng(5) for _ in range(2))
    assert [sample_pet(first) for _ in range(9)] == [sample_pet(second) for _ in range(9)]
    assert [sample_scene(first) for _ in range(9)] == [sample_scene(second) for _ in range(9)]


def test_every_value_that_has_a_name_is_drawn(pets, rng):
    for name, values in PET_ATTRIBUTES.items():
        assert {getattr(pet, name) for pet in pets} == set(values)
    scenes = [sample_scene(rng) for _ in range(300)]
    for name, values in SCENE_ATTRIBUTES.items():
        assert {getattr(scene, name) for scene in scenes} == set(values)


def test_a_pet_has_a_second_colour_exactly_when_it_has_a_pattern(pets):
    assert all(
        (pet.pattern == "plain") == (pet.second == "none") == (pet.second_rgb is None)
        for pet in pets
    )
    assert all(pet.second != pet.fur for pet in pets)


def test_a_near_duplicate_shares_every_nameable_attribute_and_differs_in_shade(pets, rng):
    for pet in pets:
        other = near_duplicate(pet, rng)
        assert other.nameable == pet.nameable
        assert abs(other.fur_shade - pet.fur_shade) >= MIN_SHADE_GAP
        assert other.fur_rgb != pet.fur_rgb


def test_a_hard_negative_differs_in_exactly_one_nameable_attribute(pets, rng):
    for pet in pets:
        other = hard_negative(pet, rng)
        changed = [name for name in PET_ATTRIBUTES if other.nameable[name] != pet.nameable[name]]
        assert len(changed) == 1 and changed != ["species"]
        assert other.second != other.fur and (other.pattern == "plain") == (other.second == "none")


def test_an_easy_negative_is_of_another_species(pets, rng):
    assert all(easy_negative(pet, rng).species != pet.species for pet in pets)


def test_held_out_combinations_are_never_sampled_as_seen(rng):
    assert not any(held_out(sample_pet_where(rng, unseen=False)) for _ in range(300))
    assert all(held_out(sample_pet_where(rng, unseen=True)) for _ in range(50))


def test_about_one_pet_in_eight_is_held_out(rng):
    assert 0.09 < np.mean([held_out(sample_pet(rng)) for _ in range(2000)]) < 0.16


@pytest.mark.parametrize("worn", [True, False])
def test_a_scene_can_be_forced_to_have_an_accessory_or_none(worn, rng):
    scenes = [sample_scene(rng, accessory=worn) for _ in range(50)]
    assert all((s.accessory != "none") == (s.accessory_colour != "none") == worn for s in scenes)
