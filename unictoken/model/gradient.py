"""A small base's layers in bf16 on a CPU, with a gradient to their input rows: for learning.

`transformers`' forward, differentiated by torch, spends three quarters of a step outside matrix
products: padding, norms in many steps, attention's own gradient. Here sequences of any lengths are
packed, what they begin with is read once (`Packed`), and norms, attention and activations have
gradients written by hand. Weights, copies of the base's, and matrix products are in bf16; input rows,
what is added up from layer to layer, norms and losses are in fp32. The base itself may be in either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx
from transformers import PreTrainedModel

from unictoken.model.internals import PLAIN_LAYER, KeysAndValues
from unictoken.model.reading import LAYER_NORM_EPS, has_usual_layers, linear_of

SMALL = 2**30  # bytes of weights in bf16, of which copies are made here
WIDE = 128  # below it products are too small for bf16 to gain anything
Tensors = tuple[torch.Tensor, ...]


def has_packed_layers(model: PreTrainedModel) -> bool:
    """Whether `PackedLayers` computes this model's layers: on a CPU, small and plain."""
    return (
        has_usual_layers(model)
        and model.get_input_embeddings().weight.device.type == "cpu"
        and model.config.hidden_size >= WIDE
        and model.config.num_attention_heads == model.config.num_key_value_heads
        and all(type(layer) is PLAIN_LAYER for layer in model.layers)
        # a layer that is computed again in the backward pass has a forward of its own
        and not any("forward" in vars(layer) for layer in model.layers)
        and sum(2 * weight.numel() for weight in model.parameters()) < SMALL
    )


