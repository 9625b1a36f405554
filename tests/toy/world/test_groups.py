import itertools
from dataclasses import replace

import numpy as np
import pytest

from unictoken.toy.world.attributes import (
    ACCESSORIES,
    MARKS,
    NONE,
    PLACES,
    POSITIONS,
    SPECIES,
    THINGS,
)
from unictoken.toy.world.drawing import SIDE, draw, draw_group
from unictoken.toy.world.groups import SIDES, Group, Member, alone, sample_group
from unictoken.toy.world.labels import LABELS, label_indices, labels, palette
from unictoken.toy.world.subjects import KINDS, SAMPLERS, Person, Thing, main_rgb
from unictoken.toy.world.things import sample_pet, sample_scene

HALF = SIDE // 2
MUG = Thing(
    kind="mug", colour="red", second=NONE, mark="plain", trim="blue", main_shade=0.5, layout=0
)
ADA = Person(
    hair="brown",
    style="short",
    shirt="green",
    trousers="blue",
    glasses=NONE,
    main_shade=0.5,
    skin=0,
)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def subjects(rng: np.random.Generator, count: int) -> list:
    return [SAMPLERS[KINDS[int(i)]](rng) for i in rng.integers(len(KINDS), size=count)]


def pixels(group: Group) -> np.ndarray:
    return np.asarray(draw_group(group)).astype(int)


def beside(left: object, right: object, **changes: str) -> Group:
    shown = {"place": "meadow", "time": "day", "detail": 0, **changes}
    members = (Member(subject=left, position="left"), Member(subject=right, position="right"))
    return Group(members=members, **shown)


def count(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(-1).sum())


# ---- the truth --------------------------------------------------------------------------------


def test_a_pet_alone_is_drawn_as_in_its_scene(rng):
    for _ in range(50):
        pet, scene = sample_pet(rng), sample_scene(rng)
        assert draw(pet, scene).tobytes() == draw_group(alone(pet, scene)).tobytes()


def test_a_sampled_group_of_one_pet_is_a_sampled_scene():
    first, second = (np.random.default_rng(2) for _ in range(2))
    pet = sample_pet(np.random.default_rng(1))
    assert [sample_group([pet], first) for _ in range(20)] == [
        alone(pet, sample_scene(second)) for _ in range(20)
    ]


def test_two_stand_left_and_right_in_either_order(rng):
    groups = [sample_group([MUG, ADA], rng) for _ in range(100)]
    assert all(tuple(m.position for m in group.members) == SIDES for group in groups)
    assert {group.members[0].subject for group in groups} == {MUG, ADA}


def test_who_is_where_and_beside_whom_follows_from_the_truth():
    group = beside(MUG, ADA)
    mug, ada = group.members
    assert (group.at("left"), group.at("middle"), group.at("right")) == (mug, None, ada)
    assert (group.other(mug), group.other(ada)) == (ada, mug)
    assert group.without(mug).other(ada) is None


def test_only_somebody_who_stands_holds_a_thing_beside_them(rng):
    holders = 0
    for _ in range(300):
        group = sample_group(subjects(rng, 2), rng)
        held = [member for member in group.members if member.pose == "held"]
        assert (group.holder is not None) == (len(held) == 1)
        if held:
            holders += 1
            assert held[0].is_thing and group.other(held[0]) == group.holder
            assert group.holder.pose == "standing" and not group.holder.is_thing
    assert holders > 10


@pytest.mark.parametrize(
    ("members", "found"),
    [
        (
            (Member(subject=ADA, position="left"), Member(subject=MUG, position="middle")),
            "stand at",
        ),
        ((Member(subject=ADA, position="right"), Member(subject=MUG, position="left")), "stand at"),
        ((Member(subject=MUG, position="left", pose="held"),), "held by nobody"),
        (
            (
                Member(subject=ADA, position="left", pose="sitting"),
                Member(subject=MUG, position="right", pose="held"),
            ),
            "held by nobody",
        ),
    ],
)
def test_a_truth_that_no_picture_can_show_is_refused(members, found):
    with pytest.raises(ValueError, match=found):
        Group(place="snow", time="day", detail=0, members=members)


def test_a_thing_wears_nothing_and_does_not_sit():
    with pytest.raises(ValueError, match="wears a cap"):
        Member(subject=MUG, position="left", accessory="cap", accessory_colour="red")
    with pytest.raises(ValueError, match="'sitting'"):
        Member(subject=MUG, position="left", pose="sitting")


# ---- truth and pixels -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", THINGS)
def test_the_exact_shade_of_a_thing_stands_in_the_picture(kind):
    for amount in (0.0, 0.5, 1.0):
        thing = replace(MUG, kind=kind, main_shade=amount)
        group = Group(
            place="snow",
            time="night",
            detail=0,
            members=(Member(subject=thing, position="middle"),),
        )
        assert count(pixels(group), thing.main_rgb) >= 60


@pytest.mark.parametrize(("kind", "mark"), [*itertools.product(THINGS, MARKS[1:])])
def test_every_mark_shows_both_colours_on_every_thing_wherever_it_begins(kind, mark):
    pictures = set()
    for layout in (0, 1):
        thing = replace(MUG, kind=kind, mark=mark, second="white", layout=layout)
        picture = pixels(beside(thing, ADA))
        assert count(picture, thing.second_rgb) >= 12 and count(picture, thing.main_rgb) >= 30
        pictures.add(picture.tobytes())
    assert len(pictures) == 2


