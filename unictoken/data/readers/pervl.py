"""PerVL (PALAVRA, arXiv 2204.01694), a clone of its repository after its own scripts ran: searches
of one picture by a text with a concept in it.

    annotations/ytvos/cleaned_captions_ytvos_test.csv     image_name, coarse_grained_class, caption, class_id
    data/youtube_vos/retrival_sets/test/                  codes_infer/<class_id>/*.jpg  eval/test/<class_id>.jpg
    annotations/deep_fashion/test_captions.csv            image_name, pair_id, caption
    annotations/deep_fashion/train_coarse_grained_names.csv    unique_pair_ids, pair_id_categories
    data/deep_fashion2/personalized_test/                 codes_infer/<pair_id>/*.jpg  eval/test/<image>.jpg

Either half may be missing. A concept is learned from its folder in `codes_infer/`; a search looks
through all of `eval/test/` of its half. In a caption of YTVOS '*' is the concept, in one of
DeepFashion2 the word 'person', which the published code replaces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unictoken.core.disk import is_file, is_folder, is_there
from unictoken.data.concept import Concept
from unictoken.data.readers.examples import notes
from unictoken.data.readers.files import pictures_of, read_table
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record

LOOKS_FOR = "annotations/ytvos/*_test.csv or annotations/deep_fashion/test_captions.csv"
NOUNS = Path("annotations", "deep_fashion", "train_coarse_grained_names.csv")
NOUN_COLUMNS = ("unique_pair_ids", "pair_id_categories")
NOUN = "coarse_grained_class"


@dataclass(frozen=True, kw_only=True)
class Half:
    """One of the two benchmarks."""

    name: str
    table: Path
    pictures: Path
    concept: str
    """The column that names a concept's folder."""
    placeholder: re.Pattern[str]
    """What stands for the concept in a caption."""

    def there(self, root: Path) -> bool:
        return is_there(root / self.table) and is_folder(root / self.pictures)

    @property
    def columns(self) -> tuple[str, ...]:
        return ("image_name", "caption", self.concept)


HALVES = (
    Half(
        name="ytvos",
        table=Path("annotations", "ytvos", "cleaned_captions_ytvos_test.csv"),
        pictures=Path("data", "youtube_vos", "retrival_sets", "test"),
        concept="class_id",
        placeholder=re.compile(r"\*"),
    ),
    Half(
        name="deep_fashion",
        table=Path("annotations", "deep_fashion", "test_captions.csv"),
        pictures=Path("data", "deep_fashion2", "personalized_test"),
        concept="pair_id",
        placeholder=re.compile(r"\bperson\b"),
    ),
)


def fits(root: Path) -> bool:
    return any(is_there(root / half.table) for half in HALVES)


def read(root: Path) -> Dataset:
    left_out: Counter[str] = Counter()
    concepts: dict[str, Concept] = {}
    records: dict[str, tuple[Record, ...]] = {}
    pools: dict[str, tuple[Path, ...]] = {}
    for half in (half for half in HALVES if half.there(root)):
        rows = read_table(root / half.table, half.columns)
        names = Names.of(dict.fromkeys(row[half.concept] for _, row in rows), root / half.table)
        nouns = _nouns(root, half, rows)
        pools[half.name] = pictures_of(root / half.pictures / "eval" / "test")
        searches = list(_records(root, half, rows, names, left_out))
        for folder in names.folders:
            name = names[folder]
            if name in concepts:
                raise DataError(f"{root}: both halves have a concept '{name}'. Rename one.")
            concepts[name] = Concept(
                name=name,
                class_noun=nouns.get(folder, ""),
                pictures=pictures_of(root / half.pictures / "codes_infer" / folder),
            )
            records[name] = tuple(r for r in searches if r.concepts == (name,))
    return Dataset(
        layout="pervl",
        root=root,
        concepts=concepts,
        records=records,
        notes=(*_missing(root), *notes(left_out)),
        pools=pools,
    )


def _missing(root: Path) -> Iterator[str]:
    """A note on a half whose pictures are not there."""
    for half in HALVES:
        if is_there(root / half.table) and not half.there(root):
            yield f"{root / half.table}: left out, as {half.pictures}/ is not there."


def _nouns(root: Path, half: Half, rows: list[tuple[str, dict[str, str]]]) -> dict[str, str]:
    """Class nouns by the concept's folder, where they are told.

    Args:
        root: Of the dataset.
        half: Which one.
        rows: Of its table.
    """
    if half.concept == "class_id":
        return {row[half.concept]: row.get(NOUN, "").replace("_", " ") for _, row in rows}
    path = root / NOUNS
    if not is_there(path):
        return {}
    pair, noun = NOUN_COLUMNS
    return {row[pair]: row[noun] for _, row in read_table(path, NOUN_COLUMNS)}


def _records(
    root: Path,
    half: Half,
    rows: list[tuple[str, dict[str, str]]],
    names: Names,
    left_out: Counter[str],
) -> Iterator[Record]:
    """The search of each row.

    Args:
        root: Of the dataset.
        half: Which one.
        rows: Of its table.
        names: Of its concepts.
        left_out: Counts the rows that are not read, by why.
    """
    for where, row in rows:
        folder = row[half.concept]
        name = names[folder]
        if not half.placeholder.search(row["caption"]):
            left_out[f"{root / half.table}: captions that name no concept"] += 1
            continue
        # YTVOS's pictures are called like their concepts, DeepFashion2's as in the table.
        image = PurePosixPath(row["image_name"]).name
        file = root / half.pictures / "eval" / "test" / image
        if half.concept == "class_id":
            file = file.with_name(f"{folder}{file.suffix}")
        if ".." in image or not is_file(file):
            raise DataError(f"{where}: no picture {file.name!r} in {file.parent}. Add it.")
        yield Record(
            task="find",
            split="test",
            concepts=(name,),
            where=where,
            pictures=(file,),
            question=names.mark(
                half.placeholder.sub(f"<{name}>", row["caption"]), name, where, words=()
            ),
            kind=half.name,
            pool=half.name,
        )
