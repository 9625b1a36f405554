"""Clips of a toy concept, with questions of PVChat's four kinds: is it there, how does it look, what
does it do, where is it (arXiv 2503.17069).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from unictoken.data.clips import ACTION, APPEARANCE, EXISTENCE, LOCATION, another_order
from unictoken.data.concept import Concept
from unictoken.data.templates import NO, YES, yes_or_no
from unictoken.model.protocol import Base
from unictoken.personalize.query import Personalization
from unictoken.personalize.session import Session
from unictoken.scoring.metrics import exact, mean, says
from unictoken.toy.concepts import truth_of
from unictoken.toy.world import language
from unictoken.toy.world.drawing import draw_group
from unictoken.toy.world.groups import Member
from unictoken.toy.world.language import SCENE_QUESTIONS
from unictoken.toy.world.stories import (
    ALONE,
    WITH_THING,
    Story,
    possible_actions,
    sample_story,
)
from unictoken.toy.world.story_language import CHANGES, ORDINALS, does
from unictoken.toy.world.subjects import SAMPLERS, Subject, easy_negative, hard_negative

NAME = "name"  # whether what is told of a clip names the concept
KINDS = (EXISTENCE, NAME, ACTION, APPEARANCE, LOCATION)
HAPPENS = "what happens in the photos?"  # the tiny base was taught to tell it of frames
ABOUT = {APPEARANCE: "accessory", LOCATION: "position"}  # attributes of a scene


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A story that the concept acts in, or in which another one does what it might."""

    story: Story
    pictures: tuple[Image.Image, ...]
    shows: bool
    """Whether the concept is there."""
    order: tuple[int, ...]
    """The numbers of the frames as they are shown."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question about a clip."""

    clip: int
    """Its number."""
    kind: str
    """One of KINDS."""
    question: str
    """With the concept's marker; of existence it is asked in every form."""
    answer: str
    """Of NAME yes or no; of ACTION what must be in the answer: 'walks to the left'."""


