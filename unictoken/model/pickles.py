"""Other people's `.pt` and `.ckpt` files as numbers and nothing else.

`torch.load(weights_only=True)` runs no code, but makes whatever a pickle asks for: a hundred bytes
can ask for a hundred gigabytes. Here a file's size, its unpacked size and the names in its pickle
are looked at first.
"""

from __future__ import annotations

import mmap
import pickletools
import re
import warnings
import zipfile
from pathlib import Path

import torch

from unictoken.core.errors import UserError
from unictoken.core.reading import check_file

MOST_ENTRIES = 10_000  # of the zip: one for each tensor
MOST_PICKLE = 4 * 2**20  # bytes of the pickle itself, which names the tensors
# What a pickle of tensors names. Not `bytearray`, `complex` and the like, which torch lets through.
_NAMES = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_\w+|torch\.nn\.parameter Parameter"
    r"|torch\.serialization _get_layout|torch Size|torch device|torch [A-Z]\w+Storage"
    r"|torch [a-z]+\d*"
)


def load_pickle(path: Path, refusal: type[UserError], expected: str, *, most: int) -> object:
    """What a zip file that `torch.save` wrote holds.

    Args:
        path: The file.
        refusal: The error that is raised.
        expected: What it should have been, for the error's text.
        most: Bytes it may have, as it is and unpacked.
    """
    check_file(path, refusal, expected, most=most)
    try:
        _check_zip(path, most)
        with warnings.catch_warnings(action="ignore"):
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a broken or hostile pickle raises whatever it likes
        raise refusal(
            f"{path}: not a whole file of plain tensors ({_reason(error)}). Expected {expected}."
            " Nothing in it was run. Fetch it again."
        ) from None


def _reason(error: Exception) -> str:
    """In one line, without torch's advice to read it all the same."""
    said = (str(error).splitlines() or [""])[0].split(". ")[0].split(" Please use ")[0][:160]
    if said.startswith("Weights only load failed"):
        return type(error).__name__
    return f"{type(error).__name__}: {said}"


def _check_zip(path: Path, most: int) -> None:
    with open(path, "rb") as file:
        if file.read(4) != b"PK\x03\x04":  # torch would take it for a bare pickle
            raise zipfile.BadZipFile("does not begin as a zip")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            # `zipfile` makes an object of each before it says how many there are.
            if _count(data, b"PK\x01\x02", MOST_ENTRIES) > MOST_ENTRIES:
                raise zipfile.BadZipFile(f"more than {MOST_ENTRIES:,} entries")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        # Before anything is unpacked: a small zip may hold gigabytes.
        if (size := sum(entry.file_size for entry in entries)) > most:
            raise zipfile.BadZipFile(f"{size:,} bytes of it, expected at most {most:,}")
        if len({entry.filename for entry in entries}) < len(entries):
            raise zipfile.BadZipFile("two entries of one name")
        if broken := archive.testzip():
            raise zipfile.BadZipFile(f"{broken} does not match its checksum")
        for entry in entries:
            if entry.filename.endswith(".pkl"):
                _check_pickle(archive.read(entry), entry.file_size)


def _count(data: mmap.mmap, what: bytes, most: int) -> int:
    found, at = 0, data.find(what)
    while at >= 0 and found <= most:
        found, at = found + 1, data.find(what, at + 1)
    return found


def _check_pickle(data: bytes, size: int) -> None:
    if size > MOST_PICKLE:
        raise ValueError(f"a pickle of {size:,} bytes, expected at most {MOST_PICKLE:,}")
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL" and not _NAMES.fullmatch(argument):
            raise ValueError(f"its pickle names '{argument[:80]}', no part of a tensor")
