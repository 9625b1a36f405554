"""Who is asked, and about what: a condition, and the test of one concept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from unictoken.core.pictures import read_shrunk, read_together
from unictoken.data.concept import Concept
from unictoken.data.records import Dataset, Record
from unictoken.data.records import Task as Rows
from unictoken.scoring.verdict import AnyJudge, Truth
from unictoken.tasks.task import Prediction

if TYPE_CHECKING:
    import torch

    from unictoken.model.protocol import Base
    from unictoken.personalize.condition import Condition

MAX_ANSWER = 24  # ids


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A concept beside its test, ready to be asked about: the test's pictures encoded once, the
    truth where it is known.
    """

    concept: Concept
    records: tuple[Record, ...]
    root: Path
    ids: Mapping[Path, torch.Tensor]
    """Image ids [K] by test picture."""
    references: tuple[Image.Image, ...]
    truth: Truth | None = None

    def images(self, records: Sequence[Record]) -> torch.Tensor:
        """Image ids [N, K] of each record's picture."""
        import torch  # Imported here: a config names tasks before torch is there.

        return torch.stack([self.ids[record.pictures[0]] for record in records])


def make_ready(base: Base, dataset: Dataset, name: str, truth: Truth | None = None) -> Subject:
    """Encode every picture that a concept's test shows.

    Args:
        base: What encodes them.
        dataset: The concept and its records.
        name: Of the concept.
        truth: What the drawn world knows of the test; None: nothing is known.
    """
    # A picture stands in many records; each is encoded once.
    concept, records = dataset.concepts[name], dataset.records[name]
    tested = [record for record in records if record.split == "test"]
    # A picture stands in many records; each is encoded once.
    files = list(dict.fromkeys(file for record in tested for file in record.pictures))
    encoded = base.encode(map(read_shrunk, files))
    references = tuple(read_together(concept.pictures))
    return Subject(
        concept=concept,
        records=records,
        root=dataset.root,
        ids=dict(zip(files, encoded, strict=True)),
        references=references,
        truth=truth,
    )


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One condition on one concept. `drawings`: where its pictures are kept."""

    method: str
    condition: Condition
    subject: Subject
    judge: AnyJudge | None
    drawings: Path
    seed: int
    list_options: bool = True
    """Of multiple choice, after the question; else the question is asked alone, and what is
    answered is looked for among the options.
    """
    best_of: int = 1
    """Also sample this many images per prompt and judge the one that the model recognises best.
    1 = off.
    """

    @property
    def marker(self) -> str:
        """What questions call the concept: '<bo>'."""
        return f"<{self.subject.concept.name}>"

    def records(self, rows: Rows) -> list[Record]:
        """The test records of these rows that are about this concept alone: only its tokens are
        loaded.
        """
        # Records about several concepts need all their tokens.
        own = (self.subject.concept.name,)
        return [
            record
            for record in self.subject.records
            if (record.task, record.split) == (rows, "test") and record.concepts == own
        ]

    def pictured(self) -> list[Record]:
        """One record for each picture of the recognition test, however often it is asked about."""
        asked = self.records("recognise")
        # The same picture may be right in one row and wrong in another: both are kept.
        return list({(record.pictures[0], record.answer): record for record in asked}.values())

    def answers(self, questions: Sequence[str], records: Sequence[Record]) -> list[str]:
        """Answers in order; the records are all about pictures, or all about none."""
        if not records:
            return []
        seen = self.subject.images(records) if records[0].pictures else None
        return self.condition.ask(questions, seen, max_ids=MAX_ANSWER)

    def prediction(
        self, task: str, record: Record, *, given: str, score: float | None, **other: Any
    ) -> Prediction:
        """What was given for a record.

        Args:
            task: What is scored.
            record: What was asked.
            given: The answer.
            score: None where it could not be scored.
            **other: What of a prediction is not the record's own: question, expected, picture.
        """
        # From the dataset's folder, so that the file means the same on any machine.
        shown = str(record.pictures[0].relative_to(self.subject.root)) if record.pictures else None
        known = {"question": record.question, "expected": record.answer, "picture": shown} | other
        return Prediction(
            concept=self.subject.concept.name,
            method=self.method,
            task=task,
            given=given,
            score=score,
            **known,
        )
