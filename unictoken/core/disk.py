"""Files and folders: what others wrote is read whole, or refused in one line; what we write is
there whole, or not at all.
"""

from __future__ import annotations

import json
import os
import reprlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unictoken.core.errors import UserError

_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 60


def write_aside(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    make_folder(path.parent)
    aside = _aside(path)
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            # Before the renaming: after a power cut the new name could lead to an empty file.
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_aside(folder: Path) -> Iterator[Path]:
    """Another place to make a folder in, which bears its name when all is done; after an error
    nothing is left of it.
    """
    make_folder(folder.parent)
    aside = _aside(folder)
    try:
        aside.mkdir()
        yield aside
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _aside(path: Path) -> Path:
    # In the same folder: between two file systems nothing can be renamed in one step. The process's
    # number keeps apart what several processes write.
    return path.with_name(f".{path.name}.{os.getpid()}.aside")


def make_folder(folder: Path) -> None:
    """A folder and those it lies in, where they are not there yet."""
    check_folder(folder, UserError)
    folder.mkdir(parents=True, exist_ok=True)


def check_folder(folder: str | Path, refusal: type[UserError], *, where: str = "") -> None:
    """Refuse a folder that could not be made or written into, before any work is done for it.
    `where`: what names it.
    """
    said = f"{where}: {folder}" if where else str(folder)
    nearest = Path(folder)
    while not is_there(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        raise refusal(
            f"{said}: {nearest} is {_what(nearest)}, expected a folder. Choose another place."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise refusal(f"{said}: {nearest} may not be written into. Choose another place.")


def is_there(path: Path) -> bool:
    """Whether anything bears this name, a link that leads nowhere too: what is there is read, and
    refused if it cannot be.
    """
    return os.path.lexists(path)


def check_file(path: Path, refusal: type[UserError], expected: str) -> None:
    """Refuse what is no plain file: a FIFO would wait for a writer."""
    if not is_there(path):
        raise refusal(f"{path}: no such file. Expected {expected}.")
    if not path.is_file():
        raise refusal(
            f"{path}: found {_what(path)}, expected {expected}. Put one there, or remove what is"
            " named so."
        )


def read_text(path: Path, refusal: type[UserError], expected: str = "a text file") -> str:
    """The text of a plain file."""
    check_file(path, refusal, expected)
    try:
        # Editors on Windows begin a file with a byte order mark, which `json` refuses.
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error, refusal, expected) from None


def read_json(path: Path, refusal: type[UserError]) -> Any:
    """The value in a JSON file, however its file or its text is broken a `refusal` of one line; a
    key that is given twice is an error.
    """
    text = read_text(path, refusal, "a JSON file")
    try:
        return json.loads(text, object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of too many digits
        raise _unreadable(path, error, refusal, "a JSON file") from None


def quoted(value: object) -> str:
    """A value as a message shows it: in one line, and not too long."""
    return _SHOWN.repr(value)


def _what(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    if path.is_file():
        return "a file"
    return "no plain file"


def _unreadable(
    path: Path, error: Exception, refusal: type[UserError], expected: str
) -> ValueError:
    return refusal(
        f"{path}: cannot be read ({' '.join(str(error).split())[:200]}). Expected {expected}; mend"
        " it, or fetch it again."
    )


def each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """For `json.loads(object_pairs_hook=)`: raises `ValueError` for a key that is given twice."""
    whole: dict[str, object] = {}
    for key, value in pairs:
        if key in whole:
            raise ValueError(f"{quoted(key)} is given twice")
        whole[key] = value
    return whole
