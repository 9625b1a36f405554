"""One more kind of method, which makes rows in a single pass: no steps, no optimiser.

    python train/run.py --import tests/train/one_pass.py --config mine.yaml

No file of unictoken is opened for it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from unictoken.core.config import Place, within
from unictoken.data.source import check_learnable
from unictoken.learn.method import Learned
from unictoken.learn.methods import MethodSettings
from unictoken.learn.run import register
from unictoken.tokens.tokens import ConceptTokens


@dataclass(frozen=True, kw_only=True)
class OnePassSettings(MethodSettings):
    scale: float = 1.0
    """Of the rows."""
    weights: Place | None = None
    """A file of an encoder, say; this method only has it in its digest."""

    def decisive(self) -> dict[str, Any]:
        plain = super().decisive()
        if self.weights:  # what the file holds, wherever it lies
            plain["weights"] = hashlib.sha256(Path(self.weights).read_bytes()).hexdigest()
        return plain

    def __post_init__(self) -> None:
        super().__post_init__()
        within("scale", self.scale, above=True)


class OnePass:
    """Each row is the mean of a part of the pictures' own rows."""

    def __init__(self, settings: OnePassSettings):
        self.settings = settings

    def fit(self, base, concepts, *, run):
        (given,) = concepts
        concept = check_learnable(given).read()
        run.folder.find(base, concept)
        run.folder.begin(0)
        counts = self.settings.tokens.counts
        codes = base.encode(concept.pictures).flatten().to(base.device)
        parts = base.embed(codes).float().cpu().chunk(sum(counts.values()))
        rows = self.settings.scale * torch.stack([part.mean(0) for part in parts])
        tokens = ConceptTokens(
            name=concept.name,
            class_noun=concept.class_noun,
            counts=counts,
            rows_in=rows,
            rows_out=rows,
            prompts=self.settings.prompts,
            method=self.settings.name,
            base_name=base.name,
            base_fingerprint=base.fingerprint,
            seed=run.seed,
            consent=concept.consent,
            source=concept.digest(),
            run=run.folder.signature,
        )
        return Learned(base, tokens, concept)


register("one_pass", OnePass, OnePassSettings)
