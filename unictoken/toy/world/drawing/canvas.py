"""The canvas, and the shapes that a figure is made of."""

from __future__ import annotations

import numpy as np

SIDE = 32
GROUND = 29  # the row of the feet; puts the eyes of every pose inside one row of codes
# of a figure's middle; steps of 8 keep the 4-pixel grid of the codes
COLUMN = {"left": 7.5, "middle": 15.5, "right": 23.5}
REACH = 7.0  # beside another figure: with its outline, a figure is then 16 pixels wide
LIFT = 4  # pixels above the ground, of a figure that jumps: one row of codes
HELD = 8  # pixels above the ground, of a thing that is held up: two rows of codes
OUTLINE = (22, 18, 26)
WHITE = (250, 250, 250)
X, Y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))

Colour = tuple[int, int, int]
Canvas = np.ndarray  # [32, 32, 3] float32, RGB from 0 to 255
Mask = np.ndarray  # [32, 32] bool


def fill_box(canvas: Canvas, x0: int, y0: int, x1: int, y1: int, colour: Colour) -> None:
    """Colours a rectangle of whole pixels.

    Args:
        canvas: What is painted on.
        x0: The first column; what is left of the canvas is cut off.
        y0: The first row; what is above the canvas is cut off.
        x1: The column after the last one.
        y1: The row after the last one.
        colour: RGB.
    """
    canvas[max(y0, 0) : y1, max(x0, 0) : x1] = colour


def fill_disc(canvas: Canvas, x: float, y: float, radius: float, colour: Colour) -> None:
    """Colours a disc.

    Args:
        canvas: What is painted on.
        x: The column of its middle.
        y: The row of its middle.
        radius: In pixels.
        colour: RGB.
    """
    canvas[(X - x) ** 2 + (Y - y) ** 2 <= radius**2] = colour


def tint(colour: Colour, factor: float) -> Colour:
    """Darker below 1, towards white above."""
    c = np.array(colour, np.float32)
    return tuple(c * factor if factor <= 1 else c + (255 - c) * (factor - 1))


def grown(part: Mask) -> Mask:
    """The part, one pixel wider in the four directions."""
    around = part.copy()
    around[1:] |= part[:-1]
    around[:-1] |= part[1:]
    around[:, 1:] |= part[:, :-1]
    around[:, :-1] |= part[:, 1:]
    return around


def paint(canvas: Canvas, part: Mask, colour: Colour) -> None:
    """Colours a part, with an outline around it."""
    canvas[grown(part) & ~part] = OUTLINE
    canvas[part] = colour


class Frame:
    """Where a figure stands. Coordinates: pixels right of its middle and above (negative) its feet,
    unscaled.
    """

    def __init__(self, position: str, *, lift: int = 0, beside: bool = False):
        self.column, self.lift, self.beside = COLUMN[position], lift, beside
        # Beside another figure every shape ends here; alone it may be wider.
        self.room = abs(X - self.column) <= (REACH if beside else SIDE)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The column and the row of a point."""
        return self.column + x, GROUND - self.lift + y

    def ellipse(self, x: float, y: float, rx: float, ry: float) -> Mask:
        """The pixels whose centres lie in an ellipse.

        Args:
            x: Its middle, in the figure's coordinates.
            y: The same, vertically.
            rx: Half its width, in pixels.
            ry: Half its height, in pixels.
        """
        cx, cy = self.at(x, y)
        # 1.02: pixels on the edge itself count, however fp32 rounds.
        return (((X - cx) / (rx)) ** 2 + ((Y - cy) / (ry)) ** 2 <= 1.02) & self.room

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Mask:
        """The pixels whose centres lie in a rectangle, its edges included.

        Args:
            x0: One side, in the figure's coordinates; may be right of `x1`.
            y0: The upper edge.
            x1: The other side.
            y1: The lower edge.
        """
        (left, top), (right, bottom) = self.at(x0, y0), self.at(x1, y1)
        # A mirrored box (side -1) comes with its sides swapped.
        left, right = min(left, right), max(left, right)
        inside = (X >= left - 0.01) & (X <= right + 0.01) & (Y >= top - 0.01) & (Y <= bottom + 0.01)
        return inside & self.room

    def wedge(
        self, x: float, tip_y: float, base_y: float, half_width: float, lean: float = 0.0
    ) -> Mask:
        """The pixels of a triangle with a horizontal base.

        Args:
            x: The middle of its base, in the figure's coordinates.
            tip_y: The height of its tip; below `base_y` for one that hangs.
            base_y: The height of its base.
            half_width: Half the base's width, in pixels.
            lean: How far the tip stands right of the base's middle, in pixels.
        """
        cx, tip = self.at(x, tip_y)
        _, base = self.at(x, base_y)
        down = (Y - tip) / (base - tip)
        middle = cx + lean * (1 - down)
        # 0.3: the tip is one pixel wide, not none.
        inside = (down >= -0.01) & (down <= 1.01) & (abs(X - middle) <= half_width * down + 0.3)
        return inside & self.room

    def shadow(self, canvas: Canvas) -> None:
        """Darkens the ground under a figure that is in the air."""
        if self.lift:
            canvas[self.ellipse(0, 0.4 + self.lift, 5.5, 1.0)] *= 0.7

    def arm(self, canvas: Canvas, side: int, sleeve: Colour, hand: Colour) -> None:
        """Paints an arm under a thing that is held.

        Args:
            canvas: What is painted on.
            side: 1: to the right, -1: to the left.
            sleeve: The colour of the arm.
            hand: The colour of its end.
        """
        x, y = self.at(side * 5, -6)
        ends = (x, x + side * 7)
        arm = (X >= min(ends)) & (X <= max(ends)) & (Y >= y) & (Y <= y + 1)
        paint(canvas, arm, sleeve)
        canvas[arm & (abs(X - x) > 5)] = hand
