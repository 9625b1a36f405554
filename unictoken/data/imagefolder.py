"""A dataset as the `imagefolder` that Hugging Face's datasets loads:

    load_dataset("imagefolder", data_dir="bo-folder", split="train")

The layout stands in `readers/imagefolder.py`, which reads what is written here.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unictoken.core.disk import folder_aside, is_there
from unictoken.core.pictures import ImageSource, read_image
from unictoken.data import templates
from unictoken.data.concept import Concept
from unictoken.data.readers.imagefolder import METADATA
from unictoken.data.records import ROWS, DataError, Dataset, Record


@dataclass(frozen=True)
class Written:
    """What was written, and the rows that the layout cannot hold, counted by their task."""

    folder: Path
    rows: int
    left_out: Counter[str]


def write_imagefolder(dataset: Dataset, folder: str | Path) -> Written:
    """Write a dataset as an imagefolder, whole or not at all; pictures become PNG files without
    metadata of their own.

    Rows without a picture cannot be kept: a row of the layout is a picture. Facts stand at each
    reference picture of their concept.

    Args:
        dataset: What `readers.read` gave.
        folder: One that is not there yet.
    """
    folder = Path(folder)
    if is_there(folder):
        raise DataError(f"{folder}: is there already. Choose another folder, or remove it.")
    left_out: Counter[str] = Counter()
    count = 0
    with folder_aside(folder) as aside:
        pictures = _Pictures(aside)
        by_split: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
        for name, concept in dataset.concepts.items():
            by_split["train"] += [_reference(pictures, concept, p) for p in concept.pictures]
            for record in dataset.records[name]:
                # A row is a picture: none, several, and options have no column in this layout.
                if not ROWS[record.task].pictured or record.options or len(record.pictures) != 1:
                    left_out[record.task] += 1
                    continue
                by_split[record.split].append(_row(pictures, record))
            for grade, others in concept.negatives.items():
                by_split["train"] += [_negative(pictures, name, p, grade) for p in others]
        for split, rows in by_split.items():
            if rows:
                count += len(rows)
                lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                (aside / split / METADATA).write_text(lines, encoding="utf-8")
    return Written(folder, count, left_out)


class _Pictures:
    """The picture files of a folder that is being written, each source once in each split."""

    def __init__(self, root: Path):
        self.root = root
        self._names: dict[tuple[str, str, object], str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, split: str, name: str, source: ImageSource) -> str:
        """Its `file_name`, from the split's folder."""
        # A picture in memory is known by what it is: the same object stands in several rows.
        key = (split, name, source if isinstance(source, Path) else id(source))
        if key not in self._names:
            number = self._counts[split, name]
            self._counts[split, name] += 1
            file_name = f"{name}/{number}.png"
            place = self.root / split / file_name
            place.parent.mkdir(parents=True, exist_ok=True)
            picture = read_image(source)
            # What a photo says of its place and its camera is not handed on.
            picture.info = {}
            picture.save(place)
            self._names[key] = file_name
        return self._names[key]


def _reference(pictures: _Pictures, concept: Concept, source: ImageSource) -> dict[str, Any]:
    # One text and not a list: datasets knows no type of a list that is empty in a whole split.
    given = {"class_noun": concept.class_noun, "facts": "\n".join(concept.facts)}
    return _columns(pictures.add("train", concept.name, source), concept.name, **given)


def _row(pictures: _Pictures, record: Record) -> dict[str, Any]:
    name = record.concepts[0]
    file_name = pictures.add(record.split, name, record.pictures[0])
    # With its question, captions too: without one it would be a reference picture.
    return _columns(file_name, name, question=record.question, answer=record.answer)


def _negative(pictures: _Pictures, name: str, source: ImageSource, grade: str) -> dict[str, Any]:
    question = templates.RECOGNISE[0].format(name=f"<{name}>")
    file_name = pictures.add("train", name, source)
    return _columns(file_name, name, question=question, answer=templates.NO, grade=grade)


def _columns(file_name: str, concept: str, **given: Any) -> dict[str, Any]:
    """A row with every column, as `datasets` wants the same ones in all."""
    empty = {"class_noun": "", "text": "", "question": "", "answer": "", "grade": "", "facts": ""}
    return {"file_name": file_name, "concept": concept, **empty, **given}
