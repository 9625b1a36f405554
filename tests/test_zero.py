"""What a ZeRO stage shards, and what follows from it for a run."""

from __future__ import annotations

import pytest

from unictoken.core.config import ConfigError
from unictoken.core.zero import Zero


def says(**settings) -> tuple[bool, bool, bool, bool]:
    zero = Zero(**settings)
    return (
        zero.shards_optimiser,
        zero.shards_base,
        zero.draws_while_learning,
        zero.caches_pictures,
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"stage": 0}, (False, False, True, True)),
        ({"stage": 1}, (True, False, True, True)),
        ({"stage": 2}, (True, False, True, True)),
        ({"stage": 2, "gradient_checkpointing": True}, (True, False, True, False)),
        ({"stage": 3}, (True, True, False, False)),
        ({"stage": 3, "offload": "cpu"}, (True, True, False, False)),
    ],
)
def test_a_stage_says_what_it_shards_and_what_may_be_done_then(settings, expected):
    assert says(**settings) == expected


def test_only_stage_0_refuses_bf16():
    for stage in (1, 2, 3):
        Zero(stage=stage).check_dtype(bf16=True)
    Zero(stage=0).check_dtype(bf16=False)
    with pytest.raises(ConfigError, match="zero_stage 0 with bf16 gives wrong updates"):
        Zero(stage=0).check_dtype(bf16=True)


def test_buckets_hold_what_is_trained_and_shards_wait_in_main_memory_where_asked():
    assert Zero(stage=2).config(66, pin_memory=True) == {
        "stage": 2,
        "reduce_bucket_size": 66,
        "stage3_param_persistence_threshold": 67,
    }
    offloaded = Zero(stage=3, offload="cpu").config(66, pin_memory=False)
    assert offloaded["offload_param"] == {"device": "cpu", "pin_memory": False}
