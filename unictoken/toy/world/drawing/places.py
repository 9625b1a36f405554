"""The places: backgrounds by day and by night."""

from __future__ import annotations

import numpy as np

from unictoken.toy.world.drawing.canvas import SIDE, Canvas, Colour, X, Y, fill_box, fill_disc

NIGHT = np.array([0.42, 0.46, 0.78])


def background(place: str, time: str, detail: int) -> Canvas:
    """A place without anybody in it; `detail` is which of its two versions."""
    canvas = np.zeros((SIDE, SIDE, 3), np.float32)
    _PLACES[place](canvas, detail)
    if time == "night":
        canvas *= NIGHT
        if place != "room":
            _night_sky(canvas, detail)
    elif place != "room":
        fill_disc(canvas, 4 + 8 * detail, 4, 2.4, (255, 236, 130))
    return canvas


def _night_sky(canvas: Canvas, detail: int) -> None:
    x = 4 + 8 * detail
    # The colour of the sky beside the moon, to cut a crescent out of it.
    sky = canvas[4, (x + 12) % SIDE].copy()
    fill_disc(canvas, x, 4, 2.4, (244, 244, 216))
    fill_disc(canvas, x + 1.3, 3.2, 1.9, sky)
    for star_x, star_y in ((2, 2), (9, 6), (14, 1), (21, 5), (26, 2), (30, 7)):
        # No star inside the moon.
        if abs(star_x - x) > 3:
            canvas[star_y, star_x] = (235, 235, 250)


def _sky(canvas: Canvas, top: Colour, bottom: Colour, horizon: int) -> None:
    # a whole number of 4-pixel patches: no patch holds both colours
    half = horizon // 8 * 4
    canvas[:half], canvas[half:horizon] = top, bottom


def _beach(canvas: Canvas, detail: int) -> None:
    _sky(canvas, (124, 204, 248), (168, 224, 252), 16)
    fill_box(canvas, 0, 16, SIDE, 22, (48, 132, 208))
    for x in range(4 * (detail % 2), SIDE, 8):
        fill_box(canvas, x, 18, x + 3, 19, (150, 212, 244))
    fill_box(canvas, 0, 21, SIDE, 22, (226, 244, 250))
    fill_box(canvas, 0, 22, SIDE, SIDE, (244, 220, 156))
    for x in range(2, SIDE, 8):
        canvas[26, (x + 2 * detail) % SIDE] = canvas[30, (x + 4) % SIDE] = (220, 190, 122)


def _snow(canvas: Canvas, detail: int) -> None:
    _sky(canvas, (176, 196, 222), (200, 214, 234), 20)
    # Two mountains of rock, each with a white top.
    for middle in (6 + 4 * detail, 26 - 4 * detail):
        canvas[(Y < 20) & (Y >= 8 + abs(X - middle))] = (150, 164, 192)
        canvas[(Y < 12) & (Y >= 8 + abs(X - middle))] = (250, 252, 255)
    fill_box(canvas, 0, 20, SIDE, SIDE, (238, 244, 250))
    for x, y in ((3, 3), (11, 7), (18, 2), (27, 6), (7, 14), (23, 13), (30, 16), (1, 18)):
        canvas[y, (x + 8 * detail) % SIDE] = (255, 255, 255)
    for x in range(1, SIDE, 8):
        fill_box(canvas, x, 25, x + 3, 26, (212, 224, 240))


def _forest(canvas: Canvas, detail: int) -> None:
    _sky(canvas, (150, 206, 196), (176, 220, 190), 21)
    for i, x in enumerate(range(2 * detail - 4, SIDE + 4, 8)):
        top = 4 + 4 * ((i + detail) % 2)
        fill_box(canvas, x + 3, 16, x + 5, 22, (104, 70, 46))
        canvas[(Y >= top) & (Y < 19) & (abs(X - x - 3.5) <= (Y - top) / 3 + 0.5)] = (
            (40, 108, 64) if i % 2 else (56, 132, 72)
        )
    fill_box(canvas, 0, 21, SIDE, SIDE, (84, 136, 66))
    fill_box(canvas, 0, 26, SIDE, SIDE, (98, 112, 58))


def _city(canvas: Canvas, detail: int) -> None:
    _sky(canvas, (176, 210, 236), (206, 226, 240), 24)
    for i, x in enumerate(range(0, SIDE, 8)):
        top = (8, 12, 4, 10)[(i + detail) % 4]
        fill_box(
            canvas,
            x,
            top,
            x + 7,
            24,
            ((178, 106, 92), (128, 134, 152), (196, 164, 116), (116, 122, 168))[(i + detail) % 4],
        )
        for y in range(top + 2, 22, 4):
            fill_box(canvas, x + 1, y, x + 3, y + 2, (250, 232, 150))
            fill_box(canvas, x + 4, y, x + 6, y + 2, (250, 232, 150))
    fill_box(canvas, 0, 24, SIDE, SIDE, (132, 134, 142))
    fill_box(canvas, 0, 24, SIDE, 25, (196, 196, 200))
    for x in range(0, SIDE, 8):
        fill_box(canvas, x + 2, 30, x + 6, 31, (232, 230, 220))


def _meadow(canvas: Canvas, detail: int) -> None:
    _sky(canvas, (132, 206, 250), (170, 224, 250), 18)
    canvas[(Y >= 14 + abs(X - 8 - 8 * (detail % 2)) / 3) & (Y < 20)] = (134, 200, 96)
    fill_box(canvas, 0, 18, SIDE, SIDE, (112, 188, 76))
    petals = ((240, 96, 120), (250, 220, 80), (250, 250, 250), (190, 120, 220))
    for i, (x, y) in enumerate(
        (
            (2, 21),
            (10, 20),
            (18, 21),
            (26, 20),
            (6, 25),
            (14, 24),
            (22, 25),
            (30, 24),
            (2, 29),
            (26, 29),
        )
    ):
        canvas[y, x] = petals[(i + detail) % 4]
        canvas[y + 1, x] = (70, 140, 56)


def _room(canvas: Canvas, detail: int) -> None:
    wall = ((236, 206, 186), (196, 214, 224), (222, 216, 178), (214, 198, 222))[detail]
    fill_box(canvas, 0, 0, SIDE, 22, wall)
    window = 4 if detail % 2 else 20
    fill_box(canvas, window - 1, 3, window + 9, 13, (150, 104, 70))
    fill_box(canvas, window, 4, window + 8, 12, (140, 210, 250))
    fill_box(canvas, window + 4, 4, window + 5, 12, (150, 104, 70))
    picture = 22 if detail % 2 else 4
    fill_box(canvas, picture, 5, picture + 6, 11, (120, 84, 60))
    fill_box(canvas, picture + 1, 6, picture + 5, 10, (238, 160, 120))
    fill_box(canvas, 0, 21, SIDE, 22, (250, 246, 240))
    fill_box(canvas, 0, 22, SIDE, SIDE, (180, 128, 84))
    for y in (25, 29):
        fill_box(canvas, 0, y, SIDE, y + 1, (158, 108, 68))


_PLACES = {
    "beach": _beach,
    "snow": _snow,
    "forest": _forest,
    "city": _city,
    "meadow": _meadow,
    "room": _room,
}
