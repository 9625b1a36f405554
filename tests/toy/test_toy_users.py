"""Users of the toy world: their facts, questions, tastes and talk."""

import pytest

from unictoken.data import templates
from unictoken.toy import users as toy
from unictoken.toy.pretrain.words import looks
from unictoken.toy.world import language


@pytest.fixture(scope="module")
def made():
    return toy.users(3, seed=1)


def test_users_are_a_function_of_the_seed_and_their_number(made):
    again = toy.users(2, seed=1)
    for name in ("user-0", "user-1"):
        assert again.dataset.records[name] == made.dataset.records[name]
        assert again.dataset.profiles[name] == made.dataset.profiles[name]
    assert again.tastes[1].gains == made.tastes[1].gains
    assert toy.users(1, seed=2).dataset.profiles != {"user-0": made.dataset.profiles["user-0"]}


def test_an_answer_is_in_the_item_that_it_uses(made):
    for name, records in made.dataset.records.items():
        items = made.dataset.profiles[name]
        for record in records:
            for i in record.uses:
                assert record.answer in items[i].text
            assert bool(record.uses) == (record.kind != toy.UNTOLD)


def test_what_changed_is_asked_with_its_newest_state_and_the_old_one_is_there(made):
    for name, records in made.dataset.records.items():
        items = made.dataset.profiles[name]
        changed = [r for r in records if r.kind == toy.CHANGED]
        assert len(changed) == 2
        for record in changed:
            (i,) = record.uses
            assert items[i].text.endswith(" now.")
            begun = items[i].text.split()[:2]
            assert any(item.text.split()[:2] == begun for item in items[:i])
        # Each fact is asked about once.
        asked = [r.question for r in records]
        assert len(set(asked)) == len(asked) == 16


def test_nobody_told_what_the_base_is_to_say_that_it_does_not_know(made):
    untold = [r for own in made.dataset.records.values() for r in own if r.kind == toy.UNTOLD]
    assert {r.answer for r in untold} == {templates.UNSURE}
    assert all(len(r.options) == toy.CANDIDATES for r in untold)


def test_liked_pictures_have_one_look_in_common_and_some_candidates_have_it(made):
    for taste in made.tastes:
        assert (len(taste.liked), sum(taste.gains)) == (toy.LIKED, toy.RELEVANT)
        assert len(taste.candidates) == len(taste.gains) == toy.CANDIDATES


def test_a_taste_is_a_look_of_the_world(made):
    places = set(language.WHERE.values())
    for taste in made.tastes:
        assert taste.says in places or len(taste.says.split()) <= 2
    import numpy as np

    group = toy._picture_of(np.random.default_rng(0))
    assert len(looks(group)) == 3 and looks(group)[2] in places


def test_listed_facts_are_among_what_was_said(made):
    for spoken in made.spoken:
        assert 2 <= len(spoken.facts) <= 4
        assert {item.text for item in spoken.facts} <= set(spoken.said)
        assert len(spoken.said) == toy.SAID + len(spoken.facts)


def test_forms_hold_the_answers_of_the_base(made):
    assert made.forms["where do i live?"].replace("{}", "in the snow") == "i live in the snow."
    assert (
        made.forms["what do i like to play with?"].replace("{}", "the drum")
        == "i like to play with the drum."
    )
    assert set(made.forms) == set(language.OWN_QUESTIONS.values())
