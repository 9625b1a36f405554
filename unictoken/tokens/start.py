"""How the rows of a concept are initialised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from unictoken.core.errors import UserError
from unictoken.model.image_tokenizer import nearest
from unictoken.model.protocol import Base
from unictoken.tokens.tokens import Start, role_slices

K_MEANS_ROUNDS = 25
TOLD_SHARE = 3  # of so many rows, one may begin as a word of a fact
_NAME = -1  # stands for the concept's name among ids


def start_rows(
    base: Base,
    class_noun: str,
    image_ids_NK: torch.Tensor,
    counts: Mapping[str, int],
    *,
    start: Start,
    seed: int,
    description: str = "",
    facts: Sequence[str] = (),
    crops_NK: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Initial rows of a concept: (rows_in, rows_out), both [P, D] in fp32.

    The name begins as the mean of the class noun's input rows, and every head row as the mean of
    its head rows. `start` says how the soft tokens begin.

    Args:
        base: what the concept is learned on.
        class_noun: its ordinary kind, such as 'dog'.
        image_ids_NK: image ids of the reference pictures.
        counts: rows by role, in the order of the rows.
        start: where the soft tokens begin:
            'frequent': as the input rows of the image ids that most pictures have;
            'k_means': as centres of the input rows of all the image ids;
            'described': as the words of `description`, and then as 'frequent';
            'told': as 'described', and the last ones of those that drawing prompts say as the words
                of the first of `facts`, so that a prompt can draw on them ('its hat') from the
                beginning;
            'noun': as the name does, with a little noise.
        seed: of the noise and of the first centres.
        description: the concept in words, for 'described' and 'told'.
        facts: sentences about {name}, for 'told'; as many as fit into the generation tokens, or
            into a third of the others where there are none.
        crops_NK: image ids of the pictures cut to the concept, from which generation tokens
            begin; None: from `image_ids_NK`, as the others.
    """
    generator = torch.Generator().manual_seed(seed)
    if not class_noun.strip():
        raise UserError(
            "class_noun: found nothing. Give an ordinary word for the concept, such as 'dog'."
        )
    # A noun may take several ids: the mean of their rows stands for it.
    noun_ids = torch.tensor(base.vocab.inside(class_noun), device=base.device)
    noun = base.embed(noun_ids).float().mean(0).cpu()
    head = base.head_rows(noun_ids).float().mean(0).cpu()
    total = sum(counts.values())
    rows_in = noun.repeat(total, 1)
    # One generator for all roles, in their order: no two roles begin with the same noise.
    for role, part in role_slices(counts).items():
        k = part.stop - part.start
        if role == "name" or not k:
            continue
        shown = crops_NK if role == "generation" and crops_NK is not None else image_ids_NK
        said = facts if start == "told" and role == _told_role(counts) else ()
        most = k if role == "generation" else k // TOLD_SHARE
        told = rows_of_facts(base, said, noun, most=most)
        own = k - len(told)
        rows_in[part.start : part.start + own] = _soft_rows(
            base, shown, noun, own, start, description, generator
        )
        rows_in[part.stop - len(told) : part.stop] = told
    return rows_in, head.repeat(total, 1)


def _told_role(counts: Mapping[str, int]) -> str:
    """Whose rows begin as facts: what drawing prompts alone say, so that answers stay as they are."""
    return "generation" if counts.get("generation") else "shared"


def _soft_rows(
    base: Base,
    image_ids_NK: torch.Tensor,
    noun_D: torch.Tensor,
    k: int,
    start: Start,
    description: str,
    generator: torch.Generator,
) -> torch.Tensor:
    """The k rows [k, D] of one role (`start_rows`)."""

    def noun() -> torch.Tensor:
        # Equal rows would get equal gradients and stay equal.
        # A tenth of the noun's standard deviation: rows differ, and still mean the noun.
        return noun_D + 0.1 * noun_D.std() * torch.randn(k, len(noun_D), generator=generator)

    def described(words: Sequence[int]) -> torch.Tensor:
        # The words first, and codes for what is left of the k rows; never more than k.
        first = torch.tensor(words[:k], dtype=torch.long)
        codes = frequent_ids(image_ids_NK, k)[: k - len(first)]
        return base.embed(torch.cat([first, codes]).to(base.device)).float().cpu()

    starts: dict[Start, Callable[[], torch.Tensor]] = {
        "noun": noun,
        "described": lambda: described(base.vocab.inside(description)),
        "told": lambda: described(base.vocab.inside(description)),
        "frequent": lambda: described([]),
        "k_means": lambda: centres_of_ids(base, image_ids_NK.flatten(), k, generator),
    }
    return starts[start]()


