"""Layers that learn in one packed row: the same as the base's own, with the same gradient."""

import pytest
import torch

from unictoken.data.sequence import Example, pad
from unictoken.learn.methods import Stage
from unictoken.learn.objective import batch_of
from unictoken.learn.prepare import prepare
from unictoken.model import gradient, products
from unictoken.model.gradient import PackedLayers, has_packed_layers, pack


@pytest.fixture
def on_a_cpu_with_bf16(monkeypatch):
    monkeypatch.setattr(products, "cpu_is_faster_in_bf16", lambda: True)
    monkeypatch.setattr(gradient, "WIDE", 1)


@pytest.fixture
def layers(base) -> PackedLayers:
    """In fp32, so that nothing but the last digits may differ."""
    return PackedLayers(base.model.model, base.model.lm_head, torch.float32)


SEQUENCES = ([5, 6, 7, 8, 9, 10], [5, 6, 7, 11], [5, 6, 7, 12, 13], [20, 21, 22, 23])


def batch_of_ids(base, sequences):
    made = pad([Example(list(ids), list(ids)) for ids in sequences], base.vocab)
    return made.ids_BT, [len(ids) for ids in sequences]


def test_ids_that_sequences_begin_with_alike_are_packed_once(base):
    ids_BT, lengths = batch_of_ids(base, SEQUENCES[:3])
    packed = pack(ids_BT, lengths, [False] * 3, [])
    assert packed.ids_N.tolist() == [5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert packed.places_N.tolist() == [0, 1, 2, 3, 4, 5, 3, 3, 4]
    assert packed.number_BT.tolist() == [
        [0, 1, 2, 3, 4, 5],
        [0, 1, 2, 6, -1, -1],
        [0, 1, 2, 7, 8, -1],
    ]


def test_equal_sequences_each_keep_an_id_of_their_own(base):
    ids_BT, lengths = batch_of_ids(base, [SEQUENCES[0], SEQUENCES[0], SEQUENCES[1][:3]])
    packed = pack(ids_BT, lengths, [False] * 3, [])
    assert packed.ids_N.tolist() == [5, 6, 7, 8, 9, 10, 7, 8, 9, 10, 7]


@pytest.mark.parametrize("sequences", [SEQUENCES, SEQUENCES[:3], SEQUENCES[:1]])
def test_packed_sequences_have_the_hidden_states_and_the_gradient_of_the_base(
    base, layers, sequences
):
    ids_BT, lengths = batch_of_ids(base, sequences)
    table = base.embed(torch.arange(30)).clone().requires_grad_()
    told = torch.randn(len(sequences), max(lengths), base.width, generator=generator())
    live_BT = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]

    expected_BTD = base.hidden(table[ids_BT.clamp_max(29)])
    (expected_gradient,) = torch.autograd.grad((expected_BTD * told)[live_BT].sum(), table)

    packed = pack(ids_BT, lengths, [False] * len(sequences), [])
    hidden_ND = layers.hidden(table[packed.ids_N], packed)
    hidden = hidden_ND[packed.number_BT[live_BT]]
    (found,) = torch.autograd.grad((hidden * told[live_BT]).sum(), table)
    assert torch.allclose(hidden, expected_BTD[live_BT], atol=1e-5)
    assert torch.allclose(found, expected_gradient, rtol=1e-4, atol=1e-5)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def learned_with(base, toy, method, packed_layers) -> list[tuple[float, torch.Tensor]]:
    """Losses and gradients of three batches."""
    prepared = prepare(base, toy, method, seed=0, fast=False)
    learner = prepared.learner
    learner.packed_layers = packed_layers
    found = []
    for step in range(3):
        batch = batch_of(prepared.examples, Stage(batch=8), 0, step, slice(None))
        learner.rows.grad = None
        loss = learner(batch.ids_BT, batch.labels_BT, batch.weights_B)
        loss.backward()
        found.append((loss.item(), learner.rows.grad.clone()))
    return found


@pytest.mark.slow
def test_a_concept_is_learned_alike(base, toy, short_method, layers):
    """Among the examples are pictures that were read before, drawings and plain questions."""
    packed = learned_with(base, toy, short_method, layers)
    for (loss, found), (expected_loss, expected) in zip(
        packed, learned_with(base, toy, short_method, None), strict=True
    ):
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_in_bf16_losses_are_within_two_hundredths_and_gradients_within_five(
    base, toy, short_method
):
    in_bf16 = PackedLayers(base.model.model, base.model.lm_head)
    packed = learned_with(base, toy, short_method, in_bf16)
    for (loss, found), (expected_loss, expected) in zip(
        packed, learned_with(base, toy, short_method, None), strict=True
    ):
        assert loss == pytest.approx(expected_loss, rel=0.02)
        assert (found - expected).norm() < 0.05 * expected.norm()


@pytest.mark.slow
def test_learning_is_in_bf16_where_the_cpu_gains_unless_fp32_is_asked_for(
    base, toy, short_method, on_a_cpu_with_bf16
):
    fast, exact = (prepare(base, toy, short_method, seed=0, fast=way) for way in (True, False))
    assert (fast.learner.dtype, exact.learner.dtype) == ("bf16", "fp32")
    assert fast.learner.rows.dtype == torch.float32
    apart = prepare(base, toy, short_method, seed=0, prefix_cache=False)
    assert apart.learner.dtype == "fp32"


def test_a_cpu_that_gains_nothing_learns_in_fp32(base, toy, short_method, monkeypatch):
    monkeypatch.setattr(gradient, "WIDE", 1)
    monkeypatch.setattr(products, "cpu_is_faster_in_bf16", lambda: False)
    assert prepare(base, toy, short_method, seed=0).learner.dtype == "fp32"


def test_layers_that_are_small_or_computed_again_have_no_copies(base, model, monkeypatch):
    assert not has_packed_layers(model.model)  # 32 wide
    monkeypatch.setattr(gradient, "WIDE", 1)
    assert has_packed_layers(model.model)
    monkeypatch.setattr(gradient, "SMALL", 1000)
    assert not has_packed_layers(model.model)
    monkeypatch.setattr(gradient, "SMALL", 2**30)
    layer = model.model.layers[0]
    monkeypatch.setattr(layer, "forward", layer.forward)
    assert not has_packed_layers(model.model)
