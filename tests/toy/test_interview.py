import numpy as np

from unictoken.toy.interview import TOY
from unictoken.toy.world import language
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
