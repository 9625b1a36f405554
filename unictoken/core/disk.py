"""Files and folders: what we write is there whole, or not at all."""

from __future__ import annotations

import os
import reprlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
            f"{said}: {nearest} is {kind_of(nearest)}, expected a folder. Choose another place."
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise refusal(f"{said}: {nearest} may not be written into. Choose another place.")


def is_there(path: Path) -> bool:
    """Whether anything bears this name, a link that leads nowhere too: what is there is read, and
    refused if it cannot be.
    """
    return os.path.lexists(path)


def real_path(place: str | Path) -> Path:
    """Where a place really is, links followed; a circle of links is no error here, as it is for
    `Path.resolve`.
    """
    return Path(os.path.realpath(place))


def quoted(value: object) -> str:
    """A value as a message shows it: in one line, and not too long."""
    return _SHOWN.repr(value)


def kind_of(path: Path) -> str:
    """What bears this name, in words."""
    if path.is_dir():
        return "a folder"
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    if path.is_file():
        return "a file"
    return "no plain file"
