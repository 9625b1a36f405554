"""What the base itself says about the reference pictures: the training answers that nobody had to write.

About the concept, its answers over all pictures are put to a vote; about a scene, each picture has its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from unictoken.data import templates
from unictoken.model.base import Base
from unictoken.model.sampling import sample_text


@dataclass(frozen=True)
class Observations:
    """What is said of the concept and of each picture.

    `concept`: question -> answer; `description`: those answers as one phrase; `scenes`: for each picture, question -> answer;
    `phrases`: each scene in a prompt's words; `captions`: in a caption's.
    """

    concept: dict[str, str]
    description: str
    scenes: list[dict[str, str]]
    phrases: list[str]
    captions: list[str]


def captions(base: Base, image_ids_NK: torch.Tensor) -> list[str]:
    """What the base says of pictures when nobody tells it of a concept."""
    return _answers(base, image_ids_NK, templates.CAPTION[:1], max_ids=48)


def observe(base: Base, image_ids_NK: torch.Tensor) -> Observations:
    """Ask the base every question of ABOUT_CONCEPT and ABOUT_SCENE about every picture."""
    questions = [*templates.ABOUT_CONCEPT, *(q for q, _ in templates.ABOUT_SCENE)]
    said = _answers(base, image_ids_NK, questions, max_ids=16)
    rows = [dict(zip(questions, said[i : i + len(questions)], strict=True)) for i in range(0, len(said), len(questions))]
    concept = {q: Counter(row[q] for row in rows).most_common(1)[0][0] for q in templates.ABOUT_CONCEPT}
    scenes = [{q: row[q] for q, _ in templates.ABOUT_SCENE} for row in rows]
    answers = [list(scene.values()) for scene in scenes]
    return Observations(
        concept,
        templates.description(list(concept.values())),
        scenes,
        phrases=[templates.scene_phrase(row) for row in answers],
        captions=[templates.scene_caption(row) for row in answers],
    )


def _answers(base: Base, image_ids_NK: torch.Tensor, questions: Sequence[str], *, max_ids: int) -> list[str]:
    """What the base answers to every question about every picture, all of one picture's after each other."""
    it = base.vocab.encode("it")
    prompts = [
        [base.vocab.bos, *base.vocab.picture(ids), *base.vocab.encode(q, {"{it}": it}), base.vocab.end_turn]
        for ids in image_ids_NK.tolist()
        for q in questions
    ]
    return [base.vocab.decode(ids) for ids in sample_text(base, prompts, max_ids=max_ids)]
