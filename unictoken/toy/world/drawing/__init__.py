"""`draw(subject, scene)` and `draw_group(group)`: pixel art on a 32 x 32 canvas, without
anti-aliasing, pure.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from unictoken.toy.world.drawing.canvas import COLUMN, SIDE, Canvas
from unictoken.toy.world.drawing.clothes import wear
from unictoken.toy.world.drawing.people import PersonFigure
from unictoken.toy.world.drawing.pets import PetFigure
from unictoken.toy.world.drawing.places import background
from unictoken.toy.world.drawing.things import ThingFigure
from unictoken.toy.world.groups import Group, Member, alone
from unictoken.toy.world.subjects import Person, Subject, Thing
from unictoken.toy.world.things import Scene

__all__ = ["COLUMN", "SIDE", "draw", "draw_group"]


def draw(subject: Subject, scene: Scene) -> Image.Image:
    """The picture of a subject alone in a scene: RGB, 32 x 32."""
    return draw_group(alone(subject, scene))


def draw_group(group: Group) -> Image.Image:
    """The picture of nobody, of one subject, or of two side by side: RGB, 32 x 32."""
    canvas = background(group.place, group.time, group.detail)
    for member in group.members:
        _draw_member(canvas, member, group)
    return Image.fromarray(canvas.clip(0, 255).astype(np.uint8))


def _draw_member(canvas: Canvas, member: Member, group: Group) -> None:
    subject, position = member.subject, member.position
    if isinstance(subject, Thing):
        ThingFigure(subject, position, held=member.pose == "held").paint(canvas)
        return
    figure_of = PersonFigure if isinstance(subject, Person) else PetFigure
    beside = group.other(member) is not None
    figure = figure_of(subject, member.pose, position, beside=beside)
    figure.shadow(canvas)
    figure.paint(canvas)
    if member == group.holder:
        figure.hold_out(canvas, 1 if position == "left" else -1)
    wear(canvas, figure, figure.head_y, member.accessory, member.accessory_colour)
