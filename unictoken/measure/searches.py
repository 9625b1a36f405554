"""Searches of pictures by texts that name concepts, and how early the right pictures come.

One function scores them all: places of a toy album, and the queries of ConCon-Chi and PerVL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from unictoken.data.records import Record
from unictoken.personalize.query import Seen
from unictoken.personalize.session import Picture, Session
from unictoken.scoring.ranking import (
    average_precision,
    hits_at,
    ranked,
    recall_at,
    reciprocal_rank,
)

FIRST = (1, 5, 10)  # how many pictures R@k and hit@k look at, as ConCon-Chi reports them
LOTS = 100  # orders by lot


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for in a pool of pictures."""

    prompt: str
    """A text with concepts in it: '<bo> on the beach'."""
    right: Sequence[bool]
    """Of each picture of the pool, whether it is one that is looked for."""
    first: Mapping[str, Sequence[bool]] = field(default_factory=dict)
    """What else is asked of the picture that comes first: whether it holds of each one, by the
    column's name."""


def searches_of(records: Sequence[Record], pool: Sequence[Path]) -> list[Search]:
    """The searches that `find` records of one pool ask for."""
    return [
        Search(prompt=record.question, right=[file in record.pictures for file in pool])
        for record in records
    ]


def names_alone(searches: Sequence[Search], names: Sequence[str]) -> list[Search]:
    """The same searches of these concepts by their names and nothing else: '<bo> and <mia>'."""
    prompt = " and ".join(f"<{name}>" for name in names)
    return [replace(search, prompt=prompt) for search in searches]


def score_searches(
    chat: Session,
    searches: Sequence[Search],
    pool: Sequence[Picture] | Seen,
    at: Sequence[int] = FIRST,
    **how: Any,
) -> list[dict[str, float]]:
    """For each search MRR, mAP, R@k (the share of the right pictures among the first k), hit@k
    (whether one is), and what is asked of the first picture.

    Args:
        chat: A base with the concepts on it, which must draw, but for features.
        searches: What is looked for.
        pool: The pictures that are looked through.
        at: The k of R@k and hit@k.
        **how: `by` and so on, as `Session.find` has them.
    """
    found = chat.find_each([search.prompt for search in searches], pool, **how)
    in_order = ([score for _, score in sorted(ranking)] for ranking in found)
    return [_scores(s, scores, at) for s, scores in zip(searches, in_order, strict=True)]


def score_by_lot(
    searches: Sequence[Search], seed: int, at: Sequence[int] = FIRST
) -> list[dict[str, float]]:
    """The same of orders by lot, their mean.

    Args:
        searches: What is looked for.
        seed: Of the lots.
        at: The k of R@k and hit@k.
    """
    rng = np.random.default_rng(seed)
    lots = [rng.random(len(searches[0].right)).tolist() for _ in range(LOTS)]
    return [means([_scores(search, lot, at) for lot in lots]) for search in searches]


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each column."""
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def _scores(search: Search, scores: Sequence[float], at: Sequence[int]) -> dict[str, float]:
    gains = ranked(scores, [float(each) for each in search.right])
    return {
        "MRR": reciprocal_rank(gains),
        "mAP": average_precision(gains),
        **{f"R@{k}": recall_at(gains, k) for k in at},
        **{f"hit@{k}": hits_at(gains, k) for k in at},
        # Of equal scores the worst one counts.
        **{
            name: ranked(scores, list(map(float, holds)))[0] for name, holds in search.first.items()
        },
    }
