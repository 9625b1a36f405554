"""Sampling text and pictures, in batches, with a key-value cache and classifier-free guidance.

What prompts have in common is read once: equal prompts, and equal beginnings (a picture that several
questions are about, a concept's introduction).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

import torch

from unictoken.core.errors import UserError
from unictoken.core.progress import progress
from unictoken.model.draw import Draw
from unictoken.model.products import threads_for
from unictoken.model.protocol import LanguageModel

TEXT_BATCH = 128
ANSWER_IDS = 64  # that an answer may have, where nobody says how many
PICTURE_BATCH = 16
CACHE_BYTES = 5 * 2**30  # of keys and values at once: four pictures of a 7B with guidance
RANKED = 128  # ids that are sorted on a CPU; as many as torch finds without sorting all of them
LOOK_EVERY = 8  # words, on a GPU: to see which answers have ended, the CPU waits for it

Prompt = tuple[int, ...]


class _Continuation:
    """Sequences that are read and continued together.

    Attributes: `ids` [B, T] (the sequences, padded on the left), `hidden` [B, D] (after the last
    id of each).

    Args:
        speaker: What reads them.
        prompts: Ids of each.
        more_ids: Ids that may be appended to each.
    """

    def __init__(self, speaker: LanguageModel, prompts: Sequence[Prompt], more_ids: int = 0):
        self.speaker, self.device = speaker, speaker.device
        different = list(dict.fromkeys(prompts))
        begun = beginnings(different)
        first = list(dict.fromkeys(begun))
        if len(first) == len(different):  # nothing is shared
            first, begun = different, different
        rests = [p[len(b) :] for p, b in zip(different, begun, strict=True)]

        columns = max(map(len, first)) + max(map(len, rests)) + more_ids
        self.reading = speaker.reading(len(first), columns)
        self._read(first)
        if any(rests):
            self._select([first.index(b) for b in begun])
            self._read(rests)
        self._select([different.index(p) for p in prompts])
        self.ids, _ = self._padded(prompts)

    def _padded(self, pieces: Sequence[Prompt]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Ids [B, S], padded on the left, so that the last one of each stands in the last column;
        and where there are ids, None for everywhere.
        """
        length = max(map(len, pieces))
        rows = [[self.speaker.vocab.pad] * (length - len(p)) + list(p) for p in pieces]
        ids_BS = torch.tensor(rows, device=self.device)
        if min(map(len, pieces)) == length:
            return ids_BS, None
        given = [[False] * (length - len(p)) + [True] * len(p) for p in pieces]
        return ids_BS, torch.tensor(given, device=self.device)

    def _read(self, pieces: Sequence[Prompt]) -> None:
        ids_BS, seen_BS = self._padded(pieces)
        self.hidden = self.reading.read(self.speaker.embed(ids_BS), seen_BS)[:, -1]

    def _select(self, rows: Sequence[int]) -> None:
        self.reading.select(rows)
        self.hidden = self.hidden[rows]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these sequences alone."""
        self._select(rows)
        self.ids = self.ids[rows]

    def append(self, next_B: torch.Tensor) -> None:
        self.ids = torch.cat([self.ids, next_B[:, None]], 1)
        self.hidden = self.reading.read(self.speaker.embed(next_B[:, None]))[:, -1]


def beginnings(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The beginning of each prompt that is read once for all that share it.

    Prompts share one where it is at least half of each. The last id of a prompt is never in it.

    >>> beginnings([(1, 2, 3, 4), (1, 2, 3, 5), (7, 8)])
    [(1, 2, 3), (1, 2, 3), (7,)]
    """
    begun: dict[Prompt, Prompt] = {}
    members: list[Prompt] = []
    common: Prompt = ()
    for prompt in sorted(prompts):  # neighbours have most in common
        common = _shared(common, prompt[:-1])
        if 2 * len(common) < max(map(len, [prompt, *members])):
            members, common = [], prompt[:-1]
        members.append(prompt)
        begun |= dict.fromkeys(members, common)
    return [begun[prompt] for prompt in prompts]


def _shared(one: Prompt, other: Prompt) -> Prompt:
    """What two prompts begin with."""
    return tuple(
        a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )


