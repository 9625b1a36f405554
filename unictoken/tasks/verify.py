"""Is an answer right, yes or no? Half of those that are shown belong to another picture.

In the manner of POPE (Li et al. 2023) and MMPB: a model that says yes to whatever it is told is
right half of the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from unictoken.core.errors import UserError
from unictoken.data import templates
from unictoken.data.records import Record
from unictoken.data.sequence import Turn
from unictoken.data.templates import NO, YES
from unictoken.scoring import metrics
from unictoken.tasks.task import Asked, Predicted, Prediction, Taught
from unictoken.tasks.teaching import Teaching, one_of
from unictoken.tasks.trial import Trial


class VerifyError(UserError):
    """Pictures of which no wrong answer is known."""


class Verify(Taught, Asked):
    """Questions about a picture with an answer, which is right, or the right one of another picture
    of the concept. Learned from what the base said of the pictures; asked about the test's own
    questions, whose options count as other answers too.
    """

    name = "verify"
    columns = ("verify",)

    def teach(self, teaching: Teaching, rng: np.random.Generator) -> list[Turn]:
        material = teaching.material
        # Of the concept itself one answer is known, so that none could be wrong.
        scenes = enumerate(material.observations.scenes)
        told = [(i, *pair) for i, scene in scenes for pair in scene.items()]
        told += material.about_pictures
        known = _by_question((question, answer) for _, question, answer in told)
        # Where all pictures have one answer, no other one is known to be wrong.
        contested = [(i, q, answer) for i, q, answer in told if len(known[q]) > 1]
        if not contested:
            raise VerifyError(
                "task 'verify': every question has one answer in all reference pictures, so that"
                " none is wrong. Add a picture that differs, or leave the task out."
            )
        i, question, right = one_of(contested, rng)
        # Half of them, so that a constant answer learns nothing.
        yes = rng.random() < 0.5
        shown = right if yes else one_of([a for a in known[question] if a != right], rng)
        picture = material.pictures_NK[i].tolist()
        return teaching.phrasing.ask(_form(question, shown), YES if yes else NO, picture)

    def ask(self, trial: Trial) -> list[Prediction]:
        """Yes or no at probability .5."""
        about = trial.records("vqa")
        pairs = [(r.question, a) for r in (*about, *trial.records("choice")) for a in _told(r)]
        known = _by_question(pairs)
        asked = []
        for record in about:
            # Both questions or none: the two kinds stay balanced.
            if others := [answer for answer in known[record.question] if answer != record.answer]:
                place = str(record.where).removeprefix(str(trial.subject.root))
                asked += [(record, record.answer), (record, _one_by_place(others, place))]
        questions = [_form(record.question, answer) for record, answer in asked]
        said = trial.agreed(questions, [record for record, _ in asked])
        return [
            trial.yes_no_prediction(
                self.name,
                record,
                p,
                question=_form(record.question, answer),
                expected=YES if answer == record.answer else NO,
            )
            for (record, answer), p in zip(asked, said, strict=True)
        ]

    def score(self, made: Predicted) -> dict[str, float]:
        """Balanced accuracy."""
        own = made.get(self.name, ())
        if not own:
            return {}
        said, true = ([getattr(p, f).startswith(YES) for p in own] for f in ("given", "expected"))
        return {self.name: metrics.balanced_accuracy(said, true)}


def _form(question: str, answer: str) -> str:
    return templates.VERIFY.replace("{question}", question).replace("{answer}", answer)


def _by_question(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Different answers by question, in the order in which they come."""
    known: dict[str, list[str]] = {}
    for question, answer in pairs:
        answers = known.setdefault(question, [])
        if answer not in answers:
            answers.append(answer)
    return known


def _one_by_place(answers: Sequence[str], place: str) -> str:
    """One of the answers, the same on every machine."""
    return min(answers, key=lambda a: hashlib.sha256(f"{place}\n{a}".encode()).digest())


def _told(record: Record) -> tuple[str, ...]:
    """The answers that a record knows to its question."""
    return record.options or (record.answer,)
