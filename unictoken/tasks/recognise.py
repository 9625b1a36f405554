"""Is it in the picture, yes or no?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from unictoken.data import templates
from unictoken.data.records import Record
from unictoken.data.sequence import Turn
from unictoken.data.templates import NO, YES
from unictoken.scoring import metrics
from unictoken.tasks.task import Asked, Predicted, Prediction, Taught
from unictoken.tasks.teaching import Teaching, a_picture, drawn_positive, one_of
from unictoken.tasks.trial import Trial

POSITIVE, NEGATIVE = "positive", "negative_"  # what the kinds of predictions begin with
SHIFTED = ", "  # before the shift in a kind: 'positive, pose'
NEAR_DUPLICATE = "near_duplicate"  # the grade that no description tells apart from the concept


class Recognise(Taught, Asked):
    """Of its own pictures yes, of others no. Without others it would learn to say yes always."""

    name = "recognise"
    needs = frozenset({"negatives"})
    columns = ("recognition", "recognition_hard", "recognition_near_duplicates")

    def teach(self, teaching: Teaching, rng: np.random.Generator) -> list[Turn]:
        material = teaching.material
        # Half of the answers are yes, so that none is right more often by itself.
        yes = rng.random() < 0.5 or not material.negatives
        pictures = (
            material.pictures_NK
            if yes
            else material.negatives[grade_of_negative(material.negatives, teaching.negatives, rng)]
        )
        question = one_of(templates.RECOGNISE, rng)
        if yes and (drawn := drawn_positive(material, rng)):
            return teaching.phrasing.ask(question, YES, drawn[1])
        return teaching.phrasing.ask(question, YES if yes else NO, a_picture(pictures, rng))

    def ask(self, trial: Trial) -> list[Prediction]:
        """Yes or no at probability .5, averaged over the ways to ask."""
        asked = trial.pictured()
        return [
            trial.yes_no_prediction(_kind_of(record), record, p, question=templates.RECOGNISE[0])
            for record, p in zip(asked, trial.recognised(asked), strict=True)
        ]

    def score(self, made: Predicted) -> dict[str, float]:
        """Weighted recognition: the mean of positive and negative accuracy, against easy and hard
        negatives, hard ones alone, and near-duplicates; the same by shift, where a dataset tells
        shifts ('recognition (pose)').
        """
        kinds = [name for name in made if name.startswith((POSITIVE, NEGATIVE))]
        shifts = dict.fromkeys(shift for name in kinds if (shift := name.partition(SHIFTED)[2]))
        numbers = _accuracies(made, kinds)
        # Where shifts are told, the kinds above are of one shift each.
        if shifts and POSITIVE not in made:
            own = [p.score for name in kinds if name.startswith(POSITIVE) for p in made[name]]
            numbers |= {POSITIVE: metrics.mean(score for score in own if score is not None)}
        for shift in shifts:
            of_it = [name for name in kinds if name.partition(SHIFTED)[2] == shift]
            found = _accuracies(made, of_it)
            numbers |= {f"{name} ({shift})": number for name, number in found.items()}
        return numbers


def _kind_of(record: Record) -> str:
    """What a prediction about a record is scored as: 'positive', 'negative_hard', and behind that
    its shift.
    """
    kind = POSITIVE if record.answer == YES else f"{NEGATIVE}{record.grade or 'other'}"
    return f"{kind}{SHIFTED}{record.shift}" if record.shift else kind


def _accuracies(made: Predicted, kinds: Sequence[str]) -> dict[str, float]:
    """Weighted recognition against the grades that are there; {} where one side is missing.

    Args:
        made: All predictions.
        kinds: Those of `made` that count.
    """
    said_yes: dict[str, list[bool]] = {}
    for name in kinds:
        grade = name.partition(SHIFTED)[0].removeprefix(NEGATIVE)
        said_yes.setdefault(grade, []).extend(p.given.startswith(YES) for p in made[name])
    if POSITIVE not in said_yes:
        return {}
    groups = {
        "recognition": [g for g in said_yes if g not in (POSITIVE, NEAR_DUPLICATE)],
        "recognition_hard": [g for g in said_yes if g == "hard"],
        "recognition_near_duplicates": [g for g in said_yes if g == NEAR_DUPLICATE],
    }
    return {
        name: metrics.recognition(said_yes, negatives=grades)["weighted"]
        for name, grades in groups.items()
        if grades
    }


def grade_of_negative(
    negatives: Mapping[str, object], weights: Mapping[str, float], rng: np.random.Generator
) -> str:
    """A grade of the negatives that are there, by the method's weights.

    Args:
        negatives: What is there, by grade.
        weights: By grade; where those that are there have none, each is as likely.
        rng: What it is drawn from.
    """
    grades = list(negatives)
    own = np.array([float(weights.get(grade, 0.0)) for grade in grades])
    return grades[int(rng.choice(len(grades), p=own / own.sum() if own.sum() else None))]
