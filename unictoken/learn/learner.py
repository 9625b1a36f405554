"""The module that is optimised: a frozen base with one parameter, a bank of one concept's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import itemgetter

import torch

from unictoken.data.sequence import IGNORE, Batch
from unictoken.learn.picture_cache import PictureCache
from unictoken.model.gradient import pack
from unictoken.model.protocol import Base
from unictoken.tokens.bank import RowBank


class Learner(RowBank):
    """Loss of a batch as a function of the concept's rows.

    `rows` [2, P, D] (input rows, head rows) is the only parameter and is used in every step,
    whatever the tasks: ranks whose batches differ then still agree on what is trained. Rows that a
    stage does not train are read from `frozen` instead.

    It is a bank and does not hold one: ZeRO 3 gathers the parameters of the module whose `forward`
    is called, and a bank's is not.

    Args:
        base: The frozen base.
        concept_ids: The ids of the concept's rows (`give_ids`).
        rows_in_PD: Input rows to begin with.
        rows_out_PD: Head rows to begin with.
        loss: An objective's, the sum over the examples of a batch.
        prefix_cache: Whether keys and values of pictures at the beginning of examples are cached
            (`core.zero` says when they must not be).
        fast: Whether layers and head may be in bf16, where this CPU is faster with it.
        concepts: How many concepts the rows are of, each with as many, one after the other.
    """

    trainable: torch.Tensor  # a buffer, whose type torch does not know

    def __init__(
        self,
        base: Base,
        concept_ids: list[int],
        rows_in_PD: torch.Tensor,
        rows_out_PD: torch.Tensor,
        *,
        loss: Callable[[torch.Tensor, Batch], torch.Tensor],
        prefix_cache: bool = True,
        fast: bool = True,
        concepts: int = 1,
    ):
        rows = len(concept_ids) // concepts
        own = [concept_ids[c * rows : (c + 1) * rows] for c in range(concepts)]
        super().__init__(base, own, rows_in_PD, rows_out_PD)
        self.base = base
        # A submodule, so that an engine moves and shards the base's weights, too.
        self.model = base.model
        # no buffer: an engine that casts the module must not round it
        self.frozen = self.rows.detach().clone()
        self.register_buffer(
            "trainable", torch.ones(len(concept_ids), dtype=torch.bool, device=base.device)
        )
        self.loss = loss
        self.picture_cache = PictureCache(base) if prefix_cache else None
        self.packed_layers = base.packed_layers() if fast and prefix_cache else None
        self.pad = base.vocab.pad
        self.begin_image, self.picture_begin = base.vocab.begin_image, len(base.vocab.begin)
        picture_length = base.vocab.picture_length(base.codes_per_picture)
        self.picture_end = self.picture_begin + picture_length

    @property
    def dtype(self) -> str:
        """What the layers compute in: 'fp32', 'bf16'."""
        in_bf16 = self.packed_layers is not None or self.base.dtype == torch.bfloat16
        return "bf16" if in_bf16 else "fp32"

    def current(self) -> torch.Tensor:
        """The rows as they are used, [2, P, D]."""
        # [P, 1] over [2, P, D]. A row that is not trained gets a gradient of 0, and is read from
        # `frozen` even where weight decay has changed it in the optimiser.
        return torch.where(self.trainable[:, None], self.rows, self.frozen)

    @torch.no_grad()
    def settle(self, rows_2PD: torch.Tensor) -> None:
        """End a stage: what was trained is frozen. `rows_2PD` are the optimiser's own, in
        fp32.
        """
        self.frozen = torch.where(
            self.trainable[:, None], rows_2PD.float().to(self.frozen.device), self.frozen
        )
        self.trainable.fill_(False)

    @torch.no_grad()
    def restart(self, part: slice, rows_in: torch.Tensor) -> None:
        """Between two stages: reinitialise the input rows of a role; its head rows stay."""
        self.frozen[0, part] = rows_in.to(self.frozen)

    @torch.no_grad()
    def restore(
        self, rows_2PD: torch.Tensor, frozen_2PD: torch.Tensor, own_P: torch.Tensor
    ) -> None:
        """The state of a run that was left: rows, frozen rows, and which rows were trained."""
        self.rows.copy_(rows_2PD)
        self.frozen.copy_(frozen_2PD)
        self.trainable.copy_(own_P)

    @torch.no_grad()
    def begin_stage(self, trainable_P: list[bool]) -> None:
        """From here on only the marked rows are trained."""
        self.rows.copy_(self.frozen)
        self.trainable.copy_(torch.tensor(trainable_P))

    def forward(
        self,
        ids_BT: torch.Tensor,
        labels_BT: torch.Tensor,
        weights_B: torch.Tensor,
        **more: torch.Tensor,
    ) -> torch.Tensor:
        """Mean over the examples of their losses.

        Args:
            ids_BT: Padded on the right.
            labels_BT: The ids that are supervised, IGNORE elsewhere.
            weights_B: Of each example's loss.
            **more: What the objective added to its batch.
        """
        batch = Batch(ids_BT, labels_BT, weights_B, more)
        losses = [self.loss(logits_NV, part) for logits_NV, part in self.read(batch)]
        # Divided by examples, not by ids: an example counts once, however long it is.
        return sum(losses) / len(batch)

    def read(self, batch: Batch) -> Iterator[tuple[torch.Tensor, Batch]]:
        """Logits [N, V] of the supervised positions, and the examples that they are of: all at
        once, or in two parts.
        """
        shown_B = self._begins_with_a_picture(batch)
        if self.packed_layers is not None:
            yield self._packed_logits(batch, shown_B), batch
            return
        # In two passes: a cache has read equally many ids of all its rows.
        for own_B, read in [(shown_B, self.picture_end), (~shown_B, 0)]:
            if own_B.any():
                yield self._part(batch.each(itemgetter(own_B)), read)

    def _begins_with_a_picture(self, batch: Batch) -> torch.Tensor:
        """Which examples begin with a whole picture that is not itself learned, [B]."""
        ids_BT = batch.ids_BT
        if self.picture_cache is None or ids_BT.shape[1] <= self.picture_end:
            return torch.zeros(len(ids_BT), dtype=torch.bool, device=ids_BT.device)
        # The id after the picture, too: the state that predicts it is not computed again.
        unlearned_B = (batch.labels_BT[:, : self.picture_end + 1] == IGNORE).all(1)
        return (ids_BT[:, self.picture_begin] == self.begin_image) & unlearned_B

    def _packed_logits(self, batch: Batch, shown_B: torch.Tensor) -> torch.Tensor:
        """Logits [N, V] of the supervised positions of all examples, read in one pass."""
        ids_BT, labels_BT = batch.ids_BT, batch.labels_BT
        read = self.picture_end if shown_B.any() else 0
        given = self.picture_cache.keys_and_values(ids_BT[shown_B, :read]) if read else []
        lengths = (ids_BT != self.pad).sum(1).clamp_min(2).tolist()
        packed = pack(ids_BT, lengths, shown_B.tolist(), given)
        row_1N = self.rows_of(packed.ids_N[None])
        embeds = self.inject(self.base.embed(self.ids_of_base(packed.ids_N[None])), row_1N)
        hidden_ND = self.packed_layers.hidden(embeds[0], packed)
        # The state at position t predicts the id at t + 1.
        counted_BT = labels_BT[:, 1:] != IGNORE
        hidden_ND = hidden_ND[packed.number_BT[:, :-1][counted_BT]]
        named_BTC = self.named(self.rows_of(ids_BT))[:, None].expand(-1, counted_BT.shape[1], -1)
        logits_NV = self.packed_layers.logits(hidden_ND)
        return self.extend(logits_NV, hidden_ND, named_BTC[counted_BT])

    def _part(self, batch: Batch, read: int) -> tuple[torch.Tensor, Batch]:
        """Logits of examples, whose first `read` ids come from the cache, and the examples without
        what is padding in all of them.
        """
        # of these examples; the batch may hold longer ones
        # At least 2: one id alone predicts nothing.
        longest = int((batch.ids_BT != self.pad).sum(1).max().clamp_min(2))
        ids_BT, labels_BT = batch.ids_BT[:, :longest], batch.labels_BT[:, :longest]
        logits_NV = self._logits(ids_BT, labels_BT, read)
        return logits_NV, replace(batch, ids_BT=ids_BT, labels_BT=labels_BT)

    def _logits(self, ids_BT: torch.Tensor, labels_BT: torch.Tensor, read: int) -> torch.Tensor:
        """Logits [N, V] of the supervised positions; the first `read` ids, a picture, come from the
        cache.
        """
        rest_BT = ids_BT[:, read:]
        # A picture that was read is left out: none of its ids is a concept's.
        row_BT = self.rows_of(rest_BT)
        embeds = self.inject(self.base.embed(self.ids_of_base(rest_BT)), row_BT)
        # Without a mask: padding stands on the right, where no supervised position can see it.
        hidden_BTD = self.base.hidden(
            embeds, self.picture_cache.read(ids_BT[:, :read]) if read else None
        )
        # The state at position t predicts the id at t + 1, so labels begin one position later.
        counted_BT = labels_BT[:, read + 1 :] != IGNORE
        hidden_ND = hidden_BTD[:, :-1][counted_BT]
        # [B, C] to [N, C]: which concepts the sequence of each supervised position names.
        named_BTC = self.named(row_BT)[:, None].expand(-1, counted_BT.shape[1], -1)
        return self.extend(self.base.logits(hidden_ND), hidden_ND, named_BTC[counted_BT])
