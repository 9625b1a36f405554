"""An album and a search in it, whose scores are known beforehand."""

from types import SimpleNamespace

import pytest

from unictoken.personalize.words import in_words
from unictoken.toy import search
from unictoken.toy.concepts import toy_concept
from unictoken.toy.world.language import WHERE


@pytest.fixture(scope="module")
def tom():
    return toy_concept(1, 0, "tom")


@pytest.fixture(scope="module")
def album(tom):
    return search.album_of(tom, seed=1)


def test_an_album_shows_the_concept_twice_in_each_place(album):
    own = [one.place for one in album if one.is_own]
    assert own == [place for place in WHERE for _ in range(2)]
    assert len({one.picture.tobytes() for one in album}) == len(album) == 168


@pytest.mark.parametrize(
    ("fits", "expected"),
    [
        (lambda one, place: one.is_own and one.place == place, {"MRR": 1, "R@2": 1, "R@10": 1}),
        (lambda one, place: one.is_own, {"MRR": 1 / 11, "R@2": 0, "first is it": 1}),
        (lambda one, place: one.place == place, {"MRR": 1 / 27, "first is there": 1}),
        (lambda one, place: False, {"MRR": 1 / 167, "R@10": 0, "first is it": 0}),
    ],
)
def test_what_fits_best_comes_first_and_equal_scores_get_no_credit(
    fits, expected, album, monkeypatch
):
    def find(prompt, pictures):
        place = next(place for place, where in WHERE.items() if prompt == f"<tom> {where}")
        return [(i, float(fits(one, place))) for i, one in enumerate(album)]

    monkeypatch.setattr(search, "Session", lambda base, way: SimpleNamespace(find=find))
    scores = search.score_search(None, None, "tom", album)
    assert {key: scores[key] for key in expected} == pytest.approx(expected)


def test_a_base_that_draws_is_asked(base, album):
    own = [one for one in album if one.is_own]
    scores = search.score_search(base, in_words(base, "tom", "{name} is a dog."), "tom", own)
    assert set(scores) == {"MRR", "R@2", "R@10", "first is it", "first is there"}
    assert scores["first is it"] == 1  # all are


def test_orders_by_lot_are_poor(album):
    chance = search.score_chance(album, seed=1)
    assert chance["MRR"] < 0.1 and abs(chance["first is there"] - 1 / len(WHERE)) < 0.05
