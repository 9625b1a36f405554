import itertools
import math

import numpy as np
import pytest

from unictoken.toy.world.attributes import PAINT_SHADES, shade
from unictoken.toy.world.subjects import (
    HELD_OUT_BY,
    KINDS,
    LAYOUTS,
    NAMEABLE,
    SAMPLERS,
    Person,
    Pet,
    Thing,
    easy_negative,
    hard_negative,
    held_out,
    kind_of,
    main_rgb,
    near_duplicate,
    nearest_shade,
    sample_subject,
)
from unictoken.toy.world.things import MIN_SHADE_GAP, sample_pet


@pytest.fixture
def rng():
    return np.random.default_rng(6)


@pytest.fixture(params=KINDS)
def subjects(request, rng):
    return [SAMPLERS[request.param](rng) for _ in range(300)]


def test_the_three_kinds_are_those_of_unifybench(rng):
    assert [type(SAMPLERS[kind](rng)) for kind in KINDS] == [Pet, Thing, Person]
    assert [kind_of(SAMPLERS[kind](rng)) for kind in KINDS] == ["animal", "object", "person"]


def test_the_same_seed_gives_the_same_subjects():
    first, second = (np.random.default_rng(5) for _ in range(2))
    for sample in SAMPLERS.values():
        assert [sample(first) for _ in range(9)] == [sample(second) for _ in range(9)]


def test_every_value_that_has_a_name_is_drawn(subjects):
    for name, values in NAMEABLE[type(subjects[0])].items():
        assert {getattr(subject, name) for subject in subjects} == set(values)


def test_a_thing_has_a_second_colour_exactly_when_it_has_a_mark(rng):
    for _ in range(200):
        thing = SAMPLERS["object"](rng)
        assert (thing.mark == "plain") == (thing.second == "none") == (thing.second_rgb is None)
        assert thing.second != thing.colour


def test_a_near_duplicate_shares_every_nameable_attribute_and_differs_in_shade(subjects, rng):
    for subject in subjects:
        other = near_duplicate(subject, rng)
        assert other.nameable == subject.nameable
        low, high = (np.array(c) for c in sorted([main_rgb(other), main_rgb(subject)]))
        # At least half of the segment of the colour's name.
        segment = {"fur", "colour", "shirt"} & set(subject.nameable)
        name = subject.nameable[segment.pop()]
        whole = math.dist(shade(name, 0.0), shade(name, 1.0))
        assert np.linalg.norm(high - low) >= MIN_SHADE_GAP * whole - 2


def test_a_hard_negative_differs_in_exactly_one_nameable_attribute(subjects, rng):
    changed = set()
    for subject in subjects:
        other = hard_negative(subject, rng)
        names = [name for name, own in subject.nameable.items() if other.nameable[name] != own]
        assert len(names) == 1
        changed |= set(names)
        if isinstance(other, Thing):
            assert other.second != other.colour
            assert (other.mark == "plain") == (other.second == "none")
    # All of them in turn, but for the class noun.
    assert changed == set(NAMEABLE[type(subjects[0])]) - {"species", "kind"}


@pytest.mark.parametrize(
    ("kind", "unlike"),
    [("animal", ["species"]), ("object", ["kind"]), ("person", ["hair", "style", "shirt"])],
)
def test_an_easy_negative_differs_at_a_glance(kind, unlike, rng):
    for _ in range(100):
        subject = SAMPLERS[kind](rng)
        other = easy_negative(subject, rng)
        assert kind_of(other) == kind
        assert all(getattr(other, name) != getattr(subject, name) for name in unlike)


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_combinations_are_never_sampled_as_seen(kind, rng):
    assert not any(held_out(sample_subject(rng, kind=kind, unseen=False)) for _ in range(200))
    assert all(held_out(sample_subject(rng, kind=kind, unseen=True)) for _ in range(50))


def test_about_one_in_eight_is_held_out(subjects):
    kept = [held_out(subject) for subject in subjects * 4]
    assert 0.06 < np.mean(kept) < 0.2


@pytest.mark.parametrize("kind", [Thing, Person])
def test_every_value_is_seen_in_some_combination_and_held_out_in_another(kind):
    names, values = HELD_OUT_BY[kind], NAMEABLE[kind]
    sampled = SAMPLERS[kind_of_class(kind)](np.random.default_rng(0))
    seen = {True: set(), False: set()}
    for combination in itertools.product(*(values[name] for name in names)):
        subject = kind(**{**vars(sampled), **dict(zip(names, combination, strict=True))})
        seen[held_out(subject)] |= set(zip(names, combination, strict=True))
    assert seen[True] == seen[False] == {(name, v) for name in names for v in values[name]}


def kind_of_class(kind: type) -> str:
    return {Thing: "object", Person: "person"}[kind]


def test_what_has_no_name_varies_too(rng):
    things = [SAMPLERS["object"](rng) for _ in range(100)]
    assert {thing.layout for thing in things} == set(range(LAYOUTS))
    assert {thing.main_shade for thing in things} == {0.0, 0.5, 1.0}


def test_shades_of_different_names_are_further_apart_than_a_code_blurs():
    shades = [(name, shade(name, i / 2)) for name in PAINT_SHADES for i in range(3)]
    for (name, first), (other, second) in itertools.combinations(shades, 2):
        assert name == other or math.dist(first, second) > 40


def test_the_nearest_shade_of_a_subjects_own_colour_is_its_own(subjects):
    assert all(
        nearest_shade(subject, main_rgb(subject)) == main_rgb(subject) for subject in subjects
    )


def test_pets_are_sampled_as_ever():
    first, second = (np.random.default_rng(8) for _ in range(2))
    assert SAMPLERS["animal"](first) == sample_pet(second)