def clips_of(concept: Concept, seed: int, count: int) -> list[Clip]:
    """So many clips in which the concept acts, every action that it can do in turn, each followed by
    one in which a look-alike does the same. Beside it stands a thing, where the action needs one,
    else a look-alike and somebody else in turn; those who walk are alone.

    Args:
        concept: Of the toy world.
        seed: Decides everything.
        count: How many of each.
    """
    rng = np.random.default_rng([seed, len(concept.name), *concept.name.encode()])
    own = truth_of(concept).subject
    alone = possible_actions([own])
    beside = possible_actions([own, SAMPLERS["object"](rng)])
    actions = tuple(dict.fromkeys([*alone, *beside]))
    clips = []
    for number in range(count):
        action = actions[number % len(actions)]
        for actor in (own, hard_negative(own, rng)):
            subjects = _cast(own, actor, action, number // len(actions), rng)
            story = sample_story(subjects, rng, action=action)
            clips.append(
                Clip(
                    story=story,
                    pictures=tuple(draw_group(group) for group in story.frames),
                    shows=actor == own,
                    order=tuple(range(len(story.frames))),
                )
            )
    return clips


def _cast(
    own: Subject, actor: Subject, action: str, turn: int, rng: np.random.Generator
) -> tuple[Subject, ...]:
    """The actor, and who or what is beside it.

    Args:
        own: The concept.
        actor: The concept, or who is there in its place.
        action: What is done.
        turn: How often it was done before.
        rng: What the other one is drawn from.
    """
    if action in ALONE:
        return (actor,)
    another = (hard_negative, easy_negative)[turn % 2]
    while True:
        other = SAMPLERS["object"](rng) if action in WITH_THING else another(own, rng)
        # Two who look the same could not be told apart.
        if other not in (own, actor):
            return actor, other


def shuffled(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """The same clips with their frames in another order, one that shows other pictures in turn."""
    rng = np.random.default_rng(seed)
    return [_in_another_order(clip, rng) for clip in clips]


def _in_another_order(clip: Clip, rng: np.random.Generator) -> Clip:
    order = another_order(clip.story.frames, rng)
    return clip if order is None else replace(clip, order=order)


def questions_of(clips: Sequence[Clip], name: str) -> list[Asked]:
    """Of each clip whether the concept is there, and what happens: an answer that names it or not.
    Of those where it is, what it does, as that answer tells it, and what it wears and on which side
    it is in one frame, where the action changes neither.

    The answers are the same in whatever order the frames are shown: 'the second photo' is said of
    the second one that is shown.

    Args:
        clips: In the order in which their frames are shown.
        name: The concept's.
    """
    marker, asked = f"<{name}>", []
    for number, clip in enumerate(clips):
        there = YES if clip.shows else NO
        asked.append(Asked(clip=number, kind=EXISTENCE, question=marker, answer=there))
        asked.append(Asked(clip=number, kind=NAME, question=HAPPENS, answer=there))
        if clip.shows:
            done = does(clip.story)
            asked.append(Asked(clip=number, kind=ACTION, question=HAPPENS, answer=done))
            asked += _in_a_frame(number, clip, marker)
    return asked


def _in_a_frame(number: int, clip: Clip, marker: str) -> list[Asked]:
    """What a frame shows of the actor that no frame shows otherwise."""
    shown = [(i, clip.story.shown(frame)) for i, frame in enumerate(clip.order)]
    place, actor = next((i, one) for i, one in shown if one is not None)
    asked = []
    for kind, attribute in ABOUT.items():
        if CHANGES.get(clip.story.action) != attribute and not actor.is_thing:
            form = SCENE_QUESTIONS[attribute][0].replace("{it}", marker)
            question = form.replace("?", f" in {ORDINALS[place]} photo?")
            answer = _answer(attribute, clip, clip.order[place], actor)
            asked.append(Asked(clip=number, kind=kind, question=question, answer=answer))
    return asked


def _answer(attribute: str, clip: Clip, frame: int, actor: Member) -> str:
    scene = clip.story.frames[frame].scene_of(actor)
    return language.answer(attribute, actor.subject, scene)


def encoded(base: Base, clips: Sequence[Clip]) -> list[torch.Tensor]:
    """Image ids [F, K] of each clip's frames, in the story's order."""
    ids_NK = base.encode([picture for clip in clips for picture in clip.pictures])
    return list(ids_NK.split([len(clip.pictures) for clip in clips]))


def score_clips(
    base: Base,
    way: Personalization,
    clips: Sequence[Clip],
    ids: Sequence[torch.Tensor],
    asked: Sequence[Asked],
) -> dict[str, float]:
    """The share of right answers by kind: of existence whether yes is likelier than no, of NAME
    whether what happens is told with its name, of ACTION whether it says what is done, of the others
    the exact words.

    Args:
        base: What watches.
        way: What puts one concept on the base.
        clips: What is watched.
        ids: Of their frames (`encoded`).
        asked: Questions about them.
    """
    chat = Session(base, way)
    right: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for length in sorted({len(clip.order) for clip in clips}):
        # Clips of one length stand in one batch.
        of_it = [one for one in asked if len(clips[one.clip].order) == length]
        rows = {one.clip: ids[one.clip][list(clips[one.clip].order)].reshape(-1) for one in of_it}
        said = _said(chat, of_it, rows)
        for one, given in zip(of_it, said, strict=True):
            right[one.kind].append(float(_is_right(one, given, way)))
    return {kind: mean(scores) for kind, scores in right.items() if scores}


def _is_right(asked: Asked, given: str, way: Personalization) -> bool:
    if asked.kind == ACTION:
        return asked.answer in given
    if asked.kind == NAME:
        # Tokens say the marker, words the plain name.
        marked = bool(getattr(way, "concepts", ()))
        named = any(says(given, name, marked=marked) for name in way.names)
        return named == (asked.answer == YES)
    return exact(given, asked.answer)


def _said(chat: Session, asked: Sequence[Asked], rows: Mapping[int, torch.Tensor]) -> list[str]:
    """An answer to each question about clips of one length."""
    named = [i for i, one in enumerate(asked) if one.kind == EXISTENCE]
    others = [i for i, one in enumerate(asked) if one.kind != EXISTENCE]
    said: dict[int, str] = {}
    if named:
        found = chat.recognise(torch.stack([rows[asked[i].clip] for i in named]))
        said |= {i: yes_or_no(p) for i, p in zip(named, found, strict=True)}
    # What happens is asked once and scored twice.
    pairs = list(dict.fromkeys((asked[i].clip, asked[i].question) for i in others))
    if pairs:
        seen_NK = torch.stack([rows[clip] for clip, _ in pairs])
        answers = dict(zip(pairs, chat.ask([text for _, text in pairs], seen_NK), strict=True))
        said |= {i: answers[asked[i].clip, asked[i].question] for i in others}
    return [said[i] for i in range(len(asked))]
