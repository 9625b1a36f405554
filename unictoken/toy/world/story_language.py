"""Sentences about actions over frames: what is done, by whom, and when it has happened."""

from __future__ import annotations

import numpy as np

from unictoken.core.text import a
from unictoken.toy.world import descriptions, language
from unictoken.toy.world.group_language import (
    NOBODY_NAMED,
    NUMBERS,
    Asked,
    Names,
    called,
    references,
)
from unictoken.toy.world.groups import Member
from unictoken.toy.world.language import SCENE_QUESTIONS, WHEN, WHERE
from unictoken.toy.world.stories import Story
from unictoken.toy.world.things import choice

ORDINALS = ("the first", "the second", "the third", "the fourth")
# What the actor does, and what is true of it from `Story.change` on. {worn} and {thing} are the
# story's; the second is what a question asks about: "from which photo on is {it} ...?"
DOES = {
    "walk right": ("walks to the right", "on the right"),
    "walk left": ("walks to the left", "on the left"),
    "put on": ("puts on {worn}", "wearing {worn}"),
    "take off": ("takes off {worn}", "wearing nothing"),
    "sit down": ("sits down", "sitting"),
    "stand up": ("stands up", "standing"),
    "pick up": ("picks up {thing}", "holding {thing}"),
    "put down": ("puts down {thing}", "holding nothing"),
    "lose": ("loses {thing}", "holding nothing"),
    "come": ("comes", "there"),
    "leave": ("goes away", "gone"),
}
# What changes from frame to frame, for the actions that change something of the actor's.
CHANGES = {
    "walk right": "position",
    "walk left": "position",
    "put on": "accessory",
    "take off": "accessory",
    "sit down": "pose",
    "stand up": "pose",
    "pick up": "holding",
    "put down": "holding",
    "lose": "holding",
}


def does(story: Story, names: Names = NOBODY_NAMED) -> str:
    """What the actor does: 'puts on a red cap', 'picks up the ball'."""
    return _filled(story, DOES[story.action][0], names)


def after(story: Story, names: Names = NOBODY_NAMED) -> str:
    """What is true of the actor when it is done: 'wearing a red cap', 'holding the ball'."""
    return _filled(story, DOES[story.action][1], names)


def _filled(story: Story, form: str, names: Names) -> str:
    wearing = story.shown(0 if story.action == "take off" else -1)
    thing = story.beside(0)
    return form.format(
        worn=f"{a(wearing.accessory_colour)} {wearing.accessory}" if wearing else "",
        thing=_the(thing, names) if thing else "",
    )


def _the(thing: Member, names: Names) -> str:
    return names.get(thing.subject) or f"the {descriptions.noun(thing.subject)}"


def caption(story: Story, names: Names = NOBODY_NAMED) -> str:
    """The whole story: 'a dog picks up the ball in the snow at night.'"""
    first = story.frames[0]
    who = names.get(story.actor) or a(descriptions.noun(story.actor))
    return f"{who} {does(story, names)} {WHERE[first.place]} {WHEN[first.time]}."


def questions(story: Story, rng: np.random.Generator, names: Names = NOBODY_NAMED) -> list[Asked]:
    """Every question about a story that has an answer, each once."""
    whole = story.whole_at
    it = choice(rng, references(story.frames[whole], story.shown(whole), names))
    last, done = len(story.frames), after(story, names)
    asked = [
        Asked("action", f"what does {it} do?", does(story, names)),
        Asked("happens", "what happens?", f"{it} {does(story, names)}"),
        Asked("when", f"from which photo on is {it} {done}?", ORDINALS[story.change]),
        Asked("how many", f"in how many photos is {it} {done}?", NUMBERS[last - story.change]),
        Asked("frames", "how many photos are there?", NUMBERS[last]),
    ]
    return asked + _in_each(story, it, names)


def _in_each(story: Story, it: str, names: Names) -> list[Asked]:
    """What the action changes, in each of the frames."""
    attribute = CHANGES.get(story.action)
    if attribute is None:
        return []
    asked = []
    for i, group in enumerate(story.frames):
        actor = story.shown(i)
        if attribute == "holding":
            form = "what is {it} holding?"
            answer = called(story.beside(i), names) if group.holder == actor else "nothing"
        else:
            form = SCENE_QUESTIONS[attribute][0]
            answer = language.answer(attribute, actor.subject, group.scene_of(actor))
        question = form.replace("{it}", it).replace("?", f" in {ORDINALS[i]} photo?")
        asked.append(Asked(f"{attribute} in a frame", question, answer))
    return asked
