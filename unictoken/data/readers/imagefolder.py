"""The `imagefolder` of Hugging Face's datasets: pictures, and a `metadata.jsonl` beside them.

    [train/|test/]metadata.jsonl   {"file_name": "bo/0.png", "concept": "bo", "class_noun": "dog", "text": "<bo> in the snow.",
                                    "facts": ["<bo> has a red hat."]}
                                   {"file_name": "bo/7.png", "concept": "bo", "question": "is <bo> in the photo?", "answer": "no",
                                    "grade": "hard"}

Only `file_name` must be there. Without `concept` a picture is of the concept that its folder, or a
`label`, names; in the dataset's own folder all are of one. A row without a question is a reference
picture of its concept (in train/ or in no split), `text` its caption. A row with a question asks
about the picture; with a `grade` (easy, hard, near_duplicate) it is a negative to learn from.
`metadata.csv` and Parquet are not read here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from unictoken.core.disk import is_there, quoted, real_path
from unictoken.core.pictures import check_picture
from unictoken.core.reading import read_json_lines
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.readers.files import expect, find_picture
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record, Split
from unictoken.data.templates import NO, YES

METADATA = "metadata.jsonl"
LOOKS_FOR = f"{METADATA}, in the folder or in train/ and test/"
GRADES = ("easy", "hard", "near_duplicate")
SPLITS: Mapping[str, Split] = {"": "train", "train": "train", "test": "test"}
WORDS = (
    "class_noun",
    "text",
    "question",
    "answer",
    "grade",
)  # columns of text; '' is as good as none


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of metadata, its picture found."""

    where: str
    split: Split
    concept: str
    """As the dataset calls it."""
    picture: Path
    words: Mapping[str, str]
    facts: tuple[str, ...]


def fits(root: Path) -> bool:
    return any(is_there(root / split / METADATA) for split in SPLITS)


def read(root: Path) -> Dataset:
    rows = [row for split in SPLITS for row in _rows(root, root / split / METADATA, SPLITS[split])]
    if not rows:
        raise DataError(f"{root}: found no row, expected {LOOKS_FOR}. Add one for each picture.")
    names = Names.of(dict.fromkeys(row.concept for row in rows), root)
    concepts, records = {}, {}
    for concept, name in names.by_folder.items():
        own = [row for row in rows if row.concept == concept]
        records[name] = tuple(_records(own, names, name))
        concepts[name] = _concept(own, records[name], names, name)
    return Dataset(layout="imagefolder", root=root, concepts=concepts, records=records)


def _rows(root: Path, path: Path, split: Split) -> Iterator[Row]:
    for where, said in read_json_lines(path, DataError, "lines of JSON, a row for each picture"):
        values = expect(said, dict, where, "a row such as {'file_name': 'bo/0.png'}")
        file_name = expect(values.get("file_name"), str, where, "a 'file_name'")
        words = {
            key: expect(values.get(key) or "", str, where, f"text as '{key}'") for key in WORDS
        }
        facts = values.get("facts") or []
        if isinstance(facts, str):  # a sentence a line
            facts = facts.splitlines()
        facts = expect(facts, list, where, "sentences as 'facts', a line each or a list")
        if words["grade"] not in ("", *GRADES):
            raise DataError(
                f"{where}: found the grade {quoted(words['grade'])}, expected one of"
                f" {', '.join(GRADES)}."
            )
        picture = find_picture(file_name, root=root, beside=path.parent, where=where)
        # The header alone: whole datasets are looked at before anything is learned.
        check_picture(picture)
        yield Row(
            where=where,
            split=split,
            concept=_concept_of(values, file_name, root, where),
            picture=picture,
            words=words,
            facts=tuple(expect(fact, str, where, "a sentence in 'facts'") for fact in facts),
        )


def _concept_of(values: Mapping[str, Any], file_name: str, root: Path, where: str) -> str:
    """The concept of a row, as the dataset calls it."""
    # Numbers as labels have their names in a loading script, which is not run.
    said = values.get("concept") or values.get("label")
    if said:
        return expect(said, str, where, "a name as 'concept'")
    folder = PurePosixPath(file_name).parent.name
    return folder or real_path(root).name


def _concept(rows: list[Row], records: tuple[Record, ...], names: Names, name: str) -> Concept:
    """What is learned: the pictures of rows without a question, and what is said of them.

    Args:
        rows: All that are about it.
        records: The same as records.
        names: Of the dataset's concepts.
        name: Its own.
    """
    shown = [row for row in rows if row.split == "train" and not row.words["question"]]
    # The same picture may have several captions.
    pictures = tuple(dict.fromkeys(row.picture for row in shown))
    if not pictures:
        raise DataError(
            f"{rows[0].where}: the concept '{name}' has no reference picture, expected a row"
            " without a question, in train/ or in no split. Add one."
        )
    nouns = dict.fromkeys(row.words["class_noun"] for row in shown)
    # Rows that say none agree with every noun.
    nouns.pop("", None)
    if len(nouns) > 1:
        raise DataError(
            f"{shown[0].where}: the concept '{name}' is called {', '.join(nouns)}. Expected one"
            " 'class_noun'."
        )
    facts = dict.fromkeys(names.mark(fact, name, row.where) for row in shown for fact in row.facts)
    negatives: dict[str, tuple[Path, ...]] = {}
    for row in rows:
        if row.split == "train" and row.words["grade"]:
            grade = row.words["grade"]
            negatives[grade] = (*negatives.get(grade, ()), row.picture)
    return Concept(
        name=name,
        class_noun=next(iter(nouns), ""),
        pictures=pictures,
        facts=tuple(facts),
        about_pictures=tuple(
            (pictures.index(record.pictures[0]), record.question, record.answer)
            for record in records
            if record.split == "train"
            and record.task != "recognise"
            and record.concepts == (name,)
            and record.pictures[0] in pictures
        ),
        negatives=negatives,
    )


def _records(rows: list[Row], names: Names, name: str) -> Iterator[Record]:
    """Captions, and questions about pictures: yes or no is whether it shows the concept."""
    for row in rows:
        question, answer = row.words["question"], row.words["answer"]
        # Graded negatives are learned from, as the concept's, and asked about by nobody.
        if row.words["grade"] or not (question or row.words["text"]):
            continue
        marked = names.mark(question, name, row.where) if question else templates.CAPTION[0]
        task = "caption" if marked in templates.CAPTION else "vqa"
        if answer in (YES, NO) and f"<{name}>" in marked:
            task = "recognise"
        yield Record(
            task=task,
            split=row.split,
            concepts=names.named_in(marked, name),
            where=row.where,
            pictures=(row.picture,),
            question=marked,
            answer=names.mark(answer if question else row.words["text"], name, row.where),
        )
