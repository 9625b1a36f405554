"""Scores of labels, ratings and sets, over all answers of a test together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from unictoken.scoring.metrics import MetricError, mean

LOWEST, HIGHEST = 1.0, 5.0  # ratings of LaMP-3


def accuracy(given: Sequence[str], expected: Sequence[str]) -> float:
    """The share of labels that are the expected ones, apart from spaces around them."""
    return mean(g.strip() == e.strip() for g, e in zip(given, expected, strict=True))


def macro_f1(given: Sequence[str], expected: Sequence[str], labels: Sequence[str]) -> float:
    """The mean over all labels of each one's F1, those that never occur counting 0 (LaMP's
    evaluation: `f1(labels=..., average="macro")` of scikit-learn).

        given a a b, expected a b b, labels a b   ->   (2/3 + 2/3) / 2
    """
    if not labels:
        raise MetricError("macro F1: no labels. Expected one or more.")
    # Counted once: each label looks through the pairs, not through the answers.
    pairs = Counter((g.strip(), e.strip()) for g, e in zip(given, expected, strict=True))
    scores = []
    for label in labels:
        right = pairs[label, label]
        said = sum(count for (g, _), count in pairs.items() if g == label)
        true = sum(count for (_, e), count in pairs.items() if e == label)
        scores.append(2 * right / (said + true) if said + true else 0.0)
    return mean(scores)


def rating(said: str, expected: str) -> float:
    """A rating as a number; what is none counts as the end of the scale that is farther away
    (LaMP's evaluation of task 3).

    >>> rating(" 4 ", "5"), rating("good", "4"), rating("good", "2")
    (4.0, 1.0, 5.0)
    """
    try:
        number = float(said)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    # A model that says no number must not gain by it.
    true = float(expected)
    return LOWEST if abs(LOWEST - true) > abs(HIGHEST - true) else HIGHEST


def mae(given: Sequence[float], expected: Sequence[float]) -> float:
    """Mean absolute error.

    >>> mae([1, 5], [1, 3])
    1.0
    """
    return mean(abs(g - e) for g, e in zip(given, expected, strict=True))


def rmse(given: Sequence[float], expected: Sequence[float]) -> float:
    """Root of the mean squared error.

    >>> rmse([1, 5], [1, 1])
    2.8284271247461903
    """
    return math.sqrt(mean((g - e) ** 2 for g, e in zip(given, expected, strict=True)))


def precision_recall_f1(found: int, right: int, wanted: int) -> tuple[float, float, float]:
    """Precision, recall and F1 of a set.

    Args:
        found: How many were given.
        right: How many of those belong to what was wanted.
        wanted: How many should have been given.

    >>> precision_recall_f1(4, 2, 2)
    (0.5, 1.0, 0.6666666666666666)
    """
    # Nothing found where nothing was wanted is right; nothing found otherwise has no precision.
    precision = right / found if found else float(not wanted)
    recall = right / wanted if wanted else 1.0
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


def labels_right(said: Iterable[int], true: Iterable[int], count: int) -> float:
    """The share of `count` yes-or-no labels that are right, where two sets say which are yes
    (FoCus: persona grounding accuracy).

    >>> labels_right({0, 1}, {1}, 5)
    0.8
    """
    return 1 - len(set(said) ^ set(true)) / count
