"""What every dataset becomes: concepts to learn, and flat examples to ask about them.

    data = read("yollava-data")
    data.concepts["bo"]                       ->  a `Concept`, as `Method.fit` takes it
    data.select("bo", "vqa", split="test")    ->  what a benchmark asks

Texts call a concept by its marker: "what is <bo> wearing?".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unictoken.core.errors import UserError
from unictoken.core.registry import Registry
from unictoken.data.concept import Concept
from unictoken.data.item import Item
from unictoken.data.templates import NO, YES

RowKind = str
"""A name in `ROWS`."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What rows of one kind are like."""

    pictured: bool = True
    """They are about a picture."""
    answered: bool = True
    """They have an answer."""
    framed: bool = False
    """Their pictures are the frames of one clip, in order, or one video file (`data/clips.py`)."""
    type: str | None = None
    """What a row's `type` says, and UnifyBench's file of them is called ('rec': rec.json); None: rows
    are not read by it."""


ROWS: Registry[Rows] = Registry(
    "kind of rows",
    {
        "recognise": Rows(type="rec"),
        "vqa": Rows(type="vqa"),
        "text_qa": Rows(pictured=False, type="text_only"),
        "choice": Rows(type="choice"),
        "caption": Rows(),
        "generate": Rows(pictured=False, answered=False),
        "find": Rows(answered=False),
        "clip": Rows(framed=True),
        "reply": Rows(pictured=False),
    },
)
"""Kinds of rows by name. A task of your own that asks about rows of another kind registers it:

    ROWS.register("count", Rows(type="count"))

UnifyBench's reader then reads `count.json`, and the task asks `trial.records("count")`.
"""
Split = Literal["train", "test"]
# kinds of prompts: the concept alone; with more; with what a fact tells
PLAIN, EXPLICIT, KNOWLEDGE = "plain", "explicit", "knowledge"


def kinds_by_type() -> dict[str, RowKind]:
    """Kinds of rows by what a row's `type` says, in the order in which files are read."""
    return {rows.type: kind for kind, rows in ROWS.items() if rows.type}


class DataError(UserError):
    """A dataset that cannot be used: where, what was found, what was expected."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One example of any dataset.

    recognise: is it in the picture, yes or no. vqa, choice: a question about a picture, answered
    freely or out of `options`. text_qa: a question without a picture. caption: what the picture
    shows. generate: a prompt for a picture, with no answer. find: a text by which pictures are
    looked for; `pictures` are the right ones. clip: a question about frames in order. reply: what is
    said next in a conversation, freely or out of `options`.
    """

    task: RowKind
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
    shift: str = ""
    """How the picture differs from those that are learned from, where the dataset says so: 'pose',
    'distractors'. Recognition is reported by it too."""
    kind: str = ""
    """Of a prompt: plain, knowledge (it takes a fact that no picture shows), or the dataset's own
    word.
    """
    history: tuple[str, ...] = ()
    """What was said before `question`, in turn; of a dialogue the last but one is the other's."""
    uses: tuple[int, ...] | None = None
    """Numbers of the items of the first concept's profile that the answer needs; None: not known.
    No text says it, and FoCus asks for it."""
    pool: str = ""
    """Of a find row: what of `Dataset.pools` is looked through."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Other columns of the dataset by which its scores are told apart. MMPB has three at once,
    more than `kind` can hold."""

    def __post_init__(self) -> None:
        if self.task not in ROWS:
            self._refuse(f"task '{self.task}'", f"one of {', '.join(ROWS)}")
        rows = ROWS[self.task]
        if not self.question.strip():
            self._refuse("no question", "some words")
        if rows.pictured and not self.pictures:
            self._refuse(f"no picture for a {self.task} row", "one")
        if self.task == "recognise" and self.answer not in (YES, NO):
            self._refuse(f"the answer '{self.answer}'", f"'{YES}' or '{NO}'")
        if rows.answered and self.task != "recognise" and not self.answer.strip():
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
class Dataset:
    """Concepts by name, in the order of the dataset, and what is asked about each."""

    layout: str
    root: Path
    concepts: Mapping[str, Concept]
    records: Mapping[str, tuple[Record, ...]]
    """Examples by the name of the concept that they are about. What a concept is learned from is
    not here but in the `Concept`."""
    notes: tuple[str, ...] = ()
    """What was left out and why, counted: to be printed beside every score."""
    profiles: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    """What is known in words of a concept or a user, by the concept's name. Items keep their time
    and their label, which `Concept.facts` have not."""
    pools: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """Pictures that find rows look through, by the pool's name."""

    def select(
        self, name: str, task: RowKind, *, split: Split, kind: str | None = None
    ) -> tuple[Record, ...]:
        """The records of a task about a concept, in their order.

        Args:
            name: The concept's.
            task: Which task.
            split: To learn from, or to be asked.
            kind: Of a prompt; None: any.
        """
        return tuple(
            r
            for r in self.records[name]
            if r.task == task and r.split == split and kind in (None, r.kind)
        )
