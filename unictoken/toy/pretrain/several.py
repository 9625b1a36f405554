"""Kinds of training sequences about several: two in a picture, several names, several pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unictoken.data import templates
from unictoken.data.sequence import Turn
from unictoken.toy.pretrain.album import Couple, Shot, Someone
from unictoken.toy.pretrain.one import A_QUESTION, OTHERS
from unictoken.toy.pretrain.parts import Known, Parts
from unictoken.toy.world import descriptions, group_language, story_language
from unictoken.toy.world.subjects import Subject

PICTURE = 66  # ids of a picture with its two ends, 8 x 8 codes
PICTURES = 4  # in a turn, at most


def couple(parts: Parts, rng: np.random.Generator) -> tuple[Couple, Shot]:
    chosen = parts.choose(parts.album.couples, rng)
    return chosen, parts.choose(chosen.shots, rng)


def named(
    parts: Parts, who: Sequence[Someone], rng: np.random.Generator, how: str = ""
) -> list[Known]:
    """Several with different names.

    Args:
        parts: What sequences are made of.
        who: Who they are.
        rng: What the choices are drawn from.
        how: 'words', 'codes', 'pictures' (one of each); '': words and image ids, one in three.
    """
    names = parts.names(len(who), rng)
    return [
        parts.known(name, w, rng, how=how or parts.choose(("words", "codes", "codes"), rng))
        for name, w in zip(names, who, strict=True)
    ]


def intros(known: Sequence[Known]) -> list[int]:
    return [i for k in known for i in k.intro]


def by_subject(known: Sequence[Known]) -> dict[Subject, Sequence[int]]:
    return {k.subject: k.name for k in known}


# ---- two in a picture ---------------------------------------------------------------------------


def look_at_two(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """A picture of two, then a caption, questions, and names for one or both of them."""
    # Both are of families, so that each can be introduced by pictures of its own.
    chosen, shot = couple(parts, rng)
    picture, group = parts.picture(shot), shot.group
    turns = parts.caption(group, rng) if rng.random() < 0.5 else []
    asked = parts.questions(group, rng)
    # Questions without names and with them in turn: the same answers are found both ways.
    while parts.room(turns, len(picture)) > A_QUESTION:
        if rng.random() < 0.35 and asked:
            turns += parts.answer(asked.pop())
            continue
        # Two introductions by image ids with what is asked about them.
        if parts.room(turns, len(picture)) < 110:
            break
        turns += _named_in_it(parts, chosen, shot, rng)
    return parts.after(picture, turns) if turns else parts.after(picture, parts.caption(group, rng))


def _named_in_it(parts: Parts, chosen: Couple, shot: Shot, rng: np.random.Generator) -> list[Turn]:
    """Introduces one or both of a couple, now and then somebody else too, and asks about them."""
    who = list(chosen.who) if rng.random() < 0.5 else [parts.choose(chosen.who, rng)]
    how = ""
    if rng.random() < 0.4:
        alike = rng.random() < 0.6
        who.append(look_alikes(who[0], rng) if alike else parts.someone(rng))
        # In words look-alikes may be the same.
        how = "codes"
    known = named(parts, parts.shuffled(who, rng), rng, how)
    names = by_subject(known)
    if rng.random() < 0.25:
        turns = parts.caption(shot.group, rng, names)
    else:
        about = parts.questions(shot.group, rng, names)[: int(rng.integers(1, 4))]
        turns = [turn for a in about for turn in parts.answer(a, names)]
    if rng.random() < 0.5:
        for one in known:
            turns += parts.is_it(one.name, one.subject in shot.subjects, rng)
    return parts.after(intros(known), turns)


def check_two(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """A picture of two, then yes/no about descriptions by one attribute, each true of one of them or
    of neither.
    """
    chosen, shot = couple(parts, rng)
    both = [parts.album.subject(w) for w in chosen.who]
    picture, turns = parts.picture(shot), []
    while parts.room(turns, len(picture)) > 18:
        name, yes = parts.name(rng), rng.random() < 0.5
        said = parts.statement(parts.choose(both, rng), yes, rng)
        # A wrong statement about one may be true of the other.
        yes = yes or any(true_of(said, subject) for subject in both)
        turns += parts.after(
            parts.say(templates.INTRODUCTION, name=name, tokens=parts.vocab.encode(said)),
            parts.is_it(name, yes, rng),
        )
    return parts.after(picture, turns)


def true_of(said: str, subject: Subject) -> bool:
    """Whether a description by one attribute is one of the subject's own."""
    return said in {descriptions.describe_one(subject, name) for name in subject.nameable}


