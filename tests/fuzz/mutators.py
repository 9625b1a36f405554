"""Seeded mutators: what a broken download, a careless hand or a hostile one makes of a good input.

Each takes a `random.Random` and something good, and gives something that may be anything.
"""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Random = random.Random

TEXTS: tuple[Any, ...] = (
    "", " ", "\n", "x", "0", "-1", "null", "true", "dog", "<bo>", "<", "<bo", "<nobody>", "{name}", "{shared}", "{generation}", "{", "{}", "{0.__class__}",
    "%s%n", "../../evil", "/etc/passwd", "/dev/zero", "~root", "C:\\evil", "a/b/c", ".", "..", "http://evil/?key=sk-1", "//evil.example/x",
    "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\x9b5n", "\u202edrawer", "gr\u200bandma", "caf\u00e9", "\u732b" * 3, "\U0001f468\u200d\U0001f33e", "\u0301" * 50,
    "\x00", "a\x00b", "line one\nline two", "a\r\nb", "\u2028", "<script>alert(1)</script>", "![x](http://evil/x.png)", "[a](javascript:alert(1))",
    '"; import os; os.system("x"); "', "'''", "| a | b |", "---\nlicense: mit\n---", "# heading", "$(rm -rf .)", "`id`",
    "a" * 300, "a" * 5000, "a " * 5000, "<bo> " * 2000, "a" * 1_000_000, "<" * 100_000, "> " * 50_000, "the " * 100_000, "_" * 70_000, "'s" * 50_000, "A. x " * 20_000,
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 3, 7, 255, 65536, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**9, 10**30, -(2**63), 0.5, -0.5, 1e-300, 1e300, 1e-6, float("nan"), float("inf"), -float("inf"),
)  # fmt: skip
OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"": ""},
    [None],
    [0] * 1000,
    {"a": {"a": {"a": 1}}},
)
RAW_JSON = (
    "", "{", "[", "[" * 100_000, '{"a":' * 50_000, "NaN", "[1e999]", "9" * 5000, '"\\ud800"', '{"a": 1, "a": 2}', "\ufeff{}", "nul", "[1,]", "// x\n{}", "{}{}", "[" + "[]," * 200_000 + "0]",
)  # fmt: skip
RAW_YAML = (
    "", "a", "- a", "a: &x [1]\nb: *x", "!!float ''", "seed: !!float ''", "seed: !!int 0b2", "a: !!timestamp x", "a: !!binary '*'", "a: !!set 3", "a: !!omap 3", "a: !!python/object:os.system x",
    "? [a, b]\n: c", "a: {", "a: [" * 5000, "\t", "a: b: c", "---\na: 1\n---\nb: 2", "%YAML 9.9\n---\na: 1", "<<: 3", "a: |\n  text", "a: 'x", "a: \"\\ud800\"", "\x00", "\x85", "seed: 0x10", "seed: 1_000", "a: ~",
    "x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol]\n" + "\n".join(f"x{i}: &x{i} [*x{i - 1}, *x{i - 1}, *x{i - 1}, *x{i - 1}, *x{i - 1}, *x{i - 1}]" for i in range(1, 40)),
    "a: &a [*a]", "\n".join(f"k{i}: {i}" for i in range(20_000)), "a: " + "x" * 200_000, "- " * 3000 + "x", "{" * 3000,
)  # fmt: skip


def hostile(rng: Random) -> Any:
    """A value of any kind."""
    kind = rng.random()
    if kind < 0.55:
        return rng.choice(TEXTS)
    return rng.choice(NUMBERS) if kind < 0.8 else copy.deepcopy(rng.choice(OTHERS))


# ---- JSON -------------------------------------------------------------------------------------


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value, as (its mapping or list, its key)."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        group = todo.pop()
        items = group.items() if isinstance(group, dict) else enumerate(group)
        for key, item in items:
            found.append((group, key))
            if isinstance(item, dict | list):
                todo.append(item)
    return found