# ---- packing -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Sequences whose attention is computed together.

    Attributes: `own_BT` (numbers of the packed ids at their places, -1 where they have ended),
    `first_P` (numbers of the packed ids that all of them begin with), `given` (keys and values of
    each layer, [B, heads, P, D / heads], of what they begin with: constants).
    """

    own_BT: torch.Tensor
    first_P: torch.Tensor
    given: KeysAndValues | None = None

    @property
    def before(self) -> int:
        """P, the places that were read before."""
        return self.given[0][0].shape[2] if self.given else len(self.first_P)


@dataclass(frozen=True)
class Packed:
    """A batch whose ids stand in one row, without padding.

    Attributes: `ids_N`, `places_N` (their places in their sequences), `number_BT` (where each
    sequence's ids are in the row), `groups`.
    """

    ids_N: torch.Tensor
    places_N: torch.Tensor
    number_BT: torch.Tensor
    groups: tuple[Group, ...]


def pack(
    ids_BT: torch.Tensor, lengths: Sequence[int], given_B: Sequence[bool], given: KeysAndValues
) -> Packed:
    """Sequences in one row. What those without a given beginning have in common at their beginning
    is there once.

    Args:
        ids_BT: Padded on the right.
        lengths: Of each, without padding.
        given_B: Which of them begin with what was read before.
        given: Its keys and values, of those sequences, in their order.
    """
    before = given[0][0].shape[2] if given else 0
    whole = [b for b, begun in enumerate(given_B) if not begun]
    shown = [b for b, begun in enumerate(given_B) if begun]
    common = _common(ids_BT[whole], min((lengths[b] for b in whole), default=0))
    number_BT = torch.full_like(ids_BT, -1)
    ids, places, groups, count = [], [], [], 0
    if common:
        ids.append(ids_BT[whole[0], :common])
        places.append(torch.arange(common))
        number_BT[whole, :common] = places[0]
        groups.append(Group(places[0][None], places[0][:0]))
        count = common
    first_P = torch.arange(common)
    for rows, start, cached in ((whole, common, None), (shown, before, given)):
        if not rows:
            continue
        for b in rows:
            own = slice(start, lengths[b])
            here = lengths[b] - start
            ids.append(ids_BT[b, own])
            places.append(torch.arange(start, lengths[b]))
            number_BT[b, own] = torch.arange(count, count + here)
            count += here
        longest = max(lengths[b] for b in rows)
        own_BT = number_BT[rows, start:longest]
        groups.append(Group(own_BT, first_P[:0] if cached else first_P, cached))
    return Packed(torch.cat(ids), torch.cat(places), number_BT, tuple(groups))


def _common(ids_BT: torch.Tensor, shortest: int) -> int:
    """How many ids sequences begin with alike; each keeps one of its own. 0 for a single one."""
    if len(ids_BT) < 2:
        return 0
    same_T = (ids_BT[:, : shortest - 1] == ids_BT[:1, : shortest - 1]).all(0)
    return int(same_T.long().cumprod(0).sum())


class _Plan:
    """Where attention finds the packed ids of each group, by head; once for all layers.

    Queries and keys are rows of [N x 2 H, d], values of [N x 3 H, d]; a group's slots are rows of
    [B x H x T, d], group after group.

    Args:
        packed: The batch.
        heads: H.
        dtype: Of the scores.
    """

    def __init__(self, packed: Packed, heads: int, dtype: torch.dtype):
        self.groups = packed.groups
        self.count, self.heads = len(packed.ids_N), heads
        self.query = [self._rows(group.own_BT, 2, 0) for group in self.groups]
        self.key = [self._rows(group.own_BT, 2, heads) for group in self.groups]
        self.value = [self._rows(group.own_BT, 3, 2 * heads) for group in self.groups]
        self.first_key = [self._rows(group.first_P[None], 2, heads) for group in self.groups]
        self.first_value = [self._rows(group.first_P[None], 3, 2 * heads) for group in self.groups]
        self.out = [self._rows(group.own_BT, 1, 0) for group in self.groups]
        self.masks = [_mask(group, dtype) for group in self.groups]

        # of each group: slots after the end of their sequence
        self.over = [
            (group.own_BT < 0)[:, None].expand(-1, heads, -1).flatten().nonzero()[:, 0]
            for group in self.groups
        ]
        # [N x H]: the slot of each head of each packed id
        self.back = torch.empty(self.count * heads, dtype=torch.long)
        start = 0
        for group, own in zip(self.groups, self.out, strict=True):
            slots = torch.arange(start, start + len(own))
            used = (group.own_BT >= 0)[:, None].expand(-1, heads, -1).flatten()
            self.back[own[used]] = slots[used]
            start += len(own)
        # [N x 2 H]: the same of queries and keys, keys after all queries
        self.back_both = torch.stack(
            [self.back.view(-1, heads), self.back.view(-1, heads) + start], 1
        ).flatten()

    def _rows(self, number_BT: torch.Tensor, parts: int, first: int) -> torch.Tensor:
        """Rows of [N x parts x H, d], from head `first` on, in the order [B, H, T]."""
        head_H = first + torch.arange(self.heads)
        number_BT = number_BT.clamp_min(0)
        return (number_BT[:, None] * (parts * self.heads) + head_H[:, None]).flatten()


def _mask(group: Group, dtype: torch.dtype) -> torch.Tensor:
    """What is added to the scores of a group, [1, T, P + T]."""
    columns = group.own_BT.shape[1]
    mask = torch.zeros(columns, group.before + columns, dtype=dtype)
    later = torch.ones_like(mask, dtype=torch.bool).triu(group.before + 1)
    return mask.masked_fill_(later, torch.finfo(mask.dtype).min)[None]


# ---- the layers ----------------------------------------------------------------------------------


class PackedLayers:
    """A model's layers and head for packed sequences.

    Args:
        model: The transformer.
        head: Its head.
        dtype: Of the matrix products.
    """

    def __init__(
        self, model: PreTrainedModel, head: nn.Linear, dtype: torch.dtype = torch.bfloat16
    ):
        self.model, self.dtype = model, dtype
        self.head = head.weight.detach().to(dtype)
        self.layers = [_Layer(layer, dtype) for layer in model.layers]
        self.heads = model.config.num_attention_heads
        self.width = model.config.hidden_size // self.heads

    def logits(self, hidden_ND: torch.Tensor) -> torch.Tensor:
        return F.linear(hidden_ND, self.head)

    def hidden(self, embeds_ND: torch.Tensor, packed: Packed) -> torch.Tensor:
        """The last hidden states, [N, D], of sequences given as input rows."""
        plan = _Plan(packed, self.heads, self.dtype)
        cos, sin = self.model.rotary_emb(embeds_ND, packed.places_N[None])
        sign_D = torch.ones_like(sin[0, 0])
        sign_D[: self.width // 2] = -1
        turn = tuple(t[:, None].to(self.dtype) for t in (cos[0], sin[0] * sign_D))
        x_ND = embeds_ND.float()
        for number, layer in enumerate(self.layers):
            x_ND = layer(x_ND, turn, plan, number)
        norm = self.model.norm
        weight_D = norm.weight.detach().float()
        return _RmsNorm.apply(x_ND, weight_D, norm.variance_epsilon, self.dtype)


class _Layer:
    """One layer: its weights, side by side where they read the same."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype):
        weights = [m.weight.detach().to(dtype) for m in linear_of(layer)]
        self.qkv, self.output = torch.cat(weights[:3]), weights[3]
        self.gate_up, self.down = torch.cat(weights[4:6]), weights[6]
        self.norms = [
            (norm.weight.detach().float(), norm.variance_epsilon, dtype)
            for norm in (layer.input_layernorm, layer.post_attention_layernorm)
        ]
        attention = layer.self_attn
        self.heads = attention.num_heads
        norms = attention.q_norm, attention.k_norm
        self.scale_HD = torch.cat([norm.weight.detach() for norm in norms]).to(dtype)
        self.shift_HD = torch.cat([norm.bias.detach() for norm in norms]).to(dtype)

    def __call__(self, x_ND: torch.Tensor, turn: Tensors, plan: _Plan, number: int) -> torch.Tensor:
        """The layer's output, [N, D].

        Args:
            x_ND: Its input, in fp32.
            turn: Cosines and signed sines of the places.
            plan: Of the batch.
            number: Of the layer.
        """
        first, second = self.norms
        read = _RmsNorm.apply(x_ND, *first)
        qkv = F.linear(read, self.qkv).unflatten(-1, (3 * self.heads, -1))
        seen = _Attention.apply(qkv, self.scale_HD, self.shift_HD, turn, plan, number)
        x_ND = x_ND + F.linear(seen, self.output)
        read = _RmsNorm.apply(x_ND, *second)
        return x_ND + F.linear(_Gated.apply(F.linear(read, self.gate_up)), self.down)


class _RmsNorm(Function):
    """[N, D] in fp32, to `dtype`."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x_ND: torch.Tensor,
        weight_D: torch.Tensor,
        eps: float,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """The rows, each divided by its root mean square.

        Args:
            ctx: Keeps what the backward pass needs.
            x_ND: Rows.
            weight_D: What each column is multiplied by.
            eps: Added to the mean square.
            dtype: Of the result.
        """
        length_N1 = torch.linalg.vector_norm(x_ND, dim=-1, keepdim=True)
        by_N1 = (length_N1.square() / x_ND.shape[-1] + eps).rsqrt()
        whole_ND = x_ND * by_N1
        ctx.save_for_backward(whole_ND, by_N1, weight_D)
        return (whole_ND * weight_D).to(dtype)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient_ND: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        whole_ND, by_N1, weight_D = ctx.saved_tensors
        scaled_ND = gradient_ND * weight_D
        along_N1 = (scaled_ND * whole_ND).mean(-1, keepdim=True)
        return scaled_ND.addcmul_(whole_ND, along_N1, value=-1).mul_(by_N1), None, None, None


class _Gated(Function):
    """silu(gate) x up, of [gate, up]."""

    @staticmethod
    def forward(ctx: FunctionCtx, both: torch.Tensor) -> torch.Tensor:
        gate, up = both.chunk(2, -1)
        active = F.silu(gate)
        ctx.save_for_backward(both, active)
        return active * up

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        both, active = ctx.saved_tensors
        gate, up = both.chunk(2, -1)
        of_gate = torch.ops.aten.silu_backward(gradient * up, gate)
        return torch.cat([of_gate, gradient * active], -1)


class _Attention(Function):
    """What each packed id sees of its sequence: [N, 3 H, d] (queries, keys, values) to [N, H x d].

    Queries and keys are normalised by head and turned by their places first.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        qkv: torch.Tensor,
        scale_HD: torch.Tensor,
        shift_HD: torch.Tensor,
        turn: Tensors,
        plan: _Plan,
        number: int,
    ) -> torch.Tensor:
        """What every packed id takes from those before it.

        Args:
            ctx: Keeps what the backward pass needs.
            qkv: Queries, keys and values of all packed ids.
            scale_HD: What normalised queries and keys are multiplied by, by head.
            shift_HD: What is added to them then.
            turn: Cosines and sines of their places.
            plan: Which packed ids are a sequence.
            number: Of the layer, for keys and values that are given.
        """
        width = qkv.shape[-1]
        raw = qkv[:, : 2 * plan.heads].contiguous()
        normed, mean, by = torch.native_layer_norm(raw, (width,), None, None, LAYER_NORM_EPS)
        normed = torch.addcmul(shift_HD, normed, scale_HD)
        cos, sin = turn
        qk = torch.addcmul(normed * cos, normed.roll(width // 2, -1), sin).view(-1, width)
        values = qkv.view(-1, width)

        kept, found = [], []
        for i, group in enumerate(plan.groups):
            pairs, columns = group.own_BT.shape[0] * plan.heads, group.own_BT.shape[1]
            query = qk.index_select(0, plan.query[i]).view(pairs, columns, width).mul_(width**-0.5)
            key = qk.index_select(0, plan.key[i]).view(pairs, columns, width)
            value = values.index_select(0, plan.value[i]).view(pairs, columns, width)
            if group.before:
                first = (
                    group.given[number]
                    if group.given
                    else _spread(qk, values, plan, i, len(group.own_BT))
                )
                key, value = (
                    torch.cat([start.reshape(pairs, -1, width).to(own), own], 1)
                    for start, own in zip(first, (key, value), strict=True)
                )
            scores = torch.bmm(query, key.transpose(1, 2)).add_(plan.masks[i])
            shares = scores.softmax(-1)
            found.append(torch.bmm(shares, value).view(-1, width))
            kept += [query, key, value, shares]
        ctx.save_for_backward(raw, mean, by, scale_HD, cos, sin, *kept)
        ctx.plan = plan
        return torch.cat(found).index_select(0, plan.back).view(plan.count, -1)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        plan = ctx.plan
        raw, mean, by, scale_HD, cos, sin, *kept = ctx.saved_tensors
        width = raw.shape[-1]
        gradient = gradient.reshape(-1, width)
        queries, keys, values, firsts = [], [], [], []
        for i, group in enumerate(plan.groups):
            query, key, value, shares = kept[4 * i : 4 * i + 4]
            # past the end of a sequence nothing is learned
            of_out = gradient.index_select(0, plan.out[i])
            of_out = of_out.index_fill_(0, plan.over[i], 0).view(query.shape)
            of_scores = torch.ops.aten._softmax_backward_data(
                torch.bmm(of_out, value.transpose(1, 2)), shares, -1, shares.dtype
            )
            of_key = torch.bmm(of_scores.transpose(1, 2), query)
            of_value = torch.bmm(shares.transpose(1, 2), of_out)
            queries.append(torch.bmm(of_scores, key).mul_(width**-0.5).view(-1, width))
            keys.append(of_key[:, group.before :].reshape(-1, width))
            values.append(of_value[:, group.before :].reshape(-1, width))
            if len(group.first_P):
                firsts.append((group.first_P, of_key, of_value))

        both = torch.cat([*queries, *keys]).index_select(0, plan.back_both).view(raw.shape)
        found = raw.new_empty(plan.count, 3 * plan.heads, width)
        of_values = torch.cat(values).index_select(0, plan.back)
        found[:, 2 * plan.heads :] = of_values.view(plan.count, plan.heads, width)
        for first_P, *of_both in firsts:
            # The common beginning is seen by all sequences of its group.
            of_key, of_value = (
                t.unflatten(0, (-1, plan.heads))[:, :, : len(first_P)]
                .float()
                .sum(0)
                .transpose(0, 1)
                for t in of_both
            )
            both[: len(first_P), plan.heads :] += of_key
            found[: len(first_P), 2 * plan.heads :] += of_value
        of_normed = torch.addcmul((both * sin).roll(width // 2, -1), both, cos)
        found[:, : 2 * plan.heads], _, _ = torch.ops.aten.native_layer_norm_backward(
            of_normed * scale_HD, raw, (width,), mean, by, None, None, (True, False, False)
        )
        return found, None, None, None, None, None


def _spread(
    qk: torch.Tensor, values: torch.Tensor, plan: _Plan, i: int, sequences: int
) -> list[torch.Tensor]:
    """Keys and values of a group's common beginning, for each of its sequences.

    Args:
        qk: Queries and keys, [N x 2 H, d].
        values: Rows that hold the values, [N x 3 H, d].
        plan: Of the batch.
        i: The group's number.
        sequences: B.
    """
    both = qk.index_select(0, plan.first_key[i]), values.index_select(0, plan.first_value[i])
    return [t.view(1, plan.heads, -1, t.shape[-1]).expand(sequences, -1, -1, -1) for t in both]
