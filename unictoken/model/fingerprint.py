"""Which base this is, by its weights as they are stored.

A fingerprint is the sha256 of one line for each tensor, sorted: name, stored dtype, shape, sha256
of its bytes. So it is the same whatever dtype the weights are loaded in and however many files hold
them, and it is another one when any weight is another one. Files are read in slices: memory is
constant.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unictoken.core.disk import write_aside
from unictoken.core.errors import UserError
from unictoken.core.reading import StoredTensor, read_json, read_safetensors_header

if TYPE_CHECKING:
    import torch

SLICE = 2**24  # bytes that are read at once; whole numbers of every dtype
SLOW = 256 * 2**20  # bytes of weights from which on the fingerprint is kept beside them
CACHE = ".unictoken-fingerprint.json"
CACHE_KIND = "sha256 of stored tensors, 1"  # another way to compute it gets another text
# What format 1 of the concept file took the fingerprint of.
INPUT_ROWS, HEAD_ROWS = "model.embed_tokens.weight", "lm_head.weight"


@dataclass(frozen=True)
class _Stored:
    """One tensor in a file: what its bytes mean, and where they lie."""

    file: Path
    tensor: StoredTensor

    def slices(self) -> Iterator[bytes]:
        with open(self.file, "rb") as file:
            file.seek(self.tensor.begin)
            left = self.tensor.end - self.tensor.begin
            while left:
                part = file.read(min(SLICE, left))
                if not part:
                    raise UserError(f"{self.file}: ends too early. Fetch the checkpoint again.")
                left -= len(part)
                yield part


class StoredWeights:
    """The weight files of a base as they were when it was loaded."""

    def __init__(self, files: Sequence[Path]):
        self.files = tuple(files)
        self.state = _state(self.files)

    def fingerprint(self) -> str:
        """Of every tensor in the files; of large ones it is computed once and kept beside them."""
        self._check_unchanged()
        large = sum(size for _, size, *_ in self.state) > SLOW
        cache = self.files[0].parent / CACHE
        if large and (kept := _read_cache(cache, self.state)):
            return kept

        lines = (
            _line(name, stored.tensor.dtype, stored.tensor.shape, stored.slices())
            for file in self.files
            for name, stored in _tensors_of(file).items()
        )
        fingerprint = _of_lines(lines)
        self._check_unchanged()
        if large:
            _write_cache(cache, self.state, fingerprint)
        return fingerprint

    def row_fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of format 1: of weights loaded in fp32, and in bf16."""
        self._check_unchanged()
        found: dict[str, _Stored] = {}
        for file in self.files:
            found |= _tensors_of(file)
        if INPUT_ROWS not in found:
            return ()
        tied = found.get(HEAD_ROWS, found[INPUT_ROWS])  # a head that shares the rows is not stored
        as_stored, in_bf16 = hashlib.sha256(), hashlib.sha256()
        for rows in (found[INPUT_ROWS], tied):
            for part in rows.slices():
                values = _to_fp32(part, rows.tensor.dtype)
                as_stored.update(values.tobytes())
                in_bf16.update(_through_bf16(values).tobytes())
        return as_stored.hexdigest(), in_bf16.hexdigest()

    def _check_unchanged(self) -> None:
        # Without ctime, which also changes with the file's permissions.
        if [now[:3] for now in _state(self.files)] != [then[:3] for then in self.state]:
            raise UserError(
                f"{self.files[0].parent}: its weight files changed after they were loaded, so that "
                "nobody can say which base this is. Load it again, or put the files back."
            )


def of_tensors(tensors: Mapping[str, torch.Tensor]) -> str:
    """The fingerprint of a base that was made in memory: what its files would have, saved as it
    is.
    """
    import torch

    def parts(tensor: torch.Tensor) -> Iterator[bytes]:
        # As bytes: numpy has no bfloat16.
        yield tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()

    return _of_lines(_line(n, _dtype_name(t), tuple(t.shape), parts(t)) for n, t in tensors.items())


def rows_of_tensors(input_rows: torch.Tensor, head_rows: torch.Tensor) -> tuple[str, ...]:
    """The fingerprints of format 1 of a base that was made in memory: as it is, and in bf16."""
    as_stored, in_bf16 = hashlib.sha256(), hashlib.sha256()
    for rows in (input_rows, head_rows):
        values = rows.detach().float().cpu().contiguous().numpy()
        as_stored.update(values.tobytes())
        in_bf16.update(_through_bf16(values).tobytes())
    return as_stored.hexdigest(), in_bf16.hexdigest()


def _line(name: str, dtype: str, shape: tuple[int, ...], parts: Iterable[bytes]) -> str:
    seen = hashlib.sha256()
    for part in parts:
        seen.update(part)
    # As JSON: a name with a space or a line break must not read as two fields.
    return f"{json.dumps(name)} {dtype} {list(shape)} {seen.hexdigest()}\n"


def _of_lines(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _tensors_of(file: Path) -> dict[str, _Stored]:
    """The tensors of a safetensors file."""
    tensors = read_safetensors_header(file, UserError, "weights of a base").tensors
    return {name: _Stored(file, tensor) for name, tensor in tensors.items()}


def _dtype_name(tensor: torch.Tensor) -> str:
    """The dtype as safetensors calls it: 'F32', 'BF16', 'I64', ..."""
    kind, bits = re.fullmatch(
        r"torch\.(bfloat|float|uint|int|bool)(\d*).*", str(tensor.dtype)
    ).groups()
    return {"bfloat": "BF", "float": "F", "uint": "U", "int": "I", "bool": "BOOL"}[kind] + bits


def _to_fp32(part: bytes, dtype: str) -> np.ndarray:
    if dtype == "BF16":
        # bf16 is the upper half of fp32.
        return (np.frombuffer(part, "<u2").astype("<u4") << 16).view("<f4")
    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
    if dtype not in kinds:
        raise UserError(
            f"rows of type {dtype}: expected F64, F32, F16 or BF16. Fetch the checkpoint again."
        )
    return np.frombuffer(part, kinds[dtype]).astype("<f4")


def _through_bf16(values: np.ndarray) -> np.ndarray:
    """Rounded to the nearest bf16, ties to even, as torch does it."""
    bits = np.ascontiguousarray(values, "<f4").view("<u4")
    # Adding 0x7FFF rounds up only above the middle. Adding the lowest kept bit as well rounds a tie
    # to even.
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype("<u4").view("<f4")


def _state(files: Sequence[Path]) -> list[list]:
    """Name, size, mtime and ctime of each file: what tells that it is not the one that was read.

    ctime moves where a copy keeps the mtime; of a file that is the same, a change of rights moves
    it too.
    """
    stats = ((file.name, file.stat()) for file in files)
    return [[name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] for name, stat in stats]


def _read_cache(cache: Path, state: list[list]) -> str | None:
    """The kept fingerprint, if it is of exactly these files."""
    try:
        kept = read_json(cache, UserError)
    except (OSError, UserError):  # not there, or no JSON: it is computed again
        return None
    if not isinstance(kept, dict) or kept.get("kind") != CACHE_KIND or kept.get("files") != state:
        return None
    fingerprint = kept.get("fingerprint")
    whole = isinstance(fingerprint, str) and re.fullmatch("[0-9a-f]{64}", fingerprint)
    return fingerprint if whole else None


def _write_cache(cache: Path, state: list[list], fingerprint: str) -> None:
    kept = {"kind": CACHE_KIND, "files": state, "fingerprint": fingerprint}
    # a folder that only others may write into: computed again then
    with suppress(OSError, UserError):
        write_aside(cache, json.dumps(kept).encode())
