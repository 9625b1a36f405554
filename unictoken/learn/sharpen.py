"""An encoder sharpened for the concepts of a memory, from pictures that the base draws itself
(personalized-rep, 2412.16156; the drawn pictures are those of `from_tree.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from unictoken.core.errors import UserError
from unictoken.learn.from_tree import Drawn, draw_from_tree
from unictoken.learn.methods import Tree
from unictoken.model.encoders import AskedEncoder, Encoder, EncoderOfIds
from unictoken.model.protocol import Base
from unictoken.personalize.memory.sight import Sight
from unictoken.personalize.memory.store import Memory
from unictoken.personalize.sharpened import SharpenedEncoder, Sharpening, sharpen

USUAL_TREE = Tree(positives=16, negatives=16)


def sharpen_memory(
    base: Base,
    memory: Memory,
    names: Sequence[str] = (),
    *,
    encoder: Encoder | None = None,
    tree: Tree = USUAL_TREE,
    how: Sharpening | None = None,
    seed: int = 0,
    drawn: Mapping[str, Drawn] | None = None,
) -> SharpenedEncoder:
    """An encoder that tells remembered concepts from look-alikes.

    Each concept's own pictures and those drawn of it are to be alike; near-duplicates, hard and easy
    negatives that are drawn from its tree are others, and so are the other concepts' pictures.

    Args:
        base: Draws; and has the features, where there is no other encoder.
        memory: Has the concepts' pictures.
        names: Which concepts; none given: all that have pictures.
        encoder: What is sharpened; None: the base as it is asked about a picture.
        tree: How many pictures are drawn of each kind.
        how: How the projection is learned; None: as usual.
        seed: Of what is drawn.
        drawn: What was drawn before, by name, as with the same tree and seed.
    """
    frozen = encoder or AskedEncoder(base)
    sight = Sight(base, memory, frozen)
    entries = [memory.show(name) for name in names or memory.names]
    if lacking := [entry.name for entry in entries if names and not entry.pictures]:
        raise UserError(
            f"sharpen: <{lacking[0]}> has no pictures. Expected one or more of it; add its folder"
            " (`unictoken memory import`), or leave it out."
        )
    entries = [entry for entry in entries if entry.pictures]
    own, others = [], []
    for entry in entries:
        made_before = (drawn or {}).get(entry.name)
        found = made_before or draw_from_tree(
            base, sight.image_ids(entry.name), entry.class_noun, tree, seed=seed
        )
        positives = [ids for _, ids in found.positives]
        shown = frozen.pictures(memory.pictures(entry.name))
        own.append(np.concatenate([shown, *_features(base, frozen, positives)]))
        others += _features(
            base, frozen, [ids for part in found.negatives.values() for ids in part]
        )
    rest = others or [np.zeros((0, 1), np.float32)]
    made = sharpen(own, np.concatenate(rest), how)
    return SharpenedEncoder(
        encoder=frozen, projection=made, names=tuple(entry.name for entry in entries)
    )


def _features(base: Base, encoder: Encoder, drawn: Sequence[torch.Tensor]) -> list[np.ndarray]:
    """Features of drawn pictures, as a list of none or one array [M, F]."""
    if not drawn:
        return []
    ids_MK = torch.stack(list(drawn))
    if isinstance(encoder, EncoderOfIds) and encoder.base is base:
        return [encoder.of_ids(ids_MK)]
    return [encoder.pictures(base.decode(ids_MK))]