def draw_two(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """Prompts that name two, or one of two, and their pictures."""
    turns: list[Turn] = []
    # 150: two introductions, a prompt and a picture.
    while parts.room(turns) > 150:
        chosen, shot = couple(parts, rng)
        # The order of names in a prompt says nothing about left and right.
        who = parts.shuffled(chosen.who, rng)
        lot = rng.random()
        if lot < 0.3:  # both in words
            known = []
        elif lot < 0.45:  # one by name, the other in words
            known = named(parts, who[:1], rng)
        else:
            # Pictures of both leave room for one drawing.
            shown = lot > 0.9 and parts.room(turns) > 3 * PICTURE + 40
            known = named(parts, who, rng, "pictures" if shown else "")
        names = by_subject(known)
        said = group_language.prompt(shot.group, rng, parts.called(names))
        form = parts.choose(templates.GENERATE, rng)
        asked = parts.fill(templates.with_scene(form, "").replace("{name}", said), names)
        turns += [Turn(intros(known) + asked), Turn(parts.picture(shot), learned=True)]
        if rng.random() < 0.3:
            turns += parts.answer(parts.questions(shot.group, rng, names)[0], names)
    return turns


# ---- several names ------------------------------------------------------------------------------


def look_alikes(who: Someone, rng: np.random.Generator) -> Someone:
    """Another one of the same family."""
    return Someone(who.family, int(rng.choice([i for i in OTHERS if i != who.which])))


def who_is_it(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """A picture of one or two, introductions (of those who are shown, of look-alikes, of others),
    and who it is; names that nobody introduced are not known. By words and image ids several times
    anew, by pictures once.
    """
    if rng.random() < 0.5:
        chosen, shot = couple(parts, rng)
        there = list(chosen.who)
    else:
        there = [parts.someone(rng)]
        shot = parts.choose(parts.album.shots(there[0]), rng)
    seen = parts.picture(shot)
    if rng.random() < 0.25:
        known = _shown_apart(parts, _mixed(parts, there, 3, "pictures", rng), shot, rng)
        # As in use: reference pictures stand before the picture, words and rows after it.
        return parts.after(intros(known) + seen, _who_is_it(parts, shot, known, rng))
    turns: list[Turn] = []
    while not turns or parts.room(turns, len(seen)) > 170:
        how = parts.choose(("words", "", ""), rng)
        known = named(parts, _mixed(parts, there, 4, how, rng), rng, how or "codes")
        turns += parts.after(intros(known), _who_is_it(parts, shot, known, rng))
    return parts.after(seen, turns)


def _mixed(
    parts: Parts, there: Sequence[Someone], most: int, how: str, rng: np.random.Generator
) -> list[Someone]:
    """Those who are introduced, in random order: mostly who is there, look-alikes, others.

    Args:
        parts: What sequences are made of.
        there: Who is in the picture.
        most: How many are introduced, at most.
        how: 'words', 'pictures', or '' for words and image ids.
        rng: What the choices are drawn from.
    """
    # A quarter of those who are there are left out: the base is not to name whom it cannot know.
    shown = [w for w in there if rng.random() < 0.75]
    others = [
        look_alikes(parts.choose(there, rng), rng) if rng.random() < 0.4 else parts.someone(rng)
        for _ in range(int(rng.integers(0, most - len(shown) + 1)))
    ]

    def looks(who: Someone) -> Subject | str:
        subject = parts.album.subject(who)
        # In words a near-duplicate is the same as the one that it looks like.
        return subject if how == "pictures" else descriptions.describe(subject)

    own = [looks(w) for w in there]
    introduced = shown + [w for w in others if looks(w) not in own]
    return parts.shuffled(introduced, rng)


def _shown_apart(
    parts: Parts, who: Sequence[Someone], shot: Shot, rng: np.random.Generator
) -> list[Known]:
    """Several, each introduced by one picture that is not the one looked at."""
    known = []
    for name, w in zip(parts.names(len(who), rng), who, strict=True):
        number = next((i for i, s in enumerate(parts.album.shots(w)) if s.ids is shot.ids), None)
        known.append(parts.known(name, w, rng, how="pictures", but=number))
    return known


def _who_is_it(
    parts: Parts, shot: Shot, known: Sequence[Known], rng: np.random.Generator
) -> list[Turn]:
    """Questions about who of those who were introduced is there, in random order."""
    names = by_subject(known)
    there = [names[subject] for subject in shot.subjects if subject in names]
    # From left to right, as people read a picture.
    answer = parts.vocab.encode(templates.NOBODY)
    if there:
        slots = {f"{i}": name for i, name in enumerate(there)}
        answer = parts.say(" and ".join(f"{{{i}}}" for i in slots), **slots)
    asked = parts.choose(templates.WHO, rng)
    pairs = [[Turn(parts.say(asked)), Turn(answer, learned=True)]]
    pairs += [parts.is_it(one.name, one.subject in shot.subjects, rng) for one in known]
    if rng.random() < 0.3:
        pairs.append(_stranger(parts, known, rng))
    about = [a for a in parts.questions(shot.group, rng, names) if a.about in ("side", "beside")]
    pairs += [parts.answer(a, names) for a in about[:2]]
    return [turn for pair in parts.shuffled(pairs, rng) for turn in pair]


def _stranger(parts: Parts, known: Sequence[Known], rng: np.random.Generator) -> list[Turn]:
    """A question about a name that nobody introduced."""
    taken = [k.name for k in known]
    name = next(n for n in parts.names(len(taken) + 1, rng) if n not in taken)
    asked = parts.choose((*templates.RECOGNISE, "what is {name} wearing?"), rng)
    return parts.exchange(asked, templates.UNKNOWN, name=name)


# ---- several pictures ---------------------------------------------------------------------------


def which_photo(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """Two to four pictures, and in which of them somebody is who is introduced after them, or by a
    picture before them.
    """
    if rng.random() < 0.3:
        who, shots = _line_up(parts, 3, rng)
        known, answer = _sought(parts, who, shots, "pictures", rng)
        seen = [i for shot in shots for i in parts.picture(shot)]
        return parts.after(known.intro + seen, _which(parts, known, answer, rng))
    who, shots = _line_up(parts, PICTURES, rng)
    seen = [i for shot in shots for i in parts.picture(shot)]
    turns: list[Turn] = []
    while not turns or parts.room(turns, len(seen)) > 70:
        if turns and rng.random() < 0.3:
            turns += _in_each(parts, shots, rng)
            continue
        # Again and again another one of those who are there, or a look-alike.
        sought = _one_of(parts, who, rng)
        how = parts.choose(("words", "codes"), rng)
        known, answer = _sought(parts, sought, shots, how, rng)
        turns += parts.after(known.intro, _which(parts, known, answer, rng))
    return parts.after(seen, turns)


@dataclass(frozen=True)
class LineUp:
    """Photos, and somebody who is looked for in them."""

    known: Known
    shots: Sequence[Shot]
    answer: str
    """In which photos they are."""
    shown: bool
    """They are introduced by a photo, before the others; else in words or image ids, after them."""

    def about(self, seen: list[int]) -> list[int]:
        """What stands before a question about photos: these and the introduction."""
        return self.known.intro + seen if self.shown else seen + self.known.intro


def line_up(parts: Parts, how: str, rng: np.random.Generator) -> LineUp:
    """Two to four photos, of look-alikes and others; now and then none of who is looked for.

    Args:
        parts: What sequences are made of.
        how: They are introduced by 'words', 'codes' or 'pictures' (one of them).
        rng: What the choices are drawn from.
    """
    shown = how == "pictures"
    who, shots = _line_up(parts, PICTURES - shown, rng)
    known, answer = _sought(parts, _one_of(parts, who, rng), shots, how, rng)
    return LineUp(known, shots, answer, shown)


def _line_up(parts: Parts, most: int, rng: np.random.Generator) -> tuple[list[Someone], list[Shot]]:
    """Two or more, some of them look-alikes, with a picture of each."""
    who = [parts.someone(rng)]
    for _ in range(int(rng.integers(1, most))):
        alike = rng.random() < 0.4
        who.append(look_alikes(who[0], rng) if alike else parts.someone(rng))
    who = parts.shuffled(who, rng)
    return who, [parts.choose(parts.album.shots(w), rng) for w in who]


def _one_of(parts: Parts, who: Sequence[Someone], rng: np.random.Generator) -> Someone:
    """One of these; now and then a look-alike."""
    sought = parts.choose(who, rng)
    return look_alikes(sought, rng) if rng.random() < 0.2 else sought


def _sought(
    parts: Parts,
    who: Someone | Sequence[Someone],
    shots: Sequence[Shot],
    how: str,
    rng: np.random.Generator,
) -> tuple[Known, str]:
    """Somebody with an introduction, and in which of the pictures they are.

    Args:
        parts: What sequences are made of.
        who: Who is sought; of several one is taken.
        shots: The pictures.
        how: How they are introduced; no picture that is looked at does it.
        rng: What the choices are drawn from.
    """
    one = who if isinstance(who, Someone) else parts.choose(who, rng)
    own = parts.album.shots(one)
    but = next((i for i, s in enumerate(own) if any(s is shot for shot in shots)), None)
    known = parts.known(parts.name(rng), one, rng, how=how, but=but)
    # In words look-alikes may be the same.
    said = descriptions.describe(known.subject) if how == "words" else ""
    places = [
        i
        for i, shot in enumerate(shots)
        if shot.only.subject == known.subject
        or (said and descriptions.describe(shot.only.subject) == said)
    ]
    told = " and ".join(story_language.ORDINALS[i] for i in places)
    return known, told or templates.NEITHER


def _which(parts: Parts, known: Known, answer: str, rng: np.random.Generator) -> list[Turn]:
    return parts.exchange(parts.choose(templates.WHICH, rng), answer, name=known.name)


def _in_each(parts: Parts, shots: Sequence[Shot], rng: np.random.Generator) -> list[Turn]:
    """A few questions, each about one of several pictures."""
    turns: list[Turn] = []
    for _ in range(2):
        i = int(rng.integers(len(shots)))
        asked = parts.questions(shots[i].group, rng)[0]
        question = asked.question.replace("?", f" in {story_language.ORDINALS[i]} photo?")
        question = question.replace("in the photo in", "in")
        turns += parts.exchange(question, asked.answer)
    return turns


def story(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """Two to four pictures in the order of time, what happens in them, and questions about each;
    half of the actors have a name.
    """
    tale = parts.choose(parts.album.tales, rng)
    seen = [i for shot in tale.shots for i in parts.picture(shot)]
    # Without names too: a story is told of whoever is there.
    known = named(parts, tale.who, rng) if rng.random() < 0.5 else []
    # By one name only where there is room for one.
    known = known[: 1 if len(tale.shots) > 3 else 2]
    names = by_subject(known)
    called = parts.called(names)
    said = story_language.caption(tale.story, called)
    turns = [
        Turn(parts.say("what happens in the photos?")),
        Turn(parts.fill(said, names), learned=True),
    ]
    asked = story_language.questions(tale.story, rng, called)
    for one in parts.shuffled(asked, rng):
        turns += parts.answer(one, names)
    return parts.after([*seen, *intros(known)], turns)
