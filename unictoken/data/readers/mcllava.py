"""MC-LLaVA (arXiv 2411.11706), the part about single concepts.

    scenarios.json  concept_type.json  random-images/*.png (easy negatives)
    {two,three}_concept/concept/train/<c>/{0.png, 0_mask.png, ...}
    {two,three}_concept/concept/test/<c>/{*.png, choice.json, vqa.json, qa.json}       qa.json is the one without pictures
    4o_generate_training_data/<c>/conversation.json                                    {picture: [{"Human", "AI"}]}, text only

Only the picture folders must be there; `multi/` is not read. No file says what a concept is.
Recognition is asked of every concept's test pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from unictoken.core.disk import is_folder, is_there
from unictoken.data.readers.examples import Place, notes
from unictoken.data.readers.files import checked, has_pictures, pictures_of
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record
from unictoken.data.source import picture_files

LOOKS_FOR = "{two,three}_concept/concept/train/<name>/*.png"
DISTRACTORS = "random-images"


def fits(root: Path) -> bool:
    return any(map(has_pictures, root.glob("*_concept/concept/train/*")))


def read(root: Path) -> Dataset:
    folders = {file.name: file for file in _folders(root)}
    names = Names.of((file.name for file in _folders(root)), root)
    tests = {name: pictures_of(_test(folder)) for name, folder in folders.items()}
    distractors = pictures_of(root / DISTRACTORS) if is_there(root / DISTRACTORS) else ()
    left_out: Counter[str] = Counter()
    concepts, records = {}, {}
    for name, folder in folders.items():
        place = Place(
            root=root, folder=name, names=names, own=(folder, _test(folder)), left_out=left_out
        )
        records[place.name] = tuple(_records(place, tests))
        concepts[place.name] = place.concept(
            records[place.name],
            pictures=_without_masks(folder),
            negatives={"easy": distractors} if distractors else {},
        )
    return Dataset(
        layout="mcllava",
        root=root,
        concepts=concepts,
        records=records,
        notes=notes(left_out),
    )


def _folders(root: Path) -> list[Path]:
    return sorted(folder for folder in root.glob("*_concept/concept/train/*") if is_folder(folder))


def _test(train: Path) -> Path:
    return train.parents[1] / "test" / train.name


def _without_masks(folder: Path) -> tuple[Path, ...]:
    files = [file for file in picture_files(folder) if not file.stem.endswith("_mask")]
    if not files:
        raise DataError(f"{folder}: found masks only, expected reference pictures beside them.")
    return checked(files)


def _records(place: Place, tests: Mapping[str, tuple[Path, ...]]) -> Iterator[Record]:
    test = place.own[1]
    yield from place.records(
        place.root / "4o_generate_training_data" / place.folder / "conversation.json",
        "text_qa",
        "train",
    )
    yield from place.records(test / "choice.json", "choice", "test")
    yield from place.records(test / "vqa.json", "vqa", "test")
    yield from place.records(test / "qa.json", "text_qa", "test")
    yield from place.recognition_test(tests)
