"""PODS (personalized-rep, arXiv 2412.16156): objects to be recognised under named shifts.

    pods_info.json           {"classes": [...], "class_to_idx", "class_to_sc": {class: "mug"},
                             "class_to_split": {class: "val" or "test"}}
    pods_image_annos.json    {id: {"class", "split": "train" or "test", "test_split": a shift}}
    {train,test}/<class>/<i>.jpg         {train,test}_masks/ are not read

The shift of a test picture is in_distribution, pose, distractors or pose_and_distractors; its
record carries it, and recognition is reported by it. Asked are a class's own test pictures and
those of the other classes of its semantic category and split: of all 100 classes there would be a
million questions. No published text says what an id looks like: it is taken for a path, or for a
name that ends in the picture's number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from unictoken.core.disk import is_there
from unictoken.core.shapes import Fields, ListOf, MapOf, Maybe, Text, check
from unictoken.data.readers.examples import Place, notes
from unictoken.data.readers.files import pictures_of, read_json
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset

LOOKS_FOR = "pods_info.json beside train/<class>/*.jpg"
INFO, ANNOTATIONS = "pods_info.json", "pods_image_annos.json"
_WORDS = MapOf(Text(200))
_INFO = Fields(
    {"classes": ListOf(Text(200, least=1), 10_000)},
    {"class_to_sc": _WORDS, "class_to_split": _WORDS},
    others=True,
)
_ANNOTATIONS = MapOf(
    Fields({"class": Text(200), "split": Text(20)}, {"test_split": Maybe(Text(100))}, others=True)
)
_STEM = re.compile(r"[^/_]+$")


def fits(root: Path) -> bool:
    return is_there(root / INFO)


def read(root: Path) -> Dataset:
    info = check(read_json(root / INFO), _INFO, root / INFO, DataError)
    names = Names.of(info["classes"], root / INFO)
    nouns, halves = info.get("class_to_sc", {}), info.get("class_to_split", {})
    left_out: Counter[str] = Counter()
    tests = {folder: pictures_of(root / "test" / folder) for folder in names.folders}
    shifts = _shifts(root, tests, left_out)
    concepts, records = {}, {}
    for folder in names.folders:
        own = (root / "train" / folder, root / "test" / folder)
        place = Place(root=root, folder=folder, names=names, own=own, nouns=nouns)
        alike = {
            other: files
            for other, files in tests.items()
            if all(of.get(other) == of.get(folder) for of in (nouns, halves))
        }
        records[place.name] = tuple(
            replace(record, shift=shifts.get(record.pictures[0], ""))
            for record in place.recognition_test(alike)
        )
        concepts[place.name] = place.concept(
            (), pictures=pictures_of(own[0]), class_noun=nouns.get(folder, ""), kind="object"
        )
    return Dataset(
        layout="pods", root=root, concepts=concepts, records=records, notes=notes(left_out)
    )


def _shifts(
    root: Path, tests: Mapping[str, tuple[Path, ...]], left_out: Counter[str]
) -> dict[Path, str]:
    """The shift of each test picture; {} where nothing is said of them.

    Args:
        root: Of the dataset.
        tests: Test pictures by class.
        left_out: Counts the annotations of pictures that are not there.
    """
    path = root / ANNOTATIONS
    if not is_there(path):
        return {}
    by_stem = {(folder, file.stem): file for folder, files in tests.items() for file in files}
    shifts = {}
    for said, row in check(read_json(path), _ANNOTATIONS, path, DataError).items():
        if row["split"] != "test":
            continue
        # 'test/mug_1/7.jpg' and 'mug_1/7' first; else 'mug_1_test_7' means the picture '7'.
        stem = Path(said).name.removesuffix(".jpg")
        last = _STEM.search(stem)
        found = by_stem.get((row["class"], stem)) or (
            by_stem.get((row["class"], last[0])) if last else None
        )
        if found is None:
            left_out[f"{path}: pictures that are not there"] += 1
        else:
            shifts[found] = row.get("test_split") or ""
    return shifts
