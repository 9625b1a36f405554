"""Prior preservation: a base that is fine-tuned on one concept goes on learning what it drew of the
class noun before (DreamBooth, Ruiz et al. 2023, section 3.2).

Without it every dog that the fine-tuned base draws may become the one dog. For the kind 'lora' alone:
where the base is frozen, an example that does not name the concept gives its rows no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from unictoken.data.prompts import noun_text
from unictoken.data.sequence import Example, Turn, join_turns
from unictoken.learn.examples import Examples
from unictoken.learn.methods import Prior, Stage
from unictoken.learn.negatives import noun_drawings
from unictoken.learn.objective import CrossEntropy
from unictoken.model.protocol import Base
from unictoken.tasks.teaching import a_picture


def preserving(examples: Examples, seed: int, *, base: Base, prior: Prior) -> PriorPreserving:
    """The objective, with pictures that the base draws now. Raises `BaseError` for a base that
    cannot draw.

    Args:
        examples: Of the concept.
        seed: Of the drawings and of every choice.
        base: As it is before it is fine-tuned.
        prior: How many pictures, and the weight of their loss.
    """
    class_noun = examples.teaching.material.class_noun
    drawn_MK = noun_drawings(base, class_noun, prior.pictures, seed).cpu()
    return PriorPreserving(examples, seed, drawn_MK, prior.weight)


@dataclass(frozen=True)
class PriorPreserving(CrossEntropy):
    """The usual examples, and for each that draws the concept one that draws its class noun, as the
    base did before (equation 2).
    """

    drawn_MK: torch.Tensor
    """Image ids of the base's own drawings of the class noun."""
    weight: float
    """Of the loss of one of these, times that of a drawing; equation 2's lambda."""

    def made(self, stage: Stage, step: int, share: slice) -> tuple[list[Example], list[float]]:
        """The usual examples of a step, then those of the class noun."""
        own, weights = super().made(stage, step, share)
        drawing = self.examples.vocab.begin_image
        # Lots of their own: the examples of the concept are those of a method without a prior.
        rng = np.random.default_rng([self.seed, step, 1])
        prior = [self._prior(rng) for example in own if drawing in example.labels]
        weights += [self.weight * stage.generation_weight] * len(prior)
        # The learner divides by all examples: as many more must not make the concept's count less.
        more = (len(own) + len(prior)) / len(own)
        return [*own, *prior], [weight * more for weight in weights]

    def _prior(self, rng: np.random.Generator) -> Example:
        """One drawing of the class noun, without any introduction of the concept."""
        vocab, noun = self.examples.vocab, self.examples.teaching.material.class_noun
        picture = vocab.picture(a_picture(self.drawn_MK, rng))
        asked = Turn(vocab.encode(noun_text(noun)))
        return join_turns([asked, Turn(picture, learned=True)], vocab)
