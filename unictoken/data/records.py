"""What every dataset becomes: concepts with their reference pictures, and flat examples.

    read("yollava-data").concepts["bo"]     ->  Concept(pictures, facts, negatives, records)
    concept.source(class_noun="dog")        ->  what `Method.fit` takes
    concept.select("vqa", split="test")     ->  what a benchmark asks

Texts call a concept by its marker: "what is <bo> wearing?".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from unictoken.core.errors import UserError
from unictoken.core.pictures import read_together
from unictoken.core.text import mark
from unictoken.data.source import Source, SourceError, check_consent, read_negatives
from unictoken.data.templates import NO, YES

Task = Literal["recognise", "vqa", "text_qa", "caption", "generate", "choice"]
Split = Literal["train", "test"]
# kinds of prompts: the concept alone; with more; with what a fact tells
PLAIN, EXPLICIT, KNOWLEDGE = "plain", "explicit", "knowledge"
SHOWN = ("recognise", "vqa", "caption", "choice")  # tasks that are about a picture


class DataError(UserError):
    """A dataset that cannot be used: where, what was found, what was expected."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One example of any dataset.

    recognise: is it in the picture, yes or no. vqa, choice: a question about a picture, answered
    freely or out of `options`. text_qa: a question without a picture. caption: what the picture
    shows. generate: a prompt for a picture, with no answer.
    """

    task: Task
    split: Split
    concepts: tuple[str, ...]
    """Names; the first is the one that the example is about."""
    where: str
    """The file and the row that it was read from: 'concept/test/bo/vqa.json[3]'."""
    pictures: tuple[Path, ...] = ()
    question: str
    """What is asked, or the prompt that is to be drawn."""
    options: tuple[str, ...] = ()
    """In the order of the file; a benchmark shuffles them."""
    answer: str = ""
    """One of `options` where there are some."""
    grade: str | None = None
    """Of a negative, where known: easy, hard, near_duplicate."""
    kind: str = ""
    """Of a prompt: plain, knowledge (it takes a fact that no picture shows), or the dataset's own
    word.
    """

    def __post_init__(self):
        if self.task not in get_args(Task):
            self._refuse(f"task '{self.task}'", f"one of {', '.join(get_args(Task))}")
        if not self.question.strip():
            self._refuse("no question", "some words")
        if self.task in SHOWN and not self.pictures:
            self._refuse(f"no picture for a {self.task} row", "one")
        if self.task == "recognise" and self.answer not in (YES, NO):
            self._refuse(f"the answer '{self.answer}'", f"'{YES}' or '{NO}'")
        if self.task not in ("recognise", "generate") and not self.answer.strip():
            self._refuse(f"no answer for a {self.task} row", "some words")
        if self.options and (
            self.answer not in self.options or len(set(self.options)) < max(2, len(self.options))
        ):
            self._refuse(
                f"options {list(self.options)} and answer '{self.answer}'",
                "two or more different options, the answer among them",
            )

    def _refuse(self, found: str, expected: str) -> None:
        raise DataError(f"{self.where}: found {found}, expected {expected}.")


@dataclass(frozen=True, kw_only=True)
class Concept:
    """A concept of a dataset: what it is learned from, and what is asked about it."""

    name: str
    class_noun: str = ""
    """'' where the dataset does not say."""
    kind: Literal["person", "animal", "object", ""] = ""
    pictures: tuple[Path, ...]
    """Reference pictures."""
    crops: tuple[Path, ...] = ()
    """The same, cut to the concept, where the dataset brings them."""
    description: str = ""
    """It in words, as the dataset says it: for a control that has no tokens."""
    facts: tuple[str, ...] = ()
    """Sentences about it that no picture shows."""
    negatives: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """Pictures of others to learn from, by grade: easy, hard, near_duplicate."""
    records: tuple[Record, ...] = ()
    truth: object | None = None
    """What is exactly true of it, for a concept of a drawn world (data/worlds.py), which alone looks
    inside. Never used to learn, only to measure.
    """

    def select(self, task: Task, *, split: Split, kind: str | None = None) -> tuple[Record, ...]:
        """The records of a task, in their order."""
        return tuple(
            r
            for r in self.records
            if r.task == task and r.split == split and kind in (None, r.kind)
        )

    def source(self, *, class_noun: str | None = None, consent: bool = False) -> Source:
        """What it is learned from, with the pictures read; `class_noun` where the dataset says
        none.

        Raises `SourceError` without a class noun or a person's consent, `PictureError` for a
        picture that cannot be read.
        """
        noun = self.class_noun if class_noun is None else class_noun
        if not noun:
            advice = f"Give its class noun, such as `class_nouns: {{{self.name}: dog}}`."
            raise SourceError(f"'{self.name}': its dataset does not say what it is. {advice}")
        if self.kind == "person":
            check_consent("person", consent, where=f"'{self.name}'")

        def marked(text: str) -> str:
            return mark(text, self.name, where=f"'{self.name}'")

        own = [r for r in self.records if r.split == "train" and r.concepts == (self.name,)]
        shown = [r for r in own if r.task in ("vqa", "caption") and r.pictures[0] in self.pictures]
        return Source(
            name=self.name,
            class_noun=noun,
            pictures=tuple(read_together(self.pictures)),
            crops=tuple(read_together(self.crops)),
            facts=tuple(map(marked, self.facts)),
            questions=tuple(
                (marked(r.question), marked(r.answer)) for r in own if r.task == "text_qa"
            ),
            about_pictures=tuple(
                (self.pictures.index(r.pictures[0]), marked(r.question), marked(r.answer))
                for r in shown
            ),
            negatives={
                grade: read_negatives(files) for grade, files in self.negatives.items() if files
            },
            truth=self.truth,
            consent=consent,
        )


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Concepts by name, in the order of the dataset."""

    layout: str
    root: Path
    concepts: Mapping[str, Concept]
    notes: tuple[str, ...] = ()
    """What was left out and why, counted: to be printed beside every score."""

    def records(self) -> Iterator[Record]:
        for concept in self.concepts.values():
            yield from concept.records
