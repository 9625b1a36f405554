"""One loop for all stages of all methods. What a step means (DeepSpeed, plain torch) is the
engine's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from unictoken.data.sequence import Batch, pad
from unictoken.learn.engine import Engine, TorchEngine
from unictoken.learn.examples import DRAWING, Examples, named_rows, tasks_of_batch
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Method, Stage


@dataclass(frozen=True)
class Progress:
    """What happened in one step; `step` counts from 1 over all stages."""

    step: int
    stage: str
    loss: float
    lr: float


def batch_of(
    examples: Examples, stage: Stage, seed: int, step: int, share: slice
) -> tuple[Batch, torch.Tensor]:
    """The examples of one step and their weights: a pure function of (seed, step). `share` is what
    one process takes.
    """
    rng = np.random.default_rng([seed, step])
    tasks = tasks_of_batch(stage.tasks, stage.batch, rng)
    made = [examples.make(task, rng) for task in tasks]
    weights = [
        stage.generation_weight if task == DRAWING else stage.understanding_weight for task in tasks
    ]
    return pad(made[share], examples.vocab), torch.tensor(weights[share])


def learning_rate(stage: Stage, step: int) -> float:
    """Linear from the stage's rate to its `final_lr`; `step` counts from 0 within the stage."""
    return stage.lr * (1 - (1 - stage.final_lr) * step / max(stage.steps - 1, 1))


def learn(
    learner: Learner,
    method: Method,
    examples: Examples,
    *,
    seed: int,
    engine: Callable[[Learner, Stage], Engine] = TorchEngine,
    first_step: int = 0,
    share: slice = slice(None),
    on_stage: Callable[[Stage, Learner], None] = lambda stage, learner: None,
) -> Iterator[Progress]:
    """Run every stage from `first_step` (steps already done) on, giving what happened after each
    step.

    `on_stage` is called before a stage that begins in this run, where rows may be started anew.
    """
    roles = named_rows(method.tokens.counts)
    before = 0
    for stage in method.stages:
        after = before + stage.steps
        if stage.steps and first_step < after:
            if first_step <= before:
                on_stage(stage, learner)
                learner.begin_stage([role in stage.moves for role in roles])
            running, taught = engine(learner, stage), examples.in_stage(stage)
            for step in range(max(first_step, before), after):
                lr = learning_rate(stage, step - before)
                batch, weights = batch_of(taught, stage, seed, step, share)
                yield Progress(step + 1, stage.name, running.step(batch, weights, lr), lr)
            learner.settle(running.state()["rows"])
        before = after
