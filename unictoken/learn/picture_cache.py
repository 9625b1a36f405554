"""Pictures at the beginning of examples, read once.

A question about a picture is 'picture, introduction, question': the base is frozen and nothing
before the introduction is learned, so what its layers make of the picture is the same in every step
and needs no gradient. Only what follows goes through the layers again.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from transformers import DynamicCache

from unictoken.model.budget import PICTURE_CACHE_LIMIT
from unictoken.model.internals import KeysAndValues, cache_of, keys_and_values
from unictoken.model.protocol import Base


class PictureCache:
    """Keys and values of beginnings, one forward pass each, whatever batch they stand in: a resumed
    run makes the same ones.

    `limit` is the bytes that are kept: the picture that was not used for the longest time goes
    first, the last one stays. One of a 7B base is as large as the default.
    """

    def __init__(self, base: Base, limit: int = PICTURE_CACHE_LIMIT):
        self.base, self.limit = base, limit
        self.kept: OrderedDict[tuple[int, ...], KeysAndValues] = OrderedDict()
        self.bytes = 0

    @torch.no_grad()
    def read(self, ids_BT: torch.Tensor) -> DynamicCache:
        """A cache that has read the ids, of equal length, of every row."""
        # A new one for every step: what follows the pictures is appended to it.
        return cache_of(self.keys_and_values(ids_BT))

    @torch.no_grad()
    def keys_and_values(self, ids_BT: torch.Tensor) -> KeysAndValues:
        """What each layer has made of the ids, of equal length, of every row."""
        rows = [self._read_one(row) for row in ids_BT]
        # Keys and values of each layer: B tensors [1, heads, T, d] become one [B, heads, T, d].
        layers = zip(*rows, strict=True)
        return [tuple(map(torch.cat, zip(*layer, strict=True))) for layer in layers]

    def _read_one(self, ids_T: torch.Tensor) -> KeysAndValues:
        key = tuple(ids_T.tolist())
        if key in self.kept:
            self.kept.move_to_end(key)
            return self.kept[key]
        cache = DynamicCache()
        # Alone: in a batch of another size the last bits may differ.
        self.base.hidden(self.base.embed(ids_T[None]), cache)
        layers = keys_and_values(cache)
        self.kept[key] = layers
        self.bytes += _size(layers)
        while self.bytes > self.limit and len(self.kept) > 1:
            self.bytes -= _size(self.kept.popitem(last=False)[1])
        return layers


def _size(layers: KeysAndValues) -> int:
    return sum(t.numel() * t.element_size() for layer in layers for t in layer)
