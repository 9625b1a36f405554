"""Is it in the picture, yes or no?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from unictoken.data import templates
from unictoken.data.sequence import Turn
from unictoken.data.templates import NO, YES, yes_or_no
from unictoken.scoring import metrics
from unictoken.tasks.task import Asked, Predicted, Prediction, Taught
from unictoken.tasks.teaching import Teaching, a_picture, drawn_positive, one_of
from unictoken.tasks.trial import Trial

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
            trial.prediction(
                "positive" if record.answer == YES else f"negative_{record.grade or 'other'}",
                record,
                question=templates.RECOGNISE[0],
                given=f"{yes_or_no(p)} ({p:.3f})",
                score=float(yes_or_no(p) == record.answer),
            )
            for record, p in zip(asked, trial.recognised(asked), strict=True)
        ]

    def score(self, made: Predicted) -> dict[str, float]:
        """Weighted recognition: the mean of positive and negative accuracy, against easy and hard
        negatives, hard ones alone, and near-duplicates.
        """
        said_yes = {
            name.removeprefix("negative_"): [p.given.startswith(YES) for p in found]
            for name, found in made.items()
            if name == "positive" or name.startswith("negative_")
        }
        if "positive" not in said_yes:
            return {}
        groups = {
            "recognition": [g for g in said_yes if g not in ("positive", NEAR_DUPLICATE)],
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
