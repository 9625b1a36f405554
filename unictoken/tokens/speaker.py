"""A base with concepts put on it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unictoken.core.text import ConceptError
from unictoken.model.protocol import Base
from unictoken.model.reading import Reading
from unictoken.tokens.bank import RowBank, give_ids
from unictoken.tokens.tokens import ConceptTokens, slots


class Speaker:
    """A base with concepts put on it: the same `embed`, `hidden` and `logits`, with the concepts'
    rows laid over.

    A sequence that names none of the concepts gets the base's own logits, bit for bit.

    Args:
        base: What the concepts were learned on.
        concepts: Any number of them, each with a name of its own.
        kept: Reserved ids that stay the base's own: no row stands there.
        bank: Rows that have their ids already, in place of the concepts': a learner's, of which an
            objective samples. They are spoken with as they are at that moment.
    """

    def __init__(
        self,
        base: Base,
        concepts: Sequence[ConceptTokens] = (),
        *,
        kept: frozenset[int] = frozenset(),
        bank: RowBank | None = None,
    ):
        self.base, self.vocab, self.concepts = base, base.vocab, tuple(concepts)
        self.ids: dict[str, list[int]] = {}
        # Its ids were given when it was made, and it has no names.
        if bank is not None:
            self.bank = bank
            return
        taken = 0
        for concept in concepts:
            if concept.name in self.ids:
                raise ConceptError(
                    f"two concepts are named '{concept.name}'. Give each its own name."
                )
            self.ids[concept.name] = give_ids(base, len(concept.rows_in), taken=taken, kept=kept)
            taken += len(concept.rows_in)

        # `torch.cat` takes no empty list: a base without concepts is spoken with, too.
        none = torch.empty(0, base.width)
        self.bank = RowBank(
            base,
            list(self.ids.values()),
            torch.cat([none, *(concept.rows_in for concept in concepts)]),
            torch.cat([none, *(concept.rows_out for concept in concepts)]),
        ).requires_grad_(False)

    @property
    def device(self) -> torch.device:
        return self.base.device

    @property
    def longest(self) -> int:
        return self.base.longest

    def cache_bytes(self, ids: int) -> int:
        return self.base.cache_bytes(ids)

    def embed(self, ids_BT: torch.Tensor) -> torch.Tensor:
        embeds_BTD = self.base.embed(self.bank.ids_of_base(ids_BT))
        return self.bank.inject(embeds_BTD, self.bank.rows_of(ids_BT))

    def hidden(self, embeds_BTD: torch.Tensor) -> torch.Tensor:
        return self.base.hidden(embeds_BTD)

    def reading(self, rows: int, columns: int) -> Reading:
        return self.base.reading(rows, columns)

    def image_logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.base.image_logits(hidden)  # no concept's rows stand for image ids

    def logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor) -> torch.Tensor:
        """Logits [B, ..., V] of hidden states [B, ..., D]; `ids_BT` are the sequences so far, which
        decide what concepts each may say.
        """
        return self._with_concepts(self.base.logits(hidden), hidden, ids_BT)

    def text_logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor) -> torch.Tensor:
        """`logits` with -inf for image ids."""
        return self._with_concepts(self.base.text_logits(hidden), hidden, ids_BT)

    def _with_concepts(
        self, logits: torch.Tensor, hidden: torch.Tensor, ids_BT: torch.Tensor
    ) -> torch.Tensor:
        named_BC = self.bank.named(self.bank.rows_of(ids_BT))
        between = [1] * (hidden.ndim - 2)
        named = named_BC.view(len(named_BC), *between, named_BC.shape[1])
        return self.bank.extend(logits, hidden, named)

    def slots(self, concept: ConceptTokens) -> dict[str, list[int]]:
        return slots(self.ids[concept.name], concept.counts)
