"""Pictures found by features: a concept's own pictures and the words around its name in one query
(PALAVRA, 2204.01694, and ConCon-Chi compare so, with CLIP).

There the concept is a learned word of CLIP's text half. Here nothing is learned for it: the mean of
its pictures' features stands for it, and the words say its class noun in the place of its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image

from unictoken.core.errors import UserError
from unictoken.core.pictures import read_together
from unictoken.core.text import markers, picture_prompt, without_name
from unictoken.data.concept import Concept
from unictoken.model.encoders import AskedEncoder, Encoder, EncoderOfIds, text_half
from unictoken.model.protocol import Base
from unictoken.personalize.query import Query, Seen, queries_of
from unictoken.personalize.retrieval import unit_rows

By = Literal["likelihood", "features"]
"""How pictures are compared with a prompt: how much likelier it makes them, or by an encoder."""
AT_ONCE = 16  # pictures in memory at their full size
_WORDS = re.compile(r"\b(?!and\b)\w")  # beside names: '<bo> and <mia>' has none
Array = np.ndarray[Any, Any]


@runtime_checkable
class Referring(Protocol):
    """A personalization that knows its concepts' class nouns, and maybe their pictures."""

    def reference(self, name: str) -> Concept | None:
        """The concept of one of its names, as far as it is known; None: of nobody's."""


def reader_of_ids(encoder: Encoder, base: Base) -> EncoderOfIds | None:
    """The encoder as one that makes features of this base's own image ids; None: it does not."""
    return encoder if isinstance(encoder, EncoderOfIds) and encoder.base is base else None


def features_of(base: Base, encoder: Encoder, queries: Sequence[Query]) -> Array:
    """Features [N, F] of the pictures of queries; of one whose pixels are not known, of what the
    base decodes.

    Args:
        base: That of the image ids.
        encoder: What makes the features.
        queries: Each about a picture, one or more.
    """
    if reader := reader_of_ids(encoder, base):
        return reader.of_ids(torch.tensor([query.image_ids for query in queries]))

    def look(query: Query) -> Image.Image:
        return query.look() or base.decode(torch.tensor([query.image_ids]))[0]

    parts = [queries[i : i + AT_ONCE] for i in range(0, len(queries), AT_ONCE)]
    return np.concatenate([encoder.pictures([look(query) for query in part]) for part in parts])


class FeatureSearch:
    """Looks for pictures by the cosine of their features with a prompt's.

    The query of '<bo> on the beach' is the sum of two vectors of norm 1: the mean of the features of
    <bo>'s pictures, and those of the text 'a photo of the dog on the beach.' Of several concepts
    their sum, of norm 1, is the first one. A name without words is looked for by its pictures alone.

    Args:
        base: What has encoded the pictures that are looked through.
        encoder: What makes features; None: the base as it is asked about a picture, which reads no
            words.
        reference: Gives a concept's class noun and its reference pictures, by name.
    """

    def __init__(
        self, base: Base, encoder: Encoder | None, reference: Callable[[str], Concept]
    ) -> None:
        self.base, self.encoder = base, encoder or AskedEncoder(base)
        # Of many prompts each concept's pictures are read once.
        self._reference = cache(reference)
        self._concepts: dict[str, Array] = {}

    def query(self, prompt: str) -> Array:
        """What a prompt is compared by: features [F] of norm 1."""
        named = markers(prompt)
        rest = prompt
        for name in named:
            rest = rest.replace(f"<{name}>", " ")
        # First: an encoder that reads no words is refused before any picture is read.
        words = [self._words(prompt, named)] if _WORDS.search(rest) or not named else []
        whom = [np.stack([self._concept(name) for name in named]).sum(0)] if named else []
        return _unit(unit_rows(np.stack([*words, *whom])).sum(0))

    def scores(self, queries: Sequence[Array], seen: Seen) -> list[list[float]]:
        """For each query the cosine of each picture with it."""
        if not len(seen):
            return [[] for _ in queries]
        shown = queries_of([""] * len(seen), seen)
        features_NF = unit_rows(features_of(self.base, self.encoder, shown))
        found: list[list[float]] = (np.stack(queries) @ features_NF.T).tolist()
        return found

    def _words(self, prompt: str, named: Sequence[str]) -> Array:
        """Features [F] of the whole prompt, with class nouns for names."""
        encoder = text_half(self.encoder)
        if encoder is None:
            names = " and ".join(f"<{name}>" for name in named)
            alone = f" or look for the name alone: '{names}'" if names else ""
            raise UserError(
                f"prompt: encoder '{self.encoder.name}' reads no words, and '{prompt}' has some. Give"
                f" one that reads texts, too, such as clip-vit-b32 (--encoder),{alone}."
            )
        for name in named:
            noun = self._reference(name).class_noun
            if not noun:
                raise UserError(
                    f"'{name}': its class noun is not known, which stands in the words for its name."
                    ' Give its concept file or a memory, or "class" in its folder\'s info.json.'
                )
            prompt = without_name(prompt, name, noun)
        return _unit(encoder.texts([picture_prompt(prompt)])[0])

    def _concept(self, name: str) -> Array:
        """The mean of the features of a concept's pictures, [F], of norm 1; encoded once."""
        if name not in self._concepts:
            pictures = self._reference(name).pictures
            if not pictures:
                raise UserError(
                    f"'{name}': no reference pictures of it, which features are compared with. Give"
                    " some (--pictures FOLDER; in Python references={...}), or a memory that has some."
                )
            features_NF = unit_rows(self.encoder.pictures(list(read_together(pictures))))
            self._concepts[name] = _unit(features_NF.mean(0))
        return self._concepts[name]


def in_order(scores: Sequence[float]) -> list[tuple[int, float]]:
    """(number, score) of each, the highest first; equal scores keep their order."""
    return sorted(enumerate(scores), key=lambda one: -one[1])


def _unit(feature_F: Array) -> Array:
    found: Array = unit_rows(feature_F[None])[0]
    return found
