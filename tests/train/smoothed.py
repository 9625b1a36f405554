"""An objective with a setting of its own: cross-entropy that leaves a part of each label to all
other ids.

    python train/run.py --import tests/train/smoothed.py --config mine.yaml

The setting stands in a class of settings, which a kind of method has: the usual method under another
name. The objective reads it there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from unictoken.core.config import within
from unictoken.data.sequence import IGNORE, Batch
from unictoken.learn.methods import OBJECTIVES, Method
from unictoken.learn.objective import CrossEntropy
from unictoken.learn.optimize import OptimizeRows
from unictoken.learn.run import register


@dataclass(frozen=True, kw_only=True)
class SmoothedSettings(Method):
    objective: str = "smoothed"
    smoothing: float = 0.1
    """Of each label, the part that all ids share."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within("smoothing", self.smoothing, 0, 1)


class Smoothed(CrossEntropy):
    def loss(self, logits_NV: torch.Tensor, batch: Batch) -> torch.Tensor:
        labels_BT = batch.labels_BT[:, 1:]
        counted_BT = labels_BT != IGNORE
        losses_N = torch.nn.functional.cross_entropy(
            logits_NV.float(),
            labels_BT[counted_BT],
            reduction="none",
            label_smoothing=self.examples.method.smoothing,
        )
        share_BT = batch.weights_B[:, None] * counted_BT / counted_BT.sum(1, True).clamp_min(1)
        return (losses_N * share_BT[counted_BT]).sum()


OBJECTIVES.register("smoothed", Smoothed)
register("smoothed", OptimizeRows, SmoothedSettings)
