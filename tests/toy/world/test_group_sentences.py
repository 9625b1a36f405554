import re
from dataclasses import replace

import numpy as np
import pytest

from unictoken.toy.world import descriptions, group_language, language, story_language
from unictoken.toy.world.attributes import NONE
from unictoken.toy.world.groups import Group, Member, alone, sample_group
from unictoken.toy.world.stories import possible_actions, sample_story
from unictoken.toy.world.subjects import (
    KINDS,
    NAMEABLE,
    SAMPLERS,
    Person,
    Pet,
    Thing,
    hard_negative,
    near_duplicate,
)
from unictoken.toy.world.things import sample_pet, sample_scene

TOM = Pet(
    species="dog",
    fur="orange",
    second="white",
    pattern="spotted",
    ears="floppy",
    eyes="amber",
    collar="red",
    fur_shade=0.5,
    markings=0,
    ear_length=0,
    girth=0,
)
CAR = Thing(
    kind="car",
    colour="orange",
    second="blue",
    mark="striped",
    trim="green",
    main_shade=0.5,
    layout=0,
)
ADA = Person(
    hair="brown",
    style="long",
    shirt="orange",
    trousers="blue",
    glasses="green",
    main_shade=0.5,
    skin=0,
)
HOLDING = Group(
    place="snow",
    time="night",
    detail=0,
    members=(
        Member(subject=TOM, position="left", accessory="cap", accessory_colour="blue"),
        Member(subject=CAR, position="right", pose="held"),
    ),
)


@pytest.fixture
def rng():
    return np.random.default_rng(31)


def groups(rng: np.random.Generator, count: int) -> list[Group]:
    sampled = []
    for i in range(count):
        kinds = [KINDS[int(k)] for k in rng.integers(3, size=1 + i % 2)]
        sampled.append(sample_group([SAMPLERS[kind](rng) for kind in kinds], rng))
    return sampled


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\s.,?]+", text))


def nameable(group: Group) -> tuple:
    """All of a picture's truth that has a name."""
    return (group.place, group.time) + tuple(
        (
            *member.subject.nameable.items(),
            member.position,
            member.pose,
            member.accessory,
            member.accessory_colour,
        )
        for member in group.members
    )


# ---- one subject ------------------------------------------------------------------------------


def test_a_description_names_every_attribute():
    assert descriptions.describe(TOM) == language.describe(TOM)
    assert descriptions.describe(CAR) == "a striped orange and blue car with green wheels"
    assert (
        descriptions.describe(ADA)
        == "a person with long brown hair, an orange shirt, blue trousers and green glasses"
    )
    plain = replace(CAR, kind="mug", mark="plain", second=NONE)
    assert descriptions.describe(plain) == "a plain orange mug with a green handle"
    assert descriptions.describe(replace(ADA, glasses=NONE)).endswith("and no glasses")


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (
            CAR,
            {
                "kind": "a car",
                "colour": "an orange car",
                "second": "an orange and blue car",
                "mark": "a striped car",
                "trim": "a car with green wheels",
            },
        ),
        (
            ADA,
            {
                "hair": "a person with brown hair",
                "style": "a person with long hair",
                "shirt": "a person with an orange shirt",
                "trousers": "a person with blue trousers",
                "glasses": "a person with green glasses",
            },
        ),
    ],
)
def test_one_attribute_is_said_alone(subject, said):
    assert {name: descriptions.describe_one(subject, name) for name in subject.nameable} == said


@pytest.mark.parametrize("subject", [TOM, CAR, ADA])
def test_a_brief_description_says_the_noun_and_nothing_false(subject, rng):
    said = {descriptions.describe_briefly(subject, rng) for _ in range(200)}
    true = {"a", "an", *words(descriptions.describe(subject))}
    assert all(descriptions.noun(subject) in text and words(text) <= true for text in said)
    assert len(said) > 5


def test_near_duplicates_are_described_alike_and_hard_negatives_are_not(rng):
    for kind in KINDS:
        for _ in range(50):
            subject = SAMPLERS[kind](rng)
            described = descriptions.describe(subject)
            assert descriptions.describe(near_duplicate(subject, rng)) == described
            assert descriptions.describe(hard_negative(subject, rng)) != described


def test_every_attribute_has_questions_and_an_answer(rng):
    for kind in KINDS:
        subject = SAMPLERS[kind](rng)
        asked = descriptions.questions(subject)
        assert set(asked) == set(NAMEABLE[type(subject)])
        for attribute, forms in asked.items():
            assert all("{it}" in form and form.count("{") == 1 for form in forms)
            said = descriptions.answer(subject, attribute).removeprefix("a ")
            assert said in (NONE, *words(descriptions.describe(subject)))


def test_a_part_is_asked_for_by_its_own_noun_and_number():
    assert descriptions.questions(CAR)["trim"] == ("what colour are the wheels of {it}?",)
    assert descriptions.questions(replace(CAR, kind="kite"))["trim"] == (
        "what colour is the tail of {it}?",
    )


# ---- captions and prompts ---------------------------------------------------------------------


def test_a_caption_says_everything_of_both():
    assert group_language.caption(HOLDING) == (
        "a spotted orange and white dog with floppy ears, amber eyes and a red collar, wearing a"
        " blue cap, standing on the left, and a striped orange and blue car with green wheels,"
        " held on the right, in the snow at night."
    )


