"""Picture and text encoders behind one small interface: they rank look-alikes, and drawings are
scored with them.

    load_encoder("clip-vit-b32").pictures(pictures)      ->  features [N, F]       (or from a folder that save_pretrained wrote)
    BaseEncoder(base).pictures(pictures)                 ->  features [N, D], always at hand
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, CLIPModel

from unictoken.core.errors import UserError
from unictoken.core.shipped import here_or_on_hub
from unictoken.model.base import usual_device
from unictoken.model.protocol import Base

BATCH = 16
OF_BASE = "base"  # the name of a base's own features, which need no other weights


class EncoderError(UserError):
    """An encoder that cannot be loaded or used: which, what was found, what to do."""


class Encoder(Protocol):
    """What turns pictures into features: `name`, and rows [N, F] that are compared by their
    angle.
    """

    name: str

    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray: ...


class TextEncoder(Encoder, Protocol):
    """One that turns texts into features of the same space too."""

    def texts(self, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True)
class BaseEncoder:
    """The base's own features: its last hidden state after it has read a picture's image ids.
    Always there, comparable with no paper.

    That state tells two pictures of one pet from a look-alike's better than the mean over the image
    ids or the mean of their rows (area under the curve .74, .64, .56 on 24 unseen pets of the tiny
    base).
    """

    base: Base
    name: str = OF_BASE

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        vocab = self.base.vocab
        # All are equally long: nothing is padded.
        ids = torch.tensor(
            [
                [*vocab.begin, *vocab.picture(picture)]
                for picture in self.base.encode(pictures).tolist()
            ],
            device=self.base.device,
        )
        read = [self.base.hidden(self.base.embed(part))[:, -1] for part in ids.split(BATCH)]
        return torch.cat(read).float().cpu().numpy()


class ClipEncoder:
    """CLIP: pictures and texts in one space, after its projections (Radford et al. 2021)."""

    def __init__(self, name: str, weights: str | Path):
        self.name = name
        self.model = _model(CLIPModel, name, weights)
        self.processor, self.tokenizer = (
            _image_processor(name, weights),
            _part(AutoTokenizer, name, weights),
        )

    @property
    def patch(self) -> int:
        return self.model.config.vision_config.patch_size

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return _in_batches(
            pictures,
            # Since transformers 5 an object, whose `pooler_output` is the projected feature.
            lambda part: self.model.get_image_features(**_pixels(self, part)).pooler_output,
        )

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        longest = self.model.config.text_config.max_position_embeddings

        def features(part: Sequence[str]) -> torch.Tensor:
            # CLIP has 77 positions: the end of a longer text is not compared.
            ids = self.tokenizer(
                list(part), padding=True, truncation=True, max_length=longest, return_tensors="pt"
            )
            return self.model.get_text_features(**ids.to(self.model.device)).pooler_output

        return _in_batches(texts, features)


class DinoEncoder:
    """DINO (Caron et al. 2021) and DINOv2 (Oquab et al. 2023): the class token after the last
    norm.
    """

    def __init__(self, name: str, weights: str | Path):
        self.name = name
        self.model = _model(AutoModel, name, weights)
        self.processor = _image_processor(name, weights)

    @property
    def patch(self) -> int:
        return self.model.config.patch_size

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return _in_batches(
            pictures, lambda part: self.model(**_pixels(self, part)).last_hidden_state[:, 0]
        )


@dataclass(frozen=True)
class Weights:
    """An encoder of a known name: its kind, where its weights are published, how it is printed,
    pixels of a patch's side.
    """

    kind: type[ClipEncoder] | type[DinoEncoder]
    published: str
    printed: str
    patch: int


ENCODERS = {
    "clip-vit-b32": Weights(ClipEncoder, "openai/clip-vit-base-patch32", "ViT-B/32", 32),
    "clip-vit-l14": Weights(ClipEncoder, "openai/clip-vit-large-patch14", "ViT-L/14", 14),
    "dino-vit-s16": Weights(DinoEncoder, "facebook/dino-vits16", "ViT-S/16", 16),
    "dinov2-vit-s14": Weights(DinoEncoder, "facebook/dinov2-small", "ViT-S/14", 14),
}


def load_encoder(
    name: str, weights: str | Path | None = None, *, base: Base | None = None
) -> Encoder:
    """An encoder of ENCODERS, on the GPU where there is one; or 'base', a base's own features.

    Args:
        name: Which.
        weights: A folder; None: where it is published.
        base: Whose features 'base' are.
    """
    if name == OF_BASE and base is not None:
        return BaseEncoder(base)
    if name not in ENCODERS:
        raise EncoderError(f"encoder '{name}': unknown. Expected one of {', '.join(ENCODERS)}.")
    known = ENCODERS[name]
    encoder = known.kind(name, here_or_on_hub(weights or known.published, f"encoder '{name}'"))
    # A folder may hold another size of this encoder, whose scores compare with nobody's.
    if encoder.patch != known.patch:
        raise EncoderError(
            f"encoder '{name}': patches of {encoder.patch} pixels at '{weights}', expected"
            f" {known.patch}. Give {known.published}."
        )
    return encoder


class _Pretrained(Protocol):
    """A class of `transformers` that loads what `save_pretrained` wrote."""

    def from_pretrained(self, weights: str | Path, /, **how: Any) -> Any: ...


def _part(kind: _Pretrained, name: str, weights: str | Path, **how: Any) -> Any:
    """A part of an encoder as `transformers` saved it."""
    try:
        return kind.from_pretrained(weights, **how)
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"encoder '{name}': nothing to load at '{weights}'"
            f" ({' '.join(str(error).split())[:120]}). Give a folder that save_pretrained wrote, or"
            " leave its scores out."
        ) from None


def _image_processor(name: str, weights: str | Path) -> Any:
    """Always the one on Pillow: with torchvision installed, the default would give other scores."""
    return _part(AutoImageProcessor, name, weights, backend="pil")


def _model(kind: _Pretrained, name: str, weights: str | Path) -> Any:
    """The frozen model in fp32, every weight of it there, on the GPU where there is one."""
    model, loaded = _part(kind, name, weights, output_loading_info=True, dtype=torch.float32)
    # DINO's published weights have no pooler; the class token is taken before that.
    if lacking := sorted(key for key in loaded["missing_keys"] if not key.startswith("pooler.")):
        raise EncoderError(
            f"encoder '{name}': {len(lacking)} weights are missing at '{weights}', '{lacking[0]}'"
            " first. Fetch them again."
        )
    return model.eval().requires_grad_(False).to(usual_device())


def _pixels(encoder: ClipEncoder | DinoEncoder, pictures: Sequence[Image.Image]):
    """Pictures as the encoder's own processor makes them, on its device."""
    rgb = [picture.convert("RGB") for picture in pictures]
    return encoder.processor(images=rgb, return_tensors="pt").to(encoder.model.device)


def _in_batches(inputs: Sequence, features: Callable) -> np.ndarray:
    parts = [inputs[i : i + BATCH] for i in range(0, len(inputs), BATCH)]
    if not parts:
        raise EncoderError(
            "encoder: found nothing to encode. Expected one picture or text, or more."
        )
    return torch.cat([features(part) for part in parts]).float().cpu().numpy()
