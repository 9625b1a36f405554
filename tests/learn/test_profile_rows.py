"""A profile as tokens: after them the base answers as it does after the items in words."""

from __future__ import annotations

import pytest
import torch

import unictoken
from unictoken.core.errors import UserError
from unictoken.data.item import Item
from unictoken.data.source import SourceError
from unictoken.learn.profile_rows import as_row
from unictoken.personalize.profile import Profile, ProfileTokens
from unictoken.personalize.query import Query
from unictoken.personalize.session import Session
from unictoken.personalize.several import Several
from unictoken.personalize.tokens import learned, with_tokens
from unictoken.tokens import file as concept_file

ITEMS = (
    Item(text="i live in the snow", time=1.0),
    Item(text="i like to eat fish", time=2.0),
    Item(text="my dog is red", time=3.0),
)
QUESTIONS = ["where do i live?", "what do i like to eat?", "what colour is my dog?"]


@pytest.fixture(scope="module")
def told(base) -> Profile:
    return Profile(ITEMS, base, by="recency", k=3)


@pytest.fixture(scope="module")
def tokens(told):
    return as_row(told, QUESTIONS, rows=6, steps=2, consent=True)


@pytest.mark.slow
def test_the_tokens_answer_what_the_items_answer():
    base, heard = unictoken.load("tiny"), []
    told = Profile(ITEMS[:2], base, by="recency", k=2)
    learned = as_row(told, QUESTIONS[:2], rows=8, steps=40, consent=True, show=heard.append)
    assert heard[-1].loss < 0.1 * heard[0].loss
    asked = [
        Session(base, known).ask(QUESTIONS[:2]) for known in (told, with_tokens(base, learned))
    ]
    assert asked == [["in the snow", "fish"]] * 2


def test_a_question_costs_the_tokens_and_what_is_no_question_costs_nothing(base, tokens):
    alone = Profile((), base)
    put_on = with_tokens(base, tokens)
    asked, drawn = Query(QUESTIONS[0]), Query("a dog in the snow", wanted="picture")
    (condition,), (bare,) = put_on.conditions([asked]), alone.conditions([asked])
    assert len(condition.question(asked.text)) == len(bare.question(asked.text)) + 6
    (before_drawing,) = put_on.conditions([drawn])
    assert before_drawing.drawing(drawn.text) == bare.drawing(drawn.text)
    assert put_on.names == ()


def test_it_stands_beside_a_concept(base, tokens, bo):
    both = Session(base, Several(base, [with_tokens(base, tokens), with_tokens(base, bo)]))
    assert both.names == ("bo",)
    assert isinstance(both.ask("where do i live with <bo>?"), str)


def test_its_file_is_read_as_a_profile(base, tokens, tmp_path):
    path = concept_file.save(tokens, tmp_path / "me.safetensors")
    again = learned(base, path)
    assert isinstance(again, ProfileTokens)
    assert torch.equal(again.tokens.rows_in, tokens.rows_in)
    assert again.names == ()


def test_the_same_seed_learns_the_same(told):
    first, again = (as_row(told, QUESTIONS, rows=2, steps=2, consent=True) for _ in range(2))
    assert torch.equal(first.rows_in, again.rows_in)
    other = as_row(told, QUESTIONS[:2], rows=2, steps=2, consent=True)
    assert not torch.equal(first.rows_in, other.rows_in)


def test_more_tokens_than_words_begin_as_words_again(told):
    assert as_row(told, QUESTIONS, rows=90, steps=1, consent=True).rows_in.shape[0] == 91


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"questions": []}, UserError, "found 0 questions and 3 items, expected 1 or more of each"),
        ({"rows": 0}, UserError, "rows: found 0, expected 1 to"),
        ({"consent": False}, SourceError, "consent"),
    ],
)
def test_what_cannot_be_learned_is_refused(told, more, error, said):
    given = {"questions": QUESTIONS, "consent": True} | more
    with pytest.raises(error, match=said):
        as_row(told, **given)


def test_an_empty_profile_is_refused(base):
    with pytest.raises(UserError, match="found 3 questions and 0 items"):
        as_row(Profile((), base), QUESTIONS, consent=True)
