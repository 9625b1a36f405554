"""Questions about a picture of the concept."""

from __future__ import annotations

import numpy as np

from unictoken.data.sequence import Turn
from unictoken.tasks.answers import OWNERS, FreeAnswers
from unictoken.tasks.task import Taught
from unictoken.tasks.teaching import Teaching, one_of


class Vqa(FreeAnswers, Taught):
    """What the base said of a picture, and what the owner did."""

    name = "vqa"
    kinds = ("vqa",)
    columns = ("vqa", "vqa_judged")

    def teach(self, teaching: Teaching, rng: np.random.Generator) -> list[Turn]:
        material, own = teaching.material, teaching.material.about_pictures
        if own and rng.random() < OWNERS:
            i, question, answer = one_of(own, rng)
        else:
            i = int(rng.integers(len(material.pictures_NK)))
            observed = material.observations
            pairs = [*observed.concept.items(), *observed.scenes[i].items()]
            question, answer = one_of(pairs, rng)
        return teaching.phrasing.ask(question, answer, material.pictures_NK[i].tolist())
