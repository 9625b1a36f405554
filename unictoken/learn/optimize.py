"""The method whose tokens are optimised: rows of one concept, by a schedule of stages."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch

from unictoken.core.config import ConfigError
from unictoken.core.errors import Stopped
from unictoken.data.concept import Concept
from unictoken.data.source import check_learnable
from unictoken.learn.checkpoint import Checkpoint
from unictoken.learn.engine import MOMENTS, Engine, EngineOf
from unictoken.learn.learner import Learner
from unictoken.learn.method import Learned, Run
from unictoken.learn.methods import OBJECTIVES, Stage
from unictoken.learn.methods import Method as Settings
from unictoken.learn.prepare import Prepared, RowsOf, keep, prepare, reinit_of_stages, signed
from unictoken.learn.resume import restore_rows, steps_within_stage
from unictoken.learn.stages import Progress, learn
from unictoken.model.protocol import Base


class OptimizeRows:
    """Optimises a concept's rows on a frozen base, resuming where the run was left.

    A run whose last stage has other steps than when it was left goes on too, finished or not: the
    steps that are done stay as they are, and from there on the learning rate follows the new
    schedule (it may rise again). With `final_lr_ratio: 1` that is what one run of so many steps would
    learn, bit for bit.
    """

    def __init__(self, settings: Settings):
        self.settings = settings

    def fit(self, base: Base, concepts: Sequence[Concept], *, run: Run) -> Learned:
        """Learn one concept. Raises `Stopped` after saving when `run.stop_asked()` says so.

        Args:
            base: Frozen.
            concepts: One.
            run: Seed, engine, progress, and where it is kept.
        """
        (given,) = concepts
        concept = check_learnable(given).read()
        # First: what cannot be resumed is refused before pictures are encoded and distractors drawn.
        saved = run.folder.find(base, concept)
        prepared = prepare(
            base,
            concept,
            self.settings,
            seed=run.seed,
            distractors=run.distractors,
            objective=OBJECTIVES.find(self.settings.objective),
            prefix_cache=run.prefix_cache,
            fast=run.fast,
            rows=self.rows(base, concept),
        )
        self.check(concept, prepared)
        run.folder.check(base, concept, prepared)
        learner = prepared.learner
        if saved:
            restore_rows(learner, saved, steps_within_stage(self.settings, saved.step))

        self._optimise(base, concept, prepared, saved, run)
        tokens = keep(base, concept, self.settings, learner, seed=run.seed)
        named = signed(tokens, concept, prepared, run=run.folder.signature)
        return Learned(base, named, concept, prepared)

    def rows(self, base: Base, concept: Concept) -> RowsOf | None:
        """What makes the rows to begin with; None: the settings' `start` says."""
        return None

    def check(self, concept: Concept, prepared: Prepared) -> None:
        """Refuse what lacks something that the method needs at its end, before anything is
        learned.
        """

    def _optimise(
        self, base: Base, concept: Concept, prepared: Prepared, saved: Checkpoint | None, run: Run
    ) -> None:
        """Every step that is left to do.

        Args:
            base: Frozen.
            concept: As its owner gives it.
            prepared: The same, made ready; its learner is moved.
            saved: Where the run was left.
            run: Seed, engine, progress, and where it is kept.
        """
        settings, learner, folder = self.settings, prepared.learner, run.folder
        first_step = saved.step if saved else 0
        folder.begin(first_step)
        if folder.lacks_drawing(first_step):
            tokens = keep(base, concept, settings, learner, seed=run.seed)
            folder.draw(base, tokens, first_step)
        engines = _Engines(run.engine, settings, saved)
        began = time.time()
        steps = learn(
            learner,
            settings,
            prepared.objective,
            engine=engines,
            first_step=first_step,
            share=run.share,
            on_stage=reinit_of_stages(base, concept, settings, seed=run.seed),
        )
        for progress in steps:
            _check_loss(progress)
            folder.record(progress, time.time() - began)
            run.show(progress)

            stopping = run.stop_asked()
            # In every process, though only the first one writes: `_state` waits for all of them.
            if stopping or folder.saves_at(progress.step):
                assert engines.current  # it has just made this step
                folder.save(progress.step, _state(learner, engines.current, progress.step))
            if stopping:
                raise Stopped(progress.step, settings.total_steps)
            if folder.draws_at(progress.step):
                tokens = keep(base, concept, settings, learner, seed=run.seed)
                folder.draw(base, tokens, progress.step)
            # Saving and drawing are not part of a step's time.
            began = time.time()


class _Engines:
    """Gives each stage its engine; the first one goes on from the checkpoint, if it was written
    within that stage.
    """

    def __init__(self, engine_of: EngineOf, settings: Settings, saved: Checkpoint | None):
        self.engine_of, self.saved = engine_of, saved
        self.within_stage = steps_within_stage(settings, saved.step) if saved else 0
        self.current: Engine | None = None

    def __call__(self, learner: Learner, stage: Stage) -> Engine:
        engine = self.engine_of(learner, stage)
        if self.current is None and self.saved and self.within_stage:
            tensors = {name: self.saved.tensors[name] for name in ("rows", *MOMENTS)}
            engine.load(tensors, self.within_stage)
        self.current = engine
        return engine


def _state(learner: Learner, engine: Engine, step: int) -> dict[str, torch.Tensor]:
    """What a checkpoint holds. All processes ask for it together: sharded tensors are gathered."""
    # their names in checkpoint files: runs that were left before these were renamed go on
    own = {"frozen": learner.frozen, "trainable": learner.trainable}
    tensors = {**engine.state(), **own}
    if not tensors["rows"].isfinite().all():
        raise _diverged(step, "rows are not finite")
    return tensors


def _check_loss(progress: Progress) -> None:
    if not math.isfinite(progress.loss):
        raise _diverged(progress.step, f"the loss is {progress.loss}")


def _diverged(step: int, found: str) -> ConfigError:
    return ConfigError(
        f"step {step}: {found}. Use a smaller rate, method.stages.N.lr; nothing of this step is"
        " kept."
    )
