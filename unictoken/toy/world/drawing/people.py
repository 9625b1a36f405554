"""People: their hair, faces, glasses and clothes."""

from __future__ import annotations

from unictoken.toy.world.attributes import BRIGHT_COLOURS, NONE, SKINS
from unictoken.toy.world.drawing.canvas import (
    LIFT,
    OUTLINE,
    Canvas,
    Frame,
    Mask,
    fill_box,
    paint,
)
from unictoken.toy.world.subjects import Person

SHOES = (70, 54, 52)
LENS = (226, 240, 250)
LIPS = (196, 74, 84)
SIDES = (-1, 1)


class PersonFigure(Frame):
    """A person in their place; the eyes stand where a pet's do, and the same hats fit.

    Args:
        person: Who it is.
        pose: One of POSES.
        position: Where they stand in the picture.
        beside: Whether somebody or something stands beside them.
    """

    def __init__(self, person: Person, pose: str, position: str, *, beside: bool = False):
        super().__init__(position, lift=LIFT if pose == "jumping" else 0, beside=beside)
        self.person, self.pose = person, pose
        self.head_y = -10 if pose == "sitting" else -14

    def paint(self, canvas: Canvas) -> None:
        hair, y = self.person.second_rgb, self.head_y
        head = self.ellipse(0, y, 5, 5.5)
        if self.pose == "sitting":
            self._shirt(canvas)
            self._legs(canvas)
        else:
            self._legs(canvas)
            self._shirt(canvas)
        paint(canvas, head | self._hair(), hair)
        canvas[head & ~self._fringe()] = SKINS[self.person.skin]
        self._face(canvas)

    def hold_out(self, canvas: Canvas, side: int) -> None:
        """An arm under a thing that stands on that side (-1: left, 1: right)."""
        self.arm(canvas, side, self.person.main_rgb, SKINS[self.person.skin])

    def _hair(self) -> Mask:
        """What stands out around the head."""
        y = self.head_y
        hair = self.ellipse(0, y - 1, 6, 5.5) & self.box(-9, y - 9, 9, y)
        for side in SIDES:
            match self.person.style:
                case "long":
                    hair |= self.box(side * 5, y - 2, side * 6.6, y + 7)
                case "curly":
                    for x, height in ((2, -6), (5.2, -4), (5.6, 0), (5.2, 3)):
                        hair |= self.ellipse(side * x, y + height, 1.9, 1.9)
                case "tied":
                    hair |= self.ellipse(side * 5.6, y + 5, 1.5, 2.8)
        return hair

    def _fringe(self) -> Mask:
        """The part of the head that hair covers."""
        y = self.head_y
        fringe = self.box(-9, y - 9, 9, y - 3)
        for side in SIDES:
            fringe |= self.box(side * 4.4, y - 9, side * 9, y - 1)
        return fringe

    def _face(self, canvas: Canvas) -> None:
        y = self.head_y
        # Whole pixels on the code grid, as a pet's eyes.
        x_left, top = int(self.column - 3.5), int(self.at(0, y)[1]) - 2
        for x in (x_left, x_left + 5):
            if self.person.glasses != NONE:
                fill_box(canvas, x - 1, top, x + 4, top + 5, BRIGHT_COLOURS[self.person.glasses])
                fill_box(canvas, x, top + 1, x + 3, top + 4, LENS)
            fill_box(canvas, x + 1, top + 1, x + 2, top + 4, OUTLINE)
        canvas[self.box(-1, y + 3.6, 1, y + 4.4)] = LIPS

    def _shirt(self, canvas: Canvas) -> None:
        colour, skin = self.person.main_rgb, SKINS[self.person.skin]
        low = -1 if self.pose == "sitting" else -4
        paint(canvas, self.box(-4, low - 4, 4, low), colour)
        for side in SIDES:
            if self.pose == "jumping":
                arm, hand = (low - 6, low - 2), low - 6
            else:
                arm, hand = (low - 3, low), low
            paint(canvas, self.box(side * 5, arm[0], side * 6.6, arm[1]), colour)
            canvas[self.box(side * 5, hand, side * 6.6, hand)] = skin

    def _legs(self, canvas: Canvas) -> None:
        colour = BRIGHT_COLOURS[self.person.trousers]
        for side in SIDES:
            if self.pose == "sitting":
                paint(canvas, self.box(side * 3, -1.5, side * 6.6, 0), colour)
                canvas[self.box(side * 5, -1.5, side * 6.6, 0)] = SHOES
            else:
                paint(canvas, self.box(side, -3.5, side * 3.6, 0), colour)
                canvas[self.box(side, 0, side * 3.6, 0)] = SHOES
