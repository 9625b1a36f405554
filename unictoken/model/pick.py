"""Which id comes next: by scores, and by numbers that a seed gives each place of each picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch

RANKED = 128  # ids that are sorted on a CPU; as many as torch finds without sorting all of them

Lot = tuple[int, int]
"""What decides how a picture is sampled: the seed, and its number among those of that seed."""


def pick(
    logits_BV: torch.Tensor, temperature: float, top_p: float, uniform_B: torch.Tensor
) -> torch.Tensor:
    """One id for each row, [B].

    Args:
        logits_BV: Scores of the vocabulary.
        temperature: The scores are divided by it; 0 takes the likeliest id.
        top_p: Ids are sampled from the smallest set that holds this much of the probability.
        uniform_B: A number from [0, 1) for each row, which decides.
    """
    if temperature == 0:
        return logits_BV.argmax(-1)
    probability_BV = (logits_BV / temperature).softmax(-1)
    if top_p >= 1:
        return _drawn_by(uniform_B, probability_BV.cumsum(-1))
    if probability_BV.device.type != "cpu":
        return _from_nucleus(*probability_BV.sort(-1, descending=True), top_p, uniform_B)

    ranked, order = probability_BV.topk(min(RANKED, probability_BV.shape[-1]))
    chosen = _from_nucleus(ranked, order, top_p, uniform_B)
    # Where these do not hold so much, all are sorted: for that row alone, so that no row depends
    # on the others.
    for i in (ranked.sum(-1) < top_p).nonzero()[:, 0]:
        whole = probability_BV[i : i + 1].sort(-1, descending=True)
        chosen[i : i + 1] = _from_nucleus(*whole, top_p, uniform_B[i : i + 1])
    return chosen


def _from_nucleus(
    ranked_BR: torch.Tensor, order_BR: torch.Tensor, top_p: float, uniform_B: torch.Tensor
) -> torch.Tensor:
    """One id for each row, [B]: of `order_BR`, by their probabilities `ranked_BR`, largest first."""
    mass_BR = ranked_BR.cumsum(-1)
    # What is likelier than an id, without the id itself: the likeliest one is always kept.
    kept_BR = mass_BR - ranked_BR < top_p
    mass_BR = torch.where(kept_BR, mass_BR, 0).cummax(-1).values
    return order_BR.gather(-1, _drawn_by(uniform_B, mass_BR)[:, None]).squeeze(-1)


def _drawn_by(uniform_B: torch.Tensor, mass_BV: torch.Tensor) -> torch.Tensor:
    """The first place of each row whose mass is above that share of the last place's, [B]."""
    total_B = mass_BV[:, -1]
    # Below the total, also where the product is rounded up.
    share_B = torch.minimum(uniform_B * total_B, total_B.nextafter(torch.zeros_like(total_B)))
    return torch.searchsorted(mass_BV, share_B[:, None], right=True).squeeze(-1)


def uniform(lots: Sequence[Lot], length: int) -> torch.Tensor:
    """Numbers from [0, 1), [N, length], by which what is sampled is decided.

    Each row is that of a picture's own generator, so that a picture depends on its number and the
    seed, not on the batch it is drawn in; on the CPU, since a GPU would draw others.
    """
    rows = [torch.empty(0, length)]
    for seed, number in lots:
        # Far apart: the rows of one seed are not those of the next.
        generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
        rows.append(torch.rand(1, length, generator=generator))
    return torch.cat(rows)
