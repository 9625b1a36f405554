"""The named scores of drawings that are made with an encoder.

A CLIP-I says nothing without its encoder and how drawings are compared with the references:
ViT-B/32 with every single one in one paper, ViT-L/14 with their mean in another. So a score is a
preset, and its title, which names both, is printed with it.

    clip = load_encoder("clip-vit-b32")
    similarity("clip_i", clip, drawn, references)   ->  {"CLIP-I (ViT-B/32, pairwise)": .71}
    similarity("clip_t", clip, drawn, prompts)      ->  {"CLIP-T (ViT-B/32, prompts)": .30}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from PIL import Image

from unictoken.model.encoders import ENCODERS, Encoder, EncoderError, TextEncoder
from unictoken.scoring.metrics import (
    matched_similarity,
    mean_reference_similarity,
    pairwise_similarity,
)

COPIED = "copied"
"""The column that says how much of drawings is a reference again; every base has it."""
Comparison = Literal["pairwise", "mean reference", "prompts"]
COMPARE: dict[Comparison, Callable[[np.ndarray, np.ndarray], float]] = {
    "pairwise": pairwise_similarity,
    "mean reference": mean_reference_similarity,
    "prompts": matched_similarity,
}


@dataclass(frozen=True)
class Preset:
    """A score: what it is called, its encoder, and how a drawing meets the references or its
    prompt.
    """

    title: str
    encoder: str
    compare: Comparison

    @property
    def reads_prompts(self) -> bool:
        """Whether drawings are compared with their prompts, and not with pictures."""
        return COMPARE[self.compare] is matched_similarity

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


def similarity(
    preset: str,
    encoder: Encoder,
    drawn: Sequence[Image.Image],
    compared: Sequence[Image.Image] | Sequence[str],
) -> dict[str, float]:
    """The score under its printed name.

    Args:
        preset: a key of `PRESETS`.
        encoder: the one that the preset names (`load_encoder`).
        drawn: the pictures to be scored.
        compared: the reference pictures, or for CLIP-T one prompt for each drawn picture.
    """
    if preset not in PRESETS:
        raise EncoderError(f"score '{preset}': unknown. Expected one of {', '.join(PRESETS)}.")
    made = PRESETS[preset]
    if encoder.name != made.encoder:
        raise EncoderError(
            f"score '{preset}': found encoder '{encoder.name}', expected '{made.encoder}'. Another"
            " encoder's number is another score."
        )
    # A preset that compares with prompts names an encoder that reads texts.
    if made.reads_prompts:
        features = cast(TextEncoder, encoder).texts(cast(Sequence[str], compared))
    else:
        features = encoder.pictures(cast(Sequence[Image.Image], compared))
    return {made.name: COMPARE[made.compare](encoder.pictures(drawn), features)}
