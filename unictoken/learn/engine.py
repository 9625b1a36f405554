"""What makes a step of a stage: plain torch here, DeepSpeed in `train/engine.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import nn

from unictoken.data.sequence import Batch
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Stage

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of each value beside the value itself."""


class Engine(Protocol):
    """One optimiser step on a share of a batch."""

    def step(self, batch: Batch, lr: float) -> float:
        """Train on this process's examples; gives the loss of the whole batch."""

    def state(self) -> dict[str, torch.Tensor]:
        """rows, exp_avg, exp_avg_sq: what `load` takes to go on exactly."""

    def load(self, tensors: dict[str, torch.Tensor], steps: int) -> None:
        """Go on from a state after `steps` steps of the stage."""


class TorchEngine:
    """One process, plain torch."""

    def __init__(self, learner: Learner, stage: Stage):
        self.learner = learner
        self.optimiser = torch.optim.AdamW([learner.rows], **adamw_settings(stage))

    def step(self, batch: Batch, lr: float) -> float:
        # The rate comes with each step, so that a checkpoint needs no scheduler's state.
        self.optimiser.param_groups[0]["lr"] = lr
        loss = loss_of(self.learner, batch, self.learner.rows.device)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def state(self) -> dict[str, torch.Tensor]:
        moments = self.optimiser.state[self.learner.rows]
        return {
            "rows": self.learner.rows,
            **{name: moments[name] for name in MOMENTS},
        }

    @torch.no_grad()
    def load(self, tensors: dict[str, torch.Tensor], steps: int) -> None:
        rows = self.learner.rows
        rows.copy_(tensors["rows"])
        moments = {name: tensors[name].to(rows.device) for name in MOMENTS}
        # AdamW corrects the moments by the number of steps; torch keeps it as a tensor of floats.
        self.optimiser.state[rows] = {"step": torch.tensor(float(steps)), **moments}


def loss_of(module: nn.Module, batch: Batch, device: torch.device) -> torch.Tensor:
    """The learner's loss, through whatever an engine has wrapped it in. Tensors are arguments of
    their own: ZeRO stage 3 does not see those inside other objects.
    """
    batch = batch.each(lambda tensor: tensor.to(device))
    return module(batch.ids_BT, batch.labels_BT, batch.weights_B, **batch.more)


def adamw_settings(stage: Stage) -> dict[str, float]:
    """AdamW's own, of a stage: what its group of parameters begins with."""
    return {"lr": stage.lr, "eps": stage.eps, "weight_decay": stage.weight_decay}


EngineOf = Callable[[Learner, Stage], Engine]
"""Gives a stage its engine, with a new optimiser; it is called once for each stage."""
