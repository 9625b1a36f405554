"""MC-LLaVA (arXiv 2411.11706): single concepts, and scenarios of two to four in one picture.

    scenarios.json  concept_type.json  random-images/*.png (easy negatives)
    {two,three}_concept/concept/train/<c>/{0.png, 0_mask.png, ...}
    {two,three}_concept/concept/test/<c>/{*.png, choice.json, vqa.json, qa.json}       qa.json is the one without pictures
    4o_generate_training_data/<c>/conversation.json                                    {picture: [{"Human", "AI"}]}, text only

    {two,three}_concept/multi/<A_B>/{*.png, choice.json, vqa.json, qa.json, position.json, vqa_position.json}
        choice, vqa, vqa_position    {picture: [{"Human", "AI"}, ...]}
        position                     {picture: {<c>: where it is, or null}}

Only the picture folders must be there. No file says what a concept is. Recognition is asked of
every concept's single test pictures, and of the pictures of its scenarios.

A record's kind is the published type of the query: si_sq (a picture of one), mi_sq (a picture of
several, about one: the first two questions of a picture) or mi_mq (about several), and 'position'
for vqa_position.json. A record of a scenario belongs to the first concept that it names. What
position.json says is the label 'position' of a recognition record; null: it is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from unictoken.core.disk import is_folder, is_there
from unictoken.data import templates
from unictoken.data.readers.examples import Place, notes
from unictoken.data.readers.files import checked, expect, has_pictures, pictures_of, read_json
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record, RowKind
from unictoken.data.source import picture_files
from unictoken.data.templates import NO, YES

LOOKS_FOR = "{two,three}_concept/concept/train/<name>/*.png"
DISTRACTORS = "random-images"
SINGLE, MULTI_ONE, MULTI_ALL, POSITION = "si_sq", "mi_sq", "mi_mq", "position"  # kinds of records
POSITION_QA = "vqa_position.json"
SCENARIO: dict[str, RowKind] = {"choice.json": "choice", "vqa.json": "vqa", POSITION_QA: "vqa"}
ABOUT_ONE = 2  # questions of a picture, the first ones, are about one concept
LONGEST_LABEL = 200  # letters of what position.json says of one concept


def fits(root: Path) -> bool:
    return any(map(has_pictures, root.glob("*_concept/concept/train/*")))


def read(root: Path) -> Dataset:
    folders = {file.name: file for file in _folders(root)}
    names = Names.of((file.name for file in _folders(root)), root)
    tests = {name: pictures_of(_test(folder)) for name, folder in folders.items()}
    distractors = pictures_of(root / DISTRACTORS) if is_there(root / DISTRACTORS) else ()
    left_out: Counter[str] = Counter()
    places = {
        name: Place(
            root=root, folder=name, names=names, own=(folder, _test(folder)), left_out=left_out
        )
        for name, folder in folders.items()
    }
    records = {place.name: [*_records(place, tests)] for place in places.values()}
    for scenario in _scenarios(root):
        for record in _together(scenario, places):
            records[record.concepts[0]].append(record)
    concepts = {
        place.name: place.concept(
            records[place.name],
            pictures=_without_masks(folders[name]),
            negatives={"easy": distractors} if distractors else {},
        )
        for name, place in places.items()
    }
    return Dataset(
        layout="mcllava",
        root=root,
        concepts=concepts,
        records={name: tuple(own) for name, own in records.items()},
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
    of_one = (
        *place.records(test / "choice.json", "choice", "test"),
        *place.records(test / "vqa.json", "vqa", "test"),
        *place.records(test / "qa.json", "text_qa", "test"),
        *place.recognition_test(tests),
    )
    yield from (replace(record, kind=SINGLE) for record in of_one)


# ---- several in one picture ----------------------------------------------------------------------


def _scenarios(root: Path) -> list[Path]:
    return sorted(folder for folder in root.glob("*_concept/multi/*") if is_folder(folder))


def _together(scenario: Path, places: Mapping[str, Place]) -> Iterator[Record]:
    """The records of one scenario.

    Args:
        scenario: Its folder, called by its concepts: 'A_B'.
        places: Of all concepts, by folder.
    """
    folders = scenario.name.split("_")
    if unknown := [folder for folder in folders if folder not in places]:
        raise DataError(
            f"{scenario}: '{unknown[0]}' has no folder in concept/train/. Expected a scenario named"
            " by its concepts, such as 'A_B'."
        )
    members = [places[folder] for folder in folders]
    for file, task in SCENARIO.items():
        path = scenario / file
        by_picture = expect(read_json(path), dict, str(path), "questions") if is_there(path) else {}
        for image, rows in by_picture.items():
            asked = members[0].records_in(
                {image: rows}, task, "test", where=str(path), beside=scenario
            )
            for i, record in enumerate(asked):
                kind = MULTI_ONE if i < ABOUT_ONE else MULTI_ALL
                yield _of_the_named(record, POSITION if file == POSITION_QA else kind)
    for record in members[0].records(scenario / "qa.json", "text_qa", "test"):
        yield _of_the_named(record, MULTI_ALL)
    yield from _recognition(scenario, members)


def _of_the_named(record: Record, kind: str) -> Record:
    """The same, of a kind, about the concepts that it names; where it names none, about the
    scenario's first.
    """
    said = f"{record.question} {record.answer}"
    named = tuple(name for name in record.concepts if f"<{name}>" in said)
    # The order of the text: the first named is whom it is about.
    named = tuple(sorted(named, key=lambda name: said.index(f"<{name}>")))
    return replace(record, concepts=named or record.concepts, kind=kind)


def _recognition(scenario: Path, members: Sequence[Place]) -> Iterator[Record]:
    """Of each picture of a scenario whether each concept is there, and whether all are."""
    path = scenario / "position.json"
    told = expect(read_json(path), dict, str(path), "places by picture") if is_there(path) else {}
    where_in: dict[Path, dict[str, object]] = {}
    for image, said in told.items():
        picture = members[0].find(image, beside=scenario, where=f"{path}[{image}]")
        where_in[picture] = expect(said, dict, f"{path}[{image}]", "places by concept")
    pictures = pictures_of(scenario) if has_pictures(scenario) else ()
    # '0_som.png' is '0.png' with the published method's marks drawn into it.
    for picture in (file for file in pictures if not file.stem.endswith("_som")):
        there = where_in.get(picture, {})
        seen = [there.get(one.folder, "") for one in members]
        for one, place in zip(members, seen, strict=True):
            yield _is_it(picture, [one], place is not None, MULTI_ONE, place)
        yield _is_it(picture, members, None not in seen, MULTI_ALL)


def _is_it(
    picture: Path, members: Sequence[Place], yes: bool, kind: str, place: object = ""
) -> Record:
    """A recognition record of one or several.

    Args:
        picture: Of the scenario.
        members: Who is asked about.
        yes: Whether they are there.
        kind: Of the query.
        place: Where the one is, as the file says it.
    """
    said = " and ".join(f"<{one.name}>" for one in members)
    return Record(
        task="recognise",
        split="test",
        concepts=tuple(one.name for one in members),
        where=str(picture),
        pictures=(picture,),
        question=templates.RECOGNISE[0].format(name=said),
        answer=YES if yes else NO,
        kind=kind,
        labels={"position": str(place)[:LONGEST_LABEL]} if place else {},
    )
