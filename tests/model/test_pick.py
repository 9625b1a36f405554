import pytest
import torch

from unictoken.model import pick as picking
from unictoken.model.pick import pick


def chances(count: int) -> torch.Tensor:
    """Numbers from 0 to 1, evenly spread."""
    return torch.arange(count) / count


def test_temperature_0_takes_the_likeliest():
    assert pick(torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), 0, 0.9, chances(2)).tolist() == [
        1,
        0,
    ]


def test_top_p_keeps_the_smallest_set_that_holds_the_mass():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().repeat(200, 1)
    assert set(pick(logits, 1.0, 0.5, chances(200)).tolist()) == {0}
    assert set(pick(logits, 1.0, 0.75, chances(200)).tolist()) == {0, 1}
    assert set(pick(logits, 1.0, 1.0, chances(200)).tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("top_p", [0.3, 0.9, 1.0])
def test_a_row_is_sampled_by_its_own_number(top_p):
    logits = torch.randn(9, 50, generator=torch.Generator().manual_seed(0))
    together = pick(logits, 1.0, top_p, chances(9))
    alone = [pick(logits[i : i + 1], 1.0, top_p, chances(9)[i : i + 1]) for i in range(9)]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("top_p", [0.7, 1.0])
def test_ids_are_sampled_as_often_as_they_are_likely(top_p):
    logits = torch.randn(20, generator=torch.Generator().manual_seed(0))
    ranked, order = logits.softmax(-1).sort(descending=True)
    expected = torch.where(ranked.cumsum(-1) - ranked < top_p, ranked, 0)
    chosen = pick(logits.repeat(10_000, 1), 1.0, top_p, chances(10_000))
    share = chosen.bincount(minlength=20)[order] / 10_000
    torch.testing.assert_close(share, expected / expected.sum(), atol=2e-4, rtol=0)


def test_a_nucleus_of_more_ids_than_are_ranked_is_sampled_whole(monkeypatch):
    """Beside a row whose nucleus is within them; the same ids as if all were ranked."""
    logits = torch.stack([torch.zeros(1000), torch.arange(1000.0)]).repeat(500, 1)
    logits += torch.linspace(0, 1e-3, 1000)  # no two alike
    few = pick(logits, 1.0, 0.9, chances(1000))
    monkeypatch.setattr(picking, "RANKED", 1000)
    assert torch.equal(few, pick(logits, 1.0, 0.9, chances(1000)))
    assert len(few[::2].unique()) > 400 and few[1::2].min() > 990


def test_an_impossible_id_is_never_sampled():
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]])
    for chance in (0.0, 1 - 2**-24):
        for top_p in (0.9, 1.0):
            assert pick(logits, 1.0, top_p, torch.tensor([chance])).item() in (1, 2)
