"""Picture and text encoders behind one small interface, and the named scores that are made with them.

A CLIP-I says nothing without its encoder and how the references are met: ViT-B/32 with every single one in one paper, ViT-L/14 with
their mean in another. So a score is a preset, and its title, which names both, is printed with it.

    clip = load_encoder("clip-vit-b32")                                  # or a folder that save_pretrained wrote
    similarity("clip_i", clip, drawn, references)   ->  {"CLIP-I (ViT-B/32, pairwise)": .71}
    similarity("clip_t", clip, drawn, prompts)      ->  {"CLIP-T (ViT-B/32)": .30}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, CLIPModel

from unictoken.measure.metrics import matched_similarity, mean_reference_similarity, pairwise_similarity
from unictoken.model.base import Base

BATCH = 16


class EncoderError(ValueError):
    """An encoder that cannot be loaded or used: which, what was found, what to do."""


class Encoder(Protocol):
    """What turns pictures into features: `name`, and rows [N, F] that are compared by their angle."""

    name: str

    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray: ...


class TextEncoder(Encoder, Protocol):
    """One that puts texts [N, F] beside them."""

    def texts(self, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True)
class BaseEncoder:
    """The base's own features: its last hidden state after it has read a picture's image ids. Always there, comparable with no paper.

    That state tells two pictures of one pet from a look-alike's better than the mean over the image ids or the mean of their rows
    (area under the curve .74, .64, .56 on 24 unseen pets of the tiny base).
    """

    base: Base
    name: str = "base"

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        vocab = self.base.vocab
        ids = torch.tensor([[vocab.bos, *vocab.picture(picture)] for picture in self.base.encode(pictures).tolist()], device=self.base.device)
        read = [self.base.hidden(self.base.embed(part))[:, -1] for part in ids.split(BATCH)]
        return torch.cat(read).float().cpu().numpy()


class ClipEncoder:
    """CLIP: pictures and texts in one space, after its projections (Radford et al. 2021)."""

    def __init__(self, name: str, weights: str | Path):
        self.name = name
        self.model = _model(CLIPModel, name, weights)
        self.processor, self.tokenizer = _part(AutoImageProcessor, name, weights), _part(AutoTokenizer, name, weights)

    @property
    def patch(self) -> int:
        return self.model.config.vision_config.patch_size

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return _in_batches(pictures, lambda part: self.model.get_image_features(**_pixels(self, part)).pooler_output)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        longest = self.model.config.text_config.max_position_embeddings

        def features(part):
            ids = self.tokenizer(list(part), padding=True, truncation=True, max_length=longest, return_tensors="pt")
            return self.model.get_text_features(**ids.to(self.model.device)).pooler_output

        return _in_batches(texts, features)


class DinoEncoder:
    """DINO (Caron et al. 2021) and DINOv2 (Oquab et al. 2023): the class token after the last norm."""

    def __init__(self, name: str, weights: str | Path):
        self.name = name
        self.model = _model(AutoModel, name, weights)
        self.processor = _part(AutoImageProcessor, name, weights)

    @property
    def patch(self) -> int:
        return self.model.config.patch_size

    @torch.no_grad()
    def pictures(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return _in_batches(pictures, lambda part: self.model(**_pixels(self, part)).last_hidden_state[:, 0])


@dataclass(frozen=True)
class Weights:
    """An encoder of a known name: its kind, where its weights are published, how it is printed, pixels of a patch's side."""

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


def load_encoder(name: str, weights: str | Path | None = None) -> ClipEncoder | DinoEncoder:
    """An encoder of ENCODERS, on the GPU where there is one; from a folder, else from where it is published."""
    if name not in ENCODERS:
        raise EncoderError(f"encoder '{name}': unknown. Expected one of {', '.join(ENCODERS)}.")
    known = ENCODERS[name]
    encoder = known.kind(name, weights or known.published)
    if encoder.patch != known.patch:
        raise EncoderError(f"encoder '{name}': patches of {encoder.patch} pixels at '{weights}', expected {known.patch}. Give {known.published}.")
    return encoder


