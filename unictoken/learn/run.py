"""A run of learning as a config describes it, whatever the engine and the method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from unictoken.core.config import ConfigError
from unictoken.core.registry import Registry
from unictoken.data.concept import Concept
from unictoken.learn.encoded import EncodeRows
from unictoken.learn.engine import EngineOf, TorchEngine
from unictoken.learn.folder import RunFolder
from unictoken.learn.gated import OptimizeGated
from unictoken.learn.lora import FineTune
from unictoken.learn.method import Learned, Method, Run
from unictoken.learn.methods import (
    ENCODED,
    GATED,
    KINDS,
    LORA,
    OPTIMIZE,
    REWARD,
    MethodSettings,
)
from unictoken.learn.optimize import OptimizeRows
from unictoken.learn.settings import RunConfig, concept_of
from unictoken.learn.stages import Progress
from unictoken.model.base import dtype_named, load_base
from unictoken.model.protocol import Base

MethodOf = Callable[[Any], Method]
"""Gives a method from settings of its kind."""

METHODS: Registry[MethodOf] = Registry(
    "method: kind",
    {
        OPTIMIZE: OptimizeRows,
        REWARD: OptimizeRows,
        GATED: OptimizeGated,
        LORA: FineTune,
        ENCODED: EncodeRows,
    },
)
"""Kinds of methods: what a config's `method.kind` chooses among."""


def register(
    kind: str, method_of: MethodOf, settings: type[MethodSettings] = MethodSettings
) -> None:
    """Make another kind of methods known: a config's `method: {kind: ...}` then names it.

    Args:
        kind: Its name.
        method_of: Gives the method from its settings.
        settings: Their class, where the kind has more of them than all methods have.
    """
    METHODS.register(kind, method_of)
    # Apart from METHODS, whose functions import torch: a config is checked before.
    KINDS.register(kind, settings)


def method_of(settings: MethodSettings) -> Method:
    """The method that settings describe."""
    return METHODS.find(settings.kind)(settings)


def base_dtype(settings: RunConfig) -> torch.dtype:
    """What the base is loaded in."""
    return dtype_named(settings.dtype, settings.device)


def base_of(settings: RunConfig) -> Base:
    """The config's base, as it learns."""
    dtype = base_dtype(settings)
    # Again, as the config could not know it: `auto` is bf16 only where there is a GPU.
    settings.zero.check_dtype(bf16=dtype == torch.bfloat16)
    base: Base = load_base(
        settings.base, vq_decoder=settings.vq_decoder, device=settings.device, dtype=dtype
    )
    if settings.gradient_checkpointing:
        base.recompute_activations()
    return base


def run(
    base: Base,
    settings: RunConfig,
    *,
    concept: Concept | None = None,
    engine: EngineOf = TorchEngine,
    share: slice = slice(None),
    first_process: bool = True,
    stop_asked: Callable[[], bool] = lambda: False,
    show: Callable[[Progress], None] = lambda progress: None,
    show_drawings: bool = True,
    keep_files: bool = True,
) -> Learned:
    """Fit the config's method to its concept, resuming where it was left.

    Args:
        base: What it is learned on.
        settings: The config.
        concept: The one that `concept_of(settings)` gives, where it was read already.
        engine: What makes a step of a stage.
        share: The examples of each batch that this process takes.
        first_process: Whether this process writes files and speaks; the others do neither.
        stop_asked: Asked after each step; if so, the run is saved and `Stopped` is raised.
        show: Called after each step.
        show_drawings: Whether the config's prompts are drawn on the way.
        keep_files: Whether there is a run folder; without one nothing is written or resumed.
    """
    folder = RunFolder(
        settings,
        first_process=first_process,
        keep_files=keep_files,
        show_drawings=show_drawings,
    )
    surroundings = Run(
        seed=settings.seed,
        distractors=settings.distractors,
        engine=engine,
        share=share,
        prefix_cache=settings.zero.caches_pictures,
        fast=settings.dtype != "fp32",
        stop_asked=stop_asked,
        show=show,
        folder=folder,
    )
    method = method_of(settings.method)
    fitted = method.fit(base, [concept or concept_of(settings)], run=surroundings)
    # Minutes of work are not thrown away without a word, and no report is made of half of it.
    if not isinstance(fitted, Learned):
        raise ConfigError(
            f"method '{settings.method.name}': gives a {type(fitted).__name__}, and a run keeps and"
            " reports a concept's rows. Fit it from Python, and keep it with its `save`."
        )
    return fitted
