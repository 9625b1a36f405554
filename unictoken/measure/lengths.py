"""A test is measured before anything is learned for it: what the base cannot read is said then, and
not when hours of learning are over.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import torch

from unictoken.core.config import ConfigError
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.records import KNOWLEDGE, Record
from unictoken.learn.methods import Method
from unictoken.model.base import Base
from unictoken.personalize.condition import Condition
from unictoken.personalize.tokens import with_tokens
from unictoken.tasks.choice import asked_of
from unictoken.tasks.trial import MAX_ANSWER
from unictoken.tokens.tokens import ConceptTokens


def stand_in(base: Base, concept: Concept, method: Method) -> Condition:
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


def any_picture(base: Base) -> list[int]:
    """Image ids [K] of some picture: all are of one length."""
    return base.vocab.image_ids[:1].tolist() * base.codes_per_picture


def check_test(
    condition: Condition,
    records: Sequence[Record],
    root: Path,
    *,
    name: str,
    tasks: Collection[str],
    list_options: bool = True,
) -> None:
    """Refuse a test with a question, or a prompt, that is longer than the base reads.

    Args:
        condition: Who is asked.
        records: Of a concept; those of its test that are about it alone are asked.
        root: The dataset's folder.
        name: The method's or control's, for the message.
        tasks: Names of those that are asked.
        list_options: Whether a question's options are listed after it.
    """
    longest = condition.base.longest
    for record in records:
        own = record.split == "test" and record.concepts == condition.names
        if own and not _asks(record).isdisjoint(tasks):
            ids = _length(condition, record, root, list_options)
            if ids > longest:
                raise ConfigError(
                    f"{record.where}: with '{name}' it takes {ids:,} ids with what is answered, and"
                    f" base '{condition.base.name}' reads at most {longest:,}. Leave '{name}' out"
                    " (`controls`, `methods`), or the record."
                )


def _asks(record: Record) -> set[str]:
    """The tasks that ask a record."""
    if record.task == "recognise":
        return {"recognise", "caption", "unchanged"}
    return {"choice" if record.options else record.task}


def _length(condition: Condition, record: Record, root: Path, list_options: bool) -> int:
    """Ids of a record as it is asked, those of the answer included."""
    if record.task == "generate":
        if not condition.can_draw:
            return 0
        knowing = condition.knowing() if record.kind == KNOWLEDGE else condition
        [text] = knowing.prompts_to_draw([record.question])
        return len(knowing.drawing(text)) + condition.base.codes_per_picture + 1
    asked = {"recognise": templates.RECOGNISE, "caption": templates.CAPTION[:1]}
    texts = asked.get(record.task) or [asked_of(record, root, list_options)]
    picture = any_picture(condition.base) if record.pictures else None
    return max(len(condition.question(text, picture)) for text in texts) + MAX_ANSWER
