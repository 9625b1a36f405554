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
from safetensors import SafetensorError, safe_open

from unictoken.core.disk import is_file, is_folder
from unictoken.core.errors import UserError
from unictoken.core.pictures import is_pointer
from unictoken.core.reading import read_safetensors_header
from unictoken.core.shipped import here_or_on_hub
from unictoken.model.image_tokenizer import ImageTokenizer
from unictoken.model.internals import HTTPError
from unictoken.model.pickles import load_pickle

# A decoder works only with the codebook that it was trained with: these must equal the base's.
SHARED = ("quantize.embedding.weight", "post_quant_conv.weight", "post_quant_conv.bias")
ORIGINAL = ("vqgan.ckpt", "tokenizer/vqgan.ckpt")
EXPECTED = "a whole VQGAN such as tokenizer/vqgan.ckpt"
MOST_BYTES = 2**29  # of its tensors; Chameleon's has 280 MB
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
        if is_file(file) and is_pointer(file):
            raise DecoderError(
                f"{file}: a pointer of Git LFS, expected {EXPECTED}. `git lfs pull` fetches it."
            )
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
        except (SafetensorError, OSError) as error:
            raise DecoderError(
                f"{file}: not a whole file of plain tensors ({str(error)[:120]}). Fetch it again."
            ) from None
    return found


def _files(place: str | Path) -> list[Path]:
    place = here_or_on_hub(place, "vq_decoder", "a file such as vqgan.ckpt, a folder")
    path = Path(place)
    if is_file(path):
        return [path]
    if not is_folder(path):
        try:
            # Never a pickle from the Hub: vqgan.ckpt is read from a local path only.
            path = Path(snapshot_download(str(place), allow_patterns="*.safetensors"))
        except (OSError, ValueError, HTTPError) as error:
            reason = " ".join(str(error).split())[:120]
            raise DecoderError(
                f"vq_decoder '{place}': no such file or folder, and not fetched from the Hub"
                f" ({reason}). Look at the name, and at the connection."
            ) from None
    files = sorted(path.glob("*.safetensors")) or [
        path / name for name in ORIGINAL if is_file(path / name)
    ]
    if not files:
        raise DecoderError(
            f"vq_decoder '{place}': found neither *.safetensors nor"
            f" {' nor '.join(ORIGINAL)}. Give a folder or a file with one of them."
        )
    return files


def _read(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Wanted tensors of one file; of a large one nothing else is read."""
    if file.suffix == ".safetensors":
        stored = read_safetensors_header(file, DecoderError, EXPECTED).tensors
        wanted = {key: tensor for key, tensor in stored.items() if _wanted(key)}
        _check_size(file, sum(tensor.end - tensor.begin for tensor in wanted.values()))
        with safe_open(file, "pt") as opened:
            yield from ((_wanted(key), opened.get_tensor(key)) for key in wanted)
        return
    tensors = load_pickle(file, DecoderError, EXPECTED, most=MOST_BYTES)
    # The original download keeps the weights under 'state_dict'.
    tensors = tensors.get("state_dict", tensors) if isinstance(tensors, dict) else tensors
    if not isinstance(tensors, dict) or not all(isinstance(key, str) for key in tensors):
        raise DecoderError(
            f"{file}: found {type(tensors).__name__}, expected a state dict of tensors. Give"
            " tokenizer/vqgan.ckpt."
        )
    wanted = {key: tensor for key, tensor in tensors.items() if _wanted(key)}
    wanted = {key: tensor for key, tensor in wanted.items() if torch.is_tensor(tensor)}
    # not of the file: a tensor with a stride of 0 is small there only
    _check_size(file, sum(4 * tensor.numel() for tensor in wanted.values()))
    yield from ((_wanted(key), tensor) for key, tensor in wanted.items())


def _check_size(file: Path, size: int) -> None:
    if size > MOST_BYTES:
        raise DecoderError(
            f"{file}: its tensors take {size:,} bytes, expected {EXPECTED} of at most"
            f" {MOST_BYTES:,}. Fetch it again."
        )


def _wanted(key: str) -> str | None:
    name = _PREFIX.sub("", key)
    return name if name.startswith("decoder.") or name in SHARED else None
