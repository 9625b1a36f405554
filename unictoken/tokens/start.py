"""Where the rows of a concept begin."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from unictoken.core.errors import UserError
from unictoken.model.base import Base
from unictoken.model.image_tokenizer import nearest
from unictoken.tokens.tokens import Start, role_slices

K_MEANS_ROUNDS = 25


def start_rows(
    base: Base,
    class_noun: str,
    image_ids_NK: torch.Tensor,
    counts: Mapping[str, int],
    *,
    start: Start,
    seed: int,
    description: str = "",
    crops_NK: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows_in, rows_out), both [P, D] in fp32.

    The name begins as the mean of the class noun's rows; soft tokens begin from the image ids of
    the pictures (generation tokens from those of `crops_NK`, where there are some): the most
    frequent ones ('frequent'), centres of their rows ('k_means'), or as the words of the
    description and then the most frequent ones ('described'); with 'noun' they begin as the name
    does, with a little noise. Every head row begins as the mean of the class noun's head rows.
    """
    generator = torch.Generator().manual_seed(seed)
    if not class_noun.strip():
        raise UserError(
            "class_noun: found nothing. Give an ordinary word for the concept, such as 'dog'."
        )
    noun_ids = torch.tensor(base.vocab.inside(class_noun), device=base.device)
    noun = base.embed(noun_ids).float().mean(0).cpu()
    head = base.model.lm_head.weight[noun_ids].float().mean(0).cpu()
    total = sum(counts.values())
    rows_in = noun.repeat(total, 1)
    for role, part in role_slices(counts).items():
        k = part.stop - part.start
        if role == "name" or not k:
            continue
        shown = crops_NK if role == "generation" and crops_NK is not None else image_ids_NK
        rows_in[part] = _soft_rows(base, shown, noun, k, start, description, generator)
    return rows_in, head.repeat(total, 1)


def _soft_rows(
    base: Base, image_ids_NK, noun_D, k: int, start: Start, description: str, generator
) -> torch.Tensor:
    if start == "noun":
        return noun_D + 0.1 * noun_D.std() * torch.randn(k, len(noun_D), generator=generator)
    if start in ("described", "frequent"):
        words = torch.tensor(
            base.vocab.inside(description)[:k] if start == "described" else [], dtype=torch.long
        )
        codes = frequent_ids(image_ids_NK, k)[: k - len(words)]
        return base.embed(torch.cat([words, codes]).to(base.device)).float().cpu()
    return centres_of_ids(base, image_ids_NK.flatten(), k, generator)


def centres_of_ids(
    base: Base, image_ids_N: torch.Tensor, k: int, generator: torch.Generator
) -> torch.Tensor:
    """k-means centres [k, D] of the ids' input rows, brought to the mean length of the rows of
    words (UniCTokens' start).

    A centre is shorter than what it is the centre of; a base reads rows by their length too.
    """
    points = base.embed(image_ids_N.to(base.device)).float().cpu()
    centres = k_means(points, k, generator)
    words = base.embed(torch.tensor(base.vocab.words, device=base.device)).float().cpu()
    return torch.nn.functional.normalize(centres, dim=1) * words.norm(dim=1).mean()


def frequent_ids(image_ids_NK: torch.Tensor, k: int) -> torch.Tensor:
    """The k image ids that stand in the most pictures (a concept is what its pictures share); ties
    by how often they stand.

    >>> frequent_ids(torch.tensor([[5, 5, 7, 8], [5, 7, 9, 9]]), 2)
    tensor([5, 7])
    """
    distinct = image_ids_NK.unique()
    pictures = torch.stack([(image_ids_NK == i).any(1).sum() for i in distinct])
    times = torch.stack([(image_ids_NK == i).sum() for i in distinct])
    order = (pictures * image_ids_NK.numel() + times).argsort(descending=True, stable=True)
    return distinct[order].repeat(-(-k // len(distinct)))[:k]


def k_means(
    points_ND: torch.Tensor,
    k: int,
    generator: torch.Generator,
    rounds: int = K_MEANS_ROUNDS,
    centres: torch.Tensor | None = None,
) -> torch.Tensor:
    """Centres [k, D] of the points, started on `centres` or on k random points; an empty cluster
    keeps its centre.
    """
    order = torch.randperm(len(points_ND), generator=generator)
    centres = (
        points_ND[order.repeat(-(-k // len(order)))[:k]].clone()
        if centres is None
        else centres.clone()
    )
    for _ in range(rounds):
        own = nearest(points_ND, centres)
        count = torch.bincount(own, minlength=k)
        total = torch.zeros_like(centres).index_add_(0, own, points_ND)
        filled = count > 0
        centres[filled] = total[filled] / count[filled, None]
    return centres
