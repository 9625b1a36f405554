"""Many picture files, each with its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from PIL import Image

from unictoken.core.pictures import PictureError, read_shrunk
from unictoken.model.protocol import Base
from unictoken.personalize.query import Seen

ANSWERED_AT_ONCE = 16  # pictures
Answer = TypeVar("Answer")


def of_each(
    base: Base, files: Sequence[Path], answer: Callable[[Seen], Sequence[Answer]]
) -> Iterator[tuple[Path, Answer | PictureError]]:
    """Each picture file with its answer, or with the error of one that cannot be read, in order.

    However many there are, one at a time is in memory at its full size, and the first answers are
    there before the last picture is read.

    Args:
        base: What encodes the pictures.
        files: Picture files.
        answer: One answer for each picture, such as `Session.caption` gives.
    """
    for start in range(0, len(files), ANSWERED_AT_ONCE):
        part = files[start : start + ANSWERED_AT_ONCE]
        refused: dict[int, PictureError] = {}
        # `encode` reads the pictures one by one; `refused` is whole when it returns.
        ids_NK = base.encode(_readable(part, refused))
        read = tuple(file for i, file in enumerate(part) if i not in refused)
        answers = iter(answer(Seen(ids_NK, read)) if read else ())
        for i, file in enumerate(part):
            yield file, refused[i] if i in refused else next(answers)


def _readable(files: Sequence[Path], refused: dict[int, PictureError]) -> Iterator[Image.Image]:
    """The pictures that can be read; `refused` gets the errors of the others, by their number."""
    for i, file in enumerate(files):
        try:
            picture = read_shrunk(file)
        except PictureError as error:
            refused[i] = error
        else:
            yield picture
