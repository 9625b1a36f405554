"""Tokens behind a gate (MyVLM, Alaluf et al. 2024, section 3.1): a small classifier on features of
the frozen base says whether a picture shows the concept. Where it says no, the tokens are not put
before the base at all, so that what it says is its own, bit for bit.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from unictoken.core.shapes import Fields, Number, Text, check
from unictoken.core.text import ConceptError
from unictoken.model.encoders import AskedEncoder
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition, together
from unictoken.personalize.memory.gate import logistic
from unictoken.personalize.query import Query
from unictoken.personalize.words import in_words

# Of the squared weights: with a memory's 1e-2, which must do with fewer pictures of others, .58 of
# the hard negatives of <tom> keep the gate closed; with 1e-3 .75, with 1e-4 and 1e-5 .83.
PENALTY = 1e-4
STEPS = 200  # of L-BFGS, at most
GATE = "gate"  # the section of a concept file
MOST_LETTERS = 2**20  # of the weights, as the file has them: 200,000 features
_SHAPE = Fields(
    {"weights": Text(MOST_LETTERS), "bias": Number(), "threshold": Number(0, 1)}, said="a gate"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureGate:
    """A logistic regression on the base's features of a picture (`AskedEncoder`)."""

    weights_F: np.ndarray
    bias: float
    threshold: float = 0.5
    """The probability above which it opens."""

    def probabilities(self, base: Base, pictures_NK: torch.Tensor) -> list[float]:
        """P(the picture shows the concept), of image ids [N, K]."""
        if not len(pictures_NK):
            return []
        scores_N = AskedEncoder(base).of_ids(pictures_NK) @ self.weights_F + self.bias
        found: list[float] = torch.from_numpy(scores_N).sigmoid().tolist()
        return found

    def section(self) -> dict[str, object]:
        """What a concept file keeps of it."""
        weights = base64.b64encode(self.weights_F.astype("<f4").tobytes()).decode("ascii")
        return {"weights": weights, "bias": self.bias, "threshold": self.threshold}


def learn_gate(
    base: Base, own_NK: torch.Tensor, others_MK: torch.Tensor, *, threshold: float
) -> PictureGate:
    """A gate that tells a concept's pictures from others'.

    Args:
        base: Frozen; its features are compared.
        own_NK: Image ids of the concept's pictures.
        others_MK: Of others'.
        threshold: The probability above which the gate opens.
    """
    # As the base is asked: its plain features tell a concept from look-alikes far less well.
    encoder = AskedEncoder(base)
    own_NF, others_MF = encoder.of_ids(own_NK), encoder.of_ids(others_MK)
    # What all pictures share is taken off and given back as a part of the bias.
    centre_F = np.concatenate([own_NF, others_MF]).mean(0)
    weights_F, bias = logistic(
        own_NF - centre_F, others_MF - centre_F, penalty=PENALTY, steps=STEPS
    )
    weights = weights_F.numpy()
    return PictureGate(
        weights_F=weights, bias=float(bias) - float(weights @ centre_F), threshold=threshold
    )


def read_gate(section: object, where: str, base: Base) -> PictureGate:
    """The gate of a concept file's section.

    Args:
        section: Parsed JSON, of whoever made the file.
        where: Its place, for the message.
        base: Which it was learned on.
    """
    said = check(section, _SHAPE, where, ConceptError, advice="Learn the concept again.")
    features = len(AskedEncoder(base).questions) * base.width
    # Bounded by its shape before it is decoded.
    try:
        raw = base64.b64decode(said["weights"], validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 4 * features or not np.isfinite(weights := np.frombuffer(raw, "<f4")).all():
        raise ConceptError(
            f"{where}: found no {features} finite numbers under 'weights', expected a gate of base"
            f" '{base.name}'. Learn the concept again."
        )
    return PictureGate(
        weights_F=weights, bias=float(said["bias"]), threshold=float(said["threshold"])
    )


@dataclass(frozen=True)
class GatedTokens(Condition):
    """Learned tokens that are put before questions about pictures which the gate opens for, and
    before what is about no picture.

    Whether a picture shows the concept the gate alone decides, as in MyVLM.
    """

    gate: PictureGate | None = field(default=None, compare=False, repr=False, kw_only=True)

    def conditions(self, queries: Sequence[Query]) -> list[Condition]:
        # A probability is what the gate itself says; without a picture there is nothing to ask it.
        asked = [i for i, q in enumerate(queries) if q.image_ids and q.wanted != "probability"]
        answers: list[Condition] = [self] * len(queries)
        shown_NK = torch.tensor([queries[i].image_ids for i in asked])
        closed = self._closed()
        for i, opens in zip(asked, self._opens(shown_NK), strict=True):
            if not opens:
                answers[i] = closed[self.name in queries[i].named(self.names)]
        return answers

    def recognise(self, images_NK: torch.Tensor) -> list[float]:
        assert self.gate
        return self.gate.probabilities(self.base, images_NK)

    def _opens(self, images_NK: torch.Tensor) -> list[bool]:
        assert self.gate
        return [p > self.gate.threshold for p in self.recognise(images_NK)]

    def _closed(self) -> Mapping[bool, Condition]:
        """What stands before a question whose gate is closed, by whether it says the name: the base
        alone, which knows no marker, reads the plain word in its place.
        """
        return {
            True: in_words(self.base, self.name, ""),
            False: together(self.base, ()),
        }
