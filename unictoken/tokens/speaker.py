"""A base with concepts put on it: their rows where their ids stand, their head rows among the
logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unictoken.core.text import ConceptError
from unictoken.model.base import Base
from unictoken.tokens.tokens import ConceptTokens, give_ids, slots


def inject(
    embeds_BTD: torch.Tensor,
    ids_BT: torch.Tensor,
    concept_ids_P: torch.Tensor,
    rows_PD: torch.Tensor,
) -> torch.Tensor:
    """Input rows with the concept's own rows where its ids stand; every other row is the base's,
    bit for bit.
    """
    matches_BTP = ids_BT[..., None] == concept_ids_P
    here_BT = matches_BTP.any(-1)
    # Not `rows_PD[...]`: the gradients of an indexed row are added up in whatever order several
    # threads come along.
    rows = torch.nn.functional.embedding(matches_BTP.int().argmax(-1), rows_PD.to(embeds_BTD.dtype))
    return torch.where(here_BT[..., None], rows, embeds_BTD)


def extend_logits(
    logits: torch.Tensor, hidden: torch.Tensor, concept_ids_P: torch.Tensor, rows_PD: torch.Tensor
) -> torch.Tensor:
    """Logits [..., V] in which the concept's ids are scored by its own head rows."""
    own = hidden @ rows_PD.to(hidden.dtype).T
    return logits.index_copy(-1, concept_ids_P, own.to(logits.dtype))


class Speaker:
    """A base with concepts put on it: the same `embed`, `hidden` and `logits`, with the concepts'
    rows laid over.

    A sequence that names none of the concepts gets the base's own logits, bit for bit.
    """

    def __init__(self, base: Base, concepts: Sequence[ConceptTokens] = ()):
        self.base, self.vocab, self.concepts = base, base.vocab, tuple(concepts)
        self.ids: dict[str, list[int]] = {}
        for concept in concepts:
            if concept.name in self.ids:
                raise ConceptError(
                    f"two concepts are named '{concept.name}'. Give each its own name."
                )
            count = len(concept.rows_in)
            self.ids[concept.name] = give_ids(
                base.vocab, count, taken=sum(map(len, self.ids.values()))
            )
        if concepts:
            self.concept_ids = torch.tensor(
                [i for ids in self.ids.values() for i in ids], device=base.device
            )
            self.rows_in, self.rows_out = (
                torch.cat([getattr(c, kind) for c in concepts]).to(base.device)
                for kind in ("rows_in", "rows_out")
            )

    @property
    def device(self) -> torch.device:
        return self.base.device

    @property
    def longest(self) -> int:
        return self.base.longest

    def cache_bytes(self, ids: int) -> int:
        return self.base.cache_bytes(ids)

    def embed(self, ids_BT: torch.Tensor) -> torch.Tensor:
        embeds = self.base.embed(ids_BT)
        return inject(embeds, ids_BT, self.concept_ids, self.rows_in) if self.concepts else embeds

    def hidden(self, embeds_BTD, cache=None, mask_BT=None) -> torch.Tensor:
        return self.base.hidden(embeds_BTD, cache, mask_BT)

    def logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor | None = None) -> torch.Tensor:
        """Logits [B, ..., V]; `ids_BT` is the text so far, which decides whether the concept may be
        said.
        """
        logits = self.base.logits(hidden)
        if not self.concepts or ids_BT is None:
            return logits
        named_B = torch.isin(ids_BT, self.concept_ids).any(-1)
        extended = extend_logits(logits, hidden, self.concept_ids, self.rows_out)
        return torch.where(named_B.view(-1, *[1] * (logits.ndim - 1)), extended, logits)

    def slots(self, concept: ConceptTokens) -> dict[str, list[int]]:
        return slots(self.ids[concept.name], concept.counts)
