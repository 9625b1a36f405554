"""Scores from the predictions in a file, so that anyone can compute them again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from unictoken.data.templates import YES
from unictoken.measure.predictions import Prediction
from unictoken.scoring import metrics
from unictoken.scoring.verdict import judged_world


def scores(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Every metric of one concept and method, from its predictions.

    recognition: mean of positive and (easy and hard) negative accuracy; recognition_near_duplicates: the same
    against near-duplicates (the grade 'near_duplicate'). palette: RGB distance of the fur from its exact
    shade; shade: whether that is the nearest of the world's shades. knowledge counts only drawings
    that show all that the fact tells. *_bleu: char-BLEU of free answers.
    """
    by_task: dict[str, list[Prediction]] = {}
    for p in predictions:
        by_task.setdefault(p.task, []).append(p)
    numbers = {
        task: metrics.mean([p.score for p in found if p.score is not None])
        for task, found in by_task.items()
        if _scored(found)
    }
    # A drawing that shows a part of the fact does not know it: a partial score counts as zero.
    for task in numbers.keys() & {"knowledge", "knowledge_recaption", "knowledge_best_of"}:
        numbers[task] = metrics.mean(
            [float(p.score == 1) for p in by_task[task] if p.score is not None]
        )
    for task in ("vqa", "text_qa", "facts"):
        if task in by_task:
            numbers[f"{task}_bleu"] = metrics.mean(
                [metrics.char_bleu(p.given, p.expected) for p in by_task[task]]
            )
    for task in by_task.keys() & {"palette", "palette_best_of"}:
        numbers[task.replace("palette", "shade")] = metrics.mean(
            [_exact_shade(p) for p in by_task[task]]
        )
    return numbers | _recognition(by_task) | _naming(by_task, numbers)


def _exact_shade(palette: Prediction) -> float:
    """Whether the drawn fur is nearer to its own exact shade than to any other of the world's."""
    nearest = judged_world().nearest_shade(json.loads(palette.given))
    return float(nearest == tuple(json.loads(palette.expected)))


def _scored(predictions: list[Prediction]) -> bool:
    return any(p.score is not None for p in predictions)


def _recognition(by_task: Mapping[str, list[Prediction]]) -> dict[str, float]:
    """Weighted recognition: against easy and hard negatives, hard ones alone, and near-duplicates,
    which no description tells apart from the concept (the grade 'near_duplicate').
    """
    asked = {
        task: found
        for task, found in by_task.items()
        if task == "positive" or task.startswith("negative_")
    }
    said_yes = {
        task.removeprefix("negative_"): [p.given.startswith(YES) for p in found]
        for task, found in asked.items()
    }
    if "positive" not in said_yes:
        return {}
    ordinary = [grade for grade in said_yes if grade not in ("positive", "near_duplicate")]
    hard, alike = (
        [grade for grade in said_yes if grade == wanted] for wanted in ("hard", "near_duplicate")
    )
    groups = {
        "recognition": ordinary,
        "recognition_hard": hard,
        "recognition_near_duplicates": alike,
    }
    return {
        name: metrics.recognition(said_yes, negatives=grades)["weighted"]
        for name, grades in groups.items()
        if grades
    }


def _naming(
    by_task: Mapping[str, list[Prediction]], numbers: Mapping[str, float]
) -> dict[str, float]:
    """How captions use the concept's name. Recall: the fraction of its pictures whose caption names
    it (MyVLM); precision: the fraction of its pictures among all whose caption names it.

    With learned tokens its marker counts, in controls the plain word; no numbers where the base
    writes that word about these pictures anyway.
    """
    if "caption" not in numbers:
        return {}
    named, wrongly = (
        sum(p.score == wanted for p in by_task.get(task, ()))
        for task, wanted in (("caption", 1), ("caption_other", 0))
    )
    precision = {"name_precision": named / (named + wrongly)} if named + wrongly else {}
    return {"name_recall": numbers["caption"], **precision}
