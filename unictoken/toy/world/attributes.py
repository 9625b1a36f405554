"""What can be named in the toy world, and which colours the names stand for."""

from __future__ import annotations

import numpy as np

SPECIES = ("dog", "cat", "rabbit", "bear", "fox", "pig")
PATTERNS = ("plain", "spotted", "striped", "patched", "bellied", "socked")
EARS = ("pricked", "floppy", "lopsided")
POSES = ("standing", "sitting", "jumping")
POSITIONS = ("left", "middle", "right")
TIMES = ("day", "night")
PLACES = ("beach", "snow", "forest", "city", "meadow", "room")
ACCESSORIES = ("cap", "party hat", "top hat", "beanie", "bow")
NONE = "none"

# A colour name covers a segment of exact shades, from its first to its second end. Words stop at
# the name; where a pet lies on the segment is what only a picture (or a learned token) can say.
FUR_SHADES = {
    "white": ((206, 220, 240), (255, 250, 234)),
    "grey": ((96, 102, 116), (170, 172, 176)),
    "black": ((20, 20, 28), (64, 58, 66)),
    "brown": ((84, 46, 26), (156, 98, 56)),
    "orange": ((206, 92, 20), (246, 164, 70)),
    "cream": ((220, 184, 124), (248, 226, 180)),
    "blue": ((56, 98, 170), (124, 176, 228)),
}
EYE_COLOURS = {
    "green": (64, 176, 72),
    "blue": (60, 132, 232),
    "amber": (240, 176, 32),
    "dark": (40, 28, 28),
}
BRIGHT_COLOURS = {  # collars and accessories
    "red": (218, 44, 48),
    "blue": (44, 92, 216),
    "green": (36, 156, 76),
    "yellow": (248, 208, 48),
    "purple": (146, 66, 188),
}

# Things and people stand beside pets, or alone.
THINGS = ("mug", "ball", "robot", "drum", "kite", "car", "boat", "train")
MARKS = ("plain", "spotted", "striped", "checked", "banded", "starred")
HAIR_STYLES = ("short", "long", "curly", "tied")
PAINT_SHADES = {  # things and shirts; a name that fur has too covers the same shades
    "white": FUR_SHADES["white"],
    "red": ((156, 18, 40), (242, 84, 84)),
    "orange": FUR_SHADES["orange"],
    "yellow": ((218, 182, 0), (255, 244, 140)),
    "green": ((18, 94, 58), (104, 196, 92)),
    "blue": FUR_SHADES["blue"],
    "purple": ((96, 40, 140), (186, 124, 224)),
}
HAIR_COLOURS = ("black", "brown", "orange", "cream", "grey")
SKINS = ((255, 214, 178), (226, 168, 122), (146, 94, 66))  # of a person, without names
SHADES = {**FUR_SHADES, **PAINT_SHADES}

# Every attribute that a sentence about a pet, or about a scene, can name, with its values.
PET_ATTRIBUTES = {
    "species": SPECIES,
    "fur": tuple(FUR_SHADES),
    "second": (NONE, *FUR_SHADES),
    "pattern": PATTERNS,
    "ears": EARS,
    "eyes": tuple(EYE_COLOURS),
    "collar": (NONE, *BRIGHT_COLOURS),
}
# The same of a thing; `trim` is the colour of one part, which each kind has its own noun for.
THING_ATTRIBUTES = {
    "kind": THINGS,
    "colour": tuple(PAINT_SHADES),
    "second": (NONE, *PAINT_SHADES),
    "mark": MARKS,
    "trim": tuple(BRIGHT_COLOURS),
}
PERSON_ATTRIBUTES = {
    "hair": HAIR_COLOURS,
    "style": HAIR_STYLES,
    "shirt": tuple(PAINT_SHADES),
    "trousers": tuple(BRIGHT_COLOURS),
    "glasses": (NONE, *BRIGHT_COLOURS),
}
# Those of a pet that a drawing must show to be of it.
IDENTITY = ("species", "fur", "second", "pattern", "collar")
SCENE_ATTRIBUTES = {
    "place": PLACES,
    "time": TIMES,
    "pose": POSES,
    "position": POSITIONS,
    "accessory": (NONE, *ACCESSORIES),
    "accessory_colour": (NONE, *BRIGHT_COLOURS),
}


def shade(name: str, amount: float) -> tuple[int, int, int]:
    """The RGB that lies `amount` (0 to 1) along the segment of a colour's name."""
    low, high = (np.array(end, float) for end in SHADES[name])
    return tuple(int(v) for v in np.rint(low + amount * (high - low)))
