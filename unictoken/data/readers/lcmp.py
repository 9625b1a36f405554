"""LCMP (arXiv 2512.21616): what an owner told of a concept turn by turn, and questions about it.

    <concept>/  profile.yaml   name: "The Shell", concept_id, ...
                history.yaml   [{turn, log_type: knowledge | event, user_input, image_id, ...}, ...]
                {easy,hard}_question.yaml   [{id, type, question, options, answer, image_id}, ...]
                img/{base,<image_id>}.{png,jpg,webp}

    also one folder deeper: concept_obj/<concept>/, concept_pet/<concept>/

The turns are the concept's profile, in order of time; '[IMAGE]' in a text stands for its picture.
A question's `type` (Long Term, Short Term, ...) is its kind, easy or hard its label 'level'.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unictoken.core.config import read_yaml
from unictoken.core.disk import is_there
from unictoken.core.pictures import check_picture, looks_like
from unictoken.core.shapes import Fields, ListOf, Maybe, Text, check
from unictoken.data.concept import Concept
from unictoken.data.item import Item
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record

LOOKS_FOR = "<concept>/history.yaml beside <concept>/profile.yaml"
LEVELS = ("easy", "hard")
PICTURE = "[IMAGE]"
BASE = "base"  # the name of the concept's own picture
_TURN = Fields(
    {"turn": Text(20), "user_input": Text(least=1)},
    {"log_type": Text(100), "image_id": Maybe(Text(200))},
    others=True,
)
_QUESTION = Fields(
    {
        "id": Text(100),
        "type": Text(200),
        "question": Text(least=1),
        "options": ListOf(Text(least=1), 26),
        "answer": Text(least=1),
    },
    {"image_id": Maybe(Text(200))},
    others=True,
)


def fits(root: Path) -> bool:
    return bool(_folders(root))


def _folders(root: Path) -> list[Path]:
    # `data/concept/` of the release holds links to the same folders: it is passed by.
    found = [*root.glob("*/history.yaml"), *root.glob("concept_*/*/history.yaml")]
    return sorted(file.parent for file in found)


def read(root: Path) -> Dataset:
    folders = {folder.name: folder for folder in _folders(root)}
    # A pet and a thing may be called alike in their two folders.
    if len(folders) < len(_folders(root)):
        raise DataError(f"{root}: two concepts are in folders of one name. Give each its own name.")
    names = Names.of(folders, root)
    concepts, records, profiles = {}, {}, {}
    for place, folder in folders.items():
        name = names[place]
        own = _name_in(folder)
        profiles[name] = tuple(_items(folder, names, name, own))
        records[name] = tuple(_records(folder, names, name, own))
        picture = _picture(folder, BASE)
        concepts[name] = Concept(
            name=name,
            pictures=(picture,) if picture else (),
            facts=tuple(item.text for item in profiles[name]),
        )
    return Dataset(layout="lcmp", root=root, concepts=concepts, records=records, profiles=profiles)


def _name_in(folder: Path) -> tuple[str, ...]:
    """What texts call the concept, where its profile says so."""
    # The rest of it is what its authors made the turns from: asked about it, it would be a leak.
    path = folder / "profile.yaml"
    value = read_yaml(path) if is_there(path) else {}
    said = Fields({}, {"name": Maybe(Text(200))}, others=True)
    name = check(value, said, path, DataError).get("name")
    return (name,) if name and name.strip() else ()


def _picture(folder: Path, name: str | None) -> Path | None:
    """A concept's picture of that name, of whatever ending; None: there is none."""
    if not name:
        return None
    # Of one name there may be a PNG, a JPEG and a WebP: the first is as good as the others.
    found = [
        file
        for file in sorted((folder / "img").glob("*"))
        if file.stem == name and looks_like(file) == "picture"
    ]
    for file in found[:1]:
        check_picture(file)
    return found[0] if found else None


def _rows(path: Path, shape: Any) -> list[dict]:
    if not is_there(path):
        return []
    return check(read_yaml(path), ListOf(shape, 10_000, "a list of rows"), path, DataError)


def _items(folder: Path, names: Names, name: str, words: tuple[str, ...]) -> Iterator[Item]:
    """What the owner told, each turn a second after the last: only their order is known.

    Args:
        folder: The concept's.
        names: Of all concepts.
        name: The concept's.
        words: What texts call it.
    """
    path = folder / "history.yaml"
    for i, turn in enumerate(_rows(path, _TURN)):
        said = turn["user_input"].replace(PICTURE, " ")
        yield Item(
            text=" ".join(names.mark(said, name, f"{path}[{i}]", words=words).split()),
            time=float(i + 1),
            source=f"turn {turn['turn']}",
            label=turn.get("log_type", ""),
        )


def _records(folder: Path, names: Names, name: str, words: tuple[str, ...]) -> Iterator[Record]:
    """The questions of both levels.

    Args:
        folder: The concept's.
        names: Of all concepts.
        name: The concept's.
        words: What texts call it.
    """
    for level in LEVELS:
        path = folder / f"{level}_question.yaml"
        for i, row in enumerate(_rows(path, _QUESTION)):
            where = f"{path}[{i}]"
            # Not every question's picture was released; it is then asked without.
            picture = _picture(folder, row.get("image_id"))

            def marked(text: str, where: str = where) -> str:
                said = names.mark(text.replace(PICTURE, " "), name, where, words=words)
                return " ".join(said.split())

            yield Record(
                task="choice" if picture else "text_qa",
                split="test",
                concepts=(name,),
                where=where,
                pictures=(picture,) if picture else (),
                question=marked(row["question"]),
                options=tuple(map(marked, row["options"])),
                answer=marked(row["answer"]),
                kind=row["type"],
                labels={"level": level},
            )
