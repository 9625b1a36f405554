"""The exam of the base that ships, with a few questions of each kind."""

import pytest

from unictoken.core import shipped
from unictoken.model.base import load_base
from unictoken.toy import exam
from unictoken.toy.exam import ASKED, INTRODUCED, bounds, examine
from unictoken.toy.judge import load_judge
from unictoken.toy.pretrain.album import AlbumSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def numbers():
    base, judge = load_base("tiny"), load_judge(shipped.find_judge("toy"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exam, "ALBUM", AlbumSettings(families=40, couples=60, tales=30))
        return examine(base, judge, count=16, seed=3, drawings=6)


def test_every_kind_is_asked_and_every_introduction_drawn(numbers):
    assert set(ASKED) <= {*numbers, "who_is_it"}
    for how in INTRODUCED:
        assert {f"which_photo_{how}", f"which_photo_{how}_apart"} <= {*numbers}
        assert {f"drawn_of_two_{how}", f"drawn_of_two_{how}_whole"} <= {*numbers}
    assert all(0 <= share <= 1 for share in numbers.values())


def test_photo_by_photo_more_are_found_than_in_one_question(numbers):
    at_once, apart = (
        sum(numbers[f"which_photo_{how}{end}"] for how in INTRODUCED) / len(INTRODUCED)
        for end in ("", "_apart")
    )
    # .74, .84 and .80 of 150, against .97, .90 and .98 (dev/LOG.md).
    assert apart > at_once and apart >= 0.85


def test_two_who_are_told_or_shown_are_drawn_together(numbers):
    # .902 and .858 of 96.
    assert numbers["drawn_of_two_words"] >= 0.75 and numbers["drawn_of_two_pictures"] >= 0.7


def test_what_the_judge_sees_is_said_beside_captions_of_two(numbers):
    # .82 to .86 of 300 by seed.
    assert numbers["caption_of_two_judge"] >= 0.6
    (said,) = bounds(numbers)
    assert f"{numbers['caption_of_two_judge']:.3f} of the pictures" in said
    assert not bounds({"vqa": 1.0})
