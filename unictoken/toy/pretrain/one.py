"""Kinds of training sequences about one subject at a time: looking, checking, drawing, comparing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unictoken.data import templates
from unictoken.data.sequence import Turn
from unictoken.toy.pretrain.album import Shot, Someone
from unictoken.toy.pretrain.parts import Parts
from unictoken.toy.world import descriptions, language
from unictoken.toy.world.subjects import Subject

OTHERS = (0, 1, 2)  # of a family
A_QUESTION = 24  # ids that hold a question with its answer, or somebody named with a yes or no
A_DRAWING = 130  # ids that hold an introduction, a prompt and its picture
A_LOOK = 78  # ids that hold a picture and a yes or no about it
TWO_SHOWN = 240  # the same where two pictures introduce


@dataclass(frozen=True)
class Shown:
    """A picture of somebody that a sequence looks at or draws: who, and the number of the picture."""

    who: Someone
    number: int
    subject: Subject
    shot: Shot


@dataclass(frozen=True)
class Introduced:
    """Somebody who is introduced after a picture: the name, the introduction, whether the picture
    shows them, and which ids of the introduction can be read off the picture.
    """

    name: list[int]
    subject: Subject
    intro: list[int]
    shown: bool
    read_off: range


def pick(parts: Parts, rng: np.random.Generator) -> Shown:
    who, number = parts.someone(rng), parts.shot(rng)
    return Shown(who, number, parts.album.subject(who), parts.album.shots(who)[number])


def introduced(parts: Parts, seen: Shown, rng: np.random.Generator, how: str) -> Introduced:
    """Somebody who is introduced after a picture: the one that it shows, or another.

    Args:
        parts: What sequences are made of.
        seen: Whom the picture shows.
        rng: What the choices are drawn from.
        how: 'words' or 'codes'.
    """
    yes, subject, name = rng.random() < 0.5, seen.subject, parts.name(rng)
    read_off = range(0)
    if how == "words":
        describe = parts.description if yes else parts.wrong_description
        described = describe(subject, rng)
        said = parts.vocab.encode(described)
        intro = parts.say(templates.INTRODUCTION, name=name, tokens=said)
        # True and whole: learned word by word off the picture, as a caption is.
        if described == descriptions.describe(subject):
            # After the name and 'is'.
            read_off = range(len(name) + 1, len(intro))
    else:
        who, but = seen.who, seen.number
        # Another picture of the same one, or somebody else.
        if not yes:
            # Mostly look-alikes; unrelated subjects are to be told apart too.
            which = parts.choose([i for i in OTHERS if i != who.which], rng)
            who = Someone(who.family, which) if rng.random() < 0.7 else parts.someone(rng)
            but = None
        # Two families may have the same subject by chance: then the answer is yes after all.
        yes = parts.album.subject(who) == seen.subject
        told = parts.known(name, who, rng, how=how, but=but if yes else None)
        subject, intro = told.subject, told.intro
    return Introduced(name, subject, intro + parts.fact_aside(name, subject, rng), yes, read_off)


def recognise(parts: Parts, seen: Shown, rng: np.random.Generator, how: str) -> list[Turn]:
    """Introduces somebody after a picture, and asks whether it is who the picture shows, about them
    by name, or both.

    Args: see `introduced`.
    """
    known, turns, lot = introduced(parts, seen, rng, how), [], rng.random()
    # Of a wrong description nothing can be asked.
    about = known.shown or how != "words"
    # One random number decides both: below .1 only the question, below .25 both, else only yes or no.
    if not (about and lot < 0.1):
        turns += parts.is_it(known.name, known.shown, rng)
    if about and lot < 0.25:
        names = {known.subject: known.name}
        if known.shown:
            turns += parts.answer(parts.questions(seen.shot.group, rng, names)[0], names)
        else:  # Whom the picture does not show has no scene to ask about.
            turns += own_question(parts, known.subject, known.name, rng)
    return parts.after(known.intro, turns, known.read_off)


def own_question(
    parts: Parts, subject: Subject, name: list[int], rng: np.random.Generator, about: str = ""
) -> list[Turn]:
    """A question about the subject itself, by name, which no picture is needed for.

    Args:
        parts: What sequences are made of.
        subject: Who is asked about.
        name: The ids of the name.
        rng: What the choices are drawn from.
        about: The attribute; '': a random one.
    """
    forms = descriptions.questions(subject)
    about = about or parts.choose(tuple(forms), rng)
    asked = parts.choose(forms[about], rng).replace("{it}", "{name}")
    return parts.exchange(asked, descriptions.answer(subject, about), name=name)


def named_caption(parts: Parts, seen: Shown, rng: np.random.Generator, how: str) -> list[Turn]:
    """Introduces somebody after a picture, whose caption says the name only where it is who the
    picture shows.

    Args: see `introduced`.
    """
    known = introduced(parts, seen, rng, how)
    names = {known.subject: known.name} if known.shown else {}
    turns = parts.caption(seen.shot.group, rng, names)
    return parts.after(known.intro, turns, known.read_off)


# ---- kinds --------------------------------------------------------------------------------------


def look(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """A picture, then questions about it, a caption, and names to recognise."""
    seen = pick(parts, rng)
    picture, group = parts.picture(seen.shot), seen.shot.group
    turns = parts.caption(group, rng) if rng.random() < 0.6 else []
    asked = parts.questions(group, rng)
    # What is longer than the room that is left is cut off in `example`.
    while parts.room(turns, len(picture)) > A_QUESTION:
        kind, how = rng.random(), "words" if rng.random() < 0.6 else "codes"
        if kind < 0.3 and asked:
            turns += parts.answer(asked.pop())
        elif kind < 0.4:
            turns += named_caption(parts, seen, rng, how)
        else:
            turns += recognise(parts, seen, rng, how)
    return parts.after(picture, turns)


def check(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """A picture, then one yes/no after another, each about one attribute: what telling look-alikes
    apart begins with.
    """
    seen = pick(parts, rng)
    picture, turns = parts.picture(seen.shot), []
    while parts.room(turns, len(picture)) > 18:
        name, yes = parts.name(rng), rng.random() < 0.5
        said = parts.vocab.encode(parts.statement(seen.subject, yes, rng))
        turns += parts.after(
            parts.say(templates.INTRODUCTION, name=name, tokens=said), parts.is_it(name, yes, rng)
        )
    return parts.after(picture, turns)


def drawing(parts: Parts, seen: Shown, rng: np.random.Generator, room: int) -> list[Turn]:
    """A prompt, with or without an introduction, and its picture; other pictures of the same subject
    may introduce it.

    Args:
        parts: What sequences are made of.
        seen: What is drawn.
        rng: What the choices are drawn from.
        room: Ids that are left; pictures that introduce take many.
    """
    member, group, subject = seen.shot.only, seen.shot.group, seen.subject
    # The target's own ids in the prompt would teach copying.
    others = [s for i, s in enumerate(parts.album.shots(seen.who)) if i != seen.number]
    picture = Turn(parts.picture(seen.shot), learned=True)
    ways = ["none", "none", "words", "words", "codes", "codes", "codes", "inline"]
    ways += ["pictures"] * 2 * (room > TWO_SHOWN)
    how, scene = parts.choose(ways, rng), parts.scene(group, member, rng)
    if how == "none":
        said = parts.vocab.encode(descriptions.describe_briefly(subject, rng))
        return [Turn(parts.prompt(said, scene, rng)), picture]
    name = parts.name(rng)
    if how == "inline":  # "a photo of <image ids> tom ..."
        said = parts.snippet(others, subject, rng) + name
        return [Turn(parts.prompt(said, scene, rng)), picture]
    if how == "pictures":
        others = others[: int(rng.integers(1, 3))]
    intro = parts.introduce(name, subject, others, rng, how=how)
    # Prompts for learned concepts say 'its hat' too, which only a fact describes.
    if member.accessory in language.HATS and rng.random() < 0.4:
        intro += parts.say(f"{{name}} has {language.worn(group.scene_of(member))}.", name=name)
        hat = f"wearing {parts.choose(('its', 'his', 'her'), rng)} hat"
        scene = f"{hat} {language.WHERE[group.place]}"
    elif rng.random() < 0.1:
        intro += parts.say(f"{{name}} lives {language.WHERE[group.place]}.", name=name)
        scene = language.WHERE_IT_LIVES
    elif rng.random() < 0.1:
        intro += parts.fact_aside(name, subject, rng)
    return [Turn(intro + parts.prompt(name, scene, rng)), picture]


def draw(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """Prompts and their pictures; now and then questions about one instead."""
    turns: list[Turn] = []
    # As many as fit: image ids are most of what is learned of drawing.
    while parts.room(turns) > A_DRAWING:
        seen = pick(parts, rng)
        turns += drawing(parts, seen, rng, parts.room(turns))
        if rng.random() < 0.3:
            turns += parts.answer(parts.questions(seen.shot.group, rng)[0])
            if rng.random() < 0.5:
                turns += recognise(parts, seen, rng, parts.choose(("words", "codes"), rng))
    return turns


def free(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """Pictures without a prompt, for guidance: bos, then the picture alone."""
    both = rng.random() < 0.3
    shots = parts.choose(parts.album.couples, rng).shots if both else (pick(parts, rng).shot,)
    return [Turn(parts.picture(parts.choose(shots, rng)), learned=True)]


def compare(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """One to three pictures introduce a name; then others, which show it, a look-alike or another:
    several with a yes or no each, or one with questions.
    """
    who, name = parts.someone(rng), parts.name(rng)
    subject, shots = parts.album.subject(who), parts.album.shots(who)
    several = rng.random() < 0.6
    count = 1 if several else int(rng.integers(1, 4))
    # Other pictures than those that are looked at: equal ids alone would give the answer.
    first = parts.introduce(name, subject, shots[:count], rng, how="pictures")
    turns: list[Turn] = []
    while parts.room(turns, len(first)) > A_LOOK:
        yes = rng.random() < 0.5
        other = who
        if not yes:
            which = parts.choose([i for i in OTHERS if i != who.which], rng)
            other = Someone(who.family, which) if rng.random() < 0.7 else parts.someone(rng)
            yes = parts.album.subject(other) == subject
        shot = parts.choose(parts.album.shots(other)[count if other == who else 0 :], rng)
        turns += parts.after(parts.picture(shot), parts.is_it(name, yes, rng))
        if not several:
            names = {subject: name} if yes else {}
            for asked in parts.questions(shot.group, rng, names):
                if parts.room(turns, len(first)) < A_QUESTION:
                    break
                turns += parts.answer(asked, names)
            break
    return parts.after(first, turns)
