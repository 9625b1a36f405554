"""Sampling text and pictures, in batches, with a key-value cache and classifier-free guidance.

`speaker` is anything with `vocab`, `device`, `longest`, `cache_bytes`, `embed`, `hidden` and
`logits`: a base, or a base with concepts on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

import torch
from transformers import DynamicCache

from unictoken.core.errors import UserError
from unictoken.core.progress import progress
from unictoken.model.draw import Draw

TEXT_BATCH = 64
ANSWER_IDS = 64  # that an answer may have, where nobody says how many
PICTURE_BATCH = 16
CACHE_BYTES = 5 * 2**30  # of keys and values at once: four pictures of a 7B with guidance


class _Continuation:
    """Sequences that are read and continued together; prompts are padded on the left."""

    def __init__(self, speaker, prompts: Sequence[Sequence[int]]):
        self.speaker = speaker
        length = max(map(len, prompts))
        rows = [[speaker.vocab.pad] * (length - len(p)) + list(p) for p in prompts]
        self.device = speaker.device
        self.ids = torch.tensor(rows, device=self.device)
        self.mask = torch.tensor(
            [[0] * (length - len(p)) + [1] * len(p) for p in prompts], device=self.device
        )
        self.cache = DynamicCache()
        self.logits = self._read(self.ids)

    def _read(self, ids_BT: torch.Tensor) -> torch.Tensor:
        mask = None if self.mask.all() else self.mask
        hidden = self.speaker.hidden(self.speaker.embed(ids_BT), self.cache, mask)
        return self.speaker.logits(hidden[:, -1], self.ids).float()

    def append(self, next_B: torch.Tensor) -> None:
        self.ids = torch.cat([self.ids, next_B[:, None]], 1)
        self.mask = torch.cat([self.mask, torch.ones_like(next_B)[:, None]], 1)
        self.logits = self._read(next_B[:, None])


def _parts(
    speaker, prompts: Sequence[Sequence[int]], most: int, *, more_ids: int = 0, copies: int = 1
) -> Iterator[tuple[int, Sequence]]:
    """(number of the first, prompts) of parts of at most `most`, smaller where a large base's cache
    would outgrow CACHE_BYTES.
    """
    longest = max(map(len, prompts), default=0) + more_ids
    if longest > speaker.longest:
        raise UserError(
            f"prompt: {longest - more_ids:,} ids and {more_ids} of an answer; this base reads at"
            f" most {speaker.longest:,}. Say less."
        )
    size = max(1, min(most, CACHE_BYTES // max(1, copies * speaker.cache_bytes(longest))))
    for first in range(0, len(prompts), size):
        yield first, prompts[first : first + size]


@torch.no_grad()
def next_logits(speaker, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Scores of what comes next, [B, V] in fp32, for prompts of any lengths."""
    parts = [part for _, part in _parts(speaker, prompts, TEXT_BATCH)]
    return torch.cat(
        [
            _Continuation(speaker, part).logits.cpu()
            for part in progress(parts, f"reading {len(prompts)} prompts")
        ]
    )


def pick(
    logits_BV: torch.Tensor, temperature: float, top_p: float, generators: Sequence[torch.Generator]
) -> torch.Tensor:
    """One id for each row: the likeliest at temperature 0, else sampled from the smallest set that
    holds `top_p` of the mass.
    """
    if temperature == 0:
        return logits_BV.argmax(-1)
    probability = (logits_BV / temperature).softmax(-1)
    ranked, order = probability.sort(-1, descending=True)
    ranked = ranked * (ranked.cumsum(-1) - ranked < top_p)
    chosen = [
        torch.multinomial(row.cpu(), 1, generator=g)
        for row, g in zip(ranked, generators, strict=True)
    ]
    return order.gather(-1, torch.stack(chosen).to(order.device)).squeeze(-1)


def _generators(seed: int, first: int, count: int) -> list[torch.Generator]:
    """One generator a row: a picture depends on its own number and the seed, not on the batch it is
    drawn in.
    """
    return [
        torch.Generator().manual_seed((seed * 1_000_003 + first + i) % 2**63) for i in range(count)
    ]


@torch.no_grad()
def sample_text(
    speaker,
    prompts: Sequence[Sequence[int]],
    *,
    max_ids: int = ANSWER_IDS,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> list[list[int]]:
    """The ids that follow each prompt, up to its end (left out). Image ids, and what else is no
    text, are never sampled here.
    """
    answers, vocab = [], speaker.vocab
    for first, part in _parts(speaker, prompts, TEXT_BATCH, more_ids=max_ids):
        talk = _Continuation(speaker, part)
        generators = _generators(seed, first, len(part))
        forbidden, ends = (
            torch.cat([vocab.image_ids, torch.tensor(vocab.no_text)]).to(talk.device),
            torch.tensor(vocab.ends, device=talk.device),
        )
        done = torch.zeros(len(part), dtype=torch.bool, device=talk.device)
        start = talk.ids.shape[1]
        for _ in progress(
            range(max_ids), f"answering {len(part)} of {len(prompts)} questions", unit="word"
        ):
            if done.all():
                break
            talk.logits[:, forbidden] = -torch.inf
            chosen = pick(talk.logits, temperature, top_p, generators)
            chosen = torch.where(done, vocab.end_turn, chosen)
            done |= torch.isin(chosen, ends)
            talk.append(chosen)
        answers += [
            list(takewhile(lambda i: i not in vocab.ends, row.tolist()))
            for row in talk.ids[:, start:]
        ]
        del talk  # its cache, before the next part reads into another
    return answers


@torch.no_grad()
def sample_pictures(
    speaker, prompts: Sequence[Sequence[int]], length: int, how: Draw
) -> torch.Tensor:
    """Image ids [N, K] of one picture for each prompt, K = `length`; begin_image is forced, then
    image ids only.

    Guidance compares with the unconditional prompt, bos + begin_image, in the same batch.
    """
    vocab = speaker.vocab
    drawn = []
    guided = how.guidance != 1
    for first, part in _parts(
        speaker, prompts, PICTURE_BATCH, more_ids=length + 1, copies=2 if guided else 1
    ):
        part = [[*p, vocab.begin_image] for p in part]
        blind = [[vocab.bos, vocab.begin_image]] * len(part) if guided else []
        picture = _Continuation(speaker, part + blind)
        image_ids = vocab.image_ids.to(picture.device)
        generators = _generators(how.seed, first, len(part))
        ids = []
        for step in progress(range(length), f"drawing {len(part)} of {len(prompts)} pictures"):
            scores = picture.logits[:, image_ids]
            if guided:
                scores, free = scores.chunk(2)
                scores = free + how.guidance * (scores - free)
            ids.append(image_ids[pick(scores, how.temperature, how.top_p, generators)])
            if step + 1 < length:
                picture.append(ids[-1].repeat(2 if guided else 1))
        drawn.append(torch.stack(ids, 1).cpu())
    return torch.cat(drawn)
