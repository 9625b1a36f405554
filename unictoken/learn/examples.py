"""Training examples of a concept, by task; each a pure function of (material, random generator)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from unictoken.data import templates
from unictoken.data.prompts import drawing_prompt, said_slots
from unictoken.data.sequence import Example, Turn, join_turns
from unictoken.learn.methods import Method, Stage
from unictoken.learn.observe import Observations
from unictoken.model.vocab import Vocab
from unictoken.tokens.tokens import Prompts, role_slices

DRAWING = "generate"
OWNERS = 0.4  # of the questions are the owner's, where there are some


@dataclass(frozen=True, kw_only=True)
class Material:
    """What examples of one concept are made of: its pictures as ids, its owner's questions, and the
    base's own answers (a `Concept` has no base).
    """

    pictures_NK: torch.Tensor
    negatives: Mapping[str, torch.Tensor]
    """Image ids [M, K] of others by grade; only grades that have some."""
    observations: Observations
    questions: tuple[tuple[str, str], ...] = ()
    """(question, answer) of the owner's, about what no picture shows."""
    about_pictures: tuple[tuple[int, str, str], ...] = ()
    """(number of the picture, question, answer) of the owner's."""
    captions_of_others: tuple[tuple[str, torch.Tensor], ...] = ()
    """What the base says of some of the negatives, and their image ids [K]."""
    crops_NK: torch.Tensor | None = None
    look_alikes_MK: torch.Tensor | None = None
    """Soft positives, the most alike first."""


class Phrasing:
    """How a method says its concept: questions, answers and prompts as turns of ids."""

    def __init__(self, vocab: Vocab, prompts: Prompts, slots: Mapping[str, list[int]]):
        self.vocab, self.prompts, self.slots = vocab, prompts, dict(slots)

    def say(self, text: str, **more: list[int]) -> list[int]:
        """Ids of a text with the concept's slots (and others) filled in."""
        return self.vocab.encode(
            text, {**self.slots, **{"{" + key + "}": ids for key, ids in more.items()}}
        )

    def ask(self, question: str, answer: str, picture: Sequence[int] | None = None) -> list[Turn]:
        """A question about the concept and its answer, after a picture if there is one."""
        seen = self.vocab.picture(picture) if picture is not None else []
        asked = self.say(f"{self.prompts.understanding} {question}".replace("{it}", "{name}"))
        return [
            Turn(seen + asked),
            Turn(self.say(self.prompts.understanding_answer) + self.say(answer), learned=True),
        ]


