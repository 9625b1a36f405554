"""A base of the real class with random weights from a fixed seed, and concepts with random rows."""

from __future__ import annotations

import torch
from transformers import PreTrainedTokenizerFast

from unictoken.model.chameleon import EarlyFusionModel
from unictoken.model.protocol import Base
from unictoken.tokens.tokens import ConceptTokens
from unictoken.toy.pretrain import image_tokenizer, language, vocabulary

CODES = 64


def tokenizer() -> PreTrainedTokenizerFast:
    return vocabulary.build(CODES)


def model(tokenizer: PreTrainedTokenizerFast) -> EarlyFusionModel:
    torch.manual_seed(0)
    vq = image_tokenizer.build(image_tokenizer.TokenizerSettings(num_codes=CODES, width=32))
    made = language.build(
        language.LanguageSettings(width=32, layers=2, heads=2, ffn_width=64), tokenizer, vq
    )
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if ".vqmodel." not in name:
                parameter.copy_(parameter.bfloat16())  # what a saved base keeps
    return made


def concept(base: Base, name: str = "bo", **counts: int) -> ConceptTokens:
    """A concept with random rows: its name's, and those of each role."""
    counts = {"name": 1, **(counts or {"shared": 4})}
    rows = torch.randn(
        2, sum(counts.values()), base.width, generator=torch.Generator().manual_seed(len(name))
    )
    return ConceptTokens(
        name=name,
        class_noun="dog",
        counts=counts,
        rows_in=rows[0],
        rows_out=rows[1],
        base_name=base.name,
        base_fingerprint=base.fingerprint,
    )
