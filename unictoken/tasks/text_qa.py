"""Questions about the concept without a picture, those about its facts among them."""

from __future__ import annotations

import numpy as np

from unictoken.data.sequence import Turn
from unictoken.tasks.answers import OWNERS, FreeAnswers
from unictoken.tasks.task import Taught
from unictoken.tasks.teaching import Teaching, one_of
from unictoken.tasks.trial import Trial


class TextQa(FreeAnswers, Taught):
    """What the base said of the concept, and what only its owner knows.

    `facts`: questions that were trained on; what is learned by heart is counted apart.
    """

    name = "text_qa"
    kinds = ("text_qa", "facts")
    columns = ("text_qa", "facts", "text_qa_judged", "facts_judged")

    def teach(self, teaching: Teaching, rng: np.random.Generator) -> list[Turn]:
        own = teaching.material.questions
        owners = own and rng.random() < OWNERS
        pairs = own if owners else [*teaching.material.observations.concept.items()]
        return teaching.phrasing.ask(*one_of(pairs, rng))

    def kind_of(self, question: str, trial: Trial) -> str:
        told = {asked for asked, _ in trial.subject.concept.questions}
        return "facts" if question in told else self.name
