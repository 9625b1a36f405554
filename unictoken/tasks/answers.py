"""Questions whose answers are free words: what `vqa` and `text_qa` have in common."""

from __future__ import annotations

from unictoken.data.records import RowKind
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
        made = []
        for record, given in zip(asked, said, strict=True):
            kind = self.kind_of(record.question, trial)
            score = float(metrics.exact(given, record.answer))
            made.append(trial.prediction(kind, record, given=given, score=score))
            if isinstance(trial.judge, AnswerJudge):
                verdict = trial.judge.compare(record.question, record.answer, given)
                judged = f"{kind}_judged"
                made.append(trial.prediction(judged, record, given=given, score=verdict.score))
        return made

    def score(self, made: Predicted) -> dict[str, float]:
        """char-BLEU of each kind of answers."""
        return {
            f"{kind}_bleu": metrics.mean(
                [metrics.char_bleu(p.given, p.expected) for p in made[kind]]
            )
            for kind in self.kinds
            if kind in made
        }
