"""Sampling text and pictures, in batches, with a key-value cache and classifier-free guidance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Protocol

import torch
from transformers import Cache, DynamicCache

from unictoken.core.errors import UserError
from unictoken.core.progress import progress
from unictoken.model.draw import Draw
from unictoken.model.vocab import Vocab

TEXT_BATCH = 64
ANSWER_IDS = 64  # that an answer may have, where nobody says how many
PICTURE_BATCH = 16
CACHE_BYTES = 5 * 2**30  # of keys and values at once: four pictures of a 7B with guidance


class LanguageModel(Protocol):
    """What is sampled from: a `Base`, or a base with concepts on it (`Speaker`)."""

    vocab: Vocab

    @property
    def device(self) -> torch.device: ...

    @property
    def longest(self) -> int:
        """How many ids a sequence may have."""

    def cache_bytes(self, ids: int) -> int:
        """Keys and values of one sequence of so many ids."""

    def embed(self, ids_BT: torch.Tensor) -> torch.Tensor:
        """Input rows [B, T, D]."""

    def hidden(
        self,
        embeds_BTD: torch.Tensor,
        cache: Cache | None = None,
        mask_BT: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Last hidden states [B, T, D]."""

    def logits(self, hidden: torch.Tensor, ids_BT: torch.Tensor) -> torch.Tensor:
        """Logits [B, ..., V] of hidden states [B, ..., D], after the sequences `ids_BT`."""


class _Continuation:
    """Sequences that are read and continued together; prompts are padded on the left."""

    def __init__(self, speaker: LanguageModel, prompts: Sequence[Sequence[int]]):
        self.speaker = speaker
        length = max(map(len, prompts))
        # On the left, so that the last id of every prompt stands in the last column. Rotary
        # positions are relative, so the shift to the right does not matter.
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
        # Of the last position only: scores of a whole prompt would be T x V numbers.
        return self.speaker.logits(hidden[:, -1], self.ids).float()

    def append(self, next_B: torch.Tensor) -> None:
        self.ids = torch.cat([self.ids, next_B[:, None]], 1)
        self.mask = torch.cat([self.mask, torch.ones_like(next_B)[:, None]], 1)
        self.logits = self._read(next_B[:, None])


def _parts(
    speaker: LanguageModel,
    prompts: Sequence[Sequence[int]],
    most: int,
    *,
    more_ids: int = 0,
    copies: int = 1,
) -> Iterator[tuple[int, Sequence]]:
    """Prompts in parts that are sampled together, each with the number of its first prompt.

    A part is smaller than `most` where the cache of a large base would outgrow CACHE_BYTES.

    Args:
        speaker: What they are sampled from.
        prompts: Ids of each.
        most: Prompts that a part may have.
        more_ids: Ids that are sampled after each prompt.
        copies: Sequences that are read for each prompt: 2 with guidance.
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
def next_logits(speaker: LanguageModel, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
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
    """One id for each row, [B].

    Args:
        logits_BV: Scores of the vocabulary.
        temperature: The scores are divided by it; 0 takes the likeliest id.
        top_p: Ids are sampled from the smallest set that holds this much of the probability.
        generators: One for each row.
    """
    if temperature == 0:
        return logits_BV.argmax(-1)
    probability = (logits_BV / temperature).softmax(-1)
    ranked, order = probability.sort(-1, descending=True)
    # What is likelier than an id, without the id itself: the likeliest one is always kept.
    ranked = ranked * (ranked.cumsum(-1) - ranked < top_p)
    # On the CPU, where the generators are: a GPU would draw other numbers from the same seed.
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
        # Far apart: the rows of one seed are not those of the next.
        torch.Generator().manual_seed((seed * 1_000_003 + first + i) % 2**63)
        for i in range(count)
    ]


@torch.no_grad()
def sample_text(
    speaker: LanguageModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_ids: int = ANSWER_IDS,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> list[list[int]]:
    """The ids that follow each prompt, up to the end of the answer (left out). Image ids, and what
    else is no text, are never sampled here.

    Args:
        speaker: What they are sampled from.
        prompts: Ids of each.
        max_ids: Ids that an answer may have.
        temperature: 0 takes the likeliest id at every place.
        top_p: Ids are sampled from the smallest set that holds this much of the probability.
        seed: Of the sampling.
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
            # Answers of one batch end at different steps; those that have ended are filled up.
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
    speaker: LanguageModel, prompts: Sequence[Sequence[int]], length: int, how: Draw
) -> torch.Tensor:
    """Image ids [N, K] of one picture for each prompt; begin_image is forced, then image ids only.

    Guidance compares with the unconditional prompt, bos + begin_image, in the same batch.

    Args:
        speaker: What they are sampled from.
        prompts: Ids of each.
        length: K, the image ids of a picture.
        how: Temperature, guidance, seed and so on.
    """
    vocab = speaker.vocab
    drawn = []
    guided = how.guidance != 1
    for first, part in _parts(
        speaker, prompts, PICTURE_BATCH, more_ids=length + 1, copies=2 if guided else 1
    ):
        part = [[*p, vocab.begin_image] for p in part]
        # In the second half of the batch, where `chunk` finds them.
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
            # `scores` has a column for each code, so `pick` gives codes.
            ids.append(image_ids[pick(scores, how.temperature, how.top_p, generators)])
            # Nothing follows the last id: its forward pass is left out. Both halves read what was
            # drawn.
            if step + 1 < length:
                picture.append(ids[-1].repeat(2 if guided else 1))
        drawn.append(torch.stack(ids, 1).cpu())
    return torch.cat(drawn)
