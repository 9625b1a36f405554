"""What two concepts that stand on one base together know and draw, measured on `toy/together.py`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from unictoken.data.concept import Concept
from unictoken.data.templates import NO, YES, yes_or_no
from unictoken.personalize.session import Session
from unictoken.scoring import metrics
from unictoken.toy.concepts import truth_of
from unictoken.toy.judge import Judge, check_together
from unictoken.toy.together import Together
from unictoken.toy.world.subjects import identity

RECOGNISED = ("rec",)  # kinds of questions that are answered with a probability
ASKED = ("who", "side", "beside", "vqa")  # of those that the tiny base was taught to answer
WHOLE = 1.0  # the share of its attributes with which somebody is drawn right


def score_pair(
    both: Session,
    alone: Mapping[str, Session],
    test: Together,
    concepts: Mapping[str, Concept],
    judge: Judge,
    *,
    seed: int,
) -> dict[str, float]:
    """Every number about one pair.

    - recognition, recognition_alone: balanced accuracy of "is <bo> in the photo?", with both
      concepts on the base, and with that one alone
    - located: concepts that are found in the half of the picture in which they stand
    - who, side, beside, vqa: answers with exactly the right words
    - not_swapped: answers of `vqa` that are not what is true of the other one
    - identity: the share of their attributes that the two have in drawings of both; whole: of
      drawings in which each has all of them; prompt: the share of what prompts ask for beside that

    Args:
        both: A base with both concepts.
        alone: By name, the base with that one.
        test: Pictures, questions and prompts of the pair.
        concepts: By name, with their truth.
        judge: What reads the drawings.
        seed: Of the drawings.
    """
    numbers = {
        "recognition": _recognition(dict.fromkeys(test.names, both), test),
        "recognition_alone": _recognition(alone, test),
        "located": _located(alone, test),
    }
    by_kind: dict[str, list[bool]] = {kind: [] for kind in ASKED}
    swapped: list[bool] = []
    # One call for all: questions about one picture share it.
    asked = [q for q in test.questions if q.kind in ASKED]
    pictures = [test.folder / q.picture for q in asked]
    for q, said in zip(asked, both.ask([q.question for q in asked], pictures), strict=True):
        by_kind[q.kind].append(_plain(said) == _plain(q.answer))
        if q.swapped is not None:
            swapped.append(_plain(said) != _plain(q.swapped))
    numbers |= {kind: metrics.mean(right) for kind, right in by_kind.items() if right}
    numbers["not_swapped"] = metrics.mean(swapped)
    return numbers | _drawn(both, test, concepts, judge, seed)


def _plain(text: str) -> str:
    """Words without markers: who is told in words says 'tom', tokens say '<tom>'."""
    return text.replace("<", "").replace(">", "").strip(" .")


def _recognition(sessions: Mapping[str, Session], test: Together) -> float:
    """The mean over the two of balanced accuracy at probability .5."""
    shares = []
    for name in test.names:
        own = [q for q in test.questions if q.kind in RECOGNISED and f"<{name}>" in q.question]
        found = sessions[name].recognise([test.folder / q.picture for q in own], name)
        right: dict[str, list[bool]] = {YES: [], NO: []}
        for q, probability in zip(own, np.atleast_1d(found).tolist(), strict=True):
            right[q.answer].append(yes_or_no(probability) == q.answer)
        shares.append(metrics.mean([metrics.mean(flags) for flags in right.values() if flags]))
    return metrics.mean(shares)


def _located(sessions: Mapping[str, Session], test: Together) -> float:
    """The share of the concepts in pictures that are found on their side."""
    right = []
    for name, session in sessions.items():
        positions = {
            picture: stand[name] for picture, stand in test.positions.items() if name in stand
        }
        places = session.locate([test.folder / picture for picture in positions], name)
        assert isinstance(places, list)
        right += [
            where.side == side for where, side in zip(places, positions.values(), strict=True)
        ]
    return metrics.mean(right)


def _drawn(
    both: Session, test: Together, concepts: Mapping[str, Concept], judge: Judge, seed: int
) -> dict[str, float]:
    """What drawings of both show.

    Args:
        both: A base with both concepts.
        test: Has the prompts.
        concepts: By name, with their truth.
        judge: What reads the drawings.
        seed: Of the drawings.
    """
    prompts = list(test.wishes)
    # All prompts in one batch: a picture depends on its own number and seed alone.
    drawings = both.draw(prompts, seed=seed)
    subjects = [truth_of(concepts[name]).subject for name in test.names]
    verdicts = [
        check_together(
            reading,
            [identity(subject) for subject in subjects],
            [wish.members.get(name, {}) for name in test.names],
            wish.place,
        )
        for reading, wish in zip(judge.read(drawings), test.wishes.values(), strict=True)
    ]
    return {
        "identity": metrics.mean([share for v in verdicts for share in v.identity]),
        "whole": metrics.mean([min(v.identity) >= WHOLE for v in verdicts]),
        "prompt": metrics.mean([v.wishes for v in verdicts if v.wishes is not None]),
    }
