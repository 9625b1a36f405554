"""Which items of a profile fit a query: by their words (BM25), by features (dense), or the newest.

    bm25(items, documents).scores("what hat does tom have?")     ->  a number for each item

A retriever of your own is such a function; `RETRIEVERS.register` makes it known by a name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from unictoken.core.registry import Registry
from unictoken.data.item import Item
from unictoken.scoring.metrics import words
from unictoken.scoring.texts import library


class Texts(Protocol):
    """What turns texts into features that are compared by their angle: an encoder's text half."""

    def texts(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """A row [F] for each."""


class Index(Protocol):
    """Items that are ready to be looked through."""

    def scores(self, query: str) -> Sequence[float]:
        """How well each item fits, in their order; higher is better."""


Retriever = Callable[[Sequence[Item], Sequence[str]], Index]
"""Makes an index of items, and of the text that each is looked up by."""


@dataclass(frozen=True)
class Newest:
    """The newest items, whatever is asked."""

    items: Sequence[Item]

    def scores(self, query: str) -> list[float]:
        """The time of each."""
        return [item.time for item in self.items]


def recency(items: Sequence[Item], documents: Sequence[str]) -> Newest:
    """The newest items first; of one time, the later in the list."""
    return Newest(items)


@dataclass(frozen=True)
class Words:
    """Items by their words."""

    index: Any
    """Of bm25s; None: no item has a word."""
    count: int

    def scores(self, query: str) -> list[float]:
        """BM25 of each."""
        # A word twice in the query counts twice, as in the formula.
        sought = words(query)
        if self.index is None or not sought:
            return [0.0] * self.count
        return [float(score) for score in self.index.get_scores(sought)]


def bm25(items: Sequence[Item], documents: Sequence[str]) -> Words:
    """BM25 over words (Robertson and Zaragoza 2009), by the library bm25s with Lucene's weights,
    which are never negative: LaMP's `rank-bm25` punishes a word that half of the items have.
    """
    told = [words(document) for document in documents]
    # bm25s refuses a corpus without a single word.
    if not any(told):
        return Words(None, len(told))
    made = library("bm25s").BM25(method="lucene", k1=1.5, b=0.75)
    # bm25s 0.3 sets its own logger to DEBUG, and says every index that it builds.
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    made.index(told, show_progress=False)
    return Words(made, len(told))


@dataclass(frozen=True)
class Features:
    """Items by an encoder's features."""

    encoder: Texts
    items_NF: np.ndarray[Any, Any]

    def scores(self, query: str) -> list[float]:
        """The cosine of each with the query."""
        if not len(self.items_NF):
            return []
        return [float(s) for s in self.items_NF @ unit_rows(self.encoder.texts([query]))[0]]


def dense(encoder: Texts) -> Retriever:
    """A retriever by the angle between an encoder's features."""

    def made(items: Sequence[Item], documents: Sequence[str]) -> Features:
        if not documents:
            return Features(encoder, np.zeros((0, 1)))
        return Features(encoder, unit_rows(encoder.texts(documents)))

    return made


def unit_rows(features_NF: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The rows, each of norm 1, in fp64."""
    features = np.asarray(features_NF, np.float64)
    # An encoder may give zeros for a text without words: it is then unlike everything.
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(norms, norms, 1.0))


RETRIEVERS: Registry[Callable[[Texts], Retriever]] = Registry(
    "retriever",
    {"bm25": lambda encoder: bm25, "dense": dense, "recency": lambda encoder: recency},
)
"""By name, what makes a retriever of an encoder; only 'dense' uses it."""


def best(scores: Sequence[float], items: Sequence[Item], k: int) -> list[int]:
    """The numbers of the k items with the highest scores; of equal ones the newer, then the later
    in the list.

    >>> best([1.0, 2.0, 1.0], [Item(text=t) for t in "abc"], 2)
    [1, 2]
    """
    order = sorted(range(len(items)), key=lambda i: (-scores[i], -items[i].time, -i))
    return order[:k]
