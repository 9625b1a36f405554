"""What a network that reads pictures of groups learns to say: one class for each label.

place, time                       of the picture
'left kind', 'left colour', ...   of whoever stands there; every class is 'none' where nobody
'middle kind', ...                does, or where such a subject has no such attribute
'right kind', ...
"""

from __future__ import annotations

import numpy as np

from unictoken.toy.world.attributes import (
    ACCESSORIES,
    BRIGHT_COLOURS,
    EARS,
    EYE_COLOURS,
    HAIR_COLOURS,
    HAIR_STYLES,
    MARKS,
    NONE,
    PATTERNS,
    PLACES,
    POSES,
    POSITIONS,
    SHADES,
    SPECIES,
    THINGS,
    TIMES,
)
from unictoken.toy.world.groups import Group, Member
from unictoken.toy.world.subjects import Person, main_rgb

# Attributes that look alike share a label: fur, paint and shirt are 'colour'.
OWN = {
    "species": "kind",
    "fur": "colour",
    "shirt": "colour",
    "mark": "pattern",
}
MEMBER_LABELS = {
    "kind": (*SPECIES, *THINGS, "person"),
    "colour": tuple(SHADES),
    "second": tuple(SHADES),
    "pattern": tuple(dict.fromkeys((*PATTERNS, *MARKS))),
    "ears": EARS,
    "eyes": tuple(EYE_COLOURS),
    "collar": tuple(BRIGHT_COLOURS),
    "trim": tuple(BRIGHT_COLOURS),
    "hair": HAIR_COLOURS,
    "style": HAIR_STYLES,
    "trousers": tuple(BRIGHT_COLOURS),
    "glasses": tuple(BRIGHT_COLOURS),
    "pose": (*POSES, "held"),
    "accessory": ACCESSORIES,
    "accessory_colour": tuple(BRIGHT_COLOURS),
}
LABELS = {"place": PLACES, "time": TIMES} | {
    f"{position} {name}": (NONE, *classes)
    for position in POSITIONS
    for name, classes in MEMBER_LABELS.items()
}


def labels(group: Group) -> dict[str, str]:
    """The true class of every label."""
    said = dict.fromkeys(LABELS, NONE) | {"place": group.place, "time": group.time}
    for member in group.members:
        said |= {f"{member.position} {k}": v for k, v in member_labels(member).items()}
    return said


def member_labels(member: Member) -> dict[str, str]:
    """The labels of one member that are not 'none' by themselves."""
    own = {OWN.get(name, name): value for name, value in member.subject.nameable.items()}
    if isinstance(member.subject, Person):
        own["kind"] = "person"
    shown = ("pose", "accessory", "accessory_colour")
    return own | {name: getattr(member, name) for name in shown}


def label_indices(group: Group) -> np.ndarray:
    """The same as indices into the classes of LABELS, in its order: int64 [len(LABELS)]."""
    said = labels(group)
    return np.array([classes.index(said[name]) for name, classes in LABELS.items()])


def palette(group: Group) -> np.ndarray:
    """The exact main and second colour by position, RGB from 0 to 255: float32 [3, 2, 3]; NaN where
    there is none.
    """
    colours = np.full((len(POSITIONS), 2, 3), np.nan, np.float32)
    for member in group.members:
        row = colours[POSITIONS.index(member.position)]
        row[0] = main_rgb(member.subject)
        if member.subject.second_rgb is not None:
            row[1] = member.subject.second_rgb
    return colours
