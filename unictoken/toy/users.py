"""Users of the toy world: what they say of themselves and of their pets, what of that changes, and
which pictures they like. All in sentences that the tiny base was taught to read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from unictoken.data import templates
from unictoken.data.item import Item
from unictoken.data.readers.users import user_of
from unictoken.data.records import Dataset, Record
from unictoken.data.users import Spoken, Taste, Users
from unictoken.toy.pretrain.words import looks
from unictoken.toy.world import language
from unictoken.toy.world.drawing import draw_group
from unictoken.toy.world.groups import Group, alone
from unictoken.toy.world.subjects import KINDS, sample_subject
from unictoken.toy.world.things import choice, sample_scene

PETS = 3  # of a user, each with its facts
CANDIDATES = 20  # replies, and pictures to rank
LIKED, RELEVANT = 3, 5  # pictures that a user showed, and candidates that they would like
JUDGED = 16  # pictures to learn from that a user likes, and as many that they do not
SAID = 8  # utterances out of which facts are read, beside those that tell one
OWN, PET, CHANGED, UNTOLD = "own", "pet", "changed", "untold"  # kinds of questions
OTHER_LINES = (  # what a user says that is no fact about them
    "what colour is {name}?",
    "{name} is a dog.",
    "{name} has a red cap.",
    "is it day or night?",
    "where does {name} live?",
    "{name} likes to eat soup.",
)


def users(count: int, seed: int) -> Users:
    """So many users, a function of the seed.

    Args:
        count: How many.
        seed: Decides everything.
    """
    records, profiles, spoken, tastes = {}, {}, [], []
    for number in range(count):
        # Streams of their own: another number of users changes none of them.
        rng = np.random.default_rng([seed, number, 11])
        name = f"user-{number}"
        profiles[name], records[name] = _told(name, rng)
        spoken.append(_spoken(np.random.default_rng([seed, number, 12])))
        taste = _taste(np.random.default_rng([seed, number, 13]))
        judged = _judged(taste.says, np.random.default_rng([seed, number, 14]))
        tastes.append(replace(taste, judged=judged))
    dataset = Dataset(
        layout="toy",
        root=Path(),
        concepts={name: user_of(name) for name in records},
        records=records,
        profiles=profiles,
    )
    forms = {
        language.OWN_QUESTIONS[key]: _form(sentence)
        for key, sentence in language.OWN_SENTENCES.items()
    }
    return Users(dataset=dataset, tastes=tuple(tastes), spoken=tuple(spoken), forms=forms)


def _form(sentence: str) -> str:
    """'i live {where}.' -> 'i live {}.', which holds an answer such as 'in the snow'."""
    before = sentence.split("{")[0].removesuffix("the ")
    return before + "{}."


# ---- facts and questions ------------------------------------------------------------------------


def _told(name: str, rng: np.random.Generator) -> tuple[tuple[Item, ...], tuple[Record, ...]]:
    """A user's profile in the order of time, and the questions about it.

    Of the user's own facts and of each pet's one is left out: asked about it, nobody knows.
    """
    names = [language.NAMES[int(i)] for i in rng.permutation(len(language.NAMES))[:PETS]]
    told: dict[tuple[str, str], language.Facts] = {}
    untold = []
    for who in ("", *names):
        keys = [str(key) for key in rng.permutation(list(language.FACT_SENTENCES))]
        untold.append((who, keys[-1]))
        told |= {(who, key): language.sample_facts(rng) for key in keys[:-1]}
    order = [list(told)[int(i)] for i in rng.permutation(len(told))]
    said = [(who, key, told[who, key], False) for who, key in order]
    # One of the user's own and one of a pet's facts change after everything was said.
    changing = [next(k for k in order if not k[0]), next(k for k in order if k[0])]
    for who, key in changing:
        said.append((who, key, _another(told[who, key], key, rng), True))
    items = tuple(
        Item(text=_sentence(who, key, facts, now), time=float(i + 1), source="user")
        for i, (who, key, facts, now) in enumerate(said)
    )
    asked = []
    for i, (who, key, facts, now) in enumerate(said):
        # What was said before it changed is asked about no more.
        replaced = not now and (who, key) in changing
        if not replaced:
            kind = CHANGED if now else PET if who else OWN
            asked.append((kind, who, key, language.fact_answer(key, facts), (i,)))
    asked += [(UNTOLD, who, key, templates.UNSURE, ()) for who, key in untold]
    records = [_record(name, i, one, rng) for i, one in enumerate(asked)]
    return items, tuple(records)


def _another(facts: language.Facts, key: str, rng: np.random.Generator) -> language.Facts:
    """Facts of which this one is another."""
    while True:
        other = language.sample_facts(rng)
        if language.fact_answer(key, other) != language.fact_answer(key, facts):
            return other


def _sentence(who: str, key: str, facts: language.Facts, now: bool) -> str:
    """A fact of the user ('' as who) or of a pet, as the user says it."""
    if who:
        return language.fact_sentence(key, facts, now=now).format(name=who)
    said = language.own_sentence(key, facts)
    return f"{said.removesuffix('.')} now." if now else said


def _record(
    name: str,
    number: int,
    asked: tuple[str, str, str, str, tuple[int, ...]],
    rng: np.random.Generator,
) -> Record:
    """A question with its candidates: answers that somebody else's facts would give.

    Args:
        name: The user's.
        number: Of the question.
        asked: Its kind, whom it is about, the fact's key, the answer and the items it uses.
        rng: What the candidates are drawn from.
    """
    kind, who, key, answer, uses = asked
    question = language.FACT_QUESTIONS[key].format(name=who) if who else language.OWN_QUESTIONS[key]
    # A dict and no set: its order is the same in every process.
    candidates = {answer: None, templates.UNSURE: None}
    while len(candidates) < CANDIDATES:
        of = choice(rng, tuple(language.FACT_SENTENCES))
        candidates[language.fact_answer(of, language.sample_facts(rng))] = None
    listed = list(candidates)
    return Record(
        task="reply",
        split="test",
        concepts=(name,),
        where=f"toy users: {name}[{number}]",
        question=question,
        options=tuple(listed[int(i)] for i in rng.permutation(len(listed))),
        answer=answer,
        kind=kind,
        uses=uses,
    )


def _spoken(rng: np.random.Generator) -> Spoken:
    """Two to four facts of a user among other talk."""
    facts, keys = language.sample_facts(rng), list(language.OWN_SENTENCES)
    # Not all four: an extractor that always finds four would be right.
    chosen = [keys[int(i)] for i in rng.permutation(len(keys))[: int(rng.integers(2, 5))]]
    own = [language.own_sentence(key, facts) for key in chosen]
    others = [
        choice(rng, OTHER_LINES).format(name=choice(rng, language.NAMES)) for _ in range(SAID)
    ]
    said = [*own, *others]
    told = tuple(said[int(i)] for i in rng.permutation(len(said)))
    return Spoken(said=told, facts=tuple(Item(text=text, source="user") for text in own))


# ---- tastes -------------------------------------------------------------------------------------


def _picture_of(rng: np.random.Generator) -> Group:
    subject = sample_subject(rng, kind=choice(rng, KINDS), unseen=True)
    return alone(subject, sample_scene(rng))


def _taste(rng: np.random.Generator) -> Taste:
    """Pictures that have one look in common and no other, and candidates, some with it."""
    while True:
        liked = [_picture_of(rng)]
        look = looks(liked[0])[int(rng.integers(3))]
        _fill(liked, LIKED, look, True, rng)
        if set.intersection(*(set(looks(group)) for group in liked)) == {look}:
            break
    candidates: list[Group] = []
    _fill(candidates, RELEVANT, look, True, rng)
    _fill(candidates, CANDIDATES, look, False, rng)
    order = [int(i) for i in rng.permutation(len(candidates))]
    return Taste(
        name=choice(rng, language.NAMES),
        liked=tuple(draw_group(group) for group in liked),
        candidates=tuple(draw_group(candidates[i]) for i in order),
        gains=tuple(float(i < RELEVANT) for i in order),
        says=look,
    )


def _judged(look: str, rng: np.random.Generator) -> tuple[tuple[Image.Image, bool], ...]:
    """Pictures with the look that a user likes and without it, each with whether it has it."""
    groups: list[Group] = []
    _fill(groups, JUDGED, look, True, rng)
    _fill(groups, 2 * JUDGED, look, False, rng)
    order = [int(i) for i in rng.permutation(len(groups))]
    return tuple((draw_group(groups[i]), i < JUDGED) for i in order)


def _fill(groups: list[Group], count: int, look: str, has: bool, rng: np.random.Generator) -> None:
    """Add pictures that have a look, or have it not, until there are so many.

    Args:
        groups: What they are added to.
        count: How many there are then.
        look: One of `looks`.
        has: Whether they have it.
        rng: What they are drawn from.
    """
    # By trial: a look is had by one in 7 to one in 17.
    while len(groups) < count:
        if (look in looks(group := _picture_of(rng))) == has:
            groups.append(group)
