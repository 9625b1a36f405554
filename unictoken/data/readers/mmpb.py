"""MMPB (arXiv 2509.22820), as its script `hf_to_mmpb_all.py` writes it from the Hub's files.

    dataset.csv   index, question, A, B, C, D, image_path, answer, attribute, category, l2-category,
                  concept, target, name, preference,
                  description_{simple,moderate,detailed,super_detailed}, prompt
    <attribute>/train/<name>/{0..4}.png      the pictures that introduce a concept
    <attribute>/test/<name>/{recognition,preference}/[<topic>/]*.png     those that are asked about
    multi_turn/**/multi_turn_conversation.json      optional: {"conversation": [[{"role", "content"},
                                                    ...], ...]}

Awareness and overconcept are questions with Yes or No, inconsistency has options. A record's kind
is its l2-category; `labels` hold attribute, category, topic, target and preference. A concept's
profile has its descriptions, labelled 'simple' to 'super_detailed', and what it likes, labelled
'preference'. `measure/mmpb.py` asks and scores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unictoken.core import reading
from unictoken.core.disk import is_file, is_there, quoted
from unictoken.core.pictures import check_picture
from unictoken.core.shapes import Fields, ListOf, Text, check
from unictoken.data.concept import Concept
from unictoken.data.item import Item
from unictoken.data.kinds import Kind
from unictoken.data.readers.files import find_picture, pictures_of, read_table
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record

LOOKS_FOR = "dataset.csv with a column l2-category"
TABLE, TURNS = "dataset.csv", "multi_turn_conversation.json"
AWARENESS, OVERCONCEPT, INCONSISTENCY = "awareness", "overconcept", "inconsistency"
KINDS = (AWARENESS, OVERCONCEPT, INCONSISTENCY)
LENGTHS = ("simple", "moderate", "detailed", "super_detailed")  # of descriptions
PREFERENCE = "preference"
LETTERS = "ABCD"
YES_NO = ("Yes", "No")
COLUMNS = ("question", "image_path", "answer", "attribute", "category", "l2-category", "name")
ATTRIBUTES: Mapping[str, Kind] = {
    "human": "person",
    "animal": "animal",
    "object": "object",
    "character": "object",
}
_TURNS = Fields(
    {"conversation": ListOf(ListOf(Fields({"content": Text()}, others=True)))}, others=True
)


def fits(root: Path) -> bool:
    path = root / TABLE
    if not is_there(path) or not is_file(path):
        return False
    # Other people's tables are called dataset.csv, too.
    with open(path, "rb") as file:
        return b"l2-category" in file.read(4096)


def read(root: Path) -> Dataset:
    rows = _rows(root / TABLE)
    # Reversed, so that of a concept's rows the first is kept.
    first = {row["name"].strip(): row for _, row in reversed(rows)}
    folders = {row["name"].strip(): first[row["name"].strip()] for _, row in rows}
    names = Names.of(folders, root / TABLE)
    profiles = {names[f]: tuple(_items(f, names, rows, root)) for f in folders}
    looked_at: set[Path] = set()
    records: dict[str, list[Record]] = {names[folder]: [] for folder in folders}
    for where, row in rows:
        record = _record(row, names, root, where, looked_at)
        records[record.concepts[0]].append(record)
    concepts = {
        names[folder]: _concept(row, names[folder], root, profiles[names[folder]])
        for folder, row in folders.items()
    }
    return Dataset(
        layout="mmpb",
        root=root,
        concepts=concepts,
        records={name: tuple(own) for name, own in records.items()},
        profiles=profiles,
    )


def _rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Place and cells of each row of the table, each with a name."""
    rows = read_table(path, COLUMNS)
    for where, row in rows:
        if not row["name"].strip():
            raise DataError(f"{where}: found no name, expected the concept's. Add it.")
    return rows


