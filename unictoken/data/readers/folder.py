"""Just a folder of one concept's pictures, as `data/source.py` reads it: the way most people come.

    *.jpg   info.json (optional)   negative_example/ (optional)

The concept is named like the folder; there is nothing to test on.
"""

from __future__ import annotations

from pathlib import Path

from unictoken.core.disk import real_path
from unictoken.data.readers.examples import Place
from unictoken.data.readers.files import checked, has_pictures, pictures_of
from unictoken.data.readers.names import Names
from unictoken.data.records import Dataset
from unictoken.data.source import negative_files, read_info

LOOKS_FOR = "pictures"


def fits(root: Path) -> bool:
    return has_pictures(root)


def read(root: Path) -> Dataset:
    info, path, name = read_info(root / "info.json"), root / "info.json", real_path(root).name
    place = Place(root=root, folder=name, names=Names.of([name], root), own=(root,))
    records = tuple(place.questions(info, path))
    concept = place.concept(
        records,
        pictures=pictures_of(root),
        class_noun=info.get("class", ""),
        facts=tuple(place.mark(fact, str(path)) for fact in info.get("extra_info", ())),
        negatives={
            grade: checked(files)
            for grade, files in negative_files(root / "negative_example").items()
        },
        truth=info.get("world"),
    )
    return Dataset(
        layout="folder",
        root=root,
        concepts={place.name: concept},
        records={place.name: records},
    )
