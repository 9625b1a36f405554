"""Line-ups of photos, one of which shows a toy concept."""

import pytest

from unictoken.personalize.condition import Condition
from unictoken.personalize.words import in_words
from unictoken.toy.concepts import toy_concept
from unictoken.toy.line_up import ABSENT, LineUp, line_ups_of, score_line_ups


@pytest.fixture(scope="module")
def tom():
    return toy_concept(1, 0, "tom")


@pytest.fixture(scope="module")
def shown(tom):
    return line_ups_of(tom, seed=1, count=15)


def test_two_to_four_photos_one_of_which_shows_it_but_for_one_in_five(shown):
    assert [len(one.photos) for one in shown] == [2, 3, 4] * 5
    assert [sum(one.shows) for one in shown] == [int(i % ABSENT > 0) for i in range(15)]
    places = {one.shows.index(True) for one in shown if any(one.shows)}
    assert {0, 1, 2} <= places  # nobody is right who always says the same
    assert all(len({photo.tobytes() for photo in one.photos}) == len(one.photos) for one in shown)


def test_the_same_seed_shows_the_same_photos(tom, shown):
    again, other = (line_ups_of(tom, seed=seed, count=15) for seed in (1, 2))
    assert [one.photos[0].tobytes() for one in again] == [one.photos[0].tobytes() for one in shown]
    assert [one.photos[0].tobytes() for one in other] != [one.photos[0].tobytes() for one in shown]


def test_who_is_recognised_in_each_photo_is_right_photo_by_photo(base, shown, monkeypatch):
    seen = {
        tuple(ids): shows
        for one in shown
        for ids, shows in zip(base.encode(one.photos).tolist(), one.shows, strict=True)
    }
    monkeypatch.setattr(
        Condition,
        "recognise",
        lambda self, ids_NK: [float(seen[tuple(ids)]) for ids in ids_NK.tolist()],
    )
    way = in_words(base, "tom", "{name} is a dog.")
    scores = score_line_ups(base, way, shown, "tom")
    # A base of random weights says no word of the answers.
    assert scores == {"which": 1.0, "which_at_once": 0.0}


def test_the_answer_names_the_place(shown):
    one = LineUp(photos=shown[1].photos, shows=(False, True, False))
    assert one.answer == "the second"
    assert LineUp(photos=shown[1].photos, shows=(False,) * 3).answer == "none of them"
