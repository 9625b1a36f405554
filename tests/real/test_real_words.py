"""A profile is looked through with features of words that nobody here trained.

Twenty sentences of a user, and forty questions that share hardly a word with their answers. Both
were written before anything was measured.
"""

from __future__ import annotations

import socket
import sys

import numpy as np
import pytest

import unictoken
from unictoken.data.item import Item
from unictoken.personalize.profile import Profile
from unictoken.scoring.metrics import words

pytestmark = pytest.mark.real
TOLD = {
    "I grew up on a farm near the coast.": (
        "Where did you spend your childhood?",
        "Did you live in the countryside as a kid, by the sea?",
    ),
    "My sister plays the violin in an orchestra.": (
        "Who in your family is a musician?",
        "Which instrument does your sibling practise?",
    ),
    "Peanuts make my throat swell up.": (
        "Do you have any food allergies?",
        "What snack is dangerous for your health?",
    ),
    "I take the train to the office every morning.": (
        "How do you commute to work?",
        "What kind of transport do you use on weekdays?",
    ),
    "We adopted a grey kitten last winter.": (
        "Do you have any pets?",
        "How old is your cat by now?",
    ),
    "I teach mathematics at a secondary school.": (
        "What is your job?",
        "Which subject do your pupils learn from you?",
    ),
    "On weekends I climb mountains with friends.": (
        "What is your favourite outdoor sport?",
        "Do you enjoy hiking up steep hills?",
    ),
    "My knee hurts since the skiing accident.": (
        "Were you ever injured?",
        "Why does your leg need a doctor?",
    ),
    "I bake sourdough bread on Sundays.": (
        "What do you make in your oven?",
        "Are you good with flour and yeast?",
    ),
    "My wedding was in a small church in Italy.": (
        "Where did you get married?",
        "In which country did you and your husband become a couple?",
    ),
    "I read crime novels before falling asleep.": (
        "Which books do you like?",
        "What helps you at bedtime?",
    ),
    "Our car broke down and the repair was expensive.": (
        "What cost you a lot of money recently?",
        "Is your vehicle working well?",
    ),
    "I grow tomatoes and beans behind the house.": (
        "Do you have a garden?",
        "Which vegetables do you plant?",
    ),
    "My grandfather fought in the war as a pilot.": (
        "Was anybody among your ancestors a soldier?",
        "Who in the family flew aeroplanes?",
    ),
    "I want to learn Japanese next year.": (
        "Which foreign language are you planning to study?",
        "Would you like to speak with people in Tokyo?",
    ),
    "Loud music gives me a headache.": (
        "Why do you avoid concerts?",
        "What kind of noise is painful to you?",
    ),
    "I drink two cups of black coffee a day.": (
        "How much caffeine do you have?",
        "What is your usual hot beverage?",
    ),
    "My brother is studying law in Boston.": (
        "Who will become a lawyer?",
        "Which of your relatives goes to university in America?",
    ),
    "I was born on a rainy day in November.": (
        "When is your birthday?",
        "What was the weather when your mother had you?",
    ),
    "I swim in the lake even when it is cold.": (
        "Do you go into the water in winter?",
        "Where do you do your laps, outside of a pool?",
    ),
}
ITEMS = tuple(Item(text=sentence) for sentence in TOLD)
ASKED = [(i, question) for i, two in enumerate(TOLD.values()) for question in two]


def found(profile) -> tuple[float, float]:
    """The fractions of questions whose answer is found first, and among three."""
    places = np.array([profile.numbers(q, len(ITEMS)).index(i) for i, q in ASKED])
    return float((places == 0).mean()), float((places < 3).mean())


@pytest.fixture(scope="module")
def tiny():
    return unictoken.load("tiny", device="cpu")


def test_the_questions_are_in_other_words():
    shared = [len(set(words(q)) & set(words(ITEMS[i].text))) for i, q in ASKED]
    assert len(ASKED) == 40 and shared.count(0) == 29 and max(shared) == 2


def test_static_features_of_words_find_what_answers_a_question(tiny, static_words):
    first, three = found(Profile(ITEMS, tiny, by="dense", encoder=static_words))
    assert first >= 0.75 and three >= 0.9  # measured: 35 and 39 of 40; by lot 2 and 6


@pytest.mark.slow
def test_common_words_and_a_base_of_pixel_art_do_not(tiny):
    """So that the features are what finds them, and not how the questions were written."""
    first, three = found(Profile(ITEMS, tiny))
    assert first <= 0.15 and three <= 0.3  # BM25, measured: 2 and 7 of 40
    first, three = found(Profile(ITEMS, tiny, by="dense"))
    assert first <= 0.2 and three <= 0.35  # the mean of its rows, measured: 4 and 8


def test_its_weights_are_read_without_a_network(static_words, monkeypatch):
    def refused(*arguments, **options):
        raise AssertionError("a network was asked for")

    monkeypatch.setattr(socket, "socket", refused)
    again = type(static_words)(sys.modules["wordllama"])
    assert np.array_equal(again.texts(["a cat"]), static_words.texts(["a cat"]))