def rows_of_facts(
    base: Base, facts: Sequence[str], name_D: torch.Tensor, *, most: int
) -> torch.Tensor:
    """Input rows [k, D] of '. <name> has a red hat. ...', as many whole facts as fit into `most`
    rows. The prompt around the rows ends the last sentence.

    Args:
        base: Whose words they are.
        facts: Sentences about {name}.
        name_D: The row of the name.
        most: Rows.
    """
    rows = name_D.new_zeros(0, len(name_D))
    for fact in facts:
        # Both ends of the sentence that stands before: '.', then what the fact says.
        said = base.vocab.encode(f". {fact.strip().rstrip('.')}", {"{name}": [_NAME]})
        ids = torch.tensor([0 if i == _NAME else i for i in said], device=base.device)
        new = base.embed(ids).float().cpu()
        new[[i == _NAME for i in said]] = name_D
        if len(rows) + len(new) > most:
            break
        rows = torch.cat([rows, new])
    return rows


def centres_of_ids(
    base: Base, image_ids_N: torch.Tensor, k: int, generator: torch.Generator
) -> torch.Tensor:
    """k-means centres [k, D] of the ids' input rows, scaled to the mean norm of the words' input
    rows (UniCTokens' start).

    The mean of different rows has a smaller norm than they have, and a base reads the norm too.

    Args:
        base: whose input rows they are.
        image_ids_N: image ids; one that stands several times counts as often.
        k: the number of centres.
        generator: of the first centres.
    """
    points = base.embed(image_ids_N.to(base.device)).float().cpu()
    centres = k_means(points, k, generator)
    words = base.embed(torch.tensor(base.vocab.words, device=base.device)).float().cpu()
    scaled: torch.Tensor = torch.nn.functional.normalize(centres, dim=1) * words.norm(dim=1).mean()
    return scaled


def frequent_ids(image_ids_NK: torch.Tensor, k: int) -> torch.Tensor:
    """The k image ids that stand in the most pictures (a concept is what its pictures share); of
    equals, those that stand most often.

    >>> frequent_ids(torch.tensor([[5, 5, 7, 8], [5, 7, 9, 9]]), 2)
    tensor([5, 7])
    """
    distinct: torch.Tensor = torch.unique(image_ids_NK)
    pictures = torch.stack([(image_ids_NK == i).any(1).sum() for i in distinct])
    times = torch.stack([(image_ids_NK == i).sum() for i in distinct])
    # No id stands more often than there are places, so this sorts by pictures, then by times.
    order = (pictures * image_ids_NK.numel() + times).argsort(descending=True, stable=True)
    # Where there are fewer distinct ids than rows, they are repeated in the same order.
    return distinct[order].repeat(-(-k // len(distinct)))[:k]


def k_means(
    points_ND: torch.Tensor,
    k: int,
    generator: torch.Generator,
    rounds: int = K_MEANS_ROUNDS,
    centres: torch.Tensor | None = None,
) -> torch.Tensor:
    """Lloyd's k-means: centres [k, D] of the points. An empty cluster keeps its centre.

    Not scikit-learn's: it moves an empty cluster to the farthest point, and ours are often empty,
    since the same image id stands in many places.

    Args:
        points_ND: the points; equal ones count as often as they stand.
        k: the number of centres; more than there are points repeats some.
        generator: picks the first centres among the points.
        rounds: assignments and means; there is no test of convergence.
        centres: the first centres [k, D], which stay as they are; None: k random points.
    """
    if centres is None:
        # -(-k // n) is k / n rounded up: the order is repeated where k is above n.
        order = torch.randperm(len(points_ND), generator=generator)
        centres = points_ND[order.repeat(-(-k // len(order)))[:k]]
    centres = centres.clone()
    for _ in range(rounds):
        own = nearest(points_ND, centres)
        # [k] and [k, D]: size and sum of each cluster.
        count = torch.bincount(own, minlength=k)
        total = torch.zeros_like(centres).index_add_(0, own, points_ND)
        filled = count > 0
        centres[filled] = total[filled] / count[filled, None]
    return centres
