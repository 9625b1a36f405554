"""Actions over two to four frames: exactly who does what, and when it has happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unictoken.toy.world.attributes import ACCESSORIES, BRIGHT_COLOURS, NONE, POSITIONS
from unictoken.toy.world.groups import Group, Member, sample_group
from unictoken.toy.world.subjects import Subject, Thing
from unictoken.toy.world.things import choice

MAX_FRAMES = 4
ACTIONS = (
    "walk right",
    "walk left",
    "put on",
    "take off",
    "sit down",
    "stand up",
    "pick up",
    "put down",
    "lose",
    "come",
    "leave",
)
WITH_THING = ("pick up", "put down", "lose")  # of two subjects, one of them a thing
WITH_OTHER = ("come", "leave")  # beside somebody or something
ALONE = ("walk right", "walk left")  # nobody is in the way
REVERSED = ("take off", "stand up", "put down", "leave")  # the opposite, backwards


@dataclass(frozen=True, kw_only=True)
class Story:
    """Frames in the order of time. `change` is the index of the first one in which the action is
    over.
    """

    action: str
    actor: Subject
    frames: tuple[Group, ...]
    change: int

    @property
    def whole_at(self) -> int:
        """The index of a frame in which everybody is."""
        # Only the first or the last state lacks anybody.
        return max(0, self.change, key=lambda i: len(self.frames[i].members))

    def shown(self, frame: int) -> Member | None:
        """The actor in a frame."""
        return next((m for m in self.frames[frame].members if m.subject == self.actor), None)

    def beside(self, frame: int) -> Member | None:
        """Who or what else is in a frame."""
        return next((m for m in self.frames[frame].members if m.subject != self.actor), None)


def possible_actions(subjects: Sequence[Subject]) -> tuple[str, ...]:
    """The actions that the first of one or two subjects can do."""
    if isinstance(subjects[0], Thing):
        return WITH_OTHER if len(subjects) == 2 else ()
    if len(subjects) == 1:
        return tuple(a for a in ACTIONS if a not in WITH_THING + WITH_OTHER)
    has_thing = isinstance(subjects[1], Thing)
    return tuple(a for a in ACTIONS if a not in ALONE and (has_thing or a not in WITH_THING))


def sample_story(
    subjects: Sequence[Subject], rng: np.random.Generator, *, action: str | None = None
) -> Story:
    """The first of one or two different subjects does something.

    Args:
        subjects: The actor, and who or what else is there.
        rng: What everything is drawn from.
        action: One of `possible_actions`; None: any of them.
    """
    action = action or choice(rng, possible_actions(subjects))
    states = _states(action, subjects[0], sample_group(subjects, rng), rng)
    # As many pictures as a turn can hold, at most.
    count = int(rng.integers(len(states), MAX_FRAMES + 1))
    # Every state once, some of them longer, in order.
    longer = rng.integers(len(states), size=count - len(states))
    order = sorted([*range(len(states)), *longer.tolist()])
    return Story(
        action=action,
        actor=subjects[0],
        frames=tuple(states[i] for i in order),
        change=order.index(len(states) - 1),
    )


def _states(action: str, subject: Subject, group: Group, rng: np.random.Generator) -> list[Group]:
    """What is to be seen before, during and after an action, each once.

    Args:
        action: One of ACTIONS.
        subject: Who acts.
        group: How they stand; who sits, what is worn and what is held is as the action needs it.
        rng: What a hat is drawn from.
    """
    # An action begins with free hands, whatever the group was doing.
    group = _put_down(group)
    actor = _find(group, subject)
    match action:
        case "walk right" | "walk left":
            steps = [group.changed(actor, pose="standing", position=p) for p in POSITIONS]
            return steps if action == "walk right" else steps[::-1]
        case "put on" | "take off":
            # Drawn once: the hat of the last frame is the one that was put on.
            worn = {
                "accessory": choice(rng, ACCESSORIES),
                "accessory_colour": choice(rng, tuple(BRIGHT_COLOURS)),
            }
            bare = dict.fromkeys(worn, NONE)
            states = [group.changed(actor, **bare), group.changed(actor, **worn)]
        case "sit down" | "stand up":
            states = [group.changed(actor, pose=pose) for pose in ("standing", "sitting")]
        case "come" | "leave":
            states = [group.without(actor), group]
        case _:
            states = _with_thing(action, group.changed(actor, pose="standing"))
    return states[::-1] if action in REVERSED else states


def _with_thing(action: str, down: Group) -> list[Group]:
    """A thing on the ground, then held; or held, then gone."""
    # `possible_actions` has made sure that there is one.
    thing = next(m for m in down.members if m.is_thing)
    held = down.changed(thing, pose="held")
    return [held, down.without(thing)] if action == "lose" else [down, held]


def _put_down(group: Group) -> Group:
    """The same with nothing held."""
    for member in group.members:
        if member.pose == "held":
            return group.changed(member, pose="standing")
    return group


def _find(group: Group, subject: Subject) -> Member:
    return next(m for m in group.members if m.subject == subject)
