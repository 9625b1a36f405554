"""Reading what others wrote: one reader for each kind of file.

Each bounds the file's kind, size and depth before it parses, and refuses in one line what is not as
expected. What a value must then be is declared in `core/shapes.py`. YAML is read in
`core/config.py`, pictures in `core/pictures.py`.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from unictoken.core.disk import is_file, is_there, kind_of, quoted
from unictoken.core.errors import UserError
from unictoken.core.printing import one_line

MIB = 2**20
MOST_JSON = 32 * MIB  # bytes of a dataset's file; one of questions has a few MB
MOST_GROUPS = 1_000_000  # lists and mappings in a JSON text: an empty one takes 60 bytes of memory
MOST_LINES = 128 * MIB  # bytes of a file of predictions or verdicts
MANY_LINES = 1_000_000
MOST_LINE = MIB  # bytes of one line
MOST_HEADER = 16 * MIB  # of a safetensors file; that of a 7B has 100 kB
MOST_DEPTH = 32  # brackets within each other; datasets have five
LONGEST_NUMBER = 400  # digits: any float has fewer
_REASON = 160  # letters of a parser's message
_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_BIT_WIDTHS = re.compile(r"(?:F|BF|I|U|C)(\d+)(?:_\w+)?")


def check_file(
    path: Path, refusal: type[UserError], expected: str, *, most: int | None = None
) -> None:
    """Refuse what is no plain file (a FIFO would wait for a writer, a device has no end), or is of
    more than `most` bytes.

    Args:
        path: The file.
        refusal: The error that is raised.
        expected: What it should have been, for the error's text.
        most: Bytes it may have; None: any number.
    """
    if not is_there(path):
        raise refusal(f"{path}: no such file. Expected {expected}; name one that is there.")
    # Before it is opened: opening a FIFO waits until somebody writes into it.
    if not is_file(path):
        raise refusal(
            f"{path}: found {kind_of(path)}, expected {expected}. Put one there, or remove what is"
            " named so."
        )
    if most is not None and (size := path.stat().st_size) > most:
        raise refusal(
            f"{path}: found {size:,} bytes, expected {expected} of at most {most:,}. Look whether"
            " it is the file that you mean."
        )


def read_bytes(path: Path, refusal: type[UserError], expected: str, *, most: int) -> bytes:
    """The bytes of a plain file of at most so many.

    Args:
        path: The file.
        refusal: The error that is raised.
        expected: What it should have been, for the error's text.
        most: Bytes it may have.
    """
    check_file(path, refusal, expected, most=most)
    try:
        with open(path, "rb") as file:
            return file.read(most + 1)[:most]  # it may have grown since it was looked at
    except OSError as error:
        _refuse(path, error, refusal, expected)


def read_text(
    path: Path, refusal: type[UserError], expected: str = "a text file", *, most: int = MIB
) -> str:
    """The text of a plain file of at most so many bytes, in UTF-8.

    Args:
        path: The file.
        refusal: The error that is raised.
        expected: What it should have been, for the error's text.
        most: Bytes it may have.
    """
    try:
        # Editors on Windows begin a file with a byte order mark, which `json` refuses.
        return read_bytes(path, refusal, expected, most=most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(path, error, refusal, expected)


def read_json(
    path: Path, refusal: type[UserError], *, most: int = MOST_JSON, groups: int = MOST_GROUPS
) -> Any:
    """The value in a JSON file; what `parse_json` refuses is an error of one line.

    Args:
        path: The file.
        refusal: The error that is raised.
        most: Bytes it may have.
        groups: Lists and mappings that it may hold.
    """
    text = read_text(path, refusal, "a JSON file", most=most)
    try:
        return parse_json(text, groups=groups)
    except ValueError as error:
        _refuse(path, error, refusal, "a JSON file")


def read_json_lines(
    path: Path, refusal: type[UserError], expected: str
) -> Iterator[tuple[str, Any]]:
    """Place and value of each line of a file of JSON lines; one without an end, which a crash cut
    short, is left out. Nothing where there is no file.
    """
    for number, line in enumerate(whole_lines(path, refusal, expected), 1):
        where = f"{path}:{number}"
        try:
            if len(line) > MOST_LINE:
                raise ValueError(f"{len(line):,} bytes in one line")
            yield where, parse_json(line.decode())
        except ValueError as error:
            _refuse(where, error, refusal, expected, advice="remove the line, or the file")


def whole_lines(
    path: Path, refusal: type[UserError], expected: str = "a file of lines"
) -> list[bytes]:
    """The lines of a file, without a last one that has no end; [] where there is no file."""
    if not is_there(path):
        return []
    data = read_bytes(path, refusal, expected, most=MOST_LINES)
    if (count := data.count(b"\n")) > MANY_LINES:
        error = ValueError(f"{count:,} lines, more than {MANY_LINES:,}")
        _refuse(path, error, refusal, expected)
    return data.split(b"\n")[:-1]


def parse_json(text: str, *, groups: int = MOST_GROUPS) -> Any:
    """The value in a JSON text of at most so many lists and mappings.

    Raises ValueError for what is no JSON, and for what only Python takes for it: a key that is
    given twice, NaN and infinity, half a surrogate pair, more than MOST_DEPTH brackets in one
    another.
    """
    _check_groups(text, groups)
    value = json.loads(
        text,
        object_pairs_hook=_each_once,
        parse_constant=_no_number,
        parse_float=_finite,
        parse_int=_whole,
    )
    # Only an escape can bring half a pair; looking for it is cheaper than encoding all.
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("a text holds half a surrogate pair, which is no letter") from None
    return value


def _check_groups(text: str, most: int) -> None:
    groups = text.count("[") + text.count("{")
    # Too few brackets to be too deep: most texts end here.
    if groups <= MOST_DEPTH:
        return
    if groups > most:
        raise ValueError(f"{groups:,} brackets, more than {most:,}")
    depth = 0
    for found in _BRACKET.finditer(text):
        if found[0] in "[{":
            depth += 1
            if depth > MOST_DEPTH:
                raise ValueError(f"more than {MOST_DEPTH} brackets within each other")
        elif found[0] in "]}":
            depth -= 1


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    whole = dict(pairs)
    # A dict keeps the last of two values, and nobody would know which one was meant.
    if len(whole) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"{quoted(twice)} is given twice")
    return whole


def _no_number(said: str) -> NoReturn:
    raise ValueError(f"{said} is no number of JSON")


def _finite(said: str) -> float:
    if len(said) > LONGEST_NUMBER or not math.isfinite(number := float(said)):
        raise ValueError(f"{quoted(said)} is too large a number")
    return number


def _whole(said: str) -> int:
    if len(said) > LONGEST_NUMBER:
        raise ValueError(f"{quoted(said)} is too large a number")
    return int(said)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a safetensors file: what its bytes mean, and where they lie in the file."""

    dtype: str
    """As the format calls it: F32, BF16, I64, ..."""
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class SafetensorsHeader:
    """What a safetensors file says before its numbers."""

    metadata: dict[str, str]
    tensors: dict[str, StoredTensor]


