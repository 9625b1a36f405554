"""What a task is: one thing that a concept is taught by, asked about, or both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from unictoken.scoring import metrics
from unictoken.scoring.texts import word_f1

if TYPE_CHECKING:
    import numpy as np

    from unictoken.data.sequence import Turn
    from unictoken.tasks.teaching import Teaching
    from unictoken.tasks.trial import Trial

NAMED = "<name>"  # the concept's name in the texts that are rewarded
Need = Literal["negatives", "captions_of_others", "told_drawings", "opinions"]
"""What is not there for every concept: a field of `Material`, or what a user says (`opinions`)."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One question that was asked, or one picture that was drawn."""

    concept: str
    method: str
    task: str
    """What is scored: the task's name, or one of several numbers that it gives."""
    question: str
    """Or the prompt."""
    expected: str
    given: str
    """The model's answer; for a drawing, what the judge read in it."""
    score: float | None
    """None: could not be scored (a verdict that nobody can read). Never counted as zero."""
    picture: str | None = None
    """Path of the picture that was asked about or drawn: from the dataset's folder, or from the
    run's.
    """


Predicted = Mapping[str, Sequence[Prediction]]
"""The predictions of one concept and method, by `Prediction.task`."""


class Task:
    """What a stage's or a benchmark's `tasks` call by its name."""

    name: str


class Taught(Task, ABC):
    """A task that examples are made of."""

    draws: bool = False
    """Whether an example's answer is a picture. Its method must learn to draw, and its loss counts
    `generation_weight`."""
    needs: frozenset[Need] = frozenset()
    """What must be there of the material; a concept without it is refused."""

    @abstractmethod
    def teach(self, teaching: Teaching, rng: np.random.Generator) -> list[Turn]:
        """One example: a function of its arguments alone.

        Args:
            teaching: The concept's material, and how the method says it.
            rng: What the choices are drawn from.
        """

    def reward(self, expected: str, given: str) -> float:
        """What an answer that the rows sampled themselves is worth, 0 to 1 (`learn/grpo.py`): half
        for being right as the task scores it, half for its words.

        Args:
            expected: The example's own answer; of a drawing, what the base reads in the example's
                picture. The concept's name is `NAMED` in it.
            given: What was answered; of a drawing, what the base reads in it.
        """
        return (metrics.exact(given, expected) + word_f1(given, expected)) / 2


class Asked(Task, ABC):
    """A task that a benchmark measures."""

    columns: tuple[str, ...] = ()
    """The numbers that tables show, in their order."""

    @abstractmethod
    def ask(self, trial: Trial) -> list[Prediction]:
        """Ask everything that the test of one concept has for this task, in few calls; [] where it
        has nothing.

        Only through the trial's methods: before anything is learned for a benchmark, the task asks
        a trial that counts ids and answers nothing ('', 0), so that a test which the base cannot
        read is refused then (`measure/lengths.py`).
        """

    def score(self, made: Predicted) -> dict[str, float]:
        """Numbers beside, or in place of, the mean score of each kind of prediction.

        Args:
            made: All predictions of one concept and method, those of other tasks too. `made` may
                lack yours: a benchmark need not ask for it.
        """
        return {}
