"""A run of learning as a config describes it, whatever the engine."""

from __future__ import annotations

from collections.abc import Callable

import torch

from unictoken.data.concept import Concept
from unictoken.learn.engine import EngineOf, TorchEngine
from unictoken.learn.folder import RunFolder
from unictoken.learn.method import Run
from unictoken.learn.methods import Method as MethodSettings
from unictoken.learn.optimize import Learned, OptimizeRows
from unictoken.learn.settings import RunConfig, concept_of
from unictoken.learn.stages import Progress
from unictoken.model.base import dtype_named, load_base
from unictoken.model.protocol import Base

METHODS: dict[str, type[OptimizeRows]] = {"optimize": OptimizeRows}
"""Kinds of methods: what a config's `method.kind` chooses among."""


def method_of(settings: MethodSettings) -> OptimizeRows:
    """The function that a method's settings describe."""
    return METHODS[settings.kind](settings)


def base_dtype(settings: RunConfig) -> torch.dtype:
    """What the base is loaded in."""
    return dtype_named(settings.dtype)


def base_of(settings: RunConfig) -> Base:
    """The config's base, as it learns."""
    dtype = base_dtype(settings)
    # Again, as the config could not know it: `auto` is bf16 only where there is a GPU.
    settings.zero.check_dtype(bf16=dtype == torch.bfloat16)
    base = load_base(settings.base, vq_decoder=settings.vq_decoder, dtype=dtype)
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
    return method_of(settings.method).fit(base, [concept or concept_of(settings)], run=surroundings)
