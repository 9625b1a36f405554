"""PVChat (arXiv 2503.17069): people in videos, with questions about each video.

    *train*.json  *test*.json    {"data" or "videos": [{"video_path", "video_name", "sks_present",
                                  "is_positive", "gender", "age",
                                  "qa_pairs": [{"question", "answer", "is_special"}]}]}
    the videos, or beside them a folder of frames called like each (clip_1.mp4: clip_1/0.jpg ...)

A folder of frames is taken before a video file, which needs the extra 'video'. `<sks>` is the
person, who is named like the folder; with `sks_present` as 'ann' or '<ann>, <bob>' these are the
concepts, and the first of a row is its `<sks>`. A record's kind is existence (`is_special`: its
answer becomes yes or no, by `is_positive`), appearance, action or location, by the question's
words, else 'other'. References are middle frames of the first positive training videos.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unictoken.core.disk import is_file, is_folder, real_path
from unictoken.core.pictures import ImageSource, check_picture
from unictoken.core.shapes import Fields, Flag, ListOf, Maybe, Text, check
from unictoken.data.clips import (
    ACTION,
    APPEARANCE,
    EXISTENCE,
    LOCATION,
    OTHER,
    clip_of,
    frames_of,
    is_video,
)
from unictoken.data.concept import Concept
from unictoken.data.readers.files import LONGEST_PATH, has_pictures, read_json
from unictoken.data.readers.names import Names
from unictoken.data.records import DataError, Dataset, Record, Split
from unictoken.data.source import picture_files
from unictoken.data.templates import NO, YES

LOOKS_FOR = "*.json of videos with qa_pairs"
REFERENCES = 5
HEAD = 4096  # bytes by which a file is known
WORDS = {
    LOCATION: re.compile(r"\b(where|location|located|place|background|scene|setting)\b"),
    ACTION: re.compile(r"\b(doing|do|does .* do|action|activity|happen\w*|behav\w*)\b"),
    APPEARANCE: re.compile(
        r"\b(wear\w*|look\w*|cloth\w*|dress\w*|hair\w*|colou?r|appearance|outfit)\b"
    ),
}
_PAIR = Fields(
    {"question": Text(least=1), "answer": Text(least=1)}, {"is_special": Flag()}, others=True
)
_VIDEO = Fields(
    {"video_path": Text(LONGEST_PATH, least=1), "is_positive": Flag(), "qa_pairs": ListOf(_PAIR)},
    {"sks_present": Maybe(Text(200)), "gender": Maybe(Text(50)), "age": Maybe(Text(50))},
    others=True,
)
_FILE = Fields({}, {"data": ListOf(_VIDEO), "videos": ListOf(_VIDEO)}, others=True)


def fits(root: Path) -> bool:
    return bool(_files(root))


def _files(root: Path) -> list[Path]:
    return sorted(file for file in root.glob("*.json") if is_file(file) and _has_pairs(file))


def _has_pairs(file: Path) -> bool:
    with open(file, "rb") as opened:
        head = opened.read(HEAD)
    return b'"qa_pairs"' in head and b'"video_path"' in head


def read(root: Path) -> Dataset:
    videos = [video for file in _files(root) for video in _videos(file)]
    said = {name: None for _, _, video in videos for name in _present(video)}
    unnamed = [real_path(root).name] if videos else []
    names = Names.of(said or unnamed, root)
    records: dict[str, list[Record]] = {name: [] for name in names.by_folder.values()}
    references: dict[str, list[ImageSource]] = {name: [] for name in records}
    for where, split, video in videos:
        name = names[next(iter(_present(video)), next(iter(names.folders)))]
        frames = _frames(root, video["video_path"], where)
        if split == "train" and video["is_positive"] and len(references[name]) < REFERENCES:
            references[name].append(_middle(frames))
        records[name] += _records(video, names, name, where, split, frames)
    return Dataset(
        layout="pvchat",
        root=root,
        concepts={
            name: Concept(
                name=name, class_noun="person", kind="person", pictures=tuple(references[name])
            )
            for name in records
        },
        records={name: tuple(asked) for name, asked in records.items()},
    )


def _videos(file: Path) -> Iterator[tuple[str, Split, dict[str, Any]]]:
    """Place, split and row of each video of a file."""
    value = check(read_json(file), _FILE, file, DataError)
    split: Split = "train" if "train" in file.name.lower() else "test"
    for key in ("data", "videos"):
        for i, video in enumerate(value.get(key, ())):
            yield f"{file}: {key}[{i}]", split, video


def _present(video: Mapping[str, Any]) -> list[str]:
    """The people that a row says are there: '<ann>, <bob>' gives ann and bob."""
    return [part for part in re.split(r"[\s,<>]+", video.get("sks_present") or "") if part]


def _frames(root: Path, said: str, where: str) -> tuple[Path, ...]:
    """The frames of a video in order, or the video file alone, inside the dataset."""
    parts = [part for part in said.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    # The authors' paths begin elsewhere: the longest end that is there counts.
    ends = [root.joinpath(*parts[i:]) for i in range(len(parts))]
    for place in (end.with_suffix("") for end in ends):
        if place != root and is_folder(place) and has_pictures(place):
            files = picture_files(place)
            for file in files:
                check_picture(file)
            return tuple(files)
    found = next((end for end in ends if is_video(end) and is_file(end)), None)
    if found is None or not real_path(found).is_relative_to(real_path(root)):
        raise DataError(
            f"{where}: no video {said!r} inside {root}, and no folder of its frames. Add it, or"
            " remove the row."
        )
    return (found,)


def _middle(frames: tuple[Path, ...]) -> ImageSource:
    """The frame in the middle of a clip."""
    return frames_of(clip_of(frames), 1)[0]


def _records(
    video: Mapping[str, Any],
    names: Names,
    name: str,
    where: str,
    split: Split,
    frames: tuple[Path, ...],
) -> Iterator[Record]:
    """The questions about one video.

    Args:
        video: Its row.
        names: Of all concepts.
        name: Whom `<sks>` means.
        where: The row's place.
        split: Of the file.
        frames: Of the video.
    """
    labels = {key: video.get(key) or "" for key in ("gender", "age")}
    for i, pair in enumerate(video["qa_pairs"]):
        place = f"{where}.qa_pairs[{i}]"
        question = names.mark(pair["question"], name, place)
        kind = EXISTENCE if pair.get("is_special") else _kind(question)
        answer = names.mark(pair["answer"], name, place)
        if kind == EXISTENCE:
            answer = YES if video["is_positive"] else NO
        yield Record(
            task="clip",
            split=split,
            concepts=names.named_in(f"{question} {answer}", name),
            where=place,
            pictures=frames,
            question=question,
            answer=answer,
            kind=kind,
            labels=labels,
        )


def _kind(question: str) -> str:
    """What a question is about, by its words."""
    said = question.lower()
    return next((kind for kind, words in WORDS.items() if words.search(said)), OTHER)
