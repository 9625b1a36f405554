"""Pets: six species, their ears, patterns, faces and collars."""

from __future__ import annotations

import numpy as np

from unictoken.toy.world.attributes import BRIGHT_COLOURS, EYE_COLOURS, NONE
from unictoken.toy.world.drawing.canvas import (
    LIFT,
    OUTLINE,
    SIDE,
    WHITE,
    Canvas,
    Frame,
    Mask,
    X,
    Y,
    fill_box,
    grown,
    paint,
    tint,
)
from unictoken.toy.world.things import Pet

TUCK = 2  # pixels by which hanging ears are nearer beside another figure, and lie on the head


class PetFigure(Frame):
    """A pet in its place.

    Args:
        pet: Who it is.
        pose: One of POSES.
        position: Where it stands in the picture.
        beside: Whether somebody or something stands beside it.
    """

    def __init__(self, pet: Pet, pose: str, position: str, *, beside: bool = False):
        super().__init__(position, lift=LIFT if pose == "jumping" else 0, beside=beside)
        self.pet, self.pose = pet, pose
        self.head_y = -10 if pose == "sitting" else -14
        self.head_rx = 6.5
        self.head_ry = 5.5
        self.body_rx = {"bear": 5.9, "pig": 5.9}.get(pet.species, 4.9) + pet.girth

    def paint(self, canvas: Canvas) -> None:
        fur = self.pet.fur_rgb
        head, hanging = self._head(), self._ears(down=True)
        tail, body, pricked = self._tail(), self._body(), self._ears(down=False)
        # From back to front: each part covers those before it.
        if self.beside:
            parts = (tail, body, pricked, head, hanging)
            head &= ~grown(hanging)
        else:
            parts = (tail, body, pricked | hanging, head)
        for part in parts:
            paint(canvas, part, fur)
        self._markings(canvas, body, head, pricked | hanging, tail)
        self._face(canvas, head)
        self._collar(canvas)

    def hold_out(self, canvas: Canvas, side: int) -> None:
        """An arm under a thing that stands on that side (-1: left, 1: right)."""
        self.arm(canvas, side, self.pet.fur_rgb, self.pet.fur_rgb)

    def _head(self) -> Mask:
        head = self.ellipse(0, self.head_y, self.head_rx, self.head_ry)
        if self.pet.species == "fox":
            head |= self.ellipse(0, self.head_y + 2, self.head_rx + 1.2, 2.4)
        return head

    def _body(self) -> Mask:
        rx = self.body_rx
        if self.pose == "sitting":
            return (
                self.ellipse(0, -3, rx, 4)
                | self.box(-rx - 0.5, -2, -rx + 2.5, 0)
                | self.box(rx - 2.5, -2, rx + 0.5, 0)
            )
        body = self.ellipse(0, -6, rx, 4.2)
        spread = 1 if self.pose == "jumping" else 0
        for foot in (-rx + 0.5 - spread, rx - 2.5 + spread):
            body |= self.box(foot, -4, foot + 2, 0)
        return body

    def _tail(self) -> Mask:
        rx, y = self.body_rx, -4 if self.pose == "sitting" else -6
        match self.pet.species:
            case "dog":
                return self.ellipse(rx + 1.5, y - 2, 1.3, 2.6)
            case "cat":
                return self.box(rx, y + 1, rx + 2, y + 2) | self.box(rx + 2, y - 5, rx + 3, y + 1)
            case "fox":
                return self.ellipse(rx + 2, y, 2.8, 3.6)
            case "rabbit":
                return self.ellipse(rx + 0.6, y + 2, 1.8, 1.8)
            case "pig":
                return self.box(rx + 1, y - 1, rx + 2, y)
        return self.ellipse(rx, y + 2, 1.2, 1.2)

    def _ears(self, *, down: bool) -> Mask:
        """The ears that hang, or those that do not."""
        ears = np.zeros((SIDE, SIDE), bool)
        for side in (-1, 1):
            hangs = self.pet.ears == "floppy" or (self.pet.ears == "lopsided" and side == 1)
            if hangs == down:
                ears |= self._ear(side, down)
        return ears

    def _ear(self, side: int, down: bool) -> Mask:
        # Ears are a pixel shorter or a pixel longer.
        y, rx, longer = self.head_y, self.head_rx, 2 * self.pet.ear_length - 1
        rx -= TUCK if down and self.beside else 0
        match self.pet.species:
            case "rabbit" if down:
                return self.ellipse(side * (rx + 0.8), y + 2 + longer / 2, 1.8, 5 + longer / 2)
            case "rabbit":
                return self.ellipse(side * (rx - 3), y - 7 - longer / 2, 1.7, 4.6 + longer / 2)
            case "bear" if down:
                return self.ellipse(side * (rx + 0.5), y - 1.5, 2 + longer / 3, 2.4)
            case "bear":
                return self.ellipse(side * (rx - 1.5), y - 4.6, 2.6 + longer / 2, 2.6 + longer / 2)
            case "dog" if down:
                return self.ellipse(side * (rx + 0.4), y - 0.5 + longer / 2, 2.2, 4 + longer / 2)
            case "pig" if down:
                return self.wedge(side * (rx - 0.5), y + 1 + longer, y - 5, 2.4)
        if down:
            return self.box(side * (rx - 3), y - 6, side * (rx + 1.5), y - 4) | self.box(
                side * (rx + 0.5), y - 4, side * (rx + 1.5), y - 2 + longer
            )
        height = {"cat": 4.5, "dog": 4, "fox": 6, "pig": 3}[self.pet.species] + longer
        width = {"cat": 2.6, "dog": 2.2, "fox": 3.2, "pig": 2}[self.pet.species]
        return self.wedge(side * (rx - 2.6), y - 3.5 - height, y - 2, width, lean=side * 0.6)

    def _markings(self, canvas: Canvas, body: Mask, head: Mask, ears: Mask, tail: Mask) -> None:
        second = self.pet.second_rgb
        if second is None:
            return
        # The layout is the pet's own: the same in every picture of it.
        rng = np.random.default_rng(self.pet.markings)
        y, sitting = self.head_y, self.pose == "sitting"
        match self.pet.pattern:
            case "spotted":
                spots = np.zeros_like(body)
                for x in (-5, 0, 5):
                    spots |= (
                        self.ellipse(x + rng.integers(2) - 0.5, y - 3 - rng.integers(2), 1.6, 1.6)
                        & head
                    )
                for x in (-4, -1, 3):
                    spots |= (
                        self.ellipse(
                            x + rng.integers(2), (-2 if sitting else -4) - rng.integers(2), 1.6, 1.6
                        )
                        & body
                    )
                canvas[spots] = second
            case "striped":
                # Two rows in four; in which of them they begin is the pet's own.
                rows = (Y - self.at(0, y)[1]).astype(int) + rng.integers(4)
                canvas[(rows % 4 < 2) & (body | tail)] = second
                for x in (-4, 0, 4):
                    canvas[self.box(x - 0.5, y - 6, x + 0.5, y - 3) & head] = second
            case "patched":
                side = -1 if rng.integers(2) else 1
                canvas[self.ellipse(side * 3.4, y - 1.2, 3.1, 3.4) & head] = second
                height = (-2.5 if sitting else -6) + rng.uniform(-1, 1)
                canvas[self.ellipse(-side * self.body_rx * 0.7, height, 3.2, 3) & body] = second
                # The ear on the patch's side; -30 to 0 covers every height that an ear can have.
                canvas[ears & self.box(side * 1, -30, side * 14, 0)] = second
            case "bellied":
                canvas[
                    self.ellipse(
                        0,
                        -5 if self.pose != "sitting" else -2.6,
                        3 + rng.uniform(-0.6, 0.6),
                        3.4,
                    )
                    & body
                ] = second
                canvas[self.ellipse(0, y + 4, 3.6, 3) & head] = second
            case "socked":
                height = 2 + rng.integers(2)
                canvas[body & self.box(-12, -height, 12, 1)] = second
                # The tips of the ears: of pricked ones the top, of hanging ones the lower end.
                canvas[ears & (Y < self.at(0, y - 5)[1])] = second
                canvas[
                    ears & (abs(X - self.column) > (self.head_rx + 0.4)) & (Y > self.at(0, y)[1])
                ] = second
                canvas[tail & (Y < self.at(0, -6)[1])] = second

    def _face(self, canvas: Canvas, head: Mask) -> None:
        pet, y = self.pet, self.head_y
        # Whole pixels on the code grid, so that the same eyes are the same codes in every picture.
        x_left, top = int(self.column - 3.5), int(self.at(0, y)[1]) - 2
        for x in (x_left, x_left + 5):
            fill_box(
                canvas, x, top, x + 3, top + 1, (150, 150, 160) if pet.fur == "black" else OUTLINE
            )
            fill_box(canvas, x, top + 1, x + 3, top + 3, EYE_COLOURS[pet.eyes])
            canvas[top + 1, x] = WHITE
        nose = (36, 26, 28) if pet.fur not in ("black",) else (120, 96, 100)
        match pet.species:
            case "pig":
                canvas[self.ellipse(0, y + 2.8, 2.6, 1.7)] = (244, 156, 160)
                canvas[
                    self.box(-1.5, y + 2.5, -1, y + 3.5) | self.box(1, y + 2.5, 1.5, y + 3.5)
                ] = (150, 60, 76)
            case "bear":
                canvas[self.ellipse(0, y + 3, 2.7, 1.9) & head] = (236, 214, 184)
                canvas[self.box(-1, y + 2, 1, y + 2.6)] = nose
            case "dog":
                canvas[self.box(-1.5, y + 1.6, 1.5, y + 2.6)] = nose
                canvas[self.box(-0.5, y + 4, 0.5, y + 5)] = (236, 110, 120)
            case "cat":
                canvas[self.box(-0.5, y + 1.8, 0.5, y + 2.4)] = (240, 130, 146)
                for side in (-1, 1):
                    canvas[self.box(side * 4.6, y + 2.8, side * 8.4, y + 3)] = (250, 250, 250)
            case "fox":
                for side in (-1, 1):
                    canvas[self.ellipse(side * 5, y + 3, 2.6, 1.8) & head] = (252, 248, 240)
                canvas[self.box(-0.6, y + 2.6, 0.6, y + 3.4)] = nose
            case "rabbit":
                canvas[self.box(-0.5, y + 1.6, 0.5, y + 2)] = (240, 130, 146)
                canvas[self.box(-0.6, y + 3.6, 0.6, y + 4.4)] = (255, 255, 255)

    def _collar(self, canvas: Canvas) -> None:
        if self.pet.collar == NONE:
            return
        y = self.head_y + 6
        colour = BRIGHT_COLOURS[self.pet.collar]
        canvas[self.box(-4.5, y - 0.5, 4.5, y + 0.5)] = colour
        canvas[self.box(-3.5, y + 1, 3.5, y + 1.5)] = tint(colour, 0.8)
        canvas[self.box(-0.5, y + 1, 0.5, y + 2)] = (255, 214, 90)
