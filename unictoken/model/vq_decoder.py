"""The decoder of a VQGAN, read from other files to complete a base that was published without it.

facebook/chameleon-7b  +  leloy/Anole-7b-v0.1-vqvae-hf, or tokenizer/vqgan.ckpt of the original
download
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from safetensors import safe_open

from unictoken.core.errors import UserError
from unictoken.core.pictures import is_pointer
from unictoken.core.shipped import here_or_on_hub
from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.model.internals import HTTPError

# A decoder works only with the codebook that it was trained with: these must equal the base's.
SHARED = ("quantize.embedding.weight", "post_quant_conv.weight", "post_quant_conv.bias")
ORIGINAL = ("vqgan.ckpt", "tokenizer/vqgan.ckpt")
# 'model.vqmodel.' in a whole base, nothing in a VQGAN by itself.
_PREFIX = re.compile(r"^(model\.)?(vqmodel\.)?")


class DecoderError(UserError):
    """A decoder that cannot be used: where, what was found, what was expected."""


def add_decoder(tokenizer: ImageTokenizer, place: str | Path) -> None:
    """Load the decoder at `place` into the image tokenizer, if it was trained for the same codes.

    `place` is a Hub name, a folder or a file: safetensors (of the VQGAN alone or of a whole model),
    or a torch checkpoint.
    """
    found = read_vqgan(place)
    ours = tokenizer.state_dict()
    for name in SHARED:
        if name not in found:
            raise DecoderError(
                f"vq_decoder '{place}': no '{name}'. Expected a whole VQGAN, such as"
                " leloy/Anole-7b-v0.1-vqvae-hf."
            )
        # Compared as bf16, in which a base may have stored it.
        if found[name].shape != ours[name].shape or not torch.equal(
            found[name].bfloat16(), ours[name].cpu().bfloat16()
        ):
            raise DecoderError(
                f"vq_decoder '{place}': its '{name}' is not the base's, so it would draw other"
                " codes. Use the base's own VQGAN."
            )
    decoder = {name: tensor for name, tensor in found.items() if name not in SHARED}
    expected = {name: tensor.shape for name, tensor in ours.items() if name.startswith("decoder.")}
    if wrong := sorted(
        name
        for name in expected | decoder
        if name not in decoder or decoder[name].shape != expected.get(name)
    ):
        raise DecoderError(
            f"vq_decoder '{place}': {len(wrong)} of {len(expected)} tensors are missing or of"
            f" another shape, '{wrong[0]}' first. Expected a whole VQGAN, such as"
            " leloy/Anole-7b-v0.1-vqvae-hf."
        )
    # What a checkpoint lacks was made in the transformer's dtype.
    tokenizer.decoder.float().load_state_dict(
        {name.removeprefix("decoder."): tensor for name, tensor in decoder.items()}
    )


def read_vqgan(place: str | Path) -> dict[str, torch.Tensor]:
    """The decoder's tensors and the SHARED ones, named as in the original download:
    'decoder.conv_in.weight'.
    """
    found = {}
    for file in _files(place):
        try:
            for name, tensor in _read(file):
                if name in found:
                    raise DecoderError(
                        f"{file}: found '{name}' twice (two prefixes or two files). Expected one"
                        " VQGAN: give its file alone."
                    )
                if not tensor.is_floating_point() or not tensor.isfinite().all():
                    raise DecoderError(
                        f"{file}: '{name}' ({tensor.dtype}) holds values that are not finite"
                        " floating numbers. Fetch it again."
                    )
                found[name] = tensor
        except (DecoderError, MemoryError):
            raise
        # unpickling meets arbitrary bytes, and raises whatever these lead to
        except Exception as error:
            raise DecoderError(
                f"{file}: not a file of plain tensors ({_reason(file, error)}). Fetch it again."
            ) from None
    return found


def _reason(file: Path, error: Exception) -> str:
    """In one line, without torch's advice to unpickle it all the same."""
    if file.is_file() and is_pointer(file):
        return "a pointer of Git LFS; `git lfs pull` fetches it"
    # torch writes its advice around the reason: 'Weights only load failed. ... WeightsUnpickler
    # error: REASON Please use ...'.
    said = " ".join(str(error).split()).rpartition("WeightsUnpickler error: ")[2]
    said = said.split(" Please use ")[0].split(" Check the documentation")[0]
    return (
        type(error).__name__
        if said.startswith("Weights only load failed")
        else f"{type(error).__name__}: {said[:120]}"
    )


def _files(place: str | Path) -> list[Path]:
    place = here_or_on_hub(place, "vq_decoder", "a file such as vqgan.ckpt, a folder")
    path = Path(place)
    if path.is_file():
        return [path]
    if not path.is_dir():
        try:
            # Never a pickle from the Hub: vqgan.ckpt is read from a local path only.
            path = Path(snapshot_download(str(place), allow_patterns="*.safetensors"))
        except (OSError, ValueError, HTTPError) as error:
            reason = " ".join(str(error).split())[:120]
            raise DecoderError(
                f"vq_decoder '{place}': no such file or folder, and not fetched from the Hub"
                f" ({reason})."
            ) from None
    files = sorted(path.glob("*.safetensors")) or [
        path / name for name in ORIGINAL if (path / name).is_file()
    ]
    if not files:
        raise DecoderError(
            f"vq_decoder '{place}': found neither *.safetensors nor {' nor '.join(ORIGINAL)}."
        )
    return files


def _read(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Wanted tensors of one file; of a large one nothing else is read."""
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as opened:
            yield from (
                (name, opened.get_tensor(key)) for key in opened.keys() if (name := _wanted(key))
            )
        return
    # Numbers and no code: ways around `weights_only` were closed in torch 2.6 and 2.10, and
    # setup.py asks for a later one.
    # On the CPU: a file that was saved on a GPU is read without one.
    tensors = torch.load(file, map_location="cpu", weights_only=True)
    # The original download keeps the weights under 'state_dict'.
    tensors = tensors.get("state_dict", tensors) if isinstance(tensors, dict) else tensors
    if not isinstance(tensors, dict) or not all(isinstance(key, str) for key in tensors):
        raise DecoderError(
            f"{file}: found {type(tensors).__name__}, expected a state dict of tensors. Give"
            " tokenizer/vqgan.ckpt."
        )
    yield from (
        (name, tensor)
        for key, tensor in tensors.items()
        if torch.is_tensor(tensor) and (name := _wanted(key))
    )


def _wanted(key: str) -> str | None:
    name = _PREFIX.sub("", key)
    return name if name.startswith("decoder.") or name in SHARED else None
