"""The method whose tokens stand behind a gate: MyVLM's, with the base's own features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from unictoken.data.concept import Concept
from unictoken.data.source import SourceError
from unictoken.learn.method import Learned, Run
from unictoken.learn.methods import GatedMethod
from unictoken.learn.optimize import OptimizeRows
from unictoken.learn.prepare import Prepared
from unictoken.model.protocol import Base
from unictoken.personalize.gated import GATE, learn_gate


class OptimizeGated(OptimizeRows):
    """Optimises rows as `OptimizeRows` does; then learns the gate, from the same pictures and those
    of others. The gate stands in the concept file's section 'gate'.
    """

    settings: GatedMethod

    def check(self, concept: Concept, prepared: Prepared) -> None:
        if not prepared.material.negatives:
            raise SourceError(
                f"'{concept.name}': method '{self.settings.name}' learns a gate from pictures of"
                " others, and there are none. Put some into negative_example/, or set"
                " `distractors`."
            )

    def fit(self, base: Base, concepts: Sequence[Concept], *, run: Run) -> Learned:
        learned = super().fit(base, concepts, run=run)
        assert learned.prepared
        material = learned.prepared.material
        others_MK = torch.cat(list(material.negatives.values()))
        gate = learn_gate(base, material.pictures_NK, others_MK, threshold=self.settings.threshold)
        tokens = learned.tokens
        sections = {**tokens.sections, GATE: gate.section()}
        return replace(learned, tokens=replace(tokens, sections=sections))
