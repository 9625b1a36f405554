"""Pictures of a concept and of look-alikes that the base, or a pipeline of diffusers, draws from a
tree of the concept's attributes (Concept-as-Tree, 2503.12999).

For who has one to three photos and no pictures of others. As in the paper, positives keep the
attributes and vary the context; negatives alter attributes, few for hard ones and many for easy ones;
and a score of what is the concept's against what is anybody's filters both. What differs:

- The paper's pictures come from a diffusion model that is tuned on the concept. Here the base draws
  them: positives after a reference picture in context, negatives from the altered tree in words.
  A pipeline (`Tree.pipeline`) takes no picture in context: it draws positives, too, from the tree in
  words, and is not tuned on the concept. The base encodes and filters what either drew.
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
from unictoken.model.diffusion import draw_prompts, load_pipeline
from unictoken.model.draw import Draw
from unictoken.model.pixels import grid
from unictoken.model.protocol import Base
from unictoken.personalize.gain import gain
from unictoken.personalize.pictures import in_pictures
from unictoken.personalize.words import in_words

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
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
    base that cannot draw, `PipelineError` for a pipeline that cannot be used.

    Args:
        base: Reads and scores; draws where there is no pipeline.
        pictures_NK: Image ids of the reference pictures.
        class_noun: The concept's.
        settings: How many pictures of each kind, how many are drawn for each that is kept, and the
            pipeline that draws them.
        seed: Of what is altered and drawn.
    """
    base.need_decoder()
    # Before the base reads anything: a folder may hold what is no pipeline.
    pipeline = load_pipeline(settings.pipeline) if settings.pipeline else None
    tree = grow(base, pictures_NK, class_noun, seed=seed)
    # A tree without other answers has no look-alikes that differ in words.
    graded = ("easy", "hard", NEAR_DUPLICATE) if tree.alterable() else (NEAR_DUPLICATE,)
    wanted = {OWN: settings.positives, **dict.fromkeys(graded, settings.negatives)}
    rng = np.random.default_rng([seed, 10])  # not the stream of the world's distractors
    artist = _Artist(base, pictures_NK, tree, pipeline)
    samples: list[Sample] = []
    by_kind: dict[str, torch.Tensor] = {}
    for number, (kind, count) in enumerate(wanted.items()):
        if count:
            prompts = artist.prompts(kind, count * settings.drawn, rng)
            drawn_MK = artist.draw(kind, prompts, seed=seed + number)
            scores = artist.scores(kind, drawn_MK)
            # Of the concept the likest, of others the least like.
            best = torch.argsort(scores, descending=kind == OWN, stable=True)[:count]
            by_kind[kind] = drawn_MK[best]
            kept = set(best.tolist())
            samples += [
                Sample(kind=kind, prompt=prompt, score=score, kept=i in kept)
                for i, (prompt, score) in enumerate(zip(prompts, scores.tolist(), strict=True))
            ]
    captions = named_captions(base, by_kind[OWN], class_noun) if OWN in by_kind else []
    return Drawn(tree=tree, samples=tuple(samples), by_kind=by_kind, captions=tuple(captions))


class _Artist:
    """Says, draws and scores pictures of a tree, by kind."""

    def __init__(
        self,
        base: Base,
        pictures_NK: torch.Tensor,
        tree: AttributeTree,
        pipeline: DiffusionPipeline | None,
    ):
        self.base, self.pictures_NK, self.tree, self.pipeline = base, pictures_NK, tree, pipeline
        self.word = next((n for n in NAMES if len(base.vocab.inside(n)) == 1), NAMES[0])

    def prompts(self, kind: str, count: int, rng: np.random.Generator) -> list[str]:
        """So many prompts of a kind, in contexts that differ as long as there are others."""
        contexts = self.tree.form.contexts
        rounds = -(-count // len(contexts))
        order = [i for _ in range(rounds) for i in rng.permutation(len(contexts))]
        return [
            templates.with_scene(templates.GENERATE[0], contexts[i]).replace(
                "{name}", self._subject(kind, rng)
            )
            for i in order[:count]
        ]

    def _subject(self, kind: str, rng: np.random.Generator) -> str:
        if kind == OWN and not self.pipeline:
            return f"<{self.word}>"
        if kind in (OWN, NEAR_DUPLICATE):
            return self.tree.subject()
        altered = self.tree.many_altered if kind == "easy" else self.tree.few_altered
        return self.tree.subject(altered(rng))

    def draw(self, kind: str, prompts: Sequence[str], *, seed: int) -> torch.Tensor:
        """Image ids [M, K]: of the concept each after one reference picture in context, in turn; of
        others, and by a pipeline all, from words alone.
        """
        if self.pipeline:
            return self.base.encode(draw_prompts(self.pipeline, prompts, seed=seed)).cpu()
        how = Draw(seed=seed)
        if kind != OWN:
            return in_words(self.base, self.word, "").draw_ids(prompts, how).cpu()
        count = len(self.pictures_NK)
        drawn_MK = torch.zeros((len(prompts), self.base.codes_per_picture), dtype=torch.long)
        for i in range(min(count, len(prompts))):
            shown = in_pictures(self.base, self.word, self.pictures_NK[i : i + 1])
            drawn_MK[i::count] = shown.draw_ids(prompts[i::count], how).cpu()
        return drawn_MK

    def scores(self, kind: str, drawn_MK: torch.Tensor) -> torch.Tensor:
        """`concept_scores`. Of near-duplicates those are wanted that fit the words and not the
        pictures: the description stands where else the class noun does.
        """
        said = self.tree.subject().removeprefix("a ").removeprefix("an ")
        generic = said if kind == NEAR_DUPLICATE else self.tree.class_noun
        return concept_scores(self.base, self.pictures_NK, drawn_MK, generic, word=self.word)


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
