"""Sequences that are read a few columns at a time, and what the layers keep of them meanwhile.

Drawing reads one id of each sequence after another, a thousand times for a picture of a 7B.
`transformers` makes masks, rotations and a longer cache anew each time, which on a small base takes
longer than the layers do. `OwnLayers` computes the same with little around it. `TheirLayers` is
`transformers`' own forward, for models whose layers are of another kind, and other families.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import ChameleonModel, DynamicCache, PreTrainedModel

from unictoken.model.internals import CACHE_KEYWORD, PLAIN_LAYER, SWIN_LAYER, holds_cache
from unictoken.model.products import Product

SMALL = 2**29  # values of weights, of which packed copies are made on a CPU
MOST_PARTS = 2  # of a batch, whose attention is computed apart
ROWS_OF_PARTS = 8  # fewer: two calls take longer than what they need not read
LAYER_NORM_EPS = 1e-5  # of queries and keys: Chameleon has no setting for it


Part = tuple[slice, int]  # rows, and the first column of these


class Reading:
    """B sequences that are read together. All take up the same columns; a sequence may skip some,
    which it then neither sees nor counts.

    Args:
        model: The transformer, without its head.
        rows: B.
        columns: How many columns there may be.
    """

    def __init__(self, model: PreTrainedModel, rows: int, columns: int):
        weight = model.get_input_embeddings().weight
        dtype = dtype_of_attention(weight)
        self.layers = (
            OwnLayers(model, rows, columns) if has_usual_layers(model) else TheirLayers(model)
        )
        self.columns = 0
        self.skips = False  # whether a sequence has skipped a column
        # Of each sequence, its first column, as long as it has skipped none after that.
        self.first_B: list[int] | None = [0] * rows
        self.length_B = torch.zeros(rows, dtype=torch.long, device=weight.device)
        # Added to attention's scores: 0, or the least number where nothing may be seen. Not -inf:
        # a column that sees nothing would become NaN, and 0 times NaN is NaN.
        self.bias_BT = weight.new_zeros(rows, columns, dtype=dtype)
        self.least = torch.finfo(dtype).min

    def read(self, embeds_BSD: torch.Tensor, seen_BS: torch.Tensor | None = None) -> torch.Tensor:
        """The last hidden states, [B, S, D], of the next S columns.

        Args:
            embeds_BSD: Their input rows.
            seen_BS: False where a sequence skips a column; None: none does.
        """
        count, device = embeds_BSD.shape[1], embeds_BSD.device
        first, self.columns = self.columns, self.columns + count
        if seen_BS is None:
            place_BS = self.length_B[:, None] + torch.arange(count, device=device)
            self.length_B = self.length_B + count
        else:
            self.skips = True
            self._note_firsts(seen_BS, first)
            place_BS = (self.length_B[:, None] + seen_BS.cumsum(1) - 1).clamp_min(0)
            self.length_B = self.length_B + seen_BS.sum(1)
            self.bias_BT[:, first : self.columns].masked_fill_(~seen_BS, self.least)
        parts = self._parts() if count == 1 and isinstance(self.layers, OwnLayers) else None
        if parts:
            return self.layers(embeds_BSD, place_BS, None, parts)
        return self.layers(embeds_BSD, place_BS, self._bias(first))

    def _note_firsts(self, seen_BS: torch.Tensor, column: int) -> None:
        """After columns that some skip: where each sequence begins."""
        skipped_B = (~seen_BS).sum(1).tolist()
        leading_B = (~seen_BS).long().cumprod(1).sum(1).tolist()
        begun = self.first_B is None or any(
            skipped and (leading < skipped or first < column)
            for skipped, leading, first in zip(skipped_B, leading_B, self.first_B, strict=True)
        )
        self.first_B = (
            None if begun else [a + b for a, b in zip(self.first_B, skipped_B, strict=True)]
        )

    def _parts(self) -> list[Part]:
        """Sequences side by side that begin at the same column: two of them with guidance. What
        stands before need not be read, nor masked. None of them where there are many.
        """
        if not self.skips or self.first_B is None or len(self.first_B) < ROWS_OF_PARTS:
            return []
        parts: list[Part] = []
        row = 0
        for first, run in groupby(self.first_B):
            parts.append((slice(row, row := row + len(list(run))), first))
        return parts if len(parts) <= MOST_PARTS else []

    def _bias(self, first: int) -> torch.Tensor | None:
        """What is added to attention's scores, [B or 1, 1, S, T]; None: nothing, each column sees
        all before it.
        """
        count = self.columns - first
        if not self.skips and (count == 1 or first == 0):
            return None
        bias_BIIT = self.bias_BT[: None if self.skips else 1, None, None, : self.columns]
        if count == 1:
            return bias_BIIT
        later_ST = bias_BIIT.new_ones(count, self.columns, dtype=torch.bool).triu(first + 1)
        return bias_BIIT.masked_fill(later_ST, self.least)

    def take_back(self, columns_B: Sequence[int]) -> None:
        """Take back so many of the last columns of each sequence, none of which it has skipped."""
        least, most = min(columns_B), max(columns_B)
        if most == 0:
            return
        taken_B = torch.tensor(columns_B, device=self.length_B.device)
        self.length_B = self.length_B - taken_B
        if least:
            self.columns -= least
            self.layers.forget(least)
        if most > least:  # columns that others keep: it skips them
            self.skips, self.first_B = True, None
            column_T = torch.arange(self.columns - most + least, self.columns).to(taken_B)
            skipped_BT = column_T >= self.columns + least - taken_B[:, None]
            self.bias_BT[:, self.columns - most + least : self.columns].masked_fill_(
                skipped_BT, self.least
            )

    @property
    def columns_left(self) -> int:
        """How many more there may be."""
        return self.bias_BT.shape[1] - self.columns

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows: each any number of times, in any order."""
        if list(rows) == list(range(len(self.length_B))):
            return
        chosen = torch.tensor(rows, device=self.length_B.device)
        self.layers.select(chosen)
        self.length_B, self.bias_BT = self.length_B[chosen], self.bias_BT[chosen]
        self.first_B = self.first_B and [self.first_B[row] for row in rows]


