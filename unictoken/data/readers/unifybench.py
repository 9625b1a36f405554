"""UnifyBench (UniCTokens, arXiv 2505.14671), and our embedded benchmark, which is written in its
layout.

    concepts_list.json (optional: ["bo", ...])   random_images/*.png (easy negatives)
    concept/train/<c>/  *.png  cropped/  info.json  conversations.json  positive_recognitions.json  random_recognitions.json
                        negative_example/{*.png, score.json} (hard negatives)
    concept/test/<c>/   *.png  text_only.json  vqa.json  choice.json  rec.json  t2i_conditions.json

`info.json` is as in `data/source.py`, with `info` (a description), `conversation_type` and
`generation_type`. Any of the other JSON files may be missing; files of other names are not read.
Without `rec.json`, recognition is asked of every concept's test pictures: its own, and all the
others'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from unictoken.core.disk import is_folder, is_there
from unictoken.data.concept import Concept
from unictoken.data.kinds import Kind
from unictoken.data.readers.examples import Place, notes
from unictoken.data.readers.files import checked, expect, folders_of, pictures_of, read_json
from unictoken.data.readers.names import Names
from unictoken.data.records import (
    EXPLICIT,
    KNOWLEDGE,
    PLAIN,
    DataError,
    Dataset,
    Record,
    kinds_by_type,
)
from unictoken.data.source import negative_files, read_info
from unictoken.data.templates import NO, YES

LOOKS_FOR = "concept/train/<name>/info.json"
# UnifyBench++'s, as we read them
KINDS = {"personalized_driven_generation": KNOWLEDGE, "explicit_prompt_generation": EXPLICIT}

CONCEPT_KINDS: dict[str, Kind] = {
    "live_subject": "animal",
    "object": "object",
}  # by `generation_type`


def fits(root: Path) -> bool:
    return any(root.glob("concept/train/*/info.json")) or is_there(root / "concepts_list.json")


def read(root: Path) -> Dataset:
    train, test = root / "concept" / "train", root / "concept" / "test"
    names = Names.of(_folders(root), root)
    infos = {folder: _info(train / folder) for folder in names.folders}
    tests = (
        {folder: pictures_of(test / folder) for folder in names.folders} if is_there(test) else {}
    )
    distractors = pictures_of(root / "random_images") if is_there(root / "random_images") else ()
    left_out: Counter[str] = Counter()
    concepts, records = {}, {}
    for folder, info in infos.items():
        place = Place(
            root=root,
            folder=folder,
            names=names,
            own=(train / folder, train / folder / "cropped", test / folder),
            nouns={other: said["class"] for other, said in infos.items()},
            left_out=left_out,
        )
        records[place.name] = (
            *_training_records(place, train / folder, info),
            *_test_records(place, tests),
        )
        concepts[place.name] = _concept(place, info, records[place.name], distractors)
    return Dataset(
        layout="unifybench",
        root=root,
        concepts=concepts,
        records=records,
        notes=notes(left_out),
    )


def _folders(root: Path) -> list[str]:
    """The concepts' folders, in the order of the list where there is one."""
    listed = root / "concepts_list.json"
    if not is_there(listed):
        return [folder.name for folder in folders_of(root / "concept" / "train")]
    folders = expect(read_json(listed), list, str(listed), "a list of concept names")
    if not folders:
        raise DataError(
            f"{listed}: names no concept. Write one, or remove the file: then every folder of"
            " concept/train is one."
        )
    for i, folder in enumerate(folders):
        expect(folder, str, f"{listed}[{i}]", "a concept's name")
        if "/" in folder or not is_folder(root / "concept" / "train" / folder):
            raise DataError(
                f"{listed}[{i}]: no folder concept/train/{folder}. Add it, or take the name off the"
                " list."
            )
        if folder in folders[:i]:
            raise DataError(f"{listed}[{i}]: '{folder}' is listed twice. Keep one.")
    return folders


def _info(folder: Path) -> dict:
    info = read_info(folder / "info.json")
    if not info.get("class"):
        raise DataError(
            f"{folder / 'info.json'}: found no 'class', expected what <{folder.name}> is, such as"
            " 'dog'."
        )
    for key, expected in (
        ("info", "a sentence"),
        ("conversation_type", "a word"),
        ("generation_type", "a word"),
    ):
        expect(info.get(key, ""), str, f"{folder / 'info.json'}: '{key}'", expected)
    return info


def _concept(
    place: Place, info: dict, records: Sequence[Record], distractors: tuple[Path, ...]
) -> Concept:
    """What is learned from.

    Args:
        place: The concept's folders and name.
        info: Its `info.json`.
        records: All that are about it.
        distractors: Easy negatives of every concept.
    """
    train = place.root / "concept" / "train" / place.folder
    where = str(train / "info.json")
    negatives = {
        grade: checked(files) for grade, files in negative_files(train / "negative_example").items()
    }
    return place.concept(
        records,
        pictures=pictures_of(train),
        class_noun=info["class"],
        kind=_kind(info),
        crops=pictures_of(train / "cropped") if is_there(train / "cropped") else (),
        description=place.mark(info.get("info", ""), where),
        facts=tuple(place.mark(fact, where) for fact in info.get("extra_info", ())),
        negatives=negatives | {"easy": (*negatives.get("easy", ()), *distractors)},
        truth=info.get("world"),
    )


def _kind(info: dict) -> Kind | None:
    if info.get("conversation_type") == "human":
        return "person"
    return CONCEPT_KINDS.get(info.get("generation_type", ""))


def _training_records(place: Place, train: Path, info: dict) -> Iterator[Record]:
    yield from place.records(train / "conversations.json", "vqa", "train")
    yield from place.records(train / "positive_recognitions.json", "recognise", "train", label=YES)
    yield from place.records(train / "random_recognitions.json", "recognise", "train", label=NO)
    yield from place.questions(info, train / "info.json")


def _test_records(place: Place, tests: Mapping[str, tuple[Path, ...]]) -> Iterator[Record]:
    test = place.root / "concept" / "test" / place.folder
    listed = [
        record
        for type_, task in kinds_by_type().items()
        for record in place.records(test / f"{type_}.json", task, "test")
    ]
    yield from listed
    if not any(record.task == "recognise" for record in listed):
        yield from place.recognition_test(tests)
    if is_there(test / "t2i_conditions.json"):
        yield from _prompts(place, test / "t2i_conditions.json")


def _prompts(place: Place, path: Path) -> Iterator[Record]:
    """Prompts for pictures: a list whose first is plain and the rest knowledge-driven, or lists by
    kind (UnifyBench++).
    """
    value = read_json(path)
    if isinstance(value, list):
        value = {PLAIN: value[:1], KNOWLEDGE: value[1:]}
    for kind, prompts in expect(
        value, dict, str(path), "a list of prompts, or lists of prompts by kind"
    ).items():
        for i, prompt in enumerate(expect(prompts, list, f"{path}[{kind}]", "a list of prompts")):
            where = f"{path}[{kind}][{i}]"
            question = place.mark(expect(prompt, str, where, "a prompt"), where)
            yield Record(
                task="generate",
                split="test",
                concepts=(place.name,),
                where=where,
                question=question,
                kind=KINDS.get(kind, kind),
            )
