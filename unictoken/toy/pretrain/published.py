"""What the tiny base's config says for plain `transformers`: its class."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import ChameleonConfig

# What config.json names: ours adds a decoder to them, and nobody else has it.
ARCHITECTURE, IMAGE_TOKENIZER = "ChameleonForConditionalGeneration", "ChameleonVQVAE"


def named_for_everyone(config: ChameleonConfig) -> ChameleonConfig:
    """A config that names the classes of `transformers`, whose weights these are, too."""
    config.architectures = [ARCHITECTURE]
    config.vq_config.architectures = [IMAGE_TOKENIZER]
    return config
