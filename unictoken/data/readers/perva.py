"""PerVA (R2P, arXiv 2503.18623): things that look alike, to be told apart.

    {train,test}/<category>/<concept>/<n>.jpg

A concept's category is its class noun. Asked are its own test pictures and those of the others of
its category. Two concepts of one name get their category before it: 'mug-old'.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from unictoken.data.readers.examples import Place
from unictoken.data.readers.files import folders_of, has_pictures, pictures_of
from unictoken.data.readers.names import Names
from unictoken.data.records import Dataset

LOOKS_FOR = "train/<category>/<concept>/*.jpg and test/<category>/<concept>/*.jpg"


def fits(root: Path) -> bool:
    return all(any(map(has_pictures, root.glob(f"{part}/*/*"))) for part in ("train", "test"))


def read(root: Path) -> Dataset:
    train = [own for category in folders_of(root / "train") for own in folders_of(category)]
    often = Counter(folder.name for folder in train)
    called = {
        folder: folder.name if often[folder.name] == 1 else f"{folder.parent.name}-{folder.name}"
        for folder in train
    }
    names = Names.of(called.values(), root / "train")
    nouns = {called[folder]: folder.parent.name.replace("_", " ") for folder in train}
    tests = {
        said: pictures_of(root / "test" / folder.parent.name / folder.name)
        for folder, said in called.items()
    }
    concepts, records = {}, {}
    for folder, said in called.items():
        place = Place(root=root, folder=said, names=names, own=(folder,), nouns=nouns)
        alike = {other: files for other, files in tests.items() if nouns[other] == nouns[said]}
        records[place.name] = tuple(place.recognition_test(alike))
        concepts[place.name] = place.concept(
            (), pictures=pictures_of(folder), class_noun=nouns[said]
        )
    return Dataset(layout="perva", root=root, concepts=concepts, records=records)
