"""train/run.py with one more kind of method, which makes rows in a single pass: no steps, no
optimiser. Used by test_one_pass.py in its own process, and started by it. No file of unictoken is
opened for it.
"""

from __future__ import annotations

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from unictoken.core.config import within
from unictoken.data.source import check_learnable
from unictoken.learn.method import Learned
from unictoken.learn.methods import MethodSettings
from unictoken.learn.run import register
from unictoken.tokens.tokens import ConceptTokens


@dataclass(frozen=True, kw_only=True)
class OnePassSettings(MethodSettings):
    scale: float = 1.0
    """Of the rows."""

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


if __name__ == "__main__":
    register("one_pass", OnePass, OnePassSettings)
    program = Path(__file__).parents[2] / "train" / "run.py"
    sys.argv[0] = str(program)
    sys.path.insert(0, str(program.parent))  # as Python does for a program
    runpy.run_path(str(program), run_name="__main__")
