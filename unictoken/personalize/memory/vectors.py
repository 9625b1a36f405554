"""Features of remembered pictures as one matrix in RAM: who is nearest, and how near is near
enough.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

EXACT = 10_000  # concepts that are compared one by one; beyond, faiss where it is installed
PRIOR = 16  # pictures: with fewer, their mean says little about what all pictures share
SAMPLED = 512  # pictures that limits are calibrated on, at most
KEPT = 0.05  # of a concept's own pictures may lie below the limit of candidates
FALSE = 0.05  # of others' pictures may lie above it, where no concept has two pictures
_LINKS = 32  # of each entry in faiss's graph


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Cosines that were calibrated on the concepts' own pictures.

    Each picture is compared with its concept's other pictures, and with the nearest other concept.
    `candidate`: below it lie KEPT of the own ones. `same`: tells own from other with the highest
    balanced accuracy. Of concepts with one picture each, both are what FALSE of the others exceed;
    of a single picture, -1: it is always a candidate.
    """

    candidate: float
    same: float


class Vectors:
    """Concepts by the mean of their pictures' features, each of norm 1 after the mean of all was
    taken off.

    Args:
        names: Of the concepts, [E].
        owners: The number of the concept of each picture, [N].
        features: Of the pictures, [N, F].
    """

    def __init__(self, names: Sequence[str], owners: np.ndarray, features: np.ndarray):
        self.names, self.owners = tuple(names), owners
        # What every picture shares (a sky, a style) tells nobody apart.
        self.centre = features.sum(0) / (len(features) + PRIOR)
        self.pictures_NF = self.unit(features)
        sums = np.zeros((len(self.names), self.pictures_NF.shape[1]), np.float32)
        np.add.at(sums, owners, self.pictures_NF)
        self.sums_EF, self.concepts_EF = sums, _unit(sums)

    def unit(self, features: np.ndarray) -> np.ndarray:
        """Features [N, F] as they are compared."""
        return _unit(np.asarray(features, np.float32) - self.centre)

    def nearest(self, feature: np.ndarray, most: int) -> list[tuple[str, float]]:
        """The concepts nearest to one feature [F] with their cosines, the nearest first."""
        if not self.names:
            return []
        query = self.unit(feature[None])[0]
        most = min(most, len(self.names))
        if self._graph is not None:
            cosines, places = self._graph.search(query[None], most)
            pairs = zip(places[0].tolist(), cosines[0].tolist(), strict=True)
            return [(self.names[i], cosine) for i, cosine in pairs if i >= 0]
        cosines = self.concepts_EF @ query
        # Only the best are sorted; equal ones keep the memory's order.
        best = np.argpartition(-cosines, most - 1)[:most] if most < len(cosines) else slice(None)
        places = np.sort(np.arange(len(cosines))[best])
        ordered = places[np.argsort(-cosines[places], kind="stable")]
        return [(self.names[i], float(cosines[i])) for i in ordered]

    @cached_property
    def _graph(self) -> Any:
        """faiss's index of many concepts; None where they are few, or it is not installed."""
        if len(self.names) <= EXACT or importlib.util.find_spec("faiss") is None:
            return None
        import faiss  # the extra 'memory'

        graph = faiss.IndexHNSWFlat(self.concepts_EF.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
        graph.add(self.concepts_EF)
        return graph

    @cached_property
    def limits(self) -> Limits:
        """How near is near enough."""
        own, other = self._calibration()
        if len(own) and len(other):
            same = _between(own, other)
            return Limits(candidate=min(float(np.quantile(own, KEPT)), same), same=same)
        if len(own):
            lowest = float(own.min())
            return Limits(candidate=lowest, same=lowest)
        if len(other):
            level = float(np.quantile(other, 1 - FALSE))
            return Limits(candidate=level, same=level)
        return Limits(candidate=-1.0, same=-1.0)

    def _calibration(self) -> tuple[np.ndarray, np.ndarray]:
        """Cosines of pictures with their own concept, without themselves, and with the nearest
        other one.
        """
        count = len(self.owners)
        # Evenly over the memory: the same sample in every process.
        sample = np.unique(np.linspace(0, count - 1, min(count, SAMPLED)).astype(int))
        own, other = [], []
        sizes = np.bincount(self.owners, minlength=len(self.names))
        for i in sample:
            picture, owner = self.pictures_NF[i], self.owners[i]
            cosines = self.concepts_EF @ picture
            if sizes[owner] > 1:
                rest = _unit((self.sums_EF[owner] - picture)[None])[0]
                own.append(float(rest @ picture))
            cosines[owner] = -np.inf
            if len(cosines) > 1:
                other.append(float(cosines.max()))
        return np.array(own), np.array(other)


def _between(own: np.ndarray, other: np.ndarray) -> float:
    """The level that tells own from other cosines with the highest balanced accuracy: the middle of
    the best ones.
    """
    levels = np.unique(np.concatenate([own, other]))
    middles = (levels[1:] + levels[:-1]) / 2 if len(levels) > 1 else levels
    accuracy = [(own > level).mean() + (other <= level).mean() for level in middles]
    best = middles[np.array(accuracy) == max(accuracy)]
    return float(best[len(best) // 2])


def _unit(features: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit: np.ndarray = features / np.maximum(norms, np.finfo(np.float32).tiny)
    return unit