def _items(
    folder: str, names: Names, rows: Sequence[tuple[str, dict[str, str]]], root: Path
) -> Iterator[Item]:
    """What is said of a concept, each text once.

    Args:
        folder: The concept's.
        names: Of all concepts.
        rows: Of the table.
        root: Of the dataset.
    """
    told = []
    for where, row in rows:
        if row["name"].strip() == folder:
            told += [(where, row.get(f"description_{length}", ""), length) for length in LENGTHS]
            told.append((where, row.get(PREFERENCE, ""), PREFERENCE))
    seen: set[tuple[str, str]] = set()
    for where, text, label in told:
        # Each row repeats the concept's texts.
        if text.strip() and (text, label) not in seen:
            seen.add((text, label))
            yield Item(text=names.mark(text, names[folder], where), label=label, source=root.name)


def _concept(row: dict[str, str], name: str, root: Path, items: Sequence[Item]) -> Concept:
    """A concept with the pictures that introduce it.

    Args:
        row: One of its own.
        name: The concept's.
        root: Of the dataset.
        items: What is said of it.
    """
    # The simplest one, for controls that know one description only.
    descriptions = [item.text for item in items if item.label != PREFERENCE]
    return Concept(
        name=name,
        kind=ATTRIBUTES.get(row["attribute"]),
        pictures=pictures_of(root / row["attribute"] / "train" / row["name"].strip()),
        description=descriptions[0] if descriptions else "",
        facts=tuple(item.text for item in items if item.label == PREFERENCE),
    )


def _record(
    row: dict[str, str], names: Names, root: Path, where: str, looked_at: set[Path]
) -> Record:
    """A row as a record.

    Args:
        row: Its cells.
        names: Of all concepts.
        root: Of the dataset.
        where: The row's place.
        looked_at: Pictures whose headers were read.
    """
    name, kind = names[row["name"].strip()], row["l2-category"].strip()
    if kind not in KINDS:
        raise DataError(
            f"{where}: found l2-category {quoted(kind)}, expected one of {', '.join(KINDS)}."
        )
    # Several rows ask about one picture.
    picture = find_picture(row["image_path"], root=root, beside=root, where=where)
    if picture not in looked_at:
        check_picture(picture)
        looked_at.add(picture)
    options, answer = _options(row, where)
    shown = ("attribute", "category", "concept", "target")
    preference = names.mark(row.get(PREFERENCE) or "", name, where)
    return Record(
        task="choice" if kind == INCONSISTENCY else "vqa",
        split="test",
        concepts=(name,),
        where=where,
        pictures=(picture,),
        question=names.mark(row["question"], name, where),
        options=tuple(names.mark(text, name, where) for text in options),
        answer=names.mark(answer, name, where),
        kind=kind,
        labels={key: row.get(key) or "" for key in shown} | {PREFERENCE: preference},
    )


def _options(row: dict[str, str], where: str) -> tuple[tuple[str, ...], str]:
    """What may be answered, and what is right."""
    by_letter = {letter: row.get(letter) or "" for letter in LETTERS}
    options = {letter: text for letter, text in by_letter.items() if text.strip()}
    answer = row["answer"].strip()
    if not options:
        if answer not in YES_NO:
            raise DataError(f"{where}: found the answer {quoted(answer)}, expected Yes or No.")
        return YES_NO, answer
    if answer not in options:
        raise DataError(
            f"{where}: found the answer {quoted(answer)}, expected one of {', '.join(options)}."
        )
    return tuple(options.values()), options[answer]


def read_turns(root: Path) -> tuple[tuple[str, str], ...]:
    """Questions and answers about something else, which may stand between a concept's introduction
    and a question; () where the dataset has none: the export from the Hub lacks them.
    """
    files = sorted((root / "multi_turn").rglob(TURNS))
    if not files:
        return ()
    value = check(reading.read_json(files[0], DataError), _TURNS, files[0], DataError)
    said = [turn["content"] for talk in value["conversation"] for turn in talk]
    if len(said) % 2:
        raise DataError(f"{files[0]}: found {len(said)} texts, expected questions with answers.")
    return tuple(zip(said[::2], said[1::2], strict=True))
