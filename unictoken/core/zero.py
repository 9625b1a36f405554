"""DeepSpeed's ZeRO stages: what each one shards, and what a run may not do under it. No other file
compares a stage's number.

Stage 0 shards nothing, 1 the optimiser's state, 2 gradients too, 3 the parameters too: here the
frozen base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from unictoken.core.config import ConfigError

Stage = Literal[0, 1, 2, 3]
Offload = Literal["none", "cpu"]


@dataclass(frozen=True, kw_only=True)
class Zero:
    """A ZeRO stage, and what it is combined with."""

    stage: Stage = 1
    offload: Offload = "none"
    """cpu: the base's shards wait in main memory."""
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.offload == "cpu" and not self.shards_base:
            raise ConfigError(
                f"offload: cpu moves shards of the base, and zero_stage {self.stage} makes none."
                " Use zero_stage 3."
            )

    @property
    def shards_optimiser(self) -> bool:
        """Whether DeepSpeed keeps the rows in fp32, and their moments, in places of its own."""
        return self.stage > 0

    @property
    def shards_base(self) -> bool:
        """Whether the base's layers are gathered from all processes, each while it is used."""
        return self.stage == 3

    @property
    def draws_while_learning(self) -> bool:
        """One process alone can use the base between two steps. A sharded base answers only when
        all processes run the same forward pass.
        """
        return not self.shards_base

    @property
    def caches_pictures(self) -> bool:
        """Whether the keys and values of pictures at the beginning of examples may be cached.

        Processes that have read other pictures would go through the layers of a sharded base
        unequally often, and wait for each other forever. Layers that are computed again in the
        backward pass would write into the cache a second time.
        """
        return not (self.shards_base or self.gradient_checkpointing)

    def check_dtype(self, *, bf16: bool) -> None:
        """Refuse a base in bf16 whose rows DeepSpeed does not keep in fp32 (stage 0)."""
        # DeepSpeed 0.19.8: at stage 0 its constructor takes an extra Adam step, so that the first
        # real update is .0074 in place of .0100.
        if bf16 and not self.shards_optimiser:
            raise ConfigError(
                "zero_stage 0 with bf16 gives wrong updates in DeepSpeed. Use zero_stage 1, 2 or 3,"
                " or dtype: fp32."
            )

    def check_reinit(self, drawn: Sequence[str]) -> None:
        """Refuse stages whose rows are reinitialised from drawings (`drawn`: their names) if the
        base is sharded, since it cannot draw then.
        """
        if drawn and not self.draws_while_learning:
            raise ConfigError(
                f"stage '{drawn[0]}' begins from drawings, and a base sharded by zero_stage"
                f" {self.stage} cannot draw. Use zero_stage 2."
            )

    def check_sampling(self, sampled: Sequence[str]) -> None:
        """Refuse stages that learn from what they sample (`sampled`: their names) if the base is
        sharded.
        """
        if sampled and not self.draws_while_learning:
            raise ConfigError(
                f"stage '{sampled[0]}' learns from what the base answers or draws between two steps, and"
                f" one sharded by zero_stage {self.stage} can do neither. Use zero_stage 2."
            )

    def config(self, values: int, *, pin_memory: bool) -> dict[str, object]:
        """DeepSpeed's `zero_optimization`.

        Args:
            values: How many are trained. Buckets hold them all, and at stage 3 they stay whole.
            pin_memory: Whether shards in main memory are pinned, for a GPU.
        """
        found: dict[str, object] = {
            "stage": self.stage,
            # DeepSpeed's default would reserve buffers of 500 million values.
            "reduce_bucket_size": values,
            # Parameters up to this size stay whole: the rows are read in every step.
            "stage3_param_persistence_threshold": values + 1,
        }
        if self.offload == "cpu":
            found["offload_param"] = {"device": "cpu", "pin_memory": pin_memory}
        return found
