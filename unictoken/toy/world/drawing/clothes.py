"""What is worn on a head: hats and a bow."""

from __future__ import annotations

import numpy as np

from unictoken.toy.world.attributes import BRIGHT_COLOURS, NONE
from unictoken.toy.world.drawing.canvas import Canvas, Frame, Y, paint, tint


def wear(canvas: Canvas, figure: Frame, head_y: float, kind: str, colour_name: str) -> None:
    """Puts something on a figure's head.

    Args:
        canvas: What is painted on.
        figure: Who wears it.
        head_y: The height of the head's middle, in the figure's coordinates.
        kind: One of ACCESSORIES, or 'none'.
        colour_name: One of BRIGHT_COLOURS, or 'none'.
    """
    if kind == NONE:
        return
    colour = BRIGHT_COLOURS[colour_name]
    light, dark = tint(colour, 1.35), tint(colour, 0.72)
    top = head_y - 4  # where hats sit
    match kind:
        case "cap":
            crown = figure.ellipse(0, top + 0.5, 5, 3.6) & figure.box(-9, top - 4, 9, top + 0.6)
            paint(canvas, crown | figure.box(0, top, 8.5, top + 1), colour)
            canvas[figure.box(3, top, 8.5, top + 1)] = dark
        case "party hat":
            hat = figure.wedge(0, top - 7, top + 0.6, 4)
            paint(canvas, hat, colour)
            canvas[hat & ((np.floor(Y - figure.at(0, top)[1]) % 3) == 0)] = light
            canvas[figure.ellipse(0, top - 7, 1.2, 1.2)] = (255, 250, 240)
        case "top hat":
            paint(
                canvas,
                figure.box(-3.5, top - 5.5, 3.5, top) | figure.box(-6.5, top, 6.5, top + 1),
                colour,
            )
            canvas[figure.box(-3.5, top - 1.5, 3.5, top - 0.5)] = light
        case "beanie":
            paint(
                canvas,
                figure.ellipse(0, top + 1, 5.8, 4.4) & figure.box(-9, top - 6, 9, top + 1),
                colour,
            )
            canvas[figure.box(-5.6, top, 5.6, top + 1)] = light
            canvas[figure.ellipse(0, top - 4, 1.6, 1.4)] = (255, 250, 240)
        case "bow":
            knot_x, knot_y = 3.6, top - 0.2
            loops = figure.ellipse(knot_x - 2.6, knot_y, 2, 2) | figure.ellipse(
                knot_x + 2.6, knot_y, 2, 2
            )
            paint(canvas, loops, colour)
            canvas[figure.ellipse(knot_x, knot_y, 1.1, 1.1)] = light
