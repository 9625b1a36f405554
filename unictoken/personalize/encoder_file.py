"""An encoder's file: one `.safetensors` of half precision, with a JSON header that names its base.

    header: unictoken_encoder = {"format": 1, "base": ..., "base_fingerprint": ..., "shape": ..., "sha256": ..., ...}

As with concept files, the sha256 is that of the tensors and of everything else in the header.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from unictoken.core.config import ConfigError
from unictoken.core.errors import UserError
from unictoken.core.shapes import Fields, ListOf, Maybe, Text, Whole
from unictoken.core.shipped import MOST_ENCODER
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
from unictoken.personalize.weights_file import WeightsFile
from unictoken.tokens.file import MOST_ROWS
from unictoken.tokens.tokens import Prompts

FORMAT = 1
KEY = "unictoken_encoder"
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


FILE = WeightsFile(
    key=KEY,
    header=HEADER,
    what="the encoder",
    expected=EXPECTED,
    maker="train/encoder.py",
    again=_AGAIN,
    refusal=EncoderFileError,
    most=MOST_ENCODER,
)


def save(encoder: ConceptEncoder, base: Base, path: Path, *, steps: int) -> Path:
    """Write the file; the same encoder gives the same bytes.

    Args:
        encoder: What is kept.
        base: What it was trained on.
        path: Where.
        steps: How long it was trained.
    """
    header = {
        "format": FORMAT,
        "base": base.name,
        "base_fingerprint": base.fingerprint,
        "shape": dataclasses.asdict(encoder.shape),
        "steps": steps,
    }
    return FILE.write(path, header, encoder.state_dict())


def load(path: Path, base: Base) -> ConceptEncoder:
    """The encoder of a file, in fp32 on the CPU; one of another base is refused."""
    header, tensors = FILE.read(path)
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
    expected = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    FILE.check_shapes(path, tensors, expected)
    weights = {name: torch.from_numpy(tensor).float() for name, tensor in tensors.items()}
    encoder.load_state_dict(weights, assign=True)
    return encoder.eval().requires_grad_(False)


def read_header(path: Path) -> dict[str, Any]:
    """What an encoder's file says about itself."""
    return FILE.read(path)[0]


def _shape(said: dict[str, Any], path: Path) -> EncoderShape:
    parts = {"prompts": Prompts(**said["prompts"]), "questions": tuple(said["questions"])}
    try:
        return EncoderShape(**{**said, **parts})
    except ConfigError as error:
        raise EncoderFileError(f"{path}: header: {error} {_AGAIN}") from None
