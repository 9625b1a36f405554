"""Questions whose answers are free words: what `vqa` and `text_qa` have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from unictoken.data.records import Record, RowKind
from unictoken.scoring import metrics
from unictoken.scoring.verdict import AnswerJudge
from unictoken.tasks.task import Asked, Predicted, Prediction
from unictoken.tasks.trial import Trial

OWNERS = 0.4  # of the questions that are taught are the owner's, where there are some


class FreeAnswers(Asked):
    """Answers are right when they have the words of the expected one and no others. A judge that
    can compare answers says, too, how far they mean the same.
    """

    name: RowKind
    kinds: tuple[str, ...]
    """What its predictions are called."""

    def kind_of(self, question: str, trial: Trial) -> str:
        """What the prediction of a question is called."""
        return self.name

    def ask(self, trial: Trial) -> list[Prediction]:
        asked = [record for record in trial.records(self.name) if not record.options]
        said = trial.answers([record.question for record in asked], asked)
        kinds = [self.kind_of(record.question, trial) for record in asked]
        given = zip(kinds, asked, said, strict=True)
        return [prediction for one in given for prediction in scored(trial, *one)]

    def score(self, made: Predicted) -> dict[str, float]:
        """char-BLEU of each kind of answers."""
        return bleu(made, self.kinds)


def scored(trial: Trial, kind: str, record: Record, given: str) -> list[Prediction]:
    """An answer in free words: whether it is right and, from a judge that can compare answers, how
    far it means the same.

    Args:
        trial: What was asked, and with which judge.
        kind: What the prediction is called.
        record: What was asked.
        given: The answer.
    """
    right = float(metrics.exact(given, record.answer))
    made = [trial.prediction(kind, record, given=given, score=right)]
    if isinstance(trial.judge, AnswerJudge):
        verdict = trial.judge.compare(record.question, record.answer, given)
        made.append(trial.prediction(f"{kind}_judged", record, given=given, score=verdict.score))
    return made


def bleu(made: Predicted, kinds: Iterable[str]) -> dict[str, float]:
    """char-BLEU of each of these kinds of answers that is there."""
    return means_of(made, kinds, "bleu", metrics.char_bleu)


def means_of(
    made: Predicted, kinds: Iterable[str], name: str, score: Callable[[str, str], float]
) -> dict[str, float]:
    """The mean of a score over each of these kinds of answers that is there, as '<kind>_<name>'.

    Args:
        made: All predictions.
        kinds: Of answers.
        name: Of the score.
        score: Of what was given, and what was expected.
    """
    return {
        f"{kind}_{name}": metrics.mean([score(p.given, p.expected) for p in made[kind]])
        for kind in kinds
        if kind in made
    }
