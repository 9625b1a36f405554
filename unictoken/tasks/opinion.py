"""What a user says of pictures and texts."""

from __future__ import annotations

import numpy as np

from unictoken.data.sequence import Turn
from unictoken.tasks.task import Taught
from unictoken.tasks.teaching import Teaching, one_of


class Opinion(Taught):
    """The user's own labels (Personalized LLMs, arXiv 2402.09269: a user's id stands in the prompt,
    and the label is learned). Each label is as likely, however often the user gave it.
    """

    name = "opinion"
    needs = frozenset({"opinions"})

    def teach(self, teaching: Teaching, rng: np.random.Generator) -> list[Turn]:
        material = teaching.material
        rows: list[tuple[str, str, int | None]] = [
            *((question, label, i) for i, question, label in material.about_pictures),
            *((question, label, None) for question, label in material.questions),
        ]
        # Sorted: a set has another order in each process.
        chosen = one_of(sorted({label for _, label, _ in rows}), rng)
        question, label, i = one_of([row for row in rows if row[1] == chosen], rng)
        picture = None if i is None else material.pictures_NK[i].tolist()
        return teaching.phrasing.ask(question, label, picture)
