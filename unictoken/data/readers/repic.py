"""RePIC (arXiv 2506.18369): captions that name whom a picture shows, of one to four concepts.

    database.json       RAP's memory of the concepts (data/rap.py)
    any other *.json    who is in each picture: {picture: [name, ...]}, or {picture: [[name, ...], ...]}

Of each picture it is asked about every concept whether it is there; a benchmark's captions are of
the same pictures. Of several sets of names all are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from unictoken.core.disk import is_there
from unictoken.core.pictures import check_picture
from unictoken.data import templates
from unictoken.data.rap import read_memory
from unictoken.data.readers.examples import check_number
from unictoken.data.readers.files import expect, find_picture, read_json
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record
from unictoken.data.templates import NO, YES

LOOKS_FOR = "database.json"
MEMORY = "database.json"


def fits(root: Path) -> bool:
    return is_there(root / MEMORY)


def read(root: Path) -> Dataset:
    # Nobody is learned by reading: whether people agreed is asked by who learns them.
    known = read_memory(root / MEMORY, pictures=root, consent=True, kind="object")
    concepts = {one.name: replace(one, consent=False, kind=None) for one in known}
    names = Names.of(concepts, root / MEMORY)
    shown = {
        picture: there
        for file in sorted(root.glob("*.json"))
        if file.name != MEMORY
        for picture, there in _shown(file, root, names)
    }
    check_number(len(concepts) * len(shown), f"{root}: {len(concepts)} concepts")
    records = {name: tuple(_records(name, shown)) for name in concepts}
    return Dataset(layout="repic", root=root, concepts=concepts, records=records)


def _shown(file: Path, root: Path, names: Names) -> Iterator[tuple[Path, tuple[str, set[str]]]]:
    """Each picture of a file, with its place and who is in it."""
    for image, said in expect(read_json(file), dict, str(file), "names by picture").items():
        where = f"{file}[{image}]"
        picture = find_picture(image, root=root, beside=file.parent, where=where)
        check_picture(picture)
        there = set()
        for one in expect(said, list, where, "a list of names"):
            for name in one if isinstance(one, list) else [one]:
                spoken = expect(name, str, where, "a name").strip("<> ").lower().replace(" ", "_")
                if spoken not in names.by_folder:
                    raise DataError(
                        f"{where}: names '{name}', which {MEMORY} does not. Add it there."
                    )
                there.add(spoken)
        yield picture, (where, there)


def _records(name: str, shown: Mapping[Path, tuple[str, set[str]]]) -> Iterator[Record]:
    for picture, (where, there) in shown.items():
        yield Record(
            task="recognise",
            split="test",
            concepts=(name,),
            where=where,
            pictures=(picture,),
            question=templates.RECOGNISE[0].format(name=f"<{name}>"),
            answer=YES if name in there else NO,
        )
