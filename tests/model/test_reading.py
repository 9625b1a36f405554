"""What is read a few columns at a time is what `transformers` reads at once."""

import copy

import pytest
import torch
from torch import nn
from transformers import ChameleonModel

from unictoken.model.reading import OwnLayers, Reading, TheirLayers

KINDS = {
    "7B": {},
    "30B, norms after the halves": {"swin_norm": True},
    "30B, fewer keys than queries": {"num_key_value_heads": 1},
    "another rotation": {"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}},
    "scaled rotation": {
        "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
    },
    "with biases": {"attention_bias": True},
}
NOT_OURS = ("scaled rotation", "with biases")


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def transformer(kind, base) -> ChameleonModel:
    """A small model of the kind, with norms that scale and shift."""
    config = copy.deepcopy(base.model.config)
    for name, value in KINDS[kind].items():
        setattr(config, name, value)
    torch.manual_seed(0)
    model = ChameleonModel(config).eval().requires_grad_(False)
    for name, weight in model.named_parameters():
        if "norm" in name or "bias" in name:
            weight += 0.3 * torch.randn_like(weight)
    return model


@pytest.fixture
def embeds(transformer) -> torch.Tensor:
    return torch.randn(3, 12, transformer.config.hidden_size)


def whole(model: ChameleonModel, embeds_BTD: torch.Tensor) -> torch.Tensor:
    return model(inputs_embeds=embeds_BTD, use_cache=False).last_hidden_state


def test_layers_of_another_kind_are_left_to_transformers(kind, transformer):
    expected = TheirLayers if kind in NOT_OURS else OwnLayers
    assert type(Reading(transformer, 1, 1).layers) is expected


@pytest.mark.parametrize("pieces", [(12,), (1,) * 12, (5, 1, 6)], ids=str)
def test_pieces_are_read_as_the_whole_is(transformer, embeds, pieces):
    reading = Reading(transformer, 3, 12)
    read = torch.cat([reading.read(piece) for piece in embeds.split(pieces, 1)], 1)
    torch.testing.assert_close(read, whole(transformer, embeds), atol=2e-5, rtol=1e-4)


def test_skipped_columns_are_neither_seen_nor_counted(transformer, embeds):
    """Each sequence skips others, in every piece, and is read as if it stood there alone."""
    seen_BT = torch.tensor([[0, 0, 1, 0, 1, 1, 0, 1], [1] * 8, [0, 0, 0, 0, 0, 0, 1, 1]]).bool()
    reading = Reading(transformer, 3, 10)
    reading.read(embeds[:, :5], seen_BT[:, :5])
    reading.read(embeds[:, 5:8], seen_BT[:, 5:])
    read = torch.cat([reading.read(embeds[:, [place]]) for place in (8, 9)], 1)
    for row, seen_T in enumerate(seen_BT):
        alone = torch.cat([embeds[row, :8][seen_T], embeds[row, 8:10]])
        expected = whole(transformer, alone[None])[0, -2:]
        torch.testing.assert_close(read[row], expected, atol=2e-5, rtol=1e-4)


def test_columns_that_are_taken_back_are_as_if_never_read(transformer, embeds):
    reading = Reading(transformer, *embeds.shape[:2])
    reading.read(embeds[:, :3])
    reading.read(embeds[:, 3:].flip(1))
    reading.take_back([embeds.shape[1] - 3] * len(embeds))
    found = reading.read(embeds[:, 3:])
    torch.testing.assert_close(found, whole(transformer, embeds)[:, 3:], atol=2e-5, rtol=1e-4)


def test_each_sequence_may_take_back_columns_of_its_own(transformer, embeds):
    """Twice, so that the columns that another sequence kept are skipped, and not seen again."""
    backs = [[1, 4, 2], [0, 0, 3]]
    reading = Reading(transformer, len(embeds), 40)
    reading.read(embeds[:, :3])
    kept = [list(row[:3]) for row in embeds]
    for back_B in backs:
        guessed = embeds.flip(1)[:, :5]
        reading.read(guessed)
        reading.take_back(back_B)
        for row, more, back in zip(kept, guessed, back_B, strict=True):
            row += list(more[: 5 - back])
    assert reading.columns_left == 40 - 3 - 4 - 5
    read = reading.read(embeds[:, 5:7])
    for row, found, more in zip(kept, read, embeds[:, 5:7], strict=True):
        alone = whole(transformer, torch.stack([*row, *more])[None])[0, -2:]
        torch.testing.assert_close(found, alone, atol=2e-5, rtol=1e-4)


def test_rows_go_on_any_number_of_times_and_in_any_order(transformer, embeds):
    reading = Reading(transformer, 3, 12)
    reading.read(embeds[:, :7], torch.ones(3, 7, dtype=torch.bool))
    rows = [2, 0, 2]
    reading.select(rows)
    ends = torch.stack([embeds[0, 7:9], embeds[1, 7:9], embeds[2, 7:9]])
    read = reading.read(ends)
    sequences = torch.cat([embeds[rows, :7], ends], 1)
    torch.testing.assert_close(read, whole(transformer, sequences)[:, -2:], atol=2e-5, rtol=1e-4)


def test_weights_that_are_elsewhere_are_left_to_transformers(base):
    """As ZeRO 3 leaves them, and as a quantiser replaces them."""
    empty, quantised = copy.deepcopy(base.model.model), copy.deepcopy(base.model.model)
    empty.layers[1].mlp.up_proj.weight.data = torch.empty(0)
    quantised.layers[1].self_attn.q_proj = nn.Identity()
    for model in (empty, quantised):
        assert type(Reading(model, 1, 1).layers) is TheirLayers


@pytest.mark.parametrize("firsts", [(0, 3, 3), (2, 0, 1)], ids=["two parts", "too many parts"])
def test_sequences_that_begin_later_are_read_as_if_they_stood_alone(
    transformer, embeds, firsts, monkeypatch
):
    """Guidance reads a short prompt beside a long one: attention of both is computed apart."""
    monkeypatch.setattr("unictoken.model.reading.ROWS_OF_PARTS", 1)
    seen_BT = torch.arange(6) >= torch.tensor(firsts)[:, None]
    reading = Reading(transformer, 3, 12)
    reading.read(embeds[:, :6], seen_BT)
    # twice the last one, as a batch goes on that begins with different prompts
    rows = [0, 1, 2, 2]
    reading.select(rows)
    ends = embeds[rows, 6:9]
    read = torch.cat([reading.read(end) for end in ends.split(1, 1)], 1)
    for row, sequence in enumerate(rows):
        alone = torch.cat([embeds[sequence, firsts[sequence] : 6], ends[row]])
        expected = whole(transformer, alone[None])[0, -3:]
        torch.testing.assert_close(read[row], expected, atol=2e-5, rtol=1e-4)
