"""What is optimised: the examples of a step, and the loss of their logits.

Another objective (distillation from the base with a description in its prompt) is another class with
these two methods, which one call makes known:

    from unictoken.learn.methods import OBJECTIVES

    OBJECTIVES.register("distillation", Distillation)

A method names it (`method: {objective: distillation}`), and the digests of runs hold that name. An
objective with settings of its own comes with a kind of method that has them, and reads them there,
in `examples.method` (whole example: tests/train/smoothed.py):

    @dataclass(frozen=True, kw_only=True)
    class SmoothedSettings(Method):
        objective: str = "smoothed"
        smoothing: float = 0.1

    OBJECTIVES.register("smoothed", Smoothed)
    learn.run.register("smoothed", OptimizeRows, SmoothedSettings)

One that samples from the rows is `learn/grpo.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import nn

from unictoken.data.sequence import IGNORE, Batch, Example, pad
from unictoken.learn.examples import Examples, tasks_of_batch
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Stage
from unictoken.model.vocab import Vocab
from unictoken.tasks import taught


class Objective(Protocol):
    """The batches that the rows learn from, and the loss that is minimised."""

    def batch(self, stage: Stage, step: int, *, policy: Learner, share: slice) -> Batch:
        """The examples of a step: a pure function of the objective's seed, the step and the rows.

        Args:
            stage: The stage of learning.
            step: Counted from 0 over all stages.
            policy: The learner as it is before the step, for what it samples itself.
            share: The examples that this process takes. All processes together take each once.
        """

    def loss(self, logits_NV: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The sum of the examples' losses; the learner divides it by the size of the batch.

        A batch reaches this in up to two parts (`Learner.forward`), so that no example's loss may
        depend on another example.

        Args:
            logits_NV: Of the N supervised positions, those that come before a label, example after
                example.
            batch: The examples, with `batch.more` as the objective made it. Where DeepSpeed resumes
                a run it asks once for an example of weight 0 without `more`.
        """


REWARDS = "rewards_B"
"""In `Batch.more`: what each example is worth, for who watches."""

ObjectiveOf = Callable[[Examples, int], Objective]
"""Gives an objective, from examples of the concept and the seed of its random choices."""


@dataclass(frozen=True)
class CrossEntropy:
    """Next ids of training sequences, each sequence weighted by its task."""

    examples: Examples
    seed: int

    def batch(self, stage: Stage, step: int, *, policy: Learner, share: slice) -> Batch:
        """The examples of a step, as `made` gives them.

        Args:
            stage: The stage of learning.
            step: Counted from 0 over all stages.
            policy: Not used: no example is sampled from the rows.
            share: The examples that this process takes.
        """
        return weighted(*self.made(stage, step, share), self.examples.vocab)

    def made(self, stage: Stage, step: int, share: slice) -> tuple[list[Example], list[float]]:
        """The examples of a step and the weights of their losses, as `examples_of` makes them."""
        return examples_of(self.examples.in_stage(stage), stage, self.seed, step, share)

    def loss(self, logits_NV: torch.Tensor, batch: Batch) -> torch.Tensor:
        return cross_entropy(logits_NV, batch)


def batch_of(examples: Examples, stage: Stage, seed: int, step: int, share: slice) -> Batch:
    """The examples of one step with their weights, as `examples_of` makes them.

    Args:
        examples: Of the concept, in this stage.
        stage: Whose tasks and weights they have.
        seed: Of the run.
        step: Counted from 0 over all stages.
        share: What one process takes.
    """
    return weighted(*examples_of(examples, stage, seed, step, share), examples.vocab)


def examples_of(
    examples: Examples, stage: Stage, seed: int, step: int, share: slice
) -> tuple[list[Example], list[float]]:
    """The examples of one step and the weights of their losses: a pure function of (seed, step).

    Args:
        examples: Of the concept, in this stage.
        stage: Whose tasks and weights they have.
        seed: Of the run.
        step: Counted from 0 over all stages.
        share: What one process takes. All are made in any case: they share one random generator.
    """
    rng = np.random.default_rng([seed, step])
    tasks = tasks_of_batch(stage.tasks, stage.batch, rng)
    made = [examples.make(task, rng) for task in tasks]
    weights = [
        stage.generation_weight if taught()[task].draws else stage.understanding_weight
        for task in tasks
    ]
    return made[share], weights[share]


def weighted(examples: Sequence[Example], weights: Sequence[float], vocab: Vocab) -> Batch:
    """A padded batch of examples, each with the weight of its loss."""
    return replace(pad(examples, vocab), weights_B=torch.tensor(weights))


def cross_entropy(logits_NV: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Sum over examples of weight x mean cross-entropy of the example's supervised positions.

    An example counts once, however long it is, so that equal shares of a batch on several processes
    average to the loss of the whole batch.
    """
    # Each id is predicted at the place before it; the first id is predicted nowhere.
    labels_BT = batch.labels_BT[:, 1:]
    counted_BT = labels_BT != IGNORE
    # In fp32: bf16 has fewer than three digits.
    losses_N = nn.functional.cross_entropy(
        logits_NV.float(), labels_BT[counted_BT], reduction="none"
    )
    return sum_of_means(losses_N, batch)


def sum_of_means(losses_N: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Sum over examples of weight x mean of the example's own losses, one for each supervised
    position.
    """
    counted_BT = batch.labels_BT[:, 1:] != IGNORE
    # An example without any supervised id counts 0, and not 0 / 0.
    positions_B1 = counted_BT.sum(1, keepdim=True).clamp_min(1)
    # [B, T - 1]: the weight of an example, divided among its supervised positions.
    share_BT = batch.weights_B[:, None] * counted_BT / positions_B1
    return (losses_N * share_BT[counted_BT]).sum()
