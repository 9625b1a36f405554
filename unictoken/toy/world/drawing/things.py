"""Things: sprites in their own colours, each with its mark."""

from __future__ import annotations

from functools import cache

import numpy as np

from unictoken.toy.world.attributes import BRIGHT_COLOURS
from unictoken.toy.world.drawing.canvas import (
    COLUMN,
    GROUND,
    HELD,
    OUTLINE,
    SIDE,
    Canvas,
    Mask,
    X,
    Y,
    tint,
)
from unictoken.toy.world.drawing.sprites import SPRITES, STAR
from unictoken.toy.world.subjects import Thing

PATCH = 4  # pixels of a code, each way: marks repeat with it, so that they are few codes
# What a sprite's letters stand for; the others depend on the thing.
FIXED = {
    "#": OUTLINE,
    "s": (150, 156, 168),
    "k": (62, 44, 40),
    "g": (168, 222, 250),
    "w": (244, 240, 228),
    "y": (255, 226, 120),
}


@cache
def _letters(drawn: str) -> np.ndarray:
    """Rows of letters as an array of single letters."""
    return np.array([list(row) for row in drawn.split()])


class ThingFigure:
    """A thing in its place; its sprite never leaves the half of the picture that it stands in.

    Args:
        thing: What it is.
        position: Where it stands in the picture.
        held: Whether it is held up.
    """

    def __init__(self, thing: Thing, position: str, *, held: bool = False):
        self.thing = thing
        sprite = _letters(SPRITES[thing.kind])
        height, width = sprite.shape
        left = int(COLUMN[position] + 0.5) - width // 2
        # The sprite's last row stands where the outline of a pet's feet does.
        bottom = GROUND + 2 - (HELD if held else 0)
        self.letters = np.full((SIDE, SIDE), ".")
        self.letters[bottom - height : bottom, left : left + width] = sprite

    def paint(self, canvas: Canvas) -> None:
        main = self.thing.main_rgb
        own = {"m": main, "n": main, "d": tint(main, 0.75), "t": BRIGHT_COLOURS[self.thing.trim]}
        for letter, colour in {**FIXED, **own}.items():
            canvas[self.letters == letter] = colour
        if self.thing.second_rgb:
            canvas[self._mark()] = self.thing.second_rgb

    def _mark(self) -> Mask:
        """The pixels of the second colour; where they begin is the thing's own."""
        marked, other = self.letters == "m", self.thing.layout
        rows, columns = (np.flatnonzero(marked.any(axis)) for axis in (1, 0))
        match self.thing.mark:
            case "spotted":
                pattern = ((X - 1) % PATCH < 2) & ((Y - 2 * other) % PATCH < 2)
            case "striped":
                pattern = (X - 2 * other) % PATCH < 2
            case "checked":
                pattern = (X // PATCH + Y // PATCH) % 2 == other
            case "banded":
                # Whole rows of codes; those that are hardly inside the thing would not be seen.
                codes, inside = np.unique(rows // PATCH, return_counts=True)
                pattern = Y // PATCH == codes[inside >= PATCH - 1][other]
            case _:
                pattern = _star((rows[0] + rows[-1]) // 2, (columns[0] + columns[-1]) // 2 + other)
        return marked & pattern


def _star(row: int, column: int) -> Mask:
    """A star around a pixel."""
    star = _letters(STAR) == "#"
    pattern = np.zeros((SIDE, SIDE), bool)
    top, left = row - star.shape[0] // 2, column - star.shape[1] // 2 + 1
    pattern[top : top + star.shape[0], left : left + star.shape[1]] = star
    return pattern
