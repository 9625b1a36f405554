"""P-Bench-Choice (PVIT, arXiv 2410.07113): people, introduced by a picture each and asked about.

    p-bench-qa.jsonl, or p-bench*.json with a list
        {"image": ["a.jpg", "b.jpg", "scene.jpg"],
         "text": "<image>\\nThis is a photo of Ann.<image>\\nThis photo shows Bob.<image>\\n
                  What does Ann do? A. ... B. ...",
         "value": "A", "mode": "answerable"}

The last picture of a row is asked about; each one before it introduces somebody, who becomes a
concept of this row alone: 'ann' of the third row is 'r3-ann'. `mode` is the record's kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unictoken.core import reading
from unictoken.core.pictures import check_picture
from unictoken.core.shapes import Fields, ListOf, Text, check
from unictoken.data.concept import Concept
from unictoken.data.readers.files import find_picture
from unictoken.data.readers.rows import chosen, options_in
from unictoken.data.readers.users import name_of
from unictoken.data.records import DataError, Dataset, Record

LOOKS_FOR = "p-bench*.jsonl or p-bench*.json"
IMAGE = "<image>"
_MARKED = re.compile(r"<([^<>]+)>")
# A name in a sentence such as 'This is a photo of Ann Lee.': capitals that do not begin it.
_NAME = re.compile(r"(?<=[ \n])[A-Z][\w'-]*(?: [A-Z][\w'-]*)*")
_OPTIONS = re.compile(r"(?:^|[\s(])[A-H][.):]\s")
_ROW = Fields(
    {"image": ListOf(Text(1000), 100), "text": Text(least=1), "value": Text(least=1)},
    {"mode": Text(200)},
    others=True,
)


def fits(root: Path) -> bool:
    return bool(_files(root))


def _files(root: Path) -> list[Path]:
    found = [file for file in root.iterdir() if file.suffix in (".json", ".jsonl")]
    return sorted(file for file in found if file.name.lower().startswith("p-bench"))


def read(root: Path) -> Dataset:
    concepts: dict[str, Concept] = {}
    records: dict[str, tuple[Record, ...]] = {}
    number = 0
    for file in _files(root):
        for where, value in _values(file):
            row = check(value, _ROW, where, DataError)
            number += 1
            shown, record = _record(row, root, where, number)
            concepts |= shown
            records |= dict.fromkeys(shown, ()) | {record.concepts[0]: (record,)}
    return Dataset(layout="pbench", root=root, concepts=concepts, records=records)


def _values(file: Path) -> Iterator[tuple[str, Any]]:
    """Place and value of each row: one a line, or those of one JSON list, as the published script
    reads them.
    """
    text = reading.read_text(file, DataError, "a JSON file", most=reading.MOST_JSON)
    if text.lstrip().startswith("["):
        rows = check(
            reading.read_json(file, DataError), ListOf(Fields({}, others=True)), file, DataError
        )
        yield from ((f"{file}[{i}]", row) for i, row in enumerate(rows))
        return
    # The last line may lack its end: the file is whole as it was published.
    for line_number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{file}:{line_number}"
            try:
                yield where, reading.parse_json(line)
            except ValueError as error:
                raise DataError(
                    f"{where}: cannot be read ({error}). Expected JSON; mend it."
                ) from None


def _record(row: dict, root: Path, where: str, number: int) -> tuple[dict[str, Concept], Record]:
    """Who a row introduces, and what it asks.

    Args:
        row: As the file has it.
        root: Of the dataset.
        where: The row's place.
        number: Of the row, from 1.
    """
    before, *said = row["text"].split(IMAGE)
    if len(said) != len(row["image"]) or len(said) < 2:
        raise DataError(
            f"{where}: found {len(said)} {IMAGE} markers and {len(row['image'])} pictures, expected"
            " as many of both, two or more. Mend it."
        )
    files = [find_picture(image, root=root, beside=root, where=where) for image in row["image"]]
    for file in files:
        check_picture(file)
    names = [_name(text, where) for text in said[:-1]]
    known = {name: name_of(name, where, prefix=f"r{number}-") for name in names}
    concepts = {
        known[name]: Concept(name=known[name], kind="person", pictures=(file,))
        # Not strict: the last picture is the one that is asked about.
        for name, file in zip(names, files, strict=False)
    }
    # What stands before the first picture is said of the whole.
    asked = _marked(f"{before} {said[-1]}", known)
    question, options = (
        options_in(asked, where) if len(_OPTIONS.findall(asked)) > 1 else (asked, {})
    )
    value = _marked(row["value"], known)
    return concepts, Record(
        task="choice" if options else "vqa",
        split="test",
        concepts=tuple(concepts),
        where=where,
        pictures=(files[-1],),
        question=" ".join(question.split()),
        options=tuple(options.values()),
        answer=chosen(value, options, where) if options else value,
        kind=row.get("mode", ""),
    )


def _name(text: str, where: str) -> str:
    """Whom a sentence introduces."""
    found = _MARKED.search(text)
    plain = _NAME.search(text.strip().removesuffix("."))
    if not found and not plain:
        raise DataError(f"{where}: found no name in {text.strip()[:60]!r}, expected one. Mend it.")
    return found[1].strip() if found else plain[0]


def _marked(text: str, known: dict[str, str]) -> str:
    """A text in which those who were introduced stand by their markers, and others by their bare
    names: nobody knows them.
    """
    # The longest first: 'Ann Lee' is not 'Ann'.
    for name in sorted(known, key=len, reverse=True):
        said = re.escape(name)
        # Letters of number 0 and 1 stand for the brackets of ours, until all others are gone.
        text = re.sub(rf"<{said}>|(?<![\w<-]){said}(?![\w>-])", f"\0{known[name]}\1", text)
    return _MARKED.sub(r"\1", text).replace("\0", "<").replace("\1", ">").strip()
