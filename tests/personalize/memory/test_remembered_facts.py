"""Sentences: whom they are about, what kind of fact they state, and what holds now."""

from __future__ import annotations

import pytest

from unictoken.data.item import Item
from unictoken.personalize.memory.entry import Remembered
from unictoken.personalize.memory.facts import kind_of_fact, newest, stated, whom_about


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("<bo> lives on the beach.", "<bo> lives in the snow now.", True),
        ("<bo> likes to eat fish.", "<bo> likes to eat carrots.", True),
        ("<bo> likes to eat fish.", "<bo> likes to play with the ball.", False),
        ("<bo> has a red hat.", "<bo> has a blue top hat now.", True),
        ("<bo> has a red hat.", "<bo> has a sister.", False),
        ("<bo> is wearing a cap.", "<bo> is wearing a bow today.", True),
        ("i live in the city.", "i live at home now.", True),
        ("my dog likes fish.", "my dog likes cheese.", True),
    ],
)
def test_two_sentences_of_one_kind_contradict_each_other(one, other, same):
    kinds = [kind_of_fact(Item(text=text)) for text in (one, other)]
    assert (kinds[0] == kinds[1]) == same


def test_a_label_says_the_kind():
    assert kind_of_fact(Item(text="<bo> has a red cap.", label="hat")) == "hat"


def told(number, text, time=0.0, label=""):
    return Remembered(number=number, item=Item(text=text, time=time, label=label))


def test_the_newest_of_each_kind_holds_in_the_order_in_which_kinds_were_first_said():
    facts = [
        told(1, "<bo> lives on the beach.", 5),
        told(2, "<bo> likes to eat fish.", 6),
        told(3, "<bo> lives in the snow now.", 9),
        told(4, "<bo> lives in the city.", 7),
    ]
    assert [one.number for one in newest(facts)] == [3, 2]
    assert newest(facts[::-1]) == newest(facts)
    same_time = [told(1, "<bo> naps."), told(2, "<bo> naps now.")]
    assert [one.number for one in newest(same_time)] == [2]


NOUNS = {"bo": "dog", "mia": "fox", "rex": "fox"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<bo> likes <mia>", "bo"),
        ("remember that Mia likes Bo", "mia"),
        ("my dog naps", "bo"),
        ("the dog naps", "bo"),
        ("my fox naps", "rex"),  # as the user said
        ("my cat naps", None),
        ("i like both", None),
        ("boys nap", None),
    ],
)
def test_a_name_decides_whom_a_sentence_is_about_else_what_the_user_said(text, name):
    user = [told(1, "my fox is <rex>.")]
    assert whom_about(text, NOUNS, user) == name


def test_of_two_foxes_nobody_knows_which_is_meant():
    assert whom_about("my fox naps", NOUNS) is None


@pytest.mark.parametrize(
    ("text", "name", "kept"),
    [
        ("please remember that bo likes fish!", "bo", "<bo> likes fish."),
        ("my dog likes fish", "bo", "<bo> likes fish."),
        ("<bo> naps.", "bo", "<bo> naps."),
        ("Remember: i live at home", None, "i live at home."),
    ],
)
def test_a_sentence_is_kept_about_its_marker(text, name, kept):
    assert stated(text, name) == kept