def read_safetensors_header(
    path: Path, refusal: type[UserError], expected: str, *, most: int | None = None
) -> SafetensorsHeader:
    """The header of a safetensors file of at most `most` bytes whose tensors all lie in it.

    A length (8 bytes), so many bytes of JSON, then the numbers. Nothing of these is read.

    Args:
        path: The file.
        refusal: The error that is raised.
        expected: What it should have been, for the error's text.
        most: Bytes it may have; None: any number.
    """
    check_file(path, refusal, expected, most=most)
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, MOST_HEADER):
                raise ValueError(f"a header of {length:,} bytes in a file of {size:,}")
            said = parse_json(file.read(length).decode())
        return _header_of(said, 8 + length, size)
    except (OSError, ValueError) as error:
        _refuse(
            path, error, refusal, expected, found="not a whole safetensors file",
            advice="fetch or make it again",
        )  # fmt: skip


def read_weight_map(index: Path, refusal: type[UserError], *, whose: str) -> list[str]:
    """The files that an index of weights names, each once.

    A name that leads out of the index's folder is refused: whoever shares the weights would choose
    what is read.

    Args:
        index: A `*.safetensors.index.json`.
        refusal: The error that is raised.
        whose: The folder's owner, for the error's text: "the base's".
    """
    said = read_json(index, refusal)
    weight_map = said.get("weight_map") if isinstance(said, dict) else None
    if not isinstance(weight_map, dict):
        raise refusal(
            f"{index}: no 'weight_map', expected one that names the file of each weight. Fetch the"
            " checkpoint again."
        )
    for name in weight_map.values():
        is_plain = isinstance(name, str) and name.isprintable() and name == os.path.normpath(name)
        if not is_plain or name.startswith((os.sep, "..")):
            raise refusal(
                f"{index}: names {quoted(name)}, expected a file in {whose} own folder. Fetch the"
                " checkpoint again, from whom you trust."
            )
    return sorted(set(weight_map.values()))