def test_everything_that_can_be_named_of_a_thing_or_a_person_can_be_seen(rng):
    for kind in ("object", "person"):
        for _ in range(40):
            subject = SAMPLERS[kind](rng)
            for name in subject.nameable:
                if subject.nameable.get("mark") == "plain" and name in ("second", "mark"):
                    continue
                others = [SAMPLERS[kind](rng) for _ in range(20)]
                value = next(
                    getattr(o, name)
                    for o in others
                    if getattr(o, name) not in (getattr(subject, name), NONE, "plain")
                )
                other = replace(subject, **{name: value})
                assert not np.array_equal(pixels(beside(subject, MUG)), pixels(beside(other, MUG)))


def test_the_shirt_of_a_person_shows_in_every_pose_under_every_hat(rng):
    for pose, hat in itertools.product(("standing", "sitting", "jumping"), ACCESSORIES):
        for _ in range(8):
            person = replace(SAMPLERS["person"](rng), shirt="green", glasses=NONE)
            member = Member(
                subject=person, position="left", pose=pose, accessory=hat, accessory_colour="red"
            )
            group = Group(place="snow", time="day", detail=0, members=(member,))
            assert count(pixels(group), person.main_rgb) >= 12


def test_whoever_stands_on_one_side_changes_nothing_on_the_other(rng):
    for _ in range(150):
        group = sample_group(subjects(rng, 2), rng)
        if group.holder:  # an arm reaches into the other half
            continue
        left, right = group.members
        other = replace(left, subject=SAMPLERS["animal"](rng), pose="sitting")
        changed = replace(group, members=(other, right))
        assert np.array_equal(pixels(group)[:, HALF:], pixels(changed)[:, HALF:])


@pytest.mark.parametrize("kind", THINGS)
def test_a_thing_is_held_two_rows_of_codes_higher_and_the_arm_covers_none_of_it(kind):
    for mark in MARKS[1:]:
        thing = replace(MUG, kind=kind, mark=mark, colour="purple", second="red")
        for group in (beside(thing, ADA, place="snow"), beside(ADA, thing, place="snow")):
            down = next(member for member in group.members if member.is_thing)
            stands, held = pixels(group), pixels(group.changed(down, pose="held"))
            for colour in (thing.main_rgb, thing.second_rgb):
                before, after = ((picture == colour).all(-1) for picture in (stands, held))
                assert np.array_equal(before, np.roll(after, 8, axis=0))


def test_swapping_two_things_swaps_the_halves_but_for_the_place_behind():
    ball = replace(MUG, kind="ball", colour="yellow")
    one, other = pixels(beside(MUG, ball)), pixels(beside(ball, MUG))
    for colour in (MUG.main_rgb, ball.main_rgb):
        first, second = ((picture == colour).all(-1) for picture in (one, other))
        assert np.array_equal(first, np.roll(second, HALF, axis=1)) and first.any()


def test_a_thing_is_the_same_pixels_at_every_position():
    drawn = []
    for position, left in zip(POSITIONS, (0, 8, 16), strict=True):
        member = Member(subject=MUG, position=position)
        picture = pixels(Group(place="snow", time="day", detail=0, members=(member,)))
        drawn.append((picture == MUG.main_rgb).all(-1)[:, left : left + HALF])
    assert np.array_equal(drawn[0], drawn[1]) and np.array_equal(drawn[1], drawn[2])


# ---- labels -----------------------------------------------------------------------------------


def test_every_picture_has_a_class_for_every_label(rng):
    for n in (0, 1, 2) * 60:
        group = sample_group(subjects(rng, n), rng) if n else replace(beside(MUG, ADA), members=())
        said = labels(group)
        assert list(said) == list(LABELS)
        indices = label_indices(group)
        assert indices.shape == (len(LABELS),)
        assert [classes[i] for classes, i in zip(LABELS.values(), indices, strict=True)] == list(
            said.values()
        )


def test_labels_say_what_stands_on_each_side():
    said = labels(beside(MUG, ADA))
    assert {name: value for name, value in said.items() if value != NONE} == {
        "place": "meadow",
        "time": "day",
        "left kind": "mug",
        "left colour": "red",
        "left pattern": "plain",
        "left trim": "blue",
        "left pose": "standing",
        "right kind": "person",
        "right hair": "brown",
        "right style": "short",
        "right colour": "green",
        "right trousers": "blue",
        "right pose": "standing",
    }


def test_every_class_of_every_label_occurs(rng):
    seen = {name: set() for name in LABELS}
    for i in range(6000):
        for name, value in labels(sample_group(subjects(rng, 1 + i % 2), rng)).items():
            seen[name].add(value)
    # Nobody holds a thing that stands in the middle, alone.
    expected = {name: set(classes) for name, classes in LABELS.items()}
    expected["middle pose"].discard("held")
    assert seen == expected
    assert set(LABELS["place"]) == set(PLACES)
    assert {*SPECIES, *THINGS} < set(LABELS["left kind"])


def test_the_palette_holds_the_exact_colours_by_position():
    found = palette(beside(MUG, ADA))
    assert found.shape == (3, 2, 3)
    assert tuple(found[0, 0]) == MUG.main_rgb and np.isnan(found[0, 1]).all()
    assert np.isnan(found[1]).all()
    assert tuple(found[2, 0]) == main_rgb(ADA) and tuple(found[2, 1]) == ADA.second_rgb
