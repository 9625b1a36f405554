"""Recommendation: pictures ranked by how likely a user likes them, who showed some that they like.

The base is asked "{name} likes <pictures>. would {name} like this? <picture>", and P(yes) ranks.
Nothing is trained.

`explained` lets the base first say what the liked pictures have in common, and then asks how well
these words answer questions about a candidate: a reason that a user can read, and correct.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import torch

from unictoken.core.registry import Registry
from unictoken.data import templates
from unictoken.data.sequence import Turn, join_turns, user_turn
from unictoken.data.users import Taste
from unictoken.model.encoders import BaseEncoder
from unictoken.model.likelihood import likelihoods
from unictoken.model.protocol import Base
from unictoken.model.sampling import ANSWER_IDS, sample_text
from unictoken.personalize.condition import yes_probability
from unictoken.scoring import ranking
from unictoken.scoring.metrics import Estimate, estimate

WHY = "what does {name} like?"
ABOUT = ("what is it?", "what colour is it?", "where is it?")  # what a reason may be about
SHOWN = 2  # pictures that stand before a question: as many as the tiny base was taught with
Ids = Sequence[Sequence[int]]
"""Image ids of pictures."""


def liking(base: Base, name: str, liked: Ids, candidates: Ids) -> list[float]:
    """P(yes) for each candidate, averaged over all pairs of liked pictures; without any, what the
    base says of the candidate alone.

    Args:
        base: What is asked.
        name: What the user is called.
        liked: Image ids of pictures that the user likes.
        candidates: Of those to rank.
    """
    vocab = base.vocab
    # Two at a time, as it was taught; more of them say more by the mean of all pairs.
    shown = list(combinations(liked, min(SHOWN, len(liked))))
    prompts = [
        user_turn([*_said(base, name, pair), *vocab.picture(candidate)], vocab)
        for pair in shown
        for candidate in candidates
    ]
    return yes_probability(base, prompts).view(len(shown), len(candidates)).mean(0).tolist()


def _said(base: Base, name: str, shown: Ids) -> list[int]:
    """What stands before a candidate."""
    vocab = base.vocab
    slots = {"{name}": vocab.encode(name)}
    slots["{seen}"] = [i for ids in shown for i in vocab.picture(ids)]
    form = f"{templates.LIKES} {templates.WOULD_LIKE}" if shown else templates.WOULD_LIKE
    return vocab.encode(form, slots)


def likeness(base: Base, liked: Sequence, candidates: Sequence) -> list[float]:
    """The mean cosine of each candidate with the liked pictures, by the base's own features."""
    # All in one call: they are encoded in the same batches.
    features = BaseEncoder(base).pictures([*liked, *candidates]).astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    own, others = features[: len(liked)], features[len(liked) :]
    return [float(score) for score in (others @ own.T).mean(1)]


Way = Callable[[Base, Sequence[Taste], int], list[float]]
"""Scores of the candidates of one of the tastes, by its number."""


def _codes(base: Base, pictures: Sequence) -> list[list[int]]:
    codes: list[list[int]] = base.encode(pictures).tolist()
    return codes


def _own(base: Base, tastes: Sequence[Taste], i: int) -> list[float]:
    one = tastes[i]
    return liking(base, one.name, _codes(base, one.liked), _codes(base, one.candidates))


def _none(base: Base, tastes: Sequence[Taste], i: int) -> list[float]:
    return liking(base, tastes[i].name, [], _codes(base, tastes[i].candidates))


def _another(base: Base, tastes: Sequence[Taste], i: int) -> list[float]:
    # The next one who likes something else: the same look would be no control.
    others = [t for t in (*tastes[i + 1 :], *tastes[:i]) if t.says != tastes[i].says]
    liked = others[0].liked if others else ()
    return liking(base, tastes[i].name, _codes(base, liked), _codes(base, tastes[i].candidates))