def _parts(
    speaker: LanguageModel,
    prompts: Sequence[Sequence[int]],
    most: int,
    *,
    more_ids: int = 0,
    copies: int = 1,
) -> Iterator[tuple[list[int], list[Prompt]]]:
    """Prompts in parts that are sampled together, each with the numbers of its prompts.

    Prompts that begin alike are in one part. A part is smaller than `most` where the cache of a
    large base would outgrow CACHE_BYTES.

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
    given = [tuple(prompt) for prompt in prompts]
    order = sorted(range(len(given)), key=given.__getitem__)
    for start in range(0, len(order), size):
        numbers = order[start : start + size]
        yield numbers, [given[i] for i in numbers]


@torch.no_grad()
def next_logits(speaker: LanguageModel, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Scores of what comes next, [B, V] in fp32, for prompts of any lengths."""
    parts = list(_parts(speaker, prompts, TEXT_BATCH))
    scores = []
    for _, part in progress(parts, f"reading {len(prompts)} prompts"):
        read = _Continuation(speaker, part)
        scores.append(speaker.logits(read.hidden, read.ids).float().cpu())
        del read  # its cache, before the next part reads into another
    order = torch.tensor([number for numbers, _ in parts for number in numbers])
    return torch.cat(scores)[order.argsort()]


def pick(
    logits_BV: torch.Tensor, temperature: float, top_p: float, uniform_B: torch.Tensor
) -> torch.Tensor:
    """One id for each row, [B].

    Args:
        logits_BV: Scores of the vocabulary.
        temperature: The scores are divided by it; 0 takes the likeliest id.
        top_p: Ids are sampled from the smallest set that holds this much of the probability.
        uniform_B: A number from [0, 1) for each row, which decides.
    """
    if temperature == 0:
        return logits_BV.argmax(-1)
    probability_BV = (logits_BV / temperature).softmax(-1)
    if top_p >= 1:
        return _drawn_by(uniform_B, probability_BV.cumsum(-1))
    if probability_BV.device.type != "cpu":
        return _from_nucleus(*probability_BV.sort(-1, descending=True), top_p, uniform_B)

    ranked, order = probability_BV.topk(min(RANKED, probability_BV.shape[-1]))
    chosen = _from_nucleus(ranked, order, top_p, uniform_B)
    # Where these do not hold so much, all are sorted: for that row alone, so that no row depends
    # on the others.
    for i in (ranked.sum(-1) < top_p).nonzero()[:, 0]:
        whole = probability_BV[i : i + 1].sort(-1, descending=True)
        chosen[i : i + 1] = _from_nucleus(*whole, top_p, uniform_B[i : i + 1])
    return chosen


def _from_nucleus(
    ranked_BR: torch.Tensor, order_BR: torch.Tensor, top_p: float, uniform_B: torch.Tensor
) -> torch.Tensor:
    """One id for each row, [B]: of `order_BR`, by their probabilities `ranked_BR`, largest first."""
    mass_BR = ranked_BR.cumsum(-1)
    # What is likelier than an id, without the id itself: the likeliest one is always kept.
    kept_BR = mass_BR - ranked_BR < top_p
    mass_BR = torch.where(kept_BR, mass_BR, 0).cummax(-1).values
    return order_BR.gather(-1, _drawn_by(uniform_B, mass_BR)[:, None]).squeeze(-1)


def _drawn_by(uniform_B: torch.Tensor, mass_BV: torch.Tensor) -> torch.Tensor:
    """The first place of each row whose mass is above that share of the last place's, [B]."""
    total_B = mass_BV[:, -1]
    # Below the total, also where the product is rounded up.
    share_B = torch.minimum(uniform_B * total_B, total_B.nextafter(torch.zeros_like(total_B)))
    return torch.searchsorted(mass_BV, share_B[:, None], right=True).squeeze(-1)


def _uniform(seed: int, numbers: Sequence[int], length: int) -> torch.Tensor:
    """Numbers from [0, 1), [N, length], by which what is sampled is decided.

    Each row is that of a picture's own generator, so that a picture depends on its number and the
    seed, not on the batch it is drawn in; on the CPU, since a GPU would draw others.
    """
    rows = [torch.empty(0, length)]
    for number in numbers:
        # Far apart: the rows of one seed are not those of the next.
        generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
        rows.append(torch.rand(1, length, generator=generator))
    return torch.cat(rows)


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
    ends = speaker.vocab.ends
    answers: dict[int, list[int]] = {}
    for numbers, part in _parts(speaker, prompts, TEXT_BATCH, more_ids=max_ids):
        uniform_NT = _uniform(seed, numbers, max_ids).to(speaker.device)
        what = f"answering {len(part)} of {len(prompts)} questions"
        talk = _Continuation(speaker, part, max_ids)
        with threads_for(talk.hidden.numel(), speaker.device):
            said_NT = _said(talk, uniform_NT, temperature, top_p, what)
        del talk  # its cache, before the next part reads into another
        for number, ids in zip(numbers, said_NT.tolist(), strict=True):
            answers[number] = list(takewhile(lambda i: i not in ends, ids))
    return [answers[number] for number in range(len(prompts))]


