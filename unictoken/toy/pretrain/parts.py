"""What training sequences are made of: names, introductions, questions, descriptions, prompts.

Every kind of sequence gives the base, in context, what concept tokens will later give it: a name
that is introduced by words, by a handful of image ids (like soft tokens that start from them) or by
whole pictures, and is then recognised, asked about, or drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from unictoken.data import templates
from unictoken.data.sequence import Turn
from unictoken.model.vocab import Vocab
from unictoken.toy.pretrain.album import SHOTS, Album, Shot, Someone
from unictoken.toy.world import descriptions, group_language, language
from unictoken.toy.world.attributes import NONE
from unictoken.toy.world.group_language import Asked
from unictoken.toy.world.groups import Group, Member
from unictoken.toy.world.subjects import (
    NAMEABLE,
    Pet,
    Subject,
    Thing,
    easy_negative,
    hard_negative,
)

LENGTH = 400  # ids of a sequence, at most
CODES_PER_SIDE = 8
ONE_ATTRIBUTE = 0.55  # of the descriptions to say yes or no to
FACTS_ASIDE = 0.15  # of the introductions are followed by a fact that changes nothing
WITH_PLACE = 0.2  # of the handfuls of image ids hold some of the place behind the subject
# Attributes that are read off a few patches only: always asked about where there is room.
HARDEST = ("second", "pattern", "ears", "mark", "trim", "style", "glasses")
# Of the other questions, and of those that have few answers or are easy.
ASKED, ASKED_EASIEST = 0.6, 0.3
EASIEST = ("count", "presence", "side", "on side", "time", "beside", "held by", "holding")

T = TypeVar("T")


@dataclass(frozen=True)
class Known:
    """Somebody with a name: its ids, who it is, and how it is introduced."""

    name: list[int]
    who: Someone | None
    subject: Subject
    intro: list[int]


class Parts:
    """The parts of sequences, each a pure function of (album, random generator).

    Args:
        vocab: The base's vocabulary.
        album: Pictures with their truth.
        length: Ids of a whole sequence.
    """

    def __init__(self, vocab: Vocab, album: Album, *, length: int):
        self.vocab, self.album, self.length = vocab, album, length
        names = [vocab.encode(name) for name in language.NAMES]
        # Of one id only: a concept's name is one row as well. Reserved ids are names too: concepts
        # are later learned on them.
        self.ordinary = [ids for ids in names if len(ids) == 1]
        self.reserved = [[i] for i in vocab.reserved]

    # ---- choices ---------------------------------------------------------------------------------

    def choose(self, forms: Sequence[T], rng: np.random.Generator) -> T:
        return forms[int(rng.integers(len(forms)))]

    def shuffled(self, things: Sequence[T], rng: np.random.Generator) -> list[T]:
        """The same things in random order."""
        # By their places: numpy would make an array of the things themselves.
        return [things[int(i)] for i in rng.permutation(len(things))]

    def someone(self, rng: np.random.Generator) -> Someone:
        return Someone(int(rng.integers(len(self.album.families))), int(rng.integers(3)))

    def shot(self, rng: np.random.Generator) -> int:
        """The number of one of somebody's pictures."""
        return int(rng.integers(SHOTS))

    def names(self, count: int, rng: np.random.Generator) -> list[list[int]]:
        """Different names, half of them ordinary ones."""
        chosen: list[list[int]] = []
        while len(chosen) < count:
            name = self.choose(self.ordinary if rng.random() < 0.5 else self.reserved, rng)
            if name not in chosen:
                chosen.append(name)
        return chosen

    def name(self, rng: np.random.Generator) -> list[int]:
        return self.names(1, rng)[0]

    # ---- ids -------------------------------------------------------------------------------------

    def say(self, text: str, **slots: Sequence[int]) -> list[int]:
        """The ids of a text; of '{name}' those given as `name`, and so on."""
        return self.vocab.encode(text, {"{" + name + "}": ids for name, ids in slots.items()})

    def fill(self, text: str, names: Mapping[Subject, Sequence[int]]) -> list[int]:
        """The ids of a text in which `called(names)` stands for subjects."""
        return self.vocab.encode(text, {f"{{{i}}}": ids for i, ids in enumerate(names.values())})

    def called(self, names: Mapping[Subject, Sequence[int]]) -> dict[Subject, str]:
        """What stands for named subjects in a text that `fill` then makes ids of."""
        return {subject: f"{{{i}}}" for i, subject in enumerate(names)}

    def picture(self, shot: Shot) -> list[int]:
        return self.vocab.picture(shot.ids.tolist())

    def codes_on(self, shot: Shot, subject: Subject, rng: np.random.Generator) -> list[int]:
        """The image ids where a subject stands, in random order: those that differ from the place
        without anybody, of two subjects only those of its half.
        """
        group = shot.group
        empty = self.album.empty[group.place, group.time, group.detail]
        there = (shot.ids != empty).reshape(CODES_PER_SIDE, CODES_PER_SIDE)
        if rng.random() < WITH_PLACE:
            there |= rng.random(there.shape) < 0.3
        if len(group.members) == 2:
            half = CODES_PER_SIDE // 2
            left = any(m.subject == subject and m.position == "left" for m in group.members)
            there[:, half:] &= not left
            there[:, :half] &= left
        return rng.permutation(shot.ids[there.ravel()]).tolist()

    def snippet(
        self, shots: Sequence[Shot], subject: Subject, rng: np.random.Generator
    ) -> list[int]:
        """8 to 20 image ids of a subject, out of one to three of its pictures."""
        # Ten of each, so that there are ids of several pictures where there are some.
        codes = [code for shot in shots for code in self.codes_on(shot, subject, rng)[:10]]
        return rng.permutation(codes).astype(int).tolist()[: int(rng.integers(8, 21))]

    # ---- introductions ---------------------------------------------------------------------------

    def introduce(
        self,
        name: Sequence[int],
        subject: Subject,
        shots: Sequence[Shot],
        rng: np.random.Generator,
        *,
        how: str,
    ) -> list[int]:
        """'{name} is ...' by words, by image ids (one time in three after the words), or by
        pictures.

        Args:
            name: The ids of the name.
            subject: Who is introduced.
            shots: Pictures of it that image ids may come from; 'pictures' shows all of them.
            rng: What the choices are drawn from.
            how: 'words', 'codes' or 'pictures'.
        """
        if how == "pictures":
            tokens = [i for shot in shots for i in self.picture(shot)]
        else:
            tokens = self.vocab.encode(descriptions.describe(subject))
            if how == "codes":
                tokens = tokens * (rng.random() < 1 / 3) + self.snippet(shots, subject, rng)
        return self.say(templates.INTRODUCTION, name=name, tokens=tokens)

    def known(
        self,
        name: Sequence[int],
        who: Someone,
        rng: np.random.Generator,
        *,
        how: str,
        but: int | None = None,
    ) -> Known:
        """Somebody of the album with a name.

        Args:
            name: The ids of the name.
            who: Who it is.
            rng: What the choices are drawn from.
            how: 'words', 'codes' or 'pictures' (one of them here).
            but: The number of the picture that the introduction may not use.
        """
        subject = self.album.subject(who)
        shots = [s for i, s in enumerate(self.album.shots(who)) if i != but]
        if how == "pictures":
            shots = [self.choose(shots, rng)]
        return Known(
            list(name), who, subject, self.introduce(name, subject, shots[:3], rng, how=how)
        )

    def fact_aside(
        self, name: Sequence[int], subject: Subject, rng: np.random.Generator
    ) -> list[int]:
        """Now and then a fact, which changes nothing about whom a picture shows."""
        if rng.random() > FACTS_ASIDE:
            return []
        key = self.choose(language.facts_of(subject), rng)
        return self.say(language.fact_sentence(key, language.sample_facts(rng)), name=name)

    # ---- descriptions ----------------------------------------------------------------------------

    def description(self, subject: Subject, rng: np.random.Generator) -> str:
        """All of what has a name, some of it, or one attribute: short ones leave room for more
        yes/no, about less each.
        """
        if rng.random() < ONE_ATTRIBUTE:
            return self.statement(subject, True, rng)
        if rng.random() < 0.5:
            return descriptions.describe_briefly(subject, rng)
        return descriptions.describe(subject)

    def statement(self, subject: Subject, true: bool, rng: np.random.Generator) -> str:
        """A description by one attribute, of the subject's own value or of another one."""
        attribute = self.choose(
            [name for name in nameable(subject) for _ in range(1 + (name in HARDEST))], rng
        )
        if not true:
            subject = self._otherwise(subject, attribute, rng)
        return descriptions.describe_one(subject, attribute)

    def _otherwise(self, subject: Subject, attribute: str, rng: np.random.Generator) -> Subject:
        """The subject with another value of an attribute, one that such a subject can have."""
        taken = {getattr(subject, attribute)}
        colour = {Pet: "fur", Thing: "colour"}.get(type(subject))
        if colour and attribute in (colour, "second", "pattern", "mark"):
            # No colour twice, and never only one of second colour and pattern.
            taken |= {getattr(subject, colour), subject.second, "plain", NONE}
        values = [v for v in NAMEABLE[type(subject)][attribute] if v not in taken]
        return replace(subject, **{attribute: self.choose(values, rng)})

    def wrong_description(self, subject: Subject, rng: np.random.Generator) -> str:
        """A description that is not true of the subject: mostly off by one attribute."""
        if rng.random() < ONE_ATTRIBUTE:
            return self.statement(subject, False, rng)
        while True:
            near = rng.random() < 0.85
            other = hard_negative(subject, rng) if near else easy_negative(subject, rng)
            if rng.random() < 0.5:
                return descriptions.describe(other)
            # One seed for both: they leave out the same attributes. Where the wrong one is left
            # out, the texts are equal and the description is true: draw again.
            seed = int(rng.integers(2**31))
            said, true = (
                descriptions.describe_briefly(s, np.random.default_rng(seed))
                for s in (other, subject)
            )
            if said != true:
                return said

    # ---- questions -------------------------------------------------------------------------------

    def questions(
        self,
        group: Group,
        rng: np.random.Generator,
        names: Mapping[Subject, Sequence[int]] | None = None,
    ) -> list[Asked]:
        """Questions about a picture in random order: all of the hardest, some of the others.

        Args:
            group: What the picture shows.
            rng: What the choices are drawn from.
            names: Of subjects that are called by their names.
        """
        asked = group_language.questions(group, rng, self.called(names or {}))
        kept = [
            a
            for a in asked
            if a.about in HARDEST or rng.random() < (ASKED_EASIEST if a.about in EASIEST else ASKED)
        ] or asked
        return self.shuffled(kept, rng)

    def exchange(self, asked: str, answered: str, **slots: Sequence[int]) -> list[Turn]:
        """A question and its answer as two turns; of '{name}' the ids given as `name`."""
        return [Turn(self.say(asked, **slots)), Turn(self.say(answered, **slots), learned=True)]

    def answer(
        self, asked: Asked, names: Mapping[Subject, Sequence[int]] | None = None
    ) -> list[Turn]:
        """A question and its answer as two turns."""
        names = names or {}
        return [
            Turn(self.fill(asked.question, names)),
            Turn(self.fill(asked.answer, names), learned=True),
        ]

    def is_it(self, name: Sequence[int], yes: bool, rng: np.random.Generator) -> list[Turn]:
        """Whether the picture shows who was introduced, and the answer."""
        asked = self.choose(templates.RECOGNISE, rng)
        return self.exchange(asked, templates.YES if yes else templates.NO, name=name)

    def caption(
        self,
        group: Group,
        rng: np.random.Generator,
        names: Mapping[Subject, Sequence[int]] | None = None,
    ) -> list[Turn]:
        """A request for a caption and the dense one, which calls who has a name by it."""
        names = names or {}
        said = group_language.caption(group, self.called(names))
        return [
            Turn(self.say(self.choose(templates.CAPTION, rng))),
            Turn(self.fill(said, names), learned=True),
        ]

    # ---- prompts for drawings --------------------------------------------------------------------

    def prompt(self, subject: Sequence[int], scene: str, rng: np.random.Generator) -> list[int]:
        """The ids that ask for a picture.

        Args:
            subject: The ids of what is to be drawn.
            scene: What else is said.
            rng: What the form is drawn from.
        """
        form = self.choose(templates.GENERATE, rng)
        return self.say(templates.with_scene(form, scene), name=subject)

    def scene(self, group: Group, member: Member, rng: np.random.Generator) -> str:
        """Some of a scene, after 'a photo of ...'; a thing wears nothing and only stands."""
        if not member.is_thing:
            return language.show_briefly(group.scene_of(member), rng)
        return language.show_place_briefly(group.scene_of(member), rng)

    # ---- sequences -------------------------------------------------------------------------------

    def after(
        self, ids: Sequence[int], turns: list[Turn], learned_part: range = range(0)
    ) -> list[Turn]:
        """The turns with ids before the first one, of which only `learned_part` is learned."""
        return [Turn([*ids, *turns[0].ids], learned_part=learned_part), *turns[1:]]

    def room(self, turns: Sequence[Turn], reserved: int = 0) -> int:
        """How many more ids fit, beside `reserved` ones that are added later."""
        # 1 for bos, and 1 for the end_turn after each turn.
        return self.length - 1 - reserved - sum(len(t.ids) + 1 for t in turns)


def nameable(subject: Subject) -> list[str]:
    """The attributes that a description of the subject can be wrong about."""
    plain = getattr(subject, "second", "") == NONE
    return [
        name
        for name in NAMEABLE[type(subject)]
        if not (plain and name in ("second", "pattern", "mark"))
    ]