def mutate_value(rng: Random, value: Any) -> Any:
    """The value with one to three places changed."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not isinstance(value, dict | list) or rng.random() < 0.03:
            return hostile(rng)
        if there := places(value):
            _change(rng, *rng.choice(there), there)
    return value


def _change(rng: Random, group: Any, key: Any, there: list[tuple[Any, Any]]) -> None:
    what = rng.randrange(8)
    if what == 0:
        del group[key]
    elif what == 1 and isinstance(group, dict):
        group[str(rng.choice(TEXTS))[:2000]] = group.pop(key)
    elif what == 2 and isinstance(group, dict):
        group[str(rng.choice(TEXTS))[:2000]] = hostile(rng)
    elif what == 3 and isinstance(group, list):
        group.append(copy.deepcopy(group[key]))
    elif what == 4:
        other, name = rng.choice(there)
        if name in other if isinstance(other, dict) else name < len(other):
            group[key] = copy.deepcopy(other[name])
    elif what == 5:
        group[key] = [group[key]]
    elif what == 6 and isinstance(group[key], str):
        group[key] = mutate_text(rng, group[key])
    else:
        group[key] = hostile(rng)


def mutate_text(rng: Random, text: str) -> str:
    """A text with something put in, cut out or repeated."""
    at = rng.randrange(len(text) + 1)
    put_in = str(rng.choice(TEXTS)) if rng.random() < 0.7 else chr(rng.randrange(0x300))
    what = rng.randrange(3)
    if what == 0:
        return text[:at] + put_in + text[at:]
    return text[:at] if what == 1 else text[:at] * 2 + text[at:]


def json_bytes(rng: Random, value: Any) -> bytes:
    """A JSON file that holds the value, or only nearly so."""
    if rng.random() < 0.1:
        return rng.choice(RAW_JSON).encode()
    data = json.dumps(mutate_value(rng, value)).encode()
    return mutate_bytes(rng, data) if rng.random() < 0.15 else data


def mutate_bytes(rng: Random, data: bytes) -> bytes:
    """Bytes that were flipped, cut, repeated or put in."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
        at = rng.randrange(len(changed) + 1)
        what = rng.randrange(6)
        if what <= 1 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif what == 2:
            del changed[at : at + rng.choice((1, 4, 100, 10_000))]
        elif what == 3:
            changed[at:at] = rng.choice(
                (b"\0" * 8, b"\xff" * 8, b"[" * 50, b"\x1b[2J", rng.randbytes(20))
            )
        elif what == 4:
            changed[at : at + 8] = struct.pack("<Q", rng.choice((0, 1, 2**31, 2**40, 2**63)))[
                : len(changed[at : at + 8])
            ]
        elif rng.random() < 0.3:
            del changed[at:]
    return bytes(changed)


# ---- files of tensors -------------------------------------------------------------------------


def safetensors_bytes(arrays: dict[str, np.ndarray], metadata: dict[str, str] | None) -> bytes:
    """As `safetensors` writes them, whatever the metadata are."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata is not None else {}
    at, parts = 0, []
    names = {np.dtype(np.float32): "F32", np.dtype(np.float16): "F16", np.dtype(np.int64): "I64", np.dtype(np.uint8): "U8", np.dtype(bool): "BOOL", np.dtype(np.float64): "F64"}  # fmt: skip
    for name, array in arrays.items():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + len(data)],
        }
        at += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def mutate_arrays(rng: Random, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors that are missing, misshapen, of another type, or not finite."""
    arrays = {name: array.copy() for name, array in arrays.items()}
    name = rng.choice(list(arrays))
    array, what = arrays[name], rng.randrange(9)
    if what == 0:
        del arrays[name]
    elif what == 1:
        arrays[name] = array.T.copy()
    elif what == 2:
        arrays[name] = np.zeros((0,) + array.shape[1:], array.dtype)
    elif what == 3:
        arrays[name] = array.astype(rng.choice([np.float16, np.int64, np.uint8, bool, np.float64]))
    elif what == 4:
        arrays[name] = array[None] if rng.random() < 0.5 else array.reshape(-1)
    elif what == 5:
        arrays[str(rng.choice(TEXTS))[:300]] = array
    elif what == 6:
        arrays[name] = np.zeros(rng.choice([(1,), (5000, 2), (2, 5000), (1, 1, 1, 1)]), array.dtype)
    elif array.size and array.dtype.kind == "f":
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice([np.nan, np.inf, -np.inf, 3e38])
    return arrays


def mutate_safetensors_header(rng: Random, data: bytes) -> bytes:
    """A safetensors file whose header is mutated as JSON."""
    length = struct.unpack("<Q", data[:8])[0]
    text = json_bytes(rng, json.loads(data[8 : 8 + length]))
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


class _Calls:
    """What unpickling would call, were it let."""

    def __init__(self, function: Callable, *arguments: Any):
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable, tuple]:
        return self.function, self.arguments


