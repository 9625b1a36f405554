"""Pictures of one subject or of two side by side: exactly who is where, wearing and doing what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from unictoken.toy.world.attributes import NONE, POSES, POSITIONS
from unictoken.toy.world.subjects import Subject, Thing
from unictoken.toy.world.things import Scene, sample_scene

SIDES = ("left", "right")  # where two stand
THING_POSES = ("standing", "held")
HOLDING = 0.3  # of the pictures of a thing beside somebody who can hold it


@dataclass(frozen=True, kw_only=True)
class Member:
    """A subject and how a picture shows it."""

    subject: Subject
    position: str
    pose: str = "standing"
    accessory: str = NONE
    accessory_colour: str = NONE

    @property
    def is_thing(self) -> bool:
        return isinstance(self.subject, Thing)

    def __post_init__(self):
        poses = THING_POSES if self.is_thing else POSES
        if self.pose not in poses:
            raise ValueError(f"pose {self.pose!r}, expected one of {poses}")
        if self.is_thing and self.accessory != NONE:
            raise ValueError(f"a thing that wears a {self.accessory}, expected {NONE!r}")


@dataclass(frozen=True, kw_only=True)
class Group:
    """The truth about one picture. Members: nobody, one anywhere, or two, left and right in this
    order. All but `detail` is nameable.
    """

    place: str
    time: str
    detail: int
    members: tuple[Member, ...]

    def __post_init__(self):
        stand = tuple(member.position for member in self.members)
        if stand not in [(), *((position,) for position in POSITIONS), SIDES]:
            raise ValueError(f"members stand at {stand}, expected one anywhere, or {SIDES}")
        if any(m.pose == "held" for m in self.members) and self.holder is None:
            raise ValueError("a thing is held by nobody who stands beside it")

    def at(self, position: str) -> Member | None:
        """Who or what stands there."""
        return next((m for m in self.members if m.position == position), None)

    def other(self, member: Member) -> Member | None:
        """Who or what stands beside a member."""
        return next((m for m in self.members if m.position != member.position), None)

    @property
    def holder(self) -> Member | None:
        """Who holds a thing; they stand."""
        held = any(m.pose == "held" for m in self.members)
        able = (m for m in self.members if not m.is_thing and m.pose == "standing")
        return next(able, None) if held else None

    def scene_of(self, member: Member) -> Scene:
        """One member's part of the truth, as `language.py` takes it."""
        return Scene(
            place=self.place,
            time=self.time,
            pose=member.pose,
            position=member.position,
            accessory=member.accessory,
            accessory_colour=member.accessory_colour,
            detail=self.detail,
        )

    def changed(self, member: Member, **changes: str) -> Group:
        """The same picture with one member shown otherwise."""
        members = tuple(replace(m, **changes) if m == member else m for m in self.members)
        return replace(self, members=members)

    def without(self, member: Member) -> Group:
        """The same picture with one member gone."""
        return replace(self, members=tuple(m for m in self.members if m != member))


def alone(subject: Subject, scene: Scene) -> Group:
    """The group of a subject in a scene; a thing stands, and wears nothing."""
    return Group(
        place=scene.place, time=scene.time, detail=scene.detail, members=(_shown(subject, scene),)
    )


def _shown(subject: Subject, scene: Scene) -> Member:
    """A subject the way a scene shows it; things stand, and wear nothing."""
    if isinstance(subject, Thing):
        return Member(subject=subject, position=scene.position)
    return Member(
        subject=subject,
        position=scene.position,
        pose=scene.pose,
        accessory=scene.accessory,
        accessory_colour=scene.accessory_colour,
    )


def sample_group(subjects: Sequence[Subject], rng: np.random.Generator) -> Group:
    """Nobody, one or two subjects in a place, everything but themselves drawn at random.

    One pet stands as in `sample_scene` from the same generator. Two are put left and right in
    either order.
    """
    # The first scene says the place; of the others only pose and accessory are used.
    scenes = [sample_scene(rng) for _ in subjects]
    members = [_shown(subject, scene) for subject, scene in zip(subjects, scenes, strict=True)]
    if len(members) == 2:
        order = rng.permutation(2)
        members = [
            replace(members[int(i)], position=side) for i, side in zip(order, SIDES, strict=True)
        ]
        if members[0].is_thing != members[1].is_thing and rng.random() < HOLDING:
            members = [replace(m, pose="held" if m.is_thing else "standing") for m in members]
    first = scenes[0] if scenes else sample_scene(rng)
    return Group(place=first.place, time=first.time, detail=first.detail, members=tuple(members))