def dtype_of_attention(weight: torch.Tensor) -> torch.dtype:
    """What keys and values are kept in. On a CPU fp32 in any case: attention of one column is six
    times slower there in bf16.
    """
    return torch.float32 if weight.device.type == "cpu" else weight.dtype


class TheirLayers:
    """`transformers`' forward and its growing cache."""

    def __init__(self, model: PreTrainedModel):
        self.model, self.cache = model, DynamicCache()

    def __call__(
        self, embeds_BSD: torch.Tensor, place_BS: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        return self.model(
            inputs_embeds=embeds_BSD,
            attention_mask=None if bias is None else bias.to(embeds_BSD.dtype),
            position_ids=place_BS,
            use_cache=True,
            **{CACHE_KEYWORD: self.cache},
        ).last_hidden_state

    def forget(self, columns: int) -> None:
        self.cache.crop(-columns)

    def select(self, rows: torch.Tensor) -> None:
        for kept in self.cache.layers:  # a base may be spread over several devices
            kept.batch_select_indices(rows.to(kept.keys.device))


def has_usual_layers(model: PreTrainedModel) -> bool:
    """Whether the layers are of the kind that `OwnLayers` computes, and their weights are here.

    ZeRO 3 leaves weights empty between two steps; quantised ones are in no `nn.Linear`; layers on
    several devices are called through accelerate's hooks (`_hf_hook`, which has no public name).
    """
    if not isinstance(model, ChameleonModel):
        return False
    if model.config.rope_parameters["rope_type"] != "default":
        return False
    return all(
        type(layer) in (PLAIN_LAYER, SWIN_LAYER)
        and not hasattr(layer, "_hf_hook")
        and all(
            type(m) is nn.Linear and m.bias is None and m.weight.numel() for m in linear_of(layer)
        )
        for layer in model.layers
    )


def linear_of(layer: nn.Module) -> list[nn.Module]:
    attention, mlp = layer.self_attn, layer.mlp
    projections = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
    return [*projections, mlp.gate_proj, mlp.up_proj, mlp.down_proj]


class OwnLayers:
    """The layers of a Chameleon, with keys and values that are written in place.

    In fp32 this equals `transformers`' forward but for the last digits. The weights are those of
    the model; of a small one on a CPU, packed copies.
    """

    def __init__(self, model: ChameleonModel, rows: int, columns: int):
        weight, heads = model.norm.weight, model.config.num_key_value_heads
        head_width = model.config.hidden_size // model.config.num_attention_heads
        self.model = model
        self.layers = _layers_of(model)
        # of each layer: keys and values
        dtype = dtype_of_attention(weight)
        shape = (2, rows, heads, columns, head_width)
        self.kept = [weight.new_empty(shape, dtype=dtype) for _ in self.layers]
        self.columns = 0
        cos_ITD, sin_ITD = model.rotary_emb(
            weight, torch.arange(columns, device=weight.device)[None]
        )
        # The first half of a head is turned by minus the second one.
        sign_D = torch.ones_like(sin_ITD[0, 0])
        sign_D[: head_width // 2] = -1
        self.cos_TD, self.sin_TD = cos_ITD[0], sin_ITD[0] * sign_D

    def __call__(
        self,
        embeds_BSD: torch.Tensor,
        place_BS: torch.Tensor,
        bias: torch.Tensor | None,
        parts: Sequence[Part] = (),
    ) -> torch.Tensor:
        """The last hidden states.

        Args:
            embeds_BSD: Input rows of the next columns.
            place_BS: Their places in their sequences.
            bias: Added to attention's scores; None: each column sees all before it.
            parts: Rows whose attention is computed apart; none: all together.
        """
        turn = (self.cos_TD[place_BS].unsqueeze(2), self.sin_TD[place_BS].unsqueeze(2))
        first, self.columns = self.columns, self.columns + embeds_BSD.shape[1]
        x_BSD = embeds_BSD
        for layer, kept in zip(self.layers, self.kept, strict=True):
            # Views of the columns that are written now, and of all that may be seen.
            new, seen = kept[:, :, :, first : self.columns], kept[:, :, :, : self.columns]
            x_BSD = layer(x_BSD, turn, new, seen, _Sees(bias, parts))
        return _rms_norm(x_BSD, self.model.norm)

    def forget(self, columns: int) -> None:
        self.columns -= columns  # what they hold is written over

    def select(self, rows: torch.Tensor) -> None:
        # One layer after the other, so that only one is there twice.
        for i, kept in enumerate(self.kept):
            self.kept[i] = kept.new_empty(kept.shape[0], len(rows), *kept.shape[2:])
            self.kept[i][:, :, :, : self.columns] = kept[:, rows, :, : self.columns]


class _Sees(NamedTuple):
    """What each row's columns see; `OwnLayers` says what it means."""

    bias: torch.Tensor | None
    parts: Sequence[Part]


_LAYERS: WeakKeyDictionary[nn.Module, list[_Layer]] = WeakKeyDictionary()


def _layers_of(model: ChameleonModel) -> list[_Layer]:
    """Made once for each model: packing takes as long as drawing a few ids."""
    weights = [m.weight for layer in model.layers for m in linear_of(layer)]
    found = _LAYERS.get(model)
    used = [weight for layer in found or () for weight in layer.weights]
    # A model that was moved, or has been given other weights, has other tensors.
    if len(used) != len(weights) or any(a is not b for a, b in zip(used, weights, strict=True)):
        small = sum(weight.numel() for weight in weights) < SMALL
        _LAYERS[model] = found = [_Layer(layer, packed=small) for layer in model.layers]
    return found


class _Layer:
    """The weights of one layer, as they are used here."""

    def __init__(self, layer: nn.Module, *, packed: bool):
        attention = layer.self_attn
        self.swin = type(layer) is SWIN_LAYER
        self.norms = layer.input_layernorm, layer.post_attention_layernorm
        self.weights = [m.weight for m in linear_of(layer)]
        self.qkv = Product(*self.weights[:3], packed=packed)
        self.output = Product(self.weights[3], packed=packed)
        self.gate_up = Product(*self.weights[4:6], packed=packed)
        self.down = Product(self.weights[6], packed=packed)
        self.activate = layer.mlp.act_fn
        self.heads, self.kv_heads = attention.num_heads, attention.num_key_value_heads
        # Queries and keys are normalised together: each head has a scale and a shift of its own.
        norms = attention.q_norm, attention.k_norm
        self.scale_HD = torch.cat([norm.weight for norm in norms])
        self.shift_HD = torch.cat([norm.bias for norm in norms])

    def __call__(
        self,
        x_BSD: torch.Tensor,
        turn: tuple[torch.Tensor, torch.Tensor],
        new: torch.Tensor,
        seen: torch.Tensor,
        sees: _Sees,
    ) -> torch.Tensor:
        """The layer's output, [B, S, D].

        Args:
            x_BSD: Its input.
            turn: Cosines and signed sines of the places, [B, S, 1, head width].
            new: Where keys and values of these columns go, [2, B, heads, S, head width].
            seen: Keys and values of all columns, these included.
            sees: Which of them.
        """
        first, second = self.norms
        if self.swin:
            x_BSD = x_BSD + _rms_norm(self._attend(x_BSD, turn, new, seen, sees), first)
            return x_BSD + _rms_norm(self._feed_forward(x_BSD), second)
        x_BSD = x_BSD + self._attend(_rms_norm(x_BSD, first), turn, new, seen, sees)
        return x_BSD + self._feed_forward(_rms_norm(x_BSD, second))

    def _attend(
        self,
        x_BSD: torch.Tensor,
        turn: tuple[torch.Tensor, torch.Tensor],
        new: torch.Tensor,
        seen: torch.Tensor,
        sees: _Sees,
    ) -> torch.Tensor:
        head_width, both = new.shape[-1], self.heads + self.kv_heads
        qkv = self.qkv(x_BSD).unflatten(-1, (-1, head_width))
        qk = F.layer_norm(qkv[:, :, :both], (head_width,), eps=LAYER_NORM_EPS)
        qk = torch.addcmul(self.shift_HD, qk, self.scale_HD)
        cos, sin = turn
        qk = torch.addcmul(qk * cos, qk.roll(head_width // 2, -1), sin).transpose(1, 2)
        new[0] = qk[:, self.heads :]
        new[1] = qkv[:, :, both:].transpose(1, 2)
        query = qk[:, : self.heads].to(new.dtype)
        attend = partial(
            F.scaled_dot_product_attention,
            attn_mask=sees.bias,
            is_causal=sees.bias is None and x_BSD.shape[1] > 1,
            enable_gqa=self.heads != self.kv_heads,
        )
        if sees.parts:
            found = torch.cat(
                [attend(query[rows], *seen[:, rows, :, first:]) for rows, first in sees.parts]
            )
        else:
            found = attend(query, *seen)
        return self.output(found.transpose(1, 2).flatten(2).to(x_BSD.dtype))

    def _feed_forward(self, x_BSD: torch.Tensor) -> torch.Tensor:
        gate, up = self.gate_up(x_BSD).chunk(2, -1)
        return self.down(self.activate(gate).mul_(up))


def _rms_norm(x_BSD: torch.Tensor, norm: nn.Module) -> torch.Tensor:
    return F.rms_norm(x_BSD, norm.weight.shape, norm.weight, norm.variance_epsilon)


def recomputed(
    forward: Callable[..., tuple[torch.Tensor, ...]],
    hidden_BTD: torch.Tensor,
    *args: Any,
    **kwargs: Any,
) -> tuple[torch.Tensor, ...]:
    """A layer's output, for whose gradient the layer is computed again.

    `transformers` does so in training mode only, which a frozen base is never in, and drops the
    cache that drawing needs. With a cache nothing is computed again: it would be added to twice.
    """
    if not hidden_BTD.requires_grad or holds_cache(args, kwargs):
        return forward(hidden_BTD, *args, **kwargs)
    # Not reentrant: that way takes no keyword arguments. No random state is kept: without dropout
    # nothing here is random.
    return checkpoint(
        forward, hidden_BTD, *args, use_reentrant=False, preserve_rng_state=False, **kwargs
    )
