"""Pictures of others, made without outside services: negatives by grade, and look-alikes for soft
positives.

The owner's own negatives come first. Where there are none, or no easy or no hard ones, distractors
are drawn (by the world that the base was trained on; or from the class noun, by the base itself or a
pipeline of diffusers), and those most similar to the concept count as hard. What is drawn from a tree
of the concept's attributes (`from_tree.py`) joins them by grade.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from unictoken.data.concept import Concept
from unictoken.data.prompts import noun_prompt, noun_text
from unictoken.data.source import SourceError
from unictoken.data.worlds import TOY, world
from unictoken.learn.methods import Distractors, Method
from unictoken.model.diffusion import draw_prompts, load_pipeline
from unictoken.model.draw import Draw
from unictoken.model.encoders import Encoder, load_encoder
from unictoken.model.protocol import Base
from unictoken.model.sampling import sample_pictures

HARD_SHARE = 0.15  # of the distractors, the most alike count as hard negatives
A_GROUP = 10  # look-alikes that each group of soft positives should have (Yo'Chameleon: 67)


@dataclass(frozen=True)
class Others:
    """Image ids [M, K] of others by grade, and of look-alikes, the most alike first (None: the
    method uses none).
    """

    by_grade: Mapping[str, torch.Tensor]
    alike: torch.Tensor | None = None


def gather(
    base: Base,
    concept: Concept,
    method: Method,
    distractors: Distractors,
    *,
    seed: int,
    drawn: Mapping[str, torch.Tensor] | None = None,
) -> Others:
    """The concept's negatives and look-alikes. Raises `SourceError` where the method needs some and
    there are none.

    Look-alikes are the owner's hard negatives. Where these are too few for the method's groups, the
    most similar distractors are added.

    Args:
        base: Encodes the pictures, and draws distractors where it is asked for some.
        concept: With its owner's negatives.
        method: Its stages and its soft positives say what is needed.
        distractors: How many are drawn where the owner's negatives do not suffice, and what measures
            how alike they are.
        seed: Of the distractors.
        drawn: Image ids [M, K] of negatives from the concept's tree, by grade.
    """
    drawn = drawn or {}
    own = {grade: found for grade, found in concept.negatives.items() if found}
    hard, groups = list(own.get("hard", ())), method.soft_positives.groups
    more = (
        _distractors(base, concept.class_noun, distractors, seed, usual=not drawn)
        if not own.keys() >= {"easy", "hard"} or len(hard) < A_GROUP * groups
        else []
    )
    # Refused here, before an encoder is loaded and pictures are ranked.
    _refuse_if_lacking(
        concept,
        method,
        negatives=bool(own or more or drawn),
        look_alikes=bool(hard or more),
    )
    # Not loaded where nothing is ranked: its weights may have to be fetched first.
    likeness, weights = distractors.likeness, distractors.weights
    encoder = load_encoder(likeness, weights, base=base) if more or groups else None
    more = _likest_first(encoder, concept, more)
    # At least one: a share of six pictures would be none.
    likest = max(1, int(HARD_SHARE * len(more)))
    by_grade = {"hard": more[:likest], "easy": more[likest:], **own}
    alike = (
        # At least 0: a negative end of the slice would take nearly all distractors.
        _likest_first(encoder, concept, hard + more[: max(A_GROUP * groups - len(hard), 0)])
        if groups
        else []
    )
    encoded = {grade: base.encode(found) for grade, found in by_grade.items() if found}
    for grade, ids_MK in drawn.items():
        encoded[grade] = torch.cat([encoded[grade], ids_MK]) if grade in encoded else ids_MK
    return Others(encoded, base.encode(alike) if groups else None)


def _likest_first(
    encoder: Encoder | None, concept: Concept, pictures: list[Image.Image]
) -> list[Image.Image]:
    return (
        [pictures[i] for i in by_likeness(encoder, concept.pictures, pictures)] if pictures else []
    )


def _refuse_if_lacking(
    concept: Concept, method: Method, *, negatives: bool, look_alikes: bool
) -> None:
    advice = (
        "Put pictures of others into negative_example/, or let some be drawn: `distractors: {world:"
        " 400}` or `{drawn: 100}`, or by the base from a tree of its attributes: `--tree 24`."
    )
    if method.soft_positives.groups and not look_alikes:
        raise SourceError(
            f"'{concept.name}': soft positives need look-alikes, and there are none. {advice}"
        )
    needing = [task.name for task in method.taught if "negatives" in task.needs]
    if needing and not negatives:
        raise SourceError(
            f"'{concept.name}': task '{needing[0]}' needs pictures of others, and there are none."
            f" {advice}"
        )


def _distractors(
    base: Base, noun: str, distractors: Distractors, seed: int, *, usual: bool
) -> list[Image.Image]:
    """The world's pictures, then the base's own.

    Args:
        base: Whose world it is.
        noun: The class noun.
        distractors: How many.
        seed: Of the drawing.
        usual: Whether the world draws its usual number where none is said.
    """
    count, known = distractors.world, base.profile.world
    # Not set: as many as the base's own world uses, and none for a base of photographs.
    if count is None:
        count = world(known).distractors if known and usual else 0
    drawn = world(known or TOY).draw_others(count, seed, noun) if count else []
    if not distractors.drawn:
        return drawn
    if distractors.pipeline:
        pipeline = load_pipeline(distractors.pipeline)
        return drawn + draw_prompts(pipeline, [noun_text(noun)] * distractors.drawn, seed=seed)
    return drawn + drawn_distractors(base, noun, distractors.drawn, seed)


def drawn_distractors(base: Base, noun: str, count: int, seed: int) -> list[Image.Image]:
    """The pictures of `noun_drawings`.

    Args:
        base: One that can draw.
        noun: The class noun.
        count: How many pictures.
        seed: Of the drawing.
    """
    return base.decode(noun_drawings(base, noun, count, seed))


def noun_drawings(base: Base, noun: str, count: int, seed: int) -> torch.Tensor:
    """Image ids [M, K] of what the base draws when it is asked for the class noun alone.

    Args:
        base: One that can draw.
        noun: The class noun.
        count: How many pictures.
        seed: Of the drawing.
    """
    base.need_decoder()
    prompts = [noun_prompt(base.vocab, noun)] * count
    return sample_pictures(base, prompts, base.codes_per_picture, Draw(seed=seed))


def by_likeness(
    encoder: Encoder, pictures: Sequence[Image.Image], others: Sequence[Image.Image]
) -> list[int]:
    """Numbers of the others, most like the pictures first: by cosine with the mean of the pictures'
    unit features.
    """
    own, theirs = (
        features / np.linalg.norm(features, axis=1, keepdims=True)
        for features in map(encoder.pictures, (pictures, others))
    )
    # Stable: pictures that are equally like keep their order on every machine.
    return np.argsort(-(theirs @ own.mean(0)), kind="stable").tolist()
