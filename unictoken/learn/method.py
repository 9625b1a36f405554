"""A method is a function: from a base and concepts to what makes the base know them.

Today there is one, `optimize.OptimizeRows`. An encoder or a memory is another class with `fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from unictoken.data.concept import Concept
from unictoken.learn.engine import EngineOf, TorchEngine
from unictoken.learn.folder import NoFolder
from unictoken.learn.methods import Distractors
from unictoken.learn.stages import Progress
from unictoken.model.protocol import Base
from unictoken.personalize.query import Personalization


@dataclass(frozen=True, kw_only=True)
class Run:
    """What surrounds a fit, whatever the method is."""

    seed: int = 0
    distractors: Distractors = field(default_factory=Distractors)
    """Where pictures of others come from, where the owner brings none."""
    engine: EngineOf = TorchEngine
    """What makes a step of a stage."""
    share: slice = field(default_factory=lambda: slice(None))
    """The examples of each batch that this process takes."""
    prefix_cache: bool = True
    """Whether pictures at the beginning of examples are read once and for all."""
    fast: bool = True
    """Whether layers and head may be in bf16, where this CPU is faster with it. Rows, gradients'
    moments and the concept file are in fp32 in any case."""
    stop_asked: Callable[[], bool] = lambda: False
    """Asked after each step; the fit then saves itself and raises `Stopped`."""
    show: Callable[[Progress], None] = lambda progress: None
    """Called after each step."""
    folder: NoFolder = field(default_factory=NoFolder)
    """Where the run is kept and resumed from."""


class Fitted(Personalization, Protocol):
    """What a fit gives: a personalization that can be kept."""

    def save(self, path: str | Path) -> Path:
        """Into a file; gives its place."""


class Method(Protocol):
    """One way of making a base know concepts."""

    def fit(self, base: Base, concepts: Sequence[Concept], *, run: Run) -> Fitted:
        """Learn the concepts.

        Args:
            base: Frozen; it stays as it is.
            concepts: Each as its owner gives it; `check_learnable` refuses what may not be learned.
            run: Seed, engine, progress, and where it is kept.
        """