def test_whoever_has_a_name_is_called_by_it():
    assert group_language.caption(HOLDING, {TOM: "tom", CAR: "leo"}) == (
        "tom, wearing a blue cap, standing on the left, and leo, held on the right, in the snow"
        " at night."
    )


def test_a_picture_without_anybody_has_a_caption():
    assert group_language.caption(replace(HOLDING, members=())) == "nobody in the snow at night."


def test_the_caption_of_one_pet_is_the_one_that_the_base_knows(rng):
    for _ in range(100):
        pet, scene = sample_pet(rng), sample_scene(rng)
        assert group_language.caption(alone(pet, scene)) == language.caption(pet, scene)


def test_different_captions_mean_different_truths(rng):
    sampled = groups(rng, 600)
    assert len({group_language.caption(group) for group in sampled}) == len(
        {nameable(group) for group in sampled}
    )


def test_a_prompt_names_everybody_and_says_nothing_false(rng):
    for group in groups(rng, 400):
        names = {member.subject: f"name{i}" for i, member in enumerate(group.members)}
        prompt = group_language.prompt(group, rng, names)
        assert set(names.values()) <= words(prompt)
        true = words(group_language.caption(group, names)) | {"and", "holding"}
        assert words(prompt) <= true
        assert ("holding" not in prompt) or group.holder
    assert "holding" in {
        word for _ in range(20) for word in words(group_language.prompt(HOLDING, rng))
    }


# ---- questions --------------------------------------------------------------------------------


def test_no_expression_means_both(rng):
    for group in groups(rng, 400)[1::2]:
        for unsaid in ("", "species", "kind", "position"):
            said = [
                set(group_language.references(group, member, {}, unsaid=unsaid))
                for member in group.members
            ]
            assert not said[0] & said[1]


def test_a_question_does_not_say_its_own_answer(rng):
    for group in groups(rng, 300):
        for asked in group_language.questions(group, rng):
            if asked.about in ("position", "side", "species", "kind", "accessory"):
                assert asked.answer not in asked.question
            if asked.about in ("species", "kind"):
                noun = asked.answer.split()[-1]
                assert noun not in words(asked.question)


def test_two_that_no_word_tells_apart_are_not_asked_for_their_side(rng):
    other = replace(CAR, main_shade=1.0)
    group = sample_group([CAR, other], rng)
    assert all(asked.about != "position" for asked in group_language.questions(group, rng))
    painted = sample_group([CAR, replace(CAR, trim="red")], rng)
    sides = [a.question for a in group_language.questions(painted, rng) if a.about == "position"]
    assert sorted(sides) == [
        "on which side is the car with green wheels?",
        "on which side is the car with red wheels?",
    ]


def test_every_question_about_named_ones_has_its_true_answer():
    names = {TOM: "tom", CAR: "leo"}
    answers = {}
    for seed in range(20):  # in every form, on every side
        for asked in group_language.questions(HOLDING, np.random.default_rng(seed), names):
            assert answers.setdefault(asked.question, asked.answer) == asked.answer
    expected = {
        "is it day or night?": "night",
        "how many animals are in the photo?": "one",
        "how many things are in the photo?": "one",
        "how many people are in the photo?": "none",
        "who is on the left?": "tom",
        "what is on the left?": "tom",
        "what is on the right?": "leo",
        "what is beside tom?": "leo",
        "who is beside leo?": "tom",
        "what is tom holding?": "leo",
        "who is holding leo?": "tom",
        "is tom holding leo?": "yes",
        "is there a dog in the photo?": "yes",
        "is there a boat in the photo?": "no",
        "is tom on the left?": "yes",
        "is leo on the left?": "no",
        "on which side is leo?": "on the right",
        "where is tom?": "in the snow",
        "what is tom wearing?": "a blue cap",
        "what is tom doing?": "standing",
        "what kind of animal is tom?": "a dog",
        "what colour is tom?": "orange",
        "what thing is leo?": "a car",
        "what colour is leo?": "orange",
        "what colour are the wheels of leo?": "green",
        "what pattern does leo have?": "striped",
    }
    assert expected.items() <= answers.items()
    assert "who is on the right?" not in answers


def test_nobody_and_nothing_are_answers_too(rng):
    group = replace(HOLDING, members=HOLDING.members[:1])
    answers = {a.question: a.answer for a in group_language.questions(group, rng, {TOM: "tom"})}
    assert answers["what is on the right?"] == "nothing"
    assert answers["who is in the middle?"] == answers["who is beside tom?"] == "nobody"
    assert answers["what is tom holding?"] == "nothing"


def test_the_same_seed_asks_the_same():
    asked = [
        group_language.questions(HOLDING, np.random.default_rng(4), {TOM: "tom"}) for _ in range(2)
    ]
    assert asked[0] == asked[1]


# ---- words ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_all_of_it_is_made_of_a_hundred_and_sixty_words(rng):
    said = set()
    for group in groups(rng, 1500):
        texts = [group_language.caption(group), group_language.prompt(group, rng)]
        told = group_language.questions(group, rng)
        subjects = [member.subject for member in group.members]
        if possible_actions(subjects):
            story = sample_story(subjects, rng)
            texts.append(story_language.caption(story))
            told += story_language.questions(story, rng)
        texts += [text for asked in told for text in (asked.question, asked.answer)]
        said |= set().union(*map(words, texts))
    assert all(re.fullmatch("[a-z]+", word) for word in said)
    assert 120 < len(said) <= 160
