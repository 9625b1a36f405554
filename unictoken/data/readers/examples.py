"""From a dataset's rows to records of one concept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unictoken.core.disk import is_there
from unictoken.core.pictures import check_picture
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.readers.files import find_picture, read_json
from unictoken.data.readers.names import Names
from unictoken.data.readers.rows import LETTERS, Row, chosen, options_in, rows_in
from unictoken.data.records import (
    ROWS,
    DataError,
    Record,
    RowKind,
    Split,
    kinds_by_type,
)
from unictoken.data.source import grade_of
from unictoken.data.templates import NO, YES

MOST_QUESTIONS = 1_000_000  # of recognition, in a dataset: each takes 500 bytes of memory
HARD_FOLDER, EASY_FOLDERS = "negative_example", ("random_images", "random-images")


@dataclass(frozen=True, kw_only=True)
class Place:
    """One concept's place in a dataset: what its rows are read with."""

    root: Path
    folder: str
    names: Names
    own: tuple[Path, ...]
    """Folders whose pictures show it."""
    nouns: Mapping[str, str] = field(default_factory=dict)
    """Class nouns by folder, where they are known."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Counts the rows that are not read, by why."""
    words: tuple[str, ...] = ()
    """What its texts call it, besides its marker and 'sks'."""
    looked_at: set[Path] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.names[self.folder]

    def mark(self, text: str, where: str) -> str:
        return self.names.mark(text, self.name, where, words=self.words)

    def concept(
        self, records: Iterable[Record], *, pictures: tuple[Path, ...], **given: Any
    ) -> Concept:
        """The concept, with what its training records ask about it alone.

        Args:
            records: All that are about it.
            pictures: Its reference pictures.
            **given: Other fields of a `Concept`.
        """
        own = [r for r in records if r.split == "train" and r.concepts == (self.name,)]
        shown = [r for r in own if r.task in ("vqa", "caption") and r.pictures[0] in pictures]
        return Concept(
            name=self.name,
            pictures=pictures,
            questions=tuple((r.question, r.answer) for r in own if r.task == "text_qa"),
            about_pictures=tuple(
                (pictures.index(r.pictures[0]), r.question, r.answer) for r in shown
            ),
            **given,
        )

    def records(
        self, path: Path, task: RowKind, split: Split, *, label: str | None = None
    ) -> Iterator[Record]:
        """The records in a file of rows; none where it is not there.

        Args:
            path: The JSON file.
            task: Of rows that do not say their type.
            split: Of all its records.
            label: The answer of every recognition row ('yes', 'no'); None: each row says its own.
        """
        if is_there(path):
            yield from self.records_in(
                read_json(path), task, split, where=str(path), beside=path.parent, label=label
            )

    def records_in(
        self,
        value: object,
        task: RowKind,
        split: Split,
        *,
        where: str,
        beside: Path,
        label: str | None = None,
    ) -> Iterator[Record]:
        """The records in a part of a file.

        Args:
            value: Parsed JSON, in any form that `rows_in` reads.
            task: Of rows that do not say their type.
            split: Of all its records.
            where: The part's place, for errors.
            beside: A folder where its pictures are looked for, before the dataset's root.
            label: The answer of every recognition row ('yes', 'no'); None: each row says its own.
        """
        types = kinds_by_type()
        for row in rows_in(value, where):
            if row.type and row.type not in types:
                raise DataError(
                    f"{row.where}: found type '{row.type}', expected one of {', '.join(types)}."
                )
            task_of_row = types.get(row.type, task)
            pictures = (
                ()
                if not ROWS[task_of_row].pictured or not row.image
                else (self.find(row.image, beside=beside, where=row.where),)
            )
            if task_of_row != "recognise":
                yield self._asked(row, task_of_row, split, pictures)
            elif not self._contradicts(label or _label(row), pictures, where):
                question = self.mark(row.question, row.where)
                yield self._recognition(split, question, label or _label(row), pictures, row.where)

    def find(self, image: str, *, beside: Path, where: str) -> Path:
        """The picture that a row names, looked at once however many rows name it."""
        file = find_picture(image, root=self.root, beside=beside, where=where)
        if file not in self.looked_at:
            check_picture(file)
            self.looked_at.add(file)
        return file

    def _asked(self, row: Row, task: RowKind, split: Split, pictures: tuple[Path, ...]) -> Record:
        """A question with its answer, its options told apart where the answer is one of them."""
        question, options, answer = row.question, row.options, row.answer
        # One letter as the answer means an option, whatever type the row has.
        if not options and (task == "choice" or answer.strip() in tuple(LETTERS)):
            question, options = options_in(question, row.where)
        if options:
            answer = chosen(answer, options, row.where)
        question, answer = self.mark(question, row.where), self.mark(answer, row.where)
        return Record(
            task=task,
            split=split,
            concepts=self.names.named_in(f"{question} {answer}", self.name),
            where=row.where,
            pictures=pictures,
            question=question,
            options=tuple(self.mark(text, row.where) for text in options.values()),
            answer=answer,
        )

    def _contradicts(self, label: str, pictures: tuple[Path, ...], where: str) -> bool:
        """Whether a row says something else than the folder its picture lies in. Such rows are
        counted and left out.
        """
        folder = pictures[0].parent if pictures else None
        if label == NO and folder in self.own:
            self.left_out[f"{where}: says '{NO}' of <{self.name}>'s own pictures"] += 1
        elif label == YES and folder and folder.name in (HARD_FOLDER, *EASY_FOLDERS):
            self.left_out[f"{where}: says '{YES}' of pictures in {folder.name}/"] += 1
        else:
            return False
        return True

    def _recognition(
        self, split: Split, question: str, label: str, pictures: tuple[Path, ...], where: str
    ) -> Record:
        return Record(
            task="recognise",
            split=split,
            concepts=(self.name,),
            where=where,
            pictures=pictures,
            question=question,
            answer=label,
            grade=self.grade(pictures[0]) if label == NO and pictures else None,
        )

    def questions(self, info: dict, path: Path) -> Iterator[Record]:
        """The owner's questions in an `info.json`, which no picture answers."""
        for i, pair in enumerate(info.get("questions", ())):
            where = f"{path}: questions[{i}]"
            question, answer = self.mark(pair["question"], where), self.mark(pair["answer"], where)
            yield Record(
                task="text_qa",
                split="train",
                concepts=(self.name,),
                where=where,
                question=question,
                answer=answer,
            )

    def recognition_test(self, tests: Mapping[str, Sequence[Path]]) -> Iterator[Record]:
        """Recognition by the usual protocol: its own test pictures, and every other concept's."""
        concepts = len(self.names.folders)
        check_number(concepts * sum(map(len, tests.values())), f"{self.root}: {concepts} concepts")
        question = templates.RECOGNISE[0].format(name=f"<{self.name}>")
        for folder, files in tests.items():
            for file in files:
                yield self._recognition(
                    "test", question, YES if folder == self.folder else NO, (file,), str(file)
                )

    def grade(self, picture: Path) -> str | None:
        """How alike a distractor is: by its file's name or its folder; among concepts hard when the
        class noun is the same.
        """
        folder = picture.parent.name
        if folder == HARD_FOLDER:
            return grade_of(picture)
        if folder in EASY_FOLDERS:
            return "easy"
        noun, own = self.nouns.get(folder, ""), self.nouns.get(self.folder, "")
        return None if not noun or not own else "hard" if noun.lower() == own.lower() else "easy"


def check_number(questions: int, where: str) -> None:
    """Refuse a dataset that would ask of too many pictures about too many concepts: some thousands
    of each are a small download, and millions of questions.
    """
    if questions > MOST_QUESTIONS:
        raise DataError(
            f"{where}: found {questions:,} questions whether each is in a picture, expected at most"
            f" {MOST_QUESTIONS:,}. Give fewer concepts."
        )


def _label(row: Row) -> str:
    """The first word of an answer: yes or no, if it is one."""
    return "".join(row.answer.lower().replace(",", " ").replace(".", " ").split()[:1])


def notes(left_out: Counter[str]) -> tuple[str, ...]:
    """What was left out, for people to read."""
    return tuple(f"{what}: {count} rows left out." for what, count in left_out.items())
