"""What a concept encoder is trained on: subjects of the toy world, each with pictures, look-alikes
and the truth.

None is of a combination of attributes that is held out of the base's training, and every concept of
the benchmarks is (`toy/concepts.py`): no concept that is measured is one that was trained on, look-
alikes included. Facts are left out, as no picture shows them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from unictoken.core.disk import is_file, write_aside
from unictoken.model.protocol import Base
from unictoken.tasks.material import Material, Observations
from unictoken.toy.exam import encoded
from unictoken.toy.interview import toy_interview
from unictoken.toy.pretrain.album import Maker
from unictoken.toy.pretrain.pictures import draw_groups
from unictoken.toy.world import descriptions, group_language, language
from unictoken.toy.world.groups import Group, sample_group
from unictoken.toy.world.subjects import Subject

SHOTS = 5  # of each subject: one to four introduce it, the others are asked about and drawn
STREAM = 5  # of a seed; 1 to 4 are an album's
EASY = 3  # families whose pictures are easy negatives of a concept
AT_ONCE = 256  # pictures that are encoded together


@dataclass(frozen=True)
class Crowd:
    """Families of three: 0 a subject, 1 a near-duplicate of it, 2 a hard negative. Each of the
    three is a concept, with the pictures of the others as negatives.
    """

    subjects: Sequence[Subject]
    """Family after family."""
    groups: Sequence[Group]
    """What the pictures show, SHOTS of each subject."""
    ids_NK: torch.Tensor
    """The pictures' image ids."""

    def __len__(self) -> int:
        return len(self.subjects)

    def pictures(self, concept: int) -> range:
        """The numbers of a concept's pictures."""
        return range(concept * SHOTS, (concept + 1) * SHOTS)

    def noun(self, concept: int) -> str:
        return descriptions.noun(self.subjects[concept])

    def description(self, concept: int) -> str:
        return descriptions.describe(self.subjects[concept])

    def negatives(self, concept: int) -> dict[str, list[int]]:
        """Numbers of the pictures of others, by grade."""
        family, which = divmod(concept, 3)
        first = 3 * family
        # Who differs in one attribute from the subject does so from its near-duplicate.
        others = {0: ([1], [2]), 1: ([0], [2]), 2: ([], [0, 1])}[which]
        near, hard = ([first + other for other in part] for part in others)
        grades = {"near_duplicate": near, "hard": hard, "easy": self._unlike(concept)}
        return {
            grade: [picture for one in who for picture in self.pictures(one)]
            for grade, who in grades.items()
            if who
        }

    def _unlike(self, concept: int) -> list[int]:
        """Concepts with another class noun."""
        count = len(self.subjects)
        next_ones = ((concept + 3 * step) % count for step in range(1, count // 3))
        unlike = [other for other in next_ones if self.noun(other) != self.noun(concept)]
        return unlike[:EASY]

    def material(self, concept: int, pictures: Sequence[int]) -> Material:
        """What examples of a concept are made of.

        Args:
            concept: Its number.
            pictures: Numbers of those of its pictures that are asked about and drawn.
        """
        negatives = self.negatives(concept)
        others = [picture for part in negatives.values() for picture in part[:2]]
        return Material(
            class_noun=self.noun(concept),
            pictures_NK=self.ids_NK[list(pictures)],
            negatives={grade: self.ids_NK[part] for grade, part in negatives.items()},
            observations=_truth(self.subjects[concept], [self.groups[i] for i in pictures]),
            captions_of_others=tuple(
                (group_language.caption(self.groups[i]), self.ids_NK[i]) for i in others
            ),
        )


def _truth(subject: Subject, groups: Sequence[Group]) -> Observations:
    """What is true of a subject and of its pictures, as the base would answer if it were always
    right (`learn/observe.py`).
    """
    interview = toy_interview(descriptions.noun(subject))
    attribute_of = {
        question: attribute
        for attribute, forms in language.SCENE_QUESTIONS.items()
        for question in forms
    }
    scenes = []
    for group in groups:
        (member,) = group.members
        scene = group.scene_of(member)
        # Of a scene's attributes the answer does not depend on who is shown.
        scenes.append(
            {
                question: language.answer(attribute_of[question], subject, scene)  # type: ignore[arg-type]
                for question in interview.about_scene
            }
        )
    answers = [list(scene.values()) for scene in scenes]
    return Observations(
        {
            forms[0]: descriptions.answer(subject, attribute)
            for attribute, forms in descriptions.questions(subject).items()
        },
        descriptions.describe(subject),
        scenes,
        phrases=list(map(interview.phrase, answers)),
        captions=list(map(interview.caption, answers)),
    )


def make_crowd(base: Base, families: int, *, seed: int, file: Path | None = None) -> Crowd:
    """The crowd of a seed.

    Args:
        base: Encodes the pictures.
        families: How many there are.
        seed: Decides everything.
        file: Where image ids are kept; its name should tell what they depend on. None: they are not.
    """
    maker = Maker(seed, families)
    subjects = [subject for number in range(families) for subject in maker.subjects(number)]
    rng = np.random.default_rng([seed, STREAM])
    groups = [sample_group([subject], rng) for subject in subjects for _ in range(SHOTS)]

    def encode_all() -> np.ndarray:
        parts = draw_groups(groups).split(AT_ONCE)
        return np.concatenate([encoded(base, part.numpy()) for part in parts])

    ids_NK = kept(file, encode_all, np.uint16 if base.vocabulary_size < 2**16 else np.int64)
    return Crowd(subjects, groups, torch.from_numpy(ids_NK.astype(np.int64)))


def kept(file: Path | None, make: Callable[[], np.ndarray], dtype: type) -> np.ndarray:
    """An array that is made once, and then read from its file."""
    if file and is_file(file):
        return np.load(file)
    made = make().astype(dtype)
    if file:
        saved = io.BytesIO()
        np.save(saved, made)
        write_aside(file, saved.getvalue())
    return made
