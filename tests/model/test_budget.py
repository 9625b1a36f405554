"""The arithmetic of memory against what autograd and the cache really hold, at a small size."""

from __future__ import annotations

import copy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from transformers import ChameleonConfig
from transformers.cache_utils import DynamicCache

from unictoken.learn.picture_cache import PictureCache
from unictoken.model.budget import (
    CASES,
    GIB,
    Job,
    Shape,
    activation_bytes,
    drawing,
    gib,
    learning,
    picture_cache_bytes,
    table,
    weights,
)
from unictoken.model.chameleon import EarlyFusionModel
from unictoken.model.reading import recomputed

pytestmark = pytest.mark.real

SMALL = Shape(width=128, layers=2, heads=2, ffn_width=352, vocabulary=300)
IDS = 64


@pytest.fixture(scope="module")
def small() -> EarlyFusionModel:
    config = ChameleonConfig(
        hidden_size=SMALL.width,
        intermediate_size=SMALL.ffn_width,
        num_hidden_layers=SMALL.layers,
        num_attention_heads=SMALL.heads,
        num_key_value_heads=SMALL.heads,
        vocab_size=SMALL.vocabulary,
        vocabulary_map={"<image>": 8},
        vq_config={
            "embed_dim": 8,
            "latent_channels": 8,
            "num_embeddings": 4,
            "base_channels": 32,
            "resolution": 32,
            "num_res_blocks": 0,
        },
    )
    return EarlyFusionModel(config).bfloat16().eval().requires_grad_(False)


def kept_bytes(model: EarlyFusionModel) -> int:
    """What the backward pass of the layers needs, weights aside; a tensor that is kept twice counts
    once.
    """
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.hidden(torch.zeros(1, IDS, SMALL.width, dtype=torch.bfloat16, requires_grad=True))
    return sum(t.untyped_storage().nbytes() for place, t in kept.items() if place not in weights)


def test_activations_are_what_autograd_keeps(small):
    assert kept_bytes(small) == pytest.approx(SMALL.layers * activation_bytes(SMALL, IDS), rel=0.15)


def test_recomputed_layers_keep_their_inputs(small):
    again = copy.deepcopy(small)
    for layer in again.model.layers:
        layer.forward = partial(recomputed, layer.forward)
    between, last_norm = SMALL.layers * IDS * SMALL.width * 2, IDS * SMALL.width * 4
    assert kept_bytes(again) == pytest.approx(between + last_norm, rel=0.05)


def test_the_cache_is_as_large_as_counted(small):
    cache = DynamicCache()
    with torch.no_grad():
        small.hidden(torch.zeros(2, 10, SMALL.width, dtype=torch.bfloat16), cache)
    held = sum(part.nbytes for layer in cache.layers for part in (layer.keys, layer.values))
    counted = drawing(SMALL, Job(pictures=1, prompt=9 - SMALL.ids_per_picture))["key-value cache"]
    assert held == counted


def test_the_picture_that_stays_is_as_large_as_counted(small):
    base = SimpleNamespace(embed=small.model.embed_tokens, hidden=small.hidden)
    cache = PictureCache(base, limit=0)
    cache.read(torch.zeros(1, SMALL.ids_per_picture + 3, dtype=torch.long))
    assert cache.bytes == picture_cache_bytes(SMALL, limit=0)
    assert picture_cache_bytes(SMALL) == PictureCache(base).limit < picture_cache_bytes(Shape())


def test_pictures_are_kept_where_learning_keeps_them():
    kept = [
        learning(Shape(), job)["pictures read once"]
        for job in (Job(), Job(recompute=True), Job(zero_stage=3))
    ]
    assert kept == [picture_cache_bytes(Shape()), 0, 0]


def test_parameters_are_the_models_own(small):
    own = sum(p.numel() for name, p in small.named_parameters() if ".vqmodel." not in name)
    assert SMALL.parameters == own and Shape().parameters == 7_013_666_816
    # the published file
    assert sum(weights(Shape()).values()) / 1e9 == pytest.approx(14.302, abs=1e-3)


def test_a_larger_batch_needs_gradient_checkpointing_on_24_gb():
    assert gib(learning(Shape(), Job())) > 24 > gib(learning(Shape(), Job(recompute=True)))
    assert gib(drawing(Shape(), Job())) < 24


def test_stage_3_holds_a_share_and_offloading_holds_none():
    whole, shared, offloaded = (
        learning(Shape(), job)["base, bf16"] / GIB
        for job in (
            Job(processes=8),
            Job(processes=8, zero_stage=3),
            Job(processes=8, zero_stage=3, offload=True),
        )
    )
    assert whole > shared > offloaded > 0
    assert shared == pytest.approx(whole / 8 + offloaded)


def test_the_table_has_a_line_for_each_case():
    lines = table().splitlines()
    assert len(lines) == 2 + len(CASES)
    assert [line.split("|")[-2].strip() for line in lines[2:5]] == ["yes", "no", "yes"]
