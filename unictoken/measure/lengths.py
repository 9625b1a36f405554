"""A test is measured before anything is learned for it: what the base cannot read is said then, and
not when hours of learning are over.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from unictoken.core.config import ConfigError
from unictoken.data import templates
from unictoken.data.clips import FRAMES, check_library, clip_of, frames_of
from unictoken.data.concept import Concept
from unictoken.data.records import Dataset, Record
from unictoken.learn.methods import MethodSettings
from unictoken.model.protocol import Base
from unictoken.model.sampling import ANSWER_IDS
from unictoken.personalize.condition import Condition
from unictoken.personalize.query import Personalization, Query
from unictoken.personalize.tokens import with_tokens
from unictoken.tasks import predictions
from unictoken.tasks.trial import MAX_ANSWER, Frames, Subject, Trial
from unictoken.tokens.tokens import ConceptTokens


def stand_in(base: Base, concept: Concept, method: MethodSettings) -> Condition:
    """What a method will learn, as long as it will be; its rows are nothing yet."""
    rows = torch.zeros(sum(method.tokens.counts.values()), base.width)
    tokens = ConceptTokens(
        name=concept.name,
        class_noun=concept.class_noun,
        counts=method.tokens.counts,
        rows_in=rows,
        rows_out=rows,
        prompts=method.prompts,
        base_name=base.name,
        base_fingerprint=base.fingerprint,
    )
    return with_tokens(base, tokens)


@dataclass(frozen=True, kw_only=True)
class Rehearsal(Trial):
    """A trial in which nothing is answered: each question's ids are counted, and every answer is
    empty. What a task will ask is so asked of the task itself.
    """

    def _check(self, record: Record, ids: int) -> None:
        """Refuse a record that takes more ids, those of its answer included, than the base reads."""
        if ids > self.base.longest:
            raise ConfigError(
                f"{record.where}: with '{self.method}' it takes {ids:,} ids with what is answered,"
                f" and base '{self.base.name}' reads at most {self.base.longest:,}. Leave"
                f" '{self.method}' out (`controls`, `methods`), or the record."
            )

    def _ask(
        self,
        texts: Sequence[str],
        records: Sequence[Record],
        conditions: Sequence[Condition],
        answer_ids: int = 1,
    ) -> None:
        asked = zip(self.queries(texts, records), conditions, strict=True)
        self._check_each(records, list(asked), answer_ids)

    def _check_each(
        self,
        records: Sequence[Record],
        asked: Sequence[tuple[Query, Condition]],
        answer_ids: int = 1,
    ) -> None:
        for record, (query, condition) in zip(records, asked, strict=True):
            prompt = condition.question(query.text, query.image_ids)
            self._check(record, len(prompt) + answer_ids)

    def _answers(
        self, records: Sequence[Record], asked: Sequence[tuple[Query, Condition]]
    ) -> list[str]:
        self._check_each(records, asked, MAX_ANSWER)
        return [""] * len(records)

    def _agreed(
        self, records: Sequence[Record], asked: Sequence[tuple[Query, Condition]]
    ) -> list[float]:
        self._check_each(records, asked)
        return [0.0] * len(records)

    def recognised(self, records: Sequence[Record]) -> list[float]:
        # Each way to ask: the longest one decides.
        conditions = self.conditions([self.marker] * len(records), records, "probability")
        for question in templates.RECOGNISE:
            self._ask([question] * len(records), records, conditions)
        return [0.0] * len(records)

    def captions(self, records: Sequence[Record], conditions: Sequence[Condition]) -> list[str]:
        self._ask([templates.CAPTION[0]] * len(records), records, conditions, ANSWER_IDS)
        return [""] * len(records)

    def drawn(
        self, records: Sequence[Record], conditions: Sequence[Condition], **options: Any
    ) -> list[Image.Image]:
        # A task may look at what was drawn, so that there must be something.
        side = self.base.picture_side
        for record, condition in zip(records, conditions, strict=True):
            (text,) = condition.prompts_to_draw([record.question])
            prompt = self.base.vocab.to_draw(condition.drawing(text))
            self._check(record, len(prompt) + self.base.codes_per_picture)
        return [Image.new("RGB", (side, side)) for _ in records]

    def next_logits(
        self, prompts: Sequence[Sequence[int]], condition: Condition | None
    ) -> torch.Tensor:
        return torch.zeros(len(prompts), 1)

    def keep(self, picture: Image.Image, name: str) -> str:
        # No file: a rehearsal leaves nothing behind.
        return name


def check_test(
    base: Base,
    personalization: Personalization,
    dataset: Dataset,
    concept: str,
    *,
    method: str,
    tasks: Collection[str],
    list_options: bool = True,
) -> None:
    """Refuse a test with a question, or a prompt, that is longer than the base reads.

    Args:
        base: Which is asked.
        personalization: What makes it know the concept.
        dataset: Has the concept and its records; no picture of them is read.
        concept: Its name.
        method: The method's or control's name, for the message.
        tasks: Names of those that are asked.
        list_options: Whether a question's options are listed after it.
    """
    records = dataset.records[concept]
    files = {file for record in records for file in record.pictures}
    subject = Subject(
        concept=dataset.concepts[concept],
        records=records,
        root=dataset.root,
        # All pictures have as many ids: none is read or encoded for this.
        ids=dict.fromkeys(files, base.any_picture),
        references=(),
        clips=lambda files: _unread(base, files),
    )
    trial = Rehearsal(
        method=method,
        base=base,
        personalization=personalization,
        subject=subject,
        judge=None,
        drawings=dataset.root,
        seed=0,
        list_options=list_options,
    )
    predictions(trial, list(tasks))


def _unread(base: Base, files: tuple[Path, ...]) -> Frames:
    """As many frames as a clip can have; none of them is read.

    Args:
        base: What would read them.
        files: The clip's record's.
    """
    clip = clip_of(files)
    # Said now, and not when everything is learned.
    check_library(clip)
    frames = [] if isinstance(clip, Path) else frames_of(clip)
    # How many frames a video has is known only when all of it was decoded.
    known = Frames(ids_FK=base.any_picture.expand(len(frames) or FRAMES, -1))
    return replace(known, glance=frames[known.middle]) if frames else known
