"""The network that makes rows of pictures."""

import pytest
import torch

from unictoken.core.config import ConfigError
from unictoken.personalize.encode import (
    STRIP,
    ConceptEncoder,
    EncoderShape,
    Seen,
    encode,
    encoder_for,
    rows_of_noun,
)

SHAPE = EncoderShape(
    width=16, layers=2, heads=2, counts={"name": 1, "shared": 4}, questions=("what is it?",)
)


def awake(encoder: ConceptEncoder) -> ConceptEncoder:
    """One whose last layers are no longer zero."""
    for last in (encoder.say_in, encoder.say_out):
        torch.nn.init.normal_(last.weight)
    return encoder.requires_grad_(False)


@pytest.fixture
def encoder(base):
    torch.manual_seed(0)
    return awake(encoder_for(base, SHAPE))


@pytest.fixture(scope="module")
def pictures_NK(base, toy):
    return base.encode(toy.pictures)


def test_one_that_has_learned_nothing_gives_the_class_noun(base, pictures_NK):
    rows_in, rows_out = encode(encoder_for(base, SHAPE), base, pictures_NK, "dog")
    noun_D, head_D = rows_of_noun(base, "dog")
    assert torch.equal(rows_in, noun_D.expand(5, -1))
    assert torch.equal(rows_out, head_D.expand(5, -1))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_one_to_five_pictures_give_as_many_rows(base, encoder, pictures_NK, count):
    rows_in, rows_out = encode(encoder, base, pictures_NK[:count], "dog")
    assert rows_in.shape == rows_out.shape == (5, base.width)
    assert rows_in.dtype == torch.float32
    assert rows_in.isfinite().all()
    assert not rows_in.requires_grad


def test_the_order_of_pictures_says_nothing(base, encoder, pictures_NK):
    one = torch.stack(encode(encoder, base, pictures_NK, "dog"))
    other = torch.stack(encode(encoder, base, pictures_NK[[3, 0, 4, 2, 1]], "dog"))
    assert torch.allclose(one, other, atol=1e-4)


def test_another_picture_gives_other_rows(base, encoder, pictures_NK):
    one, _ = encode(encoder, base, pictures_NK[:1], "dog")
    other, _ = encode(encoder, base, pictures_NK[1:2], "dog")
    assert not torch.allclose(one, other, atol=1e-3)


def test_a_concept_in_a_batch_gets_the_rows_that_it_gets_alone(encoder, base):
    torch.manual_seed(1)
    codes, asked = torch.randn(2, 3, 64, base.width), torch.randn(2, 3, 1, base.width)
    noun, head = torch.randn(2, base.width), torch.randn(2, base.width)
    given = torch.tensor([[True, True, True], [True, False, False]])
    both = encoder(Seen(codes, asked, given, noun, head))
    alone = encoder(Seen(codes[1:, :1], asked[1:, :1], given[1:, :1], noun[1:], head[1:]))
    assert torch.allclose(both[:, 1:], alone, atol=1e-4)


def test_codes_that_make_no_whole_strip_are_read_too():
    torch.manual_seed(0)
    encoder = awake(ConceptEncoder(SHAPE, width=8, codes=STRIP + 1))
    codes, asked = torch.randn(1, 1, STRIP + 1, 8), torch.randn(1, 1, 1, 8)
    rest = torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 8), torch.zeros(1, 8)
    before = encoder(Seen(codes, asked, *rest))
    codes[0, 0, -1] += 1
    assert not torch.allclose(before, encoder(Seen(codes, asked, *rest)))


def test_heads_of_unequal_parts_are_refused():
    with pytest.raises(ConfigError, match="in equal parts for the heads"):
        EncoderShape(width=10, heads=4)
