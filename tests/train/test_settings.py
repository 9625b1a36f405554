"""Settings of a run that concern the base's size, and configs/anole.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from unictoken.core import config
from unictoken.core.config import ConfigError
from unictoken.learn.methods import Method, Stage
from unictoken.learn.settings import ConceptConfig, RunConfig

CONFIGS = Path(__file__).parents[2] / "configs"


def settings(**changed) -> RunConfig:
    return RunConfig(concept=ConceptConfig(name="bo", pictures=("photos",)), **changed)


def test_offloading_wants_shards():
    assert settings(offload="cpu", zero_stage=3).offload == "cpu"
    with pytest.raises(
        ConfigError,
        match=(
            "offload: cpu moves shards of the base, and zero_stage 2 makes none. Use zero_stage 3."
        ),
    ):
        settings(offload="cpu", zero_stage=2)


def test_a_sharded_base_does_not_draw_between_stages():
    method = Method(stages=(Stage(name="first"), Stage(name="second", reinit={"shared": "drawn"})))
    assert settings(method=method, zero_stage=2).method is method
    with pytest.raises(
        ConfigError,
        match="stage 'second' begins from drawings, and a base sharded by zero_stage 3 cannot draw",
    ):
        settings(method=method, zero_stage=3)


def test_the_7b_config_has_the_papers_settings():
    found = config.load(RunConfig, CONFIGS / "anole.yaml")
    (stage,) = found.method.stages
    assert sum(found.method.tokens.counts.values()) == 33
    assert (stage.batch, stage.lr, stage.weight_decay, stage.steps) == (4, 1e-3, 1e-4, 5700)
    assert sum(stage.tasks.values()) == pytest.approx(1)
    assert (found.base, found.dtype, found.zero_stage) == ("leloy/Anole-7b-v0.1-hf", "bf16", 2)
    assert found.distractors.world == 0 and found.judge is None


def test_the_7b_config_also_takes_chameleon_completed_by_a_decoder():
    changes = [
        "base=facebook/chameleon-7b",
        "vq_decoder=leloy/Anole-7b-v0.1-vqvae-hf",
        "zero_stage=3",
        "offload=cpu",
    ]
    found = config.load(RunConfig, CONFIGS / "anole.yaml", changes)
    assert found.vq_decoder == "leloy/Anole-7b-v0.1-vqvae-hf" and found.offload == "cpu"