class Examples(Phrasing):
    """Makes examples of every task for one concept under one method.

    Args:
        vocab: The base's vocabulary.
        method: Its prompts, and how negatives and soft positives are weighted.
        material: The concept's data as ids.
        slots: The concept's ids by slot.
        targets: What is drawn in `generate`: 'pictures', or 'crops' of them.
    """

    def __init__(
        self,
        vocab: Vocab,
        method: Method,
        material: Material,
        slots: Mapping[str, list[int]],
        *,
        targets: str = "pictures",
    ):
        super().__init__(vocab, method.prompts, slots)
        self.method, self.material, self.targets = method, material, targets

    def in_stage(self, stage: Stage) -> Examples:
        """The same for a stage: with its targets, and without the roles that have nothing to say
        yet in its prompts.
        """
        said = self.method.said_in(stage)
        return Examples(
            self.vocab,
            self.method,
            self.material,
            said_slots(self.slots, said),
            targets=stage.targets,
        )

    def make(self, task: str, rng: np.random.Generator) -> Example:
        # Only names of tasks come here: a `Stage` refuses others.
        return join_turns(getattr(self, "_" + task)(rng), self.vocab)

    def _recognise(self, rng: np.random.Generator) -> list[Turn]:
        # Half of the answers are yes, so that none is right more often by itself.
        yes = rng.random() < 0.5 or not self.material.negatives
        pictures = self.material.pictures_NK if yes else self.material.negatives[self._grade(rng)]
        question = templates.RECOGNISE[int(rng.integers(len(templates.RECOGNISE)))]
        return self.ask(question, templates.YES if yes else templates.NO, _one_of(pictures, rng))

    def _grade(self, rng: np.random.Generator) -> str:
        grades = list(self.material.negatives)
        # Of the grades that have pictures; where the method gives those no weight, each is as
        # likely.
        weights = np.array([float(self.method.negatives.get(g, 0.0)) for g in grades])
        return grades[
            int(rng.choice(len(grades), p=weights / weights.sum() if weights.sum() else None))
        ]

    def _vqa(self, rng: np.random.Generator) -> list[Turn]:
        own = self.material.about_pictures
        if own and rng.random() < OWNERS:
            i, question, answer = own[int(rng.integers(len(own)))]
            return self.ask(question, answer, self.material.pictures_NK[i].tolist())
        i = int(rng.integers(len(self.material.pictures_NK)))
        pairs = [
            *self.material.observations.concept.items(),
            *self.material.observations.scenes[i].items(),
        ]
        question, answer = pairs[int(rng.integers(len(pairs)))]
        return self.ask(question, answer, self.material.pictures_NK[i].tolist())

    def _text_qa(self, rng: np.random.Generator) -> list[Turn]:
        pairs = [*self.material.observations.concept.items()]
        own = self.material.questions
        if own and rng.random() < OWNERS:
            pairs = own
        question, answer = pairs[int(rng.integers(len(pairs)))]
        return self.ask(question, answer)

    def _caption(self, rng: np.random.Generator) -> list[Turn]:
        i = int(rng.integers(len(self.material.pictures_NK)))
        question = templates.CAPTION[int(rng.integers(len(templates.CAPTION)))]
        answer = self.material.observations.captions[i]
        return self.ask(question, answer, self.material.pictures_NK[i].tolist())

    def _caption_others(self, rng: np.random.Generator) -> list[Turn]:
        """Of a picture of somebody else nothing is said but what the base says anyway."""
        others = self.material.captions_of_others
        said, picture = others[int(rng.integers(len(others)))]
        question = templates.CAPTION[int(rng.integers(len(templates.CAPTION)))]
        return self.ask(question, said, picture.tolist())

    def _generate(self, rng: np.random.Generator) -> list[Turn]:
        soft = self.method.soft_positives
        if soft.groups and self.material.look_alikes_MK is not None and rng.random() < soft.share:
            return self._soft_positive(rng, soft.groups)
        form = templates.GENERATE[int(rng.integers(len(templates.GENERATE)))]
        if self.targets == "crops":
            return self.draw(form, "", _one_of(self.material.crops_NK, rng))
        i = int(rng.integers(len(self.material.pictures_NK)))
        return self.draw(
            form, self.material.observations.phrases[i], self.material.pictures_NK[i].tolist()
        )

    def _soft_positive(self, rng: np.random.Generator, groups: int) -> list[Turn]:
        """The k-th most alike group is described with all but the last k generation tokens, and by
        nothing else.
        """
        alike = self.material.look_alikes_MK
        k = int(rng.integers(groups))
        # At least one picture, where there are more groups than look-alikes.
        low, high = (
            k * len(alike) // groups,
            max((k + 1) * len(alike) // groups, k * len(alike) // groups + 1),
        )
        role = "{generation}" if self.slots["{generation}"] else "{shared}"
        block = self.slots[role][: max(len(self.slots[role]) - k - 1, 1)]
        prompt = self.vocab.encode(f"a photo of {role}.", {role: block})
        return [Turn(prompt), Turn(self.vocab.picture(_one_of(alike[low:high], rng)), learned=True)]

    def draw(self, form: str, scene: str, image_ids: list[int]) -> list[Turn]:
        """A prompt for a picture of the concept, and the picture."""
        prompt = drawing_prompt(
            self.vocab, self.prompts, self.slots, templates.with_scene(form, scene)
        )
        first = self.say(self.prompts.generation_answer)
        return [Turn(prompt), Turn(first + self.vocab.picture(image_ids), learned=True)]


def _one_of(pictures_NK: torch.Tensor, rng: np.random.Generator) -> list[int]:
    return pictures_NK[int(rng.integers(len(pictures_NK)))].tolist()


def tasks_of_batch(weights: Mapping[str, float], batch: int, rng: np.random.Generator) -> list[str]:
    """Tasks of one batch by their weights: whole numbers first, what is left over by lot, in random
    order.
    """
    total = sum(map(float, weights.values()))
    exact = {task: batch * float(weight) / total for task, weight in weights.items()}
    tasks = [task for task, n in exact.items() for _ in range(int(n))]
    rest = np.array([n % 1 for n in exact.values()])
    missing = batch - len(tasks)
    if missing:
        tasks += rng.choice(list(exact), size=missing, p=rest / rest.sum()).tolist()
    # Processes take slices of the batch: shuffled, each gets some of every task.
    return [tasks[i] for i in rng.permutation(len(tasks))]


def named_rows(counts: Mapping[str, int]) -> list[str]:
    """Which role each row belongs to: ['name', 'shared', 'shared', ...]."""
    return [
        role for role, part in role_slices(counts).items() for _ in range(part.stop - part.start)
    ]
