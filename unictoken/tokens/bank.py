"""Rows of one or many concepts on one base: their ids, and how they enter embeddings and logits.

Sequences stay sequences of ids. Each row of a concept gets an id that the base does not use: first
the vocabulary's reserved ids and, when they run out, virtual ids beyond the vocabulary, which exist
in the bank only. The bank turns ids into rows (`rows_of`); a batch of rows says which row stands at
which place, so its sequences may be about different concepts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from unictoken.model.protocol import Base


def give_ids(
    base: Base, count: int, *, taken: int = 0, kept: frozenset[int] = frozenset()
) -> list[int]:
    """Ids for rows on this base: reserved ids, then virtual ones.

    Args:
        base: The base.
        count: How many.
        taken: So many were given before.
        kept: Reserved ids that are not given.
    """
    free = [i for i in base.vocab.reserved if i not in kept] if kept else base.vocab.reserved
    reserved = free[taken : taken + count]
    # After the virtual ids of the first `taken` rows.
    first = base.vocabulary_size + max(0, taken - len(free))
    return [*reserved, *range(first, first + count - len(reserved))]


class RowBank(nn.Module):
    """Rows of C concepts, R in all: `rows` [2, R, D], input rows and head rows, in fp32.

    A row is named by its number in the bank, 0 to R - 1; -1 is none of them: the base's own row.

    Args:
        base: The base that the rows are used on.
        ids: The ids of each concept's rows; an id belongs to one row.
        rows_in: Input rows of all concepts, [R, D], in the order of `ids`.
        rows_out: Head rows, likewise.
    """

    # Buffers, whose types torch does not know.
    id_of_row: torch.Tensor
    row_of_id: torch.Tensor
    concept_of_row: torch.Tensor

    def __init__(
        self,
        base: Base,
        ids: Sequence[Sequence[int]],
        rows_in: torch.Tensor,
        rows_out: torch.Tensor,
    ):
        super().__init__()
        device = base.device
        # fp32, whatever the base is in: an optimiser's small steps would be lost in bf16.
        self.rows = nn.Parameter(torch.stack([rows_in, rows_out]).float().to(device))

        id_of_row = torch.tensor([i for own in ids for i in own], dtype=torch.long, device=device)
        self.vocabulary_size = base.vocabulary_size
        last = int(id_of_row.max()) if len(id_of_row) else 0
        self.virtual_ids = max(0, last + 1 - self.vocabulary_size)

        # Both ways: [R] gives each row's id, [V + virtual ids] each id's row.
        row_of_id = torch.full((self.vocabulary_size + self.virtual_ids,), -1, device=device)
        row_of_id[id_of_row] = torch.arange(len(id_of_row), device=device)
        self.register_buffer("id_of_row", id_of_row)
        self.register_buffer("row_of_id", row_of_id)

        # One entry more than there are rows: row -1 finds it, and is of no concept.
        owners = [c for c, own in enumerate(ids) for _ in own]
        self.register_buffer("concept_of_row", torch.tensor([*owners, len(ids)], device=device))

        ends = torch.tensor([0, *map(len, ids)]).cumsum(0).tolist()
        self.parts = [slice(start, end) for start, end in zip(ends, ends[1:], strict=False)]

    def current(self) -> torch.Tensor:
        """The rows as they are used, [2, R, D]."""
        return self.rows

    def rows_of(self, ids_BT: torch.Tensor) -> torch.Tensor:
        """Which row stands at each place of sequences of ids, [B, T]."""
        return self.row_of_id[ids_BT]

    def ids_of_base(self, ids_BT: torch.Tensor) -> torch.Tensor:
        """The ids as the base's embedding may look them up: it has no row for a virtual id.

        What it finds for one does not matter: `inject` puts the bank's row there.
        """
        return ids_BT.clamp_max(self.vocabulary_size - 1) if self.virtual_ids else ids_BT

    def named(self, row_BT: torch.Tensor) -> torch.Tensor:
        """Which concepts each sequence names, by any of their rows, [B, C]."""
        concept_BT = self.concept_of_row[row_BT]
        # One extra column for positions without a concept; it is cut off below.
        named = torch.zeros(
            len(row_BT), len(self.parts) + 1, dtype=torch.bool, device=row_BT.device
        )
        return named.scatter(1, concept_BT, True)[:, :-1]

    def inject(self, embeds_BTD: torch.Tensor, row_BT: torch.Tensor) -> torch.Tensor:
        """Input rows with the bank's where they stand; every other one is the base's, bit for
        bit.
        """
        if not self.parts:
            return embeds_BTD
        rows_in, _ = self.current()

        # Not `rows_in[...]`: the gradients of an indexed row are added up in whatever order several
        # threads come along.
        # [B, T, D]. Where there is no row (-1), row 0 is looked up, and `where` does not use it.
        rows = nn.functional.embedding(row_BT.clamp_min(0), rows_in.to(embeds_BTD.dtype))
        return torch.where((row_BT >= 0)[..., None], rows, embeds_BTD)

    def extend(
        self, logits_NV: torch.Tensor, hidden_ND: torch.Tensor, named_NC: torch.Tensor
    ) -> torch.Tensor:
        """Logits in which a concept's ids are scored by its head rows, where it is named; every
        other one is the base's, bit for bit.

        Virtual ids stand after the vocabulary, -inf where their concept is not named.

        Args:
            logits_NV: The base's logits; any number of dimensions may stand in N's place.
            hidden_ND: The last hidden states that they were made from.
            named_NC: Which concepts the sequence of each may say, as `named` finds them; a
                dimension of 1 goes for all.

        Returns:
            Logits [N, V + the number of virtual ids].
        """
        logits = logits_NV
        if self.virtual_ids:
            unnamed = logits.new_full((*logits.shape[:-1], self.virtual_ids), -torch.inf)
            logits = torch.cat([logits, unnamed], -1)

        _, rows_out = self.current()
        columns, scores = [], []
        # No question to the numbers themselves ("is it named at all?"): a GPU would wait for the
        # answer at every word.
        for c, part in enumerate(self.parts):
            # Each concept by itself: a product of another shape may differ in its last bits, and a
            # concept must score the same whatever else is in the bank.
            own = (hidden_ND @ rows_out[part].to(hidden_ND.dtype).T).to(logits.dtype)
            ids = self.id_of_row[part]
            columns.append(ids)
            scores.append(torch.where(named_NC[..., c, None], own, logits.index_select(-1, ids)))

        if not columns:
            return logits
        return logits.index_copy(-1, torch.cat(columns), torch.cat(scores, -1))
