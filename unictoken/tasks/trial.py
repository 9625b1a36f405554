"""Who is asked, and about what: what makes a base know a concept, and the test of that concept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from unictoken.core.pictures import read_shrunk, read_together, write_picture
from unictoken.data.concept import Concept
from unictoken.data.records import ROWS, Dataset, Record, RowKind
from unictoken.model.draw import Draw
from unictoken.scoring.verdict import AnyJudge, Truth
from unictoken.tasks.task import Prediction

if TYPE_CHECKING:
    import torch

    from unictoken.model.protocol import Base
    from unictoken.personalize.condition import Condition
    from unictoken.personalize.query import Personalization, Query, Seen, Wanted

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

    def seen(self, records: Sequence[Record]) -> Seen:
        """Each record's picture, which stays a file until somebody looks at it."""
        import torch  # Imported here: a config names tasks before torch is there.

        from unictoken.personalize.query import Seen

        files = tuple(record.pictures[0] for record in records)
        return Seen(torch.stack([self.ids[file] for file in files]), files)


def make_ready(base: Base, dataset: Dataset, name: str, truth: Truth | None = None) -> Subject:
    """Encode every picture that a concept's test shows.

    Args:
        base: What encodes them.
        dataset: The concept and its records.
        name: Of the concept.
        truth: What the drawn world knows of the test; None: nothing is known.
    """
    concept, records = dataset.concepts[name], dataset.records[name]
    # Nobody asks a benchmark's tasks about clips, and a video is no picture.
    tested = [r for r in records if r.split == "test" and not ROWS[r.task].framed]
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
    """One way to make a base know a concept, and that concept's test.

    Tasks ask through these methods alone, and each question is asked under the condition that the
    personalization gives for it: tokens, words and pictures one for all of them, a memory one for
    each.
    """

    method: str
    base: Base
    personalization: Personalization
    subject: Subject
    judge: AnyJudge | None
    drawings: Path
    """Where its pictures are kept."""
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

    def records(self, rows: RowKind) -> list[Record]:
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

    def conditions(
        self, texts: Sequence[str], records: Sequence[Record], wanted: Wanted = "answer"
    ) -> Sequence[Condition]:
        """What stands before each text, which is about its record's picture, if it has one."""
        return self.personalization.conditions(self.queries(texts, records, wanted))

    def queries(
        self, texts: Sequence[str], records: Sequence[Record], wanted: Wanted = "answer"
    ) -> list[Query]:
        """Texts with their records' pictures, which all have one or none has."""
        from unictoken.personalize.query import queries_of

        pictured = bool(records) and bool(records[0].pictures)
        return queries_of(texts, self.subject.seen(records) if pictured else None, wanted)

    def answers(self, questions: Sequence[str], records: Sequence[Record]) -> list[str]:
        """Answers in order; the records are all about pictures, or all about none."""
        from unictoken.personalize.condition import answer_each

        queries = self.queries(questions, records)
        conditions = self.personalization.conditions(queries)
        return answer_each(list(zip(queries, conditions, strict=True)), max_ids=MAX_ANSWER)

    def agreed(self, questions: Sequence[str], records: Sequence[Record]) -> list[float]:
        """P(yes) against P(no) as the answer to each question."""
        from unictoken.personalize.condition import yes_each

        queries = self.queries(questions, records)
        conditions = self.personalization.conditions(queries)
        return yes_each(list(zip(queries, conditions, strict=True)))

    def recognised(self, records: Sequence[Record]) -> list[float]:
        """The probability that each record's picture shows the concept."""
        from unictoken.personalize.condition import by_condition

        if not records:
            return []
        # The marker alone: it says whom to look for. How the base is asked, the condition knows.
        conditions = self.conditions([self.marker] * len(records), records, "probability")
        ids_NK = self.subject.seen(records).ids_NK
        return by_condition(conditions, lambda c, places: c.recognise(ids_NK[places]))

    def captions(self, records: Sequence[Record], conditions: Sequence[Condition]) -> list[str]:
        """What is said of each record's picture under its condition."""
        from unictoken.personalize.condition import by_condition

        if not records:
            return []
        ids_NK = self.subject.seen(records).ids_NK
        # In as many batches as there are conditions: with tokens, words and pictures one.
        return by_condition(conditions, lambda c, places: c.caption(ids_NK[places]))

    def drawn(
        self, records: Sequence[Record], conditions: Sequence[Condition], **options: Any
    ) -> list[Image.Image]:
        """A picture of each record's prompt.

        Args:
            records: Of prompts.
            conditions: Under which each is drawn.
            **options: As `Condition.draw` takes them.
        """
        from unictoken.personalize.condition import by_condition

        def draw(condition: Condition, places: list[int]) -> list[Image.Image]:
            texts = [records[i].question for i in places]
            return condition.draw(texts, Draw(seed=self.seed), **options)

        return by_condition(conditions, draw)

    def next_logits(
        self, prompts: Sequence[Sequence[int]], condition: Condition | None
    ) -> torch.Tensor:
        """Scores [N, V] of what comes next after ids, with a condition's rows on the base; None: of
        the base alone.
        """
        from unictoken.model.sampling import next_logits  # Imported here: it imports torch.

        # The speaker and not the condition: nothing stands before these prompts.
        return next_logits(condition.speaker if condition else self.base, prompts)

    def keep(self, picture: Image.Image, name: str) -> str:
        """The path of a drawing, now that it is a file, as predictions say it."""
        file = self.drawings / self.subject.concept.name / self.method / f"{name}.png"
        # Whole or not at all: a prediction names this file.
        write_picture(picture, file)
        return str(file.relative_to(self.drawings.parent))

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
