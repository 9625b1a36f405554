"""One loop for all stages of all methods. The engine makes a step: DeepSpeed, or plain torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from unictoken.data.sequence import Batch
from unictoken.learn.engine import EngineOf, TorchEngine
from unictoken.learn.examples import named_rows
from unictoken.learn.learner import Learner
from unictoken.learn.methods import Method, Stage
from unictoken.learn.objective import REWARDS, Objective


@dataclass(frozen=True)
class Progress:
    """What happened in one step; `step` counts from 1 over all stages."""

    step: int
    stage: str
    loss: float
    lr: float
    reward: float | None = None
    """The mean of what this process's answers were worth; None where none was sampled."""


def learning_rate(stage: Stage, step: int) -> float:
    """Linear from the stage's rate to its `final_lr_ratio`; `step` counts from 0 within the stage."""
    # A stage of one step has the rate `lr`.
    return stage.lr * (1 - (1 - stage.final_lr_ratio) * step / max(stage.steps - 1, 1))


def learn_rows(
    learner: Learner, stage: Stage, rows: slice, batch: Callable[[int], Batch]
) -> Iterator[Progress]:
    """Run one stage in plain torch, in which some rows learn whatever their role is: those beside them
    stay as they were learned before.

    Args:
        learner: Whose rows are optimised.
        stage: Its steps and rates.
        rows: Those that learn.
        batch: Gives the examples of a step, which is counted from 0.
    """
    learner.begin_stage([rows.start <= i < rows.stop for i in range(learner.rows.shape[1])])
    engine = TorchEngine(learner, stage)
    for step in range(stage.steps):
        lr = learning_rate(stage, step)
        yield Progress(step + 1, stage.name, engine.step(batch(step), lr), lr)


def learn(
    learner: Learner,
    method: Method,
    objective: Objective,
    *,
    engine: EngineOf = TorchEngine,
    first_step: int = 0,
    share: slice = slice(None),
    on_stage: Callable[[Stage, Learner], None] = lambda stage, learner: None,
) -> Iterator[Progress]:
    """Run every stage, giving what happened after each step.

    Args:
        learner: Whose rows are optimised.
        method: Whose stages are run.
        objective: Gives the batches.
        engine: What makes a step.
        first_step: Steps that are done already, over all stages.
        share: The examples of each batch that this process takes.
        on_stage: Called before a stage that begins in this run; it may reinitialise rows.
    """
    roles = named_rows(method.tokens.counts)
    before = 0
    for stage in method.stages:
        after = before + stage.steps
        # A stage without steps is left out whole: its rows are not reinitialised either.
        if stage.steps and first_step < after:
            # A run that is resumed within a stage has its rows, and which of them are trained, from
            # the checkpoint.
            if first_step <= before:
                on_stage(stage, learner)
                learner.begin_stage([role in stage.trainable for role in roles])
            running = engine(learner, stage)
            for step in range(max(first_step, before), after):
                lr = learning_rate(stage, step - before)
                batch = objective.batch(stage, step, policy=learner, share=share)
                loss, rewards_B = running.step(batch, lr), batch.more.get(REWARDS)
                reward = None if rewards_B is None else rewards_B.mean().item()
                yield Progress(step + 1, stage.name, loss, lr, reward)
            # The optimiser's rows: DeepSpeed may round the learner's to bf16, or shard them.
            learner.settle(running.state()["rows"])
        before = after
