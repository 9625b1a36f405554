"""From a concept's source to its tokens: what is prepared, what is learned, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from unictoken.concept.start import start_rows
from unictoken.concept.tokens import ConceptTokens, give_ids, role_slices, slots
from unictoken.data.source import Source, SourceError
from unictoken.learn.examples import Examples, Material
from unictoken.learn.losses import Learner
from unictoken.learn.methods import Method, Stage
from unictoken.learn.observe import observe
from unictoken.learn.stages import Progress, learn
from unictoken.learn.transition import drawn_rows
from unictoken.model.base import Base
from unictoken.world.drawing import draw
from unictoken.world.things import sample_pet_where, sample_scene

HARD_SHARE = 0.15  # of a pool of strangers, the most alike count as hard negatives


@dataclass(frozen=True)
class Lesson:
    """A concept made ready to be learned."""

    learner: Learner
    examples: Examples
    material: Material


def prepare(base: Base, source: Source, method: Method, *, seed: int, world_negatives: int = 400) -> Lesson:
    """Encode the pictures once, ask the base about them, gather negatives, start the rows.

    Where the source has no negatives of its own, `world_negatives` pictures of toy-world pets are drawn, and the ones most
    like the concept count as hard.
    """
    if not source.pictures:
        raise SourceError(f"'{source.name}': no pictures. Expected three to five of them.")
    pictures = base.encode(source.pictures)
    negatives = {grade: base.encode(found) for grade, found in source.negatives.items() if found}
    alike = None
    if world_negatives and (not negatives or method.soft_positives.groups):
        strangers = by_likeness(base, pictures, base.encode(world_strangers(world_negatives, seed)))
        hard = max(1, int(HARD_SHARE * len(strangers)))
        alike = strangers[:hard]
        negatives = negatives or {"hard": strangers[:hard], "easy": strangers[hard:]}
    elif method.soft_positives.groups:
        if "hard" not in negatives:
            raise SourceError(f"'{source.name}': soft positives need look-alikes. Put pictures of some into negative_example/.")
        alike = by_likeness(base, pictures, negatives["hard"])
    material = Material(
        pictures_NK=pictures,
        negatives=negatives,
        observations=observe(base, pictures),
        facts=source.facts,
        questions=source.questions,
        look_alikes_MK=alike,
    )
    counts = method.tokens.counts
    ids = give_ids(base.vocab, sum(counts.values()))
    rows = start_rows(
        base, source.class_noun, pictures, counts, start=method.start, seed=seed, description=material.observations.description
    )
    return Lesson(Learner(base, ids, *rows), Examples(base.vocab, method, material, slots(ids, counts)), material)


def world_strangers(count: int, seed: int) -> list:
    """Pictures of random pets of the toy world."""
    rng = np.random.default_rng([seed, count])
    return [draw(sample_pet_where(rng, unseen=False), sample_scene(rng)) for _ in range(count)]


@torch.no_grad()
def picture_features(base: Base, image_ids_NK: torch.Tensor) -> torch.Tensor:
    """[N, D], unit length: the mean of the base's last hidden states over a picture's ids."""
    bos = torch.full((len(image_ids_NK), 1), base.vocab.bos)
    begin = torch.full_like(bos, base.vocab.begin_image)
    ids = torch.cat([bos, begin, image_ids_NK], 1)
    hidden = torch.cat([base.hidden(base.embed(part.to(base.device)))[:, 2:].mean(1).float().cpu() for part in ids.split(64)])
    return torch.nn.functional.normalize(hidden, dim=-1)


def by_likeness(base: Base, pictures_NK: torch.Tensor, others_MK: torch.Tensor) -> torch.Tensor:
    """The others, most like the pictures first (cosine with the mean feature)."""
    target = picture_features(base, pictures_NK).mean(0)
    return others_MK[(picture_features(base, others_MK) @ target).argsort(descending=True)]


def keep(base: Base, source: Source, method: Method, learner: Learner, *, seed: int, scores: dict | None = None) -> ConceptTokens:
    """The rows as they are now, as a concept."""
    rows_in, rows_out = learner.current().detach().float().cpu()
    return ConceptTokens(
        name=source.name,
        class_noun=source.class_noun,
        counts=method.tokens.counts,
        rows_in=rows_in.clone(),
        rows_out=rows_out.clone(),
        prompts=method.prompts,
        method=method.name,
        base_name=base.name,
        base_fingerprint=base.fingerprint,
        seed=seed,
        scores=scores or {},
        consent=source.consent,
    )


def starts_of_stages(base: Base, source: Source, method: Method, *, seed: int) -> Callable[[Stage, Learner], None]:
    """What happens between stages: rows of roles that a stage starts begin anew (`Stage.starts`)."""

    def begin(stage: Stage, learner: Learner) -> None:
        parts = role_slices(method.tokens.counts)
        for role in stage.starts:
            said, part = method.said_in(stage) - {role}, parts[role]
            concept = keep(base, source, method, learner, seed=seed)
            learner.restart(part, drawn_rows(base, concept, said, part.stop - part.start, seed=seed))

    return begin


def learn_concept(
    base: Base, source: Source, method: Method, *, seed: int = 0, on_step: Callable[[Progress], None] = lambda progress: None
) -> ConceptTokens:
    """Learn a concept in this process. `train/run.py` does the same with DeepSpeed, and can be stopped and resumed."""
    lesson = prepare(base, source, method, seed=seed)
    begin = starts_of_stages(base, source, method, seed=seed)
    for progress in learn(lesson.learner, method, lesson.examples, seed=seed, on_stage=begin):
        on_step(progress)
    return keep(base, source, method, lesson.learner, seed=seed)
