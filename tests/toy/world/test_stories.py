import numpy as np
import pytest

from unictoken.toy.world import story_language
from unictoken.toy.world.drawing import draw_group
from unictoken.toy.world.groups import sample_group
from unictoken.toy.world.stories import ACTIONS, MAX_FRAMES, possible_actions, sample_story
from unictoken.toy.world.subjects import SAMPLERS

TWO = {
    "pick up": "object",
    "put down": "object",
    "lose": "object",
    "come": "person",
    "leave": "person",
}


@pytest.fixture
def rng():
    return np.random.default_rng(21)


def stories(action: str, rng: np.random.Generator, count: int = 40) -> list:
    kinds = ["animal"] + ([TWO[action]] if action in TWO else [])
    return [
        sample_story([SAMPLERS[kind](rng) for kind in kinds], rng, action=action)
        for _ in range(count)
    ]


def shown(story) -> list:
    return [story.shown(i) for i in range(len(story.frames))]


def test_the_same_seed_tells_the_same_story():
    first, second = (np.random.default_rng(3) for _ in range(2))
    for action in ACTIONS:
        assert stories(action, first, 3) == stories(action, second, 3)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_story_has_two_to_four_frames_and_its_change_is_the_first_that_looks_like_the_last(
    action, rng
):
    for story in stories(action, rng):
        drawn = [draw_group(frame).tobytes() for frame in story.frames]
        assert 2 <= len(drawn) <= MAX_FRAMES
        assert drawn[0] != drawn[-1]
        assert drawn.index(drawn[-1]) == story.change


@pytest.mark.parametrize("action", ACTIONS)
def test_the_place_stays_the_same(action, rng):
    for story in stories(action, rng):
        assert len({(frame.place, frame.time, frame.detail) for frame in story.frames}) == 1


@pytest.mark.parametrize(
    ("action", "from_to"), [("walk right", ("left", "right")), ("walk left", ("right", "left"))]
)
def test_walking_goes_through_the_middle_from_one_side_to_the_other(action, from_to, rng):
    for story in stories(action, rng):
        walked = list(dict.fromkeys(member.position for member in shown(story)))
        assert walked == [from_to[0], "middle", from_to[1]]


@pytest.mark.parametrize(("action", "worn_at"), [("put on", -1), ("take off", 0)])
def test_a_hat_is_worn_at_one_end_of_the_story_only(action, worn_at, rng):
    for story in stories(action, rng):
        worn = [member.accessory != "none" for member in shown(story)]
        assert worn[worn_at] and not worn[-1 - worn_at]


def test_a_thing_that_is_picked_up_is_held_from_then_on(rng):
    for story in stories("pick up", rng):
        held = [frame.holder is not None for frame in story.frames]
        assert held == [i >= story.change for i in range(len(held))]


def test_a_thing_that_is_lost_was_held_and_is_gone(rng):
    for story in stories("lose", rng):
        there = [story.beside(i) is not None for i in range(len(story.frames))]
        assert there == [i < story.change for i in range(len(there))]
        assert story.frames[0].holder == story.shown(0)


def test_who_comes_was_not_there_before(rng):
    for story in stories("come", rng):
        assert [m is not None for m in shown(story)] == [
            i >= story.change for i in range(len(story.frames))
        ]


def test_only_what_the_subjects_can_do_is_possible(rng):
    pet, person, thing = (SAMPLERS[kind](rng) for kind in ("animal", "person", "object"))
    assert possible_actions([thing]) == ()
    assert set(possible_actions([thing, pet])) == {"come", "leave"}
    assert "pick up" in possible_actions([pet, thing])
    assert "pick up" not in possible_actions([pet, person])
    assert "walk right" in possible_actions([pet]) and "come" not in possible_actions([pet])


# ---- what is said of stories --------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_has_words_and_names_stand_in_them(action, rng):
    story = stories(action, rng, 1)[0]
    names = {story.actor: "tom"}
    assert story_language.caption(story, names).startswith(
        f"tom {story_language.does(story, names)} "
    )
    for asked in story_language.questions(story, rng, names):
        assert "{" not in asked.question + asked.answer
    assert story_language.DOES[action]


def test_when_and_how_long_follow_from_the_frames(rng):
    story = next(s for s in stories("sit down", rng) if len(s.frames) == 4 and s.change == 1)
    answers = {
        asked.question: asked.answer
        for asked in story_language.questions(story, rng, {story.actor: "tom"})
    }
    assert answers == {
        "what does tom do?": "sits down",
        "what happens?": "tom sits down",
        "from which photo on is tom sitting?": "the second",
        "in how many photos is tom sitting?": "three",
        "how many photos are there?": "four",
        "what is tom doing in the first photo?": "standing",
        "what is tom doing in the second photo?": "sitting",
        "what is tom doing in the third photo?": "sitting",
        "what is tom doing in the fourth photo?": "sitting",
    }


def test_a_named_thing_is_picked_up_by_its_name(rng):
    story = stories("pick up", rng, 1)[0]
    names = {story.actor: "tom", story.beside(0).subject: "leo"}
    assert story_language.does(story, names) == "picks up leo"
    assert story_language.does(story).startswith("picks up the ")


def test_a_group_that_was_sampled_otherwise_still_begins_as_the_action_needs(rng):
    pet, thing = SAMPLERS["animal"](rng), SAMPLERS["object"](rng)
    for _ in range(30):
        assert sample_group([pet, thing], rng)
        story = sample_story([pet, thing], rng, action="sit down")
        assert all(frame.holder is None for frame in story.frames)
