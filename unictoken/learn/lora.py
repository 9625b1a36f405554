"""Fine-tuning in the place of tokens: LoRA adapters on the base's layers, and the name's rows.

The strong baseline that tokens are compared with: it learns from the same examples with the same
loss, and gives up what tokens promise. Its file is larger, and with it loaded the base answers
otherwise even where nobody is named (task `unchanged`).

    method = config.load(MethodFile, find_method("lora")).method
    method_of(method).fit(base, [read_concept("data/bo", name="bo")], run=Run()).save("bo-lora")
    base.with_concepts("bo-lora")
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import nn

from unictoken.core.config import ConfigError
from unictoken.core.errors import Stopped
from unictoken.data.concept import Concept
from unictoken.data.sequence import Batch
from unictoken.data.source import check_learnable
from unictoken.learn.engine import TorchEngine, adamw_settings
from unictoken.learn.learner import Learner
from unictoken.learn.method import Learned, Run
from unictoken.learn.methods import LoraMethod, Stage
from unictoken.learn.objective import CrossEntropy, ObjectiveOf
from unictoken.learn.prepare import Prepared, keep, prepare, signed
from unictoken.learn.prior import preserving
from unictoken.learn.stages import learn
from unictoken.model import adapters
from unictoken.model.adapters import Lora
from unictoken.model.protocol import Base
from unictoken.personalize.adapted import save_adapted


@dataclass(frozen=True)
class FineTuned(Learned):
    """A concept's name on a base with adapters; `base` is the adapted one."""

    def save(self, path: str | Path) -> Path:
        """Into a folder, in peft's format, with the name's rows beside it."""
        return save_adapted(self.base, self.tokens, Path(path))


class AdapterEngine(TorchEngine):
    """Steps of the rows and of adapters, each with a rate of its own.

    Args:
        learner: Whose rows are moved.
        stage: Its rate is the rows'.
        moved: The adapters.
        ratio: Their rate, divided by the rows'.
    """

    def __init__(
        self, learner: Learner, stage: Stage, *, moved: Sequence[nn.Parameter], ratio: float
    ):
        super().__init__(learner, stage)
        self.ratio = ratio
        # A group of its own, so that one optimiser steps both.
        self.optimiser.add_param_group({"params": list(moved), **adamw_settings(stage)})

    def step(self, batch: Batch, lr: float) -> float:
        self.optimiser.param_groups[1]["lr"] = lr * self.ratio
        return super().step(batch, lr)


class FineTune:
    """Learns adapters and the name's rows together, in this process. It is not resumed."""

    def __init__(self, settings: LoraMethod):
        self.settings = settings

    def fit(self, base: Base, concepts: Sequence[Concept], *, run: Run) -> FineTuned:
        # DeepSpeed's optimiser holds the rows alone.
        if run.engine is not TorchEngine:
            raise ConfigError(
                f"method '{self.settings.name}': learns adapters in one process, without DeepSpeed."
                " Fit it from Python (unictoken/learn/lora.py)."
            )
        (given,) = concepts
        concept = check_learnable(given).read()
        adapted, prepared = self._prepared(base, concept, run)
        run.folder.begin(0)
        self._optimise(adapted, prepared, run)
        tokens = keep(base, concept, self.settings, prepared.learner, seed=run.seed)
        return FineTuned(adapted, signed(tokens, concept, prepared), concept, prepared)

    def _prepared(self, base: Base, concept: Concept, run: Run) -> tuple[Base, Prepared]:
        """The adapted base, and what is learned on it."""
        settings = self.settings
        # What goes through layers that change may be neither cached nor packed.
        prepared = prepare(
            base,
            concept,
            settings,
            seed=run.seed,
            distractors=run.distractors,
            objective=self._objective(base),
            prefix_cache=False,
            fast=False,
        )
        # On a copy: the base of the call answers as before, while this one learns.
        lora = Lora(rank=settings.rank, alpha=settings.alpha, layers=settings.layers)
        adapted = adapters.adapted(base, lora, seed=run.seed)
        first, loss = prepared.learner, prepared.objective.loss
        ids, (rows_in, rows_out) = first.id_of_row.tolist(), first.rows.detach()
        learner = Learner(
            adapted, ids, rows_in, rows_out, loss=loss, prefix_cache=False, fast=False
        )
        return adapted, replace(prepared, learner=learner)

    def _objective(self, base: Base) -> ObjectiveOf:
        """The examples of the concept, beside what the base draws of its class noun, if the method
        preserves that.
        """
        prior = self.settings.prior
        return partial(preserving, base=base, prior=prior) if prior.pictures else CrossEntropy

    def _optimise(self, adapted: Base, prepared: Prepared, run: Run) -> None:
        """Every step."""
        moved, ratio = adapters.parameters(adapted), self.settings.adapter_lr_ratio
        engine = partial(AdapterEngine, moved=moved, ratio=ratio)
        steps = learn(
            prepared.learner, self.settings, prepared.objective, engine=engine, share=run.share
        )
        began = time.time()
        for progress in steps:
            run.folder.record(progress, time.time() - began)
            run.show(progress)
            if run.stop_asked():
                raise Stopped(progress.step, self.settings.total_steps)
            began = time.time()