def _said(
    talk: _Continuation, uniform_NT: torch.Tensor, temperature: float, top_p: float, what: str
) -> torch.Tensor:
    """The ids that follow each prompt, [N, T], up to the end of the answer; anything follows that.

    Args:
        talk: The prompts, read.
        uniform_NT: Decides what is sampled.
        temperature: 0 takes the likeliest id at every place.
        top_p: Ids are sampled from the smallest set that holds this much of the probability.
        what: Is shown to people meanwhile.
    """
    vocab, device = talk.speaker.vocab, talk.device
    no_text, ends = (torch.tensor(ids, device=device) for ids in (vocab.no_text, vocab.ends))
    said_NT = torch.full(uniform_NT.shape, vocab.end_turn, device=device)
    rows = torch.arange(len(said_NT), device=device)  # whose answers go on
    open_B = torch.ones(len(said_NT), dtype=torch.bool, device=device)
    look_every = 1 if device.type == "cpu" else LOOK_EVERY
    for step in progress(range(said_NT.shape[1]), what, unit="word"):
        logits = talk.speaker.text_logits(talk.hidden, talk.ids).float()
        logits = logits.index_fill(1, no_text, -torch.inf)
        chosen_B = pick(logits, temperature, top_p, uniform_NT[rows, step])
        said_NT[rows, step] = chosen_B
        open_B &= ~torch.isin(chosen_B, ends)
        if step % look_every == 0:
            left = open_B.nonzero()[:, 0].tolist()
            if not left:
                break
            # To leave costs a copy of the cache.
            if len(left) <= len(open_B) / 2:
                talk.keep(left)
                rows, open_B, chosen_B = rows[left], open_B[left], chosen_B[left]
        if step + 1 < said_NT.shape[1]:
            talk.append(chosen_B)
    return said_NT


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
    vocab, device = speaker.vocab, speaker.device
    image_ids = vocab.image_ids.to(device)
    drawn_NK = torch.empty(len(prompts), length, dtype=torch.long)
    guided = how.guidance != 1
    for numbers, part in _parts(
        speaker, prompts, PICTURE_BATCH, more_ids=length + 1, copies=2 if guided else 1
    ):
        told = [tuple(vocab.to_draw(prompt)) for prompt in part]
        # In the second half of the batch, where `chunk` finds them.
        blind = [tuple(vocab.blind_prompt)] * len(part) if guided else []
        picture = _Continuation(speaker, told + blind, length - 1)
        uniform_NK = _uniform(how.seed, numbers, length).to(device)
        what = f"drawing {len(part)} of {len(prompts)} pictures"
        with threads_for(picture.hidden.numel(), device):
            drawn_NK[numbers] = _drawn(picture, image_ids, uniform_NK, how, what).cpu()
    return drawn_NK


def _drawn(
    picture: _Continuation,
    image_ids: torch.Tensor,
    uniform_NK: torch.Tensor,
    how: Draw,
    what: str,
) -> torch.Tensor:
    """Image ids [N, K] that follow N prompts.

    Args:
        picture: The prompts, read; with guidance, as many unconditional ones after them.
        image_ids: Id of each code.
        uniform_NK: Decides what is sampled.
        how: Temperature, guidance and so on.
        what: Is shown to people meanwhile.
    """
    guided, length = how.guidance != 1, uniform_NK.shape[1]
    ids: list[torch.Tensor] = []
    for step in progress(range(length), what):
        hidden = picture.hidden
        if guided:
            told_hidden, free = hidden.chunk(2)
            # Before the head, which is linear: half as many scores.
            hidden = torch.lerp(free, told_hidden, how.guidance)
        scores = picture.speaker.image_logits(hidden).float()
        codes = pick(scores, how.temperature, how.top_p, uniform_NK[:, step])
        ids.append(image_ids[codes])
        # Nothing follows the last id: its forward pass is left out. Both halves read what was
        # drawn.
        if step + 1 < length:
            picture.append(ids[-1].repeat(2 if guided else 1))
    return torch.stack(ids, 1)
