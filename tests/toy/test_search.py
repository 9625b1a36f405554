"""An album and a search in it, whose scores are known beforehand."""

from types import SimpleNamespace

import pytest

from unictoken.measure.searches import means, score_by_lot, score_searches
from unictoken.personalize.session import Session
from unictoken.personalize.words import in_words
from unictoken.toy.concepts import toy_concept
from unictoken.toy.search import album_of, searches_in
from unictoken.toy.world.language import WHERE


@pytest.fixture(scope="module")
def tom():
    return toy_concept(1, 0, "tom")


@pytest.fixture(scope="module")
def album(tom):
    return album_of(tom, seed=1)


def test_an_album_shows_the_concept_twice_in_each_place(album):
    own = [one.place for one in album if one.is_own]
    assert own == [place for place in WHERE for _ in range(2)]
    assert len({one.picture.tobytes() for one in album}) == len(album) == 168


@pytest.mark.parametrize(
    ("fits", "expected"),
    [
        (lambda one, place: one.is_own and one.place == place, {"MRR": 1, "R@2": 1, "mAP": 1}),
        (lambda one, place: one.is_own, {"MRR": 1 / 11, "R@2": 0, "first is it": 1}),
        (lambda one, place: one.place == place, {"MRR": 1 / 27, "first is there": 1}),
        (lambda one, place: False, {"MRR": 1 / 167, "R@10": 0, "first is it": 0}),
    ],
)
def test_what_fits_best_comes_first_and_equal_scores_get_no_credit(fits, expected, album):
    places = {f"<tom> {where}": place for place, where in WHERE.items()}

    def find_each(prompts, pictures):
        return [[(i, float(fits(one, places[p]))) for i, one in enumerate(album)] for p in prompts]

    chat, searches = SimpleNamespace(find_each=find_each), searches_in(album, "tom")
    scores = means(score_searches(chat, searches, album, at=(2, 10)))
    assert {key: scores[key] for key in expected} == pytest.approx(expected)


def test_a_base_that_draws_is_asked(base, album):
    own = [one for one in album if one.is_own]
    chat = Session(base, in_words(base, "tom", "{name} is a dog."))
    rows = score_searches(chat, searches_in(own, "tom"), [one.picture for one in own], at=(2,))
    assert len(rows) == len(WHERE)
    assert set(rows[0]) == {"MRR", "mAP", "R@2", "hit@2", "first is it", "first is there"}
    assert all(row["first is it"] == 1 for row in rows)  # all are


def test_orders_by_lot_are_poor(album):
    chance = means(score_by_lot(searches_in(album, "tom"), seed=1))
    assert chance["MRR"] < 0.1 and abs(chance["first is there"] - 1 / len(WHERE)) < 0.05
