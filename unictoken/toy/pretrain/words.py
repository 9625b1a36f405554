"""Kinds of training sequences in which words count: facts, options, claims, tastes, a user's own
sentences, and what nobody said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unictoken.data import templates
from unictoken.data.sequence import Turn
from unictoken.toy.pretrain.album import Shot
from unictoken.toy.pretrain.one import Shown, own_question, pick
from unictoken.toy.pretrain.parts import Known, Parts
from unictoken.toy.pretrain.several import couple
from unictoken.toy.world import descriptions, language
from unictoken.toy.world.attributes import ACCESSORIES, BRIGHT_COLOURS, PLACES, POSES, TIMES
from unictoken.toy.world.descriptions import noun
from unictoken.toy.world.group_language import Asked
from unictoken.toy.world.groups import Group
from unictoken.toy.world.subjects import NAMEABLE, Subject

LETTERS = "abcd"
OPTIONS = 4


def talk(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """No picture to look at: some are introduced by words or image ids, facts, facts that replace
    others, questions about all of it, and about what nobody said.
    """
    turns: list[Turn] = []
    known: list[Known] = []
    told: list[dict[str, language.Facts]] = []
    # 70: an introduction by up to 20 image ids, facts, and a question.
    while parts.room(turns) > 70:
        name = parts.name(rng)
        if name in [k.name for k in known]:
            continue
        how = "words" if rng.random() < 0.35 else "codes"
        new = parts.known(name, parts.someone(rng), rng, how=how)
        intro, facts, keys = new.intro, {}, language.facts_of(new.subject)
        # Shuffled, so that no order of facts is learned.
        for key in parts.shuffled(keys, rng):
            if rng.random() < 0.5:
                intro = intro + _told(parts, name, facts, key, rng)
        known.append(new)
        told.append(facts)
        pairs = _about(parts, new, facts, rng)
        # Now and then about somebody from before.
        if len(known) > 1 and rng.random() < 0.5:
            i = int(rng.integers(len(known) - 1))
            pairs += _about(parts, known[i], told[i], rng)[:1]
        if rng.random() < 0.25 and facts:
            # What is said last is true.
            key = parts.choose(tuple(facts), rng)
            said = _told(parts, name, facts, key, rng, now=True)
            pairs.append(parts.after(said, _fact_question(parts, name, key, facts)))
        if rng.random() < 0.3:
            pairs.append(_not_known(parts, known, rng))
        turns += parts.after(intro, [turn for pair in pairs for turn in pair])
    return turns


def _told(
    parts: Parts,
    name: Sequence[int],
    facts: dict[str, language.Facts],
    key: str,
    rng: np.random.Generator,
    *,
    now: bool = False,
) -> list[int]:
    """The ids of a new fact, which is kept in `facts`.

    Args:
        parts: What sequences are made of.
        name: The ids of the name.
        facts: What was told of them, by key.
        key: Which fact.
        rng: What it is drawn from.
        now: It replaces an earlier one.
    """
    facts[key] = language.sample_facts(rng)
    return parts.say(language.fact_sentence(key, facts[key], now=now), name=name)


def _fact_question(
    parts: Parts, name: Sequence[int], key: str, facts: dict[str, language.Facts]
) -> list[Turn]:
    """A question about a fact; the answer is `UNSURE` where nobody told it."""
    answer = language.fact_answer(key, facts[key]) if key in facts else templates.UNSURE
    return parts.exchange(language.FACT_QUESTIONS[key], answer, name=name)


def _about(
    parts: Parts, known: Known, facts: dict[str, language.Facts], rng: np.random.Generator
) -> list[list[Turn]]:
    """Questions about somebody: the facts that were told, one in four that was not, and looks."""
    pairs = [_fact_question(parts, known.name, key, facts) for key in facts]
    missing = [key for key in language.FACT_SENTENCES if key not in facts]
    if missing and rng.random() < 0.25:
        pairs.append(_fact_question(parts, known.name, parts.choose(missing, rng), facts))
    pairs += [
        own_question(parts, known.subject, known.name, rng, attribute)
        for attribute in descriptions.questions(known.subject)
        if rng.random() < 0.4
    ]
    # Of somebody nothing was told of, who has been unlucky with looks as well.
    pairs = pairs or [own_question(parts, known.subject, known.name, rng)]
    return parts.shuffled(pairs, rng)


def _not_known(parts: Parts, known: Sequence[Known], rng: np.random.Generator) -> list[Turn]:
    """A question that nothing answers: of a kind that is never told, or about a name that nobody
    introduced.
    """
    if known and rng.random() < 0.5:
        asked, name = parts.choose(language.NEVER_TOLD, rng), parts.choose(known, rng).name
        return parts.exchange(asked, templates.UNSURE, name=name)
    name = parts.name(rng)
    while name in [k.name for k in known]:
        name = parts.name(rng)
    forms = [
        form.replace("{it}", "{name}") for q in descriptions.QUESTIONS.values() for form in _all(q)
    ]
    # A thing's own part would say what kind of thing it is.
    forms = [form for form in forms if "{is}" not in form] + [*language.FACT_QUESTIONS.values()]
    asked = parts.choose(forms, rng)
    return parts.exchange(asked, templates.UNKNOWN, name=name)


def _all(questions: dict[str, tuple[str, ...]]) -> list[str]:
    return [form for forms in questions.values() for form in forms]


# ---- options and claims --------------------------------------------------------------------------


def options(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """Questions with two to four answers to choose from, after a picture or about somebody who was
    introduced; the answer is a letter.
    """
    seen = pick(parts, rng)
    if rng.random() < 0.3:
        name = parts.name(rng)
        known = parts.known(name, seen.who, rng, how=parts.choose(("words", "codes"), rng))
        first, names = known.intro, {seen.subject: name}
        asked = [
            Asked(about, parts.choose(forms, rng).replace("{it}", "{0}"), answer)
            for about, forms in descriptions.questions(seen.subject).items()
            for answer in [descriptions.answer(seen.subject, about)]
        ]
        asked = parts.shuffled(asked, rng)
        group_subjects: tuple[Subject, ...] = (seen.subject,)
    else:
        shot, first, names = _a_picture(parts, seen, rng)
        asked = parts.questions(shot.group, rng, names)
        group_subjects = shot.subjects
    turns: list[Turn] = []
    for a in asked:
        wrong = wrong_answers(a, group_subjects, rng)
        # The longest takes about 45 ids.
        if parts.room(turns, len(first)) < 45:
            break
        if wrong:
            turns += _option_question(parts, a, wrong, names, rng)
    # Every question may be one whose wrong answers nobody knows.
    return parts.after(first, turns) if turns else options(parts, rng)


def _a_picture(
    parts: Parts, seen: Shown, rng: np.random.Generator
) -> tuple[Shot, list[int], dict[Subject, list[int]]]:
    """A picture, of one or of two; its ids, in half of the cases with one of them introduced in
    words; and the name then.
    """
    shot = couple(parts, rng)[1] if rng.random() < 0.4 else seen.shot
    if rng.random() >= 0.5:
        return shot, parts.picture(shot), {}
    subject, name = parts.choose(shot.subjects, rng), parts.name(rng)
    intro = parts.introduce(name, subject, (), rng, how="words")
    return shot, parts.picture(shot) + intro, {subject: name}


def _option_question(
    parts: Parts,
    asked: Asked,
    wrong: Sequence[str],
    names: dict[Subject, list[int]],
    rng: np.random.Generator,
) -> list[Turn]:
    """A question with its options in any order, and the letter of the right one.

    Args:
        parts: What sequences are made of.
        asked: The question and its answer.
        wrong: Other answers.
        names: Of subjects that the question calls by name.
        rng: What the order is drawn from.
    """
    count = int(rng.integers(1, min(len(wrong), OPTIONS - 1) + 1))
    if rng.random() < 0.7:
        count = min(len(wrong), OPTIONS - 1)
    listed = [asked.answer, *wrong[:count]]
    listed = parts.shuffled(listed, rng)
    said = " ".join(f"{letter}. {text}" for letter, text in zip(LETTERS, listed, strict=False))
    right = LETTERS[listed.index(asked.answer)]
    return [
        Turn(parts.fill(f"{asked.question} {said}", names)),
        Turn(parts.say(right), learned=True),
    ]


def wrong_answers(asked: Asked, subjects: Sequence[Subject], rng: np.random.Generator) -> list[str]:
    """Other answers to a question, in random order; none where nobody knows what would be wrong."""
    values: Sequence[str] = ()
    # Not a set: its order is another one in every process.
    for kind in dict.fromkeys(map(type, subjects)):
        values = NAMEABLE[kind].get(asked.about, values)
    match asked.about:
        case "place":
            values = [language.WHERE[place] for place in PLACES]
        case "position":
            values = tuple(language.SIDE_OF.values())
        case "time":
            values = TIMES
        case "pose":
            values = POSES
        case "accessory":
            colours = tuple(BRIGHT_COLOURS)
            values = [
                "nothing",
                *(
                    language.a(f"{colours[int(rng.integers(len(colours)))]} {kind}")
                    for kind in ACCESSORIES
                ),
            ]
        case "species" | "kind":
            values = [language.a(value) for value in values]
    values = [value for value in values if value != asked.answer]
    return [values[int(i)] for i in rng.permutation(len(values))]


def verify(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """A picture, then questions with an answer that is right or not: yes or no."""
    seen = pick(parts, rng)
    shot, first, names = _a_picture(parts, seen, rng)
    turns: list[Turn] = []
    for a in parts.questions(shot.group, rng, names):
        wrong = wrong_answers(a, shot.subjects, rng)
        if parts.room(turns, len(first)) < 24:
            break
        if wrong:
            yes = rng.random() < 0.5
            claimed = a.answer if yes else wrong[0]
            claim = templates.VERIFY.replace("{question}", a.question).replace("{answer}", claimed)
            said = templates.YES if yes else templates.NO
            turns += [Turn(parts.fill(claim, names)), Turn(parts.say(said), learned=True)]
    return parts.after(first, turns) if turns else verify(parts, rng)


# ---- a user's taste and own facts ------------------------------------------------------------------


def taste(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """'{name} likes <pictures>. would {name} like this? <picture>': what the liked ones have in
    common, a noun, a colour or a place, decides.
    """
    # By trial: two that share exactly one look leave no doubt what is liked.
    while True:
        liked = [pick(parts, rng) for _ in range(2)]
        common = set(looks(liked[0].shot.group)) & set(looks(liked[1].shot.group))
        if len(common) == 1:
            break
    yes = rng.random() < 0.5
    # Half of the candidates have it: a constant answer is right half of the time.
    while (common <= set(looks((candidate := pick(parts, rng).shot).group))) != yes:
        pass
    name = parts.name(rng)
    seen = [i for one in liked for i in parts.picture(one.shot)]
    asked = parts.say(f"{templates.LIKES} {templates.WOULD_LIKE}", name=name, seen=seen)
    answer = Turn(parts.say(templates.YES if yes else templates.NO), learned=True)
    (shared,) = common
    why = parts.exchange("what does {name} like?", shared, name=name)
    return [Turn(asked + parts.picture(candidate)), answer, *why]


def looks(group: Group) -> list[str]:
    """What somebody may like about a picture of one: its noun, its main colour, its place."""
    (member,) = group.members
    subject = member.subject
    colour = next(getattr(subject, k) for k in ("fur", "colour", "shirt") if hasattr(subject, k))
    return [language.a(noun(subject)), colour, language.WHERE[group.place]]


def persona(parts: Parts, rng: np.random.Generator) -> list[Turn]:
    """A user's own sentences, then questions about them, with and without options."""
    facts = language.sample_facts(rng)
    keys = [k for k in language.OWN_SENTENCES if rng.random() < 0.7] or ["food"]
    keys = parts.shuffled(keys, rng)
    said = [i for k in keys for i in parts.say(language.own_sentence(k, facts))]
    pairs: list[Turn] = []
    for key in language.OWN_SENTENCES:
        known = key in keys
        answer = language.fact_answer(key, facts) if known else templates.UNSURE
        question = language.OWN_QUESTIONS[key]
        if known and rng.random() < 0.4:
            others = {language.fact_answer(key, language.sample_facts(rng)) for _ in range(6)}
            wrong = sorted(others - {answer})
            if wrong:
                asked = Asked(key, question, answer)
                pairs += _option_question(parts, asked, wrong, {}, rng)
                continue
        if rng.random() < 0.7:
            pairs += parts.exchange(question, answer)
    if not pairs:
        pairs = parts.exchange("what do i like?", templates.UNSURE)
    return parts.after(said, pairs)
