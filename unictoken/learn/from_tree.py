"""Pictures of a concept and of look-alikes that the base draws itself, from a tree of the concept's
attributes (Concept-as-Tree, 2503.12999).

For who has one to three photos and no pictures of others. As in the paper, positives keep the
attributes and vary the context; negatives alter attributes, few for hard ones and many for easy ones;
and a score of what is the concept's against what is anybody's filters both. What differs:

- The paper's pictures come from a diffusion model that is tuned on the concept. Here the base draws
  them: positives after a reference picture in context, negatives from the altered tree in words.
- The paper's score (PCS) compares parts of a picture by an encoder. Here it is the mean over the
  picture's ids of log p(id | reference picture) - log p(id | class noun): `personalize/gain.py`.
- Near-duplicates are new: the tree is said unaltered, without the picture, and the description takes
  the class noun's place in the score. They fit every word about the concept, and have another shade
  and other proportions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from unictoken.data import templates
from unictoken.learn.methods import Tree
from unictoken.learn.observe import named_captions
from unictoken.learn.told import NAMES
from unictoken.learn.tree import AttributeTree, grow
from unictoken.model.draw import Draw
from unictoken.model.pixels import grid
from unictoken.model.protocol import Base
from unictoken.personalize.gain import gain
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.words import in_words

if TYPE_CHECKING:
    from PIL import Image

NEAR_DUPLICATE = "near_duplicate"
OWN = "positive"  # what a drawn picture of the concept is called beside the grades of negatives
SCORED_BY = 3  # reference pictures, at most, that a drawn picture is compared with


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One picture that was drawn from a tree."""

    kind: str
    """OWN, or the grade of a negative."""
    prompt: str
    score: float
    """Nats per image id that the concept makes it likelier than its class noun does; of a
    near-duplicate, than its description does."""
    kept: bool


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What was drawn from a tree, as ids, and all that was drawn as a list."""

    tree: AttributeTree
    samples: tuple[Sample, ...]
    """All, those that the filter left out too."""
    by_kind: Mapping[str, torch.Tensor]
    """Image ids [M, K] of those that are kept, the best first; only kinds that have some."""
    captions: tuple[str, ...]
    """Of the kept positives, with {name}."""

    @property
    def positives(self) -> tuple[tuple[str, torch.Tensor], ...]:
        """Captions, and image ids [K]."""
        if OWN not in self.by_kind:
            return ()
        return tuple(zip(self.captions, self.by_kind[OWN], strict=True))

    @property
    def negatives(self) -> dict[str, torch.Tensor]:
        """Image ids [M, K] by grade."""
        return {kind: ids for kind, ids in self.by_kind.items() if kind != OWN}

    def to_json(self) -> str:
        """The tree and every picture's prompt and score, for people to read."""
        drawn = [
            {
                "kind": sample.kind,
                "prompt": sample.prompt,
                "score": round(sample.score, 4),
                "kept": sample.kept,
            }
            for sample in self.samples
        ]
        return json.dumps({**self.tree.plain(), "drawn": drawn}, indent=1, ensure_ascii=False)

    def shown(self, base: Base) -> Image.Image:
        """The kept pictures as one, a row or more for each kind."""
        columns = max(len(ids) for ids in self.by_kind.values())
        blank = base.decode(next(iter(self.by_kind.values()))[:1])[0].copy()
        blank.paste((255, 255, 255), (0, 0, *blank.size))
        rows = []
        for ids_MK in self.by_kind.values():
            rows += base.decode(ids_MK) + [blank] * (columns - len(ids_MK))
        return grid(rows, columns=columns)


