"""Files of a dataset: JSON, tables, and pictures that stay inside it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from unictoken.core import reading
from unictoken.core.disk import is_file, is_folder, quoted, real_path
from unictoken.core.pictures import check_picture, looks_like
from unictoken.core.text import check_length
from unictoken.data.records import DataError
from unictoken.data.source import picture_files

MOST_TABLE = 2**26  # bytes of a CSV table
MOST_LINES = 200_000  # of one: a row takes 500 bytes of memory, however short it is
LONGEST_PATH = 1000  # letters of a picture's path in a row
Kind = TypeVar("Kind")


def read_json(path: Path) -> Any:
    """The value in a JSON file of a dataset."""
    return reading.read_json(path, DataError)


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Place and cells of each row of a CSV table, one or more.

    Args:
        path: The file.
        columns: Those that it must have; it may have others.
    """
    text = reading.read_text(path, DataError, "a text file", most=MOST_TABLE)
    _check_lines(path, text)
    try:
        # strict: a quote that is never closed would swallow the rest of the table.
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = list(table)
    except csv.Error as error:
        raise DataError(
            f"{path}: cannot be read ({error}). Expected a CSV table; mend it."
        ) from None
    missing = [column for column in columns if column not in (table.fieldnames or ())]
    if missing:
        raise DataError(f"{path}: found no column '{missing[0]}', expected one. Add it.")
    if not rows:
        raise DataError(f"{path}: found no rows, expected one or more.")
    told = [(f"{path}: row {number}", row) for number, row in enumerate(rows, 1)]
    for where, row in told:
        # csv puts cells without a column under None, and None where a cell is missing.
        if None in row or None in row.values():
            raise DataError(
                f"{where}: found more or fewer cells than the table has columns. Mend it."
            )
    return told


def _check_lines(path: Path, text: str) -> None:
    """Refuse a table of too many rows, or of too many cells in one."""
    count = text.count("\n") + text.count("\r") - text.count("\r\n")
    longest = max(map(len, text.splitlines()), default=0) if count <= MOST_LINES else 0
    if count > MOST_LINES or longest > reading.MOST_LINE:
        raise DataError(
            f"{path}: found {count:,} lines, the longest of {longest:,} letters; expected at most"
            f" {MOST_LINES:,} of {reading.MOST_LINE:,}. Give a part of it."
        )


def stay_inside(root: Path) -> None:
    """Refuse links in a dataset that lead out of it; the dataset's own folder may be a link."""
    inside = Path(os.path.realpath(root))
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in (*folders, *files)):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                raise DataError(
                    f"{path}: a link that leads to {os.path.realpath(path)}, outside {root}. Copy"
                    " what it means, or remove it."
                )


def expect(value: object, kind: type[Kind], where: str, expected: str) -> Kind:
    """The value, if it is of that type; else a DataError.

    Args:
        value: Parsed JSON.
        kind: The type that it must have.
        where: The value's place, for the error.
        expected: What should stand there, in words.
    """
    if not isinstance(value, kind):
        raise DataError(f"{where}: found {shortly(value)}, expected {expected}. Mend it.")
    if isinstance(value, str):
        check_length(value, where, DataError)
    return value


def shortly(value: object) -> str:
    return f"{type(value).__name__} {quoted(value)}"


def checked(files: Iterable[Path]) -> tuple[Path, ...]:
    """The same picture files, each one's header looked at: nothing is decoded, so a cut picture
    shows when it is used.
    """
    files = tuple(files)
    for file in files:
        check_picture(file)
    return files


def pictures_of(folder: Path) -> tuple[Path, ...]:
    """The pictures in a folder that must have some, looked at."""
    return checked(picture_files(folder))


def has_pictures(folder: Path) -> bool:
    """Whether a file of a folder is a picture, whatever its name."""
    return is_folder(folder) and any(looks_like(file) == "picture" for file in folder.iterdir())


def folders_of(root: Path) -> list[Path]:
    """The folders in a folder, by name."""
    if not is_folder(root):
        raise DataError(f"{root}: no such folder. Expected one with a folder for each concept.")
    return sorted(p for p in root.iterdir() if is_folder(p) and not p.name.startswith((".", "_")))


def find_picture(image: str, *, root: Path, beside: Path, where: str) -> Path:
    """The file that a row means by `image`, inside the dataset.

    Released files hold their authors' paths ('./yollava-data/test/bo/0.png',
    '/data/x/test/bo/0.png', '../data/test/bo/0.png'): the longest end of the path that is there
    counts. Never a file outside.

    Args:
        image: The path as the row has it.
        root: The dataset's folder.
        beside: The folder of the file of rows; a relative path is tried from there first.
        where: The row's place, for the error where no such picture is found.
    """
    check_length(image, where, DataError, most=LONGEST_PATH)
    parts = [part for part in image.replace("\\", "/").split("/") if part not in ("", ".")]
    candidates = (
        []
        if image.startswith("/") or ".." in parts
        else [beside.joinpath(*parts), root.joinpath(*parts)]
    )
    while parts and parts[0] == "..":
        parts = parts[1:]
    if ".." not in parts:
        # At least a folder and a name: a '0.png' lies in the folder of every concept.
        candidates += [root.joinpath(*parts[i:]) for i in range(len(parts) - 1)]
    inside = real_path(root)
    found = next(
        (file for file in candidates if is_file(file) and real_path(file).is_relative_to(inside)),
        None,
    )
    if found is None:
        raise DataError(
            f"{where}: no picture {quoted(image)} inside {root}. Add it, or remove the row."
        )
    return found
