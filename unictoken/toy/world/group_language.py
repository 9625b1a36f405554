"""Sentences about pictures of one or two subjects: captions, prompts, questions and answers.

Where a function takes `names`, those are called by their names, and all others by a description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from unictoken.core.text import a
from unictoken.data.templates import NO, YES
from unictoken.toy.world import descriptions, language
from unictoken.toy.world.attributes import NONE, POSITIONS, SPECIES, THINGS
from unictoken.toy.world.groups import SIDES, Group, Member
from unictoken.toy.world.language import SCENE_QUESTIONS, SIDE_OF, WHEN, WHERE, worn
from unictoken.toy.world.subjects import NAMEABLE, Subject, kind_of
from unictoken.toy.world.things import choice

KIND_NOUNS = {"animal": "animal", "object": "thing", "person": "person"}
PLURALS = {"animal": "animals", "object": "things", "person": "people"}
NOUNS = (*SPECIES, *THINGS, "person")
WITH_CLOTHES = ("place", "position", "pose", "accessory")
NUMBERS = ("none", "one", "two", "three", "four")

Names = Mapping[Subject, str]
NOBODY_NAMED: Names = {}


@dataclass(frozen=True)
class Asked:
    """A question, its true answer, and what it is about."""

    about: str
    question: str
    answer: str


# ---- captions and prompts ---------------------------------------------------------------------


def caption(group: Group, names: Names = NOBODY_NAMED) -> str:
    """The dense caption: every attribute that has a name; of one pet as in `language.py`."""
    told = [_member(group, member, names) for member in group.members] or ["nobody"]
    # Behind two members a comma: the place is that of both.
    end = ", " if len(told) == 2 else " "
    return f"{', and '.join(told)}{end}{WHERE[group.place]} {WHEN[group.time]}."


def _member(group: Group, member: Member, names: Names) -> str:
    called = names.get(member.subject) or descriptions.describe(member.subject)
    wearing = "" if member.is_thing else f"wearing {worn(group.scene_of(member))}, "
    return f"{called}, {wearing}{member.pose} {SIDE_OF[member.position]}"


def prompt(group: Group, rng: np.random.Generator, names: Names = NOBODY_NAMED) -> str:
    """Some of a caption, after 'a photo of ...': who is there always, the rest now and then."""
    sides = rng.random() < (0.4 if len(group.members) == 2 else 0.3)
    holds = group.holder is not None and rng.random() < 0.8
    told = [_briefly(group, member, rng, names) for member in group.members]
    if sides and not holds:
        told = [f"{t} {SIDE_OF[m.position]}" for t, m in zip(told, group.members, strict=True)]
    elif holds:
        # Who holds comes first.
        told = told if group.members[0] == group.holder else told[::-1]
    elif rng.random() < 0.5:
        told = told[::-1]
    text = (" holding " if holds else " and ").join(told) or "nobody"
    if rng.random() < 0.75:
        text += f" {WHERE[group.place]}"
    if rng.random() < (0.8 if group.time == "night" else 0.3):
        text += f" {WHEN[group.time]}"
    return text


def _briefly(group: Group, member: Member, rng: np.random.Generator, names: Names) -> str:
    subject = member.subject
    text = names.get(subject) or descriptions.describe_briefly(subject, rng)
    if member.accessory != NONE and rng.random() < 0.7:
        text += f" wearing {worn(group.scene_of(member))}"
    # Things only stand; that somebody who holds something stands goes without saying.
    if not member.is_thing and group.holder is None and rng.random() < 0.25:
        text += f" {member.pose}"
    return text


# ---- how a question names somebody ------------------------------------------------------------


def references(group: Group, member: Member, names: Names, *, unsaid: str = "") -> tuple[str, ...]:
    """Every expression that means this member and no other.

    Args:
        group: The picture.
        member: Who is meant.
        names: What subjects are called; who has a name is called nothing else.
        unsaid: An attribute, of the subject or 'position', that the expression may not give away.
    """
    subject, other = member.subject, group.other(member)
    if subject in names:
        return (names[subject],)
    kind, own = f"the {KIND_NOUNS[kind_of(subject)]}", f"the {descriptions.noun(subject)}"
    nouns = (kind,) if unsaid in ("species", "kind") or kind == own else (kind, own)
    if other is None:
        return nouns if kind_of(subject) == "person" else ("it", *nouns)
    others = {KIND_NOUNS[kind_of(other.subject)], descriptions.noun(other.subject)}
    unique = [said for said in nouns if said.removeprefix("the ") not in others]
    if unsaid != "position":
        unique += [f"{said} {SIDE_OF[member.position]}" for said in nouns]
    elif not unique:
        unique = _told_apart(subject, other.subject)
    return tuple(unique)


def _told_apart(subject: Subject, other: Subject) -> list[str]:
    """'the red mug', 'the mug with a green handle': of two of the same noun, by one attribute that
    differs.
    """
    # 'the brown dog' may also be a brown and white one: the second colour tells nobody apart.
    return [
        "the " + descriptions.describe_one(subject, name).removeprefix("a ").removeprefix("an ")
        for name in NAMEABLE[type(subject)]
        if name != "second" and getattr(subject, name) != getattr(other, name)
    ]


# ---- questions --------------------------------------------------------------------------------


def questions(group: Group, rng: np.random.Generator, names: Names = NOBODY_NAMED) -> list[Asked]:
    """Every question about a picture that has an answer, each in one of its forms."""
    asked = [Asked("time", _form("time", rng), group.time)]
    asked += [*_counts(group), *_sides(group, names), *_presence(group, rng)]
    for member in group.members:
        asked += _own(group, member, rng, names)
        asked += _scene(group, member, rng, names)
        asked += _company(group, member, rng, names)
    return asked


def called(member: Member | None, names: Names) -> str:
    """Who or what a member is, as an answer: the name, or the noun with its article."""
    if member is None:
        return "nobody"
    return names.get(member.subject) or a(descriptions.noun(member.subject))


def _form(attribute: str, rng: np.random.Generator) -> str:
    return choice(rng, SCENE_QUESTIONS[attribute])


def _counts(group: Group) -> list[Asked]:
    kinds = [kind_of(member.subject) for member in group.members]
    return [
        Asked("count", f"how many {plural} are in the photo?", NUMBERS[kinds.count(kind)])
        for kind, plural in PLURALS.items()
    ]


def _sides(group: Group, names: Names) -> list[Asked]:
    """What, and who, is on each side."""
    asked = []
    for position in SIDES if len(group.members) == 2 else POSITIONS:
        member = group.at(position)
        thing = "nothing" if member is None else called(member, names)
        asked.append(Asked("side", f"what is {SIDE_OF[position]}?", thing))
        # 'nobody' would be true of a thing, and teach that a thing is nobody.
        if member is None or not member.is_thing:
            asked.append(Asked("side", f"who is {SIDE_OF[position]}?", called(member, names)))
    return asked


def _presence(group: Group, rng: np.random.Generator) -> list[Asked]:
    """Whether there is something of a noun: one that is there, and one that is not."""
    there = {descriptions.noun(member.subject) for member in group.members}
    absent = choice(rng, [noun for noun in NOUNS if noun not in there])
    # Sorted: a set's order is not part of the seed.
    present = [choice(rng, sorted(there))] if there else []
    return [
        Asked("presence", f"is there {a(noun)} in the photo?", YES if noun in there else NO)
        for noun in (*present, absent)
    ]


def _own(group: Group, member: Member, rng: np.random.Generator, names: Names) -> list[Asked]:
    """About the subject itself."""
    asked = []
    for attribute, forms in descriptions.questions(member.subject).items():
        it = choice(rng, references(group, member, names, unsaid=attribute))
        question = choice(rng, forms).replace("{it}", it)
        asked.append(Asked(attribute, question, descriptions.answer(member.subject, attribute)))
    return asked


def _scene(group: Group, member: Member, rng: np.random.Generator, names: Names) -> list[Asked]:
    """About where a member is, and what it does and wears."""
    asked = []
    for attribute in ("place", "position") if member.is_thing else WITH_CLOTHES:
        said = references(group, member, names, unsaid=attribute)
        # Of two that no word tells apart, nobody can be asked on which side one is.
        if not said:
            continue
        it = choice(rng, said)
        question = _form(attribute, rng).replace("{it}", it)
        answer = language.answer(attribute, member.subject, group.scene_of(member))
        asked.append(Asked(attribute, question, answer))
        if attribute == "position":
            side = choice(rng, POSITIONS)
            asked.append(
                Asked(
                    "on side", f"is {it} {SIDE_OF[side]}?", YES if side == member.position else NO
                )
            )
    return asked


def _company(group: Group, member: Member, rng: np.random.Generator, names: Names) -> list[Asked]:
    """About who or what is beside a member, holds it or is held."""
    it, other = choice(rng, references(group, member, names)), group.other(member)
    word = "what" if other is not None and other.is_thing else "who"
    asked = [Asked("beside", f"{word} is beside {it}?", called(other, names))]
    holds, held = group.holder == member, member.pose == "held"
    if member.is_thing:
        by = called(other if held else None, names)
        return [*asked, Asked("held by", f"who is holding {it}?", by)]
    what = called(other, names) if holds else "nothing"
    asked.append(Asked("holding", f"what is {it} holding?", what))
    if other is not None and other.is_thing:
        thing = choice(rng, references(group, other, names))
        asked.append(Asked("is holding", f"is {it} holding {thing}?", YES if holds else NO))
    return asked
