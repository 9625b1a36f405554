"""A user's tokens, measured: two users with opposite tastes label the same pictures; each one's
tokens are asked about other pictures (Personalized LLMs, arXiv 2402.09269).

    user              tokens learned from the user's own labels
    opposite_user     those of the user who says the opposite of each picture
    opposite_is_right the same, scored by what that user likes
    pictures          nothing is learned: three liked pictures stand before the question, two at a time
    map               a logistic regression on the base's features of the same labelled pictures
    features          nothing is asked: cosine of the base's features with all liked pictures
    majority          the commoner answer, to every picture
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unictoken.core import config, shipped
from unictoken.data.opinions import DISLIKES, LIKES, read_user
from unictoken.data.templates import NO, YES, yes_or_no
from unictoken.data.users import Taste
from unictoken.learn.method import Learned, Run
from unictoken.learn.methods import MethodFile
from unictoken.learn.run import method_of
from unictoken.measure import tastes
from unictoken.model.protocol import Base
from unictoken.personalize.gated import learn_gate
from unictoken.personalize.tokens import with_tokens
from unictoken.personalize.user import likes
from unictoken.scoring import ranking
from unictoken.scoring.classes import macro_f1
from unictoken.scoring.metrics import Estimate, estimate

METHOD = "user"
Row = dict[str, float]
"""A user's numbers, by column."""


def learn_user(base: Base, taste: Taste, *, opposite: bool = False, seed: int = 0) -> Learned:
    """The tokens of a user, learned from the pictures that they judged.

    Args:
        base: Frozen.
        taste: With the pictures that its user judged.
        opposite: Learn the user who says the opposite of each.
        seed: Of learning.
    """
    said = {
        LIKES: [picture for picture, liked in taste.judged if liked != opposite],
        DISLIKES: [picture for picture, liked in taste.judged if liked == opposite],
    }
    # They are drawn: nobody is there who could agree.
    user = read_user(said, name=taste.name, consent=True)
    settings = config.load(MethodFile, shipped.find_method(METHOD)).method
    fitted = method_of(settings).fit(base, [user], run=Run(seed=seed))
    assert isinstance(fitted, Learned)
    return fitted


def liked_by(base: Base, learned: Learned, taste: Taste) -> list[float]:
    """P(the learned user likes it) of each candidate."""
    with torch.no_grad():
        return likes(with_tokens(base, learned.tokens), base.encode(taste.candidates))


def scored(scores: Sequence[float], gains: Sequence[float], *, decided: bool = True) -> Row:
    """Macro-F1 of yes and no, and NDCG@5.

    Args:
        scores: Of each candidate, P(yes) where `decided`.
        gains: 1 where the user likes it, else 0.
        decided: Whether a score above .5 says yes; else there is no macro-F1.
    """
    row = {"ndcg@5": ranking.ndcg(ranking.ranked(scores, gains), tastes.K)}
    if decided:
        expected = [YES if gain else NO for gain in gains]
        row["macro_f1"] = macro_f1([yes_or_no(p) for p in scores], expected, (YES, NO))
    return row


def rows_of(base: Base, taste: Taste, *, seed: int = 0) -> dict[str, Row]:
    """One user's numbers, by way.

    Args:
        base: Frozen.
        taste: Pictures that were judged, and candidates.
        seed: Of learning.
    """
    own = liked_by(base, learn_user(base, taste, seed=seed), taste)
    other = liked_by(base, learn_user(base, taste, opposite=True, seed=seed), taste)
    gains, reverse = taste.gains, [1 - gain for gain in taste.gains]
    with torch.no_grad():
        shown = tastes.WAYS["pictures"](base, [taste], 0)
        alike = tastes.likeness(base, [p for p, liked in taste.judged if liked], taste.candidates)
    commoner = float(2 * sum(gains) > len(gains))
    return {
        "user": scored(own, gains),
        "opposite_user": scored(other, gains),
        "opposite_is_right": {"macro_f1": scored(other, reverse)["macro_f1"]},
        "pictures": scored(shown, gains),
        "map": scored(mapped(base, taste), gains),
        "features": scored(alike, gains, decided=False),
        "majority": scored([commoner] * len(gains), gains),
    }


def mapped(base: Base, taste: Taste) -> list[float]:
    """P(liked) of each candidate by a map from the base's features to the user's labels: what a
    recommender learns beside a frozen model. It is a gate that opens for what the user likes.

    Args:
        base: Whose features.
        taste: With the pictures that its user judged.
    """
    liked_NK, others_MK = (
        base.encode([picture for picture, liked in taste.judged if liked == wanted])
        for wanted in (True, False)
    )
    gate = learn_gate(base, liked_NK, others_MK, threshold=0.5)
    return gate.probabilities(base, base.encode(taste.candidates))


def over_users(
    base: Base, shown: Sequence[Taste], *, seed: int = 0
) -> dict[str, dict[str, Estimate | None]]:
    """Each number's mean over users with its 95 % interval; chance, too.

    Args:
        base: Frozen.
        shown: A taste of each user.
        seed: Of learning.
    """
    rows = [rows_of(base, taste, seed=seed) for taste in shown]
    table: dict[str, dict[str, Estimate | None]] = {
        way: {
            column: estimate([row[way][column] for row in rows]) if column in found else None
            for column in ("macro_f1", "ndcg@5")
        }
        for way, found in rows[0].items()
    }
    chance = tastes.over_users(tastes.by_chance(shown, seed=seed))
    return table | {"chance": {"macro_f1": None, "ndcg@5": chance["ndcg@5"]}}
