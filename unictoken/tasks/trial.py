"""Who is asked, and about what: what makes a base know a concept, and the test of that concept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from unictoken.core.pictures import (
    ImageSource,
    read_image,
    read_shrunk,
    read_together,
    write_picture,
)
from unictoken.data.clips import clip_of, evenly, frames_of
from unictoken.data.concept import Concept
from unictoken.data.records import ROWS, Dataset, Record, RowKind
from unictoken.data.templates import yes_or_no
from unictoken.model.draw import Draw
from unictoken.scoring.verdict import AnyJudge, Truth
from unictoken.tasks.task import Prediction

if TYPE_CHECKING:
    import torch

    from unictoken.model.protocol import Base
    from unictoken.personalize.condition import Condition
    from unictoken.personalize.query import Personalization, Query, Seen, Wanted

MAX_ANSWER = 24  # ids
GLANCE = (512, 512)  # pixels, at most, of a video's frame that is kept to be looked at


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """The frames of a clip that are asked about, encoded."""

    ids_FK: torch.Tensor
    """Image ids of each, in the order of time."""
    glance: ImageSource | None = None
    """The frame in the middle, for what looks at pixels; None: only its ids are known."""

    @property
    def middle(self) -> int:
        """The number of the frame that a gate or a memory looks at."""
        return evenly(len(self.ids_FK), 1)[0]


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
    clips: Callable[[tuple[Path, ...]], Frames]
    """The frames of a clip, by its record's files."""
    truth: Truth | None = None

    def seen(self, records: Sequence[Record]) -> Seen:
        """Each record's picture, which stays a file until somebody looks at it; of clips the frame
        in the middle.
        """
        import torch  # Imported here: a config names tasks before torch is there.

        from unictoken.personalize.query import Seen

        if _about_clips(records):
            clips = [self.clips(record.pictures) for record in records]
            glances = tuple(clip.glance for clip in clips if clip.glance is not None)
            ids_NK = torch.stack([clip.ids_FK[clip.middle] for clip in clips])
            return Seen(ids_NK, glances if len(glances) == len(clips) else ())
        files = tuple(record.pictures[0] for record in records)
        return Seen(torch.stack([self.ids[file] for file in files]), files)


def make_ready(base: Base, dataset: Dataset, name: str, truth: Truth | None = None) -> Subject:
    """Encode every picture that a concept's test shows; its clips when they are first asked about.

    Args:
        base: What encodes them.
        dataset: The concept and its records.
        name: Of the concept.
        truth: What the drawn world knows of the test; None: nothing is known.
    """
    concept, records = dataset.concepts[name], dataset.records[name]
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
        # When they are asked about: another task needs neither their time nor the library.
        clips=cache(lambda files: _encoded(base, files)),
        truth=truth,
    )


def _encoded(base: Base, files: tuple[Path, ...]) -> Frames:
    """The frames of a clip.

    Args:
        base: What encodes them.
        files: Its record's.
    """
    frames = frames_of(clip_of(files))
    known = Frames(ids_FK=base.encode(map(read_image, frames)))
    glance = frames[known.middle]
    if isinstance(glance, Image.Image):
        # A video's frame is no file, and a test has hundreds of them.
        glance.thumbnail(GLANCE)
    return replace(known, glance=glance)


def _about_clips(records: Sequence[Record]) -> bool:
    return bool(records) and ROWS[records[0].task].framed


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

    def frames(self, record: Record) -> torch.Tensor:
        """Image ids [F, K] of the frames of a record's clip that are asked about, in the order of
        time.
        """
        return self.subject.clips(record.pictures).ids_FK

    def asked(
        self,
        questions: Sequence[str],
        records: Sequence[Record],
        clips: Sequence[torch.Tensor] | None = None,
    ) -> list[tuple[Query, Condition]]:
        """Questions as they are asked, each under the condition that the personalization gives for
        it. Of a clip, a personalization that looks at pictures sees the frame in the middle, in
        whatever order the frames are shown.

        Args:
            questions: One for each record.
            records: All about clips, all about pictures, or all about none.
            clips: Of records about clips, the frames [F, K] of each as they are shown; None: in the
                order of time.
        """
        queries = self.queries(questions, records)
        conditions = self.personalization.conditions(queries)
        if _about_clips(records):
            shown = clips if clips is not None else [self.frames(record) for record in records]
            queries = [
                replace(query, image_ids=tuple(ids_FK.flatten().tolist()))
                for query, ids_FK in zip(queries, shown, strict=True)
            ]
        return list(zip(queries, conditions, strict=True))

    def answers(
        self,
        questions: Sequence[str],
        records: Sequence[Record],
        clips: Sequence[torch.Tensor] | None = None,
    ) -> list[str]:
        """Answers in order.

        Args:
            questions: One for each record.
            records: All about clips, all about pictures, or all about none.
            clips: As `asked` takes them.
        """
        return self._answers(records, self.asked(questions, records, clips))

    def agreed(
        self,
        questions: Sequence[str],
        records: Sequence[Record],
        clips: Sequence[torch.Tensor] | None = None,
    ) -> list[float]:
        """P(yes) against P(no) as the answer to each question.

        Args:
            questions: One for each record.
            records: All about clips, all about pictures, or all about none.
            clips: As `asked` takes them.
        """
        return self._agreed(records, self.asked(questions, records, clips))

    def _answers(
        self, records: Sequence[Record], asked: Sequence[tuple[Query, Condition]]
    ) -> list[str]:
        """What is answered to a question about each record."""
        from unictoken.personalize.condition import answer_each

        return answer_each(asked, max_ids=MAX_ANSWER)

    def _agreed(
        self, records: Sequence[Record], asked: Sequence[tuple[Query, Condition]]
    ) -> list[float]:
        """P(yes) of a question about each record."""
        from unictoken.personalize.condition import yes_each

        return yes_each(asked)

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

    def yes_no_prediction(
        self, task: str, record: Record, probability: float, **other: Any
    ) -> Prediction:
        """What a probability of yes says of a record: right where it is what is expected.

        Args:
            task: What is scored.
            record: What was asked.
            probability: Of yes.
            **other: As `prediction` takes it.
        """
        said = yes_or_no(probability)
        expected = other.get("expected", record.answer)
        return self.prediction(
            task,
            record,
            given=f"{said} ({probability:.3f})",
            score=float(said == expected),
            **other,
        )

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
