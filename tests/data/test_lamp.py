"""LaMP's prompts and queries, as the paper has them."""

import pytest

from unictoken.data import lamp
from unictoken.data.item import Item

TWO = (Item(text="a b c d", label="x"), Item(text="e f", label="y"))


@pytest.mark.parametrize(
    ("task", "question", "expected"),
    [
        ("LaMP_1", 'who has written "q" as title "t" which', "who has written \"q\" as title, and \"x\", and \"y\" \"t\" which"),
        ("LaMP_2", "Which tag?", 'the tag for the movie: "a b c d" is "x", and the tag for the movie: "e f" is "y". Which tag?'),
        ("LaMP_3", "What score?", 'x is the score for "a b c d", and y is the score for "e f". What score?'),
        ("LaMP_4", "A headline?", '"x" is the title for "a b c d", and "y" is the title for "e f". A headline?'),
        ("LaMP_5", "A title?", '"x" is a title for "a b c d", and "y" is a title for "e f". Following the given patterns A title?'),
        ("LaMP_6", "A subject?", '"x" is the title for "a b c d", and "y" is the title for "e f". A subject?'),
        ("LaMP_7", "Say it.", '"a b c d", and "e f" are written by a person. Following the given patterns Say it.'),
    ],
)  # fmt: skip
def test_items_stand_in_the_prompt_as_published(task, question, expected):
    assert lamp.prompt(task, TWO, question) == expected
    assert lamp.prompt(task, (), question) == question


def test_each_item_is_cut_to_its_share_of_the_budget():
    assert lamp.prompt("LaMP_7", TWO, "Say it.", budget=4).startswith('"a b", and "e f" are')
    assert lamp.prompt("LaMP_7", TWO, "Say it.", budget=2).startswith('"a", and "e" are')


@pytest.mark.parametrize(
    ("task", "question", "expected"),
    [
        ("LaMP_2", "Which tag? description: a robot", "a robot"),
        ("LaMP_4", "A headline for the article: it rained", "it rained"),
        ("LaMP_5", "A title for the abstract of a paper: we show", "we show"),
        ("LaMP_6", "A subject for the e-mail: hello", "hello"),
        ("LaMP_7", "Paraphrase the tweet without explanation: lol", "lol"),
        ("LaMP_7", "no colon at all", "no colon at all"),
    ],
)
def test_what_is_looked_for_is_what_the_question_is_about(task, question, expected):
    assert lamp.query(task, question) == expected


def test_items_are_looked_through_by_their_texts_or_by_both_parts():
    assert [lamp.document(task, TWO[0]) for task in ("LaMP_3", "LaMP_4")] == [
        "a b c d",
        "x a b c d",
    ]