def check_keys(value: object, where: object, refusal: type[UserError]) -> None:
    """Refuse settings with a key that no terminal may be shown: libraries print those that they do
    not know as they are (`tokenizers` 0.22).

    Args:
        value: Parsed JSON.
        where: Its place, which the error begins with.
        refusal: The error that is raised.
    """
    todo = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            # The vocabulary itself may hold any letters; it is no key of a setting.
            todo += [item for key, item in part.items() if key != "vocab"]
            if strange := next((key for key in part if not key.isprintable()), None):
                raise refusal(
                    f"{where}: found the key {quoted(strange)}, expected printable ones. Fetch the"
                    " checkpoint again."
                )
        elif isinstance(part, list):
            todo += [item for item in part if isinstance(item, dict | list)]


def _header_of(said: object, first: int, size: int) -> SafetensorsHeader:
    """The header in its JSON. `first`: where the numbers begin; `size`: bytes of the file."""
    if not isinstance(said, dict):
        raise ValueError("its header is no mapping")
    metadata = said.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its __metadata__ holds more than texts")
    tensors = {name: _stored(name, value, first) for name, value in said.items()}
    at = first
    for tensor in sorted(tensors.values(), key=lambda t: (t.begin, t.end)):
        if tensor.begin != at:
            raise ValueError("its tensors leave a gap, or lie over one another")
        at = tensor.end
    if at != size:
        raise ValueError(f"its tensors end at byte {at:,} of {size:,}")
    return SafetensorsHeader(metadata, tensors)


def _stored(name: str, said: object, first: int) -> StoredTensor:
    if not isinstance(said, dict) or set(said) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the entry of {quoted(name)} is no tensor's")
    dtype, shape, offsets = said["dtype"], said["shape"], said["data_offsets"]
    bits = 8 if dtype == "BOOL" else _bits(dtype)
    if bits is None or not _are_whole(shape) or not _are_whole(offsets) or len(offsets) != 2:
        raise ValueError(f"the entry of {quoted(name)} has no such dtype, shape or place")
    begin, end = (first + offset for offset in offsets)
    if 8 * (end - begin) != bits * math.prod(shape):
        raise ValueError(f"{quoted(name)} has other bytes than its shape asks for")
    return StoredTensor(dtype, tuple(shape), begin, end)


def _bits(dtype: object) -> int | None:
    found = _BIT_WIDTHS.fullmatch(dtype) if isinstance(dtype, str) else None
    return int(found[1]) if found and len(found[1]) < 4 else None


def _are_whole(values: object) -> bool:
    """Whether it is a list of whole numbers that a file can have."""
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**62 for v in values)


def _refuse(
    where: Path | str,
    error: Exception,
    refusal: type[UserError],
    expected: str,
    *,
    found: str = "cannot be read",
    advice: str = "mend it, or fetch it again",
) -> NoReturn:
    raise refusal(
        f"{where}: {found} ({one_line(str(error), _REASON)}). Expected {expected}; {advice}."
    ) from None
