"""Multiple choice, about pictures and without them."""

from __future__ import annotations

from pathlib import Path

from unictoken.data.records import Record, RowKind
from unictoken.scoring import metrics
from unictoken.scoring.choices import LETTERS
from unictoken.tasks.task import Asked, Prediction
from unictoken.tasks.trial import Trial

ROWS: tuple[RowKind, ...] = ("choice", "vqa", "text_qa")  # any of them may have options


class Choice(Asked):
    """Right when the answer means the right option, by its letter or by its words."""

    name = "choice"
    columns = ("choice", "vqa_choice", "text_qa_choice")

    def ask(self, trial: Trial) -> list[Prediction]:
        return [prediction for rows in ROWS for prediction in self._asked(rows, trial)]

    def _asked(self, rows: RowKind, trial: Trial) -> list[Prediction]:
        """Predictions of the rows that have options."""
        asked = [record for record in trial.records(rows) if record.options]
        choices = [shuffled(record, trial.subject.root) for record in asked]
        questions = [asked_of(r, trial.subject.root, trial.list_options) for r in asked]
        said = trial.answers(questions, asked)
        return [
            trial.prediction(
                "choice" if rows == "choice" else f"{rows}_choice",
                record,
                given=given,
                score=float(metrics.chosen(given, choice.options) == choice.right),
                question=question,
            )
            for record, question, choice, given in zip(asked, questions, choices, said, strict=True)
        ]


def asked_of(record: Record, root: Path, list_options: bool) -> str:
    """A record's question as it is asked: with its options after it, if these are listed."""
    if not record.options or not list_options:
        return record.question
    return f"{record.question} {_listed(shuffled(record, root))}"


def shuffled(record: Record, root: Path) -> metrics.Choice:
    """A record's options in an order of its own place, the same wherever the dataset lies."""
    place = str(record.where).removeprefix(str(root))
    return metrics.shuffle(
        metrics.Choice(record.options, record.options.index(record.answer)), record=place
    )


def _listed(choice: metrics.Choice) -> str:
    return " ".join(
        f"{letter}. {option}" for letter, option in zip(LETTERS, choice.options, strict=False)
    )
