"""Training examples of a concept, by task; each a pure function of (material, random generator)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from unictoken.data.prompts import said_slots
from unictoken.data.sequence import Example, join_turns
from unictoken.learn.methods import Method, Stage
from unictoken.model.vocab import Vocab
from unictoken.tasks import taught
from unictoken.tasks.material import Material
from unictoken.tasks.teaching import Phrasing, Teaching
from unictoken.tokens.tokens import role_slices


class Examples:
    """Makes examples of every task for one concept under one method.

    Args:
        vocab: The base's vocabulary.
        method: Its prompts, and how negatives and soft positives are weighted.
        material: The concept's data as ids.
        slots: The concept's ids by slot.
    """

    def __init__(
        self, vocab: Vocab, method: Method, material: Material, slots: Mapping[str, list[int]]
    ):
        self.vocab, self.method = vocab, method
        self.teaching = Teaching(
            material=material,
            phrasing=Phrasing(vocab, method.prompts, slots),
            negatives=method.negatives,
            soft_positives=method.soft_positives,
        )

    @property
    def slots(self) -> dict[str, list[int]]:
        """The concept's ids by slot."""
        return self.teaching.phrasing.slots

    def in_stage(self, stage: Stage) -> Examples:
        """The same for a stage: with its targets, and without the roles that have nothing to say
        yet in its prompts.
        """
        slots = said_slots(self.slots, self.method.said_in(stage))
        made = Examples(self.vocab, self.method, self.teaching.material, slots)
        made.teaching = replace(made.teaching, targets=stage.targets)
        return made

    def make(self, task: str, rng: np.random.Generator) -> Example:
        """One example of a task."""
        return join_turns(taught()[task].teach(self.teaching, rng), self.vocab)


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
