"""Scores from the predictions in a file, so that anyone can compute them again."""

from __future__ import annotations

from collections.abc import Sequence

from unictoken.scoring import metrics
from unictoken.tasks import asked
from unictoken.tasks.task import Prediction


def scores(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Every metric of one concept and method, from its predictions: the mean score of each kind,
    and what the tasks make of them (`Asked.score`).
    """
    made: dict[str, list[Prediction]] = {}
    for p in predictions:
        made.setdefault(p.task, []).append(p)
    numbers = {
        kind: metrics.mean(scored)
        for kind, found in made.items()
        if (scored := [p.score for p in found if p.score is not None])
    }
    for task in asked().values():
        numbers |= task.score(made)
    return numbers