def _in_words(base: Base, tastes: Sequence[Taste], i: int) -> list[float]:
    vocab, one = base.vocab, tastes[i]
    said = vocab.encode(
        f"{one.name} likes {one.says}. {templates.WOULD_LIKE}", {"{name}": vocab.encode(one.name)}
    )
    prompts = [user_turn([*said, *vocab.picture(c)], vocab) for c in _codes(base, one.candidates)]
    return yes_probability(base, prompts).tolist()


def explained(base: Base, taste: Taste) -> str:
    """What the base says that the user likes, as the answer to 'what does zoe like?' after two liked
    pictures and a third that they would like: what is said for most of the pairs.

    Args:
        base: What is asked.
        taste: With three or more liked pictures.
    """
    vocab, liked = base.vocab, _codes(base, taste.liked)
    slots = {"{name}": vocab.encode(taste.name)}
    prompts = []
    for third in range(len(liked)):
        shown = [ids for k, ids in enumerate(liked) if k != third][:SHOWN]
        asked = [*_said(base, taste.name, shown), *vocab.picture(liked[third])]
        turns = (Turn(asked), Turn(vocab.encode(templates.YES)))
        prompts.append(join_turns([*turns, Turn(vocab.encode(WHY, slots))], vocab).ids)
    said = [vocab.decode(ids) for ids in sample_text(base, prompts, max_ids=ANSWER_IDS)]
    return Counter(said).most_common(1)[0][0]


def _explained(base: Base, tastes: Sequence[Taste], i: int) -> list[float]:
    """How likely the reason is as the answer to the question about the candidate that it fits best."""
    vocab, said = base.vocab, explained(base, tastes[i])
    asked = [vocab.encode(question) for question in ABOUT]
    pairs = [
        (user_turn([*vocab.picture(candidate), *question], vocab), vocab.encode(said))
        for candidate in _codes(base, tastes[i].candidates)
        for question in asked
    ]
    likely = np.array([one.mean for one in likelihoods(base, pairs)])
    return [float(score) for score in likely.reshape(-1, len(ABOUT)).max(1)]


WAYS: Registry[Way] = Registry(
    "way",
    {
        "pictures": _own,
        "in_words": _in_words,
        "explained": _explained,
        "features": lambda base, tastes, i: likeness(base, tastes[i].liked, tastes[i].candidates),
        "another_user": _another,
        "none": _none,
    },
)
COLUMNS = ("ndcg@5", "mrr", "recall@5")
K = 5


def rank(base: Base, tastes: Sequence[Taste], way: str) -> list[dict[str, float]]:
    """NDCG@5, MRR and R@5 of each user's candidates, ranked one way."""
    scored = []
    with torch.no_grad():
        for i, taste in enumerate(tastes):
            # Ties count against a way: a constant answer ranks nothing.
            gains = ranking.ranked(WAYS.find(way)(base, tastes, i), taste.gains)
            values = (
                ranking.ndcg(gains, K),
                ranking.reciprocal_rank(gains),
                ranking.recall_at(gains, K),
            )
            scored.append(dict(zip(COLUMNS, values, strict=True)))
    return scored


def by_chance(
    tastes: Sequence[Taste], *, seed: int = 0, draws: int = 200
) -> list[dict[str, float]]:
    """The same of random rankings: the mean of so many for each user."""
    # The exact expectation has no short form for NDCG; the mean of many draws is as good.
    rng = np.random.default_rng(seed)
    rows = []
    for taste in tastes:
        found = [
            (ranking.ndcg(gains, K), ranking.reciprocal_rank(gains), ranking.recall_at(gains, K))
            for gains in (rng.permutation(taste.gains).tolist() for _ in range(draws))
        ]
        rows.append(dict(zip(COLUMNS, np.mean(found, 0).tolist(), strict=True)))
    return rows


def over_users(rows: Sequence[dict[str, float]]) -> dict[str, Estimate]:
    """Each number's mean over users with its 95 % interval."""
    return {column: estimate([row[column] for row in rows]) for column in COLUMNS}