def draw_from_tree(
    base: Base, pictures_NK: torch.Tensor, class_noun: str, settings: Tree, *, seed: int
) -> Drawn:
    """Grow a concept's tree, draw from it, and keep what the filter keeps. Raises `BaseError` for a
    base that cannot draw.

    Args:
        base: Reads, draws and scores.
        pictures_NK: Image ids of the reference pictures.
        class_noun: The concept's.
        settings: How many pictures of each kind, and how many are drawn for each that is kept.
        seed: Of what is altered and drawn.
    """
    base.need_decoder()
    tree = grow(base, pictures_NK, class_noun, seed=seed)
    rng = np.random.default_rng([seed, 10])  # not the stream of the world's distractors
    word = next((n for n in NAMES if len(base.vocab.inside(n)) == 1), NAMES[0])
    wanted = {
        OWN: settings.positives,
        **dict.fromkeys(("easy", "hard", NEAR_DUPLICATE), settings.negatives),
    }
    samples: list[Sample] = []
    by_kind: dict[str, torch.Tensor] = {}
    for number, (kind, count) in enumerate(wanted.items()):
        if not count or (kind in ("easy", "hard") and not tree.alterable()):
            continue  # a tree without other answers has no look-alikes that differ in words
        prompts = _prompts(tree, kind, count * settings.drawn, word, rng)
        how = Draw(seed=seed + number)
        drawn_NK = (
            _with_pictures(base, pictures_NK, word, prompts, how)
            if kind == OWN
            else in_words(base, word, "").draw_ids(prompts, how)
        )
        # Of near-duplicates those are wanted that fit the words and not the pictures.
        generic = _without_article(tree.subject()) if kind == NEAR_DUPLICATE else class_noun
        scores = concept_scores(base, pictures_NK, drawn_NK, generic, word=word)
        # Of the concept the likest, of others the least like.
        order = torch.argsort(scores, descending=kind == OWN, stable=True)[:count]
        kept = set(order.tolist())
        samples += [
            Sample(kind=kind, prompt=prompt, score=float(score), kept=i in kept)
            for i, (prompt, score) in enumerate(zip(prompts, scores, strict=True))
        ]
        by_kind[kind] = drawn_NK[order]
    captions = named_captions(base, by_kind[OWN], class_noun) if OWN in by_kind else []
    return Drawn(tree=tree, samples=tuple(samples), by_kind=by_kind, captions=tuple(captions))


def _prompts(
    tree: AttributeTree, kind: str, count: int, word: str, rng: np.random.Generator
) -> list[str]:
    """So many prompts of pictures of a kind, in contexts that differ as long as there are others.

    Args:
        tree: Of the concept.
        kind: OWN, or a grade.
        count: How many.
        word: What stands for the concept where a picture introduces it.
        rng: What is altered, and the order of the contexts.
    """
    contexts = tree.form.contexts
    order = [i for _ in range(-(-count // len(contexts))) for i in rng.permutation(len(contexts))]
    made = []
    for i in order[:count]:
        match kind:
            case "positive":
                subject = f"<{word}>"
            case "easy":
                subject = tree.subject(tree.many_altered(rng))
            case "hard":
                subject = tree.subject(tree.few_altered(rng))
            case _:
                subject = tree.subject()
        form = templates.with_scene(templates.GENERATE[0], contexts[i])
        made.append(form.replace("{name}", subject))
    return made


def _with_pictures(
    base: Base, pictures_NK: torch.Tensor, word: str, prompts: Sequence[str], how: Draw
) -> torch.Tensor:
    """Image ids [M, K] of pictures of the concept, each after one reference picture in context, in
    turn.

    Args:
        base: Draws.
        pictures_NK: Image ids of the reference pictures.
        word: What stands for the concept.
        prompts: What is drawn.
        how: Temperature, seed and so on.
    """
    count = len(pictures_NK)
    drawn_MK = torch.zeros((len(prompts), base.codes_per_picture), dtype=torch.long)
    for i in range(min(count, len(prompts))):
        shown = in_pictures(base, word, pictures_NK[i : i + 1])
        drawn_MK[i::count] = shown.draw_ids(prompts[i::count], how).cpu()
    return drawn_MK


def concept_scores(
    base: Base, pictures_NK: torch.Tensor, drawn_MK: torch.Tensor, generic: str, *, word: str
) -> torch.Tensor:
    """How much of the concept each picture has, [M] in nats per image id: how much likelier a
    reference picture in context makes it than generic words alone, the mean over the first
    references.

    Args:
        base: Scores.
        pictures_NK: Image ids of the reference pictures.
        drawn_MK: Of the pictures that are scored.
        generic: The class noun, or more words about it, without an article.
        word: What stands for the concept in its prompt.
    """
    found = [
        gain(in_pictures(base, word, one_K[None]), f"<{word}>", drawn_MK, class_noun=generic)
        for one_K in pictures_NK[:SCORED_BY]
    ]
    return torch.stack(found).mean((0, 2))


def _without_article(subject: str) -> str:
    return subject.removeprefix("a ").removeprefix("an ")
