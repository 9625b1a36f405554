import numpy as np
import pytest

from unictoken.toy.interview import PERSON, TOY, toy_interview
from unictoken.toy.world import descriptions, group_language, language
from unictoken.toy.world.groups import sample_group
from unictoken.toy.world.subjects import sample_subject
from unictoken.toy.world.things import Scene, sample_pet

SNOW = ["a red cap", "sitting", "on the left", "in the snow", "night"]


def test_a_scene_is_said_as_people_ask_for_it():
    assert TOY.phrase(SNOW) == "wearing a red cap in the snow at night"


def test_a_caption_says_all_of_a_scene_as_the_base_was_taught_to():
    scene = Scene(
        place="snow",
        time="night",
        pose="sitting",
        position="left",
        accessory="cap",
        accessory_colour="red",
        detail=0,
    )
    assert TOY.caption(SNOW) == language.named_caption(scene)


def test_what_goes_without_saying_is_left_out():
    assert TOY.phrase(["nothing", "sitting", "on the left", "at home", "day"]) == "at home"


def test_the_toy_base_was_taught_every_question_that_it_is_asked():
    taught = {
        form
        for forms in (*language.PET_QUESTIONS.values(), *language.SCENE_QUESTIONS.values())
        for form in forms
    }
    assert set(TOY.questions) <= taught


def test_answers_about_a_pet_make_the_description_that_the_base_knows():
    pet = sample_pet(np.random.default_rng(0))
    answers = [language.answer(attribute, pet) for attribute in language.PET_QUESTIONS]
    assert TOY.description(answers) == language.describe(pet)


def test_what_is_asked_depends_on_what_the_pictures_show():
    assert toy_interview("dog") is toy_interview("creature") is TOY
    assert toy_interview("boy") is toy_interview("person") is PERSON
    assert "what colour is the handle of {it}?" in toy_interview("mug").questions
    assert "what colour are the wheels of {it}?" in toy_interview("Car").questions
    assert not any("wearing" in question for question in toy_interview("mug").questions)


@pytest.mark.parametrize("kind", ["object", "person"])
def test_answers_about_a_thing_or_a_person_make_the_description_that_the_base_knows(kind):
    subject = sample_subject(np.random.default_rng(0), kind=kind, unseen=True)
    answers = [
        descriptions.answer(subject, attribute) for attribute in descriptions.questions(subject)
    ]
    interview = toy_interview(descriptions.noun(subject))
    assert interview.description(answers) == descriptions.describe(subject)
    asked = {form for forms in descriptions.questions(subject).values() for form in forms}
    assert set(interview.about_concept) <= asked


def test_a_caption_of_a_thing_is_what_the_base_was_taught():
    rng = np.random.default_rng(1)
    mug = sample_subject(rng, kind="object", unseen=True)
    group = sample_group([mug], rng)
    (member,) = group.members
    scene = group.scene_of(member)
    answers = [language.answer(name, mug, scene) for name in ("position", "place", "time")]
    interview = toy_interview(mug.kind)
    said = interview.caption(answers).replace("{name}", "<bo>")
    assert said == group_language.caption(group, {mug: "<bo>"})
    assert interview.phrase(["on the left", "in the snow", "night"]) == "in the snow at night"
    assert interview.phrase(["on the left", "in the snow", "day"]) == "in the snow"
