"""MyVLM's objects (arXiv 2403.14599).

    <c>/{*.jpg, captions.json or captions_augmented.json, additional_llava_vqa_data.json}
    captions    {picture: [caption, ...]}                      additional    {picture: [[question, answer], ...]}

The dataset has no test part: the first four pictures of a concept by name are its reference
pictures (the authors draw four by lot), and everything about the others is test. Texts call a
concept by the name of its folder, which becomes its marker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from unictoken.core.disk import is_there
from unictoken.data import templates
from unictoken.data.readers.examples import Place
from unictoken.data.readers.files import expect, folders_of, pictures_of, read_json
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record

LOOKS_FOR = "<name>/captions.json"
CAPTIONS = ("captions_augmented.json", "captions.json")
REFERENCES = 4


def fits(root: Path) -> bool:
    return any(any(root.glob(f"*/{file}")) for file in CAPTIONS)


def read(root: Path) -> Dataset:
    folders = [
        folder for folder in folders_of(root) if any(is_there(folder / file) for file in CAPTIONS)
    ]
    names = Names.of((folder.name for folder in folders), root)
    pictures = {folder.name: pictures_of(folder) for folder in folders}
    for folder, files in pictures.items():
        if len(files) <= REFERENCES:
            raise DataError(
                f"{root / folder}: found {len(files)} pictures, expected more than {REFERENCES},"
                " which are learned from."
            )
    tests = {folder: files[REFERENCES:] for folder, files in pictures.items()}
    concepts, records = {}, {}
    for folder, files in pictures.items():
        words = (folder, folder.replace("_", " "))
        place = Place(root=root, folder=folder, names=names, own=(root / folder,), words=words)
        records[place.name] = tuple(_records(place, files[:REFERENCES], tests))
        concepts[place.name] = place.concept(
            records[place.name], pictures=files[:REFERENCES], kind="object"
        )
    return Dataset(layout="myvlm", root=root, concepts=concepts, records=records)


def _records(
    place: Place, references: tuple[Path, ...], tests: Mapping[str, tuple[Path, ...]]
) -> Iterator[Record]:
    folder = place.root / place.folder
    about = [
        *_captions(place, folder),
        *place.records(folder / "additional_llava_vqa_data.json", "vqa", "test"),
    ]
    yield from (replace(r, split="train" if r.pictures[0] in references else "test") for r in about)
    yield from place.recognition_test(tests)


def _captions(place: Place, folder: Path) -> Iterator[Record]:
    """One record for each caption; the augmented ones where they are there."""
    path = next(folder / file for file in CAPTIONS if is_there(folder / file))
    for image, captions in expect(read_json(path), dict, str(path), "captions by picture").items():
        picture = place.find(image, beside=folder, where=f"{path}[{image}]")
        for i, caption in enumerate(
            expect(captions, list, f"{path}[{image}]", "a list of captions")
        ):
            where = f"{path}[{image}][{i}]"
            yield Record(
                task="caption",
                split="test",
                concepts=(place.name,),
                where=where,
                pictures=(picture,),
                question=templates.CAPTION[0],
                answer=place.mark(expect(caption, str, where, "a caption"), where),
            )
