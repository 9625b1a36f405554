import numpy as np
import pytest

from unictoken.toy.world import language
from unictoken.toy.world.things import Pet, Scene, sample_pet, sample_scene

PET = Pet(
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
SCENE = Scene(
    place="room",
    time="night",
    pose="sitting",
    position="left",
    accessory="top hat",
    accessory_colour="blue",
    detail=0,
)
ANSWERS = {
    "species": "a dog",
    "fur": "orange",
    "second": "white",
    "pattern": "spotted",
    "ears": "floppy",
    "eyes": "amber",
    "collar": "red",
    "place": "at home",
    "time": "night",
    "pose": "sitting",
    "position": "on the left",
    "accessory": "a blue top hat",
}


def test_a_caption_names_every_attribute():
    assert (
        language.caption(PET, SCENE)
        == "a spotted orange and white dog with floppy ears, amber eyes and a red collar, "
        "wearing a blue top hat, sitting on the left at home at night."
    )


def test_every_question_has_its_true_answer():
    assert set(ANSWERS) == set(language.PET_QUESTIONS) | set(language.SCENE_QUESTIONS)
    assert {attribute: language.answer(attribute, PET, SCENE) for attribute in ANSWERS} == ANSWERS


def test_different_captions_mean_different_attributes():
    rng = np.random.default_rng(0)
    pairs = [(sample_pet(rng), sample_scene(rng)) for _ in range(500)]
    nameable = {
        tuple(p.nameable.values())
        + (s.place, s.time, s.pose, s.position, s.accessory, s.accessory_colour)
        for p, s in pairs
    }
    assert len({language.caption(p, s) for p, s in pairs}) == len(nameable)


def test_a_brief_description_names_the_species_and_nothing_false():
    rng = np.random.default_rng(1)
    said = {language.describe_briefly(PET, rng) for _ in range(200)}
    true_words = {"an", *language.describe(PET).replace(",", "").split()}
    assert all("dog" in text and set(text.replace(",", "").split()) <= true_words for text in said)
    assert len(said) > 20


def test_facts_have_a_sentence_a_question_and_an_answer_that_agree():
    facts = language.Facts(
        hat="party hat", hat_colour="red", toy="kite", food="cheese", place="snow"
    )
    assert [language.fact_sentence(key, facts) for key in language.FACT_SENTENCES] == [
        "{name} has a red party hat.",
        "{name} likes to play with the kite.",
        "{name} likes to eat cheese.",
        "{name} lives in the snow.",
    ]
    assert {key: language.fact_answer(key, facts) for key in language.FACT_QUESTIONS} == {
        "hat": "a red party hat",
        "toy": "the kite",
        "food": "cheese",
        "place": "in the snow",
    }


def test_the_same_seed_gives_the_same_facts():
    assert language.sample_facts(np.random.default_rng(4)) == language.sample_facts(
        np.random.default_rng(4)
    )


@pytest.mark.parametrize(
    ("noun", "said"),
    [("orange cap", "an orange cap"), ("dog", "a dog"), ("amber eye", "an amber eye")],
)
def test_a_noun_gets_its_article(noun, said):
    assert language.a(noun) == said


def test_questions_that_the_tiny_base_was_taught_can_be_listed():
    taught = language.taught_questions("<bo>")
    assert (
        "what colour is <bo>?" in taught["alone"] and "what hat does <bo> have?" in taught["alone"]
    )
    assert "where is <bo>?" in taught["about a picture"] and not any(
        "{" in question for asked in taught.values() for question in asked
    )
