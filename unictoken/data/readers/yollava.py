"""Yo'LLaVA (arXiv 2406.09400), and Yo'Chameleon's training folders, which have the same form.

    train/<c>/*.png  negative_example/{*.png, scores.json}         test/<c>/*.png
    train/<c>/*.json           {picture: [{"Human", "AI"}]}, by the file's name: recognition_positive, recognition_negative-*,
                               text-only-*, and about the picture: conversation*, complex_reasoning*, detail_description*
    *visual*qa*.json           {<c>: {picture: {"question", "options", "correct_answer"}}}, or without the names
    *text*qa*.json             {<c>: {"0": {"question", "option", "correct_answer"}}}

Only the two picture folders must be there. No file says what a concept is: give each its class
noun (`class_nouns` of a benchmark). Recognition is asked of every concept's test pictures, as
published: its own, and all the others'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unictoken.data.concept import Concept
from unictoken.data.readers.examples import Place, notes
from unictoken.data.readers.files import (
    checked,
    expect,
    folders_of,
    has_pictures,
    pictures_of,
    read_json,
)
from unictoken.data.readers.names import Names
from unictoken.data.readers.rows import is_picture
from unictoken.data.records import Dataset, Record, RowKind
from unictoken.data.source import negative_files
from unictoken.data.templates import NO, YES

LOOKS_FOR = "train/<name>/*.png and test/<name>/*.png"
QUESTIONS: dict[RowKind, str] = {"choice": "*visual*qa*.json", "text_qa": "*text*qa*.json"}
# What a training file holds, by how its name begins: a task, and what all of its recognition rows
# answer.
TRAINING: dict[str, tuple[RowKind, str | None]] = {
    "recognition_positive": ("recognise", YES),
    "positive_recognition": ("recognise", YES),
    "recognition_negative": ("recognise", NO),
    "negative_recognition": ("recognise", NO),
    "text-only": ("text_qa", None),
    "conversation": ("vqa", None),
    "complex_reasoning": ("vqa", None),
    "detail_description": ("vqa", None),
}


def fits(root: Path) -> bool:
    return all(any(map(has_pictures, root.glob(f"{part}/*"))) for part in ("train", "test"))


def read(root: Path) -> Dataset:
    names = Names.of((folder.name for folder in folders_of(root / "train")), root / "train")
    tests = {folder: pictures_of(root / "test" / folder) for folder in names.folders}
    left_out: Counter[str] = Counter()
    asked = {
        task: {file: _by_concept(file, names, left_out) for file in sorted(root.glob(pattern))}
        for task, pattern in QUESTIONS.items()
    }
    concepts, records = {}, {}
    for folder in names.folders:
        own = (root / "train" / folder, root / "test" / folder)
        place = Place(root=root, folder=folder, names=names, own=own, left_out=left_out)
        records[place.name] = tuple(_records(place, tests, asked))
        concepts[place.name] = _concept(place, records[place.name])
    return Dataset(
        layout="yollava",
        root=root,
        concepts=concepts,
        records=records,
        notes=notes(left_out),
    )


def _by_concept(file: Path, names: Names, left_out: Counter[str]) -> dict[str, dict]:
    """The parts of a file of questions by concept; pictures alone belong to the concept whose
    folder they lie in.
    """
    value = expect(read_json(file), dict, str(file), "questions by concept, or by picture")
    parts: dict[str, dict] = {}
    for key, part in value.items():
        flat = is_picture(key) and "/" in key
        folder = key.split("/")[-2] if flat else key
        expect(part, dict, f"{file}[{key}]", "a question" if flat else "questions of a concept")
        if folder not in names.folders:
            left_out[f"{file}: about '{folder}', which has no folder in train/"] += (
                1 if flat else len(part)
            )
        else:
            parts.setdefault(folder, {}).update({key: part} if flat else part)
    return parts


def _concept(place: Place, records: Sequence[Record]) -> Concept:
    train, _ = place.own
    return place.concept(
        records,
        pictures=pictures_of(train),
        negatives={
            grade: checked(files)
            for grade, files in negative_files(train / "negative_example").items()
        },
    )


def _records(
    place: Place,
    tests: Mapping[str, tuple[Path, ...]],
    asked: Mapping[RowKind, dict[Path, dict[str, dict]]],
) -> Iterator[Record]:
    yield from _training_records(place, place.own[0])
    yield from _test_records(place, asked)
    yield from place.recognition_test(tests)


def _test_records(
    place: Place, asked: Mapping[RowKind, dict[Path, dict[str, dict]]]
) -> Iterator[Record]:
    for task, files in asked.items():
        for file, parts in files.items():
            rows = parts.get(place.folder, {})
            yield from place.records_in(
                rows, task, "test", where=f"{file}[{place.folder}]", beside=place.own[1]
            )


def _training_records(place: Place, train: Path) -> Iterator[Record]:
    for file in sorted(train.glob("*.json")):
        what = next(
            (what for beginning, what in TRAINING.items() if file.name.startswith(beginning)), None
        )
        if what:
            yield from place.records(file, what[0], "train", label=what[1])
