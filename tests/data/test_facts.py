"""The question that a fact answers."""

import pytest

from unictoken.core.errors import UserError
from unictoken.data.facts import COMMON, noun_of_question, question_of


@pytest.mark.parametrize(
    ("fact", "pair"),
    [
        ("<bo> has a green cap.", ("what hat does <bo> have?", "a green cap")),
        ("<bo>  wears the blue coat now.", ("what coat does <bo> have?", "the blue coat")),
        ("<bo> has a small bicycle", ("what bicycle does <bo> have?", "a small bicycle")),
        (
            "<bo> likes to play with the drum.",
            ("what does <bo> like to play with?", "the drum"),
        ),
        ("<bo> likes to eat apples!", ("what does <bo> like to eat?", "apples")),
        ("<bo> likes rainy days.", ("what does <bo> like?", "rainy days")),
        ("<bo> lives in the snow.", ("where does <bo> live?", "in the snow")),
        ("<bo> is three years old.", ("how old is <bo>?", "three years old")),
    ],
)
def test_a_plain_fact_answers_its_question(fact, pair):
    assert question_of(fact, "bo") == pair


@pytest.mark.parametrize(
    "fact",
    [
        "<bo> is a good swimmer.",
        "my dog <bo> has a hat.",
        "<bo>",
        "has a hat",
        "<bo> has " + "a very long name " * 1000,
    ],
)
def test_another_form_is_refused_with_what_to_do(fact):
    with pytest.raises(UserError, match="give its question and its answer|names"):
        question_of(fact, "bo")


def test_questions_about_what_somebody_has_name_the_noun():
    assert noun_of_question("what hat does {it} have?") == "hat"
    assert noun_of_question("what does {it} like to eat?") is None
    assert "what hat does {it} have?" in COMMON and "where does {it} live?" in COMMON
