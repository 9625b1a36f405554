"""Drawings are shown as they grow, and become what they would be unseen."""

from __future__ import annotations

import math

import pytest

from unictoken.model.draw import Draw
from unictoken.personalize.condition import NOT_DRAWN, draw_each, unfinished
from unictoken.personalize.tokens import with_tokens


@pytest.mark.parametrize("number", [1, 3])
def test_each_row_is_shown_once_and_the_picture_is_the_same(base, bo, number):
    asked, lots = [("<bo> in the snow", with_tokens(base, bo))] * number, list(range(number))
    lots = [(4, i) for i in lots]
    seen = [[] for _ in lots]
    told = [pictures.append for pictures in seen]
    drawn = draw_each(asked, Draw(seed=4), lots, hear=told)
    unseen = draw_each(asked, Draw(seed=4), lots)
    assert [p.tobytes() for p in drawn] == [p.tobytes() for p in unseen]
    rows = math.isqrt(base.codes_per_picture)
    # One alone may get several rows at once, by guesses that were right.
    assert all(1 <= len(pictures) <= rows - 1 for pictures in seen)
    assert number == 1 or all(len(pictures) == rows - 1 for pictures in seen)


def test_what_is_not_drawn_yet_is_grey(base):
    side, ids = base.picture_side, base.any_picture.tolist()
    half = unfinished(base, ids[: len(ids) // 2])
    assert half.size == (side, side)
    lower = half.crop((0, side // 2, side, side))
    assert lower.getcolors() == [(side * side // 2, NOT_DRAWN)]
    (whole,) = base.decode(base.any_picture[None])
    upper = (0, 0, side, side // 2)
    assert half.crop(upper).getcolors() != lower.getcolors() or whole.crop(upper) != lower
    assert unfinished(base, ids).tobytes() == whole.tobytes()
