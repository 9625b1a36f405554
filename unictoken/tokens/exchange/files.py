"""Other people's files as numbers and nothing else: no pickle that names code is followed."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from unictoken.core.text import ConceptError

MAX_BYTES = 64 * 2**20  # a concept's rows take a few MB; more is another thing, or a trap
DTYPES = (torch.float32, torch.bfloat16, torch.float16)  # what fp32 holds exactly


def read_rows(path: Path) -> torch.Tensor:
    """The one tensor of a `.pt` or `.safetensors` file, finite and in fp32, of any shape.

    `.pt`: what torch.save has written since 1.6, a tensor or a Parameter. `.safetensors`: one key,
    of any name.
    """
    if not path.is_file():
        raise ConceptError(
            f"{path}: {'a folder' if path.is_dir() else 'no such file'}. Expected a file of learned"
            " tokens."
        )
    _check_size(path, path.stat().st_size)
    rows = _embeds(path) if path.suffix == ".safetensors" else _pickled(path)
    if (
        rows.is_nested
        or rows.dtype not in DTYPES
        or rows.layout != torch.strided
        or rows.device.type != "cpu"
    ):
        found = f"{'nested ' * rows.is_nested}{rows.dtype}, {rows.layout}, on {rows.device}"
        raise ConceptError(f"{path}: found {found}; expected plain float32, bfloat16 or float16.")
    if not rows.numel():
        raise ConceptError(f"{path}: found shape {tuple(rows.shape)}, expected (rows, width).")
    # Again: a tensor with a stride of 0 is small in its file only.
    _check_size(path, 4 * rows.numel())
    if not rows.isfinite().all():
        raise ConceptError(f"{path}: holds values that are not finite. Fetch it again.")
    return rows.float().contiguous()


def to_bytes(rows: torch.Tensor, token: str, ending: str) -> bytes:
    """Rows as a file of the kind that `ending` names; `token` is the key in a `.safetensors`."""
    if ending == ".safetensors":
        return to_safetensors({token: rows}, metadata={"format": "pt"})
    written = io.BytesIO()
    torch.save(rows, written)
    return written.getvalue()


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise ConceptError(
            f"{path}: {size:,} bytes of it, expected at most {MAX_BYTES:,}: a concept's rows take a"
            " few MB."
        )


def _pickled(path: Path) -> torch.Tensor:
    try:
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            if file.read(4) != b"PK\x03\x04":  # torch would take it for a bare pickle
                raise zipfile.BadZipFile("does not begin as a zip")
            entries = archive.infolist()
            # Before anything is unpacked: a small zip may hold gigabytes.
            _check_size(path, sum(entry.file_size for entry in entries))
            if broken := archive.testzip():
                raise zipfile.BadZipFile(f"{broken} does not match its checksum")
        # torch could read the other one of the two.
        if len({entry.filename for entry in entries}) < len(entries):
            raise zipfile.BadZipFile("two entries of one name")
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
    ) as error:
        raise _unreadable(path, error) from None
    try:
        with warnings.catch_warnings(action="ignore"):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken or hostile pickle raises whatever it likes
        raise _unreadable(path, error) from None
    # Not isinstance: a subclass could bring methods of its own.
    if type(found) not in (torch.Tensor, torch.nn.Parameter):
        raise ConceptError(f"{path}: holds a {type(found).__name__}, expected one tensor.")
    return found.detach()


def _embeds(path: Path) -> torch.Tensor:
    try:
        with safe_open(path, "pt") as file:
            keys = sorted(file.keys())
            if len(keys) != 1:
                raise ConceptError(
                    f"{path}: holds {len(keys)} keys {keys[:3]}, expected one, the token, such as"
                    " '<bo>'."
                )
            return file.get_tensor(keys[0])
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> ConceptError:
    # Only torch's first sentence: what follows advises to read the file with code all the same.
    said = (str(error).splitlines() or [""])[0].split(". ")[0][:160]
    return ConceptError(
        f"{path}: not a whole file of plain tensors ({type(error).__name__}: {said}). Nothing in it"
        " was run. Fetch it again."
    )