def hostile_pickle(rng: Random, good: bytes) -> bytes:
    """A `.pt` file: a zip whose pickle is another one, or no zip at all."""
    nested: Any = []
    for _ in range(200):
        nested = [nested]
    values = [_Calls(os.system, "touch evil"), _Calls(bytearray, 10**11), _Calls(list, range(10)), nested, {"a": 1}, "text", 3, [1, 2], _Calls(eval, "1"), b"x" * 100]  # fmt: skip
    made = pickle.dumps(rng.choice(values), protocol=2)
    if rng.random() < 0.2:
        return made if rng.random() < 0.5 else mutate_bytes(rng, good)
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(good)) as old,
        zipfile.ZipFile(
            written, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        ) as new,
    ):
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                data = made if rng.random() < 0.6 else mutate_bytes(rng, data)
            elif rng.random() < 0.2:
                data = rng.choice((b"", b"\0" * 50_000_000, data[: len(data) // 2]))
            if rng.random() < 0.95:
                new.writestr(entry.filename, data)
    return written.getvalue()


# ---- pictures and places ----------------------------------------------------------------------


def picture_bytes(rng: Random) -> bytes:
    """A picture of some mode, size and format."""
    mode = rng.choice(("RGB", "RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "F"))
    size = rng.choice(((32, 32), (64, 48), (16, 16), (1, 1), (17, 300), (40, 17), (200, 130)))
    picture = Image.new(mode, size)
    if mode in ("RGB", "RGBA", "L", "CMYK"):
        picture = Image.frombytes(
            mode, size, rng.randbytes(size[0] * size[1] * len(picture.getbands()))
        )
    data = io.BytesIO()
    for kind in (rng.choice(("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")), "TIFF"):
        try:
            picture.save(data, kind, icc_profile=rng.choice((None, None, b"junk" * 40)))
            break
        except (OSError, ValueError):  # a mode that the format does not have
            data = io.BytesIO()
    return data.getvalue()


def bomb(rng: Random) -> bytes:
    """Many pixels in few bytes."""
    side = rng.choice((9000, 10_000, 12_000, 40_000))
    if side == 40_000:  # one line says so, and there is nothing behind it
        return b"P6 40000 40000 255\n" if rng.random() < 0.3 else _lying_png(40_000, 40_000)
    data = io.BytesIO()
    Image.new(rng.choice(("1", "L", "P")), (side, rng.choice((side, 1300)))).save(
        data, rng.choice(("PNG", "GIF"))
    )
    return data.getvalue()


def _lying_png(width: int, height: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (16, 16)).save(data, "PNG")
    return data.getvalue()[:16] + struct.pack(">II", width, height) + data.getvalue()[24:]


def disturb(rng: Random, folder: Path) -> None:
    """One file or folder below `folder` becomes another one, goes, or gets company."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir() or rng.random() < 0.3)
    path = rng.choice(files)
    what = rng.randrange(9)
    if what <= 1 and path.is_file():
        path.write_bytes(mutate_bytes(rng, path.read_bytes()))
        return
    if what == 2 and path.is_file():
        path.write_bytes(picture_bytes(rng))
        return
    if what == 3:
        path = path.with_name(
            rng.choice(
                (
                    "extra.json",
                    "x.png",
                    "\x1b[2J.png",
                    "a\nb.jpg",
                    "n" * 200 + ".png",
                    ".hidden",
                    "model.safetensors",
                )
            )
        )
    remove(path)
    if what == 4:
        os.mkfifo(path)
    elif what == 5:
        path.symlink_to(rng.choice(("nowhere", "/dev/zero", "/etc/hostname", ".", path.name)))
    elif what == 6:
        path.mkdir()
    elif what in (3, 7):
        path.write_bytes(rng.choice((b"", b"{}", b"[]", b"\xff\xfe", rng.randbytes(300))))


def remove(path: Path) -> None:
    """A file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        for inner in path.iterdir():
            remove(inner)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


# ---- YAML -------------------------------------------------------------------------------------


def yaml_bytes(rng: Random, good: str) -> bytes:
    """A config that is nearly the good one."""
    lines = good.splitlines()
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, what = rng.randrange(len(lines)), rng.randrange(6)
        key, colon, _ = lines[at].partition(":")
        if what <= 1 and colon:
            lines[at] = f"{key}: {rng.choice((json.dumps(hostile(rng)), str(hostile(rng))[:3000]))}"
        elif what == 2:
            lines[at : at + 1] = []
        elif what == 3:
            lines[at:at] = rng.choice(RAW_YAML).splitlines()
        elif what == 4:
            lines[at] = mutate_text(rng, lines[at])
        else:
            lines[at:at] = [lines[rng.randrange(len(lines))]]
        lines = lines or [""]
    text = rng.choice(RAW_YAML) if rng.random() < 0.15 else "\n".join(lines)
    data = text.encode("utf-8", "surrogatepass")
    return mutate_bytes(rng, data) if rng.random() < 0.1 else data
