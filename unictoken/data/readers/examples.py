"""From a dataset's rows to records of one concept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unictoken.data import templates
from unictoken.data.readers.files import find_picture
from unictoken.data.readers.names import Names
from unictoken.data.readers.rows import LETTERS, Row, chosen, options_in, read_rows
from unictoken.data.records import DataError, Record, Split, Task
from unictoken.data.source import grade_of
from unictoken.data.templates import NO, YES

TYPES: dict[str, Task] = {"rec": "recognise", "vqa": "vqa", "text_only": "text_qa", "choice": "choice"}
HARD_FOLDER, EASY_FOLDER = "negative_example", "random_images"


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
    """Counts rows that contradict the folders."""

    @property
    def name(self) -> str:
        return self.names[self.folder]

    def mark(self, text: str, where: str) -> str:
        return self.names.mark(text, self.name, where)

    def records(self, path: Path, task: Task, split: Split, *, answer: str | None = None) -> Iterator[Record]:
        """The records in a file of rows; none where it is not there. `answer`: what every row of a recognition file says."""
        for row in read_rows(path) if path.is_file() else ():
            if row.type and row.type not in TYPES:
                raise DataError(f"{row.where}: found type '{row.type}', expected one of {', '.join(TYPES)}.")
            what = TYPES.get(row.type, task)
            yield from self._recognise(row, split, answer, path) if what == "recognise" else [self._asked(row, what, split, path)]

    def _asked(self, row: Row, task: Task, split: Split, path: Path) -> Record:
        """A question with its answer, its options told apart where the answer is one of them."""
        question, options, answer = row.question, row.options, row.answer
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
            pictures=() if task == "text_qa" else self._pictures(row, path),
            question=question,
            options=tuple(self.mark(text, row.where) for text in options.values()),
            answer=answer,
        )

    def _pictures(self, row: Row, path: Path) -> tuple[Path, ...]:
        return (find_picture(row.image, root=self.root, beside=path.parent, where=row.where),) if row.image else ()

    def _recognise(self, row: Row, split: Split, answer: str | None, path: Path) -> list[Record]:
        """One record; none, and a note, where the row says something else than the folder its picture lies in."""
        said = answer or row.answer.strip().split(",")[0].split(" ")[0].rstrip(".!").lower()
        pictures = self._pictures(row, path)
        folder = pictures[0].parent if pictures else None
        if said == NO and folder in self.own:
            self.left_out[f"{path}: says '{NO}' of <{self.name}>'s own pictures"] += 1
            return []
        if said == YES and folder and folder.name in (HARD_FOLDER, EASY_FOLDER):
            self.left_out[f"{path}: says '{YES}' of pictures in {folder.name}/"] += 1
            return []
        question = self.mark(row.question, row.where)
        grade = self.grade(pictures[0]) if said == NO and pictures else None
        return [self._recognition(split, question, said, pictures, row.where, grade)]

    def _recognition(self, split: Split, question: str, answer: str, pictures: tuple[Path, ...], where: str, grade: str | None) -> Record:
        return Record(
            task="recognise", split=split, concepts=(self.name,), where=where, pictures=pictures, question=question, answer=answer, grade=grade
        )

    def recognition_test(self, tests: Mapping[str, Sequence[Path]]) -> Iterator[Record]:
        """Recognition by the usual protocol: its own test pictures, and every other concept's."""
        question = templates.RECOGNISE[0].format(name=f"<{self.name}>")
        for folder, files in tests.items():
            own = folder == self.folder
            for file in files:
                yield self._recognition("test", question, YES if own else NO, (file,), str(file), None if own else self.grade(file))

    def grade(self, picture: Path) -> str | None:
        """How alike a stranger is: by its file's name or its folder; among concepts hard when the class noun is the same."""
        folder = picture.parent.name
        if folder == HARD_FOLDER:
            return grade_of(picture)
        if folder == EASY_FOLDER:
            return "easy"
        noun, own = self.nouns.get(folder, ""), self.nouns.get(self.folder, "")
        return None if not noun or not own else "hard" if noun.lower() == own.lower() else "easy"


def notes(left_out: Counter[str]) -> tuple[str, ...]:
    """What was left out, for people to read."""
    return tuple(f"{what}: {count} rows left out." for what, count in left_out.items())
