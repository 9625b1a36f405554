"""Other people's files as numbers and nothing else: no pickle that names code is followed."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors

from unictoken.core.disk import quoted
from unictoken.core.reading import read_safetensors_header
from unictoken.core.text import ConceptError
from unictoken.model.pickles import load_pickle

MOST_BYTES = 64 * 2**20  # a concept's rows take a few MB; more is another thing, or a trap
EXPECTED = "a file of learned tokens"
DTYPES = (torch.float32, torch.bfloat16, torch.float16)  # what fp32 holds exactly


def read_rows(path: Path) -> torch.Tensor:
    """The one tensor of a `.pt` or `.safetensors` file, finite and in fp32, of any shape.

    `.pt`: what torch.save has written since 1.6, a tensor or a Parameter. `.safetensors`: one key,
    of any name.
    """
    return plain_rows(_embeds(path) if path.suffix == ".safetensors" else _pickled(path), path)


def plain_rows(rows: torch.Tensor, path: Path) -> torch.Tensor:
    """A tensor of a file, if it is plain and finite and no larger than a concept's: in fp32."""
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
    # Of the tensor, too: one with a stride of 0 is small in its file only.
    if (size := 4 * rows.numel()) > MOST_BYTES:
        raise ConceptError(
            f"{path}: {size:,} bytes of it, expected at most {MOST_BYTES:,}: a concept's rows take"
            " a few MB. Look whether it is the file that you mean."
        )
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


def _pickled(path: Path) -> torch.Tensor:
    found = load_pickle(path, ConceptError, EXPECTED, most=MOST_BYTES)
    # Not isinstance: a subclass could bring methods of its own.
    if type(found) not in (torch.Tensor, torch.nn.Parameter):
        raise ConceptError(
            f"{path}: holds a {type(found).__name__}, expected one tensor. Give that file."
        )
    return found.detach()


def _embeds(path: Path) -> torch.Tensor:
    keys = sorted(read_safetensors_header(path, ConceptError, EXPECTED, most=MOST_BYTES).tensors)
    if len(keys) != 1:
        raise ConceptError(
            f"{path}: holds {len(keys)} keys {quoted(keys[:3])}, expected one, the token, such as"
            " '<bo>'. Give such a file."
        )
    return read_tensor(path, keys[0])


def read_tensor(path: Path, key: str) -> torch.Tensor:
    """One tensor of a `.safetensors` file whose header was read."""
    try:
        with safe_open(path, "pt") as file:
            return file.get_tensor(key)
    except (SafetensorError, OSError) as error:
        raise ConceptError(
            f"{path}: not a whole file of plain tensors ({type(error).__name__}:"
            f" {str(error)[:160]}). Nothing in it was run. Fetch it again."
        ) from None
