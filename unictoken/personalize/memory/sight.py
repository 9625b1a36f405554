"""What a memory sees in a picture: who is near, by an encoder; and where, by the picture's codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

import numpy as np
import torch
from PIL import Image
from scipy.sparse import csr_array

from unictoken.core.errors import UserError
from unictoken.model.encoders import AskedEncoder, Encoder
from unictoken.model.protocol import Base
from unictoken.personalize.features import features_of, reader_of_ids
from unictoken.personalize.memory.entry import Found
from unictoken.personalize.memory.store import Memory
from unictoken.personalize.memory.vectors import Vectors
from unictoken.personalize.query import Query

AT_ONCE = 64  # pictures that are encoded together
WINDOWED = 64  # concepts whose codes are compared with every window of a picture
LEAST_WINDOW = 2  # codes of a window's side
SIDES = ("left", "middle", "right")  # thirds of a picture


@dataclass(frozen=True, kw_only=True)
class Region:
    """Where in a picture somebody was found."""

    name: str
    score: float
    """Cosine of the window's codes with the concept's."""
    box: tuple[int, int, int, int]
    """Of the window in codes: top, left, bottom, right (the last two are outside)."""
    side: str
    """'left', 'middle' or 'right': where its centre lies."""


class Codes:
    """Picture codes as words (Sivic and Zisserman 2003): a concept is the codes that its pictures
    share and others' do not have.

    Args:
        names: Of the concepts, E.
        owners: The number of the concept of each picture, [N].
        codes_NK: The codes of each picture.
        size: Of the codebook, C.
    """

    def __init__(self, names: Sequence[str], owners: np.ndarray, codes_NK: np.ndarray, size: int):
        self.names, self.owners, self.codes_NK = tuple(names), owners, codes_NK
        self.shown_NC = _bags(codes_NK, size)
        # In how many pictures a code stands: rare ones say more. Above 0, so that those of a single
        # picture count.
        seen_C = np.asarray(self.shown_NC.sum(0)).ravel()
        self.rarity_C = np.log((2 + len(codes_NK)) / (1 + seen_C))
        places = np.arange(len(owners))
        of_concept = csr_array((np.ones(len(owners)), (owners, places)), (len(names), len(owners)))
        counts = np.maximum(np.bincount(owners, minlength=len(names)), 1)
        shares = of_concept @ self.shown_NC
        self.weights_EC = self._weighted(csr_array(shares / counts[:, None]))

    def _weighted(self, bags: csr_array) -> csr_array:
        """Bags of codes by their rarity, each of norm 1."""
        weighted = csr_array(bags * self.rarity_C[None])
        norms = np.sqrt(np.asarray((weighted * weighted).sum(1)).ravel())
        return csr_array(weighted / np.maximum(norms, 1e-12)[:, None])

    def telling(self, name: str, most: int) -> list[int]:
        """The codes that tell a concept from the others, the most telling first (Ego's memory:
        there the most attended ones).
        """
        weights = self.weights_EC[[self.names.index(name)]].toarray()[0]
        order = np.argsort(-weights, kind="stable")[:most]
        return [int(code) for code in order if weights[code] > 0]

    def nearest(self, codes_K: np.ndarray, most: int) -> list[Region]:
        """The concepts that a window of a picture is likest to, the likest first. Of many, those
        are compared by windows that have most codes of the whole picture.
        """
        bag = self._weighted(_bags(codes_K[None], len(self.rarity_C)))
        overlap = (self.weights_EC @ bag.T).toarray()[:, 0]
        first = np.argsort(-overlap, kind="stable")[: max(WINDOWED, most)]
        names = [self.names[i] for i in first if overlap[i] > 0]
        found = self.regions(codes_K, names) if names else []
        return sorted(found, key=lambda region: -region.score)[:most]

    def regions(self, codes_K: np.ndarray, names: Sequence[str]) -> list[Region]:
        """The best window of a picture for each of these concepts."""
        own = self.weights_EC[[self.names.index(name) for name in names]]
        side = isqrt(len(codes_K))
        columns = side if side * side == len(codes_K) else len(codes_K)
        boxes, scores = self._scores(codes_K, columns, own)
        found = []
        for i, name in enumerate(names):
            best = int(scores[:, i].argmax())
            middle = (boxes[best][1] + boxes[best][3]) / 2
            third = min(len(SIDES) - 1, int(len(SIDES) * middle / columns))
            score = float(scores[best, i])
            found.append(Region(name=name, score=score, box=boxes[best], side=SIDES[third]))
        return found

    def _scores(
        self, codes_K: np.ndarray, columns: int, weights: csr_array
    ) -> tuple[list[tuple[int, int, int, int]], np.ndarray]:
        """The windows of a picture, and the cosine of each with each row of weights."""
        grid = codes_K.reshape(-1, columns)
        boxes = windows(*grid.shape)
        inside = [grid[top:bottom, left:right].ravel() for top, left, bottom, right in boxes]
        bags = self._weighted(_bags(inside, len(self.rarity_C)))
        return boxes, (bags @ weights.T).toarray()

    @cached_property
    def same(self) -> float:
        """The score above which a window shows a concept: the middle between those of the concepts'
        own pictures, each compared without itself, and those of the likest other concept.
        """
        own, other = [], []
        count = len(self.owners)
        # Evenly over the memory: the same sample in every process.
        for i in np.unique(np.linspace(0, count - 1, min(count, AT_ONCE)).astype(int)):
            rest = self.owners == self.owners[i]
            rest[i] = False
            without = self._weighted(csr_array(self.shown_NC[rest].sum(0)[None]))
            side = isqrt(self.codes_NK.shape[1])
            columns = side if side * side == self.codes_NK.shape[1] else self.codes_NK.shape[1]
            if rest.any():
                own.append(self._scores(self.codes_NK[i], columns, without)[1].max())
            scores = self._scores(self.codes_NK[i], columns, self.weights_EC)[1].max(0)
            scores[self.owners[i]] = 0
            other.append(scores.max())
        if not own:
            return max(other, default=0.0)
        return float(np.median(own) + np.median(other)) / 2


def _bags(codes: Sequence[np.ndarray] | np.ndarray, size: int) -> csr_array:
    """Which codes each of several lists holds, [N, size], as 0 and 1."""
    rows = [i for i, each in enumerate(codes) for _ in each]
    columns = np.concatenate([np.zeros(0, np.int64), *codes])
    bags = csr_array((np.ones(len(rows), np.float64), (rows, columns)), (len(codes), size))
    bags.sum_duplicates()
    bags.data[:] = 1
    return bags


def windows(rows: int, columns: int) -> list[tuple[int, int, int, int]]:
    """Windows of a grid: top, left, bottom, right. Of half of each side,
    three quarters, and the whole.

    >>> len(windows(8, 8)), windows(2, 2)
    (81, [(0, 0, 2, 2)])
    """
    spans = [_spans(rows), _spans(columns)]
    return [(top, left, bottom, right) for top, bottom in spans[0] for left, right in spans[1]]


def _spans(length: int) -> list[tuple[int, int]]:
    least = max(length // 2, min(LEAST_WINDOW, length))
    step = max(1, length // 8)
    spans = []
    for size in dict.fromkeys((least, (least + length) // 2, length)):
        spans += [(start, start + size) for start in range(0, length - size + 1, step)]
    return spans


class Sight:
    """The features of a memory's pictures, kept in its file, and of pictures that are asked about.

    Args:
        base: Has the codes; and the features, where there is no other encoder.
        memory: Whose pictures are compared.
        encoder: What makes features; None: the base as it is asked about a picture.
    """

    def __init__(self, base: Base, memory: Memory, encoder: Encoder | None = None):
        self.base, self.memory = base, memory
        self.encoder = encoder or AskedEncoder(base)
        of_base = self.base.fingerprint[:16]
        # Another base's features mean something else; those of a published encoder do not.
        is_own = getattr(self.encoder, "base", None) is not None
        self.key = f"{self.encoder.name}:{of_base}" if is_own else self.encoder.name
        self.codes_key = f"codes:{of_base}"
        self._vectors: tuple[object, Vectors] | None = None
        self._codes: tuple[object, Codes] | None = None

    def vectors(self) -> Vectors:
        """The features of all remembered pictures; those that are missing are made and kept."""
        self._complete(self.key)
        version = self.memory.version
        if self._vectors is None or self._vectors[0] != version:
            self._vectors = version, Vectors(*self.memory.features(self.key))
        return self._vectors[1]

    def codes(self) -> Codes:
        """The codes of all remembered pictures."""
        self._complete(self.codes_key)
        version = self.memory.version
        if self._codes is None or self._codes[0] != version:
            names, owners, codes = self.memory.features(self.codes_key)
            size = len(self.base.vocab.image_ids)
            if not names:
                codes = np.zeros((0, self.base.codes_per_picture))
            if (
                codes.shape[1] != self.base.codes_per_picture
                or (codes < 0).any()
                or (codes >= size).any()
            ):
                raise UserError(
                    f"{self.memory.path or 'memory'}: its codes are not those of base"
                    f" '{self.base.name}'. Take a copy from before."
                )
            self._codes = version, Codes(names, owners, codes.astype(np.int64), size)
        return self._codes[1]

    def image_ids(self, name: str) -> torch.Tensor:
        """Image ids [N, K] of a concept's reference pictures."""
        codes = self.codes()
        if name not in codes.names:
            return torch.zeros((0, self.base.codes_per_picture), dtype=torch.long)
        # Kept as codes, so that reference pictures are not encoded again for every question.
        own = codes.codes_NK[codes.owners == codes.names.index(name)]
        return self.base.vocab.image_ids[torch.from_numpy(own)]

    def search(self, picture: Image.Image, *, most: int = 20) -> list[Found]:
        """The concepts whose pictures are likest to one, the likest first, by cosine."""
        (feature,) = self.encoder.pictures([picture])
        near = self.vectors().nearest(feature, most)
        return [Found(name=name, score=cosine) for name, cosine in near]

    def of_queries(self, queries: Sequence[Query]) -> np.ndarray:
        """Features [N, F] of the pictures of queries, each picture encoded once."""
        different = list({query.image_ids: query for query in queries}.values())
        found = features_of(self.base, self.encoder, different)
        # Back to the order of the queries.
        place = {query.image_ids: i for i, query in enumerate(different)}
        features: np.ndarray = found[[place[query.image_ids] for query in queries]]
        return features

    def _complete(self, key: str) -> None:
        """Make the features that pictures lack, and keep them."""
        # A few at a time: the pictures of a large memory do not fit into RAM together.
        while missing := self.memory.without_features(key, most=AT_ONCE):
            made = self._made([picture for _, picture in missing], key)
            self.memory.keep_features(
                {
                    one: {number: rows[i] for i, (number, _) in enumerate(missing)}
                    for one, rows in made.items()
                }
            )

    def _made(self, pictures: Sequence[Image.Image], key: str) -> dict[str, np.ndarray]:
        """Features of pictures under this key; those of the base itself come with their codes, so
        that a picture is encoded once.
        """
        reader = reader_of_ids(self.encoder, self.base)
        if key == self.key and not reader:
            return {key: self.encoder.pictures(pictures)}
        ids_NK = self.base.encode(pictures)
        made = {self.codes_key: self.base.vocab.code_of_id[ids_NK].numpy()}
        if reader:
            made[self.key] = reader.of_ids(ids_NK)
        return made