Comparison = Literal["pairwise", "mean reference", "prompts"]
COMPARE: dict[Comparison, Callable[[np.ndarray, np.ndarray], float]] = {
    "pairwise": pairwise_similarity,
    "mean reference": mean_reference_similarity,
    "prompts": matched_similarity,
}


@dataclass(frozen=True)
class Preset:
    """A score: what it is called, its encoder, and how a drawing meets the references or its prompt."""

    title: str
    encoder: str
    compare: Comparison

    @property
    def name(self) -> str:
        """What is printed with the score: 'CLIP-I (ViT-B/32, pairwise)'."""
        printed = ENCODERS[self.encoder].printed if self.encoder in ENCODERS else self.encoder
        return f"{self.title} ({printed}, {self.compare})"


PRESETS = {
    "clip_i": Preset("CLIP-I", "clip-vit-b32", "pairwise"),  # DreamBooth, UniCTokens
    "clip_i_yochameleon": Preset("CLIP-I", "clip-vit-l14", "mean reference"),
    "clip_t": Preset("CLIP-T", "clip-vit-b32", "prompts"),  # DreamBooth, UniCTokens
    "dino_i": Preset("DINO-I", "dino-vit-s16", "pairwise"),  # DreamBooth
    "dinov2_i": Preset("DINOv2-I", "dinov2-vit-s14", "pairwise"),
    "base_i": Preset("similarity", "base", "pairwise"),
}


def similarity(preset: str, encoder: Encoder, drawn: Sequence[Image.Image], compared: Sequence[Image.Image] | Sequence[str]) -> dict[str, float]:
    """The score under its printed name. `compared`: the reference pictures, or for CLIP-T one prompt for each drawn picture."""
    if preset not in PRESETS:
        raise EncoderError(f"score '{preset}': unknown. Expected one of {', '.join(PRESETS)}.")
    made = PRESETS[preset]
    if encoder.name != made.encoder:
        raise EncoderError(f"score '{preset}': found encoder '{encoder.name}', expected '{made.encoder}'. Another encoder's number is another score.")
    met = encoder.texts(compared) if made.compare == "prompts" else encoder.pictures(compared)
    return {made.name: COMPARE[made.compare](encoder.pictures(drawn), met)}


def _part(kind, name: str, weights: str | Path, **how):
    """A part of an encoder as `transformers` saved it."""
    try:
        return kind.from_pretrained(weights, **how)
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"encoder '{name}': nothing to load at '{weights}' ({' '.join(str(error).split())[:120]}). "
            "Give a folder that save_pretrained wrote, or leave its scores out."
        ) from None


def _model(kind, name: str, weights: str | Path):
    """The frozen model in fp32, every weight of it there, on the GPU where there is one."""
    model, loaded = _part(kind, name, weights, output_loading_info=True, dtype=torch.float32)
    # DINO's published weights have no pooler; the class token is taken before that.
    if lacking := sorted(key for key in loaded["missing_keys"] if not key.startswith("pooler.")):
        raise EncoderError(f"encoder '{name}': {len(lacking)} weights are missing at '{weights}', '{lacking[0]}' first. Fetch them again.")
    return model.eval().requires_grad_(False).to("cuda" if torch.cuda.is_available() else "cpu")


def _pixels(encoder: ClipEncoder | DinoEncoder, pictures: Sequence[Image.Image]):
    """Pictures as the encoder's own processor makes them, on its device."""
    rgb = [picture.convert("RGB") for picture in pictures]
    return encoder.processor(images=rgb, return_tensors="pt").to(encoder.model.device)


def _in_batches(inputs: Sequence, features: Callable) -> np.ndarray:
    parts = [inputs[i : i + BATCH] for i in range(0, len(inputs), BATCH)]
    if not parts:
        raise EncoderError("encoder: found nothing to encode. Expected one picture or text, or more.")
    return torch.cat([features(part) for part in parts]).float().cpu().numpy()
