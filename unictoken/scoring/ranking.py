"""Scores of a ranking: how early what is relevant stands in it. Relevance is 0 or a gain above 0.

Tests compare them with `ir-measures`, on trec_eval's own code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from unictoken.scoring.metrics import MetricError


def ranked(scores: Sequence[float], gains: Sequence[float]) -> list[float]:
    """The gains in the order of the scores, the highest first.

    Of equal scores the one with the lower gain comes first, so that a ranking which tells nothing
    apart gets no credit for the order in which it was asked.

    >>> ranked([0.1, 0.9, 0.1], [1, 0, 0])
    [0, 0, 1]
    """
    # Sorting is stable, and the order of the list must not decide either.
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], gains[i]))
    return [gains[i] for i in order]


def ndcg(gains: Sequence[float], k: int) -> float:
    """Normalised discounted cumulative gain of the first k (Järvelin and Kekäläinen 2002).

    >>> ndcg([0, 1], 2) == 1 / math.log2(3)
    True
    """
    # Of the best order of the same gains: 1 is always within reach.
    best = _discounted(sorted(gains, reverse=True)[:k])
    _need_relevant(best)
    return _discounted(gains[:k]) / best


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def reciprocal_rank(gains: Sequence[float]) -> float:
    """1 divided by the place of the first one that is relevant; its mean over queries is MRR.

    >>> reciprocal_rank([0, 0, 1, 1])
    0.3333333333333333
    """
    _need_relevant(sum(gains))
    return 1 / (1 + next(place for place, gain in enumerate(gains) if gain > 0))


def recall_at(gains: Sequence[float], k: int) -> float:
    """The share of those that are relevant which stand among the first k.

    >>> recall_at([1, 0, 1, 0], 2)
    0.5
    """
    relevant = sum(gain > 0 for gain in gains)
    _need_relevant(relevant)
    return sum(gain > 0 for gain in gains[:k]) / relevant


def hits_at(gains: Sequence[float], k: int) -> float:
    """1 where one that is relevant stands among the first k, else 0 (PersonaChat: hits@1)."""
    _need_relevant(sum(gains))
    return float(any(gain > 0 for gain in gains[:k]))


def average_precision(gains: Sequence[float], k: int | None = None) -> float:
    """The mean, over those that are relevant, of the share of relevant ones down to their place;
    its mean over queries is mAP.

    Args:
        gains: In the order of the ranking.
        k: Only places among the first k count, of at most k relevant ones (mAP@k); None: all.

    >>> average_precision([1, 0, 1, 0])
    0.8333333333333333
    """
    relevant = sum(gain > 0 for gain in gains)
    _need_relevant(relevant)
    places = [place for place, gain in enumerate(gains[:k], 1) if gain > 0]
    found = sum(number / place for number, place in enumerate(places, 1))
    return found / (relevant if k is None else min(k, relevant))


def _need_relevant(amount: float) -> None:
    if amount <= 0:
        raise MetricError("ranking: nothing in it is relevant. Expected one or more.")


def area_under_curve(own: Sequence[float], others: Sequence[float]) -> float:
    """The share of pairs of one of its own and another in which its own has the higher score; of
    equal ones half.

    >>> area_under_curve([0.9, 0.5], [0.5, 0.1])
    0.875
    """
    won = [(mine > other) + (mine == other) / 2 for mine in own for other in others]
    return sum(won) / len(won)
