"""A file with one bit that is another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def flipped(path: Path, place: int, bit: int) -> Iterator[None]:
    """In this block a bit of a byte is flipped, in its place in the file.

    Some file systems bring a file that is written anew to the disk at once, which takes
    milliseconds for each of thousands of bits.
    """
    with path.open("r+b") as file:
        file.seek(place)
        [byte] = file.read(1)

        def put(value: int) -> None:
            file.seek(place)
            file.write(bytes([value]))
            file.flush()

        put(byte ^ 1 << bit)
        try:
            yield
        finally:
            put(byte)
