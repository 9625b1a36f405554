"""An encoder's file: one `.safetensors` of half precision, with a JSON header that names its base.

    header: unictoken_encoder = {"format": 1, "base": ..., "base_fingerprint": ..., "shape": ..., "sha256": ..., ...}

As with concept files, the sha256 is that of the tensors and of everything else in the header.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from unictoken.core.config import ConfigError
from unictoken.core.disk import quoted, write_aside
from unictoken.core.errors import UserError
from unictoken.core.reading import parse_json, read_safetensors_header
from unictoken.core.shapes import Fields, ListOf, Maybe, Text, Whole, check
from unictoken.core.text import ROLES
from unictoken.model.protocol import Base
from unictoken.personalize.encode import (
    MOST_HEADS,
    MOST_LAYERS,
    MOST_QUESTIONS,
    MOST_WIDTH,
    ConceptEncoder,
    EncoderShape,
)
from unictoken.tokens.file import MOST_ROWS, digest_with_header
from unictoken.tokens.tokens import Prompts

FORMAT = 1
KEY = "unictoken_encoder"
MOST_BYTES = 256 * 2**20  # of a file; that of the tiny base has 5 MB
MOST_STEPS = 10**9
EXPECTED = "an encoder's file such as checkpoints/tiny-chameleon/encoder.safetensors"
_AGAIN = "Fetch it again, or train it (train/encoder.py)."
_WORDS, _DIGEST = Text(1000), Text(200)
_COUNTS = Fields(
    {"name": Whole(1, 1)},
    {role: Whole(0, MOST_ROWS) for role in ROLES[1:]},
    said="whole numbers by role",
)
_SHAPE = Fields(
    {
        "width": Whole(1, MOST_WIDTH),
        "layers": Whole(1, MOST_LAYERS),
        "heads": Whole(1, MOST_HEADS),
        "counts": _COUNTS,
        "prompts": Fields(
            {f.name: _WORDS for f in dataclasses.fields(Prompts)} | {"generation": Maybe(_WORDS)},
            said="prompts",
        ),
        "questions": ListOf(_WORDS, MOST_QUESTIONS),
    },
    said="the shape of an encoder",
)
HEADER = Fields(
    {
        "format": Whole(FORMAT, FORMAT),
        "base": _WORDS,
        "base_fingerprint": _DIGEST,
        "shape": _SHAPE,
        "steps": Whole(0, MOST_STEPS),
        "sha256": _DIGEST,
    }
)


class EncoderFileError(UserError):
    """An encoder that cannot be used: where, what was found, what was expected."""


def save(encoder: ConceptEncoder, base: Base, path: Path, *, steps: int) -> Path:
    """Write the file; the same encoder gives the same bytes.

    Args:
        encoder: What is kept.
        base: What it was trained on.
        path: Where.
        steps: How long it was trained.
    """
    tensors = {
        # The scales too: 3 digits of them are enough, and one type is easier to check.
        name: np.ascontiguousarray(tensor.detach().cpu().half().numpy())
        for name, tensor in encoder.state_dict().items()
    }
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise EncoderFileError(
            f"{path}: the encoder holds values that are not finite, or too large for half"
            " precision. Nothing was written. Use a smaller rate."
        )
    header = {
        "format": FORMAT,
        "base": base.name,
        "base_fingerprint": base.fingerprint,
        "shape": dataclasses.asdict(encoder.shape),
        "steps": steps,
    }
    header["sha256"] = digest_with_header(header, tensors)
    write_aside(path, to_bytes(tensors, metadata={KEY: json.dumps(header, sort_keys=True)}))
    return path


def load(path: Path, base: Base) -> ConceptEncoder:
    """The encoder of a file, in fp32 on the CPU; one of another base is refused."""
    header, tensors = _open(path)
    if header["base_fingerprint"] != base.fingerprint:
        raise EncoderFileError(
            f"{path}: trained on base '{header['base']}' ({header['base_fingerprint'][:12]}), this"
            f" one is '{base.name}' ({base.fingerprint[:12]}). Train one for this base"
            " (train/encoder.py) and name it (`--set method.encoder=FILE`), or choose another"
            " method, such as 'joint'."
        )
    shape = _shape(header["shape"], path)
    # Without memory: a shape of any size is said in a few bytes, and what is read must have it.
    with torch.device("meta"):
        encoder = ConceptEncoder(shape, width=base.width, codes=base.codes_per_picture)
    _check_shapes(encoder, tensors, path)
    weights = {name: torch.from_numpy(tensor).float() for name, tensor in tensors.items()}
    encoder.load_state_dict(weights, assign=True)
    return encoder.eval().requires_grad_(False)


def read_header(path: Path) -> dict[str, Any]:
    """What an encoder's file says about itself."""
    return _open(path)[0]


def _open(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    stored = read_safetensors_header(path, EncoderFileError, EXPECTED, most=MOST_BYTES)
    if KEY not in stored.metadata:
        raise EncoderFileError(
            f"{path}: a safetensors file without a '{KEY}' header. Expected {EXPECTED}, which"
            " train/encoder.py writes."
        )
    for key, tensor in stored.tensors.items():
        if tensor.dtype != "F16":
            raise EncoderFileError(
                f"{path}: {quoted(key)} is of type {tensor.dtype}, expected F16. {_AGAIN}"
            )
    try:
        header = parse_json(stored.metadata[KEY])
    except ValueError as error:
        raise EncoderFileError(
            f"{path}: its header is not JSON with every key once ({error}). {_AGAIN}"
        ) from None
    check(header, HEADER, f"{path}: header", EncoderFileError, advice=_AGAIN)
    try:
        with safe_open(path, "np") as file:
            tensors = {key: file.get_tensor(key) for key in stored.tensors}
    except (SafetensorError, OSError) as error:
        raise EncoderFileError(
            f"{path}: not a whole safetensors file ({error}). Expected {EXPECTED}. {_AGAIN}"
        ) from None
    if digest_with_header(header, tensors) != header["sha256"]:
        raise EncoderFileError(
            f"{path}: its weights or its header do not match the sha256 in its header. {_AGAIN}"
        )
    return header, tensors


def _shape(said: dict[str, Any], path: Path) -> EncoderShape:
    parts = {"prompts": Prompts(**said["prompts"]), "questions": tuple(said["questions"])}
    try:
        return EncoderShape(**{**said, **parts})
    except ConfigError as error:
        raise EncoderFileError(f"{path}: header: {error} {_AGAIN}") from None


def _check_shapes(encoder: ConceptEncoder, tensors: dict[str, np.ndarray], path: Path) -> None:
    """Refuse weights that are not those of the network which the header describes."""
    expected = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != expected:
        names = sorted(expected.keys() | found.keys())
        wrong = next(name for name in names if found.get(name) != expected.get(name))
        raise EncoderFileError(
            f"{path}: {quoted(wrong)} has shape {found.get(wrong, 'none')}, expected"
            f" {expected.get(wrong, 'none')}. {_AGAIN}"
        )
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise EncoderFileError(f"{path}: holds values that are not finite. {_AGAIN}")
