"""MyVLM's gate (2403.14599, section 3.1): a small classifier for each concept on features of
pictures. Where it stays closed, the concept is not put before the base at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from unictoken.core.config import within
from unictoken.personalize.memory.vectors import Vectors

MOST_NEGATIVES = 500  # pictures of others that one classifier learns from
PENALTY = 1e-2  # of the squared weights: there are more features than pictures
STEPS = 50  # of L-BFGS, at most


@dataclass(frozen=True, kw_only=True)
class Gate:
    """How a gate is learned and when it opens."""

    threshold: float = 0.5
    """The probability above which it opens."""
    negatives: np.ndarray | None = None
    """Features of pictures of nobody who is remembered, [M, F]; None: others' pictures alone."""

    def __post_init__(self) -> None:
        within("threshold", self.threshold, 0.0, 1.0)


class Classifiers:
    """Logistic regressions, one for each concept of one version of a memory, each learned when it
    is first asked.

    Args:
        vectors: Features of the memory's pictures.
        gate: Its threshold and negatives.
    """

    def __init__(self, vectors: Vectors, gate: Gate):
        self.vectors, self.gate = vectors, gate
        self._learned: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def opens(self, name: str, feature: np.ndarray) -> bool:
        """Whether a picture of this feature [F] may show the concept."""
        return self.probability(name, feature) > self.gate.threshold

    def probability(self, name: str, feature: np.ndarray) -> float:
        """P(the picture shows the concept). Without any picture of others nothing can be learned:
        then the calibrated cosine decides, 1 or 0.
        """
        own, others = self._pictures(name)
        query = self.vectors.unit(feature[None])
        if not len(others):
            place = self.vectors.names.index(name)
            cosine = float(self.vectors.concepts_EF[place] @ query[0])
            return float(cosine >= self.vectors.limits.same)
        if name not in self._learned:
            self._learned[name] = logistic(own, others)
        weights_F, bias = self._learned[name]
        return float(torch.sigmoid(torch.from_numpy(query[0]) @ weights_F + bias))

    def _pictures(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Features of the concept's pictures, and of others'."""
        vectors = self.vectors
        is_own = vectors.owners == vectors.names.index(name)
        others = vectors.pictures_NF[~is_own]
        # Evenly over the memory: the same ones in every process.
        if len(others) > MOST_NEGATIVES:
            others = others[np.linspace(0, len(others) - 1, MOST_NEGATIVES).astype(int)]
        if self.gate.negatives is not None:
            others = np.concatenate([others, vectors.unit(self.gate.negatives)])
        return vectors.pictures_NF[is_own], others


def logistic(
    own: np.ndarray, others: np.ndarray, *, penalty: float = PENALTY, steps: int = STEPS
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights [F] and bias of a logistic regression; own pictures and others weigh the same in
    all.

    Args:
        own: Features of the concept's pictures, [N, F].
        others: Of others', [M, F].
        penalty: Of the squared weights.
        steps: Of L-BFGS, at most.
    """
    # By torch, which is there: scikit-learn would be one more requirement for twenty lines.
    features = torch.from_numpy(np.concatenate([own, others]))
    labels = torch.cat([torch.ones(len(own)), torch.zeros(len(others))])
    weight = torch.where(labels == 1, 0.5 / len(own), 0.5 / len(others))
    weights_F = torch.zeros(features.shape[1], requires_grad=True)
    bias = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([weights_F, bias], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        scores = features @ weights_F + bias
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            scores, labels, weight=weight, reduction="sum"
        )
        total = losses + penalty * weights_F.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return weights_F.detach(), bias.detach()
