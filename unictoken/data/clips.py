"""Clips: pictures in the order of time, from a folder, a list or a video file.

A base that has no sense of time reads a clip as several pictures in one turn, so that only a few
frames of it are taken, evenly spread.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from unictoken.core.disk import is_file, is_folder
from unictoken.core.errors import UserError
from unictoken.core.pictures import MAX_PIXELS, ImageSource
from unictoken.data.source import picture_files

CONTAINERS = {  # by the ending of a video file, as the library calls them
    ".avi": "avi",
    ".m4v": "mov",
    ".mkv": "matroska",
    ".mov": "mov",
    ".mp4": "mov",
    ".mpeg": "mpeg",
    ".mpg": "mpeg",
    ".webm": "matroska",
    ".wmv": "asf",
}
FRAMES = 4  # of a clip: the tiny base was taught as many pictures in a turn
MOST_FRAMES = 64
LONGEST = 200_000  # frames of a video file: an hour has 108,000
# A video may have so many pixels in all its frames, and so many more for each byte: a clip of a
# phone has 30 to 300 for a byte, and one that is made to be decoded for hours a hundred thousand.
FREE_PIXELS, PIXELS_PER_BYTE = 4_000_000_000, 1000
EXISTENCE, APPEARANCE, ACTION, LOCATION = "existence", "appearance", "action", "location"
OTHER = "other"
KINDS = (EXISTENCE, APPEARANCE, ACTION, LOCATION, OTHER)
"""What a question about a clip asks for (PVChat)."""
Clip = str | PathLike[str] | Sequence[ImageSource]
"""A folder of pictures, whose names give their order, a video file, or pictures in order."""


class ClipError(UserError):
    """A clip that cannot be read: where, what was found, what to do."""


def is_video(file: Path) -> bool:
    """Whether a file is called as videos are."""
    return file.suffix.lower() in CONTAINERS


def evenly(length: int, count: int) -> list[int]:
    """Numbers of `count` frames of `length`, the first and the last among them; of fewer frames
    all, and of one wanted the middle one.

    >>> evenly(10, 4), evenly(2, 4), evenly(9, 1)
    ([0, 3, 6, 9], [0, 1], [4])
    """
    if count >= length:
        return list(range(length))
    if count == 1:
        return [length // 2]
    return [round(i * (length - 1) / (count - 1)) for i in range(count)]


def another_order(frames: Sequence[object], rng: np.random.Generator) -> tuple[int, ...] | None:
    """The numbers of frames in another order, in which other ones are shown in turn; None where all
    of them look the same.

    Args:
        frames: What each looks like: what is equal looks the same.
        rng: What the order is drawn from.
    """
    if all(frame == frames[0] for frame in frames):
        return None
    while True:
        order = tuple(int(i) for i in rng.permutation(len(frames)))
        # A frame that is shown longer looks the same in two places.
        if any(frames[i] != frame for i, frame in zip(order, frames, strict=True)):
            return order


def clip_of(files: Sequence[Path]) -> Clip:
    """The clip that a record's files are: its frames in order, or one video file."""
    return files[0] if len(files) == 1 and is_video(files[0]) else files


def check_library(clip: Clip) -> None:
    """Refuse a video file where the library that reads it is not installed; nothing is read."""
    if isinstance(clip, str | PathLike) and is_video(Path(clip)):
        _av()


def photos_of(clip: Clip) -> list[ImageSource] | None:
    """Every picture of a folder or a list, in order; None of a file."""
    if not isinstance(clip, str | PathLike):
        return list(clip)
    return [*picture_files(clip)] if is_folder(Path(clip)) else None


def frames_of(clip: Clip, count: int = FRAMES) -> list[ImageSource]:
    """So many frames of a clip in their order, evenly spread; all of them where it has fewer.

    Args:
        clip: A folder of pictures, a video file, or pictures in order.
        count: How many are taken.
    """
    if (photos := photos_of(clip)) is not None:
        where = str(clip) if isinstance(clip, str | PathLike) else "clip"
        return [photos[i] for i in _chosen(len(photos), count, where)]
    assert isinstance(clip, str | PathLike)  # a list has photos
    path = Path(clip)
    if not is_file(path):
        raise ClipError(f"{path}: no such file or folder. Expected a video, or a folder of frames.")
    if not is_video(path):
        raise ClipError(
            f"{path}: no video that is known by its name. Expected a folder of frames, or a file"
            f" that ends in one of {', '.join(CONTAINERS)}."
        )
    return list(_decoded(path, count))


def _chosen(length: int, count: int, where: str) -> list[int]:
    if not 1 <= count <= MOST_FRAMES:
        raise ClipError(f"frames: found {count}, expected 1 to {MOST_FRAMES}. Change it.")
    if not length:
        raise ClipError(f"{where}: found no frames, expected one or more. Give another clip.")
    return evenly(length, count)


def _decoded(path: Path, count: int) -> Iterator[Image.Image]:
    """The chosen frames of a video file, which is read twice: few containers say truly how many
    frames they hold.
    """
    length = sum(1 for _ in _each_frame(path))
    chosen = frozenset(_chosen(length, count, str(path)))
    for number, frame in enumerate(_each_frame(path)):
        if number in chosen:
            yield frame.to_image()


def _each_frame(path: Path) -> Iterator[Any]:
    """Every frame of a video's first stream, as the library has it."""
    av = _av()
    try:
        # Told the container, so that no file is taken for a playlist, which names other files and
        # addresses to open.
        # And a whole path: of a name like 'concat:a.mp4' FFmpeg would open other files.
        place, kind = os.path.abspath(path), CONTAINERS[path.suffix.lower()]
        with av.open(place, format=kind) as container:
            if not container.streams.video:
                raise ClipError(
                    f"{path}: found no picture in it, expected a video. Give another file."
                )
            shape = container.streams.video[0]
            _check_frame(path, 0, shape.width, shape.height)  # before one is decoded
            left = FREE_PIXELS + PIXELS_PER_BYTE * path.stat().st_size
            for number, frame in enumerate(container.decode(video=0)):
                _check_frame(path, number, frame.width, frame.height)
                left -= frame.width * frame.height
                if left < 0:
                    raise ClipError(
                        f"{path}: found more than {number:,} frames of {frame.width} x"
                        f" {frame.height} pixels in {path.stat().st_size:,} bytes, expected fewer"
                        " pixels in a file that is so small. Cut it shorter, or make it smaller."
                    )
                yield frame
    except av.FFmpegError as error:
        raise ClipError(
            f"{path}: not a readable video ({type(error).__name__}). Save it again, as MP4."
        ) from None


def _check_frame(path: Path, number: int, width: int, height: int) -> None:
    """Refuse a frame of too many pixels, or the last of too many.

    Args:
        path: Of the video.
        number: Of the frame.
        width: Its pixels.
        height: Its pixels.
    """
    if width * height > MAX_PIXELS or number >= LONGEST:
        raise ClipError(
            f"{path}: found frame {number} of {width} x {height} pixels, expected at most"
            f" {LONGEST:,} frames of at most {MAX_PIXELS:,} pixels. Cut it shorter, or make it"
            " smaller."
        )


def _av() -> ModuleType:
    """The library; where it is not installed, an error that says how."""
    # When it is used, and not above: folders of frames need none.
    try:
        return importlib.import_module("av")
    except ModuleNotFoundError:
        raise ClipError(
            "library 'av': not installed, and video files need it. Add it: pip install"
            " 'unictoken[video]'; or give a folder of frames."
        ) from None
