"""A method is a function: from a base and concepts to what makes the base know them.

`optimize.OptimizeRows` is one. One that makes rows in a single pass is another class with `fit`,
which gives a `Learned`; `learn.run.register` makes it known, and its settings with it.
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
from unictoken.learn.prepare import Prepared
from unictoken.learn.stages import Progress
from unictoken.model.protocol import Base
from unictoken.personalize.condition import Condition
from unictoken.personalize.query import Personalization, Query
from unictoken.personalize.tokens import with_tokens
from unictoken.tokens import file as concept_file
from unictoken.tokens.tokens import ConceptTokens


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


# What no run can report still has to be kept: a memory, the weights of an encoder.
class Fitted(Personalization, Protocol):
    """What a fit gives: a personalization that can be kept."""

    def save(self, path: str | Path) -> Path:
        """Into a file; gives its place."""


@dataclass(frozen=True)
class Learned:
    """A concept's tokens on their base, and what they were learned from: what a fit gives that a
    run can report and keep.
    """

    base: Base
    tokens: ConceptTokens
    concept: Concept
    """Its pictures in memory (`Concept.read`)."""
    prepared: Prepared | None = None
    """What an optimiser worked with; None: there was none."""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.tokens.name,)

    def conditions(self, queries: Sequence[Query]) -> list[Condition]:
        # Made anew: `with_tokens` only wraps, and equal conditions share a batch.
        return with_tokens(self.base, self.tokens).conditions(queries)

    def save(self, path: str | Path) -> Path:
        return concept_file.save(self.tokens, path)


class Method(Protocol):
    """One way of making a base know concepts."""

    def fit(self, base: Base, concepts: Sequence[Concept], *, run: Run) -> Fitted:
        """Learn the concepts. `run.folder.begin(0)` writes the config into the run's folder.

        Args:
            base: Frozen; it stays as it is.
            concepts: Each as its owner gives it; `check_learnable` refuses what may not be learned.
            run: Seed, engine, progress, and where it is kept.
        """
